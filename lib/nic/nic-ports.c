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

/* See nic-ports.h. */

#include <config.h>

#include "nic/nic-ports.h"

#include <rte_ethdev.h>

#include "util.h"

/* NICs by the ids of their DPDK ports. */
static struct iovtee_nic *nic_by_port_id[RTE_MAX_ETHPORTS];

/* Returns the NIC whose DPDK port is 'port_id', or NULL.  Threads other than
 * the main thread, which are known to RCU, must check that it still is, with
 * the NIC's mutex. */
struct iovtee_nic *
iovtee_nic_by_port_id(uint16_t port_id)
{
    return (port_id < RTE_MAX_ETHPORTS
            ? __atomic_load_n(&nic_by_port_id[port_id], __ATOMIC_ACQUIRE)
            : NULL);
}

/* Notes that the DPDK port of 'nic' is 'port_id', or that it has none if
 * 'port_id' is RTE_MAX_ETHPORTS. */
void
iovtee_nic_set_port_id(struct iovtee_nic *nic, uint16_t port_id)
{
    if (nic->port_id < RTE_MAX_ETHPORTS) {
        __atomic_store_n(&nic_by_port_id[nic->port_id], NULL,
                         __ATOMIC_RELEASE);
    }
    nic->port_id = port_id;
    if (port_id < RTE_MAX_ETHPORTS) {
        __atomic_store_n(&nic_by_port_id[port_id], nic, __ATOMIC_RELEASE);
    }
}
