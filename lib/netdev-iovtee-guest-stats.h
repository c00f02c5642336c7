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

#ifndef NETDEV_IOVTEE_GUEST_STATS_H
#define NETDEV_IOVTEE_GUEST_STATS_H 1

/* A guest port, and what there is to tell of it: counters, status, what
 * "iovtee/show" says.  netdev-iovtee-guest.c configures it. */

#include "guest/exposure.h"
#include "guest/guest.h"
#include "guest/recent.h"
#include "netdev-iovtee-role.h"
#include "packets.h"

/* The port, all of it only for the main thread. */
struct iovtee_guest_port {
    struct iovtee_guest *guest;

    char *path;                 /* Of the socket that is open. */
    bool server;                /* Do we listen there? */
    char *requested_path;       /* To be opened by the next reconfiguration, */
    bool requested_server;      /* NULL if that is not wanted. */

    char *args_path;            /* Options as configured. */
    char *rx_zero_copy;
    bool tx_zero_copy;
    unsigned int tx_zero_copy_min;
    int max_retries;
    unsigned int memory_max;    /* MiB, 0 for no limit. */

    int mtu, requested_mtu;
    int socket_id;              /* NUMA node. */
    int pool_mtu, pool_socket_id; /* Of the mempool, if there is one. */
    int refused_mtu;            /* One that no memory was left for, or 0. */
    long long int next_pool;    /* When to ask again, in time_msec(). */
    enum netdev_flags flags;
    struct eth_addr mac;
    bool connected;             /* As last seen by guest_run(), like... */
    char *remark;               /* ...what the role's 'remark' said... */
    char *why_copied;           /* ...and why packets are copied, if so. */
    long long int next_look;    /* When to judge... */
    struct iovtee_exposure exposure; /* ...this again, in time_msec(). */
    struct iovtee_recent recent; /* What was counted lately. */
};

static inline struct iovtee_guest_port *
iovtee_guest_port(const struct netdev *netdev)
{
    return netdev_iovtee_cast(netdev)->guest;
}

/* Can packets flow? */
bool iovtee_guest_port_is_up(const struct iovtee_guest_port *);

/* Why does nobody lend buffers, or NULL? */
char *iovtee_guest_port_why_copied(struct iovtee_guest_port *);
const char *iovtee_guest_port_tx_state(struct iovtee_guest_port *);

/* Adds up the counters of all receive queues of the guest. */
void iovtee_guest_port_sum_counters(struct iovtee_guest_port *,
                                    struct iovtee_rxvq_counters *);

/* The same for its transmit queues. */
void iovtee_guest_port_sum_tx_counters(struct iovtee_guest_port *,
                                       struct iovtee_txvq_counters *);

/* Warns if much of what the guest can read is not for it.  Called from time to
 * time. */
void iovtee_guest_port_judge_exposure(struct iovtee_guest_port *,
                                      const struct iovtee_rxvq_counters *);

/* Operations of the role. */
int netdev_iovtee_guest_get_stats(const struct netdev *,
                                  struct netdev_stats *);
int netdev_iovtee_guest_get_custom_stats(const struct netdev *,
                                         struct netdev_custom_stats *);
int netdev_iovtee_guest_get_status(const struct netdev *, struct smap *);
void netdev_iovtee_guest_show(struct netdev_iovtee *, struct ds *);
char *netdev_iovtee_guest_check(struct netdev_iovtee *);

#endif /* netdev-iovtee-guest-stats.h */
