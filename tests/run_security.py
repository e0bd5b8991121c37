#!/usr/bin/env python3
"""Who may do what, seen from outside: TLS on every listener, certificates and
tokens that change under way, subscribers who are not what they say.

  run_security.py [PATTERN]

PATTERN: only the stories that it is found in.
"""
import contextlib
import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
import urllib.parse

import alto
from alto import need, wait
from secure import (TOKENS, Authority, Keeper, Push, World, main, metric,
                    print_of, reach, refuses, secret, shown, status_of, story,
                    tls, troubles)

TAKEN = 4004            # docs/protocol.md: come again with the other proof
DENIED = 4005           # may not subscribe (any more)


@story("all listeners speak TLS, and a proxy is in step over it")
def all_of_it(top):
    w = World(top)
    s = w.server
    need(s.urls["http"].startswith("https://") and
         w.push.startswith("wss://"), "listeners: %s", s.urls)
    p = w.proxy("milan", http=tls(w.ca.issue("milan")))
    alto.in_step(s, p)
    w.change()
    alto.in_step(s, p)
    here, there = (Keeper(d.url + "/", w.trust) for d in (s, p))
    code, head, body = here.get()
    need(code == 200 and body == there.get()[2], "directories differ")
    need(head["alto-push"] == w.push, "ALTO-Push: %s", head.get("alto-push"))
    need(json.loads(body)["meta"]["redistribution"]["push"] == w.push,
         "the directory says another push URI")
    shows = {c["listener"]: c for c in s.status()["certificates"]}
    need(shows["http"]["sha-256"] == print_of(w.pair[0]) and
         "localhost" in shows["push"]["subject"], "%s", shows)
    need(abs(metric(s, 'alto_cert_expiry_timestamp_seconds{listener="http"}')
             - time.time() - 30 * 86400) < 3600, "no expiry in the metrics")
    below = w.proxy("rome", p)
    alto.in_step(s, p, below)
    # As anybody may: by the authority of this world, and by no other.
    for ca, good in ((["--ca", w.ca.cert], True), ([], False)):
        run = subprocess.run([sys.executable, alto.VERIFY, *ca,
                              p.url + "/maps/net"], capture_output=True,
                             text=True)
        need((run.returncode == 0) == good and
             (good or "CERTIFICATE_VERIFY_FAILED" in run.stdout), "%s: %s",
             ca, run.stdout + run.stderr)
    w.end()


@story("a proxy refuses an upstream that is not who it must be")
def wrong_upstreams(top):
    w = World(top)
    other = Authority(os.path.join(top, "other"), "other")
    cases = [("unknown", {"tls": {"ca": other.cert}}, None),
             ("pinned", {"tls": {"ca": w.ca.cert, "pin": "A" * 43 + "="}},
              None),
             ("name", {}, w.ca.issue("elsewhere", "DNS:elsewhere.example"))]
    for name, upstream, pair in cases:
        if pair:
            w.server.stop()
            w.server.set("http", tls(pair))
            w.server.set("push", tls(pair))
            w.server.start()
        p = w.proxy(name, upstream=upstream)
        wait(lambda p=p: p.counts().get("trouble"), None, "%s is told" % name)
        need("serial" not in p.status(), "%s serves something", name)
        need(p.get("/directory")[0] == 503, "%s serves something", name)
    w.end()


@story("a proxy refuses an upstream whose certificate has expired")
def expired_upstream(top):
    w = World(top, start=False)
    pair = w.ca.issue("old", days=-1)
    listener = socket.create_server(("127.0.0.1", 0))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*pair)

    def serve():
        while True:
            try:
                plain, _ = listener.accept()
            except OSError:
                return
            try:
                context.wrap_socket(plain, server_side=True).close()
            except OSError:
                plain.close()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    w.server.urls = {"http": "https://127.0.0.1:%d"
                             % listener.getsockname()[1]}
    p = w.proxy("milan")
    text = wait(lambda: p.counts().get("trouble"), None, "it is told")
    need("expired" in text, "it says: %s", text)
    need("serial" not in p.status(), "it serves something")
    listener.close()
    w.end()


