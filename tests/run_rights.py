#!/usr/bin/env python3
"""What a daemon has given up when it runs, and which files it refuses.

  run_rights.py [PATTERN]

PATTERN: only the stories that it is found in. Those that need root are skipped
without it.
"""
import os
import pwd
import shutil
import socket
import stat
import subprocess
import sys

import alto
from alto import Skip, need
from secure import (EXAMPLES, TOKENS, World, main, print_of, refuses, secret,
                    shown, story)


@story("--check knows what cannot work, and warns of what is not wise")
def check(top):
    w = World(top, start=False)
    s = w.server

    def says(want, text, **settings):
        for k, v in settings.items():
            s.set(k, v)
        alto.put(s.conf, "".join("%s = %s;\n" % (k, alto.render(v))
                                 for k, v in s.settings.items()))
        r = subprocess.run([alto.find_bin(s.program), "--config", s.conf,
                            "--check"], capture_output=True, text=True)
        need(r.returncode == want and text in r.stderr + r.stdout,
             "exit %d, no \"%s\" in: %s%s", r.returncode, text, r.stdout,
             r.stderr)

    says(0, "ok")
    says(1, "need a wss:// URI", push={"public-uri": "ws://a.example/push"})
    says(1, "not on loopback",
         push={"public-uri": "wss://a.example/push",
               "listen": "192.0.2.1:8081"})
    file = secret(os.path.join(top, "t"), TOKENS[0])
    says(0, "ok", subscribers=[{"name": "a", "token-file": file}])
    del s.settings["push"]["tls"]
    says(0, "warning: ")
    os.chmod(file, 0o604)
    says(1, "chmod 600")
    os.chmod(file, 0o600)
    says(1, "no user \"nobody-of-that-name\"", user="nobody-of-that-name")
    w.end()


# --- rights ------------------------------------------------------------------

def proc(daemon):
    with open("/proc/%d/status" % daemon.pid, encoding="ascii") as f:
        return dict(line.rstrip("\n").split(":\t", 1) for line in f
                    if ":\t" in line)


def low_port():
    for port in range(700, 1024):
        with socket.socket() as s:
            try:
                s.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue
    raise Skip("a free port below 1024")


def for_nobody(w):
    """All that the account needs to get at; says its numbers."""
    if os.geteuid() != 0:
        raise Skip("root")
    who = pwd.getpwnam("nobody")
    os.chmod(w.top, 0o711)
    os.chmod(w.ca.dir, 0o711)
    os.chmod(w.server.dir, 0o711)
    for path in w.pair:
        os.chown(path, who.pw_uid, who.pw_gid)
    # Its key lies in the state directory, which is made for it.
    w.server.settings["signing"] = {}
    w.server.set("user", "nobody")
    return who


@story("root opens what only root can, and is gone")
def privileges(top):
    w = World(top, start=False)
    who = for_nobody(w)
    s = w.server
    s.set("http", {"listen": "127.0.0.1:%d" % low_port()})
    s.start()
    p = proc(s)
    for name, want in (("Uid", [who.pw_uid] * 4), ("Gid", [who.pw_gid] * 4)):
        need([int(n) for n in p[name].split()] == want, "%s: %s", name,
             p[name])
    need(p["Groups"].split() == [str(who.pw_gid)], "Groups: %s", p["Groups"])
    for name in ("CapPrm", "CapEff", "CapInh", "CapAmb"):
        need(int(p[name], 16) == 0, "%s: %s", name, p[name])
    need(p["NoNewPrivs"] == "1", "NoNewPrivs: %s", p["NoNewPrivs"])
    for task in os.listdir("/proc/%d/task" % s.pid):
        with open("/proc/%d/task/%s/status" % (s.pid, task)) as f:
            text = f.read()
        need("NoNewPrivs:\t1" in text and "Uid:\t%d" % who.pw_uid in text,
             "a thread has rights left: %s", text)
    for path in [s.state, s.socket] + [os.path.join(s.state, n)
                                       for n in os.listdir(s.state)]:
        st = os.lstat(path)
        need(st.st_uid == who.pw_uid, "%s is of %d", path, st.st_uid)
        need(stat.S_ISSOCK(st.st_mode) or not st.st_mode & 0o077 or
             path.endswith(".service"), "%s: mode %o", path, st.st_mode)
    w.change()
    w.ca.issue("server")
    for path in w.pair:
        os.chown(path, who.pw_uid, who.pw_gid)
    s.reload()
    need(shown(w.push, w.trust) == print_of(w.pair[0]), "no new certificate")
    s.ctl("key", "next")                # it may write beside the key
    copy = os.path.join(top, "copy")
    s.ctl("backup", copy)
    need(os.path.getsize(copy) > 0, "an empty copy")
    at = s.position()
    s.stop()
    s.start()
    need(s.position()[0] == at[0], "a new session after a restart")
    w.end()


