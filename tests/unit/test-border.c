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

#include <rte_mbuf.h>

#include "border/twin.h"
#include "compat/compat.h"
#include "conntrack.h"
#include "csum.h"
#include "dpif-provider.h"
#include "flow.h"
#include "netlink.h"
#include "odp-execute.h"
#include "odp-netlink.h"
#include "openvswitch/ofpbuf.h"
#include "packets.h"
#include "queue/mark.h"
#include "timeval.h"
#include "util.h"

/* Open vSwitch has the same. */
#undef ARRAY_SIZE
#include "unit-eal.h"

#define HDR_LEN 12              /* Of the virtio header. */
#define N_MBUFS 8
#define BUF_SIZE 2048
#define UNKNOWN_ACTION 200
#define SYMMETRIC_HASH 201      /* For put_action(). */
#define FRAGMENT_LEN 1200

/* A guest's buffers. */
static uint8_t guest[N_MBUFS][BUF_SIZE];
static struct rte_mempool *mp;
static size_t l7_len = 100;     /* Of what is received. */

/* What the packets matched, as the datapaths keep it. */
static struct flow flow;
static struct { void *datapath; const struct flow *flow; } aux
    = { NULL, &flow };

/* What the datapath's callback has seen. */
static struct seen {
    unsigned int n;             /* Calls with packets. */
    unsigned int n_in_place;    /* Packets in guest memory... */
    unsigned int n_private;     /* ...and others. */
} seen;

static bool
is_in_guest(const void *p)
{
    return ((const uint8_t *) p >= guest[0]
            && (const uint8_t *) p < guest[0] + sizeof guest);
}

static void
init(void)
{
    unit_eal_init("64");
    CHECK(iovtee_mark_init());
    mp = rte_pktmbuf_pool_create("test", N_MBUFS, 0,
                                 sizeof(struct dp_packet)
                                 - sizeof(struct rte_mbuf), 0, 0);
    CHECK(mp);
    odp_execute_init();
    memset(&flow, 0, sizeof flow);
    flow.packet_type = htonl(PT_ETH);
    flow.dl_type = htons(ETH_TYPE_IP);
    flow.nw_src = htonl(0x0a000001);
    flow.nw_dst = htonl(0x0a000002);
    flow.nw_ttl = 64;
    flow.nw_proto = IPPROTO_TCP;
    flow.tp_src = htons(1000);
    flow.tp_dst = htons(2000);
}

/* Returns a packet of 'flow' in guest memory, as a virtqueue has marked it and
 * as flow extraction has left it. */
static struct dp_packet *
receive(void)
{
    struct rte_mbuf *m = rte_pktmbuf_alloc(mp);
    struct dp_packet *frame = dp_packet_new(0);
    struct dp_packet *packet;
    uint8_t *buffer;
    struct flow f;

    CHECK(m);
    packet = CONTAINER_OF(m, struct dp_packet, mbuf);
    buffer = guest[rte_mempool_avail_count(mp)];
    iovtee_flow_compose(frame, &flow, NULL, l7_len);
    memcpy(buffer + HDR_LEN, dp_packet_data(frame), dp_packet_size(frame));
    m->buf_addr = buffer;
    m->buf_len = BUF_SIZE;
    m->data_off = HDR_LEN;
    m->data_len = m->pkt_len = dp_packet_size(frame);
    m->ol_flags = RTE_MBUF_F_RX_RSS_HASH | RTE_MBUF_F_RX_IP_CKSUM_GOOD;
    m->hash.rss = 0x12345678;
    iovtee_mark_set(m);
    dp_packet_delete(frame);

    dp_packet_init_dpdk(packet);
    iovtee_packet_received(packet);
    pkt_metadata_init(&packet->md, u32_to_odp(1));
    flow_extract(packet, &f);
    CHECK(iovtee_mark_is_set(packet) && is_in_guest(dp_packet_data(packet)));
    return packet;
}

static void
receive_batch(struct dp_packet_batch *batch, unsigned int n)
{
    dp_packet_batch_init(batch);
    while (n--) {
        dp_packet_batch_add(batch, receive());
    }
}

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
    CHECK(rte_mempool_full(mp));
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

