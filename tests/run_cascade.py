#!/usr/bin/env python3
"""Proxies below proxies, several upstreams, and what only the origin may say.

  run_cascade.py [PATTERN]

PATTERN: only the stories that it is found in.
"""
import contextlib
import json
import os
import shutil
import subprocess
import sys
import threading
import time
import urllib.request

import alto
import beside
import relay
import small
from alto import need, wait
from small import EXAMPLES, troubles

LIFETIME_S = 60         # the shortest that signatures may live


class Proxy(alto.Proxy):
    """Below any number of daemons, the preferred one first."""

    def __init__(self, top, name, above, mode="push", **settings):
        super().__init__(top, above[0], name, **settings)
        self.above = above
        self.mode = mode
        self.more = {}          # members of each entry

    def start(self, ready=True):
        self.settings["upstream"] = [
            dict({"directory": (u if isinstance(u, str) else u.url) +
                  "/directory", "mode": self.mode, "name": self.name,
                  "retry-max": 1}, **self.more)
            for u in self.above]
        return alto.Daemon.start(self, ready)

    def chosen(self):
        return [i for i, u in enumerate(self.status()["upstreams"])
                if u["chosen"]][0]

    def reopened(self):
        out = {}
        for u in self.status()["upstreams"]:
            for k, n in u["reopened"].items():
                out[k] = out.get(k, 0) + n
        return out


class World(small.World):
    def __init__(self, top, **settings):
        files = []
        for rid, name in (("net", "network-map.json"),
                          ("cost-routing", "cost-map.json")):
            path = os.path.join(top, name)
            shutil.copy(os.path.join(EXAMPLES, name), path)
            files.append((rid, path))
        super().__init__(top, files, **settings)

    def proxy(self, name, *above, mode="push", start=True, **settings):
        return self.add(Proxy(self.top, name, above, mode, **settings), start)

    def wired(self, behind, beside):
        """(a relay, the proxy that polls through it, one at the server)"""
        wire = relay.Http(self.server.url)
        behind = self.proxy(behind, wire.url, mode="pull")
        beside = self.proxy(beside, self.server)
        self.follow(behind, beside)
        return wire, behind, beside


class Watch:
    """Reads /state of a daemon all along: positions never go down."""

    def __init__(self, daemon):
        self.url = daemon.url + "/state"
        self.seen = []
        self.wrong = []
        self.over = threading.Event()
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self):
        while not self.over.is_set():
            try:
                with urllib.request.urlopen(self.url, timeout=5) as a:
                    doc = json.load(a)
            except OSError:
                continue
            at = doc["session"], doc["serial"]
            if self.seen and at < self.seen[-1]:
                self.wrong.append((self.seen[-1], at))
            if not self.seen or at != self.seen[-1]:
                self.seen.append(at)
            self.over.wait(0.002)

    def end(self):
        self.over.set()
        self.thread.join()
        need(self.seen, "it saw nothing")
        need(not self.wrong, "a lower position: %s", self.wrong)


SIGNED = ("alto-resource", "alto-state", "alto-proof", "signature-input",
          "signature", "etag")


def same(*daemons):
    """Bodies and headers alike, all of one instant."""
    def alike():
        for path in ["/directory", *sorted(daemons[0].maps().values())]:
            got = [d.get(path) for d in daemons]
            for code, headers, body in got:
                if code != 200 or body != got[0][2] or any(
                        headers[h] != got[0][1][h] for h in SIGNED):
                    return False
        return True
    wait(alike, None, "the same bytes and signatures at %s" %
         [d.name for d in daemons])


# --- cascades ----------------------------------------------------------------

def levels(top):
    w = World(top, heartbeat=5)
    a = w.proxy("a", w.server)
    b = w.proxy("b", a, mode="pull")
    c = w.proxy("c", b)
    d = w.proxy("d", a)
    for _ in range(4):
        w.edit()
        w.follow(a, b, c, d)
    same(w.server, a, b, c, d)
    alto.verify([x.url + p for x in (a, b, c, d)
                 for p in ("/directory", "/maps/cost-routing")],
                w.server.status()["key"])
    w.end()


