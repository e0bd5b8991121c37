#!/usr/bin/env python3
"""Makes the test vectors of docs/protocol.md, or checks them.

  make.py [--check]

Python 3 (standard library) and the `openssl` program. It shares no code with
altocast: it is what altocast is held against, so it is written plainly and
cares nothing for speed. With --check nothing is written, and a file that is not
what would be written is an error.
"""
import base64
import hashlib
import ipaddress
import json
import math
import os
import re
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))

NET = "application/alto-networkmap+json"
COST = "application/alto-costmap+json"
DIRECTORY = "application/alto-directory+json"
MERGE = "application/merge-patch+json"
PATCH = "application/json-patch+json"

SERVICE = "6f0c1c0e-51c5-4f0e-9b0f-2d4a3f7b9a11"
SESSION = "018bcfe5-6800-7000-8000-000000000001"  # begun at CREATED
LATER_SESSION = "018bcff4-aa40-7000-8000-000000000002"
SERVER = "0d6e1f1a-8a2b-4c57-9c39-2a9d1f0b7e61"  # instance ids
PROXY = "5b1c6a44-0c0f-4a1f-8e0d-7d1f5f7c2b90"
CREATED, LIFETIME = 1700000000, 86400

# RFC 9421 appendix B.1.4, test-key-ed25519. Everybody knows the private key.
KEY_D = "n4Ni-HpISpVObnQMW0wOhCKROaIKqKtW_2ZYb2p9KcU"
KEY_X = "JrQLj5P_89iXES9-vFgrIy29clF9CC_oPPsw3c5D0bs"


# ---- canonical form (protocol.md section 2.1) --------------------------------

def number(v):
    """ECMAScript's text of a double: the shortest digits that read back."""
    v = float(v)
    if not math.isfinite(v):
        raise ValueError("not finite")
    if v == 0:
        return "0"
    digits, _, exponent = ("%r" % abs(v)).partition("e")
    whole, _, fraction = digits.partition(".")
    if fraction == "0":
        fraction = ""
    point = len(whole) + int(exponent or 0)
    digits = whole + fraction
    stripped = digits.lstrip("0")
    point -= len(digits) - len(stripped)
    digits = stripped.rstrip("0")
    n = len(digits)
    if n <= point <= 21:
        text = digits + "0" * (point - n)
    elif 0 < point <= 21:
        text = digits[:point] + "." + digits[point:]
    elif -6 < point <= 0:
        text = "0." + "0" * -point + digits
    else:
        text = digits[0] + ("." + digits[1:] if n > 1 else "")
        text += "e%+d" % (point - 1)
    return ("-" if v < 0 else "") + text


def text(s):
    short = {8: "b", 9: "t", 10: "n", 12: "f", 13: "r", 34: '"', 92: "\\"}
    out = ""
    for c in s:
        if ord(c) in short:
            out += "\\" + short[ord(c)]
        elif ord(c) < 32:
            out += "\\u%04x" % ord(c)
        else:
            out += c
    return '"%s"' % out


class Kept(dict):
    """An object whose members keep their order (section 4.6)."""


def jcs(v):
    """RFC 8785."""
    if isinstance(v, dict):
        names = v if isinstance(v, Kept) else sorted(
            v, key=lambda s: s.encode("utf-16-be"))
        return "{%s}" % ",".join(text(n) + ":" + jcs(v[n]) for n in names)
    if isinstance(v, list):
        return "[%s]" % ",".join(jcs(x) for x in v)
    if isinstance(v, str):
        return text(v)
    if v is None or isinstance(v, bool):
        return {None: "null", True: "true", False: "false"}[v]
    return number(v)


def ipv6_text(address):
    """RFC 5952 section 4; an IPv4-mapped address is written like any other."""
    groups = [address >> shift & 0xffff for shift in range(112, -1, -16)]
    zeros = [(n, -at) for at in range(8) for n in range(2, 9 - at)
             if not any(groups[at:at + n])]
    if not zeros:
        return ":".join("%x" % g for g in groups)
    n, at = max(zeros)
    head, tail = groups[:-at], groups[-at + n:]
    return "::".join(":".join("%x" % g for g in part) for part in (head, tail))


def prefixes(family, texts):
    """Ascending by address, then length; no repeats; host bits are an error."""
    kind = ipaddress.IPv4Network if family == "ipv4" else ipaddress.IPv6Network
    nets = sorted({(int(n.network_address), n.prefixlen)
                   for n in (kind(t, strict=True) for t in texts)})
    if family == "ipv4":
        return ["%s/%d" % (ipaddress.IPv4Address(a), n) for a, n in nets]
    return ["%s/%d" % (ipv6_text(a), n) for a, n in nets]


def canonical_network(doc, rid):
    """(leaf 0's meta, rows, body's maker)"""
    rows = {}
    for pid, groups in doc["network-map"].items():
        rows[pid] = {f: prefixes(f, g) for f, g in groups.items() if g}
    tag = tree_tag(NET, {}, rows)
    return tag, {"meta": {"vtag": {"resource-id": rid, "tag": tag}},
                 "network-map": rows}


def canonical_cost(doc, rid):
    rows = {src: row for src, row in doc["cost-map"].items() if row}
    kind = doc["meta"]["cost-type"]
    depends = doc["meta"]["dependent-vtags"][0]
    meta = {"cost-type": {k: kind[k] for k in ("cost-metric", "cost-mode")},
            "dependent-vtags": [
                {k: depends[k] for k in ("resource-id", "tag")}]}
    tag = tree_tag(COST, meta, rows)
    return tag, {"cost-map": rows,
                 "meta": dict(meta, vtag={"resource-id": rid, "tag": tag})}


def canonical(media, doc, rid):
    """The tag and the canonical body of any resource."""
    if media == NET:
        tag, out = canonical_network(doc, rid)
    elif media == COST:
        tag, out = canonical_cost(doc, rid)
    else:
        rest = {k: v for k, v in doc.items() if k != "meta"}
        out = doc
        tag = root([leaf_hash(t) for t in (
            jcs({"media-type": media, "meta": doc.get("meta", {})}),
            jcs(rest))]).hex()
    return tag, jcs(out)


# ---- trees and tags (section 2.2) --------------------------------------------

def sha(data):
    return hashlib.sha256(data).digest()


def leaf_hash(s):
    return sha(b"\0" + s.encode("utf-8"))


def left_size(n):
    """The largest power of two below n."""
    k = 1
    while k * 2 < n:
        k *= 2
    return k


def root(hashes):
    """RFC 9162 section 2.1.1."""
    if not hashes:
        return sha(b"")
    if len(hashes) == 1:
        return hashes[0]
    k = left_size(len(hashes))
    return sha(b"\1" + root(hashes[:k]) + root(hashes[k:]))


def path(i, hashes):
    """RFC 9162 section 2.1.3.1."""
    if len(hashes) == 1:
        return []
    k = left_size(len(hashes))
    if i < k:
        return path(i, hashes[:k]) + [root(hashes[k:])]
    return path(i - k, hashes[k:]) + [root(hashes[:k])]


def tree_tag(media, meta, rows):
    leaves = [jcs({"media-type": media, "meta": meta})]
    leaves += [text(name) + ":" + jcs(rows[name]) for name in sorted(rows)]
    return root([leaf_hash(s) for s in leaves]).hex()


# ---- signed state (section 3) ------------------------------------------------

def b64(data):
    return base64.b64encode(data).decode("ascii")


def unb64url(s):
    return base64.urlsafe_b64decode(s + "=" * (-len(s) % 4))


def thumbprint(x):
    jwk = '{"crv":"Ed25519","kty":"OKP","x":"%s"}' % x
    digest = sha(jwk.encode("ascii"))
    return base64.urlsafe_b64encode(digest).decode("ascii").rstrip("=")


KEY_ID = thumbprint(KEY_X)


def openssl(args, files):
    with tempfile.TemporaryDirectory() as folder:
        for name, data in files.items():
            with open(os.path.join(folder, name), "wb") as out:
                out.write(data)
        return subprocess.run(["openssl", *args], cwd=folder, check=True,
                              stdout=subprocess.PIPE).stdout


def sign(message):
    key = bytes.fromhex("302e020100300506032b657004220420") + unb64url(KEY_D)
    return openssl(["pkeyutl", "-sign", "-rawin", "-keyform", "DER",
                    "-inkey", "key", "-in", "message"],
                   {"key": key, "message": message})


def verify(message, signature):
    key = bytes.fromhex("302a300506032b6570032100") + unb64url(KEY_X)
    openssl(["pkeyutl", "-verify", "-rawin", "-pubin", "-keyform", "DER",
             "-inkey", "key", "-in", "message", "-sigfile", "signature"],
            {"key": key, "message": message, "signature": signature})


def leaf(rid, tag, body, media):
    data = body.encode("utf-8")
    return '"%s";tag="%s";size=%d;sha-256=:%s:;type="%s"' % (
        rid, tag, len(data), b64(sha(data)), media)


class Resource:
    def __init__(self, rid, media, doc):
        self.id, self.media = rid, media
        self.tag, self.body = canonical(media, doc, rid)
        self.leaf = leaf(rid, self.tag, self.body, media)


