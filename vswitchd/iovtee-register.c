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


/* Makes the stock ovs-vswitchd know the netdev class "iovtee".  Open vSwitch
 * is not changed for this: the linker sends its calls of the functions below
 * here (option --wrap), and the real ones are called in turn. */

#include <config.h>

#include <stdio.h>

#include "dpdk.h"
#include "iovtee-unixctl.h"
#include "netdev-dpdk.h"
#include "netdev-iovtee.h"
#include "smap.h"
#include "vswitchd/bridge.h"

/* These have the types of what they stand for, so a version of Open vSwitch
 * with other parameters does not compile. */
extern __typeof__(bridge_init) __real_bridge_init, __wrap_bridge_init;
extern __typeof__(netdev_dpdk_register)
    __real_netdev_dpdk_register, __wrap_netdev_dpdk_register;
extern __typeof__(print_dpdk_version)
    __real_print_dpdk_version, __wrap_print_dpdk_version;

/* Registers the class once, when logging and the command line are set up and
 * before the first bridge is configured. */
void
__wrap_bridge_init(const char *remote)
{
    netdev_iovtee_register();
    iovtee_unixctl_init();
    __real_bridge_init(remote);
}

/* Runs once, when DPDK has been initialized.  'ovs_other_config' has settings
 * of the whole switch that netdev-dpdk keeps to itself, such as
 * "vhost-sock-dir". */
void
__wrap_netdev_dpdk_register(const struct smap *ovs_other_config)
{
    __real_netdev_dpdk_register(ovs_other_config);
    netdev_iovtee_set_dpdk_config(ovs_other_config);
}

/* For "ovs-vswitchd --version". */
void
__wrap_print_dpdk_version(void)
{
    __real_print_dpdk_version();
    puts("IOVTee " IOVTEE_VERSION);
}
