#!/usr/bin/env python3
"""Reads the history of a run and says where a promise was broken.

  checker.py FILE|-

A history has one JSON object a line (docs/reliability.md lists them): what was
written into map files, what was done to whom, and every answer that anybody
gave. Nothing of the daemons is used here, nor of the program that made the
history: signatures, proofs and digests are computed anew.

ordered      no daemon serves a position below one it served before, unless its
             state directory was put back, and then not below that
unique       one root a position; one more for each time that the server's
             directory was put back below it, but never two at one daemon
atomic       what is served together belongs together: every map of a state is
             of one edition of the files, and a cost map names the network map
             of its own state
verified     each answer's digest, proof and signature hold under the key
published    each map is one that the files had, and later positions have later
             editions
unexpired    200 only while the signature lives, by the clock of that daemon
available    once it served, a daemon answers until that has expired
sessions     a new session only after history was lost, or on command
convergent   after the last fault all serve the head of the server in time
resumable    and the next edition arrives, with nobody's help

Exit 0: all hold; 1: violations, each with the records that contradict each
other and the seed; 2: not a history, or nothing in it to check.
"""
import base64
import bisect
import collections
import hashlib
import json
import re
import sys

import ed25519

BASE64 = r"[A-Za-z0-9+/]*={0,2}"
LEAF = re.compile(
    r'"(?P<id>[^"]+)";tag="(?P<tag>[0-9a-f]{64})";size=(?P<size>\d+)'
    r';sha-256=:(?P<sha>%s):;type="(?P<type>[^"]+)"' % BASE64)
STATE = re.compile(
    r':(?P<root>%s):;service="(?P<service>[0-9a-f-]{36})"'
    r';session="(?P<session>[0-9a-f-]{36})";serial=(?P<serial>\d+)'
    r';resources=(?P<count>\d+)' % BASE64)
PROOF = re.compile(r':(?P<path>%s):;index=(?P<index>\d+)' % BASE64)
INPUT = re.compile(
    r'alto=(?P<params>\("alto-state"\);created=(?P<created>\d+)'
    r';expires=(?P<expires>\d+);keyid="(?P<keyid>[\w-]{43})"'
    r';tag="alto-redistribution")')
SIGNATURE = re.compile(r'alto=:(?P<bytes>%s):' % BASE64)

State = collections.namedtuple("State", "session serial root count created "
                               "expires")
SHOWN = 600                     # characters of a record in a complaint
MOST = 50                       # complaints in all
KEPT = 500                      # moves of one daemon


class Wrong(Exception):
    """An answer that does not verify."""


def read(form, text, what):
    got = form.fullmatch(text or "")
    if not got:
        raise Wrong("%s: %r" % (what, text))
    return got


def sha256(*parts):
    return hashlib.sha256(b"".join(parts)).digest()


def tree(leaves):
    """RFC 9162 s2.1.1"""
    if len(leaves) == 1:
        return sha256(b"\0", leaves[0])
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    return sha256(b"\1", tree(leaves[:k]), tree(leaves[k:]))


def climb(here, index, count, path):
    """RFC 9162 s2.1.3.2"""
    last = count - 1
    if index > last:
        raise Wrong("proof: index %d of %d" % (index, count))
    for side in path:
        if not last:
            raise Wrong("proof: too long")
        if index % 2 or index == last:
            here = sha256(b"\1", side, here)
            while index and not index % 2:
                index, last = index >> 1, last >> 1
        else:
            here = sha256(b"\1", here, side)
        index, last = index >> 1, last >> 1
    if last:
        raise Wrong("proof: too short")
    return here


