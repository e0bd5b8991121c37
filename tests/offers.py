"""A server and a proxy that offer computed services over small maps, and how
they are asked.
"""
import json
import os
import re
import subprocess

import alto
from alto import need, wait

MEDIA = "application/alto-%s+json"
KINDS = {
    "filter/network": "networkmapfilter", "filter/cost": "costmapfilter",
    "endpoint/cost": "endpointcostparams",
    "endpoint/property": "endpointpropparams",
}
RC = {"cost-metric": "routingcost", "cost-mode": "numerical"}
ORD = {"cost-metric": "routingcost", "cost-mode": "ordinal"}
HOP = {"cost-metric": "hopcount", "cost-mode": "numerical"}
PIDS = {
    "a": {"ipv4": ["10.0.0.0/8"]},
    "b": {"ipv4": ["192.0.2.0/24", "127.0.0.1/32"]},
    "rest": {"ipv4": ["0.0.0.0/0"], "ipv6": ["::/0"]},
}
COSTS = {"a": {"a": 1, "b": 20, "rest": 7.5},
         "b": {"a": 20, "b": 1, "rest": 40}}
PROPS = {
    "ipv4:10.0.0.0/8": {"priv:region": "north", "priv:x": "1"},
    "ipv4:10.1.0.0/16": {"priv:region": "hall"},
    "ipv6:2001:db8::/32": {"priv:region": "six"},
}
SECOND = "10.1.2.3"     # the address whose region the stories change


# --- worlds ------------------------------------------------------------------

def net(rid, pids=None, tag="t1"):
    return {"meta": {"vtag": {"resource-id": rid, "tag": tag}},
            "network-map": pids or PIDS}


def cost(of="net", rows=None, metric="routingcost", mode="numerical",
         tag="t1"):
    return {"meta": {"cost-type": {"cost-metric": metric, "cost-mode": mode},
                     "dependent-vtags": [{"resource-id": of, "tag": tag}]},
            "cost-map": COSTS if rows is None else rows}


def properties(entities):
    return {"meta": {}, "property-map": entities}


USUAL = {"net": net("net"), "cost-rc": cost()}


class World:
    """A server and a proxy below it. maps: {id: document}; offers: {id: more
    settings of that map}. "_" in a setting's name is "-"."""

    def __init__(self, top, maps=None, offers=None, start=True, **settings):
        self.folder = os.path.join(top, "maps")
        os.makedirs(self.folder)
        self.server = alto.at_home(alto.Server(top, [], **settings))
        self.list(maps or USUAL, offers)
        self.proxy = alto.at_home(alto.Proxy(
            top, self.server, "milan", upstream={"retry-max": 1},
            http=settings.get("http", {})))
        self.both = (self.server, self.proxy)
        if start:
            self.start()

    def start(self):
        self.server.start()
        self.proxy.start()
        self.in_step()

    def in_step(self):
        alto.in_step(*self.both)

    def path(self, rid):
        return os.path.join(self.folder, rid + ".json")

    def put(self, rid, doc):
        alto.put(self.path(rid), doc if isinstance(doc, str) else
                 json.dumps(doc))

    def list(self, maps, offers=None):
        """Writes the maps and names them in the configuration; the first
        network map is the default one, unless an offer says otherwise."""
        offers, out = offers or {}, []
        for rid, doc in maps.items():
            self.put(rid, doc)
            out.append({"id": rid, "file": self.path(rid),
                        **offers.get(rid, {})})
        if not any(m.get("default") for m in out):
            out[0]["default"] = True
        self.server.set("maps", out)

    def reload(self):
        got = self.server.reload()
        self.in_step()
        return got

    def again(self, **settings):
        """The server alone starts again, with other settings; the proxy
        follows by what it is pushed."""
        before = self.proxy.counts()["updates"]
        serial = self.server.position()[1]
        end_well(self.server)
        for key, value in settings.items():
            self.server.set(key, value)
        self.server.start()
        self.in_step()
        need(self.server.position()[1] == serial + 1, "not one publication")
        need(self.proxy.counts()["updates"] == before + 1, "not pushed")

    def end(self):
        for d in reversed(self.both):
            end_well(d)


def end_well(daemon):
    """Stops it with 0 and without a sanitizer's report."""
    code = daemon.stop()
    need(not daemon.sanitizer(), "%s: %s", daemon.log, daemon.sanitizer())
    need(code == 0, "%s ended with %d", daemon.name, code)


