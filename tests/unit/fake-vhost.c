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

#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1           /* For memfd_create(). */
#endif

#include "fake-vhost-private.h"

#include <sched.h>
#include <sys/mman.h>
#include <unistd.h>

#include "unit.h"
#include "virtio/busfault.h"

#define F_PROTOCOL_FEATURES 30
#define F_EVENT_IDX 29

struct fake_socket fake_sockets[MAX_SOCKETS];
struct fake_device fake_devices[MAX_DEVICES];

pthread_mutex_t fake_access_lock = PTHREAD_MUTEX_INITIALIZER;
static __thread bool access_locked;

static unsigned int n_mismatches;

bool fake_vhost_has_threads;

/* Now is the worst time for others to run. */
void
fake_yield(void)
{
    if (fake_vhost_has_threads) {
        sched_yield();
    }
}

/* Locks. */

void
fake_lock_access(void)
{
    CHECK(!access_locked);      /* A spin lock would spin forever. */
    pthread_mutex_lock(&fake_access_lock);
    access_locked = true;
}

void
fake_unlock_access(void)
{
    access_locked = false;
    pthread_mutex_unlock(&fake_access_lock);
}

struct fake_device *
fake_get_device(int vid)
{
    CHECK(vid >= 0 && vid < MAX_DEVICES);
    CHECK(fake_devices[vid].alive);
    return &fake_devices[vid];
}

struct fake_socket *
fake_get_socket(const char *path)
{
    for (int i = 0; i < MAX_SOCKETS; i++) {
        if (fake_sockets[i].path && !strcmp(fake_sockets[i].path, path)) {
            return &fake_sockets[i];
        }
    }
    return NULL;
}

static int
get_vid(const struct fake_device *dev)
{
    return dev - fake_devices;
}

/* Memory and rings. */

static void
free_mem(struct fake_device *dev)
{
    if (dev->mem) {
        for (uint32_t i = 0; i < dev->mem->nregions; i++) {
            struct rte_vhost_mem_region *r = &dev->mem->regions[i];

            CHECK(!iovtee_busfault_is_guarded(r->mmap_addr));
            munmap(r->mmap_addr, r->mmap_size);
            close(r->fd);
        }
        free(dev->mem);
        dev->mem = NULL;
    }
}

/* Returns where the 'len' bytes at 'user_va' are, and stores in '*whole'
 * whether all of them are there. */
static void *
translate(const struct fake_device *dev, uint64_t user_va, uint64_t len,
          bool *whole)
{
    for (uint32_t i = 0; dev->mem && i < dev->mem->nregions; i++) {
        const struct rte_vhost_mem_region *r = &dev->mem->regions[i];
        uint64_t ofs = user_va - r->guest_user_addr;

        if (ofs < r->size) {
            *whole = len <= r->size - ofs;
            return (void *) (uintptr_t) (r->host_user_addr + ofs);
        }
    }
    *whole = false;
    return NULL;
}

static void
invalidate(struct fake_vring *vr)
{
    vr->desc = vr->avail = vr->used = NULL;
}

/* Translates the three areas, like the real one: it gives up at the first that
 * is not whole, but leaves it translated. */
static void
translate_vring(struct fake_device *dev, struct fake_vring *vr)
{
    uint64_t event = dev->features & (1ULL << F_EVENT_IDX) ? 2 : 0;
    uint16_t used_idx;
    bool whole;

    if (vr->desc && vr->avail && vr->used) {
        return;
    }
    vr->desc = translate(dev, vr->user_desc, 16 * vr->size, &whole);
    if (!whole) {
        return;
    }
    vr->avail = translate(dev, vr->user_avail, 4 + 2 * vr->size + event,
                          &whole);
    if (!whole) {
        return;
    }
    vr->used = translate(dev, vr->user_used, 4 + 8 * vr->size + event,
                         &whole);
    if (!whole) {
        return;
    }
    memcpy(&used_idx, (const uint8_t *) vr->used + 2, sizeof used_idx);
    if (vr->last_used != used_idx) {
        n_mismatches++;
        vr->last_used = vr->last_avail = used_idx;
    }
}

