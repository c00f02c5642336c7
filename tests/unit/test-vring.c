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

#include <time.h>
#include <unistd.h>

#include "guest-driver.h"
#include "unit.h"
#include "virtio/busfault.h"
#include "vring-fixture.h"


/* Layouts of buffers. */

#define MAX_PIECES 300

struct layout {
    const char *name;
    size_t n_direct;
    size_t n_indirect;
    struct guest_buf bufs[MAX_PIECES];
};

/* Returns how much of a descriptor of 'len' bytes is used. */
static uint32_t
usable(uint32_t len)
{
    return len < IOVTEE_SEG_MAX_LEN ? len : IOVTEE_SEG_MAX_LEN;
}

/* Takes the only buffer of 'f', fills all of it with bytes that differ from
 * place to place, and gives it back.  Prints what it looked like, unless
 * 'name' is NULL. */
static void
device_fill(struct fixture *f, const char *name)
{
    static struct iovtee_seg segs[IOVTEE_CHAIN_MAX_SEGS];
    enum iovtee_vring_fault fault;
    struct iovtee_chain chain;
    struct iovtee_desc desc;
    uint16_t heads[4];
    uint32_t n = 0;
    bool simple;

    CHECK(iovtee_vring_take(&f->vr, heads, ARRAY_SIZE(heads)) == 1);
    simple = iovtee_vring_read_desc(&f->vr, heads[0], &desc);
    fault = iovtee_vring_read_chain(&f->vr, heads[0], segs, ARRAY_SIZE(segs),
                                    &chain);
    CHECK(!fault);
    if (name) {
        printf("%s: simple=%s indirect=%s segs=%u len=%u\n", name,
               simple ? "yes" : "no", chain.indirect ? "yes" : "no",
               chain.n_segs, chain.len);
    }

    if (simple) {
        CHECK(chain.n_segs == 1 && !chain.indirect);
        CHECK(usable(desc.len) == segs[0].len);
        CHECK(iovtee_guestmem_translate(f->vr.mem, desc.addr, segs[0].len)
              == segs[0].va);
    }
    for (uint32_t i = 0; i < chain.n_segs; i++) {
        for (uint32_t j = 0; j < segs[i].len; j++) {
            segs[i].va[j] = n++ * 7 + 1;
        }
    }
    CHECK(n == chain.len);
    iovtee_vring_give(&f->vr, heads[0], n);
    iovtee_vring_publish(&f->vr);
}

/* Checks that the driver finds what device_fill() wrote to 'layout'. */
static void
driver_check(struct fixture *f, const struct layout *layout, int posted)
{
    uint32_t len, n = 0;
    uint16_t head;

    CHECK(guest_ring_reap(&f->ring, &head, &len) && head == posted);
    for (size_t i = 0; i < layout->n_direct + layout->n_indirect; i++) {
        const struct guest_buf *buf = &layout->bufs[i];
        uint8_t *va = guest_va(&f->guest, buf->gpa, buf->len);

        for (uint32_t j = 0; j < usable(buf->len); j++) {
            CHECK(va[j] == (uint8_t) (n * 7 + 1));
            n++;
        }
    }
    CHECK(n == len);
    CHECK(!guest_ring_reap(&f->ring, &head, &len));
    CHECK(f->ring.n_free == f->ring.size);
}

static void
test_layout(const struct layout *layout)
{
    struct fixture f;
    int head;

    setup(&f, 256, 0, false);

    /* Twice, so that the second chain is not in the order of the table; and
     * the second table is not aligned to anything. */
    for (int i = 0; i < 2; i++) {
        head = guest_ring_post_indirect(&f.ring, layout->bufs,
                                        layout->n_direct, TABLE_GPA + i,
                                        layout->n_indirect);
        CHECK(head >= 0);
        guest_ring_expose(&f.ring);
        device_fill(&f, i ? NULL : layout->name);
        driver_check(&f, layout, head);
        CHECK(post_simple(&f, 1) >= 0 && post_simple(&f, 1) >= 0);
        guest_ring_expose(&f.ring);
        for (int j = 0; j < 2; j++) {
            uint16_t heads[1];
            uint32_t len;

            CHECK(iovtee_vring_take(&f.vr, heads, 1) == 1);
            iovtee_vring_give(&f.vr, heads[0], 0);
            iovtee_vring_publish(&f.vr);
            CHECK(guest_ring_reap(&f.ring, heads, &len) && !len);
        }
    }
    teardown(&f);
}

