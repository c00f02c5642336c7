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


"""Cases: a guest flips a byte of the frames in its buffers, all the time,
while conntrack looks at them.

Each of them ended a switch that let conntrack read guest memory, within some
seconds.
"""

import array
import os
import socket
import struct
import tempfile
import time

from bench import DELIVERED
from guest import BUF_SIZE, HDR_LEN, MASK16, check
from rings import Careless, recover

SECONDS = float(os.environ.get("HOSTILE_SECONDS", "4"))
RATE = "rate=300000"

ETH = bytes.fromhex("020000000002020000000001")
IPV4, IPV6 = 0x0800, 0x86dd
ICMP, UDP, FRAGMENT, NO_NEXT = 1, 17, 44, 59
A, B = "10.0.0.1", "10.0.0.2"


def checksum(data):
    total = sum(struct.unpack("!%uH" % (len(data) // 2), data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def ethernet(ethertype, payload):
    return ETH + struct.pack("!H", ethertype) + payload


def ipv4(proto, payload, src=A, dst=B):
    header = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(payload), 1,
                         0x4000, 64, proto, 0, socket.inet_aton(src),
                         socket.inet_aton(dst))
    return (header[:10] + struct.pack("!H", checksum(header)) + header[12:]
            + payload)


def icmp(kind, code, body):
    data = struct.pack("!BBH", kind, code, 0) + body
    return data[:2] + struct.pack("!H", checksum(data)) + data[4:]


def udp(sport, dport):
    return struct.pack("!HHHH", sport, dport, 8 + 18, 0) + bytes(18)


def ping():
    return ethernet(IPV4, ipv4(ICMP, icmp(8, 0, struct.pack("!HH", 1, 1)
                                          + bytes(56))))


def ipv6_fragment():
    payload = struct.pack("!BBHI", UDP, 0, 64, 0x1234) + bytes(16)
    return ethernet(IPV6, struct.pack("!IHBB", 6 << 28, len(payload),
                                      FRAGMENT, 64)
                    + socket.inet_pton(socket.AF_INET6, "fd00::1")
                    + socket.inet_pton(socket.AF_INET6, "fd00::2") + payload)


def icmp_error():
    """About an answer to what request() sends."""
    inner = ipv4(UDP, udp(2000, 1000), src=B, dst=A)[:28]
    return ethernet(IPV4, ipv4(ICMP, icmp(3, 3, bytes(4) + inner)))


def request():
    return ethernet(IPV4, ipv4(UDP, udp(1000, 2000)))


def write_pcap(frames):
    """Returns the name of a capture of 'frames'."""
    fd, name = tempfile.mkstemp(suffix=".pcap", dir=os.getcwd())
    with os.fdopen(fd, "wb") as pcap:
        pcap.write(struct.pack("=IHHiIII", 0xa1b2c3d4, 2, 4, 0, 0, 65535, 1))
        for data in frames:
            pcap.write(struct.pack("=IIII", 0, 0, len(data), len(data)) + data)
    return name


def recycle(ring):
    """Makes available again what was used, fast."""
    mask = ring.size - 1
    n = (ring.used_idx() - ring.seen) & MASK16
    while n:
        used, avail = ring.seen & mask, ring.avail_idx & mask
        k = min(n, ring.size - used, ring.size - avail)
        src = ring.used // 4 + 1 + used * 2
        dst = ring.avail // 2 + 2 + avail
        ring.region.u16[dst:dst + k] = array.array(
            "H", ring.region.u32[src:src + 2 * k:2])
        ring.seen = (ring.seen + k) & MASK16
        ring.avail_idx = (ring.avail_idx + k) & MASK16
        n -= k
    ring.publish()


def flip(bench, frames, ofs, values):
    """While 'frames' come, has byte 'ofs' of each be one of 'values', then the
    other."""
    guest = bench.new_guest()
    guest.__class__ = Careless
    guest.start()
    where = slice(HDR_LEN + ofs, None, BUF_SIZE)
    a, b = (bytes([value]) * guest.size for value in values)
    pcap = write_pcap(frames)
    before = bench.switch.number("vm0", DELIVERED)
    n = 0
    try:
        bench.nic.start(RATE, "pcap=" + pcap)
        end = time.monotonic() + SECONDS
        while time.monotonic() < end:
            for _ in range(4):
                guest.data.map[where] = a
                guest.data.map[where] = b
            recycle(guest.rx)
            n += 4
        bench.nic.stop()
        bench.switch.is_alive()
    finally:
        os.unlink(pcap)
    came = bench.switch.number("vm0", DELIVERED) - before
    print("%u frames, flipped %u times" % (came, n))
    check(came > 1000 * SECONDS, "only %u frames came" % came)

    # Reassembly may still have some of these frames for the next guest, and
    # what NAT has changed is not in place.
    bench.new_guest().__class__ = Careless
    bench.delivered = DELIVERED
    recover(bench)


def flip_icmp(bench):
    """The type of a ping."""
    flip(bench, [ping()], 34, (8, 255))


def flip_fragment(bench):
    """Whether an IPv6 packet is a fragment."""
    flip(bench, [ipv6_fragment()], 20, (FRAGMENT, NO_NEXT))


def flip_nat(bench):
    """The length of the header that an ICMP error is about."""
    flip(bench, [request(), icmp_error()], 42, (0x45, 0x4f))


CASES = (flip_icmp, flip_fragment, flip_nat)
