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

"""Cases: messages that are wrong, or come when nobody expects them."""

import os
import random
import struct
import tempfile
import threading
import time

import protocol
from guest import BUF_SIZE, RX, TX, check, wait_for
from memory import USER_BASE
from protocol import Closed, FrontEnd, mem_table
from rings import Careless, recover

STATE = {protocol.SET_VRING_NUM, protocol.SET_VRING_BASE,
         protocol.GET_VRING_BASE, protocol.SET_VRING_ENABLE}
FD = {protocol.SET_VRING_KICK, protocol.SET_VRING_CALL,
      protocol.SET_VRING_ERR}
U64 = {protocol.SET_FEATURES, protocol.SET_PROTOCOL_FEATURES,
       protocol.SEND_RARP, protocol.NET_SET_MTU, protocol.SET_STATUS}
INDICES = 2, 3, 0x80, 0xff, 0x100, 0x10000, 0x7fffffff, 0xffffffff

# File descriptors in one message, at most.
MANY = 253

# Bytes of memory that a guest says to have, and that a port allows.
LARGE = 16 << 30
ALLOWED = 64 << 20

PATIENCE = 1                    # Seconds that a message may take.
SLACK = 2                       # Connections that come or go meanwhile.


def valid(guest, request):
    """Returns payload and file descriptors of a message that is right."""
    if request == protocol.SET_MEM_TABLE:
        return mem_table(guest.memory.regions), guest.memory.fds()
    if request == protocol.SET_LOG_BASE:
        return struct.pack("=QQ", 4096, 0), [guest.data.fd]
    if request == protocol.SET_VRING_ADDR:
        return struct.pack("=IIQQQQ", RX, 0, guest.rx.desc_uva,
                           guest.rx.used_uva, guest.rx.avail_uva, 0), []
    if request in FD:
        return struct.pack("=Q", RX), [guest.rx.call]
    if request in STATE:
        value = {protocol.SET_VRING_NUM: guest.size}.get(request, 0)
        return struct.pack("=II", RX, value), []
    if request in U64:
        value = {protocol.SET_FEATURES: guest.features,
                 protocol.SET_PROTOCOL_FEATURES: guest.protocol_features,
                 protocol.NET_SET_MTU: 1500}.get(request, 1)
        return struct.pack("=Q", value), []
    if request == protocol.SET_INFLIGHT_FD:
        # With no queues, librte_vhost ends the connection without asking us,
        # and closes nothing.
        return struct.pack("=QQHH", 4096, 0, 1, 1), []
    return b"", []


def variants(guest, request):
    """Messages that are not quite right."""
    payload, fds = valid(guest, request)
    fd = guest.rx.call
    for bad in b"", payload[:-1], payload + b"x", payload + bytes(400):
        yield bad, fds
    for bad in [], [fd], fds + [fd], [fd] * 8, [fd] * 9, [fd] * MANY:
        yield payload, bad
    if request in STATE | FD or request == protocol.SET_VRING_ADDR:
        for index in INDICES:
            yield struct.pack("=I", index) + payload[4:], fds


def sync(front_end):
    """Returns whether the back-end is still there, once it has read all."""
    try:
        front_end.send(protocol.GET_FEATURES)
        while front_end.receive()[0] != protocol.GET_FEATURES:
            pass
        return True
    except Closed:
        return False


def n_fds(bench):
    with open(os.path.join(bench.switch.run, "ovs-vswitchd.pid")) as f:
        return len(os.listdir("/proc/%s/fd" % f.read().strip()))


