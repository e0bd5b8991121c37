"""What the whole-process tests in Python have in common.

A server or a proxy is an object with a folder of its own below the one it is
given. It listens on free ports of the loopback address, which it says itself
(`altoctl status`), writes its log into that folder and is ended by its process
number. Nothing sleeps for a fixed time: wait(condition, limit, what).

	with alto.folder() as top:
		server = alto.Server(top, [("net", "network-map.json")])
		proxy = alto.Proxy(top, server, "milan")
		server.start()
		proxy.start()
		alto.in_step(server, proxy)
		server.ctl("reload")

Programs are those in $ALTO_BIN, $top_builddir, ./build or here; see find_bin().
Standard library only.
"""
import atexit
import base64
import contextlib
import http.client
import itertools
import json
import os
import random
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
import traceback
import urllib.parse

WAIT_S = float(os.environ.get("WAIT_S", "30"))  # sanitizers are slow
SRC = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


class Failed(Exception):
    """A test, or a condition it waited for, did not hold."""


class Skip(Exception):
    """A test cannot run here; the text says what is missing."""


def need(ok, why, *values):
    if not ok:
        raise Failed(why % values if values else why)


def wait(cond, timeout=None, what="a condition", every=0.01):
    """Calls cond() until it gives something true and returns that. What it
    raises while a daemon comes up or goes down counts as no."""
    timeout = WAIT_S if timeout is None else timeout
    end = time.monotonic() + timeout
    while True:
        why = ""
        try:
            got = cond()
            if got:
                return got
        except (OSError, http.client.HTTPException, KeyError, IndexError,
                NotRunning) as e:
            why = " (%r)" % e
        if time.monotonic() >= end:
            raise Failed("not within %g s: %s%s" % (timeout, what, why))
        time.sleep(every)


_failures = [0]  # of all Tests


# --- where things are --------------------------------------------------------

def find_bin(name):
    said = os.environ.get("ALTO_BIN")
    tried = [said] if said else [os.environ.get("top_builddir"), "build", "."]
    for folder in filter(None, tried):
        path = os.path.abspath(os.path.join(folder, name))
        if os.access(path, os.X_OK) and os.path.isfile(path):
            return path
    raise Failed("%s is not built (ALTO_BIN names its folder)" % name)


def quick():
    """Should a long test take a shorter way? When ALTO_QUICK says so, and
    without it when the programs were built with a sanitizer."""
    said = os.environ.get("ALTO_QUICK", "")
    if said:
        return said != "0"
    with open(find_bin("alto-server"), "rb") as program:
        code = program.read()
    return b"__asan_" in code or b"__tsan_" in code


def shared(*parts):
    """A file beside the source tree, with data too large for it."""
    base = os.environ.get("ALTOCAST_SHARED")
    base = base or os.path.join(SRC, os.pardir, "shared")
    path = os.path.abspath(os.path.join(base, *parts))
    if not os.path.exists(path):
        raise Skip("%s is not there (ALTOCAST_SHARED)" % path)
    return path


@contextlib.contextmanager
def folder(prefix="altocast-run."):
    """A folder that goes away when all went well; $TMPDIR is honoured."""
    top = tempfile.mkdtemp(prefix=prefix)
    failed = _failures[0]
    try:
        yield top
        good = failed == _failures[0]
    except BaseException:
        good = False
        raise
    finally:
        stop_all()
        if good:
            shutil.rmtree(top, ignore_errors=True)
        else:
            print("# kept: %s" % top)


def put(path, data):
    """Whole or not at all, as anybody should who writes maps."""
    with open(path + ".new", "wb") as out:
        out.write(data if isinstance(data, bytes) else data.encode())
    os.replace(path + ".new", path)


def secret(path, *lines, mode=0o600):
    """A file of tokens, never open to others; its path."""
    with open(path + ".new", "w", encoding="ascii") as f:
        os.fchmod(f.fileno(), mode)
        f.write("".join(line + "\n" for line in lines))
    os.replace(path + ".new", path)
    return path


# --- HTTP --------------------------------------------------------------------

_kept = {}  # (host, this process): connection


def get(url, headers=None, method="GET", body=None, timeout=None):
    """(status, headers, body). Header names in lower case. Connections are
    kept; one that was closed meanwhile is opened again once."""
    at = urllib.parse.urlsplit(url)
    path = at.path + ("?" + at.query if at.query else "")
    for again in (True, False):
        con = _kept.get(at.netloc)
        fresh = con is None
        if fresh:
            con = _kept[at.netloc] = http.client.HTTPConnection(
                at.netloc, timeout=timeout or WAIT_S)
        try:
            con.request(method, path or "/", body, headers or {})
            r = con.getresponse()
            data = r.read()
            return (r.status, {k.lower(): v for k, v in r.getheaders()}, data)
        except (OSError, http.client.HTTPException):
            con.close()
            _kept.pop(at.netloc, None)
            if fresh or not again:
                raise
    return None


