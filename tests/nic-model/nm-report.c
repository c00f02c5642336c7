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

/* Counters of a device as JSON.  They are collected by the engine, so that
 * they fit together, and printed by the caller. */

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <rte_cycles.h>

#include "nm-control.h"
#include "nm-dev.h"
#include "nm-engine.h"
#include "nm-guest.h"
#include "nm-sink.h"
#include "nm-source.h"

#define MAX_ITEMS 96

struct report {
    const char *name;
    struct nm_dev *dev;         /* Or... */
    const struct nm_guest *guest;
    unsigned int n;
    struct {
        const char *name;
        uint64_t value;
    } items[MAX_ITEMS];
};

static void
add(struct report *report, const char *name, uint64_t value)
{
    report->items[report->n].name = name;
    report->items[report->n++].value = value;
}

static void
add_source(struct report *report)
{
    const struct nm_source *s = report->dev->source;
    uint64_t ran = (s->running ? rte_rdtsc() - s->started_tsc : s->ran_tsc);

    add(report, "running", s->running);
    add(report, "sent", s->n_sent);
    add(report, "sent_bytes", s->n_bytes);
    add(report, "skipped", s->n_skipped);
    add(report, "ran_us", (double) ran * 1e6 / rte_get_tsc_hz());
}

static void
add_rx(struct report *report)
{
    const struct nm_dev *dev = report->dev;
    uint64_t missed = dev->n_missed + dev->past.rx_missed;
    uint64_t packets = dev->past.rx_packets, bytes = dev->past.rx_bytes;
    uint64_t nobuf = dev->past.rx_nobuf, groups = 0, full = 0, posted = 0;

    for (unsigned int i = 0; i < NM_MAX_QUEUES; i++) {
        const struct nm_rxq *q = dev->live_rxqs[i];

        if (q) {
            packets += q->n_packets;
            bytes += q->n_bytes;
            missed += q->n_missed;
            nobuf += nm_get(&q->n_nobuf);
            groups += q->n_groups;
            full += q->n_full_groups;
            posted += nm_load(&q->tail) - q->filled;
        }
    }
    add(report, "rx_arrived", dev->n_arrived);
    add(report, "rx_packets", packets);
    add(report, "rx_bytes", bytes);
    add(report, "rx_missed", missed);
    add(report, "rx_crc_errors", dev->n_crc_errors);
    add(report, "rx_oversize", dev->n_oversize);
    add(report, "rx_no_room", dev->n_no_room);
    add(report, "rx_filtered", dev->n_filtered);
    add(report, "rx_lost", dev->n_lost);
    add(report, "rx_nobuf", nobuf);
    add(report, "rx_groups", groups);
    add(report, "rx_full_groups", full);
    add(report, "rx_posted", posted);
}

static void
add_tx(struct report *report)
{
    const struct nm_dev *dev = report->dev;
    uint64_t packets = dev->past.tx_packets, bytes = dev->past.tx_bytes;
    uint64_t bad = dev->past.tx_bad, held = 0;

    for (unsigned int i = 0; i < NM_MAX_QUEUES; i++) {
        const struct nm_txq *q = dev->live_txqs[i];

        if (q) {
            packets += q->n_packets;
            bytes += q->n_bytes;
            bad += q->n_bad;
            held += nm_load(&q->tail) - q->completed;
        }
    }
    add(report, "tx_packets", packets);
    add(report, "tx_bytes", bytes);
    add(report, "tx_lost", dev->tx_lost);
    add(report, "tx_bad", bad);
    add(report, "tx_held", held);
}

static void
add_sink(struct report *report)
{
    const struct nm_sink *sink = report->dev->sink;

    add(report, "sink_packets", sink->n_packets);
    add(report, "sink_bytes", sink->n_bytes);
    add(report, "sink_unique", sink->n_unique);
    add(report, "sink_duplicated", sink->n_duplicated);
    add(report, "sink_reordered", sink->n_reordered);
    add(report, "sink_corrupt", sink->n_corrupt);
    add(report, "sink_old", sink->n_old);
    add(report, "sink_foreign", sink->n_foreign);
}

