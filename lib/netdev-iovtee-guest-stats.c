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

/* Guest role: statistics, status and what "iovtee/show" says. */

#include <config.h>

#include "netdev-iovtee-guest-stats.h"

#include <errno.h>

#include "guest/hostpool.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/vlog.h"
#include "queue/ringstats.h"
#include "session/session.h"
#include "smap.h"
#include "tee/tee.h"
#include "userspace-tso.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(netdev_iovtee_guest_stats);

/* Counters in the order in which they are added. */
struct counters {
    struct netdev_custom_stats *custom;
    size_t n_allocated;
    const char *prefix;         /* For names given without one, or NULL. */
};

bool
iovtee_guest_port_is_up(const struct iovtee_guest_port *port)
{
    return port->guest->mp && port->flags & NETDEV_UP
           && iovtee_session_is_connected(port->guest->session);
}

void
iovtee_guest_port_sum_counters(struct iovtee_guest_port *port,
                               struct iovtee_rxvq_counters *sum)
{
    memset(sum, 0, sizeof *sum);
    for (unsigned int q = 0; q < IOVTEE_SESSION_MAX_QUEUES; q++) {
        struct iovtee_rxvq_counters counters;

        if (iovtee_guest_get_counters(port->guest, q, &counters)) {
            iovtee_rxvq_counters_add(sum, &counters);
        }
    }
}

/* Returns how many packets were delivered to the guest, in whatever way. */
static uint64_t
n_delivered(const struct iovtee_rxvq_counters *sum)
{
    uint64_t n = sum->zero_copied;

    for (int i = 0; i < IOVTEE_N_COPY_REASONS; i++) {
        n += sum->copied[i];
    }
    return n;
}

void
iovtee_guest_port_judge_exposure(struct iovtee_guest_port *port,
                                 const struct iovtee_rxvq_counters *sum)
{
    const char *name = netdev_get_name(port->guest->netdev);
    struct iovtee_exposure *e = &port->exposure;

    if (!iovtee_exposure_judge(e, n_delivered(sum), sum->exposed)) {
        return;
    }
    if (e->high) {
        char *peer = iovtee_tee_peer(port->guest->tee);

        VLOG_WARN("%s: the guest can read frames that are not for it: %u %% "
                  "of its traffic lately.  Let peer (%s) be a NIC that "
                  "receives only what is for this guest, such as a virtual "
                  "function, or set rx-zero-copy=false", name, e->percent,
                  peer ? peer : "none now");
        free(peer);
    } else {
        VLOG_INFO("%s: the guest can read hardly any frames of others any "
                  "more", name);
    }
}

void
iovtee_guest_port_sum_tx_counters(struct iovtee_guest_port *port,
                                  struct iovtee_txvq_counters *sum)
{
    memset(sum, 0, sizeof *sum);
    for (unsigned int q = 0; q < IOVTEE_SESSION_MAX_QUEUES; q++) {
        struct iovtee_txvq_counters counters;

        if (iovtee_guest_get_tx_counters(port->guest, q, &counters)) {
            iovtee_txvq_counters_add(sum, &counters);
        }
    }
}

int
netdev_iovtee_guest_get_stats(const struct netdev *netdev,
                              struct netdev_stats *stats)
{
    struct iovtee_guest_port *port = iovtee_guest_port(netdev);
    struct iovtee_guest_stats guest_stats;
    struct iovtee_txvq_counters tx_sum;
    struct iovtee_rxvq_counters sum;

    memset(stats, 0xff, sizeof *stats);
    iovtee_guest_port_sum_counters(port, &sum);
    iovtee_guest_port_sum_tx_counters(port, &tx_sum);
    iovtee_ringstats_clear_netdev(stats);
    iovtee_ringstats_add_netdev_tx(&sum.ring, stats);
    iovtee_ringstats_add_netdev_rx(&tx_sum.ring, stats);
    stats->rx_errors = 0;
    stats->tx_errors = 0;

    iovtee_guest_get_stats(port->guest, &guest_stats);
    stats->tx_dropped = guest_stats.tx_dropped;
    stats->rx_dropped = guest_stats.rx_dropped;
    return 0;
}

static void
add_counter(const char *name, uint64_t value, void *counters_)
{
    struct counters *counters = counters_;
    struct netdev_custom_stats *custom = counters->custom;
    struct netdev_custom_counter *counter;

    if (custom->size >= counters->n_allocated) {
        custom->counters = x2nrealloc(custom->counters,
                                      &counters->n_allocated,
                                      sizeof *custom->counters);
    }
    counter = &custom->counters[custom->size++];
    counter->value = value;
    snprintf(counter->name, sizeof counter->name, "%s%s",
             counters->prefix ? counters->prefix : "", name);
}

