"""Puts a namespace's kernel into a VLAN of a device, where the kernel has no VLAN devices.

usage: vlan_host.py DEVICE TAP VLAN...

Makes TAP, whose frames pass DEVICE with these tags, the outermost first; others are not for it.
Prints the line "ready" once frames pass.
"""

import fcntl
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
TUNSETIFF = 0x400454CA
IFF_TAP, IFF_NO_PI = 0x0002, 0x1000
LARGEST_FRAME = 1 << 16


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
    device, tap_name, *vlans = sys.argv[1:]
    kinds = [0x8100] if len(vlans) == 1 else [0x88A8, 0x8100]
    tags = b"".join(struct.pack("!HH", kind, int(vlan)) for kind, vlan in zip(kinds, vlans))
    wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    wire.setsockopt(SOL_PACKET, PACKET_AUXDATA, 1)
    wire.setsockopt(SOL_PACKET, PACKET_IGNORE_OUTGOING, 1)
    wire.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
    wire.bind((device, ETH_P_ALL))
    tap = os.open("/dev/net/tun", os.O_RDWR)
    fcntl.ioctl(tap, TUNSETIFF, struct.pack("16sH22x", tap_name.encode(), IFF_TAP | IFF_NO_PI))
    print("ready", flush=True)

    selector = selectors.DefaultSelector()
    selector.register(wire, selectors.EVENT_READ)
    selector.register(tap, selectors.EVENT_READ)
    while True:
        for key, _ in selector.select():
            if key.fileobj is wire:
                frame, ancillary, _, _ = wire.recvmsg(LARGEST_FRAME, 256)
                frame = with_vlan_tag(frame, ancillary)
                if frame[12 : 12 + len(tags)] == tags:
                    os.write(tap, frame[:12] + frame[12 + len(tags) :])
            else:
                frame = os.read(tap, LARGEST_FRAME)
                wire.send(frame[:12] + tags + frame[12:])


main()
