"""What is done to the daemons, the lines between them, their disks, clocks and
state directories. Each fault is a method that begins it, counts it when it
really happened, and says when and how it is made good; "server" and "proxy" in
its row of KINDS name whom it may hit. Only relays work by themselves: their
noise is counted piece by piece (noise.py).
"""
import heapq
import os
import re
import shutil
import signal
import time

from alto import need, wait

from noise import Stop
from world import ask

FAR_S = 86400
START_S = 60            # in which a daemon must come, or say why not
SEEN_S = 3              # by how much a Date may differ from a clock that was set


def copy_of(daemon, name):
    to = os.path.join(daemon.dir, name)
    shutil.rmtree(to, ignore_errors=True)
    shutil.copytree(daemon.state, to, ignore=lambda folder, names: [
        n for n in names if not os.path.isfile(os.path.join(folder, n))])
    return to


def put_back(daemon, copy):
    """The directory itself stays: it may be a file system of its own."""
    for name in os.listdir(daemon.state):
        os.unlink(os.path.join(daemon.state, name))
    for name in os.listdir(copy) if copy else ():
        shutil.copy(os.path.join(copy, name), daemon.state)


def damage(path, rng):
    """Returns what was done."""
    size = os.path.getsize(path)
    with open(path, "r+b") as f:
        if rng.random() < 0.5:
            f.truncate(rng.randrange(size))
            return "torn"
        for at in [rng.randrange(size) for _ in range(rng.choice((1, 30)))]:
            f.seek(at)
            byte = f.read(1)[0]
            f.seek(at)
            f.write(bytes([byte ^ 1 << rng.randrange(8)]))
        return "flipped"


