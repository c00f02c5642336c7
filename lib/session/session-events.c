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

/* librte_vhost's callbacks, on its thread or on one that opens or closes a
 * session.  What they decide is done in session-ring.c. */

#include <config.h>

#include "session/session-private.h"

#include <linux/vhost_types.h>
#include <linux/virtio_net.h>
#include <stdlib.h>

#include "coverage.h"
#include "openvswitch/vlog.h"
#include "session/session-message.h"
#include "virtio/busfault.h"

VLOG_DEFINE_THIS_MODULE(iovtee_session_events);

/* What librte_vhost calls when, as of 22.11, and whether it holds its access
 * locks then:
 *
 *    message                 calls                                     locks
 *    ----------------------  ----------------------------------------  -----
 *    (connection)            new_connection                            no
 *    SET_MEM_TABLE,          pre, post                                 yes
 *      SET_LOG_BASE
 *    SET_FEATURES            pre, features_changed if it runs, post    yes
 *    SET_VRING_NUM,          pre, post                                 yes
 *      _BASE, _ADDR
 *    SET_VRING_KICK, _CALL   pre, state(0) if it was ready, post,      yes
 *                            state(1) if it is ready now
 *    SET_VRING_ENABLE        pre, post, state(0 or 1)                  yes
 *    any, if all is ready    new_device, at its very end               no
 *    GET_VRING_BASE          pre, destroy_device, post, state(0)       no
 *    RESET_OWNER             pre, destroy_device, post                 no
 *    (disconnection)         destroy_device, destroy_connection        no
 *    (unregistration)        destroy_device, on the caller's thread    no
 *
 * destroy_device comes only after new_device.  "post" is left out if the
 * message failed; the connection survives that if the front-end asked for a
 * reply.  A changed memory table, changed ring addresses and a reset ring have
 * no callback of their own, which is why this looks at the messages.
 *
 * librte_vhost never runs two callbacks of one connection at once, nor those
 * of one socket's next connection before those of the last are over.
 *
 * A message that librte_vhost found wrong may have been carried out by half.
 * So what a message is about to change is considered lost before it is handled
 * ("pre"), and is found again only after it was handled without error
 * ("post").
 *
 * Migration
 * =========
 *
 * A front-end that begins to copy the guest's memory passes a bitmap
 * (SET_LOG_BASE), and sets VHOST_F_LOG_ALL among the features of the running
 * device; then it wants every write in the bitmap.  From features_changed() on
 * would be too early, for librte_vhost ignores what is logged until the
 * message is through.  So all rings are suspended before each of the
 * messages, which ends all that a NIC writes, and go on after it.  While
 * librte_vhost replaces the bitmap nobody else may have it open, either.
 *
 * What librte_vhost 22.11 does not see to:
 *
 *    - It applies the offset of the bitmap in its file twice, so that bits are
 *      set behind the mapping.  A bitmap that does not begin its file is
 *      refused; no front-end that is known has such.
 *
 *    - RESET_OWNER unmaps the bitmap, which is used all the same when there is
 *      none later.  So it is refused once one was sent.
 *
 *    - If there are more queues than the guest has agreed to have, then
 *      SET_FEATURES frees them, though the device may be running.  That is
 *      refused, too. */

COVERAGE_DEFINE(iovtee_session_bad_table);
COVERAGE_DEFINE(iovtee_session_foreign);
COVERAGE_DEFINE(iovtee_session_refused);

static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(5, 20);
static struct vlog_rate_limit info_rl = VLOG_RATE_LIMIT_INIT(60, 60);

#define LOG_ALL (UINT64_C(1) << VHOST_F_LOG_ALL)

/* Tells the owner that something has changed. */
static void
notify_owner(struct iovtee_session *s)
{
    if (s->ops.changed) {
        s->ops.changed(s->aux);
    }
}

/* Messages. */

/* Is the memory table in 'msg' another one than we have?  If not, librte_vhost
 * will leave everything as it is; this is the comparison that it makes. */
static bool
mem_table_differs(const struct iovtee_session *s, const uint8_t *msg)
    OVS_REQUIRES(s->fsm_mutex)
{
    const uint8_t *p = msg + MSG_MEM_REGIONS;
    uint32_t n;

    memcpy(&n, msg + MSG_MEM_N, sizeof n);
    if (!s->table || n != s->table->nregions) {
        return true;
    }
    for (uint32_t i = 0; i < n; i++) {
        const struct rte_vhost_mem_region *have = &s->table->regions[i];
        struct msg_mem_region r;

        memcpy(&r, p + i * sizeof r, sizeof r);
        if (r.gpa != have->guest_phys_addr || r.size != have->size
            || r.user_va != have->guest_user_addr) {
            return true;
        }
    }
    return false;
}

