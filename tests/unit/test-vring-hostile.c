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


#include "virtio/vring.h"

#include <pthread.h>
#include <time.h>

#include "guest-driver.h"
#include "unit.h"

#define KB UINT64_C(1024)
#define MB (KB * 1024)
#define GB (MB * 1024)

/* Two adjacent regions, a hole, one that is far away, and one just below the
 * end of the address space.  The ring and the indirect table are in the
 * first. */
#define RING_GPA UINT64_C(0)
#define TABLE_GPA (512 * KB)
#define EDGE_GPA MB                     /* Where the first meets the second. */
#define HOLE_GPA (2 * MB)
#define FAR_GPA (4 * GB)
#define TOP_GPA (UINT64_MAX - MB)

static const struct guest_layout layouts[] = {
    { 0, MB, 0, false },
    { EDGE_GPA, MB, 0, false },
    { FAR_GPA, MB, 0, false },
    { TOP_GPA, MB, 0, false },
};

#define N IOVTEE_DESC_F_NEXT
#define W IOVTEE_DESC_F_WRITE
#define I IOVTEE_DESC_F_INDIRECT

/* A descriptor that nothing is wrong with, alone or chained to 'NEXT', and
 * one that refers to a table of N descriptors. */
#define GOOD { FAR_GPA, 100, W, 0 }
#define CHAIN(NEXT) { FAR_GPA, 100, W | N, NEXT }
#define TABLE(N) { TABLE_GPA, 16 * (N), I, 0 }

/* What one guest does to a ring of 4 that begins at index 65534. */
#define SIZE 4
#define START 65534

struct hostile {
    const char *name;
    struct iovtee_desc desc[SIZE];
    struct iovtee_desc table[SIZE + 1];
    uint16_t heads[SIZE];       /* Entries of the available ring. */
    uint16_t n_avail;           /* By how much its index moved. */
    bool no_indirect;           /* Was indirection not negotiated? */
    bool transmit;              /* Is it a ring that the device reads? */
};

/* Takes all that 'vr' gives, reads it, gives it back.  Prints the result. */
static void
serve(struct iovtee_vring *vr, const char *name)
{
    struct iovtee_seg segs[8];
    struct iovtee_chain chain;
    uint16_t heads[8];
    uint16_t last_avail = vr->last_avail;
    unsigned n;

    n = iovtee_vring_take(vr, heads, ARRAY_SIZE(heads));
    CHECK((uint16_t) (vr->last_avail - last_avail) == n);
    printf("%s: taken=%u", name, n);
    for (unsigned i = 0; i < n; i++) {
        enum iovtee_vring_fault fault;

        CHECK(heads[i] < vr->size);
        fault = iovtee_vring_read_chain(vr, heads[i], segs, ARRAY_SIZE(segs),
                                        &chain);
        printf(" %s/%u", iovtee_vring_fault_name(fault), chain.n_segs);
        iovtee_vring_give(vr, heads[i], 0);
    }
    printf(" -> %s\n", iovtee_vring_fault_name(vr->fault));
}

/* A ring that is latched stays so, and still publishes. */
static void
check_latched(struct iovtee_vring *vr, struct guest_ring *ring)
{
    enum iovtee_vring_fault fault = vr->fault;
    uint16_t used_idx = vr->used_idx;
    uint16_t head;

    if (fault) {
        guest_ring_set_avail_idx(ring, vr->last_avail + 1);
        guest_ring_set_avail(ring, vr->last_avail, 0);
        CHECK(!iovtee_vring_take(vr, &head, 1));
        CHECK(!iovtee_vring_n_avail(vr, 1));
        iovtee_vring_break(vr, IOVTEE_FAULT_HEAD_BUSY);
        iovtee_vring_break(vr, IOVTEE_FAULT_NONE);
        CHECK(vr->fault == fault);
    }
    iovtee_vring_publish(vr);
    CHECK(ring->used[1] == used_idx);
    CHECK(!iovtee_vring_publish(vr));
}

