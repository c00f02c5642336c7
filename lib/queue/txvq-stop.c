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
 *    3. NICs are made to give back what they were to send, by force.  One that
 *       keeps it whatever is done stays stopped, so that it does not read it.
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

#define LAST_STEP IOVTEE_TXVQ_LEAVE_STOPPED

static struct ovs_mutex retired_mutex = OVS_MUTEX_INITIALIZER;
static struct ovs_list retired OVS_GUARDED_BY(retired_mutex)
    = OVS_LIST_INITIALIZER(&retired);

/* Queues that are stopped together. */
struct group {
    struct iovtee_txvq *const *vqs;
    unsigned int n;
};

/* Adds where the shells of 'vq' are that are out to '*p'. */
static void
add_places(struct iovtee_txvq *vq, struct iovtee_txvq_places *p)
{
    uint32_t n_out;

    ovs_spin_lock(&vq->lock);
    n_out = vq->ledger.n[IOVTEE_SWITCH];
    p->n_out += n_out;
    for (uint32_t head = 0; n_out && head < vq->ledger.size; head++) {
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
        if (i == p->n && i < ARRAY_SIZE(p->places)) {
            p->places[i].port_id = port_id;
            p->places[i].txq = txq;
            p->n++;
        }
    }
    ovs_spin_unlock(&vq->lock);
}

/* Finds out where the shells of 'group' are that are out. */
static void
find_places(const struct group *group, struct iovtee_txvq_places *p)
{
    p->n = p->n_sent = p->n_out = 0;
    for (unsigned int i = 0; i < group->n; i++) {
        add_places(group->vqs[i], p);
    }
}

/* Has those NICs give back what they have, by 'step'. */
static void
fetch_from(const struct iovtee_txvq_places *p, iovtee_txvq_fetch *fetch,
           enum iovtee_txvq_fetch_step step)
{
    for (unsigned int i = 0; i < p->n; i++) {
        fetch(p->places[i].port_id, p->places[i].txq, step);
    }
}

/* Waits until nothing of 'group' is out, but no longer than until 'deadline',
 * a time_usec(), and for NICs not longer than ASK_US.  Returns false if
 * anything is left in the switch then. */
