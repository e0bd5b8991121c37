#!/usr/bin/env python3
"""Consistency under change: clients ask a proxy for everything it has, as fast
as they can, while one version after another goes through it from its server.

  isp       three years of a real network, and then 50 events in it
  example   examples/isp with edits made here: a PID comes and goes, costs
            alone change, properties change, a property comes and goes

Each client keeps its connection and writes down what it got. When all is over
each answer must be the one that tests/model.py makes from the files of ONE
version: one that was published, that is not older than what the same client
had before, nor than what any client had before it was asked. Full maps say by
themselves which version they are of, and must be what the server signed there.

ALTO_QUICK=1, or programs built with a sanitizer: fewer steps. ALTO_QUICK=0:
all in any case. Arguments: names of stories. ALTO_SEED=<seed> repeats requests.
"""
import base64
import collections
import functools
import glob
import gzip
import hashlib
import heapq
import http.client
import ipaddress
import itertools
import json
import os
import random
import sys
import threading
import time
import traceback
import urllib.parse
import zlib

sys.dont_write_bytecode = True  # nothing is left in the source tree

import alto
import model
from alto import need
from run_ground import RESOURCE, STATE, Claims, load

SEED = os.environ.get("ALTO_SEED") or str(
    random.SystemRandom().randrange(10 ** 9))
CLIENTS = 4
PACE = 80               # answers between two steps, where there is a pause
MEDIA = "application/alto-%s+json"
KINDS = {
    # type of the answer, type of the request: the model's name of the service
    ("networkmap", "networkmapfilter"): "filtered_network",
    ("costmap", "costmapfilter"): "filtered_costs",
    ("endpointcost", "endpointcostparams"): "endpoint_costs",
    ("endpointprop", "endpointpropparams"): "endpoint_properties",
}
DIR = ".directory"
CALLER = ipaddress.ip_address("127.0.0.1")
clock = time.monotonic


# --- the files of each step --------------------------------------------------

def member(doc):
    """The member of a map's file that has its content."""
    return next(k for k in ("network-map", "cost-map", "property-map")
                if k in doc)


def text_of(doc):
    return json.dumps(doc).encode()


def property_map(rng, pids, names):
    """Properties of some prefixes of a network map, and of parts of them."""
    prefixes = sorted(p for held in pids.values() for texts in held.values()
                      for p in texts)
    entities = {}
    for p in rng.sample(prefixes, min(40, len(prefixes))):
        p = ipaddress.ip_network(p)
        for one in (p, *itertools.islice(p.subnets(), 1)):
            entities["ipv%d:%s" % (p.version, one)] = {
                n: rng.choice(["north", "south", "east", None])
                for n in names}
    return text_of({"meta": {}, "property-map": entities})


def isp():
    """({resource-id: options}, steps); each step is {resource-id: text}."""
    top = alto.shared("data", "isp")
    rng = random.Random("properties of isp")
    files = {"isp-garr": "network-map", "isp-routingcost": "routingcost",
             "isp-delay": "delay-ow"}

    def versions(trace):
        """Where a version has no file of its own the last one counts."""
        have = len(glob.glob(os.path.join(top, trace, "*.delay-ow.*")))
        for n in range(min(have, 10) if alto.quick() else have):
            yield {rid: os.path.join(top, trace, "v%03d.%s.json.gz" % (
                n, stem)) for rid, stem in files.items()}

    def steps():
        now, n = {}, 0
        for paths in itertools.chain(versions("trace-evolution"),
                                     versions("trace-failures")):
            if "failures" in paths["isp-garr"]:
                paths["isp-garr"] = os.path.join(top, "network-map.json")
            now.update((rid, load(path)) for rid, path in paths.items())
            if n % 4 == 0:
                now["props"] = property_map(rng, json.loads(
                    now["isp-garr"])["network-map"], ["priv:region"])
            n += 1
            yield dict(now)
    return {"isp-garr": {"default": True},
            "isp-routingcost": {"ordinal": True},
            "isp-delay": {"ordinal": True}, "props": {}}, steps()


