"""What the stories about RFC 7285 and RFC 8189 share: the maps, a client that
starts at the directory, raw connections, and the daemons that are asked.

A test is a function that is called with each daemon, @test, or once, @story:

	@test("R7285-8 a network map has its version and every PID")
	def network_map(t):
		...
	sys.exit(rfc.main())
"""
import contextlib
import http.client
import json
import os
import re
import socket
import sys
import urllib.parse

import alto
from alto import Failed, Skip, need

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


# --- requests ----------------------------------------------------------------

A1, A2 = "ipv4:10.1.2.1", "ipv4:10.9.9.9"       # in b, in a
P1 = {"srcs": ["a"], "dsts": ["a", "b", "rest"]}


def rc(**more):
    return dict({"cost-type": RC}, **{k.replace("_", "-"): v
                                      for k, v in more.items()})


def both(*types, **more):
    return dict({"multi-cost-types": list(types)},
                **{k.replace("_", "-"): v for k, v in more.items()})


def coded(t, coding):
    """The reply in that coding, which a map has once it is ready."""
    return alto.wait(lambda: [r for r in [t.fetch("bulk", {
        "Accept-Encoding": coding})] if r.header("content-encoding") ==
        coding], None, "%s of bulk at %s" % (coding, t.name))[0]


# --- tests -------------------------------------------------------------------

FUNCTIONS = []          # (name, function, which pair of daemons)


def test(name, where="main"):
    """A function that is called with each target of a pair."""
    def keep(function):
        FUNCTIONS.append((name, function, where))
        return function
    return keep


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
    """The line of the story's file that an exception passed."""
    at, line = e.__traceback__, 0
    while at:
        if at.tb_frame.f_code.co_filename == sys.modules["__main__"].__file__:
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


def run_all(report, stage, table):
    for name, rows in table:
        report.run(name, run_rows, stage, rows)
    for name, function, place in FUNCTIONS:
        report.run(name, lambda f=function, p=place: each(
            stage.targets(p), f))
    for name, function in STORIES:
        report.run(name, function, stage)


def ends_well(daemon):
    need(daemon.stop() == 0, "exit status")
    need(not daemon.sanitizer(), "%s", daemon.sanitizer())


def main(table=()):
    """The table, then what was registered; its exit status."""
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
            run_all(report, stage, table)
            report.pattern = ""
            for d in reversed(stage.daemons()):
                report.run("%s ends well" % d.name, ends_well, d)
    return report.end()
