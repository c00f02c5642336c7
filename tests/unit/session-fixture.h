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

#ifndef TESTS_SESSION_FIXTURE_H
#define TESTS_SESSION_FIXTURE_H 1

/* A session's surroundings
 * ========================
 *
 * The owner of a session, which checks that what it is told is possible, and
 * the front-end at the other end of the fake librte_vhost. */

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "fake-vhost.h"
#include "session/session.h"

/* The front-end's memory: where it is, in the order of the address spaces of
 * guest and front-end, and where the rings are in it. */
#define GUEST_GPA UINT64_C(0x100000)
#define GUEST_SIZE UINT64_C(0x200000)
#define GUEST_HOLE UINT64_C(0x100000)
#define GUEST_USER_VA UINT64_C(0x7f0000000000)
#define GUEST_OFFSET UINT64_C(0x1000)
#define VRING_STRIDE UINT64_C(0x4000)
#define VRING_AVAIL UINT64_C(0x2000)
#define VRING_USED UINT64_C(0x3000)

#define N_QUEUES 4
#define FEATURES ((1ULL << 32) | (1ULL << 30) | (1ULL << 28))

/* The owner of the session.  It says what it is told unless 'quiet'. */
struct owner {
    bool quiet;
    bool deaf;                  /* Leaves the indices alone in ring_stop(). */
    bool late;                  /* Has a thread that says there that it has
                                 * written. */
    unsigned int n_changed;
    bool begun;                 /* Between rings_begin() and rings_end()? */
    unsigned int touched;       /* Bitmap of rings started or stopped... */
    unsigned int drained;       /* ...of those that were to be stopped... */
    unsigned int ended;         /* ...and that were, though running, then. */
    pthread_mutex_t mutex;      /* For 'rings', where there are threads. */
    struct owner_ring {
        enum { STOPPED, RUNNING, SUSPENDED } state;
        struct iovtee_vring vring;
        struct iovtee_vring_config config;
        struct iovtee_vring_log log;
        uint16_t progress;      /* Buffers taken and given back. */
    } rings[2 * N_QUEUES];       /* See iovtee_ring_is_rx(). */
};

/* The front-end. */
struct front_end {
    int vid;                    /* -1 if not connected. */
    uint64_t features;          /* Sent last. */
    int memfd;
    uint8_t *mem;
};

extern struct owner owner;
extern struct front_end fe;
extern struct iovtee_session *session;

/* The owner. */
void make_progress(unsigned int i, uint16_t n);
bool mark_ring(unsigned int i);
int open_session(const char *path, bool server, bool tso);

/* The front-end.  All return false if the connection is over then. */
bool send_vring(uint32_t request, uint32_t index, uint32_t num,
                uint32_t *reply);
bool send_foreign(uint32_t request, bool need_reply);
bool send_addr(uint32_t index, uint64_t ofs);
bool send_fd(uint32_t request, uint32_t index, char kind);
bool send_features(uint64_t features);
bool send_log_all(bool log);
bool send_log_base(char kind, bool need_reply);
bool send_rarp(uint64_t mac);
bool send_mem(uint32_t n, char kind, bool need_reply);
bool send_vring_setup(uint32_t index, uint32_t size, uint16_t base);

/* The front-end's memory. */
void make_guest_memory(void);
void set_used_idx(uint32_t index, uint16_t idx);
void set_avail_idx(uint32_t index, uint16_t idx);

/* What may be left behind. */
unsigned int count_fds(void);
unsigned int count_maps(void);

#endif /* tests/unit/session-fixture.h */