def below(top):
    """Those three levels down are known at the origin."""
    w = World(top)
    a = w.proxy("a", w.server)
    b = w.proxy("b", a)
    c = w.proxy("c", b)
    w.edit()
    w.follow(a, b, c)

    def known():
        subs = w.server.status()["subscribers"]
        need(len(subs) == 1 and subs[0]["name"] == "a", "%s", subs)
        there = {s["name"]: s["serial"] for s in subs[0]["below"]}
        return set(there) == {"b", "c"} and set(
            there.values()) == {w.server.position()[1]}
    wait(known, None, "b and c in the status of the origin")
    c.stop()
    wait(lambda: [s["name"] for s in w.server.status()["subscribers"][0][
        "below"]] == ["b"], None, "c is gone there, too")
    w.end()


def loops(top):
    """When the origin is away, a is not fooled by what it said itself."""
    w = World(top, heartbeat=2)
    a = w.proxy("a", w.server, start=False)
    b = w.proxy("b", a, start=False)
    a.above = [w.server, "http://" + b.settings["http"]["listen"]]
    a.start()
    w.follow(a)
    b.start()
    w.edit()
    w.follow(a, b)
    at = a.position()
    w.server.kill9()
    wait(lambda: a.reopened().get("loop"), None, "a loop is seen and refused")
    need(a.position() == at and b.position() == at, "another position")
    w.server.start()
    w.edit()
    w.follow(a, b)
    wait(lambda: a.chosen() == 0, None, "back at the origin")
    w.end()


def dies(top):
    """The origin is gone: stale, then expired, at every depth and in time."""
    w = World(top, signing={"lifetime": LIFETIME_S})
    a = w.proxy("a", w.server)
    b = w.proxy("b", a, mode="pull")
    c = w.proxy("c", b)
    w.edit()
    w.follow(a, b, c)
    for p in w.proxies:
        wait(lambda: p.status()["freshness"] == "fresh", None, "fresh")
    w.server.kill9()
    for p in w.proxies:
        wait(lambda: p.status()["freshness"] == "stale", None, "stale")
        code, headers, _ = p.get("/maps/cost-routing")
        need(code == 200, "stale is served: %d", code)
        need(headers["alto-status"].startswith("stale"), "%s", headers)
        need(p.admin("/readyz")[0] == 200, "stale is ready")
    expire(w.proxies)
    w.server.start()
    w.follow(*w.proxies)
    same(w.server, *w.proxies)
    w.end()


def expire(proxies):
    """Waits until what they hold ends; they serve until then, and not after."""
    ends = max(p.status()["expires"] for p in proxies)
    for p in proxies:
        mine = p.status()["expires"]
        if time.time() < mine - 1:
            need(p.get("/directory")[0] == 200, "too early")
    wait(lambda: time.time() > ends, LIFETIME_S + 10, "expiry", 0.1)
    for p in proxies:
        for path in ("/directory", "/maps/cost-routing", "/state"):
            code, headers, _ = p.get(path)
            need(code == 503, "%s at %s: %d", path, p.name, code)
            need(int(headers["retry-after"]) > 0, "no Retry-After")
        need(p.status()["freshness"] == "expired", "not expired")
        need(p.admin("/readyz")[0] == 503, "ready")


# --- several upstreams -------------------------------------------------------

def failover(top, mode):
    w = World(top)
    one = w.proxy("one", w.server)
    two = w.proxy("two", w.server)
    w.follow(one, two)
    p = w.proxy("p", one, two, mode=mode)
    w.follow(p)
    wait(lambda: p.chosen() == 0, None, "the preferred one is chosen")
    watch = Watch(p)
    for _ in range(2):
        one.kill9()
        w.edit()
        w.follow(p, two)
        wait(lambda: p.chosen() == 1, None, "the other one")
        w.edit()
        w.follow(p)
        one.start()
        wait(lambda: p.chosen() == 0, None, "back at the preferred one")
        w.edit()
        w.follow(p, one, two)
    watch.end()
    need(not p.reopened().get("lower"), "%s", p.reopened())
    w.end()


