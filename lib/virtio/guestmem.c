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

/* Maps guest memory, and translates the guest's addresses.  librte_vhost's
 * thread makes maps, PMD threads look up, anybody may drop the last reference.
 * Next: vring-split.c, which reads and writes through a map. */

#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1           /* For MADV_DONTDUMP and MADV_DONTFORK. */
#endif

#include "virtio/guestmem.h"

#include <errno.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "virtio/busfault.h"

/* Where a region is mapped agrees with where it is in its file modulo this at
 * least, so that huge pages of shared memory can be mapped as such. */
#define HUGE_PAGE_SIZE (UINT64_C(2) * 1024 * 1024)

/* Bytes of zeros that follow a region: what is read by vectors, or by words,
 * may be more than what is looked at. */
#define GUARD_SIZE UINT64_C(4096)

/* Tries to map a region where other threads map nothing at the same time. */
#define MAX_MAP_TRIES 100

/* What translation needs of one region, packed so that the two regions of an
 * ordinary guest lie in one cache line. */
struct lookup {
    uint64_t gpa;
    uint64_t size;
    uint8_t *va;
};

struct iovtee_guestmem {
    /* Largest region first, because that is where most buffers are.  A search
     * from the front is then over, nearly always, after one comparison, which
     * no cleverer search among at most 8 regions can beat. */
    struct lookup lookups[IOVTEE_GUESTMEM_MAX_REGIONS];
    size_t n;                   /* Number of regions. */
    bool lost;                  /* Has a file been truncated? */

    /* The same regions in order of 'gpa', and the address space that each
     * takes, with the gap before it and the guard after it. */
    struct iovtee_guestmem_mapping mappings[IOVTEE_GUESTMEM_MAX_REGIONS];
    struct {
        void *base;
        size_t size;
        size_t gap;
    } mmaps[IOVTEE_GUESTMEM_MAX_REGIONS];

    atomic_uint ref_cnt;
    iovtee_guestmem_release_cb *release_cb;     /* NULL if none. */
    void *release_aux;
};

static int check_regions(const struct iovtee_guestmem_region[], size_t n);
static int map_region(const struct iovtee_guestmem_region *,
                      struct iovtee_guestmem *);
static void unmap_regions(struct iovtee_guestmem *);
static int compare_regions(const void *, const void *);
static int compare_lookups(const void *, const void *);

/* Maps the 'n' 'regions', in any order, and stores the new map, with one
 * reference that the caller owns, in '*memp'.  The file descriptors remain the
 * caller's, who may close them at once.
 *
 * Returns 0 if successful, otherwise a positive errno value, with NULL in
 * '*memp' and nothing left behind:
 *
 *    - EINVAL: no or too many regions, or an empty one, or one that passes the
 *      end of the address space or of the largest file, or two that overlap.
 *
 *    - ENXIO: a region is larger than its file.  The kernel would map it all
 *      the same, and kill us at the first access.
 *
 *    - Any other value is what the kernel said. */
int
iovtee_guestmem_create(const struct iovtee_guestmem_region regions[],
                       size_t n, struct iovtee_guestmem **memp)
{
    struct iovtee_guestmem_region sorted[IOVTEE_GUESTMEM_MAX_REGIONS];
    struct iovtee_guestmem *mem;
    int error;

    *memp = NULL;
    if (!n || n > IOVTEE_GUESTMEM_MAX_REGIONS) {
        return EINVAL;
    }
    for (size_t i = 0; i < n; i++) {
        sorted[i] = regions[i];
    }
    qsort(sorted, n, sizeof *sorted, compare_regions);
    error = check_regions(sorted, n);
    if (error) {
        return error;
    }

    mem = calloc(1, sizeof *mem);
    if (!mem) {
        return ENOMEM;
    }
    atomic_init(&mem->ref_cnt, 1);
    for (size_t i = 0; i < n; i++) {
        error = map_region(&sorted[i], mem);
        if (error) {
            unmap_regions(mem);
            free(mem);
            return error;
        }
    }
    qsort(mem->lookups, n, sizeof *mem->lookups, compare_lookups);

    *memp = mem;
    return 0;
}

/* Takes another reference to 'mem', which may be NULL, and returns it. */
struct iovtee_guestmem *
iovtee_guestmem_ref(struct iovtee_guestmem *mem)
{
    if (mem) {
        /* Whoever calls this has a reference, so that there is nothing to
         * order. */
        atomic_fetch_add_explicit(&mem->ref_cnt, 1, memory_order_relaxed);
    }
    return mem;
}

/* Drops a reference to 'mem', which may be NULL.  The last one calls the
 * release callback, unmaps the memory and frees 'mem'. */
void
iovtee_guestmem_unref(struct iovtee_guestmem *mem)
{
    /* Release, so that our own use of the memory comes before its end in
     * another thread; acquire, so that everybody else's comes before it in
     * ours. */
    if (mem && atomic_fetch_sub_explicit(&mem->ref_cnt, 1,
                                         memory_order_acq_rel) == 1) {
        if (mem->release_cb) {
            mem->release_cb(mem, mem->release_aux);
        }
        unmap_regions(mem);
        free(mem);
    }
}

