#!/usr/bin/env python3
"""A preferred upstream that lies or withholds, and a second one that does not.

What the second one has, the proxy gets, in a time that the first cannot
stretch: before what is served is stale where something newer was announced,
and without anything being trusted because of who says it.

Usage: run_liar.py [WORDS...]	only the tests whose names hold one
"""
import contextlib
import os
import re
import select
import shutil
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import alto  # noqa: E402
from liar import (  # noqa: E402
    Liar, Signer, Site, checked, cost, dumps, net, root, selected, state_of)

tests = alto.Tests()
test = checked(tests)
BEAT_S = 20             # four of them, until what is held is stale for good,
SOON_S = 60             # are more than this
SLOW_S = 8              # for a body; four heartbeats of a second are less


class Pair(alto.Proxy):
    """A proxy that prefers the liar to the server."""

    def __init__(self, top, site, name, mode="push"):
        self.liar = Liar(site.server)
        super().__init__(top, site.server, name)
        self.mode = mode

    def start(self, ready=True):
        self.settings["origin"] = self.server.url + "/directory"
        self.settings["upstream"] = [
            {"directory": of.url + "/directory", "mode": self.mode,
             "name": self.name, "retry-max": 1}
            for of in (self.liar, self.server)]
        return alto.Daemon.start(self, ready)

    def phases(self):
        return [u["phase"] for u in self.status()["upstreams"]]