@story("TLS before 1.2 and what is no TLS get nothing")
def old_and_plain(top):
    w = World(top)
    for url in (w.server.url + "/", w.push):
        for v in (ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1):
            try:
                reach(url, w.ca.context(low=v, high=v)).close()
                need(False, "%s: %s is taken", url, v.name)
            except OSError:
                pass
        for v in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            with reach(url, w.ca.context(low=v, high=v)) as s:
                need(s.version() == v.name.replace("_", "."), "%s",
                     s.version())
        at = urllib.parse.urlsplit(url)
        with socket.create_connection((at.hostname, at.port),
                                      alto.WAIT_S) as s:
            s.sendall(b"GET /directory HTTP/1.1\r\nHost: x\r\n\r\n")
            try:
                data = s.recv(65536)
            except ConnectionError:
                data = b""
            need(not data.startswith(b"HTTP/1.1 200") and b"{" not in data,
                 "plain text is answered: %r", data[:200])
    with reach(w.push, w.ca.context(), ["h2", "http/1.1"]) as s:
        need(s.selected_alpn_protocol() == "http/1.1", "ALPN: %s",
             s.selected_alpn_protocol())
    k = Keeper(w.server.url + "/", w.trust)
    need(k.get()[0] == 200, "it has had enough")
    w.end()


@story("two tokens make a rotation without a gap")
def tokens(top):
    file = secret(os.path.join(top, "milan.token"), TOKENS[0])
    w = World(top, subscribers=[{"name": "milan", "token-file": file}])
    old = Push(w.push, w.trust, TOKENS[0])
    need(old.subscribe("milan") == "subscribed", "the old token is refused")
    need(status_of(w.push, w.trust, token=TOKENS[1]) == 401,
         "a token is taken before it is known")
    secret(file, TOKENS[1], TOKENS[0])
    w.server.reload()
    w.change()
    old.until("update")                 # nothing was dropped
    need(status_of(w.push, w.trust, token=TOKENS[0]) == 101, "old refused")
    need(status_of(w.push, w.trust, token=TOKENS[1]) == 101, "new refused")
    need(status_of(w.push, w.trust, token=TOKENS[1] + "x") == 401, "taken")
    secret(file, TOKENS[1])
    w.server.reload()
    while old.recv():
        pass
    need(old.closed == TAKEN, "the old token's bearer: %s", old.closed)
    need(not any("may not be" in l for l in w.server.lines()), "accused")
    old.close()
    wait(lambda: metric(w.server, 'alto_disconnects_total{reason="its token or '
                        'certificate was taken out"}'), None, "it is counted")
    need(status_of(w.push, w.trust, token=TOKENS[0]) == 401,
         "a token is taken after it has gone")
    new = Push(w.push, w.trust, TOKENS[1])
    need(new.subscribe("milan") == "subscribed", "the new token is refused")
    refused = w.server.status()["refused"]
    need(refused.get("its token is not known", 0) >= 3, "%s", refused)
    w.end()


class Trap:
    """Somebody who would like to be subscribed to: who came, if anyone did."""

    def __init__(self):
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.socket.settimeout(0.01)
        self.port = self.socket.getsockname()[1]

    def came(self):
        try:
            self.socket.accept()[0].close()
            return True
        except TimeoutError:
            return False


@story("a push URI elsewhere or without TLS is not followed, and sees no token")
def astray(top):
    trap = Trap()
    file = secret(os.path.join(top, "milan.token"), TOKENS[0])
    w = World(top, start=False, heartbeat=1,
              subscribers=[{"name": "milan", "token-file": file}])
    alto.at_home(w.server)
    at = w.server.settings["push"]
    for what, why in (
            ("wss://localhost:%d/push" % trap.port, "another host"),
            ("ws://127.0.0.1:%d/push" % trap.port, "set push.tls there")):
        w.server.settings["push"] = dict(at, **{"public-uri": what})
        if what.startswith("ws:"):
            del w.server.settings["push"]["tls"]
        w.server.start()
        p = w.proxy("milan", upstream={"token-file": file}, start=False)
        p.start()
        told = wait(lambda: troubles(p).get("push"), None, "it is told")
        need(what in told and why in told, "%s", told)
        alto.in_step(w.server, p)           # by polling
        w.change()
        alto.in_step(w.server, p)
        need(p.counts()["phase"] == "fallback" and p.counts()["failures"],
             "%s", p.counts())
        need(any("discover upstream=" in l and what in l
                 for l in p.lines()), "not logged")
        need(not trap.came(), "%s was followed", what)
        need(p.stop() == 0, "it ended badly")
        w.server.stop()
    # The operator's own word is another matter.
    w.server.settings["push"] = at
    w.server.start()
    p.upstream["push"] = w.push.replace("127.0.0.1", "localhost")
    p.start()
    wait(lambda: p.counts()["phase"] == "current", None, "it subscribes")
    need("push" not in troubles(p), "%s", troubles(p))
    p.stop()
    p.upstream["push"] = "ws://alto.example.net/push"
    refuses(p, "push: must be a wss:// URI")
    w.end()


