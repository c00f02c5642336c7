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

/* NIC role: stacks on a hidden netdev of type "dpdk", which does everything
 * that concerns the NIC as such.  The upper netdev changes where receive
 * buffers come from (nic/nic) and passes on what the lower one wants: to be
 * reconfigured, or to be looked at again. */

#include <config.h>

#include "netdev-iovtee-role.h"

#include <errno.h>

#include "compat/compat.h"
#include "dp-packet.h"
#include "if-notifier.h"
#include "netdev-dpdk.h"
#include "nic/nic.h"
#include "openvswitch/list.h"
#include "openvswitch/vlog.h"
#include "ovs-thread.h"
#include "smap.h"
#include "tee/tee.h"
#include "timeval.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(netdev_iovtee_nic);

/* Descriptors of a receive or transmit queue of a "dpdk" netdev. */
enum { MAX_RING_SIZE = 4096 };

/* A device that another port has is asked for again so often. */
enum { MAX_REFUSED = 2 };

/* How often to look which guests there are, in milliseconds. */
#define STATUS_INTERVAL 1000

/* All NIC ports, also those that are about to be deleted. */
static struct ovs_mutex nics_mutex = OVS_MUTEX_INITIALIZER;
static struct ovs_list nics OVS_GUARDED_BY(nics_mutex)
    = OVS_LIST_INITIALIZER(&nics);

static int change_device(struct netdev_iovtee *, const struct smap *,
                         char **errp);
static int apply_config(struct netdev_iovtee *, const struct smap *,
                        char **errp);
static void choose_ring_size(struct netdev_iovtee *, struct smap *);
static void track_lower(struct netdev_iovtee *);
static const char *get_device(const struct smap *);
static char *exposure(const struct netdev_iovtee *);
static void track_exposure(struct netdev_iovtee *);
static char *keep_ring_size(const struct netdev_iovtee *, struct smap *,
                            const char *key);
static char *keep_tx_early(const struct netdev_iovtee *, struct smap *);
static enum iovtee_tx_early get_tx_early(const struct smap *);

/* Opens a netdev of type "dpdk" that only 'dev' has, under its name with
 * 'suffix'. */
static int
open_own(const struct netdev_iovtee *dev, const char *suffix,
         struct netdev **netdevp, char **errp)
{
    const char *name = netdev_get_name(&dev->up);
    char *own = xasprintf("%s%s", name, suffix);
    struct netdev *other = netdev_from_name(own);
    int error;

    if (other) {
        /* Opening it would share it. */
        *errp = xasprintf("%s: there must be no other port '%s'", name, own);
        netdev_close(other);
        error = EEXIST;
    } else {
        error = netdev_open(own, "dpdk", netdevp);
        if (error) {
            *errp = xasprintf("%s: the device cannot be opened (%s)", name,
                              ovs_strerror(error));
        }
    }
    free(own);
    return error;
}

static int
nic_open(struct netdev_iovtee *dev, const struct smap *args, char **errp)
{
    int error = open_own(dev, IOVTEE_LOWER_SUFFIX, &dev->lower, errp);

    if (error) {
        return error;
    }

    dev->nic = iovtee_nic_create(netdev_get_name(&dev->up));
    error = apply_config(dev, args, errp);
    if (error) {
        iovtee_nic_destroy(dev->nic);
        netdev_close(dev->lower);
        dev->nic = NULL;
        dev->lower = NULL;
        return error;
    }
    ovs_mutex_lock(&nics_mutex);
    ovs_list_push_back(&nics, &dev->nic_node);
    ovs_mutex_unlock(&nics_mutex);
    iovtee_tee_nic_add(dev->nic);
    netdev_request_reconfigure(&dev->up);
    return 0;
}

