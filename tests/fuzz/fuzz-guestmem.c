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

/* Fuzzer of the guest memory map: any table of regions, compared with a model
 * that counts in numbers that cannot wrap. */

#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1           /* For memfd_create(). */
#endif

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fuzz.h"
#include "virtio/guestmem.h"

typedef unsigned __int128 uint128;

#define MAX_REGIONS (IOVTEE_GUESTMEM_MAX_REGIONS + 1)

/* The files that a front-end may name: regular ones by their sizes, of which
 * the last is too large to be mapped, and what is no memory at all. */
enum {
    FILE_EMPTY, FILE_BYTE, FILE_PAGE, FILE_ODD, FILE_LARGE, FILE_HUGE,
    FILE_READ_ONLY, FILE_PIPE, FILE_CLOSED,
    N_FILES
};

static const uint64_t file_sizes[N_FILES] = {
    [FILE_EMPTY] = 0,
    [FILE_BYTE] = 1,
    [FILE_PAGE] = 4096,
    [FILE_ODD] = 3 * 4096 + 77,
    [FILE_LARGE] = 64 * 4096,
    [FILE_HUGE] = UINT64_C(1) << 62,
    [FILE_READ_ONLY] = 4 * 4096,
};

static int files[N_FILES];

/* What is in byte 'ofs' of 'file'. */
static uint8_t
file_byte(int file, uint64_t ofs)
{
    return file == FILE_HUGE ? 0 : ofs * 31 + (ofs >> 8) + file * 57;
}

int
LLVMFuzzerInitialize(int *argc __attribute__((__unused__)),
                     char ***argv __attribute__((__unused__)))
{
    static uint8_t bytes[64 * 4096];
    char path[64];
    int fds[2];

    for (int i = 0; i <= FILE_READ_ONLY; i++) {
        files[i] = memfd_create("fuzz", MFD_CLOEXEC);
        CHECK(files[i] >= 0 && !ftruncate(files[i], file_sizes[i]));
        for (size_t j = 0; j < sizeof bytes; j++) {
            bytes[j] = file_byte(i, j);
        }
        if (file_sizes[i] <= sizeof bytes) {
            CHECK(pwrite(files[i], bytes, file_sizes[i], 0)
                  == (ssize_t) file_sizes[i]);
        }
    }
    snprintf(path, sizeof path, "/proc/self/fd/%d", files[FILE_READ_ONLY]);
    files[FILE_READ_ONLY] = open(path, O_RDONLY | O_CLOEXEC);
    CHECK(files[FILE_READ_ONLY] >= 0 && !pipe(fds));
    files[FILE_PIPE] = fds[0];
    files[FILE_CLOSED] = -1;
    return 0;
}

/* A region, and which of the files it is in. */
struct region {
    struct iovtee_guestmem_region r;
    int file;
};

/* Makes up a region, often beside 'prev'. */
static void
make_region(struct fuzz_input *in, const struct region *prev,
            struct region *region)
{
    struct iovtee_guestmem_region *r = &region->r;
    uint8_t how = fuzz_u8(in);

    region->file = (how & 1 ? FILE_LARGE : fuzz_below(in, N_FILES));
    r->fd = files[region->file];
    r->size = (how & 2 ? 1 + fuzz_u16(in)
               : how & 4 ? file_sizes[region->file] : fuzz_edge(in));
    r->offset = how & 8 ? fuzz_u16(in) : how & 16 ? 0 : fuzz_edge(in);
    r->gpa = (how & 32 ? prev->r.gpa + prev->r.size + fuzz_u16(in) - 32768
              : how & 64 ? prev->r.gpa + prev->r.size
              : how & 128 ? prev->r.gpa - r->size : fuzz_edge(in));
}

static int
compare_regions(const void *a_, const void *b_)
{
    const struct region *a = a_;
    const struct region *b = b_;

    return a->r.gpa < b->r.gpa ? -1 : a->r.gpa > b->r.gpa;
}

/* Returns what iovtee_guestmem_create() must return for the 'n' regions, which
 * are sorted; -1 if it must succeed unless there is no memory for it. */
static int
expect_error(const struct region regions[], size_t n)
{
    if (!n || n > IOVTEE_GUESTMEM_MAX_REGIONS) {
        return EINVAL;
    }
    for (size_t i = 0; i < n; i++) {
        const struct iovtee_guestmem_region *r = &regions[i].r;

        if (!r->size || (uint128) r->gpa + r->size > UINT64_MAX
            || (uint128) r->offset + r->size > INT64_MAX
            || (i && ((uint128) regions[i - 1].r.gpa + regions[i - 1].r.size
                      > r->gpa))) {
            return EINVAL;
        }
    }
    for (size_t i = 0; i < n; i++) {
        const struct iovtee_guestmem_region *r = &regions[i].r;
        int file = regions[i].file;

        if (file == FILE_CLOSED) {
            return EBADF;
        } else if (file == FILE_PIPE) {
            return -1;          /* The kernel has several answers. */
        } else if (r->offset + r->size > file_sizes[file]) {
            return ENXIO;
        } else if (file == FILE_READ_ONLY) {
            return EACCES;
        } else if (file == FILE_HUGE) {
            return -1;
        }
    }
    return 0;
}

