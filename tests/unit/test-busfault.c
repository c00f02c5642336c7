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
#define _GNU_SOURCE 1           /* For memfd_create(). */
#endif

#include "virtio/busfault.h"

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "unit.h"

#define N_PAGES 4
#define N_THREADS 4
#define N_ROUNDS 1000
#define FULL 0x5a               /* In each byte of a file. */

/* A file that is mapped. */
struct mapping {
    int fd;
    size_t page_size;
    size_t size;
    volatile uint8_t *p;
    bool lost;
};

/* Returns false if there are no pages of that kind. */
static bool
mapping_init(struct mapping *m, size_t page_size, unsigned int flags)
{
    void *p;

    *m = (struct mapping) {
        .fd = memfd_create("busfault", MFD_CLOEXEC | flags),
        .page_size = page_size,
        .size = N_PAGES * page_size,
    };
    if (m->fd < 0 || ftruncate(m->fd, m->size)) {
        return false;
    }
    p = mmap(NULL, m->size, PROT_READ | PROT_WRITE, MAP_SHARED, m->fd, 0);
    if (p == MAP_FAILED) {
        return false;
    }
    memset(p, FULL, m->size);
    m->p = p;
    return true;
}

static void
map(struct mapping *m)
{
    CHECK(mapping_init(m, sysconf(_SC_PAGESIZE), 0));
}

static void
unmap(struct mapping *m)
{
    CHECK(!munmap((void *) m->p, m->size));
    close(m->fd);
}

static void
guard(struct mapping *m)
{
    CHECK(iovtee_busfault_guard((void *) m->p, m->size, &m->lost));
}

static bool
is_lost(const struct mapping *m)
{
    return __atomic_load_n(&m->lost, __ATOMIC_SEQ_CST);
}

/* Leaves only the first page of the file. */
static void
shrink(struct mapping *m)
{
    CHECK(!ftruncate(m->fd, m->page_size));
}

/* Looks at the last page. */
static uint8_t
touch(const struct mapping *m)
{
    return m->p[m->size - 1];
}

/* Runs 'run' in a process of its own, and tells how that has ended. */
static void
in_child(const char *what, void (*run)(struct mapping *), struct mapping *m)
{
    pid_t pid;
    int status;

    fflush(stdout);
    pid = fork();
    CHECK(pid >= 0);
    if (!pid) {
        const struct rlimit none = { 0, 0 };

        setrlimit(RLIMIT_CORE, &none);
        freopen("/dev/null", "w", stderr);
        run(m);
        _exit(0);
    }
    CHECK(waitpid(pid, &status, 0) == pid);

    /* AddressSanitizer exits after its report. */
    printf("%s: %s\n", what, (!status ? "survived"
                              : WIFSIGNALED(status) || WEXITSTATUS(status)
                              ? "died" : "?"));
}

static void
run_touch(struct mapping *m)
{
    touch(m);
}

static void
run_unguard(struct mapping *m)
{
    guard(m);
    iovtee_busfault_unguard((void *) m->p);
    touch(m);
}

static void
run_guard(struct mapping *m)
{
    guard(m);
    CHECK(touch(m) == 0);
}

static void
run_kill(struct mapping *m)
{
    guard(m);
    raise(SIGBUS);
}

static void
run_ignore(struct mapping *m)
{
    signal(SIGBUS, SIG_IGN);
    CHECK(!iovtee_busfault_init());
    raise(SIGBUS);
    guard(m);
    CHECK(touch(m) == 0);
}

static void
check_replaced(struct mapping *m)
{
    CHECK(!is_lost(m));
    guard(m);
    CHECK(m->p[0] == FULL && touch(m) == FULL);
    shrink(m);
    CHECK(m->p[0] == FULL && !is_lost(m));

    errno = EXDEV;
    CHECK(touch(m) == 0);
    CHECK(errno == EXDEV);
    CHECK(is_lost(m));
    CHECK(m->p[0] == 0);
    m->p[m->size - 1] = 1;
    CHECK(touch(m) == 1);

    iovtee_busfault_unguard((void *) m->p);
}

static void
test_guard(void)
{
    struct mapping m, other;

    CHECK(!iovtee_busfault_init());
    CHECK(!iovtee_busfault_init());
    map(&m);
    map(&other);
    guard(&other);

    check_replaced(&m);
    unmap(&m);

    CHECK(!is_lost(&other) && touch(&other) == FULL);
    iovtee_busfault_unguard((void *) other.p);
    unmap(&other);
    puts("ok");
}

