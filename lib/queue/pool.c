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

/* DPDK keeps one 'pool_data' pointer per mempool for the use of its
 * operations.  It points to a 'struct pool', which says what the pool is for;
 * one set of operations serves both kinds. */

#include <config.h>

#include "queue/pool.h"

#include <errno.h>
#include <rte_errno.h>
#include <rte_malloc.h>
#include <rte_mbuf.h>
#include <rte_mempool.h>

#include "openvswitch/thread.h"
#include "openvswitch/util.h"
#include "ovs-thread.h"
#include "util.h"

#define POOL_OPS_NAME "iovtee"

/* What a mempool's 'pool_data' and 'pool_config' point to. */
struct pool {
    const struct iovtee_pool_ops *ops;
    void *aux;                  /* For 'ops'. */
    bool ready;                 /* Fully populated? */
    bool is_feed;
};

/* What the last home, which is there as long as the process, has as 'pool'.
 * Its mempool is in memory of DPDK's, where leak checkers do not look. */
static void *volatile last_home OVS_UNUSED;

/* What all feeds are copies of.  A mempool takes two of DPDK's memzones, of
 * which there are few (2560, and drivers take one for each ring), while NICs
 * can have many queues.  As nobody ever gets the element of a feed, all can
 * have the same.
 *
 * 'model' is written once, with the mutex, and then stays. */
static struct ovs_mutex model_mutex = OVS_MUTEX_INITIALIZER;
static struct rte_mempool *model OVS_GUARDED_BY(model_mutex);
static void *volatile model_pool OVS_UNUSED;    /* See 'last_home'. */

static struct rte_mempool *create_one(const char *name,
                                      unsigned int elt_size,
                                      unsigned int data_room,
                                      unsigned int priv_size, int socket_id,
                                      const struct iovtee_pool_ops *,
                                      void *aux);
static struct rte_mempool *create_empty(const char *name,
                                        unsigned int elt_size,
                                        unsigned int data_room,
                                        unsigned int priv_size,
                                        int socket_id,
                                        const struct iovtee_pool_ops *,
                                        void *aux);
static void set_room(struct rte_mempool *, unsigned int data_room,
                     unsigned int priv_size);

/* Creates a pool that mbufs of the caller's come home to, of which each has
 * 'elt_size' bytes with its struct rte_mbuf.  'name' must be unique in the
 * process and shorter than RTE_MEMPOOL_NAMESIZE.
 *
 * Returns the pool, or NULL with 'rte_errno' set. */
struct rte_mempool *
iovtee_pool_create_home(const char *name, unsigned int elt_size,
                        const struct iovtee_pool_ops *ops, void *aux)
{
    /* A data room of 0 and a private area up to the element's end: should
     * somebody detach an external buffer from such an mbuf, then it is left
     * with a buffer of length zero, which nobody can write to. */
    struct rte_mempool *mp = create_one(name, elt_size, 0,
                                        elt_size - sizeof(struct rte_mbuf),
                                        SOCKET_ID_ANY, ops, aux);

    if (mp) {
        last_home = mp->pool_config;
    }
    return mp;
}

/* Returns what feeds are copies of, or NULL with 'rte_errno' set. */
static struct rte_mempool *
get_model(void)
{
    static const struct iovtee_pool_ops no_ops;
    struct rte_mempool *mp;

    ovs_mutex_lock(&model_mutex);
    if (!model) {
        model = create_one("iovtee-feeds", sizeof(struct rte_mbuf), 0, 0,
                           SOCKET_ID_ANY, &no_ops, NULL);
        model_pool = model ? model->pool_config : NULL;
    }
    mp = model;
    ovs_mutex_unlock(&model_mutex);
    return mp;
}

/* Creates a feed whose mbufs, wherever they come from, have room for at least
 * 'data_room' bytes, headroom included: drivers derive the length that they
 * tell the hardware from it.  'name' is for people, and shorter than
 * RTE_MEMPOOL_NAMESIZE.
 *
 * Returns the pool, which rte_mempool_lookup() does not find, or NULL with
 * 'rte_errno' set. */
struct rte_mempool *
iovtee_pool_create_feed(const char *name, unsigned int data_room,
                        int socket_id, const struct iovtee_pool_ops *ops,
                        void *aux)
{
    const struct rte_mempool *from = get_model();
    struct rte_mempool *mp;
    struct pool *pool;
    size_t size;

    if (!from) {
        return NULL;
    }
    size = (RTE_MEMPOOL_HEADER_SIZE(from, from->cache_size)
            + from->private_data_size);
    mp = rte_malloc_socket(name, size, RTE_CACHE_LINE_SIZE, socket_id);
    if (!mp) {
        rte_errno = ENOMEM;
        return NULL;
    }

    pool = xzalloc(sizeof *pool);
    pool->ops = ops;
    pool->aux = aux;
    pool->ready = pool->is_feed = true;

    memcpy(mp, from, size);
    ovs_strlcpy(mp->name, name, sizeof mp->name);
    mp->socket_id = socket_id;
    mp->pool_config = mp->pool_data = pool;
    set_room(mp, data_room, 0);
    return mp;
}