def each_message(bench, begin, *all_flags):
    """Sends all variants of all messages, with each of 'all_flags', to a
    back-end in the state in which 'begin' leaves it."""
    guest = bench.guest
    n = n_closed = 0
    before = n_fds(bench)
    begin()
    for request in range(protocol.N_REQUESTS):
        for payload, fds in variants(guest, request):
            for flags in all_flags:
                try:
                    guest.front_end.send(request, payload, fds, flags)
                except Closed:
                    pass
                n += 1
                if not sync(guest.front_end):
                    n_closed += 1
                    guest.disconnect()
                    begin()
        bench.switch.is_alive()
        guest.disconnect()
        wait_for("request %u to leak no file descriptors" % request,
                 lambda: n_fds(bench) <= before + SLACK)
        begin()
    guest.disconnect()
    print("%u messages, %u of which ended the connection, slowest answer "
          "%.0f ms" % (n, n_closed, bench.switch.slowest * 1e3))


def early_messages(bench):
    """Messages that are not quite right, as the first ones."""
    guest = bench.guest

    def begin():
        guest.front_end = FrontEnd(guest.path)
        if not sync(guest.front_end):
            guest.disconnect()
            begin()

    bench.start()
    guest.disconnect()
    each_message(bench, begin, 0, protocol.NEED_REPLY)
    recover(bench)


def late_messages(bench):
    """Messages that are not quite right, under load."""
    bench.start()
    bench.nic.start("rate=20000", "size=imix")
    bench.guest.__class__ = Careless
    bench.guest.disconnect()
    each_message(bench, bench.guest.start, protocol.NEED_REPLY)
    bench.guest.__class__ = Careless.__base__
    recover(bench)


# Memory tables.

def bad_tables(guest):
    """Memory tables that nobody can use, with their file descriptors."""
    regions = guest.memory.regions
    fds = guest.memory.fds()
    table = mem_table(regions)
    pipe = os.pipe()

    def changed(field, value):
        bad = bytearray(table)
        struct.pack_into("=Q", bad, 8 + 32 + 8 * field, value)
        return bytes(bad)

    yield table, fds[:1]
    yield table, []
    yield table, [pipe[0], pipe[1]]
    yield table, [guest.rx.kick, guest.rx.call]
    yield struct.pack("=II", 0, 0), []
    yield struct.pack("=II", 9, 0) + table[8:], fds
    yield struct.pack("=II", 0xffffffff, 0) + table[8:], fds
    yield changed(0, (1 << 64) - 4096), fds             # Address wraps.
    yield changed(1, 0), fds
    yield changed(1, 1 << 62), fds
    yield changed(1, (1 << 64) - 1), fds
    yield changed(3, 1 << 62), fds
    yield changed(3, (1 << 64) - 4096), fds
    yield changed(3, 1), fds
    yield changed(0, regions[0].gpa + 4096), fds        # Regions overlap.
    yield changed(2, regions[0].uva + 4096), fds
    for fd in pipe:
        os.close(fd)


def after_bad_table(guest):
    """What a front-end may do next."""
    fe = guest.front_end
    return (
        lambda: fe.vring_fd(protocol.SET_VRING_CALL, RX, guest.rx.call),
        lambda: fe.vring_fd(protocol.SET_VRING_KICK, RX, guest.rx.kick),
        lambda: fe.vring_fd(protocol.SET_VRING_KICK, TX, guest.tx.kick),
        lambda: fe.vring_addr(RX, guest.rx),
        lambda: fe.vring_addr(TX, guest.tx),
        lambda: fe.vring_state(protocol.SET_VRING_NUM, TX, 32768),
        lambda: fe.vring_state(protocol.SET_VRING_ENABLE, RX, 0),
        lambda: fe.vring_state(protocol.SET_VRING_ENABLE, RX, 1),
        lambda: fe.vring_state(protocol.SET_VRING_BASE, RX, 0),
        lambda: fe.get_vring_base(RX),
        lambda: guest.set_memory())


N_AFTER = 11


