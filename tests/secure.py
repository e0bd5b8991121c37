"""An authority of one's own, a server and proxies that speak TLS, and clients that
look at what they show: for the stories about who may do what.

Standard library, and openssl to make certificates.
"""
import hashlib
import json
import os
import shutil
import socket
import ssl
import subprocess
import time
import urllib.parse
import warnings

import alto
import beside
from alto import need, secret, wait

EXAMPLES = os.path.join(alto.SRC, "examples", "isp")
TOKENS = ["token-of-last-year-01", "token-of-this-year-02"]


# --- certificates ------------------------------------------------------------

def openssl(*args):
    r = subprocess.run(["openssl", *args], capture_output=True, text=True)
    need(r.returncode == 0, "openssl %s: %s", args[0], r.stderr.strip())


class Authority:
    """A CA in a folder; what it issues lies beside it."""

    def __init__(self, folder, name="ca"):
        os.makedirs(folder, exist_ok=True)
        self.dir = folder
        self.name = name
        self.cert = self.path(name + ".pem")
        self.key = self.path(name + ".key")
        self.serial = 0
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt",
                "ec_paramgen_curve:P-256", "-nodes", "-days", "3650",
                "-subj", "/CN=" + name, "-keyout", self.key, "-out", self.cert,
                "-addext", "keyUsage=critical,keyCertSign")

    def path(self, name):
        return os.path.join(self.dir, name)

    def issue(self, name, alt="DNS:localhost,IP:127.0.0.1", days=30, cn=None):
        """(certificate, key); days may be negative: it has expired."""
        base = self.path(name)
        openssl("req", "-newkey", "ec", "-pkeyopt",
                "ec_paramgen_curve:P-256", "-nodes", "-subj",
                "/CN=" + (cn or name), "-keyout", base + ".key.new", "-out",
                base + ".csr")
        with open(base + ".ext", "w", encoding="ascii") as f:
            if alt:
                f.write("subjectAltName=%s\n" % alt)
            f.write("extendedKeyUsage=serverAuth,clientAuth\n")
        self.serial += 1
        at = time.time()
        day = lambda t: time.strftime("%y%m%d%H%M%SZ", time.gmtime(t))
        with open(self.path("index"), "w", encoding="ascii"):
            pass
        with open(self.path("ca.conf"), "w", encoding="ascii") as f:
            f.write("[ca]\ndefault_ca=d\n[d]\ndatabase=%s\nserial=%s\n"
                    "new_certs_dir=%s\npolicy=p\ndefault_md=sha256\n"
                    "[p]\ncommonName=supplied\n"
                    % (self.path("index"), self.path("serial"), self.dir))
        with open(self.path("serial"), "w", encoding="ascii") as f:
            f.write("%04x\n" % self.serial)
        openssl("ca", "-batch", "-notext", "-config", self.path("ca.conf"),
                "-cert", self.cert, "-keyfile", self.key, "-in", base + ".csr",
                "-out", base + ".pem.new", "-extfile", base + ".ext",
                "-startdate", day(at - 90 * 86400),
                "-enddate", day(at + days * 86400))
        os.chmod(base + ".key.new", 0o600)
        for end in (".key", ".pem"):
            os.replace(base + end + ".new", base + end)
        return base + ".pem", base + ".key"

    def context(self, *pair, low=None, high=None):
        c = ssl.create_default_context(cafile=self.cert)
        if low or high:
            c.set_ciphers("ALL:@SECLEVEL=0")
            c.minimum_version = low or ssl.TLSVersion.MINIMUM_SUPPORTED
            c.maximum_version = high or ssl.TLSVersion.MAXIMUM_SUPPORTED
        if pair:
            c.load_cert_chain(*pair)
        return c


def tls(pair, **more):
    return {"tls": dict({"certificate": pair[0], "key": pair[1]}, **more)}


def print_of(path):
    with open(path, encoding="ascii") as f:
        return hashlib.sha256(ssl.PEM_cert_to_DER_cert(
            f.read().split("-----END")[0] + "-----END CERTIFICATE-----\n")
        ).hexdigest()


# --- clients -----------------------------------------------------------------

def reach(url, context, alpn=None):
    at = urllib.parse.urlsplit(url)
    if alpn:
        context.set_alpn_protocols(alpn)
    plain = socket.create_connection((at.hostname, at.port), alto.WAIT_S)
    try:
        return context.wrap_socket(plain, server_hostname=at.hostname)
    except BaseException:
        plain.close()
        raise


def shown(url, context):
    """SHA-256 of the certificate that a listener shows now."""
    with reach(url, context) as s:
        return hashlib.sha256(s.getpeercert(True)).hexdigest()


class Keeper:
    """A client that keeps its connection."""

    def __init__(self, url, context):
        self.socket = reach(url, context)
        self.print = hashlib.sha256(self.socket.getpeercert(True)).hexdigest()

    def get(self, path="/directory"):
        self.socket.sendall(("GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n"
                             % path).encode())
        data = b""
        while b"\r\n\r\n" not in data:
            more = self.socket.recv(65536)
            need(more, "the connection was closed")
            data += more
        head, body = data.split(b"\r\n\r\n", 1)
        fields = {k.strip().lower(): v.strip() for k, _, v in (
            line.partition(":") for line in head.decode().split("\r\n")[1:])}
        while len(body) < int(fields.get("content-length", 0)):
            body += self.socket.recv(65536)
        return int(head.split()[1]), fields, body

    def close(self):
        self.socket.close()