/* Adds what only ports of this type count. */
static void
add_iovtee_counters(struct counters *c, const struct iovtee_rxvq_counters *sum,
                    const struct iovtee_txvq_counters *tx_sum)
{
    c->prefix = "iovtee_";
    add_counter("zero_copied", sum->zero_copied, c);
    add_counter("exposed", sum->exposed, c);
    c->prefix = "iovtee_copied_";
    for (int i = 0; i < IOVTEE_N_COPY_REASONS; i++) {
        add_counter(iovtee_copy_reason_name(i), sum->copied[i], c);
    }
    c->prefix = "iovtee_dropped_";
    for (int i = 0; i < IOVTEE_N_DROP_REASONS; i++) {
        add_counter(iovtee_drop_reason_name(i), sum->dropped[i], c);
    }
    c->prefix = "iovtee_tx_";
    add_counter("zero_copied", tx_sum->zero_copied, c);
    c->prefix = "iovtee_tx_copied_";
    for (int i = 0; i < IOVTEE_N_TX_COPY_REASONS; i++) {
        add_counter(iovtee_tx_copy_reason_name(i), tx_sum->copied[i], c);
    }
    c->prefix = "iovtee_tx_dropped_";
    for (int i = 0; i < IOVTEE_N_TX_DROP_REASONS; i++) {
        add_counter(iovtee_tx_drop_reason_name(i), tx_sum->dropped[i], c);
    }
    c->prefix = "iovtee_fault_";
    for (int i = IOVTEE_FAULT_NONE + 1; i < IOVTEE_N_FAULTS; i++) {
        add_counter(iovtee_vring_fault_name(i),
                    sum->faults[i] + tx_sum->faults[i], c);
    }
    c->prefix = "iovtee_border_";
    for (int i = 0; i < IOVTEE_N_BORDER_EVENTS; i++) {
        add_counter(iovtee_border_event_name(i), sum->border[i], c);
    }
    c->prefix = "iovtee_";
    add_counter("fillers", sum->fillers, c);
}

/* Adds the counters of the ring of queue 'q'.  'direction' is that of the
 * port, which is not that of the guest. */
static void
add_ring_counters(struct counters *c, const char *direction, unsigned int q,
                  const struct iovtee_ringstats *ring)
{
    char prefix[16];

    snprintf(prefix, sizeof prefix, "%s_q%u_", direction, q);
    iovtee_ringstats_foreach(ring, prefix, add_counter, c);
}

int
netdev_iovtee_guest_get_custom_stats(const struct netdev *netdev,
                                     struct netdev_custom_stats *custom)
{
    struct iovtee_guest_port *port = iovtee_guest_port(netdev);
    struct counters c = { .custom = custom };
    struct iovtee_guest_stats stats;
    struct iovtee_txvq_counters tx_sum;
    struct iovtee_rxvq_counters sum;

    custom->size = 0;
    custom->counters = NULL;

    iovtee_guest_get_stats(port->guest, &stats);
    c.prefix = "ovs_";
    add_counter("tx_retries", stats.tx_retries, &c);
    add_counter("tx_failure_drops", stats.tx_failure_drops, &c);
    add_counter("tx_mtu_exceeded_drops", stats.tx_mtu_exceeded_drops, &c);
    add_counter("tx_qos_drops", stats.tx_qos_drops, &c);
    add_counter("rx_qos_drops", stats.rx_qos_drops, &c);
    add_counter("tx_invalid_hwol_drops", stats.tx_invalid_hwol_drops, &c);

    iovtee_guest_port_sum_counters(port, &sum);
    iovtee_guest_port_sum_tx_counters(port, &tx_sum);
    add_iovtee_counters(&c, &sum, &tx_sum);

    c.prefix = NULL;
    for (unsigned int q = 0; q < netdev->n_rxq; q++) {
        struct iovtee_txvq_counters counters;

        if (iovtee_guest_get_tx_counters(port->guest, q, &counters)) {
            add_ring_counters(&c, "rx", q, &counters.ring);
        }
    }
    for (unsigned int q = 0; q < netdev->n_txq; q++) {
        struct iovtee_rxvq_counters counters;

        if (iovtee_guest_get_counters(port->guest, q, &counters)) {
            add_ring_counters(&c, "tx", q, &counters.ring);
        }
    }
    return 0;
}

