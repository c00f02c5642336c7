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

/* Who lends to whom: NICs and guests by name, what users want, and what is in
 * effect.
 *
 * The main thread configures, librte_vhost's thread says which queues run.
 * Next: nic/nic-rxq.c, what a NIC does with a guest's queue. */

#include <config.h>

#include "tee/tee.h"

#include <errno.h>

#include "bitmap.h"
#include "nic/nic.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/list.h"
#include "openvswitch/vlog.h"
#include "ovs-thread.h"
#include "queue/rxvq.h"
#include "session/session.h"
#include "tee/peer.h"
#include "tee/reader.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(iovtee_tee);

#define MAX_RXQS IOVTEE_NIC_MAX_RXQS

struct iovtee_tee {
    struct ovs_list node;       /* In 'tees', once it takes part. */
    char *name;                 /* Name of the guest port. */
    struct iovtee_peer wanted;         /* What the user asked for. */
    struct iovtee_peer peer;           /* What is in effect. */
    struct iovtee_nic *nic;     /* What 'peer' is now, or NULL. */
    bool enabled;               /* Does the user want zero-copy? */
    bool held;                  /* Between hold and release? */
    int error;                  /* Why an attachment failed, or 0. */
    const char *warned;         /* Why 'nic' only copies, as last logged. */

    /* Running receive queues of the guest, and the one that each receive
     * queue of 'nic' is attached to.  Neither array owns references: a queue
     * is taken out before it goes. */
    struct iovtee_rxvq *vqs[IOVTEE_SESSION_MAX_QUEUES];
    struct iovtee_rxvq *attached[MAX_RXQS];

    struct iovtee_reader reader; /* Transmit queues, that 'nic' may read. */
};

/* A NIC port. */
struct tee_nic {
    struct ovs_list node;       /* In 'nics'. */
    struct iovtee_nic *nic;
};

static struct ovs_mutex mutex = OVS_MUTEX_INITIALIZER;
static struct ovs_list tees OVS_GUARDED_BY(mutex)
    = OVS_LIST_INITIALIZER(&tees);
static struct ovs_list nics OVS_GUARDED_BY(mutex)
    = OVS_LIST_INITIALIZER(&nics);

static struct iovtee_nic *find_nic(const char *name) OVS_REQUIRES(mutex);
static bool is_attached(const struct iovtee_tee *);
static bool is_content(const struct iovtee_tee *);
static const struct iovtee_tee *find_rival(const struct iovtee_tee *,
                                           size_t *rxq) OVS_REQUIRES(mutex);
static void settle(struct iovtee_tee *first) OVS_REQUIRES(mutex);
static bool settle_one(struct iovtee_tee *) OVS_REQUIRES(mutex);
static void couple(struct iovtee_tee *) OVS_REQUIRES(mutex);
static void spread(const struct iovtee_tee *,
                   struct iovtee_rxvq *const running[], size_t n,
                   struct iovtee_rxvq *want[]) OVS_REQUIRES(mutex);
static void detach_all_but(struct iovtee_tee *,
                           struct iovtee_rxvq *const want[])
    OVS_REQUIRES(mutex);
static bool attach(struct iovtee_tee *, struct iovtee_rxvq *const want[])
    OVS_REQUIRES(mutex);
static void warn_copy_only(struct iovtee_tee *) OVS_REQUIRES(mutex);
static void uncouple(struct iovtee_tee *) OVS_REQUIRES(mutex);

struct iovtee_tee *
iovtee_tee_create(const char *name)
{
    struct iovtee_tee *tee = xzalloc(sizeof *tee);

    tee->name = xstrdup(name);
    tee->enabled = true;
    ovs_list_init(&tee->node);
    return tee;
}

/* From now on 'tee' takes part: what it wants counts. */
void
iovtee_tee_begin(struct iovtee_tee *tee)
{
    ovs_mutex_lock(&mutex);
    ovs_list_push_back(&tees, &tee->node);
    settle(tee);
    ovs_mutex_unlock(&mutex);
}

