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

#define _GNU_SOURCE

#include "nm-engine.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <time.h>

#include <rte_cycles.h>
#include <rte_log.h>

#include "nm-check.h"
#include "nm-dev.h"
#include "nm-guest.h"
#include "nm-rx.h"
#include "nm-source.h"
#include "nm-tx.h"

#define IDLE_US 20000           /* Idle for so long: begin to sleep. */
#define SLEEP_NS 50000

static struct {
    pthread_t thread;
    bool exists;
    bool stop;
    bool awake;

    struct nm_dev *devs[NM_MAX_DEVS];
    unsigned int n_devs;
    struct nm_guest *guests;
    uint64_t n_busy, n_idle;

    /* Held in each round, and by who calls.  'n_waiting' are about to. */
    pthread_mutex_t mutex;
    uint32_t n_waiting;
} engine;

uint64_t
nm_us_to_tsc(uint64_t us)
{
    return us * rte_get_tsc_hz() / 1000000;
}

static unsigned int
dev_run(struct nm_dev *dev, uint64_t now)
{
    unsigned int n = nm_source_run(dev, now);

    for (unsigned int i = 0; i < dev->n_live; i++) {
        if (dev->live_txqs[i]) {
            n += nm_tx_run(dev->live_txqs[i], now);
        }
        if (dev->live_rxqs[i]) {
            nm_rx_run(dev->live_rxqs[i], now);
        }
    }
    return n;
}

/* Runs every device and every guest once.  Returns 0 if nothing was done; then
 * stores in '*soon' whether there will be something soon. */
static unsigned int
engine_round(uint64_t now, bool *soon)
{
    unsigned int n = 0;

    pthread_mutex_lock(&engine.mutex);
    for (unsigned int i = 0; i < engine.n_devs; i++) {
        n += dev_run(engine.devs[i], now);
    }
    for (struct nm_guest *g = engine.guests; g; g = g->next) {
        if (g->connected) {
            n += nm_guest_run(g, now);
        }
    }
    *soon = engine.awake || nm_source_any_runs();
    pthread_mutex_unlock(&engine.mutex);
    return n;
}

static void *
engine_main(void *aux)
{
    uint64_t last = rte_rdtsc();
    uint64_t patience = nm_us_to_tsc(IDLE_US);

    while (!__atomic_load_n(&engine.stop, __ATOMIC_RELAXED)) {
        uint64_t now = rte_rdtsc();
        bool soon;

        if (nm_load(&engine.n_waiting)) {
            sched_yield();
        } else if (engine_round(now, &soon)) {
            last = now;
            nm_add(&engine.n_busy, 1);
        } else if (now - last < patience || soon) {
            nm_add(&engine.n_idle, 1);
            sched_yield();
        } else {
            struct timespec ts = { 0, SLEEP_NS };

            nanosleep(&ts, NULL);
        }
    }
    return aux;
}

/* Runs 'fn' with 'arg' between two rounds.  'fn' must not have anything else
 * run so.
 *
 * The caller does so itself rather than have the engine's thread do it, which
 * may have to wait for a processor: a register of a NIC answers at once. */
void
nm_engine_call(void (*fn)(void *), void *arg)
{
    if (engine.exists && pthread_equal(pthread_self(), engine.thread)) {
        fn(arg);
    } else {
        __atomic_fetch_add(&engine.n_waiting, 1, __ATOMIC_RELAXED);
        pthread_mutex_lock(&engine.mutex);
        __atomic_fetch_sub(&engine.n_waiting, 1, __ATOMIC_RELAXED);
        fn(arg);
        pthread_mutex_unlock(&engine.mutex);
    }
}

/* Whoever waits for the engine lends it his priority. */
static void __attribute__((constructor))
init_mutex(void)
{
    pthread_mutexattr_t attr;

    pthread_mutexattr_init(&attr);
    pthread_mutexattr_setprotocol(&attr, PTHREAD_PRIO_INHERIT);
    pthread_mutex_init(&engine.mutex, &attr);
    pthread_mutexattr_destroy(&attr);
}

