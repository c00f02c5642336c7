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

/* How guests' buffers are taken back: queue by queue where the driver can, by
 * one restart of the device for all others.  Called mostly on librte_vhost's
 * thread, which waits for no PMD thread but for one burst. */

#include <config.h>

#include "nic/nic-stop.h"

#include <rte_errno.h>
#include <rte_ethdev.h>

#include "bitmap.h"
#include "nic/nic-rxq.h"
#include "nic/nic-txq.h"
#include "openvswitch/vlog.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(iovtee_nic_stop);

/* Takes back every buffer that those receive queues of 'nic' that are set in
 * 'rxqs', a bitmap of IOVTEE_NIC_MAX_RXQS, got from guests, and gives them no
 * more.  On return no DMA into these buffers goes on.
 *
 * Takes milliseconds at most for each queue if the NIC can stop a single one.
 * If it cannot, the device is restarted once, however many queues there
 * are. */
void
iovtee_nic_detach(struct iovtee_nic *nic, const unsigned long *rxqs)
{
    ovs_mutex_lock(&nic->mutex);
    iovtee_nic_detach__(nic, rxqs);
    ovs_mutex_unlock(&nic->mutex);
}

/* As iovtee_nic_detach(), for callers who hold the NIC's mutex.
 *
 * A queue that the driver can stop is open again before the next one's turn
 * comes.  The gates of the others stay locked until the device is
 * restarted. */
void
iovtee_nic_detach__(struct iovtee_nic *nic, const unsigned long *rxqs)
    OVS_NO_THREAD_SAFETY_ANALYSIS
{
    bool stuck = false;
    size_t i;

    BITMAP_FOR_EACH_1 (i, IOVTEE_NIC_MAX_RXQS, rxqs) {
        struct nic_rxq *rxq = nic->rxqs[i];

        if (rxq) {
            ovs_spin_lock(&rxq->gate);
            nic_rxq_revoke(rxq);
            if (rxq->stuck) {
                stuck = true;
            } else {
                nic_rxq_let_go(rxq);
            }
        }
    }
    if (!stuck) {
        return;
    }

    iovtee_nic_restart(nic);
    BITMAP_FOR_EACH_1 (i, IOVTEE_NIC_MAX_RXQS, rxqs) {
        if (nic->rxqs[i] && nic->rxqs[i]->stuck) {
            nic->rxqs[i]->stuck = false;
            nic_rxq_let_go(nic->rxqs[i]);
        }
    }
}

/* Starts the device again, which was only stopped for a moment.  Returns 0 if
 * successful, otherwise a negative errno value. */
static int
nic_start(struct iovtee_nic *nic)
{
    int ret = nic_rxqs_set_up(nic);

    if (!ret) {
        ret = nic_txqs_set_up(nic);
    }
    if (!ret) {
        ret = rte_eth_dev_start(nic->port_id);
    }
    if (!ret) {
        nic->stopped = false;
        if (nic->admin_down) {
            rte_eth_dev_set_link_down(nic->port_id);
        }
    }
    return ret;
}

/* Keeps everybody out of the device but the caller, who holds the gates of the
 * queues that are stuck.  What is sent meanwhile is dropped. */
static void
nic_lock(struct iovtee_nic *nic)
    OVS_NO_THREAD_SAFETY_ANALYSIS
{
    for (unsigned int i = 0; i < nic->n_rxq; i++) {
        if (nic->rxqs[i] && !nic->rxqs[i]->stuck) {
            ovs_spin_lock(&nic->rxqs[i]->gate);
        }
    }
    atomic_store_relaxed(&nic->restarting, true);
    for (unsigned int i = 0; i < nic->n_txq; i++) {
        ovs_spin_lock(&nic->txqs[i].lock);
    }
}

