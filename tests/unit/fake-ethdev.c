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

#include "fake-ethdev-private.h"

#include <errno.h>

#include <rte_bus.h>
#include <rte_dev.h>
#include <rte_devargs.h>
#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>
#include <rte_memory.h>
#include <rte_mempool.h>
#include <rte_vfio.h>

#include "compat/compat.h"
#include "dp-packet.h"
#include "netdev-provider.h"
#include "util.h"

/* Open vSwitch has the same. */
#undef ARRAY_SIZE
#include "unit.h"

enum { BULK = 32, MAX_FRAME = 2048 };

/* The ring: descriptors from 'tail' up to 'hw' are done, from there up to
 * 'armed' they have a buffer, the others are empty. */
struct queue {
    struct rte_mempool *mp;
    uint16_t n_desc;
    uint32_t tail;
    uint32_t hw;
    uint32_t armed;
    bool started;
    struct rte_mbuf *slots[FAKE_MAX_DESC];

    /* Frames of a driver that holds no buffers. */
    uint8_t frames[FAKE_MAX_DESC][MAX_FRAME];
    uint16_t lens[FAKE_MAX_DESC];
};

static struct fake_driver driver;
static struct fake_counts counts;
static struct queue queues[FAKE_MAX_RXQS];
static unsigned int n_queues;
static bool started;
static unsigned int n_failing_starts, n_failing_stops, n_failing_setups;
static bool policing;

/* Memory of others: steps that will succeed before one fails (0 for none),
 * and what is registered and mapped. */
static unsigned int n_dma_steps;
static unsigned int n_registered, n_mapped;
static void (*stop_cb)(void *aux);
static void *stop_aux;

extern __typeof__(rte_eth_dev_configure)
    __real_rte_eth_dev_configure, __wrap_rte_eth_dev_configure;
extern __typeof__(rte_eth_rx_queue_setup)
    __real_rte_eth_rx_queue_setup, __wrap_rte_eth_rx_queue_setup;

static int fake_rxq_recv(struct netdev_rxq *, struct dp_packet_batch *, int *);

static const struct netdev_class fake_class = {
    .type = "fake",
    .rxq_recv = fake_rxq_recv,
    .send = fake_tx_send,
};
static struct netdev fake_netdev = { .netdev_class = &fake_class };
static struct netdev_rxq fake_rxqs[FAKE_MAX_RXQS];

static struct rte_mbuf **
slot(struct queue *q, uint32_t i)
{
    return &q->slots[i % q->n_desc];
}

/* Frees all buffers in 'q', unless it keeps them.  Frames in them are lost. */
static void
queue_release(struct queue *q)
{
    if (driver.keepers & 1u << (q - queues)) {
        return;
    }
    for (; q->tail != q->armed; q->tail++) {
        if (driver.refill != FAKE_COPY) {
            rte_pktmbuf_free(*slot(q, q->tail));
            *slot(q, q->tail) = NULL;
        }
    }
    q->hw = q->tail;
}

/* Arms the next 'n' descriptors of 'q'.  Returns false if there are no
 * buffers. */
static bool
queue_arm(struct queue *q, unsigned int n)
{
    void *objs[BULK];

    CHECK(n <= BULK && q->armed - q->tail + n <= q->n_desc);
    if (driver.refill != FAKE_COPY) {
        if (rte_mempool_get_bulk(q->mp, objs, n)) {
            return false;
        }
        for (unsigned int i = 0; i < n; i++) {
            struct rte_mbuf *m = objs[i];

            CHECK(rte_mbuf_refcnt_read(m) == 1);
            CHECK(m->nb_segs == 1 && !m->next);
            *slot(q, q->armed + i) = m;
        }
    }
    q->armed += n;
    return true;
}

static void
queue_start(struct queue *q)
{
    while (q->armed - q->tail < q->n_desc) {
        uint32_t rest = q->n_desc - (q->armed - q->tail);

        CHECK(queue_arm(q, driver.refill == FAKE_ONE ? 1 : MIN(rest, BULK)));
    }
    q->started = true;
}

static int
fake_status(void *q_, uint16_t offset)
{
    struct queue *q = q_;
    uint32_t i = q->tail + offset;

    if (offset >= q->n_desc) {
        return -EINVAL;
    }
    return (i - q->tail < q->hw - q->tail ? RTE_ETH_RX_DESC_DONE
            : i - q->tail < q->armed - q->tail ? RTE_ETH_RX_DESC_AVAIL
            : RTE_ETH_RX_DESC_UNAVAIL);
}

/* Takes a frame out of 'q', which has one. */
static struct rte_mbuf *
queue_take(struct queue *q)
{
    struct rte_mbuf *m = *slot(q, q->tail);

    *slot(q, q->tail++) = NULL;
    m->data_off = RTE_PKTMBUF_HEADROOM;
    m->nb_segs = 1;
    m->next = NULL;
    m->port = FAKE_PORT;
    m->ol_flags = 0;
    return m;
}

