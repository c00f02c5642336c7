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

#ifndef IOVTEE_VRING_H
#define IOVTEE_VRING_H 1

/* Device side of a split virtqueue
 * ================================
 *
 * This is the wire format of one virtqueue (virtio 1.2, section 2.7).  The
 * guest fills it with empty buffers, for the device to write to, or with full
 * ones, for the device to read ('transmit').  This module reads what the
 * driver made available, and tells the driver what was used.  It knows nothing
 * of packets, of who uses the buffers or of how a guest is interrupted.
 *
 * Usage
 * =====
 *
 *     n = iovtee_vring_take(vr, heads, ARRAY_SIZE(heads));
 *     for (i = 0; i < n; i++) {
 *         fault = iovtee_vring_read_chain(vr, heads[i], segs, MAX, &chain);
 *         ...fill the buffer, or read what is in it...
 *         iovtee_vring_give(vr, heads[i], n_bytes_written);
 *     }
 *     if (iovtee_vring_publish(vr)) {
 *         ...interrupt the guest...
 *     }
 *
 * Buffers may be given back in any order and as late as one likes.
 *
 * Hostile guests
 * ==============
 *
 * All of the ring is the guest's to write at any time.  Every value is read
 * once, into private memory, and then checked; the used ring is never read
 * back, except by iovtee_vring_read_indices().  The first thing wrong latches
 * the ring: iovtee_vring_take() returns nothing from then on, while what was
 * taken may still be given back.  The caller finds the reason in 'fault'.
 *
 * Migration
 * =========
 *
 * While the guest is migrated (iovtee_vring_set_log()), every write to its
 * memory is reported, after it was made: whoever copies the memory clears the
 * mark of a page and then reads the page, so that a mark that came before the
 * write could be lost.  What is written into the used ring is reported here,
 * what is written into buffers by their owner, with iovtee_vring_mark().
 *
 * Memory ordering
 * ===============
 *
 *    V1  take: the load of avail->idx acquires; it pairs with the driver's
 *        release of avail->idx (2.7.13.3.1), so the ring entries and the
 *        descriptors behind the index are seen.
 *    V2  publish: the store of used->idx releases; everything written into
 *        buffers and used elements is seen by a driver that sees the index
 *        (2.7.14).
 *    V3  publish: a full barrier lies between the store of used->idx and the
 *        load of avail->flags or used_event; it pairs with the one that the
 *        driver has between writing used_event and its last look at used->idx
 *        (2.7.7.2, 2.7.10).
 *
 * Thread-safety
 * =============
 *
 * None: the owner serializes access with its lock.
 *
 * This module is pure: no DPDK, no Open vSwitch state, no log. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "virtio/guestmem.h"

/* Everything that can be wrong with a ring: name in counters, and a sentence
 * for people.  The name is what statistics and tests use. */
#define IOVTEE_VRING_FAULTS                                                 \
    FAULT(NONE, "none", "no fault")                                         \
    FAULT(AVAIL_JUMP, "avail_jump",                                         \
          "available index moved by more than the size of the ring")        \
    FAULT(HEAD_RANGE, "head_range",                                         \
          "available ring names a descriptor beyond the table")             \
    FAULT(HEAD_BUSY, "head_busy",                                           \
          "available ring names a buffer that was not given back")          \
    FAULT(NEXT_RANGE, "next_range",                                         \
          "descriptor chains to one beyond the table")                      \
    FAULT(CHAIN_LOOP, "chain_loop",                                         \
          "descriptor chain is longer than the ring")                       \
    FAULT(NOT_WRITABLE, "not_writable",                                     \
          "receive buffer lacks the device-writable flag")                  \
    FAULT(NOT_READABLE, "not_readable",                                     \
          "transmit buffer has the device-writable flag")                   \
    FAULT(ZERO_LENGTH, "zero_length",                                       \
          "receive buffer of length zero")                                  \
    FAULT(BAD_ADDRESS, "bad_address",                                       \
          "descriptor points outside of guest memory")                      \
    FAULT(INDIRECT, "indirect",                                             \
          "malformed indirect descriptor")                                  \
    FAULT(MEMORY_LOST, "memory_lost",                                       \
          "the file behind guest memory was truncated")