/* Undoes nic_lock(). */
static void
nic_unlock(struct iovtee_nic *nic)
    OVS_NO_THREAD_SAFETY_ANALYSIS
{
    for (unsigned int i = 0; i < nic->n_txq; i++) {
        ovs_spin_unlock(&nic->txqs[i].lock);
    }
    atomic_store_relaxed(&nic->restarting, false);
    for (unsigned int i = 0; i < nic->n_rxq; i++) {
        if (nic->rxqs[i] && !nic->rxqs[i]->stuck) {
            ovs_spin_unlock(&nic->rxqs[i]->gate);
        }
    }
}

/* Stops the whole device, unless it is stopped, and sets the queues that are
 * stuck up anew if even that does not free their buffers.  Returns 0 if
 * successful, otherwise a negative errno value. */
static int
nic_stop(struct iovtee_nic *nic)
{
    if (!nic->stopped) {
        int ret = rte_eth_dev_stop(nic->port_id);

        if (ret) {
            return ret;
        }
        nic->stopped = true;
    }
    for (unsigned int i = 0; i < nic->n_rxq; i++) {
        struct nic_rxq *rxq = nic->rxqs[i];

        if (rxq) {
            nic_rxq_restarted(rxq);
            rxq->unset |= rxq->stuck && nic_rxq_n_guest(rxq);
        }
    }
    return nic_rxqs_set_up(nic);
}

/* The driver of 'nic' keeps 'what' of a guest although the device was to be
 * stopped, and if it was not, may still 'access' a guest's memory: it must not
 * be started any more. */
static void
give_up(struct iovtee_nic *nic, const char *what, const char *access,
        const char *why_copy_only)
{
    if (nic->stopped) {
        VLOG_ERR("%s: driver %s keeps %s of a guest after its stop; the "
                 "device stays stopped until the port is reconfigured, "
                 "without zero-copy", nic->name, nic->driver, what);
        nic->copy_only = why_copy_only;
    } else {
        VLOG_ERR("%s: driver %s cannot stop the device, which may still %s "
                 "%s of a guest, though the guest may use that memory for "
                 "something else now; the port goes on without zero-copy",
                 nic->name, nic->driver, access, what);
        nic->copy_only = "driver cannot stop the device";
    }
    nic->kept = true;
}

/* Stops and starts the whole device.  If that is because there are queues that
 * are stuck then the caller holds their gates.  If it does not start,
 * iovtee_nic_run() calls this again: somebody may have polled meanwhile, so
 * that what the driver asks for then would not be the first filling. */
void
iovtee_nic_restart(struct iovtee_nic *nic)
{
    uint32_t n_kept = 0;
    bool failed;
    int ret;

    nic_lock(nic);
    ret = nic_stop(nic);
    for (size_t i = 0; i < ARRAY_SIZE(nic->rxqs); i++) {
        if (nic->rxqs[i] && nic->rxqs[i]->stuck) {
            n_kept += nic_rxq_n_guest(nic->rxqs[i]);
        }
    }
    if (n_kept) {
        char *what = xasprintf("%"PRIu32" buffers", n_kept);

        give_up(nic, what, "write to",
                "driver keeps buffers of a guest after its stop");
        free(what);
    }
    if (!ret && !nic->kept) {
        ret = nic_start(nic);
    }
    failed = ret && !nic->kept;
    if (failed && !nic->down) {
        VLOG_ERR("%s: restart of the device failed (%s), will try again",
                 nic->name, rte_strerror(ret < 0 ? -ret : ret));
    }
    nic->down = failed;
    nic_unlock(nic);
}

/* Stops the whole device, and leaves it so: its driver has kept frames of a
 * guest that it was to send, whatever was done, and the guest gets its memory
 * back now. */
void
iovtee_nic_leave_stopped(struct iovtee_nic *nic)
{
    nic_lock(nic);
    nic_stop(nic);
    give_up(nic, "frames", "send",
            "driver keeps frames of a guest after its stop");
    nic->down = false;
    nic_unlock(nic);
}
