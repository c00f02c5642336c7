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

/* Guest role: what a user sees of a vhost-user port: configuration, status and
 * statistics.  Its data path is guest/guest. */

#include <config.h>

#include "netdev-iovtee-explain.h"
#include "netdev-iovtee-guest-qos.h"
#include "netdev-iovtee-guest-stats.h"

#include <errno.h>
#include <rte_config.h>
#include <rte_ether.h>
#include <rte_lcore.h>

#include "compat/compat.h"
#include "guest/guest.h"
#include "guest/hostpool.h"
#include "nic/nic.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/vlog.h"
#include "packets.h"
#include "queue/ringstats.h"
#include "session/session.h"
#include "smap.h"
#include "tee/tee.h"
#include "timeval.h"
#include "userspace-tso.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(netdev_iovtee_guest);

/* Values of option "tx-retries-max". */
enum { RETRIES_DEFAULT = 8, RETRIES_MAX = 32 };

/* Values of option "tx-zero-copy-min", bytes: by default what is shorter is
 * copied as fast as it is lent. */
enum { TX_MIN_DEFAULT = 128, TX_MIN_MAX = 65535 };

/* How often to look whether a guest's status changed, in milliseconds. */
#define STATUS_INTERVAL 1000

/* What an MTU must be between. */
enum { MTU_MIN = RTE_ETHER_MIN_MTU, MTU_MAX = 9702 };

/* Bytes of Ethernet header and CRC, as the packet length limit of DPDK ports
 * counts them. */
#define FRAME_OVERHEAD (RTE_ETHER_HDR_LEN + RTE_ETHER_CRC_LEN)

static char *socket_path(const struct netdev_iovtee *, const struct smap *,
                         bool *server);
static int apply_config(struct netdev_iovtee *, struct iovtee_guest_port *,
                        const struct smap *, char **errp);
static char *guest_remark(const struct netdev_iovtee *);
static bool replace_string(char **old, char *new);
static bool check_peer(const struct netdev_iovtee *, const char *peer,
                       char **errp);

static int
guest_open(struct netdev_iovtee *dev, const struct smap *args, char **errp)
{
    struct iovtee_guest_port *port;
    char *remark = NULL;
    int error;

    port = xzalloc(sizeof *port);
    port->tx_zero_copy_min = TX_MIN_DEFAULT;
    port->mtu = port->requested_mtu = RTE_ETHER_MTU;
    port->max_retries = RETRIES_DEFAULT;
    port->socket_id = rte_lcore_to_socket_id(rte_get_main_lcore());
    port->guest = iovtee_guest_create(&dev->up);
    port->guest->max_packet_len = port->mtu + FRAME_OVERHEAD;
    port->flags = NETDEV_UP | NETDEV_PROMISC;
    atomic_store_relaxed(&port->guest->up, true);

    error = apply_config(dev, port, args, &remark);
    if (!error) {
        port->path = socket_path(dev, args, &port->server);
        error = iovtee_guest_open(port->guest, port->path, port->server,
                                  errp);
    }
    if (error) {
        if (!*errp) {
            *errp = remark;
        } else {
            free(remark);
        }
        iovtee_guest_destroy(port->guest);
        free(port->path);
        free(port->args_path);
        free(port->rx_zero_copy);
        free(port);
        return error;
    }

    /* Who fails takes nothing from anybody. */
    iovtee_tee_begin(port->guest->tee);
    dev->guest = port;
    dev->up.ol_flags = userspace_tso_enabled() ? IOVTEE_TSO_OL_FLAGS : 0;
    netdev_request_reconfigure(&dev->up);
    *errp = remark;
    return 0;
}

static void
guest_close(struct netdev_iovtee *dev)
{
    struct iovtee_guest_port *port = dev->guest;

    iovtee_hostpool_put(port->guest->mp);
    port->guest->mp = NULL;
    iovtee_guest_destroy(port->guest);
    free(port->path);
    free(port->requested_path);
    free(port->args_path);
    free(port->rx_zero_copy);
    free(port->remark);
    free(port->why_copied);
    free(port);
}

