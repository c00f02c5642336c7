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

/* See nic-txq.h.
 *
 * Why sent mbufs shall come back early: most drivers free what was sent only
 * when descriptors get scarce.  With Open vSwitch's rings of 2048 the NIC then
 * holds 2016 mbufs, however fast it is, and each one that is used next was
 * last touched 2016 packets ago and is in no cache near by any more.  Whoever
 * copies a packet into it, and Open vSwitch with its metadata, pays for that.
 *
 * Where a CPU reads what is sent, rather than a PCI device, warm mbufs are no
 * gain: the lines that are written to must then be taken away from it. */

#include <config.h>

#include "nic/nic-txq.h"

#include <errno.h>
#include <rte_ethdev.h>

#include "border/border.h"
#include "compat/compat.h"
#include "dp-packet.h"
#include "netdev-provider.h"
#include "nic/nic-ports.h"
#include "openvswitch/vlog.h"
#include "queue/mark.h"
#include "queue/shells.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(iovtee_nic_txq);

/* How to make a driver give sent mbufs back early. */
enum tx_lever {
    TX_UNKNOWN,                 /* It was not looked at. */
    TX_THRESHOLD,               /* It frees, at each burst, while fewer
                                 * descriptors are free than tx_free_thresh
                                 * says... */
    TX_INVERTED,                /* ...or while at least as many are used. */
    TX_ASK,                     /* rte_eth_tx_done_cleanup(), which looks at
                                 * the whole ring for what was sent. */
    TX_ALWAYS,                  /* It does so by itself. */
    TX_NEVER,                   /* It frees an mbuf when its descriptor is used
                                 * again. */
};

/* What is known of a driver.  How it was found is in
 * Documentation/topics/nic-drivers.rst. */
struct tx_driver {
    const char *name;
    enum tx_lever lever;
    const char *late;           /* Why it is not asked to be early unless the
                                 * user says so, or NULL. */
    bool plain_only;            /* Does the threshold have an effect only
                                 * without transmit offloads? */
    bool never_ask;             /* Is rte_eth_tx_done_cleanup() broken? */
};

#define SEARCHES "the driver would search its whole ring each time"
#define NO_WAY "the driver frees when it uses a descriptor again"
#define READ_BY_CPU "what it sends is read by a CPU"

static const struct tx_driver tx_drivers[] = {
    { "mlx5_pci", TX_ALWAYS, NULL, false, false },
    { "net_bnxt", TX_INVERTED, NULL, false, false },
    { "net_e1000_em", TX_NEVER, NO_WAY, false, false },
    { "net_e1000_igb", TX_ASK, SEARCHES, false, false },
    { "net_e1000_igb_vf", TX_ASK, SEARCHES, false, false },
    { "net_ena", TX_THRESHOLD, NULL, false, false },
    { "net_i40e", TX_THRESHOLD, NULL, true, false },
    { "net_iavf", TX_THRESHOLD, NULL, true, true },
    { "net_ice", TX_THRESHOLD, NULL, true, false },
    { "net_ixgbe", TX_THRESHOLD, NULL, true, false },
    { "net_ixgbe_vf", TX_THRESHOLD, NULL, true, false },
    { "net_virtio", TX_THRESHOLD, READ_BY_CPU, false, false },
    { "net_vmxnet3", TX_ALWAYS, NULL, false, false },

    { "net_nicmodel", TX_THRESHOLD, READ_BY_CPU, false, false },
};

extern __typeof__(rte_eth_tx_queue_setup)
    __real_rte_eth_tx_queue_setup, __wrap_rte_eth_tx_queue_setup;

/* Prepares for 'n_txq' transmit queues in use.  No PMD thread sends
 * meanwhile. */
void
nic_txqs_resize(struct iovtee_nic *nic, unsigned int n_txq)
{
    nic->n_txq = n_txq;
    if (n_txq > nic->n_alloc_txq) {
        nic_txqs_destroy(nic);
        nic->txqs = xzalloc_cacheline(n_txq * sizeof *nic->txqs);
        for (unsigned int i = 0; i < n_txq; i++) {
            ovs_spin_init(&nic->txqs[i].lock);
        }
        nic->n_alloc_txq = n_txq;
    }
}

void
nic_txqs_destroy(struct iovtee_nic *nic)
{
    for (unsigned int i = 0; i < nic->n_alloc_txq; i++) {
        ovs_spin_destroy(&nic->txqs[i].lock);
    }
    free_cacheline(nic->txqs);
    nic->txqs = NULL;
    nic->n_alloc_txq = 0;
}

static const struct tx_driver *
find_driver(const char *name)
{
    static const struct tx_driver unknown = {
        NULL, TX_UNKNOWN, "the driver was not looked at", false, false
    };

    for (size_t i = 0; name && i < ARRAY_SIZE(tx_drivers); i++) {
        if (!strcmp(name, tx_drivers[i].name)) {
            return &tx_drivers[i];
        }
    }
    return &unknown;
}

