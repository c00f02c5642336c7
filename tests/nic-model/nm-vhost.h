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

#ifndef NM_VHOST_H
#define NM_VHOST_H 1

/* The front-end's side of a vhost-user connection
 * ===============================================
 *
 * Offers the switch one region of memory and some rings, over a socket that
 * is connected.  Blocks until the switch has answered. */

#include <stdbool.h>
#include <stdint.h>

struct vring;

struct nm_vhost_config {
    int mem_fd;                 /* The memory, ... */
    uint8_t *mem;               /* ...where it is mapped here, ... */
    uint64_t mem_size;
    uint64_t gpa;               /* ...and in the guest. */
    bool mrg;                   /* Mergeable receive buffers. */
    unsigned int n_rings;
    const struct vring *rings[2];
};

/* Waits until 'fd' is readable.  Returns false if that takes more than 'ms'
 * milliseconds, unless negative, or if 'wake' is readable first. */
bool nm_vhost_wait(int fd, int wake, int ms);

/* Starts the device at the other end of 'fd'.  Returns NULL if successful,
 * otherwise what is wrong.  Gives up as soon as 'wake' is readable. */
const char *nm_vhost_start(int fd, int wake, const struct nm_vhost_config *);

#endif /* nm-vhost.h */
