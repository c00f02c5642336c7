#! /usr/bin/env python3
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

"""A hostile guest, and the front-end that goes with it.

usage: hostile.py RUN CASE...

RUN is a folder with the sockets of ovs-vswitchd ("ovs-vswitchd.ctl"), of the
NIC model ("nm", for port nic0) and of guest port vm0 ("vm0"), which listens.
The environment's OVS_LOGDIR says where vswitchd.log is.
What is random is so by HOSTILE_SEED, or by another seed in each run.
Runs each CASE by itself; ends with status 1, and says why, when the switch has
done what it must not do.
"""

import os
import random
import sys
import time

import crowd
import endurance
import flips
import lending
import life
import messages
import migration
import rings
import sending
import shrink
from bench import Bench
from guest import Failure

CASES = {case.__name__.replace("_", "-"): case
         for module in (life, migration, rings, sending, messages, shrink,
                        flips, lending, crowd, endurance)
         for case in module.CASES}


def run_case(run, case):
    bench = Bench(run)
    try:
        case(bench)
        bench.switch.is_alive()
    finally:
        if bench.guest:
            bench.guest.close()
        if bench.nic:
            bench.nic.command("stop")


def main():
    if len(sys.argv) < 3 or not set(sys.argv[2:]) <= set(CASES):
        sys.exit(__doc__ + "\nCases:\n\n" + "".join(
            "    %-20s %s\n" % (name, " ".join(case.__doc__.split()))
            for name, case in CASES.items()))
    seed = int(os.environ.get("HOSTILE_SEED", random.randrange(1 << 32)))
    print("HOSTILE_SEED=%u" % seed, flush=True)
    random.seed(seed)
    for name in sys.argv[2:]:
        begin = time.monotonic()
        try:
            run_case(sys.argv[1], CASES[name])
        except Failure as failure:
            sys.exit("%s: %s" % (name, failure))
        print("%s: ok, %.1f s" % (name, time.monotonic() - begin))


if __name__ == "__main__":
    main()
