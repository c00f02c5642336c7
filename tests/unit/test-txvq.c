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

/* Unit tests of lib/queue/txvq: a guest that does nothing wrong. */

#include <config.h>

#include "queue/txvq.h"

#include <pthread.h>
#include <sched.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <linux/virtio_net.h>
#include <rte_arp.h>
#include <rte_mbuf.h>

#include "dp-packet.h"
#include "openvswitch/vlog.h"
#include "txvq-fixture.h"
#include "util.h"

/* Open vSwitch has the same. */
#undef ARRAY_SIZE
#include "unit-eal.h"

#define TSO (UINT64_C(1) << VIRTIO_NET_F_HOST_TSO4)

static const struct tx_params usual = { .size = 64, .hdr_len = 12 };

/* Receives and reaps all that was posted. */
static void
drain(struct tx_fixture *f)
{
    tx_expose(f);
    while (tx_recv(f)) {
        continue;
    }
    tx_reap(f);
    CHECK(f->received == f->posted && f->reaped == f->posted);
}

/* Frames of any length, in one piece, with either header, at any place of the
 * ring. */
static void
test_frames(void)
{
    for (int i = 0; i < 4; i++) {
        struct tx_params params = {
            .size = 32,
            .start = 65000,
            .hdr_len = i & 1 ? 10 : 12,
            .event_idx = i & 2,
        };
        struct tx_fixture f;

        tx_fixture_init(&f, &params);
        for (uint32_t len = 1; len <= TX_ROOM; len++) {
            CHECK(tx_post(&f, len) >= 0);
            if (!unit_random_below(20) || !f.ring.n_free) {
                drain(&f);
            }
        }
        drain(&f);
        CHECK(tx_n_counted(&f) == TX_ROOM);
        CHECK(f.vq->counters.ring.bytes == TX_ROOM * (TX_ROOM + 1) / 2);
        tx_fixture_destroy(&f);
    }
}

/* Header and frame in any pieces: cut at each place of the header, in single
 * bytes, with empty pieces, behind an indirect descriptor or not. */
static void
test_pieces(void)
{
    struct tx_fixture f;

    for (unsigned int hdr_len = 10; hdr_len <= 12; hdr_len += 2) {
        struct tx_params params = { .size = 128, .hdr_len = hdr_len };

        tx_fixture_init(&f, &params);
        for (uint32_t len = 1; len < 200; len += 66) {
            uint32_t total = hdr_len + len;
            uint32_t ones[TX_MAX_PIECES];

            for (uint32_t cut = 0; cut <= hdr_len + 1; cut++) {
                uint32_t two[] = { cut, total - cut };
                uint32_t four[] = { 0, cut, 0, total - cut };

                tx_post_pieces(&f, two, 2, 0);
                tx_post_pieces(&f, two, 0, 2);
                tx_post_pieces(&f, two, 1, 1);
                tx_post_pieces(&f, four, 4, 0);
                tx_post_pieces(&f, four, 2, 2);
                drain(&f);
            }
            for (uint32_t i = 0; i < total; i++) {
                ones[i] = 1;
            }
            if (total <= params.size) {
                tx_post_pieces(&f, ones, total, 0);
                drain(&f);
                tx_post_pieces(&f, ones, 0, total);
                drain(&f);
            }
        }
        CHECK(!f.vq->vring.fault);
        tx_fixture_destroy(&f);
    }
}

/* A ring that is full comes out in bursts, and each burst goes back to the
 * guest before the next one. */
