#!/usr/bin/env python3
"""What --check says of settings that cannot work: where, what, which rule.

  run_check.py [PATTERN]

PATTERN: only the stories that it is found in. Each row of the tables is settings
that differ from good ones in one thing, and what must be said of it; no daemon is
started. Settings that are wrong in many ways are told all of it in one run.
"""
import json
import os
import re
import shutil
import subprocess
import sys

import alto
from alto import need
from secure import EXAMPLES, TOKENS, Authority, main, secret, story

PIN = "A" * 43 + "="


class Bench:
    """Good settings of both daemons, with all the files that they name."""

    def __init__(self, top):
        self.top = top
        ca = Authority(os.path.join(top, "ca"))
        self.ca = ca.cert
        self.pair = ca.issue("server")
        self.other = ca.issue("other")
        self.expired = ca.issue("expired", days=-1)
        self.early = ca.issue("early", days=-89.5)
        self.token = secret(os.path.join(top, "milan.token"), TOKENS[0])
        for name in ("network-map.json", "cost-map.json"):
            shutil.copy(os.path.join(EXAMPLES, name), top)
        alto.put(os.path.join(top, "broken.json"), '{"network-map": {"a": 1}}')
        alto.put(os.path.join(top, "junk.pem"), "no certificate\n")

    def tls(self, pair=None, **more):
        pair = pair or self.pair
        return dict({"certificate": pair[0], "key": pair[1]}, **more)

    def server(self):
        return {
            "state": "state",
            "http": {"tls": self.tls()},
            "push": {"tls": self.tls(**{"client-ca": self.ca}),
                     "public-uri": "wss://alto.example:8081/push"},
            "admin": {"socket": "server.sock"},
            "maps": [{"id": "net", "file": "network-map.json"},
                     {"id": "cost-routing", "file": "cost-map.json"}],
            "subscribers": [{"name": "milan", "token-file": self.token,
                             "uris": ["https://milan.example/"]}],
            "ca": self.ca,
        }

    def proxy(self):
        return {
            "state": "state",
            "admin": {"socket": "proxy.sock"},
            "public-uri": "https://milan.example/",
            "upstream": [
                {"directory": "https://alto.example/directory",
                 "name": "milan", "token-file": self.token,
                 "tls": self.tls(ca=self.ca, pin=PIN)},
                {"directory": "https://rome.example/directory",
                 "mode": "pull"}],
        }

    def check(self, program, settings, what="--check"):
        """(exit status, the lines said)"""
        path = os.path.join(self.top, "test.conf")
        alto.put(path, settings if isinstance(settings, str) else "".join(
            "%s = %s;\n" % (k, alto.render(v)) for k, v in settings.items()))
        r = subprocess.run(
            [alto.find_bin(program), "--config", path, what],
            stdin=subprocess.DEVNULL, capture_output=True, text=True,
            timeout=alto.WAIT_S)
        need("Sanitizer" not in r.stderr, "%s", r.stderr)
        return r.returncode, (r.stdout + r.stderr).splitlines()


def change(settings, path, value):
    """path: "push.tls.key", "maps.0.file"; value None: away with it."""
    *way, last = path.split(".")
    for step in way:
        settings = settings[int(step) if isinstance(settings, list) else step]
    if isinstance(settings, list):
        last = int(last)
        settings.extend([None] * (last + 1 - len(settings)))
    if value is None:
        del settings[last]
    else:
        settings[last] = value


def run_table(bench, program, base, rows):
    """Each row: {path: value}, then what is said, each in a line of its own. The
    first word says how bad that is."""
    bad = []
    for changes, word, *texts in rows:
        settings = base()
        for path, value in changes.items():
            change(settings, path, value)
        code, said = bench.check(program, settings)
        wanted = ["^%s.*%s" % ("warning: " if word == "warns" else
                               r"(?!warning)", text) for text in texts]
        lost = [w for w in wanted if not any(re.search(w, l) for l in said)]
        others = [l for l in said if not l.endswith(": ok") and
                  not any(re.search(w, l) for w in wanted)]
        if lost or others or code != (0 if word == "warns" else 1):
            bad.append("%s: exit %d, not said %s, said %s"
                       % (changes, code, lost, said))
    need(not bad, "%s", "\n    ".join(bad))


