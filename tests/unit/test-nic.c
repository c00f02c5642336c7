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

/* Unit tests of nic/nic: guests come and go, with drivers of every
 * kind. */

#include <config.h>

#include "nic-fixture.h"

/* A guest comes, stops and goes on, and goes, on a NIC with this driver. */
static void
life(const struct fake_driver *d, uint16_t n_desc, uint32_t size)
{
    struct fake_counts before, after;
    uint64_t missed, received;
    struct lane *lane;
    struct rig rig;

    rig_init(&rig, d, 1, n_desc, size);
    lane = &rig.lanes[0];
    CHECK(!iovtee_nic_copy_only(rig.nic));

    /* Not attached: everything is copied. */
    rig_run(&rig, 50);
    CHECK(lane->n_seen == 50 * BURST && !lane->n_lost && !lane->n_missed);
    CHECK(!n_zero_copied(lane) && !rxq_info(&rig, 0).n_guest);

    /* Attaching stops nothing. */
    fake_eth_get_counts(&before);
    CHECK(!iovtee_nic_attach(rig.nic, 0, lane->guest.vq));
    fake_eth_get_counts(&after);
    CHECK(!memcmp(&before, &after, sizeof before));
    CHECK(!rxq_info(&rig, 0).n_guest);
    rig_run(&rig, 200);
    check_zero_copy(&rig, lane);

    /* The guest keeps all buffers: others' traffic must go on. */
    lane->lazy = true;
    rig_run(&rig, 200);
    missed = lane->n_missed;
    received = lane->n_received;
    rig_run(&rig, 200);
    CHECK(lane->n_missed == missed);
    CHECK(lane->n_received - received >= 195 * BURST);
    lane->lazy = false;
    lane_reap(lane);
    vq_refill(&lane->guest, BUF_LEN);
    rig_run(&rig, 200);
    check_zero_copy(&rig, lane);

    /* On return from detaching no DMA goes on. */
    rig_detach(&rig, 0x1);
    fake_eth_get_counts(&after);
    if (d->release == FAKE_NEVER && d->refill != FAKE_COPY) {
        CHECK(!fake_eth_is_started());
        CHECK(iovtee_nic_copy_only(rig.nic));
        CHECK(iovtee_nic_attach(rig.nic, 0, lane->guest.vq) == EOPNOTSUPP);
    } else {
        CHECK(fake_eth_is_started() && !iovtee_nic_copy_only(rig.nic));
        CHECK(!rxq_info(&rig, 0).n_guest);
        CHECK(!lane->guest.vq->ledger.n[IOVTEE_NIC]);
        CHECK(after.n_queue_stops - before.n_queue_stops
              == (d->release == FAKE_QUEUE_STOP && d->refill != FAKE_COPY));
        CHECK(after.n_stops - before.n_stops
              == (d->release != FAKE_QUEUE_STOP && d->refill != FAKE_COPY));
        CHECK(!iovtee_nic_attach(rig.nic, 0, lane->guest.vq));
        rig_run(&rig, 200);
        check_zero_copy(&rig, lane);
    }
    rig_destroy(&rig);
}

static void
lives(enum fake_refill refill)
{
    for (int release = FAKE_QUEUE_STOP; release <= FAKE_NEVER; release++) {
        for (int status = 0; status < 2; status++) {
            const struct fake_driver d = {
                .refill = refill, .release = release, .has_status = status,
            };

            life(&d, 128, 256);
            life(&d, 64, 256);
            life(&d, 128, 1024);
        }
    }
}

/* Drivers that take frames and then refill, 32 at a time. */
static void
test_bulk(void)
{
    const struct fake_driver d = { .refill = FAKE_BULK, .has_status = true };

    lives(FAKE_BULK);

    /* A NIC with more descriptors than the guest has buffers runs with as
     * many as there are. */
    life(&d, 1024, 256);
}

/* Drivers that get a buffer before they take a frame. */
static void
test_one(void)
{
    lives(FAKE_ONE);
}

/* Drivers that hold no buffers. */
static void
test_hold_none(void)
{
    lives(FAKE_COPY);
}

