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

/* Where the buffers of a NIC's receive queue come from, and what comes out of
 * it.
 *
 * PMD threads receive; rxq_get() and rxq_put() are called by the NIC's driver
 * on whatever thread polls, starts or stops the queue.  Next: nic-stop.c, how
 * all of a guest's buffers are taken back. */

#include <config.h>

#include "nic/nic-rxq.h"

#include <errno.h>
#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_mempool.h>

#include "dp-packet.h"
#include "netdev-provider.h"
#include "nic/dma.h"
#include "nic/nic-driver.h"
#include "nic/nic-ports.h"
#include "openvswitch/vlog.h"
#include "queue/pool.h"
#include "queue/rxvq.h"
#include "timeval.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(iovtee_nic_rxq);

static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(5, 20);

/* The NIC holds so few buffers that it must get some from the host, rather
 * than wait for the guest, if it holds fewer than this (or than a fraction of
 * its, or of the guest's, ring).  Two bursts. */
#define NIC_LOW_WATER 64

/* Some drivers get a new buffer before they take a frame out of their ring, so
 * a refill that is put off keeps a frame from being received, and perhaps the
 * very frames that the guest waits for to return buffers.  If the driver
 * cannot tell whether a frame waits, then after this many polls that found
 * nothing we assume so. */
#define NIC_STARVED_POLLS 64

/* While lending is paused, what the NIC has of the guest's buffers are probes,
 * and none of those that were lent before, if they are no more than this share
 * of its ring, or than this number. */
#define PROBES_SHARE 16
#define PROBES_LEAST 8

extern __typeof__(rte_eth_rx_queue_setup)
    __real_rte_eth_rx_queue_setup, __wrap_rte_eth_rx_queue_setup;

static int rxq_get(void *rxq_, void **objs, unsigned int n);
static void rxq_put(void *rxq_, void *const *objs, unsigned int n);
static struct nic_rxq *rxq_prepare(struct iovtee_nic *, uint16_t id,
                                   struct rte_mempool *host);
static uint32_t rxq_low_water(const struct nic_rxq *);
static void rxq_check_starved(struct nic_rxq *);
static void rxq_judge(struct nic_rxq *);
static int rxq_probe(struct nic_rxq *, void **objs, unsigned int n);
static int rxq_get_host(struct nic_rxq *, void **objs, unsigned int got,
                        unsigned int n);

static const struct iovtee_pool_ops feed_ops = {
    .get = rxq_get,
    .put = rxq_put,
};

/* Takes a snapshot of receive queue 'id' of 'nic'.  Returns false if there is
 * no such queue. */
bool
iovtee_nic_get_rxq_info(struct iovtee_nic *nic, unsigned int id,
                        struct iovtee_nic_rxq_info *info)
{
    struct nic_rxq *rxq;

    if (id >= nic->n_rxq || !nic->rxqs[id]) {
        return false;
    }
    rxq = nic->rxqs[id];

    ovs_spin_lock(&rxq->gate);
    info->n_desc = rxq->n_desc;
    info->n_ring = rxq->vq ? rxq->vq->size : 0;
    info->n_guest = nic_rxq_n_guest(rxq);
    info->n_host = rxq->n_host;
    info->n_dry = rxq->n_dry;
    info->n_refused = rxq->n_refused;
    info->n_stops = rxq->n_stops;
    info->longest_stop = rxq->longest_stop;
    info->paused = rxq->lend.paused;
    info->percent = iovtee_lend_percent(&rxq->lend);
    ovs_spin_unlock(&rxq->gate);
    return true;
}

/* From now on receive queue 'id' of 'nic', which is attached to no other one,
 * gets its buffers from 'vq'.  The NIC goes on undisturbed: its next refill
 * finds them.
 *
 * Returns 0 if successful, otherwise a positive errno value, of which the
 * reason is in the log. */
int
iovtee_nic_attach(struct iovtee_nic *nic, unsigned int id,
                  struct iovtee_rxvq *vq)
{
    struct iovtee_loan *loan;
    struct nic_rxq *rxq;
    int error = 0;