static bool
is_ready(const struct fake_vring *vr)
{
    return (vr->desc && vr->avail && vr->used && vr->enabled
            && vr->kickfd != UNINITIALIZED && vr->callfd != UNINITIALIZED);
}

static void
set_ready(struct fake_device *dev, struct fake_vring *vr, bool ready)
{
    vr->ready = ready;
    dev->socket->ops->vring_state_changed(get_vid(dev), vr - dev->vrings,
                                          ready);
}

static void
alloc_vring(struct fake_device *dev, uint32_t index)
{
    for (uint32_t i = 0; i <= index; i++) {
        struct fake_vring *vr = &dev->vrings[i];

        if (!vr->allocated) {
            *vr = (struct fake_vring) {
                .allocated = true,
                .kickfd = UNINITIALIZED,
                .callfd = UNINITIALIZED,
            };
        }
    }
    if ((int) index >= dev->n_vrings) {
        dev->n_vrings = index + 1;
    }
}

static void
replace_fd(int *fdp, int fd)
{
    if (*fdp >= 0) {
        close(*fdp);
    }
    *fdp = fd >= 0 ? dup(fd) : fd;
}

static void
free_vrings(struct fake_device *dev)
{
    for (int i = 0; i < dev->n_vrings; i++) {
        replace_fd(&dev->vrings[i].kickfd, UNINITIALIZED);
        replace_fd(&dev->vrings[i].callfd, UNINITIALIZED);
        dev->vrings[i].allocated = false;
    }
    dev->n_vrings = 0;
}

/* Messages. */

void
fake_destroy_device(struct fake_device *dev)
{
    if (dev->running) {
        CHECK(!access_locked);
        dev->running = false;
        dev->socket->ops->destroy_device(get_vid(dev));
    }
}

static void
set_mem_table(struct fake_device *dev, const struct fake_message *msg)
{
    uint32_t n = msg->payload.memory.n;
    bool changed = !dev->mem || dev->mem->nregions != n;

    for (uint32_t i = 0; !changed && i < n; i++) {
        const struct rte_vhost_mem_region *old = &dev->mem->regions[i];
        struct fake_region new = msg->payload.memory.regions[i];

        changed = (old->guest_phys_addr != new.gpa || old->size != new.size
                   || old->guest_user_addr != new.user_va);
    }
    if (!changed) {
        return;
    }

    free_mem(dev);
    if (msg->fail) {
        return;
    }
    dev->mem = calloc(1, sizeof *dev->mem + n * sizeof dev->mem->regions[0]);
    dev->mem->nregions = n;
    for (uint32_t i = 0; i < n; i++) {
        struct fake_region r = msg->payload.memory.regions[i];
        size_t mmap_size = r.mmap_offset + r.size;
        void *p = mmap(NULL, mmap_size, PROT_READ | PROT_WRITE, MAP_SHARED,
                       msg->fd, 0);

        CHECK(p != MAP_FAILED);     /* The real one would leak its file. */
        dev->mem->regions[i] = (struct rte_vhost_mem_region) {
            .guest_phys_addr = r.gpa,
            .guest_user_addr = r.user_va,
            .host_user_addr = (uintptr_t) p + r.mmap_offset,
            .size = r.size,
            .mmap_addr = p,
            .mmap_size = mmap_size,
            .fd = dup(msg->fd),
        };
    }
    for (int i = 0; i < dev->n_vrings; i++) {
        struct fake_vring *vr = &dev->vrings[i];

        if (vr->desc || vr->avail || vr->used) {
            invalidate(vr);
            translate_vring(dev, vr);
        }
    }
}

static void
set_vring_addr(struct fake_device *dev, struct fake_vring *vr,
               const struct fake_message *msg)
{
    bool was_ok = vr->desc && vr->avail && vr->used;

    vr->user_desc = msg->payload.addr.desc;
    vr->user_avail = msg->payload.addr.avail;
    vr->user_used = msg->payload.addr.used;
    invalidate(vr);
    if (vr->enabled || was_ok) {
        translate_vring(dev, vr);
    }
}

