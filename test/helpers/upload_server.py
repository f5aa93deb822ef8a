"""Takes what is PUT to it, over IPv4 and IPv6, answers with its SHA-256, and prints path and SHA-256.

usage: upload_server.py PORT
"""

import hashlib
import http.server
import socket
import sys


class Uploads(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_PUT(self):
        digest = hashlib.sha256()
        remaining = int(self.headers["Content-Length"])
        while remaining > 0:
            part = self.rfile.read(min(remaining, 1 << 16))
            if not part:
                return
            digest.update(part)
            remaining -= len(part)
        print("PUT", self.path, digest.hexdigest(), flush=True)
        body = digest.hexdigest().encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


class Server(http.server.ThreadingHTTPServer):
    address_family = socket.AF_INET6

    def server_bind(self):
        self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        super().server_bind()


server = Server(("::", int(sys.argv[1])), Uploads)
print("ready", flush=True)
server.serve_forever()
