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

#ifndef NM_RX_H
#define NM_RX_H 1

/* The device's receive side
 * =========================
 *
 * A frame that comes over the wire passes nm_rx_accept(), is given a queue by
 * its RSS hash, and goes into the next buffer that was posted there:
 *
 *     slot = nm_rx_claim(q)       NULL if none is posted
 *     write the frame to slot->addr
 *     nm_rx_commit(q, slot, ...)  maybe write a group of descriptors back
 *
 * Engine only. */

#include "nm-check.h"
#include "nm-dev.h"
#include "nm-rss.h"

void nm_rx_fetch(struct nm_rxq *);
void nm_rx_flush(struct nm_rxq *);
void nm_rx_frame(struct nm_dev *, const uint8_t *, uint32_t len,
                 uint64_t now);
bool nm_rx_refuse(struct nm_dev *, const uint8_t *dst, uint32_t len);

/* Does work that is due on 'q': writes a group back that waits for long. */
static inline void
nm_rx_run(struct nm_rxq *q, uint64_t now)
{
    if (q->filled != q->written && now - q->since >= q->dev->group_tsc) {
        nm_rx_flush(q);
    }
    if (unlikely(q->dev->knobs.check)) {
        nm_rx_fetch(q);
    }
}

/* Returns the queue of 'dev' for frames with hash 'rss', or NULL if it is
 * stopped. */
static inline struct nm_rxq *
nm_rx_queue(const struct nm_dev *dev, uint32_t rss)
{
    return dev->live_rxqs[dev->toeplitz ? dev->reta[rss % NM_RETA_SIZE] : 0];
}

/* Counts a frame that has arrived.  Returns true if it is to be received. */
static inline bool
nm_rx_accept(struct nm_dev *dev, const uint8_t *dst, uint32_t len)
{
    nm_add(&dev->n_arrived, 1);
    if (likely(dev->started && dev->link && !dev->hung && dev->promisc
               && len <= dev->max_frame && !dev->knobs.rx_error_every)) {
        return true;
    }
    return !nm_rx_refuse(dev, dst, len);
}

/* Returns the next buffer of 'q', or NULL if none is posted.  Then what is
 * pending is written back, for nothing more can come to complete the group. */
static inline struct nm_slot *
nm_rx_claim(struct nm_rxq *q)
{
    struct nm_slot *slot = &q->slots[q->filled & q->mask];

    if (unlikely(q->filled == q->tail_seen)) {
        nm_rx_fetch(q);
        if (q->filled == q->tail_seen) {
            if (q->filled != q->written) {
                nm_rx_flush(q);
            }
            return NULL;
        }
    }
    if (likely(!q->dev->knobs.check)) {
        const struct nm_desc *desc = &q->ring[q->filled & q->mask];

        slot->addr = desc->lo;
        slot->room = desc->hi >> 32;
    }
    return slot;
}

/* Prepares for a write into the buffer that is 'n' further on in 'q', and to
 * the descriptor that is twice as far. */
static inline void
nm_rx_prefetch(const struct nm_rxq *q, unsigned int n)
{
    if ((int32_t) (q->tail_seen - q->filled - 2 * n) > 0) {
        const struct nm_desc *desc = &q->ring[(q->filled + n) & q->mask];

        nm_prefetch_write(&q->ring[(q->filled + 2 * n) & q->mask]);
        nm_prefetch_write((void *) (uintptr_t) desc->lo);
    }
}

/* A frame of 'len' bytes is in the buffer that nm_rx_claim() returned. */
static inline void
nm_rx_commit(struct nm_rxq *q, struct nm_slot *slot, uint32_t len,
             uint32_t rss, uint16_t flags, uint64_t now)
{
    uint32_t n_pending = ++q->filled - q->written;

    slot->len = len;
    slot->rss = rss;
    slot->flags = flags;
    nm_add(&q->n_packets, 1);
    nm_add(&q->n_bytes, len);
    if (n_pending == 1) {
        q->since = now;
    }
    if (n_pending >= q->dev->knobs.group) {
        nm_rx_flush(q);
    }
}

#endif /* nm-rx.h */
