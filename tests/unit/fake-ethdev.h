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

#ifndef TESTS_FAKE_ETHDEV_H
#define TESTS_FAKE_ETHDEV_H 1

/* An Ethernet device for tests of nic/nic
 * ==========================================
 *
 * Takes the place of DPDK's ethdev by defining the same functions, for DPDK
 * port FAKE_PORT only.  Its receive queues are rings of descriptors that are
 * empty, armed with a buffer, or done, that is, hold a frame.  Drivers differ
 * in when they get buffers and when they give them back, and this one can be
 * any of them.
 *
 * Thread-safety: none. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct netdev;
struct netdev_rxq;
struct rte_mempool;

enum {
    FAKE_PORT = 5, FAKE_MAX_RXQS = 4, FAKE_MAX_TXQS = 4, FAKE_MAX_DESC = 2048,
};

/* How the driver refills. */
enum fake_refill {
    FAKE_BULK,                  /* Takes frames, then fills gaps by 32. */
    FAKE_ONE,                   /* A new buffer before each frame. */
    FAKE_COPY,                  /* Holds no buffers: gets one for a frame. */
};

/* When the driver gives its buffers back. */
enum fake_release {
    FAKE_QUEUE_STOP,            /* When the queue or the port is stopped. */
    FAKE_PORT_STOP,             /* When the port is stopped. */
    FAKE_SETUP,                 /* When the queue is set up again. */
    FAKE_NEVER,                 /* Until it is closed. */
};

/* When the driver frees what it has sent. */
enum fake_sent {
    FAKE_SENT_FREED,            /* At once. */
    FAKE_SENT_QUEUE_STOP,       /* Once fake_eth_complete() was called and it
                                 * looks, or when the queue... */
    FAKE_SENT_PORT_STOP,        /* ...or the port is stopped, ... */
    FAKE_SENT_SETUP,            /* ...or the queue is set up again, ... */
    FAKE_SENT_NEVER,            /* ...or it is closed. */
};

struct fake_driver {
    enum fake_refill refill;
    enum fake_release release;
    unsigned int keepers;       /* Bitmap of queues that never do that. */
    bool has_status;            /* Can it say whether a frame waits? */
    uint16_t n_spare;           /* Armed descriptors that the NIC does not use:
                                 * often the last, to tell full from empty. */
    const char *name;           /* NULL for a driver that is trusted. */
    const char *bus;            /* NULL for "vdev". */
    const char *args;           /* That the device was made with, or NULL. */
    bool own_pools;             /* Only supports its own kind of pools, ... */
    bool refuses_feed;          /* ...or refuses others' without a word. */
    uint64_t offloads;          /* Of receive queues, as netdev-dpdk asks
                                 * for. */
    uint16_t mtu;               /* 0 for 1500. */
    enum fake_sent sent;
    uint16_t n_txq;             /* Transmit queues, 0 for one... */
    uint16_t n_txq_desc;        /* ...of so many descriptors, 0 for 512. */
    bool refuses_thresh;        /* Takes no tx_free_thresh but the default. */
    bool cannot_clean;          /* Has no rte_eth_tx_done_cleanup(). */
    bool stops_txqs;            /* Stops single transmit queues although that
                                 * is not when it frees. */
    uint64_t tx_offloads;       /* In use. */
};

/* What was done to the device so far. */
struct fake_counts {
    unsigned int n_starts;
    unsigned int n_stops;
    unsigned int n_queue_stops;
    unsigned int n_setups;
    unsigned int n_link_downs;
    unsigned int n_sent;        /* Packets. */
    unsigned int n_tx_setups;
    unsigned int n_tx_queue_stops;
    unsigned int n_cleanups;    /* Calls of rte_eth_tx_done_cleanup(). */
};

void fake_eth_init(const struct fake_driver *);
void fake_eth_setup(unsigned int n_rxq, uint16_t n_desc,
                    struct rte_mempool *);
void fake_eth_close(void);
void fake_eth_get_counts(struct fake_counts *);
bool fake_eth_is_started(void);
void fake_eth_fail_starts(unsigned int n);
void fake_eth_fail_stops(unsigned int n);
void fake_eth_fail_setups(unsigned int n);
void fake_eth_police(bool);
void fake_eth_fail_dma(unsigned int n);
unsigned int fake_eth_n_registered(void);
unsigned int fake_eth_n_mapped(void);
void fake_eth_on_stop(void (*cb)(void *aux), void *aux);

/* Transmit queues (fake-ethdev-tx.c). */
uint16_t fake_eth_tx_thresh(unsigned int txq);
unsigned int fake_eth_n_unfreed(unsigned int txq);
void fake_eth_complete(unsigned int txq, unsigned int n);
void fake_eth_on_send(void (*cb)(void *aux), void *aux);
void fake_eth_drop_sends(bool);
unsigned int fake_eth_last_stopped_txq(void);
void fake_eth_fail_txq_starts(unsigned int n);
void fake_eth_on_cleanup(void (*cb)(unsigned int txq, void *aux), void *aux);

bool fake_eth_wire(unsigned int rxq, const void *frame, uint32_t len);
unsigned int fake_eth_n_waiting(unsigned int rxq);
unsigned int fake_eth_n_held(unsigned int rxq);
int fake_eth_get(unsigned int rxq, void *objs[], unsigned int n);
struct netdev_rxq *fake_eth_rxq(unsigned int rxq);
struct netdev *fake_eth_netdev(void);

#endif /* tests/unit/fake-ethdev.h */
