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

/* Unit tests of queue/rxvq: posting, receiving, delivery in place and
 * notifications.  Delivery by copy is in test-rxvq-copy.c, the life cycle in
 * test-rxvq-life.c. */

#include <config.h>

#include "queue/rxvq.h"

#include <sys/eventfd.h>

#include <linux/virtio_net.h>
#include <rte_mbuf.h>

#include "ovs-thread.h"
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
in_place(const struct vq_params *params)
{
    const uint32_t lens[] = { 14, 60, 64, 1514, MAX_FRAME };
    struct vq_fixture f;

    vq_fixture_init(&f, params);
    for (uint32_t i = 0; i < 1000; i++) {
        uint32_t len = lens[i % ARRAY_SIZE(lens)];
        struct dp_packet *packet;
        const uint8_t *data;

        vq_refill(&f, BUF_LEN);
        packet = vq_receive(&f, len, i);

        /* The packet ends where the guest's buffer does. */
        data = dp_packet_data(packet);
        CHECK(dp_packet_get_allocated(packet) == BUF_LEN);
        CHECK(dp_packet_headroom(packet) == params->hdr_len);
        CHECK(dp_packet_tailroom(packet) == BUF_LEN - params->hdr_len - len);
        CHECK(data == (uint8_t *) dp_packet_base(packet) + params->hdr_len);
        CHECK(packet->mbuf.buf_iova == (uintptr_t) packet->mbuf.buf_addr);
        vq_check_memory(&f);
        CHECK(vq_reap_nothing(&f));

        vq_deliver(&f, packet);
        CHECK(vq_reap(&f, len, i) == 1);
        vq_check_memory(&f);
        CHECK(vq_reap_nothing(&f));
    }
    CHECK(f.vq->counters.zero_copied == 1000);
    CHECK(vq_n_counted(&f) == 1000);
    vq_check_n_copied(&f, 0);
    vq_fixture_destroy(&f);
}

/* Frames that the NIC wrote into the guest's buffers are delivered there. */
static void
test_in_place(void)
{
    struct vq_params modern_small = modern;

    in_place(&modern);
    in_place(&legacy);
    modern_small.size = 2;
    modern_small.mergeable = false;
    modern_small.event_idx = true;
    in_place(&modern_small);
}

static void
vlan_offload(const struct vq_params *params)
{
    enum { LEN = 1514 };
    struct vq_fixture f;
    uint8_t frame[LEN + VLAN_HEADER_LEN];
    struct virtio_net_hdr hdr = { .flags = 0 };
    struct dp_packet *packet;

    /* As rte_vlan_insert() does it, for drivers of which the kernel has taken
     * the tag out of the frame. */
    vq_fixture_init(&f, params);
    vq_refill(&f, BUF_LEN);
    CHECK(vq_lend(&f, &packet, 1, MAX_FRAME) == 1);
    vq_fill(&f, packet, LEN, 1);
    memset(rte_pktmbuf_prepend(&packet->mbuf, 4), 0xaa, 4);
    CHECK(packet->mbuf.data_off == RTE_PKTMBUF_HEADROOM - 4);
    CHECK(iovtee_rxvq_received(f.vq, &packet, 1) == 1);
    CHECK(dp_packet_headroom(packet) == params->hdr_len - 4);
    vq_deliver(&f, packet);

    memset(frame, 0xaa, 4);
    vq_frame(frame + 4, LEN, 1);
    CHECK(vq_reap_hdr(&f, &hdr, frame, sizeof frame) == 1);
    CHECK(vq_n_copied(&f, IOVTEE_COPY_MOVED) == 1);

    /* More than the virtio header leaves room for is outside of the buffer. */
    CHECK(vq_lend(&f, &packet, 1, MAX_FRAME) == 1);
    vq_fill(&f, packet, LEN, 1);
    packet->mbuf.data_off -= params->hdr_len + 1;
    CHECK(iovtee_rxvq_received(f.vq, &packet, 1) == 0);
    CHECK(f.vq->counters.dropped[IOVTEE_DROP_OVERRUN] == 1);

    /* So is more than the buffer holds. */
    CHECK(vq_lend(&f, &packet, 1, MAX_FRAME) == 1);
    vq_fill(&f, packet, LEN, 1);
    packet->mbuf.data_len = packet->mbuf.pkt_len
        = BUF_LEN - params->hdr_len + 1;
    CHECK(iovtee_rxvq_received(f.vq, &packet, 1) == 0);
    CHECK(f.vq->counters.dropped[IOVTEE_DROP_OVERRUN] == 2);
    vq_fixture_destroy(&f);
}