/* Destroys 'mp', which no driver may use any more and of which no element may
 * be in use.  Does nothing if 'mp' is NULL. */
void
iovtee_pool_destroy(struct rte_mempool *mp)
{
    if (mp) {
        static const struct iovtee_pool_ops no_ops;
        struct pool *pool = mp->pool_config;

        /* DPDK takes every element out, but those are elsewhere. */
        pool->ops = &no_ops;
        if (pool->is_feed) {
            rte_free(mp);
        } else {
            rte_mempool_free(mp);
        }
        free(pool);
    }
}

/* Creates a pool with one element, which nobody ever gets.  (vmxnet3 tells the
 * NIC where the pool's memory begins, so there has to be some, and DPDK calls
 * a pool's operations only if it has some.) */
static struct rte_mempool *
create_one(const char *name, unsigned int elt_size, unsigned int data_room,
           unsigned int priv_size, int socket_id,
           const struct iovtee_pool_ops *ops, void *aux)
{
    struct rte_mempool *mp;
    struct pool *pool;
    int ret;

    mp = create_empty(name, elt_size, data_room, priv_size, socket_id, ops,
                      aux);
    if (!mp) {
        return NULL;
    }
    ret = rte_mempool_populate_default(mp);
    if (ret < 0) {
        iovtee_pool_destroy(mp);
        rte_errno = -ret;
        return NULL;
    }
    pool = mp->pool_data;
    pool->ready = true;
    return mp;
}

static struct rte_mempool *
create_empty(const char *name, unsigned int elt_size, unsigned int data_room,
             unsigned int priv_size, int socket_id,
             const struct iovtee_pool_ops *ops, void *aux)
{
    struct rte_mempool *mp;
    struct pool *pool;
    int ret;

    mp = rte_mempool_create_empty(name, 1, elt_size, 0,
                                  sizeof(struct rte_pktmbuf_pool_private),
                                  socket_id, 0);
    if (!mp) {
        return NULL;
    }

    pool = xzalloc(sizeof *pool);
    pool->ops = ops;
    pool->aux = aux;
    ret = rte_mempool_set_ops_byname(mp, POOL_OPS_NAME, pool);
    if (ret < 0) {
        rte_mempool_free(mp);
        free(pool);
        rte_errno = -ret;
        return NULL;
    }

    set_room(mp, data_room, priv_size);
    return mp;
}

/* Says what the mbufs of 'mp' have room for. */
static void
set_room(struct rte_mempool *mp, unsigned int data_room,
         unsigned int priv_size)
{
    struct rte_pktmbuf_pool_private *priv = rte_mempool_get_priv(mp);

    memset(priv, 0, sizeof *priv);
    priv->mbuf_data_room_size = data_room;
    priv->mbuf_priv_size = priv_size;
}

static int
pool_alloc(struct rte_mempool *mp)
{
    mp->pool_data = mp->pool_config;
    return 0;
}

static void
pool_free(struct rte_mempool *mp OVS_UNUSED)
{
    /* iovtee_pool_destroy() does it. */
}

static int
pool_enqueue(struct rte_mempool *mp, void *const *objs, unsigned int n)
{
    struct pool *pool = mp->pool_data;

    if (OVS_LIKELY(pool->ready)) {
        pool->ops->put(pool->aux, objs, n);
    }
    return 0;
}

static int
pool_dequeue(struct rte_mempool *mp, void **objs, unsigned int n)
{
    struct pool *pool = mp->pool_data;

    return pool->ops->get ? pool->ops->get(pool->aux, objs, n) : -ENOBUFS;
}

static unsigned int
pool_get_count(const struct rte_mempool *mp)
{
    /* All of it: rte_mempool_full() and the like then see nothing missing,
     * and who really holds what is for the owner's ledger to say. */
    return mp->size;
}

static const struct rte_mempool_ops pool_ops = {
    .name = POOL_OPS_NAME,
    .alloc = pool_alloc,
    .free = pool_free,
    .enqueue = pool_enqueue,
    .dequeue = pool_dequeue,
    .get_count = pool_get_count,
};

RTE_MEMPOOL_REGISTER_OPS(pool_ops);
