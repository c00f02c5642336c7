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

/* How packets get out of a guest's transmit queue, on PMD threads.  Next:
 * queue/offload.c, what a virtio header can ask for.
 *
 * Most of the time of a copy is spent on cache lines that are elsewhere: the
 * guest's processor has those of the ring and of the frames, and mbufs come
 * from a pool that a NIC has given them back to long ago.  So everything is
 * fetched for the whole burst before the first of it is needed:
 *
 *    1. Take heads, fetch the descriptors.
 *    2. Allocate mbufs, fetch the lines that will be written.
 *    3. Read the descriptors, fetch the frames, set the mbufs' fields.
 *    4. Copy the frames.
 *    5. Give all buffers back.
 *
 * Copies come last because the stores of a processor are done in order: what
 * is stored behind a copy would wait for all of the lines that it misses. */

#include <config.h>

#include "queue/txvq.h"

#include <linux/virtio_net.h>

#include <rte_arp.h>
#include <rte_malloc.h>
#include <rte_mbuf.h>

#include "dp-packet.h"
#include "queue/offload.h"

/* Bytes that are copied by moves of 16 bytes, without a call. */
#define SMALL_COPY 64

/* A frame of the burst. */
struct frame {
    const uint8_t *src;         /* In guest memory, behind its virtio header;
                                 * NULL if it was copied already. */
    uint32_t len;               /* Bytes. */
    struct virtio_net_hdr hdr;  /* If 'src' is NULL. */
};

struct burst {
    struct rte_mempool *mp;     /* Where mbufs come from. */
    uint32_t room;              /* Of an mbuf, behind the headroom. */
    struct rte_mbuf **fresh;    /* Mbufs that frames are copied into, ... */
    unsigned int n_fresh;       /* ...so many, of which... */
    unsigned int n_used;        /* ...so many are used. */
    struct rte_mbuf **mbufs;    /* The packets... */
    struct frame frames[NETDEV_MAX_BURST]; /* ...and their frames... */
    unsigned int n;             /* ...so many. */
    uint32_t pieces;            /* May yet be looked at. */

    uint16_t heads[NETDEV_MAX_BURST];   /* Of the guest's buffers, ... */
    unsigned int n_taken;       /* ...so many, of which... */
    unsigned int n_heads;       /* ...these are good. */
    bool again;                 /* Has a predecessor left them? */
    struct rte_mbuf **lent;     /* By head: the shell, or NULL if the frame is
                                 * copied.  NULL if all are, ... */
    enum iovtee_tx_copy_reason reason;  /* ...for this reason. */
};

static unsigned int recv_burst(struct iovtee_txvq *vq, struct rte_mempool *,
                               struct rte_mbuf *[], unsigned int n)
    OVS_REQUIRES(vq->lock);
static unsigned int announce(struct iovtee_txvq *vq, struct rte_mempool *,
                             struct rte_mbuf **)
    OVS_REQUIRES(vq->lock);

/* Stores at most 'n' packets from the guest in 'mbufs', which are the caller's
 * then: shells, where zero-copy is possible, otherwise copies in new mbufs
 * from 'mp'.  Returns how many there are.  Never waits for anything. */
unsigned int
iovtee_txvq_recv(struct iovtee_txvq *vq, struct rte_mempool *mp,
                 struct rte_mbuf *mbufs[], unsigned int n)
{
    unsigned int n_rx = 0;

    if (ovs_spin_trylock(&vq->lock)) {
        return 0;
    }
    if (OVS_LIKELY(vq->state == IOVTEE_TXVQ_RUNNING)) {
        n = MIN(n, NETDEV_MAX_BURST);
        if (OVS_UNLIKELY(vq->announce) && n) {
            n_rx = announce(vq, mp, mbufs);
        }
        if (OVS_UNLIKELY(vq->vring.used_idx != vq->vring.published)) {
            iovtee_txvq_publish(vq);    /* What came home. */
        }
        n_rx += recv_burst(vq, mp, mbufs + n_rx, n - n_rx);
    }
    iovtee_txvq_unlock(vq);
    return n_rx;
}

