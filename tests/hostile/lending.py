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

"""Cases: a guest whose frames the NIC reads where they are, and which takes
its memory back, or rewrites it, at the worst of times.

What the NIC sends is in a file, in which all that the guest has written later
is looked for."""

import contextlib
import os
import subprocess
import time

import protocol
from guest import (HDR_LEN, PATIENCE, RINGS_GPA, RX, TX, TX_OFS, check,
                   wait_for)

N_SLOTS = 120
SLOT = 2048
FRAME = 1000
SOME = 64                       # Two bursts.

IN_PLACE = r"sent in place (\d+)"

# What the guest fills its memory with when it has taken that back.
MARKER = b"this must not be sent"


def checksum(header):
    total = sum(int.from_bytes(header[i:i + 2], "big")
                for i in range(0, len(header), 2))
    total = (total & 0xffff) + (total >> 16)
    return ~((total & 0xffff) + (total >> 16)) & 0xffff


def make_frame(number, length=FRAME):
    """A UDP packet, of which each byte follows from its number."""
    ip = bytearray(b"\x45\0" + (length - 14).to_bytes(2, "big")
                   + b"\0\0\x40\0\x40\x11\0\0\x0a\0\0\1\x0a\0\0\2")
    ip[10:12] = checksum(ip).to_bytes(2, "big")
    udp = b"\x03\xe8\x07\xd0" + (length - 34).to_bytes(2, "big") + b"\0\0"
    head = (b"\x02\0\0\0\0\1" b"\x02\0\0\0\0\2" b"\x08\0" + ip + udp
            + number.to_bytes(4, "big"))
    return head + bytes((number + i) & 0xff
                        for i in range(length - len(head)))


