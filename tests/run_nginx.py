#!/usr/bin/env python3
"""A real nginx with examples/nginx/altocast.conf in front of a real server: what
it keeps and codes still verifies, its 304s and ranges are right, a proxy that
fetches its bodies through it gets whole sets, and what it has kept too long
leads nobody to believe anything that is not so.

Usage: run_nginx.py
"""
import gzip
import http.client
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import alto  # noqa: E402
from alto import need  # noqa: E402

tests = alto.Tests()
CONF = os.path.join(alto.SRC, "examples", "nginx", "altocast.conf")
PIDS = ["p%02d" % i for i in range(60)]
OURS = ("alto-resource", "alto-proof", "alto-state", "signature-input",
        "signature", "etag", "content-type", "cache-control", "alto-status")


def load_verifier():
    spec = importlib.util.spec_from_file_location("alto_verify", alto.VERIFY)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


verifier = load_verifier()


class Site:
    """A server with a cost map of some 40 KB, and what it published."""

    def __init__(self, top):
        self.net = os.path.join(top, "net.json")
        self.cost = os.path.join(top, "cost.json")
        self.step = 0
        pids = {p: {"ipv4": ["10.%d.0.0/16" % i]} for i, p in enumerate(PIDS)}
        pids["rest"] = {"ipv4": ["0.0.0.0/0"], "ipv6": ["::/0"]}
        alto.put(self.net, json.dumps({
            "meta": {"vtag": {"resource-id": "net", "tag": "t"}},
            "network-map": pids}))
        self.write()
        self.server = alto.at_home(alto.Server(
            top, [("net", self.net), ("cost", self.cost)], heartbeat=2,
            signing={"lifetime": 60},
            http={"listen": "127.0.0.1:0", "forwarders": ["127.0.0.1"]}))
        self.server.start()
        self.key = self.server.status()["key"]
        self.paths = ["/directory"] + sorted(self.server.maps().values())

    def write(self):
        alto.put(self.cost, json.dumps({
            "meta": {"dependent-vtags": [{"resource-id": "net", "tag": "t"}],
                     "cost-type": {"cost-metric": "routingcost",
                                   "cost-mode": "numerical"}},
            "cost-map": {s: {d: (i * 7 + k) % 97 + self.step
                             for k, d in enumerate(PIDS)}
                         for i, s in enumerate(PIDS)}}))

    def change(self):
        self.step += 1
        self.write()
        self.server.reload()


