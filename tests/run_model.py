#!/usr/bin/env python3
"""Answers of the computed services, held against tests/model.py.

For each of several sets of maps a server and a proxy below it are started, and
thousands of random requests, right and wrong ones, sent to both. Both must
answer with the same status and the same bytes, and with what the model says.
Callers come from anywhere: a header of a trusted forwarder says so.

  run_model.py [PATTERN]	only the tests that it is found in

ALTO_SEED=<seed> repeats a run; the seed is printed first.
"""
import copy
import functools
import gzip
import ipaddress
import json
import os
import random
import re
import sys
import urllib.parse

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import alto  # noqa: E402
import beside  # noqa: E402
import model  # noqa: E402
from alto import Skip, need  # noqa: E402

SEED = os.environ.get("ALTO_SEED") or str(
    random.SystemRandom().randrange(10 ** 9))
SHOWN = 3               # differences that are printed of each test
EXAMPLES = os.path.join(alto.SRC, "examples")
MEDIA = "application/alto-%s+json"
KINDS = {
    # kind: type of the answer, type of the request
    "network": (MEDIA % "networkmap", MEDIA % "networkmapfilter"),
    "costs": (MEDIA % "costmap", MEDIA % "costmapfilter"),
    "endpoint-costs": (MEDIA % "endpointcost", MEDIA % "endpointcostparams"),
    "properties": (MEDIA % "endpointprop", MEDIA % "endpointpropparams"),
}
JUNK = [None, True, False, 0, 1, -7, 1.5, "", "x", "no such", "a.b", "\u00e9",
        "p" * 64, "p" * 65, [], [1], ["x"], {}, {"x": 1}]


# --- sets of maps ------------------------------------------------------------

def load(path):
    opened = gzip.open if path.endswith(".gz") else open
    with opened(path, "rb") as f:
        return json.load(f)


def cost_doc(net, metric, mode, cells):
    return {"meta": {"cost-type": {"cost-metric": metric, "cost-mode": mode},
                     "dependent-vtags": [{"resource-id": net, "tag": "any"}]},
            "cost-map": cells}


def some_costs(rng, pids, share, values):
    """Costs of a share of all pairs."""
    return {s: {d: values(rng) for d in pids if rng.random() < share}
            for s in pids}


def some_properties(rng, nets):
    """Nested, with an end of inheritance here and there."""
    entities = {}
    for n in nets:
        prefixes = [p for held in n.pids.values() for f in held
                    for p in held[f]]
        for p in rng.sample(prefixes, min(60, len(prefixes))):
            p = ipaddress.ip_network(p)
            held = {"priv:region": rng.choice(["north", "south", None])}
            if rng.random() < 0.5:
                held["priv:asn"] = str(rng.randrange(64496, 64512))
            entities["ipv%d:%s" % (p.version, p)] = held
            inner = list(p.subnets(min(3, p.max_prefixlen - p.prefixlen)))
            p = rng.choice(inner)
            entities.setdefault("ipv%d:%s" % (p.version, p), {
                "priv:region": rng.choice(["\u00e9st", "west", None])})
    return {"meta": {}, "property-map": entities}


class Setting:
    """A set of maps: files for the daemons, objects for the model."""

    def __init__(self, top, name, max_cost_types=8, vtag=False):
        self.dir = os.path.join(top, name + "-maps")
        os.makedirs(self.dir, exist_ok=True)
        self.name = name
        self.rng = random.Random("%s maps of %s" % (SEED, name))
        self.maps = []
        self.nets, self.costs, self.props = [], [], []
        self.services = {"filtered": True, "endpoint-cost": True,
                         "max-cost-types": max_cost_types,
                         "endpoint-cost-vtag": vtag}

    def _file(self, rid, doc, **more):
        path = os.path.join(self.dir, rid + ".json")
        alto.put(path, json.dumps(doc))
        self.maps.append(dict({"id": rid, "file": path}, **more))

    def net(self, doc):
        n = model.NetworkMap(doc)
        self.nets.append(n)
        more = {} if len(self.nets) > 1 else {"default": True}
        self._file(n.id, doc, **more)
        return n

    def cost(self, rid, doc, ordinal=False, testable=True):
        self.costs.append(model.CostMap(doc, None, ordinal, testable))
        doc["meta"].pop("vtag", None)
        self._file(rid, doc, rebind=True, ordinal=ordinal, testable=testable)

    def properties(self):
        doc = some_properties(self.rng, self.nets)
        self.props.append(model.PropertyMap(doc))
        self._file("props", doc)

    def world(self):
        return model.World(
            self.nets, self.costs, self.props,
            self.services["max-cost-types"],
            self.services["endpoint-cost-vtag"])