def no_channel(top):
    """Nobody's push port can be reached: it polls, whoever is in use."""
    w = World(top)
    one = w.proxy("one", w.server)
    w.follow(one)
    p = w.proxy("p", one, w.server, start=False)
    p.more = {"push": "ws://127.0.0.1:%d/push" % alto.free_port()}
    p.start()
    w.follow(p)
    watch = Watch(p)
    for _ in range(3):
        w.edit()
        w.follow(p)
    need(any(u["phase"] == "fallback" for u in p.status()["upstreams"]),
         "it does not say so: %s", p.status()["upstreams"])
    watch.end()
    w.end()


def own_disk_full(top, mode):
    """Its own fault: said as such, no upstream is blamed for it or left."""
    if os.geteuid() != 0:
        raise alto.Skip("mounting a small file system needs root")
    w = World(top)
    one = w.proxy("one", w.server)
    p = w.proxy("p", one, w.server, mode=mode, start=False)
    w.follow(one)
    os.makedirs(p.state)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", p.state],
                   check=True)
    try:
        p.start()
        w.follow(p)
        need(p.chosen() == 0, "not the preferred one")
        filler = os.path.join(p.state, "filler")
        with contextlib.suppress(OSError), open(filler, "wb", 0) as f:
            while True:
                f.write(b"x" * 4096)

        def failures():
            return p.status()["counters"]["journal_failures"]

        wait(lambda: w.edit() or failures(), None, "its journal fails")
        was, at = p.status()["upstreams"], p.position()
        wait(lambda: p.status()["freshness"] == "stale" and failures() >= 8,
             None, "it tries again and again, and grows stale")
        now = p.status()["upstreams"]
        need(p.chosen() == 0 and not said(p, "now at"), "it changed: %s",
             said(p, "now at"))
        need(not any(u.get("trouble") for u in now), "one is blamed: %s", now)
        for count in ("reopened", "failures", "probes"):
            need([u[count] for u in now] == [u[count] for u in was],
                 "%s: %s, then %s", count, was, now)
        path = os.path.join(p.state, "journal.db")
        need(path in troubles(p).get("journal", ""), "%s", troubles(p))
        need(said(p, "journal: serial=", path), "no such line in the log")
        need(p.position() == at and p.get("/maps/net")[0] == 200,
             "it does not serve on")
        os.unlink(filler)
        w.follow(p)
        need("journal" not in troubles(p) and p.chosen() == 0, "%s",
             troubles(p))
        w.end()
    finally:
        for d in w.proxies:
            d.stop()
        subprocess.run(["umount", p.state], check=True)


def said(daemon, *words):
    return [l for l in daemon.lines() if all(w in l for w in words)]


def lower(top):
    """One that is merely lower is passed by: what is held is kept."""
    w = World(top)
    wire, two, one = w.wired("two", "one")
    p = w.proxy("p", one, two)
    w.follow(p)
    wire.instead["/state"] = (503, [], b"")
    w.edit()
    w.edit()
    w.follow(one, p)
    need(two.position() < p.position(), "two is not behind")
    watch, at = Watch(p), p.position()
    one.kill9()
    wait(lambda: p.reopened().get("lower", 0) >= 2, None,
         "two is tried, and is lower")
    need(p.position() == at, "another position")
    need(p.get("/maps/cost-routing")[0] == 200, "it serves on")
    del wire.instead["/state"]
    w.edit()
    w.follow(two, p)
    one.start()
    wait(lambda: p.chosen() == 0, None, "back at the preferred one")
    watch.end()
    wire.close()
    w.end()