/* A driver whose ring is always full, with more descriptors than the guest
 * has buffers: what it holds does not wait for the guest for ever. */
static void
test_overcommit(void)
{
    for (int status = 0; status < 2; status++) {
        const struct fake_driver d = {
            .refill = FAKE_ONE, .has_status = status,
        };
        struct lane *lane;
        uint64_t received;
        struct rig rig;

        rig_init(&rig, &d, 1, 512, 256);
        lane = &rig.lanes[0];
        if (!status) {
            /* It takes more polls to find out. */
            rig.n_polls = 100;
        }
        CHECK(!iovtee_nic_attach(rig.nic, 0, lane->guest.vq));
        rig_run(&rig, 500);
        for (int lazy = 0; lazy < 2; lazy++) {
            lane->lazy = lazy;
            rig_run(&rig, 100);
            received = lane->n_received;
            rig_run(&rig, 400);
            CHECK(lane->n_received - received >= 390 * BURST);
        }
        lane->lazy = false;
        lane_reap(lane);
        vq_refill(&lane->guest, BUF_LEN);
        received = lane->n_seen;
        rig_run(&rig, 400);
        CHECK(lane->n_seen - received >= 390 * BURST);
        rig_destroy(&rig);
    }
}

/* Frames that the netdev drops by itself take host buffers away behind our
 * back.  A NIC without buffers does not wait for the guest for ever. */
static void
test_policed(void)
{
    for (int refill = FAKE_BULK; refill <= FAKE_COPY; refill++) {
        for (int status = 0; status < 2; status++) {
            const struct fake_driver d = {
                .refill = refill, .has_status = status, .n_spare = 1,
            };
            uint64_t received, missed;
            struct lane *lane;
            struct rig rig;

            rig_init(&rig, &d, 1, 128, 256);
            lane = &rig.lanes[0];
            rig.n_polls = status ? 3 : 100;
            fake_eth_police(true);
            rig_run(&rig, 50);
            CHECK(!lane->n_received && !lane->n_missed);
            fake_eth_police(false);

            CHECK(!iovtee_nic_attach(rig.nic, 0, lane->guest.vq));
            lane->lazy = true;
            rig_run(&rig, 200);
            received = lane->n_received;
            missed = lane->n_missed;
            rig_run(&rig, 200);
            CHECK(lane->n_missed == missed);
            CHECK(lane->n_received - received >= 195 * BURST);
            rig_destroy(&rig);
        }
    }
}

/* Guest memory stays mapped for DMA until it goes itself: after the NIC that
 * it was mapped for has gone, frames in it may still be in the transmit ring
 * of another one. */
static void
test_dma(void)
{
    const struct fake_driver d = {
        .refill = FAKE_BULK, .name = "net_ixgbe", .bus = "pci",
    };
    struct vq_fixture *guest;
    unsigned int n_regions;
    struct rig rig;

    rig_init(&rig, &d, 2, 128, 256);
    guest = &rig.lanes[0].guest;
    n_regions = iovtee_guestmem_n_regions(guest->vq->mem);

    /* It is mapped as a whole or not at all. */
    for (unsigned int i = 1; i <= 2 * n_regions; i++) {
        fake_eth_fail_dma(i);
        CHECK(iovtee_nic_attach(rig.nic, 0, guest->vq)
              == (i <= n_regions ? ENOSPC : ENOMEM));
        CHECK(!fake_eth_n_registered() && !fake_eth_n_mapped());
    }

    /* It is mapped once. */
    CHECK(!iovtee_nic_attach(rig.nic, 0, guest->vq));
    CHECK(!iovtee_nic_attach(rig.nic, 1, guest->vq));
    CHECK(fake_eth_n_registered() == n_regions);
    CHECK(fake_eth_n_mapped() == n_regions);
    rig_detach(&rig, 0x2);
    rig_run(&rig, 100);

    rig_detach(&rig, 0x3);
    iovtee_nic_close(rig.nic);
    CHECK(fake_eth_n_mapped() == n_regions);
    rig_destroy(&rig);
    CHECK(!fake_eth_n_registered() && !fake_eth_n_mapped());
}

