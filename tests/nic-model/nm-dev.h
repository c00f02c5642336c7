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

#ifndef NM_DEV_H
#define NM_DEV_H 1

/* A model of a NIC
 * ================
 *
 * The driver (nm-driver.c, nm-queues.c, nm-rxtx.c, nm-stats.c) is called by
 * the application, on any of its threads.  All else, and whatever here says
 * "engine's", belongs to the engine: one thread that plays the hardware of
 * all devices.  Others touch it only through nm_engine_call() (nm-engine.h),
 * which runs a function while that thread waits. */

#include <stdbool.h>
#include <stdint.h>

#include <rte_ether.h>

#include "compat/dpdk.h"
#include "nm-ring.h"

#define NM_MAX_DEVS 32
#define NM_MAX_QUEUES 32
#define NM_RETA_SIZE 128
#define NM_RSS_KEY_LEN 40

/* Longest frame, with CRC, and what of it is not covered by the MTU: Ethernet
 * header, two VLAN tags and CRC. */
#define NM_MAX_PKTLEN 9728
#define NM_OVERHEAD 26

struct nm_source;
struct nm_sink;

/* What can be changed while a device runs.  Zero turns it off. */
struct nm_knobs {
    uint32_t group;             /* Frames per write-back. */
    uint32_t group_us;          /* A smaller group is written after this. */
    uint32_t tx_group;          /* Descriptors per completion. */
    uint32_t tx_us;             /* Fewer are completed after this... */
    uint32_t tx_lazy;           /* ...or only once more were posted. */
    uint32_t tx_unit;           /* Completed in whole units of this only. */
    uint32_t tx_hang;           /* Nothing more is taken to be sent. */
    uint32_t tx_ask;            /* The driver can be asked for what was sent,
                                 * and... */
    uint32_t tx_stop;           /* ...can stop single transmit queues. */
    uint32_t rx_error_every;    /* Each so manieth frame has a bad CRC. */
    uint32_t flap_ms;           /* Link goes down, and up, each so often. */
    uint32_t check;             /* 1: check, 2: and abort if it fails. */
    uint32_t touch;             /* Sent frames are read as a whole. */
};

struct nm_checks {
    uint64_t n_double_post;     /* Posted while posted. */
    uint64_t n_overlap;         /* Posted while part of it is posted. */
    uint64_t n_touched;         /* Written to by others while posted. */
    uint64_t n_beyond;          /* Likewise, after the frame, once filled. */
    uint64_t n_bad_desc;        /* No address, no room, more than fits. */
    uint64_t n_tx_changed;      /* Frame changed before it was completed. */
    uint64_t n_checked;         /* Buffers that were looked at. */
};

struct nm_dev {
    char name[64];
    uint16_t port_id;
    struct rte_ether_addr mac;
    int socket_id;

    /* The driver's. */
    struct nm_rxq *rxqs[NM_MAX_QUEUES];
    struct nm_txq *txqs[NM_MAX_QUEUES];
    uint16_t n_rxq, n_txq;
    bool link_admin;            /* Not set down. */
    uint8_t rss_key[NM_RSS_KEY_LEN];
    uint64_t rss_hf;
    struct {
        uint64_t rx_packets, rx_bytes, rx_missed, rx_nobuf;
        uint64_t tx_packets, tx_bytes, tx_bad;
    } past;                     /* Of queues that no longer exist. */

    /* Written by whoever, read by whoever, atomically. */
    bool carrier;               /* A cable is plugged in. */

    /* The engine's. */
    bool started;
    bool link;                  /* Frames pass. */
    bool hung;                  /* Waits for a reset. */
    bool promisc, allmulti;
    struct rte_ether_addr filter;
    uint32_t max_frame;         /* Without CRC. */
    uint16_t reta[NM_RETA_SIZE];
    struct nm_rxq *live_rxqs[NM_MAX_QUEUES]; /* Started, else NULL. */
    struct nm_txq *live_txqs[NM_MAX_QUEUES];
    uint16_t n_live;            /* Queues to look at. */
    uint32_t (*toeplitz)[256];  /* See nm-rss.h. */
    struct nm_knobs knobs;
    struct nm_checks checks;
    uint64_t group_tsc, tx_tsc; /* Knobs in cycles. */
    uint64_t n_arrived;         /* Frames that came over the wire. */
    uint64_t n_lost;            /* Link down, or device stopped. */
    uint64_t n_crc_errors, n_oversize, n_filtered, n_no_room;
    uint64_t n_missed;          /* For queues that are stopped. */
    uint64_t tx_lost;           /* Sent while the link was down. */
    struct nm_dev *wire;        /* Where sent frames arrive, or NULL. */
    struct nm_source *source;
    struct nm_sink *sink;
};

