#!/usr/bin/env python3
"""A long random run: a server and proxies whose maps change all the time, to
whom everything happens that faults.py and noise.py know, and a history of what
they served meanwhile, which checker.py judges while it is written.

  drive.py [--events N] [--seed N] [--minutes N] [--keep FOLDER]
           [--no-namespaces]

Ends when N faults were counted, or after so many minutes, with a table of them
by kind. Exit 0: no violation, and all programs ended well.
"""
import argparse
import collections
import contextlib
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.dont_write_bytecode = True
sys.path[:0] = [HERE, os.path.dirname(HERE)]

import alto
from alto import need, wait

import faults
import maps
import watch
import world

FAMILIES = (            # rows of the table: what, the kinds that belong to it
    ("processes", "kill.*|stop|drain|sigstop|renamed"),
    ("frames", "frame-.*"), ("HTTP", "http-.*"),
    ("lines", "connection-.*|line-.*|partition-.*"),
    ("state directories", "older-copy|state-emptied|journal-.*"),
    ("disks", "short-write|write-error|no-space|fsync-error|tmpfs-full"),
    ("clocks", "clock-.*"), ("map files", "bad-file"),
    ("orders", "session-new|key-.*"),
)
GONE_S = 90             # one that is not seen for 60 s is listed no more
LISTED_S = 45           # a proxy that is well for 10 s is listed
LIMIT_S = 30            # after the last fault all are at the head again
STORM_S = 15, 35        # of faults, then it is calm
PACE_S = 0.01, 0.06     # between two of them: the schedule's own, no wait


class Writer(threading.Thread):
    """Edits the maps and has the server read them."""

    def __init__(self, w, m, record, pause):
        super().__init__(daemon=True)
        self.world, self.maps, self.record = w, m, record
        self.pause = pause
        self.lock = threading.Lock()
        self.ends = threading.Event()
        self.said = None        # the server, last

    def edit(self):
        """True: the server says that it is published."""
        with self.lock:
            bodies = self.maps.edit()
            self.record("edition", edition=self.maps.edition, bodies=bodies)
            self.maps.write()
            return self.reload()

    def reload(self):
        t0 = self.record.now()
        answer = world.ask(self.world.server.socket, command="reload")
        self.said = answer
        if not answer or "error" in answer or not answer["changed"]:
            return False
        self.record("publish", edition=self.maps.edition, t0=t0,
                    session=answer["session"], serial=answer["serial"],
                    t1=self.record.now())
        return True

    def bad_file(self):
        """True: the server was there and refused it."""
        with self.lock:
            how = self.maps.spoil()
            answer = world.ask(self.world.server.socket, command="reload")
            self.maps.write()
        need(not answer or "error" in answer, "a bad file was taken (%s): %s",
             how, answer)
        return bool(answer)

    def run(self):
        while not self.ends.wait(self.pause):
            self.edit()


