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

/* Delivery to the guest: in place if the packet lies in a buffer of this very
 * queue, right behind the virtio header, else by copying it into one. */

#include <config.h>

#include "queue/rxvq.h"

#include <linux/virtio_net.h>
#include <rte_mbuf.h>

#include "compat/compat.h"
#include "csum.h"
#include "dp-packet.h"
#include "packets.h"
#include "queue/mark.h"
#include "unaligned.h"
#include "util.h"

/* The most buffers that one packet may span.  64 kB in buffers of 1.5 kB
 * needs 44. */
#define MAX_SPAN 64

/* Bytes of the longest frame of which the copy waits for the end of the
 * burst. */
#define MAX_LATE 256

/* The virtio header of one packet as the guest shall see it. */
union net_hdr {
    struct virtio_net_hdr_mrg_rxbuf mrg;
    uint8_t bytes[sizeof(struct virtio_net_hdr_mrg_rxbuf)];
};

/* What is still to be written to the guest of the packet being copied. */
struct source {
    const uint8_t *hdr;         /* Rest of the virtio header... */
    uint32_t hdr_len;           /* ...in bytes. */
    const uint8_t *data;        /* Rest of this segment of the frame... */
    uint32_t data_len;          /* ...in bytes. */
    const struct rte_mbuf *next; /* Next segment, or NULL. */
};

static unsigned int deliver(struct iovtee_rxvq *vq, struct dp_packet *[],
                            unsigned int n, unsigned int max_retries,
                            struct iovtee_delivery *)
    OVS_REQUIRES(vq->lock);
static void free_packets(struct dp_packet *[], unsigned int n);
static bool is_in_place(const struct iovtee_rxvq *vq, const struct dp_packet *)
    OVS_REQUIRES(vq->lock);
static void deliver_in_place(struct iovtee_rxvq *vq, struct dp_packet *)
    OVS_REQUIRES(vq->lock);
static int copy_patiently(struct iovtee_rxvq *vq, struct dp_packet *,
                          unsigned int max_retries, bool *progress,
                          struct iovtee_delivery *)
    OVS_REQUIRES(vq->lock);
static void prepare_csum(const struct iovtee_rxvq *, struct dp_packet *);
static int deliver_copy(struct iovtee_rxvq *vq, struct dp_packet *)
    OVS_REQUIRES(vq->lock);
static bool copy_simple(struct iovtee_rxvq *vq, struct dp_packet *)
    OVS_REQUIRES(vq->lock);
static int copy_spanning(struct iovtee_rxvq *vq, struct dp_packet *)
    OVS_REQUIRES(vq->lock);
static enum iovtee_copy_reason copy_reason(const struct iovtee_rxvq *vq,
                                           const struct dp_packet *,
                                           const struct iovtee_buf *target,
                                           bool indirect, uint32_t n_heads)
    OVS_REQUIRES(vq->lock);
static void init_net_hdr(const struct iovtee_rxvq *, const struct dp_packet *,
                         union net_hdr *);

/* Sends the 'n' packets in 'packets' to the guest, in order, and takes
 * ownership of all of them.  If the guest has no buffers left, looks for more
 * up to 'max_retries' times, as long as that yields any.  Stores what became
 * of it in '*d'. */
void
iovtee_rxvq_deliver(struct iovtee_rxvq *vq, struct dp_packet *packets[],
                    unsigned int n, unsigned int max_retries,
                    struct iovtee_delivery *d)
{
    unsigned int n_free;

    ovs_spin_lock(&vq->lock);
    n_free = deliver(vq, packets, n, max_retries, d);
    iovtee_rxvq_unlock(vq);
    free_packets(packets, n_free);
}

/* Does that, but leaves it to iovtee_rxvq_interrupt() to interrupt the guest,
 * which may take for ever, for a caller who holds what others want. */
void
iovtee_rxvq_deliver_silently(struct iovtee_rxvq *vq,
                             struct dp_packet *packets[], unsigned int n,
                             unsigned int max_retries,
                             struct iovtee_delivery *d)
{
    unsigned int n_free;

