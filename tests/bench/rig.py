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

"""What is measured: a database, a switch, NIC models and guests.

Everything runs in one place so that all lanes live under equal conditions:
one ovs-vswitchd with one PMD thread alone on one processor; the NIC models'
engine, the guests and we share the other.  A lane is a way that packets take
through the switch, with NICs and guests of its own, see LANES.

All processes are our children, all files are in one folder, and close() ends
and removes all of them.
"""

import collections
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile

import ctl
import vm
from process import Error, Process, wait_until

SCHEMA = "/usr/share/openvswitch/vswitch.ovsschema"
HUGEPAGES = "/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages"


# A way of packets:
#
#     path     "guest"   NIC to guest
#              "back"    NIC to guest, which sends them back to the NIC
#              "chain"   NIC to guest, which sends them on to another guest
#              "nic"     NIC to another NIC
#              "drop"    NIC to a rule that drops
#     nic, vm  types of the ports
#     options  of the guest's port; PEER is the name of the NIC's port
#     extra    options of the NICs' ports
Lane = collections.namedtuple("Lane", "title path nic vm options extra",
                              defaults=[[]])

LANES = {
    "A": Lane("iovtee", "guest", "iovtee", "iovtee", ["peer=PEER"]),
    "B": Lane("vhost-user", "guest", "dpdk", "dpdkvhostuserclient", []),
    "L": Lane("NIC to NIC", "nic", "dpdk", None, []),
    "D": Lane("drop rule", "drop", "dpdk", None, []),
    "C": Lane("iovtee without peer", "guest", "dpdk", "iovtee", []),
    "Z": Lane("iovtee, zero-copy off", "guest", "iovtee", "iovtee",
              ["peer=PEER", "rx-zero-copy=false"]),
    "F": Lane("iovtee, forwarding", "back", "iovtee", "iovtee",
              ["peer=PEER"]),
    "G": Lane("vhost-user, forwarding", "back", "dpdk",
              "dpdkvhostuserclient", []),
    "E": Lane("iovtee, forwarding, early completion", "back", "iovtee",
              "iovtee", ["peer=PEER"], ["tx-early-completion=true"]),
    "T": Lane("iovtee, forwarding, zero-copy both ways", "back",
              "iovtee", "iovtee", ["peer=PEER", "tx-zero-copy=true"],
              ["tx-early-completion=true"]),
    "H": Lane("vhost-user, forwarding, n_txq_desc=512", "back", "dpdk",
              "dpdkvhostuserclient", [], ["n_txq_desc=512"]),
    "M": Lane("iovtee, NIC to NIC", "nic", "iovtee", None, []),
    "N": Lane("iovtee, NIC to NIC, early completion", "nic", "iovtee", None,
              [], ["tx-early-completion=true"]),
    "X": Lane("iovtee, always lent", "guest", "iovtee", "iovtee",
              ["peer=PEER", "rx-zero-copy=always"],
              ["tx-early-completion=true"]),
    "V": Lane("iovtee, guest to guest", "chain", "dpdk", "iovtee", []),
    "W": Lane("vhost-user, guest to guest", "chain", "dpdk",
              "dpdkvhostuserclient", []),
}

# What becomes of packets on the way from NIC to guest: flows, of which MATCH
# is what they match, VM is the guest, and OUT is another NIC.
FATES = {
    "": ["MATCH,actions=VM"],
    "half": ["MATCH,udp,tp_src=0/1,actions=OUT",
             "MATCH,udp,tp_src=1/1,actions=VM"],
    "dropped": ["MATCH,actions=drop"],
    "mirrored": ["MATCH,actions=OUT,VM"],
    "ct once": ["MATCH,ct_state=-trk,udp,actions=ct(commit,table=1)",
                "table=1,MATCH,ct_state=+trk,udp,actions=VM"],
    "ct twice": ["MATCH,ct_state=-trk,udp,actions=ct(table=1)",
                 "table=1,MATCH,ct_state=+new,udp,actions=ct(commit),VM",
                 "table=1,MATCH,ct_state=+est,udp,actions=VM"],
    "pop": ["MATCH,vlan_tci=0x1000/0x1000,actions=pop_vlan,VM"],
    "push": ["MATCH,actions=push_vlan:0x8100,set_field:4103->vlan_vid,VM"],
    "pop two": ["MATCH,vlan_tci=0x1000/0x1000,actions=pop_vlan,resubmit(,1)",
                "table=1,MATCH,vlan_tci=0x1000/0x1000,actions=pop_vlan,VM"],
    "push two": ["MATCH,actions=push_vlan:0x8100,set_field:4103->vlan_vid,"
                 "push_vlan:0x88a8,set_field:4104->vlan_vid,VM"],
    "NAT": ["MATCH,ct_state=-trk,udp,actions=ct(nat,table=1)",
            "table=1,MATCH,ct_state=+new,udp,"
            "actions=ct(commit,nat(dst=10.9.9.9)),VM",
            "table=1,MATCH,ct_state=+est,udp,actions=VM"],
}

