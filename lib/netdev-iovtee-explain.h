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

#ifndef NETDEV_IOVTEE_EXPLAIN_H
#define NETDEV_IOVTEE_EXPLAIN_H 1

/* "Why is it copying?": the conditions of zero-copy, one by one, of the host,
 * of a NIC port and of a guest port.  For the main thread. */

#include <stdbool.h>

struct ds;
struct iovtee_guest_port;
struct iovtee_rxvq_counters;

/* Appends to 's' what there is to say of the port called 'name' or, if that is
 * NULL, of the host and of all ports; as JSON if 'json'.  Returns false if
 * there is no such port. */
bool netdev_iovtee_explain(const char *name, bool json, struct ds *s);

/* To be called every second or so: remembers what the receive queues of a
 * guest have counted. */
void netdev_iovtee_explain_sample(struct iovtee_guest_port *,
                                  const struct iovtee_rxvq_counters *);

#endif /* netdev-iovtee-explain.h */
