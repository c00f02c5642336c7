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


/* Unit tests of lib/queue/txvq-stop: how a queue stops while buffers are out,
 * and what a successor makes of those that a dead switch has left. */

#include <config.h>

#include "txvq-lend-fixture.h"

/* What the NIC does when it is to give buffers back, ... */
static enum iovtee_txvq_fetch_step nic_yields_at;
static unsigned int n_fetched[5];       /* ...and how often it was told to. */
#define NEVER (IOVTEE_TXVQ_LEAVE_STOPPED + 1)

static void
nic_fetch(uint16_t port_id, uint16_t txq, enum iovtee_txvq_fetch_step step)
{
    CHECK(port_id == PORT && txq == TXQ);
    n_fetched[step]++;
    if (step >= nic_yields_at) {
        for (unsigned int i = 0; i < rig.n_out; ) {
            uint16_t p, q;

            if (iovtee_mark_get_sent(rig.out[i], &p, &q)) {
                rte_pktmbuf_free(rig.out[i]);
                memmove(&rig.out[i], &rig.out[i + 1],
                        (--rig.n_out - i) * sizeof *rig.out);
            } else {
                i++;
            }
        }
    }
}

/* Was a NIC stopped in the last suspend_until()? */
static bool was_forced;

static bool
suspend_until(long long int deadline)
{
    return iovtee_txvq_suspend_all(&rig.f.vq, 1, deadline, nic_fetch,
                                   &was_forced);
}

/* A NIC gives back what it has when it is asked, when its queue is stopped, or
 * when it is restarted, and no harder means are used than needed. */
static void
test_stop_nic(void)
{
    for (int step = 0; step < 5; step++) {
        long long int begin = time_usec();
        unsigned int n_lent;

        rig_init(&rig, &usual);
        post(&rig, 2 * BURST, 1000);
        CHECK(receive(&rig, &n_lent) && receive(&rig, &n_lent));
        send_some(&rig, 0, rig.n_out);
        memset(n_fetched, 0, sizeof n_fetched);
        nic_yields_at = step;
        CHECK(suspend_until(begin + 1000000));
        CHECK(!rig.n_out && n_fetched[step] && was_forced == (step > 0));
        for (int i = step + 1; i < 5; i++) {
            CHECK(!n_fetched[i]);
        }
        CHECK(reap(&rig) == 2 * BURST);
        CHECK(!iovtee_txvq_sweep());
        CHECK(!rig.f.vq->counters.dropped[IOVTEE_TX_DROP_STOPPED]);

        /* It goes on. */
        iovtee_txvq_resume(rig.f.vq, rig.f.callfd, NULL);
        iovtee_txvq_lend_to(rig.f.vq, PORT, NULL);
        post(&rig, BURST, 1000);
        CHECK(receive(&rig, &n_lent) == BURST && n_lent == BURST);
        send_some(&rig, 0, BURST);
        free_some(&rig, BURST);
        poll_queue(&rig);
        CHECK(reap(&rig) == BURST);
        rig_destroy(&rig);
    }
}

/* Packets that do not leave the switch in time cannot be sent any more, also
 * when the queue goes on, and nobody waits for them for ever. */
