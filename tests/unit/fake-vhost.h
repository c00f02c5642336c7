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

#ifndef TESTS_FAKE_VHOST_H
#define TESTS_FAKE_VHOST_H 1

/* A fake librte_vhost
 * ===================
 *
 * Defines the functions of librte_vhost that session/session uses, so that a
 * program that links it does not get those from the library.  There are no
 * sockets and no thread: the test plays the front-end, and each of its
 * messages makes the same callbacks, in the same order and with the same locks
 * held, as DPDK 22.11's do.
 *
 * What would hurt the real thing ends the test: to ask for a memory table that
 * does not exist, or to wait for an access lock from a callback that runs
 * under it.
 *
 * Threads: one plays the front-end, any may do what PMD threads and the main
 * thread do.  A test that has several sets 'fake_vhost_has_threads'; then the
 * others get the processor at the worst times for it.  (Where there are none,
 * that would only be a wait for whatever else runs on the machine.) */

#include <stdbool.h>
#include <stdint.h>

extern bool fake_vhost_has_threads;

/* Requests of vhost-user. */
enum fake_request {
    FAKE_SET_FEATURES = 2,
    FAKE_RESET_OWNER = 4,
    FAKE_SET_MEM_TABLE = 5,
    FAKE_SET_LOG_BASE = 6,
    FAKE_SET_VRING_NUM = 8,
    FAKE_SET_VRING_ADDR = 9,
    FAKE_SET_VRING_BASE = 10,
    FAKE_GET_VRING_BASE = 11,
    FAKE_SET_VRING_KICK = 12,
    FAKE_SET_VRING_CALL = 13,
    FAKE_SET_VRING_ENABLE = 18,
    FAKE_SEND_RARP = 19,
    FAKE_GET_INFLIGHT_FD = 31,
};

/* Features that it knows something of. */
#define FAKE_F_MQ (UINT64_C(1) << 22)
#define FAKE_F_LOG_ALL (UINT64_C(1) << 26)

#define FAKE_MAX_REGIONS 8

struct fake_region {
    uint64_t gpa;
    uint64_t size;
    uint64_t user_va;           /* In the front-end's address space. */
    uint64_t mmap_offset;
};

/* A message, laid out as the handlers of messages see it. */
struct fake_message {
    uint32_t request;           /* FAKE_*. */
    uint32_t flags;
    uint32_t size;
    union {
        uint64_t u64;           /* Features; ring for KICK and CALL. */
        struct {
            uint32_t index;
            uint32_t num;
        } state;                /* NUM, BASE, ENABLE. */
        struct {
            uint32_t index;
            uint32_t flags;
            uint64_t desc;
            uint64_t used;
            uint64_t avail;
            uint64_t log;
        } addr;
        struct {
            uint64_t size;
            uint64_t offset;
        } log;
        struct {
            uint32_t n;
            uint32_t padding;
            struct fake_region regions[FAKE_MAX_REGIONS];
        } __attribute__((__packed__)) memory;
    } __attribute__((__packed__)) payload;

    /* Not part of what is sent. */
    int fd;                     /* Attached, or -1.  Not consumed. */
    int n_fds;                  /* How often, if not as is usual for it. */
    bool fail;                  /* Shall librte_vhost find it wrong? */
    bool need_reply;            /* If so, does the connection survive? */
} __attribute__((__packed__));

int fake_vhost_connect(const char *path);
void fake_vhost_disconnect(int vid);
bool fake_vhost_send(int vid, struct fake_message *);

/* What there is to find out. */
uint64_t fake_vhost_flags(const char *path);
uint64_t fake_vhost_disabled(const char *path);
bool fake_vhost_is_running(int vid);
void *fake_vhost_ready_ring(int vid, uint32_t i, uint32_t *size);
unsigned int fake_vhost_n_mismatches(void);
bool fake_vhost_is_logging(int vid);
unsigned int fake_vhost_n_logged(int vid);

#endif /* tests/unit/fake-vhost.h */
