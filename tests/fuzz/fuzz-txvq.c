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

/* Fuzzer of a guest's transmit queue: a guest that sends frames in any pieces,
 * or that writes anything into its ring and its virtio headers, and a queue
 * that is suspended, ends and has successors. */

#include <config.h>

#include "queue/txvq.h"

#include <linux/virtio_net.h>
#include <rte_mbuf.h>

#include "dp-packet.h"
#include "guest-driver.h"
#include "openvswitch/vlog.h"
#include "util.h"

/* Open vSwitch has the same. */
#undef ARRAY_SIZE
#include "fuzz.h"
#include "unit-eal.h"

#define RING_GPA UINT64_C(0)
#define BUF_GPA (UINT64_C(4) << 30)
#define TABLE_GPA (UINT64_C(5) << 30)
#define RING_SIZE 65536
#define BUF_SIZE (256 * 1024)
#define TABLE_SIZE 65536

/* What an input may do, so that it ends. */
#define MAX_STEPS 200

/* Largest ring, most pieces of a good frame, and room in an mbuf. */
enum { MAX_SIZE = 64, MAX_PIECES = 8, ROOM = 2048 };

static const struct guest_layout layouts[] = {
    { RING_GPA, RING_SIZE, 0, false },
    { BUF_GPA, BUF_SIZE, 4096, false },
    { TABLE_GPA, TABLE_SIZE, 12, false },
};

static struct rte_mempool *pool;
static struct guest guest;
static struct guest_ring ring;
static struct iovtee_ring_setup setup;
static struct iovtee_txvq *vq;

/* Has the driver done nothing wrong so far?  Then these are the lengths of the
 * frames that it has posted and that were not received, 0 for what is
 * dropped. */
static bool is_good;
static uint32_t lens[MAX_SIZE];
static uint32_t n_posted, n_received;

int
LLVMFuzzerInitialize(int *argc OVS_UNUSED, char ***argv)
{
    set_program_name((*argv)[0]);
    vlog_set_levels(NULL, VLF_ANY_DESTINATION, VLL_OFF);
    unit_eal_init("64");
    CHECK(!guest_init(&guest, layouts, ARRAY_SIZE(layouts)));
    pool = rte_pktmbuf_pool_create("pool", 255, 0, 0,
                                   ROOM + RTE_PKTMBUF_HEADROOM, SOCKET_ID_ANY);
    CHECK(pool);
    return 0;
}

static void
check_invariants(void)
{
    struct iovtee_txvq_info info;

    CHECK(vq->vring.last_avail == vq->vring.used_idx);
    CHECK(vq->vring.published == vq->vring.used_idx);
    CHECK(!vq->vring.fault || !is_good);
    CHECK(rte_mempool_full(pool));
    iovtee_txvq_get_info(vq, &info);
    CHECK(!info.n_out && info.n_waiting <= ring.size);
}

/* The guest. */

/* Posts a good frame. */
static void
post(struct fuzz_input *in)
{
    uint32_t n_direct = fuzz_below(in, MAX_PIECES / 2);
    uint32_t n_indirect = ring.indirect ? fuzz_below(in, MAX_PIECES / 2) : 0;
    struct guest_buf bufs[MAX_PIECES];
    uint32_t n, total = 0;

    n_direct += !n_direct && !n_indirect;
    n = n_direct + n_indirect;
    if (ring.n_free < n_direct + !!n_indirect || n > ring.size
        || n_posted - n_received >= ring.size) {
        return;
    }
    for (uint32_t i = 0; i < n; i++) {
        bufs[i].len = fuzz_u8(in) & 7 ? fuzz_u8(in) : fuzz_below(in, 3000);
        bufs[i].gpa = BUF_GPA + fuzz_below(in, 65536);
        total += bufs[i].len;
    }
    guest_ring_post_indirect(&ring, bufs, n_direct,
                             TABLE_GPA + 16 * MAX_PIECES * (n_posted
                                                            % ring.size),
                             n_indirect);
    if (total > vq->hdr_len && (vq->offloads
                                || total - vq->hdr_len <= ROOM)) {
        lens[n_posted % MAX_SIZE] = total - vq->hdr_len;
    } else {
        lens[n_posted % MAX_SIZE] = 0;
    }
    n_posted++;
}

static struct iovtee_desc
make_desc(struct fuzz_input *in)
{
    uint8_t how = fuzz_u8(in);

    return (struct iovtee_desc) {
        .addr = (how & 8 ? fuzz_edge(in)
                 : how & 16 ? TABLE_GPA + 16 * fuzz_u8(in)
                 : BUF_GPA + fuzz_u16(in) * UINT64_C(4) + (how & 7)),
        .len = (how & 32 ? fuzz_edge(in)
                : how & 64 ? 16 * fuzz_below(in, MAX_SIZE + 2)
                : fuzz_below(in, 4096)),
        .flags = how & 128 ? fuzz_u8(in) & 7 : fuzz_u8(in) & 1,
        .next = fuzz_below(in, ring.size + 1),
    };
}