/* Drivers may move the start of the frame. */
static void
test_data_off(void)
{
    vlan_offload(&modern);
    vlan_offload(&legacy);
}

/* Pushes 'n' bytes before a received frame of 'len' bytes and delivers it. */
static void
push(const struct vq_params *params, uint32_t buf_len, uint32_t len,
     uint32_t n)
{
    struct virtio_net_hdr hdr = { .flags = 0 };
    uint8_t frame[VQ_MAX_FRAME];
    struct dp_packet *packet;
    struct vq_fixture f;

    vq_fixture_init(&f, params);
    vq_refill(&f, buf_len);
    packet = vq_receive(&f, len, n);
    memset(dp_packet_push_uninit(packet, n), 0xee, n);
    CHECK(dp_packet_size(packet) == n + len);
    vq_forgive(&f);             /* Only of what is inside of buffers. */
    vq_deliver(&f, packet);
    memset(frame, 0xee, n);
    vq_frame(frame + n, len, n);
    CHECK(vq_reap_hdr(&f, &hdr, frame, n + len) == 1);
    vq_forgive(&f);
    vq_check_memory(&f);
    CHECK(vq_n_copied(&f, IOVTEE_COPY_MOVED) == 1);
    CHECK(!f.vq->counters.zero_copied);

    /* The shell came home and is as good as before. */
    vq_check_books(&f);
    for (int i = 0; i < 2 * params->size; i++) {
        packet = vq_receive(&f, len, i);
        vq_deliver(&f, packet);
        CHECK(vq_reap(&f, len, i) == 1);
        vq_refill(&f, buf_len);
    }
    CHECK(f.vq->counters.zero_copied == 2 * params->size);
    vq_fixture_destroy(&f);
}

/* What the switch pushes does not leave the guest's buffer. */
static void
test_push(void)
{
    const uint32_t pushed[] = { 1, 4, 8, 10, 11, 12, 13, 50, 128, 400 };

    for (size_t i = 0; i < ARRAY_SIZE(pushed); i++) {
        push(&modern, BUF_LEN, 1400, pushed[i]);
        push(&legacy, BUF_LEN, 1400, pushed[i]);
        push(&legacy, 1412, 60, pushed[i]);
    }
}

/* Puts 'n' bytes after a frame that fills its buffer, and removes 'n' from
 * another one. */
static void
test_tail(void)
{
    struct virtio_net_hdr hdr = { .flags = 0 };
    uint8_t frame[1600];
    struct dp_packet *packet;
    struct vq_fixture f;

    vq_fixture_init(&f, &modern);
    while (vq_post(&f, 12 + 1514) >= 0) {
        continue;
    }
    guest_ring_expose(&f.ring);

    packet = vq_receive(&f, 1514, 1);
    CHECK(!dp_packet_tailroom(packet));
    dp_packet_put_zeros(packet, 50);
    vq_check_memory(&f);
    vq_deliver(&f, packet);
    memset(frame, 0, sizeof frame);
    vq_frame(frame, 1514, 1);
    CHECK(vq_reap_hdr(&f, &hdr, frame, 1514 + 50) == 2);
    vq_check_memory(&f);
    CHECK(vq_n_copied(&f, IOVTEE_COPY_MOVED) == 1);

    /* A shorter frame needs no copy. */
    packet = vq_receive(&f, 1514, 2);
    dp_packet_set_size(packet, 64);
    vq_deliver(&f, packet);
    vq_frame(frame, 1514, 2);
    CHECK(vq_reap_hdr(&f, &hdr, frame, 64) == 1);
    CHECK(f.vq->counters.zero_copied == 1);

    /* One that begins later does. */
    packet = vq_receive(&f, 1514, 3);
    dp_packet_pull(packet, 4);
    vq_deliver(&f, packet);
    vq_frame(frame, 1514, 3);
    CHECK(vq_reap_hdr(&f, &hdr, frame + 4, 1510) == 1);
    CHECK(vq_n_copied(&f, IOVTEE_COPY_MOVED) == 2);

    /* As does one that somebody else refers to, too. */
    packet = vq_receive(&f, 1514, 4);
    rte_mbuf_refcnt_update(&packet->mbuf, 1);
    vq_deliver(&f, packet);
    CHECK(vq_reap(&f, 1514, 4) == 1);
    CHECK(vq_n_copied(&f, IOVTEE_COPY_MOVED) == 3);
    CHECK(f.vq->ledger.n[IOVTEE_SWITCH] == 1);
    rte_pktmbuf_free(&packet->mbuf);
    CHECK(f.vq->ledger.n[IOVTEE_SWITCH] == 0);
    vq_fixture_destroy(&f);
}

