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

/* The buffers of a guest receive queue: taking them from the guest, lending
 * them to a NIC and getting them back.  What happens when packets are sent to
 * the guest is in queue/rxvq-deliver.c.
 *
 * Why a reserve: a NIC with more descriptors than the guest has buffers would
 * take all of them, and a packet that has to be copied (from another port,
 * from the controller, or one that the NIC had received into a buffer of the
 * host) would find none.  A buffer that is posted in a NIC cannot be taken
 * back, so no more than seven eighths of the ring are lent at a time: then
 * some are left though the NIC is idle.
 *
 * A guest that does not run for a while gives nothing back, and what is left
 * to it shrinks as the NIC's frames come in.  They had better be received in
 * place almost to the end, since to copy the last ones would take longer, and
 * be too late.  What is spared even then is for frames that other ports send,
 * and for those that the NIC receives into buffers of the host: as many as a
 * NIC gets of these when it runs dry.  (It is the same for all NICs, whatever
 * they have at the moment: where several share a queue, the one that asked for
 * more to be left would get nothing.) */

#include <config.h>

#include "queue/rxvq.h"

#include <rte_mbuf.h>

#include "compat/compat.h"
#include "openvswitch/vlog.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(iovtee_rxvq_buffers);

static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(5, 20);

/* Buffers handled at a time. */
#define BATCH 32

static void vq_unlock(struct iovtee_rxvq *vq, bool may_interrupt)
    OVS_RELEASES(vq->lock);
static unsigned int vq_fetch(struct iovtee_rxvq *vq, unsigned int want)
    OVS_REQUIRES(vq->lock);
static void vq_copy_late(struct iovtee_rxvq *vq) OVS_REQUIRES(vq->lock);
static uint32_t vq_n_lendable(struct iovtee_rxvq *vq, uint32_t want)
    OVS_REQUIRES(vq->lock);
static unsigned int vq_choose(struct iovtee_rxvq *vq, uint16_t heads[],
                              unsigned int n, unsigned int *looks)
    OVS_REQUIRES(vq->lock);
static void vq_lend(struct iovtee_rxvq *vq, uint16_t head, int shift)
    OVS_REQUIRES(vq->lock);
static void vq_judge_again(struct iovtee_rxvq *vq, uint32_t need)
    OVS_REQUIRES(vq->lock);
static bool vq_owns_any(struct iovtee_rxvq *vq, const struct rte_mbuf *)
    OVS_REQUIRES(vq->lock);
static bool vq_normalise(struct iovtee_rxvq *vq, struct rte_mbuf *)
    OVS_REQUIRES(vq->lock);

/* Lends up to 'n' of the guest's buffers to a NIC whose longest frame has
 * 'max_frame' bytes, and stores their mbufs in 'objs'.  With 'all', lends none
 * if there seem to be fewer.  Each of them counts as part of 'loan', which is
 * one of the queue's.  Returns the number of buffers lent.  If that is less
 * than 'n', stores in '*unfit' whether there would have been more, had they
 * been fit for the NIC.
 *
 * Does not interrupt the guest, though another thread may just have delivered
 * something silently: the caller holds what others want. */
