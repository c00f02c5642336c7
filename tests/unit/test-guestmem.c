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

#include "virtio/guestmem.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "guest-driver.h"
#include "unit.h"

#define KB UINT64_C(1024)
#define MB (KB * 1024)
#define GB (MB * 1024)

/* Counts the open files and the mappings of files named "memfd:guest", to see
 * what leaks. */
struct resources {
    unsigned n_fds;
    unsigned n_maps;
};

static struct resources
count_resources(void)
{
    struct resources r = { .n_fds = 0 };
    DIR *dir = opendir("/proc/self/fd");
    FILE *maps = fopen("/proc/self/maps", "r");
    char line[512];

    CHECK(dir && maps);
    while (readdir(dir)) {
        r.n_fds++;
    }
    while (fgets(line, sizeof line, maps)) {
        r.n_maps += strstr(line, "memfd:guest") != NULL;
    }
    closedir(dir);
    fclose(maps);
    return r;
}

static void
init_guest(struct guest *guest, const struct guest_layout layouts[], size_t n)
{
    int error = guest_init(guest, layouts, n);

    if (error) {
        fprintf(stderr, "guest_init: %s\n", strerror(error));
        exit(1);
    }
}

/* Checks what iovtee_guestmem_translate() says of ['gpa', 'gpa' + 'len') in
 * 'guest' against a search that cannot be wrong. */
static bool
check_translation(const struct guest *guest, uint64_t gpa, uint64_t len)
{
    uint8_t *va = iovtee_guestmem_translate(guest->mem, gpa, len);
    unsigned __int128 end = (unsigned __int128) gpa + len;

    for (size_t i = 0; i < guest->n; i++) {
        const struct guest_layout *l = &guest->regions[i].layout;
        uint8_t *theirs;

        if (gpa < l->gpa || end > (unsigned __int128) l->gpa + l->size) {
            continue;
        }
        if (!len) {
            break;
        }

        /* What one of them writes at either end is what the other reads. */
        theirs = guest->regions[i].va + (gpa - l->gpa);
        CHECK(va && va != theirs);
        theirs[0] += 3;
        CHECK(va[0] == theirs[0]);
        va[len - 1] ^= 0x55;
        CHECK(va[len - 1] == theirs[len - 1]);
        return true;
    }
    CHECK(!va);
    return false;
}

/* Checks every boundary of 'guest' from every side, and random ranges. */
static void
check_guest(const struct guest *guest)
{
    unsigned n_good = 0, n_bad = 0;

    for (size_t i = 0; i < guest->n; i++) {
        const struct guest_layout *l = &guest->regions[i].layout;

        for (int from = -3; from <= 3; from++) {
            for (int to = -3; to <= 3; to++) {
                uint64_t begin = l->gpa + from;
                uint64_t end = l->gpa + l->size + to;

                check_translation(guest, begin, l->size + to - from);
                check_translation(guest, begin, 3 - from);
                check_translation(guest, end - 3, 3);
                check_translation(guest, end, 1);
            }
        }
        CHECK(check_translation(guest, l->gpa, l->size));
        CHECK(check_translation(guest, l->gpa + l->size - 1, 1));
        check_translation(guest, l->gpa, UINT64_MAX);
        check_translation(guest, l->gpa, UINT64_MAX - l->gpa);
        check_translation(guest, l->gpa + 1, UINT64_MAX);
        check_translation(guest, l->gpa + 7, UINT64_MAX - 5);
        check_translation(guest, l->gpa + 1, -l->gpa);
        check_translation(guest, l->gpa + 5, 0);
    }
    check_translation(guest, UINT64_MAX, 1);
    check_translation(guest, UINT64_MAX, UINT64_MAX);
    check_translation(guest, 0, UINT64_MAX);

    for (int i = 0; i < 100000; i++) {
        const struct guest_layout *l
            = &guest->regions[unit_random_below(guest->n)].layout;
        uint32_t margin = l->size < 1000 ? l->size : 1000;
        uint64_t gpa = (l->gpa + unit_random_below(l->size + 2 * margin)
                        - margin);

        if (check_translation(guest, gpa, unit_random_below(2 * margin))) {
            n_good++;
        } else {
            n_bad++;
        }
    }
    CHECK(n_good && n_bad);
}

