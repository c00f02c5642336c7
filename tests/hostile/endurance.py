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

"""What takes long: the environment's HOSTILE_SECONDS says how long (5)."""

import os
import random
import signal
import struct
import time

import frame
import protocol
from bench import DELIVERED
from guest import BUF_SIZE, Guest, HDR_LEN, RX, TX, check
from migration import Log
from rings import Careless, recover

SECONDS = float(os.environ.get("HOSTILE_SECONDS", "5"))

# Few buffers, so that each of them is rewritten often.
FEW_BUFFERS = 64

# What of frames is rewritten to what: lengths and types of Ethernet, VLAN
# tags, IPv4, IPv6, UDP, TCP, and tunnels in UDP.
TYPES = 0x0800, 0x86dd, 0x8100, 0x88a8, 0x0806, 0x8847, 0x894f, 0x0000
PROTOCOLS = 6, 17, 1, 47, 132, 0, 44, 50, 51, 58, 60
REWRITES = (
    [(12, struct.pack("!H", t)) for t in TYPES]
    + [(16, struct.pack("!H", t)) for t in TYPES]
    + [(14, bytes([b])) for b in (0x45, 0x46, 0x4f, 0x40, 0x60, 0x00, 0xff)]
    + [(16, struct.pack("!H", n)) for n in (0, 1, 19, 20, 28, 9000, 0xffff)]
    + [(20, struct.pack("!H", n)) for n in (0, 0x2000, 0x1fff, 0x4000)]
    + [(23, bytes([p])) for p in PROTOCOLS]
    + [(20, bytes([p])) for p in PROTOCOLS]
    + [(36, struct.pack("!H", n)) for n in (9, 4789, 6081, 2152, 4790)]
    + [(38, struct.pack("!H", n)) for n in (0, 7, 8, 16, 0xffff)]
    + [(46, bytes([b])) for b in (0x00, 0x40, 0x50, 0xf0, 0x10)]
    + [(42, bytes([b])) for b in (0x08, 0x00, 0x3f, 0x01, 0xff)]
    + [(43, bytes([b])) for b in (0x00, 0x40, 0xff)]
    + [(42, bytes.fromhex(header)) for header in (
        "0800000000000700",     # VXLAN, VNI 7.
        "0000655800000700",     # Geneve, of Ethernet, VNI 7.
        "0200655800000700")]    # The same with options.
    + [(62, struct.pack("!H", t)) for t in TYPES]
    + [(64, bytes([b])) for b in (0x45, 0x4f, 0x60, 0x00)])

# What the NIC sends meanwhile: to the guest, to nobody, and to the two tunnels
# of the switch, whose addresses these are.
HERE = "dst=02:00:00:00:00:0a", "dip=10.1.0.1"
SOURCES = (
    ("size=imix",),
    ("size=68,594", "vlan=7"),
    ("size=imix", "dport=9"),
    ("size=imix", "dport=4789") + HERE,
    ("size=imix", "dport=6081") + HERE,
)


def rewrite(guest):
    """Rewrites frames in the guest's buffers until it is killed."""
    rng = random.Random(random.random())
    memory = guest.data.map
    while True:
        ofs, data = rng.choice(REWRITES)
        begin = rng.randrange(guest.size) * BUF_SIZE + HDR_LEN + ofs
        memory[begin:begin + len(data)] = data


def start_rewriting(guest):
    """Returns the process that does it."""
    pid = os.fork()
    if not pid:
        try:
            rewrite(guest)
        finally:
            os._exit(1)
    return pid


def rewriting(bench):
    """A guest rewrites frames while Open vSwitch looks at them."""
    guest = bench.new_guest(size=FEW_BUFFERS)
    guest.__class__ = Careless
    guest.start()
    pid = start_rewriting(guest)
    n = 0
    try:
        end = time.monotonic() + SECONDS
        while time.monotonic() < end:
            source = SOURCES[n % len(SOURCES)]
            bench.nic.start("rate=50000", "flows=64", "wait=1", *source)
            guest.run(0.5)
            bench.nic.stop()
            bench.switch.is_alive()
            n += 1
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    print("%u frames" % bench.switch.number("vm0", DELIVERED))
    bench.new_guest()
    recover(bench)


class Flapper:
    """A front-end that cannot make up its mind."""

    def __init__(self, bench):
        self.bench = bench
        self.guest = bench.guest
        self.log = Log(bench.guest.memory)
        self.logging = False
        self.rng = random.Random(random.random())

    def index(self):
        return self.rng.choice((RX, TX))

    def disable(self):
        self.guest.front_end.vring_state(protocol.SET_VRING_ENABLE,
                                         self.index(), 0)

    def enable(self):
        for index in RX, TX:
            self.guest.front_end.vring_state(protocol.SET_VRING_ENABLE,
                                             index, 1)

    def interrupt(self):
        ring = self.guest.rx
        request, fd = self.rng.choice((
            (protocol.SET_VRING_CALL, ring.call),
            (protocol.SET_VRING_CALL, None),
            (protocol.SET_VRING_KICK, ring.kick)))
        self.guest.front_end.vring_fd(request, self.index(), fd)

    def restart(self):
        index = self.index()
        base = self.guest.front_end.get_vring_base(index)
        self.guest.set_vring(index, base)

    def move(self):
        self.guest.front_end.vring_addr(RX, self.guest.rx)

    def log_writes(self):
        self.logging = not self.logging
        self.guest.front_end.ask(
            protocol.SET_LOG_BASE,
            struct.pack("=QQ", self.log.size, 0), [self.log.fd])
        self.guest.front_end.u64(
            protocol.SET_FEATURES, self.guest.features
            | (protocol.F_LOG_ALL if self.logging else 0))

    def memory(self):
        regions = self.guest.memory.regions
        check(self.guest.set_memory(list(reversed(regions))) == 0,
              "memory table refused")
        check(self.guest.set_memory(regions) == 0, "memory table refused")

    def reconnect(self):
        self.guest.restart()
        self.logging = False

    def step(self):
        action, = self.rng.choices(
            (self.disable, self.enable, self.interrupt, self.move,
             self.restart, self.log_writes, self.memory, self.reconnect),
            (100, 100, 100, 20, 10, 5, 2, 1))
        action()


def flapping(bench):
    """A front-end changes its mind up to 1000 times a second."""
    guest = bench.guest
    guest.protocol_features |= protocol.PROTOCOL_LOG_SHMFD
    bench.start()
    guest.__class__ = Careless
    bench.nic.start("rate=20000", "size=imix", "flows=16")
    flapper = Flapper(bench)
    begin = time.monotonic()
    n = 0
    while time.monotonic() < begin + SECONDS:
        flapper.step()
        guest.poll()
        n += 1
        if n % 50 == 0:
            guest.front_end.ask(protocol.GET_FEATURES)
        time.sleep(max(0, begin + n / 1000 - time.monotonic()))
    print("%u changes per second" % (n / SECONDS))
    flapper.log.close()
    guest.__class__ = Guest
    bench.nic.stop()
    guest.disconnect()
    found = guest.memory.find(frame.mark(bench.nic.stream))
    check(found, "no frame has ever come")
    recover(bench)


CASES = rewriting, flapping
