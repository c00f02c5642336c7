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


/* How all buffers of a guest transmit queue are taken back, by librte_vhost's
 * thread mostly, and what becomes of those that somebody keeps.
 *
 *    1. Nothing more is lent.  What is in the switch may leave it, what a NIC
 *       has it may send: that takes microseconds as a rule.
 *
 *    2. The row of shells is revoked: what is still in the switch will not be
 *       sent any more, nor copied.
 *
 *    3. NICs are made to give back what they were to send, by force.
 *
 *    4. The guest gets all of its buffers. */

#include <config.h>

#include "queue/txvq-lent.h"

#include "bitmap.h"
#include "openvswitch/list.h"
#include "openvswitch/vlog.h"
#include "seq.h"
#include "timeval.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(iovtee_txvq_stop);

static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(5, 20);

/* How long it is between two looks, and how long NICs are only asked once they
 * have all that is out, in microseconds.  A NIC of 1 Gbit/s sends half of a
 * ring of 1024 full frames in that time. */
#define INTERVAL_US 20
#define ASK_US 10000

/* Transmit queues of NICs that are seen to at a time. */
#define MAX_PLACES 16

/* Where shells were sent. */
struct places {
    struct { uint16_t port_id, txq; } places[MAX_PLACES];
    unsigned int n;
    uint32_t n_sent;            /* Shells that were sent... */
    uint32_t n_out;             /* ...and those that are out at all. */
};

static struct ovs_mutex retired_mutex = OVS_MUTEX_INITIALIZER;
static struct ovs_list retired OVS_GUARDED_BY(retired_mutex)
    = OVS_LIST_INITIALIZER(&retired);

/* Finds out where the shells of 'vq' are that are out. */
static void
find_places(struct iovtee_txvq *vq, struct places *p)
{
    p->n = p->n_sent = 0;
    ovs_spin_lock(&vq->lock);
    p->n_out = vq->ledger.n[IOVTEE_SWITCH];
    for (uint32_t head = 0; p->n_out && head < vq->ledger.size; head++) {
        uint16_t port_id, txq;
        unsigned int i;

        if (iovtee_ledger_place(&vq->ledger, head) != IOVTEE_SWITCH
            || !iovtee_mark_get_sent(iovtee_txvq_lent_shell(vq->lent, head),
                                     &port_id, &txq)) {
            continue;
        }
        p->n_sent++;
        for (i = 0; i < p->n; i++) {
            if (p->places[i].port_id == port_id && p->places[i].txq == txq) {
                break;
            }
        }
        if (i == p->n && i < MAX_PLACES) {
            p->places[i].port_id = port_id;
            p->places[i].txq = txq;
            p->n++;
        }
    }
    ovs_spin_unlock(&vq->lock);
}

/* Has those NICs give back what they have, by 'step'. */
static void
fetch_from(const struct places *p, iovtee_txvq_fetch *fetch,
           enum iovtee_txvq_fetch_step step)
{
    for (unsigned int i = 0; i < p->n; i++) {
        fetch(p->places[i].port_id, p->places[i].txq, step);
    }
}

/* Waits until nothing of 'vq' is out, but no longer than until 'deadline', a
 * time_usec(), and for NICs not longer than ASK_US.  Returns false if anything
 * is left in the switch then. */
static bool
await(struct iovtee_txvq *vq, long long int deadline, iovtee_txvq_fetch *fetch)
{
    long long int all_sent_at = 0;
    struct places p;

    for (;;) {
        long long int now = time_usec();

        find_places(vq, &p);
        if (!p.n_out) {
            return true;
        }
        if (p.n_sent < p.n_out) {
            all_sent_at = 0;
        } else if (!all_sent_at) {
            all_sent_at = now;
        }
        if (now >= (all_sent_at ? all_sent_at + ASK_US : deadline)) {
            return all_sent_at != 0;
        }
        fetch_from(&p, fetch, IOVTEE_TXVQ_ASK);
        xnanosleep_no_quiesce(INTERVAL_US * 1000);
    }
}

/* Has NICs give back all of 'vq' that they have, by force if need be.  Nobody
 * sends any more. */
static void
force(struct iovtee_txvq *vq, iovtee_txvq_fetch *fetch)
{
    struct places p;

    for (int i = 0; i < 2; i++) {
        find_places(vq, &p);
        fetch_from(&p, fetch, IOVTEE_TXVQ_STOP_QUEUE);
    }
    find_places(vq, &p);
    for (int i = 0; i < 2 && p.n; i++) {
        /* All places are at one NIC, as a rule, and a restart does for all. */
        fetch(p.places[0].port_id, p.places[0].txq, IOVTEE_TXVQ_RESTART);
        find_places(vq, &p);
    }
    if (p.n_sent) {
        VLOG_ERR_RL(&rl, "%s: %"PRIu32" frames of transmit queue %u are kept "
                    "by NICs that were restarted", vq->port, p.n_sent, vq->q);
    }
}

/* Gives the guest those buffers of 'vq' that are out, and has nothing more to
 * do with their shells.  Returns these, or NULL if there are none. */