    ovs_spin_lock(&vq->lock);
    n_free = deliver(vq, packets, n, max_retries, d);
    ovs_spin_unlock(&vq->lock);
    free_packets(packets, n_free);
}

/* Interrupts the guest if that is due. */
void
iovtee_rxvq_interrupt(struct iovtee_rxvq *vq)
{
    ovs_spin_lock(&vq->lock);
    iovtee_rxvq_unlock(vq);
}

/* Finds out which of the 'n' 'packets' are in place, and how much work the
 * others may be.  Returns the number of the former. */
static unsigned int
look_at_packets(struct iovtee_rxvq *vq, struct dp_packet *packets[],
                unsigned int n, bool in_place[])
    OVS_REQUIRES(vq->lock)
{
    unsigned int n_in_place = 0;

    vq->work = IOVTEE_RXVQ_MAX_PIECES;
    for (unsigned int i = 0; i < n; i++) {
        in_place[i] = is_in_place(vq, packets[i]);
        if (in_place[i]) {
            n_in_place++;
        } else {
            vq->work += dp_packet_size(packets[i]) / IOVTEE_RXVQ_PIECE_LEN;
        }
    }
    return n_in_place;
}

/* Notes that 'packet', which lies in the buffer of a guest or did so once, was
 * copied to this one. */
static void
note_copied(struct iovtee_rxvq *vq, struct dp_packet *packet)
    OVS_REQUIRES(vq->lock)
{
    if (iovtee_rxvq_is_own(vq, packet)) {
        /* It was moved, but it is for this guest all the same. */
        vq->bufs[iovtee_rxvq_head(vq, packet)].copied = true;
    } else if (iovtee_mark_is_read_only(packet)) {
        iovtee_mark_fate(&packet->mbuf, IOVTEE_FATE_GUEST);
    }
}

/* Does the work of iovtee_rxvq_deliver().  Returns how many packets are to be
 * freed, of which there are pointers at the start of 'packets' then.
 *
 * Only the caller frees them, without the lock: a packet may have to go home
 * to another guest's queue, whose lock must not be taken under ours. */
static unsigned int
deliver(struct iovtee_rxvq *vq, struct dp_packet *packets[], unsigned int n,
        unsigned int max_retries, struct iovtee_delivery *d)
{
    bool in_place[NETDEV_MAX_BURST];
    unsigned int n_in_place;
    unsigned int n_free = 0;
    bool progress = false;
    bool running;

    ovs_assert(n <= NETDEV_MAX_BURST);
    d->n_dropped = d->n_retries = 0;

    running = vq->state == IOVTEE_RXVQ_RUNNING
              || vq->state == IOVTEE_RXVQ_DRAINING;
    iovtee_vring_prefetch_used(&vq->vring, n);
    n_in_place = look_at_packets(vq, packets, n, in_place);
    if (n > n_in_place && OVS_LIKELY(running)) {
        iovtee_rxvq_stock(vq, n - n_in_place);
    }
    for (unsigned int i = 0; i < n; i++) {
        struct dp_packet *packet = packets[i];
        int error;

        if (OVS_UNLIKELY(!running)) {
            vq->counters.dropped[IOVTEE_DROP_STOPPED]++;
            error = ENETDOWN;
        } else if (OVS_LIKELY(in_place[i])) {
            deliver_in_place(vq, packet);
            progress = true;
            continue;
        } else {
            iovtee_rxvq_vote(vq, packet);
            error = copy_patiently(vq, packet, max_retries, &progress, d);
            if (OVS_UNLIKELY(!error && iovtee_mark_is_shell(packet))) {
                note_copied(vq, packet);
            }
        }
        progress |= !error;
        d->n_dropped += error != 0;
        packets[n_free++] = packet;
    }
    if (OVS_LIKELY(running)) {
        vq->counters.zero_copied += n_in_place;
        iovtee_rxvq_publish(vq);
    }
    vq->counters.retries += d->n_retries;
    return n_free;
}

