/*
 * Copyright (c) 2026 The IOVTee for Open vSwitch authors.
 *
 * Licensed under the Apache License, Version 2.0 (the "License");
 * you may not use this file except in compliance with the License.
 * You may obtain a copy of the License at:
 *
 *     http://www.apache.org/licenses/LICENSE-2.0
 *
 * Unless required by applicable law or agreed to in writing, software
 * distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied.
 * See the License for the specific language governing permissions and
 * limitations under the License.
 */

/* Unit tests of lib/border, with Open vSwitch's own actions and the linker's
 * diversions: which actions see a packet in guest memory, and which see a
 * private one. */

#include <config.h>

#include "border/border.h"

#include "border-fixture.h"
#include "csum.h"
#include "netlink.h"
#include "odp-execute.h"
#include "odp-netlink.h"
#include "openvswitch/ofpbuf.h"
#include "packets.h"

#define UNKNOWN_ACTION 200
#define SYMMETRIC_HASH 201      /* For put_action(). */

/* What the packets matched, as the datapaths keep it. */
static struct { void *datapath; const struct flow *flow; } aux
    = { NULL, &flow };

/* What the datapath's callback has seen. */
static struct seen {
    unsigned int n;             /* Calls with packets. */
    unsigned int n_in_place;    /* Packets in guest memory... */
    unsigned int n_private;     /* ...and others. */
} seen;

/* Executes what only a datapath can. */
static void
execute(void *dp, struct dp_packet_batch *batch, const struct nlattr *a,
        bool steal)
{
    struct dp_packet *packet;

    CHECK(dp == &aux);
    seen.n += !dp_packet_batch_is_empty(batch);
    DP_PACKET_BATCH_FOR_EACH (i, packet, batch) {
        bool marked = iovtee_mark_is_set(packet);

        CHECK(marked == is_in_guest(dp_packet_data(packet)));
        seen.n_in_place += marked;
        seen.n_private += !marked;
    }
    CHECK(a);
    dp_packet_delete_batch(batch, steal);
}

static void
run(struct dp_packet_batch *batch, bool steal, const struct ofpbuf *actions)
{
    memset(&seen, 0, sizeof seen);
    odp_execute_actions(&aux, batch, steal, actions->data, actions->size,
                        execute);
}

/* Makes a list of actions that puts out packets in the end. */
static void
put_output(struct ofpbuf *actions)
{
    nl_msg_put_u32(actions, OVS_ACTION_ATTR_OUTPUT, 7);
}

/* Runs 'actions' on some packets and checks that all of them are then in guest
 * memory ('in_place'), or none, and that no shell is lost. */
static void
check_run(const char *name, const struct ofpbuf *actions, bool in_place)
{
    struct dp_packet_batch batch;

    receive_batch(&batch, 3);
    run(&batch, true, actions);
    printf("%s: %s\n", name, seen.n_in_place ? "in place" : "private");
    CHECK(seen.n && !seen.n_in_place != in_place);
    CHECK(!seen.n_private == in_place);
    CHECK(iovtee_border_is_far(actions->data, actions->size) != in_place);
    CHECK(rte_mempool_full(mp));
}

