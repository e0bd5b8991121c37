#!/usr/bin/env python3
"""A service's everyday life: restarts, absences, keys and tokens, what clients
and operators are told.

  run_life.py [PATTERN]

PATTERN: only the stories that it is found in.
"""
import http.client
import json
import os
import re
import signal
import sys
import time

import alto
import beside
from alto import need, wait
from living import (
    World, current, end_well, refuses, run, says, subscriber, tags)

LIFETIME_S = 60         # the shortest that signatures may live


# --- restarts and absences ---------------------------------------------------

def server_restarts(top):
    w = World(top, "milan")
    milan = w.proxies[0]
    w.change(3)
    w.in_step()
    before, was, counts = w.server.position(), tags(w.server), current(milan)
    for stop in (end_well, alto.Daemon.kill9):
        stop(w.server)
        wait(lambda: milan.counts()["phase"] != "current", None,
             "the proxy notices")
        need(milan.get("/directory")[0] == 200, "the proxy serves on")
        w.server.start()
        need(w.server.position() == before, "another position")
        need(tags(w.server) == was, "other tags")
        now = current(milan)
        need(now["fetches"] == counts["fetches"], "it fetched a map")
        need(now["updates"] == counts["updates"], "it got an update")
        need(subscriber(w.server, "milan")["mode"] == "current", "not resumed")
    w.change()
    w.in_step()
    need(milan.counts()["fetches"] == counts["fetches"], "it fetched a map")
    w.end()


def proxy_stopped(top):
    w = World(top, "milan")
    milan = w.proxies[0]
    end_well(milan)
    w.change(7)
    milan.start()
    w.in_step()
    counts = current(milan)
    need(counts["updates"] == 7, "%d updates, not 7", counts["updates"])
    need(counts["fetches"] == 0, "it fetched %d maps", counts["fetches"])
    need(subscriber(w.server, "milan")["mode"] == "delta", "not by deltas")
    for path in ["/directory", *w.server.maps().values()]:
        need(milan.get(path)[2] == w.server.get(path)[2], "bytes: %s", path)
    w.end()


def heartbeats(top):
    w = World(top, "milan", heartbeat=1)
    w.proxy("turin", below=w.proxies[0])
    before = w.server.position()
    created = {}
    for d in [w.server, *w.proxies]:
        inputs = set()

        def moved(d=d, inputs=inputs):
            _, headers, body = d.get("/state")
            inputs.add(int(re.search(r"created=(\d+)",
                                     json.loads(body)["state"][1])[1]))
            need(headers["alto-status"].startswith("fresh"), "not fresh")
            return len(inputs) > 2
        wait(moved, None, "the signature at %s moves" % d.name)
        created[d.name] = max(inputs)
        need(d.status()["freshness"] == "fresh", "%s is not fresh", d.name)
    need(w.server.position() == before, "a heartbeat moved the position")
    # It is journalled as well: a proxy alone comes back with a late one.
    milan, turin = w.proxies
    end_well(turin)
    end_well(milan)
    end_well(w.server)
    milan.start()
    need(milan.status()["created"] >= created["milan"], "an old signature")
    w.end()


def away(top):
    """A proxy that is away for longer than a signature lives."""
    w = World(top, "milan", "turin", heartbeat=1,
              signing={"lifetime": LIFETIME_S})
    milan, turin = w.proxies
    end_well(milan)
    w.change(4)
    alto.in_step(w.server, turin)
    # What milan holds ends before this does.
    ends = w.server.status()["expires"]
    need(turin.status()["freshness"] == "fresh", "turin is not fresh")
    wait(lambda: time.time() > ends, LIFETIME_S + 10, "a signature expires",
         0.1)
    need(turin.status()["freshness"] == "fresh", "turin expired")
    need(w.server.get("/directory")[0] == 200, "the server expired")
    end_well(w.server)
    milan.start()
    code, headers, _ = milan.get("/directory")
    need(code == 503, "it serves what is expired: %d", code)
    need(int(headers["retry-after"]) > 0, "no Retry-After")
    need(milan.get("/state")[0] == 503, "/state is served")
    need(milan.status()["freshness"] == "expired", "not expired")
    need(milan.admin("/readyz")[0] == 503, "it says it is ready")
    w.server.start()
    w.in_step()
    counts = current(milan)
    need(counts["fetches"] == 0, "it fetched %d maps", counts["fetches"])
    need(counts["updates"] == 4, "%d updates, not 4", counts["updates"])
    need(milan.get("/directory")[0] == 200, "it does not serve")
    need(milan.admin("/readyz")[0] == 200, "it is not ready")
    w.end()


def listed(daemon):
    return daemon.directory()["meta"]["redistribution"].get("proxies", {})


