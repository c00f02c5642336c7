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

/* Life cycle of a guest receive queue.
 *
 * Why shells are not freed with the queue: a packet in guest memory may be on
 * another port's transmit ring long after the guest has gone. */

#include <config.h>

#include "queue/rxvq.h"

#include <errno.h>

#include <linux/virtio_net.h>
#include <rte_mbuf.h>

#include "openvswitch/vlog.h"
#include "seq.h"
#include "timeval.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(iovtee_rxvq);

/* How long it is between two looks of a suspended queue for packets that are
 * still inside of the switch, in microseconds. */
#define SUSPEND_INTERVAL_US 20

/* Bytes of the frame that gives back a buffer that was never filled. */
#define FILLER_LEN 60

/* Queues without references whose shells are not all home yet. */
static struct ovs_mutex retired_mutex = OVS_MUTEX_INITIALIZER;
static struct ovs_list retired OVS_GUARDED_BY(retired_mutex)
    = OVS_LIST_INITIALIZER(&retired);

/* Buffers of a ring, or an eighth of it, that are not lent even if the guest
 * has no others: see queue/rxvq-buffers.c. */
#define MAX_SPARED 64

static void vq_destroy(struct iovtee_rxvq *);
static void vq_init_heads(struct iovtee_heads *, uint32_t size);
static int vq_init_vring(struct iovtee_rxvq *, struct iovtee_inflight *);
static void vq_resume_inflight(struct iovtee_rxvq *);
static void vq_give_filler(struct iovtee_rxvq *vq, uint16_t head)
    OVS_REQUIRES(vq->lock);
static void vq_leave_buffers(struct iovtee_rxvq *vq)
    OVS_REQUIRES(vq->lock);
static void vq_forget_buffers(struct iovtee_rxvq *vq, bool give)
    OVS_REQUIRES(vq->lock);

/* Creates a queue for the ring that 'config' describes, suspended: see
 * iovtee_rxvq_resume().  Returns NULL, having logged why, if the ring is not
 * where the guest has memory. */
struct iovtee_rxvq *
iovtee_rxvq_create(const struct iovtee_rxvq_config *config)
    OVS_NO_THREAD_SAFETY_ANALYSIS
{
    const struct iovtee_ring_setup *ring = config->ring;
    struct iovtee_rxvq *vq;
    int error;

    vq = xzalloc_cacheline(sizeof *vq);
    vq->port = xstrdup(config->port);
    vq->q = config->q;
    vq->size = ring->vring.size;
    vq->max_lent = vq->size - MAX(1, vq->size / 8);
    vq->n_spared = MAX(1, MIN(vq->size / 8, MAX_SPARED));
    vq->hdr_len = ring->hdr_len;
    vq->mergeable = ring->features & (UINT64_C(1) << VIRTIO_NET_F_MRG_RXBUF);
    vq->guest_csum = ring->features & (UINT64_C(1) << VIRTIO_NET_F_GUEST_CSUM);
    vq->numa_id = ring->numa_id;
    vq->ring = *ring;
    vq->ring.callfd = -1;
    vq->mem = iovtee_guestmem_ref(ring->vring.mem);
    ovs_refcount_init(&vq->ref_cnt);
    ovs_list_init(&vq->retired_node);
    atomic_init(&vq->zero_copy, config->zero_copy);
    atomic_init(&vq->always, config->always);
    ovs_list_init(&vq->loans);
    atomic_init(&vq->peer_port_id, UINT32_MAX);
    ovs_spin_init(&vq->lock);
    vq->state = IOVTEE_RXVQ_SUSPENDED;
    iovtee_shift_init(&vq->shift);
    vq->shell_step = iovtee_shells_step();
    vq->shell_inverse = iovtee_shells_inverse();
    ovs_list_init(&vq->bare_node);
    vq->past = iovtee_rxvq_past_ref(config->past);

    iovtee_ledger_init(&vq->ledger, vq->size);
    vq_init_heads(&vq->idle, vq->size);
    vq_init_heads(&vq->unfit, vq->size);
    vq->bufs = xcalloc(vq->size, sizeof *vq->bufs);
    vq->lent_by = xcalloc(vq->size, sizeof *vq->lent_by);
    error = vq_init_vring(vq, config->inflight);
    if (error) {
        VLOG_WARN("%s: receive queue %u is unusable: its ring of %u entries "
                  "does not lie in guest memory (%s)", vq->port, vq->q,
                  vq->size, ovs_strerror(error));
        goto error;
    }
    vq_resume_inflight(vq);
    return vq;

error:
    vq_destroy(vq);
    return NULL;
}