/* Appends the action 'type', with something that it accepts. */
static void
put_action(struct ofpbuf *actions, int type)
{
    struct ovs_action_push_vlan vlan = { htons(ETH_TYPE_VLAN), htons(5) };
    struct ovs_action_push_mpls push_mpls = { 0, htons(ETH_TYPE_MPLS) };
    struct ovs_action_add_mpls add_mpls = {
        0, htons(ETH_TYPE_MPLS), OVS_MPLS_L3_TUNNEL_FLAG_MASK
    };
    struct ovs_action_trunc trunc = { 100 };
    struct ovs_action_hash hash = { OVS_HASH_ALG_L4, 1 };

    switch (type) {
    case OVS_ACTION_ATTR_PUSH_VLAN:
        nl_msg_put_unspec(actions, type, &vlan, sizeof vlan);
        break;
    case OVS_ACTION_ATTR_PUSH_MPLS:
        nl_msg_put_unspec(actions, type, &push_mpls, sizeof push_mpls);
        break;
    case OVS_ACTION_ATTR_ADD_MPLS:
        nl_msg_put_unspec(actions, type, &add_mpls, sizeof add_mpls);
        break;
    case OVS_ACTION_ATTR_POP_MPLS:
        nl_msg_put_be16(actions, type, htons(ETH_TYPE_IP));
        break;
    case OVS_ACTION_ATTR_TRUNC:
        nl_msg_put_unspec(actions, type, &trunc, sizeof trunc);
        break;
    case SYMMETRIC_HASH:
        hash.hash_alg = OVS_HASH_ALG_SYM_L4;
        /* Fall through. */
    case OVS_ACTION_ATTR_HASH:
        nl_msg_put_unspec(actions, OVS_ACTION_ATTR_HASH, &hash, sizeof hash);
        break;
    case OVS_ACTION_ATTR_PUSH_NSH: {
        size_t ofs = nl_msg_start_nested(actions, type);
        struct ovs_nsh_key_base base = { .ttl = 63, .mdtype = NSH_M_TYPE1 };
        struct ovs_nsh_key_md1 md1 = { { 0 } };

        nl_msg_put_unspec(actions, OVS_NSH_KEY_ATTR_BASE, &base, sizeof base);
        nl_msg_put_unspec(actions, OVS_NSH_KEY_ATTR_MD1, &md1, sizeof md1);
        nl_msg_end_nested(actions, ofs);
        break;
    }
    default:
        nl_msg_put_u32(actions, type, 1);
    }
}

/* Appends a set, or a masked set, of field 'key', with all zeros. */
static void
put_set(struct ofpbuf *actions, int type, int key, size_t len)
{
    size_t ofs = nl_msg_start_nested(actions, type);

    nl_msg_put_unspec_zero(actions, key,
                           type == OVS_ACTION_ATTR_SET ? len : 2 * len);
    nl_msg_end_nested(actions, ofs);
}

struct action {
    const char *name;
    int type;
};

static void
check_actions(const struct action actions[], size_t n, bool in_place)
{
    for (size_t i = 0; i < n; i++) {
        struct ofpbuf list;

        ofpbuf_init(&list, 0);
        put_action(&list, actions[i].type);
        put_output(&list);
        check_run(actions[i].name, &list, in_place);
        ofpbuf_uninit(&list);
    }
}

struct field {
    const char *name;
    int key;
    size_t len;
};

static void
check_fields(const struct field fields[], size_t n, bool in_place)
{
    for (size_t i = 0; i < n; i++) {
        struct ofpbuf list;

        ofpbuf_init(&list, 0);
        put_set(&list, OVS_ACTION_ATTR_SET_MASKED, fields[i].key,
                fields[i].len);
        put_output(&list);
        check_run(fields[i].name, &list, in_place);
        ofpbuf_uninit(&list);
    }
}

/* What is on the near side gets the packet as it is. */
static void
test_near(void)
{
    static const struct action actions[] = {
        { "output", OVS_ACTION_ATTR_OUTPUT },
        { "lb_output", OVS_ACTION_ATTR_LB_OUTPUT },
        { "meter", OVS_ACTION_ATTR_METER },
        { "recirc", OVS_ACTION_ATTR_RECIRC },
        { "trunc", OVS_ACTION_ATTR_TRUNC },
        { "push_vlan", OVS_ACTION_ATTR_PUSH_VLAN },
        { "pop_vlan", OVS_ACTION_ATTR_POP_VLAN },
        { "ct", OVS_ACTION_ATTR_CT },
        { "ct_clear", OVS_ACTION_ATTR_CT_CLEAR },
    };
    static const struct field fields[] = {
        { "set(skb_mark)", OVS_KEY_ATTR_SKB_MARK, 4 },
        { "set(eth)", OVS_KEY_ATTR_ETHERNET, sizeof(struct ovs_key_ethernet) },
        { "set(ipv4)", OVS_KEY_ATTR_IPV4, sizeof(struct ovs_key_ipv4) },
        { "set(tcp)", OVS_KEY_ATTR_TCP, sizeof(struct ovs_key_tcp) },
        { "set(udp)", OVS_KEY_ATTR_UDP, sizeof(struct ovs_key_udp) },
    };

    init();
    check_actions(actions, ARRAY_SIZE(actions), true);
    check_fields(fields, ARRAY_SIZE(fields), true);
}

