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

/* Unit tests of queue/rxvq: delivery by copy. */

#include <config.h>

#include "queue/rxvq.h"

#include <sys/eventfd.h>

#include <linux/virtio_net.h>
#include <rte_mbuf.h>

#include "compat/compat.h"
#include "csum.h"
#include "flow.h"
#include "packets.h"
#include "util.h"
#include "rxvq-fixture.h"

/* Open vSwitch has the same. */
#undef ARRAY_SIZE
#include "unit-eal.h"

/* Usual buffer of a guest, and usual longest frame of a NIC. */
enum { BUF_LEN = 2048, MAX_FRAME = 1522 };

static const struct vq_params modern = {
    .size = 64, .start = 65500, .hdr_len = 12, .mergeable = true,
};
static const struct vq_params legacy = {
    .size = 64, .start = 7, .hdr_len = 10,
};

static void
copy_one(struct vq_fixture *f, struct dp_packet *packet, uint32_t len,
         uint32_t seed, unsigned int n_buffers, enum iovtee_copy_reason reason)
{
    uint64_t n = vq_n_copied(f, reason);

    vq_deliver(f, packet);
    CHECK(vq_reap(f, len, seed) == n_buffers);
    vq_check_memory(f);
    CHECK(vq_reap_nothing(f));
    CHECK(vq_n_copied(f, reason) == n + 1);
}

static void
copy_reasons(const struct vq_params *params)
{
    struct dp_packet *packet;
    struct vq_fixture f;
    bool unfit;

    vq_fixture_init(&f, params);
    vq_refill(&f, BUF_LEN);
    copy_one(&f, vq_host_packet(1514, 1, VQ_PEER), 1514, 1, 1,
             IOVTEE_COPY_HOST_BUFFER);
    copy_one(&f, vq_host_packet(60, 2, VQ_PEER + 1), 60, 2, 1,
             IOVTEE_COPY_OTHER_PORT);
    copy_one(&f, vq_switch_packet(777, 3), 777, 3, 1, IOVTEE_COPY_SWITCH);
    vq_check_n_copied(&f, 3);

    /* Nothing is posted while zero-copy is off, which is the reason then. */
    atomic_store_relaxed(&f.vq->zero_copy, false);
    CHECK(!iovtee_rxvq_post(f.vq, (void **) &packet, 1, false, 60, &f.posted,
                            &unfit));
    CHECK(unfit);
    copy_one(&f, vq_host_packet(1514, 4, VQ_PEER), 1514, 4, 1,
             IOVTEE_COPY_DISABLED);
    copy_one(&f, vq_switch_packet(60, 5), 60, 5, 1, IOVTEE_COPY_DISABLED);
    vq_check_n_copied(&f, 5);
    CHECK(vq_n_counted(&f) == 5);
    CHECK(!f.vq->counters.zero_copied);
    vq_fixture_destroy(&f);
}

/* Every reason to copy that depends on the packet. */
static void
test_copy(void)
{
    struct vq_params off = modern;

    copy_reasons(&modern);
    copy_reasons(&legacy);

    off.no_zero_copy = true;
    struct vq_fixture f;
    vq_fixture_init(&f, &off);
    vq_refill(&f, BUF_LEN);
    copy_one(&f, vq_host_packet(1514, 4, VQ_PEER), 1514, 4, 1,
             IOVTEE_COPY_DISABLED);
    vq_fixture_destroy(&f);
}

