#!/usr/bin/env python3
"""Attacks and accidents on the listener for clients, of a server and of the
proxy below it, over real sockets.

A witness, a process of its own at another address, asks both daemons all the
time: during each attack its answers must be right, and come no slower than a
generous multiple of the time they took just before. The memory of the daemons
stays within a bound, counters move, and afterwards everything is as it was. A
sanitizer's report in a log is a failure.

Usage: run_http.py [CHAPTER...]	bodies, slow, sizes, crowds, expensive,
				headers, random
"""
import collections
import contextlib
import http.client
import itertools
import json
import os
import random
import re
import resource
import select
import socket
import statistics
import struct
import subprocess
import sys
import threading
import time
import urllib.parse
import zlib

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import alto  # noqa: E402
from alto import Failed, need  # noqa: E402

tests = alto.Tests()
SEED = 7285
OTHER = "127.0.0.2"             # where the witness is
FORWARDER = "127.0.0.9"         # whose word about addresses is believed
SLOWER = 40                     # times the slowest answer in quiet: too slow
REQUEST, ANSWER, ANSWERS = 1 << 20, 4 << 20, 12 << 20
CALM = 40                       # answers before an attack, to compare with
CONNS, PER_ADDRESS = 1200, 256
# Seconds; a sanitizer's daemon is too slow to be strict.
HEADER_S, BODY_S, IDLE_S = (5, 6, 8) if alto.quick() else (2, 3, 4)
# Of processor time, for the most that one request may ask for; the witness is
# served beside it.
HEAVY_S = 4                     # a sanitizer makes it 12 times as much
PUT_OFF = "alto_computed_put_off_total"
# What the listener refuses by itself: struct http_counts.
LATE = "alto_http_timeouts_total"
TOO_LARGE = "alto_http_too_large_total"
MALFORMED = "alto_http_malformed_total"
NO_PLACE_FOR_ADDRESS = "alto_http_refused_address_total"
NO_PLACE = "alto_http_refused_connections_total"

RC = {"cost-metric": "routingcost", "cost-mode": "numerical"}
NET = {"a": {"ipv4": ["10.0.0.0/8"]}, "home": {"ipv4": ["127.0.0.0/8"]},
       "rest": {"ipv4": ["0.0.0.0/0"], "ipv6": ["::/0"]}}
COST = {s: {d: 10 * i + k + 0.5 for k, d in enumerate(NET)}
        for i, s in enumerate(NET)}
PROPS = {"ipv4:10.0.0.0/8": {"priv:region": "north"}}
MEDIA = "application/alto-%s+json"
ERROR = MEDIA % "error"
KINDS = {
    # kind: type of the answer, type of the request, a good request
    "network": ("networkmap", "networkmapfilter", {"pids": ["a"]}),
    "costs": ("costmap", "costmapfilter",
              {"cost-type": RC, "pids": {"srcs": ["a"], "dsts": ["rest"]}}),
    "endpoint-costs": ("endpointcost", "endpointcostparams",
                       {"cost-type": RC, "endpoints": {
                           "srcs": ["ipv4:10.0.0.1"],
                           "dsts": ["ipv4:192.0.2.1"]}}),
    "properties": ("endpointprop", "endpointpropparams",
                   {"properties": ["priv:region"],
                    "endpoints": ["ipv4:10.0.0.1"]}),
}


# --- the witness -------------------------------------------------------------

def witness_round(one, kept_only):
    """One request over a connection that is kept and, unless told not to, two
    over a new one. What is wrong, or None."""
    host, port = one["host"], one["port"]
    new = kept_only or http.client.HTTPConnection(
        host, port, alto.WAIT_S, source_address=(OTHER, 0))
    if "kept" not in one:
        one["kept"] = http.client.HTTPConnection(
            host, port, alto.WAIT_S, source_address=(OTHER, 0))
    turns = [(one["kept"], one["asks"][0])]
    if not kept_only:
        turns += [(new, ask) for ask in one["asks"]]
    try:
        for con, (method, path, kind, body, want) in turns:
            con.request(method, path, body, {"Content-Type": kind})
            got = con.getresponse()
            text = got.read().decode()
            if got.status != 200 or text != want:
                return "%s %s: %d %.200s" % (method, path, got.status, text)
    except (OSError, http.client.HTTPException) as e:
        one.pop("kept").close()
        return "%s: %r" % (one["name"], e)
    finally:
        if not kept_only:
            new.close()
    return None


def witness():
    """The first line says what to ask and what must be answered. Each line
    after it is answered with what was seen since the last one."""
    world = json.loads(sys.stdin.readline())
    state = {"kept": False, "wrong": [], "times": []}
    asked, looked = threading.Event(), threading.Condition()

    def run():
        while True:
            for one in world:
                begin = time.monotonic()
                wrong = witness_round(one, state["kept"])
                with looked:
                    state["times"].append(time.monotonic() - begin)
                    if wrong:
                        state["wrong"].append(wrong)
                    looked.notify()
            asked.wait(0.01)

    threading.Thread(target=run, daemon=True).start()
    for line in sys.stdin:
        # A round that hangs is not to be missed: wait for its end.
        asked.set()
        with looked:
            enough = len(state["times"]) + 2 * len(world)
            looked.wait_for(lambda: len(state["times"]) >= enough)
            asked.clear()
            print(json.dumps([state["wrong"], state["times"]]), flush=True)
            state.update(kept=line.strip() == "kept", wrong=[], times=[])


