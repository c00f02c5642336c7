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

"""The front-end's side of a vhost-user socket: any message, with any file
descriptors, at any time."""

import array
import os
import socket
import struct
import time

HEADER = struct.Struct("=III")          # Request, flags, size of the rest.
VERSION = 1
REPLY = 1 << 2
NEED_REPLY = 1 << 3

GET_FEATURES = 1
SET_FEATURES = 2
SET_OWNER = 3
RESET_OWNER = 4
SET_MEM_TABLE = 5
SET_LOG_BASE = 6
SET_LOG_FD = 7
SET_VRING_NUM = 8
SET_VRING_ADDR = 9
SET_VRING_BASE = 10
GET_VRING_BASE = 11
SET_VRING_KICK = 12
SET_VRING_CALL = 13
SET_VRING_ERR = 14
GET_PROTOCOL_FEATURES = 15
SET_PROTOCOL_FEATURES = 16
GET_QUEUE_NUM = 17
SET_VRING_ENABLE = 18
SEND_RARP = 19
NET_SET_MTU = 20
SET_INFLIGHT_FD = 32
SET_STATUS = 39
GET_STATUS = 40
N_REQUESTS = 45                         # All that are known, and some.

# Features of the device, and of the protocol.
F_CSUM = 1 << 0
F_MRG_RXBUF = 1 << 15
F_MQ = 1 << 22
F_LOG_ALL = 1 << 26
F_INDIRECT = 1 << 28
F_EVENT_IDX = 1 << 29
F_PROTOCOL = 1 << 30
F_VERSION_1 = 1 << 32
PROTOCOL_MQ = 1 << 0
PROTOCOL_LOG_SHMFD = 1 << 1
PROTOCOL_REPLY_ACK = 1 << 3

NO_FD = 1 << 8                          # In SET_VRING_KICK and _CALL.
VRING_LOG = 1 << 0                      # In SET_VRING_ADDR.

TIMEOUT = 20


class Closed(Exception):
    """The back-end has closed the connection."""


class FrontEnd:
    def __init__(self, path, listen=False):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.settimeout(TIMEOUT)
        if listen:
            self._accept(path)
        else:
            self._connect(path)

    def _accept(self, path):
        if os.path.exists(path):
            os.unlink(path)
        self.socket.bind(path)
        self.socket.listen(1)
        listener = self.socket
        self.socket, _ = listener.accept()
        self.socket.settimeout(TIMEOUT)
        listener.close()

    def _connect(self, path):
        """The back-end may still be busy with our predecessor."""
        end = time.monotonic() + TIMEOUT
        while True:
            try:
                self.socket.connect(path)
                return
            except OSError:
                if time.monotonic() > end:
                    raise
                time.sleep(0.01)

    def close(self):
        self.socket.close()

    def raw(self, data, fds=()):
        """Sends bytes that need not be a message."""
        control = [(socket.SOL_SOCKET, socket.SCM_RIGHTS,
                    array.array("i", fds))] if fds else []
        try:
            self.socket.sendmsg([data], control)
        except (BrokenPipeError, ConnectionResetError):
            raise Closed

    def send(self, request, payload=b"", fds=(), flags=0, size=None):
        """Sends a message that says of itself that it has 'size' bytes."""
        if size is None:
            size = len(payload)
        self.raw(HEADER.pack(request, VERSION | flags, size) + payload, fds)

    def _read(self, n):
        data = b""
        while len(data) < n:
            try:
                more = self.socket.recv(n - len(data))
            except ConnectionResetError:
                more = b""
            if not more:
                raise Closed
            data += more
        return data

    def receive(self):
        """Returns the request and the payload of the next reply."""
        request, _, size = HEADER.unpack(self._read(HEADER.size))
        return request, self._read(size)

    def ask(self, request, payload=b"", fds=(), flags=0):
        """Returns the payload of the answer, whatever it answers."""
        self.send(request, payload, fds, flags)
        return self.receive()[1]

    def ack(self, request, payload=b"", fds=()):
        """Returns what the back-end thinks of a message, 0 for "done"."""
        answer = self.ask(request, payload, fds, NEED_REPLY)
        return struct.unpack("=Q", answer)[0]

    def is_open(self):
        """Does the back-end still answer?"""
        try:
            self.ask(GET_FEATURES)
            return True
        except Closed:
            return False

    # Messages as they should be.

    def get_u64(self, request):
        return struct.unpack("=Q", self.ask(request))[0]

    def u64(self, request, value, fds=()):
        self.send(request, struct.pack("=Q", value), fds)

    def vring_state(self, request, index, value):
        self.send(request, struct.pack("=II", index, value))

    def vring_addr(self, index, ring, flags=0, log_gpa=0):
        self.send(SET_VRING_ADDR,
                  struct.pack("=IIQQQQ", index, flags, ring.desc_uva,
                              ring.used_uva, ring.avail_uva, log_gpa))

    def get_vring_base(self, index):
        answer = self.ask(GET_VRING_BASE, struct.pack("=II", index, 0))
        return struct.unpack("=II", answer)[1]

    def vring_fd(self, request, index, fd):
        if fd is None:
            self.u64(request, index | NO_FD)
        else:
            self.u64(request, index, [fd])


def mem_table(regions):
    """Returns the payload for a list of objects with 'gpa', 'size', 'uva' and
    'offset'."""
    return struct.pack("=II", len(regions), 0) + b"".join(
        struct.pack("=QQQQ", r.gpa, r.size, r.uva, r.offset)
        for r in regions)