class State:
    """All resources of one position, and their signature."""

    def __init__(self, resources, serial, created, session=SESSION):
        self.resources = sorted(resources, key=lambda r: r.id)
        self.leaves = [r.leaf for r in self.resources]
        self.hashes = [leaf_hash(s) for s in self.leaves]
        self.serial, self.session = serial, session
        self.state = (':%s:;service="%s";session="%s";serial=%d;resources=%d'
                      % (b64(root(self.hashes)), SERVICE, session, serial,
                         len(self.leaves)))
        params = ('("alto-state");created=%d;expires=%d;keyid="%s"'
                  ';tag="alto-redistribution"' % (
                      created, created + LIFETIME, KEY_ID))
        self.base = '"alto-state": %s\n"@signature-params": %s' % (
            self.state, params)
        signature = sign(self.base.encode("ascii"))
        verify(self.base.encode("ascii"), signature)
        self.triple = [self.state, "alto=" + params,
                       "alto=:%s:" % b64(signature)]

    def proof(self, i):
        return ":%s:;index=%d" % (b64(b"".join(path(i, self.hashes))), i)

    def document(self):
        return jcs({"resources": self.leaves, "serial": self.serial,
                    "service": SERVICE, "session": self.session,
                    "state": self.triple})


# ---- patches, to the letter of the RFCs (section 5.4) ------------------------

def merge(target, patch):
    """RFC 7396 section 2."""
    if not isinstance(patch, dict):
        return patch
    out = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            out.pop(name, None)
        else:
            out[name] = merge(out.get(name), value)
    return out


def operate(doc, ops):
    """RFC 6902: add, remove, replace."""
    doc = json.loads(json.dumps(doc))
    for op in ops:
        *way, last = op["path"].split("/")[1:]
        at = doc
        for step in way:
            at = at[int(step)] if isinstance(at, list) else at[step]
        if isinstance(at, list):
            if op["op"] == "add":
                at.insert(int(last), op["value"])
            else:
                del at[int(last)]
        elif op["op"] == "remove":
            del at[last]
        else:
            at[last] = op["value"]
    return doc


def applied(base, media, patch):
    doc = json.loads(base)
    return jcs(merge(doc, patch) if media == MERGE else operate(doc, patch))


# ---- the maps ----------------------------------------------------------------

NET_1 = {
    "default": {"ipv4": ["0.0.0.0/0"], "ipv6": ["::/0"]},
    "pop-a": {"ipv4": ["192.0.2.0/25", "198.51.100.0/24"],
              "ipv6": ["2001:db8::/33"]},
    "pop-b": {"ipv4": ["192.0.2.128/25", "203.0.113.0/24"]},
    "spare": {},
}
NET_2 = {  # a prefix moves, a family appears, a PID appears, a PID goes
    "default": NET_1["default"],
    "pop-a": {"ipv4": ["192.0.2.0/25"], "ipv6": ["2001:db8::/33"]},
    "pop-b": {"ipv4": ["192.0.2.128/25", "198.51.100.0/24", "203.0.113.0/24"],
              "ipv6": ["2001:db8:8000::/33"]},
    "pop-c": {"ipv4": ["203.0.113.64/26"]},
}
COST_1 = {"default": {"pop-a": 3},
          "pop-a": {"default": 5, "pop-a": 1, "pop-b": 12.5},
          "pop-b": {"pop-a": 1e-7, "pop-b": 1}}
COST_2 = {"pop-a": {"default": 5, "pop-a": 1, "pop-b": 13, "pop-c": 2},
          "pop-b": {"pop-b": 1},
          "pop-c": {"pop-c": 1}}


def net(rows, rid="net"):
    return Resource(rid, NET, {"network-map": rows})


def cost(rows, on, rid="cost-routing", metric="routingcost", mode="numerical"):
    return Resource(rid, COST, {
        "cost-map": rows,
        "meta": {"cost-type": {"cost-metric": metric, "cost-mode": mode},
                 "dependent-vtags": [{"resource-id": on.id, "tag": on.tag}]}})


ALTO = "application/alto-%s+json"
TESTABLE = {"cost-constraints": True,
            "cost-type-names": ["num-routingcost", "ord-routingcost"],
            "max-cost-types": 8}


def directory(proxies):
    return Resource(".directory", DIRECTORY, {
        "meta": {
            "cost-types": {
                "num-routingcost": {"cost-metric": "routingcost",
                                    "cost-mode": "numerical"},
                "ord-routingcost": {"cost-metric": "routingcost",
                                    "cost-mode": "ordinal"}},
            "default-alto-network-map": "net",
            "redistribution": {
                "heartbeat": 60,
                "keys": {"keys": [{
                    "alg": "EdDSA", "crv": "Ed25519", "kid": KEY_ID,
                    "kty": "OKP", "use": "sig", "x": KEY_X}]},
                "proxies": proxies,
                "push": "wss://alto.example.net:8081/push",
                "service": SERVICE, "state": "state"}},
        "resources": {
            "cost-routing": {
                "capabilities": {"cost-type-names": ["num-routingcost"]},
                "media-type": COST, "uri": "maps/cost-routing",
                "uses": ["net"]},
            "endpoint-properties": {
                "accepts": ALTO % "endpointpropparams",
                "capabilities": {"prop-types": ["net.pid"]},
                "media-type": ALTO % "endpointprop",
                "uri": "endpoint/property"},
            "net": {"media-type": NET, "uri": "maps/net"},
            "net:endpoint-cost": {
                "accepts": ALTO % "endpointcostparams",
                "capabilities": TESTABLE,
                "media-type": ALTO % "endpointcost",
                "uri": "endpoint/cost/net"},
            "net:filtered": {
                "accepts": ALTO % "networkmapfilter", "media-type": NET,
                "uri": "filter/network/net", "uses": ["net"]},
            "net:filtered-cost": {
                "accepts": ALTO % "costmapfilter", "capabilities": TESTABLE,
                "media-type": COST, "uri": "filter/cost/net",
                "uses": ["net"]}}})


MILAN = {"rp-milan": {"push": "wss://rp-milan.example.net:8091/push",
                      "uri": "https://rp-milan.example.net/"}}

IRD_1, IRD_2 = directory({}), directory(MILAN)
N1, N2 = net(NET_1), net(NET_2)
C1, C2 = cost(COST_1, N1), cost(COST_2, N2)
STATE_1 = State([IRD_1, N1, C1], 1, CREATED)
STATE_2 = State([IRD_1, N2, C2], 2, CREATED + 40)
STATE_3 = State([IRD_2, N2, C2], 3, CREATED + 50)
ALIVE_3 = State([IRD_2, N2, C2], 3, CREATED + 110)
STATE_NEW = State([IRD_2, N2, C2], 1, CREATED + 1000, LATER_SESSION)


# ---- canonical.json ----------------------------------------------------------

def body_case(name, media, rid, source):
    tag, body = canonical(media, json.loads(source), rid)
    return {"name": name, "media-type": media, "id": rid, "input": source,
            "tag": tag, "body": body, "leaf": leaf(rid, tag, body, media)}


def bad_body(name, media, source):
    rid = "net" if media == NET else "cost-routing"
    return {"name": name, "media-type": media, "id": rid, "input": source}


def net_source(rows, meta='{"vtag":{"resource-id":"net","tag":"any"}}'):
    return '{"meta":%s,"network-map":%s}' % (meta, rows)


def cost_source(rows, mode="numerical", tag=N1.tag):
    return ('{"cost-map":%s,"meta":{"dependent-vtags":[{"tag":"%s",'
            '"resource-id":"net"}],"cost-type":{"cost-mode":"%s",'
            '"cost-metric":"routingcost"},"vtag":{"tag":"x",'
            '"resource-id":"cost-routing"}}}' % (rows, tag, mode))


ALL4 = '"rest":{"ipv4":["0.0.0.0/0"]}'