/* Destroys 'tee', whose guest queues are all down.  Does nothing if 'tee' is
 * NULL. */
void
iovtee_tee_destroy(struct iovtee_tee *tee)
{
    if (!tee) {
        return;
    }

    ovs_mutex_lock(&mutex);
    uncouple(tee);
    ovs_list_remove(&tee->node);
    settle(NULL);
    ovs_mutex_unlock(&mutex);

    iovtee_peer_destroy(&tee->wanted);
    iovtee_peer_destroy(&tee->peer);
    free(tee->name);
    free(tee);
}

/* Makes NIC port 'peer', NULL for none, the one that 'tee' lends its buffers
 * to, by the receive queues listed in 'rxqs', NULL for all.  It is shared with
 * other guests only if these and this one 'exposes' frames.  A peer that does
 * not exist, or that serves another guest, is waited for.
 *
 * Returns 0 if successful.  Otherwise returns a positive errno value, stores a
 * sentence in '*errp', and changes nothing. */
int
iovtee_tee_set_peer(struct iovtee_tee *tee, const char *peer,
                    const char *rxqs, bool exposes, char **errp)
{
    struct iovtee_peer wanted;
    int error;

    error = iovtee_peer_parse(peer, rxqs, exposes, &wanted, errp);
    if (error) {
        return error;
    }

    ovs_mutex_lock(&mutex);
    iovtee_peer_move(&tee->wanted, &wanted);
    if (!ovs_list_is_empty(&tee->node)) {
        settle(tee);
    }
    ovs_mutex_unlock(&mutex);
    return 0;
}

/* Sets whether 'tee' lends any buffers at all.  It does from creation on. */
void
iovtee_tee_set_enabled(struct iovtee_tee *tee, bool enabled)
{
    ovs_mutex_lock(&mutex);
    tee->enabled = enabled;
    couple(tee);
    ovs_mutex_unlock(&mutex);
}

/* Sets whether the peer may read what the guest sends where it is.  It may not
 * from creation on. */
void
iovtee_tee_set_tx_enabled(struct iovtee_tee *tee, bool enabled)
{
    ovs_mutex_lock(&mutex);
    tee->reader.enabled = enabled;
    iovtee_reader_settle(&tee->reader, tee->nic);
    ovs_mutex_unlock(&mutex);
}

/* Returns a sentence if what the user wants of 'tee' is not in effect, or not
 * yet, otherwise NULL.  The caller frees it. */
char *
iovtee_tee_check(struct iovtee_tee *tee)
{
    struct ds s = DS_EMPTY_INITIALIZER;

    ovs_mutex_lock(&mutex);
    if (!is_content(tee)) {
        const struct iovtee_tee *rival;
        size_t rxq;

        rival = find_rival(tee, &rxq);
        if (rival && rxq == SIZE_MAX) {
            ds_put_format(&s, "peer '%s' serves port '%s' already and does "
                          "not sort frames by destination: each guest could "
                          "read frames of the other.  If they may, set "
                          "peer-rxq-exposes-frames=true on both ports",
                          tee->wanted.nic, rival->name);
        } else if (rival) {
            ds_put_format(&s, "receive queue %"PRIuSIZE" of peer '%s' is "
                          "claimed by port '%s' already", rxq,
                          tee->wanted.nic, rival->name);
        } else {
            ds_put_format(&s, "peer '%s' does not exist (yet)",
                          tee->wanted.nic);
        }
        if (tee->peer.rxqs) {
            ds_put_format(&s, "; '%s' with peer-rxq '%s' stays in effect",
                          tee->peer.nic, tee->peer.rxqs);
        } else if (tee->peer.nic) {
            ds_put_format(&s, "; '%s' stays in effect", tee->peer.nic);
        } else {
            ds_put_cstr(&s, "; packets are copied until it is free");
        }
    } else if (tee->peer.nic && !tee->nic) {
        ds_put_format(&s, "peer '%s' does not exist (yet); packets are "
                      "copied until it does", tee->peer.nic);
    } else if (tee->nic && tee->peer.claim) {
        size_t last = 0;
        size_t i;

        BITMAP_FOR_EACH_1 (i, MAX_RXQS, tee->peer.claim) {
            last = i;
        }
        if (last >= iovtee_nic_n_rxq(tee->nic)) {
            ds_put_format(&s, "peer-rxq names receive queue %"PRIuSIZE" but "
                          "'%s' has only %u", last, tee->peer.nic,
                          iovtee_nic_n_rxq(tee->nic));
        }
    }
    ovs_mutex_unlock(&mutex);
    return s.length ? ds_steal_cstr(&s) : NULL;
}

