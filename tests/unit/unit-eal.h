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

#ifndef TESTS_UNIT_EAL_H
#define TESTS_UNIT_EAL_H 1

/* DPDK for unit tests that need it
 * ================================
 *
 * Without hugepages, devices, files or privileges, so that any user can run
 * any number of such tests at once. */

#include <sched.h>

#include <rte_eal.h>

#include "unit.h"

/* Starts DPDK with 'megabytes' of memory.  Needs _GNU_SOURCE. */
static inline void
unit_eal_init(const char *megabytes)
{
    char *argv[] = {
        (char *) "unit-test", (char *) "--no-huge", (char *) "--no-shconf",
        (char *) "--no-pci", (char *) "--no-telemetry",
        (char *) "--log-level=4", (char *) "-m", (char *) megabytes, NULL
    };
    cpu_set_t cpus;

    /* DPDK binds this thread to one core, and the threads that it starts from
     * here on with it. */
    CHECK(!sched_getaffinity(0, sizeof cpus, &cpus));
    CHECK(rte_eal_init(ARRAY_SIZE(argv) - 1, argv) >= 0);
    CHECK(!sched_setaffinity(0, sizeof cpus, &cpus));
}

#endif /* tests/unit/unit-eal.h */
