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
#include <rte_mbuf.h>
#include <rte_mempool.h>

#include "openvswitch/util.h"
#include "util.h"

#define POOL_OPS_NAME "iovtee"

/* What a mempool's 'pool_data' and 'pool_config' point to. */
struct pool {
    const struct iovtee_pool_ops *ops;
    void *aux;                  /* For 'ops'. */
    bool ready;                 /* Fully populated? */
};

static struct rte_mempool *create_empty(const char *name, unsigned int n,
                                        unsigned int elt_size,
                                        unsigned int data_room,
                                        unsigned int priv_size,
                                        int socket_id, unsigned int flags,
                                        const struct iovtee_pool_ops *,
                                        void *aux);
static int pool_enqueue(struct rte_mempool *, void *const *objs,
                        unsigned int n);
static uint32_t pool_step(const struct rte_mempool *);
static bool is_one_row(struct rte_mempool *, unsigned int n,
                       unsigned int unit);

/* Creates a pool of 'n' elements of at least 'elt_size' bytes each, which
 * begin with a struct rte_mbuf, on NUMA node 'socket_id'.  They lie in one
 * row, an odd number of 'unit's apart: see iovtee_pool_first().  The caller
 * initializes the elements (rte_mempool_obj_iter()).  'name' must be unique in
 * the process and shorter than RTE_MEMPOOL_NAMESIZE, 'unit' a power of 2 and
 * no more than a cache line.
 *
 * Returns the pool, or NULL with 'rte_errno' set. */
struct rte_mempool *
iovtee_pool_create_shells(const char *name, unsigned int n,
                          unsigned int elt_size, unsigned int unit,
                          int socket_id, const struct iovtee_pool_ops *ops,
                          void *aux)
{
    /* Nobody writes to a shell by DMA, so that DPDK need not keep its elements
     * within pages.  Nor need it spread them: odd steps do that. */
    const unsigned int flags = (RTE_MEMPOOL_F_NO_IOVA_CONTIG
                                | RTE_MEMPOOL_F_NO_SPREAD);
    struct rte_mempool *mp;
    struct pool *pool;
    int ret;

    if (!(rte_mempool_calc_obj_size(elt_size, flags, NULL) / unit % 2)) {
        elt_size += unit;
    }

    /* A data room of 0 and a private area up to the element's end: should
     * somebody detach an external buffer from a shell, then the shell is left
     * with a buffer of length zero, which nobody can write to. */
    mp = create_empty(name, n, elt_size, 0,
                      elt_size - sizeof(struct rte_mbuf), socket_id, flags,
                      ops, aux);
    if (!mp) {
        return NULL;
    }

    ret = rte_mempool_populate_default(mp);
    if (ret < 0 || !is_one_row(mp, n, unit)) {
        iovtee_pool_destroy(mp);
        rte_errno = ret < 0 ? -ret : ENOMEM;
        return NULL;
    }
    pool = mp->pool_data;
    pool->ready = true;
    return mp;
}

/* Stores the distance in bytes between the elements of 'mp', which
 * iovtee_pool_create_shells() has made, in '*step' and returns the first. */
void *
iovtee_pool_first(struct rte_mempool *mp, uint32_t *step)
{
    struct rte_mempool_objhdr *hdr = STAILQ_FIRST(&mp->elt_list);

    *step = pool_step(mp);
    return RTE_PTR_ADD(hdr, sizeof *hdr);
}

static uint32_t
pool_step(const struct rte_mempool *mp)
{
    return mp->header_size + mp->elt_size + mp->trailer_size;
}

/* Is each of the 'n' elements of 'mp' an odd number of 'unit's, always the
 * same one, behind the one before it? */
static bool
is_one_row(struct rte_mempool *mp, unsigned int n, unsigned int unit)
{
    const struct rte_mempool_objhdr *hdr;
    const uint8_t *expected = NULL;
    uint32_t step = pool_step(mp);
    unsigned int count = 0;

    STAILQ_FOREACH (hdr, &mp->elt_list, next) {
        if (expected && expected != (const uint8_t *) hdr) {
            return false;
        }
        expected = (const uint8_t *) hdr + step;
        count++;
    }
    return count == n && step % unit == 0 && step / unit % 2;
}

/* Creates a feed whose mbufs, wherever they come from, have room for at least
 * 'data_room' bytes, headroom included: drivers derive the length that they
 * tell the hardware from it.
 *
 * Returns the pool, or NULL with 'rte_errno' set. */
struct rte_mempool *
iovtee_pool_create_feed(const char *name, unsigned int data_room,
                        int socket_id, const struct iovtee_pool_ops *ops,
                        void *aux)
{
    struct rte_mempool *mp;
    struct pool *pool;
    int ret;

    mp = create_empty(name, 1, sizeof(struct rte_mbuf), data_room, 0,
                      socket_id, 0, ops, aux);
    if (!mp) {
        return NULL;
    }

    /* Nobody ever gets its one element, but vmxnet3 tells the NIC where the
     * pool's memory begins, so there has to be some. */
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

/* Tells the owner of 'mp' what became of 'n' of its mbufs.  Does nothing if
 * 'mp' is not one of our pools, or if its owner does not count that. */
void
iovtee_pool_report(struct rte_mempool *mp, enum iovtee_border_event event,
                   unsigned int n)
{
    if (rte_mempool_get_ops(mp->ops_index)->enqueue == pool_enqueue) {
        const struct pool *pool = mp->pool_data;

        if (pool->ops->report) {
            pool->ops->report(pool->aux, event, n);
        }
    }
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
        rte_mempool_free(mp);
        free(pool);
    }
}

static struct rte_mempool *
create_empty(const char *name, unsigned int n, unsigned int elt_size,
             unsigned int data_room, unsigned int priv_size, int socket_id,
             unsigned int flags, const struct iovtee_pool_ops *ops, void *aux)
{
    struct rte_pktmbuf_pool_private *priv;
    struct rte_mempool *mp;
    struct pool *pool;
    int ret;

    mp = rte_mempool_create_empty(name, n, elt_size, 0, sizeof *priv,
                                  socket_id, flags);
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

    priv = rte_mempool_get_priv(mp);
    memset(priv, 0, sizeof *priv);
    priv->mbuf_data_room_size = data_room;
    priv->mbuf_priv_size = priv_size;
    return mp;
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