unsigned int
iovtee_rxvq_post(struct iovtee_rxvq *vq, void *objs[], unsigned int n,
                 bool all, uint32_t max_frame, struct iovtee_loan *loan,
                 bool *unfit)
{
    unsigned int looks = n + IOVTEE_RXVQ_MAX_UNFIT;
    unsigned int got = 0;
    uint32_t have, need;
    bool zero_copy;
    int shift;

    /* An mbuf cannot describe a buffer that holds a frame of just any
     * length. */
    atomic_read_relaxed(&vq->zero_copy, &zero_copy);
    if (OVS_UNLIKELY(!zero_copy
                     || max_frame > UINT16_MAX - RTE_PKTMBUF_HEADROOM)) {
        *unfit = true;
        return 0;
    }

    ovs_spin_lock(&vq->lock);
    if (OVS_UNLIKELY(vq->state != IOVTEE_RXVQ_RUNNING || !vq->row)) {
        goto out;
    }
    if (OVS_UNLIKELY(iovtee_vring_is_logged(&vq->vring))) {
        vq_unlock(vq, false);
        *unfit = true;
        return 0;
    }
    shift = iovtee_rxvq_aim(vq, loan);
    need = vq->hdr_len + MIN(shift, 0) + max_frame;
    if (OVS_UNLIKELY(need != vq->need)) {
        vq_judge_again(vq, need);
    }
    have = vq_n_lendable(vq, n);
    if (have < n) {
        n = all ? 0 : have;
    }
    while (got < n) {
        uint16_t heads[BATCH];
        unsigned int k = vq_choose(vq, heads, MIN(n - got, BATCH),
                                   &looks);

        if (!k) {
            break;
        }
        for (unsigned int i = 0; i < k; i++) {
            vq_lend(vq, heads[i], shift);
            vq->lent_by[heads[i]] = loan;
            objs[got++] = &iovtee_rxvq_shell(vq, heads[i])->mbuf;
        }
    }
    iovtee_loan_add(&loan->n_nic, got);
out:
    *unfit = iovtee_rxvq_is_unfit(vq);
    vq_unlock(vq, false);
    return got;
}

/* Should a NIC not wait for buffers of the guest, as those that there are do
 * not fit it? */
bool
iovtee_rxvq_is_unfit(const struct iovtee_rxvq *vq)
{
    /* A guest whose buffers are long chains has too few to spare any. */
    return (iovtee_heads_n(&vq->unfit) > vq->n_spared
            || (vq->last_chained && !iovtee_heads_n(&vq->idle))
            || vq->vring.fault != IOVTEE_FAULT_NONE);
}

/* Tells 'vq' that a NIC has received the 'n' packets in 'packets'.  Those of
 * them that are in buffers of this queue are made fit for Open vSwitch; those
 * that cannot be are dropped.  Returns the number of packets that remain. */
unsigned int
iovtee_rxvq_received(struct iovtee_rxvq *vq, struct dp_packet *packets[],
                     unsigned int n)
{
    struct dp_packet *bad[NETDEV_MAX_BURST];
    unsigned int n_bad = 0;
    unsigned int n_ok = 0;

    ovs_assert(n <= NETDEV_MAX_BURST);
    ovs_spin_lock(&vq->lock);
    for (unsigned int i = 0; i < n; i++) {
        struct dp_packet *packet = packets[i];

        if (OVS_UNLIKELY(packet->mbuf.nb_segs != 1)
            ? vq_owns_any(vq, &packet->mbuf)
            : (iovtee_rxvq_owns(vq, packet)
               && !vq_normalise(vq, &packet->mbuf))) {
            bad[n_bad++] = packet;
        } else {
            packets[n_ok++] = packet;
        }
    }
    ovs_spin_unlock(&vq->lock);

    for (unsigned int i = 0; i < n_bad; i++) {
        dp_packet_delete(bad[i]);
    }
    return n_ok;
}

/* Takes buffers from the guest, as far as it has any, so that there are 'n' to
 * copy into. */
void
iovtee_rxvq_stock(struct iovtee_rxvq *vq, unsigned int n)
{
    uint32_t have = iovtee_heads_n(&vq->idle) + iovtee_heads_n(&vq->unfit);

    if (have < n && iovtee_vring_n_avail(&vq->vring, n - have)) {
        vq_fetch(vq, n - have);
    }
    for (uint32_t i = 0; i < MIN(n, iovtee_heads_n(&vq->idle)); i++) {
        uint32_t idx = vq->idle.first + i;
        const struct iovtee_buf *buf
            = &vq->bufs[vq->idle.ring[idx & vq->idle.mask]];

        OVS_PREFETCH(buf->va);
        OVS_PREFETCH_WRITE(buf->va + vq->hdr_len);
    }
}

/* Takes a buffer to copy into and stores its head in '*head'.  Returns false
 * if there is none. */