    ovs_mutex_lock(&nic->mutex);
    if (id >= nic->n_rxq || !nic->rxqs[id] || nic->copy_only) {
        error = EOPNOTSUPP;
        goto out;
    }
    rxq = nic->rxqs[id];
    if (!rxq->feed) {
        error = EOPNOTSUPP;
        goto out;
    }
    if (rxq->vq == vq) {
        goto out;
    }

    if (nic->mappable) {
        error = iovtee_dma_map(nic->dev, vq->mem);
        if (error) {
            VLOG_WARN_RL(&rl, "%s: the memory of guest %s cannot be mapped "
                         "for DMA (%s), packets will be copied", nic->name,
                         vq->port, ovs_strerror(error));
            goto out;
        }
    }

    error = iovtee_rxvq_equip(vq);
    if (error) {
        goto out;
    }

    atomic_store_relaxed(&vq->peer_port_id, nic->port_id);
    loan = iovtee_rxvq_open_loan(vq, iovtee_nic_front(nic));
    ovs_spin_lock(&rxq->gate);
    rxq->vq = iovtee_rxvq_ref(vq);
    rxq->loan = loan;
    iovtee_lend_init(&rxq->lend);
    rxq->low_water = rxq_low_water(rxq);
    ovs_spin_unlock(&rxq->gate);
out:
    ovs_mutex_unlock(&nic->mutex);
    return error;
}

/* Receives a batch from 'lower', a queue of the lower netdev, as
 * netdev_rxq_recv() does. */
int
iovtee_nic_recv(struct iovtee_nic *nic, struct netdev_rxq *lower,
                struct dp_packet_batch *batch)
{
    struct nic_rxq *rxq = nic->rxqs[lower->queue_id];
    uint32_t n_guest, n;
    int error;

    if (OVS_UNLIKELY(!rxq || ovs_spin_trylock(&rxq->gate))) {
        return EAGAIN;
    }

    error = lower->netdev->netdev_class->rxq_recv(lower, batch, NULL);
    if (OVS_UNLIKELY(rxq->filling)) {
        rxq->filling = false;
    }
    if (!error) {
        n = dp_packet_batch_size(batch);
        n_guest = nic_rxq_n_guest(rxq);
        if (rxq->vq && n_guest) {
            batch->count = iovtee_rxvq_received(rxq->vq, batch->packets, n);
            n_guest -= nic_rxq_n_guest(rxq);
        } else {
            n_guest = 0;
        }
        if (rxq->vq) {
            rxq_judge(rxq);
        }
        rxq->n_host -= MIN(rxq->n_host, n - n_guest);
        rxq->refused = false;
        error = batch->count ? 0 : EAGAIN;
    } else if (OVS_UNLIKELY(rxq->refused)) {
        rxq_check_starved(rxq);
    }
    ovs_spin_unlock(&rxq->gate);
    return error;
}

/* netdev-dpdk calls this when it calls rte_eth_rx_queue_setup(). */
int
__wrap_rte_eth_rx_queue_setup(uint16_t port_id, uint16_t id, uint16_t n_desc,
                              unsigned int socket_id,
                              const struct rte_eth_rxconf *conf,
                              struct rte_mempool *mp)
{
    struct iovtee_nic *nic = iovtee_nic_by_port_id(port_id);
    struct rte_mempool *old_feed;
    struct nic_rxq *rxq;
    int ret;

    if (!nic || !mp) {
        return __real_rte_eth_rx_queue_setup(port_id, id, n_desc, socket_id,
                                             conf, mp);
    }

    /* The MTU was set just before. */
    nic->buffer_len = rte_pktmbuf_data_room_size(mp) - RTE_PKTMBUF_HEADROOM;
    nic->max_frame = iovtee_nic_longest_frame(nic);

