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

/* The driver's statistics.  Like a NIC's, they are counted where frames come
 * in or go out, not where the application takes them. */

#include <stdio.h>
#include <string.h>

#include <ethdev_driver.h>

#include "nm-dev.h"
#include "nm-engine.h"

struct xstat {
    const char *name;
    size_t ofs;
};

#define DEV(NAME, MEMBER) { NAME, offsetof(struct nm_dev, MEMBER) }
#define RXQ(NAME, MEMBER) { NAME, offsetof(struct nm_rxq, MEMBER) }
#define TXQ(NAME, MEMBER) { NAME, offsetof(struct nm_txq, MEMBER) }

static const struct xstat dev_xstats[] = {
    DEV("rx_crc_errors", n_crc_errors),
    DEV("rx_oversize_errors", n_oversize),
    DEV("rx_no_room_errors", n_no_room),
    DEV("rx_filtered_packets", n_filtered),
    DEV("rx_lost_packets", n_lost),
    DEV("tx_lost_packets", tx_lost),
    DEV("check_double_post_errors", checks.n_double_post),
    DEV("check_overlap_errors", checks.n_overlap),
    DEV("check_touched_errors", checks.n_touched),
    DEV("check_beyond_errors", checks.n_beyond),
    DEV("check_bad_desc_errors", checks.n_bad_desc),
    DEV("check_tx_changed_errors", checks.n_tx_changed),
    DEV("check_buffers", checks.n_checked),
};

static const struct xstat rxq_xstats[] = {
    RXQ("packets", n_packets),
    RXQ("bytes", n_bytes),
    RXQ("missed_errors", n_missed),
    RXQ("nobuf", n_nobuf),
    RXQ("groups", n_groups),
    RXQ("full_groups", n_full_groups),
};

static const struct xstat txq_xstats[] = {
    TXQ("packets", n_packets),
    TXQ("bytes", n_bytes),
    TXQ("bad_errors", n_bad),
};

static uint64_t
value(const void *base, size_t ofs)
{
    return nm_get((const uint64_t *) ((const char *) base + ofs));
}

int
nm_stats_get(struct rte_eth_dev *eth, struct rte_eth_stats *stats
             IOVTEE_ETH_QUEUE_STATS_PARAM)
{
    const struct nm_dev *dev = eth->data->dev_private;

    stats->ipackets = dev->past.rx_packets;
    stats->ibytes = dev->past.rx_bytes;
    stats->imissed = dev->past.rx_missed;
    stats->rx_nombuf = dev->past.rx_nobuf;
    stats->opackets = dev->past.tx_packets;
    stats->obytes = dev->past.tx_bytes;
    stats->oerrors = dev->past.tx_bad;
    for (unsigned int i = 0; i < dev->n_rxq; i++) {
        const struct nm_rxq *q = dev->rxqs[i];

        if (q) {
            stats->ipackets += nm_get(&q->n_packets);
            stats->ibytes += nm_get(&q->n_bytes);
            stats->imissed += nm_get(&q->n_missed);
            stats->rx_nombuf += nm_get(&q->n_nobuf);
        }
    }
    for (unsigned int i = 0; i < dev->n_txq; i++) {
        const struct nm_txq *q = dev->txqs[i];

        if (q) {
            stats->opackets += nm_get(&q->n_packets);
            stats->obytes += nm_get(&q->n_bytes);
            stats->oerrors += nm_get(&q->n_bad);
        }
    }
    stats->imissed += nm_get(&dev->n_missed);
    stats->ierrors = (nm_get(&dev->n_crc_errors) + nm_get(&dev->n_oversize)
                      + nm_get(&dev->n_no_room));
    return 0;
}

static void
do_reset(void *dev_)
{
    struct nm_dev *dev = dev_;

    for (unsigned int i = 0; i < RTE_DIM(dev_xstats); i++) {
        *(uint64_t *) ((char *) dev + dev_xstats[i].ofs) = 0;
    }
    dev->n_missed = 0;
    memset(&dev->past, 0, sizeof dev->past);
    for (unsigned int i = 0; i < dev->n_rxq; i++) {
        for (unsigned int j = 0; dev->rxqs[i] && j < RTE_DIM(rxq_xstats);
             j++) {
            *(uint64_t *) ((char *) dev->rxqs[i] + rxq_xstats[j].ofs) = 0;
        }
    }
    for (unsigned int i = 0; i < dev->n_txq; i++) {
        for (unsigned int j = 0; dev->txqs[i] && j < RTE_DIM(txq_xstats);
             j++) {
            *(uint64_t *) ((char *) dev->txqs[i] + txq_xstats[j].ofs) = 0;
        }
    }
}

int
nm_stats_reset(struct rte_eth_dev *eth)
{
    nm_engine_call(do_reset, eth->data->dev_private);
    return 0;
}

/* Calls 'emit' for each statistic in turn. */
static unsigned int
for_each(const struct nm_dev *dev,
         void (*emit)(void *aux, unsigned int i, const char *prefix, int queue,
                      const char *name, uint64_t value), void *aux)
{
    unsigned int n = 0;

    for (unsigned int i = 0; i < RTE_DIM(dev_xstats); i++) {
        emit(aux, n++, "", -1, dev_xstats[i].name,
             value(dev, dev_xstats[i].ofs));
    }
    for (unsigned int i = 0; i < dev->n_rxq; i++) {
        for (unsigned int j = 0; dev->rxqs[i] && j < RTE_DIM(rxq_xstats);
             j++) {
            emit(aux, n++, "rx_q", i, rxq_xstats[j].name,
                 value(dev->rxqs[i], rxq_xstats[j].ofs));
        }
    }
    for (unsigned int i = 0; i < dev->n_txq; i++) {
        for (unsigned int j = 0; dev->txqs[i] && j < RTE_DIM(txq_xstats);
             j++) {
            emit(aux, n++, "tx_q", i, txq_xstats[j].name,
                 value(dev->txqs[i], txq_xstats[j].ofs));
        }
    }
    return n;
}

struct names {
    struct rte_eth_xstat_name *names;
    unsigned int n;
};

static void
emit_name(void *names_, unsigned int i, const char *prefix, int queue,
          const char *name, uint64_t x)
{
    struct names *names = names_;

    (void) x;
    if (!names->names || i >= names->n) {
        return;
    }
    if (queue < 0) {
        snprintf(names->names[i].name, sizeof names->names[i].name, "%s",
                 name);
    } else {
        snprintf(names->names[i].name, sizeof names->names[i].name,
                 "%s%d_%s", prefix, queue, name);
    }
}

int
nm_xstats_get_names(struct rte_eth_dev *eth, struct rte_eth_xstat_name *names,
                    unsigned int n)
{
    struct names aux = { names, n };

    return for_each(eth->data->dev_private, emit_name, &aux);
}

struct values {
    struct rte_eth_xstat *xstats;
    unsigned int n;
};

static void
emit_value(void *values_, unsigned int i, const char *prefix, int queue,
           const char *name, uint64_t x)
{
    struct values *values = values_;

    (void) prefix;
    (void) queue;
    (void) name;
    if (values->xstats && i < values->n) {
        values->xstats[i].id = i;
        values->xstats[i].value = x;
    }
}

int
nm_xstats_get(struct rte_eth_dev *eth, struct rte_eth_xstat *xstats,
              unsigned int n)
{
    struct values aux = { xstats, n };

    return for_each(eth->data->dev_private, emit_value, &aux);
}