static upcall_callback *registered;

static void
register_upcall(struct dpif *dpif OVS_UNUSED, upcall_callback *cb,
                void *cb_aux OVS_UNUSED)
{
    registered = cb;
}

/* Returns whether it saw the packet in guest memory. */
static int
upcall(const struct dp_packet *packet, const struct flow *f,
       ovs_u128 *ufid OVS_UNUSED, unsigned pmd_id,
       enum dpif_upcall_type type OVS_UNUSED,
       const struct nlattr *userdata OVS_UNUSED,
       struct ofpbuf *actions OVS_UNUSED, struct flow_wildcards *wc OVS_UNUSED,
       struct ofpbuf *put_actions OVS_UNUSED, void *cb_aux)
{
    CHECK(f == &flow && pmd_id == 9 && cb_aux == &registered);
    CHECK(iovtee_mark_is_set(packet) == is_in_guest(dp_packet_data(packet)));
    return iovtee_mark_is_set(packet) ? 1 : 2;
}

static int
call_up(const struct dp_packet *packet)
{
    return registered(packet, &flow, NULL, 9, DPIF_UC_MISS, NULL, NULL, NULL,
                      NULL, &registered);
}

/* Upcalls get a copy of what is in guest memory. */
static void
test_upcall(void)
{
    static const struct dpif_class class = {
        .register_upcall_cb = register_upcall,
    };
    struct dpif dpif = { .dpif_class = &class };
    struct dp_packet *packet, *copy;

    init();
    dpif_register_upcall_cb(&dpif, upcall, &registered);
    packet = receive();
    copy = iovtee_border_copy(packet);
    CHECK(call_up(copy) == 2);
    CHECK(call_up(packet) == 2);
    CHECK(iovtee_mark_is_set(packet));
    ((struct eth_header *) dp_packet_data(packet))->eth_type = 0;
    CHECK(call_up(packet) == EINVAL);
    dp_packet_delete(packet);
    dp_packet_delete(copy);
    CHECK(rte_mempool_full(mp));

    dpif_register_upcall_cb(&dpif, NULL, &registered);
    CHECK(!registered);
}

static struct conntrack *ct;

/* Sends 'batch' through conntrack, which has threads of its own that go by the
 * time, and would find fragments of another time too old. */
static void
track(struct dp_packet_batch *batch, bool commit,
      const struct nat_action_info_t *nat)
{
    static const uint32_t mark[2] = { 0x55, UINT32_MAX };
    const ovs_be16 tp_src OVS_UNUSED = flow.tp_src;
    const ovs_be16 tp_dst OVS_UNUSED = flow.tp_dst;

    conntrack_execute(ct, batch, flow.dl_type, false, commit, 7,
                      commit ? mark : NULL, NULL, IOVTEE_CT_PORTS_ARGS
                      NULL, nat, time_msec(), 0);
}

/* Makes 'ct', which stays until the process ends: conntrack_destroy() waits
 * with a lock held for the thread that cleans up, which may be about to take
 * that lock for the first time. */
static void
init_ct(void)
{
    init();
    ct = conntrack_init();
    flow.nw_proto = IPPROTO_UDP;
}

static void
check_tracked(const struct dp_packet *packet)
{
    CHECK(packet->md.ct_state & CS_TRACKED);
    CHECK(packet->md.ct_zone == 7);
    CHECK(packet->md.ct_orig_tuple.ipv4.ipv4_src == flow.nw_src);
    CHECK(packet->md.ct_orig_tuple.ipv4.dst_port == flow.tp_dst);
    CHECK(!packet->md.conn || !iovtee_mark_is_set(packet));
}

