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

#ifndef IOVTEE_SHIFT_H
#define IOVTEE_SHIFT_H 1

/* How much earlier or later shall a NIC put frames?
 * =================================================
 *
 * A frame is delivered in place if it follows the virtio header in the guest's
 * buffer.  A VLAN tag that is popped on the way makes it begin 4 bytes later
 * than it was received, one that is pushed 4 bytes earlier.  So the next
 * buffers are posted with a *shift*: 4 bytes earlier (-4) if a tag will be
 * popped, 4 bytes later if one will be pushed; twice that for two tags.  What
 * will happen to a frame is not known when its buffer is posted, but it is
 * mostly what happened to those before.
 *
 * Each frame votes for the shift that it would have needed.  A shift that is
 * not the present one wins when it is ahead of that by so many votes, the
 * *patience*.  Votes against it count as much as votes for it, and below
 * nothing it cannot get.  So frames of which all need another one are followed
 * after as many as the patience is; of a mixture the shift wins that most
 * frames need, and a minority never does.
 *
 * What was posted before a change stays posted.  Traffic that alternates would
 * therefore find the wrong buffers again and again.  So the patience doubles
 * with each change, and halves with each IOVTEE_SHIFT_QUIET frames without
 * one.
 *
 * This module decides, from nothing but votes.  It includes neither DPDK nor
 * Open vSwitch, and has no lock: the caller holds that of the queue. */

#include <stdbool.h>
#include <stdint.h>

/* Shifts are multiples of the length of a tag, and no more than two of these,
 * in bytes. */
enum {
    IOVTEE_SHIFT_STEP = 4,
    IOVTEE_SHIFT_MAX = 2 * IOVTEE_SHIFT_STEP,
    IOVTEE_N_SHIFTS = 2 * IOVTEE_SHIFT_MAX / IOVTEE_SHIFT_STEP + 1,
};

/* Votes by which another shift must be ahead, at first and at most, and frames
 * without a change that halve it. */
enum {
    IOVTEE_SHIFT_PATIENCE = 128,
    IOVTEE_SHIFT_MAX_PATIENCE = 4096,
    IOVTEE_SHIFT_QUIET = 4096,
};

struct iovtee_shift {
    int8_t now;                 /* The present shift in bytes. */
    uint8_t epoch;              /* Changes, modulo 256. */
    uint8_t n_rivals;           /* Others that are ahead by any votes... */
    uint16_t ahead[IOVTEE_N_SHIFTS];    /* ...and by how many. */
    uint16_t patience;          /* After the last change. */
    uint64_t n_votes;           /* Since then. */
    uint64_t n_changes;
};

void iovtee_shift_init(struct iovtee_shift *);
void iovtee_shift_count(struct iovtee_shift *, int shift);

/* A frame would have needed 'shift', in bytes.  If there is none such, the
 * frame is as well served by no shift at all. */
static inline void
iovtee_shift_vote(struct iovtee_shift *s, int shift)
{
    s->n_votes++;
    if (shift != s->now || s->n_rivals) {
        iovtee_shift_count(s, shift);
    }
}

#endif /* queue/shift.h */
