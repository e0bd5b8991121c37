#!/usr/bin/env python3
"""Attacks and accidents on the listener for clients, of a server and of the
proxy below it, over real sockets: what comes slowly, is too large, or too many. See
tests/witness.py for what must hold meanwhile.

Usage: run_http.py [CHAPTER...]	bodies, slow, sizes, crowds
"""
import collections
import contextlib
import itertools
import json
import os
import resource
import select
import socket
import sys
import threading
import time

import alto
from alto import Failed, need
from witness import (
    BODY_S, CONNS, HEADER_S, IDLE_S, KINDS, LATE, MALFORMED, MEDIA, NO_PLACE,
    NO_PLACE_FOR_ADDRESS, PER_ADDRESS, REQUEST, TOO_LARGE, Wire, attack,
    chunked, files_of, main, metric, request, statuses, talk)

# --- bodies ------------------------------------------------------------------

# Texts that are JSON and still refused as syntax: a name twice leaves open
# which is meant (ask_json.h), and depth has a limit.
TWICE = ("y_object_duplicated_key.json",
         "y_object_duplicated_key_and_value.json")
SMALL = {
    "n_cut": b'{"pids":', "n_nothing": b"", "n_quotes": b"{'pids':[]}",
    "n_more": b"{} x", "n_comma": b'{"pids":[1,]}', "n_nan": b"[NaN]",
    "n_utf8": b'{"pids":["\xff"]}', "n_utf16": '{"a":1}'.encode("utf-16"),
    "n_nul": b"{}\0", "n_surrogate_cut": b'["\\ud8"]',
    "n_deep": b'{"a":' * 50000, "n_deep_array": b"[" * 100000,
    "n_bom_alone": b"\xef\xbb\xbf", "n_number": b"[01]",
    "n_control": b'["\x1f"]', "n_plus": b"[+1]",
    "y_empty": b"{}", "y_array": b"[]", "y_number": b"-0",
    "y_string": b'"pids"', "y_null": b"null", "y_space": b" \t\r\n{}\n",
    "y_escapes": b'{"\\u0000\\ud834\\udd1e":"\\u0000"}',
    "y_depth": b'{"a":' * 31 + b"1" + b"}" * 31,
    "i_depth": b"[" * 40 + b"]" * 40, "i_number": b"[1e999]",
    "i_integer": b"[" + b"9" * 400 + b"]", "i_surrogate": b'["\\udc00"]',
    "i_bom": b"\xef\xbb\xbf{}", "i_twice": b'{"a":1,"a":1}',
    "i_nodes": b"[" + b"[]," * 300000 + b"[]]",
}


def suite():
    folder = alto.shared("hostile", "json-test-suite", "test_parsing")
    out = {}
    for name in sorted(os.listdir(folder)):
        with open(os.path.join(folder, name), "rb") as src:
            out[name] = src.read()
    need(out, "no files")
    return out


def judge(name, reply):
    need(reply, "%s: closed", name)
    if reply.status == 200 and name[0] == "y":
        return
    try:
        reply.is_error(400)
    except Failed as e:
        raise Failed("%s: %s" % (name, e)) from None
    syntax = reply.meta["code"] == "E_SYNTAX"
    if name[0] == "n":
        need(syntax, "%s was taken: %s", name, reply)
    elif name[0] == "y" and name not in TWICE:
        need(not syntax, "%s: %s", name, reply)


def one_by_one(world, daemon, kind, bodies):
    with Wire(daemon) as w:
        for name, body in bodies.items():
            w.send(world.ask(kind, body))
            judge(name, w.reply())
        w.send(world.ask(kind))
        need(w.reply().status == 200, "%s: a good one after them", kind)


def pipelined(world, daemon, kind, bodies):
    """All are sent while the answers are still to be read."""
    with Wire(daemon) as w:
        data = b"".join(world.ask(kind, b) for b in bodies.values())
        sender = threading.Thread(target=w.send, args=(
            data + world.ask(kind) + world.get(),), daemon=True)
        sender.start()
        for name in bodies:
            judge(name, w.reply())
        need(w.reply().status == 200, "%s: a good one after them", kind)
        need(w.reply().body == world.full, "the map after them")
        sender.join(alto.WAIT_S)