def list_of_proxies(top):
    """One enters the directory and, a minute after it went, leaves it."""
    w = World(top)
    p = alto.at_home(alto.Proxy(top, w.server, "milan"))
    uri = "http://" + p.settings["http"]["listen"] + "/"
    w.server.set("subscribers", [{"name": "milan", "uris": [uri]},
                                 {"name": "turin", "uris": []}])
    end_well(w.server)
    w.server.start()
    map_serial = w.server.status()["map-serial"]
    p.set("public-uri", uri)
    w.proxies.append(p)
    p.start()
    other = w.proxy("turin", start=False)
    other.set("public-uri", "http://127.0.0.1:1/")
    other.start()
    wait(lambda: "milan" in listed(w.server), 60, "milan is listed")
    w.in_step()
    need(listed(w.server) == {"milan": {"uri": uri}} or
         listed(w.server)["milan"]["uri"] == uri, "its URI")
    need("turin" not in listed(w.server), "turin may not be listed")
    need(listed(p) == listed(w.server), "not the same list")
    need(w.server.status()["map-serial"] == map_serial, "the map serial moved")
    # The list is kept over a restart.
    end_well(w.server)
    w.server.start()
    need("milan" in listed(w.server), "forgotten")
    current(p)
    end_well(p)
    left = time.monotonic()
    wait(lambda: "milan" not in listed(w.server), 120, "milan leaves", 0.1)
    need(time.monotonic() - left > 30, "it left at once")
    w.in_step()
    w.end()


# --- who is trusted ----------------------------------------------------------

def pinned(top):
    w = World(top)
    key = w.server.status()["key"]
    good = w.proxy("milan", upstream={"key": key})
    need(current(good)["published"] >= 1, "it published nothing")
    two = w.proxy("turin", upstream={"key": ["A" * 43, key]})
    current(two)
    w.change()
    w.in_step()
    bad = w.proxy("rome", start=False, upstream={"key": "A" * 43})
    bad.start()
    wait(lambda: bad.counts()["reopened"].get("key"), None,
         "the key is refused")
    need("serial" not in bad.status(), "it serves something")
    need(bad.get("/directory")[0] == 503, "it serves something")
    says(bad.counts().get("trouble", ""), "key")
    need(bad.admin("/readyz")[0] == 503, "it says it is ready")
    w.end()


def tokens(top):
    mine, other, wrong = (
        alto.secret(os.path.join(top, name + ".token"),
                    name + "-secret-0123456789")
        for name in ("milan", "turin", "wrong"))
    w = World(top, subscribers=[{"name": "milan", "token-file": mine},
                                {"name": "turin", "token-file": other}])
    milan = w.proxy("milan", upstream={"token-file": mine})
    current(milan)
    for name, file in (("rome", None), ("rome", wrong), ("milan", other)):
        p = alto.Proxy(os.path.join(top, "more"), w.server, name, upstream=dict(
            {"retry-max": 1}, **({"token-file": file} if file else {})))
        before = w.server.admin("/metrics")[2]
        p.start()
        w.proxies.append(p)
        wait(lambda: denied(w.server) > denied_in(before), None, "it is denied")
        wait(lambda: p.counts().get("trouble"), None, "it says why")
        end_well(p)
    names = [s["name"] for s in w.server.status()["subscribers"]]
    need(names == ["milan"], "%s", names)
    need(current(milan)["reopened"] == {}, "milan was thrown out")
    os.chmod(mine, 0o644)
    end_well(milan)
    refuses(milan, re.escape(mine), "600|others")
    os.chmod(mine, 0o600)
    milan.start()
    w.change()
    w.in_step()
    log = "\n".join(l for d in [w.server, *w.proxies] for l in d.lines())
    need("secret-0123" not in log, "a token stands in a log")
    w.end()


def denied_in(metrics):
    return sum(float(l.split()[-1]) for l in metrics.decode().splitlines()
               if l.startswith("alto_disconnects_total") and
               re.search("denied|not allowed|not admitted|may not", l))


def denied(server):
    return denied_in(server.admin("/metrics")[2])


def same_name(top):
    w = World(top)
    # Its pause is the 10 s that it is asked for.
    older = w.proxy("milan", upstream={"retry-max": 60})
    newer = alto.at_home(alto.Proxy(os.path.join(top, "more"), w.server, "milan",
                               upstream={"retry-max": 1}))
    newer.start()
    wait(lambda: older.counts()["reopened"].get("bye"), None,
         "the older one is told")
    says(older.counts()["trouble"], "another connection has this name")
    begun = time.monotonic()
    for _ in range(3):
        w.change()
        alto.in_step(w.server, newer)
    names = [s["name"] for s in w.server.status()["subscribers"]]
    need(names == ["milan"], "%s", names)
    # The older one waits its turn; they do not chase each other.
    need(current(newer)["reopened"] == {} or time.monotonic() - begun > 8,
         "the newer one was thrown out at once")
    need(older.get("/directory")[0] == 200, "the older one serves on")
    end_well(newer)
    w.in_step()
    w.end()


