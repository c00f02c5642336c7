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

/* Unit tests of guest/qos and guest/policer.
 *
 * Rates are a few bytes per second, so that the buckets do not fill noticeably
 * while a test runs, and results are exact. */

#include <config.h>

#include "guest/qos.h"

#include <errno.h>
#include <inttypes.h>

#include <rte_mbuf.h>
#include <rte_mempool.h>

#include "dp-packet.h"
#include "guest/hostpool.h"
#include "netdev.h"
#include "openvswitch/vlog.h"
#include "ovs-atomic.h"
#include "ovs-rcu.h"
#include "ovs-thread.h"
#include "smap.h"
#include "sset.h"
#include "timeval.h"
#include "util.h"

/* Open vSwitch has the same. */
#undef ARRAY_SIZE
#include "unit-eal.h"

/* Length of a frame that costs 1500 bytes. */
enum { LEN = 1514 };

static struct rte_mempool *mp;  /* Where packets come from. */
static struct iovtee_qos qos;   /* What is tested. */

/* Returns a new packet of 'len' bytes for queue 'queue_id'. */
static struct rte_mbuf *
new_packet(uint32_t len, uint32_t queue_id)
{
    struct rte_mbuf *m = rte_pktmbuf_alloc(mp);
    struct dp_packet *p;

    CHECK(m);
    p = CONTAINER_OF(m, struct dp_packet, mbuf);
    dp_packet_reset_cutlen(p);
    pkt_metadata_init(&p->md, 0);
    p->md.skb_priority = queue_id;
    dp_packet_set_size(p, len);
    return m;
}

/* Sends one packet to the guest.  Returns true if it passes. */
static bool
send_one(uint32_t len, uint32_t queue_id)
{
    struct rte_mbuf *m = new_packet(len, queue_id);
    int n = iovtee_qos_run_egress(&qos, &m, 1, true);

    CHECK(n == 0 || n == 1);
    if (n) {
        rte_pktmbuf_free(m);
    }
    CHECK(!rte_mempool_in_use_count(mp));
    return n;
}

/* Receives one packet from the guest.  Returns true if it passes. */
static bool
recv_one(uint32_t len)
{
    struct rte_mbuf *m = new_packet(len, 0);
    int n = iovtee_qos_run_ingress(&qos, &m, 1);

    CHECK(n == 0 || n == 1);
    if (n) {
        rte_pktmbuf_free(m);
    }
    CHECK(!rte_mempool_in_use_count(mp));
    return n;
}

/* Sends or receives packets of LEN bytes until one is dropped.  Returns how
 * many passed. */
static int
count_passed(bool egress)
{
    int n = 0;

    while (egress ? send_one(LEN, 0) : recv_one(LEN)) {
        CHECK(++n < 10000);
    }
    return n;
}

/* Calls iovtee_qos_set() with 'type' and the alternating names and values that
 * follow, up to a NULL. */
static int SENTINEL(0)
set_qos(const char *type, ...)
{
    struct smap details = SMAP_INITIALIZER(&details);
    const char *key;
    va_list args;
    int error;

    va_start(args, type);
    while ((key = va_arg(args, const char *)) != NULL) {
        smap_add(&details, key, va_arg(args, const char *));
    }
    va_end(args);
    error = iovtee_qos_set(&qos, type, &details);
    smap_destroy(&details);
    return error;
}

/* As set_qos(), for queue 'queue_id'. */
static int SENTINEL(0)
set_queue(uint32_t queue_id, ...)
{
    struct smap details = SMAP_INITIALIZER(&details);
    const char *key;
    va_list args;
    int error;

    va_start(args, queue_id);
    while ((key = va_arg(args, const char *)) != NULL) {
        smap_add(&details, key, va_arg(args, const char *));
    }
    va_end(args);
    error = iovtee_qos_set_queue(&qos, queue_id, &details);
    smap_destroy(&details);
    return error;
}

