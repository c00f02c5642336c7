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

/* Fuzzer of the in-flight table: what a switch makes of a table with any
 * contents, compared with what the head of virtio/inflight.h promises, and
 * whether it can go on from there. */

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "fuzz.h"
#include "guest-driver.h"
#include "virtio/inflight.h"

#define MB (UINT64_C(1) << 20)

/* Largest ring. */
#define MAX_SIZE 64

/* Where things are in the file, in bytes. */
#define BLOCK 4096
#define RECORD_SIZE (BLOCK + 8 * IOVTEE_VRING_MAX_SIZE)
#define RECORD(Q) (BLOCK + (Q) * RECORD_SIZE)
#define RECORD_VALID 64         /* After 'published'. */
#define RECORD_ID 72            /* After 'valid'. */

/* What an input may do, so that it ends. */
#define MAX_STEPS 200

static const struct guest_layout layouts[] = {
    { 0, MB, 0, false },
    { 4 * MB, MB, 4096, false },
};

static struct guest guest;
static char path[64];

static struct iovtee_vring_config config;
static unsigned int q;                  /* Queue that this is about. */
static uint16_t avail_idx, used_idx;    /* The guest's. */

static struct iovtee_inflight *table;
static struct iovtee_inflight_ring ring;

/* What the switch has, if it goes by the table. */
static bool owned[MAX_SIZE];            /* Taken and not published. */
static bool given[MAX_SIZE];            /* Among these, given back. */
static uint32_t n_owned;

int
LLVMFuzzerInitialize(int *argc __attribute__((__unused__)),
                     char ***argv __attribute__((__unused__)))
{
    CHECK(!guest_init(&guest, layouts, ARRAY_SIZE(layouts)));
    snprintf(path, sizeof path, "%s/iovtee-fuzz-%ld.inflight",
             access("/dev/shm", W_OK) ? "/tmp" : "/dev/shm", (long) getpid());
    return 0;
}

/* Opens the table.  Once in some 100 000 runs it could not be opened for a
 * moment, whatever the input was, and why is not known yet: what is tested
 * here is what the table says then. */
static void
open_table(void)
{
    int error = iovtee_inflight_open(path, &table);

    for (int i = 0; error && i < 100; i++) {
        fprintf(stderr, "%s: %s\n", path, strerror(error));
        usleep(10000);
        error = iovtee_inflight_open(path, &table);
    }
    CHECK(!error);
    CHECK(!iovtee_inflight_attach(table, q, config.size, &ring));
}

/* Overwrites 'n' bytes at 'ofs' of the file. */
static void
write_file(int fd, uint64_t ofs, uint64_t value, size_t n)
{
    CHECK(pwrite(fd, &value, n, ofs) == (ssize_t) n);
}

/* Changes the file as the input says. */
static void
spoil_file(struct fuzz_input *in)
{
    int fd = open(path, O_RDWR | O_CLOEXEC);
    uint64_t published = fuzz_u8(in) & 3 ? used_idx - fuzz_below(in, 32)
                                         : fuzz_edge(in);

    CHECK(fd >= 0);
    write_file(fd, RECORD(q), published, 8);
    for (uint32_t n = fuzz_below(in, 2 * config.size); n; n--) {
        uint32_t head = fuzz_below(in, config.size);
        uint8_t how = fuzz_u8(in);
        uint64_t mark = (how & 1 ? published + fuzz_below(in, 64)
                         : how & 2 ? IOVTEE_INFLIGHT_OUTSTANDING
                         : how & 4 ? published - fuzz_u8(in)
                         : fuzz_edge(in));

        write_file(fd, RECORD(q) + BLOCK + 8 * head, mark, 8);
    }
    switch (fuzz_u8(in)) {
    case 0:
        write_file(fd, fuzz_below(in, 80), fuzz_u8(in), 1);
        break;
    case 1:
        write_file(fd, RECORD(q) + RECORD_VALID, fuzz_edge(in), 8);
        break;
    case 2:
        write_file(fd, RECORD(q) + RECORD_ID + fuzz_below(in, 512),
                   fuzz_edge(in), 1 + fuzz_below(in, 8));
        break;
    case 3:
        CHECK(!ftruncate(fd, fuzz_below(in, 65536) * 1024));
        break;
    }
    close(fd);
}

/* Does the file still say of 'ring' what is in 'before' and 'published'? */
static bool
is_unchanged(const uint64_t before[], uint64_t published)
{
    return (!memcmp(ring.marks, before, config.size * sizeof *before)
            && *ring.published == published);
}

/* Finds out what 'owned' must be according to the table.  Returns false if the
 * table cannot be true. */
