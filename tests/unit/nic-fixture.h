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

#ifndef TESTS_NIC_FIXTURE_H
#define TESTS_NIC_FIXTURE_H 1

/* A NIC with a driver of any kind (fake-ethdev.h) whose receive queues have
 * real guest queues (rxvq-fixture.h) behind them. */

#include "nic/nic.h"

#include <errno.h>

#include <rte_ethdev.h>
#include <rte_mbuf.h>
#include <rte_mempool.h>

#include "bitmap.h"
#include "dp-packet.h"
#include "fake-ethdev.h"
#include "netdev-provider.h"
#include "openvswitch/vlog.h"
#include "queue/rxvq.h"
#include "util.h"
#include "rxvq-fixture.h"

/* Open vSwitch has the same. */
#undef ARRAY_SIZE
#include "unit-eal.h"

enum { LEN = 200, BUF_LEN = 1600, BURST = 16, MAX_GUESTS = 2 };

/* A guest behind receive queue 'q' of the NIC. */
struct lane {
    struct vq_fixture guest;
    bool lazy;                  /* Does it keep its buffers? */
    bool dropped;               /* Does the switch drop its frames? */
    uint32_t next_seed;         /* Of the next frame to send... */
    uint32_t last_seed;         /* ...and of the last one the guest saw. */
    uint64_t n_wired, n_missed; /* Frames at the NIC, and lost there. */
    uint64_t n_received;        /* Frames that the switch got. */
    uint64_t n_lost;            /* Frames lost for want of buffers. */
    uint64_t n_seen;            /* Frames that the guest got. */
};

struct rig {
    struct iovtee_nic *nic;
    unsigned int n_polls;       /* For each burst of frames. */
    unsigned int n_lanes;
    struct lane lanes[MAX_GUESTS];
};

static inline void
rig_reconfigure(struct rig *rig, unsigned int n_rxq, uint16_t n_desc)
{
    iovtee_nic_begin_reconfigure(rig->nic, FAKE_PORT);
    fake_eth_setup(n_rxq, n_desc, vq_host_pool());
    iovtee_nic_end_reconfigure(rig->nic, n_rxq, 1);
}

/* Starts a NIC with the driver 'd', 'n_lanes' receive queues of 'n_desc'
 * descriptors, and as many guests with rings of 'size' entries, which are not
 * attached yet. */
static inline void
rig_init(struct rig *rig, const struct fake_driver *d, unsigned int n_lanes,
         uint16_t n_desc, uint32_t size)
{
    const struct vq_params params = {
        .size = size, .hdr_len = 12, .mergeable = true,
    };

    memset(rig, 0, sizeof *rig);
    fake_eth_init(d);
    rig->nic = iovtee_nic_create("phy0");
    CHECK(iovtee_nic_copy_only(rig->nic));
    rig->n_polls = 3;
    rig->n_lanes = n_lanes;
    for (unsigned int i = 0; i < n_lanes; i++) {
        vq_fixture_init(&rig->lanes[i].guest, &params);
        vq_refill(&rig->lanes[i].guest, BUF_LEN);
    }
    rig_reconfigure(rig, n_lanes, n_desc);
}

/* Has each receive queue get its buffers from the guest of its lane. */
static inline void
rig_attach(struct rig *rig)
{
    for (unsigned int i = 0; i < rig->n_lanes; i++) {
        CHECK(!iovtee_nic_attach(rig->nic, i, rig->lanes[i].guest.vq));
    }
}

/* Takes the guests' buffers back from the receive queues of which the bit is
 * set in 'rxqs'. */
static inline void
rig_detach(struct rig *rig, unsigned long rxqs)
{
    const unsigned long bitmap[IOVTEE_NIC_MAX_RXQS / BITMAP_ULONG_BITS] = {
        rxqs,
    };

    iovtee_nic_detach(rig->nic, bitmap);
}

/* Ends all of it, the device last or, as a driver that keeps buffers needs,
 * before the guests. */
static inline void
rig_destroy(struct rig *rig)
{
    rig_detach(rig, (1u << rig->n_lanes) - 1);
    iovtee_nic_close(rig->nic);
    fake_eth_close();
    iovtee_nic_destroy(rig->nic);
    for (unsigned int i = 0; i < rig->n_lanes; i++) {
        vq_forgive(&rig->lanes[i].guest);
        vq_fixture_destroy(&rig->lanes[i].guest);
    }
}

static inline uint64_t
n_zero_copied(const struct lane *lane)
{
    return lane->guest.vq->counters.zero_copied;
}

static inline struct iovtee_nic_rxq_info
rxq_info(const struct rig *rig, unsigned int q)
{
    struct iovtee_nic_rxq_info info;

    CHECK(iovtee_nic_get_rxq_info(rig->nic, q, &info));
    return info;
}