/* Has 'nic' any transmit offloads? */
static bool
has_offloads(const struct iovtee_nic *nic)
{
    struct rte_eth_conf conf;

    return (!rte_eth_dev_conf_get(nic->port_id, &conf)
            && conf.txmode.offloads & ~RTE_ETH_TX_OFFLOAD_MBUF_FAST_FREE);
}

/* Returns why 'nic', whose driver is 'driver', shall not give sent mbufs back
 * early, or NULL if it shall.  What the user says decides, as far as there is
 * a way. */
static const char *
why_late(const struct iovtee_nic *nic, const struct tx_driver *driver)
{
    if (driver->lever == TX_ALWAYS) {
        return NULL;
    } else if (nic->tx_wish == IOVTEE_TX_EARLY_OFF) {
        return "as configured";
    } else if (driver->lever == TX_NEVER) {
        return driver->late;
    } else if (driver->plain_only && has_offloads(nic)) {
        return "the driver has no cheap way with transmit offloads";
    }
    return nic->tx_wish == IOVTEE_TX_EARLY_ON ? NULL : driver->late;
}

/* Returns what 'nic' shall pass as 'tx_free_thresh' for a queue of 'n_desc'
 * descriptors, 0 for the driver's default. */
static uint16_t
wanted_threshold(const struct iovtee_nic *nic, uint16_t n_desc)
{
    const struct tx_driver *driver = find_driver(nic->driver);

    if (nic->tx_refused || n_desc <= 4 * NETDEV_MAX_BURST
        || why_late(nic, driver)) {
        return 0;
    }
    return (driver->lever == TX_THRESHOLD ? n_desc - 2 * NETDEV_MAX_BURST
            : driver->lever == TX_INVERTED ? NETDEV_MAX_BURST : 0);
}

/* Decides whether 'nic' is to be asked for what was sent.  Must be called when
 * its driver, or what the user wants, may have changed. */
void
nic_txqs_learn(struct iovtee_nic *nic)
{
    const struct tx_driver *driver = find_driver(nic->driver);
    bool asks = ((driver->lever == TX_ASK || driver->lever == TX_UNKNOWN)
                 && nic->port_id < RTE_MAX_ETHPORTS
                 && !why_late(nic, driver));

    atomic_store_relaxed(&nic->tx_asks, asks);
}

/* netdev-dpdk calls this when it calls rte_eth_tx_queue_setup(). */
int
__wrap_rte_eth_tx_queue_setup(uint16_t port_id, uint16_t id, uint16_t n_desc,
                              unsigned int socket_id,
                              const struct rte_eth_txconf *conf)
{
    struct iovtee_nic *nic = iovtee_nic_by_port_id(port_id);
    struct rte_eth_dev_info info;
    uint16_t thresh;
    int ret;

    if (!nic || conf) {
        return __real_rte_eth_tx_queue_setup(port_id, id, n_desc, socket_id,
                                             conf);
    }

    if (!id) {
        nic->tx_refused = false;
    }
    nic->txq_n_desc = n_desc;
    nic->txq_socket_id = socket_id;
    thresh = wanted_threshold(nic, n_desc);
    if (thresh && !rte_eth_dev_info_get(port_id, &info)) {
        struct rte_eth_txconf early = info.default_txconf;

        early.tx_free_thresh = thresh;
        if (!__real_rte_eth_tx_queue_setup(port_id, id, n_desc, socket_id,
                                           &early)) {
            nic->tx_thresh = thresh;
            return 0;
        }
    }
    ret = __real_rte_eth_tx_queue_setup(port_id, id, n_desc, socket_id, NULL);
    if (!ret && thresh) {
        VLOG_INFO("%s: driver %s refuses tx_free_thresh=%"PRIu16" for %"PRIu16
                  " descriptors, sent packets come back late", nic->name,
                  nic->driver, thresh, n_desc);
        nic->tx_refused = true;
    }
    nic->tx_thresh = 0;
    return ret;
}

/* Must the transmit queues of 'nic' be set up again to have what is wanted? */
bool
nic_txqs_want_set_up(struct iovtee_nic *nic)
{
    return (nic->txq_n_desc
            && (nic->tx_unset
                || (wanted_threshold(nic, nic->txq_n_desc)
                    != nic->tx_thresh)));
}

/* Sets the transmit queues of 'nic', which is stopped, up again if they must
 * be.  Returns 0 if successful, otherwise a negative errno value. */
int
nic_txqs_set_up(struct iovtee_nic *nic)
{
    int ret = 0;

    if (nic_txqs_want_set_up(nic)) {
        for (unsigned int i = 0; !ret && i < nic->n_txq; i++) {
            ret = __wrap_rte_eth_tx_queue_setup(nic->port_id, i,
                                                nic->txq_n_desc,
                                                nic->txq_socket_id, NULL);
        }
        nic->tx_unset &= ret != 0;
    }
    return ret;
}