/* Makes the last iovtee_guestmem_unref() of 'mem' call 'cb' with 'aux', on the
 * thread that made it.  The map is still whole then, but 'cb' must not take a
 * new reference.  There is one callback: this replaces an earlier one.
 *
 * Not thread-safe: use it before other threads know 'mem'. */
void
iovtee_guestmem_on_release(struct iovtee_guestmem *mem,
                           iovtee_guestmem_release_cb *cb, void *aux)
{
    mem->release_cb = cb;
    mem->release_aux = aux;
}

/* Returns where the 'len' bytes at guest physical address 'gpa' are mapped
 * here, or NULL if 'len' is 0 or not all of them lie in the same region. */
void *
iovtee_guestmem_translate(const struct iovtee_guestmem *mem,
                          uint64_t gpa, uint64_t len)
{
    for (size_t i = 0; i < mem->n; i++) {
        const struct lookup *l = &mem->lookups[i];
        uint64_t ofs = gpa - l->gpa;

        /* An address below the region wraps to a huge 'ofs'.  Regions do not
         * overlap, so that no other one can help if the end is outside of
         * this one. */
        if (ofs < l->size) {
            return len && len <= l->size - ofs ? l->va + ofs : NULL;
        }
    }
    return NULL;
}

/* Undoes iovtee_guestmem_translate(): stores in '*gpa' which guest physical
 * address is mapped at 'va'.  Returns false if none is. */
bool
iovtee_guestmem_locate(const struct iovtee_guestmem *mem, const void *va,
                       uint64_t *gpa)
{
    for (size_t i = 0; i < mem->n; i++) {
        const struct lookup *l = &mem->lookups[i];
        uint64_t ofs = (uintptr_t) va - (uintptr_t) l->va;

        if (ofs < l->size) {
            *gpa = l->gpa + ofs;
            return true;
        }
    }
    return false;
}

/* Was a part of 'mem' used that its file has lost since it was mapped?  Then
 * what is in it, and was read from it, means nothing. */
bool
iovtee_guestmem_is_lost(const struct iovtee_guestmem *mem)
{
    return __atomic_load_n(&mem->lost, __ATOMIC_RELAXED);
}

/* Returns what iovtee_guestmem_is_lost() looks at, for somebody who guards
 * another mapping of the same files. */
bool *
iovtee_guestmem_lost(struct iovtee_guestmem *mem)
{
    return &mem->lost;
}

/* Returns the number of regions in 'mem'. */
size_t
iovtee_guestmem_n_regions(const struct iovtee_guestmem *mem)
{
    return mem->n;
}

/* Returns region 'i' of 'mem', counting from 0 in the order of guest physical
 * addresses, or NULL if there are not so many. */
const struct iovtee_guestmem_mapping *
iovtee_guestmem_region(const struct iovtee_guestmem *mem, size_t i)
{
    return i < mem->n ? &mem->mappings[i] : NULL;
}

/* Returns how many bytes all regions of 'mem' have. */
uint64_t
iovtee_guestmem_size(const struct iovtee_guestmem *mem)
{
    uint64_t size = 0;

    for (size_t i = 0; i < mem->n; i++) {
        size += mem->mappings[i].size;
    }
    return size;
}


/* Returns 0 if the 'n' regions, which are sorted by 'gpa', are possible,
 * otherwise EINVAL. */
static int
check_regions(const struct iovtee_guestmem_region regions[], size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const struct iovtee_guestmem_region *r = &regions[i];

        if (!r->size
            || r->size > UINT64_MAX - r->gpa
            || r->offset > INT64_MAX
            || r->size > INT64_MAX - r->offset
            || (i && r->gpa < r[-1].gpa + r[-1].size)) {
            return EINVAL;
        }
    }
    return 0;
}

/* Returns the size of the pages that file 'fd' consists of, or 0 with errno
 * set if it cannot be found out. */
static uint64_t
get_page_size(int fd)
{
    struct statfs fs;

    if (fstatfs(fd, &fs)) {
        return 0;
    }

    /* Other file systems have a block size that says nothing of pages. */
    return (fs.f_type == HUGETLBFS_MAGIC
            ? (uint64_t) fs.f_bsize
            : (uint64_t) sysconf(_SC_PAGESIZE));
}

/* Reserves 'gap' bytes of address space, after which there was room for 'size'
 * and GUARD_SIZE more a moment ago.  Returns where these begin, at an address
 * that differs from 'offset' by a multiple of 'gap', which is a power of 2, or
 * MAP_FAILED with errno set. */
