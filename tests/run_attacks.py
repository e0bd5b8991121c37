#!/usr/bin/env python3
"""Attacks, against running daemons, beside honest ones that must not notice.

A liar stands between a real server and a proxy. It tells again what was said
before, keeps back what is new, signs with keys of its own and with a stolen
one; strangers come in crowds and break every rule of WebSocket. Each attack
is told apart by the counter that it moves; while it lasts the proxy serves
what it had, to the byte, or what the server published; when it ends the proxy
is in step again. Answers to honest clients and the way of updates to an honest proxy are
measured beside, memory has a ceiling, a sanitizer's report is a failure.

run_hostile.py has the flipped bits of an update, bodies that are not what they
should be, wrong frames and messages, files, floods and silent connections.

Usage: run_attacks.py [WORDS...]	only the tests whose names hold one
"""
import contextlib
import gzip
import http.client
import json
import os
import re
import socket
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import alto  # noqa: E402
from liar import (  # noqa: E402
    Beside, Liar, Signer, Site, Watch, address, back, checked, closed, dumps,
    flip, frame, of_cost, ordering, peak, push, root, selected, state_of)

tests = alto.Tests()
test = checked(tests)
GROWTH_MB = 300         # the most that an attack may cost; sanitizers hoard


class Scene:
    """A server, the honest proxy "near", the proxy "far" that hears a liar,
    and what the honest ones measure."""

    def __init__(self, top):
        self.top = top
        many = {"listen": "127.0.0.1:0", "connections-per-address": 2000}
        self.site = Site(top, push=dict(many), http=dict(many))
        self.server = self.site.server
        self.near = alto.Proxy(top, self.server, "near").start()
        self.liar = Liar(self.server)
        self.far = self.proxy("far")
        self.all = (self.server, self.near, self.far)
        self.thief = Signer(os.path.join(self.server.dir, "signing.pem"))
        self.own = Signer(os.path.join(top, "own.pem"))
        alto.in_step(*self.all)
        self.beside = Beside(self.site, self.near, self.server, self.far)
        self.watch = Watch(self.site, self.far)

    def proxy(self, name, **upstream):
        return alto.Proxy(self.top, self.liar, name, upstream=dict(
            {"retry-max": 1}, **upstream)).start()

    def bodies(self):
        return {path: self.far.get(path)[2] for path in self.site.paths}

    def stays_good(self, good):
        """As it was, or what the server has said since: polls get past the liar."""
        now = self.bodies()
        if now != good:
            self.site.note()
        return all(body == good[path] or body in self.site.seen
                   for path, body in now.items())

    @contextlib.contextmanager
    def attack(self, what):
        """One test: nothing grows, and the honest are served."""
        with test(what, *self.all):
            before = [peak(d) for d in self.all]
            with self.beside.attack(what) as measure:
                try:
                    yield measure
                finally:
                    self.liar.tell_truth()
            for d, was in zip(self.all, before):
                alto.need(peak(d) - was < GROWTH_MB, "%s: %d MB more", d.name,
                          peak(d) - was)


def reopened(proxy, reason):
    c = proxy.counts()
    return c["refused"] if reason == "refused" else \
        c["reopened"].get(reason, 0)


def tell(scene, what, reason, word, web=None, stuck=True):
    """The lie is told from the hello on; its reason is counted. stuck: nothing
    else is told, so what is served must not move at all."""
    site, far, liar = scene.site, scene.far, scene.liar
    with scene.attack(what) as measure:
        good, before = scene.bodies(), reopened(far, reason)
        liar.word = word or liar.word
        liar.web = web or liar.web
        liar.hang_up()
        site.change()
        alto.wait(lambda: reopened(far, reason) > before, None,
                  "%s counts %s: %s" % (far.name, reason, far.counts()))
        measure()
        alto.need(not stuck or scene.stays_good(good),
                  "what is served has moved")
        back(site, far, liar)


def every(change):
    """A word() that changes the triple of each message that has one."""
    def word(name, members):
        if "state" in members:
            members = dict(members, state=change(list(members["state"])))
        return dumps(name, members)
    return word


# --- keys and signatures -----------------------------------------------------