/* Returns the name of the peer in effect, NULL if none.  The caller frees
 * it. */
char *
iovtee_tee_peer(struct iovtee_tee *tee)
{
    char *peer;

    ovs_mutex_lock(&mutex);
    peer = nullable_xstrdup(tee->peer.nic);
    ovs_mutex_unlock(&mutex);
    return peer;
}

/* Returns NULL if at least one receive queue of the peer gets its buffers from
 * the guest, otherwise a phrase that says why none does.  The caller frees
 * it. */
char *
iovtee_tee_status(struct iovtee_tee *tee)
{
    char *status = NULL;

    ovs_mutex_lock(&mutex);
    if (is_attached(tee)) {
        /* Nothing to say. */
    } else if (!tee->enabled) {
        status = xstrdup("rx-zero-copy is false");
    } else if (!tee->peer.nic) {
        status = (tee->wanted.nic
                  ? xasprintf("peer %s serves another guest",
                              tee->wanted.nic)
                  : xstrdup("no peer"));
    } else if (!tee->nic) {
        status = xasprintf("peer %s does not exist", tee->peer.nic);
    } else if (iovtee_nic_copy_only(tee->nic)) {
        status = xasprintf("peer %s: %s", tee->peer.nic,
                           iovtee_nic_copy_only(tee->nic));
    } else if (tee->error) {
        status = xasprintf("peer %s: guest memory cannot be mapped (%s)",
                           tee->peer.nic, ovs_strerror(tee->error));
    } else {
        status = xstrdup("guest is not connected, or no queue of peer-rxq "
                         "exists");
    }
    ovs_mutex_unlock(&mutex);
    return status;
}

/* Appends to 's' which receive queues of the peer are attached to which of the
 * guest's. */
void
iovtee_tee_format(struct iovtee_tee *tee, struct ds *s)
{
    bool any = false;

    ovs_mutex_lock(&mutex);
    for (size_t i = 0; i < MAX_RXQS; i++) {
        if (tee->attached[i]) {
            ds_put_format(s, "%s%"PRIuSIZE"->%u", any ? " " : "", i,
                          tee->attached[i]->q);
            any = true;
        }
    }
    ovs_mutex_unlock(&mutex);
    if (!any) {
        ds_put_cstr(s, "none");
    }
}

/* 'nic' exists now. */
void
iovtee_tee_nic_add(struct iovtee_nic *nic)
{
    struct tee_nic *node = xmalloc(sizeof *node);

    node->nic = nic;
    ovs_mutex_lock(&mutex);
    ovs_list_push_back(&nics, &node->node);
    ovs_mutex_unlock(&mutex);
    iovtee_tee_nic_changed(nic);
}

/* 'nic' may have other receive queues now. */
void
iovtee_tee_nic_changed(struct iovtee_nic *nic)
{
    const char *name = iovtee_nic_get_name(nic);
    struct iovtee_tee *tee;

    ovs_mutex_lock(&mutex);
    settle(NULL);
    LIST_FOR_EACH (tee, node, &tees) {
        if (nullable_string_is_equal(tee->peer.nic, name)) {
            couple(tee);
        }
    }
    ovs_mutex_unlock(&mutex);
}