static void
test_stop_switch(void)
{
    struct iovtee_retired *retired;
    struct iovtee_shells *row;
    unsigned int n_lent;

    rig_init(&rig, &usual);
    post(&rig, 2 * BURST, 1000);
    CHECK(receive(&rig, &n_lent) && receive(&rig, &n_lent));
    send_some(&rig, 0, BURST);
    nic_yields_at = IOVTEE_TXVQ_ASK;
    CHECK(!suspend_until(time_usec() + 2000));
    CHECK(rig.n_out == BURST && reap(&rig) == 2 * BURST);
    CHECK(rig.f.vq->counters.dropped[IOVTEE_TX_DROP_STOPPED] == BURST);
    CHECK(iovtee_txvq_is_balanced(rig.f.vq));
    row = iovtee_shells_row((struct dp_packet *) rig.out[0]);
    CHECK(!iovtee_shells_pin(row));

    CHECK(iovtee_txvq_sweep() == 1);
    CHECK(iovtee_txvq_get_retired(&retired) == 1);
    CHECK(retired->transmit && retired->n_out == BURST && !retired->n_sent);
    iovtee_retired_free(retired, 1);

    /* The next ones are others. */
    iovtee_txvq_resume(rig.f.vq, rig.f.callfd, NULL);
    iovtee_txvq_lend_to(rig.f.vq, PORT, NULL);
    CHECK(!iovtee_shells_pin(row));
    post(&rig, BURST, 1000);
    CHECK(receive(&rig, &n_lent) == BURST && n_lent == BURST);
    CHECK(iovtee_shells_row((struct dp_packet *) rig.out[BURST]) != row);
    send_some(&rig, BURST, BURST);
    free_some(&rig, BURST - 1);
    CHECK(iovtee_txvq_sweep() == 1);
    free_some(&rig, 1);
    CHECK(!iovtee_txvq_sweep());
    free_some(&rig, BURST);
    poll_queue(&rig);
    CHECK(reap(&rig) == BURST);
    rig_destroy(&rig);
}

/* The same when the guest is gone for good, with its memory. */
static void
test_stop_final(void)
{
    uint16_t last_avail, last_used;
    unsigned int n_lent;

    rig_init(&rig, &usual);
    post(&rig, BURST, 1000);
    CHECK(receive(&rig, &n_lent) == BURST);
    send_some(&rig, 0, 1);
    nic_yields_at = NEVER;
    memset(n_fetched, 0, sizeof n_fetched);
    CHECK(!suspend_until(0));
    for (int i = IOVTEE_TXVQ_STOP_QUEUE; i < NEVER; i++) {
        CHECK(n_fetched[i] == 2);
    }
    iovtee_txvq_finish(rig.f.vq, &last_avail, &last_used);
    CHECK(last_avail == BURST && last_used == BURST);
    iovtee_txvq_unref(rig.f.vq);
    guest_ring_destroy(&rig.f.ring);
    guest_destroy(&rig.f.guest);

    /* It can still be read, and not be sent. */
    CHECK(*rte_pktmbuf_mtod(rig.out[0], volatile uint8_t *) <= UINT8_MAX);
    CHECK(!iovtee_shells_pin(iovtee_shells_row((struct dp_packet *)
                                               rig.out[BURST - 1])));
    CHECK(iovtee_txvq_sweep() == 1);
    free_some(&rig, BURST);
    CHECK(!iovtee_txvq_sweep());
    close(rig.f.callfd);
    iovtee_inflight_close(rig.table);
    unlink(TABLE);
}

/* Whoever is about to send holds up the stop, but not longer. */

static atomic_bool pinned = false;
static atomic_bool sent = false;

static void *
slow_sender(void *shell)
{
    struct iovtee_shells *row = iovtee_shells_row(shell);

    CHECK(iovtee_shells_pin(row));
    atomic_store(&pinned, true);
    while (!iovtee_shells_is_revoked(row)) {
        sched_yield();
    }
    for (int i = 0; i < 1000; i++) {
        sched_yield();
    }
    atomic_store(&sent, true);
    iovtee_mark_sent(&((struct dp_packet *) shell)->mbuf, PORT, TXQ);
    iovtee_shells_unpin(row);
    return NULL;
}

static void
test_stop_sender(void)
{
    unsigned int n_lent;
    pthread_t thread;
    bool flag;

    rig_init(&rig, &usual);
    post(&rig, BURST, 1000);
    CHECK(receive(&rig, &n_lent) == BURST);
    CHECK(!pthread_create(&thread, NULL, slow_sender, rig.out[0]));
    do {
        atomic_read(&pinned, &flag);
    } while (!flag);
    nic_yields_at = IOVTEE_TXVQ_STOP_QUEUE;
    suspend_until(0);
    atomic_read(&sent, &flag);
    CHECK(flag);
    CHECK(rig.n_out == BURST - 1);      /* The NIC has given it back. */
    CHECK(!pthread_join(thread, NULL));
    free_some(&rig, BURST - 1);
    CHECK(!iovtee_txvq_sweep());
    rig_destroy(&rig);
}

/* Two queues of a guest are stopped together: what has to be done to a NIC for
 * that is done once. */