struct iovtee_rxvq *
iovtee_rxvq_ref(struct iovtee_rxvq *vq)
{
    if (vq) {
        ovs_refcount_ref(&vq->ref_cnt);
    }
    return vq;
}

/* Drops a reference.  The queue must be finished when the last one goes. */
void
iovtee_rxvq_unref(struct iovtee_rxvq *vq)
{
    if (vq && ovs_refcount_unref(&vq->ref_cnt) == 1) {
        vq->retired_at = time_msec();
        ovs_mutex_lock(&retired_mutex);
        ovs_list_push_back(&retired, &vq->retired_node);
        ovs_mutex_unlock(&retired_mutex);
        seq_change(iovtee_retired_seq());
    }
}

/* Frees the retired queues whose last shell is home, and returns how many are
 * left.  For iovtee_rxvq_sweep(). */
size_t
iovtee_rxvq_sweep_retired(void)
{
    struct ovs_list home = OVS_LIST_INITIALIZER(&home);
    struct iovtee_rxvq *vq;
    size_t n_left = 0;

    ovs_mutex_lock(&retired_mutex);
    LIST_FOR_EACH_SAFE (vq, retired_node, &retired) {
        bool is_home;

        ovs_spin_lock(&vq->lock);
        is_home = !vq->n_orphans && !vq->ledger.n[IOVTEE_SWITCH]
                  && !vq->ledger.n[IOVTEE_NIC];
        ovs_spin_unlock(&vq->lock);
        if (is_home) {
            ovs_list_remove(&vq->retired_node);
            ovs_list_push_back(&home, &vq->retired_node);
        } else {
            n_left++;
        }
    }
    ovs_mutex_unlock(&retired_mutex);

    /* To unmap guest memory takes long, and whoever retires a queue would wait
     * for the mutex. */
    LIST_FOR_EACH_POP (vq, retired_node, &home) {
        vq_destroy(vq);
    }
    return n_left;
}

/* Counts the shells of the retired 'vq' that are out. */
static void
vq_count_out(struct iovtee_rxvq *vq, struct iovtee_retired *r)
{
    ovs_spin_lock(&vq->lock);
    for (uint32_t head = 0; head < vq->size; head++) {
        enum iovtee_place place = iovtee_ledger_place(&vq->ledger, head);

        if (vq->bufs[head].orphan || place == IOVTEE_SWITCH
            || place == IOVTEE_NIC) {
            iovtee_retired_count(r, &iovtee_rxvq_shell(vq, head)->mbuf);
        }
    }
    ovs_spin_unlock(&vq->lock);
}

/* Stores the retired queues in '*retiredp', which the caller frees by
 * iovtee_retired_free(), and returns their number. */
size_t
iovtee_rxvq_get_retired(struct iovtee_retired **retiredp)
{
    struct iovtee_retired *r;
    struct iovtee_rxvq *vq;
    size_t n = 0;

    ovs_mutex_lock(&retired_mutex);
    r = xcalloc(ovs_list_size(&retired) + 1, sizeof *r);
    LIST_FOR_EACH (vq, retired_node, &retired) {
        r[n].port = xstrdup(vq->port);
        r[n].q = vq->q;
        r[n].age = time_msec() - vq->retired_at;
        r[n].mem_size = iovtee_guestmem_size(vq->mem);
        vq_count_out(vq, &r[n]);
        n++;
    }
    ovs_mutex_unlock(&retired_mutex);
    *retiredp = r;
    return n;
}

