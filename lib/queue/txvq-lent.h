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


#ifndef IOVTEE_TXVQ_LENT_H
#define IOVTEE_TXVQ_LENT_H 1

/* The shells of a guest transmit queue, for the files of that module.
 *
 * They belong to the queue, until they are *retired*: when the queue had to
 * stop before all of them were home.  Then the guest has got its buffers back
 * all the same, nobody sends what is left (queue/shells.h), and they live on,
 * with a reference to the queue and to guest memory, until the last one is
 * home.  A queue that goes on after that gets others. */

#include "queue/txvq.h"

struct iovtee_txvq_lent {
    struct iovtee_txvq *vq;     /* Referenced if retired. */
    struct iovtee_guestmem *mem; /* Referenced. */
    struct iovtee_shells *row;

    /* With the lock of 'vq'. */
    bool retired;
    uint32_t n_out;             /* If retired, shells that are not home. */
    unsigned long *out;         /* If retired, which ones they were then. */

    long long int retired_at;   /* time_msec(). */
    struct ovs_list node;       /* In 'retired', queue/txvq-stop.c. */
};

void iovtee_txvq_lent_destroy(struct iovtee_txvq_lent *);
bool iovtee_txvq_lent_has_nic(const struct iovtee_txvq_lent *);
void iovtee_txvq_lent_count(const struct iovtee_txvq_lent *,
                            const struct iovtee_ledger *,
                            struct iovtee_txvq_info *);

/* Returns the shell of 'head'. */
static inline struct rte_mbuf *
iovtee_txvq_lent_shell(const struct iovtee_txvq_lent *lent, uint16_t head)
{
    return (void *) (lent->row->first + (size_t) head * lent->row->step);
}

#endif /* txvq-lent.h */
