#!/usr/bin/env python3
"""What an operator does to a running server: new sessions, backups and what comes
of restoring them, controllers that flap, a wall clock that jumps, wrong commands.

  run_operate.py [PATTERN]
"""
import glob
import json
import os
import re
import shlex
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import alto
import run_keys
from alto import need, wait

BURST = 50


class World(run_keys.World):
    """The same one, under the machine's own clock unless it is to jump."""

    def __init__(self, top, *names, jumps=False, **settings):
        self.jumps = jumps
        super().__init__(top, *names, **settings)

    def new_clock(self, top):
        return run_keys.Clock(top) if self.jumps else run_keys.NoClock()

    def text(self):
        with open(self.maps["cost-map.json"], encoding="utf-8") as f:
            return f.read()

    def write(self, cost):
        """The map file alone, nobody is told."""
        doc = json.loads(self.text())
        row = doc["cost-map"][sorted(doc["cost-map"])[0]]
        row[sorted(row)[0]] = cost
        alto.put(self.maps["cost-map.json"], json.dumps(doc))


def served(daemon):
    """The cost that write() wrote."""
    row = json.loads(daemon.get(daemon.path_of("cost-routing"))[2])["cost-map"]
    first = row[sorted(row)[0]]
    return first[sorted(first)[0]]


def tags(daemon):
    return {r["id"]: r["tag"] for r in daemon.status()["resources"]}


# --- sessions ----------------------------------------------------------------

def session_new(top):
    w = World(top, "milan")
    w.change(3)
    w.in_step()
    before, was = w.server.position(), tags(w.server)
    told = w.server.ctl("session", "new")
    need((told["from"]["session"], told["from"]["serial"]) == before and
         told["changed"], "from: %s", told)
    need((told["to"]["session"], told["to"]["serial"]) ==
         w.server.position(), "to: %s", told)
    need(told["to"]["session"] > before[0] and told["to"]["serial"] == 1,
         "not a greater session: %s", told)
    need(tags(w.server) == was, "the content changed")
    w.in_step()
    again = w.server.ctl("session", "new")     # no pause for the operator
    need(again["to"]["session"] > told["to"]["session"], "not greater")
    need("new session" in w.server.call("session", "new")[1], "says nothing")
    w.change()
    w.in_step()
    w.verify()
    w.end()


# --- backups -----------------------------------------------------------------

def restore(server, copy):
    """As docs/operations.md says."""
    for name in os.listdir(server.state):
        if name.startswith("journal."):
            os.unlink(os.path.join(server.state, name))
    at = os.path.join(server.state, "journal.db")
    shutil.copy(copy, at)
    os.chmod(at, 0o600)


def broken_off(server, file):
    """Whoever does not wait for the end finds no file."""
    for sig in (signal.SIGINT, signal.SIGQUIT, signal.SIGUSR1):
        server.signal(signal.SIGSTOP)
        try:
            ctl = subprocess.Popen([alto.find_bin("altoctl"), "-s",
                                    server.socket, "backup", file])
            wait(lambda: glob.glob(file + ".*"), None, "it is begun")
            need(not os.path.exists(file), "it has its name already")
            ctl.send_signal(sig)
            need(ctl.wait(alto.WAIT_S) == -sig, "%d", ctl.returncode)
        finally:
            server.signal(signal.SIGCONT)
        need(not glob.glob(file + "*"), "it left a file")


def unheard(server, file):
    """Without its streams, what it has to say gets in no file's way."""
    code = subprocess.run(["sh", "-c", 'exec "$0" "$@" <&- >&- 2>&-',
                           alto.find_bin("altoctl"), "-s", server.socket,
                           "backup", file], check=False).returncode
    need(code == 0, "%d", code)
    with open(file, "rb") as f:
        data = f.read()
    need(data.startswith(b"SQLite format 3") and
         len(data) % int.from_bytes(data[16:18], "big") == 0, "%d bytes, %r",
         len(data), data[-100:])


def too_large(server, file):
    """A limit in its way is an error, and leaves no file either."""
    r = subprocess.run(["sh", "-c", 'ulimit -f 4; trap "" XFSZ; exec "$0" "$@"',
                        alto.find_bin("altoctl"), "-s", server.socket,
                        "backup", file], capture_output=True, text=True,
                       check=False)
    need(r.returncode == 1 and file in r.stderr, "%d %s", r.returncode,
         r.stderr)
    need(not glob.glob(file + "*"), "it left a file")


