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

/* Data path of a guest port: which receive virtqueue a packet goes to, and
 * what the guest has sent.
 *
 * PMD threads send and receive, the main thread configures.  Next:
 * guest/guest-rings.c, how queues come and go. */

#include <config.h>

#include "guest/guest-private.h"

#include <errno.h>
#include <unistd.h>

#include <rte_mbuf.h>

#include "border/border.h"
#include "compat/compat.h"
#include "coverage.h"
#include "dirs.h"
#include "dp-packet.h"
#include "hash.h"
#include "netdev-provider.h"
#include "nic/nic-fetch.h"
#include "openvswitch/vlog.h"
#include "packets.h"
#include "session/session.h"
#include "tee/tee.h"
#include "userspace-tso.h"
#include "util.h"
#include "virtio/inflight.h"

VLOG_DEFINE_THIS_MODULE(iovtee_guest);

COVERAGE_DEFINE(iovtee_send_other_queue);

static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(5, 20);

static void open_inflight(struct iovtee_guest *, const char *path);
static void close_session(struct iovtee_guest *);
static void send_burst(struct iovtee_guest *, int qid,
                       struct dp_packet_batch *);
static void filter(struct iovtee_guest *, struct dp_packet_batch *,
                   struct iovtee_guest_stats *);
static void deliver(const struct iovtee_rxvq_map *, struct iovtee_rxvq *target,
                    struct dp_packet_batch *, int max_retries, bool silent,
                    struct iovtee_delivery *);
static void count(struct iovtee_guest *, const struct iovtee_guest_stats *);

struct iovtee_guest *
iovtee_guest_create(struct netdev *netdev)
{
    struct iovtee_guest *guest = xzalloc(sizeof *guest);

    guest->netdev = netdev;
    guest->tee = iovtee_tee_create(netdev_get_name(netdev));
    iovtee_qos_init(&guest->qos, netdev_get_name(netdev));
    guest->max_memory = UINT64_MAX;
    atomic_init(&guest->up, false);
    atomic_init(&guest->max_retries, 0);
    atomic_init(&guest->zero_copy, true);
    atomic_init(&guest->always, false);
    ovs_mutex_init(&guest->mutex);
    ovsrcu_init(&guest->map, NULL);
    for (size_t q = 0; q < ARRAY_SIZE(guest->txqs); q++) {
        ovsrcu_init(&guest->txqs[q].vq, NULL);
    }
    ovs_spin_init(&guest->stats_lock);
    ovs_mutex_lock(&guest->mutex);
    for (size_t q = 0; q < ARRAY_SIZE(guest->queues); q++) {
        guest->queues[q].past = iovtee_rxvq_past_create();
    }
    ovs_mutex_unlock(&guest->mutex);
    return guest;
}

/* Destroys 'guest', which no PMD thread uses any more.  Does nothing if it is
 * NULL. */
void
iovtee_guest_destroy(struct iovtee_guest *guest)
{
    if (guest) {
        close_session(guest);
        iovtee_tee_destroy(guest->tee);
        iovtee_qos_destroy(&guest->qos);
        ovs_mutex_lock(&guest->mutex);
        for (size_t q = 0; q < ARRAY_SIZE(guest->queues); q++) {
            iovtee_rxvq_past_unref(guest->queues[q].past);
        }
        ovs_mutex_unlock(&guest->mutex);
        ovs_mutex_destroy(&guest->mutex);
        ovs_spin_destroy(&guest->stats_lock);
        free(guest);
    }
}

/* Closes the socket that was open before, if any, and opens 'path', to listen
 * there if 'server'.  Must not be called while PMD threads use 'guest'.
 * Returns 0 if successful, otherwise a positive errno value, with a sentence
 * in '*errp'; then the old socket may still be open, or none. */
int
iovtee_guest_open(struct iovtee_guest *guest, const char *path, bool server,
                  char **errp)
{
    const struct iovtee_session_config config = {
        .port = netdev_get_name(guest->netdev),
        .path = path,
        .server = server,
        .tso = userspace_tso_enabled(),
        .max_memory = guest->max_memory,
        .ops = &iovtee_guest_session_ops__,
        .aux = guest,
    };
    int error;

    /* Most of what can be wrong is found while nothing is touched yet. */
    error = iovtee_session_check(&config, errp);
    if (error) {
        return error;
    }
    close_session(guest);

    /* The session calls back before we know of it. */
    open_inflight(guest, path);
    error = iovtee_session_open(&config, &guest->session, errp);
    if (error) {
        guest->session = NULL;
        close_session(guest);
    }
    return error;
}