# --- daemons -----------------------------------------------------------------

class NotRunning(Exception):
    pass


_running = []


def stop_all():
    for daemon in reversed(list(_running)):
        try:
            daemon.stop()
        except Failed as e:
            print("# %s" % e)
    for con in _kept.values():
        con.close()
    _kept.clear()


atexit.register(stop_all)


def render(value):
    """A Python value as libconfig writes it. dict: a group; list of dicts: a
    list; other list: an array."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return str(value)
    if isinstance(value, dict):
        return "{ %s }" % " ".join(
            "%s = %s;" % (k, render(v)) for k, v in value.items())
    if isinstance(value, (list, tuple)):
        if any(isinstance(v, dict) for v in value):
            return "( %s )" % ", ".join(map(render, value))
        return "[ %s ]" % ", ".join(map(render, value))
    return '"%s"' % str(value).replace("\\", "\\\\").replace('"', '\\"')


class Daemon:
    """settings is {name: value} of the outermost group; groups are dicts and
    may be changed in self.settings before start(). The file is written at each
    start()."""

    program = ""

    def __init__(self, top, name, settings, env=None):
        self.name = name
        self.dir = os.path.join(top, name)
        os.makedirs(self.dir, exist_ok=True)
        self.socket = os.path.join(self.dir, "ctl.sock")
        self.conf = os.path.join(self.dir, self.program + ".conf")
        self.log = os.path.join(self.dir, "log")
        self.state = os.path.join(self.dir, "state")
        self.env = env
        self.process = None
        self.urls = {}
        self.settings = {
            "state": self.state,
            "http": {"listen": "127.0.0.1:0"},
            "push": {"listen": "127.0.0.1:0"},
            "admin": {"listen": "127.0.0.1:0", "socket": self.socket},
        }
        for key, value in settings.items():
            self.set(key, value)

    def set(self, key, value):
        """Groups are merged; "_" in a name of Python is "-" here."""
        key = key.replace("_", "-")
        if isinstance(value, dict) and isinstance(
                self.settings.get(key), dict):
            self.settings[key].update(value)
        else:
            self.settings[key] = value

    # life

    def start(self, ready=True):
        """Starts it and waits until altoctl answers."""
        need(not self.alive(), "%s runs already", self.name)
        program = find_bin(self.program)
        put(self.conf, "".join("%s = %s;\n" % (k, render(v))
                               for k, v in self.settings.items()))
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                [program, "--config", self.conf], stdin=subprocess.DEVNULL,
                stdout=log, stderr=log, cwd=self.dir,
                env=dict(os.environ, **(self.env or {})))
        _running.append(self)
        if ready:
            self.ready()
        return self

    def ready(self):
        def answers():
            self.must_run()
            return self.status().get("listeners")
        self.urls = wait(answers, None, "%s answers" % self.name)
        return self

    def alive(self):
        return self.process is not None and self.process.poll() is None

    @property
    def pid(self):
        return self.process.pid

    def must_run(self):
        need(self.alive(), "%s ended: %s", self.name,
             "\n".join(self.lines()[-5:]))

    def stop(self, sig=signal.SIGTERM):
        """Ends it and returns the exit status; it must end by itself."""
        if not self.process:
            return 0
        if self in _running:
            _running.remove(self)
        process, self.process = self.process, None
        if process.poll() is None:
            process.send_signal(sig)
        try:
            return process.wait(WAIT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise Failed("%s did not end within %g s" % (self.name, WAIT_S))

    def kill9(self):
        return self.stop(signal.SIGKILL)

    def signal(self, sig):
        self.process.send_signal(sig)

    # what it says

    def lines(self):
        try:
            with open(self.log, errors="replace") as log:
                return log.read().splitlines()
        except FileNotFoundError:
            return []

    def call(self, *args):
        """altoctl as it is: (exit status, output, errors)."""
        r = subprocess.run([find_bin("altoctl"), "--socket", self.socket,
                            *args], stdin=subprocess.DEVNULL,
                           capture_output=True, text=True, timeout=WAIT_S * 4)
        return r.returncode, r.stdout, r.stderr

    def ctl(self, *args):
        """altoctl ARGS --json as a dict; NotRunning when nobody is there,
        Failed when it refuses."""
        code, out, err = self.call(*args, "--json")
        if code == 3:
            raise NotRunning(self.name)
        need(code == 0, "altoctl %s at %s: exit %d %s%s",
             " ".join(args), self.name, code, out.strip(), err.strip())
        return json.loads(out)

    def status(self):
        return self.ctl("status")

    def position(self):
        s = self.status()
        return s["session"], s["serial"]

    @property
    def url(self):
        """Of the clients' listener, without a "/" at the end."""
        return self.urls["http"].rstrip("/")

    def get(self, path, headers=None, **more):
        return get(urllib.parse.urljoin(self.url + "/", path), headers, **more)

    def admin(self, path):
        """Of the operators' listener: get("/metrics") and so on."""
        return get(urllib.parse.urljoin(self.urls["admin"] + "/", path))

    def directory(self):
        code, _, body = self.get("/directory")
        need(code == 200, "%s: GET /directory: %d", self.name, code)
        return json.loads(body)

    def path_of(self, rid):
        """Where a map is, as the directory says."""
        if rid == ".directory":
            return "/directory"
        uri = self.directory()["resources"][rid]["uri"]
        return urllib.parse.urlsplit(
            urllib.parse.urljoin(self.url + "/directory", uri)).path

    def maps(self):
        """{resource-id: path} of the network and cost maps."""
        kinds = ("application/alto-networkmap+json",
                 "application/alto-costmap+json")
        out = {}
        for rid, entry in self.directory()["resources"].items():
            if entry["media-type"] in kinds and "accepts" not in entry:
                out[rid] = urllib.parse.urlsplit(urllib.parse.urljoin(
                    self.url + "/directory", entry["uri"])).path
        return out

    def sanitizer(self):
        """Lines of a sanitizer's report in the log."""
        marks = ("Sanitizer:", "runtime error:")
        return [l for l in self.lines() if any(m in l for m in marks)]


