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

/* Which buffers of which ring are out, in a file that survives the process.
 * The thread that has the virtqueue's lock notes each step; the main thread
 * and librte_vhost's open and recover.  inflight.h says why the order of the
 * steps is right. */

#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1           /* For O_CLOEXEC and posix_fallocate(). */
#endif

#include "virtio/inflight.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* Changes with every change of the structures below. */
#define VERSION 1
#define MAGIC UINT64_C(0x6c6669656574766f)      /* "ovteeifl". */

#define BLOCK 4096
#define BOOT_ID_SIZE 40

/* The first block of the file. */
struct header {
    uint64_t magic;             /* Written last. */
    uint32_t version;
    uint32_t n_queues;          /* IOVTEE_INFLIGHT_MAX_QUEUES. */
    char boot_id[BOOT_ID_SIZE]; /* Inode numbers mean nothing in another. */
};

/* What identifies the memory of a guest. */
struct region_id {
    uint64_t gpa;
    uint64_t size;
    uint64_t offset;
    uint64_t dev;
    uint64_t ino;
};

/* What identifies a ring.  No padding, so that it can be compared whole. */
struct ring_id {
    uint64_t desc_gpa;
    uint64_t avail_gpa;
    uint64_t used_gpa;
    uint64_t size;
    uint64_t n_regions;
    struct region_id regions[IOVTEE_GUESTMEM_MAX_REGIONS];
};

/* All that is known of a ring.  An aligned block of the file, except for the
 * marks, which follow.  'published' has a cache line of its own because it is
 * written in every burst. */
struct iovtee_inflight_record {
    uint64_t published;
    uint64_t pad[7];
    uint64_t valid;             /* MAGIC if what follows is true. */
    struct ring_id id;
};

_Static_assert(sizeof(struct header) <= BLOCK, "header fits");
_Static_assert(sizeof(struct iovtee_inflight_record) <= BLOCK, "record fits");

/* Where things are in the file, in bytes.  The file is sparse: a ring takes
 * space from iovtee_inflight_attach() on. */
#define MARKS_SIZE(SIZE) ((SIZE) * sizeof(uint64_t))
#define RECORD_SIZE (BLOCK + MARKS_SIZE(IOVTEE_VRING_MAX_SIZE))
#define RECORD_OFFSET(Q) (BLOCK + (Q) * RECORD_SIZE)
#define FILE_SIZE RECORD_OFFSET(IOVTEE_INFLIGHT_MAX_QUEUES)

struct iovtee_inflight {
    int fd;                     /* Locked while we have it. */
    uint8_t *base;              /* Room for the whole file: see map(). */
};

static int open_file(const char *path, int *fdp);
static int set_aside(struct iovtee_inflight *);
static int map(struct iovtee_inflight *, uint64_t offset, uint64_t size);
static int check_header(struct iovtee_inflight *);
static void get_ring_id(const struct iovtee_vring_config *, struct ring_id *);

/* Opens the table in file 'path', or makes an empty one if there is none or
 * one that is not of our kind or not of this boot.  Returns 0 and stores the
 * table in '*tablep' if successful, otherwise a positive errno value: EBUSY if
 * another process, or this one, has it open. */
int
iovtee_inflight_open(const char *path, struct iovtee_inflight **tablep)
{
    struct iovtee_inflight *table;
    int error;

    *tablep = NULL;
    table = calloc(1, sizeof *table);
    if (!table) {
        return ENOMEM;
    }
    error = open_file(path, &table->fd);
    if (error) {
        free(table);
        return error;
    }

    error = set_aside(table);
    if (!error) {
        error = check_header(table);
    }
    if (error) {
        iovtee_inflight_close(table);
        return error;
    }
    *tablep = table;
    return 0;
}

/* Closes 'table', which may be NULL, and whose rings must not be used any
 * more.  The file and all that it says remain. */
void
iovtee_inflight_close(struct iovtee_inflight *table)
{
    if (table) {
        if (table->base) {
            munmap(table->base, FILE_SIZE);
        }
        close(table->fd);
        free(table);
    }
}

/* Makes '*ring' the ring of queue 'q' in 'table', for 'size' buffers, without
 * changing what the table says of it.  Must be followed by
 * iovtee_inflight_recover() or iovtee_inflight_start().
 *
 * Returns 0 if successful, otherwise a positive errno value, with all zeros in
 * '*ring': EINVAL if 'q' or 'size' is too large, or what the file system says
 * if there is no space. */
