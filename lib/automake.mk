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
	lib/iovtee-busfault.c \
	lib/iovtee-busfault.h \
	lib/iovtee-guestmem.c \
	lib/iovtee-guestmem.h \
	lib/iovtee-inflight.c \
	lib/iovtee-inflight.h \
	lib/iovtee-ledger.c \
	lib/iovtee-ledger.h \
	lib/iovtee-vring-split.c \
	lib/iovtee-vring.h

# The modules that need DPDK or Open vSwitch.
noinst_LIBRARIES += lib/libiovtee.a
lib_libiovtee_a_CPPFLAGS = \
	$(OVS_CPPFLAGS) \
	$(AM_CPPFLAGS) \
	-DALLOW_EXPERIMENTAL_API \
	-DIOVTEE_VERSION='"$(VERSION)"'
lib_libiovtee_a_CFLAGS = $(IOVTEE_WERROR) $(MACHINE_FLAGS) $(SANITIZER_CFLAGS)
lib_libiovtee_a_SOURCES = \
	lib/iovtee-deliver.c \
	lib/iovtee-dma.c \
	lib/iovtee-dma.h \
	lib/iovtee-guest.c \
	lib/iovtee-guest.h \
	lib/iovtee-hostpool.c \
	lib/iovtee-hostpool.h \
	lib/iovtee-nic-private.h \
	lib/iovtee-nic-rxq.c \
	lib/iovtee-nic.c \
	lib/iovtee-nic.h \
	lib/iovtee-peer.c \
	lib/iovtee-peer.h \
	lib/iovtee-policer.c \
	lib/iovtee-policer.h \
	lib/iovtee-pool.c \
	lib/iovtee-pool.h \
	lib/iovtee-qos.c \
	lib/iovtee-qos.h \
	lib/iovtee-ringstats.c \
	lib/iovtee-ringstats.h \
	lib/iovtee-session-events.c \
	lib/iovtee-session-private.h \
	lib/iovtee-session-ring.c \
	lib/iovtee-session-socket.c \
	lib/iovtee-session-stats.c \
	lib/iovtee-session.c \
	lib/iovtee-session.h \
	lib/iovtee-tee.c \
	lib/iovtee-tee.h \
	lib/iovtee-unixctl.c \
	lib/iovtee-vq-buffers.c \
	lib/iovtee-vq-info.c \
	lib/iovtee-vq.c \
	lib/iovtee-vq.h \
	lib/netdev-iovtee-guest-stats.c \
	lib/netdev-iovtee-guest.c \
	lib/netdev-iovtee-guest.h \
	lib/netdev-iovtee-nic.c \
	lib/netdev-iovtee-private.h \
	lib/netdev-iovtee.c \
	lib/netdev-iovtee.h

$(lib_libiovtee_a_OBJECTS): $(OVS_CFLAGS_FILE)
