#!/usr/bin/env python3
"""What was acknowledged survives: daemons killed at random moments of a stream
of updates, state directories from older copies, damaged journals, wrong clocks.

  run_crash.py [SEED [PATTERN]]

The seed is printed; with it the same maps, victims and delays come again (not
the same moments: those are the scheduler's). PATTERN: only the stories that it
is found in.
"""
import glob
import http.client
import json
import os
import random
import re
import shutil
import signal
import socket
import sys
import threading
import time
import urllib.parse

import alto
from alto import Failed, Skip, need, wait

ROUNDS = 40, 10         # at length, quickly
DAMAGES = 16, 8
SEED = int(sys.argv[1]) if sys.argv[1:] else random.SystemRandom(
).randrange(1 << 32)


# --- maps --------------------------------------------------------------------

class Maps:
    """A network map and a cost map over the same PIDs, which change at will.
    Each PID has a /16 of its own that its prefixes are cut from."""

    def __init__(self, folder, rng, pids=24):
        os.makedirs(folder, exist_ok=True)
        self.rng = rng
        self.net_file = os.path.join(folder, "network-map.json")
        self.cost_file = os.path.join(folder, "cost-map.json")
        self.pids = {}
        self.free = list(range(1, 200))
        self.costs = {}
        for _ in range(pids):
            self.add_pid()
        self.write()

    def files(self):
        return [("net", self.net_file), ("cost-routing", self.cost_file)]

    def add_pid(self):
        at = self.free.pop(self.rng.randrange(len(self.free)))
        name = "pid-%d" % at
        self.pids[name] = {"10.%d.%d.0/24" % (at, i)
                           for i in self.rng.sample(range(256), 8)}
        self.costs[name] = {}
        for other in self.pids:
            self.costs[name][other] = self.cost()
            self.costs[other][name] = self.cost()

    def drop_pid(self):
        name = self.any_pid()
        self.free.append(int(name[4:]))
        del self.pids[name], self.costs[name]
        for row in self.costs.values():
            row.pop(name, None)

    def any_pid(self):
        return self.rng.choice(sorted(self.pids))

    def cost(self):
        return self.rng.choice((self.rng.randrange(1000),
                                round(self.rng.uniform(0, 99), 3)))

    def edit(self):
        """One step; never none at all."""
        kind = self.rng.random()
        if kind < 0.5:
            for _ in range(self.rng.randint(1, 20)):
                self.costs[self.any_pid()][self.any_pid()] = self.cost() + 1000
        elif kind < 0.6:        # everything: more than a patch is worth
            for row in self.costs.values():
                for name in row:
                    row[name] = self.cost()
        elif kind < 0.9:
            for _ in range(self.rng.randint(1, 5)):
                group = self.pids[self.any_pid()]
                at = sorted(group)[0].split(".")[1]
                group ^= {"10.%s.%d.0/24" % (at, self.rng.randrange(256))}
                group.add("10.%s.255.0/25" % at)
        elif len(self.pids) > 12 and kind < 0.95:
            self.drop_pid()
        else:
            self.add_pid()
        self.write()

    def write(self):
        alto.put(self.net_file, json.dumps({
            "meta": {"vtag": {"resource-id": "net"}},
            "network-map": dict(
                {name: {"ipv4": sorted(group)}
                 for name, group in self.pids.items()},
                rest={"ipv4": ["0.0.0.0/0"]})}))
        alto.put(self.cost_file, json.dumps({
            "meta": {"dependent-vtags": [{"resource-id": "net"}],
                     "cost-type": {"cost-mode": "numerical",
                                   "cost-metric": "routingcost"}},
            "cost-map": self.costs}))


# --- those who look on -------------------------------------------------------

class Seen:
    """Everything that anybody served: one root for each position."""

    def __init__(self):
        self.lock = threading.Lock()
        self.roots = {}
        self.wrong = []

    def note(self, who, position, root):
        with self.lock:
            known = self.roots.setdefault(position, root)
        if known != root:
            self.complain("%s serves another root at serial %d of session %s"
                          % (who, position[1], position[0]))

    def complain(self, text):
        with self.lock:
            self.wrong.append(text)

    def must_be_right(self):
        with self.lock:
            need(not self.wrong, "; ".join(self.wrong[:5]))