/* A NIC that asks for everything leaves some buffers for copies. */
static void
test_reserve(void)
{
    static struct dp_packet *packets[1024];

    for (uint32_t size = 2; size <= 1024; size *= 2) {
        struct vq_params params = modern;
        uint32_t reserve = MAX(1, size / 8);
        unsigned int n, more = 1;
        struct vq_fixture f;
        bool unfit;

        params.size = size;
        vq_fixture_init(&f, &params);
        vq_refill(&f, BUF_LEN);

        /* All or nothing, more than there is. */
        CHECK(!iovtee_rxvq_post(f.vq, (void **) packets, size - reserve + 1,
                                true, MAX_FRAME, &f.posted, &unfit));
        CHECK(!unfit);
        for (n = 0; more; n += more) {
            more = vq_lend(&f, packets + n, 32, MAX_FRAME);
        }
        CHECK(n == size - reserve);
        for (uint32_t i = 0; i < reserve; i++) {
            vq_deliver(&f, vq_host_packet(60, i, VQ_PEER));
            CHECK(vq_reap(&f, 60, i) == 1);
        }

        /* What comes back unused can be lent again. */
        rte_mempool_put_bulk(f.vq->shells, (void **) packets, n);
        vq_check_books(&f);
        CHECK(f.vq->ledger.n[IOVTEE_IDLE] == n);
        vq_refill(&f, BUF_LEN);
        CHECK(iovtee_rxvq_post(f.vq, (void **) packets, n, true, MAX_FRAME,
                               &f.posted, &unfit) == n);
        rte_mempool_put_bulk(f.vq->shells, (void **) packets, n);
        vq_fixture_destroy(&f);
    }
}

/* A guest that gives nothing back for a while gets almost all of its buffers
 * filled in place, and the last ones by copying. */
static void
test_burst(void)
{
    for (uint32_t size = 2; size <= 1024; size *= 2) {
        struct vq_params params = modern;
        uint32_t spare = MAX(1, MIN(size / 8, 64));
        struct dp_packet *packet;
        struct vq_fixture f;

        params.size = size;
        vq_fixture_init(&f, &params);
        vq_refill(&f, BUF_LEN);
        for (uint32_t i = 0; i < size - spare; i++) {
            vq_deliver(&f, vq_receive(&f, 60, i));
        }
        CHECK(!vq_lend(&f, &packet, 1, MAX_FRAME));
        for (uint32_t i = size - spare; i < size; i++) {
            vq_deliver(&f, vq_host_packet(60, i, VQ_PEER));
        }
        CHECK(f.vq->counters.zero_copied == size - spare);
        for (uint32_t i = 0; i < size; i++) {
            CHECK(vq_reap(&f, 60, i) == 1);
        }
        vq_fixture_destroy(&f);
    }
}

/* What is in the switch, or on its way out of another port, counts as
 * lent. */