/* Conntrack says something about the packets, which stay. */
static void
test_track(void)
{
    struct dp_packet_batch batch, before;

    init_ct();
    receive_batch(&batch, 3);
    dp_packet_batch_add(&batch, iovtee_border_copy(batch.packets[0]));
    before = batch;
    batch.packets[1]->md.pkt_mark = 42;
    track(&batch, true, NULL);
    CHECK(dp_packet_batch_size(&batch) == 4);
    for (int i = 0; i < 4; i++) {
        CHECK(batch.packets[i] == before.packets[i]);
        CHECK(iovtee_mark_is_set(batch.packets[i]) == (i < 3));
        check_tracked(batch.packets[i]);
        CHECK(batch.packets[i]->md.ct_mark == 0x55);
        CHECK(batch.packets[i]->l4_ofs == 34);
    }
    CHECK(batch.packets[1]->md.pkt_mark == 42);
    CHECK(batch.packets[0]->md.ct_state & CS_NEW);
    dp_packet_delete_batch(&batch, true);

    /* The answer is known, and so is a frame that cannot be tracked. */
    flow.nw_src = htonl(0x0a000002);
    flow.nw_dst = htonl(0x0a000001);
    flow.tp_src = htons(2000);
    flow.tp_dst = htons(1000);
    receive_batch(&batch, 2);
    ((struct ip_header *) dp_packet_l3(batch.packets[1]))->ip_ihl_ver = 0x4f;
    track(&batch, false, NULL);
    CHECK(batch.packets[0]->md.ct_state & CS_REPLY_DIR);
    CHECK(batch.packets[0]->md.ct_mark == 0x55);
    CHECK(batch.packets[1]->md.ct_state & CS_INVALID);
    CHECK(iovtee_mark_is_set(batch.packets[0])
          && iovtee_mark_is_set(batch.packets[1]));
    dp_packet_delete_batch(&batch, true);
    CHECK(rte_mempool_full(mp));
}

/* Makes a twin of 'packet', and gives it back as it is.  Returns how many
 * bytes of the packet it had; the others were zeros. */
static uint32_t
twin_len(struct dp_packet *packet, bool only_looks)
{
    const uint8_t *data = dp_packet_data(packet);
    const uint32_t size = dp_packet_size(packet);
    struct dp_packet_batch batch;
    struct iovtee_twins twins;
    const uint8_t *copy;
    uint32_t n = 0;

    dp_packet_batch_init_packet(&batch, packet);
    iovtee_twins_make(&twins, &batch, flow.dl_type, only_looks);
    CHECK(batch.packets[0] != packet && dp_packet_size(batch.packets[0])
          == size);
    CHECK(batch.packets[0]->l3_ofs == packet->l3_ofs);
    copy = dp_packet_data(batch.packets[0]);
    while (n < size && copy[n] == data[n]) {
        n++;
    }
    for (uint32_t i = n; i < size + IOVTEE_BORDER_TAILROOM; i++) {
        CHECK(!copy[i]);
    }
    iovtee_twins_settle(&twins, &batch);
    CHECK(dp_packet_batch_size(&batch) == 1 && batch.packets[0] == packet);
    return n;
}

/* Receives a packet whose payload has no zeros, and of which the NIC says that
 * the checksums are right. */
static struct dp_packet *
receive_full(size_t len)
{
    struct dp_packet *packet;

    l7_len = len;
    packet = receive();
    memset((uint8_t *) dp_packet_tail(packet) - len, 0xa5, len);
    packet->mbuf.ol_flags |= RTE_MBUF_F_RX_L4_CKSUM_GOOD;
    iovtee_packet_received(packet);
    return packet;
}

/* A twin of a packet that conntrack only looks at has its headers if that is
 * enough, and all of it otherwise; it never has what another one had. */