/* If that shall fail it does so at the worst time. */
static bool
set_vring_fd(struct fake_device *dev, struct fake_vring *vr, int *fdp,
             const struct fake_message *msg)
{
    if (fdp == &vr->kickfd) {
        translate_vring(dev, vr);
        if (!(dev->features & (1ULL << F_PROTOCOL_FEATURES))) {
            vr->enabled = true;
        }
    }
    if (vr->ready) {
        set_ready(dev, vr, false);
    }
    replace_fd(fdp, msg->fail ? UNINITIALIZED : msg->fd);
    return !msg->fail;
}

static void
get_vring_base(struct fake_device *dev, struct fake_vring *vr,
               struct fake_message *msg)
{
    fake_destroy_device(dev);
    dev->all_ready = false;
    msg->payload.state.num = vr->last_avail;
    replace_fd(&vr->kickfd, UNINITIALIZED);
    replace_fd(&vr->callfd, UNINITIALIZED);
    invalidate(vr);
}

static void
reset_owner(struct fake_device *dev)
{
    int n_vrings = dev->n_vrings;

    CHECK(!dev->log);           /* The real one would go on using it. */
    fake_destroy_device(dev);
    free_mem(dev);
    free_vrings(dev);
    if (n_vrings) {
        alloc_vring(dev, n_vrings - 1);
    }
    dev->features = 0;
    dev->all_ready = false;
}

static bool
set_features(struct fake_device *dev, const struct fake_message *msg)
{
    uint64_t changed = msg->payload.u64 ^ dev->features;

    if (dev->running && changed & ~FAKE_F_LOG_ALL) {
        return false;
    }

    /* The real one would free the other rings. */
    CHECK(!dev->running || !changed || dev->n_vrings <= 2
          || dev->features & FAKE_F_MQ);
    dev->features = msg->payload.u64;
    return true;
}

static void
free_log(struct fake_device *dev)
{
    if (dev->log) {
        munmap((void *) dev->log, FAKE_LOG_SIZE);
        dev->log = NULL;
    }
}

/* If its size is odd, then the bitmap has vanished from its file before
 * anybody looks at it. */
