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

    /* One call at a time. */
    pthread_mutex_t mutex;
    void (*fn)(void *);
    void *arg;
    uint32_t asked, answered;
} engine = { .mutex = PTHREAD_MUTEX_INITIALIZER };

uint64_t
nm_us_to_tsc(uint64_t us)
{
    return us * rte_get_tsc_hz() / 1000000;
}

static void
answer(void)
{
    uint32_t asked = nm_load(&engine.asked);

    if (unlikely(asked != engine.answered)) {
        engine.fn(engine.arg);
        nm_store(&engine.answered, asked);
    }
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

static void *
engine_main(void *aux)
{
    uint64_t last = rte_rdtsc();
    uint64_t patience = nm_us_to_tsc(IDLE_US);

    while (!__atomic_load_n(&engine.stop, __ATOMIC_RELAXED)) {
        unsigned int n = 0;
        uint64_t now;

        answer();
        now = rte_rdtsc();
        for (unsigned int i = 0; i < engine.n_devs; i++) {
            n += dev_run(engine.devs[i], now);
        }
        for (struct nm_guest *g = engine.guests; g; g = g->next) {
            if (g->connected) {
                n += nm_guest_run(g, now);
            }
        }
        if (n) {
            last = now;
            engine.n_busy++;
        } else if (now - last < patience || engine.awake
                   || nm_source_any_runs()) {
            engine.n_idle++;
            sched_yield();
        } else {
            struct timespec ts = { 0, SLEEP_NS };

            nanosleep(&ts, NULL);
        }
    }
    return aux;
}

/* Runs 'fn' with 'arg' on the engine's thread.  While there is none, its
 * things are the caller's. */
void
nm_engine_call(void (*fn)(void *), void *arg)
{
    pthread_mutex_lock(&engine.mutex);
    if (!engine.exists || pthread_equal(pthread_self(), engine.thread)) {
        fn(arg);
    } else {
        uint32_t ticket = engine.asked + 1;

        engine.fn = fn;
        engine.arg = arg;
        nm_store(&engine.asked, ticket);
        for (int i = 0; nm_load(&engine.answered) != ticket; i++) {
            if (i < 100) {
                sched_yield();
            } else {
                struct timespec ts = { 0, 20000 };

                nanosleep(&ts, NULL);
            }
        }
    }
    pthread_mutex_unlock(&engine.mutex);
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
do_remove(void *dev)
{
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

void
nm_engine_set_awake(bool awake)
{
    engine.awake = awake;
}
