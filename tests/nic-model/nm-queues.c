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

/* The driver's queues: set-up, start, stop.
 *
 * Stopping is synchronous: the device forgets a queue, which is acknowledged
 * by the engine, and only then its mbufs are freed. */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <ethdev_driver.h>
#include <rte_malloc.h>
#include <rte_mbuf.h>
#include <rte_memzone.h>

#include "nm-dev.h"
#include "nm-engine.h"

static void *
zalloc(size_t size, unsigned int socket_id)
{
    return rte_zmalloc_socket("nicmodel", size, RTE_CACHE_LINE_SIZE,
                              socket_id);
}

/* Reserves a ring of 'n_desc' descriptors in a memzone of its own, as drivers
 * of hardware do, so that as few of them can be had.  Returns NULL if there is
 * none. */
static const struct rte_memzone *
ring_reserve(const struct rte_eth_dev *eth, const char *kind, uint16_t id,
             uint16_t n_desc, unsigned int socket_id)
{
    const struct rte_memzone *mz;
    char name[RTE_MEMZONE_NAMESIZE];

    snprintf(name, sizeof name, "nicmodel_%u_%s_%u", eth->data->port_id, kind,
             id);
    mz = rte_memzone_reserve_aligned(name, n_desc * sizeof(struct nm_desc),
                                     socket_id, 0, RTE_CACHE_LINE_SIZE);
    if (mz) {
        memset(mz->addr, 0, mz->len);
    }
    return mz;
}

static void
rxq_free(struct nm_rxq *q)
{
    if (q) {
        rte_memzone_free(q->ring_mz);
        rte_free(q->mbufs);
        rte_free(q->slots);
        rte_free(q);
    }
}

static void
txq_free(struct nm_txq *q)
{
    if (q) {
        rte_memzone_free(q->ring_mz);
        rte_free(q->mbufs);
        rte_free(q->sums);
        rte_free(q);
    }
}

/* The first words of an mbuf that was received. */
static uint64_t
rearm_word(uint16_t port_id)
{
    struct rte_mbuf mbuf = {
        .data_off = RTE_PKTMBUF_HEADROOM,
        .nb_segs = 1,
        .port = port_id,
    };
    uint64_t word;

    rte_mbuf_refcnt_set(&mbuf, 1);
    memcpy(&word, RTE_PTR_ADD(&mbuf, offsetof(struct rte_mbuf, rearm_data)),
           sizeof word);
    return word;
}

static void
rxq_offloads(struct nm_rxq *q, uint64_t offloads)
{
    for (unsigned int i = 0; i < RTE_DIM(q->ol_flags); i++) {
        if (i & NM_RX_RSS && offloads & RTE_ETH_RX_OFFLOAD_RSS_HASH) {
            q->ol_flags[i] |= RTE_MBUF_F_RX_RSS_HASH;
        }
        if (!(i & NM_RX_CSUM_GOOD)) {
            continue;
        }
        if (offloads & RTE_ETH_RX_OFFLOAD_IPV4_CKSUM) {
            q->ol_flags[i] |= RTE_MBUF_F_RX_IP_CKSUM_GOOD;
        }
        if (offloads & RTE_ETH_RX_OFFLOAD_UDP_CKSUM) {
            q->ol_flags[i] |= RTE_MBUF_F_RX_L4_CKSUM_GOOD;
        }
    }
}

int
nm_rx_queue_setup(struct rte_eth_dev *eth, uint16_t id, uint16_t n_desc,
                  unsigned int socket_id, const struct rte_eth_rxconf *conf,
                  struct rte_mempool *pool)
{
    struct nm_dev *dev = eth->data->dev_private;
    struct nm_rxq *q;

    if (!rte_is_power_of_2(n_desc) || id >= NM_MAX_QUEUES) {
        nm_log(RTE_LOG_ERR, "%s: %u descriptors are not a power of 2",
               dev->name, n_desc);
        return -EINVAL;
    }
    nm_rx_queue_release(eth, id);

