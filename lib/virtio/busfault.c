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

/* Survives SIGBUS when the file behind guest memory shrinks.  The handler runs
 * on any thread, in the middle of anything; the rest is for the threads that
 * map and unmap memory. */

#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1           /* For MAP_ANONYMOUS. */
#endif

#include "virtio/busfault.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

/* How it works
 * ============
 *
 * The signal is synchronous: it is handled on the thread that has faulted, in
 * the middle of whatever that thread does.  So the handler takes no lock and
 * calls nothing but plain system calls.  What is guarded is in an array that
 * is read under a sequence count.  The thread that changes it touches no
 * guarded memory meanwhile, so that a handler which waits for the count never
 * waits for its own thread.
 *
 * Why a mapping cannot vanish, and its place be taken by another, between the
 * fault and the handler's mremap(): the thread that has faulted is using it.
 *
 * All of a mapping is replaced, although only a page is missing.  A guest
 * whose memory has holes is of no use to anybody, there is then a single fault
 * for each mapping, and it does not matter what pages the file consisted
 * of. */

/* No page is larger. */
#define MAX_PAGE_SIZE (UINT64_C(1) << 30)

struct guard {
    atomic_uintptr_t base;      /* 0 if free. */
    atomic_size_t size;
    _Atomic(bool *) lost;
};

static struct guard guards[IOVTEE_BUSFAULT_MAX];
static atomic_size_t n_guards;  /* All others have never been used. */
static atomic_uint version;     /* Odd while 'guards' changes. */
static pthread_mutex_t guards_mutex = PTHREAD_MUTEX_INITIALIZER;

/* What was to handle SIGBUS before, and what a page is at least. */
static struct sigaction previous;
static size_t base_page_size;

/* See iovtee_busfault_expect(). */
static _Thread_local bool expected;

static bool is_ours(const struct sigaction *);
static void handle_sigbus(int, siginfo_t *, void *);
static void set_guard(struct guard *, void *base, size_t, bool *lost);
static bool find_guard(uintptr_t addr, uintptr_t *base, size_t *size,
                       bool **lost);

/* Begins to handle SIGBUS, if that has not been done before.  Returns 0 if
 * successful, otherwise a positive errno value. */
int
iovtee_busfault_init(void)
{
    struct sigaction action = {
        .sa_sigaction = handle_sigbus,
        .sa_flags = SA_SIGINFO | SA_ONSTACK,
    };
    struct sigaction present;

    if (sigaction(SIGBUS, NULL, &present)) {
        return errno;
    }
    if (is_ours(&present)) {
        return 0;
    }
    previous = present;
    base_page_size = sysconf(_SC_PAGESIZE);
    sigemptyset(&action.sa_mask);
    return sigaction(SIGBUS, &action, NULL) ? errno : 0;
}

/* Guards the mapping of 'size' bytes at 'base', both of which are multiples of
 * the size of its pages.  If it is replaced then '*lost', if 'lost' is not
 * NULL, becomes true before it is, atomically; it must exist until the mapping
 * is not guarded any more.
 *
 * Returns false if so many are guarded that there is no room for another
 * one. */
bool
iovtee_busfault_guard(void *base, size_t size, bool *lost)
{
    bool ok = false;
    size_t i, n;

    pthread_mutex_lock(&guards_mutex);
    n = atomic_load(&n_guards);
    for (i = 0; i < n && atomic_load(&guards[i].base); i++) {
        continue;
    }
    if (i < IOVTEE_BUSFAULT_MAX) {
        set_guard(&guards[i], base, size, lost);
        if (i == n) {
            atomic_store(&n_guards, n + 1);
        }
        ok = true;
    }
    pthread_mutex_unlock(&guards_mutex);
    return ok;
}

/* Ends what iovtee_busfault_guard() began for 'base'.  Does nothing if it has
 * had no room. */
void
iovtee_busfault_unguard(void *base)
{
    size_t n;

    pthread_mutex_lock(&guards_mutex);
    n = atomic_load(&n_guards);
    for (size_t i = 0; i < n; i++) {
        if (atomic_load(&guards[i].base) == (uintptr_t) base) {
            set_guard(&guards[i], NULL, 0, NULL);
            break;
        }
    }
    pthread_mutex_unlock(&guards_mutex);
}

/* Is 'p' in a mapping that is guarded? */
bool
iovtee_busfault_is_guarded(const void *p)
{
    bool *lost;
    uintptr_t base;
    size_t size;

    return find_guard((uintptr_t) p, &base, &size, &lost);
}

