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

/* Unit tests of nic/vf. */

#include "nic/vf.h"

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "unit.h"

static void
test_check(void)
{
    CHECK(!mkdir("devices", 0700) && !mkdir("devices/0000:01:00.0", 0700));
    CHECK(!mkdir("devices/0000:01:10.0", 0700));
    CHECK(!symlink("../0000:01:00.0", "devices/0000:01:10.0/physfn"));

    /* As the kernel says, whatever the driver is... */
    CHECK(iovtee_vf_check("mlx5_pci", "devices", "0000:01:10.0"));
    CHECK(!iovtee_vf_check("mlx5_pci", "devices", "0000:01:00.0"));
    CHECK(!iovtee_vf_check("net_ixgbe", "devices", "0000:02:00.0"));

    /* ...or as the driver is. */
    CHECK(iovtee_vf_check("net_iavf", "devices", "0000:01:00.0"));
    CHECK(iovtee_vf_check("net_ixgbe_vf", "nowhere", "0000:01:00.0"));

    /* Devices without hardware. */
    CHECK(!iovtee_vf_check("net_tap", "devices", "net_tap0"));
    CHECK(!iovtee_vf_check("net_tap", "devices", ""));
    CHECK(!iovtee_vf_check("net_tap", "devices", NULL));
    CHECK(!iovtee_vf_check("net_tap", "devices", "../devices/0000:01:10.0"));
    CHECK(!iovtee_vf_check("unknown", IOVTEE_VF_DEVICES, "0000:ff:1f.7"));
}

int
main(int argc, char *argv[])
{
    static const struct unit_command commands[] = {
        { "check", test_check },
    };

    return unit_main(argc, argv, commands, ARRAY_SIZE(commands));
}