/* 'nic' is about to be closed. */
void
iovtee_tee_nic_remove(struct iovtee_nic *nic)
{
    struct tee_nic *node;
    struct iovtee_tee *tee;

    ovs_mutex_lock(&mutex);
    LIST_FOR_EACH_SAFE (node, node, &nics) {
        if (node->nic == nic) {
            ovs_list_remove(&node->node);
            free(node);
        }
    }
    LIST_FOR_EACH (tee, node, &tees) {
        if (tee->nic == nic) {
            uncouple(tee);
            tee->nic = NULL;
            iovtee_reader_settle(&tee->reader, tee->nic);
        }
    }
    settle(NULL);
    ovs_mutex_unlock(&mutex);
}

/* Several receive queues of the guest are about to start or to stop.  Until
 * iovtee_tee_release() no NIC is given any of the guest's, and the first one
 * that stops takes all with it: stopping, and perhaps restarting, NICs is done
 * once for all rather than for each. */
void
iovtee_tee_hold(struct iovtee_tee *tee)
{
    ovs_mutex_lock(&mutex);
    tee->held = true;
    ovs_mutex_unlock(&mutex);
}

/* Ends what iovtee_tee_hold() began. */
void
iovtee_tee_release(struct iovtee_tee *tee)
{
    ovs_mutex_lock(&mutex);
    tee->held = false;
    couple(tee);
    ovs_mutex_unlock(&mutex);
}

/* Receive queue 'q' of the guest, 'vq', runs from now on. */
void
iovtee_tee_vq_up(struct iovtee_tee *tee, unsigned int q,
                 struct iovtee_rxvq *vq)
{
    ovs_mutex_lock(&mutex);
    tee->vqs[q] = vq;
    if (!tee->held) {
        couple(tee);
    }
    ovs_mutex_unlock(&mutex);
}

/* Receive queue 'q' of the guest must stop: on return no NIC has any of its
 * buffers. */
void
iovtee_tee_vq_down(struct iovtee_tee *tee, unsigned int q)
{
    ovs_mutex_lock(&mutex);
    tee->vqs[q] = NULL;
    couple(tee);
    ovs_mutex_unlock(&mutex);
}

/* Transmit queue 'q' of the guest, 'vq', runs from now on. */
void
iovtee_tee_tx_up(struct iovtee_tee *tee, unsigned int q,
                 struct iovtee_txvq *vq)
{
    ovs_mutex_lock(&mutex);
    iovtee_reader_up(&tee->reader, q, vq, tee->nic);
    ovs_mutex_unlock(&mutex);
}

/* Transmit queue 'q' of the guest must stop: no NIC gets any more of it. */
void
iovtee_tee_tx_down(struct iovtee_tee *tee, unsigned int q)
{
    ovs_mutex_lock(&mutex);
    iovtee_reader_down(&tee->reader, q);
    ovs_mutex_unlock(&mutex);
}

char *
iovtee_tee_rxq_user(const struct iovtee_nic *nic, unsigned int rxq)
{
    struct iovtee_tee *tee;
    char *user = NULL;

    ovs_mutex_lock(&mutex);
    LIST_FOR_EACH (tee, node, &tees) {
        if (tee->nic == nic && rxq < MAX_RXQS && tee->attached[rxq]) {
            user = xasprintf("%s queue %u", tee->name,
                             tee->attached[rxq]->q);
            break;
        }
    }
    ovs_mutex_unlock(&mutex);
    return user;
}

/* Returns the names of the guests that lend buffers to 'nic', NULL if there
 * are none.  The caller frees it. */