static void
run_hostile(struct guest *guest, const struct hostile *h)
{
    struct iovtee_vring_config config;
    struct guest_ring ring;
    struct iovtee_vring vr;

    guest_ring_init(&ring, guest, RING_GPA, SIZE, START, false);
    ring.indirect = !h->no_indirect;
    ring.transmit = h->transmit;
    for (uint16_t i = 0; i < SIZE; i++) {
        guest_ring_set_desc(&ring, i, h->desc[i]);
        guest_ring_set_avail(&ring, START + i, h->heads[i]);
    }
    memcpy(guest_va(guest, TABLE_GPA, sizeof h->table), h->table,
           sizeof h->table);
    guest_ring_set_avail_idx(&ring, START + h->n_avail);

    CHECK(!iovtee_vring_init(&vr, guest_ring_config(&ring, &config)));
    serve(&vr, h->name);
    check_latched(&vr, &ring);
    iovtee_vring_destroy(&vr);
    guest_ring_destroy(&ring);
}

static void
run_all(const struct hostile cases[], size_t n)
{
    struct guest guest;

    CHECK(!guest_init(&guest, layouts, ARRAY_SIZE(layouts)));
    for (size_t i = 0; i < n; i++) {
        run_hostile(&guest, &cases[i]);
    }
    guest_destroy(&guest);
}


static void
test_chains(void)
{
    static const struct hostile cases[] = {
        { .name = "good", .desc = { GOOD }, .n_avail = 1 },
        { .name = "good chain", .desc = { CHAIN(2), GOOD, CHAIN(1) },
          .n_avail = 1 },
        { .name = "chain of all",
          .desc = { CHAIN(3), GOOD, CHAIN(1), CHAIN(2) }, .n_avail = 1 },
        { .name = "next of the last means nothing",
          .desc = { { FAR_GPA, 1, W, 0xffff } }, .n_avail = 1 },
        { .name = "unknown flags mean nothing",
          .desc = { { FAR_GPA, 1, W | 0xfff8, 0 } }, .n_avail = 1 },
        { .name = "chained to itself", .desc = { CHAIN(0) }, .n_avail = 1 },
        { .name = "loop of two", .desc = { CHAIN(3), { 0 }, { 0 }, CHAIN(0) },
          .n_avail = 1 },
        { .name = "loop not through the head",
          .desc = { CHAIN(1), CHAIN(2), CHAIN(3), CHAIN(1) }, .n_avail = 1 },
        { .name = "next is the size", .desc = { CHAIN(4) }, .n_avail = 1 },
        { .name = "next is 65535", .desc = { CHAIN(65535) }, .n_avail = 1 },
        { .name = "second chain is bad", .desc = { GOOD, CHAIN(9), GOOD },
          .heads = { 0, 1, 2 }, .n_avail = 3 },
    };

    run_all(cases, ARRAY_SIZE(cases));
}

static void
test_indirect(void)
{
    static const struct hostile cases[] = {
        { .name = "good", .desc = { TABLE(1) }, .table = { GOOD },
          .n_avail = 1 },
        { .name = "good, as large as the ring", .desc = { TABLE(4) },
          .table = { CHAIN(1), CHAIN(2), CHAIN(3), GOOD }, .n_avail = 1 },
        { .name = "write flag of the table means nothing",
          .desc = { { TABLE_GPA, 16, I | W, 0 } }, .table = { GOOD },
          .n_avail = 1 },
        { .name = "after a chain", .desc = { CHAIN(1), TABLE(1) },
          .table = { GOOD }, .n_avail = 1 },
        { .name = "not negotiated", .desc = { TABLE(1) }, .table = { GOOD },
          .n_avail = 1, .no_indirect = true },
        { .name = "nested", .desc = { TABLE(1) }, .table = { TABLE(1) },
          .n_avail = 1 },
        { .name = "nested, second", .desc = { TABLE(2) },
          .table = { CHAIN(1), TABLE(1) }, .n_avail = 1 },
        { .name = "with next", .desc = { { TABLE_GPA, 16, I | N, 1 }, GOOD },
          .table = { GOOD }, .n_avail = 1 },
        { .name = "empty", .desc = { TABLE(0) }, .n_avail = 1 },
        { .name = "half a descriptor", .desc = { { TABLE_GPA, 8, I, 0 } },
          .n_avail = 1 },
        { .name = "one and a half", .desc = { { TABLE_GPA, 24, I, 0 } },
          .table = { GOOD }, .n_avail = 1 },
        { .name = "larger than the ring", .desc = { TABLE(5) },
          .table = { GOOD }, .n_avail = 1 },
        { .name = "4 GB", .desc = { { TABLE_GPA, 0xfffffff0, I, 0 } },
          .table = { GOOD }, .n_avail = 1 },
        { .name = "next beyond the table", .desc = { TABLE(2) },
          .table = { CHAIN(2), GOOD, GOOD }, .n_avail = 1 },
        { .name = "loop", .desc = { TABLE(2) },
          .table = { CHAIN(1), CHAIN(0) }, .n_avail = 1 },
        { .name = "table in the hole", .desc = { { HOLE_GPA, 16, I, 0 } },
          .n_avail = 1 },
        { .name = "table across regions",
          .desc = { { EDGE_GPA - 16, 32, I, 0 } }, .n_avail = 1 },
        { .name = "table wraps", .desc = { { UINT64_MAX - 15, 32, I, 0 } },
          .n_avail = 1 },
        { .name = "buffer in the hole", .desc = { TABLE(1) },
          .table = { { HOLE_GPA, 1, W, 0 } }, .n_avail = 1 },
        { .name = "buffer not writable", .desc = { TABLE(1) },
          .table = { { FAR_GPA, 1, 0, 0 } }, .n_avail = 1 },
        { .name = "buffer empty", .desc = { TABLE(1) },
          .table = { { FAR_GPA, 0, W, 0 } }, .n_avail = 1 },
        { .name = "table is the ring itself",
          .desc = { { RING_GPA, 64, I, 0 } }, .n_avail = 1 },
    };

    run_all(cases, ARRAY_SIZE(cases));
}

