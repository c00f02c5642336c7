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

/* See nic-recall.h.
 *
 * What is sent on a queue pushes what was sent there before it out of the
 * driver, so a guest that goes on sending, copies included, helps itself.
 * Only what is left in a queue on which nobody sends has to be *rescued*.
 * Nothing that waits for its turn is lost then: the NIC has sent it long ago,
 * and just was not told to say so. */

#include <config.h>

#include "nic/nic-recall.h"

#include <errno.h>

#include <rte_ethdev.h>

#include "nic/nic-fetch.h"
#include "nic/nic-ports.h"
#include "nic/nic-stop.h"
#include "nic/nic-txq.h"
#include "openvswitch/vlog.h"

VLOG_DEFINE_THIS_MODULE(iovtee_nic_recall);

static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(5, 20);

/* All in milliseconds: for how long nobody may have sent on a queue before it
 * is stopped, how long that is waited for, and how often at most it is
 * stopped. */
#define QUIET 100
#define PATIENCE 500
#define INTERVAL 400

/* Stops transmit queue 'id' of 'nic' for a moment.  Restarts the device if the
 * queue does not start again.  Returns false if the driver cannot do that. */
bool
nic_recall_by_stop(struct iovtee_nic *nic, uint16_t id)
{
    int ret = nic_txq_stop_start(nic, id);

    nic->tx_stop = ret ? NIC_TX_STOP_FAILS : NIC_TX_STOP_WORKS;
    if (ret && ret != -ENOTSUP) {
        /* It may have been stopped, and not started. */
        iovtee_nic_restart(nic);
    }
    return !ret;
}

/* Can a transmit queue of 'nic' be stopped by itself?  That is tried once,
 * with the last queue, which is for threads other than PMD threads, and these
 * hardly ever send. */
static bool
can_stop_queue(struct iovtee_nic *nic)
{
    return (nic->tx_stop == NIC_TX_STOP_UNKNOWN
            ? nic_recall_by_stop(nic, nic->n_txq - 1)
            : nic->tx_stop == NIC_TX_STOP_WORKS);
}

/* Returns why 'nic' would not give back frames that are lent to it, or NULL if
 * it would. */
const char *
nic_recall_why_not(struct iovtee_nic *nic)
{
    if (!nic->n_txq || nic->down || nic->kept) {
        return "the device is stopped";
    } else if (nic->tx_keeps) {
        return nic->tx_keeps;
    } else if (!nic_txqs_can_be_asked(nic) && !can_stop_queue(nic)) {
        return "driver cannot be asked for what it has sent, nor can it stop "
               "a single transmit queue";
    }
    return NULL;
}

/* Returns for how many milliseconds nobody has sent on transmit queue 'id' of
 * 'nic', as far as is known from earlier calls, at 'now'. */
static long long int
quiet_for(struct iovtee_nic *nic, uint16_t id, long long int now)
{
    struct nic_txq *txq = &nic->txqs[id];
    uint32_t n_bursts;

    ovs_spin_lock(&txq->lock);
    n_bursts = txq->n_bursts;
    ovs_spin_unlock(&txq->lock);
    if (!txq->quiet_since || n_bursts != txq->seen_bursts) {
        txq->seen_bursts = n_bursts;
        txq->quiet_since = now;
    }
    return now - txq->quiet_since;
}

/* Does what iovtee_nic_rescue() does, with 'nic'. */
static enum iovtee_nic_rescue
rescue(struct iovtee_nic *nic, uint16_t id, long long int now,
       long long int age)
{
    struct nic_txq *txq = &nic->txqs[id];
    bool quiet = quiet_for(nic, id, now) >= QUIET;

    nic_txq_ask_for_all(nic, id);
    if (nic->tx_stop == NIC_TX_STOP_FAILS || nic->tx_keeps
        || (!quiet && age < PATIENCE)
        || (txq->rescued && now - txq->rescued < INTERVAL)) {
        return IOVTEE_NIC_RESCUE_LATER;
    }
    if (txq->rescued && age > now - txq->rescued) {
        /* It had the same frames before. */
        VLOG_WARN_RL(&rl, "%s: transmit queue %"PRIu16" has kept frames of a "
                     "guest when it was stopped; the device is restarted, "
                     "and what guests send will be copied", nic->name, id);
        nic->tx_keeps = "driver keeps what it was to send when a transmit "
                        "queue is stopped";
        iovtee_nic_restart(nic);
        return IOVTEE_NIC_RESCUE_FAILED;
    }
    txq->rescued = now;
    return (nic_recall_by_stop(nic, id) ? IOVTEE_NIC_RESCUE_DONE
            : IOVTEE_NIC_RESCUE_FAILED);
}

/* Gets frames back from transmit queue 'id' of DPDK port 'port_id', if that is
 * one of ours.  At 'now', ms, guests that run have lent it some, of which none
 * has come home for 'age' milliseconds.  Must be called again, from time to
 * time, while that is so. */
enum iovtee_nic_rescue
iovtee_nic_rescue(uint16_t port_id, uint16_t id, long long int now,
                  long long int age)
{
    enum iovtee_nic_rescue result = IOVTEE_NIC_RESCUE_LATER;
    struct iovtee_nic *nic = iovtee_nic_by_port_id(port_id);

    if (nic) {
        ovs_mutex_lock(&nic->mutex);
        if (id < nic->n_txq && !nic->down && !nic->kept) {
            result = rescue(nic, id, now, age);
        }
        ovs_mutex_unlock(&nic->mutex);
    }
    return result;
}
