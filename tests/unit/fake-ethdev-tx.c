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

#include <rte_ethdev.h>
#include <rte_mbuf.h>

#include "dp-packet.h"
#include "netdev-provider.h"
#include "util.h"

/* Open vSwitch has the same. */
#undef ARRAY_SIZE
#include "unit.h"

/* The ring: descriptors from 'tail' up to 'done' were sent, from there up to
 * 'head' they still are to be. */
struct txq {
    uint16_t n_desc, thresh;
    uint32_t tail, done, head;
    bool started;
    struct rte_mbuf *slots[FAKE_MAX_DESC];
};

static struct fake_driver driver;
static struct fake_counts *counts;
static struct txq txqs[FAKE_MAX_TXQS];
static unsigned int n_txqs;
static unsigned int last_stopped, n_failing_starts;
static bool drops_sends;
static void (*send_cb)(void *aux);
static void *send_aux;
static void (*cleanup_cb)(unsigned int txq, void *aux);
static void *cleanup_aux;

extern __typeof__(rte_eth_tx_queue_setup)
    __real_rte_eth_tx_queue_setup, __wrap_rte_eth_tx_queue_setup;

/* Frees up to 'n' packets that 'q' has sent.  Returns how many. */
static unsigned int
txq_free_done(struct txq *q, unsigned int n)
{
    unsigned int i;

    for (i = 0; i < n && q->tail != q->done; i++) {
        rte_pktmbuf_free(q->slots[q->tail++ % FAKE_MAX_DESC]);
    }
    return i;
}

static void
txq_release(struct txq *q)
{
    q->done = q->head;
    txq_free_done(q, UINT32_MAX);
}

void
fake_tx_init(const struct fake_driver *d, struct fake_counts *c)
{
    driver = *d;
    counts = c;
    memset(txqs, 0, sizeof txqs);
    n_txqs = n_failing_starts = 0;
    cleanup_cb = NULL;
    send_cb = NULL;
    drops_sends = false;
}

void
fake_tx_set_up(void)
{
    n_txqs = MAX(driver.n_txq, 1);
    for (unsigned int i = 0; i < n_txqs; i++) {
        CHECK(!__wrap_rte_eth_tx_queue_setup(
                  FAKE_PORT, i, driver.n_txq_desc ? driver.n_txq_desc : 512,
                  0, NULL));
    }
}

void
fake_tx_start(void)
{
    for (unsigned int i = 0; i < n_txqs; i++) {
        txqs[i].started = true;
    }
}

void
fake_tx_stop(void)
{
    for (unsigned int i = 0; i < n_txqs; i++) {
        txqs[i].started = false;
        if (driver.sent <= FAKE_SENT_PORT_STOP) {
            txq_release(&txqs[i]);
        }
    }
}

void
fake_tx_close(void)
{
    for (unsigned int i = 0; i < n_txqs; i++) {
        txq_release(&txqs[i]);
    }
    n_txqs = 0;
}

int
fake_tx_send(struct netdev *netdev, int qid, struct dp_packet_batch *batch,
             bool concurrent_txq)
{
    unsigned int id = concurrent_txq ? qid % n_txqs : qid;
    struct dp_packet *packet;
    struct txq *q = &txqs[id];

    CHECK(netdev == fake_eth_netdev() && id < n_txqs && q->started);
    counts->n_sent += dp_packet_batch_size(batch);
    if (send_cb) {
        send_cb(send_aux);
    }
    if (driver.sent == FAKE_SENT_FREED || drops_sends) {
        dp_packet_delete_batch(batch, true);
        return 0;
    }
    if (q->n_desc - (q->head - q->tail) < q->thresh) {
        txq_free_done(q, NETDEV_MAX_BURST);
    }
    DP_PACKET_BATCH_FOR_EACH (i, packet, batch) {
        CHECK(q->head - q->tail < q->n_desc);
        q->slots[q->head++ % FAKE_MAX_DESC] = &packet->mbuf;
    }
    return 0;
}