class Edits:
    """The example and what becomes of it."""

    def __init__(self):
        self.rng = random.Random("edits of the example")
        isp = os.path.join(alto.SRC, "examples", "isp")
        self.docs = {rid: json.loads(load(os.path.join(isp, name)))
                     for rid, name in (("net", "network-map.json"),
                                       ("cost-routing", "cost-map.json"),
                                       ("cost-hops", "cost-map-hops.json"))}
        self.pids = self.docs["net"]["network-map"]
        self.costs = [self.docs[rid]["cost-map"]
                      for rid in ("cost-routing", "cost-hops")]
        self.names = ["priv:region"]
        self.count = 0
        self.properties()

    def steps(self):
        yield self.texts()
        while True:
            for edit in (self.together, self.costs_alone, self.appear,
                         self.properties, self.together, self.nothing,
                         self.more_names, self.move, self.costs_alone,
                         self.disappear, self.less_names, self.everything):
                edit()
                yield self.texts()

    def texts(self):
        return {rid: text_of(doc) for rid, doc in self.docs.items()}

    def renamed(self):
        """The network map changed; the cost maps' files say so."""
        self.count += 1
        vtag = {"resource-id": "net", "tag": "edit-%d" % self.count}
        self.docs["net"]["meta"]["vtag"] = vtag
        for rid in ("cost-routing", "cost-hops"):
            self.docs[rid]["meta"]["dependent-vtags"] = [vtag]

    def move(self):
        """Prefixes change places."""
        with_v4 = sorted(p for p in self.pids if self.pids[p].get("ipv4")
                         and p not in ("default", "pop-new"))
        a, b = self.rng.sample(with_v4, 2)
        one, other = self.pids[a]["ipv4"].pop(0), self.pids[b]["ipv4"].pop()
        self.pids[a]["ipv4"].append(other)
        self.pids[b]["ipv4"].append(one)
        self.renamed()

    def costs_alone(self):
        for cells in self.costs:
            for row in cells.values():
                for dst in row:
                    if self.rng.random() < 0.3:
                        row[dst] = self.rng.randrange(1, 40)

    def together(self):
        self.move()
        self.costs_alone()

    def appear(self):
        self.pids["pop-new"] = {"ipv4": ["192.0.2.64/27", "10.0.0.0/8"],
                                "ipv6": ["2001:db8:7000::/36"]}
        for cells in self.costs:
            for n, row in enumerate(cells.values()):
                row["pop-new"] = 3 + n
            cells["pop-new"] = {p: 2 + n for n, p in enumerate(cells)}
        self.renamed()

    def disappear(self):
        del self.pids["pop-new"]
        for cells in self.costs:
            del cells["pop-new"]
            for row in cells.values():
                row.pop("pop-new", None)
        self.renamed()

    def properties(self):
        self.docs["props"] = json.loads(property_map(
            self.rng, self.pids, self.names))

    def more_names(self):
        self.names = ["priv:asn", "priv:region"]
        self.properties()

    def less_names(self):
        self.names = ["priv:region"]
        self.properties()

    def everything(self):
        self.together()
        self.properties()

    def nothing(self):
        pass


def example():
    return {"net": {"default": True}, "cost-routing": {"ordinal": True},
            "cost-hops": {"ordinal": True}, "props": {}}, itertools.islice(
                Edits().steps(), 25 if alto.quick() else 73)


STORIES = {"isp": isp, "example": example}


# --- versions ----------------------------------------------------------------

@functools.lru_cache(maxsize=None)
def read_map(text):
    """By the model; a file that stays the same is read once."""
    doc = json.loads(text)
    return {"network-map": lambda: model.NetworkMap(doc),
            "cost-map": lambda: model.CostMap(doc, ordinal=True),
            "property-map": lambda: model.PropertyMap(doc)}[member(doc)]()


def cost_body(rid, cost, net):
    meta = {"cost-type": {"cost-metric": cost.metric, "cost-mode": cost.mode},
            "dependent-vtags": [net.vtag]}
    rows = {s: dict(sorted(cost.cells[s].items()))
            for s in sorted(cost.cells) if cost.cells[s]}
    leaves = [model.dumps({"media-type": MEDIA % "costmap", "meta": meta})]
    leaves += ["%s:%s" % (model.dumps(s), model.dumps(row))
               for s, row in rows.items()]
    meta["vtag"] = {"resource-id": rid, "tag": model.merkle(
        [text.encode() for text in leaves]).hex()}
    return model.dumps({"cost-map": rows, "meta": meta})


