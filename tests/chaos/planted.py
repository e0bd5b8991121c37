"""Histories that are right, and the same with one thing wrong: what the checker
must not and must complain of. Made here record by record, with a key of its
own; no daemon ran.
"""
import base64
import hashlib
import io
import json

import checker
import ed25519

SECRET = bytes(range(32))
STRANGER = bytes(32)
SERVICE = "6f0c1c0e-51c5-4f0e-9b0f-2d4a3f7b9a11"
SESSIONS = ["01a20486-d7a6-728d-85c6-80c1478600%02d" % i for i in range(4)]
WALL = 1_800_000_000
KINDS = {"net": "networkmap", "cost": "costmap", ".directory": "directory"}


def b64(data):
    return base64.b64encode(data).decode()


def thumbprint(public):
    text = '{"crv":"Ed25519","kty":"OKP","x":"%s"}' % url64(public)
    return url64(hashlib.sha256(text.encode()).digest())


def url64(data):
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def body(rid, edition):
    """Any text will do; that of a map tells its edition."""
    return "%s of edition %d" % (rid, 0 if rid[0] == "." else edition)


def tag_of(text):
    return hashlib.sha256(b"tag" + text.encode()).hexdigest()


def leaf_of(rid, text):
    return '"%s";tag="%s";size=%d;sha-256=:%s:;' \
        'type="application/alto-%s+json"' % (
            rid, tag_of(text), len(text),
            b64(hashlib.sha256(text.encode()).digest()), KINDS[rid])


def path_of(leaves, i):
    if len(leaves) == 1:
        return []
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    if i < k:
        return path_of(leaves[:k], i) + [checker.tree(leaves[k:])]
    return path_of(leaves[k:], i - k) + [checker.tree(leaves[:k])]


class Publication:
    """The maps of one edition at a position, signed. of: other editions."""

    def __init__(self, session, serial, edition, created=0, lives=3600,
                 secret=SECRET, **of):
        self.texts = {rid: body(rid, of.get(rid, edition))
                      for rid in sorted(KINDS)}
        self.net = tag_of(self.texts["net"])
        self.leaves = {rid: leaf_of(rid, t) for rid, t in self.texts.items()}
        self.at = SESSIONS[session], serial
        line = ':%s:;service="%s";session="%s";serial=%d;resources=%d' % (
            b64(checker.tree(self._lines())), SERVICE, *self.at,
            len(self.leaves))
        how = '("alto-state");created=%d;expires=%d;keyid="%s";' \
            'tag="alto-redistribution"' % (
                WALL + created, WALL + created + lives,
                thumbprint(ed25519.public(secret)))
        base = '"alto-state": %s\n"@signature-params": %s' % (line, how)
        self.triple = [line, "alto=" + how, "alto=:%s:" % b64(
            ed25519.sign(secret, base.encode()))]

    def _lines(self):
        return [l.encode() for l in self.leaves.values()]

    def state(self, who, t):
        text = json.dumps({
            "resources": list(self.leaves.values()), "serial": self.at[1],
            "service": SERVICE, "session": self.at[0], "state": self.triple},
            sort_keys=True, separators=(",", ":"))
        return {"k": "answer", "who": who, "id": "state", "status": 200,
                "t0": t, "t1": t + 0.01, "text": text, "etag": '"%s"' %
                hashlib.sha256(text.encode()).hexdigest()}

    def answer(self, who, rid, t):
        i = list(self.leaves).index(rid)
        text = self.texts[rid]
        out = {"k": "answer", "who": who, "id": rid, "status": 200, "t0": t,
               "t1": t + 0.01, "size": len(text),
               "sha": hashlib.sha256(text.encode()).hexdigest(), "headers": {
                   "alto-resource": self.leaves[rid],
                   "alto-proof": ":%s:;index=%d" % (b64(b"".join(
                       path_of(self._lines(), i))), i),
                   "alto-state": self.triple[0],
                   "signature-input": self.triple[1],
                   "signature": self.triple[2],
                   "etag": '"%s"' % tag_of(text),
                   "content-type": "application/alto-%s+json" % KINDS[rid]}}
        if rid == "cost":
            out["net"] = ["net", self.net]
        return out


def begin():
    public = ed25519.public(SECRET)
    return {"k": "begin", "seed": 7, "service": SERVICE, "wall": WALL,
            "settle": 1.5, "limit": 5, "proxies": ["milan"],
            "keys": {thumbprint(public): url64(public)}}


