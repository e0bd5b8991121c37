#!/usr/bin/env python3
"""Hostile neighbours, against running daemons: files that cannot be read,
subscribers and clients that break every rule, and a publisher that lies.

The lying publisher stands between an honest server and a proxy and changes
what passes. Whatever it does, the proxy serves only what the honest server
published, never goes back, and is in step again when the lies end. A
sanitizer's report in any log is a failure. run_attacks.py has the attacks that
need more: keys, records of what was said before, a crowd.

Usage: run_hostile.py [WORDS...]	only the tests whose names hold one
"""
import contextlib
import gzip
import json
import os
import re
import socket
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import alto  # noqa: E402
from liar import (  # noqa: E402
    NET, Liar, Site, Watch, address, back, checked, closed, cost, dumps, flip,
    frame, net, noticed, of_cost, of_updates, ordering, peak, push, rss,
    selected, set_state, surprises, with_change)

tests = alto.Tests()
test = checked(tests)

# --- files -------------------------------------------------------------------

BAD_FILES = {
    "empty": b"",
    "blank": b" \n",
    "cut": net(NET).encode()[:-5],
    "followed by more": net(NET).encode() + b"x",
    "an array": b"[]",
    "nested deep": b'{"a":' * 100000,
    "nested deep in arrays": b'{"a":' + b"[" * 100000,
    "with a byte order mark": b"\xef\xbb\xbf" + net(NET).encode(),
    "in UTF-16": net(NET).encode("utf-16"),
    "not UTF-8": net(NET).encode().replace(b'"a"', b'"\xff"'),
    "packed": gzip.compress(net(NET).encode()),
    "zeros": bytes(4096),
    "with a name twice": net(NET).encode()[:-1] + b',"meta":{}}',
    "with a PID twice": b'{"meta":{"vtag":{"resource-id":"net","tag":"t"}},'
                        b'"network-map":{"a":{},"\\u0061":{}}}',
    "with half a surrogate": net(NET).encode().replace(
        b'"meta"', b'"z":"\\ud800","meta"'),
    "with host bits": net({"a": {"ipv4": ["10.0.0.1/8"]}}).encode(),
    "with a prefix in two PIDs": net(
        {"a": {"ipv6": ["1::/16", "::/0"]},
         "b": {"ipv6": ["1:0::/16"]}}).encode(),
    "with a long name": net(dict(NET, **{"x" * 65: {}})).encode(),
    "with a gap": net({"a": {"ipv4": ["10.0.0.0/8"]}}).encode(),
    "of another id": net(NET, rid="nett").encode(),
    "without a PID that has costs": net({"a": NET["b"]}).encode(),
    "with another tag": net(NET, tag="t2").encode(),
}


def refuse_file(site, what, prepare):
    """The change is refused with a word that names the file, and nothing
    moves."""
    server = site.server
    if os.path.isdir(site.net):
        os.rmdir(site.net)
    elif os.path.lexists(site.net):
        os.remove(site.net)
    before = server.status()["map-serial"], server.get("/maps/net")[2]
    prepare(site.net)
    code, out, err = server.call("reload")
    alto.need(code == 1, "%s: exit %d: %s", what, code, out)
    named = site.net in err or site.cost in err
    alto.need(named, "%s: the error names no file: %s", what, err)
    status = server.status()
    alto.need(before == (status["map-serial"], server.get("/maps/net")[2]),
              "%s: something was published", what)
    alto.need(status["troubles"], "%s: status has no trouble", what)


