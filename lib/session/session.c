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

/* Opening and closing a session, and what the switch asks it.
 *
 * For the main thread.  Next: session-events.c, what the front-end says. */

#include <config.h>

#include "session/session-private.h"

#include <errno.h>
#include <linux/virtio_config.h>
#include <linux/virtio_net.h>
#include <linux/virtio_ring.h>
#include <stdlib.h>
#include <sys/un.h>
#include <unistd.h>

#include "compat/compat.h"
#include "fatal-signal.h"
#include "hash.h"
#include "openvswitch/vlog.h"
#include "ovs-rcu.h"
#include "timeval.h"
#include "virtio/busfault.h"

VLOG_DEFINE_THIS_MODULE(iovtee_session);


/* Bits that the kernel's headers of Debian 12 lack. */
#ifndef VIRTIO_F_RING_PACKED
#define VIRTIO_F_RING_PACKED 34
#endif
#ifndef VIRTIO_F_IN_ORDER
#define VIRTIO_F_IN_ORDER 35
#endif

/* Features that librte_vhost offers and we do not:
 *
 *    - IN_ORDER, because buffers that were dropped are used again, after
 *      others.
 *
 *    - RING_PACKED, because virtio/vring-split.c cannot.
 *
 *    - IOMMU_PLATFORM, because then addresses are not the guest's physical
 *      ones. */
#define SESSION_UNSUPPORTED ((1ULL << VIRTIO_F_IN_ORDER)            \
                             | (1ULL << VIRTIO_F_RING_PACKED)       \
                             | (1ULL << VIRTIO_F_IOMMU_PLATFORM))

/* How long iovtee_session_close_all() may wait for callbacks, in ms. */
#define CLOSE_ALL_TIMEOUT 2000

/* How long a disconnection may keep librte_vhost busy, in ms. */
#define RECONNECT_SETTLE_TIME 50

/* Sockets. */

/* Checks what can be wrong with the socket before librte_vhost knows of it.
 * Returns 0 if nothing is, otherwise a positive errno value and a sentence in
 * '*errp'. */
int
iovtee_session_check(const struct iovtee_session_config *config, char **errp)
{
    const size_t max = sizeof ((struct sockaddr_un *) NULL)->sun_path - 1;
    const char *path = config->path;
    char *other;

    if (!path || !path[0]) {
        *errp = xstrdup("the path of the vhost-user socket is empty");
        return EINVAL;
    }
    if (strlen(path) > max) {
        *errp = xasprintf("the path of vhost-user socket %s is longer than "
                          "%"PRIuSIZE" characters", path, max);
        return ENAMETOOLONG;
    }

    if (!strncmp(path, "/dev/vduse/", strlen("/dev/vduse/"))) {
        /* librte_vhost goes by the path, and would have no messages for us. */
        *errp = xasprintf("%s is a VDUSE device, not a vhost-user socket",
                          path);
        return EINVAL;
    }

    other = iovtee_session_port_of_path__(path);
    if (other) {
        *errp = xasprintf("socket %s is already used by port %s",
                          path, other);
        free(other);
        return EADDRINUSE;
    }

    /* librte_vhost itself accepts a path twice, and confuses the two.  This is
     * the only question that it answers without complaining in the log. */
    if (!rte_vhost_driver_enable_features(path, 0)) {
        *errp = xasprintf("socket %s is already used by another vhost-user "
                          "port", path);
        return EADDRINUSE;
    }
    return config->server ? iovtee_session_try_listen__(path, errp) : 0;
}

/* Registers the socket of 's' with librte_vhost.  Returns 0 if successful,
 * otherwise a positive errno value and a sentence in '*errp'. */
