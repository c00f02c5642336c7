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

# Read in the build directory of Open vSwitch: builds the parts of it that our
# switch is linked from or that its tests run, and prints what a compiler needs
# for code that includes its headers.

include Makefile

iovtee_libs = \
	ofproto/libofproto.la \
	lib/libsflow.la \
	lib/libopenvswitch.la \
	vswitchd/bridge.$(OBJEXT) \
	vswitchd/ovs-vswitchd.$(OBJEXT) \
	vswitchd/system-stats.$(OBJEXT)

# The generated headers come first: only "make all" would know about them.
iovtee-build: $(BUILT_SOURCES)
	@$(MAKE) $(iovtee_libs)

# What Open vSwitch's own test suite runs.
iovtee-check-programs: $(BUILT_SOURCES)
	@$(MAKE) $(bin_PROGRAMS) $(sbin_PROGRAMS) $(check_PROGRAMS) \
	    $(noinst_PROGRAMS) $(bin_SCRIPTS) $(scripts_SCRIPTS) \
	    $(check_SCRIPTS) $(check_DATA)

iovtee-cflags:
	@echo '$(DEFS) $(filter-out -I.% -I,$(AM_CFLAGS))'

.PHONY: iovtee-build iovtee-cflags iovtee-check-programs
