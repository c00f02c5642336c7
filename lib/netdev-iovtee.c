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

/* The netdev class "iovtee": which role a netdev has, and which operations
 * the role does itself. */

#include <config.h>

#include "netdev-iovtee-retired.h"
#include "netdev-iovtee-role.h"
#include "netdev-iovtee.h"

#include <errno.h>

#include "border/border.h"
#include "compat/compat.h"
#include "dirs.h"
#include "dpdk.h"
#include "fatal-signal.h"
#include "guest/hostpool.h"
#include "hash.h"
#include "netdev-provider.h"
#include "nic/nic.h"
#include "openvswitch/list.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/vlog.h"
#include "ovs-thread.h"
#include "queue/rxvq.h"
#include "seq.h"
#include "session/session.h"
#include "smap.h"
#include "sset.h"
#include "util.h"
#include "virtio/busfault.h"

#ifndef DPDK_NETDEV
#error "iovtee needs Open vSwitch configured with DPDK."
#endif

VLOG_DEFINE_THIS_MODULE(netdev_iovtee);

/* While there are queues that are retired, they are looked at so often. */
#define RETIRED_INTERVAL 100    /* Milliseconds. */

/* How many there are, and what says that another one has come, as of the last
 * look.  Main thread only. */
static size_t n_retired;
static uint64_t retired_seqno;

/* All netdevs of the class. */
static struct ovs_mutex all_mutex = OVS_MUTEX_INITIALIZER;
static struct ovs_list all OVS_GUARDED_BY(all_mutex)
    = OVS_LIST_INITIALIZER(&all);

static const struct netdev_class netdev_iovtee_class;

void
netdev_iovtee_register(void)
{
    int error = iovtee_busfault_init();

    if (error) {
        VLOG_WARN("cannot handle SIGBUS (%s): front-ends that truncate guest "
                  "memory will end this process", ovs_strerror(error));
    }
    netdev_iovtee_global.class = &netdev_iovtee_class;
    iovtee_border_trust(&netdev_iovtee_class);
    netdev_register_provider(&netdev_iovtee_class);
}

void
netdev_iovtee_set_dpdk_config(const struct smap *ovs_other_config)
{
    const char *dir = smap_get_def(ovs_other_config, "vhost-sock-dir", "");

    /* netdev-dpdk says in the log what it thinks of the value. */
    free(netdev_iovtee_global.vhost_sock_dir);
    netdev_iovtee_global.vhost_sock_dir
        = (dir[0] && strcmp(dir, ".") && !strstr(dir, "..")
           && strlen(dir) <= NAME_MAX
           ? xasprintf("%s/%s", ovs_rundir(), dir)
           : xstrdup(ovs_rundir()));

    iovtee_hostpool_configure(ovs_other_config);

    if (smap_get_bool(ovs_other_config, "vhost-iommu-support", false)) {
        VLOG_WARN("vhost-iommu-support has no effect on iovtee ports");
    }
    if (smap_get_bool(ovs_other_config, "vhost-postcopy-support", false)) {
        VLOG_WARN("vhost-postcopy-support has no effect on iovtee ports");
    }
}

/* Appends to 's' what there is to say of every netdev of the class, or of
 * 'name' alone if it is nonnull.  Returns false if there is none. */
bool
netdev_iovtee_show(const char *name, struct ds *s)
{
    struct netdev_iovtee *dev;
    bool found = false;

    ovs_mutex_lock(&all_mutex);
    LIST_FOR_EACH (dev, node, &all) {
        char *problem;

        if (name && strcmp(name, netdev_get_name(&dev->up))) {
            continue;
        }
        found = true;
        ds_put_format(s, "%s: ", netdev_get_name(&dev->up));
        if (dev->role) {
            ds_put_format(s, "%s\n", dev->role->name);
            dev->role->show(dev, s);
        } else {
            ds_put_cstr(s, "not configured\n");
        }
        problem = netdev_iovtee_problem(dev);
        if (problem) {
            ds_put_format(s, "  problem: %s\n", problem);
            free(problem);
        }
    }
    ovs_mutex_unlock(&all_mutex);
    if (!name) {
        netdev_iovtee_show_retired(s);
    }
    return found;
}

