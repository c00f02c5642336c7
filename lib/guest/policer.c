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

/* Policers of QoS and of ingress policing.  PMD threads run them, the main
 * thread makes and reads them; see policer.h.  Next: qos.c, which has the
 * users' settings. */

#include <config.h>

#include "guest/policer.h"

#include <errno.h>
#include <stdlib.h>

#include <rte_cycles.h>
#include <rte_mbuf.h>
#include <rte_meter.h>
#include <rte_spinlock.h>

#include "dp-packet.h"
#include "hash.h"
#include "netdev.h"
#include "openvswitch/hmap.h"
#include "ovs-rcu.h"
#include "packets.h"
#include "timeval.h"
#include "util.h"

/* A meter with one rate. */
struct srtcm {
    struct rte_meter_srtcm meter;
    struct rte_meter_srtcm_profile profile;
};

/* A meter with two rates. */
struct trtcm {
    struct rte_meter_trtcm_rfc4115 meter;
    struct rte_meter_trtcm_rfc4115_profile profile;
};

struct queue {
    struct hmap_node node;      /* In 'queues' of its policer. */
    uint32_t queue_id;          /* The 'skb_priority' of its packets. */
    struct iovtee_policer_rates rates;
    struct trtcm trtcm;
    struct netdev_queue_stats stats; /* Of what this queue's meter decided. */
};

struct iovtee_policer {
    /* Configuration, which never changes. */
    enum iovtee_policer_type type;
    struct iovtee_policer_rates rates;

    /* State, protected by 'lock', which threads hold for the time that it
     * takes to meter a burst.  Only the thread that configures adds, changes
     * and removes queues; it needs the lock to do that and to read statistics,
     * but not to look up a queue. */
    rte_spinlock_t lock;
    uint64_t now;               /* TSC as of the last burst. */
    union {
        struct srtcm srtcm;     /* IOVTEE_POLICER_SINGLE. */
        struct trtcm trtcm;     /* IOVTEE_POLICER_TRTCM. */
    };
    struct hmap queues;         /* Contains 'struct queue's. */
};

static void policer_destroy(struct iovtee_policer *);
static int srtcm_init(struct srtcm *, const struct iovtee_policer_rates *);
static int trtcm_init(struct trtcm *, const struct iovtee_policer_rates *);
static struct queue *queue_find(const struct iovtee_policer *,
                                uint32_t queue_id);
static void update_time(struct iovtee_policer *);
static bool admit(struct iovtee_policer *, struct rte_mbuf *);

/* Creates a policer of the given 'type' with full buckets, and no queues, and
 * stores it in '*policerp'.  Returns 0 if successful, or EINVAL if the meters
 * do not take 'rates'. */
int
iovtee_policer_create(enum iovtee_policer_type type,
                      const struct iovtee_policer_rates *rates,
                      struct iovtee_policer **policerp)
{
    struct iovtee_policer *policer = xzalloc(sizeof *policer);
    int error;

    policer->type = type;
    policer->rates = *rates;
    rte_spinlock_init(&policer->lock);
    hmap_init(&policer->queues);
    error = (type == IOVTEE_POLICER_TRTCM
             ? trtcm_init(&policer->trtcm, rates)
             : srtcm_init(&policer->srtcm, rates));
    if (error) {
        policer_destroy(policer);
        return error;
    }

    update_time(policer);
    *policerp = policer;
    return 0;
}

/* Frees 'policer', which may be NULL, when no thread can be using it any
 * longer.  The caller has already replaced each RCU pointer to it. */
void
iovtee_policer_retire(struct iovtee_policer *policer)
{
    if (policer) {
        ovsrcu_postpone(policer_destroy, policer);
    }
}

/* Returns the type of 'policer'. */
enum iovtee_policer_type
iovtee_policer_get_type(const struct iovtee_policer *policer)
{
    return policer->type;
}

/* Returns the rates that 'policer' was created with. */
const struct iovtee_policer_rates *
iovtee_policer_get_rates(const struct iovtee_policer *policer)
{
    return &policer->rates;
}

/* Returns true if 'a' and 'b' are the same. */
bool
iovtee_policer_rates_equal(const struct iovtee_policer_rates *a,
                           const struct iovtee_policer_rates *b)
{
    return a->cir == b->cir && a->eir == b->eir
           && a->cbs == b->cbs && a->ebs == b->ebs;
}