static void
free_packets(struct dp_packet *packets[], unsigned int n)
{
    for (unsigned int i = 0; i < n; i++) {
        dp_packet_delete(packets[i]);
    }
}

/* Can 'packet' be delivered by a used-ring entry alone?  If its buffer begins
 * where the descriptor does and nobody else refers to it, the rest follows. */
static bool
is_in_place(const struct iovtee_rxvq *vq, const struct dp_packet *packet)
{
    const struct rte_mbuf *mbuf = &packet->mbuf;
    const struct iovtee_buf *buf;

    if (!iovtee_rxvq_is_own(vq, packet)) {
        return false;
    }
    buf = &vq->bufs[iovtee_rxvq_head(vq, packet)];
    return (uint8_t *) mbuf->buf_addr == buf->va
           && mbuf->data_off == vq->hdr_len
           && !(mbuf->ol_flags & (RTE_MBUF_F_EXTERNAL | RTE_MBUF_F_INDIRECT))
           && rte_mbuf_refcnt_read(mbuf) == 1
           && mbuf->nb_segs == 1
           && mbuf->data_len <= buf->len - vq->hdr_len
           && !buf->orphan;
}

/* Pieces of a virtio header in guest memory, which need not be aligned. */
typedef uint64_t piece64 __attribute__((__aligned__(1), __may_alias__));
typedef uint32_t piece32 __attribute__((__aligned__(1), __may_alias__));
typedef uint16_t piece16 __attribute__((__aligned__(1), __may_alias__));

/* Stores VALUE in *(TYPE *) PTR unless it is there already.  Then the cache
 * line stays where the guest, who only reads it, has it too. */
#define STORE_IF_OTHER(TYPE, PTR, VALUE)                                    \
    do {                                                                    \
        volatile TYPE *p__ = (volatile TYPE *) (PTR);                       \
        if (*p__ != (VALUE)) {                                              \
            *p__ = (VALUE);                                                 \
        }                                                                   \
    } while (0)

/* Does 'packet' need anything in its virtio header? */
static bool
is_plain(const struct iovtee_rxvq *vq, const struct dp_packet *packet)
{
    struct iovtee_csum csum;

    return (OVS_LIKELY(!iovtee_packet_asks_csum(packet)) || !vq->guest_csum
            || !iovtee_packet_get_csum(packet, &csum));
}

/* Writes the virtio header of 'packet', which takes one buffer, to 'va' in
 * guest memory. */
static void
put_net_hdr(const struct iovtee_rxvq *vq, const struct dp_packet *packet,
            uint8_t *va)
{
    const size_t tail = offsetof(struct virtio_net_hdr, csum_offset);

    BUILD_ASSERT_DECL(sizeof(struct virtio_net_hdr) == 8 + 2
                      && offsetof(struct virtio_net_hdr, csum_offset) == 8);
    if (OVS_LIKELY(is_plain(vq, packet))) {
        /* All zeros but 'num_buffers', if there is one. */
        STORE_IF_OTHER(piece64, va, 0);
        if (OVS_LIKELY(vq->hdr_len == sizeof(union net_hdr))) {
            STORE_IF_OTHER(piece32, va + tail, UINT32_C(1) << 16);
        } else {
            STORE_IF_OTHER(piece16, va + tail, 0);
        }
    } else {
        union net_hdr hdr;

        init_net_hdr(vq, packet, &hdr);
        hdr.mrg.num_buffers = 1;
        memcpy(va, hdr.bytes, vq->hdr_len);
    }
}

