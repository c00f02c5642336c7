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

"""Says where a PCI NIC of QEMU's wrote frames to, in terms of guest memory.

    dma.py [--hex] [--physical] TRACE SKIP SWITCH-PID GUEST-PID

TRACE is what QEMU traces of the NIC, of which the first SKIP bytes are of no
interest.  Addresses are those of the switch's memory, as the IOMMU translates
one to one.  What the switch and the guest have mapped of the same files is
guest memory.  With --physical there is no IOMMU, and the kernel says where the
two have each page.

Prints how many frames were written to guest memory and, if any, elsewhere;
with --physical to memory of the switch that the guest does not have, too.
With --hex, what the guest finds in its memory, where it has mapped it itself,
in hexadecimal digits, a line per frame.
"""

import argparse
import re
import sys
from array import array
from collections import Counter, namedtuple

PAGE = 4096

# An entry of /proc/PID/pagemap: the page is there, and its number.
PRESENT = 1 << 63
FRAME = (1 << 55) - 1

# A part of a file, from 'offset' on, that is mapped from 'start' to 'end'.
Mapping = namedtuple('Mapping', 'start end offset file')


def mappings(pid):
    """Returns what process 'pid' has mapped of memory files."""
    found = []
    with open('/proc/%d/maps' % pid) as maps:
        for line in maps:
            fields = line.split()
            if not re.search('memfd:|hugepages', line):
                continue
            start, end = (int(x, 16) for x in fields[0].split('-'))
            found.append(Mapping(start, end, int(fields[2], 16),
                                 (fields[3], fields[4])))
    return found


def pages(pid):
    """Returns where process 'pid' has each page of memory files, by the page's
    physical address."""
    found = {}
    with open('/proc/%d/pagemap' % pid, 'rb', buffering=0) as pagemap:
        for m in mappings(pid):
            pagemap.seek(m.start // PAGE * 8)
            entries = array('Q', pagemap.read((m.end - m.start) // PAGE * 8))
            for i, entry in enumerate(entries):
                if entry & PRESENT:
                    found[(entry & FRAME) * PAGE] = m.start + i * PAGE
    return found


def writes(trace, skip):
    """Yields address and length of each frame that file 'trace' has.

    QEMU writes a frame in pieces."""
    address = length = None
    with open(trace, 'rb', buffering=1 << 20) as lines:
        lines.seek(skip)
        for line in lines:
            match = re.search(b'desc_buff_write.*addr: 0x([0-9a-f]+), '
                              b'offset: ([0-9]+),.*length: ([0-9]+)', line)
            if not match:
                continue
            if int(match[2]) == 0:
                if address is not None:
                    yield address, length
                address, length = int(match[1], 16), 0
            length += int(match[3])
    if address is not None:
        yield address, length


def find(address, switch, guest):
    """Returns whose memory 'address' is in, and where the guest finds it."""
    found = in_guest(address, switch, guest)
    return ('elsewhere', None) if found is None else ('guest', found)


def find_physical(address, switch, guest):
    """The same for a physical address."""
    offset = address % PAGE
    if address - offset in guest:
        return 'guest', guest[address - offset] + offset
    return 'switch' if address - offset in switch else 'elsewhere', None


def in_guest(address, switch, guest):
    """Returns where the guest finds what the switch has at 'address'."""
    for s in switch:
        if s.start <= address < s.end:
            at = address - s.start + s.offset
            for g in guest:
                if (g.file == s.file
                        and g.offset <= at < g.offset + g.end - g.start):
                    return at - g.offset + g.start
    return None


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('--hex', action='store_true')
    parser.add_argument('--physical', action='store_true')
    parser.add_argument('trace')
    parser.add_argument('skip', type=int)
    parser.add_argument('switch', type=int)
    parser.add_argument('guest', type=int)
    args = parser.parse_args()

    look, whose = ((pages, find_physical) if args.physical
                   else (mappings, find))
    switch, guest = look(args.switch), look(args.guest)
    count = Counter()
    with open('/proc/%d/mem' % args.guest, 'rb') as mem:
        for address, length in writes(args.trace, args.skip):
            where, found = whose(address, switch, guest)
            count[where] += 1
            if args.hex and found is not None:
                mem.seek(found)
                print(mem.read(length).hex())
    if not args.hex:
        for where in sorted(count, reverse=True):
            print(where, count[where])


if __name__ == '__main__':
    sys.exit(main())
