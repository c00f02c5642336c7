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

/* The driver's operations on a device, apart from those on queues and
 * statistics. */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <ethdev_driver.h>

#include "nm-dev.h"
#include "nm-engine.h"
#include "nm-rss.h"
#include "nm-source.h"

#define RSS_HF (RTE_ETH_RSS_IPV4 | RTE_ETH_RSS_NONFRAG_IPV4_UDP             \
                | RTE_ETH_RSS_NONFRAG_IPV4_TCP | RTE_ETH_RSS_IPV6           \
                | RTE_ETH_RSS_NONFRAG_IPV6_UDP | RTE_ETH_RSS_NONFRAG_IPV6_TCP)

#define RX_OFFLOADS (RTE_ETH_RX_OFFLOAD_CHECKSUM | RTE_ETH_RX_OFFLOAD_RSS_HASH)

static int
link_update(struct rte_eth_dev *eth, int wait)
{
    struct nm_dev *dev = eth->data->dev_private;
    bool up = (dev->link_admin && eth->data->dev_started
               && __atomic_load_n(&dev->carrier, __ATOMIC_RELAXED));
    const struct rte_eth_link link = {
        .link_speed = up ? RTE_ETH_SPEED_NUM_100G : RTE_ETH_SPEED_NUM_NONE,
        .link_duplex = RTE_ETH_LINK_FULL_DUPLEX,
        .link_status = up ? RTE_ETH_LINK_UP : RTE_ETH_LINK_DOWN,
        .link_autoneg = RTE_ETH_LINK_AUTONEG,
    };

    (void) wait;
    return rte_eth_linkstatus_set(eth, &link);
}

static int
set_link(struct rte_eth_dev *eth, bool up)
{
    struct nm_dev *dev = eth->data->dev_private;

    dev->link_admin = up;
    nm_dev_update_link(dev);
    link_update(eth, 0);
    return 0;
}

static int
set_link_up(struct rte_eth_dev *eth)
{
    return set_link(eth, true);
}

static int
set_link_down(struct rte_eth_dev *eth)
{
    return set_link(eth, false);
}

/* Runs while the engine waits: takes over what the application has
 * configured. */
static void
do_sync(void *eth_)
{
    struct rte_eth_dev *eth = eth_;
    struct nm_dev *dev = eth->data->dev_private;

    dev->filter = eth->data->mac_addrs[0];
    dev->max_frame = RTE_MIN(eth->data->mtu + NM_OVERHEAD, NM_MAX_PKTLEN)
                     - RTE_ETHER_CRC_LEN;
    if (dev->rss_hf && dev->toeplitz) {
        nm_rss_build(dev->toeplitz, dev->rss_key);
    } else if (dev->rss_hf) {
        dev->toeplitz = malloc(NM_RSS_INPUT * sizeof *dev->toeplitz);
        if (dev->toeplitz) {
            nm_rss_build(dev->toeplitz, dev->rss_key);
        }
    } else {
        free(dev->toeplitz);
        dev->toeplitz = NULL;
    }
    nm_source_rehash(dev);
}

static int
sync_dev(struct rte_eth_dev *eth)
{
    nm_engine_call(do_sync, eth);
    return 0;
}

/* What they turn on is on in 'eth->data' only after they have returned. */

static int
promiscuous_enable(struct rte_eth_dev *eth)
{
    struct nm_dev *dev = eth->data->dev_private;

    __atomic_store_n(&dev->promisc, true, __ATOMIC_RELAXED);
    return 0;
}

static int
promiscuous_disable(struct rte_eth_dev *eth)
{
    struct nm_dev *dev = eth->data->dev_private;

    __atomic_store_n(&dev->promisc, false, __ATOMIC_RELAXED);
    return 0;
}

static int
allmulticast_enable(struct rte_eth_dev *eth)
{
    struct nm_dev *dev = eth->data->dev_private;

    __atomic_store_n(&dev->allmulti, true, __ATOMIC_RELAXED);
    return 0;
}

static int
allmulticast_disable(struct rte_eth_dev *eth)
{
    struct nm_dev *dev = eth->data->dev_private;

    __atomic_store_n(&dev->allmulti, false, __ATOMIC_RELAXED);
    return 0;
}

static void
do_reta_default(void *dev_)
{
    struct nm_dev *dev = dev_;

    for (unsigned int i = 0; i < NM_RETA_SIZE; i++) {
        dev->reta[i] = i % dev->n_rxq;
    }
}