/* Appends to 's' how much memory the shells of the guest's queues take. */
static void
show_shells(const struct iovtee_guest_port *port, struct ds *s)
{
    unsigned int n = 0;
    size_t size = 0;

    for (unsigned int q = 0; q < IOVTEE_SESSION_MAX_QUEUES; q++) {
        struct iovtee_rxvq_info info;

        if (iovtee_guest_get_info(port->guest, q, &info)
            && info.shells_size) {
            size += info.shells_size;
            n++;
        }
    }
    ds_put_format(s, "  memory to lend buffers: %"PRIuSIZE" kB for %u "
                  "queue%s\n", DIV_ROUND_UP(size, 1024), n,
                  n == 1 ? "" : "s");
}

/* Returns why packets for the guest are copied, NULL if they need not be.  The
 * caller frees it. */
char *
iovtee_guest_port_why_copied(struct iovtee_guest_port *port)
{
    char *why = iovtee_tee_status(port->guest->tee);

    for (unsigned int q = 0; !why && q < port->guest->netdev->n_txq; q++) {
        struct iovtee_rxvq_info info;

        if (!iovtee_guest_get_info(port->guest, q, &info)) {
            continue;
        }
        if (info.fault != IOVTEE_FAULT_NONE) {
            why = xasprintf("queue %u is broken: %s", q,
                            iovtee_vring_fault_text(info.fault));
        } else if (info.logged) {
            why = xstrdup(iovtee_copy_reason_text(IOVTEE_COPY_MIGRATION));
        } else if (info.is_unfit) {
            why = xasprintf("queue %u: %s (%"PRIu32" bytes)", q,
                            iovtee_copy_reason_text(info.unfit),
                            info.unfit_len);
        } else if (info.n_loans && info.n_paused == info.n_loans) {
            why = xasprintf("queue %u: %s", q,
                            iovtee_copy_reason_text(IOVTEE_COPY_PAUSED));
        }
    }
    return why;
}

/* Returns what becomes of full bursts that the guest sends, for people, by the
 * first transmit queue that runs, or NULL if none does. */
const char *
iovtee_guest_port_tx_state(struct iovtee_guest_port *port)
{
    for (unsigned int q = 0; q < IOVTEE_SESSION_MAX_QUEUES; q++) {
        struct iovtee_txvq_info info;

        if (iovtee_guest_get_tx_info(port->guest, q, &info)) {
            return iovtee_txvq_zero_copy_text(&info);
        }
    }
    return NULL;
}

int
netdev_iovtee_guest_get_status(const struct netdev *netdev, struct smap *args)
{
    struct iovtee_guest_port *port = iovtee_guest_port(netdev);
    char *peer = iovtee_tee_peer(port->guest->tee);
    char *why = iovtee_guest_port_why_copied(port);
    struct ds s = DS_EMPTY_INITIALIZER;

    iovtee_session_get_status(port->guest->session, args);
    smap_add(args, "userspace-tso",
             userspace_tso_enabled() ? "enabled" : "disabled");
    smap_add_format(args, "n_rxq", "%d", netdev->n_rxq);
    smap_add_format(args, "n_txq", "%d", netdev->n_txq);
    if (peer) {
        smap_add(args, "peer", peer);
    }
    smap_add(args, "zero_copy", why ? why : "active");
    if (port->tx_zero_copy) {
        const char *state = iovtee_guest_port_tx_state(port);

        smap_add(args, "tx_zero_copy",
                 state ? state : "no transmit queue runs");
    }
    iovtee_tee_format(port->guest->tee, &s);
    smap_add(args, "tee", ds_cstr(&s));

    ds_destroy(&s);
    free(why);
    free(peer);
    return 0;
}

/* Says where frames begin that the peer puts into the guest's buffers. */
static void
show_shift(const struct iovtee_rxvq_info *info, struct ds *s)
{
    ds_put_cstr(s, "    frames begin: ");
    if (info->shift) {
        ds_put_format(s, "%d bytes %s, as tags are %s on the way",
                      abs(info->shift), info->shift < 0 ? "earlier" : "later",
                      info->shift < 0 ? "popped" : "pushed");
    } else {
        ds_put_cstr(s, "behind the virtio header");
    }
    if (info->cramped_len) {
        ds_put_format(s, ", for which buffers of %"PRIu32" bytes have no "
                      "room", info->cramped_len);
    }
    ds_put_format(s, " (changes: %"PRIu64")\n", info->n_shifts);
}

