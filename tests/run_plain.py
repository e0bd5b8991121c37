#!/usr/bin/env python3
"""A proxy below a plain ALTO server (RFC 7285), which signs nothing: `unsigned`.

What is served is all of one moment, comes without a proof and says so, goes no
further, and ends when the server has been silent for too long.

	ALTO_BIN=/build tests/run_plain.py [word of the stories to tell]
"""
import http.server
import json
import os
import socket
import sys
import threading
import urllib.parse

import alto
import beside
from alto import need, wait

EXAMPLES = os.path.join(alto.SRC, "examples", "isp")
KINDS = {"network-map": "application/alto-networkmap+json",
         "cost-map": "application/alto-costmap+json"}
PROOF = ("alto-resource", "alto-state", "alto-proof", "alto-push", "signature",
         "signature-input")


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        if self.server.plain:
            self.server.plain.answer(self)
        else:
            self.close_connection = True

    def log_message(self, *_):
        pass


class Plain:
    """The ISP's example maps under absolute and relative URIs, with tags and
    ETags of their own."""

    def __init__(self):
        self.docs = {}
        for rid, name in (("net", "network-map.json"),
                          ("cost-routing", "cost-map.json"),
                          ("cost-hops", "cost-map-hops.json")):
            with open(os.path.join(EXAMPLES, name), encoding="utf-8") as f:
                self.docs[rid] = json.load(f)
        self.elsewhere = {}     # more entries of the directory
        self.broken = {}        # path: body given in place of the right one
        self.status = {}        # path: (status, headers) likewise
        self.after = None       # called with a path when it was answered
        self.version = 0
        self.notes = []         # (path, headers, status)
        self.lock = threading.Lock()
        self.port = alto.free_port()
        self.url = "http://127.0.0.1:%d" % self.port
        self.server = None
        self.retag("net")
        self.up()

    def up(self):
        self.server = http.server.ThreadingHTTPServer(
            ("127.0.0.1", self.port), Handler)
        self.server.daemon_threads = True
        self.server.plain = self
        threading.Thread(target=self.server.serve_forever,
                         kwargs={"poll_interval": 0.05}, daemon=True).start()

    def down(self):
        """Open connections get no more answers either."""
        self.server.plain = None
        self.server.shutdown()
        self.server.server_close()
        self.server = None

    # what there is

    def retag(self, *rids):
        """New tags for them; a network map's goes into all cost maps."""
        with self.lock:
            for rid in rids:
                self.version += 1
                self.docs[rid]["meta"]["vtag"]["tag"] = "v%d" % self.version
            tag = self.docs["net"]["meta"]["vtag"]["tag"]
            for doc in self.docs.values():
                for of in doc["meta"].get("dependent-vtags", ()):
                    of["tag"] = tag

    def edit(self, rid="cost-routing"):
        doc = self.docs[rid]
        if rid == "net":
            pid = sorted(doc["network-map"])[0]
            doc["network-map"][pid].setdefault("ipv4", []).append(
                "203.0.113.%d/32" % (self.version % 250))
        else:
            row = doc["cost-map"][sorted(doc["cost-map"])[0]]
            row[sorted(row)[0]] = 1000 + self.version
        self.retag(rid)

    def kind(self, rid):
        return next(k for k in KINDS if k in self.docs[rid])

    def directory(self):
        types, out = {}, {}
        for rid, doc in self.docs.items():
            uri = "/alto/%s" % rid
            out[rid] = {"media-type": KINDS[self.kind(rid)],
                        "uri": self.url + uri if rid == "net" else uri[6:]}
            if "cost-type" in doc["meta"]:
                types[rid] = doc["meta"]["cost-type"]
                out[rid]["capabilities"] = {"cost-type-names": [rid]}
                out[rid]["uses"] = ["net"]
        out["computed"] = {"media-type": KINDS["cost-map"], "uri": "computed",
                           "accepts": "application/alto-costmapfilter+json",
                           "capabilities": {"cost-type-names": list(types)},
                           "uses": ["net"]}
        out.update(self.elsewhere)
        return {"meta": {"cost-types": types,
                         "default-alto-network-map": "net"}, "resources": out}

    def content(self, path):
        """(media type, body); None: not there."""
        if path == "/alto/":
            return "application/alto-directory+json", self.directory()
        rid = path[len("/alto/"):]
        if rid not in self.docs:
            return None
        return KINDS[self.kind(rid)], self.docs[rid]

    def answer(self, rq):
        path = urllib.parse.urlsplit(rq.path).path
        with self.lock:
            found = self.content(path)
            body = json.dumps(found[1]).encode() if found else b""
        body = self.broken.get(path, body)
        etag = '"%x"' % (hash(body) & (1 << 60) - 1)
        status, headers = self.status.get(path, (200 if found else 404, {}))
        if status == 200 and rq.headers.get("If-None-Match") == etag:
            status, body = 304, b""
        rq.send_response(status)
        if found:
            rq.send_header("Content-Type", found[0])
            rq.send_header("ETag", etag)
        for name, value in headers.items():
            rq.send_header(name, value)
        if status != 304:
            rq.send_header("Content-Length", str(len(body)))
        rq.end_headers()
        rq.wfile.write(body)
        self.notes.append((path, dict(rq.headers), status))
        if self.after:
            self.after(path)

    def asked(self, path="", status=None):
        return [n for n in self.notes if n[0].startswith(path) and
                status in (None, n[2])]