enum iovtee_vring_fault {
#define FAULT(ENUM, NAME, TEXT) IOVTEE_FAULT_##ENUM,
    IOVTEE_VRING_FAULTS
#undef FAULT
    IOVTEE_N_FAULTS
};

const char *iovtee_vring_fault_name(enum iovtee_vring_fault);
const char *iovtee_vring_fault_text(enum iovtee_vring_fault);

/* Limits. */
#define IOVTEE_VRING_MAX_SIZE 32768     /* Section 2.7. */
#define IOVTEE_CHAIN_MAX_SEGS 1024      /* Longer chains are a fault. */
#define IOVTEE_SEG_MAX_LEN 131072       /* More of a descriptor, which can say
                                         * 4 GiB, is not used.  No frame is
                                         * that long, and sums of some such
                                         * lengths do not wrap. */

/* Descriptor flags, section 2.7.5. */
#define IOVTEE_DESC_F_NEXT 1
#define IOVTEE_DESC_F_WRITE 2
#define IOVTEE_DESC_F_INDIRECT 4

/* The wire format.  Guests of virtio 1.0 and later are little-endian, older
 * ones have the guest's own byte order; on the hosts that we support the two
 * are the same. */
struct iovtee_desc {
    uint64_t addr;              /* Guest physical address. */
    uint32_t len;               /* Bytes. */
    uint16_t flags;             /* IOVTEE_DESC_F_*. */
    uint16_t next;              /* If IOVTEE_DESC_F_NEXT. */
};

struct iovtee_used_elem {
    uint32_t id;                /* Descriptor head. */
    uint32_t len;               /* Bytes written into the buffer. */
};

/* Sizes and alignments of the three areas of a ring of 'size' entries
 * (section 2.7.2 and 2.7), all in bytes, each with its event index. */
#define IOVTEE_DESC_AREA_SIZE(SIZE) ((uint64_t) 16 * (SIZE))
#define IOVTEE_AVAIL_AREA_SIZE(SIZE) ((uint64_t) 6 + 2 * (SIZE))
#define IOVTEE_USED_AREA_SIZE(SIZE) ((uint64_t) 6 + 8 * (SIZE))
#define IOVTEE_DESC_ALIGN 16
#define IOVTEE_AVAIL_ALIGN 2
#define IOVTEE_USED_ALIGN 4

/* Who is to be told of every byte of guest memory that was written, while the
 * guest is being migrated: 'mark' is called with the guest physical address
 * and the length, after the write.  NULL if nobody is. */
struct iovtee_vring_log {
    void (*mark)(void *aux, uint64_t gpa, uint64_t len);
    void *aux;
};

/* Where a ring is and what was negotiated for it. */
struct iovtee_vring_config {
    struct iovtee_guestmem *mem;        /* Not consumed: referenced. */
    uint64_t desc_gpa;                  /* Guest physical addresses of the */
    uint64_t avail_gpa;                 /* three areas. */
    uint64_t used_gpa;
    uint32_t size;                      /* Number of descriptors. */
    uint16_t last_avail;                /* Next entry of avail to take. */
    uint16_t last_used;                 /* Next entry of used to give. */
    bool event_idx;                     /* VIRTIO_F_EVENT_IDX (RING_). */
    bool indirect;                      /* VIRTIO_F_INDIRECT_DESC. */
    bool transmit;                      /* Does the device read the buffers,
                                         * rather than write to them? */
};

/* One piece of a buffer, in our own mapping.  A piece of a transmit buffer can
 * be empty, and is nowhere then. */
struct iovtee_seg {
    uint8_t *va;
    uint32_t len;               /* Bytes, IOVTEE_SEG_MAX_LEN at most. */
};

/* A chain as read by iovtee_vring_read_chain(). */
struct iovtee_chain {
    uint32_t n_segs;            /* Pieces. */
    uint32_t len;               /* Sum of their lengths. */
    bool indirect;              /* Was it behind an indirect descriptor? */
};