/* Copies 'len' bytes of guest memory at 'src' to 'dst'. */
static inline void
copy_frame(uint8_t *dst, const uint8_t *src, uint32_t len)
{
    if (len > SMALL_COPY || len < 16) {
        memcpy(dst, src, len);
        return;
    }

    /* Moves may overlap. */
    memcpy(dst, src, 16);
    if (len > 32) {
        memcpy(dst + 16, src + 16, 16);
        memcpy(dst + len - 32, src + len - 32, 16);
    }
    memcpy(dst + len - 16, src + len - 16, 16);
}

/* Makes 'm', which was never used since it came from its pool, a packet of
 * 'len' bytes.  (What is not set here nobody reads, as 'ol_flags' says, or is
 * as the pool's users have to leave it.) */
static inline void
init_mbuf(struct rte_mbuf *m, uint32_t len)
{
    static const struct {
        uint16_t data_off, refcnt, nb_segs, port;
    } start = { RTE_PKTMBUF_HEADROOM, 1, 1, RTE_MBUF_PORT_INVALID };

    BUILD_ASSERT_DECL(sizeof start == 8
                      && (offsetof(struct rte_mbuf, port)
                          == offsetof(struct rte_mbuf, data_off) + 6));
    memcpy(&m->data_off, &start, sizeof start);
    m->ol_flags = 0;
    m->packet_type = 0;
    m->pkt_len = len;
    m->data_len = len;
}

static void
free_external(void *buf OVS_UNUSED, void *aux)
{
    rte_free(aux);
}

/* Gives 'm' another buffer, which has room for 'len' bytes.  Returns true if
 * successful. */
static bool
attach_external(struct rte_mbuf *m, uint32_t len)
{
    uint32_t size = ROUND_UP(RTE_PKTMBUF_HEADROOM + len
                             + sizeof(struct rte_mbuf_ext_shared_info)
                             + sizeof(uintptr_t), sizeof(uintptr_t));
    struct rte_mbuf_ext_shared_info *info;
    uint16_t buf_len = size;
    uint8_t *buf;

    buf = rte_malloc(NULL, size, RTE_CACHE_LINE_SIZE);
    if (!buf) {
        return false;
    }
    info = rte_pktmbuf_ext_shinfo_init_helper(buf, &buf_len, free_external,
                                              buf);
    rte_pktmbuf_attach_extbuf(m, buf, rte_malloc_virt2iova(buf), buf_len,
                              info);
    m->data_off = RTE_PKTMBUF_HEADROOM;
    m->data_len = len;
    return true;
}

/* Can an external buffer hold 'len' bytes?  Its length has 16 bits. */
static bool
fits_external(uint32_t len)
{
    return len <= (UINT16_MAX - RTE_PKTMBUF_HEADROOM
                   - sizeof(struct rte_mbuf_ext_shared_info)
                   - 2 * sizeof(uintptr_t));
}

/* Makes 'm' a packet of 'len' bytes, wherever these find room.  Only guests
 * that may leave segmentation to us send frames that are longer than the MTU.
 * Returns false, having counted why, if there is none. */
static bool
make_room(struct iovtee_txvq *vq, const struct burst *b, struct rte_mbuf *m,
          uint32_t len)
    OVS_REQUIRES(vq->lock)
{
    if (len > b->room && (!vq->offloads || !fits_external(len))) {
        vq->counters.dropped[IOVTEE_TX_DROP_TOO_LONG]++;
        return false;
    }
    init_mbuf(m, len);
    if (len > b->room && !attach_external(m, len)) {
        vq->counters.dropped[IOVTEE_TX_DROP_MEMORY]++;
        return false;
    }
    return true;
}

