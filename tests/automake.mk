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

# Autotest suites.  One file per line, sorted.

# What is part of all suites.
SUITE_AT = tests/suite.at

# Autotest sources of "make check".
TESTSUITE = tests/testsuite
TESTSUITE_AT = \
	tests/nic-model/macros.at \
	tests/unit/bench.at \
	tests/unit/border.at \
	tests/unit/busfault.at \
	tests/unit/dp-packet.at \
	tests/unit/doublefetch.at \
	tests/unit/fuzz.at \
	tests/unit/guestmem.at \
	tests/unit/inflight.at \
	tests/unit/layers.at \
	tests/unit/ledger.at \
	tests/unit/lend.at \
	tests/unit/nic.at \
	tests/unit/nicmodel.at \
	tests/unit/rxvq.at \
	tests/unit/txvq.at \
	tests/unit/session-migration.at \
	tests/unit/session.at \
	tests/unit/switch-units.at \
	tests/unit/tee.at \
	tests/unit/testsuite.at \
	tests/unit/vring.at

# Autotest sources of "make check-system", which needs root and hugepages.
SYSTEM_TESTSUITE = tests/system-iovtee-testsuite
SYSTEM_TESTSUITE_AT = \
	tests/nic-model/macros.at \
	tests/system/config.at \
	tests/system/diversions.at \
	tests/system/dropin.at \
	tests/system/fitness.at \
	tests/system/guest-macros.at \
	tests/system/hostile.at \
	tests/system/install.at \
	tests/system/iovtee-macros.at \
	tests/system/kernel-macros.at \
	tests/system/kernel.at \
	tests/system/life.at \
	tests/system/long.at \
	tests/system/nicmodel.at \
	tests/system/quickstart.at \
	tests/system/seen.at \
	tests/system/sending.at \
	tests/system/ssl.at \
	tests/system/stats-macros.at \
	tests/system/tee-macros.at \
	tests/system/testsuite.at \
	tests/system/vlan.at \
	tests/system/zerocopy.at

# Autotest sources of "make check-pci", which needs what "make check-system"
# does and runs it in a machine of QEMU's with a PCI NIC.
PCI_TESTSUITE = tests/system-pci-testsuite
PCI_TESTSUITE_AT = \
	tests/pci/kernel.at \
	tests/pci/macros.at \
	tests/pci/nic.at \
	tests/pci/no-iommu.at \
	tests/pci/testsuite.at \
	tests/system/guest-macros.at \
	tests/system/iovtee-macros.at \
	tests/system/kernel-macros.at \
	tests/system/stats-macros.at \
	tests/system/tee-macros.at

# Autotest source of "make check-build".  It is about configure, the build and
# what is packed.
BUILD_TESTSUITE = tests/build-testsuite
BUILD_TESTSUITE_AT = tests/build/testsuite.at

EXTRA_DIST += \
	$(BUILD_TESTSUITE_AT) \
	$(PCI_TESTSUITE_AT) \
	$(SUITE_AT) \
	$(SYSTEM_TESTSUITE_AT) \
	$(TESTSUITE_AT) \
	tests/hostile/README.rst \
	tests/hostile/bench.py \
	tests/hostile/crowd.py \
	tests/hostile/endurance.py \
	tests/hostile/flips.py \
	tests/hostile/frame.py \
	tests/hostile/guest.py \
	tests/hostile/hostile.py \
	tests/hostile/lending.py \
	tests/hostile/life.py \
	tests/hostile/memory.py \
	tests/hostile/messages.py \
	tests/hostile/migration.py \
	tests/hostile/protocol.py \
	tests/hostile/ring.py \
	tests/hostile/rings.py \
	tests/hostile/sending.py \
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
	tests/system/luck.sh \
	tests/system/to-pcap.py \
	tests/unit/layers.py \
	tests/unit/tsan.supp
CLEANFILES += \
	$(BUILD_TESTSUITE) \
	$(PCI_TESTSUITE) \
	$(SYSTEM_TESTSUITE) \
	$(TESTSUITE) \
	package.m4
DISTCLEANFILES += \
	tests/atconfig

# Traffic for the system tests and for "quickstart".
noinst_PROGRAMS += tests/traffic/frames
tests_traffic_frames_SOURCES = \
	tests/traffic/frame-look.c \
	tests/traffic/frame-look.h \
	tests/traffic/frame-socket.c \
	tests/traffic/frame-socket.h \
	tests/traffic/frames.c

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
AUTOTEST_DIRS = tests/unit:tests/nic-model:tests/traffic:vswitchd

