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

/* Unit tests of guest/stop-budget. */

#include "guest/stop-budget.h"

#include "unit.h"

enum { N = IOVTEE_STOP_BUDGET, MS = IOVTEE_STOP_BUDGET_MS };

static void
test_charge(void)
{
    struct iovtee_stop_budget budget = { .next = 0 };
    long long int now = 1;

    /* Few at a time, or many over a long time, are free. */
    for (int i = 0; i < N - 1; i++) {
        CHECK(!iovtee_stop_budget_charge(&budget, now));
    }
    for (int i = 0; i < 3 * N; i++) {
        now += MS;
        CHECK(!iovtee_stop_budget_charge(&budget, now));
    }
    for (int i = 0; i < 3 * N; i++) {
        now += MS / (N - 1) + 1;
        CHECK(!iovtee_stop_budget_charge(&budget, now));
    }

    /* Too many are not, until there are fewer. */
    now += MS;
    for (int i = 0; i < N - 1; i++) {
        now += MS / N;
        CHECK(!iovtee_stop_budget_charge(&budget, now));
    }
    now++;
    CHECK(iovtee_stop_budget_charge(&budget, now) == now + MS);
    now++;
    CHECK(iovtee_stop_budget_charge(&budget, now) == now + MS);
    now += MS;
    CHECK(!iovtee_stop_budget_charge(&budget, now));
}

int
main(int argc, char *argv[])
{
    static const struct unit_command commands[] = {
        { "charge", test_charge },
    };

    return unit_main(argc, argv, commands, ARRAY_SIZE(commands));
}
