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

/* What is done with a ring, and with the guest's memory, when the front-end
 * has said something.  Everything here runs with the session's 'fsm_mutex'
 * held, mostly on librte_vhost's thread.  Next: guest/guest-rings.c, which is
 * told of rings. */

#include <config.h>

#include "session/session-private.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/virtio_net.h>
#include <linux/virtio_ring.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "coverage.h"
#include "openvswitch/vlog.h"
#include "timeval.h"
#include "virtio/busfault.h"

VLOG_DEFINE_THIS_MODULE(iovtee_session_ring);

COVERAGE_DEFINE(iovtee_session_bad_memory);
COVERAGE_DEFINE(iovtee_session_bad_ring);

static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(5, 20);
static struct vlog_rate_limit info_rl = VLOG_RATE_LIMIT_INIT(60, 60);

/* What a ring is. */

/* A 'struct iovtee_vring_log''s callback.  Takes no lock, so that PMD threads
 * can use it; the bitmap stays where it is while a ring is in use. */
static void
log_write(void *vid, uint64_t gpa, uint64_t len)
{
    rte_vhost_log_write((intptr_t) vid, gpa, len);
}

/* Translates 'hva', in librte_vhost's mapping, into a guest physical address.
 * Returns false if it is not in guest memory. */
static bool
hva_to_gpa(const struct rte_vhost_memory *table, const void *hva,
           uint64_t *gpa)
{
    for (uint32_t i = 0; i < table->nregions; i++) {
        const struct rte_vhost_mem_region *r = &table->regions[i];
        uint64_t ofs = (uintptr_t) hva - r->host_user_addr;

        if (ofs < r->size) {
            *gpa = r->guest_phys_addr + ofs;
            return true;
        }
    }
    return false;
}

/* Returns 'fd' if it is something that a PMD thread can write to without being
 * delayed, otherwise -1.  The front-end may pass anything. */
static int
check_callfd(const struct iovtee_session *s, uint32_t i, int fd)
{
    struct stat st;
    int flags;

    if (fd < 0) {
        return -1;
    }

    /* An eventfd has no file type at all. */
    flags = fcntl(fd, F_GETFL);
    if (flags < 0 || fstat(fd, &st)
        || (st.st_mode & S_IFMT && !S_ISFIFO(st.st_mode)
            && !S_ISSOCK(st.st_mode))) {
        VLOG_WARN_RL(&rl, "%s: front-end wants to be interrupted through "
                     "something that is not an event on %s queue %"PRIu32,
                     s->port, session_vring_kind(i), i / 2);
        return -1;
    }
    if (!(flags & O_NONBLOCK) && fcntl(fd, F_SETFL, flags | O_NONBLOCK)) {
        return -1;
    }
    return fd;
}

/* Initializes 'ring' with what the front-end has said of ring 'i'.  The memory
 * is not referenced.  Returns NULL if successful, otherwise what is wrong. */
