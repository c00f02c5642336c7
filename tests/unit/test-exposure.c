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

/* Unit tests of guest/exposure. */

#include "guest/exposure.h"

#include <stdio.h>

#include "unit.h"

/* What an administrator is told of, and when. */
static void
test_judge(void)
{
    static const struct {
        unsigned int delivered, exposed;    /* More frames. */
        bool changed, high;
    } steps[] = {
        { 1000, 0, false, false },
        { 0, 999, false, false },           /* Too few to say anything... */
        { 0, 1, true, true },               /* ...until now. */
        { 0, 100000, false, true },         /* Said already. */
        { 0, 0, false, true },              /* Nothing happens... */
        { 999, 0, false, true },            /* ...or hardly anything... */
        { 1, 0, true, false },              /* ...or nothing bad. */
        { 910, 90, false, false },
        { 900, 100, true, true },           /* A tenth. */
        { 940, 60, false, true },
        { 951, 49, true, false },           /* Less than half of that. */
        { 940, 60, false, false },
        { 1u << 31, 1u << 31, true, true },
    };
    struct iovtee_exposure e = { .high = false };
    uint64_t delivered = 0, exposed = 0;

    for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
        delivered += steps[i].delivered;
        exposed += steps[i].exposed;
        CHECK(iovtee_exposure_judge(&e, delivered, exposed)
              == steps[i].changed);
        CHECK(e.high == steps[i].high);
    }
    CHECK(e.percent == 50);
}

int
main(int argc, char *argv[])
{
    static const struct unit_command commands[] = {
        { "judge", test_judge },
    };

    return unit_main(argc, argv, commands, ARRAY_SIZE(commands));
}
