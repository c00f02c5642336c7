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

/* How the queues of a guest come and go: what the session calls, on
 * librte_vhost's thread mostly, while PMD threads use what runs.  Next:
 * queue/rxvq.c and queue/txvq.c, what becomes of a queue. */

#include <config.h>

#include "guest/guest-private.h"

#include "netdev-provider.h"
#include "nic/nic-fetch.h"
#include "tee/tee.h"
#include "timeval.h"
#include "util.h"

/* Once packets of a guest did not leave the switch in time, its rings are
 * stopped without much ado for so long, in microseconds: all guests wait for
 * it. */
#define HOPELESS_US 1000000
#define HOPELESS_SUSPEND_US 1000

static void replace_map(struct iovtee_guest *guest)
    OVS_REQUIRES(guest->mutex);
static void retire_rx(struct iovtee_guest *guest, unsigned int q)
    OVS_REQUIRES(guest->mutex);
static void retire_tx(struct iovtee_guest *guest, unsigned int q)
    OVS_REQUIRES(guest->mutex);

/* Callbacks run one at a time, and nobody else makes or parts with a queue.
 * They hold the guest's mutex, for which the main thread waits, only where
 * that is seen, and never while they interrupt the guest. */

/* Returns receive queue 'q', or NULL if it is stopped. */
static struct iovtee_rxvq *
get_rxvq(struct iovtee_guest *guest, unsigned int q)
{
    struct iovtee_rxvq *vq;

    ovs_mutex_lock(&guest->mutex);
    vq = guest->queues[q].vq;
    ovs_mutex_unlock(&guest->mutex);
    return vq;
}

static void
rings_begin(void *guest_)
{
    struct iovtee_guest *guest = guest_;

    guest->deadline = 0;
    guest->in_batch = true;
    iovtee_tee_hold(guest->tee);
}

static void
rings_end(void *guest_)
{
    struct iovtee_guest *guest = guest_;

    iovtee_tee_release(guest->tee);
    guest->in_batch = false;
}

static void
rx_start(struct iovtee_guest *guest, unsigned int q,
         const struct iovtee_ring_setup *ring_)
{
    struct iovtee_guest_queue *queue = &guest->queues[q];
    struct iovtee_ring_setup ring = *ring_;
    struct iovtee_rxvq *vq;

    vq = get_rxvq(guest, q);
    if (vq && (vq->mem != ring.vring.mem
               || !iovtee_rxvq_same_ring(vq, &ring))) {
        if (iovtee_rxvq_same_ring(vq, &ring)) {
            /* The same ring in another layout of guest memory. */
            iovtee_rxvq_finish(vq, &ring.vring.last_avail,
                               &ring.vring.last_used);
        } else {
            iovtee_rxvq_abandon(vq);
        }
        ovs_mutex_lock(&guest->mutex);
        retire_rx(guest, q);
        ovs_mutex_unlock(&guest->mutex);
        vq = NULL;
    }
    if (!vq) {
        struct iovtee_rxvq_config config = {
            .port = netdev_get_name(guest->netdev),
            .q = q,
            .ring = &ring,
            .inflight = guest->inflight,
            .past = queue->past,
        };

        vq = iovtee_rxvq_create(&config);
    }
    if (vq) {
        bool zero_copy, always;

        iovtee_rxvq_resume(vq, ring.callfd, &ring.log);

        ovs_mutex_lock(&guest->mutex);
        atomic_read_relaxed(&guest->zero_copy, &zero_copy);
        atomic_read_relaxed(&guest->always, &always);
        atomic_store_relaxed(&vq->zero_copy, zero_copy);
        atomic_store_relaxed(&vq->always, always);
        queue->vq = vq;
        queue->running = true;
        replace_map(guest);
        ovs_mutex_unlock(&guest->mutex);

        iovtee_tee_vq_up(guest->tee, q, vq);
    }
}

/* Takes the buffers of receive queue 'q' back from the NIC. */
static void
rx_drain(struct iovtee_guest *guest, unsigned int q)
{
    struct iovtee_rxvq *vq = get_rxvq(guest, q);

    if (vq) {
        iovtee_rxvq_drain(vq);
        iovtee_tee_vq_down(guest->tee, q);
    }
}

/* Returns until when packets of rings that are stopped may leave the switch,
 * which all that are stopped together share, as time_usec() says. */
static long long int
get_deadline(struct iovtee_guest *guest)
{
    if (!guest->in_batch || !guest->deadline) {
        long long int now = time_usec();

        guest->deadline = now + (now < guest->hopeless
                                 ? HOPELESS_SUSPEND_US
                                 : IOVTEE_RXVQ_SUSPEND_US);
    }
    return guest->deadline;
}

