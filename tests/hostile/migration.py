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

"""Live migration: a front-end copies the guest's memory while it runs.

The oracle is the copy: a page is only copied again if the log says that it was
written to.  In the end it must be what the guest's memory is, byte by byte.
"""

import mmap
import os
import struct

import protocol
from bench import DELIVERED, IN_PLACE
from guest import RX, TX, check, wait_for
from memory import Memory
from protocol import Closed
from rings import recover

PAGE = 4096
ROUNDS = 12
ATTEMPTS = 10
LOADED = 0.25                   # Seconds of traffic in each of them.
MIGRATION = r"copied (\d+): the guest is being migrated"


class Log:
    """A bitmap with one bit for each page of guest memory."""

    def __init__(self, memory):
        end = max(region.gpa + region.size for region in memory.regions)
        self.size = (end // PAGE // 8 + PAGE) // PAGE * PAGE
        self.fd = os.memfd_create("log", os.MFD_CLOEXEC)
        os.ftruncate(self.fd, self.size)
        self.map = mmap.mmap(self.fd, self.size)

    def truncate(self):
        """Nobody may look at it after that."""
        os.ftruncate(self.fd, 0)

    def close(self):
        self.map.close()
        os.close(self.fd)

    def pages(self):
        """Returns the guest physical addresses of the pages that are
        marked."""
        bits = int.from_bytes(self.map[:], "little")
        pages = []
        while bits:
            lowest = bits & -bits
            pages.append((lowest.bit_length() - 1) * PAGE)
            bits ^= lowest
        return pages


class Copy:
    """What a front-end makes of the guest's memory, at 'bench'."""

    def __init__(self, bench):
        self.guest = bench.guest
        self.memory = bench.guest.memory
        self.log = None
        self.n_marked = 0
        self.swap_log()
        self.set_logging(True)
        self.regions = [bytearray(region.map)
                        for region in self.memory.regions]
        self.first = self.memory.snapshot()

    def close(self):
        self.log.close()

    def swap_log(self):
        """Passes an empty bitmap.  What the old one says is final then."""
        old = self.log
        self.log = Log(self.memory)
        self.guest.front_end.ask(
            protocol.SET_LOG_BASE,
            struct.pack("=QQ", self.log.size, 0), [self.log.fd])
        if old:
            self.copy_pages(old)
            old.close()

    def set_logging(self, on):
        guest = self.guest
        status = guest.front_end.ack(
            protocol.SET_FEATURES, struct.pack("=Q", guest.features | (
                protocol.F_LOG_ALL if on else 0)))
        check(status == 0, "the features are refused")
        for index, ring in (RX, guest.rx), (TX, guest.tx):
            guest.front_end.vring_addr(
                index, ring, protocol.VRING_LOG if on else 0, ring.used_gpa)
        guest.front_end.ask(protocol.GET_FEATURES)

    def copy_pages(self, log):
        for gpa in log.pages():
            self.copy_page(gpa)
            self.n_marked += 1

    def copy_page(self, gpa):
        for region, copy in zip(self.memory.regions, self.regions):
            ofs = gpa - region.gpa
            if 0 <= ofs < region.size:
                copy[ofs:ofs + PAGE] = region.map[ofs:ofs + PAGE]
                return
        check(False, "page %#x is marked, and is none of the guest's" % gpa)

    def check_used(self, index, ring):
        begin, end = ring.used, ring.used + 6 + 8 * ring.size
        check(self.regions[0][begin:end] == ring.region.map[begin:end],
              "the used ring of queue %u is not what the log says" % index)

    def finish(self):
        """The rings have been stopped: checks the copy."""
        self.copy_pages(self.log)
        wrong = [i * PAGE for i in range(0, self.guest.data.size // PAGE)
                 if self.regions[1][i * PAGE:(i + 1) * PAGE]
                 != self.guest.data.map[i * PAGE:(i + 1) * PAGE]]
        check(not wrong, "%u pages were written to without a mark, from %s on"
              % (len(wrong), wrong and hex(wrong[0])))
        self.check_used(RX, self.guest.rx)
        self.check_used(TX, self.guest.tx)

        # That would be so if nothing had changed.
        n = len(self.memory.changes(self.first))
        check(n > self.guest.data.size // PAGE / 4,
              "only %u pages have changed" % n)
        print("%u pages were marked, %u have changed" % (self.n_marked, n))


def stop_both(bench):
    """Stops the rings as a front-end does at the end of a migration."""
    guest = bench.guest
    base, _ = guest.stop_ring(RX)
    guest.stop_ring(TX)
    bench.balanced(base)
    return base


def agree(bench):
    bench.guest.protocol_features |= protocol.PROTOCOL_LOG_SHMFD
    bench.start()


def migration(bench):
    """All that is written is in the log, whatever the packets are like, and
    whatever else is done to the rings."""
    agree(bench)
    guest = bench.guest
    in_place = bench.switch.number("vm0", IN_PLACE)
    copied = bench.switch.number("vm0", MIGRATION)
    copy = Copy(bench)
    bench.delivered = DELIVERED
    bench.load()
    for i in range(ROUNDS):
        guest.run(LOADED)
        guest.transmit(bytes(60 + i))
        if i % 3 == 0:
            copy.swap_log()
        elif i % 3 == 1:
            guest.enable(RX, 0)
            guest.enable(RX, 1)
    stop_both(bench)
    copy.finish()
    bench.nic.stop()
    copied = bench.switch.number("vm0", MIGRATION) - copied
    print("%u packets were copied because of the migration" % copied)
    check(copied > 1000, "only %u packets were copied" % copied)
    check(bench.switch.number("vm0", IN_PLACE) == in_place,
          "packets were delivered in place")
    copy.close()
    move(bench, copy)


def disable_with_idle(bench):
    """Disables the ring while the switch has buffers that it has taken and
    dropped."""
    guest = bench.guest
    bench.load()
    bench.nic.stop()
    bench.switch.drop_all(True)
    bench.nic.start("rate=20000", "wait=1", limits=("count=500",))
    bench.nic.command("wait")
    bench.switch.drop_all(False)

    # Of buffers that the NIC had before those come back to it.
    bench.nic.start("rate=20000", limits=("count=100",))
    guest.receive(100)
    guest.enable(RX, 0)
    while guest.harvest():
        pass


def disabled_migration(bench):
    """The ring is disabled when the migration begins, with buffers that the
    switch has taken and dropped, so that it has to give them back."""
    agree(bench)
    guest = bench.guest
    bench.delivered = DELIVERED

    # Whether there are such buffers is not ours to say.  On a busy machine the
    # NIC may have had buffers of the host by then, or taken all of the guest's
    # again, last, so that they are left in the available ring.
    for _ in range(ATTEMPTS):
        disable_with_idle(bench)
        fillers = guest.n_filler
        copy = Copy(bench)
        idle = bench.switch.show("vm0")
        stop_both(bench)
        copy.copy_pages(copy.log)
        copy.check_used(RX, guest.rx)
        copy.close()
        fillers = guest.n_filler - fillers
        print("%u buffers came back without a packet" % fillers)
        if fillers:
            return
        print(idle)
        guest.restart()
    check(False, "no buffer came back without a packet")


def move(bench, copy):
    """The guest goes on where its memory was copied to."""
    guest = bench.guest
    base = guest.rx.seen
    guest.disconnect()
    for region, data in zip(guest.memory.regions, copy.regions):
        # Rings and what is sent are the guest's own, whose writes it is not
        # ours to log.
        if region is not guest.data:
            begin, end = guest.rx.used, guest.rx.used + 6 + 8 * guest.size
            region.map[begin:end] = data[begin:end]
        else:
            region.map[:] = data
    guest.connect()
    check(guest.set_memory() == 0, "memory table refused")
    guest.set_vring(RX, base)
    guest.tx.reset()
    guest.set_vring(TX)
    guest.front_end.ask(protocol.GET_FEATURES)
    guest.post_all()
    sent = bench.nic.get("sink_packets")
    guest.front_end.u64(protocol.SEND_RARP, 0x123456005202)
    wait_for("the switch to announce the guest",
             lambda: bench.nic.get("sink_packets") > sent)
    bench.delivered = IN_PLACE
    bench.warm()
    bench.exact(0.5)
    bench.no_buffer_lost()


def cancelled_migration(bench):
    """Migrations that are begun and given up: nothing is lost, packets are
    delivered in place again, and the next attempt is like the first."""
    agree(bench)
    for _ in range(5):
        copy = Copy(bench)
        bench.delivered = DELIVERED
        bench.exact(0.2)
        copy.set_logging(False)
        copy.close()
        bench.delivered = IN_PLACE
        bench.warm()
        before = bench.switch.number("vm0", IN_PLACE)
        sent = bench.exact(0.2)
        in_place = bench.switch.number("vm0", IN_PLACE) - before
        check(in_place >= sent * 0.99, "only %u of %u frames were in place"
              % (in_place, sent))
    bench.no_buffer_lost()


def odd_logs(bench):
    """Bitmaps that are none, too small, or not there at all."""
    agree(bench)
    guest = bench.guest
    logging = struct.pack("=Q", guest.features | protocol.F_LOG_ALL)
    log = Log(guest.memory)
    small = Log(Memory(guest.memory.regions[0]))
    double = Log(guest.memory)
    os.ftruncate(double.fd, 2 * double.size)
    attempts = [
        (struct.pack("=QQ", log.size, 0), []),
        (struct.pack("=QQ", log.size, 0), [guest.rx.call]),
        (struct.pack("=QQ", 0, 0), [log.fd]),
        (struct.pack("=QQ", log.size, log.size + 1), [log.fd]),
        (struct.pack("=QQ", log.size, (1 << 64) - 1), [log.fd]),
        (struct.pack("=QQ", (1 << 64) - 1, 0), [log.fd]),
        (struct.pack("=QQ", 1 << 62, 1 << 62), [log.fd]),
        (struct.pack("=QQ", small.size, 0), [small.fd]),
        (struct.pack("=QQ", 1, 0), [log.fd]),
        (struct.pack("=QQ", log.size - PAGE, PAGE), [log.fd]),
        (struct.pack("=QQ", log.size, log.size), [double.fd]),
    ]
    bench.delivered = DELIVERED
    for payload, fds in attempts:
        try:
            guest.front_end.ack(protocol.SET_FEATURES, logging)
            bench.exact(0.1)
            guest.front_end.send(protocol.SET_LOG_BASE, payload, fds,
                                 protocol.NEED_REPLY)
            guest.front_end.receive()
            bench.exact(0.1)
            guest.front_end.vring_addr(RX, guest.rx, protocol.VRING_LOG,
                                       (1 << 64) - 8)
            guest.front_end.ask(protocol.GET_FEATURES)
            bench.exact(0.1)
        except Closed:
            pass
        bench.switch.is_alive()
        guest.restart()
    check(not any(double.map[:]), "an offset was accepted")
    log.close()
    small.close()
    double.close()
    bench.delivered = IN_PLACE
    recover(bench)


def reset_log(bench):
    """librte_vhost unmaps the bitmap when the device is reset, and uses it
    afterwards."""
    agree(bench)
    guest = bench.guest
    log = Log(guest.memory)
    guest.front_end.ask(protocol.SET_LOG_BASE,
                        struct.pack("=QQ", log.size, 0), [log.fd])
    status = guest.front_end.ack(protocol.RESET_OWNER)
    check(status, "the reset is accepted")
    log.close()
    bench.exact(0.1)
    recover(bench)


def surplus_rings(bench):
    """A guest without VIRTIO_NET_F_MQ has rings of a second queue when the log
    begins, for which librte_vhost would free them."""
    agree(bench)
    guest = bench.guest
    for index in 2, 3:
        guest.front_end.vring_state(protocol.SET_VRING_NUM, index, guest.size)
    status = guest.front_end.ack(
        protocol.SET_FEATURES,
        struct.pack("=Q", guest.features | protocol.F_LOG_ALL))
    check(status, "the log is accepted")
    bench.exact(0.1)
    recover(bench)


CASES = (migration, cancelled_migration, disabled_migration, odd_logs,
         reset_log, surplus_rings)