/* What is on the far side gets a private packet, and so does what follows. */
static void
test_far(void)
{
    static const struct action actions[] = {
        { "tunnel_push", OVS_ACTION_ATTR_TUNNEL_PUSH },
        { "tunnel_pop", OVS_ACTION_ATTR_TUNNEL_POP },
        { "userspace", OVS_ACTION_ATTR_USERSPACE },
        { "push_mpls", OVS_ACTION_ATTR_PUSH_MPLS },
        { "pop_mpls", OVS_ACTION_ATTR_POP_MPLS },
        { "add_mpls", OVS_ACTION_ATTR_ADD_MPLS },
        { "pop_eth", OVS_ACTION_ATTR_POP_ETH },
        { "push_nsh", OVS_ACTION_ATTR_PUSH_NSH },
        { "pop_nsh", OVS_ACTION_ATTR_POP_NSH },
        { "hash(l4)", OVS_ACTION_ATTR_HASH },
        { "hash(sym_l4)", SYMMETRIC_HASH },
        { "unknown", UNKNOWN_ACTION },
    };
    static const struct field fields[] = {
        { "set(sctp)", OVS_KEY_ATTR_SCTP, sizeof(struct ovs_key_sctp) },
        { "set(mpls)", OVS_KEY_ATTR_MPLS, sizeof(struct ovs_key_mpls) },
    };
    static const int not_run[] = {
        OVS_KEY_ATTR_IPV6, OVS_KEY_ATTR_ARP, OVS_KEY_ATTR_ND,
        OVS_KEY_ATTR_ICMP, OVS_KEY_ATTR_ICMPV6, OVS_KEY_ATTR_NSH,
        OVS_KEY_ATTR_ND_EXTENSIONS, 99
    };

    init();
    check_actions(actions, ARRAY_SIZE(actions), false);
    check_fields(fields, ARRAY_SIZE(fields), false);

    for (size_t i = 0; i < ARRAY_SIZE(not_run); i++) {
        struct ofpbuf list;

        ofpbuf_init(&list, 0);
        put_set(&list, OVS_ACTION_ATTR_SET, not_run[i], 64);
        CHECK(iovtee_border_is_far(list.data, list.size));
        ofpbuf_uninit(&list);
    }
}

enum nest { SAMPLE, CLONE, GREATER, LESS_EQUAL };

/* Appends an action that contains the action 'type'. */
static void
put_nested(struct ofpbuf *actions, enum nest nest, int type)
{
    static const int outer[] = {
        OVS_ACTION_ATTR_SAMPLE, OVS_ACTION_ATTR_CLONE,
        OVS_ACTION_ATTR_CHECK_PKT_LEN, OVS_ACTION_ATTR_CHECK_PKT_LEN
    };
    static const int inner[] = {
        OVS_SAMPLE_ATTR_ACTIONS, 0,
        OVS_CHECK_PKT_LEN_ATTR_ACTIONS_IF_GREATER,
        OVS_CHECK_PKT_LEN_ATTR_ACTIONS_IF_LESS_EQUAL
    };
    size_t ofs = nl_msg_start_nested(actions, outer[nest]);
    size_t list_ofs = 0;

    if (nest == SAMPLE) {
        nl_msg_put_u32(actions, OVS_SAMPLE_ATTR_PROBABILITY, UINT32_MAX);
    } else if (nest != CLONE) {
        /* The other list is empty. */
        nl_msg_put_u16(actions, OVS_CHECK_PKT_LEN_ATTR_PKT_LEN,
                       nest == GREATER ? 10 : 1000);
        nl_msg_put_flag(actions, inner[nest == GREATER ? LESS_EQUAL
                                       : GREATER]);
    }
    if (nest != CLONE) {
        list_ofs = nl_msg_start_nested(actions, inner[nest]);
    }
    put_action(actions, type);
    if (type != OVS_ACTION_ATTR_USERSPACE) {
        put_output(actions);
    }
    if (nest != CLONE) {
        nl_msg_end_nested(actions, list_ofs);
    }
    nl_msg_end_nested(actions, ofs);
}