def all_kinds(texts, *ways):
    def check(world, daemon):
        for kind, way in itertools.product(KINDS, ways):
            way(world, daemon, kind, texts())
    return check


def bodies(world):
    refused = ("alto_computed_refused_total",)
    attack(world, "bodies that are no requests are refused by their kind",
           all_kinds(lambda: SMALL, one_by_one, pipelined), 64, refused)
    attack(world, "bodies of the JSON suite are refused by their kind",
           all_kinds(suite, pipelined) if alto.quick() else
           all_kinds(suite, one_by_one, pipelined), 64, refused)


# --- slow --------------------------------------------------------------------

class Slow:
    """A connection that says its text a byte at a time."""

    def __init__(self, daemon, text, at_once=b"", source="127.0.0.3"):
        self.wire = Wire(daemon, source)
        self.wire.send(at_once)
        self.wire.socket.setblocking(False)
        self.text = iter(text)
        self.got = b""
        self.begun, self.lived = time.monotonic(), None

    def say(self):
        byte = next(self.text, None)
        if byte is not None and self.lived is None:
            with contextlib.suppress(OSError):
                self.wire.socket.send(bytes([byte]))

    def hear(self):
        try:
            more = self.wire.socket.recv(65536)
        except BlockingIOError:
            return
        except OSError:
            more = b""
        self.got += more
        if not more:
            self.lived = time.monotonic() - self.begun
            self.wire.close()


def until_cut(all_of, every=0.25):
    """Each says a byte at a time until the other end has had enough."""
    left = {s.wire.socket.fileno(): s for s in all_of}
    end = time.monotonic() + alto.WAIT_S
    while left:
        need(time.monotonic() < end, "%d of %d left open", len(left),
             len(all_of))
        for s in left.values():
            s.say()
        poll, then = select.poll(), time.monotonic() + every
        for fd in left:
            poll.register(fd, select.POLLIN)
        while left and time.monotonic() < then:
            for fd, _ in poll.poll(1000 * max(0, then - time.monotonic())):
                left[fd].hear()
                if left[fd].lived is not None:
                    poll.unregister(fd)
                    del left[fd]


def cut_off(all_of, after, answered=True):
    """They were cut, not before their time, and told so if they had said
    anything."""
    until_cut(all_of)
    soonest = min(s.lived for s in all_of)
    need(soonest > 0.8 * after, "cut after %.1f s of %d", soonest, after)
    for s in all_of:
        need(not s.got or s.got.startswith(b"HTTP/1.1 408 "), "%r",
             s.got[:100])
    told = sum(bool(s.got) for s in all_of)
    need(told == len(all_of) if answered else not told, "%d of %d told",
         told, len(all_of))


def slow_headers(world):
    cut_off([Slow(d, world.get()) for d in world.both
             for _ in range(world.many)], HEADER_S)


def slow_bodies(world):
    """Every other one announces its body and does not send it."""
    post = world.ask("endpoint-costs")
    at = post.index(b"\r\n\r\n") + 4
    cut_off([Slow(d, post[at:] if i & 1 else b"", post[:at])
             for d in world.both for i in range(world.many)], BODY_S)


def silent(world):
    cut_off([Slow(d, b"") for d in world.both for _ in range(world.many)],
            HEADER_S, answered=False)


def idle(world):
    all_of = [Slow(d, b"", world.get()) for d in world.both
              for _ in range(world.many)]
    until_cut(all_of)
    need(all(s.got.count(b"HTTP/1.1 ") == 1 and s.got.endswith(world.full)
             for s in all_of), "not the map alone")


def slow_readers(world):
    """They ask for more than fits anywhere, and never read."""
    before = {d: files_of(d) for d in world.both}
    with contextlib.ExitStack() as wires:
        for d in world.both:
            for i in range(12 if alto.quick() else 48):
                w = wires.enter_context(Wire(d, "127.0.0.4", window=4096))
                w.send(world.get("big-cost", *(
                    ("Accept-Encoding: gzip",) if i & 1 else ())) *
                    (1 + i % 3))
            alto.wait(lambda d=d: files_of(d) > before[d] + 10, None,
                      "%s lets them in" % d.name)
        for d in world.both:
            alto.wait(lambda d=d: files_of(d) <= before[d] + 4, None,
                      "%s closes those that never read" % d.name)


