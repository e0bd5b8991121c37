"""Who watches: a recorder that writes the history, and pollers that ask every
daemon for everything it serves, several times a second, past all relays.
"""
import email.utils
import hashlib
import http.client
import json
import threading
import time

HEADERS = ("alto-resource", "alto-proof", "alto-state", "signature-input",
           "signature", "etag", "content-type")
PATHS = {".directory": "/directory", "net": "/maps/net",
         "cost-routing": "/maps/cost-routing", "cost-hops": "/maps/cost-hops"}


class Recorder:
    """One line a record, to each of the files; t counts from the start."""

    def __init__(self, *outs):
        self.outs = outs
        self.lock = threading.Lock()
        self.zero = time.monotonic()
        self.wall = time.time()

    def now(self):
        return time.monotonic() - self.zero

    def __call__(self, k, **members):
        members.setdefault("t", round(self.now(), 4))
        text = json.dumps(dict(members, k=k)) + "\n"
        with self.lock:
            for out in self.outs:
                out.write(text)

    def flush(self):
        with self.lock:
            for out in self.outs:
                out.flush()


def named(body):
    """[resource-id, tag] of the network map that a cost map depends on."""
    try:
        vtag = json.loads(body)["meta"]["dependent-vtags"][0]
        return [vtag["resource-id"], vtag["tag"]]
    except (ValueError, KeyError, IndexError, TypeError):
        return ["", "unreadable"]


def keys_of(body):
    """{thumbprint: public key} that a directory lists."""
    try:
        doc = json.loads(body)["meta"]["redistribution"]
        return {k["kid"]: k["x"] for k in doc["keys"]["keys"]}
    except (ValueError, KeyError, TypeError):
        return {}


def proxies_of(body):
    try:
        return set(json.loads(body)["meta"]["redistribution"]["proxies"])
    except (ValueError, KeyError, TypeError):
        return set()


def position_of(body):
    try:
        doc = json.loads(body)
        return doc["session"], doc["serial"]
    except (ValueError, KeyError, TypeError):
        return None             # the checker will say so


class Poller(threading.Thread):
    def __init__(self, record, who, host, pause):
        super().__init__(daemon=True)
        self.record, self.who, self.host = record, who, host
        self.pause = pause
        self.position, self.at = None, 0.0  # and when it was asked
        self.heard = 0.0, 0.0   # when it was asked, and how far ahead its Date
        self.listed = set()     # proxies, in its directory
        self.came = self.went = 0
        self.last = {}          # path: what it answered
        self.etags = {}         # path: (ETag, digest, size, net)
        self.ends = threading.Event()
        self.may = threading.Event()
        self.idle = threading.Event()
        self.con = None
        self.may.set()
        self.start()

    def hold(self):
        """Nothing is asked, and nothing under way, until go()."""
        self.may.clear()
        self.idle.wait(10)

    def go(self):
        self.may.set()

    def stop(self):
        self.ends.set()
        self.may.set()
        self.join()

    def run(self):
        n = 0
        while not self.ends.is_set():
            if not self.may.is_set():
                self.idle.set()
                self.may.wait()
                self.idle.clear()
            n += 1
            for rid, path in [("state", "/state"), *PATHS.items()]:
                if not self.ends.is_set() and self.may.is_set():
                    self.ask(rid, path, n)
            self.ends.wait(self.pause)

    def ask(self, rid, path, n):
        headers = {}
        if n % 3 == 0 and path in self.etags:
            headers["If-None-Match"] = self.etags[path][0]
        t0 = self.record.now()
        try:
            if not self.con:
                self.con = http.client.HTTPConnection(self.host, timeout=3)
            self.con.request("GET", path, headers=headers)
            r = self.con.getresponse()
            self.take(rid, path, r, r.read(), t0)
        except (OSError, http.client.HTTPException):
            if self.con:
                self.con.close()
            self.con = None
            self.ends.wait(0.05)

    def list(self, names):
        self.came += len(names - self.listed)
        self.went += len(self.listed - names)
        self.listed = names

    def take(self, rid, path, r, body, t0):
        t1 = self.record.now()
        h = {k.lower(): v for k, v in r.getheaders()}
        if h.get("date"):
            self.heard = t0, email.utils.parsedate_to_datetime(
                h["date"]).timestamp() - self.record.wall - t1
        out = {"status": r.status, "etag": h.get("etag")}
        if rid == "state" and r.status == 304:  # what it is was told before
            return
        if rid == "state":
            out["text"] = body.decode("utf-8", "replace")
        elif r.status in (200, 304):
            if r.status == 200:
                net = None
                if rid.startswith("cost"):
                    net = named(body)
                elif rid == ".directory":
                    out["keys"] = keys_of(body)
                    self.list(proxies_of(body))
                self.etags[path] = (h.get("etag"), hashlib.sha256(
                    body).hexdigest(), len(body), net)
            _, out["sha"], out["size"], out["net"] = self.etags[path]
            out["headers"] = {k: h.get(k) for k in HEADERS}
        times = {"t0": round(t0, 4), "t1": round(t1, 4)}
        if self.last.get(rid) == out:
            self.record("again", who=self.who, id=rid, **times)
        else:
            self.last[rid] = out
            self.record("answer", who=self.who, id=rid, **times, **out)
        if rid == "state" and r.status == 200:
            self.position, self.at = position_of(body), t0