$(TESTSUITE): $(TESTSUITE_AT) $(SUITE_AT) package.m4
	$(AM_V_GEN)$(AUTOTEST) -o $@.tmp $(srcdir)/tests/unit/testsuite.at && \
	mv $@.tmp $@

$(SYSTEM_TESTSUITE): $(SYSTEM_TESTSUITE_AT) $(SUITE_AT) package.m4
	$(AM_V_GEN)$(AUTOTEST) -o $@.tmp \
	    $(srcdir)/tests/system/testsuite.at && \
	mv $@.tmp $@

$(PCI_TESTSUITE): $(PCI_TESTSUITE_AT) $(SUITE_AT) package.m4
	$(AM_V_GEN)$(AUTOTEST) -o $@.tmp \
	    $(srcdir)/tests/pci/testsuite.at && \
	mv $@.tmp $@

$(BUILD_TESTSUITE): $(BUILD_TESTSUITE_AT) $(SUITE_AT) package.m4
	$(AM_V_GEN)$(AUTOTEST) -o $@.tmp \
	    $(srcdir)/tests/build/testsuite.at && \
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

# Runs the suite that follows; RECHECK=yes or no.
RUN_SUITE = $(srcdir)/build-aux/run-suite.sh \
	`test "$(RECHECK)" != yes || echo --recheck`

check-local: $(TESTSUITE) tests/atlocal
	$(RUN_SUITE) $(TESTSUITE) -C tests AUTOTEST_PATH=$(AUTOTEST_DIRS) \
	    $(TESTSUITEFLAGS)

check-system: all $(SYSTEM_TESTSUITE) tests/atlocal
	$(MAKE) -C $(OVS_BUILD) utilities/ovs-testcontroller
	$(RUN_SUITE) --threads $(SYSTEM_TESTSUITE) -C tests \
	    AUTOTEST_PATH=$(AUTOTEST_DIRS) $(TESTSUITEFLAGS)

# Those in which memory changes hands, or somebody says what is not so: where
# the sanitizers have found, or may find, what the same tests without them do
# not.  Those that do the same for long, or for many frames, are for the night.
check-system-memory:
	$(MAKE) check-system TESTSUITEFLAGS="-k diversions -k hostile -k life \
	    -k sending -k zero-copy $(TESTSUITEFLAGS)"

# The others, and those of zero-copy: what users run and see.
check-system-rest:
	$(MAKE) check-system TESTSUITEFLAGS="-k !diversions,!hostile,!life,!sending \
	    $(TESTSUITEFLAGS)"

# Those of hostile guests, in a build of its own in the folder "ovs-sanitizers",
# in which Open vSwitch is compiled for AddressSanitizer, too.
check-hostile-ovs:
	$(MKDIR_P) ovs-sanitizers
	test -e ovs-sanitizers/Makefile || (cd ovs-sanitizers && \
	    $(abs_top_srcdir)/configure -q CC="$(CC)" CFLAGS="-g -O1" LDFLAGS= \
	        --enable-sanitizers --enable-ovs-sanitizers \
	        $(if $(OVS_SOURCE),--with-ovs="$(OVS_SOURCE)") \
	        --with-dpdk-source="$(if $(DPDK_SOURCE),$(DPDK_SOURCE),no)")
	$(MAKE) -C ovs-sanitizers all
	$(MAKE) -C ovs-sanitizers check-system RECHECK=$(RECHECK) \
	    TESTSUITEFLAGS="-k hostile -k sending $(TESTSUITEFLAGS)"

# Each system test, or those that TESTSUITEFLAGS choose, many times; see
# luck.sh.  For a build with the sanitizers, call it there.
LUCK_TIMES = 20
LUCK_SECONDS = 36000
check-luck: all $(SYSTEM_TESTSUITE) tests/atlocal
	LUCK_PATH=$(AUTOTEST_DIRS) $(srcdir)/tests/system/luck.sh \
	    $(LUCK_TIMES) $(LUCK_SECONDS) $(TESTSUITEFLAGS)

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

check-pci: all $(PCI_TESTSUITE) tests/atlocal
	RECHECK=$(RECHECK) $(srcdir)/tests/pci/check.sh igb $(TESTSUITEFLAGS)

# The short form: a test of each kind.
check-pci-quick: all $(PCI_TESTSUITE) tests/atlocal
	RECHECK=$(RECHECK) $(srcdir)/tests/pci/check.sh igb -k short \
	    $(TESTSUITEFLAGS)

