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

#define _GNU_SOURCE

#include "nm-vhost.h"

#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/virtio_config.h>
#include <linux/virtio_net.h>
#include <linux/virtio_ring.h>

#define TIMEOUT_MS 10000        /* For an answer. */

/* Of the vhost-user protocol. */
enum {
    GET_FEATURES = 1,
    SET_FEATURES = 2,
    SET_OWNER = 3,
    SET_MEM_TABLE = 5,
    SET_VRING_NUM = 8,
    SET_VRING_ADDR = 9,
    SET_VRING_BASE = 10,
    SET_VRING_KICK = 12,
    SET_VRING_CALL = 13,
    GET_PROTOCOL_FEATURES = 15,
    SET_PROTOCOL_FEATURES = 16,
    SET_VRING_ENABLE = 18,
};
#define VERSION 1
#define REPLY 4
#define NEED_REPLY 8
#define F_PROTOCOL_FEATURES (UINT64_C(1) << 30)
#define PROTOCOL_F_REPLY_ACK (UINT64_C(1) << 3)

struct message {
    uint32_t request, flags, size;
    union {
        uint64_t u64;
        struct {
            uint32_t index, num;
        } state;
        struct {
            uint32_t index, flags;
            uint64_t desc, used, avail, log;
        } addr;
        struct {
            uint32_t n, padding;
            uint64_t gpa, size, va, offset;
        } mem;
    } u;
} __attribute__((packed));

#define HEADER_LEN 12

/* A connection.  Once 'failed' everything else does nothing. */
struct vhost {
    int fd, wake;
    bool failed;
};

bool
nm_vhost_wait(int fd, int wake, int ms)
{
    struct pollfd pfds[] = {
        { .fd = fd, .events = POLLIN }, { .fd = wake, .events = POLLIN },
    };

    return poll(pfds, 2, ms) > 0 && !pfds[1].revents;
}

/* Sends 'request' with 'size' bytes of 'm->u', and 'file' unless it is
 * negative. */
static void
send_message(struct vhost *v, uint32_t request, struct message *m,
             uint32_t size, int file)
{
    union {
        char bytes[CMSG_SPACE(sizeof file)];
        struct cmsghdr align;
    } control = { { 0 } };
    struct iovec iov = { m, HEADER_LEN + size };
    struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };

    m->request = request;
    m->flags |= VERSION;
    m->size = size;
    if (file >= 0) {
        struct cmsghdr *cmsg;

        msg.msg_control = &control;
        msg.msg_controllen = sizeof control;
        cmsg = CMSG_FIRSTHDR(&msg);
        cmsg->cmsg_level = SOL_SOCKET;
        cmsg->cmsg_type = SCM_RIGHTS;
        cmsg->cmsg_len = CMSG_LEN(sizeof file);
        memcpy(CMSG_DATA(cmsg), &file, sizeof file);
    }
    if (!v->failed && sendmsg(v->fd, &msg, MSG_NOSIGNAL) != iov.iov_len) {
        v->failed = true;
    }
}

/* Returns the number that answers 'request'. */
static uint64_t
receive_u64(struct vhost *v, uint32_t request)
{
    struct message m = { 0 };
    size_t len = HEADER_LEN + sizeof m.u.u64;

    if (!v->failed
        && (!nm_vhost_wait(v->fd, v->wake, TIMEOUT_MS)
            || recv(v->fd, &m, len, MSG_WAITALL) != len
            || m.request != request || !(m.flags & REPLY)
            || m.size != sizeof m.u.u64)) {
        v->failed = true;
    }
    return v->failed ? 0 : m.u.u64;
}

static uint64_t
get_u64(struct vhost *v, uint32_t request)
{
    struct message m = { 0 };

    send_message(v, request, &m, 0, -1);
    return receive_u64(v, request);
}

static void
set_u64(struct vhost *v, uint32_t request, uint64_t x)
{
    struct message m = { .u.u64 = x };

    send_message(v, request, &m, sizeof m.u.u64, -1);
}

static void
set_state(struct vhost *v, uint32_t request, uint32_t index, uint32_t num)
{
    struct message m = { .u.state = { index, num } };

    send_message(v, request, &m, sizeof m.u.state, -1);
}

/* Like set_state(), and waits until the switch has done it. */
static void
set_state_now(struct vhost *v, uint32_t request, uint32_t index, uint32_t num)
{
    struct message m = { .flags = NEED_REPLY, .u.state = { index, num } };

    send_message(v, request, &m, sizeof m.u.state, -1);
    v->failed |= receive_u64(v, request) != 0;
}

/* Hands an event over that nobody will ever look at. */
static void
set_event(struct vhost *v, uint32_t request, uint32_t index)
{
    struct message m = { .u.u64 = index };
    int fd = eventfd(0, EFD_CLOEXEC);

    v->failed |= fd < 0;
    send_message(v, request, &m, sizeof m.u.u64, fd);
    if (fd >= 0) {
        close(fd);
    }
}

static void
set_ring(struct vhost *v, uint32_t index, const struct vring *ring)
{
    struct message m = {
        .u.addr = {
            .index = index,
            .desc = (uintptr_t) ring->desc,
            .used = (uintptr_t) ring->used,
            .avail = (uintptr_t) ring->avail,
        },
    };

    set_state(v, SET_VRING_NUM, index, ring->num);
    set_state(v, SET_VRING_BASE, index, 0);
    send_message(v, SET_VRING_ADDR, &m, sizeof m.u.addr, -1);
    set_event(v, SET_VRING_CALL, index);
    set_event(v, SET_VRING_KICK, index);
}

static void
set_memory(struct vhost *v, const struct nm_vhost_config *config)
{
    struct message m = {
        .flags = NEED_REPLY,
        .u.mem = {
            .n = 1,
            .gpa = config->gpa,
            .size = config->mem_size,
            .va = (uintptr_t) config->mem,
        },
    };

    send_message(v, SET_MEM_TABLE, &m, sizeof m.u.mem, config->mem_fd);
    v->failed |= receive_u64(v, SET_MEM_TABLE) != 0;
}

const char *
nm_vhost_start(int fd, int wake, const struct nm_vhost_config *config)
{
    struct vhost v = { .fd = fd, .wake = wake };
    uint64_t want = (UINT64_C(1) << VIRTIO_F_VERSION_1 | F_PROTOCOL_FEATURES
                     | (uint64_t) config->mrg << VIRTIO_NET_F_MRG_RXBUF);
    uint64_t features = get_u64(&v, GET_FEATURES);

    if (!v.failed && (features & want) != want) {
        return "the switch does not offer all features";
    }
    set_u64(&v, SET_OWNER, 0);
    features = get_u64(&v, GET_PROTOCOL_FEATURES);
    if (!v.failed && !(features & PROTOCOL_F_REPLY_ACK)) {
        return "the switch does not acknowledge";
    }
    set_u64(&v, SET_PROTOCOL_FEATURES, PROTOCOL_F_REPLY_ACK);
    set_u64(&v, SET_FEATURES, want);
    set_memory(&v, config);
    for (unsigned int i = 0; i < config->n_rings; i++) {
        set_ring(&v, i, config->rings[i]);
    }
    for (unsigned int i = 0; i < config->n_rings; i++) {
        set_state_now(&v, SET_VRING_ENABLE, i, 1);
    }
    return v.failed ? "the switch did not answer, or refused" : NULL;
}
