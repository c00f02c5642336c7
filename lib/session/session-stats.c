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

/* What was counted of a guest's transmit rings.  For the main thread and
 * librte_vhost's, with 'api_mutex' held. */

#include <config.h>

#include "session/session-private.h"

#include <errno.h>
#include <stdlib.h>

/* Counters of the guest's transmit rings.
 *
 * librte_vhost counts, and begins again from zero with each connection.  What
 * it says is therefore added up here: each time that somebody asks, and when a
 * device is about to go.  (After RESET_OWNER, which no usual front-end sends,
 * it does not count until the next connection.) */

/* More than librte_vhost has. */
#define MAX_COUNTERS 64

/* One transmit ring. */
struct ring_totals {
    int n;                      /* 0 if it was never read. */
    struct rte_vhost_stat_name *names;
    uint64_t *totals;
    uint64_t *seen;             /* What librte_vhost said last. */
};

struct iovtee_session_totals {
    struct ring_totals rings[IOVTEE_SESSION_MAX_QUEUES];
};

struct iovtee_session_totals *
iovtee_session_totals_create(void)
{
    return xzalloc(sizeof(struct iovtee_session_totals));
}

/* Destroys 'totals', which no session has any more.  Does nothing if it is
 * NULL. */
void
iovtee_session_totals_destroy(struct iovtee_session_totals *totals)
{
    for (size_t q = 0; totals && q < ARRAY_SIZE(totals->rings); q++) {
        free(totals->rings[q].names);
        free(totals->rings[q].totals);
        free(totals->rings[q].seen);
    }
    free(totals);
}

/* Prepares 'ring', the guest's transmit ring 'q' of 'vid', for counters.
 * Returns their number, or 0 if there are none. */
static int
ring_totals_init(struct ring_totals *ring, int vid, unsigned int q)
{
    int n = rte_vhost_vring_stats_get_names(vid, 2 * q + 1, NULL, 0);

    if (!ring->n && n > 0 && n <= MAX_COUNTERS) {
        ring->names = xcalloc(n, sizeof *ring->names);
        if (rte_vhost_vring_stats_get_names(vid, 2 * q + 1, ring->names, n)
            != n) {
            free(ring->names);
            ring->names = NULL;
            return 0;
        }
        ring->totals = xcalloc(n, sizeof *ring->totals);
        ring->seen = xcalloc(n, sizeof *ring->seen);
        ring->n = n;
    }
    return ring->n;
}

/* Adds what librte_vhost has counted of the guest's transmit ring 'q' of 's'
 * since the last time. */
static void
update_ring(struct iovtee_session *s, unsigned int q)
    OVS_REQUIRES(s->api_mutex)
{
    struct ring_totals *ring = &s->totals->rings[q];
    struct rte_vhost_stat stats[MAX_COUNTERS];
    int vid = s->api_vid;
    bool anew = false;
    int n = 0;

    if (vid < 0
        || rte_vhost_vring_stats_get(vid, 2 * q + 1, stats, MAX_COUNTERS) < 0
        || !(n = ring_totals_init(ring, vid, q))) {
        return;
    }
    for (int i = 0; i < n; i++) {
        anew |= stats[i].value < ring->seen[i];
    }
    for (int i = 0; i < n; i++) {
        ring->totals[i] += stats[i].value - (anew ? 0 : ring->seen[i]);
        ring->seen[i] = stats[i].value;
    }
}

/* The device of 's' is about to go, and nothing is dequeued from it any
 * more. */
void
session_totals_update__(struct iovtee_session *s)
    OVS_REQUIRES(s->api_mutex)
{
    for (unsigned int q = 0; q < IOVTEE_SESSION_MAX_QUEUES; q++) {
        update_ring(s, q);
    }
}

/* 's' has a new connection, whose rings count from zero. */
void
session_totals_restart__(struct iovtee_session *s)
    OVS_REQUIRES(s->api_mutex)
{
    for (unsigned int q = 0; q < IOVTEE_SESSION_MAX_QUEUES; q++) {
        struct ring_totals *ring = &s->totals->rings[q];

        for (int i = 0; i < ring->n; i++) {
            ring->seen[i] = 0;
        }
    }
}

/* Stores the counters of 'ring' in 'values'.  Returns their number. */
static int
get_values(const struct ring_totals *ring, uint64_t values[MAX_COUNTERS])
{
    for (int i = 0; i < ring->n; i++) {
        values[i] = ring->totals[i];
    }
    return ring->n;
}

int
iovtee_session_txq_stats(const struct iovtee_session_totals *totals,
                         struct iovtee_session *s, unsigned int q,
                         iovtee_session_stat_cb *cb, void *aux)
{
    const struct ring_totals *ring;
    uint64_t values[MAX_COUNTERS];
    size_t prefix_len;
    char prefix[32];
    int n;

    if (q >= IOVTEE_SESSION_MAX_QUEUES) {
        return EINVAL;
    }
    ring = &totals->rings[q];
    if (s) {
        ovs_assert(s->totals == totals);
        ovs_mutex_lock(&s->api_mutex);
        update_ring(s, q);
        n = get_values(ring, values);
        ovs_mutex_unlock(&s->api_mutex);
    } else {
        n = get_values(ring, values);
    }

    /* The names never change. */
    prefix_len = snprintf(prefix, sizeof prefix, "rx_q%u_", q);
    for (int i = 0; i < n; i++) {
        const char *name = ring->names[i].name;

        cb(strncmp(name, prefix, prefix_len) ? name : name + prefix_len,
           values[i], aux);
    }
    return n ? 0 : ENODEV;
}