/* One guest's end does not disturb the other one. */
static void
two(enum fake_refill refill, enum fake_release release)
{
    const struct fake_driver d = {
        .refill = refill, .release = release, .has_status = true,
    };
    struct fake_counts before, after;
    struct rig rig;
    uint32_t n_guest;

    rig_init(&rig, &d, 2, 128, 256);
    rig_attach(&rig);
    rig_run(&rig, 200);
    check_zero_copy(&rig, &rig.lanes[0]);
    check_zero_copy(&rig, &rig.lanes[1]);

    n_guest = rxq_info(&rig, 1).n_guest;
    fake_eth_get_counts(&before);
    rig_detach(&rig, 0x1);
    fake_eth_get_counts(&after);
    CHECK(!rxq_info(&rig, 0).n_guest && rxq_info(&rig, 0).n_stops == 1);
    CHECK(!rxq_info(&rig, 1).n_stops);
    check_books(&rig);
    if (release == FAKE_QUEUE_STOP) {
        CHECK(rxq_info(&rig, 1).n_guest == n_guest);
        CHECK(after.n_stops == before.n_stops);
    } else {
        CHECK(after.n_stops == before.n_stops + 1);
        CHECK(after.n_starts == before.n_starts + 1);
    }
    CHECK(fake_eth_is_started());
    rig_run(&rig, 200);
    check_zero_copy(&rig, &rig.lanes[1]);
    rig_destroy(&rig);
}

static void
test_two(void)
{
    for (int release = FAKE_QUEUE_STOP; release < FAKE_NEVER; release++) {
        two(FAKE_BULK, release);
        two(FAKE_ONE, release);
    }
}

/* Two queues are taken back at once: a device that has to be restarted for
 * that is so only once. */
static void
test_several(void)
{
    for (int release = FAKE_QUEUE_STOP; release < FAKE_NEVER; release++) {
        const struct fake_driver d = {
            .refill = FAKE_BULK, .release = release, .has_status = true,
        };
        struct fake_counts before, after;
        struct rig rig;

        rig_init(&rig, &d, 2, 128, 256);
        rig_attach(&rig);
        rig_run(&rig, 200);
        fake_eth_get_counts(&before);
        rig_detach(&rig, 0x3);
        fake_eth_get_counts(&after);
        if (release == FAKE_QUEUE_STOP) {
            CHECK(after.n_queue_stops == before.n_queue_stops + 2);
            CHECK(after.n_stops == before.n_stops);
        } else {
            CHECK(after.n_stops == before.n_stops + 1);
            CHECK(after.n_starts == before.n_starts + 1);
        }
        CHECK(fake_eth_is_started());
        for (int q = 0; q < 2; q++) {
            CHECK(!rxq_info(&rig, q).n_guest);
            CHECK(rxq_info(&rig, q).n_stops == 1);
            CHECK(rxq_info(&rig, q).longest_stop);
        }
        check_books(&rig);

        /* Nothing is attached, and nothing is locked. */
        rig_detach(&rig, 0x3);
        rig_run(&rig, 100);
        rig_attach(&rig);
        rig_run(&rig, 100);
        check_zero_copy(&rig, &rig.lanes[0]);
        check_zero_copy(&rig, &rig.lanes[1]);
        rig_destroy(&rig);
    }
}

/* Sends three packets. */
static void
send_3(void *rig_)
{
    struct rig *rig = rig_;
    struct dp_packet_batch batch;

    dp_packet_batch_init(&batch);
    for (int i = 0; i < 3; i++) {
        dp_packet_batch_add(&batch, vq_switch_packet(60, i));
    }
    CHECK(!iovtee_nic_send(rig->nic, fake_eth_netdev(), 0, &batch, false));
}

/* Whoever sends, or receives from another queue, while the device is restarted
 * does not wait for the end of that. */
