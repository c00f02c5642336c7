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


#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1
#endif

#include "virtio/inflight.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include "guest-driver.h"
#include "inflight-fixture.h"
#include "unit.h"

/* A switch that dies after any one of its machine instructions.
 *
 * The device works in a child process, one instruction at a time.  After each
 * that changed the table or the ring, this process checks what a successor
 * would make of a copy of the table.  Between the bursts, when the child has
 * stopped itself, the driver does its part.  Now and then the child is really
 * killed, and its successor has to recover under the same scrutiny. */

/* The part of a file that one ring of SIZE needs, as far as a copy goes. */
#define RECORD_OFFSET (4096 + 3 * (4096 + 8 * IOVTEE_VRING_MAX_SIZE))
#define RECORD_BYTES (4096 + 8 * SIZE)

struct stepper {
    struct fixture f;
    struct iovtee_inflight *copy;       /* Another file. */
    uint8_t *copy_base;                 /* What it says of the ring. */
    const uint8_t *base;                /* What the child's file says. */
    uint8_t seen[RECORD_BYTES];         /* As of the last check... */
    uint16_t seen_used;                 /* ...as is this. */
    pid_t pid;
    unsigned n_checks;
    unsigned n_held[SIZE + 1];          /* Checks, by what they found. */
};

static void
child_main(struct fixture *f)
{
    struct iovtee_guestmem_region table[IOVTEE_GUESTMEM_MAX_REGIONS];
    struct device d;

    /* The device's mapping is not passed on by fork(). */
    guest_get_table(&f->guest, table);
    CHECK(!iovtee_guestmem_create(table, f->guest.n, &f->config.mem));

    if (ptrace(PTRACE_TRACEME, 0, NULL, NULL)) {
        _exit(UNIT_SKIP);
    }
    raise(SIGSTOP);
    device_init(&d, f, f->path);
    for (;;) {
        raise(SIGSTOP);
        device_work(&d);
    }
}

/* Maps what file 'path' says of the ring. */
static uint8_t *
map_record(const char *path, int prot)
{
    int fd = open(path, O_RDWR);
    void *base;

    CHECK(fd >= 0);
    base = mmap(NULL, RECORD_BYTES, prot, MAP_SHARED, fd, RECORD_OFFSET);
    CHECK(base != MAP_FAILED);
    close(fd);
    return base;
}

static void
start_child(struct stepper *s)
{
    int status;

    s->pid = fork();
    CHECK(s->pid >= 0);
    if (!s->pid) {
        /* Other children are to do other things. */
        for (unsigned i = s->n_checks % 1000; i > 0; i--) {
            unit_random();
        }
        child_main(&s->f);
    }
    CHECK(waitpid(s->pid, &status, 0) == s->pid);
    if (WIFEXITED(status) && WEXITSTATUS(status) == UNIT_SKIP) {
        printf("ptrace() is not permitted\n");
        exit(UNIT_SKIP);
    }
    CHECK(WIFSTOPPED(status) && WSTOPSIG(status) == SIGSTOP);
}

static void
kill_child(struct stepper *s)
{
    int status;

    CHECK(!kill(s->pid, SIGKILL));
    CHECK(waitpid(s->pid, &status, 0) == s->pid);
    CHECK(WIFSIGNALED(status));
}

/* Checks the table if it or the ring changed since the last time. */
static void
check_step(struct stepper *s)
{
    uint16_t used = __atomic_load_n(&s->f.ring.used[1], __ATOMIC_ACQUIRE);
    uint32_t n_held;

    if (used == s->seen_used && !memcmp(s->seen, s->base, RECORD_BYTES)) {
        return;
    }
    s->seen_used = used;
    memcpy(s->seen, s->base, RECORD_BYTES);
    memcpy(s->copy_base, s->base, RECORD_BYTES);
    check_table(&s->f, s->copy, &n_held);
    s->n_checks++;
    s->n_held[n_held]++;
}

/* Runs the child until it stops itself or has made 'n' steps.  Returns true if
 * it stopped itself. */
static bool
step_child(struct stepper *s, unsigned n)
{
    while (n-- > 0) {
        int status;

        CHECK(!ptrace(PTRACE_SINGLESTEP, s->pid, NULL, NULL));
        CHECK(waitpid(s->pid, &status, 0) == s->pid);
        CHECK(WIFSTOPPED(status));
        check_step(s);
        if (WSTOPSIG(status) == SIGSTOP) {
            return true;
        }
        CHECK(WSTOPSIG(status) == SIGTRAP);
    }
    return false;
}

static void
test_steps(void)
{
    static struct stepper s;
    struct device d;
    unsigned n_kinds = 0;

    setup(&s.f, "steps", 65530);
    driver_post(&s.f);

    /* Both files with their blocks. */
    device_init(&d, &s.f, s.f.copy_path);
    device_destroy(&d);
    device_init(&d, &s.f, s.f.path);
    device_destroy(&d);
    s.copy = open_table(s.f.copy_path);
    s.copy_base = map_record(s.f.copy_path, PROT_READ | PROT_WRITE);
    s.base = map_record(s.f.path, PROT_READ);

    for (int i = 0; i < 16; i++) {
        start_child(&s);
        for (int j = 0; j < 12; j++) {
            bool die = j == 11;

            if (!step_child(&s, die ? unit_random_below(600) : 1000000)) {
                CHECK(die);
                break;
            }
            if (unit_random_below(4)) {
                driver_reap(&s.f);
                driver_post(&s.f);
            }
        }
        kill_child(&s);
        check_step(&s);
    }

    for (int i = 0; i <= SIZE; i++) {
        n_kinds += s.n_held[i] > 0;
    }
    CHECK(s.n_checks > 500 && n_kinds == SIZE + 1);
    iovtee_inflight_close(s.copy);
    munmap(s.copy_base, RECORD_BYTES);
    munmap((void *) s.base, RECORD_BYTES);
    teardown(&s.f);
    printf("ok\n");
}

int
main(int argc, char *argv[])
{
    static const struct unit_command commands[] = {
        { "steps", test_steps },
    };

    return unit_main(argc, argv, commands, ARRAY_SIZE(commands));
}
