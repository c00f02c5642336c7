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

"""Cases: rings that are wrong.  Each breaks the receive ring of a guest that
is well, under load; the switch must notice, say so once, go on without that
ring, and take the guest again that comes with a new one."""

import os
import random
import time

import protocol
from bench import DELIVERED, EASY_LOAD
from guest import BUF_SIZE, PATIENCE, Guest, check, wait_for
from ring import F_INDIRECT, F_NEXT, F_WRITE

JUMP = "available index moved by more than the size of the ring"
HEAD = "available ring names a descriptor beyond the table"
BUSY = "available ring names a buffer that was not given back"
NEXT = "descriptor chains to one beyond the table"
LOOP = "descriptor chain is longer than the ring"
READ = "receive buffer lacks the device-writable flag"
ZERO = "receive buffer of length zero"
ADDRESS = "descriptor points outside of guest memory"
INDIRECT = "malformed indirect descriptor"

# How long other queues may have to wait for a burst.
PATIENCE_US = 100
SECONDS = float(os.environ.get("HOSTILE_SECONDS", "3"))

# Where an indirect table can lie, in the region of the rings.
TABLE = 1 << 19


def recover(bench):
    """A new ring is as good as any."""
    bench.nic.stop()
    bench.guest.restart()
    bench.warm()
    check(not bench.switch.broken("vm0"), "the new ring is broken")


def broken_by(bench, name, text, spoil, every):
    """Has 'spoil' post something wrong in place of a buffer that came back, or
    of 'every' one.  What no NIC can be lent is looked at only to copy into it,
    so a single one would not be noticed as long as all is well."""
    guest = bench.guest
    bench.load()
    told = bench.switch.n_told(text)

    # What is impossible must not become possible while it is written, as it
    # would if more buffers came back than this guest has looked at.
    head = bench.last_frame()
    spoil(guest, head)
    bench.nic.start(*EASY_LOAD)

    def is_broken():
        if every:
            for head in guest.harvest():
                spoil(guest, head)
        else:
            guest.poll()
        return bench.switch.broken("vm0")

    wait_for("%s: to be found broken" % name, is_broken)
    bench.switch.is_alive()
    broken = bench.switch.broken("vm0")
    check(broken == text, "%s: broken because: %s" % (name, broken))
    wait_for("%s: a line in the log" % name,
             lambda: bench.switch.n_told(text) > told)
    recover(bench)
    told = bench.switch.n_told(text) - told
    check(told == 1, "%s: in the log %u times" % (name, told))


def all_broken(bench, spoilers, every=False):
    bench.start()
    for spoil, text in spoilers:
        broken_by(bench, spoil.__name__, text, spoil, every)
    print("%u rings broken, slowest answer %.0f ms"
          % (len(spoilers), bench.switch.slowest * 1e3))


def post_desc(guest, head, gpa, length, flags=F_WRITE, next_=0):
    guest.rx.set_desc(head, gpa, length, flags, next_)
    post(guest, head)


def post(guest, head):
    guest.rx.make_available(head)
    guest.rx.publish()


# Indices and heads.

def move(guest, n):
    guest.rx.avail_idx = guest.rx.avail_idx + n & 0xffff
    guest.rx.publish()


def jump(guest, _):
    move(guest, guest.size + 1)


def jump_far(guest, _):
    move(guest, 0x8000)