/* Prints the QoS in effect, and its queues. */
static void
show(void)
{
    struct smap details = SMAP_INITIALIZER(&details);
    const struct smap_node **nodes;
    const char *type;

    CHECK(!iovtee_qos_get(&qos, &type, &details));
    printf("\"%s\"", type);
    nodes = smap_sort(&details);
    for (size_t i = 0; i < smap_count(&details); i++) {
        printf(" %s=%s", nodes[i]->key, nodes[i]->value);
    }
    printf("\n");
    free(nodes);
    smap_destroy(&details);
}

static void
start(void)
{
    struct iovtee_hostpool_need need = { .port = "vm0", .mtu = 1500 };

    unit_eal_init("64");
    mp = iovtee_hostpool_get(&need);
    CHECK(mp);
    iovtee_qos_init(&qos, "vm0");
}

/* Like start(), for a test that makes mistakes on purpose. */
static void
start_quietly(void)
{
    vlog_set_levels(NULL, VLF_ANY_DESTINATION, VLL_OFF);
    start();
}

static void
stop(void)
{
    CHECK(!rte_mempool_in_use_count(mp));
    iovtee_qos_destroy(&qos);
    iovtee_hostpool_put(mp);
    ovsrcu_quiesce();
    CHECK(!iovtee_hostpool_count());
}

/* Ingress policing. */
static void
test_policing(void)
{
    start();

    /* Off. */
    for (int i = 0; i < 1000; i++) {
        CHECK(recv_one(LEN));
    }

    /* 24 kbit are 3000 bytes, twice what a packet counts. */
    CHECK(!iovtee_qos_set_policing(&qos, 1, 24));
    CHECK(count_passed(false) == 2);

    /* The same again changes nothing. */
    CHECK(!iovtee_qos_set_policing(&qos, 1, 24));
    CHECK(count_passed(false) == 0);

    /* Packets to the guest are not concerned. */
    CHECK(send_one(LEN, 0));

    /* Just the Ethernet header is free; less is not a frame. */
    CHECK(recv_one(14));
    CHECK(!recv_one(13));
    CHECK(!recv_one(1));

    /* Default burst, 8000 kbit, 1 MB. */
    CHECK(!iovtee_qos_set_policing(&qos, 1, 0));
    CHECK(count_passed(false) == 1000000 / 1500);
    CHECK(!iovtee_qos_set_policing(&qos, 1, 8000));
    CHECK(count_passed(false) == 0);

    /* Off, with or without a burst. */
    CHECK(!iovtee_qos_set_policing(&qos, 0, 24));
    CHECK(recv_one(LEN));
    CHECK(recv_one(13));
    CHECK(!iovtee_qos_set_policing(&qos, 1, 12));
    CHECK(count_passed(false) == 1);
    CHECK(!iovtee_qos_set_policing(&qos, 0, 0));
    CHECK(recv_one(LEN));

    /* The highest rate limits nothing here. */
    CHECK(!iovtee_qos_set_policing(&qos, UINT32_MAX, UINT32_MAX));
    for (int i = 0; i < 10000; i++) {
        CHECK(recv_one(LEN));
    }
    CHECK(!recv_one(13));
    stop();
}