static int
guest_configure(struct netdev_iovtee *dev, const struct smap *args,
                char **errp)
{
    struct iovtee_guest_port *port = dev->guest;
    int error = apply_config(dev, port, args, errp);

    if (!error) {
        bool server;
        char *path = socket_path(dev, args, &server);

        if (strcmp(path, port->path) || server != port->server) {
            free(port->requested_path);
            port->requested_path = path;
            port->requested_server = server;
            netdev_request_reconfigure(&dev->up);
        } else {
            free(path);
            free(port->requested_path);
            port->requested_path = NULL;
        }
    }
    return error;
}

/* Returns the path of the socket that 'args' asks for and stores whether the
 * port is to listen there.  The caller frees it. */
static char *
socket_path(const struct netdev_iovtee *dev, const struct smap *args,
            bool *server)
{
    const char *path = smap_get(args, "vhost-server-path");

    *server = !path;
    return (path ? xstrdup(path)
            : xasprintf("%s/%s", netdev_iovtee_global.vhost_sock_dir,
                        netdev_get_name(&dev->up)));
}

/* Returns true if the values in 'args' of the port called 'name' make sense,
 * otherwise false, with a sentence in '*errp'. */
static bool
check_values(const char *name, const struct smap *args, char **errp)
{
    const char *zero_copy = smap_get_def(args, "rx-zero-copy", "true");
    const char *exposes = smap_get_def(args, "peer-rxq-exposes-frames",
                                       "false");
    const char *tx_zero_copy = smap_get_def(args, "tx-zero-copy", "false");

    if (!smap_get(args, "vhost-server-path") && strpbrk(name, "/\\")) {
        *errp = xasprintf("'%s' cannot be the name of a socket in the "
                          "directory of sockets: set vhost-server-path",
                          name);
        return false;
    }
    if (strcmp(zero_copy, "true") && strcmp(zero_copy, "false")
        && strcmp(zero_copy, "always")) {
        *errp = xasprintf("rx-zero-copy '%s' is neither true nor false nor "
                          "always", zero_copy);
        return false;
    }
    if (strcmp(tx_zero_copy, "true") && strcmp(tx_zero_copy, "false")) {
        *errp = xasprintf("tx-zero-copy '%s' is neither true nor false",
                          tx_zero_copy);
        return false;
    }
    if (strcmp(exposes, "true") && strcmp(exposes, "false")) {
        *errp = xasprintf("peer-rxq-exposes-frames '%s' is neither true nor "
                          "false", exposes);
        return false;
    }
    return true;
}

/* Applies what 'args' says of frames from the guest.  Stores in '*remark' what
 * is wrong with it, if anything is, and nothing was before. */
static void
apply_tx_zero_copy(struct iovtee_guest_port *port, const struct smap *args,
                   char **remark)
{
    const char *min = smap_get(args, "tx-zero-copy-min");
    unsigned int n = TX_MIN_DEFAULT;

    if (min && (!str_to_uint(min, 10, &n) || n > TX_MIN_MAX)) {
        n = port->tx_zero_copy_min;     /* In effect. */
        if (!*remark) {
            *remark = xasprintf("tx-zero-copy-min '%s' is not a number from 0 "
                                "to %d; %u is in effect", min, TX_MIN_MAX, n);
        }
    }
    port->tx_zero_copy = smap_get_bool(args, "tx-zero-copy", false);
    port->tx_zero_copy_min = n;
    iovtee_guest_set_tx_zero_copy(port->guest, port->tx_zero_copy, n);
}

/* Applies how much memory 'args' says that the guest may have, as the function
 * above does. */
static void
apply_memory_max(struct iovtee_guest_port *port, const struct smap *args,
                 char **remark)
{
    const char *max = smap_get(args, "guest-memory-max");
    unsigned int mib = 0;

    if (max && (!str_to_uint(max, 10, &mib) || !mib)) {
        mib = port->memory_max;
        if (!*remark) {
            *remark = xasprintf("guest-memory-max '%s' is not a number of "
                                "MiB; what was set before is in effect", max);
        }
    }
    port->memory_max = mib;
    iovtee_guest_set_max_memory(port->guest,
                                mib ? (uint64_t) mib << 20 : UINT64_MAX);
}

