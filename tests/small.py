"""A server of the example's maps, which are edited, and what is below it: for the
stories about proxies that poll, and those that have proxies below them.
"""
import json
import os

import alto
from alto import need

EXAMPLES = os.path.join(alto.SRC, "examples", "isp")


class World:
    """files: [(resource-id, path)], of which it may change the cost maps."""

    def __init__(self, top, files, **settings):
        self.top = top
        self.files = files
        self.server = alto.at_home(alto.Server(
            top, files, **dict({"heartbeat": 1}, **settings)))
        self.server.start()
        self.proxies = []
        self.next = 1000

    def add(self, proxy, start=True):
        self.proxies.append(alto.at_home(proxy))
        return proxy.start() if start else proxy

    def edit(self, rid="cost-routing"):
        path = dict(self.files)[rid]
        with open(path, encoding="utf-8") as f:
            doc = json.load(f)
        row = doc["cost-map"][sorted(doc["cost-map"])[0]]
        self.next += 1
        row[sorted(row)[0]] = self.next
        alto.put(path, json.dumps(doc))
        need(self.server.reload()["changed"], "an edit changed nothing")

    def follow(self, *proxies):
        alto.in_step(self.server, *proxies)

    def end(self):
        for d in [*reversed(self.proxies), self.server]:
            ran = d.process is not None
            code = d.stop()
            need(not d.sanitizer(), "%s: %s", d.log, d.sanitizer())
            need(code == 0 or not ran, "%s ended with %d", d.name, code)


def troubles(daemon):
    return {t["topic"]: t["text"] for t in daemon.status()["troubles"]}
