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

/* Unit tests of the NIC model: does it behave like a NIC? */

#define _GNU_SOURCE

#include "nicmodel-fixture.h"

#include <rte_thash.h>

static struct rte_eth_stats
stats(uint16_t port)
{
    struct rte_eth_stats s;

    CHECK(!rte_eth_stats_get(port, &s));
    return s;
}

/* Every frame, in order, whole, at the place that was posted. */
static void
test_harvest(void)
{
    struct rte_mempool *pool;
    uint32_t seq = 0;

    nm_init("");
    pool = make_pool(1024, 2048);
    port_start(0, 1, 256, pool);
    CHECK(rte_mempool_avail_count(pool) == 1024 - 256);
    CTL_OK("source %s size=64,65,128,1517,1518 stamp=0", DEV0);
    CTL_ERROR("source %s size=63", DEV0);
    CTL_ERROR("source %s size=64 stamp=1 vlan=5", DEV0);
    CTL_ERROR("source %s colour=red", DEV0);
    CTL_OK("source %s size=66,67,128,1517,1518 stamp=1", DEV0);
    CTL_OK("start %s count=10000", DEV0);
    while (seq < 10000) {
        struct rte_mbuf *mbufs[BURST];
        uint16_t n = rte_eth_rx_burst(0, 0, mbufs, BURST);

        for (int i = 0; i < n; i++, seq++) {
            struct rte_mbuf *m = mbufs[i];
            struct nm_found found;

            CHECK(m->data_off == RTE_PKTMBUF_HEADROOM && m->port == 0);
            CHECK(m->nb_segs == 1 && rte_mbuf_refcnt_read(m) == 1);
            CHECK(m->data_len == m->pkt_len && !m->next);
            CHECK(m->ol_flags == (RTE_MBUF_F_RX_IP_CKSUM_GOOD
                                  | RTE_MBUF_F_RX_L4_CKSUM_GOOD));
            CHECK(nm_frame_verify(rte_pktmbuf_mtod(m, void *), m->data_len,
                                  &found) == NM_GOOD);
            CHECK(nm_frame_checksums_ok(rte_pktmbuf_mtod(m, void *),
                                        m->data_len));
            CHECK(found.seq == seq && found.stream == 1 && found.stamped);
        }
        rte_pktmbuf_free_bulk(mbufs, n);
    }
    CHECK(stats(0).ipackets == 10000 && !stats(0).imissed);
    CHECK(rte_eth_rx_queue_count(0, 0) == 0);

    /* A single frame does not wait for others. */
    CTL_OK("start %s count=1", DEV0);
    CTL_OK("wait %s", DEV0);
    CHECK(rte_eth_rx_queue_count(0, 0) == 1);
    CHECK(rte_eth_rx_descriptor_status(0, 0, 0) == RTE_ETH_RX_DESC_DONE);
    CHECK(rte_eth_rx_descriptor_status(0, 0, 1) == RTE_ETH_RX_DESC_AVAIL);
    CHECK(receive(0, 0, 1) == 1);
    finish();
}

static void
test_missed(void)
{
    uint64_t missed = 0;

    nm_init("");
    port_start(0, 1, 256, make_pool(1024, 2048));
    for (int i = 1; i <= 5; i++) {
        struct rte_eth_stats s;

        CTL_OK("source %s wait=0", DEV0);
        CTL_OK("start %s count=1000", DEV0);
        CTL_OK("wait %s", DEV0);
        s = stats(0);
        missed += 1000 - 256;
        CHECK(s.imissed == missed);
        CHECK(s.ipackets == 256 * i);
        CHECK(stat_get(DEV0, "rx_posted") == 0);
        CHECK(receive(0, 0, 256) == 256);
        rte_eth_rx_burst(0, 0, NULL, 0);
        for (int j = 0; j < 8; j++) {
            struct rte_mbuf *none[BURST];

            CHECK(!rte_eth_rx_burst(0, 0, none, BURST));
        }
        CHECK(stat_get(DEV0, "rx_posted") == 256);
    }

    /* Nor does a queue that is stopped lose count. */
    CHECK(!rte_eth_dev_rx_queue_stop(0, 0));
    CTL_OK("start %s count=10", DEV0);
    CTL_OK("wait %s", DEV0);
    CHECK(stats(0).imissed == missed + 10);
    CHECK(!rte_eth_stats_reset(0));
    CHECK(!stats(0).imissed && !stats(0).ipackets);
    finish();
}

/* Fills all buffers of 'pool', none of which is in use, and checks that
 * nobody writes to them. */
