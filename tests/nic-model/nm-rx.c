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

#include "nm-rx.h"

#include <string.h>

/* Looks at the doorbell of 'q'. */
void
nm_rx_fetch(struct nm_rxq *q)
{
    q->tail_seen = nm_load(&q->tail);
    if (unlikely(q->dev->knobs.check)) {
        while (q->fetched != q->tail_seen) {
            nm_check_posted(q, q->fetched++ & q->mask);
        }
    }
}

/* Writes all descriptors of 'q' back of which the buffer is filled. */
void
nm_rx_flush(struct nm_rxq *q)
{
    uint32_t n = q->filled - q->written;

    if (unlikely(q->dev->knobs.check)) {
        for (uint32_t i = q->written; i != q->filled; i++) {
            nm_check_done(q, i & q->mask);
        }
    }
    for (uint32_t i = q->filled; i != q->written; ) {
        const struct nm_slot *slot = &q->slots[--i & q->mask];
        struct nm_desc *desc = &q->ring[i & q->mask];

        desc->lo = ((uint64_t) slot->flags << 48 | (uint64_t) slot->len << 32
                    | slot->rss);
        __atomic_store_n(&desc->hi, NM_DONE, __ATOMIC_RELEASE);
    }
    q->written = q->filled;
    nm_add(&q->n_groups, 1);
    if (n >= NM_BURST) {
        nm_add(&q->n_full_groups, 1);
    }
}

/* Is a frame to 'dst' for 'dev'? */
static bool
for_us(const struct nm_dev *dev, const uint8_t *dst)
{
    static const uint8_t broadcast[6] = { 255, 255, 255, 255, 255, 255 };

    return (dev->promisc
            || !memcmp(dst, &dev->filter, 6)
            || !memcmp(dst, broadcast, 6)
            || (dst[0] & 1 && dev->allmulti));
}

/* Returns true, and counts why, if a frame of 'len' bytes to 'dst' is not to
 * be received.  A NIC counts nothing while the link is down or before it is
 * started, but the model does, so that no frame goes astray. */
bool
nm_rx_refuse(struct nm_dev *dev, const uint8_t *dst, uint32_t len)
{
    uint64_t *why = NULL;

    if (!dev->started || !dev->link || dev->hung) {
        why = &dev->n_lost;
    } else if (dev->knobs.rx_error_every
               && dev->n_arrived % dev->knobs.rx_error_every == 0) {
        why = &dev->n_crc_errors;
    } else if (len > dev->max_frame) {
        why = &dev->n_oversize;
    } else if (!for_us(dev, dst)) {
        why = &dev->n_filtered;
    }
    if (why) {
        nm_add(why, 1);
    }
    return why != NULL;
}

/* Receives a frame that was made elsewhere. */
void
nm_rx_frame(struct nm_dev *dev, const uint8_t *p, uint32_t len, uint64_t now)
{
    struct nm_slot *slot;
    struct nm_rxq *q;
    uint16_t flags = 0;
    uint32_t rss;

    if (!nm_rx_accept(dev, p, len)) {
        return;
    }
    rss = nm_rss_frame(dev, p, len, &flags);
    q = nm_rx_queue(dev, rss);
    slot = q ? nm_rx_claim(q) : NULL;
    if (!slot) {
        nm_add(q ? &q->n_missed : &dev->n_missed, 1);
    } else if (slot->room < len) {
        nm_add(&dev->n_no_room, 1);
    } else {
        if (unlikely(dev->knobs.check)) {
            nm_check_fill(q, q->filled & q->mask);
        }
        memcpy((void *) (uintptr_t) slot->addr, p, len);
        nm_rx_commit(q, slot, len, rss, flags, now);
    }
}
