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

#ifndef IOVTEE_VF_H
#define IOVTEE_VF_H 1

/* Virtual functions
 * =================
 *
 * A virtual function of a NIC gets the frames that are addressed to it, and
 * the broadcasts, of all that the physical function receives.  The same is
 * true of what hypervisors make.  Other devices receive everything.
 *
 * This module includes neither DPDK nor Open vSwitch. */

#include <stdbool.h>

/* Where Linux tells about PCI devices. */
#define IOVTEE_VF_DEVICES "/sys/bus/pci/devices"

bool iovtee_vf_check(const char *driver, const char *devices,
                     const char *device);

#endif /* vf.h */
