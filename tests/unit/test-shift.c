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

/* Unit tests of queue/shift. */

#include "queue/shift.h"

#include <limits.h>
#include <stdio.h>

#include "unit.h"

enum { N = 1000000 };

static const int shifts[IOVTEE_N_SHIFTS] = { -8, -4, 0, 4, 8 };

/* Has 'n' frames vote for 'shift', and returns how many it took until that was
 * the present one, or 'n' if it never was. */
static uint32_t
follow(struct iovtee_shift *s, int shift, uint32_t n)
{
    uint32_t i;

    for (i = 0; i < n && s->now != shift; i++) {
        iovtee_shift_vote(s, shift);
    }
    return i;
}

static uint32_t
next_random(uint32_t *x)
{
    *x ^= *x << 13;
    *x ^= *x >> 17;
    *x ^= *x << 5;
    return *x;
}

/* Has 'n' frames vote, of which 'percent' at random vote for 'a', and the
 * others for 'b'. */
static void
mix(struct iovtee_shift *s, uint32_t n, int a, int b, uint32_t percent)
{
    uint32_t x = 1;

    for (uint32_t i = 0; i < n; i++) {
        iovtee_shift_vote(s, next_random(&x) % 100 < percent ? a : b);
    }
}

/* A change of the flows is followed. */
static void
test_follow(void)
{
    struct iovtee_shift s;

    iovtee_shift_init(&s);
    CHECK(s.now == 0);
    for (size_t i = 0; i < ARRAY_SIZE(shifts); i++) {
        for (size_t j = 0; j < ARRAY_SIZE(shifts); j++) {
            iovtee_shift_init(&s);
            CHECK(follow(&s, shifts[i], N)
                  == (shifts[i] ? IOVTEE_SHIFT_PATIENCE : 0));
            CHECK(s.n_changes == (shifts[i] != 0));

            /* The next change comes at once, or later. */
            CHECK(follow(&s, shifts[j], N)
                  == (i == j ? 0 : shifts[i] ? 2 * IOVTEE_SHIFT_PATIENCE
                      : IOVTEE_SHIFT_PATIENCE));
            CHECK(s.now == shifts[j]);
        }
    }

    /* However long it was the same before. */
    iovtee_shift_init(&s);
    for (int i = 0; i < 100; i++) {
        int shift = shifts[i % ARRAY_SIZE(shifts)];

        CHECK(follow(&s, shift, N) <= IOVTEE_SHIFT_PATIENCE);
        for (int j = 0; j < 2 * IOVTEE_SHIFT_QUIET; j++) {
            iovtee_shift_vote(&s, shift);
        }
        CHECK(s.now == shift && !s.n_rivals);
    }
    s.n_votes = UINT64_MAX - 10;
    CHECK(follow(&s, 0, N) <= 2 * IOVTEE_SHIFT_PATIENCE);
}

/* Of a mixture the better one is chosen, and kept. */
static void
test_mixture(void)
{
    for (size_t i = 0; i < ARRAY_SIZE(shifts); i++) {
        for (size_t j = 0; j < ARRAY_SIZE(shifts); j++) {
            struct iovtee_shift s;

            if (i == j) {
                continue;
            }
            for (uint32_t percent = 60; percent <= 99; percent += 13) {
                iovtee_shift_init(&s);
                follow(&s, shifts[j], N);
                mix(&s, 2000, shifts[i], shifts[j], percent);
                CHECK(s.now == shifts[i]);
                mix(&s, N, shifts[i], shifts[j], percent);
                CHECK(s.now == shifts[i]);
                CHECK(s.n_changes <= 2);
            }
        }
    }
}

/* Of three kinds none has the majority. */
static void
test_three(void)
{
    struct iovtee_shift s;
    uint32_t x = 1;

    iovtee_shift_init(&s);
    for (uint32_t i = 0; i < N; i++) {
        uint32_t percent = next_random(&x) % 100;

        iovtee_shift_vote(&s, percent < 30 ? 0 : percent < 55 ? 8 : -4);
        CHECK(s.now == -4 || i < 5000);
    }
    CHECK(s.n_changes == 1);
}

/* Has 'n' frames vote for 0 and 'n' for -4, and so on, and returns the number
 * of changes in a million frames. */
static uint64_t
alternate(uint32_t n)
{
    struct iovtee_shift s;

    iovtee_shift_init(&s);
    for (uint32_t i = 0; i < N; i++) {
        iovtee_shift_vote(&s, i / n % 2 ? -4 : 0);
    }
    return s.n_changes;
}

/* Bursts of two kinds are not followed to and fro. */
static void
test_bursts(void)
{
    for (uint32_t n = 1; n < IOVTEE_SHIFT_PATIENCE; n++) {
        CHECK(!alternate(n));
    }
    for (uint32_t n = IOVTEE_SHIFT_PATIENCE; n < 3000; n += 50) {
        CHECK(alternate(n) < N / IOVTEE_SHIFT_QUIET * 2);
    }

    /* Long ones are changes of the flows. */
    CHECK(alternate(20000) == N / 20000 - 1);
}

/* What is no shift is one of 0, and any votes do no harm. */
static void
test_invalid(void)
{
    const int invalid[] = { 1, 2, -3, 12, -12, 16, INT_MIN, INT_MAX };
    struct iovtee_shift s;
    uint32_t x = 1;

    for (size_t i = 0; i < ARRAY_SIZE(invalid); i++) {
        iovtee_shift_init(&s);
        CHECK(follow(&s, invalid[i], 10000) == 10000);
        CHECK(s.now == 0 && !s.n_rivals);
        follow(&s, 8, N);
        for (int j = 0; j < 2 * IOVTEE_SHIFT_PATIENCE; j++) {
            CHECK(s.now == 8);
            iovtee_shift_vote(&s, invalid[i]);
        }
        CHECK(s.now == 0);
    }

    iovtee_shift_init(&s);
    for (uint32_t i = 0; i < 3 * N; i++) {
        uint32_t n_rivals = 0;

        iovtee_shift_vote(&s, (int) (next_random(&x) % 21) - 10);
        CHECK(!(s.now % IOVTEE_SHIFT_STEP) && s.now >= -IOVTEE_SHIFT_MAX
              && s.now <= IOVTEE_SHIFT_MAX);
        for (int j = 0; j < IOVTEE_N_SHIFTS; j++) {
            n_rivals += s.ahead[j] != 0;
        }
        CHECK(n_rivals == s.n_rivals);
        CHECK(!s.ahead[(s.now + IOVTEE_SHIFT_MAX) / IOVTEE_SHIFT_STEP]);
    }
    CHECK((uint8_t) s.n_changes == s.epoch);
}

int
main(int argc, char *argv[])
{
    static const struct unit_command commands[] = {
        { "follow", test_follow },
        { "mixture", test_mixture },
        { "three", test_three },
        { "bursts", test_bursts },
        { "invalid", test_invalid },
    };

    return unit_main(argc, argv, commands, ARRAY_SIZE(commands));
}
