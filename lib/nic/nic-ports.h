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

#ifndef IOVTEE_NIC_PORTS_H
#define IOVTEE_NIC_PORTS_H 1

/* Which NIC has which DPDK port.  netdev-dpdk's calls that are taken over
 * (--wrap) name the port only.
 *
 * For the main thread only. */

#include "nic/nic-private.h"

struct iovtee_nic *iovtee_nic_by_port_id(uint16_t port_id);
void iovtee_nic_set_port_id(struct iovtee_nic *, uint16_t port_id);

#endif /* nic-ports.h */
