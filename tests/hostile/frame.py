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

"""The frames of the NIC model, see nm-frame.h."""

import struct

MAGIC = 0x4e4d
MARK = struct.Struct("!HHI")            # Magic, stream, sequence number.
MARK_OFS = 42                           # After Ethernet, IPv4 and UDP.
BODY_OFS = MARK_OFS + MARK.size
N_HEADS = 32
MAX_FRAME = 9728


def make_pattern():
    pattern = bytearray()
    x = 0x9e3779b97f4a7c15
    for _ in range(MAX_FRAME + 8 * N_HEADS):
        x ^= x << 13 & 0xffffffffffffffff
        x ^= x >> 7
        x ^= x << 17 & 0xffffffffffffffff
        pattern.append(x >> 32 & 0xff)
    return bytes(pattern)


PATTERN = make_pattern()


def mark(stream):
    """Returns what each frame of 'stream' has in it."""
    return struct.pack("!HH", MAGIC, stream)


def parse(data):
    """Returns stream and sequence number of a frame, or None if it is none or
    not as it was sent."""
    if len(data) < BODY_OFS:
        return None
    magic, stream, seq = MARK.unpack_from(data, MARK_OFS)
    begin = seq % N_HEADS * 8
    if magic != MAGIC or (data[BODY_OFS:]
                          != PATTERN[begin:begin + len(data) - BODY_OFS]):
        return None
    return stream, seq
