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

# The NIC model: a plugin for EAL, and how to control it.

nic_model = \
	tests/traffic/frame-look.c \
	tests/traffic/frame-look.h \
	tests/nic-model/nm-check.c \
	tests/nic-model/nm-check.h \
	tests/nic-model/nm-command.c \
	tests/nic-model/nm-control.c \
	tests/nic-model/nm-control.h \
	tests/nic-model/nm-dev.h \
	tests/nic-model/nm-driver.c \
	tests/nic-model/nm-engine.c \
	tests/nic-model/nm-engine.h \
	tests/nic-model/nm-frame.c \
	tests/nic-model/nm-frame.h \
	tests/nic-model/nm-guest.c \
	tests/nic-model/nm-guest.h \
	tests/nic-model/nm-guests.c \
	tests/nic-model/nm-keys.c \
	tests/nic-model/nm-keys.h \
	tests/nic-model/nm-knobs.c \
	tests/nic-model/nm-knobs.h \
	tests/nic-model/nm-ops.c \
	tests/nic-model/nm-pcap.c \
	tests/nic-model/nm-pcap.h \
	tests/nic-model/nm-queues.c \
	tests/nic-model/nm-report.c \
	tests/nic-model/nm-ring.h \
	tests/nic-model/nm-rss.c \
	tests/nic-model/nm-rss.h \
	tests/nic-model/nm-rx.c \
	tests/nic-model/nm-rx.h \
	tests/nic-model/nm-rxtx.c \
	tests/nic-model/nm-sink.c \
	tests/nic-model/nm-sink.h \
	tests/nic-model/nm-source-config.c \
	tests/nic-model/nm-source.c \
	tests/nic-model/nm-source.h \
	tests/nic-model/nm-stats.c \
	tests/nic-model/nm-tx.c \
	tests/nic-model/nm-tx.h \
	tests/nic-model/nm-vhost.c \
	tests/nic-model/nm-vhost.h

EXTRA_DIST += \
	$(nic_model) \
	tests/nic-model/nm-ask.c \
	tests/nic-model/README.rst \
	tests/nic-model/ctl.py

if NIC_MODEL

# Headers of the source tree come last: whatever is installed is taken from
# there.
NIC_MODEL_CPPFLAGS = \
	-I $(srcdir)/lib \
	-I $(srcdir)/tests/traffic \
	-I $(srcdir)/tests/unit \
	-I $(srcdir)/tests/nic-model \
	`$(PKG_CONFIG) --cflags libdpdk` \
	-idirafter $(DPDK_SOURCE)/lib/ethdev \
	-idirafter $(DPDK_SOURCE)/lib/eal/include \
	-idirafter $(DPDK_SOURCE)/drivers/bus/vdev \
	-DALLOW_EXPERIMENTAL_API \
	-DALLOW_INTERNAL_API

# Not a library, for these need libtool: a program that is none.
noinst_PROGRAMS += tests/nic-model/nicmodel.so
tests_nic_model_nicmodel_so_SOURCES = $(nic_model)
tests_nic_model_nicmodel_so_CPPFLAGS = $(NIC_MODEL_CPPFLAGS)
tests_nic_model_nicmodel_so_CFLAGS = $(AM_CFLAGS) -fPIC -fvisibility=hidden
tests_nic_model_nicmodel_so_LDFLAGS = -shared -Wl,-Bsymbolic
tests_nic_model_nicmodel_so_LDADD = -lrte_bus_vdev $(DPDK_LIBS)

# Who asks it.
noinst_PROGRAMS += tests/nic-model/nm-ask
tests_nic_model_nm_ask_SOURCES = tests/nic-model/nm-ask.c

# Its tests.
check_PROGRAMS += tests/nic-model/test-nicmodel
tests_nic_model_test_nicmodel_SOURCES = \
	tests/nic-model/nm-frame.c \
	tests/nic-model/nm-frame.h \
	tests/nic-model/nicmodel-fixture.h \
	tests/nic-model/test-nicmodel.c \
	tests/unit/unit.h
tests_nic_model_test_nicmodel_CPPFLAGS = $(NIC_MODEL_CPPFLAGS)
tests_nic_model_test_nicmodel_LDADD = $(DPDK_LIBS)

check_PROGRAMS += tests/nic-model/test-nicmodel-more
tests_nic_model_test_nicmodel_more_SOURCES = \
	tests/nic-model/nm-frame.c \
	tests/nic-model/nm-frame.h \
	tests/nic-model/nicmodel-fixture.h \
	tests/nic-model/test-nicmodel-more.c \
	tests/unit/unit.h
tests_nic_model_test_nicmodel_more_CPPFLAGS = $(NIC_MODEL_CPPFLAGS)
tests_nic_model_test_nicmodel_more_LDADD = $(DPDK_LIBS)

check_PROGRAMS += tests/nic-model/test-nicmodel-guest
tests_nic_model_test_nicmodel_guest_SOURCES = \
	tests/nic-model/nm-frame.c \
	tests/nic-model/nm-frame.h \
	tests/nic-model/nicmodel-fixture.h \
	tests/nic-model/test-nicmodel-guest.c \
	tests/unit/unit.h
tests_nic_model_test_nicmodel_guest_CPPFLAGS = $(NIC_MODEL_CPPFLAGS)
tests_nic_model_test_nicmodel_guest_LDADD = $(DPDK_LIBS)

endif
