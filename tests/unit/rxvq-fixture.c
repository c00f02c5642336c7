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

#include <config.h>

#include "rxvq-fixture.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <linux/virtio_net.h>
#include <rte_mbuf.h>

#include "compat/compat.h"
#include "packets.h"
#include "util.h"

/* Open vSwitch has the same. */
#undef ARRAY_SIZE
#include "unit.h"

#define RING_GPA UINT64_C(0)
#define BUF_GPA VQ_BUF_GPA
#define TABLE_GPA (UINT64_C(5) << 30)

/* Each buffer lies in a slot of its own, with other memory around it and
 * between its pieces. */
#define SLOT_SIZE 16384
#define SLOT_GUARD 512
#define PIECE_GAP 33

/* Room for an indirect table. */
#define TABLE_SIZE 256

/* Makes '*f' a guest with an empty ring, and a queue for it that runs. */
void
vq_fixture_init(struct vq_fixture *f, const struct vq_params *params)
{
    const struct guest_layout layouts[] = {
        { RING_GPA, 1 << 20, 0, false },
        { BUF_GPA, params->size * SLOT_SIZE, 4096, false },
        { TABLE_GPA, params->size * TABLE_SIZE, 0, false },
        { VQ_ENDLESS_GPA, VQ_ENDLESS_SIZE, 0, false },
    };

    memset(f, 0, sizeof *f);
    f->params = *params;
    CHECK(!guest_init(&f->guest, layouts,
                      ARRAY_SIZE(layouts) - !params->endless));
    guest_ring_init(&f->ring, &f->guest, RING_GPA, params->size,
                    params->start, params->event_idx);
    f->callfd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    CHECK(f->callfd >= 0);

    f->memory_size = layouts[1].size;
    f->memory = guest_va(&f->guest, BUF_GPA, f->memory_size);
    f->expected = xmalloc(f->memory_size);
    for (size_t i = 0; i < f->memory_size; i++) {
        f->expected[i] = f->memory[i] = i * 13 + (i >> 8);
    }
    f->by_head = xcalloc(params->size, sizeof *f->by_head);
    f->free_slots = xcalloc(params->size, sizeof *f->free_slots);
    for (uint32_t i = 0; i < params->size; i++) {
        f->free_slots[f->n_free_slots++] = i;
    }
    atomic_init(&f->posted.n_nic, 0);
    vq_fixture_open(f, params->start, params->start);
}

/* Makes a queue for the ring, that goes on where the arguments say. */
void
vq_fixture_open(struct vq_fixture *f, uint16_t last_avail, uint16_t last_used)
{
    const struct vq_params *p = &f->params;
    struct iovtee_ring_setup *s = &f->session;
    struct iovtee_rxvq_config config = {
        .port = "vm0",
        .q = 0,
        .ring = s,
        .zero_copy = !p->no_zero_copy,
        .inflight = p->inflight,
        .past = p->past,
    };

    guest_ring_config(&f->ring, &s->vring);
    s->vring.last_avail = last_avail;
    s->vring.last_used = last_used;
    s->features = ((p->mergeable ? UINT64_C(1) << VIRTIO_NET_F_MRG_RXBUF : 0)
                   | (p->guest_csum
                      ? UINT64_C(1) << VIRTIO_NET_F_GUEST_CSUM : 0));
    s->hdr_len = p->hdr_len;
    s->callfd = f->callfd;
    s->numa_id = -1;

    f->vq = iovtee_rxvq_create(&config);
    CHECK(f->vq);
    atomic_store_relaxed(&f->vq->peer_port_id, VQ_PEER);
    CHECK(iovtee_rxvq_same_ring(f->vq, s));
    CHECK(p->bare || !iovtee_rxvq_equip(f->vq));
    iovtee_rxvq_resume(f->vq, f->callfd, NULL);
}

/* Ends '*f', of whose queue all packets are home or delivered. */
void
vq_fixture_destroy(struct vq_fixture *f)
{
    uint16_t last_avail, last_used;

    vq_check_books(f);
    CHECK(!f->vq->ledger.n[IOVTEE_NIC] && !f->vq->ledger.n[IOVTEE_SWITCH]);
    CHECK(!vq_n_posted(f));
    iovtee_rxvq_suspend(f->vq);
    iovtee_rxvq_finish(f->vq, &last_avail, &last_used);
    CHECK(last_avail == last_used);
    vq_check_books(f);
    CHECK(!f->vq->n_orphans);
    iovtee_rxvq_unref(f->vq);
    iovtee_rxvq_sweep();

    vq_forgive(f);
    vq_check_memory(f);
    vq_fixture_free(f);
    CHECK(rte_mempool_full(vq_host_pool()));
}

