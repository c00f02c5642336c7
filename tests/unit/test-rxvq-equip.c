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

/* Unit tests of queue/rxvq: the memory that lending takes. */

#include <config.h>

#include "queue/rxvq.h"

#include <errno.h>

#include <rte_malloc.h>
#include <rte_mbuf.h>
#include <rte_mempool.h>
#include <rte_memzone.h>

#include "openvswitch/vlog.h"
#include "ovs-rcu.h"
#include "queue/pool.h"
#include "seq.h"
#include "util.h"
#include "rxvq-fixture.h"

/* Open vSwitch has the same. */
#undef ARRAY_SIZE
#include "unit-eal.h"

enum { SIZE = 64, BUF_LEN = 2048, MAX_FRAME = 1522 };

/* 128 guests of 8 queues. */
enum { N_QUEUES = 1024, SMALL = 32 };

static const struct vq_params bare = {
    .size = SIZE, .start = 65500, .hdr_len = 12, .mergeable = true,
    .bare = true,
};

static void
count_memzone(const struct rte_memzone *mz OVS_UNUSED, void *n_)
{
    unsigned int *n = n_;

    ++*n;
}

static unsigned int
n_memzones(void)
{
    unsigned int n = 0;

    rte_memzone_walk(count_memzone, &n);
    return n;
}

/* Returns how many bytes of DPDK's heap are used. */
static size_t
heap_used(void)
{
    struct rte_malloc_socket_stats stats;

    ovsrcu_barrier();
    CHECK(!rte_malloc_get_socket_stats(0, &stats));
    return stats.heap_allocsz_bytes;
}

static size_t
shells_size(struct iovtee_rxvq *vq)
{
    struct iovtee_rxvq_info info;

    iovtee_rxvq_get_info(vq, &info);
    return info.shells_size;
}

/* A queue without a NIC takes no memory for shells, and works.  With a NIC it
 * takes some, until the last one goes and the last packet is home. */
static void
test_come_and_go(void)
{
    struct dp_packet *packet, *late;
    struct vq_fixture f;
    size_t before;
    bool unfit;

    CHECK(iovtee_shells_home() && vq_host_pool());
    vq_fixture_init(&f, &bare);
    vq_refill(&f, BUF_LEN);
    before = heap_used();
    CHECK(!shells_size(f.vq));
    CHECK(!iovtee_rxvq_post(f.vq, (void **) &packet, 1, false, MAX_FRAME,
                            &f.posted, &unfit));
    vq_deliver(&f, vq_host_packet(1000, 1, VQ_PEER));
    CHECK(vq_reap(&f, 1000, 1) == 1);

    for (int i = 0; i < 3; i++) {
        CHECK(!iovtee_rxvq_equip(f.vq));
        CHECK(!iovtee_rxvq_equip(f.vq));
        CHECK(shells_size(f.vq) && heap_used() > before);
        vq_refill(&f, BUF_LEN);
        packet = vq_receive(&f, 1514, i);
        late = vq_receive(&f, 1514, i + 1);
        CHECK(iovtee_rxvq_owns(f.vq, packet));

        iovtee_rxvq_unequip(f.vq);
        iovtee_rxvq_sweep();
        CHECK(shells_size(f.vq));
        vq_deliver(&f, packet);
        CHECK(vq_reap(&f, 1514, i) == 1);
        CHECK(f.vq->counters.zero_copied == i + 1);

        iovtee_rxvq_unequip(f.vq);
        iovtee_rxvq_sweep();
        CHECK(shells_size(f.vq));
        if (i == 1) {
            /* Needed again in time. */
            CHECK(!iovtee_rxvq_equip(f.vq));
            iovtee_rxvq_sweep();
            iovtee_rxvq_unequip(f.vq);
        }
        dp_packet_delete(late);
        CHECK(shells_size(f.vq));
        iovtee_rxvq_sweep();
        CHECK(!shells_size(f.vq) && heap_used() == before);
    }

    vq_deliver(&f, vq_host_packet(1000, 1, VQ_PEER));
    CHECK(vq_reap(&f, 1000, 1) == 1);
    vq_fixture_destroy(&f);
}

/* A queue that is gone while a packet of it waits in a NIC is a retired one,
 * so that the NIC is asked for the packet, and whoever waits is woken. */
static void
test_late_packet(void)
{
    struct seq *seq = iovtee_retired_seq();
    struct iovtee_retired *retired;
    uint16_t last_avail, last_used;
    struct dp_packet *packet;
    struct vq_fixture f;
    uint64_t seqno;

    CHECK(iovtee_shells_home() && vq_host_pool());
    vq_fixture_init(&f, &bare);
    CHECK(!iovtee_rxvq_equip(f.vq));
    vq_refill(&f, BUF_LEN);
    packet = vq_receive(&f, 1514, 1);
    iovtee_rxvq_unequip(f.vq);
    CHECK(!iovtee_rxvq_sweep());

    iovtee_rxvq_suspend(f.vq);
    iovtee_rxvq_finish(f.vq, &last_avail, &last_used);
    CHECK(!iovtee_rxvq_sweep());
    seqno = seq_read(seq);
    iovtee_rxvq_unref(f.vq);
    CHECK(seq_read(seq) != seqno);
    CHECK(iovtee_rxvq_sweep() == 1);
    CHECK(iovtee_rxvq_get_retired(&retired) == 1);
    CHECK(retired->n_out == 1 && !strcmp(retired->port, "vm0"));
    iovtee_retired_free(retired, 1);
    dp_packet_delete(packet);
    CHECK(!iovtee_rxvq_sweep());
    vq_fixture_free(&f);
}

