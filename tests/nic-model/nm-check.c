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

#include "nm-check.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_log.h>

#include "nm-dev.h"
#include "nm-frame.h"

#define POISON 0xdb
#define GRANULE 2048            /* Unit of the table of posted rooms. */
#define N_BUCKETS 8192
#define MAX_REPORTS 20

/* A piece of a posted room, in the bucket of its granule. */
struct piece {
    struct piece *next;
    uint64_t start, end;        /* Of the whole room. */
};

static struct piece *buckets[N_BUCKETS];
static struct piece *spare;

static void __attribute__((format(printf, 4, 5)))
violation(struct nm_dev *dev, unsigned int qid, uint64_t *count,
          const char *format, ...)
{
    static unsigned int n_reports;
    char text[160];
    va_list args;

    nm_add(count, 1);
    if (n_reports < MAX_REPORTS || dev->knobs.check > 1) {
        n_reports++;
        va_start(args, format);
        vsnprintf(text, sizeof text, format, args);
        va_end(args);
        nm_log(RTE_LOG_ERR, "%s queue %u: check failed: %s", dev->name, qid,
               text);
    }
    if (dev->knobs.check > 1) {
        abort();
    }
}

static struct piece **
bucket(uint64_t granule)
{
    return &buckets[(granule * UINT64_C(0x9e3779b97f4a7c15)) >> 51];
}

/* Returns the start of a posted room that has something in common with
 * ['start', 'end'), or 0. */
static uint64_t
find_overlap(uint64_t start, uint64_t end)
{
    for (uint64_t g = start / GRANULE; g <= (end - 1) / GRANULE; g++) {
        for (const struct piece *p = *bucket(g); p; p = p->next) {
            if (p->start < end && start < p->end) {
                return p->start;
            }
        }
    }
    return 0;
}

static void
insert(uint64_t start, uint64_t end)
{
    for (uint64_t g = start / GRANULE; g <= (end - 1) / GRANULE; g++) {
        struct piece **head = bucket(g);
        struct piece *p = spare;

        if (p) {
            spare = p->next;
        } else {
            p = malloc(sizeof *p);
            if (!p) {
                abort();
            }
        }
        p->start = start;
        p->end = end;
        p->next = *head;
        *head = p;
    }
}

static void
delete(uint64_t start, uint64_t end)
{
    for (uint64_t g = start / GRANULE; g <= (end - 1) / GRANULE; g++) {
        struct piece **pp = bucket(g);

        while (*pp && (*pp)->start != start) {
            pp = &(*pp)->next;
        }
        if (*pp) {
            struct piece *p = *pp;

            *pp = p->next;
            p->next = spare;
            spare = p;
        }
    }
}

/* Returns the offset of the first byte from 'ofs' on in the poisoned room of
 * 'slot' that is no poison, or UINT32_MAX. */
static uint32_t
find_damage(const struct nm_slot *slot, uint32_t ofs)
{
    const uint8_t *p = (const uint8_t *) (uintptr_t) slot->addr;

    for (; ofs < slot->n_poison; ofs++) {
        if (p[ofs] != POISON) {
            return ofs;
        }
    }
    return UINT32_MAX;
}

/* Descriptor 'i' of 'q' was read from the ring. */
void
nm_check_posted(struct nm_rxq *q, uint32_t i)
{
    struct nm_slot *slot = &q->slots[i];
    struct nm_dev *dev = q->dev;
    uint64_t other, end;

    slot->addr = q->ring[i].lo;
    slot->room = q->ring[i].hi >> 32;
    slot->n_poison = 0;
    nm_add(&dev->checks.n_checked, 1);
    if (!slot->addr || slot->room < dev->max_frame || q->ring[i].hi & 1) {
        violation(dev, q->id, &dev->checks.n_bad_desc,
                  "descriptor with address %#"PRIx64" and room %"PRIu32,
                  slot->addr, slot->room);
        return;
    }

    end = slot->addr + dev->max_frame;
    other = find_overlap(slot->addr, end);
    if (other == slot->addr) {
        violation(dev, q->id, &dev->checks.n_double_post,
                  "%#"PRIx64" is posted twice", slot->addr);
    } else if (other) {
        violation(dev, q->id, &dev->checks.n_overlap, "%#"PRIx64" is posted, "
                  "and so is %#"PRIx64, slot->addr, other);
    } else {
        insert(slot->addr, end);
        slot->n_poison = dev->max_frame;
        memset((void *) (uintptr_t) slot->addr, POISON, slot->n_poison);
    }
}

/* The buffer of descriptor 'i' is about to be written to. */
void
nm_check_fill(struct nm_rxq *q, uint32_t i)
{
    const struct nm_slot *slot = &q->slots[i];
    uint32_t ofs = find_damage(slot, 0);

    if (ofs != UINT32_MAX) {
        violation(q->dev, q->id, &q->dev->checks.n_touched,
                  "%#"PRIx64" was written to while it was posted, at %"PRIu32,
                  slot->addr, ofs);
    }
}

/* Descriptor 'i', whose buffer is filled, is about to be written back. */
void
nm_check_done(struct nm_rxq *q, uint32_t i)
{
    struct nm_slot *slot = &q->slots[i];
    uint32_t ofs = find_damage(slot, slot->len);

    if (ofs != UINT32_MAX) {
        violation(q->dev, q->id, &q->dev->checks.n_beyond,
                  "%#"PRIx64" was written to after its frame of %u, at "
                  "%"PRIu32, slot->addr, slot->len, ofs);
    }
    if (slot->n_poison) {
        delete(slot->addr, slot->addr + slot->n_poison);
        slot->n_poison = 0;
    }
}

/* 'q' is being stopped. */
void
nm_check_stop(struct nm_rxq *q)
{
    for (; q->written != q->filled; q->written++) {
        nm_check_done(q, q->written & q->mask);
    }
    for (uint32_t i = q->filled; (int32_t) (q->fetched - i) > 0; i++) {
        struct nm_slot *slot = &q->slots[i & q->mask];

        if (slot->n_poison) {
            nm_check_fill(q, i & q->mask);
            delete(slot->addr, slot->addr + slot->n_poison);
            slot->n_poison = 0;
        }
    }
}

static uint64_t
sum_bytes(const struct nm_desc *desc)
{
    const uint8_t *p = (const uint8_t *) (uintptr_t) desc->lo;
    uint64_t sum = 1;

    for (uint32_t i = 0; p && i < (desc->hi & UINT32_MAX); i++) {
        sum = (sum ^ p[i]) * UINT64_C(0x100000001b3);
    }
    return sum;
}

void
nm_check_tx_taken(struct nm_txq *q, uint32_t i)
{
    q->sums[i] = sum_bytes(&q->ring[i]);
}

/* Descriptor 'i' of 'q' is about to be completed. */
void
nm_check_tx_done(struct nm_txq *q, uint32_t i)
{
    /* It may have been taken before check mode was turned on. */
    if (q->sums[i] && q->sums[i] != sum_bytes(&q->ring[i])) {
        violation(q->dev, q->id, &q->dev->checks.n_tx_changed,
                  "%#"PRIx64" changed while it was being sent",
                  q->ring[i].lo);
    }
    q->sums[i] = 0;
}
