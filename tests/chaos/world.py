"""A server, proxies in three levels below it, and the relays between them.

	server -- milan -- rome -- vigo
	       -- turin --------/
	       -- bari
	       -- (milan) -- oslo -- gent
	       -------------/

Each line is a relay. Bari polls; oslo and vigo have two upstreams, and prefer
milan and rome; turin is listed in the directory, under an address that it may
announce because it comes from there. Each daemon has its state directory, its
faulty disk and its clocks to itself; as root each proxy but turin has a network
namespace, with one line to the relays, which can be cut, and one to the
pollers.
"""
import ipaddress
import json
import os
import random
import socket
import struct
import subprocess

import alto
from alto import need, wait

import noise

LIFETIME_S = 60         # of signatures; clocks jump over it, keys wait for it
SMALL = "size=24m,mode=0700"     # of which a journal takes 4 to 8


def ask(path, **command):
    """What a control socket answers, or None when nobody is there."""
    try:
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(20)
            s.connect(path)
            s.sendall(json.dumps(command).encode() + b"\n")
            with s.makefile("r") as lines:
                text = lines.readline()
        return json.loads(text) if text.endswith("\n") else None
    except (OSError, ValueError):
        return None


class Disk:
    """What faulty.c reads."""

    WRONG = {"fine": 0, "short-write": 1, "write-error": 2, "no-space": 3,
             "fsync-error": 4}

    def __init__(self, path):
        self.path = path
        alto.put(path, struct.pack("iiiii", 0, 0, 0, 0, 0))

    def set(self, what, calls=0):
        with open(self.path, "r+b") as f:
            f.write(struct.pack("ii", self.WRONG[what], calls))

    def hits(self):
        with open(self.path, "rb") as f:
            return struct.unpack("iii", f.read(12))[2]

    def ahead(self, wall, mono):
        """Its clocks."""
        with open(self.path, "r+b") as f:
            f.seek(12)
            f.write(struct.pack("ii", wall, mono))


class Lines:
    """A network namespace with two lines to this one: "up" is cut at will."""

    made = []

    def __init__(self, number, name):
        self.ns = "alto%d-%s" % (os.getpid(), name)
        self.made.append(self)
        run("netns", "add", self.ns)
        run("-n", self.ns, "link", "set", "lo", "up")
        self.cut_at, self.up, _ = self.line("u", number)
        _, _, self.here = self.line("p", 8 + number)    # for the pollers

    def line(self, kind, number):
        """(interface, address here, address there): four addresses of the 64
        that belong to this process; there are runs beside it."""
        net = 0x0ac00000 + os.getpid() % 65536 * 64 + 4 * number
        here, there = (str(ipaddress.IPv4Address(net + i)) for i in (1, 2))
        out = "a%d%s%d" % (os.getpid(), kind, number)
        run("link", "add", out, "type", "veth", "peer", "name", kind,
            "netns", self.ns)
        run("addr", "add", here + "/30", "dev", out)
        run("-n", self.ns, "addr", "add", there + "/30", "dev", kind)
        run("link", "set", out, "up")
        run("-n", self.ns, "link", "set", kind, "up")
        return out, here, there

    def cut(self, cut):
        run("link", "set", self.cut_at, "down" if cut else "up")

    @classmethod
    def remove(cls):
        for lines in cls.made:
            subprocess.run(["ip", "netns", "del", lines.ns], check=False,
                           stderr=subprocess.DEVNULL)
        cls.made.clear()


def run(*args):
    r = subprocess.run(["ip", *args], stderr=subprocess.PIPE, text=True,
                       stdin=subprocess.DEVNULL, check=False)
    need(r.returncode == 0, "ip %s: %s", " ".join(args), r.stderr)


def namespaces_work():
    if os.geteuid() != 0:
        return False
    try:
        Lines(0, "try")
        return True
    except (alto.Failed, OSError):
        return False
    finally:
        Lines.remove()


class Victim:
    """What is added to a daemon so that it can be hurt."""

    def hurtable(self, world, lines=None):
        self.busy = False       # a fault has it now
        self.copy = None        # (folder, position) of its state directory
        self.lines_to = lines
        self.disk = Disk(os.path.join(self.dir, "disk"))
        self.small_disk = world.small_disk(self.state)
        self.world = world
        self.poller = None
        return self

    def environment(self):
        env = {"FAULTY_CTL": self.disk.path, "FAULTY_DIR": self.state,
               "ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", "") +
               ":verify_asan_link_order=0"}
        if self.world.faulty:
            env["LD_PRELOAD"] = self.world.faulty
        return env

    def launch(self, ready=True):
        """As start(), with all that can be made to fail."""
        need(not self.alive(), "%s runs already", self.name)
        alto.put(self.conf, "".join("%s = %s;\n" % (k, alto.render(v))
                                    for k, v in self.settings.items()))
        prefix = ["ip", "netns", "exec", self.lines_to.ns] \
            if self.lines_to else []
        preload = ["env", *("%s=%s" % i
                            for i in self.environment().items())]
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                [*prefix, *preload, alto.find_bin(self.program), "--config",
                 self.conf], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                cwd=self.dir)
        alto._running.append(self)
        if ready:
            self.come()
        self.world.record("life", who=self.name, what="start")

    def answers(self):
        status = ask(self.socket, command="status")
        if status:
            self.urls = status["listeners"]
        return status

    def come(self):
        def answers():
            self.must_run()
            return self.answers()
        wait(answers, None, self.name + " answers")

    def listens(self, kind):
        return self.settings[kind]["listen"].replace(
            "0.0.0.0", self.lines_to.here if self.lines_to else "127.0.0.1")

    def set_clock(self, offset, both=False):
        self.disk.ahead(offset, offset if both else 0)
        self.world.record("clock", who=self.name, offset=offset)


