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

#ifndef IOVTEE_TWIN_H
#define IOVTEE_TWIN_H 1

/* Twins
 * =====
 *
 * Conntrack only looks at most packets, so it would be a waste to move them.
 * It gets *twins* instead: private copies in buffers that each thread has of
 * its own and uses again and again, so that they stay in its cache.
 *
 *    iovtee_twins_make()     A batch in which packets in guest memory have
 *                            twins in their place.
 *
 *    (conntrack)             May do with twins what it may do with any packet:
 *                            change, keep, free, or replace them.
 *
 *    iovtee_twins_settle()   Where the twin is as it was, the packet takes its
 *                            metadata over, and goes on, still in the guest's
 *                            buffer.  Where it is not, the twin goes on, or
 *                            stays where it is kept, the guest's buffer goes
 *                            home, and the thread gets another one for the
 *                            next twin.
 *
 * A thread has twins for a burst.  Should there be more packets in guest
 * memory in one batch, those beyond that are moved.
 *
 * Threads
 * =======
 *
 * Any; each has its own twins, of one batch at a time. */

#include <stdbool.h>

#include "dp-packet.h"
#include "openvswitch/types.h"

struct iovtee_twin_pool;

/* Packets in guest memory and their twins, in the order of the batch. */
struct iovtee_twins {
    struct iovtee_twin_pool *pool;      /* This thread's... */
    unsigned int n;                     /* ...of which these are in use... */
    struct dp_packet *originals[NETDEV_MAX_BURST];      /* ...for these... */
    uint32_t n_copied[NETDEV_MAX_BURST];                /* ...whose first bytes
                                                         * they have. */
};

void iovtee_twins_make(struct iovtee_twins *, struct dp_packet_batch *,
                       ovs_be16 dl_type, bool only_looks);
void iovtee_twins_settle(struct iovtee_twins *, struct dp_packet_batch *);

#endif /* twin.h */