    q = zalloc(sizeof *q, socket_id);
    if (!q) {
        return -ENOMEM;
    }
    q->ring_mz = ring_reserve(eth, "rx", id, n_desc, socket_id);
    q->mbufs = zalloc(n_desc * sizeof *q->mbufs, socket_id);
    q->slots = zalloc(n_desc * sizeof *q->slots, socket_id);
    if (!q->ring_mz || !q->mbufs || !q->slots) {
        rxq_free(q);
        return -ENOMEM;
    }
    q->ring = q->ring_mz->addr;
    q->dev = dev;
    q->id = id;
    q->n_desc = n_desc;
    q->mask = n_desc - 1;
    q->pool = pool;
    q->room = rte_pktmbuf_data_room_size(pool) - RTE_PKTMBUF_HEADROOM;
    q->free_thresh = (conf->rx_free_thresh > NM_BURST ? conf->rx_free_thresh
                      : NM_BURST);
    q->socket_id = socket_id;
    q->deferred = conf->rx_deferred_start;
    q->rearm = rearm_word(eth->data->port_id);
    rxq_offloads(q, conf->offloads | eth->data->dev_conf.rxmode.offloads);
    dev->rxqs[id] = eth->data->rx_queues[id] = q;
    return 0;
}

int
nm_tx_queue_setup(struct rte_eth_dev *eth, uint16_t id, uint16_t n_desc,
                  unsigned int socket_id, const struct rte_eth_txconf *conf)
{
    struct nm_dev *dev = eth->data->dev_private;
    struct nm_txq *q;

    if (!rte_is_power_of_2(n_desc) || id >= NM_MAX_QUEUES) {
        nm_log(RTE_LOG_ERR, "%s: %u descriptors are not a power of 2",
               dev->name, n_desc);
        return -EINVAL;
    }
    nm_tx_queue_release(eth, id);

    q = zalloc(sizeof *q, socket_id);
    if (!q) {
        return -ENOMEM;
    }
    q->ring_mz = ring_reserve(eth, "tx", id, n_desc, socket_id);
    q->mbufs = zalloc(n_desc * sizeof *q->mbufs, socket_id);
    q->sums = zalloc(n_desc * sizeof *q->sums, socket_id);
    if (!q->ring_mz || !q->mbufs || !q->sums) {
        txq_free(q);
        return -ENOMEM;
    }
    q->ring = q->ring_mz->addr;
    q->dev = dev;
    q->id = id;
    q->n_desc = n_desc;
    q->mask = n_desc - 1;
    q->free_thresh = conf->tx_free_thresh ? conf->tx_free_thresh : NM_BURST;
    q->socket_id = socket_id;
    q->deferred = conf->tx_deferred_start;
    dev->txqs[id] = eth->data->tx_queues[id] = q;
    return 0;
}

void
nm_rx_queue_release(struct rte_eth_dev *eth, uint16_t id)
{
    struct nm_dev *dev = eth->data->dev_private;

    if (dev->rxqs[id]) {
        if (dev->rxqs[id]->running) {
            nm_rx_queue_stop(eth, id);
        }
        dev->past.rx_packets += dev->rxqs[id]->n_packets;
        dev->past.rx_bytes += dev->rxqs[id]->n_bytes;
        dev->past.rx_missed += dev->rxqs[id]->n_missed;
        dev->past.rx_nobuf += dev->rxqs[id]->n_nobuf;
        rxq_free(dev->rxqs[id]);
        dev->rxqs[id] = eth->data->rx_queues[id] = NULL;
    }
}

void
nm_tx_queue_release(struct rte_eth_dev *eth, uint16_t id)
{
    struct nm_dev *dev = eth->data->dev_private;

    if (dev->txqs[id]) {
        if (dev->txqs[id]->running) {
            nm_tx_queue_stop(eth, id);
        }
        dev->past.tx_packets += dev->txqs[id]->n_packets;
        dev->past.tx_bytes += dev->txqs[id]->n_bytes;
        dev->past.tx_bad += dev->txqs[id]->n_bad;
        txq_free(dev->txqs[id]);
        dev->txqs[id] = eth->data->tx_queues[id] = NULL;
    }
}

/* Like the Intel drivers, refuses to start with less than a full ring. */
int
nm_rx_queue_start(struct rte_eth_dev *eth, uint16_t id)
{
    struct nm_dev *dev = eth->data->dev_private;
    struct nm_rxq *q = dev->rxqs[id];

    if (!q) {
        return -EINVAL;
    }
    if (q->running) {
        return 0;
    }
    if (dev->max_frame > q->room) {
        nm_log(RTE_LOG_ERR, "%s: frames of %u bytes do not fit into buffers "
               "of %u", dev->name, dev->max_frame, q->room);
        return -EINVAL;
    }
    if (!nm_rxq_fill(q)) {
        nm_log(RTE_LOG_ERR, "%s: pool %s has no %u buffers for queue %u",
               dev->name, q->pool->name, q->n_desc, id);
        nm_rxq_drain(q);
        return -ENOMEM;
    }
    nm_engine_rxq_start(q);
    q->running = true;
    eth->data->rx_queue_state[id] = RTE_ETH_QUEUE_STATE_STARTED;
    return 0;
}

