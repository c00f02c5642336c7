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

#ifndef IOVTEE_OFFLOAD_H
#define IOVTEE_OFFLOAD_H 1

/* What a guest leaves to the switch
 * =================================
 *
 * If userspace TSO is on, a guest may send TCP segments that are longer than
 * the MTU, and packets without a checksum, and says so in the virtio header
 * (virtio 1.2, section 5.1.6).  DPDK's transmit flags say the same of an mbuf.
 *
 * Thread-safety
 * =============
 *
 * None is needed: it works on private copies. */

#include <stdbool.h>

struct rte_mbuf;
struct virtio_net_hdr;

bool iovtee_offload(struct rte_mbuf *, const struct virtio_net_hdr *);

#endif /* offload.h */