/* A ring that the device reads.  Here a piece may be empty, wherever it says
 * that it is. */
static void
test_transmit(void)
{
#define TX .n_avail = 1, .transmit = true
    static const struct hostile cases[] = {
        { .name = "good", .desc = { { FAR_GPA, 100, 0, 0 } }, TX },
        { .name = "good chain",
          .desc = { { FAR_GPA, 100, N, 2 }, { 0 }, { FAR_GPA, 100, 0, 0 } },
          TX },
        { .name = "good table", .desc = { TABLE(2) },
          .table = { { FAR_GPA, 100, N, 1 }, { FAR_GPA, 100, 0, 0 } }, TX },
        { .name = "table's flag means nothing",
          .desc = { { TABLE_GPA, 16, I | W, 0 } },
          .table = { { FAR_GPA, 100, 0, 0 } }, TX },
        { .name = "writable", .desc = { GOOD }, TX },
        { .name = "second writable",
          .desc = { { FAR_GPA, 100, N, 1 }, GOOD }, TX },
        { .name = "table writable", .desc = { TABLE(1) }, .table = { GOOD },
          TX },
        { .name = "empty", .desc = { { FAR_GPA, 0, 0, 0 } }, TX },
        { .name = "empty and nowhere", .desc = { { HOLE_GPA, 0, 0, 0 } }, TX },
        { .name = "first empty",
          .desc = { { UINT64_MAX, 0, N, 1 }, { FAR_GPA, 9, 0, 0 } }, TX },
        { .name = "loop of empty ones", .desc = { { FAR_GPA, 0, N, 0 } }, TX },
        { .name = "loop", .desc = { { FAR_GPA, 100, N, 0 } }, TX },
        { .name = "next is the size", .desc = { { FAR_GPA, 1, N, 4 } }, TX },
        { .name = "in the hole", .desc = { { HOLE_GPA, 1, 0, 0 } }, TX },
        { .name = "4 GB", .desc = { { FAR_GPA, UINT32_MAX, 0, 0 } }, TX },
        { .name = "table in a table", .desc = { TABLE(1) },
          .table = { TABLE(1) }, TX },
        { .name = "no indirection", .desc = { TABLE(1) }, .no_indirect = true,
          TX },
    };
#undef TX

    run_all(cases, ARRAY_SIZE(cases));
}

