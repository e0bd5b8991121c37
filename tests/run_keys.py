#!/usr/bin/env python3
"""Changes of the signing key: announced, retired, compromised, killed in the
middle, and proxies that were away meanwhile.

  run_keys.py [SEED [PATTERN]]

A next key may sign when it has been announced for one signature lifetime, which
is a minute at least. The daemons live under a wall clock that the test moves
(libfaketime); the monotonic one is left alone, so timers must not mind.
"""
import base64
import glob
import hashlib
import json
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import time

import alto
import liar
from alto import Skip, need, wait
from secure import troubles

ROUNDS = 40, 12         # at length, quickly
LIFETIME_S = 60


# --- worlds ------------------------------------------------------------------

class Clock:
    """A wall clock that all daemons share."""

    def __init__(self, top):
        lib = os.environ.get("FAKETIME_LIB") or next(iter(sorted(glob.glob(
            "/usr/lib/*/faketime/libfaketimeMT.so.1"))), "")
        if not os.path.exists(lib):
            raise Skip("libfaketime is not installed")
        with open(alto.find_bin("alto-server"), "rb") as program:
            if b"__tsan_" in program.read():
                raise Skip("libfaketime puts itself before the thread "
                           "sanitizer")
        self.ahead = 0
        self.file = os.path.join(top, "clock")
        self.jump(0)
        self.env = {
            "LD_PRELOAD": lib, "FAKETIME_TIMESTAMP_FILE": self.file,
            "FAKETIME_NO_CACHE": "1", "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "DONT_FAKE_MONOTONIC": "1",
            "ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", "") +
            ":verify_asan_link_order=0:detect_leaks=0"}

    def jump(self, seconds):
        self.ahead += seconds
        alto.put(self.file, "%+d" % self.ahead)

    def now(self):
        return time.time() + self.ahead


class NoClock:
    """The machine's own."""

    env = {}

    @staticmethod
    def now():
        return time.time()


class World:
    """A server, proxies below it, maps that change, one clock."""

    def __init__(self, top, *names, **settings):
        self.top, self.clock, self.cost = top, self.new_clock(top), 1000
        self.maps = {}
        for name in ("network-map.json", "cost-map.json"):
            self.maps[name] = os.path.join(top, name)
            shutil.copy(os.path.join(alto.SRC, "examples", "isp", name), top)
        more = {"heartbeat": 2, "signing": {"lifetime": LIFETIME_S}}
        more.update(settings)
        self.server = alto.at_home(alto.Server(
            top, [("net", self.maps["network-map.json"]),
                  ("cost-routing", self.maps["cost-map.json"])],
            env=self.clock.env, **more))
        self.server.start()
        self.proxies = [alto.at_home(alto.Proxy(
            top, self.server, name, env=self.clock.env,
            upstream={"retry-max": 1})) for name in names]
        for p in self.proxies:
            p.start()
        self.in_step()

    def new_clock(self, top):
        return Clock(top)

    def in_step(self, timeout=None):
        alto.in_step(self.server, *[p for p in self.proxies if p.alive()],
                     timeout=timeout)

    def change(self, times=1):
        for _ in range(times):
            with open(self.maps["cost-map.json"], encoding="utf-8") as f:
                doc = json.load(f)
            row = doc["cost-map"][sorted(doc["cost-map"])[0]]
            self.cost += 1
            row[sorted(row)[0]] = self.cost
            alto.put(self.maps["cost-map.json"], json.dumps(doc))
            need(self.server.reload()["changed"], "an edit changed nothing")

    def verify(self, *daemons):
        """Each body under the server's current key, by another program."""
        key = self.server.status()["key"]
        urls = [d.url + p for d in daemons or [self.server, *self.proxies]
                if d.alive()
                for p in ["/directory", *self.server.maps().values()]]
        env = {k: v for k, v in self.clock.env.items()
               if k != "ASAN_OPTIONS"}
        r = subprocess.run(
            [sys.executable, alto.VERIFY, "--key", key, "--quiet", *urls],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            env=dict(os.environ, **env))
        need(r.returncode == 0, "%s", r.stdout)

    def end(self):
        for d in [*reversed(self.proxies), self.server]:
            code = d.stop()
            need(code == 0, "%s ended with %d", d.name, code)
            need(not d.sanitizer(), "%s: %s", d.log, d.sanitizer())


