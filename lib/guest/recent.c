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

/* What counters have counted lately, of samples that are taken every second or
 * so.  For the main thread.  See recent.h. */

#include "guest/recent.h"

#include <string.h>

/* Adds what the counters say at time 'now', in milliseconds, which must not be
 * earlier than the last one. */
void
iovtee_recent_add(struct iovtee_recent *recent, long long int now,
                  const uint64_t n[IOVTEE_RECENT_COUNTERS])
{
    struct iovtee_recent_time *time
        = &recent->times[recent->n_times++ % IOVTEE_RECENT_TIMES];

    time->when = now;
    memcpy(time->n, n, sizeof time->n);
}

/* Stores in 'grown' how much the counters, which say 'n' at time 'now', have
 * grown since the earliest time that is remembered, and returns how many
 * milliseconds ago that was: 0 if there is none. */
long long int
iovtee_recent_get(const struct iovtee_recent *recent, long long int now,
                  const uint64_t n[IOVTEE_RECENT_COUNTERS],
                  uint64_t grown[IOVTEE_RECENT_COUNTERS])
{
    const struct iovtee_recent_time *first
        = &recent->times[recent->n_times < IOVTEE_RECENT_TIMES
                         ? 0 : recent->n_times % IOVTEE_RECENT_TIMES];

    memset(grown, 0, sizeof *grown * IOVTEE_RECENT_COUNTERS);
    if (!recent->n_times) {
        return 0;
    }
    for (int i = 0; i < IOVTEE_RECENT_COUNTERS; i++) {
        grown[i] = n[i] - first->n[i];
    }
    return now - first->when;
}