/* Applies the options in 'args' that need no reconfiguration.  Returns 0 if
 * successful, with a sentence in '*errp' if there is anything that the user
 * should know; otherwise a positive errno value, '*errp' says why, and nothing
 * has changed. */
static int
apply_config(struct netdev_iovtee *dev, struct iovtee_guest_port *port,
             const struct smap *args, char **errp)
{
    static const char *const known[] = {
        "guest-memory-max", "n_rxq", "peer", "peer-rxq",
        "peer-rxq-exposes-frames", "rx-zero-copy", "tx-retries-max",
        "tx-zero-copy", "tx-zero-copy-min", "vhost-server-path",
    };
    const char *zero_copy = smap_get_def(args, "rx-zero-copy", "true");
    const char *exposes = smap_get_def(args, "peer-rxq-exposes-frames",
                                       "false");
    const char *retries = smap_get(args, "tx-retries-max");
    const char *peer = smap_get(args, "peer");
    unsigned int max_retries = RETRIES_DEFAULT;
    char *remark = NULL;
    int error;

    if (!check_values(netdev_get_name(&dev->up), args, errp)
        || !check_peer(dev, peer, errp)) {
        return EINVAL;
    }
    error = iovtee_tee_set_peer(port->guest->tee, peer,
                                smap_get(args, "peer-rxq"),
                                !strcmp(exposes, "true"), errp);
    if (error) {
        return error;
    }

    if (retries && (!str_to_uint(retries, 10, &max_retries)
                    || max_retries > RETRIES_MAX)) {
        max_retries = port->max_retries;
        remark = xasprintf("tx-retries-max '%s' is not a number from 0 to %d; "
                           "%u is in effect", retries, RETRIES_MAX,
                           max_retries);
    } else {
        remark = netdev_iovtee_unknown_option(args, known,
                                              ARRAY_SIZE(known));
    }
    apply_tx_zero_copy(port, args, &remark);
    apply_memory_max(port, args, &remark);
    atomic_store_relaxed(&port->guest->max_retries, max_retries);
    port->max_retries = max_retries;
    free(port->rx_zero_copy);
    port->rx_zero_copy = xstrdup(zero_copy);
    iovtee_guest_set_zero_copy(port->guest, strcmp(zero_copy, "false"),
                               !strcmp(zero_copy, "always"));
    free(port->args_path);
    port->args_path = nullable_xstrdup(smap_get(args, "vhost-server-path"));
    *errp = remark;
    return 0;
}

/* Returns true if 'peer' is NULL, a NIC port or nothing yet, otherwise false,
 * with a sentence in '*errp'. */
static bool
check_peer(const struct netdev_iovtee *dev, const char *peer, char **errp)
{
    struct netdev *netdev;
    bool ok;

    if (peer && !strcmp(peer, netdev_get_name(&dev->up))) {
        *errp = xstrdup("a port cannot be its own peer");
        return false;
    }
    netdev = peer ? netdev_from_name(peer) : NULL;
    if (!netdev) {
        return true;
    }
    ok = netdev->netdev_class == dev->up.netdev_class
         && netdev_iovtee_cast(netdev)->role != &netdev_iovtee_guest_role;
    if (!ok) {
        *errp = xasprintf("peer '%s' is not a NIC port of type iovtee", peer);
    }
    netdev_close(netdev);
    return ok;
}