/* Lets 'vq' run, and interrupt the guest through 'callfd', which may be -1 and
 * which stays the caller's.
 *
 * If 'log' is nonnull and has somebody to tell, the guest is being migrated:
 * every write to its memory is reported, and no buffer is posted in a NIC,
 * which would write without a word. */
void
iovtee_rxvq_resume(struct iovtee_rxvq *vq, int callfd,
                   const struct iovtee_vring_log *log)
{
    iovtee_rxvq_set_callfd(vq, callfd);

    ovs_spin_lock(&vq->lock);
    ovs_assert(vq->state != IOVTEE_RXVQ_FINISHED);
    vq->state = IOVTEE_RXVQ_RUNNING;
    iovtee_vring_set_log(&vq->vring, log);
    iovtee_vring_set_no_notify(&vq->vring, true);
    ovs_spin_unlock(&vq->lock);
}

/* Stops posting.  What is in the NIC or the switch is still delivered. */
void
iovtee_rxvq_drain(struct iovtee_rxvq *vq)
{
    ovs_spin_lock(&vq->lock);
    if (vq->state == IOVTEE_RXVQ_RUNNING) {
        vq->state = IOVTEE_RXVQ_DRAINING;
    }
    ovs_spin_unlock(&vq->lock);
}

/* Stops 'vq', which must be coupled with no NIC any more: after return guest
 * memory is neither read nor written, save by packets that did not leave the
 * switch within IOVTEE_RXVQ_SUSPEND_US, such as those that wait to be sent by
 * a slow port. */
void
iovtee_rxvq_suspend(struct iovtee_rxvq *vq)
{
    iovtee_rxvq_suspend_until(vq, time_usec() + IOVTEE_RXVQ_SUSPEND_US);
}

/* The same, but waits for packets until 'deadline', a time_usec(), so that
 * several queues can be stopped in the time of one.  Returns false if some did
 * not leave the switch. */
bool
iovtee_rxvq_suspend_until(struct iovtee_rxvq *vq, long long int deadline)
{
    bool empty;

    iovtee_rxvq_drain(vq);
    for (;;) {
        ovs_spin_lock(&vq->lock);
        empty = !vq->ledger.n[IOVTEE_SWITCH];
        ovs_spin_unlock(&vq->lock);
        if (empty || time_usec() >= deadline) {
            break;
        }
        xnanosleep_no_quiesce(SUSPEND_INTERVAL_US * 1000);
    }

    ovs_spin_lock(&vq->lock);
    if (vq->state == IOVTEE_RXVQ_DRAINING) {
        vq->state = IOVTEE_RXVQ_SUSPENDED;
    }
    iovtee_rxvq_unlock(vq);
    return empty;
}

/* Gives every buffer of the suspended 'vq' back to the guest and stores where
 * a successor has to go on.  Buffers without a packet for the guest stay
 * available, as far as no later one was used; the others get a minimal frame,
 * because there is no way back for them but the used ring.  'vq' is of no
 * further use. */
void
iovtee_rxvq_finish(struct iovtee_rxvq *vq, uint16_t *last_avail,
                   uint16_t *last_used)
{
    ovs_spin_lock(&vq->lock);
    if (vq->state != IOVTEE_RXVQ_FINISHED) {
        vq_leave_buffers(vq);
        vq_forget_buffers(vq, true);
        iovtee_rxvq_publish(vq);
        iovtee_inflight_stop(&vq->inflight);
        memset(&vq->inflight, 0, sizeof vq->inflight);
        iovtee_vring_set_log(&vq->vring, NULL);
        vq->state = IOVTEE_RXVQ_FINISHED;
    }
    *last_avail = vq->vring.last_avail;
    *last_used = vq->vring.used_idx;
    iovtee_rxvq_unlock(vq);
}

/* Forgets about the buffers of the suspended 'vq' without touching its ring,
 * for when the ring is not there any more. */
void
iovtee_rxvq_abandon(struct iovtee_rxvq *vq)
{
    ovs_spin_lock(&vq->lock);
    if (vq->state != IOVTEE_RXVQ_FINISHED) {
        /* The table keeps what it knows: it is for whoever finds the ring. */
        vq_forget_buffers(vq, false);
        memset(&vq->inflight, 0, sizeof vq->inflight);
        iovtee_vring_set_log(&vq->vring, NULL);
        vq->state = IOVTEE_RXVQ_FINISHED;
    }
    iovtee_rxvq_unlock(vq);
}

