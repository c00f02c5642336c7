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

#ifndef IOVTEE_GUESTMEM_H
#define IOVTEE_GUESTMEM_H 1

/* Guest memory map
 * ================
 *
 * Our own, private mapping of the memory that a vhost-user front-end shares
 * with us.  librte_vhost maps it too, but unmaps it whenever the front-end
 * says so, without telling us first; this mapping lives for as long as
 * somebody holds a reference, so a packet that still lies in guest memory can
 * be read safely after the guest is gone.
 *
 * A map never changes after iovtee_guestmem_create().  A front-end that
 * changes its memory table gets a new map; the old one goes when its last
 * reference goes.
 *
 * A front-end that truncates a file does not kill us: that region reads as
 * zeros then, and the map is lost (see virtio/busfault.h).
 *
 * Whoever reads a little beyond the end of a region, as code does that reads
 * words or vectors, reads zeros: a page of them follows each region.  Nothing
 * can be written there.
 *
 * Thread-safety
 * =============
 *
 * A map is immutable, so any number of threads may translate at once.  The
 * reference count is atomic.
 *
 * This module is pure: it knows neither DPDK nor Open vSwitch state, and it
 * does not log. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* At most this many regions in a map.  It is what librte_vhost accepts. */
#define IOVTEE_GUESTMEM_MAX_REGIONS 8

/* What the front-end says of one region. */
struct iovtee_guestmem_region {
    uint64_t gpa;               /* First guest physical address. */
    uint64_t size;              /* Size in bytes. */
    uint64_t offset;            /* Where the region begins in 'fd', bytes. */
    int fd;                     /* Backing file.  Not consumed. */
};

/* What this module made of one region. */
struct iovtee_guestmem_mapping {
    uint64_t gpa;               /* First guest physical address. */
    uint64_t size;              /* Size in bytes. */
    uint64_t offset;            /* Where the region begins in its file. */
    void *va;                   /* Where 'gpa' is mapped here. */
    uint64_t page_size;         /* Page size of the backing file, bytes. */
    dev_t dev;                  /* Identity of the backing file... */
    ino_t ino;                  /* ...which survives our own restart. */
};

struct iovtee_guestmem;

/* Called when the last reference is gone, before anything is unmapped. */
typedef void iovtee_guestmem_release_cb(struct iovtee_guestmem *, void *aux);

int iovtee_guestmem_create(const struct iovtee_guestmem_region[], size_t n,
                           struct iovtee_guestmem **);
struct iovtee_guestmem *iovtee_guestmem_ref(struct iovtee_guestmem *);
void iovtee_guestmem_unref(struct iovtee_guestmem *);
void iovtee_guestmem_on_release(struct iovtee_guestmem *,
                                iovtee_guestmem_release_cb *, void *aux);

void *iovtee_guestmem_translate(const struct iovtee_guestmem *,
                                uint64_t gpa, uint64_t len);
bool iovtee_guestmem_locate(const struct iovtee_guestmem *, const void *va,
                            uint64_t *gpa);
size_t iovtee_guestmem_n_regions(const struct iovtee_guestmem *);
const struct iovtee_guestmem_mapping *iovtee_guestmem_region(
    const struct iovtee_guestmem *, size_t i);
uint64_t iovtee_guestmem_size(const struct iovtee_guestmem *);

bool iovtee_guestmem_is_lost(const struct iovtee_guestmem *);
bool *iovtee_guestmem_lost(struct iovtee_guestmem *);

#endif /* guestmem.h */
