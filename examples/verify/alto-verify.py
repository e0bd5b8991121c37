#!/usr/bin/env python3
"""Checks that what a server or a proxy gives is what the owner of the maps
signed. Python 3 (standard library) and the `openssl` program; nothing of
altocast is used.

  alto-verify.py [--key THUMBPRINT] [--ca FILE] [--quiet] URL...

URL is a full network map, a full cost map or /directory. With --key only that
key counts (print it at the server with `altoctl status`); without it any key
that the host's own /directory lists does, which proves less: that directory
came over the same wire. --ca names the authorities (PEM) that an https:// host's
certificate must lead to, in place of the system's.

Exit 0: all are good; 1: one is not; 2: usage.
"""
import argparse
import base64
import hashlib
import json
import os
import re
import ssl
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request

CLOCK_SKEW = 60  # seconds that a signer's clock may be ahead
LIFE_MAX = 31536000  # seconds that a signature may be good for
BODY_MAX = 1 << 30

# The five lines, to the letter. docs/protocol.md says what they mean.
BASE64 = r"[A-Za-z0-9+/]*={0,2}"
UUID = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
RESOURCE = re.compile(
    r'"(?P<id>[^"]+)";tag="(?P<tag>[0-9a-f]{64})";size=(?P<size>\d+)'
    r';sha-256=:(?P<digest>%s):;type="(?P<type>[^"]+)"' % BASE64)
STATE = re.compile(
    r':(?P<root>%s):;service="(?P<service>%s)";session="(?P<session>%s)"'
    r';serial=(?P<serial>\d+);resources=(?P<resources>\d+)'
    % (BASE64, UUID, UUID))
PROOF = re.compile(r':(?P<path>%s):;index=(?P<index>\d+)' % BASE64)
INPUT = re.compile(
    r'alto=(?P<params>\("alto-state"\);created=(?P<created>\d+)'
    r';expires=(?P<expires>\d+);keyid="(?P<keyid>[A-Za-z0-9_-]{43})"'
    r';tag="alto-redistribution")')
SIGNATURE = re.compile(r'alto=:(?P<value>%s):' % BASE64)

# SubjectPublicKeyInfo of Ed25519 (RFC 8410) up to the 32 bytes of the key.
ED25519_SPKI = bytes.fromhex("302a300506032b6570032100")


class NotValid(Exception):
    pass


def get(url, tls):
    with urllib.request.urlopen(url, timeout=30, context=tls) as answer:
        return answer.headers, answer.read(BODY_MAX)


def header(headers, name, form):
    lines = headers.get_all(name) or []
    if len(lines) != 1:
        raise NotValid("%s: %d lines of it, not one" % (name, len(lines)))
    match = form.fullmatch(lines[0].strip())
    if not match:
        raise NotValid("%s is malformed: %s" % (name, lines[0]))
    return match


def root_of(leaf, index, size, path):
    """The root that an inclusion path leads to (RFC 9162 section 2.1.3.2)."""
    if index >= size:
        raise NotValid("proof: index %d of %d resources" % (index, size))
    last, here = size - 1, leaf
    for sibling in path:
        if last == 0:
            raise NotValid("proof: too long")
        if index % 2 or index == last:
            here = hashlib.sha256(b"\1" + sibling + here).digest()
            while index and index % 2 == 0:
                index, last = index // 2, last // 2
        else:
            here = hashlib.sha256(b"\1" + here + sibling).digest()
        index, last = index // 2, last // 2
    if last:
        raise NotValid("proof: too short")
    return here


def thumbprint(x):
    """RFC 7638, with the members of RFC 8037."""
    text = '{"crv":"Ed25519","kty":"OKP","x":"%s"}' % x
    digest = hashlib.sha256(text.encode("ascii")).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode("ascii")


def keys_of(directory):
    """{thumbprint: raw public key} of a directory's JWK set."""
    keys = json.loads(directory)["meta"]["redistribution"]["keys"]["keys"]
    return {thumbprint(k["x"]): base64.urlsafe_b64decode(k["x"] + "=")
            for k in keys if (k.get("kty"), k.get("crv")) == ("OKP", "Ed25519")}


