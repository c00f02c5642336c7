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

# Unit programs and autotest suites.  One file per line, sorted.

# Autotest sources of "make check".
TESTSUITE = tests/testsuite
TESTSUITE_AT = \
	tests/bench.at \
	tests/busfault.at \
	tests/dp-packet.at \
	tests/fuzz.at \
	tests/guestmem.at \
	tests/inflight.at \
	tests/ledger.at \
	tests/nic.at \
	tests/nicmodel-macros.at \
	tests/nicmodel.at \
	tests/session-migration.at \
	tests/session.at \
	tests/switch-units.at \
	tests/tee.at \
	tests/testsuite.at \
	tests/vq.at \
	tests/vring.at

# Autotest sources of "make check-system", which needs root and hugepages.
SYSTEM_TESTSUITE = tests/system-iovtee-testsuite
SYSTEM_TESTSUITE_AT = \
	tests/nicmodel-macros.at \
	tests/system-config.at \
	tests/system-diversions.at \
	tests/system-dropin.at \
	tests/system-fitness.at \
	tests/system-guest-macros.at \
	tests/system-hostile.at \
	tests/system-install.at \
	tests/system-iovtee-macros.at \
	tests/system-iovtee-testsuite.at \
	tests/system-kernel-macros.at \
	tests/system-kernel.at \
	tests/system-life.at \
	tests/system-long.at \
	tests/system-nicmodel.at \
	tests/system-quickstart.at \
	tests/system-seen.at \
	tests/system-ssl.at \
	tests/system-tee-macros.at \
	tests/system-zerocopy.at

# Autotest sources of "make check-pci", which needs what "make check-system"
# does and runs it in a machine of QEMU's with a PCI NIC.
PCI_TESTSUITE = tests/system-pci-testsuite
PCI_TESTSUITE_AT = \
	tests/system-guest-macros.at \
	tests/system-iovtee-macros.at \
	tests/system-kernel-macros.at \
	tests/system-pci-kernel.at \
	tests/system-pci-macros.at \
	tests/system-pci-no-iommu.at \
	tests/system-pci-testsuite.at \
	tests/system-pci.at \
	tests/system-tee-macros.at

# Autotest source of "make check-build".  It is about configure, the build and
# what is packed.
BUILD_TESTSUITE = tests/build-testsuite
BUILD_TESTSUITE_AT = tests/build-testsuite.at

EXTRA_DIST += \
	$(BUILD_TESTSUITE_AT) \
	$(PCI_TESTSUITE_AT) \
	$(TESTSUITE_AT) \
	$(SYSTEM_TESTSUITE_AT) \
	tests/hostile/README.rst \
	tests/hostile/bench.py \
	tests/hostile/endurance.py \
	tests/hostile/frame.py \
	tests/hostile/guest.py \
	tests/hostile/hostile.py \
	tests/hostile/life.py \
	tests/hostile/memory.py \
	tests/hostile/messages.py \
	tests/hostile/migration.py \
	tests/hostile/protocol.py \
	tests/hostile/ring.py \
	tests/hostile/rings.py \
	tests/hostile/shrink.py \
	tests/hostile/switch.py \
	tests/kernel-guest/image.sh \
	tests/kernel-guest/init \
	tests/kernel-guest/memory.py \
	tests/kernel-guest/testpmd.sh \
	tests/pci/check.sh \
	tests/pci/dma.py \
	tests/pci/init \
	tests/pci/machine.sh \
	tests/pci/qemu.sh \
	tests/to-pcap.py \
	tests/tsan.supp
CLEANFILES += \
	$(BUILD_TESTSUITE) \
	$(PCI_TESTSUITE) \
	$(SYSTEM_TESTSUITE) \
	$(TESTSUITE) \
	package.m4
DISTCLEANFILES += \
	tests/atconfig

# What the unit programs share.
UNIT_SOURCES = \
	tests/guest-driver.c \
	tests/guest-driver.h \
	tests/unit.h