class Nginx:
    """The example as it is, but for ports and folders."""

    def __init__(self, top, server, **change):
        self.program = shutil.which("nginx") or next(
            (p for p in ("/usr/sbin/nginx",) if os.access(p, os.X_OK)), None)
        if not self.program:
            raise alto.Skip("nginx is not there")
        self.dir = os.path.join(top, "nginx")
        os.makedirs(os.path.join(self.dir, "tmp"))
        self.port = alto.free_port()
        self.url = "http://127.0.0.1:%d" % self.port
        self.urls = {"push": "ws://127.0.0.1:%d/push" % self.port}
        self.write(server)
        self.process = None

    def write(self, server):
        with open(CONF) as f:
            text = f.read()
        for old, new in (
                ("listen 80;", "listen 127.0.0.1:%d;" % self.port),
                ("127.0.0.1:8090", server.urls["http"].split("/")[2]),
                ("127.0.0.1:8091", server.urls["push"].split("/")[2]),
                ("/var/cache/nginx/altocast", self.dir + "/cache")):
            need(text.count(old) == 1, "%s stands %d times in %s", old,
                 text.count(old), CONF)
            text = text.replace(old, new)
        alto.put(os.path.join(self.dir, "altocast.conf"), text)
        temp = "".join("%s_temp_path tmp/%s; " % (w, w) for w in (
            "client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        user = "user root;\n" if os.getuid() == 0 else ""
        alto.put(os.path.join(self.dir, "nginx.conf"), user + """
daemon off; worker_processes 1; pid nginx.pid; error_log error.log;
events { worker_connections 256; }
http { access_log off; %s
       include altocast.conf; }
""" % temp)

    def run(self, *args):
        return [self.program, "-p", self.dir, "-e", "error.log", "-c",
                os.path.join(self.dir, "nginx.conf"), *args]

    def check(self):
        r = subprocess.run(self.run("-t"), capture_output=True, text=True)
        need(r.returncode == 0 and "warn" not in r.stderr, "%s", r.stderr)

    def start(self):
        self.process = subprocess.Popen(self.run())
        alto.wait(lambda: self.get("/directory")[0] == 200, None,
                  "nginx answers")

    def stop(self):
        if self.process:
            self.process.terminate()
            self.process.wait(alto.WAIT_S)

    def get(self, path, headers=None, **more):
        return alto.get(self.url + path, headers, **more)


def check(site, path, got, at=None):
    """The body under the headers of one answer; its serial."""
    status, headers, body = got
    need(status == 200, "%s: %d", path, status)
    coding = headers.pop("content-encoding", "identity")
    if coding == "gzip":
        body = gzip.decompress(body)
    else:
        need(coding == "identity", "coding %s", coding)
    lines = http.client.HTTPMessage()
    for name, value in headers.items():
        lines[name] = value
    keys = verifier.keys_of(site.server_directory)
    try:
        resource = verifier.check_body(lines, body)
        state = verifier.check_proof(lines, resource)
        verifier.check_signature(lines, state, {site.key: keys[site.key]},
                                 int(at or time.time()))
    except verifier.NotValid as e:
        raise alto.Failed("%s: %s" % (path, e)) from None
    return int(state["serial"])


def invalid(site, path, got, at):
    try:
        check(site, path, got, at)
    except alto.Failed as e:
        return str(e)
    raise alto.Failed("%s is believed" % path)


# --- what nginx gives --------------------------------------------------------

def verifies(site, nginx):
    with tests("what comes through verifies, with our headers as they were",
               site.server):
        for path in site.paths:
            through, here = nginx.get(path), site.server.get(path)
            check(site, path, through)
            need(through[2] == here[2], "%s: other bytes", path)
            need(not set(OURS) - set(through[1]), "%s lacks %s", path,
                 set(OURS) - set(through[1]))
            need("Accept-Encoding" in through[1]["vary"], "%s", through[1])
        alto.verify([nginx.url + p for p in site.paths], site.key)
        need(nginx.get("/directory")[1].get("alto-push") is not None,
             "no ALTO-Push")
    with tests("what it has kept verifies", site.server):
        def kept():
            got = nginx.get("/maps/cost")
            check(site, "/maps/cost", got)
            return got[1]["x-cache"] == "HIT"
        alto.wait(kept, None, "an answer from the cache")
    with tests("what it has packed itself verifies", site.server):
        # The server has not coded a new version yet when it is first asked
        # for it: identity comes, and nginx packs that.
        site.change()

        def packed():
            got = nginx.get("/maps/cost", {"Accept-Encoding": "gzip",
                                           "Cache-Control": "no-cache"})
            tag, coding = got[1]["etag"], got[1].get("content-encoding")
            check(site, "/maps/cost", got)
            if coding == "gzip" and tag.endswith('-gzip"'):
                site.change()           # too late: coded by the server
            return coding == "gzip" and re.fullmatch('W/"[0-9a-f]{64}"', tag)
        alto.wait(packed, None, "a body that nginx packed")
    with tests("what the server has packed verifies, from the cache too",
               site.server):
        def coded():
            got = nginx.get("/maps/cost", {"Accept-Encoding": "gzip"})
            coding, tag = got[1].get("content-encoding"), got[1]["etag"]
            check(site, "/maps/cost", got)
            return (coding == "gzip" and tag.endswith('-gzip"') and
                    got[1]["x-cache"] == "HIT")
        alto.wait(coded, None, "a body that the server packed")


def conditional(site, nginx):
    with tests("an ETag that nginx made weak brings a 304, at nginx and at the "
               "server", site.server):
        for headers in ({}, {"Accept-Encoding": "gzip"}):
            tag = nginx.get("/maps/net", headers)[1]["etag"]
            strong = '"%s"' % re.search("[0-9a-f]{64}", tag)[0]
            for sent in (tag, strong, "W/" + strong):
                got = nginx.get("/maps/net", dict(
                    headers, **{"If-None-Match": sent}))
                if "-gzip" in tag and sent != tag:
                    need(got[0] in (200, 304), "%s: %d", sent, got[0])
                    continue
                need(got[0] == 304 and not got[2], "%s: %d", sent, got[0])
                need(not set(OURS) - set(got[1]) - {"content-type"},
                     "the 304 lacks %s", set(OURS) - set(got[1]))
        got = site.server.get("/maps/net", {"If-None-Match": "W/" + strong})
        need(got[0] == 304, "the server: %d", got[0])
    with tests("the headers of a 304 make an older copy new", site.server):
        old = nginx.get("/maps/net")
        created = signed(old)
        alto.wait(lambda: signed(nginx.get("/maps/net")) > created, None,
                  "a later signature comes through")
        got = nginx.get("/maps/net", {"If-None-Match": old[1]["etag"]})
        need(got[0] == 304 and signed(got) > created, "%s", got)
        check(site, "/maps/net", (200, dict(
            got[1], **{"content-type": old[1]["content-type"]}), old[2]))
    with tests("ranges are those of the body, and If-Range holds",
               site.server):
        whole = nginx.get("/maps/cost")
        got = nginx.get("/maps/cost", {"Range": "bytes=100-299"})
        need(got[0] == 206 and got[2] == whole[2][100:300], "%d", got[0])
        got = nginx.get("/maps/cost", {"Range": "bytes=-50",
                                       "If-Range": whole[1]["etag"]})
        need(got[0] == 206 and got[2] == whole[2][-50:], "%d", got[0])
        got = nginx.get("/maps/cost", {"Range": "bytes=0-9",
                                       "If-Range": '"another"'})
        need(got[0] == 200 and got[2] == whole[2], "%d", got[0])
        head = nginx.get("/maps/cost", method="HEAD")
        need(head[0] == 200 and head[1]["alto-resource"] ==
             whole[1]["alto-resource"] and not head[2], "%s", head)


def signed(got):
    return int(re.search(r"created=(\d+)", got[1]["signature-input"])[1])


def services(site, nginx):
    def ask(**more):
        entry = next(
            e for e in site.server.directory()["resources"].values()
            if e.get("accepts") == "application/alto-endpointcostparams+json")
        body = json.dumps({"cost-type": {"cost-metric": "routingcost",
                                         "cost-mode": "numerical"},
                           "endpoints": more}).encode()
        return nginx.get("/" + entry["uri"], {"Content-Type": entry["accepts"],
                                              "Accept-Encoding": "gzip"},
                         method="POST", body=body)

    with tests("a POST is answered anew each time", site.server):
        before = site.server.status()["counters"]["computed"]
        for _ in range(3):
            got = ask(srcs=["ipv4:10.1.0.1"],
                      dsts=["ipv4:10.%d.0.1" % i for i in range(60)])
            need(got[0] == 200 and got[1].get("x-cache") != "HIT", "%s",
                 got[1])
            body = got[2]
            if got[1].get("content-encoding") == "gzip":
                body = gzip.decompress(body)
            need(len(json.loads(body)["endpoint-cost-map"]
                     ["ipv4:10.1.0.1"]) == 60, "%s", body[:200])
        after = site.server.status()["counters"]["computed"]
        need(after == before + 3, "%d answered", after - before)
    with tests("a client's own address comes through", site.server):
        got = ask(dsts=["ipv4:10.1.0.1"])
        need(got[0] == 200 and b"127.0.0.1" not in got[2], "%s", got)


# --- what is behind it -------------------------------------------------------

def behind(top, site, nginx):
    """Maps change all the time and nginx keeps what it has for 2 s."""
    proxy = alto.Proxy(top, nginx, "behind", upstream={
        "push": nginx.urls["push"], "retry-max": 1})
    with tests("a proxy that subscribes and fetches through it is in step",
               site.server, proxy):
        proxy.start()
        alto.in_step(site.server, proxy)
        site.change()
        alto.in_step(site.server, proxy)
        for path in site.paths:
            need(proxy.get(path)[2] == site.server.get(path)[2], path)
    with tests("sets that are fetched from an old cache are whole and new",
               site.server, proxy):
        for _ in range(5):
            proxy.stop()
            shutil.rmtree(proxy.state)
            for path in site.paths:
                nginx.get(path)         # what is kept is old from now on
            site.change()
            proxy.start()
            alto.in_step(site.server, proxy)
            for path in site.paths:
                need(proxy.get(path)[2] == site.server.get(path)[2], path)
        alto.verify([proxy.url + p for p in site.paths], site.key)
    proxy.stop()


def polling(top, site, nginx):
    proxy = alto.Proxy(top, nginx, "polling", upstream={
        "mode": "pull", "retry-max": 1})
    with tests("a proxy that polls through it gets whole sets, and the newest",
               site.server, proxy):
        proxy.start()
        for _ in range(4):
            alto.in_step(site.server, proxy)
            for path in site.paths:
                need(proxy.get(path)[2] == site.server.get(path)[2], path)
                nginx.get(path)         # what is kept is old from now on
            site.change()
        alto.in_step(site.server, proxy)
        alto.verify([proxy.url + p for p in site.paths], site.key)
    proxy.stop()


def kept_too_long(top, site, nginx):
    with tests("what is kept is older for a while, never wrong",
               site.server):
        nginx.get("/maps/cost", {"Cache-Control": "no-cache"})
        old = nginx.get("/maps/cost")
        was = check(site, "/maps/cost", old)
        site.change()
        seen = []

        def new():
            got = nginx.get("/maps/cost")
            seen.append(check(site, "/maps/cost", got))
            return seen[-1] > was
        alto.wait(new, None, "the new map comes through by itself")
        need(seen == sorted(seen), "it went back: %s", seen)
        site.change()
        now = check(site, "/maps/cost", nginx.get(
            "/maps/cost", {"Cache-Control": "no-cache"}))
        need(now == site.server.status()["serial"], "no-cache gives %d", now)
    with tests("with the server away what is kept verifies until its "
               "signature ends, and no longer", site.server):
        got = nginx.get("/maps/cost")
        site.server.stop()
        end = int(re.search(r"expires=(\d+)", got[1]["signature-input"])[1])

        def stale():
            got = nginx.get("/maps/cost")
            check(site, "/maps/cost", got)
            return got[1]["x-cache"] == "STALE"
        alto.wait(stale, None, "the copy is out of date")
        got = nginx.get("/maps/cost")
        why = invalid(site, "/maps/cost", got, end + 3)
        need("expired" in why, "%s", why)
        need(nginx.get("/state", {"Cache-Control": "no-cache"})[0] in
             (200, 502), "the state")
        site.server.start()
        alto.wait(lambda: check(site, "/maps/cost", nginx.get(
            "/maps/cost")) == site.server.status()["serial"], None,
            "the server is back, and is heard")


def main():
    with alto.folder() as top:
        site = Site(top)
        site.server_directory = site.server.get("/directory")[2]
        nginx = None
        with tests("the example is a configuration that nginx takes"):
            nginx = Nginx(top, site.server)
            nginx.check()
        if not nginx:
            return tests.end()
        try:
            nginx.start()
            verifies(site, nginx)
            conditional(site, nginx)
            services(site, nginx)
            behind(top, site, nginx)
            polling(top, site, nginx)
            kept_too_long(top, site, nginx)
        finally:
            nginx.stop()
    return tests.end()


if __name__ == "__main__":
    sys.exit(main())