static void
test_send(void)
{
    for (int release = FAKE_PORT_STOP; release < FAKE_NEVER; release++) {
        const struct fake_driver d = {
            .refill = FAKE_BULK, .release = release,
        };
        struct fake_counts counts;
        struct rig rig;

        rig_init(&rig, &d, 2, 128, 256);
        CHECK(!iovtee_nic_attach(rig.nic, 0, rig.lanes[0].guest.vq));
        rig_run(&rig, 100);
        send_3(&rig);
        fake_eth_get_counts(&counts);
        CHECK(counts.n_sent == 3 && !iovtee_nic_n_restart_drops(rig.nic));

        fake_eth_on_stop(send_3, &rig);
        rig_detach(&rig, 0x1);
        fake_eth_on_stop(NULL, NULL);
        fake_eth_get_counts(&counts);
        CHECK(counts.n_stops == 1 && counts.n_sent == 3);
        CHECK(iovtee_nic_n_restart_drops(rig.nic) == 3);

        send_3(&rig);
        fake_eth_get_counts(&counts);
        CHECK(counts.n_sent == 6);
        CHECK(iovtee_nic_n_restart_drops(rig.nic) == 3);
        rig_destroy(&rig);
    }
}

/* A driver that keeps a guest's buffers loses zero-copy for good, and what
 * comes back late is still fit for the switch. */
static void
test_keeper(void)
{
    const struct fake_driver d = { .refill = FAKE_BULK,
                                   .release = FAKE_NEVER };
    struct lane *lane;
    struct rig rig;
    uint32_t n_guest;
    void *mbuf;

    rig_init(&rig, &d, 1, 128, 256);
    lane = &rig.lanes[0];
    CHECK(!iovtee_nic_attach(rig.nic, 0, lane->guest.vq));
    rig_run(&rig, 200);
    lane_wire(&rig, lane, BURST);
    rig_detach(&rig, 0x1);
    n_guest = rxq_info(&rig, 0).n_guest;
    CHECK(n_guest && !fake_eth_is_started());
    CHECK(lane_poll(&rig, lane) == 0);
    iovtee_nic_run(rig.nic);
    CHECK(!fake_eth_is_started());

    /* A reconfiguration starts it. */
    rig_reconfigure(&rig, 1, 128);
    CHECK(fake_eth_is_started() && iovtee_nic_copy_only(rig.nic));
    CHECK(iovtee_nic_attach(rig.nic, 0, lane->guest.vq) == EOPNOTSUPP);
    rig_run(&rig, 20);
    CHECK(rxq_info(&rig, 0).n_guest < n_guest);
    CHECK(!fake_eth_get(0, &mbuf, 1));
    CHECK(((struct rte_mbuf *) mbuf)->pool == vq_host_pool());
    rte_pktmbuf_free(mbuf);
    rig_run(&rig, 200);
    CHECK(!rxq_info(&rig, 0).n_guest);
    rig_destroy(&rig);
}

/* A device that keeps a guest's buffers in one queue is not started for the
 * sake of another one, be it that this one stops later, at the same time, or
 * that the start after its stop had failed. */
static void
test_keeper_of_two(void)
{
    for (int i = FAKE_QUEUE_STOP; i < 3 * FAKE_NEVER; i++) {
        const struct fake_driver d = {
            .refill = FAKE_BULK, .release = i % FAKE_NEVER, .keepers = 1,
        };
        static const unsigned int firsts[] = { 0x1, 0x2, 0x3 };
        const unsigned int first = firsts[i / FAKE_NEVER];
        struct rig rig;

        rig_init(&rig, &d, 2, 128, 256);
        rig_attach(&rig);
        rig_run(&rig, 100);
        if (first == 0x2) {
            fake_eth_fail_starts(2);
        }
        rig_detach(&rig, first);
        CHECK(!fake_eth_is_started());
        fake_eth_fail_starts(0);
        rig_detach(&rig, ~first & 0x3);
        iovtee_nic_run(rig.nic);
        CHECK(!fake_eth_is_started());
        CHECK(rxq_info(&rig, 0).n_guest && !rxq_info(&rig, 1).n_guest);
        rig_destroy(&rig);
    }
}

