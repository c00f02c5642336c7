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


#ifndef TESTS_VRING_FIXTURE_H
#define TESTS_VRING_FIXTURE_H 1

/* What the tests of the virtqueue begin and end with. */

#include "guest-driver.h"
#include "unit.h"
#include "virtio/vring.h"

#define KB UINT64_C(1024)
#define MB (KB * 1024)
#define GB (MB * 1024)

/* All rings are in a region of their own, all buffers in the other two. */
#define RING_GPA 0
#define BUF_GPA (4 * GB)
#define TABLE_GPA (5 * GB)

static const struct guest_layout fixture_layouts[] = {
    { RING_GPA, MB, 0, false },
    { BUF_GPA, 4 * MB, 0, false },
    { TABLE_GPA, 64 * KB, 0, false },
};

/* A guest, its ring, and the device's side of that. */
struct fixture {
    struct guest guest;
    struct guest_ring ring;
    struct iovtee_vring vr;
};

static inline void
setup(struct fixture *f, uint32_t size, uint16_t start, bool event_idx)
{
    struct iovtee_vring_config config;

    CHECK(!guest_init(&f->guest, fixture_layouts,
                      ARRAY_SIZE(fixture_layouts)));
    guest_ring_init(&f->ring, &f->guest, RING_GPA, size, start, event_idx);
    CHECK(!iovtee_vring_init(&f->vr, guest_ring_config(&f->ring, &config)));
}

static inline void
teardown(struct fixture *f)
{
    CHECK(!f->vr.fault);
    iovtee_vring_destroy(&f->vr);
    iovtee_vring_destroy(&f->vr);
    guest_ring_destroy(&f->ring);
    guest_destroy(&f->guest);
}

/* Posts a buffer of one piece of 'len' bytes, whose contents do not matter. */
static inline int
post_simple(struct fixture *f, uint32_t len)
{
    struct guest_buf buf = { BUF_GPA, len };

    return guest_ring_post(&f->ring, &buf, 1);
}

#endif /* tests/unit/vring-fixture.h */
