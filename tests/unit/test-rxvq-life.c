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

/* Unit tests of queue/rxvq: its life cycle.  Bad guests are in
 * test-rxvq-hostile.c. */

#include <config.h>

#include "queue/rxvq.h"

#include <unistd.h>

#include <rte_mbuf.h>
#include <rte_mempool.h>

#include "openvswitch/vlog.h"
#include "ovs-atomic.h"
#include "ovs-thread.h"
#include "timeval.h"
#include "util.h"
#include "rxvq-fixture.h"

/* Open vSwitch has the same. */
#undef ARRAY_SIZE
#include "unit-eal.h"

enum { SIZE = 64, BUF_LEN = 2048, MAX_FRAME = 1522, HDR_LEN = 12 };

static const struct vq_params modern = {
    .size = SIZE, .start = 65500, .hdr_len = HDR_LEN, .mergeable = true,
};

/* Takes the next used buffer, which must have been given back without a
 * packet.  Returns false if there is none. */
static bool
reap_unused(struct vq_fixture *f, bool *filler)
{
    struct vq_buffer buffer;
    uint16_t head;
    uint32_t len;

    if (!vq_reap_raw(f, &head, &len, &buffer)) {
        return false;
    }
    *filler = len != 0;
    if (len) {
        uint8_t want[HDR_LEN + 60] = { [10] = 1 }, got[HDR_LEN + 60];

        /* From 02:00:00:00:00:00 to nobody, of an experimental type. */
        want[HDR_LEN + 6] = 0x02;
        want[HDR_LEN + 12] = 0x88;
        want[HDR_LEN + 13] = 0xb5;
        CHECK(len == sizeof got);
        vq_gather(f, &buffer, 0, got, sizeof got);
        CHECK(!memcmp(got, want, sizeof got));
    }
    vq_accept(f, &buffer);
    return true;
}

/* Returns how many of the buffers that were taken last are idle. */
static uint32_t
count_left(const struct vq_fixture *f)
{
    uint16_t idx = f->vq->vring.last_avail;
    bool seen[SIZE] = { false };
    uint32_t n;

    for (n = 0; n < SIZE; n++) {
        uint16_t head = f->ring.avail[2 + (uint16_t) (idx - 1 - n) % SIZE];

        if (seen[head]
            || iovtee_ledger_place(&f->vq->ledger, head) != IOVTEE_IDLE) {
            break;
        }
        seen[head] = true;
    }
    return n;
}

/* Ends the queue of 'f', without freeing it.  Checks that those of the
 * 'n_taken' buffers come back, 'n_orphans' of which are in the switch, that
 * cannot be left available. */
static void
finish(struct vq_fixture *f, uint32_t n_taken, uint32_t n_orphans,
       uint16_t *last_avail)
{
    uint16_t used = f->ring.used_idx;
    uint32_t n_empty = 0;
    uint16_t last_used;
    bool filler;

    iovtee_rxvq_suspend(f->vq);
    n_taken -= count_left(f);
    CHECK(vq_reap_nothing(f));
    iovtee_rxvq_finish(f->vq, last_avail, &last_used);
    CHECK(*last_avail == last_used);
    CHECK(last_used == (uint16_t) (used + n_taken));
    CHECK(f->vq->n_orphans == n_orphans);
    CHECK(iovtee_rxvq_is_balanced(f->vq));
    for (uint32_t i = 0; i < n_taken; i++) {
        CHECK(reap_unused(f, &filler));
        n_empty += !filler;
    }
    CHECK(n_empty >= n_orphans);
    CHECK(vq_reap_nothing(f));
}

