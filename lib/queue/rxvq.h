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

#ifndef IOVTEE_RXVQ_H
#define IOVTEE_RXVQ_H 1

/* Guest receive queue
 * ===================
 *
 * One of a guest's receive virtqueues as the switch uses it: the ring
 * (virtio/vring), where each of its buffers is (virtio/ledger), and one mbuf
 * *shell* for each descriptor head.  A shell is a complete struct dp_packet
 * without a buffer of its own; it is lent the guest's buffer of the same head.
 * Nothing is allocated on the path: shells lie in one row, so that head and
 * shell follow from each other by arithmetic.  A queue has shells only while
 * a NIC needs them.
 *
 * The life of a buffer
 * ====================
 *
 *    iovtee_rxvq_post()      A NIC's receive queue wants buffers.  A shell is
 *                          handed out in *posted form*: 'buf_addr' lies
 *                          RTE_PKTMBUF_HEADROOM before the place where the
 *                          frame shall begin, which is where drivers write:
 *                          right behind the virtio header, or a few bytes
 *                          earlier or later if VLAN tags are popped or pushed
 *                          on the way (queue/shift.h).
 *
 *    iovtee_rxvq_received()  The NIC has filled it.  Before Open vSwitch sees
 *                          the packet the shell is *normalised*: its buffer is
 *                          now exactly the guest's descriptor, and the
 *                          headroom the few bytes in it before the frame, so
 *                          nothing that the switch pushes can be written
 *                          outside of the guest's own buffer.
 *
 *    iovtee_rxvq_deliver()   OpenFlow sent the packet to this very guest.  If
 *                          the frame is now right behind the virtio header, a
 *                          header and a used-ring entry deliver it.  Any other
 *                          packet is copied into a buffer that the guest has
 *                          posted.
 *
 *    (freed)               Dropped, or sent somewhere else.  The shell comes
 *                          home through its mempool and is posted again.
 *
 * States
 * ======
 *
 *    RUNNING ---> DRAINING ---> SUSPENDED ---> RUNNING or FINISHED
 *
 * A draining queue still delivers what is in the switch but posts nothing;
 * a suspended one touches no guest memory, except for packets that stay in the
 * switch (iovtee_rxvq_suspend()); a finished one has given every
 * buffer back to the guest and waits for its last shells.
 *
 * Ownership
 * =========
 *
 * iovtee_rxvq_create() returns a queue with one reference.  When the last is
 * dropped the queue is retired: it lives on, with its map of the guest's
 * memory, until iovtee_rxvq_sweep() finds that its last shell is home.
 *
 * Threads
 * =======
 *
 * Every function may be called from any thread, except as noted.  One spin
 * lock per queue is taken once per burst; nothing that blocks is done under
 * it, and no other lock is taken while it is held.
 *
 * The functions that may interrupt the guest, which are iovtee_rxvq_deliver(),
 * _finish(), _resume() and _set_callfd(), do so after they have released the
 * lock.  Their caller should hold none, because a front-end can make that
 * block (queue/notifier.h). */

#include <stdbool.h>
#include <stdint.h>

#include "dp-packet.h"
#include "openvswitch/list.h"
#include "ovs-atomic.h"
#include "ovs-thread.h"
#include "queue/loan.h"
#include "queue/mark.h"
#include "queue/notifier.h"
#include "queue/ring-setup.h"
#include "queue/ringstats.h"
#include "queue/shells.h"
#include "queue/shift.h"
#include "virtio/inflight.h"
#include "virtio/ledger.h"
#include "virtio/vring.h"

/* Why a packet was copied rather than delivered in place: name in counters,
 * and what it means. */