class Run:
    def __init__(self, top, args):
        self.args, self.top = args, top
        self.rng = random.Random("%s faults" % args.seed)
        self.events = collections.Counter()
        self.lock = threading.Lock()
        self.history = open(os.path.join(top, "history"), "w",
                            encoding="utf-8")
        self.checker = subprocess.Popen(
            [sys.executable, os.path.join(HERE, "checker.py"), "-"],
            stdin=subprocess.PIPE, text=True)
        self.record = watch.Recorder(self.history, self.checker.stdin)
        self.world = world.World(top, args.seed, self.record, self.count,
                                 args.namespaces)
        self.began = time.monotonic()
        self.ordered = 0        # a session, in that calm
        self.calms = self.came = self.went = 0

    def count(self, kind, who):
        with self.lock:
            self.events[kind] += 1
        self.record("fault", kind=kind, who=who)

    def total(self):
        return sum(self.events.values())

    # --- life of the world ---------------------------------------------------

    def begin(self):
        args = self.args
        m = maps.Maps(os.path.join(self.top, "maps"), args.seed)
        w = self.world
        first = m.edit()
        m.write()
        started = self.postponed(w, m)
        self.record("begin", seed=args.seed, service=w.service,
                    wall=self.record.wall, settle=0.5, limit=LIMIT_S,
                    keys=self.keys(), proxies=[p.name for p in w.proxies],
                    namespaces=w.namespaces, disk=bool(w.faulty))
        self.record("edition", edition=1, bodies=first)
        for line in started:
            self.record(**line)
        for d in w.daemons():
            d.poller = watch.Poller(self.record, d.name, d.listens("http"),
                                    args.poll)
        self.writer = Writer(w, m, self.record, args.edit)
        self.faults = faults.Faults(w, self.rng, self.count, self.writer)
        wait(self.together, 60, "all are at the head", 0.05)

    def postponed(self, w, m):
        """Starts it; what is said before the beginning comes after it."""
        said, record = [], w.record
        w.record = lambda k, **members: said.append(dict(members, k=k))
        w.start(m, self.args.few)
        w.record = record
        return said

    def keys(self):
        doc = self.world.server.directory()
        held = doc["meta"]["redistribution"]["keys"]["keys"]
        return {k["kid"]: k["x"] for k in held}

    def together(self, since=0.0):
        """All that was asked for since then is one position."""
        pollers = [d.poller for d in self.world.daemons()]
        at = {p.position for p in pollers}
        return len(at) == 1 and None not in at and all(
            p.at >= since for p in pollers)

    def all_alive(self):
        for d in self.world.daemons():
            need(d.alive() or d.busy, "%s ended by itself: %s", d.name,
                 "\n".join(d.lines()[-5:]))

    # --- storm and calm ------------------------------------------------------

    def storm(self):
        end = time.monotonic() + self.rng.uniform(*STORM_S)
        for link in self.world.links.values():
            # Maps are fetched rarely, updates come all the time.
            link.begin(self.rng.choice((0, 0.1, 0.2, 0.4) if link.frames
                                       else (0, 0.2, 0.4, 0.6)), self.rng)
        while time.monotonic() < end and not self.enough():
            self.faults.one()
            self.faults.tick()
            self.all_alive()
            time.sleep(self.rng.uniform(*PACE_S))

    def calm(self):
        """No fault any more: within LIMIT_S all are at the head; so they are
        after the next edition."""
        for link in self.world.links.values():
            link.noise = 0
        self.writer.ends.set()
        self.faults.heal_all()  # the writer may wait for a server that stands
        self.writer.join()
        self.clocks_are_right()
        self.all_alive()
        self.record("calm")
        self.until_together()
        need(self.writer.edit(), "an edit is refused when all is well: %s",
             self.writer.said)
        self.until_together()
        self.record("calmed")
        self.record.flush()
        self.world.server.went_back = False
        self.calms += 1
        if self.calms % 4 == 0:
            self.until_listed()
        self.writer = Writer(self.world, self.writer.maps, self.record,
                             self.args.edit)
        self.faults.writer = self.writer

    def clocks_are_right(self):
        """The Dates of all daemons say so."""
        since = self.record.now()
        wait(lambda: all(p.heard[0] >= since and abs(
            p.heard[1]) <= faults.SEEN_S for p in (
                d.poller for d in self.world.daemons())), LIMIT_S,
             "all clocks are right again", 0.02)
        self.faults.see_clocks()

    def until_together(self):
        """If it takes too long, the checker will say so."""
        since = self.record.now()
        with contextlib.suppress(alto.Failed):
            wait(lambda: self.together(since) or self.operate(since),
                 LIMIT_S + 2, "", 0.02)

    def operate(self, since):
        """What an operator does who put a backup back: proxies that only poll
        cannot show the server that it was above (docs/operations.md)."""
        server = self.world.server.poller
        for p in self.world.proxies:
            if (p.settings["upstream"][0]["mode"] == "pull" and
                    self.ordered < self.calms + 1 and
                    p.poller.at >= since and server.at >= since and
                    (p.poller.position or ()) > (server.position or ())):
                self.ordered = self.calms + 1
                self.faults.new_session(self.world.server)

    def until_listed(self, only=False):
        """Longer calm, so that the directory changes by itself. No promise:
        there is only something to see. only: the names it had before are gone,
        a minute after the server's last start."""
        server, turin = self.world.server, self.world.proxies[1]

        def listed():
            name = turin.settings["upstream"][0]["name"]
            return name in server.poller.listed and (
                not only or len(server.poller.listed) == 1)
        with contextlib.suppress(alto.Failed):
            wait(listed, GONE_S if only else LISTED_S, "", 0.05)

    def enough(self):
        late = time.monotonic() - self.began > self.args.minutes * 60
        return late or self.total() >= self.args.events

    def go(self):
        try:
            self.begin()
            while not self.enough():
                need(self.checker.poll() is None, "the checker ended")
                self.writer.start()
                self.storm()
                self.calm()
            if self.calms >= 3:
                self.until_listed(only=True)
            self.came = self.world.server.poller.came
            self.went = self.world.server.poller.went
            self.world.end()
        finally:
            self.quiet()
            self.record.flush()
            self.history.close()
            self.checker.stdin.close()
            code = self.checker.wait(600)
            alto.stop_all()
            self.world.clear()
        return code

    def quiet(self):
        """Nobody writes into the history any more."""
        if hasattr(self, "writer"):
            self.writer.ends.set()
            for d in self.world.daemons():
                if d.alive():
                    d.signal(signal.SIGCONT)
            if self.writer.is_alive():
                self.writer.join()
        self.world.quiet()
        self.world.hub.stop()

    def table(self):
        """As it stands in docs/reliability.md."""
        print("| events | of which |\n| --- | --- |")
        left = dict(self.events)
        for what, form in FAMILIES:
            mine = {k: left.pop(k) for k in sorted(left)
                    if re.fullmatch(form, k)}
            print("| %s: %d | %s |" % (what, sum(mine.values()), ", ".join(
                "`%s` %d" % i for i in mine.items())))
        need(not left, "in no family: %s", left)
        took = time.monotonic() - self.began
        print("| all: %d | in %d s: %.1f a second; seed %s |" % (
            self.total(), took, self.total() / took, self.args.seed))
        self.remarks()

    def remarks(self):
        print("partitions by %s; damaged journals refused at start: %d%s" % (
            "namespaces" if self.world.namespaces else "the relay",
            self.faults.refused, "" if self.world.faulty else
            "; no disk failed and no clock jumped (no compiler)"))
        print("calm: %d times; listed proxies: %d came, %d went" % (
            self.calms, self.came, self.went), flush=True)