/* Frees what 'f' has besides its queue, with which the caller has dealt. */
void
vq_fixture_free(struct vq_fixture *f)
{
    guest_ring_destroy(&f->ring);
    guest_destroy(&f->guest);
    close(f->callfd);
    free(f->expected);
    free(f->by_head);
    free(f->free_slots);
    memset(f, 0, sizeof *f);
}

/* Posts a buffer of one piece of 'len' bytes.  Returns its head, or -1 if all
 * descriptors are in use. */
int
vq_post(struct vq_fixture *f, uint32_t len)
{
    return vq_post_pieces(f, &len, 1, false);
}

/* Posts a buffer of 'n' pieces, each of which has as many bytes as 'lens'
 * says, all of them behind an indirect descriptor if 'indirect'.  Returns its
 * head, or -1 if there are not enough descriptors. */
int
vq_post_pieces(struct vq_fixture *f, const uint32_t lens[], size_t n,
               bool indirect)
{
    struct vq_buffer buffer = { .n = n };
    uint32_t ofs = SLOT_GUARD;
    int head;

    if (f->ring.n_free < (indirect ? 1 : n)) {
        return -1;
    }
    CHECK(f->n_free_slots && n <= VQ_MAX_PIECES);
    buffer.slot = f->free_slots[--f->n_free_slots];
    for (size_t i = 0; i < n; i++) {
        buffer.pieces[i].gpa = BUF_GPA + buffer.slot * SLOT_SIZE + ofs;
        buffer.pieces[i].len = lens[i];
        ofs += lens[i] + PIECE_GAP;
    }
    CHECK(ofs + SLOT_GUARD <= SLOT_SIZE);

    head = (indirect
            ? guest_ring_post_indirect(&f->ring, buffer.pieces, 0,
                                       TABLE_GPA + buffer.slot * TABLE_SIZE,
                                       n)
            : guest_ring_post(&f->ring, buffer.pieces, n));
    CHECK(head >= 0 && !f->by_head[head].n);
    f->by_head[head] = buffer;
    return head;
}

/* Posts as many buffers of 'len' bytes as the ring has room for. */
void
vq_refill(struct vq_fixture *f, uint32_t len)
{
    while (vq_post(f, len) >= 0) {
        continue;
    }
    guest_ring_expose(&f->ring);
}

/* Takes the next used buffer, whatever is in it.  Returns false if there is
 * none. */
bool
vq_reap_raw(struct vq_fixture *f, uint16_t *head, uint32_t *len,
            struct vq_buffer *buffer)
{
    if (!guest_ring_reap(&f->ring, head, len)) {
        return false;
    }
    *buffer = f->by_head[*head];
    CHECK(buffer->n);
    f->by_head[*head].n = 0;
    f->free_slots[f->n_free_slots++] = buffer->slot;
    return true;
}

/* Copies the 'n' bytes at 'ofs' of 'buffer' to 'dst'. */
void
vq_gather(const struct vq_fixture *f, const struct vq_buffer *buffer,
          uint32_t ofs, void *dst_, uint32_t n)
{
    uint8_t *dst = dst_;

    for (size_t i = 0; i < buffer->n && n; i++) {
        const struct guest_buf *piece = &buffer->pieces[i];
        uint32_t k = ofs < piece->len ? MIN(n, piece->len - ofs) : 0;

        memcpy(dst, f->memory + (piece->gpa - BUF_GPA) + ofs, k);
        dst += k;
        n -= k;
        ofs -= MIN(ofs, piece->len);
    }
    CHECK(!n);
}

/* From now on expects the 'n' bytes in 'src' at the beginning of 'buffer'.
 * Returns how many of them fit. */
static uint32_t
expect(struct vq_fixture *f, const struct vq_buffer *buffer,
       const uint8_t *src, uint32_t n)
{
    uint32_t done = 0;

    for (size_t i = 0; i < buffer->n && done < n; i++) {
        const struct guest_buf *piece = &buffer->pieces[i];
        uint32_t k = MIN(n - done, piece->len);

        memcpy(f->expected + (piece->gpa - BUF_GPA), src + done, k);
        done += k;
    }
    return done;
}

/* Takes the next packet, which must be the frame that vq_frame() makes of
 * 'len' and 'seed', without any offload.  Returns the number of buffers. */
unsigned int
vq_reap(struct vq_fixture *f, uint32_t len, uint32_t seed)
{
    struct virtio_net_hdr hdr = { .flags = 0 };
    uint8_t frame[VQ_MAX_FRAME];

    vq_frame(frame, len, seed);
    return vq_reap_hdr(f, &hdr, frame, len);
}

/* Takes the next packet, which must have the virtio header 'hdr', without
 * 'num_buffers', and consist of the 'len' bytes 'frame'.  Checks that nothing
 * else has been written to.  Returns the number of buffers. */