/* A guest whose buffers the driver has kept is gone.  What the NIC receives
 * into them then is dropped, and when all are home nobody waits any more. */
static void
test_keeper_finished(void)
{
    const struct fake_driver d = { .refill = FAKE_BULK,
                                   .release = FAKE_NEVER };
    struct iovtee_rxvq_counters *counters;
    uint16_t last_avail, last_used;
    struct iovtee_rxvq *vq;
    uint32_t n_guest;
    struct rig rig;

    rig_init(&rig, &d, 1, 128, 256);
    vq = rig.lanes[0].guest.vq;
    counters = &vq->counters;
    rig_attach(&rig);
    rig_run(&rig, 200);
    rig_detach(&rig, 0x1);
    n_guest = rxq_info(&rig, 0).n_guest;
    CHECK(n_guest > BURST);
    iovtee_rxvq_suspend(vq);
    iovtee_rxvq_finish(vq, &last_avail, &last_used);
    CHECK(vq->n_orphans == n_guest);

    rig_reconfigure(&rig, 1, 128);
    lane_wire(&rig, &rig.lanes[0], BURST);
    CHECK(lane_poll(&rig, &rig.lanes[0]) == 0);
    CHECK(counters->dropped[IOVTEE_DROP_STOPPED] == BURST);
    CHECK(vq->n_orphans == n_guest - BURST);
    CHECK(rxq_info(&rig, 0).n_guest == n_guest - BURST);

    fake_eth_close();
    CHECK(!vq->n_orphans && !rxq_info(&rig, 0).n_guest);
    CHECK(!vq->ledger.n_violations);
    CHECK(ovs_refcount_read(&vq->ref_cnt) == 2);
    rig_detach(&rig, 0x1);
    CHECK(ovs_refcount_read(&vq->ref_cnt) == 1);
    rig_destroy(&rig);
}

/* A device that does not stop goes on, and nobody says that it is stopped.
 * The guest's buffers come out of it with frames. */
static void
test_stop_fails(void)
{
    const struct fake_driver d = { .refill = FAKE_BULK,
                                   .release = FAKE_PORT_STOP };
    struct rig rig;

    rig_init(&rig, &d, 1, 128, 256);
    rig_attach(&rig);
    rig_run(&rig, 200);
    fake_eth_fail_stops(1);
    rig_detach(&rig, 0x1);
    CHECK(fake_eth_is_started());
    CHECK(!strcmp(iovtee_nic_copy_only(rig.nic),
                  "driver cannot stop the device"));
    CHECK(iovtee_nic_attach(rig.nic, 0, rig.lanes[0].guest.vq) == EOPNOTSUPP);
    iovtee_nic_run(rig.nic);
    CHECK(fake_eth_is_started());
    CHECK(rxq_info(&rig, 0).n_guest);
    rig_run(&rig, 200);
    CHECK(!rxq_info(&rig, 0).n_guest);
    rig_destroy(&rig);
}

/* A device that does not start again is tried again.  Polls between do not
 * make it want buffers that the guest does not have. */
static void
restart_fails(enum fake_release release, uint16_t n_desc)
{
    const struct fake_driver d = {
        .refill = FAKE_BULK, .release = release, .has_status = true,
    };
    struct fake_counts counts;
    struct rig rig;

    rig_init(&rig, &d, 2, n_desc, 256);
    iovtee_nic_set_admin_up(rig.nic, release != FAKE_SETUP);
    rig_attach(&rig);
    rig_run(&rig, 100);
    fake_eth_fail_starts(4);
    rig_detach(&rig, 0x1);
    CHECK(!rxq_info(&rig, 0).n_guest);
    CHECK(!fake_eth_is_started());
    for (int i = 0; !fake_eth_is_started(); i++) {
        CHECK(i < 4);
        CHECK(lane_poll(&rig, &rig.lanes[1]) == 0);
        iovtee_nic_run(rig.nic);
    }
    fake_eth_get_counts(&counts);
    CHECK(counts.n_stops == 1);
    CHECK(counts.n_link_downs == (release == FAKE_SETUP));
    rig_run(&rig, 200);
    check_zero_copy(&rig, &rig.lanes[1]);
    rig_destroy(&rig);
}