class Poller(threading.Thread):
    """Reads /state of one daemon again and again, whether it runs or not."""

    def __init__(self, daemon, seen):
        super().__init__(daemon=True)
        self.who = daemon.name
        self.host = urllib.parse.urlsplit(daemon.url).netloc
        self.seen = seen
        self.position = None
        self.answers = 0
        self.may_fall = False   # its state directory goes back in time
        self.ends = threading.Event()
        self.start()

    def run(self):
        con = None
        while not self.ends.wait(0.005):
            try:
                con = con or http.client.HTTPConnection(self.host, timeout=10)
                con.request("GET", "/state")
                answer = con.getresponse()
                self.take(answer.status, answer.read())
            except (OSError, http.client.HTTPException):
                if con:
                    con.close()
                con = None

    def take(self, status, body):
        if status != 200:
            if self.position and not self.may_fall:
                self.seen.complain("%s answers %d after it served serial %d" % (
                    self.who, status, self.position[1]))
            return
        doc = json.loads(body)
        position = doc["session"], doc["serial"]
        if self.position and position < self.position and not self.may_fall:
            self.seen.complain("%s went from %s %d back to %s %d" % (
                self.who, *self.position, *position))
        self.seen.note(self.who, position, doc["state"][0].split(";")[0])
        self.position = position
        self.answers += 1

    def stop(self):
        self.ends.set()
        self.join()


class Writer(threading.Thread):
    """Edits the maps and has them read, as fast as the server answers."""

    def __init__(self, server, maps):
        super().__init__(daemon=True)
        self.server = server
        self.maps = maps
        self.acknowledged = None
        self.updates = 0
        self.refused = []
        self.ends = threading.Event()
        self.start()

    def ask(self):
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(alto.WAIT_S)
            s.connect(self.server.socket)
            s.sendall(b'{"command":"reload"}\n')
            with s.makefile("r") as lines:
                text = lines.readline()
        return json.loads(text) if text.endswith("\n") else None

    def run(self):
        while not self.ends.is_set():
            self.maps.edit()
            try:
                answer = self.ask()
            except OSError:
                answer = None
            if not answer:
                self.ends.wait(0.01)
            elif "error" in answer:
                self.refused.append(answer["error"])
            else:
                self.acknowledged = answer["session"], answer["serial"]
                self.updates += 1

    def stop(self):
        self.ends.set()
        self.join()


# --- worlds ------------------------------------------------------------------

class World:
    """A server, proxies below it, and perhaps one below the first of them."""

    def __init__(self, top, rng, names=("milan", "turin"), last=None,
                 **settings):
        self.maps = Maps(os.path.join(top, "maps"), rng)
        self.server = alto.at_home(alto.Server(top, self.maps.files(), **settings))
        self.server.start()
        self.proxies = [alto.at_home(alto.Proxy(
            top, self.server, name, upstream={"retry-max": 1}))
            for name in names]
        for proxy in self.proxies:
            proxy.start()
        if last:
            self.proxies.append(alto.at_home(alto.Proxy(
                top, self.proxies[0], last, upstream={"retry-max": 1})))
            self.proxies[-1].start()
        alto.in_step(self.server, *self.proxies)

    def daemons(self):
        return [self.server, *self.proxies]

    def change(self, times=1):
        for _ in range(times):
            self.maps.edit()
            need(self.server.reload()["changed"], "an edit changed nothing")

    def same_everywhere(self):
        """All serve one position, the same bytes, and they verify."""
        alto.in_step(*self.daemons())
        paths = ["/directory", *self.server.maps().values()]
        for path in paths:
            for d in self.proxies:
                need(d.get(path)[2] == self.server.get(path)[2],
                     "%s has other bytes of %s", d.name, path)
        alto.verify([d.url + path for d in self.daemons() for path in paths],
               self.server.status()["key"])

    def end(self):
        for d in reversed(self.daemons()):
            end_well(d)