unsigned int
vq_reap_hdr(struct vq_fixture *f, const void *hdr, const void *frame,
            uint32_t len)
{
    uint8_t bytes[sizeof(struct virtio_net_hdr_mrg_rxbuf) + VQ_MAX_FRAME];
    uint32_t rest = f->params.hdr_len + len;
    const uint8_t *p = bytes;
    unsigned int n = 1;

    memcpy(bytes, hdr, sizeof(struct virtio_net_hdr));
    memcpy(bytes + f->params.hdr_len, frame, len);
    for (unsigned int i = 0; i < n; i++) {
        struct vq_buffer buffer;
        uint32_t used, fits;
        uint16_t head;

        CHECK(vq_reap_raw(f, &head, &used, &buffer));
        if (!i && f->params.hdr_len == 12) {
            if (buffer.n == 1 && buffer.pieces[0].len < 12) {
                /* A strange guest, which posts many of the same. */
                n = DIV_ROUND_UP(rest, buffer.pieces[0].len);
                bytes[10] = n;
                bytes[11] = n >> 8;
            } else {
                vq_gather(f, &buffer, 10, bytes + 10, 2);
                n = bytes[10] + bytes[11] * 256;
            }
            CHECK(n >= 1 && n <= f->params.size);
            CHECK(n == 1 || f->params.mergeable);
        }
        fits = expect(f, &buffer, p, rest);
        CHECK(used == fits);
        p += fits;
        rest -= fits;
    }
    CHECK(!rest);
    return n;
}

/* Returns true if there is no used buffer. */
bool
vq_reap_nothing(struct vq_fixture *f)
{
    uint16_t head;
    uint32_t len;

    return !guest_ring_reap(&f->ring, &head, &len);
}

/* Lends up to 'n' buffers to the NIC, whose longest frame has 'max_frame'
 * bytes.  Returns their number. */
unsigned int
vq_lend(struct vq_fixture *f, struct dp_packet *packets[], unsigned int n,
        uint32_t max_frame)
{
    uint32_t before = vq_n_posted(f);
    bool unfit;
    unsigned int got;

    got = iovtee_rxvq_post(f->vq, (void **) packets, n, false, max_frame,
                           &f->posted, &unfit);
    CHECK(got <= n);
    CHECK(vq_n_posted(f) == before + got);
    return got;
}

/* Has the NIC write a frame into 'packet', as drivers do it. */
void
vq_fill(struct vq_fixture *f, struct dp_packet *packet, uint32_t len,
        uint32_t seed)
{
    const struct vq_buffer *buffer
        = &f->by_head[iovtee_rxvq_head(f->vq, packet)];
    struct rte_mbuf *m = &packet->mbuf;
    uint8_t *frame, *buf;

    CHECK(m->data_off == RTE_PKTMBUF_HEADROOM);
    CHECK(rte_mbuf_refcnt_read(m) == 1 && m->nb_segs == 1 && !m->next);
    CHECK(rte_mbuf_iova_get(m) == (uintptr_t) m->buf_addr);
    CHECK(len <= m->buf_len - RTE_PKTMBUF_HEADROOM);
    CHECK(buffer->n == 1);

    buf = iovtee_guestmem_translate(f->vq->mem, buffer->pieces[0].gpa,
                                    buffer->pieces[0].len);
    frame = rte_pktmbuf_mtod(m, uint8_t *);
    CHECK(frame >= buf && frame + len <= buf + buffer->pieces[0].len);
    vq_frame(frame, len, seed);
    vq_frame(f->expected + (buffer->pieces[0].gpa - BUF_GPA)
             + (frame - buf), len, seed);
    m->data_len = m->pkt_len = len;
    m->port = VQ_PEER;
    m->ol_flags = RTE_MBUF_F_RX_RSS_HASH;
    iovtee_packet_received(packet);
    dp_packet_reset_offsets(packet);
    pkt_metadata_init(&packet->md, 0);
}

/* Receives one frame into a buffer of the guest, as the NIC module does. */
struct dp_packet *
vq_receive(struct vq_fixture *f, uint32_t len, uint32_t seed)
{
    uint32_t before = vq_n_posted(f);
    struct dp_packet *packet;

    CHECK(vq_lend(f, &packet, 1, len) == 1);
    vq_fill(f, packet, len, seed);
    CHECK(iovtee_rxvq_received(f->vq, &packet, 1) == 1);
    CHECK(vq_n_posted(f) == before);
    CHECK(dp_packet_headroom(packet)
          == f->params.hdr_len
             + f->vq->bufs[iovtee_rxvq_head(f->vq, packet)].shift);
    return packet;
}