def arguments(argv):
    ap = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    ap.add_argument("--events", type=int, default=10000)
    ap.add_argument("--seed", type=int, default=random.SystemRandom(
    ).randrange(1 << 32))
    ap.add_argument("--minutes", type=float, default=1e9)
    ap.add_argument("--keep", help="folder for history and logs")
    ap.add_argument("--no-namespaces", dest="namespaces",
                    action="store_false")
    ap.add_argument("--few", action="store_true", help="fewer proxies")
    ap.add_argument("--edit", type=float, default=0.15,
                    help="seconds between two editions")
    ap.add_argument("--poll", type=float, default=0.1,
                    help="seconds between two rounds of a poller")
    return ap.parse_args(argv)


def main(argv):
    """(exit status, the Run)"""
    args = arguments(argv)
    print("# seed %d" % args.seed, flush=True)
    top = args.keep or tempfile.mkdtemp(prefix="altocast-chaos.")
    os.makedirs(top, exist_ok=True)
    run = Run(top, args)
    try:
        code = run.go()
    except (alto.Failed, AssertionError) as e:
        print("FAILED: %s (seed %d)" % (e, args.seed))
        code = 1
    if hasattr(run, "faults"):
        run.table()
    print("# history and logs: %s" % top)
    return code, run


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:])[0])