class Verifier:
    """Triples and proofs; each is computed once, for most come often."""

    def __init__(self, keys, service):
        self.keys, self.service = keys, service
        self.states, self.proofs = {}, {}

    def state(self, triple):
        triple = tuple(triple)
        if triple not in self.states:
            self.states[triple] = self._state(*triple)
        return self.states[triple]

    def _state(self, line, given, signature):
        at = read(STATE, line, "ALTO-State")
        how = read(INPUT, given, "Signature-Input")
        sig = read(SIGNATURE, signature, "Signature")
        if at["service"] != self.service:
            raise Wrong("another service")
        if how["keyid"] not in self.keys:
            raise Wrong("signed by %s, a key of somebody else" % how["keyid"])
        base = '"alto-state": %s\n"@signature-params": %s' % (
            line, how["params"])
        if not ed25519.verify(self.keys[how["keyid"]], base.encode(),
                              base64.b64decode(sig["bytes"])):
            raise Wrong("the signature is wrong")
        return State(at["session"], int(at["serial"]), at["root"],
                     int(at["count"]), int(how["created"]),
                     int(how["expires"]))

    def proof(self, leaf, line, state):
        key = leaf, line, state.root
        if key not in self.proofs:
            got = read(PROOF, line, "ALTO-Proof")
            raw = base64.b64decode(got["path"])
            path = [raw[i:i + 32] for i in range(0, len(raw), 32)]
            root = climb(sha256(b"\0", leaf.encode()), int(got["index"]),
                         state.count, path)
            if base64.b64encode(root).decode() != state.root:
                raise Wrong("the proof leads to another root")
            self.proofs[key] = True


class Daemon:
    """What one daemon served until now."""

    def __init__(self):
        self.done = []          # times at which answers were complete ...
        self.highest = []       # ... and the highest (position, record) then
        self.held = {}          # position: (root, record)
        self.last = None        # newest State
        self.ignored = 0.0      # answers asked for before this do not count
        self.stopping = False
        self.clock = [(0.0, 0.0)]
        self.full = {}          # what was asked for: the last whole record

    def note(self, t, at, record):
        """An answer was complete."""
        if self.highest and self.highest[-1][0] >= at:
            return
        self.done.append(max(t, self.done[-1] if self.done else t))
        self.highest.append((at, record))
        del self.done[:-KEPT], self.highest[:-KEPT]

    def floor(self, t):
        """(position, record) below which nothing may be that was asked for
        at t: answers may overtake one another."""
        i = bisect.bisect(self.done, t)
        return self.highest[i - 1] if i else (None, None)

    def put_back(self, to, t):
        self.done, self.highest = [], []
        if to:
            self.note(t, tuple(to), None)
        self.last = None
        self.ignored = t
        self.held = {p: v for p, v in self.held.items()
                     if to and p <= tuple(to)}

    def offsets(self, begin, end):
        """Those that its clock may have had between the two."""
        out = []
        for i, (t, offset) in enumerate(self.clock):
            next_t = self.clock[i + 1][0] if i + 1 < len(self.clock) else end
            if t <= end and next_t >= begin:
                out.append(offset)
        return out