/* Stores the frame of 'len' bytes that 'seed' stands for in 'dst'. */
void
vq_frame(void *dst_, uint32_t len, uint32_t seed)
{
    uint8_t *dst = dst_;
    uint32_t x = seed * 2654435761u + len;

    for (uint32_t i = 0; i < len; i++) {
        x = x * 1664525 + 1013904223;
        dst[i] = x >> 24;
    }
    if (len >= ETH_HEADER_LEN) {
        /* Unicast, and not a VLAN tag by accident. */
        dst[0] = 0x52;
        dst[12] = 0x88;
        dst[13] = 0xb5;
    }
}

static void
init_host_packet(struct rte_mempool *pool OVS_UNUSED, void *aux OVS_UNUSED,
                 void *packet, unsigned int i OVS_UNUSED)
{
    dp_packet_init_dpdk(packet);
}

/* Returns the pool of the NIC's own buffers. */
struct rte_mempool *
vq_host_pool(void)
{
    static struct rte_mempool *mp;

    if (!mp) {
        mp = rte_pktmbuf_pool_create("host", 4096, 0,
                                     sizeof(struct dp_packet)
                                     - sizeof(struct rte_mbuf),
                                     2048 + RTE_PKTMBUF_HEADROOM,
                                     SOCKET_ID_ANY);
        CHECK(mp);
        rte_mempool_obj_iter(mp, init_host_packet, NULL);
    }
    return mp;
}

/* Returns a frame that DPDK port 'port' received into a buffer of the host. */
struct dp_packet *
vq_host_packet(uint32_t len, uint32_t seed, uint16_t port)
{
    struct rte_mbuf *m = rte_pktmbuf_alloc(vq_host_pool());
    struct dp_packet *packet;

    CHECK(m);
    packet = CONTAINER_OF(m, struct dp_packet, mbuf);
    iovtee_packet_received(packet);
    dp_packet_reset_offsets(packet);
    m->port = port;
    CHECK(len <= rte_pktmbuf_tailroom(m));
    m->data_len = m->pkt_len = len;
    vq_frame(rte_pktmbuf_mtod(m, void *), len, seed);
    return packet;
}

/* Returns a frame that the switch made. */
struct dp_packet *
vq_switch_packet(uint32_t len, uint32_t seed)
{
    struct dp_packet *packet = dp_packet_new(len);

    vq_frame(dp_packet_put_uninit(packet, len), len, seed);
    return packet;
}

/* Sends 'packet' to the guest, which must work. */
void
vq_deliver(struct vq_fixture *f, struct dp_packet *packet)
{
    struct iovtee_delivery d;

    iovtee_rxvq_deliver(f->vq, &packet, 1, 0, &d);
    CHECK(!d.n_dropped && !d.n_retries);
}

uint32_t
vq_n_posted(const struct vq_fixture *f)
{
    return iovtee_loan_read(&f->posted.n_nic);
}

/* Accepts whatever is in 'buffer'. */
void
vq_accept(struct vq_fixture *f, const struct vq_buffer *buffer)
{
    for (size_t i = 0; i < buffer->n; i++) {
        size_t ofs = buffer->pieces[i].gpa - BUF_GPA;

        memcpy(f->expected + ofs, f->memory + ofs, buffer->pieces[i].len);
    }
}

/* Accepts whatever the buffers contain that the device has, which it may use
 * as it likes until it gives them back. */
void
vq_forgive(struct vq_fixture *f)
{
    for (uint32_t head = 0; head < f->params.size; head++) {
        vq_accept(f, &f->by_head[head]);
    }
}

/* Checks that the guest's memory contains what it must. */
void
vq_check_memory(const struct vq_fixture *f)
{
    CHECK(!memcmp(f->memory, f->expected, f->memory_size));
}

/* Checks that it is known where each buffer is. */
void
vq_check_books(struct vq_fixture *f)
{
    struct iovtee_rxvq_info info;

    iovtee_rxvq_get_info(f->vq, &info);
    CHECK(iovtee_rxvq_is_balanced(f->vq));
    CHECK(!info.n_violations);
    CHECK(info.n[IOVTEE_NIC] == vq_n_posted(f));
}

/* Returns how many packets were copied for 'reason'. */
uint64_t
vq_n_copied(const struct vq_fixture *f, enum iovtee_copy_reason reason)
{
    return f->vq->counters.copied[reason];
}

/* Returns how many packets the counters of the ring have seen. */
uint64_t
vq_n_counted(const struct vq_fixture *f)
{
    uint64_t n = 0;

    for (size_t i = 0; i < IOVTEE_RINGSTATS_N_BINS; i++) {
        n += f->vq->counters.ring.bins[i];
    }
    return n;
}

/* Checks that 'n' packets were copied in all, for whatever reason. */
void
vq_check_n_copied(const struct vq_fixture *f, uint64_t n)
{
    uint64_t total = 0;

    for (size_t i = 0; i < IOVTEE_N_COPY_REASONS; i++) {
        total += f->vq->counters.copied[i];
    }
    CHECK(total == n);
}
