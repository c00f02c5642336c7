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

/* The shells of a guest receive queue come when a NIC is to get its buffers,
 * and go when no NIC is any more: a guest may set up many queues, and long
 * ones, and most guests have no peer. */

#include <config.h>

#include "queue/rxvq.h"

#include <errno.h>

#include "openvswitch/vlog.h"
#include "ovs-rcu.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(iovtee_rxvq_equip);

static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(5, 20);

static const struct iovtee_shells_ops shells_ops = {
    .put = iovtee_rxvq_home,
    .report = iovtee_rxvq_report,
};

/* Queues that no NIC needs shells of, with one reference each. */
static struct ovs_mutex bare_mutex = OVS_MUTEX_INITIALIZER;
static struct ovs_list bare OVS_GUARDED_BY(bare_mutex)
    = OVS_LIST_INITIALIZER(&bare);

/* Has 'vq' get its shells, if it has none, before buffers of it are posted in
 * another queue of a NIC.  Must not be called by several threads at once for
 * the same queue.
 *
 * Returns 0 if successful, ENOMEM if there is no memory.  Its packets are
 * copied then. */
int
iovtee_rxvq_equip(struct iovtee_rxvq *vq)
{
    struct iovtee_shells *row = NULL;
    bool equipped;

    ovs_spin_lock(&vq->lock);
    equipped = vq->row != NULL;
    vq->n_equipped += equipped;
    ovs_spin_unlock(&vq->lock);
    if (equipped) {
        return 0;
    }

    row = iovtee_shells_create(vq->size, MAX(vq->numa_id, SOCKET_ID_ANY),
                               &shells_ops, vq);
    ovs_spin_lock(&vq->lock);
    vq->no_memory = !row;
    if (row) {
        vq->row = row;
        vq->shells = iovtee_shells_home();
        vq->n_equipped++;
        __atomic_store_n(&vq->shell0, row->first, __ATOMIC_RELAXED);
    }
    ovs_spin_unlock(&vq->lock);

    if (!row) {
        VLOG_WARN_RL(&rl, "%s: no memory to lend the %"PRIu32" buffers of "
                     "receive queue %u, packets will be copied", vq->port,
                     vq->size, vq->q);
        return ENOMEM;
    }
    return 0;
}

/* Undoes iovtee_rxvq_equip().  The shells go, with the last one who needed
 * them, in iovtee_rxvq_sweep() when all of them are home. */
void
iovtee_rxvq_unequip(struct iovtee_rxvq *vq)
{
    bool last;

    ovs_spin_lock(&vq->lock);
    ovs_assert(vq->n_equipped);
    last = !--vq->n_equipped;
    ovs_spin_unlock(&vq->lock);

    if (last) {
        ovs_mutex_lock(&bare_mutex);
        if (ovs_list_is_empty(&vq->bare_node)) {
            iovtee_rxvq_ref(vq);
            ovs_list_push_back(&bare, &vq->bare_node);
        }
        ovs_mutex_unlock(&bare_mutex);
    }
}

/* Takes the shells of 'vq' away if no NIC needs them and all are home.
 * Returns true if there is nothing to wait for here.  A finished queue keeps
 * its shells to its end, which must not wait for that of shells: only a queue
 * without references is one whose shells NICs are asked for. */
static bool
strip(struct iovtee_rxvq *vq)
{
    struct iovtee_shells *row = NULL;
    bool finished, done;

    ovs_spin_lock(&vq->lock);
    finished = vq->state == IOVTEE_RXVQ_FINISHED;
    done = vq->n_equipped || finished
           || (!vq->n_orphans && !vq->ledger.n[IOVTEE_SWITCH]
               && !vq->ledger.n[IOVTEE_NIC]);
    if (done && !finished && !vq->n_equipped) {
        row = vq->row;
        vq->row = NULL;
        __atomic_store_n(&vq->shell0, NULL, __ATOMIC_RELAXED);
    }
    ovs_spin_unlock(&vq->lock);

    if (row) {
        /* The next row must not lie there while somebody may still take it for
         * this one. */
        ovsrcu_postpone(iovtee_shells_destroy, row);
    }
    return done;
}

/* Frees the shells that are not needed any more. */
static void
sweep_bare(void)
{
    struct iovtee_rxvq *vq;

    ovs_mutex_lock(&bare_mutex);
    LIST_FOR_EACH_SAFE (vq, bare_node, &bare) {
        if (strip(vq)) {
            ovs_list_remove(&vq->bare_node);
            ovs_list_init(&vq->bare_node);
            iovtee_rxvq_unref(vq);
        }
    }
    ovs_mutex_unlock(&bare_mutex);
}

/* Frees the shells that are not needed any more, and the retired queues whose
 * last shell is home.  Returns how many queues are left of these.  Must be
 * called from time to time by the main thread. */
size_t
iovtee_rxvq_sweep(void)
{
    sweep_bare();
    return iovtee_rxvq_sweep_retired();
}
