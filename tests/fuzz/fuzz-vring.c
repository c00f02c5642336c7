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

/* Fuzzer of the virtqueue: a driver that is good for as long as the input
 * wants it to be, and a device that does with the buffers what the switch
 * does, with a ledger of them. */

#include <errno.h>

#include "fuzz.h"
#include "guest-driver.h"
#include "virtio/ledger.h"
#include "virtio/vring.h"

#define KB UINT64_C(1024)
#define GB (KB * KB * KB)

/* Rings, buffers and indirect tables are in regions of their own. */
#define RING_GPA UINT64_C(0)
#define BUF_GPA (4 * GB)
#define TABLE_GPA (5 * GB)
#define RING_SIZE (64 * KB)
#define BUF_SIZE (64 * KB)
#define TABLE_SIZE (8 * KB)

/* Largest ring. */
#define MAX_SIZE 256

/* What an input may do, so that it ends. */
#define MAX_STEPS 1000

static const struct guest_layout layouts[] = {
    { RING_GPA, RING_SIZE, 0, false },
    { BUF_GPA, BUF_SIZE, 4096, false },
    { TABLE_GPA, TABLE_SIZE, 12, false },
};

static struct guest guest;
static struct guest_ring ring;
static struct iovtee_vring vr;

/* What a good descriptor has, and one for the other direction has not. */
#define WRITE_FLAG (ring.transmit ? 0 : IOVTEE_DESC_F_WRITE)

static struct iovtee_ledger ledger;

static uint16_t held[MAX_SIZE];         /* Heads that the device has. */
static uint32_t n_held;

/* Does the ring lie where the driver thinks, and has nobody but the device
 * written to the used ring? */
static bool used_is_ours;

/* Has the driver done nothing wrong so far? */
static bool driver_is_good;

/* The used ring as it must be. */
static struct iovtee_used_elem used[MAX_SIZE];

static enum iovtee_vring_fault fault;   /* That the ring is latched with. */

int
LLVMFuzzerInitialize(int *argc __attribute__((__unused__)),
                     char ***argv __attribute__((__unused__)))
{
    CHECK(!guest_init(&guest, layouts, ARRAY_SIZE(layouts)));
    return 0;
}

/* Are the 'len' bytes at 'gpa' in one region of guest memory? */
static bool
is_in_guest(uint64_t gpa, uint32_t len)
{
    for (size_t i = 0; i < ARRAY_SIZE(layouts); i++) {
        if (len && gpa >= layouts[i].gpa
            && gpa < layouts[i].gpa + layouts[i].size
            && gpa + len <= layouts[i].gpa + layouts[i].size) {
            return true;
        }
    }
    return false;
}

/* Checks that the 'len' bytes at 'va' are in guest memory, as the device sees
 * it, and that they can be written to. */
static void
check_in_guest(const uint8_t *va_, uint64_t len)
{
    volatile uint8_t *va = (volatile uint8_t *) va_;

    CHECK(len);
    for (size_t i = 0; i < guest.n; i++) {
        const struct iovtee_guestmem_mapping *m
            = iovtee_guestmem_region(guest.mem, i);
        uint64_t ofs = va_ - (uint8_t *) m->va;

        if (ofs < m->size && len <= m->size - ofs) {
            va[0] = va[0];
            va[len - 1] = va[len - 1];
            return;
        }
    }
    CHECK(!"the device got an address in guest memory");
}

/* The chain that begins with descriptor 'head' as the guest sees it, by the
 * book: stores its pieces in 'descs'.  Returns their number, or 0 if anything
 * is wrong with it or if there are more than 'max'. */
static size_t
model_chain(uint32_t head, struct iovtee_desc descs[], size_t max)
{
    const uint8_t *table = (const uint8_t *) ring.desc;
    uint32_t table_size = ring.size;
    bool nested = false;
    uint32_t seen = 0;
    size_t n = 0;

    while (head < table_size && seen++ < table_size) {
        struct iovtee_desc desc;

        memcpy(&desc, table + head * sizeof desc, sizeof desc);
        head = desc.next;
        if (desc.flags & IOVTEE_DESC_F_INDIRECT) {
            if (nested || !ring.indirect || desc.flags & IOVTEE_DESC_F_NEXT
                || desc.len % sizeof desc || desc.len / sizeof desc > ring.size
                || !is_in_guest(desc.addr, desc.len)) {
                return 0;
            }
            table = guest_va(&guest, desc.addr, desc.len);
            table_size = desc.len / sizeof desc;
            nested = true;
            head = seen = 0;
            continue;
        }
        if (!(desc.flags & IOVTEE_DESC_F_WRITE) != ring.transmit || n >= max
            || (!is_in_guest(desc.addr, desc.len)
                && (desc.len || !ring.transmit))) {
            return 0;
        }
        descs[n++] = desc;
        if (!(desc.flags & IOVTEE_DESC_F_NEXT)) {
            return n;
        }
    }
    return 0;
}