static unsigned int
queue_burst(struct queue *q, struct rte_mbuf *mbufs[], unsigned int max)
{
    unsigned int n = 0;

    if (!started || !q->started) {
        return 0;
    }
    while (n < max && q->tail != q->hw) {
        uint16_t len = q->lens[q->tail % q->n_desc];
        struct rte_mbuf *new;

        if (driver.refill == FAKE_BULK) {
            mbufs[n] = queue_take(q);
        } else if (rte_mempool_get(q->mp, (void **) &new)) {
            break;
        } else if (driver.refill == FAKE_ONE) {
            mbufs[n] = queue_take(q);
            *slot(q, q->armed++) = new;
        } else {
            memcpy((uint8_t *) new->buf_addr + RTE_PKTMBUF_HEADROOM,
                   q->frames[q->tail % q->n_desc], len);
            *slot(q, q->tail) = new;
            mbufs[n] = queue_take(q);
            q->armed++;
        }
        mbufs[n]->data_len = mbufs[n]->pkt_len = len;
        n++;
    }
    while (driver.refill == FAKE_BULK
           && q->n_desc - (q->armed - q->tail) >= BULK
           && queue_arm(q, BULK)) {
        continue;
    }
    return n;
}

static int
fake_rxq_recv(struct netdev_rxq *rxq, struct dp_packet_batch *batch,
              int *qfill)
{
    unsigned int n;

    CHECK(!qfill);
    n = queue_burst(&queues[rxq->queue_id],
                    (struct rte_mbuf **) batch->packets, NETDEV_MAX_BURST);
    if (!n) {
        return EAGAIN;
    }
    if (policing) {
        /* As netdev-dpdk does, success without a packet. */
        rte_pktmbuf_free_bulk((struct rte_mbuf **) batch->packets, n);
        n = 0;
    }
    batch->count = n;
    iovtee_batch_received(batch);
    return 0;
}

/* What ethdev puts in the place of a function that a driver lacks. */
static int
fake_no_status(void *rxq OVS_UNUSED, uint16_t offset OVS_UNUSED)
{
    return -ENOTSUP;
}

/* Makes the device one of the kind that 'd' describes, not set up yet. */
void
fake_eth_init(const struct fake_driver *d)
{
    static void *data[FAKE_MAX_RXQS];

    driver = *d;
    memset(&counts, 0, sizeof counts);
    fake_tx_init(d, &counts);
    for (unsigned int i = 0; i < FAKE_MAX_RXQS; i++) {
        memset(&queues[i], 0, sizeof queues[i]);
        fake_rxqs[i].netdev = &fake_netdev;
        fake_rxqs[i].queue_id = i;
        data[i] = &queues[i];
    }
    n_queues = n_failing_starts = n_failing_stops = n_failing_setups = 0;
    started = policing = false;
    stop_cb = NULL;
    rte_eth_fp_ops[FAKE_PORT].rxq.data = data;
    rte_eth_fp_ops[FAKE_PORT].rx_descriptor_status
        = d->has_status ? fake_status : fake_no_status;
}

/* Sets up 'n_rxq' receive queues and starts the device, as netdev-dpdk does,
 * with 'mp'. */
void
fake_eth_setup(unsigned int n_rxq, uint16_t n_desc, struct rte_mempool *mp)
{
    const struct rte_eth_conf conf = { .rxmode.offloads = driver.offloads };

    if (started) {
        CHECK(!rte_eth_dev_stop(FAKE_PORT));
    }
    CHECK(!__wrap_rte_eth_dev_configure(FAKE_PORT, n_rxq, MAX(driver.n_txq, 1),
                                        &conf));
    n_queues = n_rxq;
    for (unsigned int i = 0; i < n_rxq; i++) {
        CHECK(!__wrap_rte_eth_rx_queue_setup(FAKE_PORT, i, n_desc, 0, NULL,
                                             mp));
    }
    fake_tx_set_up();
    CHECK(!rte_eth_dev_start(FAKE_PORT));
}

/* Closes the device: now even the worst driver gives its buffers back. */
void
fake_eth_close(void)
{
    driver.keepers = 0;
    for (unsigned int i = 0; i < n_queues; i++) {
        queue_release(&queues[i]);
    }
    n_queues = 0;
    started = false;
    fake_tx_close();
}

void
fake_eth_get_counts(struct fake_counts *c)
{
    *c = counts;
}

bool
fake_eth_is_started(void)
{
    return started;
}

/* The next 'n' starts will fail. */
void
fake_eth_fail_starts(unsigned int n)
{
    n_failing_starts = n;
}

/* The next 'n' stops will fail, and the device goes on. */
void
fake_eth_fail_stops(unsigned int n)
{
    n_failing_stops = n;
}

