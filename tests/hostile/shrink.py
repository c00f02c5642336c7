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

"""Cases: files that shrink.  A front-end takes away what it has shared, where
the switch is just about to read or write.  Only this guest may suffer."""

import protocol
from bench import DELIVERED
from guest import RX, TX, check, wait_for
from memory import Region
from messages import Longer, Place
from migration import Copy, agree
from protocol import Closed

LOST = "the file behind guest memory was truncated"
BAD_TABLE = "cannot use the guest's memory"


def take_away(bench, region):
    """Truncates the file of 'region', under load, and waits until that is
    noticed.  From then on nobody here can look at it, either."""
    bench.load()
    told = bench.switch.n_told(LOST)
    region.truncate()
    wait_for("the switch to notice",
             lambda: bench.switch.broken("vm0") is not None)
    broken = bench.switch.broken("vm0")
    check(broken == LOST, "broken because: %s" % broken)
    wait_for("a line in the log", lambda: bench.switch.n_told(LOST) > told)
    bench.switch.is_alive()


def begin_anew(bench):
    """Another guest at the same port is well."""
    bench.nic.stop()
    bench.new_guest()
    bench.start()
    bench.load()
    bench.nic.stop()
    check(not bench.switch.broken("vm0"), "the next guest is broken")


def shrinking(bench, region):
    bench.delivered = DELIVERED
    bench.start()
    for _ in range(3):
        take_away(bench, bench.guest.memory.regions[region])
        begin_anew(bench)


def shrinking_rings(bench):
    """The rings vanish."""
    shrinking(bench, 0)


def shrinking_buffers(bench):
    """The buffers vanish."""
    shrinking(bench, 1)


def shrinking_and_more(bench):
    """The rings vanish, and the front-end goes on as if nothing had happened:
    rings are disabled, stopped and started, again in the same memory."""
    bench.start()
    take_away(bench, bench.guest.memory.regions[0])
    guest = bench.guest
    for _ in range(3):
        guest.enable(RX, 0)
        guest.enable(RX, 1)
        guest.stop_ring(RX)
        guest.stop_ring(TX)
        guest.set_vring(RX)
        guest.set_vring(TX)
        bench.nic.start("rate=20000", limits=("count=1000",))
        bench.nic.command("wait")
        bench.switch.is_alive()
    begin_anew(bench)


def send_table(bench, regions):
    """Sends a memory table that ought to be refused.  It may also end the
    connection."""
    try:
        bench.guest.set_memory(regions)
        bench.guest.front_end.ask(protocol.GET_FEATURES)
    except Closed:
        pass


def shrinking_tables(bench):
    """The rings vanish while the memory table is replaced, so that
    librte_vhost is the first one to look at them."""
    told = bench.switch.n_told(BAD_TABLE)
    for _ in range(3):
        bench.start()
        more = Region(1 << 33, 1 << 20)
        regions = bench.guest.memory.regions + [more]
        bench.guest.memory.regions[0].truncate()
        send_table(bench, regions)
        bench.switch.is_alive()
        more.close()
        bench.new_guest()
    wait_for("three lines in the log",
             lambda: bench.switch.n_told(BAD_TABLE) == told + 3)
    begin_anew(bench)


def rings_beyond(bench):
    """Rings that lie where the file has ended."""
    guest = bench.guest
    for i in range(3):
        n = 0
        guest.rx.reset()
        guest.tx.reset()
        guest.connect()
        region = Longer(guest.memory.regions[0])
        guest.set_memory([region, guest.data])
        areas = [guest.rx.desc_uva, guest.rx.avail_uva, guest.rx.used_uva]
        areas[i] += region.size // 2
        fe = guest.front_end
        try:
            for _ in range(2):
                fe.vring_state(protocol.SET_VRING_NUM, RX, 256)
                fe.vring_state(protocol.SET_VRING_BASE, RX, 0)
                fe.vring_addr(RX, Place(*areas))
                fe.vring_fd(protocol.SET_VRING_KICK, RX, guest.rx.kick)
                fe.vring_fd(protocol.SET_VRING_CALL, RX, guest.rx.call)
                guest.enable(RX, 1)
                n += 1
        except Closed:
            pass
        bench.switch.is_alive()
        check(n, "nobody has looked at area %u" % i)
        guest.disconnect()
    begin_anew(bench)


def shrinking_log(bench):
    """The log of writes vanishes during a migration."""
    agree(bench)
    copy = Copy(bench)
    bench.load()
    copy.log.truncate()
    bench.nic.start("rate=20000", limits=("count=1000",))
    bench.guest.run_until("frames that are not logged any more",
                          lambda: bench.n_came() == 1000)
    copy.close()
    begin_anew(bench)


CASES = (shrinking_rings, shrinking_buffers, shrinking_and_more,
         shrinking_tables, rings_beyond, shrinking_log)
