#!/usr/bin/env python3
"""The way back: where others in this trade lost updates, kept what was removed,
or waited for ever. docs/reliability.md names the bugs that these situations are
taken from.

  run_resume.py [PATTERN]

PATTERN: only the stories that it is found in.
"""
import contextlib
import datetime
import glob
import json
import os
import random
import re
import signal
import socket
import subprocess
import sys
import threading
import time

sys.dont_write_bytecode = True  # nothing is left in the source tree
sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)),
                             "chaos"))

import alto
import beside
import noise
from alto import Skip, need, wait
from liar import Liar
from living import World, current, end_well, says, subscriber, troubles

SMALL = 5               # updates that a history keeps here


def clock(when):
    """Environment in which the wall clock starts there ("@": and stands)."""
    libs = sorted(glob.glob("/usr/lib/*/faketime/libfaketimeMT.so.1"))
    if not libs:
        raise Skip("libfaketime is not installed")
    with open(alto.find_bin("alto-server"), "rb") as program:
        if b"__tsan_" in program.read():
            raise Skip("libfaketime puts itself before the thread sanitizer")
    if when[0] != "@":
        at = datetime.datetime.fromisoformat(when + "+00:00").timestamp()
        when = "%+d" % (at - time.time())
    return {"LD_PRELOAD": libs[0], "FAKETIME": when.lstrip("@"),
            "FAKETIME_DONT_FAKE_MONOTONIC": "1", "DONT_FAKE_MONOTONIC": "1",
            "ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", "") +
            ":verify_asan_link_order=0"}


# --- what is asked of a publisher --------------------------------------------

def triple(daemon):
    return json.loads(daemon.get("/state")[2])["state"]


def subscribed(daemon, name, have=None):
    """(the connection, the members of the answer)"""
    push = alto.Push(daemon.urls["push"])
    push.until("hello")
    members = {"name": name}
    if have:
        members["have"] = have
    push.send("subscribe", **members)
    return push, push.until("subscribed", 5)


def any_position_is_answered(top):
    """Whatever a subscriber holds, it is told at once how to go on."""
    w = World(top, history={"count": SMALL}, heartbeat=3600)
    held = []
    for _ in range(SMALL * 2):
        held.append(triple(w.server))
        w.change()
    head = triple(w.server)
    made_up = [re.sub(r"serial=\d+", "serial=77", head[0]), *head[1:]]
    for what, have, mode, first in (
            ("nothing", None, "snapshot", "snapshot"),
            ("the head", head, "current", "alive"),
            ("one less", held[-1], "delta", "update"),
            ("the oldest that is kept", held[-SMALL], "delta", "update"),
            ("less than is kept", held[0], "snapshot", "snapshot"),
            ("what nobody published", made_up, "behind", None)):
        push, answer = subscribed(w.server, "asks", have)
        need(answer["mode"] == mode, "%s: %s", what, answer)
        need(mode in ("current", "delta") or answer.get("reason"),
             "%s: without a reason", what)
        if first:
            need(push.recv(5)[0] == first, "%s: not followed by %s", what,
                 first)
        push.close()
    said = [l for l in w.server.lines() if "push: subscribed" in l]
    for mode in ("snapshot", "current", "delta"):
        need(any("mode=" + mode in l for l in said), "mode=%s is not in the "
             "log: %s", mode, said[-6:])
    w.end()


def deltas_from_each(top):
    """From every position that is kept, in order and without a hole."""
    w = World(top, history={"count": SMALL})
    held = []
    for _ in range(SMALL * 2):
        held.append((w.server.position()[1], triple(w.server)))
        w.change()
    last = w.server.position()[1]
    for serial, have in held[-SMALL:]:
        push, answer = subscribed(w.server, "asks", have)
        need(answer["mode"] == "delta", "%s", answer)
        for n in range(serial + 1, last + 1):
            update = push.until("update", 5)
            got = int(re.search(r"serial=(\d+)", update["state"][0])[1])
            need(got == n, "serial %d, not %d", got, n)
        push.close()
    w.end()


def below_learns_what_is_served(top):
    """A proxy tells of a position when it serves that, not before."""
    w = World(top, "milan")
    milan = w.proxies[0]
    push, _ = subscribed(milan, "below", triple(milan))
    for _ in range(20):
        w.change()
        update = push.until("update", 5)
        told = int(re.search(r"serial=(\d+)", update["state"][0])[1])
        need(milan.position()[1] >= told, "told %d, serves less", told)
    push.close()
    w.end()


# --- what happened meanwhile -------------------------------------------------

