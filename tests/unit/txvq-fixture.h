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

#ifndef TESTS_TXVQ_FIXTURE_H
#define TESTS_TXVQ_FIXTURE_H 1

/* A guest's transmit queue and its surroundings
 * =============================================
 *
 * A guest posts frames of which each byte follows from the frame's number, in
 * one piece or many.  Whatever comes out of the queue is compared with what
 * was posted, in that order. */

#include "guest-driver.h"
#include "queue/txvq.h"

/* Longest frame, most pieces of a buffer, most frames in the ring. */
enum { TX_MAX_FRAME = 66000, TX_MAX_PIECES = 1024, TX_MAX_SIZE = 256 };

/* Room for data in an mbuf. */
enum { TX_ROOM = 2048 };

/* Guest memory: rings, buffers, indirect tables, and a place for a buffer of
 * any length. */
#define TX_RING_GPA UINT64_C(0)
#define TX_BUF_GPA (UINT64_C(4) << 30)
#define TX_TABLE_GPA (UINT64_C(5) << 30)
#define TX_ENDLESS_GPA (UINT64_C(8) << 30)
#define TX_ENDLESS_SIZE (UINT64_C(5) << 30)

struct tx_params {
    uint32_t size;              /* Of the ring. */
    uint16_t start;             /* First index. */
    unsigned int hdr_len;       /* 10 or 12. */
    uint64_t features;          /* Of virtio-net. */
    bool event_idx;
};

/* A frame that was posted. */
struct tx_frame {
    uint16_t head;
    uint32_t len;               /* 0 if it will be dropped. */
    uint32_t seed;
};

struct tx_fixture {
    struct tx_params params;
    struct guest guest;
    struct guest_ring ring;
    struct iovtee_ring_setup setup;
    struct iovtee_txvq *vq;
    int callfd;
    uint8_t hdr[12];            /* Virtio header of what is posted. */

    /* What was posted: numbers run freely. */
    struct tx_frame frames[2 * TX_MAX_SIZE];
    uint32_t posted;            /* Next one to post. */
    uint32_t received;          /* Next one to be received. */
    uint32_t reaped;            /* Next one to be given back. */
};

void tx_fixture_init(struct tx_fixture *, const struct tx_params *);
void tx_fixture_open(struct tx_fixture *, uint16_t last_avail,
                     uint16_t last_used);
void tx_fixture_close(struct tx_fixture *, uint16_t *last_used);
void tx_fixture_destroy(struct tx_fixture *);

struct rte_mempool *tx_pool(void);
uint64_t tx_n_counted(const struct tx_fixture *);

/* The guest. */
int tx_post(struct tx_fixture *, uint32_t len);
int tx_post_pieces(struct tx_fixture *, const uint32_t lens[], size_t n_direct,
                   size_t n_indirect);
int tx_post_desc(struct tx_fixture *, uint64_t gpa, uint32_t len,
                 uint16_t flags);
void tx_expose(struct tx_fixture *);
unsigned int tx_reap(struct tx_fixture *);

/* The switch. */
unsigned int tx_recv(struct tx_fixture *);
void tx_frame(void *dst, uint32_t len, uint32_t seed);

#endif /* tests/unit/txvq-fixture.h */
