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

"""The experiments.

Each is a function of a Bench (bench.py), which sets up rigs, runs traffic and
keeps results.  A case is traffic on a lane, and a point on the x axis; cases
that are compared run in one loop, in turn.
"""

import vm
from rig import Config
import windows
from windows import ALONE, PAST, SHARE, Case

# What "bench-quick" demands, with wide margins: figure, at most.  What is
# aimed at is in Documentation/topics/benchmarks.rst.
GATES = (
    ("A:B cycles, 64", 0.95),
    ("A:B cycles, 1518", 0.75),
    ("A 1518:A 64 cycles", 1.5),
    ("C:B cycles, 64", 1.7),
    ("C:B cycles, 1518", 1.5),
)

SIZES = ("64", "128", "256", "512", "1024", "1280", "1518", "imix")
JUMBO = 9000

# Flow entries that match more than the port, so that packets are looked up in
# OVS's caches rather than by its shortcut for simple flows.
MATCH = "udp,tp_dst=4096"


def case(lane, size, x=None, keys=SHARE):
    return Case(lane, x or size, size, keys)


def compare(bench, name, rig, lanes, size, pairs, x=None,
            keys=SHARE, rate=False, ms=None):
    """Compares 'pairs' of 'lanes' at 'size'."""
    cases = [case(lane, size, x, keys) for lane in lanes]
    found = bench.alternate(name, rig, cases, ms)
    for a, b in pairs:
        a, b = (a, x or size), (b, x or size)
        bench.compare(name, found, a, b)
        if rate:
            bench.compare(name, found, a, b, True)


def quick(bench):
    """What continuous integration runs."""
    with bench.rig(Config("ABLDC")) as rig:
        found = bench.alternate("quick", rig, [
            case(lane, size) for size in ("64", "1518") for lane in "ABLDC"])
        for size in "64", "1518":
            for a, b in "AB", "AL", "AD", "CB":
                bench.compare("quick", found, (a, size), (b, size))
        bench.compare("quick", found, ("A", "1518"), ("A", "64"))
        for lane in "ABC":
            bench.verify("quick", rig, lane, "1518")
    with bench.rig(Config("AB", inside=True)) as rig:
        found = bench.alternate("quick, throughput", rig, [
            case(lane, size, keys=ALONE)
            for size in ("64", "1518") for lane in "AB"])
        for size in "64", "1518":
            bench.compare("quick, throughput", found, ("A", size),
                          ("B", size), True)
        for lane in "AB":
            bench.verify("quick, throughput", rig, lane, "imix")