static void
print_regions(const char *title, const struct guest *guest)
{
    printf("%s:\n", title);
    for (size_t i = 0; i < iovtee_guestmem_n_regions(guest->mem); i++) {
        const struct iovtee_guestmem_mapping *m
            = iovtee_guestmem_region(guest->mem, i);

        printf("  %#llx+%#llx\n", (unsigned long long) m->gpa,
               (unsigned long long) m->size);
        CHECK(m->va == iovtee_guestmem_translate(guest->mem, m->gpa, m->size));
    }
    CHECK(!iovtee_guestmem_region(guest->mem, guest->n));
}

/* Memory layouts in all orders, with and without holes. */
static void
test_translate(void)
{
    static const struct {
        const char *name;
        struct guest_layout layouts[IOVTEE_GUESTMEM_MAX_REGIONS];
        size_t n;
    } cases[] = {
        { "one", { { 0, MB, 0, false } }, 1 },
        { "one page", { { 4 * KB, 4 * KB, 0, false } }, 1 },
        { "one byte", { { 77, 1, 0, false } }, 1 },
        { "below and above the PCI hole",
          { { 0, MB, 0, false }, { 4 * GB, 2 * MB, 0, false } }, 2 },
        { "unsorted",
          { { 4 * GB, 2 * MB, 0, false },
            { 0, 640 * KB, 0, false },
            { MB, MB, 0, false } }, 3 },
        { "adjacent",
          { { MB, MB, 0, false },
            { 2 * MB, 64 * KB, 0, false },
            { 2 * MB + 64 * KB, MB, 0, false } }, 3 },
        { "top of the address space",
          { { UINT64_MAX - MB, MB, 0, false } }, 1 },
        { "eight",
          { { 7 * GB, MB, 0, false }, { 6 * GB, 8 * KB, 0, false },
            { 1 * GB, MB, 0, false }, { 2 * GB, 4 * KB, 0, false },
            { 5 * GB, MB, 0, false }, { 3 * GB, 2 * MB, 0, false },
            { 0, MB, 0, false }, { 4 * GB, 100 * KB, 0, false } }, 8 },
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct guest guest;

        init_guest(&guest, cases[i].layouts, cases[i].n);
        print_regions(cases[i].name, &guest);
        check_guest(&guest);
        guest_destroy(&guest);
    }
}

/* Regions that do not begin where a page does. */
static void
test_offset(void)
{
    static const uint64_t offsets[] = { 1, 12, 4095, 4096, 4097, 3 * MB + 7 };
    static const uint64_t sizes[] = { 1, 4095, 4096, 4097, MB };

    for (size_t i = 0; i < ARRAY_SIZE(offsets); i++) {
        for (size_t j = 0; j < ARRAY_SIZE(sizes); j++) {
            struct guest_layout layout = {
                .gpa = GB, .size = sizes[j], .offset = offsets[i],
            };
            struct guest guest;

            init_guest(&guest, &layout, 1);
            check_guest(&guest);
            guest_destroy(&guest);
        }
        printf("offset %llu: ok\n", (unsigned long long) offsets[i]);
    }
}

/* Huge pages, whole ones and parts of them. */
static void
test_huge(void)
{
    static const struct guest_layout layouts[] = {
        { 0, 2 * MB, 0, true },
        { 4 * GB, MB, MB, true },
        { 6 * GB, 64 * KB, 4 * KB + 1, true },
        { 8 * GB, MB, 0, false },
    };
    struct guest guest;
    int error;

    error = guest_init(&guest, layouts, ARRAY_SIZE(layouts));
    if (error == ENOMEM || error == ENOSYS) {
        printf("no huge pages\n");
        exit(UNIT_SKIP);
    }
    CHECK(!error);
    for (size_t i = 0; i < guest.n; i++) {
        printf("region %zu: page_size=%llu\n", i,
               (unsigned long long)
               iovtee_guestmem_region(guest.mem, i)->page_size);
    }
    check_guest(&guest);
    guest_destroy(&guest);
}

