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

#define _GNU_SOURCE

#include "nm-guest.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <linux/virtio_net.h>

#include <rte_common.h>
#include <rte_branch_prediction.h>

#include "nm-ring.h"
#include "nm-sink.h"

#define BURST 32                /* Buffers between two looks at memory. */
#define HDR_LEN sizeof(struct virtio_net_hdr_v1)
#define FRAME_OFS 128           /* Of a frame in its buffer; header before. */
#define RING_ALIGN 4096
#define HUGEPAGE (2u << 20)

/* Memory. */

static void
ring_init(struct nm_vring *r, uint32_t n, uint8_t *p)
{
    vring_init(&r->v, n, p, RING_ALIGN);
    r->avail = r->used = 0;
    r->mask = n - 1;
    r->bufs = calloc(n, sizeof *r->bufs);
    /* We poll. */
    r->v.avail->flags = VRING_AVAIL_F_NO_INTERRUPT;
}

static uint64_t
buf_gpa(const struct nm_guest *g, const uint8_t *buf)
{
    return NM_GUEST_GPA + (buf - g->mem) + FRAME_OFS - HDR_LEN;
}

/* Makes entry 'head' of 'r' available, which describes 'len' bytes of frame
 * in 'buf'.  The switch learns of it by expose(). */
static inline void
post(const struct nm_guest *g, struct nm_vring *r, uint16_t head,
     uint8_t *buf, uint32_t len, uint16_t flags)
{
    struct vring_desc *desc = &r->v.desc[head];

    desc->addr = buf_gpa(g, buf);
    desc->len = HDR_LEN + len;
    desc->flags = flags;
    r->bufs[head] = buf;
    r->v.avail->ring[r->avail++ & r->mask] = head;
}

static inline void
expose(struct nm_vring *r)
{
    __atomic_store_n(&r->v.avail->idx, r->avail, __ATOMIC_RELEASE);
}

/* Returns how many entries of 'r' the switch has used. */
static inline uint16_t
n_used(const struct nm_vring *r)
{
    return __atomic_load_n(&r->v.used->idx, __ATOMIC_ACQUIRE) - r->used;
}

/* Maps 'size' bytes that others can map, too. */
static bool
map_memory(struct nm_guest *g, size_t size)
{
    g->mem_fd = memfd_create("nm-guest",
                             MFD_CLOEXEC | (g->huge ? MFD_HUGETLB : 0));
    g->mem_size = RTE_ALIGN_CEIL(size, (size_t) HUGEPAGE);
    if (g->mem_fd < 0) {
        return false;
    }
    g->mem = MAP_FAILED;
    if (!ftruncate(g->mem_fd, g->mem_size)) {
        g->mem = mmap(NULL, g->mem_size, PROT_READ | PROT_WRITE,
                      MAP_SHARED | MAP_POPULATE, g->mem_fd, 0);
    }
    if (g->mem == MAP_FAILED) {
        g->mem = NULL;
        close(g->mem_fd);
    }
    return g->mem != NULL;
}

/* Makes memory, rings and buffers, and posts half of the latter for
 * reception.  Returns true if successful. */
bool
nm_guest_make_memory(struct nm_guest *g)
{
    size_t ring_size = RTE_ALIGN_CEIL(vring_size(g->ring, RING_ALIGN),
                                      (size_t) RING_ALIGN);
    /* An odd number of cache lines, so that buffers do not compete for few
     * places of a cache. */
    size_t stride = (FRAME_OFS + g->room + 63) / 64 * 64 | 64;
    uint8_t *p;

    if (!map_memory(g, 2 * ring_size + 2 * g->ring * stride)) {
        return false;
    }
    ring_init(&g->rings[NM_GUEST_RX], g->ring, g->mem);
    ring_init(&g->rings[NM_GUEST_TX], g->ring, g->mem + ring_size);
    g->tx_free = calloc(g->ring, sizeof *g->tx_free);
    g->pool = calloc(g->ring, sizeof *g->pool);
    if (!g->rings[NM_GUEST_RX].bufs || !g->rings[NM_GUEST_TX].bufs
        || !g->tx_free || !g->pool) {
        nm_guest_free_memory(g);
        return false;
    }
    p = g->mem + 2 * ring_size;
    for (uint32_t i = 0; i < g->ring; i++) {
        g->pool[i] = p + (g->ring + i) * stride;
        g->tx_free[i] = i;
        post(g, &g->rings[NM_GUEST_RX], i, p + i * stride, g->room,
             VRING_DESC_F_WRITE);
    }
    expose(&g->rings[NM_GUEST_RX]);
    g->n_pool = g->n_tx_free = g->ring;
    g->n_pieces = g->frame_len = 0;
    return true;
}