def edition(e, t):
    return {"k": "edition", "edition": e, "t": t, "bodies": {
        rid: hashlib.sha256(body(rid, e).encode()).hexdigest()
        for rid in ("net", "cost")}}


def publish(pub, e, t):
    return {"k": "publish", "edition": e, "session": pub.at[0],
            "serial": pub.at[1], "t0": t, "t1": t}


def back(who, to, t):
    return {"k": "back", "who": who, "to": to, "t": t}


class Story:
    """Three publications, all seen everywhere, then calm and a fourth."""

    def __init__(self):
        self.pubs = [Publication(0, n + 1, n + 1) for n in range(4)]
        self.head = [begin(), *(edition(e, 0) for e in range(1, 9))]
        self.body = []
        self.t = 1.0

    def see(self, pub, *whose):
        for who in whose or ("server", "milan"):
            for rid in KINDS:
                self.body.append(pub.answer(who, rid, self.tick()))
            self.body.append(pub.state(who, self.tick()))
        return self

    def add(self, *records):
        self.body += records
        return self

    def tick(self, by=0.1):
        self.t += by
        return self.t

    def start(self):
        for e, pub in enumerate(self.pubs[:3]):
            self.add(publish(pub, e + 1, self.tick())).see(pub)
        return self

    def calm(self, late=0, after=0, arrives=True):
        """late: before the proxy is there; after: the same, of the edition
        that is published then."""
        old, new = self.pubs[2:]
        self.add({"k": "calm", "t": self.tick()}).see(old, "server")
        self.tick(late)
        self.see(old, "milan")
        self.add(edition(4, self.tick())).see(new, "server")
        self.add(publish(new, 4, self.tick()))
        self.tick(after)
        if arrives:
            self.see(new, "milan")
        return self.add({"k": "calmed", "t": self.tick()})

    def records(self):
        return self.head + self.body


def found(story):
    """The promises that the checker finds broken, and what it printed."""
    out = io.StringIO()
    c = checker.Checker(out)
    for r in story.records():
        c.feed(json.loads(json.dumps(r)))   # as from a file
    c.end()
    return dict(c.found), out.getvalue()


def changed(pub, who, rid, t, **headers):
    r = pub.answer(who, rid, t)
    r["headers"].update({k.replace("_", "-"): v for k, v in headers.items()})
    return r


def flip(text, at=-3):
    return text[:at] + ("A" if text[at] != "A" else "B") + text[at + 1:]


def right():
    """(what, story): nothing is wrong in these."""
    yield "a plain history", Story().start().calm()
    s = Story().start()
    s.add(back("milan", s.pubs[0].at, s.tick()))
    yield "a proxy from an older copy", s.see(s.pubs[0], "milan").calm()
    s = Story().start()
    s.add(back("server", s.pubs[0].at, s.tick()))
    s.see(s.pubs[0], "server").see(Publication(0, 2, 5), "server")
    yield "a server from an older copy", s.see(Publication(1, 1, 6))
    s = Story().start()
    s.add({"k": "clock", "who": "milan", "t": s.tick(), "offset": 7200.0})
    s.tick(3)
    yield "503 when all has expired", s.add(dict(
        s.pubs[2].state("milan", s.tick()), status=503))
    s = Story().start()
    slow = dict(s.pubs[0].state("milan", 0.5), t1=s.tick())
    yield "an answer that was long under way", s.add(slow)
    s = Story().start()
    s.add(announces(s.pubs[2], STRANGER, s.tick()))
    yield "a key that was announced", s.see(
        Publication(0, 4, 4, secret=STRANGER))
    s = Story().start().calm()
    s.body.pop()
    s.see(Publication(0, 5, 4), "server")   # it lists somebody
    yield "a directory that changes when all are there", s.add(
        {"k": "calmed", "t": s.tick()})


def announces(pub, secret, t):
    """Its directory lists the key of that secret too."""
    public = ed25519.public(secret)
    return dict(pub.answer("server", ".directory", t),
                keys={thumbprint(public): url64(public)})


