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

/* Why votes, and not averages: a mixture of two halves makes the number of
 * votes by which one is ahead walk at random, so that it takes the square of
 * the patience in frames until the other one wins, which then is as good.  Of
 * a mixture of any other kind the better one is never left again.  And what
 * there is to do for a frame is one addition. */

#include "queue/shift.h"

#include <string.h>

/* As nothing is known, frames are put where they begin if they are not
 * changed. */
void
iovtee_shift_init(struct iovtee_shift *s)
{
    memset(s, 0, sizeof *s);
    s->patience = IOVTEE_SHIFT_PATIENCE;
}

/* Returns the patience, which is what it was after the last change, and less
 * if that was long ago. */
static uint32_t
patience(const struct iovtee_shift *s)
{
    uint64_t n_halves = s->n_votes / IOVTEE_SHIFT_QUIET;
    uint32_t least = IOVTEE_SHIFT_PATIENCE;
    uint32_t n = n_halves < 16 ? s->patience >> n_halves : 0;

    return n > least ? n : least;
}

static void
change(struct iovtee_shift *s, int shift)
{
    uint32_t n = 2 * patience(s);

    s->patience = (n < IOVTEE_SHIFT_MAX_PATIENCE
                   ? n : IOVTEE_SHIFT_MAX_PATIENCE);
    s->now = shift;
    s->epoch++;
    s->n_changes++;
    s->n_votes = 0;
    s->n_rivals = 0;
    memset(s->ahead, 0, sizeof s->ahead);
}

/* Does what is to be done for a vote that does not just say that all is well.
 * For iovtee_shift_vote(). */
void
iovtee_shift_count(struct iovtee_shift *s, int shift)
{
    uint16_t *ahead;

    if (shift % IOVTEE_SHIFT_STEP || shift < -IOVTEE_SHIFT_MAX
        || shift > IOVTEE_SHIFT_MAX) {
        shift = 0;
    }
    if (shift == s->now) {
        for (int i = 0; s->n_rivals && i < IOVTEE_N_SHIFTS; i++) {
            if (s->ahead[i] && !--s->ahead[i]) {
                s->n_rivals--;
            }
        }
        return;
    }
    ahead = &s->ahead[(shift + IOVTEE_SHIFT_MAX) / IOVTEE_SHIFT_STEP];
    s->n_rivals += !*ahead;
    if (++*ahead >= patience(s)) {
        change(s, shift);
    }
}