def files(top):
    site = Site(top, "files")
    server = site.server
    with test("files that are no maps are refused and change nothing",
              server):
        for what, data in BAD_FILES.items():
            refuse_file(site, what, lambda path, d=data: alto.put(path, d))
    with test("what is not a file is refused and does not block", server):
        refuse_file(site, "missing", lambda path: None)
        refuse_file(site, "a directory", os.mkdir)
        refuse_file(site, "a FIFO", os.mkfifo)
        refuse_file(site, "a loop", lambda path: os.symlink(path, path))
        refuse_file(site, "a device",
                    lambda path: os.symlink("/dev/zero", path))
    with test("a server that starts over a bad file serves what it had",
              server):
        os.remove(site.net)
        alto.put(site.net, b"{")
        body, at = server.get("/maps/net")[2], server.status()["map-serial"]
        server.stop()
        server.start()
        alto.need(server.get("/maps/net")[2] == body, "other bytes")
        alto.need(server.status()["map-serial"] == at, "another serial")
        alto.need(server.status()["troubles"], "no trouble in status")
        alto.need(site.restore()["changed"] is False, "not what it had")
        alto.need(not server.status()["troubles"], "the trouble stayed")
    with test("the JSON suite as map files gives errors only", server):
        folder = alto.shared("hostile", "json-test-suite", "test_parsing")
        suite = sorted(os.listdir(folder))
        alto.need(suite, "no files")
        for name in suite:
            with open(os.path.join(folder, name), "rb") as src:
                alto.put(site.net, src.read())
            code, _, err = request(server, {"command": "reload"})
            alto.need(code and "error" in err, "%s was taken", name)
        site.restore()
    server.stop()


def request(server, command):
    """One line over the control socket, without a process of its own:
    (refused, answer, its text)."""
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(alto.WAIT_S)
        s.connect(server.socket)
        s.sendall(json.dumps(command).encode() + b"\n")
        text = b""
        while not text.endswith(b"\n"):
            more = s.recv(65536)
            alto.need(more, "control socket: closed")
            text += more
    answer = json.loads(text)
    return "error" in answer or "errors" in answer, answer, text.decode()


# --- subscribers -------------------------------------------------------------

def bad_messages(server):
    session, serial = server.position()
    sub = b'{"subscribe":{"name":"z"}}'

    def ack(n):
        return json.dumps({"ack": {"session": session, "serial": n}}).encode()

    return {
        "half an object": frame(1, b"{"),
        "an array": frame(1, b"[]"),
        "nothing": frame(1, b""),
        "two names": frame(1, b'{"subscribe":{"name":"a"},"ack":{}}'),
        "an unknown name": frame(1, b'{"foo":{}}'),
        "a binary frame": frame(2, sub),
        "a reserved bit": frame(1, sub, rsv=4),
        "a reserved opcode": frame(3, sub),
        "a continuation of nothing": frame(0, sub),
        "a long ping": frame(9, b"x" * 126),
        "a ping in fragments": frame(9, b"x", last=False),
        "too long": frame(1, b" " * (3 << 20)),
        "a length with the top bit": frame(1, b"", claim=(1 << 64) - 1),
        "bad UTF-8": frame(1, b'{"subscribe":{"name":"\xff"}}'),
        "deep": frame(1, b'{"subscribe":' + b"[" * 500000),
        "a NUL": frame(1, sub + b"\0"),
        "a long name": frame(1, sub.replace(b"z", b"z" * 65)),
        "no name": frame(1, b'{"subscribe":{}}'),
        "a long uri": frame(1, sub.replace(
            b"}}", b',"uri":"http://' + b"a" * 2000 + b'"}}')),
        "subscribe twice": frame(1, sub) * 2,
        "ack before subscribe": frame(1, ack(serial)),
        "ack of the future": frame(1, sub) + frame(1, ack(serial + 1000)),
        "a forged have": frame(1, sub.replace(
            b"}}", b',"have":["x","y","z"]}}')),
        "an update": frame(1, b'{"update":{}}'),
        "a hello": frame(1, b'{"hello":{}}'),
    }


def send_bad(server, what, data):
    s = alto.Push(server.urls["push"])
    try:
        push(s.socket, data)
        push(s.socket, frame(8, b"\x03\xe8"))	# so that it need not wait
        closed(s.socket, what)
    finally:
        s.close()