def pid_and_map_go(w):
    """One PID is dropped from all maps; then one map from the service."""
    net, cost = (json.loads(w.maps.text(p)) for p in (w.maps.net, w.maps.cost))
    gone = sorted(p for p in net["network-map"] if p != "default")[0]
    del net["network-map"][gone]
    cost["cost-map"].pop(gone, None)
    for row in cost["cost-map"].values():
        row.pop(gone, None)
    for doc in (net, cost):     # neither names a version: both are new
        doc["meta"].pop("vtag", None)
    net["meta"]["vtag"] = {"resource-id": "net"}
    cost["meta"]["dependent-vtags"] = [{"resource-id": "net"}]
    alto.put(w.maps.net, json.dumps(net))
    alto.put(w.maps.cost, json.dumps(cost))
    need(w.server.reload()["changed"], "nothing changed")
    return gone


def removed_while_away(top, updates):
    extra = os.path.join(top, "second.json")
    w = World(top, history={"count": SMALL})
    doc = json.loads(w.maps.text(w.maps.net))
    doc["meta"]["vtag"] = {"resource-id": "second"}
    alto.put(extra, json.dumps(doc))
    maps = w.server.settings["maps"]
    w.server.set("maps", maps + [{"id": "second", "file": extra}])
    end_well(w.server)
    w.server.start()
    milan = w.proxy("milan")
    need(milan.get("/maps/second")[0] == 200, "it was never there")
    end_well(milan)
    gone = pid_and_map_go(w)
    end_well(w.server)
    w.server.set("maps", maps)
    w.server.start()
    w.change(updates)
    milan.start()
    w.in_step()
    need(milan.get("/maps/second")[0] == 404, "a map that was removed")
    need("second" not in milan.directory()["resources"], "it is listed")
    for path in ["/directory", *w.server.maps().values()]:
        body = milan.get(path)[2]
        need(body == w.server.get(path)[2], "other bytes of %s", path)
        need(b'"%s"' % gone.encode() not in body, "%s is still in %s", gone,
             path)
    mode = subscriber(w.server, "milan")["mode"]
    need(mode == ("delta" if updates < SMALL - 2 else "snapshot"), "%s", mode)
    w.end()


def quick_succession(top):
    """Nothing is fetched for updates that come one upon the other, and no hand
    is needed."""
    w = World(top, "milan")
    milan = w.proxies[0]
    before = current(milan)
    w.change(40)
    w.in_step()
    now = current(milan)
    need(now["fetches"] == before["fetches"], "it fetched %d maps",
         now["fetches"] - before["fetches"])
    need(now["updates"] == before["updates"] + 40, "%s", now)
    need(now["reopened"] == before["reopened"], "%s", now["reopened"])
    w.end()


def starts_from_its_own(top):
    """Without its upstream a proxy comes up with what it had."""
    w = World(top, "milan")
    milan = w.proxies[0]
    w.change(2)
    at = w.in_step()
    bodies = {path: w.server.get(path)[2]
              for path in ["/directory", *w.server.maps().values()]}
    end_well(milan)
    end_well(w.server)
    milan.start()
    need(milan.position() == at, "it is at %s", milan.position())
    for path, body in bodies.items():
        code, _, got = milan.get(path)
        need((code, got) == (200, body), "%s: %d", path, code)
    w.server.start()
    w.change()
    w.in_step()
    need(current(milan)["fetches"] == 0, "it fetched")
    w.end()


class Big:
    """Maps large enough to be under way for a while."""

    def __init__(self, maps, pids):
        self.rng, self.file = random.Random(pids), maps.cost
        net = {"p%d" % i: {"ipv4": ["10.%d.%d.0/24" % (i >> 8, i & 255)]}
               for i in range(pids)}
        net["rest"] = {"ipv4": ["0.0.0.0/0"]}
        alto.put(maps.net, json.dumps({
            "meta": {"vtag": {"resource-id": "net"}}, "network-map": net}))
        self.rows = {p: {} for p in net}
        self.change(len(net))

    def change(self, rows):
        for name in self.rng.sample(sorted(self.rows), rows):
            self.rows[name] = {p: self.rng.randrange(9999) for p in self.rows}
        alto.put(self.file, json.dumps({
            "meta": {"dependent-vtags": [{"resource-id": "net"}],
                     "cost-type": {"cost-mode": "numerical",
                                   "cost-metric": "routingcost"}},
            "cost-map": self.rows}))