static void
nic_close(struct netdev_iovtee *dev)
{
    struct netdev_iovtee *other;

    /* Whoever waits for the device can have it when that of 'dev' is
     * closed. */
    ovs_mutex_lock(&nics_mutex);
    ovs_list_remove(&dev->nic_node);
    LIST_FOR_EACH (other, nic_node, &nics) {
        if (nullable_string_is_equal(other->wanted, get_device(&dev->args))) {
            if_notifier_manual_report();
        }
    }
    ovs_mutex_unlock(&nics_mutex);

    free(dev->wanted);
    iovtee_tee_nic_remove(dev->nic);
    iovtee_nic_close(dev->nic);
    netdev_iovtee_defer_close(dev->lower, dev->nic);
}

static const char *
get_device(const struct smap *args)
{
    return smap_get_def(args, "dpdk-devargs", "");
}

static int
nic_configure(struct netdev_iovtee *dev, const struct smap *args, char **errp)
{
    int error;

    if (strcmp(get_device(args), get_device(&dev->args))) {
        return change_device(dev, args, errp);
    }
    free(dev->wanted);
    dev->wanted = NULL;

    error = apply_config(dev, args, errp);
    if (error) {
        /* Take back what the lower netdev may have accepted of it. */
        dev->lower->netdev_class->set_config(dev->lower, &dev->args, NULL);
    }
    track_lower(dev);
    return error;
}

/* Returns 0 if the device in 'args' can be had, otherwise a positive errno
 * value, EADDRINUSE if another port has it, and a sentence in '*errp'. */
static int
try_device(struct netdev_iovtee *dev, const struct smap *args, char **errp)
{
    struct netdev *trial;
    int error;

    error = open_own(dev, ".new", &trial, errp);
    if (!error) {
        error = trial->netdev_class->set_config(trial, args, errp);
        netdev_close(trial);
    }
    return error;
}

/* Returns the port whose device is 'device', NULL if it is none of ours. */
static struct netdev_iovtee *
find_holder(const char *device)
    OVS_REQUIRES(nics_mutex)
{
    struct netdev_iovtee *dev;

    LIST_FOR_EACH (dev, nic_node, &nics) {
        if (!strcmp(get_device(&dev->args), device)) {
            return dev;
        }
    }
    return NULL;
}

/* Stores the name of the port that has 'device' in '*holder', or NULL if that
 * is not one of ours; the caller frees it.  Returns true if it will give it
 * up: that port wants the device of one that wants the device of one..., who
 * wants that of 'dev'. */
static bool
is_exchange(const struct netdev_iovtee *dev, const char *device,
            char **holder)
{
    const struct netdev_iovtee *port;
    size_t n;

    ovs_mutex_lock(&nics_mutex);
    port = find_holder(device);
    *holder = port ? xstrdup(netdev_get_name(&port->up)) : NULL;
    for (n = ovs_list_size(&nics); n && port && port != dev; n--) {
        port = port->wanted ? find_holder(port->wanted) : NULL;
    }
    ovs_mutex_unlock(&nics_mutex);
    return port == dev;
}

/* The user wants another device.  Returns EAGAIN, which makes the bridge
 * delete the port and add it again, if that device can be had, otherwise
 * another positive errno value, with a sentence in '*errp'.
 *
 * A device may be another port's only until that port, too, is configured for
 * the same transaction, or they may exchange their devices.  So the bridge is
 * made to configure all of them a second time. */
static int
change_device(struct netdev_iovtee *dev, const struct smap *args, char **errp)
{
    const char *device = get_device(args);
    char *holder;
    bool exchange;
    int error;

    error = try_device(dev, args, errp);
    if (error != EADDRINUSE) {
        free(dev->wanted);
        dev->wanted = NULL;
        return error ? error : EAGAIN;
    }

    if (!nullable_string_is_equal(dev->wanted, device)) {
        free(dev->wanted);
        dev->wanted = xstrdup(device);
        dev->n_refused = 0;
    }
    exchange = is_exchange(dev, device, &holder);
    if (exchange && dev->n_refused) {
        error = EAGAIN;
    } else if (dev->n_refused++ < MAX_REFUSED) {
        if_notifier_manual_report();
    }
    if (holder) {
        free(*errp);
        *errp = xasprintf("device '%s' is in use by port '%s'", device,
                          holder);
        free(holder);
    }
    return error;
}