char *
iovtee_tee_nic_guests(const struct iovtee_nic *nic)
{
    struct ds s = DS_EMPTY_INITIALIZER;
    struct iovtee_tee *tee;

    ovs_mutex_lock(&mutex);
    LIST_FOR_EACH (tee, node, &tees) {
        if (tee->nic == nic && is_attached(tee)) {
            ds_put_format(&s, "%s%s", s.length ? ", " : "", tee->name);
        }
    }
    ovs_mutex_unlock(&mutex);
    return s.length ? ds_steal_cstr(&s) : NULL;
}

/* Does any receive queue of the peer get its buffers from 'tee'? */
static bool
is_attached(const struct iovtee_tee *tee)
{
    for (size_t i = 0; i < MAX_RXQS; i++) {
        if (tee->attached[i]) {
            return true;
        }
    }
    return false;
}

static struct iovtee_nic *
find_nic(const char *name)
{
    const struct tee_nic *node;

    LIST_FOR_EACH (node, node, &nics) {
        if (nullable_string_is_equal(name, iovtee_nic_get_name(node->nic))) {
            return node->nic;
        }
    }
    return NULL;
}

/* Has 'tee' what the user wants? */
static bool
is_content(const struct iovtee_tee *tee)
{
    return iovtee_peer_equals(&tee->wanted, &tee->peer);
}

/* Returns NULL if 'tee' may have the peer that it wants.  Otherwise returns
 * who has it, or part of it, and stores the first such receive queue in
 * '*rxq', SIZE_MAX if there is none and the NIC cannot be shared.
 *
 * Who only keeps a peer because the one that he wants is not to be had does
 * not count.  So if all that the user wants can be had then it is had, in
 * whatever order it was asked for, and two guests can exchange their peers. */
static const struct iovtee_tee *
find_rival(const struct iovtee_tee *tee, size_t *rxq)
{
    const struct iovtee_tee *other;

    LIST_FOR_EACH (other, node, &tees) {
        if (other != tee && is_content(other)
            && iovtee_peers_collide(&tee->wanted, &other->peer, rxq)) {
            return other;
        }
    }
    return NULL;
}

/* Puts into effect what the user wants, as far as that is possible now.
 * 'first', if nonnull, is who just changed his mind: he is served before those
 * who wait.  Of those, who was there first is served first. */
static void
settle(struct iovtee_tee *first)
{
    struct iovtee_tee *tee;
    bool again;

    if (first) {
        settle_one(first);
    }

    /* Who is content stays so, hence this comes to an end. */
    do {
        again = false;
        LIST_FOR_EACH (tee, node, &tees) {
            again |= settle_one(tee);
        }
    } while (again);
}

/* Gives 'tee' the peer that it wants, if it may have it.  A peer that exists
 * gives way only to another one that does.  Returns true if 'tee' has what it
 * wants now. */
static bool
settle_one(struct iovtee_tee *tee)
{
    struct iovtee_tee *other;
    struct iovtee_peer peer;
    size_t rxq;

    if (is_content(tee)) {
        return false;
    }
    if (!find_nic(tee->peer.nic)) {
        /* Should there be such a NIC again then nobody asked for it. */
        iovtee_peer_destroy(&tee->peer);
    }
    if ((tee->wanted.nic && tee->peer.nic && !find_nic(tee->wanted.nic))
        || find_rival(tee, &rxq)) {
        return false;
    }

    LIST_FOR_EACH (other, node, &tees) {
        if (other != tee
            && iovtee_peers_collide(&tee->wanted, &other->peer, &rxq)) {
            iovtee_peer_destroy(&other->peer);
            couple(other);
        }
    }
    iovtee_peer_clone(&peer, &tee->wanted);
    iovtee_peer_move(&tee->peer, &peer);
    couple(tee);
    return true;
}

/* Attaches the guest's running receive queues to the receive queues of the
 * peer that it claims, and detaches what is attached otherwise. */