static struct iovtee_txvq_lent *
forget(struct iovtee_txvq *vq)
{
    struct iovtee_txvq_lent *lent = NULL;
    unsigned long *out = bitmap_allocate(vq->ring.vring.size);

    ovs_spin_lock(&vq->lock);
    for (uint32_t head = 0; head < vq->ledger.size; head++) {
        struct rte_mbuf *m;
        uint16_t port_id, txq;

        if (iovtee_ledger_place(&vq->ledger, head) != IOVTEE_SWITCH) {
            continue;
        }
        lent = vq->lent;
        lent->n_out++;
        bitmap_set1(out, head);
        m = iovtee_txvq_lent_shell(lent, head);
        if (!iovtee_mark_get_sent(m, &port_id, &txq)) {
            if (iovtee_mark_get_fate(m) == IOVTEE_FATE_NONE) {
                vq->counters.dropped[IOVTEE_TX_DROP_STOPPED]++;
            } else {
                iovtee_txvq_count_end(vq, m);
            }
        }
        iovtee_ledger_move(&vq->ledger, head, IOVTEE_SWITCH, IOVTEE_GUEST);
        iovtee_txvq_give(vq, head);
    }
    if (lent) {
        lent->retired = true;
        lent->retired_at = time_msec();
        lent->out = out;
        out = NULL;
        vq->lent = NULL;
    }
    ovs_spin_unlock(&vq->lock);
    bitmap_free(out);
    return lent;
}

/* Stops 'vq'.  After return guest memory is neither read nor written, by
 * nobody: what is in the switch may leave it until 'deadline', a time_usec(),
 * and what a NIC has is taken back by 'fetch', unless that is NULL because no
 * NIC can have anything.  Returns false if frames did not leave the switch;
 * they are lost. */
bool
iovtee_txvq_suspend_until(struct iovtee_txvq *vq, long long int deadline,
                          iovtee_txvq_fetch *fetch)
{
    struct iovtee_txvq_lent *lent;
    bool empty = true;
    bool any;

    ovs_spin_lock(&vq->lock);
    if (vq->state == IOVTEE_TXVQ_RUNNING) {
        vq->state = IOVTEE_TXVQ_SUSPENDED;
    }
    lent = vq->lent;
    any = vq->ledger.n[IOVTEE_SWITCH] != 0;
    ovs_spin_unlock(&vq->lock);

    if (any && fetch) {
        empty = await(vq, deadline, fetch);
    }
    if (lent) {
        iovtee_shells_revoke(lent->row);
        if (any) {
            if (fetch) {
                force(vq, fetch);
            }
            lent = forget(vq);
            if (lent) {
                iovtee_txvq_ref(vq);
                ovs_mutex_lock(&retired_mutex);
                ovs_list_push_back(&retired, &lent->node);
                ovs_mutex_unlock(&retired_mutex);
                seq_change(iovtee_retired_seq());
            }
        }
    }

    ovs_spin_lock(&vq->lock);
    if (vq->state == IOVTEE_TXVQ_SUSPENDED) {
        iovtee_txvq_publish(vq);
    }
    iovtee_txvq_unlock(vq);
    return empty;
}

/* Stops 'vq', of which no NIC has buffers.  After return guest memory is
 * neither read nor written. */
void
iovtee_txvq_suspend(struct iovtee_txvq *vq)
{
    iovtee_txvq_suspend_until(vq, 0, NULL);
}

/* Frees what was retired and is home.  Returns how many queues there are whose
 * shells are not.  Must be called from time to time by the main thread. */
size_t
iovtee_txvq_sweep(void)
{
    struct ovs_list home = OVS_LIST_INITIALIZER(&home);
    struct iovtee_txvq_lent *lent;
    size_t n_left = 0;

    ovs_mutex_lock(&retired_mutex);
    LIST_FOR_EACH_SAFE (lent, node, &retired) {
        struct iovtee_txvq *vq = lent->vq;
        bool is_home;

        ovs_spin_lock(&vq->lock);
        is_home = !lent->n_out && !iovtee_shells_is_pinned(lent->row);
        ovs_spin_unlock(&vq->lock);
        if (is_home) {
            ovs_list_remove(&lent->node);
            ovs_list_push_back(&home, &lent->node);
        } else {
            n_left++;
        }
    }
    ovs_mutex_unlock(&retired_mutex);

    /* To unmap guest memory takes long, and whoever stops a queue would wait
     * for the mutex. */
    LIST_FOR_EACH_POP (lent, node, &home) {
        struct iovtee_txvq *vq = lent->vq;

        iovtee_txvq_lent_destroy(lent);
        iovtee_txvq_unref(vq);
    }
    return n_left;
}

/* Stores what was retired and is not home in '*retiredp', which the caller
 * frees by iovtee_retired_free(), and returns how much that is. */
size_t
iovtee_txvq_get_retired(struct iovtee_retired **retiredp)
{
    struct iovtee_txvq_lent *lent;
    struct iovtee_retired *r;
    size_t n = 0;

    ovs_mutex_lock(&retired_mutex);
    r = xcalloc(ovs_list_size(&retired) + 1, sizeof *r);
    LIST_FOR_EACH (lent, node, &retired) {
        struct iovtee_txvq *vq = lent->vq;
        size_t head;

        r[n].port = xstrdup(vq->port);
        r[n].transmit = true;
        r[n].q = vq->q;
        r[n].age = time_msec() - lent->retired_at;
        r[n].mem_size = iovtee_guestmem_size(lent->mem);
        ovs_spin_lock(&vq->lock);
        BITMAP_FOR_EACH_1 (head, lent->row->n, lent->out) {
            iovtee_retired_count(&r[n], iovtee_txvq_lent_shell(lent, head));
        }
        r[n].n_out = lent->n_out;
        r[n].n_sent = MIN(r[n].n_sent, lent->n_out);
        ovs_spin_unlock(&vq->lock);
        n++;
    }
    ovs_mutex_unlock(&retired_mutex);
    *retiredp = r;
    return n;
}