def killed_while_fetched(top):
    """The server dies while an empty proxy fetches from it: the rest comes
    when it is back, and what had come is not lost."""
    w = World(top)
    Big(w.maps, 300)
    w.server.reload()
    rng = random.Random(1)
    for n in range(6):
        proxy = w.proxy("proxy-%d" % n, start=False)
        proxy.start()
        if n:                   # the first shows that it works at all
            time.sleep(rng.uniform(0, 0.06))    # any moment will do
            w.server.kill9()
            w.server.start()
        w.in_step()
    w.end()


def first_words_lost(top):
    """One of hello, subscribe, subscribed and snapshot does not arrive, at
    proxies that have nothing yet and so have heard of no heartbeat."""
    w = World(top, heartbeat=1)
    hub = noise.Hub(lambda kind, link: None)
    links = []
    for n in range(4):
        links.append(hub.link("push", address(w.server), True,
                              random.Random(1)))
        links[n].plan = [None] * n + ["drop"]
        w.proxy("proxy-%d" % n, start=False, upstream={
            "push": "ws://127.0.0.1:%d/push" % links[n].port}).start()
    w.in_step()
    need(not any(l.plan for l in links), "something was not lost")
    w.end()
    hub.stop()


def swallowed(top):
    """Connections to the push port are neither taken nor refused, as behind a
    filter. The proxy goes on trying, and ends when it is told to."""
    w = World(top, heartbeat=1)
    full = socket.socket()
    full.bind(("127.0.0.1", 0))
    full.listen(0)
    crowd = []
    for _ in range(4):          # more than it queues: the rest is not heard
        crowd.append(socket.socket())
        crowd[-1].setblocking(False)
        crowd[-1].connect_ex(full.getsockname())
    milan = w.proxy("milan", start=False, upstream={
        "push": "ws://127.0.0.1:%d/push" % full.getsockname()[1]}).start()
    wait(lambda: [l for l in milan.lines() if "1006" in l], 60,
         "the first try is given up")
    wait(lambda: len([l for l in milan.lines() if "=connecting" in l]) > 1,
         None, "it tries again")
    end_well(milan)
    w.end()
    for s in [full, *crowd]:
        s.close()


def full_disk(top):
    """Nothing can be written when it starts: it serves what it holds, says what is
    wrong, and goes on when there is room."""
    if os.geteuid() != 0:
        raise Skip("mounting a small file system needs root")
    state = os.path.join(top, "server", "state")
    os.makedirs(state)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", state],
                   check=True)
    try:
        w = World(top, heartbeat=1)
        was = w.server.position()
        end_well(w.server)
        filler = os.path.join(state, "filler")
        with contextlib.suppress(OSError), open(filler, "wb", 0) as f:
            while True:
                f.write(b"x" * 4096)
        w.server.start()
        need(w.server.position() == was, "%s", w.server.position())
        need(w.server.get("/directory")[0] == 200, "it serves nothing")
        need("journal" in troubles(w.server), "it does not say so")
        os.unlink(filler)
        wait(lambda: "journal" not in troubles(w.server), None, "it goes on")
        w.change()
        w.end()
    finally:
        for d in list(alto._running):
            d.stop()
        subprocess.run(["umount", state], check=True)


# --- sessions and clocks -----------------------------------------------------

def sessions_differ(top):
    """Begun in the same second of a clock that stands, twice from nothing."""
    env = clock("@2031-05-05 05:05:05")
    seen = set()
    for n in range(3):
        w = World(os.path.join(top, str(n)), env=env)
        seen.add(w.server.position()[0])
        end_well(w.server)
    need(len(seen) == 3, "%s", seen)


def any_year(top, when):
    w = World(top, env=clock(when), heartbeat=1)
    milan = alto.at_home(alto.Proxy(top, w.server, "milan", env=clock(when),
                                    upstream={"retry-max": 1})).start()
    w.proxies.append(milan)
    w.change(3)
    w.in_step()
    created = w.server.status()["created"]
    wait(lambda: milan.status()["created"] > created + 1, None,
         "signatures go on")
    need(milan.status()["freshness"] == "fresh", "not fresh")
    need(milan.get("/directory")[0] == 200, "it does not serve")
    end_well(milan)
    milan.start()
    w.change()
    w.in_step()
    w.end()


