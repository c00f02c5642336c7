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

/* Where each of a ring's buffers is.  Called with the virtqueue's lock held.
 * Next: queue/rxvq-buffers.c, which moves buffers from place to place. */

#include "virtio/ledger.h"

#include <stdlib.h>

/* Makes '*ledger' the ledger of a ring of 'size' buffers, all of which are
 * the guest's. */
void
iovtee_ledger_init(struct iovtee_ledger *ledger, uint32_t size)
{
    *ledger = (struct iovtee_ledger) { .size = size };
    ledger->n[IOVTEE_GUEST] = size;

    /* Zero is IOVTEE_GUEST.  Like all of Open vSwitch, running out of memory
     * is not something to recover from. */
    ledger->place = calloc(size ? size : 1, sizeof *ledger->place);
    if (!ledger->place) {
        abort();
    }
}

/* Frees what 'ledger', which may be NULL, owns, but not 'ledger'. */
void
iovtee_ledger_destroy(struct iovtee_ledger *ledger)
{
    if (ledger) {
        free(ledger->place);
        *ledger = (struct iovtee_ledger) { .size = 0 };
    }
}

/* Returns the name of 'place' as people and tests see it. */
const char *
iovtee_place_to_string(enum iovtee_place place)
{
    switch (place) {
    case IOVTEE_GUEST:
        return "guest";
    case IOVTEE_IDLE:
        return "idle";
    case IOVTEE_NIC:
        return "nic";
    case IOVTEE_SWITCH:
        return "switch";
    case IOVTEE_N_PLACES:
    default:
        return "<error>";
    }
}

/* Counts the buffers of 'ledger' one by one.  Returns true if each is in a
 * valid place and the four counts say the same, false otherwise.  For tests
 * and for commands that people type: it takes time in proportion to the size
 * of the ring. */
bool
iovtee_ledger_is_balanced(const struct iovtee_ledger *ledger)
{
    uint32_t n[IOVTEE_N_PLACES] = { 0 };

    for (uint32_t head = 0; head < ledger->size; head++) {
        uint8_t place = ledger->place[head];

        if (place >= IOVTEE_N_PLACES) {
            return false;
        }
        n[place]++;
    }

    for (int i = 0; i < IOVTEE_N_PLACES; i++) {
        if (n[i] != ledger->n[i]) {
            return false;
        }
    }
    return true;
}
