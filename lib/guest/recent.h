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

#ifndef IOVTEE_RECENT_H
#define IOVTEE_RECENT_H 1

/* What counters have counted in the last ten seconds
 * ==================================================
 *
 * Somebody who sees the counters every second or so adds them; whoever wants
 * to know how much they have grown lately asks.  This module includes neither
 * DPDK nor Open vSwitch, and has no lock. */

#include <stddef.h>
#include <stdint.h>

/* Counters, and times that are remembered. */
#define IOVTEE_RECENT_COUNTERS 16
#define IOVTEE_RECENT_TIMES 11

/* Initially all zeros. */
struct iovtee_recent {
    struct iovtee_recent_time {
        long long int when;     /* Milliseconds. */
        uint64_t n[IOVTEE_RECENT_COUNTERS];
    } times[IOVTEE_RECENT_TIMES];
    unsigned int n_times;       /* That were added, ever. */
};

void iovtee_recent_add(struct iovtee_recent *, long long int now,
                       const uint64_t n[IOVTEE_RECENT_COUNTERS]);
long long int iovtee_recent_get(const struct iovtee_recent *,
                                long long int now,
                                const uint64_t n[IOVTEE_RECENT_COUNTERS],
                                uint64_t grown[IOVTEE_RECENT_COUNTERS]);

#endif /* recent.h */