/* Follows what the guest did. */
static void
guest_run(struct netdev_iovtee *dev)
{
    struct iovtee_guest_port *port = dev->guest;
    const struct iovtee_session *session = port->guest->session;
    bool connected = iovtee_session_is_connected(session);
    int n = iovtee_session_n_queues(session);
    int numa_id = connected ? iovtee_session_numa_id(session) : -1;

    if (connected != port->connected) {
        port->connected = connected;
        netdev_change_seq_changed(&dev->up);
    }
    if ((numa_id >= 0 && numa_id != port->socket_id)
        || MAX(n, 1) != dev->up.n_rxq
        || (connected && !port->guest->mp
            && time_msec() >= port->next_pool)) {
        if (numa_id >= 0) {
            port->socket_id = numa_id;
        }
        if (!netdev_is_reconf_required(&dev->up)) {
            netdev_request_reconfigure(&dev->up);
        }
    }

    if (replace_string(&port->remark, guest_remark(dev))) {
        if (port->remark) {
            VLOG_INFO("%s: %s", netdev_get_name(&dev->up), port->remark);
        }
        netdev_change_seq_changed(&dev->up);
    }
    if (replace_string(&port->why_copied,
                       iovtee_guest_port_why_copied(port))) {
        netdev_change_seq_changed(&dev->up);
    }
    iovtee_guest_run(port->guest);
    if (time_msec() >= port->next_look) {
        struct iovtee_rxvq_counters sum;

        port->next_look = time_msec() + STATUS_INTERVAL;
        iovtee_guest_port_sum_counters(port, &sum);
        iovtee_guest_port_judge_exposure(port, &sum);
        netdev_iovtee_explain_sample(port, &sum);
    }
}

/* Replaces '*old' by 'new', of which it takes ownership.  Returns true if they
 * differ. */
static bool
replace_string(char **old, char *new)
{
    bool differ = !nullable_string_is_equal(*old, new);

    free(*old);
    *old = new;
    return differ;
}

static void
guest_wait(struct netdev_iovtee *dev)
{
    /* What the guest posts tells nobody that it changed. */
    if (dev->guest->connected) {
        poll_timer_wait(STATUS_INTERVAL);
        iovtee_guest_wait(dev->guest->guest);
    }
}

static char *
guest_remark(const struct netdev_iovtee *dev)
{
    const struct iovtee_guest_port *port = dev->guest;

    if (!port->refused_mtu) {
        return iovtee_tee_check(port->guest->tee);
    } else if (port->guest->mp) {
        return xasprintf("no memory for packets of MTU %d on NUMA node %d; "
                         "MTU %d stays in effect", port->refused_mtu,
                         port->socket_id, port->mtu);
    } else {
        return xasprintf("no memory for packets of MTU %d on NUMA node %d; "
                         "what the guest sends stays in its ring until there "
                         "is", port->refused_mtu, port->socket_id);
    }
}

/* Gets a pool for packets of the requested MTU from a guest, not before there
 * has been one: only then the NUMA node is known.  If there is no memory for
 * it then the old pool and MTU stay, since an error would take the port out of
 * the datapath. */
static void
set_mtu_and_pool(struct iovtee_guest_port *port)
{
    struct iovtee_guest *guest = port->guest;
    struct iovtee_hostpool_need need;
    struct rte_mempool *mp;

    port->refused_mtu = 0;
    if (guest->mp
        ? (port->pool_mtu == port->requested_mtu
           && port->pool_socket_id == port->socket_id)
        : !iovtee_session_is_connected(guest->session)) {
        port->mtu = port->requested_mtu;
        return;
    }

    need = (struct iovtee_hostpool_need) {
        .port = netdev_get_name(guest->netdev),
        .mtu = port->requested_mtu,
        .socket_id = port->socket_id,
        .n_queues = iovtee_session_n_queues(guest->session),
        .n_nic = iovtee_nic_tx_capacity(),
    };
    mp = iovtee_hostpool_get(&need);
    if (mp) {
        iovtee_hostpool_put(guest->mp);
        guest->mp = mp;
        port->mtu = port->pool_mtu = port->requested_mtu;
        port->pool_socket_id = port->socket_id;
    } else {
        port->refused_mtu = port->requested_mtu;
        port->next_pool = time_msec() + STATUS_INTERVAL;
        if (guest->mp) {
            port->mtu = port->requested_mtu = port->pool_mtu;
        }
    }
}