def make_canonical():
    good = [
        body_case("order, spaces, an empty array, repeats in a PID", NET, "net",
                  net_source('{ "spare" : {"ipv6":[ ]},\n\t"pop-b":{"ipv4":'
                             '["203.0.113.0/24","192.0.2.128/25",'
                             '"203.0.113.0/24"]},"pop-a":{"ipv6":'
                             '["2001:DB8:0::/33"],"ipv4":["198.51.100.0/24",'
                             '"192.0.2.0/25"]},"default":{"ipv6":["::/0"],'
                             '"ipv4":["0.0.0.0/0"]}}')),
        body_case("names are case-sensitive and ascend by byte", NET, "net",
                  net_source('{"a":{},"B":{},"b":{"ipv4":["0.0.0.0/0"]},'
                             '"A":{},"-":{},"@":{},":":{},"_":{},"0":{}}')),
        body_case("prefixes ascend by address, then length", NET, "net",
                  net_source('{"p":{"ipv4":["10.0.0.0/24","10.0.0.0/8",'
                             '"9.0.0.0/8","10.0.0.0/16","100.0.0.0/8",'
                             '"0.0.0.0/0"]}}')),
        body_case("IPv6 texts of RFC 5952", NET, "net",
                  net_source('{"p":{"ipv6":["0:0:0:0:0:0:0:0/0",'
                             '"2001:0DB8:0000:0000:0001:0000:0000:0001/128",'
                             '"2001:db8:0:1:1:1:1:1/128","1:0:0:2::/64",'
                             '"::ffff:192.0.2.0/120","2001:db8:0:0:1::/80",'
                             '"64:ff9b::/96"]}}')),
        body_case("escapes in names", NET, "net",
                  net_source('{"\\u0070op":{"ipv\\u0034":["0.0.0.0\\/0"]}}')),
        body_case("a map without PIDs", NET, "net", net_source("{}")),
        body_case("other members of meta and beside it go", NET, "net",
                  '{"x":[{"y":null}],"network-map":{},"meta":{"note":1,"vtag":'
                  '{"tag":"t","resource-id":"net"}}}'),
        body_case("a cost map, an empty row", COST, "cost-routing",
                  cost_source('{"pop-b":{"pop-b":1.0,"pop-a":0.0000001},'
                              '"spare":{},"default":{"pop-a":3e0},"pop-a":'
                              '{"pop-b":125e-1,"default":5,"pop-a":0.1e1}}')),
        body_case("costs of all shapes", COST, "cost-routing",
                  cost_source('{"a":{"a":-0,"b":1e21,"c":999999999999999999999,'
                              '"d":123456789012345680000,"e":1e-6,"f":1e-7,'
                              '"g":-12.50,"h":5e-324,"i":1e23,'
                              '"j":9007199254740993,"k":1.7976931348623157e308,'
                              '"l":2.2250738585072014E-308,'
                              '"m":0.000001234,"n":1e-400}}')),
        body_case("an ordinal cost map", COST, "cost-routing",
                  cost_source('{"a":{"b":2,"a":1.0e0}}', "ordinal")),
        body_case("a cost map without rows", COST, "cost-routing",
                  cost_source("{}")),
        body_case("a directory", DIRECTORY, ".directory", IRD_2.body),
    ]
    refused = [
        bad_body("host bits", NET,
                 net_source('{%s,"p":{"ipv4":["192.0.2.1/24"]}}' % ALL4)),
        bad_body("a leading zero in an address", NET,
                 net_source('{%s,"p":{"ipv4":["192.0.02.0/24"]}}' % ALL4)),
        bad_body("no length", NET,
                 net_source('{%s,"p":{"ipv4":["192.0.2.0"]}}' % ALL4)),
        bad_body("length over 32", NET,
                 net_source('{%s,"p":{"ipv4":["192.0.2.0/33"]}}' % ALL4)),
        bad_body("an IPv6 prefix among IPv4", NET,
                 net_source('{%s,"p":{"ipv4":["2001:db8::/32"]}}' % ALL4)),
        bad_body("one prefix in two PIDs", NET,
                 net_source('{%s,"p":{"ipv4":["10.0.0.0/8"]},"q":{"ipv4":'
                            '["10.0.0.0/8"]}}' % ALL4)),
        bad_body("addresses without a PID", NET,
                 net_source('{"p":{"ipv4":["10.0.0.0/8"]}}')),
        bad_body("a PID twice", NET,
                 net_source('{%s,"p":{},"p":{}}' % ALL4)),
        bad_body("a PID twice, one spelled with an escape", NET,
                 net_source('{%s,"p":{},"\\u0070":{}}' % ALL4)),
        bad_body("a dot in a PID name", NET,
                 net_source('{%s,"a.b":{}}' % ALL4)),
        bad_body("a PID name of 65 characters", NET,
                 net_source('{%s,"%s":{}}' % (ALL4, "a" * 65))),
        bad_body("an unknown address type", NET,
                 net_source('{%s,"p":{"ipv5":["10.0.0.0/8"]}}' % ALL4)),
        bad_body("no meta", NET, '{"network-map":{}}'),
        bad_body("no map", NET,
                 '{"meta":{"vtag":{"resource-id":"net","tag":"t"}}}'),
        bad_body("text behind the document", NET, net_source("{}") + "x"),
        bad_body("a comma too many", NET, net_source('{%s,}' % ALL4)),
        bad_body("a cost that is no number", COST,
                 cost_source('{"a":{"b":"1"}}')),
        bad_body("a cost of null", COST, cost_source('{"a":{"b":null}}')),
        bad_body("a cost beyond a double", COST,
                 cost_source('{"a":{"b":1e309}}')),
        bad_body("NaN", COST, cost_source('{"a":{"b":NaN}}')),
        bad_body("a leading zero", COST, cost_source('{"a":{"b":01}}')),
        bad_body("a cell twice", COST, cost_source('{"a":{"b":1,"b":1}}')),
        bad_body("a row twice", COST, cost_source('{"a":{"b":1},"a":{}}')),
        bad_body("an ordinal cost that is no integer", COST,
                 cost_source('{"a":{"b":1.5}}', "ordinal")),
        bad_body("an ordinal cost below zero", COST,
                 cost_source('{"a":{"b":-1}}', "ordinal")),
        bad_body("no dependent-vtags", COST,
                 '{"cost-map":{},"meta":{"cost-type":{"cost-mode":"numerical",'
                 '"cost-metric":"routingcost"}}}'),
    ]
    return {"bodies": good, "refused": refused}


# ---- numbers.json ------------------------------------------------------------

def make_numbers():
    """What a reader takes, and what it is printed as."""
    taken = ["0", "-0", "-0.0", "0e9", "1", "1.0", "10E-1", "0.1", "0.10",
             "12.5", "-12.50", "1e21", "1E+21", "999999999999999999999",
             "123456789012345680000", "1e20", "100000000000000000000",
             "1e-6", "0.000001", "1e-7", "0.0000001", "123e-20",
             "9007199254740992", "9007199254740993", "9007199254740994",
             "1e23", "5e-324", "4.9e-324", "2.47e-324", "1e-400",
             "2.2250738585072014e-308", "1.7976931348623157e308",
             "5.684341886080802e-14", "333333333.33333329",
             "0.1000000000000000055511151231257827", "4.35", "0.3",
             "8.41e21", "9.5e-3", "2e-44", "1.4012984643e-45"]
    return {"numbers": [{"input": t, "text": number(float(t))} for t in taken]}


# ---- tree.json ---------------------------------------------------------------

def make_tree():
    trees = []
    for n in list(range(10)) + [16, 17]:
        leaves = ["leaf %d" % i for i in range(n)]
        hashes = [leaf_hash(s) for s in leaves]
        trees.append({"leaves": leaves, "root": root(hashes).hex(),
                      "paths": [[h.hex() for h in path(i, hashes)]
                                for i in range(n)]})
    return {"trees": trees}


# ---- state.json --------------------------------------------------------------

def headers(state, i):
    r = state.resources[i]
    return {"body": r.body, "Content-Type": r.media, "ETag": '"%s"' % r.tag,
            "ALTO-Resource": r.leaf, "ALTO-Proof": state.proof(i),
            "ALTO-State": state.triple[0],
            "Signature-Input": state.triple[1], "Signature": state.triple[2]}


def changed(h, why, error, **to):
    """The same response with one line different."""
    out = {"name": why, "error": error, **h}
    out.update({k.replace("_", "-"): v for k, v in to.items()})
    return out


def swap(s, old, new):
    if old not in s:
        raise ValueError("%r is not in %r" % (old, s))
    return s.replace(old, new, 1)


def make_state():
    s, alone = STATE_1, State([N1], 7, CREATED)
    h = headers(s, 2)
    state, given = h["ALTO-State"], h["Signature-Input"]
    other = b64(sha(b"another root"))
    bad = [
        changed(h, "another body", "digest",
                body=swap(h["body"], "192.0.2.0/25", "192.0.3.0/25")),
        changed(h, "a body that is shorter", "digest", body=h["body"][:-1]),
        changed(h, "another tag in the leaf", "digest",
                ALTO_Resource=swap(h["ALTO-Resource"], N1.tag, N2.tag)),
        changed(h, "the leaf of another resource", "digest",
                ALTO_Resource=C1.leaf),
        changed(h, "a proof for another place", "digest",
                ALTO_Proof=s.proof(1)),
        changed(h, "a proof that is too short", "digest",
                ALTO_Proof="::;index=2"),
        changed(h, "a proof that is too long", "digest",
                ALTO_Proof=":%s:;index=2" % b64(b"\0" * 96)),
        changed(h, "another root", "digest",
                ALTO_State=":%s:%s" % (other, state.split(":", 2)[2])),
        changed(h, "another serial", "signature",
                ALTO_State=swap(state, "serial=1", "serial=2")),
        changed(h, "another session", "signature",
                ALTO_State=swap(state, SESSION, LATER_SESSION)),
        changed(h, "a later time", "signature", Signature_Input=swap(
            given, "created=1700000000", "created=1700000001")),
        changed(h, "a later end", "signature", Signature_Input=swap(
            given, "expires=1700086400", "expires=1700086401")),
        changed(h, "the signature of another state", "signature",
                Signature=STATE_2.triple[2]),
        changed(h, "another order of parameters", "syntax", ALTO_State=swap(
            state, ";serial=1;resources=3", ";resources=3;serial=1")),
        changed(h, "a space more", "syntax",
                ALTO_State=swap(state, ";serial", "; serial")),
        changed(h, "a leading zero", "syntax",
                ALTO_State=swap(state, "serial=1", "serial=01")),
        changed(h, "serial 0", "syntax",
                ALTO_State=swap(state, "serial=1", "serial=0")),
        changed(h, "a UUID in capitals", "syntax",
                ALTO_State=swap(state, SERVICE, SERVICE.upper())),
        changed(h, "a session that is no UUIDv7", "syntax",
                ALTO_State=swap(state, SESSION, SERVICE)),
        changed(h, "another label", "syntax",
                Signature_Input=swap(given, "alto=(", "sig1=(")),
        changed(h, "another component", "syntax",
                Signature_Input=swap(given, "alto-state", "alto-proof")),
        changed(h, "one component more", "syntax", Signature_Input=swap(
            given, '("alto-state")', '("alto-state" "date")')),
        changed(h, "the algorithm stated", "syntax",
                Signature_Input=given + ';alg="ed25519"'),
        changed(h, "it ends before it begins", "syntax", Signature_Input=swap(
            given, "expires=1700086400", "expires=1700000000")),
        changed(h, "it is good for more than 365 days", "syntax",
                Signature_Input=swap(given, "expires=1700086400",
                                     "expires=1731536001")),
        changed(h, "base64 without padding", "syntax",
                ALTO_State=swap(state, "=:;", ":;")),
        changed(h, "a signature of 63 bytes", "syntax",
                Signature="alto=:%s:" % b64(b"\0" * 63)),
    ]
    return {
        "key": {"d": KEY_D, "x": KEY_X, "thumbprint": KEY_ID,
                "jwk": '{"alg":"EdDSA","crv":"Ed25519","kid":"%s","kty":"OKP",'
                       '"use":"sig","x":"%s"}' % (KEY_ID, KEY_X)},
        "states": [
            {"leaves": x.leaves, "root": root(x.hashes).hex(),
             "service": SERVICE, "session": x.session, "serial": x.serial,
             "created": t, "expires": t + LIFETIME,
             "signature-base": x.base, "triple": x.triple,
             "document": x.document(),
             "responses": [headers(x, i) for i in range(len(x.leaves))]}
            for x, t in ((STATE_1, CREATED), (STATE_2, CREATED + 40),
                         (STATE_NEW, CREATED + 1000), (alone, CREATED))],
        "refused": bad}