# --- what clients and operators are told -------------------------------------

def raw(daemon, method, path, headers=None):
    """(status, headers, bytes after the headers as they come)"""
    host = daemon.url.split("//")[1]
    con = http.client.HTTPConnection(host, timeout=alto.WAIT_S)
    try:
        con.request(method, path, headers=headers or {})
        r = con.getresponse()
        return r.status, {k.lower(): v for k, v in r.getheaders()}, r.read()
    finally:
        con.close()


def over_http(top):
    w = World(top, "milan")
    paths = {"/directory": "application/alto-directory+json",
             "/state": "application/altocast-state+json"}
    for rid, path in w.server.maps().items():
        paths[path] = ("application/alto-networkmap+json" if rid == "net" else
                       "application/alto-costmap+json")
    for d in (w.server, *w.proxies):
        for path, kind in paths.items():
            one_resource(d, path, kind)
        for method, path, status in (
                ("GET", "/nowhere", 404), ("GET", "/", 404),
                ("HEAD", "/nowhere", 404), ("POST", "/directory", 405),
                ("DELETE", "/state", 405), ("PUT", "/directory", 405)):
            code, headers, body = raw(d, method, path)
            need(code == status, "%s %s: %d", method, path, code)
            need(headers["content-type"] == "application/alto-error+json",
                 "%s %s: %s", method, path, headers["content-type"])
            if status == 405:
                need("GET" in headers["allow"], "no Allow")
            if method != "HEAD":
                need(json.loads(body)["meta"]["code"].startswith("E_"),
                     "no ALTO error: %s", body)
    w.end()


def one_resource(d, path, kind):
    code, headers, body = raw(d, "GET", path)
    need(code == 200 and headers["content-type"] == kind, "%s: %d %s", path,
         code, headers.get("content-type"))
    need(headers["alto-status"].startswith("fresh"), "%s", headers)
    need("max-age" in headers["cache-control"], "no max-age")
    need(int(headers["content-length"]) == len(body), "length")
    signed = {"alto-resource", "alto-proof", "alto-state", "signature-input",
              "signature"}
    need(path == "/state" or signed <= headers.keys(), "unsigned: %s", path)
    head = raw(d, "HEAD", path)
    need(head[0] == 200 and head[2] == b"", "HEAD %s", path)
    need(head[1].keys() == headers.keys(), "HEAD has other headers: %s",
         head[1].keys() ^ headers.keys())
    same = raw(d, "GET", path, {"If-None-Match": headers["etag"]})
    need(same[0] == 304 and same[2] == b"", "no 304 for %s: %d", path, same[0])
    need(signed & same[1].keys() == signed & headers.keys(), "304 unsigned")
    weak = raw(d, "GET", path, {"If-None-Match": '"x", W/' + headers["etag"]})
    need(weak[0] == 304, "weak: %d", weak[0])
    need(raw(d, "GET", path, {"If-None-Match": '"x"'})[0] == 200, "not 200")


METRIC = re.compile(r'[a-z_]+(\{[a-z]+="(\\.|[^"\\])*"'
                    r'(,[a-z]+="(\\.|[^"\\])*")*\})? -?[0-9.e+-]+')


def for_operators(top):
    w = World(top, "milan")
    for d in (w.server, *w.proxies):
        code, headers, body = d.admin("/metrics")
        need(code == 200 and headers["content-type"].startswith(
            "text/plain; version=0.0.4"), "%d %s", code, headers)
        typed, seen, last = set(), set(), None
        for line in body.decode().splitlines():
            if line.startswith("# TYPE "):
                last = line.split()[2]
                need(last not in typed, "twice: %s", line)
                typed.add(last)
            elif not line.startswith("# HELP "):
                need(METRIC.fullmatch(line), "no metric: %s", line)
                name = re.match("[a-z_]+", line)[0]
                need(name == last, "out of place: %s", line)
                sample = line.rsplit(" ", 1)[0]
                need(sample not in seen, "twice: %s", line)
                seen.add(sample)
        need({"alto_serial", "alto_freshness", "alto_subscribers"} <= typed,
             "%s", typed)
        need(json.loads(d.admin("/healthz")[2])["ok"] is True, "healthz")
        need(d.admin("/readyz")[0] == 200, "readyz")
        need(json.loads(d.admin("/status")[2])["serial"] ==
             d.status()["serial"], "/status")
        need(d.admin("/nowhere")[0] == 404, "404")
    w.end()