void
nm_guest_free_memory(struct nm_guest *g)
{
    for (int i = 0; i < 2; i++) {
        free(g->rings[i].bufs);
        g->rings[i].bufs = NULL;
    }
    free(g->tx_free);
    free(g->pool);
    g->tx_free = NULL;
    g->pool = NULL;
    munmap(g->mem, g->mem_size);
    close(g->mem_fd);
    g->mem = NULL;
}

/* Transmission. */

/* Takes buffers back that the switch has sent. */
static void
reap_sent(struct nm_guest *g)
{
    struct nm_vring *r = &g->rings[NM_GUEST_TX];

    for (uint16_t n = n_used(r); n; n--) {
        uint32_t head = r->v.used->ring[r->used++ & r->mask].id;

        if (head > r->mask || !r->bufs[head]) {
            g->n_bad++;
            continue;
        }
        g->pool[g->n_pool++] = r->bufs[head];
        r->bufs[head] = NULL;
        g->tx_free[g->n_tx_free++] = head;
    }
}

/* Sends the frame of 'len' bytes in 'buf' back.  Returns the buffer that is
 * to be posted instead of 'buf', which is 'buf' if that was not sent. */
static inline uint8_t *
send_back(struct nm_guest *g, uint8_t *buf, uint32_t len)
{
    uint8_t *frame = buf + FRAME_OFS;
    uint8_t dst[6];

    if (unlikely(!g->n_tx_free)) {
        reap_sent(g);
        if (!g->n_tx_free) {
            nm_add(&g->n_tx_full, 1);
            return buf;
        }
    }
    memcpy(dst, frame, 6);
    memcpy(frame, frame + 6, 6);
    memcpy(frame + 6, dst, 6);
    memset(frame - HDR_LEN, 0, HDR_LEN);
    post(g, &g->rings[NM_GUEST_TX], g->tx_free[--g->n_tx_free], buf, len, 0);
    nm_add(&g->n_tx, 1);
    return g->pool[--g->n_pool];
}

/* Reception. */

/* Adds 'len' bytes at 'p' to the frame that comes in pieces. */
static void
add_piece(struct nm_guest *g, const uint8_t *p, uint32_t len, uint64_t now)
{
    len = RTE_MIN(len, sizeof g->frame - g->frame_len);
    memcpy(g->frame + g->frame_len, p, len);
    g->frame_len += len;
    if (!--g->n_pieces) {
        nm_add(&g->n_rx, 1);
        nm_add(&g->n_rx_bytes, g->frame_len);
        nm_add(&g->n_rx_pieces, 1);
        if (g->mode == NM_GUEST_VERIFY) {
            nm_sink_look(g->sink, g->frame, g->frame_len, now);
        } else if (g->mode == NM_GUEST_FORWARD) {
            nm_add(&g->n_tx_full, 1);
        }
        g->frame_len = 0;
    }
}

/* Handles a buffer of which 'len' bytes were written.  Returns the one to
 * post instead. */