def example_maps(s, subset=False):
    isp = os.path.join(EXAMPLES, "isp")
    s.net(load(os.path.join(isp, "network-map.json")))
    s.cost("cost-routing", load(os.path.join(isp, "cost-map.json")),
           ordinal=True)
    s.cost("cost-hops", load(os.path.join(isp, "cost-map-hops.json")),
           testable=not subset)


def example(top):
    """The small ISP, and a network map without IPv6 and without tests."""
    s = Setting(top, "example", max_cost_types=2, vtag=True)
    example_maps(s)
    n = s.net({"meta": {"vtag": {"resource-id": "four", "tag": "1"}},
               "network-map": {
                   "low": {"ipv4": ["0.0.0.0/1"]},
                   "high": {"ipv4": ["128.0.0.0/1", "10.0.0.0/8"]},
                   "none": {}, "a:b@c_d-1": {"ipv4": ["10.1.1.1/32"]}}})
    s.cost("four-loss", cost_doc("four", "priv:loss", "numerical", some_costs(
        s.rng, n.pids, 0.7, lambda r: r.choice([0, 0.001, 1e-9, 1e21, 2.5]))),
        ordinal=True, testable=False)
    s.properties()
    return s


def plain(top):
    """No multi-cost at all: RFC 7285 alone. Tests of all costs or of none."""
    s = Setting(top, "plain", max_cost_types=0)
    example_maps(s)
    n = s.net({"meta": {"vtag": {"resource-id": "none", "tag": "1"}},
               "network-map": {"all": {"ipv4": ["0.0.0.0/0"]}, "no": {}}})
    for rid, metric in (("none-rc", "routingcost"), ("none-x", "priv:x")):
        s.cost(rid, cost_doc("none", metric, "numerical", some_costs(
            s.rng, n.pids, 0.9, lambda r: r.randrange(9))),
            testable=rid == "none-x")
    return s


def isp(top):
    s = Setting(top, "isp")
    data = alto.shared("data", "isp")
    s.net(load(os.path.join(data, "network-map.json")))
    s.cost("rc", load(os.path.join(data, "cost-map.routingcost.json")),
           ordinal=True)
    s.cost("delay", load(os.path.join(data, "cost-map.delay-ow.json")),
           ordinal=True, testable=False)
    example_maps(s)
    s.properties()
    return s


def cloud(top):
    s = Setting(top, "cloud", max_cost_types=3)
    n = s.net(load(alto.shared("data", "cloud", "base.json.gz")))
    s.cost("rc", cost_doc(n.id, "routingcost", "numerical", some_costs(
        s.rng, n.pids, 0.9, lambda r: r.randrange(1, 40) / 4)), ordinal=True)
    s.cost("hops", cost_doc(n.id, "hopcount", "ordinal", some_costs(
        s.rng, n.pids, 0.5, lambda r: r.randrange(0, 9))))
    s.cost("loss", cost_doc(n.id, "priv:loss", "numerical", some_costs(
        s.rng, n.pids, 0.1, lambda r: r.random())), testable=False)
    s.properties()
    return s