def failed_tables(bench):
    """A memory table that fails, and whatever follows."""
    guest = bench.guest
    bench.start()
    bench.nic.start("rate=20000", "size=imix")
    guest.__class__ = Careless
    before = n_fds(bench)
    n = n_closed = 0
    for payload, fds in bad_tables(guest):
        for i in range(N_AFTER):
            guest.front_end.ask(protocol.SET_MEM_TABLE, payload, fds,
                                protocol.NEED_REPLY)
            try:
                after_bad_table(guest)[i]()
                guest.poll()
            except Closed:
                pass
            n += 1
            if not sync(guest.front_end):
                n_closed += 1
                guest.restart()
            bench.switch.is_alive()
    guest.__class__ = Careless.__base__
    recover(bench)
    wait_for("no file descriptor to be left over",
             lambda: n_fds(bench) <= before + SLACK)
    print("%u messages after tables that failed, %u of which ended the "
          "connection" % (n, n_closed))


class Longer:
    """What somebody says of a region whose file is shorter."""

    def __init__(self, region):
        self.gpa = region.gpa
        self.uva = region.uva
        self.offset = region.offset
        self.size = 2 * region.size
        self.fd = region.fd


def long_region(bench):
    """Memory that is not there: whoever touches it is killed."""
    guest = bench.guest
    told = bench.switch.n_told("cannot use the guest's memory")
    for _ in range(3):
        guest.rx.reset()
        guest.forget()
        guest.connect()
        guest.set_memory([guest.memory.regions[0], Longer(guest.data)])
        for head in range(guest.size):
            guest.post(head)
            guest.rx.set_desc(head, guest.data.gpa + guest.data.size
                              + BUF_SIZE * head, BUF_SIZE)
        guest.rx.publish()
        guest.set_vring(RX)
        guest.set_vring(TX)
        bench.nic.start("rate=20000")
        guest.run(0.2)
        bench.switch.is_alive()
        check(not guest.times_used[0], "a buffer was used")
        guest.disconnect()
    wait_for("three lines in the log", lambda: bench.switch.n_told(
        "cannot use the guest's memory") == told + 3)
    recover(bench)


class Extra:
    """A region in file 'fd', behind all others."""

    def __init__(self, fd, size):
        self.gpa = self.uva = 1 << 42
        self.offset = 0
        self.size = size
        self.fd = fd


def is_refused(bench, extra, why):
    """A guest says that it has 'extra', too, and the log why it may not."""
    guest = bench.guest
    with bench.switch.tells(why):
        guest.__class__ = Careless
        guest.front_end.ask(protocol.SET_MEM_TABLE,
                            mem_table(guest.memory.regions + [extra]),
                            guest.memory.fds() + [extra.fd],
                            protocol.NEED_REPLY)
        if not sync(guest.front_end):
            guest.disconnect()
        guest.__class__ = Careless.__base__
    bench.switch.is_alive()
    recover(bench)


def foreign_memory(bench):
    """Memory that no guest on this machine can have, and such that whoever
    touches it may have to wait for a disk."""
    bench.start()
    disk = tempfile.TemporaryFile(dir=".")
    disk.truncate(1 << 21)
    sparse = os.memfd_create("sparse", os.MFD_CLOEXEC)
    os.ftruncate(sparse, 1 << 40)
    for why, extra in (("larger than guest-memory-max, or than this machine",
                        Extra(sparse, 1 << 40)),
                       ("neither on hugetlbfs nor on tmpfs",
                        Extra(disk.fileno(), 1 << 21))):
        is_refused(bench, extra, why)
    os.close(sparse)
    disk.close()


class Waiter(threading.Thread):
    """Another front-end, which asks all the time, and notes how long it has
    had to wait for an answer, in seconds."""

    def __init__(self, path):
        super().__init__(daemon=True)
        self.front_end = FrontEnd(path)
        self.longest = 0
        self.done = False
        self.start()

    def run(self):
        while not self.done:
            begin = time.monotonic()
            self.front_end.ask(protocol.GET_FEATURES)
            self.longest = max(self.longest, time.monotonic() - begin)
            time.sleep(0.001)

    def stop(self):
        self.done = True
        self.join()
        self.front_end.close()
        return self.longest


