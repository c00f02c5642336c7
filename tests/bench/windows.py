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

"""Runs traffic on a rig (rig.py), and counts.

The result of a window is what measure.py wants.  The source runs by itself
for a fraction of a second, during which we sleep: what is counted is read
before it starts and after everything has come to rest.
"""

import collections
import os
import re
import time

import pmd
import rig as rig_module

LANES = rig_module.LANES

# Traffic of packets of 'size' on 'lane', from a source that 'keys' describe
# (nm-source.h), which is the point 'x' of a plot.
Case = collections.namedtuple("Case", "lane x size keys")

# So that the guests get their turn: the source pauses after so many frames,
# for a moment, and its thread gives way.
SHARE = "burst=256 gap=1"

# Guests that the source's thread plays need no turn.  Frames that are all the
# same cost it no more than a copy.
ALONE = "payload=same"

# The same, from a NIC without DDIO.
PAST = "payload=same past=1"


def give_way(rig):
    """Lets the engine and the guests hand the processor over to each other
    and to nobody else but those who control them, us included.  Threads that
    yield do that only with a real-time priority.  The PMD thread gets one,
    too, so that it has its processor for itself, as where it is isolated.
    With virtual machines, which have threads that do not yield, it is the only
    one.  Returns whether it is allowed."""
    priorities = {} if rig.config.qemu else {0: 2}
    pids = [rig.switch.vswitchd.pid]
    if rig.sockets and not rig.config.qemu and rig.guests.process:
        pids.append(rig.guests.process.pid)
    for pid in pids:
        folder = "/proc/%d/task" % pid
        for task in os.listdir(folder):
            with open("%s/%s/comm" % (folder, task)) as f:
                name = f.read().strip()
            if name.startswith("pmd-"):
                priorities[int(task)] = 1
            elif rig.config.qemu:
                continue
            elif name == "nicmodel" or name == "guest" and int(task) == pid:
                priorities[int(task)] = 1
            elif name in ("nicmodel-ctl", "guest"):
                priorities[int(task)] = 2
    try:
        for task, priority in priorities.items():
            os.sched_setscheduler(
                task, os.SCHED_FIFO | (0 if task else os.SCHED_RESET_ON_FORK),
                os.sched_param(priority))
    except PermissionError:
        return False
    return True


def find(pattern, text):
    return int(pmd.find(pattern, text))


class Counter:
    """Counts what happens on a rig."""

    def __init__(self, rig, cpu=1):
        self.rig = rig
        self.cpu = cpu
        self.iovtee = {way["vm"] for name, ways in rig.ways.items()
                       for way in ways if LANES[name].vm == "iovtee"}

    def nic(self, name):
        return self.rig.nics.command("stats " + name)

    def guests(self):
        if not self.rig.sockets:
            return []
        return self.rig.guests.command("stats")["ports"]

    def pmd(self):
        """What the PMD thread has counted."""
        command = self.rig.switch.unixctl.command
        return pmd.counts(
            command("dpif-netdev/pmd-stats-show", "-pmd", str(self.cpu)),
            command("dpif-netdev/pmd-perf-show", "-nh", "-pmd",
                    str(self.cpu)))

    def clear_pmd(self):
        """Has the PMD thread count from 0 on, if what it counts is only good
        for that.  It does so when it comes to it.  Nothing may move."""
        command = self.rig.switch.unixctl.command
        show = ("dpif-netdev/pmd-stats-show", "-pmd", str(self.cpu))
        if pmd.has_cycles(command(*show)):
            return
        command("dpif-netdev/pmd-stats-clear")
        for _ in range(500):
            if re.search("Rx packets: *0$", command(*show), re.MULTILINE):
                return
            time.sleep(0.002)
        raise rig_module.Error("the PMD thread does not clear its counters")

    def preempted(self):
        with open(self.rig.pmd_task + "/status") as f:
            return find(r"nonvoluntary_ctxt_switches:\s*(\d+)", f.read())

    def waited(self):
        """Seconds for which the PMD thread has waited for its processor."""
        with open(self.rig.pmd_task + "/schedstat") as f:
            return int(f.read().split()[1]) / 1e9

    def stolen(self):
        with open("/proc/stat") as f:
            for line in f:
                if line.startswith("cpu%d " % self.cpu):
                    return int(line.split()[8])
        return 0

    def zero(self, way):
        """Packets that were not copied to the guest of 'way'."""
        if way["vm"] not in self.iovtee:
            return None
        return find(r"in place (\d+)", self.rig.switch.unixctl.command(
            "iovtee/show", way["vm"]))

    def all(self, ways):
        names = {way["nic"] for way in ways}
        names |= {way["sink"] for way in ways if way["sink"]}
        return {
            "nics": {name: self.nic(name) for name in names},
            "guests": self.guests(),
            "pmd": self.pmd(),
            "preempted": self.preempted(),
            "waited": self.waited(),
            "stolen": self.stolen(),
            "zero": [self.zero(way) for way in ways],
        }