@story("a proxy shows another token after its own reload")
def proxy_token(top):
    file = secret(os.path.join(top, "milan.token"), TOKENS[0])
    mine = secret(os.path.join(top, "mine.token"), TOKENS[0])
    w = World(top, subscribers=[{"name": "milan", "token-file": file}])
    p = w.proxy("milan", upstream={"token-file": mine})
    alto.in_step(w.server, p)
    secret(file, TOKENS[1], TOKENS[0])
    w.server.reload()
    secret(mine, TOKENS[1])
    p.ctl("reload")
    before, came = p.counts(), metric(w.server, "alto_subscribers_total")
    wait(lambda: any("shows its token of now" in l for l in w.server.lines()),
         None, "it shows it")
    secret(file, TOKENS[1])             # the connection was opened with [0]
    w.server.reload()
    w.change()
    alto.in_step(w.server, p)
    now = p.counts()
    for what in ("reopened", "fetches"):
        need(now[what] == before[what], "%s: %s", what, now)
    need(metric(w.server, "alto_subscribers_total") == came, "it came again")
    # Who is told nothing comes again, at once, and is told what is new.
    secret(mine, "never-heard-of-0123456789")
    p.ctl("reload")
    wait(lambda: w.server.status()["refused"].get("its token is not known"),
         None, "it is counted")
    secret(file, TOKENS[0])
    w.server.reload()
    wait(lambda: p.counts()["reopened"] != before["reopened"], None, "4004")
    secret(mine, TOKENS[0])
    p.ctl("reload")
    w.change()
    alto.in_step(w.server, p)
    need(p.counts()["fetches"] == before["fetches"], "something was fetched")
    w.end()


@story("a token within a connection is worth what it is before one")
def within(top):
    files = [secret(os.path.join(top, n + ".token"), n + "-0123456789abc")
             for n in ("milan", "turin")]
    w = World(top, subscribers=[{"name": "milan", "token-file": files[0]},
                                {"name": "turin", "token-file": files[1]}])

    def here(name, *tokens):
        s = Push(w.push, w.trust, name + "-0123456789abc")
        need(s.subscribe(name) == "subscribed", "%s is refused", name)
        for token in tokens:
            s.send("credentials", token=token)
        return s

    known = "its token is not known"
    s = here("milan", "wrong-0123456789abc", "turin-0123456789abc")
    secret(files[0], "other-0123456789abc", "milan-0123456789abc")
    w.server.reload()
    w.change()
    s.until("update")                   # two mistakes change nothing
    wait(lambda: w.server.status()["refused"] == {
        known: 1, "its token is another subscriber's": 1}, None, "counted")
    need(sum("subscriber=milan" in l and "shows a new token" in l
             for l in w.server.lines()) == 2, "not said of whom")
    s.send("credentials", token="other-0123456789abc")
    wait(lambda: any("shows its token of now" in l for l in w.server.lines()),
         None, "it is taken")
    secret(files[0], "other-0123456789abc")
    w.server.reload()
    w.change()
    s.until("update")
    s = here("turin", "short")
    while s.recv():
        pass
    need(s.closed == 4001, "no token: %s", s.closed)
    # Without end: read slowly, said a few times, and the others wait for nothing.
    said = len(w.server.lines())
    s = here("turin", *(("turin-0123456789abc", "wrong-0123456789abc") * 300))
    wait(lambda: metric(w.server, "alto_received_paused_total") > 0, None,
         "it is held back")
    other = Push(w.push, w.trust, "other-0123456789abc")
    need(other.subscribe("milan") == "subscribed", "milan has to wait")
    need(len(w.server.lines()) - said < 60, "a flood in the log")
    for l in w.server.lines():
        need("0123456789abc" not in l and "short" not in l, "told: %s", l)
    w.end()