static void
show_queue(struct iovtee_guest_port *port, unsigned int q, struct ds *s)
{
    struct iovtee_rxvq_info info;

    if (!iovtee_guest_get_info(port->guest, q, &info)) {
        return;
    }
    ds_put_format(s, "  queue %u: %s, ring of %"PRIu32" (up to %"PRIu32" "
                  "lent, %"PRIu32" spared)\n", q,
                  iovtee_rxvq_state_to_string(info.state), info.size,
                  info.max_lent, info.n_spared);
    ds_put_format(s, "    guest memory: %"PRIu64" kB in %"PRIuSIZE" region%s, "
                  "NUMA node %d\n", info.mem_size / 1024, info.n_mem_regions,
                  info.n_mem_regions == 1 ? "" : "s", info.numa_id);
    ds_put_cstr(s, "    buffers:");
    for (int place = 0; place < IOVTEE_N_PLACES; place++) {
        ds_put_format(s, " %s %"PRIu32, iovtee_place_to_string(place),
                      info.n[place]);
    }
    ds_put_cstr(s, "\n");
    if (info.n_loans) {
        show_shift(&info, s);
    }
    if (info.fault != IOVTEE_FAULT_NONE) {
        ds_put_format(s, "    broken: %s\n",
                      iovtee_vring_fault_text(info.fault));
    }
}

static void
show_tx_queue(struct iovtee_guest_port *port, unsigned int q, struct ds *s)
{
    struct iovtee_txvq_info info;

    if (!iovtee_guest_get_tx_info(port->guest, q, &info)) {
        return;
    }
    ds_put_format(s, "  transmit queue %u: %s, ring of %"PRIu32", "
                  "%"PRIu32" waiting\n", q,
                  iovtee_txvq_state_to_string(info.state), info.size,
                  info.n_waiting);
    if (info.zero_copy || info.n[IOVTEE_GUEST] != info.size) {
        ds_put_format(s, "    zero-copy: %s\n    buffers:",
                      iovtee_txvq_zero_copy_text(&info));
        for (int place = 0; place < IOVTEE_N_PLACES; place++) {
            ds_put_format(s, " %s %"PRIu32, iovtee_place_to_string(place),
                          info.n[place]);
        }
        ds_put_cstr(s, "\n");
    }
    if (info.fault != IOVTEE_FAULT_NONE) {
        ds_put_format(s, "    broken: %s\n",
                      iovtee_vring_fault_text(info.fault));
    }
}

static void
show_tx_counters(const struct iovtee_txvq_counters *sum, struct ds *s)
{
    struct netdev_stats stats;

    iovtee_ringstats_clear_netdev(&stats);
    iovtee_ringstats_add_netdev_rx(&sum->ring, &stats);
    ds_put_format(s, "  received: %"PRIu64, stats.rx_packets);
    if (sum->zero_copied) {
        ds_put_format(s, ", sent in place %"PRIu64, sum->zero_copied);
    }
    ds_put_cstr(s, "\n");
    for (int i = 0; i < IOVTEE_N_TX_COPY_REASONS; i++) {
        if (sum->copied[i]) {
            ds_put_format(s, "    copied %"PRIu64": %s (%s)\n",
                          sum->copied[i], iovtee_tx_copy_reason_text(i),
                          iovtee_tx_copy_reason_name(i));
        }
    }
    for (int i = 0; i < IOVTEE_N_TX_DROP_REASONS; i++) {
        if (sum->dropped[i]) {
            ds_put_format(s, "    dropped %"PRIu64": %s (%s)\n",
                          sum->dropped[i], iovtee_tx_drop_reason_text(i),
                          iovtee_tx_drop_reason_name(i));
        }
    }
}