def listed(server):
    """The thumbprints that the directory lists, in its order."""
    keys = server.directory()["meta"]["redistribution"]["keys"]["keys"]
    return [k["kid"] for k in keys]


def ring(server):
    """{thumbprint: role}, checked for what must always be so."""
    keys = server.ctl("key", "list")["keys"]
    roles = [k["role"] for k in keys]
    need(roles[0] == "current" and roles.count("current") == 1 and
         roles.count("next") <= 1, "roles: %s", roles)
    now = [k["key"] for k in keys if k["role"] in ("current", "next")]
    need(listed(server) == now, "listed: %s, not %s", listed(server), now)
    need(server.status()["key"] == now[0], "another key signs")
    return {k["key"]: k["role"] for k in keys}


def key_file(server, more=""):
    return server.settings["signing"]["key"] + more


def thumbprint(path):
    """Of the private key in a file, as RFC 7638 and RFC 8037 have it."""
    der = subprocess.run(["openssl", "pkey", "-in", path, "-pubout",
                          "-outform", "DER"], capture_output=True,
                         check=True).stdout
    x = base64.urlsafe_b64encode(der[-32:]).rstrip(b"=").decode()
    jwk = '{"crv":"Ed25519","kty":"OKP","x":"%s"}' % x
    return base64.urlsafe_b64encode(hashlib.sha256(
        jwk.encode()).digest()).rstrip(b"=").decode()


def files_agree(server, roles):
    """KEY is the current key, and KEY.next the next one if there is one."""
    for more, role in (("", "current"), (".next", "next")):
        path = key_file(server, more)
        want = [k for k, r in roles.items() if r == role]
        if not want:
            continue
        need(os.stat(path).st_mode & 0o7777 == 0o600, "%s: mode", path)
        need([thumbprint(path)] == want, "%s is not the %s key", path, role)


def forged(server, key, ahead_ms=1000):
    """The triple of a state in a session to come, signed with a key file."""
    body = json.loads(server.get("/state")[2])
    triple = body["state"]
    session = body["session"]
    ms = int(session.replace("-", "")[:12], 16) + ahead_ms
    later = "%08x-%04x" % (ms >> 16, ms & 0xffff) + session[13:]
    state = triple[0].replace(session, later)
    params = re.sub('keyid="[^"]*"', 'keyid="%s"' % thumbprint(key),
                    triple[1].split("=", 1)[1])
    base = '"alto-state": %s\n"@signature-params": %s' % (state, params)
    data = os.path.join(server.dir, "to-sign")
    alto.put(data, base)
    sig = subprocess.run(["openssl", "pkeyutl", "-sign", "-inkey", key,
                          "-rawin", "-in", data], capture_output=True,
                         check=True).stdout
    return [state, "alto=" + params,
            "alto=:%s:" % base64.b64encode(sig).decode()]


def subscribed(server, have):
    """What a subscriber that holds this is answered."""
    push = alto.Push(server.urls["push"])
    try:
        push.until("hello")
        push.send("subscribe", name="mallory", have=have)
        return push.until("subscribed")
    finally:
        push.close()


# --- changes in order --------------------------------------------------------