static int
apply_config(struct netdev_iovtee *dev, const struct smap *args_, char **errp)
{
    static const char *const known[] = {
        "dpdk-devargs", "dpdk-lsc-interrupt", "dpdk-vf-mac",
        "flow-ctrl-autoneg", "n_rxq", "n_rxq_desc", "n_txq_desc",
        "rx-flow-ctrl", "tx-early-completion", "tx-flow-ctrl",
#if IOVTEE_HAS_RX_STEERING
        "rx-steering",
#endif
    };
    char *remarks[3], *remark = NULL;
    struct smap args;
    int error;

    smap_clone(&args, args_);
    remarks[0] = keep_ring_size(dev, &args, "n_rxq_desc");
    remarks[1] = keep_ring_size(dev, &args, "n_txq_desc");
    remarks[2] = keep_tx_early(dev, &args);
    for (size_t i = 0; i < ARRAY_SIZE(remarks); i++) {
        if (!remark) {
            remark = remarks[i];
        } else {
            free(remarks[i]);
        }
    }

    error = dev->lower->netdev_class->set_config(dev->lower, &args, errp);
    if (!error) {
        choose_ring_size(dev, &args);
        smap_destroy(&dev->args);
        smap_clone(&dev->args, &args);
        if (!remark) {
            remark = netdev_iovtee_unknown_option(args_, known,
                                                  ARRAY_SIZE(known));
        }
        iovtee_nic_set_tx_early(dev->nic, get_tx_early(&args));
        if (!*errp) {
            *errp = remark;
            remark = NULL;
        }
    }
    free(remark);
    smap_destroy(&args);
    return error;
}

/* If 'args', which the lower netdev has accepted, leave the length of receive
 * rings to us, chooses one that suits a guest's buffers. */
static void
choose_ring_size(struct netdev_iovtee *dev, struct smap *args)
{
    int port_id = netdev_dpdk_get_port_id(dev->lower);
    unsigned int size = iovtee_nic_default_ring_size(port_id);

    if (size && !smap_get(args, "n_rxq_desc")) {
        smap_add_format(args, "n_rxq_desc", "%u", size);
        dev->lower->netdev_class->set_config(dev->lower, args, NULL);
    }
}

/* If option 'key' in 'args' is not the size of a ring, for which "dpdk"
 * netdevs silently take the default, puts the one in effect in its place and
 * returns a sentence that says so, which the caller frees; otherwise returns
 * NULL. */
static char *
keep_ring_size(const struct netdev_iovtee *dev, struct smap *args,
               const char *key)
{
    const char *in_effect = smap_get(&dev->args, key);
    const char *value = smap_get(args, key);
    unsigned int n;
    char *remark;

    if (!value || (str_to_uint(value, 10, &n) && n >= 1 && n <= MAX_RING_SIZE
                   && is_pow2(n))) {
        return NULL;
    }
    remark = xasprintf("%s '%s' is not a power of 2 from 1 to %d; %s is in "
                       "effect", key, value, MAX_RING_SIZE,
                       in_effect ? in_effect : "the default");
    smap_remove(args, key);
    if (in_effect) {
        smap_add(args, key, in_effect);
    }
    return remark;
}

/* Like keep_ring_size(), for option "tx-early-completion". */
static char *
keep_tx_early(const struct netdev_iovtee *dev, struct smap *args)
{
    static const char key[] = "tx-early-completion";
    const char *value = smap_get_def(args, key, "auto");
    const char *in_effect;
    char *remark;

    if (!strcmp(value, "auto") || !strcmp(value, "true")
        || !strcmp(value, "false")) {
        return NULL;
    }
    in_effect = smap_get_def(&dev->args, key, "auto");
    remark = xasprintf("%s '%s' is none of true, false and auto; %s is in "
                       "effect", key, value, in_effect);
    smap_replace(args, key, in_effect);
    return remark;
}