/* Checks everything that must be true between any two steps. */
static void
check_invariants(void)
{
    uint32_t n = 0;

    CHECK(iovtee_ledger_is_balanced(&ledger) && !ledger.n_violations);
    for (int i = 0; i < IOVTEE_N_PLACES; i++) {
        n += ledger.n[i];
    }
    CHECK(n == ring.size);
    CHECK(ledger.n[IOVTEE_IDLE] == n_held);

    CHECK(!fault || vr.fault == fault);
    fault = vr.fault;
    CHECK(fault < IOVTEE_N_FAULTS);
    CHECK(!fault || !driver_is_good);
    CHECK((uint16_t) (vr.avail_idx - vr.last_avail) <= vr.size);
    CHECK((uint16_t) (vr.last_avail - vr.used_idx) == n_held);

    if (used_is_ours) {
        const struct iovtee_used_elem *elems = (const void *) (ring.used + 2);

        CHECK(ring.used[1] == vr.published);
        CHECK(!memcmp(elems, used, ring.size * sizeof *elems));
    }
}

/* The driver. */

/* Returns an address for 'len' bytes, which are most often in guest memory or
 * beside the end of it. */
static uint64_t
make_address(struct fuzz_input *in, uint64_t len)
{
    uint8_t how = fuzz_u8(in);
    const struct guest_layout *l = &layouts[how % ARRAY_SIZE(layouts)];

    return (how & 128 ? l->gpa + fuzz_u16(in) % l->size
            : how & 64 ? l->gpa + l->size - len + fuzz_u8(in) - 128
            : how & 32 ? l->gpa + l->size - len
            : how & 16 ? l->gpa + l->size - (len & ~UINT64_C(3))
            : l->gpa + fuzz_edge(in));
}

static uint32_t
make_length(struct fuzz_input *in)
{
    uint8_t how = fuzz_u8(in);

    return (how & 1 ? 16 * fuzz_u8(in)
            : how & 2 ? 1 + fuzz_below(in, 2048) : fuzz_edge(in));
}

static struct iovtee_desc
make_desc(struct fuzz_input *in)
{
    uint8_t flags = fuzz_u8(in);
    uint32_t len = make_length(in);

    return (struct iovtee_desc) {
        .addr = make_address(in, len),
        .len = len,
        .flags = (flags & 128 ? fuzz_u16(in)
                  : flags & 64 ? flags & 7
                  : WRITE_FLAG | (flags & 1)),
        .next = flags & 32 ? fuzz_u16(in) : fuzz_below(in, ring.size + 1),
    };
}

/* Posts a good buffer. */
static void
post(struct fuzz_input *in)
{
    struct guest_buf bufs[16];
    size_t n_direct = fuzz_below(in, 4);
    size_t n_indirect = 0;

    if (ring.indirect && (fuzz_u8(in) & 1)) {
        n_indirect = fuzz_below(in, 8);
        if (n_direct + n_indirect > ring.size || n_indirect > ring.size) {
            n_indirect = 0;
        }
    }
    if (!n_direct && !n_indirect) {
        n_direct = 1;
    }
    for (size_t i = 0; i < n_direct + n_indirect; i++) {
        bufs[i].len = 1 + fuzz_below(in, 2048);
        bufs[i].gpa = BUF_GPA + fuzz_below(in, BUF_SIZE - bufs[i].len + 1);
    }
    if (ring.n_free >= n_direct + !!n_indirect) {
        /* One table, with room for 8, for each descriptor that may refer to
         * it.  Those of large rings share tables. */
        uint16_t desc = ring.free[ring.n_free - 1];
        uint64_t table = TABLE_GPA + 128 * (desc % 64);

        driver_is_good &= !n_indirect || ring.size <= 64;
        guest_ring_post_indirect(&ring, bufs, n_direct, table, n_indirect);
    }
    if (fuzz_u8(in) & 1) {
        guest_ring_expose(&ring);
    }
}