static bool
model_recover(const uint64_t marks[], uint64_t published)
{
    uint16_t behind = used_idx - published;
    uint32_t n_told = 0;

    n_owned = 0;
    for (uint32_t i = 0; i < config.size; i++) {
        bool outstanding = marks[i] == IOVTEE_INFLIGHT_OUTSTANDING;

        given[i] = false;
        owned[i] = outstanding || marks[i] > published + behind;
        n_owned += owned[i];
        n_told += !owned[i] && marks[i] > published;
        if (!outstanding && marks[i] > published + config.size) {
            return false;
        }
    }
    return (n_told == behind && n_owned <= (uint16_t) (avail_idx - used_idx)
            && (uint16_t) (avail_idx - used_idx) <= config.size
            && published < UINT64_MAX - 2 * UINT16_MAX);
}

/* A new switch looks at the table.  Returns true if it goes on from there. */
static bool
recover(void)
{
    uint16_t *heads = malloc(config.size * sizeof *heads);
    uint64_t published = *ring.published;
    uint64_t marks[MAX_SIZE];
    uint32_t n, k = 0;
    int error;

    CHECK(heads);
    memcpy(marks, ring.marks, config.size * sizeof *marks);
    error = iovtee_inflight_recover(&ring, avail_idx, used_idx, heads, &n);
    if (model_recover(marks, published)) {
        CHECK(!error && n == n_owned);
        for (uint32_t i = 0; i < config.size; i++) {
            if (owned[i]) {
                CHECK(heads[k] == i);
                CHECK(ring.marks[i] == IOVTEE_INFLIGHT_OUTSTANDING);
                k++;
            }
        }
        CHECK(ring.given == *ring.published);
        CHECK((uint16_t) ring.given == used_idx);
    } else {
        CHECK(error == ESTALE && !n && is_unchanged(marks, published));
    }
    free(heads);
    return !error;
}

/* Begins with an empty table. */
static void
start(void)
{
    config.last_used = used_idx;
    iovtee_inflight_start(&ring, &config);
    CHECK(iovtee_inflight_identify(&ring, &config));
    memset(owned, 0, sizeof owned);
    memset(given, 0, sizeof given);
    n_owned = 0;
}

/* The switch dies, and the next one has to find what this one had. */
static void
crash(void)
{
    bool before[MAX_SIZE];

    memcpy(before, owned, sizeof before);
    iovtee_inflight_close(table);
    open_table();
    CHECK(iovtee_inflight_identify(&ring, &config));
    CHECK(recover());
    CHECK(!memcmp(before, owned, config.size * sizeof *before));
}

/* What was given back is the guest's. */
static void
settle(void)
{
    for (uint32_t i = 0; i < config.size; i++) {
        if (given[i]) {
            owned[i] = given[i] = false;
            n_owned--;
        }
    }
}

/* The switch works, and dies at any point.  Only heads that are free are
 * taken, and only those that are there are given back. */
static void
work(struct fuzz_input *in)
{
    uint32_t head = fuzz_below(in, config.size);

    switch (fuzz_below(in, 6)) {
    case 0:
    case 1:
        if (!owned[head]) {
            avail_idx += (uint16_t) (avail_idx - used_idx) == n_owned;
            iovtee_inflight_take(&ring, head);
            owned[head] = true;
            n_owned++;
        }
        break;
    case 2:
    case 3:
        if (owned[head] && !given[head]) {
            iovtee_inflight_give(&ring, head);
            given[head] = true;
        }
        break;
    case 4:
        used_idx = ring.given;
        settle();
        if (fuzz_u8(in) & 1) {
            /* It dies before it can say so. */
            crash();
        } else {
            iovtee_inflight_publish(&ring);
        }
        break;
    case 5:
        crash();
        break;
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input in = { data, size };
    uint32_t ring_size = 1 << fuzz_below(&in, 7);
    struct guest_ring driver;
    uint8_t how = fuzz_u8(&in);

    q = how & 1 ? IOVTEE_INFLIGHT_MAX_QUEUES - 1 : how % 8;
    used_idx = fuzz_u16(&in);
    avail_idx = used_idx + (how & 128 ? fuzz_u16(&in)
                            : fuzz_below(&in, ring_size + 1));
    guest_ring_init(&driver, &guest, 0, ring_size, used_idx, true);
    guest_ring_config(&driver, &config);

    unlink(path);
    open_table();
    CHECK(!iovtee_inflight_identify(&ring, &config));
    start();
    iovtee_inflight_close(table);
    spoil_file(&in);
    open_table();
    if (!iovtee_inflight_identify(&ring, &config) || !recover()) {
        avail_idx = used_idx;
        start();
    }
    for (int i = 0; i < MAX_STEPS && in.size; i++) {
        work(&in);
    }
    iovtee_inflight_stop(&ring);
    CHECK(!iovtee_inflight_identify(&ring, &config));
    iovtee_inflight_close(table);
    unlink(path);
    guest_ring_destroy(&driver);
    return 0;
}