@functools.lru_cache(maxsize=None)
def body_of(rid, text, net_text):
    """A whole map as it must be served."""
    doc, m = json.loads(text), read_map(text)
    kind = member(doc)
    if kind == "network-map":
        out = model.dumps({"meta": {"vtag": m.vtag}, kind: m.pids})
    elif kind == "cost-map":
        out = cost_body(rid, m, read_map(net_text))
    else:
        out = json.dumps({"meta": {}, kind: doc[kind]}, sort_keys=True,
                         separators=(",", ":"))
    return out.encode()


class Version:
    """One publication. begun: when the reload was asked for; answered: when
    that was confirmed."""

    def __init__(self, texts, signed, directory, begun, answered):
        self.texts, self.directory = texts, directory
        self.begun, self.answered = begun, answered
        self.serial = signed["serial"]
        self.root = STATE.fullmatch(signed["state"][0])[1]
        self.leaves = {RESOURCE.fullmatch(l)[1]: l
                       for l in signed["resources"]}
        self.net_text = next(iter(texts.values()))

    @functools.cached_property
    def world(self):
        maps = [read_map(t) for t in self.texts.values()]
        return model.World(
            *([m for m in maps if isinstance(m, kind)] for kind in (
                model.NetworkMap, model.CostMap, model.PropertyMap)), 8, True)

    @property
    def net(self):
        return read_map(self.net_text)

    def body(self, rid):
        if rid == DIR:
            return self.directory
        return body_of(rid, self.texts[rid], self.net_text)

    def verdict(self, ask):
        return verdict(ask.kind, ask.body, tuple(self.texts.values())
                       if ask.kind != "filtered_network" else self.net_text,
                       self)


class Verdicts:
    """What the model says, asked once for each set of files."""

    def __init__(self):
        self.known = {}

    def __call__(self, kind, body, files, version):
        key = kind, body, files
        if key not in self.known:
            make = getattr(version.world, kind)
            service = make() if kind == "endpoint_properties" else \
                make(version.net.id)
            self.known[key] = service.answer(body, CALLER)
        return self.known[key]


verdict = Verdicts()


# --- requests ----------------------------------------------------------------

# kind: the model's name of the service, None for a whole map; what: the
# resource-id of that, or the number of the request
Ask = collections.namedtuple("Ask", "method path headers body kind what")