_ports = itertools.cycle(range(15000, 30000))
_claims = []
for _ in range(random.SystemRandom().randrange(15000)):
    next(_ports)                # another place for each run: many at once


def free_port():
    """Never the same one twice, and below the range that connections take
    theirs from: a daemon that is down for a moment finds it free again. The UDP
    port of that number is held: other stories that run now take another one."""
    for port in _ports:
        claim = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        with socket.socket() as s:
            try:
                claim.bind(("127.0.0.1", port))
                s.bind(("127.0.0.1", port))
                _claims.append(claim)
                return port
            except OSError:
                claim.close()
    return 0


def at_home(daemon):
    """The daemon comes back at the same ports."""
    daemon.set("http", {"listen": "127.0.0.1:%d" % free_port()})
    daemon.set("push", {"listen": "127.0.0.1:%d" % free_port()})
    return daemon


VERIFY = os.path.join(SRC, "examples", "verify", "alto-verify.py")


def verify(urls, key):
    """Each body under its headers and this key, by a program of its own."""
    if not shutil.which("openssl"):
        return
    r = subprocess.run([sys.executable, VERIFY, "--key", key, "--quiet", *urls],
                       stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                       text=True)
    need(r.returncode == 0, "%s", r.stdout)


class Server(Daemon):
    """maps: [(id, file)] or dicts as the configuration has them; the first
    one is the default network map unless dicts say otherwise."""

    program = "alto-server"

    def __init__(self, top, maps, name="server", env=None, **settings):
        super().__init__(top, name, {}, env)
        self.set("signing", {"key": os.path.join(self.dir, "signing.pem")})
        self.set("maps", [self.map(m, i == 0) for i, m in enumerate(maps)])
        for key, value in settings.items():
            self.set(key, value)

    @staticmethod
    def map(m, first):
        if isinstance(m, dict):
            return dict(m, file=os.path.abspath(m["file"]))
        out = {"id": m[0], "file": os.path.abspath(m[1])}
        if first:
            out["default"] = True
        return out

    def reload(self, *args):
        return self.ctl("reload", *args)


class Proxy(Daemon):
    """Below server, which may be a proxy too and must have been started
    before this is. upstream: more members of its group."""

    program = "alto-proxy"

    def __init__(self, top, server, name, env=None, upstream=None, **settings):
        super().__init__(top, name, settings, env)
        self.server = server
        self.upstream = dict(upstream or {})

    def start(self, ready=True):
        self.settings["upstream"] = [dict(
            {"directory": self.server.url + "/directory", "mode": "push",
             "name": self.name}, **self.upstream)]
        return super().start(ready)

    def counts(self):
        """Of its upstream: updates, fetches, published, reopened, ..."""
        return self.status()["upstreams"][0]


