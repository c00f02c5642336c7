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

/* A row is one piece of DPDK's heap, which takes no memzone.  In front of each
 * shell there are IOVTEE_SHELLS_UNIT bytes, at whose end DPDK has the header
 * that elements of mempools have; the beginning names the row. */

#include <config.h>

#include "queue/shells.h"

#include <sched.h>

#include <rte_malloc.h>
#include <rte_mbuf.h>
#include <rte_mempool.h>

#include "dp-packet.h"
#include "openvswitch/thread.h"
#include "ovs-thread.h"
#include "queue/pool.h"
#include "seq.h"
#include "util.h"

/* What is in front of a shell. */
struct prefix {
    struct iovtee_shells *row;
    uint8_t pad[IOVTEE_SHELLS_UNIT - sizeof(struct iovtee_shells *)
                - sizeof(struct rte_mempool_objhdr)];
    struct rte_mempool_objhdr hdr;
};
BUILD_ASSERT_DECL(sizeof(struct prefix) == IOVTEE_SHELLS_UNIT);

static void put_shells(void *aux, void *const *objs, unsigned int n);

static const struct iovtee_pool_ops home_ops = {
    .get = NULL,
    .put = put_shells,
};

atomic_uint32_t iovtee_shells_n_read_only__ = 0;

static struct ovs_mutex home_mutex = OVS_MUTEX_INITIALIZER;
static struct rte_mempool *home; /* Written once, with the mutex. */

/* Returns the mempool of all shells, or NULL if there is no memory for it. */
struct rte_mempool *
iovtee_shells_home(void)
{
    struct rte_mempool *mp;

    ovs_mutex_lock(&home_mutex);
    mp = home;
    if (!mp && iovtee_mark_init()) {
        mp = iovtee_pool_create_home("iovtee-shells",
                                     sizeof(struct dp_packet), &home_ops,
                                     NULL);
        __atomic_store_n(&home, mp, __ATOMIC_RELEASE);
    }
    ovs_mutex_unlock(&home_mutex);
    return mp;
}

/* Returns how far apart shells are, in bytes. */
uint32_t
iovtee_shells_step(void)
{
    uint32_t units = DIV_ROUND_UP(sizeof(struct prefix)
                                  + sizeof(struct dp_packet),
                                  IOVTEE_SHELLS_UNIT);

    return (units | 1) * IOVTEE_SHELLS_UNIT;
}

/* Returns the inverse of odd 'x' modulo 2**32.  Each step of this iteration,
 * Newton's, doubles the number of right bits, of which 'x' itself has 3. */
static uint32_t
invert(uint32_t x)
{
    uint32_t inverse = x;

    for (int i = 0; i < 4; i++) {
        inverse *= 2 - x * inverse;
    }
    return inverse;
}

/* Returns the inverse of how many units shells are apart. */
uint32_t
iovtee_shells_inverse(void)
{
    return invert(iovtee_shells_step() / IOVTEE_SHELLS_UNIT);
}

static void
init_shell(struct iovtee_shells *row, uint32_t i, struct rte_mempool *mp)
{
    struct dp_packet *packet = (void *) (row->first + (size_t) i * row->step);
    struct prefix *prefix = (struct prefix *) packet - 1;

    prefix->row = row;
    prefix->hdr.mp = mp;
    prefix->hdr.iova = RTE_BAD_IOVA;
    packet->mbuf.pool = mp;
    packet->mbuf.priv_size = sizeof *packet - sizeof(struct rte_mbuf);
    packet->mbuf.nb_segs = 1;
    packet->mbuf.port = RTE_MBUF_PORT_INVALID;
    rte_mbuf_refcnt_set(&packet->mbuf, 1);
    dp_packet_init_dpdk(packet);
}

/* Makes a row of 'n' shells on NUMA node 'socket_id' or, if that is
 * SOCKET_ID_ANY or has no memory left, on any.  Returns NULL if there is no
 * memory. */
struct iovtee_shells *
iovtee_shells_create(uint32_t n, int socket_id,
                     const struct iovtee_shells_ops *ops, void *aux)
{
    struct rte_mempool *mp = iovtee_shells_home();
    uint32_t step = iovtee_shells_step();
    struct iovtee_shells *row;
    uint8_t *memory = NULL;

    if (mp) {
        memory = rte_zmalloc_socket("iovtee-shells", (size_t) n * step,
                                    IOVTEE_SHELLS_UNIT, socket_id);
        if (!memory && socket_id != SOCKET_ID_ANY) {
            memory = rte_zmalloc("iovtee-shells", (size_t) n * step,
                                 IOVTEE_SHELLS_UNIT);
        }
    }
    if (!memory) {
        return NULL;
    }

    row = xmalloc(sizeof *row);
    *row = (struct iovtee_shells) {
        .first = memory + sizeof(struct prefix),
        .step = step,
        .inverse = iovtee_shells_inverse(),
        .n = n,
        .ops = ops,
        .aux = aux,
        .port_id = UINT32_MAX,
        .sent_to = UINT32_MAX,
    };
    for (uint32_t i = 0; i < n; i++) {
        init_shell(row, i, mp);
    }
    return row;
}

/* Notes that the shells of 'row', which is new, are read-only. */
void
iovtee_shells_set_read_only(struct iovtee_shells *row)
{
    uint32_t orig;

    row->read_only = true;
    atomic_add(&iovtee_shells_n_read_only__, 1, &orig);
}

/* Destroys 'row', of which all shells are home and which is not pinned.
 * Accepts NULL. */