bool
iovtee_rxvq_get_buffer(struct iovtee_rxvq *vq, uint16_t *head)
{
    struct iovtee_heads *heads = &vq->unfit;

    if (OVS_LIKELY(!iovtee_heads_n(heads))) {
        heads = &vq->idle;
        if (OVS_UNLIKELY(!iovtee_heads_n(heads))) {
            if (!iovtee_vring_n_avail(&vq->vring, 1) || !vq_fetch(vq, 1)) {
                return false;
            }
            heads = iovtee_heads_n(&vq->unfit) ? &vq->unfit : &vq->idle;
        }
    }
    *head = iovtee_heads_pop(heads);
    return true;
}

/* Puts back a buffer that was not needed after all. */
void
iovtee_rxvq_unget_buffer(struct iovtee_rxvq *vq, uint16_t head)
{
    iovtee_heads_unpop(vq->bufs[head].len ? &vq->idle : &vq->unfit, head);
}

/* Makes the guest see what was given to it.  If it wants to be interrupted,
 * that is done by iovtee_rxvq_unlock(). */
void
iovtee_rxvq_publish(struct iovtee_rxvq *vq)
{
    if (vq->n_late) {
        vq_copy_late(vq);
    }
    vq->notify |= iovtee_vring_publish(&vq->vring);
    iovtee_inflight_publish(&vq->inflight);
}

/* Makes the copies that were put off.  (A frame may lie in another buffer of a
 * guest that has posted two that overlap.) */
static void
vq_copy_late(struct iovtee_rxvq *vq)
{
    for (unsigned int i = 0; i < vq->n_late; i++) {
        const struct iovtee_late_copy *copy = &vq->late[i];

        memmove(copy->dst, copy->src, copy->len);
    }
    vq->n_late = 0;
}

/* Latches 'vq' as broken because of 'fault'.  What is in the guest's favour
 * goes on: packets in the switch are still delivered. */
void
iovtee_rxvq_break(struct iovtee_rxvq *vq, enum iovtee_vring_fault fault)
{
    iovtee_vring_break(&vq->vring, fault);
}

/* Releases the lock of 'vq' and does what must not be done under it: it
 * interrupts the guest, if that is due and 'may_interrupt', and says in the
 * log, once per ring, if the guest was found to have broken it. */
static void
vq_unlock(struct iovtee_rxvq *vq, bool may_interrupt)
{
    enum iovtee_vring_fault fault = vq->vring.fault;
    bool report = OVS_UNLIKELY(fault != IOVTEE_FAULT_NONE) && !vq->reported;
    struct iovtee_notifier *notifier = NULL;

    if (OVS_UNLIKELY(report)) {
        vq->reported = true;
        vq->counters.faults[fault]++;
    }
    if (vq->notify && may_interrupt) {
        vq->notify = false;
        if (vq->notifier) {
            notifier = iovtee_notifier_ref(vq->notifier);
            iovtee_ringstats_count_notification(&vq->counters.ring);
        }
    }
    ovs_spin_unlock(&vq->lock);

    if (notifier) {
        iovtee_notifier_raise(notifier);
        iovtee_notifier_unref(notifier);
    }
    if (OVS_UNLIKELY(report)) {
        VLOG_WARN_RL(&rl, "%s: the guest broke its receive queue %u: %s; "
                     "the queue receives nothing until the guest resets it",
                     vq->port, vq->q, iovtee_vring_fault_text(fault));
    }
}

/* Releases the lock of 'vq', and interrupts the guest if that is due. */
void
iovtee_rxvq_unlock(struct iovtee_rxvq *vq)
{
    vq_unlock(vq, true);
}

/* Takes up to 'want' buffers that the guest made available and sorts them by
 * what they are fit for.  Returns the number of buffers taken. */
