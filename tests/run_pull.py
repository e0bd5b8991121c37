#!/usr/bin/env python3
"""A proxy that pulls: what it asks, and what it keeps when it is given nonsense.

  run_pull.py [PATTERN]

PATTERN: only the stories that it is found in.
"""
import glob
import json
import os
import re
import sys
import threading
import time
import urllib.error
import urllib.request

import alto
import beside
import relay
import small
from alto import need, wait
from small import EXAMPLES, troubles

COST = "/maps/cost-routing"


class World(small.World):
    """A server with three maps, an HTTP relay before it, proxies behind that."""

    def __init__(self, top, **settings):
        files = []
        for rid, name in (("net", "network-map.json"),
                          ("cost-routing", "cost-map.json"),
                          ("cost-more", "cost-map.json")):
            path = os.path.join(top, rid + ".json")
            with open(os.path.join(EXAMPLES, name), encoding="utf-8") as f:
                text = f.read()
            if rid == "cost-more":
                text = text.replace('"routingcost"', '"hopcount"')
            alto.put(path, text.replace('"cost-routing"', '"%s"' % rid))
            files.append((rid, path))
        super().__init__(top, files, **settings)
        self.relay = relay.Http(self.server.url)

    def proxy(self, name="milan", mode="pull", start=True, **upstream):
        upstream.setdefault("directory", self.relay.url + "/directory")
        return self.add(alto.Proxy(self.top, self.server, name, upstream=dict(
            {"mode": mode, "retry-max": 1}, **upstream)), start)

    def follow(self, *proxies):
        super().follow(*proxies)
        for p in proxies:
            same(self.server, p)

    def end(self):
        super().end()
        self.relay.close()


def same(server, proxy):
    for path in sorted(server.maps().values()):
        a, b = server.get(path), proxy.get(path)
        need(a[0] == b[0] == 200, "%s: %d, %d", path, a[0], b[0])
        need(a[2] == b[2], "%s differs", path)
        need(a[1]["alto-resource"] == b[1]["alto-resource"], "other leaf")


def counts(proxy):
    return proxy.status()["upstreams"][0]


# --- following ---------------------------------------------------------------

def edits(top):
    w = World(top)
    p = w.proxy()
    w.follow(p)
    need(len(w.relay.asked("/maps/")) == 3, "not each map once: %s",
         w.relay.asked("/maps/"))
    for _ in range(3):
        w.edit()
        w.follow(p)
    need(len(w.relay.asked(COST)) == 4, "the changed one, once a change")
    need(len(w.relay.asked("/maps/net")) == 1, "an unchanged map was fetched")
    need(len(w.relay.asked("/maps/cost-more")) == 1, "another one, too")
    one = counts(p)
    need(one["mode"] == "pull" and one["phase"] == "current", "%s", one)
    need(p.get(COST)[1]["alto-status"].startswith("fresh"), "not fresh")
    w.end()


def unchanged(top):
    """Between two heartbeats a poll brings 304."""
    w = World(top, heartbeat=8)
    p = w.proxy()
    w.follow(p)
    w.relay.forget()
    wait(lambda: w.relay.asked("/state", 304), None, "a poll with 304")
    need(not w.relay.asked("/maps/"), "a map was fetched")
    need(counts(p)["unchanged"] >= 1, "it is not counted")
    w.end()


def gone_and_back(top):
    w = World(top)
    p = w.proxy()
    w.follow(p)
    for maps in (w.files[:2], w.files):
        w.server.stop()
        w.server.settings["maps"] = [w.server.map(m, i == 0)
                                     for i, m in enumerate(maps)]
        w.server.start()
        w.follow(p)
        need(p.get("/maps/cost-more")[0] == (200 if len(maps) == 3 else 404),
             "with %d maps", len(maps))
    w.end()


def new_session(top):
    w = World(top)
    p = w.proxy()
    w.edit()
    w.follow(p)
    before, n = p.position(), len(w.relay.asked("/maps/"))
    w.server.ctl("session", "new")
    w.follow(p)
    need(p.position()[0] > before[0], "not a later session")
    need(len(w.relay.asked("/maps/")) == n, "same content was fetched again")
    w.end()


def restarts(top):
    w = World(top, heartbeat=30)
    p = w.proxy()
    w.edit()
    w.follow(p)
    p.stop()
    w.relay.forget()
    p.start()
    wait(lambda: counts(p)["phase"] == "current", None, "current again")
    need(not w.relay.asked("/maps/"), "it fetched what it held")
    first = w.relay.asked("/state")[0]
    need("If-None-Match" in first[1] and first[2] == 304,
         "no validator after a restart: %s", first)
    w.server.kill9()
    w.server.start()
    w.edit()
    need(p.ctl("resync")["changed"], "resync brought nothing")
    w.follow(p)
    need(len(w.relay.asked(COST)) == 1, "more than what differs")
    w.end()


