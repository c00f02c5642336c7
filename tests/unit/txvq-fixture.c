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

#include <config.h>

#include "txvq-fixture.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <rte_mbuf.h>

#include "dp-packet.h"
#include "util.h"

/* Open vSwitch has the same. */
#undef ARRAY_SIZE
#include "unit.h"

/* Each buffer lies in a slot of its own, with other memory around it and
 * between its pieces. */
#define SLOT_SIZE (TX_MAX_FRAME + TX_MAX_PIECES * PIECE_GAP + 4096)
#define SLOT_GUARD 64
#define PIECE_GAP 33

#define TABLE_SIZE (TX_MAX_PIECES * sizeof(struct iovtee_desc))

/* Makes '*f' a guest with an empty ring, and a queue for it that runs. */
void
tx_fixture_init(struct tx_fixture *f, const struct tx_params *params)
{
    const struct guest_layout layouts[] = {
        { TX_RING_GPA, 1 << 20, 0, false },
        { TX_BUF_GPA, TX_MAX_SIZE * SLOT_SIZE, 4096, false },
        { TX_TABLE_GPA, TX_MAX_SIZE * TABLE_SIZE, 0, false },
        { TX_ENDLESS_GPA, TX_ENDLESS_SIZE, 0, false },
    };

    memset(f, 0, sizeof *f);
    f->params = *params;
    CHECK(params->size <= TX_MAX_SIZE);
    CHECK(!guest_init(&f->guest, layouts, ARRAY_SIZE(layouts)));
    guest_ring_init(&f->ring, &f->guest, TX_RING_GPA, params->size,
                    params->start, params->event_idx);
    f->ring.transmit = true;
    f->callfd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    CHECK(f->callfd >= 0);
    tx_fixture_open(f, params->start, params->start);
}

/* Makes a queue for the ring, that goes on where the arguments say. */
void
tx_fixture_open(struct tx_fixture *f, uint16_t last_avail, uint16_t last_used)
{
    struct iovtee_ring_setup *s = &f->setup;
    struct iovtee_txvq_config config = {
        .port = "vm0",
        .q = 0,
        .ring = s,
    };

    guest_ring_config(&f->ring, &s->vring);
    s->vring.transmit = false;          /* The queue has to know. */
    s->vring.last_avail = last_avail;
    s->vring.last_used = last_used;
    s->features = f->params.features;
    s->hdr_len = f->params.hdr_len;
    s->callfd = f->callfd;
    s->numa_id = -1;

    f->vq = iovtee_txvq_create(&config);
    CHECK(f->vq);
    CHECK(iovtee_txvq_same_ring(f->vq, s));
    iovtee_txvq_resume(f->vq, f->callfd, NULL);
}

/* Ends the queue, and stores where it has come in '*last_used'. */
void
tx_fixture_close(struct tx_fixture *f, uint16_t *last_used)
{
    struct iovtee_txvq_info info;
    uint16_t last_avail;

    iovtee_txvq_get_info(f->vq, &info);
    CHECK(!info.n_out);
    iovtee_txvq_suspend(f->vq);
    iovtee_txvq_finish(f->vq, &last_avail, last_used);
    CHECK(last_avail == *last_used);
    CHECK(!f->vq->vring.mem);
    iovtee_txvq_unref(f->vq);
    f->vq = NULL;
}

/* Ends '*f', of which nothing is left to receive or to reap. */
void
tx_fixture_destroy(struct tx_fixture *f)
{
    uint16_t last_used;

    tx_recv(f);
    tx_reap(f);
    CHECK(f->received == f->posted && f->reaped == f->posted);
    tx_fixture_close(f, &last_used);
    CHECK(last_used == (uint16_t) (f->params.start + f->posted));
    guest_ring_destroy(&f->ring);
    guest_destroy(&f->guest);
    close(f->callfd);
    CHECK(rte_mempool_full(tx_pool()));
}

/* Returns the pool of the switch's buffers. */
struct rte_mempool *
tx_pool(void)
{
    static struct rte_mempool *mp;

    if (!mp) {
        mp = rte_pktmbuf_pool_create("host", 1024, 0, 0,
                                     TX_ROOM + RTE_PKTMBUF_HEADROOM,
                                     SOCKET_ID_ANY);
        CHECK(mp);
    }
    return mp;
}

/* Returns how many packets the counters of the ring have seen. */
uint64_t
tx_n_counted(const struct tx_fixture *f)
{
    uint64_t n = 0;

    for (size_t i = 0; i < IOVTEE_RINGSTATS_N_BINS; i++) {
        n += f->vq->counters.ring.bins[i];
    }
    return n;
}

/* Stores the frame of 'len' bytes that 'seed' stands for in 'dst'. */
void
tx_frame(void *dst_, uint32_t len, uint32_t seed)
{
    uint8_t *dst = dst_;
    uint32_t x = seed * 2654435761u + len;

    for (uint32_t i = 0; i < len; i++) {
        x = x * 1664525 + 1013904223;
        dst[i] = x >> 24;
    }
    dst[0] &= ~1;               /* Unicast. */
}

/* Notes that 'head' was posted, with a frame of 'len' bytes. */
static void
note(struct tx_fixture *f, uint16_t head, uint32_t len)
{
    f->frames[f->posted % ARRAY_SIZE(f->frames)] = (struct tx_frame) {
        .head = head,
        .len = len,
        .seed = f->posted,
    };
    f->posted++;
}