static unsigned int
vq_fetch(struct iovtee_rxvq *vq, unsigned int want)
{
    uint16_t heads[BATCH];
    unsigned int n;

    n = iovtee_vring_take(&vq->vring, heads, MIN(want, BATCH));
    for (unsigned int i = 0; i < n; i++) {
        iovtee_vring_prefetch_desc(&vq->vring, heads[i]);
    }
    for (unsigned int i = 0; i < n; i++) {
        if (OVS_UNLIKELY(iovtee_ledger_place(&vq->ledger, heads[i])
                         != IOVTEE_GUEST || vq->bufs[heads[i]].orphan)) {
            iovtee_rxvq_break(vq, IOVTEE_FAULT_HEAD_BUSY);
            vq->vring.last_avail -= n - i;
            return i;
        }
        iovtee_ledger_move(&vq->ledger, heads[i], IOVTEE_GUEST, IOVTEE_IDLE);
        iovtee_inflight_take(&vq->inflight, heads[i]);
        iovtee_rxvq_sort(vq, heads[i]);
    }
    return n;
}

/* Finds out what buffer 'head', which is idle, is fit for. */
void
iovtee_rxvq_sort(struct iovtee_rxvq *vq, uint16_t head)
{
    struct iovtee_buf *buf = &vq->bufs[head];
    struct iovtee_desc desc;
    struct iovtee_seg seg;

    buf->len = 0;
    if (OVS_LIKELY(iovtee_vring_read_desc(&vq->vring, head, &desc))) {
        if (OVS_LIKELY(iovtee_vring_map(&vq->vring, &desc, &seg))) {
            buf->va = seg.va;
            buf->len = seg.len;
        }
    } else {
        vq->unfit_reason = (desc.flags & IOVTEE_DESC_F_INDIRECT
                            ? IOVTEE_COPY_INDIRECT : IOVTEE_COPY_CHAINED);
        vq->unfit_len = desc.len;
        vq->has_unfit = true;
    }
    vq->last_chained = !buf->len;
    if (OVS_LIKELY(buf->len)) {
        iovtee_heads_push(&vq->idle, head);
    } else {
        /* If it is bad altogether, whoever copies into it finds out. */
        iovtee_heads_push(&vq->unfit, head);
    }
}

/* From now on a buffer must have 'need' bytes to be lent.  What was too short
 * for the NIC may be long enough now that its MTU has changed. */
static void
vq_judge_again(struct iovtee_rxvq *vq, uint32_t need)
{
    vq->need = need;
    vq->has_unfit = false;
    for (uint32_t n = iovtee_heads_n(&vq->unfit); n; n--) {
        uint16_t head = iovtee_heads_pop(&vq->unfit);

        iovtee_heads_push(vq->bufs[head].len ? &vq->idle : &vq->unfit, head);
    }
}

/* Returns how many buffers may be lent, as far as there seem to be any, if
 * 'want' are wanted: 'want' or more if all of them may. */
static uint32_t
vq_n_lendable(struct iovtee_rxvq *vq, uint32_t want)
{
    uint32_t have = iovtee_heads_n(&vq->idle) + iovtee_heads_n(&vq->unfit);
    uint32_t away = (vq->ledger.n[IOVTEE_NIC]
                     + vq->ledger.n[IOVTEE_SWITCH]);

    want += vq->n_spared;
    have += iovtee_vring_n_avail(&vq->vring, want > have ? want - have : 0);
    have = have > vq->n_spared ? have - vq->n_spared : 0;
    return MIN(have, vq->max_lent > away ? vq->max_lent - away : 0);
}

/* Takes up to 'n' buffers that are fit for the NIC from the idle ones, and
 * from the guest when there are none, and stores their heads.  Returns the
 * number of heads.  Each buffer that it takes from the guest, or finds to be
 * too short, is one of '*looks', which must suffice. */
static unsigned int
vq_choose(struct iovtee_rxvq *vq, uint16_t heads[], unsigned int n,
          unsigned int *looks)
{
    unsigned int k = 0;

    while (k < n && *looks) {
        if (!iovtee_heads_n(&vq->idle)) {
            unsigned int taken = vq_fetch(vq, MIN(n - k, *looks));

            if (!taken) {
                break;
            }
            *looks -= taken;
        }
        while (k < n && iovtee_heads_n(&vq->idle)) {
            uint16_t head = iovtee_heads_pop(&vq->idle);

            if (OVS_UNLIKELY(vq->bufs[head].len < vq->need)) {
                *looks -= *looks > 0;
                iovtee_heads_push(&vq->unfit, head);
                vq->unfit_reason = IOVTEE_COPY_SHORT;
                vq->unfit_len = vq->bufs[head].len;
                vq->has_unfit = true;
                continue;
            }
            OVS_PREFETCH_WRITE(iovtee_rxvq_shell(vq, head));
            heads[k++] = head;
        }
    }
    return k;
}