def given_up(world, daemon):
    """Requests that are never finished, from more clients than may come in at
    once: none is waited for once its client is gone, so none is ever late."""
    post = world.ask("endpoint-costs")
    late, files = metric(daemon, LATE), files_of(daemon)
    for text in (b"GET / HT", world.get()[:-2], post[:-1],
                 world.get() + post[:-1]):
        for how in (socket.SHUT_WR, socket.SHUT_RDWR):
            with contextlib.ExitStack() as wires:
                for _ in range(PER_ADDRESS - 6):
                    w = wires.enter_context(Wire(daemon, "127.0.0.5"))
                    w.send(text)
                    w.socket.shutdown(how)
                alto.wait(lambda: files_of(daemon) <= files + 4, None,
                          "they are gone")
            need(talk(daemon, world.get(), source="127.0.0.5")[0].status ==
                 200, "that address is not served")
    need(metric(daemon, LATE) == late, "they were waited for")


def half_closed(world, daemon):
    """Who sends no more still gets all answers that it asked for."""
    asks = [world.get("big-cost"), world.ask("endpoint-costs"), world.get()]
    got = [talk(daemon, ask)[0] for ask in asks]
    for more in (b"", asks[1][:-1]):
        with Wire(daemon, "127.0.0.5") as w:
            w.send(b"".join(asks) + more)
            w.socket.shutdown(socket.SHUT_WR)
            # Somebody who came later and asks nothing has been let go since.
            with Wire(daemon, "127.0.0.5") as idle:
                idle.socket.shutdown(socket.SHUT_WR)
                need(idle.reply() is None, "an answer to nothing")
            for want in got:
                r = w.reply()
                need(r and r.status == 200 and r.body == want.body,
                     "%s instead of %s", r, want)
            need(w.reply() is None, "one answer too many")


def slow(world):
    late = (LATE,)
    for what, check, counters in (
            ("slow headers are cut at their time", slow_headers, late),
            ("slow bodies, and those never sent, are cut at their time",
             slow_bodies, late),
            ("silent connections are closed without a word", silent, ()),
            ("what is idle between requests is closed", idle, ()),
            ("readers that never read a large map cost little and are closed",
             slow_readers, ())):
        attack(world, what, check, 100, counters, together=True)
    attack(world, "who gives up in the midst of a request keeps no place",
           given_up, 64)
    attack(world, "who ends its side of the connection gets its answers",
           half_closed, 64)


# --- sizes and frames --------------------------------------------------------


def too_large(world, daemon):
    """413 with an error object, if there is anything to be refused at all."""
    path = world.paths["costs"]
    kind = "Content-Type: " + MEDIA % "costmapfilter"
    for what, data in {
            "sent": world.ask("costs", b" " * (REQUEST + 1)),
            "sent twice as long": world.ask("costs", b" " * (2 * REQUEST)),
            "expected": request("POST", path, kind, "Expect: 100-continue",
                                "Content-Length: %d" % (REQUEST + 1)),
            "announced": request("POST", path, kind,
                                 "Content-Length: 1000000000"),
            "in chunks": request("POST", path, kind,
                                 "Transfer-Encoding: chunked") +
            chunked(b" " * (REQUEST + 1))}.items():
        got = talk(daemon, data, ends=False)
        need(len(got) == 1, "%s: %d answers", what, len(got))
        got[0].is_error(413)
    # Without end, so what must come is the end.
    with Wire(daemon) as w:
        w.send(request("POST", path, kind, "Transfer-Encoding: chunked"))
        with contextlib.suppress(OSError):
            for _ in range(1024):
                w.socket.sendall(b"10000\r\n" + b" " * 65536 + b"\r\n")
            raise Failed("64 MB in chunks are taken")