static bool
set_log_base(struct fake_device *dev, const struct fake_message *msg)
{
    void *log;
    int fd;

    if (msg->fd < 0 || msg->size != sizeof msg->payload.log
        || msg->payload.log.offset >= -msg->payload.log.size) {
        return false;
    }
    log = mmap(NULL, msg->payload.log.size, PROT_READ | PROT_WRITE, MAP_SHARED,
               msg->fd, 0);
    if (log == MAP_FAILED) {
        return false;
    }
    munmap(log, msg->payload.log.size);
    CHECK(!msg->payload.log.offset);    /* The real one adds it twice. */
    fd = memfd_create("log", MFD_CLOEXEC);
    CHECK(fd >= 0);
    CHECK(!ftruncate(fd, msg->payload.log.size & 1 ? 0 : FAKE_LOG_SIZE));
    log = mmap(NULL, FAKE_LOG_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    CHECK(log != MAP_FAILED);
    close(fd);

    /* The old bitmap goes: now is the worst time to write to it. */
    dev->log_going = true;
    fake_yield();
    free_log(dev);
    dev->log = log;
    dev->log_going = false;
    return true;
}

/* May file descriptors come with 'request'? */
static bool
accepts_fds(uint32_t request)
{
    return (request == FAKE_SET_MEM_TABLE || request == FAKE_SET_LOG_BASE
            || request == FAKE_SET_VRING_KICK
            || request == FAKE_SET_VRING_CALL);
}

static bool
handle(struct fake_device *dev, struct fake_vring *vr,
       struct fake_message *msg)
{
    if ((msg->fail && msg->request != FAKE_SET_MEM_TABLE
         && msg->request != FAKE_SET_VRING_KICK
         && msg->request != FAKE_SET_VRING_CALL)
        || (msg->fd >= 0 && !accepts_fds(msg->request))) {
        return false;
    }
    switch (msg->request) {
    case FAKE_SET_FEATURES:
        return set_features(dev, msg);
    case FAKE_RESET_OWNER:
        reset_owner(dev);
        break;
    case FAKE_SET_MEM_TABLE:
        set_mem_table(dev, msg);
        return !msg->fail;
    case FAKE_SET_LOG_BASE:
        return set_log_base(dev, msg);
    case FAKE_SET_VRING_NUM:
        vr->size = msg->payload.state.num;
        return !(vr->size & (vr->size - 1));
    case FAKE_SET_VRING_ADDR:
        if (!dev->mem) {
            return false;
        }
        set_vring_addr(dev, vr, msg);
        break;
    case FAKE_SET_VRING_BASE:
        vr->last_avail = vr->last_used = msg->payload.state.num;
        break;
    case FAKE_GET_VRING_BASE:
        get_vring_base(dev, vr, msg);
        break;
    case FAKE_SET_VRING_KICK:
        return set_vring_fd(dev, vr, &vr->kickfd, msg);
    case FAKE_SET_VRING_CALL:
        return set_vring_fd(dev, vr, &vr->callfd, msg);
    case FAKE_SET_VRING_ENABLE:
        vr->enabled = msg->payload.state.num;
        break;
    case FAKE_SEND_RARP:
        break;                  /* For whoever dequeues. */
    case FAKE_GET_INFLIGHT_FD:
        CHECK(false);           /* The real one would allocate gigabytes. */
        break;
    default:
        return false;
    }
    return true;
}

/* Returns the ring that 'msg' is about, or NULL. */
static struct fake_vring *
message_vring(struct fake_device *dev, const struct fake_message *msg)
{
    uint32_t index;

    switch (msg->request) {
    case FAKE_SET_VRING_KICK:
    case FAKE_SET_VRING_CALL:
        index = msg->payload.u64 & 0xff;
        break;
    case FAKE_SET_VRING_NUM:
    case FAKE_SET_VRING_ADDR:
    case FAKE_SET_VRING_BASE:
    case FAKE_GET_VRING_BASE:
    case FAKE_SET_VRING_ENABLE:
        index = msg->payload.state.index;
        break;
    default:
        return NULL;
    }
    CHECK(index < MAX_VRINGS);  /* The real one would refuse it here. */
    alloc_vring(dev, index);
    return &dev->vrings[index];
}

/* Does what librte_vhost does after each message. */
static void
update_ready(struct fake_device *dev)
{
    for (int i = 0; i < dev->n_vrings; i++) {
        struct fake_vring *vr = &dev->vrings[i];

        if (is_ready(vr) != vr->ready) {
            set_ready(dev, vr, !vr->ready);
        }
    }
}

static void
announce(struct fake_device *dev)
{
    if (dev->n_vrings >= 2
        && is_ready(&dev->vrings[0]) && is_ready(&dev->vrings[1])) {
        dev->all_ready = true;
    }
    if (dev->all_ready && !dev->running
        && !dev->socket->ops->new_device(get_vid(dev))) {
        dev->running = true;
    }
}

/* Makes of 'msg' what librte_vhost reads from the socket. */
static void
receive(struct fake_context *ctx, const struct fake_message *msg)
{
    int usual = (msg->request == FAKE_SET_MEM_TABLE
                 ? (int) msg->payload.memory.n : 1);

    memset(ctx->msg, 0, sizeof ctx->msg);
    memcpy(ctx->msg, msg, sizeof *msg);
    ctx->n_fds = msg->fd < 0 ? 0 : msg->n_fds ? msg->n_fds : usual;
    CHECK(ctx->n_fds <= FAKE_MAX_FDS);
    for (int i = 0; i < FAKE_MAX_FDS; i++) {
        ctx->fds[i] = i < ctx->n_fds ? dup(msg->fd) : -1;
    }
}

/* Closes the file descriptors of a message that was handled.  (What keeps one
 * has a duplicate.) */
static void
close_fds(struct fake_context *ctx)
{
    for (int i = 0; i < ctx->n_fds; i++) {
        CHECK(!close(ctx->fds[i]));
    }
}

/* The front-end of 'vid' sends 'msg'.  For GET_VRING_BASE, the reply is in it
 * afterwards.  Returns false if that ended the connection. */
bool
fake_vhost_send(int vid, struct fake_message *msg)
{
    struct fake_device *dev = fake_get_device(vid);
    struct fake_vring *vr = message_vring(dev, msg);
    bool locked = (msg->request != FAKE_GET_VRING_BASE
                   && msg->request != FAKE_RESET_OWNER);
    enum rte_vhost_msg_result result;
    struct fake_context ctx;
    bool ok;

    receive(&ctx, msg);
    if (locked) {
        fake_lock_access();
    }

    /* Now is the worst time for others to want a lock. */
    fake_yield();
    result = dev->extern_ops.pre_msg_handle(vid, &ctx);
    CHECK(result == RTE_VHOST_MSG_RESULT_NOT_HANDLED
          || result == RTE_VHOST_MSG_RESULT_ERR);
    memcpy(msg, ctx.msg, sizeof *msg);
    ok = result != RTE_VHOST_MSG_RESULT_ERR && handle(dev, vr, msg);
    if (result != RTE_VHOST_MSG_RESULT_ERR) {
        close_fds(&ctx);
    }
    if (ok) {
        CHECK(dev->extern_ops.post_msg_handle(vid, &ctx)
              == RTE_VHOST_MSG_RESULT_NOT_HANDLED);
    }
    if (ok || msg->need_reply) {
        update_ready(dev);
    }
    if (locked) {
        fake_unlock_access();
    }
    if (!ok && !msg->need_reply) {
        fake_vhost_disconnect(vid);
        return false;
    }
    announce(dev);
    return true;
}

/* Connections. */

void
fake_free_device(struct fake_device *dev)
{
    free_mem(dev);
    CHECK(!dev->log || !iovtee_busfault_is_guarded((void *) dev->log));
    free_log(dev);
    free_vrings(dev);
    dev->alive = false;
}

/* A front-end connects to, or is connected to by, the socket 'path'.  Returns
 * its number, or -1 if it was refused. */
int
fake_vhost_connect(const char *path)
{
    struct fake_device *dev = fake_devices;
    struct fake_socket *socket = fake_get_socket(path);

    CHECK(socket && socket->started);
    while (dev->alive) {
        dev++;
        CHECK(dev < &fake_devices[MAX_DEVICES]);
    }
    memset(&dev->extern_ops, 0, sizeof dev->extern_ops);
    dev->socket = socket;
    dev->running = dev->all_ready = false;
    dev->features = 0;
    dev->n_logged = 0;
    dev->alive = true;
    if (socket->ops->new_connection(get_vid(dev)) < 0) {
        fake_free_device(dev);
        return -1;
    }
    return get_vid(dev);
}

void
fake_vhost_disconnect(int vid)
{
    struct fake_device *dev = fake_get_device(vid);

    fake_destroy_device(dev);
    dev->socket->ops->destroy_connection(vid);
    fake_free_device(dev);
}

uint64_t
fake_vhost_flags(const char *path)
{
    return fake_get_socket(path)->flags;
}

uint64_t
fake_vhost_disabled(const char *path)
{
    return fake_get_socket(path)->disabled;
}

/* Was 'vid' announced by new_device()? */
bool
fake_vhost_is_running(int vid)
{
    return fake_get_device(vid)->running;
}

/* Returns where the descriptors of ring 'i' of 'vid' are, in the mapping of
 * librte_vhost, and stores its size in '*size', if the ring can be used.
 * Otherwise returns NULL. */
void *
fake_vhost_ready_ring(int vid, uint32_t i, uint32_t *size)
{
    const struct fake_vring *vr = &fake_get_device(vid)->vrings[i];

    *size = vr->size;
    return vr->allocated && vr->ready && is_ready(vr) ? vr->desc : NULL;
}

/* Returns how often a used index was another than librte_vhost's own, for
 * which the real one logs a warning. */
unsigned int
fake_vhost_n_mismatches(void)
{
    return n_mismatches;
}

/* Does the front-end of 'vid' want all writes to be logged? */
bool
fake_vhost_is_logging(int vid)
{
    return fake_get_device(vid)->features & FAKE_F_LOG_ALL;
}

/* Returns how often a write was logged for 'vid'. */
unsigned int
fake_vhost_n_logged(int vid)
{
    return fake_get_device(vid)->n_logged;
}