def stale(top):
    """The preferred one stands still: another one that does not is taken."""
    w = World(top)
    wire, one, two = w.wired("one", "two")
    p = w.proxy("p", one, two)
    w.follow(p)
    watch = Watch(p)
    wire.instead["/state"] = (503, [], b"")
    wait(lambda: p.chosen() == 1, None, "one is stale, two is not")
    need(any("now at %s/directory: it is well, and nothing new comes from %s/"
             % (two.url, one.url) in l for l in p.lines()), "not why")
    w.edit()
    w.follow(p, two)
    del wire.instead["/state"]
    wait(lambda: p.chosen() == 0, None, "back at the preferred one")
    watch.end()
    wire.close()
    w.end()


def twins(top):
    """Two servers on one history, and the preferred one is below: it is said."""
    w = World(top)
    w.edit()
    w.server.stop()
    twin = alto.at_home(alto.Server(top, [
        (rid, shutil.copy(path, os.path.join(top, "twin-" + rid)))
        for rid, path in w.files], name="twin", heartbeat=1))
    twin.settings["signing"] = w.server.settings["signing"]
    shutil.copytree(w.server.state, twin.state)
    w.server.start()
    twin.start()
    p = w.proxy("p", w.server, twin)
    w.follow(p)
    w.server.kill9()
    rid, path = w.files[1]
    for n in range(3):
        with open(path, encoding="utf-8") as f:
            doc = json.load(f)
        row = doc["cost-map"][sorted(doc["cost-map"])[0]]
        row[sorted(row)[0]] = 4711 + n
        alto.put(os.path.join(top, "twin-" + rid), json.dumps(doc))
        need(twin.reload()["changed"], "an edit changed nothing")
    alto.in_step(twin, p)
    first = lambda: p.status()["upstreams"][0]  # noqa: E731
    wait(lambda: first()["trouble"].startswith("does not answer"), None,
         "what the first one does")
    w.server.start()
    need(w.server.position() < p.position(), "it is not below")
    told = wait(lambda: troubles(p).get("history"), None, "a trouble")
    need(w.server.url in told and "copied state directory" in told, "%s", told)
    serial = "offers serial %d of session %s, below what is held" % (
        w.server.position()[1], w.server.position()[0])
    wait(lambda: serial in first()["trouble"], None, "why it is passed by")
    probes = first()["probes"]
    wait(lambda: first()["probes"] >= probes + 6, None, "it is looked at again")
    need("history" in troubles(p) and first()["forks"] == 1, "%s", first())
    said = [l for l in p.lines() if "another history" in l]
    need(len(said) == 1 and "warn" in said[0].lower(), "once: %s", said)
    while w.server.position() < twin.position():
        w.edit()
    wait(lambda: "with another root" in first()["trouble"] and "with another "
         "root" in troubles(p).get("history", ""), None, "as high, and other")
    w.server.stop()
    wait(lambda: "history" not in troubles(p), None, "it is over")
    need(p.chosen() == 1, "it was gone back to")
    need(twin.stop() == 0 and not twin.sanitizer(), "the twin")
    w.end()


def next_source(top):
    """A body that one gives wrongly is had from the next."""
    w = World(top)
    wire = relay.Http(w.server.url)
    two = w.proxy("two", w.server)
    w.follow(two)
    p = w.proxy("p", wire.url, two, mode="pull")
    w.follow(p)
    wire.instead["/maps/cost-routing"] = (200, [], b"nonsense")
    for _ in range(2):
        w.edit()
        w.follow(p, two)
    need(p.chosen() == 0, "the source of one bad body was left")
    got = [n for n in wire.asked("/maps/cost-routing")]
    need(len(got) == 1 + 2 * 2, "%d times, not twice a change", len(got) - 1)
    same(w.server, p)
    wire.close()
    w.end()


# --- the origin --------------------------------------------------------------