static void
show_counters(const struct iovtee_rxvq_counters *sum, struct ds *s)
{
    uint64_t total = n_delivered(sum);

    ds_put_format(s, "  delivered: %"PRIu64", in place %"PRIu64, total,
                  sum->zero_copied);
    if (total) {
        /* Rounded down: 100 % means all of them. */
        uint64_t share = 10000.0 * sum->zero_copied / total;

        ds_put_format(s, " (%"PRIu64".%02"PRIu64" %%)", share / 100,
                      share % 100);
    }
    ds_put_cstr(s, "\n");
    for (int i = 0; i < IOVTEE_N_COPY_REASONS; i++) {
        if (sum->copied[i]) {
            ds_put_format(s, "    copied %"PRIu64": %s (%s)\n",
                          sum->copied[i], iovtee_copy_reason_text(i),
                          iovtee_copy_reason_name(i));
        }
    }
    for (int i = 0; i < IOVTEE_N_DROP_REASONS; i++) {
        if (sum->dropped[i]) {
            ds_put_format(s, "    dropped %"PRIu64": %s (%s)\n",
                          sum->dropped[i], iovtee_drop_reason_text(i),
                          iovtee_drop_reason_name(i));
        }
    }
    for (int i = 0; i < IOVTEE_N_BORDER_EVENTS; i++) {
        if (sum->border[i]) {
            ds_put_format(s, "    border %"PRIu64": %s (%s)\n",
                          sum->border[i], iovtee_border_event_text(i),
                          iovtee_border_event_name(i));
        }
    }
    if (sum->exposed) {
        ds_put_format(s, "  exposed: %"PRIu64" frames were in the guest's "
                      "memory but not for it\n", sum->exposed);
    }
}

void
netdev_iovtee_guest_show(struct netdev_iovtee *dev, struct ds *s)
{
    struct iovtee_guest_port *port = dev->guest;
    struct iovtee_session *session = port->guest->session;
    char *peer = iovtee_tee_peer(port->guest->tee);
    char *why = iovtee_guest_port_why_copied(port);
    struct iovtee_txvq_counters tx_sum;
    struct iovtee_rxvq_counters sum;

    ds_put_format(s, "  socket: %s, %s, %s\n", port->path,
                  port->server ? "server" : "client",
                  iovtee_session_is_connected(session) ? "connected"
                  : "not connected");
    ds_put_format(s, "  peer: %s, receive queues coupled (NIC->guest): ",
                  peer ? peer : "none");
    iovtee_tee_format(port->guest->tee, s);
    ds_put_format(s, "\n  zero-copy: %s%s\n",
                  why ? "not active: " : "active", why ? why : "");
    if (port->guest->mp) {
        ds_put_cstr(s, "  packet pool: ");
        iovtee_hostpool_format(port->guest->mp, s);
        ds_put_cstr(s, "\n");
    }
    show_shells(port, s);
    for (unsigned int q = 0; q < IOVTEE_SESSION_MAX_QUEUES; q++) {
        show_queue(port, q, s);
    }
    for (unsigned int q = 0; q < IOVTEE_SESSION_MAX_QUEUES; q++) {
        show_tx_queue(port, q, s);
    }
    iovtee_guest_port_sum_counters(port, &sum);
    show_counters(&sum, s);
    iovtee_guest_port_sum_tx_counters(port, &tx_sum);
    show_tx_counters(&tx_sum, s);
    free(why);
    free(peer);
}

char *
netdev_iovtee_guest_check(struct netdev_iovtee *dev)
{
    struct iovtee_guest_port *port = dev->guest;

    for (unsigned int q = 0; q < IOVTEE_SESSION_MAX_QUEUES; q++) {
        struct iovtee_txvq_info tx_info;
        struct iovtee_rxvq_info info;

        if (!iovtee_guest_is_tx_balanced(port->guest, q)
            && iovtee_guest_get_tx_info(port->guest, q, &tx_info)) {
            return xasprintf("transmit queue %u: the books do not balance: "
                             "ring of %"PRIu32", guest %"PRIu32", "
                             "idle %"PRIu32", NIC %"PRIu32", "
                             "switch %"PRIu32", %"PRIu32" out, "
                             "%"PRIu64" violations", q, tx_info.size,
                             tx_info.n[IOVTEE_GUEST], tx_info.n[IOVTEE_IDLE],
                             tx_info.n[IOVTEE_NIC], tx_info.n[IOVTEE_SWITCH],
                             tx_info.n_out, tx_info.n_violations);
        }
        if (!iovtee_guest_is_balanced(port->guest, q)
            && iovtee_guest_get_info(port->guest, q, &info)) {
            return xasprintf("queue %u: the books do not balance: ring of "
                             "%"PRIu32", guest %"PRIu32", idle %"PRIu32", "
                             "NIC %"PRIu32", switch %"PRIu32", "
                             "%"PRIu64" violations", q, info.size,
                             info.n[IOVTEE_GUEST], info.n[IOVTEE_IDLE],
                             info.n[IOVTEE_NIC], info.n[IOVTEE_SWITCH],
                             info.n_violations);
        }
    }
    return NULL;
}