/* A queue that ends gives everything back, and another one goes on. */
static void
test_finish(void)
{
    struct dp_packet *lent[2], *packets[3];
    struct iovtee_delivery d;
    uint16_t last_avail, again;
    struct iovtee_rxvq *old;
    struct vq_fixture f;

    vq_fixture_init(&f, &modern);
    vq_refill(&f, BUF_LEN);
    CHECK(vq_lend(&f, lent, 2, MAX_FRAME) == 2);
    for (int i = 0; i < 3; i++) {
        packets[i] = vq_receive(&f, 1514, i);
    }

    /* What is still in the switch when it is drained gets through. */
    iovtee_rxvq_drain(f.vq);
    CHECK(vq_lend(&f, &lent[0], 1, MAX_FRAME) == 0);
    vq_deliver(&f, packets[0]);
    CHECK(vq_reap(&f, 1514, 0) == 1);
    rte_pktmbuf_free(&lent[0]->mbuf);
    rte_pktmbuf_free(&lent[1]->mbuf);
    CHECK(!vq_n_posted(&f));

    /* Four are left. */
    finish(&f, 4, 2, &last_avail);
    CHECK(last_avail == (uint16_t) (modern.start + 5));
    iovtee_rxvq_finish(f.vq, &again, &again);
    CHECK(again == last_avail && vq_reap_nothing(&f));
    iovtee_rxvq_deliver(f.vq, packets + 1, 1, 0, &d);
    CHECK(d.n_dropped == 1);
    CHECK(f.vq->counters.dropped[IOVTEE_DROP_STOPPED] == 1);
    CHECK(f.vq->n_orphans == 1);
    old = f.vq;
    iovtee_rxvq_unref(old);
    iovtee_rxvq_sweep();

    /* The successor has the same buffers, and none of the shells. */
    vq_refill(&f, BUF_LEN);
    vq_fixture_open(&f, last_avail, last_avail);
    for (int i = 0; i < 3 * SIZE; i++) {
        vq_deliver(&f, vq_receive(&f, 200, i));
        vq_forgive(&f);
        CHECK(vq_reap(&f, 200, i) == 1);
        vq_refill(&f, BUF_LEN);
    }
    CHECK(f.vq->counters.zero_copied == 3 * SIZE);

    /* The last shell of the old one may still be sent, by copying. */
    CHECK(old->n_orphans == 1);
    CHECK(dp_packet_size(packets[2]) == 1514);
    vq_deliver(&f, packets[2]);
    CHECK(f.vq->counters.copied[IOVTEE_COPY_HOST_BUFFER] == 1);
    CHECK(old->n_orphans == 0);
    iovtee_rxvq_sweep();
    vq_fixture_destroy(&f);
}

/* Nothing is lost of what a ring counts, whenever it does, and no sum goes
 * back. */
static void
test_past(void)
{
    struct iovtee_rxvq_counters sum;
    struct iovtee_rxvq_past *past = iovtee_rxvq_past_create();
    struct vq_params params = modern;
    struct dp_packet *packets[2];
    struct iovtee_delivery d;
    struct iovtee_rxvq *old;
    uint16_t last_avail;
    struct vq_fixture f;

    params.past = past;
    vq_fixture_init(&f, &params);
    vq_refill(&f, BUF_LEN);
    vq_deliver(&f, vq_receive(&f, 60, 1));
    CHECK(vq_reap(&f, 60, 1) == 1);
    packets[0] = vq_receive(&f, 1514, 2);
    packets[1] = vq_receive(&f, 1514, 3);
    iovtee_rxvq_past_read(past, &sum);
    CHECK(!sum.zero_copied);
    finish(&f, 2, 2, &last_avail);

    old = f.vq;
    iovtee_rxvq_account(old);
    iovtee_rxvq_past_read(past, &sum);
    CHECK(sum.zero_copied == 1 && !sum.dropped[IOVTEE_DROP_STOPPED]);
    iovtee_rxvq_unref(iovtee_rxvq_ref(old));

    /* Somebody has still to do with it. */
    iovtee_rxvq_deliver(old, packets, 1, 0, &d);
    CHECK(d.n_dropped == 1);
    iovtee_rxvq_unref(old);
    iovtee_rxvq_sweep();
    iovtee_rxvq_past_read(past, &sum);
    CHECK(sum.zero_copied == 1 && !sum.dropped[IOVTEE_DROP_STOPPED]);

    vq_refill(&f, BUF_LEN);
    vq_fixture_open(&f, last_avail, last_avail);
    vq_deliver(&f, vq_receive(&f, 200, 4));
    vq_forgive(&f);
    CHECK(vq_reap(&f, 200, 4) == 1);
    dp_packet_delete(packets[1]);
    iovtee_rxvq_sweep();
    iovtee_rxvq_past_read(past, &sum);
    CHECK(sum.zero_copied == 1 && sum.dropped[IOVTEE_DROP_STOPPED] == 1);

    /* One was dropped there, one elsewhere. */
    CHECK(sum.exposed == 2);

    vq_fixture_destroy(&f);
    iovtee_rxvq_past_read(past, &sum);
    CHECK(sum.zero_copied == 2 && sum.dropped[IOVTEE_DROP_STOPPED] == 1);
    iovtee_rxvq_past_unref(past);
}