# --- what is in between ------------------------------------------------------

def too_fast(top):
    """Whatever is asked for, there has been another change meanwhile."""
    w = World(top)
    p = w.proxy()
    w.follow(p)
    held = p.position(), p.get(COST)[2]
    w.relay.before = lambda path: path in ("/state", COST) and w.edit()
    wait(lambda: "rounds" in troubles(p), None, "it says that it needs push")
    need("push" in troubles(p)["rounds"], "%s", troubles(p))
    need(counts(p)["reopened"].get("rounds"), "not counted")
    need(p.position() == held[0], "another position")
    need(p.get(COST)[2] == held[1], "something that does not belong")
    wait(lambda: counts(p)["reopened"]["rounds"] >= 2, None, "it tries again")
    need(len(w.relay.asked("/maps/net")) == 1, "what did not change")
    w.relay.before = None
    w.follow(p)
    wait(lambda: "rounds" not in troubles(p), None, "the trouble is over")
    w.end()


def old_bodies(top):
    """A cache that gives what it had first, unless it is told no-cache."""
    w = World(top)
    w.relay.cached = "/maps/|/directory"
    p = w.proxy()
    w.follow(p)
    for _ in range(3):
        w.edit()
        w.follow(p)
    fresh = [n for n in w.relay.asked(COST)
             if "no-cache" in n[1].get("Cache-Control", "")]
    need(len(fresh) == 3, "%d times past the cache, not 3", len(fresh))
    w.relay.cached = "/maps/|/directory|/state"
    w.edit()
    w.follow(p)
    need("lower" not in counts(p)["reopened"], "an old copy is no fault")
    w.end()


def push_down(top):
    w = World(top)
    at = re.match(r"ws://([\d.]+):(\d+)/", w.server.urls["push"])
    wire = relay.Tcp(at[1], int(at[2]))
    p = w.proxy(mode="push", push="ws://127.0.0.1:%d/push" % wire.port)
    w.follow(p)
    wait(lambda: counts(p)["phase"] == "current", None, "current")
    w.edit()
    w.follow(p)
    need(counts(p)["polls"] == 0, "it polls while the channel is open")
    for _ in range(2):
        wire.cut()
        wait(lambda: counts(p)["phase"] != "current", None, "it notices")
        w.edit()
        w.follow(p)
        wait(lambda: counts(p)["phase"] == "fallback", None, "it says so")
        need(counts(p)["polls"] > 0, "not by polls")
        w.edit()
        w.follow(p)
        wire.mend()
        wait(lambda: counts(p)["phase"] == "current", None, "back by itself")
        polls = counts(p)["polls"]
        w.edit()
        w.follow(p)
        need(counts(p)["polls"] == polls, "it still polls")
    need(not p.status()["troubles"], "%s", troubles(p))
    wire.close()
    w.end()


def clocks(top):
    """A clock that is wrong is shown, and breaks no timer."""
    lib = next(iter(sorted(glob.glob(
        "/usr/lib/*/faketime/libfaketimeMT.so.1"))), "")
    if not lib:
        raise alto.Skip("libfaketime is not installed")
    with open(alto.find_bin("alto-proxy"), "rb") as program:
        if b"__tsan_" in program.read():
            raise alto.Skip("libfaketime and the thread sanitizer")
    w = World(top, heartbeat=2, signing={"lifetime": 100000})
    clock = os.path.join(top, "clock")
    alto.put(clock, "+0")
    env = {"LD_PRELOAD": lib, "FAKETIME_TIMESTAMP_FILE": clock,
           "FAKETIME_NO_CACHE": "1", "FAKETIME_DONT_FAKE_MONOTONIC": "1",
           "DONT_FAKE_MONOTONIC": "1",
           "ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", "") +
           ":verify_asan_link_order=0:detect_leaks=0"}
    milan = w.proxy("milan", "push", start=False)
    turin = w.proxy("turin", "pull", start=False)
    for p in (milan, turin):
        p.env = env
        p.start()
    w.follow(milan, turin)
    need(not milan.status()["troubles"], "%s", troubles(milan))
    alto.put(clock, "+100")
    w.edit()
    w.follow(milan, turin)
    need(milan.get(COST)[1]["alto-status"].startswith("stale"), "not stale")
    milan.ctl("resync")
    wait(lambda: "behind" in troubles(milan).get("clock", ""), None,
         "the upstream's clock is behind ours")
    offset = counts(milan)["clock-offset-ms"]
    need(-110000 < offset < -90000, "%d ms", offset)
    # What libfaketime makes of a wait with an end is no matter here.
    alto.put(clock, "+0")
    text = wait(lambda: (lambda got: got[0] == 200 and got[2].decode())(
        milan.admin("/metrics")), None, "metrics")
    need(re.search(r"(?m)^alto_clock_offset_seconds -?[\d.]+$", text),
         "no such metric: %s", text[:300])
    alto.put(clock, "-50")
    w.edit()
    w.follow(milan, turin)
    milan.ctl("resync")
    wait(lambda: "clock" not in troubles(milan), None, "within what is allowed")
    w.end()