static void *
reserve_gap(uint64_t offset, uint64_t size, uint64_t gap)
{
    const uint64_t room = size + GUARD_SIZE + 2 * gap;
    uint8_t *start, *base;

    start = mmap(NULL, room, PROT_NONE,
                 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (start == MAP_FAILED) {
        return MAP_FAILED;
    }
    base = start + gap;
    base += (offset - (uintptr_t) base) & (gap - 1);
    if (base - gap > start) {
        munmap(start, base - gap - start);
    }
    munmap(base, start + room - base);
    return base;
}

/* Maps 'size' bytes of file 'fd', at 'offset', or of zeros that nobody can
 * write to if 'fd' is negative, to 'at'.  Returns 0 if successful, otherwise a
 * positive errno value: EEXIST if something else is there. */
static int
map_at(void *at, int fd, uint64_t offset, uint64_t size)
{
    void *p = mmap(at, size, fd < 0 ? PROT_READ : PROT_READ | PROT_WRITE,
                   (fd < 0 ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED)
                   | MAP_FIXED_NOREPLACE, fd, offset);

    if (p == MAP_FAILED) {
        return errno;
    }
    if (p != at) {
        /* Linux before 4.17 goes elsewhere if the room is taken. */
        munmap(p, size);
        return EEXIST;
    }
    return 0;
}

/* Maps 'size' bytes of file 'fd', at 'offset', before the guard and after
 * 'gap' bytes of address space that stay empty: should two regions of the same
 * size adjoin then DPDK takes them for one, and if it maps that anew for a NIC
 * that was plugged in then the kernel cannot unmap the one without the other.
 *
 * Returns the address, in which huge pages of up to 'gap' bytes fit, or
 * MAP_FAILED with errno set. */
static void *
map_apart(int fd, uint64_t offset, uint64_t size, uint64_t gap)
{
    int error = 0;

    /* Another thread may map something in the room that was found.  That must
     * not be replaced. */
    for (int i = 0; i < MAX_MAP_TRIES; i++) {
        uint8_t *base = reserve_gap(offset, size, gap);

        if (base == MAP_FAILED) {
            return MAP_FAILED;
        }
        error = map_at(base, fd, offset, size);
        if (!error) {
            error = map_at(base + size, -1, 0, GUARD_SIZE);
            if (!error) {
                return base;
            }
            munmap(base, size);
        }
        munmap(base - gap, gap);
        if (error != EEXIST) {
            break;
        }
    }
    errno = error;
    return MAP_FAILED;
}

/* Maps region 'r' as the last one of 'mem'.  Returns 0 if successful,
 * otherwise a positive errno value. */
static int
map_region(const struct iovtee_guestmem_region *r, struct iovtee_guestmem *mem)
{
    struct iovtee_guestmem_mapping *m = &mem->mappings[mem->n];
    uint64_t page_size, slack, size, gap;
    struct stat st;
    void *base;

    if (fstat(r->fd, &st)) {
        return errno;
    }
    page_size = get_page_size(r->fd);
    if (!page_size) {
        return errno;
    }
    if (S_ISREG(st.st_mode) && r->offset + r->size > (uint64_t) st.st_size) {
        return ENXIO;
    }

    /* mmap() wants whole pages, of the file's kind, and so does munmap().
     * None of this can wrap, because check_regions() limited the sum. */
    slack = r->offset & (page_size - 1);
    size = (slack + r->size + page_size - 1) & ~(page_size - 1);
    gap = page_size > HUGE_PAGE_SIZE ? page_size : HUGE_PAGE_SIZE;
    if (size > SIZE_MAX - GUARD_SIZE - 2 * gap) {
        return ENOMEM;
    }
    base = map_apart(r->fd, r->offset - slack, size, gap);
    if (base == MAP_FAILED) {
        return errno;
    }
    mem->mmaps[mem->n].base = (uint8_t *) base - gap;
    mem->mmaps[mem->n].size = gap + size + GUARD_SIZE;
    mem->mmaps[mem->n].gap = gap;

    *m = (struct iovtee_guestmem_mapping) {
        .gpa = r->gpa,
        .size = r->size,
        .offset = r->offset,
        .va = (uint8_t *) base + slack,
        .page_size = page_size,
        .dev = st.st_dev,
        .ino = st.st_ino,
    };
    mem->lookups[mem->n] = (struct lookup) {
        .gpa = m->gpa,
        .size = m->size,
        .va = m->va,
    };
    mem->n++;

    /* A guest's secrets do not belong in our core dumps, and a child process
     * must neither keep them nor change which page a NIC writes to. */
    if (madvise(base, size, MADV_DONTDUMP)
        || madvise(base, size, MADV_DONTFORK)) {
        return errno;
    }

    /* If there is no room then this guest can kill us.  Without zero-copy it
     * could, too. */
    iovtee_busfault_guard(base, size, &mem->lost);
    return 0;
}

static void
unmap_regions(struct iovtee_guestmem *mem)
{
    for (size_t i = 0; i < mem->n; i++) {
        iovtee_busfault_unguard((uint8_t *) mem->mmaps[i].base
                                + mem->mmaps[i].gap);
        munmap(mem->mmaps[i].base, mem->mmaps[i].size);
    }
    mem->n = 0;
}

static int
compare_regions(const void *a_, const void *b_)
{
    const struct iovtee_guestmem_region *a = a_;
    const struct iovtee_guestmem_region *b = b_;

    return a->gpa < b->gpa ? -1 : a->gpa > b->gpa;
}

static int
compare_lookups(const void *a_, const void *b_)
{
    const struct lookup *a = a_;
    const struct lookup *b = b_;

    return a->size > b->size ? -1 : a->size < b->size;
}