/* Puts the shell of 'head' into posted form, for a frame that is to begin
 * 'shift' bytes behind the place for the virtio header if there is room for
 * that, which there is if it is negative, or else right behind it.
 *
 * DPDK's rule is that the mbufs in a mempool have one segment, none that
 * follows, and one reference; a shell is no exception, so that these need not
 * be set. */
static void
vq_lend(struct iovtee_rxvq *vq, uint16_t head, int shift)
{
    struct rte_mbuf *mbuf = &iovtee_rxvq_shell(vq, head)->mbuf;
    struct iovtee_buf *buf = &vq->bufs[head];
    uint32_t start, room;

    if (OVS_UNLIKELY(shift > 0)) {
        bool fits = buf->len >= vq->need + shift;

        vq->cramped_len = fits ? 0 : buf->len;
        shift = fits ? shift : 0;
    }
    buf->shift = shift;
    buf->epoch = vq->shift.epoch;
    start = vq->hdr_len + shift;
    room = buf->len - start + RTE_PKTMBUF_HEADROOM;

    iovtee_ledger_move(&vq->ledger, head, IOVTEE_IDLE, IOVTEE_NIC);
    mbuf->buf_addr = buf->va + start - RTE_PKTMBUF_HEADROOM;
    mbuf->buf_iova = (uintptr_t) mbuf->buf_addr;
    mbuf->buf_len = MIN(room, UINT16_MAX);
    mbuf->data_off = RTE_PKTMBUF_HEADROOM;
    mbuf->ol_flags = 0;
}

/* Reports that the NIC or the switch may have written to buffer 'head', which
 * was lent: as much of it as vq_lend() has told them of. */
void
iovtee_rxvq_mark_lent(const struct iovtee_rxvq *vq, uint16_t head)
{
    const uint32_t most = (UINT16_MAX - RTE_PKTMBUF_HEADROOM + vq->hdr_len
                           + IOVTEE_SHIFT_MAX);

    iovtee_vring_mark(&vq->vring, vq->bufs[head].va,
                      MIN(vq->bufs[head].len, most));
}

/* Returns true, having counted it, if any segment of 'mbuf' is a shell of
 * 'vq'.  Open vSwitch is only made for packets of one segment. */
static bool
vq_owns_any(struct iovtee_rxvq *vq, const struct rte_mbuf *mbuf)
{
    for (; mbuf; mbuf = mbuf->next) {
        if (iovtee_rxvq_owns(vq, mbuf)) {
            vq->counters.dropped[IOVTEE_DROP_SCATTERED]++;
            return true;
        }
    }
    return false;
}

/* Gives the shell 'mbuf', which the NIC has filled, the bounds of the guest's
 * descriptor.  Returns false if it must be dropped. */
static bool
vq_normalise(struct iovtee_rxvq *vq, struct rte_mbuf *mbuf)
{
    uint16_t head = iovtee_rxvq_head(vq, (struct dp_packet *) mbuf);
    uint32_t hidden = (RTE_PKTMBUF_HEADROOM - vq->hdr_len
                       - vq->bufs[head].shift);

    if (OVS_UNLIKELY(vq->bufs[head].orphan)) {
        /* The driver had kept it.  It is the guest's again. */
        vq->counters.dropped[IOVTEE_DROP_STOPPED]++;
        return false;
    }
    if (OVS_UNLIKELY(mbuf->data_off < hidden
                     || mbuf->data_off + mbuf->data_len > mbuf->buf_len)) {
        vq->counters.dropped[IOVTEE_DROP_OVERRUN]++;
        return false;
    }

    mbuf->buf_addr = (uint8_t *) mbuf->buf_addr + hidden;
    mbuf->buf_iova += hidden;
    mbuf->buf_len -= hidden;
    mbuf->data_off -= hidden;
    iovtee_mark_set(mbuf);

    /* Whoever trusted them, and put off what a change does to them, would have
     * to find the headers again, where the guest may have put others. */
    iovtee_mark_checksums((struct dp_packet *) mbuf);

    /* The virtio header will go here, if it is not there yet. */
    OVS_PREFETCH(mbuf->buf_addr);
    iovtee_ledger_move(&vq->ledger, head, IOVTEE_NIC, IOVTEE_SWITCH);
    iovtee_loan_add(&vq->lent_by[head]->n_nic, -1);
    return true;
}