static void
couple(struct iovtee_tee *tee)
{
    struct iovtee_rxvq *running[IOVTEE_SESSION_MAX_QUEUES];
    struct iovtee_nic *nic = find_nic(tee->peer.nic);
    struct iovtee_rxvq *want[MAX_RXQS];
    size_t n_running = 0;

    for (size_t q = 0; q < ARRAY_SIZE(tee->vqs); q++) {
        if (tee->vqs[q]) {
            running[n_running++] = tee->vqs[q];
        }
    }
    if (tee->nic != nic) {
        uncouple(tee);
        tee->nic = nic;
        tee->warned = NULL;
    }
    if (tee->enabled && n_running && nic && iovtee_nic_n_rxq(nic)) {
        warn_copy_only(tee);
    }

    spread(tee, running, n_running, want);
    detach_all_but(tee, want);
    if (!attach(tee, want)) {
        for (size_t i = 0; i < n_running; i++) {
            atomic_store_relaxed(&running[i]->peer_port_id, UINT32_MAX);
        }
    }
    iovtee_reader_settle(&tee->reader, tee->nic);
}

/* Stores in each of the MAX_RXQS elements of 'want' which one of the 'n'
 * queues of the guest in 'running' that receive queue of the peer shall be
 * attached to, or NULL. */
static void
spread(const struct iovtee_tee *tee, struct iovtee_rxvq *const running[],
       size_t n, struct iovtee_rxvq *want[])
{
    size_t n_rxq = 0;
    size_t k = 0;

    if (n && tee->nic && tee->enabled && !tee->held
        && !iovtee_nic_copy_only(tee->nic)) {
        n_rxq = iovtee_nic_n_rxq(tee->nic);
    }
    for (size_t i = 0; i < MAX_RXQS; i++) {
        want[i] = (i < n_rxq && iovtee_peer_claims(&tee->peer, i)
                   ? running[k++ % n] : NULL);
    }
}

/* Detaches every receive queue of the peer that is attached to another queue
 * of the guest than the one in 'want'. */
static void
detach_all_but(struct iovtee_tee *tee, struct iovtee_rxvq *const want[])
{
    unsigned long *rxqs = bitmap_allocate(MAX_RXQS);
    bool any = false;

    for (size_t i = 0; i < MAX_RXQS; i++) {
        if (tee->attached[i] && tee->attached[i] != want[i]) {
            tee->attached[i] = NULL;
            bitmap_set1(rxqs, i);
            any = true;
        }
    }
    if (any) {
        iovtee_nic_detach(tee->nic, rxqs);
    }
    bitmap_free(rxqs);
}

/* Attaches every receive queue of the peer to the queue of the guest that is
 * in 'want'.  Returns true if any is attached then. */
static bool
attach(struct iovtee_tee *tee, struct iovtee_rxvq *const want[])
{
    bool any = false;

    tee->error = 0;
    for (size_t i = 0; i < MAX_RXQS; i++) {
        if (want[i] && !tee->attached[i]) {
            int error = iovtee_nic_attach(tee->nic, i, want[i]);

            if (!error) {
                tee->attached[i] = want[i];
            } else if (error != EOPNOTSUPP) {
                tee->error = error;
            }
        }
        any |= tee->attached[i] != NULL;
    }
    return any;
}

/* Says in the log, once, if the peer cannot be given buffers of guests. */
static void
warn_copy_only(struct iovtee_tee *tee)
{
    const char *copy_only = iovtee_nic_copy_only(tee->nic);

    if (copy_only && copy_only != tee->warned) {
        VLOG_WARN("%s: packets from %s will be copied: %s", tee->name,
                  iovtee_nic_get_name(tee->nic), copy_only);
        tee->warned = copy_only;
    }
}

/* Detaches all that is attached. */
static void
uncouple(struct iovtee_tee *tee)
{
    static struct iovtee_rxvq *const none[MAX_RXQS];

    detach_all_but(tee, none);
}