static void
test_buffers(void)
{
    static const struct hostile cases[] = {
        { .name = "not writable", .desc = { { FAR_GPA, 100, 0, 0 } },
          .n_avail = 1 },
        { .name = "second not writable",
          .desc = { CHAIN(1), { FAR_GPA, 100, 0, 0 } }, .n_avail = 1 },
        { .name = "empty", .desc = { { FAR_GPA, 0, W, 0 } }, .n_avail = 1 },
        { .name = "empty and nowhere", .desc = { { HOLE_GPA, 0, W, 0 } },
          .n_avail = 1 },
        { .name = "second empty", .desc = { CHAIN(1), { FAR_GPA, 0, W, 0 } },
          .n_avail = 1 },
        { .name = "in the hole", .desc = { { HOLE_GPA, 1, W, 0 } },
          .n_avail = 1 },
        { .name = "before the hole", .desc = { { HOLE_GPA - 1, 1, W, 0 } },
          .n_avail = 1 },
        { .name = "into the hole", .desc = { { HOLE_GPA - 1, 2, W, 0 } },
          .n_avail = 1 },
        { .name = "out of the hole", .desc = { { FAR_GPA - 1, 2, W, 0 } },
          .n_avail = 1 },
        { .name = "across adjacent regions",
          .desc = { { EDGE_GPA - 1, 2, W, 0 } }, .n_avail = 1 },
        { .name = "4 GB", .desc = { { FAR_GPA, UINT32_MAX, W, 0 } },
          .n_avail = 1 },
        { .name = "to the end", .desc = { { UINT64_MAX - 4, 4, W, 0 } },
          .n_avail = 1 },
        { .name = "beyond the end", .desc = { { UINT64_MAX - 4, 5, W, 0 } },
          .n_avail = 1 },
        { .name = "wraps into the first region",
          .desc = { { UINT64_MAX - 4, 100, W, 0 } }, .n_avail = 1 },
        { .name = "address -1", .desc = { { UINT64_MAX, 1, W, 0 } },
          .n_avail = 1 },
    };

    run_all(cases, ARRAY_SIZE(cases));
}

static void
test_avail(void)
{
    static const struct hostile cases[] = {
        { .name = "nothing", .n_avail = 0 },
        { .name = "all", .desc = { GOOD, GOOD, GOOD, GOOD },
          .heads = { 3, 1, 0, 2 }, .n_avail = 4 },
        { .name = "one more than all", .desc = { GOOD }, .n_avail = 5 },
        { .name = "half the world", .desc = { GOOD }, .n_avail = 32768 },
        { .name = "backwards", .desc = { GOOD }, .n_avail = 65535 },
        { .name = "head is the size", .heads = { 4 }, .n_avail = 1 },
        { .name = "head is 65535", .heads = { 65535 }, .n_avail = 1 },
        { .name = "third head is bad", .desc = { GOOD, GOOD },
          .heads = { 1, 0, 4, 2 }, .n_avail = 4 },
        { .name = "same head twice", .desc = { GOOD }, .heads = { 0, 0 },
          .n_avail = 2 },
    };

    run_all(cases, ARRAY_SIZE(cases));
}


static void
init_ring(struct guest *guest, struct guest_ring *ring,
          struct iovtee_vring *vr, uint32_t size)
{
    struct iovtee_vring_config config;

    CHECK(!guest_init(guest, layouts, ARRAY_SIZE(layouts)));
    guest_ring_init(ring, guest, RING_GPA, size, START, false);
    CHECK(!iovtee_vring_init(vr, guest_ring_config(ring, &config)));
}

static void
destroy_ring(struct guest *guest, struct guest_ring *ring,
             struct iovtee_vring *vr)
{
    iovtee_vring_destroy(vr);
    guest_ring_destroy(ring);
    guest_destroy(guest);
}

/* An index that takes back what it promised, while the device still has some
 * of it to take. */
static void
test_retract(void)
{
    static const uint16_t moves[] = { 2, 3, 0, 65535, 9, 10 };

    for (size_t i = 0; i < ARRAY_SIZE(moves); i++) {
        uint16_t start = START, heads[8];
        struct guest_ring ring;
        struct iovtee_vring vr;
        struct guest guest;
        unsigned n;

        init_ring(&guest, &ring, &vr, 8);
        guest_ring_set_avail_idx(&ring, start + 3);
        CHECK(iovtee_vring_take(&vr, heads, 1) == 1);
        guest_ring_set_avail_idx(&ring, start + moves[i]);
        n = iovtee_vring_n_avail(&vr, 8);
        printf("3, then %u: %u more, %s\n", moves[i], n,
               iovtee_vring_fault_name(vr.fault));
        destroy_ring(&guest, &ring, &vr);
    }
}

/* A buffer that was taken is left in the ring after all, while the driver says
 * that the whole ring is available, too. */
