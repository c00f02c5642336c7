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

#ifndef TESTS_FAKE_VHOST_PRIVATE_H
#define TESTS_FAKE_VHOST_PRIVATE_H 1

/* What the two halves of the fake librte_vhost share: fake-vhost.c plays the
 * library and fake-vhost-api.c has its functions. */

#include <pthread.h>
#include <stdatomic.h>

#include <rte_vhost.h>

#include "compat/dpdk.h"
#include "fake-vhost.h"

#define MAX_SOCKETS 4
#define MAX_DEVICES 4
#define MAX_VRINGS 256

/* 'kickfd' and 'callfd' before the first message. */
#define UNINITIALIZED -2

/* Bytes of the largest message. */
#define FAKE_MESSAGE_SIZE IOVTEE_VHOST_MSG_SIZE

#define FAKE_MAX_FDS 8

/* What handlers of messages get. */
struct fake_context {
    uint8_t msg[FAKE_MESSAGE_SIZE];
    int fds[FAKE_MAX_FDS];      /* -1 for none. */
    int n_fds;
};

struct fake_socket {
    char *path;                 /* NULL if free. */
    uint64_t flags;
    uint64_t disabled;
    bool started;
    const struct rte_vhost_device_ops *ops;
};

struct fake_vring {
    bool allocated, ready, enabled;
    uint16_t size;
    uint64_t user_desc, user_avail, user_used;
    void *desc, *avail, *used;  /* Translated. */
    int kickfd, callfd;
    uint16_t last_avail, last_used;
};

/* Bytes of a bitmap of writes. */
#define FAKE_LOG_SIZE 4096

struct fake_device {
    atomic_bool alive;
    struct fake_socket *socket;
    bool running, all_ready;
    uint64_t features;
    volatile uint8_t *log;      /* Bitmap of writes, or NULL... */
    atomic_bool log_going;      /* ...and is it being replaced? */
    atomic_uint n_logged;       /* How often a write was logged. */
    struct rte_vhost_user_extern_ops extern_ops;
    struct rte_vhost_memory *mem;
    int n_vrings;
    struct fake_vring vrings[MAX_VRINGS];
};

extern struct fake_socket fake_sockets[MAX_SOCKETS];
extern struct fake_device fake_devices[MAX_DEVICES];

/* All access locks of all devices, which messages take together. */
extern pthread_mutex_t fake_access_lock;

void fake_yield(void);
void fake_lock_access(void);
void fake_unlock_access(void);
struct fake_socket *fake_get_socket(const char *path);
struct fake_device *fake_get_device(int vid);
void fake_destroy_device(struct fake_device *);
void fake_free_device(struct fake_device *);

#endif /* tests/unit/fake-vhost-private.h */