static bool
await(const struct group *group, long long int deadline,
      iovtee_txvq_fetch *fetch)
{
    long long int all_sent_at = 0;
    struct iovtee_txvq_places p;

    for (;;) {
        long long int now = time_usec();

        find_places(group, &p);
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

/* Has NICs give back all of 'group' that they have, by force if need be.
 * Nobody sends any more.  Returns true if there was need. */
static bool
force(const struct group *group, iovtee_txvq_fetch *fetch)
{
    struct iovtee_txvq_places p;
    bool forced;

    find_places(group, &p);
    forced = p.n != 0;
    for (int i = 0; i < 2 && p.n; i++) {
        fetch_from(&p, fetch, IOVTEE_TXVQ_STOP_QUEUE);
        find_places(group, &p);
    }
    for (int step = IOVTEE_TXVQ_RESTART; p.n && step <= LAST_STEP; step++) {
        /* All places are at one NIC, as a rule, and what is done to the device
         * does for all. */
        for (int i = 0; i < 2 && p.n; i++) {
            fetch(p.places[0].port_id, p.places[0].txq, step);
            find_places(group, &p);
        }
    }
    if (p.n_sent) {
        VLOG_ERR_RL(&rl, "%s: %"PRIu32" frames of transmit queue %u are kept "
                    "by NICs that were stopped", group->vqs[0]->port,
                    p.n_sent, group->vqs[0]->q);
    }
    return forced;
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

/* Returns for how many milliseconds nothing of 'vq' has come home although
 * NICs have some, as far as is known from earlier calls, at 'now', and stores
 * in '*p' where that is.  For the main thread. */
long long int
iovtee_txvq_stuck_for(struct iovtee_txvq *vq, long long int now,
                      struct iovtee_txvq_places *p)
{
    const struct group group = { &vq, 1 };
    long long int age = 0;

    ovs_spin_lock(&vq->lock);
    if (!vq->ledger.n[IOVTEE_SWITCH]) {
        vq->seen_at = 0;
    } else if (!vq->seen_at || vq->n_home != vq->seen_home) {
        vq->seen_home = vq->n_home;
        vq->seen_at = now;
    } else {
        age = now - vq->seen_at;
    }
    ovs_spin_unlock(&vq->lock);

    if (age) {
        find_places(&group, p);
    }
    return age && p->n ? age : 0;
}

/* Begins to stop 'vq'.  Returns true if anything is out. */
static bool
begin(struct iovtee_txvq *vq)
{
    bool any;

    ovs_spin_lock(&vq->lock);
    if (vq->state == IOVTEE_TXVQ_RUNNING) {
        vq->state = IOVTEE_TXVQ_SUSPENDED;
    }
    any = vq->ledger.n[IOVTEE_SWITCH] != 0;
    ovs_spin_unlock(&vq->lock);
    return any;
}

/* Has nobody send what of 'vq' is in the switch.  (The row stays as long as
 * the queue does not run.) */
static void
revoke(struct iovtee_txvq *vq)
{
    struct iovtee_txvq_lent *lent;

    ovs_spin_lock(&vq->lock);
    lent = vq->lent;
    ovs_spin_unlock(&vq->lock);
    if (lent) {
        iovtee_shells_revoke(lent->row);
    }
}

/* Ends the stop of 'vq': the guest gets all that is out. */
static void
end(struct iovtee_txvq *vq)
{
    struct iovtee_txvq_lent *lent = forget(vq);

    if (lent) {
        iovtee_txvq_ref(vq);
        ovs_mutex_lock(&retired_mutex);
        ovs_list_push_back(&retired, &lent->node);
        ovs_mutex_unlock(&retired_mutex);
        seq_change(iovtee_retired_seq());
    }

    ovs_spin_lock(&vq->lock);
    if (vq->state == IOVTEE_TXVQ_SUSPENDED) {
        iovtee_txvq_publish(vq);
    }
    iovtee_txvq_unlock(vq);
}

/* Stops the 'n' queues in 'vqs', all of one guest.  After return guest memory
 * is neither read nor written, by nobody: what is in the switch may leave it
 * until 'deadline', a time_usec(), and what a NIC has is taken back by
 * 'fetch', unless that is NULL because no NIC can have anything.  Returns
 * false if frames did not leave the switch; they are lost.  Stores in
 * '*forced' whether a NIC had to be stopped. */
bool
iovtee_txvq_suspend_all(struct iovtee_txvq *const vqs[], unsigned int n,
                        long long int deadline, iovtee_txvq_fetch *fetch,
                        bool *forced)
{
    const struct group group = { vqs, n };
    bool empty = true;
    bool any = false;

    *forced = false;
    for (unsigned int i = 0; i < n; i++) {
        any |= begin(vqs[i]);
    }
    if (any && fetch) {
        empty = await(&group, deadline, fetch);
    }
    for (unsigned int i = 0; i < n; i++) {
        revoke(vqs[i]);
    }
    if (any && fetch) {
        *forced = force(&group, fetch);
    }
    for (unsigned int i = 0; i < n; i++) {
        end(vqs[i]);
    }
    return empty;
}

/* Stops 'vq', of which no NIC has buffers.  After return guest memory is
 * neither read nor written. */
void
iovtee_txvq_suspend(struct iovtee_txvq *vq)
{
    bool forced;

    iovtee_txvq_suspend_all(&vq, 1, 0, NULL, &forced);
}

/* Frees the shells of 'vq' if zero-copy is not wanted any more.  Returns true
 * if there is nothing left to do.  For the main thread. */
bool
iovtee_txvq_tidy(struct iovtee_txvq *vq)
{
    struct iovtee_txvq_lent *lent = NULL;
    bool tidy;

    ovs_spin_lock(&vq->lock);
    tidy = !vq->lent || vq->zero_copy;
    if (!tidy && vq->state == IOVTEE_TXVQ_RUNNING
        && !vq->ledger.n[IOVTEE_SWITCH]
        && !iovtee_shells_is_pinned(vq->lent->row)) {
        lent = vq->lent;
        vq->lent = NULL;
        tidy = true;
    }
    ovs_spin_unlock(&vq->lock);
    iovtee_txvq_lent_destroy(lent);
    return tidy;
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
