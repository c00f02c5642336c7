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
 * or goes elsewhere, costs more than one in a buffer of the host, and so does
 * a small one that connection tracking has to look at.  So for each receive
 * queue of a NIC it is watched what was gained by frames in lent buffers, and
 * what they cost.  If the gain is too small then lending is paused, save for a
 * few buffers as a probe, until those show that it pays again.
 *
 * This module decides, from nothing but sums, whatever their unit.  It
 * includes neither DPDK nor Open vSwitch, and has no lock: the caller holds
 * the one of the NIC's receive queue. */

#include <stdbool.h>
#include <stdint.h>

/* Of all frames that were received into lent buffers and have left the switch.
 * These run freely. */
struct iovtee_lend_sums {
    uint32_t n_frames;
    uint32_t gain;
    uint32_t cost;
};

struct iovtee_lend {
    bool paused;
    uint32_t gain;              /* Of the last ones... */
    uint32_t cost;              /* ...as if there were always as many. */
    struct iovtee_lend_sums told;       /* As of the last time. */

    /* While lending is paused. */
    uint32_t n_probe;           /* Buffers left of this probe... */
    uint32_t n_gap;             /* ...and between it and the next one. */
    uint32_t n_vain;            /* Frames in probes, none of which paid. */
    uint32_t random;
};

void iovtee_lend_init(struct iovtee_lend *);
bool iovtee_lend_judge(struct iovtee_lend *, const struct iovtee_lend_sums *,
                       bool settled);
uint32_t iovtee_lend_quota(struct iovtee_lend *, uint32_t n);
unsigned int iovtee_lend_percent(const struct iovtee_lend *);

#endif /* lend.h */
