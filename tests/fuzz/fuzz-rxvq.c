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

/* Fuzzer of a guest's receive queue: a guest that writes anything into its
 * ring, a NIC that fills buffers in any order or hands them back, and a switch
 * that delivers, drops and keeps packets, until the queue ends somehow.
 *
 * Linked with --wrap=time_usec. */

#include <config.h>

#include "queue/rxvq.h"

#include <rte_mbuf.h>

#include "compat/compat.h"
#include "openvswitch/vlog.h"
#include "packets.h"
#include "util.h"
#include "rxvq-fixture.h"

/* Open vSwitch has the same. */
#undef ARRAY_SIZE
#include "fuzz.h"
#include "unit-eal.h"

#define RING_GPA UINT64_C(0)
#define BUF_GPA (UINT64_C(4) << 30)
#define RING_SIZE 65536
#define BUF_SIZE (MAX_SIZE * BUF_STEP)
#define BUF_STEP 4096

/* What an input may do, so that it ends. */
#define MAX_STEPS 200

/* Largest ring, longest frame, and the length of most buffers. */
enum { MAX_SIZE = 64, MAX_FRAME = 2000, BUF_LEN = 2048 };

static const struct guest_layout layouts[] = {
    { RING_GPA, RING_SIZE, 0, false },
    { BUF_GPA, BUF_SIZE, 4096, false },
};

static struct guest guest;
static struct guest_ring ring;
static struct iovtee_ring_setup session_ring;
static struct iovtee_rxvq *vq;
static struct iovtee_loan posted;

/* What the guest has ever posted, if that is all of it. */
static struct {
    size_t ofs;                 /* From BUF_GPA. */
    size_t len;
} ranges[4096];
static size_t n_ranges;
static bool is_exact;

/* What is in the buffers until somebody writes to them. */
static uint8_t pattern[BUF_SIZE];

/* Shells that the NIC has, and packets that are in the switch. */
static struct dp_packet *in_nic[MAX_SIZE];
static struct dp_packet *in_switch[MAX_SIZE];
static uint32_t n_nic, n_switch;

long long int __wrap_time_usec(void);

/* The queue waits for packets that do not come home. */
long long int
__wrap_time_usec(void)
{
    static long long int now;

    return now += 50 * 1000;
}

int
LLVMFuzzerInitialize(int *argc OVS_UNUSED, char ***argv)
{
    set_program_name((*argv)[0]);
    vlog_set_levels(NULL, VLF_ANY_DESTINATION, VLL_OFF);
    unit_eal_init("64");
    CHECK(!guest_init(&guest, layouts, ARRAY_SIZE(layouts)));
    for (size_t i = 0; i < BUF_SIZE; i++) {
        pattern[i] = i * 13 + (i >> 8);
    }
    return 0;
}

/* Checks that the 'len' bytes at 'va' are in one of the guest's regions. */
static void
check_in_guest(const uint8_t *va, uint64_t len)
{
    for (size_t i = 0; i < guest.n; i++) {
        const struct iovtee_guestmem_mapping *m
            = iovtee_guestmem_region(guest.mem, i);
        uint64_t ofs = va - (uint8_t *) m->va;

        if (ofs < m->size && len <= m->size - ofs) {
            return;
        }
    }
    CHECK(!"the NIC got a buffer in guest memory");
}

static void
init_memory(void)
{
    memcpy(guest_va(&guest, BUF_GPA, BUF_SIZE), pattern, BUF_SIZE);
    n_ranges = 0;
    is_exact = true;
}

/* Checks that nothing was written to but what the guest had posted. */
static void
check_memory(void)
{
    uint8_t *bufs = guest_va(&guest, BUF_GPA, BUF_SIZE);

    if (is_exact) {
        for (size_t i = 0; i < n_ranges; i++) {
            memcpy(bufs + ranges[i].ofs, pattern + ranges[i].ofs,
                   ranges[i].len);
        }
        CHECK(!memcmp(bufs, pattern, BUF_SIZE));
    }
}

