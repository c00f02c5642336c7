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

# Fuzzers.
#
# In an ordinary build, and in one for the sanitizers, a fuzzer is a program of
# "make check" to which the corpus is fed.  "make fuzz" and "make fuzz-quick"
# configure another build, with clang and libFuzzer, in the folder "fuzz".

FUZZERS = \
	tests/fuzz/fuzz-guestmem \
	tests/fuzz/fuzz-inflight \
	tests/fuzz/fuzz-session \
	tests/fuzz/fuzz-rxvq \
	tests/fuzz/fuzz-txvq \
	tests/fuzz/fuzz-vring
check_PROGRAMS += $(FUZZERS)

EXTRA_DIST += \
	tests/fuzz/corpus \
	tests/fuzz/run.sh

if FUZZER
FUZZ_MAIN = tests/fuzz/fuzz.h
FUZZ_LINK = -fsanitize=fuzzer
else
FUZZ_MAIN = tests/fuzz/fuzz.h tests/fuzz/fuzz-main.c
FUZZ_LINK =
endif

tests_fuzz_fuzz_guestmem_SOURCES = \
	$(FUZZ_MAIN) \
	tests/fuzz/fuzz-guestmem.c \
	tests/unit/unit.h
tests_fuzz_fuzz_guestmem_CPPFLAGS = $(AM_CPPFLAGS) -I $(top_srcdir)/tests/unit
tests_fuzz_fuzz_guestmem_LDFLAGS = $(FUZZ_LINK)
tests_fuzz_fuzz_guestmem_LDADD = lib/libiovtee-core.a

tests_fuzz_fuzz_inflight_SOURCES = \
	$(FUZZ_MAIN) \
	tests/fuzz/fuzz-inflight.c \
	tests/unit/unit.h
tests_fuzz_fuzz_inflight_CPPFLAGS = $(AM_CPPFLAGS) -I $(top_srcdir)/tests/unit
tests_fuzz_fuzz_inflight_LDFLAGS = $(FUZZ_LINK)
tests_fuzz_fuzz_inflight_LDADD = $(UNIT_CORE_LIBS)

tests_fuzz_fuzz_vring_SOURCES = \
	$(FUZZ_MAIN) \
	tests/fuzz/fuzz-vring.c \
	tests/unit/unit.h
tests_fuzz_fuzz_vring_CPPFLAGS = $(AM_CPPFLAGS) -I $(top_srcdir)/tests/unit
tests_fuzz_fuzz_vring_LDFLAGS = $(FUZZ_LINK)
tests_fuzz_fuzz_vring_LDADD = $(UNIT_CORE_LIBS)

tests_fuzz_fuzz_session_SOURCES = \
	$(FUZZ_MAIN) \
	tests/unit/fake-vhost-api.c \
	tests/unit/fake-vhost-private.h \
	tests/unit/fake-vhost.c \
	tests/unit/fake-vhost.h \
	tests/fuzz/fuzz-session.c \
	tests/unit/session-fixture.c \
	tests/unit/session-fixture.h \
	tests/unit/unit.h
tests_fuzz_fuzz_session_CPPFLAGS = \
	$(lib_libiovtee_a_CPPFLAGS) \
	-I $(top_srcdir)/tests/unit
tests_fuzz_fuzz_session_CFLAGS = $(lib_libiovtee_a_CFLAGS)
tests_fuzz_fuzz_session_LDADD = $(UNIT_OVS_LIBS)
tests_fuzz_fuzz_session_DEPENDENCIES = $(UNIT_OVS_BUILT)
tests_fuzz_fuzz_session_LINK = \
	$(OVS_LINK) $(LDFLAGS) $(FUZZ_LINK) -Wl,--wrap=xnanosleep -o $@

tests_fuzz_fuzz_rxvq_SOURCES = \
	$(FUZZ_MAIN) \
	tests/fuzz/fuzz-rxvq.c \
	tests/unit/unit-eal.h \
	tests/unit/unit.h
tests_fuzz_fuzz_rxvq_CPPFLAGS = $(tests_fuzz_fuzz_session_CPPFLAGS)
tests_fuzz_fuzz_rxvq_CFLAGS = $(lib_libiovtee_a_CFLAGS)
tests_fuzz_fuzz_rxvq_LDADD = $(UNIT_QUEUE_LIBS)
tests_fuzz_fuzz_rxvq_DEPENDENCIES = $(UNIT_QUEUE_BUILT)
tests_fuzz_fuzz_rxvq_LINK = \
	$(OVS_LINK) $(LDFLAGS) $(FUZZ_LINK) -Wl,--wrap=time_usec -o $@

tests_fuzz_fuzz_txvq_SOURCES = \
	$(FUZZ_MAIN) \
	tests/fuzz/fuzz-txvq.c \
	tests/unit/unit-eal.h \
	tests/unit/unit.h
tests_fuzz_fuzz_txvq_CPPFLAGS = $(tests_fuzz_fuzz_session_CPPFLAGS)
tests_fuzz_fuzz_txvq_CFLAGS = $(lib_libiovtee_a_CFLAGS)
tests_fuzz_fuzz_txvq_LDADD = $(UNIT_QUEUE_LIBS)
tests_fuzz_fuzz_txvq_DEPENDENCIES = $(UNIT_QUEUE_BUILT)
tests_fuzz_fuzz_txvq_LINK = $(OVS_LINK) $(LDFLAGS) $(FUZZ_LINK) -o $@

$(tests_fuzz_fuzz_session_OBJECTS) \
$(tests_fuzz_fuzz_rxvq_OBJECTS) \
$(tests_fuzz_fuzz_txvq_OBJECTS): \
	$(OVS_CFLAGS_FILE)

# Seconds for each of them, and for that of double fetches, and in the short
# form.
FUZZ_SECONDS = 600
FUZZ_QUICK_SECONDS = 20

# CFLAGS of this build are not for clang.
FUZZ = \
	CFLAGS= LDFLAGS= MAKE="$(MAKE)" $(SHELL) $(srcdir)/tests/fuzz/run.sh \
	    $(abs_top_srcdir) $(OVS_DIR)

fuzz: $(OVS_BUILT) tests/doublefetch/doublefetch
	tests/doublefetch/doublefetch --seconds $(FUZZ_SECONDS) near
	+$(FUZZ) $(FUZZ_SECONDS) $(FUZZERS)

fuzz-quick: $(OVS_BUILT) tests/doublefetch/doublefetch
	tests/doublefetch/doublefetch --seconds $(FUZZ_QUICK_SECONDS) near
	+$(FUZZ) $(FUZZ_QUICK_SECONDS) $(FUZZERS)

.PHONY: fuzz fuzz-quick