class Witness:
    """The process, from here."""

    def __init__(self, world):
        self.process = subprocess.Popen(
            [sys.executable, os.path.abspath(__file__), "--witness"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.say(json.dumps(world))

    def say(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def heard(self, after="all"):
        """(what was wrong, times) since the last call."""
        self.say(after)
        line = self.process.stdout.readline()
        need(line, "the witness ended")
        return json.loads(line)

    def stop(self):
        self.process.stdin.close()
        self.process.wait(alto.WAIT_S)


# --- the world ---------------------------------------------------------------

def sanitized():
    with open(alto.find_bin("alto-server"), "rb") as program:
        code = program.read()
    return b"__asan_" in code or b"__tsan_" in code


def net_doc(rid, pids):
    return {"meta": {"vtag": {"resource-id": rid, "tag": "t1"}},
            "network-map": pids}


def cost_doc(net, cells):
    return {"meta": {"dependent-vtags": [{"resource-id": net, "tag": "t1"}],
                     "cost-type": RC}, "cost-map": cells}


def write_maps(folder, pids):
    """The list of maps for the configuration. "big" has a cost map of many
    megabytes."""
    names = ["p%03d" % i for i in range(pids)]
    big = {p: {"ipv4": ["10.%d.%d.0/24" % divmod(i, 256)]}
           for i, p in enumerate(names)}
    big["z"] = {"ipv4": ["0.0.0.0/0"]}
    docs = {
        "net": (net_doc("net", NET), {"default": True}),
        "cost": (cost_doc("net", COST), {"ordinal": True}),
        "big": (net_doc("big", big), {}),
        "big-cost": (cost_doc("big", {
            s: {d: 1.125 + (i * 31 + k) % 997 for k, d in enumerate(names)}
            for i, s in enumerate(names)}), {}),
        "props": ({"meta": {}, "property-map": PROPS}, {}),
    }
    out = []
    for rid, (doc, more) in docs.items():
        path = os.path.join(folder, rid + ".json")
        alto.put(path, json.dumps(doc))
        out.append(dict({"id": rid, "file": path}, **more))
    return out


def cost_of(src, dst):
    """Of IPv4 endpoints, by NET."""
    def pid(text):
        return {"10": "a", "127": "home"}.get(
            text[len("ipv4:"):].split(".")[0], "rest")
    return COST[pid(src)][pid(dst)]


class World:
    """A server, a proxy below it and the witness."""

    def __init__(self, top):
        settings = {
            "http": {"connections": CONNS,
                     "connections-per-address": PER_ADDRESS,
                     "timeout": IDLE_S, "header-time": HEADER_S,
                     "body-time": BODY_S, "request": REQUEST,
                     "answer": ANSWER, "answers": ANSWERS,
                     "origins": ["https://app.example"],
                     "forwarders": [FORWARDER]}}
        env = {"ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", "") +
               ":quarantine_size_mb=8"}
        self.factor = 4 if sanitized() else 1
        self.many = 60 if alto.quick() else 200
        maps = write_maps(top, 450 if alto.quick() else 900)
        self.server = alto.Server(top, maps, env=env, heartbeat=1,
                                  **settings).start()
        self.proxy = alto.Proxy(top, self.server, "near", env=env,
                                **settings).start()
        self.both = (self.server, self.proxy)
        alto.in_step(*self.both)
        self.paths = {kind: self.find(kind) for kind in KINDS}
        self.maps = self.server.maps()
        self.full = self.server.get(self.maps["net"])[2]
        self.witness = Witness([self.to_ask(d) for d in self.both])

    def find(self, kind):
        answer, ask, _ = KINDS[kind]
        for entry in self.server.directory()["resources"].values():
            path = urllib.parse.urlsplit(urllib.parse.urljoin(
                self.server.url + "/directory", entry["uri"])).path
            if (entry["media-type"] == MEDIA % answer and
                    entry.get("accepts") == MEDIA % ask and
                    (kind == "properties" or path.endswith("/net"))):
                return path
        raise Failed("the directory has no %s" % kind)

    def to_ask(self, daemon):
        """What the witness asks of a daemon, and what must be answered."""
        body = json.dumps({"cost-type": RC, "endpoints": {
            "dsts": ["ipv4:10.9.9.9"]}})
        with Wire(daemon, OTHER) as w:
            w.send(self.ask("endpoint-costs", body.encode()))
            costs = w.reply().body
        need(json.loads(costs)["endpoint-cost-map"] == {
            "ipv4:" + OTHER: {"ipv4:10.9.9.9": COST["home"]["a"]}},
            "own address: %r", costs)
        net = daemon.get(self.maps["net"])
        need(net[0] == 200 and net[2] == self.full, "other bytes: %s", net)
        host, port = address(daemon)
        return {"name": daemon.name, "host": host, "port": port, "asks": [
            ("GET", self.maps["net"], "", None, self.full.decode()),
            ("POST", self.paths["endpoint-costs"],
             MEDIA % "endpointcostparams", body, costs.decode())]}

    def ask(self, kind, body=None, *headers):
        """The bytes of a POST."""
        if body is None:
            body = KINDS[kind][2]
        if not isinstance(body, bytes):
            body = json.dumps(body, separators=(",", ":")).encode()
        return request("POST", self.paths[kind],
                       "Content-Type: " + MEDIA % KINDS[kind][1],
                       "Content-Length: %d" % len(body), *headers) + body

    def get(self, rid="net", *headers):
        return request("GET", self.maps[rid], *headers)


def address(daemon):
    at = urllib.parse.urlsplit(daemon.url)
    return at.hostname, at.port


def request(method, path, *headers):
    if isinstance(path, str):
        path = path.encode("latin-1")
    lines = ["Host: x", *headers]
    return (method.encode() + b" " + path + b" HTTP/1.1\r\n" +
            "".join(h + "\r\n" for h in lines).encode("latin-1") + b"\r\n")


class Reply:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    def __str__(self):
        return "%d %s %.300r" % (self.status, self.headers, self.body)

    @property
    def meta(self):
        return json.loads(self.body)["meta"]

    def is_error(self, status, code=None, field=None):
        """An error object of RFC 7285 s8.5."""
        need(self.status == status, "%d wanted: %s", status, self)
        need(self.headers.get("content-type") == ERROR, "type: %s", self)
        need(code is None or self.meta["code"] == code, "%s wanted: %s", code,
             self)
        need(field is None or self.meta.get("field") == field,
             "field %s wanted: %s", field, self)
        return self


class Wire:
    """One connection, bytes in and replies out."""

    def __init__(self, daemon, source=None, window=None):
        self.socket = socket.socket()
        if window:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF,
                                   window)
        self.socket.settimeout(alto.WAIT_S)
        if source:
            self.socket.bind((source, 0))
        self.socket.connect(address(daemon))
        self.file = self.socket.makefile("rb")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.file.close()
        self.socket.close()

    def send(self, data):
        """As much as the other end takes: it may have had enough already."""
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self.socket.sendall(data)

    def end(self):
        """Nothing more will be sent."""
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_WR)

    def reply(self):
        """None: closed."""
        try:
            line = self.file.readline()
            if not line:
                return None
            status = re.match(rb"HTTP/1\.[01] (\d{3})", line)
            need(status, "no status line: %r", line)
            headers = {k.lower(): v for k, v in
                       http.client.parse_headers(self.file).items()}
            size = int(headers.get("content-length", "0"))
            if int(status[1]) in (204, 304) or int(status[1]) < 200:
                size = 0
            body = self.file.read(size)
        except ConnectionResetError:
            return None
        except socket.timeout:
            raise Failed("neither answered nor closed") from None
        need(len(body) == size, "%d of %d bytes", len(body), size)
        return Reply(int(status[1]), headers, body)

    def replies(self):
        """All of them until it is closed, without 100."""
        return [r for r in iter(self.reply, None) if r.status >= 200]


def talk(daemon, data, ends=True, source=None):
    """What is answered to these bytes until the end, which a good request asks
    for: the end of what we send may be noticed late."""
    with Wire(daemon, source) as w:
        w.send(data.replace(b"\r\nHost: x\r\n",
                            b"\r\nHost: x\r\nConnection: close\r\n", 1))
        if ends:
            w.end()
        return w.replies()