static void
test_untake(void)
{
    static const uint16_t moves[] = { 8, 15, 16, 1000 };

    for (size_t i = 0; i < ARRAY_SIZE(moves); i++) {
        uint16_t start = START, heads[8];
        struct guest_ring ring;
        struct iovtee_vring vr;
        struct guest guest;
        unsigned n;

        init_ring(&guest, &ring, &vr, 8);
        guest_ring_set_avail_idx(&ring, start + 8);
        CHECK(iovtee_vring_take(&vr, heads, 8) == 8);
        guest_ring_set_avail_idx(&ring,
                                 start + (moves[i] < 16 ? moves[i] : 16));
        iovtee_vring_n_avail(&vr, 8);
        iovtee_vring_untake(&vr, 1);
        guest_ring_set_avail_idx(&ring, start + moves[i]);
        n = iovtee_vring_n_avail(&vr, 16);
        printf("8 and %u: %u more, %s\n", moves[i] - 8, n,
               iovtee_vring_fault_name(vr.fault));
        destroy_ring(&guest, &ring, &vr);
    }
}

/* Chains that are too long for us, though not for the ring. */
static void
test_long(void)
{
    static struct iovtee_seg segs[IOVTEE_CHAIN_MAX_SEGS + 1];
    static const struct {
        uint32_t n;
        size_t max_segs;
    } cases[] = {
        { 3, 3 }, { 4, 3 }, { 1, 0 },
        { IOVTEE_CHAIN_MAX_SEGS, ARRAY_SIZE(segs) },
        { IOVTEE_CHAIN_MAX_SEGS + 1, ARRAY_SIZE(segs) },
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        size_t max_segs = cases[i].max_segs;
        enum iovtee_vring_fault fault;
        struct iovtee_chain chain;
        struct guest_ring ring;
        struct iovtee_vring vr;
        struct guest guest;

        init_ring(&guest, &ring, &vr, 2048);
        for (uint16_t j = 0; j < cases[i].n; j++) {
            struct iovtee_desc desc = CHAIN(j + 1);

            if (j == cases[i].n - 1) {
                desc.flags = W;
            }
            guest_ring_set_desc(&ring, j, desc);
        }
        memset(segs, 0, sizeof segs);
        fault = iovtee_vring_read_chain(&vr, 0, segs, max_segs, &chain);
        if (max_segs < ARRAY_SIZE(segs)) {
            CHECK(!segs[max_segs].va);
        }
        printf("%u with room for %zu: %s, segs=%u\n", cases[i].n, max_segs,
               iovtee_vring_fault_name(fault), chain.n_segs);
        CHECK(vr.fault == fault);

        CHECK(iovtee_vring_read_chain(&vr, 2048, segs, 1, &chain)
              == IOVTEE_FAULT_HEAD_RANGE);
        destroy_ring(&guest, &ring, &vr);
    }
}

/* Four times 2 GB is more than 'len' can say: so much of each is not used. */
static void
test_saturation(void)
{
    struct guest_layout layout = { 0, 3 * GB, 0, false };
    struct iovtee_vring_config config;
    struct iovtee_chain chain;
    struct iovtee_seg segs[4];
    struct guest_ring ring;
    struct iovtee_vring vr;
    struct guest guest;

    CHECK(!guest_init(&guest, &layout, 1));
    guest_ring_init(&ring, &guest, 0, 4, 0, false);
    for (uint16_t i = 0; i < 4; i++) {
        struct iovtee_desc desc = { GB, 2 * GB, W | (i < 3 ? N : 0), i + 1 };

        guest_ring_set_desc(&ring, i, desc);
    }
    CHECK(!iovtee_vring_init(&vr, guest_ring_config(&ring, &config)));
    CHECK(!iovtee_vring_read_chain(&vr, 2, segs, 4, &chain));
    printf("2: segs=%u len=%u\n", chain.n_segs, chain.len);
    CHECK(segs[0].len == IOVTEE_SEG_MAX_LEN);
    CHECK(!iovtee_vring_read_chain(&vr, 0, segs, 4, &chain));
    printf("4: segs=%u len=%u\n", chain.n_segs, chain.len);
    destroy_ring(&guest, &ring, &vr);
}

/* Buffers that are the ring: the device's own writes destroy what the guest
 * has, and nothing of the device's. */