/* What was taken and never used stays available. */
static void
test_left(void)
{
    struct dp_packet *lent[SIZE], *packet;
    uint16_t last_avail;
    struct vq_fixture f;
    uint32_t n;

    vq_fixture_init(&f, &modern);
    vq_refill(&f, BUF_LEN);
    vq_deliver(&f, vq_receive(&f, 1514, 0));
    CHECK(vq_reap(&f, 1514, 0) == 1);
    vq_deliver(&f, vq_host_packet(1514, 1, VQ_PEER));
    CHECK(vq_reap(&f, 1514, 1) == 1);
    n = vq_lend(&f, lent, SIZE, MAX_FRAME);
    CHECK(n > SIZE / 2);
    while (n) {
        rte_pktmbuf_free(&lent[--n]->mbuf);
    }
    iovtee_rxvq_suspend(f.vq);
    iovtee_rxvq_finish(f.vq, &last_avail, &last_avail);
    CHECK(last_avail == (uint16_t) (modern.start + 2));
    CHECK(vq_reap_nothing(&f) && !f.vq->counters.fillers);
    CHECK(iovtee_rxvq_is_balanced(f.vq));
    vq_check_memory(&f);
    iovtee_rxvq_unref(f.vq);
    iovtee_rxvq_sweep();

    /* The successor finds them where they are. */
    vq_fixture_open(&f, last_avail, last_avail);
    for (int i = 0; i < SIZE - 2; i++) {
        packet = vq_host_packet(200, i, VQ_PEER);
        vq_deliver(&f, packet);
        CHECK(vq_reap(&f, 200, i) == 1);
    }
    vq_fixture_destroy(&f);
}

/* A guest that writes to the available ring what it likes gets as many buffers
 * as it has. */
static void
test_left_other(void)
{
    struct dp_packet *lent[8];
    uint16_t last_avail;
    struct vq_fixture f;
    bool filler;

    vq_fixture_init(&f, &modern);
    vq_refill(&f, BUF_LEN);
    CHECK(vq_lend(&f, lent, 8, MAX_FRAME) == 8);
    for (int i = 0; i < 8; i++) {
        rte_pktmbuf_free(&lent[i]->mbuf);
    }
    CHECK(f.vq->ledger.n[IOVTEE_IDLE] == 8);
    guest_ring_set_avail(&f.ring, modern.start + 7, 3);
    guest_ring_set_avail(&f.ring, modern.start + 6, 3);
    guest_ring_set_avail(&f.ring, modern.start + 5, UINT16_MAX);
    iovtee_rxvq_suspend(f.vq);
    iovtee_rxvq_finish(f.vq, &last_avail, &last_avail);
    CHECK(last_avail == (uint16_t) (modern.start + 7));
    for (int i = 0; i < 7; i++) {
        CHECK(reap_unused(&f, &filler));
    }
    CHECK(vq_reap_nothing(&f));
    CHECK(iovtee_rxvq_is_balanced(f.vq));
    vq_fixture_destroy(&f);
}

/* A buffer without room for a filler is given back empty. */
static void
test_fillers(void)
{
    struct dp_packet *packet;
    uint16_t last_avail;
    struct vq_fixture f;
    bool filler;

    vq_fixture_init(&f, &modern);
    CHECK(vq_post(&f, HDR_LEN + 59) == 0);
    CHECK(vq_post(&f, HDR_LEN + 60) == 1);
    CHECK(vq_post_pieces(&f, (uint32_t []) { 12, 2000 }, 2, false) == 3);
    CHECK(vq_post_pieces(&f, (uint32_t []) { 2000 }, 1, true) == 4);
    for (int i = 5; i < 5 + SIZE / 8; i++) {
        CHECK(vq_post(&f, 20) == i);
    }
    guest_ring_expose(&f.ring);

    /* The NIC finds none that is fit, but all of them are taken then. */
    CHECK(!vq_lend(&f, &packet, 1, MAX_FRAME));
    CHECK(f.vq->ledger.n[IOVTEE_IDLE] == 4 + SIZE / 8);

    /* One that was taken later is in use. */
    for (int i = 0; i <= SIZE / 8; i++) {
        vq_post(&f, BUF_LEN);
    }
    guest_ring_expose(&f.ring);
    CHECK(vq_lend(&f, &packet, 1, MAX_FRAME) == 1);
    vq_fill(&f, packet, 100, 1);
    CHECK(iovtee_rxvq_received(f.vq, &packet, 1) == 1);
    CHECK(f.vq->ledger.n[IOVTEE_IDLE] == 4 + SIZE / 8);
    iovtee_rxvq_suspend(f.vq);
    iovtee_rxvq_finish(f.vq, &last_avail, &last_avail);
    for (int i = 0; i < 4 + SIZE / 8; i++) {
        CHECK(reap_unused(&f, &filler));
        CHECK(filler == (i == 1));
    }
    CHECK(f.vq->counters.fillers == 4 + SIZE / 8);
    dp_packet_delete(packet);
    vq_fixture_destroy(&f);
}

