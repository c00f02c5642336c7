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

/* Mbufs for what guests send, a pool for each MTU and NUMA node.  For the main
 * thread only; see hostpool.h. */

#include <config.h>

#include "guest/hostpool.h"

#include <rte_errno.h>
#include <rte_ether.h>
#include <rte_mbuf.h>
#include <rte_mempool.h>

#include "dp-packet.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/list.h"
#include "openvswitch/vlog.h"
#include "ovs-rcu.h"
#include "ovs-thread.h"
#include "packets.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(iovtee_hostpool);

/* Number of mbufs of a pool.  When memory is short, it is halved as often as
 * it takes, but not below the minimum. */
enum { N_MBUFS_MAX = 65536, N_MBUFS_MIN = 8192 };

/* Mbufs that each thread keeps at hand. */
enum { CACHE_SIZE = RTE_MEMPOOL_CACHE_MAX_SIZE };

/* Room for data is a multiple of this, plus headroom.  It is what netdev-dpdk
 * uses, so that a guest port takes as long frames as it did before. */
enum { DATA_ALIGN = 1024 };

/* Ethernet header, two VLAN tags and CRC. */
enum { FRAME_OVERHEAD = ETH_HEADER_LEN + 2 * VLAN_HEADER_LEN
                        + RTE_ETHER_CRC_LEN };

BUILD_ASSERT_DECL(CACHE_SIZE * 2 <= N_MBUFS_MIN);
BUILD_ASSERT_DECL(offsetof(struct dp_packet, mbuf) == 0);

/* A mempool and what is known of it. */
struct hostpool {
    struct ovs_list node;       /* In 'pools'. */
    struct rte_mempool *mp;
    uint16_t data_room;         /* Of each mbuf, with headroom, bytes. */
    int socket_id;              /* NUMA node, or SOCKET_ID_ANY. */
    unsigned int n_refs;        /* 0 if the pool is parked. */

    /* A parked pool all of whose mbufs are home waits for a grace period.  If
     * it is used again meanwhile, then the grace period does not count. */
    bool in_grace;
    bool used_in_grace;
};

static struct ovs_mutex mutex = OVS_MUTEX_INITIALIZER;

/* All of the pools. */
static struct ovs_list pools OVS_GUARDED_BY(mutex)
    = OVS_LIST_INITIALIZER(&pools);

static int mtu_to_data_room(int mtu);
static struct hostpool *hostpool_find(int data_room, int socket_id)
    OVS_REQUIRES(mutex);
static struct hostpool *hostpool_create(int data_room, int socket_id)
    OVS_REQUIRES(mutex);
static void hostpool_sweep__(void) OVS_REQUIRES(mutex);

/* Returns a mempool for packets that are received on a port with MTU 'mtu'
 * from a guest on NUMA node 'socket_id' (negative if that is not known).  The
 * caller must give it back with iovtee_hostpool_put().
 *
 * Returns NULL and sets 'rte_errno' if that is not possible: to EINVAL if
 * 'mtu' is out of any range, or to ENOMEM. */
struct rte_mempool *
iovtee_hostpool_get(int mtu, int socket_id)
{
    int data_room = mtu_to_data_room(mtu);
    struct hostpool *pool;

    if (data_room < 0) {
        rte_errno = EINVAL;
        return NULL;
    }
    socket_id = socket_id < 0 ? SOCKET_ID_ANY : socket_id;

    ovs_mutex_lock(&mutex);
    pool = hostpool_find(data_room, socket_id);
    if (pool) {
        pool->n_refs++;
        pool->used_in_grace = pool->in_grace;
    } else {
        pool = hostpool_create(data_room, socket_id);
    }
    hostpool_sweep__();
    ovs_mutex_unlock(&mutex);

    return pool ? pool->mp : NULL;
}

/* Gives back 'mp', which came from iovtee_hostpool_get(), or does nothing if
 * it is NULL.  The caller must not allocate from it any longer; mbufs that
 * are still under way may come back at any time. */
void
iovtee_hostpool_put(struct rte_mempool *mp)
{
    struct hostpool *pool;

    if (!mp) {
        return;
    }

    ovs_mutex_lock(&mutex);
    LIST_FOR_EACH (pool, node, &pools) {
        if (pool->mp == mp) {
            ovs_assert(pool->n_refs);
            pool->n_refs--;
            break;
        }
    }
    hostpool_sweep__();
    ovs_mutex_unlock(&mutex);
}

/* Frees what can be freed of the pools that nobody uses.  To be called now
 * and then. */
void
iovtee_hostpool_sweep(void)
{
    ovs_mutex_lock(&mutex);
    hostpool_sweep__();
    ovs_mutex_unlock(&mutex);
}

/* Returns the number of pools, with the parked ones. */
unsigned int
iovtee_hostpool_count(void)
{
    unsigned int n;

    ovs_mutex_lock(&mutex);
    n = ovs_list_size(&pools);
    ovs_mutex_unlock(&mutex);

    return n;
}

