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

#include "guest-driver.h"

#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include "unit.h"

/* Offsets in the available and the used area, in units of 16 bits. */
#define AREA_FLAGS 0
#define AREA_IDX 1
#define AREA_RING 2

#define HUGE_PAGE (UINT64_C(2) << 20)

static int region_init(struct guest_region *, const struct guest_layout *);
static void region_destroy(struct guest_region *);

/* Makes '*guest' a guest whose memory consists of the 'n' regions that
 * 'layouts' describes, all zeros.  Returns 0 if successful, otherwise a
 * positive errno value, for example because there are no huge pages. */
int
guest_init(struct guest *guest, const struct guest_layout layouts[], size_t n)
{
    struct iovtee_guestmem_region table[IOVTEE_GUESTMEM_MAX_REGIONS];
    int error;

    CHECK(n <= IOVTEE_GUESTMEM_MAX_REGIONS);
    *guest = (struct guest) { .n = 0 };
    for (size_t i = 0; i < n; i++) {
        error = region_init(&guest->regions[i], &layouts[i]);
        if (error) {
            guest_destroy(guest);
            return error;
        }
        guest->n++;
    }

    guest_get_table(guest, table);
    error = iovtee_guestmem_create(table, n, &guest->mem);
    if (error) {
        guest_destroy(guest);
    }
    return error;
}

/* Ends 'guest'.  The device's mapping lives on if somebody refers to it. */
void
guest_destroy(struct guest *guest)
{
    iovtee_guestmem_unref(guest->mem);
    for (size_t i = 0; i < guest->n; i++) {
        region_destroy(&guest->regions[i]);
    }
    *guest = (struct guest) { .n = 0 };
}

/* Stores the memory table of 'guest', as a front-end would send it, in
 * 'table', which has room for all of its regions. */
void
guest_get_table(const struct guest *guest,
                struct iovtee_guestmem_region table[])
{
    for (size_t i = 0; i < guest->n; i++) {
        const struct guest_region *region = &guest->regions[i];

        table[i] = (struct iovtee_guestmem_region) {
            .gpa = region->layout.gpa,
            .size = region->layout.size,
            .offset = region->layout.offset,
            .fd = region->fd,
        };
    }
}

/* Returns where 'guest' itself has the 'len' bytes at 'gpa', which it must
 * have in one region. */
void *
guest_va(const struct guest *guest, uint64_t gpa, uint64_t len)
{
    for (size_t i = 0; i < guest->n; i++) {
        const struct guest_region *region = &guest->regions[i];
        uint64_t ofs = gpa - region->layout.gpa;

        if (ofs < region->layout.size && len <= region->layout.size - ofs) {
            return region->va + ofs;
        }
    }
    CHECK(!"address is in guest memory");
    return NULL;
}


/* Makes '*ring' an empty ring of 'size' descriptors at 'gpa' in the memory of
 * 'guest', where there must be room for GUEST_RING_BYTES('size').  Both of its
 * indices begin at 'start'. */
void
guest_ring_init(struct guest_ring *ring, struct guest *guest, uint64_t gpa,
                uint32_t size, uint16_t start, bool event_idx)
{
    uint64_t avail_gpa = gpa + IOVTEE_DESC_AREA_SIZE(size);
    uint64_t used_gpa = avail_gpa + IOVTEE_AVAIL_AREA_SIZE(size);

    used_gpa = (used_gpa + IOVTEE_USED_ALIGN - 1) & -IOVTEE_USED_ALIGN;
    *ring = (struct guest_ring) {
        .guest = guest,
        .desc_gpa = gpa,
        .avail_gpa = avail_gpa,
        .used_gpa = used_gpa,
        .size = size,
        .event_idx = event_idx,
        .indirect = true,
        .start = start,
        .desc = guest_va(guest, gpa, IOVTEE_DESC_AREA_SIZE(size)),
        .avail = guest_va(guest, avail_gpa, IOVTEE_AVAIL_AREA_SIZE(size)),
        .used = guest_va(guest, used_gpa, IOVTEE_USED_AREA_SIZE(size)),
        .avail_idx = start,
        .exposed = start,
        .used_idx = start,
        .free = calloc(size, sizeof *ring->free),
        .n_free = size,
        .n_descs = calloc(size, sizeof *ring->n_descs),
        .next = calloc(size, sizeof *ring->next),
    };
    CHECK(ring->free && ring->n_descs && ring->next);

    memset(ring->desc, 0, IOVTEE_DESC_AREA_SIZE(size));
    memset(ring->avail, 0, IOVTEE_AVAIL_AREA_SIZE(size));
    memset(ring->used, 0, IOVTEE_USED_AREA_SIZE(size));
    ring->avail[AREA_IDX] = start;
    ring->used[AREA_IDX] = start;
    for (uint32_t i = 0; i < size; i++) {
        ring->free[i] = size - 1 - i;
    }
}

