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

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "guest-driver.h"
#include "inflight-fixture.h"
#include "unit.h"

/* Checks the table of 'f' itself, when it is not open. */
static uint32_t
check_closed(const struct fixture *f)
{
    struct iovtee_inflight *table = open_table(f->path);
    uint32_t n_held;

    check_table(f, table, &n_held);
    iovtee_inflight_close(table);
    return n_held;
}

/* A switch that gives everything back, and its successors. */
static void
test_calls_end(struct fixture *f)
{
    struct device d;

    device_init(&d, f, f->path);
    while (d.n_held) {
        device_give(&d, 0);
    }
    device_publish(&d);
    device_destroy(&d);
    printf("all given: %u\n", check_closed(f));

    device_init(&d, f, f->path);
    printf("again: recovered=%d held=%u\n", d.recovered, d.n_held);
    iovtee_inflight_stop(&d.ring);
    device_destroy(&d);
    device_init(&d, f, f->path);
    printf("stopped: recovered=%d held=%u\n", d.recovered, d.n_held);
    device_destroy(&d);
}

/* A switch that stops between any two calls. */
static void
test_calls(void)
{
    struct fixture f;
    struct device d;
    uint16_t head;

    setup(&f, "calls", 65533);
    driver_post(&f);
    device_init(&d, &f, f.path);
    printf("new: recovered=%d\n", d.recovered);
    device_destroy(&d);
    printf("nothing taken: %u\n", check_closed(&f));

    device_init(&d, &f, f.path);
    printf("second: recovered=%d held=%u\n", d.recovered, d.n_held);
    CHECK(iovtee_vring_take(&d.vr, &head, 1) == 1);
    device_destroy(&d);
    printf("taken, not recorded: %u\n", check_closed(&f));

    device_init(&d, &f, f.path);
    device_take(&d, 5);
    device_destroy(&d);
    printf("5 taken: %u\n", check_closed(&f));

    device_init(&d, &f, f.path);
    device_take(&d, 1);
    device_give(&d, 2);
    device_give(&d, 2);
    device_destroy(&d);
    printf("6 taken, 2 given: %u\n", check_closed(&f));

    device_init(&d, &f, f.path);
    device_give(&d, 4);
    device_give(&d, 1);
    device_give(&d, 1);
    iovtee_vring_publish(&d.vr);
    device_destroy(&d);
    printf("3 published, not recorded: %u\n", check_closed(&f));

    device_init(&d, &f, f.path);
    printf("again: recovered=%d held=%u used=%u avail=%u\n", d.recovered,
           d.n_held, d.vr.used_idx, d.vr.last_avail);
    driver_reap(&f);
    driver_post(&f);
    device_take(&d, SIZE);
    device_destroy(&d);
    printf("all taken: %u\n", check_closed(&f));

    test_calls_end(&f);
    teardown(&f);
}

/* A switch that had no transmit queues in its tables. */
static void
test_earlier(void)
{
    const uint32_t n_queues = IOVTEE_INFLIGHT_MAX_QUEUES / 2;
    struct fixture f;
    struct device d;
    int fd;

    setup(&f, "earlier", 65533);
    driver_post(&f);
    device_init(&d, &f, f.path);
    device_take(&d, 5);
    device_destroy(&d);

    /* After the magic number and the version. */
    fd = open(f.path, O_RDWR);
    CHECK(fd >= 0 && pwrite(fd, &n_queues, sizeof n_queues, 12)
                     == sizeof n_queues);
    close(fd);
    for (int i = 0; i < 2; i++) {
        device_init(&d, &f, f.path);
        CHECK(d.recovered && d.n_held == 5);
        device_destroy(&d);
    }
    CHECK(check_closed(&f) == 5);
    teardown(&f);
}

/* Many bursts, with the count far beyond 65536, and a new switch after each.
 * Some of the buffers stay with the switch or with the driver for ages. */
static void
test_random(void)
{
    struct iovtee_inflight *copy;
    uint32_t n_held, max_held = 0;
    struct fixture f;
    struct device d;

    setup(&f, "random", 65000);
    device_init(&d, &f, f.path);
    device_destroy(&d);
    for (int i = 0; i < 3000; i++) {
        device_init(&d, &f, f.path);
        CHECK(d.recovered);
        for (int j = 0; j < 30; j++) {
            if (unit_random_below(3)) {
                driver_post(&f);
            }
            device_work(&d);
            if (unit_random_below(3)) {
                driver_reap(&f);
            }
        }
        device_destroy(&d);
        copy = open_table(f.path);
        check_table(&f, copy, &n_held);
        iovtee_inflight_close(copy);
        max_held = n_held > max_held ? n_held : max_held;
    }
    CHECK(max_held == SIZE);
    teardown(&f);
    printf("ok\n");
}