def handshakes(server):
    for what, data in {
            "zeros": bytes(1000), "TLS": b"\x16\x03\x01\x02\0\x01" * 40,
            "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
            "no upgrade": b"GET /push HTTP/1.1\r\nHost: x\r\n\r\n",
            "a body": b"POST /push HTTP/1.1\r\nContent-Length: 9\r\n\r\n",
            "one long line": b"A" * 100000,
            "a long header": b"GET /push HTTP/1.1\r\nX: " + b"y" * 100000,
            "many headers": b"GET /push HTTP/1.1\r\n" + b"X: y\r\n" * 5000,
            }.items():
        with socket.create_connection(address(server.urls["push"])) as s:
            push(s, data)
            closed(s, what)


def browser(server):
    """A page's script may connect anywhere; its browser says so."""
    at = server.urls["push"]
    for origin in (b"http://example.net", b"null", b"http://" + b"x" * 900):
        with socket.create_connection(address(at)) as s:
            s.settimeout(alto.WAIT_S)
            s.sendall(b"GET /push HTTP/1.1\r\nHost: x\r\nUpgrade: websocket"
                      b"\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13"
                      b"\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
                      b"Sec-WebSocket-Protocol: alto-push.v1\r\nOrigin: " +
                      origin + b"\r\n\r\n")
            got = s.recv(100)
        alto.need(got.startswith(b"HTTP/1.1 403 "), "%r: %r", origin, got)


def floods(server):
    """What is sent without end is cut, and nothing of it stays in memory."""
    before = rss(server)
    for what, first, again in (
            ("pings", b"", frame(9, b"x" * 125) * 500),
            ("empty fragments", frame(1, b"", last=False),
             frame(0, b"", last=False) * 10000),
            ("an endless message", frame(1, b'{"x":"', last=False),
             frame(0, b"y" * 60000, last=False))):
        s = alto.Push(server.urls["push"])
        s.socket.settimeout(alto.WAIT_S)
        end = time.monotonic() + alto.WAIT_S
        try:
            s.socket.sendall(first)
            # What has no size may come for ever, but not be kept.
            for _ in range(10 ** 9 if "message" in what else 40):
                s.socket.sendall(again)
                alto.need(time.monotonic() < end, "%s: no end", what)
        except OSError:
            pass
        finally:
            s.close()
        alto.need(rss(server) - before < 100, "%s: %d MB more", what,
                  rss(server) - before)


def slow_readers(site, proxy):
    """They subscribe at the head, and never read. Their window is small."""
    server, slow = site.server, []
    host, port = address(server.urls["push"])
    have = json.loads(server.get("/state")[2])["state"]
    for i in range(40):
        s = alto.Push(server.urls["push"])
        s.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        s.send("subscribe", name="slow-%d" % i, have=have)
        slow.append(s)
    alto.wait(lambda: len(server.status()["subscribers"]) == 41, None,
              "40 slow subscribers")
    before = rss(server)
    for _ in range(20):
        site.change()
        alto.in_step(server, proxy)
    alto.need(rss(server) - before < 150, "%d MB more", rss(server) - before)
    for s in slow:
        s.close()
    alto.wait(lambda: len(server.status()["subscribers"]) == 1, None,
              "they are gone")


def crowd(site, proxy, n):
    """Connections that say nothing, from several addresses."""
    where, crowd_ = address(site.server.urls["push"]), []
    try:
        for i in range(n):
            crowd_.append(socket.create_connection(
                where, source_address=("127.0.1.%d" % (1 + i % 40), 0)))
        site.change()
        alto.in_step(site.server, proxy)
    finally:
        for s in crowd_:
            s.close()


def same_name(server):
    first = alto.Push(server.urls["push"])
    first.send("subscribe", name="twin")
    first.until("subscribed")
    second = alto.Push(server.urls["push"])
    second.send("subscribe", name="twin")
    second.until("subscribed")
    while first.recv():
        pass
    alto.need(first.closed == 4003, "closed with %s", first.closed)
    first.close()
    second.close()