static void
check_twin_len(uint32_t headers)
{
    struct dp_packet *packet = receive_full(1000);
    const uint32_t size = dp_packet_size(packet);
    const bool is_ip4 = flow.dl_type == htons(ETH_TYPE_IP);
    uint8_t *l3 = dp_packet_l3(packet);
    uint8_t *proto = l3 + (is_ip4 ? 9 : 6);
    ovs_be16 *ports = dp_packet_l4(packet);
    ovs_be16 port = ports[1];

    CHECK(twin_len(packet, false) == size);
    CHECK(twin_len(packet, true) == headers);
    CHECK(iovtee_mark_n_twins(packet) == 2);

    /* Nobody has verified its checksum. */
    packet->mbuf.ol_flags &= ~RTE_MBUF_F_RX_L4_CKSUM_GOOD;
    iovtee_packet_received(packet);
    CHECK(twin_len(packet, true) == size);
    packet->mbuf.ol_flags |= RTE_MBUF_F_RX_L4_CKSUM_GOOD;
    iovtee_packet_received(packet);
    CHECK(twin_len(packet, true) == headers);

    /* Conntrack reads what FTP says. */
    ports[1] = htons(21);
    CHECK(twin_len(packet, true) == size);
    ports[1] = htons(69);
    CHECK(twin_len(packet, true) == size);
    ports[1] = port;

    /* The guest has been at it: it is something else now. */
    if (is_ip4) {
        l3[0] = 0x46;
        CHECK(twin_len(packet, true) == size);
        l3[0] = 0x45;
        l3[6] = IP_MORE_FRAGMENTS >> 8;
        CHECK(twin_len(packet, true) == size);
        l3[6] = 0;
    }
    *proto = IPPROTO_SCTP;
    CHECK(twin_len(packet, true) == size);
    *proto = flow.nw_proto;
    if (flow.nw_proto == IPPROTO_TCP) {
        ((uint8_t *) ports)[12] = 0xf0;         /* Options to the end. */
        CHECK(twin_len(packet, true) == headers + 40);
        ((uint8_t *) ports)[12] = 0x10;
        CHECK(twin_len(packet, true) == size);
        ((uint8_t *) ports)[12] = 0x50;
    }
    l3[is_ip4 ? 2 : 4] ^= 4;                    /* Another length. */
    CHECK(twin_len(packet, true) == size);
    l3[is_ip4 ? 2 : 4] ^= 4;
    CHECK(twin_len(packet, true) == headers);
    dp_packet_delete(packet);

    /* The longest one that a buffer holds, and the shortest. */
    packet = receive_full(BUF_SIZE - HDR_LEN - headers);
    CHECK(twin_len(packet, false) == dp_packet_size(packet));
    dp_packet_delete(packet);
    packet = receive_full(0);
    CHECK(twin_len(packet, true) == dp_packet_size(packet));
    dp_packet_delete(packet);
}

static void
test_twin_len(void)
{
    init();
    check_twin_len(14 + 20 + 20);
    flow.nw_proto = IPPROTO_UDP;
    check_twin_len(14 + 20 + 8);
    flow.dl_type = htons(ETH_TYPE_IPV6);
    check_twin_len(14 + 40 + 8);
    flow.nw_proto = IPPROTO_TCP;
    check_twin_len(14 + 40 + 20);
    CHECK(rte_mempool_full(mp));
}

/* If conntrack has changed a twin that has not got everything then it gets
 * the rest. */
static void
test_twin_changed(void)
{
    struct dp_packet *packet, *twin;
    struct dp_packet_batch batch;
    struct iovtee_twins twins;

    init();
    packet = receive_full(1000);
    dp_packet_batch_init_packet(&batch, packet);
    iovtee_twins_make(&twins, &batch, flow.dl_type, true);
    twin = batch.packets[0];
    CHECK(!*((uint8_t *) dp_packet_tail(twin) - 1));
    ((struct ip_header *) dp_packet_l3(twin))->ip_ttl = 9;
    iovtee_twins_settle(&twins, &batch);
    CHECK(batch.packets[0] == twin && rte_mempool_full(mp));
    CHECK(((struct ip_header *) dp_packet_l3(twin))->ip_ttl == 9);
    for (int i = 1; i <= 1000; i++) {
        CHECK(*((uint8_t *) dp_packet_tail(twin) - i) == 0xa5);
    }
    dp_packet_delete(twin);
}