/* Prints whether 'd' knows the ring that 'config' describes. */
static void
identify(const struct device *d, const char *name,
         const struct iovtee_vring_config *config)
{
    printf("%s: %d\n", name, iovtee_inflight_identify(&d->ring, config));
}

/* Prints whether 'd' knows the ring of 'f' in the memory that the 'n' regions
 * in 'table' describe. */
static void
identify_memory(const struct fixture *f, const struct device *d,
                const char *name, const struct iovtee_guestmem_region table[],
                size_t n)
{
    struct iovtee_vring_config config = f->config;

    CHECK(!iovtee_guestmem_create(table, n, &config.mem));
    identify(d, name, &config);
    iovtee_guestmem_unref(config.mem);
}

static void
identify_memories(const struct fixture *f, const struct device *d)
{
    struct iovtee_guestmem_region same[2], table[2];
    struct guest other;

    guest_get_table(&f->guest, same);
    identify_memory(f, d, "mapped again", same, 2);
    identify_memory(f, d, "a region less", same, 1);

    memcpy(table, same, sizeof table);
    table[1].gpa++;
    identify_memory(f, d, "other address", table, 2);
    memcpy(table, same, sizeof table);
    table[1].offset--;
    identify_memory(f, d, "other offset", table, 2);
    memcpy(table, same, sizeof table);
    table[1].size--;
    identify_memory(f, d, "other region size", table, 2);

    CHECK(!guest_init(&other, fixture_layouts, ARRAY_SIZE(fixture_layouts)));
    guest_get_table(&other, table);
    identify_memory(f, d, "other files", table, 2);
    guest_destroy(&other);
}

/* Is a ring that differs in something recognized as another one? */
static void
test_identity(void)
{
    struct iovtee_vring_config config;
    struct iovtee_inflight_ring ring;
    struct fixture f;
    struct device d;

    setup(&f, "identity", 0);
    device_init(&d, &f, f.path);

    config = f.config;
    identify(&d, "same", &config);
    config.last_avail++;
    config.last_used++;
    config.event_idx = false;
    identify(&d, "other indices and features", &config);
    config = f.config;
    config.desc_gpa += 16;
    identify(&d, "other descriptors", &config);
    config = f.config;
    config.avail_gpa += 2;
    identify(&d, "other available ring", &config);
    config = f.config;
    config.used_gpa += 4;
    identify(&d, "other used ring", &config);
    config = f.config;
    config.size /= 2;
    identify(&d, "other size", &config);
    identify_memories(&f, &d);

    CHECK(!iovtee_inflight_attach(d.table, 4, SIZE, &ring));
    printf("other queue: %d\n", iovtee_inflight_identify(&ring, &f.config));
    CHECK(!iovtee_inflight_attach(d.table, 3, 2 * SIZE, &ring));
    printf("other size: %d\n", iovtee_inflight_identify(&ring, &f.config));
    memset(&ring, 0, sizeof ring);
    printf("no table: %d\n", iovtee_inflight_identify(&ring, &f.config));
    device_destroy(&d);
    teardown(&f);
}

/* Tables that do not go with the ring. */
static void
test_stale(void)
{
    static const struct {
        const char *name;
        uint16_t avail, used;
    } cases[] = {
        /* Given: 5 published and known to be, 1 published, 1 not, 3 held. */
        { "true", 10, 6 },
        { "used index behind", 10, 4 },
        { "used index is what we recorded", 10, 5 },
        { "used index includes what we gave", 10, 7 },
        { "used index beyond what we gave", 10, 8 },
        { "the same, but all available", 12, 8 },
        { "fewer available than we hold", 9, 6 },
        { "more available than we hold", 13, 6 },
        { "more available than there are", 15, 6 },
        { "available index behind the used index", 5, 6 },
        { "new ring", 0, 0 },
        { "new ring, filled", 8, 0 },
    };
    struct fixture f;

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        uint16_t heads[SIZE];
        struct device d;
        uint32_t n;
        int error;

        setup(&f, "stale", 0);
        driver_post(&f);
        device_init(&d, &f, f.path);
        device_take(&d, 5);
        while (d.n_held) {
            device_give(&d, 0);
        }
        device_publish(&d);
        driver_reap(&f);
        driver_post(&f);
        device_take(&d, 3);
        device_take(&d, 2);
        device_give(&d, 1);
        iovtee_vring_publish(&d.vr);
        device_give(&d, 0);

        error = iovtee_inflight_recover(&d.ring, cases[i].avail,
                                        cases[i].used, heads, &n);
        printf("%s: %s, %u\n", cases[i].name,
               error ? strerror(error) : "ok", n);
        device_destroy(&d);
        teardown(&f);
    }
}