# With these all packets get to the guest, and none need be copied.
ALL_IN_PLACE = "", "pop", "push", "pop two", "push two"

# How everything is set up.  'lanes' are the names of the lanes, each of which
# exists 'n' times.  'match' is what flows match besides the port.  Guests are
# virtual machines if 'qemu', and played by the NIC models' engine if 'inside'.
# 'fate' is one of FATES.
Config = collections.namedtuple(
    "Config", "lanes n ring desc mtu mrg in_order match smc cold qemu inside"
    " fate",
    defaults=[1, 1024, 512, 1500, 1, 1, "", False, False, False, False, ""])


class Unixctl:
    """Commands of ovs-appctl, without a process for each."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.settimeout(60)
        self.socket.connect(path)

    def command(self, method, *params):
        request = {"method": method, "params": params, "id": 0}
        self.socket.sendall(json.dumps(request).encode())
        data = b""
        while True:
            piece = self.socket.recv(65536)
            if not piece:
                raise Error("the switch has closed the connection")
            data += piece
            try:
                answer = json.loads(data)
            except ValueError:
                continue
            if answer["error"]:
                raise Error("%s: %s" % (method, answer["error"]))
            return answer["result"]


class Switch:
    """ovsdb-server and ovs-vswitchd."""

    def __init__(self, folder, vswitchd, plugin, cpus, netns, smc):
        self.folder = folder
        self.processes = []
        self.env = dict(os.environ, OVS_RUNDIR=folder, OVS_DBDIR=folder)
        self.cpus = cpus
        try:
            self.start_database(plugin, smc)
            self.start_vswitchd(vswitchd, netns)
        except BaseException:
            self.close()
            raise

    def run(self, *argv):
        result = subprocess.run(
            argv, env=self.env, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            timeout=120)
        if result.returncode:
            raise Error("%s: %s" % (argv[0], result.stdout.strip()))
        return result.stdout

    def vsctl(self, *args):
        return self.run("ovs-vsctl", "--timeout=60",
                        "--db=unix:%s/db.sock" % self.folder, *args)

    def start_database(self, plugin, smc):
        path = self.folder + "/conf.db"
        self.run("ovsdb-tool", "create", path, SCHEMA)
        server = Process(
            "ovsdb-server",
            ["ovsdb-server", path, "-vconsole:off",
             "--remote=punix:%s/db.sock" % self.folder,
             "--unixctl=%s/ovsdb-server.ctl" % self.folder,
             "--log-file=%s/ovsdb-server.log" % self.folder],
            self.folder + "/ovsdb-server.log", env=self.env)
        self.processes.append(server)
        wait_until("the database runs",
                   lambda: os.path.exists(self.folder + "/db.sock"), server)
        settings = {
            "dpdk-init": "true",
            "dpdk-lcore-mask": "0x%x" % (1 << self.cpus[0]),
            "pmd-cpu-mask": "0x%x" % (1 << self.cpus[1]),
            "per-port-memory": "true",
            "smc-enable": "true" if smc else "false",
            "vlan-limit": "2",
            "dpdk-extra": '"-d %s --no-pci --in-memory --iova-mode=va"'
                          % plugin,
        }
        self.vsctl("--no-wait", "--", "init", "--",
                   "set", "Open_vSwitch", ".",
                   *("other_config:%s=%s" % item
                     for item in settings.items()))

    def start_vswitchd(self, vswitchd, netns):
        control = self.folder + "/ovs-vswitchd.ctl"
        self.vswitchd = Process(
            "ovs-vswitchd",
            ["ip", "netns", "exec", netns, vswitchd,
             "unix:%s/db.sock" % self.folder, "-vconsole:off",
             "--unixctl=" + control,
             "--log-file=%s/ovs-vswitchd.log" % self.folder],
            self.folder + "/ovs-vswitchd.log", env=self.env)
        self.processes.append(self.vswitchd)
        wait_until("the switch runs", lambda: self.vsctl(
            "get", "Open_vSwitch", ".", "dpdk_initialized").strip() == "true",
            self.vswitchd)
        self.unixctl = Unixctl(control)
        self.vsctl("add-br", "br0", "--", "set", "Bridge", "br0",
                   "datapath_type=netdev", "fail_mode=secure")

    def add_port(self, name, kind, options):
        self.vsctl("add-port", "br0", name, "--", "set", "Interface", name,
                   "type=" + kind, *("options:" + o for o in options))
        error = self.vsctl("get", "Interface", name, "error").strip()
        if error not in ("[]", '""') and "waiting" not in error:
            raise Error("%s: %s" % (name, error))

    def set_flows(self, flows):
        path = self.folder + "/flows"
        with open(path, "w") as f:
            f.write("".join(flow + "\n" for flow in flows))
        self.run("ovs-ofctl", "-O", "OpenFlow14", "replace-flows", "br0",
                 path)

    def is_up(self, name):
        return self.vsctl("get", "Interface", name,
                          "link_state").strip() == "up"

    def pmd_task(self):
        """Where the kernel tells about the PMD thread."""
        tasks = "/proc/%d/task" % self.vswitchd.pid
        for task in os.listdir(tasks):
            with open("%s/%s/comm" % (tasks, task)) as f:
                if f.read().startswith("pmd-c"):
                    return "%s/%s" % (tasks, task)
        raise Error("the switch has no PMD thread")

    def close(self):
        for process in reversed(self.processes):
            process.end()


class Guests:
    """The guests, see guest.c."""

    def __init__(self, program, folder, sockets, cpu, config):
        argv = [program, "--cpu=%d" % cpu, "--ring=%d" % config.ring,
                "--mtu=%d" % config.mtu, "--mrg=%d" % config.mrg,
                "--in-order=%d" % config.in_order]
        argv += ["--cold"] if config.cold else []
        self.process = Process(
            "guest", argv + sockets, folder + "/guest.log",
            stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        try:
            answer = self.read()
            if answer.get("ready") != len(sockets):
                raise Error("the guests do not start")
        except BaseException:
            self.process.end()
            raise

    def read(self):
        line = self.process.popen.stdout.readline()
        if not line:
            self.process.popen.wait(10)
            self.process.check()
        answer = json.loads(line)
        if "error" in answer:
            raise Error("guest: " + answer["error"])
        return answer

    def command(self, line):
        self.process.popen.stdin.write(line.encode() + b"\n")
        self.process.popen.stdin.flush()
        return self.read()

    def close(self):
        self.process.end()


class InsideGuests:
    """The same, played by the engine of the NIC models, see nm-guest.h.  They
    have no process."""

    process = None

    def __init__(self, path, sockets, config):
        self.control = ctl.Control(path)
        self.n = len(sockets)
        for i, socket_path in enumerate(sockets):
            self.control.command(
                "guest guest%d path=%s ring=%d mrg=%d room=%d" % (
                    i, socket_path, config.ring, config.mrg,
                    max(config.mtu + 64, 2048)))

    def command(self, line):
        """Commands of guest.c."""
        words = line.split()
        if words[0] == "stats":
            return {"ports": [self.control.command("stats guest%d" % i)
                              for i in range(self.n)]}
        return self.control.command("%s guest%s %s" % tuple(words))

    def close(self):
        for i in range(self.n):
            self.control.command("forget guest%d" % i)


class Rig:
    """All of it, set up as a Config says."""

    def __init__(self, programs, config, cpus=(0, 1)):
        self.config = config
        self.netns = "iovbench%d" % os.getpid()
        self.undo = []
        try:
            self.start(programs, cpus)
        except BaseException:
            self.close()
            raise

    def start(self, programs, cpus):
        self.folder = tempfile.mkdtemp(prefix="iovbench.")
        self.undo.append(lambda: shutil.rmtree(self.folder, True))
        subprocess.run(["ip", "netns", "add", self.netns], check=True)
        self.undo.append(lambda: subprocess.run(
            ["ip", "netns", "del", self.netns], check=False))
        self.switch = Switch(self.folder, programs["vswitchd"],
                             programs["plugin"], cpus, self.netns,
                             self.config.smc)
        self.undo.append(self.switch.close)
        self.ctl = self.folder + "/nic.ctl"
        self.devargs = ",engine=%d,ctl=%s" % (cpus[0], self.ctl)
        self.sockets, self.flows, self.half = [], [], []
        self.described = {}     # NICs' sources, see windows.py.
        self.ways = {name: [self.add_way(name, i)
                            for i in range(self.config.n)]
                     for name in self.config.lanes}
        self.switch.set_flows(self.flows)
        if self.config.qemu:
            self.guests = vm.Guests(self.folder, self.sockets, self.config)
            self.undo.append(self.guests.close)
        elif self.sockets and self.config.inside:
            self.guests = InsideGuests(self.ctl, self.sockets, self.config)
        elif self.sockets:
            self.guests = Guests(programs["guest"], self.folder,
                                 self.sockets, cpus[0], self.config)
            self.undo.append(self.guests.close)
        for path in self.sockets:
            wait_until("the guests are connected",
                       lambda: self.switch.is_up(os.path.basename(path)))
        self.nics = ctl.Control(self.ctl)
        self.pmd_task = self.switch.pmd_task()

    def add_nic(self, name, lane):
        # Of options that are given twice the last one counts.
        self.switch.add_port(name, lane.nic, [
            "dpdk-devargs=net_nicmodel_" + name + self.devargs,
            "n_rxq_desc=%d" % self.config.desc,
            "n_txq_desc=2048",
        ] + lane.extra)
        if self.config.mtu != 1500:
            self.switch.vsctl("set", "Interface", name,
                              "mtu_request=%d" % self.config.mtu)
        return "net_nicmodel_" + name

    def add_vm(self, name, lane, peer):
        """Returns the guest's number."""
        path = "%s/%s" % (self.folder, name)
        self.switch.add_port(name, lane.vm, ["vhost-server-path=" + path] + [
            o.replace("PEER", peer) for o in lane.options])
        if self.config.mtu != 1500:
            self.switch.vsctl("set", "Interface", name,
                              "mtu_request=%d" % self.config.mtu)
        self.sockets.append(path)
        return len(self.sockets) - 1

    def add_flow(self, source, action):
        match = "," + self.config.match if self.config.match else ""
        self.flows.append("in_port=%s%s,actions=%s" % (source, match, action))

    def add_fate(self, nic, name, lane):
        """Adds flows from 'nic' as the configuration says, and those for
        shuffle() in experiments.py.  Returns the NIC where packets arrive that
        do not get to the guest, if any."""
        match = "in_port=" + nic
        if self.config.match:
            match += "," + self.config.match

        def flows(fate):
            for flow in FATES[fate]:
                for word, text in (("MATCH", match), ("VM", name + "vm"),
                                   ("OUT", name + "out")):
                    flow = flow.replace(word, text)
                yield flow

        self.flows += flows(self.config.fate)
        if not self.config.fate:
            return None
        self.half += flows("half")
        out = self.add_nic(name + "out", lane)
        is_sink = any("OUT" in flow for flow in FATES[self.config.fate])
        return out if is_sink else None

    def add_way(self, name, i):
        """Adds the ports and flows of a lane.  Returns the NIC, and where
        packets arrive."""
        lane = LANES[name]
        name = "%s%d" % (name.lower(), i)
        nic = name + "nic"
        way = {"port": nic, "nic": self.add_nic(nic, lane),
               "guests": [], "vm": None, "sink": None}
        if lane.path == "drop":
            self.add_flow(nic, "drop")
        elif lane.path == "nic":
            way["sink"] = self.add_nic(name + "out", lane)
            self.add_flow(nic, name + "out")
        else:
            way["vm"] = name + "vm"
            way["guests"].append(self.add_vm(name + "vm", lane, nic))
            way["sink"] = self.add_fate(nic, name, lane)
        if lane.path == "back":
            way["sink"] = way["nic"]
            self.add_flow(name + "vm", nic)
        elif lane.path == "chain":
            way["guests"].append(self.add_vm(name + "vm2", lane, nic))
            self.add_flow(name + "vm", name + "vm2")
        return way

    def close(self):
        while self.undo:
            try:
                self.undo.pop()()
            except OSError as error:
                print("bench: %s" % error, file=sys.stderr)