struct iovtee_vring {
    /* Configuration, constant after iovtee_vring_init(). */
    struct iovtee_guestmem *mem;
    const struct iovtee_desc *desc;     /* Guest-writable, as are... */
    uint16_t *avail;                    /* ...flags, idx, ring[], event... */
    uint16_t *used;                     /* ...and the used area. */
    uint32_t size;
    uint16_t write_flag;                /* IOVTEE_DESC_F_WRITE if the device
                                         * writes to buffers, 0 if it reads
                                         * them. */
    bool event_idx;
    bool indirect;

    /* State, all private. */
    enum iovtee_vring_fault fault;      /* IOVTEE_FAULT_NONE or latched. */
    uint16_t last_avail;                /* Next entry of avail to take. */
    uint16_t avail_idx;                 /* Last checked value of avail->idx. */
    uint16_t used_idx;                  /* Next entry of used to give. */
    uint16_t published;                 /* What used->idx was set to last. */
    bool signalled;                     /* Has the guest ever been told... */
    uint16_t signalled_used;            /* ...and of which used index? */

    struct iovtee_vring_log log;        /* Whom to tell of writes. */
};

int iovtee_vring_init(struct iovtee_vring *,
                      const struct iovtee_vring_config *);
void iovtee_vring_destroy(struct iovtee_vring *);
int iovtee_vring_read_indices(const struct iovtee_vring_config *,
                              uint16_t *avail_idx, uint16_t *used_idx);

unsigned iovtee_vring_n_avail(struct iovtee_vring *, unsigned want);
unsigned iovtee_vring_take(struct iovtee_vring *, uint16_t heads[],
                           unsigned n);
static inline uint16_t iovtee_vring_last_taken(const struct iovtee_vring *);
static inline void iovtee_vring_untake(struct iovtee_vring *, unsigned n);
static inline bool iovtee_vring_read_desc(const struct iovtee_vring *,
                                          uint16_t head, struct iovtee_desc *);
static inline bool iovtee_vring_map(const struct iovtee_vring *,
                                    const struct iovtee_desc *,
                                    struct iovtee_seg *);
static inline void iovtee_vring_prefetch_desc(const struct iovtee_vring *,
                                              uint16_t head);
static inline void iovtee_vring_prefetch_used(const struct iovtee_vring *,
                                              unsigned n);
enum iovtee_vring_fault iovtee_vring_read_chain(struct iovtee_vring *,
                                                uint16_t head,
                                                struct iovtee_seg[],
                                                size_t max_segs,
                                                struct iovtee_chain *);
enum iovtee_vring_fault iovtee_vring_peek_chain(const struct iovtee_vring *,
                                                uint16_t head,
                                                struct iovtee_seg[],
                                                size_t max_segs,
                                                struct iovtee_chain *);
static inline void iovtee_vring_give(struct iovtee_vring *, uint16_t head,
                                     uint32_t len);
bool iovtee_vring_publish(struct iovtee_vring *);
void iovtee_vring_set_log(struct iovtee_vring *,
                          const struct iovtee_vring_log *);
static inline bool iovtee_vring_is_logged(const struct iovtee_vring *);
void iovtee_vring_mark(const struct iovtee_vring *, const void *va,
                       uint64_t len);
void iovtee_vring_break(struct iovtee_vring *, enum iovtee_vring_fault);
void iovtee_vring_set_no_notify(struct iovtee_vring *, bool no_notify);


/* The functions below are inline because they are called for every packet. */

/* The two halves of a descriptor, wherever they may be: the ring is aligned,
 * but nothing says that an indirect table is. */
typedef uint64_t iovtee_vring_half__ __attribute__((__aligned__(1),
                                                    __may_alias__));

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "struct iovtee_desc is read as two little-endian words."
#endif

/* Copies the descriptor at 'src' in guest memory to '*dst', which is private.
 * Reads each byte once. */
static inline void
iovtee_vring_load_desc__(const void *src, struct iovtee_desc *dst)
{
    const volatile iovtee_vring_half__ *halves = src;
    uint64_t addr = halves[0];
    uint64_t rest = halves[1];

    dst->addr = addr;
    dst->len = rest;
    dst->flags = rest >> 32;
    dst->next = rest >> 48;
}