static void
reap(void)
{
    uint16_t head;
    uint32_t len;

    if (driver_is_good && used_is_ours) {
        while (guest_ring_reap(&ring, &head, &len)) {
            continue;
        }
    }
}

/* Writes where the rings are, and not what a driver may. */
static void
scribble(struct fuzz_input *in)
{
    uint64_t ofs = fuzz_below(in, RING_SIZE - 8);
    uint64_t value = fuzz_edge(in);
    uint8_t *p = guest_va(&guest, RING_GPA + ofs, sizeof value);

    memcpy(p, &value, sizeof value);
    driver_is_good = used_is_ours = false;
}

/* Writes a descriptor to an indirect table, or a whole table for descriptor
 * 'i', which can be longer than the ring, or go on beyond its own end. */
static void
write_table(struct fuzz_input *in, uint16_t i)
{
    struct iovtee_desc desc = make_desc(in);
    uint32_t first = fuzz_below(in, TABLE_SIZE / sizeof desc);
    uint32_t max = TABLE_SIZE / sizeof desc - first;
    uint8_t how = fuzz_u8(in);
    uint32_t n = how & 1 ? 1 + fuzz_below(in, 2 * ring.size) : 1;
    uint64_t gpa = TABLE_GPA + first * sizeof desc;
    bool beyond;

    n = n < max ? n : max;
    beyond = n > 1 && n < max && how & 2;
    for (uint32_t j = 0; j < n + beyond; j++) {
        if (n > 1) {
            desc.flags = WRITE_FLAG | (j + 1 < n + beyond);
            desc.next = beyond ? n : j + 1;
        }
        memcpy(guest_va(&guest, gpa + j * sizeof desc, sizeof desc), &desc,
               sizeof desc);
    }
    if (n > 1) {
        desc.addr = gpa;
        desc.len = n * sizeof desc;
        desc.flags = IOVTEE_DESC_F_INDIRECT;
        guest_ring_set_desc(&ring, i, desc);
    }
}

/* Does something that a driver must not do, or not now. */
static void
do_evil(struct fuzz_input *in)
{
    uint16_t i = fuzz_below(in, ring.size);

    switch (fuzz_below(in, 6)) {
    case 0:
        guest_ring_set_desc(&ring, i, make_desc(in));
        break;
    case 1:
        guest_ring_set_avail(&ring, vr.last_avail + i,
                             fuzz_u8(in) & 1 ? fuzz_u16(in)
                             : fuzz_below(in, ring.size + 2));
        break;
    case 2:
        guest_ring_set_avail_idx(&ring, vr.last_avail + i
                                 + fuzz_below(in, ring.size + 2));
        break;
    case 3:
        guest_ring_set_avail_idx(&ring, fuzz_u16(in));
        break;
    case 4:
        scribble(in);
        break;
    case 5:
        write_table(in, i);
        break;
    }
    driver_is_good = false;
}

/* The device. */

/* Takes buffers as the switch does. */
static void
take(struct fuzz_input *in)
{
    uint16_t heads[MAX_SIZE + 1];
    unsigned int want = fuzz_below(in, ARRAY_SIZE(heads));
    unsigned int expected = iovtee_vring_n_avail(&vr, 1);
    unsigned int n = iovtee_vring_take(&vr, heads, want);

    CHECK(n <= want && n <= expected);
    CHECK(!fault || !n);
    for (unsigned int i = 0; i < n; i++) {
        CHECK(heads[i] < ring.size);
        if (iovtee_ledger_place(&ledger, heads[i]) != IOVTEE_GUEST) {
            iovtee_vring_break(&vr, IOVTEE_FAULT_HEAD_BUSY);
            vr.last_avail -= n - i;
            break;
        }
        iovtee_ledger_move(&ledger, heads[i], IOVTEE_GUEST, IOVTEE_IDLE);
        held[n_held++] = heads[i];
    }
}

