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

/* Reads and writes a split virtqueue (virtio 1.2, section 2.7).  Called with
 * the virtqueue's lock held, on PMD threads mostly; what the guest may change
 * meanwhile is read once.  What the hot path needs inline is in vring.h. */

#include "virtio/vring.h"

#include <errno.h>

/* Offsets in the available and the used area, in units of 16 bits. */
#define AREA_FLAGS 0
#define AREA_IDX 1
#define AREA_RING 2

/* Bits of the two 'flags' (sections 2.7.6 and 2.7.8). */
#define AVAIL_F_NO_INTERRUPT 1
#define USED_F_NO_NOTIFY 1

/* Bytes of a descriptor. */
#define DESC_SIZE sizeof(struct iovtee_desc)

/* One walk along a chain of descriptors. */
struct walk {
    const struct iovtee_vring *vr;
    struct iovtee_seg *segs;    /* Where to put the pieces, ... */
    uint32_t max_segs;          /* ...of which there are at most so many. */
    struct iovtee_chain chain;  /* The result so far. */
    struct iovtee_desc table;   /* Of the indirect table, if any. */
};

static void refresh_avail_idx(struct iovtee_vring *);
static void mark_used(const struct iovtee_vring *);
static enum iovtee_vring_fault walk_table(struct walk *, const uint8_t *table,
                                          uint32_t n, uint16_t head);
static enum iovtee_vring_fault walk_indirect(struct walk *);

/* Returns the name of 'fault' as it appears in statistics. */
const char *
iovtee_vring_fault_name(enum iovtee_vring_fault fault)
{
    switch (fault) {
#define FAULT(ENUM, NAME, TEXT) case IOVTEE_FAULT_##ENUM: return NAME;
        IOVTEE_VRING_FAULTS
#undef FAULT
    case IOVTEE_N_FAULTS:
    default:
        return "<error>";
    }
}

/* Returns a clause that explains 'fault' to people. */
const char *
iovtee_vring_fault_text(enum iovtee_vring_fault fault)
{
    switch (fault) {
#define FAULT(ENUM, NAME, TEXT) case IOVTEE_FAULT_##ENUM: return TEXT;
        IOVTEE_VRING_FAULTS
#undef FAULT
    case IOVTEE_N_FAULTS:
    default:
        return "<error>";
    }
}

/* Translates the 'size' bytes at 'gpa', which must be aligned to 'align' there
 * and here.  (The two can differ if a region begins at an odd place of its
 * file.)  Returns 0 and stores the address in '*vap' if successful, otherwise
 * a positive errno value. */
static int
translate_area(const struct iovtee_guestmem *mem, uint64_t gpa, uint64_t size,
               unsigned align, void **vap)
{
    if (gpa % align) {
        return EINVAL;
    }
    *vap = iovtee_guestmem_translate(mem, gpa, size);
    if (!*vap) {
        return EFAULT;
    }
    return (uintptr_t) *vap % align ? EINVAL : 0;
}

/* Where the three areas of a ring are mapped here. */
struct areas {
    void *desc;
    void *avail;
    void *used;
};

/* Finds the areas of the ring that 'config' describes.  Returns 0 if
 * successful, otherwise a positive errno value. */
static int
translate_areas(const struct iovtee_vring_config *config, struct areas *areas)
{
    uint32_t size = config->size;
    int error;

    if (!size || size > IOVTEE_VRING_MAX_SIZE || size & (size - 1)) {
        return EINVAL;
    }
    error = translate_area(config->mem, config->desc_gpa,
                           IOVTEE_DESC_AREA_SIZE(size),
                           IOVTEE_DESC_ALIGN, &areas->desc);
    if (!error) {
        error = translate_area(config->mem, config->avail_gpa,
                               IOVTEE_AVAIL_AREA_SIZE(size),
                               IOVTEE_AVAIL_ALIGN, &areas->avail);
    }
    if (!error) {
        error = translate_area(config->mem, config->used_gpa,
                               IOVTEE_USED_AREA_SIZE(size),
                               IOVTEE_USED_ALIGN, &areas->used);
    }
    return error;
}