static void
test_stop_two(void)
{
    static struct rig other;
    struct iovtee_txvq *vqs[2];
    unsigned int n_lent, n_first;

    rig_init(&rig, &usual);
    rig_open_another(&other, &rig);
    vqs[0] = rig.f.vq;
    vqs[1] = other.f.vq;
    post(&rig, BURST, 1000);
    CHECK(receive(&rig, &n_lent) == BURST && n_lent == BURST);
    send_some(&rig, 0, BURST);
    n_first = rig.n_out;
    post(&other, BURST, 1000);
    CHECK(receive(&other, &n_lent) == BURST && n_lent == BURST);
    send_some(&other, 0, BURST);
    memcpy(&rig.out[n_first], other.out, BURST * sizeof *other.out);
    rig.n_out += BURST;
    other.n_out = 0;

    memset(n_fetched, 0, sizeof n_fetched);
    nic_yields_at = IOVTEE_TXVQ_RESTART;
    CHECK(iovtee_txvq_suspend_all(vqs, 2, 0, nic_fetch, &was_forced));
    CHECK(was_forced && !rig.n_out && n_fetched[IOVTEE_TXVQ_RESTART] == 1);
    CHECK(reap(&rig) == BURST && reap(&other) == BURST);
    rig_close(&other);
    rig_destroy(&rig);
}

/* What is out for long although nothing of it comes home is noticed, and where
 * it is. */
static void
test_stuck(void)
{
    struct iovtee_txvq_places p;
    unsigned int n_lent;

    rig_init(&rig, &usual);
    CHECK(!iovtee_txvq_stuck_for(rig.f.vq, 100, &p));
    post(&rig, 2 * BURST, 1000);
    CHECK(receive(&rig, &n_lent) && receive(&rig, &n_lent));
    CHECK(!iovtee_txvq_stuck_for(rig.f.vq, 5000, &p));
    CHECK(!iovtee_txvq_stuck_for(rig.f.vq, 5100, &p)); /* No NIC has it. */
    send_some(&rig, 0, BURST);
    CHECK(iovtee_txvq_stuck_for(rig.f.vq, 5200, &p) == 200);
    CHECK(p.n == 1 && p.places[0].port_id == PORT && p.places[0].txq == TXQ);
    CHECK(p.n_sent == BURST && p.n_out == 2 * BURST);
    free_some(&rig, 1);
    CHECK(!iovtee_txvq_stuck_for(rig.f.vq, 5300, &p));
    CHECK(iovtee_txvq_stuck_for(rig.f.vq, 5350, &p) == 50);
    free_some(&rig, 2 * BURST - 1);
    CHECK(!iovtee_txvq_stuck_for(rig.f.vq, 5400, &p));
    poll_queue(&rig);
    CHECK(reap(&rig) == 2 * BURST);
    rig_destroy(&rig);
}

/* A switch that takes all of 3 bursts and 7 frames, and dies when it has given
 * back the second burst and the last 7. */
static void
predecessor(void)
{
    struct iovtee_guestmem_region table[IOVTEE_GUESTMEM_MAX_REGIONS];
    unsigned int n_lent;

    /* The parent's mapping is not there. */
    guest_get_table(&rig.f.guest, table);
    CHECK(!iovtee_guestmem_create(table, rig.f.guest.n, &rig.f.guest.mem));
    guest_ring_config(&rig.f.ring, &rig.f.setup.vring);
    CHECK(!iovtee_inflight_open(TABLE, &rig.table));
    open_queue(&rig, 0, 0);
    for (int i = 0; i < 3; i++) {
        CHECK(receive(&rig, &n_lent) == BURST && n_lent == BURST);
    }
    CHECK(receive(&rig, &n_lent) == 7 && !n_lent);
    send_some(&rig, 0, rig.n_out);
    for (int i = 0; i < BURST; i++) {
        rte_pktmbuf_free(rig.out[BURST + i]);
    }
    poll_queue(&rig);
    _exit(0);
}

/* A crash: the switch is gone with all that it knew, but for the table, while
 * buffers are out.  What the guest was not told to be used is sent once more,
 * and nothing else is. */
