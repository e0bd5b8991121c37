#!/usr/bin/env python3
"""A service's everyday life: restarts, absences, reloads of every kind, wrong
files, configurations, keys and tokens, what clients and operators are told.

  run_life.py [PATTERN]

PATTERN: only the stories that it is found in.
"""
import http.client
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time

import alto
import beside
from alto import Skip, need, wait

EXAMPLES = os.path.join(alto.SRC, "examples")
SETTLE_S = 0.3          # server: a watched file is left alone for so long
LIFETIME_S = 60         # the shortest that signatures may live


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
    need(took < 5, "%s took %.1f s to stop", daemon.name, took)
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


# --- restarts and absences ---------------------------------------------------

def server_restarts(top):
    w = World(top, "milan")
    milan = w.proxies[0]
    w.change(3)
    w.in_step()
    before, was, counts = w.server.position(), tags(w.server), current(milan)
    for stop in (end_well, alto.Daemon.kill9):
        stop(w.server)
        wait(lambda: milan.counts()["phase"] != "current", None,
             "the proxy notices")
        need(milan.get("/directory")[0] == 200, "the proxy serves on")
        w.server.start()
        need(w.server.position() == before, "another position")
        need(tags(w.server) == was, "other tags")
        now = current(milan)
        need(now["fetches"] == counts["fetches"], "it fetched a map")
        need(now["updates"] == counts["updates"], "it got an update")
        need(subscriber(w.server, "milan")["mode"] == "current", "not resumed")
    w.change()
    w.in_step()
    need(milan.counts()["fetches"] == counts["fetches"], "it fetched a map")
    w.end()


def proxy_stopped(top):
    w = World(top, "milan")
    milan = w.proxies[0]
    end_well(milan)
    w.change(7)
    milan.start()
    w.in_step()
    counts = current(milan)
    need(counts["updates"] == 7, "%d updates, not 7", counts["updates"])
    need(counts["fetches"] == 0, "it fetched %d maps", counts["fetches"])
    need(subscriber(w.server, "milan")["mode"] == "delta", "not by deltas")
    for path in ["/directory", *w.server.maps().values()]:
        need(milan.get(path)[2] == w.server.get(path)[2], "bytes: %s", path)
    w.end()


def heartbeats(top):
    w = World(top, "milan", heartbeat=1)
    w.proxy("turin", below=w.proxies[0])
    before = w.server.position()
    created = {}
    for d in [w.server, *w.proxies]:
        inputs = set()

        def moved(d=d, inputs=inputs):
            _, headers, body = d.get("/state")
            inputs.add(int(re.search(r"created=(\d+)",
                                     json.loads(body)["state"][1])[1]))
            need(headers["alto-status"].startswith("fresh"), "not fresh")
            return len(inputs) > 2
        wait(moved, None, "the signature at %s moves" % d.name)
        created[d.name] = max(inputs)
        need(d.status()["freshness"] == "fresh", "%s is not fresh", d.name)
    need(w.server.position() == before, "a heartbeat moved the position")
    # It is journalled as well: a proxy alone comes back with a late one.
    milan, turin = w.proxies
    end_well(turin)
    end_well(milan)
    end_well(w.server)
    milan.start()
    need(milan.status()["created"] >= created["milan"], "an old signature")
    w.end()


def away(top):
    """A proxy that is away for longer than a signature lives."""
    w = World(top, "milan", "turin", heartbeat=1,
              signing={"lifetime": LIFETIME_S})
    milan, turin = w.proxies
    end_well(milan)
    w.change(4)
    alto.in_step(w.server, turin)
    # What milan holds ends before this does.
    ends = w.server.status()["expires"]
    need(turin.status()["freshness"] == "fresh", "turin is not fresh")
    wait(lambda: time.time() > ends, LIFETIME_S + 10, "a signature expires",
         0.1)
    need(turin.status()["freshness"] == "fresh", "turin expired")
    need(w.server.get("/directory")[0] == 200, "the server expired")
    end_well(w.server)
    milan.start()
    code, headers, _ = milan.get("/directory")
    need(code == 503, "it serves what is expired: %d", code)
    need(int(headers["retry-after"]) > 0, "no Retry-After")
    need(milan.get("/state")[0] == 503, "/state is served")
    need(milan.status()["freshness"] == "expired", "not expired")
    need(milan.admin("/readyz")[0] == 503, "it says it is ready")
    w.server.start()
    w.in_step()
    counts = current(milan)
    need(counts["fetches"] == 0, "it fetched %d maps", counts["fetches"])
    need(counts["updates"] == 4, "%d updates, not 4", counts["updates"])
    need(milan.get("/directory")[0] == 200, "it does not serve")
    need(milan.admin("/readyz")[0] == 200, "it is not ready")
    w.end()