/* Makes '*vr' the ring that 'config' describes, with a reference of its own to
 * 'config->mem'.  Does not touch the ring.
 *
 * Returns 0 if successful.  Otherwise there is nothing to destroy and returns
 *
 *    - EINVAL if the size is not a power of two between 1 and
 *      IOVTEE_VRING_MAX_SIZE, or an area is not aligned, or the two indices
 *      are further apart than there are buffers.
 *
 *    - EFAULT if an area is not wholly inside one region of guest memory. */
int
iovtee_vring_init(struct iovtee_vring *vr,
                  const struct iovtee_vring_config *config)
{
    struct areas areas;
    int error;

    error = translate_areas(config, &areas);
    if (error) {
        return error;
    }
    if ((uint16_t) (config->last_avail - config->last_used) > config->size) {
        return EINVAL;
    }

    *vr = (struct iovtee_vring) {
        .mem = iovtee_guestmem_ref(config->mem),
        .desc = areas.desc,
        .avail = areas.avail,
        .used = areas.used,
        .size = config->size,
        .write_flag = config->transmit ? 0 : IOVTEE_DESC_F_WRITE,
        .event_idx = config->event_idx,
        .indirect = config->indirect,
        .fault = IOVTEE_FAULT_NONE,
        .last_avail = config->last_avail,
        .avail_idx = config->last_avail,
        .used_idx = config->last_used,
        .published = config->last_used,
    };
    return 0;
}

/* Drops 'vr''s reference to guest memory.  Accepts NULL, and a ring that was
 * destroyed before.  Does not touch the ring. */
void
iovtee_vring_destroy(struct iovtee_vring *vr)
{
    if (vr) {
        iovtee_guestmem_unref(vr->mem);
        *vr = (struct iovtee_vring) { .mem = NULL };
    }
}

/* Stores the indices that guest memory has for the ring that 'config'
 * describes: how far the driver has made buffers available in '*avail_idx',
 * and how far a device, perhaps our predecessor, has told it of used ones in
 * '*used_idx'.  Both can be anything, because the guest can write both.
 * Returns 0 if successful, otherwise the same as iovtee_vring_init(). */
int
iovtee_vring_read_indices(const struct iovtee_vring_config *config,
                          uint16_t *avail_idx, uint16_t *used_idx)
{
    struct areas areas;
    uint16_t *avail, *used;
    int error;

    error = translate_areas(config, &areas);
    if (error) {
        return error;
    }
    avail = areas.avail;
    used = areas.used;
    *avail_idx = __atomic_load_n(&avail[AREA_IDX], __ATOMIC_ACQUIRE);
    *used_idx = __atomic_load_n(&used[AREA_IDX], __ATOMIC_ACQUIRE);
    return 0;
}

/* Returns how many buffers iovtee_vring_take() could take now.  The number is
 * exact if it is less than 'want' and may be too low otherwise: the guest's
 * index, which the guest's CPU writes and which is therefore slow to read, is
 * looked at only if what is known of it leaves less than 'want'.  0 if 'vr' is
 * latched. */
unsigned
iovtee_vring_n_avail(struct iovtee_vring *vr, unsigned want)
{
    unsigned n = (uint16_t) (vr->avail_idx - vr->last_avail);

    if (n < want && !vr->fault) {
        refresh_avail_idx(vr);
        n = (uint16_t) (vr->avail_idx - vr->last_avail);
    }
    return vr->fault ? 0 : n;
}

/* Takes up to 'n' buffers that the driver made available and stores their
 * descriptor heads, each less than the size of the ring, in 'heads'.  Returns
 * how many, which can be less than 'n' although there are more: the guest's
 * index is only looked at when all that it said before has been taken.
 *
 * Returns 0 if 'vr' is latched, and latches it if the driver's index or an
 * entry is impossible; entries before that one are returned all the same. */
