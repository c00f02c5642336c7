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
 * Thread-safety
 * =============
 *
 * Rows may be created and destroyed by any thread. */

#include <stddef.h>
#include <stdint.h>

#include "queue/mark.h"

struct dp_packet;
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
    uint32_t n;                 /* How many there are. */
    const struct iovtee_shells_ops *ops;
    void *aux;                  /* For 'ops'. */
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

struct iovtee_shells *iovtee_shells_row(const struct dp_packet *);
void iovtee_shells_report(struct iovtee_shells *, enum iovtee_border_event,
                          unsigned int n);

#endif /* shells.h */
