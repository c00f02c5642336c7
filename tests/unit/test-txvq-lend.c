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


/* Unit tests of lib/queue/txvq-lend: what stays in the guest's buffers, and
 * how these come back. */

#include <config.h>

#include "txvq-lend-fixture.h"

/* Frames of full bursts stay where they are, and their buffers come back in
 * any order, when they are home. */
static void
test_in_place(void)
{
    struct iovtee_txvq_info info;
    unsigned int n_lent;
    eventfd_t n;

    for (unsigned int hdr_len = 10; hdr_len <= 12; hdr_len += 2) {
        rig_init(&rig, &(struct tx_params) {
            .size = 256, .hdr_len = hdr_len, .start = 65500 });
        post(&rig, 96, 200);
        for (int i = 0; i < 3; i++) {
            CHECK(receive(&rig, &n_lent) == BURST && n_lent == BURST);
        }
        info = get_info(&rig);
        CHECK(info.n[IOVTEE_SWITCH] == 96 && !info.n[IOVTEE_NIC]);
        CHECK(!reap(&rig) && iovtee_txvq_is_balanced(rig.f.vq));

        send_some(&rig, 0, 64);
        info = get_info(&rig);
        CHECK(info.n[IOVTEE_SWITCH] == 32 && info.n[IOVTEE_NIC] == 64);

        /* Last in, first out. */
        CHECK(!eventfd_read(rig.f.callfd, &n));
        while (rig.n_out) {
            rte_pktmbuf_free(rig.out[--rig.n_out]);
        }
        CHECK(eventfd_read(rig.f.callfd, &n));
        poll_queue(&rig);
        CHECK(!eventfd_read(rig.f.callfd, &n) && n == 1);
        CHECK(reap(&rig) == 96);
        CHECK(rig.f.vq->counters.zero_copied == 64);
        CHECK(tx_n_counted(&rig.f) == 96);
        rig_destroy(&rig);
    }
}

/* Why frames are copied. */
static void
test_reasons(void)
{
    const uint32_t two[] = { 12, 200 };
    unsigned int n_lent;

    rig_init(&rig, &usual);

    /* What is short, in pieces or too long is copied between the others. */
    for (int i = 0; i < 8; i++) {
        tx_post(&rig.f, 127);
        tx_post(&rig.f, 128);
        tx_post_pieces(&rig.f, two, 2, 0);
        tx_post_pieces(&rig.f, two, 0, 2);
    }
    tx_expose(&rig.f);
    CHECK(receive(&rig, &n_lent) == BURST && n_lent == 8);
    CHECK(COPIED(&rig, SHORT) == 8 && COPIED(&rig, PIECES) == 16);
    poll_queue(&rig);
    CHECK(reap(&rig) == 24);
    free_some(&rig, BURST);
    poll_queue(&rig);
    CHECK(reap(&rig) == 8);

    /* A quiet queue. */
    post(&rig, 31, 1000);
    CHECK(receive(&rig, &n_lent) == 31 && !n_lent);
    CHECK(COPIED(&rig, QUIET) == 31 && reap(&rig) == 31);
    free_some(&rig, 31);

    /* No NIC. */
    iovtee_txvq_lend_to(rig.f.vq, UINT32_MAX, NULL);
    post(&rig, 32, 1000);
    CHECK(receive(&rig, &n_lent) == 32 && !n_lent);
    CHECK(COPIED(&rig, NO_NIC) == 32 && reap(&rig) == 32);
    free_some(&rig, 32);
    iovtee_txvq_lend_to(rig.f.vq, PORT, NULL);

    /* Not wanted any more: not even counted. */
    iovtee_txvq_set_zero_copy(rig.f.vq, false, 0);
    post(&rig, 32, 1000);
    CHECK(receive(&rig, &n_lent) == 32 && !n_lent && reap(&rig) == 32);
    free_some(&rig, 32);
    CHECK(COPIED(&rig, NO_NIC) == 32 && COPIED(&rig, QUIET) == 31);
    iovtee_txvq_set_zero_copy(rig.f.vq, true, 1000);
    post(&rig, 32, 999);
    CHECK(receive(&rig, &n_lent) == 32 && !n_lent && reap(&rig) == 32);
    CHECK(COPIED(&rig, SHORT) == 8 + 32);
    free_some(&rig, 32);
    rig_destroy(&rig);
}