/* Returns 1 if 'path' opens as an empty table, 0 if it opens and knows the
 * ring of 'f'. */
static bool
opens_empty(const struct fixture *f, const char *path)
{
    struct iovtee_inflight *table = open_table(path);
    struct iovtee_inflight_ring ring;
    bool known;

    CHECK(!iovtee_inflight_attach(table, 3, SIZE, &ring));
    known = iovtee_inflight_identify(&ring, &f->config);
    iovtee_inflight_close(table);
    return !known;
}

static void
overwrite(const char *path, off_t offset, const void *data, size_t n)
{
    int fd = open(path, O_WRONLY);

    CHECK(fd >= 0 && pwrite(fd, data, n, offset) == (ssize_t) n);
    close(fd);
}

static void
print_open_error(const char *name, const char *path)
{
    struct iovtee_inflight *table;

    printf("%s: %s\n", name, strerror(iovtee_inflight_open(path, &table)));
    CHECK(!table);
}

/* Files that are not, or not quite, a table. */
static void
test_files(void)
{
    struct iovtee_inflight_ring ring;
    struct iovtee_inflight *table;
    struct fixture f;
    struct device d;
    struct stat st;

    setup(&f, "files", 0);
    device_init(&d, &f, f.path);
    print_open_error("open twice", f.path);
    printf("queue 255: %s\n", strerror(iovtee_inflight_attach(
                                           d.table, 255, 32768, &ring)));
    printf("queue 256: %s\n", strerror(iovtee_inflight_attach(
                                           d.table, 256, 1, &ring)));
    CHECK(!ring.marks);
    printf("size 0: %s\n", strerror(iovtee_inflight_attach(d.table, 0, 0,
                                                           &ring)));
    printf("size 65536: %s\n", strerror(iovtee_inflight_attach(
                                            d.table, 0, 65536, &ring)));
    device_destroy(&d);
    CHECK(!stat(f.path, &st));
    printf("mode: %o, blocks: %s\n", (unsigned) st.st_mode & 07777,
           st.st_blocks * 512 < 1024 * 1024 ? "few" : "many");
    printf("opened again: empty=%d\n", opens_empty(&f, f.path));

    overwrite(f.path, 8, "\x63", 1);
    printf("other version: empty=%d\n", opens_empty(&f, f.path));
    device_init(&d, &f, f.path);
    device_destroy(&d);
    CHECK(!opens_empty(&f, f.path));
    overwrite(f.path, 20, "xxxx", 4);
    printf("other boot: empty=%d\n", opens_empty(&f, f.path));
    device_init(&d, &f, f.path);
    device_destroy(&d);
    CHECK(!truncate(f.path, 5000));
    printf("cut: empty=%d\n", opens_empty(&f, f.path));
    CHECK(!truncate(f.path, 0));
    printf("zero: empty=%d\n", opens_empty(&f, f.path));

    print_open_error("directory", ".");
    print_open_error("no directory", "does/not/exist");
    CHECK(!symlink(f.path, f.copy_path));
    print_open_error("symbolic link", f.copy_path);
    CHECK(!unlink(f.copy_path) && !mkfifo(f.copy_path, 0600));
    print_open_error("named pipe", f.copy_path);
    iovtee_inflight_close(NULL);
    table = open_table(f.path);
    iovtee_inflight_close(table);
    teardown(&f);
}

