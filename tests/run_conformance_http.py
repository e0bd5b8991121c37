#!/usr/bin/env python3
"""What HTTP asks of those who serve ALTO, requirement by requirement: of a
server and of the proxy below it. docs/conformance.md names these tests;
tests/rfc.py has the maps.

  run_conformance_http.py [PATTERN]	only the tests that it is found in
"""
import gzip
import json
import re
import shutil
import socket
import subprocess
import sys

import alto
import rfc
from alto import Failed, Skip, need
from rfc import (
    A1, A2, DIRECTORY, ERROR, KINDS, MEDIA, Reply, answered, coded, expect,
    path_of, rc, same, test, wire)


@test("HTTP-1 media types are sent bare")
def bare_types(t):
    for url in [t.base] + [e["uri"] for e in t.entries().values()
                           if "accepts" not in e and
                           e["media-type"] != DIRECTORY]:
        r = t.request("GET", url)
        need(";" not in r.header("content-type"), "%s", r)
    r = t.post("costs", "net", rc())
    need(r.header("content-type") == MEDIA % "costmap", "%s", r)
    r = t.post("costs", "net", {})
    need(r.header("content-type") == ERROR, "%s", r)


@test("HTTP-2 OPTIONS says which methods there are")
def options(t):
    for url, methods_ in ((t.base, {"get", "head"}),
                          (t.uri("net"), {"get", "head"}),
                          (t.uri("costs", "net"), {"post"})):
        r = t.request("OPTIONS", url)
        need(r.status in (200, 204), "%s", r)
        need(methods_ <= set(r.listed("allow")), "Allow: %s", r)


def unzstd(data):
    """None: no program for it here."""
    need(data[:4] == b"\x28\xb5\x2f\xfd", "no zstd: %r", data[:8])
    if not shutil.which("zstd"):
        return None
    return subprocess.run(["zstd", "-dcq"], input=data, check=True,
                          stdout=subprocess.PIPE).stdout


@test("HTTP-3 maps are sent in gzip and zstd, each with its own ETag")
def codings(t):
    plain = expect(t.fetch("bulk"), 200)
    need(not plain.header("content-encoding"), "%s", plain.headers)
    tags = {plain.header("etag")}
    for coding in ("gzip", "zstd"):
        r = coded(t, coding)
        data = gzip.decompress(r.body) if coding == "gzip" else \
            unzstd(r.body)
        need(data in (None, plain.body), "%s: another body", coding)
        need(len(r.body) < len(plain.body) / 2, "%s: not smaller", coding)
        need("accept-encoding" in r.listed("vary"), "Vary: %s", r.headers)
        need(r.header("content-type") == plain.header("content-type"), "type")
        tags.add(r.header("etag"))
        again = t.fetch("bulk", {"Accept-Encoding": coding,
                                 "If-None-Match": r.header("etag")})
        need(again.status == 304 and not again.body, "%s", again)
        need("accept-encoding" in again.listed("vary"), "Vary: %s", again)
    need(len(tags) == 3 and "" not in tags, "ETags: %s", tags)
    need("accept-encoding" in plain.listed("vary"), "Vary: %s", plain.headers)


@test("HTTP-4 the coding is what the client likes best")
def coding_choice(t):
    for c in ("gzip", "zstd"):
        coded(t, c)
    for text, want in (("gzip, zstd", ("gzip", "zstd")),
                       ("gzip;q=1, zstd;q=0.5", ("gzip",)),
                       ("gzip;q=0.2, zstd;q=0.9", ("zstd",)),
                       ("zstd;q=0, gzip", ("gzip",)), ("br", ("",)),
                       ("gzip;q=0", ("",)), ("identity", ("",)),
                       ("", ("",)), ("GZIP", ("gzip",)),
                       ("*", ("gzip", "zstd", ""))):
        r = expect(t.fetch("bulk", {"Accept-Encoding": text}), 200, text)
        need(r.header("content-encoding") in want, "%r: %s", text, r.headers)
    expect(t.fetch("bulk", {"Accept-Encoding": "br, identity;q=0"}), 406)


@test("HTTP-4 what takes a moment to code is put off, not refused")
def coding_later(t):
    text = "gzip, identity;q=0"

    def there():
        r = t.fetch("none", {"Accept-Encoding": text})
        if r.status == 503:
            need(r.header("retry-after") == "1", "%s", r)
        return r if r.status != 503 else None
    r = expect(alto.wait(there, None, "none in gzip at %s" % t.name), 200)
    need(r.header("content-encoding") == "gzip", "%s", r)