@story("what its account cannot read is told at the start")
def unreadable(top):
    w = World(top, start=False)
    for_nobody(w)
    os.chown(w.pair[1], 0, 0)
    refuses(w.server, "user nobody cannot read what a reload needs",
            w.pair[1])
    os.chown(w.pair[1], pwd.getpwnam("nobody").pw_uid, -1)
    w.server.start()
    need(not any("sanitizer" in l for l in w.server.lines()), "a report")
    w.end()


@story("keys and tokens that others can read are refused with what helps")
def loose(top):
    file = secret(os.path.join(top, "t"), TOKENS[0], mode=0o604)
    w = World(top, start=False,
              subscribers=[{"name": "a", "token-file": file}])
    refuses(w.server, file, "0604", "chmod 600")
    os.chmod(file, 0o600)
    os.chmod(w.pair[1], 0o640)
    refuses(w.server, w.pair[1], "0640", "chmod 600")
    os.chmod(w.pair[1], 0o600)
    w.server.start()
    w.server.stop()
    os.chmod(w.server.settings["signing"]["key"], 0o660)
    refuses(w.server, "signing.pem", "0660", "chmod 600")
    w.end()


@story("keys and tokens of somebody else are refused, those of the account not")
def owners(top):
    if os.geteuid() != 0:
        raise Skip("root")
    file = secret(os.path.join(top, "t"), TOKENS[0])
    w = World(top, start=False,
              subscribers=[{"name": "a", "token-file": file}])
    key = w.server.settings["signing"]["key"]
    w.server.start()
    w.server.stop()
    for path in (key, file, w.pair[1]):
        os.chown(path, 12345, 0)
        refuses(w.server, path, "user 12345", "chown")
        os.chown(path, 0, 0)
    w.server.start()
    os.chown(file, 12345, 0)
    code, _, err = w.server.call("reload")
    need(code == 1 and file in err and "12345" in err, "%d %s", code, err)
    w.end()


@story("a control socket in a directory of somebody else is refused")
def socket_dir(top):
    w = World(top, start=False)
    run = os.path.join(top, "run")
    os.mkdir(run)
    w.server.set("admin", {"socket": os.path.join(run, "s")})
    os.chmod(run, 0o777)
    refuses(w.server, run, "chmod o-w")
    os.chmod(run, 0o755)
    if os.geteuid() == 0:
        os.chown(run, 12345, 0)
        refuses(w.server, run, "user 12345")
        os.chown(run, 0, 0)
    w.server.socket = os.path.join(run, "s")
    w.server.start()
    need(stat.S_IMODE(os.stat(w.server.socket).st_mode) == 0o660, "mode")
    w.end()


@story("settings and maps that lie beside the key are warned of")
def beside(top):
    w = World(top, start=False)
    s = w.server
    s.start()                           # its key lies beside its settings
    need(any(s.conf in l and "signing.key" in l for l in s.lines()),
         "no warning: %s", s.lines())
    s.stop()
    own = os.path.join(top, "keys")
    os.mkdir(own)
    for key in ({"key": os.path.join(own, "k.pem")}, {}):
        at = len(s.lines())
        s.settings["signing"] = key
        shutil.rmtree(s.state)
        s.start()
        need(not any("may write" in l for l in s.lines()[at:]), "%s: %s", key,
             s.lines()[at:])
        s.stop()
    maps = os.path.join(s.state, "maps")
    os.mkdir(maps)
    moved = shutil.copy(s.settings["maps"][0]["file"], maps)
    s.settings["maps"][0]["file"] = moved
    s.start()
    need(any(moved in l and "give state" in l for l in s.lines()),
         "no warning: %s", s.lines())
    w.end()


@story("without root another account is refused, not ignored")
def not_root(top):
    root = os.geteuid() == 0
    os.chmod(top, 0o711)
    conf = os.path.join(top, "alto-server.conf")
    # Where all of this was built may be closed to others.
    program, net = (shutil.copy(f, top) for f in (
        alto.find_bin("alto-server"),
        os.path.join(EXAMPLES, "network-map.json")))
    alto.put(conf, "".join("%s = %s;\n" % (k, alto.render(v)) for k, v in {
        "state": os.path.join(top, "state"),
        "maps": [{"id": "net", "file": net}],
        "user": "daemon" if root else "nobody"}.items()))
    os.chmod(conf, 0o644)
    r = subprocess.run([program, "--config", conf],
                       capture_output=True, text=True, timeout=alto.WAIT_S,
                       user="nobody" if root else None)
    need(r.returncode == 1 and "only root can become another" in r.stderr,
         "exit %d: %s", r.returncode, r.stderr)


if __name__ == "__main__":
    sys.exit(main())