/* Buffers that are too short for the NIC still serve for copies. */
static void
test_short(void)
{
    struct dp_packet *packets[64];
    struct iovtee_rxvq_info info;
    struct vq_fixture f;
    bool unfit;

    vq_fixture_init(&f, &legacy);
    vq_refill(&f, 1400);
    CHECK(!iovtee_rxvq_post(f.vq, (void **) packets, 32, false, MAX_FRAME,
                            &f.posted, &unfit));
    CHECK(unfit);
    iovtee_rxvq_get_info(f.vq, &info);
    CHECK(info.is_unfit && info.unfit == IOVTEE_COPY_SHORT);
    CHECK(info.unfit_len == 1400);
    copy_one(&f, vq_host_packet(1300, 1, VQ_PEER), 1300, 1, 1,
             IOVTEE_COPY_SHORT);

    /* Exactly long enough is long enough. */
    CHECK(!iovtee_rxvq_post(f.vq, (void **) packets, 1, false, 1391,
                            &f.posted, &unfit));
    CHECK(unfit);

    /* So are all that had been too short before the NIC's MTU was changed. */
    CHECK(vq_lend(&f, packets, 64, 1390) == 63 - 64 / 8);
    copy_one(&f, vq_host_packet(1300, 2, VQ_PEER), 1300, 2, 1,
             IOVTEE_COPY_HOST_BUFFER);
    rte_mempool_put_bulk(f.vq->shells, (void **) packets, 63 - 64 / 8);
    vq_check_books(&f);
    CHECK(!vq_lend(&f, packets, 64, MAX_FRAME));
    vq_fixture_destroy(&f);

    vq_fixture_init(&f, &legacy);
    vq_refill(&f, 1400);
    CHECK(vq_lend(&f, packets, 64, 1390) == 64 - 64 / 8);
    for (int i = 0; i < 64 - 64 / 8; i++) {
        vq_fill(&f, packets[i], 1390, i);
    }
    CHECK(iovtee_rxvq_received(f.vq, packets, 32) == 32);
    CHECK(iovtee_rxvq_received(f.vq, packets + 32, 24) == 24);
    for (int i = 0; i < 64 - 64 / 8; i++) {
        vq_deliver(&f, packets[i]);
        CHECK(vq_reap(&f, 1390, i) == 1);
    }
    vq_check_memory(&f);
    vq_fixture_destroy(&f);
}

/* As long as nothing is dropped, buffers go back in the order in which the
 * guest posted them.  That is not promised (VIRTIO_F_IN_ORDER), but there are
 * drivers that go on believing what another back-end had promised to them. */
static void
test_order(void)
{
    enum { BURST = 20 };
    struct dp_packet *packets[BURST];
    struct iovtee_delivery d;
    struct vq_buffer buffer;
    int posted[3 * BURST];
    struct vq_fixture f;
    uint16_t head;
    uint32_t len;

    vq_fixture_init(&f, &modern);
    for (int i = 0; i < 3 * BURST; i++) {
        posted[i] = vq_post(&f, BUF_LEN);
        CHECK(posted[i] >= 0);
    }
    guest_ring_expose(&f.ring);

    /* Copies, frames in place, copies. */
    for (int round = 0; round < 3; round++) {
        if (round == 1) {
            CHECK(vq_lend(&f, packets, BURST, 1514) == BURST);
        }
        for (int i = 0; i < BURST; i++) {
            if (round == 1) {
                vq_fill(&f, packets[i], 60 + i, i);
            } else {
                packets[i] = vq_host_packet(60 + i, i, VQ_PEER);
            }
        }
        CHECK(round != 1
              || iovtee_rxvq_received(f.vq, packets, BURST) == BURST);
        iovtee_rxvq_deliver(f.vq, packets, BURST, 0, &d);
        CHECK(!d.n_dropped);
        for (int i = 0; i < BURST; i++) {
            CHECK(vq_reap_raw(&f, &head, &len, &buffer));
            CHECK(head == posted[round * BURST + i]);
            CHECK(len == 12 + 60 + i);
            vq_accept(&f, &buffer);
        }
    }
    vq_fixture_destroy(&f);
}

