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

#ifndef IOVTEE_LOAN_H
#define IOVTEE_LOAN_H 1

/* What one receive queue of a NIC has of a guest's buffers, and what it gives
 * ========================================================================
 *
 * A loan belongs to the guest's receive queue (queue/rxvq) and lives as long
 * as that: frames in lent buffers may be in the switch when the NIC is long
 * gone.  Sums are written with the lock of the guest's queue held, and read
 * without it by the thread that polls the NIC's queue, which is mostly the one
 * that writes them.  So they have a cache line of their own. */

#include <stdbool.h>

#include "openvswitch/list.h"
#include "ovs-atomic.h"
#include "util.h"

struct iovtee_loan {
    OVS_ALIGNED_VAR(CACHE_LINE_SIZE)
    atomic_uint32_t n_nic;      /* Buffers that the NIC has. */

    /* Of the frames that the NIC received into lent buffers, and that are not
     * in the switch any more.  All run freely. */
    atomic_uint32_t n_frames;
    atomic_uint32_t gain;       /* What was gained by lending, and... */
    atomic_uint32_t cost;       /* ...what it took, in bytes copied. */

    uint32_t front;             /* Bytes before a frame that the driver of the
                                 * NIC may write.  Set when it is opened. */
    bool used;                  /* By a receive queue of a NIC? */
    bool paused;                /* Is hardly anything lent by it? */
    struct ovs_list node;       /* In 'loans' of the guest's queue. */
};

/* What it costs to receive a frame into guest memory, in bytes that could be
 * copied in that time: see Documentation/topics/benchmarks.rst.
 *
 * If it has twins then these are made, and conntrack does not remember at the
 * second what it has found out at the first.
 *
 * If it is not delivered then a copy was spared that nobody would have made,
 * and there are more shells to take care of.  A frame of any length takes
 * about as long as one of 64 bytes that is delivered saves; but the guest
 * could read it as well, and the more of it the longer it is.
 *
 * If the guest gets a copy, as its start was moved, then there are the shells,
 * too, but nobody reads what is not his. */
#define IOVTEE_LOAN_FIRST_TWIN 128
#define IOVTEE_LOAN_NEXT_TWIN 384
#define IOVTEE_LOAN_MOVED 64
#define IOVTEE_LOAN_ELSEWHERE 2         /* Times its length. */

/* Adds 'n' to '*count', which is one of those above.  Writers hold the lock,
 * so this need not be one atomic operation. */
static inline void
iovtee_loan_add(atomic_uint32_t *count, int n)
{
    uint32_t old;

    atomic_read_relaxed(count, &old);
    atomic_store_relaxed(count, old + n);
}

static inline uint32_t
iovtee_loan_read(const atomic_uint32_t *count)
{
    uint32_t n;

    atomic_read_relaxed(CONST_CAST(atomic_uint32_t *, count), &n);
    return n;
}

/* Counts a frame of 'len' bytes that was delivered in place, and had 'n_twins'
 * until then. */
static inline void
iovtee_loan_count_in_place(struct iovtee_loan *loan, uint32_t len,
                           uint32_t n_twins)
{
    iovtee_loan_add(&loan->n_frames, 1);
    iovtee_loan_add(&loan->gain, len);
    if (n_twins) {
        iovtee_loan_add(&loan->cost, IOVTEE_LOAN_FIRST_TWIN
                        + (n_twins - 1) * IOVTEE_LOAN_NEXT_TWIN);
    }
}

/* Counts a frame that was copied to the guest after all. */
static inline void
iovtee_loan_count_moved(struct iovtee_loan *loan)
{
    iovtee_loan_add(&loan->n_frames, 1);
    iovtee_loan_add(&loan->cost, IOVTEE_LOAN_MOVED);
}

/* Counts a frame of 'len' bytes that the guest did not get. */
static inline void
iovtee_loan_count_elsewhere(struct iovtee_loan *loan, uint32_t len)
{
    iovtee_loan_add(&loan->n_frames, 1);
    iovtee_loan_add(&loan->cost, IOVTEE_LOAN_ELSEWHERE * len);
}

#endif /* loan.h */
