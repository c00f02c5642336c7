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

/* Life cycle of a guest transmit queue.  librte_vhost's thread makes, starts
 * and stops it, the main thread asks about it.  Next: queue/txvq-recv.c, how
 * packets get out of it. */

#include <config.h>

#include "queue/txvq-lent.h"

#include <errno.h>

#include <linux/virtio_net.h>

#include "openvswitch/vlog.h"
#include "timeval.h"

VLOG_DEFINE_THIS_MODULE(iovtee_txvq);

static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(5, 20);

/* Features with which a guest may leave something to do in its virtio
 * headers. */
#define OFFLOADS ((UINT64_C(1) << VIRTIO_NET_F_CSUM)            \
                  | (UINT64_C(1) << VIRTIO_NET_F_HOST_TSO4)     \
                  | (UINT64_C(1) << VIRTIO_NET_F_HOST_TSO6)     \
                  | (UINT64_C(1) << VIRTIO_NET_F_HOST_UFO))

/* Finds out what a predecessor that died has left of the ring that 'config'
 * describes, and of which it may have lent some buffers, and changes 'config'
 * so that it goes on behind these. */
static void
recover(struct iovtee_txvq *vq, struct iovtee_vring_config *config)
    OVS_NO_THREAD_SAFETY_ANALYSIS
{
    const unsigned int i = IOVTEE_INFLIGHT_TXQ(vq->q);
    uint16_t avail_idx, used_idx;
    int error;

    if (!vq->table
        || (!vq->zero_copy && !iovtee_inflight_has(vq->table, i))) {
        return;
    }
    error = iovtee_inflight_attach(vq->table, i, config->size, &vq->inflight);
    if (error) {
        VLOG_WARN("%s: transmit queue %u will not survive a crash of the "
                  "switch (%s), so it copies", vq->port, vq->q,
                  ovs_strerror(error));
        return;
    }
    if (!iovtee_inflight_identify(&vq->inflight, config)) {
        iovtee_inflight_start(&vq->inflight, config);
        return;
    }

    vq->again = xcalloc(config->size, sizeof *vq->again);
    if (iovtee_vring_read_indices(config, &avail_idx, &used_idx)
        || iovtee_inflight_recover(&vq->inflight, avail_idx, used_idx,
                                   vq->again, &vq->n_again)) {
        VLOG_WARN("%s: transmit queue %u does not match what is known of it "
                  "from before, which is discarded", vq->port, vq->q);
        vq->n_again = 0;
        iovtee_inflight_start(&vq->inflight, config);
        return;
    }
    config->last_avail = used_idx + vq->n_again;
    config->last_used = used_idx;
    for (uint32_t k = 0; k < vq->n_again; k++) {
        iovtee_ledger_move(&vq->ledger, vq->again[k], IOVTEE_GUEST,
                           IOVTEE_IDLE);
    }
    VLOG_INFO("%s: transmit queue %u goes on at %"PRIu16" with %"PRIu32
              " buffers from before", vq->port, vq->q, used_idx, vq->n_again);
}

/* Creates a queue for the ring that 'config' describes, suspended: see
 * iovtee_txvq_resume().  Returns NULL, having logged why, if the ring is not
 * where the guest has memory. */
struct iovtee_txvq *
iovtee_txvq_create(const struct iovtee_txvq_config *config)
    OVS_NO_THREAD_SAFETY_ANALYSIS
{
    struct iovtee_vring_config vring = config->ring->vring;
    struct iovtee_txvq *vq = xzalloc_cacheline(sizeof *vq);
    int error;

    vq->port = xstrdup(config->port);
    vq->q = config->q;
    vq->hdr_len = config->ring->hdr_len;
    vq->offloads = (config->ring->features & OFFLOADS) != 0;
    vq->ring = *config->ring;
    vq->ring.callfd = -1;
    ovs_refcount_init(&vq->ref_cnt);
    ovs_spin_init(&vq->lock);
    vq->state = IOVTEE_TXVQ_SUSPENDED;

    vq->table = config->inflight;
    vq->zero_copy = config->zero_copy;
    vq->zero_copy_min = config->zero_copy_min;
    iovtee_ledger_init(&vq->ledger, vring.size);

    /* A predecessor that was interrupted may have taken more than it gave
     * back.  What became of that nobody knows, so it is taken again, from the
     * ring unless the table knows better. */
    vring.transmit = true;
    vring.last_avail = vring.last_used;
    recover(vq, &vring);
    error = iovtee_vring_init(&vq->vring, &vring);
    if (error) {
        VLOG_WARN("%s: transmit queue %u is unusable: its ring of %"PRIu32
                  " entries does not lie in guest memory (%s)", vq->port,
                  vq->q, vring.size, ovs_strerror(error));
        iovtee_txvq_unref(vq);
        return NULL;
    }
    return vq;
}