static void
chained(const struct vq_params *params, const uint32_t lens[], size_t n,
        bool indirect)
{
    enum iovtee_copy_reason reason
        = indirect ? IOVTEE_COPY_INDIRECT : IOVTEE_COPY_CHAINED;
    struct dp_packet *packet;
    struct iovtee_rxvq_info info;
    struct vq_fixture f;
    bool unfit;

    vq_fixture_init(&f, params);
    while (vq_post_pieces(&f, lens, n, indirect) >= 0) {
        continue;
    }
    guest_ring_expose(&f.ring);

    copy_one(&f, vq_host_packet(1514, 1, VQ_PEER), 1514, 1, 1, reason);
    copy_one(&f, vq_host_packet(14, 2, VQ_PEER), 14, 2, 1, reason);
    copy_one(&f, vq_switch_packet(700, 3), 700, 3, 1, IOVTEE_COPY_SWITCH);
    CHECK(!iovtee_rxvq_post(f.vq, (void **) &packet, 1, false, 60, &f.posted,
                            &unfit));
    iovtee_rxvq_get_info(f.vq, &info);
    CHECK(unfit && info.is_unfit && info.unfit == reason);
    copy_one(&f, vq_host_packet(1514, 4, VQ_PEER), 1514, 4, 1, reason);
    vq_fixture_destroy(&f);
}

/* Buffers of several pieces, split everywhere in and behind the header. */
static void
test_chained(void)
{
    struct vq_params params[] = { modern, legacy };

    for (size_t i = 0; i < ARRAY_SIZE(params); i++) {
        uint32_t many[] = { 1, 1, 9, 1, 500, 1500 };

        params[i].size = 256;
        for (uint32_t k = 1; k <= 16; k++) {
            uint32_t lens[] = { k, 1526 };
            uint32_t three[] = { k, 1, 1526 };

            chained(&params[i], lens, ARRAY_SIZE(lens), false);
            chained(&params[i], lens, ARRAY_SIZE(lens), true);
            chained(&params[i], three, ARRAY_SIZE(three), k & 1);
        }
        chained(&params[i], many, ARRAY_SIZE(many), false);
        chained(&params[i], many, ARRAY_SIZE(many), true);
        chained(&params[i], (uint32_t []) { 1600 }, 1, true);
    }
}

/* Frames that are longer than a buffer span several, if they may. */
static void
test_spanned(void)
{
    struct iovtee_delivery d;
    struct dp_packet *packet;
    struct vq_params params;
    struct vq_fixture f;

    /* The header is followed by 'num_buffers' wherever it is. */
    for (uint32_t buf_len = 7; buf_len < 300; buf_len += 1 + buf_len / 10) {
        uint32_t len = MIN(1514, buf_len * 60 - 12);
        uint32_t n = DIV_ROUND_UP(12 + len, buf_len);

        params = modern;
        params.size = 256;
        vq_fixture_init(&f, &params);
        if (n <= 64) {
            vq_refill(&f, buf_len);
            copy_one(&f, vq_host_packet(len, 1, VQ_PEER), len, 1, n,
                     IOVTEE_COPY_SPANNED);
            vq_refill(&f, buf_len);
            copy_one(&f, vq_host_packet(len, 2, 3), len, 2, n,
                     IOVTEE_COPY_OTHER_PORT);
        }
        vq_fixture_destroy(&f);
    }

    /* Neither too many nor any where it was not negotiated. */
    for (int mergeable = 0; mergeable < 2; mergeable++) {
        uint32_t buf_len = mergeable ? 20 : 1500;

        params = modern;
        params.size = 128;
        params.mergeable = mergeable;
        vq_fixture_init(&f, &params);
        vq_refill(&f, buf_len);
        packet = vq_host_packet(1514, 1, VQ_PEER);
        iovtee_rxvq_deliver(f.vq, &packet, 1, 8, &d);
        CHECK(d.n_dropped == 1 && d.n_retries == 0);
        CHECK(f.vq->counters.dropped[IOVTEE_DROP_TOO_BIG] == 1);
        CHECK(vq_reap_nothing(&f));

        /* Its buffers serve for the next one. */
        CHECK(f.vq->ledger.n[IOVTEE_IDLE] == (mergeable ? 64 : 1));
        vq_forgive(&f);
        copy_one(&f, vq_switch_packet(5 * buf_len / 6, 2), 5 * buf_len / 6, 2,
                 mergeable ? 2 : 1, IOVTEE_COPY_SWITCH);
        vq_fixture_destroy(&f);
    }
}