/* Which ones of a burst are kept, and what becomes of the others. */
static void
test_burst(void)
{
    static const uint32_t lens[]
        = {1014, 1514, 1014, 14, 1514, 13, 514, 64, 14};
    struct rte_mbuf *kept[ARRAY_SIZE(lens)];
    struct rte_mbuf *pkts[ARRAY_SIZE(lens)];
    struct rte_mbuf *orig[ARRAY_SIZE(lens)];
    struct iovtee_policer *policer;
    int n = ARRAY_SIZE(lens);

    start();
    for (int steal = 0; steal <= 1; steal++) {
        CHECK(!set_qos("", NULL));
        CHECK(!set_qos("egress-policer", "cir", "1", "cbs", "2500", NULL));
        for (int i = 0; i < n; i++) {
            orig[i] = pkts[i] = new_packet(lens[i], 0);
        }

        /* 1000 + 1500 leave nothing but for what is free. */
        CHECK(iovtee_qos_run_egress(&qos, pkts, n, steal) == 4);
        kept[0] = orig[0];
        kept[1] = orig[1];
        kept[2] = orig[3];
        kept[3] = orig[8];
        CHECK(!memcmp(pkts, kept, 4 * sizeof *kept));
        if (steal) {
            CHECK(rte_mempool_in_use_count(mp) == 4);
            rte_pktmbuf_free_bulk(pkts, 4);
        } else {
            static const int dropped[] = {2, 4, 5, 6, 7};

            CHECK((int) rte_mempool_in_use_count(mp) == n);
            for (size_t i = 0; i < ARRAY_SIZE(dropped); i++) {
                CHECK(pkts[4 + i] == orig[dropped[i]]);
            }
            rte_pktmbuf_free_bulk(pkts, n);
        }
    }

    /* Packets whose data are not DPDK's. */
    for (int i = 0; i < 2; i++) {
        struct dp_packet *p = dp_packet_new(LEN);

        dp_packet_put_zeros(p, LEN);
        pkts[i] = &p->mbuf;
    }
    CHECK(!set_qos("egress-policer", "cir", "1", "cbs", "1500", NULL));
    CHECK(iovtee_qos_run_egress(&qos, pkts, 2, true) == 1);
    dp_packet_delete(CONTAINER_OF(pkts[0], struct dp_packet, mbuf));

    CHECK(iovtee_qos_run_egress(&qos, pkts, 0, true) == 0);

    /* A thread that is about to use a policer while it is removed.  Only
     * AddressSanitizer sees for sure if that fails. */
    policer = ovsrcu_get(struct iovtee_policer *, &qos.egress);
    CHECK(!set_qos("", NULL));
    pkts[0] = new_packet(LEN, 0);
    CHECK(iovtee_policer_run(policer, pkts, 1, true) == 0);
    stop();
}

/* What iovtee_qos_set() refuses. */
static void
check_refusals(void)
{
    CHECK(set_qos("linux-htb", NULL) == EOPNOTSUPP);
    CHECK(set_qos("egress-policer", NULL) == EINVAL);
    CHECK(set_qos("egress-policer", "cir", "1", NULL) == EINVAL);
    CHECK(set_qos("egress-policer", "cbs", "1", NULL) == EINVAL);
    CHECK(set_qos("egress-policer", "cir", "x", "cbs", "9", NULL) == EINVAL);
    CHECK(set_qos("egress-policer", "cir", "18446744073709551615",
                  "cbs", "2048", NULL) == EINVAL);
    CHECK(set_qos("trtcm-policer", "cir", "1", NULL) == EINVAL);
    CHECK(set_qos("trtcm-policer", "eir", "1", NULL) == EINVAL);
    CHECK(set_qos("trtcm-policer", "cir", "1", "cbs", "1",
                  "eir", "18446744073709551615", "ebs", "1", NULL) == EINVAL);
}