struct iovtee_txvq *
iovtee_txvq_ref(struct iovtee_txvq *vq)
{
    if (vq) {
        ovs_refcount_ref(&vq->ref_cnt);
    }
    return vq;
}

/* Drops a reference, and frees 'vq' with the last one.  Accepts NULL. */
void
iovtee_txvq_unref(struct iovtee_txvq *vq)
    OVS_NO_THREAD_SAFETY_ANALYSIS
{
    if (vq && ovs_refcount_unref(&vq->ref_cnt) == 1) {
        iovtee_txvq_lent_destroy(vq->lent);
        iovtee_ledger_destroy(&vq->ledger);
        free(vq->again);
        iovtee_vring_destroy(&vq->vring);
        iovtee_notifier_unref(vq->notifier);
        ovs_spin_destroy(&vq->lock);
        free(vq->port);
        free_cacheline(vq);
    }
}

/* Lets 'vq' run, and interrupt the guest through 'callfd', which may be -1 and
 * which stays the caller's.  If 'log' is nonnull, every write to guest memory
 * is reported to whom it names. */
void
iovtee_txvq_resume(struct iovtee_txvq *vq, int callfd,
                   const struct iovtee_vring_log *log)
{
    iovtee_txvq_set_callfd(vq, callfd);

    ovs_spin_lock(&vq->lock);
    ovs_assert(vq->state != IOVTEE_TXVQ_FINISHED);
    vq->state = IOVTEE_TXVQ_RUNNING;
    iovtee_vring_set_log(&vq->vring, log);
    iovtee_vring_set_no_notify(&vq->vring, true);
    ovs_spin_unlock(&vq->lock);
}

/* Gives back what was to be sent again.  (To leave it in the ring is not
 * possible: others that came before or after it were used.) */
static void
leave_again(struct iovtee_txvq *vq)
    OVS_REQUIRES(vq->lock)
{
    while (vq->next_again < vq->n_again) {
        uint16_t head = vq->again[vq->next_again++];

        iovtee_ledger_move(&vq->ledger, head, IOVTEE_IDLE, IOVTEE_GUEST);
        iovtee_txvq_give(vq, head);
        vq->counters.dropped[IOVTEE_TX_DROP_STOPPED]++;
    }
    iovtee_txvq_publish(vq);
}

/* Makes the guest see what was given back to it.  If it wants to be
 * interrupted, that is done by iovtee_txvq_unlock(). */
void
iovtee_txvq_publish(struct iovtee_txvq *vq)
{
    vq->notify |= iovtee_vring_publish(&vq->vring);
    iovtee_inflight_publish(&vq->inflight);
}

/* Stops 'vq' for good, and stores where a successor has to go on.  Drops its
 * reference to guest memory. */
void
iovtee_txvq_finish(struct iovtee_txvq *vq, uint16_t *last_avail,
                   uint16_t *last_used)
{
    struct iovtee_vring vring;

    ovs_spin_lock(&vq->lock);
    leave_again(vq);
    iovtee_inflight_stop(&vq->inflight);
    memset(&vq->inflight, 0, sizeof vq->inflight);
    vring = vq->vring;
    vq->vring.mem = NULL;
    vq->state = IOVTEE_TXVQ_FINISHED;
    ovs_spin_unlock(&vq->lock);

    *last_avail = vring.last_avail;
    *last_used = vring.used_idx;
    iovtee_vring_destroy(&vring);
}

/* Makes 'vq' interrupt the guest through 'callfd', or not at all if it is -1.
 * The descriptor stays the caller's. */
void
iovtee_txvq_set_callfd(struct iovtee_txvq *vq, int callfd)
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

/* Has 'vq' begin its next burst with a RARP request from 'mac', as if the
 * guest had sent it, so that switches learn where it is now. */
void
iovtee_txvq_announce(struct iovtee_txvq *vq, const uint8_t mac[6])
{
    ovs_spin_lock(&vq->lock);
    memcpy(vq->mac, mac, sizeof vq->mac);
    vq->announce = true;
    ovs_spin_unlock(&vq->lock);
}

/* Returns true if 'ring' is the ring that 'vq', which must not be finished,
 * was created with, in the same memory. */
bool
iovtee_txvq_same_ring(const struct iovtee_txvq *vq,
                      const struct iovtee_ring_setup *ring)
{
    const struct iovtee_vring_config *a = &vq->ring.vring;
    const struct iovtee_vring_config *b = &ring->vring;

    return a->mem == b->mem && a->desc_gpa == b->desc_gpa
           && a->avail_gpa == b->avail_gpa && a->used_gpa == b->used_gpa
           && a->size == b->size && vq->ring.features == ring->features
           && vq->hdr_len == ring->hdr_len;
}

/* Returns how many buffers wait in 'vq', or 0 if that cannot be found out
 * without waiting. */