def announced(top, _):
    """One proxy sees it all, one is away, one is away without a log to follow
    when it comes back."""
    w = World(top, "milan", "turin")
    milan, turin = w.proxies
    first = w.server.status()["key"]
    code, _, err = w.server.call("key", "retire")
    need(code == 1 and "key next" in err, "%d %s", code, err)
    turin.stop()

    told = w.server.ctl("key", "next")
    since = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(told["from"]))
    need([l for l in w.server.lines() if "from=" + since in l],
         "the log does not say from when")
    second = told["key"]
    need(LIFETIME_S - 5 <= told["from"] - w.clock.now() <= LIFETIME_S + 5,
         "from: %s", told)
    roles = ring(w.server)
    need(roles == {first: "current", second: "next"}, "%s", roles)
    files_agree(w.server, roles)
    s = w.server.status()
    need((s["next-key"], s["next-key-from"]) == (second, told["from"]),
         "status: %s", s)
    need("next key" in w.server.call("status")[1], "status says nothing")
    w.in_step()
    need(listed(milan) == [first, second], "the proxy has other keys")
    w.verify()

    for words in (("key", "next"), ("key", "retire")):
        code, out, err = w.server.call(*words, "--json")
        answer = json.loads(out)
        need(code == 1 and 0 < answer["wait"] <= LIFETIME_S and
             "may sign from" in answer["error"], "%s: %s", words, answer)
    w.server.stop()
    w.server.start()
    need(ring(w.server) == roles, "forgotten by a restart")

    w.change(3)
    w.clock.jump(LIFETIME_S + 2)
    wait(lambda: milan.get("/directory")[0] == 200, None,
         "heartbeats go on after the clock jumped")
    retired = w.server.ctl("key", "retire")
    need((retired["key"], retired["retired"]) == (second, first), "%s",
         retired)
    need(retired["from"]["session"] == retired["to"]["session"], "a session")
    roles = ring(w.server)
    need(roles == {second: "current", first: "retired"}, "%s", roles)
    files_agree(w.server, roles)
    need(not os.path.exists(key_file(w.server, ".next")), "KEY.next stayed")
    w.change(2)
    w.in_step()
    w.clock.jump(86400)         # the one that was away is a day late
    turin.start()
    w.in_step()
    counts = turin.counts()
    need(counts["fetches"] == 0, "it fetched %d maps", counts["fetches"])
    need(counts["updates"] >= 7, "it got %d updates", counts["updates"])
    need(listed(turin) == [second], "other keys")
    w.verify()
    w.end()


def trimmed(top, _):
    """The log does not reach back to the key it knows: it asks the origin."""
    w = World(top, "milan", history={"count": 2})
    milan = w.proxies[0]
    milan.stop()
    w.server.ctl("key", "next")
    w.clock.jump(LIFETIME_S + 2)
    w.server.ctl("key", "retire")
    w.change(8)
    w.server.stop()             # what was too much is forgotten by now
    w.server.start()
    milan.start()
    w.in_step()
    w.verify()
    w.end()


# --- stolen keys -------------------------------------------------------------

def compromised(top, _):
    w = World(top, "milan")
    stolen = os.path.join(top, "stolen.pem")
    shutil.copy(key_file(w.server), stolen)
    before, first = w.server.position(), w.server.status()["key"]
    told = w.server.ctl("key", "retire", "--compromised")
    need(told["compromised"] == first and told["key"] != first, "%s", told)
    need((told["from"]["session"], told["from"]["serial"]) == before,
         "from: %s", told)
    need(told["to"]["session"] > before[0], "no greater session")
    roles = ring(w.server)
    need(roles == {told["key"]: "current", first: "compromised"}, "%s", roles)
    files_agree(w.server, roles)

    at = w.server.position()
    answer = subscribed(w.server, forged(w.server, stolen))
    need(answer["mode"] == "behind", "it believed the stolen key: %s", answer)
    need(w.server.position() == at, "it began a session for a stolen key")
    w.server.stop()
    w.server.start()
    answer = subscribed(w.server, forged(w.server, stolen))
    need(answer["mode"] == "behind", "after a restart: %s", answer)
    w.in_step()                 # the proxy asks the origin for the new key
    need(listed(w.proxies[0]) == [told["key"]], "the proxy has other keys")
    w.verify()
    w.end()