static void
test_bursts(void)
{
    struct tx_params params = { .size = 128, .hdr_len = 12, .start = 65500 };
    struct tx_fixture f;

    tx_fixture_init(&f, &params);
    for (int i = 0; i < 100; i++) {
        tx_post(&f, 60 + i);
    }
    CHECK(!tx_recv(&f));        /* Nothing was exposed yet. */
    tx_expose(&f);
    CHECK(iovtee_txvq_n_waiting(f.vq) == 100);
    for (int left = 100; left; ) {
        unsigned int n = MIN(left, NETDEV_MAX_BURST);

        CHECK(tx_recv(&f) == n);
        CHECK(tx_reap(&f) == n);
        left -= n;
        CHECK(iovtee_txvq_n_waiting(f.vq) == left);
    }
    CHECK(!tx_recv(&f));
    tx_fixture_destroy(&f);
}

/* Buffers without a frame are given back, and counted. */
static void
test_empty(void)
{
    const uint32_t header[] = { 12 }, zeros[] = { 0, 0, 0 };
    const uint32_t halves[] = { 7, 5 };
    struct tx_fixture f;

    tx_fixture_init(&f, &usual);
    tx_post(&f, 60);
    tx_post_pieces(&f, header, 1, 0);
    tx_post_desc(&f, TX_BUF_GPA, 0, 0);
    tx_post_desc(&f, TX_BUF_GPA, 1, 0);
    tx_post_pieces(&f, zeros, 3, 0);
    tx_post(&f, 61);
    tx_post_pieces(&f, zeros, 0, 3);
    tx_post_pieces(&f, halves, 2, 0);
    tx_post(&f, 62);
    tx_expose(&f);
    CHECK(tx_recv(&f) == 3);
    CHECK(tx_reap(&f) == 9);
    CHECK(f.vq->counters.dropped[IOVTEE_TX_DROP_EMPTY] == 6);
    CHECK(tx_n_counted(&f) == 3);
    tx_fixture_destroy(&f);
}

/* Frames that are longer than an mbuf are dropped, unless the guest may send
 * such. */
static void
test_long(void)
{
    const uint32_t two[] = { 12 + TX_ROOM, 1 };
    uint64_t dropped;
    struct tx_fixture f;

    tx_fixture_init(&f, &usual);
    tx_post(&f, TX_ROOM);
    tx_post(&f, TX_ROOM + 1);
    tx_post_pieces(&f, two, 2, 0);
    tx_post(&f, 65000);
    tx_post_desc(&f, TX_ENDLESS_GPA, UINT32_MAX, 0);
    tx_post(&f, TX_ROOM);
    tx_expose(&f);
    CHECK(tx_recv(&f) == 2);
    CHECK(tx_reap(&f) == 6);
    CHECK(f.vq->counters.dropped[IOVTEE_TX_DROP_TOO_LONG] == 4);
    tx_fixture_destroy(&f);

    tx_fixture_init(&f, &(struct tx_params) {
        .size = 64, .hdr_len = 12, .features = TSO });
    tx_post(&f, TX_ROOM + 1);
    tx_post_pieces(&f, two, 0, 2);
    tx_post(&f, 65000);
    tx_post_desc(&f, TX_ENDLESS_GPA, 12 + 65535, 0);
    tx_post_desc(&f, TX_ENDLESS_GPA, UINT32_MAX, 0);
    tx_post(&f, 60);
    tx_expose(&f);
    CHECK(tx_recv(&f) == 4);
    CHECK(tx_reap(&f) == 6);
    dropped = f.vq->counters.dropped[IOVTEE_TX_DROP_TOO_LONG];
    CHECK(dropped == 2);
    tx_fixture_destroy(&f);
}

/* What cannot be received for want of memory waits. */
static void
test_no_mbufs(void)
{
    struct rte_mbuf *mbufs[1024];
    struct tx_fixture f;
    unsigned int n = 0;

    tx_fixture_init(&f, &usual);
    for (int i = 0; i < 40; i++) {
        tx_post(&f, 100);
    }
    tx_expose(&f);
    while (n < ARRAY_SIZE(mbufs)
           && (mbufs[n] = rte_pktmbuf_alloc(tx_pool())) != NULL) {
        n++;
    }
    CHECK(n > 40);
    for (int i = 0; i < 3; i++) {
        CHECK(!tx_recv(&f) && !tx_reap(&f));
        CHECK(iovtee_txvq_n_waiting(f.vq) == 40);
    }
    while (n) {
        rte_pktmbuf_free(mbufs[--n]);
    }
    CHECK(tx_recv(&f) == 32 && tx_recv(&f) == 8);
    tx_fixture_destroy(&f);
}