def world(top):
    """Large network maps: the real table by country."""
    s = Setting(top, "world")
    try:
        doc = load(alto.shared("data", "world", "world-asn-country.json.gz"))
    except Skip:
        doc = load(os.path.join(EXAMPLES, "world", "network-map.json.gz"))
    n = s.net(doc)
    s.cost("rc", cost_doc(n.id, "routingcost", "numerical", some_costs(
        s.rng, n.pids, 0.4, lambda r: round(r.expovariate(0.02), 1))),
        ordinal=True)
    s.cost("hops", cost_doc(n.id, "hopcount", "numerical", some_costs(
        s.rng, n.pids, 0.1, lambda r: r.randrange(1, 30))))
    return s


# --- random requests ---------------------------------------------------------

class Asker:
    """Random requests about one network map."""

    def __init__(self, rng, service, kind):
        self.rng, self.service, self.kind = rng, service, kind
        self.world, self.net = service.world, service.net
        nets = [self.net] if self.net else list(self.world.nets.values())
        self.pids = [p for n in nets for p in n.pids]
        self.prefixes = [p for n in nets for held in n.pids.values()
                         for f in held for p in held[f]]
        self.offers = getattr(service, "offers", [])
        self.large = len(self.pids) > 100

    def one(self):
        """The bytes of a request."""
        doc = getattr(self, "ask_" + self.kind.replace("-", "_"))()
        rng = self.rng
        if self.kind in ("costs", "endpoint-costs") and rng.random() < 0.03:
            doc["constraints"] = ["ge 1"]       # wanted or not
        if rng.random() < 0.25:
            for _ in range(rng.choice((1, 1, 1, 2, 3))):
                self.spoil(doc)
        if rng.random() < 0.1:
            doc["x-unknown"] = copy.deepcopy(rng.choice(JUNK))
        text = json.dumps(doc, ensure_ascii=rng.random() < 0.5,
                          indent=rng.choice((None, None, 1))).encode()
        if rng.random() < 0.03:
            text = self.spoil_text(text)
        return text

    def pick(self, values, most):
        """Some of values, now and then one twice."""
        n = min(self.rng.randrange(most + 1), len(values))
        out = self.rng.sample(list(values), n)
        if out and self.rng.random() < 0.2:
            out.append(out[0])
        return out

    def names(self):
        rng = self.rng
        out = self.pick(self.pids, 6)
        if rng.random() < 0.25:
            out.insert(rng.randrange(len(out) + 1),
                       rng.choice(("nosuch", "no:such@pid", "p" * 64)))
        return out

    def address(self):
        rng = self.rng
        if rng.random() < 0.2:
            cls = rng.choice((ipaddress.IPv4Address, ipaddress.IPv6Address))
            return cls(rng.getrandbits(32 if cls is ipaddress.IPv4Address
                                       else 128))
        p = ipaddress.ip_network(rng.choice(self.prefixes))
        first, last = int(p.network_address), int(p.broadcast_address)
        at = rng.choice((first, last, rng.randint(first, last),
                         max(0, first - 1),
                         min(last + 1, (1 << p.max_prefixlen) - 1)))
        return type(p.network_address)(at)

    def endpoint(self):
        a = self.address()
        rng, text = self.rng, str(a)
        if a.version == 6 and rng.random() < 0.4:
            text = rng.choice((a.exploded, text.upper(), self.dotted(a),
                               a.exploded.replace(":0", ":")))
        return "ipv%d:%s" % (a.version, text)

    @staticmethod
    def dotted(a):
        return "%s:%s" % (":".join(a.exploded.split(":")[:6]),
                          ipaddress.IPv4Address(int(a) & 0xffffffff))

    def endpoints(self, most=8):
        return [self.endpoint() for _ in range(self.rng.randrange(most + 1))]

    def ask_network(self):
        rng = self.rng
        doc = {"pids": self.names()}
        if self.large and not doc["pids"]:
            doc["pids"] = [rng.choice(self.pids)]
        if rng.random() < 0.6:
            doc["address-types"] = self.pick(("ipv4", "ipv6", "mac"), 3)
        return doc

    def ask_properties(self):
        doc = {"properties": self.pick(self.service.types(), 3),
               "endpoints": self.endpoints(10)}
        if self.rng.random() < 0.9:
            doc["properties"] += [self.rng.choice(self.service.types())]
            doc["endpoints"] += [self.endpoint()]
        return doc

    def ask_costs(self):
        doc = self.costs()
        rng = self.rng
        if self.large or rng.random() < 0.8:
            doc["pids"] = {"srcs": self.names(), "dsts": self.names()}
            side = rng.choice(("srcs", "dsts"))
            if self.large and not doc["pids"][side]:
                doc["pids"][side] = [rng.choice(self.pids)]
        return doc

    def ask_endpoint_costs(self):
        doc = self.costs()
        doc["endpoints"] = {}
        for side in ("srcs", "dsts"):
            if self.rng.random() < 0.8:
                doc["endpoints"][side] = self.endpoints()
        if not any(doc["endpoints"].values()):
            doc["endpoints"]["dsts"] = [self.endpoint()]
        return doc

    # costs

    def named(self, offer):
        out = dict(offer.text)
        if self.rng.random() < 0.1:
            out["description"] = "whatever"
        return out

    def costs(self):
        """All but which pairs."""
        rng, doc = self.rng, {}
        most = self.world.max_cost_types
        if most and rng.random() < 0.5:
            n = rng.randint(1, min(most, len(self.offers)))
            shown = rng.sample(self.offers, n)
            doc["multi-cost-types"] = [self.named(o) for o in shown]
        else:
            shown = [rng.choice(self.offers)]
            doc["cost-type"] = self.named(shown[0])
        tests = self.service.tests
        if tests and rng.random() < 0.6:
            self.constraints(doc, shown, tests)
        return doc

    def constraints(self, doc, shown, tests):
        rng = self.rng
        multi = self.world.max_cost_types > 0
        if multi and (rng.random() < 0.4 or
                      not all(o in tests for o in shown)):
            shown = rng.sample(tests, rng.randint(1, len(tests)))
            doc["testable-cost-types"] = [self.named(o) for o in shown]

        def clause(least):
            return [self.predicate(shown, multi)
                    for _ in range(rng.randint(least, 2))]
        if multi and rng.random() < 0.5:
            doc["or-constraints"] = [clause(1)
                                     for _ in range(rng.randint(1, 3))]
        else:
            doc["constraints"] = clause(0)

    def predicate(self, shown, indexed):
        rng = self.rng
        i = rng.randrange(len(shown))
        offer = shown[i]
        cells = offer.map.cells
        row = cells[rng.choice(list(cells))] if cells else {}
        value = rng.choice(list(row.values())) if row else 1.0
        if offer.ranked:
            value = rng.randrange(1, 12)
        text = "%s%s%s" % (rng.choice(("gt", "lt", "ge", "le", "le", "eq")),
                           rng.choice((" ", "  ", "\t")),
                           rng.choice((model.number, repr))(float(value)))
        if indexed and (i or rng.random() < 0.3):
            text = "[%d]%s%s" % (i, rng.choice((" ", " \t")), text)
        return text

    # mistakes

    def spoil(self, doc):
        """One random change somewhere in a request."""
        rng, places = self.rng, []

        def walk(v):
            if isinstance(v, (dict, list)):
                places.append(v)
                for x in v.values() if isinstance(v, dict) else v:
                    walk(x)
        walk(doc)
        at = rng.choice(places)
        keys = list(at) if isinstance(at, dict) else list(range(len(at)))
        what = rng.random()
        if isinstance(at, list) and (what < 0.4 or not keys):
            at.insert(rng.randrange(len(at) + 1), self.junk())
        elif not keys:
            at["x"] = 1
        elif what < 0.6:
            del at[rng.choice(keys)]
        else:
            at[rng.choice(keys)] = self.junk()

    def junk(self):
        rng = self.rng
        near = ["ipv4:192.0.2.300", "ipv4:192.000.2.1", "ipv9:1", "ipv4:",
                "ipv4:192.0.2.0/24", "ipv6:1::2::3", "ipv6:fe80::1%eth0",
                "192.0.2.1", "gt", "foo 5", "gt five", "gt5", "[9] gt 1",
                "[0]gt 1", "gt 01", "gt .5", "gt 5 ", "[-1] gt 1", "gt +1",
                "net.pid", "priv:", "routingcost", "ordinal", "numerical",
                {"cost-metric": "routingcost", "cost-mode": "foo"},
                {"cost-metric": "routingcost"}, {"cost-mode": 1},
                {"srcs": []}, {"dsts": ["x"]}]
        return copy.deepcopy(rng.choice(rng.choice((JUNK, near))))

    def spoil_text(self, text):
        rng = self.rng
        return rng.choice((
            lambda: text[:rng.randrange(len(text))], lambda: text + b"]",
            lambda: text[:-1] + b',"x":1,"x":2}', lambda: b"\xff" + text,
            lambda: text[:-1] + b',"x":NaN}', lambda: b"",
            lambda: b"[" + text + b"]", lambda: b'"pids"', lambda: b"null",
            lambda: text.replace(b'"', b"'")))()