@test("HTTP-5 large computed answers are compressed, small ones are not")
def coded_answers(t):
    body = {"pids": []}
    plain = answered(t.post("network", "bulk", body), MEDIA % "networkmap")
    r = t.post("network", "bulk", body, {"Accept-Encoding": "gzip"})
    need(r.header("content-encoding") == "gzip", "%s", r.headers)
    same(json.loads(gzip.decompress(r.body)), plain)
    need("accept-encoding" in r.listed("vary"), "Vary: %s", r.headers)
    r = t.post("network", "bulk", body, {"Accept-Encoding": "zstd"})
    need(r.header("content-encoding") == "zstd", "%s", r.headers)
    data = unzstd(r.body)
    if data is not None:
        same(json.loads(data), plain)
    r = t.post("network", "net", {"pids": ["a"]}, {"Accept-Encoding": "gzip"})
    need(not r.header("content-encoding"), "%s", r.headers)
    need("accept-encoding" in r.listed("vary"), "Vary: %s", r.headers)


@test("HTTP-6 a range of a map is sent")
def ranges(t):
    whole = expect(t.fetch("bulk"), 200)
    size = len(whole.body)
    for text, first, last in (("0-9", 0, 9), ("5-", 5, size - 1),
                              ("-7", size - 7, size - 1),
                              ("%d-%d" % (size - 1, size + 99), size - 1,
                               size - 1)):
        r = expect(t.fetch("bulk", {"Range": "bytes=" + text}), 206, text)
        need(r.body == whole.body[first:last + 1], "%s: %.200r", text, r.body)
        need(r.header("content-range") == "bytes %d-%d/%d" % (
            first, last, size), "%s", r.headers)
        need(r.header("etag") == whole.header("etag"), "%s", r.headers)
    r = expect(t.fetch("bulk", {"Range": "bytes=%d-" % size}), 416)
    need(r.header("content-range") == "bytes */%d" % size, "%s", r.headers)
    for text in ("lines=1-2", "bytes=x", "bytes=5-2"):
        r = expect(t.fetch("bulk", {"Range": text}), 200, text)
        need(r.body == whole.body, "%s: another body", text)


@test("HTTP-7 If-Range sends a range only of the same version")
def if_range(t):
    whole = expect(t.fetch("bulk"), 200)
    r = t.fetch("bulk", {"Range": "bytes=0-4",
                         "If-Range": whole.header("etag")})
    need(r.status == 206 and len(r.body) == 5, "%s", r)
    for text in ('"other"', "W/" + whole.header("etag")):
        r = expect(t.fetch("bulk", {"Range": "bytes=0-4", "If-Range": text}),
                   200, text)
        need(r.body == whole.body, "another body")


@test("HTTP-8 maps may be cached, computed answers may not")
def cache_control(t):
    for url in (t.base, t.uri("net"), t.uri("cost-rc")):
        r = t.request("GET", url)
        need(re.search(r"\bmax-age=\d+|\bno-cache\b",
                       r.header("cache-control")), "%s", r)
    for r in (t.post("costs", "net", rc()), t.post("costs", "net", {}),
              t.post("endpoint-costs", "net", rc(endpoints={"dsts": [A1]}))):
        need("no-store" in r.listed("cache-control"), "%s", r)
        need(not r.header("etag"), "%s", r)


@test("HTTP-9 a connection is kept and closed when the client says so")
def keep_alive(t):
    with wire(t) as w:
        for _ in range(3):
            w.send("GET", path_of(t, "net"))
            expect(w.reply(), 200)
        w.send("POST", path_of(t, "costs", "net"),
               {"Content-Type": KINDS["costs"][1]}, b"{}")
        expect(w.reply(), 400)
        w.send("GET", path_of(t, "net"), {"Connection": "close"})
        expect(w.reply(), 200)
        need(w.reply() is None, "not closed")


