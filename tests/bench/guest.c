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

/* The guests of the benchmarks
 * ============================
 *
 * One DPDK application with any number of virtio-user ports, each of which
 * plays a guest.  DPDK's driver is used as it is; there is one process so that
 * all guests that are compared live under equal conditions.
 *
 * One thread polls all ports.  It shares its processor with the NIC model,
 * hence it gives way whenever a round found nothing, and sleeps when nothing
 * came for a while.  Another one reads commands, one per line, and answers
 * each by a line of JSON:
 *
 *     mode PORT drop|forward|verify   {}
 *     stats                           {"ports": [{"rx": ...}, ...]}
 *     quit
 *
 * "drop" reads the first word of each frame, "forward" swaps the Ethernet
 * addresses and sends it back, "verify" compares each byte with what a source
 * of the NIC model must have sent.  "mode" also forgets what was verified.
 *
 * usage: guest [OPTION]... SOCKET...      one port for each SOCKET
 *
 *     --cpu=N          where it runs (0)
 *     --ring=N         descriptors per queue (256)
 *     --mrg=0|1        mergeable buffers (1)
 *     --in-order=0|1   use buffers in order, if the switch offers that (1)
 *     --mtu=N          and mbufs that hold it (1500)
 *     --mbufs=N        per port (4096)
 *     --cold           take the buffer that was not used for longest */

#define _GNU_SOURCE

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <rte_cycles.h>
#include <rte_eal.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>

#include "nm-frame.h"

#define MAX_PORTS 32
#define BURST 32
#define WINDOW 65536            /* Sequence numbers that are remembered. */
#define IDLE_MS 1               /* Idle for so long: begin to sleep. */
#define SLEEP_NS 50000

enum mode { DROP, FORWARD, VERIFY };

struct counters {
    uint64_t rx, rx_bytes;      /* Received. */
    uint64_t tx, tx_full;       /* Sent back; not sent, since no room. */
    uint64_t verified;          /* As they were sent, each counted once. */
    uint64_t corrupt, duplicated, foreign;
};

struct port {
    uint16_t id;
    enum mode mode;
    struct rte_mempool *pool;
    struct counters n;

    /* For VERIFY. */
    uint64_t highest;           /* Sequence number + 1, 0 for none. */
    uint64_t seen[WINDOW / 64];
} __rte_cache_aligned;

static struct port ports[MAX_PORTS];
static unsigned int n_ports;

/* What the command line says. */
static struct {
    int cpu, ring, mrg, in_order, mtu, mbufs;
    bool cold;
} options = {
    .ring = 256, .mrg = 1, .in_order = 1, .mtu = 1500, .mbufs = 4096,
};

/* One request at a time, from the thread that reads commands to the one that
 * polls: nothing here is ever touched by two threads. */
static struct {
    void (*fn)(void *);
    void *aux;
    uint32_t asked, answered;
    bool quit;
} mailbox;

static void
pause_ns(long ns)
{
    struct timespec ts = { 0, ns };

    nanosleep(&ts, NULL);
}

/* Has the polling thread call 'fn' with 'aux'. */
static void
call(void (*fn)(void *), void *aux)
{
    uint32_t ticket = mailbox.asked + 1;

    mailbox.fn = fn;
    mailbox.aux = aux;
    __atomic_store_n(&mailbox.asked, ticket, __ATOMIC_RELEASE);
    while (__atomic_load_n(&mailbox.answered, __ATOMIC_ACQUIRE) != ticket) {
        pause_ns(20000);
    }
}

static void
answer(void)
{
    uint32_t asked = __atomic_load_n(&mailbox.asked, __ATOMIC_ACQUIRE);

    if (unlikely(asked != mailbox.answered)) {
        mailbox.fn(mailbox.aux);
        __atomic_store_n(&mailbox.answered, asked, __ATOMIC_RELEASE);
    }
}

/* Frames. */

/* Notes that frame 'seq' was seen.  Returns false if it was before. */
static bool
see(struct port *port, uint64_t seq)
{
    uint64_t bit = UINT64_C(1) << seq % 64;

    for (; port->highest <= seq; port->highest++) {
        uint64_t i = port->highest % WINDOW;

        port->seen[i / 64] &= ~(UINT64_C(1) << i % 64);
        if (seq - port->highest >= WINDOW) {
            port->highest = seq - WINDOW;
        }
    }
    if (port->seen[seq % WINDOW / 64] & bit) {
        return false;
    }
    port->seen[seq % WINDOW / 64] |= bit;
    return true;
}

static void
verify(struct port *port, const struct rte_mbuf *mbuf)
{
    static uint8_t buffer[NM_MAX_FRAME];
    struct nm_found found;
    const uint8_t *p;

    p = rte_pktmbuf_read(mbuf, 0, RTE_MIN(mbuf->pkt_len, sizeof buffer),
                         buffer);
    switch (nm_frame_verify(p, mbuf->pkt_len, &found)) {
    case NM_FOREIGN:
        port->n.foreign++;
        break;
    case NM_CORRUPT:
        port->n.corrupt++;
        break;
    case NM_GOOD:
        if (see(port, found.seq)) {
            port->n.verified++;
        } else {
            port->n.duplicated++;
        }
        break;
    }
}

