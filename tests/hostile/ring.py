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

"""The driver's side of a split virtqueue, with nothing that would keep anybody
from doing it wrong."""

import os

F_NEXT = 1
F_WRITE = 2
F_INDIRECT = 4

MASK16 = 0xffff


class Ring:
    """A ring of 'size' descriptors in 'region', 'offset' bytes from its
    begin.  The areas are a page or more apart."""

    def __init__(self, region, offset, size):
        def after(begin, n_bytes):
            return begin + (n_bytes + 4095) // 4096 * 4096

        self.region = region
        self.size = size
        self.desc = offset
        self.avail = after(self.desc, 16 * size)
        self.used = after(self.avail, 6 + 2 * size)
        self.end = after(self.used, 6 + 8 * size)
        self.kick = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self.call = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self.reset()

    def close(self):
        os.close(self.kick)
        os.close(self.call)

    @property
    def desc_uva(self):
        return self.region.uva + self.desc

    @property
    def avail_uva(self):
        return self.region.uva + self.avail

    @property
    def used_uva(self):
        return self.region.uva + self.used

    @property
    def used_gpa(self):
        return self.region.gpa + self.used

    def reset(self):
        self.region.map[self.desc:self.end] = bytes(self.end - self.desc)
        self.avail_idx = 0              # Next to be made available.
        self.seen = 0                   # Next that will be used.

    def set_desc(self, i, gpa, length, flags=F_WRITE, next_=0):
        at = self.desc + 16 * i
        self.region.u64[at // 8] = gpa
        self.region.u32[at // 4 + 2] = length
        self.region.u16[at // 2 + 6] = flags
        self.region.u16[at // 2 + 7] = next_

    def make_available(self, head):
        """For the device to see after publish()."""
        slot = self.avail_idx & (self.size - 1)
        self.region.u16[self.avail // 2 + 2 + slot] = head
        self.avail_idx = (self.avail_idx + 1) & MASK16

    def made_available(self, ago):
        """Returns the head that the last call but 'ago' was given."""
        slot = (self.avail_idx - 1 - ago) & (self.size - 1)
        return self.region.u16[self.avail // 2 + 2 + slot]

    def publish(self):
        self.set_avail_idx(self.avail_idx)

    def set_avail_idx(self, idx):
        self.region.u16[self.avail // 2 + 1] = idx

    def set_used_event(self, idx):
        self.region.u16[self.avail // 2 + 2 + self.size] = idx

    def used_idx(self):
        return self.region.u16[self.used // 2 + 1]

    def next_used(self):
        """Returns descriptor head and length of the next used buffer, or
        None."""
        if self.seen == self.used_idx():
            return None
        at = self.used // 4 + 1 + (self.seen & (self.size - 1)) * 2
        self.seen = (self.seen + 1) & MASK16
        return self.region.u32[at], self.region.u32[at + 1]