static void
check_invariants(void)
{
    struct iovtee_rxvq_info info;
    uint32_t n;

    iovtee_rxvq_get_info(vq, &info);
    CHECK(iovtee_rxvq_is_balanced(vq) && !info.n_violations);
    CHECK(info.n[IOVTEE_GUEST] + info.n[IOVTEE_IDLE] + info.n[IOVTEE_NIC]
          + info.n[IOVTEE_SWITCH] == ring.size);
    CHECK(info.n[IOVTEE_NIC] == n_nic && info.n[IOVTEE_SWITCH] == n_switch);
    n = iovtee_loan_read(&posted.n_nic);
    CHECK(n == n_nic);
    CHECK((uint16_t) (vq->vring.last_avail - vq->vring.used_idx)
          == ring.size - info.n[IOVTEE_GUEST]);
    CHECK(vq->vring.published == vq->vring.used_idx);
}

/* The guest. */

/* Makes 'desc' descriptor 'i'. */
static void
set_desc(uint16_t i, struct iovtee_desc desc)
{
    uint64_t ofs = desc.addr - BUF_GPA;

    if (ofs < BUF_SIZE && desc.len <= BUF_SIZE - ofs
        && !(desc.flags & IOVTEE_DESC_F_INDIRECT)
        && n_ranges < ARRAY_SIZE(ranges)) {
        ranges[n_ranges].ofs = ofs;
        ranges[n_ranges++].len = desc.len;
    } else {
        is_exact = false;
    }
    guest_ring_set_desc(&ring, i, desc);
}

static struct iovtee_desc
make_desc(struct fuzz_input *in)
{
    uint8_t how = fuzz_u8(in);

    return (struct iovtee_desc) {
        .addr = (how & 8 ? fuzz_edge(in)
                 : BUF_GPA + fuzz_u16(in) * UINT64_C(4) + (how & 7)),
        .len = how & 16 ? fuzz_below(in, 4096) : BUF_LEN,
        .flags = how & 32 ? fuzz_u8(in) & 7 : IOVTEE_DESC_F_WRITE,
        .next = fuzz_below(in, ring.size + 1),
    };
}

/* Makes 'n' buffers available, one after the other or as the input says. */
static void
post(struct fuzz_input *in)
{
    uint32_t n = fuzz_below(in, ring.size + 1);
    uint8_t how = fuzz_u8(in);

    for (uint32_t i = 0; i < n; i++) {
        struct iovtee_desc desc = {
            .addr = BUF_GPA + (ring.avail_idx % ring.size) * BUF_STEP,
            .len = how & 8 ? 100 : BUF_LEN,
            .flags = IOVTEE_DESC_F_WRITE,
        };
        uint16_t head = ring.avail_idx % ring.size;

        if (how & 1) {
            desc = make_desc(in);
        }
        if (how & 2) {
            head = fuzz_below(in, ring.size + 1);
        }
        set_desc(head % ring.size, desc);
        guest_ring_set_avail(&ring, ring.avail_idx++, head);
    }
    guest_ring_set_avail_idx(&ring, ring.avail_idx);
    if (how & 4) {
        ring.avail_idx = vq->vring.last_avail;
    }
}

/* The NIC. */