# A unit program of a pure module links with libiovtee-core.a only, so that a
# module that is not pure does not link.
check_PROGRAMS += tests/test-busfault
tests_test_busfault_SOURCES = tests/test-busfault.c $(UNIT_SOURCES)
tests_test_busfault_LDADD = lib/libiovtee-core.a

check_PROGRAMS += tests/test-guestmem
tests_test_guestmem_SOURCES = tests/test-guestmem.c $(UNIT_SOURCES)
tests_test_guestmem_LDADD = lib/libiovtee-core.a

check_PROGRAMS += tests/test-inflight
tests_test_inflight_SOURCES = \
	tests/inflight-fixture.h \
	tests/test-inflight.c \
	$(UNIT_SOURCES)
tests_test_inflight_LDADD = lib/libiovtee-core.a

check_PROGRAMS += tests/test-inflight-steps
tests_test_inflight_steps_SOURCES = \
	tests/inflight-fixture.h \
	tests/test-inflight-steps.c \
	$(UNIT_SOURCES)
tests_test_inflight_steps_LDADD = lib/libiovtee-core.a

check_PROGRAMS += tests/test-ledger
tests_test_ledger_SOURCES = tests/test-ledger.c $(UNIT_SOURCES)
tests_test_ledger_LDADD = lib/libiovtee-core.a

check_PROGRAMS += tests/test-vring
tests_test_vring_SOURCES = \
	tests/test-vring.c \
	tests/vring-fixture.h \
	$(UNIT_SOURCES)
tests_test_vring_LDADD = lib/libiovtee-core.a

check_PROGRAMS += tests/test-vring-hostile
tests_test_vring_hostile_SOURCES = \
	tests/test-vring-hostile.c \
	tests/vring-fixture.h \
	$(UNIT_SOURCES)
tests_test_vring_hostile_LDADD = lib/libiovtee-core.a

check_PROGRAMS += tests/test-vring-notify
tests_test_vring_notify_SOURCES = \
	tests/test-vring-notify.c \
	tests/vring-fixture.h \
	$(UNIT_SOURCES)
tests_test_vring_notify_LDADD = lib/libiovtee-core.a

# A unit program that needs DPDK or Open vSwitch's library, too, is like these.
check_PROGRAMS += tests/test-dp-packet
tests_test_dp_packet_SOURCES = \
	tests/test-dp-packet.c \
	tests/unit-eal.h \
	tests/unit.h
tests_test_dp_packet_CPPFLAGS = $(lib_libiovtee_a_CPPFLAGS)
tests_test_dp_packet_CFLAGS = $(lib_libiovtee_a_CFLAGS)
tests_test_dp_packet_LDADD = $(UNIT_OVS_LIBS)
tests_test_dp_packet_DEPENDENCIES = $(UNIT_OVS_BUILT)
tests_test_dp_packet_LINK = $(OVS_LINK) $(LDFLAGS) -o $@

check_PROGRAMS += tests/test-hostpool
tests_test_hostpool_SOURCES = \
	tests/test-hostpool.c \
	tests/unit-eal.h \
	tests/unit.h
tests_test_hostpool_CPPFLAGS = $(lib_libiovtee_a_CPPFLAGS)
tests_test_hostpool_CFLAGS = $(lib_libiovtee_a_CFLAGS)
tests_test_hostpool_LDADD = $(UNIT_OVS_LIBS)
tests_test_hostpool_DEPENDENCIES = $(UNIT_OVS_BUILT)
tests_test_hostpool_LINK = $(OVS_LINK) $(LDFLAGS) -o $@

# The fake ethdev comes before the real one.
check_PROGRAMS += tests/test-nic
tests_test_nic_SOURCES = \
	tests/fake-ethdev.c \
	tests/fake-ethdev.h \
	tests/nic-fixture.h \
	tests/test-nic.c \
	tests/unit-eal.h \
	tests/vq-fixture.c \
	tests/vq-fixture.h \
	$(UNIT_SOURCES)
