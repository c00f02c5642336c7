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

#ifndef IOVTEE_TXVQ_H
#define IOVTEE_TXVQ_H 1

/* Guest transmit queue
 * ====================
 *
 * One of a guest's transmit virtqueues as the switch uses it.  Packets are
 * copied out of the guest's buffers, and the buffers go back to the guest in
 * the same call, in the order in which they came.  So there is no ledger: none
 * is ever out between two calls, and the used index in guest memory is all
 * that a successor has to know, whatever becomes of us.
 *
 *    while (...) {
 *        n = iovtee_txvq_recv(vq, mp, mbufs, NETDEV_MAX_BURST);
 *        ...pass 'mbufs' on...
 *    }
 *
 * States
 * ======
 *
 *    SUSPENDED ---> RUNNING ---> SUSPENDED ---> RUNNING or FINISHED
 *
 * Only a running queue touches guest memory.  A finished one has no reference
 * to it any more, and is only there for threads that have not noticed yet.
 *
 * Threads
 * =======
 *
 * Every function may be called from any thread.  One spin lock per queue is
 * taken once per burst; nothing that blocks is done under it, and no other
 * lock is taken while it is held.  iovtee_txvq_recv() and
 * iovtee_txvq_n_waiting(), which are for PMD threads, only try for it.
 *
 * The functions that may interrupt the guest, which are iovtee_txvq_recv(),
 * _resume() and _set_callfd(), do so after they have released the lock.  Their
 * caller should hold none, because a front-end can make that block
 * (queue/notifier.h). */

#include <stdbool.h>
#include <stdint.h>

#include "openvswitch/thread.h"
#include "openvswitch/types.h"
#include "ovs-atomic.h"
#include "ovs-thread.h"
#include "queue/notifier.h"
#include "queue/ring-setup.h"
#include "queue/ringstats.h"
#include "util.h"
#include "virtio/vring.h"

struct rte_mbuf;
struct rte_mempool;

/* Why something that the guest sent was lost: name in counters, and what it
 * means. */
#define IOVTEE_TX_DROP_REASONS                                              \
    TX_DROP(EMPTY, "empty", "there was no frame behind the virtio header")  \
    TX_DROP(TOO_LONG, "too_long",                                           \
            "the frame was longer than the port's packet buffers")          \
    TX_DROP(MEMORY, "memory", "there was no memory for a frame that long")  \
    TX_DROP(HEADER, "header",                                               \
            "the virtio header asked for what the frame does not allow")

enum iovtee_tx_drop_reason {
#define TX_DROP(ENUM, NAME, TEXT) IOVTEE_TX_DROP_##ENUM,
    IOVTEE_TX_DROP_REASONS
#undef TX_DROP
    IOVTEE_N_TX_DROP_REASONS
};

const char *iovtee_tx_drop_reason_name(enum iovtee_tx_drop_reason);
const char *iovtee_tx_drop_reason_text(enum iovtee_tx_drop_reason);

enum iovtee_txvq_state {
    IOVTEE_TXVQ_SUSPENDED,
    IOVTEE_TXVQ_RUNNING,
    IOVTEE_TXVQ_FINISHED,
};

const char *iovtee_txvq_state_to_string(enum iovtee_txvq_state);

/* For the packets of a burst, so many pieces of the guest's buffers are looked
 * at, and no more: the rest of the burst waits for the next one.  It is the
 * longest chain, and a Linux guest, whose frames have 19 pieces at most, gets
 * full bursts. */
#define IOVTEE_TXVQ_MAX_PIECES IOVTEE_CHAIN_MAX_SEGS

/* Everything that a queue counts.  Counted under the queue's lock, read
 * without it. */
struct iovtee_txvq_counters {
    struct iovtee_ringstats ring;       /* As librte_vhost counts. */
    uint64_t dropped[IOVTEE_N_TX_DROP_REASONS];
    uint64_t faults[IOVTEE_N_FAULTS];   /* Times the ring was found broken. */
};

void iovtee_txvq_counters_add(struct iovtee_txvq_counters *,
                              const struct iovtee_txvq_counters *);

/* What iovtee_txvq_create() needs to know. */
struct iovtee_txvq_config {
    const char *port;                   /* Name of the port, for the log. */
    unsigned int q;                     /* Number of the queue in the port. */
    const struct iovtee_ring_setup *ring;
};

/* A snapshot for people. */
struct iovtee_txvq_info {
    enum iovtee_txvq_state state;
    uint32_t size;                      /* Of the ring. */
    uint32_t n_waiting;                 /* Buffers that were not taken yet. */
    uint32_t n_out;                     /* Buffers that were, and that the
                                         * guest was not told of: none, if all
                                         * is well. */
    enum iovtee_vring_fault fault;
};

struct iovtee_txvq {
    /* Constant from creation on. */
    char *port;                         /* Name of the port. */
    unsigned int q;                     /* Number of the queue in the port. */
    unsigned int hdr_len;               /* Bytes before the frame: 10, 12. */
    bool offloads;                      /* May the guest ask for any? */
    struct iovtee_ring_setup ring;      /* As the session described it.  The
                                         * memory is not referenced. */
    struct ovs_refcount ref_cnt;

    OVS_ALIGNED_VAR(CACHE_LINE_SIZE) struct ovs_spin lock;
    enum iovtee_txvq_state state OVS_GUARDED;
    struct iovtee_vring vring OVS_GUARDED;
    struct iovtee_notifier *notifier OVS_GUARDED; /* NULL if none. */
    bool notify OVS_GUARDED;            /* Is the guest to be interrupted when
                                         * the lock is released? */
    bool reported OVS_GUARDED;          /* Was the ring's fault logged? */
    bool announce OVS_GUARDED;          /* See iovtee_txvq_announce(). */
    uint8_t mac[6] OVS_GUARDED;         /* Likewise. */

    struct iovtee_txvq_counters counters;
};

struct iovtee_txvq *iovtee_txvq_create(const struct iovtee_txvq_config *);
struct iovtee_txvq *iovtee_txvq_ref(struct iovtee_txvq *);
void iovtee_txvq_unref(struct iovtee_txvq *);

/* Life cycle, called by whoever owns the ring's session. */
void iovtee_txvq_resume(struct iovtee_txvq *, int callfd,
                        const struct iovtee_vring_log *);
void iovtee_txvq_suspend(struct iovtee_txvq *);
void iovtee_txvq_finish(struct iovtee_txvq *, uint16_t *last_avail,
                        uint16_t *last_used);
void iovtee_txvq_set_callfd(struct iovtee_txvq *, int callfd);
void iovtee_txvq_announce(struct iovtee_txvq *, const uint8_t mac[6]);
bool iovtee_txvq_same_ring(const struct iovtee_txvq *,
                           const struct iovtee_ring_setup *);

/* The switch's side (the first in queue/txvq-recv.c). */
unsigned int iovtee_txvq_recv(struct iovtee_txvq *, struct rte_mempool *,
                              struct rte_mbuf *[], unsigned int n);
unsigned int iovtee_txvq_n_waiting(struct iovtee_txvq *);

void iovtee_txvq_get_info(struct iovtee_txvq *, struct iovtee_txvq_info *);

/* For the other files of this module. */
void iovtee_txvq_unlock(struct iovtee_txvq *vq) OVS_RELEASES(vq->lock);

#endif /* txvq.h */