static void
lend(struct fuzz_input *in)
{
    uint8_t how = fuzz_u8(in);
    uint32_t max_frame = how & 1 ? MAX_FRAME : 60;
    unsigned int n = fuzz_below(in, MAX_SIZE - n_nic + 1);
    bool all = fuzz_u8(in) & 1;
    bool unfit;
    unsigned int got;

    /* As if packets had voted for it.  (They do, but too few.) */
    vq->shift.now = ((how >> 1) % IOVTEE_N_SHIFTS * IOVTEE_SHIFT_STEP
                     - IOVTEE_SHIFT_MAX);
    posted.front = how & 128 ? VLAN_HEADER_LEN : 0;

    got = iovtee_rxvq_post(vq, (void **) &in_nic[n_nic], n, all, max_frame,
                           &posted, &unfit);
    CHECK(got <= n);
    for (unsigned int i = 0; i < got; i++) {
        struct dp_packet *packet = in_nic[n_nic++];
        int shift = vq->bufs[iovtee_rxvq_head(vq, packet)].shift;
        struct rte_mbuf *m = &packet->mbuf;
        uint32_t start = vq->hdr_len + shift;

        CHECK(m->pool == vq->shells && m->data_off == RTE_PKTMBUF_HEADROOM);
        CHECK(rte_mbuf_refcnt_read(m) == 1 && m->nb_segs == 1 && !m->next);
        CHECK(m->buf_len >= RTE_PKTMBUF_HEADROOM + max_frame);
        CHECK(start >= posted.front);
        check_in_guest(rte_pktmbuf_mtod(m, uint8_t *) - start,
                       start + m->buf_len - RTE_PKTMBUF_HEADROOM);
        m->pkt_len = max_frame; /* For receive(). */
    }
}

/* Takes a packet out of the 'n' 'packets'. */
static struct dp_packet *
pick(struct fuzz_input *in, struct dp_packet *packets[], uint32_t *n)
{
    uint32_t i = fuzz_below(in, *n);
    struct dp_packet *packet = packets[i];

    packets[i] = packets[--*n];
    return packet;
}

static void
receive(struct fuzz_input *in)
{
    for (unsigned int n = fuzz_below(in, 8); n && n_nic; n--) {
        struct dp_packet *packet = pick(in, in_nic, &n_nic);
        struct rte_mbuf *m = &packet->mbuf;
        uint32_t len = 1 + fuzz_below(in, m->pkt_len);

        if (fuzz_u8(in) < 16) {
            rte_pktmbuf_free(m);        /* The NIC's queue stops. */
            continue;
        }
        memset(rte_pktmbuf_mtod(m, void *), 0x5a, len);
        m->data_len = m->pkt_len = len;
        m->port = VQ_PEER;
        m->ol_flags = 0;
        iovtee_packet_received(packet);
        dp_packet_reset_offsets(packet);
        if (iovtee_rxvq_received(vq, &packet, 1)) {
            CHECK(dp_packet_headroom(packet)
                  == vq->hdr_len
                     + vq->bufs[iovtee_rxvq_head(vq, packet)].shift);
            check_in_guest(m->buf_addr, m->buf_len);
            in_switch[n_switch++] = packet;
        }
    }
}

/* The switch. */

/* Returns a packet for the guest. */
static struct dp_packet *
make_packet(struct fuzz_input *in)
{
    uint8_t how = fuzz_u8(in);
    struct dp_packet *packet;

    if (how & 1 && n_switch) {
        packet = pick(in, in_switch, &n_switch);
        if (how & 2) {
            dp_packet_pull(packet, MIN(4, dp_packet_size(packet)));
        } else if (how & 16) {
            dp_packet_push_zeros(packet, VLAN_HEADER_LEN);
        }
        return packet;
    }
    return (how & 4
            ? vq_switch_packet(1 + fuzz_below(in, VQ_MAX_FRAME), 1)
            : vq_host_packet(1 + fuzz_below(in, 2000), 1,
                             how & 8 ? VQ_PEER : VQ_PEER + 1));
}

static void
deliver(struct fuzz_input *in)
{
    struct dp_packet *packets[8];
    unsigned int n = fuzz_below(in, ARRAY_SIZE(packets) + 1);
    struct iovtee_delivery d;

    for (unsigned int i = 0; i < n; i++) {
        packets[i] = make_packet(in);
    }
    iovtee_rxvq_deliver(vq, packets, n, fuzz_below(in, 4), &d);
    CHECK(d.n_dropped <= n);
}

