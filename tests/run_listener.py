#!/usr/bin/env python3
"""The settings of the clients' listener, and metrics of the computed services.

  run_listener.py [PATTERN]

PATTERN: only the stories that it is found in.
"""
import contextlib
import json
import os
import socket
import sys

import alto
import beside
from alto import need, wait
from offers import HOP, MEDIA, RC, World, check, cost, net, post, says

# --- the clients' listener ---------------------------------------------------

WRONG = [
    # a value of http, and what is said of it
    ({"origins": ["app.example"]}, ["http.origins", "app.example",
                                    "https?://"]),
    ({"origins": ["https://app.example/x"]}, ["http.origins", "https?://"]),
    ({"origins": ["https://app.example:443"]},
     ["http.origins", '"https://app.example"\n']),
    ({"connections": 8, "threads": 64}, ["http.connections", "http.threads"]),
    ({"forwarders": ["192.0.2.0/33"]}, ["http.forwarders", "192.0.2.0/33"]),
    ({"forwarders": ["192.0.2.1/24"]}, ["http.forwarders", "192.0.2.1/24",
                                        "host bits|192.0.2.0/24"]),
    ({"forwarders": ["proxy.example"]}, ["http.forwarders", "192.0.2.1",
                                         "2001:db8::/32"]),
    ({"forwarded-header": "X-Real-IP"}, ["http.forwarded-header", "X-Real-IP",
                                         "X-Forwarded-For or Forwarded"]),
    ({"request": "1023"}, ["http.request", "1024|1K", "64M|67108864"]),
    ({"answer": "10K"}, ["http.answer", "65536|64K"]),
    ({"answers": "32M"}, ["http.answers", "http.answer"]),
    ({"header-time": 0}, ["http.header-time", "1 ", "3600|1h"]),
    ({"header-time": "2 years"}, ["http.header-time", "10m|seconds"]),
    ({"origin": "*"}, ["origin", "origins"]),
]


def wrong_settings(top):
    w = World(top)
    for d in w.both:
        good = dict(d.settings["http"])
        for values, texts in WRONG:
            d.settings["http"] = dict(good, **values)
            code, said = check(d)
            need(code == 1, "%s is taken: %s", values, said)
            says(said, r"\.conf:\d+: ", *texts)
        d.settings["http"] = dict(good, **{
            "origins": ["https://app.example:8443", "http://[2001:db8::1]"],
            "forwarders": ["192.0.2.0/24", "2001:db8::1"],
            "forwarded-header": "forwarded", "request": "64M",
            "answer": "64K", "answers": "64K", "header-time": "1m"})
        code, said = check(d)
        need(code == 0, "right values: %s", said)
        d.settings["http"] = good
    w.end()


def origins(top):
    app, other = "https://app.example", "https://other.example"
    w = World(top, http={"origins": [app]})
    for d in w.both:
        for path, ask in (("filter/network/net", {"pids": []}), ("", None)):
            for origin, want in ((app, app), (other, None), (None, None)):
                headers = {"Origin": origin} if origin else {}
                got = post(d, path, ask, headers)[:2] if ask else \
                    d.get("/directory", headers)[:2]
                need(got[0] == 200 and got[1].get(
                    "access-control-allow-origin") == want,
                    "%s at %s for %s: %s", path, d.name, origin, got)
    w.end()
    w = World(os.path.join(top, "all"), http={"origins": ["*"]})
    for d in w.both:
        got = d.get("/directory", {"Origin": other})[1]
        need(got.get("access-control-allow-origin") == "*", "%s", got)
    w.end()


def own_costs(d, headers=None):
    """The source that is meant when none is given."""
    code, _, doc = post(d, "endpoint/cost/net", {
        "cost-type": RC, "endpoints": {"dsts": ["ipv4:10.0.0.1"]}}, headers)
    need(code == 200, "%d %s", code, doc)
    return next(iter(doc["endpoint-cost-map"]))


def forwarders(top):
    said = {"X-Forwarded-For": "192.0.2.9, 10.9.9.9"}
    w = World(top)
    for d in w.both:
        need(own_costs(d) == "ipv4:127.0.0.1", "not the connection's")
        need(own_costs(d, said) == "ipv4:127.0.0.1", "an untrusted word")
    w.end()
    # Each daemon trusts whom it is told to; neither asks the other.
    w.server.set("http", {"forwarders": ["127.0.0.0/8", "10.9.9.9"]})
    w.proxy.set("http", {"forwarders": ["127.0.0.1"],
                         "forwarded-header": "Forwarded"})
    w.start()
    need(own_costs(w.server, said) == "ipv4:192.0.2.9", "over two")
    need(own_costs(w.server, {"X-Forwarded-For": "10.8.8.8"}) ==
         "ipv4:10.8.8.8", "one")
    need(own_costs(w.server, {"Forwarded": "for=10.8.8.8"}) ==
         "ipv4:127.0.0.1", "the other header")
    need(own_costs(w.proxy, {"Forwarded": 'for=10.8.8.8;proto=http'}) ==
         "ipv4:10.8.8.8", "Forwarded")
    need(own_costs(w.proxy, said) == "ipv4:127.0.0.1", "the other header")
    for d in w.both:
        need(own_costs(d, {"X-Forwarded-For": "you", "Forwarded": "for=_x"})
             == "ipv4:127.0.0.1", "a word that is no address")
    w.end()