/* Returns a phrase that says when sent mbufs come back from 'nic', which the
 * caller frees. */
char *
iovtee_nic_tx_early_text(struct iovtee_nic *nic)
{
    const struct tx_driver *driver;
    char *text;
    bool asks;

    ovs_mutex_lock(&nic->mutex);
    driver = find_driver(nic->driver);
    atomic_read_relaxed(&nic->tx_asks, &asks);
    if (!nic->txq_n_desc) {
        text = xstrdup("unknown, the NIC was not started yet");
    } else if (nic->tx_thresh) {
        text = xasprintf("early, with tx_free_thresh %"PRIu16" of %"PRIu16
                         " descriptors", nic->tx_thresh, nic->txq_n_desc);
    } else if (driver->lever == TX_ALWAYS) {
        text = xstrdup("early, by the driver itself");
    } else if (asks) {
        text = xstrdup("early, asked for after each burst");
    } else {
        const char *why = why_late(nic, driver);

        if (!why) {
            why = (nic->tx_refused ? "the driver refuses the threshold"
                   : driver->lever == TX_THRESHOLD
                   || driver->lever == TX_INVERTED ? "the ring is short anyway"
                   : "the driver cannot be asked");
        }
        text = xasprintf("late, %s", why);
    }
    ovs_mutex_unlock(&nic->mutex);
    return text;
}

/* Locks transmit queue 'txq' of 'nic'.  Returns false if the device is being
 * restarted, which may take long; other holders of the lock send a batch. */
static bool
nic_tx_lock(struct iovtee_nic *nic, struct nic_txq *txq)
    OVS_NO_THREAD_SAFETY_ANALYSIS
{
    while (ovs_spin_trylock(&txq->lock)) {
        bool restarting;

        atomic_read_relaxed(&nic->restarting, &restarting);
        if (restarting) {
            return false;
        }
    }
    return true;
}

/* Asks for mbufs that transmit queue 'id' of 'nic', which is locked, has
 * sent: up to two for each that a burst may take. */
static void
nic_tx_ask(struct iovtee_nic *nic, uint16_t id)
{
    if (rte_eth_tx_done_cleanup(nic->port_id, id, 2 * NETDEV_MAX_BURST)
        == -ENOTSUP) {
        atomic_store_relaxed(&nic->tx_asks, false);
    }
}

/* Can 'nic' be asked for what it has sent? */
bool
nic_txqs_can_be_asked(struct iovtee_nic *nic)
{
    int ret = -ENOTSUP;

    if (nic->n_txq && !find_driver(nic->driver)->never_ask) {
        ovs_spin_lock(&nic->txqs[0].lock);
        ret = rte_eth_tx_done_cleanup(nic->port_id, 0, 1);
        ovs_spin_unlock(&nic->txqs[0].lock);
    }
    atomic_store_relaxed(&nic->tx_mute, ret < 0);
    return ret >= 0;
}

/* Asks for all that transmit queue 'id' of 'nic' has sent. */
void
nic_txq_ask_for_all(struct iovtee_nic *nic, uint16_t id)
{
    if (!find_driver(nic->driver)->never_ask) {
        ovs_spin_lock(&nic->txqs[id].lock);
        rte_eth_tx_done_cleanup(nic->port_id, id, 0);
        ovs_spin_unlock(&nic->txqs[id].lock);
    }
}

/* Does that if nobody is at the queue just now. */
void
nic_txq_try_to_ask(struct iovtee_nic *nic, uint16_t id)
{
    if (!find_driver(nic->driver)->never_ask
        && !ovs_spin_trylock(&nic->txqs[id].lock)) {
        rte_eth_tx_done_cleanup(nic->port_id, id, 0);
        ovs_spin_unlock(&nic->txqs[id].lock);
    }
}

/* Stops and starts transmit queue 'id' of 'nic', which frees all that it
 * holds.  What is sent on it meanwhile is dropped.  Returns 0 if successful,
 * otherwise a negative errno value, if the driver cannot do that. */
int
nic_txq_stop_start(struct iovtee_nic *nic, uint16_t id)
{
    int ret;

    atomic_store_relaxed(&nic->restarting, true);
    ovs_spin_lock(&nic->txqs[id].lock);
    ret = rte_eth_dev_tx_queue_stop(nic->port_id, id);
    if (!ret) {
        ret = rte_eth_dev_tx_queue_start(nic->port_id, id);
    }
    ovs_spin_unlock(&nic->txqs[id].lock);
    atomic_store_relaxed(&nic->restarting, false);
    return ret;
}

