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

/* The conditions of zero-copy, in the order in which to look at them: the
 * host's, the NIC's, the guest's, and what the traffic makes of it.  Each
 * names what was found, what should be and what to do.  For the main
 * thread. */

#include <config.h>

#include "netdev-iovtee-explain.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

#include <rte_config.h>
#include <rte_eal.h>
#include <rte_ether.h>

#include "dpdk.h"
#include "guest/recent.h"
#include "iovtee-explanation.h"
#include "netdev-iovtee-guest-stats.h"
#include "nic/nic.h"
#include "openvswitch/json.h"
#include "session/session.h"
#include "tee/tee.h"
#include "timeval.h"
#include "util.h"

/* Bytes of the virtio header of all guests but very old ones. */
#define NET_HDR_LEN 12

/* How much longer than the MTU frames are that the MTU keeps out of a NIC:
 * Ethernet header, VLAN tags, CRC, and what some NICs let through.  Where a
 * frame may be longer the MTU has no say. */
#define MAX_FRAME_OVERHEAD 32

BUILD_ASSERT_DECL(IOVTEE_N_COPY_REASONS < IOVTEE_RECENT_COUNTERS);

static void explain_host(struct iovtee_explanation *);
static void explain_nic(const struct netdev_iovtee *,
                        struct iovtee_explanation *);
static void explain_guest(const struct netdev_iovtee *,
                          struct iovtee_explanation *);
static void explain_sending(struct iovtee_guest_port *, const char *name,
                            struct iovtee_explanation *);
static void explain_traffic(struct iovtee_guest_port *,
                            struct iovtee_explanation *);

/* Where what is explained goes. */
struct output {
    struct json *array;         /* If this is NULL... */
    struct ds *s;               /* ...then here, as text. */
};

/* Hands 'e' over to 'out'. */
static void
finish(struct iovtee_explanation *e, const struct output *out)
{
    if (out->array) {
        json_array_add(out->array, iovtee_explanation_to_json(e));
    } else {
        iovtee_explanation_format(e, out->s);
    }
    iovtee_explanation_destroy(e);
}

static void
explain_port(struct netdev_iovtee *dev, void *out)
{
    struct iovtee_explanation e;

    iovtee_explanation_init(&e, netdev_get_name(&dev->up), dev->role->name);
    if (dev->role == &netdev_iovtee_nic_role) {
        explain_nic(dev, &e);
    } else {
        char *why = iovtee_guest_port_why_copied(dev->guest);

        e.summary = why ? xasprintf("packets are copied: %s", why)
                    : xstrdup("zero-copy is active");
        free(why);
        explain_guest(dev, &e);
        explain_traffic(dev->guest, &e);
        explain_sending(dev->guest, netdev_get_name(&dev->up), &e);
    }
    finish(&e, out);
}

bool
netdev_iovtee_explain(const char *name, bool json, struct ds *s)
{
    struct json *array = json ? json_array_create_empty() : NULL;
    struct output out = { .array = array, .s = s };
    bool found;

    if (!name) {
        struct iovtee_explanation e;

        iovtee_explanation_init(&e, "host", "this machine");
        explain_host(&e);
        finish(&e, &out);
    }
    found = netdev_iovtee_foreach(name, explain_port, &out);
    if (array) {
        json_to_ds(array, JSSF_PRETTY | JSSF_SORT, s);
        json_destroy(array);
    }
    return found;
}

/* The host. */

/* Returns the number of 'kind', a file, of hugepages of any size. */
static unsigned long int
count_hugepages(void)
{
    static const char dir[] = "/sys/kernel/mm/hugepages";
    unsigned long int sum = 0;
    struct dirent *entry;
    DIR *d = opendir(dir);

    while (d && (entry = readdir(d))) {
        char *name = xasprintf("%s/%s/nr_hugepages", dir, entry->d_name);
        FILE *file = entry->d_name[0] != '.' ? fopen(name, "r") : NULL;
        unsigned long int n;

        if (file && fscanf(file, "%lu", &n) == 1) {
            sum += n;
        }
        if (file) {
            fclose(file);
        }
        free(name);
    }
    if (d) {
        closedir(d);
    }
    return sum;
}

