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

"""The switch as its administrator sees it, and the NIC model."""

import contextlib
import json
import os
import re
import socket
import subprocess
import sys
import time

from guest import check, wait_for

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "nic-model"))
import ctl                                              # noqa: E402

# Seconds in which ovs-vswitchd must answer, and number of times that it is
# asked: the machine may be busy with other things, too.
PATIENCE = 1.0
N_ASKED = 5
TIMEOUT = 20


class Switch:
    """'run' is where ovs-vswitchd and the NIC model have their sockets."""

    def __init__(self, run):
        self.run = run
        self.unixctl = os.path.join(run, "ovs-vswitchd.ctl")
        self.slowest = 0

    def appctl(self, command, *args):
        """Like ovs-appctl."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
            sock.settimeout(TIMEOUT)
            try:
                sock.connect(self.unixctl)
                sock.sendall(json.dumps({"id": 0, "method": command,
                                         "params": list(args)}).encode())
                answer = self._answer(sock)
            except OSError as error:
                check(False, "the switch does not answer: %s" % error)
        check(not answer.get("error"), "%s: %s" % (command, answer["error"]))
        return answer["result"]

    @staticmethod
    def _answer(sock):
        data = b""
        while True:
            more = sock.recv(65536)
            if not more:
                raise OSError("connection closed")
            data += more
            try:
                return json.loads(data)
            except ValueError:
                continue

    def is_alive(self):
        """Checks that the switch answers, and soon."""
        for _ in range(N_ASKED):
            begin = time.monotonic()
            self.appctl("version")
            took = time.monotonic() - begin
            if took < PATIENCE:
                self.slowest = max(self.slowest, took)
                return
        check(False, "the switch takes %.1f s to answer" % took)

    def show(self, port):
        return self.appctl("iovtee/show", port)

    def is_connected(self, port):
        """Does the port have a guest?  (Before the last ring of one that goes
        is stopped there may be other lines that say "not connected".)"""
        return re.search(r"^  socket: .*, connected$", self.show(port),
                         re.MULTILINE) is not None

    def number(self, port, regex):
        """The sum of all numbers that 'regex' matches."""
        return sum(int(n) for n in re.findall(regex, self.show(port)))

    def broken(self, port):
        """Returns why the port's ring is broken, or None."""
        found = re.search(r"broken: (.*)", self.show(port))
        return found and found.group(1)

    @contextlib.contextmanager
    def tells(self, text):
        """Meanwhile one line of the log says 'text'.  The switch has a thread
        for its log, so the line may come a moment later."""
        told = self.n_told(text)
        yield
        wait_for("a line in the log: " + text,
                 lambda: self.n_told(text) > told)
        check(self.n_told(text) == told + 1, "more than one line: " + text)

    def n_told(self, text):
        """How many lines of the log say 'text'."""
        path = os.path.join(os.environ["OVS_LOGDIR"], "vswitchd.log")
        with open(path, errors="replace") as log:
            return sum(text in line for line in log)

    def drop_all(self, on):
        """Has all packets dropped, or what the flows say done again."""
        flow = "table=0,priority=65535"
        subprocess.run(
            ["ovs-ofctl", "-O", "OpenFlow14"]
            + (["add-flow", "br0", flow + ",actions=drop"] if on
               else ["--strict", "del-flows", "br0", flow]), check=True)
        self.appctl("revalidator/wait")

    def rounds(self, seconds, hz):
        """Has the PMD threads go on for 'seconds'.  Returns in how many
        microseconds they come around to the same queue again: half of the
        times, 99 % of them, and at most.  Times that took less than a
        microsecond do not count, as they found nothing."""
        self.appctl("dpif-netdev/pmd-stats-clear")
        time.sleep(seconds)
        text = self.appctl("dpif-netdev/pmd-perf-show")
        bins = [(float("inf") if limit == ">" else 1e6 * int(limit) / hz,
                 int(n)) for limit, n in re.findall(
                     r"^   (\d+|>) +(\d+)  +\S+ +\d+ ", text, re.MULTILINE)]
        bins = [(limit, n) for limit, n in bins if limit > 1]
        total = sum(n for _, n in bins)
        check(total > 1000, "the PMD threads had nothing to do")

        def within(share):
            n = 0
            for limit, k in sorted(bins):
                n += k
                if n >= share * total:
                    return limit
            return None
        return within(0.5), within(0.99), within(1)

    def _threads(self):
        """The name of each thread of the switch, by its number."""
        with open(os.path.join(self.run, "ovs-vswitchd.pid")) as pidfile:
            tasks = "/proc/%u/task" % int(pidfile.read())
        threads = {}
        for tid in os.listdir(tasks):
            with contextlib.suppress(OSError):          # It may end.
                with open(os.path.join(tasks, tid, "comm")) as comm:
                    threads[int(tid)] = comm.read().rstrip()
        return threads

    @contextlib.contextmanager
    def hurry(self):
        """Meanwhile neither librte_vhost's threads nor this process wait for a
        processor that others have.  (The PMD threads keep theirs: to wait for
        a lock on the processor of who has it would take long.)"""
        threads = self._threads()
        pmds = [re.match(r"pmd-c(\d+)", name) for name in threads.values()]
        cpus = (os.sched_getaffinity(0)
                - {int(pmd.group(1)) for pmd in pmds if pmd})
        tids = [tid for tid, name in threads.items()
                if name in ("vhost-events", "dpdk-vhost-evt")]
        check(cpus and tids, "nobody can hurry")
        old = {tid: os.sched_getaffinity(tid) for tid in [0] + tids}
        try:
            for tid in old:
                os.sched_setaffinity(tid, cpus)
                os.sched_setscheduler(tid, os.SCHED_FIFO, os.sched_param(1))
            yield
        finally:
            for tid in old:
                with contextlib.suppress(ProcessLookupError):
                    os.sched_setscheduler(tid, os.SCHED_OTHER,
                                          os.sched_param(0))
                    os.sched_setaffinity(tid, old[tid])

    def in_nic(self, port):
        return self.number(port, r"buffers: .* nic (\d+)")


class Nic:
    """The NIC of a port, a model."""

    def __init__(self, switch, port="nic0", stream=1000, control=None):
        self.stream = stream    # Number of the last one.
        self.path = os.path.join(switch.run, "nm")
        if control:
            self.control = control
        else:
            self.reconnect()
        self.dev = "net_nicmodel_" + port

    def reconnect(self):
        """The switch is another one now."""
        self.control = ctl.Control(self.path)

    def command(self, verb, *args):
        return self.control.command(" ".join((verb, self.dev) + args))

    def get(self, key):
        return self.command("stats")[key]

    def start(self, *source, limits=()):
        """Starts a stream of its own, so that frames can be told apart."""
        self.stream += 1
        self.command("source", "stream=%u" % self.stream, *source)
        self.command("start", *limits)

    def stop(self):
        """Returns how many frames were sent."""
        self.command("stop")
        return self.get("sent")