/* Closes the socket, if it is open, and the file that belongs to it. */
static void
close_session(struct iovtee_guest *guest)
{
    bool was_open = guest->session != NULL;

    iovtee_session_close(guest->session);
    guest->session = NULL;
    if (guest->inflight_path && was_open) {
        /* Every ring was stopped in good order: nothing is left to know.  If
         * the socket could not be opened, then what a switch that crashed has
         * left there is still true.  As long as the file is locked, it is
         * ours. */
        unlink(guest->inflight_path);
    }
    iovtee_inflight_close(guest->inflight);
    guest->inflight = NULL;
    free(guest->inflight_path);
    guest->inflight_path = NULL;
}

/* Opens the file in which buffers of the guest at socket 'path' are known to
 * the next switch, should this one crash.  Two sockets must not have the same,
 * so the hash in its name has 64 bits. */
static void
open_inflight(struct iovtee_guest *guest, const char *path)
{
    char *file = xasprintf("%s/iovtee-%08"PRIx32"%08"PRIx32".inflight",
                           ovs_rundir(), hash_string(path, 0),
                           hash_string(path, 1));
    int error = iovtee_inflight_open(file, &guest->inflight);

    if (error) {
        VLOG_WARN("%s: cannot open %s (%s): should the switch crash, the "
                  "guest will have to reset the port",
                  netdev_get_name(guest->netdev), file, ovs_strerror(error));
        guest->inflight = NULL;
        free(file);
        file = NULL;
    }
    guest->inflight_path = file;
}

/* Sets whether the guest's buffers may be lent to the peer, and whether they
 * shall be also if that does not pay. */
void
iovtee_guest_set_zero_copy(struct iovtee_guest *guest, bool zero_copy,
                           bool always)
{
    ovs_mutex_lock(&guest->mutex);
    atomic_store_relaxed(&guest->zero_copy, zero_copy);
    atomic_store_relaxed(&guest->always, always);
    for (size_t q = 0; q < ARRAY_SIZE(guest->queues); q++) {
        struct iovtee_rxvq *vq = guest->queues[q].vq;

        if (vq) {
            atomic_store_relaxed(&vq->zero_copy, zero_copy);
            atomic_store_relaxed(&vq->always, always);
        }
    }
    ovs_mutex_unlock(&guest->mutex);

    /* Now the NIC must give back what it has, or may have it. */
    iovtee_tee_set_enabled(guest->tee, zero_copy);
}

/* Has guests with more than 'bytes' of memory refused from now on.  It is as
 * much as this machine has from creation on.  For the main thread. */
void
iovtee_guest_set_max_memory(struct iovtee_guest *guest, uint64_t bytes)
{
    guest->max_memory = bytes;
    iovtee_session_set_max_memory(guest->session, bytes);
}

/* Sets whether a NIC may read what the guest sends, if that is frames of at
 * least 'min' bytes, where it is. */
void
iovtee_guest_set_tx_zero_copy(struct iovtee_guest *guest, bool zero_copy,
                              uint32_t min)
{
    ovs_mutex_lock(&guest->mutex);
    guest->tx_zero_copy = zero_copy;
    guest->tx_zero_copy_min = min;
    guest->tx_tidy &= zero_copy;
    for (size_t q = 0; q < ARRAY_SIZE(guest->txqs); q++) {
        struct iovtee_txvq *vq = ovsrcu_get_protected(struct iovtee_txvq *,
                                                      &guest->txqs[q].vq);

        if (vq) {
            iovtee_txvq_set_zero_copy(vq, zero_copy, min);
        }
    }
    ovs_mutex_unlock(&guest->mutex);
    iovtee_tee_set_tx_enabled(guest->tee, zero_copy);
    guest->next_rescue = 0;
}

/* Sees to it that those packets of 'batch' that other guests send from their
 * own buffers may be sent.  Takes those out that may not any more. */
