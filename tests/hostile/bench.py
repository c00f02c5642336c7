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

"""The switch, the NIC and the guest together."""

import os
import time

from guest import Failure, Guest, check
from switch import Nic, Switch

FULL_LOAD = ("rate=100000", "size=imix", "flows=16")

# What a guest can take: frames wait until there is a buffer.
EASY_LOAD = ("rate=20000", "size=imix", "flows=16", "wait=1")

# So slow that the NIC has something to do long after its queue should have
# been stopped, with the buffers that it had then.
LONG_LOAD = ("rate=2000", "size=imix", "flows=16")
# How to find in "iovtee/show" how many frames a guest got.
IN_PLACE = r"in place (\d+)"
DELIVERED = r"delivered: (\d+)"

NIC_RING = 2048                 # Buffers that a NIC's queue has.
FEW = 100                       # Frames that can all be copied at once.
QUIET = 2.0                     # Seconds in which nothing may change.


class Bench:
    """The switch, the NIC, and a guest in the place of the port's."""

    def __init__(self, run):
        self.switch = Switch(run)
        self.nic = Nic(self.switch)
        self.guest = None
        self.new_guest()
        self.delivered = IN_PLACE

    def new_guest(self, **kwargs):
        """Has another guest in the place of the one before, if any."""
        if self.guest:
            self.guest.close()
        self.guest = Guest(os.path.join(self.switch.run, "vm0"), **kwargs)
        self.guest.is_gone = lambda: not self.switch.is_connected("vm0")
        return self.guest

    def start(self):
        self.guest.start()
        self.warm()

    def warm(self):
        """Returns when frames are received as they will be.  The first ones
        lie in buffers of the host.  Few at a time, they find buffers of the
        guest to be copied to."""
        def all_delivered():
            before = self.switch.number("vm0", self.delivered)
            self.nic.start("rate=10000", limits=("count=100",))
            self.nic.command("wait")
            self.guest.run(0.01)
            now = self.switch.number("vm0", self.delivered)
            return now == before + 100

        self.nic.start("rate=50000", limits=("count=%u" % NIC_RING,))
        self.guest.run_until("the source to stop",
                             lambda: not self.nic.get("running"))
        self.guest.run_until("frames that are received", all_delivered)
        while self.guest.poll():
            pass

    def pour(self, *source):
        """Starts traffic, waits until it flows."""
        self.nic.start(*(source or FULL_LOAD))
        self.guest.receive(500)

    def load(self):
        """The same, for a guest that can take it."""
        self.pour(*EASY_LOAD)

    def last_frame(self):
        """Ends the traffic, then sends a single frame.  Returns the buffer
        that it has come in, which is not posted again.  The guest has taken
        all that came before, so each buffer that it has posted is one that
        the switch has."""
        self.nic.stop()
        for _ in range(20):
            self.nic.start(limits=("count=1",))
            end = time.monotonic() + 1
            while time.monotonic() < end:
                heads = self.guest.harvest(1)
                if self.n_came():
                    return heads[0]
                self.guest.post_again(heads)
        raise Failure("not even a single frame comes")

    def exact(self, seconds, meanwhile=lambda: None):
        """Traffic of which not a frame may be lost, while 'meanwhile' is
        called all the time.  Few frames at a time: on a busy machine the NIC
        runs dry, gets buffers of the host, and their frames are copied, for
        which the switch keeps some of the guest's buffers.  Returns the
        number of frames."""
        n = 0
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.nic.start("rate=50000", "size=imix", "flows=16",
                           limits=("count=%u" % FEW,))
            n += FEW
            self.guest.run_until(
                "each of %u frames" % FEW,
                lambda: meanwhile() or self.n_came() >= FEW)
        return n

    def n_came(self):
        return self.guest.counts.get(self.nic.stream, 0)

    def no_buffer_lost(self):
        """Checks that each buffer comes back once more."""
        before = list(self.guest.times_used)
        self.nic.start("rate=20000", "wait=1")
        self.guest.run_until(
            "each buffer used once more",
            lambda: all(map(int.__lt__, before, self.guest.times_used)))
        self.nic.stop()
        while self.guest.poll():
            pass

    def frozen(self, text):
        """Checks that nothing is written into the guest's memory."""
        before = self.guest.memory.snapshot()
        arrived = self.nic.get("rx_arrived")
        time.sleep(QUIET)
        pages = self.guest.memory.changes(before)
        check(not pages, "%s: %u pages were written to: %s"
              % (text, len(pages), " ".join("%#x" % p for p in pages[:8])))
        arrived = self.nic.get("rx_arrived") - arrived
        check(arrived > 1000, "there was no load: %u frames" % arrived)

    def balanced(self, base):
        """Checks that 'base', where a successor begins, is the end of the
        used ring: the switch has given back all that it took."""
        guest = self.guest
        while guest.harvest():
            pass
        check(base == guest.rx.seen, "base is %u, but used index %u"
              % (base, guest.rx.seen))
        n_left = (guest.rx.avail_idx - base) & 0xffff
        check(n_left == sum(guest.posted), "%u buffers are left in the ring, "
              "but %u were posted and not used" % (n_left, sum(guest.posted)))

    def nic_stops(self):
        return self.switch.number("nic0", r"stops: (\d+)")

    def nic_longest_stop(self):
        """Returns how long it has taken the NIC at most to give buffers back,
        in seconds."""
        return self.switch.number("nic0", r"\(of (\d+) us at most\)") / 1e6