# ---- patches.json ------------------------------------------------------------

def patch_case(name, base, media, patch, after):
    """patch: an object or array, in the order in which it is written."""
    source = json.dumps(patch, separators=(",", ":"))
    if applied(base.body, media, patch) != after.body:
        raise ValueError("%s: the patch does not give the next body" % name)
    return {"name": name, "base": base.body, "base-leaf": base.leaf,
            "from": base.tag, "media-type": media, "patch": source,
            "body": after.body, "leaf": after.leaf}


def tag_op(after):
    return {"op": "replace", "path": "/meta/vtag/tag", "value": after.tag}


def net_merge(after, rows):
    patch = {"meta": {"vtag": {"tag": after.tag}}}
    if rows:
        patch["network-map"] = rows
    return patch


def cost_merge(after, rows, on=None):
    patch = {"cost-map": rows} if rows else {}
    patch["meta"] = {"vtag": {"tag": after.tag}}
    if on:
        patch["meta"] = {"dependent-vtags": [
            {"resource-id": on.id, "tag": on.tag}], **patch["meta"]}
    return patch


NET_OPS = [
    {"op": "remove", "path": "/network-map/pop-a/ipv4/1"},
    {"op": "add", "path": "/network-map/pop-b/ipv4/1",
     "value": "198.51.100.0/24"},
    {"op": "add", "path": "/network-map/pop-b/ipv6",
     "value": ["2001:db8:8000::/33"]},
    {"op": "add", "path": "/network-map/pop-c",
     "value": {"ipv4": ["203.0.113.64/26"]}},
    {"op": "remove", "path": "/network-map/spare"}]
NET_ROWS = {
    "pop-a": {"ipv4": ["192.0.2.0/25"]},
    "pop-b": {"ipv4": NET_2["pop-b"]["ipv4"], "ipv6": NET_2["pop-b"]["ipv6"]},
    "pop-c": NET_2["pop-c"],
    "spare": None}
COST_ROWS = {"default": None,
             "pop-a": {"pop-b": 13, "pop-c": 2},
             "pop-b": {"pop-a": None},
             "pop-c": {"pop-c": 1}}


def good_patches():
    many = net({"default": {"ipv4": ["0.0.0.0/0"]}, "p": {"ipv4": [
        "10.%d.0.0/16" % i for i in range(8)]}})
    fewer = net({"default": {"ipv4": ["0.0.0.0/0"]}, "p": {"ipv4": [
        "10.%d.0.0/16" % i for i in (0, 2, 3, 5, 7)] + ["11.0.0.0/8",
                                                        "12.0.0.0/8"]}})
    without_v6 = net(dict(NET_1, **{
        "pop-a": {"ipv4": NET_1["pop-a"]["ipv4"]}}))
    rebound = cost(COST_1, N2)
    ordinal = [cost({"a": {"a": 1, "b": 2}}, N1, mode="ordinal"),
               cost({"a": {"a": 1, "b": 3}}, N1, mode="ordinal")]
    proxies = {"meta": {"redistribution": {"proxies": MILAN}}}
    return [
        patch_case("network map, merge patch", N1, MERGE,
                   net_merge(N2, NET_ROWS), N2),
        patch_case("network map, JSON Patch", N1, PATCH,
                   [tag_op(N2)] + NET_OPS, N2),
        patch_case("and back again, merge patch", N2, MERGE, net_merge(N1, {
            "pop-a": {"ipv4": NET_1["pop-a"]["ipv4"]},
            "pop-b": {"ipv4": NET_1["pop-b"]["ipv4"], "ipv6": None},
            "pop-c": None, "spare": {}}), N1),
        patch_case("removals descend, additions ascend", many, PATCH, [
            tag_op(fewer),
            {"op": "remove", "path": "/network-map/p/ipv4/6"},
            {"op": "remove", "path": "/network-map/p/ipv4/4"},
            {"op": "remove", "path": "/network-map/p/ipv4/1"},
            {"op": "add", "path": "/network-map/p/ipv4/5",
             "value": "11.0.0.0/8"},
            {"op": "add", "path": "/network-map/p/ipv4/6",
             "value": "12.0.0.0/8"}], fewer),
        patch_case("a family goes, merge patch", N1, MERGE,
                   net_merge(without_v6, {"pop-a": {"ipv6": None}}),
                   without_v6),
        patch_case("a family goes, JSON Patch", N1, PATCH, [
            tag_op(without_v6),
            {"op": "remove", "path": "/network-map/pop-a/ipv6"}], without_v6),
        patch_case("cost map: cells, rows, another network map", C1, MERGE,
                   cost_merge(C2, COST_ROWS, N2), C2),
        patch_case("cost map: members in another order", C1, MERGE, {
            "meta": {"vtag": {"tag": C2.tag}, "dependent-vtags": [
                {"tag": N2.tag, "resource-id": "net"}]},
            "cost-map": {"pop-c": {"pop-c": 1}, "pop-b": {"pop-a": None},
                         "pop-a": {"pop-c": 2, "pop-b": 13.0},
                         "default": None}}, C2),
        patch_case("cost map: the network map alone", C1, MERGE,
                   cost_merge(rebound, None, N2), rebound),
        patch_case("ordinal cost map", ordinal[0], MERGE,
                   cost_merge(ordinal[1], {"a": {"b": 3}}), ordinal[1]),
        patch_case("directory: a proxy enters", IRD_1, MERGE, proxies, IRD_2),
        patch_case("directory: it leaves", IRD_2, MERGE, {"meta": {
            "redistribution": {"proxies": {"rp-milan": None}}}}, IRD_1),
        patch_case("directory, JSON Patch", IRD_1, PATCH, [
            {"op": "add", "path": "/meta/redistribution/proxies/rp-milan",
             "value": MILAN["rp-milan"]}], IRD_2),
    ]