class Server(Victim, alto.Server):
    pass


class Proxy(Victim, alto.Daemon):
    program = "alto-proxy"


class World:
    def __init__(self, top, seed, record, told, namespaces=True):
        self.top, self.seed, self.record = top, seed, record
        self.namespaces = namespaces and namespaces_work()
        with open(alto.find_bin("alto-server"), "rb") as f:
            self.tsan = b"__tsan_" in f.read()
        self.faulty = self.build_disk()
        self.hub = noise.Hub(told, "0.0.0.0" if self.namespaces
                             else "127.0.0.1")
        self.server, self.proxies, self.links = None, [], {}
        self.pins, self.mounted = [], []

    def build_disk(self):
        """A library already built, or built here; without a compiler the
        disk never fails, and the table of events says so."""
        if self.tsan:
            return None
        said = os.environ.get("ALTO_FAULTY")
        if said:
            return os.path.abspath(said)
        out = os.path.join(self.top, "faulty.so")
        source = os.path.join(os.path.dirname(os.path.abspath(__file__)),
                              "faulty.c")
        try:
            r = subprocess.run([os.environ.get("CC", "cc"), "-std=c11",
                                "-D_GNU_SOURCE", "-O2", "-fPIC", "-shared",
                                "-o", out, source, "-ldl"], check=False)
        except OSError:
            return None
        return out if r.returncode == 0 else None

    def small_disk(self, path):
        """One that can be filled; root alone can make it."""
        os.makedirs(path, exist_ok=True)
        if os.geteuid() != 0:
            return False
        r = subprocess.run(["mount", "-t", "tmpfs", "-o", SMALL, "none", path],
                           check=False, stderr=subprocess.DEVNULL)
        if r.returncode == 0:
            self.mounted.append(path)
        return r.returncode == 0

    def start(self, maps, few=False):
        self.server = alto.at_home(Server(
            self.top, maps.files(), heartbeat=1, history={"count": 12},
            signing={"key": os.path.join(self.top, "signing.pem"),
                     "lifetime": LIFETIME_S}))
        self.server.hurtable(self)
        self.server.launch()
        status = ask(self.server.socket, command="status")
        self.pins, self.service = [status["key"]], status["service"]
        milan = self.proxy("milan", [self.server])
        turin = self.proxy("turin", [self.server], listed=True)
        rome = self.proxy("rome", [milan])
        self.proxy("bari", [self.server], mode="pull")
        oslo = self.proxy("oslo", [milan, self.server])
        if not few:
            self.proxy("vigo", [rome, turin])
            self.proxy("gent", [oslo])
        for p in self.proxies:
            p.launch()

    def pin(self, keys):
        """What an operator does who has heard of them; a restart takes it."""
        self.pins = list(keys)
        for p in self.proxies:
            for up in p.settings["upstream"]:
                up["key"] = self.pins

    def proxy(self, name, above, mode="push", listed=False):
        lines = Lines(len(self.proxies) + 1, name) \
            if self.namespaces and not listed else None
        p = alto.at_home(Proxy(self.top, name, {}))
        p.hurtable(self, lines)
        if lines:
            for kind in ("http", "push"):
                p.settings[kind]["listen"] = p.settings[kind][
                    "listen"].replace("127.0.0.1", "0.0.0.0")
            p.set("push", {"anonymous": True, "public-uri":
                           "ws://%s/push" % p.listens("push")})
        if listed:
            p.set("public-uri", "http://%s/" % p.listens("http"))
            p.set("push", {"public-uri": "ws://%s/push" % p.listens("push")})
        p.set("upstream", [self.upstream(p, up, mode, i)
                           for i, up in enumerate(above)])
        self.proxies.append(p)
        return p

    def upstream(self, p, up, mode, i):
        here = p.lines_to.up if p.lines_to else "127.0.0.1"
        out = {"mode": mode, "name": p.name, "key": self.pins,
               "retry-max": 1}
        for kind in ("http", "push"):
            host, port = up.listens(kind).rsplit(":", 1)
            name = "%s-%s%d" % (p.name, kind, i)
            link = self.links[name] = self.hub.link(
                name, (host, int(port)), kind == "push",
                random.Random("%s %s" % (self.seed, name)))
            if kind == "http":
                out["directory"] = "http://%s:%d/directory" % (here, link.port)
            elif mode == "push":
                out["push"] = "ws://%s:%d/push" % (here, link.port)
        return out

    def daemons(self):
        return list(filter(None, [self.server, *self.proxies]))

    def quiet(self):
        """Nobody asks any more."""
        for d in self.daemons():
            if d.poller:
                d.poller.stop()
                d.poller = None

    def clear(self):
        """What a run leaves behind in the machine."""
        Lines.remove()
        for path in self.mounted:
            subprocess.run(["umount", "-l", path], check=False)
        self.mounted.clear()

    def end(self):
        self.quiet()
        codes = {d.name: d.stop() for d in reversed(self.daemons())}
        for d in self.daemons():
            need(not d.sanitizer(), "%s: %s", d.log, d.sanitizer())
            need(codes[d.name] == 0, "%s ended with %d: %s", d.name,
                 codes[d.name], "\n".join(d.lines()[-3:]))
