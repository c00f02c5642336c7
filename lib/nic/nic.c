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

/* Life cycle of a NIC.  Its queues are in nic-rxq.c and nic-txq.c, what is
 * known of its driver is in nic-driver.c, and how it is stopped in
 * nic-stop.c. */

#include <config.h>

#include "nic/nic.h"

#include <rte_ethdev.h>

#include "bitmap.h"
#include "nic/dma.h"
#include "nic/nic-driver.h"
#include "nic/nic-ports.h"
#include "nic/nic-recall.h"
#include "nic/nic-rxq.h"
#include "nic/nic-stop.h"
#include "nic/nic-txq.h"
#include "openvswitch/vlog.h"
#include "ovs-rcu.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(iovtee_nic);

static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(5, 20);

BUILD_ASSERT_DECL(IOVTEE_NIC_MAX_RXQS == RTE_MAX_QUEUES_PER_PORT);

extern __typeof__(rte_eth_dev_configure)
    __real_rte_eth_dev_configure, __wrap_rte_eth_dev_configure;

struct iovtee_nic *
iovtee_nic_create(const char *name)
{
    struct iovtee_nic *nic = xzalloc(sizeof *nic);

    nic->name = xstrdup(name);
    ovs_mutex_init(&nic->mutex);
    nic->port_id = RTE_MAX_ETHPORTS;
    nic->copy_only = "the NIC was not started yet";
    atomic_init(&nic->restarting, false);
    atomic_init(&nic->n_restart_drops, 0);
    atomic_init(&nic->n_exhausted, 0);
    atomic_init(&nic->lent_to, false);
    atomic_init(&nic->tx_asks, false);
    atomic_init(&nic->tx_mute, false);
    return nic;
}

static void
free_nic(struct iovtee_nic *nic)
{
    nic_txqs_destroy(nic);
    ovs_mutex_destroy(&nic->mutex);
    free(nic->driver);
    free(nic->name);
    free(nic);
}

/* Destroys 'nic', of which the lower netdev is closed.  Does nothing if 'nic'
 * is NULL. */
void
iovtee_nic_destroy(struct iovtee_nic *nic)
{
    if (!nic) {
        return;
    }

    iovtee_nic_close(nic);
    for (size_t i = 0; i < ARRAY_SIZE(nic->rxqs); i++) {
        nic_rxq_destroy(nic->rxqs[i]);
    }
    ovsrcu_postpone(free_nic, nic);
}

const char *
iovtee_nic_get_name(const struct iovtee_nic *nic)
{
    return nic->name;
}

/* Announces that the lower netdev of 'nic', with DPDK port 'port_id', is about
 * to be reconfigured.  Until the matching iovtee_nic_end_reconfigure() no
 * guest can be attached or detached. */
void
iovtee_nic_begin_reconfigure(struct iovtee_nic *nic, uint16_t port_id)
    OVS_NO_THREAD_SAFETY_ANALYSIS
{
    ovs_mutex_lock(&nic->mutex);
    nic->configured = false;
    if (nic->port_id != port_id && port_id < RTE_MAX_ETHPORTS) {
        iovtee_nic_set_port_id(nic, port_id);
    }
    if (port_id < RTE_MAX_ETHPORTS) {
        iovtee_nic_learn(nic);
        nic_txqs_learn(nic);
    }
}

/* The lower netdev of 'nic' is about to set all of the device up anew. */
static void
begin_configure(struct iovtee_nic *nic)
{
    nic->configured = true;
    if (nic->unfed && nic->copy_only == nic->unfed) {
        nic->copy_only = NULL;
    }
    nic->unfed = NULL;
    nic->tx_stop = NIC_TX_STOP_UNKNOWN;
    nic->tx_keeps = NULL;
}

/* netdev-dpdk calls this when it calls rte_eth_dev_configure(). */
int
__wrap_rte_eth_dev_configure(uint16_t port_id, uint16_t n_rxq, uint16_t n_txq,
                             const struct rte_eth_conf *conf)
{
    struct iovtee_nic *nic = iovtee_nic_by_port_id(port_id);
    struct rte_eth_conf stripping;

    if (nic) {
        begin_configure(nic);
    }
    if (nic && !nic->copy_only) {
        /* Where the NIC can leave the CRC at the end of a frame netdev-dpdk
         * asks for it, though nobody ever looks at it.  In a guest's buffer it
         * takes room, which those of Linux do not have, and in the guest's
         * memory it has no business. */
        stripping = *conf;
        stripping.rxmode.offloads &= ~RTE_ETH_RX_OFFLOAD_KEEP_CRC;
        conf = &stripping;
    }
    return __real_rte_eth_dev_configure(port_id, n_rxq, n_txq, conf);
}

/* Ends what iovtee_nic_begin_reconfigure() began.  The lower netdev has now
 * 'n_rxq' receive queues and 'n_txq' transmit queues.
 *
 * If nothing has changed that it knows of then it has left the device alone,
 * and not started it if that is still to be done. */
void
iovtee_nic_end_reconfigure(struct iovtee_nic *nic, unsigned int n_rxq,
                           unsigned int n_txq)
    OVS_NO_THREAD_SAFETY_ANALYSIS
{
    nic->n_rxq = MIN(n_rxq, IOVTEE_NIC_MAX_RXQS);
    if (nic->configured) {
        nic->stopped = nic->down = false;
    }
    nic_txqs_resize(nic, n_txq);
    ovs_mutex_unlock(&nic->mutex);
}

