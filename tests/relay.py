"""Something in the middle: an HTTP relay that notes what is asked, holds answers
back or gives old ones, and a TCP relay that can be cut.

	relay = relay.Http(server.url)
	...Proxy(top, server, "p", upstream={"directory": relay.url + "/directory"})
	relay.asked("/state"), relay.hold("/maps/"), relay.release()
"""
import http.client
import http.server
import re
import select
import socket
import threading
import urllib.parse

import alto

PASSED = ("ETag", "Content-Type", "Content-Encoding", "ALTO-Resource",
          "ALTO-State", "ALTO-Proof", "ALTO-Status", "ALTO-Push",
          "Signature-Input", "Signature", "Retry-After", "Location", "Date")


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.server.relay.get(self)

    def log_message(self, *_):
        pass


class Http:
    def __init__(self, target):
        self.target = target
        self.lock = threading.Lock()
        self.notes = []         # (path, request headers, status)
        self.held = None        # paths that wait,
        self.gate = None        # and until when
        self.waiting = 0
        self.before = None      # called with a path before it is asked for
        self.cached = None      # paths whose first body is kept
        self.cache = {}
        self.instead = {}       # path: (status, headers, body)
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0),
                                                      Handler)
        self.server.daemon_threads = True
        self.server.relay = self
        self.url = "http://127.0.0.1:%d" % self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever,
                         kwargs={"poll_interval": 0.05}, daemon=True).start()

    def close(self):
        self.release()
        self.server.shutdown()
        self.server.server_close()

    # what the test says and asks

    def asked(self, pattern, status=None):
        with self.lock:
            return [n for n in self.notes if re.search(pattern, n[0]) and
                    (status is None or n[2] == status)]

    def forget(self):
        with self.lock:
            del self.notes[:]

    def hold(self, pattern):
        """Requests for these wait."""
        with self.lock:
            self.held, self.gate = pattern, threading.Event()

    def release(self):
        with self.lock:
            if self.gate:
                self.gate.set()
            self.held = self.gate = None

    # what it does

    def fetch(self, path, headers):
        at = urllib.parse.urlsplit(self.target)
        con = http.client.HTTPConnection(at.netloc, timeout=alto.WAIT_S)
        try:
            passed = {k: v for k, v in headers.items() if k.lower() in (
                "if-none-match", "accept-encoding", "accept", "cache-control",
                "authorization")}
            con.request("GET", path, headers=passed)
            r = con.getresponse()
            return (r.status, [(k, v) for k, v in r.getheaders()
                               if k in PASSED], r.read())
        finally:
            con.close()

    def answer(self, path, headers):
        if path in self.instead:
            return self.instead[path]
        cacheable = self.cached and re.search(self.cached, path)
        if cacheable and "no-cache" not in headers.get("Cache-Control", ""):
            if path in self.cache:
                return self.cache[path]
        try:
            got = self.fetch(path, headers)
        except OSError:
            return 502, [], b""
        if cacheable and got[0] == 200:
            self.cache.setdefault(path, got)
        return got

    def get(self, handler):
        with self.lock:
            held = self.held and re.search(self.held, handler.path)
            gate = self.gate if held else None
            self.waiting += gate is not None
        if gate:
            gate.wait(alto.WAIT_S)
            with self.lock:
                self.waiting -= 1
        if self.before:
            self.before(handler.path)
        status, headers, body = self.answer(handler.path, handler.headers)
        with self.lock:
            self.notes.append((handler.path, dict(handler.headers), status))
        try:
            handler.send_response_only(status)
            for k, v in headers:
                handler.send_header(k, v)
            if status != 304:
                handler.send_header("Content-Length", str(len(body)))
            handler.end_headers()
            if status != 304:
                handler.wfile.write(body)
        except OSError:
            handler.close_connection = True


class Tcp:
    """Passes connections on while it is up; cut() ends them and refuses more,
    mend() takes them again at the same port."""

    def __init__(self, host, port):
        self.to = (host, port)
        self.port = alto.free_port()
        self.up = False
        self.threads = []
        self.mend()

    def mend(self):
        if self.up:
            return
        self.listener = socket.socket()
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.listener.bind(("127.0.0.1", self.port))
        self.listener.listen(64)
        self.up = True
        t = threading.Thread(target=self.accept, args=(self.listener,),
                             daemon=True)
        t.start()
        self.threads.append(t)

    def cut(self):
        self.up = False
        for t in self.threads:
            t.join()
        self.threads = []

    close = cut

    def accept(self, listener):
        while self.up:
            if select.select([listener], [], [], 0.05)[0]:
                near = listener.accept()[0]
                t = threading.Thread(target=self.serve, args=(near,),
                                     daemon=True)
                t.start()
                self.threads.append(t)
        listener.close()

    def serve(self, near):
        try:
            far = socket.create_connection(self.to)
        except OSError:
            near.close()
            return
        other = {near: far, far: near}
        try:
            while self.up:
                for s in select.select(list(other), [], [], 0.05)[0]:
                    data = s.recv(65536)
                    if not data:
                        return
                    other[s].sendall(data)
        except OSError:
            pass
        finally:
            near.close()
            far.close()