/* Returns NULL if every guest buffer is where the books say, otherwise lines
 * that say what is wrong.  The caller frees it. */
char *
netdev_iovtee_check(void)
{
    struct ds s = DS_EMPTY_INITIALIZER;
    struct netdev_iovtee *dev;

    ovs_mutex_lock(&all_mutex);
    LIST_FOR_EACH (dev, node, &all) {
        char *problem = (dev->role && dev->role->check
                         ? dev->role->check(dev) : NULL);

        if (problem) {
            ds_put_format(&s, "%s: %s\n", netdev_get_name(&dev->up),
                          problem);
            free(problem);
        }
    }
    ovs_mutex_unlock(&all_mutex);
    return s.length ? ds_steal_cstr(&s) : NULL;
}

/* Brings the guest port 'name', or all of them if it is NULL, administratively
 * up or down.  Returns false if there is no such guest port. */
bool
netdev_iovtee_set_up(const char *name, bool up)
{
    struct netdev_iovtee *dev;
    bool found = false;

    ovs_mutex_lock(&all_mutex);
    LIST_FOR_EACH (dev, node, &all) {
        if (dev->role == &netdev_iovtee_guest_role
            && (!name || !strcmp(name, netdev_get_name(&dev->up)))) {
            enum netdev_flags old_flags;

            found = true;
            dev->role->ops.update_flags(&dev->up, up ? 0 : NETDEV_UP,
                                        up ? NETDEV_UP : 0, &old_flags);
        }
    }
    ovs_mutex_unlock(&all_mutex);
    return found;
}

/* Writes to 'stream' where the packets of guest port 'name' come from.
 * Returns false if there is no such port, or nothing to tell yet. */
bool
netdev_iovtee_dump_pool(const char *name, FILE *stream)
{
    struct netdev_iovtee *dev;
    bool found = false;

    ovs_mutex_lock(&all_mutex);
    LIST_FOR_EACH (dev, node, &all) {
        if (!strcmp(name, netdev_get_name(&dev->up)) && dev->role
            && dev->role->dump_pool) {
            found = dev->role->dump_pool(dev, stream);
        }
    }
    ovs_mutex_unlock(&all_mutex);
    return found;
}

/* Returns the name of the netdev of type "dpdk" below NIC port 'name', or NULL
 * if there is no such port.  The caller frees it. */
char *
netdev_iovtee_lower_name(const char *name)
{
    struct netdev_iovtee *dev;
    char *lower = NULL;

    ovs_mutex_lock(&all_mutex);
    LIST_FOR_EACH (dev, node, &all) {
        if (dev->lower && !strcmp(name, netdev_get_name(&dev->up))) {
            lower = xstrdup(netdev_get_name(dev->lower));
        }
    }
    ovs_mutex_unlock(&all_mutex);
    return lower;
}

/* The process is about to end, with guests that go on: give back what they
 * lent us while there is somebody to do so. */
static void
stop_all(void *aux OVS_UNUSED)
{
    iovtee_session_close_all();
    netdev_iovtee_close_deferred();
}

static int
netdev_iovtee_init(void)
{
    fatal_signal_add_hook(stop_all, NULL, NULL, true);
    return 0;
}

static void
netdev_iovtee_run(const struct netdev_class *class OVS_UNUSED)
{
    struct netdev_iovtee *dev;

    netdev_iovtee_close_deferred();
    retired_seqno = seq_read(iovtee_retired_seq());
    n_retired = netdev_iovtee_fetch_retired();
    iovtee_hostpool_sweep();

    ovs_mutex_lock(&all_mutex);
    LIST_FOR_EACH (dev, node, &all) {
        if (dev->role && dev->role->run) {
            dev->role->run(dev);
        }
    }
    ovs_mutex_unlock(&all_mutex);
}