int
iovtee_inflight_attach(struct iovtee_inflight *table, unsigned int q,
                       uint32_t size, struct iovtee_inflight_ring *ring)
{
    uint64_t offset;
    int error;

    *ring = (struct iovtee_inflight_ring) { .record = NULL };
    if (q >= IOVTEE_INFLIGHT_MAX_QUEUES
        || !size || size > IOVTEE_VRING_MAX_SIZE) {
        return EINVAL;
    }

    offset = RECORD_OFFSET(q);
    error = map(table, offset, BLOCK + MARKS_SIZE(size));
    if (error) {
        return error;
    }

    ring->record = (void *) (table->base + offset);
    ring->published = &ring->record->published;
    ring->marks = (void *) (table->base + offset + BLOCK);
    ring->size = size;
    return 0;
}

/* Returns true if 'table' says anything of queue 'q', which need not be
 * attached. */
bool
iovtee_inflight_has(const struct iovtee_inflight *table, unsigned int q)
{
    uint64_t valid = 0;

    return (q < IOVTEE_INFLIGHT_MAX_QUEUES
            && pread(table->fd, &valid, sizeof valid,
                     RECORD_OFFSET(q)
                     + offsetof(struct iovtee_inflight_record, valid))
            == sizeof valid
            && valid == MAGIC);
}

/* Returns true if the table knows the ring that 'config' describes: the same
 * addresses in the same files of guest memory. */
bool
iovtee_inflight_identify(const struct iovtee_inflight_ring *ring,
                         const struct iovtee_vring_config *config)
{
    const struct iovtee_inflight_record *record = ring->record;
    struct ring_id id;

    get_ring_id(config, &id);
    return (record
            && record->valid == MAGIC
            && id.size == ring->size
            && !memcmp(&record->id, &id, sizeof id));
}

/* Finds out which buffers of 'ring', which iovtee_inflight_identify() must
 * have found to be known, were taken and not given back, according to the
 * table and to 'avail_idx' and 'used_idx', which are from the ring itself.
 *
 * Returns 0 if successful, with their heads, in ascending order and at most as
 * many as the ring has entries, in 'heads', and their number in '*n'.  The
 * table is up to date then.  Otherwise returns ESTALE, because the table does
 * not go with the ring, and changes nothing. */
int
iovtee_inflight_recover(struct iovtee_inflight_ring *ring,
                        uint16_t avail_idx, uint16_t used_idx,
                        uint16_t heads[], uint32_t *n)
{
    uint64_t published = *ring->published;
    uint16_t behind = used_idx - (uint16_t) published;
    uint16_t pending = avail_idx - used_idx;
    uint32_t n_behind = 0, n_ours = 0;

    *n = 0;
    if (published >= IOVTEE_INFLIGHT_OUTSTANDING - 2 * UINT16_MAX
        || pending > ring->size) {
        return ESTALE;
    }
    for (uint32_t i = 0; i < ring->size; i++) {
        uint64_t mark = ring->marks[i];

        if (mark == IOVTEE_INFLIGHT_OUTSTANDING) {
            heads[n_ours++] = i;
        } else if (mark > published + ring->size) {
            return ESTALE;
        } else if (mark > published + behind) {
            heads[n_ours++] = i;
        } else if (mark > published) {
            n_behind++;
        }
    }
    if (n_behind != behind || n_ours > pending) {
        return ESTALE;
    }

    /* If we die on the way, nothing that was said above changes: first the
     * count, then the marks that are greater than it. */
    ring->given = published + behind;
    iovtee_inflight_publish(ring);
    for (uint32_t i = 0; i < n_ours; i++) {
        iovtee_inflight_take(ring, heads[i]);
    }
    *n = n_ours;
    return 0;
}

/* Forgets what the table says of 'ring', and starts anew with the ring that
 * 'config' describes, of which no buffer is taken. */
void
iovtee_inflight_start(struct iovtee_inflight_ring *ring,
                      const struct iovtee_vring_config *config)
{
    struct iovtee_inflight_record *record = ring->record;

    if (!record) {
        return;
    }
    iovtee_inflight_stop(ring);
    get_ring_id(config, &record->id);

    /* A mark of 0 is never greater than the count. */
    ring->given = config->last_used;
    record->published = ring->given;
    memset(ring->marks, 0, MARKS_SIZE(ring->size));
    __atomic_store_n(&record->valid, MAGIC, __ATOMIC_RELEASE);
}

/* Forgets what the table says of 'ring', because all of its buffers are the
 * guest's again and the front-end knows at which indices to go on. */
void
iovtee_inflight_stop(struct iovtee_inflight_ring *ring)
{
    if (ring->record) {
        __atomic_store_n(&ring->record->valid, 0, __ATOMIC_RELEASE);

        /* Before whatever comes next, too. */
        __atomic_signal_fence(__ATOMIC_SEQ_CST);
    }
}


/* Opens and locks file 'path', makes it as long as a table is, and stores its
 * descriptor in '*fdp'.  Returns 0 if successful, otherwise a positive errno
 * value. */
