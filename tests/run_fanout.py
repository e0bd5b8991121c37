#!/usr/bin/env python3
"""Many subscribers at one server: those who join at once and enter the list of
proxies, those who come back at once, those who are sent away and those who do not
read.

  run_fanout.py [PATTERN]

PATTERN: only the stories that it is found in. Subscribers are real on the wire, a
WebSocket each, and answer at their URIs; they are as many sockets of this process.
"""
import collections
import heapq
import http.client
import http.server
import json
import os
import queue
import random
import re
import selectors
import shutil
import socket
import struct
import sys
import threading
import time

import alto
from alto import need, wait

QUICK = alto.quick()
EXAMPLES = os.path.join(alto.SRC, "examples", "isp")
MANY = 300 if QUICK else 2000           # who come back at once
JOINERS = 60 if QUICK else 200          # who enter the list
RATE = 4 if QUICK else 10               # updates a second
BEHIND_S = 10                           # an entry of the list is no older
ROOM = {"connections": 5000, "connections-per-address": 5000}


# --- subscribers -------------------------------------------------------------

POSITION = re.compile(rb'session=\\"([0-9a-f-]{36})\\";serial=(\d+)')


class Subscriber:
    """One WebSocket of the swarm."""

    def __init__(self, swarm, name):
        self.swarm = swarm
        self.name = name
        self.socket = None
        self.held = bytearray()
        self.open = False
        self.at = None          # position acked
        self.closed = None      # (code, when)
        self.bye = None
        self.orders = 0
        self.updates = 0

    def connect(self, room=0):
        """room: bytes that its side of the connection takes unread."""
        self.socket = socket.socket()
        if room:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, room)
        self.socket.setblocking(False)
        self.socket.connect_ex(self.swarm.address)
        self.held.clear()
        self.open = False
        self.closed = self.at = None
        self.swarm.selector.register(self.socket, selectors.EVENT_WRITE, self)

    def close(self, code=None):
        if self.socket:
            self.swarm.selector.unregister(self.socket)
            self.socket.close()
            self.socket = None
            self.closed = (code, time.monotonic())
            if not self.open:   # too many were at the door
                self.swarm.later(self)

    def writable(self):
        self.swarm.selector.modify(self.socket, selectors.EVENT_READ, self)
        self.socket.send(self.swarm.request)

    def readable(self):
        data = self.socket.recv(1 << 18)
        if not data:
            self.close()
            return
        self.held += data
        if not self.open:
            end = self.held.find(b"\r\n\r\n")
            if end < 0:
                return
            need(self.held.startswith(b"HTTP/1.1 101"), "%r", self.held[:100])
            del self.held[:end + 4]
            self.open = True
        while self.socket and self.frame():
            pass

    def frame(self):
        h = self.held
        if len(h) < 2:
            return False
        size, start = h[1], 2
        if size == 126:
            if len(h) < 4:
                return False
            size, start = struct.unpack_from("!H", h, 2)[0], 4
        if len(h) < start + size:
            return False
        opcode, last = h[0] & 15, h[0] & 128
        text = bytes(h[start:start + size])
        del h[:start + size]
        if opcode == 8:
            self.close(struct.unpack("!H", text[:2])[0] if text else 0)
        elif opcode == 9:
            self.send(10, text)
        elif last and opcode == 1:
            self.message(text)
        else:                   # of a long message, whose start says enough
            self.parts = text if opcode == 1 else self.parts + text
            if last:
                self.message(self.parts)
        return True

    def send(self, opcode, data):
        head = struct.pack("!BB", 128 | opcode, 128 | min(len(data), 126))
        if len(data) > 125:
            head += struct.pack("!H", len(data))
        self.socket.send(head + b"\0\0\0\0" + data)

    def say(self, name, /, **members):
        self.send(1, json.dumps({name: members}).encode())

    def ack(self, at):
        self.at = at
        if self.socket:
            self.say("ack", session=at[0], serial=at[1])

    def message(self, text):
        kind = text[2:text.index(b'"', 2)]
        if kind == b"hello":
            more = {"uri": self.swarm.uri(self.name)} if self.swarm.port else {}
            self.say("subscribe", name=self.name, **more)
        elif kind in (b"update", b"snapshot"):
            session, serial = POSITION.search(text).groups()
            at = (session.decode(), int(serial))
            self.swarm.note(at, kind, text)
            self.orders += kind == b"snapshot"
            self.updates += kind == b"update"
            if kind == b"snapshot" and self.swarm.fetch:
                self.swarm.order(self, at, text)
            else:
                self.ack(at)
        elif kind == b"bye":
            self.bye = json.loads(text)["bye"]


