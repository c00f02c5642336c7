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

/* See nic-fetch.h.
 *
 * A NIC that is busy gives back what it has sent by itself, and one that can
 * be asked for it does so within the first second.  What is left then is in a
 * queue with little traffic, or in one that hangs: many drivers complete sent
 * frames in units of 32.  To stop and start that queue, or if the driver
 * cannot, the device, harms few. */

#include <config.h>

#include "nic/nic-fetch.h"

#include "nic/nic-ports.h"
#include "nic/nic-recall.h"
#include "nic/nic-stop.h"
#include "nic/nic-txq.h"
#include "openvswitch/vlog.h"
#include "ovs-rcu.h"
#include "timeval.h"

VLOG_DEFINE_THIS_MODULE(iovtee_nic_fetch);

static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(5, 20);

/* All in milliseconds: how long a NIC is only asked, how long a stop of the
 * queue may take to help, and how often at most queues are stopped and devices
 * restarted: a guest that comes and goes must not keep others from sending. */
#define ASK_ONLY 1000
#define QUEUE_STOP_GRACE 400
#define QUEUE_STOP_INTERVAL 500
#define RESTART_INTERVAL 10000

/* Returns the name of the NIC whose DPDK port is 'port_id', or NULL. */
const char *
iovtee_nic_name_of_port(uint16_t port_id)
{
    const struct iovtee_nic *nic = iovtee_nic_by_port_id(port_id);

    return nic ? nic->name : NULL;
}

/* Returns true if what happened at 'then', 0 for never, was for the sake of
 * memory that at 'now' has been waited for for 'age'. */
static bool
was_for(long long int then, long long int now, long long int age)
{
    return then && age - (now - then) >= ASK_ONLY;
}

/* Restarts 'nic', once for the memory that has been waited for for 'age'. */
static void
restart_device(struct iovtee_nic *nic, uint16_t id, long long int age)
{
    long long int now = time_msec();

    if (!nic->fetch_restarted
        || (now - nic->fetch_restarted >= RESTART_INTERVAL
            && !was_for(nic->fetch_restarted, now, age))) {
        nic->fetch_restarted = now;
        VLOG_WARN_RL(&rl, "%s: the device is restarted, as transmit queue "
                     "%"PRIu16" keeps memory of a guest that is gone",
                     nic->name, id);
        iovtee_nic_restart(nic);
    }
}

/* Stops transmit queue 'id' of 'nic' for a moment, or restarts the device,
 * once each for the memory that has been waited for for 'age'. */
static void
stop_queue(struct iovtee_nic *nic, uint16_t id, long long int age)
{
    struct nic_txq *txq = &nic->txqs[id];
    long long int now = time_msec();
    long long int since = now - txq->fetch_stopped;

    if (was_for(txq->fetch_stopped, now, age)) {
        if (since >= QUEUE_STOP_GRACE) {
            /* The driver has not freed what it was to send. */
            restart_device(nic, id, age);
        }
    } else if (!txq->fetch_stopped || since >= QUEUE_STOP_INTERVAL) {
        txq->fetch_stopped = now;
        VLOG_INFO_RL(&rl, "%s: transmit queue %"PRIu16" is stopped for a "
                     "moment, as it keeps memory of a guest that is gone",
                     nic->name, id);
        if (!nic_recall_by_stop(nic, id)) {
            restart_device(nic, id, age);
        }
    }
}

/* Has transmit queue 'id' of DPDK port 'port_id', if that is one of ours, give
 * back what it has sent.  It has held memory of a guest that is gone for 'age'
 * milliseconds.  Must be called again, from time to time, until it does not
 * any more. */
void
iovtee_nic_fetch(uint16_t port_id, uint16_t id, long long int age)
{
    struct iovtee_nic *nic = iovtee_nic_by_port_id(port_id);

    if (!nic) {
        return;
    }
    ovs_mutex_lock(&nic->mutex);
    if (id < nic->n_txq && !nic->down && !nic->kept) {
        nic_txq_ask_for_all(nic, id);
        if (age >= ASK_ONLY) {
            stop_queue(nic, id, age);
        }
    }
    ovs_mutex_unlock(&nic->mutex);
}

/* Has transmit queue 'id' of 'nic' give back what it has, by 'step'.  If the
 * device is stopped already, as it could not be started, then all that is left
 * to do is to keep it so. */
static void
take_back(struct iovtee_nic *nic, uint16_t id,
          enum iovtee_txvq_fetch_step step)
{
    if (step == IOVTEE_TXVQ_LEAVE_STOPPED) {
        iovtee_nic_leave_stopped(nic);
    } else if (nic->down) {
        return;
    } else if (step == IOVTEE_TXVQ_ASK) {
        nic_txq_ask_for_all(nic, id);
    } else if (step == IOVTEE_TXVQ_STOP_QUEUE) {
        nic_recall_by_stop(nic, id);
    } else {
        VLOG_WARN_RL(&rl, "%s: the device is restarted, as transmit queue "
                     "%"PRIu16" keeps memory of a guest that stops",
                     nic->name, id);
        nic->tx_unset = step == IOVTEE_TXVQ_SET_UP;
        iovtee_nic_restart(nic);
    }
}

/* The same for memory of a guest that is about to stop, by 'step', at once.
 *
 * For any thread. */
void
iovtee_nic_take_back(uint16_t port_id, uint16_t id,
                     enum iovtee_txvq_fetch_step step)
{
    struct iovtee_nic *nic;

    /* NICs are freed by RCU. */
    ovsrcu_quiesce_end();
    nic = iovtee_nic_by_port_id(port_id);
    if (!nic) {
        return;
    }
    ovs_mutex_lock(&nic->mutex);
    if (nic->port_id == port_id && id < nic->n_txq && !nic->kept) {
        take_back(nic, id, step);
    }
    ovs_mutex_unlock(&nic->mutex);
}

/* Has transmit queue 'id' of DPDK port 'port_id' give back what it has sent,
 * if nobody is at it just now.  For PMD threads. */
void
iovtee_nic_try_to_ask(uint16_t port_id, uint16_t id)
{
    struct iovtee_nic *nic = iovtee_nic_by_port_id(port_id);
    bool mute = true;

    if (nic) {
        atomic_read_relaxed(&nic->tx_mute, &mute);
    }
    if (!mute && !ovs_mutex_trylock(&nic->mutex)) {
        if (nic->port_id == port_id && id < nic->n_txq && !nic->down
            && !nic->kept) {
            nic_txq_try_to_ask(nic, id);
        }
        ovs_mutex_unlock(&nic->mutex);
    }
}