/* A guest that was a nuisance to others has everything copied for a while. */
static void
test_pause(void)
{
    unsigned int n_lent;

    rig_init(&rig, &usual);
    iovtee_txvq_pause(rig.f.vq, time_msec() + 1000000);
    CHECK(get_info(&rig).paused);
    post(&rig, 32, 1000);
    CHECK(receive(&rig, &n_lent) == 32 && !n_lent);
    CHECK(COPIED(&rig, STOPS) == 32 && reap(&rig) == 32);
    free_some(&rig, 32);
    iovtee_txvq_pause(rig.f.vq, time_msec());
    post(&rig, 32, 1000);
    CHECK(receive(&rig, &n_lent) == 32 && n_lent == 32);
    free_some(&rig, 32);
    poll_queue(&rig);
    CHECK(reap(&rig) == 32 && !get_info(&rig).paused);
    rig_destroy(&rig);
}

static void
ignore_write(void *aux OVS_UNUSED, uint64_t gpa OVS_UNUSED,
             uint64_t len OVS_UNUSED)
{
}

static void
test_migration(void)
{
    struct iovtee_vring_log log = { ignore_write, NULL };
    unsigned int n_lent;

    rig_init(&rig, &usual);
    iovtee_txvq_suspend(rig.f.vq);
    iovtee_txvq_resume(rig.f.vq, rig.f.callfd, &log);
    iovtee_txvq_lend_to(rig.f.vq, PORT, NULL);
    post(&rig, 32, 1000);
    CHECK(receive(&rig, &n_lent) == 32 && !n_lent);
    CHECK(COPIED(&rig, MIGRATION) == 32 && reap(&rig) == 32);
    free_some(&rig, 32);
    rig_destroy(&rig);
}

/* What asks for something in its virtio header is copied, as that is not for
 * the NIC to see to, and everything else is not. */
static void
test_offload(void)
{
    unsigned int n_lent;

    rig_init(&rig, &(struct tx_params) { .size = 256, .hdr_len = 12,
                                         .features = CSUM });
    for (int i = 0; i < BURST; i++) {
        rig.f.hdr[0] = i % 4 ? 0 : VIRTIO_NET_HDR_F_NEEDS_CSUM;
        rig.f.hdr[6] = 255;             /* No such place. */
        tx_post(&rig.f, 200);
    }
    tx_expose(&rig.f);
    n_lent = iovtee_txvq_recv(rig.f.vq, tx_pool(), rig.out, BURST);
    CHECK(n_lent == 24);
    for (unsigned int i = 0; i < n_lent; i++) {
        CHECK(is_lent(rig.out[i]));
    }
    rig.n_out = n_lent;
    CHECK(COPIED(&rig, OFFLOAD) == 8);
    CHECK(rig.f.vq->counters.dropped[IOVTEE_TX_DROP_HEADER] == 8);
    CHECK(reap(&rig) == 8);
    free_some(&rig, 24);
    poll_queue(&rig);
    CHECK(reap(&rig) == 24);
    rig_destroy(&rig);
}

/* A NIC that gives nothing back takes half of the ring, and the guest goes on
 * sending by the other half. */
