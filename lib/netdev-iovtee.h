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

#ifndef NETDEV_IOVTEE_H
#define NETDEV_IOVTEE_H 1

#include <stdbool.h>
#include <stdio.h>

struct ds;
struct smap;

/* Registers the netdev class "iovtee".  To be called once, before the first
 * bridge is configured. */
void netdev_iovtee_register(void);

/* Tells the class the settings of the whole switch that concern it: those of
 * column other_config of table Open_vSwitch.  Called once, when DPDK has been
 * initialized. */
void netdev_iovtee_set_dpdk_config(const struct smap *ovs_other_config);

/* For iovtee-unixctl.  Main thread only. */
bool netdev_iovtee_show(const char *name, struct ds *);
char *netdev_iovtee_check(void);
bool netdev_iovtee_set_up(const char *name, bool up);
bool netdev_iovtee_dump_pool(const char *name, FILE *);
char *netdev_iovtee_lower_name(const char *name);

#endif /* netdev-iovtee.h */
