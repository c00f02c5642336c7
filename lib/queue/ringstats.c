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

/* Counters of a ring by the names of librte_vhost.  PMD threads count, the
 * main thread reads; see ringstats.h. */

#include <config.h>

#include "queue/ringstats.h"

#include <stdio.h>

#include "openvswitch/netdev.h"
#include "util.h"

/* The counters in librte_vhost's order, those that have places in a 'struct
 * netdev_stats' for what is received from a guest and for what is sent to it,
 * and the value of each.  (Open vSwitch's own vhost-user ports have them in
 * the same places.) */
#define RINGSTATS                                                            \
    RINGSTAT_NETDEV(good_packets, rx_packets, tx_packets,                    \
                    sum_bins(stats, 0, IOVTEE_RINGSTATS_N_BINS))             \
    RINGSTAT_NETDEV(good_bytes, rx_bytes, tx_bytes, get(&stats->bytes))      \
    RINGSTAT_NETDEV(multicast_packets, multicast, tx_multicast_packets,      \
                    get(&stats->multicast))                                  \
    RINGSTAT_NETDEV(broadcast_packets, rx_broadcast_packets,                 \
                    tx_broadcast_packets, get(&stats->broadcast))            \
    RINGSTAT_NETDEV(undersize_packets, rx_undersized_errors,                 \
                    tx_1_to_64_packets, get(&stats->bins[0]))                \
    RINGSTAT_NETDEV(size_64_packets, rx_1_to_64_packets,                     \
                    tx_1_to_64_packets, get(&stats->bins[1]))                \
    RINGSTAT_NETDEV(size_65_127_packets, rx_65_to_127_packets,               \
                    tx_65_to_127_packets, get(&stats->bins[2]))              \
    RINGSTAT_NETDEV(size_128_255_packets, rx_128_to_255_packets,             \
                    tx_128_to_255_packets, get(&stats->bins[3]))             \
    RINGSTAT_NETDEV(size_256_511_packets, rx_256_to_511_packets,             \
                    tx_256_to_511_packets, get(&stats->bins[4]))             \
    RINGSTAT_NETDEV(size_512_1023_packets, rx_512_to_1023_packets,           \
                    tx_512_to_1023_packets, get(&stats->bins[5]))            \
    RINGSTAT_NETDEV(size_1024_1518_packets, rx_1024_to_1522_packets,         \
                    tx_1024_to_1522_packets, get(&stats->bins[6]))           \
    RINGSTAT_NETDEV(size_1519_max_packets, rx_1523_to_max_packets,           \
                    tx_1523_to_max_packets,                                  \
                    sum_bins(stats, 7, IOVTEE_RINGSTATS_N_BINS))             \
    RINGSTAT(guest_notifications,                                            \
             get(&stats->guest_notifications))                               \
    RINGSTATS_NOTIFICATIONS                                                  \
    RINGSTAT(iotlb_hits,         0) /* IOVTee has no IOTLB... */             \
    RINGSTAT(iotlb_misses,       0)                                          \
    RINGSTAT(inflight_submitted, 0) /* ...and no copy engine. */             \
    RINGSTAT(inflight_completed, 0)                                          \
    RINGSTATS_ALLOCATIONS

/* Those that only some versions of librte_vhost have.  IOVTee does not offload
 * notifications, and allocates nothing for a packet. */
#if IOVTEE_HAS_MORE_RINGSTATS
#define RINGSTATS_NOTIFICATIONS                 \
    RINGSTAT(guest_notifications_offloaded, 0)  \
    RINGSTAT(guest_notifications_error, 0)      \
    RINGSTAT(guest_notifications_suppressed, 0)
#define RINGSTATS_ALLOCATIONS                   \
    RINGSTAT(mbuf_alloc_failed, 0)
#else
#define RINGSTATS_NOTIFICATIONS
#define RINGSTATS_ALLOCATIONS
#endif

/* Every name is told once. */
#define RINGSTAT_NETDEV(NAME, RX, TX, VALUE) + 1
#define RINGSTAT(NAME, VALUE) + 1
BUILD_ASSERT_DECL(0 RINGSTATS == IOVTEE_RINGSTATS_N);
#undef RINGSTAT
#undef RINGSTAT_NETDEV

static uint64_t get(const uint64_t *);
static uint64_t sum_bins(const struct iovtee_ringstats *, size_t first,
                         size_t end);

/* Calls 'cb' for each counter of 'stats' with its name, 'prefix' before it,
 * its value, and 'aux'.  The name is valid during the call.  'prefix' is
 * "rx_q0_", for example, in the custom statistics of a netdev that receives
 * from the ring in its receive queue 0. */
void
iovtee_ringstats_foreach(const struct iovtee_ringstats *stats,
                         const char *prefix, iovtee_ringstats_cb *cb,
                         void *aux)
{
    char name[NETDEV_CUSTOM_STATS_NAME_SIZE];

#define RINGSTAT(NAME, VALUE)                               \
    snprintf(name, sizeof name, "%s%s", prefix, #NAME);     \
    cb(name, VALUE, aux);
#define RINGSTAT_NETDEV(NAME, RX, TX, VALUE) RINGSTAT(NAME, VALUE)
    RINGSTATS
#undef RINGSTAT_NETDEV
#undef RINGSTAT
}

/* Sets to 0 the members of 'netdev_stats' that
 * iovtee_ringstats_add_netdev_rx() and iovtee_ringstats_add_netdev_tx() add
 * to. */
void
iovtee_ringstats_clear_netdev(struct netdev_stats *netdev_stats)
{
#define RINGSTAT(NAME, VALUE)
#define RINGSTAT_NETDEV(NAME, RX, TX, VALUE)    \
    netdev_stats->RX = netdev_stats->TX = 0;
    RINGSTATS
#undef RINGSTAT_NETDEV
#undef RINGSTAT
}

/* Adds 'stats', of a guest's transmit ring, to the receive counters of
 * 'netdev_stats'. */
void
iovtee_ringstats_add_netdev_rx(const struct iovtee_ringstats *stats,
                               struct netdev_stats *netdev_stats)
{
#define RINGSTAT(NAME, VALUE)
#define RINGSTAT_NETDEV(NAME, RX, TX, VALUE) netdev_stats->RX += VALUE;
    RINGSTATS
#undef RINGSTAT_NETDEV
#undef RINGSTAT
}

/* Adds 'stats', of a guest's receive ring, to the transmit counters of
 * 'netdev_stats'. */
void
iovtee_ringstats_add_netdev_tx(const struct iovtee_ringstats *stats,
                               struct netdev_stats *netdev_stats)
{
#define RINGSTAT(NAME, VALUE)
#define RINGSTAT_NETDEV(NAME, RX, TX, VALUE) netdev_stats->TX += VALUE;
    RINGSTATS
#undef RINGSTAT_NETDEV
#undef RINGSTAT
}

/* Reads a counter that another thread may be writing. */
static uint64_t
get(const uint64_t *counter)
{
    return __atomic_load_n(counter, __ATOMIC_RELAXED);
}

/* Returns the frames of 'stats' in bins 'first' to 'end', exclusive. */
static uint64_t
sum_bins(const struct iovtee_ringstats *stats, size_t first, size_t end)
{
    uint64_t sum = 0;

    for (size_t i = first; i < end; i++) {
        sum += get(&stats->bins[i]);
    }
    return sum;
}