static void
deliver_in_place(struct iovtee_rxvq *vq, struct dp_packet *packet)
{
    uint16_t head = iovtee_rxvq_head(vq, packet);
    uint32_t size = dp_packet_size(packet);
    uint8_t *va = vq->bufs[head].va;

    put_net_hdr(vq, packet, va);
    if (OVS_UNLIKELY(iovtee_vring_is_logged(&vq->vring))) {
        iovtee_vring_mark(&vq->vring, va, vq->hdr_len + size);
    }
    iovtee_shift_vote(&vq->shift, vq->bufs[head].shift);
    iovtee_ringstats_count(&vq->counters.ring, va + vq->hdr_len, size);
    iovtee_loan_count_in_place(vq->lent_by[head], size,
                               iovtee_mark_n_twins(packet));
    iovtee_rxvq_give(vq, head, IOVTEE_SWITCH, vq->hdr_len + size);
}

/* Copies 'packet' to the guest.  Returns 0 if successful, EAGAIN if the guest
 * has too few buffers just now, EMSGSIZE if the packet does not fit in one
 * and must not span several, ENOBUFS if the guest's buffers are more work than
 * a burst may be. */
static int
deliver_copy(struct iovtee_rxvq *vq, struct dp_packet *packet)
{
    if (OVS_UNLIKELY(iovtee_packet_asks_csum(packet))) {
        prepare_csum(vq, packet);
    }
    return copy_simple(vq, packet) ? 0 : copy_spanning(vq, packet);
}

/* Makes the checksum that 'packet', which is about to be copied, asks for what
 * goes with its virtio header: the sum of the pseudo-header, which Open
 * vSwitch leaves out, or the checksum itself if the guest takes no other. */
static void
prepare_csum(const struct iovtee_rxvq *vq, struct dp_packet *packet)
{
    uint8_t *frame = dp_packet_data(packet);
    struct iovtee_csum at;
    uint32_t size, partial;
    const uint8_t *l3;
    ovs_be16 *field;

    if (!iovtee_packet_get_csum(packet, &at)
        || at.proto == IPPROTO_SCTP || iovtee_mark_is_set(packet)
        || at.start + TCP_HEADER_LEN > dp_packet_size(packet)) {
        return;
    }
    l3 = frame + at.l3_ofs;
    size = dp_packet_size(packet) - dp_packet_l2_pad_size(packet) - at.start;
    partial = (IP_VER(*l3) == 4
               ? csum_continue(0, l3 + offsetof(struct ip_header, ip_src), 8)
               : csum_continue(0, l3 + offsetof(struct ovs_16aligned_ip6_hdr,
                                                ip6_src), 32));
    partial = csum_add16(csum_add32(partial, htonl(size)), htons(at.proto));

    field = ALIGNED_CAST(ovs_be16 *, frame + at.start + at.offset);
    put_unaligned_be16(field, ~csum_finish(partial));
    if (!vq->guest_csum && !iovtee_packet_is_tso(packet)) {
        ovs_be16 whole = csum(frame + at.start, size);

        put_unaligned_be16(field, (whole || at.proto != IPPROTO_UDP
                                   ? whole : OVS_BE16_MAX));
    }
}

/* Copies 'packet' to the guest, as deliver_copy() does, and counts it if it
 * must be dropped.  While the guest has too few buffers and '*progress' says
 * that it has got something to do since the last look, looks again. */
static int
copy_patiently(struct iovtee_rxvq *vq, struct dp_packet *packet,
               unsigned int max_retries, bool *progress,
               struct iovtee_delivery *d)
{
    int error = deliver_copy(vq, packet);

    while (error == EAGAIN && *progress && d->n_retries < max_retries) {
        iovtee_rxvq_publish(vq);
        *progress = false;
        d->n_retries++;
        error = deliver_copy(vq, packet);
    }
    if (error == EAGAIN) {
        vq->counters.dropped[IOVTEE_DROP_NO_BUFFER]++;
    } else if (error == ENOBUFS) {
        vq->counters.dropped[IOVTEE_DROP_PIECES]++;
    } else if (error) {
        vq->counters.dropped[IOVTEE_DROP_TOO_BIG]++;
    }
    return error;
}

/* Copies the 'len' bytes at 'src', which stay there until the burst is
 * published, to 'dst' in guest memory.
 *
 * Small frames wait for the end of the burst.  Stores are done in order, and
 * those to the guest's cache lines take long because the guest's processor has
 * them: what is stored in between would wait in the store buffer until that is
 * full.  (None waits if it has to be reported as soon as it was made.) */
