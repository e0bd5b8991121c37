#!/usr/bin/env python3
"""What an operator is told when something goes wrong, and what it costs the
others: subscribers that say too much, proxies that are not listed, upstreams
that refuse, data that age.

Usage: run_told.py [WORDS...]	only the stories whose names (main()) hold one
"""
import contextlib
import json
import os
import re
import socket
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import alto  # noqa: E402
from liar import Site, checked, frame, selected  # noqa: E402

tests = alto.Tests()
test = checked(tests)


def metric(daemon, name):
    text = daemon.admin("/metrics")[2].decode()
    found = re.findall(r"^%s (\S+)$" % re.escape(name), text, re.M)
    return float(found[0]) if found else 0


def said(daemon, *words):
    """The lines of its log that hold all of them."""
    return [l for l in daemon.lines() if all(w in l for w in words)]


# --- subscribers that say too much -------------------------------------------

LOUD = 40                   # connections
OWN, OWN_S, POOL = 8 << 10, 4, 2 << 20      # house_open.c, ws.h


def long_ack(server):
    session = json.loads(server.get("/state")[2])["session"]
    return json.dumps({"ack": {
        "session": session, "serial": 1, "z": [0] * 200000, "below": [
            {"name": "n%d" % i, "session": session, "serial": 1,
             "uri": "http://h%s/" % ("x" * 240)} for i in range(256)]
    }}).encode()


class Loud(threading.Thread):
    """Says the same long thing again and again, until its end."""

    def __init__(self, server, name, text):
        super().__init__(daemon=True)
        self.text = frame(1, text)
        self.push = alto.Push(server.urls["push"])
        self.push.until("hello")
        self.push.send("subscribe", name=name)
        self.push.until("subscribed")
        self.ending = False

    def run(self):
        with contextlib.suppress(OSError):
            while not self.ending:
                self.push.socket.sendall(self.text)

    def end(self):
        self.ending = True
        self.push.close()


def loud(top):
    site = Site(top, "site")
    server = site.server
    near = alto.Proxy(top, server, "near").start()
    alto.in_step(server, near)
    text = long_ack(server)
    with test("acknowledgements without end are read slowly, and delay nobody",
              server, near):
        all_of = [Loud(server, "loud%d" % i, text) for i in range(LOUD)]
        since = time.monotonic()
        before = metric(server, "alto_received_bytes_total")
        for one in all_of:
            one.start()
        alto.wait(lambda: metric(server, "alto_received_paused_total") >= LOUD,
                  what="they are held back")
        for _ in range(8):
            site.change()
            alto.in_step(server, near)
        alto.wait(lambda: metric(server, "alto_received_bytes_total") -
                  before >= 4 * len(text), what="four of them are read")
        took = metric(server, "alto_received_bytes_total") - before
        most = (LOUD * OWN + POOL) * (time.monotonic() - since) + \
            LOUD * (OWN * OWN_S + 4096) + POOL
        alto.need(took <= most, "%d bytes were read, %d at most", took, most)
        alto.need(said(server, "subscriber=loud", "is read from slowly"),
                  "the log does not say who")
        alto.need(len(said(server, "is read from slowly")) <= LOUD,
                  "it says so again and again")
        for one in all_of:
            one.end()
    with test("what a subscriber complains of does not fill the log", server):
        one = alto.Push(server.urls["push"])
        for _ in range(2000):
            one.send("error", meta={"code": "E_SYNTAX"})
        one.until("hello")
        site.change()
        alto.in_step(server, near)
        lines = len(said(server, "it says E_SYNTAX"))
        alto.need(0 < lines < 200, "%d lines", lines)
        one.close()
    with test("who says no more than it has to is never held back", near):
        alto.need(not said(server, "subscriber=near", "is read from slowly"),
                  "it was")
    near.stop()
    server.stop()


# --- proxies that are not listed ---------------------------------------------