static void
test_starved(void)
{
    unsigned int n_lent, n_asked = 0, total = 0;
    uint16_t port_id, txq;

    rig_init(&rig, &usual);
    for (int i = 0; i < 4; i++) {
        post(&rig, BURST, 1000);
        CHECK(receive(&rig, &n_lent) == BURST && n_lent == BURST);
    }
    send_some(&rig, 0, rig.n_out);
    CHECK(!iovtee_txvq_asks(rig.f.vq, &port_id, &txq));
    for (int i = 0; i < 100; i++) {
        post(&rig, BURST, 1000);
        CHECK(receive(&rig, &n_lent) == BURST && !n_lent);
        total += reap(&rig);
        if (iovtee_txvq_asks(rig.f.vq, &port_id, &txq)) {
            CHECK(port_id == PORT && txq == TXQ);
            n_asked++;
        }
        while (rig.n_out > 128) {
            rte_pktmbuf_free(rig.out[--rig.n_out]);
        }
    }
    CHECK(total == 100 * BURST && COPIED(&rig, RING_OUT) == total);
    CHECK(n_asked == 13);

    /* While there is nothing to send, now and then the NIC is asked. */
    for (int i = 0; i < 64; i++) {
        poll_queue(&rig);
        total -= iovtee_txvq_asks(rig.f.vq, &port_id, &txq);
    }
    CHECK(total == 100 * BURST - 4);

    /* One burst that comes back makes room for one. */
    free_some(&rig, BURST);
    post(&rig, BURST, 1000);
    CHECK(receive(&rig, &n_lent) == BURST && n_lent == BURST);
    free_some(&rig, 4 * BURST);
    poll_queue(&rig);
    CHECK(reap(&rig) == 5 * BURST);
    CHECK(rig.f.vq->counters.zero_copied == 4 * BURST);
    for (int i = 0; i < 64; i++) {
        poll_queue(&rig);
        CHECK(!iovtee_txvq_asks(rig.f.vq, &port_id, &txq));
    }
    rig_destroy(&rig);
}

/* A guest that posts what is out breaks its ring. */
static void
test_busy(void)
{
    struct guest_ring *ring = &rig.f.ring;
    struct rte_mbuf *mbufs[BURST];
    unsigned int n_lent;
    int head = -1;

    for (int lend = 0; lend < 2; lend++) {
        rig_init(&rig, &usual);
        for (int i = 0; i < BURST; i++) {
            head = tx_post(&rig.f, 1000);
        }
        tx_expose(&rig.f);
        CHECK(receive(&rig, &n_lent) == BURST && n_lent == BURST);

        for (int i = 0; i < (lend ? 31 : 3); i++) {
            tx_post(&rig.f, 1000);
        }
        guest_ring_set_avail(ring, ring->avail_idx++, head);
        tx_expose(&rig.f);
        CHECK(iovtee_txvq_recv(rig.f.vq, tx_pool(), mbufs, BURST)
              == (lend ? 31 : 3));
        CHECK(rig.f.vq->vring.fault == IOVTEE_FAULT_HEAD_BUSY);
        CHECK(iovtee_txvq_is_balanced(rig.f.vq));
        for (int i = 0; i < (lend ? 31 : 3); i++) {
            rte_pktmbuf_free(mbufs[i]);
        }
        free_some(&rig, BURST);
        CHECK(!iovtee_txvq_recv(rig.f.vq, tx_pool(), mbufs, BURST));
        CHECK(iovtee_txvq_is_balanced(rig.f.vq));
        rig_destroy(&rig);
    }
}

/* No memory for copies: nothing is lent either, and nothing is lost. */
static void
test_no_mbufs(void)
{
    struct rte_mbuf *mbufs[1024];
    unsigned int n = 0, n_lent;

    rig_init(&rig, &usual);
    for (int i = 0; i < BURST; i++) {
        tx_post(&rig.f, i % 2 ? 1000 : 60);
    }
    tx_expose(&rig.f);
    while (n < ARRAY_SIZE(mbufs)
           && (mbufs[n] = rte_pktmbuf_alloc(tx_pool())) != NULL) {
        n++;
    }
    CHECK(!receive(&rig, &n_lent) && !reap(&rig));
    CHECK(iovtee_txvq_is_balanced(rig.f.vq));
    CHECK(get_info(&rig).n[IOVTEE_GUEST] == 256);
    while (n) {
        rte_pktmbuf_free(mbufs[--n]);
    }
    CHECK(receive(&rig, &n_lent) == BURST && n_lent == BURST / 2);
    free_some(&rig, BURST);
    poll_queue(&rig);
    CHECK(reap(&rig) == BURST);
    rig_destroy(&rig);
}

/* Receives a burst that is lent. */
static void
receive_lent(void)
{
    unsigned int n_lent;

    post(&rig, BURST, 1000);
    CHECK(receive(&rig, &n_lent) == BURST && n_lent == BURST);
}