def forked(scene):
    """The stolen key signs another root at the position that is served."""
    far, liar = scene.far, scene.liar
    with scene.attack("another root at the same position under the stolen "
                      "key"):
        good, before = scene.bodies(), far.counts()["forks"]

        def word(name, members):
            if name == "alive":
                state = members["state"]
                members = dict(members, state=scene.thief.sign(
                    [flip(state[0], 10)] + state[1:]))
            return dumps(name, members)
        liar.word = word
        alto.wait(lambda: far.counts()["forks"] > before, None, "an alarm")
        alto.need(reopened(far, "fork"), "%s", far.counts())
        alto.need(scene.bodies() == good, "what is served has moved")
        back(scene.site, far, liar)


def signatures(scene):
    own, thief = scene.own, scene.thief
    tell(scene, "a state under a key that was never announced", "key",
         every(own.sign))
    tell(scene, "a state under another key by the name of the right one",
         "signature", every(lambda t: own.sign(t, keyid=thief.keyid)))
    # Else who has the key once could make a state that never ends.
    now = int(time.time())
    tell(scene, "a state under the stolen key that is good for ever",
         "protocol", every(lambda t: thief.sign(t, created=now,
                                                expires=253402300000)))
    tell(scene, "a state under the stolen key that began long ago",
         "protocol", every(lambda t: thief.sign(t, created=1,
                                                expires=now + 3600)))


def expired(scene):
    """Rightly signed, and over: it is not served, and not forgotten."""
    site, far, liar = scene.site, scene.far, scene.liar
    with scene.attack("new states that have expired"):
        good = scene.bodies()
        now = time.time()
        liar.word = every(lambda t: scene.thief.sign(
            t, created=now - 120, expires=now - 60))
        published = far.counts()["published"]
        site.change()
        alto.wait(lambda: far.counts()["phase"] != "current", None,
                  "it waits for another signature")
        for _ in range(3):
            site.change()
        alto.need(scene.bodies() == good, "an expired state is served")
        alto.need(far.counts()["published"] == published, "published")
        back(site, far, liar)


def withheld(scene):
    """Updates are kept back and the last heartbeat is told for ever: the age
    tells, then the end of the signature does."""
    site, far, liar = scene.site, scene.far, scene.liar
    last = []

    def word(name, members):
        if name in ("update", "snapshot") and last:
            return []
        if "state" in members and not last:
            # Later than the one it holds: many changes a second leave the
            # clock behind.
            created = 1 + int(re.search(r"created=(\d+)",
                                        members["state"][1])[1])
            last.append(scene.thief.sign(members["state"], created=created,
                                         expires=created + 6))
        if "state" in members:
            members = dict(members, state=last[0])
        return dumps(name, members)

    def short():
        st = far.status()
        return st["expires"] == st["created"] + 6

    with scene.attack("updates kept back under heartbeats told again"):
        good = scene.bodies()
        liar.word = word
        alto.wait(short, None, "the short signature arrives")
        site.change()
        alto.wait(lambda: far.status()["freshness"] == "stale", None, "stale")
        code, headers, body = far.get("/maps/cost")
        alto.need((code, body) == (200, good[site.paths[1]]), "not the last "
                  "good one: %d", code)
        alto.need(headers["alto-status"].startswith("stale"), "%s", headers)
        alto.wait(lambda: far.get("/maps/cost")[0] == 503, None, "expired")
        code, headers, _ = far.get("/maps/net")
        alto.need(code == 503 and int(headers["retry-after"]) > 0, "%s",
                  headers)
        alto.need(far.status()["freshness"] == "expired", "%s", far.status())
        back(site, far, liar)


# --- replays and mixtures ----------------------------------------------------

class Record:
    """All that a server says at one moment, to be said again later."""

    def __init__(self, server):
        self.server = server
        self.triple, self.leaves = state_of(server)
        self.answers = {}
        for path in ["/directory", "/state"] + sorted(server.maps().values()):
            status, headers, body = server.get(path)
            self.answers[path] = status, {
                k: v for k, v in headers.items()
                if k not in ("connection", "content-length")}, body

    def web(self, path, status, headers, body):
        return self.answers.get(path, (status, headers, body))

    def word(self, name, members):
        """Whatever the subscriber holds, it is given what there was then."""
        if name == "hello":
            return dumps(name, dict(members, state=self.triple))
        if name == "subscribed":
            return dumps(name, {"state": self.triple, "mode": "snapshot"}) + \
                dumps("snapshot", {"state": self.triple,
                                   "resources": self.leaves})
        return dumps("alive", {"state": self.triple})