class World:
    def __init__(self, top, start=True, **upstream):
        self.plain = Plain()
        self.proxy = alto.at_home(alto.Proxy(
            top, self.plain, "milan", upstream=dict(
                {"directory": self.plain.url + "/alto/", "mode": "pull",
                 "unsigned": True, "refresh": 1, "retry-max": 1},
                **upstream)))
        if start:
            self.proxy.start()

    def same(self):
        """Is each map served with the content that the server has now?"""
        net = self.proxy.get("/maps/net")
        if net[0] != 200:
            return False
        tag = json.loads(net[2])["meta"]["vtag"]["tag"]
        for rid, doc in self.plain.docs.items():
            code, _, body = self.proxy.get("/maps/" + rid)
            got = json.loads(body) if code == 200 else None
            kind = self.plain.kind(rid)
            if not got or not alike(got[kind], doc[kind]):
                return False
            for of in got["meta"].get("dependent-vtags", ()):
                if of == {"resource-id": "net", "tag": tag}:
                    continue
                need(self.proxy.get("/maps/net")[2] != net[2],
                     "a mixed set: %s beside %s", of, tag)
                return False    # it changed between the questions
        return True

    def follow(self):
        wait(self.same, None, "the proxy has what the server has")

    def upstream(self):
        return self.proxy.counts()

    def trouble(self, word):
        return wait(lambda: word in self.upstream().get("trouble", ""), None,
                    "a trouble with \"%s\"" % word)

    def end(self):
        code = self.proxy.stop()
        need(not self.proxy.sanitizer(), "%s", self.proxy.sanitizer())
        need(code == 0, "it ended with %d", code)
        if self.plain.server:
            self.plain.down()


def alike(a, b):
    """The same content, lists in any order."""
    if isinstance(a, dict):
        return isinstance(b, dict) and a.keys() == b.keys() and all(
            alike(a[k], b[k]) for k in a)
    if isinstance(a, list):
        return sorted(a) == sorted(b)
    return a == b


# --- stories -----------------------------------------------------------------