/* The next 'n' set-ups of receive queues will fail. */
void
fake_eth_fail_setups(unsigned int n)
{
    n_failing_setups = n;
}

/* Sets whether the netdev drops all frames that it receives. */
void
fake_eth_police(bool police)
{
    policing = police;
}

/* Has 'cb' called, with 'aux', in the middle of each stop of the device. */
void
fake_eth_on_stop(void (*cb)(void *aux), void *aux)
{
    stop_cb = cb;
    stop_aux = aux;
}

/* The 'n'th of the next registrations and mappings of memory will fail. */
void
fake_eth_fail_dma(unsigned int n)
{
    n_dma_steps = n;
}

/* Returns how many pieces of memory are registered with DPDK. */
unsigned int
fake_eth_n_registered(void)
{
    return n_registered;
}

/* Returns how many pieces of memory are mapped for DMA. */
unsigned int
fake_eth_n_mapped(void)
{
    return n_mapped;
}

/* A frame arrives at receive queue 'rxq'.  Returns false if it is lost for
 * want of a descriptor. */
bool
fake_eth_wire(unsigned int rxq, const void *frame, uint32_t len)
{
    struct queue *q = &queues[rxq];
    struct rte_mbuf *m;

    CHECK(len <= MAX_FRAME);
    if (!started || !q->started || q->armed - q->hw <= driver.n_spare) {
        return false;
    }
    if (driver.refill == FAKE_COPY) {
        memcpy(q->frames[q->hw % q->n_desc], frame, len);
    } else {
        /* The NIC knows nothing of 'buf_len'. */
        m = *slot(q, q->hw);
        memcpy((uint8_t *) m->buf_addr + RTE_PKTMBUF_HEADROOM, frame, len);
    }
    q->lens[q->hw++ % q->n_desc] = len;
    return true;
}

/* Returns how many frames wait in receive queue 'rxq'. */
unsigned int
fake_eth_n_waiting(unsigned int rxq)
{
    return queues[rxq].hw - queues[rxq].tail;
}

/* Returns how many buffers receive queue 'rxq' holds. */
unsigned int
fake_eth_n_held(unsigned int rxq)
{
    return (driver.refill == FAKE_COPY ? 0
            : queues[rxq].armed - queues[rxq].tail);
}

/* Asks for 'n' buffers as the driver of receive queue 'rxq' would. */
int
fake_eth_get(unsigned int rxq, void *objs[], unsigned int n)
{
    return rte_mempool_get_bulk(queues[rxq].mp, objs, n);
}

struct netdev_rxq *
fake_eth_rxq(unsigned int rxq)
{
    return &fake_rxqs[rxq];
}

struct netdev *
fake_eth_netdev(void)
{
    return &fake_netdev;
}

/* What DPDK has under the same names. */

int
__real_rte_eth_dev_configure(uint16_t port_id, uint16_t n_rxq OVS_UNUSED,
                             uint16_t n_txq OVS_UNUSED,
                             const struct rte_eth_conf *conf)
{
    CHECK(port_id == FAKE_PORT && !started);
    driver.offloads = conf->rxmode.offloads;
    return 0;
}

int
__real_rte_eth_rx_queue_setup(uint16_t port_id, uint16_t id, uint16_t n_desc,
                              unsigned int socket_id OVS_UNUSED,
                              const struct rte_eth_rxconf *conf OVS_UNUSED,
                              struct rte_mempool *mp)
{
    struct queue *q = &queues[id];

    CHECK(port_id == FAKE_PORT && id < n_queues && !started);
    CHECK(n_desc <= FAKE_MAX_DESC);

    /* Some drivers want to know where their pool's memory is. */
    CHECK(!STAILQ_EMPTY(&mp->mem_list));
    counts.n_setups++;
    if (driver.refuses_feed
        && !strcmp(rte_mempool_get_ops(mp->ops_index)->name, "iovtee")) {
        return -EINVAL;
    }
    if (driver.release != FAKE_NEVER) {
        queue_release(q);
    }
    if (n_failing_setups) {
        n_failing_setups--;
        q->mp = NULL;
        return -ENOMEM;
    }
    CHECK(q->tail == q->armed || q->n_desc == n_desc);
    q->mp = mp;
    q->n_desc = n_desc;
    return 0;
}

int
rte_eth_dev_start(uint16_t port_id)
{
    CHECK(port_id == FAKE_PORT && !started);
    if (n_failing_starts) {
        n_failing_starts--;
        return -EIO;
    }
    counts.n_starts++;
    for (unsigned int i = 0; i < n_queues; i++) {
        CHECK(queues[i].mp);
        queue_start(&queues[i]);
    }
    fake_tx_start();
    started = true;
    return 0;
}