/* Opens the requested socket, or, should that fail, the old one again. */
static void
reopen(struct netdev_iovtee *dev)
{
    struct iovtee_guest_port *port = dev->guest;
    struct iovtee_guest *guest = port->guest;
    char *error = NULL;

    if (!iovtee_guest_open(guest, port->requested_path,
                           port->requested_server, &error)) {
        free(port->path);
        port->path = port->requested_path;
        port->server = port->requested_server;
    } else {
        netdev_iovtee_set_problem(dev, error);
        free(port->requested_path);
        error = NULL;
        if (!guest->session
            && iovtee_guest_open(guest, port->path, port->server, &error)) {
            VLOG_ERR("%s: %s", netdev_get_name(&dev->up), error);
            free(error);
            iovtee_hostpool_put(guest->mp);
            guest->mp = NULL;
        }
    }
    port->requested_path = NULL;
}

static int
guest_reconfigure(struct netdev *netdev)
{
    struct netdev_iovtee *dev = netdev_iovtee_cast(netdev);
    struct iovtee_guest_port *port = dev->guest;
    struct iovtee_guest *guest = port->guest;
    int n_queues;

    if (port->requested_path) {
        reopen(dev);
        if (!guest->session) {
            return EIO;
        }
    }

    n_queues = iovtee_session_n_queues(guest->session);
    netdev->n_rxq = netdev->n_txq = MAX(n_queues, 1);
    set_mtu_and_pool(port);
    guest->max_packet_len = port->mtu + FRAME_OVERHEAD;
    netdev_change_seq_changed(netdev);
    return 0;
}

static int
guest_get_config(const struct netdev *netdev, struct smap *args)
{
    const struct iovtee_guest_port *port = iovtee_guest_port(netdev);
    char *peer = iovtee_tee_peer(port->guest->tee);

    if (port->args_path) {
        smap_add(args, "vhost-server-path", port->args_path);
    }
    if (peer) {
        smap_add_nocopy(args, xstrdup("peer"), peer);
    }
    if (port->memory_max) {
        smap_add_format(args, "guest-memory-max", "%u", port->memory_max);
    }
    smap_add(args, "rx-zero-copy", port->rx_zero_copy);
    smap_add_format(args, "tx-retries-max", "%d", port->max_retries);
    smap_add(args, "tx-zero-copy", port->tx_zero_copy ? "true" : "false");
    smap_add_format(args, "tx-zero-copy-min", "%u", port->tx_zero_copy_min);

    /* As "dpdkvhostuserclient" has it in this version of Open vSwitch. */
    smap_add_format(args, "configured_rx_queues", "%d", netdev->n_rxq);
    smap_add_format(args, "requested_rx_queues", "%d", netdev->n_rxq);
    smap_add_format(args, "configured_tx_queues", "%d", netdev->n_txq);
    smap_add_format(args, "requested_tx_queues", "%d", netdev->n_txq);
    smap_add_format(args, "mtu", "%d", port->mtu);
    return 0;
}

static int
guest_get_numa_id(const struct netdev *netdev)
{
    return iovtee_guest_port(netdev)->socket_id;
}

static int
guest_send(struct netdev *netdev, int qid, struct dp_packet_batch *batch,
           bool concurrent_txq OVS_UNUSED)
{
    iovtee_guest_send(iovtee_guest_port(netdev)->guest, qid, batch);
    return 0;
}

static int
guest_rxq_recv(struct netdev_rxq *rxq, struct dp_packet_batch *batch,
               int *qfill)
{
    return iovtee_guest_recv(iovtee_guest_port(rxq->netdev)->guest,
                             rxq->queue_id, batch, qfill);
}

static bool
guest_rxq_enabled(struct netdev_rxq *rxq)
{
    /* Queue 0 always: not every front-end says that it enables it. */
    return !rxq->queue_id
           || iovtee_session_txq_enabled(
               iovtee_guest_port(rxq->netdev)->guest->session, rxq->queue_id);
}

static int
guest_set_etheraddr(struct netdev *netdev, const struct eth_addr mac)
{
    struct iovtee_guest_port *port = iovtee_guest_port(netdev);

    if (!eth_addr_equals(port->mac, mac)) {
        port->mac = mac;
        netdev_change_seq_changed(netdev);
    }
    return 0;
}

