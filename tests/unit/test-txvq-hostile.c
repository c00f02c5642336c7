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

/* Unit tests of lib/queue/txvq: guests that break their ring, or that would
 * have a PMD thread work without end. */

#include <config.h>

#include "queue/txvq.h"

#include <pthread.h>
#include <unistd.h>

#include <linux/virtio_net.h>
#include <rte_mbuf.h>

#include "dp-packet.h"
#include "openvswitch/vlog.h"
#include "txvq-fixture.h"
#include "util.h"
#include "virtio/busfault.h"

/* Open vSwitch has the same. */
#undef ARRAY_SIZE
#include "unit-eal.h"

static const struct tx_params usual = { .size = 64, .hdr_len = 12 };

static void
be_quiet(void)
{
    vlog_set_levels(NULL, VLF_ANY_DESTINATION, VLL_OFF);
}

/* Receives what is before the fault: 'n' frames.  Afterwards nothing more
 * comes, whatever the guest does, and the next device begins with what was not
 * taken. */
static void
check_broken(struct tx_fixture *f, enum iovtee_vring_fault fault,
             unsigned int n)
{
    struct iovtee_txvq_info info;
    uint16_t last_avail, last_used;

    CHECK(tx_recv(f) == n);
    iovtee_txvq_get_info(f->vq, &info);
    CHECK(info.fault == fault);
    CHECK(!info.n_out && !info.n_waiting);
    CHECK(f->vq->counters.faults[fault] == 1);
    CHECK(tx_reap(f) == n);

    tx_post(f, 60);
    tx_expose(f);
    CHECK(!tx_recv(f) && !tx_reap(f) && !iovtee_txvq_n_waiting(f->vq));
    CHECK(f->vq->counters.faults[fault] == 1);

    iovtee_txvq_suspend(f->vq);
    iovtee_txvq_finish(f->vq, &last_avail, &last_used);
    CHECK(last_avail == (uint16_t) (f->params.start + n));
    CHECK(last_used == last_avail);
    iovtee_txvq_unref(f->vq);
    guest_ring_destroy(&f->ring);
    guest_destroy(&f->guest);
    close(f->callfd);
    CHECK(rte_mempool_full(tx_pool()));
}

/* Makes '*f' a guest that has posted three good frames. */
static void
begin(struct tx_fixture *f)
{
    tx_fixture_init(f, &usual);
    for (int i = 0; i < 3; i++) {
        tx_post(f, 60);
    }
}

/* Descriptors that cannot be. */
static void
test_descriptors(void)
{
    static const struct {
        uint64_t gpa;
        uint32_t len;
        uint16_t flags;
        enum iovtee_vring_fault fault;
    } bad[] = {
        { TX_BUF_GPA, 72, IOVTEE_DESC_F_WRITE, IOVTEE_FAULT_NOT_READABLE },
        { TX_BUF_GPA, 72, IOVTEE_DESC_F_NEXT, IOVTEE_FAULT_CHAIN_LOOP },
        { TX_BUF_GPA, 0, IOVTEE_DESC_F_NEXT, IOVTEE_FAULT_CHAIN_LOOP },
        { 0xdeadbeef0000, 72, 0, IOVTEE_FAULT_BAD_ADDRESS },
        { TX_BUF_GPA - 1, 72, 0, IOVTEE_FAULT_BAD_ADDRESS },
        { UINT64_MAX - 10, 72, 0, IOVTEE_FAULT_BAD_ADDRESS },
        { TX_BUF_GPA, UINT32_MAX, 0, IOVTEE_FAULT_BAD_ADDRESS },
        { TX_TABLE_GPA, 17, IOVTEE_DESC_F_INDIRECT, IOVTEE_FAULT_INDIRECT },
        { TX_TABLE_GPA, 0, IOVTEE_DESC_F_INDIRECT, IOVTEE_FAULT_INDIRECT },
        { TX_TABLE_GPA, 65 * 16, IOVTEE_DESC_F_INDIRECT,
          IOVTEE_FAULT_INDIRECT },
        { 0xdeadbeef0000, 16, IOVTEE_DESC_F_INDIRECT, IOVTEE_FAULT_INDIRECT },
        { TX_TABLE_GPA, 16, IOVTEE_DESC_F_INDIRECT | IOVTEE_DESC_F_NEXT,
          IOVTEE_FAULT_INDIRECT },
    };

    be_quiet();
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        struct tx_fixture f;

        begin(&f);
        tx_post_desc(&f, bad[i].gpa, bad[i].len, bad[i].flags);
        tx_post(&f, 60);
        tx_expose(&f);
        check_broken(&f, bad[i].fault, 3);
    }
}

