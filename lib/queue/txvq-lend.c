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


/* Zero-copy of a guest transmit queue: which frames stay in the guest's
 * buffers, and how these come home.
 *
 * PMD threads lend and poll, whoever frees a packet brings it home.  Next:
 * queue/txvq-stop.c, how all of them are taken back.
 *
 * A shell has no headroom and no tailroom.  Nobody can put a header in front
 * of the frame, as net_virtio would, or padding behind it. */

#include <config.h>

#include "queue/txvq-lent.h"

#include <rte_mbuf.h>

#include "bitmap.h"
#include "dp-packet.h"
#include "openvswitch/vlog.h"
#include "timeval.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(iovtee_txvq_lend);

static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(5, 20);

/* One poll in so many has the NIC asked while there is nothing else to do, and
 * one burst in so many that is copied because half of the ring is out.  Some
 * drivers look at their whole ring then. */
#define ASK_INTERVAL 16
#define ASK_BUSY_INTERVAL 8

/* What came home is published at once when it is so much.  Drivers free mbufs
 * one by one or many at a time, and to publish takes a fence.  What is less
 * waits for the next poll. */
#define PUBLISH_BATCH 16

static void home(void *lent_, void *const *objs, unsigned int n);
static void report(void *lent_, enum iovtee_border_event, unsigned int n);

static const struct iovtee_shells_ops shells_ops = {
    .put = home,
    .report = report,
};

/* Sets whether frames of at least 'min' bytes shall stay where they are, when
 * that is possible. */
void
iovtee_txvq_set_zero_copy(struct iovtee_txvq *vq, bool zero_copy, uint32_t min)
{
    struct iovtee_inflight_ring inflight;
    bool attached;
    int error = 0;

    ovs_spin_lock(&vq->lock);
    attached = vq->inflight.marks != NULL;
    ovs_spin_unlock(&vq->lock);

    if (zero_copy && !attached && vq->table) {
        error = iovtee_inflight_attach(vq->table, IOVTEE_INFLIGHT_TXQ(vq->q),
                                       vq->ring.vring.size, &inflight);
        if (error) {
            VLOG_WARN("%s: transmit queue %u would not survive a crash of the "
                      "switch (%s), so it copies", vq->port, vq->q,
                      ovs_strerror(error));
        }
    }

    ovs_spin_lock(&vq->lock);
    if (zero_copy && !attached && vq->table && !error
        && vq->state != IOVTEE_TXVQ_FINISHED) {
        struct iovtee_vring_config config = vq->ring.vring;

        /* Nothing is out, or the table would be there. */
        config.last_avail = config.last_used = vq->vring.used_idx;
        iovtee_inflight_start(&inflight, &config);
        vq->inflight = inflight;
    }
    vq->zero_copy = zero_copy;
    vq->zero_copy_min = min;
    ovs_spin_unlock(&vq->lock);
}

static struct iovtee_txvq_lent *
lent_create(struct iovtee_txvq *vq)
{
    struct iovtee_guestmem *mem = vq->ring.vring.mem;
    struct iovtee_txvq_lent *lent;
    struct iovtee_shells *row;

    lent = xzalloc(sizeof *lent);
    row = iovtee_shells_create(vq->ring.vring.size,
                               MAX(vq->ring.numa_id, SOCKET_ID_ANY),
                               &shells_ops, lent);
    if (!row) {
        VLOG_WARN_RL(&rl, "%s: no memory to lend the %"PRIu32" buffers of "
                     "transmit queue %u, packets will be copied", vq->port,
                     vq->ring.vring.size, vq->q);
        free(lent);
        return NULL;
    }
    iovtee_shells_set_read_only(row);
    lent->row = row;
    lent->vq = vq;
    lent->mem = iovtee_guestmem_ref(mem);
    return lent;
}

/* From now on lets the NIC with DPDK port 'port_id' read frames where they
 * are, or none if that is UINT32_MAX, for the reason 'why_not', a constant.
 * Must not be called by several threads at once for the same queue. */