/* Adds queue 'queue_id' with 'rates' to 'policer', or changes its rates if it
 * exists.  Returns 0 if successful, or EINVAL, with nothing changed, if the
 * meters do not take 'rates'. */
int
iovtee_policer_set_queue(struct iovtee_policer *policer, uint32_t queue_id,
                         const struct iovtee_policer_rates *rates)
{
    struct queue *queue = queue_find(policer, queue_id);
    struct trtcm trtcm;
    int error;

    if (queue && iovtee_policer_rates_equal(&queue->rates, rates)) {
        /* A new meter would come with full buckets. */
        return 0;
    }
    error = trtcm_init(&trtcm, rates);
    if (error) {
        return error;
    }

    if (queue) {
        queue->rates = *rates;
        rte_spinlock_lock(&policer->lock);
        update_time(policer);
        queue->trtcm = trtcm;
        rte_spinlock_unlock(&policer->lock);
    } else {
        queue = xzalloc(sizeof *queue);
        queue->queue_id = queue_id;
        queue->rates = *rates;
        queue->trtcm = trtcm;
        queue->stats.created = time_msec();
        rte_spinlock_lock(&policer->lock);
        update_time(policer);
        hmap_insert(&policer->queues, &queue->node, hash_int(queue_id, 0));
        rte_spinlock_unlock(&policer->lock);
    }
    return 0;
}

/* Removes queue 'queue_id' from 'policer', if it exists. */
void
iovtee_policer_delete_queue(struct iovtee_policer *policer, uint32_t queue_id)
{
    struct queue *queue = queue_find(policer, queue_id);

    if (queue) {
        rte_spinlock_lock(&policer->lock);
        hmap_remove(&policer->queues, &queue->node);
        rte_spinlock_unlock(&policer->lock);
        free(queue);
    }
}

/* Returns the rates of queue 'queue_id' of 'policer', or NULL if it does not
 * exist. */
const struct iovtee_policer_rates *
iovtee_policer_get_queue(const struct iovtee_policer *policer,
                         uint32_t queue_id)
{
    const struct queue *queue = queue_find(policer, queue_id);

    return queue ? &queue->rates : NULL;
}

/* Stores in '*stats' what the meter of queue 'queue_id' of 'policer' decided.
 * Returns 0 if successful, or EINVAL if the queue does not exist. */
int
iovtee_policer_get_queue_stats(struct iovtee_policer *policer,
                               uint32_t queue_id,
                               struct netdev_queue_stats *stats)
{
    const struct queue *queue = queue_find(policer, queue_id);

    if (!queue) {
        return EINVAL;
    }
    rte_spinlock_lock(&policer->lock);
    *stats = queue->stats;
    rte_spinlock_unlock(&policer->lock);
    return 0;
}

/* Stores the numbers of all queues of 'policer' in '*queue_ids', an array that
 * the caller must free, and returns how many there are. */
size_t
iovtee_policer_list_queues(const struct iovtee_policer *policer,
                           uint32_t **queue_ids)
{
    const struct queue *queue;
    size_t n = 0;

    *queue_ids = xmalloc(hmap_count(&policer->queues) * sizeof **queue_ids);
    HMAP_FOR_EACH (queue, node, &policer->queues) {
        (*queue_ids)[n++] = queue->queue_id;
    }
    return n;
}

/* Applies 'policer' to the 'n' packets of 'pkts', at most NETDEV_MAX_BURST.
 * Each mbuf is that of a 'struct dp_packet', wherever its data come from.
 * Returns how many pass: those are then the first ones of 'pkts', in order.
 * The others were freed if 'may_steal' is true; otherwise they follow in
 * 'pkts', in order. */
int
iovtee_policer_run(struct iovtee_policer *policer, struct rte_mbuf *pkts[],
                   int n, bool may_steal)
{
    struct rte_mbuf *dropped[NETDEV_MAX_BURST];
    int n_dropped = 0;
    int n_kept = 0;

    ovs_assert(n <= NETDEV_MAX_BURST);

    rte_spinlock_lock(&policer->lock);
    update_time(policer);
    for (int i = 0; i < n; i++) {
        if (admit(policer, pkts[i])) {
            pkts[n_kept++] = pkts[i];
        } else {
            dropped[n_dropped++] = pkts[i];
        }
    }
    rte_spinlock_unlock(&policer->lock);

    /* To free a packet may take the lock of the ring that it came from, so
     * that must wait until here. */
    for (int i = 0; i < n_dropped; i++) {
        if (may_steal) {
            dp_packet_delete(CONTAINER_OF(dropped[i], struct dp_packet, mbuf));
        } else {
            pkts[n_kept + i] = dropped[i];
        }
    }
    return n_kept;
}

