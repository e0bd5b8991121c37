"""Hostile neighbours of a daemon: what their tests have in common.

A Site is a real server with two small maps. A Liar stands where a proxy looks
for that server and changes what passes, bodies and messages; a Signer signs
what it makes up. A Watch asks a proxy all the time and keeps what the server
never published; a Beside measures what the honest ones notice of an attack.
Standard library and, for Signer, the openssl program.
"""
import base64
import contextlib
import hashlib
import http.client
import json
import os
import re
import shutil
import socket
import struct
import subprocess
import sys
import threading
import time
import urllib.parse

import alto

COST = {"a": {"a": 1, "b": 2}, "b": {"a": 3}}
NET = {"a": {"ipv4": ["10.0.0.0/8"]},
       "b": {"ipv4": ["0.0.0.0/0"], "ipv6": ["::/0"]}}


def net(pids, tag="t1", rid="net"):
    return json.dumps({"meta": {"vtag": {"resource-id": rid, "tag": tag}},
                       "network-map": pids})


def cost(rows, tag="t1", mode="numerical"):
    return json.dumps({
        "meta": {"dependent-vtags": [{"resource-id": "net", "tag": tag}],
                 "cost-type": {"cost-metric": "routingcost",
                               "cost-mode": mode}},
        "cost-map": rows})


def rss(daemon):
    """Megabytes of memory in use."""
    with open("/proc/%d/status" % daemon.pid) as status:
        return int(re.search(r"VmRSS:\s+(\d+)", status.read())[1]) // 1024


def peak(daemon):
    """The most megabytes that it ever used."""
    with open("/proc/%d/status" % daemon.pid) as status:
        return int(re.search(r"VmHWM:\s+(\d+)", status.read())[1]) // 1024


def clean(*daemons):
    for d in daemons:
        d.must_run()
        alto.need(not d.sanitizer(), "%s: %s", d.name, d.sanitizer())


def selected(what):
    return len(sys.argv) < 2 or any(w in what for w in sys.argv[1:])


def checked(tests):
    """tests, each of which also looks for sanitizer reports at its end."""
    @contextlib.contextmanager
    def test(what, *daemons):
        with tests(what, *daemons):
            yield
            clean(*daemons)
    return test


class Site:
    """A network map and a cost map in files of their own, and what was ever
    published from them."""

    def __init__(self, top, name="server", **settings):
        self.net = os.path.join(top, name + "-net.json")
        self.cost = os.path.join(top, name + "-cost.json")
        self.seen = set()
        self.step = 0
        alto.put(self.net, net(NET))
        alto.put(self.cost, cost(COST))
        self.server = alto.Server(
            top, [("net", self.net), ("cost", self.cost)], name=name,
            **dict({"heartbeat": 1}, **settings)).start()
        self.paths = ["/directory"] + sorted(self.server.maps().values())
        self.note()

    def note(self):
        """Over a connection of its own: any thread may call it."""
        with contextlib.closing(http.client.HTTPConnection(
                *address(self.server.url), timeout=alto.WAIT_S)) as con:
            for path in self.paths:
                con.request("GET", path)
                self.seen.add(con.getresponse().read())

    def change(self):
        """One cell gets a value that it never had."""
        self.step += 1
        alto.put(self.cost, cost(dict(COST, a={"a": 1, "b": 2.5 + self.step})))
        answer = self.server.reload()
        self.note()
        return answer

    def restore(self):
        alto.put(self.net, net(NET))
        alto.put(self.cost, cost(COST))
        return self.server.reload()


# --- sockets -----------------------------------------------------------------

def frame(opcode, data, last=True, mask=True, claim=None, rsv=0):
    """A WebSocket frame; claim: the length that it states. The mask is 0."""
    n = len(data) if claim is None else claim
    m = 128 if mask else 0
    head = bytes([128 * last | rsv << 4 | opcode])
    if n < 126:
        head += bytes([m | n])
    elif n < 65536:
        head += bytes([m | 126]) + struct.pack("!H", n)
    else:
        head += bytes([m | 127]) + struct.pack("!Q", n)
    return head + bytes(4 if mask else 0) + data