def at(setting, text):
    """The line of the settings file, the setting, and the words."""
    return r"test\.conf:\d+: %s: .*%s" % (re.escape(setting), text)


@story("good settings are in order, without a word of warning")
def good(top):
    b = Bench(top)
    for program, base in (("alto-server", b.server), ("alto-proxy", b.proxy)):
        code, said = b.check(program, base())
        need(code == 0 and len(said) == 1 and said[0].endswith(": ok"),
             "%s: exit %d: %s", program, code, said)


@story("a map that cannot be read is told by --check")
def maps(top):
    b = Bench(top)
    with open(os.path.join(EXAMPLES, "cost-map.json"), encoding="utf-8") as f:
        doc = json.load(f)
    doc["meta"]["dependent-vtags"][0]["tag"] = "of-yesterday"
    alto.put(os.path.join(top, "old.json"), json.dumps(doc))
    del doc["meta"]["dependent-vtags"][0]["tag"]
    doc["meta"]["cost-type"]["cost-mode"] = "ordinal"
    doc["cost-map"] = {}
    doc["meta"].pop("vtag", None)
    alto.put(os.path.join(top, "ranks.json"), json.dumps(doc))
    run_table(b, "alto-server", b.server, [
        ({"maps.0.file": "gone.json"}, "refuses",
         at("maps[0].file", r"gone\.json: .*[Nn]o such file")),
        ({"maps.1.file": "gone.json"}, "refuses",
         at("maps[1].file", r"gone\.json: .*[Nn]o such file")),
        ({"maps.0.file": "broken.json"}, "refuses",
         r"broken\.json:1: /network-map/a: "),
        ({"maps.1.file": "junk.pem"}, "refuses", r"junk\.pem:1: "),
        ({"maps.1.file": "old.json"}, "refuses",
         r"old\.json: /meta/dependent-vtags/0/tag: .*of-yesterday"),
        ({"maps.0.id": "network"}, "refuses",
         r"network-map\.json: .*the configuration says \"network\"",
         r"cost-map\.json: .*\"net\", which is not configured"),
        ({"maps.1.default": True}, "refuses",
         at("maps[1].default", "is no network map")),
        ({"maps.1.ordinal": True, "maps.2":
          {"id": "ranks", "file": "ranks.json"}}, "refuses",
         at("maps[1].ordinal", "\"ranks\" .* gives these ranks already")),
        ({"maps": [{"id": "ranks", "file": "ranks.json"}]}, "refuses",
         r"ranks\.json: .*\"net\", which is not configured"),
        ({"maps.0": None}, "refuses",
         r"cost-map\.json: .*\"net\", which is not configured"),
        ({"maps.1": None}, "warns", at("maps", "no cost map")),
    ])


@story("a place where a start has to make a file is told by --check")
def places(top):
    b = Bench(top)
    no = "there is no directory"
    alto.put(os.path.join(top, "file"), "")
    for program, base in (("alto-server", b.server), ("alto-proxy", b.proxy)):
        run_table(b, program, base, [
            ({"state": "no/state"}, "warns", at("state", no)),
            ({"state": "file/state"}, "warns", at("state", no)),
            ({"state": "file"}, "refuses", at("state", "is no directory")),
            ({"admin": {"socket": "no/ctl.sock"}}, "warns",
             at("admin.socket", no)),
        ])
    run_table(b, "alto-server", b.server, [
        ({"signing": {"key": "no/signing.pem"}}, "warns",
         at("signing.key", no)),
    ])


@story("what no subscriber could use is told by --check")
def subscribers(top):
    b = Bench(top)
    plain = {"push.tls": None, "push.public-uri": "ws://alto.example/push"}
    run_table(b, "alto-server", b.server, [
        (dict(plain, **{"subscribers.0": {"name": "milan",
                                          "certificate": b.pair[0]}}),
         "refuses", at("subscribers[0].certificate", "without push.tls")),
        ({"subscribers.0.name": "rp milan"}, "refuses",
         at("subscribers[0].name", "not 1 to 64 letters")),
        ({"subscribers.0.name": "milan.example"}, "refuses",
         at("subscribers[0].name", "not 1 to 64 letters")),
        ({"subscribers.0.uris": ["https://milan.example"]}, "refuses",
         at("subscribers[0].uris", "ends in \"/\"")),
        ({"subscribers.0.uris": ["wss://milan.example/"]}, "refuses",
         at("subscribers[0].uris", "http:// or https://")),
        ({"subscribers.0.token-file": "gone"}, "refuses",
         at("subscribers[0].token-file", "gone")),
        ({"subscribers.0.certificate": "junk.pem"}, "refuses",
         at("subscribers[0].certificate", "junk.pem")),
        ({"subscribers.0.token-file": "gone",
          "subscribers.0.certificate": "junk.pem"}, "refuses",
         at("subscribers[0].token-file", "gone"),
         at("subscribers[0].certificate", "junk.pem")),
    ])