/* Checks that nobody has lost track of a buffer. */
static inline void
check_books(const struct rig *rig)
{
    for (unsigned int i = 0; i < rig->n_lanes; i++) {
        struct iovtee_rxvq_info info;

        iovtee_rxvq_get_info(rig->lanes[i].guest.vq, &info);
        CHECK(iovtee_rxvq_is_balanced(rig->lanes[i].guest.vq));
        CHECK(info.n[IOVTEE_NIC] == rxq_info(rig, i).n_guest);
        CHECK(!info.n[IOVTEE_SWITCH]);
    }
}

/* Has 'n' frames arrive for 'lane'. */
static inline void
lane_wire(struct rig *rig, struct lane *lane, unsigned int n)
{
    while (n--) {
        uint8_t frame[LEN];
        uint32_t seed = lane->next_seed++;

        vq_frame(frame, LEN, seed);
        memcpy(frame + 14, &seed, sizeof seed);
        lane->n_wired++;
        lane->n_missed += !fake_eth_wire(lane - rig->lanes, frame, LEN);
    }
}

/* Has the guest take what it got, and check it. */
static inline void
lane_reap(struct lane *lane)
{
    struct vq_buffer buffer;
    uint16_t head;
    uint32_t len;

    while (vq_reap_raw(&lane->guest, &head, &len, &buffer)) {
        uint8_t got[12 + LEN], want[12 + LEN] = { [10] = 1 };
        uint32_t seed;

        CHECK(len == sizeof got);
        vq_gather(&lane->guest, &buffer, 0, got, sizeof got);
        memcpy(&seed, got + 12 + 14, sizeof seed);
        vq_frame(want + 12, LEN, seed);
        memcpy(want + 12 + 14, &seed, sizeof seed);
        CHECK(!memcmp(got, want, sizeof got));
        CHECK(seed > lane->last_seed || !lane->n_seen);
        lane->last_seed = seed;
        lane->n_seen++;
    }
}

/* Polls once for 'lane'.  Returns the number of packets received. */
static inline unsigned int
lane_poll(struct rig *rig, struct lane *lane)
{
    struct dp_packet_batch batch;
    struct iovtee_delivery d;
    unsigned int n;

    dp_packet_batch_init(&batch);
    if (iovtee_nic_recv(rig->nic, fake_eth_rxq(lane - rig->lanes), &batch)) {
        return 0;
    }
    n = batch.count;
    CHECK(n);
    for (unsigned int i = 0; i < n; i++) {
        /* No packet may have room outside of its buffer. */
        CHECK(dp_packet_headroom(batch.packets[i])
              == (batch.packets[i]->mbuf.pool == vq_host_pool()
                  ? RTE_PKTMBUF_HEADROOM : 12));
    }
    lane->n_received += n;
    if (lane->dropped) {
        dp_packet_delete_batch(&batch, true);
        return n;
    }
    iovtee_rxvq_deliver(lane->guest.vq, batch.packets, n, 8, &d);
    lane->n_lost += d.n_dropped;
    if (!lane->lazy) {
        lane_reap(lane);
        vq_refill(&lane->guest, BUF_LEN);
    }
    return n;
}

/* Has bursts of frames arrive at all lanes, and be received, 'n' times. */
static inline void
rig_run(struct rig *rig, unsigned int n)
{
    while (n--) {
        for (unsigned int i = 0; i < rig->n_lanes; i++) {
            lane_wire(rig, &rig->lanes[i], BURST);
        }
        for (unsigned int poll = 0; poll < rig->n_polls; poll++) {
            for (unsigned int i = 0; i < rig->n_lanes; i++) {
                lane_poll(rig, &rig->lanes[i]);
            }
        }
    }
    check_books(rig);
    for (unsigned int i = 0; i < rig->n_lanes; i++) {
        vq_forgive(&rig->lanes[i].guest);
        vq_check_memory(&rig->lanes[i].guest);
    }
}

/* Checks that nearly all of the frames of 'lane' from now on are delivered in
 * place, and that none is lost. */
static inline void
check_zero_copy(struct rig *rig, struct lane *lane)
{
    enum { N = 500 };
    uint64_t zero_copied = n_zero_copied(lane);
    uint64_t missed = lane->n_missed;
    uint64_t lost = lane->n_lost;
    uint64_t seen = lane->n_seen;

    rig_run(rig, N);
    CHECK(lane->n_missed == missed);
    CHECK(lane->n_lost == lost);
    CHECK(lane->n_seen - seen == N * BURST);
    CHECK(n_zero_copied(lane) - zero_copied >= N * BURST * 999 / 1000);
}

#endif /* tests/unit/nic-fixture.h */