/* Notes whether ring 'i' is in use.  Returns true if that changes what others
 * see. */
static bool
set_ready(struct iovtee_session *s, uint32_t i, bool ready)
    OVS_REQUIRES(s->fsm_mutex)
{
    struct session_vring *vr = &s->vrings[i];

    if (vr->ready == ready) {
        return false;
    }
    vr->ready = ready;
    if (!s->announced) {
        return false;
    }
    if (!iovtee_ring_is_rx(i)) {
        atomic_store_relaxed(&s->txq_enabled[i / 2], ready);
    }
    VLOG_INFO_RL(&info_rl, "%s: State of queue %"PRIu32" ( %s_qid %"PRIu32" ) "
                 "of vhost device '%s' changed to '%s'", s->port, i,
                 i % 2 ? "rx" : "tx", i / 2, s->path,
                 ready ? "enabled" : "disabled");
    return true;
}

/* If the last message has left a ring without the descriptor that it was to
 * get, the ring is not in use any more.  Returns true if that changes what
 * others see. */
static bool
settle_fd_swap(struct iovtee_session *s)
    OVS_REQUIRES(s->fsm_mutex)
{
    bool changed = false;

    for (uint32_t i = 0; i < SESSION_MAX_VRINGS; i++) {
        struct session_vring *vr = &s->vrings[i];

        if (vr->fd_swap) {
            vr->fd_swap = false;
            changed |= set_ready(s, i, false);
            session_vring_update__(s, i);
        }
    }
    return changed;
}

/* Takes over the features that the guest and librte_vhost have agreed on. */
static void
take_features(struct iovtee_session *s, uint64_t features)
    OVS_REQUIRES(s->fsm_mutex)
{
    s->negotiated = features & ~LOG_ALL;
    s->logging = (features & LOG_ALL) != 0;
}

/* Must librte_vhost not see the memory table, or the bitmap of writes, in
 * 'msg'?  It would leave something behind when it fails with the one, and of
 * its failure with the other we are not told, though all rings are suspended
 * for its sake. */
static bool
is_bad(const struct iovtee_session *s, const uint8_t *msg)
    OVS_REQUIRES(s->fsm_mutex)
{
    bool log = s->request == REQ_SET_LOG_BASE;
    const char *problem = NULL;
    uint64_t max;

    if (log) {
        problem = session_message_check_log__(msg);
    } else if (s->request == REQ_SET_MEM_TABLE && mem_table_differs(s, msg)) {
        atomic_read_relaxed(&CONST_CAST(struct iovtee_session *,
                                        s)->max_memory, &max);
        problem = session_message_check_table__(msg, max);
        if (problem) {
            COVERAGE_INC(iovtee_session_bad_table);
        }
    }
    if (problem) {
        VLOG_WARN_RL(&rl, "%s: refused a %s, of which %s", s->port,
                     log ? "log of writes" : "memory table", problem);
    }
    return problem != NULL;
}

/* Would SET_FEATURES with 'msg' only begin or end the log of writes?  With
 * anything else that would be news librte_vhost refuses the message, if the
 * device runs. */
static bool
flips_logging(const struct iovtee_session *s, const uint8_t *msg)
    OVS_REQUIRES(s->fsm_mutex)
{
    uint64_t features;

    memcpy(&features, msg + MSG_PAYLOAD, sizeof features);
    features ^= s->negotiated | (s->logging ? LOG_ALL : 0);
    return s->announced && features == LOG_ALL;
}

/* Must librte_vhost not see 'msg', because of what it would do to the log of
 * writes or because of the log? */
static bool
is_unsafe(const struct iovtee_session *s, const uint8_t *msg)
    OVS_REQUIRES(s->fsm_mutex)
{
    switch (s->request) {
    case REQ_RESET_OWNER:
        return s->log_set;

    case REQ_SET_FEATURES:
        return (flips_logging(s, msg)
                && !(s->negotiated & (UINT64_C(1) << VIRTIO_NET_F_MQ))
                && rte_vhost_get_vring_num(s->fsm_vid) > 2);

    default:
        return false;
    }
}

/* If the last message should have changed how writes are logged and failed,
 * everything is as it was before. */
static void
settle_log(struct iovtee_session *s)
    OVS_REQUIRES(s->fsm_mutex)
{
    if (s->log_changing) {
        s->log_changing = false;
        session_vring_update_all__(s);
    }
}