def statuses(wire):
    """Of all that is answered until the end; when the request is none, the
    library that answers may write the head of its refusal twice."""
    data = b""
    with contextlib.suppress(ConnectionResetError):
        while True:
            try:
                more = wire.socket.recv(65536)
            except socket.timeout:
                raise Failed("neither answered nor closed") from None
            if not more:
                break
            data += more
    need(not data or data.startswith(b"HTTP/1."), "no status: %r", data[:99])
    return [int(n) for n in re.findall(rb"HTTP/1\.[01] (\d{3})", data)]


# --- what holds in every test ------------------------------------------------

def memory(daemon, name):
    with open("/proc/%d/status" % daemon.pid) as status:
        return int(re.search(name + r":\s+(\d+)", status.read())[1]) / 1024


def forget_peak(daemon):
    """VmHWM begins again, where the system lets us."""
    with contextlib.suppress(OSError):
        with open("/proc/%d/clear_refs" % daemon.pid, "w") as out:
            out.write("5")


def files_of(daemon):
    return len(os.listdir("/proc/%d/fd" % daemon.pid))


def metric(daemon, name):
    code, _, text = daemon.admin("/metrics")
    found = re.search(r"^%s (\S+)$" % name, text.decode(), re.M)
    need(code == 200 and found, "/metrics has no %s", name)
    return float(found[1])


def attack(world, what, check, mb=48, counters=(), together=False,
           kept=False):
    """One test: check(world, daemon) for each daemon, or check(world) for both
    together. mb: memory that it may cost a daemon. counters: those that must
    move. kept: there is no room for new connections of the witness."""
    with tests(what, *world.both):
        world.witness.heard()
        wrong, calm = [], []
        while len(calm) < CALM:
            more = world.witness.heard("all")
            wrong, calm = wrong + more[0], calm + more[1]
        more = world.witness.heard("kept" if kept else "all")
        wrong, calm = wrong + more[0], calm + more[1]
        need(not wrong, "before: %s", wrong[:3])
        moved = {(d, c): metric(d, c) for d in world.both for c in counters}
        files = {d: files_of(d) for d in world.both}
        for d in world.both:
            forget_peak(d)
        had = {d: memory(d, "VmHWM") for d in world.both}
        if together:
            check(world)
        for d in () if together else world.both:
            check(world, d)
        wrong, times = world.witness.heard()
        need(not wrong, "others: %d of %d wrong: %s", len(wrong), len(times),
             wrong[:3])
        usual, late = max(calm), statistics.median(times)
        need(late < SLOWER * usual, "others waited %.3f s, before %.3f s",
             late, usual)
        for d in world.both:
            unharmed(world, d, had[d] + mb * world.factor, files[d])
        for (d, c), n in moved.items():
            alto.wait(lambda d=d, c=c, n=n: metric(d, c) > n, None,
                      "%s of %s moves" % (c, d.name))


def unharmed(world, daemon, most, files):
    daemon.must_run()
    need(not daemon.sanitizer(), "%s: %s", daemon.name, daemon.sanitizer())
    had = memory(daemon, "VmHWM")
    need(had < most, "%s: %d MB of memory, %d are allowed", daemon.name, had,
         most)
    alto.wait(lambda: files_of(daemon) <= files + 4, None,
              "%s has closed what it opened" % daemon.name)


# --- bodies ------------------------------------------------------------------

# Texts that are JSON and still refused as syntax: a name twice leaves open
# which is meant (ask_json.h), and depth has a limit.
TWICE = ("y_object_duplicated_key.json",
         "y_object_duplicated_key_and_value.json")
SMALL = {
    "n_cut": b'{"pids":', "n_nothing": b"", "n_quotes": b"{'pids':[]}",
    "n_more": b"{} x", "n_comma": b'{"pids":[1,]}', "n_nan": b"[NaN]",
    "n_utf8": b'{"pids":["\xff"]}', "n_utf16": '{"a":1}'.encode("utf-16"),
    "n_nul": b"{}\0", "n_surrogate_cut": b'["\\ud8"]',
    "n_deep": b'{"a":' * 50000, "n_deep_array": b"[" * 100000,
    "n_bom_alone": b"\xef\xbb\xbf", "n_number": b"[01]",
    "n_control": b'["\x1f"]', "n_plus": b"[+1]",
    "y_empty": b"{}", "y_array": b"[]", "y_number": b"-0",
    "y_string": b'"pids"', "y_null": b"null", "y_space": b" \t\r\n{}\n",
    "y_escapes": b'{"\\u0000\\ud834\\udd1e":"\\u0000"}',
    "y_depth": b'{"a":' * 31 + b"1" + b"}" * 31,
    "i_depth": b"[" * 40 + b"]" * 40, "i_number": b"[1e999]",
    "i_integer": b"[" + b"9" * 400 + b"]", "i_surrogate": b'["\\udc00"]',
    "i_bom": b"\xef\xbb\xbf{}", "i_twice": b'{"a":1,"a":1}',
    "i_nodes": b"[" + b"[]," * 300000 + b"[]]",
}


def suite():
    folder = alto.shared("hostile", "json-test-suite", "test_parsing")
    out = {}
    for name in sorted(os.listdir(folder)):
        with open(os.path.join(folder, name), "rb") as src:
            out[name] = src.read()
    need(out, "no files")
    return out


def judge(name, reply):
    need(reply, "%s: closed", name)
    if reply.status == 200 and name[0] == "y":
        return
    try:
        reply.is_error(400)
    except Failed as e:
        raise Failed("%s: %s" % (name, e)) from None
    syntax = reply.meta["code"] == "E_SYNTAX"
    if name[0] == "n":
        need(syntax, "%s was taken: %s", name, reply)
    elif name[0] == "y" and name not in TWICE:
        need(not syntax, "%s: %s", name, reply)


def one_by_one(world, daemon, kind, bodies):
    with Wire(daemon) as w:
        for name, body in bodies.items():
            w.send(world.ask(kind, body))
            judge(name, w.reply())
        w.send(world.ask(kind))
        need(w.reply().status == 200, "%s: a good one after them", kind)


def pipelined(world, daemon, kind, bodies):
    """All are sent while the answers are still to be read."""
    with Wire(daemon) as w:
        data = b"".join(world.ask(kind, b) for b in bodies.values())
        sender = threading.Thread(target=w.send, args=(
            data + world.ask(kind) + world.get(),), daemon=True)
        sender.start()
        for name in bodies:
            judge(name, w.reply())
        need(w.reply().status == 200, "%s: a good one after them", kind)
        need(w.reply().body == world.full, "the map after them")
        sender.join(alto.WAIT_S)


def all_kinds(texts, *ways):
    def check(world, daemon):
        for kind, way in itertools.product(KINDS, ways):
            way(world, daemon, kind, texts())
    return check


def bodies(world):
    refused = ("alto_computed_refused_total",)
    attack(world, "bodies that are no requests are refused by their kind",
           all_kinds(lambda: SMALL, one_by_one, pipelined), 64, refused)
    attack(world, "bodies of the JSON suite are refused by their kind",
           all_kinds(suite, pipelined) if alto.quick() else
           all_kinds(suite, one_by_one, pipelined), 64, refused)