static int
register_driver(struct iovtee_session *s, bool tso, char **errp)
{
    uint64_t flags, disable;

    /* Never RTE_VHOST_USER_ASYNC_COPY, which takes migration away and does not
     * help: we see the memory table coming all the same.  Never
     * rte_vhost_driver_set_features(), which makes librte_vhost wait for all
     * queues that the guest could have. */
    flags = s->server ? 0 : RTE_VHOST_USER_CLIENT;

    /* For librte_vhost these say how to receive from a guest, and so whether
     * TSO can be offered. */
    flags |= RTE_VHOST_USER_LINEARBUF_SUPPORT;
    flags |= tso ? RTE_VHOST_USER_EXTBUF_SUPPORT : 0;

    /* The second line is exactly what Open vSwitch's own vhost-user ports do
     * not offer: a guest that runs and whose port becomes one of ours would
     * not be accepted any more if it lost a feature. */
    disable = SESSION_UNSUPPORTED;
    disable |= (tso
                ? (1ULL << VIRTIO_NET_F_HOST_ECN
                   | 1ULL << VIRTIO_NET_F_HOST_UFO)
                : IOVTEE_CSUM_ALWAYS
                ? (1ULL << VIRTIO_NET_F_HOST_TSO4
                   | 1ULL << VIRTIO_NET_F_HOST_TSO6
                   | 1ULL << VIRTIO_NET_F_HOST_UFO)
                : 1ULL << VIRTIO_NET_F_CSUM);

    if (rte_vhost_driver_register(s->path, flags)) {
        *errp = xasprintf("DPDK cannot register vhost-user socket %s",
                          s->path);
        return EIO;
    }
    if (s->server) {
        fatal_signal_add_file_to_unlink(s->path);
    }
    if (rte_vhost_driver_callback_register(s->path,
                                           &iovtee_session_device_ops__)
        || rte_vhost_driver_disable_features(s->path, disable)
        || rte_vhost_driver_start(s->path)) {
        *errp = xasprintf("DPDK cannot %s vhost-user socket %s",
                          s->server ? "listen on" : "connect to", s->path);
        return EIO;
    }
    return 0;
}

static void
unregister_driver(struct iovtee_session *s)
{
    /* If the peer has just disconnected, librte_vhost's thread puts the socket
     * on the list of those to reconnect.  To unregister it before that is done
     * would leave a dangling entry there. */
    if (time_msec() < (iovtee_session_disconnected__(s)
                       + RECONNECT_SETTLE_TIME)) {
        xnanosleep(RECONNECT_SETTLE_TIME * 1000LL * 1000);
    }

    rte_vhost_driver_unregister(s->path);
    if (s->server) {
        fatal_signal_remove_file_to_unlink(s->path);
    }
}

/* Opening and closing. */

static struct iovtee_session *
session_create(const struct iovtee_session_config *config)
{
    struct iovtee_session *s = xzalloc_cacheline(sizeof *s);

    s->port = xstrdup(config->port);
    s->path = xstrdup(config->path);
    s->server = config->server;
    s->ops = *config->ops;
    s->aux = config->aux;
    s->vid = -1;
    s->disconnected = LLONG_MIN / 2;
    atomic_init(&s->connected, false);
    atomic_init(&s->n_queues, 1);
    atomic_init(&s->numa_id, -1);
    atomic_init(&s->features, 0);
    atomic_init(&s->max_memory, config->max_memory);

    ovs_mutex_init(&s->fsm_mutex);
    ovs_mutex_init(&s->api_mutex);
    ovs_mutex_lock(&s->api_mutex);
    s->api_vid = -1;
    ovs_mutex_unlock(&s->api_mutex);
    ovs_mutex_lock(&s->fsm_mutex);
    s->fsm_vid = -1;
    s->node = -1;
    ovs_mutex_unlock(&s->fsm_mutex);

    for (size_t q = 0; q < IOVTEE_SESSION_MAX_QUEUES; q++) {
        atomic_init(&s->txq_enabled[q], false);
    }
    return s;
}

static void
session_destroy(struct iovtee_session *s)
{
    ovs_mutex_destroy(&s->api_mutex);
    ovs_mutex_destroy(&s->fsm_mutex);
    free(s->path);
    free(s->port);
    free_cacheline(s);
}

/* Opens a session as 'config' says, which need not outlive the call, except
 * for 'aux'.  The owner may be called back before this returns.
 *
 * Returns 0 if successful, and stores the session in '*sp'.  Otherwise returns
 * a positive errno value, stores NULL, and stores a sentence for the user,
 * which the caller must free, in '*errp'. */