class Push(alto.Push):
    """A subscriber over TLS, or one that fails: status is the answer's."""

    def __init__(self, url, context=None, token=None, origin=None):
        at = urllib.parse.urlsplit(url)
        self.held, self.closed, self.bytes, self.status = b"", None, 0, 0
        self.socket = reach(url, context) if context else \
            socket.create_connection((at.hostname, at.port), alto.WAIT_S)
        lines = ["GET %s HTTP/1.1" % at.path, "Host: " + at.netloc,
                 "Upgrade: websocket", "Connection: Upgrade",
                 "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
                 "Sec-WebSocket-Version: 13",
                 "Sec-WebSocket-Protocol: alto-push.v1"]
        if token:
            lines.append("Authorization: Bearer " + token)
        if origin:
            lines.append("Origin: " + origin)
        self.socket.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
        while b"\r\n\r\n" not in self.held:
            more = self.socket.recv(4096)
            if not more:
                return
            self.held += more
        head, self.held = self.held.split(b"\r\n\r\n", 1)
        self.status = int(head.split()[1])

    def subscribe(self, name):
        """What comes of it: "subscribed", or the code of the close."""
        need(self.status == 101, "%s: HTTP status %d", name, self.status)
        self.until("hello")
        self.send("subscribe", name=name)
        while True:
            got = self.recv()
            if got is None:
                return self.closed
            if got[0] == "subscribed":
                return "subscribed"


def status_of(url, context=None, **more):
    p = Push(url, context, **more)
    p.close()
    return p.status


# --- daemons -----------------------------------------------------------------

class World:
    """An authority, and a server of the example ISP that shows its certificate
    on both listeners."""

    def __init__(self, top, start=True, push=None, **settings):
        self.top = top
        self.ca = Authority(os.path.join(top, "ca"))
        self.pair = self.ca.issue("server")
        self.trust = self.ca.context()
        maps = os.path.join(top, "maps")
        os.makedirs(maps, exist_ok=True)
        for name in ("network-map.json", "cost-map.json"):
            shutil.copy(os.path.join(EXAMPLES, name), maps)
        self.cost = os.path.join(maps, "cost-map.json")
        self.server = alto.Server(top, [
            ("net", os.path.join(maps, "network-map.json")),
            ("cost-routing", self.cost)], **settings)
        self.server.set("http", tls(self.pair))
        self.server.set("push", dict(tls(self.pair), **(push or {})))
        self.proxies = []
        self.next = 1000
        if start:
            self.server.start()

    def proxy(self, name, below=None, start=True, upstream=None, **settings):
        p = alto.Proxy(self.top, below or self.server, name,
                       upstream=dict({"retry-max": 1,
                                      "tls": {"ca": self.ca.cert}},
                                     **(upstream or {})), **settings)
        self.proxies.append(p)
        if start:
            p.start()
        return p

    def change(self):
        with open(self.cost, encoding="utf-8") as f:
            doc = json.load(f)
        row = doc["cost-map"][sorted(doc["cost-map"])[0]]
        self.next += 1
        row[sorted(row)[0]] = self.next
        alto.put(self.cost, json.dumps(doc))
        need(self.server.reload()["changed"], "an edit changed nothing")

    @property
    def push(self):
        return self.server.urls["push"]

    def end(self):
        for d in [*reversed(self.proxies), self.server]:
            ran = d.process is not None
            code = d.stop()
            need(not d.sanitizer(), "%s: %s", d.log, d.sanitizer())
            need(not ran or code == 0, "%s ended with %d", d.name, code)


def refuses(daemon, *texts):
    """It does not start, says why, and ends with 1."""
    before = len(daemon.lines())
    daemon.start(ready=False)
    wait(lambda: not daemon.alive(), None, "%s ends" % daemon.name)
    code = daemon.stop()
    said = "\n".join(daemon.lines()[before:])
    need(code == 1, "%s ended with %d: %s", daemon.name, code, said)
    need(not daemon.sanitizer(), "%s", said)
    for text in texts:
        need(text in said, "no \"%s\" in: %s", text, said)


def troubles(daemon):
    return {t["topic"]: t["text"] for t in daemon.status()["troubles"]}


def metric(daemon, line):
    for have in daemon.admin("/metrics")[2].decode().splitlines():
        if have.startswith(line + " "):
            return float(have.split()[-1])
    return None


# --- stories -----------------------------------------------------------------

STORIES = []


def story(what):
    def add(run):
        STORIES.append((what, run))
        return run
    return add


def main():
    """The stories that the first argument is found in."""
    warnings.simplefilter("ignore", DeprecationWarning)     # TLS 1.1
    if not shutil.which("openssl"):
        print("SKIP: openssl is not here")
        return 77
    return beside.tell(STORIES)
