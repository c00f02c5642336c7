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

/* See stop-budget.h. */

#include "guest/stop-budget.h"

/* Something was stopped at 'now', in milliseconds, not 0.  Returns until when
 * everything shall be copied because of that, or 0. */
long long int
iovtee_stop_budget_charge(struct iovtee_stop_budget *budget, long long int now)
{
    long long int oldest;

    budget->at[budget->next] = now;
    budget->next = (budget->next + 1) % IOVTEE_STOP_BUDGET;
    oldest = budget->at[budget->next];
    return (oldest && now - oldest < IOVTEE_STOP_BUDGET_MS
            ? now + IOVTEE_STOP_BUDGET_MS : 0);
}