def rings(bench):
    """1: sizes of the NIC's and of the guest's ring.  How much of the gain is
    residency in caches?"""
    for ring in 256, 512, 1024:
        for desc in 256, 512, 1024, 2048, 4096:
            with bench.rig(Config("AB", ring=ring, desc=desc)) as rig:
                for size in "64", "1518":
                    name = "rings, %s bytes, guest %d" % (size, ring)
                    compare(bench, name, rig, "AB", size, ["AB"], str(desc),
                            ms=bench.ms // 2)


def methods(bench):
    """2: each method against vhost-user; one way, and there and back."""
    three = "64", "512", "1518"
    with bench.rig(Config("ABZCFG")) as rig:
        for size in three:
            compare(bench, "methods", rig, "ABZC", size, ["AB", "ZB", "CB"])
            compare(bench, "forwarding", rig, "FG", size, ["FG"], rate=True)
        for lane in "ABZC":
            bench.verify("methods", rig, lane, "imix")
    for name, config in (
            ("methods, cold buffers", Config("AB", cold=True)),
            # As Linux is: the stock type offers VIRTIO_F_IN_ORDER, which
            # spares a DPDK guest work and cache lines.
            ("methods, not in order", Config("ABC", in_order=0)),
            ("methods, not mergeable", Config("AB", mrg=0))):
        with bench.rig(config) as rig:
            for size in three:
                pairs = ["AB"] + ["CB"] * ("C" in config.lanes)
                compare(bench, name, rig, config.lanes, size, pairs)


def sizes(bench):
    """3: sizes of packets, against vhost-user and the limits."""
    pairs = "AB", "AL", "AD"
    with bench.rig(Config("ABLD")) as rig:
        for size in SIZES:
            compare(bench, "sizes", rig, "ABLD", size, pairs, rate=True)
        found = bench.alternate("dependence on size", rig, [
            case("A", "1518"), case("A", "64")])
        bench.compare("dependence on size", found, ("A", "1518"), ("A", "64"))
    with bench.rig(Config("ABLD", mtu=JUMBO)) as rig:
        compare(bench, "jumbo", rig, "ABLD", str(JUMBO), pairs, rate=True)


def flows(bench):
    """4: numbers of flows."""
    for smc in False, True:
        with bench.rig(Config("AB", match=MATCH, smc=smc)) as rig:
            for n in (100000,) if smc else (1, 1000, 100000):
                compare(bench, "flows", rig, "AB", "64", ["AB"],
                        "%d%s" % (n, ", SMC" if smc else ""),
                        "flows=%d %s" % (n, SHARE))


def guests(bench):
    """4: numbers of guests, each with a NIC of its own."""
    for n in 1, 2, 4:
        # All sources have to pause at the same time.
        keys = "burst=64 gap=%d" % (20 * n)
        with bench.rig(Config("AB", n=n)) as rig:
            for size in "64", "1518":
                compare(bench, "guests, %s bytes" % size, rig, "AB", size,
                        ["AB"], str(n), keys)


def bursts(bench):
    """5: longest burst, back to back, of which nothing is lost.  Sizes of the
    guest's and of the NIC's ring; the last one is no good for the tee."""
    for ring, desc in (256, 128), (1024, 512), (256, 512):
        with bench.rig(Config("AB", ring=ring, desc=desc)) as rig:
            for size in "64", "1518":
                bench.search("bursts", rig, [
                    case(lane, size, "%s, %d/%d" % (size, desc, ring),
                         "wait=0")
                    for lane in "AB"], bench.count_trial, "packets")


def lossless(bench):
    """5: zero-loss throughput, and latency at shares of it."""
    with bench.rig(Config("AB", inside=True)) as rig:
        for size in "64", "512", "1518", "imix":
            bench.search("zero-loss throughput", rig, [
                case(lane, size) for lane in "AB"], bench.rate_trial, "Mpps")
    with bench.rig(Config("FG", inside=True)) as rig:
        for size in "64", "1518":
            found = bench.search("zero-loss throughput, forwarding", rig, [
                case(lane, size) for lane in "FG"], bench.rate_trial, "Mpps")
            for share in 10, 50, 90:
                bench.latency("latency, %s bytes" % size, rig, [
                    case(lane, size, "%d %%" % share) for lane in "FG"],
                    min(found) * share // 100)


def throughput(bench):
    """Throughput, one way and there and back, to guests that the NIC models'
    engine plays; and cycles beside those of guests in a process."""
    kinds = (("throughput", ALONE), ("throughput, past caches", PAST))
    for lanes, pairs in ("ABC", ["AB", "CB"]), ("FG", ["FG"]):
        with bench.rig(Config(lanes, inside=True)) as rig:
            for name, keys in kinds:
                for size in "64", "1518":
                    compare(bench, name, rig, lanes, size, pairs, keys=keys,
                            rate=True)
            for lane in lanes:
                bench.verify("throughput", rig, lane, "imix")
        with bench.rig(Config(lanes)) as rig:
            for size in "64", "1518":
                compare(bench, "throughput, guests in a process", rig, lanes,
                        size, pairs)


def early(bench):
    """NICs that give sent packets back early: there and back, against stock
    ports as they are and with a short transmit ring, and NIC to NIC."""
    four = "64", "256", "512", "1518"
    lanes = "FEGHLMN"
    with bench.rig(Config(lanes, inside=True)) as rig:
        found = bench.alternate("early completion", rig, [
            case(lane, size, keys=ALONE) for size in four for lane in lanes])
        for size in four:
            for a, b in "EF", "NM", "NL":
                bench.compare("early completion", found, (a, size), (b, size))
            for a, b in "FG", "EG", "FH", "EH", "HG", "NL":
                bench.compare("early completion", found, (a, size), (b, size),
                              True)
        bench.verify("early completion", rig, "E", "imix")


def txzc(bench):
    """What guests send, read by the NIC where it is (T) or copied (E): there
    and back, against stock ports."""
    sizes = "64", "256", "512", "1518"
    lanes = "TEG"
    with bench.rig(Config(lanes, inside=True)) as rig:
        found = bench.alternate("sending in place", rig, [
            case(lane, size, keys=ALONE) for size in sizes for lane in lanes])
        for size in sizes:
            for a, b in "TE", "TG":
                bench.compare("sending in place", found, (a, size), (b, size))
            for a, b in "TG", "EG":
                bench.compare("sending in place", found, (a, size), (b, size),
                              True)
        bench.verify("sending in place", rig, "T", "imix")


def container(bench):
    """6: a container (virtio-user) and a virtual machine (QEMU)."""
    why = vm.why_not()
    if why:
        bench.skip("container and VM", why)
        return
    # As slow as an emulated machine, in full bursts.
    keys = "rate=20000 burst=32"
    for program in "virtio-user", "QEMU":
        with bench.rig(Config("AB", ring=256, desc=128,
                              qemu=program == "QEMU")) as rig:
            for size in "64", "1518":
                compare(bench, "container and VM, %s bytes" % size, rig,
                        "AB", size, ["AB"], program, keys,
                        ms=bench.ms / 2)


def copy(bench):
    """The copy path: guest ports without peer, and from guest to guest."""
    with bench.rig(Config("CBVW")) as rig:
        for size in "64", "512", "1518":
            compare(bench, "copies, NIC to guest", rig, "CB", size, ["CB"],
                    rate=True)
            compare(bench, "copies, guest to guest", rig, "VW", size, ["VW"],
                    rate=True)


# Sizes among which it changes what pays.
SOME = "64", "256", "512", "1518"


def shuffle(rig, lanes):
    """Has mbufs freed in another order than they were received in, as in any
    switch after a while.  A pool that is new hands out mbufs that follow each
    other in memory, and the processor fetches the next one by itself: stock
    ports took 117 cycles for a frame where they took 188 afterwards."""
    rig.switch.set_flows(rig.half)
    windows.alternate([windows.Traffic(rig, case(lane, "64", keys="flows=2"))
                       for lane in lanes], 3, 60)
    rig.switch.set_flows(rig.flows)


def vlan(bench):
    """VLAN tags that are popped or pushed on the way to the guest."""
    for fate, tags in (("", ""), ("pop", "vlan=7"), ("push", ""),
                       ("pop two", "vlan=8,9"), ("push two", "")):
        with bench.rig(Config("AB", inside=True, fate=fate)) as rig:
            for size in "128", "512", "1510":
                compare(bench, "VLAN tags, " + (fate or "none"), rig, "AB",
                        size, ["AB"], keys=" ".join((ALONE, tags)), rate=True)


def elsewhere(bench):
    """7: frames that do not get to the guest, or not unchanged, with lending
    by success (A) and without (X); and from guest to guest."""
    for fate, keys in (("", ALONE), ("half", "flows=2"), ("dropped", ALONE),
                       ("mirrored", ALONE), ("ct once", ALONE),
                       ("ct twice", ALONE), ("NAT", ALONE)):
        with bench.rig(Config("AXB", inside=True, fate=fate)) as rig:
            if fate:
                shuffle(rig, "AXB")
            for size in SOME if "ct" in fate else ("64", "1518"):
                compare(bench, "elsewhere, " + (fate or "none"), rig, "AXB",
                        size, ["AB", "XB"], keys=keys, rate=True)
    with bench.rig(Config("VW", inside=True)) as rig:
        for size in "64", "1518":
            compare(bench, "elsewhere, guest to guest", rig, "VW", size,
                    ["VW"], keys=ALONE, rate=True)


ALL = (throughput, early, txzc, sizes, methods, rings, flows, guests, bursts,
       lossless, container, copy, vlan, elsewhere)