# --- slow --------------------------------------------------------------------

class Slow:
    """A connection that says its text a byte at a time."""

    def __init__(self, daemon, text, at_once=b"", source="127.0.0.3"):
        self.wire = Wire(daemon, source)
        self.wire.send(at_once)
        self.wire.socket.setblocking(False)
        self.text = iter(text)
        self.got = b""
        self.begun, self.lived = time.monotonic(), None

    def say(self):
        byte = next(self.text, None)
        if byte is not None and self.lived is None:
            with contextlib.suppress(OSError):
                self.wire.socket.send(bytes([byte]))

    def hear(self):
        try:
            more = self.wire.socket.recv(65536)
        except BlockingIOError:
            return
        except OSError:
            more = b""
        self.got += more
        if not more:
            self.lived = time.monotonic() - self.begun
            self.wire.close()


def until_cut(all_of, every=0.25):
    """Each says a byte at a time until the other end has had enough."""
    left = {s.wire.socket.fileno(): s for s in all_of}
    end = time.monotonic() + alto.WAIT_S
    while left:
        need(time.monotonic() < end, "%d of %d left open", len(left),
             len(all_of))
        for s in left.values():
            s.say()
        poll, then = select.poll(), time.monotonic() + every
        for fd in left:
            poll.register(fd, select.POLLIN)
        while left and time.monotonic() < then:
            for fd, _ in poll.poll(1000 * max(0, then - time.monotonic())):
                left[fd].hear()
                if left[fd].lived is not None:
                    poll.unregister(fd)
                    del left[fd]


def cut_off(all_of, after, answered=True):
    """They were cut, not before their time, and told so if they had said
    anything."""
    until_cut(all_of)
    soonest = min(s.lived for s in all_of)
    need(soonest > 0.8 * after, "cut after %.1f s of %d", soonest, after)
    for s in all_of:
        need(not s.got or s.got.startswith(b"HTTP/1.1 408 "), "%r",
             s.got[:100])
    told = sum(bool(s.got) for s in all_of)
    need(told == len(all_of) if answered else not told, "%d of %d told",
         told, len(all_of))


def slow_headers(world):
    cut_off([Slow(d, world.get()) for d in world.both
             for _ in range(world.many)], HEADER_S)


def slow_bodies(world):
    """Every other one announces its body and does not send it."""
    post = world.ask("endpoint-costs")
    at = post.index(b"\r\n\r\n") + 4
    cut_off([Slow(d, post[at:] if i & 1 else b"", post[:at])
             for d in world.both for i in range(world.many)], BODY_S)


def silent(world):
    cut_off([Slow(d, b"") for d in world.both for _ in range(world.many)],
            HEADER_S, answered=False)


def idle(world):
    all_of = [Slow(d, b"", world.get()) for d in world.both
              for _ in range(world.many)]
    until_cut(all_of)
    need(all(s.got.count(b"HTTP/1.1 ") == 1 and s.got.endswith(world.full)
             for s in all_of), "not the map alone")


def slow_readers(world):
    """They ask for more than fits anywhere, and never read."""
    before = {d: files_of(d) for d in world.both}
    with contextlib.ExitStack() as wires:
        for d in world.both:
            for i in range(12 if alto.quick() else 48):
                w = wires.enter_context(Wire(d, "127.0.0.4", window=4096))
                w.send(world.get("big-cost", *(
                    ("Accept-Encoding: gzip",) if i & 1 else ())) *
                    (1 + i % 3))
            alto.wait(lambda d=d: files_of(d) > before[d] + 10, None,
                      "%s lets them in" % d.name)
        for d in world.both:
            alto.wait(lambda d=d: files_of(d) <= before[d] + 4, None,
                      "%s closes those that never read" % d.name)


def given_up(world, daemon):
    """Requests that are never finished, from more clients than may come in at
    once: none is waited for once its client is gone, so none is ever late."""
    post = world.ask("endpoint-costs")
    late, files = metric(daemon, LATE), files_of(daemon)
    for text in (b"GET / HT", world.get()[:-2], post[:-1],
                 world.get() + post[:-1]):
        for how in (socket.SHUT_WR, socket.SHUT_RDWR):
            with contextlib.ExitStack() as wires:
                for _ in range(PER_ADDRESS - 6):
                    w = wires.enter_context(Wire(daemon, "127.0.0.5"))
                    w.send(text)
                    w.socket.shutdown(how)
                alto.wait(lambda: files_of(daemon) <= files + 4, None,
                          "they are gone")
            need(talk(daemon, world.get(), source="127.0.0.5")[0].status ==
                 200, "that address is not served")
    need(metric(daemon, LATE) == late, "they were waited for")


def half_closed(world, daemon):
    """Who sends no more still gets all answers that it asked for."""
    asks = [world.get("big-cost"), world.ask("endpoint-costs"), world.get()]
    got = [talk(daemon, ask)[0] for ask in asks]
    for more in (b"", asks[1][:-1]):
        with Wire(daemon, "127.0.0.5") as w:
            w.send(b"".join(asks) + more)
            w.socket.shutdown(socket.SHUT_WR)
            # Somebody who came later and asks nothing has been let go since.
            with Wire(daemon, "127.0.0.5") as idle:
                idle.socket.shutdown(socket.SHUT_WR)
                need(idle.reply() is None, "an answer to nothing")
            for want in got:
                r = w.reply()
                need(r and r.status == 200 and r.body == want.body,
                     "%s instead of %s", r, want)
            need(w.reply() is None, "one answer too many")


def slow(world):
    late = (LATE,)
    for what, check, counters in (
            ("slow headers are cut at their time", slow_headers, late),
            ("slow bodies, and those never sent, are cut at their time",
             slow_bodies, late),
            ("silent connections are closed without a word", silent, ()),
            ("what is idle between requests is closed", idle, ()),
            ("readers that never read a large map cost little and are closed",
             slow_readers, ())):
        attack(world, what, check, 100, counters, together=True)
    attack(world, "who gives up in the midst of a request keeps no place",
           given_up, 64)
    attack(world, "who ends its side of the connection gets its answers",
           half_closed, 64)


# --- sizes and frames --------------------------------------------------------

def chunked(body, size=1000):
    return b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in (
        body[i:i + size] for i in range(0, len(body), size))) + b"0\r\n\r\n"


def too_large(world, daemon):
    """413 with an error object, if there is anything to be refused at all."""
    path = world.paths["costs"]
    kind = "Content-Type: " + MEDIA % "costmapfilter"
    for what, data in {
            "sent": world.ask("costs", b" " * (REQUEST + 1)),
            "sent twice as long": world.ask("costs", b" " * (2 * REQUEST)),
            "expected": request("POST", path, kind, "Expect: 100-continue",
                                "Content-Length: %d" % (REQUEST + 1)),
            "announced": request("POST", path, kind,
                                 "Content-Length: 1000000000"),
            "in chunks": request("POST", path, kind,
                                 "Transfer-Encoding: chunked") +
            chunked(b" " * (REQUEST + 1))}.items():
        got = talk(daemon, data, ends=False)
        need(len(got) == 1, "%s: %d answers", what, len(got))
        got[0].is_error(413)
    # Without end, so what must come is the end.
    with Wire(daemon) as w:
        w.send(request("POST", path, kind, "Transfer-Encoding: chunked"))
        with contextlib.suppress(OSError):
            for _ in range(1024):
                w.socket.sendall(b"10000\r\n" + b" " * 65536 + b"\r\n")
            raise Failed("64 MB in chunks are taken")