def closed(sock, what, limit=None):
    """Reads until the other end closes; what it sent."""
    end = time.monotonic() + (limit or alto.WAIT_S)
    data = b""
    try:
        while True:
            sock.settimeout(max(0.01, end - time.monotonic()))
            more = sock.recv(65536)
            if not more:
                return data
            data += more
    except socket.timeout:
        raise alto.Failed("%s: left open" % what) from None
    except OSError:
        return data


def push(all_of, data):
    """As much as the other end takes: it may have had enough already."""
    try:
        all_of.sendall(data)
    except OSError:
        pass


def address(url):
    at = urllib.parse.urlsplit(url)
    return at.hostname, at.port


# --- the liar ----------------------------------------------------------------

class Liar:
    """Stands where a proxy looks for its server. `web(path, status, headers,
    body)` gives back the three that are sent, or takes the socket over when
    it returns a function; `word(name, members)` gives the texts to send for a
    message of the server. Both are honest at first."""

    def __init__(self, honest):
        self.honest = honest
        self.socket = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.url = "http://127.0.0.1:%d" % self.socket.getsockname()[1]
        self.conns = []
        self.up = None		# the newest connection to the honest one
        self.asked = 0		# requests and handshakes
        self.tell_truth()
        threading.Thread(target=self.serve, daemon=True).start()

    def tell_truth(self):
        self.web = lambda path, status, headers, body: (status, headers, body)
        self.word = lambda name, members: [json.dumps({name: members})]
        self.upgrade = None	# a function that gets the socket instead

    def hang_up(self):
        """The proxy connects anew, so that it gets what there is now."""
        for c in self.conns[:]:
            with contextlib.suppress(OSError):
                c.shutdown(socket.SHUT_RDWR)

    def serve(self):
        while True:
            try:
                c, _ = self.socket.accept()
            except OSError:
                return
            threading.Thread(target=self.one, args=(c,), daemon=True).start()

    def one(self, c):
        self.conns.append(c)
        try:
            self.answer(c)
        except (OSError, alto.Failed, KeyError, IndexError, ValueError,
                http.client.HTTPException):
            pass
        finally:
            self.conns.remove(c)
            c.close()

    def answer(self, c):
        head = b""
        while b"\r\n\r\n" not in head:
            more = c.recv(4096)
            if not more:
                return
            head += more
        self.asked += 1
        path = head.split(b" ", 2)[1].decode()
        key = re.search(rb"(?i)sec-websocket-key: *(\S+)", head)
        if key:
            self.relay(c, key[1])
            return
        with contextlib.closing(http.client.HTTPConnection(
                *address(self.honest.url), timeout=alto.WAIT_S)) as up:
            up.request("GET", path)
            r = up.getresponse()
            got = self.web(path, r.status, dict(r.getheaders()), r.read())
        if callable(got):
            got(c)
            return
        status, headers, body = got
        push_to = "ws" + self.url[4:] + "/push"
        headers = dict(headers, **{"ALTO-Push": push_to,
                                   "Connection": "close"})
        headers.setdefault("Content-Length", str(len(body)))
        c.sendall(("HTTP/1.1 %d X\r\n" % status + "".join(
            "%s: %s\r\n" % h for h in headers.items()) + "\r\n").encode() +
            body)

    def relay(self, c, key):
        accept = base64.b64encode(hashlib.sha1(
            key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest())
        c.sendall(b"HTTP/1.1 101 X\r\nUpgrade: websocket\r\nConnection: "
                  b"Upgrade\r\nSec-WebSocket-Protocol: alto-push.v1\r\n"
                  b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n")
        if self.upgrade:
            self.upgrade(c)
            return
        up = self.up = alto.Push(self.honest.urls["push"])
        threading.Thread(target=self.upwards, args=(c, up),
                         daemon=True).start()
        try:
            while True:
                try:
                    got = up.recv(1)
                except socket.timeout:
                    continue
                if not got:
                    if up.closed:
                        c.sendall(frame(8, struct.pack("!H", up.closed),
                                        mask=False))
                    return
                for text in self.word(*got):
                    c.sendall(frame(1, text.encode(), mask=False))
        finally:
            up.close()

    def upwards(self, c, up):
        """Frames of the proxy, unmasked and masked anew."""
        peer = alto.Push.__new__(alto.Push)
        peer.socket, peer.held = c, b""
        try:
            while True:
                first, size = peer._exactly(2)
                size &= 127
                if size == 126:
                    size = struct.unpack("!H", peer._exactly(2))[0]
                mask, data = peer._exactly(4), peer._exactly(size)
                data = bytes(b ^ mask[i & 3] for i, b in enumerate(data))
                if first & 15 < 9:
                    up.send_frame(first & 15, data)
        except (OSError, struct.error, alto.Failed, ValueError):
            with contextlib.suppress(OSError):
                up.socket.shutdown(socket.SHUT_RDWR)


def flip(text, at=-6):
    """One letter of some base64 or hex becomes another."""
    i = at % len(text)
    return text[:i] + ("A" if text[i] != "A" else "B") + text[i + 1:]


def dumps(name, members):
    return [json.dumps({name: members})]


def of_updates(change):
    """A word() that lets change edit each update."""
    def word(name, members):
        if name == "update":
            members = json.loads(json.dumps(members))
            change(members)
        return dumps(name, members)
    return word


def with_change(edit):
    return of_updates(lambda m: [edit(c) for c in m["changes"]])


def set_state(i, edit):
    def change(m):
        m["state"][i] = edit(m["state"][i])
    return of_updates(change)


# Bodies: the order of an update is turned into a list of all leaves, so that
# the proxy has to fetch what changed.

def ordering(site):
    def word(name, members):
        if name != "update":
            return dumps(name, members)
        doc = json.loads(site.server.get("/state")[2])
        return dumps("snapshot", {"state": doc["state"],
                                  "resources": doc["resources"]})
    return word


def of_cost(change):
    """A web() that lets change edit the answers for the cost map."""
    def web(path, status, headers, body):
        if not path.endswith("/cost"):
            return status, headers, body
        return change(status, headers, body)
    return web


# --- signing -----------------------------------------------------------------

class Signer:
    """Signs states with the key in a PEM file, which it makes if there is
    none. That of a server makes it a thief."""

    def __init__(self, pem):
        if not shutil.which("openssl"):
            raise alto.Skip("openssl is not there")
        self.pem = pem
        if not os.path.exists(pem):
            self.openssl("genpkey", "-algorithm", "ed25519", "-out", pem)
        der = self.openssl("pkey", "-in", pem, "-pubout", "-outform", "DER")
        self.x = base64.urlsafe_b64encode(der[-32:]).rstrip(b"=").decode()
        jwk = '{"crv":"Ed25519","kty":"OKP","x":"%s"}' % self.x
        self.keyid = base64.urlsafe_b64encode(hashlib.sha256(
            jwk.encode()).digest()).rstrip(b"=").decode()

    @staticmethod
    def openssl(*args):
        return subprocess.run(["openssl", *args], check=True,
                              stdin=subprocess.DEVNULL, capture_output=True
                              ).stdout

    def sign(self, triple, keyid=None, **times):
        """The state of a triple under other times (created, expires) and this
        key, or under the name of another."""
        state, params = triple[0], triple[1].split("=", 1)[1]
        for name, value in times.items():
            params = re.sub(r"%s=\d+" % name, "%s=%d" % (name, value), params)
        params = re.sub(r'keyid="[^"]*"', 'keyid="%s"' % (
            keyid or self.keyid), params)
        base = '"alto-state": %s\n"@signature-params": %s' % (state, params)
        text = "%s.base.%d" % (self.pem, threading.get_ident())
        alto.put(text, base)
        value = self.openssl("pkeyutl", "-sign", "-rawin", "-inkey", self.pem,
                             "-in", text)
        os.remove(text)
        return [state, "alto=" + params,
                "alto=:%s:" % base64.b64encode(value).decode()]


def leaf_hash(leaf):
    return hashlib.sha256(b"\0" + leaf.encode()).digest()


def root(leaves):
    """The root over leaves (RFC 9162 s2.1.1), as ALTO-State shows it."""
    def tree(hashes):
        if len(hashes) == 1:
            return hashes[0]
        k = 1
        while k * 2 < len(hashes):
            k *= 2
        return hashlib.sha256(b"\1" + tree(hashes[:k]) +
                              tree(hashes[k:])).digest()
    return base64.b64encode(tree([leaf_hash(x) for x in leaves])).decode()


def state_of(server):
    """The state document of a server: triple and leaves."""
    doc = json.loads(server.get("/state")[2])
    return doc["state"], doc["resources"]


# --- what is served, and what must not be ------------------------------------

class Watch:
    """Asks a proxy all the time; keeps what it never should have served."""

    def __init__(self, site, proxy):
        self.site, self.proxy, self.bad = site, proxy, []
        self.end = threading.Event()
        self.serial = 0
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def look(self, con):
        for path in self.site.paths:
            con.request("GET", path)
            r = con.getresponse()
            body = r.read()
            if r.status == 200 and body not in self.site.seen:
                # It may have been published this very moment.
                self.site.note()
                if body not in self.site.seen:
                    self.bad.append((path, body[:200]))
            found = re.search(r"serial=(\d+)", r.getheader("ALTO-State", ""))
            if found:
                if int(found[1]) < self.serial:
                    self.bad.append("serial %s after %d" % (found[1],
                                                            self.serial))
                self.serial = int(found[1])

    def run(self):
        while not self.end.is_set():
            try:
                with contextlib.closing(http.client.HTTPConnection(
                        *address(self.proxy.url), timeout=5)) as con:
                    self.look(con)
                    while not self.end.wait(0.02):
                        self.look(con)
            except (OSError, http.client.HTTPException):
                self.end.wait(0.05)

    def stop(self):
        self.end.set()
        self.thread.join()


def surprises(proxy):
    c = proxy.counts()
    return c["refused"] + sum(c["reopened"].values())


def noticed(proxy, before):
    alto.wait(lambda: surprises(proxy) > before, None, "%s takes notice" %
              proxy.name)


def back(site, proxy, liar):
    """The lies end: in step, and with new data too."""
    liar.tell_truth()
    site.change()
    alto.in_step(site.server, proxy)
    for path in site.paths:
        alto.need(proxy.get(path)[2] == site.server.get(path)[2], path)


# --- what the honest ones notice ---------------------------------------------

class Beside:
    """An honest client of a daemon and the honest proxy of a server, measured
    quiet at first, then beside each attack."""

    ROUNDS = 15
    LATE_S = alto.WAIT_S / 2     # the most that is still no outage

    def __init__(self, site, proxy, *asked):
        self.site, self.proxy, self.asked = site, proxy, asked
        self.quiet = self.measure()

    def asking(self):
        """Seconds for one answer of each, the slowest."""
        slowest = 0
        for daemon in self.asked:
            begin = time.monotonic()
            code = daemon.get("/maps/net")[0]
            slowest = max(slowest, time.monotonic() - begin)
            alto.need(code == 200, "%s answers %d", daemon.name, code)
        return slowest

    def delivery(self):
        """Seconds from a reload that was done to the proxy that serves it."""
        self.site.change()
        begin = time.monotonic()
        alto.in_step(self.site.server, self.proxy, timeout=self.LATE_S)
        return time.monotonic() - begin

    def measure(self):
        ask = sorted(self.asking() for _ in range(self.ROUNDS))
        way = sorted(self.delivery() for _ in range(3))
        return ask[-2], way[1]

    @contextlib.contextmanager
    def attack(self, what):
        """What goes on inside is measured; `measure()` where it is worst."""
        worst = []
        yield lambda: worst.append(self.measure())
        for ask, way in worst:
            print("# %s: answers %.1f times, updates %.1f times what they "
                  "take without" % (what, ask / self.quiet[0],
                                    way / self.quiet[1]), flush=True)
            alto.need(ask < self.LATE_S, "an honest client waits %.1f s", ask)