def says(said, *texts):
    for text in texts:
        need(re.search(text, said), "it does not say %r: %s", text, said)


def post(daemon, path, ask, headers=None):
    """(status, headers, document)"""
    kind = next(k for k in KINDS if path.startswith(k))
    held = {"Content-Type": MEDIA % KINDS[kind], **(headers or {})}
    code, got, body = daemon.get("/" + path, held, method="POST",
                                 body=json.dumps(ask).encode())
    return code, got, json.loads(body) if body[:1] == b"{" else body


def answer(w, path, ask):
    """The same at server and proxy, or no status but 200."""
    got = [post(d, path, ask) for d in w.both]
    for d, (code, _, doc) in zip(w.both, got):
        need(code == 200, "%s at %s: %d %s", path, d.name, code, doc)
    need(got[0][2] == got[1][2], "other answers: %s %s", got[0][2], got[1][2])
    return got[0][2]


def refused(w, path, ask, field, code="E_INVALID_FIELD_VALUE"):
    for d in w.both:
        status, _, doc = post(d, path, ask)
        need(status == 400, "%s at %s: %d %s", path, d.name, status, doc)
        need((doc["meta"]["code"], doc["meta"].get("field")) == (code, field),
             "%s", doc)


def absent(w, path):
    for d in w.both:
        code = post(d, path, {})[0]
        need(code == 404, "%s at %s: %d, not 404", path, d.name, code)


def entries(w):
    """Of the directory, the same bytes at both."""
    bodies = [d.get("/directory")[2] for d in w.both]
    need(bodies[0] == bodies[1], "not the same directory")
    return json.loads(bodies[0])["resources"]


def capabilities(w, rid="net:filtered-cost"):
    return entries(w)[rid]["capabilities"]


def region(w, address=SECOND, name="priv:region"):
    """None: not defined."""
    e = "ipv4:" + address
    doc = answer(w, "endpoint/property", {"properties": [name],
                                          "endpoints": [e]})
    return doc["endpoint-properties"][e].get(name)


def bytes_of(w, path):
    got = [d.get(path) for d in w.both]
    for d, (code, _, body) in zip(w.both, got):
        need(code == 200, "%s at %s: %d", path, d.name, code)
        need(body == got[0][2], "other bytes at %s", d.name)
    return got[0][2]


def wrong(w, rid, doc, *texts):
    """The file is refused for what it is; the last good state is served."""
    with open(w.path(rid), encoding="utf-8") as f:
        good = f.read()
    before = w.server.position(), bytes_of(w, "/directory")
    w.put(rid, doc)
    code, out, err = w.server.call("reload")
    need(code == 1, "reload ended with %d: %s", code, out)
    says(out + err, re.escape(w.path(rid)), *texts)
    says("\n".join(t["text"] for t in w.server.status()["troubles"]), *texts)
    need((w.server.position(), bytes_of(w, "/directory")) == before,
         "something was published")
    w.put(rid, good)
    need(not w.server.reload()["changed"], "the good file counts as new")
    need(w.server.status()["troubles"] == [], "the trouble stays")


def refuses(w, *texts):
    """The server does not start and says why."""
    before = len(w.server.lines())
    w.server.start(ready=False)
    wait(lambda: not w.server.alive(), None, "the server ends")
    code = w.server.stop()
    said = "\n".join(w.server.lines()[before:])
    need(code == 1, "it ended with %d: %s", code, said)
    need(not w.server.sanitizer(), "%s", w.server.sanitizer())
    says(said, *texts)


def check(daemon):
    """(exit status, what --check says)"""
    alto.put(daemon.conf, "".join("%s = %s;\n" % (k, alto.render(v))
                                  for k, v in daemon.settings.items()))
    r = subprocess.run(
        [alto.find_bin(daemon.program), "--config", daemon.conf, "--check"],
        stdin=subprocess.DEVNULL, capture_output=True, text=True,
        timeout=alto.WAIT_S)
    need("Sanitizer" not in r.stderr, "%s", r.stderr)
    return r.returncode, r.stdout + r.stderr


def rejects(w, *texts):
    """The check of the server's settings finds one error and says where."""
    code, said = check(w.server)
    need(code == 1 and said.count("\n") == 1, "%d: %s", code, said)
    says(said, r"\.conf:\d+: ", *texts)