@test("HTTP-10 requests sent in one go are answered in order")
def pipelining(t):
    rows = [("GET", "net", b""), ("POST", "costs", b'{"pids":'),
            ("HEAD", "net", b""), ("GET", "cost-rc", b""),
            ("POST", "network", b'{"pids":["b"]}'), ("GET", "net", b"")]
    with wire(t) as w:
        data = b""
        for method, what, body in rows:
            data += ("%s %s HTTP/1.1\r\nHost: x\r\n" % (
                method, path_of(t, what, "net"))).encode()
            if body:
                data += ("Content-Type: %s\r\nContent-Length: %d\r\n" % (
                    KINDS[what][1], len(body))).encode()
            data += b"\r\n" + body
        w.raw(data)
        got = [w.reply(method) for method, _, _ in rows]
        need([r and r.status for r in got] == [200, 400, 200, 200, 200, 200],
             "%s", [r and r.status for r in got])
        need(got[0].body == got[5].body, "another body")
        same(list(got[4].doc["network-map"]), ["b"])


@test("HTTP-11 pages of other origins may ask")
def cors(t):
    origin = {"Origin": "https://page.example"}
    r = expect(t.fetch("net", origin), 200)
    need(r.header("access-control-allow-origin") in
         ("*", origin["Origin"]), "%s", r.headers)
    r = t.post("costs", "net", {}, origin)
    need(r.status == 400 and r.header("access-control-allow-origin"),
         "%s", r)
    r = t.request("OPTIONS", t.uri("costs", "net"), dict(origin, **{
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "content-type"}))
    need(r.status in (200, 204), "%s", r)
    need(r.header("access-control-allow-origin") in
         ("*", origin["Origin"]), "%s", r)
    need("post" in r.listed("access-control-allow-methods"), "%s", r)
    need("content-type" in r.listed("access-control-allow-headers"), "%s", r)


@test("HTTP-11 pages of origins that are not listed may not", "small")
def cors_listed(t):
    for origin, may in (("https://page.example", False),
                        ("https://ours.example", True)):
        r = expect(t.fetch("net", {"Origin": origin}), 200)
        need((r.header("access-control-allow-origin") == origin) == may,
             "%s: %s", origin, r.headers)
        need("origin" in r.listed("vary"), "Vary: %s", r.headers)


@test("HTTP-12 a request that is too large is refused with 413", "small")
def too_large(t):
    body = b'{"pids":[],"x":"%s"}' % (b"x" * 70000)
    r = t.post("network", "net", b'{"pids":[],"x":"%s"}' % (b"x" * 60000))
    expect(r, 200)
    try:
        r = t.post("network", "net", body)
    except OSError as e:
        raise Failed("closed without an answer: %s" % e)
    expect(r, 413)
    need(r.header("content-type") == ERROR, "%s", r)
    with wire(t) as w:
        w.raw(b"POST %s HTTP/1.1\r\nHost: x\r\nContent-Type: %s\r\n"
              b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n" % (
                  path_of(t, "network", "net").encode(),
                  KINDS["network"][1].encode(), len(body), body))
        expect(w.reply(), 413, "chunked")


@test("HTTP-12 a request may come in chunks")
def chunked(t):
    with wire(t) as w:
        w.raw(b"POST %s HTTP/1.1\r\nHost: x\r\nContent-Type: %s\r\n"
              b"Transfer-Encoding: chunked\r\n\r\n6\r\n{\"pids\r\n8\r\n"
              b"\":[\"b\"]}\r\n0\r\n\r\n" % (
                  path_of(t, "network", "net").encode(),
                  KINDS["network"][1].encode()))
        same(list(answered(w.reply(), MEDIA % "networkmap")["network-map"]),
             ["b"])


def as_caller(t, kind, headers, source=None):
    """The address that endpoint costs take the caller for."""
    with wire(t, source) as w:
        w.send("POST", path_of(t, kind, "net"), dict(headers, **{
            "Content-Type": KINDS[kind][1]}),
            json.dumps(rc(endpoints={"srcs": [A2]})).encode())
        got = answered(w.reply(), KINDS[kind][0])["endpoint-cost-map"]
    return list(got[A2].items())[0]


@test("HTTP-13 a trusted forwarder says who the caller is")
def forwarder(t):
    for text, want in (("10.1.2.1", ("ipv4:10.1.2.1", 4.5)),
                       ("2001:DB8:0::1", ("ipv6:2001:db8::1", 10)),
                       ("9.9.9.9, 10.1.2.1", ("ipv4:10.1.2.1", 4.5)),
                       ("10.1.2.1, 127.0.0.1", ("ipv4:10.1.2.1", 4.5)),
                       ("nonsense", ("ipv4:127.0.0.1", 40)),
                       ("", ("ipv4:127.0.0.1", 40))):
        got = as_caller(t, "endpoint-costs", {"X-Forwarded-For": text})
        need(got == want, "X-Forwarded-For: %s: %s", text, got)


