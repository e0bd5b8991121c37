#!/usr/bin/env python3
"""One server, two proxies, one change: what scripts/quickstart shows.

Runs the programs in build/ on free loopback ports in a folder of its own,
with the maps of examples/world. Nothing waits for a fixed time: each step has
a condition and a limit.
"""
import argparse
import gzip
import http.client
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BUILD = os.path.join(TOP, "build")
WORLD = os.path.join(TOP, "examples", "world")
VERIFY = os.path.join(TOP, "examples", "verify", "alto-verify.py")
WAIT_S = 60  # for each condition
ROUTING = {"cost-mode": "numerical", "cost-metric": "routingcost"}
# Two addresses, and the PIDs of examples/world that they belong to.
HERE, THERE = "cc-nl", "cc-jp"
HERE_ADDRESS, THERE_ADDRESS = "ipv4:193.0.6.139", "ipv4:133.11.0.1"
COMPUTED = {
    # member of the answer: what is asked, its media type
    "cost-map": ({"cost-type": ROUTING,
                  "pids": {"srcs": [HERE], "dsts": [THERE]}},
                 "application/alto-costmapfilter+json"),
    "endpoint-cost-map": ({"cost-type": ROUTING,
                           "endpoints": {"srcs": [HERE_ADDRESS],
                                         "dsts": [THERE_ADDRESS]}},
                          "application/alto-endpointcostparams+json"),
}

SERVER_CONF = """\
state = "server";
http:  { listen = "127.0.0.1:0"; };
push:  { listen = "127.0.0.1:0"; };
admin: { listen = "127.0.0.1:0"; socket = "server.sock"; };
signing: { key = "signing.pem"; };
maps = (
	{ id = "net"; file = "network-map.json"; default = true; },
	{ id = "cost-routing"; file = "cost-map.json"; }
);
"""

PROXY_CONF = """\
state = "%(name)s";
http:  { listen = "127.0.0.1:0"; };
push:  { listen = "127.0.0.1:0"; };
admin: { listen = "127.0.0.1:0"; socket = "%(name)s.sock"; };
upstream = ( { directory = "%(directory)s"; mode = "push";
	       name = "%(name)s"; key = "%(key)s"; } );
"""


class Failed(Exception):
    pass


def need(ok, why):
    if not ok:
        raise Failed(why)


def until(what, condition, daemons=()):
    """Waits for condition() to give something and returns it."""
    end = time.monotonic() + WAIT_S
    while True:
        got = condition()
        if got:
            return got
        for daemon in daemons:
            daemon.must_run()
        need(time.monotonic() < end, "%s: not within %d s" % (what, WAIT_S))
        time.sleep(0.02)