unsigned
iovtee_vring_take(struct iovtee_vring *vr, uint16_t heads[], unsigned n)
{
    const uint16_t *ring = vr->avail + AREA_RING;
    uint32_t mask = vr->size - 1;
    uint16_t last = vr->last_avail;
    unsigned avail = iovtee_vring_n_avail(vr, 1);
    unsigned i;

    if (n > avail) {
        n = avail;
    }
    for (i = 0; i < n; i++) {
        uint16_t head = __atomic_load_n(&ring[(last + i) & mask],
                                        __ATOMIC_RELAXED);

        if (head > mask) {
            iovtee_vring_break(vr, IOVTEE_FAULT_HEAD_RANGE);
            break;
        }
        heads[i] = head;
    }
    vr->last_avail = last + i;
    return i;
}

/* Reads the buffer whose descriptor head is 'head': stores its pieces, each of
 * them as a whole in our own mapping and for the right direction, in 'segs',
 * and what is to say of the buffer in '*chain'.  Pieces of a receive buffer
 * are never empty.
 *
 * Returns IOVTEE_FAULT_NONE if successful.  Otherwise latches 'vr', returns
 * what is wrong, and the contents of 'segs' are indeterminate.  More than
 * 'max_segs' or IOVTEE_CHAIN_MAX_SEGS pieces are a fault, too, because they
 * have no use. */
enum iovtee_vring_fault
iovtee_vring_read_chain(struct iovtee_vring *vr, uint16_t head,
                        struct iovtee_seg segs[], size_t max_segs,
                        struct iovtee_chain *chain)
{
    enum iovtee_vring_fault fault;

    fault = iovtee_vring_peek_chain(vr, head, segs, max_segs, chain);
    if (fault) {
        iovtee_vring_break(vr, fault);
    }
    return fault;
}

/* As iovtee_vring_read_chain(), but does not latch 'vr'.  So a caller may pass
 * a 'max_segs' that the driver knows nothing of; IOVTEE_FAULT_CHAIN_LOOP can
 * mean then that only there are more. */
enum iovtee_vring_fault
iovtee_vring_peek_chain(const struct iovtee_vring *vr, uint16_t head,
                        struct iovtee_seg segs[], size_t max_segs,
                        struct iovtee_chain *chain)
{
    struct walk w = {
        .vr = vr,
        .segs = segs,
        .max_segs = (max_segs < IOVTEE_CHAIN_MAX_SEGS
                     ? max_segs : IOVTEE_CHAIN_MAX_SEGS),
    };
    enum iovtee_vring_fault fault;

    if (head >= vr->size) {
        fault = IOVTEE_FAULT_HEAD_RANGE;
    } else {
        fault = walk_table(&w, (const uint8_t *) vr->desc, vr->size, head);
    }
    if (!fault && w.chain.indirect) {
        fault = walk_indirect(&w);
    }

    if (fault) {
        w.chain = (struct iovtee_chain) { .n_segs = 0 };
    }
    *chain = w.chain;
    return fault;
}

/* Lets the driver see the buffers that were given back.  Returns true if it
 * wants to be interrupted for them, false if it does not or if there is
 * nothing new. */
bool
iovtee_vring_publish(struct iovtee_vring *vr)
{
    uint16_t new = vr->used_idx;
    uint16_t event, old;
    bool first;

    if (new == vr->published) {
        return false;
    }
    __atomic_store_n(&vr->used[AREA_IDX], new, __ATOMIC_RELEASE);   /* V2. */
    __atomic_thread_fence(__ATOMIC_SEQ_CST);                        /* V3. */
    if (iovtee_vring_is_logged(vr)) {
        mark_used(vr);
    }
    vr->published = new;

    if (!vr->event_idx) {
        return !(__atomic_load_n(&vr->avail[AREA_FLAGS], __ATOMIC_RELAXED)
                 & AVAIL_F_NO_INTERRUPT);
    }

    /* Section 2.7.7.2: interrupt if the used index passed the event index
     * since the last decision, all modulo 2**16.  Of a ring that we took over
     * there is no last decision, and an interrupt too many does no harm. */
    event = __atomic_load_n(&vr->avail[AREA_RING + vr->size],
                            __ATOMIC_RELAXED);
    first = !vr->signalled;
    old = vr->signalled_used;
    vr->signalled = true;
    vr->signalled_used = new;
    return first || (uint16_t) (new - event - 1) < (uint16_t) (new - old);
}

