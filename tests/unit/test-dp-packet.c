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

/* Unit tests of what patches/ makes of Open vSwitch's dp-packet: a packet in
 * an mbuf that lacks room moves to an external buffer. */

#include <config.h>

#include "compat/compat.h"
#include "dp-packet.h"

#include <rte_malloc.h>
#include <rte_mbuf.h>

#include "packets.h"
#include "util.h"

/* Open vSwitch has the same. */
#undef ARRAY_SIZE
#include "unit-eal.h"

#define HEADROOM 12             /* As much as a guest's buffer has. */
#define FRAME_LEN 1514
#define N_MBUFS 3

/* A guest's buffer, with other guest memory around it. */
struct guest {
    uint8_t before[64];
    uint8_t buffer[HEADROOM + FRAME_LEN];
    uint8_t after[64];
};

static struct rte_mempool *mp;
static struct guest guest, guest_as_received;
static size_t n_allocated;

static size_t
count_allocations(void)
{
    struct rte_malloc_socket_stats stats;

    CHECK(!rte_malloc_get_socket_stats(0, &stats));
    return stats.alloc_count;
}

/* Returns a packet as the NIC leaves it: in an mbuf, the frame in the guest's
 * buffer with nothing but the virtio header before it. */
static struct dp_packet *
receive(void)
{
    struct dp_packet *packet;
    struct rte_mbuf *m;

    if (!mp) {
        unit_eal_init("64");
        mp = rte_pktmbuf_pool_create("test", N_MBUFS, 0,
                                     sizeof *packet - sizeof *m, 2048, 0);
        CHECK(mp);
        n_allocated = count_allocations();
    }

    for (size_t i = 0; i < sizeof guest; i++) {
        ((uint8_t *) &guest)[i] = i * 7 + i / 256;
    }
    guest_as_received = guest;

    m = rte_pktmbuf_alloc(mp);
    CHECK(m);
    m->buf_addr = guest.buffer;
    rte_mbuf_iova_set(m, (uintptr_t) guest.buffer);
    m->buf_len = sizeof guest.buffer;
    m->data_off = HEADROOM;
    m->data_len = FRAME_LEN;
    m->pkt_len = FRAME_LEN;
    m->ol_flags = RTE_MBUF_F_RX_RSS_HASH | RTE_MBUF_F_RX_IP_CKSUM_GOOD;
    m->hash.rss = 0x12345678;

    packet = CONTAINER_OF(m, struct dp_packet, mbuf);
    dp_packet_init_dpdk(packet);
    dp_packet_reset_offsets(packet);
    dp_packet_set_l3(packet, (uint8_t *) dp_packet_data(packet) + 14);
    iovtee_packet_received(packet);
    packet->cutlen = 5;
    packet->md.skb_priority = 42;
    return packet;
}

/* Checks that 'packet' ends with the frame as received and is otherwise what
 * it was, and that the guest's memory is untouched. */
static void
check_packet(const struct dp_packet *packet, size_t pushed)
{
    CHECK(packet->source == DPBUF_DPDK);
    CHECK(dp_packet_size(packet) == pushed + FRAME_LEN);
    CHECK(packet->mbuf.data_len == packet->mbuf.pkt_len);
    CHECK(!memcmp((const uint8_t *) dp_packet_data(packet) + pushed,
                  guest_as_received.buffer + HEADROOM, FRAME_LEN));
    CHECK(dp_packet_rss_valid(packet)
          && dp_packet_get_rss_hash(packet) == 0x12345678);
    CHECK(iovtee_packet_is_ip_csum_good(packet));
    CHECK(packet->cutlen == 5 && packet->md.skb_priority == 42);
    CHECK(!memcmp(&guest, &guest_as_received, sizeof guest));
}

/* Frees 'packet' and checks that its mbuf and all memory came back. */
static void
free_packet(struct dp_packet *packet)
{
    struct rte_mbuf *m[N_MBUFS];

    dp_packet_delete(packet);
    CHECK(rte_mempool_full(mp));
    CHECK(count_allocations() == n_allocated);
    CHECK(!rte_pktmbuf_alloc_bulk(mp, m, N_MBUFS));
    for (int i = 0; i < N_MBUFS; i++) {
        CHECK(RTE_MBUF_DIRECT(m[i]) && rte_mbuf_refcnt_read(m[i]) == 1);
    }
    rte_pktmbuf_free_bulk(m, N_MBUFS);
}

