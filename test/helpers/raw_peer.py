"""A raw peer: frames as hexadecimal lines between a device and the standard streams.

usage: raw_peer.py DEVICE

Each input line is sent as one frame; each frame that arrives is printed as one line. Frames that
this host sends itself are not seen. Begins with the line "ready MAC".
"""

import os
import selectors
import socket
import struct
import sys

ETH_P_ALL = 3
SOL_PACKET = 263
PACKET_AUXDATA = 8
PACKET_IGNORE_OUTGOING = 23
TP_STATUS_VLAN_VALID = 1 << 4
TP_STATUS_VLAN_TPID_VALID = 1 << 6
LARGEST_FRAME = 1 << 17


def with_vlan_tag(frame, ancillary):
    """The kernel takes the outer tag off before it shows a frame; this puts it back."""
    for level, kind, data in ancillary:
        if level == SOL_PACKET and kind == PACKET_AUXDATA:
            status, _, _, _, _, tci, tpid = struct.unpack("=IIIHHHH", data[:20])
            if status & TP_STATUS_VLAN_VALID:
                tpid = tpid if status & TP_STATUS_VLAN_TPID_VALID else 0x8100
                return frame[:12] + struct.pack("!HH", tpid, tci) + frame[12:]
    return frame


def main():
    peer = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    peer.setsockopt(SOL_PACKET, PACKET_AUXDATA, 1)
    peer.setsockopt(SOL_PACKET, PACKET_IGNORE_OUTGOING, 1)
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
    # Only now does anything arrive, so nothing came in before the options were set.
    peer.bind((sys.argv[1], ETH_P_ALL))
    print("ready", peer.getsockname()[4].hex(":"), flush=True)

    selector = selectors.DefaultSelector()
    selector.register(peer, selectors.EVENT_READ)
    selector.register(sys.stdin, selectors.EVENT_READ)
    pending = b""
    while True:
        for key, _ in selector.select():
            if key.fileobj is peer:
                frame, ancillary, _, _ = peer.recvmsg(LARGEST_FRAME, 256)
                print(with_vlan_tag(frame, ancillary).hex(), flush=True)
                continue
            read = os.read(sys.stdin.fileno(), 1 << 16)
            if not read:
                return
            *lines, pending = (pending + read).split(b"\n")
            for line in lines:
                peer.send(bytes.fromhex(line.decode()))


main()
