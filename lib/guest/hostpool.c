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
#include "openvswitch/ofp-parse.h"
#include "openvswitch/vlog.h"
#include "ovs-rcu.h"
#include "ovs-thread.h"
#include "packets.h"
#include "smap.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(iovtee_hostpool);

/* Number of mbufs of a pool that is shared: as many as NICs may keep, and some
 * that are under way, between these two. */
enum { N_SHARED_MIN = 65536, N_SHARED_MAX = 262144, N_UNDER_WAY = 16384 };

/* Mbufs of one guest's queue that NICs may keep.  One PMD thread reads a queue
 * of a guest, and has one transmit queue of each NIC, which has room for 2048
 * by default.  A packet goes to one NIC, but flows change. */
enum { N_PER_QUEUE = 4096 };

/* When memory is short, the number is halved as often as it takes, but not
 * below this. */
enum { N_MBUFS_MIN = 8192 };

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
    char *port;                 /* Whose it is, NULL if it is shared. */
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

/* Has each port a pool of its own?  If not: the sizes that the user wants
 * pools to have.  Constant after iovtee_hostpool_configure(). */
struct wanted_pool {
    int data_room;              /* As in struct hostpool. */
    int socket_id;              /* NUMA node, or INT_MAX for all. */
};
static bool per_port;
static struct wanted_pool *wanted_pools;
static size_t n_wanted_pools;

/* What is to be known of a pool to find or to make it. */
struct pool_key {
    const char *port;           /* NULL if it is shared. */
    int data_room;
    int socket_id;
    unsigned int n_mbufs;       /* To make it with. */
};

static int mtu_to_data_room(int mtu);
static int wanted_data_room(int data_room, int socket_id);
static unsigned int n_mbufs_needed(const struct iovtee_hostpool_need *);
static struct hostpool *hostpool_find(const struct pool_key *)
    OVS_REQUIRES(mutex);
static struct hostpool *hostpool_create(const struct pool_key *)
    OVS_REQUIRES(mutex);
static void hostpool_sweep__(void) OVS_REQUIRES(mutex);

/* Follows "per-port-memory" and "shared-mempool-config" in 'other_config',
 * that of table Open_vSwitch.  To be called once, before a pool is made.  What
 * is not well-formed is ignored as a whole; netdev-dpdk, which reads the same,
 * has logged why. */
void
iovtee_hostpool_configure(const struct smap *other_config)
{
    const char *config = smap_get(other_config, "shared-mempool-config");
    char *list, *rest, *key, *value;
    bool ok = true;

    per_port = smap_get_bool(other_config, "per-port-memory", false);
    if (per_port || !config) {
        return;
    }

    list = rest = xstrdup(config);
    while (ok && ofputil_parse_key_value(&rest, &key, &value)) {
        struct wanted_pool wanted;
        int mtu;

        if (!str_to_int(value, 0, &wanted.socket_id)) {
            wanted.socket_id = INT_MAX;
        }
        ok = str_to_int(key, 0, &mtu) && mtu >= 0 && wanted.socket_id >= 0;
        wanted.data_room = ok ? mtu_to_data_room(mtu) : -1;
        if (wanted.data_room > 0) {
            wanted_pools = xrealloc(wanted_pools, (n_wanted_pools + 1)
                                                  * sizeof *wanted_pools);
            wanted_pools[n_wanted_pools++] = wanted;
        }
    }
    free(list);
    if (!ok) {
        n_wanted_pools = 0;
    }
}

/* Returns a mempool that does for 'need', which may be that of other ports,
 * too.  The caller must give it back with iovtee_hostpool_put().
 *
 * Returns NULL and sets 'rte_errno' if that is not possible: to EINVAL if the
 * MTU is out of any range, or to ENOMEM. */