def long_uris(site, proxy):
    """What subscribers say of themselves goes up with the proxy's acks."""
    below = []
    have = json.loads(proxy.get("/state")[2])["state"]
    before = proxy.counts()["reopened"]
    for i in range(600):
        s = alto.Push(proxy.urls["push"])
        s.send("subscribe", name="below-%d" % i, have=have,
               uri="http://x/" + "a" * 1000, push="ws://x/" + "a" * 1000)
        below.append(s)
    alto.wait(lambda: len(proxy.status()["subscribers"]) == 600, None,
              "600 subscribers below")
    site.change()
    alto.in_step(site.server, proxy)
    beats = proxy.counts()["heartbeats"]
    alto.wait(lambda: proxy.counts()["heartbeats"] > beats + 2)
    alto.need(proxy.counts()["reopened"] == before, "%s",
              proxy.counts()["reopened"])
    for s in below:
        s.close()


def subscribers(site, proxy):
    server = site.server
    both = (server, proxy)
    with test("no malformed handshake stays open", *both):
        handshakes(server)
        alto.in_step(*both)
    with test("a browser is not admitted", *both):
        browser(server)
    with test("a malformed message ends its connection alone", *both):
        before = proxy.counts()["reopened"]
        for what, data in bad_messages(server).items():
            send_bad(server, what, data)
        site.change()
        alto.in_step(*both)
        alto.need(proxy.counts()["reopened"] == before,
                  "the proxy lost its connection: %s",
                  proxy.counts()["reopened"])
    with test("the JSON suite as messages ends their connections", *both):
        folder = alto.shared("hostile", "json-test-suite", "test_parsing")
        for name in sorted(os.listdir(folder)):
            with open(os.path.join(folder, name), "rb") as src:
                send_bad(server, name, frame(1, src.read()))
        alto.in_step(*both)
    with test("floods are cut and leave nothing behind", *both):
        floods(server)
        alto.in_step(*both)
    with test("a name belongs to the newest of its connections", *both):
        same_name(server)
    with test("slow readers cost little and hold up nobody", *both):
        slow_readers(site, proxy)
    with test("hundreds of silent connections hold up nobody", *both):
        crowd(site, proxy, 500)
    with test("long URIs of those below do not cut a proxy off", *both):
        long_uris(site, proxy)


# --- clients and operators ---------------------------------------------------

def ask(url, data):
    """Sends data as it is; all that comes back until the end."""
    with socket.create_connection(address(url)) as s:
        push(s, data)
        return closed(s, repr(data[:60]))


REST = b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
NO_PATHS = (b"/", b"//directory", b"/maps//net", b"/maps/../directory",
            b"/maps/%2e%2e/directory", b"/maps%2fnet", b"/directory/",
            b"/maps/net%00", b"/maps/..", b"/maps/", b"/maps/.directory",
            b"/maps/" + b"a" * 8192, b"/maps/\xff\xfe", b"*", b"/%",
            b"/maps/NET", b"/maps/%22%3Cscript%3E")


def status_of(answer):
    found = re.match(rb"HTTP/1\.[01] (\d+)", answer)
    return int(found[1]) if found else 0