static void
swap_addresses(struct rte_mbuf *mbuf)
{
    struct rte_ether_hdr *eth = rte_pktmbuf_mtod(mbuf, struct rte_ether_hdr *);
    struct rte_ether_addr dst = eth->dst_addr;

    eth->dst_addr = eth->src_addr;
    eth->src_addr = dst;
}

static void
forward(struct port *port, struct rte_mbuf **mbufs, unsigned int n)
{
    unsigned int n_sent;

    for (unsigned int i = 0; i < n; i++) {
        swap_addresses(mbufs[i]);
    }
    n_sent = rte_eth_tx_burst(port->id, 0, mbufs, n);
    port->n.tx += n_sent;
    port->n.tx_full += n - n_sent;
    rte_pktmbuf_free_bulk(mbufs + n_sent, n - n_sent);
}

/* Handles what arrived at 'port'.  Returns how many frames that were. */
static unsigned int
poll_port(struct port *port)
{
    struct rte_mbuf *mbufs[BURST];
    unsigned int n = rte_eth_rx_burst(port->id, 0, mbufs, BURST);

    port->n.rx += n;
    for (unsigned int i = 0; i < n; i++) {
        port->n.rx_bytes += mbufs[i]->pkt_len;
        if (port->mode == VERIFY) {
            verify(port, mbufs[i]);
        } else if (port->mode == DROP) {
            (void) *rte_pktmbuf_mtod(mbufs[i], volatile uint64_t *);
        }
    }
    if (port->mode == FORWARD && n) {
        forward(port, mbufs, n);
    } else {
        rte_pktmbuf_free_bulk(mbufs, n);
    }
    return n;
}

static void
poll_ports(void)
{
    uint64_t patience = rte_get_tsc_hz() / 1000 * IDLE_MS;
    uint64_t last = rte_rdtsc();

    while (!__atomic_load_n(&mailbox.quit, __ATOMIC_RELAXED)) {
        unsigned int n = 0;

        answer();
        for (unsigned int i = 0; i < n_ports; i++) {
            n += poll_port(&ports[i]);
        }
        if (n) {
            last = rte_rdtsc();
        } else if (rte_rdtsc() - last < patience) {
            sched_yield();
        } else {
            pause_ns(SLEEP_NS);
        }
    }
}

/* Commands. */

struct mode_change {
    struct port *port;
    enum mode mode;
};

static void
do_mode(void *change_)
{
    struct mode_change *change = change_;
    struct port *port = change->port;

    port->mode = change->mode;
    port->highest = 0;
    memset(port->seen, 0, sizeof port->seen);
    port->n.verified = port->n.corrupt = 0;
    port->n.duplicated = port->n.foreign = 0;
}

static void
command_mode(const char *arg, const char *name)
{
    static const char *const names[] = { "drop", "forward", "verify" };
    unsigned int i = arg ? atoi(arg) : MAX_PORTS;
    struct mode_change change = { &ports[i % MAX_PORTS], DROP };

    while (name && change.mode <= VERIFY && strcmp(name, names[change.mode])) {
        change.mode++;
    }
    if (!name || i >= n_ports || change.mode > VERIFY) {
        printf("{\"error\": \"usage: mode PORT drop|forward|verify\"}\n");
        return;
    }
    call(do_mode, &change);
    printf("{}\n");
}

static void
do_stats(void *counters_)
{
    struct counters *counters = counters_;

    for (unsigned int i = 0; i < n_ports; i++) {
        counters[i] = ports[i].n;
    }
}

static void
command_stats(void)
{
    struct counters counters[MAX_PORTS];

    call(do_stats, counters);
    printf("{\"ports\": [");
    for (unsigned int i = 0; i < n_ports; i++) {
        const struct counters *n = &counters[i];

        printf("%s{\"rx\": %"PRIu64", \"rx_bytes\": %"PRIu64", "
               "\"tx\": %"PRIu64", \"tx_full\": %"PRIu64", "
               "\"verified\": %"PRIu64", \"corrupt\": %"PRIu64", "
               "\"duplicated\": %"PRIu64", \"foreign\": %"PRIu64"}",
               i ? ", " : "", n->rx, n->rx_bytes, n->tx, n->tx_full,
               n->verified, n->corrupt, n->duplicated, n->foreign);
    }
    printf("]}\n");
}