def backup(top):
    """Made while it publishes; an older one leads to a new session."""
    w = World(top, "milan")
    copy = os.path.join(top, "copy.db")
    w.change(3)
    told = w.server.ctl("backup", copy)
    at = w.server.position()
    size = os.path.getsize(copy)
    need(told["path"] == copy and told["bytes"] == size, "%s, not %d", told,
         size)
    need(os.stat(copy).st_mode & 0o7777 == 0o600, "mode")
    with sqlite3.connect(copy) as db:
        need(db.execute("PRAGMA integrity_check").fetchone() == ("ok",),
             "the copy is damaged")
    db.close()
    code, _, err = w.server.call("backup", copy)
    need(code == 1 and "already" in err, "%d %s", code, err)
    need(os.path.getsize(copy) == size, "it was written to")
    left = [n for n in os.listdir(w.server.state) if "copy" in n]
    need(not left, "left behind: %s", left)
    code, _, err = w.server.call("backup", os.path.join(top, "no", "where"))
    need(code == 1 and "No such" in err, "%d %s", code, err)
    unheard(w.server, os.path.join(top, "unheard.db"))
    too_large(w.server, os.path.join(top, "large.db"))

    mine = os.path.join(top, "proxy.db")
    told = w.proxies[0].ctl("backup", mine)
    need(told["bytes"] == os.path.getsize(mine), "a proxy's: %s", told)
    for words in (["key", "list"], ["key", "next"], ["key", "retire"],
                  ["session", "new"]):
        code, _, err = w.proxies[0].call(*words)
        need(code == 1 and err == "altoctl: %s: this is an alto-proxy; that "
             "is for an alto-server\n" % " ".join(words), "%d %s", code, err)
    broken_off(w.server, os.path.join(top, "broken-off.db"))

    w.change(4)
    w.in_step()
    was = tags(w.server)
    w.server.kill9()
    restore(w.server, copy)
    w.server.start()
    wait(lambda: w.server.position()[0] > at[0], None, "a new session")
    w.in_step()
    now = tags(w.server)        # the files are newer than the backup
    need({k: v for k, v in now.items() if k != ".directory"} ==
         {k: v for k, v in was.items() if k != ".directory"}, "other maps")
    need(w.server.status()["counters"]["new_sessions"] == 1, "not counted")
    w.verify()
    w.end()


def backup_busy(top):
    """One after another, each whole."""
    w = World(top)
    for i in range(6):
        for _ in range(5):
            w.change()
        copy = os.path.join(top, "copy%d.db" % i)
        told = w.server.ctl("backup", copy)
        w.change()
        with sqlite3.connect(copy) as db:
            need(db.execute("PRAGMA integrity_check").fetchone() == ("ok",),
                 "%s is damaged", told)
        db.close()
    w.server.stop()
    restore(w.server, copy)
    w.server.start()
    w.verify()
    w.end()


def backups_at_once(top):
    """None takes another's copy away; who comes too early is told."""
    w = World(top)
    with socket.socket(socket.AF_UNIX) as s:    # one that dawdles
        s.settimeout(alto.WAIT_S)
        s.connect(w.server.socket)
        s.sendall(b'{"command":"backup"}\n')
        first = json.loads(s.makefile().readline())["path"]
    with ThreadPoolExecutor(3) as pool:
        files = [os.path.join(top, "copy%d" % i) for i in range(3)]
        ends = list(pool.map(lambda f: w.server.call("backup", f), files))
    for file, (code, _, err) in zip(files, ends):
        need(code == 0 or (code == 1 and "being made already" in err),
             "%d %s", code, err)
        need(os.path.exists(file) == (code == 0), "%s", file)
    need(any(code == 0 for code, _, _ in ends), "none: %s", ends)
    for file in [first] + [f for f in files if os.path.exists(f)]:
        with sqlite3.connect(file) as db:
            need(db.execute("PRAGMA integrity_check").fetchone() == ("ok",),
                 "%s is damaged", file)
        db.close()
    os.unlink(first)
    w.end()


