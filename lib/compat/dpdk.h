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

#ifndef IOVTEE_COMPAT_DPDK_H
#define IOVTEE_COMPAT_DPDK_H 1

/* The part of compat/compat.h that is about DPDK alone, for code that does not
 * include Open vSwitch's headers. */

#include <stdint.h>

#include <rte_common.h>
#include <rte_version.h>

/* Has librte_vhost counters of notifications that were offloaded, failed or
 * were not needed, and of allocations that failed? */
#define IOVTEE_HAS_MORE_RINGSTATS                               \
    (RTE_VERSION >= RTE_VERSION_NUM(24, 11, 0, 0))

/* Bytes of the largest message that librte_vhost knows, which are followed by
 * the message's file descriptors in what its handlers get. */
#if RTE_VERSION < RTE_VERSION_NUM(25, 3, 0, 0)
#define IOVTEE_VHOST_MSG_SIZE 644
#elif RTE_VERSION < RTE_VERSION_NUM(26, 8, 0, 0)
#define IOVTEE_VHOST_MSG_SIZE 1084
#else
#error "see where 'fds' is in struct vhu_msg_context of this version of DPDK"
#endif

/* Has an Ethernet driver counters of single queues in a structure of their
 * own, and returns int when asked how many descriptors are used? */
#define IOVTEE_HAS_ETH_QUEUE_STATS                              \
    (RTE_VERSION >= RTE_VERSION_NUM(25, 11, 0, 0))

#if IOVTEE_HAS_ETH_QUEUE_STATS
typedef int iovtee_rx_queue_count_t;
#define IOVTEE_ETH_QUEUE_STATS_PARAM \
    , struct eth_queue_stats *queue_stats __rte_unused
#else
typedef uint32_t iovtee_rx_queue_count_t;
#define IOVTEE_ETH_QUEUE_STATS_PARAM
#endif

#endif /* dpdk.h */
