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

#ifndef NICMODEL_FIXTURE_H
#define NICMODEL_FIXTURE_H 1

/* What tests of the NIC model share: EAL with the plugin, which the
 * environment variable NICMODEL names, two devices, and a connection to their
 * control socket. */

#include <errno.h>
#include <sched.h>
#include <stdarg.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <rte_eal.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>

#include "nm-frame.h"
#include "unit.h"

#define BURST 32
#define DEV0 "net_nicmodel0"
#define DEV1 "net_nicmodel1"
#define CTL "ctl.sock"

static int ctl_fd = -1;

/* Starts DPDK, with devargs 'args' for both devices. */
static inline void
nm_init(const char *args)
{
    const char *plugin = getenv("NICMODEL");
    struct sockaddr_un addr = { .sun_family = AF_UNIX, .sun_path = CTL };
    char dev0[128], dev1[128];
    cpu_set_t cpus;

    snprintf(dev0, sizeof dev0, DEV0",ctl="CTL"%s", args);
    snprintf(dev1, sizeof dev1, DEV1"%s", args);
    CHECK(plugin);
    CHECK(!sched_getaffinity(0, sizeof cpus, &cpus));
    {
        char *argv[] = {
            (char *) "unit-test", (char *) "--no-huge",
            (char *) "--no-shconf", (char *) "--no-pci",
            (char *) "--no-telemetry", (char *) "--log-level=4",
            (char *) "--iova-mode=va", (char *) "-m", (char *) "256",
            (char *) "-d", (char *) plugin,
            (char *) "--vdev", dev0, (char *) "--vdev", dev1, NULL
        };

        CHECK(rte_eal_init(ARRAY_SIZE(argv) - 1, argv) >= 0);
    }
    CHECK(!sched_setaffinity(0, sizeof cpus, &cpus));
    CHECK(rte_eth_dev_count_avail() == 2);
    nm_frame_init();

    ctl_fd = socket(AF_UNIX, SOCK_STREAM, 0);
    CHECK(!connect(ctl_fd, (struct sockaddr *) &addr, sizeof addr));
}

/* Gives a command and returns the answer. */
static inline const char *
__attribute__((format(printf, 1, 2)))
ctl(const char *format, ...)
{
    static char answer[8192];
    size_t n = 0;
    va_list args;

    va_start(args, format);
    CHECK(vdprintf(ctl_fd, format, args) > 0);
    va_end(args);
    CHECK(write(ctl_fd, "\n", 1) == 1);
    do {
        ssize_t got = read(ctl_fd, answer + n, sizeof answer - 1 - n);

        CHECK(got > 0);
        n += got;
    } while (answer[n - 1] != '\n');
    answer[n] = '\0';
    return answer;
}

#define CTL_OK(...) CHECK(!strncmp(ctl(__VA_ARGS__), "ok", 2))
#define CTL_ERROR(...) CHECK(!strncmp(ctl(__VA_ARGS__), "error", 5))

/* Returns counter 'key' of device 'dev'. */
static inline uint64_t
stat_get(const char *dev, const char *key)
{
    char quoted[64];
    const char *p;

    snprintf(quoted, sizeof quoted, "\"%s\": ", key);
    p = strstr(ctl("stats %s", dev), quoted);
    CHECK(p);
    return strtoull(p + strlen(quoted), NULL, 10);
}

/* Sums up all violations of device 'dev'. */
static inline uint64_t
n_violations(const char *dev)
{
    return (stat_get(dev, "check_double_post")
            + stat_get(dev, "check_overlap")
            + stat_get(dev, "check_touched") + stat_get(dev, "check_beyond")
            + stat_get(dev, "check_bad_desc")
            + stat_get(dev, "check_tx_changed"));
}

static inline struct rte_mempool *
make_pool(unsigned int n, unsigned int room)
{
    static int id;
    struct rte_mempool *pool;
    char name[32];

    snprintf(name, sizeof name, "pool%d", id++);
    pool = rte_pktmbuf_pool_create(name, n, 0, 0,
                                   room + RTE_PKTMBUF_HEADROOM, 0);
    CHECK(pool);
    return pool;
}

/* Configures port 'id' with 'n_q' queues each way of 'n_desc' descriptors. */
static inline void
port_configure(uint16_t id, uint16_t n_q, uint16_t n_desc,
               struct rte_mempool *pool, uint16_t mtu)
{
    struct rte_eth_conf conf = {
        .rxmode = {
            .mtu = mtu,
            .mq_mode = n_q > 1 ? RTE_ETH_MQ_RX_RSS : RTE_ETH_MQ_RX_NONE,
            .offloads = (n_q > 1 ? RTE_ETH_RX_OFFLOAD_RSS_HASH : 0)
                        | RTE_ETH_RX_OFFLOAD_CHECKSUM,
        },
        .rx_adv_conf.rss_conf.rss_hf = (RTE_ETH_RSS_IPV4
                                        | RTE_ETH_RSS_NONFRAG_IPV4_UDP),
        .intr_conf.lsc = 1,
    };

    CHECK(!rte_eth_dev_configure(id, n_q, n_q, &conf));
    for (int i = 0; i < n_q; i++) {
        CHECK(!rte_eth_rx_queue_setup(id, i, n_desc, 0, NULL, pool));
        CHECK(!rte_eth_tx_queue_setup(id, i, n_desc, 0, NULL));
    }
    CHECK(!rte_eth_promiscuous_enable(id));
}

static inline void
port_start(uint16_t id, uint16_t n_q, uint16_t n_desc,
           struct rte_mempool *pool)
{
    port_configure(id, n_q, n_desc, pool, RTE_ETHER_MTU);
    CHECK(!rte_eth_dev_start(id));
}

static inline void
nap(unsigned int us)
{
    struct timespec ts = { us / 1000000, us % 1000000 * 1000 };

    nanosleep(&ts, NULL);
}

/* Polls queue 'q' of 'port' and frees all, until 'n' frames have come or none
 * for 'ms' milliseconds.  Returns how many. */
static inline unsigned int
receive_for(uint16_t port, uint16_t q, unsigned int n, unsigned int ms)
{
    struct rte_mbuf *mbufs[BURST];
    unsigned int got = 0, idle = 0;

    while (got < n && idle < 10 * ms) {
        uint16_t k = rte_eth_rx_burst(port, q, mbufs, BURST);

        rte_pktmbuf_free_bulk(mbufs, k);
        got += k;
        idle = k ? 0 : idle + 1;
        if (!k) {
            nap(100);
        }
    }
    return got;
}

/* Receives 'n' frames, which come. */
static inline unsigned int
receive(uint16_t port, uint16_t q, unsigned int n)
{
    return receive_for(port, q, n, 3000);
}

/* Receives whatever there is. */
static inline unsigned int
drain(uint16_t port, uint16_t q)
{
    return receive_for(port, q, UINT32_MAX, 10);
}

static inline void
close_devices(void)
{
    close(ctl_fd);
    for (int i = 0; i < 2; i++) {
        if (rte_eth_dev_is_valid_port(i)) {
            rte_eth_dev_stop(i);
            CHECK(!rte_eth_dev_close(i));
        }
    }
    CHECK(access(CTL, F_OK));
}

static inline void
finish(void)
{
    close_devices();
    CHECK(!rte_eal_cleanup());
}

#endif /* tests/nic-model/nicmodel-fixture.h */