/* Returns how often the guest was interrupted since the last time. */
static uint64_t
n_interrupts(const struct tx_fixture *f)
{
    eventfd_t n;

    return eventfd_read(f->callfd, &n) ? 0 : n;
}

/* The guest is interrupted when it wants to be, and does not interrupt us. */
static void
test_notify(void)
{
    for (int i = 0; i < 2; i++) {
        struct tx_params params = { .size = 64, .hdr_len = 12,
                                    .event_idx = i };
        uint64_t n_counted;
        struct tx_fixture f;

        tx_fixture_init(&f, &params);
        CHECK(n_interrupts(&f) == 1);   /* It shall look once. */

        /* With an event index the first decision is always to do so. */
        guest_ring_disable_interrupts(&f.ring);
        tx_post(&f, 60);
        CHECK(!guest_ring_expose(&f.ring));
        CHECK(tx_recv(&f) == 1);
        CHECK(n_interrupts(&f) == (unsigned int) i);
        tx_reap(&f);

        guest_ring_disable_interrupts(&f.ring);
        tx_post(&f, 60);
        CHECK(!guest_ring_expose(&f.ring));
        CHECK(tx_recv(&f) == 1 && !n_interrupts(&f));
        tx_reap(&f);

        CHECK(!guest_ring_enable_interrupts(&f.ring));
        tx_post(&f, 60);
        tx_post(&f, 60);
        CHECK(!guest_ring_expose(&f.ring));
        CHECK(!n_interrupts(&f));
        CHECK(tx_recv(&f) == 2 && n_interrupts(&f) == 1);
        CHECK(!tx_recv(&f) && !n_interrupts(&f));
        n_counted = f.vq->counters.ring.guest_notifications;
        CHECK(n_counted == 1u + i);

        /* Without a descriptor nobody is told, and nothing counted. */
        iovtee_txvq_set_callfd(f.vq, -1);
        tx_reap(&f);
        CHECK(!guest_ring_enable_interrupts(&f.ring));
        tx_post(&f, 60);
        CHECK(!guest_ring_expose(&f.ring));
        CHECK(tx_recv(&f) == 1 && !n_interrupts(&f));
        CHECK(f.vq->counters.ring.guest_notifications == n_counted);
        tx_fixture_destroy(&f);
    }
}

/* A guest that has moved is announced, once, before its own frames. */
static void
test_announce(void)
{
    static const uint8_t mac[6] = { 0x52, 1, 2, 3, 4, 5 };
    struct rte_mbuf *mbufs[NETDEV_MAX_BURST];
    const struct rte_ether_hdr *eth;
    const struct rte_arp_hdr *arp;
    struct tx_fixture f;

    tx_fixture_init(&f, &usual);
    for (int i = 0; i < 40; i++) {
        tx_post(&f, 60);
    }
    iovtee_txvq_announce(f.vq, mac);
    CHECK(iovtee_txvq_recv(f.vq, tx_pool(), mbufs, NETDEV_MAX_BURST) == 1);
    eth = rte_pktmbuf_mtod(mbufs[0], struct rte_ether_hdr *);
    arp = (const struct rte_arp_hdr *) (eth + 1);
    CHECK(rte_is_broadcast_ether_addr(&eth->dst_addr));
    CHECK(!memcmp(&eth->src_addr, mac, sizeof mac));
    CHECK(eth->ether_type == htons(RTE_ETHER_TYPE_RARP));
    CHECK(!memcmp(&arp->arp_data.arp_sha, mac, sizeof mac));
    CHECK(f.vq->counters.ring.broadcast == 1);
    rte_pktmbuf_free(mbufs[0]);

    /* The next time there are frames in the same burst. */
    tx_expose(&f);
    iovtee_txvq_announce(f.vq, mac);
    CHECK(iovtee_txvq_recv(f.vq, tx_pool(), mbufs, NETDEV_MAX_BURST) == 32);
    CHECK(f.vq->counters.ring.broadcast == 2);
    CHECK(tx_n_counted(&f) == 33);
    for (int i = 0; i < 32; i++) {
        eth = rte_pktmbuf_mtod(mbufs[i], struct rte_ether_hdr *);
        CHECK(rte_is_broadcast_ether_addr(&eth->dst_addr) == !i);
        rte_pktmbuf_free(mbufs[i]);
    }
    f.received += 31;
    CHECK(tx_recv(&f) == 9);
    tx_fixture_destroy(&f);
}

