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

"""Cases: guests that behave, and what they may do at any time."""

import os
import time

import frame
import protocol
from bench import DELIVERED, FULL_LOAD, IN_PLACE, LONG_LOAD
from guest import BUF_SIZE, PATIENCE, RX, TX, check
from memory import Region

POISON = b"\xa5"
CHANGES = int(os.environ.get("HOSTILE_CHANGES", "100"))
SECONDS = int(os.environ.get("HOSTILE_SECONDS", "5"))

# Seconds that a message may take usually.  On a machine with nothing else to
# do it is milliseconds.
USUAL = 0.3
SHORT = 1600                    # Of a buffer, enough for the longest frame.
OF_OTHERS = 77, 98              # Streams of the witness.


def times(what, seconds):
    print("%s: shortest %.1f ms, median %.1f ms, longest %.1f ms"
          % (what, min(seconds) * 1e3,
             sorted(seconds)[len(seconds) // 2] * 1e3, max(seconds) * 1e3))
    check(sorted(seconds)[len(seconds) // 2] < USUAL, "%s takes long" % what)
    check(max(seconds) < PATIENCE, "%s has taken very long once" % what)


def receive(bench):
    """A guest that behaves gets each frame once, where the NIC wrote it."""
    bench.start()
    before = bench.switch.number("vm0", IN_PLACE)
    sent = bench.exact(1)
    in_place = bench.switch.number("vm0", IN_PLACE) - before
    print("%u frames, %u in place" % (sent, in_place))
    check(in_place >= sent * 0.999, "only %u of %u frames were in place"
          % (in_place, sent))
    bench.no_buffer_lost()


def load_nic(bench, first):
    """Starts traffic, and waits until the NIC has buffers of the guest."""
    bench.pour(*LONG_LOAD if first else FULL_LOAD)
    bench.guest.run_until("the NIC to have buffers",
                          lambda: bench.switch.in_nic("vm0") > 0)


def stop(bench):
    """GET_VRING_BASE under load: nothing is written after the reply, and the
    base is exact."""
    bench.start()
    guest = bench.guest
    seconds = []
    hurried = []
    for i in range(12):
        load_nic(bench, i == 0)
        if i % 2 == 0:
            base, took = guest.stop_ring()
            seconds.append(took)
        else:
            with bench.switch.hurry():
                base, took = guest.stop_ring()
            hurried.append(took)
        if i < 2:
            bench.frozen("after GET_VRING_BASE")
        bench.balanced(base)
        bench.nic.stop()
        guest.set_vring(RX, base)
        guest.post_all()
        bench.warm()
    bench.no_buffer_lost()
    times("stop", seconds)
    times("stop, no wait for a processor", hurried)
    longest = bench.nic_longest_stop()
    print("of that the NIC: longest %.1f ms" % (longest * 1e3))
    check(0 < longest <= max(seconds + hurried), "that cannot be")


def disable(bench):
    """SET_VRING_ENABLE 0 under load: nothing is written until 1."""
    bench.start()
    guest = bench.guest
    seconds = []
    for i in range(6):
        load_nic(bench, i == 0)
        begin = time.monotonic()
        guest.enable(RX, 0)
        seconds.append(time.monotonic() - begin)
        if i < 2:
            bench.frozen("after SET_VRING_ENABLE 0")
        bench.nic.stop()
        guest.enable(RX, 1)
        bench.warm()
    bench.no_buffer_lost()
    times("disable", seconds)


def interrupts(bench):
    """The way to interrupt the guest changes 200 times a second: nothing is
    lost, and the NIC's queue goes on."""
    bench.start()
    guest = bench.guest
    stops = bench.nic_stops()
    begin = time.monotonic()
    n = 0

    def change():
        nonlocal n
        if time.monotonic() >= begin + n / 200:
            request, fd = ((protocol.SET_VRING_CALL, guest.rx.call),
                           (protocol.SET_VRING_KICK, guest.rx.kick),
                           (protocol.SET_VRING_CALL, None))[n % 3]
            guest.front_end.vring_fd(request, RX, fd)
            n += 1

    sent = bench.exact(SECONDS, change)
    print("%u changes, %u frames" % (n, sent))
    check(n >= 100 * SECONDS, "only %u changes" % n)
    check(bench.nic_stops() == stops, "the NIC's queue was stopped")
    bench.no_buffer_lost()


def full_event():
    """Returns an eventfd that has no room for one more event, so that whoever
    writes to it waits."""
    fd = os.eventfd(0, os.EFD_CLOEXEC)
    os.eventfd_write(fd, (1 << 64) - 2)
    return fd


def full_pipe():
    read_end, fd = os.pipe()
    os.set_blocking(fd, False)
    try:
        while True:
            os.write(fd, bytes(4096))
    except BlockingIOError:
        pass
    os.set_blocking(fd, True)
    return fd, read_end


def closed_pipe():
    """Who writes there gets a signal."""
    read_end, fd = os.pipe()
    os.close(read_end)
    return fd


def odd_fds():
    """Makes files that are no events, or that would have who writes to them
    wait for ever."""
    return (full_event(),) + full_pipe() + (
        closed_pipe(), os.memfd_create("file"),
        os.open("/dev/null", os.O_RDWR), os.open("/", os.O_RDONLY),
        os.open("/dev/zero", os.O_RDONLY))


def odd_interrupts(bench):
    """The guest wants to be interrupted through odd files."""
    bench.start()
    guest = bench.guest
    for index in RX, TX:
        fds = odd_fds()
        for fd in fds:
            guest.front_end.vring_fd(protocol.SET_VRING_CALL, index, fd)
            guest.front_end.ask(protocol.GET_FEATURES)
            guest.put(bytes(60))
            bench.exact(0.1)
            bench.switch.is_alive()
        guest.front_end.vring_fd(protocol.SET_VRING_CALL, index,
                                 (guest.rx, guest.tx)[index].call)
        guest.transmit(bytes(60))
        for fd in fds:
            os.close(fd)


def memory_changes(bench):
    """A third region comes and goes, under load."""
    bench.start()
    guest = bench.guest
    two = guest.memory.regions
    seconds = []
    bench.pour("rate=20000", "size=imix")
    for i in range(CHANGES):
        third = Region((2 + i % 3) << 33, (1 + i % 5) << 16)
        for regions in two + [third], two:
            begin = time.monotonic()
            check(guest.set_memory(regions) == 0, "memory table refused")
            seconds.append(time.monotonic() - begin)
            guest.run(0.01)
        third.close()
    guest.receive(1000)
    bench.nic.stop()
    bench.warm()
    bench.no_buffer_lost()
    times("memory table", seconds)


def poison(bench):
    """Fills guest memory, apart from rings, and leaves gaps between
    buffers."""
    guest = bench.guest
    guest.data.map[:] = POISON * guest.data.size
    guest.buf_len = SHORT
    bench.start()


def gaps_untouched(bench):
    """Checks what is not in buffers, and that no frame of others is there."""
    guest = bench.guest
    gap = POISON * (BUF_SIZE - SHORT)
    for head in range(guest.size):
        begin = head * BUF_SIZE + SHORT
        check(guest.data.map[begin:begin + len(gap)] == gap,
              "bytes after buffer %u were written to" % head)
    for stream in OF_OTHERS:
        found = guest.memory.find(frame.mark(stream))
        check(not found, "%u frames of another guest are in guest memory"
              % len(found))
    found = guest.memory.find(frame.mark(bench.nic.stream))
    check(len(found) > 100, "there are only %u frames of ours" % len(found))


def own_buffers(bench):
    """Nothing is written outside of buffers, and no frame of another guest
    gets there."""
    poison(bench)
    for i in range(4):
        bench.load()
        bench.guest.run(0.5)
        bench.guest.enable(RX, i % 2)
        bench.guest.enable(RX, 1)
    bench.nic.stop()
    bench.guest.run(0.1)
    gaps_untouched(bench)


def own_bytes(bench):
    """Where frames are copied, nothing of a buffer is changed but what the
    frame needs."""
    guest = bench.guest
    bench.delivered = DELIVERED
    poison(bench)
    bench.nic.start("rate=20000", "size=imix", "wait=1")
    for _ in range(2000):
        heads = []
        while not heads:
            heads = guest.harvest(1)
        head = heads[0]
        rest = guest.rest(head)
        check(rest == POISON * len(rest), "%u bytes of buffer %u were used, "
              "but more was written" % (guest.lengths[head], head))
        guest.data.map[head * BUF_SIZE:(head + 1) * BUF_SIZE] = (
            POISON * BUF_SIZE)
        guest.post(head)
        guest.rx.publish()
    guest.receive(500)
    bench.nic.stop()
    guest.run(0.1)
    gaps_untouched(bench)


CASES = (receive, stop, disable, interrupts, odd_interrupts, memory_changes,
         own_buffers, own_bytes)