def end_well(daemon):
    code = daemon.stop()
    need(not daemon.sanitizer(), "%s: %s", daemon.log, daemon.sanitizer())
    need(code == 0, "%s ended with %d", daemon.name, code)


def must_refuse(daemon, *texts):
    """It does not start, says why, and ends with 1."""
    before = len(daemon.lines())
    daemon.start(ready=False)
    code = wait_end(daemon)
    said = "\n".join(daemon.lines()[before:])
    need(not daemon.sanitizer(), "%s: %s", daemon.log, daemon.sanitizer())
    need(code == 1, "%s ended with %d, not 1: %s", daemon.name, code, said)
    for text in texts:
        need(re.search(text, said), "%s does not say %s: %s", daemon.name, text,
             said)


def wait_end(daemon):
    wait(lambda: not daemon.alive(), None, "%s ends" % daemon.name)
    return daemon.stop()


def copy_state(daemon, to):
    """What a file system snapshot or a backup would hold."""
    shutil.rmtree(to, ignore_errors=True)
    shutil.copytree(daemon.state, to, ignore=lambda folder, names: [
        n for n in names if os.path.exists(os.path.join(folder, n)) and
        not os.path.isfile(os.path.join(folder, n))])
    return to


def restore(daemon, copy):
    shutil.rmtree(daemon.state)
    shutil.copytree(copy, daemon.state)


# --- killed ------------------------------------------------------------------

def kill_round(world, rng, writer, pollers):
    """Kills one or all at a random moment and starts them again."""
    victims = rng.choice(([world.server], [world.server], world.daemons(),
                          *([p] for p in world.proxies)))
    time.sleep(rng.uniform(0, 0.15))
    for d in victims:
        d.kill9()
    if rng.random() < 0.2:      # and in the middle of a start
        for d in victims:
            d.start(ready=False)
        time.sleep(rng.uniform(0, 0.15))
        for d in victims:
            d.kill9()
    known = {d.name: pollers[d.name].position for d in victims}
    known["server"] = max(known.get("server") or ("", 0),
                          writer.acknowledged or ("", 0))
    for d in victims:
        d.start()
        at = wait(lambda: d.position(), None, d.name + " serves")
        need(at >= (known[d.name] or at), "%s comes back at %s, it was at %s",
             d.name, at, known[d.name])
        need(at[0] == known["server"][0] or not known["server"][0],
             "%s began a new session", d.name)


def killed(top, rng):
    world = World(top, rng, last="rome", heartbeat=1)
    seen = Seen()
    pollers = {d.name: Poller(d, seen) for d in world.daemons()}
    writer = Writer(world.server, world.maps)
    try:
        wait(lambda: writer.updates > 2, None, "updates flow")
        for i in range(ROUNDS[alto.quick()]):
            try:
                kill_round(world, rng, writer, pollers)
                seen.must_be_right()
            except Failed as e:
                raise Failed("round %d: %s" % (i, e)) from e
    finally:
        writer.stop()
        for poller in pollers.values():
            poller.stop()
    need(not writer.refused, "a reload was refused: %s", writer.refused[:1])
    world.server.reload()
    world.same_everywhere()
    need(world.server.position() >= writer.acknowledged, "it fell back")
    seen.must_be_right()
    print("# %d rounds, %d updates acknowledged, %d states seen, %d positions"
          % (i + 1, writer.updates, sum(p.answers for p in pollers.values()),
             len(seen.roots)))
    for d in world.daemons():
        need(not d.sanitizer(), "%s: %s", d.log, d.sanitizer())
    world.end()


# --- older copies ------------------------------------------------------------

def with_pollers(world, story):
    seen = Seen()
    pollers = [Poller(p, seen) for p in world.proxies]
    try:
        story(seen)
    finally:
        for poller in pollers:
            poller.stop()
    # The server lost its history, so the two lines of it may meet in serials.
    need(not [w for w in seen.wrong if "another root" not in w], "%s",
         seen.wrong)