class Faults:
    # name: (weight, who)
    KINDS = {
        "kill": (6, "any"), "kill_all": (0.5, ""), "kill_in_start": (2, "any"),
        "end": (1, "any"), "freeze": (4, "any"), "reset": (6, ""),
        "refuse": (2, ""), "silence": (3, ""), "partition": (3, "proxy"),
        "take_copy": (2.5, "any"), "older_copy": (2, "any"),
        "empty": (0.6, "proxy"), "journal": (2, "any"), "disk": (5, "any"),
        "full_disk": (1, "small"), "clock": (4, "proxy"),
        "server_clock": (0.7, "server"), "both_clocks": (0.5, "proxy"),
        "bad_file": (3, ""), "new_session": (0.3, "server"),
        "next_key": (0.7, "server"), "retire_key": (2, "server"),
        "drain": (1, "any"), "rename": (1, "proxy"),
    }

    def __init__(self, world, rng, count, writer):
        self.world, self.rng, self.count = world, rng, count
        self.writer = writer
        self.heals = []         # (when, number, what to do)
        self.starting = {}      # daemon: when it must answer
        self.clocks = []        # that were set, and not seen yet
        self.keys_changed = False       # and the proxies' settings do not know
        self.number = 0
        self.refused = 0        # damaged journals that were refused
        self.names = sorted(self.KINDS)
        self.weights = [self.KINDS[n][0] for n in self.names]

    # --- the schedule --------------------------------------------------------

    def one(self):
        """Begins a fault, if there is somebody whom it can hit."""
        name, = self.rng.choices(self.names, self.weights)
        who = self.KINDS[name][1]
        if not who:
            getattr(self, name)()
            return
        free = [d for d in self.world.daemons() if not d.busy and (
            who == "any" or who == "small" and d.small_disk or
            (who == "server") == (d is self.world.server) and
            who in ("server", "proxy"))]
        if free:
            getattr(self, name)(self.rng.choice(free))

    def later(self, least, most, heal, *args):
        self.number += 1
        heapq.heappush(self.heals, (time.monotonic() + self.rng.uniform(
            least, most), self.number, heal, args))

    def tick(self):
        while self.heals and self.heals[0][0] <= time.monotonic():
            self.heal_one()
        self.all_up()
        self.see_clocks()
        self.pin_keys()

    def heal_one(self):
        _, _, heal, args = heapq.heappop(self.heals)
        heal(*args)

    def heal_all(self):
        """Now, and those that start are waited for."""
        while self.heals or self.starting:
            while self.heals:
                self.heal_one()
            wait(self.all_up, START_S, "all answer")

    def all_up(self):
        """True: nobody starts. Who does is nobody's business before it
        answers."""
        for d, end in list(self.starting.items()):
            d.must_run()
            if d.answers():
                del self.starting[d]
                d.busy = False
            else:
                need(time.monotonic() < end, "%s does not answer", d.name)
        return not self.starting

    def moment(self, most):
        """Some time of the schedule's choice: nothing is waited for."""
        time.sleep(self.rng.uniform(0, most))

    # --- processes -----------------------------------------------------------

    def down(self, d, sig=signal.SIGKILL):
        d.busy = True
        if sig != signal.SIGKILL:
            self.world.record("life", who=d.name, what="stop")
        code = d.stop(sig)
        need(sig == signal.SIGKILL or code == 0, "%s ended with %d: %s",
             d.name, code, "\n".join(d.lines()[-3:]))

    def up(self, d):
        d.launch(ready=False)
        self.starting[d] = time.monotonic() + START_S

    def kill(self, d):
        self.down(d)
        self.count("kill", d.name)
        self.later(0, 1.5, self.up, d)

    def kill_all(self):
        for d in self.world.daemons():
            if not d.busy:
                self.kill(d)

    def kill_in_start(self, d):
        self.down(d)
        self.count("kill", d.name)
        d.launch(ready=False)
        self.moment(0.12)
        d.kill9()
        self.count("kill-in-start", d.name)
        self.later(0, 0.5, self.up, d)

    def end(self, d):
        self.down(d, signal.SIGTERM)
        self.count("stop", d.name)
        self.later(0, 1, self.up, d)

    def drain(self, d):
        """Its subscribers go one by one, and then it ends."""
        answer = ask(d.socket, command="drain", over=1)
        if not answer or "error" in answer:
            return
        d.busy = True
        self.world.record("life", who=d.name, what="stop")
        self.count("drain", d.name)
        self.later(0.05, 0.1, self.drained, d, time.monotonic() + START_S)

    def drained(self, d, end):
        if d.alive():
            need(time.monotonic() < end, "%s drains for ever", d.name)
            self.later(0.05, 0.1, self.drained, d, end)
            return
        code = d.stop()
        need(code == 0, "%s ended with %d: %s", d.name, code,
             "\n".join(d.lines()[-3:]))
        self.up(d)

    def freeze(self, d):
        d.busy = True
        d.signal(signal.SIGSTOP)
        self.count("sigstop", d.name)
        self.later(0.2, 5 if self.rng.random() < 0.3 else 1.5, self.thaw, d)

    def thaw(self, d):
        d.signal(signal.SIGCONT)
        d.busy = False

    # --- lines ---------------------------------------------------------------

    def any_link(self):
        return self.rng.choice(list(self.world.links.values()))

    def reset(self):
        link = self.any_link()
        if link.reset():
            self.count("connection-reset", link.name)

    def refuse(self):
        link = self.any_link()
        link.refuse = Stop("connection-refused", link.name)
        link.reset()
        self.later(0.2, 2, setattr, link, "refuse", None)

    def silence(self):
        link = self.any_link()
        self.hush([link], Stop("line-silent", link.name), 6)

    def hush(self, links, stop, most):
        for link in links:
            link.hush(stop)
            self.later(0.2, most, link.speak, stop)

    def partition(self, d):
        """Of a proxy from all its upstreams."""
        links = [l for n, l in self.world.links.items()
                 if n.startswith(d.name + "-")]
        if not d.lines_to:
            self.hush(links, Stop("partition-relay", d.name), 7)
            return
        d.lines_to.cut(True)
        if any(link.open for link in links):
            self.count("partition-namespace", d.name)
        self.later(0.5, 7, d.lines_to.cut, False)

    # --- state directories ---------------------------------------------------

    def put(self, d, copy, to, why):
        """While it is down. to: the position that it may go back to."""
        d.poller.hold()         # what it heard comes before what is said now
        d.poller.position = None
        put_back(d, copy)
        self.world.record("back", who=d.name, to=to, why=why)
        d.poller.go()

    def take_copy(self, d):
        self.down(d, self.rng.choice((signal.SIGKILL, signal.SIGTERM)))
        # What was served is in the journal; that may hold more.
        if d.poller.position:
            d.copy = copy_of(d, "copy"), list(d.poller.position)
        self.up(d)

    def older_copy(self, d):
        if not d.copy:
            return
        self.down(d)
        self.put(d, *d.copy, "older copy")
        self.count("older-copy", d.name)
        self.up(d)

    def empty(self, d):
        self.down(d)
        self.put(d, None, None, "empty")
        self.count("state-emptied", d.name)
        self.up(d)

    def journal(self, d):
        """It starts with what is left, or says what is wrong; then the copy
        from before the damage is put back."""
        d.poller.hold()
        self.down(d)
        copy = copy_of(d, "before")
        name = self.rng.choice([n for n in sorted(os.listdir(copy)) if
                                os.path.getsize(os.path.join(copy, n))])
        what = damage(os.path.join(d.state, name), self.rng)
        self.count("journal-%s%s" % (what, "-wal" if name.endswith("-wal")
                                     else ""), d.name)
        before = len(d.lines())
        d.launch(ready=False)
        wait(lambda: not d.alive() or ask(d.socket, command="status"),
             START_S, "%s decides" % d.name)
        if d.alive():
            d.come()
            d.poller.position = None
            self.world.record("back", who=d.name, to=None, why="damaged")
            d.busy = False
        else:
            self.refuses(d, before)
            put_back(d, copy)
            self.up(d)
        d.poller.go()

    def refuses(self, d, before):
        code, said = d.stop(), "\n".join(d.lines()[before:])
        need(code == 1 and "cannot start" in said, "%s ended with %d: %s",
             d.name, code, said)
        self.refused += 1

    # --- disks ---------------------------------------------------------------

    def disk(self, d):
        if not self.world.faulty:
            return
        what = self.rng.choice([w for w in d.disk.WRONG if w != "fine"])
        before = d.disk.hits()
        d.busy = True
        d.disk.set(what, self.rng.choice((1, 1, 2, 5, 1000)))
        self.later(0.5, 3, self.disk_again, d, what, before)

    def disk_again(self, d, what, before):
        d.disk.set("fine")
        if d.disk.hits() > before:
            self.count(what, d.name)
            if self.rng.random() < 0.3:
                self.kill(d)
                return
        d.busy = False

    def full_disk(self, d):
        d.busy = True
        filler = os.path.join(d.state, "filler")
        try:
            with open(filler, "wb", buffering=0) as f:
                while f.write(b"\0" * 65536):
                    pass
        except OSError:
            pass
        self.later(1, 4, self.disk_empties, d, filler, len(d.lines()))

    def disk_empties(self, d, filler, before):
        if os.path.exists(filler):
            os.unlink(filler)
        if any("disk is full" in line for line in d.lines()[before:]):
            self.count("tmpfs-full", d.name)
        d.busy = False

    # --- clocks --------------------------------------------------------------

    def set_clock(self, d, kind, offset, both=False):
        if not self.world.faulty:
            return False
        d.set_clock(offset, both)
        self.clocks.append((d, kind, offset, self.world.record.now()))
        return True

    def see_clocks(self):
        """Counts those that the daemon's Date shows."""
        for one in list(self.clocks):
            d, kind, offset, since = one
            at, ahead = d.poller.heard
            if at >= since:
                self.clocks.remove(one)
                if abs(ahead - offset) <= SEEN_S:
                    self.count(kind, d.name)

    def clock(self, d):
        # Half of them beyond the end of all signatures.
        d.busy = self.set_clock(d, "clock-jump", self.rng.choice(
            (1200, 3600, FAR_S, FAR_S, 30, -30, -1200, -FAR_S)))
        if d.busy:
            self.later(1, 5, self.clock_again, d)

    def clock_again(self, d):
        self.set_clock(d, "clock-jump-back", 0)
        d.busy = False

    def server_clock(self, d):
        """Within what others take for good, ahead, and far beyond; any way
        back."""
        d.busy = self.set_clock(d, "clock-jump-server", self.rng.choice(
            (20, 40, 1200, FAR_S, -20, -300)))
        if d.busy:
            self.later(1, 5, self.clock_again, d)

    def both_clocks(self, d):
        """The monotonic one jumps too: forth, and it starts anew after."""
        if not self.world.faulty:
            return
        self.down(d)
        d.launch()
        self.set_clock(d, "clock-jump-both", self.rng.choice((10, 100, 1000)),
                       True)
        self.later(1, 4, self.both_again, d)

    def both_again(self, d):
        self.down(d)
        d.set_clock(0)
        self.up(d)

    # --- files ---------------------------------------------------------------

    def bad_file(self):
        if not self.world.server.busy and self.writer.bad_file():
            self.count("bad-file", "server")

    def rename(self, d):
        """A listed proxy gets another name: an entry comes, one goes."""
        if "public-uri" not in d.settings:
            return
        self.down(d, signal.SIGTERM)
        for up in d.settings["upstream"]:
            name, _, n = up["name"].partition("-")
            up["name"] = "%s-%d" % (name, int(n or 0) + 1)
        self.count("renamed", d.name)
        self.up(d)

    # --- keys and sessions ---------------------------------------------------

    def order(self, d, what):
        """On command, which is no fault but changes what others rely on."""
        self.world.record("command", who=d.name, what=what)
        command = what.replace(" ", "-")
        answer = ask(d.socket, command=command)
        if answer and "error" not in answer:
            self.count(command, d.name)

    def new_session(self, d):
        self.order(d, "session new")

    def next_key(self, d):
        self.order(d, "key next")
        self.keys_changed = True

    def retire_key(self, d):
        self.order(d, "key retire")
        self.keys_changed = True

    def pin_keys(self):
        """The operators of the proxies hear of it, sooner or later."""
        server = self.world.server
        if self.keys_changed and not server.busy:
            answer = ask(server.socket, command="key-list")
            if answer and "error" not in answer:
                self.world.pin(k["key"] for k in answer["keys"]
                               if k["role"] in ("current", "next"))
                self.keys_changed = False