class Pool:
    """The POST requests of a story; few, so that the model can keep up."""

    def __init__(self, steps):
        self.rng = random.Random("%s requests" % SEED)
        self.net_id = next(iter(steps[0]))
        docs = {rid: [json.loads(t) for t in dict.fromkeys(
            texts[rid] for texts in steps)] for rid in steps[0]}
        self.places([d["network-map"] for d in docs[self.net_id]])
        self.properties = sorted({n for held in docs.values() for d in held
                                  for e in d.get("property-map", {}).values()
                                  for n in e} | {self.net_id + ".pid"})
        self.offers = []
        for d in (held[-1] for held in docs.values()):
            if "cost-map" in d:
                values = sorted({c for row in d["cost-map"].values()
                                 for c in row.values()})
                metric = d["meta"]["cost-type"]["cost-metric"]
                self.offers += [(metric, "numerical", values),
                                (metric, "ordinal", list(range(1, 15)))]

    def places(self, nets):
        """All PIDs that there ever are; prefixes that change place (none is a
        place too), and those that do not."""
        self.pids = sorted({p for pids in nets for p in pids})
        homes = collections.defaultdict(list)
        for pids in nets:
            for pid, held in pids.items():
                for p in itertools.chain(*held.values()):
                    homes[p].append(pid)
        self.moved, self.stay = [], []
        for p, at in sorted(homes.items()):
            same = len(at) == len(nets) and len(set(at)) == 1
            (self.stay if same else self.moved).append(p)

    def address(self):
        rng = self.rng
        from_ = self.moved if self.moved and rng.random() < 0.6 else self.stay
        p = ipaddress.ip_network(rng.choice(from_))
        at = rng.randint(int(p.network_address), int(p.broadcast_address))
        return "ipv%d:%s" % (p.version, type(p.network_address)(at))

    def addresses(self, most):
        return [self.address() for _ in range(self.rng.randint(1, most))]

    def some_pids(self):
        return self.rng.sample(self.pids, self.rng.randint(0, 8))

    def type(self, offer):
        return {"cost-metric": offer[0], "cost-mode": offer[1]}

    def predicate(self, offer, i=None):
        return "%s%s %s" % ("" if i is None else "[%d] " % i,
                            self.rng.choice(("le", "ge", "lt", "gt")),
                            self.rng.choice(offer[2]))

    def costs(self, n):
        """All but which pairs."""
        offers = self.rng.sample(self.offers, self.rng.randint(2, 3))
        types = [self.type(o) for o in offers]
        if n % 4 == 0:
            return {"cost-type": types[0]}
        if n % 4 == 1:
            return {"cost-type": types[0],
                    "constraints": [self.predicate(offers[0])]}
        doc = {"multi-cost-types": types}
        if n % 4 == 2:
            tests = self.rng.sample(self.offers, 2)
            doc["testable-cost-types"] = [self.type(o) for o in tests]
            doc["or-constraints"] = [
                [self.predicate(tests[0], 0), self.predicate(tests[1], 1)],
                [self.predicate(tests[1], 1)]]
        return doc

    def filtered_network(self, n):
        doc = {"pids": self.some_pids() if n else []}
        if n % 3 == 1:
            doc["address-types"] = [self.rng.choice(("ipv4", "ipv6"))]
        return doc

    def filtered_costs(self, n):
        doc = self.costs(n)
        if n > 3:
            doc["pids"] = {"srcs": self.some_pids(), "dsts": self.some_pids()}
        return doc

    def endpoint_costs(self, n):
        doc = self.costs(n)
        doc["endpoints"] = {"dsts": self.addresses(12)}
        if n % 5:
            doc["endpoints"]["srcs"] = self.addresses(4)
        return doc

    def endpoint_properties(self, n):
        names = self.properties[n % len(self.properties):][:1] + (
            [self.net_id + ".pid"] if n % 2 else [])
        return {"properties": names, "endpoints": self.addresses(12)}

    def all(self, paths):
        """paths: {(kind, type of the request): path}"""
        numbers = itertools.count()
        return [Ask("POST", path, {"Content-Type": MEDIA % accepts},
                    text_of(getattr(self, kind)(n)), kind, next(numbers))
                for (kind, accepts), path in sorted(paths.items())
                for n in range(20 if "cost" in kind else 12)]


def find_services(daemon):
    """{(kind, type of the request): path} of all that compute, and
    {resource-id: path} of all that are whole, by what the directory says."""
    computed, whole = {}, {DIR: "/directory"}
    base = daemon.url + "/directory"
    for rid, e in daemon.directory()["resources"].items():
        path = urllib.parse.urlsplit(urllib.parse.urljoin(base, e["uri"])).path
        types = [e[k][len("application/alto-"):-len("+json")]
                 for k in ("media-type", "accepts") if k in e]
        if len(types) > 1:
            computed[KINDS[tuple(types)], types[1]] = path
        else:
            whole[rid] = path
    need({k for k, _ in computed} == set(KINDS.values()),
         "the directory offers %s", sorted(computed))
    return computed, whole


# --- clients -----------------------------------------------------------------

class Answer(collections.namedtuple(
        "Answer", "client epoch sent got ask status headers body")):
    """body: its hash, before a coding is taken off; see Client.bodies."""

    def __str__(self):
        return "client %d: %s %s %s: %d" % (
            self.client, self.ask.method, self.ask.path,
            self.ask.body or self.ask.headers, self.status)