static void
pin(struct dp_packet_batch *batch, struct iovtee_pins *pins)
{
    const size_t n = dp_packet_batch_size(batch);
    struct dp_packet *packet;
    size_t i;

    pins->n = 0;
    if (OVS_LIKELY(!iovtee_shells_any_read_only())) {
        return;
    }
    DP_PACKET_BATCH_REFILL_FOR_EACH (i, n, packet, batch) {
        if (OVS_UNLIKELY(iovtee_mark_is_read_only(packet))) {
            struct iovtee_shells *row = iovtee_shells_row(packet);

            if (!pins->n || pins->rows[pins->n - 1] != row) {
                if (!iovtee_shells_pin(row)) {
                    iovtee_border_refuse(packet);
                    dp_packet_delete(packet);
                    continue;
                }
                pins->rows[pins->n++] = row;
            }
        }
        iovtee_batch_refill(batch, packet, i);
    }
}

/* Sends 'batch', of which it takes ownership, to the guest: to the receive
 * queue that 'qid' stands for, save that packets that lie in buffers of
 * another one go there. */
void
iovtee_guest_send(struct iovtee_guest *guest, int qid,
                  struct dp_packet_batch *batch)
{
    const size_t n = dp_packet_batch_size(batch);
    struct dp_packet_batch burst;

    if (OVS_LIKELY(n <= NETDEV_MAX_BURST)) {
        send_burst(guest, qid, batch);
        return;
    }

    /* Where several actions put packets out, some versions of Open vSwitch
     * send all of them at a time. */
    for (size_t i = 0; i < n; i += NETDEV_MAX_BURST) {
        dp_packet_batch_init(&burst);
        for (size_t j = i; j < MIN(n, i + NETDEV_MAX_BURST); j++) {
            dp_packet_batch_add(&burst, batch->packets[j]);
        }
        send_burst(guest, qid, &burst);
    }
}

/* Does that for at most NETDEV_MAX_BURST packets. */
static void
send_burst(struct iovtee_guest *guest, int qid, struct dp_packet_batch *batch)
{
    struct iovtee_rxvq_map *map = ovsrcu_get(struct iovtee_rxvq_map *,
                                             &guest->map);
    struct iovtee_guest_stats stats = { .tx_dropped = 0 };
    struct iovtee_delivery d;
    struct iovtee_pins pins;
    int max_retries;
    bool silent, up;

    atomic_read_relaxed(&guest->up, &up);
    if (OVS_UNLIKELY(!map || !up || !guest->mp)) {
        stats.tx_dropped = dp_packet_batch_size(batch);
        dp_packet_delete_batch(batch, true);
        count(guest, &stats);
        return;
    }

    pin(batch, &pins);
    filter(guest, batch, &stats);
    stats.tx_dropped = stats.tx_mtu_exceeded_drops + stats.tx_qos_drops;
    atomic_read_relaxed(&guest->max_retries, &max_retries);
    silent = pins.n != 0;
    deliver(map, map->vqs[qid % map->n], batch, max_retries, silent, &d);
    if (OVS_UNLIKELY(silent)) {
        iovtee_pins_release(&pins);
        /* Who waits for a pin must not wait for this guest's front-end. */
        for (unsigned int i = 0; i < map->n; i++) {
            iovtee_rxvq_interrupt(map->vqs[i]);
        }
    }

    stats.tx_dropped += d.n_dropped;
    stats.tx_failure_drops += d.n_dropped;
    stats.tx_retries = d.n_retries;
    if (OVS_UNLIKELY(stats.tx_dropped || stats.tx_retries)) {
        count(guest, &stats);
    }
}

/* Receives a batch from transmit queue 'q' of the guest, as
 * netdev_rxq_recv() does. */
int
iovtee_guest_recv(struct iovtee_guest *guest, unsigned int q,
                  struct dp_packet_batch *batch, int *qfill)
{
    struct iovtee_txvq *vq = ovsrcu_get(struct iovtee_txvq *,
                                        &guest->txqs[q].vq);
    struct rte_mbuf **mbufs = (struct rte_mbuf **) batch->packets;
    uint16_t port_id, txq;
    unsigned int n, kept;
    bool up;

    atomic_read_relaxed(&guest->up, &up);
    if (OVS_UNLIKELY(!vq || !up || !guest->mp)) {
        return EAGAIN;
    }