/* Is there anything in folder 'dir'? */
static bool
has_entries(const char *dir)
{
    struct dirent *entry;
    DIR *d = opendir(dir);
    bool found = false;

    while (d && !found && (entry = readdir(d))) {
        found = entry->d_name[0] != '.';
    }
    if (d) {
        closedir(d);
    }
    return found;
}

static void
explain_host(struct iovtee_explanation *e)
{
    unsigned long int n_hugepages = count_hugepages();
    bool available = dpdk_available();
    bool va = available && rte_eal_iova_mode() == RTE_IOVA_VA;
    bool iommu = has_entries("/sys/kernel/iommu_groups");
    struct iovtee_condition *c;

    c = iovtee_explanation_add(e, "hugepages", n_hugepages
                               ? IOVTEE_FULFILLED : IOVTEE_UNFULFILLED);
    c->found = xasprintf("%lu reserved", n_hugepages);
    c->wanted = xstrdup("enough for the switch's buffers and for all guests");
    c->remedy = xstrdup("sysctl -w vm.nr_hugepages=2048");

    c = iovtee_explanation_add(e, "DPDK", available
                               ? IOVTEE_FULFILLED : IOVTEE_UNFULFILLED);
    c->found = xstrdup(available ? "initialized" : "not initialized");
    c->wanted = xstrdup("initialized");
    c->remedy = xstrdup("ovs-vsctl set Open_vSwitch . "
                        "other_config:dpdk-init=true");

    c = iovtee_explanation_add(e, "addresses of DMA",
                               va ? IOVTEE_FULFILLED : available
                               ? IOVTEE_UNFULFILLED : IOVTEE_UNKNOWN);
    c->found = xstrdup(va ? "virtual (IOVA mode VA)" : available
                       ? "physical (IOVA mode PA)" : "not known yet");
    c->wanted = xstrdup("virtual ones, so that NICs reach only what is mapped "
                        "for them");
    c->remedy = xstrdup("ovs-vsctl set Open_vSwitch . "
                        "other_config:dpdk-extra=--iova-mode=va, and restart "
                        "ovs-vswitchd");

    c = iovtee_explanation_add(e, "IOMMU", iommu
                               ? IOVTEE_FULFILLED : IOVTEE_IMPROVABLE);
    c->found = xstrdup(iommu ? "in use" : "none; NICs on the PCI bus cannot "
                       "be given guest memory");
    c->wanted = xstrdup("one, for NICs on the PCI bus");
    c->remedy = xstrdup("intel_iommu=on on the kernel's command line (Intel), "
                        "and switch it on in the firmware");
}

/* NICs. */

static void
explain_driver(const struct iovtee_nic *nic, const char *port,
               struct iovtee_explanation *e)
{
    const char *copy_only = iovtee_nic_copy_only(nic);
    const char *driver = iovtee_nic_driver(nic);
    struct iovtee_condition *c;

    c = iovtee_explanation_add(e, "driver of the NIC", copy_only
                               ? IOVTEE_UNFULFILLED : IOVTEE_FULFILLED);
    c->found = xasprintf("%s: %s", driver ? driver : "unknown",
                         copy_only ? copy_only : "may write to guests");
    c->wanted = xasprintf("a driver of which it is known that it keeps to "
                          "the bounds of buffers, with IOVA mode VA, for %s",
                          port);
    c->remedy = (rte_eal_iova_mode() != RTE_IOVA_VA
                 ? xstrdup("ovs-vsctl set Open_vSwitch . "
                           "other_config:dpdk-extra=--iova-mode=va, and "
                           "restart ovs-vswitchd")
                 : xstrdup("another NIC; see NIC Drivers in the "
                           "documentation"));
}

static void
explain_nic(const struct netdev_iovtee *dev, struct iovtee_explanation *e)
{
    const char *name = netdev_get_name(&dev->up);
    char *guests = iovtee_tee_nic_guests(dev->nic);
    struct iovtee_condition *c;

    explain_driver(dev->nic, name, e);

    c = iovtee_explanation_add(e, "guests that lend buffers", guests
                               ? IOVTEE_FULFILLED : IOVTEE_UNFULFILLED);
    c->found = guests ? guests : xstrdup("none");
    c->wanted = xstrdup("a guest that runs and has this NIC as its peer");
    c->remedy = xasprintf("ovs-vsctl set Interface GUEST options:peer=%s, or "
                          "ovs-appctl iovtee/explain GUEST if it has", name);
}