/* Notes whether 'all' packets of a ring did so. */
static void
learn(struct iovtee_guest *guest, bool all)
{
    if (!all) {
        guest->hopeless = time_usec() + HOPELESS_US;
    }
}

static void
rx_stop(struct iovtee_guest *guest, unsigned int q, bool final,
        uint16_t *last_avail, uint16_t *last_used)
{
    struct iovtee_guest_queue *queue = &guest->queues[q];
    struct iovtee_rxvq *vq = get_rxvq(guest, q);

    if (!vq) {
        return;
    }
    rx_drain(guest, q);
    learn(guest, iovtee_rxvq_suspend_until(vq, get_deadline(guest)));
    if (final) {
        iovtee_rxvq_finish(vq, last_avail, last_used);
    }

    ovs_mutex_lock(&guest->mutex);
    queue->running = false;
    if (final) {
        retire_rx(guest, q);
    }
    replace_map(guest);
    ovs_mutex_unlock(&guest->mutex);
}

/* Returns transmit queue 'q', or NULL if it is stopped. */
static struct iovtee_txvq *
get_txvq(struct iovtee_guest *guest, unsigned int q)
{
    return ovsrcu_get_protected(struct iovtee_txvq *, &guest->txqs[q].vq);
}

/* From now on no NIC gets any more of transmit queue 'q'. */
static void
tx_drain(struct iovtee_guest *guest, unsigned int q)
{
    if (get_txvq(guest, q)) {
        iovtee_tee_tx_down(guest->tee, q);
        guest->txqs[q].draining = true;
    }
}

/* Stops transmit queue 'q', and all others that are about to be stopped: no
 * NIC has any of them afterwards.  To stop a NIC, if need be, is done once for
 * all of them. */
static void
tx_suspend(struct iovtee_guest *guest, unsigned int q)
{
    struct iovtee_txvq *vqs[IOVTEE_SESSION_MAX_QUEUES];
    unsigned int n = 0;
    bool forced;

    tx_drain(guest, q);
    for (size_t i = 0; i < ARRAY_SIZE(guest->txqs); i++) {
        if (guest->txqs[i].draining) {
            guest->txqs[i].draining = false;
            vqs[n++] = get_txvq(guest, i);
        }
    }
    learn(guest, iovtee_txvq_suspend_all(vqs, n, get_deadline(guest),
                                         iovtee_nic_take_back, &forced));
    if (forced) {
        iovtee_guest_charge__(guest);
    }
}

static void
tx_start(struct iovtee_guest *guest, unsigned int q,
         const struct iovtee_ring_setup *ring)
{
    struct iovtee_guest_txq *txq = &guest->txqs[q];
    struct iovtee_txvq *vq = get_txvq(guest, q);
    uint16_t last_avail, last_used;

    if (vq && !iovtee_txvq_same_ring(vq, ring)) {
        tx_suspend(guest, q);
        iovtee_txvq_finish(vq, &last_avail, &last_used);
        ovs_mutex_lock(&guest->mutex);
        retire_tx(guest, q);
        ovs_mutex_unlock(&guest->mutex);
        vq = NULL;
    }
    if (!vq) {
        struct iovtee_txvq_config config = {
            .port = netdev_get_name(guest->netdev),
            .q = q,
            .ring = ring,
            .inflight = guest->inflight,
        };

        ovs_mutex_lock(&guest->mutex);
        config.zero_copy = guest->tx_zero_copy;
        config.zero_copy_min = guest->tx_zero_copy_min;
        ovs_mutex_unlock(&guest->mutex);
        vq = iovtee_txvq_create(&config);
    }
    if (vq) {
        iovtee_txvq_resume(vq, ring->callfd, &ring->log);

        ovs_mutex_lock(&guest->mutex);
        txq->running = true;
        txq->seen = true;
        ovsrcu_set(&txq->vq, vq);
        iovtee_txvq_set_zero_copy(vq, guest->tx_zero_copy,
                                  guest->tx_zero_copy_min);
        iovtee_txvq_pause(vq, guest->tx_paused_until);
        ovs_mutex_unlock(&guest->mutex);

        iovtee_tee_tx_up(guest->tee, q, vq);
    }
}

static void
tx_stop(struct iovtee_guest *guest, unsigned int q, bool final,
        uint16_t *last_avail, uint16_t *last_used)
{
    struct iovtee_txvq *vq = get_txvq(guest, q);

    if (!vq) {
        return;
    }
    tx_suspend(guest, q);
    if (final) {
        iovtee_txvq_finish(vq, last_avail, last_used);
    }

    ovs_mutex_lock(&guest->mutex);
    guest->txqs[q].running = false;
    if (final) {
        retire_tx(guest, q);
    }
    ovs_mutex_unlock(&guest->mutex);
}

