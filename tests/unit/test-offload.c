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

/* Unit tests of lib/queue/offload. */

#include <config.h>

#include "queue/offload.h"

#include <linux/virtio_net.h>
#include <netinet/in.h>
#include <string.h>

#include <rte_mbuf.h>

#include "compat/compat.h"
#include "csum.h"
#include "dp-packet.h"
#include "flow.h"
#include "util.h"

/* Open vSwitch has the same. */
#undef ARRAY_SIZE
#include "unit-eal.h"

/* A frame in the making. */
struct maker {
    struct rte_mbuf *m;
    uint8_t *frame;
    uint16_t l3;                /* Where the IP header begins... */
    uint16_t l4;                /* ...and what is behind it. */
};

static struct rte_mempool *pool;

/* Has the IP header of 'k' say that the packet ends with the frame, of 'len'
 * bytes. */
static void
set_ip_len(struct maker *k, uint32_t len)
{
    uint8_t *ip = k->frame + k->l3;

    if (ip[0] >> 4 == 4) {
        ip[2] = (len - k->l3) >> 8;
        ip[3] = len - k->l3;
    } else {
        ip[4] = (len - k->l3 - 40) >> 8;
        ip[5] = len - k->l3 - 40;
    }
}

/* Makes a frame of 'len' bytes: Ethernet, 'n_tags' VLAN tags, IP of 'version'
 * with protocol 'proto'. */
static struct maker
make(uint32_t len, int n_tags, int version, uint8_t proto)
{
    struct maker k = { .m = rte_pktmbuf_alloc(pool) };
    uint16_t type = version == 4 ? 0x0800 : 0x86dd;
    uint8_t *p;

    CHECK(k.m);
    k.frame = (uint8_t *) rte_pktmbuf_append(k.m, len);
    for (uint32_t i = 0; i < len; i++) {
        k.frame[i] = unit_random();
    }
    p = k.frame + 12;
    for (int i = 0; i < n_tags; i++, p += 4) {
        p[0] = 0x81;
        p[1] = 0;
    }
    p[0] = type >> 8;
    p[1] = type;
    k.l3 = p + 2 - k.frame;
    p += 2;
    if (version == 4) {
        p[0] = 0x45;
        p[6] = 0x40;
        p[7] = 0;
        p[9] = proto;
        k.l4 = k.l3 + 20;
    } else {
        p[0] = 0x60;
        p[6] = proto;
        k.l4 = k.l3 + 40;
    }
    if (proto == IPPROTO_TCP) {
        k.frame[k.l4 + 12] = 0x50;
    }
    set_ip_len(&k, len);
    return k;
}

static struct virtio_net_hdr
needs_csum(uint16_t start, uint16_t offset)
{
    return (struct virtio_net_hdr) {
        .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
        .csum_start = start,
        .csum_offset = offset,
    };
}

/* Checks that 'm' asks for what 'flags', RTE_MBUF_F_TX_*, mean.  How it does
 * depends on the version of Open vSwitch. */
static void
check_asks(const struct rte_mbuf *m, uint64_t flags)
{
    struct rte_mbuf other;

    memset(&other, 0, sizeof other);
    iovtee_mbuf_ask(&other, flags);
    CHECK(m->ol_flags == other.ol_flags);
    CHECK(!m->ol_flags == !flags);
}

/* Checks that 'k' is passed on with 'flags' and lengths that fit them, and
 * without a change. */
static void
check_flags(struct maker k, struct virtio_net_hdr hdr, uint64_t flags)
{
    uint8_t before[2048];

    memcpy(before, k.frame, k.m->data_len);
    CHECK(iovtee_offload(k.m, &hdr));
    check_asks(k.m, flags);
    CHECK(!memcmp(before, k.frame, k.m->data_len));
    if (flags) {
        CHECK(k.m->l2_len == k.l3 && k.m->l2_len + k.m->l3_len == k.l4);
    }
    rte_pktmbuf_free(k.m);
}

/* Checks that 'k' is refused. */
static void
check_bad(struct maker k, struct virtio_net_hdr hdr)
{
    CHECK(!iovtee_offload(k.m, &hdr));
    k.m->ol_flags = 0;
    rte_pktmbuf_free(k.m);
}