static void
netdev_iovtee_wait(const struct netdev_class *class OVS_UNUSED)
{
    struct netdev_iovtee *dev;

    seq_wait(iovtee_retired_seq(), retired_seqno);
    if (n_retired) {
        poll_timer_wait(RETIRED_INTERVAL);
    }
    ovs_mutex_lock(&all_mutex);
    LIST_FOR_EACH (dev, node, &all) {
        if (dev->role && dev->role->wait) {
            dev->role->wait(dev);
        }
    }
    ovs_mutex_unlock(&all_mutex);
}

static struct netdev *
netdev_iovtee_alloc(void)
{
    struct netdev_iovtee *dev = xzalloc(sizeof *dev);

    return &dev->up;
}

static int
netdev_iovtee_construct(struct netdev *netdev)
{
    struct netdev_iovtee *dev = netdev_iovtee_cast(netdev);

    if (!dpdk_available()) {
        VLOG_ERR("%s: ports of type iovtee need DPDK: set other_config:"
                 "dpdk-init=true in table Open_vSwitch", netdev->name);
        return ENODEV;
    }

    smap_init(&dev->args);
    netdev->n_rxq = 0;
    netdev->n_txq = 0;

    ovs_mutex_lock(&all_mutex);
    ovs_list_push_back(&all, &dev->node);
    ovs_mutex_unlock(&all_mutex);
    return 0;
}

static void
netdev_iovtee_destruct(struct netdev *netdev)
{
    struct netdev_iovtee *dev = netdev_iovtee_cast(netdev);

    ovs_mutex_lock(&all_mutex);
    ovs_list_remove(&dev->node);
    ovs_mutex_unlock(&all_mutex);

    if (dev->role) {
        dev->role->close(dev);
    }
    smap_destroy(&dev->args);
    free(dev->problem);
    free(dev->exposure);
}

static void
netdev_iovtee_dealloc(struct netdev *netdev)
{
    free(netdev_iovtee_cast(netdev));
}

/* Sets the role at the first call, which must be valid.  Later ones may be
 * refused, then with the sentence where the user sees it while the previous
 * configuration goes on: an error returned from here would delete the
 * port. */
static int
netdev_iovtee_set_config(struct netdev *netdev, const struct smap *args,
                         char **errp)
{
    struct netdev_iovtee *dev = netdev_iovtee_cast(netdev);
    const struct iovtee_role *role
        = (smap_get(args, "dpdk-devargs") ? &netdev_iovtee_nic_role
           : &netdev_iovtee_guest_role);
    char *text = NULL;
    int error;

    if (smap_get(args, "dpdk-devargs")
        && smap_get(args, "vhost-server-path")) {
        text = xstrdup("options dpdk-devargs and vhost-server-path exclude "
                       "each other: a port is either a NIC or a guest");
        error = EINVAL;
    } else if (!dev->role) {
        error = role->open(dev, args, &text);
        if (!error) {
            dev->role = role;
        }
    } else if (role != dev->role) {
        text = xasprintf("the port cannot change from %s to %s: delete it "
                         "and add it again", dev->role->name, role->name);
        error = EINVAL;
    } else {
        error = dev->role->configure(dev, args, &text);
    }

    if (!dev->role) {
        *errp = text ? text : xasprintf("%s: %s", netdev_get_name(netdev),
                                        ovs_strerror(error));
        return error;
    }
    if (error == EAGAIN) {
        free(text);
        return error;
    }
    if (error && !text) {
        text = xstrdup(ovs_strerror(error));
    }
    if (error) {
        char *sentence = xasprintf("%s; the previous configuration stays in "
                                   "effect", text);

        free(text);
        text = sentence;
    }
    netdev_iovtee_set_problem(dev, text);
    return 0;
}