static void
test_restart_fails(void)
{
    for (int release = FAKE_QUEUE_STOP; release < FAKE_NEVER; release++) {
        restart_fails(release, 128);
        restart_fails(release, 512);
    }
}

/* A reconfiguration in which the lower netdev finds nothing to do does not
 * start the device, so that somebody else has to. */
static void
test_reconfigured_in_vain(void)
{
    const struct fake_driver d = {
        .refill = FAKE_BULK, .release = FAKE_PORT_STOP, .has_status = true,
    };
    struct fake_counts before, after;
    struct rig rig;

    rig_init(&rig, &d, 1, 128, 256);
    for (int in_vain = 1; in_vain >= 0; in_vain--) {
        rig_attach(&rig);
        rig_run(&rig, 100);
        fake_eth_fail_starts(1);
        rig_detach(&rig, 0x1);
        CHECK(!fake_eth_is_started());
        if (in_vain) {
            iovtee_nic_begin_reconfigure(rig.nic, FAKE_PORT);
            iovtee_nic_end_reconfigure(rig.nic, 1, 1);
            CHECK(!fake_eth_is_started());
        } else {
            rig_reconfigure(&rig, 1, 128);
        }
        fake_eth_get_counts(&before);
        iovtee_nic_run(rig.nic);
        fake_eth_get_counts(&after);
        CHECK(fake_eth_is_started());
        CHECK(after.n_starts - before.n_starts == in_vain);
        CHECK(after.n_stops == before.n_stops);
    }

    /* The next time it is stopped for good. */
    rig_attach(&rig);
    rig_run(&rig, 100);
    rig_detach(&rig, 0x1);
    fake_eth_get_counts(&after);
    CHECK(after.n_stops == before.n_stops + 1);
    CHECK(after.n_starts == before.n_starts + 1);
    rig_destroy(&rig);
}

/* Nor is a device without each of its queues started. */
static void
test_setup_fails(void)
{
    for (unsigned int n = 1; n <= 5; n++) {
        const struct fake_driver d = {
            .refill = FAKE_BULK, .release = FAKE_SETUP,
        };
        struct rig rig;

        rig_init(&rig, &d, 2, 128, 256);
        rig_attach(&rig);
        rig_run(&rig, 100);
        fake_eth_fail_setups(n);
        rig_detach(&rig, 0x3);
        CHECK(!rxq_info(&rig, 0).n_guest && !rxq_info(&rig, 1).n_guest);
        CHECK(!iovtee_nic_copy_only(rig.nic));
        for (int i = 0; !fake_eth_is_started(); i++) {
            CHECK(i < 4);
            iovtee_nic_run(rig.nic);
        }
        rig_run(&rig, 100);
        rig_attach(&rig);
        rig_run(&rig, 200);
        check_zero_copy(&rig, &rig.lanes[0]);
        check_zero_copy(&rig, &rig.lanes[1]);
        rig_destroy(&rig);
    }
}

int
main(int argc, char *argv[])
{
    static const struct unit_command commands[] = {
        { "bulk", test_bulk },
        { "one", test_one },
        { "hold-none", test_hold_none },
        { "overcommit", test_overcommit },
        { "policed", test_policed },
        { "dma", test_dma },
        { "two", test_two },
        { "several", test_several },
        { "send", test_send },
        { "keeper", test_keeper },
        { "keeper-of-two", test_keeper_of_two },
        { "keeper-finished", test_keeper_finished },
        { "stop-fails", test_stop_fails },
        { "restart-fails", test_restart_fails },
        { "in-vain", test_reconfigured_in_vain },
        { "setup-fails", test_setup_fails },
    };

    set_program_name(argv[0]);
    vlog_set_pattern(VLF_CONSOLE, "%c|%p|%m");
    vlog_set_levels(NULL, VLF_CONSOLE, VLL_EMER);
    unit_eal_init("128");
    return unit_main(argc, argv, commands, ARRAY_SIZE(commands));
}