static void
copy_frame(struct iovtee_rxvq *vq, uint8_t *dst, const uint8_t *src,
           uint32_t len)
    OVS_REQUIRES(vq->lock)
{
    if (len <= MAX_LATE && vq->n_late < ARRAY_SIZE(vq->late)
        && OVS_LIKELY(!iovtee_vring_is_logged(&vq->vring))) {
        vq->late[vq->n_late++] = (struct iovtee_late_copy) { dst, src, len };
    } else {
        memmove(dst, src, len);     /* As in vq_copy_late(). */
    }
}

/* Copies 'packet' if it lies in one piece and fits in the next buffer, which
 * is one piece as well.  Returns true if successful. */
static bool
copy_simple(struct iovtee_rxvq *vq, struct dp_packet *packet)
{
    uint32_t size = dp_packet_size(packet);
    const struct iovtee_buf *buf;
    uint16_t head;

    if (OVS_UNLIKELY((packet->source == DPBUF_DPDK
                      && packet->mbuf.nb_segs != 1)
                     || !size || !iovtee_rxvq_get_buffer(vq, &head))) {
        return false;
    }
    buf = &vq->bufs[head];
    if (OVS_UNLIKELY(buf->len < vq->hdr_len + size)) {
        iovtee_rxvq_unget_buffer(vq, head);
        return false;
    }

    put_net_hdr(vq, packet, buf->va);
    copy_frame(vq, buf->va + vq->hdr_len, dp_packet_data(packet), size);
    if (OVS_UNLIKELY(iovtee_vring_is_logged(&vq->vring))) {
        iovtee_vring_mark(&vq->vring, buf->va, vq->hdr_len + size);
    }
    vq->counters.copied[copy_reason(vq, packet, buf, false, 1)]++;
    iovtee_ringstats_count(&vq->counters.ring, dp_packet_data(packet), size);
    iovtee_rxvq_give(vq, head, IOVTEE_IDLE, vq->hdr_len + size);
    return true;
}

/* Is there anything left in 'src'?  Moves on to the next segment if it must.
 * (Packets of several segments come from other ports.) */
static bool
source_rest(struct source *src)
{
    while (OVS_UNLIKELY(!src->data_len && src->next)) {
        src->data = rte_pktmbuf_mtod(src->next, const uint8_t *);
        src->data_len = src->next->data_len;
        src->next = src->next->next;
    }
    return src->hdr_len || src->data_len;
}

/* Writes as much of 'src' as fits into the 'n' pieces in 'segs' and advances
 * it.  If 'nb' is nonnull, stores there where the last two bytes of a full
 * header were written.  Returns the number of bytes written. */
static uint32_t
fill_segs(const struct iovtee_seg segs[], size_t n, struct source *src,
          uint8_t *nb[2])
{
    uint32_t written = 0;

    for (size_t i = 0; i < n; i++) {
        uint8_t *p = segs[i].va;
        uint32_t room = segs[i].len;

        for (; room && src->hdr_len; room--, src->hdr_len--, written++) {
            if (nb && src->hdr_len <= 2) {
                nb[2 - src->hdr_len] = p;
            }
            *p++ = *src->hdr++;
        }

        while (room && source_rest(src)) {
            uint32_t k = MIN(room, src->data_len);

            memmove(p, src->data, k);   /* As in vq_copy_late(). */
            p += k;
            room -= k;
            src->data += k;
            src->data_len -= k;
            written += k;
        }
    }
    return written;
}

/* Reports that the first 'len' bytes of the pieces in 'segs' were written. */
static void
mark_segs(const struct iovtee_rxvq *vq, const struct iovtee_seg segs[],
          uint32_t len)
    OVS_REQUIRES(vq->lock)
{
    for (size_t i = 0; len; i++) {
        uint32_t k = MIN(len, segs[i].len);

        iovtee_vring_mark(&vq->vring, segs[i].va, k);
        len -= k;
    }
}