def dated_ahead(top, _):
    """The thief's session begins later than the one with which the key was
    dropped; a proxy that took it is not left there."""
    w = World(top)
    thief = liar.Liar(w.server)
    milan = alto.at_home(alto.Proxy(top, thief, "milan", env=w.clock.env,
                                    upstream={"retry-max": 1}))
    w.proxies.append(milan.start())
    w.in_step()
    stolen = os.path.join(top, "stolen.pem")
    shutil.copy(key_file(w.server), stolen)
    false = forged(w.server, stolen, 55000)
    later = re.search(r'session="([^"]*)"', false[0])[1]
    leaves = json.loads(w.server.get("/state")[2])["resources"]

    def word(name, members):
        if name == "subscribed":
            return liar.dumps(name, dict(members, state=false,
                                         mode="snapshot")) + liar.dumps(
                "snapshot", {"state": false, "resources": leaves})
        return liar.dumps(name, members) if name == "hello" else []
    thief.word = word
    thief.hang_up()
    wait(lambda: milan.position()[0] == later, None, "it takes the session")

    told = w.server.ctl("key", "retire", "--compromised")
    need(0 < told["again"] - w.clock.now() <= 61, "%s", told)
    need(told["to"]["session"] < later, "there was no attack")
    thief.tell_truth()
    thief.hang_up()
    w.change()
    wait(lambda: milan.counts()["reopened"].get("lower", 0) > 0, None, "lower")
    need(milan.position()[0] == later, "it went down")
    need("stolen" in troubles(w.server), "%s", troubles(w.server))
    told = troubles(w.server)
    need("milan" in told["foreign"] and later in told["foreign"], "%s", told)
    need(w.server.status()["counters"]["foreign_states"] > 0, "not counted")
    need(any("push: subscriber milan holds" in l for l in w.server.lines()),
         "not logged")
    w.server.stop()
    w.server.start()
    wait(lambda: "stolen" in troubles(w.server), None, "it is said again")
    need(w.server.position()[0] < later, "too early: %s", later)

    w.clock.jump(62)
    wait(lambda: w.server.position()[0] > later, None, "another session")
    w.in_step()
    need(milan.position()[0] > later, "it is still there")
    w.verify()
    second = w.server.position()[0]
    w.clock.jump(62)
    wait(lambda: w.server.position()[0] > second, None, "one more session")
    wait(lambda: not troubles(w.server), None, "it is over")
    w.in_step()
    last = w.server.position()[0]
    w.clock.jump(300)
    w.change(2)
    w.in_step()
    need(w.server.position()[0] == last, "sessions without end")
    w.verify()
    w.end()


def retired_proves(top, _):
    """What a retired key has signed is still ours: history was lost."""
    w = World(top)
    old = os.path.join(top, "old.pem")
    shutil.copy(key_file(w.server), old)
    w.server.ctl("key", "next")
    w.clock.jump(LIFETIME_S + 2)
    w.server.ctl("key", "retire")
    at = w.server.position()
    answer = subscribed(w.server, forged(w.server, old))
    need(answer["mode"] == "snapshot", "%s", answer)
    need(w.server.position()[0] > at[0], "no new session")
    need(w.server.status()["counters"]["new_sessions"] == 1, "not counted")
    w.end()


def both_stolen(top, _):
    """With a next key that one signs at once; said again, a new one."""
    w = World(top)
    first = w.server.status()["key"]
    second = w.server.ctl("key", "next")["key"]
    told = w.server.ctl("key", "retire", "--compromised")
    need(told["key"] == second, "%s", told)
    third = w.server.ctl("key", "retire", "--compromised")["key"]
    roles = ring(w.server)
    need(roles == {third: "current", first: "compromised",
                   second: "compromised"}, "%s", roles)
    files_agree(w.server, roles)
    w.verify()
    w.end()


# --- killed ------------------------------------------------------------------

def killed_after(server, request, seconds):
    """Gives an order, kills the server so much later; the answer, if any."""
    with socket.socket(socket.AF_UNIX) as s:
        s.connect(server.socket)
        s.sendall(json.dumps(request).encode() + b"\n")
        s.settimeout(max(seconds, 0.0001))
        try:
            text = s.recv(1 << 16)
        except TimeoutError:
            text = b""
    server.kill9()
    return json.loads(text) if text.endswith(b"\n") else {}


