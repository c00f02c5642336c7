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
 * the same call, in the order in which they came.  So none is out between two
 * calls, and the used index in guest memory is all that a successor has to
 * know, whatever becomes of us.
 *
 *    while (...) {
 *        n = iovtee_txvq_recv(vq, mp, mbufs, NETDEV_MAX_BURST);
 *        ...pass 'mbufs' on...
 *    }
 *
 * Zero-copy
 * =========
 *
 * If that is wanted (iovtee_txvq_set_zero_copy()), and while there is a NIC
 * that can read guest memory (iovtee_txvq_lend_to()), frames of full bursts
 * stay where they are.  The packet is a read-only shell (queue/shells.h) then,
 * and its buffer is out until the packet is freed, by a NIC that has sent it
 * or by whoever dropped it.  The ledger and the in-flight table have these
 * buffers.
 *
 * A NIC may keep what it has sent for as long as it likes.  So never more than
 * half of the ring is out, whatever else the guest sends is copied, and who
 * polls the queue has the NIC asked (iovtee_txvq_asks()) when that is all that
 * is left to do.  What is out for long all the same, as the NIC does not
 * answer, the main thread finds by iovtee_txvq_stuck_for().
 *
 * Once iovtee_txvq_suspend_all() returns nothing is out any more.  Frames
 * that were still on their way through the switch are not sent, then.
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
#include "queue/shells.h"
#include "util.h"
#include "virtio/inflight.h"
#include "virtio/ledger.h"
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
            "the virtio header asked for what the frame does not allow")    \
    TX_DROP(STOPPED, "stopped",                                             \
            "the queue was stopped before the frame was sent")              \
    TX_DROP(REWRITTEN, "rewritten",                                         \
            "the guest made it another kind of frame meanwhile")

enum iovtee_tx_drop_reason {
#define TX_DROP(ENUM, NAME, TEXT) IOVTEE_TX_DROP_##ENUM,
    IOVTEE_TX_DROP_REASONS
#undef TX_DROP
    IOVTEE_N_TX_DROP_REASONS
};

/* Why a frame was copied although zero-copy was wanted. */
#define IOVTEE_TX_COPY_REASONS                                              \
    TX_COPY(SHORT, "short", "the frame was shorter than tx-zero-copy-min")  \
    TX_COPY(PIECES, "pieces",                                               \
            "the frame was in several pieces, or too long for one")         \
    TX_COPY(OFFLOAD, "offload",                                             \
            "the guest left a checksum or segmentation to the switch")      \
    TX_COPY(QUIET, "quiet", "the guest sent less than a burst at a time")   \
    TX_COPY(RING_OUT, "ring_out", "half of the guest's ring was out")       \
    TX_COPY(STOPS, "stops",                                                 \
            "transmit queues of NICs had to be stopped too often for it")   \
    TX_COPY(NO_NIC, "no_nic",                                               \
            "there was no NIC that can read it there and give it back")     \
    TX_COPY(MEMORY, "memory",                                               \
            "there was no memory to lend the guest's buffers")              \
    TX_COPY(MIGRATION, "migration", "the guest is being migrated")          \
    TX_COPY(RECOVERED, "recovered", "a switch that died had left it")       \
    TX_COPY(ACTION, "action",                                               \
            "more was to be done with it than to send it once")             \
    TX_COPY(PORT, "port", "it went to another port than the peer")          \
    TX_COPY(GUEST, "guest", "it went to a guest, into its buffer")

enum iovtee_tx_copy_reason {
#define TX_COPY(ENUM, NAME, TEXT) IOVTEE_TX_COPY_##ENUM,
    IOVTEE_TX_COPY_REASONS
#undef TX_COPY
    IOVTEE_N_TX_COPY_REASONS
};

const char *iovtee_tx_copy_reason_name(enum iovtee_tx_copy_reason);
const char *iovtee_tx_copy_reason_text(enum iovtee_tx_copy_reason);
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
    uint64_t zero_copied;               /* Frames that a NIC read in place. */
    uint64_t copied[IOVTEE_N_TX_COPY_REASONS];
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
    struct iovtee_inflight *inflight;   /* Table that survives us, or NULL.
                                         * Must outlive the queue's end. */
    bool zero_copy;                     /* See iovtee_txvq_set_zero_copy(). */
    uint32_t zero_copy_min;
};