static void
reset_vrings(struct iovtee_session *s)
    OVS_REQUIRES(s->fsm_mutex)
{
    session_vring_stop_all__(s);
    for (uint32_t i = 0; i < SESSION_MAX_VRINGS; i++) {
        s->vrings[i].ready = false;
        s->vrings[i].sized = false;
        s->vrings[i].fd_swap = false;
        s->vrings[i].complained = false;
    }
    for (uint32_t q = 0; q < IOVTEE_SESSION_MAX_QUEUES; q++) {
        atomic_store_relaxed(&s->txq_enabled[q], false);
    }
}

/* Does 'request' belong to a feature that is never offered?  librte_vhost
 * would handle it all the same: change addresses behind our back, write beyond
 * the end of a file, allocate memory without limit or wait for ever. */
static bool
is_foreign(uint32_t request)
{
    switch (request) {
    case REQ_IOTLB_MSG:
    case REQ_POSTCOPY_ADVISE:
    case REQ_POSTCOPY_LISTEN:
    case REQ_POSTCOPY_END:
    case REQ_GET_INFLIGHT_FD:
    case REQ_SET_INFLIGHT_FD:
    case REQ_GET_MAX_MEM_SLOTS:
    case REQ_ADD_MEM_REG:
    case REQ_REM_MEM_REG:
        return true;
    default:
        return false;
    }
}

/* Gives up what the message that is about to be handled, 'msg', changes. */
static void
give_up(struct iovtee_session *s, const uint8_t *msg)
    OVS_REQUIRES(s->fsm_mutex)
{
    uint32_t i = s->request_vring;

    switch (s->request) {
    case REQ_SET_MEM_TABLE:
        if (mem_table_differs(s, msg)) {
            s->table_lost = true;
            session_vring_stop_all__(s);
            session_mem_drop__(s);
        }
        break;

    case REQ_SET_LOG_BASE:
        s->log_set = true;
        if (s->logging) {
            s->log_changing = true;
            session_vring_suspend_all__(s);
        }
        break;

    case REQ_SET_FEATURES:
        if (flips_logging(s, msg)) {
            s->log_changing = true;
            session_vring_suspend_all__(s);
        }
        break;

    case REQ_SET_VRING_ADDR:
        session_vring_suspend__(s, i);
        break;

    case REQ_SET_VRING_NUM:
    case REQ_GET_VRING_BASE:
        /* librte_vhost replaces or frees the memory that it needs for the
         * ring.  GET_VRING_BASE does so only after destroy_device(). */
        if (s->request == REQ_SET_VRING_NUM) {
            session_vring_stop__(s, i);
        }
        s->vrings[i].sized = false;
        break;

    case REQ_SET_VRING_BASE:
        session_vring_stop__(s, i);
        break;

    case REQ_RESET_OWNER:
        /* The memory goes, and no ring is ready, without a callback. */
        reset_vrings(s);
        session_mem_drop__(s);
        break;

    case REQ_SEND_RARP:
        memcpy(s->mac, msg + MSG_PAYLOAD, sizeof s->mac);
        break;
    }
}

/* Called before librte_vhost handles 'msg'.  Returns false if it must not. */
static bool
before_message(struct iovtee_session *s, const uint8_t *msg)
    OVS_REQUIRES(s->fsm_mutex)
{
    uint32_t i;

    memcpy(&s->request, msg + MSG_REQUEST, sizeof s->request);
    memcpy(&i, msg + MSG_PAYLOAD, sizeof i);
    if (s->request == REQ_SET_VRING_KICK
        || s->request == REQ_SET_VRING_CALL) {
        i &= MSG_VRING_MASK;
    }
    if (i >= SESSION_MAX_VRINGS) {
        i = 0;                  /* librte_vhost refuses it, if it matters. */
    }
    s->request_vring = i;
    s->table_lost = false;
    if (is_bad(s, msg)) {
        return false;
    }
    if (is_unsafe(s, msg)) {
        VLOG_WARN_RL(&rl, "%s: front-end sent request %"PRIu32" at a time "
                     "when it is refused", s->port, s->request);
        return false;
    }
    give_up(s, msg);
    return true;
}

