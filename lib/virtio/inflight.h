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


#ifndef IOVTEE_INFLIGHT_H
#define IOVTEE_INFLIGHT_H 1

/* In-flight table
 * ===============
 *
 * A guest's receive buffers come back to it in any order, so that the indices
 * of its ring do not say which ones we have.  If the switch dies, what it knew
 * dies with it, except what it had written to this table: a file, best in a
 * tmpfs, that belongs to one vhost-user socket.  The next switch learns from
 * it, for each ring that is still there, which buffers are its own.
 *
 * It serves the purpose of the in-flight region of the vhost-user
 * specification ("Inflight I/O tracking"), and holds the same facts.  That
 * region is shared with the front-end and has to be understood by others; this
 * file is ours alone, so its entries are made such that each step costs one
 * store and a crash between any two stores can be told from all others.
 *
 * Contents
 * ========
 *
 * The table counts the buffers that were given back on a ring.  The low 16
 * bits of the count are the ring's used index.  For each descriptor head there
 * is a mark:
 *
 *    - OUTSTANDING, from iovtee_inflight_take() on,
 *
 *    - then, from iovtee_inflight_give() on, the count including this buffer,
 *
 * and for the ring there is 'published', the count up to which the driver has
 * been told, which follows the used index of the ring.  So a buffer is ours if
 * its mark is OUTSTANDING or greater than 'published'.  If we died between
 * telling the driver and storing 'published', the ring's used index says by
 * how much 'published' is behind.
 *
 * The available index at which to go on is the used index plus the number of
 * buffers that are ours, because buffers are taken in order.
 *
 * Usage
 * =====
 *
 *     iovtee_inflight_open(path, &table);
 *
 *     iovtee_inflight_attach(table, q, size, &ring);
 *     if (iovtee_inflight_identify(&ring, &config)
 *         && !iovtee_vring_read_indices(&config, &avail_idx, &used_idx)
 *         && !iovtee_inflight_recover(&ring, avail_idx, used_idx,
 *                                     heads, &n)) {
 *         config.last_avail = used_idx + n;
 *         config.last_used = used_idx;
 *         ...the 'n' 'heads' were taken already...
 *     } else {
 *         iovtee_inflight_start(&ring, &config);
 *     }
 *     iovtee_vring_init(&vr, &config);
 *
 *     n = iovtee_vring_take(&vr, heads, ARRAY_SIZE(heads));
 *     ...for each, in this order: iovtee_inflight_take(&ring, heads[i]);
 *
 *     iovtee_vring_give(&vr, head, len);
 *     iovtee_inflight_give(&ring, head);
 *
 *     iovtee_vring_publish(&vr);
 *     iovtee_inflight_publish(&ring);
 *
 *     ...when everything has been given back and published:
 *     iovtee_inflight_stop(&ring);
 *
 * Trust
 * =====
 *
 * The file must be in a directory that only the switch may write to.  What is
 * read from it and from the ring is checked all the same: heads are always in
 * range, and a table that cannot be true is discarded.  A guest that lies
 * about its indices loses its own buffers.
 *
 * Memory ordering
 * ===============
 *
 * The reader of these stores comes after the end of the writer, so that no
 * other CPU is to be considered: the stores are releases only to keep them in
 * order of the program, and with respect to V2 of virtio/vring.h.
 *
 * Thread-safety
 * =============
 *
 * Different rings of a table may be used by different threads.  One ring's
 * owner serializes access with its lock.
 *
 * This module is pure: no DPDK, no Open vSwitch state, no log. */

#include <stdbool.h>
#include <stdint.h>

#include "virtio/vring.h"

/* Rings that a table has room for.  The first half is for receive queues, the
 * second one for transmit queues. */
#define IOVTEE_INFLIGHT_MAX_QUEUES 256

/* The number of the ring of transmit queue Q. */
#define IOVTEE_INFLIGHT_TXQ(Q) (IOVTEE_INFLIGHT_MAX_QUEUES / 2 + (Q))

/* The mark of a buffer that was taken and not given back. */
#define IOVTEE_INFLIGHT_OUTSTANDING UINT64_MAX

struct iovtee_inflight;
struct iovtee_inflight_record;

/* One ring of a table.  Of a ring that is all zeros nothing is recorded, and
 * all functions do nothing. */
struct iovtee_inflight_ring {
    struct iovtee_inflight_record *record;      /* In the file. */
    uint64_t *published;        /* In the file. */
    uint64_t *marks;            /* In the file, by head. */
    uint64_t given;             /* Count, including what is not published. */
    uint32_t size;              /* Number of marks. */
};

int iovtee_inflight_open(const char *path, struct iovtee_inflight **);
void iovtee_inflight_close(struct iovtee_inflight *);

int iovtee_inflight_attach(struct iovtee_inflight *, unsigned int q,
                           uint32_t size, struct iovtee_inflight_ring *);
bool iovtee_inflight_has(const struct iovtee_inflight *, unsigned int q);
bool iovtee_inflight_identify(const struct iovtee_inflight_ring *,
                              const struct iovtee_vring_config *);
int iovtee_inflight_recover(struct iovtee_inflight_ring *,
                            uint16_t avail_idx, uint16_t used_idx,
                            uint16_t heads[], uint32_t *n);
void iovtee_inflight_start(struct iovtee_inflight_ring *,
                           const struct iovtee_vring_config *);
void iovtee_inflight_stop(struct iovtee_inflight_ring *);

/* Records that buffer 'head' was taken, in the order of the available ring,
 * and before anything is done with it. */
static inline void
iovtee_inflight_take(struct iovtee_inflight_ring *ring, uint16_t head)
{
    if (ring->marks) {
        __atomic_store_n(&ring->marks[head], IOVTEE_INFLIGHT_OUTSTANDING,
                         __ATOMIC_RELEASE);
    }
}

/* Records that buffer 'head' was given back, in the order of the used ring,
 * before this is published. */
static inline void
iovtee_inflight_give(struct iovtee_inflight_ring *ring, uint16_t head)
{
    if (ring->marks) {
        __atomic_store_n(&ring->marks[head], ++ring->given, __ATOMIC_RELEASE);
    }
}

/* Records that everything that was given back has been published, right
 * afterwards. */
static inline void
iovtee_inflight_publish(struct iovtee_inflight_ring *ring)
{
    if (ring->marks) {
        __atomic_store_n(ring->published, ring->given, __ATOMIC_RELEASE);
    }
}

#endif /* inflight.h */