/* Guests. */

static void
explain_options(struct iovtee_guest_port *port, const char *name,
                struct iovtee_explanation *e)
{
    char *peer = iovtee_tee_peer(port->guest->tee);
    char *problem = iovtee_tee_check(port->guest->tee);
    bool off = !strcmp(port->rx_zero_copy, "false");
    struct iovtee_condition *c;

    c = iovtee_explanation_add(e, "rx-zero-copy",
                               off ? IOVTEE_UNFULFILLED : IOVTEE_FULFILLED);
    c->found = xstrdup(port->rx_zero_copy);
    c->wanted = xstrdup("true");
    c->remedy = xasprintf("ovs-vsctl remove Interface %s options "
                          "rx-zero-copy", name);

    c = iovtee_explanation_add(e, "peer", problem || !peer
                               ? IOVTEE_UNFULFILLED : IOVTEE_FULFILLED);
    c->found = (problem ? problem : peer ? xstrdup(peer)
                : xstrdup("none"));
    c->wanted = xstrdup("a NIC port of type iovtee that no other guest has");
    c->remedy = xasprintf("ovs-vsctl set Interface %s options:peer=NIC",
                          name);
    free(peer);
}

/* Says what becomes of what the guest sends, if it shall not be copied. */
static void
explain_sending(struct iovtee_guest_port *port, const char *name,
                struct iovtee_explanation *e)
{
    struct ds s = DS_EMPTY_INITIALIZER;
    struct iovtee_txvq_counters sum;
    struct iovtee_condition *c;
    uint64_t n_copied = 0;
    const char *state;

    if (!port->tx_zero_copy) {
        return;
    }
    iovtee_guest_port_sum_tx_counters(port, &sum);
    state = iovtee_guest_port_tx_state(port);
    if (state) {
        ds_put_format(&s, "%s; ", state);
    }
    ds_put_format(&s, "%"PRIu64" in place so far", sum.zero_copied);
    for (int i = 0; i < IOVTEE_N_TX_COPY_REASONS; i++) {
        if (sum.copied[i]) {
            ds_put_format(&s, ", %"PRIu64" copied as %s", sum.copied[i],
                          iovtee_tx_copy_reason_text(i));
            n_copied += sum.copied[i];
        }
    }
    c = iovtee_explanation_add(e, "tx-zero-copy",
                               !sum.zero_copied && !n_copied ? IOVTEE_UNKNOWN
                               : !n_copied ? IOVTEE_FULFILLED
                               : sum.zero_copied ? IOVTEE_IMPROVABLE
                               : IOVTEE_UNFULFILLED);
    c->found = ds_steal_cstr(&s);
    c->wanted = xstrdup("long frames, many at a time, in one piece each, to "
                        "the peer as the only output of the flow, unchanged");
    c->remedy = xasprintf("look for in_port(%s) in ovs-appctl "
                          "dpctl/dump-flows --names", name);
}

static void
explain_connection(struct iovtee_guest_port *port,
                   struct iovtee_explanation *e)
{
    bool connected = iovtee_session_is_connected(port->guest->session);
    unsigned int n_running = 0;
    struct iovtee_condition *c;

    for (unsigned int q = 0; q < port->guest->netdev->n_txq; q++) {
        struct iovtee_rxvq_info info;

        n_running += iovtee_guest_get_info(port->guest, q, &info);
    }
    c = iovtee_explanation_add(e, "guest", n_running
                               ? IOVTEE_FULFILLED : IOVTEE_UNFULFILLED);
    c->found = (!connected ? xasprintf("not connected to %s", port->path)
                : !n_running ? xstrdup("connected, but its driver has "
                                       "started no receive queue")
                : xasprintf("%u receive queue%s", n_running,
                            n_running == 1 ? "" : "s"));
    c->wanted = xstrdup("a front-end whose memory is shared, with a driver "
                        "that runs");
    c->remedy = xstrdup(!connected ? "start the guest with this socket, and "
                        "with memory that is shared (share=on)"
                        : "load the driver in the guest and bring the "
                          "interface up");
}

