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


#ifndef TESTS_INFLIGHT_FIXTURE_H
#define TESTS_INFLIGHT_FIXTURE_H 1

/* A guest, a switch, and what has to be true of the table between them. */

#include <unistd.h>

#include "guest-driver.h"
#include "unit.h"
#include "virtio/inflight.h"
#include "virtio/vring.h"

#define SIZE 8
#define MB (UINT64_C(1) << 20)

static const struct guest_layout fixture_layouts[] = {
    { 0, MB, 0, false },
    { 4 * MB, MB, 4096, false },
};

/* A guest with a ring of 'SIZE', and the file of a table.  The files are in
 * the current directory. */
struct fixture {
    struct guest guest;
    struct guest_ring ring;
    struct iovtee_vring_config config;
    char path[64];
    char copy_path[64];
};

static inline void
setup(struct fixture *f, const char *name, uint16_t start)
{
    CHECK(!guest_init(&f->guest, fixture_layouts,
                      ARRAY_SIZE(fixture_layouts)));
    guest_ring_init(&f->ring, &f->guest, 0, SIZE, start, true);
    guest_ring_config(&f->ring, &f->config);
    snprintf(f->path, sizeof f->path, "%s.inflight", name);
    snprintf(f->copy_path, sizeof f->copy_path, "%s-copy.inflight", name);
    unlink(f->path);
    unlink(f->copy_path);
}

static inline void
teardown(struct fixture *f)
{
    unlink(f->path);
    unlink(f->copy_path);
    guest_ring_destroy(&f->ring);
    guest_destroy(&f->guest);
}

static inline struct iovtee_inflight *
open_table(const char *path)
{
    struct iovtee_inflight *table;
    int error = iovtee_inflight_open(path, &table);

    if (error) {
        fprintf(stderr, "%s: %s\n", path, strerror(error));
        exit(1);
    }
    return table;
}

/* Posts as many buffers as there is room for. */
static inline void
driver_post(struct fixture *f)
{
    struct guest_buf buf = { 4 * MB, 100 };

    while (guest_ring_post(&f->ring, &buf, 1) >= 0) {
        continue;
    }
    guest_ring_expose(&f->ring);
}

static inline void
driver_reap(struct fixture *f)
{
    uint16_t head;
    uint32_t len;

    while (guest_ring_reap(&f->ring, &head, &len)) {
        continue;
    }
}


/* A switch: the device's side of the ring, and what it holds. */
struct device {
    struct iovtee_inflight *table;
    struct iovtee_inflight_ring ring;
    struct iovtee_vring vr;
    uint16_t held[SIZE];
    uint32_t n_held;
    bool recovered;             /* As opposed to started anew. */
};

static inline void
device_init(struct device *d, const struct fixture *f, const char *path)
{
    struct iovtee_vring_config config = f->config;
    uint16_t avail_idx, used_idx;

    d->table = open_table(path);
    d->n_held = 0;
    CHECK(!iovtee_inflight_attach(d->table, 3, SIZE, &d->ring));
    CHECK(!iovtee_vring_read_indices(&config, &avail_idx, &used_idx));
    d->recovered = (iovtee_inflight_identify(&d->ring, &config)
                    && !iovtee_inflight_recover(&d->ring, avail_idx, used_idx,
                                                d->held, &d->n_held));
    config.last_used = used_idx;
    config.last_avail = used_idx + d->n_held;
    if (!d->recovered) {
        iovtee_inflight_start(&d->ring, &config);
    }
    CHECK(!iovtee_vring_init(&d->vr, &config));
}

static inline void
device_destroy(struct device *d)
{
    iovtee_vring_destroy(&d->vr);
    iovtee_inflight_close(d->table);
}

static inline void
device_take(struct device *d, unsigned n)
{
    uint16_t heads[SIZE];

    n = iovtee_vring_take(&d->vr, heads, n);
    for (unsigned i = 0; i < n; i++) {
        iovtee_inflight_take(&d->ring, heads[i]);
        CHECK(d->n_held < SIZE);
        d->held[d->n_held++] = heads[i];
    }
    CHECK(!d->vr.fault);
}

/* Gives the 'i'th of the buffers that 'd' holds back. */
static inline void
device_give(struct device *d, uint32_t i)
{
    uint16_t head = d->held[i];

    iovtee_vring_give(&d->vr, head, 1);
    iovtee_inflight_give(&d->ring, head);
    d->held[i] = d->held[--d->n_held];
}

/* Leaves up to 'n' of the buffers that were taken last to the driver, as far
 * as they have not been given back.  Nothing is recorded of that: who finds
 * the table has these buffers from there and not from the ring. */
static inline void
device_leave(struct device *d, uint32_t n)
{
    for (uint32_t i = 0; n && i < d->n_held; i++) {
        uint16_t head = iovtee_vring_last_taken(&d->vr);

        if (d->held[i] == head) {
            iovtee_vring_untake(&d->vr, 1);
            d->held[i] = d->held[--d->n_held];
            i = UINT32_MAX;
            n--;
        }
    }
}

static inline void
device_publish(struct device *d)
{
    iovtee_vring_publish(&d->vr);
    iovtee_inflight_publish(&d->ring);
}

/* Does a burst as a switch does, in an order that is not the ring's. */
static inline void
device_work(struct device *d)
{
    device_take(d, unit_random_below(SIZE + 1));
    for (uint32_t n = unit_random_below(d->n_held + 1); n > 0; n--) {
        device_give(d, unit_random_below(d->n_held));
    }
    device_leave(d, unit_random_below(3));
    device_publish(d);
}


/* Checks, if a switch found the table at 'base', which is open as 'table', and
 * the ring as it is now, that it would be right: what it says is its own and
 * what it would take from the ring are together exactly what the driver has
 * not got back, each once.  This is all there is to say about a table. */
static inline void
check_table(const struct fixture *f, struct iovtee_inflight *table,
            uint32_t *n_held)
{
    struct iovtee_inflight_ring ring;
    uint16_t avail_idx, used_idx;
    uint8_t owned[SIZE] = { 0 };
    uint16_t held[SIZE];

    CHECK(!iovtee_inflight_attach(table, 3, SIZE, &ring));
    CHECK(!iovtee_vring_read_indices(&f->config, &avail_idx, &used_idx));

    /* A switch that has not taken anything yet need not have said so. */
    *n_held = 0;
    if (!iovtee_inflight_identify(&ring, &f->config)) {
        CHECK(used_idx == f->ring.start);
        return;
    }
    CHECK(!iovtee_inflight_recover(&ring, avail_idx, used_idx, held, n_held));
    for (uint32_t i = 0; i < *n_held; i++) {
        CHECK(held[i] < SIZE);
        owned[held[i]]++;
    }
    for (uint16_t i = used_idx + *n_held; i != avail_idx; i++) {
        uint16_t head = f->ring.avail[2 + i % SIZE];

        CHECK(head < SIZE);
        owned[head]++;
    }

    /* What the driver could reap is not ours. */
    for (uint16_t i = f->ring.used_idx; i != used_idx; i++) {
        const struct iovtee_used_elem *elems
            = (const void *) (f->ring.used + 2);

        owned[elems[i % SIZE].id]++;
    }
    for (uint16_t i = 0; i < SIZE; i++) {
        CHECK(owned[i] == (f->ring.n_descs[i] != 0));
    }
}

#endif /* tests/unit/inflight-fixture.h */