/* Queues are suspended, go on, end, and have successors, and no frame is lost
 * or sent twice. */
static void
test_life(void)
{
    struct iovtee_ring_setup other;
    struct tx_fixture f;
    uint16_t last_used;

    tx_fixture_init(&f, &usual);
    for (int i = 0; i < 50; i++) {
        tx_post(&f, 60 + i);
    }
    tx_expose(&f);
    iovtee_txvq_suspend(f.vq);
    CHECK(!tx_recv(&f) && !iovtee_txvq_n_waiting(f.vq));
    iovtee_txvq_resume(f.vq, -1, NULL);
    CHECK(tx_recv(&f) == 32);
    tx_fixture_close(&f, &last_used);
    CHECK(last_used == 32);

    /* A predecessor may have taken more than it gave back. */
    tx_fixture_open(&f, last_used + 7, last_used);
    CHECK(tx_recv(&f) == 18);

    other = f.setup;
    CHECK(iovtee_txvq_same_ring(f.vq, &other));
    other.vring.used_gpa += 4;
    CHECK(!iovtee_txvq_same_ring(f.vq, &other));
    other = f.setup;
    other.features = TSO;
    CHECK(!iovtee_txvq_same_ring(f.vq, &other));
    tx_fixture_destroy(&f);
}

/* A ring that is not in guest memory. */
static void
test_nowhere(void)
{
    struct tx_fixture f;
    struct iovtee_ring_setup setup;
    struct iovtee_txvq_config config = { .port = "vm0", .q = 3,
                                         .ring = &setup };

    tx_fixture_init(&f, &usual);
    setup = f.setup;
    setup.vring.desc_gpa = UINT64_C(1) << 40;
    CHECK(!iovtee_txvq_create(&config));
    tx_fixture_destroy(&f);
}

/* While the guest is migrated, each byte of guest memory that changes is
 * reported, after the change, and no other page than that of the ring. */

static uint8_t *ring_bytes;             /* The guest's, of the used ring... */
static uint8_t seen_bytes[4096];        /* ...as they were reported. */
static uint64_t n_reported;

static void
report_write(void *f_, uint64_t gpa, uint64_t len)
{
    struct tx_fixture *f = f_;
    uint64_t ofs = gpa - f->ring.used_gpa;

    CHECK(ofs + len <= IOVTEE_USED_AREA_SIZE(f->params.size));
    memcpy(seen_bytes + ofs, ring_bytes + ofs, len);
    n_reported++;
}