def as_large_as_may_be(world, daemon):
    body = json.dumps(KINDS["costs"][2]).encode()
    got = talk(daemon, world.ask("costs", body.ljust(REQUEST)))
    need(len(got) == 1 and got[0].status == 200, "%s", got and got[0])


def long_heads(world, daemon):
    path = world.maps["net"]
    for what, wanted, data in (
            ("a header", (431,), request("GET", path, "X: " + "y" * 40000)),
            ("headers", (431,), request("GET", path, *["X: y"] * 9000)),
            ("headers without end", (431,),
             request("GET", path, *["X: " + "y" * 1000] * 500)),
            ("a line", (414, 431), request("GET", "/" + "a" * 40000)),
            ("a line without end", (414, 431), b"GET /" + b"a" * 200000),
            ("a method", (400, 405, 413, 414, 431, 501),
             b"G" * 40000 + request("ET", path)),
            ("a query", (414, 431), request("GET", path + "?" + "a" * 40000)),
            ("a name", (431,), request("GET", path, "X" * 40000 + ": y"))):
        got = talk(daemon, data, ends=False)
        need(len(got) == 1 and got[0].status in wanted, "%s: %s", what,
             " ".join(map(str, got)) or "closed")


def ends_early(world, daemon):
    """Cut at each of its bytes, a request is never answered as a good one."""
    good = world.ask("endpoint-costs")
    step = 7 if alto.quick() else 1
    for part in itertools.islice(itertools.count(), 0, len(good), 100):
        wires = []
        for n in range(part, min(part + 100, len(good)), step):
            wires.append(Wire(daemon))
            wires[-1].send(good[:n])
            wires[-1].end()
        for w in wires:
            need(all(400 <= r.status < 500 for r in w.replies()),
                 "cut, and answered")
            w.close()
    got = talk(daemon, good)
    need(len(got) == 1 and got[0].status == 200, "whole: %s", got)


def frames(world):
    """(what, statuses that may come, request): 0 is the end without an
    answer. Each hides a second request, which must not be answered."""
    path = world.paths["endpoint-costs"]
    body = json.dumps(KINDS["endpoint-costs"][2]).encode()
    kind = "Content-Type: " + MEDIA % "endpointcostparams"
    hidden = request("GET", "/state")
    size = "Content-Length: %d" % len(body)
    te = "Transfer-Encoding: chunked"
    bad = (0, 400, 408, 413)
    out = []

    def add(what, headers, data, wanted=bad):
        out.append((what, wanted,
                    request("POST", path, kind, *headers) + data + hidden))

    for value in ("-1", "-0", "+5", "0x10", "5,5", "5 5", "", "a", "1e3",
                  "9" * 19, "9" * 20, str(1 << 63), str(1 << 64),
                  str((1 << 64) + len(body)), "9" * 2000, "\x0b5"):
        add("Content-Length: " + value, ["Content-Length: " + value], body)
    add("two lengths", [size, size], body)
    add("two lengths that differ", [size, "Content-Length: 5"], body)
    add("a length and chunks", [size, te], chunked(body))
    add("chunks and a length", [te, size], chunked(body))
    add("chunks and no length", [te, "Content-Length: 0"], chunked(body))
    add("chunks twice", [te, te], chunked(body), (0, 400, 501))
    for coding in ("identity", "gzip, chunked", "chunked, identity",
                   "xchunked", "chunked\x0b", "\x0bchunked", '"chunked"',
                   "chunked;a=b", ",chunked", "chunked,"):
        add("coding " + coding, ["Transfer-Encoding: " + coding, size], body,
            (0, 400, 501))
        add("coding alone " + coding, ["Transfer-Encoding: " + coding],
            chunked(body), (0, 400, 501))
    add("a space before the colon", ["Content-Length : 5", te],
        chunked(body))
    add("a folded line", ["X: y", " Transfer-Encoding: chunked",
                          "Content-Length: 5", te], chunked(body))
    add("a folded value", ["Transfer-Encoding:", " chunked", size],
        chunked(body))
    add("two hosts", ["Host: y", size], body)
    for line in (b"zz", b"-1", b"0x5", b"+5", b"", b" ", b"5 5", b";",
                 b"f" * 17, b"1" + b"0" * 16, b"f" * 400, b"7" + b"f" * 15,
                 b"5\0", b"\xff"):
        add("chunk %r" % line[:20], [te],
            line + b"\r\n" + body + b"\r\n0\r\n\r\n")
    add("a chunk without an end", [te], b"5\r\n" + body)
    add("a chunk shorter than said", [te], b"fff\r\n" + body)
    return out


def smuggling(world, daemon):
    cases = frames(world)
    with contextlib.ExitStack() as open_now:
        wires = [open_now.enter_context(Wire(daemon)) for _ in cases]
        for w, (_, _, data) in zip(wires, cases):
            w.send(data)
            w.end()
        for w, (what, wanted, _) in zip(wires, cases):
            got = statuses(w) or [0]
            need(set(got) <= set(wanted), "%s: %s", what, got)


def sizes(world):
    attack(world, "bodies over the limit get 413, however they come",
           too_large, 48,
           (TOO_LARGE, "alto_http_errors_total"))
    attack(world, "a body as long as it may be is read", as_large_as_may_be)
    attack(world, "heads over the limit get 431 or 414", long_heads)
    attack(world, "requests cut at any byte are not answered as good",
           ends_early)
    attack(world, "no second request is smuggled in", smuggling, 48,
           (MALFORMED,))


# --- crowds ------------------------------------------------------------------