/* Checks that the sum of 'k' is completed at once: with what it covers it
 * makes the complement of what was in its place. */
static void
check_sum(struct maker k, struct virtio_net_hdr hdr)
{
    uint32_t start = hdr.csum_start;
    uint8_t before[2048];
    ovs_be16 old, sum;

    memcpy(before, k.frame, k.m->data_len);
    memcpy(&old, k.frame + start + hdr.csum_offset, sizeof old);
    CHECK(iovtee_offload(k.m, &hdr));
    CHECK(!k.m->ol_flags);
    sum = csum(k.frame + start, k.m->data_len - start);

    /* There are two zeros in ones' complement. */
    CHECK(sum == old || (!sum && old == OVS_BE16_MAX)
          || (!old && sum == OVS_BE16_MAX));
    memcpy(&sum, k.frame + start + hdr.csum_offset, sizeof sum);
    CHECK(sum);
    memcpy(before + start + hdr.csum_offset, &sum, sizeof sum);
    CHECK(!memcmp(before, k.frame, k.m->data_len));
    rte_pktmbuf_free(k.m);
}

static void
test_csum(void)
{
    const uint64_t ip4 = RTE_MBUF_F_TX_IPV4, ip6 = RTE_MBUF_F_TX_IPV6;
    struct virtio_net_hdr nothing = { .flags = 0 };
    struct maker k;

    check_flags(make(60, 0, 4, IPPROTO_TCP), nothing, 0);
    nothing.flags = VIRTIO_NET_HDR_F_DATA_VALID;
    check_flags(make(60, 0, 4, IPPROTO_TCP), nothing, 0);

    for (int n_tags = 0; n_tags < 2; n_tags++) {
        uint16_t l4 = 14 + 4 * n_tags + 20;

        check_flags(make(100, n_tags, 4, IPPROTO_TCP), needs_csum(l4, 16),
                    ip4 | RTE_MBUF_F_TX_TCP_CKSUM);
        check_flags(make(100, n_tags, 4, IPPROTO_UDP), needs_csum(l4, 6),
                    ip4 | RTE_MBUF_F_TX_UDP_CKSUM);
        check_flags(make(100, n_tags, 4, IPPROTO_SCTP), needs_csum(l4, 8),
                    ip4 | RTE_MBUF_F_TX_SCTP_CKSUM);
        l4 += 20;
        check_flags(make(100, n_tags, 6, IPPROTO_TCP), needs_csum(l4, 16),
                    ip6 | RTE_MBUF_F_TX_TCP_CKSUM);
        check_flags(make(100, n_tags, 6, IPPROTO_UDP), needs_csum(l4, 6),
                    ip6 | RTE_MBUF_F_TX_UDP_CKSUM);
    }

    /* IP options. */
    k = make(100, 0, 4, IPPROTO_UDP);
    k.frame[k.l3] = 0x47;
    k.l4 += 8;
    check_flags(k, needs_csum(k.l4, 6), ip4 | RTE_MBUF_F_TX_UDP_CKSUM);
}

/* What there is no flag for is done at once. */
static void
test_software(void)
{
    struct maker k;

    check_sum(make(100, 2, 4, IPPROTO_TCP), needs_csum(42, 16));
    check_sum(make(99, 0, 4, IPPROTO_ICMP), needs_csum(34, 2));
    check_sum(make(100, 0, 4, IPPROTO_UDP), needs_csum(84, 14));  /* Inner. */
    check_sum(make(100, 0, 6, IPPROTO_HOPOPTS), needs_csum(62, 16));
    check_sum(make(100, 0, 4, IPPROTO_TCP), needs_csum(34, 6));
    k = make(100, 0, 4, IPPROTO_TCP);
    k.frame[k.l3] = 0x44;       /* Header too short. */
    check_sum(k, needs_csum(34, 16));
    check_sum(make(60, 0, 4, IPPROTO_TCP), needs_csum(58, 0));
}

/* Nothing is left to Open vSwitch in whose eyes there would be no transport
 * header: it takes its existence for granted, and aborts. */