def bad_patches():
    def bad(name, error, base, media, patch, leaf=None, tag=None):
        after = N2 if base is N1 else C2
        return {"name": name, "error": error, "base": base.body,
                "base-leaf": base.leaf, "from": tag or base.tag,
                "media-type": media, "leaf": leaf or after.leaf,
                "patch": patch if isinstance(patch, str) else json.dumps(
                    patch, separators=(",", ":"))}

    def op(*ops):
        return [tag_op(N2), *ops]

    def without(i):
        return op(*NET_OPS[:i], *NET_OPS[i + 1:])

    def remove(where):
        return {"op": "remove", "path": "/network-map/" + where}

    def add(where, value):
        return {"op": "add", "path": "/network-map/" + where, "value": value}

    merged = net_merge(N2, NET_ROWS)
    costs = cost_merge(C2, COST_ROWS, N2)
    p24 = "10.0.0.0/24"
    return [
        bad("it starts from another tag", "fit", N1, MERGE, merged, tag=N2.tag),
        bad("another media type", "rule", N1, "application/json", merged),
        bad("JSON Patch for a cost map", "rule", C1, PATCH, [tag_op(C2)]),
        bad("the leaf names another tag", "digest", N1, MERGE, merged,
            leaf=swap(N2.leaf, N2.tag, N1.tag)),
        bad("the leaf names another size", "digest", N1, MERGE, merged,
            leaf=swap(N2.leaf, "size=%d" % len(N2.body), "size=1")),
        bad("not all of it", "digest", N1, PATCH, without(0)),
        bad("no meta", "rule", N1, MERGE, {"network-map": NET_ROWS}),
        bad("no tag in meta", "rule", N1, MERGE, dict(merged, meta={})),
        bad("another member of meta", "rule", N1, MERGE, dict(
            merged, meta={"vtag": {"tag": N2.tag}, "x": 1})),
        bad("another member beside the map", "rule", N1, MERGE,
            dict(merged, x=1)),
        bad("a PID twice", "rule", N1, MERGE,
            '{"meta":{"vtag":{"tag":"%s"}},"network-map":{"spare":null,'
            '"spare":null}}' % N2.tag),
        bad("an empty array", "rule", N1, MERGE,
            net_merge(N2, {"pop-a": {"ipv4": []}})),
        bad("an array out of order", "rule", N1, MERGE, net_merge(
            N2, {"pop-a": {"ipv4": ["10.1.0.0/16", "10.0.0.0/16"]}})),
        bad("a prefix not in canonical text", "rule", N1, MERGE, net_merge(
            N2, {"pop-a": {"ipv6": ["2001:DB8::/33"]}})),
        bad("a PID goes that is not there", "fit", N1, MERGE,
            net_merge(N2, {"nobody": None})),
        bad("a family goes that is not there", "fit", N1, MERGE,
            net_merge(N2, {"pop-b": {"ipv6": None}})),
        bad("the tag comes last", "rule", N1, PATCH, NET_OPS + [tag_op(N2)]),
        bad("no operation", "rule", N1, PATCH, []),
        bad("test", "rule", N1, PATCH, op(
            {"op": "test", "path": "/network-map/spare", "value": {}})),
        bad("move", "rule", N1, PATCH, op(
            {"op": "move", "path": "/network-map/pop-c",
             "from": "/network-map/spare"})),
        bad("copy", "rule", N1, PATCH, op(
            {"op": "copy", "path": "/network-map/pop-c",
             "from": "/network-map/spare"})),
        bad("replace in the map", "rule", N1, PATCH, op(
            {"op": "replace", "path": "/network-map/spare", "value": {}})),
        bad("an addition at the end with -", "rule", N1, PATCH, op(
            add("pop-a/ipv4/-", "203.0.113.0/24"))),
        bad("an index with a leading zero", "rule", N1, PATCH, op(
            remove("pop-a/ipv4/01"))),
        bad("a path into meta", "rule", N1, PATCH, op(
            {"op": "add", "path": "/meta/x", "value": 1})),
        bad("PIDs out of order", "rule", N1, PATCH, op(
            remove("spare"), remove("pop-a/ipv4/1"))),
        bad("ipv6 before ipv4", "rule", N1, PATCH, op(
            remove("pop-a/ipv6/0"), remove("pop-a/ipv4/1"))),
        bad("removals ascend", "rule", N1, PATCH, op(
            remove("pop-a/ipv4/0"), remove("pop-a/ipv4/1"))),
        bad("a removal after an addition", "rule", N1, PATCH, op(
            add("pop-a/ipv4/0", p24), remove("pop-a/ipv4/2"))),
        bad("a new PID that is there", "fit", N1, PATCH, op(add("spare", {}))),
        bad("an index outside the array", "fit", N1, PATCH, op(
            remove("pop-a/ipv4/2"))),
        bad("an array that would not ascend", "fit", N1, PATCH, op(
            add("pop-a/ipv4/2", p24))),
        bad("an array that would be empty", "fit", N1, PATCH, op(
            remove("pop-a/ipv6/0"))),
        bad("a row that changes nothing", "rule", C1, MERGE,
            cost_merge(C2, {"pop-a": {}}, N2)),
        bad("a row twice", "rule", C1, MERGE,
            '{"cost-map":{"pop-a":{"pop-b":1},"pop-a":{"pop-b":1}},"meta":'
            '{"vtag":{"tag":"%s"}}}' % C2.tag),
        bad("a row goes that is not there", "fit", C1, MERGE,
            cost_merge(C2, {"spare": None}, N2)),
        bad("a cell goes that is not there", "fit", C1, MERGE,
            cost_merge(C2, {"default": {"pop-b": None}}, N2)),
        bad("a row would be left without cells", "fit", C1, MERGE,
            cost_merge(C2, {"default": {"pop-a": None}}, N2)),
        bad("the cost type", "rule", C1, MERGE, dict(costs, meta=dict(
            costs["meta"], **{"cost-type": {"cost-metric": "hopcount"}}))),
        bad("two network maps", "rule", C1, MERGE, dict(costs, meta=dict(
            costs["meta"], **{"dependent-vtags": [
                {"resource-id": "net", "tag": N2.tag}] * 2}))),
        bad("a cost beyond a double", "rule", C1, MERGE,
            '{"cost-map":{"pop-a":{"pop-b":1e309}},"meta":{"vtag":{"tag":'
            '"%s"}}}' % C2.tag),
        bad("no JSON", "rule", C1, MERGE, "{"),
    ]


def make_patches():
    return {"patches": good_patches(), "refused": bad_patches()}


# ---- messages.json -----------------------------------------------------------

def message(sender, name, members, **expect):
    return {"name": name, "from": sender, "text": json.dumps(
        {name: members}, separators=(",", ":")), "expect": expect}


def bye_reason(code):
    return dict(CLOSES)[code]


CLOSES = [(4000, "going away"), (4001, "protocol violation"),
          (4002, "does not read"),
          (4003, "another connection has this name"),
          (4004, "its token or certificate was taken out"),
          (4005, "not allowed"), (4006, "nothing heard"),
          (4007, "another service"), (4008, "loop"),
          (4010, "subscriber starts again")]


def patch_change(after, base, media, data):
    return {"resource": after.leaf, "from": base.tag, "media-type": media,
            "data": data}


TOKEN = 'milan-"0123456789'


def conversation():
    """One connection, as it goes."""
    at1 = {"serial": 1, "session": SESSION}
    uris = {"push": "wss://rp-milan.example.net:8091/push",
            "uri": "https://rp-milan.example.net/"}
    hello = {"heartbeat": 60, "limits": {"message": 67108864},
             "path": [SERVER], "protocol": "alto-push.v1", "service": SERVICE,
             "state": STATE_1.triple, "time": (CREATED + 30) * 1000}
    second = [
        patch_change(N2, N1, PATCH, [tag_op(N2)] + NET_OPS),
        patch_change(C2, C1, MERGE, cost_merge(C2, COST_ROWS, N2))]
    third = [patch_change(IRD_2, IRD_1, MERGE, {
        "meta": {"redistribution": {"proxies": MILAN}}})]
    below = [{"name": "rp-bari", "serial": 1, "session": SESSION,
              "uri": "https://rp-bari.example.net/"}]
    pub, sub = "publisher", "subscriber"
    return [
        message(pub, "hello", hello, service=SERVICE, heartbeat=60, path=1,
                message=67108864, **at1),
        message(sub, "subscribe", {"name": "rp-milan", **uris},
                subscriber="rp-milan", **uris),
        message(pub, "subscribed", {
            "mode": "snapshot", "reason": "nothing held",
            "state": STATE_1.triple}, mode="snapshot", reason="nothing held",
            **at1),
        message(pub, "snapshot", {"resources": STATE_1.leaves,
                                  "state": STATE_1.triple}, leaves=3, **at1),
        message(sub, "ack", at1, position=at1),
        message(pub, "alive", {"state": STATE_1.triple}, **at1),
        message(pub, "update", {
            "published": (CREATED + 40) * 1000, "state": STATE_2.triple,
            "changes": second}, serial=2, session=SESSION, changes=[
                "patch net", "patch cost-routing"]),
        message(sub, "ack", {"below": below, "serial": 2, "session": SESSION},
                position={"serial": 2, "session": SESSION}, below=1),
        message(pub, "update", {
            "published": (CREATED + 50) * 1000, "state": STATE_3.triple,
            "changes": third}, serial=3, session=SESSION,
            changes=["patch .directory"]),
        message(sub, "alive", {"nonce": "a1", "serial": 3, "session": SESSION},
                position={"serial": 3, "session": SESSION}, nonce="a1"),
        message(pub, "alive", {"nonce": "a1", "state": ALIVE_3.triple},
                serial=3, session=SESSION, nonce="a1"),
        message(pub, "bye", {"reason": bye_reason(4000), "retry-after": 5},
                reason="going away", retry=5),
    ]