/* Checks that translating the 'len' bytes at 'gpa' gives what it must. */
static void
check_translation(const struct iovtee_guestmem *mem,
                  const struct region regions[], size_t n,
                  uint64_t gpa, uint64_t len)
{
    const uint8_t *va = iovtee_guestmem_translate(mem, gpa, len);

    for (size_t i = 0; i < n; i++) {
        const struct iovtee_guestmem_region *r = &regions[i].r;
        const struct iovtee_guestmem_mapping *m
            = iovtee_guestmem_region(mem, i);
        uint64_t ofs = gpa - r->gpa;

        if (len && gpa >= r->gpa
            && (uint128) gpa + len <= (uint128) r->gpa + r->size) {
            CHECK(va == (uint8_t *) m->va + ofs);
            CHECK(*va == file_byte(regions[i].file, r->offset + ofs));
            CHECK(va[len - 1] == file_byte(regions[i].file,
                                           r->offset + ofs + len - 1));
            return;
        }
    }
    CHECK(!va);
}

/* Checks the edges of all regions, and wherever the input says. */
static void
check_translations(struct fuzz_input *in, const struct iovtee_guestmem *mem,
                   const struct region regions[], size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const struct iovtee_guestmem_region *r = &regions[i].r;
        uint64_t last = r->gpa + r->size - 1;

        check_translation(mem, regions, n, r->gpa, r->size);
        check_translation(mem, regions, n, r->gpa, r->size + 1);
        check_translation(mem, regions, n, r->gpa, 0);
        check_translation(mem, regions, n, r->gpa - 1, 1);
        check_translation(mem, regions, n, r->gpa - 1, 2);
        check_translation(mem, regions, n, last, 1);
        check_translation(mem, regions, n, last, 2);
        check_translation(mem, regions, n, last + 1, 1);
        check_translation(mem, regions, n, last, UINT64_MAX);
    }
    for (int i = 0; i < 32; i++) {
        const struct iovtee_guestmem_region *r
            = &regions[fuzz_below(in, n)].r;
        uint8_t how = fuzz_u8(in);
        uint64_t gpa = how & 1 ? fuzz_edge(in) : r->gpa + fuzz_edge(in);
        uint64_t len = how & 2 ? fuzz_edge(in) : r->size - fuzz_edge(in);

        check_translation(mem, regions, n, gpa, len);
    }
}

/* Checks what the map says of its regions. */
static void
check_regions(const struct iovtee_guestmem *mem,
              const struct region regions[], size_t n)
{
    CHECK(iovtee_guestmem_n_regions(mem) == n);
    CHECK(!iovtee_guestmem_region(mem, n));
    for (size_t i = 0; i < n; i++) {
        const struct iovtee_guestmem_mapping *m
            = iovtee_guestmem_region(mem, i);

        CHECK(m->gpa == regions[i].r.gpa && m->size == regions[i].r.size
              && m->offset == regions[i].r.offset && m->page_size == 4096);
    }
}

static void
count_release(struct iovtee_guestmem *mem, void *n_)
{
    int *n = n_;

    CHECK(iovtee_guestmem_n_regions(mem) > 0);
    ++*n;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input in = { data, size };
    struct iovtee_guestmem_region table[MAX_REGIONS];
    struct region regions[MAX_REGIONS] = { { .file = 0 } };
    size_t n = fuzz_below(&in, MAX_REGIONS + 1);
    struct iovtee_guestmem *mem;
    int n_released = 0;
    int error, expected;

    for (size_t i = 0; i < n; i++) {
        make_region(&in, &regions[i ? i - 1 : 0], &regions[i]);
        table[i] = regions[i].r;
    }
    qsort(regions, n, sizeof *regions, compare_regions);
    expected = expect_error(regions, n);

    error = iovtee_guestmem_create(table, n, &mem);
    CHECK(!error == (mem != NULL));
    CHECK(expected < 0 || error == expected);
    if (!error) {
        iovtee_guestmem_on_release(mem, count_release, &n_released);
        check_regions(mem, regions, n);
        check_translations(&in, mem, regions, n);
        CHECK(iovtee_guestmem_ref(mem) == mem);
        iovtee_guestmem_unref(mem);
        CHECK(!n_released);
        iovtee_guestmem_unref(mem);
        CHECK(n_released == 1);

        /* What was only read takes memory, too. */
        CHECK(!ftruncate(files[FILE_HUGE], 0)
              && !ftruncate(files[FILE_HUGE], file_sizes[FILE_HUGE]));
    }
    return 0;
}
