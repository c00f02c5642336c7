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

"""Looks for bytes in the memory of a guest of QEMU's.

    memory.py PID BYTES [START-END...]

PID is QEMU's, BYTES and guest-physical addresses are hexadecimal numbers.
Prints how often the bytes are between one of the STARTs and its END, and how
often elsewhere.
"""

import glob
import mmap
import os
import re
import sys


def main():
    pid, wanted = sys.argv[1], bytes.fromhex(sys.argv[2])
    ranges = [[int(x, 16) for x in arg.split('-')] for arg in sys.argv[3:]]
    inside = outside = 0
    files = [name for name in glob.glob('/proc/%s/fd/*' % pid)
             if os.readlink(name).startswith('/memfd:memory-backend-memfd')]

    # All of such a machine's memory, which is less than 2 GiB, is in one piece
    # from address 0 on.
    with open(files[0], 'rb') as file, \
            mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) as memory:
        for match in re.finditer(re.escape(wanted), memory):
            if any(start <= match.start() < end for start, end in ranges):
                inside += 1
            else:
                outside += 1
    print('inside %d outside %d' % (inside, outside))


main()