#define IOVTEE_COPY_REASONS                                                 \
    REASON(DISABLED, "disabled",                                            \
           "zero-copy is off or not possible for this port")                \
    REASON(MEMORY, "memory",                                                \
           "there was no memory to lend the guest's buffers")               \
    REASON(MIGRATION, "migration", "the guest is being migrated")           \
    REASON(HOST_BUFFER, "host_buffer",                                      \
           "the NIC had received the frame into a buffer of the host")      \
    REASON(PAUSED, "paused",                                                \
           "lending to the NIC was paused, as it did not pay")             \
    REASON(OTHER_PORT, "other_port",                                        \
           "the packet came from a port that is not the peer")              \
    REASON(SWITCH, "switch",                                                \
           "the switch made the packet (controller, clone, reassembly)")    \
    REASON(MOVED, "moved",                                                  \
           "the frame does not begin right behind the virtio header")       \
    REASON(SHORT, "short_buffer",                                           \
           "the guest's buffers are too short for the NIC")                 \
    REASON(CHAINED, "chained",                                              \
           "the guest's buffers are chains of descriptors")                 \
    REASON(INDIRECT, "indirect",                                            \
           "the guest's buffers are indirect descriptors")                  \
    REASON(SPANNED, "spanned",                                              \
           "the frame needed several of the guest's buffers")

enum iovtee_copy_reason {
#define REASON(ENUM, NAME, TEXT) IOVTEE_COPY_##ENUM,
    IOVTEE_COPY_REASONS
#undef REASON
    IOVTEE_N_COPY_REASONS
};

/* Why a packet for this guest, or a buffer of it, was lost. */
#define IOVTEE_DROP_REASONS                                                 \
    DROP(NO_BUFFER, "no_buffer", "the guest had no buffer free")            \
    DROP(TOO_BIG, "too_big", "the frame did not fit the guest's buffer")    \
    DROP(PIECES, "pieces",                                                  \
         "the guest's buffers are in too many pieces")                      \
    DROP(STOPPED, "stopped", "the queue was not running")                   \
    DROP(SCATTERED, "scattered", "the NIC split a frame over buffers")      \
    DROP(OVERRUN, "overrun", "the NIC wrote more than the buffer holds")

enum iovtee_drop_reason {
#define DROP(ENUM, NAME, TEXT) IOVTEE_DROP_##ENUM,
    IOVTEE_DROP_REASONS
#undef DROP
    IOVTEE_N_DROP_REASONS
};

const char *iovtee_copy_reason_name(enum iovtee_copy_reason);
const char *iovtee_copy_reason_text(enum iovtee_copy_reason);
const char *iovtee_drop_reason_name(enum iovtee_drop_reason);
const char *iovtee_drop_reason_text(enum iovtee_drop_reason);
const char *iovtee_border_event_name(enum iovtee_border_event);
const char *iovtee_border_event_text(enum iovtee_border_event);

enum iovtee_rxvq_state {
    IOVTEE_RXVQ_RUNNING,
    IOVTEE_RXVQ_DRAINING,
    IOVTEE_RXVQ_SUSPENDED,
    IOVTEE_RXVQ_FINISHED,
};

const char *iovtee_rxvq_state_to_string(enum iovtee_rxvq_state);

/* How long a suspended queue waits for packets that are still inside of the
 * switch, in microseconds.  A PMD thread that has its processor for itself is
 * through with a burst in some microseconds; one that was preempted may need a
 * time slice or two.  Not waiting for it is worse than to be late: its flows
 * may change headers in place, where the guest may soon have other things. */
#define IOVTEE_RXVQ_SUSPEND_US 100000

/* Everything that a queue counts.  Counted under the queue's lock, read
 * without it. */
struct iovtee_rxvq_counters {
    struct iovtee_ringstats ring;       /* As librte_vhost counts. */
    uint64_t zero_copied;               /* Packets delivered in place. */
    uint64_t exposed;                   /* Frames that were in the guest's
                                         * memory but not for the guest. */
    uint64_t copied[IOVTEE_N_COPY_REASONS];
    uint64_t dropped[IOVTEE_N_DROP_REASONS];
    uint64_t retries;                   /* Looks for late buffers. */
    uint64_t border[IOVTEE_N_BORDER_EVENTS];    /* See lib/border. */
    uint64_t fillers;                   /* Buffers given back unused. */
    uint64_t faults[IOVTEE_N_FAULTS];   /* Times the ring was found broken. */
};

void iovtee_rxvq_counters_add(struct iovtee_rxvq_counters *,
                              const struct iovtee_rxvq_counters *);

/* What all rings of a port's queue have counted that are gone.  A ring whose
 * time is over adds to it at once, and what happens to the packets that are
 * still in the switch when the last of them is home: so nothing is lost, and
 * no counter ever goes back. */
struct iovtee_rxvq_past;