/* There are fewer buffers than packets. */
static void
test_no_buffer(void)
{
    struct dp_packet *packets[NETDEV_MAX_BURST];
    struct iovtee_delivery d;
    struct vq_params params = modern;
    struct vq_fixture f;

    params.size = 16;
    vq_fixture_init(&f, &params);

    /* The guest has none at all: nothing to wait for. */
    packets[0] = vq_host_packet(60, 0, VQ_PEER);
    iovtee_rxvq_deliver(f.vq, packets, 1, 8, &d);
    CHECK(d.n_dropped == 1 && d.n_retries == 0);

    /* It gets some, and perhaps returns them at once. */
    vq_refill(&f, BUF_LEN);
    for (int i = 0; i < NETDEV_MAX_BURST; i++) {
        packets[i] = vq_host_packet(60 + i, i, VQ_PEER);
    }
    iovtee_rxvq_deliver(f.vq, packets, NETDEV_MAX_BURST, 8, &d);
    CHECK(d.n_dropped == 16 && d.n_retries == 1);
    CHECK(f.vq->counters.dropped[IOVTEE_DROP_NO_BUFFER] == 17);
    CHECK(f.vq->counters.retries == 1);
    for (int i = 0; i < 16; i++) {
        CHECK(vq_reap(&f, 60 + i, i) == 1);
    }
    CHECK(vq_reap_nothing(&f));

    /* Half of a frame gets nowhere. */
    vq_post(&f, 600);
    vq_post(&f, 600);
    guest_ring_expose(&f.ring);
    packets[0] = vq_host_packet(1514, 1, VQ_PEER);
    packets[1] = vq_host_packet(1000, 2, VQ_PEER);
    iovtee_rxvq_deliver(f.vq, packets, 2, 0, &d);
    CHECK(d.n_dropped == 1 && d.n_retries == 0);
    vq_forgive(&f);
    CHECK(vq_reap(&f, 1000, 2) == 2);
    vq_check_memory(&f);
    vq_fixture_destroy(&f);
}

/* A packet of several segments is copied whole, and one that a NIC has
 * scattered over buffers of a guest is lost. */
static void
test_segments(void)
{
    struct virtio_net_hdr hdr = { .flags = 0 };
    struct dp_packet *packet, *tail;
    uint8_t frame[3 * 1500];
    struct vq_params params = modern;
    struct vq_fixture f;

    params.size = 64;
    vq_fixture_init(&f, &params);
    for (int i = 0; i < 2; i++) {
        vq_refill(&f, 700);
        packet = vq_host_packet(1500, 1, i ? 3 : VQ_PEER);
        CHECK(!rte_pktmbuf_chain(&packet->mbuf,
                                 &vq_host_packet(1, 2, 3)->mbuf));
        CHECK(!rte_pktmbuf_chain(&packet->mbuf,
                                 &vq_host_packet(1499, 3, 3)->mbuf));
        vq_frame(frame, 1500, 1);
        vq_frame(frame + 1500, 1, 2);
        vq_frame(frame + 1501, 1499, 3);
        vq_deliver(&f, packet);
        CHECK(vq_reap_hdr(&f, &hdr, frame, 3000) == 5);
        vq_check_memory(&f);
    }
    CHECK(vq_n_copied(&f, IOVTEE_COPY_SPANNED) == 1);
    CHECK(vq_n_copied(&f, IOVTEE_COPY_OTHER_PORT) == 1);

    vq_fixture_destroy(&f);

    /* The guest's buffer may be any of the segments. */
    vq_fixture_init(&f, &params);
    vq_refill(&f, BUF_LEN);
    for (int i = 0; i < 2; i++) {
        struct dp_packet *shell;

        CHECK(vq_lend(&f, &shell, 1, MAX_FRAME) == 1);
        vq_fill(&f, shell, 1000, 1);
        packet = i ? shell : vq_host_packet(1000, 1, VQ_PEER);
        tail = i ? vq_host_packet(1000, 1, VQ_PEER) : shell;
        CHECK(!rte_pktmbuf_chain(&packet->mbuf, &tail->mbuf));
        CHECK(iovtee_rxvq_received(f.vq, &packet, 1) == 0);
        CHECK(f.vq->counters.dropped[IOVTEE_DROP_SCATTERED] == i + 1);
        vq_check_books(&f);
        CHECK(!vq_n_posted(&f));
    }

    /* One that is nobody's passes, and so do those around it. */
    struct dp_packet *batch[3];
    batch[0] = vq_host_packet(1000, 1, VQ_PEER);
    CHECK(!rte_pktmbuf_chain(&batch[0]->mbuf,
                             &vq_host_packet(100, 3, 3)->mbuf));
    batch[1] = vq_host_packet(64, 1, VQ_PEER);
    CHECK(vq_lend(&f, &batch[2], 1, MAX_FRAME) == 1);
    vq_fill(&f, batch[2], 128, 2);
    CHECK(iovtee_rxvq_received(f.vq, batch, 3) == 3);
    for (int i = 0; i < 3; i++) {
        dp_packet_delete(batch[i]);
    }
    vq_fixture_destroy(&f);
}