class Checker:
    def __init__(self, out=sys.stdout):
        self.out = out
        self.number = 0
        self.seed = None
        self.found = collections.Counter()
        self.did = collections.Counter()
        self.times = {"convergent": [], "resumable": []}
        self.daemons = collections.defaultdict(Daemon)
        self.texts = collections.defaultdict(dict)  # id: {sha: edition}
        self.roots = collections.defaultdict(dict)  # position: {root: record}
        self.content = {}       # root: (editions, record)
        self.lines = {}         # root: leaves as they came
        self.leaves = {}        # root: {id: tag}
        self.depends = collections.defaultdict(list)
        self.editions = {}      # session: (serials, {serial: edition, record})
        self.sessions = {}
        self.causes = 1         # of sessions; the first needs none
        self.backs = []         # of the server
        self.touched = set()    # sessions that were gone back in
        self.calm = None
        self.begun = None

    def blame(self, promise, why, *records):
        self.found[promise] += 1
        if sum(self.found.values()) > MOST:
            return
        print("VIOLATION %s: %s (seed %s, line %d)" % (
            promise, why, self.seed, self.number), file=self.out)
        for r in records:
            print("    %s" % (json.dumps(r)[:SHOWN] if r else
                              "(where its state directory was put back to)"),
                  file=self.out)
        self.out.flush()

    def feed(self, r):
        self.number += 1
        if not self.begun and r["k"] != "begin":
            raise ValueError("a history begins with its beginning")
        self.did[r["k"]] += 1
        getattr(self, "on_" + r["k"], lambda r: None)(r)

    # --- what was done -------------------------------------------------------

    def on_begin(self, r):
        self.begun, self.seed = r, r["seed"]
        self.verifier = Verifier(
            {k: base64.urlsafe_b64decode(x + "=")
             for k, x in r["keys"].items()}, r["service"])

    def on_edition(self, r):
        for rid, sha in r["bodies"].items():
            self.texts[rid].setdefault(sha, set()).add(r["edition"])
        if self.calm:
            self.calm_over("convergent")
            self.on_calm(r)

    def on_life(self, r):
        self.daemons[r["who"]].stopping = r["what"] == "stop"

    def on_clock(self, r):
        self.daemons[r["who"]].clock.append((r["t"], r["offset"]))

    def on_back(self, r):
        self.daemons[r["who"]].put_back(r["to"], r["t"])
        if r["who"] == "server":
            self.causes += 1
            self.backs.append(r["to"])
            self.touched.update([r["to"][0]] if r["to"] else self.sessions)

    def on_command(self, r):
        if r["what"] == "session new":
            self.causes += 1

    def on_publish(self, r):
        self.edition_at(r["session"], r["serial"], {r["edition"]}, r)
        if self.calm:
            self.aim((r["session"], r["serial"]))

    # --- what was answered ---------------------------------------------------

    def on_again(self, r):
        whole = self.daemons[r["who"]].full[r["id"]]
        self.answer(dict(whole, t0=r["t0"], t1=r["t1"]))

    def on_answer(self, r):
        self.daemons[r["who"]].full[r["id"]] = r
        self.answer(r)

    def answer(self, r):
        d = self.daemons[r["who"]]
        if r["t0"] < d.ignored:
            return
        if r["status"] not in (200, 304):
            return self.refused(d, r)
        try:
            state = self.check_state(r) if r["id"] == "state" else \
                self.check_body(r)
        except (Wrong, KeyError, ValueError, TypeError) as e:
            return self.blame("verified", repr(e), r)
        self.did["answers checked"] += 1
        self.check_order(d, r, state)
        self.check_unique(d, r, state)
        self.check_expiry(d, r, state)
        self.check_session(r, state)
        if r["id"] == "state":
            self.note_calm(r, (state.session, state.serial))
        return None

    def refused(self, d, r):
        if not d.last or d.stopping:
            return
        latest = self.begun["wall"] + r["t1"] + max(d.offsets(
            r["t0"] - self.begun["settle"], r["t1"]))
        if latest + 1 < d.last[0].expires:
            self.blame("available", "%s answers %d though what it served "
                       "lives" % (r["who"], r["status"]), d.last[1], r)

    def check_state(self, r):
        doc = json.loads(r["text"])
        state = self.verifier.state(doc["state"])
        if r["etag"] != '"%s"' % hashlib.sha256(
                r["text"].encode()).hexdigest():
            raise Wrong("ETag is not the digest")
        if (doc["session"], doc["serial"]) != state[:2]:
            raise Wrong("the members beside the triple say something else")
        if self.lines.get(state.root) != doc["resources"]:
            self.new_leaves(r, state, doc["resources"])
        self.edition_at(state.session, state.serial,
                        self.content.get(state.root, (None,))[0], r)
        return state

    def new_leaves(self, r, state, lines):
        root = tree([l.encode() for l in lines])
        if base64.b64encode(root).decode() != state.root or \
                len(lines) != state.count:
            raise Wrong("the leaves do not give the root")
        self.lines[state.root] = lines
        leaves = self.leaves[state.root] = {}
        for line in lines:
            leaf = read(LEAF, line, "leaf")
            leaves[leaf["id"]] = leaf["tag"]
            self.check_content(r, state, leaf)
        for net, other in self.depends.pop(state.root, []):
            self.check_depends(state.root, net, other, r)

    def check_body(self, r):
        h = r["headers"]
        state = self.verifier.state(
            [h["alto-state"], h["signature-input"], h["signature"]])
        leaf = read(LEAF, h["alto-resource"], "ALTO-Resource")
        self.verifier.proof(h["alto-resource"], h["alto-proof"], state)
        if leaf["id"] != r["id"]:
            raise Wrong("the leaf is of %s" % leaf["id"])
        if h["etag"] != '"%s"' % leaf["tag"] or (
                r["status"] == 200 and h["content-type"] != leaf["type"]):
            raise Wrong("ETag or type is not the leaf's")
        if base64.b64decode(leaf["sha"]).hex() != r["sha"] or \
                int(leaf["size"]) != r["size"]:
            raise Wrong("the body is not the leaf's")
        self.check_content(r, state, leaf)
        for kid, x in r.get("keys", {}).items():    # in a directory: announced
            self.verifier.keys.setdefault(kid, base64.urlsafe_b64decode(
                x + "="))
        if r.get("net"):
            self.check_depends(state.root, r["net"], r, None)
        return state

    def check_content(self, r, state, leaf):
        """Which editions of the files have this text? And the rest of the
        state?"""
        known = self.texts.get(leaf["id"])
        if known is None:       # the directory is nobody's file
            return
        of = known.get(base64.b64decode(leaf["sha"]).hex())
        if not of:
            self.blame("published", "%s of %s was in no file" % (
                leaf["id"], r["who"]), r)
            return
        before, other = self.content.get(state.root, (of, r))
        if not before & of:
            self.blame("atomic", "%s is of edition %s in a state whose other "
                       "maps are of %s" % (leaf["id"], sorted(of)[:3],
                                           sorted(before)[:3]), other, r)
            return
        self.content[state.root] = before & of, r
        self.edition_at(state.session, state.serial, before & of, r)

    def check_depends(self, root, net, r, other):
        """net: (id, tag) that a cost map names."""
        leaves = self.leaves.get(root)
        if leaves is None:
            self.depends[root].append((net, r))
        elif net[0] not in leaves or leaves[net[0]] != net[1]:
            self.blame("atomic", "%s names a network map that is not in its "
                       "state" % r["id"], r, other)

    def edition_at(self, session, serial, of, r):
        """Later positions have later editions. In a session that the server
        was put back in, both lines of history meet: not told apart here."""
        if not of or len(of) > 1 or session in self.touched:
            return
        e = next(iter(of))
        serials, at = self.editions.setdefault(session, ([], {}))
        if serial in at:
            if at[serial][0] != e:
                self.blame("published", "edition %d and edition %d at serial "
                           "%d" % (at[serial][0], e, serial), at[serial][1], r)
            return
        i = bisect.bisect(serials, serial)
        for near in serials[max(0, i - 1):i + 1]:
            if at[near][0] != e and (at[near][0] > e) == (near < serial):
                self.blame("published", "edition %d at serial %d beside %d at "
                           "%d" % (e, serial, at[near][0], near),
                           at[near][1], r)
        serials.insert(i, serial)
        at[serial] = e, r

    def check_order(self, d, r, state):
        at = state.session, state.serial
        floor, record = d.floor(r["t0"])
        if floor and at < floor:
            self.blame("ordered", "%s goes back from %s to %s" % (
                r["who"], floor, at), record, r)
        d.note(r["t1"], at, r)
        if not d.last or at >= (d.last[0].session, d.last[0].serial):
            d.last = state, r

    def check_unique(self, d, r, state):
        at = state.session, state.serial
        mine = d.held.setdefault(at, (state.root, r))
        if mine[0] != state.root:
            self.blame("unique", "%s serves two roots at %s" % (r["who"], at),
                       mine[1], r)
        known = self.roots[at]
        known.setdefault(state.root, r)
        more = sum(1 for to in self.backs if not to or (
            to[0] == at[0] and to[1] < at[1]))
        if len(known) > 1 + more:
            self.blame("unique", "%d roots at %s" % (len(known), at),
                       *list(known.values())[:2])
            self.roots[at] = {state.root: r}

    def check_expiry(self, d, r, state):
        offset = min(d.offsets(r["t0"] - self.begun["settle"], r["t1"]))
        now = self.begun["wall"] + r["t0"] + offset
        if now > state.expires + 1:
            self.blame("unexpired", "%s serves what expired %d s ago by its "
                       "own clock" % (r["who"], now - state.expires),
                       {"clock": d.clock[-3:]}, r)

    def check_session(self, r, state):
        if state.session in self.sessions:
            return
        self.sessions[state.session] = r
        if len(self.sessions) > self.causes:
            before = sorted(self.sessions)
            self.blame("sessions", "%d sessions for %d reasons" % (
                len(self.sessions), self.causes),
                self.sessions[before[max(0, before.index(state.session) - 1)]],
                r)

    # --- when all is calm ----------------------------------------------------

    def on_calm(self, r):
        self.calm = {"t": r["t"], "record": r, "target": None, "at": {},
                     "reached": {}}

    def aim(self, at):
        """The head of the server, unless all have been there: then what it
        publishes by itself (who is listed) is the next one's matter."""
        c = self.calm
        if (not c["target"] or at > c["target"]) and not all(
                who in c["reached"] for who in self.begun["proxies"]):
            c["target"] = at
            c["reached"] = {who: t for who, (where, t) in c["at"].items()
                            if where == at}

    def note_calm(self, r, at):
        c = self.calm
        if not c or r["t0"] < c["t"]:
            return
        c["at"].setdefault(r["who"], (None, 0))
        if c["at"][r["who"]][0] != at:
            c["at"][r["who"]] = at, r["t1"]
        if r["who"] == "server":
            self.aim(at)
        if at == c["target"]:
            c["reached"].setdefault(r["who"], r["t1"])

    def calm_over(self, promise):
        c = self.calm
        for who in self.begun["proxies"]:
            t = c["reached"].get(who)
            if t is None or t - c["t"] > self.begun["limit"]:
                last = self.daemons[who].last
                self.blame(promise, "%s is not at %s within %g s%s" % (
                    who, c["target"], self.begun["limit"], "" if t is None
                    else ", but after %.1f s" % (t - c["t"])),
                    c["record"], last and last[1])
            else:
                self.times[promise].append(t - c["t"])

    def on_calmed(self, r):
        self.calm_over("resumable" if self.calm["record"]["k"] == "edition"
                       else "convergent")
        self.calm = None

    # --- the end -------------------------------------------------------------

    def end(self):
        """True: all promises held, and there was something to check."""
        for promise, times in self.times.items():
            times.sort()
            if times:
                print("%s: %d times, p99 %.1f s, at most %.1f s" % (
                    promise, len(times), times[int(len(times) * 0.99)],
                    times[-1]), file=self.out)
        print("checked: %d answers, %d positions, %d sessions, %d signatures, "
              "%d editions" % (
                  self.did["answers checked"], len(self.roots),
                  len(self.sessions), len(self.verifier.states)
                  if self.begun else 0, self.did["edition"]), file=self.out)
        n = sum(self.found.values())
        print("%d violations%s" % (n, "".join(
            ", %s %d" % i for i in sorted(self.found.items()))), file=self.out)
        return not n


def main():
    checker = Checker()
    try:
        with (sys.stdin if sys.argv[1] == "-" else
              open(sys.argv[1], encoding="utf-8")) as lines:
            for line in lines:
                checker.feed(json.loads(line))
    except (OSError, ValueError, KeyError, IndexError) as e:
        print("line %d: %r" % (checker.number, e))
        return 2
    good = checker.end()
    if not checker.did["answers checked"]:
        print("nothing was checked")
        return 2
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
