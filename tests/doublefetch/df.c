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

#include "df.h"

#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* A frame fits in the pages, and an offset of 16 bits in what is before and
 * behind them, where nothing may be touched. */
#define DF_PAGES 8192
#define DF_GUARD (1024 * 1024)

/* Pairs of code that touched the same bytes, and changes that are kept. */
#define DF_MAX_PAIRS 4096
#define DF_LOG 16

/* Loaded by __executable_start, for addr2line. */
extern const char __executable_start[];

struct df_pair {
    const void *first;
    const void *second;
    uint64_t n;
};

struct df_change {
    size_t ofs;                 /* From the start of the frame. */
    uint8_t old;
    uint8_t new;
    const void *first;
    const void *second;
};

static uint8_t *pages;

/* The operation. */
static const char *operation = "start";
static uint64_t seed;
static uint64_t number;
static uint64_t state;
static uint8_t *frame;
static const uint8_t *low;      /* Who is below is outside. */
static const uint8_t *high;     /* So is who is here or above. */
static bool watching;
static bool mutating;
static uint32_t chance;         /* Of a change, in 256 parts. */
static const void *seen[DF_PAGES];
static size_t touched_low;
static size_t touched_high;

/* The last changes in this operation. */
static struct df_change changes[DF_LOG];
static uint64_t n_changes;

/* The program. */
static uint64_t n_fetches;
static uint64_t n_double;
static uint64_t n_mutations;
static struct df_pair pairs[DF_MAX_PAIRS];
static size_t n_pairs;

const struct df_trap *df_trap;

uint32_t
df_random(void)
{
    uint64_t z = state += UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return (z ^ (z >> 31)) >> 32;
}

uint32_t
df_below(uint32_t n)
{
    return ((uint64_t) df_random() * n) >> 32;
}

/* Returns a byte that means something in one header or another, more often
 * than chance would. */
uint8_t
df_interesting_byte(void)
{
    static const uint8_t bytes[] = {
        0x00, 0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08, 0x0b, 0x0c,
        0x11, 0x12, 0x1f, 0x20, 0x2b, 0x2c, 0x33, 0x35, 0x3a, 0x3b, 0x3c,
        0x40, 0x45, 0x46, 0x47, 0x48, 0x4f, 0x50, 0x60, 0x7f, 0x80, 0x81,
        0x84, 0x86, 0x87, 0x88, 0x89, 0xa8, 0xdd, 0xf0, 0xfe, 0xff,
    };

    return df_below(2) ? bytes[df_below(sizeof bytes)] : df_random();
}

uint64_t
df_n_fetches(void)
{
    return n_fetches;
}

uint64_t
df_n_double(void)
{
    return n_double;
}

uint64_t
df_n_mutations(void)
{
    return n_mutations;
}

/* Prints "function at file:line" for each of the 'n' addresses in 'pcs', with
 * the functions that it was inlined into, and what is before it. */
static void
print_sites(const char *const before[], const void *const pcs[], size_t n)
{
    char line[4096];
    size_t length;
    FILE *stream;

    length = snprintf(line, sizeof line, "addr2line -a -f -i -p -s -e "
                      "/proc/%ld/exe", (long) getpid());
    for (size_t i = 0; i < n; i++) {
        /* The call returns behind the access. */
        length += snprintf(line + length, sizeof line - length,
                           " 0x%"PRIxPTR, (uintptr_t) pcs[i]
                           - (uintptr_t) __executable_start - 1);
    }
    stream = popen(line, "r");
    for (size_t i = 0; stream && fgets(line, sizeof line, stream); ) {
        char *name = strstr(line, ": ");

        if (line[0] == '0' && name && i < n) {
            fprintf(stderr, "%s\n    %s", before[i++], name + 2);
        } else {
            fprintf(stderr, "    %s", line);
        }
    }
    if (stream) {
        pclose(stream);
    }
}