/* The mempool's callback for what lib/border does. */
void
iovtee_rxvq_report(void *vq_, enum iovtee_border_event event, unsigned int n)
{
    struct iovtee_rxvq *vq = vq_;

    ovs_spin_lock(&vq->lock);
    vq->counters.border[event] += n;
    ovs_spin_unlock(&vq->lock);
}

/* Counts that buffer 'head' has come back from the switch, rather than gone to
 * the guest.  Nobody has written to its shell, 'mbuf', since it was freed. */
static void
vq_count_back(struct iovtee_rxvq *vq, uint16_t head,
              const struct rte_mbuf *mbuf)
    OVS_REQUIRES(vq->lock)
{
    struct iovtee_buf *buf = &vq->bufs[head];

    if (!buf->copied) {
        iovtee_loan_count_elsewhere(vq->lent_by[head], mbuf->data_len);
        vq->counters.exposed++;
    } else if (buf->epoch == vq->shift.epoch) {
        iovtee_loan_count_moved(vq->lent_by[head]);
    } /* Otherwise it was posted before the shift changed, which says nothing
       * of what lending will gain from now on. */
    buf->copied = false;
}

/* The shell of buffer 'head', which the guest has back for long, is home. */
static void
vq_bury(struct iovtee_rxvq *vq, uint16_t head)
    OVS_REQUIRES(vq->lock)
{
    struct iovtee_buf *buf = &vq->bufs[head];

    if (buf->held) {
        iovtee_loan_add(&vq->lent_by[head]->n_nic, -1);
    }
    /* The frame went elsewhere after the guest was gone, or nowhere. */
    vq->counters.exposed += !buf->copied;
    buf->orphan = buf->held = buf->copied = false;
    vq->n_orphans--;
}

/* The mempool's callback for shells that were freed. */
void
iovtee_rxvq_home(void *vq_, void *const *objs, unsigned int n)
{
    struct iovtee_rxvq *vq = vq_;

    ovs_spin_lock(&vq->lock);
    for (unsigned int i = 0; i < n; i++) {
        uint16_t head = iovtee_rxvq_head(vq, objs[i]);
        enum iovtee_place place = iovtee_ledger_place(&vq->ledger, head);

        if (OVS_UNLIKELY(vq->bufs[head].orphan)) {
            vq_bury(vq, head);
        } else if (OVS_LIKELY(place == IOVTEE_SWITCH
                              || place == IOVTEE_NIC)) {
            iovtee_ledger_move(&vq->ledger, head, place, IOVTEE_IDLE);
            if (place == IOVTEE_NIC) {
                iovtee_loan_add(&vq->lent_by[head]->n_nic, -1);
            } else {
                vq_count_back(vq, head, objs[i]);
            }
            if (OVS_UNLIKELY(iovtee_vring_is_logged(&vq->vring))
                && vq->state != IOVTEE_RXVQ_SUSPENDED) {
                /* Who knows what the switch has done to the frame.  (While we
                 * are suspended, the log may be on its way out.  The guest
                 * has no use for what is in a free buffer.) */
                iovtee_rxvq_mark_lent(vq, head);
            }
            iovtee_heads_push(&vq->idle, head);
        } else {
            vq->ledger.n_violations++;
        }
    }
    ovs_spin_unlock(&vq->lock);
}