static struct netdev_rxq *
netdev_iovtee_rxq_alloc(void)
{
    struct netdev_rxq_iovtee *rx = xzalloc(sizeof *rx);

    return &rx->up;
}

static void
netdev_iovtee_rxq_dealloc(struct netdev_rxq *rxq)
{
    free(CONTAINER_OF(rxq, struct netdev_rxq_iovtee, up));
}

static int
netdev_iovtee_rxq_construct(struct netdev_rxq *rxq)
{
    struct netdev_iovtee *dev = netdev_iovtee_cast(rxq->netdev);
    struct netdev_rxq_iovtee *rx = CONTAINER_OF(rxq, struct netdev_rxq_iovtee,
                                                up);

    return (dev->lower
            ? netdev_rxq_open(dev->lower, &rx->lower, rxq->queue_id) : 0);
}

static void
netdev_iovtee_rxq_destruct(struct netdev_rxq *rxq)
{
    struct netdev_rxq_iovtee *rx = CONTAINER_OF(rxq, struct netdev_rxq_iovtee,
                                                up);

    netdev_rxq_close(rx->lower);
}

static int
netdev_iovtee_rxq_recv(struct netdev_rxq *rxq, struct dp_packet_batch *batch,
                       int *qfill)
{
    const struct netdev_iovtee *dev = netdev_iovtee_cast(rxq->netdev);

    return dev->role->ops.rxq_recv(rxq, batch, qfill);
}

static bool
netdev_iovtee_rxq_enabled(struct netdev_rxq *rxq)
{
    const struct netdev_iovtee *dev = netdev_iovtee_cast(rxq->netdev);

    return !dev->role->ops.rxq_enabled || dev->role->ops.rxq_enabled(rxq);
}

static int
netdev_iovtee_send(struct netdev *netdev, int qid,
                   struct dp_packet_batch *batch, bool concurrent_txq)
{
    const struct netdev_iovtee *dev = netdev_iovtee_cast(netdev);

    return dev->role->ops.send(netdev, qid, batch, concurrent_txq);
}

/* Defines the operation OP, which returns RETURN, takes PARAMS, of which the
 * first is 'netdev_', and is passed on with ARGS, of which the first is
 * 'netdev': to the role, if it has such an operation, else to the lower
 * netdev.  With neither, the result is DEFAULT. */
#define DELEGATE(RETURN, OP, PARAMS, ARGS, DEFAULT)                         \
    static RETURN                                                           \
    netdev_iovtee_##OP PARAMS                                               \
    {                                                                       \
        const struct netdev_iovtee *dev = netdev_iovtee_cast(netdev_);      \
        struct netdev *netdev = CONST_CAST(struct netdev *, netdev_);       \
                                                                            \
        if (dev->role && dev->role->ops.OP) {                               \
            return dev->role->ops.OP ARGS;                                  \
        } else if (dev->lower && dev->lower->netdev_class->OP) {            \
            netdev = dev->lower;                                            \
            return netdev->netdev_class->OP ARGS;                           \
        }                                                                   \
        return DEFAULT;                                                     \
    }

DELEGATE(int, get_config, (const struct netdev *netdev_, struct smap *args),
         (netdev, args), 0)
DELEGATE(int, get_numa_id, (const struct netdev *netdev_), (netdev),
         NETDEV_NUMA_UNSPEC)
DELEGATE(int, set_tx_multiq, (struct netdev *netdev_, unsigned int n_txq),
         (netdev, n_txq), EOPNOTSUPP)
DELEGATE(int, set_etheraddr,
         (struct netdev *netdev_, const struct eth_addr mac), (netdev, mac),
         EOPNOTSUPP)
DELEGATE(int, get_etheraddr,
         (const struct netdev *netdev_, struct eth_addr *mac), (netdev, mac),
         EOPNOTSUPP)
DELEGATE(int, get_mtu, (const struct netdev *netdev_, int *mtup),
         (netdev, mtup), EOPNOTSUPP)