void
iovtee_shells_destroy(struct iovtee_shells *row)
{
    if (row) {
        if (row->read_only) {
            uint32_t orig;

            atomic_sub(&iovtee_shells_n_read_only__, 1, &orig);
        }
        rte_free(row->first - sizeof(struct prefix));
        free(row);
    }
}

/* Returns the row that 'packet', which the caller has, is a shell of, or NULL
 * if it is none. */
struct iovtee_shells *
iovtee_shells_row(const struct dp_packet *packet)
{
    struct rte_mempool *mp = __atomic_load_n(&home, __ATOMIC_ACQUIRE);

    return (mp && packet->source == DPBUF_DPDK && packet->mbuf.pool == mp
            ? ((const struct prefix *) packet - 1)->row : NULL);
}

/* Tells the owner of 'row' what became of 'n' of its shells, of which the
 * caller has one.  Does nothing if 'row' is NULL. */
void
iovtee_shells_report(struct iovtee_shells *row, enum iovtee_border_event event,
                     unsigned int n)
{
    if (row) {
        row->ops->report(row->aux, event, n);
    }
}

/* The burst that this thread hands over to a NIC, if it does. */
static __thread struct {
    bool active;
    uint16_t port_id, txq;
    uint32_t number;
} burst;

/* The calling thread is about to hand the burst with number 'number' over to
 * transmit queue 'txq' of DPDK port 'port_id'. */
void
iovtee_shells_begin_burst(uint16_t port_id, uint16_t txq, uint32_t number)
{
    burst.active = true;
    burst.port_id = port_id;
    burst.txq = txq;
    burst.number = number;
}

/* It has done so. */
void
iovtee_shells_end_burst(void)
{
    burst.active = false;
}

/* Is shell 'mbuf', which was sent, of the burst that the calling thread is
 * just handing over? */
bool
iovtee_shells_in_burst(const struct rte_mbuf *mbuf)
{
    uint16_t port_id, txq;

    return (burst.active
            && iovtee_mark_get_sent(mbuf, &port_id, &txq)
            && port_id == burst.port_id && txq == burst.txq
            && mbuf->hash.txadapter.reserved1 == burst.number);
}

/* Says that the caller, who has a shell of 'row', is about to send it.
 * Returns false if it must not be sent. */
bool
iovtee_shells_pin(struct iovtee_shells *row)
{
    uint32_t orig;

    /* Either who revokes sees the pin, or we see that it is revoked. */
    atomic_add(&row->n_pins, 1, &orig);
    if (OVS_UNLIKELY(iovtee_shells_is_revoked(row))) {
        iovtee_shells_unpin(row);
        return false;
    }
    return true;
}

/* Unpins all of 'pins'. */
void
iovtee_pins_release(struct iovtee_pins *pins)
{
    while (pins->n) {
        iovtee_shells_unpin(pins->rows[--pins->n]);
    }
}

/* Undoes iovtee_shells_pin().  The caller need not have a shell of 'row' any
 * more. */
void
iovtee_shells_unpin(struct iovtee_shells *row)
{
    uint32_t orig;

    atomic_sub(&row->n_pins, 1, &orig);
}

bool
iovtee_shells_is_pinned(struct iovtee_shells *row)
{
    uint32_t n;

    atomic_read(&row->n_pins, &n);
    return n != 0;
}

/* Was 'row' revoked?  What was read of its buffers before this says no was
 * read before. */
bool
iovtee_shells_is_revoked(struct iovtee_shells *row)
{
    bool revoked;

    atomic_thread_fence(memory_order_seq_cst);
    atomic_read(&row->revoked, &revoked);
    return revoked;
}

/* Has nobody send shells of 'row' any more, and waits for those who do: that
 * is, for one burst.  What a NIC has then was passed to iovtee_mark_sent(). */
void
iovtee_shells_revoke(struct iovtee_shells *row)
{
    atomic_store(&row->revoked, true);
    while (iovtee_shells_is_pinned(row)) {
        sched_yield();
    }
}

/* Undoes iovtee_shells_revoke() for 'row', of which all shells are home. */
void
iovtee_shells_restore(struct iovtee_shells *row)
{
    atomic_store(&row->revoked, false);
}

/* Returns what changes when a queue is retired, whichever thread did it, so
 * that iovtee_rxvq_sweep() and iovtee_txvq_sweep() are due. */
struct seq *
iovtee_retired_seq(void)
{
    static struct ovsthread_once once = OVSTHREAD_ONCE_INITIALIZER;
    static struct seq *seq;

    if (ovsthread_once_start(&once)) {
        seq = seq_create();
        ovsthread_once_done(&once);
    }
    return seq;
}

/* Adds shell 'mbuf', which is not home, to what is said in 'r'. */
void
iovtee_retired_count(struct iovtee_retired *r, const struct rte_mbuf *mbuf)
{
    uint16_t port_id, txq;

    r->n_out++;
    if (iovtee_mark_get_sent(mbuf, &port_id, &txq) && !r->n_sent++) {
        r->port_id = port_id;
        r->txq = txq;
    }
}

void
iovtee_retired_free(struct iovtee_retired *retired, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        free(retired[i].port);
    }
    free(retired);
}

/* The mempool's callback for shells that were freed, of any rows.  A row may
 * be gone once it has got its last one. */
static void
put_shells(void *aux OVS_UNUSED, void *const *objs, unsigned int n)
{
    while (n) {
        const struct prefix *prefix = (const struct prefix *) objs[0] - 1;
        struct iovtee_shells *row = prefix->row;
        const size_t size = (size_t) row->n * row->step;
        unsigned int k = 1;

        while (k < n && (size_t) ((uint8_t *) objs[k] - row->first) < size) {
            k++;
        }
        row->ops->put(row->aux, objs, k);
        objs += k;
        n -= k;
    }
}
