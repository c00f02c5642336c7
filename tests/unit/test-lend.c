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
    struct iovtee_lend_sums sums;
    uint32_t n_changes;
};

/* A frame of 100 bytes was received into a lent buffer. */
static void
count_frame(struct iovtee_lend_sums *sums, bool in_place)
{
    sums->n_frames++;
    sums->gain += in_place ? 100 : 0;
    sums->cost += in_place ? 0 : 200;
}

static void
queue_init(struct queue *q)
{
    memset(q, 0, sizeof *q);
    iovtee_lend_init(&q->lend);
    q->sums = (struct iovtee_lend_sums) { UINT32_MAX - 1000, UINT32_MAX - 10,
                                          UINT32_MAX - 100 };
    q->lend.told = q->sums;
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
                count_frame(&q->sums, mine(count));
            }
            *guests = j < quota;
            q->n_guests += j < quota;
            count++;
        }
        q->n_changes += iovtee_lend_judge(&q->lend, &q->sums,
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
    CHECK(!iovtee_lend_judge(&q.lend, &q.sums, true));
    queue_run(&q, 10000000, all);
    CHECK(!q.lend.paused && iovtee_lend_percent(&q.lend) >= 99);
    queue_run(&q, 10000000, nine_of_ten);
    CHECK(!q.lend.paused);
    CHECK(iovtee_lend_percent(&q.lend) >= 75
          && iovtee_lend_percent(&q.lend) <= 88);
    CHECK(!q.n_changes);
}

/* Lending is paused within a thousand frames, resumed within some thousand,
 * and probes are few, and fewer as long as they are in vain. */
static void
test_pause(void)
{
    struct queue q;

    queue_init(&q);
    for (uint32_t i = 0; i < 100; i++) {
        uint32_t n;

        queue_run(&q, 10000, all);
        CHECK(!q.lend.paused && q.n_changes == 2 * i);
        queue_run(&q, 1000, none);
        CHECK(q.lend.paused && q.n_changes == 2 * i + 1);
        n = q.sums.n_frames;
        queue_run(&q, 3200, none);
        CHECK(q.sums.n_frames - n >= 20);

        queue_run(&q, 100000, none);
        n = q.sums.n_frames;
        queue_run(&q, 512000, none);
        n = q.sums.n_frames - n;
        CHECK(n >= 900 && n <= 1100);
        CHECK(q.n_changes == 2 * i + 1);
        CHECK(iovtee_lend_percent(&q.lend) < 2);
        queue_run(&q, 12000, all);
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
        lent = q.sums.n_frames;
        queue_run(&q, N, patterns[i]);
        lent = q.sums.n_frames - lent;
        CHECK(lent < N / 20);
    }
}

static bool settled;

/* Tells 'lend' of 'n' frames more. */
static bool
judge(struct iovtee_lend *lend, uint32_t n, uint32_t gain, uint32_t cost)
{
    struct iovtee_lend_sums sums = lend->told;

    sums.n_frames += n;
    sums.gain += gain;
    sums.cost += cost;
    return iovtee_lend_judge(lend, &sums, settled);
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
        CHECK(judge(&lend, 1000, 0, 1000) && lend.paused);
        CHECK(iovtee_lend_quota(&lend, 1) == 0);
        for (uint32_t k = 0; k < N; k += asks[i]) {
            n += iovtee_lend_quota(&lend, asks[i]);
        }
        CHECK(n > N / 64 * 98 / 100 && n < N / 64 * 102 / 100);

        /* What was lent before says nothing. */
        CHECK(!judge(&lend, 1000, 1000000, 0));
        settled = true;
        CHECK(!judge(&lend, 0, 1000000, 0) && lend.paused);
        CHECK(judge(&lend, 1000, 1000000, 0) && !lend.paused);
        settled = false;
    }
}

/* What counts is the gain of all frames against the cost of all, not how many
 * of them there are, and a state in which both are about the same lasts. */
static void
test_cost(void)
{
    struct iovtee_lend lend;

    iovtee_lend_init(&lend);
    settled = true;
    for (int i = 0; i < 1000; i++) {
        /* Seven that cost as much as they save, and one that is worth it. */
        CHECK(!judge(&lend, 7, 7 * 64, 7 * 128));
        CHECK(!judge(&lend, 1, 1518, 128) && !lend.paused);
    }
    CHECK(iovtee_lend_percent(&lend) > 60);

    for (int i = 0; i < 1000; i++) {
        CHECK(!judge(&lend, 8, 8 * 256, 8 * 256) && !lend.paused);
    }
    CHECK(iovtee_lend_percent(&lend) == 50
          || iovtee_lend_percent(&lend) == 49);
    judge(&lend, 1000, 64000, 128000);
    CHECK(lend.paused && iovtee_lend_percent(&lend) == 33);
    for (int i = 0; i < 1000; i++) {
        CHECK(!judge(&lend, 4, 4 * 256, 4 * 256) && lend.paused);
    }
    judge(&lend, 32, 32 * 256, 32 * 128);
    CHECK(!lend.paused);
    settled = false;
}

/* Frames may be as long as they get, and as many at a time. */
static void
test_limits(void)
{
    struct iovtee_lend lend;

    iovtee_lend_init(&lend);
    settled = true;
    for (int i = 0; i < 1000; i++) {
        judge(&lend, 32, 32 * 65535, 0);
    }
    CHECK(!lend.paused && iovtee_lend_percent(&lend) == 100);
    for (int i = 0; i < 1000; i++) {
        judge(&lend, 32, 0, 32 * 2 * 65535);
    }
    CHECK(lend.paused && iovtee_lend_percent(&lend) == 0);
    judge(&lend, 30000, 0, UINT32_MAX);
    CHECK(lend.paused && iovtee_lend_percent(&lend) == 0);
    judge(&lend, 30000, UINT32_MAX, 0);
    CHECK(!lend.paused && iovtee_lend_percent(&lend) == 100);
    settled = false;
}

int
main(int argc, char *argv[])
{
    static const struct unit_command commands[] = {
        { "on", test_on },
        { "pause", test_pause },
        { "half", test_half },
        { "quota", test_quota },
        { "cost", test_cost },
        { "limits", test_limits },
    };

    return unit_main(argc, argv, commands, ARRAY_SIZE(commands));
}
