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

#ifndef NETDEV_IOVTEE_GUEST_QOS_H
#define NETDEV_IOVTEE_GUEST_QOS_H 1

/* Policing and QoS of a guest port: operations of the guest role, as 'struct
 * netdev_class' describes them. */

struct netdev;
struct netdev_queue_stats;
struct smap;
struct sset;

int netdev_iovtee_qos_set_policing(struct netdev *, unsigned int kbits_rate,
                                   unsigned int kbits_burst,
                                   unsigned int kpkts_rate,
                                   unsigned int kpkts_burst);
int netdev_iovtee_qos_get_types(const struct netdev *, struct sset *);
int netdev_iovtee_qos_get(const struct netdev *, const char **typep,
                          struct smap *);
int netdev_iovtee_qos_set(struct netdev *, const char *type,
                          const struct smap *);
int netdev_iovtee_qos_get_queue(const struct netdev *, unsigned int queue_id,
                                struct smap *);
int netdev_iovtee_qos_set_queue(struct netdev *, unsigned int queue_id,
                                const struct smap *);
int netdev_iovtee_qos_delete_queue(struct netdev *, unsigned int queue_id);
int netdev_iovtee_qos_get_queue_stats(const struct netdev *,
                                      unsigned int queue_id,
                                      struct netdev_queue_stats *);
int netdev_iovtee_qos_dump_start(const struct netdev *, void **statep);
int netdev_iovtee_qos_dump_next(const struct netdev *, void *state,
                                unsigned int *queue_id, struct smap *);
int netdev_iovtee_qos_dump_done(const struct netdev *, void *state);

#endif /* netdev-iovtee-guest-qos.h */