static const char *
vring_describe(struct iovtee_session *s, uint32_t i,
               struct iovtee_ring_setup *ring)
    OVS_REQUIRES(s->fsm_mutex)
{
    struct iovtee_vring_config *config = &ring->vring;
    struct rte_vhost_vring rv;
    struct iovtee_vring vr;
    int error;

    memset(ring, 0, sizeof *ring);
    memset(&rv, 0, sizeof rv);
    if (iovtee_guestmem_is_lost(s->mem)) {
        return iovtee_vring_fault_text(IOVTEE_FAULT_MEMORY_LOST);
    }
    if (rte_vhost_get_vhost_vring(s->fsm_vid, i, &rv)
        || rte_vhost_get_vring_base(s->fsm_vid, i, &config->last_avail,
                                    &config->last_used)) {
        return "it does not exist";
    }
    if (!rv.desc || !rv.avail || !rv.used
        || !hva_to_gpa(s->table, rv.desc, &config->desc_gpa)
        || !hva_to_gpa(s->table, rv.avail, &config->avail_gpa)
        || !hva_to_gpa(s->table, rv.used, &config->used_gpa)) {
        return "it is not in guest memory";
    }
    config->mem = s->mem;
    config->size = rv.size;
    config->event_idx = s->negotiated & (1ULL << VIRTIO_RING_F_EVENT_IDX);
    config->indirect = s->negotiated & (1ULL << VIRTIO_RING_F_INDIRECT_DESC);

    /* librte_vhost does not check what is set after it has translated the
     * addresses, nor alignment, nor that an area has room for the event
     * index. */
    error = iovtee_vring_init(&vr, config);
    if (error) {
        return (error == EFAULT
                ? "it is not wholly inside one region of guest memory"
                : "its size, alignment or position is not possible");
    }
    iovtee_vring_destroy(&vr);

    ring->features = s->negotiated;
    ring->hdr_len = (s->negotiated & ((1ULL << VIRTIO_NET_F_MRG_RXBUF)
                                      | (1ULL << VIRTIO_F_VERSION_1))
                     ? sizeof(struct virtio_net_hdr_mrg_rxbuf)
                     : sizeof(struct virtio_net_hdr));
    ring->callfd = check_callfd(s, i, rv.callfd);
    ring->numa_id = s->node;
    ring->log = (struct iovtee_vring_log) {
        .mark = s->logging ? log_write : NULL,
        .aux = (void *) (intptr_t) s->fsm_vid,
    };
    return NULL;
}

/* Is 'b' the ring that 'a' was, apart from its indices and from how the guest
 * is interrupted? */
static bool
ring_is_same(const struct iovtee_ring_setup *a,
             const struct iovtee_ring_setup *b)
{
    return (a->vring.mem == b->vring.mem
            && a->vring.desc_gpa == b->vring.desc_gpa
            && a->vring.avail_gpa == b->vring.avail_gpa
            && a->vring.used_gpa == b->vring.used_gpa
            && a->vring.size == b->vring.size
            && a->features == b->features);
}

/* Transitions of rings. */

/* Takes ring 'i' back for good. */
static void
ring_stop(struct iovtee_session *s, uint32_t i)
    OVS_REQUIRES(s->fsm_mutex)
{
    struct session_vring *vr = &s->vrings[i];
    uint16_t last_avail = vr->ring.vring.last_avail;
    uint16_t last_used = vr->ring.vring.last_used;

    s->ops.ring_stop(s->aux, i, true, &last_avail, &last_used);
    rte_vhost_set_vring_base(s->fsm_vid, i, last_avail, last_used);
    iovtee_guestmem_unref(vr->ring.vring.mem);
    vr->ring.vring.mem = NULL;
    vr->state = SESSION_VRING_STOPPED;
}

static void
ring_start(struct iovtee_session *s, uint32_t i,
           const struct iovtee_ring_setup *ring)
    OVS_REQUIRES(s->fsm_mutex)
{
    struct session_vring *vr = &s->vrings[i];

    /* The indices in 'ring' are what librte_vhost made of the new ring.  Where
     * the old one ended does not matter then. */
    if (vr->state == SESSION_VRING_SUSPENDED
        && !ring_is_same(&vr->ring, ring)) {
        ring_stop(s, i);
    }
    s->ops.ring_start(s->aux, i, ring);
    if (vr->state == SESSION_VRING_STOPPED) {
        vr->ring = *ring;
        iovtee_guestmem_ref(ring->vring.mem);
        VLOG_INFO_RL(&info_rl, "%s: %s queue %"PRIu32" started at %"PRIu16
                     " with %"PRIu32" descriptors", s->port,
                     session_vring_kind(i), i / 2, ring->vring.last_avail,
                     ring->vring.size);
    }
    vr->state = SESSION_VRING_RUNNING;
}