def first_keys(top):
    """A proxy's directory is nobody's word: the origin is asked."""
    w = World(top)
    one = w.proxy("one", w.server)
    w.follow(one)
    p = w.proxy("p", one, origin=w.server.url + "/directory")
    w.follow(p)
    need(any("keys are trusted" in l for l in p.lines()), "the origin was not "
         "asked")
    need(not p.reopened().get("key") and not any("reason=key" in l for l in
         p.lines()), "a warning of what is as it should be")
    wire = relay.Http(w.server.url)
    wire.instead["/directory"] = (404, [], b"")
    q = w.proxy("q", one, origin=wire.url + "/directory")
    wait(lambda: "key" in troubles(q), None, "it says that it trusts nobody")
    need(q.get("/directory")[0] == 503, "it believed a proxy")
    need(len(wire.asked("/directory")) == 1, "once a minute")
    wire.close()
    w.end()


def new_key(top):
    """The old key is bad: the new one is the origin's word, at every depth."""
    w = World(top)
    a = w.proxy("a", w.server)
    b = w.proxy("b", a, mode="pull", origin=w.server.url + "/directory")
    w.edit()
    w.follow(a, b)
    old = w.server.status()["key"]
    w.server.ctl("key", "retire", "--compromised")
    need(w.server.status()["key"] != old, "the same key")
    w.follow(a, b)
    same(w.server, a, b)
    w.end()


def trust(top):
    """A backup is restored, and nobody is there to prove that it is old."""
    w = World(top)
    p = w.proxy("p", w.server, mode="pull")
    w.follow(p)
    answer = p.ctl("trust")             # there is nothing to do
    need(not answer["changed"] and answer["to"]["serial"] ==
         w.server.position()[1], "%s", answer)
    w.server.stop()
    kept = os.path.join(top, "kept")
    shutil.copytree(w.server.state, kept)
    w.server.start()
    w.edit()
    w.edit()
    w.follow(p)
    held = p.position()
    w.server.stop()
    need(p.call("trust")[0] == 1, "trust in nobody")
    need(p.position() == held, "moved")
    shutil.rmtree(w.server.state)
    shutil.copytree(kept, w.server.state)
    shutil.copy(os.path.join(EXAMPLES, "cost-map.json"), w.files[1][1])
    w.server.start()
    at = w.server.position()
    need(at < held, "the backup is not lower: %s, %s", at, held)
    wait(lambda: p.reopened().get("lower"), None, "it says that it is lower")
    need(p.position() == held, "it moved by itself")
    wait(lambda: w.server.status()["created"] > p.status()["created"], None,
         "a signature that is later than what is held")
    answer = p.ctl("trust")
    need(answer["changed"], "%s", answer)
    need(answer["to"]["serial"] == at[1], "%s", answer)
    w.follow(p)
    same(w.server, p)
    p.stop()
    p.start()
    need(p.position() == w.server.position(), "a restart undid it")
    w.next += 100
    w.edit()
    w.follow(p)
    same(w.server, p)
    w.end()


STORIES = [         # the first one waits for a minute of real time to pass
    ("the origin dies: stale, then expired, at every depth", dies),
    ("three levels, push and pull: the same bytes and signature", levels),
    ("those below are known at the origin", below),
    ("a loop is refused", loops),
    ("the preferred upstream dies and comes back (push)",
     lambda top: failover(top, "push")),
    ("the preferred upstream dies and comes back (pull)",
     lambda top: failover(top, "pull")),
    ("no push port can be reached: it polls", no_channel),
    ("a full disk of its own is no upstream's fault (push)",
     lambda top: own_disk_full(top, "push")),
    ("a full disk of its own is no upstream's fault (pull)",
     lambda top: own_disk_full(top, "pull")),
    ("an upstream that is merely lower is passed by", lower),
    ("an upstream that stands still is left", stale),
    ("two servers on one history: the one that is passed by is told of", twins),
    ("a bad body is had from the next upstream", next_source),
    ("the first keys are the origin's", first_keys),
    ("a new key is the origin's word", new_key),
    ("trust: a lower state, at the operator's word", trust),
]


if __name__ == "__main__":
    sys.exit(beside.tell(STORIES))