/* Called after librte_vhost has handled a message without error. */
static void
after_message(struct iovtee_session *s)
    OVS_REQUIRES(s->fsm_mutex)
{
    uint32_t i = s->request_vring;

    switch (s->request) {
    case REQ_SET_MEM_TABLE:
        if (s->table_lost) {
            session_mem_load__(s);
            session_vring_update_all__(s);
        }
        break;

    case REQ_SET_FEATURES:
        if (s->log_changing) {
            uint64_t features = 0;

            rte_vhost_get_negotiated_features(s->fsm_vid, &features);
            take_features(s, features);
            VLOG_INFO_RL(&info_rl, "%s: front-end %s the guest's memory",
                         s->port, (s->logging ? "begins to copy"
                                   : "does not copy any more"));
        }
        settle_log(s);
        break;

    case REQ_SET_LOG_BASE:
        session_log_load__(s);
        settle_log(s);
        break;

    case REQ_SET_VRING_NUM:
        s->vrings[i].sized = true;
        /* Fall through. */
    case REQ_SET_VRING_ADDR:
    case REQ_SET_VRING_BASE:
        s->vrings[i].complained = false;
        session_vring_update__(s, i);
        break;

    case REQ_SEND_RARP:
        /* librte_vhost would send it with what the guest sends. */
        s->ops.announce(s->aux, s->mac);
        break;
    }
    s->request = REQ_NONE;
}

static enum rte_vhost_msg_result
pre_msg_handle(int vid, void *msg)
{
    struct iovtee_session *s = iovtee_session_by_vid__(vid);
    uint32_t request = REQ_NONE;
    bool changed, ok = true;

    if (s) {
        ovs_mutex_lock(&s->fsm_mutex);
        changed = settle_fd_swap(s);
        settle_log(s);
        ok = before_message(s, msg);
        request = s->request;
        ovs_mutex_unlock(&s->fsm_mutex);
        if (changed) {
            notify_owner(s);
        }
        iovtee_session_rcu_exit__();
    }
    if (is_foreign(request)) {
        COVERAGE_INC(iovtee_session_foreign);
        VLOG_WARN_RL(&rl, "%s: front-end sent request %"PRIu32", which "
                     "belongs to a feature that it was not offered",
                     s->port, request);
        ok = false;
    }
    if (!ok && !session_message_close_fds__(msg)) {
        VLOG_ERR_RL(&rl, "%s: cannot close the file descriptors that came "
                    "with request %"PRIu32, s->port, request);
    }
    iovtee_busfault_expect(ok);
    return ok ? RTE_VHOST_MSG_RESULT_NOT_HANDLED : RTE_VHOST_MSG_RESULT_ERR;
}

static enum rte_vhost_msg_result
post_msg_handle(int vid, void *msg OVS_UNUSED)
{
    struct iovtee_session *s = iovtee_session_by_vid__(vid);

    iovtee_busfault_expect(false);
    if (s) {
        ovs_mutex_lock(&s->fsm_mutex);
        after_message(s);
        ovs_mutex_unlock(&s->fsm_mutex);
        iovtee_session_rcu_exit__();
    }

    /* Anything else would make librte_vhost accept messages that it does not
     * know. */
    return RTE_VHOST_MSG_RESULT_NOT_HANDLED;
}

static const struct rte_vhost_user_extern_ops extern_ops = {
    .pre_msg_handle = pre_msg_handle,
    .post_msg_handle = post_msg_handle,
};

/* The device. */

/* Makes the number of queues that the guest has known to everybody.  Returns
 * whether it has changed. */
static bool
publish_n_queues(struct iovtee_session *s, int vid)
{
    unsigned int n = rte_vhost_get_vring_num(vid) / 2;
    unsigned int old;

    n = MIN(MAX(n, 1), IOVTEE_SESSION_MAX_QUEUES);
    atomic_read_relaxed(&s->n_queues, &old);
    atomic_store_relaxed(&s->n_queues, n);
    return n != old;
}

static int
new_connection(int vid)
{
    struct iovtee_session *s = iovtee_session_attach__(vid);

    if (!s) {
        /* librte_vhost in server mode accepts any number of front-ends. */
        COVERAGE_INC(iovtee_session_refused);
        iovtee_session_rcu_exit__();
        return -1;
    }

    ovs_mutex_lock(&s->fsm_mutex);
    s->fsm_vid = vid;
    s->request = REQ_NONE;
    ovs_mutex_unlock(&s->fsm_mutex);

    if (rte_vhost_extern_callback_register(vid, &extern_ops, NULL)) {
        VLOG_ERR("%s: cannot follow the messages of front-end %d",
                 s->port, vid);
    }
    VLOG_INFO_RL(&info_rl, "%s: front-end %d connected on %s",
                 s->port, vid, s->path);
    iovtee_session_rcu_exit__();
    return 0;
}