@story("certificates are exchanged and nobody is dropped")
def certificates(top):
    w = World(top)
    p = w.proxy("milan")
    alto.in_step(w.server, p)
    first = print_of(w.pair[0])
    client = Keeper(w.server.url + "/", w.trust)
    subscriber = Push(w.push, w.trust)
    need(subscriber.subscribe("rome") == "subscribed", "not subscribed")
    reopened = p.counts()["reopened"]
    need(client.print == first and client.get()[0] == 200, "first of all")
    w.ca.issue("server")                # in place of the old files
    second = print_of(w.pair[0])
    need(first != second, "the same certificate")
    w.server.reload()
    for url in (w.server.url + "/", w.push):
        need(shown(url, w.trust) == second, "%s shows the old one", url)
    need(client.get()[0] == 200, "the client was dropped")
    w.change()
    subscriber.until("update")
    alto.in_step(w.server, p)
    need(p.counts()["reopened"] == reopened, "the proxy was dropped")
    w.ca.issue("server")
    third = print_of(w.pair[0])
    w.server.signal(signal.SIGHUP)
    wait(lambda: shown(w.push, w.trust) == third, None, "SIGHUP does it too")
    need(client.get()[0] == 200, "the client was dropped")
    w.end()


@story("certificates that live for seconds: nobody is dropped, nothing missed")
def short_lived(top):
    life, every = 20, 6
    w = World(top, start=False)
    alto.at_home(w.server)
    w.server.set("push", {"tls": dict(tls(w.pair)["tls"],
                                      **{"client-ca": w.ca.cert})})

    def renew():
        for name in ("localhost", "milan", "rome"):
            w.ca.issue("server" if name == "localhost" else name,
                       "DNS:%s,IP:127.0.0.1" % name, days=life / 86400)
        return time.monotonic()

    begun = renew()
    w.server.start()
    mine = {n: tls((w.ca.path(n + ".pem"), w.ca.path(n + ".key")))["tls"]
            for n in ("milan", "rome")}
    above = w.server
    for name in mine:
        above = w.proxy(name, above, upstream={"tls": dict(
            mine[name], ca=w.ca.cert)}, http={"tls": mine[name]},
            push={"listen": "127.0.0.1:0", "tls": mine[name]})
    alto.in_step(w.server, *w.proxies)
    first = w.server.position()
    before = [p.counts() for p in w.proxies]
    changes, last = 0, begun
    while time.monotonic() - begun < life + every:
        w.change()
        changes += 1
        alto.in_step(w.server, *w.proxies)
        if time.monotonic() - last > every:
            last = renew()
            for d in [w.server, *w.proxies]:
                d.ctl("reload")
    for p, was in zip(w.proxies, before):
        now = p.counts()
        need(now["reopened"] == was["reopened"], "%s was dropped: %s", p.name,
             now["reopened"])
        need(now["fetches"] == was["fetches"], "%s fetched", p.name)
        need(now["updates"] - was["updates"] >= changes, "%s missed some",
             p.name)
    need(w.server.position() >= (first[0], first[1] + changes), "lost")
    # The first ones are over: who comes now does by the newest.
    w.server.stop()
    w.server.start()
    w.change()
    alto.in_step(w.server, *w.proxies)
    for url in [w.server.url + "/", w.push, *(p.url + "/" for p in w.proxies)]:
        shown(url, w.trust)             # would raise
    w.end()


