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

#ifndef IOVTEE_RINGSTATS_H
#define IOVTEE_RINGSTATS_H 1

/* Counters of a guest's ring
 * ==========================
 *
 * What librte_vhost counts for the rings that it serves itself, for the ones
 * that IOVTee serves in its place, under the same names.
 *
 * Thread-safety
 * =============
 *
 * One thread at a time counts, usually the one that holds the lock of the
 * virtqueue.  Any thread may read at any time without a lock: each counter is
 * an aligned 64-bit word, so a reader sees every one as it is or was a moment
 * ago, but not necessarily all of them at the same moment. */

#include <stdint.h>
#include <string.h>

#include "compat/dpdk.h"
#include "compiler.h"

struct netdev_stats;

enum {
    /* Bins of the frame sizes.  librte_vhost has eight: less than 64, exactly
     * 64, 65...127, 128...255, 256...511, 512...1023, 1024...1518, and the
     * rest.  Here the rest is split further at each power of 2, so that a
     * size's bin is its highest bit plus two comparisons. */
    IOVTEE_RINGSTATS_MIN_BIT = 5, /* Highest bit of sizes below 64. */
    IOVTEE_RINGSTATS_N_BINS = 32 + 2 - IOVTEE_RINGSTATS_MIN_BIT,

    /* How many counters iovtee_ringstats_foreach() reports. */
    IOVTEE_RINGSTATS_N = IOVTEE_HAS_MORE_RINGSTATS ? 21 : 17
};

/* Members are private to this module.  All zeros is a fresh set. */
struct iovtee_ringstats {
    uint64_t bytes;
    uint64_t multicast;         /* Frames; without broadcast. */
    uint64_t broadcast;         /* Frames. */
    uint64_t guest_notifications; /* Interrupts sent to the guest. */
    uint64_t bins[IOVTEE_RINGSTATS_N_BINS]; /* Frames by size. */
};

typedef void iovtee_ringstats_cb(const char *name, uint64_t value, void *aux);

void iovtee_ringstats_foreach(const struct iovtee_ringstats *,
                              const char *prefix, iovtee_ringstats_cb *,
                              void *aux);
void iovtee_ringstats_clear_netdev(struct netdev_stats *);
void iovtee_ringstats_add_netdev_rx(const struct iovtee_ringstats *,
                                    struct netdev_stats *);
void iovtee_ringstats_add_netdev_tx(const struct iovtee_ringstats *,
                                    struct netdev_stats *);

/* Counts multicast frame 'frame' of 'len' bytes.  A helper of
 * iovtee_ringstats_count(). */
static inline void
iovtee_ringstats_count_multicast__(struct iovtee_ringstats *stats,
                                   const uint8_t *frame, uint32_t len)
{
    static const uint8_t all_ones[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};

    if (len >= sizeof all_ones && !memcmp(frame, all_ones, sizeof all_ones)) {
        stats->broadcast++;
    } else {
        stats->multicast++;
    }
}

/* Counts a frame that was delivered or received: 'frame' is its Ethernet
 * header, 'len' its length in bytes, the virtio header not included.  'len'
 * must not be 0. */
static inline void
iovtee_ringstats_count(struct iovtee_ringstats *stats, const uint8_t *frame,
                       uint32_t len)
{
    uint32_t bit = 31 - __builtin_clz(len | 1u << IOVTEE_RINGSTATS_MIN_BIT);

    stats->bytes += len;
    stats->bins[bit - IOVTEE_RINGSTATS_MIN_BIT + (len > 64) + (len > 1518)]++;
    if (OVS_UNLIKELY(frame[0] & 1)) {
        iovtee_ringstats_count_multicast__(stats, frame, len);
    }
}

/* Adds each member of 'src', 'times', to that of 'dst'.  Both are structures
 * of 'size' bytes with nothing but uint64_t in them. */
static inline void
iovtee_counters_add(void *dst, const void *src, size_t size, uint64_t times)
{
    const uint64_t *s = src;
    uint64_t *d = dst;

    for (size_t i = 0; i < size / sizeof *d; i++) {
        d[i] += times * s[i];
    }
}

/* Counts an interrupt that was sent to the guest. */
static inline void
iovtee_ringstats_count_notification(struct iovtee_ringstats *stats)
{
    stats->guest_notifications++;
}

#endif /* ringstats.h */