/* Returns what option "tx-early-completion" in 'args', which is right,
 * says. */
static enum iovtee_tx_early
get_tx_early(const struct smap *args)
{
    const char *value = smap_get_def(args, "tx-early-completion", "auto");

    return (!strcmp(value, "true") ? IOVTEE_TX_EARLY_ON
            : !strcmp(value, "false") ? IOVTEE_TX_EARLY_OFF
            : IOVTEE_TX_EARLY_AUTO);
}

/* Makes our users notice what changed below us. */
static void
track_lower(struct netdev_iovtee *dev)
{
    uint64_t seq = netdev_get_change_seq(dev->lower);

    if (seq != dev->lower_change_seq) {
        dev->lower_change_seq = seq;
        netdev_change_seq_changed(&dev->up);
    }
    if (netdev_is_reconf_required(dev->lower)
        && !netdev_is_reconf_required(&dev->up)) {
        netdev_request_reconfigure(&dev->up);
    }
}

/* Returns a sentence if there are guests that can read all that the NIC
 * receives, otherwise NULL.  The caller frees it. */
static char *
exposure(const struct netdev_iovtee *dev)
{
    char *guests = (iovtee_nic_is_vf(dev->nic) ? NULL
                    : iovtee_tee_nic_guests(dev->nic));
    char *sentence = NULL;

    if (guests) {
        sentence = xasprintf("%s can read what is received here, for "
                             "whomever it is: this is not a virtual function",
                             guests);
    }
    free(guests);
    return sentence;
}

/* Makes our users notice when there is something else to say about that. */
static void
track_exposure(struct netdev_iovtee *dev)
{
    char *sentence;

    if (time_msec() < dev->next_look) {
        return;
    }
    dev->next_look = time_msec() + STATUS_INTERVAL;
    sentence = exposure(dev);
    if (!nullable_string_is_equal(sentence, dev->exposure)) {
        netdev_change_seq_changed(&dev->up);
    }
    free(dev->exposure);
    dev->exposure = sentence;
}

static void
nic_run(struct netdev_iovtee *dev)
{
    track_lower(dev);
    track_exposure(dev);
    iovtee_nic_run(dev->nic);
}

static void
nic_wait(struct netdev_iovtee *dev)
{
    netdev_wait_reconf_required(dev->lower);
}

static int
nic_set_tx_multiq(struct netdev *netdev, unsigned int n_txq)
{
    struct netdev_iovtee *dev = netdev_iovtee_cast(netdev);
    int error = dev->lower->netdev_class->set_tx_multiq(dev->lower, n_txq);

    track_lower(dev);
    return error;
}

static int
nic_set_mtu(struct netdev *netdev, int mtu)
{
    struct netdev_iovtee *dev = netdev_iovtee_cast(netdev);
    int error = dev->lower->netdev_class->set_mtu(dev->lower, mtu);

    track_lower(dev);
    return error;
}

static int
nic_set_etheraddr(struct netdev *netdev, const struct eth_addr mac)
{
    struct netdev_iovtee *dev = netdev_iovtee_cast(netdev);
    int error = dev->lower->netdev_class->set_etheraddr(dev->lower, mac);

    track_lower(dev);
    return error;
}

static int
nic_update_flags(struct netdev *netdev, enum netdev_flags off,
                 enum netdev_flags on, enum netdev_flags *old_flags)
{
    struct netdev_iovtee *dev = netdev_iovtee_cast(netdev);
    int error = dev->lower->netdev_class->update_flags(dev->lower, off, on,
                                                       old_flags);

    if (!error) {
        iovtee_nic_set_admin_up(dev->nic,
                                ((*old_flags | on) & ~off) & NETDEV_UP);
    }
    track_lower(dev);
    return error;
}

