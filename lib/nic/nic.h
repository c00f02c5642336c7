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

#ifndef IOVTEE_NIC_H
#define IOVTEE_NIC_H 1

/* NIC of an iovtee port
 * =====================
 *
 * The NIC itself is driven by a hidden netdev of type "dpdk".  This module,
 * the only one that calls rte_eth_*(), adds two things to it:
 *
 *    - Where the NIC's receive buffers come from.  netdev-dpdk sets each
 *      receive queue up with a mempool of its own; the call is taken over (by
 *      the linker's --wrap), and the driver gets a feed (queue/pool) that
 *      hands out a guest's buffers first and mbufs of netdev-dpdk's pool
 *      otherwise.
 *
 *    - A gate before each receive queue, so that a guest's buffers can be
 *      taken back from the NIC at any time, synchronously and without help
 *      from the PMD thread.
 *
 * Which buffers
 * =============
 *
 *      the NIC is being started        host only: the driver wants all at once
 *      no guest is attached            host only
 *      a guest is attached, but its    host, if the guest has too few that
 *      buffers are unfit               are fit
 *      guest attached                  guest only...
 *      ...but the NIC is about to      what the guest has, the rest from the
 *      run dry                         host
 *      ...but too few frames are for   host, but for one in 64 as a probe
 *      the guest (nic/lend)
 *
 * Mixing freely would be wrong: packets in buffers of the host take the guest
 * buffers that they are copied to from the NIC, and soon half of the traffic
 * is copied.  A guest that does not refill its ring shows as drops in the NIC,
 * as on a VF, while the few host buffers keep everybody else's traffic going.
 *
 * Threads
 * =======
 *
 *    main thread       create, destroy, begin/end of reconfiguration
 *    any               attach, detach, let_read, get_*
 *    PMD               recv, send
 *
 * PMD threads wait for no restart of the device: they receive nothing
 * meanwhile, and what they send is dropped.
 *
 * Lock order: 'mutex' of the NIC, gates (more than one only with 'mutex'),
 * transmit locks by number of queue, lock of the guest's queue. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Receive queues that a NIC can have, as far as DPDK is concerned. */
#define IOVTEE_NIC_MAX_RXQS 1024

struct dp_packet_batch;
struct iovtee_guestmem;
struct iovtee_nic;
struct iovtee_rxvq;
struct netdev;
struct netdev_rxq;

/* Shall sent mbufs come back from the NIC as early as possible? */
enum iovtee_tx_early {
    IOVTEE_TX_EARLY_AUTO,       /* Where it is known to be a gain. */
    IOVTEE_TX_EARLY_ON,         /* Wherever there is a way. */
    IOVTEE_TX_EARLY_OFF,        /* When the driver likes. */
};

/* A snapshot of one receive queue. */
struct iovtee_nic_rxq_info {
    unsigned int n_desc;        /* Receive descriptors. */
    unsigned int n_ring;        /* Entries of the guest's ring, 0 if none. */
    unsigned int n_guest;       /* Guest buffers that the NIC holds. */
    unsigned int n_host;        /* Host buffers that the NIC holds, about. */
    uint64_t n_dry;             /* Host buffers given to a dry NIC. */
    uint64_t n_refused;         /* Refills put off for want of buffers. */
    uint64_t n_stops;           /* Times that buffers were taken back... */
    long long int longest_stop; /* ...and microseconds that it took at most. */
    bool paused;                /* Is lending paused? */
    unsigned int percent;       /* Gain of lending lately, of gain and cost. */
};

struct iovtee_nic *iovtee_nic_create(const char *name);
void iovtee_nic_destroy(struct iovtee_nic *);
const char *iovtee_nic_get_name(const struct iovtee_nic *);

void iovtee_nic_begin_reconfigure(struct iovtee_nic *, uint16_t port_id);
void iovtee_nic_end_reconfigure(struct iovtee_nic *, unsigned int n_rxq,
                                unsigned int n_txq);
void iovtee_nic_close(struct iovtee_nic *);
void iovtee_nic_run(struct iovtee_nic *);
void iovtee_nic_set_admin_up(struct iovtee_nic *, bool up);
void iovtee_nic_set_tx_early(struct iovtee_nic *, enum iovtee_tx_early);

unsigned int iovtee_nic_n_rxq(const struct iovtee_nic *);
int iovtee_nic_numa_id(const struct iovtee_nic *);
const char *iovtee_nic_driver(const struct iovtee_nic *);
unsigned int iovtee_nic_default_ring_size(uint16_t port_id);
unsigned int iovtee_nic_tx_capacity(void);
bool iovtee_nic_is_vf(const struct iovtee_nic *);
const char *iovtee_nic_copy_only(const struct iovtee_nic *);
uint32_t iovtee_nic_max_frame(const struct iovtee_nic *);
bool iovtee_nic_get_rxq_info(struct iovtee_nic *, unsigned int rxq,
                             struct iovtee_nic_rxq_info *);

int iovtee_nic_attach(struct iovtee_nic *, unsigned int rxq,
                      struct iovtee_rxvq *);
void iovtee_nic_detach(struct iovtee_nic *, const unsigned long *rxqs);

uint32_t iovtee_nic_let_read(struct iovtee_nic *, struct iovtee_guestmem *);
const char *iovtee_nic_tx_copy_only(const struct iovtee_nic *);

int iovtee_nic_recv(struct iovtee_nic *, struct netdev_rxq *lower,
                    struct dp_packet_batch *);
int iovtee_nic_send(struct iovtee_nic *, struct netdev *lower, int txq,
                    struct dp_packet_batch *, bool concurrent_txq);
uint64_t iovtee_nic_n_restart_drops(const struct iovtee_nic *);
uint64_t iovtee_nic_n_exhausted(const struct iovtee_nic *);
char *iovtee_nic_tx_early_text(struct iovtee_nic *);

#endif /* nic.h */