def wrong():
    """(promise, what, story): one thing is wrong in each."""
    s = Story().start()
    yield "ordered", "an older position", s.see(s.pubs[1], "milan")
    s = Story().start()
    s.add(back("milan", s.pubs[1].at, s.tick()))
    yield "ordered", "below what was put back", s.see(s.pubs[0], "milan")
    s = Story().start()
    yield "unique", "another root at one daemon", s.add(fork(s, "milan"))
    s = Story().start()
    yield "unique", "another root at another daemon", s.add(fork(s, "rome"))
    s = Story().start()
    s.add(back("server", s.pubs[2].at, s.tick()))
    yield "unique", "a fork above a copy that was put back", s.add(
        fork(s, "milan"))
    s = Story()
    yield "atomic", "maps of two editions under one root", s.see(
        Publication(0, 1, 2, cost=1))
    s = Story().start()
    r = s.pubs[2].answer("milan", "cost", s.tick())
    r["net"] = ["net", s.pubs[0].net]
    yield "atomic", "a cost map beside another network map", s.add(r)
    for what, r in unverified(Story().start()):
        yield "verified", what, Story().start().add(r)
    s = Story().start()
    yield "published", "a map that is in no file", s.see(Publication(0, 4, 99))
    s = Story().start()
    yield "published", "an older edition at a later position", s.see(
        Publication(0, 4, 2))
    s = Story().start().add(publish(Publication(0, 4, 5), 5, 90))
    yield "published", "another edition than was acknowledged", s.see(s.pubs[3])
    yield from timed()


def fork(s, who):
    """The same maps with another directory: a root of its own."""
    pub = Publication(0, 3, 3)
    pub.texts[".directory"] = "another directory"
    pub.leaves[".directory"] = leaf_of(".directory", "another directory")
    return resigned(pub).state(who, s.tick())


def resigned(pub):
    """Signs what its leaves are now."""
    line = pub.triple[0].split(";", 1)[1]
    pub.triple[0] = ":%s:;%s" % (b64(checker.tree(pub._lines())), line)
    base = '"alto-state": %s\n"@signature-params": %s' % (
        pub.triple[0], pub.triple[1][len("alto="):])
    pub.triple[2] = "alto=:%s:" % b64(ed25519.sign(SECRET, base.encode()))
    return pub


def unverified(s):
    new, old, t = s.pubs[2], s.pubs[1], 50.0
    answer = new.answer("milan", "net", t)
    h = answer["headers"]
    yield "another body", dict(answer, sha="0" * 64)
    yield "another size", dict(answer, size=1)
    yield "a flipped bit in the signature", changed(
        new, "milan", "net", t, signature=flip(h["signature"], 20))
    yield "a flipped bit in the proof", changed(
        new, "milan", "net", t, alto_proof=flip(h["alto-proof"], 9))
    yield "a proof that is too short", changed(
        new, "milan", "net", t, alto_proof="::;index=2")
    yield "the leaf of another map", changed(
        new, "milan", "net", t, alto_resource=new.leaves["cost"])
    yield "headers of another state", changed(
        new, "milan", "net", t, alto_state=old.triple[0],
        signature_input=old.triple[1], signature=old.triple[2])
    yield "a header that is missing", changed(
        new, "milan", "net", t, alto_proof=None)
    yield "another ETag", changed(new, "milan", "net", t, etag='"x"')
    yield "a key of somebody else", Publication(
        0, 3, 3, secret=STRANGER).state("milan", t)
    yield "a key that its own directory alone announces", announces(
        Publication(0, 4, 4, secret=STRANGER), STRANGER, t)
    state = new.state("milan", t)
    doc = json.loads(state["text"])
    doc["resources"].pop()
    text = json.dumps(doc, sort_keys=True, separators=(",", ":"))
    yield "a leaf left out", dict(state, text=text, etag='"%s"' %
                                  hashlib.sha256(text.encode()).hexdigest())
    yield "a state document under another ETag", dict(state, etag='"x"')


def timed():
    s = Story().start()
    s.tick(3700)
    yield "unexpired", "what has expired", s.see(s.pubs[2], "milan")
    s = Story().start()
    s.add({"k": "clock", "who": "milan", "t": s.tick(), "offset": 7200.0})
    s.tick(3)
    yield "unexpired", "what has expired by its own clock", s.see(
        s.pubs[2], "milan")
    s = Story().start()
    yield "available", "503 though what it served lives", s.add(
        dict(s.pubs[2].state("milan", s.tick()), status=503))
    s = Story().start()
    yield "sessions", "a session without a reason", s.see(
        Publication(1, 1, 5))
    yield "convergent", "a proxy that comes late", Story().start().calm(late=9)
    yield "resumable", "the next edition comes late", Story().start().calm(
        after=9)
    yield "resumable", "the next edition does not come", Story().start().calm(
        arrives=False)