/* An indirect table that is one more. */
static void
test_nested(void)
{
    const struct iovtee_desc nested = {
        .addr = TX_TABLE_GPA, .len = 16, .flags = IOVTEE_DESC_F_INDIRECT };
    struct tx_fixture f;

    begin(&f);
    memcpy(guest_va(&f.guest, TX_TABLE_GPA, sizeof nested), &nested,
           sizeof nested);
    tx_post_desc(&f, TX_TABLE_GPA, 16, IOVTEE_DESC_F_INDIRECT);
    tx_expose(&f);
    check_broken(&f, IOVTEE_FAULT_INDIRECT, 3);

    /* One that was not negotiated. */
    begin(&f);
    f.vq->vring.indirect = false;
    tx_post_desc(&f, TX_TABLE_GPA, 16, IOVTEE_DESC_F_INDIRECT);
    tx_expose(&f);
    check_broken(&f, IOVTEE_FAULT_INDIRECT, 3);
}

/* Available rings that cannot be. */
static void
test_available(void)
{
    struct tx_fixture f;

    be_quiet();
    begin(&f);
    tx_expose(&f);
    guest_ring_set_avail(&f.ring, 3, 64);
    guest_ring_set_avail_idx(&f.ring, 4);
    check_broken(&f, IOVTEE_FAULT_HEAD_RANGE, 3);

    begin(&f);
    guest_ring_set_avail_idx(&f.ring, 65);
    check_broken(&f, IOVTEE_FAULT_AVAIL_JUMP, 0);

    begin(&f);
    guest_ring_set_avail_idx(&f.ring, 65535);
    check_broken(&f, IOVTEE_FAULT_AVAIL_JUMP, 0);
}

/* One buffer that is posted twice is sent twice: that harms nobody else. */
static void
test_twice(void)
{
    struct rte_mbuf *mbufs[NETDEV_MAX_BURST];
    struct tx_fixture f;
    int head;

    tx_fixture_init(&f, &usual);
    head = tx_post(&f, 60);
    guest_ring_set_avail(&f.ring, 1, head);
    guest_ring_set_avail_idx(&f.ring, 2);
    CHECK(iovtee_txvq_recv(f.vq, tx_pool(), mbufs, NETDEV_MAX_BURST) == 2);
    CHECK(!memcmp(rte_pktmbuf_mtod(mbufs[0], void *),
                  rte_pktmbuf_mtod(mbufs[1], void *), 60));
    rte_pktmbuf_free(mbufs[0]);
    rte_pktmbuf_free(mbufs[1]);
    CHECK(f.ring.used[1] == 2);
    iovtee_txvq_unref(f.vq);
    guest_ring_destroy(&f.ring);
    guest_destroy(&f.guest);
    close(f.callfd);
}

/* Chains as long as can be: of each burst one or two are worked at, and all of
 * them come out. */
static void
test_many_pieces(void)
{
    struct tx_params params = { .size = TX_MAX_SIZE, .hdr_len = 12 };
    uint32_t lens[TX_MAX_SIZE];
    struct tx_fixture f;
    unsigned int n = 0, bursts = 0;

    for (size_t i = 0; i < ARRAY_SIZE(lens); i++) {
        lens[i] = 1;
    }
    tx_fixture_init(&f, &params);
    for (int i = 0; i < 40; i++) {
        CHECK(tx_post_pieces(&f, lens, 0, ARRAY_SIZE(lens)) >= 0);
        CHECK(tx_post(&f, 60) >= 0);
    }
    tx_expose(&f);
    while (n < 80) {
        unsigned int k = tx_recv(&f);

        CHECK(k && k <= 2 * IOVTEE_TXVQ_MAX_PIECES / ARRAY_SIZE(lens) + 1);
        CHECK(tx_reap(&f) == k);
        n += k;
        bursts++;
    }
    CHECK(bursts >= 40 * ARRAY_SIZE(lens) / IOVTEE_TXVQ_MAX_PIECES);
    CHECK(!f.vq->vring.fault);
    tx_fixture_destroy(&f);
}

/* The file behind region 'region' is truncated.  What comes is zeros, so
 * nothing of it does. */