DELEGATE(int, set_mtu, (struct netdev *netdev_, int mtu), (netdev, mtu),
         EOPNOTSUPP)
DELEGATE(int, get_carrier, (const struct netdev *netdev_, bool *carrier),
         (netdev, carrier), EOPNOTSUPP)
DELEGATE(long long int, get_carrier_resets, (const struct netdev *netdev_),
         (netdev), 0)
DELEGATE(int, set_miimon_interval,
         (struct netdev *netdev_, long long int interval),
         (netdev, interval), EOPNOTSUPP)
DELEGATE(int, get_stats,
         (const struct netdev *netdev_, struct netdev_stats *stats),
         (netdev, stats), EOPNOTSUPP)
DELEGATE(int, get_custom_stats,
         (const struct netdev *netdev_, struct netdev_custom_stats *stats),
         (netdev, stats), EOPNOTSUPP)
DELEGATE(int, get_features,
         (const struct netdev *netdev_, enum netdev_features *current,
          enum netdev_features *advertised, enum netdev_features *supported,
          enum netdev_features *peer),
         (netdev, current, advertised, supported, peer), EOPNOTSUPP)
#if IOVTEE_HAS_GET_SPEED
DELEGATE(int, get_speed,
         (const struct netdev *netdev_, uint32_t *current, uint32_t *max),
         (netdev, current, max), EOPNOTSUPP)
#endif
#if IOVTEE_HAS_GET_DUPLEX
DELEGATE(int, get_duplex, (const struct netdev *netdev_, bool *full_duplex),
         (netdev, full_duplex), EOPNOTSUPP)
#endif
DELEGATE(int, set_policing,
         (struct netdev *netdev_, unsigned int kbits_rate,
          unsigned int kbits_burst, unsigned int kpkts_rate,
          unsigned int kpkts_burst),
         (netdev, kbits_rate, kbits_burst, kpkts_rate, kpkts_burst),
         EOPNOTSUPP)
DELEGATE(int, get_qos_types,
         (const struct netdev *netdev_, struct sset *types), (netdev, types),
         0)
DELEGATE(int, get_qos,
         (const struct netdev *netdev_, const char **typep,
          struct smap *details),
         (netdev, typep, details), EOPNOTSUPP)
DELEGATE(int, set_qos,
         (struct netdev *netdev_, const char *type,
          const struct smap *details),
         (netdev, type, details), EOPNOTSUPP)
DELEGATE(int, get_queue,
         (const struct netdev *netdev_, unsigned int queue_id,
          struct smap *details),
         (netdev, queue_id, details), EOPNOTSUPP)
DELEGATE(int, set_queue,
         (struct netdev *netdev_, unsigned int queue_id,
          const struct smap *details),
         (netdev, queue_id, details), EOPNOTSUPP)
DELEGATE(int, delete_queue, (struct netdev *netdev_, unsigned int queue_id),
         (netdev, queue_id), EOPNOTSUPP)
DELEGATE(int, get_queue_stats,
         (const struct netdev *netdev_, unsigned int queue_id,
          struct netdev_queue_stats *stats),
         (netdev, queue_id, stats), EOPNOTSUPP)
DELEGATE(int, queue_dump_start,
         (const struct netdev *netdev_, void **statep), (netdev, statep),
         EOPNOTSUPP)
DELEGATE(int, queue_dump_next,
         (const struct netdev *netdev_, void *state, unsigned int *queue_id,
          struct smap *details),
         (netdev, state, queue_id, details), EOF)
DELEGATE(int, queue_dump_done, (const struct netdev *netdev_, void *state),
         (netdev, state), 0)
DELEGATE(int, update_flags,
         (struct netdev *netdev_, enum netdev_flags off,
          enum netdev_flags on, enum netdev_flags *old_flags),
         (netdev, off, on, old_flags), EOPNOTSUPP)
DELEGATE(int, reconfigure, (struct netdev *netdev_), (netdev), 0)