@story("a push address that leads nowhere is told by --check")
def push(top):
    b = Bench(top)
    run_table(b, "alto-server", b.server, [
        ({"push.tls": None}, "warns",
         at("push.public-uri", "push.tls is not set")),
        ({"push.tls": None, "push.public-uri": "ws://alto.example/other"},
         "warns", at("push.public-uri", "served at /push")),
        ({"push.public-uri": "ws://alto.example/push"}, "refuses",
         at("push.public-uri", "need a wss:// URI")),
        ({"push.public-uri": "wss://alto.example/other"}, "refuses",
         at("push.public-uri", "served at /push alone")),
        ({"push.public-uri": "https://alto.example/push"}, "refuses",
         at("push.public-uri", "not a ws:// or wss:// URI")),
        ({"push.listen": "127.0.0.1:8081", "push.public-uri": None}, "warns",
         at("push.listen", "nobody elsewhere can subscribe")),
        ({"admin.listen": "0.0.0.0:8082"}, "warns",
         at("admin.listen", "not on loopback")),
        ({"admin.listen": "192.0.2.1:8082"}, "warns",
         at("admin.listen", "not on loopback")),
    ])


@story("a fault of a certificate, key or authority is told where it is named")
def files(top):
    b = Bench(top)
    server = [
        ({"ca": "gone.pem"}, "refuses", at("ca", r"gone\.pem")),
        ({"ca": "junk.pem"}, "refuses", at("ca", r"junk\.pem: not cert")),
    ]
    for group in ("http.tls", "push.tls"):
        server += [
            ({group + ".key": "gone.key"}, "refuses",
             at(group + ".key", r"gone\.key")),
            ({group + ".key": b.other[1]}, "refuses",
             at(group + ".key", "not the key of the certificate")),
            ({group + ".certificate": "junk.pem"}, "refuses",
             at(group + ".certificate", r"junk\.pem")),
            ({group + ".certificate": "gone.pem", group + ".key": "gone.key"},
             "refuses", at(group + ".certificate", r"gone\.pem"),
             at(group + ".key", r"gone\.key")),
            ({group + ".certificate": b.expired[0],
              group + ".key": b.expired[1]}, "warns",
             at(group + ".certificate", "has expired, on 20")),
        ]
    server.append(({"push.tls.client-ca": "junk.pem"}, "refuses",
                   at("push.tls.client-ca", r"junk\.pem")))
    run_table(b, "alto-server", b.server, server)
    run_table(b, "alto-proxy", b.proxy, [
        ({"upstream.0.tls.ca": "gone.pem"}, "refuses",
         at("upstream[0].tls.ca", r"gone\.pem")),
        ({"upstream.0.tls.ca": "junk.pem"}, "refuses",
         at("upstream[0].tls.ca", r"junk\.pem: not cert")),
        ({"upstream.0.tls.key": b.other[1]}, "refuses",
         at("upstream[0].tls.key", "not the key of the certificate")),
        ({"upstream.0.tls.certificate": "junk.pem"}, "refuses",
         at("upstream[0].tls.certificate", r"junk\.pem")),
        ({"upstream.0.tls.key": None}, "refuses",
         at("upstream[0].tls.certificate", "go together")),
        ({"upstream.0.tls.certificate": b.expired[0],
          "upstream.0.tls.key": b.expired[1]}, "warns",
         at("upstream[0].tls.certificate", "has expired, on 20")),
    ])