static void
print_changes(void)
{
    uint64_t i = n_changes > DF_LOG ? n_changes - DF_LOG : 0;
    const char *before[2 * DF_LOG];
    const void *pcs[2 * DF_LOG];
    char text[DF_LOG][80];
    size_t n = 0;

    for (; i < n_changes; i++) {
        const struct df_change *c = &changes[i % DF_LOG];

        snprintf(text[n / 2], sizeof text[0],
                 "  byte %zd: %#04x, then %#04x, between",
                 (ssize_t) c->ofs, c->old, c->new);
        before[n] = text[n / 2];
        pcs[n++] = c->first;
        before[n] = "  and";
        pcs[n++] = c->second;
    }
    print_sites(before, pcs, n);
}

static void
print_context(void)
{
    /* Nothing below is to come back here. */
    signal(SIGSEGV, SIG_DFL);
    signal(SIGABRT, SIG_DFL);
    signal(SIGTRAP, SIG_DFL);
    signal(SIGALRM, SIG_DFL);
    df_unwatch();
    fprintf(stderr, "in %s: --seed %"PRIu64" --first %"PRIu64" --count 1\n",
            operation, seed, number);
    print_changes();
}

void
df_fail(const char *format, ...)
{
    va_list args;

    watching = false;
    fflush(stdout);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
    print_context();
    _exit(DF_FOUND);
}

static void
fatal_signal(int number_, siginfo_t *info, void *ucontext)
{
    (void) ucontext;
    if (number_ == SIGSEGV || number_ == SIGBUS) {
        ptrdiff_t ofs = (uint8_t *) info->si_addr - frame;

        if (ofs >= -DF_GUARD && ofs < DF_GUARD) {
            df_fail("signal %d, %td bytes from the frame", number_, ofs);
        }
        df_fail("signal %d, far from the frame", number_);
    }
    df_fail(number_ == SIGALRM ? "signal %d: no end" : "signal %d", number_);
}

void
df_init(void)
{
    static const int signals[] = {
        SIGSEGV, SIGBUS, SIGABRT, SIGFPE, SIGILL, SIGALRM,
    };
    struct sigaction action = {
        .sa_sigaction = fatal_signal, .sa_flags = SA_SIGINFO | SA_NODEFER,
    };
    uint8_t *area = mmap(NULL, DF_GUARD + DF_PAGES + DF_GUARD, PROT_NONE,
                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    if (area == MAP_FAILED
        || mprotect(area + DF_GUARD, DF_PAGES, PROT_READ | PROT_WRITE)) {
        perror("guest memory");
        exit(1);
    }
    pages = area + DF_GUARD;
    frame = pages;
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++) {
        sigaction(signals[i], &action, NULL);
    }
}

bool
df_in_pages(const void *p)
{
    return (uintptr_t) p - (uintptr_t) pages < DF_PAGES;
}

/* Begins operation 'n' of those with 'seed_'. */
void
df_begin(const char *operation_, uint64_t seed_, uint64_t n)
{
    static const uint32_t chances[] = { 8, 32, 128, 256 };

    operation = operation_;
    seed = seed_;
    number = n;
    state = seed_ * UINT64_C(0xd1342543de82ef95) + n;
    chance = chances[df_below(4)];
    n_changes = 0;
    /* An operation that has no end is one that a guest can cause. */
    if (!(n & 0xfff)) {
        alarm(60);
    }
}

/* Puts 'frame_' into guest memory, with as much room before and behind it as
 * may be written to.  Without room behind it, it ends where the pages end. */
uint8_t *
df_place(const uint8_t *frame_, size_t size, size_t headroom, size_t tailroom)
{
    uint8_t *start = pages + DF_PAGES - headroom - size - tailroom;

    if (touched_low < touched_high) {
        memset(seen + touched_low, 0,
               (touched_high - touched_low) * sizeof *seen);
    }
    touched_low = DF_PAGES;
    touched_high = 0;

    memset(start, 0xee, headroom + size + tailroom);
    low = start;
    high = pages + DF_PAGES;
    frame = start + headroom;
    memcpy(frame, frame_, size);
    return frame;
}

