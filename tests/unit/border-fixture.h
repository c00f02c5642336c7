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

#ifndef TESTS_BORDER_FIXTURE_H
#define TESTS_BORDER_FIXTURE_H 1

/* A guest's memory, and packets that a NIC has received into it.  For programs
 * that include <config.h> first. */

#include <rte_mbuf.h>

#include "compat/compat.h"
#include "dp-packet.h"
#include "flow.h"
#include "odp-execute.h"
#include "packets.h"
#include "queue/mark.h"
#include "util.h"

/* Open vSwitch has the same. */
#undef ARRAY_SIZE
#include "unit-eal.h"

#define HDR_LEN 12              /* Of the virtio header. */
#define N_MBUFS 40
#define BUF_SIZE 2048

/* A guest's buffers. */
static uint8_t guest[N_MBUFS][BUF_SIZE];
static struct rte_mempool *mp;
static size_t l7_len = 100;     /* Of what is received. */

/* What the packets matched. */
static struct flow flow;

static inline bool
is_in_guest(const void *p)
{
    return ((const uint8_t *) p >= guest[0]
            && (const uint8_t *) p < guest[0] + sizeof guest);
}

static inline void
init(void)
{
    unit_eal_init("64");
    CHECK(iovtee_mark_init());
    mp = rte_pktmbuf_pool_create("test", N_MBUFS, 0,
                                 sizeof(struct dp_packet)
                                 - sizeof(struct rte_mbuf), 0, 0);
    CHECK(mp);
    iovtee_odp_execute_init();
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
static inline struct dp_packet *
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

static inline void
receive_batch(struct dp_packet_batch *batch, unsigned int n)
{
    dp_packet_batch_init(batch);
    while (n--) {
        dp_packet_batch_add(batch, receive());
    }
}

#endif /* border-fixture.h */