/* Signals are for the application's threads. */
static int
start_thread(int cpu)
{
    sigset_t all, old;
    pthread_attr_t attr;
    int error;

    pthread_attr_init(&attr);
    if (cpu >= 0) {
        cpu_set_t cpus;

        CPU_ZERO(&cpus);
        CPU_SET(cpu, &cpus);
        pthread_attr_setaffinity_np(&attr, sizeof cpus, &cpus);
    }
    sigfillset(&all);
    sigdelset(&all, SIGBUS);    /* A device has no such trouble. */
    pthread_sigmask(SIG_BLOCK, &all, &old);
    engine.stop = false;
    error = pthread_create(&engine.thread, &attr, engine_main, NULL);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    pthread_attr_destroy(&attr);
    if (!error) {
        pthread_setname_np(engine.thread, "nicmodel");
    }
    return error;
}

static void
do_add(void *dev)
{
    engine.devs[engine.n_devs++] = dev;
}

static void
do_remove(void *dev_)
{
    struct nm_dev *dev = dev_;

    nm_source_stop(dev->source);
    for (unsigned int i = 0; i < engine.n_devs; i++) {
        engine.devs[i]->wire = (engine.devs[i]->wire == dev ? NULL
                                : engine.devs[i]->wire);
        if (engine.devs[i] == dev) {
            engine.n_devs--;
            memmove(&engine.devs[i], &engine.devs[i + 1],
                    (engine.n_devs - i) * sizeof engine.devs[0]);
            i--;
        }
    }
}

/* Adds 'dev'.  For the first device the thread is started, on 'cpu' unless
 * that is negative.  Returns true if successful. */
bool
nm_engine_add(struct nm_dev *dev, int cpu)
{
    int error;

    if (engine.n_devs >= NM_MAX_DEVS) {
        nm_log(RTE_LOG_ERR, "more than %d devices", NM_MAX_DEVS);
        return false;
    }
    if (!engine.exists) {
        nm_frame_init();
        error = start_thread(cpu);
        if (error) {
            nm_log(RTE_LOG_ERR, "no engine on processor %d: %s", cpu,
                   strerror(error));
            return false;
        }
        engine.exists = true;
    }
    nm_engine_call(do_add, dev);
    return true;
}

/* Removes 'dev', and ends the thread after the last one. */
void
nm_engine_remove(struct nm_dev *dev)
{
    nm_engine_call(do_remove, dev);
    if (!engine.n_devs && engine.exists) {
        __atomic_store_n(&engine.stop, true, __ATOMIC_RELAXED);
        pthread_join(engine.thread, NULL);
        engine.exists = false;
    }
}

void
nm_engine_add_guest(struct nm_guest *guest)
{
    guest->next = engine.guests;
    engine.guests = guest;
}

void
nm_engine_remove_guest(struct nm_guest *guest)
{
    struct nm_guest **p = &engine.guests;

    while (*p != guest) {
        p = &(*p)->next;
    }
    *p = guest->next;
}

static void
do_rxq_start(void *q_)
{
    struct nm_rxq *q = q_;

    q->tail_seen = q->fetched = q->filled = q->written = 0;
    q->active = true;
    q->dev->live_rxqs[q->id] = q;
    q->dev->n_live = RTE_MAX(q->dev->n_live, q->id + 1);
}

static void
do_rxq_stop(void *q_)
{
    struct nm_rxq *q = q_;

    nm_check_stop(q);
    q->active = false;
    q->dev->live_rxqs[q->id] = NULL;
}

static void
do_txq_start(void *q_)
{
    struct nm_txq *q = q_;

    q->taken = q->completed = 0;
    q->active = true;
    q->dev->live_txqs[q->id] = q;
    q->dev->n_live = RTE_MAX(q->dev->n_live, q->id + 1);
}

static void
do_txq_stop(void *q_)
{
    struct nm_txq *q = q_;

    q->active = false;
    q->dev->live_txqs[q->id] = NULL;
}

void
nm_engine_rxq_start(struct nm_rxq *q)
{
    nm_engine_call(do_rxq_start, q);
}

void
nm_engine_rxq_stop(struct nm_rxq *q)
{
    nm_engine_call(do_rxq_stop, q);
}

void
nm_engine_txq_start(struct nm_txq *q)
{
    nm_engine_call(do_txq_start, q);
}

void
nm_engine_txq_stop(struct nm_txq *q)
{
    nm_engine_call(do_txq_stop, q);
}

void
nm_engine_get_rounds(uint64_t *busy, uint64_t *idle)
{
    *busy = nm_get(&engine.n_busy);
    *idle = nm_get(&engine.n_idle);
}

static void
do_awake(void *awake)
{
    engine.awake = *(bool *) awake;
}

void
nm_engine_set_awake(bool awake)
{
    nm_engine_call(do_awake, &awake);
}
