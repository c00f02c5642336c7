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

/* Unit tests of lib/border, with Open vSwitch's own code and the linker's
 * diversions: what upcalls, conntrack and reassembly get to see. */

#include <config.h>

#include "border/border.h"

#include "border-fixture.h"
#include "border/twin.h"
#include "conntrack.h"
#include "csum.h"
#include "dpif-provider.h"
#include "packets.h"
#include "timeval.h"

#define FRAGMENT_LEN 1200

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

/* Puts 'n_guest' packets in guest memory into 'batch', behind 'n_private'
 * others, and sends them through conntrack. */
static void
track_long(unsigned int n_private, unsigned int n_guest)
{
    struct dp_packet *model = receive();
    struct dp_packet_batch batch;
    struct dp_packet *packet;

    dp_packet_batch_init(&batch);
    for (unsigned int i = 0; i < n_private; i++) {
        dp_packet_batch_add(&batch, iovtee_border_copy(model));
    }
    dp_packet_delete(model);
    for (unsigned int i = 0; i < n_guest; i++) {
        dp_packet_batch_add(&batch, receive());
    }

    track(&batch, false, NULL);
    CHECK(dp_packet_batch_size(&batch) == n_private + n_guest);
    CHECK(rte_mempool_avail_count(mp)
          == N_MBUFS - MIN(n_guest, NETDEV_MAX_BURST));
    DP_PACKET_BATCH_FOR_EACH (i, packet, &batch) {
        check_tracked(packet);
        CHECK(iovtee_mark_is_set(packet)
              == (i >= n_private && i < n_private + NETDEV_MAX_BURST));
        CHECK(packet->l4_ofs == 34);
    }
    dp_packet_delete_batch(&batch, true);
    CHECK(rte_mempool_full(mp));
    iovtee_batch_destroy(&batch);
}

/* A batch may have grown, by fragments that conntrack has set free, though
 * what is in guest memory is a burst at most.  Should it be more, that goes
 * on, too. */
static void
test_long(void)
{
    init_ct();
    track_long(0, NETDEV_MAX_BURST);
    track_long(NETDEV_MAX_BURST - 1, 1);
    if (IOVTEE_LONG_BATCHES) {
        track_long(NETDEV_MAX_BURST + 13, 1);
        track_long(NETDEV_MAX_BURST + 13, NETDEV_MAX_BURST);
        track_long(3, NETDEV_MAX_BURST + 5);
    }
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

/* Says of 'packet', as a receive queue does, whether the NIC has found the
 * checksum of its transport header to be right. */
static void
set_checked(struct dp_packet *packet, bool checked)
{
    packet->mbuf.ol_flags &= ~(RTE_MBUF_F_RX_L4_CKSUM_MASK
                               | iovtee_mark_checked_flag__);
    packet->mbuf.ol_flags |= checked ? RTE_MBUF_F_RX_L4_CKSUM_GOOD : 0;
    iovtee_packet_received(packet);
    iovtee_mark_checksums(packet);
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
    set_checked(packet, true);
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
    set_checked(packet, false);
    CHECK(twin_len(packet, true) == size);
    set_checked(packet, true);
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

/* Conntrack takes the NIC's word for the checksum of a packet, which is wrong
 * here, whose payload it does not see.  Nobody else does. */
static void
test_twin_checksum(void)
{
    struct dp_packet_batch batch;
    struct dp_packet *packet;

    init_ct();
    packet = receive_full(1000);
    CHECK(iovtee_packet_is_l4_csum_good(packet) == !IOVTEE_CSUM_ALWAYS);
    dp_packet_batch_init_packet(&batch, packet);
    track(&batch, false, NULL);
    CHECK(batch.packets[0] == packet && packet->md.ct_state & CS_NEW);
    CHECK(iovtee_packet_is_l4_csum_good(packet) == !IOVTEE_CSUM_ALWAYS);

    /* Of what nobody has verified it sees all. */
    set_checked(packet, false);
    track(&batch, false, NULL);
    CHECK(batch.packets[0] == packet && packet->md.ct_state & CS_INVALID);
    dp_packet_delete(packet);
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
    CHECK(iovtee_packet_is_l4_csum_good(twin) == !IOVTEE_CSUM_ALWAYS);
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
        { "upcall", test_upcall },
        { "track", test_track },
        { "long", test_long },
        { "twin-len", test_twin_len },
        { "twin-checksum", test_twin_checksum },
        { "twin-changed", test_twin_changed },
        { "nat", test_nat },
        { "fragments", test_fragments },
    };

    return unit_main(argc, argv, commands, ARRAY_SIZE(commands));
}
