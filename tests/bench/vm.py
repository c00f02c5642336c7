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

"""Guests that are virtual machines: Linux in QEMU, without KVM.

They stand for Guests of rig.py, and only count.  The kernel is that of the
system tests, see tests/kernel-guest/, and answers over its console.
"""

import os
import shutil
import subprocess
import time

from process import Error, Process, wait_until

HERE = os.path.dirname(os.path.abspath(__file__))
IMAGE = os.path.join(os.path.dirname(HERE), "kernel-guest", "image.sh")
CACHE = os.environ.get("XDG_CACHE_HOME", os.path.expanduser("~/.cache"))
KERNEL = os.environ.get("IOVTEE_GUEST_CACHE",
                        os.path.join(CACHE, "openvswitch-iovtee"))

QEMU = "qemu-system-x86_64"
SETUP = """wait_for 'test -e /sys/class/net/eth0' &&
ip addr flush dev eth0 && ip link set eth0 up
"""


def why_not():
    """Returns why there cannot be virtual machines, None if there can."""
    if not shutil.which(QEMU):
        return "needs " + QEMU
    made = subprocess.run([IMAGE, KERNEL], stdout=subprocess.PIPE,
                          stdin=subprocess.DEVNULL, text=True, check=False)
    if made.returncode:
        return made.stdout.strip() or "cannot make a kernel guest"
    return None


class Machine:
    def __init__(self, folder, path, config):
        self.path = path
        self.n_commands = 0
        self.console = path + ".console"
        setup = path + ".setup"
        with open(setup, "w") as f:
            f.write(SETUP)
        # QEMU 7.2 crashes with MSI-X if it has no KVM, hence "vectors=0".
        with open(self.console, "wb") as console:
            self.process = Process(
                QEMU,
                [QEMU, "-nodefaults", "-no-user-config", "-display", "none",
                 "-machine", "q35,memory-backend=m0", "-cpu", "max",
                 "-m", "128", "-object",
                 "memory-backend-memfd,id=m0,size=128M,share=on,"
                 "hugetlb=on,hugetlbsize=2M,prealloc=on",
                 "-kernel", KERNEL + "/vmlinuz",
                 "-initrd", KERNEL + "/initramfs", "-append",
                 "console=ttyS0 quiet mitigations=off ipv6.disable=1",
                 "-fw_cfg", "name=opt/iovtee/setup,file=" + setup,
                 "-chardev", "stdio,id=console,signal=off",
                 "-serial", "chardev:console",
                 "-chardev", "socket,id=c0,path=%s,server=on,wait=off" % path,
                 "-netdev", "vhost-user,id=n0,chardev=c0",
                 "-device", "virtio-net-pci,netdev=n0,vectors=0,"
                 "rx_queue_size=%d" % config.ring],
                folder + "/qemu.log", stdin=subprocess.PIPE, stdout=console)

    def said(self):
        with open(self.console, errors="replace") as f:
            return f.read()

    def is_ready(self):
        return "= ready" in self.said()

    def execute(self, command):
        """Returns what 'command' prints in the guest."""
        self.n_commands += 1
        name = "bench%d" % self.n_commands
        self.process.popen.stdin.write(
            ("%s %s\n" % (name, command)).encode())
        self.process.popen.stdin.flush()
        end = time.monotonic() + 60
        while "= %s " % name not in self.said():
            self.process.check()
            if time.monotonic() > end:
                raise Error("a virtual machine does not answer")
            time.sleep(0.01)
        text = self.said()
        text = text[text.index("> " + name):text.index("= %s " % name)]
        return [line[2:] for line in text.splitlines()
                if line.startswith("| ")]


class Guests:
    def __init__(self, folder, sockets, config):
        self.machines = []
        try:
            for path in sockets:
                self.machines.append(Machine(folder, path, config))
            for machine in self.machines:
                wait_until("a virtual machine is up", machine.is_ready,
                           machine.process, 120)
        except BaseException:
            self.close()
            raise

    def command(self, line):
        """Only "stats" does something."""
        if line != "stats":
            return {}
        return {"ports": [
            {"rx": int(machine.execute(
                "cat /sys/class/net/eth0/statistics/rx_packets")[-1]),
             "tx": 0, "tx_full": 0} for machine in self.machines]}

    def close(self):
        for machine in self.machines:
            machine.process.end()
