"""Map files that change at random from a seed, each edition unlike any before,
and what must be served of each, by a program that shares nothing with the
daemons (tests/model.py).

Each file names its edition as its tag, so that a network map and a cost map of
two editions, read in the moment between two writes, do not pass for a pair.
"""
import hashlib
import json
import os
import random

import alto
import model

COSTS = {"cost-routing": "routingcost", "cost-hops": "hopcount"}
MEDIA = "application/alto-costmap+json"


def canonical_cost(rid, cost, net):
    meta = {"cost-type": {"cost-metric": cost.metric, "cost-mode": cost.mode},
            "dependent-vtags": [net.vtag]}
    rows = {s: dict(sorted(cost.cells[s].items()))
            for s in sorted(cost.cells) if cost.cells[s]}
    leaves = [model.dumps({"media-type": MEDIA, "meta": meta})]
    leaves += ["%s:%s" % (model.dumps(s), model.dumps(row))
               for s, row in rows.items()]
    meta["vtag"] = {"resource-id": rid, "tag": model.merkle(
        [text.encode() for text in leaves]).hex()}
    return model.dumps({"cost-map": rows, "meta": meta})


def digest(text):
    return hashlib.sha256(text.encode()).hexdigest()


class Maps:
    def __init__(self, folder, seed, pids=14):
        os.makedirs(folder, exist_ok=True)
        self.rng = random.Random("%s maps" % seed)
        self.path = {rid: os.path.join(folder, rid + ".json")
                     for rid in ("net", *COSTS)}
        self.pids, self.costs = {}, {rid: {} for rid in COSTS}
        self.free = list(range(1, 60))
        self.edition = 0
        for _ in range(pids):
            self.add_pid()

    def files(self):
        return list(self.path.items())

    def add_pid(self):
        at = self.free.pop(self.rng.randrange(len(self.free)))
        name = "pid-%d" % at
        self.pids[name] = {"10.%d.%d.0/24" % (at, i)
                           for i in self.rng.sample(range(200), 5)}
        for rows in self.costs.values():
            rows[name] = {}
            for other in self.pids:
                rows[name][other] = self.cost()
                rows[other][name] = self.cost()

    def drop_pid(self):
        name = self.rng.choice(sorted(self.pids)[1:])
        self.free.append(int(name[4:]))
        del self.pids[name]
        for rows in self.costs.values():
            del rows[name]
            for row in rows.values():
                row.pop(name, None)

    def cost(self):
        return self.rng.choice((self.rng.randrange(1000),
                                round(self.rng.uniform(0, 99), 3)))

    def some(self, n):
        names = sorted(self.pids)
        return [self.rng.choice(names) for _ in range(n)]

    def edit(self):
        """The next edition: {resource-id: SHA-256 of what is to be served}."""
        kind = self.rng.random()
        if kind < 0.5:
            for src, dst in zip(self.some(8), self.some(8)):
                self.rng.choice(list(self.costs.values()))[src][dst] = \
                    self.cost() + 1000
        elif kind < 0.6:        # more than a patch is worth
            for rows in self.costs.values():
                for row in rows.values():
                    row.update((dst, self.cost()) for dst in row)
        elif kind < 0.85:
            for name in self.some(2):
                self.pids[name] ^= {"10.%s.%d.0/24" % (
                    name[4:], self.rng.randrange(200))}
                self.pids[name].add("10.%s.255.0/25" % name[4:])
        elif len(self.pids) > 10 and kind < 0.93:
            self.drop_pid()
        elif self.free:
            self.add_pid()
        self.edition += 1
        for rows in self.costs.values():        # unlike any before
            first = min(rows)
            rows[first][first] = 100000 + self.edition
        return self.bodies()

    def docs(self):
        tag = "edition-%d" % self.edition
        vtag = {"resource-id": "net", "tag": tag}
        yield "net", {"meta": {"vtag": vtag}, "network-map": dict(
            {name: {"ipv4": sorted(group)}
             for name, group in self.pids.items()},
            rest={"ipv4": ["0.0.0.0/0"]})}
        for rid, rows in self.costs.items():
            yield rid, {"meta": {"dependent-vtags": [vtag], "cost-type": {
                "cost-mode": "numerical", "cost-metric": COSTS[rid]}},
                "cost-map": rows}

    def bodies(self):
        docs = dict(self.docs())
        net = model.NetworkMap(docs["net"])
        out = {"net": digest(model.dumps({
            "meta": {"vtag": net.vtag}, "network-map": net.pids}))}
        for rid in COSTS:
            out[rid] = digest(canonical_cost(
                rid, model.CostMap(docs[rid]), net))
        return out

    def write(self):
        for rid, doc in self.docs():
            alto.put(self.path[rid], json.dumps(doc))

    def spoil(self):
        """One file is wrong now; says how."""
        rid = self.rng.choice(sorted(self.path))
        text = json.dumps(dict(self.docs())[rid])
        doc = json.loads(text)          # not what the next edition comes of
        what = self.rng.choice(("torn", "empty", "stranger", "tag", "twice"))
        if what == "torn":
            text = text[:self.rng.randrange(1, len(text))]
        elif what == "empty":
            text = ""
        elif what == "stranger" and rid != "net":
            first = min(doc["cost-map"])
            doc["cost-map"][first]["pid-of-nobody"] = 1
            text = json.dumps(doc)
        elif what == "tag" and rid != "net":
            doc["meta"]["dependent-vtags"][0]["tag"] = "edition-0"
            text = json.dumps(doc)
        elif rid == "net":
            doc["network-map"]["again"] = {"ipv4": ["0.0.0.0/0"]}
            text = json.dumps(doc)
        else:
            text = text[:-1] + ',"meta":{}}'
        alto.put(self.path[rid], text)
        return "%s: %s" % (rid, what)