# --- against the daemons -----------------------------------------------------

def services(world, directory, base):
    """[(kind, name, service of the model, path)] of all that the directory
    offers, found by what the entries say."""
    out = []
    for rid, e in sorted(directory["resources"].items()):
        kinds = [k for k, pair in KINDS.items()
                 if pair == (e["media-type"], e.get("accepts"))]
        if not kinds:
            continue
        path = urllib.parse.urlsplit(urllib.parse.urljoin(base, e["uri"])).path
        kind = kinds[0]
        if kind == "properties":
            out.append((kind, rid, world.endpoint_properties(), path))
            continue
        # RFC 7285 s11.5.1.5 keeps endpoint costs from naming their map.
        net = e["uses"][0] if kind != "endpoint-costs" else \
            path.rsplit("/", 1)[1]
        make = {"network": world.filtered_network,
                "costs": world.filtered_costs,
                "endpoint-costs": world.endpoint_costs}[kind]
        out.append((kind, rid, make(net), path))
    return out


def capabilities(directory, rid):
    """What an entry says of its cost types, names resolved."""
    held = directory["resources"][rid]["capabilities"]
    types = directory["meta"]["cost-types"]

    def resolved(name):
        return {(types[n]["cost-metric"], types[n]["cost-mode"])
                for n in held[name]}
    offered = resolved("cost-type-names")
    tests = set()
    if held.get("cost-constraints"):
        need("testable-cost-type-names" not in held, "both ways to test")
        tests = offered
    elif "testable-cost-type-names" in held:
        tests = resolved("testable-cost-type-names")
    return offered, tests, held.get("max-cost-types", 0)


