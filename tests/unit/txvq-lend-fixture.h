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


#ifndef TESTS_TXVQ_LEND_FIXTURE_H
#define TESTS_TXVQ_LEND_FIXTURE_H 1

/* A guest whose transmit queue lends, and who gets its frames: the test is the
 * switch and the NIC, it has the packets.  For programs that include
 * <config.h> first. */

#include "queue/txvq.h"

#include <pthread.h>
#include <sched.h>
#include <sys/eventfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/virtio_net.h>
#include <rte_mbuf.h>

#include "dp-packet.h"
#include "openvswitch/vlog.h"
#include "queue/mark.h"
#include "queue/shells.h"
#include "timeval.h"
#include "txvq-fixture.h"
#include "util.h"
#include "virtio/inflight.h"

/* Open vSwitch has the same. */
#undef ARRAY_SIZE
#include "unit-eal.h"

#define BURST NETDEV_MAX_BURST
#define CSUM (UINT64_C(1) << VIRTIO_NET_F_CSUM)
#define PORT 3
#define TXQ 5
#define TABLE "txvq-lend.inflight"

static const struct tx_params usual = { .size = 256, .hdr_len = 12 };

/* A guest, its queue that lends to PORT, and what is out. */
struct rig {
    struct tx_fixture f;
    struct iovtee_inflight *table;
    unsigned int q;                     /* Number of the queue. */
    struct rte_mbuf *out[1024];         /* What the switch or the NIC has, */
    unsigned int n_out;                 /* first in, first out. */
};

static struct rig rig;

static inline void
open_queue(struct rig *r, uint16_t last_avail, uint16_t last_used)
{
    struct iovtee_txvq_config config = {
        .port = "vm0",
        .q = r->q,
        .ring = &r->f.setup,
        .inflight = r->table,
        .zero_copy = true,
        .zero_copy_min = 128,
    };

    r->f.setup.vring.last_avail = last_avail;
    r->f.setup.vring.last_used = last_used;
    r->f.vq = iovtee_txvq_create(&config);
    CHECK(r->f.vq);
    iovtee_txvq_resume(r->f.vq, r->f.callfd, NULL);
    iovtee_txvq_lend_to(r->f.vq, PORT, NULL);
}

/* Makes '*r' a guest without a queue. */
static inline void
guest_only(struct rig *r, const struct tx_params *params, uint16_t *last_used)
{
    memset(r, 0, sizeof *r);
    unlink(TABLE);
    tx_fixture_init(&r->f, params);
    tx_fixture_close(&r->f, last_used);
}

static inline void
rig_init(struct rig *r, const struct tx_params *params)
{
    uint16_t last_used;

    guest_only(r, params, &last_used);
    CHECK(!iovtee_inflight_open(TABLE, &r->table));
    open_queue(r, last_used, last_used);
}

/* Ends the queue of 'r', and the guest. */
static inline void
rig_close(struct rig *r)
{
    uint16_t last_avail, last_used;

    CHECK(!r->n_out);
    CHECK(iovtee_txvq_is_balanced(r->f.vq));
    iovtee_txvq_suspend(r->f.vq);
    iovtee_txvq_finish(r->f.vq, &last_avail, &last_used);
    CHECK(last_avail == last_used);
    iovtee_txvq_unref(r->f.vq);
    guest_ring_destroy(&r->f.ring);
    guest_destroy(&r->f.guest);
    close(r->f.callfd);
}

static inline void
rig_destroy(struct rig *r)
{
    rig_close(r);
    CHECK(!iovtee_txvq_sweep());
    iovtee_inflight_close(r->table);
    unlink(TABLE);
    CHECK(rte_mempool_full(tx_pool()));
    CHECK(!iovtee_shells_any_read_only());
}

/* Makes '*r' have another queue of the port of 'first'.  For rig_close(). */
static inline void
rig_open_another(struct rig *r, const struct rig *first)
{
    uint16_t last_used;

    memset(r, 0, sizeof *r);
    tx_fixture_init(&r->f, &usual);
    tx_fixture_close(&r->f, &last_used);
    r->table = first->table;
    r->q = 1;
    open_queue(r, last_used, last_used);
}