/* From now on, if 'expect', a page that a file has lost is replaced by zeros
 * on the calling thread wherever it is.  That is for a library which maps a
 * file and uses it before anybody can guard the mapping.  While it is so this
 * thread should not run anything else. */
void
iovtee_busfault_expect(bool expect)
{
    expected = expect;
}


static bool
is_ours(const struct sigaction *action)
{
    return (action->sa_flags & SA_SIGINFO
            && action->sa_sigaction == handle_sigbus);
}

static void
set_guard(struct guard *g, void *base, size_t size, bool *lost)
{
    atomic_fetch_add(&version, 1);
    atomic_store(&g->base, (uintptr_t) base);
    atomic_store(&g->size, size);
    atomic_store(&g->lost, lost);
    atomic_fetch_add(&version, 1);
}

/* Replaces the 'size' bytes at 'base' by zeros.  Returns false, with errno
 * set, if the kernel refuses that, in which case they are as before.
 *
 * ovs-vswitchd usually has all of its memory locked (mlockall()), which would
 * take real memory for each of the zeros.  So they are unlocked before they
 * can be accessed, somewhere else, and put into their place in one step. */
static bool
replace(uintptr_t base, size_t size)
{
    void *p = mmap(NULL, size, PROT_NONE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    int error;

    if (p == MAP_FAILED) {
        return false;
    }
    if (!munlock(p, size)
        && !mprotect(p, size, PROT_READ | PROT_WRITE)
        && mremap(p, size, size, MREMAP_MAYMOVE | MREMAP_FIXED,
                  (void *) base) != MAP_FAILED) {
        return true;
    }
    error = errno;
    munmap(p, size);
    errno = error;
    return false;
}

/* Looks for the guarded mapping with 'addr' in it.  If there is one, returns
 * true and stores it in '*base', '*size' and '*lost'. */
static bool
find_guard(uintptr_t addr, uintptr_t *base, size_t *size, bool **lost)
{
    unsigned int before;
    bool found;

    do {
        size_t n;

        found = false;
        before = atomic_load(&version);
        n = atomic_load(&n_guards);
        for (size_t i = 0; !found && i < n; i++) {
            *base = atomic_load(&guards[i].base);
            *size = atomic_load(&guards[i].size);
            *lost = atomic_load(&guards[i].lost);
            found = *base && addr - *base < *size;
        }
    } while (before & 1 || atomic_load(&version) != before);
    return found;
}

/* Replaces the page with 'addr' in it.  Returns false if the kernel refuses
 * that. */
static bool
replace_page(uintptr_t addr)
{
    /* With EINVAL the kernel says that the file consists of larger pages. */
    for (size_t size = base_page_size; size <= MAX_PAGE_SIZE; size *= 2) {
        if (replace(addr & ~(size - 1), size)) {
            return true;
        }
        if (errno != EINVAL) {
            break;
        }
    }
    return false;
}

/* Replaces the guarded mapping with 'addr' in it.  Returns false if there is
 * none. */
static bool
replace_guarded(uintptr_t addr)
{
    bool *lost;
    uintptr_t base;
    size_t size;

    if (!find_guard(addr, &base, &size, &lost)) {
        return false;
    }
    if (lost) {
        __atomic_store_n(lost, true, __ATOMIC_SEQ_CST);
    }

    /* The kernel may have mapped more than was asked for. */
    return replace(base, size) || replace_page(addr);
}

/* SIGBUS is none of ours. */
static void
pass_on(int sig, siginfo_t *info, void *context)
{
    const struct sigaction fatal = { .sa_handler = SIG_DFL };

    /* By a process, or the kernel, which had no access of ours in mind? */
    bool sent = info->si_code <= 0 || info->si_code == BUS_MCEERR_AO;

    if (previous.sa_flags & SA_SIGINFO) {
        previous.sa_sigaction(sig, info, context);
    } else if (previous.sa_handler != SIG_DFL
               && previous.sa_handler != SIG_IGN) {
        previous.sa_handler(sig);
    } else if (!sent || previous.sa_handler == SIG_DFL) {
        /* What has faulted is run again after this, and faults again, which
         * leaves a better core dump.  All else does not. */
        sigaction(SIGBUS, &fatal, NULL);
        if (sent) {
            raise(SIGBUS);
        }
    }
}

static void
handle_sigbus(int sig, siginfo_t *info, void *context)
{
    uintptr_t addr = (uintptr_t) info->si_addr;
    int error = errno;

    if (info->si_code != BUS_ADRERR
        || (!replace_guarded(addr) && !(expected && replace_page(addr)))) {
        pass_on(sig, info, context);
    }
    errno = error;
}
