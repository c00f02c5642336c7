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

#ifndef IOVTEE_STOP_BUDGET_H
#define IOVTEE_STOP_BUDGET_H 1

/* How often NICs may be stopped for one guest's sake
 * ==================================================
 *
 * To get back what a guest has lent, a transmit queue of a NIC may have to be
 * stopped for a moment, or the device be restarted, which others notice.  A
 * guest can bring that about at will: it sends a burst and falls silent, or
 * resets its device.  So it may do so a few times in a while, and if it has,
 * then what it sends is copied for a while.
 *
 * This module decides that, from nothing but the times.  It includes neither
 * DPDK nor Open vSwitch, and has no lock. */

#define IOVTEE_STOP_BUDGET 8            /* So many times... */
#define IOVTEE_STOP_BUDGET_MS 20000     /* ...within so many milliseconds, or
                                         * all is copied for as long. */

/* All zeros at first. */
struct iovtee_stop_budget {
    long long int at[IOVTEE_STOP_BUDGET];       /* The last ones, ms. */
    unsigned int next;                          /* The oldest of these. */
};

long long int iovtee_stop_budget_charge(struct iovtee_stop_budget *,
                                        long long int now);

#endif /* stop-budget.h */
