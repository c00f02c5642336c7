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

#ifndef TESTS_VQ_FIXTURE_H
#define TESTS_VQ_FIXTURE_H 1

/* A guest receive queue between its two sides
 * ===========================================
 *
 * On one side a guest (guest-driver.h), on the other whoever plays NIC and
 * switch.  The fixture keeps a copy of all of the guest's buffers and of what
 * is between them, so that it notices each byte that changes without reason.
 *
 * Thread-safety: none. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dp-packet.h"
#include "guest-driver.h"
#include "queue/rxvq.h"
#include "session/session.h"
#include "virtio/inflight.h"

/* Where the memory for buffers is. */
#define VQ_BUF_GPA (UINT64_C(4) << 30)

/* Where there is memory for a buffer of any length, if a test wants it. */
#define VQ_ENDLESS_GPA (UINT64_C(8) << 30)
#define VQ_ENDLESS_SIZE (UINT64_C(5) << 30)

/* DPDK port of the peer. */
enum { VQ_PEER = 7 };

/* Longest frame, and most pieces of a buffer. */
enum { VQ_MAX_FRAME = 6000, VQ_MAX_PIECES = 8 };

struct vq_params {
    uint32_t size;              /* Of the ring. */
    uint16_t start;             /* First index. */
    unsigned int hdr_len;       /* 10 or 12. */
    bool mergeable;             /* May frames span buffers? */
    bool guest_csum;            /* Does the guest take partial checksums? */
    bool event_idx;
    bool no_zero_copy;          /* Is zero-copy off? */
    bool bare;                  /* Does no NIC need shells yet? */
    bool endless;               /* Is there memory at VQ_ENDLESS_GPA? */
    struct iovtee_inflight *inflight;
    struct iovtee_rxvq_past *past;
};

/* A buffer as the guest posted it. */
struct vq_buffer {
    struct guest_buf pieces[VQ_MAX_PIECES];
    size_t n;                   /* 0 if it is not posted. */
    uint32_t slot;              /* Which piece of memory it lies in. */
};

struct vq_fixture {
    struct vq_params params;
    struct guest guest;
    struct guest_ring ring;
    struct iovtee_ring_setup session;
    struct iovtee_rxvq *vq;
    int callfd;

    uint8_t *memory;            /* All buffers, in the guest's mapping... */
    uint8_t *expected;          /* ...and what must be there. */
    size_t memory_size;
    struct vq_buffer *by_head;
    uint32_t *free_slots;
    uint32_t n_free_slots;

    struct iovtee_loan posted;  /* Buffers that the NIC has. */
};

void vq_fixture_init(struct vq_fixture *, const struct vq_params *);
void vq_fixture_open(struct vq_fixture *, uint16_t last_avail,
                     uint16_t last_used);
void vq_fixture_destroy(struct vq_fixture *);
void vq_fixture_free(struct vq_fixture *);

/* The guest. */
int vq_post(struct vq_fixture *, uint32_t len);
int vq_post_pieces(struct vq_fixture *, const uint32_t lens[], size_t n,
                   bool indirect);
void vq_refill(struct vq_fixture *, uint32_t len);
bool vq_reap_raw(struct vq_fixture *, uint16_t *head, uint32_t *len,
                 struct vq_buffer *);
unsigned int vq_reap(struct vq_fixture *, uint32_t len, uint32_t seed);
unsigned int vq_reap_hdr(struct vq_fixture *, const void *hdr,
                         const void *frame, uint32_t len);
bool vq_reap_nothing(struct vq_fixture *);
void vq_gather(const struct vq_fixture *, const struct vq_buffer *,
               uint32_t ofs, void *dst, uint32_t n);

/* The NIC. */
unsigned int vq_lend(struct vq_fixture *, struct dp_packet *[],
                     unsigned int n, uint32_t max_frame);
void vq_fill(struct vq_fixture *, struct dp_packet *, uint32_t len,
             uint32_t seed);
struct dp_packet *vq_receive(struct vq_fixture *, uint32_t len,
                             uint32_t seed);

/* Other packets. */
void vq_frame(void *dst, uint32_t len, uint32_t seed);
struct rte_mempool *vq_host_pool(void);
struct dp_packet *vq_host_packet(uint32_t len, uint32_t seed, uint16_t port);
struct dp_packet *vq_switch_packet(uint32_t len, uint32_t seed);

/* The switch. */
void vq_deliver(struct vq_fixture *, struct dp_packet *);
uint32_t vq_n_posted(const struct vq_fixture *);

void vq_accept(struct vq_fixture *, const struct vq_buffer *);
void vq_forgive(struct vq_fixture *);
void vq_check_memory(const struct vq_fixture *);
void vq_check_books(struct vq_fixture *);

/* What was counted. */
uint64_t vq_n_copied(const struct vq_fixture *, enum iovtee_copy_reason);
uint64_t vq_n_counted(const struct vq_fixture *);
void vq_check_n_copied(const struct vq_fixture *, uint64_t n);

#endif /* tests/unit/rxvq-fixture.h */