def clients(server):
    url = server.urls["http"]
    with test("paths with tricks are not found, with an ALTO error",
              server):
        for path in NO_PATHS:
            got = ask(url, b"GET " + path + REST)
            # "*" is for OPTIONS alone: RFC 9112 s3.2.4.
            alto.need(status_of(got) == (400 if path == b"*" else 404),
                      "%r: %r", path, got[:80])
            error = json.loads(got.split(b"\r\n\r\n", 1)[1])
            alto.need(error["meta"]["code"], "%r: no code", path)
    with test("other methods are refused, with an ALTO error", server):
        for method in (b"POST", b"PUT", b"DELETE", b"TRACE", b"CONNECT",
                       b"get", b"G" * 2000):
            got = ask(url, method + b" /directory" + REST)
            alto.need(status_of(got) == 405, "%r: %r", method, got[:80])
    with test("what is no HTTP or too large gets an error or the end",
              server):
        for data in (b"GET /directory\r\n\r\n", b"\x16\x03\x01\r\n\r\n",
                     b"GET /directory HTTP/9.9\r\n\r\n",
                     b"GET /" + b"a" * 60000 + REST,
                     b"GET / HTTP/1.1\r\nX: " + b"a" * 200000 + REST[9:],
                     b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 20000 + REST[9:],
                     b"POST / HTTP/1.1\r\nContent-Length: -1\r\n" + REST[11:],
                     b"POST / HTTP/1.1\r\nContent-Length: " + b"9" * 20 +
                     b"\r\n" + REST[11:],
                     b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n" +
                     REST[11:] + b"zz\r\n"):
            got = ask(url, data)
            alto.need(not got or status_of(got) >= 400, "%r: %r", data[:60],
                      got[:60])
    with test("a thousand pipelined requests are all answered", server):
        got = ask(url, b"GET /maps/net HTTP/1.1\r\nHost: x\r\n\r\n" * 999 +
                  b"GET /maps/net" + REST)
        alto.need(got.count(b"HTTP/1.1 200") == 1000, "%d answers",
                  got.count(b"HTTP/1.1 200"))
    with test("200, HEAD and 304 carry the same headers", server):
        full = server.get("/maps/net")
        for again in (server.get("/maps/net", method="HEAD"),
                      server.get("/maps/net", {"If-None-Match": 'W/"x", ' +
                                               full[1]["etag"]})):
            alto.need(not again[2], "a body")
            alto.need(set(full[1]) - {"content-length"} ==
                      set(again[1]) - {"content-length"}, "%s",
                      set(full[1]) ^ set(again[1]))
    with test("slow and idle clients do not keep others waiting", server):
        idle(server)


def idle(server):
    idlers = []
    try:
        for i in range(400):
            s = socket.create_connection(
                address(server.urls["http"]),
                source_address=("127.0.2.%d" % (1 + i % 4), 0))
            s.sendall(b"GET /maps/net HTTP/1.1\r\nX:" if i & 1 else
                      b"GET /maps/net HTTP/1.1\r\nHost: x\r\n\r\n")
            idlers.append(s)
        begin = time.monotonic()
        alto.need(server.get("/state")[0] == 200, "no answer")
        alto.need(time.monotonic() - begin < 15, "late")
    finally:
        for s in idlers:
            s.close()


def control(server):
    def say(data):
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(alto.WAIT_S)
            s.connect(server.socket)
            push(s, data)
            with contextlib.suppress(OSError):
                s.shutdown(socket.SHUT_WR)
            return closed(s, repr(data[:40]))

    with test("garbage on the control socket is answered by an error",
              server):
        for data in (b"\xff\0\n", b"\n", b"{}\n", b'{"command":1}\n',
                     b'{"command":"x\\u0000"}\n', b"[" * 60000 + b"\n",
                     b'{"command":"%s"}\n' % (b"a" * 100)):
            got = say(data)
            alto.need(b'"error"' in got, "%r: %r", data[:40], got[:100])
        for data in (b"a" * 70000 + b"\n", b"a" * 1000000,
                     b'{"command":"status"}'):
            alto.need(not say(data), "%r: answered", data[:40])
        got = say(b'{"command":"status"}\r\n' * 200)
        alto.need(got.count(b"\n") == 200, "%d answers", got.count(b"\n"))
        server.status()


# --- a publisher that lies ---------------------------------------------------

def edit_data(c):
    c["data"] = json.loads(json.dumps(c.get("data", {})).replace("2.5", "9.5")
                           .replace("3.5", "9.5"))
    c["data"]["cost-map"] = {"a": {"b": 99}}


def explode(c):
    c["data"] = {"cost-map": {"a%d" % i: {"a": i, "b": i}
                              for i in range(20000)}}


def copies(c):
    c["media-type"] = "application/json-patch+json"
    c["data"] = [{"op": "copy", "from": "/cost-map",
                  "path": "/cost-map/a%d" % i} for i in range(5000)]


def doubled(name, members):
    return dumps(name, members) * (2 if name == "update" else 1)


def replayed():
    """The first state is told for ever."""
    first = []

    def word(name, members):
        if "state" in members:
            first.append(members["state"])
            members = dict(members, state=first[0])
        return dumps(name, members)
    return word