static int
dev_configure(struct rte_eth_dev *eth)
{
    const struct rte_eth_conf *conf = &eth->data->dev_conf;
    struct nm_dev *dev = eth->data->dev_private;
    const struct rte_eth_rss_conf *rss = &conf->rx_adv_conf.rss_conf;

    dev->n_rxq = eth->data->nb_rx_queues;
    dev->n_txq = eth->data->nb_tx_queues;
    dev->rss_hf = (conf->rxmode.mq_mode & RTE_ETH_MQ_RX_RSS_FLAG
                   ? rss->rss_hf : 0);
    if (rss->rss_key && rss->rss_key_len == NM_RSS_KEY_LEN) {
        memcpy(dev->rss_key, rss->rss_key, NM_RSS_KEY_LEN);
    }
    if (dev->n_rxq) {
        nm_engine_call(do_reta_default, dev);
    }
    return sync_dev(eth);
}

static void
do_set_started(void *dev_)
{
    struct nm_dev *dev = dev_;

    dev->started = true;
}

static void
do_set_stopped(void *dev_)
{
    struct nm_dev *dev = dev_;

    dev->started = false;
}

static int
dev_stop(struct rte_eth_dev *eth)
{
    struct nm_dev *dev = eth->data->dev_private;

    nm_engine_call(do_set_stopped, dev);
    for (unsigned int i = 0; i < dev->n_rxq; i++) {
        nm_rx_queue_stop(eth, i);
    }
    for (unsigned int i = 0; i < dev->n_txq; i++) {
        nm_tx_queue_stop(eth, i);
    }
    eth->data->dev_started = 0;
    link_update(eth, 0);
    return 0;
}

static int
dev_start(struct rte_eth_dev *eth)
{
    struct nm_dev *dev = eth->data->dev_private;
    int error = 0;

    sync_dev(eth);
    for (unsigned int i = 0; i < dev->n_txq && !error; i++) {
        if (!dev->txqs[i] || !dev->txqs[i]->deferred) {
            error = nm_tx_queue_start(eth, i);
        }
    }
    for (unsigned int i = 0; i < dev->n_rxq && !error; i++) {
        if (!dev->rxqs[i] || !dev->rxqs[i]->deferred) {
            error = nm_rx_queue_start(eth, i);
        }
    }
    if (error) {
        dev_stop(eth);
        return error;
    }
    dev->link_admin = true;
    nm_dev_update_link(dev);
    nm_engine_call(do_set_started, dev);
    eth->data->dev_started = 1;
    link_update(eth, 0);
    return 0;
}

int
nm_dev_close(struct rte_eth_dev *eth)
{
    struct nm_dev *dev = eth->data->dev_private;

    if (rte_eal_process_type() != RTE_PROC_PRIMARY) {
        return 0;
    }
    dev_stop(eth);
    for (unsigned int i = 0; i < NM_MAX_QUEUES; i++) {
        if (dev->rxqs[i]) {
            nm_rx_queue_release(eth, i);
        }
        if (dev->txqs[i]) {
            nm_tx_queue_release(eth, i);
        }
    }
    nm_dev_destroy(dev);
    eth->data->mac_addrs = NULL;        /* Part of 'dev'. */
    return 0;
}

static void
do_unhang(void *dev_)
{
    struct nm_dev *dev = dev_;

    dev->hung = false;
}

static int
dev_reset(struct rte_eth_dev *eth)
{
    nm_engine_call(do_unhang, eth->data->dev_private);
    return 0;
}

static int
dev_infos_get(struct rte_eth_dev *eth, struct rte_eth_dev_info *info)
{
    (void) eth;
    info->max_rx_pktlen = NM_MAX_PKTLEN;
    info->min_mtu = RTE_ETHER_MIN_MTU;
    info->max_mtu = NM_MAX_PKTLEN - NM_OVERHEAD;
    info->min_rx_bufsize = 1024;
    info->max_rx_queues = info->max_tx_queues = NM_MAX_QUEUES;
    info->max_mac_addrs = 1;
    info->rx_offload_capa = info->rx_queue_offload_capa = RX_OFFLOADS;
    info->tx_offload_capa = RTE_ETH_TX_OFFLOAD_MULTI_SEGS;
    info->flow_type_rss_offloads = RSS_HF;
    info->reta_size = NM_RETA_SIZE;
    info->hash_key_size = NM_RSS_KEY_LEN;
    info->default_rxconf.rx_free_thresh = NM_BURST;
    info->default_txconf.tx_free_thresh = NM_BURST;
    info->default_rxconf.rx_drop_en = 1;
    info->rx_desc_lim = (struct rte_eth_desc_lim) {
        .nb_max = 4096, .nb_min = 64, .nb_align = 32,
    };
    info->tx_desc_lim = (struct rte_eth_desc_lim) {
        .nb_max = 4096, .nb_min = 64, .nb_align = 32,
        .nb_seg_max = 32, .nb_mtu_seg_max = 32,
    };
    info->default_rxportconf.ring_size = 1024;
    info->default_txportconf.ring_size = 1024;
    info->default_rxportconf.burst_size = NM_BURST;
    info->default_txportconf.burst_size = NM_BURST;
    info->default_rxportconf.nb_queues = 1;
    info->default_txportconf.nb_queues = 1;
    info->speed_capa = RTE_ETH_LINK_SPEED_100G;
    info->dev_capa = (RTE_ETH_DEV_CAPA_RUNTIME_RX_QUEUE_SETUP
                      | RTE_ETH_DEV_CAPA_RUNTIME_TX_QUEUE_SETUP);
    return 0;
}