static void
ring_start(void *guest, unsigned int i, const struct iovtee_ring_setup *ring)
{
    if (iovtee_ring_is_rx(i)) {
        rx_start(guest, i / 2, ring);
    } else {
        tx_start(guest, i / 2, ring);
    }
}

static void
ring_drain(void *guest, unsigned int i)
{
    if (iovtee_ring_is_rx(i)) {
        rx_drain(guest, i / 2);
    } else {
        tx_drain(guest, i / 2);
    }
}

static void
ring_stop(void *guest, unsigned int i, bool final, uint16_t *last_avail,
          uint16_t *last_used)
{
    if (iovtee_ring_is_rx(i)) {
        rx_stop(guest, i / 2, final, last_avail, last_used);
    } else {
        tx_stop(guest, i / 2, final, last_avail, last_used);
    }
}

static void
ring_callfd(void *guest, unsigned int i, int callfd)
{
    if (iovtee_ring_is_rx(i)) {
        struct iovtee_rxvq *vq = get_rxvq(guest, i / 2);

        if (vq) {
            iovtee_rxvq_set_callfd(vq, callfd);
        }
    } else {
        struct iovtee_txvq *vq = get_txvq(guest, i / 2);

        if (vq) {
            iovtee_txvq_set_callfd(vq, callfd);
        }
    }
}

/* The front-end asks for this when the guest runs in another place than
 * before: so there is a queue, and each is polled. */
static void
announce(void *guest_, const uint8_t mac[6])
{
    struct iovtee_guest *guest = guest_;

    ovs_mutex_lock(&guest->mutex);
    for (size_t q = 0; q < ARRAY_SIZE(guest->txqs); q++) {
        if (guest->txqs[q].running) {
            iovtee_txvq_announce(get_txvq(guest, q), mac);
            break;
        }
    }
    ovs_mutex_unlock(&guest->mutex);
}

static void
changed(void *guest_)
{
    struct iovtee_guest *guest = guest_;

    netdev_change_seq_changed(guest->netdev);
}

static void
free_map(struct iovtee_rxvq_map *map)
{
    for (unsigned int i = 0; i < map->n; i++) {
        iovtee_rxvq_unref(map->vqs[i]);
    }
    free(map);
}

/* Makes PMD threads use the queues that run now. */
static void
replace_map(struct iovtee_guest *guest)
{
    struct iovtee_rxvq_map *old, *map;
    unsigned int n = 0;

    old = ovsrcu_get_protected(struct iovtee_rxvq_map *, &guest->map);
    for (size_t q = 0; q < ARRAY_SIZE(guest->queues); q++) {
        n += guest->queues[q].running;
    }
    map = n ? xmalloc(sizeof *map + n * sizeof *map->vqs) : NULL;
    if (map) {
        map->n = 0;
        for (size_t q = 0; q < ARRAY_SIZE(guest->queues); q++) {
            if (guest->queues[q].running) {
                map->vqs[map->n++] = iovtee_rxvq_ref(guest->queues[q].vq);
            }
        }
    }
    ovsrcu_set(&guest->map, map);
    if (old) {
        ovsrcu_postpone(free_map, old);
    }
}

/* Parts with the ring of receive queue 'q'. */
static void
retire_rx(struct iovtee_guest *guest, unsigned int q)
{
    struct iovtee_guest_queue *queue = &guest->queues[q];

    iovtee_rxvq_account(queue->vq);
    iovtee_rxvq_unref(queue->vq);
    queue->vq = NULL;
    queue->running = false;
}

/* Parts with the ring of transmit queue 'q', which is finished.  A PMD thread
 * may still have it at hand. */
static void
retire_tx(struct iovtee_guest *guest, unsigned int q)
{
    struct iovtee_guest_txq *txq = &guest->txqs[q];
    struct iovtee_txvq *vq = get_txvq(guest, q);

    iovtee_txvq_counters_add(&txq->past, &vq->counters);
    txq->running = false;
    ovsrcu_set(&txq->vq, NULL);
    ovsrcu_postpone(iovtee_txvq_unref, vq);
}

const struct iovtee_session_ops iovtee_guest_session_ops__ = {
    .rings_begin = rings_begin,
    .rings_end = rings_end,
    .ring_start = ring_start,
    .ring_drain = ring_drain,
    .ring_stop = ring_stop,
    .ring_callfd = ring_callfd,
    .announce = announce,
    .changed = changed,
};
