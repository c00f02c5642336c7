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

/* See df.h for what a double fetch is, and df-ops.h for operations.
 *
 *     doublefetch [OPTION...] near [OPERATION...]
 *         No near operation, or none of those that are named, fails.
 *     doublefetch [OPTION...] find
 *         Each operation that is to be found fails.
 *     doublefetch [OPTION...] try OPERATION...
 *         Says which of the operations fail, whatever they are.
 *     doublefetch list
 *
 * --count N      operations of each name; the default is 100000
 * --seconds N    time for all of them together, instead
 * --seed N       another seed than a random one
 * --first N      the number of the first operation
 * --report       no mutations; says who fetches what twice
 */

#include <config.h>

#include "df-ops.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "df.h"
#include "openvswitch/vlog.h"
#include "util.h"

static uint64_t seed;
static uint64_t first;
static uint64_t count = 100000;
static uint64_t seconds;
static bool report;

static bool
time_left(uint64_t n, time_t start)
{
    if (!seconds) {
        return n < count;
    }
    return n % 1024 || time(NULL) - start < seconds;
}

static void
run(const struct df_op *op)
{
    uint64_t n_fetches = df_n_fetches();
    uint64_t n_double = df_n_double();
    uint64_t n_mutations = df_n_mutations();
    time_t start = time(NULL);
    uint64_t n;

    for (n = 0; time_left(n, start); n++) {
        df_begin(op->name, seed, first + n);
        if (!n && op->start) {
            op->start();
        }
        df_op_run(op, !report);
    }
    printf("%s: %"PRIu64" operations, %"PRIu64" accesses, "
           "%"PRIu64" double fetches, %"PRIu64" mutations\n", op->name, n,
           df_n_fetches() - n_fetches, df_n_double() - n_double,
           df_n_mutations() - n_mutations);
    fflush(stdout);
}

/* Runs 'op' in another process, and returns true if it fails as it should. */
static bool
fails(const struct df_op *op)
{
    int status;
    pid_t pid;

    printf("%s:\n", op->name);
    fflush(stdout);
    pid = fork();
    ovs_assert(pid >= 0);
    if (!pid) {
        dup2(STDOUT_FILENO, STDERR_FILENO);
        run(op);
        exit(0);
    }
    while (waitpid(pid, &status, 0) < 0) {
        ovs_assert(errno == EINTR);
    }
    ovs_assert(WIFEXITED(status));
    ovs_assert(!WEXITSTATUS(status) || WEXITSTATUS(status) == DF_FOUND);
    return WEXITSTATUS(status) == DF_FOUND;
}

static const struct df_op *
find_op(const char *name)
{
    const struct { const struct df_op *ops; size_t n; } tables[] = {
        { df_near_ops, df_n_near_ops },
        { df_found_ops, df_n_found_ops },
        { df_far_ops, df_n_far_ops },
    };

    for (size_t i = 0; i < ARRAY_SIZE(tables); i++) {
        for (size_t j = 0; j < tables[i].n; j++) {
            const struct df_op *op = &tables[i].ops[j];

            if (!name) {
                printf("%s\t%s\n", i == 0 ? "near" : i == 1 ? "find" : "far",
                       op->name);
            } else if (!strcmp(name, op->name)) {
                return op;
            }
        }
    }
    if (name) {
        fprintf(stderr, "%s: no such operation\n", name);
        exit(2);
    }
    return NULL;
}

static int
near(char *names[])
{
    size_t n = 0;

    while (names[n]) {
        n++;
    }
    seconds = DIV_ROUND_UP(seconds, n ? n : df_n_near_ops);
    for (size_t i = 0; !*names && i < df_n_near_ops; i++) {
        run(&df_near_ops[i]);
    }
    for (; *names; names++) {
        run(find_op(*names));
    }
    if (report) {
        df_report();
    } else if (!df_n_mutations() && count > 1) {
        fprintf(stderr, "no byte was changed\n");
        return 1;
    }
    return 0;
}

static int
find(void)
{
    int status = 0;

    for (size_t i = 0; i < df_n_found_ops; i++) {
        if (!fails(&df_found_ops[i])) {
            printf("%s: NOT FOUND\n", df_found_ops[i].name);
            status = 1;
        }
    }
    return status;
}

static void
parse_options(int argc, char *argv[])
{
    static const struct option options[] = {
        { "seed", required_argument, NULL, 's' },
        { "first", required_argument, NULL, 'f' },
        { "count", required_argument, NULL, 'c' },
        { "seconds", required_argument, NULL, 't' },
        { "report", no_argument, NULL, 'r' },
        { NULL, 0, NULL, 0 },
    };
    int c;

    while ((c = getopt_long(argc, argv, "", options, NULL)) >= 0) {
        switch (c) {
        case 's': seed = strtoull(optarg, NULL, 0); break;
        case 'f': first = strtoull(optarg, NULL, 0); break;
        case 'c': count = strtoull(optarg, NULL, 0); break;
        case 't': seconds = strtoull(optarg, NULL, 0); break;
        case 'r': report = true; break;
        default: exit(2);
        }
    }
}

int
main(int argc, char *argv[])
{
    const char *command;

    ovs_assert(getrandom(&seed, sizeof seed, 0) == sizeof seed);
    ovs_set_program_name(argv[0], IOVTEE_VERSION);
    vlog_set_levels(NULL, VLF_ANY_DESTINATION, VLL_OFF);
    parse_options(argc, argv);
    command = optind < argc ? argv[optind++] : "";

    df_init();
    df_ops_init();
    if (!strcmp(command, "list")) {
        find_op(NULL);
        return 0;
    }
    printf("seed %"PRIu64"\n", seed);
    if (!strcmp(command, "near")) {
        return near(argv + optind);
    } else if (!strcmp(command, "find")) {
        return find();
    } else if (!strcmp(command, "try")) {
        for (; optind < argc; optind++) {
            if (fails(find_op(argv[optind]))) {
                printf("%s: fails\n", argv[optind]);
            }
        }
        return 0;
    }
    fprintf(stderr, "usage: %s [OPTION...] near|find|try|list "
            "[OPERATION...]\n", argv[0]);
    return 2;
}