def two_servers(top):
    """On copies of one state directory: seen, said, and no endless chase."""
    w = World(top, "milan")
    w.change(2)
    w.in_step()
    w.server.stop()
    twin = alto.at_home(alto.Server(
        top, [], name="twin", env=w.clock.env, heartbeat=2,
        signing=dict(w.server.settings["signing"])))
    maps = os.path.join(top, "maps2")
    os.makedirs(maps)
    for name, path in w.maps.items():
        shutil.copy(path, os.path.join(maps, name))
    twin.set("maps", [dict(m, file=os.path.join(
        maps, os.path.basename(m["file"]))) for m in w.server.settings["maps"]])
    shutil.copytree(w.server.state, twin.state)
    w.server.start()
    twin.start()                # its directory names another port: +1
    w.change(2)
    w.in_step()
    first = w.maps["cost-map.json"]
    w.maps["cost-map.json"] = os.path.join(maps, "cost-map.json")
    w.write(4711)
    w.maps["cost-map.json"] = first
    twin.reload()
    need(twin.position() == w.server.position(), "they do not fork")
    milan = w.proxies[0]
    milan.stop()
    milan.server = twin
    milan.start()
    wait(lambda: twin.status()["counters"]["new_sessions"] == 1, None,
         "the twin sees that there is another history")
    alto.in_step(twin, milan)
    need(any("history was lost" in l for l in twin.lines()), "no alarm")
    milan.stop()
    milan.server = w.server
    milan.start()
    wait(lambda: w.server.status()["counters"]["new_sessions"] == 1, None,
         "and so does the other")
    milan.stop()
    milan.server = twin         # within ten minutes: no third one
    milan.start()
    wait(lambda: any("copied state directory" in l for l in twin.lines()),
         None, "it says what may be wrong")
    s = twin.status()
    need(s["counters"]["new_sessions"] == 1, "they chase")
    need([t for t in s["troubles"] if t["topic"] == "fork" and
          "copied" in t["text"]], "no alarm in status: %s", s["troubles"])
    need(twin.stop() == 0 and not twin.sanitizer(), "twin: %s",
         twin.sanitizer())
    w.end()


# --- files that never rest ---------------------------------------------------

def restless(top):
    """A watched file is read when it has settled; one that does not settle is
    read all the same, and the last of it too."""
    w = World(top, watch=True)
    serial, value, slow = w.server.position()[1], 0, 0
    begun = last = time.monotonic()
    while True:
        value += 1
        w.write(value)
        now = time.monotonic()
        slow, last = max(slow, now - last), now
        at = w.server.position()[1]
        if at > serial + 1:
            break
        need(now - begun < alto.WAIT_S, "it waits for the file to rest: "
             "%d changes, %d read, the longest rest was %.2f s", value,
             at - serial, slow)
    wait(lambda: served(w.server) == value, None, "the last one is out")
    w.end()


# --- a controller that flaps -------------------------------------------------

