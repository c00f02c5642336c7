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


/* See reader.h.  Called where the tee changes.  Next: queue/txvq-lend.c, what
 * becomes of it. */

#include <config.h>

#include "tee/reader.h"

#include "nic/nic.h"
#include "queue/txvq.h"
#include "util.h"

static void
settle_one(const struct iovtee_reader *reader, struct iovtee_txvq *vq,
           struct iovtee_nic *nic)
{
    uint32_t port_id = UINT32_MAX;
    const char *why = NULL;

    if (reader->enabled && nic) {
        port_id = iovtee_nic_let_read(nic, vq->ring.vring.mem);
        why = iovtee_nic_tx_copy_only(nic);
        why = why ? why : "guest memory cannot be mapped for the NIC";
    } else if (reader->enabled) {
        why = "there is no peer";
    }
    iovtee_txvq_lend_to(vq, port_id, why);
}

/* The NIC is 'nic' now, which may be NULL, or there is another thing that has
 * changed. */
void
iovtee_reader_settle(struct iovtee_reader *reader, struct iovtee_nic *nic)
{
    for (size_t q = 0; q < ARRAY_SIZE(reader->vqs); q++) {
        if (reader->vqs[q]) {
            settle_one(reader, reader->vqs[q], nic);
        }
    }
}

/* Transmit queue 'q', 'vq', runs from now on. */
void
iovtee_reader_up(struct iovtee_reader *reader, unsigned int q,
                 struct iovtee_txvq *vq, struct iovtee_nic *nic)
{
    reader->vqs[q] = vq;
    settle_one(reader, vq, nic);
}

/* Transmit queue 'q' must stop: nothing more is lent to the NIC. */
void
iovtee_reader_down(struct iovtee_reader *reader, unsigned int q)
{
    if (reader->vqs[q]) {
        iovtee_txvq_lend_to(reader->vqs[q], UINT32_MAX, NULL);
        reader->vqs[q] = NULL;
    }
}
