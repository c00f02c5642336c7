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

#ifndef IOVTEE_SESSION_PRIVATE_H
#define IOVTEE_SESSION_PRIVATE_H 1

/* A session, and what its parts offer to each other.  From the top down, each
 * uses those below it only:
 *
 *    session.c             opening and closing, and what the switch asks
 *    session-events.c      the callbacks of librte_vhost
 *    session-message.c     what comes with a message, memory tables and files
 *    session-ring.c        states of the rings, the guest's memory
 *    session-registry.c    which session has which socket, which connection
 *    session-socket.c      whether a socket can be had
 *
 * Locks
 * =====
 *
 * librte_vhost has a spin lock per ring (its "access locks").  Most callbacks
 * run with all of them held, and some of its functions wait for one.  From the
 * outside in:
 *
 *    api_mutex --> access locks --> fsm_mutex
 *
 *    - 'api_mutex' keeps the device alive for callers other than callbacks.
 *      Those hold it while they call librte_vhost, which may wait for an
 *      access lock.  A callback may therefore take it only if it is called
 *      without access locks, and never with 'fsm_mutex' held.
 *
 *    - 'fsm_mutex' serializes the states of the rings.  It is held while the
 *      owner's ring_start() and ring_stop() run, so its holder must not wait
 *      for an access lock. */

#include <rte_config.h>
#include <rte_vhost.h>

#include "openvswitch/hmap.h"
#include "openvswitch/thread.h"
#include "ovs-atomic.h"
#include "ovs-thread.h"
#include "session/session.h"
#include "util.h"

/* Rings of a session, see iovtee_ring_is_rx(). */
#define SESSION_MAX_VRINGS (2 * IOVTEE_SESSION_MAX_QUEUES)

enum session_vring_state {
    SESSION_VRING_STOPPED,
    SESSION_VRING_SUSPENDED,
    SESSION_VRING_RUNNING,
};

/* A ring in the eyes of the callbacks. */
struct session_vring {
    enum session_vring_state state;
    bool ready;                 /* What librte_vhost told us last. */
    bool sized;                 /* Has its size been set properly?  If not,
                                 * librte_vhost lacks memory for the ring. */
    bool fd_swap;               /* Reported not ready only because one of its
                                 * file descriptors is being replaced. */
    bool complained;            /* Was it logged that it is unusable? */

    /* Not STOPPED: what ring_start() was told, with a reference to the
     * memory. */
    struct iovtee_ring_setup ring;
};

struct iovtee_session {
    /* Constant while the session is open. */
    char *port;
    char *path;
    bool server;
    struct iovtee_session_ops ops;
    void *aux;

    /* In 'by_path' always, in 'by_vid' while connected.  Under
     * 'sessions_mutex'. */
    struct hmap_node path_node;
    struct hmap_node vid_node;
    int vid;                    /* Of the connection, -1 if there is none. */
    long long int disconnected; /* time_msec() of the last disconnection. */

    /* Where the state machine stands. */
    struct ovs_mutex fsm_mutex;
    int fsm_vid OVS_GUARDED;            /* Connection it is about, or -1. */
    bool announced OVS_GUARDED;         /* By new_device()? */
    bool frozen OVS_GUARDED;            /* Is it being closed? */
    uint64_t negotiated OVS_GUARDED;    /* Features, if 'announced'. */
    bool logging OVS_GUARDED;           /* Is VHOST_F_LOG_ALL among them? */
    int node OVS_GUARDED;               /* NUMA node, if 'announced'. */
    uint32_t request OVS_GUARDED;       /* Message being handled, or 0, ... */
    uint32_t request_vring OVS_GUARDED; /* ...and the ring that it names. */
    bool table_lost OVS_GUARDED;        /* Is the message replacing it? */
    bool log_changing OVS_GUARDED;      /* Is the message changing how writes
                                         * are logged? */
    uint8_t mac[6] OVS_GUARDED;         /* With REQ_SEND_RARP. */
    bool log_set OVS_GUARDED;           /* Has the connection ever had a
                                         * bitmap for that? */
    void *log OVS_GUARDED;              /* Where librte_vhost has that mapped,
                                         * or NULL. */
    bool guarded OVS_GUARDED;           /* Is what is in 'table' guarded? */
    struct rte_vhost_memory *table OVS_GUARDED; /* librte_vhost's, or NULL. */
    struct iovtee_guestmem *mem OVS_GUARDED;    /* Made of it, or NULL. */
    struct session_vring vrings[SESSION_MAX_VRINGS] OVS_GUARDED;

    /* What anybody may ask. */
    atomic_bool connected;
    atomic_uint n_queues;
    atomic_int numa_id;
    ATOMIC(uint64_t) features;

    /* What anybody may set. */
    ATOMIC(uint64_t) max_memory;
    atomic_bool txq_enabled[IOVTEE_SESSION_MAX_QUEUES]; /* By the guest. */

    /* The device, for anybody but callbacks. */
    struct ovs_mutex api_mutex;
    int api_vid OVS_GUARDED;            /* -1 unless 'announced'. */
};

/* Returns what to call ring 'i' in the log. */
static inline const char *
session_vring_kind(uint32_t i)
{
    return iovtee_ring_is_rx(i) ? "receive" : "transmit";
}

/* session-registry.c. */
struct iovtee_session *iovtee_session_by_vid__(int vid);
struct iovtee_session *iovtee_session_attach__(int vid);
void iovtee_session_detach__(struct iovtee_session *);
void iovtee_session_register__(struct iovtee_session *);
void iovtee_session_unregister__(struct iovtee_session *);
char *iovtee_session_port_of_path__(const char *path);
struct iovtee_session **iovtee_session_all__(size_t *n);
long long int iovtee_session_disconnected__(const struct iovtee_session *);
void iovtee_session_own_thread__(bool own);
void iovtee_session_rcu_exit__(void);

/* session-socket.c. */
int iovtee_session_try_listen__(const char *path, char **errp);

/* session-events.c. */
extern const struct rte_vhost_device_ops iovtee_session_device_ops__;
void iovtee_session_forget__(struct iovtee_session *);

/* session-ring.c. */
void session_vring_suspend__(struct iovtee_session *s, uint32_t i)
    OVS_REQUIRES(s->fsm_mutex);
void session_vring_suspend_all__(struct iovtee_session *s)
    OVS_REQUIRES(s->fsm_mutex);
void session_vring_stop__(struct iovtee_session *s, uint32_t i)
    OVS_REQUIRES(s->fsm_mutex);
void session_vring_stop_all__(struct iovtee_session *s)
    OVS_REQUIRES(s->fsm_mutex);
void session_vring_pass_callfd__(struct iovtee_session *s, uint32_t i)
    OVS_REQUIRES(s->fsm_mutex);
void session_vring_update__(struct iovtee_session *s, uint32_t i)
    OVS_REQUIRES(s->fsm_mutex);
void session_vring_update_all__(struct iovtee_session *s)
    OVS_REQUIRES(s->fsm_mutex);
void session_mem_drop__(struct iovtee_session *s)
    OVS_REQUIRES(s->fsm_mutex);
void session_mem_load__(struct iovtee_session *s)
    OVS_REQUIRES(s->fsm_mutex);
void session_mem_unguard__(struct iovtee_session *s)
    OVS_REQUIRES(s->fsm_mutex);
void session_log_drop__(struct iovtee_session *s)
    OVS_REQUIRES(s->fsm_mutex);
void session_log_load__(struct iovtee_session *s)
    OVS_REQUIRES(s->fsm_mutex);

#endif /* session-private.h */