/* A snapshot for people. */
struct iovtee_txvq_info {
    enum iovtee_txvq_state state;
    uint32_t size;                      /* Of the ring. */
    uint32_t n_waiting;                 /* Buffers that were not taken yet. */
    uint32_t n_out;                     /* Buffers that were, and that the
                                         * guest was not told of. */
    uint32_t n[IOVTEE_N_PLACES];        /* Where all buffers are. */
    uint64_t n_violations;
    bool zero_copy;                     /* Is it wanted, ... */
    bool has_nic;                       /* ...is there a NIC for it, ... */
    const char *why_no_nic;             /* ...and if not, why, ... */
    bool paused;                        /* See iovtee_txvq_pause(). */
    bool logged;                        /* ...is the guest being migrated? */
    enum iovtee_vring_fault fault;
};

struct iovtee_txvq_lent;

struct iovtee_txvq {
    /* Constant from creation on. */
    char *port;                         /* Name of the port. */
    unsigned int q;                     /* Number of the queue in the port. */
    unsigned int hdr_len;               /* Bytes before the frame: 10, 12. */
    bool offloads;                      /* May the guest ask for any? */
    struct iovtee_ring_setup ring;      /* As the session described it.  The
                                         * memory is not referenced. */
    struct ovs_refcount ref_cnt;
    struct iovtee_inflight *table;      /* As in the configuration. */

    /* For the thread that polls. */
    bool asks;                          /* See iovtee_txvq_asks(). */
    uint32_t n_idle;                    /* Polls that found nothing, while
                                         * buffers were out. */

    OVS_ALIGNED_VAR(CACHE_LINE_SIZE) struct ovs_spin lock;
    enum iovtee_txvq_state state OVS_GUARDED;
    struct iovtee_vring vring OVS_GUARDED;
    struct iovtee_notifier *notifier OVS_GUARDED; /* NULL if none. */
    bool notify OVS_GUARDED;            /* Is the guest to be interrupted when
                                         * the lock is released? */
    bool reported OVS_GUARDED;          /* Was the ring's fault logged? */
    bool announce OVS_GUARDED;          /* See iovtee_txvq_announce(). */
    uint8_t mac[6] OVS_GUARDED;         /* Likewise. */

    /* Zero-copy.  A buffer in IOVTEE_SWITCH is out, one in IOVTEE_IDLE is left
     * from a predecessor and in 'again'. */
    bool zero_copy OVS_GUARDED;         /* Is it wanted, ... */
    uint32_t zero_copy_min OVS_GUARDED; /* ...for frames this long? */
    bool no_memory OVS_GUARDED;         /* Was there none for shells? */
    const char *why_no_nic OVS_GUARDED; /* See iovtee_txvq_lend_to(). */
    long long int paused_until OVS_GUARDED; /* See iovtee_txvq_pause(). */
    uint64_t n_home OVS_GUARDED;        /* Buffers that came home, ... */
    uint64_t seen_home OVS_GUARDED;     /* ...and how many that were... */
    long long int seen_at OVS_GUARDED;  /* ...since when, ms, while any are
                                         * out, otherwise 0. */
    struct iovtee_ledger ledger OVS_GUARDED;
    struct iovtee_inflight_ring inflight OVS_GUARDED;
    uint16_t *again OVS_GUARDED;        /* Heads to take first, ... */
    uint32_t n_again OVS_GUARDED;       /* ...so many, from the... */
    uint32_t next_again OVS_GUARDED;    /* ...next one on. */
    struct iovtee_txvq_lent *lent OVS_GUARDED;  /* The shells, or NULL. */

    struct iovtee_txvq_counters counters;
};

/* How much is done to have a NIC give back what it was to send. */
enum iovtee_txvq_fetch_step {
    IOVTEE_TXVQ_ASK,            /* It is asked for what it has sent. */
    IOVTEE_TXVQ_STOP_QUEUE,     /* The queue is stopped for a moment. */
    IOVTEE_TXVQ_RESTART,        /* The device is restarted... */
    IOVTEE_TXVQ_SET_UP,         /* ...with its transmit queues set up anew. */
    IOVTEE_TXVQ_LEAVE_STOPPED,  /* The device is stopped and stays so. */
};

/* Transmit queues of NICs that are seen to at a time. */
#define IOVTEE_TXVQ_MAX_PLACES 16

/* Where buffers of a guest are that were sent. */
struct iovtee_txvq_places {
    struct { uint16_t port_id, txq; } places[IOVTEE_TXVQ_MAX_PLACES];
    unsigned int n;
    uint32_t n_sent;            /* Buffers that were sent... */
    uint32_t n_out;             /* ...and those that are out at all. */
};