/* Tries 0, 9 and 8 regions that are all in file 'fd'. */
static void
check_too_many(int fd)
{
    struct iovtee_guestmem_region nine[IOVTEE_GUESTMEM_MAX_REGIONS + 1];
    struct iovtee_guestmem *mem;

    for (size_t i = 0; i < ARRAY_SIZE(nine); i++) {
        nine[i] = (struct iovtee_guestmem_region) { i * GB, MB, 0, fd };
    }
    printf("none: %s\n", strerror(iovtee_guestmem_create(nine, 0, &mem)));
    printf("nine: %s\n", strerror(iovtee_guestmem_create(nine, 9, &mem)));
    CHECK(!iovtee_guestmem_create(nine, 8, &mem));
    iovtee_guestmem_unref(mem);
}

/* Memory tables that must be refused, and leave nothing behind. */
static void
test_bad(void)
{
    int fd = memfd_create("guest", MFD_CLOEXEC);
    int event_fd = eventfd(0, EFD_CLOEXEC);
    struct iovtee_guestmem_region ok = { 0, MB, 0, fd };
    char path[32];
    int ro_fd;

    CHECK(fd >= 0 && !ftruncate(fd, 4 * MB) && event_fd >= 0);
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    ro_fd = open(path, O_RDONLY);
    CHECK(ro_fd >= 0);

    const struct {
        const char *name;
        struct iovtee_guestmem_region second;
    } cases[] = {
        { "empty", { GB, 0, 0, fd } },
        { "empty, in the middle of a page", { GB, 0, 100, fd } },
        { "address wraps", { UINT64_MAX - MB + 2, MB, 0, fd } },
        { "offset negative", { GB, MB, UINT64_MAX - 4095, fd } },
        { "offset and size wrap", { GB, UINT64_MAX - GB, 2 * GB, fd } },
        { "size negative", { 0, UINT64_MAX, 0, fd } },
        { "same", { 0, MB, MB, fd } },
        { "overlaps the end", { MB - 1, MB, 0, fd } },
        { "overlaps the beginning", { UINT64_C(0), 1, 0, fd } },
        { "inside", { 4096, 4096, 0, fd } },
        { "file too short", { GB, 4 * MB + 1, 0, fd } },
        { "offset beyond the file", { GB, 4096, 4 * MB, fd } },
        { "no file", { GB, MB, 0, -1 } },
        { "read-only file", { GB, MB, 0, ro_fd } },
        { "not mappable", { GB, MB, 0, event_fd } },
    };
    struct resources before = count_resources(), after;

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct iovtee_guestmem_region table[2] = { ok, cases[i].second };
        struct iovtee_guestmem *mem = (void *) &mem;
        int error = iovtee_guestmem_create(table, 2, &mem);

        CHECK(!mem);
        printf("%s: %s\n", cases[i].name, strerror(error));

        /* Order does not matter. */
        table[0] = cases[i].second;
        table[1] = ok;
        CHECK(iovtee_guestmem_create(table, 2, &mem) == error && !mem);
    }

    check_too_many(fd);

    after = count_resources();
    CHECK(after.n_fds == before.n_fds && after.n_maps == before.n_maps);
}

struct release {
    unsigned n;
    uint8_t byte;
};

static void
release_cb(struct iovtee_guestmem *mem, void *release_)
{
    struct release *release = release_;
    uint8_t *va = iovtee_guestmem_translate(mem, MB - 1, 1);

    release->n++;
    release->byte = *va;
}

static void *
ref_thread(void *mem)
{
    for (int i = 0; i < 100000; i++) {
        CHECK(iovtee_guestmem_ref(mem) == mem);
        iovtee_guestmem_unref(mem);
    }
    iovtee_guestmem_unref(mem);
    return NULL;
}

/* The memory lives until its last reference goes, whoever else unmapped or
 * closed what, and says so once. */