struct rte_mempool *
iovtee_hostpool_get(const struct iovtee_hostpool_need *need)
{
    struct pool_key key = {
        .port = per_port ? need->port : NULL,
        .data_room = mtu_to_data_room(need->mtu),
        .socket_id = need->socket_id < 0 ? SOCKET_ID_ANY : need->socket_id,
        .n_mbufs = n_mbufs_needed(need),
    };
    struct hostpool *pool;

    if (key.data_room < 0) {
        rte_errno = EINVAL;
        return NULL;
    }
    key.data_room = wanted_data_room(key.data_room, key.socket_id);

    ovs_mutex_lock(&mutex);
    pool = hostpool_find(&key);
    if (pool) {
        pool->n_refs++;
        pool->used_in_grace = pool->in_grace;
    } else {
        pool = hostpool_create(&key);
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
            ds_put_format(s, "%s, %u of %u free, ", mp->name,
                          rte_mempool_avail_count(mp), mp->size);
            if (pool->port) {
                ds_put_cstr(s, "of this port only");
            } else {
                ds_put_format(s, "shared by %u port%s", pool->n_refs,
                              pool->n_refs == 1 ? "" : "s");
            }
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

/* Returns the room for data that a pool has for a port on 'socket_id' that
 * needs 'data_room': the least that the user wants pools to have, or just that
 * if there is none that is enough. */
static int
wanted_data_room(int data_room, int socket_id)
{
    int best = INT_MAX;

    for (size_t i = 0; i < n_wanted_pools; i++) {
        const struct wanted_pool *wanted = &wanted_pools[i];

        if (wanted->data_room >= data_room && wanted->data_room < best
            && (wanted->socket_id == INT_MAX
                || wanted->socket_id == socket_id)) {
            best = wanted->data_room;
        }
    }
    return best < INT_MAX ? best : data_room;
}

/* Returns how many mbufs a pool has that is made for 'need'. */
static unsigned int
n_mbufs_needed(const struct iovtee_hostpool_need *need)
{
    unsigned int n;

    if (per_port) {
        return MIN(need->n_nic, need->n_queues * N_PER_QUEUE) + N_UNDER_WAY;
    }
    n = MIN(need->n_nic, N_SHARED_MAX) + N_UNDER_WAY;
    return MAX(N_SHARED_MIN, MIN(n, N_SHARED_MAX));
}

static struct hostpool *
hostpool_find(const struct pool_key *key)
    OVS_REQUIRES(mutex)
{
    struct hostpool *pool;

    LIST_FOR_EACH (pool, node, &pools) {
        if (pool->data_room == key->data_room
            && pool->socket_id == key->socket_id
            && nullable_string_is_equal(pool->port, key->port)) {
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

/* Creates a mempool of 'n' mbufs for 'key'.  Returns NULL and sets 'rte_errno'
 * if that fails. */
static struct rte_mempool *
create_mempool(const struct pool_key *key, unsigned int n)
    OVS_REQUIRES(mutex)
{
    /* The element begins at a cache line, so the data do, too. */
    unsigned int priv_size = ROUND_UP(sizeof(struct dp_packet),
                                      RTE_CACHE_LINE_SIZE)
                             - sizeof(struct rte_mbuf);
    static unsigned int n_own OVS_GUARDED_BY(mutex);
    uint16_t data_room = key->data_room;
    char name[RTE_MEMPOOL_NAMESIZE];
    struct rte_mempool *mp;

    /* The name of a port can be too long for DPDK. */
    if (key->port) {
        snprintf(name, sizeof name, "iovtee%u", n_own++);
    } else {
        snprintf(name, sizeof name, "iovtee_%u_%d", data_room,
                 key->socket_id);
    }
    mp = rte_pktmbuf_pool_create(name, n, CACHE_SIZE, priv_size, data_room,
                                 key->socket_id);
    if (mp) {
        rte_mempool_obj_iter(mp, init_packet, NULL);
    }
    return mp;
}

/* Creates a pool with one reference, as large as memory allows, and adds it to
 * 'pools'.  Returns NULL and sets 'rte_errno' if that fails. */
static struct hostpool *
hostpool_create(const struct pool_key *key)
    OVS_REQUIRES(mutex)
{
    unsigned int n = key->n_mbufs;
    struct rte_mempool *mp;
    struct hostpool *pool;

    while (!(mp = create_mempool(key, n))
           && rte_errno == ENOMEM && n / 2 >= N_MBUFS_MIN) {
        VLOG_DBG("no memory for a pool of %u mbufs of %d bytes on NUMA node "
                 "%d, trying half of that", n, key->data_room, key->socket_id);
        n /= 2;
    }
    if (!mp) {
        VLOG_ERR("failed to create a pool of %u mbufs of %d bytes on NUMA "
                 "node %d: %s", n, key->data_room, key->socket_id,
                 ovs_strerror(rte_errno));
        return NULL;
    }

    pool = xmalloc(sizeof *pool);
    *pool = (struct hostpool) {
        .mp = mp,
        .port = nullable_xstrdup(key->port),
        .data_room = key->data_room,
        .socket_id = key->socket_id,
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
        free(pool->port);
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