def delivered(path, fate, way, counts):
    """How many packets have got to where they shall go."""
    if path == "drop" or fate == "dropped":
        return counts["nics"][way["nic"]]["rx_packets"]
    at_guest = sum(counts["guests"][i]["rx"] for i in way["guests"][-1:])
    if not way["sink"] or fate == "mirrored":
        return at_guest
    at_sink = counts["nics"][way["sink"]]["sink_packets"]
    return at_sink + at_guest if fate == "half" else at_sink


def settle(counter, ways, before):
    """Waits until nothing moves any more: the PMD thread has seen all packets
    since the counts 'before', and no number changes."""
    last = None
    for _ in range(500):
        nics = {name: counter.nic(name) for name in before["nics"]}
        guests = counter.guests()
        received = counter.pmd()["received"] - before["pmd"]["received"]
        arrived = sum(nics[way["nic"]]["rx_packets"]
                      - before["nics"][way["nic"]]["rx_packets"]
                      for way in ways)
        now = ([guests[i]["rx"] + guests[i]["tx"]
                for way in ways for i in way["guests"]]
               + [nic["sink_packets"] for nic in nics.values()] + [received])
        if now == last and received >= arrived:
            return
        last = now
        time.sleep(0.002)


class Traffic:
    """The traffic of a case on a rig."""

    def __init__(self, rig, case):
        self.rig, self.counter, self.case = rig, rig.counter, case
        self.name = case.lane
        self.path = LANES[case.lane].path
        self.ways = rig.ways[case.lane]
        self.mode("forward" if self.path in ("back", "chain") else "drop")
        self.describe(case.keys)

    def describe(self, keys):
        self.keys = "size=%s %s" % (self.case.size, keys)

    def prepare(self):
        for way in self.ways:
            nic = way["nic"]
            if self.rig.described.get(nic) != self.keys:
                self.rig.nics.command("source %s %s" % (nic, self.keys))
                self.rig.described[nic] = self.keys

    def mode(self, mode):
        """Changes what the first guest does with packets."""
        for way in self.ways:
            for i in way["guests"][:1]:
                self.rig.guests.command("mode %d %s" % (i, mode))

    def run(self, limit, seconds):
        """Starts the sources with 'limit', waits until they must be done, and
        returns a window."""
        self.prepare()
        self.counter.clear_pmd()
        before = self.counter.all(self.ways)
        for way in self.ways:
            self.rig.nics.command("start %s %s" % (way["nic"], limit))
        time.sleep(seconds)
        for way in self.ways:
            self.rig.nics.command("wait %s ms=20000" % way["nic"])
        settle(self.counter, self.ways, before)
        return self.window(before, self.counter.all(self.ways))

    def timed(self, ms):
        return self.run("ms=%d" % ms, ms / 1000)

    def counted(self, n):
        return self.run("count=%d" % n, 0)

    def window(self, before, after):
        def grown(way, key):
            return (after["nics"][way["nic"]][key]
                    - before["nics"][way["nic"]][key])

        sources = [after["nics"][way["nic"]] for way in self.ways]
        fate = self.rig.config.fate
        arrived = sum(delivered(self.path, fate, way, after)
                      - delivered(self.path, fate, way, before)
                      for way in self.ways)
        window = {key: after["pmd"][key] - before["pmd"][key]
                  for key in after["pmd"]}
        window.update({
            "lane": self.name,
            "sent": sum(s["sent"] for s in sources),
            "bytes": sum(s["sent_bytes"] for s in sources),
            "delivered": arrived,
            "seconds": max(s["ran_us"] for s in sources) / 1e6,
            "hz": sources[0]["tsc_hz"],
            **{key: after[key] - before[key]
               for key in ("preempted", "waited", "stolen")},
            "zero": None,
            "whole": (LANES[self.name].options == ["peer=PEER"]
                      and fate in rig_module.ALL_IN_PLACE),
        })
        if self.path not in ("back", "chain"):
            # Nobody makes bursts but the NIC.  That flows divide them between
            # ports does not make them shorter.
            window["output"] = window["batches"] = 0
        if after["zero"][0] is not None:
            window["zero"] = sum(after["zero"]) - sum(before["zero"])
        lost = {
            "source": sum(s["skipped"] for s in sources),
            "NIC": sum(grown(way, "rx_missed") for way in self.ways),
            "guest": sum(after["guests"][i]["tx_full"]
                         - before["guests"][i]["tx_full"]
                         for way in self.ways for i in way["guests"]),
        }
        # A source that skips frames did not send them at all.
        lost["switch"] = (window["sent"] - arrived
                          - lost["NIC"] - lost["guest"])
        window["lost"] = {place: n for place, n in lost.items() if n}
        return window


def alternate(traffics, rounds, ms):
    """Runs 'rounds' windows of each of 'traffics' in turn, after a short one
    of each.  Returns the windows by (lane, x)."""
    for traffic in traffics:
        traffic.timed(20)
    found = {(t.case.lane, t.case.x): [] for t in traffics}
    for _ in range(rounds):
        for traffic in traffics:
            found[traffic.case.lane, traffic.case.x].append(
                traffic.timed(ms))
    return found