/* Does that with transmit queue 'txq' of DPDK port 'port_id'. */
typedef void iovtee_txvq_fetch(uint16_t port_id, uint16_t txq,
                               enum iovtee_txvq_fetch_step);

struct iovtee_txvq *iovtee_txvq_create(const struct iovtee_txvq_config *);
struct iovtee_txvq *iovtee_txvq_ref(struct iovtee_txvq *);
void iovtee_txvq_unref(struct iovtee_txvq *);

/* Life cycle, called by whoever owns the ring's session. */
void iovtee_txvq_resume(struct iovtee_txvq *, int callfd,
                        const struct iovtee_vring_log *);
void iovtee_txvq_suspend(struct iovtee_txvq *);
bool iovtee_txvq_suspend_all(struct iovtee_txvq *const[], unsigned int n,
                             long long int deadline, iovtee_txvq_fetch *,
                             bool *forced);
void iovtee_txvq_finish(struct iovtee_txvq *, uint16_t *last_avail,
                        uint16_t *last_used);
void iovtee_txvq_set_callfd(struct iovtee_txvq *, int callfd);
void iovtee_txvq_announce(struct iovtee_txvq *, const uint8_t mac[6]);
bool iovtee_txvq_same_ring(const struct iovtee_txvq *,
                           const struct iovtee_ring_setup *);

/* Zero-copy (queue/txvq-lend.c). */
void iovtee_txvq_set_zero_copy(struct iovtee_txvq *, bool zero_copy,
                               uint32_t min);
void iovtee_txvq_lend_to(struct iovtee_txvq *, uint32_t port_id,
                         const char *why_not);
void iovtee_txvq_pause(struct iovtee_txvq *, long long int until);
bool iovtee_txvq_asks(struct iovtee_txvq *, uint16_t *port_id, uint16_t *txq);
bool iovtee_txvq_is_balanced(struct iovtee_txvq *);
long long int iovtee_txvq_stuck_for(struct iovtee_txvq *, long long int now,
                                    struct iovtee_txvq_places *);
bool iovtee_txvq_tidy(struct iovtee_txvq *);
size_t iovtee_txvq_sweep(void);
size_t iovtee_txvq_get_retired(struct iovtee_retired **);

/* The switch's side (the first in queue/txvq-recv.c). */
unsigned int iovtee_txvq_recv(struct iovtee_txvq *, struct rte_mempool *,
                              struct rte_mbuf *[], unsigned int n);
unsigned int iovtee_txvq_n_waiting(struct iovtee_txvq *);

void iovtee_txvq_get_info(struct iovtee_txvq *, struct iovtee_txvq_info *);
const char *iovtee_txvq_zero_copy_text(const struct iovtee_txvq_info *);

/* For the other files of this module. */
void iovtee_txvq_unlock(struct iovtee_txvq *vq) OVS_RELEASES(vq->lock);
void iovtee_txvq_publish(struct iovtee_txvq *vq) OVS_REQUIRES(vq->lock);
bool iovtee_txvq_may_lend(struct iovtee_txvq *vq, unsigned int n,
                          enum iovtee_tx_copy_reason *)
    OVS_REQUIRES(vq->lock);
unsigned int iovtee_txvq_check_heads(struct iovtee_txvq *vq,
                                     const uint16_t heads[], unsigned int n)
    OVS_REQUIRES(vq->lock);
unsigned int iovtee_txvq_lend(struct iovtee_txvq *vq, const uint16_t heads[],
                              unsigned int n, uint32_t room,
                              struct rte_mbuf *shells[],
                              unsigned int *n_good)
    OVS_REQUIRES(vq->lock);
void iovtee_txvq_unlend(struct iovtee_txvq *vq, uint16_t head)
    OVS_REQUIRES(vq->lock);
void iovtee_txvq_note_idle(struct iovtee_txvq *vq) OVS_REQUIRES(vq->lock);
void iovtee_txvq_count_end(struct iovtee_txvq *vq, const struct rte_mbuf *)
    OVS_REQUIRES(vq->lock);

/* Gives buffer 'head' back to the guest. */
static inline void
iovtee_txvq_give(struct iovtee_txvq *vq, uint16_t head)
    OVS_REQUIRES(vq->lock)
{
    iovtee_vring_give(&vq->vring, head, 0);
    iovtee_inflight_give(&vq->inflight, head);
}

#endif /* txvq.h */
