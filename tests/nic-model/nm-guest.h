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

#ifndef NM_GUEST_H
#define NM_GUEST_H 1

/* A guest that the engine plays
 * =============================
 *
 * Two processes that share one processor cannot keep a PMD thread busy: while
 * the NIC works its guest does not, and each switch between them costs time.
 * So the engine can play guests, too: a virtio-net driver of our own in front
 * of a real vhost-user socket, with memory of its own that only descriptors
 * tell about.  The switch cannot tell such a guest from another process; but
 * nothing of it is DPDK's, so it does not show what DPDK's driver needs.
 *
 * The guest makes the socket, and the switch connects to it.  Whenever that
 * connection ends the guest starts anew, with fresh memory, and waits for the
 * next one.  There is one pair of split rings.  All receive buffers are
 * posted all the time; the switch is assumed to poll and is never notified.
 * A buffer is posted again as soon as it was looked at.
 *
 * Keys of the command "guest":
 *
 *     path=PATH     the socket
 *     ring=N        descriptors of each ring, a power of two (256)
 *     mrg=0|1       mergeable buffers (1)
 *     room=N        bytes of a frame that a buffer holds (2048)
 *     huge=0|1      memory is hugepages (1)
 *
 * Modes, of the command "mode":
 *
 *     drop          read the first word of each frame (default)
 *     forward       swap the Ethernet addresses and send it back
 *     verify        compare each byte with what a source has sent */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <linux/virtio_ring.h>

#include "nm-frame.h"

#define NM_GUEST_GPA (UINT64_C(1) << 32) /* Where guest memory begins. */
#define NM_GUEST_MAX_RING 4096
#define NM_GUEST_RX 0           /* Numbers of rings. */
#define NM_GUEST_TX 1

struct nm_sink;

enum nm_guest_mode { NM_GUEST_DROP, NM_GUEST_FORWARD, NM_GUEST_VERIFY };

/* The driver's side of a ring. */
struct nm_vring {
    struct vring v;             /* Where it is in guest memory. */
    uint16_t avail;             /* Next entry of the available ring. */
    uint16_t used;              /* Next entry of the used ring. */
    uint16_t mask;
    uint8_t **bufs;             /* Posted buffers by head, or NULL. */
};

struct nm_guest {
    /* Constant. */
    char name[64];
    uint32_t ring, room;
    bool mrg, huge;

    /* Memory, while there is a connection. */
    int mem_fd;
    uint8_t *mem;
    size_t mem_size;

    /* The engine's. */
    struct nm_guest *next;
    bool connected;
    enum nm_guest_mode mode;
    struct nm_vring rings[2];
    uint16_t *tx_free;          /* Stack of descriptors that are not posted. */
    uint16_t n_tx_free;
    uint8_t **pool;             /* Stack of buffers that are nowhere else. */
    uint32_t n_pool;
    struct nm_sink *sink;       /* Verifies. */
    uint32_t n_pieces;          /* That are to come of the present frame. */
    uint32_t frame_len;
    uint8_t frame[NM_MAX_FRAME]; /* That has several pieces. */

    uint64_t n_rx, n_rx_bytes;  /* Received. */
    uint64_t n_rx_pieces;       /* Frames of more than one buffer. */
    uint64_t n_tx, n_tx_full;   /* Sent back; not sent, for lack of room. */
    uint64_t n_bad;             /* The switch broke the rules. */
    uint64_t n_connected;       /* How often. */
};

/* By the guest's thread, while the guest is not attached. */
bool nm_guest_make_memory(struct nm_guest *);
void nm_guest_free_memory(struct nm_guest *);

/* The engine's. */
unsigned int nm_guest_run(struct nm_guest *, uint64_t now);
void nm_guest_set_mode(struct nm_guest *, enum nm_guest_mode);

/* nm-guests.c: all guests.  For the control thread only, and for whoever ends
 * that one.  If 'verb' is a command about guests then it is executed for
 * 'name' and true is returned; '*error' is set to what is wrong, if anything
 * is. */
bool nm_guests_command(const char *verb, const char *name, char *args,
                       const char **error, char *json, size_t size);
void nm_guests_destroy(void);

#endif /* nm-guest.h */