static void
do_stats(void *report_)
{
    struct report *report = report_;
    const struct nm_dev *dev = report->dev;
    const struct nm_checks *checks = &dev->checks;
    uint64_t busy, idle;

    add(report, "started", dev->started);
    add(report, "link", dev->link);
    add(report, "hung", dev->hung);
    add_source(report);
    add_rx(report);
    add_tx(report);
    add_sink(report);
    add(report, "check_buffers", checks->n_checked);
    add(report, "check_double_post", checks->n_double_post);
    add(report, "check_overlap", checks->n_overlap);
    add(report, "check_touched", checks->n_touched);
    add(report, "check_beyond", checks->n_beyond);
    add(report, "check_bad_desc", checks->n_bad_desc);
    add(report, "check_tx_changed", checks->n_tx_changed);
    nm_engine_get_rounds(&busy, &idle);
    add(report, "engine_busy", busy);
    add(report, "engine_idle", idle);
    add(report, "tsc", rte_rdtsc());
    add(report, "tsc_hz", rte_get_tsc_hz());
}

static void
print(const struct report *report, char *json, size_t size)
{
    size_t n = snprintf(json, size, "{\"device\": \"%s\"", report->name);

    for (unsigned int i = 0; i < report->n && n < size; i++) {
        n += snprintf(json + n, size - n, ", \"%s\": %"PRIu64,
                      report->items[i].name, report->items[i].value);
    }
    if (n < size) {
        snprintf(json + n, size - n, "}");
    }
}

void
nm_report_stats(struct nm_dev *dev, char *json, size_t size)
{
    struct report report = { .name = dev->name, .dev = dev };

    nm_engine_call(do_stats, &report);
    print(&report, json, size);
}

static uint64_t
to_ns(uint64_t tsc)
{
    return (double) tsc * 1e9 / rte_get_tsc_hz();
}

static void
do_latency(void *report_)
{
    static const struct {
        const char *name;
        double share;
    } percentiles[] = {
        { "p50", .5 }, { "p90", .9 }, { "p99", .99 }, { "p999", .999 },
        { "p9999", .9999 },
    };
    struct report *report = report_;
    const struct nm_sink *sink = report->dev->sink;

    add(report, "count", sink->n_lat);
    add(report, "min", to_ns(sink->lat_min));
    add(report, "mean", sink->n_lat ? to_ns(sink->lat_sum / sink->n_lat) : 0);
    for (unsigned int i = 0; i < RTE_DIM(percentiles); i++) {
        add(report, percentiles[i].name,
            to_ns(nm_sink_percentile(sink, percentiles[i].share)));
    }
    add(report, "max", to_ns(sink->lat_max));
}

void
nm_report_latency(struct nm_dev *dev, char *json, size_t size)
{
    struct report report = { .name = dev->name, .dev = dev };

    nm_engine_call(do_latency, &report);
    print(&report, json, size);
}

static void
do_guest(void *report_)
{
    struct report *report = report_;
    const struct nm_guest *g = report->guest;

    add(report, "connected", g->connected);
    add(report, "connections", g->n_connected);
    add(report, "rx", g->n_rx);
    add(report, "rx_bytes", g->n_rx_bytes);
    add(report, "rx_pieces", g->n_rx_pieces);
    add(report, "tx", g->n_tx);
    add(report, "tx_full", g->n_tx_full);
    add(report, "bad", g->n_bad);
    add(report, "verified", g->sink->n_unique);
    add(report, "duplicated", g->sink->n_duplicated);
    add(report, "corrupt", g->sink->n_corrupt);
    add(report, "foreign", g->sink->n_foreign);
}

void
nm_report_guest(struct nm_guest *guest, char *json, size_t size)
{
    struct report report = { .name = guest->name, .guest = guest };

    nm_engine_call(do_guest, &report);
    print(&report, json, size);
}
