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

#ifndef IOVTEE_SHELLS_H
#define IOVTEE_SHELLS_H 1

/* Rows of mbuf shells
 * ===================
 *
 * A guest receive queue whose buffers are lent to a NIC has one mbuf *shell*
 * for each of its descriptor heads: a complete struct dp_packet without a
 * buffer of its own.  They lie in one row, so that head and shell follow from
 * each other by arithmetic.
 *
 * All rows of the process share one mempool, because DPDK has few: each takes
 * two of 2560 memzones.  The mempool has no elements of its own.  It is where
 * an mbuf goes that Open vSwitch or a driver frees, and passes it on to 'put'
 * of the row that the mbuf lies in.
 *
 * Rows of what guests send
 * ========================
 *
 * A transmit queue has such a row, too, of shells that nobody may write to.
 * The guest can take its memory back at any time, and from then on nothing of
 * it may be sent, wherever in the switch its packets are.  So whoever is about
 * to send one *pins* its row, which fails once the row is revoked, and unpins
 * it when he has handed the packet over.  Whoever makes a copy asks afterwards
 * whether the row was revoked, and if so, drops the copy.  Either notes in the
 * shell what became of it (iovtee_mark_fate()), for the owner to count.
 *
 * Thread-safety
 * =============
 *
 * Rows may be created and destroyed by any thread, pinned and revoked by any
 * number of threads at once. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ovs-atomic.h"
#include "queue/mark.h"

struct dp_packet;
struct rte_mbuf;
struct rte_mempool;

struct iovtee_shells_ops {
    /* Takes back the 'n' mbufs in 'objs', all from one row.  Runs on the
     * thread that frees them. */
    void (*put)(void *aux, void *const *objs, unsigned int n);

    /* Counts what became of 'n' mbufs at the border (queue/mark.h). */
    void (*report)(void *aux, enum iovtee_border_event, unsigned int n);
};

struct iovtee_shells {
    uint8_t *first;             /* The first shell... */
    uint32_t step;              /* ...and how far apart they are, bytes. */
    uint32_t inverse;           /* See iovtee_shells_number(). */
    uint32_t n;                 /* How many there are. */
    bool read_only;             /* Is nobody to write to the buffers? */
    const struct iovtee_shells_ops *ops;
    void *aux;                  /* For 'ops'. */

    /* Of read-only shells. */
    atomic_uint32_t port_id;    /* DPDK port of the NIC that may read their
                                 * buffers, UINT32_MAX for none. */
    atomic_uint32_t sent_to;    /* Where one was sent last: DPDK port and, in
                                 * the low 16 bits, transmit queue. */
    atomic_uint32_t n_pins;     /* Threads that are about to send some. */
    atomic_bool revoked;        /* Must none be sent any more? */
};

/* Shells lie an odd number of these apart, so that they are spread over all
 * sets of a cache. */
#define IOVTEE_SHELLS_UNIT 64

struct iovtee_shells *iovtee_shells_create(uint32_t n, int socket_id,
                                           const struct iovtee_shells_ops *,
                                           void *aux);
void iovtee_shells_destroy(struct iovtee_shells *);
struct rte_mempool *iovtee_shells_home(void);
uint32_t iovtee_shells_step(void);
uint32_t iovtee_shells_inverse(void);

/* Returns which one of 'row' 'shell' is.
 *
 * This is a division, of which it is known that there is no remainder: so it
 * is a multiplication by the inverse modulo 2**32, which odd numbers have. */
static inline uint16_t
iovtee_shells_number(const struct iovtee_shells *row, const void *shell)
{
    size_t distance = (const uint8_t *) shell - row->first;

    return (uint32_t) (distance / IOVTEE_SHELLS_UNIT) * row->inverse;
}

struct iovtee_shells *iovtee_shells_row(const struct dp_packet *);
void iovtee_shells_report(struct iovtee_shells *, enum iovtee_border_event,
                          unsigned int n);

bool iovtee_shells_pin(struct iovtee_shells *);
void iovtee_shells_unpin(struct iovtee_shells *);

/* The burst that a thread hands over to a NIC.  Those of its read-only packets
 * that come home meanwhile were not sent, for some reason of the NIC's port:
 * what a driver frees then is of earlier bursts. */
void iovtee_shells_begin_burst(uint16_t port_id, uint16_t txq,
                               uint32_t burst);
void iovtee_shells_end_burst(void);
bool iovtee_shells_in_burst(const struct rte_mbuf *);

/* Rows that were pinned for a burst.  Nothing if 'n' is 0. */
struct iovtee_pins {
    struct iovtee_shells *rows[NETDEV_MAX_BURST];
    unsigned int n;
};

void iovtee_pins_release(struct iovtee_pins *);
bool iovtee_shells_is_pinned(struct iovtee_shells *);
bool iovtee_shells_is_revoked(struct iovtee_shells *);
void iovtee_shells_revoke(struct iovtee_shells *);
void iovtee_shells_restore(struct iovtee_shells *);

/* Buffers of a queue that is gone, some of which are not home yet. */
struct iovtee_retired {
    char *port;                 /* Name of the port that it was of, and... */
    bool transmit;              /* ...which of its queues, ... */
    unsigned int q;             /* ...by number. */
    uint64_t mem_size;          /* Guest memory that it keeps, bytes. */
    long long int age;          /* For how long, in milliseconds. */
    uint32_t n_out;             /* Shells that are not home... */
    uint32_t n_sent;            /* ...of which so many are with NICs, ... */
    uint16_t port_id, txq;      /* ...the first one here. */
};

struct seq *iovtee_retired_seq(void);
void iovtee_retired_count(struct iovtee_retired *, const struct rte_mbuf *);
void iovtee_retired_free(struct iovtee_retired *, size_t n);

/* Read-only rows that there are. */
extern atomic_uint32_t iovtee_shells_n_read_only__;

void iovtee_shells_set_read_only(struct iovtee_shells *);

/* May there be read-only packets anywhere? */
static inline bool
iovtee_shells_any_read_only(void)
{
    uint32_t n;

    atomic_read_relaxed(&iovtee_shells_n_read_only__, &n);
    return n != 0;
}

#endif /* shells.h */
