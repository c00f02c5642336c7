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

/* Loans of a guest receive queue: see queue/loan.h. */

#include <config.h>

#include "queue/rxvq.h"

#include "util.h"

static struct iovtee_loan *
find_unused(struct iovtee_rxvq *vq)
    OVS_REQUIRES(vq->lock)
{
    struct iovtee_loan *loan;

    LIST_FOR_EACH (loan, node, &vq->loans) {
        if (!loan->used) {
            return loan;
        }
    }
    return NULL;
}

/* Returns a loan of 'vq' for a receive queue of a NIC, as which nothing was
 * lent so far.  Its driver may write 'front' bytes before each frame. */
struct iovtee_loan *
iovtee_rxvq_open_loan(struct iovtee_rxvq *vq, uint32_t front)
{
    struct iovtee_loan *new = xzalloc_cacheline(sizeof *new);
    struct iovtee_loan *loan;

    ovs_spin_lock(&vq->lock);
    loan = find_unused(vq);
    if (!loan) {
        loan = new;
        new = NULL;
        atomic_init(&loan->n_nic, 0);
        ovs_list_push_back(&vq->loans, &loan->node);
    }
    atomic_store_relaxed(&loan->n_frames, 0);
    atomic_store_relaxed(&loan->gain, 0);
    atomic_store_relaxed(&loan->cost, 0);
    loan->front = front;
    loan->used = true;
    vq->n_loans++;
    ovs_spin_unlock(&vq->lock);
    free_cacheline(new);
    return loan;
}

/* Ends the use of 'loan', of which the NIC has no buffers any more.  Does
 * nothing if it is NULL. */
void
iovtee_rxvq_close_loan(struct iovtee_rxvq *vq, struct iovtee_loan *loan)
{
    if (loan) {
        iovtee_rxvq_pause_loan(vq, loan, false);
        ovs_spin_lock(&vq->lock);
        loan->used = false;
        vq->n_loans--;
        ovs_spin_unlock(&vq->lock);
    }
}

/* Notes whether lending by 'loan' is paused, for those who ask why so much is
 * copied. */
void
iovtee_rxvq_pause_loan(struct iovtee_rxvq *vq, struct iovtee_loan *loan,
                       bool paused)
{
    ovs_spin_lock(&vq->lock);
    vq->n_paused += paused - loan->paused;
    loan->paused = paused;
    ovs_spin_unlock(&vq->lock);
}

/* Frees all loans of 'vq', of which every buffer is home. */
void
iovtee_rxvq_free_loans(struct iovtee_rxvq *vq)
{
    struct iovtee_loan *loan;

    LIST_FOR_EACH_POP (loan, node, &vq->loans) {
        free_cacheline(loan);
    }
}