static void
test_huge(void)
{
    struct mapping m;

    CHECK(!iovtee_busfault_init());
    if (!mapping_init(&m, 2048 * 1024, MFD_HUGETLB)) {
        exit(UNIT_SKIP);
    }
    check_replaced(&m);
    unmap(&m);

    /* Less than a page is guarded, and more mapped. */
    CHECK(mapping_init(&m, 2048 * 1024, MFD_HUGETLB));
    CHECK(iovtee_busfault_guard((void *) m.p, m.size - 4096, &m.lost));
    shrink(&m);
    CHECK(m.p[m.size - 8192] == 0 && touch(&m) == 0);
    CHECK(is_lost(&m));
    iovtee_busfault_unguard((void *) m.p);
    unmap(&m);
    puts("ok");
}

/* What is not guarded is none of this module's business. */
static void
test_others(void)
{
    struct mapping m;

    CHECK(!iovtee_busfault_init());
    CHECK(!iovtee_busfault_init());
    map(&m);
    shrink(&m);
    in_child("never guarded", run_touch, &m);
    in_child("not guarded any more", run_unguard, &m);
    in_child("guarded", run_guard, &m);
    in_child("sent by somebody", run_kill, &m);
    in_child("sent, and ignored", run_ignore, &m);
    unmap(&m);
}

static sigjmp_buf jump;

static void
jump_out(int sig)
{
    siglongjmp(jump, sig);
}

/* Whoever handled SIGBUS before still gets what was his. */
static void
test_chain(void)
{
    struct mapping m, other;
    volatile int n = 0;

    signal(SIGBUS, jump_out);
    CHECK(!iovtee_busfault_init());
    map(&m);
    map(&other);
    guard(&m);
    shrink(&m);
    shrink(&other);
    if (!sigsetjmp(jump, 1)) {
        touch(&other);
        n++;
    }
    CHECK(!n);
    CHECK(touch(&m) == 0);
    iovtee_busfault_unguard((void *) m.p);
    unmap(&m);
    unmap(&other);
    puts("ok");
}

static void
test_expect(void)
{
    struct mapping m;

    CHECK(!iovtee_busfault_init());
    map(&m);
    shrink(&m);
    iovtee_busfault_expect(true);
    CHECK(touch(&m) == 0);
    CHECK(m.p[0] == FULL);
    iovtee_busfault_expect(false);
    CHECK(touch(&m) == 0);
    unmap(&m);

    map(&m);
    shrink(&m);
    in_child("not expected any more", run_touch, &m);
    unmap(&m);
}

/* Zeros take no memory, even if all memory is locked, as that of ovs-vswitchd
 * is. */
static void
test_locked(void)
{
    unsigned char resident[N_PAGES * 64] = { 0 };
    size_t n = 0;
    struct mapping m;

    CHECK(!iovtee_busfault_init());
    if (mlockall(MCL_CURRENT | MCL_FUTURE)) {
        exit(UNIT_SKIP);
    }
    CHECK(mapping_init(&m, 64 * sysconf(_SC_PAGESIZE), 0));
    check_replaced(&m);
    CHECK(!mincore((void *) m.p, m.size, resident));
    for (size_t i = 0; i < ARRAY_SIZE(resident); i++) {
        n += resident[i] & 1;
    }
    printf("%zu pages\n", n);
    unmap(&m);
}

static void
test_full(void)
{
    uint8_t *none = NULL;

    for (size_t i = 1; i <= IOVTEE_BUSFAULT_MAX; i++) {
        CHECK(iovtee_busfault_guard(none + i * 4096, 4096, NULL));
    }
    CHECK(!iovtee_busfault_guard(none + 4096, 4096, NULL));
    iovtee_busfault_unguard(none + 4096 * 100);
    CHECK(iovtee_busfault_guard(none + 4096, 4096, NULL));
    puts("ok");
}

static void *
thread_main(void *aux)
{
    for (int i = 0; i < N_ROUNDS; i++) {
        struct mapping m;

        map(&m);
        guard(&m);
        shrink(&m);
        CHECK(touch(&m) == 0);
        CHECK(is_lost(&m));
        iovtee_busfault_unguard((void *) m.p);
        unmap(&m);
    }
    return aux;
}

static void
test_threads(void)
{
    pthread_t threads[N_THREADS];
    struct mapping m;

    CHECK(!iovtee_busfault_init());
    map(&m);
    guard(&m);
    for (int i = 0; i < N_THREADS; i++) {
        CHECK(!pthread_create(&threads[i], NULL, thread_main, NULL));
    }
    for (int i = 0; i < N_THREADS; i++) {
        CHECK(!pthread_join(threads[i], NULL));
    }
    CHECK(!is_lost(&m) && touch(&m) == FULL);
    printf("%d mappings\n", N_THREADS * N_ROUNDS);
}

int
main(int argc, char *argv[])
{
    static const struct unit_command commands[] = {
        { "guard", test_guard },
        { "huge", test_huge },
        { "others", test_others },
        { "chain", test_chain },
        { "expect", test_expect },
        { "locked", test_locked },
        { "full", test_full },
        { "threads", test_threads },
    };

    return unit_main(argc, argv, commands, ARRAY_SIZE(commands));
}