static int
mtu_set(struct rte_eth_dev *eth, uint16_t mtu)
{
    (void) mtu;
    if (eth->data->dev_started) {
        /* Buffers that are posted already may be too small. */
        return -EBUSY;
    }
    return 0;
}

static int
mac_addr_set(struct rte_eth_dev *eth, struct rte_ether_addr *mac)
{
    struct nm_dev *dev = eth->data->dev_private;

    dev->mac = *mac;
    eth->data->mac_addrs[0] = *mac;
    return sync_dev(eth);
}

/* RSS. */

static int
reta_update(struct rte_eth_dev *eth, struct rte_eth_rss_reta_entry64 *reta,
            uint16_t size)
{
    struct nm_dev *dev = eth->data->dev_private;

    if (size != NM_RETA_SIZE) {
        return -EINVAL;
    }
    /* An entry is a word, the engine may see it at any time. */
    for (unsigned int i = 0; i < size; i++) {
        if (reta[i / 64].mask >> i % 64 & 1) {
            dev->reta[i] = reta[i / 64].reta[i % 64];
        }
    }
    return 0;
}

static int
reta_query(struct rte_eth_dev *eth, struct rte_eth_rss_reta_entry64 *reta,
           uint16_t size)
{
    struct nm_dev *dev = eth->data->dev_private;

    if (size != NM_RETA_SIZE) {
        return -EINVAL;
    }
    for (unsigned int i = 0; i < size; i++) {
        if (reta[i / 64].mask >> i % 64 & 1) {
            reta[i / 64].reta[i % 64] = dev->reta[i];
        }
    }
    return 0;
}

static int
rss_hash_update(struct rte_eth_dev *eth, struct rte_eth_rss_conf *rss)
{
    struct nm_dev *dev = eth->data->dev_private;

    if (rss->rss_key && rss->rss_key_len == NM_RSS_KEY_LEN) {
        memcpy(dev->rss_key, rss->rss_key, NM_RSS_KEY_LEN);
    }
    dev->rss_hf = rss->rss_hf & RSS_HF;
    return sync_dev(eth);
}

static int
rss_hash_conf_get(struct rte_eth_dev *eth, struct rte_eth_rss_conf *rss)
{
    struct nm_dev *dev = eth->data->dev_private;

    if (rss->rss_key && rss->rss_key_len >= NM_RSS_KEY_LEN) {
        memcpy(rss->rss_key, dev->rss_key, NM_RSS_KEY_LEN);
    }
    rss->rss_key_len = NM_RSS_KEY_LEN;
    rss->rss_hf = dev->rss_hf;
    return 0;
}

const struct eth_dev_ops nm_ops = {
    .dev_configure = dev_configure,
    .dev_start = dev_start,
    .dev_stop = dev_stop,
    .dev_close = nm_dev_close,
    .dev_reset = dev_reset,
    .dev_infos_get = dev_infos_get,
    .dev_set_link_up = set_link_up,
    .dev_set_link_down = set_link_down,
    .link_update = link_update,
    .mtu_set = mtu_set,
    .promiscuous_enable = promiscuous_enable,
    .promiscuous_disable = promiscuous_disable,
    .allmulticast_enable = allmulticast_enable,
    .allmulticast_disable = allmulticast_disable,
    .mac_addr_set = mac_addr_set,
    .rx_queue_setup = nm_rx_queue_setup,
    .tx_queue_setup = nm_tx_queue_setup,
    .rx_queue_release = nm_rx_queue_release,
    .tx_queue_release = nm_tx_queue_release,
    .rx_queue_start = nm_rx_queue_start,
    .rx_queue_stop = nm_rx_queue_stop,
    .tx_queue_start = nm_tx_queue_start,
    .tx_queue_stop = nm_tx_queue_stop_alone,
    .rxq_info_get = nm_rxq_info_get,
    .txq_info_get = nm_txq_info_get,
    .tx_done_cleanup = nm_tx_done_cleanup,
    .stats_get = nm_stats_get,
    .stats_reset = nm_stats_reset,
    .xstats_get = nm_xstats_get,
    .xstats_get_names = nm_xstats_get_names,
    .xstats_reset = nm_stats_reset,
    .reta_update = reta_update,
    .reta_query = reta_query,
    .rss_hash_update = rss_hash_update,
    .rss_hash_conf_get = rss_hash_conf_get,
};
