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

#ifndef TESTS_NIC_TXQ_FIXTURE_H
#define TESTS_NIC_TXQ_FIXTURE_H 1

/* A NIC of which the transmit queues are what matters.  For programs that
 * include <config.h> first. */

#include "nic-fixture.h"

#include "compat/compat.h"
#include "nic/nic-fetch.h"
#include "nic/nic-private.h"
#include "packets.h"
#include "queue/mark.h"
#include "queue/shells.h"

#define AUTO IOVTEE_TX_EARLY_AUTO
#define ON IOVTEE_TX_EARLY_ON
#define OFF IOVTEE_TX_EARLY_OFF

/* Sends a packet through 'nic'. */
static inline void
send_1(struct iovtee_nic *nic, int qid, bool concurrent_txq)
{
    struct dp_packet_batch batch;

    dp_packet_batch_init(&batch);
    dp_packet_batch_add(&batch, vq_host_packet(60, 1, VQ_PEER));
    CHECK(!iovtee_nic_send(nic, fake_eth_netdev(), qid, &batch,
                           concurrent_txq));
}

static inline struct fake_counts
get_counts(void)
{
    struct fake_counts counts;

    fake_eth_get_counts(&counts);
    return counts;
}

static inline void
reconfigure(struct iovtee_nic *nic, const struct fake_driver *d)
{
    iovtee_nic_begin_reconfigure(nic, FAKE_PORT);
    fake_eth_setup(1, 64, vq_host_pool());
    iovtee_nic_end_reconfigure(nic, 1, MAX(d->n_txq, 1));
}

/* Returns a NIC with driver 'd' that is to do as 'wish' says. */
static inline struct iovtee_nic *
create(const struct fake_driver *d, enum iovtee_tx_early wish)
{
    struct iovtee_nic *nic = iovtee_nic_create("phy0");

    fake_eth_init(d);
    iovtee_nic_set_tx_early(nic, wish);
    CHECK(!get_counts().n_stops);
    reconfigure(nic, d);
    return nic;
}

static inline void
destroy(struct iovtee_nic *nic)
{
    iovtee_nic_close(nic);
    fake_eth_close();
    iovtee_nic_destroy(nic);
}

#endif /* tests/unit/nic-txq-fixture.h */
