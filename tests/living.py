"""A service of the small ISP of the examples: a server, proxies below it, and
what must hold when they end.
"""
import json
import os
import re
import shutil
import subprocess
import time

import alto
from alto import need, wait

EXAMPLES = os.path.join(alto.SRC, "examples")


# --- worlds ------------------------------------------------------------------

class Maps:
    """The small ISP of the examples, in a folder of its own."""

    def __init__(self, folder):
        os.makedirs(folder, exist_ok=True)
        self.net = os.path.join(folder, "network-map.json")
        self.cost = os.path.join(folder, "cost-map.json")
        for path in (self.net, self.cost):
            shutil.copy(os.path.join(EXAMPLES, "isp", os.path.basename(path)),
                        path)
        self.next = 1000

    def files(self):
        return [("net", self.net), ("cost-routing", self.cost)]

    def text(self, path):
        with open(path, encoding="utf-8") as f:
            return f.read()

    def edited(self):
        """The cost map's text after one more change."""
        doc = json.loads(self.text(self.cost))
        row = doc["cost-map"][sorted(doc["cost-map"])[0]]
        self.next += 1
        row[sorted(row)[0]] = self.next
        return json.dumps(doc, indent=1)

    def edit(self):
        alto.put(self.cost, self.edited())


class World:
    """A server, proxies below it, and what they must be when it ends."""

    def __init__(self, top, *names, **settings):
        self.top = top
        self.maps = Maps(os.path.join(top, "maps"))
        self.server = alto.at_home(alto.Server(top, self.maps.files(), **settings))
        self.server.start()
        self.proxies = []
        for name in names:
            self.proxy(name)

    def proxy(self, name, below=None, start=True, upstream=None, **settings):
        p = alto.at_home(alto.Proxy(self.top, below or self.server, name,
                               upstream=dict({"retry-max": 1},
                                             **(upstream or {})), **settings))
        self.proxies.append(p)
        if start:
            p.start()
            self.in_step()
        return p

    def in_step(self):
        up = [p for p in self.proxies if p.alive()]
        return alto.in_step(self.server, *up) if up else None

    def change(self, times=1):
        for _ in range(times):
            self.maps.edit()
            need(self.server.reload()["changed"], "an edit changed nothing")

    def end(self):
        for d in [*reversed(self.proxies), self.server]:
            end_well(d)


def end_well(daemon):
    """Stops it: quickly, with 0, and without a sanitizer's report."""
    ran = daemon.process is not None
    begun = time.monotonic()
    code = daemon.stop()
    took = time.monotonic() - begun
    need(not daemon.sanitizer(), "%s: %s", daemon.log, daemon.sanitizer())
    need(code == 0, "%s ended with %d", daemon.name, code)
    need(took < 10, "%s took %.1f s to stop", daemon.name, took)
    if ran:
        need("stopped" in daemon.lines()[-1], "no last word: %s",
             daemon.lines()[-1])


def refuses(daemon, *texts):
    """It does not start, says why, and ends with 1."""
    before = len(daemon.lines())
    daemon.start(ready=False)
    wait(lambda: not daemon.alive(), None, "%s ends" % daemon.name)
    code = daemon.stop()
    said = "\n".join(daemon.lines()[before:])
    need(not daemon.sanitizer(), "%s: %s", daemon.log, daemon.sanitizer())
    need(code == 1, "%s ended with %d, not 1: %s", daemon.name, code, said)
    says(said, *texts)


def says(said, *texts):
    for text in texts:
        need(re.search(text, said), "it does not say %r: %s", text, said)


def run(program, *args):
    """(exit status, stdout, stderr)"""
    r = subprocess.run([alto.find_bin(program), *args],
                       stdin=subprocess.DEVNULL, capture_output=True,
                       text=True, timeout=alto.WAIT_S)
    need("Sanitizer" not in r.stderr, "%s", r.stderr)
    return r.returncode, r.stdout, r.stderr


def tags(daemon):
    return {r["id"]: r["tag"] for r in daemon.status()["resources"]}


def current(proxy):
    return wait(lambda: proxy.counts()["phase"] == "current" and
                proxy.counts(), None, "%s is current" % proxy.name)


def subscriber(server, name):
    """What the server says of a subscriber, once it is there."""
    return wait(lambda: [s for s in server.status()["subscribers"]
                         if s["name"] == name][0], None,
                "%s is subscribed" % name)


def troubles(daemon):
    return {t["topic"]: t["text"] for t in daemon.status()["troubles"]}