static inline bool
is_lent(const struct rte_mbuf *m)
{
    return iovtee_mark_is_read_only((const struct dp_packet *) m);
}

/* Posts 'n' frames of 'len' bytes, and lets the queue see them. */
static inline void
post(struct rig *r, unsigned int n, uint32_t len)
{
    while (n--) {
        CHECK(tx_post(&r->f, len) >= 0);
    }
    tx_expose(&r->f);
}

/* Receives a burst, which has to be what was posted next, and keeps it.
 * Returns how many frames there are, and in '*n_lent' how many stayed where
 * they were. */
static inline unsigned int
receive(struct rig *r, unsigned int *n_lent)
{
    struct rte_mbuf **mbufs = &r->out[r->n_out];
    uint8_t bytes[TX_ROOM];
    unsigned int n;

    n = iovtee_txvq_recv(r->f.vq, tx_pool(), mbufs, BURST);
    *n_lent = 0;
    for (unsigned int i = 0; i < n; i++) {
        struct tx_frame *frame
            = &r->f.frames[r->f.received++ % ARRAY_SIZE(r->f.frames)];
        const struct rte_mbuf *m = mbufs[i];

        CHECK(m->pkt_len == frame->len && m->data_len == frame->len);
        CHECK(m->nb_segs == 1 && rte_mbuf_refcnt_read(m) == 1);
        tx_frame(bytes, frame->len, frame->seed);
        CHECK(!memcmp(rte_pktmbuf_mtod(m, void *), bytes, frame->len));
        if (is_lent(m)) {
            /* Nobody has any room to write to. */
            CHECK(!rte_pktmbuf_headroom(m) && !rte_pktmbuf_tailroom(m));
            ++*n_lent;
        }
    }
    r->n_out += n;
    return n;
}

/* Sends the 'n' packets from 'first' on, as lib/nic does. */
static inline void
send_some(struct rig *r, unsigned int first, unsigned int n)
{
    for (unsigned int i = first; i < first + n; i++) {
        struct rte_mbuf *m = r->out[i];

        if (is_lent(m)) {
            struct iovtee_shells *row
                = iovtee_shells_row((struct dp_packet *) m);

            CHECK(iovtee_shells_pin(row));
            iovtee_mark_sent(m, PORT, TXQ);
            atomic_store_relaxed(&row->sent_to, PORT << 16 | TXQ);
            iovtee_shells_unpin(row);
        }
    }
}

/* Frees the packets that came first, 'n' of them. */
static inline void
free_some(struct rig *r, unsigned int n)
{
    CHECK(n <= r->n_out);
    for (unsigned int i = 0; i < n; i++) {
        rte_pktmbuf_free(r->out[i]);
    }
    r->n_out -= n;
    memmove(r->out, r->out + n, r->n_out * sizeof *r->out);
}

/* Returns how many used buffers the guest finds, in whatever order. */
static inline unsigned int
reap(struct rig *r)
{
    unsigned int n = 0;
    uint16_t head;
    uint32_t len;

    while (guest_ring_reap(&r->f.ring, &head, &len)) {
        CHECK(!len);
        n++;
    }
    return n;
}

/* Has the queue publish what came home. */
static inline void
poll_queue(struct rig *r)
{
    unsigned int n_lent;

    CHECK(!receive(r, &n_lent));
}

#define COPIED(R, REASON) \
    ((R)->f.vq->counters.copied[IOVTEE_TX_COPY_##REASON])

/* Returns the place counts of the queue. */
static inline struct iovtee_txvq_info
get_info(struct rig *r)
{
    struct iovtee_txvq_info info;

    iovtee_txvq_get_info(r->f.vq, &info);
    CHECK(info.n[IOVTEE_GUEST] + info.n[IOVTEE_IDLE] + info.n[IOVTEE_NIC]
          + info.n[IOVTEE_SWITCH] == info.size);
    return info;
}

#endif /* tests/unit/txvq-lend-fixture.h */