int
rte_eth_dev_stop(uint16_t port_id)
{
    CHECK(port_id == FAKE_PORT);
    if (n_failing_stops) {
        n_failing_stops--;
        return -EBUSY;
    }
    counts.n_stops++;
    started = false;
    if (stop_cb) {
        stop_cb(stop_aux);
    }
    fake_tx_stop();
    if (driver.release == FAKE_QUEUE_STOP
        || driver.release == FAKE_PORT_STOP) {
        for (unsigned int i = 0; i < n_queues; i++) {
            queue_release(&queues[i]);
        }
    }
    return 0;
}

int
rte_eth_dev_rx_queue_stop(uint16_t port_id, uint16_t id)
{
    CHECK(port_id == FAKE_PORT && id < n_queues);
    if (driver.release != FAKE_QUEUE_STOP) {
        return -ENOTSUP;
    }
    counts.n_queue_stops++;
    queues[id].started = false;
    queue_release(&queues[id]);
    return 0;
}

int
rte_eth_dev_rx_queue_start(uint16_t port_id, uint16_t id)
{
    CHECK(port_id == FAKE_PORT && id < n_queues && started);
    if (n_failing_starts) {
        n_failing_starts--;
        return -EIO;
    }
    queue_start(&queues[id]);
    return 0;
}

int
rte_eth_dev_set_link_down(uint16_t port_id)
{
    CHECK(port_id == FAKE_PORT);
    counts.n_link_downs++;
    return 0;
}

int
rte_eth_dev_info_get(uint16_t port_id, struct rte_eth_dev_info *info)
{
    static char device;

    CHECK(port_id == FAKE_PORT);
    memset(info, 0, sizeof *info);
    info->driver_name = driver.name ? driver.name : "net_tap";
    info->device = (struct rte_device *) &device;
    info->default_txconf.tx_rs_thresh = 32;
    info->default_txconf.tx_free_thresh = 32;
    return 0;
}

int
rte_eth_dev_get_mtu(uint16_t port_id, uint16_t *mtu)
{
    CHECK(port_id == FAKE_PORT);
    *mtu = driver.mtu ? driver.mtu : RTE_ETHER_MTU;
    return 0;
}

int
rte_eth_dev_conf_get(uint16_t port_id, struct rte_eth_conf *conf)
{
    CHECK(port_id == FAKE_PORT);
    memset(conf, 0, sizeof *conf);
    conf->rxmode.offloads = driver.offloads;
    conf->txmode.offloads = driver.tx_offloads;
    return 0;
}

int
rte_eth_dev_pool_ops_supported(uint16_t port_id, const char *name)
{
    CHECK(port_id == FAKE_PORT && !strcmp(name, "iovtee"));
    return driver.own_pools ? -ENOTSUP : 1;
}

int
rte_eth_dev_socket_id(uint16_t port_id)
{
    CHECK(port_id == FAKE_PORT);
    return 0;
}

int
rte_extmem_register(void *va OVS_UNUSED, size_t len OVS_UNUSED,
                    rte_iova_t iovas[] OVS_UNUSED, unsigned int n OVS_UNUSED,
                    size_t page_size OVS_UNUSED)
{
    if (n_dma_steps && !--n_dma_steps) {
        rte_errno = ENOSPC;
        return -1;
    }
    n_registered++;
    return 0;
}

int
rte_extmem_unregister(void *va OVS_UNUSED, size_t len OVS_UNUSED)
{
    CHECK(n_registered > n_mapped);
    n_registered--;
    return 0;
}

int
rte_dev_dma_map(struct rte_device *dev OVS_UNUSED, void *va, uint64_t iova,
                size_t len OVS_UNUSED)
{
    CHECK(iova == (uintptr_t) va);
    if (n_dma_steps && !--n_dma_steps) {
        rte_errno = ENOMEM;
        return -1;
    }
    n_mapped++;
    return 0;
}

int
rte_vfio_container_dma_unmap(int fd, uint64_t va, uint64_t iova,
                             uint64_t len OVS_UNUSED)
{
    CHECK(fd == RTE_VFIO_DEFAULT_CONTAINER_FD && va == iova && n_mapped);
    if (!n_queues && rte_errno != ENODEV) {
        /* Without a device the kernel refuses, and DPDK then looks at what it
         * finds here. */
        return -1;
    }
    n_mapped--;
    return 0;
}

const struct rte_devargs *
rte_dev_devargs(const struct rte_device *dev OVS_UNUSED)
{
    static struct rte_devargs devargs;

    devargs.args = driver.args;
    return driver.args ? &devargs : NULL;
}

const struct rte_bus *
rte_dev_bus(const struct rte_device *dev OVS_UNUSED)
{
    return NULL;
}

const char *
rte_bus_name(const struct rte_bus *bus OVS_UNUSED)
{
    return driver.bus ? driver.bus : "vdev";
}