static void
explain_coupling(struct iovtee_guest_port *port, const struct iovtee_nic *nic,
                 struct iovtee_explanation *e)
{
    struct ds coupled = DS_EMPTY_INITIALIZER;
    struct iovtee_condition *c;
    bool any;

    iovtee_tee_format(port->guest->tee, &coupled);
    any = strcmp(ds_cstr(&coupled), "none");
    c = iovtee_explanation_add(e, "queues coupled (NIC->guest)", any
                               ? IOVTEE_FULFILLED : IOVTEE_UNFULFILLED);
    if (any) {
        c->found = ds_steal_cstr(&coupled);
    } else {
        c->found = iovtee_tee_status(port->guest->tee);
        ds_destroy(&coupled);
    }
    c->wanted = xstrdup("a receive queue of the NIC for each of the guest");
    c->remedy = xstrdup("see what is not fulfilled above; if it is a mapping, "
                        "raise the limit of locked memory (LimitMEMLOCK="
                        "infinity for ovs-vswitchd.service)");

    if (any && nic) {
        int guest_node = iovtee_session_numa_id(port->guest->session);
        int nic_node = iovtee_nic_numa_id(nic);
        bool same = guest_node < 0 || nic_node < 0 || guest_node == nic_node;

        c = iovtee_explanation_add(e, "NUMA node", same
                                   ? IOVTEE_FULFILLED : IOVTEE_IMPROVABLE);
        c->found = xasprintf("NIC %d, guest %d", nic_node, guest_node);
        c->wanted = xstrdup("the same one");
        c->remedy = xasprintf("start the guest with its memory on node %d",
                              nic_node);
    }
}

/* Says whether the buffers of queue 'q', as 'info' has it, are fit for
 * 'peer'. */
static void
explain_buffers(unsigned int q, const struct iovtee_rxvq_info *info,
                const struct netdev_iovtee *peer,
                struct iovtee_explanation *e)
{
    uint32_t wanted = (iovtee_nic_max_frame(peer->nic) + NET_HDR_LEN
                       + MIN(info->shift, 0));
    const char *nic = netdev_get_name(&peer->up);
    struct iovtee_condition *c;
    int mtu;

    c = iovtee_explanation_add(e, "buffers of the guest", info->is_unfit
                               ? IOVTEE_UNFULFILLED : IOVTEE_FULFILLED);
    if (!info->is_unfit) {
        c->found = xasprintf("queue %u: long enough, in one piece", q);
        return;
    }
    c->found = xasprintf("queue %u: %s (%"PRIu32" bytes)", q,
                         iovtee_copy_reason_text(info->unfit),
                         info->unfit_len);
    c->wanted = xasprintf("one piece of at least %"PRIu32" bytes", wanted);
    if (info->unfit == IOVTEE_COPY_SHORT && info->unfit_len < wanted
        && !netdev_get_mtu(&peer->up, &mtu)
        && wanted <= mtu + MAX_FRAME_OVERHEAD + NET_HDR_LEN
        && mtu > wanted - info->unfit_len + RTE_ETHER_MIN_MTU) {
        c->remedy = xasprintf("ovs-vsctl set Interface %s mtu_request=%u",
                              nic, mtu - (wanted - info->unfit_len));
    } else {
        c->remedy = xstrdup("a driver in the guest that posts such buffers: "
                            "see When Zero-Copy Applies in the "
                            "documentation");
    }
}

/* Says what tags that are popped or pushed on the way to queue 'q' mean for
 * it, if there are any. */
