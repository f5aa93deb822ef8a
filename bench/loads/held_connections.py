"""Many TCP connections of a kernel, held open, by both of their ends.

usage: held_connections.py listen hold|close ADDRESS PORT
       held_connections.py connect COUNT ADDRESS PORT SOURCE

`listen` accepts every connection, and holds it or closes it first; it begins with the line "ready".
`connect` opens COUNT connections from the address SOURCE, each from a port that had none before, and
prints one JSON object with those that it holds, and those that failed. It closes its side where the
other one has. Both end, with all that they hold, when their input does.
"""

import errno
import json
import resource
import select
import socket
import sys

FIRST_PORT = 2000
AT_ONCE = 128
BACKLOG = 4096


def family_of(address):
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def listen(policy, address, port):
    listener = socket.socket(family_of(address), socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    # Each of several processes takes its share.
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    listener.bind((address, port))
    listener.listen(BACKLOG)
    listener.setblocking(False)
    poll = select.epoll()
    poll.register(listener, select.EPOLLIN)
    poll.register(sys.stdin, select.EPOLLIN)
    print("ready", flush=True)
    held = []
    while True:
        for fd, _ in poll.poll():
            if fd == sys.stdin.fileno():
                return
            try:
                while True:
                    connection, _ = listener.accept()
                    if policy == "hold":
                        held.append(connection)
                    else:
                        connection.close()
            except BlockingIOError:
                pass


class Clients:
    def __init__(self, count, address, port, source):
        self.count, self.to, self.source = count, (address, port), source
        self.poll = select.epoll()
        self.opening = {}
        self.held = {}
        self.begun = self.failed = 0

    def begin(self):
        client = socket.socket(family_of(self.source), socket.SOCK_STREAM)
        client.setblocking(False)
        client.bind((self.source, FIRST_PORT + self.begun))
        self.begun += 1
        if client.connect_ex(self.to) not in (0, errno.EINPROGRESS):
            self.failed += 1
            return
        self.opening[client.fileno()] = client
        self.poll.register(client, select.EPOLLOUT)

    def opened(self, fd):
        client = self.opening.pop(fd)
        if client.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) != 0:
            self.failed += 1
            self.poll.unregister(fd)
            client.close()
            return 0
        self.held[fd] = client
        self.poll.modify(fd, select.EPOLLIN)
        return 1

    def ended(self, fd):
        """The other side has closed, or something came."""
        client = self.held[fd]
        try:
            if client.recv(4096):
                return
        except OSError:
            pass
        self.poll.unregister(fd)
        client.close()
        del self.held[fd]

    def run(self):
        done = 0
        while done + self.failed < self.count:
            while len(self.opening) < AT_ONCE and self.begun < self.count:
                self.begin()
            for fd, _ in self.poll.poll(1):
                if fd in self.opening:
                    done += self.opened(fd)
                else:
                    self.ended(fd)
        print(json.dumps({"held": done, "failed": self.failed}), flush=True)
        self.poll.register(sys.stdin, select.EPOLLIN)
        while True:
            for fd, _ in self.poll.poll():
                if fd == sys.stdin.fileno():
                    return
                self.ended(fd)


def main():
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    role, *rest = sys.argv[1:]
    if role == "listen":
        policy, address, port = rest
        listen(policy, address, int(port))
    else:
        count, address, port, source = rest
        Clients(int(count), address, int(port), source).run()


main()