def as_large_as_may_be(world, daemon):
    body = json.dumps(KINDS["costs"][2]).encode()
    got = talk(daemon, world.ask("costs", body.ljust(REQUEST)))
    need(len(got) == 1 and got[0].status == 200, "%s", got and got[0])


def long_heads(world, daemon):
    path = world.maps["net"]
    for what, wanted, data in (
            ("a header", (431,), request("GET", path, "X: " + "y" * 40000)),
            ("headers", (431,), request("GET", path, *["X: y"] * 9000)),
            ("headers without end", (431,),
             request("GET", path, *["X: " + "y" * 1000] * 500)),
            ("a line", (414, 431), request("GET", "/" + "a" * 40000)),
            ("a line without end", (414, 431), b"GET /" + b"a" * 200000),
            ("a method", (400, 405, 413, 414, 431, 501),
             b"G" * 40000 + request("ET", path)),
            ("a query", (414, 431), request("GET", path + "?" + "a" * 40000)),
            ("a name", (431,), request("GET", path, "X" * 40000 + ": y"))):
        got = talk(daemon, data, ends=False)
        need(len(got) == 1 and got[0].status in wanted, "%s: %s", what,
             " ".join(map(str, got)) or "closed")


def ends_early(world, daemon):
    """Cut at each of its bytes, a request is never answered as a good one."""
    good = world.ask("endpoint-costs")
    step = 7 if alto.quick() else 1
    for part in itertools.islice(itertools.count(), 0, len(good), 100):
        wires = []
        for n in range(part, min(part + 100, len(good)), step):
            wires.append(Wire(daemon))
            wires[-1].send(good[:n])
            wires[-1].end()
        for w in wires:
            need(all(400 <= r.status < 500 for r in w.replies()),
                 "cut, and answered")
            w.close()
    got = talk(daemon, good)
    need(len(got) == 1 and got[0].status == 200, "whole: %s", got)


def frames(world):
    """(what, statuses that may come, request): 0 is the end without an
    answer. Each hides a second request, which must not be answered."""
    path = world.paths["endpoint-costs"]
    body = json.dumps(KINDS["endpoint-costs"][2]).encode()
    kind = "Content-Type: " + MEDIA % "endpointcostparams"
    hidden = request("GET", "/state")
    size = "Content-Length: %d" % len(body)
    te = "Transfer-Encoding: chunked"
    bad = (0, 400, 408, 413)
    out = []

    def add(what, headers, data, wanted=bad):
        out.append((what, wanted,
                    request("POST", path, kind, *headers) + data + hidden))

    for value in ("-1", "-0", "+5", "0x10", "5,5", "5 5", "", "a", "1e3",
                  "9" * 19, "9" * 20, str(1 << 63), str(1 << 64),
                  str((1 << 64) + len(body)), "9" * 2000, "\x0b5"):
        add("Content-Length: " + value, ["Content-Length: " + value], body)
    add("two lengths", [size, size], body)
    add("two lengths that differ", [size, "Content-Length: 5"], body)
    add("a length and chunks", [size, te], chunked(body))
    add("chunks and a length", [te, size], chunked(body))
    add("chunks and no length", [te, "Content-Length: 0"], chunked(body))
    add("chunks twice", [te, te], chunked(body), (0, 400, 501))
    for coding in ("identity", "gzip, chunked", "chunked, identity",
                   "xchunked", "chunked\x0b", "\x0bchunked", '"chunked"',
                   "chunked;a=b", ",chunked", "chunked,"):
        add("coding " + coding, ["Transfer-Encoding: " + coding, size], body,
            (0, 400, 501))
        add("coding alone " + coding, ["Transfer-Encoding: " + coding],
            chunked(body), (0, 400, 501))
    add("a space before the colon", ["Content-Length : 5", te],
        chunked(body))
    add("a folded line", ["X: y", " Transfer-Encoding: chunked",
                          "Content-Length: 5", te], chunked(body))
    add("a folded value", ["Transfer-Encoding:", " chunked", size],
        chunked(body))
    add("two hosts", ["Host: y", size], body)
    for line in (b"zz", b"-1", b"0x5", b"+5", b"", b" ", b"5 5", b";",
                 b"f" * 17, b"1" + b"0" * 16, b"f" * 400, b"7" + b"f" * 15,
                 b"5\0", b"\xff"):
        add("chunk %r" % line[:20], [te],
            line + b"\r\n" + body + b"\r\n0\r\n\r\n")
    add("a chunk without an end", [te], b"5\r\n" + body)
    add("a chunk shorter than said", [te], b"fff\r\n" + body)
    return out