static void
test_overlap(void)
{
    struct iovtee_chain chain;
    struct iovtee_seg seg;
    struct guest_buf buf;
    struct guest_ring ring;
    struct iovtee_vring vr;
    struct guest guest;
    uint16_t heads[8];

    init_ring(&guest, &ring, &vr, 8);
    buf.gpa = RING_GPA;
    buf.len = GUEST_RING_BYTES(8);
    for (int i = 0; i < 8; i++) {
        guest_ring_post(&ring, &buf, 1);
    }
    guest_ring_expose(&ring);

    CHECK(iovtee_vring_take(&vr, heads, 4) == 4);
    CHECK(!iovtee_vring_read_chain(&vr, heads[0], &seg, 1, &chain));
    memset(seg.va, 0xa5, seg.len);
    for (int i = 0; i < 4; i++) {
        iovtee_vring_give(&vr, heads[i], seg.len);
    }
    iovtee_vring_publish(&vr);
    printf("used index: %u\n", ring.used[1]);
    serve(&vr, "overwritten entries");
    CHECK(iovtee_vring_read_chain(&vr, 0, &seg, 1, &chain));

    /* The index, too, once what it had promised before is gone. */
    vr.fault = IOVTEE_FAULT_NONE;
    vr.last_avail = vr.avail_idx;
    serve(&vr, "overwritten index");
    destroy_ring(&guest, &ring, &vr);
}

static void
test_names(void)
{
    for (enum iovtee_vring_fault i = 0; i <= IOVTEE_N_FAULTS; i++) {
        printf("%s: %s\n", iovtee_vring_fault_name(i),
               iovtee_vring_fault_text(i));
    }
}


/* A guest that rewrites everything all the time. */

struct hammer {
    struct guest_ring ring;
    struct guest guest;
    bool transmit;              /* Changes each time that the ring is used. */
    bool stop;
};

static uint64_t
random_gpa(void)
{
    static const uint64_t gpas[] = {
        0, TABLE_GPA, EDGE_GPA - 100, EDGE_GPA, HOLE_GPA - 100, FAR_GPA,
        FAR_GPA + 5, FAR_GPA + 100, UINT64_MAX - 100,
    };

    return gpas[unit_random_below(ARRAY_SIZE(gpas))];
}

/* Returns a descriptor that may well be good, except that each part comes from
 * another one. */
static struct iovtee_desc
random_desc(uint32_t n)
{
    static const uint16_t flags[] = { W, W, W, W | N, W | N, I, I | N, 0 };
    static const uint32_t lens[] = { 1, 16, 32, 64, 99, 100, 0, 101 };

    return (struct iovtee_desc) {
        .addr = random_gpa(),
        .len = lens[unit_random_below(ARRAY_SIZE(lens))],
        .flags = flags[unit_random_below(ARRAY_SIZE(flags))],
        .next = unit_random_below(n + 1),
    };
}

static void *
hammer_main(void *hammer_)
{
    struct hammer *h = hammer_;
    struct iovtee_desc *table = guest_va(&h->guest, TABLE_GPA, 64);
    struct guest_ring fake = h->ring;

    fake.desc = table;
    while (!__atomic_load_n(&h->stop, __ATOMIC_RELAXED)) {
        uint16_t i = unit_random_below(h->ring.size);
        uint16_t old = h->ring.avail[1];

        guest_ring_set_desc(&h->ring, i, random_desc(h->ring.size));
        guest_ring_set_desc(&fake, i % 4, random_desc(4));
        guest_ring_set_avail(&h->ring, i,
                             unit_random_below(100)
                             ? unit_random_below(h->ring.size)
                             : unit_random());
        guest_ring_set_avail_idx(&h->ring, old + unit_random_below(2));
        if (!unit_random_below(1000)) {
            guest_ring_set_avail_idx(&h->ring, unit_random());
        }
    }
    return NULL;
}

/* Checks that all of 'seg' is in the device's own mapping. */
static void
check_seg(const struct iovtee_guestmem *mem, const struct iovtee_seg *seg)
{
    for (size_t i = 0; i < iovtee_guestmem_n_regions(mem); i++) {
        const struct iovtee_guestmem_mapping *m
            = iovtee_guestmem_region(mem, i);
        uint64_t ofs = (uintptr_t) seg->va - (uintptr_t) m->va;

        if (ofs < m->size && seg->len <= m->size - ofs) {
            CHECK(seg->len);
            return;
        }
    }
    CHECK(!"buffer is in guest memory");
}