static void
explain_tags(unsigned int q, const struct iovtee_rxvq_info *info,
             const struct netdev_iovtee *peer, struct iovtee_explanation *e)
{
    uint32_t wanted = (iovtee_nic_max_frame(peer->nic) + NET_HDR_LEN
                       + info->shift);
    const char *nic = netdev_get_name(&peer->up);
    struct iovtee_condition *c;
    int mtu;

    if (!info->shift) {
        return;
    }
    c = iovtee_explanation_add(e, "VLAN tags", info->cramped_len
                               ? IOVTEE_UNFULFILLED : IOVTEE_FULFILLED);
    if (!info->cramped_len) {
        c->found = xasprintf("queue %u: %d bytes are %s, and frames put that "
                             "much %s", q, abs(info->shift),
                             info->shift < 0 ? "popped" : "pushed",
                             info->shift < 0 ? "earlier" : "later");
        return;
    }
    c->found = xasprintf("queue %u: %d bytes are pushed, for which buffers of "
                         "%"PRIu32" bytes have no room", q, info->shift,
                         info->cramped_len);
    c->wanted = xasprintf("at least %"PRIu32" bytes", wanted);
    if (info->cramped_len < wanted && !netdev_get_mtu(&peer->up, &mtu)
        && mtu > wanted - info->cramped_len + RTE_ETHER_MIN_MTU) {
        c->remedy = xasprintf("ovs-vsctl set Interface %s mtu_request=%u",
                              nic, mtu - (wanted - info->cramped_len));
    } else {
        c->remedy = xstrdup("longer buffers in the guest");
    }
}

/* Says whether the receive queue 'rxq' of 'peer' has more descriptors than
 * the guest can fill, and whether it pays to lend. */
static void
explain_rxq(struct netdev_iovtee *peer, unsigned int rxq, bool always,
            const char *guest, struct iovtee_explanation *e)
{
    const char *nic = netdev_get_name(&peer->up);
    struct iovtee_nic_rxq_info info;
    struct iovtee_condition *c;
    bool too_long;

    if (!iovtee_nic_get_rxq_info(peer->nic, rxq, &info) || !info.n_ring) {
        return;
    }
    too_long = info.n_desc > info.n_ring / 2;
    c = iovtee_explanation_add(e, "rings", !too_long
                               ? IOVTEE_FULFILLED : IOVTEE_IMPROVABLE);
    c->found = xasprintf("%u descriptors in receive queue %u of %s, %u in the "
                         "guest's ring", info.n_desc, rxq, nic, info.n_ring);
    c->wanted = xstrdup("at most half as many descriptors in the NIC as in "
                        "the guest's ring");
    c->remedy = xasprintf("ovs-vsctl set Interface %s options:n_rxq_desc=%u, "
                          "or a longer ring of the guest", nic,
                          MAX(info.n_ring / 2, 32));

    c = iovtee_explanation_add(e, "lending pays", info.paused
                               ? IOVTEE_UNFULFILLED : IOVTEE_FULFILLED);
    c->found = xasprintf("gain %u %%, cost %u %%, in receive queue %u of %s%s",
                         info.percent, 100 - info.percent, rxq, nic,
                         info.paused ? "; lending is paused" : "");
    c->wanted = xstrdup("more gain than cost: most frames for this guest as "
                        "the only output of the flow, and not small ones that "
                        "conntrack looks at");
    c->remedy = (always
                 ? xasprintf("look for in_port(%s) in ovs-appctl "
                             "dpctl/dump-flows --names", nic)
                 : xasprintf("look for in_port(%s) in ovs-appctl "
                             "dpctl/dump-flows --names; to lend all the "
                             "same, ovs-vsctl set Interface %s "
                             "options:rx-zero-copy=always", nic, guest));
}

static void
explain_queue(struct iovtee_guest_port *port, unsigned int q,
              const struct netdev_iovtee *peer, struct iovtee_explanation *e)
{
    struct iovtee_rxvq_info info;
    struct iovtee_condition *c;

    if (!iovtee_guest_get_info(port->guest, q, &info)) {
        return;
    }
    if (info.fault != IOVTEE_FAULT_NONE) {
        c = iovtee_explanation_add(e, "ring", IOVTEE_UNFULFILLED);
        c->found = xasprintf("queue %u is broken: %s", q,
                             iovtee_vring_fault_text(info.fault));
        c->wanted = xstrdup("a driver that keeps to the specification");
        c->remedy = xstrdup("reset the device in the guest");
    }
    if (info.logged) {
        c = iovtee_explanation_add(e, "migration", IOVTEE_UNFULFILLED);
        c->found = xasprintf("queue %u: the guest is being migrated", q);
        c->wanted = xstrdup("no migration");
        c->remedy = xstrdup("wait until it is over");
    }
    if (peer) {
        explain_buffers(q, &info, peer, e);
        explain_tags(q, &info, peer, e);
    }
}