/* What fits stays where it is. */
static void
test_fits(void)
{
    struct dp_packet *packet = receive();

    dp_packet_push_uninit(packet, HEADROOM);
    CHECK(dp_packet_data(packet) == guest.buffer);
    check_packet(packet, HEADROOM);
    free_packet(packet);
}

/* A tunnel header does not fit. */
static void
test_tunnel(void)
{
    struct dp_packet *packet = receive();

    memset(dp_packet_push_uninit(packet, 50), 0xee, 50);
    check_packet(packet, 50);
    CHECK(RTE_MBUF_HAS_EXTBUF(&packet->mbuf));
    CHECK(dp_packet_headroom(packet) == 64 - 50);
    CHECK(dp_packet_tailroom(packet) <= IOVTEE_RESIZE_EXTRA);
    CHECK(packet->mbuf.buf_iova
          == rte_malloc_virt2iova(packet->mbuf.buf_addr));
    free_packet(packet);
}

/* Three VLAN tags fit into the headroom, a fourth one does not. */
static void
test_vlans(void)
{
    struct dp_packet *packet = receive();

    for (int i = 0; i < 4; i++) {
        eth_push_vlan(packet, htons(ETH_TYPE_VLAN), htons(i));
        CHECK(!RTE_MBUF_HAS_EXTBUF(&packet->mbuf) == (i < 3));
    }
    CHECK(dp_packet_size(packet) == FRAME_LEN + 4 * VLAN_HEADER_LEN);
    CHECK(!memcmp(dp_packet_data(packet),
                  guest_as_received.buffer + HEADROOM, 2 * ETH_ADDR_LEN));
    CHECK(!memcmp((uint8_t *) dp_packet_l3(packet),
                  guest_as_received.buffer + HEADROOM + 14, FRAME_LEN - 14));
    CHECK(!memcmp(guest.before, guest_as_received.before,
                  sizeof guest.before));
    free_packet(packet);
}

/* Moves to one external buffer after the other. */
static void
test_again(void)
{
    struct dp_packet *packet = receive();
    size_t pushed = 0;

    for (int i = 0; i < 20; i++) {
        size_t room = dp_packet_headroom(packet);

        memset(dp_packet_push_uninit(packet, room + 1), 0xee, room + 1);
        pushed += room + 1;
        check_packet(packet, pushed);
        CHECK(count_allocations() == n_allocated + 1);
    }
    free_packet(packet);
}

/* Grows at its end, which keeps the headroom. */
static void
test_tail(void)
{
    struct dp_packet *packet = receive();
    uint8_t *tail;

    tail = dp_packet_put_zeros(packet, 100);
    CHECK(tail == (uint8_t *) dp_packet_data(packet) + FRAME_LEN);
    CHECK(dp_packet_headroom(packet) == HEADROOM);
    dp_packet_set_size(packet, FRAME_LEN);
    check_packet(packet, 0);
    free_packet(packet);
}

/* A clone is a packet of its own. */
static void
test_clone(void)
{
    struct dp_packet *packet = receive();
    struct dp_packet *clone;

    memset(dp_packet_push_uninit(packet, 50), 0xee, 50);
    clone = dp_packet_clone_with_headroom(packet, 20);
    free_packet(packet);

    CHECK(clone->source == DPBUF_MALLOC);
    CHECK(!RTE_MBUF_HAS_EXTBUF(&clone->mbuf));
    CHECK(dp_packet_size(clone) == 50 + FRAME_LEN);
    CHECK(!memcmp((uint8_t *) dp_packet_data(clone) + 50,
                  guest_as_received.buffer + HEADROOM, FRAME_LEN));
    dp_packet_delete(clone);
}

/* The largest that an mbuf can describe. */
static void
test_largest(void)
{
    struct dp_packet *packet = receive();
    const size_t room = UINT16_MAX - FRAME_LEN - IOVTEE_RESIZE_EXTRA;

    dp_packet_push_uninit(packet, room);
    CHECK(!dp_packet_headroom(packet));
    CHECK(dp_packet_get_allocated(packet) >= FRAME_LEN + room);
    check_packet(packet, room);
    free_packet(packet);
}

int
main(int argc, char *argv[])
{
    static const struct unit_command commands[] = {
        { "fits", test_fits },
        { "tunnel", test_tunnel },
        { "vlans", test_vlans },
        { "again", test_again },
        { "tail", test_tail },
        { "clone", test_clone },
        { "largest", test_largest },
    };

    return unit_main(argc, argv, commands, ARRAY_SIZE(commands));
}
