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

/* What a guest receive virtqueue tells about itself.  For any thread, mostly
 * the main thread. */

#include <config.h>

#include "queue/rxvq.h"

#include "util.h"


/* Takes a snapshot of 'vq' for people to read. */
void
iovtee_rxvq_get_info(struct iovtee_rxvq *vq, struct iovtee_rxvq_info *info)
{
    ovs_spin_lock(&vq->lock);
    info->state = vq->state;
    info->size = vq->size;
    info->max_lent = vq->max_lent;
    info->n_spared = vq->n_spared;
    memcpy(info->n, vq->ledger.n, sizeof info->n);
    info->n_violations = vq->ledger.n_violations;
    info->fault = vq->vring.fault;
    if (!info->fault && iovtee_guestmem_is_lost(vq->mem)) {
        /* The ring has not been looked at since, for want of packets. */
        info->fault = IOVTEE_FAULT_MEMORY_LOST;
    }
    info->unfit = vq->unfit_reason;
    info->unfit_len = vq->unfit_len;
    info->is_unfit = iovtee_rxvq_is_unfit(vq);
    info->n_mem_regions = iovtee_guestmem_n_regions(vq->mem);
    info->mem_size = iovtee_guestmem_size(vq->mem);
    info->numa_id = vq->numa_id;
    info->shells_size = vq->row ? (size_t) vq->size * vq->shell_step : 0;
    info->logged = iovtee_vring_is_logged(&vq->vring);
    info->n_loans = vq->n_loans;
    info->n_paused = vq->n_paused;
    info->shift = vq->shift.now;
    info->n_shifts = vq->shift.n_changes;
    info->cramped_len = vq->shift.now > 0 ? vq->cramped_len : 0;
    ovs_spin_unlock(&vq->lock);
}

/* Returns true if each buffer of 'vq' is where the ledger says, and always
 * was.  Looks at every one of them with the queue locked, so this is for tests
 * and for people who suspect something. */
bool
iovtee_rxvq_is_balanced(struct iovtee_rxvq *vq)
{
    bool balanced;

    ovs_spin_lock(&vq->lock);
    balanced = (iovtee_ledger_is_balanced(&vq->ledger)
                && !vq->ledger.n_violations);
    ovs_spin_unlock(&vq->lock);
    return balanced;
}

/* Adds the counters in 'src' to those in 'dst'. */
void
iovtee_rxvq_counters_add(struct iovtee_rxvq_counters *dst,
                         const struct iovtee_rxvq_counters *src)
{
    BUILD_ASSERT_DECL(sizeof *dst % sizeof(uint64_t) == 0);
    iovtee_counters_add(dst, src, sizeof *dst, 1);
}

const char *
iovtee_copy_reason_name(enum iovtee_copy_reason reason)
{
    static const char *const names[] = {
#define REASON(ENUM, NAME, TEXT) NAME,
        IOVTEE_COPY_REASONS
#undef REASON
    };

    return names[reason];
}

const char *
iovtee_copy_reason_text(enum iovtee_copy_reason reason)
{
    static const char *const texts[] = {
#define REASON(ENUM, NAME, TEXT) TEXT,
        IOVTEE_COPY_REASONS
#undef REASON
    };

    return texts[reason];
}

const char *
iovtee_drop_reason_name(enum iovtee_drop_reason reason)
{
    static const char *const names[] = {
#define DROP(ENUM, NAME, TEXT) NAME,
        IOVTEE_DROP_REASONS
#undef DROP
    };

    return names[reason];
}

const char *
iovtee_drop_reason_text(enum iovtee_drop_reason reason)
{
    static const char *const texts[] = {
#define DROP(ENUM, NAME, TEXT) TEXT,
        IOVTEE_DROP_REASONS
#undef DROP
    };

    return texts[reason];
}

const char *
iovtee_border_event_name(enum iovtee_border_event event)
{
    static const char *const names[] = {
#define EVENT(ENUM, NAME, TEXT) NAME,
        IOVTEE_BORDER_EVENTS
#undef EVENT
    };

    return names[event];
}

const char *
iovtee_border_event_text(enum iovtee_border_event event)
{
    static const char *const texts[] = {
#define EVENT(ENUM, NAME, TEXT) TEXT,
        IOVTEE_BORDER_EVENTS
#undef EVENT
    };

    return texts[event];
}

const char *
iovtee_rxvq_state_to_string(enum iovtee_rxvq_state state)
{
    switch (state) {
    case IOVTEE_RXVQ_RUNNING:
        return "running";
    case IOVTEE_RXVQ_DRAINING:
        return "draining";
    case IOVTEE_RXVQ_SUSPENDED:
        return "suspended";
    case IOVTEE_RXVQ_FINISHED:
        return "finished";
    default:
        OVS_NOT_REACHED();
    }
}

struct iovtee_rxvq_past {
    struct ovs_refcount ref_cnt;
    struct ovs_mutex mutex;
    struct iovtee_rxvq_counters counters OVS_GUARDED;
};

struct iovtee_rxvq_past *
iovtee_rxvq_past_create(void)
{
    struct iovtee_rxvq_past *past = xzalloc(sizeof *past);

    ovs_refcount_init(&past->ref_cnt);
    ovs_mutex_init(&past->mutex);
    return past;
}

struct iovtee_rxvq_past *
iovtee_rxvq_past_ref(struct iovtee_rxvq_past *past)
{
    if (past) {
        ovs_refcount_ref(&past->ref_cnt);
    }
    return past;
}

void
iovtee_rxvq_past_unref(struct iovtee_rxvq_past *past)
{
    if (past && ovs_refcount_unref(&past->ref_cnt) == 1) {
        ovs_mutex_destroy(&past->mutex);
        free(past);
    }
}

/* Stores in '*counters' what the rings that are gone have counted. */
void
iovtee_rxvq_past_read(struct iovtee_rxvq_past *past,
                      struct iovtee_rxvq_counters *counters)
{
    ovs_mutex_lock(&past->mutex);
    *counters = past->counters;
    ovs_mutex_unlock(&past->mutex);
}

/* Adds what 'vq', whose time is over, has counted since the last call to what
 * is past. */
void
iovtee_rxvq_account(struct iovtee_rxvq *vq)
{
    struct iovtee_rxvq_counters now, told;

    ovs_spin_lock(&vq->lock);
    now = vq->counters;
    told = vq->told;
    vq->told = now;
    ovs_spin_unlock(&vq->lock);

    if (vq->past) {
        ovs_mutex_lock(&vq->past->mutex);
        iovtee_counters_add(&vq->past->counters, &now, sizeof now, 1);
        iovtee_counters_add(&vq->past->counters, &told, sizeof told,
                            UINT64_MAX);
        ovs_mutex_unlock(&vq->past->mutex);
    }
}