def served(top):
    w = World(top)
    w.follow()
    doc = w.proxy.directory()
    need("redistribution" not in doc["meta"], "%s", doc["meta"])
    need(set(doc["meta"]["cost-types"]) == {"num-routingcost", "num-hopcount"},
         "%s", doc["meta"]["cost-types"])
    need(doc["meta"]["default-alto-network-map"] == "net", "no default")
    need("://" not in json.dumps(doc), "a URI that is not relative")
    for path in ("/directory", "/maps/net", "/maps/cost-routing"):
        for how in ({}, {"Accept-Encoding": "gzip"}, {"Range": "bytes=0-9"}):
            code, head, _ = w.proxy.get(path, how)
            need(code in (200, 206), "%s: %d", path, code)
            need(not [h for h in PROOF if h in head], "%s: %s", path, head)
            need(head["alto-status"].startswith("unsigned;age="), "%s", head)
        code, head, _ = w.proxy.get(path)
        code, _, body = w.proxy.get(path, {"If-None-Match": head["etag"]})
        need((code, body) == (304, b""), "%s: %d by its ETag", path, code)
    wait(lambda: w.proxy.get("/maps/net", {"Accept-Encoding": "gzip"})[1].get(
        "content-encoding") == "gzip", None, "gzip")
    need(w.proxy.get("/state")[0] == 404, "/state")
    need(w.proxy.get("/maps/nobody")[0] == 404, "a map that is not there")
    w.end()


def computed(top):
    w = World(top)
    w.follow()
    entries = w.proxy.directory()["resources"]
    need({"net:filtered", "net:filtered-cost", "net:endpoint-cost",
          "endpoint-properties"} < set(entries), "%s", list(entries))
    ask = {"cost-type": {"cost-metric": "routingcost",
                         "cost-mode": "numerical"},
           "endpoints": {"srcs": ["ipv4:192.0.2.1"],
                         "dsts": ["ipv4:198.51.100.1"]}}
    code, head, body = w.proxy.get(
        "/" + entries["net:endpoint-cost"]["uri"],
        {"Content-Type": entries["net:endpoint-cost"]["accepts"]},
        method="POST", body=json.dumps(ask))
    need(code == 200, "%d %s", code, body)
    got = json.loads(body)["endpoint-cost-map"]["ipv4:192.0.2.1"]
    need(got == {"ipv4:198.51.100.1": 5}, "%s", got)
    need(not [h for h in PROOF if h in head], "%s", head)
    w.end()


def edits(top):
    w = World(top)
    w.follow()
    for rid in ("cost-routing", "net", "cost-hops", "net"):
        w.plain.edit(rid)
        w.follow()
    tag = w.proxy.get("/maps/cost-routing")[1]["etag"]
    w.plain.edit()
    w.follow()
    need(w.proxy.get("/maps/cost-routing")[1]["etag"] != tag, "the same ETag")
    del w.plain.docs["cost-hops"]
    wait(lambda: w.proxy.get("/maps/cost-hops")[0] == 404, None, "it is gone")
    need(w.same(), "the others stay")
    w.end()


def saved(top):
    """What has not changed is not sent, and stays the same resource."""
    w = World(top)
    w.follow()
    wait(lambda: w.upstream()["phase"] == "current", None, "current")
    serial = w.proxy.status()["serial"]
    w.plain.notes.clear()
    wait(lambda: len(w.plain.asked("", 304)) >= 12, None, "three rounds")
    need(not w.plain.asked("", 200), "%s", w.plain.asked("", 200))
    need(w.proxy.status()["serial"] == serial, "nothing has changed")
    need(w.upstream()["unchanged"] >= 12, "not counted")
    need(w.upstream()["fetches"] == 3, "%s", w.upstream())
    age = w.proxy.get("/maps/net")[1]["alto-status"]
    need(int(age.split("=")[1]) <= 3, "the age counts from the last round")
    w.end()


def mixed(top):
    """The network map changes between its answer and those of the cost maps: all
    is asked again, and nothing that does not belong together is served."""
    w = World(top)
    w.follow()
    left = [1]

    def once(path):
        if path == "/alto/net" and left[0]:
            left[0] -= 1
            w.plain.edit("net")

    w.plain.after = once
    wait(lambda: not left[0], None, "the change")
    w.follow()
    need(any("round=1" in l for l in w.proxy.lines()), "no second round")
    need(any("no-cache" in n[1].get("Cache-Control", "")
             for n in w.plain.notes), "a cache might give it again")
    held = w.proxy.get("/maps/net")[2]
    left[0] = 1 << 30
    w.trouble("3 rounds")
    need(w.upstream()["phase"] == "behind", "%s", w.upstream())
    need(w.proxy.get("/maps/net")[2] == held, "something else is served")
    w.plain.after = None
    w.follow()
    wait(lambda: not w.upstream().get("trouble"), None, "the trouble is over")
    w.end()


