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

"""Controls the NIC model, see nm-control.h for the commands.

usage: ctl.py SOCKET COMMAND [ARGUMENT...]
       ctl.py SOCKET get DEV KEY...     some of what "stats" tells
       ctl.py SOCKET -                  commands from stdin, one per line

Prints the answers without "ok", and ends with status 1 at the first "error".
As a module: Control(path).command("stats net_nicmodel0") returns what the
JSON says, or None, and raises Error.
"""

import json
import socket
import sys


class Error(Exception):
    pass


class Control:
    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.connect(path)
        self.file = self.socket.makefile("r")

    def command(self, line):
        self.socket.sendall(line.encode() + b"\n")
        answer = self.file.readline()
        if not answer:
            raise Error("the connection was closed")
        word, _, rest = answer.rstrip("\n").partition(" ")
        if word != "ok":
            raise Error(rest)
        return json.loads(rest) if rest else None


def show(result):
    if result is not None:
        print(json.dumps(result))


def main():
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    control = Control(sys.argv[1])
    words = sys.argv[2:]
    if words[0] == "-":
        for line in sys.stdin:
            show(control.command(line.strip()))
    elif words[0] == "get":
        stats = control.command("stats " + words[1])
        print(" ".join(str(stats[key]) for key in words[2:]))
    else:
        show(control.command(" ".join(words)))


if __name__ == "__main__":
    try:
        main()
    except (Error, OSError) as error:
        sys.exit("ctl.py: %s" % error)