/* Lets 'packet', which is read-only, be sent on queue 'id' of 'nic'.  Returns
 * what is to be sent: the packet, or a private copy if 'nic' cannot read the
 * guest's memory, or NULL if the guest has taken it back. */
static struct dp_packet *
admit(struct iovtee_nic *nic, uint16_t id, struct dp_packet *packet,
      struct iovtee_pins *pins)
{
    struct iovtee_shells *row = iovtee_shells_row(packet);
    bool known = row && pins->n && pins->rows[pins->n - 1] == row;
    uint32_t port_id;

    if (OVS_UNLIKELY(!row)) {
        return iovtee_border_own(packet);
    }
    atomic_read_relaxed(&row->port_id, &port_id);
    if (OVS_UNLIKELY(port_id != nic->port_id)
        || (!known && pins->n >= ARRAY_SIZE(pins->rows))) {
        return iovtee_border_own(packet);
    }
    if (!known) {
        if (!iovtee_shells_pin(row)) {
            iovtee_border_refuse(packet);
            dp_packet_delete(packet);
            return NULL;
        }
        pins->rows[pins->n++] = row;
        atomic_store_relaxed(&nic->lent_to, true);
        atomic_store_relaxed(&row->sent_to, (uint32_t) nic->port_id << 16
                                            | id);
    }
    iovtee_mark_sent_in(&packet->mbuf, nic->port_id, id,
                        nic->txqs[id].n_bursts);
    return packet;
}

/* Does that for all packets of 'batch' that are read-only. */
static void
admit_batch(struct iovtee_nic *nic, uint16_t id,
            struct dp_packet_batch *batch, struct iovtee_pins *pins)
{
    const size_t n = dp_packet_batch_size(batch);
    struct dp_packet *packet;
    size_t i;

    DP_PACKET_BATCH_REFILL_FOR_EACH (i, n, packet, batch) {
        if (iovtee_mark_is_read_only(packet)) {
            packet = admit(nic, id, packet, pins);
        }
        if (packet) {
            iovtee_batch_refill(batch, packet, i);
        }
    }
}

/* Notes on those packets of 'batch' that are in guest memory where they went.
 * Returns true if any of them are read-only. */
static bool
note_sent(const struct iovtee_nic *nic, uint16_t id,
          struct dp_packet_batch *batch)
{
    struct dp_packet *packet;
    bool read_only = false;

    DP_PACKET_BATCH_FOR_EACH (i, packet, batch) {
        if (OVS_UNLIKELY(iovtee_mark_is_read_only(packet))) {
            read_only = true;
        } else if (OVS_UNLIKELY(iovtee_mark_is_shell(packet))) {
            iovtee_mark_sent(&packet->mbuf, nic->port_id, id);
        }
    }
    return read_only;
}

/* Sends 'batch' on queue 'qid' of 'lower', the lower netdev, as netdev_send()
 * does, or drops it if the device is being restarted. */
int
iovtee_nic_send(struct iovtee_nic *nic, struct netdev *lower, int qid,
                struct dp_packet_batch *batch, bool concurrent_txq)
    OVS_NO_THREAD_SAFETY_ANALYSIS
{
    /* Where threads share queues netdev-dpdk does the same division. */
    const uint16_t id = qid % nic->n_txq;
    struct nic_txq *txq = &nic->txqs[id];
    struct iovtee_pins pins;
    bool asks;
    int error;

    if (OVS_UNLIKELY(!nic_tx_lock(nic, txq))) {
        uint64_t orig;

        atomic_add_relaxed(&nic->n_restart_drops, dp_packet_batch_size(batch),
                           &orig);
        dp_packet_delete_batch(batch, true);
        return 0;
    }
    pins.n = 0;
    if (OVS_UNLIKELY(note_sent(nic, id, batch))) {
        admit_batch(nic, id, batch, &pins);
        if (pins.n) {
            iovtee_shells_begin_burst(nic->port_id, id, txq->n_bursts);
        }
    }
    error = (OVS_LIKELY(!dp_packet_batch_is_empty(batch))
             ? lower->netdev_class->send(lower, qid, batch, concurrent_txq)
             : 0);
    txq->n_bursts++;
    if (OVS_UNLIKELY(pins.n)) {
        iovtee_shells_end_burst();
        iovtee_pins_release(&pins);
    }
    atomic_read_relaxed(&nic->tx_asks, &asks);
    if (asks) {
        nic_tx_ask(nic, id);
    }
    ovs_spin_unlock(&txq->lock);
    return error;
}

/* Returns the number of packets that iovtee_nic_send() dropped. */
uint64_t
iovtee_nic_n_restart_drops(const struct iovtee_nic *nic)
{
    uint64_t n;

    atomic_read_relaxed(
        &CONST_CAST(struct iovtee_nic *, nic)->n_restart_drops, &n);
    return n;
}