@test("HTTP-13 nothing that a client sends hides what a forwarder appends")
def forwarder_appends(t):
    for junk in ("9.9.9.9:" + "a" * 60 + '"', '"9.9.9.9', '"', "9.9.9.9;",
                 "for=9.9.9.9", "\\", "[", ",", "\t"):
        for headers in ({"X-Forwarded-For": junk + ", 10.1.2.1"},
                        {"X-Forwarded-For": junk,
                         "x-forwarded-for": "10.1.2.1"}):
            got = as_caller(t, "endpoint-costs", headers)
            need(got == ("ipv4:10.1.2.1", 4.5), "%s: %s", headers, got)


@test("HTTP-13 nothing in Forwarded hides what a forwarder appends", "six")
def forwarded_appends(t):
    for junk in ("for=9.9.9.9;x=\"", '"', 'for="9.9.9.9', "x=\"\\", "\\", ";",
                 "for=9.9.9.9", 'for="9.9.9.9, x='):
        for headers in ({"Forwarded": junk + ', for="10.1.2.1:47"'},
                        {"Forwarded": junk, "forwarded": "for=10.1.2.1"}):
            got = as_caller(t, "endpoint-costs", headers)
            need(got == ("ipv4:10.1.2.1", 4.5), "%s: %s", headers, got)


@test("HTTP-13 what anybody else says of the caller counts for nothing")
def no_forwarder(t):
    got = as_caller(t, "endpoint-costs", {"X-Forwarded-For": "10.1.2.1"},
                    "127.0.0.2")
    need(got == ("ipv4:127.0.0.2", 40), "%s", got)


@test("HTTP-14 a caller over IPv6 is known by its address", "six")
def over_six(t):
    got = as_caller(t, "endpoint-costs", {})
    need(got == ("ipv6:::1", 40), "%s", got)


@test("HTTP-14 a caller over IPv4 at an IPv6 socket is known by its IPv4",
      "six")
def mapped(t):
    port = t.host[1]
    try:
        s = socket.create_connection(("127.0.0.1", port), 5)
    except OSError:
        raise Skip("the socket is for IPv6 alone")
    s.close()
    url = "http://127.0.0.1:%d%s" % (port, path_of(t, "endpoint-costs", "net"))
    r = Reply(*alto.get(
        url, {"Content-Type": KINDS["endpoint-costs"][1]}, "POST",
        json.dumps(rc(endpoints={"srcs": [A2]})).encode()))
    same(answered(r, KINDS["endpoint-costs"][0])["endpoint-cost-map"],
         {A2: {"ipv4:127.0.0.1": 40}})


@test("HTTP-13 a trusted forwarder may speak RFC 7239", "six")
def forwarded(t):
    for text, want in (
            ("for=10.1.2.1", ("ipv4:10.1.2.1", 4.5)),
            ('for=9.9.9.9, FOR="10.1.2.1:4711";proto=https',
             ("ipv4:10.1.2.1", 4.5)),
            ('proto=http;for="[2001:DB8::1]:80"', ("ipv6:2001:db8::1", 10)),
            ('for="[2001:db8::2]", for="[::1]"', ("ipv6:2001:db8::2", 1)),
            ("for=unknown", ("ipv6:::1", 40))):
        got = as_caller(t, "endpoint-costs", {"Forwarded": text})
        need(got == want, "Forwarded: %s: %s", text, got)
    got = as_caller(t, "endpoint-costs", {"X-Forwarded-For": "10.1.2.1"})
    need(got == ("ipv6:::1", 40), "X-Forwarded-For counts: %s", got)


@test("HTTP-15 of several faults the first on the way in is told")
def order(t):
    uri = t.uri("network", "net")
    wrong = {"Content-Type": "text/plain", "Accept": "text/html"}
    right = dict(wrong, **{"Content-Type": KINDS["network"][1]})
    expect(t.request("PUT", "nosuch", wrong, b"{"), 404)
    expect(t.request("PUT", uri, wrong, b"{"), 405)
    expect(t.request("POST", uri, wrong, b"{"), 415)
    expect(t.request("POST", uri, right, b"{"), 406)
    expect(t.request("GET", t.uri("net"), right), 406)


if __name__ == "__main__":
    sys.exit(rfc.main())