static int
nic_reconfigure(struct netdev *netdev)
{
    struct netdev_iovtee *dev = netdev_iovtee_cast(netdev);
    int port_id = netdev_dpdk_get_port_id(dev->lower);
    int error;

    iovtee_nic_begin_reconfigure(dev->nic, port_id);
    error = netdev_reconfigure(dev->lower);
    netdev->n_rxq = dev->lower->n_rxq;
    netdev->n_txq = dev->lower->n_txq;
    netdev->ol_flags = dev->lower->ol_flags;
    iovtee_nic_end_reconfigure(dev->nic, netdev->n_rxq, netdev->n_txq);

    iovtee_tee_nic_changed(dev->nic);
    track_lower(dev);
    return error;
}

static int
nic_send(struct netdev *netdev, int qid, struct dp_packet_batch *batch,
         bool concurrent_txq)
{
    const struct netdev_iovtee *dev = netdev_iovtee_cast(netdev);

    return iovtee_nic_send(dev->nic, dev->lower, qid, batch, concurrent_txq);
}

static int
nic_rxq_recv(struct netdev_rxq *rxq, struct dp_packet_batch *batch,
             int *qfill)
{
    const struct netdev_iovtee *dev = netdev_iovtee_cast(rxq->netdev);
    struct netdev_rxq_iovtee *rx = CONTAINER_OF(rxq, struct netdev_rxq_iovtee,
                                                up);

    if (qfill) {
        *qfill = -EOPNOTSUPP;
    }
    return iovtee_nic_recv(dev->nic, rx->lower, batch);
}

/* Returns how many packets the lower netdev's policer has dropped. */
static uint64_t
nic_policed(const struct netdev_iovtee *dev)
{
    struct netdev_custom_stats custom;
    uint64_t n = 0;

    if (netdev_get_custom_stats(dev->lower, &custom)) {
        return 0;
    }
    for (unsigned int i = 0; i < custom.size; i++) {
        if (!strcmp(custom.counters[i].name, "ovs_rx_qos_drops")) {
            n = custom.counters[i].value;
        }
    }
    netdev_free_custom_stats_counters(&custom);
    return n;
}

/* To a driver each refill that is put off is a failed allocation, and it
 * counts 32 of these, say, at each poll.  netdev-dpdk takes them for packets
 * dropped.  What the NIC had no buffer for it counts as missed.  So of the
 * allocations only those count that failed because the host, not the guest,
 * had no buffers. */
static int
nic_get_stats(const struct netdev *netdev, struct netdev_stats *stats)
{
    const struct netdev_iovtee *dev = netdev_iovtee_cast(netdev);
    int error = dev->lower->netdev_class->get_stats(dev->lower, stats);

    if (!error && stats->rx_missed_errors != UINT64_MAX) {
        stats->rx_dropped = (stats->rx_missed_errors + nic_policed(dev)
                             + iovtee_nic_n_exhausted(dev->nic));
    }
    stats->tx_dropped += iovtee_nic_n_restart_drops(dev->nic);
    return error;
}

static int
nic_get_custom_stats(const struct netdev *netdev,
                     struct netdev_custom_stats *custom)
{
    const struct netdev_iovtee *dev = netdev_iovtee_cast(netdev);
    int error = dev->lower->netdev_class->get_custom_stats(dev->lower, custom);
    struct netdev_custom_counter *counter;

    if (!error) {
        custom->counters = xrealloc(custom->counters, (custom->size + 1)
                                    * sizeof *custom->counters);
        counter = &custom->counters[custom->size++];
        counter->value = iovtee_nic_n_restart_drops(dev->nic);
        ovs_strlcpy(counter->name, "iovtee_tx_restart_drops",
                    sizeof counter->name);
    }
    return error;
}