int
iovtee_session_open(const struct iovtee_session_config *config,
                    struct iovtee_session **sp, char **errp)
{
    struct iovtee_session *s;
    int error;

    *sp = NULL;
    *errp = NULL;
    error = iovtee_session_check(config, errp);
    if (error) {
        return error;
    }

    s = session_create(config);
    iovtee_session_register__(s);

    iovtee_session_own_thread__(true);
    error = register_driver(s, config->tso, errp);
    iovtee_session_own_thread__(false);
    if (error) {
        iovtee_session_close(s);
        return error;
    }

    /* People's alarms know these sentences, and those in session-events.c,
     * from ports of type dpdkvhostuserclient. */
    if (s->server) {
        VLOG_INFO("%s: Socket %s created for vhost-user port %s", s->port,
                  s->path, s->port);
    } else {
        VLOG_INFO("%s: vHost User device '%s' created in 'client' mode, "
                  "using client socket '%s'", s->port, s->port, s->path);
    }
    *sp = s;
    return 0;
}

/* Ends the protection of librte_vhost's mappings, which it is about to unmap.
 * Its own thread may handle a message meanwhile, but can start nothing.
 *
 * As long as there are rings, writes are logged.  destroy_device() ends that,
 * on this thread, and then the protection of the log. */
static void
retire(struct iovtee_session *s)
{
    ovs_mutex_lock(&s->fsm_mutex);
    s->frozen = true;
    session_mem_unguard__(s);
    if (!s->announced) {
        session_log_drop__(s);
    }
    ovs_mutex_unlock(&s->fsm_mutex);
}

/* Closes 's', which may be NULL.  Its owner gets all rings back first, and is
 * not called any more when this returns.  No PMD thread may use 's' any
 * more. */
void
iovtee_session_close(struct iovtee_session *s)
{
    if (!s) {
        return;
    }

    retire(s);
    iovtee_session_own_thread__(true);
    iovtee_busfault_expect(true);
    unregister_driver(s);
    iovtee_busfault_expect(false);
    iovtee_session_own_thread__(false);

    /* librte_vhost does not call destroy_connection() then. */
    iovtee_session_forget__(s);
    iovtee_session_detach__(s);

    iovtee_session_unregister__(s);
    session_destroy(s);
}

/* Locks the states of the rings of 's', unless a callback has them, or the log
 * of writes is being replaced.  Returns true if successful. */
static bool
lock_quiet(struct iovtee_session *s)
    OVS_TRY_LOCK(true, s->fsm_mutex)
{
    if (ovs_mutex_trylock(&s->fsm_mutex)) {
        return false;
    }
    if (s->log_changing) {
        ovs_mutex_unlock(&s->fsm_mutex);
        return false;
    }
    return true;
}

/* Gives back all rings of all sessions, for good, so that what the guests see
 * of them is complete and exact.  For a process that is about to exit without
 * closing its ports: PMD threads may still run, sessions need not be closed,
 * but no ring is started any more.  Waits for callbacks for a bounded time.
 *
 * Not to be called while sessions are opened or closed. */
void
iovtee_session_close_all(void)
{
    long long int deadline = time_msec() + CLOSE_ALL_TIMEOUT;
    struct iovtee_session **sessions;
    size_t n;

    sessions = iovtee_session_all__(&n);
    for (size_t i = 0; i < n; i++) {
        struct iovtee_session *s = sessions[i];

        while (!lock_quiet(s)) {
            if (time_msec() >= deadline) {
                VLOG_WARN("%s: cannot stop the rings, which are busy",
                          s->port);
                goto next;
            }
            xnanosleep(1000 * 1000);
        }
        s->frozen = true;
        session_vring_stop_all__(s);
        ovs_mutex_unlock(&s->fsm_mutex);
next:   ;
    }
    free(sessions);
}

/* Questions. */