/* With userspace TSO the guest completes checksums and segments. */
static void
test_offload(void)
{
    struct vq_params params = modern;

    for (int csum = 0; csum < 2; csum++) {
        for (int i = 0; i < 3; i++) {
            struct virtio_net_hdr hdr = { .flags = 0 };
            struct dp_packet *packet;
            struct vq_fixture f;
            uint8_t frame[1514];

            params.guest_csum = csum;
            vq_fixture_init(&f, &params);
            vq_refill(&f, BUF_LEN);
            packet = vq_receive(&f, sizeof frame, i);
            dp_packet_set_l3(packet, (uint8_t *) dp_packet_data(packet) + 14);
            dp_packet_set_l4(packet, (uint8_t *) dp_packet_data(packet) + 34);
            vq_forgive(&f);
            ((struct tcp_header *) dp_packet_l4(packet))->tcp_ctl
                = htons(8 << 12);
            *(uint8_t *) dp_packet_l3(packet) = 0x45;
            memcpy(frame, dp_packet_data(packet), sizeof frame);
            iovtee_packet_ask_csum(packet, i == 1 ? IPPROTO_UDP : IPPROTO_TCP,
                                   i == 2 ? 536 : 0);
            if (csum) {
                hdr.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
                hdr.csum_start = 34;
                hdr.csum_offset = i == 1 ? 6 : 16;
                if (i == 2) {
                    hdr.gso_type = VIRTIO_NET_HDR_GSO_TCPV4;
                    hdr.gso_size = 536;
                    hdr.hdr_len = 34 + 32;
                }
            }
            vq_deliver(&f, packet);
            CHECK(vq_reap_hdr(&f, &hdr, frame, sizeof frame) == 1);
            CHECK(f.vq->counters.zero_copied == 1);
            vq_forgive(&f);
            vq_fixture_destroy(&f);
        }
    }
}

/* What the guest gets if the sender left a checksum to it that nobody has
 * begun with: the sum of the pseudo-header, or all of it if it takes no
 * other. */