static void
test_refcount(void)
{
    static const struct guest_layout layout = { 0, MB, 0, false };
    struct release release = { .n = 0 };
    struct resources before, during, after;
    struct iovtee_guestmem *mem;
    pthread_t threads[4];
    struct guest guest;

    before = count_resources();
    init_guest(&guest, &layout, 1);
    *(uint8_t *) guest_va(&guest, MB - 1, 1) = 42;
    mem = iovtee_guestmem_ref(guest.mem);
    iovtee_guestmem_on_release(mem, release_cb, &release);

    /* The guest is gone, with its mapping and its file descriptor. */
    guest_destroy(&guest);
    during = count_resources();
    CHECK(!release.n);
    CHECK(*(uint8_t *) iovtee_guestmem_translate(mem, MB - 1, 1) == 42);
    printf("guest gone: fds=%u maps=%u\n", during.n_fds - before.n_fds,
           during.n_maps - before.n_maps);

    for (size_t i = 0; i < ARRAY_SIZE(threads); i++) {
        iovtee_guestmem_ref(mem);
        CHECK(!pthread_create(&threads[i], NULL, ref_thread, mem));
    }
    for (size_t i = 0; i < ARRAY_SIZE(threads); i++) {
        CHECK(!pthread_join(threads[i], NULL));
    }
    CHECK(!release.n);

    iovtee_guestmem_unref(mem);
    after = count_resources();
    printf("released: %u time, byte %u, fds=%u maps=%u\n", release.n,
           release.byte, after.n_fds - before.n_fds,
           after.n_maps - before.n_maps);

    CHECK(!iovtee_guestmem_ref(NULL));
    iovtee_guestmem_unref(NULL);
}

/* Prints which of the flags "dd" (not dumped) and "dc" (not copied on fork)
 * the kernel has for the mapping at 'va'. */
static void
print_vm_flags(const void *va)
{
    FILE *smaps = fopen("/proc/self/smaps", "r");
    bool found = false;
    char line[512];

    CHECK(smaps);
    while (fgets(line, sizeof line, smaps)) {
        unsigned long begin, end;

        if (sscanf(line, "%lx-%lx ", &begin, &end) == 2) {
            found = begin <= (uintptr_t) va && (uintptr_t) va < end;
        } else if (found && !strncmp(line, "VmFlags:", 8)) {
            printf("not dumped: %s, not forked: %s\n",
                   strstr(line, " dd") ? "yes" : "no",
                   strstr(line, " dc") ? "yes" : "no");
            break;
        }
    }
    fclose(smaps);
}

/* Guest memory is neither in core dumps nor in child processes. */
static void
test_private(void)
{
    static const struct guest_layout layout = { 0, MB, 0, false };
    struct guest guest;
    uint8_t *va;
    pid_t pid;
    int status;

    init_guest(&guest, &layout, 1);
    va = iovtee_guestmem_translate(guest.mem, 0, MB);
    print_vm_flags(va);

    fflush(stdout);
    pid = fork();
    CHECK(pid >= 0);
    if (!pid) {
        signal(SIGSEGV, SIG_DFL);
        _exit(*(volatile uint8_t *) va);
    }
    CHECK(waitpid(pid, &status, 0) == pid);
    printf("child: %s\n", (WIFSIGNALED(status)
                           ? strsignal(WTERMSIG(status)) : "could read"));
    guest_destroy(&guest);
}

/* A region can be recognized by its file. */
static void
test_identity(void)
{
    static const struct guest_layout layouts[] = {
        { 0, MB, 0, false }, { GB, MB, 0, false },
    };
    struct guest guest;

    init_guest(&guest, layouts, 2);
    for (size_t i = 0; i < 2; i++) {
        const struct iovtee_guestmem_mapping *m
            = iovtee_guestmem_region(guest.mem, i);
        struct stat st;

        CHECK(!fstat(guest.regions[i].fd, &st));
        CHECK(m->dev == st.st_dev && m->ino == st.st_ino);
        CHECK(m->page_size == (uint64_t) sysconf(_SC_PAGESIZE));
    }
    CHECK(iovtee_guestmem_region(guest.mem, 0)->ino
          != iovtee_guestmem_region(guest.mem, 1)->ino);
    guest_destroy(&guest);
    printf("ok\n");
}