/* Copies the 'len' bytes that begin 'ofs' bytes after the beginning of the
 * pieces in 'segs' to 'dst'.  There must be so many. */
static void
gather(const struct iovtee_seg segs[], uint32_t ofs, void *dst_, uint32_t len)
{
    uint8_t *dst = dst_;

    for (size_t i = 0; len; i++) {
        uint32_t skip = MIN(ofs, segs[i].len);
        uint32_t k = MIN(segs[i].len - skip, len);

        if (k) {
            memcpy(dst, segs[i].va + skip, k);
        }
        ofs -= skip;
        dst += k;
        len -= k;
    }
}

/* Adds the frame that lies in 'segs', which have 'total' bytes with the virtio
 * header, to 'b', or drops it. */
static void
add_pieces(struct iovtee_txvq *vq, struct burst *b,
           const struct iovtee_seg segs[], uint32_t total)
    OVS_REQUIRES(vq->lock)
{
    struct frame *frame = &b->frames[b->n];
    struct rte_mbuf *m = b->fresh[b->n_used];

    if (total <= vq->hdr_len) {
        vq->counters.dropped[IOVTEE_TX_DROP_EMPTY]++;
        return;
    }
    frame->src = NULL;
    frame->len = total - vq->hdr_len;
    if (make_room(vq, b, m, frame->len)) {
        gather(segs, 0, &frame->hdr, sizeof frame->hdr);
        gather(segs, vq->hdr_len, rte_pktmbuf_mtod(m, void *), frame->len);
        b->mbufs[b->n++] = m;
        b->n_used++;
    }
}

/* Reads the buffer 'head', which is more than one descriptor, into 'b'.
 * Returns false if the burst ends before it. */
static bool
read_chain(struct iovtee_txvq *vq, struct burst *b, uint16_t head)
    OVS_REQUIRES(vq->lock)
{
    struct iovtee_seg segs[IOVTEE_CHAIN_MAX_SEGS];
    enum iovtee_vring_fault fault;
    struct iovtee_chain chain;

    fault = iovtee_vring_peek_chain(&vq->vring, head, segs, b->pieces, &chain);
    if (fault) {
        /* A later burst will see whether a chain is too long by itself. */
        if (fault != IOVTEE_FAULT_CHAIN_LOOP
            || b->pieces == IOVTEE_TXVQ_MAX_PIECES) {
            iovtee_vring_break(&vq->vring, fault);
        }
        return false;
    }
    b->pieces -= chain.n_segs;
    add_pieces(vq, b, segs, chain.len);
    return true;
}

/* Reads the buffer 'head' into 'b'.  Returns false if the burst ends before
 * it. */
static inline bool
read_buffer(struct iovtee_txvq *vq, struct burst *b, uint16_t head)
    OVS_REQUIRES(vq->lock)
{
    struct iovtee_desc desc;
    struct iovtee_seg seg;
    uint32_t len;

    if (OVS_UNLIKELY(!iovtee_vring_read_desc(&vq->vring, head, &desc))) {
        return read_chain(vq, b, head);
    }
    if (OVS_UNLIKELY(!iovtee_vring_map(&vq->vring, &desc, &seg))) {
        iovtee_vring_break(&vq->vring, IOVTEE_FAULT_BAD_ADDRESS);
        return false;
    }

    len = seg.len - vq->hdr_len;
    if (OVS_UNLIKELY(seg.len <= vq->hdr_len || len > b->room)) {
        add_pieces(vq, b, &seg, seg.len);
        return true;
    }
    __builtin_prefetch(seg.va + vq->hdr_len);
    b->frames[b->n].src = seg.va + vq->hdr_len;
    b->frames[b->n].len = len;
    init_mbuf(b->fresh[b->n_used], len);
    b->mbufs[b->n++] = b->fresh[b->n_used++];
    return true;
}

