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


#ifndef NETDEV_IOVTEE_RETIRED_H
#define NETDEV_IOVTEE_RETIRED_H 1

/* What guests that are gone have left
 * ===================================
 *
 * Frames in the memory of a guest may be in a NIC, or kept in the switch, when
 * the guest is gone.  The memory stays mapped until the last one is home, for
 * which this module has NICs asked, from time to time.
 *
 * For the main thread. */

#include <stddef.h>

struct ds;

size_t netdev_iovtee_fetch_retired(void);
void netdev_iovtee_show_retired(struct ds *);

#endif /* netdev-iovtee-retired.h */