class Client(threading.Thread):
    """One connection, one request after another."""

    def __init__(self, number, url, asks, whole, bodies):
        super().__init__(name="client %d" % number, daemon=True)
        self.number = number
        self.at = urllib.parse.urlsplit(url).netloc
        self.asks, self.whole = asks, sorted(whole.items())
        self.bodies = bodies    # of all clients, by their hashes
        self.rng = random.Random("%s client %d" % (SEED, number))
        self.answers, self.errors = [], []
        self.epoch = -1         # counts connections
        self.etags = {}
        self.over = threading.Event()
        self.con = None

    def run(self):
        try:
            while not self.over.is_set():
                if not self.con or not self.con.sock:
                    self.connect()
                self.one(self.choose())
        except Exception:
            self.errors.append(traceback.format_exc())
        finally:
            if self.con:
                self.con.close()

    def connect(self):
        self.epoch += 1
        self.con = http.client.HTTPConnection(self.at, timeout=alto.WAIT_S)
        self.con.connect()
        self.con.auto_open = 0  # never again unseen

    def choose(self):
        rng = self.rng
        coding = {"Accept-Encoding": "gzip"} if rng.random() < 0.4 else {}
        if rng.random() < 0.7:
            ask = rng.choice(self.asks)
            return ask._replace(headers=dict(ask.headers, **coding))
        rid, path = rng.choice(self.whole)
        method, way = "GET", rng.random()
        if way < 0.3:
            known = self.etags.get((path, bool(coding)))
            if known:
                coding["If-None-Match"] = known
        elif way < 0.5:
            start = rng.randrange(150)
            coding = {"Range": "bytes=%d-%d" % (
                start, start + rng.randrange(4000))}
            known = self.etags.get((path, False))
            if known and way < 0.4:
                coding["If-Range"] = known
        elif way < 0.55:
            method = "HEAD"
        return Ask(method, path, coding, None, None, rid)

    def one(self, ask):
        sent = clock()
        try:
            self.con.request(ask.method, ask.path, ask.body, ask.headers)
            r = self.con.getresponse()
            body = r.read()
        except (OSError, http.client.HTTPException) as e:
            self.errors.append("%s %s: %r" % (ask.method, ask.path, e))
            self.con.close()
            self.over.wait(0.01)    # whoever is down is not asked all the time
            return
        got = clock()
        headers = {k.lower(): v for k, v in r.getheaders()}
        digest = hashlib.sha256(body).digest()
        self.bodies.setdefault(digest, body)
        if ask.kind is None and "etag" in headers:
            self.etags[ask.path, "content-encoding" in headers] = \
                headers["etag"]
        self.answers.append(Answer(self.number, self.epoch, sent, got, ask,
                                   r.status, headers, digest))


# --- one story ---------------------------------------------------------------