static void
test_layouts(void)
{
    static const struct layout layouts[] = {
        { "single", 1, 0, { { BUF_GPA, 1526 } } },
        { "unaligned", 1, 0, { { BUF_GPA + 4093, 1530 } } },
        { "one byte", 1, 0, { { BUF_GPA, 1 } } },
        { "whole region", 1, 0, { { BUF_GPA, 4 * MB } } },
        { "end of region", 1, 0, { { BUF_GPA + 4 * MB - 12, 12 } } },
        { "header apart", 2, 0, { { BUF_GPA + 64, 10 },
                                  { BUF_GPA + 2048, 1514 } } },
        { "backwards", 3, 0, { { BUF_GPA + 8000, 100 },
                               { BUF_GPA + 4000, 4000 },
                               { BUF_GPA, 1 } } },
        { "indirect", 0, 1, { { BUF_GPA, 1526 } } },
        { "indirect, header apart", 0, 2, { { BUF_GPA + 64, 12 },
                                            { BUF_GPA + 2048, 1514 } } },
        { "direct, then indirect", 2, 2, { { BUF_GPA + 64, 12 },
                                           { BUF_GPA + 4096, 1000 },
                                           { BUF_GPA + 2048, 514 },
                                           { BUF_GPA + 9000, 5000 } } },
    };
    struct layout chain = { .name = "whole ring", .n_direct = 256 };

    for (size_t i = 0; i < ARRAY_SIZE(layouts); i++) {
        test_layout(&layouts[i]);
    }

    for (size_t i = 0; i < 256; i++) {
        chain.bufs[i] = (struct guest_buf) { BUF_GPA + 100 * i, 1 + i % 99 };
    }
    test_layout(&chain);
    chain.name = "whole ring, indirect";
    chain.n_indirect = 256;
    chain.n_direct = 0;
    test_layout(&chain);
    chain.name = "one and a table of 255";
    chain.n_direct = 1;
    chain.n_indirect = 255;
    test_layout(&chain);
}


/* Order of buffers. */

enum order { FIFO, LIFO, RANDOM };

/* Passes 'n' buffers through a ring of 'size' entries that begins at 'start'.
 * The device holds as many as it gets and gives them back in 'order'. */
static void
test_flow(uint32_t size, uint16_t start, enum order order, uint32_t n)
{
    uint16_t *posted = calloc(size, sizeof *posted);    /* Queue. */
    uint16_t *held = calloc(size, sizeof *held);
    struct {
        uint16_t head;
        uint32_t len;
    } *given = calloc(size, sizeof *given);             /* Queue. */
    uint32_t n_posted = 0, n_taken = 0, n_given = 0, n_reaped = 0;
    uint32_t n_held = 0;
    struct fixture f;

    CHECK(posted && held && given);
    setup(&f, size, start, false);
    while (n_reaped < n) {
        uint16_t heads[64], head;
        uint32_t k, len;
        int posted_head;

        for (k = unit_random_below(100); k > 0; k--) {
            posted_head = post_simple(&f, 100);
            if (posted_head < 0) {
                CHECK(n_posted - n_reaped == size);
                break;
            }
            posted[n_posted++ % size] = posted_head;
        }
        guest_ring_expose(&f.ring);

        CHECK(iovtee_vring_n_avail(&f.vr, size) == n_posted - n_taken);
        k = iovtee_vring_take(&f.vr, heads, unit_random_below(65));
        for (uint32_t i = 0; i < k; i++) {
            CHECK(heads[i] == posted[n_taken++ % size]);
            held[n_held++] = heads[i];
        }

        for (k = unit_random_below(n_held + 1); k > 0; k--) {
            uint32_t i = (order == FIFO ? 0
                          : order == LIFO ? n_held - 1
                          : unit_random_below(n_held));

            len = unit_random();
            iovtee_vring_give(&f.vr, held[i], len);
            given[n_given % size].head = held[i];
            given[n_given++ % size].len = len;
            memmove(&held[i], &held[i + 1], (--n_held - i) * sizeof *held);
        }
        iovtee_vring_publish(&f.vr);

        while (n_reaped != n_given) {
            CHECK(guest_ring_reap(&f.ring, &head, &len));
            CHECK(head == given[n_reaped % size].head);
            CHECK(len == given[n_reaped % size].len);
            n_reaped++;
        }
        CHECK(!guest_ring_reap(&f.ring, &head, &len));
    }
    teardown(&f);
    free(posted);
    free(held);
    free(given);
}