void
iovtee_txvq_lend_to(struct iovtee_txvq *vq, uint32_t port_id,
                    const char *why_not)
{
    struct iovtee_txvq_lent *new = NULL;
    bool missing;

    ovs_spin_lock(&vq->lock);
    missing = !vq->lent && vq->state == IOVTEE_TXVQ_RUNNING;
    ovs_spin_unlock(&vq->lock);
    if (missing && port_id != UINT32_MAX) {
        new = lent_create(vq);
    }

    ovs_spin_lock(&vq->lock);
    vq->why_no_nic = port_id != UINT32_MAX ? NULL : why_not;
    if (!vq->lent) {
        vq->no_memory = missing && port_id != UINT32_MAX && !new;
        vq->lent = new;
    }
    if (vq->lent) {
        struct iovtee_shells *row = vq->lent->row;

        atomic_store_relaxed(&row->port_id, port_id);
        if (vq->state == IOVTEE_TXVQ_RUNNING
            && iovtee_shells_is_revoked(row)) {
            iovtee_shells_restore(row);
        }
    }
    ovs_spin_unlock(&vq->lock);
}

/* Has 'vq' copy everything until 'until', a time_msec(), since to get frames
 * of this guest back was a nuisance to others. */
void
iovtee_txvq_pause(struct iovtee_txvq *vq, long long int until)
{
    ovs_spin_lock(&vq->lock);
    vq->paused_until = until;
    ovs_spin_unlock(&vq->lock);
}

static bool
is_paused(struct iovtee_txvq *vq)
    OVS_REQUIRES(vq->lock)
{
    if (OVS_UNLIKELY(vq->paused_until)
        && time_msec() >= vq->paused_until) {
        vq->paused_until = 0;
    }
    return vq->paused_until != 0;
}

/* May frames of the next burst, of 'n', stay where they are?  If not, stores
 * why in '*reason'.
 *
 * Intel's drivers learn in units of 32 frames what was sent.  If the last ones
 * of a guest that has nothing more to send were among those then it would wait
 * for their buffers, perhaps for ever.  So a quiet queue copies. */
bool
iovtee_txvq_may_lend(struct iovtee_txvq *vq, unsigned int n,
                     enum iovtee_tx_copy_reason *reason)
{
    if (iovtee_vring_is_logged(&vq->vring)) {
        *reason = IOVTEE_TX_COPY_MIGRATION;
    } else if (vq->no_memory || !vq->inflight.marks) {
        *reason = IOVTEE_TX_COPY_MEMORY;
    } else if (!iovtee_txvq_lent_has_nic(vq->lent)) {
        *reason = IOVTEE_TX_COPY_NO_NIC;
    } else if (n < NETDEV_MAX_BURST) {
        *reason = IOVTEE_TX_COPY_QUIET;
    } else if (OVS_UNLIKELY(is_paused(vq))) {
        *reason = IOVTEE_TX_COPY_STOPS;
    } else if (vq->ledger.n[IOVTEE_SWITCH] + n > vq->ledger.size / 2) {
        *reason = IOVTEE_TX_COPY_RING_OUT;
        vq->asks |= !(vq->n_idle++ % ASK_BUSY_INTERVAL);
    } else {
        return true;
    }
    return false;
}

/* Returns how many of the 'n' buffers in 'heads', which were just taken, come
 * before one that is out already.  If there is one, latches the ring. */
unsigned int
iovtee_txvq_check_heads(struct iovtee_txvq *vq, const uint16_t heads[],
                        unsigned int n)
{
    if (OVS_LIKELY(vq->ledger.n[IOVTEE_GUEST] == vq->ledger.size)) {
        return n;
    }
    for (unsigned int i = 0; i < n; i++) {
        if (OVS_UNLIKELY(iovtee_ledger_place(&vq->ledger, heads[i])
                         != IOVTEE_GUEST)) {
            iovtee_vring_break(&vq->vring, IOVTEE_FAULT_HEAD_BUSY);
            return i;
        }
    }
    return n;
}