class Swarm(threading.Thread):
    """Subscribers of one server, all on one thread. answer: they answer at URIs;
    fetch: they carry out what `snapshot` orders."""

    def __init__(self, server, n, answer=False, fetch=None):
        super().__init__(daemon=True)
        self.selector = selectors.DefaultSelector()
        self.states = {}        # position: (leaves by id, triple)
        self.times = {}         # position: when it was first seen
        self.directories = 0    # updates of the directory alone
        self.mute = set()       # names that never answer
        self.fetch = fetch
        self.port = None
        self.failed = None
        self.todo = queue.SimpleQueue()
        self.again = []         # who connects once more, and when
        self.ending = False
        self.aim(server)
        self.all = [Subscriber(self, "p%d" % i) for i in range(n)]
        if answer:
            self.serve()
        self.start()

    def later(self, subscriber):
        heapq.heappush(self.again, (time.monotonic() + random.uniform(0.1, 1),
                                    id(subscriber), subscriber))

    def aim(self, server):
        url = server.urls["push"]
        at = url.split("/")[2].rsplit(":", 1)
        self.address = (at[0], int(at[1]))
        self.request = (
            "GET /push HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n"
            "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\n"
            "Sec-WebSocket-Protocol: alto-push.v1\r\n\r\n").encode()

    def run(self):
        try:
            while not self.ending:
                while not self.todo.empty():
                    self.todo.get()()
                while self.again and self.again[0][0] < time.monotonic():
                    heapq.heappop(self.again)[2].connect()
                for key, _ in self.selector.select(0.02):
                    s = key.data
                    try:
                        s.readable() if _ & selectors.EVENT_READ else \
                            s.writable()
                    except OSError:
                        s.close()
        except Exception as e:  # told to whoever waits
            self.failed = e

    def wait(self, cond, timeout=None, what="the swarm"):
        def checked():
            if self.failed:
                raise alto.Failed("swarm: %r" % self.failed)
            return cond()
        return wait(checked, timeout, what, 0.05)

    def connect(self):
        for s in self.all:
            s.at = None
        self.todo.put(lambda: [s.connect() for s in self.all])

    def current(self, at):
        return sum(s.at == at for s in self.all)

    def all_current(self, server, timeout=None):
        self.wait(lambda: self.current(server.position()) == len(self.all),
                  timeout, "all %d are current" % len(self.all))

    def end(self):
        self.ending = True
        self.join()
        for s in self.all:
            s.open = True
            s.close()
        if self.port:
            self.http.shutdown()
            self.http.server_close()

    # what is said, once for all

    def note(self, at, kind, text):
        if at in self.states:
            return
        self.times[at] = time.monotonic()
        members = json.loads(text)[kind.decode()]
        if kind == b"snapshot":
            leaves = members["resources"]
            self.states[at] = ({l.split('"')[1]: l for l in leaves},
                               members["state"])
            return
        before = self.states.get((at[0], at[1] - 1))
        need(before, "an update from nowhere: %r", at)
        leaves = dict(before[0])
        for c in members["changes"]:
            if "gone" in c:
                del leaves[c["gone"]]
            else:
                leaves[c["resource"].split('"')[1]] = c["resource"]
        changed = [i for i in leaves if leaves[i] != before[0].get(i)]
        self.directories += changed == [".directory"]
        self.states[at] = (leaves, members["state"])

    # their URIs

    def uri(self, name):
        return "http://127.0.0.1:%d/%s/" % (self.port, name)

    def document(self, name):
        at = self.all[int(name[1:])].at
        leaves, triple = self.states[at]
        service = re.search(r'service="([0-9a-f-]+)"', triple[0]).group(1)
        return json.dumps({
            "resources": [leaves[i] for i in sorted(leaves)],
            "serial": at[1], "service": service, "session": at[0],
            "state": triple}).encode()

    def serve(self):
        swarm = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                name = self.path.split("/")[1]
                if name in swarm.mute:
                    wait(lambda: swarm.ending, 600)
                    return
                body = swarm.document(name)
                self.send_response(200)
                self.send_header("Content-Type",
                                 "application/altocast-state+json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http.daemon_threads = True
        self.port = self.http.server_address[1]
        threading.Thread(target=self.http.serve_forever, daemon=True).start()

    # orders

    def order(self, s, at, text):
        within = json.loads(text)["snapshot"].get("within", 0)
        self.fetch.put(time.monotonic() + random.uniform(0, within), within,
                       lambda: self.todo.put(lambda: s.ack(at)))


class Fetchers:
    """Carries out orders as many proxies would, each for itself."""

    def __init__(self, server, paths, threads=8):
        self.paths = paths
        self.netloc = server.url.split("//")[1]
        self.jobs = queue.PriorityQueue()
        self.codings = collections.Counter()
        self.within = collections.Counter()
        self.number = 0
        for _ in range(threads):
            threading.Thread(target=self.run, daemon=True).start()

    def put(self, when, within, done):
        self.number += 1
        self.within[within] += 1
        self.jobs.put((when, self.number, done))

    def run(self):
        while True:
            when, _, done = self.jobs.get()
            time.sleep(max(0, when - time.monotonic()))
            con = http.client.HTTPConnection(self.netloc, timeout=alto.WAIT_S)
            for path in self.paths:
                con.request("GET", path, headers={
                    "Accept-Encoding": "gzip, zstd"})
                r = con.getresponse()
                r.read()
                self.codings[(path, r.getheader("Content-Encoding"))] += 1
            con.close()
            done()


# --- servers -----------------------------------------------------------------

class Maps:
    """The example's maps, or larger ones, of which single costs change."""

    def __init__(self, top, pids=0):
        os.makedirs(top, exist_ok=True)
        self.net = os.path.join(top, "network-map.json")
        self.cost = os.path.join(top, "cost-map.json")
        for path in (self.net, self.cost):
            shutil.copy(os.path.join(EXAMPLES, os.path.basename(path)), path)
        self.number = 1000
        if pids:
            self.grow(pids)
        with open(self.cost, encoding="utf-8") as f:
            self.doc = json.load(f)

    def grow(self, n):
        names = ["pid-%04d" % i for i in range(n)]
        rnd = random.Random(1)
        net = {"meta": {"vtag": {"resource-id": "net", "tag": "1"}},
               "network-map": {p: {"ipv4": ["10.%d.%d.0/24" % divmod(i, 256)]}
                               for i, p in enumerate(names)}}
        net["network-map"][names[0]]["ipv4"].append("0.0.0.0/0")
        cost = {"meta": {"dependent-vtags": [net["meta"]["vtag"]],
                         "cost-type": {"cost-mode": "numerical",
                                       "cost-metric": "routingcost"},
                         "vtag": {"resource-id": "cost-routing",
                                  "tag": "1"}},
                "cost-map": {a: {b: rnd.randrange(1, 100000) for b in names}
                             for a in names}}
        alto.put(self.net, json.dumps(net))
        alto.put(self.cost, json.dumps(cost))

    def files(self):
        return [("net", self.net), ("cost-routing", self.cost)]

    def edit(self, rows=1):
        for row in sorted(self.doc["cost-map"])[:rows]:
            cells = self.doc["cost-map"][row]
            for cell in sorted(cells) if rows > 1 else sorted(cells)[:1]:
                self.number += 1
                cells[cell] = self.number
        alto.put(self.cost, json.dumps(self.doc))


def server_of(top, maps, **push):
    s = alto.Server(top, maps.files(), push=dict(ROOM, **push),
                    http=dict(ROOM))
    return alto.at_home(s).start()


def metric(server, name):
    text = server.admin("/metrics")[2].decode()
    found = re.findall(r"^%s (\S+)$" % re.escape(name), text, re.M)
    return float(found[0]) if found else 0


def closes(server, reason):
    return metric(server, 'alto_disconnects_total{reason="%s"}' % reason)


def cpu_s(pid):
    with open("/proc/%d/stat" % pid, encoding="ascii") as f:
        fields = f.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def rss_mb(pid):
    with open("/proc/%d/status" % pid, encoding="ascii") as f:
        return int(re.search(r"VmRSS:\s+(\d+)", f.read()).group(1)) / 1024


class Updates(threading.Thread):
    """So many a second until it ends."""

    def __init__(self, server, maps, rate, rows=1):
        super().__init__(daemon=True)
        self.server, self.maps = server, maps
        self.rate, self.rows = rate, rows
        self.ending = threading.Event()
        self.made = 0
        self.failed = None
        self.start()

    def run(self):
        due = time.monotonic()
        try:
            while not self.ending.is_set():
                self.maps.edit(self.rows)
                self.made += bool(self.server.reload()["changed"])
                due += 1 / self.rate
                self.ending.wait(max(0, due - time.monotonic()))
        except Exception as e:
            self.failed = e

    def end(self):
        self.ending.set()
        self.join()
        need(not self.failed, "updates: %r", self.failed)


# --- stories -----------------------------------------------------------------

def joining(top):
    """Many proxies join at once while the maps change all the time."""
    maps = Maps(os.path.join(top, "maps"))
    server = server_of(top, maps)
    swarm = Swarm(server, JOINERS, answer=True)
    swarm.mute.add("p7")
    updates = Updates(server, maps, RATE)

    def listed():
        return server.directory()["meta"]["redistribution"].get("proxies", {})

    begun = time.monotonic()
    swarm.connect()
    swarm.wait(lambda: len(listed()) >= JOINERS - 1, 120,
               "%d are listed" % (JOINERS - 1))
    print("# %d listed after %.1f s and %d updates of the directory" % (
        JOINERS - 1, time.monotonic() - begun, swarm.directories))
    need(swarm.directories <= 4, "%d updates of the directory",
         swarm.directories)
    before = swarm.directories
    until = time.monotonic() + (10 if QUICK else 40)    # checks come again
    worst = 0
    while time.monotonic() < until:
        names = sorted(listed())
        need(len(names) == JOINERS - 1 and "p7" not in names, "the list: %s",
             names)
        newest = swarm.times[max(swarm.times)]
        for name in random.sample(names, 10):
            got = json.loads(alto.get(swarm.uri(name) + "state")[2])
            at = (got["session"], got["serial"])
            worst = max(worst, newest - swarm.times[at])
        swarm.wait(lambda: swarm.times[max(swarm.times)] > newest, None,
                   "the next update")
    updates.end()
    need(swarm.directories == before, "the list moved without need")
    need(worst <= BEHIND_S, "an entry was %.1f s behind", worst)
    need(not [l for l in server.lines() if "roster" in l and "leaves" in l],
         "somebody left")
    print("# %d updates; an entry at most %.2f s behind; server CPU %.1f s" % (
        updates.made, worst, cpu_s(server.pid)))
    swarm.end()
    need(server.stop() == 0, "it did not end well")


def coming_back(top, name, pids, orders_max):
    maps = Maps(os.path.join(top, name + "-maps"), pids)
    server = server_of(os.path.join(top, name), maps)
    paths = ["/directory", *server.maps().values()]
    fetch = Fetchers(server, paths)
    swarm = Swarm(server, MANY, fetch=fetch)
    swarm.connect()
    swarm.all_current(server, 90)
    need(server.kill9() is not None, "")
    swarm.wait(lambda: all(s.closed for s in swarm.all), None, "all notice")
    fetch.codings.clear()
    fetch.within.clear()
    server.start()
    begun, cpu = time.monotonic(), cpu_s(server.pid)
    swarm.connect()
    swarm.all_current(server, 90)
    took, cpu = time.monotonic() - begun, cpu_s(server.pid) - cpu
    encoded = metric(server, "alto_snapshots_encoded_total")
    sent = metric(server, "alto_snapshots_sent_total")
    coded = metric(server, "alto_coded_bodies_total")
    plain = sum(n for (_, c), n in fetch.codings.items() if not c)
    every = sum(fetch.codings.values())
    print("# %s: %d back after %.1f s; server CPU %.2f s, %.0f MB; %d orders "
          "written %d times, within %s s; %d bodies coded %d times, %d of %d "
          "fetched as they are" % (
              name, MANY, took, cpu, rss_mb(server.pid), sent, encoded,
              sorted(fetch.within), len(paths), coded, plain, every))
    need(sent == MANY, "%d orders for %d", sent, MANY)
    need(1 <= encoded <= orders_max, "orders written %d times", encoded)
    need(coded <= len(paths), "%d bodies coded %d times", len(paths), coded)
    need(plain < every / 10, "%d of %d fetched as they are", plain, every)
    swarm.end()
    need(server.stop() == 0, "it did not end well")


def herd(top):
    """All come back at once after a restart, and hold nothing."""
    coming_back(top, "small", 0, 1)
    coming_back(top, "large", 300, 12)


def draining(top):
    """Those who are sent away go one after the other."""
    maps = Maps(os.path.join(top, "maps"))
    server = server_of(top, maps)
    swarm = Swarm(server, 200)
    swarm.connect()
    swarm.all_current(server)
    over, begun = 4, time.monotonic()
    server.ctl("drain", "--over", str(over))
    try:
        alto.Push(server.urls["push"])
        raise alto.Failed("a new connection was taken")
    except OSError:
        pass
    swarm.wait(lambda: all(s.closed for s in swarm.all), None, "all are gone")
    after = sorted(s.closed[1] - begun for s in swarm.all)
    need(after[-1] < over + 2, "the last went after %.1f s", after[-1])
    for quarter in range(4):
        n = sum(quarter * over / 4 <= t < (quarter + 1) * over / 4
                for t in after)
        need(n >= 20, "%d of 200 in quarter %d", n, quarter)
    need({s.closed[0] for s in swarm.all} == {4000}, "other codes")
    for s in swarm.all:
        need(s.bye and s.bye["reason"] == "going away" and
             over <= s.bye["retry-after"] <= over + 1, "bye: %r", s.bye)
    wait(lambda: not server.alive(), None, "the server ends")
    need(sum("gone subscriber" in l and "code=4000" in l
             for l in server.lines()) == 200, "the log does not say why")
    swarm.end()
    need(server.stop() == 0, "it did not end well")


def stopped(top):
    """One that never reads costs the others nothing and the server little."""
    maps = Maps(os.path.join(top, "maps"), 300)
    server = server_of(top, maps, slow=2)
    swarm = Swarm(server, 50)
    swarm.connect()
    swarm.all_current(server)
    lazy = Subscriber(swarm, "lazy")
    swarm.todo.put(lambda: lazy.connect(room=4096))
    swarm.wait(lambda: lazy.at == server.position(), None, "it is current")
    swarm.todo.put(lambda: swarm.selector.unregister(lazy.socket))
    before = rss_mb(server.pid)
    updates = Updates(server, maps, RATE, rows=12)
    wait(lambda: closes(server, "does not read") == 1, 90,
         "it is closed for not reading")
    updates.end()
    swarm.all_current(server)
    need(all(s.orders == 1 and not s.closed for s in swarm.all),
         "the others noticed")
    grown = rss_mb(server.pid) - before
    print("# closed after %d updates; the server grew by %.1f MB" % (
        updates.made, grown))
    need(QUICK or grown < 60, "it grew by %.1f MB", grown)
    need([l for l in server.lines() if "takes nothing for 2 s" in l] and
         [l for l in server.lines() if "code=4002" in l and
          'reason="does not read"' in l], "the log does not say why")
    lazy.socket.close()
    swarm.end()
    need(server.stop() == 0, "it did not end well")


def too_many(top):
    """One above the limit is told so."""
    maps = Maps(os.path.join(top, "maps"))
    server = server_of(top, maps, connections=10)
    swarm = Swarm(server, 10)
    swarm.connect()
    swarm.all_current(server)
    try:
        alto.Push(server.urls["push"])
        raise alto.Failed("it was taken")
    except alto.Failed as e:
        need("HTTP/1.1 503" in str(e), "%s", e)
    need([l for l in server.lines() if "refused" in l and
          "too many subscribers" in l], "the log does not say so")
    need("too many subscribers" in server.admin("/metrics")[2].decode(),
         "it is not counted")
    swarm.end()
    need(server.stop() == 0, "it did not end well")


STORIES = [
    ("many who come back at once get one order and share bodies", herd),
    ("those who are sent away go one after the other", draining),
    ("one that never reads is closed and costs little", stopped),
    ("one above the limit is told so", too_many),
    ("many who join at once enter the list once and stay", joining),
]


def main():
    pattern = sys.argv[1] if len(sys.argv) > 1 else ""
    tests = alto.Tests()
    for what, story in STORIES:
        if re.search(pattern, what):
            with alto.folder() as top, tests(what):
                story(top)
    sys.exit(tests.end())


if __name__ == "__main__":
    main()