def listed(daemon):
    return daemon.directory()["meta"]["redistribution"].get("proxies", {})


def list_of_proxies(top):
    """One enters the directory and, a minute after it went, leaves it."""
    w = World(top)
    p = alto.at_home(alto.Proxy(top, w.server, "milan"))
    uri = "http://" + p.settings["http"]["listen"] + "/"
    w.server.set("subscribers", [{"name": "milan", "uris": [uri]},
                                 {"name": "turin", "uris": []}])
    end_well(w.server)
    w.server.start()
    map_serial = w.server.status()["map-serial"]
    p.set("public-uri", uri)
    w.proxies.append(p)
    p.start()
    other = w.proxy("turin", start=False)
    other.set("public-uri", "http://127.0.0.1:1/")
    other.start()
    wait(lambda: "milan" in listed(w.server), 60, "milan is listed")
    w.in_step()
    need(listed(w.server) == {"milan": {"uri": uri}} or
         listed(w.server)["milan"]["uri"] == uri, "its URI")
    need("turin" not in listed(w.server), "turin may not be listed")
    need(listed(p) == listed(w.server), "not the same list")
    need(w.server.status()["map-serial"] == map_serial, "the map serial moved")
    # The list is kept over a restart.
    end_well(w.server)
    w.server.start()
    need("milan" in listed(w.server), "forgotten")
    current(p)
    end_well(p)
    left = time.monotonic()
    wait(lambda: "milan" not in listed(w.server), 120, "milan leaves", 0.1)
    need(time.monotonic() - left > 30, "it left at once")
    w.in_step()
    w.end()


# --- reloads -----------------------------------------------------------------

def reload_by_command(top):
    w = World(top, "milan", "turin")
    before, was = w.server.position(), tags(w.server)
    w.maps.edit()
    answer = w.server.reload()
    need(answer["changed"] and answer["serial"] == before[1] + 1, "%s", answer)
    need(answer["subscribers"] == 2, "%d subscribers", answer["subscribers"])
    change, = answer["resources"]
    need(change["id"] == "cost-routing" and change["cells-changed"] == 1,
         "%s", change)
    need(change["from"] == was["cost-routing"], "from another tag")
    need(change["to"] == tags(w.server)["cost-routing"], "to another tag")
    need(0 < answer["delta-bytes"] < answer["full-bytes"], "%s", answer)
    need(answer["pulls"] == 0, "%s", answer)
    w.in_step()
    w.end()


def reload_in_full(top):
    w = World(top, "milan")
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(alto.WAIT_S)
        s.connect(w.server.socket)
        s.sendall(b'{"command":"reload","force":"yes"}\n')
        says(s.recv(65536).decode(), "error", "true or false")
    net, cost = (json.loads(w.maps.text(p)) for p in (w.maps.net, w.maps.cost))
    for fill in (1, 2):
        net["network-map"] = {"pop%d-%d" % (fill, i): {"ipv4": [
            "10.%d.%d.0/24" % (fill, i)]} for i in range(250)}
        net["network-map"]["rest"] = {"ipv4": ["0.0.0.0/0"]}
        cost["cost-map"] = {"pop%d-1" % fill: {"pop%d-2" % fill: 1}}
        alto.put(w.maps.net, json.dumps(net))
        alto.put(w.maps.cost, json.dumps(cost))
        if fill == 1:
            need(w.server.reload()["pulls"] > 0, "no pull")
    code, out, _ = w.server.call("reload")
    need(code == 0 and "fetched in full" in out and "%" not in out, "%s", out)
    w.in_step()
    w.end()


def reload_by_signal(top):
    w = World(top, "milan")
    serial = w.server.position()[1]
    for step in (1, 2):
        w.maps.edit()
        w.server.signal(signal.SIGHUP)
        wait(lambda: w.server.position()[1] == serial + step, None,
             "SIGHUP is heard")
    w.in_step()
    w.end()


def reload_of_nothing(top):
    w = World(top, "milan")
    before, counts = w.server.position(), current(w.proxies[0])
    sent = w.server.status()["counters"]["updates_sent"]
    need(w.server.reload()["changed"] is False, "no file changed")
    doc = json.loads(w.maps.text(w.maps.net))
    doc["network-map"] = dict(reversed(doc["network-map"].items()))
    alto.put(w.maps.net, json.dumps(doc, indent=7))     # other bytes
    answer = w.server.reload()
    need(answer["changed"] is False and not answer["resources"], "%s", answer)
    w.server.reload("--force")
    need(w.server.position() == before, "it published")
    need(w.server.status()["counters"]["updates_sent"] == sent, "it pushed")
    need(current(w.proxies[0])["updates"] == counts["updates"], "it arrived")
    w.end()