/* Ring sizes, starting points and orders.  The indices wrap in each. */
static void
test_order(void)
{
    static const uint32_t sizes[] = { 1, 2, 4, 256, 1024, 32768 };
    static const uint16_t starts[] = { 0, 1, 32768, 65279, 65534, 65535 };

    for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
        for (size_t j = 0; j < ARRAY_SIZE(starts); j++) {
            for (enum order order = FIFO; order <= RANDOM; order++) {
                test_flow(sizes[i], starts[j], order,
                          order == RANDOM ? 140000 : 70000);
            }
        }
        printf("size %u: ok\n", sizes[i]);
    }
}

/* How fresh what iovtee_vring_n_avail() and iovtee_vring_take() say is. */
static void
test_avail(void)
{
    uint16_t heads[16];
    struct fixture f;

    setup(&f, 16, 65530, false);
    printf("empty: %u\n", iovtee_vring_n_avail(&f.vr, 1));
    for (int i = 0; i < 4; i++) {
        post_simple(&f, 1);
    }
    printf("posted, not exposed: %u\n", iovtee_vring_n_avail(&f.vr, 16));
    guest_ring_expose(&f.ring);
    printf("4 exposed: %u\n", iovtee_vring_n_avail(&f.vr, 1));
    for (int i = 0; i < 3; i++) {
        post_simple(&f, 1);
    }
    guest_ring_expose(&f.ring);
    printf("3 more, want 0: %u\n", iovtee_vring_n_avail(&f.vr, 0));
    printf("3 more, want 4: %u\n", iovtee_vring_n_avail(&f.vr, 4));
    printf("take 16: %u\n", iovtee_vring_take(&f.vr, heads, 16));
    printf("take 16: %u\n", iovtee_vring_take(&f.vr, heads, 16));
    printf("take 16: %u\n", iovtee_vring_take(&f.vr, heads, 16));
    for (int i = 0; i < 9; i++) {
        CHECK(post_simple(&f, 1) >= 0);
    }
    guest_ring_expose(&f.ring);
    printf("9 more, take 0: %u\n", iovtee_vring_take(&f.vr, heads, 0));
    printf("want 5: %u\n", iovtee_vring_n_avail(&f.vr, 5));
    printf("take 5: %u\n", iovtee_vring_take(&f.vr, heads, 5));
    printf("want 5: %u\n", iovtee_vring_n_avail(&f.vr, 5));
    teardown(&f);
}


/* Initialization. */

static void
try_init(const char *name, const struct iovtee_vring_config *config)
{
    struct iovtee_vring vr;
    int error = iovtee_vring_init(&vr, config);

    printf("%s: %s\n", name, error ? strerror(error) : "ok");
    if (!error) {
        iovtee_vring_destroy(&vr);
    }
}

static void
test_init_sizes(const struct iovtee_vring_config *good)
{
    static const uint32_t sizes[] = {
        0, 1, 2, 3, 255, 256, 257, 32767, 32768, 32769, 65536, UINT32_MAX,
    };

    for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
        struct iovtee_vring_config config = *good;
        char name[32];

        config.size = sizes[i];
        snprintf(name, sizeof name, "size %u", sizes[i]);
        try_init(name, &config);
    }
}