def openssl_verify(key, message, signature):
    with tempfile.TemporaryDirectory() as folder:
        def put(name, data):
            path = os.path.join(folder, name)
            with open(path, "wb") as out:
                out.write(data)
            return path
        run = subprocess.run(
            ["openssl", "pkeyutl", "-verify", "-rawin",
             "-pubin", "-keyform", "DER", "-inkey", put("key", ED25519_SPKI + key),
             "-in", put("message", message),
             "-sigfile", put("signature", signature)],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return run.returncode == 0


def check_body(headers, body):
    """Size, type and SHA-256; -> the resource line."""
    resource = header(headers, "ALTO-Resource", RESOURCE)
    if headers.get("Content-Encoding", "identity") != "identity":
        raise NotValid("a coding was sent that was not asked for")
    if headers["Content-Type"] != resource["type"]:
        raise NotValid("Content-Type is not %s" % resource["type"])
    if int(resource["size"]) != len(body):
        raise NotValid("%d bytes, not %s" % (len(body), resource["size"]))
    if base64.b64decode(resource["digest"]) != hashlib.sha256(body).digest():
        raise NotValid("SHA-256 of the body differs")
    return resource


def check_proof(headers, resource):
    """The way from the resource line to the signed root; -> the state line."""
    state = header(headers, "ALTO-State", STATE)
    proof = header(headers, "ALTO-Proof", PROOF)
    hashes = base64.b64decode(proof["path"])
    if len(hashes) % 32:
        raise NotValid("proof: not a whole number of hashes")
    path = [hashes[i:i + 32] for i in range(0, len(hashes), 32)]
    leaf = hashlib.sha256(b"\0" + resource[0].encode("ascii")).digest()
    root = root_of(leaf, int(proof["index"]), int(state["resources"]), path)
    if root != base64.b64decode(state["root"]):
        raise NotValid("proof does not lead to the signed root")
    return state


def check_signature(headers, state, keys, now):
    """The signature over the state line (RFC 9421), its key and its time."""
    given = header(headers, "Signature-Input", INPUT)
    signature = header(headers, "Signature", SIGNATURE)
    if given["keyid"] not in keys:
        raise NotValid("signed by key %s, which is not trusted" % given["keyid"])
    base = '"alto-state": %s\n"@signature-params": %s' % (
        state[0], given["params"])
    if not openssl_verify(keys[given["keyid"]], base.encode("ascii"),
                          base64.b64decode(signature["value"])):
        raise NotValid("signature is wrong")
    if int(given["created"]) > now + CLOCK_SKEW:
        raise NotValid("signed in the future")
    if int(given["expires"]) - int(given["created"]) > LIFE_MAX:
        raise NotValid("good for more than 365 days")
    if int(given["expires"]) <= now:
        raise NotValid("signature has expired")
    return given


def verify(url, pinned, tls):
    headers, body = get(url, tls)
    _, directory = get(urllib.parse.urljoin(url, "/directory"), tls)
    keys = keys_of(directory)
    if pinned:
        keys = {pinned: keys[pinned]} if pinned in keys else {}
    now = int(time.time())
    resource = check_body(headers, body)
    state = check_proof(headers, resource)
    given = check_signature(headers, state, keys, now)
    return ("%s: %s bytes, serial %s, signed %d s ago by %s" %
            (resource["id"], resource["size"], state["serial"],
             now - int(given["created"]), given["keyid"]))


def main():
    ap = argparse.ArgumentParser(
        description="check what an ALTO server or proxy gives")
    ap.add_argument("--key", metavar="THUMBPRINT", help="trust this key alone")
    ap.add_argument("--ca", metavar="FILE",
                    help="authorities, PEM, in place of the system's")
    ap.add_argument("--quiet", action="store_true", help="say failures only")
    ap.add_argument("url", nargs="+", metavar="URL")
    # A thumbprint may begin with "-", which argparse takes for an option.
    argv = sys.argv[1:]
    if "--key" in argv[:-1]:
        at = argv.index("--key")
        argv[at:at + 2] = ["--key=" + argv[at + 1]]
    args = ap.parse_args(argv)
    try:
        tls = ssl.create_default_context(cafile=args.ca)
    except OSError as e:
        ap.error("%s: %s" % (args.ca, e))

    bad = 0
    for url in args.url:
        try:
            said = verify(url, args.key, tls)
            if not args.quiet:
                print("VALID     %s\n          %s" % (url, said))
        except (NotValid, OSError, ValueError, KeyError, TypeError) as e:
            why = str(e)
            if not isinstance(e, NotValid):
                why = "%s: %s" % (type(e).__name__, e)
            print("NOT VALID %s\n          %s" % (url, why))
            bad = 1
    return bad


if __name__ == "__main__":
    sys.exit(main())
