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

#ifndef IOVTEE_GUEST_H
#define IOVTEE_GUEST_H 1

/* Data path of a guest port
 * =========================
 *
 * The queues of one guest, whatever guest is connected: the session's ops
 * make, suspend and finish its receive queues (queue/rxvq) and its transmit
 * queues (queue/txvq), the tee couples receive queues with a NIC, PMD threads
 * send to the guest and receive from it.
 *
 * PMD threads find the running receive queues in an RCU-protected map that is
 * replaced as a whole, and each transmit queue behind a pointer of its own.
 *
 * Threads
 * =======
 *
 *    main thread       everything but iovtee_guest_send(), _recv()
 *    PMD               iovtee_guest_send(), iovtee_guest_recv()
 *    vhost             (the ops of the session, inside of this module)
 */

#include <stdbool.h>
#include <stdint.h>

#include "guest/qos.h"
#include "guest/stop-budget.h"
#include "openvswitch/thread.h"
#include "ovs-rcu.h"
#include "ovs-thread.h"
#include "queue/rxvq.h"
#include "queue/txvq.h"
#include "session/session.h"

struct dp_packet_batch;
struct iovtee_inflight;
struct iovtee_session;
struct iovtee_tee;
struct netdev;
struct rte_mempool;

/* What is counted for the port as a whole, under 'stats_lock'. */
struct iovtee_guest_stats {
    uint64_t tx_dropped;
    uint64_t rx_dropped;
    uint64_t tx_retries;
    uint64_t tx_failure_drops;
    uint64_t tx_mtu_exceeded_drops;
    uint64_t tx_qos_drops;
    uint64_t rx_qos_drops;
    uint64_t tx_invalid_hwol_drops;
};

/* One of the guest's receive queues. */
struct iovtee_guest_queue {
    struct iovtee_rxvq *vq;     /* NULL if stopped. */
    bool running;               /* Neither stopped nor suspended? */
    struct iovtee_rxvq_past *past;      /* Counters of earlier rings. */
};

/* One of the guest's transmit queues. */
struct iovtee_guest_txq {
    OVSRCU_TYPE(struct iovtee_txvq *) vq;   /* NULL if stopped. */
    bool running;               /* Neither stopped nor suspended? */
    bool draining;              /* About to be stopped, with others. */
    bool seen;                  /* Did it ever run? */
    struct iovtee_txvq_counters past;  /* Of earlier rings. */
};

struct iovtee_rxvq_map;

struct iovtee_guest {
    struct netdev *netdev;      /* The port. */
    struct iovtee_tee *tee;
    struct iovtee_qos qos;

    /* Changed by the main thread, while no PMD thread uses the port. */
    struct iovtee_session *session;     /* NULL if it could not be opened. */
    struct iovtee_inflight *inflight;   /* Of 'session', or NULL. */
    char *inflight_path;        /* Its file, or NULL. */
    struct rte_mempool *mp;     /* For packets from the guest, or NULL. */
    uint32_t max_packet_len;    /* Bytes, Ethernet header included. */
    uint64_t max_memory;        /* See iovtee_session_set_max_memory(). */

    atomic_bool up;             /* Administrative state. */
    atomic_int max_retries;     /* See iovtee_rxvq_deliver(). */
    atomic_bool zero_copy;      /* For queues that come, like... */
    atomic_bool always;         /* ...this: see iovtee_rxvq_config. */
    bool tx_zero_copy OVS_GUARDED;      /* Likewise, of transmit queues: */
    uint32_t tx_zero_copy_min OVS_GUARDED; /* see iovtee_txvq_config... */
    long long int tx_paused_until OVS_GUARDED; /* ...and _pause(). */
    struct iovtee_stop_budget stops OVS_GUARDED;

    /* Of the main thread. */
    long long int next_rescue;  /* When to look again, ms, or 0. */
    bool tx_tidy;               /* Has nothing been left over that was there
                                 * for 'tx_zero_copy'? */

    struct ovs_mutex mutex;     /* Protects 'queues' and replacing 'map' and
                                 * what is in 'txqs'. */
    struct iovtee_guest_queue queues[IOVTEE_SESSION_MAX_QUEUES]
        OVS_GUARDED;
    struct iovtee_guest_txq txqs[IOVTEE_SESSION_MAX_QUEUES];
    OVSRCU_TYPE(struct iovtee_rxvq_map *) map;  /* NULL if none runs. */

    /* For the session's callbacks that stop rings, of which one runs at a
     * time: whether several are stopped together, until when they wait for
     * their packets, as time_usec() says, or 0 if that is not decided yet, and
     * until when that is not worth while. */
    bool in_batch;
    long long int deadline;
    long long int hopeless;

    struct ovs_spin stats_lock;
    struct iovtee_guest_stats stats OVS_GUARDED;
};

struct iovtee_guest *iovtee_guest_create(struct netdev *);
void iovtee_guest_destroy(struct iovtee_guest *);
int iovtee_guest_open(struct iovtee_guest *, const char *path, bool server,
                      char **errp);
void iovtee_guest_set_max_memory(struct iovtee_guest *, uint64_t bytes);
void iovtee_guest_set_zero_copy(struct iovtee_guest *, bool zero_copy,
                                bool always);

void iovtee_guest_set_tx_zero_copy(struct iovtee_guest *, bool zero_copy,
                                   uint32_t min);
void iovtee_guest_run(struct iovtee_guest *);
void iovtee_guest_wait(struct iovtee_guest *);

void iovtee_guest_send(struct iovtee_guest *, int qid,
                       struct dp_packet_batch *);
int iovtee_guest_recv(struct iovtee_guest *, unsigned int q,
                      struct dp_packet_batch *, int *qfill);

bool iovtee_guest_get_counters(struct iovtee_guest *, unsigned int q,
                               struct iovtee_rxvq_counters *);
bool iovtee_guest_get_info(struct iovtee_guest *, unsigned int q,
                           struct iovtee_rxvq_info *);
bool iovtee_guest_get_tx_counters(struct iovtee_guest *, unsigned int q,
                                  struct iovtee_txvq_counters *);
bool iovtee_guest_get_tx_info(struct iovtee_guest *, unsigned int q,
                              struct iovtee_txvq_info *);
bool iovtee_guest_is_tx_balanced(struct iovtee_guest *, unsigned int q);
bool iovtee_guest_is_balanced(struct iovtee_guest *, unsigned int q);
void iovtee_guest_get_stats(struct iovtee_guest *,
                            struct iovtee_guest_stats *);

#endif /* guest.h */