static void
test_held(void)
{
    static struct dp_packet *held[64], *more[1024];
    struct vq_params params = modern;
    struct vq_fixture f;
    unsigned int n;

    params.size = 1024;
    vq_fixture_init(&f, &params);
    vq_refill(&f, BUF_LEN);
    for (n = 0; n < ARRAY_SIZE(held); n++) {
        held[n] = vq_receive(&f, 60, n);
    }
    CHECK(vq_lend(&f, more, ARRAY_SIZE(more), MAX_FRAME) == 896 - n);
    CHECK(!vq_lend(&f, more + 896 - n, 1, MAX_FRAME));
    rte_mempool_put_bulk(f.vq->shells, (void **) more, 896 - n);
    for (n = 0; n < ARRAY_SIZE(held); n++) {
        dp_packet_delete(held[n]);
    }
    vq_check_books(&f);
    vq_fixture_destroy(&f);
}

/* Returns how many interrupts the guest got since the last call. */
static uint64_t
n_interrupts(struct vq_fixture *f)
{
    eventfd_t n;

    return eventfd_read(f->callfd, &n) ? 0 : n;
}

static void
notify(bool event_idx)
{
    struct vq_params params = modern;
    struct vq_fixture f;

    params.event_idx = event_idx;
    vq_fixture_init(&f, &params);
    CHECK(n_interrupts(&f) == 1);       /* When it began. */
    CHECK(!guest_ring_enable_interrupts(&f.ring));
    vq_refill(&f, BUF_LEN);
    /* One for each burst. */
    for (int i = 0; i < 10; i++) {
        struct dp_packet *packets[4];
        struct iovtee_delivery d;

        for (int j = 0; j < 4; j++) {
            packets[j] = (j & 1 ? vq_receive(&f, 60, j)
                          : vq_host_packet(60, j, VQ_PEER));
        }
        CHECK(!n_interrupts(&f));
        iovtee_rxvq_deliver(f.vq, packets, 4, 0, &d);
        CHECK(!d.n_dropped);
        CHECK(n_interrupts(&f) == 1);
        for (int j = 0; j < 4; j++) {
            CHECK(vq_reap(&f, 60, j) == 1);
        }
        CHECK(!guest_ring_enable_interrupts(&f.ring));
        vq_refill(&f, BUF_LEN);
    }

    /* Not before the caller says so, if he holds what others want. */
    for (int i = 0; i < 3; i++) {
        struct dp_packet *packet = vq_host_packet(60, i, VQ_PEER);
        struct iovtee_delivery d;

        iovtee_rxvq_deliver_silently(f.vq, &packet, 1, 0, &d);
        CHECK(!d.n_dropped && !n_interrupts(&f));
        CHECK(f.vq->counters.ring.guest_notifications == 10 + i);
        iovtee_rxvq_interrupt(f.vq);
        CHECK(n_interrupts(&f) == 1);
        iovtee_rxvq_interrupt(f.vq);
        CHECK(!n_interrupts(&f));
        CHECK(vq_reap(&f, 60, i) == 1);
        CHECK(!guest_ring_enable_interrupts(&f.ring));
        vq_refill(&f, BUF_LEN);
    }

    /* None for a guest that polls. */
    guest_ring_disable_interrupts(&f.ring);
    for (int i = 0; i < 10; i++) {
        vq_deliver(&f, vq_receive(&f, 60, i));
        CHECK(!n_interrupts(&f));
        CHECK(vq_reap(&f, 60, i) == 1);
    }

    /* With an event index none before it is reached. */
    if (event_idx) {
        guest_ring_set_used_event(&f.ring, f.ring.used_idx + 2);
        for (int i = 0; i < 5; i++) {
            vq_deliver(&f, vq_receive(&f, 60, i));
            CHECK(n_interrupts(&f) == (i == 2));
        }
        for (int i = 0; i < 5; i++) {
            CHECK(vq_reap(&f, 60, i) == 1);
        }
    }

    /* None where there is no way. */
    CHECK(!guest_ring_enable_interrupts(&f.ring));
    iovtee_rxvq_set_callfd(f.vq, -1);
    vq_refill(&f, BUF_LEN);
    vq_deliver(&f, vq_receive(&f, 60, 1));
    CHECK(!n_interrupts(&f));
    CHECK(f.vq->counters.ring.guest_notifications == 13 + event_idx);
    iovtee_rxvq_set_callfd(f.vq, f.callfd);
    CHECK(n_interrupts(&f) == 1);
    CHECK(vq_reap(&f, 60, 1) == 1);
    vq_fixture_destroy(&f);
}