/* Detaches every guest from 'nic' and forgets about its DPDK port, which the
 * caller is about to close. */
void
iovtee_nic_close(struct iovtee_nic *nic)
{
    unsigned long *all = bitmap_allocate1(IOVTEE_NIC_MAX_RXQS);
    bool lent_to;

    ovs_mutex_lock(&nic->mutex);
    iovtee_nic_detach__(nic, all);
    atomic_read_relaxed(&nic->lent_to, &lent_to);
    if (lent_to && nic->port_id < RTE_MAX_ETHPORTS) {
        /* Nobody knows any more whom to ask for what the NIC is still to
         * send, so it must not be sent from here on. */
        rte_eth_dev_stop(nic->port_id);
    }
    iovtee_nic_set_port_id(nic, RTE_MAX_ETHPORTS);
    nic->stopped = nic->down = false;
    nic->dev = NULL;
    nic->buffer_len = 0;
    nic->n_rxq = 0;
    nic->txq_n_desc = 0;
    ovs_mutex_unlock(&nic->mutex);
    bitmap_free(all);
}

/* Must be called from time to time by the main thread: starts the device again
 * if that failed when buffers were taken back from it. */
void
iovtee_nic_run(struct iovtee_nic *nic)
{
    if (OVS_UNLIKELY(nic->down)) {
        ovs_mutex_lock(&nic->mutex);
        if (nic->down) {
            iovtee_nic_restart(nic);
            if (!nic->down) {
                VLOG_INFO("%s: the device is started again", nic->name);
            }
        }
        ovs_mutex_unlock(&nic->mutex);
    }
}

/* Notes whether the NIC is administratively up: should the device have to be
 * restarted, its link must not come up when it is not. */
void
iovtee_nic_set_admin_up(struct iovtee_nic *nic, bool up)
{
    ovs_mutex_lock(&nic->mutex);
    nic->admin_down = !up;
    ovs_mutex_unlock(&nic->mutex);
}

/* Sets whether sent mbufs shall come back early.  Restarts the device if that
 * takes effect only then. */
void
iovtee_nic_set_tx_early(struct iovtee_nic *nic, enum iovtee_tx_early wish)
{
    ovs_mutex_lock(&nic->mutex);
    nic->tx_wish = wish;
    nic_txqs_learn(nic);
    if (nic_txqs_want_set_up(nic) && !nic->down && !nic->kept) {
        iovtee_nic_restart(nic);
    }
    ovs_mutex_unlock(&nic->mutex);
}

unsigned int
iovtee_nic_n_rxq(const struct iovtee_nic *nic)
{
    return nic->n_rxq;
}

/* Returns the NUMA node of 'nic', -1 if unknown. */
int
iovtee_nic_numa_id(const struct iovtee_nic *nic)
{
    return (nic->port_id < RTE_MAX_ETHPORTS
            ? rte_eth_dev_socket_id(nic->port_id) : -1);
}

/* Returns the name of the DPDK driver of 'nic', NULL if not known yet. */
const char *
iovtee_nic_driver(const struct iovtee_nic *nic)
{
    return nic->driver;
}

/* Returns true if 'nic' is a virtual function or the like, which receives only
 * what is addressed to it. */
bool
iovtee_nic_is_vf(const struct iovtee_nic *nic)
{
    return nic->is_vf;
}

/* Returns NULL if guest buffers can be given to 'nic', otherwise a phrase that
 * says why not. */
const char *
iovtee_nic_copy_only(const struct iovtee_nic *nic)
{
    return nic->copy_only;
}

/* Returns NULL if guest buffers can be given to 'nic' to be sent, as far as is
 * known, otherwise a phrase that says why not. */
const char *
iovtee_nic_tx_copy_only(const struct iovtee_nic *nic)
{
    return nic->copy_only ? nic->copy_only : nic->tx_copy_only;
}

/* Finds that out for 'nic', to which they could be given to be filled. */
static bool
is_tx_copy_only(struct iovtee_nic *nic)
    OVS_REQUIRES(nic->mutex)
{
    nic->tx_copy_only = nic_recall_why_not(nic);
    return nic->tx_copy_only != NULL;
}

/* Makes all of 'mem' something that 'nic' can read, if it can at all.  Returns
 * its DPDK port, or UINT32_MAX if it cannot, of which the reason is in the log
 * or is iovtee_nic_copy_only(). */
uint32_t
iovtee_nic_let_read(struct iovtee_nic *nic, struct iovtee_guestmem *mem)
{
    uint32_t port_id = UINT32_MAX;
    int error = 0;

    ovs_mutex_lock(&nic->mutex);
    if (nic->copy_only || nic->port_id >= RTE_MAX_ETHPORTS) {
        /* What users see says why. */
    } else if (is_tx_copy_only(nic)) {
        VLOG_WARN_RL(&rl, "%s: what guests send will be copied: %s",
                     nic->name, nic->tx_copy_only);
    } else {
        error = nic->mappable ? iovtee_dma_map(nic->dev, mem) : 0;
        if (error) {
            VLOG_WARN_RL(&rl, "%s: the memory of a guest cannot be mapped for "
                         "DMA (%s), what it sends will be copied", nic->name,
                         ovs_strerror(error));
        } else {
            port_id = nic->port_id;
        }
    }
    ovs_mutex_unlock(&nic->mutex);
    return port_id;
}

/* Returns the length in bytes of the longest frame that 'nic' may write into a
 * buffer. */
uint32_t
iovtee_nic_max_frame(const struct iovtee_nic *nic)
{
    return nic->max_frame;
}