/* Ring 'i' must not be used any more, but will perhaps go on. */
void
session_vring_suspend__(struct iovtee_session *s, uint32_t i)
{
    struct session_vring *vr = &s->vrings[i];
    const struct iovtee_vring_config *config = &vr->ring.vring;
    const volatile uint16_t *used_idx;
    uint16_t last_avail, last_used;

    if (vr->state != SESSION_VRING_RUNNING) {
        return;
    }
    s->ops.ring_stop(s->aux, i, false, &last_avail, &last_used);
    vr->state = SESSION_VRING_SUSPENDED;

    /* When librte_vhost translates the ring's addresses again, it finds fault
     * with a used index that is not its own. */
    used_idx = iovtee_guestmem_translate(config->mem, config->used_gpa + 2,
                                         sizeof *used_idx);
    last_used = *used_idx;
    rte_vhost_set_vring_base(s->fsm_vid, i, last_used, last_used);
}

/* Ring 'i' must not be used any more. */
void
session_vring_stop__(struct iovtee_session *s, uint32_t i)
{
    struct session_vring *vr = &s->vrings[i];

    if (vr->state != SESSION_VRING_STOPPED) {
        ring_stop(s, i);
    }
}

/* Begins to stop all rings that run, so that none of them has to wait for what
 * it has in the switch when it is its turn. */
static void
drain_all(struct iovtee_session *s)
    OVS_REQUIRES(s->fsm_mutex)
{
    for (uint32_t i = 0; i < SESSION_MAX_VRINGS; i++) {
        if (s->vrings[i].state == SESSION_VRING_RUNNING) {
            s->ops.ring_drain(s->aux, i);
        }
    }
}

void
session_vring_stop_all__(struct iovtee_session *s)
{
    s->ops.rings_begin(s->aux);
    drain_all(s);
    for (uint32_t i = 0; i < SESSION_MAX_VRINGS; i++) {
        session_vring_stop__(s, i);
    }
    s->ops.rings_end(s->aux);
}

/* The front-end may have replaced the descriptor through which the guest is
 * interrupted on ring 'i'. */
void
session_vring_pass_callfd__(struct iovtee_session *s, uint32_t i)
{
    struct rte_vhost_vring rv = { .callfd = -1 };

    if (s->vrings[i].state == SESSION_VRING_RUNNING) {
        rte_vhost_get_vhost_vring(s->fsm_vid, i, &rv);
        s->ops.ring_callfd(s->aux, i, check_callfd(s, i, rv.callfd));
    }
}

/* Starts ring 'i' if it can be used, and suspends it if not. */
void
session_vring_update__(struct iovtee_session *s, uint32_t i)
{
    struct session_vring *vr = &s->vrings[i];
    struct iovtee_ring_setup ring;
    const char *problem;

    if (!s->announced || s->frozen || !s->mem || !vr->ready || !vr->sized) {
        session_vring_suspend__(s, i);
        return;
    }
    if (vr->state == SESSION_VRING_RUNNING) {
        return;
    }

    problem = vring_describe(s, i, &ring);
    if (problem) {
        COVERAGE_INC(iovtee_session_bad_ring);
        if (!vr->complained) {
            VLOG_WARN_RL(&rl, "%s: cannot use %s queue %"PRIu32": %s",
                         s->port, session_vring_kind(i), i / 2, problem);
            vr->complained = true;
        }
        return;
    }
    vr->complained = false;
    ring_start(s, i, &ring);
}

/* Suspends all rings before it changes how writes are logged.  Those that were
 * suspended before, and may stay so, are stopped for good: what that writes
 * must not come later, for they would not know of the new log. */
void
session_vring_suspend_all__(struct iovtee_session *s)
{
    s->ops.rings_begin(s->aux);
    drain_all(s);
    for (uint32_t i = 0; i < SESSION_MAX_VRINGS; i++) {
        if (s->vrings[i].state == SESSION_VRING_SUSPENDED) {
            session_vring_stop__(s, i);
        } else {
            session_vring_suspend__(s, i);
        }
    }
    s->ops.rings_end(s->aux);
}

void
session_vring_update_all__(struct iovtee_session *s)
{
    s->ops.rings_begin(s->aux);
    for (uint32_t i = 0; i < SESSION_MAX_VRINGS; i++) {
        session_vring_update__(s, i);
    }
    s->ops.rings_end(s->aux);
}