static void
lose(size_t region)
{
    struct rte_mbuf *mbufs[NETDEV_MAX_BURST];
    uint16_t last_avail, last_used;
    struct iovtee_txvq_info info;
    struct tx_fixture f;

    begin(&f);
    tx_expose(&f);
    CHECK(!ftruncate(f.guest.regions[region].fd, 0));
    for (int i = 0; i < 3; i++) {
        CHECK(!iovtee_txvq_recv(f.vq, tx_pool(), mbufs, NETDEV_MAX_BURST));
    }
    iovtee_txvq_get_info(f.vq, &info);
    CHECK(info.fault == IOVTEE_FAULT_MEMORY_LOST);
    CHECK(f.vq->counters.faults[IOVTEE_FAULT_MEMORY_LOST] == 1);
    iovtee_txvq_suspend(f.vq);
    iovtee_txvq_finish(f.vq, &last_avail, &last_used);
    CHECK(!last_avail && !last_used);
    iovtee_txvq_unref(f.vq);
    guest_ring_destroy(&f.ring);
    guest_destroy(&f.guest);
    close(f.callfd);
    CHECK(rte_mempool_full(tx_pool()));
}

static void
test_lost(void)
{
    be_quiet();
    CHECK(!iovtee_busfault_init());
    lose(0);                    /* The ring. */
    lose(1);                    /* The frames. */
}

/* A guest that rewrites all of its ring and of its headers while they are
 * read. */

static atomic_bool scribble_over = false;

static void *
scribble(void *f_)
{
    struct tx_fixture *f = f_;
    volatile struct iovtee_desc *desc
        = (volatile struct iovtee_desc *) f->ring.desc;
    uint8_t *bufs = guest_va(&f->guest, TX_BUF_GPA, 65536);
    bool over = false;

    while (!over) {
        for (uint32_t i = 0; i < f->params.size; i++) {
            desc[i].len = unit_random_below(4) ? 72 : unit_random();
            desc[i].addr = (TX_BUF_GPA
                            + (unit_random_below(64) ? 0 : unit_random()));
            bufs[i] = unit_random();
        }
        atomic_read(&scribble_over, &over);
    }
    return NULL;
}

static void
test_scribble(void)
{
    struct tx_params params = { .size = 64, .hdr_len = 12,
        .features = (UINT64_C(1) << VIRTIO_NET_F_CSUM
                     | UINT64_C(1) << VIRTIO_NET_F_HOST_TSO4) };
    unsigned int n_total = 0;

    be_quiet();
    for (int round = 0; round < 200; round++) {
        struct tx_fixture f;
        pthread_t thread;

        tx_fixture_init(&f, &params);
        for (int i = 0; i < 64; i++) {
            tx_post_desc(&f, TX_BUF_GPA, 72, 0);
        }
        atomic_store(&scribble_over, false);
        CHECK(!pthread_create(&thread, NULL, scribble, &f));
        for (uint16_t idx = 64; idx < 1000 && !f.vq->vring.fault; idx += 16) {
            struct rte_mbuf *mbufs[NETDEV_MAX_BURST];
            unsigned int n;

            guest_ring_set_avail_idx(&f.ring, idx);
            n = iovtee_txvq_recv(f.vq, tx_pool(), mbufs, NETDEV_MAX_BURST);
            for (unsigned int i = 0; i < n; i++) {
                const struct rte_mbuf *m = mbufs[i];

                CHECK(m->data_len && m->data_off + m->data_len <= m->buf_len);
                CHECK(m->l2_len + m->l3_len + m->l4_len <= m->data_len
                      || !m->ol_flags);
                rte_pktmbuf_free(mbufs[i]);
            }
            n_total += n;
        }
        atomic_store(&scribble_over, true);
        CHECK(!pthread_join(thread, NULL));
        iovtee_txvq_unref(f.vq);
        guest_ring_destroy(&f.ring);
        guest_destroy(&f.guest);
        close(f.callfd);
    }
    CHECK(rte_mempool_full(tx_pool()));
    CHECK(n_total > 1000);
}

int
main(int argc, char *argv[])
{
    static const struct unit_command commands[] = {
        { "available", test_available },
        { "descriptors", test_descriptors },
        { "lost", test_lost },
        { "many-pieces", test_many_pieces },
        { "nested", test_nested },
        { "scribble", test_scribble },
        { "twice", test_twice },
    };

    set_program_name(argv[0]);
    vlog_set_pattern(VLF_CONSOLE, "%c|%p|%m");
    unit_eal_init("64");
    return unit_main(argc, argv, commands, ARRAY_SIZE(commands));
}