struct iovtee_rxvq_past *iovtee_rxvq_past_create(void);
struct iovtee_rxvq_past *iovtee_rxvq_past_ref(struct iovtee_rxvq_past *);
void iovtee_rxvq_past_unref(struct iovtee_rxvq_past *);
void iovtee_rxvq_past_read(struct iovtee_rxvq_past *,
                           struct iovtee_rxvq_counters *);

/* What iovtee_rxvq_create() needs to know. */
struct iovtee_rxvq_config {
    const char *port;                   /* Name of the port, for the log. */
    unsigned int q;                     /* Number of the queue in the port. */
    const struct iovtee_ring_setup *ring;
    bool zero_copy;                     /* May buffers be posted in a NIC... */
    bool always;                        /* ...also if it does not pay? */
    struct iovtee_inflight *inflight;   /* Table that survives us, or NULL.
                                         * Must outlive the queue's end. */
    struct iovtee_rxvq_past *past;      /* Where counters go in the end, or
                                         * NULL. */
};

/* A snapshot for people. */
struct iovtee_rxvq_info {
    enum iovtee_rxvq_state state;
    uint32_t size;                      /* Of the ring. */
    uint32_t max_lent;                  /* Buffers lent at a time at most. */
    uint32_t n_spared;                  /* The guest's last ones, not lent. */
    uint32_t n[IOVTEE_N_PLACES];
    uint64_t n_violations;
    enum iovtee_vring_fault fault;
    bool is_unfit;                      /* See iovtee_rxvq_is_unfit()... */
    enum iovtee_copy_reason unfit;      /* ...why, of the last that was... */
    uint32_t unfit_len;                 /* ...seen, and its length. */
    uint64_t mem_size;                  /* Guest memory in bytes... */
    size_t n_mem_regions;               /* ...in how many pieces... */
    int numa_id;                        /* ...and where. */
    bool logged;                        /* Is the guest being migrated? */
    unsigned int n_loans;               /* Queues of NICs that are lent to, */
    unsigned int n_paused;              /* and for how many it is paused. */
    int shift;                          /* Bytes that frames are put later, */
    uint64_t n_shifts;                  /* how often it has changed, and... */
    uint32_t cramped_len;               /* ...how long a buffer was that had
                                         * no room for it, or 0. */
    size_t shells_size;                 /* Bytes of its shells, 0 if none. */
};

/* A buffer of the guest.  Valid unless it is in IOVTEE_GUEST. */
struct iovtee_buf {
    uint8_t *va;                /* The descriptor's buffer, if simple. */
    uint32_t len;               /* Bytes of it that may be used, 0 if it is
                                 * not simple. */
    bool orphan : 1;            /* Was it out when the queue finished... */
    bool held : 1;              /* ...and is it in a NIC since before? */
    bool copied;                /* In IOVTEE_SWITCH: did the guest get a copy
                                 * of the frame? */

    /* In IOVTEE_NIC and IOVTEE_SWITCH. */
    int8_t shift;               /* Bytes behind the virtio header that the
                                 * frame was to begin at. */
    uint8_t epoch;              /* As of which change of the shift. */
};

/* Heads, first in, first out: as far as it depends on us, buffers go back to
 * the guest in the order in which it posted them.  Nobody is promised that,
 * but it is how caches and prefetchers like it, and what a driver may still
 * expect that was promised it (VIRTIO_F_IN_ORDER) by another back-end.  The
 * indices run freely. */
struct iovtee_heads {
    uint16_t *ring;             /* As many as the guest's ring has. */
    uint32_t mask;
    uint32_t first;             /* The next one to pop. */
    uint32_t end;               /* Where the next one is pushed. */
};

static inline uint32_t
iovtee_heads_n(const struct iovtee_heads *heads)
{
    return heads->end - heads->first;
}

static inline void
iovtee_heads_push(struct iovtee_heads *heads, uint16_t head)
{
    heads->ring[heads->end++ & heads->mask] = head;
}

/* Undoes iovtee_heads_pop(). */
static inline void
iovtee_heads_unpop(struct iovtee_heads *heads, uint16_t head)
{
    heads->ring[--heads->first & heads->mask] = head;
}