# Those for a machine without an IOMMU.
check-pci-no-iommu: all $(PCI_TESTSUITE) tests/atlocal
	RECHECK=$(RECHECK) $(srcdir)/tests/pci/check.sh igb-no-iommu \
	    -k no-iommu $(TESTSUITEFLAGS)

# All tests with several PCI NICs, and a table of the results.
check-pci-matrix: all $(PCI_TESTSUITE) tests/atlocal
	RECHECK=$(RECHECK) $(srcdir)/tests/pci/check.sh "$(PCI_NICS)" \
	    $(TESTSUITEFLAGS)
PCI_NICS = igb e1000e vmxnet3 igb-no-iommu
print-pci-nics:
	@echo $(PCI_NICS)

# The long forms of everything, and what "quickstart check" leaves out.
check-nightly: all
	QUICKSTART_BUILD=$(abs_top_builddir) $(abs_top_srcdir)/quickstart nightly

check-build: all $(BUILD_TESTSUITE) tests/atlocal
	$(RUN_SUITE) $(BUILD_TESTSUITE) -C tests $(TESTSUITEFLAGS)

# The unit tests that have threads, and those of all that has locks or atomics,
# in a build of their own for ThreadSanitizer, in the folder "tsan".
#
# Without the "hammer": it needs speed, and a guest has a mapping of its own,
# so that ThreadSanitizer cannot know that it writes to the device's memory.
# Without long ones that are of one thread.
TSAN_FLAGS = \
	-k busfault -k fuzz -k guestmem -k inflight,!one-thread -k ledger \
	-k session,!one-thread -k vring,!hammer

# The programs of these tests.
TSAN_NEEDS = \
	$(FUZZERS) \
	tests/unit/test-busfault \
	tests/unit/test-guestmem \
	tests/unit/test-inflight \
	tests/unit/test-ledger \
	tests/unit/test-session \
	tests/unit/test-vring \
	tests/unit/test-vring-hostile \
	tests/unit/test-vring-notify

check-tsan: $(OVS_BUILT)
	$(MKDIR_P) tsan
	test -e tsan/Makefile || (cd tsan && \
	    $(abs_top_srcdir)/configure -q CC="$(CC)" CFLAGS="-g -O1" LDFLAGS= \
	        --with-ovs-build=$(OVS_DIR) --with-dpdk-source=no \
	        --enable-sanitizers=thread)
	$(MAKE) -C tsan $(TSAN_NEEDS)
	TSAN_OPTIONS="suppressions=$(abs_top_srcdir)/tests/unit/tsan.supp" \
	    $(MAKE) -C tsan check-local \
	        TESTSUITEFLAGS="$(TSAN_FLAGS) $(TESTSUITEFLAGS)"

# What clang can tell of who accesses what with which lock held, without
# running it.
check-thread-safety: $(OVS_CFLAGS_FILE)
	@if ! command -v clang > /dev/null; then \
	    echo 'Skipped: there is no clang (Debian package: clang)'; \
	    exit 0; \
	fi; \
	for source in $(srcdir)/lib/*.c $(srcdir)/lib/*/*.c; do \
	    echo "  CHECK    $$source"; \
	    clang -fsyntax-only -Wno-unknown-warning-option -Werror \
	        -Wthread-safety $(lib_libiovtee_a_CPPFLAGS) $$source \
	        || exit 1; \
	done

# Open vSwitch's own tests of what patches/ touches; the long form adds those of
# what is done with such packets next.
check-ovs: all
	+$(OVS_TREE) check "$(MAKE)" short $(TESTSUITEFLAGS)
check-ovs-long: all
	+$(OVS_TREE) check "$(MAKE)" long $(TESTSUITEFLAGS)

clean-local:
	-rm -rf bench-results fuzz ovs-sanitizers tsan
	-rm -f tests/*.begun tests/*.lock tests/*.times
	-rm -rf tests/testsuite.dir tests/testsuite.log
	-rm -rf tests/build-testsuite.dir tests/build-testsuite.log
	-rm -rf tests/luck tests/pci-results
	-rm -rf tests/system-iovtee-testsuite.dir
	-rm -f tests/system-iovtee-testsuite.log

.PHONY: check-build check-hostile-ovs check-long check-luck check-nightly check-ovs \
	check-ovs-long \
	check-pci check-pci-matrix check-pci-no-iommu check-pci-quick check-system \
	check-system-memory check-system-rest check-thread-safety check-tsan print-pci-nics