def backwards(guest, _):
    """Further than what the switch may not have seen yet."""
    move(guest, -guest.size // 2)


def head_beyond(guest, _):
    post(guest, guest.size)


def head_far_beyond(guest, _):
    post(guest, 0xffff)


def head_twice(guest, head):
    guest.posted[head] = 1
    guest.rx.make_available(head)
    post(guest, head)


def head_of_nic(guest, _):
    """One that was posted half a round ago, and not again since: the switch
    looks at what is posted now long before that buffer comes back."""
    since = set()
    for ago in range(guest.size):
        head = guest.rx.made_available(ago)
        if ago >= guest.size // 2 and head not in since:
            break
        since.add(head)
    check(guest.posted[head], "buffer %u is not posted" % head)
    post(guest, head)


# Descriptors.

def loop_of_one(guest, head):
    post_desc(guest, head, guest.buf_gpa(head), 64, F_WRITE | F_NEXT, head)


def loop_of_two(guest, head):
    other = head ^ 1
    guest.rx.set_desc(other, guest.buf_gpa(other), 64, F_WRITE | F_NEXT, head)
    post_desc(guest, head, guest.buf_gpa(head), 64, F_WRITE | F_NEXT, other)


def next_beyond(guest, head):
    post_desc(guest, head, guest.buf_gpa(head), 64, F_WRITE | F_NEXT,
              guest.size)


def read_only(guest, head):
    post_desc(guest, head, guest.buf_gpa(head), BUF_SIZE, 0)


def read_only_end(guest, head):
    other = head ^ 1
    guest.rx.set_desc(other, guest.buf_gpa(other), BUF_SIZE, 0)
    post_desc(guest, head, guest.buf_gpa(head), 64, F_WRITE | F_NEXT, other)


def empty(guest, head):
    post_desc(guest, head, guest.buf_gpa(head), 0)


def empty_nowhere(guest, head):
    post_desc(guest, head, 1 << 60, 0)


def nowhere(guest, head):
    post_desc(guest, head, 1 << 60, BUF_SIZE)


def in_hole(guest, head):
    post_desc(guest, head, 1 << 31, BUF_SIZE)


def wraps(guest, head):
    post_desc(guest, head, (1 << 64) - 64, BUF_SIZE)


def over_the_end(guest, head):
    post_desc(guest, head, guest.data.gpa + guest.data.size - 64, BUF_SIZE)


def one_byte_over(guest, head):
    post_desc(guest, head,
              guest.data.gpa + guest.data.size - BUF_SIZE + 1, BUF_SIZE)


def huge(guest, head):
    post_desc(guest, head, guest.buf_gpa(head), 0xffffffff)


def indirect(guest, head, length=32, gpa=TABLE, flags=F_INDIRECT,
             table=((64, F_WRITE | F_NEXT, 1), (1536, F_WRITE, 0))):
    at = TABLE
    for size, desc_flags, next_ in table:
        region = guest.memory.regions[0]
        region.u64[at // 8] = guest.buf_gpa(head)
        region.u32[at // 4 + 2] = size
        region.u16[at // 2 + 6] = desc_flags
        region.u16[at // 2 + 7] = next_
        at += 16
    post_desc(guest, head, gpa, length, flags)


def not_agreed_on(guest, head):
    indirect(guest, head)


def table_empty(guest, head):
    indirect(guest, head, length=0)


def table_odd(guest, head):
    indirect(guest, head, length=33)


def table_long(guest, head):
    indirect(guest, head, length=(guest.size + 1) * 16)


def table_and_next(guest, head):
    indirect(guest, head, flags=F_INDIRECT | F_NEXT)


def table_nowhere(guest, head):
    indirect(guest, head, gpa=1 << 60)


def table_over_the_end(guest, head):
    indirect(guest, head, gpa=guest.memory.regions[0].size - 16)


def table_nested(guest, head):
    indirect(guest, head, table=((64, F_WRITE | F_NEXT, 1),
                                 (32, F_INDIRECT, 0)))


def table_next_beyond(guest, head):
    indirect(guest, head, table=((64, F_WRITE | F_NEXT, 2),))


def table_loop(guest, head):
    indirect(guest, head, table=((64, F_WRITE | F_NEXT, 1),
                                 (64, F_WRITE | F_NEXT, 0)))


def bad_indices(bench):
    """Impossible indices and heads in the available ring."""
    all_broken(bench, [(jump, JUMP), (jump_far, JUMP), (backwards, JUMP),
                       (head_beyond, HEAD), (head_far_beyond, HEAD),
                       (head_twice, BUSY), (head_of_nic, BUSY)])


def bad_descriptors(bench):
    """Impossible descriptors."""
    all_broken(bench, [(read_only, READ), (empty, ZERO),
                       (empty_nowhere, ZERO), (nowhere, ADDRESS),
                       (in_hole, ADDRESS), (wraps, ADDRESS),
                       (over_the_end, ADDRESS), (one_byte_over, ADDRESS),
                       (huge, ADDRESS)], every=True)


def bad_chains(bench):
    """Impossible chains, for a port that copies."""
    bench.delivered = DELIVERED
    all_broken(bench, [(loop_of_one, LOOP), (loop_of_two, LOOP),
                       (next_beyond, NEXT), (read_only_end, READ),
                       (not_agreed_on, INDIRECT)])


def bad_tables(bench):
    """Impossible indirect tables, for a port that copies."""
    bench.delivered = DELIVERED
    bench.guest.features |= protocol.F_INDIRECT
    all_broken(bench, [(table_empty, INDIRECT), (table_odd, INDIRECT),
                       (table_long, INDIRECT), (table_and_next, INDIRECT),
                       (table_nowhere, INDIRECT),
                       (table_over_the_end, INDIRECT),
                       (table_nested, INDIRECT),
                       (table_next_beyond, INDIRECT), (table_loop, LOOP)])


# What is not forbidden, or not always noticed.

class Careless(Guest):
    """Looks at nothing that comes."""

    def take(self, head, length):
        self.posted[head % self.size] = 0

    def harvest(self, most=256):
        return [head % self.size for head in super().harvest(most)]


def survive(bench, name, seconds, mischief):
    """Repeats 'mischief', each time with a new ring, under load."""
    Guest_ = type(bench.guest)
    bench.guest.__class__ = Careless
    end = time.monotonic() + seconds
    n = 0
    while time.monotonic() < end:
        bench.nic.start("rate=50000", "size=imix")
        mischief(bench.guest)
        bench.switch.is_alive()
        bench.guest.restart()
        n += 1
    bench.guest.__class__ = Guest_
    recover(bench)
    print("%s: %u times" % (name, n))


def overlapping(guest):
    """Buffers that overlap each other, and the rings."""
    for head in range(guest.size):
        guest.rx.set_desc(head, random.choice((0, guest.rx.avail,
                                               guest.rx.used, guest.tx.desc,
                                               guest.data.gpa + head * 8)),
                          BUF_SIZE)
    guest.run(0.3)


def rewritten(guest):
    """Descriptors that change all the time."""
    end = time.monotonic() + 0.3
    while time.monotonic() < end:
        for _ in range(100):
            guest.rx.set_desc(random.randrange(guest.size),
                              random.choice((guest.data.gpa, 1 << 60, 0)),
                              random.choice((0, 1, 60, BUF_SIZE, 1 << 31)),
                              random.randrange(8),
                              random.randrange(guest.size + 1))
        guest.poll()


def random_rings(guest):
    """Rings full of anything."""
    region = guest.memory.regions[0]
    for _ in range(30):
        begin = random.choice((guest.rx.desc, guest.rx.avail, guest.rx.used,
                               guest.tx.desc, guest.tx.avail, guest.tx.used))
        n = random.randrange(1, 512)
        region.map[begin:begin + n] = random.randbytes(n)
        guest.run(0.005)


def tiny_buffers(guest):
    """Buffers too short even for the header."""
    for head in range(guest.size):
        guest.rx.set_desc(head, guest.buf_gpa(head), 1 + head % 80)
    guest.run(0.3)


def odd_rings(bench):
    """Rings that are not forbidden, but of no use."""
    bench.start()
    for mischief in overlapping, rewritten, random_rings, tiny_buffers:
        survive(bench, mischief.__name__, 1.5, mischief)


def fill_up(bench):
    """Starts traffic, and waits until each buffer of the guest, which looks at
    none, has a frame."""
    guest = bench.guest
    bench.start()
    bench.nic.start("rate=50000", "size=imix")
    wait_for("the guest's buffers to be full",
             lambda: guest.rx.used_idx() == guest.rx.avail_idx)


def never_refills(bench):
    """A guest that takes no frames for a while gets those that come later."""
    guest = bench.guest
    fill_up(bench)
    begin = time.monotonic()
    while time.monotonic() < begin + 1:
        bench.switch.is_alive()
    begin = time.monotonic()
    guest.receive(guest.size + 1)
    took = time.monotonic() - begin
    print("%.1f ms until frames came again" % (took * 1e3))
    check(took < PATIENCE, "that is too long")
    bench.nic.stop()
    bench.warm()
    bench.no_buffer_lost()


def one_by_one(bench):
    """A guest that posts a buffer only once all others are full."""
    guest = bench.guest
    fill_up(bench)
    heads = guest.harvest(guest.size)
    for n in range(500):
        guest.posted[heads[n]] = 1
        post(guest, heads[n])
        wait_for("a frame in a single buffer", lambda: guest.harvest(1))
    guest.post_all()
    bench.nic.stop()
    bench.warm()
    bench.no_buffer_lost()


class InPieces(Guest):
    """Each buffer is a chain that is as long as can be, of pieces of a byte.
    All but the first belong to all chains."""

    def post_all(self):
        n = self.size // 2
        for i in range(self.size - 2):
            self.rx.set_desc(i, self.buf_gpa(i), 1, F_WRITE | F_NEXT,
                             n if i < n else i + 1)
        self.rx.set_desc(self.size - 2, self.buf_gpa(0), 1)
        for head in range(n):
            self.rx.make_available(head)
        self.rx.publish()


def many_pieces(bench):
    """How long other queues have to wait for a guest whose buffers are as much
    work as can be, for a port that copies."""
    bench.delivered = DELIVERED
    guest = bench.new_guest(size=2048)
    bench.start()
    hz = bench.nic.get("tsc_hz")
    for kind in Careless, InPieces:
        guest.__class__ = kind
        guest.restart()

        # None of these fits into a buffer, so that none is used.
        bench.nic.start("rate=1000000", "size=1514")
        with bench.switch.hurry():
            half, most, all_ = bench.switch.rounds(SECONDS, hz)
        bench.nic.stop()
        print("%s: the PMD thread comes around within %.1f us half of the "
              "time, %.1f us 99 %% of the time, %.0f us always"
              % (kind.__name__, half, most, all_))
        check(not bench.switch.broken("vm0"), "the ring is broken")

    # More than that is known only where nobody else needs the processor.
    check(half < PATIENCE_US, "other queues have to wait for %.0f us" % half)
    guest.__class__ = Guest
    recover(bench)


CASES = (many_pieces, bad_indices, bad_descriptors, bad_chains, bad_tables, odd_rings,
         never_refills, one_by_one)
