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

/* Why probes are small, and at random distances: traffic comes in bursts, of
 * which one is for the guest and the next one is not.  Probes that are as long
 * as a burst, or that keep step with the bursts, would see only the one kind.
 * Why averages: so that the work for a burst does not depend on how much is
 * remembered. */

#include "nic/lend.h"

#include <string.h>

/* Lending is paused if the gain is less than PAUSE_BELOW percent of gain and
 * cost, and goes on if it is at least RESUME_FROM.  Half would be the fair
 * limit for both, but then it would go to and fro. */
enum { PAUSE_BELOW = 45, RESUME_FROM = 65 };

/* About how many of the last frames count, while all buffers are lent and
 * while only probes are. */
enum { MEMORY = 256, MEMORY_PAUSED = 32 };

/* What is taken to have been gained by a frame as long as there was none. */
enum { FIRST_GAIN = 256 };

/* Buffers in a probe.  With the gap after it, which is random, they are one in
 * MOST on average at first, and at last, if they are always in vain, one in
 * LEAST.  Both are powers of 2. */
enum { PROBE = 4, MOST = 64, LEAST = 512 };

static void begin(struct iovtee_lend *);
static uint32_t next_gap(struct iovtee_lend *);
static bool is_worse_than(const struct iovtee_lend *, unsigned int percent);

/* Lets all buffers be lent, until something is known. */
void
iovtee_lend_init(struct iovtee_lend *lend)
{
    memset(lend, 0, sizeof *lend);
    lend->gain = MEMORY * FIRST_GAIN;
    lend->random = 1;
}

/* Returns what is remembered, of about 'memory' frames, if it was 'old' and
 * 'new' is the sum of the last 'n' ones. */
static uint32_t
remember(uint32_t old, uint32_t new, uint32_t n, uint32_t memory)
{
    if (n >= memory) {
        return (uint64_t) new * memory / n;
    }
    return (uint64_t) old * (memory - n) / memory + new;
}

/* Tells '*lend' about the frames that the NIC's queue received into the
 * guest's buffers so far.  While lending is paused, 'settled' says whether
 * what was lent before the pause has come back.  Returns true if
 * 'lend->paused' has changed. */
bool
iovtee_lend_judge(struct iovtee_lend *lend,
                  const struct iovtee_lend_sums *sums, bool settled)
{
    const uint32_t memory = lend->paused ? MEMORY_PAUSED : MEMORY;
    uint32_t n = sums->n_frames - lend->told.n_frames;
    uint32_t gain = sums->gain - lend->told.gain;
    uint32_t cost = sums->cost - lend->told.cost;
    bool was_paused = lend->paused;

    if (!n) {
        return false;
    }
    lend->told = *sums;
    if (was_paused && !settled) {
        return false;
    }
    lend->gain = remember(lend->gain, gain, n, memory);
    lend->cost = remember(lend->cost, cost, n, memory);
    lend->paused = is_worse_than(lend, was_paused ? RESUME_FROM
                                 : PAUSE_BELOW);
    if (gain > cost) {
        lend->n_vain = 0;
    } else if (lend->n_vain < UINT32_MAX - n) {
        lend->n_vain += n;
    }

    if (was_paused != lend->paused) {
        begin(lend);
        return true;
    }
    if (was_paused && !lend->n_vain) {
        /* It has begun to pay: find out soon. */
        uint32_t gap = next_gap(lend);

        lend->n_gap = lend->n_gap < gap ? lend->n_gap : gap;
    }
    return false;
}

/* Lending was paused, or goes on: from now on another number of frames is
 * remembered. */
static void
begin(struct iovtee_lend *lend)
{
    if (lend->paused) {
        lend->gain /= MEMORY / MEMORY_PAUSED;
        lend->cost /= MEMORY / MEMORY_PAUSED;
        lend->n_vain = lend->n_probe = 0;
        lend->n_gap = next_gap(lend);
    } else {
        lend->gain *= MEMORY / MEMORY_PAUSED;
        lend->cost *= MEMORY / MEMORY_PAUSED;
    }
}

/* Returns how many of the next 'n' buffers the guest shall lend. */
uint32_t
iovtee_lend_quota(struct iovtee_lend *lend, uint32_t n)
{
    uint32_t quota = 0;

    if (!lend->paused) {
        return n;
    }
    while (n) {
        uint32_t *what = lend->n_probe ? &lend->n_probe : &lend->n_gap;
        uint32_t k = n < *what ? n : *what;

        quota += what == &lend->n_probe ? k : 0;
        *what -= k;
        n -= k;
        if (!lend->n_probe && !lend->n_gap) {
            lend->n_probe = PROBE;
            lend->n_gap = next_gap(lend);
        }
    }
    return quota;
}

/* Returns which part of gain and cost was gain lately in percent, rounded
 * down. */
unsigned int
iovtee_lend_percent(const struct iovtee_lend *lend)
{
    uint64_t both = (uint64_t) lend->gain + lend->cost;

    return both ? lend->gain * UINT64_C(100) / both : 100;
}

static bool
is_worse_than(const struct iovtee_lend *lend, unsigned int percent)
{
    return (lend->gain * UINT64_C(100)
            < ((uint64_t) lend->gain + lend->cost) * percent);
}

/* Returns how many buffers shall be between two probes: Marsaglia's
 * "xorshift" is random enough. */
static uint32_t
next_gap(struct iovtee_lend *lend)
{
    uint32_t every = MOST, x = lend->random;

    x ^= x << 13;
    x ^= x >> 17;
    x ^= x << 5;
    lend->random = x;

    for (uint32_t n = lend->n_vain; n >= 2 * MEMORY_PAUSED && every < LEAST;
         n /= 2) {
        every *= 2;
    }
    return (every - 1) * PROBE - every * PROBE / 2 + x % (every * PROBE);
}