/* Makes 'vq' interrupt the guest through 'callfd', or not at all if it is -1.
 * The descriptor stays the caller's. */
void
iovtee_rxvq_set_callfd(struct iovtee_rxvq *vq, int callfd)
{
    struct iovtee_notifier *new = iovtee_notifier_create(callfd);
    struct iovtee_notifier *old;

    ovs_spin_lock(&vq->lock);
    old = vq->notifier;
    vq->notifier = iovtee_notifier_ref(new);
    ovs_spin_unlock(&vq->lock);
    iovtee_notifier_unref(old);

    /* Whoever waited while there was no way to tell shall look now. */
    iovtee_notifier_raise(new);
    iovtee_notifier_unref(new);
}

/* Returns true if 'ring' is the ring that 'vq' was created with, in the same
 * memory. */
bool
iovtee_rxvq_same_ring(const struct iovtee_rxvq *vq,
                      const struct iovtee_ring_setup *ring)
{
    const struct iovtee_vring_config *a = &vq->ring.vring;
    const struct iovtee_vring_config *b = &ring->vring;

    return a->desc_gpa == b->desc_gpa && a->avail_gpa == b->avail_gpa
           && a->used_gpa == b->used_gpa && a->size == b->size
           && vq->ring.features == ring->features
           && vq->ring.hdr_len == ring->hdr_len;
}

static void
vq_destroy(struct iovtee_rxvq *vq)
    OVS_NO_THREAD_SAFETY_ANALYSIS
{
    iovtee_rxvq_account(vq);
    iovtee_rxvq_past_unref(vq->past);
    iovtee_shells_destroy(vq->row);
    iovtee_vring_destroy(&vq->vring);
    iovtee_ledger_destroy(&vq->ledger);
    iovtee_guestmem_unref(vq->mem);
    ovs_spin_destroy(&vq->lock);
    iovtee_notifier_unref(vq->notifier);
    free(vq->bufs);
    free(vq->lent_by);
    iovtee_rxvq_free_loans(vq);
    free(vq->idle.ring);
    free(vq->unfit.ring);
    free(vq->port);
    free_cacheline(vq);
}

static void
vq_init_heads(struct iovtee_heads *heads, uint32_t size)
{
    heads->ring = xcalloc(size, sizeof *heads->ring);
    heads->mask = size - 1;
    heads->first = heads->end = 0;
}

/* Initializes the ring of 'vq', to go on where a predecessor that died left
 * it, if 'inflight' knows it, or else where the session says. */
static int
vq_init_vring(struct iovtee_rxvq *vq, struct iovtee_inflight *inflight)
{
    struct iovtee_vring_config config = vq->ring.vring;
    uint16_t avail_idx, used_idx;
    uint16_t *heads;
    uint32_t n = 0;
    int error;

    if (inflight) {
        error = iovtee_inflight_attach(inflight, vq->q, vq->size,
                                       &vq->inflight);
        if (error) {
            VLOG_WARN("%s: receive queue %u will not survive a crash of the "
                      "switch (%s)", vq->port, vq->q, ovs_strerror(error));
        }
    }

    heads = xcalloc(vq->size, sizeof *heads);
    if (iovtee_inflight_identify(&vq->inflight, &config)) {
        if (!iovtee_vring_read_indices(&config, &avail_idx, &used_idx)
            && !iovtee_inflight_recover(&vq->inflight, avail_idx, used_idx,
                                        heads, &n)) {
            config.last_avail = used_idx + n;
            config.last_used = used_idx;
            VLOG_INFO("%s: receive queue %u goes on at %"PRIu16" with "
                      "%"PRIu32" buffers from before", vq->port, vq->q,
                      used_idx, n);
        } else {
            VLOG_WARN("%s: receive queue %u does not match what is known of "
                      "it from before, which is discarded", vq->port, vq->q);
            n = 0;
            iovtee_inflight_start(&vq->inflight, &config);
        }
    } else {
        iovtee_inflight_start(&vq->inflight, &config);
    }

    error = iovtee_vring_init(&vq->vring, &config);
    for (uint32_t i = 0; !error && i < n; i++) {
        iovtee_ledger_move(&vq->ledger, heads[i], IOVTEE_GUEST, IOVTEE_IDLE);
    }
    free(heads);
    return error;
}