/* Guest memory.
 *
 * librte_vhost has mappings of its own, which are guarded from the message
 * that makes them to the one that ends them.  But it looks into the rings
 * while it handles SET_MEM_TABLE, before we can know where it has mapped the
 * memory.  So a part that the file does not have is expected to be used until
 * a message is through, see iovtee_busfault_expect(); when one fails, until
 * the thread does the next thing for any of our sockets.  The thread that
 * closes a session expects it, too.
 *
 * An old bitmap of writes stays guarded until the message that replaced it is
 * through, for it is kept if the message fails.  Nothing that is guarded can
 * have taken its place by then: all such mappings are made on this thread. */

/* Guards librte_vhost's mappings: it looks into rings even if we do not. */
static void
mem_guard(struct iovtee_session *s)
    OVS_REQUIRES(s->fsm_mutex)
{
    bool *lost = s->mem ? iovtee_guestmem_lost(s->mem) : NULL;

    for (uint32_t i = 0; i < s->table->nregions; i++) {
        const struct rte_vhost_mem_region *r = &s->table->regions[i];

        if (!iovtee_busfault_guard(r->mmap_addr, r->mmap_size, lost)) {
            VLOG_WARN_RL(&rl, "%s: so many guests share memory that this "
                         "process cannot protect itself from a front-end that "
                         "truncates it", s->port);
        }
    }
    s->guarded = true;
}

/* librte_vhost is about to unmap guest memory. */
void
session_mem_unguard__(struct iovtee_session *s)
{
    for (uint32_t i = 0; s->guarded && i < s->table->nregions; i++) {
        iovtee_busfault_unguard(s->table->regions[i].mmap_addr);
    }
    s->guarded = false;
}

/* Forgets the memory table.  No ring may be in use. */
void
session_mem_drop__(struct iovtee_session *s)
{
    session_mem_unguard__(s);
    free(s->table);
    s->table = NULL;
    iovtee_guestmem_unref(s->mem);
    s->mem = NULL;
}

/* Maps the memory of librte_vhost's memory table, which must be valid. */
void
session_mem_load__(struct iovtee_session *s)
{
    struct iovtee_guestmem_region regions[IOVTEE_GUESTMEM_MAX_REGIONS];
    int error = E2BIG;
    uint32_t n;

    if (rte_vhost_get_mem_table(s->fsm_vid, &s->table)) {
        s->table = NULL;
        return;
    }
    n = s->table->nregions;
    if (n <= ARRAY_SIZE(regions)) {
        for (uint32_t i = 0; i < n; i++) {
            const struct rte_vhost_mem_region *r = &s->table->regions[i];

            regions[i] = (struct iovtee_guestmem_region) {
                .gpa = r->guest_phys_addr,
                .size = r->size,
                .offset = r->host_user_addr - (uintptr_t) r->mmap_addr,
                .fd = r->fd,
            };
        }
        error = iovtee_guestmem_create(regions, n, &s->mem);
    }
    if (error) {
        COVERAGE_INC(iovtee_session_bad_memory);
        VLOG_WARN_RL(&rl, "%s: cannot use the guest's memory (%s)",
                     s->port, ovs_strerror(error));
        s->mem = NULL;
    }
    if (!s->frozen) {
        mem_guard(s);
    }
}

/* Forgets the bitmap of writes. */
void
session_log_drop__(struct iovtee_session *s)
{
    iovtee_busfault_unguard(s->log);
    s->log = NULL;
}

/* Guards the bitmap that librte_vhost has mapped.  With a bitmap that vanishes
 * the migration is of no use, but that is for the front-end to notice. */
void
session_log_load__(struct iovtee_session *s)
{
    uint64_t base, size;

    session_log_drop__(s);
    if (!s->frozen && !rte_vhost_get_log_base(s->fsm_vid, &base, &size)
        && base) {
        s->log = (void *) (uintptr_t) base;
        iovtee_busfault_guard(s->log, size, NULL);
    }
}