/* Actions with actions in them count by what these are, and by whether they
 * get the packet or a clone. */
static void
test_nested(void)
{
    static const char *names[] = { "sample", "clone", "greater", "less" };

    init();
    for (enum nest nest = SAMPLE; nest <= LESS_EQUAL; nest++) {
        struct {
            const char *name;
            int type;
            bool last;
            bool far;
        } cases[] = {
            { "output, last", OVS_ACTION_ATTR_OUTPUT, true, false },
            { "output", OVS_ACTION_ATTR_OUTPUT, false, false },
            { "pop_mpls, last", OVS_ACTION_ATTR_POP_MPLS, true, true },
            { "pop_mpls", OVS_ACTION_ATTR_POP_MPLS, false, true },
            { "ct, last", OVS_ACTION_ATTR_CT, true, false },
            { "ct", OVS_ACTION_ATTR_CT, false, true },
            { "userspace, last", OVS_ACTION_ATTR_USERSPACE, true, true },
            { "userspace", OVS_ACTION_ATTR_USERSPACE, false, false },
            { "tunnel_push, last", OVS_ACTION_ATTR_TUNNEL_PUSH, true, true },
            { "tunnel_push", OVS_ACTION_ATTR_TUNNEL_PUSH, false, false },
            { "unknown", UNKNOWN_ACTION, false, true },
        };

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
            struct dp_packet_batch batch;
            struct ofpbuf list;

            ofpbuf_init(&list, 0);
            put_nested(&list, nest, cases[i].type);
            if (!cases[i].last) {
                put_output(&list);
            }
            receive_batch(&batch, 2);
            run(&batch, true, &list);
            printf("%s(%s): %s\n", names[nest], cases[i].name,
                   cases[i].far ? "private" : "in place");
            CHECK(iovtee_border_is_far(list.data, list.size) == cases[i].far);
            CHECK(!seen.n_in_place == cases[i].far);
            CHECK(rte_mempool_full(mp));
            ofpbuf_uninit(&list);
        }
    }
}

/* Whoever keeps the packets finds them where they were. */
static void
test_keep(void)
{
    struct dp_packet_batch batch;
    struct ofpbuf list;

    init();
    ofpbuf_init(&list, 0);
    put_action(&list, OVS_ACTION_ATTR_POP_ETH);
    put_output(&list);
    receive_batch(&batch, 2);
    run(&batch, false, &list);
    CHECK(seen.n_private == 2 && !seen.n_in_place);
    CHECK(dp_packet_batch_size(&batch) == 2);
    CHECK(iovtee_mark_is_set(batch.packets[0])
          && dp_packet_is_eth(batch.packets[0]));
    CHECK(rte_mempool_avail_count(mp) == N_MBUFS - 2);
    dp_packet_delete_batch(&batch, true);

    /* The longest batch that there is.  (If there are longer ones, that the
     * copies leave nothing behind is for the sanitizers to see.) */
    receive_batch(&batch, IOVTEE_LONG_BATCHES ? N_MBUFS : NETDEV_MAX_BURST);
    run(&batch, false, &list);
    CHECK(seen.n_private == dp_packet_batch_size(&batch) && !seen.n_in_place);
    CHECK(rte_mempool_avail_count(mp)
          == N_MBUFS - dp_packet_batch_size(&batch));
    dp_packet_delete_batch(&batch, true);
    CHECK(rte_mempool_full(mp));
    iovtee_batch_destroy(&batch);
    ofpbuf_uninit(&list);
}