class Story:
    def __init__(self, name, top):
        self.name = name
        self.options, steps = STORIES[name]()
        self.steps = list(steps)
        self.top = os.path.join(top, name)
        os.makedirs(self.top)
        self.claims = Claims()
        self.versions, self.quiet = [], []
        self.bodies, self.clients = {}, []
        self.written = {}
        self.server = alto.Server(
            self.top, [dict(more, id=rid, file=self.file(rid))
                       for rid, more in self.options.items()],
            heartbeat=2, services={"endpoint-cost-vtag": True,
                                   "max-cost-types": 8})
        self.proxy = alto.Proxy(self.top, self.server, "proxy")
        self.daemons = [self.server, self.proxy]

    def file(self, rid):
        return os.path.join(self.top, rid + ".json")

    def write(self, texts):
        for rid, text in texts.items():
            if self.written.get(rid) != text:
                alto.put(self.file(rid), text)
        self.written = texts

    def published(self, texts, begun, answered):
        """What the server signs now."""
        code, _, body = self.server.get("/state",
                                        {"Cache-Control": "no-cache"})
        need(code == 200, "GET /state: %d", code)
        signed = json.loads(body)
        code, _, directory = self.server.get("/directory")
        need(code == 200, "GET /directory: %d", code)
        self.versions.append(Version(texts, signed, directory, begun,
                                     answered))

    def push(self, texts):
        begun = clock()
        self.write(texts)
        report = self.server.reload()
        answered = clock()
        if report["changed"]:
            self.published(texts, begun, answered)
            self.claims.that(
                "each reload that changes something is one publication",
                self.versions[-2].serial + 1 == report["serial"] ==
                self.versions[-1].serial, "%s after %d", report["serial"],
                self.versions[-2].serial)
        else:
            self.quiet.append((texts, self.versions[-1]))

    def count(self):
        return sum(len(c.answers) + len(c.errors) for c in self.clients)

    def pause(self, n):
        """Until the clients have n more answers."""
        target = self.count() + n
        alto.wait(lambda: self.count() >= target or
                  not all(c.is_alive() for c in self.clients), None,
                  "%d more answers" % n, 0.002)

    def run(self):
        began = clock()
        self.write(self.steps[0])
        self.server.start()
        self.published(self.steps[0], began, clock())
        self.proxy.start()
        alto.in_step(self.server, self.proxy)
        computed, self.whole = find_services(self.proxy)
        self.asks = Pool(self.steps).all(computed)
        self.clients = [Client(n, self.proxy.url, self.asks, self.whole,
                               self.bodies) for n in range(CLIENTS)]
        for c in self.clients:
            c.start()
        self.pause(PACE)
        for n, texts in enumerate(self.steps[1:]):
            self.push(texts)
            if n % 3:           # else the next one follows at once
                self.pause(PACE)
            if n % 4 == 3:      # so this one is seen, however slow all is
                alto.in_step(self.server, self.proxy)
                self.pause(PACE)
        alto.in_step(self.server, self.proxy)
        self.pause(2 * PACE)
        self.hang_up()
        self.seconds = clock() - began

    def hang_up(self):
        for c in self.clients:
            c.over.set()
        for c in self.clients:
            c.join(alto.WAIT_S)

    def compare(self):
        """Both, when nothing moves any more."""
        asks = self.asks + [Ask("GET", path, {}, None, None, rid)
                            for rid, path in self.whole.items()]
        last = self.versions[-1]
        for ask in asks:
            one, other = ((s, b, {k: h.get(k) for k in (
                "content-type", "etag", "alto-resource", "alto-state")})
                for s, h, b in (d.get(ask.path, ask.headers, method=ask.method,
                                      body=ask.body) for d in self.daemons))
            self.claims.that("server and proxy answer the same in the end",
                             one == other, "%s %s %s:\n  %.600r\n  %.600r",
                             ask.method, ask.path, ask.body, one, other)
            why = last.verdict(ask).wrong(*other[:2]) if ask.kind else \
                "" if other[:2] == (200, last.body(ask.what)) else "another"
            self.claims.that("what they answer then is the last version's",
                             not why, "%s %s: %s", ask.path, ask.body, why)

    def end(self):
        for d in reversed(self.daemons):
            code = d.stop()
            self.claims.that("both end well", code == 0 and not d.sanitizer(),
                             "%s: %d, %s", d.name, code, d.sanitizer()[:3])


# --- the checks --------------------------------------------------------------

ALL_WELL = "no answer but 200, 206, 304 and refusals that the model foresees"
NO_ERROR = "no connection fails or is closed"
ONE = "content and tags are those of one published version"
NAMED = "what vtags name was published"
SIGNED = "resource, serial and SHA-256 are what the server signed there"
OWN = "versions never go backwards within a connection"
FLOOR = "no client gets what is older than what another one had before"
CACHED = "304 exactly when the tag is still the one that the client has"
PART = "a range is a part of that version"
BODIES = "what the server signs is what the model makes of the files"
QUIET = "files that say the same publish nothing"
ENOUGH = "enough was seen"


def json_meta(body):
    try:
        return json.loads(body)["meta"]
    except (ValueError, KeyError, TypeError):
        return {}


