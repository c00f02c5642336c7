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

#ifndef IOVTEE_HOSTPOOL_H
#define IOVTEE_HOSTPOOL_H 1

/* Host packet buffers of guest ports
 * ==================================
 *
 * Packets that are copied out of a guest need mbufs.  They come from mempools
 * that guest ports of the same NUMA node and the same buffer size share, or,
 * with other_config:per-port-memory, from one of the port's own.  As in Open
 * vSwitch's own DPDK ports, other_config:shared-mempool-config can make ports
 * share that have different MTUs, and each element is a 'struct dp_packet' of
 * source DPBUF_DPDK, its mbuf first.
 *
 * States of a pool:
 *
 *                 put() of the last reference
 *       IN USE ---------------------------------> PARKED ----> (freed)
 *          ^                                        |  sweep(), all mbufs home
 *          |                  get()                 |
 *          +----------------------------------------+
 *
 * A packet of a parked pool may still be in a queue anywhere in the switch, or
 * in the transmit ring of a NIC.  The pool is therefore freed only when all
 * its mbufs are home and, since a thread may just be about to leave the
 * mempool's own code, when every thread has been quiescent once after that.
 *
 * Thread-safety
 * =============
 *
 * All functions may be called by any thread that is not in the middle of
 * another one of them; in practice this is the main thread.  They take one
 * internal mutex, never held while waiting for anything. */

#include <stdio.h>

struct ds;
struct rte_mempool;
struct smap;

/* What a port needs a pool for. */
struct iovtee_hostpool_need {
    const char *port;           /* Its name. */
    int mtu;
    int socket_id;              /* NUMA node, negative if not known. */
    unsigned int n_queues;      /* That the guest transmits on. */
    unsigned int n_nic;         /* Mbufs that NICs may keep when sent, of all
                                 * ports together. */
};

void iovtee_hostpool_configure(const struct smap *other_config);

struct rte_mempool *iovtee_hostpool_get(const struct iovtee_hostpool_need *);
void iovtee_hostpool_put(struct rte_mempool *);
void iovtee_hostpool_sweep(void);

unsigned int iovtee_hostpool_count(void);
void iovtee_hostpool_format(const struct rte_mempool *, struct ds *);
void iovtee_hostpool_dump(struct rte_mempool *, FILE *);

#endif /* hostpool.h */