tests_test_nic_CPPFLAGS = $(lib_libiovtee_a_CPPFLAGS)
tests_test_nic_CFLAGS = $(lib_libiovtee_a_CFLAGS)
tests_test_nic_LDADD = $(UNIT_OVS_LIBS)
tests_test_nic_DEPENDENCIES = $(UNIT_OVS_BUILT)
tests_test_nic_LINK = $(OVS_LINK) $(LDFLAGS) -o $@

check_PROGRAMS += tests/test-nic-policy
tests_test_nic_policy_SOURCES = \
	tests/fake-ethdev.c \
	tests/fake-ethdev.h \
	tests/nic-fixture.h \
	tests/test-nic-policy.c \
	tests/unit-eal.h \
	tests/vq-fixture.c \
	tests/vq-fixture.h \
	$(UNIT_SOURCES)
tests_test_nic_policy_CPPFLAGS = $(lib_libiovtee_a_CPPFLAGS)
tests_test_nic_policy_CFLAGS = $(lib_libiovtee_a_CFLAGS)
tests_test_nic_policy_LDADD = $(UNIT_OVS_LIBS)
tests_test_nic_policy_DEPENDENCIES = $(UNIT_OVS_BUILT)
tests_test_nic_policy_LINK = $(OVS_LINK) $(LDFLAGS) -o $@

check_PROGRAMS += tests/test-qos
tests_test_qos_SOURCES = \
	tests/test-qos.c \
	tests/unit-eal.h \
	tests/unit.h
tests_test_qos_CPPFLAGS = $(lib_libiovtee_a_CPPFLAGS)
tests_test_qos_CFLAGS = $(lib_libiovtee_a_CFLAGS)
tests_test_qos_LDADD = $(UNIT_OVS_LIBS)
tests_test_qos_DEPENDENCIES = $(UNIT_OVS_BUILT)
tests_test_qos_LINK = $(OVS_LINK) $(LDFLAGS) -o $@

check_PROGRAMS += tests/test-ringstats
tests_test_ringstats_SOURCES = \
	tests/test-ringstats.c \
	tests/unit-eal.h \
	tests/unit.h
tests_test_ringstats_CPPFLAGS = $(lib_libiovtee_a_CPPFLAGS)
tests_test_ringstats_CFLAGS = $(lib_libiovtee_a_CFLAGS)
tests_test_ringstats_LDADD = $(UNIT_OVS_LIBS)
tests_test_ringstats_DEPENDENCIES = $(UNIT_OVS_BUILT)
tests_test_ringstats_LINK = $(OVS_LINK) $(LDFLAGS) -o $@

# Its fake librte_vhost comes before the real one.
check_PROGRAMS += tests/test-session
tests_test_session_SOURCES = \
	tests/fake-vhost-api.c \
	tests/fake-vhost-private.h \
	tests/fake-vhost.c \
	tests/fake-vhost.h \
	tests/session-fixture.c \
	tests/session-fixture.h \
	tests/test-session.c \
	tests/unit.h
tests_test_session_CPPFLAGS = $(lib_libiovtee_a_CPPFLAGS)
tests_test_session_CFLAGS = $(lib_libiovtee_a_CFLAGS)
tests_test_session_LDADD = $(UNIT_OVS_LIBS)
tests_test_session_DEPENDENCIES = $(UNIT_OVS_BUILT)
tests_test_session_LINK = $(OVS_LINK) $(LDFLAGS) -o $@

check_PROGRAMS += tests/test-tee
tests_test_tee_SOURCES = \
	tests/test-tee.c \
	tests/unit.h
tests_test_tee_CPPFLAGS = $(lib_libiovtee_a_CPPFLAGS)
tests_test_tee_CFLAGS = $(lib_libiovtee_a_CFLAGS)
tests_test_tee_LDADD = $(UNIT_OVS_LIBS)
tests_test_tee_DEPENDENCIES = $(UNIT_OVS_BUILT)
tests_test_tee_LINK = $(OVS_LINK) $(LDFLAGS) -o $@

check_PROGRAMS += tests/test-vq
tests_test_vq_SOURCES = \
	tests/test-vq.c \
	tests/unit-eal.h \
	tests/vq-fixture.c \
	tests/vq-fixture.h \
	$(UNIT_SOURCES)