    n = iovtee_txvq_recv(vq, guest->mp, mbufs, NETDEV_MAX_BURST);
    if (OVS_UNLIKELY(iovtee_txvq_asks(vq, &port_id, &txq))) {
        iovtee_nic_try_to_ask(port_id, txq);
    }
    if (!n) {
        return EAGAIN;
    }
    if (qfill) {
        *qfill = n == NETDEV_MAX_BURST ? iovtee_txvq_n_waiting(vq) : 0;
    }

    kept = iovtee_qos_run_ingress(&guest->qos, mbufs, n);
    if (OVS_UNLIKELY(kept < n)) {
        struct iovtee_guest_stats stats = {
            .rx_dropped = n - kept,
            .rx_qos_drops = n - kept,
        };

        count(guest, &stats);
    }
    batch->count = kept;
    iovtee_batch_received(batch);
    return 0;
}

/* Stores what receive queue 'q' has counted in '*counters', earlier rings
 * included.  Returns false if there never was such a queue. */
bool
iovtee_guest_get_counters(struct iovtee_guest *guest, unsigned int q,
                          struct iovtee_rxvq_counters *counters)
{
    const struct iovtee_guest_queue *queue = &guest->queues[q];
    static const struct iovtee_rxvq_counters none;
    bool found;

    ovs_mutex_lock(&guest->mutex);
    iovtee_rxvq_past_read(queue->past, counters);
    if (queue->vq) {
        iovtee_rxvq_counters_add(counters, &queue->vq->counters);
    }
    found = queue->vq || memcmp(counters, &none, sizeof none);
    ovs_mutex_unlock(&guest->mutex);
    return found;
}

/* Takes a snapshot of receive queue 'q'.  Returns false if it is stopped. */
bool
iovtee_guest_get_info(struct iovtee_guest *guest, unsigned int q,
                      struct iovtee_rxvq_info *info)
{
    struct iovtee_rxvq *vq;

    ovs_mutex_lock(&guest->mutex);
    vq = guest->queues[q].vq;
    if (vq) {
        iovtee_rxvq_get_info(vq, info);
    }
    ovs_mutex_unlock(&guest->mutex);
    return vq != NULL;
}

/* Returns true if receive queue 'q' is stopped or its books balance. */
bool
iovtee_guest_is_balanced(struct iovtee_guest *guest, unsigned int q)
{
    bool balanced;

    ovs_mutex_lock(&guest->mutex);
    balanced = (!guest->queues[q].vq
                || iovtee_rxvq_is_balanced(guest->queues[q].vq));
    ovs_mutex_unlock(&guest->mutex);
    return balanced;
}

/* The same of transmit queue 'q'. */
bool
iovtee_guest_is_tx_balanced(struct iovtee_guest *guest, unsigned int q)
{
    struct iovtee_txvq *vq;
    bool balanced;

    ovs_mutex_lock(&guest->mutex);
    vq = ovsrcu_get_protected(struct iovtee_txvq *, &guest->txqs[q].vq);
    balanced = !vq || iovtee_txvq_is_balanced(vq);
    ovs_mutex_unlock(&guest->mutex);
    return balanced;
}

/* Stores what transmit queue 'q' has counted in '*counters', earlier rings
 * included.  Returns false if there never was such a queue. */
bool
iovtee_guest_get_tx_counters(struct iovtee_guest *guest, unsigned int q,
                             struct iovtee_txvq_counters *counters)
{
    const struct iovtee_guest_txq *txq = &guest->txqs[q];
    const struct iovtee_txvq *vq;
    bool seen;

    ovs_mutex_lock(&guest->mutex);
    *counters = txq->past;
    vq = ovsrcu_get_protected(struct iovtee_txvq *, &txq->vq);
    if (vq) {
        iovtee_txvq_counters_add(counters, &vq->counters);
    }
    seen = txq->seen;
    ovs_mutex_unlock(&guest->mutex);
    return seen;
}

/* Takes a snapshot of transmit queue 'q'.  Returns false if it is stopped. */
bool
iovtee_guest_get_tx_info(struct iovtee_guest *guest, unsigned int q,
                         struct iovtee_txvq_info *info)
{
    struct iovtee_txvq *vq;

    ovs_mutex_lock(&guest->mutex);
    vq = ovsrcu_get_protected(struct iovtee_txvq *, &guest->txqs[q].vq);
    if (vq) {
        iovtee_txvq_get_info(vq, info);
    }
    ovs_mutex_unlock(&guest->mutex);
    return vq != NULL;
}