/* Adds the frame that stays where it is, in shell 'm', to 'b'. */
static inline void
add_lent(struct burst *b, struct rte_mbuf *m)
{
    __builtin_prefetch(m->buf_addr);
    b->frames[b->n].src = NULL;
    b->frames[b->n].hdr = (struct virtio_net_hdr) { .flags = 0 };
    b->mbufs[b->n++] = m;
}

/* Copies what is left to copy of 'b'. */
static void
copy_late(struct iovtee_txvq *vq, struct burst *b)
    OVS_REQUIRES(vq->lock)
{
    for (unsigned int i = 0; i < b->n; i++) {
        struct frame *frame = &b->frames[i];

        if (OVS_LIKELY(frame->src)) {
            copy_frame(rte_pktmbuf_mtod(b->mbufs[i], uint8_t *), frame->src,
                       frame->len);
            if (OVS_UNLIKELY(vq->offloads)) {
                memcpy(&frame->hdr, frame->src - vq->hdr_len,
                       sizeof frame->hdr);
            }
        }
    }

    /* From here on there are only private copies of it. */
    rte_compiler_barrier();
}

/* Copies those frames of 'b' after all that were to stay where they are but
 * whose virtio header, behind which they lie, asks for something.  It is made
 * of the first 'n' of its heads. */
static void
take_asking(struct iovtee_txvq *vq, struct burst *b, unsigned int n)
    OVS_REQUIRES(vq->lock)
{
    unsigned int k = 0;

    for (unsigned int i = 0; i < n; i++) {
        struct rte_mbuf *shell = b->lent[i];
        struct frame *frame;

        if (!shell) {
            continue;
        }
        while (b->mbufs[k] != shell) {
            k++;
        }
        frame = &b->frames[k];
        memcpy(&frame->hdr, (uint8_t *) shell->buf_addr - vq->hdr_len,
               sizeof frame->hdr);
        if (OVS_UNLIKELY(frame->hdr.flags & VIRTIO_NET_HDR_F_NEEDS_CSUM
                         || (frame->hdr.gso_type
                             != VIRTIO_NET_HDR_GSO_NONE))) {
            struct rte_mbuf *m = b->fresh[b->n_used++];

            init_mbuf(m, shell->data_len);
            copy_frame(rte_pktmbuf_mtod(m, uint8_t *), shell->buf_addr,
                       shell->data_len);
            vq->counters.copied[IOVTEE_TX_COPY_OFFLOAD]++;
            b->mbufs[k] = m;
            b->lent[i] = NULL;
            iovtee_txvq_unlend(vq, b->heads[i]);
        }
    }
    rte_compiler_barrier();
}

/* Gives 'n' mbufs back that came from 'mp' and that nobody has seen. */
static void
put_back(struct rte_mempool *mp, struct rte_mbuf *mbufs[], unsigned int n)
{
    for (unsigned int i = 0; i < n; i++) {
        if (RTE_MBUF_HAS_EXTBUF(mbufs[i])) {
            rte_pktmbuf_detach(mbufs[i]);
        }
    }
    rte_mempool_put_bulk(mp, (void **) mbufs, n);
}

/* Does what the virtio headers of 'b' ask for.  Drops packets of which that
 * cannot be done. */
static void
run_offloads(struct iovtee_txvq *vq, struct burst *b)
    OVS_REQUIRES(vq->lock)
{
    unsigned int n = 0;

    for (unsigned int i = 0; i < b->n; i++) {
        struct rte_mbuf *m = b->mbufs[i];

        if (OVS_LIKELY(iovtee_offload(m, &b->frames[i].hdr))) {
            b->mbufs[n++] = m;
        } else {
            vq->counters.dropped[IOVTEE_TX_DROP_HEADER]++;
            put_back(b->mp, &m, 1);
        }
    }
    b->n = n;
}
/* Takes up to 'n' buffers for 'b', those that a predecessor has left first.
 * Returns false if there are none. */