/* Writes the 'len' bytes at 'src' to the 'n' pieces in 'bufs'. */
static void
scatter(struct tx_fixture *f, const struct guest_buf bufs[], size_t n,
        const uint8_t *src, uint32_t len)
{
    for (size_t i = 0; i < n; i++) {
        uint32_t k = MIN(len, bufs[i].len);

        if (k) {
            memcpy(guest_va(&f->guest, bufs[i].gpa, k), src, k);
        }
        src += k;
        len -= k;
    }
}

/* Posts a frame of 'len' bytes in one piece with its virtio header.  Returns
 * its head, or -1 if the ring is full. */
int
tx_post(struct tx_fixture *f, uint32_t len)
{
    uint32_t total = f->params.hdr_len + len;

    return tx_post_pieces(f, &total, 1, 0);
}

/* Posts a frame in pieces, each of which has as many bytes as 'lens' says,
 * virtio header included: 'n_direct' and then 'n_indirect' behind an indirect
 * descriptor.  Returns its head, or -1 if the ring is full. */
int
tx_post_pieces(struct tx_fixture *f, const uint32_t lens[], size_t n_direct,
               size_t n_indirect)
{
    static uint8_t bytes[12 + TX_MAX_FRAME];
    struct guest_buf bufs[TX_MAX_PIECES];
    uint32_t slot = f->posted % f->params.size;
    uint32_t ofs = SLOT_GUARD;
    size_t n = n_direct + n_indirect;
    uint32_t total = 0;
    uint32_t len;
    int head;

    CHECK(n <= TX_MAX_PIECES);
    if (f->ring.n_free < n_direct + !!n_indirect) {
        return -1;
    }
    for (size_t i = 0; i < n; i++) {
        bufs[i].gpa = TX_BUF_GPA + slot * SLOT_SIZE + ofs;
        bufs[i].len = lens[i];
        ofs += lens[i] + PIECE_GAP;
        total += lens[i];
    }
    CHECK(ofs + SLOT_GUARD <= SLOT_SIZE);

    len = total > f->params.hdr_len ? total - f->params.hdr_len : 0;
    memcpy(bytes, f->hdr, f->params.hdr_len);
    if (len) {
        tx_frame(bytes + f->params.hdr_len, len, f->posted);
    }
    scatter(f, bufs, n, bytes, total);
    head = (n_indirect
            ? guest_ring_post_indirect(&f->ring, bufs, n_direct,
                                       TX_TABLE_GPA + slot * TABLE_SIZE,
                                       n_indirect)
            : guest_ring_post(&f->ring, bufs, n));
    CHECK(head >= 0);
    if (len > TX_ROOM && !f->vq->offloads) {
        len = 0;
    }
    note(f, head, len);
    return head;
}

/* Posts a buffer that is dropped, or a fault: one descriptor. */
int
tx_post_desc(struct tx_fixture *f, uint64_t gpa, uint32_t len, uint16_t flags)
{
    struct guest_buf buf = { TX_BUF_GPA, 1 };
    int head = guest_ring_post(&f->ring, &buf, 1);

    CHECK(head >= 0);
    guest_ring_set_desc(&f->ring, head, (struct iovtee_desc) {
        .addr = gpa,
        .len = len,
        .flags = flags,
        .next = head,
    });
    note(f, head, 0);
    return head;
}

void
tx_expose(struct tx_fixture *f)
{
    guest_ring_expose(&f->ring);
}

/* Takes all used buffers back.  Returns how many. */
unsigned int
tx_reap(struct tx_fixture *f)
{
    unsigned int n = 0;
    uint16_t head;
    uint32_t len;

    while (guest_ring_reap(&f->ring, &head, &len)) {
        CHECK(f->reaped != f->posted);
        CHECK(head == f->frames[f->reaped++ % ARRAY_SIZE(f->frames)].head);
        CHECK(!len);
        n++;
    }
    return n;
}

/* Skips what was posted and will be dropped. */
static void
skip_dropped(struct tx_fixture *f)
{
    while (f->received != f->posted
           && !f->frames[f->received % ARRAY_SIZE(f->frames)].len) {
        f->received++;
    }
}

/* Receives a burst, which must be what was posted.  Returns the number of its
 * packets. */
unsigned int
tx_recv(struct tx_fixture *f)
{
    static uint8_t bytes[TX_MAX_FRAME];
    struct rte_mbuf *mbufs[NETDEV_MAX_BURST];
    unsigned int n;

    n = iovtee_txvq_recv(f->vq, tx_pool(), mbufs, NETDEV_MAX_BURST);
    CHECK(n <= NETDEV_MAX_BURST);
    for (unsigned int i = 0; i < n; i++) {
        const struct rte_mbuf *m = mbufs[i];
        const struct tx_frame *frame;

        skip_dropped(f);
        CHECK(f->received != f->posted);
        frame = &f->frames[f->received++ % ARRAY_SIZE(f->frames)];
        CHECK(m->nb_segs == 1 && !m->next && rte_mbuf_refcnt_read(m) == 1);
        CHECK(m->port == RTE_MBUF_PORT_INVALID);
        CHECK(m->data_off == RTE_PKTMBUF_HEADROOM);
        CHECK(m->pkt_len == frame->len && m->data_len == frame->len);
        CHECK(m->data_off + frame->len <= m->buf_len);
        CHECK(!(m->ol_flags & ~RTE_MBUF_F_EXTERNAL));
        tx_frame(bytes, frame->len, frame->seed);
        CHECK(!memcmp(rte_pktmbuf_mtod(m, void *), bytes, frame->len));
        rte_pktmbuf_free(mbufs[i]);
    }
    skip_dropped(f);
    return n;
}