static void
test_notify(void)
{
    notify(false);
    notify(true);
}

/* A guest that got something silently is interrupted when that is asked for,
 * and not by a NIC that gets buffers meanwhile: that holds its gate, and
 * interrupts can block. */
static void
test_silent(void)
{
    struct dp_packet *packet, *lent[4];
    struct iovtee_delivery d;
    struct vq_fixture f;

    vq_fixture_init(&f, &modern);
    CHECK(n_interrupts(&f) == 1);       /* When it began. */
    CHECK(!guest_ring_enable_interrupts(&f.ring));
    vq_refill(&f, BUF_LEN);
    for (int i = 0; i < 2; i++) {
        packet = vq_receive(&f, 60, i);
        iovtee_rxvq_deliver_silently(f.vq, &packet, 1, 0, &d);
        CHECK(!d.n_dropped && !n_interrupts(&f));
    }
    CHECK(vq_lend(&f, lent, 4, MAX_FRAME) == 4);
    CHECK(!n_interrupts(&f));
    iovtee_rxvq_interrupt(f.vq);
    CHECK(n_interrupts(&f) == 1);
    iovtee_rxvq_interrupt(f.vq);
    CHECK(!n_interrupts(&f));
    for (int i = 0; i < 2; i++) {
        CHECK(vq_reap(&f, 60, i) == 1);
    }
    for (int i = 0; i < 4; i++) {
        dp_packet_delete(lent[i]);
    }
    vq_fixture_destroy(&f);
}

/* A PMD thread that was preempted with 'packet' in its hands. */
struct late {
    struct vq_fixture *f;
    struct dp_packet *packet;
};

static void *
deliver_late(void *late_)
{
    struct late *late = late_;
    struct iovtee_rxvq_info info;

    do {
        iovtee_rxvq_get_info(late->f->vq, &info);
    } while (info.state == IOVTEE_RXVQ_RUNNING);
    xnanosleep_no_quiesce(20 * 1000 * 1000);

    /* As a flow does that changes a header. */
    memset(dp_packet_data(late->packet), 0, 14);
    dp_packet_delete(late->packet);
    return NULL;
}

/* A queue is suspended only after the switch is done with its packets, also if
 * that takes a while, but does not wait for those that stay for ever. */
static void
test_late(void)
{
    struct vq_fixture f;
    pthread_t thread;

    vq_fixture_init(&f, &modern);
    vq_refill(&f, BUF_LEN);

    struct late late = { .f = &f, .packet = vq_receive(&f, 1514, 1) };
    thread = ovs_thread_create("late", deliver_late, &late);
    iovtee_rxvq_suspend(f.vq);
    CHECK(!f.vq->ledger.n[IOVTEE_SWITCH]);
    xpthread_join(thread, NULL);

    iovtee_rxvq_resume(f.vq, -1, NULL);
    late.packet = vq_receive(&f, 1514, 2);
    iovtee_rxvq_suspend(f.vq);
    CHECK(f.vq->ledger.n[IOVTEE_SWITCH] == 1);
    dp_packet_delete(late.packet);
    vq_forgive(&f);
    vq_fixture_destroy(&f);
}