tests_test_vq_CPPFLAGS = $(lib_libiovtee_a_CPPFLAGS)
tests_test_vq_CFLAGS = $(lib_libiovtee_a_CFLAGS)
tests_test_vq_LDADD = $(UNIT_OVS_LIBS)
tests_test_vq_DEPENDENCIES = $(UNIT_OVS_BUILT)
tests_test_vq_LINK = $(OVS_LINK) $(LDFLAGS) -o $@

check_PROGRAMS += tests/test-vq-copy
tests_test_vq_copy_SOURCES = \
	tests/test-vq-copy.c \
	tests/unit-eal.h \
	tests/vq-fixture.c \
	tests/vq-fixture.h \
	$(UNIT_SOURCES)
tests_test_vq_copy_CPPFLAGS = $(lib_libiovtee_a_CPPFLAGS)
tests_test_vq_copy_CFLAGS = $(lib_libiovtee_a_CFLAGS)
tests_test_vq_copy_LDADD = $(UNIT_OVS_LIBS)
tests_test_vq_copy_DEPENDENCIES = $(UNIT_OVS_BUILT)
tests_test_vq_copy_LINK = $(OVS_LINK) $(LDFLAGS) -o $@

check_PROGRAMS += tests/test-vq-hostile
tests_test_vq_hostile_SOURCES = \
	tests/test-vq-hostile.c \
	tests/unit-eal.h \
	tests/vq-fixture.c \
	tests/vq-fixture.h \
	$(UNIT_SOURCES)
tests_test_vq_hostile_CPPFLAGS = $(lib_libiovtee_a_CPPFLAGS)
tests_test_vq_hostile_CFLAGS = $(lib_libiovtee_a_CFLAGS)
tests_test_vq_hostile_LDADD = $(UNIT_OVS_LIBS)
tests_test_vq_hostile_DEPENDENCIES = $(UNIT_OVS_BUILT)
tests_test_vq_hostile_LINK = $(OVS_LINK) $(LDFLAGS) -o $@

check_PROGRAMS += tests/test-vq-life
tests_test_vq_life_SOURCES = \
	tests/test-vq-life.c \
	tests/unit-eal.h \
	tests/vq-fixture.c \
	tests/vq-fixture.h \
	$(UNIT_SOURCES)
tests_test_vq_life_CPPFLAGS = $(lib_libiovtee_a_CPPFLAGS)
tests_test_vq_life_CFLAGS = $(lib_libiovtee_a_CFLAGS)
tests_test_vq_life_LDADD = $(UNIT_OVS_LIBS)
tests_test_vq_life_DEPENDENCIES = $(UNIT_OVS_BUILT)
tests_test_vq_life_LINK = $(OVS_LINK) $(LDFLAGS) -o $@

check_PROGRAMS += tests/test-vq-log
tests_test_vq_log_SOURCES = \
	tests/test-vq-log.c \
	tests/unit-eal.h \
	tests/vq-fixture.c \
	tests/vq-fixture.h \
	$(UNIT_SOURCES)
tests_test_vq_log_CPPFLAGS = $(lib_libiovtee_a_CPPFLAGS)
tests_test_vq_log_CFLAGS = $(lib_libiovtee_a_CFLAGS)
tests_test_vq_log_LDADD = $(UNIT_OVS_LIBS)
tests_test_vq_log_DEPENDENCIES = $(UNIT_OVS_BUILT)
tests_test_vq_log_LINK = $(OVS_LINK) $(LDFLAGS) -o $@

UNIT_OVS_BUILT = lib/libiovtee.a lib/libiovtee-core.a $(OVS_BUILT)
UNIT_OVS_LIBS = \
	lib/libiovtee.a \
	lib/libiovtee-core.a \
	$(OVS_BUILD)/lib/libopenvswitch.la