def held_while_stopped(top):
    """SIGSTOP for longer than three heartbeats, over more updates than the
    history holds: told once to be at the head, it gets there by what differs,
    and those beside it notice nothing."""
    w = World(top, "milan", "turin", heartbeat=1, history={"count": SMALL})
    milan, turin = w.proxies
    before = current(turin)
    fetched = current(milan)["fetches"]
    milan.signal(signal.SIGSTOP)
    try:
        wait(lambda: w.server.status()["counters"]["heartbeats"] > 4, None,
             "heartbeats pass")
        w.change(SMALL * 3)
        alto.in_step(w.server, turin)
        now = current(turin)
        need(now["updates"] == before["updates"] + SMALL * 3, "%s", now)
        need(now["fetches"] == before["fetches"], "turin fetched")
        need(now["reopened"] == before["reopened"], "%s", now["reopened"])
    finally:
        milan.signal(signal.SIGCONT)
    w.in_step()
    need(current(milan)["fetches"] - fetched <= 2, "it fetched %d bodies, and "
         "one map changed", current(milan)["fetches"] - fetched)
    w.end()


def never_reads(top):
    """Who takes nothing is closed: a code, a line in the log, a count. Who is
    still in the handshake is not said to be slow."""
    w = World(top, "milan", push={"listen": "127.0.0.1:0", "slow": 2},
              heartbeat=1, history={"count": 3})
    w.proxies[0].counts()
    big = Big(w.maps, 300)
    w.server.reload()
    half = socket.create_connection(address(w.server))
    half.sendall(b"GET /push HTTP/1.1\r\nHost: x\r\n")
    push = alto.Push(w.server.urls["push"])
    push.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    push.send("subscribe", name="slow", have=triple(w.server))

    def closed():
        big.change(20)
        w.server.reload()
        return not [s for s in w.server.status()["subscribers"]
                    if s["name"] == "slow"]
    wait(closed, 4 * alto.WAIT_S, "it is closed")   # buffers fill first
    said = [l for l in w.server.lines() if "slow" in l and "push" in l]
    says("\n".join(said), "4002|does not read")
    need(not [l for l in w.server.lines() if "code=4002" in l and
              "subscriber=slow" not in l], "somebody else was called slow")
    half.close()
    push.close()
    w.in_step()
    w.end()


def comes_back(top):
    """A proxy that takes nothing is closed, and nobody has to do anything: it
    comes again after its pause and catches up."""
    w = World(top, push={"listen": "127.0.0.1:0", "slow": 2}, heartbeat=30,
              history={"count": 3})
    big = Big(w.maps, 300)
    w.server.reload()
    way = Liar(w.server)
    p = alto.Proxy(top, way, "slow", upstream={"retry-max": 1}).start()
    alto.in_step(w.server, p)
    gate = threading.Event()

    def stuck(name, members):
        gate.wait()
        return [json.dumps({name: members})]
    way.up.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    way.word = stuck

    def closed():
        big.change(20)
        w.server.reload()
        return [l for l in w.server.lines() if "code=4002" in l and
                "subscriber=slow" in l]
    wait(closed, None, "it is closed")
    behind = p.position()
    need(behind != w.server.position(), "it was not behind")
    way.tell_truth()
    gate.set()
    alto.in_step(w.server, p)
    big.change(1)
    w.server.reload()
    alto.in_step(w.server, p)
    need(p.counts()["reopened"].get("closed"), "%s", p.counts())
    need(p.stop() == 0, "it did not end well")
    w.end()


def address(server):
    host, port = re.match(r"wss?://([^/:]+):(\d+)",
                          server.urls["push"]).groups()
    return host, int(port)


# --- all ---------------------------------------------------------------------

STORIES = [
    ("any position held is answered", any_position_is_answered),
    ("deltas lead on from every position that is kept", deltas_from_each),
    ("those below are told only what is served",
     below_learns_what_is_served),
    ("what was removed while a proxy was away is gone, by deltas",
     lambda top: removed_while_away(top, 0)),
    ("what was removed while a proxy was away is gone, by snapshot",
     lambda top: removed_while_away(top, SMALL * 2)),
    ("updates in quick succession arrive as updates", quick_succession),
    ("a proxy starts from what it holds when its upstream is away",
     starts_from_its_own),
    ("a server killed while maps are fetched", killed_while_fetched),
    ("a first word that is lost does not keep an empty proxy waiting",
     first_words_lost),
    ("connections that are swallowed do not keep a proxy from ending",
     swallowed),
    ("a proxy that was stopped goes on by what differs", held_while_stopped),
    ("who never reads is closed with a code and a reason", never_reads),
    ("one that was closed for not reading comes back by itself", comes_back),
    ("a full disk does not keep a server from starting", full_disk),
    ("sessions differ though the clock stands", sessions_differ),
    ("a service in 1970", lambda top: any_year(top, "1970-01-03 00:00:00")),
    ("a service after 2038", lambda top: any_year(top, "2038-02-01 00:00:00")),
]


if __name__ == "__main__":
    sys.exit(beside.tell(STORIES))