static void
test_odd(void)
{
    static const struct {
        int version;
        int offset;             /* Of 'byte', in the IP header. */
        uint8_t byte;
    } odd[] = {
        { 4, 0, 0x65 },         /* Versions. */
        { 6, 0, 0x45 },
        { 4, 2, 1 },            /* Longer than the frame. */
        { 4, 3, 87 },
        { 4, 3, 0 },            /* Shorter than the headers. */
        { 4, 3, 19 },
        { 4, 3, 27 },
        { 4, 6, 0x20 },         /* Fragments. */
        { 4, 6, 0x01 },
        { 4, 7, 0x01 },
        { 6, 4, 1 },            /* Longer than the frame. */
        { 6, 5, 47 },
        { 6, 5, 0 },            /* Shorter than the header. */
        { 6, 5, 7 },
    };
    struct virtio_net_hdr gso = needs_csum(34, 6);

    gso.gso_type = VIRTIO_NET_HDR_GSO_UDP;
    gso.gso_size = 40;
    for (size_t i = 0; i < sizeof odd / sizeof odd[0]; i++) {
        struct maker k = make(100, 0, odd[i].version, IPPROTO_UDP);

        k.frame[k.l3 + odd[i].offset] = odd[i].byte;
        check_sum(k, needs_csum(k.l4, 6));

        k = make(100, 0, odd[i].version, IPPROTO_UDP);
        k.frame[k.l3 + odd[i].offset] = odd[i].byte;
        gso.csum_start = k.l4;
        check_bad(k, gso);
    }
}

static void
test_gso(void)
{
    struct virtio_net_hdr hdr = needs_csum(34, 16);
    struct maker k;

    hdr.gso_type = VIRTIO_NET_HDR_GSO_TCPV4 | VIRTIO_NET_HDR_GSO_ECN;
    hdr.gso_size = 1448;
    k = make(1800, 0, 4, IPPROTO_TCP);
    k.frame[k.l4 + 12] = 0x80;
    CHECK(iovtee_offload(k.m, &hdr));
    check_asks(k.m, (RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_TCP_CKSUM
                     | RTE_MBUF_F_TX_TCP_SEG));
    CHECK(k.m->tso_segsz == 1448 && k.m->l2_len == 14 && k.m->l3_len == 20
          && k.m->l4_len == 32);
    rte_pktmbuf_free(k.m);

    hdr = needs_csum(54, 6);
    hdr.gso_type = VIRTIO_NET_HDR_GSO_UDP;
    hdr.gso_size = 1400;
    k = make(1800, 0, 6, IPPROTO_UDP);
    CHECK(iovtee_offload(k.m, &hdr));
    check_asks(k.m, (RTE_MBUF_F_TX_IPV6 | RTE_MBUF_F_TX_UDP_CKSUM
                     | RTE_MBUF_F_TX_UDP_SEG));
    CHECK(k.m->tso_segsz == 1400 && k.m->l4_len == 8);
    rte_pktmbuf_free(k.m);

    /* Segments have new checksums, whether these are asked for or not. */
    hdr = (struct virtio_net_hdr) {
        .gso_type = VIRTIO_NET_HDR_GSO_TCPV4, .gso_size = 1448,
    };
    k = make(1800, 0, 4, IPPROTO_TCP);
    CHECK(iovtee_offload(k.m, &hdr));
    check_asks(k.m, RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_TCP_SEG);
    rte_pktmbuf_free(k.m);
}

