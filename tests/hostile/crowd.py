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

"""Many guests with many queues: the environment's HOSTILE_GUESTS says how
many, at the sockets c0, c1, ..., and HOSTILE_QUEUES with how many pairs of
queues each."""

import contextlib
import os
import re
import resource
import time

import protocol
from bench import IN_PLACE
from guest import Guest, check, wait_for
from memory import Memory, Region
from ring import F_WRITE, Ring
from switch import Nic

N_GUESTS = int(os.environ.get("HOSTILE_GUESTS", "8"))
N_QUEUES = int(os.environ.get("HOSTILE_QUEUES", "8"))

# Of each ring.  What the switch needs for a queue must not depend on it.
SIZE = 64
BUF_SIZE = 2048
RINGS_GPA = 0
DATA_GPA = 1 << 32

# How many guests share a NIC: in the order of their numbers.
PER_NIC = 4

SLACK = 8                       # File descriptors that may come and go.


class ManyQueues(Guest):
    """A guest with N_QUEUES pairs of queues, of two regions of memory."""

    features = Guest.features | protocol.F_MQ

    def __init__(self, path):
        data = N_QUEUES * SIZE * BUF_SIZE
        super().__init__(path, SIZE, memory=Memory(
            Region(RINGS_GPA, (2 * N_QUEUES * 3 * 4096 + (2 << 20) - 1)
                   & ~((2 << 20) - 1)),
            Region(DATA_GPA, (data + (2 << 20) - 1) & ~((2 << 20) - 1))))
        self.rings = [self.rx, self.tx]
        while len(self.rings) < 2 * N_QUEUES:
            self.rings.append(Ring(self.memory.regions[0],
                                   self.rings[-1].end, SIZE))

    def close(self):
        for ring in self.rings[2:]:
            ring.close()
        super().close()

    def ring_of(self, index):
        return self.rings[index]

    def start(self):
        for ring in self.rings:
            ring.reset()
        self.connect()
        check(self.set_memory() == 0, "memory table refused")
        for q in range(N_QUEUES):
            self.fill(q)
        for index in range(2 * N_QUEUES):
            self.set_vring(index)
        self.front_end.ask(protocol.GET_FEATURES)

    def fill(self, q):
        """Posts all buffers of receive queue 'q'."""
        rx = self.rings[2 * q]
        for head in range(SIZE):
            rx.set_desc(head, self.data.gpa + (q * SIZE + head) * BUF_SIZE,
                        BUF_SIZE, F_WRITE)
            rx.make_available(head)
        rx.publish()

    def n_received(self):
        """Takes frames and posts their buffers again.  Returns how many."""
        n = 0
        for q in range(N_QUEUES):
            rx = self.rings[2 * q]
            used = rx.next_used()
            while used:
                rx.make_available(used[0])
                n += 1
                used = rx.next_used()
            rx.publish()
        return n


def files(switch):
    """Returns how many file descriptors the switch has, apart from those of
    DPDK's memory, which is for all guests, and how many hugepages."""
    with open(os.path.join(switch.run, "ovs-vswitchd.pid")) as pidfile:
        folder = "/proc/%u/fd" % int(pidfile.read())
    n = pages = 0
    for fd in os.listdir(folder):
        with contextlib.suppress(OSError):
            if "/memfd:seg_" in os.readlink(os.path.join(folder, fd)):
                pages += 1
            else:
                n += 1
    return n, pages


def come(switch, guests):
    """Has all guests come."""
    before = files(switch)
    begin = time.monotonic()
    for guest in guests:
        last = time.monotonic()
        guest.start()
    now = time.monotonic()
    n_files, n_pages = files(switch)
    print("%u guests of %u pairs of queues came within %.1f s, the last one "
          "within %.0f ms, with %.1f file descriptors each and %u hugepages "
          "in all" % (len(guests), N_QUEUES, now - begin, 1e3 * (now - last),
                   (n_files - before[0]) / len(guests), n_pages - before[1]))
    for i in range(len(guests)):
        n = len(re.findall(r"^ *(transmit )?queue \d+: running",
                           switch.show("c%u" % i), re.MULTILINE))
        check(n == 2 * N_QUEUES, "guest %u has %u queues" % (i, n))


def serve(switch, guests, nics):
    """Checks that each guest gets what its NIC receives, and that there are
    frames in place, with the first NIC and with the last one.  (Frames that
    find no buffer to be copied to, of the few that NICs leave, are lost.)"""
    for i, nic in enumerate(nics):
        last = PER_NIC * (i + 1)
        got = [0] * PER_NIC

        def all_have():
            for k, guest in enumerate(guests[last - PER_NIC:last]):
                got[k] += guest.n_received()
            return min(got) and (
                i not in (0, len(nics) - 1)
                or switch.number("c%u" % (last - 1), IN_PLACE))
        nic.start("flows=256", "rate=20000")
        wait_for("frames of NIC %u" % i, all_have)
        nic.stop()
        for guest in guests[last - PER_NIC:last]:
            guest.n_received()


def go(switch, guests, before):
    """Has all guests go at once.  Nothing of them may be left."""
    begin = time.monotonic()
    for guest in guests:
        guest.front_end.close()
        guest.front_end = None
    wait_for("file descriptors to be closed",
             lambda: files(switch)[0] <= before + SLACK, 60)
    print("they were gone within %.1f s" % (time.monotonic() - begin))


def crowd(bench):
    """Many guests come, are all served, and go, twice."""
    switch = bench.switch
    bench.guest.close()
    bench.guest = None
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    guests = [ManyQueues(os.path.join(switch.run, "c%u" % i))
              for i in range(N_GUESTS)]
    nics = [Nic(switch, "nic%u" % i, 1000 * (i + 1), bench.nic.control)
            for i in range(N_GUESTS // PER_NIC)]
    before, _ = files(switch)
    for _ in range(2):
        come(switch, guests)
        serve(switch, guests, nics)
        switch.is_alive()
        go(switch, guests, before)
    for guest in guests:
        guest.close()


CASES = crowd,
