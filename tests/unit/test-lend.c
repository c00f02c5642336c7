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

/* Unit tests of nic/lend. */

#include "nic/lend.h"

#include <stdio.h>

#include "unit.h"

enum { RING = 512, BURST = 32 };

/* A NIC's queue: the frames that come are written into the buffers that were
 * lent for them a ring earlier. */
struct queue {
    struct iovtee_lend lend;
    bool guests[RING];          /* Whose is each buffer in the NIC? */
    uint32_t n_guests;          /* Buffers of the guest there. */
    uint32_t next;
    uint32_t n_in_place, n_elsewhere;
    uint32_t n_changes;
};

static void
queue_init(struct queue *q)
{
    memset(q, 0, sizeof *q);
    iovtee_lend_init(&q->lend);
    q->lend.n_in_place = q->n_in_place = UINT32_MAX - 1000;
    q->lend.n_elsewhere = q->n_elsewhere = UINT32_MAX - 10;
}

/* Receives 'n' frames, of which those are for the guest for which 'mine' says
 * so, and refills. */
static void
queue_run(struct queue *q, uint32_t n, bool (*mine)(uint32_t))
{
    static uint32_t count;

    for (uint32_t i = 0; i < n; i += BURST) {
        uint32_t quota = iovtee_lend_quota(&q->lend, BURST);

        CHECK(quota <= BURST);
        for (uint32_t j = 0; j < BURST; j++) {
            bool *guests = &q->guests[q->next++ % RING];

            if (*guests) {
                q->n_guests--;
                *(mine(count) ? &q->n_in_place : &q->n_elsewhere) += 1;
            }
            *guests = j < quota;
            q->n_guests += j < quota;
            count++;
        }
        q->n_changes += iovtee_lend_judge(&q->lend, q->n_in_place,
                                          q->n_elsewhere,
                                          q->n_guests <= RING / 16);
    }
}

static bool all(uint32_t i) { (void) i; return true; }
static bool none(uint32_t i) { (void) i; return false; }
static bool nine_of_ten(uint32_t i) { return i % 10 != 0; }
static bool every_other(uint32_t i) { return i % 2; }
static bool some(uint32_t i) { return (i * 2654435761u) >> 31; }
static bool bursts_of_32(uint32_t i) { return i / 32 % 2; }
static bool bursts_of_64(uint32_t i) { return i / 64 % 2; }

/* All is lent as long as most is delivered, for as long as it may take. */
static void
test_on(void)
{
    struct queue q;

    queue_init(&q);
    CHECK(!q.lend.paused && iovtee_lend_percent(&q.lend) == 100);
    CHECK(iovtee_lend_quota(&q.lend, 512) == 512);
    CHECK(!iovtee_lend_judge(&q.lend, q.n_in_place, q.n_elsewhere, true));
    queue_run(&q, 10000000, all);
    CHECK(!q.lend.paused && iovtee_lend_percent(&q.lend) >= 99);
    queue_run(&q, 10000000, nine_of_ten);
    CHECK(!q.lend.paused);
    CHECK(iovtee_lend_percent(&q.lend) >= 85
          && iovtee_lend_percent(&q.lend) <= 95);
    CHECK(!q.n_changes);
}

/* Lending is paused within a thousand frames, resumed within a few thousand,
 * and probes are few. */
static void
test_pause(void)
{
    struct queue q;

    queue_init(&q);
    for (uint32_t i = 0; i < 100; i++) {
        uint32_t elsewhere;

        queue_run(&q, 10000, all);
        CHECK(!q.lend.paused && q.n_changes == 2 * i);
        queue_run(&q, 1000, none);
        CHECK(q.lend.paused && q.n_changes == 2 * i + 1);
        queue_run(&q, 1000, none);
        elsewhere = q.n_elsewhere;
        queue_run(&q, 640000, none);
        elsewhere = q.n_elsewhere - elsewhere;
        CHECK(elsewhere >= 9500 && elsewhere <= 10500);
        CHECK(q.n_changes == 2 * i + 1);
        CHECK(iovtee_lend_percent(&q.lend) < 2);
        queue_run(&q, 6000, all);
        CHECK(!q.lend.paused && q.n_changes == 2 * i + 2);
    }
}

/* If half goes elsewhere, in whatever pattern, then little is lent. */
static void
test_half(void)
{
    static bool (*const patterns[])(uint32_t) = {
        every_other, some, bursts_of_32, bursts_of_64,
    };

    for (size_t i = 0; i < ARRAY_SIZE(patterns); i++) {
        enum { N = 4000000 };
        struct queue q;
        uint32_t lent;

        queue_init(&q);
        queue_run(&q, 10000, patterns[i]);
        lent = q.n_in_place + q.n_elsewhere;
        queue_run(&q, N, patterns[i]);
        lent = q.n_in_place + q.n_elsewhere - lent;
        CHECK(lent < N / 20);
    }
}

/* Drivers ask for any number of buffers at a time. */
static void
test_quota(void)
{
    static const uint32_t asks[] = { 1, 3, 32, 100, 5000 };

    for (size_t i = 0; i < ARRAY_SIZE(asks); i++) {
        enum { N = 1000000 };
        struct iovtee_lend lend;
        uint32_t n = 0;

        iovtee_lend_init(&lend);
        CHECK(iovtee_lend_judge(&lend, 0, 1000, false) && lend.paused);
        CHECK(iovtee_lend_quota(&lend, 1) == 0);
        for (uint32_t k = 0; k < N; k += asks[i]) {
            n += iovtee_lend_quota(&lend, asks[i]);
        }
        CHECK(n > N / 64 * 98 / 100 && n < N / 64 * 102 / 100);

        /* What was lent before says nothing. */
        CHECK(!iovtee_lend_judge(&lend, 1000, 1000, false));
        CHECK(!iovtee_lend_judge(&lend, 1000, 1000, true));
        CHECK(lend.paused);
        CHECK(iovtee_lend_judge(&lend, 2000, 1000, true) && !lend.paused);
    }
}

int
main(int argc, char *argv[])
{
    static const struct unit_command commands[] = {
        { "on", test_on },
        { "pause", test_pause },
        { "half", test_half },
        { "quota", test_quota },
    };

    return unit_main(argc, argv, commands, ARRAY_SIZE(commands));
}