# --- what is not there -------------------------------------------------------

def crowd(p, path, n):
    """n clients at once: [(status, seconds)]"""
    got = []

    def one():
        begun = time.monotonic()
        r = urllib.request.Request(p.url + path)
        try:
            with urllib.request.urlopen(r, timeout=alto.WAIT_S) as a:
                status = a.status
                a.read()
        except urllib.error.HTTPError as e:
            status = e.code
        got.append((status, time.monotonic() - begun))

    threads = [threading.Thread(target=one) for _ in range(n)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    return got


def cold_start(top):
    """What they wait for comes in time."""
    w = World(top)
    w.relay.hold("/directory")
    p = w.proxy()
    wait(lambda: w.relay.waiting, None, "the first poll")
    box = []
    t = threading.Thread(target=lambda: box.extend(crowd(p, COST, 50)))
    t.start()
    wait(lambda: p.status()["clients"]["connections"] >= 50, None,
         "50 clients wait")
    w.relay.release()
    t.join()
    need([s for s, _ in box] == [200] * 50, "%s", box)
    need(len(w.relay.asked(COST)) == 1, "more than one body")
    need(len(w.relay.asked("/state")) <= 2, "more than one question: %d",
         len(w.relay.asked("/state")))
    w.end()


def missing(top):
    w = World(top, heartbeat=60)
    p = w.proxy()
    w.follow(p)
    wait(lambda: counts(p)["phase"] == "current", None, "current")
    w.relay.forget()
    need(p.get("/maps/nobody-has-it")[0] == 404, "404")
    need(len(w.relay.asked("/state")) == 1, "one question")
    for i in range(20):
        need(p.get("/maps/nobody-%d" % i)[0] == 404, "404")
    need(len(w.relay.asked("/state")) == 1, "asked again at once")
    need(not w.relay.asked("/maps/"), "the question is for the state alone")
    # After a while it is asked again; and what has come meanwhile is there.
    w.server.stop()
    path = os.path.join(w.top, "cost-new.json")
    with open(dict(w.files)["cost-more"], encoding="utf-8") as f:
        alto.put(path, f.read().replace('"hopcount"', '"priv:delay"').replace(
            '"cost-more"', '"cost-new"'))
    w.server.settings["maps"].append(w.server.map(("cost-new", path), False))
    w.server.start()
    wait(lambda: p.get("/maps/cost-new")[0] == 200, 20, "a map that is new")
    w.end()


def plain(top):
    """A server that signs nothing."""
    w = World(top)
    doc = json.loads(w.server.get("/directory")[2])
    del doc["meta"]["redistribution"]
    w.relay.instead["/directory"] = (
        200, [("Content-Type", "application/alto-directory+json")],
        json.dumps(doc).encode())
    for mode in ("pull", "push"):
        p = w.proxy("p-" + mode, mode=mode)
        wait(lambda: "RFC 7285" in counts(p).get("trouble", ""), None,
             "it says what is wrong")
        need(any("RFC 7285" in l for l in p.lines()), "not in the log")
        need(p.get("/directory")[0] == 503, "it serves something")
    w.end()


def settings(top):
    """What would prove nobody's name is refused."""
    w = World(top)
    for key, value in (("origin", "http://alto.example.net/directory"), ):
        p = w.proxy("p-" + key, start=False)
        p.set(key, value)
        p.start(ready=False)
        need(p.process.wait(alto.WAIT_S) == 1, "it starts")
        p.process = None
        need(any("pin the server's key" in l for l in p.lines()), "%s",
             p.lines())
    p = w.proxy("odd", mode="often", start=False)
    p.start(ready=False)
    need(p.process.wait(alto.WAIT_S) == 1, "it starts")
    p.process = None
    need(any("push or pull" in l for l in p.lines()), "%s", p.lines())
    w.end()


STORIES = [
    ("a pull proxy follows edits, one body a change", edits),
    ("what has not changed is not sent", unchanged),
    ("a map that goes, and comes back", gone_and_back),
    ("a new session moves the position and no body", new_session),
    ("either restarts: only what differs is fetched", restarts),
    ("changes come faster than bodies: it keeps, and says so", too_fast),
    ("a cache that gives old bodies is passed by", old_bodies),
    ("push is down: it polls, and comes back by itself", push_down),
    ("a wrong clock is shown and breaks no timer", clocks),
    ("a cold start with fifty clients is one question", cold_start),
    ("what nobody has is asked for once in a while", missing),
    ("a plain ALTO server is refused, and why is said", plain),
    ("settings that prove nobody's name are refused", settings),
]


if __name__ == "__main__":
    sys.exit(beside.tell(STORIES))