class Push:
    """A subscriber of a few lines: the WebSocket of RFC 6455 and nothing of
    the protocol but its frames."""

    LIMIT = 1 << 30

    def __init__(self, url, token=None, timeout=None, protocol="alto-push.v1"):
        at = urllib.parse.urlsplit(url)
        self.socket = socket.create_connection(
            (at.hostname, at.port), timeout or WAIT_S)
        self.held = b""
        self.closed = None      # the code that the other end gave
        self.bytes = 0          # of the texts read
        key = base64.b64encode(os.urandom(16)).decode()
        lines = ["GET %s HTTP/1.1" % at.path, "Host: " + at.netloc,
                 "Upgrade: websocket", "Connection: Upgrade",
                 "Sec-WebSocket-Key: " + key, "Sec-WebSocket-Version: 13",
                 "Sec-WebSocket-Protocol: " + protocol]
        if token:
            lines.append("Authorization: Bearer " + token)
        self.socket.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
        while b"\r\n\r\n" not in self.held:
            more = self.socket.recv(4096)
            need(more, "push: closed in the handshake: %r", self.held[:200])
            self.held += more
        head, self.held = self.held.split(b"\r\n\r\n", 1)
        need(head.startswith(b"HTTP/1.1 101"), "push: %r", head[:200])

    def _exactly(self, n):
        need(n <= self.LIMIT, "push: a frame of %d bytes", n)
        parts, have = [self.held], len(self.held)
        while have < n:
            more = self.socket.recv(1 << 16)
            if not more:
                raise ConnectionError("push: closed")
            parts.append(more)
            have += len(more)
        data = b"".join(parts)
        self.held = data[n:]
        return data[:n]

    def _frame(self):
        first, size = self._exactly(2)
        if size == 126:
            size = struct.unpack("!H", self._exactly(2))[0]
        elif size == 127:
            size = struct.unpack("!Q", self._exactly(8))[0]
        return first & 15, bool(first & 128), self._exactly(size)

    def send_frame(self, opcode, data):
        mask = os.urandom(4)
        if len(data) < 126:
            head = struct.pack("!BB", 128 | opcode, 128 | len(data))
        else:
            head = struct.pack("!BBQ", 128 | opcode, 255, len(data))
        masked = bytes(b ^ mask[i & 3] for i, b in enumerate(data))
        self.socket.sendall(head + mask + masked)

    def send(self, message, /, **members):
        """"_" in a name of Python is "-" in the message."""
        self.send_text(json.dumps({message: {
            k.replace("_", "-"): v for k, v in members.items()}}))

    def send_text(self, text):
        self.send_frame(1, text.encode())

    def recv(self, timeout=None):
        """(name, members) of the next message; None when the other end
        closed, self.closed is the code then. TimeoutError."""
        self.socket.settimeout(WAIT_S if timeout is None else timeout)
        text = b""
        while True:
            try:
                opcode, last, data = self._frame()
            except ConnectionError:
                return None
            if opcode == 8:
                self.closed = struct.unpack("!H", data[:2])[0] if data else 0
                return None
            if opcode == 9:
                self.send_frame(10, data)
            elif opcode in (0, 1):
                text += data
                if last:
                    self.bytes += len(text)
                    return next(iter(json.loads(text).items()))

    def until(self, name, timeout=None):
        """The members of the next message of that name; others between are
        passed over."""
        end = time.monotonic() + (WAIT_S if timeout is None else timeout)
        while time.monotonic() < end:
            got = self.recv(max(0.01, end - time.monotonic()))
            need(got, "push: closed (%s) before %s", self.closed, name)
            if got[0] == name:
                return got[1]
        raise Failed("push: no %s" % name)

    def close(self):
        self.socket.close()


def in_step(first, *others, timeout=None):
    """Waits until all serve the session and serial that the first serves."""
    def same():
        at = first.position()
        return at if all(o.position() == at for o in others) else None
    return wait(same, timeout, "%s serve what %s serves" % (
        ", ".join(o.name for o in others), first.name))


def ctl(daemon, *args):
    return daemon.ctl(*args)


# --- the count ---------------------------------------------------------------

class Tests:
    """with tests("a sentence"): one test. The program ends with
    sys.exit(tests.end())."""

    def __init__(self):
        self.passed = self.failed = self.skipped = 0

    @contextlib.contextmanager
    def __call__(self, what, *daemons):
        """The ends of the logs of daemons are shown when it fails."""
        try:
            yield
        except Skip as e:
            self.skipped += 1
            print("SKIP: %s (%s)" % (what, e), flush=True)
        except Exception as e:
            self.failed += 1
            _failures[0] += 1
            text = str(e) if isinstance(e, Failed) else traceback.format_exc()
            print("FAILED: %s\n    %s" % (
                what, text.rstrip().replace("\n", "\n    ")), flush=True)
            for d in daemons:
                print("# %s" % d.log)
                print("\n".join(d.lines()[-20:]), flush=True)
        else:
            self.passed += 1
            print("ok: %s" % what, flush=True)

    def end(self):
        stop_all()
        print("%d passed, %d failed, %d skipped" % (
            self.passed, self.failed, self.skipped))
        sys.stdout.flush()
        if self.failed:
            return 1
        return 0 if self.passed else 77