def killed(top, rng):
    w = World(top, "milan")
    rounds, done, silent = ROUNDS[alto.quick()], {}, 0
    begun = time.monotonic()
    w.server.ctl("key", "next")
    took = time.monotonic() - begun     # with altoctl's own start
    roles, at = ring(w.server), w.server.position()
    for _ in range(rounds):
        order = rng.choice((
            {"command": "key-next"}, {"command": "key-retire"},
            {"command": "key-retire", "compromised": True},
            {"command": "session-new"}))
        w.clock.jump(LIFETIME_S + 2)
        answer = killed_after(w.server, order, rng.random() * took)
        w.server.start()
        new = ring(w.server)
        files_agree(w.server, new)
        for k, r in roles.items():
            need(r in ("current", "next") or new[k] == r,
                 "%s was %s, is %s", k, r, new.get(k))
        need(w.server.position() >= at, "a lower position")
        name = order["command"]
        if "to" in answer:
            answered(name, answer, new, w.server.position())
            done[name] = done.get(name, 0) + 1
        elif new != roles or w.server.position() > at:
            silent += 1
        roles, at = new, w.server.position()
    print("# %d rounds, answered: %s, done without an answer: %d" % (
        rounds, done, silent))
    w.change()
    w.in_step(alto.WAIT_S + 60)     # it asks for new keys once a minute
    w.verify()
    w.end()


def answered(order, answer, roles, at):
    """What was answered holds after the kill."""
    need((answer["to"]["session"], answer["to"]["serial"]) <= at,
         "%s: %s, but %s", order, answer, at)
    if order == "key-next":
        need(roles[answer["key"]] == "next", "%s: %s", order, roles)
    elif order == "key-retire":
        need(roles[answer["key"]] == "current", "%s: %s", order, roles)
        how = "retired" if "retired" in answer else "compromised"
        need(roles[answer[how]] == how, "%s: %s", order, roles)


def renamed_late(top, _):
    """Killed after the journal and before the rename, in so many words."""
    w = World(top)
    first = w.server.status()["key"]
    second = w.server.ctl("key", "next")["key"]
    for more in ("", ".next"):
        shutil.copy(key_file(w.server, more), os.path.join(top, "k" + more))
    w.clock.jump(LIFETIME_S + 2)
    w.server.ctl("key", "retire")
    w.server.kill9()
    for more in ("", ".next"):
        shutil.copy(os.path.join(top, "k" + more), key_file(w.server, more))
    w.server.start()
    roles = ring(w.server)
    need(roles == {second: "current", first: "retired"}, "%s", roles)
    files_agree(w.server, roles)
    need(not os.path.exists(key_file(w.server, ".next")), "not renamed")
    # And the retired one put back alone is refused, by name.
    w.server.stop()
    shutil.copy(os.path.join(top, "k"), key_file(w.server))
    before = len(w.server.lines())
    w.server.start(ready=False)
    wait(lambda: not w.server.alive(), None, "it ends")
    need(w.server.stop() == 1, "it ended badly")
    said = "\n".join(w.server.lines()[before:])
    need(first in said and second in said and "retired" in said, "%s", said)
    w.end()


# --- all ---------------------------------------------------------------------

def main():
    tests = alto.Tests()
    seed = int(sys.argv[1]) if sys.argv[1:] else random.SystemRandom(
    ).randrange(1 << 32)
    print("# seed %d" % seed)

    def story(what, run):
        if sys.argv[2:] and not re.search(sys.argv[2], what):
            return
        rng = random.Random("%d %s" % (seed, what))
        with tests(what):
            if not shutil.which("openssl"):
                raise Skip("openssl is not installed")
            with alto.folder() as top:
                run(top, rng)

    story("a next key is announced, waits, signs; a day away, and it follows",
          announced)
    story("a log that does not reach back to a known key", trimmed)
    story("a compromised key proves nothing from then on", compromised)
    story("a session that a thief dated ahead is left behind by itself",
          dated_ahead)
    story("a retired key still proves that history was lost", retired_proves)
    story("the next key signs at once, and after it a new one", both_stolen)
    story("killed during any order, journal and files agree", killed)
    story("a rename that is owed is done at the start", renamed_late)
    return tests.end()


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    sys.exit(main())
