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

"""Collects the packets that a switch reports, as a file for libpcap.

    to-pcap.py packet-in LOG PCAP    from the output of "ovs-ofctl -m monitor"
    to-pcap.py sflow PORT PCAP       listens for sFlow until it is killed
"""

import re
import socket
import struct
import sys


def write_header(pcap):
    pcap.write(struct.pack("=IHHiIII", 0xa1b2c3d4, 2, 4, 0, 0, 65535, 1))
    pcap.flush()


def write_packet(pcap, data):
    pcap.write(struct.pack("=IIII", 0, 0, len(data), len(data)) + data)
    pcap.flush()


def packet_in(log, pcap):
    """A packet is a hex dump that begins with offset 0."""
    data = b""
    for line in log:
        match = re.match(r"([0-9a-f]{8})  ((?:[0-9a-f]{2}[ -]?)+)", line)
        if match:
            if int(match.group(1), 16) == 0 and data:
                write_packet(pcap, data)
                data = b""
            data += bytes.fromhex(match.group(2).replace("-", " "))
    if data:
        write_packet(pcap, data)


def records(data, n):
    """Yields (format, contents) of 'n' records of sFlow in 'data'."""
    for _ in range(n):
        kind, length = struct.unpack_from(">II", data)
        yield kind, data[8:8 + length]
        data = data[8 + length:]


def sflow(port, pcap):
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.setsockopt(socket.SOL_SOCKET, 33, 64 << 20)    # SO_RCVBUFFORCE
    sock.bind(("127.0.0.1", port))
    while True:
        datagram = sock.recv(65536)
        n_samples, = struct.unpack_from(">I", datagram, 24)
        for kind, sample in records(datagram[28:], n_samples):
            if kind != 1:
                continue
            n_records, = struct.unpack_from(">I", sample, 28)
            for kind, record in records(sample[32:], n_records):
                if kind == 1:
                    length, = struct.unpack_from(">I", record, 12)
                    write_packet(pcap, record[16:16 + length])


def main():
    mode, source, pcap_name = sys.argv[1:]
    with open(pcap_name, "wb") as pcap:
        write_header(pcap)
        if mode == "packet-in":
            with open(source) as log:
                packet_in(log, pcap)
        else:
            sflow(int(source), pcap)


main()