def in_pieces(path, text, pieces):
    """Writes in place, as an editor over a slow link would. False: it took so
    long between two pieces that the file seemed settled."""
    cuts = [len(text) * i // pieces for i in range(pieces + 1)]
    last, slow = time.monotonic(), False
    with open(path, "w", encoding="utf-8") as out:
        for i in range(pieces):
            out.write(text[cuts[i]:cuts[i + 1]])
            out.flush()
            now = time.monotonic()
            slow = slow or now - last > SETTLE_S / 2
            last = now
            if i + 1 < pieces:  # the writer's pace, nobody is waited for
                time.sleep(SETTLE_S / 4)
    return not slow


def reload_by_watch(top):
    w = World(top, "milan", watch=True)
    serial = w.server.position()[1]
    good = False
    for _ in range(5):          # a busy machine may stretch the writing
        text = w.maps.edited()
        refused = w.server.status()["counters"]["reloads_refused"]
        good = in_pieces(w.maps.cost, text, 8)
        serial += 1
        wait(lambda: w.server.position()[1] == serial, None,
             "a file written in place is read")
        if good:
            need(w.server.status()["counters"]["reloads_refused"] == refused,
                 "half a file was read")
            break
    for _ in range(3):          # replaced by rename, more than once
        w.maps.edit()
        serial += 1
        wait(lambda: w.server.position()[1] == serial, None,
             "a file that was replaced is read")
    os.rename(w.maps.cost, w.maps.cost + ".away")
    wait(lambda: "reload" in troubles(w.server), None, "a missing file is said")
    os.rename(w.maps.cost + ".away", w.maps.cost)
    wait(lambda: "reload" not in troubles(w.server), None, "it is back")
    w.maps.edit()
    wait(lambda: w.server.position()[1] == serial + 1, None, "and watched")
    w.in_step()
    w.end()
    if not good:
        raise Skip("this machine is too busy to write a file in pieces")


def wrong_files(top):
    w = World(top, "milan")
    before, was = w.server.position(), tags(w.server)
    cost, net = w.maps.text(w.maps.cost), w.maps.text(w.maps.net)
    lines = net.split("\n")
    doc = json.loads(cost)
    row = sorted(doc["cost-map"])[0]
    doc["cost-map"][row]["nobody"] = 1
    wrong = [
        (w.maps.net, "\n".join(lines[:9] + ["  ]"] + lines[9:]),
         [r"network-map\.json:10: ", "expected"]),
        (w.maps.net, net.replace("192.0.2.0/25", "192.0.2.1/25"),
         [r"network-map\.json:\d+: /network-map/pop-milan/ipv4/0: ",
          "192.0.2.0/25|host bit"]),
        (w.maps.net, net.replace('"192.0.2.0/25"',
                                 '"192.0.2.0/25", "192.0.2.192/26"'),
         [r"network-map\.json:\d+: /network-map", "pop-milan", "pop-rome",
          r"RFC 7285 s"]),
        (w.maps.cost, json.dumps(doc, indent=1),
         [r"cost-map\.json: /cost-map/%s/nobody: " % row, "\"net\"",
          "RFC 7285 s"]),
        (w.maps.cost, cost.replace('"meta"', '"network-map": {}, "meta"', 1),
         [r"cost-map\.json:\d+: ", "one document"]),
        (w.maps.cost, cost.replace('"resource-id": "net"',
                                   '"resource-id": "mesh"', 1),
         [r"cost-map\.json: /meta/dependent-vtags/0/resource-id: ", "mesh"]),
        (w.maps.net, net.replace('"resource-id": "net"',
                                 '"resource-id": "mesh"', 1),
         [r"network-map\.json: /meta/vtag/resource-id: ", "mesh"]),
        (w.maps.cost, cost.replace('"pop-turin": 2', '"pop-turin": "2"', 1),
         [r"cost-map\.json:\d+: /cost-map/pop-milan/pop-turin: ",
          "expected a number"]),
        (w.maps.cost, "", [r"cost-map\.json"]),
    ]
    for path, text, marks in wrong:
        good = w.maps.text(path)
        alto.put(path, text)
        code, out, _ = w.server.call("reload", "--json")
        need(code == 1, "exit %d", code)
        error = json.loads(out)["error"]
        says(error, *marks)
        need(w.server.call("reload")[0] == 1, "without --json")
        says(w.server.call("reload")[2], *marks)
        need(w.server.position() == before and tags(w.server) == was,
             "something was published")
        says(troubles(w.server)["reload"], *marks)
        says("\n".join(w.server.lines()), *marks)
        alto.put(path, good)
        need(w.server.reload()["changed"] is False, "not the maps from before")
        need("reload" not in troubles(w.server), "the trouble stays")
    # Several are told once each, a single one too.
    alto.put(w.maps.net, "{")
    code, _, err = w.server.call("reload")
    need(code == 1 and err.count("network-map.json") == 1, "%s", err)
    alto.put(w.maps.cost, "{")
    code, _, err = w.server.call("reload")
    need(code == 1 and err.count("network-map.json") == 1 and
         err.count("cost-map.json") == 1, "%s", err)
    alto.put(w.maps.net, net)
    alto.put(w.maps.cost, cost)
    # One wrong file holds the other back.
    w.maps.edit()
    alto.put(w.maps.net, "{")
    need(w.server.call("reload")[0] == 1, "taken by half")
    need(w.server.position() == before, "published by half")
    alto.put(w.maps.net, net)
    need(w.server.reload()["changed"], "not taken afterwards")
    w.in_step()
    w.end()


def wrong_at_start(top):
    maps = Maps(os.path.join(top, "maps"))
    server = alto.at_home(alto.Server(top, maps.files()))
    good = maps.text(maps.cost)
    alto.put(maps.cost, good[:300])
    refuses(server, r"cost-map\.json:\d+: ", "no earlier version")
    os.remove(maps.cost)
    refuses(server, r"cost-map\.json", "no earlier version")
    alto.put(maps.cost, good)
    server.start()
    before = server.position()
    end_well(server)
    for break_it in (lambda: alto.put(maps.cost, good[:300]),
                     lambda: os.remove(maps.cost)):
        break_it()
        server.start()
        need(server.position() == before, "not the maps from before")
        says(troubles(server)["reload"], r"cost-map\.json")
        need(server.get(server.path_of("cost-routing"))[0] == 200, "not served")
        alto.put(maps.cost, good)
        need(server.reload()["changed"] is False, "not the same map")
        need(not troubles(server), "the trouble stays")
        end_well(server)
    # What the configuration says counts all the same.
    os.remove(maps.cost)
    server.set("heartbeat", 7)
    server.start()
    need(server.directory()["meta"]["redistribution"]["heartbeat"] == 7,
         "another heartbeat than the configuration's")
    need(server.position() == (before[0], before[1] + 1), "another session")
    end_well(server)


# --- configurations ----------------------------------------------------------

def write_conf(top, text, name="test.conf"):
    path = os.path.join(top, name)
    alto.put(path, text)
    return path


def all_errors_at_once(top):
    path = write_conf(top, """
        state = "state";
        heartbeet = 5;
        heartbeat = "often";
        http: { listen = "nowhere"; threads = 1000; };
        push: { listen = "0.0.0.0:0"; };
        signing: { lifetime = 3; };
        maps = ( { id = "net"; file = "a.json"; },
                 { id = "net"; file = "b.json"; },
                 { id = "no id"; file = "c.json"; }, { id = "x"; } );
        service = "none";
    """)
    code, out, err = run("alto-server", "--config", path, "--check")
    need(code == 1, "exit %d", code)
    said = out + err
    marks = [r"test\.conf:3: .*heartbeet", r"test\.conf:4: .*heartbeat",
             r"test\.conf:5: .*http\.listen", r"test\.conf:5: .*http\.threads",
             r"test\.conf:7: .*signing\.lifetime",
             r"test\.conf:10: .*maps.*file",
             r"test\.conf:\d+: .*service"]
    says(said, *marks)
    need(len(said.strip().splitlines()) >= len(marks), "%s", said)
    # What needs two right values is said when they are.
    path = write_conf(top, """
        state = "state";
        push: { listen = "0.0.0.0:0"; };
        signing: { lifetime = 60; };
        maps = ( { id = "net"; file = "a.json"; },
                 { id = "net"; file = "b.json"; },
                 { id = "no id"; file = "c.json"; } );
        service = "123456789012345678901234567890123456";
    """)
    code, out, err = run("alto-server", "--config", path, "--check")
    need(code == 1, "exit %d", code)
    says(out + err, "push.public-uri", "push.anonymous", "signing.lifetime",
         "stands twice", "resource-id", "UUID")
    alto.put(os.path.join(top, "open"), "0123456789abcdefghijk\n")
    os.chmod(os.path.join(top, "open"), 0o644)
    code, out, err = run("alto-server", "--config", write_conf(top, """
        state = "state";
        http: { listen = "127.0.0.1:7001"; };
        push: { listen = "0.0.0.0:7001"; public-uri = "http://a.example/"; };
        admin: { listen = "127.0.0.1:7001"; socket = "%s"; };
        signing: { key = "open"; };
        maps = ( { id = "net"; file = "a.json"; } );
        subscribers = ( { name = "milan"; token-file = "open"; },
                        { name = "turin"; token-file = "nothing"; },
                        { name = "milan"; } );
    """ % ("s" * 120)), "--check")
    need(code == 1, "exit %d", code)
    says(out + err, r"push\.listen: .*http\.listen",
         r"admin\.listen: .*http\.listen", r"admin\.listen: .*push\.listen",
         r"push\.public-uri: .*ws://", r"admin\.socket: .*107",
         r"signing\.key: .*0644", r"test\.conf:8: .*token-file: .*0644",
         r"test\.conf:9: .*token-file: .*nothing", r"milan.* stands twice")
    code, out, err = run("alto-proxy", "--config", write_conf(top, """
        state = "state";
        public-uri = "milan";
        upstream = ( { directory = "http://192.0.2.1/directory";
                       mode = "carrier pigeon"; name = "no name!";
                       key = "short"; } );
    """), "--check")
    need(code == 1, "exit %d", code)
    says(out + err, "public-uri", "mode", "name", "thumbprint")
    code, out, err = run("alto-server", "--config",
                         os.path.join(top, "no.conf"), "--check")
    need(code == 1, "exit %d", code)
    says(out + err, r"no\.conf")
    code, out, err = run("alto-server", "--config",
                         write_conf(top, "state = ;\n"), "--check")
    need(code == 1, "exit %d", code)
    says(out + err, r"test\.conf:1: ")


def values(shown):
    """The lines without comments: those say which values are defaults."""
    return [l.split("#")[0].rstrip() for l in shown.splitlines()
            if l.split("#")[0].strip()]


def show_config(top):
    w = World(top, "milan", heartbeat=7,
              subscribers=[{"name": "milan", "uris": ["http://127.0.0.1:9/"]}])
    for d in (w.server, w.proxies[0]):
        code, shown, err = run(d.program, "--config", d.conf, "--show-config")
        need(code == 0, "exit %d: %s", code, err)
        path = write_conf(d.dir, shown, "shown.conf")
        code, _, err = run(d.program, "--config", path, "--check")
        need(code == 0, "its own output is wrong: %s", err)
        again = run(d.program, "--config", path, "--show-config")[1]
        need(values(again) == values(shown), "shown again, it differs")
    says(run("alto-server", "--config", w.server.conf, "--show-config")[1],
         r"heartbeat = 7;", r"lifetime = 86400;")
    code, sample, _ = run("alto-server", "--sample")
    need(code == 0 and "maps" in sample, "no sample")
    need(run("alto-server", "--config", w.server.conf, "--check")[0] == 0,
         "a good one is refused")
    need(run("alto-server", "--version")[0] == 0, "--version")
    need(run("alto-server", "--nonsense")[0] == 2, "--nonsense")
    w.end()


def suggestions(top):
    maps = Maps(os.path.join(top, "maps"))
    for wrong, right in (("heartbeet", "heartbeat"), ("wach", "watch"),
                         ("Log", "log")):
        server = alto.Server(top, maps.files(), **{wrong: "x"})
        refuses(server, r"alto-server\.conf:\d+: ", wrong,
                '"%s"|%s\\?' % (right, right))


def refused_at_start(top):
    maps = Maps(os.path.join(top, "maps"))
    server = alto.Server(top, maps.files(), push={
        "listen": "0.0.0.0:0", "anonymous": True})
    refuses(server, r"push\.listen", r"push\.public-uri")
    server.set("push", {"public-uri": "ws://127.0.0.1:1/push"})
    server.start()
    need(server.directory()["meta"]["redistribution"]["push"] ==
         "ws://127.0.0.1:1/push", "not announced")
    end_well(server)
    server.set("push", {"anonymous": False})
    refuses(server, r"push\.listen", "anonymous")

    proxy = alto.Proxy(top, server, "milan", upstream={
        "directory": "http://192.0.2.1/directory"})
    refuses(proxy, "upstream", "directory", "pin")
    proxy.upstream["key"] = server_key(server)
    alto.put(proxy.conf, "")
    proxy.start()
    need(proxy.get("/directory")[0] == 503, "it serves something")
    end_well(proxy)


def server_key(server):
    for line in server.lines():
        found = re.search(r"thumbprint=([\w-]{43})", line)
        if found:
            return found[1]
    return None


# --- who is trusted ----------------------------------------------------------

def pinned(top):
    w = World(top)
    key = w.server.status()["key"]
    good = w.proxy("milan", upstream={"key": key})
    need(current(good)["published"] >= 1, "it published nothing")
    two = w.proxy("turin", upstream={"key": ["A" * 43, key]})
    current(two)
    w.change()
    w.in_step()
    bad = w.proxy("rome", start=False, upstream={"key": "A" * 43})
    bad.start()
    wait(lambda: bad.counts()["reopened"].get("key"), None,
         "the key is refused")
    need("serial" not in bad.status(), "it serves something")
    need(bad.get("/directory")[0] == 503, "it serves something")
    says(bad.counts().get("trouble", ""), "key")
    need(bad.admin("/readyz")[0] == 503, "it says it is ready")
    w.end()


def tokens(top):
    def token(name, text):
        path = os.path.join(top, name + ".token")
        alto.put(path, text + "\n")
        os.chmod(path, 0o600)
        return path

    mine = token("milan", "milan-secret-0123456789")
    other = token("turin", "turin-secret-0123456789")
    wrong = token("wrong", "wrong-secret-0123456789")
    w = World(top, subscribers=[{"name": "milan", "token-file": mine},
                                {"name": "turin", "token-file": other}])
    milan = w.proxy("milan", upstream={"token-file": mine})
    current(milan)
    for name, file in (("rome", None), ("rome", wrong), ("milan", other)):
        p = alto.Proxy(os.path.join(top, "more"), w.server, name, upstream=dict(
            {"retry-max": 1}, **({"token-file": file} if file else {})))
        before = w.server.admin("/metrics")[2]
        p.start()
        w.proxies.append(p)
        wait(lambda: denied(w.server) > denied_in(before), None, "it is denied")
        wait(lambda: p.counts().get("trouble"), None, "it says why")
        end_well(p)
    names = [s["name"] for s in w.server.status()["subscribers"]]
    need(names == ["milan"], "%s", names)
    need(current(milan)["reopened"] == {}, "milan was thrown out")
    os.chmod(mine, 0o644)
    end_well(milan)
    refuses(milan, re.escape(mine), "600|others")
    os.chmod(mine, 0o600)
    milan.start()
    w.change()
    w.in_step()
    log = "\n".join(l for d in [w.server, *w.proxies] for l in d.lines())
    need("secret-0123" not in log, "a token stands in a log")
    w.end()


def denied_in(metrics):
    return sum(float(l.split()[-1]) for l in metrics.decode().splitlines()
               if l.startswith("alto_disconnects_total") and
               re.search("denied|not allowed|not admitted|may not", l))


def denied(server):
    return denied_in(server.admin("/metrics")[2])


def same_name(top):
    w = World(top, "milan")
    older = w.proxies[0]
    newer = alto.at_home(alto.Proxy(os.path.join(top, "more"), w.server, "milan",
                               upstream={"retry-max": 1}))
    newer.start()
    wait(lambda: older.counts()["reopened"].get("bye"), None,
         "the older one is told")
    says(older.counts()["trouble"], "another connection has this name")
    begun = time.monotonic()
    for _ in range(3):
        w.change()
        alto.in_step(w.server, newer)
    names = [s["name"] for s in w.server.status()["subscribers"]]
    need(names == ["milan"], "%s", names)
    # The older one waits its turn; they do not chase each other.
    need(current(newer)["reopened"] == {} or time.monotonic() - begun > 8,
         "the newer one was thrown out at once")
    need(older.get("/directory")[0] == 200, "the older one serves on")
    end_well(newer)
    w.in_step()
    w.end()


# --- what clients and operators are told -------------------------------------

def raw(daemon, method, path, headers=None):
    """(status, headers, bytes after the headers as they come)"""
    host = daemon.url.split("//")[1]
    con = http.client.HTTPConnection(host, timeout=alto.WAIT_S)
    try:
        con.request(method, path, headers=headers or {})
        r = con.getresponse()
        return r.status, {k.lower(): v for k, v in r.getheaders()}, r.read()
    finally:
        con.close()


def over_http(top):
    w = World(top, "milan")
    paths = {"/directory": "application/alto-directory+json",
             "/state": "application/altocast-state+json"}
    for rid, path in w.server.maps().items():
        paths[path] = ("application/alto-networkmap+json" if rid == "net" else
                       "application/alto-costmap+json")
    for d in (w.server, *w.proxies):
        for path, kind in paths.items():
            one_resource(d, path, kind)
        for method, path, status in (
                ("GET", "/nowhere", 404), ("GET", "/", 404),
                ("HEAD", "/nowhere", 404), ("POST", "/directory", 405),
                ("DELETE", "/state", 405), ("PUT", "/directory", 405)):
            code, headers, body = raw(d, method, path)
            need(code == status, "%s %s: %d", method, path, code)
            need(headers["content-type"] == "application/alto-error+json",
                 "%s %s: %s", method, path, headers["content-type"])
            if status == 405:
                need("GET" in headers["allow"], "no Allow")
            if method != "HEAD":
                need(json.loads(body)["meta"]["code"].startswith("E_"),
                     "no ALTO error: %s", body)
    w.end()


def one_resource(d, path, kind):
    code, headers, body = raw(d, "GET", path)
    need(code == 200 and headers["content-type"] == kind, "%s: %d %s", path,
         code, headers.get("content-type"))
    need(headers["alto-status"].startswith("fresh"), "%s", headers)
    need("max-age" in headers["cache-control"], "no max-age")
    need(int(headers["content-length"]) == len(body), "length")
    signed = {"alto-resource", "alto-proof", "alto-state", "signature-input",
              "signature"}
    need(path == "/state" or signed <= headers.keys(), "unsigned: %s", path)
    head = raw(d, "HEAD", path)
    need(head[0] == 200 and head[2] == b"", "HEAD %s", path)
    need(head[1].keys() == headers.keys(), "HEAD has other headers: %s",
         head[1].keys() ^ headers.keys())
    same = raw(d, "GET", path, {"If-None-Match": headers["etag"]})
    need(same[0] == 304 and same[2] == b"", "no 304 for %s: %d", path, same[0])
    need(signed & same[1].keys() == signed & headers.keys(), "304 unsigned")
    weak = raw(d, "GET", path, {"If-None-Match": '"x", W/' + headers["etag"]})
    need(weak[0] == 304, "weak: %d", weak[0])
    need(raw(d, "GET", path, {"If-None-Match": '"x"'})[0] == 200, "not 200")


METRIC = re.compile(r'[a-z_]+(\{[a-z]+="(\\.|[^"\\])*"'
                    r'(,[a-z]+="(\\.|[^"\\])*")*\})? -?[0-9.e+-]+')


def for_operators(top):
    w = World(top, "milan")
    for d in (w.server, *w.proxies):
        code, headers, body = d.admin("/metrics")
        need(code == 200 and headers["content-type"].startswith(
            "text/plain; version=0.0.4"), "%d %s", code, headers)
        typed, seen, last = set(), set(), None
        for line in body.decode().splitlines():
            if line.startswith("# TYPE "):
                last = line.split()[2]
                need(last not in typed, "twice: %s", line)
                typed.add(last)
            elif not line.startswith("# HELP "):
                need(METRIC.fullmatch(line), "no metric: %s", line)
                name = re.match("[a-z_]+", line)[0]
                need(name == last, "out of place: %s", line)
                sample = line.rsplit(" ", 1)[0]
                need(sample not in seen, "twice: %s", line)
                seen.add(sample)
        need({"alto_serial", "alto_freshness", "alto_subscribers"} <= typed,
             "%s", typed)
        need(json.loads(d.admin("/healthz")[2])["ok"] is True, "healthz")
        need(d.admin("/readyz")[0] == 200, "readyz")
        need(json.loads(d.admin("/status")[2])["serial"] ==
             d.status()["serial"], "/status")
        need(d.admin("/nowhere")[0] == 404, "404")
    w.end()


def altoctl(top):
    w = World(top, "milan")
    need(w.server.call("status")[0] == 0, "status")
    says(w.server.call("status")[1], "cost-routing", "milan", "current")
    need(w.proxies[0].call("status")[0] == 0, "status of a proxy")
    says(w.proxies[0].call("status")[1], "upstream", "current")
    need(w.server.call("reload")[0] == 0, "reload")
    need(w.proxies[0].call("reload")[0] == 0, "reload at a proxy")
    need(run("altoctl")[0] == 2, "without a command")
    need(w.server.call("explode")[0] == 2, "an unknown command")
    need(w.server.call("status", "--force")[0] == 2, "force")
    need(w.server.call("--no-such-option")[0] == 2, "an unknown option")
    need(run("altoctl", "--socket", os.path.join(top, "none"), "status")[0]
         == 3, "nobody there")
    end_well(w.server)
    need(w.server.call("status")[0] == 3, "not running")
    need(not os.path.exists(w.server.socket), "the socket stays")
    w.server.start()
    w.server.kill9()
    need(w.server.call("status")[0] == 3, "killed")
    w.server.start()            # over the socket that was left
    w.end()


def chain(top):
    w = World(top, "milan")
    milan = w.proxies[0]
    turin = w.proxy("turin", below=milan)
    rome = w.proxy("rome", below=turin)
    all_of = [w.server, milan, turin, rome]
    for _ in range(3):
        w.change()
    w.in_step()
    paths = ["/directory", *w.server.maps().values()]
    for path in paths:
        bodies = {d.get(path)[2] for d in all_of}
        need(len(bodies) == 1, "other bytes of %s", path)

    def same_state():
        return len({d.get("/state")[2] for d in all_of}) == 1
    wait(same_state, None, "the same signed state everywhere")
    alto.verify([d.url + p for d in all_of for p in paths], w.server.status()["key"])
    need(current(rome)["updates"] == 3, "not by updates")
    wait(lambda: [b["name"] for b in subscriber(w.server, "milan")["below"]]
         != [], None, "the server hears who is below")
    # The middle goes away: the end serves on, and catches up.
    end_well(milan)
    need(rome.get("/directory")[0] == 200, "it serves on")
    w.change(3)
    milan.start()
    w.in_step()
    current(rome)
    w.end()


def stopping_s(daemon):
    """Between its last but one word and the last, as the log has them."""
    seconds = [float(re.match(r"\S+T\d+:(\d+):([\d.]+)Z", l)[1]) * 60 +
               float(re.match(r"\S+T\d+:(\d+):([\d.]+)Z", l)[2])
               for l in daemon.lines()
               if re.search(r": (stopping signal=|stopped)", l)][-2:]
    return (seconds[1] - seconds[0]) % 3600


def stops(top):
    w = World(top, "milan", "turin")
    for sig in (signal.SIGTERM, signal.SIGINT):
        for d in (w.server, *w.proxies):
            # A client that keeps its connection for later holds nobody up.
            need(d.get("/directory")[0] == 200, "%s does not serve", d.name)
            need(d.stop(sig) == 0, "%s ended badly", d.name)
            need(not d.sanitizer(), "%s", d.sanitizer())
            says(d.lines()[-1], "stopped")
            need(stopping_s(d) < 1.5, "%s took %.1f s to stop", d.name,
                 stopping_s(d))
        for d in (w.server, *w.proxies):
            d.start()
    w.in_step()
    w.end()


# --- all ---------------------------------------------------------------------

STORIES = [         # the first two wait for a minute of real time to pass
    ("a proxy in sync is listed, and leaves when it is gone", list_of_proxies),
    ("a proxy away for longer than a signature lives catches up by deltas",
     away),
    ("unchanged maps keep session, serial and tags over a restart",
     server_restarts),
    ("a proxy that was stopped catches up by deltas", proxy_stopped),
    ("heartbeats are signed, relayed and kept", heartbeats),
    ("reload by command says what changed", reload_by_command),
    ("a change as large as its map is fetched in full", reload_in_full),
    ("reload by SIGHUP", reload_by_signal),
    ("a reload that changes nothing publishes nothing", reload_of_nothing),
    ("a watched file is read when it has settled", reload_by_watch),
    ("a wrong file changes nothing and is said everywhere", wrong_files),
    ("wrong files at start stop a server only without a journal",
     wrong_at_start),
    ("--check says every error at once", all_errors_at_once),
    ("--show-config prints a configuration", show_config),
    ("an unknown setting gets a suggestion", suggestions),
    ("what would be unsafe is refused at start", refused_at_start),
    ("a pinned key decides", pinned),
    ("a token is its bearer's alone", tokens),
    ("one name, one subscriber", same_name),
    ("GET, HEAD, 304, 404 and 405 at server and proxy", over_http),
    ("metrics, health and status for operators", for_operators),
    ("altoctl ends with 0, 1, 2 or 3", altoctl),
    ("a chain of proxies serves the same bytes and signature", chain),
    ("signals end a daemon quickly and cleanly", stops),
]


if __name__ == "__main__":
    sys.exit(beside.tell(STORIES))