/* Any number will do that sFlow collectors can tell ports by.  This is the one
 * that a port of the same name had with the type that ours takes the place
 * of: a hash of its name, of 24 bits. */
static int
netdev_iovtee_get_ifindex(const struct netdev *netdev)
{
    return hash_string(netdev_get_name(netdev), 0) % 0xfffffe + 1;
}

/* Adds to what the role says what is the class's own.  Column 'error' of the
 * Interface is for ports that do not work. */
static int
netdev_iovtee_get_status(const struct netdev *netdev, struct smap *args)
{
    struct netdev_iovtee *dev = netdev_iovtee_cast(netdev);
    char *problem;

    if (!dev->role) {
        return ENODEV;
    }
    smap_add(args, "role", dev->role->name);
    problem = netdev_iovtee_problem(dev);
    if (problem) {
        smap_add_nocopy(args, xstrdup("problem"), problem);
    }
    return dev->role->ops.get_status(netdev, args);
}

static const struct netdev_class netdev_iovtee_class = {
    .type = "iovtee",
    .is_pmd = true,
    .init = netdev_iovtee_init,
    .run = netdev_iovtee_run,
    .wait = netdev_iovtee_wait,
    .alloc = netdev_iovtee_alloc,
    .construct = netdev_iovtee_construct,
    .destruct = netdev_iovtee_destruct,
    .dealloc = netdev_iovtee_dealloc,
    .get_config = netdev_iovtee_get_config,
    .set_config = netdev_iovtee_set_config,
    .get_numa_id = netdev_iovtee_get_numa_id,
    .set_tx_multiq = netdev_iovtee_set_tx_multiq,
    .send = netdev_iovtee_send,
    .set_etheraddr = netdev_iovtee_set_etheraddr,
    .get_etheraddr = netdev_iovtee_get_etheraddr,
    .get_mtu = netdev_iovtee_get_mtu,
    .set_mtu = netdev_iovtee_set_mtu,
    .get_ifindex = netdev_iovtee_get_ifindex,
    .get_carrier = netdev_iovtee_get_carrier,
    .get_carrier_resets = netdev_iovtee_get_carrier_resets,
    .set_miimon_interval = netdev_iovtee_set_miimon_interval,
    .get_stats = netdev_iovtee_get_stats,
    .get_custom_stats = netdev_iovtee_get_custom_stats,
    .get_features = netdev_iovtee_get_features,
#if IOVTEE_HAS_GET_SPEED
    .get_speed = netdev_iovtee_get_speed,
#endif
#if IOVTEE_HAS_GET_DUPLEX
    .get_duplex = netdev_iovtee_get_duplex,
#endif
    .set_policing = netdev_iovtee_set_policing,
    .get_qos_types = netdev_iovtee_get_qos_types,
    .get_qos = netdev_iovtee_get_qos,
    .set_qos = netdev_iovtee_set_qos,
    .get_queue = netdev_iovtee_get_queue,
    .set_queue = netdev_iovtee_set_queue,
    .delete_queue = netdev_iovtee_delete_queue,
    .get_queue_stats = netdev_iovtee_get_queue_stats,
    .queue_dump_start = netdev_iovtee_queue_dump_start,
    .queue_dump_next = netdev_iovtee_queue_dump_next,
    .queue_dump_done = netdev_iovtee_queue_dump_done,
    .get_status = netdev_iovtee_get_status,
    .update_flags = netdev_iovtee_update_flags,
    .reconfigure = netdev_iovtee_reconfigure,
    .rxq_alloc = netdev_iovtee_rxq_alloc,
    .rxq_construct = netdev_iovtee_rxq_construct,
    .rxq_destruct = netdev_iovtee_rxq_destruct,
    .rxq_dealloc = netdev_iovtee_rxq_dealloc,
    .rxq_enabled = netdev_iovtee_rxq_enabled,
    .rxq_recv = netdev_iovtee_rxq_recv,
};
