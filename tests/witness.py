"""Clients that attack the listener of a server and of the proxy below it, and a
witness: a process of its own at another address, which asks both daemons all
the time. During each attack its answers must be right, and come no slower than a
generous multiple of the time they took just before. The memory of the daemons
stays within a bound, counters move, and afterwards everything is as it was. A
sanitizer's report in a log is a failure.
"""
import contextlib
import http.client
import json
import os
import re
import socket
import statistics
import subprocess
import sys
import threading
import time
import urllib.parse

import alto
from alto import Failed, need

tests = alto.Tests()
SEED = 7285
OTHER = "127.0.0.2"             # where the witness is
FORWARDER = "127.0.0.9"         # whose word about addresses is believed
SLOWER = 40                     # times the slowest answer in quiet: too slow
REQUEST, ANSWER, ANSWERS = 1 << 20, 4 << 20, 12 << 20
CALM = 40                       # answers before an attack, to compare with
CONNS, PER_ADDRESS = 1200, 256
# Seconds; a sanitizer's daemon is too slow to be strict.
HEADER_S, BODY_S, IDLE_S = (5, 15, 20) if alto.quick() else (2, 3, 4)
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
            [sys.executable, os.path.abspath(__file__)],
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


def chunked(body, size=1000):
    return b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in (
        body[i:i + size] for i in range(0, len(body), size))) + b"0\r\n\r\n"


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


def main(story):
    """Its chapters, or those that are named; the exit status."""
    with alto.folder() as top:
        world = World(top)
        for name, chapter in story.items():
            if len(sys.argv) < 2 or name in sys.argv[1:]:
                chapter(world)
        world.witness.stop()
    return tests.end()


if __name__ == "__main__":
    sys.exit(witness())
