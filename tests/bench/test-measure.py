#! /usr/bin/env python3
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

"""Tests of measure.py and pmd.py."""

import itertools
import unittest

import measure
import pmd
from process import Error


def window(delivered=3200, cycles=320000, **changes):
    result = {
        "sent": delivered, "delivered": delivered, "bytes": 60 * delivered,
        "lost": {}, "cycles": cycles, "iterations": delivered / 32,
        "received": delivered, "output": delivered,
        "batches": delivered / 32, "seconds": cycles / 1e9, "hz": 1e9,
        "preempted": 0, "waited": 0, "stolen": 0, "idle_cycles": 0,
        "idle_iterations": 0, "zero": None, "whole": False,
    }
    result.update(changes)
    return result


class WindowTest(unittest.TestCase):
    def test_figures(self):
        w = window()
        self.assertEqual(measure.cycles(w), 100)
        self.assertEqual(measure.burst(w), 32)
        self.assertEqual(measure.busy(w), 1)
        self.assertAlmostEqual(measure.mpps(w), 10)
        # 64 bytes at 14.88 Mpps are 10 Gbit/s.
        self.assertAlmostEqual(measure.gbps(w), 6.72)

    def test_cycles_are_per_delivered_packet(self):
        self.assertEqual(measure.cycles(window(1600, 320000, sent=3200)),
                         200)

    def test_good_window(self):
        self.assertEqual(measure.why_invalid(window(), True), [])

    def test_invalid(self):
        for changes, why in (
                ({"waited": 2e-6}, "preempted"),
                ({"iterations": 120}, "short bursts"),
                ({"batches": 120}, "short bursts"),
                ({"lost": {"NIC": 10, "guest": 10}}, "lost packets"),
                ({"whole": True, "zero": 3190}, "copied packets"),
                ({"delivered": 0}, "nothing delivered")):
            self.assertEqual(measure.why_invalid(window(**changes)), [why])

    def test_a_little_does_no_harm(self):
        self.assertEqual(measure.why_invalid(window(waited=1.5e-6)), [])
        self.assertEqual(measure.why_invalid(window(lost={"NIC": 16})), [])
        self.assertEqual(
            measure.why_invalid(window(whole=True, zero=3198)), [])

    def test_busy_only_matters_for_throughput(self):
        w = window(seconds=320000 / 1e9 / .94)
        self.assertEqual(measure.why_invalid(w), [])
        self.assertEqual(measure.why_invalid(w, True),
                         ["PMD thread not busy"])


class StatisticsTest(unittest.TestCase):
    def test_quartiles(self):
        self.assertIsNone(measure.quartiles([]))
        self.assertEqual(measure.quartiles([7]), (7, 7, 7))
        self.assertEqual(measure.quartiles([5, 1, 3, 2, 4]), (2, 3, 4))
        self.assertEqual(measure.quartiles([4, 1, 3, 2]), (1.75, 2.5, 3.25))

    def test_summary(self):
        a = [window(cycles=c) for c in (320000, 640000, 960000)]
        s = measure.summary(a, measure.cycles, min)
        self.assertEqual(s, {"n": 3, "low": 150, "median": 200, "high": 250,
                             "best": 100})
        self.assertEqual(measure.summary([], measure.cycles, min), {"n": 0})

    def test_lane(self):
        s = measure.lane_summary([
            window(whole=True, zero=3200),
            window(whole=True, zero=1600, lost={"NIC": 3, "guest": 0}),
            window(whole=True, zero=3200, waited=1)])
        self.assertEqual(s["windows"], 3)
        self.assertEqual(s["cycles"]["n"], 1)
        self.assertEqual(s["zero"], 1)
        self.assertEqual(s["lost"], {"NIC": 3})
        self.assertEqual(s["invalid"], {"copied packets": 1, "preempted": 1})


