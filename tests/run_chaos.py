#!/usr/bin/env python3
"""The model check in short: the checker is checked, then the daemons are, in a
random run of less than a minute (scripts/chaos: as long as one likes).

  run_chaos.py [SEED]

tests/chaos/ has the programs, docs/reliability.md says what is promised. The
seed brings the same maps and the same order of faults again, not the same
moments.
"""
import os
import sys
import tempfile

sys.dont_write_bytecode = True  # nothing is left in the source tree
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "chaos"))

import alto
import drive
import ed25519
import planted
from alto import need

SEED = sys.argv[1] if sys.argv[1:] else "20261122"
EVENTS, MINUTES = 250, 0.6
QUICK_EVENTS = 60       # programs that are slow to start, to stop and to serve

# RFC 8032 section 7.1, TEST 2
SECRET = "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb"
PUBLIC = "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c"
SIGNED = ("92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
          "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00")

tests = alto.Tests()


def signatures():
    secret, public, signed = map(bytes.fromhex, (SECRET, PUBLIC, SIGNED))
    need(ed25519.public(secret) == public, "another public key")
    need(ed25519.sign(secret, b"\x72") == signed, "another signature")
    need(ed25519.verify(public, b"\x72", signed), "the signature is refused")
    need(not ed25519.verify(public, b"\x73", signed), "of another text")
    for i in (0, 31, 32, 63):
        bad = bytearray(signed)
        bad[i] ^= 1
        need(not ed25519.verify(public, b"\x72", bytes(bad)), "byte %d", i)


def the_checker():
    with tests("the checker's signatures are those of RFC 8032"):
        signatures()
    for what, story in planted.right():
        with tests("the checker has nothing against " + what):
            broken, said = planted.found(story)
            need(not broken, "%s", said)
    for promise, what, story in planted.wrong():
        with tests("the checker finds %s: %s" % (promise, what)):
            broken, said = planted.found(story)
            need(list(broken) == [promise], "it found %s: %s", broken, said)
            need("seed 7" in said, "no seed")


def the_daemons():
    quick = alto.quick()
    with tests("every promise holds while everything fails"), \
            tempfile.TemporaryDirectory(prefix="altocast-chaos.") as top:
        code, run = drive.main(
            ["--seed", SEED, "--events", str(QUICK_EVENTS if quick else
                                             EVENTS),
             "--minutes", str(MINUTES), "--keep", top,
             *(["--edit", "0.5", "--poll", "0.3"] if quick else [])])
        if code:
            keep(top)
        need(code == 0, "seed %s: see above", SEED)
        need(run.total() >= QUICK_EVENTS / 2, "only %d faults", run.total())


def keep(top):
    """What is there to look at later."""
    to = tempfile.mkdtemp(prefix="altocast-run.")
    os.rename(top, os.path.join(to, "chaos"))
    os.mkdir(top)
    print("# kept: %s" % to)


if __name__ == "__main__":
    the_checker()
    the_daemons()
    sys.exit(tests.end())