@story("a handshake that stands still or is cut is no slow reader")
def half_open(top):
    """Neither counted nor logged as one, though it takes ten times as long as a
    reader may. And the log says of who does subscribe whether it is by TLS."""
    w = World(top, push={"slow": 1}, heartbeat=1, history={"count": 3})
    at = urllib.parse.urlsplit(w.push)

    def connect(text=b""):
        s = socket.create_connection((at.hostname, at.port), alto.WAIT_S)
        s.sendall(text)
        return s
    # Of a ClientHello: nothing, its head, and that before a cut.
    still = [connect(), connect(bytes.fromhex("160301020001000"
                                              "1fc0303"))]
    half = reach(w.push, w.trust)
    half.sendall(b"GET /push HTTP/1.1\r\nHost: x\r\n")
    still.append(half)
    for text in (b"", bytes.fromhex("1603010200010001fc0303")):
        connect(text).close()
    p = w.proxy("milan")
    alto.in_step(w.server, p)
    for s in still:
        s.settimeout(alto.WAIT_S)
        with contextlib.suppress(ConnectionError, ssl.SSLError):
            need(s.recv(1) == b"", "it was answered")
        s.close()
    told = [l for l in w.server.lines() if "4002" in l or "takes nothing" in l]
    need(not told, "called slow: %s", told)
    need(not metric(w.server, 'alto_disconnects_total{reason="does not '
                    'read"}'), "counted as slow")
    refused = w.server.status()["refused"]
    need(sum(refused.values()) == 5 and set(refused) <= {
        "broken handshake", "slow handshake"}, "%s", refused)
    says = [l for l in w.server.lines() if "subscribed subscriber=milan" in l]
    need(says and "tls=TLSv1." in says[0] and "mode=snapshot" in says[0],
         "%s", says)
    w.end()


@story("a bad certificate, key or token changes nothing and is told")
def bad_files(top):
    file = secret(os.path.join(top, "milan.token"), TOKENS[0])
    w = World(top, subscribers=[{"name": "milan", "token-file": file}])
    before = print_of(w.pair[0])
    good = {p: open(p, "rb").read() for p in w.pair}
    other = w.ca.issue("another")
    expired = w.ca.issue("expired", days=-1)

    def put(pair):
        for path, source in zip(w.pair, pair):
            data = good.get(source) or open(source, "rb").read()
            secret(path, data.decode().rstrip("\n"))

    def refused(what, *texts):
        code, out, err = w.server.call("reload")
        need(code == 1, "%s: exit %d: %s", what, code, out)
        for text in texts:
            need(text in out + err, "%s: no \"%s\" in %s", what, text,
                 out + err)
        need(troubles(w.server).get("renewal"), "%s: no trouble", what)
        for url in (w.server.url + "/", w.push):
            need(shown(url, w.trust) == before, "%s: %s", what, url)
        need(status_of(w.push, w.trust, token=TOKENS[0]) == 101,
             "%s: the token is refused", what)

    put((other[0], w.pair[1]))
    refused("the key of another", w.pair[1], "not the key")
    put(expired)
    refused("expired", "expired")
    secret(w.pair[0], "no certificate")
    refused("no certificate", w.pair[0])
    put(w.pair)
    os.chmod(w.pair[1], 0o644)
    refused("a key for all", "0644", "chmod 600")
    os.chmod(w.pair[1], 0o600)
    secret(file, TOKENS[0], mode=0o640)
    refused("a token for the group", "0640", "chmod 600")
    secret(file, "short")
    refused("a short token", "16 to 512")
    os.unlink(file)
    refused("no token", file)
    # All or nothing: the certificate is good, the token is not.
    put(other)
    refused("one of two", file)
    put(w.pair)
    secret(file, TOKENS[0])
    w.server.reload()
    need("renewal" not in troubles(w.server), "the trouble goes on")
    need(metric(w.server, "alto_renewals_refused_total") == 8, "counted: %s",
         metric(w.server, "alto_renewals_refused_total"))
    w.end()


@story("a certificate of the list proves its name and no other")
def pinned(top):
    ca = Authority(os.path.join(top, "theirs"), "theirs")
    milan, rome, oslo = (ca.issue(n, alt=None) for n in
                         ("milan", "rome", "oslo"))
    w = World(top, subscribers=[
        {"name": "milan", "certificate": milan[0]},
        {"name": "rome", "certificate": rome[0]}])
    for name, pair, want in (("milan", milan, "subscribed"),
                             ("rome", rome, "subscribed"),
                             ("milan", rome, DENIED),
                             ("oslo", rome, DENIED)):
        got = Push(w.push, w.ca.context(*pair)).subscribe(name)
        need(got == want, "%s by %s: %s", name, pair[0], got)
    need(status_of(w.push, w.ca.context(*oslo)) == 401, "oslo is taken")
    need(status_of(w.push, w.trust) == 401, "nobody is taken")
    need(status_of(w.push, w.ca.context(*milan), token=TOKENS[0]) == 401,
         "a wrong token is taken beside a good certificate")
    p = w.proxy("rome", upstream={"tls": {
        "ca": w.ca.cert, "certificate": rome[0], "key": rome[1]}})
    alto.in_step(w.server, p)
    w.end()


