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


"""Cases: transmit rings that are wrong, while frames come in all the time.
The switch must notice, say so once, go on without that ring, and take the
guest again that comes with a new one."""

import re
import struct

import protocol
from guest import BUF_SIZE, HDR_LEN, RINGS_GPA, TX_OFS, check, wait_for
from ring import F_INDIRECT, F_NEXT, F_WRITE
from rings import ADDRESS, HEAD, INDIRECT, JUMP, LOOP, NEXT
from shrink import LOST

WRITE = "transmit buffer has the device-writable flag"

GPA = RINGS_GPA + TX_OFS        # Of a frame that may be sent.
LEN = HDR_LEN + 60

# Where an indirect table lies, in the region of the rings.
TABLE = 1 << 19

LOAD = ("rate=20000", "size=64", "wait=1")


def tx_broken(bench):
    """Returns why the transmit ring is broken, or None."""
    found = re.search(r"transmit queue 0: [^\n]*\n    broken: (.*)",
                      bench.switch.show("vm0"))
    return found and found.group(1)


def n_received(bench):
    return bench.switch.number("vm0", r"received: (\d+)")


def check_sends(bench):
    """Sends two frames, which must come."""
    before = n_received(bench)
    bench.guest.transmit(bytes(60))
    bench.guest.transmit(bytes(1514))
    check(n_received(bench) == before + 2, "frames do not come")


def broken_by(bench, name, spoil, text):
    guest = bench.guest
    check_sends(bench)
    told = bench.switch.n_told(text)
    sent = n_received(bench)
    spoil(guest)

    def is_broken():
        guest.poll()
        return tx_broken(bench)

    wait_for("%s: to be found broken" % name, is_broken)
    check(tx_broken(bench) == text,
          "%s: broken because: %s" % (name, tx_broken(bench)))
    wait_for("%s: a line in the log" % name,
             lambda: bench.switch.n_told(text) > told)
    bench.switch.is_alive()
    guest.receive(100)
    check(n_received(bench) == sent, "%s: it sends" % name)
    guest.restart()
    check_sends(bench)
    told = bench.switch.n_told(text) - told
    check(told == 1, "%s: in the log %u times" % (name, told))


def all_broken(bench, spoilers):
    bench.start()
    bench.pour(*LOAD)
    for spoil, text in spoilers:
        broken_by(bench, spoil.__name__, spoil, text)
    bench.nic.stop()
    print("%u rings broken, slowest answer %.0f ms"
          % (len(spoilers), bench.switch.slowest * 1e3))


def post(guest, head=0):
    guest.tx.make_available(head)
    guest.tx.publish()


def post_desc(guest, gpa, length, flags=0, next_=0):
    guest.tx.set_desc(0, gpa, length, flags, next_)
    post(guest)


def await_all(guest):
    """Receives until all that was to be sent is taken."""
    guest.run_until("buffers to be taken", lambda: (
        guest.tx.used_idx() == guest.tx.avail_idx))


# Indices and heads.

def jump(guest):
    guest.tx.set_avail_idx(guest.tx.avail_idx + guest.size + 1 & 0xffff)


def backwards(guest):
    guest.tx.set_avail_idx(guest.tx.avail_idx - 1 & 0xffff)


def head_beyond(guest):
    post(guest, guest.size)


def head_far_beyond(guest):
    post(guest, 0xffff)


# Descriptors.

def writable(guest):
    post_desc(guest, GPA, LEN, F_WRITE)


def writable_end(guest):
    guest.tx.set_desc(1, GPA, LEN, F_WRITE)
    post_desc(guest, GPA, LEN, F_NEXT, 1)


def loop_of_one(guest):
    post_desc(guest, GPA, LEN, F_NEXT, 0)


def loop_of_two(guest):
    guest.tx.set_desc(1, GPA, LEN, F_NEXT, 0)
    post_desc(guest, GPA, LEN, F_NEXT, 1)


def loop_of_nothing(guest):
    post_desc(guest, GPA, 0, F_NEXT, 0)


def next_beyond(guest):
    post_desc(guest, GPA, LEN, F_NEXT, guest.size)


def nowhere(guest):
    post_desc(guest, 1 << 60, LEN)


def in_hole(guest):
    post_desc(guest, 1 << 31, LEN)


def wraps(guest):
    post_desc(guest, (1 << 64) - 64, LEN)


def one_byte_over(guest):
    post_desc(guest, guest.data.gpa + guest.data.size - LEN + 1, LEN)


def four_gib(guest):
    post_desc(guest, GPA, 0xffffffff)


# Indirect tables.  (The guest did not ask for them.)

def table(guest):
    post_desc(guest, RINGS_GPA + TABLE, 16, F_INDIRECT)


def table_of_4_gib(guest):
    post_desc(guest, RINGS_GPA + TABLE, 0xfffffff0, F_INDIRECT)


def table_behind_frame(guest):
    guest.tx.set_desc(1, RINGS_GPA + TABLE, 16, F_INDIRECT)
    post_desc(guest, GPA, LEN, F_NEXT, 1)