static bool
take(struct iovtee_txvq *vq, struct burst *b, unsigned int n)
    OVS_REQUIRES(vq->lock)
{
    b->again = vq->next_again < vq->n_again;
    if (OVS_UNLIKELY(b->again)) {
        n = vq->vring.fault ? 0 : MIN(n, vq->n_again - vq->next_again);
        memcpy(b->heads, vq->again + vq->next_again, n * sizeof *b->heads);
        vq->next_again += n;
        for (unsigned int i = 0; i < n; i++) {
            iovtee_ledger_move(&vq->ledger, b->heads[i], IOVTEE_IDLE,
                               IOVTEE_GUEST);
        }
    } else if (iovtee_vring_n_avail(&vq->vring, n)) {
        n = iovtee_vring_take(&vq->vring, b->heads, n);
        for (unsigned int i = 0; i < n; i++) {
            iovtee_vring_prefetch_desc(&vq->vring, b->heads[i]);
            iovtee_inflight_take(&vq->inflight, b->heads[i]);
        }
    } else {
        n = 0;
    }
    b->n_taken = b->n_heads = n;
    return n != 0;
}

/* Undoes take() for all heads of 'b' but the first 'n'. */
static void
untake(struct iovtee_txvq *vq, struct burst *b, unsigned int n)
    OVS_REQUIRES(vq->lock)
{
    for (unsigned int i = n; b->lent && i < b->n_heads; i++) {
        if (b->lent[i]) {
            iovtee_txvq_unlend(vq, b->heads[i]);
        }
    }
    if (OVS_UNLIKELY(b->again)) {
        for (unsigned int i = n; i < b->n_taken; i++) {
            iovtee_ledger_move(&vq->ledger, b->heads[i], IOVTEE_GUEST,
                               IOVTEE_IDLE);
        }
        vq->next_again -= b->n_taken - n;
    } else {
        iovtee_vring_untake(&vq->vring, b->n_taken - n);
    }
}

/* Lends what 'b' is to leave where it is, and gets mbufs for the rest, of
 * which the lines are fetched that will be written to.  Returns true if
 * successful. */
static bool
prepare(struct iovtee_txvq *vq, struct burst *b, struct rte_mbuf *shells[],
        struct rte_mbuf *fresh[])
    OVS_REQUIRES(vq->lock)
{
    unsigned int n;

    if (OVS_LIKELY(!vq->zero_copy) || b->again
        || !iovtee_txvq_may_lend(vq, b->n_taken, &b->reason)) {
        b->n_heads = iovtee_txvq_check_heads(vq, b->heads, b->n_taken);
        n = b->n_heads;
    } else {
        b->lent = shells;
        b->fresh = fresh;
        n = iovtee_txvq_lend(vq, b->heads, b->n_taken, b->room, shells,
                             &b->n_heads);
        if (vq->offloads) {
            /* For those of which it will be seen what they ask for. */
            n = b->n_heads;
        }
    }

    if (n && OVS_UNLIKELY(rte_mempool_get_bulk(b->mp, (void **) b->fresh,
                                               n))) {
        return false;
    }
    for (unsigned int i = 0; i < n; i++) {
        __builtin_prefetch(b->fresh[i], 1);
        __builtin_prefetch((uint8_t *) b->fresh[i]->buf_addr
                           + RTE_PKTMBUF_HEADROOM, 1);
    }
    b->n_fresh = n;
    return true;
}

/* Reads the frames of 'b'.  Returns how many of its heads they are made of:
 * less than all if something is wrong with the next one. */
static unsigned int
read_frames(struct iovtee_txvq *vq, struct burst *b)
    OVS_REQUIRES(vq->lock)
{
    unsigned int i;

    for (i = 0; i < b->n_heads; i++) {
        if (b->lent && b->lent[i]) {
            add_lent(b, b->lent[i]);
        } else if (!read_buffer(vq, b, b->heads[i])) {
            break;
        }
    }
    copy_late(vq, b);
    return i;
}