/* Reads a buffer, most of the time one that the device has. */
static void
read_buffer(struct fuzz_input *in)
{
    uint8_t how = fuzz_u8(in);
    uint16_t head = (how & 1 && n_held ? held[fuzz_below(in, n_held)]
                     : how & 2 ? fuzz_u16(in) : fuzz_below(in, ring.size));
    size_t max_segs = how & 4 ? fuzz_below(in, 20) : IOVTEE_CHAIN_MAX_SEGS;
    static struct iovtee_seg segs[IOVTEE_CHAIN_MAX_SEGS];
    static struct iovtee_desc descs[IOVTEE_CHAIN_MAX_SEGS];
    size_t n_descs = model_chain(head, descs, max_segs);
    enum iovtee_vring_fault result;
    struct iovtee_chain chain;
    struct iovtee_desc desc;
    uint64_t len = 0;

    if (head < ring.size && iovtee_vring_read_desc(&vr, head, &desc)) {
        struct iovtee_seg seg;
        bool mapped = iovtee_vring_map(&vr, &desc, &seg);

        CHECK(mapped || !driver_is_good);
        if (mapped) {
            CHECK(seg.len && seg.len <= desc.len);
            check_in_guest(seg.va, desc.len);
        }
    }

    /* Of a good driver only what was posted is a good chain. */
    if (driver_is_good && (head >= ring.size || !ring.n_descs[head]
                           || max_segs < 16)) {
        return;
    }
    result = iovtee_vring_read_chain(&vr, head, segs, max_segs, &chain);
    CHECK(!result || vr.fault);
    CHECK(!result || fault || vr.fault == result);
    CHECK(!result == !!chain.n_segs);
    CHECK(!result == !!chain.len || ring.transmit);
    CHECK(chain.n_segs == n_descs && n_descs <= 2 * ring.size);
    for (uint32_t i = 0; i < n_descs; i++) {
        if (ring.transmit && !descs[i].len) {
            CHECK(!segs[i].len);
            continue;
        }
        CHECK(segs[i].va == iovtee_guestmem_translate(guest.mem, descs[i].addr,
                                                      descs[i].len));
        CHECK(segs[i].len == (descs[i].len < IOVTEE_SEG_MAX_LEN
                              ? descs[i].len : IOVTEE_SEG_MAX_LEN));
        check_in_guest(segs[i].va, segs[i].len);
        len += segs[i].len;
    }
    CHECK(chain.len == len);
    CHECK(ring.indirect || !chain.indirect);
}

static void
give(struct fuzz_input *in)
{
    uint32_t i = fuzz_below(in, n_held ? n_held : 1);
    struct iovtee_used_elem elem = { .len = fuzz_u16(in) };

    if (n_held) {
        elem.id = held[i];
        used[vr.used_idx & (ring.size - 1)] = elem;
        iovtee_vring_give(&vr, elem.id, elem.len);
        CHECK(iovtee_ledger_move(&ledger, elem.id, IOVTEE_IDLE,
                                 IOVTEE_GUEST));
        held[i] = held[--n_held];
    }
}

/* Leaves the buffer that was taken last to the driver, if it is still clear
 * which one that was. */
static void
untake(void)
{
    uint16_t head = iovtee_vring_last_taken(&vr);

    for (uint32_t i = 0; i < n_held; i++) {
        if (held[i] == head) {
            iovtee_ledger_move(&ledger, head, IOVTEE_IDLE, IOVTEE_GUEST);
            iovtee_vring_untake(&vr, 1);
            held[i] = held[--n_held];
            break;
        }
    }
}

/* Gives everything back and begins anew where this ended, perhaps with another
 * idea of where that was. */
static void
restart(struct fuzz_input *in, const struct iovtee_vring_config *config_)
{
    struct iovtee_vring_config config = *config_;
    uint16_t lie = fuzz_u8(in) & 7 ? 0 : fuzz_u16(in);
    uint16_t avail_idx, used_idx;

    while (n_held) {
        give(in);
    }
    iovtee_vring_publish(&vr);
    check_invariants();
    CHECK(!iovtee_vring_read_indices(&config, &avail_idx, &used_idx));
    CHECK(!used_is_ours || used_idx == vr.used_idx);
    config.last_used = vr.used_idx;
    config.last_avail = vr.last_avail + lie;
    CHECK(config.last_avail - config.last_used == 0 || lie);

    iovtee_vring_destroy(&vr);
    if (lie) {
        CHECK(iovtee_vring_init(&vr, &config)
              == (lie > ring.size ? EINVAL : 0));
        if (lie <= ring.size) {
            iovtee_vring_destroy(&vr);
        }
        config.last_avail = config.last_used;
    }
    CHECK(!iovtee_vring_init(&vr, &config));
    fault = IOVTEE_FAULT_NONE;
}

