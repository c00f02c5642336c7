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

#ifndef IOVTEE_RING_SETUP_H
#define IOVTEE_RING_SETUP_H 1

/* What a front-end has said of one of its rings
 * =============================================
 *
 * The session makes it of the front-end's messages, and whoever runs the ring
 * begins with it: so the one need not know the other. */

#include <stdbool.h>
#include <stdint.h>

#include "virtio/vring.h"

/* A ring, in our own mapping of the guest's memory. */
struct iovtee_ring_setup {
    struct iovtee_vring_config vring;
    uint64_t features;          /* Negotiated virtio features, but for
                                 * VHOST_F_LOG_ALL, which 'log' stands for. */
    unsigned hdr_len;           /* Of struct virtio_net_hdr: 10 or 12. */
    int callfd;                 /* To interrupt the guest; -1 if none.  The
                                 * owner dup()s what it wants to keep. */
    int numa_id;                /* Of the guest's memory; -1 if unknown. */
    struct iovtee_vring_log log; /* To be told of writes while the guest is
                                  * migrated.  Good until the ring is stopped
                                  * for good. */
};

/* Front-ends number the rings of a guest: 2 * q is receive ring 'q', and
 * 2 * q + 1 transmit ring 'q'.  Is ring 'i' one of the receive rings? */
static inline bool
iovtee_ring_is_rx(unsigned i)
{
    return !(i & 1);
}

#endif /* ring-setup.h */