/* Returns the tx_free_thresh that transmit queue 'txq' was set up with, or 0
 * if that is the driver's default. */
uint16_t
fake_eth_tx_thresh(unsigned int txq)
{
    return txqs[txq].thresh;
}

/* Returns how many packets transmit queue 'txq' holds. */
unsigned int
fake_eth_n_unfreed(unsigned int txq)
{
    return txqs[txq].head - txqs[txq].tail;
}

/* Returns the transmit queue that was stopped by itself last. */
unsigned int
fake_eth_last_stopped_txq(void)
{
    return last_stopped;
}

/* Has the next 'n' starts of a single transmit queue fail. */
void
fake_eth_fail_txq_starts(unsigned int n)
{
    n_failing_starts = n;
}

/* Transmit queue 'txq' has sent up to 'n' packets more. */
void
fake_eth_complete(unsigned int txq, unsigned int n)
{
    struct txq *q = &txqs[txq];

    q->done += MIN(n, q->head - q->done);
}

/* Has 'cb' called, with 'aux', in each rte_eth_tx_done_cleanup(). */
void
fake_eth_on_cleanup(void (*cb)(unsigned int txq, void *aux), void *aux)
{
    cleanup_cb = cb;
    cleanup_aux = aux;
}

/* Has 'cb' called, with 'aux', when a batch is sent.  NULL for none. */
void
fake_eth_on_send(void (*cb)(void *aux), void *aux)
{
    send_cb = cb;
    send_aux = aux;
}

/* Has netdev-dpdk drop what it is to send, as it does when the ring is full,
 * or not any more. */
void
fake_eth_drop_sends(bool drop)
{
    drops_sends = drop;
}

/* What DPDK has under the same names. */

int
__real_rte_eth_tx_queue_setup(uint16_t port_id, uint16_t id, uint16_t n_desc,
                              unsigned int socket_id OVS_UNUSED,
                              const struct rte_eth_txconf *conf)
{
    CHECK(port_id == FAKE_PORT && id < n_txqs && !fake_eth_is_started());
    CHECK(n_desc <= FAKE_MAX_DESC);
    CHECK(!conf || conf->tx_rs_thresh == 32);
    if (conf && driver.refuses_thresh) {
        return -EINVAL;
    }
    if (driver.sent <= FAKE_SENT_SETUP) {
        txq_release(&txqs[id]);
    }
    counts->n_tx_setups++;
    txqs[id].n_desc = n_desc;
    txqs[id].thresh = conf ? conf->tx_free_thresh : 0;
    return 0;
}

int
rte_eth_tx_done_cleanup(uint16_t port_id, uint16_t id, uint32_t n)
{
    CHECK(port_id == FAKE_PORT && id < n_txqs);
    counts->n_cleanups++;
    if (cleanup_cb) {
        cleanup_cb(id, cleanup_aux);
    }
    return (driver.cannot_clean ? -ENOTSUP
            : (int) txq_free_done(&txqs[id], n ? n : UINT32_MAX));
}

int
rte_eth_dev_tx_queue_stop(uint16_t port_id, uint16_t id)
{
    CHECK(port_id == FAKE_PORT && id < n_txqs);
    if (driver.sent != FAKE_SENT_QUEUE_STOP && !driver.stops_txqs) {
        return -ENOTSUP;
    }
    counts->n_tx_queue_stops++;
    last_stopped = id;
    txqs[id].started = false;
    if (driver.sent <= FAKE_SENT_QUEUE_STOP) {
        txq_release(&txqs[id]);
    }
    return 0;
}

int
rte_eth_dev_tx_queue_start(uint16_t port_id, uint16_t id)
{
    CHECK(port_id == FAKE_PORT && id < n_txqs);
    if (n_failing_starts) {
        n_failing_starts--;
        return -EIO;
    }
    txqs[id].started = true;
    return 0;
}