    rxq = rxq_prepare(nic, id, mp);
    old_feed = rxq->feed;
    rxq->host = mp;
    rxq->socket_id = socket_id;
    rxq->n_desc = n_desc;
    rxq->unset = false;
    nic_rxq_restarted(rxq);
    rxq->feed = NULL;
    if (!nic->copy_only) {
        static atomic_count seq = ATOMIC_COUNT_INIT(0);
        char name[RTE_MEMPOOL_NAMESIZE];

        snprintf(name, sizeof name, "iovtee-rxq-%u", atomic_count_inc(&seq));
        rxq->feed = iovtee_pool_create_feed(name,
                                            rte_pktmbuf_data_room_size(mp),
                                            socket_id, &feed_ops, rxq);
        if (!rxq->feed) {
            VLOG_WARN("%s: no memory to feed receive queue %u, packets will "
                      "be copied", nic->name, id);
            nic->copy_only = nic->unfed = "out of memory";
        }
    }
    ret = __real_rte_eth_rx_queue_setup(port_id, id, n_desc, socket_id, conf,
                                        rxq->feed ? rxq->feed : mp);
    if (OVS_UNLIKELY(ret) && rxq->feed
        && !__real_rte_eth_rx_queue_setup(port_id, id, n_desc, socket_id,
                                          conf, mp)) {
        iovtee_pool_destroy(rxq->feed);
        rxq->feed = NULL;
        nic->copy_only = nic->unfed = "driver refuses buffers of others";
        ret = 0;
    }
    iovtee_pool_destroy(old_feed);
    rxq->low_water = rxq_low_water(rxq);
    return ret;
}

/* Returns receive queue 'id' of 'nic', made if necessary. */
static struct nic_rxq *
rxq_prepare(struct iovtee_nic *nic, uint16_t id, struct rte_mempool *host)
{
    if (!nic->rxqs[id]) {
        struct nic_rxq *rxq = xzalloc_cacheline(sizeof *rxq);

        ovs_spin_init(&rxq->gate);
        rxq->nic = nic;
        rxq->id = id;
        rxq->host = host;
        nic->rxqs[id] = rxq;
    }
    return nic->rxqs[id];
}

uint32_t
nic_rxq_n_guest(const struct nic_rxq *rxq)
{
    return rxq->loan ? iovtee_loan_read(&rxq->loan->n_nic) : 0;
}

/* Returns how few buffers are too few for 'rxq'.  If the guest has a ring, no
 * more than its virtqueue spares: what comes into the buffers of the host that
 * the NIC gets then needs one of the guest's for its copy. */
static uint32_t
rxq_low_water(const struct nic_rxq *rxq)
{
    uint32_t low = MIN(NIC_LOW_WATER, rxq->n_desc / 4);

    return rxq->vq ? MIN(low, rxq->vq->n_spared) : low;
}

/* A poll of 'rxq' found nothing, and a refill was put off.  Finds out whether
 * the one is because of the other. */
static void
rxq_check_starved(struct nic_rxq *rxq)
{
    const uint16_t port_id = rxq->nic->port_id;
    int status = rte_eth_rx_descriptor_status(port_id, rxq->id, 0);

    if (status == RTE_ETH_RX_DESC_AVAIL) {
        /* No frame waits in the NIC.  But can one come?  Many NICs do not use
         * the last of their buffers, and 'n_host' may be too high: frames that
         * netdev-dpdk drops, as by policing, are not subtracted. */
        status = rte_eth_rx_descriptor_status(port_id, rxq->id,
                                              MAX(rxq->low_water, 1) - 1);
        if (status != RTE_ETH_RX_DESC_UNAVAIL) {
            return;
        }
    }

    /* A frame may have come only after the poll: ask twice. */
    rxq->n_empty += (status == RTE_ETH_RX_DESC_DONE ? NIC_STARVED_POLLS / 2
                     : 1);
    if (rxq->n_empty >= NIC_STARVED_POLLS) {
        /* What the count of host buffers says does not matter then.  It is an
         * estimate anyway: a driver that drops a frame by itself frees the
         * buffer behind our back. */
        rxq->n_host = 0;
        rxq->starved = true;
        rxq->refused = false;
    }
}

/* Prepares for a start of 'rxq', in which the driver will fill its ring. */
void
nic_rxq_restarted(struct nic_rxq *rxq)
{
    rxq->filling = true;
    rxq->refused = rxq->starved = false;
    rxq->n_host = 0;
}