static void
step(struct fuzz_input *in, const struct iovtee_vring_config *config)
{
    unsigned int want, n;

    switch (fuzz_below(in, 17)) {
    case 0:
    case 1:
        if (driver_is_good) {
            post(in);
        } else {
            do_evil(in);
        }
        break;
    case 2:
        reap();
        break;
    case 3:
    case 4:
        do_evil(in);
        break;
    case 5:
        guest_ring_set_used_event(&ring, fuzz_u16(in));
        ring.avail[0] = fuzz_u8(in);
        break;
    case 6:
        want = fuzz_below(in, 300);
        n = iovtee_vring_n_avail(&vr, want);
        CHECK(n <= ring.size && (!vr.fault || !n));
        break;
    case 7:
    case 8:
        take(in);
        break;
    case 9:
    case 10:
        read_buffer(in);
        break;
    case 11:
    case 12:
        give(in);
        break;
    case 13:
        want = vr.used_idx != vr.published;
        CHECK(!iovtee_vring_publish(&vr) || want);
        CHECK(!iovtee_vring_publish(&vr));
        break;
    case 14:
        iovtee_vring_set_no_notify(&vr, fuzz_u8(in) & 1);
        break;
    case 15:
        restart(in, config);
        break;
    case 16:
        untake();
        break;
    }
}

/* Tries a ring anywhere, which need not be possible. */
static void
try_config(struct fuzz_input *in, const struct iovtee_vring_config *good)
{
    struct iovtee_vring_config config = *good;
    struct iovtee_vring other;
    uint8_t how = fuzz_u8(in);

    if (how & 8) {
        config.size = fuzz_edge(in);
    }
    if (how & 1) {
        config.desc_gpa = make_address(in, IOVTEE_DESC_AREA_SIZE(config.size));
    }
    if (how & 2) {
        config.avail_gpa = make_address(in,
                                        IOVTEE_AVAIL_AREA_SIZE(config.size));
    }
    if (how & 4) {
        config.used_gpa = make_address(in, IOVTEE_USED_AREA_SIZE(config.size));
    }
    if (!iovtee_vring_init(&other, &config)) {
        uint32_t size = config.size;

        CHECK(size && size <= IOVTEE_VRING_MAX_SIZE && !(size & (size - 1)));
        check_in_guest((const uint8_t *) other.desc,
                       IOVTEE_DESC_AREA_SIZE(size));
        check_in_guest((const uint8_t *) other.avail,
                       IOVTEE_AVAIL_AREA_SIZE(size));
        check_in_guest((const uint8_t *) other.used,
                       IOVTEE_USED_AREA_SIZE(size));
        CHECK(!((uintptr_t) other.desc % IOVTEE_DESC_ALIGN)
              && !((uintptr_t) other.avail % IOVTEE_AVAIL_ALIGN)
              && !((uintptr_t) other.used % IOVTEE_USED_ALIGN));
        CHECK(!(config.desc_gpa % IOVTEE_DESC_ALIGN)
              && !(config.avail_gpa % IOVTEE_AVAIL_ALIGN)
              && !(config.used_gpa % IOVTEE_USED_ALIGN));
        iovtee_vring_destroy(&other);
    } else {
        CHECK(how & 15);
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input in = { data, size };
    uint32_t ring_size = 1 << fuzz_below(&in, 9);
    uint8_t how = fuzz_u8(&in);
    uint16_t start = fuzz_u16(&in);
    struct iovtee_vring_config config;

    guest_ring_init(&ring, &guest, RING_GPA, ring_size, start, how & 1);
    ring.indirect = how & 2;
    ring.transmit = how & 4;
    guest_ring_config(&ring, &config);
    for (int i = 0; i < (how >> 5); i++) {
        try_config(&in, &config);
    }
    CHECK(!iovtee_vring_init(&vr, &config));
    iovtee_ledger_init(&ledger, ring_size);
    memset(used, 0, sizeof used);
    n_held = 0;
    used_is_ours = driver_is_good = true;
    fault = IOVTEE_FAULT_NONE;

    for (int i = 0; i < MAX_STEPS && in.size; i++) {
        step(&in, &config);
        check_invariants();
    }

    iovtee_ledger_destroy(&ledger);
    iovtee_vring_destroy(&vr);
    guest_ring_destroy(&ring);
    return 0;
}