/* Frames that were in the guest's memory but not for the guest are counted. */
static void
test_exposed(void)
{
    struct dp_packet *packets[8];
    struct vq_buffer buffer;
    struct vq_fixture f;
    uint16_t head;
    uint32_t len;

    vq_fixture_init(&f, &modern);
    vq_refill(&f, BUF_LEN);
    vq_deliver(&f, vq_receive(&f, 60, 1));
    CHECK(vq_reap(&f, 60, 1) == 1);
    vq_deliver(&f, vq_host_packet(60, 2, VQ_PEER));
    CHECK(vq_reap(&f, 60, 2) == 1);
    CHECK(!f.vq->counters.exposed);

    /* Dropped, or sent elsewhere. */
    dp_packet_delete(vq_receive(&f, 60, 3));
    CHECK(f.vq->counters.exposed == 1);

    /* Moved, and copied to this guest: each buffer once, so that what is
     * remembered of it is seen to be forgotten. */
    for (uint32_t i = 0; i < modern.size; i++) {
        packets[0] = vq_receive(&f, 60, i);
        dp_packet_pull(packets[0], 4);
        vq_deliver(&f, packets[0]);
        CHECK(vq_n_copied(&f, IOVTEE_COPY_MOVED) == i + 1);
        CHECK(vq_reap_raw(&f, &head, &len, &buffer));
        vq_refill(&f, BUF_LEN);
    }
    CHECK(f.vq->counters.exposed == 1);
    for (uint32_t i = 0; i < modern.size; i++) {
        dp_packet_delete(vq_receive(&f, 60, i));
    }
    CHECK(f.vq->counters.exposed == 1 + modern.size);

    /* Buffers that come back from the NIC are none. */
    CHECK(vq_lend(&f, packets, 8, MAX_FRAME) == 8);
    for (int i = 0; i < 8; i++) {
        dp_packet_delete(packets[i]);
    }
    CHECK(f.vq->counters.exposed == 1 + modern.size);
    vq_forgive(&f);
    vq_fixture_destroy(&f);
}

static void
check_loan(const struct vq_fixture *f, uint32_t n, uint32_t gain,
           uint32_t cost)
{
    CHECK(iovtee_loan_read(&f->posted.n_frames) == n);
    CHECK(iovtee_loan_read(&f->posted.gain) == gain);
    CHECK(iovtee_loan_read(&f->posted.cost) == cost);
}

/* A loan says what it has gained, and what it has cost. */
static void
test_worth(void)
{
    struct dp_packet *packets[2], *packet;
    struct vq_buffer buffer;
    struct vq_fixture f;
    uint16_t head;
    uint32_t len;

    vq_fixture_init(&f, &modern);
    vq_refill(&f, BUF_LEN);
    vq_deliver(&f, vq_receive(&f, 60, 1));
    vq_deliver(&f, vq_receive(&f, 1514, 2));
    check_loan(&f, 2, 1574, 0);

    /* Copies and buffers without a frame are none of its business. */
    vq_deliver(&f, vq_host_packet(60, 3, VQ_PEER));
    CHECK(vq_lend(&f, packets, 2, MAX_FRAME) == 2);
    dp_packet_delete(packets[0]);
    dp_packet_delete(packets[1]);
    check_loan(&f, 2, 1574, 0);

    dp_packet_delete(vq_receive(&f, 100, 4));
    check_loan(&f, 3, 1574, 200);

    /* It is remembered of a frame, not of a buffer, how many twins there
     * were. */
    for (uint32_t i = 0; i < 2 * modern.size; i++) {
        packet = vq_receive(&f, 100, 5);
        CHECK(!iovtee_mark_n_twins(packet));
        iovtee_mark_twin(packet);
        if (i % 2) {
            iovtee_mark_twin(packet);
        }
        vq_deliver(&f, packet);
        CHECK(vq_reap_raw(&f, &head, &len, &buffer));
        vq_refill(&f, BUF_LEN);
    }
    check_loan(&f, 3 + 2 * modern.size, 1574 + 200 * modern.size,
               200 + modern.size * (128 + 128 + 384));
    vq_forgive(&f);
    vq_fixture_destroy(&f);
}

int
main(int argc, char *argv[])
{
    static const struct unit_command commands[] = {
        { "in-place", test_in_place },
        { "data-off", test_data_off },
        { "push", test_push },
        { "tail", test_tail },
        { "reserve", test_reserve },
        { "burst", test_burst },
        { "held", test_held },
        { "notify", test_notify },
        { "silent", test_silent },
        { "late", test_late },
        { "exposed", test_exposed },
        { "worth", test_worth },
    };

    set_program_name(argv[0]);
    unit_eal_init("64");
    return unit_main(argc, argv, commands, ARRAY_SIZE(commands));
}