/* Is there a guest, with its driver ready? */
bool
iovtee_session_is_connected(const struct iovtee_session *s)
{
    bool connected = false;

    if (s) {
        atomic_read_relaxed(
            &CONST_CAST(struct iovtee_session *, s)->connected, &connected);
    }
    return connected;
}

/* Has memory tables of more than 'bytes' refused from now on, and in any case
 * those that are larger than the memory of this machine.  Does nothing if 's'
 * is NULL. */
void
iovtee_session_set_max_memory(struct iovtee_session *s, uint64_t bytes)
{
    if (s) {
        atomic_store_relaxed(&s->max_memory, bytes);
    }
}

/* Returns the number of queue pairs that the front-end has, at least 1.  It is
 * 1 while none is connected. */
unsigned int
iovtee_session_n_queues(const struct iovtee_session *s)
{
    unsigned int n = 1;

    if (s) {
        atomic_read_relaxed(
            &CONST_CAST(struct iovtee_session *, s)->n_queues, &n);
    }
    return n;
}

/* Returns the NUMA node of the guest that is or was connected, or -1 if it is
 * unknown. */
int
iovtee_session_numa_id(const struct iovtee_session *s)
{
    int numa_id = -1;

    if (s) {
        atomic_read_relaxed(
            &CONST_CAST(struct iovtee_session *, s)->numa_id, &numa_id);
    }
    return numa_id;
}

/* Returns the virtio features that were negotiated with the guest, or 0 if
 * none is connected. */
uint64_t
iovtee_session_features(const struct iovtee_session *s_)
{
    struct iovtee_session *s = CONST_CAST(struct iovtee_session *, s_);
    uint64_t features;

    atomic_read_relaxed(&s->features, &features);
    return iovtee_session_is_connected(s) ? features : 0;
}

/* Does the guest use its transmit queue 'q'? */
bool
iovtee_session_txq_enabled(const struct iovtee_session *s_, unsigned int q)
{
    struct iovtee_session *s = CONST_CAST(struct iovtee_session *, s_);
    bool enabled = false;

    if (s && q < IOVTEE_SESSION_MAX_QUEUES) {
        atomic_read_relaxed(&s->txq_enabled[q], &enabled);
    }
    return enabled;
}

static void
get_device_status(int vid, struct smap *args)
{
    uint16_t n_vrings = rte_vhost_get_vring_num(vid);
    uint64_t features;
    uint16_t mtu;

    if (!rte_vhost_get_negotiated_features(vid, &features)) {
        smap_add_format(args, "features", "0x%016"PRIx64, features);
    }
    if (!rte_vhost_get_mtu(vid, &mtu)) {
        smap_add_format(args, "mtu", "%"PRIu16, mtu);
    }
    if (n_vrings) {
        smap_add_format(args, "num_of_vrings", "%"PRIu16, n_vrings);
    }
    for (uint16_t i = 0; i < n_vrings; i++) {
        struct rte_vhost_vring rv;

        if (!rte_vhost_get_vhost_vring(vid, i, &rv)) {
            smap_add_nocopy(args, xasprintf("vring_%"PRIu16"_size", i),
                            xasprintf("%"PRIu16, rv.size));
        }
    }
}

/* Adds to 'args' what an Interface's "status" says of Open vSwitch's own
 * vhost-user ports. */
void
iovtee_session_get_status(const struct iovtee_session *s_, struct smap *args)
{
    struct iovtee_session *s = CONST_CAST(struct iovtee_session *, s_);
    bool connected;

    if (!s) {
        smap_add(args, "status", "no socket");
        return;
    }
    smap_add(args, "mode", s->server ? "server" : "client");
    ovs_mutex_lock(&s->api_mutex);
    connected = s->api_vid >= 0;
    smap_add(args, "status", connected ? "connected" : "disconnected");
    if (connected) {
        int numa_id = iovtee_session_numa_id(s);

        smap_add(args, "socket", s->path);
        if (numa_id >= 0) {
            smap_add_format(args, "numa", "%d", numa_id);
        }
        get_device_status(s->api_vid, args);
    }
    ovs_mutex_unlock(&s->api_mutex);
}
