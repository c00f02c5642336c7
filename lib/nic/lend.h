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

#ifndef IOVTEE_LEND_H
#define IOVTEE_LEND_H 1

/* Does it pay to lend a guest's buffers to a NIC?
 * ===============================================
 *
 * A frame that a NIC receives into a guest's buffer, and that is then dropped
 * or goes elsewhere, costs more than one in a buffer of the host.  So for each
 * receive queue of a NIC it is watched which share of the frames in lent
 * buffers were delivered in place.  If that is too small then lending is
 * paused, save for a few buffers as a probe, until those show that it pays
 * again.
 *
 * This module decides, from nothing but counts.  It includes neither DPDK nor
 * Open vSwitch, and has no lock: the caller holds the one of the NIC's receive
 * queue. */

#include <stdbool.h>
#include <stdint.h>

/* 'share' if all frames were delivered in place. */
#define IOVTEE_LEND_ALL 65536

struct iovtee_lend {
    bool paused;
    uint32_t share;             /* Of the last ones, what was in place. */
    uint32_t n_in_place;        /* As told last... */
    uint32_t n_elsewhere;       /* ...both run freely. */

    /* While lending is paused. */
    uint32_t n_probe;           /* Buffers left of this probe... */
    uint32_t n_gap;             /* ...and between it and the next one. */
    uint32_t random;
};

void iovtee_lend_init(struct iovtee_lend *);
bool iovtee_lend_judge(struct iovtee_lend *, uint32_t n_in_place,
                       uint32_t n_elsewhere, bool settled);
uint32_t iovtee_lend_quota(struct iovtee_lend *, uint32_t n);
unsigned int iovtee_lend_percent(const struct iovtee_lend *);

#endif /* lend.h */
