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


#ifndef TESTS_UNIT_H
#define TESTS_UNIT_H 1

/* Frame of a unit test program
 * ============================
 *
 * A test program consists of commands, each of which is a test: it prints what
 * its .at file expects and returns, or fails a CHECK(). */

#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define ARRAY_SIZE(ARRAY) (sizeof (ARRAY) / sizeof (ARRAY)[0])

/* How often a test of threads tries something.  ThreadSanitizer is slow, but
 * it also sees a race whose threads missed each other. */
#ifdef __SANITIZE_THREAD__
#define UNIT_ROUNDS(N) ((N) / 5)
#else
#define UNIT_ROUNDS(N) (N)
#endif

/* Exit status that makes Autotest skip a test. */
#define UNIT_SKIP 77

/* Where unit_random() begins: another number in each run, unless the
 * environment's UNIT_SEED has one, which is to be seen in file "seed" of a
 * test that failed; or a constant in programs without unit_main(), as fuzzers
 * are, which must do the same in each run. */
static uint64_t unit_seed = UINT64_C(0x9e3779b97f4a7c15);

/* Ends the program, with a message and a core dump if these are enabled,
 * unless COND is true.  A fuzzer sees it, too. */
#define CHECK(COND)                                                         \
    ((COND) ? (void) 0 : unit_fail(__FILE__, __LINE__, #COND))

static inline void __attribute__((__noreturn__))
unit_fail(const char *file, int line, const char *cond)
{
    fflush(stdout);
    fprintf(stderr, "%s:%d: check failed: %s (UNIT_SEED=%"PRIu64")\n", file,
            line, cond, unit_seed);
    abort();
}

struct unit_command {
    const char *name;
    void (*run)(void);
};

static inline void
unit_choose_seed(void)
{
    const char *given = getenv("UNIT_SEED");
    struct timespec now;
    FILE *file;

    clock_gettime(CLOCK_REALTIME, &now);
    unit_seed = (given ? strtoull(given, NULL, 10)
                 : (uint64_t) now.tv_sec * 1000000007 + now.tv_nsec);
    unit_seed += !unit_seed;    /* Nothing ever follows 0. */
    file = fopen("seed", "w");
    if (file) {
        fprintf(file, "UNIT_SEED=%"PRIu64"\n", unit_seed);
        fclose(file);
    }
}

/* Runs the command that 'argv' names, and returns the exit status. */
static inline int
unit_main(int argc, char *argv[], const struct unit_command commands[],
          size_t n)
{
    for (size_t i = 0; argc == 2 && i < n; i++) {
        if (!strcmp(argv[1], commands[i].name)) {
            unit_choose_seed();
            commands[i].run();
            return 0;
        }
    }

    fprintf(stderr, "usage: %s COMMAND, where COMMAND is one of:\n", argv[0]);
    for (size_t i = 0; i < n; i++) {
        fprintf(stderr, "    %s\n", commands[i].name);
    }
    return 2;
}

/* Returns a number that looks random.  What follows what is the same in every
 * thread. */
static inline uint32_t
unit_random(void)
{
    static _Thread_local uint64_t state;

    if (!state) {
        state = unit_seed;
    }
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state >> 32;
}

/* Returns one of the numbers from 0 to 'n' - 1. */
static inline uint32_t
unit_random_below(uint32_t n)
{
    return ((uint64_t) unit_random() * n) >> 32;
}

#endif /* tests/unit/unit.h */
