#!/usr/bin/env python3
"""Real maps and real changes through a running server and a running proxy, held
against what the data say about themselves and against a second program.

Four traces, each through one server that is never restarted and one proxy:

  failures    50 events in an ISP's network: links, routers, weights
  evolution   24 snapshots of that network in three years
  cloud       270 changes of published address lists in twelve weeks
  world       nine days of change in a map of the whole Internet, 40 steps

After each step everything that is served is fetched from both and checked. A
third subscriber, written here, applies the updates by the letter of RFC 7396
and RFC 6902. ALTO_QUICK=1, or programs built with a sanitizer: the first 12
steps of each. ALTO_QUICK=0: all in any case. Arguments: names of traces.
"""
import base64
import functools
import gzip
import hashlib
import importlib.util
import ipaddress
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
import traceback

sys.dont_write_bytecode = True  # nothing is left in the source tree

import alto
from alto import need

NET, COST, DIR = ("application/alto-%s+json" % k
                  for k in ("networkmap", "costmap", "directory"))
FAMILY = {"ipv4": socket.AF_INET, "ipv6": socket.AF_INET6}
FIVE = ("alto-resource", "alto-state", "alto-proof", "signature-input",
        "signature")
QUICK_STEPS = 12
ROW = "%-10s %5s %6s %6s %5s %11s %12s %8s %7s  %s"


# --- a second program for canonical form, tags and signatures ----------------

def number(x):
    """RFC 8785 s3.2.2.3 from Python's shortest digits."""
    if x == int(x) and abs(x) < 1e21:
        return str(int(x))
    mantissa, _, exp = repr(float(x)).partition("e")
    if not exp:
        return mantissa
    exp = int(exp)
    if -7 <= exp < 0:
        return "%.*f" % (len(mantissa.replace(".", "").lstrip("-")) - exp - 1,
                         x)
    return "%se%+d" % (re.sub(r"\.0$", "", mantissa), exp)


def jcs(v):
    if isinstance(v, dict):
        names = sorted(v, key=lambda k: k.encode("utf-16-be"))
        return "{%s}" % ",".join(quote(k) + ":" + jcs(v[k]) for k in names)
    if isinstance(v, list):
        return "[%s]" % ",".join(map(jcs, v))
    if isinstance(v, (int, float)) and not isinstance(v, bool):
        return number(v)
    return quote(v)


def quote(v):
    return json.dumps(v, ensure_ascii=False)


def sha(data):
    return hashlib.sha256(data).digest()


def leaf(data):
    return sha(b"\0" + data)


def pair(a, b):
    return sha(b"\1" + a + b)


def merkle(level):
    """From the bottom up; a node without a partner goes up as it is, which is
    the tree of RFC 9162 s2.1.1."""
    while len(level) > 1:
        level = [pair(*level[i:i + 2]) if i + 1 < len(level) else level[i]
                 for i in range(0, len(level), 2)]
    return level[0]


def climb(node, index, count, path):
    """The root that the path leads to. Levels as in merkle(): where there is
    no partner the path has no hash."""
    path = list(path)
    while count > 1:
        if index % 2:
            node = pair(path.pop(0), node)
        elif index + 1 < count:
            node = pair(node, path.pop(0))
        index, count = index // 2, (count + 1) // 2
    need(not path, "the proof is too long")
    return node


@functools.lru_cache(maxsize=None)
def openssl_verifies(x, text, signature):
    """Ed25519; x is the public key of the JWK."""
    key = bytes.fromhex("302a300506032b6570032100") + unurl(x)
    with tempfile.TemporaryDirectory() as d:
        names = [os.path.join(d, n) for n in "kms"]
        for name, data in zip(names, (key, text, signature)):
            with open(name, "wb") as out:
                out.write(data)
        return subprocess.run(
            ["openssl", "pkeyutl", "-verify", "-pubin", "-keyform", "DER",
             "-inkey", names[0], "-rawin", "-in", names[1], "-sigfile",
             names[2]], stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL).returncode == 0