/* Finds out whether it still pays that the guest lends buffers to 'rxq', or
 * pays again. */
static void
rxq_judge(struct nic_rxq *rxq)
{
    const struct iovtee_loan *loan = rxq->loan;
    const struct iovtee_lend_sums sums = {
        .n_frames = iovtee_loan_read(&loan->n_frames),
        .gain = iovtee_loan_read(&loan->gain),
        .cost = iovtee_loan_read(&loan->cost),
    };
    bool settled = (nic_rxq_n_guest(rxq)
                    <= MAX(rxq->n_desc / PROBES_SHARE, PROBES_LEAST));
    bool changed, always;

    atomic_read_relaxed(&rxq->vq->always, &always);
    if (OVS_UNLIKELY(always)) {
        changed = rxq->lend.paused;
        iovtee_lend_init(&rxq->lend);
        rxq->lend.told = sums;
    } else {
        changed = iovtee_lend_judge(&rxq->lend, &sums, settled);
    }
    if (OVS_UNLIKELY(changed)) {
        iovtee_rxvq_pause_loan(rxq->vq, rxq->loan, rxq->lend.paused);
    }
}

/* The driver wants 'n' buffers for 'rxq'. */
static int
rxq_get(void *rxq_, void **objs, unsigned int n)
{
    struct nic_rxq *rxq = rxq_;
    unsigned int got = 0;
    bool dry = false;
    int error;

    if (rxq->vq && !rxq->filling && !rxq->nic->kept) {
        bool unfit;

        if (OVS_UNLIKELY(rxq->lend.paused)) {
            return rxq_probe(rxq, objs, n);
        }
        dry = (rxq->starved
               || rxq->n_host + nic_rxq_n_guest(rxq) < rxq->low_water);
        got = iovtee_rxvq_post(rxq->vq, objs, n, !dry, rxq->nic->max_frame,
                               rxq->loan, &unfit);
        if (OVS_LIKELY(got == n)) {
            rxq->starved = false;
            return 0;
        }
        if (!dry && !unfit) {
            if (got) {
                rte_mempool_put_bulk(rxq->vq->shells, objs, got);
            }
            if (!rxq->refused) {
                rxq->refused = true;
                rxq->n_empty = 0;
            }
            rxq->n_refused++;
            return -ENOBUFS;
        }
        dry = dry && !unfit;
    }

    error = rxq_get_host(rxq, objs, got, n);
    if (dry && !error) {
        rxq->n_dry += n - got;
    }
    return error;
}

/* The driver wants 'n' buffers for 'rxq' while lending is paused: it gets them
 * from the host, but for a few as a probe. */
static int
rxq_probe(struct nic_rxq *rxq, void **objs, unsigned int n)
{
    unsigned int quota = iovtee_lend_quota(&rxq->lend, n);
    unsigned int got = 0;
    bool unfit;

    if (quota) {
        got = iovtee_rxvq_post(rxq->vq, objs, quota, false,
                               rxq->nic->max_frame, rxq->loan, &unfit);
    }
    return rxq_get_host(rxq, objs, got, n);
}

/* Adds buffers of the host to the 'got' ones of the guest in 'objs', until
 * there are 'n'. */
static int
rxq_get_host(struct nic_rxq *rxq, void **objs, unsigned int got,
             unsigned int n)
{
    int ret = 0;

    if (n > got) {
        /* For none at all this would fail. */
        ret = rte_mempool_get_bulk(rxq->host, objs + got, n - got);
    }
    if (OVS_UNLIKELY(ret)) {
        uint64_t orig;

        atomic_add_relaxed(&rxq->nic->n_exhausted, n - got, &orig);
        if (got) {
            rte_mempool_put_bulk(rxq->vq->shells, objs, got);
        }
        return ret;
    }
    rxq->n_host += n - got;
    return 0;
}

/* Returns how many buffers 'nic' did not get because the host, not the guest,
 * had too few. */
uint64_t
iovtee_nic_n_exhausted(const struct iovtee_nic *nic)
{
    uint64_t n;

    atomic_read_relaxed(&CONST_CAST(struct iovtee_nic *, nic)->n_exhausted,
                        &n);
    return n;
}

