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

/* Guest role: policing and QoS, which guest/qos does, as operations of a
 * netdev.  For the main thread. */

#include <config.h>

#include "netdev-iovtee-guest-qos.h"

#include "guest/qos.h"
#include "netdev-iovtee-guest-stats.h"
#include "util.h"

static struct iovtee_qos *
guest_qos(const struct netdev *netdev)
{
    return &iovtee_guest_port(netdev)->guest->qos;
}

int
netdev_iovtee_qos_set_policing(struct netdev *netdev, unsigned int kbits_rate,
                               unsigned int kbits_burst,
                               unsigned int kpkts_rate OVS_UNUSED,
                               unsigned int kpkts_burst OVS_UNUSED)
{
    return iovtee_qos_set_policing(guest_qos(netdev), kbits_rate, kbits_burst);
}

int
netdev_iovtee_qos_get_types(const struct netdev *netdev OVS_UNUSED,
                            struct sset *types)
{
    return iovtee_qos_get_types(types);
}

int
netdev_iovtee_qos_get(const struct netdev *netdev, const char **typep,
                      struct smap *details)
{
    return iovtee_qos_get(guest_qos(netdev), typep, details);
}

int
netdev_iovtee_qos_set(struct netdev *netdev, const char *type,
                      const struct smap *details)
{
    return iovtee_qos_set(guest_qos(netdev), type, details);
}

int
netdev_iovtee_qos_get_queue(const struct netdev *netdev, unsigned int queue_id,
                            struct smap *details)
{
    return iovtee_qos_get_queue(guest_qos(netdev), queue_id, details);
}

int
netdev_iovtee_qos_set_queue(struct netdev *netdev, unsigned int queue_id,
                            const struct smap *details)
{
    return iovtee_qos_set_queue(guest_qos(netdev), queue_id, details);
}

int
netdev_iovtee_qos_delete_queue(struct netdev *netdev, unsigned int queue_id)
{
    return iovtee_qos_delete_queue(guest_qos(netdev), queue_id);
}

int
netdev_iovtee_qos_get_queue_stats(const struct netdev *netdev,
                                  unsigned int queue_id,
                                  struct netdev_queue_stats *stats)
{
    return iovtee_qos_get_queue_stats(guest_qos(netdev), queue_id, stats);
}

int
netdev_iovtee_qos_dump_start(const struct netdev *netdev, void **statep)
{
    return iovtee_qos_queue_dump_start(guest_qos(netdev), statep);
}

int
netdev_iovtee_qos_dump_next(const struct netdev *netdev, void *state,
                            unsigned int *queue_id, struct smap *details)
{
    return iovtee_qos_queue_dump_next(guest_qos(netdev), state, queue_id,
                                      details);
}

int
netdev_iovtee_qos_dump_done(const struct netdev *netdev, void *state)
{
    return iovtee_qos_queue_dump_done(guest_qos(netdev), state);
}