/* Headers that do not fit their frame. */
static void
test_bad(void)
{
    struct virtio_net_hdr gso = needs_csum(34, 16);
    struct virtio_net_hdr hdr;
    struct maker k;

    check_bad(make(60, 0, 4, IPPROTO_TCP), needs_csum(59, 0));
    check_bad(make(60, 0, 4, IPPROTO_TCP), needs_csum(34, 30));
    check_bad(make(60, 0, 4, IPPROTO_TCP), needs_csum(65535, 65535));
    check_bad(make(60, 0, 4, IPPROTO_ICMP), needs_csum(60, 0));

    gso.gso_type = VIRTIO_NET_HDR_GSO_TCPV4;
    gso.gso_size = 1448;
    hdr = gso;
    hdr.gso_size = 0;
    check_bad(make(1800, 0, 4, IPPROTO_TCP), hdr);
    hdr = gso;
    hdr.gso_type = 0x55;
    check_bad(make(1800, 0, 4, IPPROTO_TCP), hdr);
    hdr = gso;
    hdr.csum_start = 35;
    check_bad(make(1800, 0, 4, IPPROTO_TCP), hdr);
    hdr = gso;
    hdr.csum_offset = 6;
    check_bad(make(1800, 0, 4, IPPROTO_TCP), hdr);
    hdr = gso;
    hdr.gso_type = VIRTIO_NET_HDR_GSO_UDP;
    check_bad(make(1800, 0, 4, IPPROTO_TCP), hdr);
    check_bad(make(1800, 0, 4, IPPROTO_UDP), gso);
    check_bad(make(1800, 2, 4, IPPROTO_TCP), gso);

    /* TCP headers that are too short, or longer than the frame. */
    k = make(1800, 0, 4, IPPROTO_TCP);
    k.frame[k.l4 + 12] = 0x40;
    check_bad(k, gso);
    k = make(60, 0, 4, IPPROTO_TCP);
    k.frame[k.l4 + 12] = 0xf0;
    check_bad(k, gso);
    k = make(1800, 0, 4, IPPROTO_TCP);
    k.frame[k.l3] = 0x4f;
    check_bad(k, gso);
}

/* Does Open vSwitch find a transport header in 'm', and where 'm' says? */
static bool
ovs_agrees(const struct rte_mbuf *m)
{
    const uint32_t l4_ofs = m->l2_len + m->l3_len;
    const uint8_t *data = rte_pktmbuf_mtod(m, const uint8_t *);
    struct dp_packet packet;
    struct flow flow;

    dp_packet_use_const(&packet, data, m->data_len);
    pkt_metadata_init(&packet.md, 0);
    flow_extract(&packet, &flow);
    return (packet.l4_ofs == l4_ofs && !flow.nw_frag
            && !memcmp(&flow.tp_src, data + l4_ofs, sizeof flow.tp_src));
}

/* Headers and frames of random bytes and lengths.  (What is read beyond the
 * frame the sanitizers see.) */
static void
test_random(void)
{
    unsigned int n_flags = 0, n_good = 0;

    for (int i = 0; i < 200000; i++) {
        static const uint8_t protos[] = { 6, 17, 132, 1, 0 };
        uint32_t len = 1 + unit_random_below(unit_random_below(8) ? 120 : 20);
        struct maker k = make(120, unit_random_below(3),
                              unit_random_below(2) ? 4 : 6,
                              protos[unit_random_below(5)]);
        struct virtio_net_hdr hdr = needs_csum(
            unit_random_below(3) ? k.l4 : unit_random_below(140),
            unit_random_below(3) ? 16 : unit_random_below(20));

        hdr.gso_type = unit_random_below(2) ? 0 : unit_random_below(6);
        hdr.gso_size = unit_random_below(3) * 500;
        if (unit_random_below(4)) {
            set_ip_len(&k, len);
        }
        if (!unit_random_below(4)) {
            k.frame[unit_random_below(60)] = unit_random();
        }
        rte_pktmbuf_trim(k.m, 120 - len);
        if (iovtee_offload(k.m, &hdr)) {
            n_good++;
            if (k.m->ol_flags) {
                n_flags++;
                CHECK(ovs_agrees(k.m));
            }
        }
        k.m->ol_flags = 0;
        rte_pktmbuf_free(k.m);
    }
    CHECK(n_flags > 1000 && n_good - n_flags > 1000 && n_good < 190000);
}

int
main(int argc, char *argv[])
{
    static const struct unit_command commands[] = {
        { "bad", test_bad },
        { "csum", test_csum },
        { "gso", test_gso },
        { "odd", test_odd },
        { "random", test_random },
        { "software", test_software },
    };

    set_program_name(argv[0]);
    unit_eal_init("64");
    pool = rte_pktmbuf_pool_create("pool", 63, 0, 0, 2176, SOCKET_ID_ANY);
    CHECK(pool);
    return unit_main(argc, argv, commands, ARRAY_SIZE(commands));
}
