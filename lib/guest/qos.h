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

#ifndef IOVTEE_QOS_H
#define IOVTEE_QOS_H 1

/* Policing and QoS of a guest port
 * ================================
 *
 * What a guest sends may be policed (ingress policing, the Interface's
 * 'ingress_policing_rate' and 'ingress_policing_burst'), and what is sent to
 * it may be subject to one of the QoS types that DPDK ports of Open vSwitch
 * have:
 *
 *     - "egress-policer": one token bucket.  Packets that find no token are
 *       dropped.  other_config: "cir" (bytes per second), "cbs" (bytes).
 *
 *     - "trtcm-policer": RFC 4115, two rates and three colors.  A packet is
 *       first marked by the meter of its queue (or of queue 0, if its own does
 *       not exist), then by the meter of the port, and dropped if it comes out
 *       red.  other_config of the port and of each queue: "cir", "eir" (bytes
 *       per second), "cbs", "ebs" (bytes).
 *
 * A packet counts with its length less the Ethernet header.
 *
 * A change that is refused changes nothing: what was in effect stays so.
 *
 * Thread-safety
 * =============
 *
 * iovtee_qos_run_ingress() and iovtee_qos_run_egress() may be called by any
 * number of threads at once, at any time between iovtee_qos_init() and
 * iovtee_qos_destroy(); they need an RCU read-side critical section, which
 * each thread of Open vSwitch is in until it quiesces.  The caller serializes
 * everything else, usually by the mutex of the netdev.
 *
 * The packets of a netdev's batch are 'struct dp_packet's of which the mbuf is
 * the first member, wherever their data comes from, and may be passed as
 * mbufs. */

#include <stdbool.h>
#include <stdint.h>

#include "compiler.h"
#include "guest/policer.h"
#include "ovs-rcu.h"

struct netdev_queue_stats;
struct smap;
struct sset;

/* The policers of one port.  Members are private to this module. */
struct iovtee_qos {
    char *port_name;            /* For messages. */
    uint32_t policing_rate;     /* Kilobits per second, 0 if off. */
    uint32_t policing_burst;    /* Kilobits. */
    OVSRCU_TYPE(struct iovtee_policer *) ingress; /* NULL if off. */
    OVSRCU_TYPE(struct iovtee_policer *) egress;  /* NULL if off. */
};

void iovtee_qos_init(struct iovtee_qos *, const char *port_name);
void iovtee_qos_destroy(struct iovtee_qos *);

/* Ingress policing. */
int iovtee_qos_set_policing(struct iovtee_qos *, uint32_t kbits_rate,
                            uint32_t kbits_burst);

/* Egress QoS: the operations of 'struct netdev_class', same contracts. */
int iovtee_qos_get_types(struct sset *types);
int iovtee_qos_get(const struct iovtee_qos *, const char **typep,
                   struct smap *details);
int iovtee_qos_set(struct iovtee_qos *, const char *type,
                   const struct smap *details);
int iovtee_qos_get_queue(const struct iovtee_qos *, uint32_t queue_id,
                         struct smap *details);
int iovtee_qos_set_queue(struct iovtee_qos *, uint32_t queue_id,
                         const struct smap *details);
int iovtee_qos_delete_queue(struct iovtee_qos *, uint32_t queue_id);
int iovtee_qos_get_queue_stats(const struct iovtee_qos *, uint32_t queue_id,
                               struct netdev_queue_stats *);
int iovtee_qos_queue_dump_start(const struct iovtee_qos *, void **statep);
int iovtee_qos_queue_dump_next(const struct iovtee_qos *, void *state,
                               uint32_t *queue_idp, struct smap *details);
int iovtee_qos_queue_dump_done(const struct iovtee_qos *, void *state);

/* Polices the 'n' packets of 'pkts', at most NETDEV_MAX_BURST, that came from
 * the guest.  Returns how many are kept: those are then the first ones of
 * 'pkts', in order.  The others were freed. */
static inline int
iovtee_qos_run_ingress(struct iovtee_qos *qos, struct rte_mbuf *pkts[], int n)
{
    struct iovtee_policer *policer
        = ovsrcu_get(struct iovtee_policer *, &qos->ingress);

    return OVS_LIKELY(!policer) ? n
                                : iovtee_policer_run(policer, pkts, n, true);
}

/* Applies the egress QoS to the 'n' packets of 'pkts', at most
 * NETDEV_MAX_BURST, that go to the guest.  Returns how many are kept: those
 * are then the first ones of 'pkts', in order.  The others were freed if
 * 'may_steal' is true; otherwise they follow in 'pkts' and still belong to the
 * caller. */
static inline int
iovtee_qos_run_egress(struct iovtee_qos *qos, struct rte_mbuf *pkts[], int n,
                      bool may_steal)
{
    struct iovtee_policer *policer
        = ovsrcu_get(struct iovtee_policer *, &qos->egress);

    return OVS_LIKELY(!policer)
           ? n : iovtee_policer_run(policer, pkts, n, may_steal);
}

#endif /* qos.h */