@story("a name from client-ca is proven, one from elsewhere is not")
def client_ca(top):
    ours = Authority(os.path.join(top, "ours"), "ours")
    theirs = Authority(os.path.join(top, "theirs"), "theirs")
    w = World(top, push={"listen": "127.0.0.1:0"})
    w.server.stop()
    w.server.settings["push"]["tls"]["client-ca"] = ours.cert
    w.server.start()
    good = ours.issue("milan", "DNS:rp-milan")
    for name, want in (("rp-milan", "subscribed"), ("milan", DENIED),
                       ("rome", DENIED)):
        got = Push(w.push, w.ca.context(*good)).subscribe(name)
        need(got == want, "%s: %s", name, got)
    by_cn = ours.issue("oslo", alt=None)
    need(Push(w.push, w.ca.context(*by_cn)).subscribe("oslo") == "subscribed",
         "the CN is no name")
    for what, pair in (
            ("of another authority", theirs.issue("milan",
                                                  "DNS:rp-milan")),
            ("expired", ours.issue("gone", "DNS:rp-milan", days=-1))):
        try:
            got = status_of(w.push, w.ca.context(*pair))
        except OSError:
            got = 0             # in the handshake: as good
        need(got != 101, "one %s is taken", what)
    need(status_of(w.push, w.trust) == 401, "nobody is taken")
    w.end()


@story("a subscriber is added and removed without a restart")
def subscribers(top):
    file = secret(os.path.join(top, "t"), TOKENS[0])
    late = secret(os.path.join(top, "u"), TOKENS[1])
    w = World(top, subscribers=[{"name": "milan", "token-file": file}])
    s = w.server

    def rewrite(text, new):
        with open(s.conf, encoding="utf-8") as f:
            now = f.read()
        need(text in now, "no %s in %s", text, now)
        alto.put(s.conf, now.replace(text, new))

    milan = Push(w.push, w.trust, TOKENS[0])
    need(milan.subscribe("milan") == "subscribed", "milan is refused")
    entry = '{ name = "milan"; token-file = "%s"; }' % file
    both = entry + ', { name = "rome"; token-file = "%s"; }' % late
    rewrite(entry, both)
    s.reload()
    rome = Push(w.push, w.trust, TOKENS[1])
    need(rome.subscribe("rome") == "subscribed", "rome is refused")
    rewrite(both, both[len(entry) + 2:])
    rewrite("state = ", "heartbeat = 7; state = ")
    s.reload()
    while milan.recv():
        pass
    need(milan.closed == DENIED, "milan was closed with %s", milan.closed)
    with open(s.conf, encoding="utf-8") as f:
        text = f.read()
    rewrite('token-file = "%s"; ' % late, "")
    code, _, err = s.call("reload")
    need(code == 1 and "push.anonymous" in err, "%d %s", code, err)
    need(status_of(w.push, w.trust) == 401, "it is open to all")
    alto.put(s.conf, text)
    s.reload()
    w.change()
    rome.until("update")
    need(any("needs a restart: heartbeat" in l for l in s.lines()),
         "a change that needs a restart is not told")
    w.end()


