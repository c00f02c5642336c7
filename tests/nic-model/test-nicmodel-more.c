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

/* Unit tests of the NIC model: events, transmission, and whether its checks
 * bite. */

#define _GNU_SOURCE

#include "nicmodel-fixture.h"

#include <dirent.h>

static int n_events[RTE_ETH_EVENT_MAX];

static int
count_event(uint16_t port, enum rte_eth_event_type type, void *aux,
            void *result)
{
    (void) port;
    (void) aux;
    (void) result;
    __atomic_add_fetch(&n_events[type], 1, __ATOMIC_RELAXED);
    return 0;
}

static void
wait_event(enum rte_eth_event_type type, int n)
{
    for (int i = 0; i < 5000; i++) {
        if (__atomic_load_n(&n_events[type], __ATOMIC_RELAXED) >= n) {
            return;
        }
        nap(1000);
    }
    CHECK(!"event");
}

static void
test_reset(void)
{
    struct rte_mempool *pool;

    nm_init("");
    pool = make_pool(1024, 2048);
    CHECK(!rte_eth_dev_callback_register(0, RTE_ETH_EVENT_INTR_RESET,
                                         count_event, NULL));
    port_start(0, 1, 256, pool);
    CTL_OK("source %s", DEV0);
    CTL_OK("start %s", DEV0);
    for (int i = 1; i <= 3; i++) {
        CHECK(receive(0, 0, 1000) >= 1000);
        CTL_OK("reset %s", DEV0);
        wait_event(RTE_ETH_EVENT_INTR_RESET, i);

        /* It does nothing any more. */
        drain(0, 0);
        CHECK(!drain(0, 0));
        CHECK(!rte_eth_dev_stop(0));
        CHECK(!rte_eth_dev_reset(0));
        port_start(0, 1, 256, pool);
    }
    CHECK(receive(0, 0, 1000) >= 1000);
    finish();
}

static void
test_link(void)
{
    struct rte_eth_link link;

    nm_init("");
    CHECK(!rte_eth_dev_callback_register(0, RTE_ETH_EVENT_INTR_LSC,
                                         count_event, NULL));
    port_start(0, 1, 256, make_pool(1024, 2048));
    CHECK(!rte_eth_link_get_nowait(0, &link) && link.link_status);
    CTL_OK("link %s down", DEV0);
    wait_event(RTE_ETH_EVENT_INTR_LSC, 1);
    CHECK(!rte_eth_link_get_nowait(0, &link) && !link.link_status);
    CTL_OK("source %s wait=0", DEV0);
    CTL_OK("start %s count=100", DEV0);
    CTL_OK("wait %s", DEV0);
    CHECK(stat_get(DEV0, "rx_lost") == 100 && !stat_get(DEV0, "rx_missed"));
    CTL_OK("link %s up", DEV0);
    wait_event(RTE_ETH_EVENT_INTR_LSC, 2);
    CHECK(!rte_eth_link_get_nowait(0, &link) && link.link_status);
    CHECK(!rte_eth_dev_set_link_down(0));
    CHECK(!rte_eth_link_get_nowait(0, &link) && !link.link_status);
    CHECK(!rte_eth_dev_set_link_up(0));
    CTL_OK("start %s count=100", DEV0);
    CHECK(receive(0, 0, 100) == 100);
    CTL_OK("knob %s flap_ms=5", DEV0);
    wait_event(RTE_ETH_EVENT_INTR_LSC, 8);
    finish();
}