def check_directory(world, directory, found):
    """It says what the configuration does."""
    have = sorted((kind, s.net.id if s.net else "") for kind, _, s, _ in found)
    want = sorted([("network", n) for n in world.nets] +
                  [(k, n) for n in world.nets if world.offers(n)
                   for k in ("costs", "endpoint-costs")] +
                  [("properties", "")])
    need(have == want, "services %s, not %s", have, want)
    for kind, rid, s, _ in found:
        if kind == "properties":
            held = directory["resources"][rid]["capabilities"]["prop-types"]
            need(sorted(held) == sorted(s.types()), "prop-types %s, not %s",
                 held, s.types())
        elif kind != "network":
            said = capabilities(directory, rid)
            need(said == ({(o.metric, o.mode) for o in s.offers},
                          {(o.metric, o.mode) for o in s.tests},
                          world.max_cost_types), "%s: %s", rid, said)


def check_maps(world, daemons):
    """The full network maps have the model's tags and PIDs."""
    for d in daemons:
        for rid, path in d.maps().items():
            code, _, body = d.get(path)
            need(code == 200, "%s: %d", path, code)
            if rid not in world.nets:
                continue
            n = world.nets[rid]
            want = model.dumps({"meta": {"vtag": n.vtag},
                                "network-map": n.pids})
            need(body == want.encode(), "%s: another map than the file's", rid)