def smuggling(world, daemon):
    cases = frames(world)
    with contextlib.ExitStack() as open_now:
        wires = [open_now.enter_context(Wire(daemon)) for _ in cases]
        for w, (_, _, data) in zip(wires, cases):
            w.send(data)
            w.end()
        for w, (what, wanted, _) in zip(wires, cases):
            got = statuses(w) or [0]
            need(set(got) <= set(wanted), "%s: %s", what, got)


def sizes(world):
    attack(world, "bodies over the limit get 413, however they come",
           too_large, 48,
           (TOO_LARGE, "alto_http_errors_total"))
    attack(world, "a body as long as it may be is read", as_large_as_may_be)
    attack(world, "heads over the limit get 431 or 414", long_heads)
    attack(world, "requests cut at any byte are not answered as good",
           ends_early)
    attack(world, "no second request is smuggled in", smuggling, 48,
           (MALFORMED,))


# --- crowds ------------------------------------------------------------------

def raise_files(n):
    """How many sockets may be open here, and a word if that is too few."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    want = n + 500
    if hard != resource.RLIM_INFINITY:
        want = min(want, hard)
    if soft == resource.RLIM_INFINITY or soft >= want:
        want = soft
    else:
        resource.setrlimit(resource.RLIMIT_NOFILE, (want, hard))
    able = n if want == resource.RLIM_INFINITY else max(
        PER_ADDRESS + 50, want - 500)
    if able < n:
        print("# only %d files may be open: %d connections at a time" % (
            want, able), flush=True)
    return min(n, able)


def crowd(daemon, data, sources, most):
    """Each connects and asks; nobody reads until all have. As many as may are
    answered, the others told to come again or closed."""
    begin, got = time.monotonic(), collections.Counter()
    with contextlib.ExitStack() as open_now:
        wires = []
        for source in sources:
            wires.append(open_now.enter_context(Wire(daemon, source)))
            wires[-1].send(data)
        for w in wires:
            r = w.reply()
            got[r.status if r else 0] += 1
            took = time.monotonic() - begin
            # One that had a place, on a machine too slow to read it in time.
            behind = r and r.status == 408 and took > HEADER_S
            need(not r or r.status in (200, 503) or behind, "%s", r)
            need(not r or r.status != 503 or
                 r.headers.get("retry-after", "").isdigit(),
                 "no Retry-After: %s", r)
        late = time.monotonic() - begin > IDLE_S    # places were free again
    served = got[200] + got[408]
    need(most - 16 <= served and (late or served <= most), "%s",
         dict(got))


def one_address(world, daemon):
    n = 1500 if alto.quick() else 10000
    able = raise_files(n)
    for first in range(0, n, able):
        crowd(daemon, world.get(), ["127.0.0.6"] * min(able, n - first),
              PER_ADDRESS)

    def again():
        return talk(daemon, world.get(), source="127.0.0.6")[0].status == 200
    alto.wait(again, None, "that address is served again")


def many_addresses(world, daemon):
    files = files_of(daemon)
    crowd(daemon, world.get(), ["127.0.7.%d" % (1 + i % 6)
                                for i in range(6 * PER_ADDRESS)], CONNS)
    alto.wait(lambda: files_of(daemon) <= files + 4, None, "they are gone")


def crowds(world):
    attack(world, "of ten thousand from one address as many as may come in "
           "are answered, and others are not kept waiting", one_address, 64,
           (NO_PLACE_FOR_ADDRESS,))
    attack(world, "when all places are taken, those who have one are answered",
           many_addresses, 128, (NO_PLACE,),
           kept=True)


STORY = {"bodies": bodies, "slow": slow, "sizes": sizes, "crowds": crowds}


if __name__ == "__main__":
    sys.exit(main(STORY))