/* What iovtee_qos_set() takes and refuses. */
static void
test_configure(void)
{
    struct sset types = SSET_INITIALIZER(&types);
    struct netdev_queue_stats stats;
    struct smap details = SMAP_INITIALIZER(&details);
    void *state;

    start_quietly();
    CHECK(!iovtee_qos_get_types(&types));
    CHECK(sset_count(&types) == 2);
    CHECK(sset_contains(&types, "egress-policer"));
    CHECK(sset_contains(&types, "trtcm-policer"));
    sset_destroy(&types);
    show();

    /* Nothing in effect: no queues. */
    CHECK(set_queue(0, NULL) == EOPNOTSUPP);
    CHECK(iovtee_qos_get_queue(&qos, 0, &details) == EOPNOTSUPP);
    CHECK(iovtee_qos_get_queue_stats(&qos, 0, &stats) == EOPNOTSUPP);
    CHECK(iovtee_qos_delete_queue(&qos, 0) == EOPNOTSUPP);
    CHECK(iovtee_qos_queue_dump_start(&qos, &state) == EOPNOTSUPP);

    check_refusals();
    show();
    CHECK(send_one(LEN, 0));

    CHECK(!set_qos("egress-policer", "cir", "1", "cbs", "3000", "eir", "7",
                   NULL));
    show();
    CHECK(set_queue(0, NULL) == EOPNOTSUPP);
    CHECK(iovtee_qos_queue_dump_start(&qos, &state) == EOPNOTSUPP);
    CHECK(count_passed(true) == 2);
    CHECK(recv_one(LEN));

    /* The same again changes nothing, nor does what is refused. */
    CHECK(!set_qos("egress-policer", "cir", "1", "cbs", "3000", NULL));
    CHECK(set_qos("egress-policer", "cir", "1", NULL) == EINVAL);
    CHECK(set_qos("trtcm-policer", "cir", "1", NULL) == EINVAL);
    CHECK(set_qos("linux-htb", NULL) == EOPNOTSUPP);
    show();
    CHECK(count_passed(true) == 0);

    CHECK(!set_qos("egress-policer", "cir", "2", "cbs", "1500", NULL));
    show();
    CHECK(count_passed(true) == 1);
    CHECK(!set_qos("trtcm-policer", "cir", "1", "cbs", "2", "eir", "3",
                   "ebs", "4", NULL));
    show();
    CHECK(!set_qos("trtcm-policer", NULL));
    show();
    CHECK(count_passed(true) == 0);
    CHECK(!iovtee_qos_set(&qos, NULL, NULL));
    show();
    CHECK(send_one(LEN, 0));
    stop();
}

static void
print_queues(void)
{
    uint64_t created = time_msec();
    uint32_t queue_id;
    void *state;

    for (uint32_t i = 0; i < 4; i++) {
        struct smap details = SMAP_INITIALIZER(&details);
        struct netdev_queue_stats stats;

        if (!iovtee_qos_get_queue(&qos, i, &details)) {
            CHECK(!iovtee_qos_get_queue_stats(&qos, i, &stats));
            CHECK(stats.created > 0
                  && (uint64_t) stats.created <= created);
            printf("queue %"PRIu32": cir=%s cbs=%s eir=%s ebs=%s, "
                   "%"PRIu64" packets, %"PRIu64" bytes, %"PRIu64" errors\n", i,
                   smap_get(&details, "cir"), smap_get(&details, "cbs"),
                   smap_get(&details, "eir"), smap_get(&details, "ebs"),
                   stats.tx_packets, stats.tx_bytes, stats.tx_errors);
        } else {
            CHECK(iovtee_qos_get_queue_stats(&qos, i, &stats) == EINVAL);
        }
        smap_destroy(&details);
    }

    /* A dump finds as many. */
    CHECK(!iovtee_qos_queue_dump_start(&qos, &state));
    for (size_t n = 0; ; n++) {
        struct smap details = SMAP_INITIALIZER(&details);
        int error = iovtee_qos_queue_dump_next(&qos, state, &queue_id,
                                               &details);

        CHECK(!error || error == EOF);
        CHECK(smap_count(&details) == (error ? 0 : 4));
        smap_destroy(&details);
        if (error) {
            printf("%"PRIuSIZE" queues\n", n);
            break;
        }
    }
    CHECK(!iovtee_qos_queue_dump_done(&qos, state));
}

/* Queues may go during a dump. */
static void
delete_during_dump(void)
{
    struct smap details = SMAP_INITIALIZER(&details);
    uint32_t queue_id;
    void *state;

    CHECK(!iovtee_qos_queue_dump_start(&qos, &state));
    CHECK(!iovtee_qos_delete_queue(&qos, 0));
    CHECK(!iovtee_qos_delete_queue(&qos, 1));
    CHECK(!iovtee_qos_delete_queue(&qos, 2));
    CHECK(!iovtee_qos_queue_dump_next(&qos, state, &queue_id, &details));
    CHECK(queue_id == 3);
    CHECK(iovtee_qos_queue_dump_next(&qos, state, &queue_id, &details) == EOF);
    CHECK(!iovtee_qos_queue_dump_done(&qos, state));
    smap_destroy(&details);
}

