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

"""What ovs-vswitchd says of its PMD thread.

There are two forms.  Up to Open vSwitch 3.7, "pmd-stats-show" has cycles, of
iterations with packets and of those without.  From 4.0 on it is but another
name of "pmd-perf-show", which says how many cycles there were, and how many in
a thousand of them were with packets.  So these have to be cleared before they
count something: then one in a thousand is one of what is counted.
"""

import re

from process import Error


def find(pattern, text):
    match = re.search(pattern, text)
    if not match:
        raise Error("%r is not in what the switch says" % pattern)
    return match.group(1)


def has_cycles(stats):
    """Is this the form that has cycles, and need not be cleared?"""
    return "Used TSC cycles" not in stats


def cycles(stats, perf):
    """Returns how many cycles there were with packets, and without."""
    if has_cycles(stats):
        if not int(find(r"packets received: (\d+)", stats)):
            return 0, 0
        return (int(find(r"processing cycles: (\d+)", stats)),
                int(find(r"idle cycles: (\d+)", stats)))
    used = int(find(r"Used TSC cycles: *(\d+)", perf))
    share = float(find(r"busy iterations: *\d+ *\( *([\d.]+) %", perf))
    busy = round(used * share / 100)
    return busy, used - busy


def counts(stats, perf):
    """Returns what 'stats' and 'perf', the answers to "pmd-stats-show" and to
    "pmd-perf-show", have counted."""
    busy, idle = cycles(stats, perf)
    return {
        "cycles": busy,
        "received": int(find(r"packets received: (\d+)", stats)
                        if has_cycles(stats)
                        else find(r"Rx packets: *(\d+)", perf)),
        "iterations": int(find(r"busy iterations: *(\d+)", perf)),
        "idle_cycles": idle,
        "idle_iterations": int(find(r"idle iterations: *(\d+)", perf)),
        "output": int(find(r"Tx packets: *(\d+)", perf)),
        "batches": (int(find(r"Tx batches: *(\d+)", perf))
                    if "Tx batches:" in perf else 0),
    }