/* Uses a ring until it is latched.  Returns how many buffers were good. */
static uint64_t
use_ring(struct hammer *h, uint64_t n_faults[])
{
    struct iovtee_vring_config config;
    struct iovtee_seg segs[16];
    struct iovtee_vring vr;
    uint64_t n_good = 0;

    guest_ring_config(&h->ring, &config);
    config.transmit = h->transmit = !h->transmit;
    config.last_avail = config.last_used
        = __atomic_load_n(&h->ring.avail[1], __ATOMIC_RELAXED);
    CHECK(!iovtee_vring_init(&vr, &config));
    for (int i = 0; i < 10000 && !vr.fault; i++) {
        uint16_t heads[32];
        unsigned n = iovtee_vring_take(&vr, heads, ARRAY_SIZE(heads));

        for (unsigned j = 0; j < n; j++) {
            struct iovtee_chain chain;
            struct iovtee_desc desc;
            uint32_t len = 0;

            CHECK(heads[j] < vr.size);
            if (iovtee_vring_read_desc(&vr, heads[j], &desc)) {
                struct iovtee_seg seg;

                CHECK(desc.len);
                if (iovtee_vring_map(&vr, &desc, &seg)) {
                    check_seg(vr.mem, &seg);
                }
            }
            if (!iovtee_vring_read_chain(&vr, heads[j], segs,
                                         ARRAY_SIZE(segs), &chain)) {
                CHECK(chain.n_segs && chain.n_segs <= ARRAY_SIZE(segs));
                for (uint32_t k = 0; k < chain.n_segs; k++) {
                    if (segs[k].len || !h->transmit) {
                        check_seg(vr.mem, &segs[k]);
                    }
                    len += segs[k].len;
                }
                CHECK(chain.len == len);
                n_good++;
            } else {
                CHECK(vr.fault && !chain.n_segs);
            }
            iovtee_vring_give(&vr, heads[j], len);
        }
        iovtee_vring_publish(&vr);
        CHECK(iovtee_vring_n_avail(&vr, 1) <= vr.size);
    }
    n_faults[vr.fault]++;
    iovtee_vring_destroy(&vr);
    return n_good;
}

static void
test_hammer(void)
{
    uint64_t n_faults[IOVTEE_N_FAULTS] = { 0 }, n_good = 0;
    time_t deadline = time(NULL) + 30;
    unsigned n_missing, n_rounds = 0;
    pthread_t thread;
    struct hammer h;

    h.stop = h.transmit = false;
    CHECK(!guest_init(&h.guest, layouts, ARRAY_SIZE(layouts)));
    guest_ring_init(&h.ring, &h.guest, RING_GPA, 32, 0, true);
    CHECK(!pthread_create(&thread, NULL, hammer_main, &h));

    /* Until everything that can go wrong did, and a good while more. */
    do {
        n_good += use_ring(&h, n_faults);
        n_missing = 0;
        for (int i = 0; i < IOVTEE_N_FAULTS; i++) {
            n_missing += (!n_faults[i] && i != IOVTEE_FAULT_NONE
                          && i != IOVTEE_FAULT_HEAD_BUSY
                          && i != IOVTEE_FAULT_MEMORY_LOST);
        }
        n_rounds++;
    } while ((n_missing || n_good < 10000 || n_rounds < 500000)
             && time(NULL) < deadline);

    __atomic_store_n(&h.stop, true, __ATOMIC_RELAXED);
    CHECK(!pthread_join(thread, NULL));
    guest_ring_destroy(&h.ring);
    guest_destroy(&h.guest);
    CHECK(!n_missing && n_good >= 10000);
    printf("ok\n");
}

int
main(int argc, char *argv[])
{
    static const struct unit_command commands[] = {
        { "chains", test_chains },
        { "indirect", test_indirect },
        { "buffers", test_buffers },
        { "transmit", test_transmit },
        { "avail", test_avail },
        { "retract", test_retract },
        { "untake", test_untake },
        { "long", test_long },
        { "saturation", test_saturation },
        { "overlap", test_overlap },
        { "names", test_names },
        { "hammer", test_hammer },
    };

    return unit_main(argc, argv, commands, ARRAY_SIZE(commands));
}