/* Queues that start late, and that are set up while the device runs. */
static void
test_deferred(void)
{
    struct rte_eth_rxconf rxconf = { .rx_deferred_start = 1 };
    struct rte_eth_rxq_info info;
    struct rte_mempool *pool, *other;
    struct rte_eth_dev_info dev_info;

    nm_init("");
    pool = make_pool(1024, 2048);
    other = make_pool(512, 2048);
    CHECK(!rte_eth_dev_info_get(0, &dev_info));
    CHECK(dev_info.dev_capa & RTE_ETH_DEV_CAPA_RUNTIME_RX_QUEUE_SETUP);
    port_configure(0, 1, 256, pool, RTE_ETHER_MTU);
    CHECK(!rte_eth_rx_queue_setup(0, 0, 256, 0, &rxconf, pool));
    CHECK(!rte_eth_dev_start(0));
    CHECK(rte_mempool_avail_count(pool) == 1024);
    CTL_OK("source %s", DEV0);
    CTL_OK("start %s count=1000", DEV0);
    CHECK(!drain(0, 0));
    CHECK(!rte_eth_dev_rx_queue_start(0, 0));
    CHECK(receive(0, 0, 1000) == 1000);

    CHECK(!rte_eth_dev_rx_queue_stop(0, 0));
    CHECK(!rte_eth_rx_queue_setup(0, 0, 512, 0, &rxconf, other));
    CHECK(!rte_eth_dev_rx_queue_start(0, 0));
    CHECK(!rte_mempool_avail_count(other));
    CHECK(rte_mempool_avail_count(pool) == 1024);
    CHECK(!rte_eth_rx_queue_info_get(0, 0, &info));
    CHECK(info.nb_desc == 512 && info.mp == other);
    CHECK(rte_eth_rx_queue_setup(0, 0, 512, 0, &rxconf, pool) == -EBUSY);
    CHECK(!rte_eth_dev_rx_queue_stop(0, 0));
    CHECK(rte_eth_rx_queue_setup(0, 0, 4096 * 2, 0, &rxconf, pool) < 0);
    finish();
}

/* Sends 'n' frames of 'len' bytes from 'pool' on port 0. */
static void
send_frames(struct rte_mempool *pool, unsigned int n, unsigned int len)
{
    struct nm_look look = { .stream = 1, .dip = 1 };
    struct nm_flow flow = { .sip = 1, .sport = 1 };
    struct nm_template t;
    static uint32_t seq;

    nm_template_init(&t, &look, len);
    for (unsigned int i = 0; i < n; i++) {
        struct rte_mbuf *m = rte_pktmbuf_alloc(pool);

        CHECK(m);
        nm_frame_write((void *) rte_pktmbuf_append(m, len), &t, &flow, seq++,
                       0);
        while (!rte_eth_tx_burst(0, 0, &m, 1)) {
            nap(100);
        }
    }
}

/* Completion in units, and what a driver cannot do. */
static void
test_units(void)
{
    struct rte_mempool *pool;

    nm_init(",tx_unit=32");
    pool = make_pool(1024, 2048);
    port_start(0, 1, 128, pool);
    send_frames(pool, 31, 60);
    CTL_OK("wait %s", DEV0);
    nap(20000);
    CHECK(rte_eth_tx_done_cleanup(0, 0, 0) == 0);
    send_frames(pool, 2, 60);
    CTL_OK("wait %s", DEV0);
    CHECK(rte_eth_tx_done_cleanup(0, 0, 0) == 32);
    CHECK(rte_mempool_avail_count(pool) == 1024 - 128 - 1);

    CTL_OK("knob %s tx_ask=0 tx_stop=0", DEV0);
    CHECK(rte_eth_tx_done_cleanup(0, 0, 0) == -ENOTSUP);
    CHECK(rte_eth_dev_tx_queue_stop(0, 0) == -ENOTSUP);
    CHECK(rte_mempool_avail_count(pool) == 1024 - 128 - 1);
    CHECK(!rte_eth_dev_stop(0));
    CHECK(rte_mempool_avail_count(pool) == 1024);
    finish();
}