static int
guest_get_etheraddr(const struct netdev *netdev, struct eth_addr *mac)
{
    *mac = iovtee_guest_port(netdev)->mac;
    return 0;
}

static int
guest_get_mtu(const struct netdev *netdev, int *mtup)
{
    *mtup = iovtee_guest_port(netdev)->mtu;
    return 0;
}

static int
guest_set_mtu(struct netdev *netdev, int mtu)
{
    struct iovtee_guest_port *port = iovtee_guest_port(netdev);

    if (mtu < MTU_MIN || mtu > MTU_MAX) {
        VLOG_WARN("%s: unsupported MTU %d", netdev_get_name(netdev), mtu);
        return EINVAL;
    }
    if (port->requested_mtu != mtu) {
        port->requested_mtu = mtu;
        netdev_request_reconfigure(netdev);
    }
    return 0;
}

static int
guest_get_carrier(const struct netdev *netdev, bool *carrier)
{
    *carrier = iovtee_guest_port_is_up(iovtee_guest_port(netdev));
    return 0;
}

static int
guest_update_flags(struct netdev *netdev, enum netdev_flags off,
                   enum netdev_flags on, enum netdev_flags *old_flags)
{
    struct iovtee_guest_port *port = iovtee_guest_port(netdev);

    if ((off | on) & ~(NETDEV_UP | NETDEV_PROMISC)) {
        return EINVAL;
    }
    *old_flags = port->flags;
    port->flags = (port->flags | on) & ~off;
    if (port->flags != *old_flags) {
        atomic_store_relaxed(&port->guest->up,
                             (port->flags & NETDEV_UP) != 0);
        netdev_change_seq_changed(netdev);
    }
    return 0;
}

/* Writes to 'stream' where packets from the guest come from.  Returns false if
 * there has been no guest yet, and so no pool either. */
static bool
guest_dump_pool(struct netdev_iovtee *dev, FILE *stream)
{
    struct rte_mempool *mp = dev->guest->guest->mp;

    if (mp) {
        iovtee_hostpool_dump(mp, stream);
    }
    return mp != NULL;
}

const struct iovtee_role netdev_iovtee_guest_role = {
    .name = "guest",
    .ops = {
        .get_config = guest_get_config,
        .get_numa_id = guest_get_numa_id,
        .send = guest_send,
        .set_etheraddr = guest_set_etheraddr,
        .get_etheraddr = guest_get_etheraddr,
        .get_mtu = guest_get_mtu,
        .set_mtu = guest_set_mtu,
        .get_carrier = guest_get_carrier,
        .get_stats = netdev_iovtee_guest_get_stats,
        .get_custom_stats = netdev_iovtee_guest_get_custom_stats,
        .set_policing = netdev_iovtee_qos_set_policing,
        .get_qos_types = netdev_iovtee_qos_get_types,
        .get_qos = netdev_iovtee_qos_get,
        .set_qos = netdev_iovtee_qos_set,
        .get_queue = netdev_iovtee_qos_get_queue,
        .set_queue = netdev_iovtee_qos_set_queue,
        .delete_queue = netdev_iovtee_qos_delete_queue,
        .get_queue_stats = netdev_iovtee_qos_get_queue_stats,
        .queue_dump_start = netdev_iovtee_qos_dump_start,
        .queue_dump_next = netdev_iovtee_qos_dump_next,
        .queue_dump_done = netdev_iovtee_qos_dump_done,
        .get_status = netdev_iovtee_guest_get_status,
        .update_flags = guest_update_flags,
        .reconfigure = guest_reconfigure,
        .rxq_recv = guest_rxq_recv,
        .rxq_enabled = guest_rxq_enabled,
    },
    .open = guest_open,
    .close = guest_close,
    .configure = guest_configure,
    .run = guest_run,
    .wait = guest_wait,
    .show = netdev_iovtee_guest_show,
    .check = netdev_iovtee_guest_check,
    .dump_pool = guest_dump_pool,
    .remark = guest_remark,
};