void
df_watch(bool mutate)
{
    mutating = mutate;
    watching = true;
    if (df_trap) {
        df_trap->arm(pages, DF_PAGES);
    }
}

void
df_unwatch(void)
{
    if (df_trap && watching) {
        df_trap->disarm(pages, DF_PAGES);
    }
    watching = false;
}

static void
note_pair(const void *first, const void *second)
{
    size_t h = ((uintptr_t) first * 31 + (uintptr_t) second) % DF_MAX_PAIRS;

    for (size_t i = 0; i < DF_MAX_PAIRS; i++) {
        struct df_pair *p = &pairs[(h + i) % DF_MAX_PAIRS];

        if (p->first == first && p->second == second) {
            p->n++;
            return;
        }
        if (!p->first) {
            *p = (struct df_pair) { first, second, 1 };
            n_pairs++;
            return;
        }
    }
}

/* The guest writes to '*byte', which 'first' has touched and 'second' is about
 * to load. */
static void
change(uint8_t *byte, const void *first, const void *second)
{
    struct df_change *c = &changes[n_changes % DF_LOG];
    uint8_t new = df_below(4) ? df_interesting_byte()
                              : *byte ^ (1u << df_below(8));

    if (new == *byte) {
        return;
    }
    *c = (struct df_change) { byte - frame, *byte, new, first, second };
    *byte = new;
    n_changes++;
    n_mutations++;
}

static void
touch(size_t from, size_t to, bool write, const void *pc)
{
    for (size_t i = from; i < to; i++) {
        if (seen[i] && !write) {
            n_double++;
            if (!mutating) {
                note_pair(seen[i], pc);
            } else if (df_below(256) < chance) {
                change(&pages[i], seen[i], pc);
            }
        }
        seen[i] = pc;
    }
    touched_low = from < touched_low ? from : touched_low;
    touched_high = to > touched_high ? to : touched_high;
}

void
df_access(const volatile void *p_, size_t size, bool write, const void *pc)
{
    const uint8_t *p = (const uint8_t *) p_;

    if ((uintptr_t) p - (uintptr_t) (pages - DF_GUARD)
        >= 2 * DF_GUARD + DF_PAGES || !watching || !size) {
        return;
    }
    if (p < low || p + size > high) {
        char text[128];

        watching = false;
        fflush(stdout);
        snprintf(text, sizeof text, "%s of %zu bytes, %zd bytes from the "
                 "start of %zd, at", write ? "store" : "load", size, p - frame,
                 high - frame);
        print_sites((const char *[]) { text }, &pc, 1);
        df_fail("outside of the frame");
    }
    n_fetches++;
    touch(p - pages, p - pages + size, write, pc);
}

static int
compare_pairs(const void *a_, const void *b_)
{
    const struct df_pair *a = a_, *b = b_;

    return a->n > b->n ? -1 : a->n < b->n;
}

/* Prints each double fetch that was seen, the most frequent first. */
void
df_report(void)
{
    qsort(pairs, DF_MAX_PAIRS, sizeof *pairs, compare_pairs);
    for (size_t i = 0; i < n_pairs; i += DF_LOG) {
        const char *before[2 * DF_LOG];
        const void *pcs[2 * DF_LOG];
        char text[DF_LOG][80];
        size_t n = 0;

        for (size_t j = i; j < n_pairs && j < i + DF_LOG; j++) {
            snprintf(text[n / 2], sizeof text[0],
                     "%"PRIu64" bytes were touched by", pairs[j].n);
            before[n] = text[n / 2];
            pcs[n++] = pairs[j].first;
            before[n] = "  and loaded by";
            pcs[n++] = pairs[j].second;
        }
        print_sites(before, pcs, n);
    }
}