def drip(c):
    """An answer that goes on for as long as anybody waits."""
    with contextlib.suppress(OSError):
        c.sendall(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")
        # Ten drops a second, until the other end hangs up.
        while not select.select([c], [], [], 0.1)[0]:
            c.sendall(b" " * 1300)


# --- what withholds ----------------------------------------------------------

def orders_only(site):
    """A word() that orders what there is, again and again, whatever is asked."""
    def word(name, members):
        triple, leaves = state_of(site.server)
        order = dumps("snapshot", {"state": triple, "resources": leaves})
        if name == "hello":
            return dumps(name, members)
        if name == "subscribed":
            return dumps(name, dict(members, state=triple,
                                    mode="snapshot")) + order * 2
        return order
    return word


def no_bodies(path, *answer):
    return drip if path.startswith("/maps/") or path == "/directory" \
        else answer


def empty(top, site):
    """Holds nothing, and is given nothing but orders."""
    p = Pair(top, site, "empty")
    p.liar.word = orders_only(site)
    # Where to subscribe is said; the body of the order is not given.
    asked = []

    def web(path, *answer):
        if path == "/directory" and not asked:
            asked.append(path)
            return answer
        return no_bodies(path, *answer)
    p.liar.web = web
    return p


def warm(top, site):
    """Holds what there was; what is new is ordered and not given."""
    p = Pair(top, site, "warm")

    def lie():
        p.liar.word, p.liar.web = orders_only(site), no_bodies
        p.liar.hang_up()
    p.lie = lie
    return p


def nothing_new(top, site):
    """Each time it is told that it is at the head, and cut off."""
    p = Pair(top, site, "current")

    def lie():
        triple, _ = state_of(p)

        def word(name, members):
            if name == "hello":
                return dumps(name, members)
            if name == "subscribed":
                return dumps(name, {"state": triple, "mode": "current"})
            p.liar.hang_up()
            return []
        p.liar.word = word
        p.liar.hang_up()
    p.lie = lie
    return p


def not_modified(top, site):
    """Each time its server fails, or says that nothing has changed."""
    p = Pair(top, site, "asks", "pull")

    def lie():
        turn = []

        def web(path, *answer):
            if path != "/state":
                return answer
            turn.append(path)
            return (503, {}, b"") if len(turn) % 2 else (304, {}, b"")
        p.liar.web = web
    p.lie = lie
    return p


KINDS = (
    ("orders of what does not come do not keep a proxy empty", empty),
    ("an order told again and again is left while what is held is fresh",
     warm),
    ("the word that nothing is new does not count", nothing_new),
    ("nor does it where it is asked for", not_modified),
)


def withholds(top):
    """All at once: they wait for half a minute each."""
    site = Site(top, "slow-beat", heartbeat=BEAT_S)
    them = [(what, make(top, site)) for what, make in KINDS if selected(what)]
    held = [p for _, p in them if hasattr(p, "lie")]
    for p in held:
        p.start()
    if held:
        alto.in_step(site.server, *held)
    site.change()               # a new signature
    if held:
        alto.in_step(site.server, *held)
    for p in held:
        p.lie()
    site.change()
    for _, p in them:
        if p not in held:
            p.start()
    end = time.monotonic() + SOON_S
    for what, p in them:
        with test(what, site.server, p):
            alto.in_step(site.server, p,
                         timeout=max(1, end - time.monotonic()))
            alto.wait(lambda: p.phases()[1] == "current", None, "in use")
            if p in held:
                alto.need(p.status()["freshness"] == "fresh", "too late")
    for _, p in them:
        p.stop()
    site.server.stop()


# --- a cold start ------------------------------------------------------------

def cold(top):
    what = "to one that holds nothing, nothing can be unchanged"
    if not selected(what):
        return
    site = Site(top, "cold")
    p = Pair(top, site, "pulls", "pull")
    p.liar.web = lambda path, *answer: (304, {}, b"") \
        if path == "/state" else answer
    with test(what, site.server):
        p.start()
        alto.in_step(site.server, p, timeout=alto.WAIT_S / 2)
        alto.wait(lambda: p.phases()[1] == "current", None, "in use")
    p.stop()
    site.server.stop()


# --- flapping ----------------------------------------------------------------

def large(site, step):
    pids = {"p%d" % i: {"ipv4": ["10.%d.%d.0/24" % (i >> 8, i & 255)]}
            for i in range(300)}
    alto.put(site.net, net(dict(pids, rest={"ipv4": ["0.0.0.0/0"]})))
    alto.put(site.cost, cost({a: {b: i + step for i, b in enumerate(pids)}
                              for a in pids}))
    site.server.reload()


def slow_but_honest(top):
    """A body that takes long, within what a slow line may take, is waited for,
    though what is held is stale by then."""
    what = "an upstream that is slow is not left for that"
    if not selected(what):
        return
    site = Site(top, "slow", history={"count": 1})
    p = Pair(top, site, "patient")
    gate = threading.Event()

    def slow(path, status, headers, body):
        if path == "/maps/cost":
            gate.wait(SLOW_S)
        return status, headers, body
    with test(what, site.server):
        p.start()
        alto.in_step(site.server, p)
        p.stop()
        for i in range(3):      # the history does not lead on from there
            large(site, i)
        p.liar.web = slow
        p.start()
        alto.wait(lambda: p.status()["freshness"] == "stale", None, "stale")
        alto.in_step(site.server, p)
        alto.need(not [l for l in p.lines() if "now at" in l], "it switched")
        gate.set()
    p.stop()
    site.server.stop()


# --- keys --------------------------------------------------------------------

def later_session(state, ahead_s=20):
    """The state of a session that begins a little later than now."""
    h = "%012x" % (int(time.time() + ahead_s) * 1000)
    state = re.sub(r'session="[^"]+"', 'session="%s-%s-7000-8000-000000000001"'
                   % (h[:8], h[8:]), state)
    return re.sub(r"serial=\d+", "serial=1", state)


def retired_stays_retired(top):
    """The directory that retires a key comes, the maps beside it do not, so that
    nothing is published; the proxy is killed and started again."""
    what = "a key that was seen to retire has retired after a restart too"
    if not selected(what):
        return
    site = Site(top, "keys")
    server, liar = site.server, Liar(site.server)
    p = alto.Proxy(top, liar, "follows", upstream={"retry-max": 1},
                   origin=server.url + "/directory")
    with test(what, server):
        p.start()
        alto.in_step(server, p)
        stolen = os.path.join(top, "stolen.pem")
        shutil.copy(os.path.join(server.dir, "signing.pem"), stolen)
        thief = Signer(stolen)
        triple, leaves = state_of(server)
        alto.need(server.call("key", "next")[0] == 0, "no next key")
        alto.in_step(server, p)
        fell = p.counts()["reopened"].get("pull", 0)
        liar.web = lambda path, *answer: (503, {}, b"")
        liar.upgrade = lambda c: None
        liar.hang_up()
        alto.need(server.call("key", "retire", "--compromised")[0] == 0,
                  "not retired")
        site.change()
        liar.web = lambda path, *answer: (503, {}, b"") \
            if path.startswith("/maps/") else answer
        liar.upgrade = None
        alto.wait(lambda: p.counts()["reopened"].get("pull", 0) > fell, None,
                  "the maps are missed: %s" % p.counts())
        p.kill9()

        def word(name, members):
            forged = thief.sign(
                [later_session(triple[0]), *triple[1:]],
                created=int(time.time()), expires=int(time.time()) + 86400)
            if name == "hello":
                return dumps(name, members)
            return dumps("subscribed", {"state": forged,
                                        "mode": "snapshot"}) + \
                dumps("snapshot", {"state": forged, "resources": leaves})
        alto.need(root(leaves) in triple[0], "another root")
        liar.word = word
        p.start()
        alto.wait(lambda: p.counts()["reopened"].get("key"), None,
                  "it is refused: %s" % p.counts())
        alto.need("7000-8000-000000000001" not in p.position()[0],
                  "the thief's state is served")
        liar.tell_truth()
        liar.hang_up()
        alto.in_step(server, p)
    p.stop()
    server.stop()


def main():
    with alto.folder() as top:
        for story in (withholds, cold, slow_but_honest, retired_stays_retired):
            story(top)
    return tests.end()


if __name__ == "__main__":
    sys.exit(main())
