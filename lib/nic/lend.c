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

/* Lending is paused if less than PAUSE_BELOW of the frames are delivered in
 * place, and goes on if at least RESUME_FROM are.
 *
 * What is lost by a frame that goes elsewhere is about what is gained by one
 * of 64 bytes that does not, so that half would be the fair limit for these.
 * The two are above it because what goes elsewhere is also exposed to the
 * guest. */
#define PAUSE_BELOW (IOVTEE_LEND_ALL * 6 / 10)
#define RESUME_FROM (IOVTEE_LEND_ALL * 8 / 10)

/* About how many of the last frames count, while all buffers are lent and
 * while only probes are. */
enum { MEMORY = 256, MEMORY_PAUSED = 32 };

/* Buffers in a probe.  With the gap after it, which is random, they are one in
 * 64 on average.  GAP_SPREAD is a power of 2. */
enum { PROBE = 4, GAP = 64 * PROBE - PROBE, GAP_SPREAD = 256 };

static uint32_t next_gap(struct iovtee_lend *);

/* Lets all buffers be lent, until something is known. */
void
iovtee_lend_init(struct iovtee_lend *lend)
{
    memset(lend, 0, sizeof *lend);
    lend->share = IOVTEE_LEND_ALL;
    lend->random = 1;
}

/* Tells '*lend' of how many frames the NIC's queue received into the guest's
 * buffers so far: 'n_in_place' were delivered there, 'n_elsewhere' were not.
 * While lending is paused, 'settled' says whether what was lent before the
 * pause has come back.  Returns true if 'lend->paused' has changed. */
bool
iovtee_lend_judge(struct iovtee_lend *lend, uint32_t n_in_place,
                  uint32_t n_elsewhere, bool settled)
{
    const uint32_t memory = lend->paused ? MEMORY_PAUSED : MEMORY;
    uint32_t good = n_in_place - lend->n_in_place;
    uint32_t n = good + n_elsewhere - lend->n_elsewhere;
    bool was_paused = lend->paused;

    if (!n) {
        return false;
    }
    lend->n_in_place = n_in_place;
    lend->n_elsewhere = n_elsewhere;
    if (was_paused && !settled) {
        return false;
    }
    if (n > memory) {
        good = (uint64_t) good * memory / n;
        n = memory;
    }
    lend->share -= lend->share * n / memory;
    lend->share += IOVTEE_LEND_ALL / memory * good;

    lend->paused = lend->share < (was_paused ? RESUME_FROM : PAUSE_BELOW);
    if (lend->paused && !was_paused) {
        lend->n_probe = 0;
        lend->n_gap = next_gap(lend);
    }
    return lend->paused != was_paused;
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

/* Returns the share of frames that were delivered in place lately in
 * percent, rounded down. */
unsigned int
iovtee_lend_percent(const struct iovtee_lend *lend)
{
    return lend->share * 100 / IOVTEE_LEND_ALL;
}

/* Returns how many buffers shall be between two probes: Marsaglia's
 * "xorshift" is random enough. */
static uint32_t
next_gap(struct iovtee_lend *lend)
{
    uint32_t x = lend->random;

    x ^= x << 13;
    x ^= x >> 17;
    x ^= x << 5;
    lend->random = x;
    return GAP - GAP_SPREAD / 2 + x % GAP_SPREAD;
}