class Daemon:
    """One process, its configuration, log and control socket."""

    def __init__(self, program, name, folder, conf, keep):
        self.name = name
        self.socket = os.path.join(folder, name + ".sock")
        self.log = os.path.join(folder, name + ".log")
        path = os.path.join(folder, name + ".conf")
        with open(path, "w", encoding="utf-8") as out:
            out.write(conf)
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                [os.path.join(BUILD, program), "--config", path],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                start_new_session=keep)

    def must_run(self):
        code = self.process.poll()
        if code is None:
            return
        with open(self.log, encoding="utf-8", errors="replace") as log:
            tail = "".join(log.readlines()[-10:])
        raise Failed("%s ended with %d:\n%s" % (self.name, code, tail))

    def ctl(self, command):
        """altoctl's answer, None while the daemon does not answer yet."""
        run = subprocess.run(
            [os.path.join(BUILD, "altoctl"), "--socket", self.socket, command,
             "--json"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE)
        if run.returncode == 3:
            return None
        need(run.returncode == 0, "altoctl %s at %s: %s" % (
            command, self.name, (run.stdout + run.stderr).decode().strip()))
        return json.loads(run.stdout)

    def ready(self):
        """Its status once it serves something."""
        def serving():
            status = self.ctl("status")
            return status if status and status.get("resources") else None
        return until(self.name + " serves maps", serving, [self])

    def at(self, head):
        """Its status once it serves the position that status `head` has."""
        def there():
            status = self.ctl("status")
            same = status and all(
                status[k] == head[k] for k in ("session", "serial"))
            return status if same else None
        return until("%s serves serial %d" % (self.name, head["serial"]), there,
                     [self])

    def stop(self):
        """The exit status; -9 if it had to be killed."""
        self.process.terminate()
        try:
            return self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait()


def get(base, path, ask=None, media=None):
    """The body; with `ask`, of what is computed for it."""
    with_body = http.client.HTTPConnection(
        urllib.parse.urlsplit(base).netloc, timeout=WAIT_S)
    try:
        if ask:
            with_body.request("POST", path, json.dumps(ask),
                              {"Content-Type": media})
        else:
            with_body.request("GET", path)
        answer = with_body.getresponse()
        body = answer.read()
        need(answer.status == 200, "%s%s: %d" % (base, path, answer.status))
        return body
    finally:
        with_body.close()


class Watch(threading.Thread):
    """Asks one proxy for the ETag of one map, again and again on the same
    connection, and notes when it changed."""

    def __init__(self, base, path):
        super().__init__(daemon=True)
        self.connection = http.client.HTTPConnection(
            urllib.parse.urlsplit(base).netloc, timeout=WAIT_S)
        self.path = path
        self.first = self.etag()
        self.changed_at = None
        self.error = None

    def etag(self):
        self.connection.request("HEAD", self.path)
        answer = self.connection.getresponse()
        answer.read()
        need(answer.status == 200, "HEAD %s: %d" % (self.path, answer.status))
        return answer.getheader("ETag")

    def run(self):
        end = time.monotonic() + WAIT_S
        try:
            while time.monotonic() < end:
                if self.etag() != self.first:
                    self.changed_at = time.monotonic()
                    return
                time.sleep(0.001)
        except (Failed, OSError, http.client.HTTPException) as e:
            self.error = e
        finally:
            self.connection.close()

    def ms_since(self, start):
        self.join()
        need(self.error is None, "watching a proxy: %s" % self.error)
        need(self.changed_at, "the change did not arrive within %d s" % WAIT_S)
        return round((self.changed_at - start) * 1000, 1)


class Maps:
    """The files that the server reads: the world, then the world later."""

    def __init__(self, folder):
        self.net = os.path.join(folder, "network-map.json")
        self.cost = os.path.join(folder, "cost-map.json")
        self.put(self.net, self.packed("network-map"))
        self.put(self.cost, self.packed("cost-map"))

    @staticmethod
    def packed(name):
        with gzip.open(os.path.join(WORLD, name + ".json.gz")) as packed:
            return packed.read()

    @staticmethod
    def put(path, data):
        """Whole or not at all, as anybody should who writes maps."""
        with open(path + ".new", "wb") as out:
            out.write(data)
        os.replace(path + ".new", path)

    @staticmethod
    def read(path):
        with open(path, "rb") as doc:
            return json.load(doc)

    def edit(self):
        """The later network map, and its tag into the cost map, which says
        what network map it was made for."""
        tag = self.read(self.net)["meta"]["vtag"]["tag"].encode()
        later = self.packed("network-map-later")
        new_tag = json.loads(later)["meta"]["vtag"]["tag"].encode()
        with open(self.cost, "rb") as doc:
            cost = doc.read()
        self.put(self.net, later)
        self.put(self.cost, cost.replace(tag, new_tag))


def map_paths(base):
    """{resource-id: path} of the maps that are to be had with GET, from the
    directory."""
    directory = json.loads(get(base, "/directory"))
    paths = {}
    for rid, entry in directory["resources"].items():
        if "accepts" not in entry and entry["media-type"] in (
                "application/alto-networkmap+json",
                "application/alto-costmap+json"):
            paths[rid] = urllib.parse.urljoin("/directory", entry["uri"])
    return paths


def service_path(base, media):
    """Where a computed service is that takes this media type."""
    directory = json.loads(get(base, "/directory"))
    paths = [urllib.parse.urljoin("/directory", entry["uri"])
             for entry in directory["resources"].values()
             if entry.get("accepts") == media]
    need(len(paths) == 1, "%d services take %s" % (len(paths), media))
    return paths[0]


def same_bytes(bases, path, *ask):
    """All hosts give one body for this path; returns it. A new signed state
    may be on its way to one of them, hence the wait."""
    def equal():
        bodies = [get(base, path, *ask) for base in bases]
        return bodies[0] if all(b == bodies[0] for b in bodies) else None
    return until("the same bytes everywhere for " + path, equal)


def check(bases, key, paths, maps):
    """Bytes and signatures of everything at every host, by programs that share
    no code with altocast. Returns the number of bodies verified."""
    bodies = {rid: same_bytes(bases, path) for rid, path in paths.items()}
    same_bytes(bases, "/directory")
    for rid, path, member in (("net", maps.net, "network-map"),
                              ("cost-routing", maps.cost, "cost-map")):
        need(json.loads(bodies[rid])[member] == maps.read(path)[member],
             "%s is not what %s says" % (rid, path))
    urls = [base + path for base in bases
            for path in [*paths.values(), "/directory"]]
    run = subprocess.run(
        [sys.executable, VERIFY, "--key", key, "--quiet", *urls],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    need(run.returncode == 0, run.stdout.decode())
    return len(urls)


def check_computed(bases, maps):
    """Every host computes the same, and what the cost map's file says. Returns
    where it was asked and that cost."""
    cost = maps.read(maps.cost)["cost-map"][HERE][THERE]
    paths = {}
    for member, ask in COMPUTED.items():
        paths[member] = service_path(bases[0], ask[1])
        doc = json.loads(same_bytes(bases, paths[member], *ask))
        (row,) = doc[member].values()
        need(list(row.values()) == [cost],
             "%s is %r and not %r" % (paths[member], row, cost))
    return paths, cost


class Show:
    """The whole run. The result is what --json prints, the rows are for
    people."""

    def __init__(self, folder, keep):
        self.folder = folder
        self.keep = keep
        self.daemons = []
        self.rows = []

    def row(self, what, text):
        self.rows.append("  %-16s %s" % (what, text))

    def start(self, program, name, conf):
        daemon = Daemon(program, name, self.folder, conf, self.keep)
        self.daemons.append(daemon)
        return daemon

    def run(self):
        maps = Maps(self.folder)
        server = self.start("alto-server", "server", SERVER_CONF)
        head = server.ready()
        here = head["listeners"]
        proxies = [
            self.start("alto-proxy", name, PROXY_CONF % {
                "name": name, "key": head["key"],
                "directory": here["http"] + "/directory"})
            for name in ("proxy-1", "proxy-2")]
        for proxy in proxies:
            proxy.ready()
        urls = [p.at(head)["listeners"]["http"] for p in proxies]
        until("both proxies are subscribed", lambda: len(
            server.ctl("status")["subscribers"]) == len(proxies), self.daemons)
        paths = map_paths(here["http"])
        need({"net", "cost-routing"} <= paths.keys(), "a map is not listed")
        self.rows_before(maps)

        maps.edit()
        watches = [Watch(url, paths["net"]) for url in urls]
        for watch in watches:
            watch.start()
        started = time.monotonic()
        change = server.ctl("reload")
        push_ms = [watch.ms_since(started) for watch in watches]
        self.check_change(change, watches, len(proxies))
        self.rows_change(change, push_ms)

        head = server.ctl("status")
        for proxy in proxies:
            proxy.at(head)
        count = check([here["http"], *urls], head["key"], paths, maps)
        self.row("bytes", "the same at the server and both proxies,"
                          " and what the files say")
        self.row("signature", "%d bodies verified with openssl" % count)
        self.row("", "key %s" % head["key"])
        asked, cost = check_computed([here["http"], *urls], maps)
        self.row("filtered map", "the cost from %s to %s is %s"
                 % (HERE, THERE, cost))
        self.row("endpoint cost", "from %s to %s, too; the same bytes from"
                                  " all three" % (HERE_ADDRESS, THERE_ADDRESS))
        return {"ok": True, "server": here["http"], "push": here["push"],
                "proxies": urls, "server_socket": server.socket,
                "proxy_sockets": [p.socket for p in proxies],
                "delta_bytes": change["delta-bytes"],
                "full_bytes": change["full-bytes"],
                "push_ms": push_ms, "verified": True,
                "filtered_cost_map": asked["cost-map"],
                "endpoint_cost": asked["endpoint-cost-map"], "cost": cost}

    @staticmethod
    def check_change(change, watches, subscribers):
        need(change["changed"], "the reload saw no change")
        need(change["subscribers"] == subscribers,
             "%d subscribers, not %d" % (change["subscribers"], subscribers))
        need(0 < change["delta-bytes"] < change["full-bytes"],
             "the update is not smaller than the maps")
        net = [r for r in change["resources"] if r["id"] == "net"]
        need(len(net) == 1, "the reload does not name the network map")
        for watch in watches:
            need(watch.first == '"%s"' % net[0]["from"],
                 "a proxy had ETag %s before the change" % watch.first)

    def rows_before(self, maps):
        net = maps.read(maps.net)["network-map"]
        cost = maps.read(maps.cost)["cost-map"]
        self.row("network map", "%d PIDs, %s prefixes, %s bytes" % (
            len(net), thousands(sum(len(group) for pid in net.values()
                                    for group in pid.values())),
            thousands(os.path.getsize(maps.net))))
        self.row("cost map", "%s cells, %s bytes" % (
            thousands(sum(len(row) for row in cost.values())),
            thousands(os.path.getsize(maps.cost))))

    def rows_change(self, change, push_ms):
        net = next(r for r in change["resources"] if r["id"] == "net")
        self.row("change", "nine days of routing: %s prefixes new, %s gone" % (
            thousands(net["prefixes-added"]),
            thousands(net["prefixes-removed"])))
        self.row("sent", "%s bytes instead of %s (%.1f %%) to each of %d proxies"
                 % (thousands(change["delta-bytes"]),
                    thousands(change["full-bytes"]),
                    100 * change["delta-bytes"] / change["full-bytes"],
                    len(push_ms)))
        for i, ms in enumerate(push_ms, 1):
            self.row("proxy %d" % i, "served the new map %.0f ms after"
                                     " `altoctl reload` was called" % ms)

    def stop(self):
        """Newest first. Returns what did not end well."""
        bad = []
        for daemon in reversed(self.daemons):
            code = daemon.stop()
            if code != 0:
                bad.append("%s ended with %d" % (daemon.name, code))
        return bad

    def rows_keep(self, result):
        ctl = os.path.relpath(os.path.join(BUILD, "altoctl"))
        out = ["", "still running, in " + self.folder, "",
               "  server    %s/directory" % result["server"]]
        for i, url in enumerate(result["proxies"], 1):
            out.append("  proxy %d   %s/directory" % (i, url))
        out += ["", "to try:", "",
                "  %s --socket %s status" % (ctl, result["server_socket"])]
        for path in result["proxy_sockets"]:
            out.append("  %s --socket %s status" % (ctl, path))
        out += ["  edit %s, then" % os.path.join(self.folder, "cost-map.json"),
                "  %s --socket %s reload" % (ctl, result["server_socket"]), ""]
        ask, media = COMPUTED["endpoint-cost-map"]
        out += ["  curl -H 'Content-Type: %s' \\" % media,
                "    -d '%s' \\" % json.dumps(ask),
                "    %s%s" % (result["proxies"][0], result["endpoint_cost"]),
                "",
                "to stop:", "",
                "  kill %s" % " ".join(str(d.process.pid) for d in self.daemons)]
        return out


def thousands(n):
    return "{:,}".format(n)


def main():
    ap = argparse.ArgumentParser(prog="quickstart")
    ap.add_argument("--json", action="store_true")
    ap.add_argument("--keep", action="store_true")
    args = ap.parse_args()

    # Ended from outside, it stops what it started like after Ctrl-C.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    folder = tempfile.mkdtemp(prefix="altocast-")
    show = Show(folder, args.keep)
    result, why, kept = None, "", False
    try:
        result = show.run()
        kept = args.keep
    except (Failed, OSError, ValueError, KeyError,
            http.client.HTTPException) as e:
        why = str(e) if isinstance(e, Failed) else repr(e)
    except KeyboardInterrupt:
        why = "interrupted"
    finally:
        if not kept:
            bad = show.stop()
            if result and bad:
                result, why = None, "; ".join(bad)
    if result:
        print("\n".join(["", "altocast: one server, two proxies, one change", "",
                         *show.rows]))
        if kept:
            print("\n".join(show.rows_keep(result)))
        else:
            shutil.rmtree(folder, ignore_errors=True)
            print("\nall stopped. `quickstart --keep` leaves it running.")
    else:
        print("quickstart failed: %s\nlogs: %s" % (why, folder), file=sys.stderr)
    if args.json:
        print(json.dumps(result or {"ok": False, "error": why}))
    return 0 if result else 1


if __name__ == "__main__":
    sys.exit(main())