$(tests_test_dp_packet_OBJECTS) \
$(tests_test_hostpool_OBJECTS) \
$(tests_test_nic_OBJECTS) \
$(tests_test_nic_policy_OBJECTS) \
$(tests_test_qos_OBJECTS) \
$(tests_test_ringstats_OBJECTS) \
$(tests_test_session_OBJECTS) \
$(tests_test_tee_OBJECTS) \
$(tests_test_vq_OBJECTS) \
$(tests_test_vq_copy_OBJECTS) \
$(tests_test_vq_hostile_OBJECTS) \
$(tests_test_vq_life_OBJECTS) \
$(tests_test_vq_log_OBJECTS): \
	$(OVS_CFLAGS_FILE)

# Traffic for the system tests and for "quickstart".
noinst_PROGRAMS += tests/frames
tests_frames_SOURCES = \
	tests/frame-look.c \
	tests/frame-look.h \
	tests/frames.c

# For a switch that shall forget to map memory.  Not a library, for these need
# libtool: a program that is none.
noinst_PROGRAMS += tests/pci/no-dma-map.so
tests_pci_no_dma_map_so_SOURCES = tests/pci/no-dma-map.c
tests_pci_no_dma_map_so_CFLAGS = \
	$(WARNING_FLAGS) $(IOVTEE_WERROR) -fPIC
tests_pci_no_dma_map_so_LDFLAGS = -shared

# Suites
# ------

AUTOTEST = $(AUTOM4TE) --language=autotest -I . -I $(srcdir)
AUTOTEST_DIRS = tests:vswitchd

$(TESTSUITE): $(TESTSUITE_AT) package.m4
	$(AM_V_GEN)$(AUTOTEST) -o $@.tmp $(srcdir)/tests/testsuite.at && \
	mv $@.tmp $@

$(SYSTEM_TESTSUITE): $(SYSTEM_TESTSUITE_AT) package.m4
	$(AM_V_GEN)$(AUTOTEST) -o $@.tmp \
	    $(srcdir)/tests/system-iovtee-testsuite.at && \
	mv $@.tmp $@

$(PCI_TESTSUITE): $(PCI_TESTSUITE_AT) package.m4
	$(AM_V_GEN)$(AUTOTEST) -o $@.tmp \
	    $(srcdir)/tests/system-pci-testsuite.at && \
	mv $@.tmp $@

$(BUILD_TESTSUITE): $(BUILD_TESTSUITE_AT) package.m4
	$(AM_V_GEN)$(AUTOTEST) -o $@.tmp \
	    $(srcdir)/tests/build-testsuite.at && \
	mv $@.tmp $@

package.m4: $(srcdir)/configure.ac
	$(AM_V_GEN){ \
	    echo 'm4_define([AT_PACKAGE_NAME], [$(PACKAGE_NAME)])' && \
	    echo 'm4_define([AT_PACKAGE_TARNAME], [$(PACKAGE_TARNAME)])' && \
	    echo 'm4_define([AT_PACKAGE_VERSION], [$(PACKAGE_VERSION)])' && \
	    echo 'm4_define([AT_PACKAGE_STRING], [$(PACKAGE_STRING)])' && \
	    echo 'm4_define([AT_PACKAGE_BUGREPORT], [$(PACKAGE_BUGREPORT)])' && \
	    echo 'm4_define([AT_PACKAGE_URL], [$(PACKAGE_URL)])'; \
	} > $@.tmp && mv $@.tmp $@

# Runs the suite that follows.  With RECHECK=yes, tests that fail are run once
# more: they share few cores with what they test, and time-outs happen.
RUN_SUITE = run_suite () { \
	    $(SHELL) "$$@" $(TESTSUITEFLAGS) \
	        || (test "$(RECHECK)" = yes && $(SHELL) "$$@" --recheck); \
	}; run_suite

check-local: $(TESTSUITE)
	$(RUN_SUITE) $(TESTSUITE) -C tests AUTOTEST_PATH=$(AUTOTEST_DIRS)

check-system: all $(SYSTEM_TESTSUITE)
	$(MAKE) -C $(OVS_BUILD) utilities/ovs-testcontroller
	$(RUN_SUITE) $(SYSTEM_TESTSUITE) -C tests \
	    AUTOTEST_PATH=$(AUTOTEST_DIRS)

