# Copyright (c) 2026 The IOVTee for Open vSwitch authors.
#
# Licensed under the Apache License, Version 2.0 (the "License");
# you may not use this file except in compliance with the License.
# You may obtain a copy of the License at:
#
#     http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS,
# WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied.
# See the License for the specific language governing permissions and
# limitations under the License.

# Our ovs-vswitchd is Open vSwitch's objects and libraries plus our objects.

sbin_PROGRAMS += vswitchd/ovs-vswitchd
vswitchd_ovs_vswitchd_SOURCES = \
	vswitchd/iovtee-register.c
vswitchd_ovs_vswitchd_CPPFLAGS = $(lib_libiovtee_a_CPPFLAGS)
vswitchd_ovs_vswitchd_CFLAGS = $(lib_libiovtee_a_CFLAGS)

# Where Open vSwitch and DPDK call into us without knowing.
vswitchd_ovs_vswitchd_LDFLAGS = \
	$(IOVTEE_BORDER_WRAPS) \
	-Wl,--wrap=bridge_init \
	-Wl,--wrap=netdev_dpdk_register \
	-Wl,--wrap=netdev_open \
	-Wl,--wrap=print_dpdk_version \
	-Wl,--wrap=rte_eth_dev_configure \
	-Wl,--wrap=rte_eth_rx_queue_setup \
	-Wl,--wrap=rte_eth_tx_queue_setup \
	-Wl,--wrap=unixctl_command_register

# The objects of libiovtee.a one by one: some are only reached through a
# constructor or through a wrap, which would not take them out of an archive.
vswitchd_ovs_vswitchd_LDADD = \
	$(lib_libiovtee_a_OBJECTS) \
	$(lib_libiovtee_border_a_OBJECTS) \
	lib/libiovtee-core.a \
	$(OVS_BUILD)/vswitchd/bridge.$(OBJEXT) \
	$(OVS_BUILD)/vswitchd/ovs-vswitchd.$(OBJEXT) \
	$(OVS_BUILD)/vswitchd/system-stats.$(OBJEXT) \
	$(OVS_BUILD)/ofproto/libofproto.la \
	$(OVS_BUILD)/lib/libsflow.la \
	$(OVS_BUILD)/lib/libopenvswitch.la
vswitchd_ovs_vswitchd_DEPENDENCIES = \
	$(lib_libiovtee_a_OBJECTS) \
	$(lib_libiovtee_border_a_OBJECTS) \
	lib/libiovtee-core.a \
	$(OVS_BUILT)
vswitchd_ovs_vswitchd_LINK = \
	$(OVS_LINK) $(vswitchd_ovs_vswitchd_LDFLAGS) $(LDFLAGS) -o $@

$(vswitchd_ovs_vswitchd_OBJECTS): $(OVS_CFLAGS_FILE)
