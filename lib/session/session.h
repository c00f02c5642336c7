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

#ifndef IOVTEE_SESSION_H
#define IOVTEE_SESSION_H 1

/* vhost-user session
 * ==================
 *
 * One session is one vhost-user socket.  It outlives connections: a front-end
 * may come, go and come back, with another memory layout and other rings.
 * This is the only module that calls rte_vhost_*().
 *
 * librte_vhost speaks with the front-end, while the guest's rings are ours.
 * For each one that becomes usable the session translates what the front-end
 * said into a 'struct iovtee_ring_setup' in our own mapping of guest memory,
 * and passes it to its owner; when the front-end wants it back, it takes it
 * back.  Rings are numbered as front-ends do it (iovtee_ring_is_rx()).
 *
 * States of a ring:
 *
 *                    ring_start()
 *      STOPPED ------------------------> RUNNING
 *         ^                               |   ^
 *         | ring_stop(final)   ring_stop()|   | ring_start(), unchanged
 *         |                               v   |
 *         +--------------------------- SUSPENDED
 *
 * A ring is suspended when the front-end disables it, is about to change the
 * memory table or the ring's parameters, or begins or ends to want a log of
 * writes (live migration); it is stopped for good ("final") when its base is
 * handed back or the front-end is gone, or if it was suspended when the log
 * begins or ends.  ring_stop() is synchronous: when it returns, nothing writes
 * into guest memory through this ring any more.
 *
 * Threads
 * =======
 *
 * The callbacks run on librte_vhost's control thread or, from
 * iovtee_session_close(), on the caller's, often with librte_vhost's own ring
 * locks held.  They must not take OVS's or DPDK's port locks, must not call
 * back into the session, and must return within milliseconds.  Everything else
 * is for the main thread. */

#include <stdbool.h>
#include <stdint.h>

#include "queue/ring-setup.h"
#include "smap.h"

/* Queue pairs that a session supports.  librte_vhost allows 128. */
#define IOVTEE_SESSION_MAX_QUEUES 128

struct iovtee_session_ops {
    /* Several rings are about to start or to stop; rings_end() says that this
     * is over.  What is costly can be done once for all of them. */
    void (*rings_begin)(void *aux);
    void (*rings_end)(void *aux);

    /* Ring 'i' is usable from now on.  If it was suspended, then it is
     * the same ring as before, and goes on where it was: the indices in 'ring'
     * are meaningless, and only 'callfd' and 'log' may be others. */
    void (*ring_start)(void *aux, unsigned int i,
                       const struct iovtee_ring_setup *ring);

    /* Ring 'i' is about to be stopped, together with others that are told the
     * same before the first of them is: between rings_begin() and rings_end().
     * No more of its buffers need be taken. */
    void (*ring_drain)(void *aux, unsigned int i);

    /* Ring 'i' must not be used any more.  On return no DMA goes on and
     * nothing is read or written.  If 'final', stores in '*last_avail' and
     * '*last_used' where a successor shall go on: every buffer that was taken
     * has been given back.  (They begin as where the ring started, so that an
     * owner that could not use it can leave them alone.)  A ring that is
     * suspended may still be stopped for good, and one that is running may be
     * without being suspended. */
    void (*ring_stop)(void *aux, unsigned int i, bool final,
                      uint16_t *last_avail, uint16_t *last_used);

    /* The guest wants to be interrupted through 'callfd' (-1 for not at all)
     * on ring 'i' from now on.  The ring goes on undisturbed.  'callfd' may
     * have the number of the one before and yet be another file. */
    void (*ring_callfd)(void *aux, unsigned int i, int callfd);

    /* The guest shall be announced to the network, as one with address 'mac',
     * for it has moved. */
    void (*announce)(void *aux, const uint8_t mac[6]);

    /* Something that iovtee_session_get_*() tells has changed. */
    void (*changed)(void *aux);
};

/* How to make a session. */
struct iovtee_session_config {
    const char *port;           /* Name of the port, for the log. */
    const char *path;           /* Of the socket. */
    bool server;                /* Do we listen, or does the front-end? */
    bool tso;                   /* Offer TSO and checksums to the guest? */
    uint64_t max_memory;        /* See iovtee_session_set_max_memory(). */
    const struct iovtee_session_ops *ops;
    void *aux;                  /* For 'ops'. */
};

struct iovtee_session;

int iovtee_session_check(const struct iovtee_session_config *, char **errp);
int iovtee_session_open(const struct iovtee_session_config *,
                        struct iovtee_session **, char **errp);
void iovtee_session_close(struct iovtee_session *);
void iovtee_session_close_all(void);
void iovtee_session_set_max_memory(struct iovtee_session *, uint64_t bytes);

/* A null session is one to which nobody ever connects. */
bool iovtee_session_is_connected(const struct iovtee_session *);
unsigned int iovtee_session_n_queues(const struct iovtee_session *);
int iovtee_session_numa_id(const struct iovtee_session *);
uint64_t iovtee_session_features(const struct iovtee_session *);
bool iovtee_session_txq_enabled(const struct iovtee_session *,
                                unsigned int q);
void iovtee_session_get_status(const struct iovtee_session *, struct smap *);

#endif /* session.h */