static void
test_lazy(void)
{
    struct rte_mempool *pool;
    int n;

    nm_init("");
    pool = make_pool(1024, 2048);
    port_start(0, 1, 128, pool);
    CTL_OK("sink %s verify=1", DEV0);
    send_frames(pool, 10, 60);
    CTL_OK("wait %s", DEV0);
    CHECK(rte_mempool_avail_count(pool) == 1024 - 128 - 10);
    CHECK(rte_eth_tx_done_cleanup(0, 0, 0) == 10);
    CHECK(rte_mempool_avail_count(pool) == 1024 - 128);

    /* Late. */
    CTL_OK("knob %s tx_group=64 tx_us=10000000", DEV0);
    send_frames(pool, 63, 60);
    nap(20000);
    CHECK(rte_eth_tx_done_cleanup(0, 0, 0) == 0);
    send_frames(pool, 1, 60);
    CTL_OK("wait %s", DEV0);
    CHECK(rte_eth_tx_done_cleanup(0, 0, 0) == 64);

    /* Lazy. */
    CTL_OK("knob %s tx_lazy=1", DEV0);
    send_frames(pool, 5, 1514);
    CTL_OK("wait %s", DEV0);
    n = rte_eth_tx_done_cleanup(0, 0, 0);
    CHECK(n < 5);
    send_frames(pool, 7, 1514);
    CTL_OK("wait %s", DEV0);
    n += rte_eth_tx_done_cleanup(0, 0, 0);
    CHECK(n >= 5 && n < 12);
    CHECK(rte_mempool_avail_count(pool) == 1024 - 128 - 12 + n);

    /* Stopping frees all. */
    CHECK(!rte_eth_dev_tx_queue_stop(0, 0));
    CHECK(rte_mempool_avail_count(pool) == 1024 - 128);
    CHECK(!rte_eth_dev_tx_queue_start(0, 0));
    CTL_OK("knob %s tx_lazy=0 tx_us=20", DEV0);
    send_frames(pool, 1000, 60);
    CTL_OK("wait %s", DEV0);
    CHECK(stat_get(DEV0, "sink_unique") == 10 + 64 + 12 + 1000);
    CHECK(!stat_get(DEV0, "sink_corrupt"));
    CHECK(!stat_get(DEV0, "sink_duplicated"));
    finish();
}

/* A frame that is sent in many pieces. */
static void
test_pieces(void)
{
    struct nm_look look = { .stream = 1, .dip = 1 };
    struct nm_flow flow = { .sip = 1, .sport = 1 };
    struct rte_mbuf *head = NULL, *burst[1];
    struct rte_mempool *pool;
    struct nm_template t;
    uint8_t frame[1000];

    nm_init(",check=1");
    pool = make_pool(1024, 2048);
    port_start(0, 1, 128, pool);
    CTL_OK("sink %s verify=1 latency=1", DEV0);
    nm_template_init(&t, &look, sizeof frame);
    nm_frame_write(frame, &t, &flow, 5, 0);
    for (int i = 0; i < 10; i++) {
        struct rte_mbuf *m = rte_pktmbuf_alloc(pool);

        memcpy(rte_pktmbuf_append(m, 100), frame + 100 * i, 100);
        if (head) {
            CHECK(!rte_pktmbuf_chain(head, m));
        } else {
            head = m;
        }
    }
    burst[0] = head;
    CHECK(rte_eth_tx_burst(0, 0, burst, 1) == 1);
    CTL_OK("wait %s", DEV0);
    CHECK(stat_get(DEV0, "sink_unique") == 1);
    CHECK(stat_get(DEV0, "sink_bytes") == 1000);
    CHECK(rte_eth_tx_done_cleanup(0, 0, 0) == 10);
    CHECK(rte_mempool_avail_count(pool) == 1024 - 128);
    finish();
}

/* Passes all frames that device 0 receives on to its transmit side. */
static void
forward(unsigned int n)
{
    unsigned int idle = 0;

    while (n && idle < 10000) {
        struct rte_mbuf *mbufs[BURST];
        uint16_t k = rte_eth_rx_burst(0, 0, mbufs, BURST);
        uint16_t sent = 0;

        while (sent < k) {
            sent += rte_eth_tx_burst(0, 0, mbufs + sent, k - sent);
        }
        n -= k < n ? k : n;
        idle = k ? 0 : idle + 1;
        if (!k) {
            nap(100);
        }
    }
}

/* Source to driver to wire to another device and to a capture, for all kinds
 * of sources. */