def flapping(top):
    w = World(top, "milan", min_interval=3, heartbeat=1)
    w.write(-1)                 # after the start's own publication
    w.server.reload()

    def settled():
        s = w.server.status()
        return None if "deferred" in s else s
    s = wait(settled, None, "the first one is out")
    at, before = s["serial"], s["counters"]["reloads_deferred"]
    begun = time.monotonic()
    w.write(0)
    first = w.server.reload()
    deferred = [first] if "deferred" in first else []
    for i in range(1, BURST):
        w.write(i)
        told = w.server.reload()
        if "deferred" in told:
            need(not told["changed"] and 0 < told["deferred"] <= 3, "%s", told)
            deferred.append(told)
    need(len(deferred) > BURST // 2, "%d were deferred", len(deferred))
    took = time.monotonic() - begun
    s = wait(settled, None, "what waited is out")
    need(served(w.server) == BURST - 1, "not the last one")
    need(s["map-serial"] - at <= 2 + took / 3, "%d publications in %.1f s",
         s["map-serial"] - at, took)
    w.in_step()
    need(s["counters"]["reloads_deferred"] - before == len(deferred),
         "counters: %s", s["counters"])

    # Errors at once, and what waits is not lost.
    w.write(999)
    w.server.reload()           # the one that may go at once
    w.write(1000)
    code, out, _ = w.server.call("reload")
    need(code == 0 and "will be published in" in out, "%d %s", code, out)
    waiting = w.server.status()["deferred"]
    need(waiting["reloads"] <= 2 and waiting["seconds"] <= 3, "%s", waiting)
    need("waiting" in w.server.call("status")[1], "status says nothing")
    good = w.text()
    alto.put(w.maps["cost-map.json"], "{")
    code, _, err = w.server.call("reload")
    need(code == 1 and "cost-map.json" in err, "%d %s", code, err)
    need("deferred" in w.server.status(), "forgotten")
    alto.put(w.maps["cost-map.json"], good)
    w.write(2000)
    w.server.reload()
    wait(settled, None, "it is out")
    wait(lambda: served(w.server) == 2000, None, "it is served")

    # Back to what is served: nothing waits.
    w.write(3000)
    need("deferred" in w.server.reload(), "at once")
    w.write(2000)
    told = w.server.reload()
    need(not told["changed"] and "deferred" not in told, "%s", told)
    need("deferred" not in w.server.status(), "it waits for nothing")

    # By a signal; heartbeats go on while it waits.
    w.write(4000)
    w.server.signal(signal.SIGHUP)
    wait(lambda: "deferred" in w.server.status() or
         served(w.server) == 4000, None, "the signal is heard")
    created = w.server.status()["created"]
    wait(lambda: w.server.status()["created"] > created, 5, "a heartbeat")
    wait(lambda: served(w.server) == 4000, None, "it is served")
    w.in_step()
    w.end()


# --- clocks ------------------------------------------------------------------

def clock_jumps(top):
    """Both ways, a day: no timer minds, and what is signed stays in order."""
    w = World(top, "milan", jumps=True, heartbeat=1)
    for seconds in (86400, -86400, -40, 3600):
        at = w.server.status()["counters"]["heartbeats"]
        w.clock.jump(seconds)
        wait(lambda: w.server.status()["counters"]["heartbeats"] > at + 2, 10,
             "heartbeats go on after %+d s" % seconds)
        w.change()
        w.in_step(alto.WAIT_S + 60)
    w.end()


def session_in_future(top):
    """A session that the clock has fallen behind cannot be followed by one that
    anybody would take: said, and nothing is done."""
    w = World(top, jumps=True, heartbeat=1)
    w.clock.jump(86400)
    w.server.ctl("session", "new")
    at = w.server.position()
    w.clock.jump(-86400)
    code, _, err = w.server.call("session", "new")
    need(code == 1 and "clock" in err, "%d %s", code, err)
    code, _, err = w.server.call("key", "retire", "--compromised")
    need(code == 1 and "clock" in err, "%d %s", code, err)
    need(w.server.position() == at, "it moved")
    need(len(run_keys.ring(w.server)) == 1, "keys changed")
    w.server.stop()
    before = len(w.server.lines())
    w.server.start(ready=False)
    wait(lambda: not w.server.alive(), None, "it refuses to start")
    need(w.server.stop() == 1, "it ended badly")
    need("clock" in "\n".join(w.server.lines()[before:]), "unclear")
    w.clock.jump(86400)
    w.server.start()
    need(w.server.position()[0] == at[0], "another session")
    w.end()


# --- altoctl -----------------------------------------------------------------

def commands(top):
    w = World(top)
    usage = (["key"], ["key", "lost"], ["session"], ["session", "old"],
             ["backup"], ["backup", "a", "b"], ["key", "list", "x"],
             ["status", "--compromised"], ["reload", "--over", "3"],
             ["drain", "--over", "x"], ["drain", "--over", "9999"],
             ["key", "next", "--force"], ["keys"], ["key-list"])
    for words in usage:
        code, out, err = w.server.call(*words)
        need(code == 2 and not out and "altoctl" in err, "%s: %d %s%s", words,
             code, out, err)
    need("key list" in w.server.call("key")[2], "it does not say which")
    code, out, _ = w.server.call("help")
    need(code == 0 and re.search("key retire.*session new.*backup FILE.*drain",
                                 out, re.S), "%s", out)
    for words in (["trust"], ["resync"]):
        code, _, err = w.server.call(*words)
        need(code == 1 and err == "altoctl: %s: this is an alto-server; that "
             "is for an alto-proxy\n" % words[0], "%s: %d %s", words, code,
             err)
    need("WHY" not in w.server.call("status")[1], "a table of nobody")
    key = w.server.status()["key"]
    need(key in w.server.call("key", "list")[1], "key list says nothing")
    w.end()
    for words in (["key", "list"], ["session", "new"],
                  ["backup", os.path.join(top, "none.db")]):
        need(w.server.call(*words)[0] == 3, "%s: not 3", words)
    need(not os.path.exists(os.path.join(top, "none.db")), "a file was left")


def helped(top):
    """Every command of the usage has help, and a shell can complete it."""
    ctl = alto.find_bin("altoctl")

    def run(*words):
        r = subprocess.run([ctl, *words], capture_output=True, text=True,
                           timeout=alto.WAIT_S)
        return r.returncode, r.stdout, r.stderr

    def completed(*words):
        script = ("source %s; COMP_WORDS=(\"$@\"); COMP_CWORD=$(($# - 1));"
                  "_altoctl \"$1\"; echo \"${COMPREPLY[@]}\""
                  % shlex.quote(os.path.join(alto.SRC, "client",
                                             "completions", "altoctl")))
        r = subprocess.run(["bash", "-c", script, "-", ctl, *words],
                           capture_output=True, text=True,
                           timeout=alto.WAIT_S)
        need(r.returncode == 0 and not r.stderr, "%s: %s", words, r.stderr)
        return r.stdout.split()

    code, out, _ = run("help")
    need(code == 0 and run("--help")[1] == out, "--help is not help")
    names = [re.split(r"  +| [A-Z[]", line.strip())[0] for line in
             out.split("commands\n")[1].split("\n\n")[0].splitlines()]
    need("status" in names and "key retire" in names and len(names) > 10,
         "%s", names)
    firsts = {n.split()[0] for n in names}
    need(set(completed("")) == firsts, "%s", completed(""))
    need(set(completed("help", "")) == firsts, "%s", completed("help", ""))
    for name in names:
        words = name.split()
        for how in (["help"] + words, words + ["--help"]):
            code, text, err = run(*how)
            need(code == 0 and "... " + name in text and len(text) < len(out)
                 and not err, "%s: %d %s%s", how, code, text, err)
        for n in range(len(words)):
            part = words[n][:2]
            need(words[n] in completed(*words[:n], part) and
                 all(w.startswith(part) for w in completed(*words[:n], part)),
                 "%s is not completed", words[:n + 1])
    for group in firsts - set(names):
        code, text, _ = run("help", group)
        need(code == 0 and all(n in text for n in names
                               if n.startswith(group + " ")), "%s", text)
    need(run("help", "keys")[0] == 2 and run("help", "status", "x")[0] == 2,
         "help of what is none")
    options = set(re.findall(r"(--[a-z]+)", out))
    need(len(options) == 8, "%s", options)
    shown = set()
    for name in names:
        given = completed(*name.split(), "--")
        shown.update(given)
        need(("--compromised" in given) == (name == "key retire"), "%s: %s",
             name, given)
    need(shown == options, "%s, not %s", shown, options)
    need(completed("--json", "session", "") == ["new"], "after an option")
    need(not completed("--socket", "s"), "a path is no command")


def errors_as_json(top):
    """Whatever fails, --json gives one object, and the status is the same."""
    w = World(top)
    file = os.path.join(top, "there")
    alto.put(file, "")
    gone = os.path.join(top, "ctl-\u00e9.sock")

    def both(want, *words):
        for order in ([*words, "--json"], ["-j", *words]):
            code, out, err = w.server.call(*order)
            need(code == want and not err and out.count("\n") == 1,
                 "%s: %d %s%s", order, code, out, err)
            told = json.loads(out)
            need(told["error"], "%s", told)
        code, out, err = w.server.call(*words)
        need(code == want and not out and told["error"] in err, "%s: %d %s%s",
             words, code, out, err)
        return told["error"]

    need("there already" in both(1, "backup", file), "backup")
    need("alto-proxy" in both(1, "trust"), "trust")
    need("key list" in both(2, "key"), "key")
    need("--bogus" in both(2, "--bogus", "status"), "--bogus")
    need("-x" in both(2, "status", "-x"), "-x")
    need("--over" in both(2, "drain", "--over"), "--over")
    w.end()
    need("no daemon" in both(3, "status"), "status")
    need(gone in both(3, "status", "--socket", gone), "a name with an accent")


def streams(top):
    """Whoever starts a daemon without streams gets no other daemon."""
    w = World(top)
    w.server.stop()
    for gone in ("<&-", ">&-", "2>&-", "<&- >&- 2>&-"):
        w.server.process = subprocess.Popen(
            ["sh", "-c", 'exec "$0" --config "$1" ' + gone,
             alto.find_bin("alto-server"), w.server.conf],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        w.server.ready()
        w.change()
        w.server.process.terminate()
        code = w.server.process.wait(alto.WAIT_S)
        need(code == 0, "%s: %d", gone, code)
    w.server.start()
    w.end()


# --- all ---------------------------------------------------------------------

def main():
    tests = alto.Tests()

    def story(what, run):
        if sys.argv[1:] and not re.search(sys.argv[1], what):
            return
        with tests(what):
            with alto.folder() as top:
                run(top)

    story("a new session on purpose", session_new)
    story("a backup, and what comes of restoring it", backup)
    story("backups while it publishes", backup_busy)
    story("backups at once", backups_at_once)
    story("two servers on copies of one state directory", two_servers)
    story("a controller that flaps", flapping)
    story("a watched file that never rests is read", restless)
    story("a wall clock that jumps", clock_jumps)
    story("no new session in the future of the clock", session_in_future)
    story("what altoctl refuses", commands)
    story("help and completion know every command", helped)
    story("errors as JSON", errors_as_json)
    story("daemons without their streams", streams)
    return tests.end()


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    sys.exit(main())