/* Finishes 'b', which is made of the first 'n' of its heads: gives those
 * buffers back to the guest that were not lent, and counts the packets. */
static void
complete(struct iovtee_txvq *vq, const struct burst *b, unsigned int n)
    OVS_REQUIRES(vq->lock)
{
    for (unsigned int i = 0; i < n; i++) {
        if (!b->lent || !b->lent[i]) {
            iovtee_txvq_give(vq, b->heads[i]);
        }
    }
    iovtee_txvq_publish(vq);
    for (unsigned int i = 0; i < b->n; i++) {
        iovtee_ringstats_count(&vq->counters.ring,
                               rte_pktmbuf_mtod(b->mbufs[i], uint8_t *),
                               b->mbufs[i]->pkt_len);
    }
    if (OVS_UNLIKELY(vq->zero_copy) && !b->lent) {
        vq->counters.copied[b->reason] += b->n;
    }
}

/* Does what iovtee_txvq_recv() does. */
static unsigned int
recv_burst(struct iovtee_txvq *vq, struct rte_mempool *mp,
           struct rte_mbuf *mbufs[], unsigned int n)
{
    struct rte_mbuf *shells[NETDEV_MAX_BURST], *fresh[NETDEV_MAX_BURST];
    struct burst b = {
        .mp = mp,
        .room = rte_pktmbuf_data_room_size(mp) - RTE_PKTMBUF_HEADROOM,
        .fresh = mbufs,
        .n_used = 0,
        .mbufs = mbufs,
        .n = 0,
        .pieces = IOVTEE_TXVQ_MAX_PIECES,
        .lent = NULL,
        .reason = IOVTEE_TX_COPY_RECOVERED,
    };
    unsigned int i;

    if (!take(vq, &b, n)) {
        iovtee_txvq_note_idle(vq);
        return 0;
    }
    if (OVS_UNLIKELY(!prepare(vq, &b, shells, fresh))) {
        untake(vq, &b, 0);
        return 0;
    }
    iovtee_vring_prefetch_used(&vq->vring, b.n_heads);

    i = read_frames(vq, &b);
    if (b.lent && OVS_UNLIKELY(vq->offloads)) {
        take_asking(vq, &b, i);
    }
    if (OVS_UNLIKELY(iovtee_guestmem_is_lost(vq->vring.mem))) {
        /* Some of it may be nothing but zeros. */
        iovtee_vring_break(&vq->vring, IOVTEE_FAULT_MEMORY_LOST);
        b.n = b.n_used = i = 0;
    }
    if (OVS_UNLIKELY(vq->offloads)) {
        run_offloads(vq, &b);
    }
    complete(vq, &b, i);
    if (OVS_UNLIKELY(i < b.n_taken)) {
        untake(vq, &b, i);
    }
    if (OVS_UNLIKELY(b.n_used < b.n_fresh)) {
        put_back(mp, b.fresh + b.n_used, b.n_fresh - b.n_used);
    }
    return b.n;
}

/* Puts the RARP request that was asked for into '*mbufp'.  Returns the number
 * of packets, 0 if there was no mbuf. */
static unsigned int
announce(struct iovtee_txvq *vq, struct rte_mempool *mp,
         struct rte_mbuf **mbufp)
{
    struct rte_ether_addr mac;
    struct rte_mbuf *m;

    memcpy(mac.addr_bytes, vq->mac, sizeof mac.addr_bytes);
    m = rte_net_make_rarp_packet(mp, &mac);
    if (!m) {
        return 0;
    }
    vq->announce = false;
    iovtee_ringstats_count(&vq->counters.ring, rte_pktmbuf_mtod(m, uint8_t *),
                           m->pkt_len);
    *mbufp = m;
    return 1;
}