/* What is abandoned is not touched any more. */
static void
test_abandon(void)
{
    struct dp_packet *packet, *lent;
    struct vq_fixture f;
    uint16_t unused;

    vq_fixture_init(&f, &modern);
    vq_refill(&f, BUF_LEN);
    CHECK(vq_lend(&f, &lent, 1, MAX_FRAME) == 1);
    packet = vq_receive(&f, 1514, 1);
    rte_pktmbuf_free(&lent->mbuf);
    vq_forgive(&f);
    iovtee_rxvq_suspend(f.vq);
    iovtee_rxvq_abandon(f.vq);
    CHECK(f.vq->n_orphans == 1);
    iovtee_rxvq_abandon(f.vq);
    iovtee_rxvq_finish(f.vq, &unused, &unused);
    CHECK(f.vq->n_orphans == 1);
    CHECK(vq_reap_nothing(&f));
    vq_check_memory(&f);
    dp_packet_delete(packet);
    CHECK(!f.vq->n_orphans);
    CHECK(iovtee_rxvq_is_balanced(f.vq));

    /* The driver has made the ring anew. */
    iovtee_rxvq_unref(f.vq);
    iovtee_rxvq_sweep();
    vq_fixture_open(&f, modern.start, modern.start);
    vq_deliver(&f, vq_receive(&f, 1514, 2));
    CHECK(vq_reap(&f, 1514, 2) == 1);
    vq_check_memory(&f);
    vq_fixture_destroy(&f);
}

/* Queues that are stopped together wait for their packets in the time of
 * one. */
static void
test_together(void)
{
    enum { N = 8 };
    static struct vq_fixture fixtures[N];
    struct dp_packet *packets[N];
    long long int begin, took;

    for (int i = 0; i < N; i++) {
        vq_fixture_init(&fixtures[i], &modern);
        vq_refill(&fixtures[i], BUF_LEN);
        packets[i] = vq_receive(&fixtures[i], 1514, i);
    }
    begin = time_usec();
    for (int i = 0; i < N; i++) {
        CHECK(!iovtee_rxvq_suspend_until(fixtures[i].vq,
                                         begin + IOVTEE_RXVQ_SUSPEND_US));
    }
    took = time_usec() - begin;
    CHECK(took >= IOVTEE_RXVQ_SUSPEND_US);
    CHECK(took < N / 2 * IOVTEE_RXVQ_SUSPEND_US);
    for (int i = 0; i < N; i++) {
        dp_packet_delete(packets[i]);
        CHECK(iovtee_rxvq_suspend_until(fixtures[i].vq, 0));
        vq_forgive(&fixtures[i]);
        vq_fixture_destroy(&fixtures[i]);
    }
}

/* What random steps have to remember. */
struct walk {
    struct vq_fixture f;
    struct dp_packet *nic[SIZE];        /* In the NIC. */
    size_t n_nic;
    struct dp_packet *inside[SIZE];     /* In the switch. */
    size_t n_inside;
    struct dp_packet *orphans[8 * SIZE];
    size_t n_orphans;
    struct { uint16_t pushed, len; uint32_t seed; } sent[SIZE];
    size_t n_sent;                      /* Not yet seen by the guest. */
    uint32_t seed;
    uint64_t n_in_place;
};

static void
walk_check(struct walk *w)
{
    const struct iovtee_rxvq *vq = w->f.vq;

    CHECK(iovtee_rxvq_is_balanced(w->f.vq));
    CHECK(vq->vring.fault == IOVTEE_FAULT_NONE);
    CHECK(vq->ledger.n[IOVTEE_NIC] == w->n_nic);
    CHECK(vq->ledger.n[IOVTEE_SWITCH] == w->n_inside);
    CHECK(vq_n_posted(&w->f) == w->n_nic);
}