def server_restored(top, rng, lost, after, apart):
    """lost updates are forgotten with the copy, after new ones are published
    before the proxies (apart: which are not running meanwhile) see it."""
    world = World(top, rng, last="rome")
    world.change(2)
    world.server.stop()
    copy = copy_state(world.server, os.path.join(top, "copy"))
    world.server.start()
    world.change(lost)
    alto.in_step(*world.daemons())
    old = world.server.position()

    def story(seen):
        world.server.kill9()
        if apart:
            for p in world.proxies:
                p.kill9()
        restore(world.server, copy)
        world.maps.edit()
        world.server.start()
        world.change(after)
        for p in world.proxies if apart else ():
            p.start()
        world.same_everywhere()
        at = world.server.position()
        need(at > old, "%s is not above %s", at, old)
        need(at[0] > old[0], "no new session: %s", at[0])
        need(world.server.status()["counters"]["new_sessions"] == 1,
             "more than one new session")
        world.change(2)
        world.same_everywhere()

    with_pollers(world, story)
    world.end()


def proxy_restored(top, rng, **settings):
    world = World(top, rng, **settings)
    seen = Seen()
    pollers = {p.name: Poller(p, seen) for p in world.proxies}
    old = world.proxies[0]
    world.change(2)
    alto.in_step(*world.daemons())
    old.stop()
    copy = copy_state(old, os.path.join(top, "copy"))
    old.start()
    world.change(6)
    alto.in_step(*world.daemons())
    old.kill9()
    # It cannot know what it served before; from here on it may not fall.
    pollers[old.name].stop()
    restore(old, copy)
    old.start()
    pollers[old.name] = Poller(old, seen)
    world.same_everywhere()
    world.change(2)
    world.same_everywhere()
    for poller in pollers.values():
        poller.stop()
    seen.must_be_right()
    counts = old.counts()
    world.end()
    return counts


# --- what a start refuses ----------------------------------------------------

def alone(top, rng, **settings):
    maps = Maps(os.path.join(top, "maps"), rng, 12)
    server = alto.Server(top, maps.files(), **settings)
    server.start()
    maps.edit()
    server.reload()
    return server


def key_path(server):
    return server.settings["signing"]["key"]


def without_key(top, rng):
    server = alone(top, rng)
    end_well(server)
    os.rename(key_path(server), key_path(server) + ".away")
    must_refuse(server, re.escape(server.state), re.escape(key_path(server)))
    need(not os.path.exists(key_path(server)), "it made another key")
    os.rename(key_path(server) + ".away", key_path(server))
    server.start()
    end_well(server)


def journal_lost(top, rng):
    """The key and the id beside it stay: the same service, in a new session."""
    world = World(top, rng)
    world.change(3)
    alto.in_step(*world.daemons())
    old, service = world.server.position(), world.server.status()["service"]

    def story(seen):
        world.server.kill9()
        for name in os.listdir(world.server.state):
            if name.startswith("journal."):
                os.unlink(os.path.join(world.server.state, name))
        need(os.path.exists(key_path(world.server) + ".service"),
             "no id beside the key")
        world.maps.edit()
        world.server.start()
        world.same_everywhere()
        need(world.server.status()["service"] == service, "another service")
        need(world.server.position()[0] > old[0], "no new session")

    with_pollers(world, story)
    world.end()


def key_readable(top, rng):
    server = alone(top, rng)
    end_well(server)
    for mode in (0o604, 0o640, 0o622):
        os.chmod(key_path(server), mode)
        must_refuse(server, re.escape(key_path(server)), "0?600|others|group")
    os.chmod(key_path(server), 0o600)
    server.start()
    end_well(server)


def in_use(top, rng):
    server = alone(top, rng)
    other = alto.Server(top, [], name="other", state=server.state)
    other.set("maps", server.settings["maps"])
    other.set("signing", server.settings["signing"])
    must_refuse(other, re.escape(server.state), "in use")
    need(server.reload()["changed"] is False, "the first one is not well")
    end_well(server)


# --- damaged journals --------------------------------------------------------

