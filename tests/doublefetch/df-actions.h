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

#ifndef TESTS_DOUBLEFETCH_DF_ACTIONS_H
#define TESTS_DOUBLEFETCH_DF_ACTIONS_H 1

/* Actions that the switch could have for a flow: see df_put_action in
 * df-ops.h.  Their arguments are left to df_random(). */

#include "df-ops.h"

df_put_action df_set_eth;
df_put_action df_set_ipv4;
df_put_action df_set_ipv6;
df_put_action df_set_tcp;
df_put_action df_set_udp;
df_put_action df_set_sctp;
df_put_action df_set_icmp;
df_put_action df_set_arp;
df_put_action df_set_nd;
df_put_action df_set_nd_ext;
df_put_action df_push_vlan;
df_put_action df_pop_vlan;
df_put_action df_push_eth;
df_put_action df_pop_eth;
df_put_action df_push_mpls;
df_put_action df_pop_mpls;
df_put_action df_push_nsh;
df_put_action df_pop_nsh;
df_put_action df_set_nsh;
df_put_action df_hash;
df_put_action df_hash_sym;
df_put_action df_hash_sym_set;
df_put_action df_output;
df_put_action df_truncate;

#endif /* tests/doublefetch/df-actions.h */
