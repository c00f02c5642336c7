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

"""Measures what IOVTee gives, see Documentation/topics/benchmarks.rst.

usage: bench.py [OPTION]... [EXPERIMENT]...

    --quick         a few experiments, and check that nothing has got worse,
                    twice if need be
    --build=DIR     where everything was built (the current folder)
    --output=DIR    where results go (bench-results in the build directory)
    --rounds=N      windows of each lane (30)
    --ms=N          length of a window (100, 50 with --quick)
    --list          names of the experiments

Ends with status 0; 1 if something that was checked is not so; 77 if nothing
could be checked, as no figure was valid; 2 if nothing can be measured here.
"""

import getopt
import os
import signal
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "nic-model"))
sys.dont_write_bytecode = True

import experiments          # noqa: E402
import report               # noqa: E402
import rig                  # noqa: E402
import runner               # noqa: E402

NEED_HUGEPAGES = 640
ENDS = signal.SIGINT, signal.SIGTERM, signal.SIGHUP


def parse(argv):
    options = {"build": ".", "output": None, "rounds": "30", "ms": None}
    try:
        found, names = getopt.getopt(argv, "h", [
            "quick", "build=", "output=", "rounds=", "ms=", "list", "help"])
    except getopt.GetoptError as error:
        sys.exit("bench: %s" % error)
    options.update((key.lstrip("-"), value) for key, value in found)
    known = {e.__name__: e for e in experiments.ALL}
    if "help" in options or "h" in options:
        print(__doc__.strip())
        sys.exit(0)
    if "list" in options:
        for name, experiment in known.items():
            print("%-12s %s" % (name, " ".join(experiment.__doc__.split())))
        sys.exit(0)
    for name in names:
        if name not in known:
            sys.exit("bench: no experiment \"%s\", see --list" % name)
    options["experiments"] = [known[name] for name in names]
    if "quick" in options:
        options["experiments"] = [experiments.quick]
    return options


def need(condition, text):
    if not condition:
        print("bench: " + text, file=sys.stderr)
        sys.exit(2)


def prerequisites(build):
    """Returns the programs and two processors."""
    programs = {
        "vswitchd": build + "/vswitchd/ovs-vswitchd",
        "guest": build + "/tests/bench/guest",
        "plugin": build + "/tests/nic-model/nicmodel.so",
    }
    need(os.geteuid() == 0, "needs root")
    need(os.path.exists(programs["plugin"]),
         "needs the NIC model: run build-aux/dpdk-headers, configure and make")
    for path in programs.values():
        need(os.path.exists(path), "%s was not built" % path)
    cpus = sorted(os.sched_getaffinity(0))
    need(len(cpus) >= 2, "needs two processors")
    need(os.path.exists(rig.HUGEPAGES), "needs hugepages of 2 MiB")
    with open(rig.HUGEPAGES) as f:
        free = int(f.read())
    need(free >= NEED_HUGEPAGES, "needs %d free hugepages, there are %d: "
         "raise vm.nr_hugepages by %d" % (
             NEED_HUGEPAGES, free, NEED_HUGEPAGES - free))
    os.sched_setaffinity(0, {cpus[0]})
    return programs, (cpus[0], cpus[1])


def end(number, _):
    """A signal handler.  What is cleaned up then is not interrupted again."""
    for other in ENDS:
        signal.signal(other, signal.SIG_IGN)
    sys.exit(128 + number)


def say(text):
    print(text, flush=True)


def measure(bench, chosen, gates, output):
    """Runs experiments.  Returns how much of what was checked passed, failed
    and was skipped."""
    try:
        for experiment in chosen:
            bench.run(experiment)
    finally:
        if bench.results:
            report.write(bench, output)
            bench.say("Results are in %s." % output)
    return report.gate(bench.results, gates, bench.say)


def main(argv):
    options = parse(argv)
    quick = "quick" in options
    build = os.path.abspath(options["build"])
    output = options["output"] or build + "/bench-results"
    programs, cpus = prerequisites(build)
    for number in ENDS:
        signal.signal(number, end)

    bench = runner.Bench(programs, cpus, int(options["rounds"]),
                         int(options["ms"] or (50 if quick else 100)), say)
    chosen = options["experiments"] or experiments.ALL
    gates = experiments.GATES if quick else ()
    passed, failed, skipped = measure(bench, chosen, gates, output)
    if failed and quick:
        # What is wrong with us is wrong again, what was wrong with the
        # machine hardly ever is.
        say("That failed: once more.")
        bench.results.clear()
        passed, failed, skipped = measure(bench, chosen, gates,
                                          output + "/again")
    say("%d passed, %d failed, %d skipped" % (passed, failed, skipped))
    if failed:
        return 1
    return 77 if skipped and not passed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
