#!/usr/bin/env python3
"""RFC 7285 and RFC 8189 over real sockets, requirement by requirement.

One table of requests and what must be answered, and one function for each
requirement that takes more than that; all are asked of a server and of the
proxy below it, which must answer with the same bytes. docs/conformance.md says
which test shows which requirement; the names here are the names there.

  run_conformance.py [PATTERN]	only the tests that it is found in

Maps and settings are made here: see the_maps() and small_maps().
"""
import contextlib
import gzip
import http.client
import itertools
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import urllib.parse

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import alto  # noqa: E402
from alto import Failed, Skip, need  # noqa: E402

MEDIA = "application/alto-%s+json"
ERROR = MEDIA % "error"
DIRECTORY = MEDIA % "directory"
KINDS = {
    # kind: types of the answer and of the request, map its URI ends in
    "network": (MEDIA % "networkmap", MEDIA % "networkmapfilter"),
    "costs": (MEDIA % "costmap", MEDIA % "costmapfilter"),
    "endpoint-costs": (MEDIA % "endpointcost", MEDIA % "endpointcostparams"),
    "properties": (MEDIA % "endpointprop", MEDIA % "endpointpropparams"),
}
MISSING = "E_MISSING_FIELD"
TYPE = "E_INVALID_FIELD_TYPE"
VALUE = "E_INVALID_FIELD_VALUE"
SYNTAX = "E_SYNTAX"
SOME = object()         # any string


# --- the maps ----------------------------------------------------------------

