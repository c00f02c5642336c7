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

#ifndef NM_RING_H
#define NM_RING_H 1

/* What driver and device share
 * ============================
 *
 * A queue is a ring of descriptors in host memory and two numbers that only
 * grow: how many descriptors the driver has posted (the "doorbell", written
 * by the driver only) and how far the device has got.  Each side keeps its
 * own things in cache lines of its own.
 *
 * Receive descriptor, 16 bytes:
 *
 *                  low 64 bits                     high 64 bits
 *     posted       address                         room << 32
 *     written back flags << 48 | len << 32 | rss   NM_DONE
 *
 * The device fills buffers in the order they were posted, and writes
 * descriptors back in groups.  It begins with the last one of a group, so the
 * driver, which looks for NM_DONE from the first one on, sees a whole group
 * or nothing of it.
 *
 * Transmit descriptor, 16 bytes: address; NM_EOP | len.  Nothing is written
 * back to it.  Instead the device stores the number of descriptors that it is
 * done with in 'head', as several Intel NICs can. */

#include <stdbool.h>
#include <stdint.h>

#include <rte_common.h>

#define NM_BURST 32             /* Unit of refills and of write-back. */

#define NM_DONE UINT64_C(1)
#define NM_EOP (UINT64_C(1) << 32)

/* Flags of a received frame. */
#define NM_RX_RSS 1             /* Hash is valid. */
#define NM_RX_CSUM_GOOD 2       /* IPv4 and UDP/TCP checksums are right. */

struct nm_dev;
struct rte_mbuf;
struct rte_mempool;

struct nm_desc {
    uint64_t lo, hi;
};

/* What the device remembers of a receive descriptor that it has read. */
struct nm_slot {
    uint64_t addr;
    uint32_t room;
    uint16_t len, flags;
    uint32_t rss;
    uint32_t n_poison;          /* Check mode: bytes poisoned from 'addr'. */
};

struct nm_rxq {
    /* Constant while the queue is started. */
    struct nm_dev *dev;
    const struct rte_memzone *ring_mz;
    struct nm_desc *ring;
    struct rte_mbuf **mbufs;
    struct nm_slot *slots;
    struct rte_mempool *pool;
    uint64_t rearm;             /* First words of an mbuf. */
    uint64_t ol_flags[4];       /* By flags of the descriptor. */
    uint32_t n_desc, mask;
    uint32_t room;              /* Of each buffer. */
    uint16_t id, free_thresh, socket_id;
    bool deferred;

    /* The driver's. */
    uint32_t next __rte_cache_aligned; /* Descriptor to look at. */
    uint32_t posted;            /* Descriptors posted. */
    bool running;
    uint64_t n_nobuf;           /* Buffers not got from the pool. */

    /* The doorbell. */
    uint32_t tail __rte_cache_aligned;

    /* The device's. */
    uint32_t tail_seen __rte_cache_aligned;
    uint32_t fetched;           /* Check mode: descriptors looked at. */
    uint32_t filled;            /* Buffers written to. */
    uint32_t written;           /* Descriptors written back. */
    bool active;
    uint64_t since;             /* When the oldest pending one was filled. */
    uint64_t n_packets, n_bytes, n_missed, n_groups, n_full_groups;
};

struct nm_txq {
    struct nm_dev *dev;
    const struct rte_memzone *ring_mz;
    struct nm_desc *ring;
    struct rte_mbuf **mbufs;
    uint64_t *sums;             /* Check mode: of each piece of a frame. */
    uint32_t n_desc, mask;
    uint16_t id, free_thresh, socket_id;
    bool deferred;

    /* The driver's. */
    uint32_t posted __rte_cache_aligned;
    uint32_t cleaned;           /* Descriptors of which mbufs are freed. */
    bool running;

    uint32_t tail __rte_cache_aligned;  /* The doorbell. */
    uint32_t head __rte_cache_aligned;  /* Written by the device. */

    /* The device's. */
    uint32_t taken __rte_cache_aligned; /* Descriptors read and sent. */
    uint32_t completed;         /* As in 'head'. */
    bool active;
    uint64_t since;
    uint64_t n_packets, n_bytes, n_bad;
};

static inline uint32_t
nm_load(const uint32_t *p)
{
    return __atomic_load_n(p, __ATOMIC_ACQUIRE);
}

static inline void
nm_store(uint32_t *p, uint32_t x)
{
    __atomic_store_n(p, x, __ATOMIC_RELEASE);
}

/* Prepares for a write to 'p'.  Unlike the compiler's, which by default
 * expects processors of the last century, this takes the cache line away from
 * the other processor. */
static inline void
nm_prefetch_write(const void *p)
{
#ifdef __x86_64__
    __asm__ volatile ("prefetchw %0" : : "m" (*(const char *) p));
#else
    __builtin_prefetch(p, 1);
#endif
}

/* Counters have one writer and readers that do not mind a late value. */
static inline void
nm_add(uint64_t *p, uint64_t n)
{
    __atomic_store_n(p, *p + n, __ATOMIC_RELAXED);
}

static inline uint64_t
nm_get(const uint64_t *p)
{
    return __atomic_load_n(p, __ATOMIC_RELAXED);
}

#endif /* nm-ring.h */
