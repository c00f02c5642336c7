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

"""The memory of a guest that is not there."""

import mmap
import os

# Where the guest's memory is in a front-end's address space, which nobody
# but the front-end itself need ever have.
USER_BASE = 0x100000000000


class Region:
    """Memory at guest physical address 'gpa', backed by a file of its own."""

    def __init__(self, gpa, size):
        self.gpa = gpa
        self.size = size
        self.uva = USER_BASE + gpa
        self.offset = 0
        self.fd = os.memfd_create("guest", os.MFD_CLOEXEC)
        os.ftruncate(self.fd, size)
        self.map = mmap.mmap(self.fd, size)

        # Stores of two, four and eight bytes, each in one piece.
        self.u16 = memoryview(self.map).cast("H")
        self.u32 = memoryview(self.map).cast("I")
        self.u64 = memoryview(self.map).cast("Q")

    def truncate(self):
        """Takes the memory away.  Nobody may look at it after that."""
        os.ftruncate(self.fd, 0)

    def close(self):
        for view in self.u16, self.u32, self.u64:
            view.release()
        self.map.close()
        os.close(self.fd)


class Memory:
    def __init__(self, *regions):
        self.regions = list(regions)

    def close(self):
        for region in self.regions:
            region.close()

    def fds(self):
        return [region.fd for region in self.regions]

    def snapshot(self):
        """Returns what is in guest memory, region by region."""
        return [bytes(region.map) for region in self.regions]

    def changes(self, old, page=4096):
        """Returns the guest physical addresses of the pages that are not what
        they were when snapshot() returned 'old'."""
        pages = []
        for region, before in zip(self.regions, old):
            now = bytes(region.map)
            if now == before:
                continue
            pages += [region.gpa + i for i in range(0, region.size, page)
                      if now[i:i + page] != before[i:i + page]]
        return pages

    def find(self, marker):
        """Returns the guest physical addresses where 'marker' is."""
        found = []
        for region in self.regions:
            i = region.map.find(marker)
            while i >= 0:
                found.append(region.gpa + i)
                i = region.map.find(marker, i + 1)
        return found
