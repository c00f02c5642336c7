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

#ifndef IOVTEE_LEDGER_H
#define IOVTEE_LEDGER_H 1

/* Ledger of guest buffers
 * =======================
 *
 * A guest posts empty buffers on its receive virtqueue, each named by its
 * descriptor head.  The ledger says where each of them is now:
 *
 *                 take                post
 *      GUEST ------------> IDLE ------------> NIC
 *        ^                 |  ^                |
 *        |      give       |  |  come home     | receive
 *        +-----------------+  +----------+     |
 *        |                               |     v
 *        +------------------------------ SWITCH
 *                     give
 *
 * (A buffer also goes from NIC straight to IDLE, when a stopped receive queue
 * hands it back.)  A buffer is in exactly one place, so the four counts always
 * sum to the size of the ring.  A move that does not start where the buffer is
 * changes nothing but the count of violations.
 *
 * Thread-safety
 * =============
 *
 * None: the owner of the virtqueue serializes access with its lock.
 *
 * This module is pure: no DPDK, no Open vSwitch state, no log. */

#include <stdbool.h>
#include <stdint.h>

enum iovtee_place {
    IOVTEE_GUEST,               /* The guest's, or not yet taken from it. */
    IOVTEE_IDLE,                /* Ours, and nothing is done with it. */
    IOVTEE_NIC,                 /* Posted in a NIC's receive queue. */
    IOVTEE_SWITCH,              /* Holds a packet inside the switch. */
    IOVTEE_N_PLACES
};

struct iovtee_ledger {
    uint32_t size;                      /* Number of buffers. */
    uint32_t n[IOVTEE_N_PLACES];        /* How many are in each place. */
    uint64_t n_violations;              /* Moves refused so far. */
    uint8_t *place;                     /* Enum iovtee_place, by head. */
};

void iovtee_ledger_init(struct iovtee_ledger *, uint32_t size);
void iovtee_ledger_destroy(struct iovtee_ledger *);
const char *iovtee_place_to_string(enum iovtee_place);
bool iovtee_ledger_is_balanced(const struct iovtee_ledger *);

/* Returns the place of the buffer whose descriptor head is 'head', which must
 * be less than the size of the ring. */
static inline enum iovtee_place
iovtee_ledger_place(const struct iovtee_ledger *ledger, uint16_t head)
{
    return ledger->place[head];
}

/* Moves buffer 'head', which must be less than the size of the ring, from
 * place 'from' to place 'to'.  Returns true if successful, false (having
 * counted a violation) if the buffer was not at 'from'. */
static inline bool
iovtee_ledger_move(struct iovtee_ledger *ledger, uint16_t head,
                   enum iovtee_place from, enum iovtee_place to)
{
    if (ledger->place[head] != from) {
        ledger->n_violations++;
        return false;
    }
    ledger->place[head] = to;
    ledger->n[from]--;
    ledger->n[to]++;
    return true;
}

#endif /* ledger.h */