/* Copies what remains of 'src' into the guest's buffer 'head', as much as
 * fits.  Stores the number of bytes written in '*len' and, in '*indirect',
 * whether the buffer is an indirect one.  Returns 0 if successful, EAGAIN if
 * the guest's ring is broken, ENOBUFS if the buffer has more pieces than may
 * yet be filled in this burst. */
static int
fill_buffer(struct iovtee_rxvq *vq, uint16_t head, struct source *src,
            uint8_t *nb[2], uint32_t *len, bool *indirect)
    OVS_REQUIRES(vq->lock)
{
    const struct iovtee_buf *buf = &vq->bufs[head];

    if (OVS_LIKELY(buf->len)) {
        struct iovtee_seg seg = { .va = buf->va, .len = buf->len };

        vq->work--;
        *len = fill_segs(&seg, 1, src, nb);
        iovtee_vring_mark(&vq->vring, buf->va, *len);
        *indirect = false;
    } else {
        struct iovtee_seg segs[IOVTEE_CHAIN_MAX_SEGS];
        uint32_t max_segs = MIN(vq->work, ARRAY_SIZE(segs));
        enum iovtee_vring_fault fault;
        struct iovtee_chain chain;

        fault = iovtee_vring_peek_chain(&vq->vring, head, segs, max_segs,
                                        &chain);
        if (fault == IOVTEE_FAULT_CHAIN_LOOP && max_segs < ARRAY_SIZE(segs)) {
            /* A later burst will see whether it is one. */
            vq->work = 0;
            return ENOBUFS;
        } else if (fault != IOVTEE_FAULT_NONE) {
            iovtee_rxvq_break(vq, fault);
            return EAGAIN;
        }
        vq->work -= chain.n_segs;
        *len = fill_segs(segs, chain.n_segs, src, nb);
        mark_segs(vq, segs, *len);
        *indirect = chain.indirect;
    }
    return 0;
}

/* Writes how many buffers a frame takes, 'n', to the two bytes of its header
 * at 'nb', which need not be neighbours. */
static void
put_num_buffers(const struct iovtee_rxvq *vq, uint8_t *nb[2], uint32_t n)
    OVS_REQUIRES(vq->lock)
{
    for (int i = 0; i < 2; i++) {
        *nb[i] = n >> (8 * i);
        iovtee_vring_mark(&vq->vring, nb[i], 1);
    }
}

/* Copies 'packet', as deliver_copy() does, whatever it and the guest's buffers
 * are like. */
static int
copy_spanning(struct iovtee_rxvq *vq, struct dp_packet *packet)
{
    union net_hdr hdr;
    struct source src = {
        .hdr = hdr.bytes,
        .hdr_len = vq->hdr_len,
        .data = dp_packet_data(packet),
        .data_len = dp_packet_size(packet),
        .next = NULL,
    };
    uint32_t max_span = vq->mergeable ? MAX_SPAN : 1;
    bool has_num_buffers = vq->hdr_len == sizeof hdr.mrg;
    uint16_t heads[MAX_SPAN];
    uint32_t lens[MAX_SPAN];
    uint8_t *nb[2] = { NULL, NULL };
    bool indirect = false;
    uint32_t n = 0;
    int error = 0;

    if (packet->source == DPBUF_DPDK) {
        src.data_len = packet->mbuf.data_len;
        src.next = packet->mbuf.next;
    }

    init_net_hdr(vq, packet, &hdr);
    while (!error && source_rest(&src)) {
        if (n >= max_span) {
            error = EMSGSIZE;
        } else if (!vq->work) {
            error = ENOBUFS;
        } else if (!iovtee_rxvq_get_buffer(vq, &heads[n])) {
            error = EAGAIN;
        } else {
            n++;
            error = fill_buffer(vq, heads[n - 1], &src,
                                has_num_buffers ? nb : NULL, &lens[n - 1],
                                &indirect);
        }
    }
    if (OVS_UNLIKELY(error)) {
        /* Nothing was given back, so what was written was never seen. */
        while (n) {
            iovtee_rxvq_unget_buffer(vq, heads[--n]);
        }
        return error;
    }

    if (nb[0]) {
        put_num_buffers(vq, nb, n);
    }
    vq->counters.copied[copy_reason(vq, packet, &vq->bufs[heads[0]],
                                    indirect, n)]++;
    iovtee_ringstats_count(&vq->counters.ring, dp_packet_data(packet),
                           dp_packet_size(packet));
    for (uint32_t i = 0; i < n; i++) {
        iovtee_rxvq_give(vq, heads[i], IOVTEE_IDLE, lens[i]);
    }
    return 0;
}