/* Has the buffers that a predecessor left used. */
static void
vq_resume_inflight(struct iovtee_rxvq *vq)
{
    ovs_spin_lock(&vq->lock);
    for (uint32_t head = 0; head < vq->size; head++) {
        if (iovtee_ledger_place(&vq->ledger, head) == IOVTEE_IDLE) {
            iovtee_rxvq_sort(vq, head);
        }
    }
    ovs_spin_unlock(&vq->lock);
}

/* Gives buffer 'head' back with a frame that every guest ignores. */
static void
vq_give_filler(struct iovtee_rxvq *vq, uint16_t head)
{
    /* Addressed to nobody, with an EtherType for local experiments (IEEE Std
     * 802), so that a stack drops it and a forwarder does no harm. */
    static const uint8_t filler[FILLER_LEN] = {
        [6] = 0x02, [12] = 0x88, [13] = 0xb5,
    };
    const struct iovtee_buf *buf = &vq->bufs[head];
    uint32_t len = 0;

    if (buf->len >= vq->hdr_len + FILLER_LEN) {
        struct virtio_net_hdr_mrg_rxbuf hdr = { .num_buffers = 1 };

        len = vq->hdr_len + FILLER_LEN;
        memcpy(buf->va, &hdr, vq->hdr_len);
        memcpy(buf->va + vq->hdr_len, filler, sizeof filler);
        iovtee_vring_mark(&vq->vring, buf->va, len);
    }
    iovtee_rxvq_give(vq, head, IOVTEE_IDLE, len);
    vq->counters.fillers++;
}

/* Leaves the buffers that were taken last in the available ring, as far back
 * as they are idle.  (If the guest has changed the ring, it says itself which
 * of the idle ones that shall be.)  The table of what is in flight need not
 * know: a successor finds them there instead of in the ring. */
static void
vq_leave_buffers(struct iovtee_rxvq *vq)
{
    while (vq->ledger.n[IOVTEE_IDLE] && !vq->vring.fault) {
        uint16_t head = iovtee_vring_last_taken(&vq->vring);

        if (head >= vq->size
            || iovtee_ledger_place(&vq->ledger, head) != IOVTEE_IDLE) {
            break;
        }
        iovtee_ledger_move(&vq->ledger, head, IOVTEE_IDLE, IOVTEE_GUEST);
        iovtee_vring_untake(&vq->vring, 1);
    }
}

/* Moves every buffer of 'vq' to the guest's side of the ledger, through the
 * used ring if 'give'.  Those that are still in the switch are given back
 * without a byte: their content is not ours to change now. */
static void
vq_forget_buffers(struct iovtee_rxvq *vq, bool give)
{
    for (uint32_t head = 0; head < vq->size; head++) {
        enum iovtee_place place = iovtee_ledger_place(&vq->ledger, head);

        if (place == IOVTEE_GUEST) {
            continue;
        }
        if (place != IOVTEE_IDLE) {
            iovtee_rxvq_mark_lent(vq, head);
            vq->bufs[head].orphan = true;
            vq->bufs[head].held = place == IOVTEE_NIC;
            vq->n_orphans++;

            /* What the NIC keeps is no frame that anybody could read. */
            vq->bufs[head].copied |= place != IOVTEE_SWITCH;
        }
        if (!give) {
            iovtee_ledger_move(&vq->ledger, head, place, IOVTEE_GUEST);
        } else if (place == IOVTEE_IDLE) {
            vq_give_filler(vq, head);
        } else {
            iovtee_rxvq_give(vq, head, place, 0);
        }
    }
    vq->idle.first = vq->idle.end;
    vq->unfit.first = vq->unfit.end;
}
