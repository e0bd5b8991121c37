#!/usr/bin/env python3
"""Attacks by what stands in a request, on the listener for clients of a server
and of the proxy below it. See tests/witness.py for what must hold meanwhile.

Usage: run_http_requests.py [CHAPTER...]	expensive, headers, random
"""
import collections
import contextlib
import itertools
import json
import os
import random
import re
import select
import struct
import sys
import time
import zlib

import alto
from alto import need
from witness import (
    ANSWER, COST, FORWARDER, HEAVY_S, KINDS, MEDIA, OTHER, PUT_OFF, RC,
    REQUEST, SEED, Wire, attack, chunked, cost_of, main, metric, request,
    sanitized, statuses, talk)

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


STORY = {"expensive": expensive, "headers": headers, "random": random_bytes}


if __name__ == "__main__":
    sys.exit(main(STORY))