def unurl(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def thumbprint(x):
    text = '{"crv":"Ed25519","kty":"OKP","x":"%s"}' % x
    return base64.urlsafe_b64encode(sha(text.encode())).decode().rstrip("=")


RESOURCE = re.compile(r'"([^"]+)";tag="([0-9a-f]{64})";size=(\d+);'
                      r'sha-256=:([^:]+):;type="([^"]+)"')
STATE = re.compile(r':([^:]+):;service="([^"]+)";session="([^"]+)";'
                   r'serial=(\d+);resources=(\d+)')
PROOF = re.compile(r':([^:]*):;index=(\d+)')
INPUT = re.compile(r'alto=(\("alto-state"\);created=(\d+);expires=(\d+);'
                   r'keyid="([^"]+)";tag="alto-redistribution")')


def verify(headers, body, rid, keys):
    """What a client does before it believes; returns (tag, serial)."""
    res = RESOURCE.fullmatch(headers["alto-resource"])
    state = STATE.fullmatch(headers["alto-state"])
    proof = PROOF.fullmatch(headers["alto-proof"])
    params = INPUT.fullmatch(headers["signature-input"])
    need(res and state and proof and params, "malformed: %r", headers)
    need(res[1] == rid and int(res[3]) == len(body) and
         base64.b64decode(res[4]) == sha(body) and
         res[5] == headers["content-type"], "%s is not the body of %r", rid,
         res[0])
    raw = base64.b64decode(proof[1])
    path = [raw[i:i + 32] for i in range(0, len(raw), 32)]
    root = climb(leaf(res[0].encode()), int(proof[2]), int(state[5]), path)
    need(root == base64.b64decode(state[1]), "%s: not the signed root", rid)
    now = time.time()
    need(int(params[2]) <= now + 60 and now < int(params[3]), "not in time")
    text = '"alto-state": %s\n"@signature-params": %s' % (state[0], params[1])
    signature = re.fullmatch("alto=:([^:]+):", headers["signature"])
    need(params[4] in keys, "key %s", params[4])
    need(openssl_verifies(keys[params[4]], text.encode(),
                          base64.b64decode(signature[1])), "signature")
    return res[2], int(state[4])


def reference():
    """The project's own reference program, when it is beside the tree: it
    shares no code with the above."""
    try:
        path = alto.shared("spec", "reference", "altoref.py")
    except alto.Skip:
        return None
    spec = importlib.util.spec_from_file_location("altoref", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    # one signature covers all resources of a state: a process for each state
    module.ed_verify = functools.lru_cache(maxsize=None)(module.ed_verify)
    return module


# --- maps as they must be served ---------------------------------------------

@functools.lru_cache(maxsize=1 << 17)
def prefix(family, text):
    """((address, length), canonical text)"""
    address, length = text.split("/")
    packed = socket.inet_pton(FAMILY[family], address)
    value, length = int.from_bytes(packed, "big"), int(length)
    need(value & ((1 << (8 * len(packed) - length)) - 1) == 0,
         "host bits: %s", text)
    shown = socket.inet_ntop(FAMILY[family], packed)
    if family == "ipv6" and "." in shown:
        shown = ipaddress.IPv6Address(packed).compressed
    return (value, length), "%s/%d" % (shown, length)


class Net:
    """A network map; a PID's text is made anew only when it was touched."""

    type = NET

    def __init__(self, rid, pids):
        self.rid = rid
        self.pids = {}          # name: {family: {key: text}}
        self.doc = {}           # the same as RFC 7285 has it
        self.text, self.leaf = {}, {}
        self.edit({}, pids)
        for pid in pids:
            self.touch(pid)

    def edit(self, remove, add):
        for pid, families in remove.items():
            for family, texts in families.items():
                for text in texts:
                    del self.pids[pid][family][prefix(family, text)[0]]
        for pid, families in add.items():
            for family, texts in families.items():
                held = self.pids.setdefault(pid, {}).setdefault(family, {})
                for text in texts:
                    key, shown = prefix(family, text)
                    held[key] = shown
        for pid in set(remove) | set(add):
            self.touch(pid)
        return self

    def touch(self, pid):
        families = self.pids.setdefault(pid, {})
        self.doc[pid] = {f: [held[k] for k in sorted(held)]
                         for f, held in sorted(families.items()) if held}
        self.text[pid] = "%s:%s" % (quote(pid), json.dumps(
            self.doc[pid], separators=(",", ":")))
        self.leaf[pid] = leaf(self.text[pid].encode())

    def seal(self):
        order = sorted(self.pids)
        head = leaf(jcs({"media-type": NET, "meta": {}}).encode())
        self.tag = merkle([head] + [self.leaf[p] for p in order]).hex()
        self.map = "{%s}" % ",".join(self.text[p] for p in order)
        self.body = ('{"meta":{"vtag":{"resource-id":"%s","tag":"%s"}},'
                     '"network-map":%s}' % (self.rid, self.tag,
                                            self.map)).encode()
        return self

    def prefixes(self):
        return {(family, key, pid) for pid, families in self.pids.items()
                for family, held in families.items() for key in held}


class Cost:
    type = COST

    def __init__(self, rid, file_doc, net):
        self.rid = rid
        kind = file_doc["meta"]["cost-type"]
        meta = {"cost-type": {k: kind[k] for k in ("cost-metric",
                                                   "cost-mode")},
                "dependent-vtags": [{"resource-id": net.rid,
                                     "tag": net.tag}]}
        self.doc = {s: row for s, row in file_doc["cost-map"].items() if row}
        rows = ["%s:%s" % (quote(s), jcs(self.doc[s]))
                for s in sorted(self.doc)]
        head = jcs({"media-type": COST, "meta": meta})
        self.tag = merkle([leaf(t.encode()) for t in [head] + rows]).hex()
        meta["vtag"] = {"resource-id": rid, "tag": self.tag}
        self.body = ('{"cost-map":{%s},"meta":%s}' % (
            ",".join(rows), jcs(meta))).encode()


def directory_tag(body):
    doc = json.loads(body)
    meta = doc.pop("meta", {})
    meta.pop("vtag", None)
    return merkle([leaf(jcs({"media-type": DIR, "meta": meta}).encode()),
                   leaf(jcs(doc).encode())]).hex()


# --- patches by the letter ---------------------------------------------------

def merge(target, patch):
    """RFC 7396 section 2."""
    if not isinstance(patch, dict):
        return patch
    if not isinstance(target, dict):
        target = {}
    for name, value in patch.items():
        if value is None:
            target.pop(name, None)
        else:
            target[name] = merge(target.get(name), value)
    return target


def walk(doc, pointer):
    """(container, last step) of an RFC 6901 pointer."""
    steps = [s.replace("~1", "/").replace("~0", "~")
             for s in pointer.split("/")[1:]]
    for step in steps[:-1]:
        doc = doc[int(step) if isinstance(doc, list) else step]
    last = steps[-1]
    if isinstance(doc, list):
        last = len(doc) if last == "-" else int(last)
    return doc, last


def operations(doc, patch):
    """RFC 6902, the operations of it that the protocol has."""
    for op in patch:
        at, last = walk(doc, op["path"])
        kind = op["op"]
        if kind == "test":
            need(at[last] == op["value"], "test of %s", op["path"])
        elif kind == "remove":
            del at[last]
        elif kind == "replace":
            need(last in at if isinstance(at, dict) else last < len(at),
                 "nothing to replace at %s", op["path"])
            at[last] = op["value"]
        elif kind == "add" and isinstance(at, list):
            need(last <= len(at), "no index %d", last)
            at.insert(last, op["value"])
        elif kind == "add":
            at[last] = op["value"]
        else:
            raise alto.Failed("operation %s" % kind)
    return doc


class Reader:
    """The third subscriber: documents kept up by patches alone; what is
    ordered as a pull it takes from the server."""

    def __init__(self, server):
        self.server = server
        self.push = alto.Push(server.urls["push"])
        self.push.until("hello")
        self.push.send("subscribe", name="reader")
        self.state(self.push.until("subscribed"))
        self.doc = {}
        for value in self.push.until("snapshot")["resources"]:
            self.fetch(RESOURCE.fullmatch(value)[1])
        self.ack()
        self.patches = self.pulls = self.pulled_bytes = 0
        self.media = set()

    def state(self, members):
        state = STATE.fullmatch(members["state"][0])
        self.session, self.serial = state[3], int(state[4])

    def ack(self):
        self.push.send("ack", session=self.session, serial=self.serial)

    def fetch(self, rid):
        self.doc[rid] = json.loads(
            self.server.get(self.server.path_of(rid))[2])

    def update(self):
        """Takes the next update in; returns the number of pulls it ordered."""
        before = self.serial, self.session
        members = self.push.until("update")
        self.state(members)
        need((self.serial - 1, self.session) == before,
             "update to %d after %r", self.serial, before)
        pulls, seen = 0, []
        for change in members["changes"]:
            res = RESOURCE.fullmatch(change["resource"])
            rid, tag = res.group(1, 2)
            need(res[5] != NET or seen in ([], [".directory"]),
                 "a network map behind %r", seen)
            seen.append(rid)
            if "pull" in change:
                self.fetch(rid)
                pulls += 1
                self.pulled_bytes += int(res[3])
                continue
            old = self.doc[rid]
            need(old["meta"]["vtag"]["tag"] == change["from"],
                 "%s: the patch is for another tag", rid)
            self.media.add(change["media-type"])
            how = merge if "merge" in change["media-type"] else operations
            self.doc[rid] = how(old, change["data"])
            need(self.doc[rid]["meta"]["vtag"]["tag"] == tag,
                 "%s: the patch leads to another tag", rid)
            self.patches += 1
        self.ack()
        self.pulls += pulls
        return pulls


# --- traces ------------------------------------------------------------------

def load(path):
    opener = gzip.open if path.endswith(".gz") else open
    with opener(path, "rb") as f:
        return f.read()


def lines(path):
    return [json.loads(l) for l in load(path).splitlines()]


class Step:
    """files: what to write; docs: what must be served then; counts: what the
    reload must say, {resource-id: {name: number}}; tag: that of the network
    map by the data's own rule."""

    def __init__(self, files, docs, counts, tag):
        self.files, self.counts, self.tag = files, counts, tag
        self.docs = {d.rid: d for d in docs}


METRICS = {"isp-routingcost": "routingcost", "isp-delay": "delay-ow"}


def cell_counts(event, metric):
    stated = event.get(metric, {})
    return {"cells-" + k: stated.get(k, 0)
            for k in ("changed", "added", "removed")}


def isp_maps():
    return [("isp-garr", "network-map")] + list(METRICS.items())


def isp_step(net, costs, event, net_bytes=None, net_counts=None):
    docs = [net] + [Cost(rid, json.loads(costs[m]), net)
                    for rid, m in METRICS.items()]
    files = dict(costs)
    if net_bytes:
        files["network-map"] = net_bytes
    counts = {rid: cell_counts(event, m) for rid, m in METRICS.items()}
    counts["isp-garr"] = net_counts or {}
    return files, docs, counts


def failures():
    top = alto.shared("data", "isp")
    text = load(os.path.join(top, "network-map.json"))
    doc = json.loads(text)
    net = Net("isp-garr", doc["network-map"]).seal()
    for event in lines(os.path.join(top, "trace-failures", "events.jsonl")):
        costs = {m: load(os.path.join(top, "trace-failures", "v%03d.%s.json.gz"
                                      % (event["step"], m)))
                 for m in METRICS.values()}
        yield Step(*isp_step(net, costs, event,
                             text if event["step"] == 0 else None),
                   doc["meta"]["vtag"]["tag"])


def evolution():
    top = alto.shared("data", "isp", "trace-evolution")
    before = set()
    for event in lines(os.path.join(top, "events.jsonl")):
        v = {m: load(os.path.join(top, "v%03d.%s.json.gz" % (event["step"], m)))
             for m in ["network-map", *METRICS.values()]}
        text = v.pop("network-map")
        net = Net("isp-garr", json.loads(text)["network-map"]).seal()
        now = net.prefixes()
        counts = {"pids-" + k: len(event.get("pids-" + k, ()))
                  for k in ("added", "removed")}
        counts["prefixes-added"] = len(now - before)
        counts["prefixes-removed"] = len(before - now)
        before = now
        yield Step(*isp_step(net, v, event, text, counts),
                   event["network-map-tag"])


def shuffled(net, tag):
    """The map as a file that is not in canonical form: everything backwards
    and with spaces."""
    pids = {pid: {f: texts[::-1] for f, texts in
                  reversed(list(net.doc[pid].items()))}
            for pid in sorted(net.doc, reverse=True)}
    return json.dumps({"network-map": pids, "meta": {"vtag": {
        "tag": tag, "resource-id": net.rid}}},
        separators=(" , ", " :\n")).encode()


def as_it_is(net, tag):
    return ('{"meta":{"vtag":{"resource-id":"%s","tag":"%s"}},'
            '"network-map":%s}' % (net.rid, tag, net.map)).encode()


def prefix_trace(folder, render):
    top = alto.shared("data", *folder)
    doc = json.loads(load(os.path.join(top, "base.json.gz")))
    vtag = doc["meta"]["vtag"]
    net = Net(vtag["resource-id"], doc["network-map"]).seal()
    yield Step({"network-map": render(net, vtag["tag"])}, [Copy(net)], {},
               vtag["tag"])
    for step in lines(os.path.join(top, "steps.jsonl.gz")):
        net.edit(step["remove"], step["add"]).seal()
        # "moved" are among both
        counts = {"prefixes-" + k: step["counts"][k]
                  for k in ("added", "removed")}
        yield Step({"network-map": render(net, step["tag"])}, [Copy(net)],
                   {net.rid: counts}, step["tag"])


class Copy:
    """What a network map was at one step."""

    type = NET

    def __init__(self, net):
        self.rid, self.tag, self.body = net.rid, net.tag, net.body
        self.doc = net.doc      # shared: compared before the next edit


def cloud():
    return prefix_trace(["cloud"], shuffled)


def world():
    return prefix_trace(["world", "trace-2025-04"], as_it_is)


# name: (steps, maps, steps that change nothing, every n-th step's maps go
# through the reference program, which needs 20 s for the world: 0 is never)
TRACES = {
    "failures": (failures, isp_maps(), 14, 1),
    "evolution": (evolution, isp_maps(), 2, 4),
    "cloud": (cloud, [("cloud", "network-map")], 0, 30),
    "world": (world, [("world-asn-trace", "network-map")], 0, 0),
}


# --- the run -----------------------------------------------------------------

class Claims:
    """Sentences that must hold at every step; one test each."""

    def __init__(self):
        self.broken = {}
        self.held = {}

    def that(self, sentence, ok, why="", *values):
        self.broken.setdefault(sentence, [])
        self.held[sentence] = self.held.get(sentence, 0) + 1
        if not ok:
            self.broken[sentence].append(why % values if values else why)
        return ok

    def tried(self, sentence, what, call, *args):
        try:
            got = call(*args)
            self.that(sentence, True)
            return got
        except (alto.Failed, ValueError, KeyError, IndexError, TypeError) as e:
            self.that(sentence, False, "%s: %r", what, e)
            return None

    def report(self, tests, name, daemons):
        for sentence, broken in self.broken.items():
            what = "%s: %s (%d times)" % (name, sentence, self.held[sentence])
            with tests(what, *(daemons if broken else ())):
                need(not broken, "%s", "\n".join(
                    broken[:5] + ["and %d more" % (len(broken) - 5)]
                    * (len(broken) > 5)))


class Run:
    def __init__(self, name, top):
        self.name = name
        self.steps, self.maps, self.quiet, self.nth = TRACES[name]
        self.top = os.path.join(top, name)
        os.makedirs(self.top)
        self.claims = Claims()
        self.reference = reference()
        self.referred = {}      # what it computed last
        self.n = self.pushed = self.pulls = 0
        self.delta_bytes = self.full_bytes = 0
        self.daemons = []

    def file(self, stem):
        return os.path.join(self.top, stem + ".json")

    def write(self, step):
        for stem, data in step.files.items():
            alto.put(self.file(stem), data)

    def begin(self, step):
        # A heartbeat would sign anew between two fetches, so there is none.
        self.write(step)
        self.server = alto.Server(
            self.top, [(rid, self.file(stem)) for rid, stem in self.maps],
            heartbeat=3600).start()
        self.daemons.append(self.server)
        self.proxy = alto.Proxy(self.top, self.server, "proxy").start()
        self.daemons.append(self.proxy)
        self.reader = Reader(self.server)
        self.session, self.serial = alto.in_step(self.server, self.proxy)
        self.paths = self.server.maps()
        self.keys = {}
        jwks = self.server.directory()["meta"]["redistribution"]["keys"]
        for jwk in jwks["keys"]:
            self.keys[thumbprint(jwk["x"])] = jwk["x"]
        self.claims.that("the key listed is the one that status shows",
                         set(self.keys) == {self.server.status()["key"]})
        self.counts = self.upstream()
        self.docs = step.docs
        self.check_served(step)

    def upstream(self):
        return json.loads(self.proxy.admin("/status")[2])["upstreams"][0]

    def step(self, step):
        self.n += 1
        self.write(step)
        report = self.server.reload()
        changed = {rid for rid, d in step.docs.items()
                   if d.tag != self.docs[rid].tag}
        self.check_report(step, report, changed)
        if changed:
            self.serial += 1
            self.pushed += 1
            pulls = self.claims.tried(
                "the update can be applied by the letter of its RFC",
                "step %d" % self.n, self.reader.update)
            self.pulls += pulls or 0
            self.arrive()
            self.check_counts(1, pulls or 0)
        else:
            self.check_counts(0, 0)
            s = self.server.status()
            self.claims.that(
                "what changes nothing is not pushed",
                s["serial"] == self.serial and
                all(x["serial-sent"] == self.serial
                    for x in s["subscribers"]), "step %d", self.n)
        self.docs = step.docs
        self.check_served(step)

    def arrive(self):
        def there():
            headers = self.proxy.get("/directory", method="HEAD")[1]
            state = STATE.fullmatch(headers["alto-state"])
            return state.group(3, 4) == (self.session, str(self.serial))
        alto.wait(there, None, "the proxy serves serial %d" % self.serial,
                  0.002)

    def check_report(self, step, report, changed):
        at = "step %d: %s" % (self.n, report)
        that = self.claims.that
        that("reload says whether anything changed, and the serial",
             report["changed"] == bool(changed) and report["session"] ==
             self.session and report["serial"] == self.serial + bool(changed),
             at)
        said = {r["id"]: r for r in report["resources"]}
        that("reload names the maps that changed, from which tag to which",
             {rid: (r["from"], r["to"]) for rid, r in said.items()} ==
             {rid: (self.docs[rid].tag, step.docs[rid].tag)
              for rid in changed}, at)
        for rid, r in said.items():
            counts = step.counts.get(rid, {})
            that("reload counts the change as the data state it",
                 all(r[k] == n for k, n in counts.items()),
                 "step %d, %s: the data say %r, reload %r", self.n, rid,
                 counts, {k: r[k] for k in counts})
        that("reload warns of nothing",
             not report["warnings"], at)
        self.delta_bytes += report["delta-bytes"]
        self.full_bytes += report["full-bytes"]

    def check_counts(self, updates, pulls):
        """An update more and a fetch for each pull that was ordered: so it
        came as a delta and nothing was done twice."""
        was = self.counts

        def settled():
            self.counts = self.upstream()
            return (self.counts["updates"] == was["updates"] + updates and
                    self.counts["fetches"] >= was["fetches"] + pulls)
        try:
            if updates:
                alto.wait(settled, None, "the proxy has counted it", 0.002)
            else:
                settled()
        except alto.Failed:
            pass
        names = ("updates", "fetches", "refused", "forks", "reopened")
        expected = dict({n: was[n] for n in names},
                        updates=was["updates"] + updates,
                        fetches=was["fetches"] + pulls)
        now = {n: self.counts[n] for n in names}
        self.claims.that(
            "the proxy got there by delta, or by the pulls that were ordered"
            if updates else "the proxy gets nothing when nothing changed",
            now == expected, "step %d: %r and not %r", self.n, now, expected)

    def check_served(self, step):
        need(set(self.paths) == set(step.docs), "maps: %r", self.paths)
        for rid, path in [(".directory", "/directory"), *self.paths.items()]:
            self.check_resource(step, rid, path)

    def check_resource(self, step, rid, path):
        at = "step %d, %s" % (self.n, rid)
        that = self.claims.that
        code, headers, body = self.server.get(path)
        code2, headers2, body2 = self.proxy.get(path)
        that("both answer 200", (code, code2) == (200, 200), at)
        that("the proxy gives the server's bytes", body == body2, at)
        that("the proxy gives the server's signed headers",
             all(headers.get(h) == headers2.get(h) for h in FIVE), at)
        got = self.claims.tried("everything verifies", at, verify, headers2,
                                body2, rid, self.keys)
        that("everything stands at the serial of the step",
             got and got[1] == self.serial, at)
        tag = (directory_tag(body) if rid == ".directory"
               else step.docs[rid].tag)
        that("the tags are those of a second program", got and got[0] == tag,
             at)
        that("the ETag is the tag", headers2.get("etag") == '"%s"' % tag, at)
        if rid != ".directory":
            self.check_map(step.docs[rid], step, body, at)
        if self.reference:
            self.check_reference(headers2, body2, rid, at)

    def check_map(self, doc, step, body, at):
        self.claims.that("the bytes are those of a second program",
                         doc.body == body, at)
        if doc.type == NET:
            start = body.index(b'"network-map":') + len(b'"network-map":')
            self.claims.that("the network map is the one that the data state",
                             hashlib.sha256(body[start:-1]).hexdigest() ==
                             step.tag, at)
        member = "network-map" if doc.type == NET else "cost-map"
        self.claims.that("a reader of the updates alone has the same map",
                         self.reader.doc[doc.rid][member] == doc.doc, at)

    def check_reference(self, headers, body, rid, at):
        ref = self.reference
        self.claims.tried("the reference program says so too", at, ref.check,
                          headers, body, self.keys, rid)
        if (rid == ".directory" or not self.nth or self.n % self.nth or
                self.referred.get(rid) == body):
            return
        self.referred[rid] = body
        _, doc, tag = ref.canonical(json.loads(body))
        self.claims.that("canonical form and tag are the reference program's",
                         tag == doc["meta"]["vtag"]["tag"] and
                         ref.jcs(doc).encode() == body, at)

    def end(self, quick):
        idle = self.n - self.pushed
        if not quick:
            self.claims.that("%d steps change nothing" % self.quiet,
                             idle == self.quiet, "there were %d", idle)
        self.claims.that("no snapshot is left behind", all(
            d.status()["snapshots-alive"] <= 2 for d in self.daemons))
        self.reader.push.close()
        for d in reversed(self.daemons):
            code = d.stop()
            self.claims.that("all end well", code == 0 and not d.sanitizer(),
                             "%s: %d, %s", d.name, code, d.sanitizer()[:3])

    def row(self, seconds):
        whole = self.full_bytes - self.reader.pulled_bytes
        return ROW % (
            self.name, self.n, self.pushed, self.reader.patches, self.pulls,
            self.delta_bytes, whole, "%.2f %%" % (
                100 * self.delta_bytes / max(1, whole)),
            "%.1f" % seconds, ", ".join(
                sorted(m.split("/")[1] for m in self.reader.media)))


class Thread(threading.Thread):
    """One trace. They run side by side: most of their time is the spread of
    the pulls."""

    def __init__(self, name, top, quick):
        super().__init__(name=name)
        self.run_ = Run(name, top)
        self.quick = quick
        self.error = self.row = None

    def run(self):
        started = time.monotonic()
        try:
            for i, step in enumerate(self.run_.steps()):
                if self.quick and i > QUICK_STEPS:
                    break
                (self.run_.step if i else self.run_.begin)(step)
            self.run_.end(self.quick)
            self.row = self.run_.row(time.monotonic() - started)
        except alto.Failed as e:
            self.error = str(e)
        except Exception:
            self.error = traceback.format_exc()

    def report(self, tests):
        one = self.run_
        with tests("%s: runs to the end" % self.name,
                   *(one.daemons if self.error else ())):
            need(not self.error, "step %d: %s", one.n, self.error)
        one.claims.report(tests, self.name, one.daemons)


def main(names):
    tests = alto.Tests()
    rows = []
    try:
        alto.shared("data")
        if not shutil.which("openssl"):
            raise alto.Skip("there is no openssl program")
        quick = alto.quick()
        with alto.folder() as top:
            threads = [Thread(name, top, quick) for name in names or TRACES]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            for thread in threads:
                thread.report(tests)
            rows = [t.row for t in threads if t.row]
    except (alto.Skip, alto.Failed) as e:
        with tests("real maps and real changes"):
            raise e
    if rows:
        print("\n# " + ROW % ("trace", "steps", "pushed", "deltas", "pulls",
                              "delta bytes", "instead of", "share",
                              "seconds", "patches"))
        print("\n".join("# " + r for r in rows))
    return tests.end()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