static int
new_device(int vid)
{
    struct iovtee_session *s = iovtee_session_by_vid__(vid);
    uint64_t features = 0;
    int node;

    if (!s) {
        return -1;
    }
    rte_vhost_get_negotiated_features(vid, &features);
    node = rte_vhost_get_numa_node(vid);
    VLOG_INFO_RL(&info_rl, "%s: vHost Device '%s' has been added on numa node "
                 "%d, features 0x%016"PRIx64, s->port, s->path, node,
                 features);

    ovs_mutex_lock(&s->fsm_mutex);
    s->announced = true;
    take_features(s, features);
    s->node = node;
    session_vring_update_all__(s);
    for (uint32_t q = 0; q < IOVTEE_SESSION_MAX_QUEUES; q++) {
        atomic_store_relaxed(&s->txq_enabled[q], s->vrings[2 * q + 1].ready);
    }
    ovs_mutex_unlock(&s->fsm_mutex);

    publish_n_queues(s, vid);
    atomic_store_relaxed(&s->features, features & ~LOG_ALL);
    atomic_store_relaxed(&s->numa_id, node);
    ovs_mutex_lock(&s->api_mutex);
    s->api_vid = vid;
    ovs_mutex_unlock(&s->api_mutex);

    /* Last, so that whoever sees it can ask for everything. */
    atomic_store_explicit(&s->connected, true, memory_order_release);
    notify_owner(s);
    iovtee_session_rcu_exit__();
    return 0;
}

static void
destroy_device(int vid)
{
    struct iovtee_session *s = iovtee_session_by_vid__(vid);

    if (!s) {
        return;
    }

    ovs_mutex_lock(&s->fsm_mutex);
    s->announced = false;
    session_vring_stop_all__(s);
    if (s->frozen) {
        session_log_drop__(s);
    }
    for (uint32_t q = 0; q < IOVTEE_SESSION_MAX_QUEUES; q++) {
        atomic_store_relaxed(&s->txq_enabled[q], false);
    }
    ovs_mutex_unlock(&s->fsm_mutex);

    ovs_mutex_lock(&s->api_mutex);
    s->api_vid = -1;
    ovs_mutex_unlock(&s->api_mutex);

    atomic_store_relaxed(&s->connected, false);
    VLOG_INFO_RL(&info_rl, "%s: vHost Device '%s' has been removed", s->port,
                 s->path);
    notify_owner(s);
    iovtee_session_rcu_exit__();
}

static int
vring_state_changed(int vid, uint16_t i, int enable)
{
    struct iovtee_session *s = iovtee_session_by_vid__(vid);
    bool changed = false;
    struct session_vring *vr;

    if (!s || i >= SESSION_MAX_VRINGS) {
        return 0;
    }
    vr = &s->vrings[i];

    ovs_mutex_lock(&s->fsm_mutex);
    if (!enable && vr->ready && i == s->request_vring
        && (s->request == REQ_SET_VRING_KICK
            || s->request == REQ_SET_VRING_CALL)) {
        /* Not a stop: QEMU replaces the descriptor each time that the guest
         * masks or unmasks an interrupt. */
        vr->fd_swap = true;
    } else {
        changed = set_ready(s, i, enable);
        if (vr->fd_swap) {
            vr->fd_swap = false;
            session_vring_pass_callfd__(s, i);
        }
        session_vring_update__(s, i);
    }
    if (s->announced) {
        changed |= publish_n_queues(s, vid);
    }
    ovs_mutex_unlock(&s->fsm_mutex);

    if (changed) {
        notify_owner(s);
    }
    iovtee_session_rcu_exit__();
    return 0;
}

static void
destroy_connection(int vid)
{
    struct iovtee_session *s = iovtee_session_by_vid__(vid);

    iovtee_busfault_expect(false);
    if (s) {
        iovtee_session_forget__(s);
        iovtee_session_detach__(s);
        VLOG_INFO_RL(&info_rl, "%s: vHost Device '%s' connection has been "
                     "destroyed", s->port, s->path);
        notify_owner(s);
        iovtee_session_rcu_exit__();
    }
}

const struct rte_vhost_device_ops iovtee_session_device_ops__ = {
    .new_device = new_device,
    .destroy_device = destroy_device,
    .vring_state_changed = vring_state_changed,
    .new_connection = new_connection,
    .destroy_connection = destroy_connection,
};

/* Forgets all about the connection of 's', which is over. */
void
iovtee_session_forget__(struct iovtee_session *s)
{
    ovs_mutex_lock(&s->fsm_mutex);
    reset_vrings(s);
    session_mem_drop__(s);
    session_log_drop__(s);
    s->announced = false;
    s->logging = s->log_changing = s->log_set = false;
    s->request = REQ_NONE;
    s->fsm_vid = -1;
    ovs_mutex_unlock(&s->fsm_mutex);

    atomic_store_relaxed(&s->n_queues, 1);
    atomic_store_relaxed(&s->connected, false);
}