void
iovtee_guest_get_stats(struct iovtee_guest *guest,
                       struct iovtee_guest_stats *stats)
{
    ovs_spin_lock(&guest->stats_lock);
    *stats = guest->stats;
    ovs_spin_unlock(&guest->stats_lock);
}

/* Drops what must not be sent to 'guest' from 'batch' and counts it in
 * 'stats'. */
static void
filter(struct iovtee_guest *guest, struct dp_packet_batch *batch,
       struct iovtee_guest_stats *stats)
{
    const size_t n = dp_packet_batch_size(batch);
    struct dp_packet *packet;
    size_t i, kept;

    DP_PACKET_BATCH_REFILL_FOR_EACH (i, n, packet, batch) {
        if (OVS_UNLIKELY(dp_packet_size(packet) > guest->max_packet_len
                         && !iovtee_packet_is_tso(packet))) {
            VLOG_WARN_RL(&rl, "%s: packet of %"PRIu32" bytes is longer than "
                         "the %"PRIu32" that the MTU allows",
                         netdev_get_name(guest->netdev),
                         dp_packet_size(packet), guest->max_packet_len);
            stats->tx_mtu_exceeded_drops++;
            dp_packet_delete(packet);
        } else {
            iovtee_batch_refill(batch, packet, i);
        }
    }

    kept = iovtee_qos_run_egress(&guest->qos,
                                 (struct rte_mbuf **) batch->packets,
                                 batch->count, true);
    stats->tx_qos_drops += batch->count - kept;
    batch->count = kept;
}

/* Delivers 'batch', of which it takes ownership, to 'target', if 'silent'
 * without interrupting the guest. */
static void
deliver(const struct iovtee_rxvq_map *map, struct iovtee_rxvq *target,
        struct dp_packet_batch *batch, int max_retries, bool silent,
        struct iovtee_delivery *d)
{
    void (*send)(struct iovtee_rxvq *, struct dp_packet *[], unsigned int n,
                 unsigned int max_retries, struct iovtee_delivery *)
        = silent ? iovtee_rxvq_deliver_silently : iovtee_rxvq_deliver;

    memset(d, 0, sizeof *d);
    for (unsigned int i = 0; map->n > 1 && i < map->n; i++) {
        struct iovtee_rxvq *vq = map->vqs[i];
        struct dp_packet_batch own;
        struct iovtee_delivery own_d;
        struct dp_packet *packet;
        size_t j, n = dp_packet_batch_size(batch);

        if (vq == target) {
            continue;
        }
        dp_packet_batch_init(&own);
        DP_PACKET_BATCH_REFILL_FOR_EACH (j, n, packet, batch) {
            if (packet->source == DPBUF_DPDK
                && iovtee_rxvq_owns(vq, packet)) {
                dp_packet_batch_add(&own, packet);
            } else {
                iovtee_batch_refill(batch, packet, j);
            }
        }
        if (!dp_packet_batch_is_empty(&own)) {
            COVERAGE_INC(iovtee_send_other_queue);
            send(vq, own.packets, own.count, max_retries, &own_d);
            d->n_dropped += own_d.n_dropped;
            d->n_retries += own_d.n_retries;
        }
    }
    if (!dp_packet_batch_is_empty(batch)) {
        struct iovtee_delivery rest_d;

        send(target, batch->packets, batch->count, max_retries, &rest_d);
        d->n_dropped += rest_d.n_dropped;
        d->n_retries += rest_d.n_retries;
    }
}

static void
count(struct iovtee_guest *guest, const struct iovtee_guest_stats *add)
{
    ovs_spin_lock(&guest->stats_lock);
    guest->stats.tx_dropped += add->tx_dropped;
    guest->stats.rx_dropped += add->rx_dropped;
    guest->stats.tx_retries += add->tx_retries;
    guest->stats.tx_failure_drops += add->tx_failure_drops;
    guest->stats.tx_mtu_exceeded_drops += add->tx_mtu_exceeded_drops;
    guest->stats.tx_qos_drops += add->tx_qos_drops;
    guest->stats.rx_qos_drops += add->rx_qos_drops;
    guest->stats.tx_invalid_hwol_drops += add->tx_invalid_hwol_drops;
    ovs_spin_unlock(&guest->stats_lock);
}