void
guest_ring_destroy(struct guest_ring *ring)
{
    free(ring->free);
    free(ring->n_descs);
    free(ring->next);
    *ring = (struct guest_ring) { .guest = NULL };
}

/* Stores what the device has to know of 'ring' in '*config', as if no buffer
 * had been taken yet, and returns 'config'. */
struct iovtee_vring_config *
guest_ring_config(const struct guest_ring *ring,
                  struct iovtee_vring_config *config)
{
    *config = (struct iovtee_vring_config) {
        .mem = ring->guest->mem,
        .desc_gpa = ring->desc_gpa,
        .avail_gpa = ring->avail_gpa,
        .used_gpa = ring->used_gpa,
        .size = ring->size,
        .last_avail = ring->start,
        .last_used = ring->start,
        .event_idx = ring->event_idx,
        .indirect = ring->indirect,
        .transmit = ring->transmit,
    };
    return config;
}

/* Posts a buffer that consists of the 'n' pieces 'bufs', a descriptor for
 * each.  The device does not see it before guest_ring_expose().  Returns its
 * head, or -1 if there are not enough descriptors. */
int
guest_ring_post(struct guest_ring *ring, const struct guest_buf bufs[],
                size_t n)
{
    return guest_ring_post_indirect(ring, bufs, n, 0, 0);
}

/* Posts a buffer that consists of the 'n_direct' + 'n_indirect' pieces 'bufs'.
 * The former have a descriptor each, the latter are in an indirect table at
 * 'table_gpa', to which one more descriptor refers, unless 'n_indirect' is
 * 0.  Returns the same as guest_ring_post(). */
int
guest_ring_post_indirect(struct guest_ring *ring,
                         const struct guest_buf bufs[], size_t n_direct,
                         uint64_t table_gpa, size_t n_indirect)
{
    const uint16_t write_flag = ring->transmit ? 0 : IOVTEE_DESC_F_WRITE;
    size_t n = n_direct + (n_indirect > 0);
    uint16_t head = 0, next = 0;

    if (n > ring->n_free) {
        return -1;
    }
    CHECK(n > 0);

    /* From the last to the first, so that each knows its successor. */
    for (size_t i = n; i-- > 0; ) {
        struct iovtee_desc desc = { .next = next };

        if (i == n_direct) {
            desc.addr = table_gpa;
            desc.len = n_indirect * sizeof desc;
            desc.flags = IOVTEE_DESC_F_INDIRECT;
        } else {
            desc.addr = bufs[i].gpa;
            desc.len = bufs[i].len;
            desc.flags = write_flag | (i < n - 1 ? IOVTEE_DESC_F_NEXT : 0);
        }
        head = ring->free[--ring->n_free];
        guest_ring_set_desc(ring, head, desc);
        ring->next[head] = next;
        next = head;
    }
    for (size_t i = 0; i < n_indirect; i++) {
        const struct guest_buf *buf = &bufs[n_direct + i];
        bool last = i == n_indirect - 1;
        struct iovtee_desc desc = {
            .addr = buf->gpa,
            .len = buf->len,
            .flags = write_flag | (last ? 0 : IOVTEE_DESC_F_NEXT),
            .next = last ? 0 : i + 1,
        };

        memcpy(guest_va(ring->guest, table_gpa + i * sizeof desc,
                        sizeof desc), &desc, sizeof desc);
    }

    CHECK(!ring->n_descs[head]);
    ring->n_descs[head] = n;
    guest_ring_set_avail(ring, ring->avail_idx++, head);
    return head;
}

/* Makes all posted buffers available to the device.  Returns true if the
 * device wants to be notified of them. */
bool
guest_ring_expose(struct guest_ring *ring)
{
    uint16_t old = ring->exposed;
    uint16_t new = ring->avail_idx;
    uint16_t event;

    __atomic_store_n(&ring->avail[AREA_IDX], new, __ATOMIC_RELEASE);
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    ring->exposed = new;
    if (!ring->event_idx) {
        return !(__atomic_load_n(&ring->used[AREA_FLAGS], __ATOMIC_RELAXED)
                 & 1);
    }
    event = __atomic_load_n(&ring->used[AREA_RING + 4 * ring->size],
                            __ATOMIC_RELAXED);
    return (uint16_t) (new - event - 1) < (uint16_t) (new - old);
}

/* Takes the next used buffer.  Returns false if there is none, otherwise
 * stores its head and how much the device wrote in '*head' and '*len', and
 * reuses its descriptors. */