/* A frame that is of another kind now is dropped, others are parsed again. */
static void
test_rewritten(void)
{
    struct ovs_16aligned_ip6_hdr *ip6;
    struct dp_packet_batch batch;
    struct ip_header *ip;
    struct ofpbuf list;

    init();
    ofpbuf_init(&list, 0);
    put_action(&list, OVS_ACTION_ATTR_POP_ETH);
    put_output(&list);

    receive_batch(&batch, 3);
    ((struct eth_header *) dp_packet_data(batch.packets[1]))->eth_type
        = htons(ETH_TYPE_ARP);
    run(&batch, true, &list);
    CHECK(seen.n_private == 2 && !seen.n_in_place);

    receive_batch(&batch, 1);
    ((struct eth_header *) dp_packet_data(batch.packets[0]))->eth_type
        = htons(ETH_TYPE_NSH);
    run(&batch, true, &list);
    CHECK(!seen.n);
    CHECK(rte_mempool_full(mp));

    receive_batch(&batch, 1);
    ip = dp_packet_l3(batch.packets[0]);
    ip->ip_ihl_ver = IP_IHL_VER(6, 4);
    iovtee_border_move(&batch, &flow);
    CHECK(dp_packet_batch_size(&batch) == 1);
    CHECK(batch.packets[0]->l4_ofs == 14 + 24);
    dp_packet_delete_batch(&batch, true);

    /* Longer than it is, so that nobody knows where its L4 header begins. */
    flow.dl_type = htons(ETH_TYPE_IPV6);
    receive_batch(&batch, 2);
    ip6 = dp_packet_l3(batch.packets[1]);
    ip6->ip6_plen = htons(2000);
    iovtee_border_move(&batch, &flow);
    CHECK(dp_packet_batch_size(&batch) == 1);
    CHECK(batch.packets[0]->l4_ofs == 14 + 40);
    dp_packet_delete_batch(&batch, true);
    ofpbuf_uninit(&list);
}

/* A copy is complete, and has room around it. */
static void
test_copy(void)
{
    struct dp_packet *packet, *copy, *clone;
    const uint8_t *tail;

    init();
    packet = receive();
    packet->cutlen = 5;
    packet->md.pkt_mark = 42;
    packet->md.ct_state = CS_TRACKED | CS_NEW;
    packet->md.tunnel.ip_dst = htonl(1);
    packet->md.tunnel.tun_id = htonll(77);
    packet->md.conn = (void *) packet;
    copy = iovtee_border_copy(packet);
    CHECK(!iovtee_mark_is_set(copy) && copy->source == DPBUF_MALLOC);
    CHECK(dp_packet_equal(packet, copy));
    CHECK(copy->l3_ofs == 14 && copy->l4_ofs == 34 && copy->cutlen == 5);
    CHECK(copy->md.pkt_mark == 42 && copy->md.ct_state == packet->md.ct_state);
    CHECK(copy->md.tunnel.ip_dst == htonl(1)
          && copy->md.tunnel.tun_id == htonll(77));
    CHECK(!copy->md.conn);
    CHECK(dp_packet_get_rss_hash(copy) == 0x12345678);
    CHECK(iovtee_packet_is_ip_csum_good(copy));
    CHECK(dp_packet_headroom(copy) >= IOVTEE_BORDER_HEADROOM);
    CHECK(dp_packet_tailroom(copy) >= IOVTEE_BORDER_TAILROOM);
    tail = dp_packet_tail(copy);
    for (int i = 0; i < IOVTEE_BORDER_TAILROOM; i++) {
        CHECK(!tail[i]);
    }

    /* What Open vSwitch copies or moves has no mark that counts. */
    clone = dp_packet_clone(packet);
    CHECK(!iovtee_mark_is_set(clone));
    dp_packet_push_uninit(packet, HDR_LEN);
    CHECK(iovtee_mark_is_set(packet));
    dp_packet_push_uninit(packet, 1);
    CHECK(!iovtee_mark_is_set(packet));
    CHECK(!is_in_guest(dp_packet_data(packet)));
    dp_packet_delete(clone);
    dp_packet_delete(copy);
    dp_packet_delete(packet);
    CHECK(rte_mempool_full(mp));
}

int
main(int argc, char *argv[])
{
    static const struct unit_command commands[] = {
        { "near", test_near },
        { "far", test_far },
        { "nested", test_nested },
        { "keep", test_keep },
        { "rewritten", test_rewritten },
        { "copy", test_copy },
    };

    return unit_main(argc, argv, commands, ARRAY_SIZE(commands));
}