def leaf_of(rid, leaves):
    return next(i for i, leaf in enumerate(leaves)
                if leaf.startswith('"%s";' % rid))


def listing(scene, change):
    """A word() that answers each subscription with a list of all leaves, which
    change(triple, leaves) has edited."""
    def word(name, members):
        if name != "subscribed":
            return dumps(name, members) if name == "hello" else []
        triple, leaves = change(*state_of(scene.server))
        return dumps(name, dict(members, mode="snapshot")) + dumps(
            "snapshot", {"state": triple, "resources": leaves})
    return word


def without(rid, counted):
    def change(triple, leaves):
        del leaves[leaf_of(rid, leaves)]
        if counted:
            triple[0] = re.sub(r"resources=\d+", "resources=%d" % len(leaves),
                               triple[0])
            triple[0] = re.sub(r"^:[^:]+:", ":%s:" % root(leaves), triple[0])
        return triple, leaves
    return change


def replays(scene):
    site, server = scene.site, scene.server
    then = Record(server)
    for _ in range(3):
        site.change()
    alto.in_step(*scene.all)
    tell(scene, "all that was said at an older position", "lower", then.word,
         then.web)

    def older(triple, leaves):
        i = leaf_of("cost", leaves)
        leaves[i] = then.leaves[leaf_of("cost", then.leaves)]
        return triple, leaves

    tell(scene, "a leaf of an older state among the newer ones", "mismatch",
         listing(scene, older))
    tell(scene, "a list that leaves a map out", "mismatch",
         listing(scene, without("net", False)))
    tell(scene, "a list that leaves a map out and says so", "signature",
         listing(scene, without("net", True)))


def older_but_right(scene):
    """A map of an older state that did not change since stands under the newer
    order by its leaf."""
    with test("a map of an older state that is still right is taken",
              *scene.all):
        then = Record(scene.server)
        for _ in range(3):
            scene.site.change()
        scene.liar.web = lambda path, *answer: then.web(path, *answer) \
            if path == "/maps/net" else answer
        fresh = scene.proxy("fresh")
        alto.in_step(scene.server, fresh)
        alto.need(fresh.get("/maps/net")[2] == then.answers["/maps/net"][2],
                  "another map")
        refused = fresh.counts()["refused"]
        alto.need(not refused, "%d refused", refused)
        fresh.stop()
        scene.liar.tell_truth()


def with_header(name):
    def change(status, headers, body):
        return status, {k: flip(v, 9) if k.lower() == name else v
                        for k, v in headers.items()}, body
    return change


def zstd_bomb(n):
    """A frame of n blocks of 128 KB that are one byte repeated."""
    block = (131072 << 3 | 1 << 1).to_bytes(3, "little") + b" "
    last = (131072 << 3 | 1 << 1 | 1).to_bytes(3, "little") + b" "
    return b"\x28\xb5\x2f\xfd\x00\x38" + block * (n - 1) + last


def coded(name, data):
    def change(status, headers, body):
        return status, dict(headers, **{
            "Content-Encoding": name, "Content-Length": str(len(data))}), data
    return change