bool
guest_ring_reap(struct guest_ring *ring, uint16_t *head, uint32_t *len)
{
    uint16_t idx = __atomic_load_n(&ring->used[AREA_IDX], __ATOMIC_ACQUIRE);
    const struct iovtee_used_elem *elems
        = (const void *) (ring->used + AREA_RING);
    const struct iovtee_used_elem *elem
        = &elems[ring->used_idx & (ring->size - 1)];
    uint16_t desc;
    uint32_t id;

    /* No device may use more than was made available. */
    CHECK((uint16_t) (idx - ring->used_idx)
          <= (uint16_t) (ring->exposed - ring->used_idx));
    if (idx == ring->used_idx) {
        return false;
    }
    ring->used_idx++;

    id = __atomic_load_n(&elem->id, __ATOMIC_RELAXED);
    CHECK(id < ring->size);
    CHECK(ring->n_descs[id]);
    *head = id;
    *len = __atomic_load_n(&elem->len, __ATOMIC_RELAXED);

    for (desc = id; ring->n_descs[id]; ring->n_descs[id]--) {
        ring->free[ring->n_free++] = desc;
        desc = ring->next[desc];
    }
    return true;
}

/* Asks for an interrupt as soon as there is a used buffer.  Returns true if
 * there is one already, because then the interrupt may not come. */
bool
guest_ring_enable_interrupts(struct guest_ring *ring)
{
    if (ring->event_idx) {
        guest_ring_set_used_event(ring, ring->used_idx);
    } else {
        __atomic_store_n(&ring->avail[AREA_FLAGS], 0, __ATOMIC_RELAXED);
    }
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    return (__atomic_load_n(&ring->used[AREA_IDX], __ATOMIC_ACQUIRE)
            != ring->used_idx);
}

/* Says that no interrupt is needed, which with an event index is a hope rather
 * than a promise. */
void
guest_ring_disable_interrupts(struct guest_ring *ring)
{
    if (ring->event_idx) {
        guest_ring_set_used_event(ring, ring->used_idx - 1);
    } else {
        __atomic_store_n(&ring->avail[AREA_FLAGS], 1, __ATOMIC_RELAXED);
    }
}


/* Writes '*desc' to descriptor 'i'. */
void
guest_ring_set_desc(struct guest_ring *ring, uint16_t i,
                    struct iovtee_desc desc)
{
    struct iovtee_desc *dst = &ring->desc[i];

    __atomic_store_n(&dst->addr, desc.addr, __ATOMIC_RELAXED);
    __atomic_store_n(&dst->len, desc.len, __ATOMIC_RELAXED);
    __atomic_store_n(&dst->flags, desc.flags, __ATOMIC_RELAXED);
    __atomic_store_n(&dst->next, desc.next, __ATOMIC_RELAXED);
}

/* Makes 'head' the entry of the available ring that index 'idx' names. */
void
guest_ring_set_avail(struct guest_ring *ring, uint16_t idx, uint16_t head)
{
    __atomic_store_n(&ring->avail[AREA_RING + (idx & (ring->size - 1))], head,
                     __ATOMIC_RELAXED);
}

/* Writes the index of the available ring. */
void
guest_ring_set_avail_idx(struct guest_ring *ring, uint16_t idx)
{
    __atomic_store_n(&ring->avail[AREA_IDX], idx, __ATOMIC_RELEASE);
}

/* Writes the used index after which an interrupt is wanted. */
void
guest_ring_set_used_event(struct guest_ring *ring, uint16_t idx)
{
    __atomic_store_n(&ring->avail[AREA_RING + ring->size], idx,
                     __ATOMIC_RELAXED);
}


static int
region_init(struct guest_region *region, const struct guest_layout *layout)
{
    uint64_t align = layout->huge ? HUGE_PAGE : 4096;
    uint64_t end = layout->offset + layout->size;
    int error;

    *region = (struct guest_region) {
        .layout = *layout,
        .mmap_size = (end + align - 1) & -align,
        .fd = memfd_create("guest", (MFD_CLOEXEC
                                     | (layout->huge ? MFD_HUGETLB : 0))),
    };
    if (region->fd < 0) {
        return errno;
    }

    /* The file ends where the region does, so that nothing but the region is
     * there, except that huge pages come whole. */
    if (ftruncate(region->fd, layout->huge ? region->mmap_size : end)) {
        error = errno;
        close(region->fd);
        return error;
    }
    region->mmap_base = mmap(NULL, region->mmap_size, PROT_READ | PROT_WRITE,
                             MAP_SHARED, region->fd, 0);
    if (region->mmap_base == MAP_FAILED) {
        error = errno;
        close(region->fd);
        return error;
    }
    region->va = (uint8_t *) region->mmap_base + layout->offset;
    return 0;
}

static void
region_destroy(struct guest_region *region)
{
    munmap(region->mmap_base, region->mmap_size);
    close(region->fd);
}
