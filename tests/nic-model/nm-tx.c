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

#include "nm-tx.h"

#include <string.h>

#include "nm-check.h"
#include "nm-dev.h"
#include "nm-frame.h"
#include "nm-rx.h"
#include "nm-sink.h"

#define TX_MAX 64               /* Descriptors per round. */

/* Tells the driver that 'n' descriptors more are completed. */
static void
publish(struct nm_txq *q, uint32_t n)
{
    if (unlikely(q->dev->knobs.check)) {
        for (uint32_t i = q->completed; i != q->completed + n; i++) {
            nm_check_tx_done(q, i & q->mask);
        }
    }
    q->completed += n;
    nm_store(&q->head, q->completed);
}

static void
send_frame(struct nm_txq *q, const uint8_t *p, uint32_t len, uint64_t now)
{
    struct nm_dev *dev = q->dev;

    nm_add(&q->n_packets, 1);
    nm_add(&q->n_bytes, len);
    if (unlikely(!dev->link)) {
        nm_add(&dev->tx_lost, 1);
        return;
    }
    nm_sink_frame(dev, p, len, now);
    if (dev->wire) {
        nm_rx_frame(dev->wire, p, len, now);
    }
}

/* Takes a frame of several pieces, the first of which is descriptor
 * 'q->taken', from 'q'. */
static void
take_pieces(struct nm_txq *q, uint64_t now)
{
    static uint8_t frame[NM_MAX_FRAME];
    uint32_t len = 0;
    bool bad = false;
    uint64_t hi;

    do {
        const struct nm_desc *desc = &q->ring[q->taken & q->mask];
        uint32_t n = desc->hi & UINT32_MAX;

        hi = desc->hi;
        if (!n || !desc->lo || len + n > sizeof frame) {
            bad = true;
        } else {
            memcpy(frame + len, (void *) (uintptr_t) desc->lo, n);
            len += n;
        }
        q->taken++;
    } while (!(hi & NM_EOP));

    if (bad) {
        nm_add(&q->n_bad, 1);
    } else {
        send_frame(q, frame, len, now);
    }
}

/* Takes a frame from 'q', of which there is one. */
static inline void
take_frame(struct nm_txq *q, uint64_t now)
{
    const struct nm_desc *desc = &q->ring[q->taken & q->mask];
    uint32_t len = desc->hi & UINT32_MAX;

    if (unlikely(!(desc->hi & NM_EOP) || !len || len > NM_MAX_FRAME
                 || !desc->lo)) {
        take_pieces(q, now);
        return;
    }
    __builtin_prefetch((void *) (uintptr_t)
                       q->ring[(q->taken + 4) & q->mask].lo);
    send_frame(q, (void *) (uintptr_t) desc->lo, len, now);
    q->taken++;
}

/* Completes of 'q' what is to be completed by now. */
static void
complete(struct nm_txq *q, uint64_t now)
{
    const struct nm_knobs *knobs = &q->dev->knobs;
    uint32_t n = q->taken - q->completed;

    if (unlikely(knobs->tx_unit)) {
        n -= n % knobs->tx_unit;
        if (n) {
            publish(q, n);
        }
    } else if (n && !knobs->tx_lazy
               && (n >= knobs->tx_group || now - q->since >= q->dev->tx_tsc)) {
        publish(q, n);
    }
}

/* Does what is to be done on 'q', and returns how many descriptors that
 * concerned. */
unsigned int
nm_tx_run(struct nm_txq *q, uint64_t now)
{
    const struct nm_knobs *knobs = &q->dev->knobs;
    uint32_t before = q->taken;
    uint32_t n = nm_load(&q->tail) - before;

    if (unlikely(q->dev->hung || knobs->tx_hang)) {
        return 0;
    }
    if (n) {
        if (knobs->tx_lazy && q->completed != q->taken) {
            publish(q, q->taken - q->completed);
        }
        if (q->completed == q->taken) {
            q->since = now;
        }
        n = n < TX_MAX ? n : TX_MAX;
        while ((int32_t) (q->taken - before - n) < 0) {
            take_frame(q, now);
        }
        if (unlikely(knobs->check)) {
            for (uint32_t i = before; i != q->taken; i++) {
                nm_check_tx_taken(q, i & q->mask);
            }
        }
    }
    complete(q, now);
    return q->taken - before;
}