/* Whatever the file says of a ring, what comes out is harmless. */
static void
test_garbage(void)
{
    unsigned n_ok = 0, n_stale = 0;
    struct fixture f;
    struct device d;
    uint64_t count;

    setup(&f, "garbage", 0);
    driver_post(&f);
    device_init(&d, &f, f.path);
    device_take(&d, 5);
    device_give(&d, 1);
    device_give(&d, 1);
    device_publish(&d);
    count = *d.ring.published;
    for (int i = 0; i < 200000; i++) {
        static const uint64_t extremes[] = {
            0, 1, UINT64_MAX - 1, UINT64_MAX, UINT64_MAX - 65536,
            INT64_MAX, 65536,
        };
        struct iovtee_inflight_ring ring = d.ring;
        uint16_t heads[SIZE];
        bool seen[SIZE] = { false };
        bool plausible = true;
        uint32_t n = 77;

        *ring.published = (unit_random_below(10)
                           ? count + unit_random_below(3)
                           : extremes[unit_random_below(7)]);
        for (int j = 0; j < SIZE; j++) {
            ring.marks[j] = (unit_random_below(10)
                             ? *ring.published + unit_random_below(6) - 4
                             : extremes[unit_random_below(7)]);
            plausible = (plausible
                         && (ring.marks[j] == IOVTEE_INFLIGHT_OUTSTANDING
                             || ring.marks[j] <= *ring.published + SIZE));
        }
        if (iovtee_inflight_recover(&ring, count + unit_random_below(10),
                                    count + unit_random_below(4), heads,
                                    &n)) {
            CHECK(!n);
            n_stale++;
            continue;
        }
        n_ok++;
        CHECK(plausible && n <= SIZE);
        CHECK(ring.given < UINT64_MAX - UINT16_MAX);
        for (uint32_t j = 0; j < n; j++) {
            CHECK(heads[j] < SIZE && !seen[heads[j]]);
            seen[heads[j]] = true;
            CHECK(ring.marks[heads[j]] == IOVTEE_INFLIGHT_OUTSTANDING);
        }
        CHECK(ring.given == *ring.published);
    }
    CHECK(n_ok > 1000 && n_stale > 1000);
    device_destroy(&d);
    teardown(&f);
    printf("ok\n");
}

/* Nothing is recorded of a ring without a table. */
static void
test_none(void)
{
    struct iovtee_inflight_ring ring = { .record = NULL };
    struct fixture f;

    setup(&f, "none", 0);
    iovtee_inflight_start(&ring, &f.config);
    iovtee_inflight_take(&ring, 3);
    iovtee_inflight_give(&ring, 3);
    iovtee_inflight_publish(&ring);
    iovtee_inflight_stop(&ring);
    teardown(&f);
    printf("ok\n");
}

/* In place of the C library's: as on a tmpfs of Linux before 6.16, every
 * signal interrupts it while 'n_signals' is not 0. */
static int n_signals;

int
posix_fallocate(int fd, off_t offset, off_t size)
{
    if (n_signals) {
        n_signals--;
        return EINTR;
    }
    return fallocate(fd, 0, offset, size) ? errno : 0;
}

/* Nothing fails because a signal came. */
static void
test_signals(void)
{
    struct iovtee_inflight_ring ring;
    struct iovtee_inflight *table;
    struct fixture f;

    setup(&f, "signals", 0);
    n_signals = 3;
    CHECK(!iovtee_inflight_open(f.path, &table));
    n_signals = 3;
    CHECK(!iovtee_inflight_attach(table, 0, SIZE, &ring));
    CHECK(!n_signals);
    iovtee_inflight_close(table);
    teardown(&f);
    printf("ok\n");
}

/* A table takes space for the rings that use it, even if all memory is locked,
 * as that of ovs-vswitchd is.  In a tmpfs what is mapped and locked has its
 * pages at once. */
static void
test_locked(void)
{
    struct iovtee_inflight_ring ring;
    struct iovtee_inflight *table;
    char path[64];
    struct stat st;

    if (mlockall(MCL_CURRENT | MCL_FUTURE)) {
        exit(UNIT_SKIP);
    }
    snprintf(path, sizeof path, "/dev/shm/iovtee-test-inflight.%d",
             (int) getpid());
    table = open_table(path);
    CHECK(!stat(path, &st));
    printf("open: %d KiB\n", (int) st.st_blocks / 2);

    CHECK(!iovtee_inflight_attach(table, 3, 1024, &ring));
    ring.marks[1023] = 7;
    CHECK(!stat(path, &st));
    printf("ring of 1024: %d KiB\n", (int) st.st_blocks / 2);

    CHECK(!iovtee_inflight_attach(table, 3, 2048, &ring));
    CHECK(ring.marks[1023] == 7);
    ring.marks[2047] = 8;
    CHECK(!stat(path, &st));
    printf("ring of 2048: %d KiB\n", (int) st.st_blocks / 2);
    iovtee_inflight_close(table);

    table = open_table(path);
    CHECK(!stat(path, &st));
    printf("opened again: %d KiB\n", (int) st.st_blocks / 2);
    iovtee_inflight_close(table);
    unlink(path);
}

int
main(int argc, char *argv[])
{
    static const struct unit_command commands[] = {
        { "calls", test_calls },
        { "earlier", test_earlier },
        { "random", test_random },
        { "identity", test_identity },
        { "stale", test_stale },
        { "files", test_files },
        { "garbage", test_garbage },
        { "none", test_none },
        { "signals", test_signals },
        { "locked", test_locked },
    };

    return unit_main(argc, argv, commands, ARRAY_SIZE(commands));
}
