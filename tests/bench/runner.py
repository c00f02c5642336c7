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

"""What experiments are made of: rigs, traffic on them, and results.

A result is a dictionary.  All have "kind" and "experiment"; most have "x", a
point on the x axis.  Kinds:

    lane     windows of a lane, and measure.lane_summary()
    ratio    measure.compare() of two lanes
    value    what a search found for a lane
    latency  percentiles of a lane
    check    something that must be so
    skip     an experiment that cannot be done, or went wrong
"""

import contextlib
import time

import measure
import windows
from rig import LANES, Error, Rig

MAX_TRIALS = 300        # Of a search...
MAX_DISTURBED = 100     # ...during which the PMD thread was preempted.
TRIAL_MS = 20
LATENCY_MS = 200
LATENCY_ROUNDS = 7


class Bench:
    def __init__(self, programs, cpus, rounds, ms, say):
        self.programs, self.cpus = programs, cpus
        self.rounds, self.ms = rounds, ms
        self.say = say
        self.results = []
        self.notes = []

    def note(self, text):
        if text not in self.notes:
            self.notes.append(text)
            self.say("note: " + text)

    def add(self, kind, experiment, x=None, **result):
        result.update(kind=kind, experiment=experiment, x=x)
        self.results.append(result)
        return result

    @contextlib.contextmanager
    def rig(self, config):
        """A rig for as long as the context lasts."""
        rig = Rig(self.programs, config, self.cpus)
        try:
            rig.counter = windows.Counter(rig, self.cpus[1])
            if not windows.give_way(rig):
                self.note("no real-time priority is allowed here: the NIC "
                          "model and the guests get in each other's way")
            yield rig
        finally:
            rig.close()

    def alternate(self, experiment, rig, cases, ms=None):
        """Has traffic of 'cases' in turn.  Returns the windows by (lane,
        x)."""
        found = windows.alternate([windows.Traffic(rig, c) for c in cases],
                                  self.rounds, ms or self.ms)
        for (lane, x), some in found.items():
            summary = measure.lane_summary(some)
            self.add("lane", experiment, x, lane=lane,
                     title=LANES[lane].title, raw=some, **summary)
        return found

    def compare(self, experiment, found, a, b, rate=False):
        """Compares two of the cases that 'found' has, (lane, x)."""
        what = "throughput" if rate else "cycles"
        if a[1] == b[1]:
            figure = "%s:%s %s, %s" % (a[0], b[0], what, a[1])
        else:
            figure = "%s %s:%s %s %s" % (a + b + (what,))
        result = self.add("ratio", experiment, a[1], figure=figure,
                          lanes=[a[0], b[0]], what=what,
                          **measure.compare(found[a], found[b], rate))
        self.say("%-26s %-26s %s" % (experiment, figure,
                                     ratio_text(result)))

    def check(self, experiment, text, passed, why):
        self.add("check", experiment, text=text, passed=passed, why=why)
        self.say("%-26s %-26s %s" % (experiment, text,
                                     "ok" if passed else "FAILED: " + why))

    def verify(self, experiment, rig, lane, size):
        """Checks that each byte of each frame arrives, once."""
        traffic = windows.Traffic(rig, windows.Case(lane, size, size,
                                                    windows.SHARE))
        traffic.mode("verify")
        window = traffic.timed(100)
        guest = rig.counter.guests()[traffic.ways[0]["guests"][0]]
        wrong = {key: guest[key] for key in ("corrupt", "duplicated",
                                             "foreign") if guest[key]}
        if guest["verified"] != window["sent"]:
            wrong["missing"] = window["sent"] - guest["verified"]
        self.check(experiment, "%s data, %s" % (lane, size), not wrong,
                   "of %d frames %s" % (window["sent"], wrong))
        traffic.mode("drop")

    def skip(self, experiment, why):
        self.add("skip", experiment, why=why)
        self.say("%-26s skipped: %s" % (experiment, why))

    # Searches.

    @staticmethod
    def rate_trial(traffic, rate):
        """Are frames lost at 'rate'?"""
        traffic.describe("rate=%d wait=0" % rate)
        return traffic.timed(TRIAL_MS)

    @staticmethod
    def count_trial(traffic, n):
        """Are frames lost of a burst of 'n'?"""
        traffic.describe("wait=0")
        return traffic.counted(n)

    def highest(self, traffics, trial):
        """Returns where to begin to search."""
        if trial == self.count_trial:
            return [16384 for _ in traffics]
        found = windows.alternate(traffics, 3, TRIAL_MS)
        return [int(1.2e6 * max(measure.mpps(w) for w in some))
                for some in found.values()]

    def search(self, experiment, rig, cases, trial, unit):
        """Searches for the most without loss, of 'cases' in turn.  Returns
        it."""
        traffics = [windows.Traffic(rig, c) for c in cases]
        searches = [measure.Search(n)
                    for n in self.highest(traffics, trial)]
        disturbed = [0 for _ in searches]
        for _ in range(MAX_TRIALS):
            for i, search in enumerate(searches):
                if search.done or disturbed[i] > MAX_DISTURBED:
                    continue
                window = trial(traffics[i], search.next)
                passed = not any(window["lost"].values())
                if passed or window["waited"] < measure.DISTURBED:
                    search.report(passed)
                else:
                    disturbed[i] += 1
        scale = 1e-6 if unit == "Mpps" else 1
        for c, s, n in zip(cases, searches, disturbed):
            self.add("value", experiment, c.x, lane=c.lane,
                     title=LANES[c.lane].title, value=s.result * scale,
                     unit=unit, valid=s.done, trials=s.trials, disturbed=n)
            self.say("%-26s %-26s %s" % (
                experiment, "%s, %s" % (c.lane, c.x),
                value_text(self.results[-1])))
        return [search.result for search in searches]

    def latency(self, experiment, rig, cases, rate):
        """Measures latency there and back of 'cases' in turn, at 'rate'."""
        if not rate:
            self.skip(experiment, "no rate without loss was found")
            return
        traffics = [windows.Traffic(rig, c) for c in cases]
        found = [[] for _ in cases]
        for _ in range(LATENCY_ROUNDS):
            for traffic, some in zip(traffics, found):
                nic = traffic.ways[0]["nic"]
                rig.nics.command("sink %s latency=1" % nic)
                traffic.describe("rate=%d wait=0 stamp=1" % rate)
                window = traffic.timed(LATENCY_MS)
                answer = rig.nics.command("latency " + nic)
                rig.nics.command("sink %s" % nic)
                if window["waited"] < measure.DISTURBED:
                    some.append(answer)
        for c, some in zip(cases, found):
            self.add("latency", experiment, c.x, lane=c.lane, rate=rate,
                     title=LANES[c.lane].title, raw=some,
                     valid=len(some) > LATENCY_ROUNDS / 2, us={
                         key: [q / 1000 for q in measure.quartiles(
                             [answer[key] for answer in some])]
                         for key in ("p50", "p90", "p99", "p999")
                         if some})
            self.say("%-26s %-26s %s" % (
                experiment, "%s, %s" % (c.lane, c.x),
                latency_text(self.results[-1])))

    def run(self, experiment):
        """Runs one of the experiments; what goes wrong is a result."""
        since = time.monotonic()
        try:
            experiment(self)
        except Error as error:
            self.check(experiment.__name__, "can be done", False, str(error))
        self.say("%-26s took %d s" % (experiment.__name__,
                                      time.monotonic() - since))


def reasons_text(why):
    return ", ".join("%s %d" % (reason, n) for reason, n in why.items())


def ratio_text(r):
    pairs = "%d of %d pairs" % (r["valid_pairs"], r["pairs"])
    if r["why"]:
        pairs += " (%s)" % reasons_text(r["why"])
    least = r.get("at_least")
    if least:
        return "at least %.3f  [%.3f %.3f]  %d of %d pairs (%s)" % (
            least["ratio"], least["low"], least["high"], least["pairs"],
            r["pairs"], reasons_text(r["why"]))
    if not r["valid"]:
        return "INVALID  " + pairs
    return "%.3f  [%.3f %.3f]  %s" % (r["ratio"], r["low"], r["high"], pairs)


def value_text(r):
    text = "%.*f %s" % (3 if r["unit"] == "Mpps" else 0, r["value"],
                        r["unit"])
    if r["disturbed"]:
        text += " (%d trials were disturbed)" % r["disturbed"]
    return text if r["valid"] else "INVALID  " + text


def latency_text(r):
    text = "  ".join("%s %.1f us" % (key, value[1])
                     for key, value in r["us"].items())
    return text if r["valid"] else "INVALID  " + text