/* Some drivers give what they did not use back to the queue's own mempool
 * rather than to the one that each mbuf names. */
static void
rxq_put(void *rxq_ OVS_UNUSED, void *const *objs, unsigned int n)
{
    for (unsigned int i = 0; i < n; i++) {
        struct rte_mbuf *mbuf = objs[i];

        rte_mempool_put(mbuf->pool, mbuf);
    }
}

/* Makes the NIC hand back every guest buffer that it holds in 'rxq', if the
 * driver can do so with a single queue; otherwise 'rxq' is stuck.  The caller
 * holds the gate, so nobody polls.
 *
 * Other threads may ask the device for its statistics or link meanwhile: they
 * hold locks of netdev-dpdk's, which this thread, librte_vhost's, must not
 * wait for.  See "Lock Order" in Documentation/internals/threads.rst. */
void
nic_rxq_revoke(struct nic_rxq *rxq)
{
    struct iovtee_nic *nic = rxq->nic;

    if (!nic_rxq_n_guest(rxq)) {
        return;
    }
    rxq->n_stops++;
    rxq->stop_began = time_usec();
    rxq->stuck = true;
    if (!rte_eth_dev_rx_queue_stop(nic->port_id, rxq->id)
        && !nic_rxq_n_guest(rxq)) {
        nic_rxq_restarted(rxq);
        rxq->stuck = (!nic->kept
                      && rte_eth_dev_rx_queue_start(nic->port_id, rxq->id));
    }
}

/* Ends what nic_rxq_revoke() began: 'rxq' has no guest any more.  Releases its
 * gate, which the caller holds. */
void
nic_rxq_let_go(struct nic_rxq *rxq)
    OVS_NO_THREAD_SAFETY_ANALYSIS
{
    struct iovtee_rxvq *vq = NULL;
    struct iovtee_loan *loan = NULL;

    if (rxq->stop_began) {
        rxq->longest_stop = MAX(rxq->longest_stop,
                                time_usec() - rxq->stop_began);
        rxq->stop_began = 0;
    }
    if (OVS_LIKELY(!nic_rxq_n_guest(rxq))) {
        vq = rxq->vq;
        loan = rxq->loan;
        rxq->vq = NULL;
        rxq->loan = NULL;
    } /* Otherwise, should they ever come back then they must be normalised. */
    rxq->low_water = rxq_low_water(rxq);
    ovs_spin_unlock(&rxq->gate);
    if (vq) {
        iovtee_rxvq_close_loan(vq, loan);
        iovtee_rxvq_unequip(vq);
        iovtee_rxvq_unref(vq);
    }
}

/* Sets those receive queues of 'nic', which is stopped, up that must be before
 * it may be started.  Returns 0 if successful.  Otherwise returns a negative
 * errno value; some of the queues still must be set up. */
int
nic_rxqs_set_up(struct iovtee_nic *nic)
{
    int error = 0;

    for (unsigned int i = 0; i < nic->n_rxq; i++) {
        struct nic_rxq *rxq = nic->rxqs[i];

        if (rxq && rxq->unset) {
            int ret = __real_rte_eth_rx_queue_setup(nic->port_id, i,
                                                    rxq->n_desc,
                                                    rxq->socket_id, NULL,
                                                    rxq->feed);

            rxq->unset = ret != 0;
            error = error ? error : ret;
        }
    }
    return error;
}

/* Destroys 'rxq', which is detached and which no driver uses.  Does nothing if
 * 'rxq' is NULL. */
void
nic_rxq_destroy(struct nic_rxq *rxq)
{
    if (rxq) {
        if (rxq->vq) {
            iovtee_rxvq_close_loan(rxq->vq, rxq->loan);
            iovtee_rxvq_unequip(rxq->vq);
            iovtee_rxvq_unref(rxq->vq);
        }
        iovtee_pool_destroy(rxq->feed);
        ovs_spin_destroy(&rxq->gate);
        free_cacheline(rxq);
    }
}