/* Makes 'm' the packet of 'len' bytes at 'va'. */
static void
aim(struct rte_mbuf *m, uint8_t *va, uint32_t len)
{
    m->buf_addr = va;
    m->buf_iova = (uintptr_t) va;
    m->buf_len = len;
    m->data_off = 0;
    m->port = RTE_MBUF_PORT_INVALID;
    m->pkt_len = len;
    m->data_len = len;
    iovtee_mark_set_read_only(m);
}

/* Finds out which of the 'n' buffers in 'heads', which were just taken, can be
 * left where they are, and lends them: stores shells for these, and NULL for
 * the others, in 'shells'.  'room' is the length of the longest frame that may
 * be sent.  Stores in '*n_good' how many come before one that is out already.
 * Returns how many of them were not lent. */
unsigned int
iovtee_txvq_lend(struct iovtee_txvq *vq, const uint16_t heads[],
                 unsigned int n, uint32_t room, struct rte_mbuf *shells[],
                 unsigned int *n_good)
{
    const uint32_t min = vq->hdr_len + MAX(vq->zero_copy_min, 1);
    const uint32_t max = vq->hdr_len + MIN(room, UINT16_MAX);
    unsigned int n_copies = 0;
    unsigned int i;

    for (i = 0; i < n; i++) {
        struct iovtee_desc desc;
        struct iovtee_seg seg;

        if (OVS_UNLIKELY(iovtee_ledger_place(&vq->ledger, heads[i])
                         != IOVTEE_GUEST)) {
            iovtee_vring_break(&vq->vring, IOVTEE_FAULT_HEAD_BUSY);
            break;
        }
        shells[i] = NULL;
        if (!iovtee_vring_read_desc(&vq->vring, heads[i], &desc)
            || desc.len > max) {
            vq->counters.copied[IOVTEE_TX_COPY_PIECES]++;
            n_copies++;
        } else if (desc.len < min) {
            vq->counters.copied[IOVTEE_TX_COPY_SHORT]++;
            n_copies++;
        } else if (OVS_UNLIKELY(!iovtee_vring_map(&vq->vring, &desc, &seg))) {
            /* Whoever copies it finds out. */
            n_copies++;
        } else {
            shells[i] = iovtee_txvq_lent_shell(vq->lent, heads[i]);
            aim(shells[i], seg.va + vq->hdr_len, seg.len - vq->hdr_len);
            iovtee_ledger_move(&vq->ledger, heads[i], IOVTEE_GUEST,
                               IOVTEE_SWITCH);
        }
    }
    *n_good = i;
    return n_copies;
}

/* Undoes that for 'head', of which nobody has seen the shell. */
void
iovtee_txvq_unlend(struct iovtee_txvq *vq, uint16_t head)
{
    iovtee_ledger_move(&vq->ledger, head, IOVTEE_SWITCH, IOVTEE_GUEST);
}

/* A poll of 'vq' has found nothing. */
void
iovtee_txvq_note_idle(struct iovtee_txvq *vq)
{
    if (OVS_UNLIKELY(vq->ledger.n[IOVTEE_SWITCH])
        && !(++vq->n_idle % ASK_INTERVAL)) {
        vq->asks = true;
    }
}

/* Should the NIC be asked for what it has sent?  If so, stores where that is
 * in '*port_id' and '*txq'.  For the thread that polls 'vq', after
 * iovtee_txvq_recv(). */
bool
iovtee_txvq_asks(struct iovtee_txvq *vq, uint16_t *port_id, uint16_t *txq)
{
    uint32_t sent_to = UINT32_MAX;

    if (OVS_LIKELY(!vq->asks)) {
        return false;
    }
    vq->asks = false;
    if (ovs_spin_trylock(&vq->lock)) {
        return false;
    }
    if (vq->lent && vq->ledger.n[IOVTEE_SWITCH]) {
        atomic_read_relaxed(&vq->lent->row->sent_to, &sent_to);
    }
    ovs_spin_unlock(&vq->lock);
    *port_id = sent_to >> 16;
    *txq = sent_to;
    return sent_to != UINT32_MAX;
}