/* Queues of "trtcm-policer". */
static void
test_queues(void)
{
    start_quietly();
    CHECK(!set_qos("trtcm-policer", "cir", "1", "cbs", "9000",
                   "eir", "1", "ebs", "1500", NULL));

    /* Without queue 0 the port alone limits: six green ones, a yellow one. */
    CHECK(count_passed(true) == 7);

    CHECK(!set_qos("trtcm-policer", "cir", "1", "cbs", "15000",
                   "eir", "1", "ebs", "1500", NULL));
    CHECK(!set_queue(0, NULL));
    CHECK(!set_queue(1, "cir", "1", "cbs", "3000", "eir", "1", "ebs", "3000",
                     NULL));
    CHECK(set_queue(2, "cir", "1", NULL) == EINVAL);
    CHECK(!set_queue(3, NULL));
    print_queues();

    /* Queue 1: two green ones, then two yellow ones of which the port, in its
     * excess, has room for one.  Then red. */
    CHECK(send_one(LEN, 1));
    CHECK(send_one(LEN, 1));
    CHECK(send_one(LEN, 1));
    CHECK(!send_one(LEN, 1));
    CHECK(!send_one(LEN, 1));
    CHECK(!send_one(LEN, 1));
    print_queues();

    /* Queue 3 has no rate at all, queue 2 does not exist and is queue 0. */
    CHECK(!send_one(LEN, 3));
    CHECK(send_one(LEN, 2));
    CHECK(send_one(LEN, UINT32_MAX));
    CHECK(send_one(LEN, 0));
    print_queues();

    /* The same again, or a mistake, changes nothing. */
    CHECK(!set_queue(1, "cir", "1", "cbs", "3000", "eir", "1", "ebs", "3000",
                     NULL));
    CHECK(set_queue(1, "cir", "1", NULL) == EINVAL);
    CHECK(!send_one(LEN, 1));
    print_queues();

    /* A change makes the buckets full, and keeps the statistics. */
    CHECK(!set_queue(1, "cir", "1", "cbs", "1500", NULL));
    CHECK(send_one(LEN, 1));
    CHECK(!send_one(LEN, 1));
    print_queues();

    delete_during_dump();
    print_queues();

    /* Other rates of the port: queues have to be told anew. */
    CHECK(!set_qos("trtcm-policer", "cir", "1", "cbs", "1500", NULL));
    print_queues();
    stop();
}

/* A bucket fills with its rate. */
static void
test_rate(void)
{
    long long int start_msec, passed = 0, msec;

    start();

    /* 15 MB/s, 10000 packets per second. */
    CHECK(!set_qos("egress-policer", "cir", "15000000", "cbs", "1500", NULL));
    CHECK(send_one(LEN, 0));
    start_msec = time_msec();
    do {
        passed += send_one(LEN, 0);
        msec = time_msec() - start_msec;
    } while (msec < 500);

    /* This many, less what did not fit in the bucket while the test did not
     * run. */
    CHECK(passed <= (msec + 1) * 10 + 1);
    CHECK(passed >= 10);
    stop();
}

/* Sends bursts until nothing passes any longer.  Counts what passed in
 * '*kept_'. */
static void *
exhaust(void *kept_)
{
    uint64_t *kept = kept_;
    int n;

    do {
        struct rte_mbuf *pkts[NETDEV_MAX_BURST];

        for (int i = 0; i < NETDEV_MAX_BURST; i++) {
            pkts[i] = new_packet(LEN, 0);
        }
        n = iovtee_qos_run_egress(&qos, pkts, NETDEV_MAX_BURST, true);
        rte_pktmbuf_free_bulk(pkts, n);
        *kept += n;
        ovsrcu_quiesce();
    } while (n);
    return NULL;
}