/* Behind each region there are zeros, which can be read but not written.  (The
 * kernel says what it can do without a signal.) */
static void
test_guard(void)
{
    static const struct guest_layout layouts[] = {
        { 0, 2 * MB, 0, false },
        { 4 * GB, 64 * KB, 0, false },
        { 5 * GB, 3 * KB, 12 * KB, false },
    };
    const size_t page_size = 4 * KB;
    struct guest guest;
    int fds[2];

    CHECK(!pipe(fds));
    init_guest(&guest, layouts, sizeof layouts / sizeof *layouts);
    for (size_t i = 0; i < guest.n; i++) {
        const struct iovtee_guestmem_mapping *m
            = iovtee_guestmem_region(guest.mem, i);
        uint8_t *end = (uint8_t *) m->va + m->size;
        uint8_t buf[64];

        end += -(uintptr_t) end & (page_size - 1);
        memset(buf, 1, sizeof buf);
        CHECK(write(fds[1], end, page_size) == (ssize_t) page_size);
        for (size_t n = 0; n < page_size; n += sizeof buf) {
            CHECK(read(fds[0], buf, sizeof buf) == sizeof buf);
            for (size_t j = 0; j < sizeof buf; j++) {
                CHECK(!buf[j]);
            }
        }
        CHECK(write(fds[1], "x", 1) == 1);
        CHECK(read(fds[0], end, 1) == -1 && errno == EFAULT);
        CHECK(read(fds[0], buf, 1) == 1);
    }
    guest_destroy(&guest);
    close(fds[0]);
    close(fds[1]);
    printf("ok\n");
}

/* No region ends where another one begins. */
static void
test_apart(void)
{
    const struct iovtee_guestmem_mapping *m[2 * IOVTEE_GUESTMEM_MAX_REGIONS];
    struct iovtee_guestmem_region regions[IOVTEE_GUESTMEM_MAX_REGIONS];
    int fd = memfd_create("guest", MFD_CLOEXEC);
    struct iovtee_guestmem *mems[2];

    CHECK(fd >= 0 && !ftruncate(fd, 5 * MB));
    for (size_t i = 0; i < ARRAY_SIZE(regions); i++) {
        /* Of a size that a huge page divides, as those of guests are. */
        regions[i] = (struct iovtee_guestmem_region) {
            .gpa = i * GB,
            .size = 4 * MB,
            .offset = i % 2 * MB / 4,
            .fd = fd,
        };
    }
    for (size_t i = 0; i < ARRAY_SIZE(m); i++) {
        size_t region = i % ARRAY_SIZE(regions);
        size_t mem = i / ARRAY_SIZE(regions);

        if (!region) {
            CHECK(!iovtee_guestmem_create(regions, ARRAY_SIZE(regions),
                                          &mems[mem]));
        }
        m[i] = iovtee_guestmem_region(mems[mem], region);
    }
    for (size_t i = 0; i < ARRAY_SIZE(m); i++) {
        for (size_t j = 0; j < ARRAY_SIZE(m); j++) {
            CHECK((uint8_t *) m[i]->va + 4 * MB != m[j]->va);
        }
        CHECK(((uintptr_t) m[i]->va - m[i]->offset) % (2 * MB) == 0);
    }
    iovtee_guestmem_unref(mems[0]);
    iovtee_guestmem_unref(mems[1]);
    close(fd);
    printf("ok\n");
}

int
main(int argc, char *argv[])
{
    static const struct unit_command commands[] = {
        { "translate", test_translate },
        { "offset", test_offset },
        { "huge", test_huge },
        { "bad", test_bad },
        { "refcount", test_refcount },
        { "private", test_private },
        { "identity", test_identity },
        { "guard", test_guard },
        { "apart", test_apart },
    };

    return unit_main(argc, argv, commands, ARRAY_SIZE(commands));
}
