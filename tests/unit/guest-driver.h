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


#ifndef TESTS_GUEST_DRIVER_H
#define TESTS_GUEST_DRIVER_H 1

/* A guest, as far as a virtqueue is concerned
 * ===========================================
 *
 * 'struct guest' is memory: a few files, which the guest maps once and the
 * device, by iovtee_guestmem_create(), once more.  So a test can tell whose
 * view it uses.
 *
 * 'struct guest_ring' is the driver's side of a split virtqueue (virtio 1.2,
 * section 2.7), for unit tests, fuzzers and benchmarks.  The first group of
 * functions plays by the rules, as a good driver would, and checks that the
 * device does.  The second group is for guests that do not.
 *
 *     guest_init(&guest, layout, n);
 *     guest_ring_init(&ring, &guest, gpa, 256, 0, true);
 *     iovtee_vring_init(&vr, guest_ring_config(&ring, &config));
 *
 *     head = guest_ring_post(&ring, bufs, n);
 *     guest_ring_expose(&ring);
 *     ...the device works...
 *     while (guest_ring_reap(&ring, &head, &len)) {
 *         ...the driver reads its buffer...
 *     }
 *
 * Thread-safety: the driver's side of a ring is for one thread, which may be
 * another one than the device's. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "virtio/guestmem.h"
#include "virtio/vring.h"

/* What a region of guest memory shall be. */
struct guest_layout {
    uint64_t gpa;               /* First guest physical address. */
    uint64_t size;              /* Size in bytes. */
    uint64_t offset;            /* Where it begins in its file, bytes. */
    bool huge;                  /* In huge pages of 2 MiB? */
};

struct guest_region {
    struct guest_layout layout;
    int fd;
    uint8_t *va;                /* The guest's mapping of 'layout.gpa'. */
    void *mmap_base;
    size_t mmap_size;
};

struct guest {
    struct guest_region regions[IOVTEE_GUESTMEM_MAX_REGIONS];
    size_t n;
    struct iovtee_guestmem *mem;        /* The device's mapping. */
};

int guest_init(struct guest *, const struct guest_layout[], size_t n);
void guest_destroy(struct guest *);
void guest_get_table(const struct guest *, struct iovtee_guestmem_region[]);
void *guest_va(const struct guest *, uint64_t gpa, uint64_t len);

/* A piece of a buffer. */
struct guest_buf {
    uint64_t gpa;
    uint32_t len;
};

struct guest_ring {
    /* Configuration. */
    struct guest *guest;
    uint64_t desc_gpa;
    uint64_t avail_gpa;
    uint64_t used_gpa;
    uint32_t size;
    bool event_idx;
    bool indirect;              /* Set it to false if not negotiated. */
    bool transmit;              /* Set it to true if buffers are for the device
                                 * to read. */
    uint16_t start;             /* Both indices at the start. */

    /* The three areas, in the guest's mapping. */
    struct iovtee_desc *desc;
    uint16_t *avail;
    uint16_t *used;

    /* The driver's state. */
    uint16_t avail_idx;         /* Next entry of the available ring. */
    uint16_t exposed;           /* What the device has been told of it. */
    uint16_t used_idx;          /* Next entry of the used ring. */
    uint16_t *free;             /* Stack of free descriptors, ... */
    uint32_t n_free;            /* ...and how many there are. */
    uint16_t *n_descs;          /* By head: descriptors of a posted buffer, 0
                                 * if no buffer was posted with this head. */
    uint16_t *next;             /* By descriptor: private copy of 'next'. */
};

/* Bytes of guest memory that a ring of SIZE descriptors needs. */
#define GUEST_RING_BYTES(SIZE) \
    (IOVTEE_DESC_AREA_SIZE(SIZE) + IOVTEE_AVAIL_AREA_SIZE(SIZE) \
     + IOVTEE_USED_AREA_SIZE(SIZE) + IOVTEE_USED_ALIGN)

void guest_ring_init(struct guest_ring *, struct guest *, uint64_t gpa,
                     uint32_t size, uint16_t start, bool event_idx);
void guest_ring_destroy(struct guest_ring *);
struct iovtee_vring_config *guest_ring_config(const struct guest_ring *,
                                              struct iovtee_vring_config *);

int guest_ring_post(struct guest_ring *, const struct guest_buf[], size_t n);
int guest_ring_post_indirect(struct guest_ring *, const struct guest_buf[],
                             size_t n_direct, uint64_t table_gpa,
                             size_t n_indirect);
bool guest_ring_expose(struct guest_ring *);
bool guest_ring_reap(struct guest_ring *, uint16_t *head, uint32_t *len);
bool guest_ring_enable_interrupts(struct guest_ring *);
void guest_ring_disable_interrupts(struct guest_ring *);

/* For bad drivers.  These write into guest memory and change no state. */
void guest_ring_set_desc(struct guest_ring *, uint16_t i,
                         struct iovtee_desc);
void guest_ring_set_avail(struct guest_ring *, uint16_t idx, uint16_t head);
void guest_ring_set_avail_idx(struct guest_ring *, uint16_t idx);
void guest_ring_set_used_event(struct guest_ring *, uint16_t idx);

#endif /* tests/unit/guest-driver.h */
