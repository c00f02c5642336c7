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

#ifndef IOVTEE_NIC_PRIVATE_H
#define IOVTEE_NIC_PRIVATE_H 1

/* A NIC and its queues, for the files of this folder. */

#include "nic/nic.h"

#include <rte_ethdev.h>

#include "nic/lend.h"
#include "openvswitch/thread.h"
#include "ovs-atomic.h"
#include "ovs-thread.h"

/* One receive queue. */
struct nic_rxq {
    OVS_ALIGNED_VAR(CACHE_LINE_SIZE) struct ovs_spin gate;

    /* Only accessed with 'gate' held, or while the queue is being set up. */
    struct iovtee_rxvq *vq;     /* Attached guest queue or NULL; referenced. */
    bool filling;               /* Between set-up and the first poll? */
    bool stuck;                 /* Must the device be restarted to take the
                                 * guest's buffers back? */
    bool unset;                 /* Must it be set up before the device may
                                 * be started? */
    bool refused;               /* Was a refill put off since last packets? */
    bool starved;               /* Do frames wait because of that? */
    uint32_t n_empty;           /* Polls without packets since 'refused'. */
    uint32_t n_host;            /* Host buffers that the NIC holds, about. */
    uint32_t low_water;         /* See NIC_LOW_WATER. */
    uint64_t n_dry;
    uint64_t n_refused;
    uint64_t n_stops;
    long long int stop_began;   /* time_usec() while one goes on, or 0... */
    long long int longest_stop; /* ...and the longest, in microseconds. */

    struct iovtee_loan *loan;   /* What 'vq' has lent, NULL with it. */
    struct iovtee_lend lend;    /* Whether it pays. */

    /* Constant while the device is started. */
    struct iovtee_nic *nic;
    uint16_t id;
    uint16_t n_desc;
    unsigned int socket_id;
    struct rte_mempool *host;   /* netdev-dpdk's. */
    struct rte_mempool *feed;   /* What the driver allocates from. */
};

/* A transmit lock of its own cache line. */
struct nic_txq {
    OVS_ALIGNED_VAR(CACHE_LINE_SIZE) struct ovs_spin lock;
    uint32_t n_bursts;          /* That were sent, with 'lock' held. */

    /* With the NIC's mutex held. */
    long long int fetch_stopped; /* When it was last stopped for
                                  * iovtee_nic_fetch(), ms, or 0. */
    long long int rescued;      /* The same for iovtee_nic_rescue(). */
    uint32_t seen_bursts;       /* What 'n_bursts' was... */
    long long int quiet_since;  /* ...and since when, ms. */
};

/* Can a transmit queue be stopped by itself? */
enum nic_tx_stop {
    NIC_TX_STOP_UNKNOWN,        /* It was not tried. */
    NIC_TX_STOP_WORKS,
    NIC_TX_STOP_FAILS,
};

struct iovtee_nic {
    char *name;

    struct ovs_mutex mutex;     /* Serializes control of the device. */
    uint16_t port_id;           /* RTE_MAX_ETHPORTS if not known yet. */
    uint32_t max_frame;         /* Longest that the NIC may write, bytes. */
    uint32_t buffer_len;        /* Room for a frame in netdev-dpdk's mbufs,
                                 * bytes, 0 before any queue was set up. */
    unsigned int n_rxq;         /* Queues in use... */
    unsigned int n_txq;
    unsigned int n_alloc_txq;   /* ...and allocated. */
    uint16_t txq_n_desc;        /* Of each transmit queue, 0 if not known. */
    unsigned int txq_socket_id; /* Likewise. */
    uint16_t tx_thresh;         /* Their tx_free_thresh if ours, or 0. */
    long long int fetch_restarted; /* When it was last restarted for
                                    * iovtee_nic_fetch(), ms, or 0. */
    bool tx_refused;            /* Did the driver refuse it? */
    bool tx_unset;              /* Must they be set up before the device may
                                 * be started? */
    enum nic_tx_stop tx_stop;
    const char *tx_keeps;       /* What was seen it do that nothing must be
                                 * lent to it to send, or NULL. */
    const char *tx_copy_only;   /* Why nothing is, or NULL. */
    enum iovtee_tx_early tx_wish; /* What the user says. */
    char *driver;               /* Name of the driver, or NULL. */
    struct rte_device *dev;
    bool admin_down;            /* Shall the link stay down? */
    bool configured;            /* Was it since the lower netdev's latest
                                 * reconfiguration began? */
    bool stopped;               /* By us, and not started again? */
    bool down;                  /* Did a restart fail?  Not if 'kept'. */
    bool kept;                  /* Did the driver keep a guest's buffers?  If
                                 * so, only a reconfiguration may start it. */
    bool mappable;              /* Does DMA need mappings? */
    bool is_vf;                 /* See iovtee_nic_is_vf(). */
    const char *copy_only;      /* Why zero-copy is not possible, or NULL. */
    const char *unfed;          /* The same, as far as it came out when its
                                 * receive queues were set up. */

    ATOMIC(uint64_t) n_exhausted; /* Buffers that the host had not. */

    atomic_bool restarting;     /* Are all of 'txqs' locked for long? */
    ATOMIC(uint64_t) n_restart_drops; /* Packets not sent because of that. */
    atomic_bool lent_to;        /* Was it ever sent read-only packets? */
    atomic_bool tx_asks;        /* Is the driver asked for what was sent? */
    atomic_bool tx_mute;        /* Is it known that it does not answer? */

    struct nic_rxq *rxqs[IOVTEE_NIC_MAX_RXQS];
    struct nic_txq *txqs;
};

#endif /* nic-private.h */