/* Each of the three areas, all over and beyond its region. */
static void
test_init_places(const struct iovtee_vring_config *good)
{
    static const struct {
        const char *name;
        size_t ofs;
        uint64_t size;
        unsigned align;
    } areas[] = {
        { "desc", offsetof(struct iovtee_vring_config, desc_gpa),
          16 * 256, 16 },
        { "avail", offsetof(struct iovtee_vring_config, avail_gpa),
          2 * 256 + 6, 2 },
        { "used", offsetof(struct iovtee_vring_config, used_gpa),
          8 * 256 + 6, 4 },
    };

    for (size_t i = 0; i < ARRAY_SIZE(areas); i++) {
        uint64_t align = areas[i].align;
        uint64_t last = (BUF_GPA + 4 * MB - areas[i].size) / align * align;
        const uint64_t places[] = {
            BUF_GPA, BUF_GPA + align / 2, BUF_GPA + 1, last, last + align,
            BUF_GPA + 4 * MB, BUF_GPA - align, UINT64_MAX / align * align,
        };
        static const char *names[] = {
            "first", "half aligned", "odd", "last", "beyond the last",
            "after the region", "before the region", "end of the world",
        };

        for (size_t j = 0; j < ARRAY_SIZE(places); j++) {
            struct iovtee_vring_config config = *good;
            char name[64];

            memcpy((char *) &config + areas[i].ofs, &places[j],
                   sizeof places[j]);
            snprintf(name, sizeof name, "%s, %s", areas[i].name, names[j]);
            try_init(name, &config);
        }
    }
}

static void
test_init(void)
{
    static const struct {
        uint16_t avail, used;
    } indices[] = {
        { 0, 0 }, { 256, 0 }, { 257, 0 }, { 0, 1 }, { 10, 65530 },
        { 246, 65526 }, { 247, 65526 }, { 65535, 65279 }, { 65535, 65278 },
    };
    static const struct guest_layout odd_layouts[] = {
        { 0, MB, 2, false },
        { MB + 8, MB, 0, false },
    };
    struct iovtee_vring_config config;
    struct fixture f;
    struct guest odd;

    setup(&f, 256, 0, false);
    guest_ring_config(&f.ring, &config);
    test_init_sizes(&config);
    test_init_places(&config);
    for (size_t i = 0; i < ARRAY_SIZE(indices); i++) {
        char name[64];

        config.last_avail = indices[i].avail;
        config.last_used = indices[i].used;
        snprintf(name, sizeof name, "avail %u, used %u", indices[i].avail,
                 indices[i].used);
        try_init(name, &config);
    }

    /* Aligned for the guest but not here, and the other way round. */
    CHECK(!guest_init(&odd, odd_layouts, ARRAY_SIZE(odd_layouts)));
    guest_ring_config(&f.ring, &config);
    config.mem = odd.mem;
    try_init("region that begins at offset 2", &config);
    config.desc_gpa = MB + 8;
    config.avail_gpa = MB + 8 + 4096;
    config.used_gpa = MB + 8 + 8192;
    try_init("region that begins at address 8", &config);
    guest_destroy(&odd);
    teardown(&f);
}

/* A ring that was taken over in the middle, with buffers that somebody else
 * took. */
static void
test_resume(void)
{
    struct iovtee_vring_config config;
    uint16_t heads[8], head;
    struct iovtee_vring vr;
    struct fixture f;
    uint32_t len;

    setup(&f, 8, 65533, true);
    for (int i = 0; i < 8; i++) {
        CHECK(post_simple(&f, 1) >= 0);
    }
    guest_ring_expose(&f.ring);
    CHECK(iovtee_vring_take(&f.vr, heads, 5) == 5);
    iovtee_vring_give(&f.vr, heads[3], 3);
    iovtee_vring_publish(&f.vr);

    guest_ring_config(&f.ring, &config);
    config.last_avail = f.vr.last_avail;
    config.last_used = f.vr.used_idx;
    CHECK(!iovtee_vring_init(&vr, &config));
    iovtee_vring_give(&vr, heads[1], 1);
    printf("first decision: %d\n", iovtee_vring_publish(&vr));
    printf("take: %u\n", iovtee_vring_take(&vr, heads, 8));
    while (guest_ring_reap(&f.ring, &head, &len)) {
        printf("reaped: head=%u len=%u\n", head, len);
    }
    iovtee_vring_destroy(&vr);
    teardown(&f);
}

/* The file behind region 'region' is truncated, while the device has all
 * buffers. */