static void *
read_commands(void *aux)
{
    char line[128];

    while (fgets(line, sizeof line, stdin)) {
        char *save, *word = strtok_r(line, " \n", &save);
        char *arg = strtok_r(NULL, " \n", &save);

        if (word && !strcmp(word, "mode")) {
            command_mode(arg, strtok_r(NULL, " \n", &save));
        } else if (word && !strcmp(word, "stats")) {
            command_stats();
        } else if (word && !strcmp(word, "quit")) {
            break;
        } else {
            printf("{\"error\": \"unknown command\"}\n");
        }
    }
    __atomic_store_n(&mailbox.quit, true, __ATOMIC_RELAXED);
    return aux;
}

/* Set-up. */

/* The first mbuf that a pool with a cache gives is the last that was freed;
 * without a cache it is the first. */
static void
port_start(struct port *port)
{
    struct rte_eth_conf conf = { .rxmode.mtu = options.mtu };
    unsigned int room = RTE_MAX(options.mtu + 64, 2048);
    char name[32];

    snprintf(name, sizeof name, "guest%u", port->id);
    port->pool = rte_pktmbuf_pool_create(name, options.mbufs,
                                         options.cold ? 0 : 256, 0,
                                         RTE_PKTMBUF_HEADROOM + room,
                                         rte_socket_id());
    if (!port->pool
        || rte_eth_dev_configure(port->id, 1, 1, &conf)
        || rte_eth_rx_queue_setup(port->id, 0, options.ring, SOCKET_ID_ANY,
                                  NULL, port->pool)
        || rte_eth_tx_queue_setup(port->id, 0, options.ring, SOCKET_ID_ANY,
                                  NULL)
        || rte_eth_dev_start(port->id)) {
        fprintf(stderr, "guest: port %u: %s\n", port->id,
                rte_strerror(rte_errno));
        exit(1);
    }
    rte_eth_promiscuous_enable(port->id);
}

/* Starts EAL with a port for each of 'sockets'.  The switch has to connect to
 * all of them before this returns. */
static void
start_eal(char *sockets[])
{
    unsigned int mb = 0;
    char *argv[16 + 2 * MAX_PORTS];
    int argc = 0;

    for (n_ports = 0; sockets[n_ports] && n_ports < MAX_PORTS; n_ports++) {
        mb += 8 + (int64_t) options.mbufs
                  * (RTE_MAX(options.mtu + 64, 2048) + 512) / 1000000;
    }
    argv[argc++] = "guest";
    argv[argc++] = "--no-pci";
    argv[argc++] = "--in-memory";
    argv[argc++] = "--single-file-segments";
    argv[argc++] = "--log-level=*:error";
    argv[argc++] = "--lcores";
    if (asprintf(&argv[argc++], "0@%d", options.cpu) < 0
        || asprintf(&argv[argc++], "-m%u", mb + 16) < 0) {
        exit(1);
    }
    for (unsigned int i = 0; i < n_ports; i++) {
        argv[argc++] = "--vdev";
        if (asprintf(&argv[argc++],
                     "net_virtio_user%u,path=%s,server=1,queue_size=%d,"
                     "mrg_rxbuf=%d,in_order=%d,mac=02:00:00:00:00:%02x",
                     i, sockets[i], options.ring, options.mrg,
                     options.in_order, i + 2) < 0) {
            exit(1);
        }
    }
    argv[argc] = NULL;
    if (rte_eal_init(argc, argv) < 0) {
        fprintf(stderr, "guest: EAL: %s\n", rte_strerror(rte_errno));
        exit(1);
    }
}

static void
parse_options(int argc, char *argv[])
{
    static const struct option long_options[] = {
        { "cpu", required_argument, NULL, 'c' },
        { "ring", required_argument, NULL, 'r' },
        { "mrg", required_argument, NULL, 'm' },
        { "in-order", required_argument, NULL, 'i' },
        { "mtu", required_argument, NULL, 'u' },
        { "mbufs", required_argument, NULL, 'b' },
        { "cold", no_argument, NULL, 'C' },
        { NULL, 0, NULL, 0 },
    };
    int c;

    while ((c = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
        switch (c) {
        case 'c': options.cpu = atoi(optarg); break;
        case 'r': options.ring = atoi(optarg); break;
        case 'm': options.mrg = atoi(optarg); break;
        case 'i': options.in_order = atoi(optarg); break;
        case 'u': options.mtu = atoi(optarg); break;
        case 'b': options.mbufs = atoi(optarg); break;
        case 'C': options.cold = true; break;
        default: exit(2);
        }
    }
}

int
main(int argc, char *argv[])
{
    pthread_t reader;

    parse_options(argc, argv);
    setvbuf(stdout, NULL, _IOLBF, 0);
    start_eal(argv + optind);
    nm_frame_init();
    for (unsigned int i = 0; i < n_ports; i++) {
        ports[i].id = i;
        port_start(&ports[i]);
    }
    if (pthread_create(&reader, NULL, read_commands, NULL)) {
        return 1;
    }
    printf("{\"ready\": %u}\n", n_ports);
    poll_ports();
    for (unsigned int i = 0; i < n_ports; i++) {
        rte_eth_dev_stop(i);
        rte_eth_dev_close(i);
    }
    return 0;
}