/* Counts what became of the frame in shell 'm', which is home. */
void
iovtee_txvq_count_end(struct iovtee_txvq *vq, const struct rte_mbuf *m)
{
    uint16_t port_id, txq;

    if (OVS_LIKELY(iovtee_mark_get_sent(m, &port_id, &txq))) {
        /* What the NIC's port has dropped is counted there. */
        vq->counters.zero_copied += !iovtee_shells_in_burst(m);
        return;
    }
    switch (iovtee_mark_get_fate(m)) {
    case IOVTEE_FATE_PORT:
        vq->counters.copied[IOVTEE_TX_COPY_PORT]++;
        break;
    case IOVTEE_FATE_GUEST:
        vq->counters.copied[IOVTEE_TX_COPY_GUEST]++;
        break;
    case IOVTEE_FATE_REFUSED:
        vq->counters.dropped[IOVTEE_TX_DROP_STOPPED]++;
        break;
    case IOVTEE_FATE_NONE:
        /* A flow has dropped it, or it was moved or dropped at the border,
         * which is counted already. */
        break;
    }
}

/* The shells' way home: 'n' of them were freed. */
static void
home(void *lent_, void *const *objs, unsigned int n)
{
    struct iovtee_txvq_lent *lent = lent_;
    const struct iovtee_shells *row = lent->row;
    struct iovtee_txvq *vq = lent->vq;

    ovs_spin_lock(&vq->lock);
    vq->n_home += n;
    for (unsigned int i = 0; i < n; i++) {
        uint16_t head = iovtee_shells_number(row, objs[i]);

        if (OVS_UNLIKELY(lent->retired)) {
            bitmap_set0(lent->out, head);
            lent->n_out--;
        } else if (OVS_LIKELY(iovtee_ledger_move(&vq->ledger, head,
                                                 IOVTEE_SWITCH,
                                                 IOVTEE_GUEST))) {
            iovtee_txvq_count_end(vq, objs[i]);
            iovtee_txvq_give(vq, head);
        }
    }
    if ((uint16_t) (vq->vring.used_idx - vq->vring.published)
        >= PUBLISH_BATCH) {
        /* The caller may have a lock, so that it is the next poll that
         * interrupts the guest. */
        iovtee_txvq_publish(vq);
    }
    ovs_spin_unlock(&vq->lock);
}

static void
report(void *lent_, enum iovtee_border_event event, unsigned int n)
{
    struct iovtee_txvq *vq = ((struct iovtee_txvq_lent *) lent_)->vq;

    ovs_spin_lock(&vq->lock);
    if (event == IOVTEE_BORDER_MOVED || event == IOVTEE_BORDER_KEPT) {
        vq->counters.copied[IOVTEE_TX_COPY_ACTION] += n;
    } else if (event == IOVTEE_BORDER_REWRITTEN) {
        vq->counters.dropped[IOVTEE_TX_DROP_REWRITTEN] += n;
    }
    ovs_spin_unlock(&vq->lock);
}

/* Do the books of 'vq' balance? */
bool
iovtee_txvq_is_balanced(struct iovtee_txvq *vq)
{
    bool balanced;
    uint16_t out;

    ovs_spin_lock(&vq->lock);
    out = vq->vring.last_avail - vq->vring.used_idx;
    balanced = (iovtee_ledger_is_balanced(&vq->ledger)
                && !vq->ledger.n_violations
                && (vq->state == IOVTEE_TXVQ_FINISHED
                    || out == (vq->ledger.n[IOVTEE_SWITCH]
                               + vq->ledger.n[IOVTEE_IDLE])));
    ovs_spin_unlock(&vq->lock);
    return balanced;
}