static void
explain_guest(const struct netdev_iovtee *dev, struct iovtee_explanation *e)
{
    const char *name = netdev_get_name(&dev->up);
    struct iovtee_guest_port *port = dev->guest;
    char *peer_name = iovtee_tee_peer(port->guest->tee);
    struct netdev *netdev = peer_name ? netdev_from_name(peer_name) : NULL;
    struct netdev_iovtee *peer = NULL;

    if (netdev && netdev->netdev_class == netdev_iovtee_global.class
        && netdev_iovtee_cast(netdev)->role == &netdev_iovtee_nic_role) {
        peer = netdev_iovtee_cast(netdev);
    }

    explain_options(port, name, e);
    if (peer) {
        explain_driver(peer->nic, peer_name, e);
    }
    explain_connection(port, e);
    explain_coupling(port, peer ? peer->nic : NULL, e);
    for (unsigned int q = 0; q < dev->up.n_txq; q++) {
        explain_queue(port, q, peer, e);
    }
    for (unsigned int i = 0; peer && i < iovtee_nic_n_rxq(peer->nic); i++) {
        char *user = iovtee_tee_rxq_user(peer->nic, i);

        if (user && !strncmp(user, name, strlen(name))
            && user[strlen(name)] == ' ') {
            explain_rxq(peer, i, !strcmp(port->rx_zero_copy, "always"), name,
                        e);
        }
        free(user);
    }
    netdev_close(netdev);
    free(peer_name);
}

/* Traffic. */

/* Stores in 'n' what 'sum' says: first what was delivered in place, then what
 * was copied, by reason. */
static void
get_counters(const struct iovtee_rxvq_counters *sum,
             uint64_t n[IOVTEE_RECENT_COUNTERS])
{
    memset(n, 0, IOVTEE_RECENT_COUNTERS * sizeof *n);
    n[0] = sum->zero_copied;
    for (int i = 0; i < IOVTEE_N_COPY_REASONS; i++) {
        n[1 + i] = sum->copied[i];
    }
}

void
netdev_iovtee_explain_sample(struct iovtee_guest_port *port,
                             const struct iovtee_rxvq_counters *sum)
{
    uint64_t n[IOVTEE_RECENT_COUNTERS];

    get_counters(sum, n);
    iovtee_recent_add(&port->recent, time_msec(), n);
}

static void
explain_traffic(struct iovtee_guest_port *port, struct iovtee_explanation *e)
{
    uint64_t n[IOVTEE_RECENT_COUNTERS], grown[IOVTEE_RECENT_COUNTERS];
    struct ds s = DS_EMPTY_INITIALIZER;
    struct iovtee_rxvq_counters now;
    struct iovtee_condition *c;
    long long int ms;
    uint64_t sum = 0;

    iovtee_guest_port_sum_counters(port, &now);
    get_counters(&now, n);
    ms = iovtee_recent_get(&port->recent, time_msec(), n, grown);
    for (int i = 0; i < IOVTEE_RECENT_COUNTERS; i++) {
        sum += grown[i];
    }
    ds_put_format(&s, "%"PRIu64" packets in %lld.%lld s", sum, ms / 1000,
                  ms % 1000 / 100);
    if (sum) {
        ds_put_format(&s, ", %"PRIu64" in place", grown[0]);
    }
    for (int i = 0; i < IOVTEE_N_COPY_REASONS; i++) {
        if (grown[1 + i]) {
            ds_put_format(&s, ", %"PRIu64" copied as %s", grown[1 + i],
                          iovtee_copy_reason_text(i));
        }
    }
    c = iovtee_explanation_add(e, "delivered lately", !sum ? IOVTEE_UNKNOWN
                               : grown[0] == sum ? IOVTEE_FULFILLED
                               : grown[0] ? IOVTEE_IMPROVABLE
                               : IOVTEE_UNFULFILLED);
    c->found = ds_steal_cstr(&s);
    c->wanted = xstrdup("packets that come through the peer, all in place");
    c->remedy = (!sum ? xstrdup("send the guest something")
                 : xstrdup("see what is not fulfilled above"));
}