/* From now on, has 'log' told of every write, or nobody if it is NULL. */
void
iovtee_vring_set_log(struct iovtee_vring *vr,
                     const struct iovtee_vring_log *log)
{
    vr->log = log ? *log : (struct iovtee_vring_log) { .mark = NULL };
}

/* Reports that the 'len' bytes at 'va', in guest memory, were written, if
 * somebody wants to know. */
void
iovtee_vring_mark(const struct iovtee_vring *vr, const void *va, uint64_t len)
{
    uint64_t gpa;

    if (iovtee_vring_is_logged(vr) && len
        && iovtee_guestmem_locate(vr->mem, va, &gpa)) {
        vr->log.mark(vr->log.aux, gpa, len);
    }
}

/* Latches 'vr' because of 'fault', unless it is latched already.  What is
 * found in memory that was lost is not the driver's fault. */
void
iovtee_vring_break(struct iovtee_vring *vr, enum iovtee_vring_fault fault)
{
    if (!vr->fault) {
        vr->fault = (iovtee_guestmem_is_lost(vr->mem)
                     ? IOVTEE_FAULT_MEMORY_LOST : fault);
    }
}

/* Tells the driver that we need no notification of new buffers, if
 * 'no_notify', because we poll, or that we do.  In the latter case the caller
 * must look at iovtee_vring_n_avail() once more afterwards, for what became
 * available before the driver could know. */
void
iovtee_vring_set_no_notify(struct iovtee_vring *vr, bool no_notify)
{
    if (!vr->event_idx) {
        __atomic_store_n(&vr->used[AREA_FLAGS],
                         no_notify ? USED_F_NO_NOTIFY : 0, __ATOMIC_RELAXED);
        iovtee_vring_mark(vr, &vr->used[AREA_FLAGS], sizeof *vr->used);
    } else {
        /* The driver ignores the flag (section 2.7.10.1) and notifies when its
         * index passes the one that we name.  The one that it passed last is
         * the one that comes back last, 65536 buffers later.  So one
         * notification in 65536 buffers remains, into an eventfd that nobody
         * reads; to avoid it too, we would have to write to a cache line that
         * the guest reads for every buffer that it posts. */
        uint16_t event = vr->last_avail - (no_notify ? 1 : 0);

        __atomic_store_n(&vr->used[AREA_RING + 4 * vr->size], event,
                         __ATOMIC_RELAXED);
        iovtee_vring_mark(vr, &vr->used[AREA_RING + 4 * vr->size],
                          sizeof *vr->used);
    }
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
}


/* Reads the driver's index, V1.  It may only move forward, and never so far
 * that more than the whole ring would be available, and guest memory must be
 * there; otherwise latches 'vr'. */
static void
refresh_avail_idx(struct iovtee_vring *vr)
{
    uint16_t idx = __atomic_load_n(&vr->avail[AREA_IDX], __ATOMIC_ACQUIRE);
    uint16_t known = vr->avail_idx - vr->last_avail;
    uint16_t moved = idx - vr->avail_idx;

    if (iovtee_guestmem_is_lost(vr->mem)) {
        iovtee_vring_break(vr, IOVTEE_FAULT_MEMORY_LOST);
    } else if (moved > vr->size - known) {
        iovtee_vring_break(vr, IOVTEE_FAULT_AVAIL_JUMP);
    } else {
        vr->avail_idx = idx;
    }
}

/* Reports the used elements that are new to the driver, and the index that
 * makes them so. */