int
nm_rx_queue_stop(struct rte_eth_dev *eth, uint16_t id)
{
    struct nm_dev *dev = eth->data->dev_private;
    struct nm_rxq *q = dev->rxqs[id];

    if (q && q->running) {
        q->running = false;
        nm_engine_rxq_stop(q);
        nm_rxq_drain(q);
    }
    eth->data->rx_queue_state[id] = RTE_ETH_QUEUE_STATE_STOPPED;
    return 0;
}

int
nm_tx_queue_start(struct rte_eth_dev *eth, uint16_t id)
{
    struct nm_dev *dev = eth->data->dev_private;
    struct nm_txq *q = dev->txqs[id];

    if (!q) {
        return -EINVAL;
    }
    if (!q->running) {
        nm_engine_txq_start(q);
        q->running = true;
    }
    eth->data->tx_queue_state[id] = RTE_ETH_QUEUE_STATE_STARTED;
    return 0;
}

int
nm_tx_queue_stop(struct rte_eth_dev *eth, uint16_t id)
{
    struct nm_dev *dev = eth->data->dev_private;
    struct nm_txq *q = dev->txqs[id];

    if (q && q->running) {
        q->running = false;
        nm_engine_txq_stop(q);
        nm_txq_drain(q);
    }
    eth->data->tx_queue_state[id] = RTE_ETH_QUEUE_STATE_STOPPED;
    return 0;
}

/* Not for a stop of the whole device. */
int
nm_tx_queue_stop_alone(struct rte_eth_dev *eth, uint16_t id)
{
    struct nm_dev *dev = eth->data->dev_private;

    return nm_load(&dev->knobs.tx_stop) ? nm_tx_queue_stop(eth, id) : -ENOTSUP;
}

void
nm_rxq_info_get(struct rte_eth_dev *eth, uint16_t id,
                struct rte_eth_rxq_info *info)
{
    struct nm_dev *dev = eth->data->dev_private;
    const struct nm_rxq *q = dev->rxqs[id];

    info->mp = q->pool;
    info->nb_desc = q->n_desc;
    info->rx_buf_size = q->room;
    info->conf.rx_free_thresh = q->free_thresh;
    info->conf.rx_deferred_start = q->deferred;
    info->conf.rx_drop_en = 1;
    info->conf.offloads = eth->data->dev_conf.rxmode.offloads;
}

void
nm_txq_info_get(struct rte_eth_dev *eth, uint16_t id,
                struct rte_eth_txq_info *info)
{
    struct nm_dev *dev = eth->data->dev_private;
    const struct nm_txq *q = dev->txqs[id];

    info->nb_desc = q->n_desc;
    info->conf.tx_free_thresh = q->free_thresh;
    info->conf.tx_deferred_start = q->deferred;
    info->conf.offloads = eth->data->dev_conf.txmode.offloads;
}

int
nm_rx_descriptor_status(void *q_, uint16_t ofs)
{
    const struct nm_rxq *q = q_;
    uint32_t i = q->next + ofs;

    if (ofs >= q->n_desc) {
        return -EINVAL;
    }
    if (ofs >= q->posted - q->next) {
        return RTE_ETH_RX_DESC_UNAVAIL;
    }
    return (__atomic_load_n(&q->ring[i & q->mask].hi, __ATOMIC_ACQUIRE)
            & NM_DONE ? RTE_ETH_RX_DESC_DONE : RTE_ETH_RX_DESC_AVAIL);
}

int
nm_tx_descriptor_status(void *q_, uint16_t ofs)
{
    const struct nm_txq *q = q_;
    uint32_t i = q->posted + ofs;

    if (ofs >= q->n_desc) {
        return -EINVAL;
    }

    /* Descriptor 'i' is what it was one round ago. */
    return ((int32_t) (nm_load(&q->head) - (i - q->n_desc)) > 0
            ? RTE_ETH_TX_DESC_DONE : RTE_ETH_TX_DESC_FULL);
}

iovtee_rx_queue_count_t
nm_rx_queue_count(void *q_)
{
    const struct nm_rxq *q = q_;
    uint32_t n = 0;

    while (n < q->posted - q->next
           && nm_rx_descriptor_status(q_, n) == RTE_ETH_RX_DESC_DONE) {
        n++;
    }
    return n;
}