@story("an upstream that cannot be one is told by --check")
def upstream(top):
    b = Bench(top)
    first = b.proxy()["upstream"][0]
    plain = {"upstream.0.directory": "http://127.0.0.1:8080/directory"}
    pulls = {"upstream.0.mode": "pull"}
    run_table(b, "alto-proxy", b.proxy, [
        ({"upstream.0.directory": "wss://alto.example/directory"}, "refuses",
         at("upstream[0].directory", "http:// or https:// URI")),
        ({"upstream.1.directory": "ws://rome.example/directory"}, "refuses",
         at("upstream[1].directory", "http:// or https:// URI")),
        ({"origin": "wss://alto.example/directory"}, "refuses",
         at("origin", "http:// or https:// URI")),
        ({"upstream.0.push": "https://alto.example/push"}, "refuses",
         at("upstream[0].push", "ws:// or wss:// URI")),
        ({"upstream.1": first}, "refuses",
         at("upstream[1].directory", r"upstream\[0\]'s, too")),
        ({"upstream.1.directory": "https://ALTO.example:443/directory"},
         "refuses", at("upstream[1].directory", r"upstream\[0\]'s, too")),
        (dict(plain, **{"upstream.0.tls": {"pin": PIN}}), "refuses",
         at("upstream[0].tls.pin", "speaks no TLS")),
        (dict(plain, **{"upstream.0.tls": {"ca": b.ca}}), "refuses",
         at("upstream[0].tls.ca", "speaks no TLS")),
        ({"upstream.0.tls.pin": "B" * 43 + "!"}, "refuses",
         at("upstream[0].tls.pin", "44 characters")),
        (pulls, "warns", at("public-uri", "those alone that subscribe")),
    ])


@story("everything that is wrong is told in one run")
def all_at_once(top):
    b = Bench(top)
    settings = b.server()
    settings.update({"heartbeat": "often", "heartbeet": 5, "ca": "gone.pem"})
    settings["http"]["tls"]["key"] = "gone.key"
    settings["admin"]["listen"] = "0.0.0.0:8082"
    settings["maps"][0]["file"] = "broken.json"
    settings["maps"][1].update(file="gone.json", rebind="yes")
    settings["maps"].append({"id": "nothing"})
    settings["subscribers"][0].update({"name": "a b", "token-file": "gone"})
    code, said = b.check("alto-server", settings)
    need(code == 1, "exit %d: %s", code, said)
    for want in (at("heartbeat", "seconds"), "heartbeet.*unknown",
                 at("ca", "gone"), at("http.tls.key", "gone"),
                 "^warning: .*admin.listen", r"broken\.json:1: ",
                 at("maps[1].file", r"gone\.json"), at("maps[1].rebind", "true or false"),
                 at("maps[2].file", "missing"),
                 at("subscribers[0].name", "not 1 to 64"),
                 at("subscribers[0].token-file", "gone")):
        need(any(re.search(want, line) for line in said),
             "no \"%s\" in %s", want, said)


@story("a sample says what has to be filled in, and nothing else is wrong in it")
def sample(top):
    b = Bench(top)
    for program, wants, fill in (
            ("alto-server", ["state", "maps[0].id", "maps[0].file"],
             [("state = \"...\"", "state = \"s\""),
              ("id = \"...\"", "id = \"net\""),
              ("file = \"...\"", "file = \"network-map.json\"")]),
            ("alto-proxy", ["state", "upstream[0].directory",
                            "upstream[0].name"],
             [("state = \"...\"", "state = \"s\""),
              ("directory = \"...\"",
               "name = \"milan\"; directory = \"https://alto.example/d\"")])):
        text = subprocess.run([alto.find_bin(program), "--sample"],
                              capture_output=True, text=True,
                              timeout=alto.WAIT_S).stdout
        need("Fill in each" in text, "%s: %s", program, text[:200])
        code, said = b.check(program, text)
        need(code == 1 and len(said) == len(wants), "exit %d: %s", code, said)
        for name, line in zip(wants, said):
            need(re.search(at(name, "filled in|missing"), line), "%s", line)
        for empty, full in fill:
            text = re.sub(r"(?m)^( *)" + re.escape(empty),
                          lambda m, full=full: m[1] + full, text, count=1)
        code, said = b.check(program, text)
        need(code == 0, "filled in: exit %d: %s", code, said)
        usage = subprocess.run([alto.find_bin(program), "--help"],
                               capture_output=True, text=True,
                               timeout=alto.WAIT_S).stdout
        need("[--check | --show-config | --sample]" in usage, "%s", usage)


if __name__ == "__main__":
    sys.exit(main())