def raise_files(n):
    """How many sockets may be open here, and a word if that is too few."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    want = n + 500
    if hard != resource.RLIM_INFINITY:
        want = min(want, hard)
    if soft == resource.RLIM_INFINITY or soft >= want:
        want = soft
    else:
        resource.setrlimit(resource.RLIMIT_NOFILE, (want, hard))
    able = n if want == resource.RLIM_INFINITY else max(
        PER_ADDRESS + 50, want - 500)
    if able < n:
        print("# only %d files may be open: %d connections at a time" % (
            want, able), flush=True)
    return min(n, able)


def crowd(daemon, data, sources, most):
    """Each connects and asks; nobody reads until all have. As many as may are
    answered, the others told to come again or closed."""
    begin, got = time.monotonic(), collections.Counter()
    with contextlib.ExitStack() as open_now:
        wires = []
        for source in sources:
            wires.append(open_now.enter_context(Wire(daemon, source)))
            wires[-1].send(data)
        for w in wires:
            r = w.reply()
            got[r.status if r else 0] += 1
            need(not r or r.status in (200, 503), "%s", r)
            need(not r or r.status == 200 or
                 r.headers.get("retry-after", "").isdigit(),
                 "no Retry-After: %s", r)
        late = time.monotonic() - begin > IDLE_S    # places were free again
    need(most - 16 <= got[200] and (late or got[200] <= most), "%s",
         dict(got))


def one_address(world, daemon):
    n = 1500 if alto.quick() else 10000
    able = raise_files(n)
    for first in range(0, n, able):
        crowd(daemon, world.get(), ["127.0.0.6"] * min(able, n - first),
              PER_ADDRESS)

    def again():
        return talk(daemon, world.get(), source="127.0.0.6")[0].status == 200
    alto.wait(again, None, "that address is served again")


def many_addresses(world, daemon):
    files = files_of(daemon)
    crowd(daemon, world.get(), ["127.0.7.%d" % (1 + i % 6)
                                for i in range(6 * PER_ADDRESS)], CONNS)
    alto.wait(lambda: files_of(daemon) <= files + 4, None, "they are gone")


def crowds(world):
    attack(world, "of ten thousand from one address as many as may come in "
           "are answered, and others are not kept waiting", one_address, 64,
           (NO_PLACE_FOR_ADDRESS,))
    attack(world, "when all places are taken, those who have one are answered",
           many_addresses, 128, (NO_PLACE,),
           kept=True)


# --- expensive requests ------------------------------------------------------

def addresses(n, first=1):
    """n addresses, as short as can be."""
    fours = itertools.product(range(first, first + 9), range(10), range(100),
                              range(100))
    return ["ipv4:%d.%d.%d.%d" % a for a in itertools.islice(fours, n)]


def between(srcs, dsts, **more):
    return dict({"cost-type": RC, "endpoints": {"srcs": srcs, "dsts": dsts}},
                **{k.replace("_", "-"): v for k, v in more.items()})


def costs_right(reply, srcs, dsts):
    need(reply.status == 200, "%s", reply)
    got = json.loads(reply.body)["endpoint-cost-map"]
    need(got == {s: {d: cost_of(s, d) for d in dsts} for s in srcs},
         "wrong costs: %.300s", got)


def single(world, daemon, kind, body, source=None):
    got = talk(daemon, world.ask(kind, body, "Connection: close"), False,
               source)
    need(len(got) == 1, "%d answers", len(got))
    return got[0]


def long_lists(world, daemon):
    many = addresses(60000)
    body = json.dumps(between(many, ["ipv4:10.0.0.1"]),
                      separators=(",", ":")).encode()
    need(len(body) <= REQUEST, "the list has %d bytes", len(body))
    costs_right(single(world, daemon, "endpoint-costs", body), many,
                ["ipv4:10.0.0.1"])
    costs_right(single(world, daemon, "endpoint-costs",
                       between(["ipv4:10.0.0.1"], many)),
                ["ipv4:10.0.0.1"], many)
    # The same one over and over counts once.
    costs_right(single(world, daemon, "endpoint-costs", between(
        ["ipv4:10.0.0.1"] * 30000, ["ipv4:1.1.1.1"] * 20000)),
        ["ipv4:10.0.0.1"], ["ipv4:1.1.1.1"])
    for n in (30000, 16000, 4000):
        single(world, daemon, "endpoint-costs", between(
            many[:n], many[-n:])).is_error(
                400, "E_INVALID_FIELD_VALUE", "endpoints")


def constraints(world, daemon):
    def ask(**more):
        return single(world, daemon, "costs", dict(
            {"cost-type": RC}, **{k.replace("_", "-"): v
                                  for k, v in more.items()}))

    # testable-cost-types and or-constraints are known, so a test has an
    # index (RFC 8189 s4.1.2).
    test, never = "[0] ge 0", "[0] lt 0"
    need(json.loads(ask(constraints=[test] * 256).body)["cost-map"] == COST,
         "256 constraints")
    need(json.loads(ask(or_constraints=[[never]] * 255 + [[test]]).body)
         ["cost-map"] == COST, "256 clauses")
    for what, more in {
            "257 constraints": {"constraints": [test] * 257},
            "257 clauses": {"or_constraints": [[test]] * 257},
            "257 in two clauses": {"or_constraints":
                                   [[test] * 128, [test] * 129]},
            "thousands of clauses": {"or_constraints": [[test]] * 16000},
            "thousands of tests": {"constraints": [test] * 80000},
            "empty clauses": {"or_constraints": [[]] * 16000},
            "a long test": {"constraints": [test + "0" * 100000]},
            "many types": {"cost-type": None, "multi-cost-types":
                           [RC] * 5000}}.items():
        code = ask(**more).is_error(400).meta["code"]
        need(code != "E_SYNTAX", "%s: %s", what, code)
    ask(or_constraints=[[test]] * 20000).is_error(400)


def worked(daemon):
    """Seconds of processor time that it has used."""
    with open("/proc/%d/stat" % daemon.pid) as stat:
        fields = stat.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def answer_for(daemon, data, most):
    """The answer to a long request, and what it took the daemon. Others may
    keep the machine from it for minutes, so it is work that is counted, at
    most so many seconds of it; time runs out for one that does not work."""
    begin, start = worked(daemon), time.monotonic()
    with Wire(daemon) as w:
        w.send(data)
        while not select.select([w.socket], [], [], 0.1)[0]:
            used, past = worked(daemon) - begin, time.monotonic() - start
            need(used < most, "%.1f s of work and no answer", used)
            need(past < 10 * alto.WAIT_S + 20 * used,
                 "no answer after %.0f s with %.1f s of work", past, used)
        got = w.replies()
    need(len(got) == 1, "%d answers", len(got))
    return got[0], worked(daemon) - begin


def heavy(world, daemon):
    """As many tests as a request may ask for, none of which holds: all of the
    work and nothing to show."""
    side = 11000
    many = addresses(2 * side)
    data = world.ask("endpoint-costs", between(
        many[:side], many[side:], constraints=["[0] lt 0"]),
        "Connection: close")
    most = HEAVY_S * (12 if sanitized() else 1)
    for _ in range(1 if alto.quick() else 3):
        r, took = answer_for(daemon, data, most)
        need(r.status == 200 and
             json.loads(r.body)["endpoint-cost-map"] == {}, "%s", r)
        print("# %s: %.1f s of work" % (daemon.name, took), flush=True)


def budget(world, daemon):
    """More large answers at once than may be held: who gets one gets all of
    it, the others are told to come again."""
    many, put_off = addresses(740), metric(daemon, PUT_OFF)
    ask = world.ask("endpoint-costs", between(many[:370], many[370:]),
                    "Connection: close")
    whole = talk(daemon, ask, False)[0]
    costs_right(whole, many[:370], many[370:])
    need(ANSWER / 2 < len(whole.body) < ANSWER, "%d bytes", len(whole.body))

    wires = [Wire(daemon, window=4096) for _ in range(16)]
    for w in wires:
        w.send(ask)
    # Those who got one hold it until they read.
    alto.wait(lambda: metric(daemon, PUT_OFF) > put_off,
              None, "some are put off")
    got = [w.reply() for w in wires]
    for w in wires:
        w.close()
    for r in got:
        need(r and r.status in (200, 503), "%s", r)
        if r.status == 200:
            need(r.body == whole.body, "another answer")
        else:
            need(r.headers.get("retry-after") == "1", "%s", r)
    count = collections.Counter(r.status for r in got)
    need(count[200] and count[503], "%s", dict(count))

    # And those who go away without it give it back.
    wires = [Wire(daemon, window=4096) for _ in range(8)]
    for w in wires:
        w.send(ask)
    for w in wires:
        w.close()

    def again():
        return [r.status for r in talk(daemon, ask, False)] == [200]
    for _ in range(4):
        alto.wait(again, None, "a large answer is given again")


def long_answer(world, daemon):
    many = addresses(1400)
    r = single(world, daemon, "endpoint-costs", between(many[:700],
                                                        many[700:]))
    r.is_error(400, "E_INVALID_FIELD_VALUE", "endpoints")
    need(str(ANSWER).encode() in r.body and b"/maps/cost" in r.body,
         "it does not say why: %s", r)


def expensive(world):
    asked, refused = "alto_computed_total", "alto_computed_refused_total"
    attack(world, "long lists of endpoints are answered, or too much work",
           long_lists, 150, (asked, refused))
    attack(world, "constraints have a limit", constraints, 100, (refused,))
    attack(world, "the most work that one request may ask for is done", heavy,
           100, (asked,))
    attack(world, "an answer over the limit is refused, and says so",
           long_answer, 100, (refused,))
    attack(world, "more large answers than may be held are put off", budget,
           100, (PUT_OFF,))


# --- headers -----------------------------------------------------------------

def paths_of_tricks(world, daemon):
    real = world.maps["net"].encode()
    for path in (b"/maps/net%0d%0aX-Injected:%20y", b"/maps/net%0aX: y",
                 b"/%0d%0a%0d%0aHTTP/1.1%20200%20OK", b"/maps/net%00",
                 real + b"%00.json", b"/maps/%2e%2e/directory",
                 b"/%2e%2e/%2e%2e/etc/passwd", b"/maps/..%2fdirectory",
                 b"/../directory", b"/maps/./net", b"/maps/net%",
                 b"/maps/net%4", b"/maps/n%u0065t", b"/maps%2fnet",
                 b"/%25%36%64aps/net", b"/maps/\xc0\xae\xc0\xae", b"//",
                 b"/filter/cost/net/", b"/filter/cost/", b"/filter/cost",
                 b"/filter/cost/net%2f..", b"/endpoint/cost/net%00",
                 b"/endpoint/property/net", b"/maps/" + b"%61" * 5000):
        for method in ("GET", "POST"):
            got = talk(daemon, request(method, path, "Content-Length: 0",
                                       "Connection: close"), False)
            need(len(got) == 1 and got[0].status == 404 or
                 (b" " in path and not got or got[0].status == 400),
                 "%s %r: %s", method, path, got and got[0])
            need(not got or "x-injected" not in got[0].headers, "injected")
    for path in (b"/maps/net\rX: y", b"/maps/net\x0bx", b"/maps/\0net",
                 b"/maps/net HTTP/1.1\nX-Injected: y\nZ:"):
        for r in talk(daemon, request("GET", path)):
            need(400 <= r.status < 500 or r.body == world.full, "%r: %s",
                 path, r)
            need("x-injected" not in r.headers, "injected")


def decoded(reply):
    coding = reply.headers.get("content-encoding", "identity")
    if coding == "gzip":
        return zlib.decompress(reply.body, 31)
    need(coding == "identity", "%s", reply)
    return reply.body


def negotiation(world, daemon):
    """Nonsense in a header is passed over or refused; a map that comes is
    whole."""
    for what, headers in {
            "ranges of types": ["Accept: " + ",".join(["a/b;q=0.1"] * 2500)],
            "all types": ["Accept: " + "*/*," * 7000],
            "types": ["Accept: ;;;,,,//q=;q=a;/*/*"],
            "many Accept": ["Accept: a/%d" % i for i in range(300)],
            "a q of 30 KB": ["Accept: */*;q=0." + "0" * 30000 + "1"],
            "codings": ["Accept-Encoding: gzip;q=;;,\xff,=,\"," + "x" * 9000],
            "no coding": ["Accept-Encoding: identity;q=0, *;q=0"],
            "many codings": ["Accept-Encoding: " + "gzip;q=0.5," * 2500],
            "tags": ["If-None-Match: " + '"a",' * 7500],
            "a long tag": ['If-None-Match: "' + "a" * 30000 + '"'],
            "open tags": ['If-None-Match: ' + '"' * 30000],
            "a bad range unit": ["Range: lines=1-2"],
            "dates": ["If-Modified-Since: " + "9" * 1000,
                      "If-Unmodified-Since: x", "If-Range: " + "W/" * 5000],
            "cookies": ["Cookie: " + "a=b;" * 7000],
            "a protocol": ["Upgrade: websocket", "Connection: Upgrade"],
            "connections": ["Connection: " + "x," * 9000 + "close"]}.items():
        for data in (world.get("net", *headers),
                     world.ask("costs", None, *headers)):
            with Wire(daemon) as w:
                w.send(data)
                r = w.reply()
            # 431: the head fits, what the library keeps of it does not
            need(r and r.status in (200, 406, 431), "%s: %s", what, r)
            need(r.status != 200 or data.startswith(b"POST") or
                 decoded(r) == world.full, "%s: another body", what)


def ranges(world, daemon):
    full, size = world.full, len(world.full)
    top = (1 << 64) - 1
    for value in ("bytes=0-0", "bytes=-1", "bytes=0-", "bytes=5-3",
                  "bytes=%d-" % size, "bytes=-0", "bytes=0-%d" % top,
                  "bytes=%d-%d" % (top, top), "bytes=%d0-" % top,
                  "bytes=-%d0" % top, "bytes=%d-5" % -top, "bytes=", "bytes",
                  "bytes=--5", "bytes=a-b", "bytes=1-1,", "bytes=0x1-2",
                  "bytes=" + "0-0," * 7000 + "0-0", "bytes=" + "9" * 30000,
                  "bytes=0-18446744073709551616", "bytes= 1 - 2 ",
                  "BYTES=0-1", "bytes=0-0,-1"):
        got = talk(daemon, world.get("net", "Range: " + value))
        need(len(got) == 1, "%.40s: %d answers", value, len(got))
        r = got[0]
        if r.status == 206:
            at = re.fullmatch(r"bytes (\d+)-(\d+)/%d" % size,
                              r.headers["content-range"])
            need(at and r.body == full[int(at[1]):int(at[2]) + 1],
                 "%.40s: %s", value, r)
        elif r.status == 416:
            need(r.headers["content-range"] == "bytes */%d" % size, "%s", r)
        else:
            need(r.status == 200 and r.body == full, "%.40s: %s", value, r)


def own_address(world, daemon, source, *headers):
    body = json.dumps({"cost-type": RC, "endpoints": {
        "dsts": ["ipv4:10.0.0.1"]}}).encode()
    got = talk(daemon, world.ask("endpoint-costs", body, *headers), True,
               source)
    need(len(got) == 1 and got[0].status == 200, "%s", got and got[0])
    (src, costs), = json.loads(got[0].body)["endpoint-cost-map"].items()
    if src.startswith("ipv4:"):
        need(costs == {"ipv4:10.0.0.1": cost_of(src, "ipv4:10.0.0.1")}, "%s",
             got[0])
    return src


def forwarded(world, daemon):
    told = "X-Forwarded-For: "
    cases = [
        # (what is said, the address that counts if a forwarder says it)
        (["10.7.7.7"], "ipv4:10.7.7.7"),
        (["10.6.6.6, 10.7.7.7"], "ipv4:10.7.7.7"),
        (["10.6.6.6", "10.7.7.7"], "ipv4:10.7.7.7"),
        (["10.7.7.7, " + FORWARDER], "ipv4:10.7.7.7"),
        (["1.1.1.1, 2001:db8::7"], "ipv6:2001:db8::7"),
        ([""], None), (["unknown"], None), (["10.7.7.7, x"], None),
        (["10.7.7.777"], None), (["," * 5000], None),
        (["10.7.7.7," * 2500 + "\x01"], None),
        (["1" * 20000], None), (["_hidden"], None), (["10.7.7.7/8"], None),
    ]
    for says, counts in cases:
        headers = [told + s for s in says]
        if "\x01" not in says[0]:
            need(own_address(world, daemon, OTHER, *headers) ==
                 "ipv4:" + OTHER, "a stranger is believed: %.60s", says)
            src = own_address(world, daemon, FORWARDER, *headers)
            need(src == (counts or "ipv4:" + FORWARDER), "%.60s: %s", says,
                 src)
    need(own_address(world, daemon, FORWARDER, "Forwarded: for=10.7.7.7") ==
         "ipv4:" + FORWARDER, "the other header is believed")


def origins(world, daemon):
    allow, named = "access-control-allow-origin", "https://app.example"

    def asked(origin):
        return (world.get("net", "Origin: " + origin),
                world.ask("costs", None, "Origin: " + origin),
                request("OPTIONS", world.paths["costs"], "Origin: " + origin,
                        "Access-Control-Request-Method: POST"))

    for origin in ("null", "*", "http://app.example", named + ".x",
                   named + ":444", named + "/", "x" * 20000, "",
                   named + ", https://evil.example", named + "\t.evil",
                   "https://evil.example\x0b" + named):
        for r in itertools.chain(*(talk(daemon, d) for d in asked(origin))):
            need(allow not in r.headers, "%s: %s", origin, r)
    for data in asked(named):
        r, = talk(daemon, data)
        need(r.headers.get(allow) == named, "%s", r)


def headers(world):
    for what, check in (
            ("paths with tricks lead nowhere, and put nothing into headers",
             paths_of_tricks),
            ("nonsense in what is negotiated is passed over", negotiation),
            ("a range that comes is a part of the map", ranges),
            ("an address is believed of forwarders alone", forwarded),
            ("no origin but those named may read", origins)):
        attack(world, what, check, 48, ("alto_http_requests_total",))


# --- noise -------------------------------------------------------------------

def noise(rng):
    kind = rng.randrange(3)
    if kind == 0:
        return rng.randbytes(rng.randrange(1, 4000))
    if kind == 1:
        return bytes(rng.choice(b" \r\n:/,;=%\0GETPOST1.0\t\"{}")
                     for _ in range(rng.randrange(1, 2000)))
    return b"\x16\x03\x01" + struct.pack("!H", rng.randrange(65536)) + \
        rng.randbytes(200)


def mutated(rng, good):
    data = bytearray(rng.choice(good))
    words = (b"\r\n", b"\0", b"Content-Length: 5\r\n", b"%00", b"chunked",
             b"Transfer-Encoding: chunked\r\n", b"-1", b"\xff\xfe", b"\\u0000",
             b'"', b"[[[[", b"99999999999999999999", b"HTTP/1.1\r\n\r\n",
             b"Expect: 100-continue\r\n", b":", b" ", b"\n", b"\r")
    for _ in range(rng.randrange(1, 6)):
        at = rng.randrange(len(data) + 1)
        to = min(len(data), at + rng.randrange(1, 30))
        what = rng.randrange(5)
        if what == 0 and at < len(data):
            data[at] ^= 1 << rng.randrange(8)
        elif what == 1:
            del data[at:to]
        elif what == 2:
            data[at:at] = data[at:to] * rng.randrange(1, 4)
        elif what == 3:
            data[at:at] = rng.choice(words)
        else:
            data[at:to] = rng.randbytes(to - at)
    return bytes(data)


def no_faults(make):
    """A check with some hundreds of what make(rng) makes: whatever is answered,
    it is no fault of ours."""
    def check(world):
        rng = random.Random(SEED)
        texts = [make(rng) for _ in range(100 if alto.quick() else 400)]
        with contextlib.ExitStack() as open_now:
            wires = [(open_now.enter_context(Wire(d, "127.0.8.%d" %
                                                  (1 + i % 4))), text)
                     for d in world.both for i, text in enumerate(texts)]
            for w, text in wires:
                w.send(text)
                w.end()
            for w, text in wires:
                need(all(n < 500 or n in (501, 503, 505)
                         for n in statuses(w)), "%r", text)
    return check


def random_bytes(world):
    body = json.dumps(KINDS["costs"][2]).encode()
    good = [world.get(), world.get("net", "Range: bytes=1-2"),
            request("OPTIONS", "*"), *map(world.ask, KINDS),
            request("POST", world.paths["costs"],
                    "Content-Type: " + MEDIA % "costmapfilter",
                    "Transfer-Encoding: chunked") + chunked(body, 20)]
    attack(world, "random bytes hurt nobody", no_faults(noise),
           together=True)
    attack(world, "random changes of good requests hurt nobody",
           no_faults(lambda rng: mutated(rng, good)), together=True)


STORY = {"bodies": bodies, "slow": slow, "sizes": sizes, "crowds": crowds,
         "expensive": expensive, "headers": headers, "random": random_bytes}


def main():
    with alto.folder() as top:
        world = World(top)
        for name, chapter in STORY.items():
            if len(sys.argv) < 2 or name in sys.argv[1:]:
                chapter(world)
        world.witness.stop()
    return tests.end()


if __name__ == "__main__":
    if sys.argv[1:2] == ["--witness"]:
        sys.exit(witness())
    sys.exit(main())
