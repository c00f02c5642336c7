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

"""A guest that does all as it should, as long as nobody makes it do
otherwise."""

import time

import frame
import protocol
from memory import Memory, Region
from protocol import FrontEnd, mem_table
from ring import F_WRITE, Ring

RX, TX = 0, 1
MASK16 = 0xffff

RINGS_GPA = 0
DATA_GPA = 1 << 32
BUF_SIZE = 2048
TX_OFS = 768 << 10              # Of what is sent, in the region of the rings.
HDR_LEN = 12

PATIENCE = 3                    # Seconds until all is as it was, at most.


class Failure(Exception):
    """The switch has done what it must not do."""


def check(condition, text):
    if not condition:
        raise Failure(text)


def wait_for(text, condition, seconds=20):
    end = time.monotonic() + seconds
    while not condition():
        check(time.monotonic() < end, "waited in vain: " + text)
        time.sleep(0.001)


class Guest:
    """A guest with one queue pair at the socket 'path'.  Receive buffer i is
    descriptor i and the i-th BUF_SIZE bytes at DATA_GPA."""

    features = (protocol.F_VERSION_1 | protocol.F_MRG_RXBUF
                | protocol.F_PROTOCOL)
    protocol_features = protocol.PROTOCOL_MQ | protocol.PROTOCOL_REPLY_ACK

    def __init__(self, path, size=1024, listen=False, memory=None):
        self.path = path
        self.size = size
        self.listen = listen
        self.memory = memory or Memory(
            Region(RINGS_GPA, 1 << 20),
            Region(DATA_GPA, size * BUF_SIZE))
        self.data = self.memory.regions[1]
        self.rx = Ring(self.memory.regions[0], 0, size)
        self.tx = Ring(self.memory.regions[0], self.rx.end, size)
        self.front_end = None
        self.buf_len = BUF_SIZE
        self.log_flags = 0
        self.is_gone = lambda: True     # Has the back-end noticed it?
        self.forget()

    def forget(self):
        """Begins to count anew."""
        self.posted = bytearray(self.size)      # Of each buffer: 1 if posted.
        self.times_used = [0] * self.size
        self.lengths = [0] * self.size          # When used last.
        self.seen = set()                       # (stream, sequence number)
        self.counts = {}                        # By stream.
        self.n_frames = 0
        self.n_filler = 0

    def close(self):
        self.disconnect()
        self.rx.close()
        self.tx.close()
        self.memory.close()

    # The front-end's part.

    def connect(self):
        """Connects and agrees on features."""
        end = time.monotonic() + protocol.TIMEOUT
        while True:
            # A back-end that is not done yet with our predecessor may refuse
            # us, or rather hang up.
            self.front_end = fe = FrontEnd(self.path, self.listen)
            try:
                offered = fe.get_u64(protocol.GET_FEATURES)
                break
            except protocol.Closed:
                check(time.monotonic() < end, "refused all the time")
        fe.send(protocol.SET_OWNER)
        check(offered & self.features == self.features, "lacks features")
        offered = fe.get_u64(protocol.GET_PROTOCOL_FEATURES)
        check(offered & self.protocol_features == self.protocol_features,
              "lacks protocol features")
        fe.u64(protocol.SET_PROTOCOL_FEATURES, self.protocol_features)
        fe.u64(protocol.SET_FEATURES, self.features)
        return fe

    def disconnect(self):
        """Returns when the back-end does not use guest memory any more."""
        if self.front_end:
            self.front_end.close()
            self.front_end = None
            wait_for("the back-end to let the guest go", self.is_gone)

    def set_memory(self, regions=None):
        regions = regions or self.memory.regions
        return self.front_end.ack(protocol.SET_MEM_TABLE, mem_table(regions),
                                  [r.fd for r in regions])

    def ring_of(self, index):
        return (self.rx, self.tx)[index]

    def set_vring(self, index, base=0):
        """Says all that there is to say about a ring."""
        fe = self.front_end
        ring = self.ring_of(index)
        fe.vring_state(protocol.SET_VRING_NUM, index, ring.size)
        fe.vring_state(protocol.SET_VRING_BASE, index, base)
        fe.vring_addr(index, ring, self.log_flags, ring.used_gpa)
        fe.vring_fd(protocol.SET_VRING_CALL, index, ring.call)
        fe.vring_fd(protocol.SET_VRING_KICK, index, ring.kick)
        self.enable(index, 1)

    def enable(self, index, on):
        """Returns when it is done."""
        self.front_end.vring_state(protocol.SET_VRING_ENABLE, index, on)
        self.front_end.ask(protocol.GET_FEATURES)

    def start(self):
        """Connects, with rings as new."""
        self.rx.reset()
        self.tx.reset()
        self.forget()
        self.connect()
        check(self.set_memory() == 0, "memory table refused")
        self.set_vring(RX)
        self.set_vring(TX)
        self.front_end.ask(protocol.GET_FEATURES)
        self.post_all()

    def restart(self):
        self.disconnect()
        self.start()

    # The driver's part.

    def buf_gpa(self, head):
        return self.data.gpa + head * BUF_SIZE

    def post(self, head):
        """Posts a buffer, for the device to see after rx.publish()."""
        self.rx.set_desc(head, self.buf_gpa(head), self.buf_len, F_WRITE)
        self.posted[head] = 1
        self.rx.make_available(head)

    def post_all(self):
        for head in range(self.size):
            if not self.posted[head]:
                self.post(head)
        self.rx.publish()

    def contents(self, head, length):
        begin = head * BUF_SIZE
        return self.data.map[begin + HDR_LEN:begin + length]

    def rest(self, head):
        """Returns what is in a buffer after what was used of it."""
        begin = head * BUF_SIZE
        return self.data.map[begin + self.lengths[head]:begin + BUF_SIZE]

    def take(self, head, length):
        """Buffer 'head' came back with 'length' bytes in it."""
        check(head < self.size, "used a buffer %u that is none" % head)
        check(self.posted[head], "used buffer %u twice" % head)
        check(length <= self.buf_len, "used %u bytes of a buffer" % length)
        self.posted[head] = 0
        self.lengths[head] = length
        self.times_used[head] += 1
        what = frame.parse(self.contents(head, length))
        if what:
            check(what not in self.seen, "frame %u/%u came twice" % what)
            self.seen.add(what)
            self.counts[what[0]] = self.counts.get(what[0], 0) + 1
            self.n_frames += 1
        else:
            self.take_other(head, length)

    def take_other(self, head, length):
        """A frame that is none of the NIC's must be a filler."""
        data = self.contents(head, length)
        check(not any(data[14:]), "garbage of %u bytes in buffer %u: %s"
              % (length, head, data[:64].hex()))
        self.n_filler += 1

    def harvest(self, most=256):
        """Takes buffers that were used.  Returns their heads."""
        heads = []
        while len(heads) < most:
            used = self.rx.next_used()
            if not used:
                break
            self.take(*used)
            heads.append(used[0])
        return heads

    def poll(self):
        """Takes frames and posts their buffers again.  Returns how many."""
        heads = self.harvest()
        self.post_again(heads)
        return len(heads)

    def post_again(self, heads):
        for head in heads:
            self.rx.make_available(head)
            self.posted[head] = 1
        if heads:
            self.rx.publish()

    def run(self, seconds):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if not self.poll():
                time.sleep(0.0002)

    def run_until(self, text, condition, seconds=20):
        end = time.monotonic() + seconds
        while not condition():
            check(time.monotonic() < end, "waited in vain: " + text)
            if not self.poll():
                time.sleep(0.0002)

    def receive(self, n):
        """Returns when 'n' more frames have come."""
        goal = self.n_frames + n
        self.run_until("%u frames, %u left" % (n, goal - self.n_frames),
                       lambda: self.n_frames >= goal)

    def put(self, data, header=bytes(HDR_LEN)):
        """Has a frame ready to be sent."""
        self.memory.regions[0].map[TX_OFS:TX_OFS + HDR_LEN + len(data)] = (
            header + data)
        self.tx.set_desc(0, RINGS_GPA + TX_OFS, HDR_LEN + len(data), 0)
        self.tx.make_available(0)
        self.tx.publish()

    def transmit(self, data, header=bytes(HDR_LEN)):
        """Sends a frame, and waits until all that was ready is taken."""
        self.put(data, header)
        wait_for("frames to be sent",
                 lambda: self.tx.used_idx() == self.tx.avail_idx)

    def stop_ring(self, index=RX):
        """Returns the base that is handed back, and the seconds it took."""
        begin = time.monotonic()
        base = self.front_end.get_vring_base(index)
        return base, time.monotonic() - begin