static void
check_untouched(struct rte_mempool *pool)
{
    unsigned int n = pool->size;
    struct rte_mbuf **all = calloc(n, sizeof *all);

    CHECK(rte_mempool_avail_count(pool) == n);
    CHECK(!rte_mempool_get_bulk(pool, (void **) all, n));
    for (unsigned int i = 0; i < n; i++) {
        memset(all[i]->buf_addr, 0x5a, all[i]->buf_len);
    }
    nap(2000);
    for (unsigned int i = 0; i < n; i++) {
        const uint8_t *p = all[i]->buf_addr;

        CHECK(p[0] == 0x5a && !memcmp(p, p + 1, all[i]->buf_len - 1));
    }
    rte_mempool_put_bulk(pool, (void **) all, n);
    free(all);
}

/* After a stop nobody writes to buffers, and all of them are home. */
static void
test_stop(void)
{
    struct rte_mempool *pool;

    nm_init(",check=1");
    pool = make_pool(512, 2048);
    port_start(0, 1, 256, pool);
    CTL_OK("source %s size=1518", DEV0);
    CTL_OK("start %s", DEV0);
    for (int i = 0; i < 30; i++) {
        CHECK(receive(0, 0, 300 + i) >= 300);
        CHECK(!rte_eth_dev_rx_queue_stop(0, 0));
        check_untouched(pool);
        CHECK(!drain(0, 0));
        CHECK(!rte_eth_dev_rx_queue_start(0, 0));
        CHECK(rte_mempool_avail_count(pool) == 256);
    }
    for (int i = 0; i < 10; i++) {
        CHECK(receive(0, 0, 300 + i) >= 300);
        CHECK(!rte_eth_dev_stop(0));
        check_untouched(pool);
        CHECK(!rte_eth_dev_start(0));
    }
    CHECK(!n_violations(DEV0) && stat_get(DEV0, "check_buffers") > 10000);
    finish();
}

/* The pool has nothing for a while. */
static void
test_dry(void)
{
    struct rte_mbuf *held[256 + 128];
    struct rte_mempool *pool;
    unsigned int n = 0, idle = 0, got;

    nm_init("");
    pool = make_pool(256 + 128, 2048);
    port_start(0, 1, 256, pool);
    CTL_OK("source %s wait=0 rate=100000", DEV0);
    CTL_OK("start %s count=2000", DEV0);
    while (idle < 1000 || stat_get(DEV0, "running")) {
        uint16_t k = rte_eth_rx_burst(0, 0, held + n, ARRAY_SIZE(held) - n);

        n += k;
        idle = k ? 0 : idle + 1;
    }

    /* All buffers were of use, and then nothing more was received. */
    CHECK(n == ARRAY_SIZE(held) && !rte_mempool_avail_count(pool));
    CHECK(stats(0).ipackets == n && stats(0).imissed == 2000 - n);
    CHECK(stats(0).rx_nombuf);

    /* A partial ring works. */
    rte_pktmbuf_free_bulk(held, 64);
    for (int i = 0; i < 4; i++) {
        CHECK(!rte_eth_rx_burst(0, 0, held, BURST));
    }
    CHECK(stat_get(DEV0, "rx_posted") == 64);
    rte_pktmbuf_free_bulk(held + 64, n - 64);
    CTL_OK("source %s", DEV0);
    CTL_OK("start %s count=5000", DEV0);
    got = receive(0, 0, 5000);
    CHECK(got == 5000);

    /* A queue does not start with a partial ring. */
    CHECK(!rte_eth_dev_stop(0));
    CHECK(!rte_mempool_get_bulk(pool, (void **) held, 200));
    CHECK(rte_eth_dev_start(0) < 0);
    CHECK(rte_mempool_avail_count(pool) == 184);
    finish();
}

static void
test_rss(void)
{
    static uint8_t key[40];
    struct rte_eth_rss_conf conf = { .rss_key = key, .rss_key_len = 40 };
    unsigned int total = 0;

    nm_init("");
    port_start(0, 4, 256, make_pool(4096, 2048));
    CHECK(!rte_eth_dev_rss_hash_conf_get(0, &conf));
    CTL_OK("source %s flows=256 payload=fast", DEV0);
    for (int round = 0; round < 2; round++) {
        CTL_OK("start %s count=1024 ms=2000", DEV0);
        for (int q = 0; q < 4; q++) {
            struct rte_mbuf *mbufs[BURST];
            unsigned int n, n_q = 0, idle = 0;

            while (idle < 50) {
                n = rte_eth_rx_burst(0, q, mbufs, BURST);
                idle = n ? 0 : idle + 1;
                for (unsigned int i = 0; i < n; i++) {
                    const uint8_t *p = rte_pktmbuf_mtod(mbufs[i], uint8_t *);
                    uint32_t tuple[3];

                    memcpy(tuple, p + 26, sizeof tuple);
                    for (int j = 0; j < 3; j++) {
                        tuple[j] = rte_be_to_cpu_32(tuple[j]);
                    }
                    CHECK(mbufs[i]->ol_flags & RTE_MBUF_F_RX_RSS_HASH);
                    CHECK(mbufs[i]->hash.rss
                          == rte_softrss(tuple, ARRAY_SIZE(tuple), key));
                    CHECK(mbufs[i]->hash.rss % 128 % 4 == q);
                }
                rte_pktmbuf_free_bulk(mbufs, n);
                n_q += n;
                if (!n) {
                    nap(1000);
                }
            }
            CHECK(n_q > 100);
            total += n_q;
        }

        /* Once more, with frames that are hashed one by one. */
        CTL_OK("source %s flows=256 payload=frames", DEV0);
    }
    CHECK(total == 2048);
    finish();
}