def bad_sending(bench):
    """Indices, heads and descriptors of a transmit ring that are
    impossible."""
    all_broken(bench, (
        (jump, JUMP), (backwards, JUMP),
        (head_beyond, HEAD), (head_far_beyond, HEAD),
        (writable, WRITE), (writable_end, WRITE),
        (loop_of_one, LOOP), (loop_of_two, LOOP), (loop_of_nothing, LOOP),
        (next_beyond, NEXT),
        (nowhere, ADDRESS), (in_hole, ADDRESS), (wraps, ADDRESS),
        (one_byte_over, ADDRESS), (four_gib, ADDRESS),
        (table, INDIRECT), (table_of_4_gib, INDIRECT),
        (table_behind_frame, INDIRECT)))


def odd_sending(bench):
    """Buffers of a transmit ring that are of no use, or that are much work,
    but not wrong: without a frame, longer than any frame, in a thousand pieces
    of a byte each."""
    guest = bench.guest
    bench.start()
    bench.pour(*LOAD)
    check_sends(bench)
    sent = n_received(bench)
    for gpa, length in ((GPA, 0), (GPA, 1), (GPA, HDR_LEN - 1), (GPA, HDR_LEN),
                        (1 << 60, 0), (guest.data.gpa, HDR_LEN + 9000),
                        (guest.data.gpa, guest.data.size)):
        post_desc(guest, gpa, length)
        await_all(guest)
        guest.transmit(bytes(60))
    check(n_received(bench) == sent + 7, "%u frames of 7 have come"
          % (n_received(bench) - sent))

    # One chain is as long as the ring, and each head of it is posted.
    for i in range(guest.size):
        guest.tx.set_desc(i, GPA, 1, F_NEXT if i < guest.size - 1 else 0,
                          i + 1)
    for _ in range(10):
        for _ in range(guest.size // 2):
            guest.tx.make_available(0)
        guest.tx.publish()
        await_all(guest)
        bench.switch.is_alive()
    check(n_received(bench) == sent + 7 + 5 * guest.size,
          "%u chains have come" % (n_received(bench) - sent - 7))
    check(tx_broken(bench) is None, "broken because: %s" % tx_broken(bench))
    guest.receive(1000)
    bench.nic.stop()
    print("slowest answer %.0f ms" % (bench.switch.slowest * 1e3))


def udp(version, offset, byte):
    """Returns a frame of UDP over IP of 'version', and where UDP begins.  The
    byte at 'offset' of the IP header is 'byte'."""
    if version == 4:
        ip = bytearray(struct.pack("!BBHHHBBH", 0x45, 0, 86, 0, 0, 64, 17, 0)
                       + bytes(8))
    else:
        ip = bytearray(struct.pack("!IHBB", 6 << 28, 46, 17, 64) + bytes(32))
    if offset is not None:
        ip[offset] = byte
    head = bytes(12) + struct.pack("!H", 0x800 if version == 4 else 0x86dd)
    head += bytes(ip)
    return head + bytes(range(1, 101 - len(head))), len(head)


def odd_asking(bench):
    """Checksums that are asked for in frames in which Open vSwitch finds no
    UDP header: they end before it, say that they do not end, are fragments,
    or are of another version."""
    guest = bench.guest
    guest.features |= protocol.F_CSUM
    bench.start()
    bench.pour(*LOAD)
    check_sends(bench)
    sent = n_received(bench)
    odd = ((4, None, 0), (6, None, 0),
           (4, 0, 0x65), (4, 2, 1), (4, 3, 0), (4, 3, 27), (4, 6, 0x20),
           (4, 7, 1), (6, 0, 0x45), (6, 4, 1), (6, 5, 0), (6, 5, 7))
    for how in odd:
        data, start = udp(*how)
        guest.transmit(data, struct.pack("<BBHHHHH", 1, 0, 0, 0, start, 6, 0))
        bench.switch.is_alive()
    check(n_received(bench) == sent + len(odd), "%u frames of %u have come"
          % (n_received(bench) - sent, len(odd)))
    check(tx_broken(bench) is None, "broken because: %s" % tx_broken(bench))
    guest.receive(1000)
    bench.nic.stop()


def shrinking_sending(bench):
    """What is to be sent vanishes."""
    bench.start()
    guest = bench.guest
    check_sends(bench)
    sent = n_received(bench)
    told = bench.switch.n_told(LOST)
    guest.tx.set_desc(0, guest.data.gpa + BUF_SIZE, LEN, 0)
    guest.memory.regions[1].truncate()
    post(guest)
    wait_for("the switch to notice", lambda: tx_broken(bench))
    check(tx_broken(bench) == LOST, "broken: %s" % tx_broken(bench))
    wait_for("a line in the log", lambda: bench.switch.n_told(LOST) > told)
    check(n_received(bench) == sent, "what has vanished was sent")
    bench.switch.is_alive()
    bench.new_guest()
    bench.start()
    check_sends(bench)


CASES = (bad_sending, odd_sending, odd_asking, shrinking_sending)