class Sender:
    """The guest of 'bench', with frames in slots of their own."""

    def __init__(self, bench):
        self.bench = bench
        self.guest = bench.guest
        self.memory = bench.guest.memory.regions[0].map
        self.n_sent = 0
        self.pcap = os.path.join(os.environ["OVS_LOGDIR"], "sent.pcap")
        self.rope = None
        self.guest.is_gone = self.is_gone
        self.tie()
        self.begin_anew()
        self.capture()

    def tie(self):
        """Has the back-end hold one end of a pipe, as an interrupt, as long as
        it has anything of this connection: then it lets the next one in."""
        if self.rope is not None:
            os.close(self.rope)
        self.rope, end = os.pipe()
        os.set_blocking(self.rope, False)
        self.guest.front_end.vring_fd(protocol.SET_VRING_CALL, RX, end)
        self.guest.front_end.ask(protocol.GET_FEATURES)
        os.close(end)

    def is_gone(self):
        """Has the back-end forgotten the connection?"""
        try:
            while os.read(self.rope, 4096):
                pass
        except BlockingIOError:
            return False
        return True

    def begin_anew(self):
        self.free = list(range(N_SLOTS))

    def restart(self):
        self.guest.restart()
        self.tie()
        self.begin_anew()

    def capture(self):
        self.bench.nic.command("sink", "pcap=" + self.pcap)

    def captured(self):
        """Returns all that the NIC has sent, and begins anew."""
        self.bench.nic.command("sink")          # Closes the file.
        with open(self.pcap, "rb") as pcap:
            data = pcap.read()
        self.capture()
        check(MARKER not in data, "the NIC sent what was not to be sent")
        return data

    @staticmethod
    def begin(slot):
        return TX_OFS + slot * SLOT

    def reap(self):
        """Takes used buffers back.  Returns how many slots are free."""
        while True:
            used = self.guest.tx.next_used()
            if not used:
                return len(self.free)
            check(used[0] not in self.free, "%u came back twice" % used[0])
            self.free.append(used[0])

    def post(self, n=SOME, lengths=(FRAME,)):
        """Posts 'n' frames at one go, of 'lengths' in turn.  Returns them."""
        frames = []
        wait_for("buffers to come back", lambda: self.reap() >= n)
        for i in range(n):
            slot = self.free.pop(0)
            data = make_frame(self.n_sent, lengths[i % len(lengths)])
            self.n_sent += 1
            begin = self.begin(slot)
            length = HDR_LEN + len(data)
            self.memory[begin:begin + length] = bytes(HDR_LEN) + data
            self.guest.tx.set_desc(slot, RINGS_GPA + begin, length, 0)
            self.guest.tx.make_available(slot)
            frames.append(data)
        self.guest.tx.publish()
        return frames

    def all_used(self):
        return self.guest.tx.used_idx() == self.guest.tx.avail_idx

    def mark(self):
        """Fills all slots."""
        for slot in range(N_SLOTS):
            begin = self.begin(slot)
            self.memory[begin:begin + SLOT] = (
                MARKER * (SLOT // len(MARKER) + 1))[:SLOT]

    def n_in_place(self):
        return self.bench.switch.number("vm0", IN_PLACE)

    def n_copied(self):
        return self.bench.switch.number(
            "vm0", r"copied (\d+): (?:the guest sent|half of|more was)")

    def out(self, place):
        return self.bench.switch.number(
            "vm0", r"transmit queue 0:.*\n.*\n    buffers:.* %s (\d+)" % place)

    def work(self, rounds=5):
        """Checks that frames are sent, as they are."""
        self.captured()
        frames = []
        for _ in range(rounds):
            frames += self.post(min(SOME, max(self.reap(), 32)))
        wait_for("%u frames to be sent" % len(frames), lambda: (
            self.bench.nic.get("sink_packets") >= len(frames)))
        wire = self.captured()
        for frame in frames:
            n = wire.count(frame)
            check(n == 1, "a frame was sent %u times as it was" % n)


def start(bench, **kwargs):
    if kwargs:
        bench.new_guest(**kwargs)
    bench.start()
    sender = Sender(bench)
    sender.work()
    check(sender.n_in_place() + sender.out("nic") > 0,
          "nothing is sent in place:\n" + bench.switch.show("vm0"))
    return sender


def configure(bench, *args):
    subprocess.run(["ovs-vsctl", "set"] + list(args), check=True)


@contextlib.contextmanager
def hanging(bench, knobs=""):
    """Meanwhile the NIC takes nothing that it is to send."""
    bench.nic.command("knob", "tx_hang=1 " + knobs)
    try:
        yield
    finally:
        bench.nic.command("knob", "tx_hang=0 tx_stop=1")


def lend(bench):
    """Frames are sent from where they are, as they are, once."""
    sender = start(bench)
    before = sender.n_in_place()
    sender.work(50)
    print("%u in place, %u copied" % (sender.n_in_place(), sender.n_copied()))
    check(sender.n_in_place() > before, "nothing is in place any more")


def take_back(bench, sender, stop, knobs):
    """Takes all memory back with 'stop' while the NIC has frames that it has
    not read."""
    wait_for("buffers to come back", sender.all_used)
    before = sender.n_in_place()
    sender.captured()
    with hanging(bench, knobs):
        sender.post()
        wait_for("frames to be with the NIC",
                 lambda: sender.out("nic") == SOME)
        begin = time.monotonic()
        stop()
        took = time.monotonic() - begin
        sender.mark()
    check(took < 2, "it took %.3f s" % took)
    sender.restart()
    sender.work()
    check(sender.n_in_place() > before, "nothing is in place any more")
    return took


def taken_back(bench):
    """Rings are stopped and guests die while the NIC has frames that it has
    not read.  What the guest writes then is never sent."""
    sender = start(bench)
    guest = sender.guest

    def base():
        value, _ = guest.stop_ring(TX)
        check(value == guest.tx.avail_idx and sender.all_used(),
              "base is %u of %u, used %u" % (value, guest.tx.avail_idx,
                                             guest.tx.used_idx()))

    longest = 0
    for knobs in "tx_stop=1", "tx_stop=0":
        for stop in base, lambda: guest.enable(TX, 0), guest.disconnect:
            longest = max(longest, take_back(bench, sender, stop, knobs))
    print("%.1f ms to take memory back at most" % (longest * 1e3))
    check(longest < PATIENCE, "that is too long")


def taken_back_once(bench):
    """The same, once, for a NIC that is only to be stopped so often."""
    sender = start(bench)
    took = take_back(bench, sender, sender.guest.disconnect, "")
    print("%.1f ms" % (took * 1e3))


def taken_back_queued(bench):
    """The same while the frames are still in the switch."""
    sender = start(bench)
    configure(bench, "Open_vSwitch", ".",
              "other_config:tx-flush-interval=1000000")
    try:
        # The time runs from the last batch that was sent.
        sender.captured()
        sender.post(1)
        wait_for("a frame to be sent",
                 lambda: bench.nic.get("sink_packets") == 1)
        sender.post(32)
        wait_for("frames to be in the switch",
                 lambda: sender.out("switch") == 32)
        base, took = sender.guest.stop_ring(TX)
        check(base == sender.guest.tx.avail_idx and sender.all_used(),
              "base is %u" % base)
        sender.mark()
        time.sleep(1.2)
    finally:
        configure(bench, "Open_vSwitch", ".",
                  "other_config:tx-flush-interval=0")
    check(took < 1, "it took %.3f s" % took)
    sender.restart()
    sender.work()
    print("%.1f ms" % (took * 1e3))


def untouched(bench):
    """Whatever the flows do to frames, the guest's own stay as they are.
    Of two frames one is short, and so a copy from the first."""
    sender = start(bench)
    for actions in ("mod_dl_dst:02:00:00:00:00:09,output:nic0",
                    "push_vlan:0x8100,set_field:4103->vlan_vid,output:nic0",
                    "output:nic0,mod_dl_dst:02:00:00:00:00:09,output:nic0",
                    "push_mpls:0x8847,output:nic0",
                    "dec_ttl,mod_nw_src:10.9.9.9,output:nic0",
                    "ct(commit,nat(src=10.8.8.8),table=9)",
                    "controller(max_len=64),output:nic0"):
        ofctl = ["ovs-ofctl", "-O", "OpenFlow13", "--strict"]
        match = "priority=65000,ip,in_port=vm0"
        subprocess.run(ofctl + ["add-flow", "br0",
                                "table=9,actions=output:nic0"], check=True)
        subprocess.run(ofctl + ["add-flow", "br0",
                                match + ",actions=" + actions], check=True)
        copied = sender.n_copied()
        for _ in range(3):
            frames = sender.post(lengths=(60, FRAME))
            before = bytes(sender.memory[TX_OFS:TX_OFS + N_SLOTS * SLOT])
            wait_for("%s: buffers to come back" % actions, sender.all_used)
            check(before == sender.memory[TX_OFS:TX_OFS + N_SLOTS * SLOT],
                  "%s: the guest's frames were changed" % actions)
            check(len(frames) == SOME, "not all were posted")
        check(sender.n_copied() >= copied + SOME,
              "%s: not copied:\n%s" % (actions, bench.switch.show("vm0")))
        subprocess.run(ofctl + ["del-flows", "br0", match], check=True)
    sender.work()


def kept(bench):
    """A NIC that gives nothing back does not take the ring with it."""
    sender = start(bench, size=128)
    with hanging(bench, "tx_stop=0"):
        for _ in range(50):
            sender.post(32)
        check(sender.out("nic") == 64, "%u are out" % sender.out("nic"))
        bench.switch.is_alive()
    sender.restart()
    sender.work()


def mute(bench):
    """A NIC that can neither be asked for what it has sent nor stop a queue
    would have the last frames wait until others are sent, so all are
    copied."""
    bench.start()
    sender = Sender(bench)
    sender.work(20)
    wait_for("the last buffer to come back", sender.all_used)
    check(sender.n_in_place() == 0, "frames were sent in place")
    check("nor can it stop" in bench.switch.show("vm0"), "nobody says why")


def rescued(bench):
    """A NIC that cannot be asked, and that keeps the last frames, gives them
    back all the same within a second of silence, and sends each once."""
    sender = start(bench)
    longest = 0
    for _ in range(3):
        wait_for("buffers to come back", sender.all_used)
        before = sender.n_in_place()
        sender.captured()
        frames = sender.post()
        wait_for("frames to be sent",
                 lambda: bench.nic.get("sink_packets") == SOME)
        begin = time.monotonic()
        check(not sender.all_used(), "nothing was lent")
        wait_for("buffers to come back", sender.all_used)
        longest = max(longest, time.monotonic() - begin)
        wire = sender.captured()
        check(all(wire.count(frame) == 1 for frame in frames),
              "not all were sent once")
        wait_for("frames to be counted",
                 lambda: sender.n_in_place() == before + SOME)
    print("%.0f ms at most" % (longest * 1e3))
    check(longest < 1, "it took %.3f s" % longest)


def nuisance(bench):
    """A guest for whose sake NICs are stopped again and again has what it
    sends copied, and goes on sending."""
    sender = start(bench)
    n = 0
    while not bench.switch.number("vm0", r"copied (\d+): transmit queues"):
        check(n < 20, "NICs are stopped as often as the guest likes")
        n += 1
        sender.restart()
        with hanging(bench):
            sender.post()
            wait_for("frames to be with the NIC, or copied",
                     lambda: (sender.out("nic") == SOME
                              or sender.all_used()))
            sender.guest.stop_ring(TX)
    before = sender.n_in_place()
    sender.restart()
    sender.captured()
    frames = sender.post()
    wait_for("the buffers to come back", sender.all_used)
    wait_for("frames to be sent",
             lambda: bench.nic.get("sink_packets") == SOME)
    wire = sender.captured()
    check(all(wire.count(frame) == 1 for frame in frames),
          "not all were sent once")
    check(sender.n_in_place() == before, "frames were sent in place")
    print("after %u times" % n)


def crash(bench):
    """The switch dies with frames in its NIC: its successor sends what the
    guest was not told to be sent, and nothing else.  Somebody kills it when
    file "ready" is there, and then makes file "back"."""
    sender = start(bench)
    guest = sender.guest
    done = []
    for _ in range(5):
        wait_for("buffers to come back", sender.all_used)
        done += sender.post()
    wait_for("buffers to come back", sender.all_used)
    with hanging(bench):
        left = sender.post()
        wait_for("frames to be with the NIC",
                 lambda: sender.out("nic") == SOME)
        used = guest.tx.used_idx()
        check(used == guest.tx.avail_idx - SOME, "used index is %u" % used)
        with open("ready", "w"):
            pass
        wait_for("the switch to die", sender.is_gone, 60)
        wait_for("it to be back", lambda: os.path.exists("back"), 60)
        bench.nic.reconnect()
        sender.capture()
    guest.front_end.close()
    guest.connect()
    check(guest.set_memory() == 0, "memory table refused")
    guest.set_vring(RX, guest.rx.used_idx())
    guest.set_vring(TX, used)
    sender.tie()
    wait_for("buffers to come back", sender.all_used)
    wait_for("frames to be sent",
             lambda: bench.nic.get("sink_packets") >= SOME)
    wire = sender.captured()
    check(all(wire.count(frame) == 1 for frame in left),
          "not all that was left was sent once")
    check(not any(wire.count(frame) for frame in done),
          "what was sent is sent again")
    sender.work()


def rewritten_in_flight(bench):
    """Frames change all the time while they are on their way."""
    sender = start(bench)
    end = time.monotonic() + float(os.environ.get("HOSTILE_SECONDS", 2))
    n = 0
    while time.monotonic() < end:
        sender.post()
        while not sender.all_used():
            for slot in range(N_SLOTS):
                at = sender.begin(slot) + HDR_LEN
                sender.memory[at + n % 60] = os.urandom(1)[0]
                sender.memory[at + 12:at + 14] = (
                    b"\x08\x00", b"\x81\x00", b"\x86\xdd", b"\x88\xb5")[n % 4]
                n += 1
        sender.guest.harvest()
        bench.switch.is_alive()
    sender.work()
    print("%u changes" % n)


CASES = (lend, taken_back, taken_back_once, taken_back_queued, untouched, kept,
         mute, rescued, nuisance, crash, rewritten_in_flight)