static void
test_log(void)
{
    for (int i = 0; i < 2; i++) {
        struct tx_params params = { .size = 64, .hdr_len = 12,
                                    .start = 65530, .event_idx = i };
        const uint32_t size = IOVTEE_USED_AREA_SIZE(params.size);
        struct tx_fixture f;
        struct iovtee_vring_log log = { report_write, &f };

        tx_fixture_init(&f, &params);
        iovtee_txvq_suspend(f.vq);
        ring_bytes = guest_va(&f.guest, f.ring.used_gpa, size);
        memcpy(seen_bytes, ring_bytes, size);
        iovtee_txvq_resume(f.vq, -1, &log);
        for (int round = 0; round < 20; round++) {
            for (int k = 0; k < 10; k++) {
                tx_post(&f, 60);
            }
            tx_expose(&f);
            n_reported = 0;
            CHECK(tx_recv(&f) == 10 && n_reported);
            CHECK(!memcmp(seen_bytes, ring_bytes, size));
            tx_reap(&f);
        }
        tx_fixture_destroy(&f);
    }
}

/* A PMD thread receives while queues are suspended, resumed and finished.  The
 * one that is gone reads no memory, which ends with it. */

static struct tx_fixture race;
static atomic_bool race_over = false;
static atomic_uint n_raced = 0;

static void *
race_pmd(void *vq)
{
    struct rte_mbuf *mbufs[NETDEV_MAX_BURST];
    bool over = false;

    while (!over) {
        unsigned int n = iovtee_txvq_recv(vq, tx_pool(), mbufs,
                                          NETDEV_MAX_BURST);
        unsigned int orig;

        for (unsigned int i = 0; i < n; i++) {
            rte_pktmbuf_free(mbufs[i]);
        }
        atomic_add(&n_raced, n, &orig);
        iovtee_txvq_n_waiting(vq);
        sched_yield();
        atomic_read(&race_over, &over);
    }
    return NULL;
}

static void
test_race(void)
{
    unsigned int expected = 0;

    for (int i = 0; i < 50; i++) {
        uint16_t last_avail, last_used;
        struct iovtee_txvq *vq;
        struct iovtee_txvq_info info;
        pthread_t thread;
        unsigned int n;

        tx_fixture_init(&race, &usual);
        vq = race.vq;
        atomic_store(&race_over, false);
        CHECK(!pthread_create(&thread, NULL, race_pmd, vq));
        for (int k = 0; k < 20; k++) {
            while (tx_post(&race, 60) >= 0) {
                continue;
            }
            tx_expose(&race);
            iovtee_txvq_suspend(vq);
            atomic_read(&n_raced, &n);
            iovtee_txvq_get_info(vq, &info);
            CHECK(info.state == IOVTEE_TXVQ_SUSPENDED && !info.n_out);
            iovtee_txvq_resume(vq, race.callfd, NULL);
            sched_yield();
            tx_reap(&race);
        }
        iovtee_txvq_finish(vq, &last_avail, &last_used);
        CHECK(last_avail == last_used);
        expected += last_used;
        tx_reap(&race);
        CHECK(race.reaped == last_used);

        /* Its memory is gone, and it is still asked. */
        guest_ring_destroy(&race.ring);
        guest_destroy(&race.guest);
        sched_yield();
        atomic_store(&race_over, true);
        CHECK(!pthread_join(thread, NULL));
        atomic_read(&n_raced, &n);
        CHECK(n == expected);
        iovtee_txvq_unref(vq);
        close(race.callfd);
    }
    CHECK(rte_mempool_full(tx_pool()));
    CHECK(expected > 1000);
}

int
main(int argc, char *argv[])
{
    static const struct unit_command commands[] = {
        { "announce", test_announce },
        { "bursts", test_bursts },
        { "empty", test_empty },
        { "frames", test_frames },
        { "life", test_life },
        { "log", test_log },
        { "long", test_long },
        { "no-mbufs", test_no_mbufs },
        { "notify", test_notify },
        { "nowhere", test_nowhere },
        { "pieces", test_pieces },
        { "race", test_race },
    };

    set_program_name(argv[0]);
    vlog_set_pattern(VLF_CONSOLE, "%c|%p|%m");
    unit_eal_init("64");
    return unit_main(argc, argv, commands, ARRAY_SIZE(commands));
}