NET = {
    "a": {"ipv4": ["10.0.0.0/8"], "ipv6": ["2001:db8::/32"]},
    "b": {"ipv4": ["10.1.2.0/24", "192.0.2.0/24"]},
    "c": {"ipv4": ["10.1.2.128/25"], "ipv6": ["2001:db8::1/128"]},
    "empty": {},
    "rest": {"ipv4": ["0.0.0.0/0"], "ipv6": ["::/0"]},
}
COST = {
    "a": {"a": 1, "b": 4.5, "c": 10, "rest": 40},
    "b": {"a": 4.5, "b": 1, "c": 10},
    "rest": {"a": 40, "rest": 0},
}
HOPS = {
    "a": {"a": 0, "b": 2, "c": 3},
    "b": {"a": 2, "c": 1},
    "c": {"a": 3},
}
# As COST orders its cells: 0, 1, 4.5, 10, 40.
RANKS = {
    "a": {"a": 2, "b": 3, "c": 4, "rest": 5},
    "b": {"a": 3, "b": 2, "c": 4},
    "rest": {"a": 5, "rest": 1},
}
FOUR = {"west": {"ipv4": ["0.0.0.0/1"]}, "east": {"ipv4": ["128.0.0.0/1"]}}
FOUR_COST = {"west": {"west": 1, "east": 7}, "east": {"west": 8}}
BULK = {"pid-%03d" % i: {"ipv4": ["10.%d.%d.0/24" % (i // 256, i % 256)]}
        for i in range(400)}
BULK["rest"] = {"ipv4": ["0.0.0.0/0"]}
BULK_COST = {s: {d: 3 for d in list(BULK)[:40]} for s in list(BULK)[:40]}
PROPS = {
    "ipv4:10.0.0.0/8": {"priv:region": "north"},
    "ipv4:10.1.0.0/16": {"priv:region": None},
    "ipv4:10.1.2.3": {"priv:region": "hall", "priv:x": "1"},
    "ipv6:2001:db8::/32": {"priv:region": "six"},
}

RC = {"cost-metric": "routingcost", "cost-mode": "numerical"}
ORD = {"cost-metric": "routingcost", "cost-mode": "ordinal"}
HOP = {"cost-metric": "hopcount", "cost-mode": "numerical"}


def net_doc(rid, pids, tag="t1"):
    return {"meta": {"vtag": {"resource-id": rid, "tag": tag}},
            "network-map": pids}


def cost_doc(net, cells, metric="routingcost", mode="numerical", tag="t1"):
    return {"meta": {"dependent-vtags": [{"resource-id": net, "tag": tag}],
                     "cost-type": {"cost-metric": metric, "cost-mode": mode}},
            "cost-map": cells}


class Maps:
    """Files in a folder, and the list of them for the configuration."""

    def __init__(self, folder):
        os.makedirs(folder, exist_ok=True)
        self.folder, self.list = folder, []

    def path(self, rid):
        return os.path.join(self.folder, rid + ".json")

    def put(self, rid, doc):
        alto.put(self.path(rid), json.dumps(doc))

    def add(self, rid, doc, **more):
        self.put(rid, doc)
        self.list.append(dict({"id": rid, "file": self.path(rid)}, **more))


def the_maps(folder):
    """net: everything may be tested; part: routingcost alone; none: nothing;
    bulk is large enough to be worth compressing."""
    m = Maps(folder)
    m.add("net", net_doc("net", NET), default=True)
    m.add("cost-rc", cost_doc("net", COST), ordinal=True)
    m.add("cost-hop", cost_doc("net", HOPS, "hopcount"))
    m.add("part", net_doc("part", NET))
    m.add("part-rc", cost_doc("part", COST))
    m.add("part-hop", cost_doc("part", HOPS, "hopcount"), testable=False)
    m.add("none", net_doc("none", FOUR))
    m.add("none-rc", cost_doc("none", FOUR_COST), testable=False)
    m.add("bulk", net_doc("bulk", BULK))
    m.add("bulk-rc", cost_doc("bulk", BULK_COST))
    m.add("props", {"meta": {}, "property-map": PROPS})
    return m


def small_maps(folder):
    m = Maps(folder)
    m.add("net", net_doc("net", NET), default=True)
    m.add("cost-rc", cost_doc("net", COST))
    return m


# --- a target ----------------------------------------------------------------

class Reply:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    @property
    def doc(self):
        return json.loads(self.body)

    @property
    def meta(self):
        return self.doc["meta"]

    def header(self, name):
        return self.headers.get(name.lower(), "")

    def listed(self, name):
        """The members of a list header, in lower case."""
        return [v.strip().lower() for v in self.header(name).split(",")
                if v.strip()]

    def __str__(self):
        return "%d %s %.600r" % (self.status, self.headers, self.body)


class Target:
    """A daemon, asked as any client would: everything starts at its
    directory."""

    def __init__(self, daemon):
        self.daemon = daemon
        self._directory = None

    @property
    def name(self):
        return self.daemon.name

    @property
    def base(self):
        return self.daemon.url + "/directory"

    @property
    def host(self):
        at = urllib.parse.urlsplit(self.base)
        return at.hostname, at.port

    def request(self, method, url, headers=None, body=None):
        return Reply(*alto.get(urllib.parse.urljoin(self.base, url), headers,
                               method, body))

    def directory(self):
        if self._directory is None:
            r = self.request("GET", self.base)
            need(r.status == 200, "directory: %s", r)
            self._directory = r.doc
        return self._directory

    def entries(self):
        return self.directory()["resources"]

    def find(self, kind, net=None):
        """(resource-id, entry) of a computed service; of endpoint costs only
        the uri says whose they are (RFC 7285 s11.5.1.5)."""
        for rid, e in sorted(self.entries().items()):
            if (e["media-type"], e.get("accepts")) != KINDS[kind]:
                continue
            if kind == "properties" or net in e.get("uses", []) or (
                    kind == "endpoint-costs" and
                    e["uri"].rsplit("/", 1)[-1] == net):
                return rid, e
        raise Failed("no %s of %s in the directory" % (kind, net))

    def uri(self, kind, net=None):
        if kind in self.entries():
            return self.entries()[kind]["uri"]
        return self.find(kind, net)[1]["uri"]

    def capabilities(self, kind, net=None):
        return self.find(kind, net)[1].get("capabilities", {})

    def fetch(self, rid, headers=None, method="GET"):
        return self.request(method, self.uri(rid), headers)

    def map(self, rid):
        r = self.fetch(rid)
        need(r.status == 200, "%s: %s", rid, r)
        return r.doc

    def post(self, kind, net, body, headers=None):
        if not isinstance(body, (bytes, str)):
            body = json.dumps(body)
        if isinstance(body, str):
            body = body.encode()
        held = {"Content-Type": KINDS[kind][1]}
        held.update(headers or {})
        return self.request("POST", self.uri(kind, net),
                            {k: v for k, v in held.items() if v is not None},
                            body)

    def vtag(self, net):
        return self.map(net)["meta"]["vtag"]


def expect(reply, status, what=""):
    need(reply.status == status, "%s: status %d wanted: %s", what, status,
         reply)
    return reply


def answered(reply, media):
    """200 with that type."""
    expect(reply, 200)
    need(reply.header("content-type") == media, "Content-Type: %s", reply)
    return reply.doc


def is_error(reply, code, field=None, value=None, status=400):
    """code and field may be tuples; None: not looked at."""
    expect(reply, status)
    need(reply.header("content-type") == ERROR, "Content-Type: %s", reply)
    meta = reply.meta
    need(meta.get("code") in ((code,) if isinstance(code, str) else code),
         "code %s wanted: %s", code, reply)
    for m in ("field", "value", "syntax-error"):
        need(isinstance(meta.get(m, ""), str), "%s is no string: %s", m, reply)
    if field is not None:
        fields = (field,) if isinstance(field, str) else field
        need(meta.get("field") in fields, "field %s wanted: %s", field, reply)
    if value is SOME:
        need("value" in meta, "no value: %s", reply)
    elif value is not None:
        need(meta.get("value") == value, "value %r wanted: %s", value, reply)
    return meta


def same(got, want, what="answer"):
    need(got == want, "%s: %s\n  wanted: %s", what,
         json.dumps(got, sort_keys=True), json.dumps(want, sort_keys=True))


# --- raw connections ---------------------------------------------------------

class Wire:
    """One connection, without a library between."""

    def __init__(self, target, source=None):
        host, port = target.host
        self.socket = socket.create_connection(
            (host, port), alto.WAIT_S,
            source_address=(source, 0) if source else None)
        self.file = self.socket.makefile("rb")
        self.name = "[%s]" % host if ":" in host else host

    def send(self, method, path, headers=None, body=b""):
        lines = ["%s %s HTTP/1.1" % (method, path), "Host: " + self.name]
        lines += ["%s: %s" % h for h in (headers or {}).items()]
        if body:
            lines.append("Content-Length: %d" % len(body))
        self.raw(("\r\n".join(lines) + "\r\n\r\n").encode() + body)

    def raw(self, data):
        self.socket.sendall(data)

    def reply(self, method="GET"):
        """None: closed."""
        line = self.file.readline()
        if not line:
            return None
        status = int(line.split()[1])
        headers = http.client.parse_headers(self.file)
        held = {k.lower(): v for k, v in headers.items()}
        size = int(held.get("content-length", "0"))
        if method == "HEAD" or status in (204, 304) or status < 200:
            size = 0
        return Reply(status, held, self.file.read(size))

    def close(self):
        self.file.close()
        self.socket.close()


@contextlib.contextmanager
def wire(target, source=None):
    w = Wire(target, source)
    try:
        yield w
    finally:
        w.close()


def path_of(target, rid, net=None):
    return urllib.parse.urlsplit(urllib.parse.urljoin(
        target.base, target.uri(rid, net))).path


# --- the table ---------------------------------------------------------------

class Want:
    """What must be answered to a row of the table."""

    def __init__(self, check):
        self.check = check


def error(code, field=None, value=None):
    return Want(lambda t, net, r: is_error(r, code, field, value))


def pids(*names, **shown):
    """A network map of these PIDs, without the families that are not
    shown."""
    family = shown.get("only")

    def check(t, net, r):
        got = answered(r, KINDS["network"][0])
        full = t.map(net)
        same(got["network-map"], {
            p: {f: v for f, v in full["network-map"][p].items()
                if family in (None, f)} for p in names}, "network-map")
        same(got["meta"]["vtag"], full["meta"]["vtag"], "vtag")
    return Want(check)


ALL = tuple(NET)


def costs(cells, *types, multi=False):
    def check(t, net, r):
        got = answered(r, KINDS["costs"][0])
        same(got["cost-map"], cells, "cost-map")
        meta = {"dependent-vtags": [t.vtag(net)],
                "cost-type": {} if multi else types[0]}
        if multi:
            meta["multi-cost-types"] = list(types)
        same(got["meta"], meta, "meta")
    return Want(check)


def ends(cells, *types, multi=False):
    def check(t, net, r):
        got = answered(r, KINDS["endpoint-costs"][0])
        same(got["endpoint-cost-map"], cells, "endpoint-cost-map")
        meta = {"cost-type": {} if multi else types[0]}
        if multi:
            meta["multi-cost-types"] = list(types)
        same(got["meta"], meta, "meta")
    return Want(check)


def props(values, *nets):
    def check(t, net, r):
        got = answered(r, KINDS["properties"][0])
        same(got["endpoint-properties"], values, "endpoint-properties")
        tags = got["meta"].get("dependent-vtags", [])
        same(sorted(tags, key=lambda v: v["resource-id"]),
             [t.vtag(n) for n in nets], "dependent-vtags")
    return Want(check)


def only(cells, passes):
    out = {s: {d: c for d, c in row.items() if passes(c)}
           for s, row in cells.items()}
    return {s: row for s, row in out.items() if row}


def rc(**more):
    return dict({"cost-type": RC}, **{k.replace("_", "-"): v
                                      for k, v in more.items()})


def both(*types, **more):
    return dict({"multi-cost-types": list(types)},
                **{k.replace("_", "-"): v for k, v in more.items()})


def constraint(op, passes):
    return ("costs", "net", rc(constraints=["%s 4.5" % op]),
            costs(only(COST, passes), RC))


A1, A2 = "ipv4:10.1.2.1", "ipv4:10.9.9.9"       # in b, in a
V6, V6B = "ipv6:2001:db8::1", "ipv6:2001:db8::2"  # in c, in a
P1 = {"srcs": ["a"], "dsts": ["a", "b", "rest"]}
# As the two metrics have it: a pair of both, of hops alone, of neither.
SOME_PAIRS = {"srcs": ["a", "c"], "dsts": ["a", "rest", "empty"]}
MULTI = {"a": {"a": [1, 0], "rest": [40, None]}, "c": {"a": [None, 3]}}

TABLE = [
    # (name, [(kind, network map, request, wanted), ...])
    ("R7285-11 a filtered cost map without cost-type is refused", [
        ("costs", "net", {}, error(MISSING, "cost-type")),
        ("endpoint-costs", "net", {"endpoints": {"srcs": [A1], "dsts": [A2]}},
         error(MISSING, "cost-type"))]),
    ("R7285-12 a cost type without its metric or mode is refused", [
        ("costs", "net", {"cost-type": {"cost-mode": "numerical"}},
         error(MISSING, "cost-type/cost-metric")),
        ("costs", "net", {"cost-type": {"cost-metric": "routingcost"}},
         error(MISSING, "cost-type/cost-mode"))]),
    ("R7285-13 a cost type that is a string is refused", [
        ("costs", "net", {"cost-type": "num-routingcost"},
         error(TYPE, "cost-type")),
        ("endpoint-costs", "net", {"cost-type": 1, "endpoints": {
            "srcs": [A1], "dsts": [A2]}}, error(TYPE, "cost-type")),
        ("costs", "net", {"cost-type": {"cost-metric": 1, "cost-mode":
                                        "numerical"}},
         error(TYPE, "cost-type/cost-metric"))]),
    ("R7285-14 an unknown cost mode is refused with its name", [
        ("costs", "net", {"cost-type": dict(RC, **{"cost-mode": "foo"})},
         error(VALUE, "cost-type/cost-mode", "foo")),
        ("costs", "net", {"cost-type": dict(RC, **{"cost-metric": "bar"})},
         error(VALUE, "cost-type/cost-metric", "bar"))]),
    ("R7285-15 a cost type that is not offered is refused", [
        ("costs", "net", {"cost-type": dict(HOP, **{"cost-mode": "ordinal"})},
         error(VALUE, ("cost-type", "cost-type/cost-mode",
                       "cost-type/cost-metric"))),
        ("costs", "none", {"cost-type": ORD},
         error(VALUE, ("cost-type", "cost-type/cost-mode")))]),
    ("R7285-16 a body that is no JSON is refused as syntax", [
        (kind, "net", text, error(SYNTAX)) for kind in KINDS
        for text in ('{"pids":', "", "{'pids':[]}", '{"a":1} x', "[1,]",
                     '{"pids":[],"pids":[]}', b'{"pids":["\xff"]}')]),
    ("R7285-16 a body that is no object is refused as a wrong type", [
        (kind, "net", text, error(TYPE)) for kind in KINDS
        for text in ("[]", "1", "null", '"pids"')]),
    ("R7285-17 a filtered network map without pids is refused", [
        ("network", "net", {}, error(MISSING, "pids")),
        ("network", "net", {"address-types": ["ipv4"]},
         error(MISSING, "pids"))]),
    ("R7285-18 no pids are all, unknown ones are none", [
        ("network", "net", {"pids": []}, pids(*ALL)),
        ("network", "net", {"pids": ["nosuch"]}, pids()),
        ("network", "net", {"pids": ["nosuch", "b"]}, pids("b"))]),
    ("R7285-19 a PID named twice counts once", [
        ("network", "net", {"pids": ["a", "a"]}, pids("a")),
        ("costs", "net", rc(pids={"srcs": ["a", "a"], "dsts": ["b", "b"]}),
         costs({"a": {"b": 4.5}}, RC))]),
    ("R7285-20 a PID that is no string is refused with its value", [
        ("network", "net", {"pids": [1]}, error(VALUE, "pids", "1")),
        ("network", "net", {"pids": ["a", None]},
         error(VALUE, "pids", "null")),
        ("costs", "net", rc(pids={"srcs": [True], "dsts": []}),
         error(VALUE, "pids/srcs", "true"))]),
    ("R7285-21 pids that are no array are refused", [
        ("network", "net", {"pids": "a"}, error(TYPE, "pids")),
        ("network", "net", {"pids": {}}, error(TYPE, "pids")),
        ("network", "net", {"pids": None}, error(TYPE, "pids")),
        ("network", "net", {"pids": [], "address-types": "ipv4"},
         error(TYPE, "address-types"))]),
    ("R7285-22 address types choose, and unknown ones count for nothing", [
        ("network", "net", {"pids": [], "address-types": ["ipv6"]},
         pids(*ALL, only="ipv6")),
        ("network", "net", {"pids": ["a"], "address-types":
                            ["ipv4", "ipv4", "mac"]}, pids("a", only="ipv4")),
        ("network", "net", {"pids": ["a"], "address-types": ["mac"]},
         pids("a", only="mac")),
        ("network", "net", {"pids": ["a", "b"], "address-types": []},
         pids("a", "b"))]),
    ("R7285-23 no pids or an empty list are everything", [
        ("costs", "net", rc(), costs(COST, RC)),
        ("costs", "net", rc(pids={"srcs": [], "dsts": ["a"]}), costs(
            {"a": {"a": 1}, "b": {"a": 4.5}, "rest": {"a": 40}}, RC)),
        ("costs", "net", rc(pids={"srcs": ["b"], "dsts": []}),
         costs({"b": COST["b"]}, RC)),
        ("costs", "net", rc(pids={"srcs": ["nosuch"], "dsts": []}),
         costs({}, RC)),
        ("costs", "net", rc(pids={"srcs": ["c"], "dsts": []}), costs({}, RC))]),
    ("R7285-23 pids without srcs or dsts are refused", [
        ("costs", "net", rc(pids={"dsts": []}), error(MISSING, "pids/srcs")),
        ("costs", "net", rc(pids={"srcs": []}), error(MISSING, "pids/dsts")),
        ("costs", "net", rc(pids=[]), error(TYPE, "pids"))]),
    ("R7285-24 each constraint is right at its boundary, and two are ANDed", [
        constraint("gt", lambda c: c > 4.5),
        constraint("lt", lambda c: c < 4.5),
        constraint("ge", lambda c: c >= 4.5),
        constraint("le", lambda c: c <= 4.5),
        constraint("eq", lambda c: c == 4.5),
        ("costs", "net", rc(constraints=["ge\t4.5", "lt  4e1"]),
         costs(only(COST, lambda c: 4.5 <= c < 40), RC)),
        ("costs", "net", rc(constraints=[]), costs(COST, RC)),
        ("costs", "net", rc(constraints=["gt 99"]), costs({}, RC)),
        ("endpoint-costs", "net", rc(
            constraints=["gt 1"], endpoints={"srcs": [A2], "dsts": [A1, A2]}),
         ends({A2: {A1: 4.5}}, RC))]),
    ("R7285-25 a malformed constraint is refused with its text", [
        ("costs", "net", rc(constraints=["ge 0", text]),
         error(VALUE, "constraints", text))
        for text in ("gt", "foo 5", "gt five", "gt5", "gt 05", "gt 5 ", "",
                     "gt 1 2")] + [
        ("costs", "net", rc(constraints=[5]),
         error(VALUE, "constraints", "5")),
        ("costs", "net", rc(constraints="gt 5"),
         error(TYPE, "constraints"))]),
    ("R7285-26 constraints are refused where there are none", [
        ("costs", "none", rc(constraints=["gt 5"]),
         error(VALUE, "constraints")),
        ("endpoint-costs", "none", rc(constraints=["gt 5"], endpoints={
            "srcs": [A1], "dsts": [A2]}), error(VALUE, "constraints"))]),
    ("R7285-27 a description in a request is ignored", [
        ("costs", "net", {"cost-type": dict(RC, description="mine"),
                          "pids": P1},
         costs({"a": {"a": 1, "b": 4.5, "rest": 40}}, RC))]),
    ("R7285-28 unknown members of a request are ignored", [
        ("network", "net", {"pids": ["b"], "x": {"pids": 1}}, pids("b")),
        ("costs", "net", dict(rc(pids=dict(P1, more=[])), y=None),
         costs({"a": {"a": 1, "b": 4.5, "rest": 40}}, RC)),
        ("endpoint-costs", "net", rc(
            z=1, endpoints={"srcs": [A2], "dsts": [A1], "z": 1}),
         ends({A2: {A1: 4.5}}, RC)),
        ("properties", None, {"properties": ["net.pid"], "endpoints": [A1],
                              "z": []}, props({A1: {"net.pid": "b"}}, "net"))]),
    ("R7285-29 properties need endpoints and properties", [
        ("properties", None, {"properties": ["net.pid"]},
         error(MISSING, "endpoints")),
        ("properties", None, {"properties": ["net.pid"], "endpoints": []},
         error(VALUE, "endpoints")),
        ("properties", None, {"endpoints": [A1]},
         error(MISSING, "properties")),
        ("properties", None, {"endpoints": [A1], "properties": []},
         error(VALUE, "properties")),
        ("properties", None, {"properties": ["net.pid"], "endpoints": A1},
         error(TYPE, "endpoints"))]),
    ("R7285-30 a property that is not offered is refused with its name", [
        ("properties", None, {"properties": ["net.pid", "priv:nosuch"],
                              "endpoints": [A1]},
         error(VALUE, "properties", "priv:nosuch")),
        ("properties", None, {"properties": ["pid"], "endpoints": [A1]},
         error(VALUE, "properties", "pid")),
        ("properties", None, {"properties": [7], "endpoints": [A1]},
         error(VALUE, "properties", "7"))]),
    ("R7285-31 a PID is that of the longest prefix, its map named once", [
        ("properties", None, {"properties": ["net.pid", "net.pid", "none.pid"],
                              "endpoints": [A1, A1]},
         props({A1: {"net.pid": "b", "none.pid": "west"}}, "net", "none")),
        ("properties", None, {"properties": ["priv:region"],
                              "endpoints": [A1]}, props({A1: {}}))]),
    ("R7285-32 an undefined property is left out, its endpoint kept", [
        ("properties", None, {"properties": ["none.pid"],
                              "endpoints": [V6, A1]},
         props({V6: {}, A1: {"none.pid": "west"}}, "none")),
        ("properties", None, {
            "properties": ["priv:region", "priv:x"],
            "endpoints": [A2, "ipv4:10.1.9.9", "ipv4:10.1.2.3", V6,
                          "ipv4:1.1.1.1"]},
         props({A2: {"priv:region": "north"}, "ipv4:10.1.9.9": {},
                "ipv4:10.1.2.3": {"priv:region": "hall", "priv:x": "1"},
                V6: {"priv:region": "six"}, "ipv4:1.1.1.1": {}}))]),
    ("R7285-33 endpoint costs between nobody are refused", [
        ("endpoint-costs", "net", rc(endpoints={}), error(VALUE, "endpoints")),
        ("endpoint-costs", "net", rc(endpoints={"srcs": [], "dsts": []}),
         error(VALUE, "endpoints"))]),
    ("R7285-34 endpoint costs without endpoints are refused", [
        ("endpoint-costs", "net", rc(), error(MISSING, "endpoints")),
        ("endpoint-costs", "net", rc(endpoints=[]), error(TYPE, "endpoints")),
        ("endpoint-costs", "net", rc(endpoints={"srcs": A1}),
         error(TYPE, "endpoints/srcs"))]),
    ("R7285-35 what is no address is refused with its text", [
        ("endpoint-costs", "net", rc(endpoints={side: [A1, text]}),
         error(VALUE, "endpoints/" + side, text))
        for side in ("srcs", "dsts")
        for text in ("ipv4:192.0.2.300", "ipv4:192.000.2.1", "ipv9:1",
                     "ipv4:192.0.2.0/24", "192.0.2.1", "ipv4", "",
                     "ipv6:1::2::3", "ipv6:fe80::1%lo", "ipv4:2001:db8::1",
                     "ipv6:192.0.2.1")] + [
        ("properties", None, {"properties": ["net.pid"],
                              "endpoints": ["ipv9:1"]},
         error(VALUE, "endpoints", "ipv9:1"))]),
    ("R7285-36 two spellings of an address are the same address", [
        ("endpoint-costs", "net", rc(
            endpoints={"srcs": [A2], "dsts": [text]}),
         ends({A2: {text: 10}}, RC))
        for text in ("ipv6:2001:DB8:0:0::1", "ipv6:2001:db8::1",
                     "ipv6:2001:0db8:0:0:0:0:0:0001",
                     "ipv6:2001:db8::0.0.0.1")] + [
        ("properties", None, {
            "properties": ["net.pid"],
            "endpoints": ["ipv6:2001:DB8::1", "ipv6:2001:db8::1"]},
         props({"ipv6:2001:DB8::1": {"net.pid": "c"},
                "ipv6:2001:db8::1": {"net.pid": "c"}}, "net")),
        ("properties", None, {
            "properties": ["net.pid"],
            "endpoints": ["ipv6:::ffff:10.1.2.1"]},
         props({"ipv6:::ffff:10.1.2.1": {"net.pid": "rest"}}, "net"))]),
    ("R7285-39 the most specific prefix wins", [
        ("properties", None, {
            "properties": ["net.pid"], "endpoints": list(wanted)},
         props({e: {"net.pid": p} for e, p in wanted.items()}, "net"))
        for wanted in ({
            "ipv4:9.255.255.255": "rest", "ipv4:10.0.0.0": "a",
            "ipv4:10.255.255.255": "a", "ipv4:11.0.0.0": "rest",
            "ipv4:10.1.1.255": "a", "ipv4:10.1.2.0": "b",
            "ipv4:10.1.2.127": "b", "ipv4:10.1.2.128": "c",
            "ipv4:10.1.2.255": "c", "ipv4:10.1.3.0": "a",
            "ipv4:0.0.0.0": "rest", "ipv4:255.255.255.255": "rest",
            "ipv6:::": "rest", "ipv6:2001:db8::": "a",
            "ipv6:2001:db8::1": "c", "ipv6:2001:db8::2": "a",
            "ipv6:2001:db8:ffff:ffff:ffff:ffff:ffff:ffff": "a",
            "ipv6:2001:db9::": "rest",
            "ipv6:2001:db7:ffff:ffff:ffff:ffff:ffff:ffff": "rest",
            "ipv6:a00::1": "rest"},)]),
    ("R7285-40 a bad value is told as a string", [
        ("network", "net", {"pids": [12]}, error(VALUE, "pids", "12")),
        ("properties", None, {"properties": ["net.pid"], "endpoints": [5]},
         error(VALUE, "endpoints", "5")),
        ("costs", "net", rc(pids={"srcs": [], "dsts": [{"a": 1}]}),
         error(VALUE, "pids/dsts", SOME))]),
    ("R7285-41 of several errors one is told", [
        ("costs", "net", {"cost-type": {"cost-mode": "foo"}, "pids": 1,
                          "constraints": "x"}, error((MISSING, TYPE, VALUE))),
        ("properties", None, {}, error(MISSING, ("properties",
                                                 "endpoints")))]),
    ("R7285-54 ordinal costs order as the numerical ones do", [
        ("costs", "net", {"cost-type": ORD}, costs(RANKS, ORD)),
        ("costs", "net", {"cost-type": ORD, "pids": {
            "srcs": ["a", "b"], "dsts": ["b", "rest"]}},
         costs({"a": {"b": 2, "rest": 3}, "b": {"b": 1}}, ORD)),
        ("costs", "net", {"cost-type": ORD, "constraints": ["gt 3"]},
         costs(only(RANKS, lambda c: c > 3), ORD)),
        ("endpoint-costs", "net", {"cost-type": ORD, "endpoints": {
            "srcs": [A1, A2], "dsts": [A1, A2]}},
         ends({A1: {A1: 1, A2: 2}, A2: {A1: 2, A2: 1}}, ORD))]),
    ("R8189-3 one type and several at once are refused", [
        ("costs", "net", dict(both(RC), **{"cost-type": RC}),
         error(VALUE, "multi-cost-types"))]),
    ("R8189-4 no type at all is refused", [
        ("costs", "net", {"constraints": ["gt 1"]},
         error(MISSING, "cost-type"))]),
    ("R8189-5 too many or wrong types are refused", [
        ("costs", "net", both(*([RC, HOP, ORD] * 3)),
         error(VALUE, "multi-cost-types")),
        ("costs", "net", both(), error(VALUE, "multi-cost-types")),
        ("costs", "net", both(RC, dict(RC, **{"cost-mode": "foo"})),
         error((VALUE, MISSING))),
        ("costs", "net", {"multi-cost-types": RC},
         error(TYPE, "multi-cost-types"))]),
    ("R8189-7 several types are told, and each cost is an array of them", [
        ("costs", "net", both(RC, HOP, pids={"srcs": ["a", "b"],
                                             "dsts": ["a", "c"]}),
         costs({"a": {"a": [1, 0], "c": [10, 3]},
                "b": {"a": [4.5, 2], "c": [10, 1]}}, RC, HOP, multi=True)),
        ("costs", "net", both(HOP, dict(RC, description="x"), pids={
            "srcs": ["a"], "dsts": ["a"]}),
         costs({"a": {"a": [0, 1]}}, HOP, RC, multi=True)),
        ("costs", "net", both(ORD, RC, pids={"srcs": ["a"], "dsts": []}),
         costs({"a": {"a": [1, 1], "b": [2, 4.5], "c": [3, 10],
                      "rest": [4, 40]}}, ORD, RC, multi=True))]),
    ("R8189-8 one type in the list gives arrays of one", [
        ("costs", "net", both(HOP, pids={"srcs": ["c"], "dsts": []}),
         costs({"c": {"a": [3]}}, HOP, multi=True))]),
    ("R8189-9 a missing value is null, a pair without any is absent", [
        ("costs", "net", both(RC, HOP, pids=SOME_PAIRS),
         costs(MULTI, RC, HOP, multi=True))]),
    ("R8189-10 an index chooses the type that is tested", [
        ("costs", "net", both(RC, HOP, constraints=["[1] le 1"]),
         costs({"a": {"a": [1, 0]}, "b": {"c": [10, 1]}}, RC, HOP,
               multi=True)),
        ("costs", "net", both(HOP, RC, constraints=["le 1", "[1] gt 5"]),
         costs({"b": {"c": [1, 10]}}, HOP, RC, multi=True)),
        ("costs", "net", both(RC, HOP, constraints=["[2] le 1"]),
         error(VALUE, "constraints", "[2] le 1")),
        ("costs", "net", rc(constraints=["[1] le 1"]),
         error(VALUE, "constraints", "[1] le 1")),
        ("costs", "net", both(RC, HOP, constraints=["[0]ge 5"]),
         error(VALUE, "constraints", "[0]ge 5")),
        ("costs", "net", both(RC, HOP, or_constraints=[
            ["[0] eq 1", "[1] eq 0"], ["[0] ge 40"]], pids=SOME_PAIRS),
         costs({"a": {"a": [1, 0], "rest": [40, None]}}, RC, HOP,
               multi=True)),
        ("costs", "net", rc(or_constraints=[["le 1"], ["ge 40"]]),
         costs(only(COST, lambda c: c <= 1 or c >= 40), RC)),
        ("costs", "net", rc(or_constraints=[["le 1"], ["[7] ge 40"]]),
         error(VALUE, "or-constraints", "[7] ge 40"))]),
    ("R8189-11 both kinds of constraints are refused", [
        ("costs", "net", rc(constraints=["gt 1"], or_constraints=[["gt 1"]]),
         error(VALUE, ("constraints", "or-constraints")))]),
    ("R8189-12 an empty alternative is refused", [
        ("costs", "net", rc(or_constraints=[["gt 1"], []]),
         error(VALUE, "or-constraints")),
        ("costs", "net", rc(or_constraints=["gt 1"]),
         error(VALUE, "or-constraints", "gt 1")),
        ("costs", "net", rc(or_constraints="gt 1"),
         error(TYPE, "or-constraints"))]),
    ("R8189-13 testable types are tested and not shown", [
        ("costs", "net", dict(rc(constraints=["[1] le 1", "ge 4"]), **{
            "testable-cost-types": [RC, HOP]}),
         costs({"b": {"c": 10}}, RC)),
        ("costs", "net", dict(both(RC, constraints=["eq 3"]), **{
            "testable-cost-types": [HOP]}),
         costs({"a": {"c": [10]}}, RC, multi=True)),
        ("costs", "net", dict(rc(constraints=["[1] le 1"]), **{
            "testable-cost-types": [HOP]}),
         error(VALUE, "constraints", "[1] le 1")),
        ("costs", "part", {
            "cost-type": HOP, "constraints": ["le 4.5"],
            "testable-cost-types": [RC]},
         costs({"a": {"a": 0, "b": 2}, "b": {"a": 2}}, HOP))]),
    ("R8189-14 a type outside those that may be tested is refused", [
        ("costs", "part", dict(rc(constraints=["le 1"]), **{
            "testable-cost-types": [HOP]}),
         error(VALUE, ("testable-cost-types", "constraints"))),
        ("costs", "part", {"cost-type": HOP, "constraints": ["le 1"]},
         error(VALUE, "constraints", "le 1")),
        ("costs", "part", both(RC, HOP, constraints=["[1] le 1"]),
         error(VALUE, "constraints", "[1] le 1")),
        ("costs", "part", both(RC, HOP, constraints=["[0] le 1"], pids={
            "srcs": ["a"], "dsts": []}),
         costs({"a": {"a": [1, 0]}}, RC, HOP, multi=True)),
        ("costs", "part", rc(constraints=["le 1"], pids={
            "srcs": ["a"], "dsts": []}), costs({"a": {"a": 1}}, RC))]),
    ("R8189-15 one cost type is answered as RFC 7285 says", [
        ("costs", "net", rc(pids=P1),
         costs({"a": {"a": 1, "b": 4.5, "rest": 40}}, RC))]),
    ("R8189-16 no index is index 0", [
        ("costs", "net", rc(constraints=[text]),
         costs(only(COST, lambda c: c <= 10), RC))
        for text in ("[0] le 10", "le 10", "[0]\tle 10", "[00] le 1e1")]),
    ("R8189-17 endpoint costs do it all as well", [
        ("endpoint-costs", "net", both(RC, HOP, endpoints={
            "srcs": [A2], "dsts": [A1, V6, "ipv4:1.1.1.1"]}),
         ends({A2: {A1: [4.5, 2], V6: [10, 3], "ipv4:1.1.1.1": [40, None]}},
              RC, HOP, multi=True)),
        ("endpoint-costs", "net", both(
            RC, HOP, or_constraints=[["[1] ge 3"], ["[0] ge 40"]],
            endpoints={"srcs": [A2], "dsts": [A1, V6, "ipv4:1.1.1.1"]}),
         ends({A2: {V6: [10, 3], "ipv4:1.1.1.1": [40, None]}}, RC, HOP,
              multi=True)),
        ("endpoint-costs", "net", dict(rc(constraints=["eq 1"], endpoints={
            "srcs": [A1], "dsts": [A2, V6]}), **{
                "testable-cost-types": [HOP]}),
         ends({A1: {V6: 10}}, RC)),
        ("endpoint-costs", "net", both(RC, HOP, endpoints={
            "srcs": ["ipv4:10.1.2.200"], "dsts": [A1, "ipv4:1.1.1.1"]}),
         ends({}, RC, HOP, multi=True)),
        ("endpoint-costs", "net", rc(
            constraints=["gt 1"], or_constraints=[["gt 1"]],
            endpoints={"srcs": [A1]}),
         error(VALUE, ("constraints", "or-constraints"))),
        ("endpoint-costs", "net", dict(both(RC), **{
            "cost-type": RC, "endpoints": {"srcs": [A1]}}),
         error(VALUE, "multi-cost-types"))]),
]


# --- tests of one target -----------------------------------------------------

FUNCTIONS = []          # (name, function, which pair of daemons)


def test(name, where="main"):
    """A function that is called with each target of a pair."""
    def keep(function):
        FUNCTIONS.append((name, function, where))
        return function
    return keep


@test("R7285-1 the root directory names an existing default network map")
def the_root(t):
    r = t.request("GET", t.base)
    doc = answered(r, DIRECTORY)
    net = doc["meta"]["default-alto-network-map"]
    need(net == "net", "default map: %s", net)
    need(doc["resources"][net]["media-type"] == MEDIA % "networkmap",
         "default map: %s", doc["resources"][net])


@test("R7285-2 every entry has a uri that leads to what it says")
def every_entry(t):
    for rid, e in t.entries().items():
        need(isinstance(e.get("uri"), str) and
             isinstance(e.get("media-type"), str), "%s: %s", rid, e)
        if "accepts" in e or e["media-type"] == DIRECTORY:
            continue
        r = t.request("GET", e["uri"])
        need(r.status == 200 and r.header("content-type") == e["media-type"],
             "%s: %s", rid, r)
        need(not urllib.parse.urlsplit(e["uri"]).netloc, "%s is absolute",
             e["uri"])


@test("R7285-2 another directory is linked by its uri")
def other_directory(t):
    e = t.entries()["other"]
    same(e, {"uri": "http://192.0.2.80/directory", "media-type": DIRECTORY})


@test("R7285-3 the directory holds what every service must offer")
def the_closure(t):
    nets = [i for i, e in t.entries().items() if "accepts" not in e and
            e["media-type"] == MEDIA % "networkmap"]
    need(sorted(nets) == ["bulk", "net", "none", "part"], "%s", nets)
    types = t.directory()["meta"]["cost-types"]
    metrics = [types[e["capabilities"]["cost-type-names"][0]]["cost-metric"]
               for e in t.entries().values()
               if e["media-type"] == MEDIA % "costmap" and "accepts" not in e]
    need("routingcost" in metrics, "%s", metrics)
    held = t.capabilities("properties")["prop-types"]
    need({"%s.pid" % n for n in nets} <= set(held), "prop-types: %s", held)
    need({"priv:region", "priv:x"} <= set(held), "prop-types: %s", held)
    for n in nets:
        for kind in ("network", "costs", "endpoint-costs"):
            t.find(kind, n)


@test("R7285-4 no two cost maps have the same cost type and network map")
def cost_maps_differ(t):
    seen = [(tuple(e["capabilities"]["cost-type-names"]), tuple(e["uses"]))
            for e in t.entries().values()
            if e["media-type"] == MEDIA % "costmap" and "accepts" not in e]
    need(len(set(seen)) == len(seen) == 6, "%s", seen)


@test("R7285-5 resource ids follow the grammar")
def resource_ids(t):
    for rid in t.entries():
        need(re.fullmatch(r"[0-9A-Za-z:@_-]{1,64}", rid), "%r", rid)


@test("R7285-6 a cost map has one cost type, which the directory defines")
def one_cost_type(t):
    types = t.directory()["meta"]["cost-types"]
    for rid, e in t.entries().items():
        if e["media-type"] != MEDIA % "costmap" or "accepts" in e:
            continue
        names = e["capabilities"]["cost-type-names"]
        need(len(names) == 1 and len(e["uses"]) == 1, "%s: %s", rid, e)
        got = t.map(rid)["meta"]["cost-type"]
        same({k: types[names[0]][k] for k in ("cost-metric", "cost-mode")},
             got, rid)


@test("R7285-7 endpoint costs do not name a map")
def endpoint_costs_use_nothing(t):
    for rid, e in t.entries().items():
        if e["media-type"] == KINDS["endpoint-costs"][0]:
            need(not e.get("uses"), "%s: %s", rid, e)
            need(e["accepts"] == KINDS["endpoint-costs"][1], "%s", e)


@test("R7285-8 a network map has its version and every PID")
def network_map(t):
    doc = answered(t.fetch("net"), MEDIA % "networkmap")
    same(sorted(doc["meta"]["vtag"]), ["resource-id", "tag"])
    same(doc["meta"]["vtag"]["resource-id"], "net")
    need(re.fullmatch("[!-~]{1,64}", doc["meta"]["vtag"]["tag"]), "tag")
    same(doc["network-map"], NET)


@test("R7285-10 a cost map has its cost type and the version it depends on")
def cost_map(t):
    doc = answered(t.fetch("cost-rc"), MEDIA % "costmap")
    same(doc["meta"]["dependent-vtags"], [t.vtag("net")])
    same(doc["meta"]["cost-type"], RC)
    same(doc["cost-map"], COST)


@test("R7285-33 endpoint costs without sources are the caller's")
def own_address(t):
    body = rc(endpoints={"dsts": [A2]})
    for caller in ("127.0.0.1", "127.0.0.9"):
        with wire(t, caller) as w:
            w.send("POST", path_of(t, "endpoint-costs", "net"), {
                "Content-Type": KINDS["endpoint-costs"][1]},
                json.dumps(body).encode())
            r = w.reply()
        same(answered(r, KINDS["endpoint-costs"][0])["endpoint-cost-map"],
             {"ipv4:" + caller: {A2: 40}})
    r = t.post("endpoint-costs", "net", rc(endpoints={"srcs": [A2],
                                                      "dsts": []}))
    same(answered(r, KINDS["endpoint-costs"][0])["endpoint-cost-map"],
         {A2: {"ipv4:127.0.0.1": 40}})


@test("R7285-42 another content type is refused with 415")
def content_type(t):
    for kind in KINDS:
        for other in ("application/json", "text/plain", None,
                      MEDIA % "directory", ""):
            r = t.post(kind, "net", {}, {"Content-Type": other})
            need(r.header("content-type") == ERROR, "%s", r)
            expect(r, 415, "%s with %s" % (kind, other))


@test("R7285-42 a content type is read without case and parameters")
def content_type_spelling(t):
    for text in ("Application/ALTO-networkmapfilter+JSON",
                 MEDIA % "networkmapfilter" + "; charset=utf-8"):
        expect(t.post("network", "net", {"pids": []}, {"Content-Type": text}),
               200, text)


@test("R7285-42 another method is refused with 405 and Allow")
def methods(t):
    for kind in KINDS:
        for method in ("GET", "HEAD", "PUT", "DELETE"):
            r = expect(t.request(method, t.uri(kind, "net")), 405, method)
            need("post" in r.listed("allow"), "Allow: %s", r)
            need("get" not in r.listed("allow"), "Allow: %s", r)
            if method != "HEAD":
                need(r.header("content-type") == ERROR, "%s", r)
    for url in (t.base, t.uri("net"), t.uri("cost-rc")):
        for method in ("POST", "PUT", "DELETE", "PATCH"):
            r = expect(t.request(method, url, {}, b"{}"), 405, method)
            need({"get", "head"} <= set(r.listed("allow")), "Allow: %s", r)


@test("R7285-43 a client gets only what it accepts")
def accept(t):
    for rid, kind in (("net", "networkmap"), ("cost-rc", "costmap")):
        own = MEDIA % kind
        for text, status in (
                ("text/html", 406), ("*/*", 200), ("", 200),
                ("application/*", 200), ("text/*", 406), (own, 200),
                (own.upper(), 200), (own + ";q=0", 406),
                ("*/*, %s;q=0" % own, 406), ("text/html, */*;q=0.1", 200),
                (own + ";q=0.001", 200), ("*/*;q=0", 406),
                ("application/json", 406),
                ("%s, %s" % (own, ERROR), 200)):
            r = expect(t.fetch(rid, {"Accept": text}), status, text)
            need(r.header("content-type") == (own if status == 200 else
                                              ERROR), "%s: %s", text, r)


@test("R7285-43 a posted request is answered only with what is accepted")
def accept_post(t):
    for kind, body in (
            ("network", {"pids": ["a"]}), ("costs", rc(pids=P1)),
            ("endpoint-costs", rc(endpoints={"srcs": [A1], "dsts": [A2]})),
            ("properties", {"properties": ["net.pid"], "endpoints": [A1]})):
        for text, status in (("text/html", 406), ("*/*", 200),
                             (KINDS[kind][0], 200),
                             (KINDS[kind][0] + ";q=0", 406)):
            r = expect(t.post(kind, "net", body, {"Accept": text}), status,
                       "%s, %s" % (kind, text))
            if status == 406:
                need(r.header("content-type") == ERROR, "%s", r)


@test("R7285-43 a client that says nothing of types gets everything")
def no_accept(t):
    with wire(t) as w:
        w.send("GET", path_of(t, "net"))
        answered(w.reply(), MEDIA % "networkmap")
        w.send("POST", path_of(t, "network", "net"),
               {"Content-Type": KINDS["network"][1]}, b'{"pids":[]}')
        answered(w.reply(), MEDIA % "networkmap")


@test("R7285-44 errors have their own type, whatever is accepted")
def error_type(t):
    for headers in ({}, {"Accept": KINDS["costs"][0]}):
        is_error(t.post("costs", "net", {}, headers), MISSING)
        r = expect(t.request("GET", "nosuch", headers), 404)
        need(r.header("content-type") == ERROR and "code" in r.meta, "%s", r)


@test("R7285-45 a map that did not change is not sent again")
def conditional(t):
    for rid in ("net", "cost-rc", "bulk"):
        first = expect(t.fetch(rid), 200)
        etag = first.header("etag")
        need(re.fullmatch(r'"[!#-~]+"', etag), "ETag: %s", first)
        for text in (etag, "W/" + etag, '"x", ' + etag, "*"):
            r = expect(t.fetch(rid, {"If-None-Match": text}), 304, text)
            need(not r.body and r.header("etag").lstrip("W/") == etag,
                 "%s: %s", text, r)
            need(r.header("cache-control") == first.header("cache-control"),
                 "%s", r)
        r = expect(t.fetch(rid, {"If-None-Match": '"x"'}), 200)
        need(r.body == first.body, "another body")


@test("R7285-45 a map is unchanged only in a coding that is taken")
def conditional_coded(t):
    plain = expect(t.fetch("bulk", {"Accept-Encoding": "identity"}), 200)
    tags = {"": plain.header("etag")}
    for c in ("gzip", "zstd"):
        tags[c] = coded(t, c).header("etag")
    for text, taken in (
            ("identity", ("",)), ("gzip", ("", "gzip")),
            ("zstd", ("", "zstd")), ("gzip, zstd", ("", "gzip", "zstd")),
            ("identity, gzip;q=0", ("",)), ("", ("",)), (None, ("",)),
            ("gzip;q=0.1, identity", ("", "gzip")),
            ("gzip, identity;q=0", ("gzip",)), ("zstd, *;q=0", ("zstd",)),
            ("gzip;q=0, *", ("", "zstd"))):
        for held in (("",), ("gzip",), ("zstd",), ("", "gzip"),
                     ("gzip", "zstd"), ("", "gzip", "zstd")):
            what = "Accept-Encoding: %s, held: %s" % (text, held)
            headers = {"If-None-Match": ", ".join(tags[c] for c in held)}
            if text is not None:
                headers["Accept-Encoding"] = text
            with wire(t) as w:
                w.send("GET", path_of(t, "bulk"), headers)
                r = w.reply()
            both = set(held) & set(taken)
            expect(r, 304 if both else 200, what)
            form = r.header("content-encoding")
            need(form in (both or taken), "%s: %s", what, r)
            need(r.header("etag") == tags[form], "%s: %s", what, r)


@test("R7285-46 HEAD has the headers of GET and no body")
def head(t):
    for url in (t.base, t.uri("net"), t.uri("cost-rc")):
        whole = expect(t.request("GET", url), 200)
        r = expect(t.request("HEAD", url), 200)
        need(r.body == b"", "a body")
        drop = ("date", "alto-status")
        same({k: v for k, v in r.headers.items() if k not in drop},
             {k: v for k, v in whole.headers.items() if k not in drop})
    expect(t.request("HEAD", "nosuch"), 404)


@test("R8189-1 no service announces both ways to test")
def one_way_to_test(t):
    for rid, e in t.entries().items():
        held = e.get("capabilities", {})
        need(not (held.get("cost-constraints") and
                  "testable-cost-type-names" in held), "%s: %s", rid, e)
    need(t.capabilities("costs", "net").get("cost-constraints") is True,
         "net: %s", t.capabilities("costs", "net"))
    for kind in ("costs", "endpoint-costs"):
        held = t.capabilities(kind, "none")
        need(not held.get("cost-constraints") and
             "testable-cost-type-names" not in held, "none: %s", held)


@test("R8189-2 what may be tested is among what is offered")
def testable_names(t):
    for kind in ("costs", "endpoint-costs"):
        held = t.capabilities(kind, "part")
        names = held["testable-cost-type-names"]
        need(len(names) == 1 and set(names) < set(held["cost-type-names"]),
             "%s", held)
        types = t.directory()["meta"]["cost-types"]
        same({k: types[names[0]][k] for k in RC}, RC)
        need(held["max-cost-types"] == 8, "%s", held)


@test("R8189-6 several types are refused where there is only one", "small")
def no_multi(t):
    held = t.capabilities("costs", "net")
    need(not held.get("max-cost-types"), "%s", held)
    for kind, more in (("costs", {}), ("endpoint-costs", {
            "endpoints": {"srcs": [A1], "dsts": [A2]}})):
        is_error(t.post(kind, "net", dict(both(RC), **more)),
                 (VALUE, MISSING), ("multi-cost-types", "cost-type"))
        is_error(t.post(kind, "net", dict(rc(constraints=["[0] le 10"]),
                                          **more)),
                 VALUE, "constraints", "[0] le 10")


# --- HTTP --------------------------------------------------------------------

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


def coded(t, coding):
    """The reply in that coding, which a map has once it is ready."""
    return alto.wait(lambda: [r for r in [t.fetch("bulk", {
        "Accept-Encoding": coding})] if r.header("content-encoding") ==
        coding], None, "%s of bulk at %s" % (coding, t.name))[0]


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


# --- clients in the field ----------------------------------------------------

@test("CLIENT-a a header that is none of HTTP's is ignored")
def accepts_header(t):
    for headers in ({"accepts": "text/html"},
                    {"accepts": MEDIA % "error", "Accept": "*/*"}):
        expect(t.fetch("net", headers), 200)
        expect(t.post("costs", "net", rc(), headers), 200)


@test("CLIENT-b a type can be compared as a whole string")
def whole_type(t):
    for rid, kind in (("net", "networkmap"), ("cost-rc", "costmap")):
        need(t.fetch(rid).header("content-type") == MEDIA % kind, "%s", rid)


@test("CLIENT-c endpoint costs say a version where that is wanted", "small")
def endpoint_vtag(t):
    r = t.post("endpoint-costs", "net", rc(endpoints={"srcs": [A2],
                                                      "dsts": [A1]}))
    same(answered(r, KINDS["endpoint-costs"][0]), {
        "endpoint-cost-map": {A2: {A1: 4.5}},
        "meta": {"cost-type": RC, "vtag": t.vtag("net")}})


@test("CLIENT-c endpoint costs say no version by default")
def no_endpoint_vtag(t):
    r = t.post("endpoint-costs", "net", rc(endpoints={"srcs": [A2],
                                                      "dsts": [A1]}))
    same(answered(r, KINDS["endpoint-costs"][0])["meta"], {"cost-type": RC})


@test("CLIENT-d the directory always has cost types and a default map")
def always_there(t):
    meta = t.directory()["meta"]
    need(isinstance(meta["cost-types"], dict) and meta["cost-types"], "%s",
         meta)
    need(meta["default-alto-network-map"] in t.entries(), "%s", meta)


@test("CLIENT-d a service without costs has an empty list of cost types",
      "bare")
def no_costs(t):
    meta = t.directory()["meta"]
    same(meta["cost-types"], {})
    same(meta["default-alto-network-map"], "net")


@test("CLIENT-e everything in the directory works over plain HTTP")
def all_services(t):
    seen = 0
    for rid, e in t.entries().items():
        if e["media-type"] == DIRECTORY:
            continue
        if "accepts" not in e:
            answered(t.request("GET", e["uri"]), e["media-type"])
        else:
            r = t.request("POST", e["uri"], {"Content-Type": e["accepts"]},
                          b"{}")
            is_error(r, MISSING)
        seen += 1
    need(seen == 11 + 4 * 3 + 1, "%d entries", seen)


@test("CLIENT-f both families have their default in one PID")
def families_apart(t):
    r = t.post("properties", None, {"properties": ["net.pid"], "endpoints": [
        "ipv6:a00::1", "ipv6:a01:280::", "ipv4:10.0.0.0"]})
    same(answered(r, KINDS["properties"][0])["endpoint-properties"], {
        "ipv6:a00::1": {"net.pid": "rest"},
        "ipv6:a01:280::": {"net.pid": "rest"},
        "ipv4:10.0.0.0": {"net.pid": "a"}})


# --- overload ----------------------------------------------------------------

@test("R7285-47 too many connections are refused, and others served",
      "small")
def overload(t):
    held, refused = [], None
    try:
        for _ in range(12):             # the limit is 8 of one address
            w = Wire(t)
            held.append(w)
            try:
                w.send("GET", path_of(t, "net"))
                r = w.reply()
            except OSError:
                r = None
            if r is None or r.status != 200:
                refused = r
                break
        else:
            raise Failed("12 connections of one address were served")
        if refused is not None:
            expect(refused, 503)
            need(refused.header("retry-after").isdigit(), "%s", refused)
        held[0].send("GET", path_of(t, "net"))
        expect(held[0].reply(), 200)
    finally:
        for w in held:
            w.close()

    def again():
        with wire(t) as one:
            one.send("GET", path_of(t, "net"))
            r = one.reply()
            return r is not None and r.status == 200
    alto.wait(again, None, "%s serves again" % t.name)


# --- tests of their own ------------------------------------------------------

STORIES = []


def story(name):
    """A function that is called once, with the stage."""
    def keep(function):
        STORIES.append((name, function))
        return function
    return keep


def change(stage, rid, doc):
    """Publishes another version of a map; says whether it is one."""
    stage.maps.put(rid, doc)
    got = stage.server.ctl("reload")
    alto.in_step(stage.server, stage.proxy)
    return got["changed"]


@story("R7285-9 another prefix makes another tag, the same content the same")
def tags(stage):
    before = [t.vtag("none")["tag"] for t in stage.main]
    pids_ = dict(FOUR, more={"ipv4": ["10.0.0.0/8"]})
    need(change(stage, "none", net_doc("none", pids_)), "nothing changed")
    after = [t.vtag("none")["tag"] for t in stage.main]
    need(before[0] == before[1] != after[0] == after[1], "%s %s", before,
         after)
    stage.maps.put("none", net_doc("none", dict(reversed(pids_.items()))))
    need(not stage.server.ctl("reload")["changed"], "another order counts")
    need(change(stage, "none", net_doc("none", FOUR)), "nothing changed")
    for t, tag in zip(stage.main, before):
        need(t.vtag("none")["tag"] == tag, "another tag for the same")
        need(t.map("none-rc")["meta"]["dependent-vtags"][0]["tag"] == tag,
             "the cost map depends on another")


@story("R7285-45 a map that changed is sent with another ETag")
def etags(stage):
    etag = [t.fetch("none-rc").header("etag") for t in stage.main]
    cells = {"west": {"west": 2, "east": 7}}
    need(change(stage, "none-rc", cost_doc("none", cells)), "nothing changed")
    for t, old in zip(stage.main, etag):
        r = expect(t.fetch("none-rc", {"If-None-Match": old}), 200)
        need(r.header("etag") not in ("", old), "ETag: %s", r.headers)
        same(r.doc["cost-map"], cells)
        got = t.post("costs", "none", rc())
        same(answered(got, MEDIA % "costmap")["cost-map"], cells)
    need(change(stage, "none-rc", cost_doc("none", FOUR_COST)), "no change")


@story("R7285-10 a cost map follows its network map to the new version")
def follows(stage):
    pids_ = {p: dict(v) for p, v in FOUR.items()}
    pids_["more"] = {}
    change(stage, "none", net_doc("none", pids_))
    for t in stage.main:
        same(t.map("none-rc")["meta"]["dependent-vtags"], [t.vtag("none")])
        for kind, key in (("costs", "dependent-vtags"),):
            r = t.post(kind, "none", rc())
            same(answered(r, MEDIA % "costmap")["meta"][key],
                 [t.vtag("none")])
    change(stage, "none", net_doc("none", FOUR))


@story("R7285-47 a proxy that has nothing yet says so with 503")
def nothing_yet(stage):
    port = alto.free_port()

    class Nobody:
        url = "http://127.0.0.1:%d" % port
    p = alto.Proxy(stage.top, Nobody, "early")
    p.start()
    try:
        r = Reply(*p.get("/directory"))
        expect(r, 503)
        need(r.header("retry-after").isdigit(), "%s", r)
    finally:
        p.stop()


# Refusals. Settings are checked by --check, maps when they are read.

_names = itertools.count()


def check(stage, maps, **settings):
    """(exit status, what it says) of --check."""
    s = alto.Server(stage.top, maps, "check-%d" % next(_names), **settings)
    alto.put(s.conf, "".join("%s = %s;\n" % (k, alto.render(v))
                             for k, v in s.settings.items()))
    r = subprocess.run(
        [alto.find_bin("alto-server"), "--config", s.conf, "--check"],
        stdin=subprocess.DEVNULL, capture_output=True, text=True,
        timeout=alto.WAIT_S)
    need("Sanitizer" not in r.stderr, "%s", r.stderr)
    return r.returncode, r.stdout + r.stderr


def loads(stage, docs, wanted=True, says=""):
    """Does a server start with these maps, {resource-id: document}?"""
    name = "load-%d" % next(_names)
    m = Maps(os.path.join(stage.top, name + "-maps"))
    for rid, doc in docs.items():
        m.add(rid, doc, **({} if m.list else {"default": True}))
    code, said = check(stage, m.list)
    if code == 0:
        s = alto.Server(stage.top, m.list, name)
        s.start(ready=False)

        def ended_or_up():
            return not s.alive() or s.call("status")[0] == 0
        alto.wait(ended_or_up, None, "%s starts or ends" % name)
        up = s.alive()
        code = s.stop()
        said = "\n".join(s.lines())
        need(not s.sanitizer(), "%s", s.sanitizer())
        need(code == (0 if up else 1), "exit status %d: %s", code, said)
        code = 0 if up else 1
    need((code == 0) == wanted, "%s: %s",
         "refused" if wanted else "taken", said)
    if not wanted:
        need(re.search(says, said), "it does not say %r: %s", says, said)


def with_net(pids_):
    return {"net": net_doc("net", pids_)}


WHOLE = {"ipv4": ["0.0.0.0/0"], "ipv6": ["::/0"]}


@story("R7285-4 two cost maps of one cost type and network map are refused")
def cost_type_twice(stage):
    docs = dict(with_net(NET), one=cost_doc("net", COST),
                two=cost_doc("net", COST))
    loads(stage, docs, False, "two|one")
    docs["two"] = cost_doc("net", HOPS, "hopcount")
    loads(stage, docs)


@story("R7285-5 a resource id of 64 characters passes, others are refused")
def long_ids(stage):
    for rid, good in (("n" * 64, True), ("n" * 65, False), ("a.b", False),
                      ("a b", False), ("a/b", False), ("", False),
                      ("a:b@c_d-e", True)):
        path = os.path.join(stage.top, "long.json")
        alto.put(path, json.dumps(net_doc(rid, {"a": WHOLE})))
        code, said = check(stage, [(rid, path)])
        need((code == 0) == good, "%r: %s", rid, said or "taken")


@story("R7285-5 a resource id is there once")
def id_twice(stage):
    path = stage.maps.path("net")
    code, said = check(stage, [("net", path), ("net", path)])
    need(code != 0 and "net" in said, "%s", said or "taken")


@story("R7285-37 a prefix in two PIDs is refused")
def prefix_twice(stage):
    loads(stage, with_net({"a": {"ipv4": ["192.0.2.0/24"]},
                           "b": {"ipv4": ["192.0.2.0/24"]}, "c": WHOLE}),
          False, "192.0.2.0/24")
    loads(stage, with_net({"a": {"ipv4": ["192.0.2.0/24"]},
                           "b": {"ipv4": ["192.0.2.1/24"]}, "c": WHOLE}),
          False, "192.0.2.1/24")
    loads(stage, with_net({"a": {"ipv4": ["192.0.2.0/24"]},
                           "b": {"ipv4": ["192.0.2.0/25"]}, "c": WHOLE}))


@story("R7285-38 a map that leaves addresses out is refused")
def gap(stage):
    loads(stage, with_net({"a": {"ipv4": ["10.0.0.0/8"]}}), False, "ipv4|10")
    loads(stage, with_net({"a": {"ipv4": ["0.0.0.0/0"],
                                 "ipv6": ["2000::/3"]}}), False, "ipv6|::")
    loads(stage, with_net(FOUR))


@story("R7285-48 a PID outside the grammar is refused")
def bad_pids(stage):
    for pid in ("a.b", "a/b", "a b", "caf\u00e9", "", "p" * 65):
        loads(stage, with_net({pid: WHOLE}), False)
    loads(stage, with_net({"p" * 64: WHOLE}))


@story("R7285-49 a tag of 64 characters passes, others are refused")
def tags_stated(stage):
    for tag, good in (("t" * 64, True), ("t" * 65, False), ("a b", False),
                      ("a\x7f", False), ("", False), ('a"b', True)):
        loads(stage, {"net": net_doc("net", {"a": WHOLE}, tag)}, good)


@story("R7285-50 metrics follow the grammar")
def metrics(stage):
    for metric, good in (("priv:x", True), ("priv:", False),
                         ("priv:" + "m" * 27, True),
                         ("priv:" + "m" * 28, False), ("m" * 33, False),
                         ("", False), ("a b", False)):
        loads(stage, dict(with_net(NET), c=cost_doc(
            "net", COST, metric)), good)


@story("R7285-50 properties follow the grammar")
def properties(stage):
    for name, good in (("priv:x", True), ("priv:", False),
                       ("priv:" + "p" * 27, True), ("priv:" + "p" * 28, False),
                       ("priv:a b", False)):
        loads(stage, dict(with_net(NET), props={
            "meta": {}, "property-map": {"ipv4:10.0.0.0/8": {name: "v"}}}),
            good)


@story("R7285-54 costs that are no numbers are refused")
def no_numbers(stage):
    for cost in ("1", None, [1], True):
        loads(stage, dict(with_net(NET), c=cost_doc(
            "net", {"a": {"a": cost}})), False)
    for cost, good in ((3, True), (1.5, False), (-1, False)):
        loads(stage, dict(with_net(NET), c=cost_doc(
            "net", {"a": {"a": cost}}, mode="ordinal")), good)


# --- the stage ---------------------------------------------------------------

def nearby(daemon):
    """It listens everywhere: we come over loopback."""
    at = urllib.parse.urlsplit(daemon.urls["http"])
    if at.hostname == "::":
        daemon.urls = dict(daemon.urls, http="http://[::1]:%d/" % at.port)


class Stage:
    """All daemons: a pair with everything, one with the narrow settings, one
    on IPv6 and one without costs, which is started when a test wants it."""

    def __init__(self, top):
        self.top = top
        self.maps = the_maps(os.path.join(top, "maps"))
        http_ = {"forwarders": ["127.0.0.1"], "origins": ["*"]}
        self.server, self.proxy = self.pair(
            "main", self.maps, http_,
            directories=[{"id": "other",
                          "uri": "http://192.0.2.80/directory"}])
        self.main = [Target(self.server), Target(self.proxy)]
        self.others = {}

    def pair(self, name, maps, http_, **settings):
        server = alto.Server(self.top, maps.list, name + "-server",
                             http=http_, **settings)
        server.start()
        nearby(server)
        proxy = alto.Proxy(self.top, server, name + "-proxy", http=http_)
        proxy.start()
        nearby(proxy)
        alto.in_step(server, proxy)
        return server, proxy

    def targets(self, where):
        if where == "main":
            return self.main
        if where not in self.others:
            self.others[where] = None           # once, well or not
            made = getattr(self, where)()
            self.others[where] = [Target(d) for d in made]
        need(self.others[where], "%s did not start", where)
        return self.others[where]

    def small(self):
        maps = small_maps(os.path.join(self.top, "small-maps"))
        return self.pair(
            "small", maps, {"request": "64K", "connections-per-address": 8,
                            "origins": ["https://ours.example"]},
            services={"max-cost-types": 0, "endpoint-cost-vtag": True})

    def six(self):
        try:
            with socket.socket(socket.AF_INET6) as s:
                s.bind(("::1", 0))
        except OSError as e:
            raise Skip("no IPv6 on loopback: %s" % e)
        maps = small_maps(os.path.join(self.top, "six-maps"))
        return self.pair("six", maps, {
            "listen": "[::]:0", "forwarders": ["::1"],
            "forwarded-header": "Forwarded"})

    def bare(self):
        maps = Maps(os.path.join(self.top, "bare-maps"))
        maps.add("net", net_doc("net", NET), default=True)
        return self.pair("bare", maps, {})

    def daemons(self):
        pairs = [self.main] + [p for p in self.others.values() if p]
        return [t.daemon for p in pairs for t in p]


class Report:
    """One line for each test."""

    def __init__(self, pattern):
        self.pattern = pattern
        self.passed = self.failed = self.skipped = 0

    def run(self, name, function, *args):
        if not re.search(self.pattern, name):
            return
        try:
            function(*args)
        except Skip as e:
            self.skipped += 1
            print("skip - %s (%s)" % (name, e), flush=True)
        except Exception as e:
            self.failed += 1
            alto._failures[0] += 1
            text = str(e) if isinstance(e, Failed) else "%r at %s" % (
                e, where(e))
            print("not ok - %s\n    %s" % (
                name, text.replace("\n", "\n    ")), flush=True)
        else:
            self.passed += 1
            print("ok - %s" % name, flush=True)

    def end(self):
        print("%d passed, %d failed, %d skipped" % (
            self.passed, self.failed, self.skipped))
        if self.failed:
            return 1
        return 0 if self.passed else 77


def where(e):
    """The line of this file that an exception passed."""
    at, line = e.__traceback__, 0
    while at:
        if at.tb_frame.f_code.co_filename == __file__:
            line = at.tb_lineno
        at = at.tb_next
    return "line %d" % line


def each(targets, function, *args):
    for t in targets:
        try:
            function(t, *args)
        except Failed as e:
            raise Failed("%s: %s" % (t.name, e))


def run_rows(stage, rows):
    """Rows of the table: wanted, and the same from both."""
    for kind, net, body, want in rows:
        bodies = []
        for t in stage.main:
            try:
                r = t.post(kind, net, body)
                bodies.append((r.status, r.body))
                want.check(t, net, r)
            except Failed as e:
                raise Failed("%s: %s of %s: %s\n%s" % (
                    t.name, kind, net, body if isinstance(body, (str, bytes))
                    else json.dumps(body), e))
        need(bodies[0] == bodies[1], "server and proxy differ: %s", bodies)


def run_all(report, stage):
    for name, rows in TABLE:
        report.run(name, run_rows, stage, rows)
    for name, function, place in FUNCTIONS:
        report.run(name, lambda f=function, p=place: each(
            stage.targets(p), f))
    for name, function in STORIES:
        report.run(name, function, stage)


def ends_well(daemon):
    need(daemon.stop() == 0, "exit status")
    need(not daemon.sanitizer(), "%s", daemon.sanitizer())


def main():
    report = Report(sys.argv[1] if len(sys.argv) > 1 else "")
    with alto.folder() as top:
        stage = None

        def start():
            nonlocal stage
            stage = Stage(top)
        pattern, report.pattern = report.pattern, ""
        report.run("a server and a proxy start", start)
        report.pattern = pattern
        if stage:
            run_all(report, stage)
            report.pattern = ""
            for d in reversed(stage.daemons()):
                report.run("%s ends well" % d.name, ends_well, d)
    return report.end()


if __name__ == "__main__":
    sys.exit(main())