def others():
    """What that connection did not need."""
    pub, sub = "publisher", "subscriber"
    new = {"serial": 1, "session": LATER_SESSION}
    return [
        message(sub, "subscribe", {"name": "rp-milan", "have": STATE_1.triple},
                subscriber="rp-milan", serial=1, session=SESSION),
        message(pub, "subscribed", {"mode": "current",
                                    "state": STATE_1.triple},
                mode="current", serial=1, session=SESSION),
        message(pub, "subscribed", {"mode": "delta", "state": STATE_2.triple},
                mode="delta", serial=2, session=SESSION),
        message(pub, "subscribed", {
            "mode": "behind", "reason": "serial ahead",
            "state": STATE_1.triple}, mode="behind", reason="serial ahead",
            serial=1, session=SESSION),
        message(pub, "snapshot", {"resources": STATE_NEW.leaves,
                                  "state": STATE_NEW.triple, "within": 8},
                leaves=3, within=8, **new),
        message(sub, "ack", {"below": [], **new}, position=new, below=0),
        message(pub, "update", {
            "published": (CREATED + 40) * 1000, "state": STATE_2.triple,
            "changes": [{"resource": N2.leaf, "pull": 5},
                        {"gone": "cost-routing"}]},
                serial=2, session=SESSION,
                changes=["pull net", "gone cost-routing"]),
        message(sub, "credentials", {"token": TOKEN}, token=TOKEN),
        message(sub, "bye", {"reason": "going away"}, reason="going away"),
        message(pub, "error", {"meta": {"code": "E_SYNTAX", "message":
                                        "not a message"}},
                code="E_SYNTAX", reason="not a message"),
        message(pub, "hello", {
            "x": {"y": []}, "time": 1700000030000, "state": STATE_1.triple,
            "service": SERVICE, "protocol": "alto-push.v1",
            "path": [SERVER, PROXY], "limits": {"message": 1, "z": 2},
            "heartbeat": 1}, service=SERVICE, heartbeat=1, path=2, message=1,
                serial=1, session=SESSION),
    ]


def bad_messages():
    triple = STATE_2.triple
    whole = {"published": 1, "state": triple}
    pull = {"resource": N2.leaf, "pull": 5}

    def bad(name, doc, error="protocol"):
        return {"name": name, "error": error,
                "text": doc if isinstance(doc, str) else json.dumps(
                    doc, separators=(",", ":"))}

    def update(*changes):
        return {"update": dict(whole, changes=list(changes))}

    patch = patch_change(N2, N1, MERGE, net_merge(N2, NET_ROWS))
    wrong_root = [triple[0].replace("resources=3", "resources=2"), *triple[1:]]
    return [
        bad("no JSON", "{", "syntax"),
        bad("nothing", "", "syntax"),
        bad("an array", "[]", "syntax"),
        bad("no member", "{}"),
        bad("an unknown message", {"hallo": {}}),
        bad("two members", {"bye": {"reason": "x"}, "x": 1}),
        bad("text behind it", '{"bye":{"reason":"x"}} x', "syntax"),
        bad("a member twice", '{"bye":{"reason":"x","reason":"y"}}'),
        bad("a message that is no object", {"bye": 1}, "syntax"),
        bad("bye without reason", {"bye": {}}),
        bad("credentials without a token", {"credentials": {}}),
        bad("a token that is no text", {"credentials": {"token": 1}},
            "syntax"),
        bad("a token of 15 characters",
            {"credentials": {"token": TOKEN[:15]}}, "syntax"),
        bad("a token of 513 characters",
            {"credentials": {"token": "a" * 513}}, "syntax"),
        bad("a token with a blank",
            {"credentials": {"token": TOKEN[:8] + " " + TOKEN[8:]}}, "syntax"),
        bad("a state of two lines", {"alive": {"state": triple[:2]}},
            "syntax"),
        bad("ack without a serial", {"ack": {"session": SESSION}}),
        bad("ack with a serial of text",
            {"ack": {"session": SESSION, "serial": "1"}}, "syntax"),
        bad("ack with a serial of 16 digits",
            {"ack": {"session": SESSION, "serial": 10 ** 15}}, "limit"),
        bad("ack with a session that is no UUID",
            {"ack": {"session": "x", "serial": 1}}, "syntax"),
        bad("an unknown mode", {"subscribed": {"mode": "x", "state": triple}},
            "syntax"),
        bad("a name of 65 characters", {"subscribe": {"name": "a" * 65}},
            "limit"),
        bad("a path of 17", {"hello": {
            "heartbeat": 60, "limits": {"message": 1}, "path": [SERVER] * 17,
            "protocol": "alto-push.v1", "service": SERVICE, "state": triple,
            "time": 1}}, "limit"),
        bad("a snapshot without a leaf", {"snapshot": {
            "state": triple, "resources": STATE_2.leaves[:2]}}, "digest"),
        bad("a snapshot with another leaf", {"snapshot": {
            "state": triple, "resources": STATE_1.leaves}}, "digest"),
        bad("a snapshot out of order", {"snapshot": {
            "state": triple, "resources": STATE_2.leaves[::-1]}}),
        bad("a snapshot of another count", {"snapshot": {
            "state": wrong_root, "resources": STATE_2.leaves}}, "digest"),
        bad("an update without changes", update()),
        bad("an update without state",
            {"update": {"published": 1, "changes": [pull]}}),
        bad("a change without a resource", update({"pull": 5})),
        bad("a change of nothing", update({"resource": N2.leaf})),
        bad("a change that is two", update(dict(pull, gone="net"))),
        bad("gone beside a resource",
            update({"gone": "net", "resource": N2.leaf})),
        bad("a patch without from", update(
            {k: v for k, v in patch.items() if k != "from"})),
        bad("a patch without its type", update(
            {k: v for k, v in patch.items() if k != "media-type"})),
        bad("a leaf that is none", update({"resource": "net", "pull": 5}),
            "syntax"),
        bad("pull within half a second", update(dict(pull, pull=0.5))),
        bad("pull within a week", update(dict(pull, pull=604800))),
    ]


def make_messages():
    return {"conversation": conversation(), "others": others(),
            "refused": bad_messages(),
            "closes": [{"code": c, "reason": r} for c, r in CLOSES]}


# ---- computed services (section 4.6) -----------------------------------------

SERVICES = {  # of a uri: accepts, media-type
    "filter/network": (ALTO % "networkmapfilter", NET),
    "filter/cost": (ALTO % "costmapfilter", COST),
    "endpoint/cost": (ALTO % "endpointcostparams", ALTO % "endpointcost"),
    "endpoint/property": (ALTO % "endpointpropparams", ALTO % "endpointprop")}
TEST = re.compile(r"(?:\[(\d+)\][ \t]+)?(gt|lt|ge|le|eq)[ \t]+"
                  r"(-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?)")
HOLDS = {"gt": lambda a, b: a > b, "lt": lambda a, b: a < b,
         "ge": lambda a, b: a >= b, "le": lambda a, b: a <= b,
         "eq": lambda a, b: a == b}


class Refused(Exception):
    """code, field, value; the last two may be None."""


def wrong(field, value=None):
    if value is not None and not isinstance(value, str):
        value = json.dumps(value, separators=(",", ":"))
    return Refused("E_INVALID_FIELD_VALUE", field, value)


def once(names):
    return list(dict.fromkeys(names))


def address(endpoint):
    """(family, number); None: no address."""
    family, _, rest = endpoint.partition(":")
    kinds = {"ipv4": ipaddress.IPv4Address, "ipv6": ipaddress.IPv6Address}
    try:
        return family, int(kinds[family](rest))
    except (KeyError, ValueError):
        return None


def longest(found, endpoint):
    """The value at the longest of prefixes {(family, text): value}."""
    family, number_ = address(endpoint)
    best, value = -1, None
    for (f, prefix), v in found.items():
        if f != family:
            continue
        n = ipaddress.ip_network(prefix)
        bits = n.max_prefixlen - n.prefixlen
        if number_ >> bits == int(n.network_address) >> bits and \
                n.prefixlen > best:
            best, value = n.prefixlen, v
    return value