LIES = {
    "a signature with a bit changed": set_state(2, flip),
    "a root with a bit changed": set_state(0, lambda s: flip(s, 10)),
    "a serial of its own": set_state(
        0, lambda s: re.sub(r"serial=(\d+)", "serial=999", s)),
    "another session": set_state(
        0, lambda s: re.sub(r'session="0', 'session="1', s)),
    "a signature that begins tomorrow": set_state(
        1, lambda s: re.sub(r"created=\d+", "created=%d" % (
            time.time() + 86400), s)),
    "a leaf with a bit changed": with_change(
        lambda c: c.update(resource=flip(c["resource"], 12))),
    "a digest with a bit changed": with_change(
        lambda c: c.update(resource=re.sub(
            r"sha-256=:(.)", "sha-256=:+", c["resource"]))),
    "another base": with_change(lambda c: c.update({"from": "0" * 64})),
    "another value": with_change(edit_data),
    "a patch that grows": with_change(explode),
    "a patch that doubles": with_change(copies),
    "a patch that is a number": with_change(lambda c: c.update(data=1)),
    "the wrong kind of patch": with_change(
        lambda c: c.update({"media-type": "text/plain"})),
    "a resource of another id": with_change(
        lambda c: c.update(resource=c["resource"].replace('"cost"', '"net"'))),
    "a directory that is gone": of_updates(
        lambda m: m.update(changes=[{"gone": ".directory"}])),
    "everything gone": of_updates(lambda m: m.update(
        changes=[{"gone": g} for g in (".directory", "net", "cost")])),
    "no changes": of_updates(lambda m: m.update(changes=[])),
    "half an update": lambda name, members: [
        dumps(name, members)[0][:-9 if name == "update" else None]],
    "an update twice": doubled,
    "updates left out": lambda name, members: (
        [] if name == "update" else dumps(name, members)),
    "the first state for ever": None,
}


def tell_lie(site, proxy, liar, what, word):
    before = surprises(proxy)
    liar.word = word or replayed()
    quiet = what in ("an update twice",)
    liar.hang_up() if word is None else None
    site.change()
    if quiet:
        alto.in_step(site.server, proxy)
    else:
        site.change()
        noticed(proxy, before)
    back(site, proxy, liar)


def endless(status, headers, body):
    def send(c):
        c.sendall(b"HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n\r\n")
        while True:
            c.sendall(b"10000\r\n" + b" " * 65536 + b"\r\n")
    return send


def endless_header(status, headers, body):
    def send(c):
        c.sendall(b"HTTP/1.1 200 X\r\n")
        while True:
            c.sendall(b"X: " + b"y" * 8000 + b"\r\n")
    return send


def shortened(status, headers, body):
    return status, dict(headers, **{"Content-Length": "9999"}), body


def elsewhere(url):
    return lambda status, headers, body: (302, {"Location": url}, b"")


def swapped(site):
    def change(status, headers, body):
        code, _, other = site.server.get("/maps/net")
        return code, {k: v for k, v in headers.items()
                      if k.lower() != "content-length"}, other
    return change


def stale(site):
    """What is there now, after what is there then."""
    code, headers, body = site.server.get("/maps/cost")
    return lambda *answer: (code, headers, body)


def edited(status, headers, body):
    return status, headers, body.replace(b'{"a":1,', b'{"a":7,')


def packed(status, headers, body):
    small = gzip.compress(bytes(50 << 20))
    return status, dict(headers, **{"Content-Encoding": "gzip",
                                    "Content-Length": str(len(small))}), small


def bodies(site, other):
    return {
        "another value": edited,
        "the body of another map": swapped(site),
        "an older body": None,
        "a body that ends early": shortened,
        "a body without end": endless,
        "headers without end": endless_header,
        "a redirect to another server": elsewhere(
            other.server.url + "/maps/cost"),
        "a redirect to a file": elsewhere("file:///etc/passwd"),
        "an answer that unpacks to 50 MB": packed,
        "nothing but errors": lambda *a: (503, {}, b""),
        "not a word of HTTP": lambda *a: lambda c: c.sendall(b"\0" * 99),
        "no headers of ours": lambda status, headers, body: (
            200, {"Content-Type": headers["Content-Type"]}, body),
    }