/* Returns the first one.  There must be one. */
static inline uint16_t
iovtee_heads_pop(struct iovtee_heads *heads)
{
    return heads->ring[heads->first++ & heads->mask];
}

/* A frame that is copied to the guest at the end of the burst. */
struct iovtee_late_copy {
    uint8_t *dst;
    const uint8_t *src;
    uint32_t len;               /* Bytes. */
};

struct iovtee_rxvq {
    /* Constant from creation on. */
    char *port;                         /* Name of the port. */
    unsigned int q;                     /* Number of the queue in the port. */
    uint32_t size;                      /* Of the ring. */
    uint32_t max_lent;                  /* Buffers in NICs and the switch at a
                                         * time at most. */
    uint32_t n_spared;                  /* The guest's last ones, not lent. */
    unsigned int hdr_len;               /* Bytes before the frame: 10, 12. */
    bool mergeable;                     /* May frames span buffers? */
    bool guest_csum;                    /* May checksums be partial? */
    int numa_id;                        /* Of guest memory, -1 if unknown. */
    struct iovtee_ring_setup ring;      /* As the session described it. */
    struct iovtee_guestmem *mem;        /* One reference. */
    uint32_t shell_step;                /* Distance of shells in bytes. */
    uint32_t shell_inverse;             /* See iovtee_rxvq_head(). */

    struct ovs_refcount ref_cnt;
    struct ovs_list retired_node;       /* In 'retired', queue/rxvq.c. */
    long long int retired_at;           /* time_msec(). */

    /* The configuration can change it at any time. */
    atomic_bool zero_copy;              /* May buffers be posted... */
    atomic_bool always;                 /* ...also if it does not pay? */
    atomic_uint32_t peer_port_id;       /* DPDK port of the NIC that it is
                                         * attached to, or UINT32_MAX. */

    OVS_ALIGNED_VAR(CACHE_LINE_SIZE) struct ovs_spin lock;
    enum iovtee_rxvq_state state OVS_GUARDED;
    struct iovtee_vring vring OVS_GUARDED;
    struct iovtee_ledger ledger OVS_GUARDED;
    struct iovtee_inflight_ring inflight OVS_GUARDED;
    struct iovtee_buf *bufs OVS_GUARDED;        /* By head. */
    struct iovtee_loan **lent_by OVS_GUARDED;   /* By head, in IOVTEE_NIC and
                                                 * IOVTEE_SWITCH. */
    struct ovs_list loans OVS_GUARDED;  /* Of struct iovtee_loan... */
    unsigned int n_loans OVS_GUARDED;   /* ...those that are used, and... */
    unsigned int n_paused OVS_GUARDED;  /* ...those that are paused. */
    struct iovtee_notifier *notifier OVS_GUARDED; /* NULL if none. */
    bool notify OVS_GUARDED;            /* Is the guest to be interrupted when
                                         * the lock is released? */
    uint32_t n_orphans OVS_GUARDED;     /* Shells out after 'finish'. */
    bool reported OVS_GUARDED;          /* Was the ring's fault logged? */

    /* The shells, while there are any: see iovtee_rxvq_equip(). */
    struct rte_mempool *shells;         /* Home of these and others. */
    uint8_t *shell0;                    /* That of head 0.  Read without the
                                         * lock by iovtee_rxvq_owns(). */
    struct iovtee_shells *row OVS_GUARDED;
    unsigned int n_equipped OVS_GUARDED; /* NIC queues that need them. */
    bool no_memory OVS_GUARDED;         /* Was there none for them? */
    struct ovs_list bare_node;          /* In 'bare', queue/rxvq-equip.c. */

    /* Heads in IOVTEE_IDLE.  Those on 'idle' can be lent to a NIC, those on
     * 'unfit' only be copied into. */
    struct iovtee_heads idle OVS_GUARDED;
    struct iovtee_heads unfit OVS_GUARDED;
    uint32_t need OVS_GUARDED;          /* Length that was asked for last. */
    enum iovtee_copy_reason unfit_reason OVS_GUARDED;
    uint32_t unfit_len OVS_GUARDED;
    bool has_unfit OVS_GUARDED;
    bool last_chained OVS_GUARDED;      /* Was the last seen one a chain? */

