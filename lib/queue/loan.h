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

/* What one receive queue of a NIC has of a guest's buffers
 * ========================================================
 *
 * A loan belongs to the guest's receive queue (queue/rxvq) and lives as long
 * as that: frames in lent buffers may be in the switch when the NIC is long
 * gone.  Counts are written with the lock of the guest's queue held, and read
 * without it by the thread that polls the NIC's queue, which is mostly the one
 * that writes them.  So they have a cache line of their own. */

#include <stdbool.h>

#include "openvswitch/list.h"
#include "ovs-atomic.h"
#include "util.h"

struct iovtee_loan {
    OVS_ALIGNED_VAR(CACHE_LINE_SIZE)
    atomic_uint32_t n_nic;      /* Buffers that the NIC has. */

    /* Frames that the NIC received into lent buffers, and that were delivered
     * there, or were not.  Both run freely. */
    atomic_uint32_t n_in_place;
    atomic_uint32_t n_elsewhere;

    bool used;                  /* By a receive queue of a NIC? */
    bool paused;                /* Is hardly anything lent by it? */
    struct ovs_list node;       /* In 'loans' of the guest's queue. */
};

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

#endif /* loan.h */