static void
policer_destroy(struct iovtee_policer *policer)
{
    struct queue *queue;

    HMAP_FOR_EACH_POP (queue, node, &policer->queues) {
        free(queue);
    }
    hmap_destroy(&policer->queues);
    free(policer);
}

/* Prepares 's' for 'rates', with a full bucket.  Returns 0 or EINVAL. */
static int
srtcm_init(struct srtcm *s, const struct iovtee_policer_rates *rates)
{
    struct rte_meter_srtcm_params params = {
        .cir = rates->cir,
        .cbs = rates->cbs,
    };

    if (rte_meter_srtcm_profile_config(&s->profile, &params)
        || !s->profile.cir_period /* Rate out of range: would divide by 0. */
        || rte_meter_srtcm_config(&s->meter, &s->profile)) {
        return EINVAL;
    }
    return 0;
}

/* Prepares 't' for 'rates', with full buckets.  Returns 0 or EINVAL. */
static int
trtcm_init(struct trtcm *t, const struct iovtee_policer_rates *rates)
{
    struct rte_meter_trtcm_rfc4115_params params = {
        .cir = rates->cir,
        .eir = rates->eir,
        .cbs = rates->cbs,
        .ebs = rates->ebs,
    };

    if (rte_meter_trtcm_rfc4115_profile_config(&t->profile, &params)
        || !t->profile.cir_period || !t->profile.eir_period
        || rte_meter_trtcm_rfc4115_config(&t->meter, &t->profile)) {
        return EINVAL;
    }
    return 0;
}

static struct queue *
queue_find(const struct iovtee_policer *policer, uint32_t queue_id)
{
    struct queue *queue;

    HMAP_FOR_EACH_WITH_HASH (queue, node, hash_int(queue_id, 0),
                             &policer->queues) {
        if (queue->queue_id == queue_id) {
            return queue;
        }
    }
    return NULL;
}

/* Tells 'policer' the time.  The caller holds the lock.
 *
 * The TSC of one core may be a little ahead of that of another, and meters do
 * not bear a time that goes back; a new meter takes the time by itself, so
 * this follows. */
static void
update_time(struct iovtee_policer *policer)
{
    policer->now = MAX(policer->now, rte_rdtsc());
}

/* Asks the meter of the queue of 'packet', which counts with 'len' bytes. */
static enum rte_color
queue_meter(struct iovtee_policer *policer, const struct dp_packet *packet,
            uint32_t len)
{
    struct queue *queue = queue_find(policer, packet->md.skb_priority);
    enum rte_color color;

    if (!queue) {
        queue = queue_find(policer, 0);
        if (!queue) {
            /* The main thread is about to add queue 0.  The meter of the port
             * suffices until then. */
            return RTE_COLOR_GREEN;
        }
    }

    color = rte_meter_trtcm_rfc4115_color_blind_check(
        &queue->trtcm.meter, &queue->trtcm.profile, policer->now, len);
    if (color == RTE_COLOR_RED) {
        queue->stats.tx_errors++;
    } else {
        queue->stats.tx_packets++;
        queue->stats.tx_bytes += len;
    }
    return color;
}

/* Returns true if 'policer' lets packet 'mbuf' pass.  The caller holds the
 * lock. */
static bool
admit(struct iovtee_policer *policer, struct rte_mbuf *mbuf)
{
    uint32_t len = rte_pktmbuf_pkt_len(mbuf);
    enum rte_color color;

    if (OVS_UNLIKELY(len < ETH_HEADER_LEN)) {
        /* It costs no token, so nothing would ever limit these. */
        return false;
    }
    len -= ETH_HEADER_LEN;

    if (policer->type == IOVTEE_POLICER_SINGLE) {
        color = rte_meter_srtcm_color_blind_check(
            &policer->srtcm.meter, &policer->srtcm.profile, policer->now, len);
        return color == RTE_COLOR_GREEN;
    }

    color = queue_meter(policer,
                        CONTAINER_OF(mbuf, struct dp_packet, mbuf), len);
    color = rte_meter_trtcm_rfc4115_color_aware_check(
        &policer->trtcm.meter, &policer->trtcm.profile, policer->now, len,
        color);
    return color != RTE_COLOR_RED;
}