@story("a reload says what was renewed, and what needs a restart")
def reload_says(top):
    file = secret(os.path.join(top, "t"), TOKENS[0])
    w = World(top, subscribers=[{"name": "milan", "token-file": file},
                                {"name": "rome"}])
    s = w.server
    p = w.proxy("milan", upstream={"token-file": file})
    alto.in_step(s, p)

    def says(daemon, renewed, restart=()):
        told = daemon.ctl("reload")
        need((told["renewed"], told["restart"]) ==
             (list(renewed), list(restart)), "%s", told)
        code, out, _ = daemon.call("reload")    # and now for people
        need(code == 0 and "renewed" not in out, "twice: %s", out)
        for name in restart:
            need("restart" in out and name in out, "%s", out)
        return out

    says(s, [])
    need("nothing new" in says(p, []), "the proxy finds something")
    w.ca.issue("server")
    says(s, ["http.tls", "push.tls"])
    secret(file, TOKENS[1])
    code, out, _ = s.call("reload")
    need(code == 0 and "renewed: subscribers\n" in out, "%d %s", code, out)
    need(any("renewed: subscribers; subscribers-listed=2 with-proof=1 " in l
             for l in s.lines()), "the log: %s", s.lines()[-3:])
    was = len(p.lines())
    says(p, ["upstream"])
    said = [l for l in p.lines()[was:] if "proxy: renewed: " in l]
    need(["upstream;" in l for l in said] == [True, False], "%s", said)
    alto.in_step(s, p)
    for daemon in (s, p):
        with open(daemon.conf, encoding="utf-8") as f:
            alto.put(daemon.conf, f.read().replace(
                "state = ", "history: { count = 77; }; state = "))
        says(daemon, [], ["history.count"])
    secret(file, "short")
    code, out, _ = s.call("reload", "--json")
    need(code == 1 and "renewed" not in json.loads(out), "%d %s", code, out)
    w.end()


@story("a browser's page is no subscriber")
def browser(top):
    w = World(top)
    need(status_of(w.push, w.trust) == 101, "on loopback anybody may")
    need(status_of(w.push, w.trust, origin="https://page.example") == 403,
         "a page is taken")
    need(w.server.status()["refused"] == {"it is a browser's": 1}, "%s",
         w.server.status()["refused"])
    w.end()


@story("a certificate that expires soon is a trouble")
def soon(top):
    w = World(top, start=False)
    w.ca.issue("server", days=3.5)
    w.server.start()
    text = wait(lambda: troubles(w.server).get("cert-http"), None, "told")
    need("expires in 3 days" in text, "%s", text)
    need("cert-push" in troubles(w.server), "not of push")
    w.ca.issue("server")
    w.server.reload()
    need(not troubles(w.server), "%s", troubles(w.server))
    w.server.stop()
    w.end()


@story("an expired certificate is warned of, and a reload takes a good one")
def expired_own(top):
    w = World(top, start=False)
    w.ca.issue("server", days=-1)
    w.server.start()
    text = wait(lambda: troubles(w.server).get("cert-http"), None, "told")
    need("has expired, on 20" in text, "%s", text)
    need("cert-push" in troubles(w.server), "not of push")
    # What else a reload takes is not held up by it.
    w.server.reload()
    old = print_of(w.pair[0])
    w.ca.issue("server")
    w.server.reload()
    need(not troubles(w.server), "%s", troubles(w.server))
    need(shown(w.server.url + "/", w.trust) == print_of(w.pair[0]) != old,
         "the old one is shown")
    w.end()


@story("drain spreads the good-byes and ends by itself")
def drain(top):
    w = World(top)
    subscribers_ = [Push(w.push, w.trust) for _ in range(8)]
    for i, s in enumerate(subscribers_):
        need(s.subscribe("p%d" % i) == "subscribed", "p%d", i)
    client = Keeper(w.server.url + "/", w.trust)
    begun = time.monotonic()
    said = w.server.ctl("drain", "--over", "2")
    need(said["subscribers"] == 8 and said["over"] == 2, "%s", said)
    need(client.get()[0] == 200, "clients are served on")
    byes = 0
    for s in subscribers_:
        while True:
            got = s.recv()
            if got is None:
                break
            byes += got[0] == "bye" and got[1].get("retry-after", 0) > 0
        s.close()
    need(byes == 8, "%d of 8 were told to come back later", byes)
    wait(lambda: not w.server.alive(), None, "it ends")
    need(w.server.process.returncode == 0, "exit %d",
         w.server.process.returncode)
    need(time.monotonic() - begun < 10, "it took %.1f s",
         time.monotonic() - begun)
    w.end()


if __name__ == "__main__":
    sys.exit(main())