def broken(top):
    """One map breaks a rule: nothing of that round is served."""
    w = World(top)
    w.follow()
    held = w.proxy.get("/maps/cost-routing")[2], w.proxy.get("/maps/net")[2]
    bad = json.loads(json.dumps(w.plain.docs["cost-hops"]))
    bad["cost-map"]["pop-milan"]["pop-nowhere"] = 3
    for body, word in ((json.dumps(bad).encode(), "pop-nowhere"),
                       (b"{", "cost-hops"), (b"[]", "cost-hops")):
        w.plain.broken["/alto/cost-hops"] = body
        w.plain.edit("cost-routing")
        w.trouble(word)
        need((w.proxy.get("/maps/cost-routing")[2],
              w.proxy.get("/maps/net")[2]) == held, "half a round is served")
        w.plain.broken.clear()
        w.follow()
        held = w.proxy.get("/maps/cost-routing")[2], held[1]
    doc = w.plain.directory()
    doc["resources"]["no id!"] = doc["resources"]["net"]
    for body, word in ((json.dumps(doc).encode(), "resource-id"),
                       (b'{"meta":{},"resources":{}}', "no network map")):
        w.plain.broken["/alto/"] = body
        w.trouble(word)
        need(w.same(), "what is held stays")
    w.plain.broken.clear()
    wait(lambda: not w.upstream().get("trouble"), None, "the trouble is over")
    code, out, _ = w.proxy.call("resync")
    need(code == 0, "resync: %s", out)
    w.plain.status["/alto/net"] = (500, {})
    code, _, err = w.proxy.call("resync")
    need(code == 1 and "500" in err, "resync says why: %d %s", code, err)
    w.end()


def gone(top):
    """Fresh, stale, expired, and back."""
    w = World(top, keep=6)
    w.follow()
    need(w.proxy.status()["freshness"] == "fresh", "%s", w.proxy.status())
    w.plain.down()
    wait(lambda: w.proxy.status()["freshness"] == "stale", None, "stale")
    code, head, _ = w.proxy.get("/maps/net")
    need(code == 200 and head["alto-status"].startswith("unsigned;age="),
         "stale is still served: %d %s", code, head)
    wait(lambda: w.proxy.get("/maps/net")[0] == 503, None, "expired")
    code, head, body = w.proxy.get("/maps/net")
    need("retry-after" in head and b"fetched" in body, "%s %s", head, body)
    need(w.proxy.admin("/readyz")[0] == 503, "ready")
    w.plain.up()
    w.follow()
    need(w.proxy.status()["freshness"] == "fresh", "not fresh again")
    w.end()


def nothing_kept(top):
    """A restart begins with nothing; what was signed is not given up for it."""
    w = World(top)
    w.follow()
    w.proxy.stop()
    w.plain.down()
    w.proxy.start()
    need(w.proxy.get("/maps/net")[0] == 503, "it serves something")
    need("serial" not in w.proxy.status(), "%s", w.proxy.status())
    w.plain.up()
    w.follow()
    w.end()
    server = alto.Server(top, [("net", os.path.join(EXAMPLES,
                                                    "network-map.json"))])
    server.start()
    turin = alto.Proxy(top, server, "turin", upstream={"mode": "pull"})
    turin.start()
    alto.in_step(server, turin)
    turin.stop()
    turin.upstream["unsigned"] = True
    turin.start(ready=False)
    need(turin.process.wait(alto.WAIT_S) == 1, "it starts")
    turin.process = None
    need(any("set another state" in l for l in turin.lines()), "%s",
         turin.lines()[-3:])


def elsewhere(top):
    """Maps of another origin are left out, once said."""
    w = World(top, start=False)
    w.plain.elsewhere["far"] = {
        "media-type": KINDS["cost-map"], "uri": "http://127.0.0.1:1/far",
        "capabilities": {"cost-type-names": ["cost-hops"]}, "uses": ["net"]}
    w.proxy.start()
    w.follow()
    need("far" not in w.proxy.directory()["resources"], "it is listed")
    wait(lambda: w.upstream()["polls"] >= 12, None, "three rounds")
    said = [l for l in w.proxy.lines() if '"far"' in l]
    need(len(said) == 1, "%s", said)
    w.end()