class Service:
    """One of a state's."""

    def __init__(self, docs, uri, entry):
        self.docs, self.entry = docs, entry
        self.kind, _, self.map = uri.rpartition("/")
        if uri == "endpoint/property":
            self.kind, self.map = uri, None
        self.caps = entry.get("capabilities", {})
        self.max = self.caps.get("max-cost-types", 0)
        if self.map:
            self.pids = docs[self.map]["network-map"]
            self.vtag = docs[self.map]["meta"]["vtag"]
        self.types = [t for t in map(self.cost_type, self.caps.get(
            "cost-type-names", [])) if t]

    def cost_type(self, name):
        """{type, testable, ranked, rows}; None: left out."""
        kind = self.docs[".directory"]["meta"]["cost-types"].get(name)
        if not kind:
            return None
        testable = self.caps.get("cost-constraints") or name in self.caps.get(
            "testable-cost-type-names", [])
        modes = [kind["cost-mode"]]
        if modes == ["ordinal"]:
            modes.append("numerical")
        for mode in modes:
            meta = self.cost_map(dict(kind, **{"cost-mode": mode}))
            if not meta:
                continue
            if meta["dependent-vtags"] != [self.vtag]:
                return None
            return {"type": kind, "testable": testable,
                    "ranked": mode != kind["cost-mode"],
                    "rows": self.docs[meta["vtag"]["resource-id"]]["cost-map"]}
        return None

    def cost_map(self, kind):
        """meta of the one with this cost type that has the lowest id."""
        for rid in sorted(self.docs):
            meta = self.docs[rid].get("meta", {})
            if meta.get("cost-type") == kind and \
                    meta["dependent-vtags"][0]["resource-id"] == self.map:
                return meta
        return None

    def prefixes(self, rid):
        return {(f, p): pid for pid, groups in
                self.docs[rid]["network-map"].items()
                for f, list_ in groups.items() for p in list_}

    def property(self, name):
        """{(family, prefix): value}; None: left out."""
        if name not in self.caps["prop-types"]:
            return None
        if name.endswith(".pid"):
            return self.prefixes(name[:-4])
        for rid in sorted(self.docs):
            found = {tuple(e.split(":", 1)): props[name] for e, props in
                     self.docs[rid].get("property-map", {}).items()
                     if name in props}
            if found:
                return found
        return None

    # requests

    def check(self, ask, members):
        """members: {path: (type, is it needed)}"""
        def at(path_):
            v = ask
            for step in path_.split("/"):
                v = v.get(step) if isinstance(v, dict) else None
            return v
        for path_, (_, needed) in members.items():
            outer = path_.rpartition("/")[0]
            if needed and at(path_) is None and (
                    not outer or isinstance(at(outer), dict)):
                raise Refused("E_MISSING_FIELD", path_, None)
        for path_, (kind, _) in members.items():
            if at(path_) is not None and not isinstance(at(path_), kind):
                raise Refused("E_INVALID_FIELD_TYPE", path_, None)

    def offered(self, kind):
        for t in self.types:
            if kind == t["type"]:
                return t
        return None

    def columns(self, ask):
        """(types shown, types that tests refer to)"""
        if self.max and "multi-cost-types" in ask:
            names = ask["multi-cost-types"]
            if "cost-type" in ask or not 0 < len(names) <= self.max:
                raise wrong("multi-cost-types")
            shown = [self.offered(t) or t for t in names]
            for t in shown:
                if "rows" not in t:
                    raise wrong("multi-cost-types", t)
        else:
            kind = ask["cost-type"]
            if kind["cost-mode"] not in [
                    t["type"]["cost-mode"] for t in self.types]:
                raise wrong("cost-type/cost-mode", kind["cost-mode"])
            if not self.offered(kind):
                raise wrong("cost-type/cost-metric", kind["cost-metric"])
            shown = [self.offered(kind)]
        tested = shown
        if self.max and "testable-cost-types" in ask:
            tested = [self.offered(t) for t in ask["testable-cost-types"]]
            for t, kind in zip(tested, ask["testable-cost-types"]):
                if not t or not t["testable"]:
                    raise wrong("testable-cost-types", kind)
        return shown, tested

    def clauses(self, ask, tested):
        """A list of lists of (type, operator, number)."""
        field = "or-constraints"
        lists = ask.get(field) if self.max else None
        if lists is None:
            field = "constraints"
            lists = [ask.get(field, [])]
        elif "constraints" in ask or [] in lists or not lists:
            raise wrong(field)
        if field in ask and not any(t["testable"] for t in self.types):
            raise wrong(field)
        out = []
        for tests in lists:
            out.append([])
            for one in tests:
                m = isinstance(one, str) and TEST.fullmatch(one)
                if not m or (m[1] and not self.max) or \
                        int(m[1] or 0) >= len(tested) or \
                        not tested[int(m[1] or 0)]["testable"]:
                    raise wrong(field, one)
                out[-1].append((tested[int(m[1] or 0)], m[2], float(m[3])))
        return out

    # answers

    def costs(self, ask, srcs, dsts):
        """srcs, dsts: {name: PID or None}. The rows, and what meta says."""
        shown, tested = self.columns(ask)
        clauses = self.clauses(ask, tested)

        def cost_of(t, s, d):
            return t["rows"].get(srcs[s], {}).get(dsts[d])

        def ranks(t):
            defined = {cost_of(t, s, d) for s in srcs for d in dsts}
            return {c: i + 1 for i, c in enumerate(sorted(defined - {None}))}
        orders = {id(t): ranks(t) for t in self.types if t["ranked"]}

        def value(t, s, d):
            c = cost_of(t, s, d)
            return orders[id(t)].get(c) if t["ranked"] else c

        def passes(s, d):
            return any(all(value(t, s, d) is not None and
                           HOLDS[op](value(t, s, d), n) for t, op, n in tests)
                       for tests in clauses)
        rows = Kept()
        multi = self.max and "multi-cost-types" in ask
        for s in srcs:
            row = Kept()
            for d in dsts:
                got = [value(t, s, d) for t in shown]
                if any(v is not None for v in got) and passes(s, d):
                    row[d] = got if multi else got[0]
            if row:
                rows[s] = row
        kinds = [t["type"] for t in shown]
        return rows, {"cost-type": {}, "multi-cost-types": kinds} if multi \
            else {"cost-type": kinds[0]}

    def costs_asked(self, ask, *more):
        one = not (self.max and "multi-cost-types" in ask)
        self.check(ask, dict({
            "cost-type": (dict, one), "cost-type/cost-metric": (str, True),
            "cost-type/cost-mode": (str, True), "constraints": (list, False),
            "multi-cost-types": (list, False),
            "testable-cost-types": (list, False),
            "or-constraints": (list, False)}, **dict(more)))
        self.clauses(ask, self.columns(ask)[1])

    def network(self, ask, _caller):
        self.check(ask, {"pids": (list, True),
                         "address-types": (list, False)})
        wanted = [p for p in sorted(self.pids)
                  if p in ask["pids"] or not ask["pids"]]
        families = ask.get("address-types") or ["ipv4", "ipv6"]
        return {"meta": {"vtag": self.vtag}, "network-map": {
            p: {f: list_ for f, list_ in self.pids[p].items()
                if f in families} for p in wanted}}

    def map_costs(self, ask, _caller):
        self.costs_asked(ask, ("pids", (dict, False)),
                         ("pids/srcs", (list, True)),
                         ("pids/dsts", (list, True)))
        axes = []
        for side in ("srcs", "dsts"):
            names = ask.get("pids", {}).get(side, [])
            axes.append({p: p for p in sorted(self.pids)
                         if p in names or not names})
        rows, meta = self.costs(ask, *axes)
        return {"cost-map": rows,
                "meta": dict(meta, **{"dependent-vtags": [self.vtag]})}

    def endpoints(self, list_, field):
        for e in list_:
            if not isinstance(e, str) or not address(e):
                raise wrong(field, e)
        return once(list_)

    def endpoint_costs(self, ask, caller):
        self.costs_asked(ask, ("endpoints", (dict, True)),
                         ("endpoints/srcs", (list, False)),
                         ("endpoints/dsts", (list, False)))
        given = [ask["endpoints"].get(side, []) for side in ("srcs", "dsts")]
        if given == [[], []]:
            raise wrong("endpoints")
        found = self.prefixes(self.map)
        axes = [{e: longest(found, e) for e in
                 self.endpoints(list_, "endpoints/" + side) or [caller]}
                for side, list_ in zip(("srcs", "dsts"), given)]
        rows, meta = self.costs(ask, *axes)
        if self.docs[".directory"]["meta"]["redistribution"].get(
                "endpoint-cost-vtag"):
            meta["vtag"] = self.vtag
        return {"endpoint-cost-map": rows, "meta": meta}

    def properties(self, ask, _caller):
        self.check(ask, {"properties": (list, True),
                         "endpoints": (list, True)})
        found = {}
        if not ask["properties"]:
            raise wrong("properties")
        for name in once(ask["properties"]):
            found[name] = self.property(name)
            if found[name] is None:
                raise wrong("properties", name)
        if not ask["endpoints"]:
            raise wrong("endpoints")
        rows = Kept()
        for e in self.endpoints(ask["endpoints"], "endpoints"):
            values = {name: longest(f, e) for name, f in found.items()}
            rows[e] = {k: v for k, v in values.items() if v is not None}
        nets = [self.docs[n[:-4]]["meta"]["vtag"] for n in found
                if n.endswith(".pid")]
        return {"endpoint-properties": rows,
                "meta": {"dependent-vtags": nets} if nets else {}}

    def answer(self, request, caller):
        try:
            ask = json.loads(request)
        except ValueError:
            raise Refused("E_SYNTAX", None, None) from None
        return jcs({"filter/network": self.network,
                    "filter/cost": self.map_costs,
                    "endpoint/cost": self.endpoint_costs,
                    "endpoint/property": self.properties
                    }[self.kind](ask, caller))


def offered_services(resources):
    """{uri: service} of a state."""
    docs = {r.id: json.loads(r.body) for r in resources}
    out = {}
    for _, e in sorted(docs[".directory"]["resources"].items()):
        kind, _, rid = e["uri"].rpartition("/")
        if e["uri"] == "endpoint/property":
            kind = e["uri"]
        if e["uri"] in out or \
                SERVICES.get(kind) != (e.get("accepts"), e["media-type"]):
            continue
        if kind == "endpoint/property" or rid in docs:
            out[e["uri"]] = Service(docs, e["uri"], e)
    return {uri: s for uri, s in out.items() if s.types or
            s.kind in ("filter/network", "endpoint/property")}


NUM = {"cost-metric": "routingcost", "cost-mode": "numerical"}
ORD = {"cost-metric": "routingcost", "cost-mode": "ordinal"}
HOPS = {"cost-metric": "hopcount", "cost-mode": "numerical"}
STALE = {"cost-metric": "priv:stale", "cost-mode": "numerical"}
CALLER = "ipv4:192.0.2.130"


