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

# Benchmarks, and the guests that they need.

EXTRA_DIST += \
	tests/bench/bench.py \
	tests/bench/experiments.py \
	tests/bench/measure.py \
	tests/bench/plot.py \
	tests/bench/pmd.py \
	tests/bench/process.py \
	tests/bench/report.py \
	tests/bench/rig.py \
	tests/bench/runner.py \
	tests/bench/test-measure.py \
	tests/bench/vm.py \
	tests/bench/windows.py

noinst_PROGRAMS += tests/bench/guest
tests_bench_guest_SOURCES = \
	tests/bench/guest.c \
	tests/nic-model/nm-frame.c \
	tests/nic-model/nm-frame.h
tests_bench_guest_CPPFLAGS = \
	-I $(srcdir)/tests/nic-model \
	`$(PKG_CONFIG) --cflags libdpdk`
tests_bench_guest_LDADD = $(DPDK_LIBS)

# All experiments, or those that EXPERIMENTS names; and some, for continuous
# integration.  BENCHFLAGS are options of bench.py.
BENCH = python3 $(srcdir)/tests/bench/bench.py --build=$(abs_builddir)

bench: all
	$(BENCH) $(BENCHFLAGS) $(EXPERIMENTS)

# Status 77 means that the machine was too busy for any figure to be valid.
bench-quick: all
	$(BENCH) --quick $(BENCHFLAGS) || test $$? = 77

.PHONY: bench bench-quick