def damage(path, rng):
    """Returns what was done."""
    size = os.path.getsize(path)
    with open(path, "r+b") as f:
        if rng.random() < 0.4:
            cut = rng.randrange(size)
            f.truncate(cut)
            return "cut at %d of %d" % (cut, size)
        where = sorted(rng.randrange(size) for _ in range(rng.choice((1, 40))))
        for at in where:
            f.seek(at)
            byte = f.read(1)[0]
            f.seek(at)
            f.write(bytes([byte ^ 1 << rng.randrange(8)]))
        return "bits flipped at %s of %d" % (where[:4], size)


def tags(daemon):
    """{resource-id: tag} of the maps that it serves."""
    return {r["id"]: r["tag"] for r in daemon.status()["resources"]
            if r["id"] != ".directory"}


def try_damaged(daemon, copy, rng, good):
    """A clear refusal, or what is served is what was published once."""
    restore(daemon, copy)
    name = rng.choice([n for n in sorted(os.listdir(copy))
                       if re.match(r".*(db|sqlite|journal|-wal)$", n) and
                       os.path.getsize(os.path.join(copy, n))])
    what = "%s: %s" % (name, damage(os.path.join(daemon.state, name), rng))
    before = len(daemon.lines())
    daemon.start(ready=False)
    try:
        wait(lambda: not daemon.alive() or daemon.status(), None, "it decides")
        if daemon.alive():
            daemon.ready()
            served = tags(daemon)
            # The server has read its files; a proxy has its journal alone.
            need(served == good[-1] if daemon.program == "alto-server" else
                 not served or served in good, "it serves something new")
            end_well(daemon)
            return False
        need(daemon.stop() == 1, "it ended badly")
        said = "\n".join(daemon.lines()[before:])
        need("cannot start" in said and re.search("journal|state", said),
             "unclear: %s", said)
        need(not daemon.sanitizer(), "%s", daemon.sanitizer())
        return True
    except Failed as e:
        raise Failed("%s: %s" % (what, e)) from e


def damaged(top, rng):
    world = World(top, rng, ("milan",))
    good = [tags(world.server)]
    for _ in range(12):
        world.change()
        good.append(tags(world.server))
    alto.in_step(*world.daemons())
    # Killed: nearly everything is in the write-ahead log. Stopped: nothing is.
    copies = []
    for end in (alto.Daemon.kill9, end_well):
        for d in world.daemons():
            end(d)
            copies.append((d, copy_state(d, os.path.join(
                top, "%s-%d" % (d.name, len(copies))))))
            d.start()
    for d in world.daemons():
        d.kill9()
    times = DAMAGES[alto.quick()]
    refused = sum(try_damaged(*copies[i % len(copies)], rng, good)
                  for i in range(times))
    print("# %d damages, %d refused, the others did no harm" % (
        times, refused))
    need(refused, "no damage was noticed at all")
    for d, copy in copies[2:]:
        restore(d, copy)
        d.start()
    world.same_everywhere()
    world.end()


# --- wrong clocks ------------------------------------------------------------

def clock(seconds):
    """Environment in which the wall clock is wrong by so many seconds."""
    lib = os.environ.get("FAKETIME_LIB") or next(iter(sorted(glob.glob(
        "/usr/lib/*/faketime/libfaketimeMT.so.1"))), "")
    if not os.path.exists(lib):
        raise Skip("libfaketime is not installed")
    with open(alto.find_bin("alto-server"), "rb") as program:
        if b"__tsan_" in program.read():
            raise Skip("libfaketime puts itself before the thread sanitizer")
    asan = os.environ.get("ASAN_OPTIONS", "")
    return {"LD_PRELOAD": lib, "FAKETIME": "%+d" % seconds,
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "DONT_FAKE_MONOTONIC": "1",
            "ASAN_OPTIONS": asan + ":verify_asan_link_order=0"}


def clock_behind(top, rng, env):
    server = alone(top, rng)
    end_well(server)
    server.env = env
    must_refuse(server, "clock")
    server.env = None
    server.start()
    end_well(server)