def more_resources():
    """A state with a second cost map, one of another network map's version,
    properties, and tests that may refer to some costs alone."""
    hops = cost({"pop-a": {"pop-a": 0, "pop-b": 2},
                 "pop-b": {"pop-a": 2, "default": 7}}, N1, "cost-hops",
                "hopcount")
    stale = cost({"pop-a": {"pop-a": 1}}, N2, "cost-stale", "priv:stale")
    regions = Resource("regions", ALTO % "propmap", {
        "meta": {}, "property-map": {
            "ipv4:192.0.2.0/24": {"priv:region": "north"},
            "ipv4:192.0.2.64/26": {"priv:region": None, "priv:x": "\u00e9\""},
            "ipv4:192.0.2.65/32": {"priv:region": "hall"},
            "ipv6:2001:db8::/32": {"priv:region": "six"}}})
    ird = json.loads(IRD_1.body)
    ird["meta"]["cost-types"].update({"num-hopcount": HOPS,
                                      "num-priv:stale": STALE})
    ird["meta"]["redistribution"]["endpoint-cost-vtag"] = True
    names = ["num-hopcount", "num-priv:stale", "num-routingcost",
             "ord-routingcost"]
    of = ird["resources"]
    for rid in ("net:endpoint-cost", "net:filtered-cost"):
        of[rid]["capabilities"] = {
            "cost-type-names": names, "max-cost-types": 3,
            "testable-cost-type-names": ["num-hopcount", "ord-routingcost"]}
    of["endpoint-properties"]["capabilities"]["prop-types"] = [
        "net.pid", "priv:nowhere", "priv:region", "priv:x"]
    of["cost-hops"] = dict(of["cost-routing"], uri="maps/cost-hops",
                           capabilities={"cost-type-names": ["num-hopcount"]})
    of["regions"] = {"media-type": regions.media, "uri": "maps/regions",
                     "capabilities": {"mappings": {
                         "ipv4": ["priv:region", "priv:x"],
                         "ipv6": ["priv:region"]}}}
    of["other:filtered"] = dict(of["net:filtered"],
                                uri="filter/network/other")
    return [Resource(".directory", DIRECTORY, ird), C1, hops, stale, N1,
            regions]


def answer_cases(resources, cases):
    services, answers, refused = offered_services(resources), [], []
    for name, uri, request in cases:
        text_ = request if isinstance(request, str) else json.dumps(
            request, separators=(",", ":"))
        case = {"name": name, "uri": uri, "caller": CALLER, "request": text_}
        try:
            answer = services[uri].answer(text_, CALLER)
            answers.append(dict(case, answer=answer))
        except Refused as e:
            said = zip(("code", "field", "value"), e.args)
            refused.append(dict(case, **{k: v for k, v in said
                                         if v is not None}))
    return {"resources": [{"leaf": r.leaf, "body": r.body} for r in sorted(
        resources, key=lambda r: r.id)], "services": sorted(services),
            "answers": answers, "refused": refused}


def first_cases():
    network, costs_ = "filter/network/net", "filter/cost/net"
    ends, props = "endpoint/cost/net", "endpoint/property"
    srcs = ["ipv4:192.0.2.2"]
    return [
        ("the example of section 4.6", ends, {
            "cost-type": ORD, "endpoints": {"srcs": srcs, "dsts": [
                "ipv4:203.0.113.9", "ipv4:192.0.2.77",
                "ipv6:2001:DB8:8000::1"]}}),
        ("a network map in full", network, {"pids": []}),
        ("some PIDs, one unknown, one twice", network,
         {"pids": ["spare", "pop-a", "nobody", "pop-a"]}),
        ("PIDs none of which is known", network, {"pids": ["nobody"]}),
        ("one family, and one unknown", network,
         {"pids": [], "address-types": ["ipv6", "ipv5"]}),
        ("a cost map in full", costs_, {"cost-type": NUM}),
        ("a part of it", costs_, {"cost-type": NUM, "pids": {
            "srcs": ["pop-b", "pop-a"], "dsts": ["pop-b", "nobody"]}}),
        ("ranks of all pairs", costs_, {"cost-type": ORD}),
        ("ranks of a part, tests upon ranks", costs_, {
            "cost-type": ORD, "constraints": ["gt 1", "le 3"],
            "pids": {"srcs": ["pop-a"], "dsts": []}}),
        ("two cost types in their order", costs_, {
            "multi-cost-types": [ORD, NUM], "pids": {
                "srcs": ["pop-a", "spare"], "dsts": []}}),
        ("tests joined by or", costs_, {
            "multi-cost-types": [NUM, ORD],
            "or-constraints": [["[0] lt 2", "[1]\teq 2"], ["ge 12.5e0"]]}),
        ("tests of a type that is not shown", costs_, {
            "cost-type": NUM, "testable-cost-types": [ORD],
            "constraints": ["[0] eq 3"]}),
        ("the client's own address", ends, {
            "cost-type": NUM, "endpoints": {"dsts": [
                "ipv4:192.0.2.1", "ipv4:192.0.2.130"]}}),
        ("an endpoint of two spellings, one twice", ends, {
            "cost-type": NUM, "endpoints": {"srcs": srcs, "dsts": [
                "ipv6:2001:db8::1", "ipv6:2001:DB8:0::1",
                "ipv6:2001:db8::1"]}}),
        ("PIDs of endpoints", props, {
            "properties": ["net.pid"], "endpoints": [
                "ipv6:2001:db8::1", "ipv4:203.0.113.1", "ipv4:8.8.8.8"]}),
        ("no JSON", network, '{"pids":['),
        ("no cost type", costs_, {"pids": {"srcs": [], "dsts": []}}),
        ("a cost type without its metric", costs_,
         {"cost-type": {"cost-mode": "ordinal"}}),
        ("sources that are no list", costs_,
         {"cost-type": NUM, "pids": {"srcs": "pop-a", "dsts": []}}),
        ("an unknown mode", costs_, {"cost-type": dict(
            NUM, **{"cost-mode": "fastest"})}),
        ("an unknown metric", costs_, {"cost-type": HOPS}),
        ("nine cost types", costs_, {"multi-cost-types": [NUM] * 9}),
        ("a constraint that is none", costs_,
         {"cost-type": NUM, "constraints": ["lt 3", "below 3"]}),
        ("an index beyond the cost types", costs_,
         {"cost-type": NUM, "constraints": ["[1] lt 3"]}),
        ("neither sources nor destinations", ends,
         {"cost-type": NUM, "endpoints": {"srcs": []}}),
        ("an endpoint that is a prefix", ends, {
            "cost-type": NUM, "endpoints": {"srcs": ["ipv4:192.0.2.0/24"]}}),
        ("a property that is not on offer", props, {
            "properties": ["net.pid", "priv:region"], "endpoints": srcs}),
        ("no endpoints", props, {"properties": ["net.pid"],
                                 "endpoints": []}),
    ]


def more_cases():
    costs_, ends = "filter/cost/net", "endpoint/cost/net"
    props = "endpoint/property"
    return [
        ("the longest prefix that has the property", props, {
            "properties": ["priv:x", "priv:region"], "endpoints": [
                "ipv4:192.0.2.1", "ipv4:192.0.2.64", "ipv4:192.0.2.65",
                "ipv4:198.51.100.1", "ipv6:2001:db8:ffff::"]}),
        ("properties and PIDs", props, {
            "properties": ["priv:region", "net.pid", "net.pid"],
            "endpoints": ["ipv4:192.0.2.70"]}),
        ("a cost that is not defined is null", costs_, {
            "multi-cost-types": [HOPS, ORD, NUM]}),
        ("the network map's version in an answer about endpoints", ends, {
            "cost-type": HOPS, "endpoints": {
                "srcs": ["ipv4:203.0.113.1"],
                "dsts": ["ipv4:8.8.8.8", "ipv4:192.0.2.1"]}}),
        ("tests of some costs alone", costs_, {
            "multi-cost-types": [HOPS, NUM], "constraints": ["[0] le 2"]}),
        ("a property that no map has", props, {
            "properties": ["priv:nowhere"],
            "endpoints": ["ipv4:192.0.2.1"]}),
        ("costs of another version of the network map", costs_,
         {"cost-type": STALE}),
        ("a test of a cost that may not be tested", costs_,
         {"cost-type": NUM, "constraints": ["le 2"]}),
        ("the same, named", costs_, {
            "cost-type": NUM, "constraints": ["le 2"],
            "testable-cost-types": [HOPS, NUM]}),
        ("four cost types where three are allowed", ends, {
            "multi-cost-types": [NUM, ORD, HOPS, NUM],
            "endpoints": {"srcs": ["ipv4:192.0.2.1"]}}),
    ]


def make_answers():
    return {"states": [
        answer_cases(STATE_1.resources, first_cases()),
        answer_cases(more_resources(), more_cases())]}


# ------------------------------------------------------------------------------

FILES = {"canonical.json": make_canonical, "numbers.json": make_numbers,
         "tree.json": make_tree, "state.json": make_state,
         "patches.json": make_patches, "messages.json": make_messages,
         "answers.json": make_answers}


def main(args):
    if args not in ([], ["--check"]):
        print(__doc__, file=sys.stderr)
        return 2
    bad = 0
    for name, make in FILES.items():
        path_ = os.path.join(HERE, name)
        data = json.dumps(make(), indent=1, ensure_ascii=True) + "\n"
        if not args:
            with open(path_, "w", encoding="ascii") as out:
                out.write(data)
            continue
        try:
            with open(path_, encoding="ascii") as old:
                same = old.read() == data
        except OSError:
            same = False
        print("%s: %s" % (name, "as made" if same else "DIFFERS"))
        bad |= not same
    return int(bad)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