static void
lose(size_t region, const char *name)
{
    struct iovtee_chain chain;
    struct iovtee_seg seg;
    struct fixture f;
    uint16_t heads[4];

    setup(&f, 8, 65534, false);
    for (int i = 0; i < 4; i++) {
        CHECK(post_simple(&f, 100) >= 0);
    }
    guest_ring_expose(&f.ring);
    CHECK(iovtee_vring_take(&f.vr, heads, 4) == 4);
    CHECK(!iovtee_vring_read_chain(&f.vr, heads[0], &seg, 1, &chain));

    /* Nobody looks at the guest's own mapping after that. */
    CHECK(!ftruncate(f.guest.regions[region].fd, 0));
    memset(seg.va, 0xa5, seg.len);
    printf("%s: lost=%d", name, iovtee_guestmem_is_lost(f.guest.mem));
    for (int i = 0; i < 4; i++) {
        iovtee_vring_give(&f.vr, heads[i], seg.len);
    }
    iovtee_vring_publish(&f.vr);
    CHECK(!iovtee_vring_take(&f.vr, heads, 4));
    printf(" -> %s\n", iovtee_vring_fault_name(f.vr.fault));
    f.vr.fault = IOVTEE_FAULT_NONE;
    teardown(&f);
}

static void
test_lost(void)
{
    CHECK(!iovtee_busfault_init());
    lose(0, "ring");
    lose(1, "buffers");
    lose(2, "what is not used");
}


/* Speed. */

static double
now_ns(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return ts.tv_sec * 1e9 + ts.tv_nsec;
}

/* Prints what a buffer costs us, in nanoseconds, on a ring whose driver runs
 * on the same core, so that no cache line travels. */
static void
benchmark(void)
{
    enum { BURST = 32, N_BURSTS = 200000 };
    double t_take = 0, t_desc = 0, t_chain = 0, t_give = 0;
    struct iovtee_seg segs[4];
    struct iovtee_chain chain;
    struct iovtee_desc desc;
    uint64_t sum = 0;
    struct fixture f;

    setup(&f, 256, 0, true);
    for (int i = 0; i < N_BURSTS; i++) {
        double t0, t1, t2, t3, t4;
        uint16_t heads[BURST], head;
        uint32_t len;

        for (int j = 0; j < BURST; j++) {
            CHECK(post_simple(&f, 2048) >= 0);
        }
        guest_ring_expose(&f.ring);

        t0 = now_ns();
        CHECK(iovtee_vring_take(&f.vr, heads, BURST) == BURST);
        t1 = now_ns();
        for (int j = 0; j < BURST; j++) {
            CHECK(iovtee_vring_read_desc(&f.vr, heads[j], &desc));
            sum += (uintptr_t) iovtee_guestmem_translate(f.vr.mem, desc.addr,
                                                         desc.len);
        }
        t2 = now_ns();
        for (int j = 0; j < BURST; j++) {
            CHECK(!iovtee_vring_read_chain(&f.vr, heads[j], segs,
                                           ARRAY_SIZE(segs), &chain));
        }
        t3 = now_ns();
        for (int j = 0; j < BURST; j++) {
            iovtee_vring_give(&f.vr, heads[j], 64);
        }
        sum += iovtee_vring_publish(&f.vr);
        t4 = now_ns();

        t_take += t1 - t0;
        t_desc += t2 - t1;
        t_chain += t3 - t2;
        t_give += t4 - t3;
        while (guest_ring_reap(&f.ring, &head, &len)) {
            continue;
        }
    }
    teardown(&f);

    CHECK(sum);
    printf("ns per buffer, bursts of %d:\n", BURST);
    printf("  take                  %6.2f\n", t_take / BURST / N_BURSTS);
    printf("  read_desc, translate  %6.2f\n", t_desc / BURST / N_BURSTS);
    printf("  read_chain            %6.2f\n", t_chain / BURST / N_BURSTS);
    printf("  give, publish         %6.2f\n", t_give / BURST / N_BURSTS);
}

int
main(int argc, char *argv[])
{
    static const struct unit_command commands[] = {
        { "layouts", test_layouts },
        { "order", test_order },
        { "avail", test_avail },
        { "init", test_init },
        { "resume", test_resume },
        { "lost", test_lost },
        { "benchmark", benchmark },
    };

    return unit_main(argc, argv, commands, ARRAY_SIZE(commands));
}