static inline uint8_t *
take(struct nm_guest *g, uint8_t *buf, uint32_t len, uint64_t now)
{
    const struct virtio_net_hdr_v1 *hdr;
    const uint8_t *frame = buf + FRAME_OFS;

    hdr = (const struct virtio_net_hdr_v1 *) (frame - HDR_LEN);
    if (unlikely(g->n_pieces)) {
        add_piece(g, frame - HDR_LEN, len, now);
        return buf;
    }
    if (unlikely(len <= HDR_LEN || (g->mrg && !hdr->num_buffers))) {
        g->n_bad++;
        return buf;
    }
    len -= HDR_LEN;
    if (unlikely(g->mrg && hdr->num_buffers > 1)) {
        g->n_pieces = hdr->num_buffers;
        add_piece(g, frame, len, now);
        return buf;
    }
    nm_add(&g->n_rx, 1);
    nm_add(&g->n_rx_bytes, len);
    if (g->mode == NM_GUEST_FORWARD) {
        return send_back(g, buf, len);
    } else if (unlikely(g->mode == NM_GUEST_VERIFY)) {
        nm_sink_look(g->sink, frame, len, now);
    } else {
        (void) *(volatile const uint64_t *) frame;
    }
    return buf;
}

/* Prepares for a look at the buffers of the next 'n' used entries of 'r', and
 * for a change of their descriptors. */
static inline void
prefetch(const struct nm_vring *r, uint16_t n)
{
    for (uint16_t i = r->used; n; i++, n--) {
        uint16_t head = r->v.used->ring[i & r->mask].id & r->mask;
        const uint8_t *buf = r->bufs[head];

        __builtin_prefetch(buf + FRAME_OFS - HDR_LEN);
        __builtin_prefetch(buf + FRAME_OFS);
        nm_prefetch_write(&r->v.desc[head]);
    }
}

/* Posts 'n' buffers for reception with 'heads', of which only the addresses
 * change.  It does nothing else, see write_same() in nm-source.c. */
static void
post_again(const struct nm_guest *g, struct nm_vring *rx,
           const uint16_t heads[], uint8_t *const bufs[], unsigned int n)
{
    uint16_t avail = rx->avail;

    for (unsigned int i = 0; i < n; i++) {
        rx->v.desc[heads[i]].addr = buf_gpa(g, bufs[i]);
    }
    for (unsigned int i = 0; i < n; i++) {
        rx->bufs[heads[i]] = bufs[i];
        rx->v.avail->ring[avail++ & rx->mask] = heads[i];
    }
    rx->avail = avail;
    expose(rx);
}

/* Handles the next 'n' used entries, and posts as many buffers. */
static void
receive(struct nm_guest *g, uint16_t n, uint64_t now)
{
    struct nm_vring *rx = &g->rings[NM_GUEST_RX];
    uint64_t sent = g->n_tx;
    uint16_t heads[BURST];
    uint8_t *bufs[BURST];
    unsigned int n_bufs = 0;

    prefetch(rx, n);
    for (; n; n--, rx->used++) {
        struct vring_used_elem elem = rx->v.used->ring[rx->used & rx->mask];

        if (unlikely(elem.id > rx->mask || elem.len > HDR_LEN + g->room)) {
            g->n_bad++;
        } else {
            heads[n_bufs] = elem.id;
            bufs[n_bufs++] = take(g, rx->bufs[elem.id], elem.len, now);
        }
    }
    post_again(g, rx, heads, bufs, n_bufs);
    if (g->n_tx != sent) {
        expose(&g->rings[NM_GUEST_TX]);
        reap_sent(g);
    }
}

/* Handles what has arrived.  Returns how many buffers that were. */
unsigned int
nm_guest_run(struct nm_guest *g, uint64_t now)
{
    const struct nm_vring *rx = &g->rings[NM_GUEST_RX];
    unsigned int total = 0;
    uint16_t n;

    for (n = n_used(rx); n && total <= rx->mask; n = n_used(rx)) {
        if (unlikely(n > rx->mask + 1)) {
            g->n_bad++;
            break;
        }
        n = RTE_MIN(n, BURST);
        receive(g, n, now);
        total += n;
    }
    return total;
}

void
nm_guest_set_mode(struct nm_guest *g, enum nm_guest_mode mode)
{
    g->mode = mode;
    nm_sink_reset(g->sink);
    g->sink->verify = true;
}