static void
test_sources(void)
{
    static const char *const sources[] = {
        "size=64", "size=imix flows=100", "size=72,100 vlan=5,7 stamp=1",
        "size=imix payload=frames vlan=9", "size=64 rate=200000",
        "size=64 rate=200000 burst=64", "burst=100 gap=500",
    };

    nm_init(",check=1");
    port_start(0, 1, 256, make_pool(1024, 2048));
    port_start(1, 1, 4096, make_pool(8192, 2048));
    for (size_t i = 0; i < ARRAY_SIZE(sources); i++) {
        uint64_t arrived = stat_get(DEV1, "rx_packets");
        uint64_t n = 3000 + stat_get(DEV0, "rx_missed");

        CTL_OK("source %s %s", DEV0, sources[i]);
        CTL_OK("sink %s verify=1 latency=1 pcap=out.pcap wire=%s", DEV0,
               DEV1);
        CTL_OK("start %s count=3000", DEV0);
        forward(3000);
        CTL_OK("wait %s", DEV0);
        n -= stat_get(DEV0, "rx_missed");
        CHECK(stat_get(DEV0, "sink_unique") == n);
        CHECK(!stat_get(DEV0, "sink_corrupt"));
        CHECK(!stat_get(DEV0, "sink_foreign"));
        CHECK(!stat_get(DEV0, "sink_reordered"));
        CHECK(receive(1, 0, n) == n);
        CHECK(stat_get(DEV1, "rx_packets") == arrived + n);
    }
    CHECK(strstr(ctl("latency %s", DEV0), "\"count\": 0"));

    /* The same frame again and again, in two lengths. */
    CTL_ERROR("source %s payload=same flows=2", DEV0);
    CTL_ERROR("source %s payload=same stamp=1", DEV0);
    CTL_ERROR("source %s payload=other", DEV0);
    CTL_OK("source %s payload=same size=64,300", DEV0);
    CTL_OK("sink %s verify=1", DEV0);
    CTL_OK("start %s count=3000", DEV0);
    forward(3000);
    CTL_OK("wait %s", DEV0);
    CHECK(stat_get(DEV0, "sink_unique") == 1);
    CHECK(stat_get(DEV0, "sink_duplicated") == 2999);
    CHECK(stat_get(DEV0, "sink_bytes") == 1500 * (60 + 296));

    /* The last capture, twice. */
    CTL_OK("sink %s verify=1", DEV0);
    CTL_OK("source %s pcap=out.pcap", DEV0);
    CTL_ERROR("source %s pcap=none.pcap", DEV0);
    CTL_OK("source %s pcap=out.pcap", DEV0);
    CTL_OK("start %s count=6000", DEV0);
    forward(6000);
    CTL_OK("wait %s", DEV0);
    CHECK(stat_get(DEV0, "sink_unique") == 3000);
    CHECK(stat_get(DEV0, "sink_duplicated") == 3000);
    CHECK(!n_violations(DEV0) && !n_violations(DEV1));
    finish();
}

/* A source of frames of one kind. */
static void
test_same(void)
{
    uint64_t posted;

    nm_init("");
    port_start(0, 1, 256, make_pool(1024, 2048));
    for (int past = 0; past < 2; past++) {
        CTL_OK("source %s payload=same size=200 past=%d first=%d", DEV0, past,
               past);
        CTL_OK("sink %s verify=1", DEV0);
        CTL_OK("start %s count=3000", DEV0);
        forward(3000);
        CTL_OK("wait %s", DEV0);
        CHECK(stat_get(DEV0, "rx_packets") == 3000 * (past + 1));
        CHECK(stat_get(DEV0, "sink_unique") == 1);
        CHECK(stat_get(DEV0, "sink_duplicated") == 2999);
        CHECK(stat_get(DEV0, "sink_bytes") == 3000 * 196);
    }
    CTL_ERROR("source %s past=1", DEV0);

    /* There are not as many buffers. */
    CTL_OK("source %s payload=same wait=0", DEV0);
    posted = stat_get(DEV0, "rx_posted");
    CHECK(posted);
    CTL_OK("start %s count=1000", DEV0);
    CTL_OK("wait %s", DEV0);
    CHECK(stat_get(DEV0, "rx_missed") == 1000 - posted);
    CHECK(receive(0, 0, posted) == posted);
    finish();
}

/* Somebody changes what is being sent. */
static void
bite_sent(struct rte_mempool *pool)
{
    struct rte_mbuf *m = rte_pktmbuf_alloc(pool);

    CTL_OK("knob %s tx_lazy=1", DEV0);
    rte_pktmbuf_append(m, 100);
    CHECK(rte_eth_tx_burst(0, 0, &m, 1) == 1);
    CTL_OK("wait %s", DEV0);
    rte_pktmbuf_mtod(m, uint8_t *)[50]++;
    CTL_OK("knob %s tx_lazy=0", DEV0);
    CTL_OK("wait %s", DEV0);
    CHECK(stat_get(DEV0, "check_tx_changed") == 1);
}