static void
mark_used(const struct iovtee_vring *vr)
{
    const struct iovtee_used_elem *first
        = iovtee_vring_used_elem__(vr, vr->published);
    const struct iovtee_used_elem *last
        = iovtee_vring_used_elem__(vr, vr->used_idx - 1);
    uint16_t n = vr->used_idx - vr->published;

    if (n <= vr->size && last >= first) {
        iovtee_vring_mark(vr, first, n * sizeof *first);
    } else {
        /* It wraps. */
        iovtee_vring_mark(vr, iovtee_vring_used_elem__(vr, 0),
                          vr->size * sizeof *first);
    }
    iovtee_vring_mark(vr, &vr->used[AREA_IDX], sizeof *vr->used);
}

/* Adds the buffer that 'desc' describes, a private copy, to the result.  A
 * driver may send a packet with an empty piece in it, which counts, so that a
 * chain of nothing but these has an end. */
static enum iovtee_vring_fault
add_segment(struct walk *w, const struct iovtee_desc *desc)
{
    bool receive = w->vr->write_flag;
    struct iovtee_seg *seg;

    if ((desc->flags & IOVTEE_DESC_F_WRITE) != w->vr->write_flag) {
        return (receive
                ? IOVTEE_FAULT_NOT_WRITABLE : IOVTEE_FAULT_NOT_READABLE);
    }
    if (!desc->len && receive) {
        return IOVTEE_FAULT_ZERO_LENGTH;
    }
    if (w->chain.n_segs >= w->max_segs) {
        return IOVTEE_FAULT_CHAIN_LOOP;
    }

    seg = &w->segs[w->chain.n_segs];
    if (!desc->len) {
        *seg = (struct iovtee_seg) { .va = NULL };
    } else if (!iovtee_vring_map(w->vr, desc, seg)) {
        return IOVTEE_FAULT_BAD_ADDRESS;
    }
    w->chain.n_segs++;
    w->chain.len += seg->len;
    return IOVTEE_FAULT_NONE;
}

/* Follows the chain that begins with descriptor 'head' of the 'n' descriptors
 * in 'table', to its end or to an indirect descriptor, which it leaves in
 * 'w->table' for walk_indirect(). */
static enum iovtee_vring_fault
walk_table(struct walk *w, const uint8_t *table, uint32_t n, uint16_t head)
{
    bool nested = w->chain.indirect;

    for (uint32_t i = 0; i < n; i++) {
        enum iovtee_vring_fault fault;
        struct iovtee_desc desc;

        iovtee_vring_load_desc__(table + head * DESC_SIZE, &desc);
        if (desc.flags & IOVTEE_DESC_F_INDIRECT) {
            /* Section 2.7.5.3.1: only the last one may be indirect, and there
             * is no indirection in an indirect table. */
            if (nested || !w->vr->indirect
                || desc.flags & IOVTEE_DESC_F_NEXT) {
                return IOVTEE_FAULT_INDIRECT;
            }
            w->table = desc;
            w->chain.indirect = true;
            return IOVTEE_FAULT_NONE;
        }

        fault = add_segment(w, &desc);
        if (fault || !(desc.flags & IOVTEE_DESC_F_NEXT)) {
            return fault;
        }
        if (desc.next >= n) {
            return nested ? IOVTEE_FAULT_INDIRECT : IOVTEE_FAULT_NEXT_RANGE;
        }
        head = desc.next;
    }

    /* More descriptors than there are: some were there twice. */
    return IOVTEE_FAULT_CHAIN_LOOP;
}

/* Follows the chain in the indirect table that 'w->table' describes. */
static enum iovtee_vring_fault
walk_indirect(struct walk *w)
{
    const struct iovtee_desc *desc = &w->table;
    const uint8_t *table;
    uint32_t n = desc->len / DESC_SIZE;

    /* Section 2.7.5.3.1 again: a chain is never longer than the ring.  The
     * flag that says who may write is to be ignored here. */
    if (!n || desc->len % DESC_SIZE || n > w->vr->size) {
        return IOVTEE_FAULT_INDIRECT;
    }
    table = iovtee_guestmem_translate(w->vr->mem, desc->addr, desc->len);
    return (table
            ? walk_table(w, table, n, 0)
            : IOVTEE_FAULT_INDIRECT);
}
