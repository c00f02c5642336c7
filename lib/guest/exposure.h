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

#ifndef IOVTEE_EXPOSURE_H
#define IOVTEE_EXPOSURE_H 1

/* How much of what a guest can read is somebody else's
 * ====================================================
 *
 * A frame that a NIC received into the guest's memory, and that was dropped or
 * went elsewhere, was exposed to the guest.  This module only judges two
 * counters; it includes neither DPDK nor Open vSwitch, and has no lock. */

#include <stdbool.h>
#include <stdint.h>

/* What was made of the counters so far.  Initially all zeros. */
struct iovtee_exposure {
    uint64_t n_delivered;       /* When it was judged last. */
    uint64_t n_exposed;
    unsigned int percent;       /* Of the frames between the last two times. */
    bool high;                  /* Are there too many? */
};

bool iovtee_exposure_judge(struct iovtee_exposure *, uint64_t n_delivered,
                           uint64_t n_exposed);

#endif /* exposure.h */