def unlisted(top):
    site = Site(top, "site", subscribers=[
        {"name": "sure", "uris": ["http://sure.example.net/"]}])
    server = site.server
    near = alto.at_home(alto.Proxy(top, server, "near"))
    near.set("public-uri", "http://%s/" % near.settings["http"]["listen"])
    near.start()
    alto.in_step(server, near)
    nowhere = "http://127.0.0.1:%d/" % alto.free_port()
    at_server = server.url + "/nothing/"
    uris = {"shy": None, "deaf": nowhere, "lost": at_server,
            "vain": "http://elsewhere.example.net/", "sure": nowhere,
            "odd": nowhere + "?x"}
    session = json.loads(server.get("/state")[2])["session"]
    subscribers = []
    for name, uri in uris.items():
        s = alto.Push(server.urls["push"])
        s.until("hello")
        s.send("subscribe", name=name, **({"uri": uri} if uri else {}))
        s.until("snapshot")
        s.send("ack", session=session, serial=server.status()["serial"],
               below=[{"name": "deep", "session": session, "serial": 1,
                       "uri": "http://deep.example.net/"}]
               if name == "shy" else [])
        subscribers.append(s)
    want = {
        "shy": "it announces no URI", "deaf": "connect", "near": "",
        "lost": "does not answer state with 200",
        "vain": "its URI is not at its own address",
        "sure": "the uris of its subscribers entry do not have its URI",
        "odd": "has a query", "deep": "no subscribers entry allows its URI"}

    def why():
        out = {}
        for s in server.status()["subscribers"]:
            for each in [s] + s["below"]:
                out[each["name"]] = each.get("unlisted", "")
                alto.need(each["listed"] == (out[each["name"]] == ""), "%s",
                          each)
        return out

    def as_wanted():
        got = why()
        return set(got) == set(want) and all(
            want[n].lower() in got[n].lower() and bool(want[n]) == bool(got[n])
            for n in want)

    with test("status says of each subscriber why it is not listed", server):
        try:
            alto.wait(as_wanted, 60)
        except alto.Failed:
            alto.need(False, "%s", why())
        _, out, _ = server.call("status")
        table = out[out.index("not in the list of proxies"):]
        for name in want:
            alto.need((name in table) == (name != "near"), "%s", table)
        alto.need(said(server, "proxy=deaf", "cannot be listed"), "the log")
    with test("a proxy's status does not speak of a list", near):
        alto.need('"listed"' not in json.dumps(near.status()), "it does")
    near.stop()
    server.stop()


# --- upstreams that refuse, data that age ------------------------------------

def topics(daemon):
    return {t["topic"]: t for t in daemon.status()["troubles"]}


def refused(top):
    right = "milan-0123456789-abcdef"
    there = alto.secret(os.path.join(top, "there"), right)
    site = Site(top, "site", subscribers=[
        {"name": "near", "token-file": there}])
    server = site.server
    here = alto.secret(os.path.join(top, "here"), right[:-1])
    near = alto.Proxy(top, server, "near", upstream={
        "token-file": here, "retry-max": 1})
    near.start(ready=False)
    at = server.url + "/directory"
    with test("a token that is refused is one warning, and a trouble", server,
              near):
        alto.wait(lambda: near.counts()["failures"] >= 3, what="three tries")
        lines = said(near, "refused: 401")
        alto.need(len(lines) == 1 and " warn " in lines[0] and at in lines[0]
                  and "upstream.token-file" in lines[0], "%s", lines)
        alto.need(not said(near, "HS:"), "libwebsockets is heard")
        t = topics(near)["refused"]
        alto.need(at in t["text"] and "401" in t["text"], "%s", t)
        u = near.counts()
        alto.need("401" in u["trouble"] and
                  0 < u["trouble-since"] <= time.time(), "%s", u)
        out = near.call("status")[1]
        alto.need(re.search(r"%s, for \S+: refused: 401" % re.escape(at), out),
                  "%s", out)
    with test("it ends when the right one is there", server, near):
        alto.secret(here, right)
        near.ctl("reload")
        alto.in_step(server, near)
        alto.wait(lambda: near.counts()["phase"] == "current")
        alto.need(not topics(near), "%s", topics(near))
        alto.need("trouble" not in near.counts(), "%s", near.counts())
        alto.need(len(said(near, "upstream=" + at + " well again, after=")) == 1, "the log")
        alto.need(said(near, "phase=current upstream=" + at), "no upstream")
    near.stop()
    server.stop()


class Refuser:
    """Answers every request with the status of now, and closes."""

    def __init__(self):
        self.status = 403
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.uri = "ws://127.0.0.1:%d/push" % self.socket.getsockname()[1]
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        with contextlib.suppress(OSError):
            while True:
                self.answer(self.socket.accept()[0])

    def answer(self, s):
        with s, contextlib.suppress(OSError):
            s.settimeout(alto.WAIT_S)
            held = b""
            while b"\r\n\r\n" not in held:
                held += s.recv(4096) or b"\r\n\r\n"
            s.sendall(b"HTTP/1.1 %d No\r\nLocation: ws://127.0.0.1:1/push\r\n"
                      b"Content-Length: 0\r\nConnection: close\r\n\r\n"
                      % self.status)

    def stop(self):
        self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()


def closed_doors(top):
    site = Site(top, "site")
    door = Refuser()
    near = alto.Proxy(top, site.server, "near", upstream={
        "push": door.uri, "retry-max": 1})
    near.start(ready=False)
    with test("each refusal of a subscription says where to look",
              site.server, near):
        for status, text in ((403, "do not belong together"),
                             (404, "see upstream.push"),
                             (426, "see upstream.push"),
                             (503, "takes no more subscribers"),
                             (302, "is no publisher"),
                             (200, "is no publisher")):
            door.status = status
            got = alto.wait(lambda: next(
                (t["text"] for t in near.status()["troubles"]
                 if t["topic"] == "refused" and
                 "refused: %d," % status in t["text"]), None),
                what="a trouble for %d" % status)
            alto.need(text in got, "%d: %s", status, got)
        alto.in_step(site.server, near)     # it polls meanwhile
    near.stop()
    door.stop()
    site.server.stop()