/* What NAT changes is a private packet from then on. */
static void
test_nat(void)
{
    const struct nat_action_info_t nat = {
        .min_addr.ipv4 = htonl(0x0a000009), .max_addr.ipv4 = htonl(0x0a000009),
        .nat_action = NAT_ACTION_DST,
    };
    struct dp_packet_batch batch;
    uint8_t as_received[N_MBUFS][BUF_SIZE];

    init_ct();
    for (int i = 0; i < 3; i++) {
        struct dp_packet *packet;

        receive_batch(&batch, 3);
        batch.packets[1]->md.tunnel.ip_dst = htonl(1);
        batch.packets[1]->md.tunnel.tun_id = htonll(77);
        memcpy(as_received, guest, sizeof guest);
        track(&batch, true, &nat);
        CHECK(!memcmp(as_received, guest, sizeof guest));
        CHECK(dp_packet_batch_size(&batch) == 3 && rte_mempool_full(mp));
        DP_PACKET_BATCH_FOR_EACH (k, packet, &batch) {
            struct flow f;

            CHECK(!iovtee_mark_is_set(packet));
            check_tracked(packet);
            CHECK(packet->md.ct_state & CS_DST_NAT);
            flow_extract(packet, &f);
            CHECK(f.nw_dst == htonl(0x0a000009) && f.nw_src == flow.nw_src);
        }
        CHECK(batch.packets[1]->md.tunnel.tun_id == htonll(77));
        CHECK(!batch.packets[0]->md.tunnel.ip_dst);
        dp_packet_delete_batch(&batch, true);
    }
}

/* Makes 'packet' the first fragment of two, or the second.  Conntrack takes no
 * first ones that are short. */
static void
make_fragment(struct dp_packet *packet, bool second)
{
    struct ip_header *ip = dp_packet_l3(packet);
    struct flow f;

    ip->ip_tot_len = htons(20 + FRAGMENT_LEN);
    ip->ip_frag_off = htons(second ? FRAGMENT_LEN / 8 : IP_MORE_FRAGMENTS);
    ip->ip_csum = 0;
    ip->ip_csum = csum(ip, sizeof *ip);
    dp_packet_set_size(packet, 14 + 20 + FRAGMENT_LEN);
    packet->mbuf.ol_flags |= RTE_MBUF_F_RX_L4_CKSUM_GOOD;
    iovtee_packet_received(packet);
    flow_extract(packet, &f);
    CHECK(f.nw_frag & FLOW_NW_FRAG_ANY);
}

/* What reassembly keeps is private, and the guest's buffers are home. */
static void
test_fragments(void)
{
    struct dp_packet_batch batch;
    struct dp_packet *packet;
    unsigned int n_left;

    init_ct();
    l7_len = 1400;
    for (int round = 0; round < 3; round++) {
        receive_batch(&batch, 2);
        make_fragment(batch.packets[0], false);
        packet = batch.packets[1];
        track(&batch, true, NULL);
        CHECK(dp_packet_batch_size(&batch) == 1);
        CHECK(batch.packets[0] == packet && iovtee_mark_is_set(packet));
        CHECK(rte_mempool_avail_count(mp) == N_MBUFS - 1);
        dp_packet_delete_batch(&batch, true);

        receive_batch(&batch, 1);
        make_fragment(batch.packets[0], true);
        track(&batch, true, NULL);
        CHECK(dp_packet_batch_size(&batch) == 2);
        CHECK(!iovtee_mark_is_set(batch.packets[0]));

        /* Open vSwitch 3.1 changes the one that came last, and others do
         * not. */
        n_left = iovtee_mark_is_set(batch.packets[1]);
        CHECK(rte_mempool_avail_count(mp) == N_MBUFS - n_left);
        DP_PACKET_BATCH_FOR_EACH (i, packet, &batch) {
            check_tracked(packet);
        }
        dp_packet_delete_batch(&batch, true);
        flow.tp_src = htons(ntohs(flow.tp_src) + 1);
    }
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
        { "upcall", test_upcall },
        { "track", test_track },
        { "twin-len", test_twin_len },
        { "twin-changed", test_twin_changed },
        { "nat", test_nat },
        { "fragments", test_fragments },
    };

    return unit_main(argc, argv, commands, ARRAY_SIZE(commands));
}
