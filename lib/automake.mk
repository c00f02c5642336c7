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

# One file per line, sorted.

# The pure modules.  They include neither DPDK's nor Open vSwitch's headers,
# and are compiled without any flag for them.
noinst_LIBRARIES += lib/libiovtee-core.a
lib_libiovtee_core_a_SOURCES = \
	lib/guest/exposure.c \
	lib/guest/exposure.h \
	lib/guest/recent.c \
	lib/guest/recent.h \
	lib/guest/stop-budget.c \
	lib/guest/stop-budget.h \
	lib/nic/lend.c \
	lib/nic/lend.h \
	lib/nic/vf.c \
	lib/nic/vf.h \
	lib/queue/shift.c \
	lib/queue/shift.h \
	lib/virtio/busfault.c \
	lib/virtio/busfault.h \
	lib/virtio/guestmem.c \
	lib/virtio/guestmem.h \
	lib/virtio/inflight.c \
	lib/virtio/inflight.h \
	lib/virtio/ledger.c \
	lib/virtio/ledger.h \
	lib/virtio/vring-split.c \
	lib/virtio/vring.h

# The modules that need DPDK or Open vSwitch.
noinst_LIBRARIES += lib/libiovtee.a
lib_libiovtee_a_CPPFLAGS = \
	$(OVS_CPPFLAGS) \
	$(AM_CPPFLAGS) \
	-DALLOW_EXPERIMENTAL_API \
	-DIOVTEE_OVS=$(OVS_NUMBER) \
	-DIOVTEE_VERSION='"$(VERSION)"'
lib_libiovtee_a_CFLAGS = $(IOVTEE_WERROR) $(MACHINE_FLAGS) $(SANITIZER_CFLAGS)
lib_libiovtee_a_SOURCES = \
	lib/border/border.c \
	lib/border/border.h \
	lib/border/twin.c \
	lib/border/twin.h \
	lib/compat/compat.h \
	lib/compat/dpdk.h \
	lib/guest/guest-private.h \
	lib/guest/guest-rescue.c \
	lib/guest/guest-rings.c \
	lib/guest/guest.c \
	lib/guest/guest.h \
	lib/guest/hostpool.c \
	lib/guest/hostpool.h \
	lib/guest/policer.c \
	lib/guest/policer.h \
	lib/guest/qos.c \
	lib/guest/qos.h \
	lib/nic/dma.c \
	lib/nic/dma.h \
	lib/nic/nic-driver.c \
	lib/nic/nic-driver.h \
	lib/nic/nic-fetch.c \
	lib/nic/nic-fetch.h \
	lib/nic/nic-ports.c \
	lib/nic/nic-ports.h \
	lib/nic/nic-private.h \
	lib/nic/nic-recall.c \
	lib/nic/nic-recall.h \
	lib/nic/nic-rxq.c \
	lib/nic/nic-rxq.h \
	lib/nic/nic-stop.c \
	lib/nic/nic-stop.h \
	lib/nic/nic-txq.c \
	lib/nic/nic-txq.h \
	lib/nic/nic.c \
	lib/nic/nic.h \
	lib/queue/loan.h \
	lib/queue/mark.c \
	lib/queue/mark.h \
	lib/queue/notifier.c \
	lib/queue/notifier.h \
	lib/queue/offload.c \
	lib/queue/offload.h \
	lib/queue/pool.c \
	lib/queue/pool.h \
	lib/queue/ring-setup.h \
	lib/queue/ringstats.c \
	lib/queue/ringstats.h \
	lib/queue/rxvq-buffers.c \
	lib/queue/rxvq-deliver.c \
	lib/queue/rxvq-equip.c \
	lib/queue/rxvq-info.c \
	lib/queue/rxvq-loan.c \
	lib/queue/rxvq-shift.c \
	lib/queue/rxvq.c \
	lib/queue/rxvq.h \
	lib/queue/shells.c \
	lib/queue/shells.h \
	lib/queue/txvq-lend.c \
	lib/queue/txvq-lent.c \
	lib/queue/txvq-lent.h \
	lib/queue/txvq-recv.c \
	lib/queue/txvq-stop.c \
	lib/queue/txvq.c \
	lib/queue/txvq.h \
	lib/session/session-events.c \
	lib/session/session-message.c \
	lib/session/session-message.h \
	lib/session/session-private.h \
	lib/session/session-registry.c \
	lib/session/session-ring.c \
	lib/session/session-socket.c \
	lib/session/session.c \
	lib/session/session.h \
	lib/tee/peer.c \
	lib/tee/peer.h \
	lib/tee/reader.c \
	lib/tee/reader.h \
	lib/tee/tee.c \
	lib/tee/tee.h \
	lib/iovtee-explanation.c \
	lib/iovtee-explanation.h \
	lib/iovtee-unixctl.c \
	lib/iovtee-unixctl.h \
	lib/netdev-iovtee-explain.c \
	lib/netdev-iovtee-explain.h \
	lib/netdev-iovtee-guest-qos.c \
	lib/netdev-iovtee-guest-qos.h \
	lib/netdev-iovtee-guest-stats.c \
	lib/netdev-iovtee-guest-stats.h \
	lib/netdev-iovtee-guest.c \
	lib/netdev-iovtee-json.c \
	lib/netdev-iovtee-json.h \
	lib/netdev-iovtee-nic.c \
	lib/netdev-iovtee-retired.c \
	lib/netdev-iovtee-retired.h \
	lib/netdev-iovtee-role.c \
	lib/netdev-iovtee-role.h \
	lib/netdev-iovtee.c \
	lib/netdev-iovtee.h

# Takes the place of functions of Open vSwitch's, so it is for programs that
# are linked for that.
noinst_LIBRARIES += lib/libiovtee-border.a
lib_libiovtee_border_a_CPPFLAGS = $(lib_libiovtee_a_CPPFLAGS)
lib_libiovtee_border_a_CFLAGS = $(lib_libiovtee_a_CFLAGS)
lib_libiovtee_border_a_SOURCES = \
	lib/border/diverted.c
IOVTEE_BORDER_WRAPS = \
	-Wl,--wrap=conntrack_execute \
	-Wl,--wrap=dpif_register_upcall_cb \
	-Wl,--wrap=netdev_send \
	-Wl,--wrap=odp_execute_actions \
	-Wl,--wrap=ofp_dp_packet_to_string

$(lib_libiovtee_a_OBJECTS) $(lib_libiovtee_border_a_OBJECTS): \
	$(OVS_CFLAGS_FILE)
