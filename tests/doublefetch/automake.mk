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

# Fuzzer of double fetches: see df.h.
#
# Those parts of Open vSwitch that work on packets are compiled once more, so
# that each load and store is a call.  These objects come before Open vSwitch's
# library, which gives the rest.  The optimisation is that of the switch,
# because it decides which loads are really made.  Whatever sanitizers are
# configured for our own code do not apply.

DF_OVS_OBJECTS = \
	tests/doublefetch/ovs-conntrack-icmp.$(OBJEXT) \
	tests/doublefetch/ovs-conntrack-other.$(OBJEXT) \
	tests/doublefetch/ovs-conntrack-tcp.$(OBJEXT) \
	tests/doublefetch/ovs-conntrack-tp.$(OBJEXT) \
	tests/doublefetch/ovs-conntrack.$(OBJEXT) \
	tests/doublefetch/ovs-crc32c.$(OBJEXT) \
	tests/doublefetch/ovs-csum.$(OBJEXT) \
	tests/doublefetch/ovs-dp-packet.$(OBJEXT) \
	tests/doublefetch/ovs-flow.$(OBJEXT) \
	tests/doublefetch/ovs-ipf.$(OBJEXT) \
	tests/doublefetch/ovs-odp-execute-private.$(OBJEXT) \
	tests/doublefetch/ovs-odp-execute.$(OBJEXT) \
	tests/doublefetch/ovs-packets.$(OBJEXT)

# A function of the C library is to be called even where the compiler knows
# better, or what it reads would not be seen.
DF_OVS_CFLAGS = \
	-g -O2 -w -fsanitize=thread -fno-builtin-memchr -fno-builtin-memcmp \
	-fno-builtin-memcpy -fno-builtin-memmove -fno-builtin-memset

$(DF_OVS_OBJECTS): $(OVS_CFLAGS_FILE)
	$(AM_V_CC)$(MKDIR_P) tests/doublefetch && \
	f=`basename $@ .$(OBJEXT)` && \
	f=$(OVS_DIR)/src/lib/$${f#ovs-}.c && \
	{ test -e $$f || f='-x c /dev/null'; } && \
	$(CC) $(OVS_CPPFLAGS) $(DF_OVS_CFLAGS) -c -o $@ $$f

CLEANFILES += $(DF_OVS_OBJECTS)

check_PROGRAMS += tests/doublefetch/doublefetch
tests_doublefetch_doublefetch_SOURCES = \
	tests/doublefetch/df-actions.c \
	tests/doublefetch/df-actions.h \
	tests/doublefetch/df-far.c \
	tests/doublefetch/df-frame.c \
	tests/doublefetch/df-frame.h \
	tests/doublefetch/df-ops.c \
	tests/doublefetch/df-ops.h \
	tests/doublefetch/df-tsan.c \
	tests/doublefetch/df.c \
	tests/doublefetch/df.h \
	tests/doublefetch/doublefetch.c
tests_doublefetch_doublefetch_CPPFLAGS = \
	$(lib_libiovtee_a_CPPFLAGS) \
	-I $(top_srcdir)/tests/doublefetch
tests_doublefetch_doublefetch_CFLAGS = $(IOVTEE_WERROR) $(MACHINE_FLAGS)
tests_doublefetch_doublefetch_LDADD = \
	$(DF_OVS_OBJECTS) \
	$(OVS_BUILD)/lib/libopenvswitch.la
tests_doublefetch_doublefetch_DEPENDENCIES = $(DF_OVS_OBJECTS) $(OVS_BUILT)
tests_doublefetch_doublefetch_LINK = \
	$(SHELL) $(OVS_BUILD)/libtool --silent --tag=CC --mode=link \
	$(CC) $(CFLAGS) $(LDFLAGS) \
	-Wl,--wrap=memchr -Wl,--wrap=memcmp -Wl,--wrap=memcpy \
	-Wl,--wrap=memmove -Wl,--wrap=memset -Wl,--wrap=strlen \
	-Wl,--wrap=strnlen -o $@

$(tests_doublefetch_doublefetch_OBJECTS): $(OVS_CFLAGS_FILE)