# The long forms of the tests that have one, most of an hour, and what they
# measured.
LONG_FIGURES = tests/long-figures.txt
check-long:
	@rm -f $(LONG_FIGURES)
	@status=0; \
	IOVTEE_LONG=yes $(MAKE) check-system \
	    TESTSUITEFLAGS="-k long-form $(TESTSUITEFLAGS)" || status=$$?; \
	echo; test ! -f $(LONG_FIGURES) || cat $(LONG_FIGURES); exit $$status
CLEANFILES += $(LONG_FIGURES)

check-pci: all $(PCI_TESTSUITE)
	RECHECK=$(RECHECK) $(srcdir)/tests/pci/check.sh igb $(TESTSUITEFLAGS)

# The short form: a test of each kind.
check-pci-quick: all $(PCI_TESTSUITE)
	RECHECK=$(RECHECK) $(srcdir)/tests/pci/check.sh igb -k short \
	    $(TESTSUITEFLAGS)

# Those for a machine without an IOMMU.
check-pci-no-iommu: all $(PCI_TESTSUITE)
	RECHECK=$(RECHECK) $(srcdir)/tests/pci/check.sh igb-no-iommu \
	    -k no-iommu $(TESTSUITEFLAGS)

# All tests with several PCI NICs, and a table of the results.
check-pci-matrix: all $(PCI_TESTSUITE)
	RECHECK=$(RECHECK) $(srcdir)/tests/pci/check.sh "$(PCI_NICS)" \
	    $(TESTSUITEFLAGS)
PCI_NICS = igb e1000e vmxnet3 igb-no-iommu

check-build: all $(BUILD_TESTSUITE)
	$(RUN_SUITE) $(BUILD_TESTSUITE) -C tests

# The unit tests that have threads, and those of all that has locks or atomics,
# in a build of their own for ThreadSanitizer, in the folder "tsan".
#
# Without the "hammer": it needs speed, and a guest has a mapping of its own,
# so that ThreadSanitizer cannot know that it writes to the device's memory.
TSAN_FLAGS = \
	-k busfault -k fuzz -k guestmem -k inflight -k ledger -k session \
	-k vring,!hammer

check-tsan: $(OVS_BUILT)
	$(MKDIR_P) tsan
	test -e tsan/Makefile || (cd tsan && \
	    $(abs_top_srcdir)/configure -q CC="$(CC)" CFLAGS="-g -O1" LDFLAGS= \
	        --with-ovs-build=$(OVS_DIR) --with-dpdk-source=no \
	        --enable-sanitizers=thread)
	TSAN_OPTIONS="suppressions=$(abs_top_srcdir)/tests/tsan.supp" \
	    $(MAKE) -C tsan check \
	        TESTSUITEFLAGS="$(TSAN_FLAGS) $(TESTSUITEFLAGS)"

# What clang can tell of who accesses what with which lock held, without
# running it.
check-thread-safety: $(OVS_CFLAGS_FILE)
	@if ! command -v clang > /dev/null; then \
	    echo 'Skipped: there is no clang (Debian package: clang)'; \
	    exit 0; \
	fi; \
	for source in $(srcdir)/lib/*.c; do \
	    echo "  CHECK    $$source"; \
	    clang -fsyntax-only -Wno-unknown-warning-option -Werror \
	        -Wthread-safety $(lib_libiovtee_a_CPPFLAGS) $$source \
	        || exit 1; \
	done

# Open vSwitch's own tests of what patches/ touches.
check-ovs: all
	+$(OVS_TREE) check "$(MAKE)" $(TESTSUITEFLAGS)

clean-local:
	-rm -rf bench-results fuzz tsan
	-rm -rf tests/testsuite.dir tests/testsuite.log
	-rm -rf tests/build-testsuite.dir tests/build-testsuite.log
	-rm -rf tests/pci-results
	-rm -rf tests/system-iovtee-testsuite.dir
	-rm -f tests/system-iovtee-testsuite.log

.PHONY: check-build check-long check-ovs check-pci check-pci-matrix \
	check-pci-no-iommu check-pci-quick check-system check-thread-safety \
	check-tsan