class Pair(alto.Proxy):
    """A proxy that prefers a door that is closed."""

    def __init__(self, top, above, door, spare):
        super().__init__(top, above, "near")
        self.entries = [
            {"directory": above.url + "/directory", "push": door.uri},
            {"directory": spare.url + "/directory"}]

    def start(self, ready=True):
        self.settings["upstream"] = [
            dict(e, **{"name": "near", "retry-max": 1}) for e in self.entries]
        return alto.Daemon.start(self, ready)

    def at(self):
        return [u["chosen"] for u in self.status()["upstreams"]].index(True)


def barred(top):
    site = Site(top, "site", heartbeat=1)
    spare = alto.Proxy(top, site.server, "spare").start()
    alto.in_step(site.server, spare)
    door = Refuser()
    near = Pair(top, site.server, door, spare).start()
    alto.in_step(site.server, near)
    near.stop()                 # and knows the heartbeat when it begins again
    near.start()
    back = "it is well, and preferred"
    with test("an upstream that takes us not is not gone back to because it "
              "answers", site.server, spare, near):
        alto.wait(lambda: near.at() == 1 and
                  near.status()["upstreams"][1]["phase"] == "current",
                  what="it goes to the other")
        seen = near.status()["upstreams"][0]["probes"]
        alto.wait(lambda: near.status()["upstreams"][0]["probes"] >= seen + 8,
                  what="it looks at the preferred one")
        alto.need(near.at() == 1 and not said(near, back), "it went back")
        alto.need("403" in topics(near)["refused"]["text"] and
                  "403" in near.counts()["trouble"], "it is said no more")
        alto.need(not said(near, "well again"), "it is not well")
    with test("a reload has it tried again", site.server, spare, near):
        near.ctl("reload")
        alto.wait(lambda: said(near, back), what="it tries")
        alto.wait(lambda: near.at() == 1 and
                  near.status()["upstreams"][1]["phase"] == "current",
                  what="and is at the other again")
    with test("one that is full for now is tried again by itself", near):
        tried = len(said(near, back))
        door.status = 503
        near.ctl("reload")      # the 403 has barred it
        alto.wait(lambda: len(said(near, back)) >= tried + 2,
                  what="it tries twice")
    for one in (near, spare, site.server):
        one.stop()
    door.stop()


def aging(top):
    site = Site(top, "site")
    server = alto.at_home(site.server)
    server.stop()
    server.start()
    near = alto.Proxy(top, server, "near").start()
    alto.in_step(server, near)
    with test("data that become stale are one line of the log", near):
        server.stop()
        alto.wait(lambda: said(near, "age: stale"), what="it says so")
        alto.wait(lambda: near.counts()["failures"] >= 2, what="two tries")
        line = said(near, "age: stale")
        alto.need(len(line) == 1 and re.search(
            r"is of \d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ, and expires at 2",
            line[0]), "%s", line)
    with test("so is that they are fresh again", near):
        server.start()
        alto.wait(lambda: said(near, "age: fresh again"), what="it says so")
        alto.in_step(server, near)
        alto.wait(lambda: "trouble" not in near.counts(), what="all is well")
        alto.need(len(said(near, "age: fresh again")) == 1, "more than once")
    near.stop()
    server.stop()


# --- proxies that poll -------------------------------------------------------

def polling(top):
    site = Site(top, "site")
    server = site.server
    far = alto.Proxy(top, server, "far", upstream={"mode": "pull"}).start()
    alto.in_step(server, far)
    with test("a proxy that polls is seen by its address and program", server,
              far):
        alto.wait(lambda: server.status()["pollers"], what="it is seen")
        before = server.status()
        p = before["pollers"]
        alto.need([x["address"] for x in p] == ["127.0.0.1"] and
                  p[0]["program"].startswith("altocast/") and
                  abs(p[0]["last"] - time.time()) < 60, "%s", p)
        alto.wait(lambda: server.status()["pollers"][0]["polls"] >
                  p[0]["polls"], what="it asks again")
        alto.need(metric(server, "alto_state_requests_total") >
                  before["counters"]["state_requests"] > 0, "not counted")
        out = server.call("status")[1]
        alto.need(re.search(r"asked for the state within 5 minutes\n"
                            r"\s*ADDRESS.*\n\s*127\.0\.0\.1 +altocast/", out),
                  "%s", out)
    far.stop()
    server.stop()


def main():
    for story in (loud, unlisted, refused, closed_doors, barred, aging, polling):
        if selected(story.__name__):
            with alto.folder() as top:
                story(top)
    sys.exit(tests.end())


if __name__ == "__main__":
    main()
