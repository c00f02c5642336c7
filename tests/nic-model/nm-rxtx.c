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

/* The driver's data path.  Like that of the Intel drivers: refills in units of
 * 32 straight from the mempool, takes frames in bursts, frees what was sent
 * only when descriptors get scarce.  Never touches payload. */

#include <errno.h>
#include <string.h>

#include <rte_mbuf.h>
#include <rte_prefetch.h>

#include "nm-dev.h"

static inline void
post(struct nm_rxq *q, uint32_t i, struct rte_mbuf *mbuf)
{
    struct nm_desc *desc = &q->ring[i];

    desc->lo = rte_mbuf_data_iova_default(mbuf);
    __atomic_store_n(&desc->hi, (uint64_t) q->room << 32, __ATOMIC_RELAXED);
}

/* Posts 'n' descriptors, which do not wrap.  If the pool has not as many
 * buffers then posts none, and the next poll tries again. */
static bool
refill(struct nm_rxq *q, uint32_t n)
{
    uint32_t i = q->posted & q->mask;
    struct rte_mbuf **mbufs = &q->mbufs[i];

    if (unlikely(rte_mempool_get_bulk(q->pool, (void **) mbufs, n))) {
        nm_add(&q->n_nobuf, n);
        return false;
    }
    for (uint32_t j = 0; j < n; j++) {
        post(q, i + j, mbufs[j]);
    }
    q->posted += n;
    nm_store(&q->tail, q->posted);
    return true;
}

/* Posts all descriptors of a queue that is about to start. */
bool
nm_rxq_fill(struct nm_rxq *q)
{
    while (q->posted - q->next < q->n_desc) {
        if (!refill(q, NM_BURST)) {
            return false;
        }
    }
    return true;
}

uint16_t
nm_rx_burst(void *q_, struct rte_mbuf **mbufs, uint16_t n)
{
    struct nm_rxq *q = q_;
    uint32_t next = q->next;
    uint32_t i;

    if (unlikely(!q->running)) {
        return 0;
    }
    if (q->n_desc - (q->posted - next) >= q->free_thresh) {
        refill(q, NM_BURST);
    }
    if (n > q->posted - next) {
        n = q->posted - next;
    }

    for (i = 0; i < n; i++, next++) {
        const struct nm_desc *desc = &q->ring[next & q->mask];
        struct rte_mbuf *mbuf;
        uint64_t lo;

        if (!(__atomic_load_n(&desc->hi, __ATOMIC_ACQUIRE) & NM_DONE)) {
            break;
        }
        lo = desc->lo;
        mbuf = q->mbufs[next & q->mask];
        rte_prefetch0(q->mbufs[(next + 4) & q->mask]);
        memcpy(RTE_PTR_ADD(mbuf, offsetof(struct rte_mbuf, rearm_data)),
               &q->rearm, sizeof q->rearm);
        mbuf->ol_flags = q->ol_flags[(lo >> 48) & 3];
        mbuf->packet_type = 0;
        mbuf->data_len = lo >> 32;
        mbuf->pkt_len = (lo >> 32) & 0xffff;
        mbuf->hash.rss = lo;
        mbufs[i] = mbuf;
    }
    q->next = next;
    return i;
}

/* Frees all buffers of a receive queue that the device no longer knows of. */
void
nm_rxq_drain(struct nm_rxq *q)
{
    for (; q->next != q->posted; q->next++) {
        rte_pktmbuf_free_seg(q->mbufs[q->next & q->mask]);
    }
    for (uint32_t i = 0; i < q->n_desc; i++) {
        q->ring[i].lo = q->ring[i].hi = 0;
    }
    q->next = q->posted = q->tail = 0;
}

/* Frees the mbufs of 'n' descriptors that the device is done with. */
static void
txq_free(struct nm_txq *q, uint32_t n)
{
    struct rte_mbuf *run[NM_BURST];
    unsigned int n_run = 0;

    for (; n; n--, q->cleaned++) {
        struct rte_mbuf **slot = &q->mbufs[q->cleaned & q->mask];
        struct rte_mbuf *mbuf = rte_pktmbuf_prefree_seg(*slot);

        *slot = NULL;
        if (unlikely(!mbuf)) {
            continue;
        }
        if (n_run == NM_BURST || (n_run && run[0]->pool != mbuf->pool)) {
            rte_mempool_put_bulk(run[0]->pool, (void **) run, n_run);
            n_run = 0;
        }
        run[n_run++] = mbuf;
    }
    if (n_run) {
        rte_mempool_put_bulk(run[0]->pool, (void **) run, n_run);
    }
}

uint16_t
nm_tx_burst(void *q_, struct rte_mbuf **mbufs, uint16_t n)
{
    struct nm_txq *q = q_;
    uint32_t posted = q->posted;
    uint32_t n_free = q->n_desc - (posted - q->cleaned);
    uint16_t i;

    if (unlikely(!q->running)) {
        return 0;
    }
    if (n_free < q->free_thresh || n_free < n) {
        txq_free(q, nm_load(&q->head) - q->cleaned);
        n_free = q->n_desc - (posted - q->cleaned);
    }

    for (i = 0; i < n && mbufs[i]->nb_segs <= n_free; i++) {
        struct rte_mbuf *seg = mbufs[i];

        n_free -= seg->nb_segs;
        while (seg) {
            struct rte_mbuf *more = seg->next;
            struct nm_desc *desc = &q->ring[posted & q->mask];

            desc->lo = rte_mbuf_data_iova(seg);
            desc->hi = seg->data_len | (more ? 0 : NM_EOP);
            q->mbufs[posted++ & q->mask] = seg;
            seg = more;
        }
    }
    if (i) {
        q->posted = posted;
        nm_store(&q->tail, posted);
    }
    return i;
}

/* Frees up to 'n' packets that were sent, or all if 'n' is 0. */
int
nm_tx_done_cleanup(void *q_, uint32_t n)
{
    struct nm_txq *q = q_;
    uint32_t n_done = nm_load(&q->head) - q->cleaned;

    if (!nm_load(&q->dev->knobs.tx_ask)) {
        return -ENOTSUP;
    }
    n_done = n && n < n_done ? n : n_done;
    txq_free(q, n_done);
    return n_done;
}

/* Frees all mbufs of a transmit queue that the device no longer knows of. */
void
nm_txq_drain(struct nm_txq *q)
{
    txq_free(q, q->posted - q->cleaned);
    q->posted = q->cleaned = q->tail = q->head = 0;
}