/* Appends to 's' a phrase about 'mp', from iovtee_hostpool_get(). */
void
iovtee_hostpool_format(const struct rte_mempool *mp, struct ds *s)
{
    struct hostpool *pool;

    ovs_mutex_lock(&mutex);
    LIST_FOR_EACH (pool, node, &pools) {
        if (pool->mp == mp) {
            ds_put_format(s, "%s, %u of %u free, shared by %u port%s",
                          mp->name, rte_mempool_avail_count(mp), mp->size,
                          pool->n_refs, pool->n_refs == 1 ? "" : "s");
        }
    }
    ovs_mutex_unlock(&mutex);
}

/* Writes to 'stream' what DPDK knows of 'mp', from iovtee_hostpool_get(), in
 * the form that "netdev-dpdk/get-mempool-info" has. */
void
iovtee_hostpool_dump(struct rte_mempool *mp, FILE *stream)
{
    rte_mempool_dump(stream, mp);
    fprintf(stream, "    count: avail (%u), in use (%u)\n",
            rte_mempool_avail_count(mp), rte_mempool_in_use_count(mp));
}

/* Returns the room for data of an mbuf, with headroom, that takes any frame of
 * a port with MTU 'mtu', or -1 if there is no such mbuf. */
static int
mtu_to_data_room(int mtu)
{
    int64_t room = ROUND_UP((int64_t) mtu + FRAME_OVERHEAD, DATA_ALIGN)
                   + RTE_PKTMBUF_HEADROOM;

    return mtu > 0 && room <= UINT16_MAX ? room : -1;
}

static struct hostpool *
hostpool_find(int data_room, int socket_id)
    OVS_REQUIRES(mutex)
{
    struct hostpool *pool;

    LIST_FOR_EACH (pool, node, &pools) {
        if (pool->data_room == data_room && pool->socket_id == socket_id) {
            return pool;
        }
    }
    return NULL;
}

/* Does what is left to do for a 'struct dp_packet' when DPDK has initialized
 * its mbuf. */
static void
init_packet(struct rte_mempool *mp OVS_UNUSED, void *aux OVS_UNUSED,
            void *packet, unsigned int i OVS_UNUSED)
{
    dp_packet_init_dpdk(packet);
}

/* Creates a mempool of 'n' mbufs.  Returns NULL and sets 'rte_errno' if that
 * fails. */
static struct rte_mempool *
create_mempool(unsigned int n, int data_room, int socket_id)
{
    /* The element begins at a cache line, so the data do, too. */
    unsigned int priv_size = ROUND_UP(sizeof(struct dp_packet),
                                      RTE_CACHE_LINE_SIZE)
                             - sizeof(struct rte_mbuf);
    char name[RTE_MEMPOOL_NAMESIZE];
    struct rte_mempool *mp;

    snprintf(name, sizeof name, "iovtee_%d_%d", data_room, socket_id);
    mp = rte_pktmbuf_pool_create(name, n, CACHE_SIZE, priv_size, data_room,
                                 socket_id);
    if (mp) {
        rte_mempool_obj_iter(mp, init_packet, NULL);
    }
    return mp;
}

/* Creates a pool with one reference, as large as memory allows, and adds it to
 * 'pools'.  Returns NULL and sets 'rte_errno' if that fails. */
static struct hostpool *
hostpool_create(int data_room, int socket_id)
    OVS_REQUIRES(mutex)
{
    unsigned int n = N_MBUFS_MAX;
    struct rte_mempool *mp;
    struct hostpool *pool;

    while (!(mp = create_mempool(n, data_room, socket_id))
           && rte_errno == ENOMEM && n / 2 >= N_MBUFS_MIN) {
        VLOG_DBG("no memory for a pool of %u mbufs of %d bytes on NUMA node "
                 "%d, trying half of that", n, data_room, socket_id);
        n /= 2;
    }
    if (!mp) {
        VLOG_ERR("failed to create a pool of %u mbufs of %d bytes on NUMA "
                 "node %d: %s", n, data_room, socket_id,
                 ovs_strerror(rte_errno));
        return NULL;
    }

    pool = xmalloc(sizeof *pool);
    *pool = (struct hostpool) {
        .mp = mp,
        .data_room = data_room,
        .socket_id = socket_id,
        .n_refs = 1,
    };
    ovs_list_push_back(&pools, &pool->node);
    VLOG_DBG("%s: created with %u mbufs", mp->name, n);
    return pool;
}

/* Called when every thread has been quiescent since all the mbufs of 'pool'
 * were home: frees it, unless it was used again. */
static void
hostpool_grace_over(struct hostpool *pool)
    OVS_EXCLUDED(mutex)
{
    ovs_mutex_lock(&mutex);
    pool->in_grace = false;
    if (!pool->used_in_grace) {
        ovs_assert(!pool->n_refs);
        VLOG_DBG("%s: freed", pool->mp->name);
        ovs_list_remove(&pool->node);
        rte_mempool_free(pool->mp);
        free(pool);
    }
    ovs_mutex_unlock(&mutex);
}

static void
hostpool_sweep__(void)
    OVS_REQUIRES(mutex)
{
    struct hostpool *pool;

    LIST_FOR_EACH (pool, node, &pools) {
        /* Nobody allocates from a parked pool, so "full" stays true. */
        if (!pool->n_refs && !pool->in_grace && rte_mempool_full(pool->mp)) {
            pool->in_grace = true;
            pool->used_in_grace = false;
            ovsrcu_postpone(hostpool_grace_over, pool);
        }
    }
}