    struct iovtee_shift shift OVS_GUARDED;      /* See queue/rxvq-shift.c. */
    uint32_t cramped_len OVS_GUARDED;   /* Of a buffer without room for it. */

    /* Copies that iovtee_rxvq_publish() has to make before. */
    struct iovtee_late_copy late[NETDEV_MAX_BURST] OVS_GUARDED;
    unsigned int n_late OVS_GUARDED;
    uint32_t work OVS_GUARDED;          /* Pieces of buffers that may yet be
                                         * filled in this burst. */

    struct iovtee_rxvq_counters counters;
    struct iovtee_rxvq_counters told OVS_GUARDED;       /* What 'past'... */
    struct iovtee_rxvq_past *past;      /* ...has of them.  May be NULL. */
};

/* Is 'packet' a shell of 'vq'?  May be called without the lock by threads that
 * are known to RCU. */
static inline bool
iovtee_rxvq_owns(const struct iovtee_rxvq *vq, const void *packet)
{
    uint8_t *shell0 = __atomic_load_n(&vq->shell0, __ATOMIC_RELAXED);

    return ((uintptr_t) packet - (uintptr_t) shell0
            < (size_t) vq->size * vq->shell_step);
}

/* Did a NIC receive 'packet' into a buffer of 'vq'? */
static inline bool
iovtee_rxvq_is_own(const struct iovtee_rxvq *vq,
                   const struct dp_packet *packet)
{
    return packet->source == DPBUF_DPDK && iovtee_rxvq_owns(vq, packet);
}

/* Returns the shell of descriptor head 'head'. */
static inline struct dp_packet *
iovtee_rxvq_shell(const struct iovtee_rxvq *vq, uint16_t head)
{
    return (void *) (vq->shell0 + (size_t) head * vq->shell_step);
}

/* Returns the descriptor head of 'shell', which must be one of 'vq'.
 * As iovtee_shells_number(), but without a look at the row. */
static inline uint16_t
iovtee_rxvq_head(const struct iovtee_rxvq *vq, const struct dp_packet *shell)
{
    size_t distance = (const uint8_t *) shell - vq->shell0;

    return (uint32_t) (distance / IOVTEE_SHELLS_UNIT) * vq->shell_inverse;
}

struct iovtee_rxvq *iovtee_rxvq_create(const struct iovtee_rxvq_config *);
struct iovtee_rxvq *iovtee_rxvq_ref(struct iovtee_rxvq *);
void iovtee_rxvq_unref(struct iovtee_rxvq *);

size_t iovtee_rxvq_sweep(void);
size_t iovtee_rxvq_get_retired(struct iovtee_retired **);

/* Life cycle, called by whoever owns the ring's session. */
void iovtee_rxvq_resume(struct iovtee_rxvq *, int callfd,
                        const struct iovtee_vring_log *);
void iovtee_rxvq_drain(struct iovtee_rxvq *);
void iovtee_rxvq_suspend(struct iovtee_rxvq *);
bool iovtee_rxvq_suspend_until(struct iovtee_rxvq *, long long int deadline);
void iovtee_rxvq_finish(struct iovtee_rxvq *, uint16_t *last_avail,
                        uint16_t *last_used);
void iovtee_rxvq_abandon(struct iovtee_rxvq *);
void iovtee_rxvq_account(struct iovtee_rxvq *);
void iovtee_rxvq_set_callfd(struct iovtee_rxvq *, int callfd);
bool iovtee_rxvq_same_ring(const struct iovtee_rxvq *,
                           const struct iovtee_ring_setup *);

/* The NIC's side.  (The first two in queue/rxvq-equip.c.) */
int iovtee_rxvq_equip(struct iovtee_rxvq *);
void iovtee_rxvq_unequip(struct iovtee_rxvq *);
unsigned int iovtee_rxvq_post(struct iovtee_rxvq *, void *objs[],
                              unsigned int n, bool all, uint32_t max_frame,
                              struct iovtee_loan *, bool *unfit);
unsigned int iovtee_rxvq_received(struct iovtee_rxvq *, struct dp_packet *[],
                                  unsigned int n);
struct iovtee_loan *iovtee_rxvq_open_loan(struct iovtee_rxvq *,
                                          uint32_t front);