static void
walk_post(struct walk *w)
{
    for (uint32_t n = unit_random_below(20); n; n--) {
        uint32_t chain[] = { 1 + unit_random_below(20), 1600 };

        switch (unit_random_below(8)) {
        case 0:
            vq_post(&w->f, 600 + unit_random_below(900));
            break;
        case 1:
            vq_post_pieces(&w->f, chain, 2, false);
            break;
        case 2:
            vq_post_pieces(&w->f, chain, 2, true);
            break;
        default:
            vq_post(&w->f, BUF_LEN);
        }
    }
    guest_ring_expose(&w->f.ring);
}

static void
walk_reap(struct walk *w, size_t max)
{
    size_t n = 0;

    vq_forgive(&w->f);
    for (; n < w->n_sent && n < max; n++) {
        static const uint8_t hdr[10];
        uint8_t frame[VQ_MAX_FRAME];

        memset(frame, 0xee, w->sent[n].pushed);
        vq_frame(frame + w->sent[n].pushed, w->sent[n].len, w->sent[n].seed);
        vq_reap_hdr(&w->f, hdr, frame, w->sent[n].pushed + w->sent[n].len);
    }
    w->n_sent -= n;
    memmove(w->sent, w->sent + n, w->n_sent * sizeof w->sent[0]);
    vq_check_memory(&w->f);
}

static void
walk_sent(struct walk *w, uint16_t pushed, uint16_t len, uint32_t seed)
{
    CHECK(w->n_sent < SIZE);
    w->sent[w->n_sent].pushed = pushed;
    w->sent[w->n_sent].len = len;
    w->sent[w->n_sent++].seed = seed;
}

/* The switch has done something with one of its packets. */
static void
walk_switch(struct walk *w)
{
    size_t i = unit_random_below(MAX(w->n_inside, 1));
    uint16_t len, pushed = 0;
    struct iovtee_delivery d;
    struct dp_packet *packet;
    uint32_t seed;

    if (!w->n_inside) {
        return;
    }
    packet = w->inside[i];
    w->inside[i] = w->inside[--w->n_inside];
    len = dp_packet_size(packet);
    seed = packet->md.skb_priority;
    switch (unit_random_below(4)) {
    case 0:
        dp_packet_delete(packet);
        return;
    case 1:
        pushed = 1 + unit_random_below(100);
        memset(dp_packet_push_uninit(packet, pushed), 0xee, pushed);
        break;
    default:
        break;
    }
    iovtee_rxvq_deliver(w->f.vq, &packet, 1, 0, &d);
    CHECK(pushed || !d.n_dropped);
    if (!d.n_dropped) {
        walk_sent(w, pushed, len, seed);
    }
}

static void
walk_receive(struct walk *w)
{
    for (uint32_t n = unit_random_below(8); n && w->n_nic; n--) {
        size_t i = unit_random_below(w->n_nic);
        struct dp_packet *packet = w->nic[i];

        w->nic[i] = w->nic[--w->n_nic];
        vq_fill(&w->f, packet, 14 + unit_random_below(1500), w->seed);
        packet->md.skb_priority = w->seed++;
        CHECK(iovtee_rxvq_received(w->f.vq, &packet, 1) == 1);
        w->inside[w->n_inside++] = packet;
    }
}

static void
walk_copy(struct walk *w)
{
    uint32_t len = 14 + unit_random_below(1500);
    struct iovtee_delivery d;
    struct dp_packet *packet;

    packet = (unit_random_below(2) ? vq_switch_packet(len, w->seed)
              : vq_host_packet(len, w->seed, VQ_PEER));
    iovtee_rxvq_deliver(w->f.vq, &packet, 1, 0, &d);
    if (!d.n_dropped) {
        walk_sent(w, 0, len, w->seed);
    }
    w->seed++;
}

static void
walk_take_from_nic(struct walk *w)
{
    while (w->n_nic) {
        rte_pktmbuf_free(&w->nic[--w->n_nic]->mbuf);
    }
}

static void
walk_free_orphans(struct walk *w, size_t keep)
{
    while (w->n_orphans > keep) {
        dp_packet_delete(w->orphans[--w->n_orphans]);
    }
    iovtee_rxvq_sweep();
}

