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

#include "nic/vf.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Returns true if 'device', as DPDK names it, is a virtual function or the
 * like.  NULL stands for a device without a name.  'driver' is the name of
 * DPDK's driver.  'devices' is IOVTEE_VF_DEVICES, except in tests.
 *
 * On the host, the kernel knows.  In a virtual machine, where a virtual
 * function looks like any other device, the driver tells. */
bool
iovtee_vf_check(const char *driver, const char *devices, const char *device)
{
    static const char *const drivers[] = {
        "net_e1000_igb_vf", "net_ena", "net_iavf", "net_ixgbe_vf",
        "net_vmxnet3",
    };
    char path[256];
    int n;

    for (size_t i = 0; i < sizeof drivers / sizeof drivers[0]; i++) {
        if (!strcmp(driver, drivers[i])) {
            return true;
        }
    }
    if (!device || !*device || strchr(device, '/')) {
        return false;
    }
    n = snprintf(path, sizeof path, "%s/%s/physfn", devices, device);
    return n > 0 && n < (int) sizeof path && !access(path, F_OK);
}
