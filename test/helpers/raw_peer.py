"""A raw peer: frames as hexadecimal lines between a device and the standard streams.

usage: raw_peer.py DEVICE

Each input line is sent as one frame; each frame that arrives is printed as one line. Frames that
this host sends itself are not seen. Begins with the line "ready MAC".
"""

import os
import selectors
import sys

import packet_socket


def main():
    peer = packet_socket.listen(sys.argv[1])
    print("ready", peer.getsockname()[4].hex(":"), flush=True)

    selector = selectors.DefaultSelector()
    selector.register(peer, selectors.EVENT_READ)
    selector.register(sys.stdin, selectors.EVENT_READ)
    pending = b""
    while True:
        for key, _ in selector.select():
            if key.fileobj is peer:
                print(packet_socket.receive(peer).hex(), flush=True)
                continue
            read = os.read(sys.stdin.fileno(), 1 << 16)
            if not read:
                return
            *lines, pending = (pending + read).split(b"\n")
            for line in lines:
                peer.send(bytes.fromhex(line.decode()))


main()
