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

/* Unit tests of guest/recent. */

#include "guest/recent.h"

#include <stdio.h>

#include "unit.h"

/* What has grown since the earliest time that is remembered. */
static void
test_grown(void)
{
    struct iovtee_recent recent = { .n_times = 0 };
    uint64_t n[IOVTEE_RECENT_COUNTERS] = { 0 };
    uint64_t grown[IOVTEE_RECENT_COUNTERS];

    CHECK(iovtee_recent_get(&recent, 500, n, grown) == 0);
    CHECK(!grown[0]);

    /* Every second, counter 1 grows by 10, counter 15 by 1. */
    for (int i = 0; i < 35; i++) {
        int64_t ms = iovtee_recent_get(&recent, 1000 * i, n, grown);
        int seconds = i < IOVTEE_RECENT_TIMES ? i : IOVTEE_RECENT_TIMES;

        CHECK(ms == 1000 * seconds);
        CHECK(grown[0] == 0);
        CHECK(grown[1] == 10u * seconds);
        CHECK(grown[15] == (uint64_t) seconds);
        iovtee_recent_add(&recent, 1000 * i, n);
        n[1] += 10;
        n[15]++;
    }

    /* What has come since the last time counts as well. */
    CHECK(iovtee_recent_get(&recent, 34400, n, grown) == 10400);
    CHECK(grown[1] == 110);
}

int
main(int argc, char *argv[])
{
    static const struct unit_command commands[] = {
        { "grown", test_grown },
    };

    return unit_main(argc, argv, commands, ARRAY_SIZE(commands));
}