/* Two threads empty a bucket: they get exactly what was in it. */
static void
test_share(void)
{
    uint64_t kept[2] = {0, 0};
    pthread_t threads[2];

    start();
    CHECK(!set_qos("egress-policer", "cir", "1", "cbs", "300000000", NULL));
    for (size_t i = 0; i < ARRAY_SIZE(threads); i++) {
        threads[i] = ovs_thread_create("exhaust", exhaust, &kept[i]);
    }
    for (size_t i = 0; i < ARRAY_SIZE(threads); i++) {
        xpthread_join(threads[i], NULL);
    }
    CHECK(kept[0] + kept[1] == 300000000 / 1500);
    CHECK(!rte_mempool_in_use_count(mp));
    iovtee_qos_destroy(&qos);
}

/* Tells the threads of test_threads() to end. */
static atomic_bool done = false;

static void *
sender(void *kept_)
{
    uint64_t *kept = kept_;
    bool stop_it = false;

    while (!stop_it) {
        struct rte_mbuf *pkts[NETDEV_MAX_BURST];
        int n;

        for (int i = 0; i < NETDEV_MAX_BURST; i++) {
            pkts[i] = new_packet(LEN, i % 4);
        }
        n = iovtee_qos_run_egress(&qos, pkts, NETDEV_MAX_BURST, true);
        n = iovtee_qos_run_ingress(&qos, pkts, n);
        rte_pktmbuf_free_bulk(pkts, n);
        *kept += n;
        ovsrcu_quiesce();
        atomic_read_relaxed(&done, &stop_it);
    }
    return NULL;
}

/* Two threads send while a third one changes everything: no packet may be lost
 * or freed twice. */
static void
test_threads(void)
{
    uint64_t kept[2] = {0, 0};
    pthread_t threads[2];
    long long int end;

    start();
    for (size_t i = 0; i < ARRAY_SIZE(threads); i++) {
        threads[i] = ovs_thread_create("sender", sender, &kept[i]);
    }

    end = time_msec() + 500;
    for (unsigned int i = 0; time_msec() < end; i++) {
        CHECK(!iovtee_qos_set_policing(&qos, i % 3 * 1000000, 0));
        switch (i % 5) {
        case 0:
            CHECK(!set_qos("trtcm-policer", "cir", "100000000",
                           "cbs", "100000", NULL));
            CHECK(!set_queue(0, NULL));
            for (uint32_t q = 1; q < 20; q++) {
                CHECK(!set_queue(q, "cir", "1000000", "cbs", "15000", NULL));
            }
            break;

        case 1:
            for (uint32_t q = 0; q < 20; q++) {
                struct netdev_queue_stats stats;

                CHECK(!iovtee_qos_get_queue_stats(&qos, q, &stats));
                CHECK(stats.tx_bytes == stats.tx_packets * 1500);
                CHECK(!set_queue(q, "cir", "2000000", "cbs", "15000", NULL));
            }
            break;

        case 2:
            for (uint32_t q = 0; q < 20; q++) {
                CHECK(!iovtee_qos_delete_queue(&qos, q));
            }
            break;

        case 3:
            CHECK(!set_qos("egress-policer", "cir", "100000000",
                           "cbs", "100000", NULL));
            break;

        case 4:
            CHECK(!iovtee_qos_set(&qos, NULL, NULL));
            break;
        }
        ovsrcu_quiesce();
    }

    atomic_store_relaxed(&done, true);
    for (size_t i = 0; i < ARRAY_SIZE(threads); i++) {
        xpthread_join(threads[i], NULL);
    }
    CHECK(kept[0] && kept[1]);
    CHECK(!rte_mempool_in_use_count(mp));
    iovtee_qos_destroy(&qos);
}

int
main(int argc, char *argv[])
{
    static const struct unit_command commands[] = {
        {"policing", test_policing},
        {"burst", test_burst},
        {"configure", test_configure},
        {"queues", test_queues},
        {"rate", test_rate},
        {"share", test_share},
        {"threads", test_threads},
    };

    set_program_name(argv[0]);
    return unit_main(argc, argv, commands, ARRAY_SIZE(commands));
}