/* Why was 'packet' copied, into 'n_heads' buffers, the first of which is that
 * of 'target'? */
static enum iovtee_copy_reason
copy_reason(const struct iovtee_rxvq *vq, const struct dp_packet *packet,
            const struct iovtee_buf *target, bool indirect,
            uint32_t n_heads)
{
    uint32_t peer_port_id;
    bool zero_copy;

    atomic_read_relaxed(&CONST_CAST(struct iovtee_rxvq *, vq)->zero_copy,
                        &zero_copy);
    atomic_read_relaxed(&CONST_CAST(struct iovtee_rxvq *, vq)->peer_port_id,
                        &peer_port_id);

    if (iovtee_rxvq_is_own(vq, packet)) {
        return IOVTEE_COPY_MOVED;
    } else if (zero_copy && vq->no_memory) {
        return IOVTEE_COPY_MEMORY;
    } else if (!zero_copy || peer_port_id == UINT32_MAX) {
        return IOVTEE_COPY_DISABLED;
    } else if (packet->source != DPBUF_DPDK) {
        return IOVTEE_COPY_SWITCH;
    } else if (packet->mbuf.port != peer_port_id) {
        return IOVTEE_COPY_OTHER_PORT;
    } else if (iovtee_vring_is_logged(&vq->vring)) {
        return IOVTEE_COPY_MIGRATION;
    } else if (n_heads > 1) {
        return IOVTEE_COPY_SPANNED;
    } else if (!target->len) {
        return indirect ? IOVTEE_COPY_INDIRECT : IOVTEE_COPY_CHAINED;
    } else if (vq->has_unfit && vq->unfit_reason == IOVTEE_COPY_SHORT
               && target->len <= vq->unfit_len) {
        return IOVTEE_COPY_SHORT;
    } else {
        return vq->n_paused ? IOVTEE_COPY_PAUSED : IOVTEE_COPY_HOST_BUFFER;
    }
}

/* Fills in '*hdr' for 'packet' (virtio 1.2, section 5.1.6), except for
 * 'num_buffers'.  Packets that get here ask for a checksum only if userspace
 * TSO is on, as otherwise the port does not claim to be able to see to it. */
static void
init_net_hdr(const struct iovtee_rxvq *vq, const struct dp_packet *packet,
             union net_hdr *hdr)
{
    struct virtio_net_hdr *h = &hdr->mrg.hdr;
    struct iovtee_csum csum;

    memset(hdr, 0, sizeof *hdr);
    if (is_plain(vq, packet) || !iovtee_packet_get_csum(packet, &csum)) {
        return;
    }

    h->flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
    h->csum_start = csum.start;
    h->csum_offset = csum.offset;
    if (iovtee_packet_is_tso(packet)) {
        const uint8_t *frame = dp_packet_data(packet);
        const struct tcp_header *th = (const void *) (frame + csum.start);

        h->gso_type = (IP_VER(frame[csum.l3_ofs]) == 4
                       ? VIRTIO_NET_HDR_GSO_TCPV4
                       : VIRTIO_NET_HDR_GSO_TCPV6);
        h->gso_size = packet->mbuf.tso_segsz;
        h->hdr_len = csum.start + TCP_OFFSET(th->tcp_ctl) * 4;
    }
}