static void
test_pseudo_header(void)
{
    struct vq_params params = modern;

    for (int i = 0; i < 8; i++) {
        bool guest_csum = i & 1, udp = i & 2, v6 = i & 4;
        struct virtio_net_hdr hdr = { .flags = 0 };
        struct dp_packet *frame = dp_packet_new(0);
        struct dp_packet *packet;
        struct vq_fixture f;
        struct flow flow;
        ovs_be16 *csum;
        ovs_be16 right;

        memset(&flow, 0, sizeof flow);
        flow.packet_type = htonl(PT_ETH);
        flow.dl_type = htons(v6 ? ETH_TYPE_IPV6 : ETH_TYPE_IP);
        flow.nw_src = htonl(0x0a000001);
        flow.nw_dst = htonl(0x0a0000ff);
        flow.ipv6_src.s6_addr[15] = 1;
        flow.ipv6_dst.s6_addr[0] = 0xfd;
        flow.nw_proto = udp ? IPPROTO_UDP : IPPROTO_TCP;
        flow.nw_ttl = 64;
        flow.tp_src = htons(4711);
        flow.tp_dst = htons(80);
        iovtee_flow_compose(frame, &flow, NULL, 333);

        params.guest_csum = guest_csum;
        vq_fixture_init(&f, &params);
        vq_refill(&f, BUF_LEN);
        packet = vq_host_packet(dp_packet_size(frame), 1, VQ_PEER);
        memcpy(dp_packet_data(packet), dp_packet_data(frame),
               dp_packet_size(frame));
        flow_extract(packet, &flow);
        csum = ALIGNED_CAST(ovs_be16 *, (uint8_t *) dp_packet_l4(packet)
                            + (udp ? 6 : 16));
        right = *csum;
        *csum = htons(0xdead);
        iovtee_packet_ask_csum(packet, flow.nw_proto, 0);

        csum = ALIGNED_CAST(ovs_be16 *, (uint8_t *) dp_packet_l4(frame)
                            + (udp ? 6 : 16));
        if (guest_csum) {
            hdr.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
            hdr.csum_start = v6 ? 54 : 34;
            hdr.csum_offset = udp ? 6 : 16;

            /* What is missing is the sum of what the guest will sum up. */
            *csum = 0;
            *csum = csum_finish(csum_add16(~right & 0xffff,
                                           csum_finish(csum_continue(
                                               0, dp_packet_l4(frame),
                                               dp_packet_l4_size(frame)))));
            *csum = ~*csum;
        }
        vq_deliver(&f, packet);
        CHECK(vq_reap_hdr(&f, &hdr, dp_packet_data(frame),
                          dp_packet_size(frame)) == 1);
        vq_fixture_destroy(&f);
        dp_packet_delete(frame);
    }
}

/* An action that changes a frame in guest memory keeps its checksums right
 * then and there, whatever the NIC has said of them. */
static void
test_distrust(void)
{
    struct vq_fixture f;
    struct dp_packet *frame = dp_packet_new(0);
    struct dp_packet *packet;
    struct ip_header *ip;
    struct flow flow;

    memset(&flow, 0, sizeof flow);
    flow.packet_type = htonl(PT_ETH);
    flow.dl_type = htons(ETH_TYPE_IP);
    flow.nw_src = htonl(0x0a000001);
    flow.nw_proto = IPPROTO_UDP;
    iovtee_flow_compose(frame, &flow, NULL, 100);

    vq_fixture_init(&f, &modern);
    vq_refill(&f, BUF_LEN);
    CHECK(vq_lend(&f, &packet, 1, MAX_FRAME) == 1);
    vq_fill(&f, packet, dp_packet_size(frame), 1);
    memcpy(dp_packet_data(packet), dp_packet_data(frame),
           dp_packet_size(frame));
    packet->mbuf.ol_flags |= (RTE_MBUF_F_RX_IP_CKSUM_GOOD
                              | RTE_MBUF_F_RX_L4_CKSUM_GOOD);
    iovtee_packet_received(packet);
    CHECK(iovtee_rxvq_received(f.vq, &packet, 1) == 1);

    flow_extract(packet, &flow);
    ip = dp_packet_l3(packet);
    packet_set_ipv4(packet, htonl(0xc0a80001), htonl(0xc0a80002), 0, 63);
    CHECK(!csum(ip, sizeof *ip));
    packet_set_udp_port(packet, htons(1), htons(2));
    CHECK(!csum_finish(csum_continue(packet_csum_pseudoheader(ip),
                                     dp_packet_l4(packet),
                                     dp_packet_l4_size(packet))));
    CHECK(!iovtee_packet_asks_csum(packet));
    dp_packet_delete(packet);
    dp_packet_delete(frame);
    vq_forgive(&f);
    vq_fixture_destroy(&f);
}

int
main(int argc, char *argv[])
{
    static const struct unit_command commands[] = {
        { "copy", test_copy },
        { "short", test_short },
        { "order", test_order },
        { "chained", test_chained },
        { "spanned", test_spanned },
        { "no-buffer", test_no_buffer },
        { "segments", test_segments },
        { "offload", test_offload },
        { "pseudo-header", test_pseudo_header },
        { "distrust", test_distrust },
    };

    set_program_name(argv[0]);
    unit_eal_init("64");
    return unit_main(argc, argv, commands, ARRAY_SIZE(commands));
}