/* Each breach of the rules is noticed. */
static void
test_bites(void)
{
    struct rte_mbuf *mbufs[BURST], *m;
    struct rte_mempool *pool;
    uint64_t old;

    nm_init(",check=1");
    pool = make_pool(1024, 2048);
    port_start(0, 1, 256, pool);
    CTL_OK("source %s", DEV0);
    CTL_OK("start %s count=1000", DEV0);
    CHECK(receive(0, 0, 1000) == 1000);
    CHECK(!n_violations(DEV0));

    /* One buffer, in two descriptors. */
    m = rte_pktmbuf_alloc(pool);
    CHECK(!rte_eth_dev_rx_queue_stop(0, 0));
    rte_mempool_put(pool, m);
    rte_mempool_put(pool, m);
    CHECK(!rte_eth_dev_rx_queue_start(0, 0));
    CTL_OK("stats %s", DEV0);
    for (int i = 0; i < 2000 && !n_violations(DEV0); i++) {
        CTL_OK("start %s count=32", DEV0);
        CHECK(receive(0, 0, 32) == 32);
    }
    CHECK(stat_get(DEV0, "check_double_post") > 0);

    /* An address that belongs to another one. */
    CHECK(!rte_eth_dev_stop(0));
    pool = make_pool(512, 2048);
    CHECK(!rte_mempool_get_bulk(pool, (void **) mbufs, 2));
    mbufs[0]->buf_iova = mbufs[1]->buf_iova + 100;
    rte_mempool_put_bulk(pool, (void **) mbufs, 2);
    port_start(0, 1, 512, pool);
    nap(50000);
    CHECK(stat_get(DEV0, "check_overlap") > 0);
    CHECK(!rte_eth_dev_stop(0));

    /* Somebody writes to what is posted. */
    pool = make_pool(256, 2048);
    CHECK(!rte_mempool_get_bulk(pool, (void **) mbufs, 2));
    rte_mempool_put_bulk(pool, (void **) mbufs, 2);
    port_start(0, 1, 256, pool);
    nap(50000);
    old = stat_get(DEV0, "check_touched");
    *rte_pktmbuf_mtod_offset(mbufs[0], uint8_t *, 700) ^= 1;
    CTL_OK("start %s count=256", DEV0);
    CHECK(receive(0, 0, 256) == 256);
    CHECK(stat_get(DEV0, "check_touched") > old);

    bite_sent(pool);
    finish();
}

static int
n_threads(void)
{
    DIR *dir = opendir("/proc/self/task");
    int n = 0;

    while (readdir(dir)) {
        n++;
    }
    closedir(dir);
    return n;
}

/* Devices go, in any order, and come back. */
static void
test_close(void)
{
    int before;

    nm_init("");
    before = n_threads();
    for (int i = 0; i < 3; i++) {
        port_start(0, 1, 256, make_pool(1024, 2048));
        CTL_OK("source %s", DEV0);
        CTL_OK("start %s", DEV0);
        CHECK(receive(0, 0, 1000) >= 1000);
        if (i) {
            CTL_OK("sink %s wire=%s", DEV0, DEV1);
        }
        CHECK(!rte_eth_dev_stop(0));
        CHECK(!rte_eth_dev_close(0));
        CHECK(n_threads() == before);
        CTL_ERROR("stats %s", DEV0);
        CHECK(!rte_eal_hotplug_remove("vdev", DEV0));
        CHECK(!rte_eal_hotplug_add("vdev", DEV0, "check=0"));
        CTL_OK("stats %s", DEV0);
    }
    CHECK(!rte_eth_dev_close(1));
    CHECK(!rte_eal_hotplug_remove("vdev", DEV0));
    CHECK(n_threads() == before - 2);
    finish();
}

int
main(int argc, char *argv[])
{
    static const struct unit_command commands[] = {
        { "reset", test_reset },
        { "link", test_link },
        { "deferred", test_deferred },
        { "lazy", test_lazy },
        { "units", test_units },
        { "pieces", test_pieces },
        { "sources", test_sources },
        { "same", test_same },
        { "bites", test_bites },
        { "close", test_close },
    };

    return unit_main(argc, argv, commands, ARRAY_SIZE(commands));
}