def large_memory(bench):
    """A guest says that it has a lot of memory, of which nothing was ever
    used, again and again.  Nobody has to wait for that, and none of it becomes
    present."""
    guest = bench.guest
    bench.start()
    free = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    size = min(LARGE, free // 2) & ~((2 << 20) - 1)
    sparse = os.memfd_create("sparse", os.MFD_CLOEXEC)
    os.ftruncate(sparse, size)
    large = guest.memory.regions + [Extra(sparse, size)]
    waiter = Waiter(os.path.join(bench.switch.run, "vm2"))
    longest = 0
    try:
        for regions in (large, guest.memory.regions) * 5:
            begin = time.monotonic()
            check(guest.set_memory(regions) == 0, "memory table refused")
            longest = max(longest, time.monotonic() - begin)
            bench.switch.is_alive()
    finally:
        waited = waiter.stop()
    print("with %u GiB: SET_MEM_TABLE within %.1f ms, another guest's "
          "messages within %.1f ms" % (size >> 30, 1e3 * longest, 1e3 * waited))
    check(waited < PATIENCE, "another guest had to wait")
    check(not os.fstat(sparse).st_blocks, "there are pages in the file")
    os.close(sparse)
    recover(bench)


def too_much_memory(bench):
    """A guest says that it has more than the port allows."""
    bench.start()
    sparse = os.memfd_create("sparse", os.MFD_CLOEXEC)
    os.ftruncate(sparse, LARGE)
    is_refused(bench, Extra(sparse, ALLOWED), "larger than guest-memory-max")
    os.close(sparse)


# Rings.

class Place:
    """Where somebody says that a ring is."""

    def __init__(self, desc, avail, used):
        self.desc_uva = desc
        self.avail_uva = avail
        self.used_uva = used


def bad_places(ring, region):
    end = region.uva + region.size
    good = ring.desc_uva, ring.avail_uva, ring.used_uva
    for i in range(3):
        for bad in (0, 1, good[i] + 1, good[i] + 2, end - 2, end - 64,
                    end, 1 << 63, (1 << 64) - 2, USER_BASE - 2):
            place = list(good)
            place[i] = bad
            yield Place(*place)
    yield Place(good[0], good[0], good[0])


def bad_rings(bench):
    """Live rings that are moved and resized to where they cannot be."""
    guest = bench.guest
    bench.start()
    bench.nic.start("rate=20000", "size=imix")
    guest.__class__ = Careless
    n = 0

    def attempt(action):
        try:
            action(guest.front_end)
            alive = sync(guest.front_end)
            guest.run(0.002)
        except Closed:
            alive = False
        bench.switch.is_alive()
        if not alive:
            guest.restart()
        return 1

    for index, ring in (RX, guest.rx), (TX, guest.tx):
        for place in bad_places(ring, guest.memory.regions[0]):
            n += attempt(lambda fe: fe.vring_addr(index, place))
        for size in 0, 1, 3, 32768, 65535, 65536, 1 << 31:
            n += attempt(lambda fe: fe.vring_state(protocol.SET_VRING_NUM,
                                                   index, size))
        for base in 1, 0x8000, 0xffff, 0x10000, 0xffffffff:
            n += attempt(lambda fe: fe.vring_state(protocol.SET_VRING_BASE,
                                                   index, base))
        guest.restart()
    guest.__class__ = Careless.__base__
    recover(bench)
    print("%u rings" % n)


def toggles(bench):
    """Rings are enabled and disabled as fast as can be, and stopped, and the
    device reset, again and again."""
    guest = bench.guest
    bench.start()
    bench.nic.start("rate=20000", "size=imix")
    begin = time.monotonic()
    n = 0
    while time.monotonic() < begin + 2:
        guest.front_end.vring_state(protocol.SET_VRING_ENABLE, n // 2 % 2,
                                    n % 2)
        n += 1
        if n % 16 == 0:
            sync(guest.front_end)
            guest.poll()
    print("%u changes per second" % (n / 2))
    for index in RX, TX, RX, RX, TX, 1, 0:
        guest.front_end.get_vring_base(index)
    for status in 0, 0xff, 0:
        guest.front_end.u64(protocol.SET_STATUS, status)
    for _ in range(3):
        guest.front_end.send(protocol.RESET_OWNER)
        check(sync(guest.front_end), "the connection was closed")
        bench.switch.is_alive()
    recover(bench)


def second_front_end(bench):
    """Another front-end is refused, and one that says half of what it means
    disturbs nobody's packets."""
    guest = bench.guest
    bench.start()
    for _ in range(20):
        other = FrontEnd(guest.path)
        check(not sync(other), "it was let in")
        other.close()
        bench.exact(0.01)
    bench.load()
    guest.front_end.raw(protocol.HEADER.pack(protocol.SET_VRING_NUM,
                                             protocol.VERSION, 8))
    guest.receive(10000)
    bench.switch.is_alive()
    guest.front_end.raw(struct.pack("=II", 99, 0))
    recover(bench)


def storm(bench):
    """Front-ends that come and go faster than anybody can take note."""
    bench.start()
    bench.guest.disconnect()
    before = n_fds(bench)
    for i in range(500):
        other = FrontEnd(bench.guest.path)
        try:
            if i % 2:
                other.send(protocol.SET_OWNER)
            if i % 3:
                other.send(protocol.SET_MEM_TABLE, b"", [0], size=9)
        except Closed:
            pass
        other.close()
    recover(bench)
    bench.guest.disconnect()
    wait_for("no file descriptor to be left over",
             lambda: n_fds(bench) <= before + SLACK)


def random_message(guest, rng):
    request = rng.choice((protocol.SET_MEM_TABLE, protocol.SET_VRING_NUM,
                          protocol.SET_VRING_ADDR, protocol.SET_VRING_BASE,
                          protocol.GET_VRING_BASE, protocol.SET_VRING_KICK,
                          protocol.SET_VRING_CALL, protocol.SET_FEATURES,
                          protocol.SET_VRING_ENABLE, protocol.RESET_OWNER,
                          protocol.SET_STATUS, protocol.SEND_RARP,
                          rng.randrange(protocol.N_REQUESTS)))
    payload, fds = valid(guest, request)
    payload = bytearray(payload)
    if payload and rng.random() < 0.7:
        if request not in (protocol.SET_MEM_TABLE, protocol.SET_LOG_BASE):
            payload[0] = rng.randrange(3)
        if rng.random() < 0.3:
            payload[4 + rng.randrange(len(payload) - 4)] ^= rng.randrange(256)
    if request == protocol.SET_MEM_TABLE:
        # A region that is larger than its file would be the end.
        payload = mem_table(guest.memory.regions[:rng.randrange(3)])
        fds = fds[:rng.randrange(3)]
    return request, bytes(payload), fds


def random_messages(bench):
    """Random messages in random order, under load."""
    rng = random.Random(random.random())
    guest = bench.guest
    bench.start()
    bench.nic.start("rate=20000", "size=imix")
    guest.__class__ = Careless
    end = time.monotonic() + 6
    n = n_closed = 0
    while time.monotonic() < end:
        request, payload, fds = random_message(guest, rng)
        try:
            guest.front_end.send(request, payload, fds,
                                 rng.choice((0, protocol.NEED_REPLY)))
        except Closed:
            pass
        n += 1
        if n % 8 == 0 and not sync(guest.front_end):
            n_closed += 1
            guest.restart()
        guest.poll()
        if n % 100 == 0:
            bench.switch.is_alive()
    guest.__class__ = Careless.__base__
    recover(bench)
    print("%u messages, %u connections" % (n, n_closed + 1))


CASES = (early_messages, late_messages, failed_tables, foreign_memory,
         long_region, large_memory, too_much_memory, bad_rings, toggles,
         second_front_end, storm, random_messages)