static void
test_crash(void)
{
    uint32_t seen[4 * BURST + 7] = { 0 };
    uint8_t bytes[1000];
    unsigned int n, k;
    uint16_t last;
    int status;
    pid_t pid;

    guest_only(&rig, &usual, &last);
    CHECK(!last);
    for (int i = 0; i < 3 * BURST + 7; i++) {
        CHECK(tx_post(&rig.f, sizeof bytes) >= 0);
    }
    tx_expose(&rig.f);
    pid = fork();
    CHECK(pid >= 0);
    if (!pid) {
        predecessor();
    }
    CHECK(waitpid(pid, &status, 0) == pid && !status);
    CHECK(reap(&rig) == BURST + 7);

    CHECK(!iovtee_inflight_open(TABLE, &rig.table));
    CHECK(iovtee_inflight_has(rig.table, IOVTEE_INFLIGHT_TXQ(0)));
    open_queue(&rig, 0, 0);
    CHECK(rig.f.vq->n_again == 2 * BURST);
    for (int i = 0; i < BURST; i++) {
        CHECK(tx_post(&rig.f, sizeof bytes) >= 0);
    }
    tx_expose(&rig.f);
    while ((n = iovtee_txvq_recv(rig.f.vq, tx_pool(), rig.out, BURST))) {
        for (unsigned int i = 0; i < n; i++) {
            for (k = 0; k < rig.f.posted; k++) {
                tx_frame(bytes, sizeof bytes, k);
                if (!memcmp(rte_pktmbuf_mtod(rig.out[i], void *), bytes,
                            sizeof bytes)) {
                    break;
                }
            }
            CHECK(k < rig.f.posted);
            seen[k]++;
            rte_pktmbuf_free(rig.out[i]);
        }
        CHECK(iovtee_txvq_is_balanced(rig.f.vq));
    }
    for (k = 0; k < rig.f.posted; k++) {
        bool done = ((k >= BURST && k < 2 * BURST)
                     || (k >= 3 * BURST && k < 3 * BURST + 7));

        CHECK(seen[k] == !done);
    }
    CHECK(COPIED(&rig, RECOVERED) == 2 * BURST);
    poll_queue(&rig);
    CHECK(reap(&rig) == 3 * BURST);
    rig_destroy(&rig);
}

/* A successor that is stopped before it has sent what was left. */
static void
test_crash_stop(void)
{
    uint16_t last, last_avail;
    int status;
    pid_t pid;

    guest_only(&rig, &usual, &last);
    for (int i = 0; i < 3 * BURST + 7; i++) {
        CHECK(tx_post(&rig.f, 1000) >= 0);
    }
    tx_expose(&rig.f);
    pid = fork();
    CHECK(pid >= 0);
    if (!pid) {
        predecessor();
    }
    CHECK(waitpid(pid, &status, 0) == pid && !status);
    CHECK(!iovtee_inflight_open(TABLE, &rig.table));
    open_queue(&rig, 0, 0);
    iovtee_txvq_suspend(rig.f.vq);
    iovtee_txvq_finish(rig.f.vq, &last_avail, &last);
    CHECK(last_avail == 3 * BURST + 7 && last == last_avail);
    CHECK(reap(&rig) == 3 * BURST + 7);
    CHECK(!iovtee_inflight_has(rig.table, IOVTEE_INFLIGHT_TXQ(0)));
    iovtee_txvq_unref(rig.f.vq);
    open_queue(&rig, last, last);
    CHECK(!rig.f.vq->n_again);
    rig_destroy(&rig);
}

int
main(int argc, char *argv[])
{
    static const struct unit_command commands[] = {
        { "crash", test_crash },
        { "crash-stop", test_crash_stop },
        { "stop-final", test_stop_final },
        { "stop-nic", test_stop_nic },
        { "stop-sender", test_stop_sender },
        { "stop-switch", test_stop_switch },
        { "stop-two", test_stop_two },
        { "stuck", test_stuck },
    };

    set_program_name(argv[0]);
    vlog_set_pattern(VLF_CONSOLE, "%c|%p|%m");
    unit_eal_init("64");
    return unit_main(argc, argv, commands, ARRAY_SIZE(commands));
}