unsigned int
iovtee_txvq_n_waiting(struct iovtee_txvq *vq)
{
    unsigned int n = 0;

    if (ovs_spin_trylock(&vq->lock)) {
        return 0;
    }
    if (vq->state == IOVTEE_TXVQ_RUNNING) {
        n = iovtee_vring_n_avail(&vq->vring, UINT_MAX);
    }
    iovtee_txvq_unlock(vq);
    return n;
}

void
iovtee_txvq_get_info(struct iovtee_txvq *vq, struct iovtee_txvq_info *info)
{
    ovs_spin_lock(&vq->lock);
    *info = (struct iovtee_txvq_info) {
        .state = vq->state,
        .size = vq->vring.size,
        .n_waiting = (vq->state == IOVTEE_TXVQ_RUNNING
                      ? iovtee_vring_n_avail(&vq->vring, UINT_MAX) : 0),
        .n_out = (uint16_t) (vq->vring.last_avail - vq->vring.published),
        .n_violations = vq->ledger.n_violations,
        .zero_copy = vq->zero_copy,
        .why_no_nic = vq->why_no_nic,
        .logged = iovtee_vring_is_logged(&vq->vring),
        .paused = vq->paused_until > time_msec(),
        .fault = vq->vring.fault,
    };
    iovtee_txvq_lent_count(vq->lent, &vq->ledger, info);
    iovtee_txvq_unlock(vq);
}

/* Returns what a queue of which 'info' is the snapshot does with full bursts,
 * for people. */
const char *
iovtee_txvq_zero_copy_text(const struct iovtee_txvq_info *info)
{
    return (!info->zero_copy ? "off"
            : info->logged
            ? iovtee_tx_copy_reason_text(IOVTEE_TX_COPY_MIGRATION)
            : info->paused
            ? iovtee_tx_copy_reason_text(IOVTEE_TX_COPY_STOPS)
            : info->has_nic ? "active"
            : info->why_no_nic ? info->why_no_nic
            : iovtee_tx_copy_reason_text(IOVTEE_TX_COPY_NO_NIC));
}

/* Releases the lock of 'vq' and does what must not be done under it: it
 * interrupts the guest, if that is due, and says in the log, once per ring, if
 * the guest was found to have broken it. */
void
iovtee_txvq_unlock(struct iovtee_txvq *vq)
{
    enum iovtee_vring_fault fault = vq->vring.fault;
    bool report = OVS_UNLIKELY(fault != IOVTEE_FAULT_NONE) && !vq->reported;
    struct iovtee_notifier *notifier = NULL;

    if (OVS_UNLIKELY(report)) {
        vq->reported = true;
        vq->counters.faults[fault]++;
    }
    if (vq->notify) {
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
        VLOG_WARN_RL(&rl, "%s: the guest broke its transmit queue %u: %s; "
                     "nothing is taken from the queue until the guest resets "
                     "it", vq->port, vq->q, iovtee_vring_fault_text(fault));
    }
}

/* Adds the counters in 'src' to those in 'dst'. */
void
iovtee_txvq_counters_add(struct iovtee_txvq_counters *dst,
                         const struct iovtee_txvq_counters *src)
{
    BUILD_ASSERT_DECL(sizeof *dst % sizeof(uint64_t) == 0);
    iovtee_counters_add(dst, src, sizeof *dst, 1);
}

const char *
iovtee_tx_copy_reason_name(enum iovtee_tx_copy_reason reason)
{
    static const char *const names[] = {
#define TX_COPY(ENUM, NAME, TEXT) NAME,
        IOVTEE_TX_COPY_REASONS
#undef TX_COPY
    };

    return names[reason];
}

const char *
iovtee_tx_copy_reason_text(enum iovtee_tx_copy_reason reason)
{
    static const char *const texts[] = {
#define TX_COPY(ENUM, NAME, TEXT) TEXT,
        IOVTEE_TX_COPY_REASONS
#undef TX_COPY
    };

    return texts[reason];
}

const char *
iovtee_tx_drop_reason_name(enum iovtee_tx_drop_reason reason)
{
    static const char *const names[] = {
#define TX_DROP(ENUM, NAME, TEXT) NAME,
        IOVTEE_TX_DROP_REASONS
#undef TX_DROP
    };

    return names[reason];
}

const char *
iovtee_tx_drop_reason_text(enum iovtee_tx_drop_reason reason)
{
    static const char *const texts[] = {
#define TX_DROP(ENUM, NAME, TEXT) TEXT,
        IOVTEE_TX_DROP_REASONS
#undef TX_DROP
    };

    return texts[reason];
}

const char *
iovtee_txvq_state_to_string(enum iovtee_txvq_state state)
{
    switch (state) {
    case IOVTEE_TXVQ_SUSPENDED:
        return "suspended";
    case IOVTEE_TXVQ_RUNNING:
        return "running";
    case IOVTEE_TXVQ_FINISHED:
        return "finished";
    default:
        OVS_NOT_REACHED();
    }
}