def tell_body(site, proxy, liar, change):
    before, most = surprises(proxy), peak(proxy)
    asked = liar.asked
    liar.word, liar.web = ordering(site), of_cost(change or stale(site))
    site.change()
    noticed(proxy, before)
    alto.need(liar.asked > asked, "it did not ask")
    back(site, proxy, liar)
    alto.need(peak(proxy) - most < 200, "a map of 300 bytes took %d MB",
              peak(proxy) - most)


def forged(server, n):
    """A state of n resources under the honest one's signature."""
    st = json.loads(server.get("/state")[2])["state"]
    st[0] = re.sub(r"resources=\d+", "resources=%d" % n, st[0])
    leaf = ('"r%04d";tag="%064d";size=9;sha-256=:' + "A" * 43 + '=:;type='
            '"application/alto-networkmap+json"')
    return st, [leaf % (i, i) for i in range(n)]


def many_leaves(server):
    st, leaves = forged(server, 1000)

    def word(name, members):
        if name == "update":
            return dumps("snapshot", {"state": st, "resources": leaves})
        return dumps(name, members)
    return word


def flood_of_updates(n, size):
    """Each update is followed by others that nothing vouches for."""
    def word(name, members):
        texts = dumps(name, members)
        if name != "update":
            return texts
        serial = int(re.search(r"serial=(\d+)", members["state"][0])[1])
        texts = []
        for i in range(n):
            m = json.loads(json.dumps(members))
            m["state"][0] = re.sub(r"serial=\d+", "serial=%d" % (serial + i),
                                   m["state"][0])
            m["changes"][0]["data"] = {"cost-map": {"a": {
                "b%d" % k: k for k in range(size)}}}
            texts += dumps(name, m)
        return texts
    return word


UPGRADES = {
    "a frame of 2^62 bytes": lambda c: c.sendall(
        frame(1, b"", mask=False, claim=1 << 62)),
    "a binary frame": lambda c: c.sendall(frame(2, b"x" * 99, mask=False)),
    "a reserved opcode": lambda c: c.sendall(frame(5, b"x", mask=False)),
    "an endless message": lambda c: [
        c.sendall(frame(0 if i else 1, b" " * 60000, last=False, mask=False))
        for i in range(100000)],
    "deep nesting": lambda c: c.sendall(
        frame(1, b'{"hello":' + b"[" * 500000, mask=False)),
    "a mask": lambda c: c.sendall(frame(1, b'{"bye":{}}')),
    "hello without members": lambda c: c.sendall(
        frame(1, b'{"hello":{}}', mask=False)),
    "update before hello": lambda c: c.sendall(
        frame(1, b'{"update":{}}', mask=False)),
}


def upgrade(site, proxy, liar, what):
    """Frames instead of a publisher. The proxy comes again and again."""
    asked = liar.asked
    liar.upgrade = UPGRADES[what]
    liar.hang_up()
    alto.wait(lambda: liar.asked > asked + 2, None, "it comes again")
    back(site, proxy, liar)


def publisher(top, site, proxy, liar, other):
    all_of = (site.server, proxy)
    watch = Watch(site, proxy)
    try:
        for what, word in LIES.items():
            if selected(what):
                with test("a publisher that tells: " + what, *all_of):
                    tell_lie(site, proxy, liar, what, word)
        for what, change in bodies(site, other).items():
            if selected(what):
                with test("a publisher that serves: " + what, *all_of):
                    tell_body(site, proxy, liar, change)
        for what in UPGRADES:
            if selected(what):
                with test("a publisher that sends: " + what, *all_of):
                    upgrade(site, proxy, liar, what)
        with test("a thousand leaves that were never signed", *all_of):
            tell_lie(site, proxy, liar, "leaves", many_leaves(site.server))
        with test("updates that never verify do not pile up", *all_of):
            was = rss(proxy)
            tell_lie(site, proxy, liar, "flood", flood_of_updates(50, 5000))
            alto.need(rss(proxy) - was < 300, "%d MB more", rss(proxy) - was)
        with test("another service under the same address is refused",
                  *all_of):
            before = surprises(proxy)
            liar.honest = other.server
            liar.hang_up()
            noticed(proxy, before)
            liar.honest = site.server
            back(site, proxy, liar)
        with test("the same service under a key of its own is refused",
                  *all_of):
            impostor(top, site, proxy, liar)
        with test("what was never published was never served", *all_of):
            alto.need(not watch.bad, "%s", watch.bad[:3])
            alto.need(watch.serial > 0, "nothing was looked at")
    finally:
        watch.stop()