/* Suspends the queue, and resumes it or replaces it by another one. */
static void
walk_suspend(struct walk *w)
{
    struct vq_fixture *f = &w->f;

    walk_take_from_nic(w);
    if (unit_random_below(2)) {
        iovtee_rxvq_suspend(f->vq);
        walk_check(w);
        iovtee_rxvq_resume(f->vq, f->callfd, NULL);
    } else {
        uint16_t last_avail;

        walk_reap(w, SIZE);
        finish(f, f->vq->ledger.n[IOVTEE_IDLE] + w->n_inside, w->n_inside,
               &last_avail);
        walk_free_orphans(w, unit_random_below(20));
        while (w->n_inside) {
            w->orphans[w->n_orphans++] = w->inside[--w->n_inside];
        }
        w->n_in_place += f->vq->counters.zero_copied;
        iovtee_rxvq_unref(f->vq);
        iovtee_rxvq_sweep();
        vq_fixture_open(f, last_avail, last_avail);
    }
}

static void
walk_step(struct walk *w)
{
    switch (unit_random_below(6)) {
    case 0:
        walk_post(w);
        break;
    case 1:
        w->n_nic += vq_lend(&w->f, w->nic + w->n_nic, unit_random_below(40),
                            MAX_FRAME);
        break;
    case 2:
        walk_receive(w);
        break;
    case 3:
        walk_switch(w);
        break;
    case 4:
        walk_copy(w);
        break;
    case 5:
        walk_reap(w, unit_random_below(20));
        break;
    }
    walk_check(w);
}

static void
walk_end(struct walk *w)
{
    walk_take_from_nic(w);
    while (w->n_inside) {
        dp_packet_delete(w->inside[--w->n_inside]);
    }
    walk_free_orphans(w, 0);
    walk_reap(w, SIZE);
    w->n_in_place += w->f.vq->counters.zero_copied;
    vq_fixture_destroy(&w->f);
}

/* Thousands of steps of everything that can happen. */
static void
test_random(void)
{
    static struct walk w;

    for (int i = 0; i < 3; i++) {
        struct vq_params params = modern;

        memset(&w, 0, sizeof w);
        params.event_idx = i & 1;
        vq_fixture_init(&w.f, &params);
        for (int step = 0; step < 5000; step++) {
            walk_step(&w);
            if (!unit_random_below(100)) {
                walk_suspend(&w);
            }
        }
        walk_end(&w);
        CHECK(w.n_in_place > 100);
    }
}

/* The switch dies at any time: its successor finds each buffer. */
static void
test_crash(void)
{
    static struct walk w;
    struct iovtee_inflight *table;
    struct vq_params params = modern;

    unlink("vq.inflight");
    CHECK(!iovtee_inflight_open("vq.inflight", &table));
    params.inflight = table;
    vq_fixture_init(&w.f, &params);
    for (int i = 0; i < 100; i++) {
        struct iovtee_rxvq *dead = w.f.vq;
        uint32_t n_ours;

        for (uint32_t step = 20 + unit_random_below(100); step; step--) {
            walk_step(&w);
        }
        n_ours = SIZE - dead->ledger.n[IOVTEE_GUEST];
        /* Nothing of what a queue does at its end happens. */
        memset(&dead->inflight, 0, sizeof dead->inflight);
        iovtee_inflight_close(table);
        CHECK(!iovtee_inflight_open("vq.inflight", &table));
        w.f.params.inflight = table;
        atomic_init(&w.f.posted.n_nic, 0);
        vq_fixture_open(&w.f, 0, 0);
        CHECK(SIZE - w.f.vq->ledger.n[IOVTEE_GUEST] == n_ours);
        CHECK(w.f.vq->ledger.n[IOVTEE_IDLE] == n_ours);

        /* For tidiness. */
        iovtee_rxvq_abandon(dead);
        while (w.n_inside) {
            dp_packet_delete(w.inside[--w.n_inside]);
        }
        walk_take_from_nic(&w);
        CHECK(!dead->n_orphans);
        iovtee_rxvq_unref(dead);
        iovtee_rxvq_sweep();
        atomic_init(&w.f.posted.n_nic, 0);
        walk_check(&w);
    }
    walk_end(&w);

    iovtee_inflight_close(table);
    unlink("vq.inflight");
}

int
main(int argc, char *argv[])
{
    static const struct unit_command commands[] = {
        { "finish", test_finish },
        { "past", test_past },
        { "left", test_left },
        { "left-other", test_left_other },
        { "fillers", test_fillers },
        { "abandon", test_abandon },
        { "together", test_together },
        { "random", test_random },
        { "crash", test_crash },
    };

    set_program_name(argv[0]);
    vlog_set_pattern(VLF_CONSOLE, "%c|%p|%m");
    vlog_set_levels(NULL, VLF_CONSOLE, VLL_WARN);
    unit_eal_init("64");
    return unit_main(argc, argv, commands, ARRAY_SIZE(commands));
}
