#!/usr/bin/env python3
"""A host behind a slow link: a TAP device whose frames reach `device` late, at a rate, or not at all.

    slow_link.py DEVICE TAP DELAY_MS LOSS_PERCENT MBIT_PER_SECOND SEED

Each way alike: frames wait for their turn in a queue of one bandwidth-delay product, one after the
other, then for the delay. What finds the queue full is lost, and so is one frame of so many, the
same ones for the same seed. Prints the line "ready" once frames pass.
"""

import fcntl
import heapq
import os
import random
import select
import struct
import sys
import time

import packet_socket

TUNSETIFF = 0x400454CA
IFF_TAP, IFF_NO_PI = 0x0002, 0x1000


class Way:
    """One direction: when each frame arrives."""

    def __init__(self, delay, loss, rate, seed):
        self.delay, self.loss, self.rate = delay, loss, rate
        self.chance = random.Random(seed)
        self.free_at = 0.0

    def arrival(self, now, size):
        """None where it is lost."""
        lost = self.chance.random() < self.loss
        begins = max(now, self.free_at)
        if lost or begins - now > 2 * self.delay:
            return None
        self.free_at = begins + size * 8 / self.rate
        return self.free_at + self.delay


def main():
    device, tap_name, delay_ms, loss, mbit, seed = sys.argv[1:]
    wire = packet_socket.listen(device)
    wire.setblocking(False)
    tap = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(tap, TUNSETIFF, struct.pack("16sH22x", tap_name.encode(), IFF_TAP | IFF_NO_PI))
    make = lambda n: Way(float(delay_ms) / 1000, float(loss) / 100, float(mbit) * 1e6, int(seed) + n)
    down, up = make(1), make(2)
    print("ready", flush=True)

    late = []
    count = 0
    poll = select.poll()
    poll.register(wire, select.POLLIN)
    poll.register(tap, select.POLLIN)
    while True:
        now = time.monotonic()
        while late and late[0][0] <= now:
            _, _, to_tap, frame = heapq.heappop(late)
            try:
                os.write(tap, frame) if to_tap else wire.send(frame)
            except (BlockingIOError, OSError):
                pass
        wait = max(0.0, late[0][0] - now) * 1000 if late else 1000
        for fd, _ in poll.poll(wait):
            now = time.monotonic()
            for _ in range(64):
                try:
                    to_tap = fd != tap
                    frame = packet_socket.receive(wire) if to_tap else os.read(tap, 1 << 17)
                except BlockingIOError:
                    break
                at = (down if to_tap else up).arrival(now, len(frame))
                if at is not None:
                    count += 1
                    heapq.heappush(late, (at, count, to_tap, frame))


main()