class Checks:
    def __init__(self, story):
        self.story, self.claims = story, story.claims
        self.versions = story.versions
        self.by_serial = {v.serial: i for i, v in enumerate(self.versions)}
        self.begun = [v.begun for v in self.versions]
        self.kinds = collections.Counter()
        self.seen = set()
        self.before = {}        # client: version of its last answer
        self.between = 0
        self.lag = 0.0
        self.decoded, self.names = {}, {}

    def body(self, a):
        raw = self.story.bodies[a.body]
        if a.headers.get("content-encoding") != "gzip":
            return raw
        if a.body not in self.decoded:
            try:
                self.decoded[a.body] = raw and gzip.decompress(raw)
            except (OSError, EOFError, zlib.error):
                self.decoded[a.body] = b"bad gzip"
        return self.decoded[a.body]

    def all(self):
        answers = sorted((a for c in self.story.clients for a in c.answers),
                         key=lambda a: a.sent)
        own, had, floor = {}, [], 0
        for a in answers:
            while had and had[0][0] < a.sent:
                floor = max(floor, heapq.heappop(had)[1])
            mine = own.get((a.client, a.epoch), 0)
            got = (self.computed if a.ask.kind else self.whole)(
                a, mine, max(mine, floor))
            if got is None:
                continue
            oldest, newest = got
            self.note(a, oldest, newest)
            own[a.client, a.epoch] = max(mine, oldest)
            heapq.heappush(had, (a.got, oldest))
        self.rest(answers)

    def upto(self, a):
        """The last version that can have been there."""
        return sum(b < a.got for b in self.begun) - 1

    def note(self, a, oldest, newest):
        """The figures. oldest, newest: the versions it may be of."""
        if oldest == newest:
            self.seen.add(oldest)
        last = self.before.get(a.client, oldest)
        self.between = max(self.between, oldest - last - 1)
        self.before[a.client] = max(last, oldest)
        following = self.versions[newest + 1:newest + 2]
        if following:
            self.lag = max(self.lag, a.sent - following[0].answered)
        self.kinds[a.ask.kind or a.ask.what] += 1
        self.kinds["%s %d" % (a.ask.method, a.status)] += 1
        if "content-encoding" in a.headers:
            self.kinds["%s gzip" % a.ask.method] += 1

    def order(self, a, at, mine, floor):
        self.claims.that(OWN, at >= mine, "%s: version %d after %d", a,
                         at, mine)
        self.claims.that(FLOOR, at >= floor, "%s: version %d after %d", a,
                         at, floor)

    # whole maps say what they are

    def whole(self, a, mine, floor):
        if not self.claims.that(ALL_WELL, a.status in (200, 206, 304), "%s", a):
            return None
        h, rid = a.headers, a.ask.what
        state = STATE.fullmatch(h.get("alto-state", ""))
        at = self.by_serial.get(state and int(state[4]))
        v = self.versions[at] if at is not None else None
        if not self.claims.that(
                SIGNED, v and state[1] == v.root and
                h.get("alto-resource") == v.leaves[rid] and
                self.matches(a, v.body(rid)), "%s: %s %s, body %.300r",
                a, h.get("alto-state"), h.get("alto-resource"), self.body(a)):
            return None
        self.order(a, at, mine, floor)
        return at, at

    def matches(self, a, full):
        """Is it the answer to such a request over a map of these bytes?"""
        h, tag = a.ask.headers, RESOURCE.fullmatch(a.headers["alto-resource"])
        if_none = h.get("If-None-Match", "").replace("W/", "").split('"')
        same = len(if_none) > 1 and if_none[1].startswith(tag[2])
        self.claims.that(CACHED, (a.status == 304) == same, "%s: %s", tag[2], a)
        if a.ask.method == "HEAD" or a.status == 304:
            return a.status != 206 and self.body(a) == b""
        if "Range" not in h:
            return a.status == 200 and self.same(self.body(a), full, tag)
        return self.part(a, h, full, tag)

    @staticmethod
    def same(body, full, leaf):
        return body == full and int(leaf[3]) == len(body) and \
            hashlib.sha256(body).digest() == base64.b64decode(leaf[4])

    def part(self, a, h, full, leaf):
        whole = "If-Range" in h and leaf[2] not in h["If-Range"]
        if whole:
            ok = a.status == 200 and self.same(self.body(a), full, leaf)
        else:
            first, last = map(int, h["Range"].split("=")[1].split("-"))
            last = min(last, len(full) - 1)
            ok = a.status == 206 and a.headers.get("content-range") == \
                "bytes %d-%d/%d" % (first, last, len(full)) and \
                self.body(a) == full[first:last + 1]
        return self.claims.that(PART, ok, "%s: %s", a,
                                a.headers.get("content-range"))

    # computed answers are found among what the model makes

    def computed(self, a, mine, floor):
        if not self.claims.that(ALL_WELL, a.status in (200, 400), "%s", a):
            return None
        self.named(a)
        last = self.upto(a)
        tries = (range(floor, last + 1), range(floor - 1, -1, -1))
        oldest = next((i for i in itertools.chain(*tries) if self.fits(a, i)),
                      None)
        if not self.claims.that(ONE, oldest is not None,
                                "%s: is of no version (at least %d, at most "
                                "%d): %.600r", a, floor, last, self.body(a)):
            return None
        self.order(a, oldest, mine, floor)
        newest = next(i for i in range(last, -1, -1) if self.fits(a, i))
        return oldest, newest

    def fits(self, a, i):
        return not self.versions[i].verdict(a.ask).wrong(a.status,
                                                         self.body(a))

    def named(self, a):
        key = a.status, a.ask.what, a.body
        if key not in self.names:
            meta = json_meta(self.body(a))
            tags = list(meta.get("dependent-vtags", ()))
            if "vtag" in meta:
                tags.append(meta["vtag"])
            asked = a.ask.kind != "endpoint_properties" or \
                b".pid" in a.ask.body
            self.names[key] = len(tags) == (a.status == 200 and asked) and \
                all(self.is_published(t) for t in tags)
        self.claims.that(NAMED, self.names[key], "%s: %.600r", a,
                         self.body(a))

    def is_published(self, vtag):
        return any(v.net.vtag == vtag for v in self.versions)

    # what is not about one answer

    def rest(self, answers):
        for v in self.versions:
            for rid, leaf in v.leaves.items():
                self.claims.that(BODIES, self.same(
                    v.body(rid), v.body(rid), RESOURCE.fullmatch(leaf)),
                    "serial %d, %s", v.serial, rid)
            names = json.loads(v.directory)["resources"][
                "endpoint-properties"]["capabilities"]["prop-types"]
            self.claims.that(BODIES, sorted(names) == sorted(
                v.world.endpoint_properties().types()),
                "serial %d: prop-types %s", v.serial, names)
        for texts, v in self.story.quiet:
            net = next(iter(texts.values()))
            self.claims.that(QUIET, all(
                body_of(rid, t, net) == v.body(rid)
                for rid, t in texts.items()), "after serial %d", v.serial)
        for c in self.story.clients:
            self.claims.that(NO_ERROR, not c.errors and c.epoch == 0,
                             "client %d: connections %d, errors %s", c.number,
                             c.epoch + 1, c.errors[:3])
        self.enough(answers)

    def enough(self, answers):
        want = [*KINDS.values(), *self.story.whole, "GET 200", "GET 206",
                "GET 304", "HEAD 200", "POST 200", "GET gzip", "POST gzip"]
        missing = [k for k in want if not self.kinds[k]]
        least = PACE * len(self.story.steps) // 2
        self.claims.that(ENOUGH, not missing and len(answers) > least and
                         len(self.seen) * 4 >= len(self.versions),
                         "%d answers, %d of %d versions, none of %s",
                         len(answers), len(self.seen), len(self.versions),
                         missing)

    def row(self):
        return ("# %s: %d answers checked, %d of %d versions seen, at most %d "
                "between two answers of a client, old version seen up to "
                "%.0f ms after the reload (%.0f s)" % (
                    self.story.name,
                    sum(len(c.answers) for c in self.story.clients),
                    len(self.seen), len(self.versions), self.between,
                    1000 * self.lag, self.story.seconds))


def tell(tests, name, top):
    """One story from its beginning to its end."""
    story = None
    with tests("%s: runs to the end" % name):
        story = Story(name, top)
        try:
            story.run()
            story.compare()
        finally:
            story.hang_up()
            story.end()
        checks = Checks(story)
        checks.all()
    if story:
        story.claims.report(tests, name, story.daemons)
    if story and hasattr(story, "seconds"):
        print(checks.row(), flush=True)


def main(names):
    print("# seed %s" % SEED, flush=True)
    tests = alto.Tests()
    with alto.folder() as top:
        for name in names or STORIES:
            tell(tests, name, top)
    return tests.end()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