def large_maps(n):
    """n*n costs, about 16 bytes each."""
    pids = {"p%03d" % i: {"ipv4": ["10.%d.%d.0/24" % divmod(i, 256)]}
            for i in range(n)}
    pids["rest"] = {"ipv4": ["0.0.0.0/0"]}
    rows = {s: {d: i * 1000 + k + 0.5 for k, d in enumerate(pids)}
            for i, s in enumerate(pids)}
    return {"net": net("net", pids), "cost-rc": cost(rows=rows)}


def limits(top):
    w = World(top, large_maps(120), http={
        "request": "4K", "answer": "64K", "header-time": 1})
    for d in w.both:
        many = {"pids": ["p%04d" % i for i in range(1000)]}
        need(post(d, "filter/network/net", many)[0] == 413, "too large")
        need(post(d, "filter/network/net", {"pids": ["p001"]})[0] == 200,
             "a small one")
        code, _, doc = post(d, "filter/cost/net", {"cost-type": RC})
        need(code == 400, "%d: it fits", code)
        says(json.dumps(doc), "/maps/cost-rc", "65536")
        code, _, doc = post(d, "filter/cost/net", {
            "cost-type": RC, "pids": {"srcs": ["p001"], "dsts": []}})
        need(code == 200 and len(doc["cost-map"]["p001"]) == 121, "a row")
    slow = [opened(d) for d in w.both]
    for s in slow:
        s.sendall(b"GET /directory HTTP/1.1\r\nHost: x\r\nX-Slow: ")
    for s in slow:
        s.settimeout(alto.WAIT_S)
        with contextlib.suppress(ConnectionResetError):
            need(b" 200 " not in s.recv(4096), "half a head is answered")
            while s.recv(4096):
                pass
        s.close()
    w.end()


def opened(d):
    """A connection that takes little at once."""
    host, port = d.url.split("//")[1].split(":")
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    s.connect((host, int(port)))
    return s


# --- metrics -----------------------------------------------------------------

def counter(d, name):
    for line in d.admin("/metrics")[2].decode().splitlines():
        if line.startswith("alto_%s_total " % name):
            return float(line.split()[1])
    raise alto.Failed("%s has no alto_%s_total" % (d.name, name))


def moves(d, name, by, act):
    before = counter(d, name)
    act()
    wait(lambda: counter(d, name) - before >= by, None,
         "alto_%s_total of %s moves" % (name, d.name))
    need(counter(d, name) - before == by, "%s moved by %g, not %d", name,
         counter(d, name) - before, by)


def metrics(top):
    w = World(top, large_maps(160), http={"answer": "16M", "answers": "16M"},
              services={"max-cost-types": 64})
    large = {"multi-cost-types": [RC] * 40}     # 10 MB
    small = dict({"cost-type": RC}, pids={"srcs": ["p001"], "dsts": ["p001"]})
    for d in w.both:
        for name in ("computed", "computed_refused", "computed_put_off"):
            need(counter(d, name) == 0, "%s begins with %g", name,
                 counter(d, name))

        def path(body, d=d):
            return lambda: post(d, "filter/cost/net", body)
        moves(d, "computed", 1, path(small))
        moves(d, "computed_refused", 1, path({"cost-type": HOP}))
        need(counter(d, "computed") == 2, "a refused one counts as well")
        put_off(d, large, path(small))

        def coded(d=d):
            headers = {"Accept-Encoding": "gzip"}
            wait(lambda: d.get("/maps/cost-rc", headers)[1].get(
                "content-encoding") == "gzip", None, "a coded body")
        coded()
        need(counter(d, "coded_bodies") >= 1, "coded_bodies")
        size = int(d.get("/maps/cost-rc", {"Accept-Encoding": "gzip"})[1][
            "content-length"])
        need(counter(d, "coded_bytes") >= size, "coded_bytes")
        says(d.admin("/metrics")[2].decode(),
             "# TYPE alto_computed_total counter",
             "# HELP alto_coded_bytes_total ")
    w.end()


def put_off(d, ask, other):
    """One client does not read its answer, which has most of the budget and
    is more than sockets hold: the next one is told to come again."""
    body = json.dumps(ask).encode()
    s = opened(d)
    s.sendall(b"POST /filter/cost/net HTTP/1.1\r\nHost: x\r\n"
              b"Content-Type: %s\r\nContent-Length: %d\r\n\r\n" % (
                  (MEDIA % "costmapfilter").encode(), len(body)) + body)
    need(s.recv(12) == b"HTTP/1.1 200", "the first one is answered")
    before = counter(d, "computed_put_off")
    code, headers, _ = other()
    need(code == 200, "small ones get through: %d", code)
    code, headers, text = post(d, "filter/cost/net", ask)
    need(code == 503 and headers["retry-after"], "%d %s", code, headers)
    need(counter(d, "computed_put_off") == before + 1, "computed_put_off")
    s.close()
    wait(lambda: post(d, "filter/cost/net", ask)[0] == 200, None,
         "the budget comes back")


# --- all ---------------------------------------------------------------------

STORIES = [
    ("--check refuses wrong settings of the clients' listener",
     wrong_settings),
    ("origins are let in as the setting says", origins),
    ("a forwarder's word counts where it is trusted", forwarders),
    ("limits of requests, answers and heads hold", limits),
    ("the new counters move", metrics),
]


if __name__ == "__main__":
    sys.exit(beside.tell(STORIES))