/* As many queues as a large switch has take as many memzones as one. */
static void
test_many(void)
{
    static const struct vq_params params = {
        .size = SMALL, .hdr_len = 12, .mergeable = true,
    };
    static struct iovtee_rxvq *vqs[N_QUEUES];
    static struct dp_packet *packets[N_QUEUES];
    struct iovtee_rxvq_config config = { .port = "vm0", .zero_copy = true };
    uint16_t last_avail, last_used;
    struct vq_fixture f;
    unsigned int n;
    size_t before;

    vq_fixture_init(&f, &params);
    vq_refill(&f, BUF_LEN);
    n = n_memzones();
    before = heap_used();
    config.ring = &f.session;
    for (size_t i = 0; i < N_QUEUES; i++) {
        bool unfit;

        config.q = i;
        vqs[i] = iovtee_rxvq_create(&config);
        CHECK(vqs[i] && !iovtee_rxvq_equip(vqs[i]));
        iovtee_rxvq_resume(vqs[i], -1, NULL);
        CHECK(iovtee_rxvq_post(vqs[i], (void **) &packets[i], 1, false,
                               MAX_FRAME, &f.posted, &unfit) == 1);
    }
    CHECK(n_memzones() == n);

    /* Freed at once, each shell finds its own queue. */
    rte_pktmbuf_free_bulk((struct rte_mbuf **) packets, N_QUEUES);
    for (size_t i = 0; i < N_QUEUES; i++) {
        CHECK(!vqs[i]->ledger.n[IOVTEE_NIC] && !vqs[i]->ledger.n_violations);
        CHECK(iovtee_rxvq_is_balanced(vqs[i]));
        iovtee_rxvq_suspend(vqs[i]);
        iovtee_rxvq_abandon(vqs[i]);
        iovtee_rxvq_unequip(vqs[i]);
        iovtee_rxvq_unref(vqs[i]);
    }
    iovtee_rxvq_sweep();
    CHECK(heap_used() == before);
    iovtee_rxvq_finish(f.vq, &last_avail, &last_used);
    vq_fixture_destroy(&f);
}

static int
get_aux(void *aux, void **objs, unsigned int n)
{
    for (unsigned int i = 0; i < n; i++) {
        objs[i] = aux;
    }
    return 0;
}

/* So do the feeds of as many receive queues of NICs.  Each asks its own
 * queue. */
static void
test_feeds(void)
{
    static const struct iovtee_pool_ops ops = { .get = get_aux };
    static struct rte_mempool *feeds[N_QUEUES];
    static char queues[N_QUEUES];
    unsigned int n = 0;
    size_t before = 0;

    for (size_t i = 0; i < N_QUEUES; i++) {
        char name[RTE_MEMPOOL_NAMESIZE];

        snprintf(name, sizeof name, "feed-%"PRIuSIZE, i);
        feeds[i] = iovtee_pool_create_feed(name, 1000 + i, 0, &ops,
                                           &queues[i]);
        CHECK(feeds[i] && !strcmp(feeds[i]->name, name));
        if (!i) {
            n = n_memzones();
            before = heap_used();
        }
    }
    CHECK(n_memzones() == n);

    for (size_t i = 0; i < N_QUEUES; i++) {
        void *objs[2];

        CHECK(rte_pktmbuf_data_room_size(feeds[i]) == 1000 + i);
        CHECK(!rte_pktmbuf_priv_size(feeds[i]));
        CHECK(!rte_mempool_get_bulk(feeds[i], objs, 2));
        CHECK(objs[0] == &queues[i] && objs[1] == &queues[i]);
    }
    for (size_t i = N_QUEUES; i-- > 1;) {
        iovtee_pool_destroy(feeds[i]);
    }
    CHECK(heap_used() == before);
    iovtee_pool_destroy(feeds[0]);
}

/* Without memory packets are copied, which is counted; with memory again they
 * are not. */
static void
test_no_memory(void)
{
    void *taken[4096];
    struct vq_fixture f;
    size_t n = 0;

    CHECK(iovtee_shells_home() && vq_host_pool());
    vq_fixture_init(&f, &bare);
    vq_refill(&f, BUF_LEN);
    for (size_t size = 1 << 20; size >= 1 << 12; size /= 2) {
        while (n < ARRAY_SIZE(taken)
               && (taken[n] = rte_malloc(NULL, size, 0)) != NULL) {
            n++;
        }
    }
    CHECK(n < ARRAY_SIZE(taken));
    CHECK(iovtee_rxvq_equip(f.vq) == ENOMEM);
    vq_deliver(&f, vq_host_packet(1000, 1, VQ_PEER));
    CHECK(vq_reap(&f, 1000, 1) == 1);
    CHECK(vq_n_copied(&f, IOVTEE_COPY_MEMORY) == 1);

    while (n) {
        rte_free(taken[--n]);
    }
    CHECK(!iovtee_rxvq_equip(f.vq));
    vq_deliver(&f, vq_receive(&f, 1514, 1));
    CHECK(vq_reap(&f, 1514, 1) == 1);
    CHECK(f.vq->counters.zero_copied == 1);
    vq_fixture_destroy(&f);
}

int
main(int argc, char *argv[])
{
    static const struct unit_command commands[] = {
        { "come-and-go", test_come_and_go },
        { "feeds", test_feeds },
        { "late-packet", test_late_packet },
        { "many", test_many },
        { "no-memory", test_no_memory },
    };

    set_program_name(argv[0]);
    vlog_set_pattern(VLF_CONSOLE, "%c|%p|%m");
    vlog_set_levels(NULL, VLF_CONSOLE, VLL_WARN);
    unit_eal_init("96");
    return unit_main(argc, argv, commands, ARRAY_SIZE(commands));
}