class Difference(Exception):
    pass


def compare(kind, service, path, body, caller, daemons):
    """Sends one request to both; a Difference says what is wrong."""
    headers = {"Content-Type": KINDS[kind][1], "Accept": "*/*",
               "X-Forwarded-For": str(caller)}
    replies = [d.get(path, headers, method="POST", body=body)
               for d in daemons]
    verdict = service.answer(body, caller)
    for d, (status, held, got) in zip(daemons, replies):
        wrong = verdict.wrong(status, got)
        media = KINDS[kind][0] if status == 200 else MEDIA % "error"
        if not wrong and held.get("content-type") != media:
            wrong = "Content-Type: %s" % held.get("content-type")
        if wrong:
            raise Difference("%s: POST %s from %s %.1000r\n  %d %.2000r\n  %s" % (
                d.name, path, caller, body, status, got, wrong))
    if replies[0][0] != replies[1][0] or replies[0][2] != replies[1][2]:
        raise Difference("POST %s from %s %.1000r\n  %.1000r\n  %.1000r" % (
            path, caller, body, replies[0], replies[1]))
    return replies[0][0]


def run_service(setting, kind, rid, service, path, daemons, n):
    rng = random.Random("%s %s %s" % (SEED, setting.name, rid))
    asker = Asker(rng, service, kind)
    wrong, refused = [], 0
    for _ in range(n):
        caller = asker.address() if rng.random() < 0.9 else \
            ipaddress.ip_address("127.0.0.1")
        try:
            refused += compare(kind, service, path, asker.one(), caller,
                               daemons) != 200
        except Difference as e:
            wrong.append(str(e))
    need(not wrong, "%d of %d differ (ALTO_SEED=%s)\n%s", len(wrong), n, SEED,
         "\n".join(wrong[:SHOWN]))
    need(n // 20 < refused < n * 3 // 4, "%d of %d were refused: no good mix",
         refused, n)


def run(tests, top, make, pattern):
    name = make.__name__
    if not any(re.search(pattern, name + " " + k) for k in (*KINDS, "maps")):
        return
    try:
        s = make(top)
    except Skip as e:
        with tests("%s" % name):
            raise Skip(e)
        return
    world = s.world()
    server = alto.Server(
        top, s.maps, name + "-server", services=s.services,
        http={"forwarders": ["127.0.0.1"]})
    proxy = alto.Proxy(top, server, name + "-proxy",
                       http={"forwarders": ["127.0.0.1"]})
    both = [server, proxy]
    found = []
    with tests("%s: the directory says what is configured" % name, *both):
        server.start()
        proxy.start()
        alto.in_step(server, proxy)
        directory = server.directory()
        need(proxy.get("/directory")[2] == server.get("/directory")[2],
             "the proxy's is another")
        found = services(world, directory, server.url + "/directory")
        check_directory(world, directory, found)
    with tests("%s: the network maps are the files'" % name, *both):
        check_maps(world, both)
    n = 60 if alto.quick() else 400
    for kind, rid, service, path in found:
        label = "%s: answers of %s are the model's" % (name, rid)
        if re.search(pattern, label):
            with tests(label, *both):
                run_service(s, kind, rid, service, path, both, n)
    for d in (proxy, server):
        with tests("%s ends well" % d.name, d):
            need(d.process is not None, "did not start")
            need(d.stop() == 0, "exit status")
            need(not d.sanitizer(), "%s", d.sanitizer())


def main():
    print("# seed %s" % SEED, flush=True)
    tests = alto.Tests()
    pattern = sys.argv[1] if len(sys.argv) > 1 else ""
    with alto.folder() as top:
        beside.run(tests, [
            functools.partial(run, tests, top, make, pattern)
            for make in (world, cloud, isp, plain, example)])
    return tests.end()


if __name__ == "__main__":
    sys.exit(main())
