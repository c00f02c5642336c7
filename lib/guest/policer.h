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

#ifndef IOVTEE_POLICER_H
#define IOVTEE_POLICER_H 1

/* Policer
 * =======
 *
 * Decides which packets pass, with the meters of DPDK.  There are two types:
 *
 *     - IOVTEE_POLICER_SINGLE: one token bucket, 'cir' and 'cbs'.  Packets
 *       that find no token do not pass.
 *
 *     - IOVTEE_POLICER_TRTCM: RFC 4115, two rates and three colors.  A packet
 *       is first marked by the meter of its queue, that is, the one whose
 *       number is the packet's 'skb_priority' or else queue 0, then by the
 *       meter of the policer itself.  Red packets do not pass.
 *
 * A packet counts with its length less the Ethernet header.
 *
 * Thread-safety
 * =============
 *
 * Any number of threads may call iovtee_policer_run() on the same policer at
 * once.  The caller serializes everything else.  iovtee_policer_retire() waits
 * for the readers of an RCU pointer to the policer. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct iovtee_policer;
struct netdev_queue_stats;
struct rte_mbuf;

enum iovtee_policer_type {
    IOVTEE_POLICER_SINGLE,
    IOVTEE_POLICER_TRTCM
};

/* What can be configured of a policer or of a queue: rates in bytes per
 * second, bursts in bytes. */
struct iovtee_policer_rates {
    uint64_t cir;               /* Committed rate. */
    uint64_t eir;               /* Excess rate.  IOVTEE_POLICER_TRTCM only. */
    uint64_t cbs;               /* Committed burst. */
    uint64_t ebs;               /* Excess burst.  IOVTEE_POLICER_TRTCM only. */
};

int iovtee_policer_create(enum iovtee_policer_type,
                          const struct iovtee_policer_rates *,
                          struct iovtee_policer **);
void iovtee_policer_retire(struct iovtee_policer *);

enum iovtee_policer_type iovtee_policer_get_type(
    const struct iovtee_policer *);
const struct iovtee_policer_rates *iovtee_policer_get_rates(
    const struct iovtee_policer *);
bool iovtee_policer_rates_equal(const struct iovtee_policer_rates *,
                                const struct iovtee_policer_rates *);

/* Queues, of IOVTEE_POLICER_TRTCM only. */
int iovtee_policer_set_queue(struct iovtee_policer *, uint32_t queue_id,
                             const struct iovtee_policer_rates *);
void iovtee_policer_delete_queue(struct iovtee_policer *, uint32_t queue_id);
const struct iovtee_policer_rates *iovtee_policer_get_queue(
    const struct iovtee_policer *, uint32_t queue_id);
int iovtee_policer_get_queue_stats(struct iovtee_policer *, uint32_t queue_id,
                                   struct netdev_queue_stats *);
size_t iovtee_policer_list_queues(const struct iovtee_policer *,
                                  uint32_t **queue_ids);

int iovtee_policer_run(struct iovtee_policer *, struct rte_mbuf *pkts[], int n,
                       bool may_steal);

#endif /* policer.h */