def bombs():
    small = gzip.compress(bytes(200 << 20))
    return {
        "gzip": coded("gzip", small),
        "gzip twice": coded("gzip, gzip", gzip.compress(small)),
        "zstd": coded("zstd", zstd_bomb(4000)),
        "a wrong size": coded("gzip", small[:len(small) // 2]),
    }


def bodies(scene):
    """The order is honest, so that all depends on what is fetched."""
    for name in ("alto-resource", "alto-proof", "alto-state"):
        tell(scene, "a body with a bit flipped in: " + name, "pull",
             ordering(scene.site), of_cost(with_header(name)), stuck=False)
    for what, change in bombs().items():
        tell(scene, "a body that unpacks to much: " + what, "pull",
             ordering(scene.site), of_cost(change), stuck=False)


# --- pull --------------------------------------------------------------------

def document(triple, leaves):
    """A state document of these, the members for people made to agree."""
    said = re.search(r'service="([^"]+)";session="([^"]+)";serial=(\d+)',
                     triple[0])
    return json.dumps({"resources": leaves, "serial": int(said[3]),
                       "service": said[1], "session": said[2],
                       "state": triple}, separators=(",", ":")).encode()


def of_state(scene, change):
    """A web() that answers for the state with what change(triple, leaves)
    makes of it, a pair or bytes."""
    def web(path, status, headers, body):
        if path != "/state":
            return status, headers, body
        got = change(*state_of(scene.server))
        if not isinstance(got, bytes):
            got = document(*got)
        return 200, {"Content-Type": "application/altocast-state+json"}, got
    return web


def polls(scene, then):
    """{what is lied: (counted as, web())} for a proxy that asks for the state.
    "": any of what goes wrong with a body."""
    own, thief = scene.own, scene.thief
    now = time.time()
    return {
        "a state under a key that was never announced": ("key", of_state(
            scene, lambda t, leaves: (own.sign(t), leaves))),
        "a state with a bit flipped": ("failures", of_state(
            scene, lambda t, leaves: ([flip(t[0], 10)] + t[1:], leaves))),
        "a signature with a bit flipped": ("signature", of_state(
            scene, lambda t, leaves: (t[:2] + [flip(t[2])], leaves))),
        "a state that has expired": ("expired", of_state(
            scene, lambda t, leaves: (thief.sign(
                t, created=now - 120, expires=now - 60), leaves))),
        "a list that leaves a map out": ("signature", of_state(
            scene, without("net", True))),
        "all that was there at an older position": ("lower", then.web),
        "no document": ("failures", of_state(
            scene, lambda t, leaves: b"[" * 100000)),
        "a document without end": ("failures", lambda path, *answer: (
            answer if path != "/state" else endless)),
        "a body with a value changed": ("", of_cost(
            lambda status, headers, body: (
                status, headers, body.replace(b'{"a":1,', b'{"a":7,')))),
        "a proof with a bit flipped": ("", of_cost(with_header("alto-proof"))),
        "a body that unpacks to much": ("", of_cost(bombs()["zstd"])),
        "a redirect to another server": ("", of_cost(
            lambda *answer: (302, {"Location": "http://127.0.0.2:1/"}, b""))),
    }


def endless(c):
    c.sendall(b"HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n\r\n")
    while True:
        c.sendall(b"10000\r\n" + b" " * 65536 + b"\r\n")


def counted(proxy, reason):
    c = proxy.counts()
    if reason == "failures":
        return c["failures"]
    if reason:
        return c["reopened"].get(reason, 0)
    return c["refused"] + sum(c["reopened"].values()) + \
        proxy.status()["counters"]["pull_failures"]


def asked_again(scene, proxy, what, reason, web):
    """What it serves is what it had, until the lie ends."""
    site, liar = scene.site, scene.liar
    with scene.attack("a server that is asked gives: " + what):
        alto.in_step(scene.server, proxy)
        good = [proxy.get(p)[2] for p in site.paths]
        before = counted(proxy, reason)
        liar.web = web
        site.change()
        alto.wait(lambda: counted(proxy, reason) > before, None,
                  "%s is counted: %s" % (reason, proxy.counts()))
        alto.need([proxy.get(p)[2] for p in site.paths] == good,
                  "what is served has moved")
        liar.tell_truth()
        alto.in_step(scene.server, proxy)
        for path in site.paths:
            alto.need(proxy.get(path)[2] == scene.server.get(path)[2], path)
        alto.need(not proxy.sanitizer(), "%s", proxy.sanitizer())


def pulled(scene):
    then = Record(scene.server)
    scene.site.change()
    proxy = scene.proxy("pulled", mode="pull")
    alto.in_step(scene.server, proxy)
    watch = Watch(scene.site, proxy)
    for what, (reason, web) in polls(scene, then).items():
        asked_again(scene, proxy, what, reason, web)
    watch.stop()
    with test("a proxy that asks never served what was never published",
              *scene.all):
        alto.need(not watch.bad and watch.serial > 0, "%s", watch.bad[:3])
    proxy.stop()


# --- first contact -----------------------------------------------------------

def impostor(scene):
    """A directory, maps and states of one piece, under a key of their own."""
    false = Site(scene.top, "impostor")
    with test("a directory under a key that is not the pinned one is not "
              "served", *scene.all):
        scene.liar.honest = false.server
        pinned = scene.proxy("pinned", key=[scene.thief.keyid])
        alto.wait(lambda: reopened(pinned, "key") > 2, None, "it refuses")
        for path in scene.site.paths:
            alto.need(pinned.get(path)[0] == 503, "%s: %d", path,
                      pinned.get(path)[0])
        scene.liar.honest = scene.server
        scene.liar.hang_up()
        alto.in_step(scene.server, pinned)
        pinned.stop()
    scene.liar.honest = scene.server
    scene.liar.hang_up()
    alto.in_step(*scene.all)
    false.server.stop()


# --- messages and frames -----------------------------------------------------

def json_suite(scene):
    """One file a connection, for its first message ends it; several proxies
    work through them."""
    liar, what = scene.liar, "the JSON suite as messages of a publisher"
    with scene.attack(what) as measure:
        folder = alto.shared("hostile", "json-test-suite", "test_parsing")
        left = sorted(os.listdir(folder))
        alto.need(left, "no files")
        more = [scene.proxy("more-%d" % i) for i in range(5)]
        alto.in_step(scene.server, scene.far, *more)
        good = scene.bodies()

        def send(c):
            with contextlib.suppress(IndexError):
                name = left.pop()
                with open(os.path.join(folder, name), "rb") as src:
                    c.sendall(frame(1, src.read(), mask=False) +
                              frame(8, b"\x03\xe8", mask=False))
                closed(c, name)
        liar.upgrade = send
        liar.hang_up()
        alto.wait(lambda: not left, alto.WAIT_S * 4, "all files are told")
        measure()
        alto.need(scene.bodies() == good, "what is served has moved")
        back(scene.site, scene.far, liar)
        for p in more:
            alto.need(not p.sanitizer(), "%s", p.sanitizer())
            alto.need(p.stop() == 0, "%s did not stop well", p.name)


def violations(mask):
    """Frames that RFC 6455 forbids: {what: bytes}. mask: of a client."""
    def f(opcode, data, **more):
        return frame(opcode, data, **dict({"mask": mask}, **more))

    text = b'{"alive":{}}'
    out = {"opcode %d" % op: f(op, text)
           for op in (3, 4, 5, 6, 7, 11, 12, 13, 14, 15)}
    out.update({"reserved bit %d" % bit: f(1, text, rsv=bit)
                for bit in (1, 2, 4)})
    out.update({"close code %d" % code: f(8, code.to_bytes(2, "big"))
                for code in (0, 999, 1004, 1005, 1006, 1015, 2999, 5000)})
    out.update({
        "a mask the wrong way": frame(1, text, mask=not mask),
        "a close in fragments": f(8, b"\x03\xe8", last=False),
        "a ping in fragments": f(9, b"x", last=False),
        "a pong of 126 bytes": f(10, b"x" * 126),
        "a close of one byte": f(8, b"\x03"),
        "a close whose reason is not UTF-8": f(8, b"\x03\xe8\xff\xfe"),
        "text that is not UTF-8": f(1, b'{"\xc0\xaf":{}}'),
        "a surrogate in UTF-8": f(1, b'{"\xed\xa0\x80":{}}'),
        "a new message in another": f(1, b"{", last=False) + f(1, b"}"),
        "a continuation of nothing": f(0, text),
        "a reserved bit in a ping": f(9, b"", rsv=1),
        "a ping with a close behind it": f(9, b"x") + f(8, b"\x03\xe8"),
    })
    return out


def to_server(scene):
    server, what = scene.server, "a subscriber that breaks RFC 6455"
    with scene.attack(what) as measure:
        before = scene.near.counts()["reopened"]
        with contextlib.ExitStack() as at_the_end:
            sent = []
            for name, data in violations(True).items():
                s = alto.Push(server.urls["push"])
                at_the_end.callback(s.close)
                s.until("hello")
                push(s.socket, data)
                sent.append((s, name))
            for s, name in sent:        # who breaks rules is let go slowly
                closed(s.socket, name)
        measure()
        alto.need(scene.near.counts()["reopened"] == before,
                  "the honest proxy lost its connection")


def to_proxy(scene):
    """A connection each, from whatever proxy comes next."""
    liar, what = scene.liar, "a publisher that breaks RFC 6455"
    with scene.attack(what) as measure:
        left = list(violations(False).items())
        good = scene.bodies()

        def send(c):
            with contextlib.suppress(IndexError):
                name, data = left.pop()
                c.sendall(data)
                closed(c, name)
                ended.append(name)
        ended = []
        n = len(left)
        liar.upgrade = send
        liar.hang_up()
        alto.wait(lambda: not left, alto.WAIT_S * 4, "all are told")
        alto.wait(lambda: len(ended) == n, None, "all are closed: %s" % ended)
        measure()
        alto.need(scene.bodies() == good, "what is served has moved")
        back(scene.site, scene.far, liar)


def pings(scene):
    """Pings without end from the publisher are answered, or not, but they do
    not pile up and keep nobody from being served."""
    liar = scene.liar

    def send(c):
        c.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        while liar.upgrade:
            c.sendall(frame(9, b"x" * 125, mask=False) * 100)

    with scene.attack("a publisher that sends pings without end") as measure:
        good, asked = scene.bodies(), liar.asked
        liar.upgrade = send
        liar.hang_up()
        alto.wait(lambda: liar.asked > asked, None, "it comes")
        measure()
        alto.need(scene.bodies() == good, "what is served has moved")
        liar.upgrade = None
        liar.hang_up()
        back(scene.site, scene.far, liar)


# --- crowds ------------------------------------------------------------------

HANDSHAKE = (b"GET /push HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n"
             b"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
             b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nX-Slow: ")


class Crowd:
    """n connections from many addresses. Each sends first, then one byte at a
    time for as long as it may; `alive` are those not closed yet."""

    def __init__(self, url, n, first=HANDSHAKE, half=False):
        self.alive = []
        self.end = threading.Event()
        for i in range(n):
            s = socket.create_connection(
                address(url), source_address=("127.0.3.%d" % (1 + i % 50), 0))
            push(s, first)
            if half:            # it hears, and has said all that it says
                with contextlib.suppress(OSError):
                    s.shutdown(socket.SHUT_WR)
            s.setblocking(False)
            self.alive.append(s)
        self.half = half
        self.thread = threading.Thread(target=self.drip, daemon=True)
        self.thread.start()

    def drip(self):
        while not self.end.wait(0.3):
            for s in self.alive[:]:
                try:
                    if not self.half:
                        s.send(b"x")
                    if s.recv(4096) == b"":
                        raise ConnectionError
                except BlockingIOError:
                    pass
                except OSError:
                    self.alive.remove(s)
                    s.close()

    def stop(self):
        self.end.set()
        self.thread.join()
        for s in self.alive:
            s.close()


def crowd(scene, what, url, n, **more):
    with scene.attack(what) as measure:
        them = Crowd(url, n, **more)
        try:
            measure()
            # 10 s for a handshake or a header, looked at each second or so.
            alto.wait(lambda: not them.alive, alto.WAIT_S + 15,
                      "they are shut out")
        finally:
            them.stop()


def crowds(scene):
    server = scene.server
    crowd(scene, "300 handshakes a byte at a time", server.urls["push"], 300)
    crowd(scene, "300 handshakes that end in the middle",
          server.urls["push"], 300, half=True)
    before = server.status()["clients"]["timeouts"]
    crowd(scene, "300 requests a byte at a time", server.urls["http"], 300,
          first=b"GET /directory HTTP/1.1\r\nHost: x\r\nX-Slow: ")
    with test("slow requests are counted", server):
        got = server.status()["clients"]["timeouts"] - before
        alto.need(got >= 300, "%d timeouts", got)
    crowd(scene, "300 requests that end in the middle", server.urls["http"],
          300, first=b"GET /directory HTTP/1.1\r\nHo", half=True)


def comings_and_goings(scene):
    """Strangers subscribe and leave as fast as they can, by one name too."""
    server, end = scene.server, threading.Event()
    done = []

    def one(i):
        while not end.is_set():
            with contextlib.suppress(OSError, alto.Failed):
                s = alto.Push(server.urls["push"])
                s.send("subscribe", name="same" if i & 1 else "n-%d" % i)
                s.until("subscribed", 5)
                s.close()
                done.append(i)

    with scene.attack("subscribers that come and go") as measure:
        them = [threading.Thread(target=one, args=(i,), daemon=True)
                for i in range(10)]
        for t in them:
            t.start()
        try:
            measure()
        finally:
            end.set()
            for t in them:
                t.join()
        alto.need(len(done) > 50, "only %d came", len(done))
        alto.wait(lambda: [s["name"] for s in server.status()["subscribers"]]
                  == ["near", "far"] or len(
                      server.status()["subscribers"]) == 2, None,
                  "they are gone")


def packed_requests(scene):
    """What a client posts is never unpacked."""
    server, where = scene.server, "/filter/cost/net"
    with scene.attack("posted bodies that unpack to much"):
        path = next(r["uri"] for r in
                    server.directory()["resources"].values()
                    if r.get("accepts") ==
                    "application/alto-costmapfilter+json")
        for name, data in (("gzip", gzip.compress(bytes(50 << 20))),
                           ("zstd", zstd_bomb(4000)), ("deflate", b"x")):
            code, _, body = server.get("/" + path, {
                "Content-Type": "application/alto-costmapfilter+json",
                "Content-Encoding": name}, method="POST", body=data)
            alto.need(code == 415, "%s at %s: %d %s", name, where, code, body)


# --- who may -----------------------------------------------------------------

def strangers(top):
    """Only the bearer of a token hears anything of the maps."""
    right = "milan-0123456789-abcdef"
    milan = alto.secret(os.path.join(top, "t1"), right)
    turin = alto.secret(os.path.join(top, "t2"), "turin-0123456789-abc")
    site = Site(top, "guarded", subscribers=[
        {"name": "milan", "token-file": milan},
        {"name": "turin", "token-file": turin}])
    server = site.server

    def refusals():
        found = re.findall(r'alto_disconnects_total\{reason="not allowed"\} '
                           r"(\d+)", server.admin("/metrics")[2].decode())
        return int(found[0]) if found else 0

    with test("a subscriber without a good token hears nothing", server):
        before = refusals()
        bad = [None, "Bearer", "Bearer ", "Bearer " + right[:-1],
               "Bearer " + right + "x", "Bearer  " + right,
               "Bearer " + right.upper(), "Basic " + right, right,
               "Bearer " + "a" * 512]
        for header in bad + ["Bearer " + "a" * 50000]:
            alto.need(refused(server, header), "admitted with %r", header)
        alto.need(refusals() == before + len(bad), "%d counted of %d",
                  refusals() - before, len(bad))
    with test("a good token is good for its own name alone", server):
        s = alto.Push(server.urls["push"], token=right)
        s.until("hello")
        s.send("subscribe", name="turin")
        while s.recv():
            pass
        alto.need(s.closed == 4005, "closed with %s", s.closed)
        s.close()
        s = alto.Push(server.urls["push"], token=right)
        s.send("subscribe", name="milan")
        s.until("snapshot")
        s.close()
    server.stop()


def refused(server, header):
    """401 or less politely, and not a byte of the maps' state."""
    text = HANDSHAKE.replace(b"X-Slow: ", b"Sec-WebSocket-Protocol: "
                             b"alto-push.v1\r\n")
    if header is not None:
        text += b"Authorization: " + header.encode() + b"\r\n"
    with socket.create_connection(address(server.urls["push"])) as s:
        push(s, text + b"\r\n")
        got = closed(s, "a refused handshake")
    return not got.startswith(b"HTTP/1.1 101") and b"hello" not in got


# withheld first: it waits less while few changes have been made.
ATTACKS = (withheld, signatures, forked, expired, replays, older_but_right,
           bodies, pulled, impostor, json_suite, to_proxy, to_server, pings,
           crowds, comings_and_goings, packed_requests)


def main():
    with alto.folder() as top:
        if selected("strangers"):
            strangers(top)
        scene = Scene(top)
        for attack in ATTACKS:
            if selected(attack.__name__):
                attack(scene)
        scene.watch.stop()
        with test("what was never published was never served", *scene.all):
            alto.need(not scene.watch.bad, "%s", scene.watch.bad[:3])
            alto.need(scene.watch.serial > 0, "nothing was looked at")
    return tests.end()


if __name__ == "__main__":
    sys.exit(main())