/* Frames are exactly as long as the MTU lets them be. */
static void
test_mtu(void)
{
    struct rte_mempool *pool;

    nm_init("");
    pool = make_pool(1024, 9728);
    for (int mtu = 1400; mtu <= 9000; mtu += 1900) {
        struct rte_eth_stats before = stats(0), after;

        port_configure(0, 1, 256, pool, mtu);
        CHECK(!rte_eth_dev_start(0));
        CHECK(rte_eth_dev_set_mtu(0, 1500) == -EBUSY);
        CTL_OK("source %s size=%d,%d", DEV0, mtu + 26, mtu + 27);
        CTL_OK("start %s count=20", DEV0);
        CHECK(receive(0, 0, 10) == 10);
        CTL_OK("wait %s", DEV0);
        after = stats(0);
        CHECK(after.ierrors - before.ierrors == 10);
        CHECK(after.ibytes - before.ibytes == 10 * (mtu + 22));
        CHECK(!rte_eth_dev_stop(0));
    }

    /* Buffers that are too small for the MTU. */
    port_configure(0, 1, 256, make_pool(512, 2048), 9000);
    CHECK(rte_eth_dev_start(0) == -EINVAL);

    CTL_OK("knob %s rx_error_every=4", DEV0);
    port_start(0, 1, 256, pool);
    CTL_OK("source %s", DEV0);
    CTL_OK("start %s count=400", DEV0);
    CHECK(receive(0, 0, 300) == 300);
    CTL_OK("wait %s", DEV0);
    CHECK(stat_get(DEV0, "rx_crc_errors") == 100);
    finish();
}

/* Each number of arrived frames is found in one of the counters. */
static void
test_books(void)
{
    struct rte_ether_addr mac = {{ 2, 0, 0, 0, 0, 9 }};

    nm_init("");
    port_start(0, 2, 128, make_pool(1024, 2048));
    CHECK(!rte_eth_promiscuous_disable(0));
    CHECK(!rte_eth_dev_default_mac_addr_set(0, &mac));
    CTL_OK("knob %s rx_error_every=7 group=9", DEV0);
    for (int i = 0; i < 40; i++) {
        CTL_OK("source %s size=64,1518,2000 wait=0 rate=2000000 flows=9 "
               "dst=02:00:00:00:00:%02d", DEV0, i % 2 ? 9 : 8);
        CTL_OK("start %s count=1000", DEV0);
        if (i % 8 == 4) {
            CTL_OK("link %s down", DEV0);
        } else if (i % 8 == 6) {
            CTL_OK("link %s up", DEV0);
        } else if (i % 8 == 3) {
            CHECK(!rte_eth_dev_rx_queue_stop(0, i % 2));
            CHECK(!rte_eth_dev_rx_queue_start(0, i % 2));
        }
        for (int j = 0; j < 100; j++) {
            receive_for(0, j % 2, BURST, 0);
        }
        CTL_OK("wait %s", DEV0);
        drain(0, 0);
        drain(0, 1);
    }
    CHECK(stat_get(DEV0, "rx_arrived") == 40000);
    CHECK(stat_get(DEV0, "rx_packets") + stat_get(DEV0, "rx_missed")
          + stat_get(DEV0, "rx_crc_errors") + stat_get(DEV0, "rx_oversize")
          + stat_get(DEV0, "rx_no_room") + stat_get(DEV0, "rx_filtered")
          + stat_get(DEV0, "rx_lost") == 40000);
    CHECK(stats(0).ipackets == stat_get(DEV0, "rx_packets"));
    CHECK(stats(0).imissed == stat_get(DEV0, "rx_missed"));
    CHECK(stat_get(DEV0, "rx_filtered") && stat_get(DEV0, "rx_lost"));
    CHECK(stat_get(DEV0, "rx_missed") && stat_get(DEV0, "rx_oversize"));
    finish();
}

int
main(int argc, char *argv[])
{
    static const struct unit_command commands[] = {
        { "harvest", test_harvest },
        { "missed", test_missed },
        { "stop", test_stop },
        { "dry", test_dry },
        { "rss", test_rss },
        { "mtu", test_mtu },
        { "books", test_books },
    };

    return unit_main(argc, argv, commands, ARRAY_SIZE(commands));
}