void iovtee_rxvq_close_loan(struct iovtee_rxvq *, struct iovtee_loan *);
void iovtee_rxvq_pause_loan(struct iovtee_rxvq *, struct iovtee_loan *,
                            bool paused);

/* The guest's side (queue/rxvq-deliver.c). */
struct iovtee_delivery {
    uint32_t n_dropped;         /* Packets lost. */
    uint32_t n_retries;         /* Looks for late buffers. */
};

/* For the packets of a burst, as many pieces of the guest's buffers may be
 * filled, and one more for each IOVTEE_RXVQ_PIECE_LEN bytes: so much, and not
 * 64 buffers of 1024 pieces for each packet, can a guest make a PMD thread do
 * at a time.  It is the longest chain, and a Linux guest without mergeable
 * buffers, whose buffers have 19 pieces, gets a full burst. */
#define IOVTEE_RXVQ_MAX_PIECES 1024
#define IOVTEE_RXVQ_PIECE_LEN 1024

/* So many of the guest's buffers that are not fit for a NIC are looked at when
 * that wants some.  As these are more than are ever spared for copies, the NIC
 * then gets other ones. */
#define IOVTEE_RXVQ_MAX_UNFIT 128

void iovtee_rxvq_deliver(struct iovtee_rxvq *, struct dp_packet *[],
                         unsigned int n, unsigned int max_retries,
                         struct iovtee_delivery *);
void iovtee_rxvq_deliver_silently(struct iovtee_rxvq *, struct dp_packet *[],
                                  unsigned int n, unsigned int max_retries,
                                  struct iovtee_delivery *);
void iovtee_rxvq_interrupt(struct iovtee_rxvq *);

void iovtee_rxvq_get_info(struct iovtee_rxvq *, struct iovtee_rxvq_info *);
bool iovtee_rxvq_is_balanced(struct iovtee_rxvq *);

/* For the other files of this module. */
bool iovtee_rxvq_is_unfit(const struct iovtee_rxvq *vq)
    OVS_REQUIRES(vq->lock);
void iovtee_rxvq_sort(struct iovtee_rxvq *vq, uint16_t head)
    OVS_REQUIRES(vq->lock);
int iovtee_rxvq_aim(const struct iovtee_rxvq *vq, const struct iovtee_loan *)
    OVS_REQUIRES(vq->lock);
void iovtee_rxvq_vote(struct iovtee_rxvq *vq, const struct dp_packet *)
    OVS_REQUIRES(vq->lock);
void iovtee_rxvq_report(void *vq_, enum iovtee_border_event, unsigned int n);
void iovtee_rxvq_free_loans(struct iovtee_rxvq *vq);
size_t iovtee_rxvq_sweep_retired(void);
void iovtee_rxvq_home(void *vq_, void *const *objs, unsigned int n);
void iovtee_rxvq_mark_lent(const struct iovtee_rxvq *vq, uint16_t head)
    OVS_REQUIRES(vq->lock);
void iovtee_rxvq_stock(struct iovtee_rxvq *vq, unsigned int n)
    OVS_REQUIRES(vq->lock);
bool iovtee_rxvq_get_buffer(struct iovtee_rxvq *vq, uint16_t *head)
    OVS_REQUIRES(vq->lock);
void iovtee_rxvq_unget_buffer(struct iovtee_rxvq *vq, uint16_t head)
    OVS_REQUIRES(vq->lock);
void iovtee_rxvq_publish(struct iovtee_rxvq *vq) OVS_REQUIRES(vq->lock);
void iovtee_rxvq_break(struct iovtee_rxvq *vq, enum iovtee_vring_fault)
    OVS_REQUIRES(vq->lock);
void iovtee_rxvq_unlock(struct iovtee_rxvq *vq) OVS_RELEASES(vq->lock);

/* Gives buffer 'head', which is in place 'from', back to the guest, with 'len'
 * bytes written into it. */
static inline void
iovtee_rxvq_give(struct iovtee_rxvq *vq, uint16_t head, enum iovtee_place from,
                 uint32_t len)
    OVS_REQUIRES(vq->lock)
{
    iovtee_ledger_move(&vq->ledger, head, from, IOVTEE_GUEST);
    iovtee_vring_give(&vq->vring, head, len);
    iovtee_inflight_give(&vq->inflight, head);
}

#endif /* rxvq.h */
