"""Puts a namespace's kernel into a VLAN of a device, where the kernel has no VLAN devices.

usage: vlan_host.py DEVICE TAP VLAN...

Makes TAP, whose frames pass DEVICE with these tags, the outermost first; others are not for it.
Prints the line "ready" once frames pass.
"""

import fcntl
import os
import selectors
import struct
import sys

import packet_socket

TUNSETIFF = 0x400454CA
IFF_TAP, IFF_NO_PI = 0x0002, 0x1000


def main():
    device, tap_name, *vlans = sys.argv[1:]
    kinds = [0x8100] if len(vlans) == 1 else [0x88A8, 0x8100]
    tags = b"".join(struct.pack("!HH", kind, int(vlan)) for kind, vlan in zip(kinds, vlans))
    wire = packet_socket.listen(device)
    tap = os.open("/dev/net/tun", os.O_RDWR)
    fcntl.ioctl(tap, TUNSETIFF, struct.pack("16sH22x", tap_name.encode(), IFF_TAP | IFF_NO_PI))
    print("ready", flush=True)

    selector = selectors.DefaultSelector()
    selector.register(wire, selectors.EVENT_READ)
    selector.register(tap, selectors.EVENT_READ)
    while True:
        for key, _ in selector.select():
            if key.fileobj is wire:
                frame = packet_socket.receive(wire)
                if frame[12 : 12 + len(tags)] == tags:
                    os.write(tap, frame[:12] + frame[12 + len(tags) :])
            else:
                frame = os.read(tap, packet_socket.LARGEST_FRAME)
                wire.send(frame[:12] + tags + frame[12:])


main()