static void
drop(struct fuzz_input *in)
{
    if (n_switch) {
        dp_packet_delete(pick(in, in_switch, &n_switch));
    }
}

/* Queues come and go. */

static void
create(uint16_t last_avail, uint16_t last_used)
{
    struct iovtee_rxvq_config config = {
        .port = "vm0",
        .ring = &session_ring,
        .zero_copy = true,
    };

    session_ring.vring.last_avail = last_avail;
    session_ring.vring.last_used = last_used;
    vq = iovtee_rxvq_create(&config);
    CHECK(vq);
    atomic_store_relaxed(&vq->peer_port_id, VQ_PEER);
    iovtee_rxvq_resume(vq, -1, NULL);
}

/* Ends the queue, while packets may be in the switch, and has all of them come
 * home afterwards. */
static void
end(struct fuzz_input *in, uint16_t *last_avail, uint16_t *last_used)
{
    uint32_t n_out = n_switch;

    while (n_nic) {
        rte_pktmbuf_free(&in_nic[--n_nic]->mbuf);
    }
    check_invariants();
    iovtee_rxvq_suspend(vq);
    *last_avail = *last_used = ring.start;
    if (fuzz_u8(in) & 1) {
        iovtee_rxvq_finish(vq, last_avail, last_used);
        CHECK(*last_avail == *last_used);
    } else {
        iovtee_rxvq_abandon(vq);
    }
    CHECK(vq->ledger.n[IOVTEE_GUEST] == ring.size);
    CHECK(iovtee_rxvq_is_balanced(vq) && vq->n_orphans == n_out);
    while (n_switch) {
        drop(in);
    }
    CHECK(!vq->n_orphans && iovtee_rxvq_is_balanced(vq));
    iovtee_rxvq_unref(vq);
    iovtee_rxvq_sweep();
}

static void
step(struct fuzz_input *in)
{
    uint16_t last_avail, last_used;

    switch (fuzz_below(in, 16)) {
    case 0:
    case 1:
    case 2:
        post(in);
        break;
    case 3:
        set_desc(fuzz_below(in, ring.size), make_desc(in));
        break;
    case 4:
        guest_ring_set_avail(&ring, fuzz_below(in, ring.size),
                             fuzz_below(in, ring.size + 1));
        break;
    case 5:
        guest_ring_set_avail_idx(&ring, vq->vring.last_avail
                                 + fuzz_below(in, 2 * ring.size));
        break;
    case 6:
    case 7:
        lend(in);
        break;
    case 8:
    case 9:
        receive(in);
        break;
    case 10:
    case 11:
    case 12:
        deliver(in);
        break;
    case 13:
        drop(in);
        break;
    case 14:
        if (fuzz_u8(in) & 1) {
            iovtee_rxvq_drain(vq);
        } else {
            iovtee_rxvq_resume(vq, -1, NULL);
        }
        break;
    case 15:
        end(in, &last_avail, &last_used);
        create(last_avail, last_used);
        ring.avail_idx = last_avail;
        break;
    }
    check_invariants();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input in = { data, size };
    uint32_t ring_size = 1 << fuzz_below(&in, 7);
    uint8_t how = fuzz_u8(&in);
    uint16_t start = fuzz_u16(&in);
    uint16_t last_avail, last_used;

    guest_ring_init(&ring, &guest, RING_GPA, ring_size, start, how & 1);
    ring.indirect = how & 2;
    guest_ring_config(&ring, &session_ring.vring);
    session_ring.hdr_len = how & 4 ? 10 : 12;
    session_ring.features = how & 8 ? 0 : UINT64_C(1) << 15;
    session_ring.callfd = session_ring.numa_id = -1;
    init_memory();
    create(start, start);
    for (int i = 0; i < MAX_STEPS && in.size; i++) {
        step(&in);
    }
    end(&in, &last_avail, &last_used);
    check_memory();
    guest_ring_destroy(&ring);
    CHECK(rte_mempool_full(vq_host_pool()));
    return 0;
}
