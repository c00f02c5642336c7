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

#ifndef IOVTEE_SESSION_MESSAGE_H
#define IOVTEE_SESSION_MESSAGE_H 1

/* A message of vhost-user as librte_vhost hands it to its user's handler: what
 * is where in it, and what comes with it.  For librte_vhost's thread. */

#include <stdbool.h>
#include <stdint.h>

/* The requests of vhost-user that matter here. */
enum {
    REQ_NONE = 0,
    REQ_SET_FEATURES = 2,
    REQ_RESET_OWNER = 4,
    REQ_SET_MEM_TABLE = 5,
    REQ_SET_LOG_BASE = 6,
    REQ_SET_VRING_NUM = 8,
    REQ_SET_VRING_ADDR = 9,
    REQ_SET_VRING_BASE = 10,
    REQ_GET_VRING_BASE = 11,
    REQ_SET_VRING_KICK = 12,
    REQ_SET_VRING_CALL = 13,
    REQ_SEND_RARP = 19,
    REQ_IOTLB_MSG = 22,
    REQ_POSTCOPY_ADVISE = 28,
    REQ_POSTCOPY_LISTEN = 29,
    REQ_POSTCOPY_END = 30,
    REQ_GET_INFLIGHT_FD = 31,
    REQ_SET_INFLIGHT_FD = 32,
    REQ_GET_MAX_MEM_SLOTS = 36,
    REQ_ADD_MEM_REG = 37,
    REQ_REM_MEM_REG = 38,
};

/* Bits of a ring's number in SET_VRING_KICK and SET_VRING_CALL. */
#define MSG_VRING_MASK 0xff

/* Where things are in a message of vhost-user, in bytes. */
enum {
    MSG_REQUEST = 0,
    MSG_SIZE = 8,                       /* Of the payload, 32 bits. */
    MSG_PAYLOAD = 12,
    MSG_MEM_N = MSG_PAYLOAD,            /* Number of regions, 32 bits... */
    MSG_MEM_REGIONS = MSG_PAYLOAD + 8,  /* ...and the regions. */
    MSG_LOG_SIZE = MSG_PAYLOAD,         /* Of the bitmap of writes... */
    MSG_LOG_OFFSET = MSG_PAYLOAD + 8,   /* ...and where it is in its file, */
    MSG_LOG_LEN = 16,                   /* which is all of the payload. */
};

/* One of the regions. */
struct msg_mem_region {
    uint64_t gpa;
    uint64_t size;
    uint64_t user_va;           /* In the front-end's address space. */
    uint64_t mmap_offset;
};

const char *session_message_check_table__(const uint8_t *msg, uint64_t max);
const char *session_message_check_log__(const uint8_t *msg);
bool session_message_close_fds__(uint8_t *msg);

#endif /* session-message.h */