def proxy_clock_behind(top, rng, env):
    """It takes nothing from its future, says so, and keeps what it holds."""
    world = World(top, rng, ("milan",))
    proxy = world.proxies[0]
    alto.in_step(*world.daemons())
    held = proxy.position()
    end_well(proxy)
    world.change()
    proxy.env = env
    proxy.start()
    wait(lambda: proxy.counts()["reopened"].get("clock"), None,
         "it says that the clock is wrong")
    need(proxy.position() == held, "it moved all the same")
    wait(lambda: proxy.counts()["trouble"].startswith("our clock differs by "),
         None, "the clock is named first: %s" % proxy.counts()["trouble"])
    end_well(proxy)
    proxy.env = None
    proxy.start()
    world.same_everywhere()
    world.end()


def proxy_clock_little(top, rng, env):
    """By less than what is called wrong, but more than what is fresh."""
    world = World(top, rng, ("milan",), heartbeat=2)
    proxy = world.proxies[0]
    alto.in_step(*world.daemons())
    end_well(proxy)
    proxy.env = env
    proxy.start()
    told = wait(lambda: [t["text"] for t in proxy.status()["troubles"]
                         if t["topic"] == "clock"], None, "it says why")
    need("stale here" in told[0], "%s", told)
    end_well(proxy)
    proxy.env = None
    proxy.start()
    world.same_everywhere()
    need(not [t for t in proxy.status()["troubles"] if t["topic"] == "clock"],
         "it is right again")
    world.end()


def proxy_clock_ahead(top, rng, env):
    """What it gets is expired to it: it serves nothing, and does not fall."""
    world = World(top, rng, ("milan",), heartbeat=1,
                  signing={"lifetime": 60})
    proxy = world.proxies[0]
    held = proxy.position()
    end_well(proxy)
    proxy.env = env
    proxy.start()
    need(proxy.get("/directory")[0] == 503, "it serves what is expired")
    world.change()
    wait(lambda: proxy.counts()["phase"] in ("current", "behind"), None,
         "it is connected")
    need(proxy.get("/directory")[0] == 503, "it serves what is expired")
    need(proxy.position() >= held, "it fell back")
    end_well(proxy)
    proxy.env = None
    proxy.start()
    world.same_everywhere()
    world.end()


# --- all ---------------------------------------------------------------------

def main():
    tests = alto.Tests()
    print("# seed %d" % SEED)

    def story(what, run, *args, wrong_by=None, **more):
        if sys.argv[2:] and not re.search(sys.argv[2], what):
            return
        rng = random.Random("%d %s" % (SEED, what))
        with tests(what):
            if wrong_by:
                args = [clock(wrong_by)]
            with alto.folder() as top:
                run(top, rng, *args, **more)

    def by_deltas(top, rng):
        counts = proxy_restored(top, rng)
        need(counts["fetches"] <= counts["updates"] * 2, "it fetched %d bodies",
             counts["fetches"])

    story("killed at any moment, nothing acknowledged is lost", killed)
    story("a server from an older copy begins a new session",
          server_restored, 5, 1, False)
    story("a server from an older copy that has overtaken its proxies",
          server_restored, 2, 6, True)
    story("a server from an older copy, one update behind its proxies",
          server_restored, 3, 1, True)
    story("a proxy from an older copy catches up", by_deltas)
    story("a proxy from a copy older than the history fetches",
          proxy_restored, history={"count": 2})
    story("a journal without its key is an error that names both",
          without_key)
    story("a journal that is lost begins a new session of the same service",
          journal_lost)
    story("a key that others can read is refused", key_readable)
    story("a state directory serves one daemon", in_use)
    story("a damaged journal is refused, or did no harm", damaged)
    story("a server whose clock is behind its journal names the clock",
          clock_behind, wrong_by=-7200)
    story("a proxy whose clock is behind takes nothing", proxy_clock_behind,
          wrong_by=-7200)
    story("a proxy whose clock is a little ahead says why all is stale",
          proxy_clock_little, wrong_by=30)
    story("a proxy whose clock is ahead serves nothing expired",
          proxy_clock_ahead, wrong_by=7200)
    return tests.end()


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    sys.exit(main())