/* Frees all that is out.  Returns how many buffers the guest gets. */
static unsigned int
free_all(void)
{
    free_some(&rig, rig.n_out);
    poll_queue(&rig);
    return reap(&rig);
}

/* Each frame is counted once, by what became of it. */
static void
test_fates(void)
{
    const struct iovtee_txvq_counters *c;

    rig_init(&rig, &usual);
    c = &rig.f.vq->counters;

    /* Frames that a NIC's port drops were not read by the NIC, but those that
     * it frees meanwhile were. */
    receive_lent();
    send_some(&rig, 0, BURST);
    for (int i = 10; i < BURST; i++) {
        iovtee_mark_sent_in(rig.out[i], PORT, TXQ, 7);
    }
    iovtee_shells_begin_burst(PORT, TXQ, 7);
    CHECK(free_all() == BURST);
    iovtee_shells_end_burst();
    CHECK(c->zero_copied == 10);

    receive_lent();
    for (int i = 0; i < BURST; i++) {
        iovtee_mark_sent_in(rig.out[i], PORT, TXQ, 7);
    }
    iovtee_shells_begin_burst(PORT, TXQ + 1, 7);
    free_some(&rig, 3);
    iovtee_shells_begin_burst(PORT, TXQ, 8);
    free_some(&rig, 3);
    iovtee_shells_end_burst();
    CHECK(free_all() == BURST && c->zero_copied == 10 + BURST);

    /* To a port, to a guest, nowhere, and taken back. */
    receive_lent();
    for (int i = 0; i < 10; i++) {
        iovtee_mark_fate(rig.out[i], (i < 2 ? IOVTEE_FATE_PORT
                                      : i < 5 ? IOVTEE_FATE_GUEST
                                      : i < 9 ? IOVTEE_FATE_REFUSED
                                      : IOVTEE_FATE_NONE));
    }
    CHECK(free_all() == BURST && c->zero_copied == 10 + BURST);
    CHECK(COPIED(&rig, PORT) == 2 && COPIED(&rig, GUEST) == 3);
    CHECK(c->dropped[IOVTEE_TX_DROP_STOPPED] == 4);

    /* The next ones have other fates. */
    receive_lent();
    CHECK(free_all() == BURST && COPIED(&rig, PORT) == 2);
    rig_destroy(&rig);
}

/* Once zero-copy is turned off there are no shells any more, when the last one
 * is home. */
static void
test_tidy(void)
{
    rig_init(&rig, &usual);
    receive_lent();
    CHECK(iovtee_txvq_tidy(rig.f.vq));
    iovtee_txvq_set_zero_copy(rig.f.vq, false, 128);
    iovtee_txvq_lend_to(rig.f.vq, UINT32_MAX, NULL);
    CHECK(!iovtee_txvq_tidy(rig.f.vq));
    free_some(&rig, BURST - 1);
    CHECK(!iovtee_txvq_tidy(rig.f.vq) && iovtee_shells_any_read_only());
    CHECK(free_all() == BURST);
    CHECK(iovtee_txvq_tidy(rig.f.vq) && !iovtee_shells_any_read_only());
    CHECK(iovtee_txvq_is_balanced(rig.f.vq));

    iovtee_txvq_set_zero_copy(rig.f.vq, true, 128);
    iovtee_txvq_lend_to(rig.f.vq, PORT, NULL);
    receive_lent();
    CHECK(free_all() == BURST);
    rig_destroy(&rig);
}

int
main(int argc, char *argv[])
{
    static const struct unit_command commands[] = {
        { "busy", test_busy },
        { "fates", test_fates },
        { "in-place", test_in_place },
        { "migration", test_migration },
        { "no-mbufs", test_no_mbufs },
        { "offload", test_offload },
        { "pause", test_pause },
        { "reasons", test_reasons },
        { "starved", test_starved },
        { "tidy", test_tidy },
    };

    set_program_name(argv[0]);
    vlog_set_pattern(VLF_CONSOLE, "%c|%p|%m");
    unit_eal_init("64");
    return unit_main(argc, argv, commands, ARRAY_SIZE(commands));
}