/* Devices (nm-driver.c).  'nm_mutex' protects the list, and is to be held
 * while a device found by name is used.  The engine never takes it. */
void nm_lock(void);
void nm_unlock(void);
struct nm_dev *nm_dev_find(const char *name);
struct nm_dev *nm_dev_by_index(unsigned int i);
struct nm_dev *nm_dev_by_port(uint16_t port_id);
void nm_dev_set_carrier(struct nm_dev *, bool up);
void nm_dev_want_reset(struct nm_dev *);
void nm_dev_update_link(struct nm_dev *);
void nm_dev_destroy(struct nm_dev *);

/* nm-ops.c */
struct eth_dev_ops;
struct rte_eth_dev;
extern const struct eth_dev_ops nm_ops;
int nm_dev_close(struct rte_eth_dev *);

/* nm-queues.c */
struct rte_eth_rxconf;
struct rte_eth_txconf;
struct rte_eth_rxq_info;
struct rte_eth_txq_info;
int nm_rx_queue_setup(struct rte_eth_dev *, uint16_t, uint16_t, unsigned int,
                      const struct rte_eth_rxconf *, struct rte_mempool *);
int nm_tx_queue_setup(struct rte_eth_dev *, uint16_t, uint16_t, unsigned int,
                      const struct rte_eth_txconf *);
void nm_rx_queue_release(struct rte_eth_dev *, uint16_t);
void nm_tx_queue_release(struct rte_eth_dev *, uint16_t);
int nm_rx_queue_start(struct rte_eth_dev *, uint16_t);
int nm_rx_queue_stop(struct rte_eth_dev *, uint16_t);
int nm_tx_queue_start(struct rte_eth_dev *, uint16_t);
int nm_tx_queue_stop(struct rte_eth_dev *, uint16_t);
int nm_tx_queue_stop_alone(struct rte_eth_dev *, uint16_t);
void nm_rxq_info_get(struct rte_eth_dev *, uint16_t,
                     struct rte_eth_rxq_info *);
void nm_txq_info_get(struct rte_eth_dev *, uint16_t,
                     struct rte_eth_txq_info *);
int nm_rx_descriptor_status(void *, uint16_t);
int nm_tx_descriptor_status(void *, uint16_t);
iovtee_rx_queue_count_t nm_rx_queue_count(void *);

/* nm-rxtx.c */
uint16_t nm_rx_burst(void *, struct rte_mbuf **, uint16_t);
uint16_t nm_tx_burst(void *, struct rte_mbuf **, uint16_t);
int nm_tx_done_cleanup(void *, uint32_t);
bool nm_rxq_fill(struct nm_rxq *);
void nm_rxq_drain(struct nm_rxq *);
void nm_txq_drain(struct nm_txq *);

/* nm-stats.c */
struct rte_eth_stats;
struct rte_eth_xstat;
struct rte_eth_xstat_name;
struct eth_queue_stats;
int nm_stats_get(struct rte_eth_dev *, struct rte_eth_stats *
                 IOVTEE_ETH_QUEUE_STATS_PARAM);
int nm_stats_reset(struct rte_eth_dev *);
int nm_xstats_get(struct rte_eth_dev *, struct rte_eth_xstat *, unsigned int);
int nm_xstats_get_names(struct rte_eth_dev *, struct rte_eth_xstat_name *,
                        unsigned int);

/* Prints a message of the model to DPDK's log. */
void nm_log(uint32_t level, const char *, ...)
    __attribute__((format(printf, 2, 3)));

#endif /* nm-dev.h */
