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

"""What is made of the numbers that were counted.

A window is a fraction of a second in which one lane had traffic.  This module
says whether it counts, and compares two lanes by pairs of windows that follow
each other.  It touches nothing but its arguments, see test-measure.py.

A window is a dictionary:

    sent, delivered      packets, by the source and to where they shall go
    bytes                sent, without CRC
    lost                 where the others are: {"NIC": n, "switch": n, ...}
    cycles, iterations   of the PMD thread, while it had packets
    idle_cycles, idle_iterations        and while it had none
    received             packets that it got, from guests too
    output, batches      packets that it sent, and in how many batches
    seconds, hz          how long the source ran, cycles per second
    preempted, waited    times that the PMD thread had to give its processor
                         up, and seconds until it got it back
    stolen               ticks that the hypervisor gave its processor to others
    zero                 packets that were not copied, None if not known
    whole                shall all of them be?
"""

import collections
import math

# A window does not count...
MIN_BURST = 28              # ...if bursts were shorter on average...
MAX_LOST = 0.005            # ...if more was lost, as the source waits...
MIN_ZERO = 0.999            # ...if less was zero-copied where all shall be...
MAX_WAITED = 0.005          # ...if the PMD thread did not run for longer.
# Throughput counts only if the PMD thread was busy for so much of the time.
MIN_BUSY = 0.95

# A trial of a search is disturbed if the PMD thread did not run for so many
# seconds: a ring overflows.
DISTURBED = 50e-6

# Of the pairs, so many must be valid.
MIN_VALID = 0.5


def burst(window):
    """Packets in a burst.  A guest that sends them back makes bursts of its
    own, which show in what is sent."""
    bursts = [window["received"] / max(window["iterations"], 1)]
    if window["output"]:
        bursts.append(window["output"] / max(window["batches"], 1))
    return min(bursts)


def busy(window):
    return window["cycles"] / max(window["seconds"] * window["hz"], 1)


def cycles(window):
    """Cycles per delivered packet."""
    return window["cycles"] / max(window["delivered"], 1)


def mpps(window):
    return window["delivered"] / max(window["seconds"], 1e-9) / 1e6


def gbps(window):
    """Gbit/s on the wire, with preamble, CRC and gap."""
    size = window["bytes"] / max(window["sent"], 1) + 4 + 20
    return mpps(window) * size * 8 / 1e3


def idle(window):
    """Cycles to look at all queues in vain, of which the lanes that have no
    traffic are a part."""
    return window["idle_cycles"] / max(window["idle_iterations"], 1)


def lost_share(window):
    return sum(window["lost"].values()) / max(window["sent"], 1)


def why_invalid(window, rate=False):
    """Returns the reasons for which a window does not count, for throughput
    if 'rate'."""
    why = []
    if window["waited"] > MAX_WAITED * window["seconds"]:
        why.append("preempted")
    if not window["delivered"]:
        why.append("nothing delivered")
        return why
    if burst(window) < MIN_BURST:
        why.append("short bursts")
    if lost_share(window) > MAX_LOST:
        why.append("lost packets")
    if (window["whole"]
            and window["zero"] < MIN_ZERO * window["delivered"]):
        why.append("copied packets")
    if rate and busy(window) < MIN_BUSY:
        why.append("PMD thread not busy")
    return why


def quartiles(values):
    """Returns (lower quartile, median, upper quartile), None of nothing."""
    values = sorted(values)
    if not values:
        return None

    def at(share):
        place = share * (len(values) - 1)
        low, high = values[math.floor(place)], values[math.ceil(place)]
        return low + (high - low) * (place - math.floor(place))
    return at(.25), at(.5), at(.75)


def summary(windows, what, best):
    """Of the windows of a lane that count: the number, quartiles and the best
    one ('best' is min or max) of what the function 'what' says."""
    values = [what(w) for w in windows]
    if not values:
        return {"n": 0}
    low, median, high = quartiles(values)
    return {"n": len(values), "low": low, "median": median, "high": high,
            "best": best(values)}