/* Does something that a driver must not do, or not now. */
static void
do_evil(struct fuzz_input *in)
{
    struct iovtee_desc desc;

    switch (fuzz_below(in, 6)) {
    case 0:
        guest_ring_set_desc(&ring, fuzz_below(in, ring.size), make_desc(in));
        break;
    case 1:
        desc = make_desc(in);
        memcpy(guest_va(&guest, TABLE_GPA + 16 * fuzz_u8(in), sizeof desc),
               &desc, sizeof desc);
        break;
    case 2:
        guest_ring_set_avail(&ring, vq->vring.last_avail
                             + fuzz_below(in, ring.size),
                             fuzz_below(in, ring.size + 1));
        break;
    case 3:
        guest_ring_set_avail_idx(&ring, vq->vring.last_avail
                                 + fuzz_below(in, ring.size + 2));
        break;
    case 4:
        guest_ring_set_avail_idx(&ring, fuzz_u16(in));
        break;
    case 5:
        memset(guest_va(&guest, BUF_GPA + fuzz_u16(in), 256), fuzz_u8(in),
               fuzz_u8(in));
        if (!vq->offloads) {
            return;             /* There are no wrong headers. */
        }
        break;
    }
    is_good = false;
}

/* The switch. */

static void
receive(struct fuzz_input *in)
{
    struct rte_mbuf *mbufs[NETDEV_MAX_BURST];
    unsigned int max = fuzz_below(in, NETDEV_MAX_BURST + 1);
    bool announced = vq->announce;
    unsigned int n = iovtee_txvq_recv(vq, pool, mbufs, max);

    CHECK(n <= max);
    for (unsigned int i = 0; i < n; i++) {
        const struct rte_mbuf *m = mbufs[i];

        CHECK(m->nb_segs == 1 && !m->next && rte_mbuf_refcnt_read(m) == 1);
        CHECK(m->pkt_len && m->pkt_len == m->data_len);
        CHECK(m->data_off + m->data_len <= m->buf_len);
        CHECK(!m->ol_flags || vq->offloads);
        if (is_good && !(announced && !i)) {
            while (!lens[n_received % MAX_SIZE]) {
                n_received++;
                CHECK(n_received != n_posted);
            }
            CHECK(m->pkt_len == lens[n_received++ % MAX_SIZE]);
        }
        rte_pktmbuf_free(mbufs[i]);
    }
}

static void
reap(void)
{
    uint16_t head;
    uint32_t len;

    while (is_good && guest_ring_reap(&ring, &head, &len)) {
        CHECK(!len);
    }
    if (is_good) {
        /* All that was used was received or dropped. */
        n_received = n_posted - (uint16_t) (ring.avail_idx - ring.used_idx);
    }
}

/* Queues come and go. */

static void
create(uint16_t last_avail, uint16_t last_used)
{
    struct iovtee_txvq_config config = { .port = "vm0", .ring = &setup };

    setup.vring.last_avail = last_avail;
    setup.vring.last_used = last_used;
    vq = iovtee_txvq_create(&config);
    CHECK(vq);
    iovtee_txvq_resume(vq, -1, NULL);
}

static void
replace(struct fuzz_input *in)
{
    uint16_t last_avail, last_used;

    iovtee_txvq_finish(vq, &last_avail, &last_used);
    CHECK(last_avail == last_used);
    iovtee_txvq_unref(vq);
    create(last_used + fuzz_below(in, 8), last_used);
}

static void
step(struct fuzz_input *in)
{
    static const uint8_t mac[6] = { 2 };

    switch (fuzz_below(in, 16)) {
    case 0:
    case 1:
    case 2:
    case 3:
        post(in);
        break;
    case 4:
        guest_ring_expose(&ring);
        break;
    case 5:
    case 6:
        do_evil(in);
        break;
    case 7:
    case 8:
    case 9:
    case 10:
        guest_ring_expose(&ring);
        receive(in);
        break;
    case 11:
        receive(in);
        reap();
        break;
    case 12:
        iovtee_txvq_suspend(vq);
        receive(in);
        iovtee_txvq_resume(vq, -1, NULL);
        break;
    case 13:
        replace(in);
        break;
    case 14:
        CHECK(iovtee_txvq_n_waiting(vq) <= ring.size);
        break;
    case 15:
        iovtee_txvq_announce(vq, mac);
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

    memset(guest_va(&guest, BUF_GPA, BUF_SIZE), 0, BUF_SIZE);
    memset(guest_va(&guest, TABLE_GPA, TABLE_SIZE), 0, TABLE_SIZE);
    guest_ring_init(&ring, &guest, RING_GPA, ring_size, start, how & 1);
    ring.indirect = how & 2;
    ring.transmit = true;
    guest_ring_config(&ring, &setup.vring);
    setup.features = how & 4 ? UINT64_C(1) << VIRTIO_NET_F_CSUM : 0;
    setup.hdr_len = how & 8 ? 10 : 12;
    setup.callfd = -1;
    is_good = true;
    n_posted = n_received = 0;
    create(start, start);

    for (int i = 0; i < MAX_STEPS && in.size; i++) {
        step(&in);
    }

    iovtee_txvq_unref(vq);
    guest_ring_destroy(&ring);
    return 0;
}
