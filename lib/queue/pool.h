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

#ifndef IOVTEE_POOL_H
#define IOVTEE_POOL_H 1

/* Memory pools without memory
 * ===========================
 *
 * DPDK drivers refill their receive queues from a mempool and give mbufs back
 * to the mempool that each mbuf names.  That is all we need to put a guest's
 * buffers into a NIC without changing a driver:
 *
 *    - A *home* is named by mbufs of the caller's (queue/shells).  An mbuf
 *      that OVS or a driver frees comes back to 'put'; nobody gets one by
 *      allocating from the pool.
 *
 *    - A *feed* has no elements to give.  It is what a NIC's receive queue is
 *      set up with: each allocation asks 'get', which answers with shells or
 *      with mbufs of any other pool.  Every mbuf is freed to the pool that it
 *      belongs to, so nothing ever comes back to a feed.  Each queue has one
 *      of its own, but all of them together take two of DPDK's memzones.
 *
 * Neither has a per-lcore cache, so each allocation and each free reaches the
 * callbacks at once.
 *
 * Threads
 * =======
 *
 * 'get' runs where the driver refills: on the PMD thread that polls the queue,
 * or on the thread that starts the device.  'put' runs on any thread. */

#include <stdbool.h>
#include <stdint.h>

struct rte_mempool;

struct iovtee_pool_ops {
    /* Stores exactly 'n' mbufs in 'objs' and returns 0, or a negative errno
     * value if it stores none, as DPDK's mempool operations do. */
    int (*get)(void *aux, void **objs, unsigned int n);

    /* Takes back the 'n' mbufs in 'objs'. */
    void (*put)(void *aux, void *const *objs, unsigned int n);
};

struct rte_mempool *iovtee_pool_create_home(
    const char *name, unsigned int elt_size, const struct iovtee_pool_ops *,
    void *aux);
struct rte_mempool *iovtee_pool_create_feed(
    const char *name, unsigned int data_room, int socket_id,
    const struct iovtee_pool_ops *, void *aux);
void iovtee_pool_destroy(struct rte_mempool *);

#endif /* pool.h */