def lane_summary(windows):
    """What is said about a lane by itself."""
    valid = [w for w in windows if not why_invalid(w)]
    fast = [w for w in windows if not why_invalid(w, True)]
    lost = collections.Counter()
    for window in windows:
        lost.update(window["lost"])
    known = [w for w in valid if w["zero"] is not None]
    delivered = sum(w["delivered"] for w in known)
    return {
        "windows": len(windows),
        "cycles": summary(valid, cycles, min),
        "mpps": summary(fast, mpps, max),
        "gbps": summary(fast, gbps, max),
        "burst": summary(windows, burst, max),
        "busy": summary(windows, busy, max),
        "idle": summary(windows, idle, min),
        "zero": (sum(w["zero"] for w in known) / delivered
                 if delivered else None),
        "lost": {place: n for place, n in lost.items() if n},
        "stolen": sum(w["stolen"] for w in windows),
        "invalid": dict(collections.Counter(
            why for w in windows for why in why_invalid(w))),
    }


def at_least(a, b):
    """Throughput ratios of the pairs in which nothing is wrong but that the
    PMD thread was not busy with lane a: it could have done more of that, so
    a : b is at least so much.  Returns their number and quartiles."""
    ratios = [mpps(x) / mpps(y) for x, y in zip(a, b)
              if not why_invalid(x) and not why_invalid(y, True)]
    if len(ratios) < MIN_VALID * len(a) or not ratios:
        return None
    low, ratio, high = quartiles(ratios)
    return {"pairs": len(ratios), "low": low, "ratio": ratio, "high": high}


def compare(a, b, rate=False):
    """Compares lanes by their windows 'a' and 'b', of which those of the same
    index followed each other: by throughput if 'rate', otherwise by cycles per
    delivered packet.  Returns the median and the quartiles of the ratio
    a : b."""
    what = mpps if rate else cycles
    why = [sorted(set(why_invalid(x, rate) + why_invalid(y, rate)))
           for x, y in zip(a, b)]
    ratios = [what(x) / what(y)
              for x, y, reasons in zip(a, b, why) if not reasons]
    best = max if rate else min
    result = {
        "pairs": len(why),
        "valid_pairs": len(ratios),
        "valid": bool(ratios) and len(ratios) >= MIN_VALID * len(why),
        "why": dict(collections.Counter(
            reason for reasons in why for reason in reasons)),
        "a": summary([w for w in a if not why_invalid(w, rate)], what, best),
        "b": summary([w for w in b if not why_invalid(w, rate)], what, best),
    }
    if rate and not result["valid"]:
        result["at_least"] = at_least(a, b)
    if ratios:
        result["low"], result["ratio"], result["high"] = quartiles(ratios)
    return result


class Search:
    """Binary search for the highest of the numbers up to 'high' that passes.

    As in ETSI TST 009, "binary search with loss verification": a trial that
    fails is repeated, and only 'verify' failures at the same number count.
    Then the result has to pass 'confirm' more trials before it fails 'verify';
    otherwise it is lowered by 'step' (a share) and has to pass anew.

    Trials are short and 'verify' is high because what stops a virtual machine
    for a moment (and nothing in it can tell) makes good numbers fail.  So a
    number at which something is lost now and then can pass as well.

        while not search.done:
            search.report(passes(search.next))
    """

    def __init__(self, high, resolution=0.02, verify=8, confirm=3,
                 step=0.02):
        self.low, self.high = 0, high
        self.resolution = resolution
        self.verify, self.confirm, self.step = verify, confirm, step
        self.failures = self.passes = 0
        self.next = high
        self.confirming = False
        self.done = False
        self.trials = []

    @property
    def result(self):
        return self.low

    def report(self, passed):
        self.trials.append([self.next, passed])
        if self.confirming:
            self.report_confirmation(passed)
        elif passed:
            self.low = self.next
            self.advance()
        else:
            self.failures += 1
            if self.failures >= self.verify:
                self.high = self.next
                self.advance()

    def advance(self):
        self.failures = 0
        if self.high - self.low > max(self.resolution * self.high, 1):
            self.next = (self.low + self.high) // 2
        else:
            self.next = self.low
            self.confirming = True
            self.done = self.low == 0

    def report_confirmation(self, passed):
        if passed:
            self.passes += 1
            self.done = self.passes >= self.confirm
        else:
            self.failures += 1
            if self.failures >= self.verify:
                self.failures = self.passes = 0
                self.low = self.next = int(self.low * (1 - self.step))
                self.done = self.low == 0