class CompareTest(unittest.TestCase):
    def test_ratio_is_of_pairs(self):
        # The machine gets slower all the time, the ratio remains.
        a = [window(cycles=100000 * i) for i in range(1, 6)]
        b = [window(cycles=200000 * i) for i in range(1, 6)]
        r = measure.compare(a, b)
        self.assertEqual((r["low"], r["ratio"], r["high"]), (.5, .5, .5))
        self.assertEqual((r["pairs"], r["valid_pairs"]), (5, 5))
        self.assertEqual(r["a"]["best"], 31.25)
        self.assertTrue(r["valid"])

    def test_throughput(self):
        a = [window(cycles=100000)]
        b = [window(cycles=200000)]
        r = measure.compare(a, b, True)
        self.assertAlmostEqual(r["ratio"], 2)
        b[0]["seconds"] *= 2
        r = measure.compare(a, b, True)
        self.assertFalse(r["valid"])
        self.assertEqual(r["why"], {"PMD thread not busy": 1})

    def test_throughput_at_least(self):
        a = [window(cycles=100000, seconds=125000 / 1e9) for _ in range(4)]
        b = [window(cycles=200000) for _ in range(4)]
        r = measure.compare(a, b, True)
        self.assertFalse(r["valid"])
        self.assertEqual(r["at_least"]["pairs"], 4)
        self.assertAlmostEqual(r["at_least"]["ratio"], 1.6)
        # Nothing is known if the PMD thread had time left for lane b, ...
        self.assertIsNone(measure.compare(b, a, True)["at_least"])
        # ...or of too few pairs, or if there is something else.
        for w in a[1:]:
            w["waited"] = 1
        self.assertIsNone(measure.compare(a, b, True)["at_least"])
        # What is valid needs no bound.
        self.assertNotIn("at_least", measure.compare(b, b, True))
        self.assertNotIn("at_least", measure.compare(a, b))

    def test_pair_needs_both(self):
        a = [window(waited=i % 2) for i in range(4)]
        b = [window(waited=i // 2) for i in range(4)]
        r = measure.compare(a, b)
        self.assertEqual((r["pairs"], r["valid_pairs"]), (4, 1))
        self.assertEqual(r["why"], {"preempted": 3})
        self.assertFalse(r["valid"])

    def test_nothing(self):
        self.assertFalse(measure.compare([], [])["valid"])


class SearchTest(unittest.TestCase):
    def search(self, passes, **kwargs):
        search = measure.Search(1000, **kwargs)
        while not search.done:
            search.report(passes(search))
        return search

    def test_finds_limit(self):
        s = self.search(lambda s: s.next <= 637)
        self.assertTrue(620 <= s.result <= 637)
        self.assertEqual(s.trials[-3:], [[s.result, True]] * 3)

    def test_everything_or_nothing_passes(self):
        self.assertEqual(self.search(lambda s: True).result, 1000)
        self.assertEqual(self.search(lambda s: False).result, 0)

    def test_some_failures_do_not_count(self):
        passes = itertools.cycle([False, False, False, True])
        s = self.search(lambda s: s.next <= 500 and next(passes), verify=10)
        self.assertTrue(490 <= s.result <= 500)

    def test_failures_in_a_confirmation_count(self):
        # Two of five pass: three times two are never reached.
        passes = itertools.cycle([True, True, False, False, False])
        s = self.search(lambda s: not s.confirming or next(passes),
                        verify=3)
        self.assertEqual(s.result, 0)

    def test_some_failures_in_a_confirmation_do_not_count(self):
        passes = itertools.cycle([True, False])
        s = self.search(lambda s: not s.confirming or next(passes),
                        verify=3)
        self.assertEqual(s.result, 1000)

    def test_confirmation_lowers(self):
        s = self.search(lambda s: s.next <= (400 if s.confirming else 500))
        self.assertTrue(385 <= s.result <= 400)


class PmdTest(unittest.TestCase):
    """The forms of the answers are those of Open vSwitch 3.1 and 4.0."""

    STATS = """pmd thread numa_id 0 core_id 1:
  packets received: 4096
  packet recirculations: 0
  idle cycles: 1200000 (66.67%)
  processing cycles: 600000 (33.33%)
  avg cycles per packet: 439.45 (1800000/4096)
"""
    PERF = """Time: 13:57:00.462
Measurement duration: 0.100 s

pmd thread numa_id 0 core_id 1:

  Iterations:                 1128  (1.00 us/it)
  - Used TSC cycles:       1800000  ( 90.0 % of total cycles)
  - idle iterations:          1000  ( 66.7 % of used cycles)
  - busy iterations:           128  ( 33.3 % of used cycles)
  - sleep iterations:            0  (  0.0 % of iterations)
  Rx packets:                 4096  (2000 Kpps, 146 cycles/pkt)
  Upcalls:                       0  (  0.0 %, 0.0 us/upcall)
  Tx packets:                 4000  (2000 Kpps)
  Tx batches:                  125  (32.00 pkts/batch)
"""
    NOTHING = """pmd thread numa_id 0 core_id 1:

  Iterations:                  100  (1.00 us/it)
  - Used TSC cycles:         90000  ( 90.0 % of total cycles)
  - idle iterations:           100  (100.0 % of used cycles)
  - busy iterations:             0  (  0.0 % of used cycles)
  Rx packets:                    0
  Tx packets:                    0
"""

    def test_cycles_that_are_told(self):
        self.assertTrue(pmd.has_cycles(self.STATS))
        self.assertEqual(pmd.counts(self.STATS, self.PERF), {
            "cycles": 600000, "received": 4096, "iterations": 128,
            "idle_cycles": 1200000, "idle_iterations": 1000, "output": 4000,
            "batches": 125})

    def test_cycles_by_their_share(self):
        self.assertFalse(pmd.has_cycles(self.PERF))
        self.assertEqual(pmd.counts(self.PERF, self.PERF), {
            "cycles": 599400, "received": 4096, "iterations": 128,
            "idle_cycles": 1200600, "idle_iterations": 1000, "output": 4000,
            "batches": 125})

    def test_nothing(self):
        counts = pmd.counts("  packets received: 0\n", self.NOTHING)
        self.assertEqual((counts["cycles"], counts["received"],
                          counts["batches"]), (0, 0, 0))
        counts = pmd.counts(self.NOTHING, self.NOTHING)
        self.assertEqual((counts["cycles"], counts["idle_cycles"],
                          counts["received"]), (0, 90000, 0))

    def test_anything_else(self):
        with self.assertRaises(Error):
            pmd.counts("", "")


if __name__ == "__main__":
    unittest.main()