static int
nic_get_status(const struct netdev *netdev, struct smap *args)
{
    const struct netdev_iovtee *dev = netdev_iovtee_cast(netdev);
    const char *copy_only = iovtee_nic_copy_only(dev->nic);
    int error = dev->lower->netdev_class->get_status(dev->lower, args);
    char *exposed = exposure(dev);

    if (exposed) {
        smap_add_nocopy(args, xstrdup("exposure"), exposed);
    }
    smap_add(args, "lower", netdev_get_name(dev->lower));
    smap_add(args, "zero_copy", copy_only ? copy_only : "possible");
    smap_add_nocopy(args, xstrdup("tx_completion"),
                    iovtee_nic_tx_early_text(dev->nic));
    return error;
}

/* Could most packets of a receive queue come in buffers of the host because it
 * has more descriptors than the guest has buffers?  Drivers that hold few
 * buffers, whatever their descriptors, do not count. */
static bool
is_too_long(const struct iovtee_nic_rxq_info *info)
{
    return (info->n_ring && info->n_desc > info->n_ring / 2
            && info->n_guest + info->n_host > info->n_ring / 2);
}

static void
nic_show(struct netdev_iovtee *dev, struct ds *s)
{
    const char *copy_only = iovtee_nic_copy_only(dev->nic);
    const char *driver = iovtee_nic_driver(dev->nic);
    char *completion = iovtee_nic_tx_early_text(dev->nic);
    char *exposed = exposure(dev);

    ds_put_format(s, "  device: %s, driver %s, NUMA node %d\n",
                  get_device(&dev->args),
                  driver ? driver : "unknown", iovtee_nic_numa_id(dev->nic));
    ds_put_format(s, "  zero-copy: %s\n", copy_only ? copy_only : "possible");
    ds_put_format(s, "  guest buffers must hold frames of %"PRIu32" bytes\n",
                  iovtee_nic_max_frame(dev->nic));
    ds_put_format(s, "  sent packets come back %s\n", completion);
    free(completion);
    if (exposed) {
        ds_put_format(s, "  exposure: %s\n", exposed);
        free(exposed);
    }
    for (unsigned int i = 0; i < iovtee_nic_n_rxq(dev->nic); i++) {
        struct iovtee_nic_rxq_info info;
        char *user;

        if (!iovtee_nic_get_rxq_info(dev->nic, i, &info)) {
            continue;
        }
        user = iovtee_tee_rxq_user(dev->nic, i);
        ds_put_format(s, "  rxq %u: %u descriptors, buffers from %s\n", i,
                      info.n_desc, user ? user : "the host");
        ds_put_format(s, "    posted: %u of the guest, about %u of the "
                      "host\n", info.n_guest, info.n_host);
        ds_put_format(s, "    refills put off: %"PRIu64", host buffers given "
                      "when dry: %"PRIu64", stops: %"PRIu64,
                      info.n_refused, info.n_dry, info.n_stops);
        if (info.n_stops) {
            ds_put_format(s, " (of %lld us at most)", info.longest_stop);
        }
        ds_put_cstr(s, "\n");
        if (info.n_ring) {
            ds_put_format(s, "    lending: %s (gain %u %%, cost %u %%)\n",
                          info.paused ? "paused" : "on", info.percent,
                          100 - info.percent);
        }
        if (is_too_long(&info)) {
            ds_put_format(s, "    hint: the guest's ring has %u buffers, with "
                          "n_rxq_desc=%u fewer packets are copied\n",
                          info.n_ring, info.n_ring / 2);
        }
        free(user);
    }
}

const struct iovtee_role netdev_iovtee_nic_role = {
    .name = "NIC",
    .ops = {
        .set_tx_multiq = nic_set_tx_multiq,
        .send = nic_send,
        .set_etheraddr = nic_set_etheraddr,
        .set_mtu = nic_set_mtu,
        .get_stats = nic_get_stats,
        .get_custom_stats = nic_get_custom_stats,
        .get_status = nic_get_status,
        .update_flags = nic_update_flags,
        .reconfigure = nic_reconfigure,
        .rxq_recv = nic_rxq_recv,
    },
    .open = nic_open,
    .close = nic_close,
    .configure = nic_configure,
    .run = nic_run,
    .wait = nic_wait,
    .show = nic_show,
};