def altoctl(top):
    w = World(top, "milan")
    need(w.server.call("status")[0] == 0, "status")
    says(w.server.call("status")[1], "cost-routing", "milan", "current")
    need(w.proxies[0].call("status")[0] == 0, "status of a proxy")
    says(w.proxies[0].call("status")[1], "upstream", "current")
    need(w.server.call("reload")[0] == 0, "reload")
    need(w.proxies[0].call("reload")[0] == 0, "reload at a proxy")
    need(run("altoctl")[0] == 2, "without a command")
    need(w.server.call("explode")[0] == 2, "an unknown command")
    need(w.server.call("status", "--force")[0] == 2, "force")
    need(w.server.call("--no-such-option")[0] == 2, "an unknown option")
    need(run("altoctl", "--socket", os.path.join(top, "none"), "status")[0]
         == 3, "nobody there")
    end_well(w.server)
    need(w.server.call("status")[0] == 3, "not running")
    need(not os.path.exists(w.server.socket), "the socket stays")
    w.server.start()
    w.server.kill9()
    need(w.server.call("status")[0] == 3, "killed")
    w.server.start()            # over the socket that was left
    w.end()


def chain(top):
    w = World(top, "milan")
    milan = w.proxies[0]
    turin = w.proxy("turin", below=milan)
    rome = w.proxy("rome", below=turin)
    all_of = [w.server, milan, turin, rome]
    for _ in range(3):
        w.change()
    w.in_step()
    paths = ["/directory", *w.server.maps().values()]
    for path in paths:
        bodies = {d.get(path)[2] for d in all_of}
        need(len(bodies) == 1, "other bytes of %s", path)

    def same_state():
        return len({d.get("/state")[2] for d in all_of}) == 1
    wait(same_state, None, "the same signed state everywhere")
    alto.verify([d.url + p for d in all_of for p in paths], w.server.status()["key"])
    need(current(rome)["updates"] == 3, "not by updates")
    wait(lambda: [b["name"] for b in subscriber(w.server, "milan")["below"]]
         != [], None, "the server hears who is below")
    # The middle goes away: the end serves on, and catches up.
    end_well(milan)
    need(rome.get("/directory")[0] == 200, "it serves on")
    w.change(3)
    milan.start()
    w.in_step()
    current(rome)
    w.end()


def stopping_s(daemon):
    """Between its last but one word and the last, as the log has them."""
    seconds = [float(re.match(r"\S+T\d+:(\d+):([\d.]+)Z", l)[1]) * 60 +
               float(re.match(r"\S+T\d+:(\d+):([\d.]+)Z", l)[2])
               for l in daemon.lines()
               if re.search(r": (stopping signal=|stopped)", l)][-2:]
    return (seconds[1] - seconds[0]) % 3600


def stops(top):
    w = World(top, "milan", "turin")
    took = {d: [] for d in (w.server, *w.proxies)}
    for sig in (signal.SIGTERM, signal.SIGINT):
        for d in (w.server, *w.proxies):
            # A client that keeps its connection for later holds nobody up.
            need(d.get("/directory")[0] == 200, "%s does not serve", d.name)
            need(d.stop(sig) == 0, "%s ended badly", d.name)
            need(not d.sanitizer(), "%s", d.sanitizer())
            says(d.lines()[-1], "stopped")
            took[d].append(stopping_s(d))
        for d in (w.server, *w.proxies):
            d.start()
    for d, seconds in took.items():     # a busy machine may hold one up
        need(min(seconds) < 1.5 and max(seconds) < 10,
             "%s took %s s to stop", d.name, seconds)
    w.in_step()
    w.end()


# --- all ---------------------------------------------------------------------

STORIES = [         # the first two wait for a minute of real time to pass
    ("a proxy in sync is listed, and leaves when it is gone", list_of_proxies),
    ("a proxy away for longer than a signature lives catches up by deltas",
     away),
    ("unchanged maps keep session, serial and tags over a restart",
     server_restarts),
    ("a proxy that was stopped catches up by deltas", proxy_stopped),
    ("heartbeats are signed, relayed and kept", heartbeats),
    ("a pinned key decides", pinned),
    ("a token is its bearer's alone", tokens),
    ("one name, one subscriber", same_name),
    ("GET, HEAD, 304, 404 and 405 at server and proxy", over_http),
    ("metrics, health and status for operators", for_operators),
    ("altoctl ends with 0, 1, 2 or 3", altoctl),
    ("a chain of proxies serves the same bytes and signature", chain),
    ("signals end a daemon quickly and cleanly", stops),
]


if __name__ == "__main__":
    sys.exit(beside.tell(STORIES))