def impostor(top, site, proxy, liar):
    service = re.search(r'service="([^"]+)', site.server.get(
        "/directory")[1]["alto-state"])[1]
    false = Site(top, "impostor", service=service)
    for _ in range(3):
        false.change()
    before = surprises(proxy)
    liar.honest = false.server
    liar.hang_up()
    noticed(proxy, before)
    liar.honest = site.server
    back(site, proxy, liar)
    false.server.stop()


def hints(site, proxy, liar):
    """What a publisher may say without a signature must not harm for long."""
    all_of = (site.server, proxy)
    with test("a false heartbeat does not make old data fresh", *all_of):
        liar.word = lambda name, members: dumps(name, dict(
            members, heartbeat=86400) if name == "hello" else members)
        asked = liar.asked
        liar.hang_up()
        alto.wait(lambda: liar.asked > asked and
                  proxy.counts()["phase"] == "current")
        site.change()
        alto.in_step(*all_of)
        age = proxy.get("/maps/net")[1]["cache-control"]
        liar.tell_truth()
        liar.hang_up()
        alto.need(int(re.search(r"max-age=(\d+)", age)[1]) <= 60, "%s", age)
    with test("a false good-bye does not keep the proxy away", *all_of):
        liar.word = lambda name, members: (
            dumps("bye", {"reason": "going away", "retry-after": 86400})
            if name == "hello" else dumps(name, members))
        before = surprises(proxy)
        liar.hang_up()
        noticed(proxy, before)
        liar.tell_truth()
        site.change()
        alto.in_step(*all_of)


def pending(site, proxy, liar):
    all_of = (site.server, proxy)
    with test("a false delay of a pull ends with the connection, and the "
              "proxy stops at once", *all_of):
        def word(name, members):
            if name == "update":
                members = dict(members, changes=[
                    {"resource": c["resource"], "pull": 86400}
                    for c in members["changes"]])
            return dumps(name, members)
        liar.word = word
        site.change()
        alto.wait(lambda: proxy.counts()["phase"] == "behind")
        liar.tell_truth()
        liar.hang_up()
        alto.in_step(*all_of)
        alto.need(proxy.stop() == 0, "it did not stop well")
        proxy.start()
        alto.in_step(*all_of)


def main():
    with alto.folder() as top:
        if selected("files"):
            files(top)
        site = Site(top, "server", push={
            "listen": "127.0.0.1:0", "connections-per-address": 3000},
            http={"listen": "127.0.0.1:0",
                  "connections-per-address": 1000})
        if selected("subscribers"):
            proxy = alto.Proxy(
                top, site.server, "near", upstream={"retry-max": 1},
                push={"listen": "127.0.0.1:0",
                      "connections-per-address": 1000}).start()
            alto.in_step(site.server, proxy)
            subscribers(site, proxy)
            proxy.stop()
        if selected("clients"):
            clients(site.server)
            control(site.server)
        liar = Liar(site.server)
        other = Site(top, "other")
        proxy = alto.Proxy(top, liar, "far",
                           upstream={"retry-max": 1}).start()
        alto.in_step(site.server, proxy)
        publisher(top, site, proxy, liar, other)
        if selected("hints"):
            pending(site, proxy, liar)
            hints(site, proxy, liar)
    return tests.end()


if __name__ == "__main__":
    sys.exit(main())