def says_so(top):
    w = World(top)
    w.follow()
    need(any("unsigned" in l and "no client can check" in l
             for l in w.proxy.lines()), "no warning at the start")
    s = w.proxy.status()
    need(s["unsigned"] is True and s["upstreams"][0]["unsigned"] is True,
         "%s", s)
    need("service" not in s and "session" not in s and "key" not in s,
         "%s", s)
    out = w.proxy.call("status")[1]
    need("unsigned, fresh, fetched" in out.splitlines()[0], "%s", out)
    text = w.proxy.admin("/metrics")[2].decode()
    need("\nalto_unsigned 1\n" in text, "no such metric")
    code, _, err = w.proxy.call("trust")
    need(code == 1 and "unsigned" in err, "trust: %d %s", code, err)
    need(w.proxy.call("reload")[0] == 0, "reload")
    need("changed" in w.proxy.ctl("resync"), "resync")
    copy = os.path.join(top, "copy.db")
    code, _, err = w.proxy.call("--timeout", "5", "backup", copy)
    need(code == 1 and "nothing to copy" in err, "backup: %d %s", code, err)
    need(not os.path.exists(copy), "backup left a file")
    need(w.proxy.call("drain", "--over", "0")[0] == 0, "drain")
    need(w.proxy.process.wait(alto.WAIT_S) == 0, "drained, it does not end")
    w.end()


def no_push(top):
    """A subscriber is refused before the upgrade."""
    w = World(top)
    for _ in range(2):          # before there is anything, and after
        at = urllib.parse.urlsplit(w.proxy.urls["push"])
        with socket.create_connection((at.hostname, at.port),
                                      alto.WAIT_S) as s:
            s.sendall(b"GET /push HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n"
                      b"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                      b"Sec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\n"
                      b"Sec-WebSocket-Protocol: alto-push.v1\r\n\r\n")
            got = s.recv(4096)
        need(got.startswith(b"HTTP/1.1 503"), "%r", got[:100])
        w.follow()
    need(any("refused" in l and "signed" in l for l in w.proxy.lines()),
         "no line in the log")
    need(w.proxy.status()["refused"], "not counted")
    w.end()


def settings(top):
    """What cannot be is said, all at once."""
    plain = {"directory": "http://127.0.0.1:9/", "unsigned": True}
    for i, (ups, more, words) in enumerate((
            ([dict(plain, name="milan")], {}, ["must be \"pull\""]),
            ([dict(plain, mode="pull"), dict(plain, mode="pull")], {},
             ["the only upstream"]),
            ([dict(plain, mode="pull", key="A" * 43)], {}, ["no key"]),
            ([dict(plain, mode="pull", keep=5, refresh=6)],
             {"origin": "https://alto.example.net/"},
             ["less than refresh", "vouch"]))):
        p = alto.Daemon(top, "p%d" % i, dict(more, upstream=ups))
        p.program = "alto-proxy"
        p.conf += ".conf"
        p.start(ready=False)
        need(p.process.wait(alto.WAIT_S) == 1, "%s: it starts", ups)
        p.process = None
        text = "\n".join(p.lines())
        need(all(w in text for w in words), "%s: %s", words, text)


STORIES = [
    ("maps are served together, without a proof", served),
    ("services are computed over them", computed),
    ("edits, and a map that goes, are followed", edits),
    ("what has not changed is not sent", saved),
    ("a change in the middle of a round: never a mixed set", mixed),
    ("one broken map refuses the round, and why is said", broken),
    ("the server is gone: stale, expired, and back", gone),
    ("nothing unsigned is kept over a restart", nothing_kept),
    ("a map of another origin is left out", elsewhere),
    ("status, metrics and log say unsigned", says_so),
    ("nobody may subscribe", no_push),
    ("settings that cannot be are refused", settings),
]


if __name__ == "__main__":
    sys.exit(beside.tell(STORIES))
