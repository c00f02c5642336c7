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


/* What a guest transmit queue has lent: the row, and where its shells are.
 * The callers have the queue's lock. */

#include <config.h>

#include "queue/txvq-lent.h"

#include "bitmap.h"
#include "util.h"

/* Destroys 'lent', of which all shells are home.  Accepts NULL. */
void
iovtee_txvq_lent_destroy(struct iovtee_txvq_lent *lent)
{
    if (lent) {
        iovtee_shells_destroy(lent->row);
        iovtee_guestmem_unref(lent->mem);
        bitmap_free(lent->out);
        free(lent);
    }
}

/* Is there a NIC that frames of 'lent', which may be NULL, can be lent to? */
bool
iovtee_txvq_lent_has_nic(const struct iovtee_txvq_lent *lent)
{
    uint32_t port_id = UINT32_MAX;

    if (lent) {
        atomic_read_relaxed(&lent->row->port_id, &port_id);
    }
    return port_id != UINT32_MAX;
}

/* Stores in 'info' where the buffers in 'ledger' are, of which 'lent' has the
 * shells, if there are any.  Of those that are out the shell says whether a
 * NIC has it. */
void
iovtee_txvq_lent_count(const struct iovtee_txvq_lent *lent,
                       const struct iovtee_ledger *ledger,
                       struct iovtee_txvq_info *info)
{
    memcpy(info->n, ledger->n, sizeof info->n);
    info->has_nic = iovtee_txvq_lent_has_nic(lent);
    if (!info->n[IOVTEE_SWITCH]) {
        return;
    }
    for (uint32_t head = 0; head < ledger->size; head++) {
        uint16_t port_id, txq;

        if (iovtee_ledger_place(ledger, head) == IOVTEE_SWITCH
            && iovtee_mark_get_sent(iovtee_txvq_lent_shell(lent, head),
                                    &port_id, &txq)) {
            info->n[IOVTEE_SWITCH]--;
            info->n[IOVTEE_NIC]++;
        }
    }
}
