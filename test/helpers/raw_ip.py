"""Ends of an IP protocol over raw sockets, whose datagrams the kernel puts into packets and fragments.

usage: raw_ip.py answer FAMILY PROTOCOL ADDRESS
       raw_ip.py ask FAMILY PROTOCOL ADDRESS SIZE

What answers at an address says "ready", sends what comes back with its bytes in reverse order, and prints the size
and the source of each. What asks sends one datagram and waits for the answer from that address.
Of SCTP (132) these are payloads behind a common header with ports and a CRC, which has to be right.
"""

import os
import socket
import struct
import sys

SCTP = 132
PORT = 3868
COMMON_HEADER = 12
WAIT_S = 20


def crc32c(data):
    """RFC 9260 appendix A."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def sctp_packet(source, destination, payload):
    header = struct.pack("!HHI", source, destination, 0x5C7B)
    crc = crc32c(header + bytes(4) + payload)
    return header + struct.pack("<I", crc) + payload


def sctp_payload(packet):
    (crc,) = struct.unpack("<I", packet[8:COMMON_HEADER])
    if crc != crc32c(packet[:8] + bytes(4) + packet[COMMON_HEADER:]):
        sys.exit("a wrong CRC")
    return packet[COMMON_HEADER:]


class End:
    def __init__(self, family, protocol):
        self.is_sctp = protocol == SCTP
        self.is_v4 = family == 4
        self.socket = socket.socket(
            socket.AF_INET if self.is_v4 else socket.AF_INET6, socket.SOCK_RAW, protocol
        )

    def send(self, payload, address, source=PORT, destination=PORT):
        packet = sctp_packet(source, destination, payload) if self.is_sctp else payload
        self.socket.sendto(packet, (address, 0))

    def receive(self):
        """Payload, address and, of SCTP, the ports of the next one."""
        data, sender = self.socket.recvfrom(1 << 16)
        if self.is_v4:
            data = data[(data[0] & 15) * 4 :]
        if not self.is_sctp:
            return data, sender[0], (0, 0)
        return sctp_payload(data), sender[0], struct.unpack("!HH", data[:4])


def answer(family, protocol, address):
    end = End(family, protocol)
    end.socket.bind((address, 0))
    print("ready", flush=True)
    while True:
        payload, sender, (source, destination) = end.receive()
        print(f"{len(payload)} from {sender}", flush=True)
        end.send(payload[::-1], sender, destination, source)


def ask(family, protocol, address, size):
    end = End(family, protocol)
    end.socket.settimeout(WAIT_S)
    payload = os.urandom(size)
    end.send(payload, address, 40000)
    while True:
        received, sender, ports = end.receive()
        if sender != address:
            sys.exit(f"an answer from {sender}")
        if received == payload[::-1] and ports in ((0, 0), (PORT, 40000)):
            print("answered")
            return


if __name__ == "__main__":
    if sys.argv[1] == "answer":
        answer(int(sys.argv[2]), int(sys.argv[3]), sys.argv[4])
    else:
        ask(int(sys.argv[2]), int(sys.argv[3]), sys.argv[4], int(sys.argv[5]))