/* Copies descriptor 'head', which must be less than the size of the ring, to
 * '*desc'.  Returns true if it is a whole buffer by itself: one descriptor,
 * not indirect, for the right direction, not empty.  Its address has not been
 * looked at: pass '*desc' to iovtee_vring_map().
 *
 * Returns false if iovtee_vring_read_chain() has to say what it is.  That
 * function reads the descriptor again, so that '*desc' means nothing then. */
static inline bool
iovtee_vring_read_desc(const struct iovtee_vring *vr, uint16_t head,
                       struct iovtee_desc *desc)
{
    iovtee_vring_load_desc__(&vr->desc[head], desc);
    return ((desc->flags & (IOVTEE_DESC_F_NEXT | IOVTEE_DESC_F_WRITE
                            | IOVTEE_DESC_F_INDIRECT)) == vr->write_flag
            && desc->len);
}

/* Stores where the buffer is that '*desc' describes, and how much of it may be
 * used, in '*seg'.  Returns false if it does not lie in guest memory as a
 * whole. */
static inline bool
iovtee_vring_map(const struct iovtee_vring *vr, const struct iovtee_desc *desc,
                 struct iovtee_seg *seg)
{
    seg->va = iovtee_guestmem_translate(vr->mem, desc->addr, desc->len);
    seg->len = (desc->len < IOVTEE_SEG_MAX_LEN
                ? desc->len : IOVTEE_SEG_MAX_LEN);
    return seg->va != NULL;
}

/* Returns what the driver says now is the descriptor head of the buffer that
 * was taken last.  That can be any number: it is for the caller's ledger to
 * say whether such a buffer was taken. */
static inline uint16_t
iovtee_vring_last_taken(const struct iovtee_vring *vr)
{
    uint16_t idx = vr->last_avail - 1;

    return __atomic_load_n(&vr->avail[2 + (idx & (vr->size - 1))],
                           __ATOMIC_RELAXED);
}

/* Leaves the 'n' buffers that were taken last, which must not have been given
 * back, in the available ring, as if they had not been taken.  The driver
 * cannot tell, because all it is told of is used buffers.
 *
 * What the driver has said of later ones is to be read again, because together
 * they may be more than the ring has. */
static inline void
iovtee_vring_untake(struct iovtee_vring *vr, unsigned n)
{
    vr->last_avail -= n;
    vr->avail_idx = vr->last_avail;
}

/* Must iovtee_vring_mark() be told of writes? */
static inline bool
iovtee_vring_is_logged(const struct iovtee_vring *vr)
{
    return vr->log.mark != NULL;
}

/* Has the processor fetch descriptor 'head', which will be read soon. */
static inline void
iovtee_vring_prefetch_desc(const struct iovtee_vring *vr, uint16_t head)
{
    __builtin_prefetch(&vr->desc[head]);
}

/* Returns where the used element of buffer number 'idx' is.  The used ring
 * begins after 'flags' and 'idx'. */
static inline struct iovtee_used_elem *
iovtee_vring_used_elem__(const struct iovtee_vring *vr, uint16_t idx)
{
    return ((struct iovtee_used_elem *) (void *) (vr->used + 2)
            + (idx & (vr->size - 1)));
}

/* Has the processor fetch the used elements of the next 'n' buffers, which
 * will be given back soon. */
static inline void
iovtee_vring_prefetch_used(const struct iovtee_vring *vr, unsigned n)
{
    const unsigned per_line = 64 / sizeof(struct iovtee_used_elem);

    for (unsigned i = 0; i < n; i += per_line) {
        __builtin_prefetch(iovtee_vring_used_elem__(vr, vr->used_idx + i), 1);
    }
}

/* Gives back the buffer whose descriptor head is 'head', with 'len' bytes
 * written from its beginning.  The driver does not see it before
 * iovtee_vring_publish().  'head' must have been taken and not given back
 * since; it is the caller's ledger that knows. */
static inline void
iovtee_vring_give(struct iovtee_vring *vr, uint16_t head, uint32_t len)
{
    struct iovtee_used_elem *elem = iovtee_vring_used_elem__(vr,
                                                             vr->used_idx);

    __atomic_store_n(&elem->id, head, __ATOMIC_RELAXED);
    __atomic_store_n(&elem->len, len, __ATOMIC_RELAXED);
    vr->used_idx++;
}

#endif /* vring.h */