static int
open_file(const char *path, int *fdp)
{
    struct stat st;
    int error = 0;
    int fd;

    fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK,
              0600);
    if (fd < 0) {
        return errno;
    }
    if (flock(fd, LOCK_EX | LOCK_NB)) {
        error = errno == EWOULDBLOCK ? EBUSY : errno;
    } else if (fstat(fd, &st)) {
        error = errno;
    } else if (!S_ISREG(st.st_mode)) {
        error = EINVAL;
    } else if (ftruncate(fd, FILE_SIZE)) {
        error = errno;
    }
    if (error) {
        close(fd);
        return error;
    }
    *fdp = fd;
    return 0;
}

/* Sets addresses aside for all of 'table', which cannot be accessed yet.
 * Returns 0 if successful, otherwise a positive errno value. */
static int
set_aside(struct iovtee_inflight *table)
{
    void *base = mmap(NULL, FILE_SIZE, PROT_NONE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    if (base == MAP_FAILED) {
        return errno;
    }
    table->base = base;

    /* Where all memory is locked, so are these addresses, and there may be a
     * limit to that. */
    munlock(base, FILE_SIZE);
    return 0;
}

/* Makes the 'size' bytes at 'offset' in the file accessible, at the same
 * offset from the base, once more if they are already.  Returns 0 if
 * successful, otherwise a positive errno value.
 *
 * ovs-vswitchd usually has all of its memory locked (mlockall()), so that what
 * is mapped takes space in the file at once.  Hence no more is mapped than
 * what is in use. */
static int
map(struct iovtee_inflight *table, uint64_t offset, uint64_t size)
{
    uint64_t start = offset - offset % sysconf(_SC_PAGESIZE);
    int error;

    /* A full file system is to fail here, not by SIGBUS in a PMD thread.  A
     * tmpfs stops for any signal, even one that is handled and lets other
     * calls go on. */
    do {
        error = posix_fallocate(table->fd, offset, size);
    } while (error == EINTR);
    if (error) {
        return error;
    }
    return (mmap(table->base + start, offset + size - start,
                 PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED,
                 table->fd, start) == MAP_FAILED ? errno : 0);
}

/* Stores what identifies this boot of the machine in 'id', padded with zeros.
 * It is all zeros if nothing does. */
static void
get_boot_id(char id[BOOT_ID_SIZE])
{
    int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);

    memset(id, 0, BOOT_ID_SIZE);
    if (fd >= 0) {
        if (read(fd, id, BOOT_ID_SIZE) < 0) {
            memset(id, 0, BOOT_ID_SIZE);
        }
        close(fd);
    }
}

/* Empties 'table' unless its header is good.  Returns 0 if successful,
 * otherwise a positive errno value. */
static int
check_header(struct iovtee_inflight *table)
{
    struct header *header = (void *) table->base;
    struct header good = {
        .magic = MAGIC,
        .version = VERSION,
        .n_queues = IOVTEE_INFLIGHT_MAX_QUEUES,
    };
    struct header earlier;
    int error;

    error = map(table, 0, BLOCK);
    if (error) {
        return error;
    }
    get_boot_id(good.boot_id);
    if (good.boot_id[0] && !memcmp(header, &good, sizeof good)) {
        return 0;
    }

    /* A table as there were before transmit queues were in it has its rings
     * where the first half of ours are. */
    earlier = good;
    earlier.n_queues = IOVTEE_INFLIGHT_MAX_QUEUES / 2;
    if (good.boot_id[0] && !memcmp(header, &earlier, sizeof earlier)) {
        header->n_queues = good.n_queues;
        return 0;
    }

    /* Zeros are an empty table, so that it does not matter where we die. */
    if (ftruncate(table->fd, 0) || ftruncate(table->fd, FILE_SIZE)) {
        return errno;
    }
    error = map(table, 0, BLOCK);
    if (error) {
        return error;
    }
    good.magic = 0;
    *header = good;
    __atomic_store_n(&header->magic, MAGIC, __ATOMIC_RELEASE);
    return 0;
}

/* Stores what identifies the ring that 'config' describes in '*id'. */
static void
get_ring_id(const struct iovtee_vring_config *config, struct ring_id *id)
{
    size_t n = iovtee_guestmem_n_regions(config->mem);

    *id = (struct ring_id) {
        .desc_gpa = config->desc_gpa,
        .avail_gpa = config->avail_gpa,
        .used_gpa = config->used_gpa,
        .size = config->size,
        .n_regions = n,
    };
    for (size_t i = 0; i < n; i++) {
        const struct iovtee_guestmem_mapping *m
            = iovtee_guestmem_region(config->mem, i);

        id->regions[i] = (struct region_id) {
            .gpa = m->gpa,
            .size = m->size,
            .offset = m->offset,
            .dev = m->dev,
            .ino = m->ino,
        };
    }
}
