#!/usr/bin/env python3
"""The documents, held against what they speak of: the test vectors against the
program that makes them, the examples of docs/protocol.md against the vectors,
the manual pages against the settings of the programs.

Run by `make check` in the build folder, with srcdir set.
"""
import json
import os
import re
import subprocess
import sys

SRC = os.path.abspath(os.environ.get("srcdir", "."))
DOCS = os.path.join(SRC, "docs")
VECTORS = os.path.join(DOCS, "test-vectors")

counts = {"passed": 0, "failed": 0, "skipped": 0}


def check(sentence, problems):
    """One test. problems: what is wrong, one line each."""
    counts["failed" if problems else "passed"] += 1
    print("%s: %s" % ("FAILED" if problems else "ok", sentence))
    for line in problems:
        print("    " + line)


def read(path):
    with open(path, encoding="utf-8") as doc:
        return doc.read()


# ---- vectors -----------------------------------------------------------------

def vectors_are_made():
    run = subprocess.run(
        [sys.executable, os.path.join(VECTORS, "make.py"), "--check"],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    return [] if run.returncode == 0 else run.stdout.decode().splitlines()


# ---- examples of the protocol ------------------------------------------------

def blocks(kind):
    text = read(os.path.join(DOCS, "protocol.md"))
    return re.findall(r"^```%s\n(.*?)^```" % kind, text, re.M | re.S)


def every_value():
    """All values in the vectors, and in the JSON texts among them."""
    values, texts = [], set()

    def walk(v):
        values.append(v)
        if isinstance(v, dict):
            for x in v.values():
                walk(x)
        elif isinstance(v, list):
            for x in v:
                walk(x)
        elif isinstance(v, str):
            texts.add(v)
            if v[:1] in "{[":
                try:
                    walk(json.loads(v))
                except ValueError:
                    pass
    for name in sorted(os.listdir(VECTORS)):
        if name.endswith(".json"):
            walk(json.loads(read(os.path.join(VECTORS, name))))
    return values, texts


def is_like(shown, value):
    """The same, with "..." (one character) standing for any text."""
    if isinstance(shown, str) and isinstance(value, str):
        parts = [re.escape(p) for p in shown.split("\u2026")]
        return re.fullmatch(".*".join(parts), value, re.S) is not None
    if isinstance(shown, dict) and isinstance(value, dict):
        return shown.keys() == value.keys() and all(
            is_like(shown[k], value[k]) for k in shown)
    if isinstance(shown, list) and isinstance(value, list):
        return len(shown) == len(value) and all(map(is_like, shown, value))
    return type(shown) is type(value) and shown == value


def json_examples_are_vectors(values):
    bad = []
    for block in blocks("json"):
        try:
            shown = json.loads(block)
        except ValueError as e:
            bad.append("no JSON (%s): %s" % (e, block[:60]))
            continue
        if not any(is_like(shown, v) for v in values):
            bad.append("in no vector: " + block[:70].replace("\n", " "))
    return bad


def texts_are_vectors(texts):
    """RFC 8792: a backslash at the end of a line, then leading spaces, go."""
    bad = []
    for block in blocks("text"):
        whole = re.sub(r"\\\n *", "", block).rstrip("\n")
        if whole not in texts:
            bad.append("in no vector: " + whole[:70])
    return bad


# ---- manual pages ------------------------------------------------------------

def sample(program):
    """{setting: (help, default or None)} from --sample."""
    out = subprocess.run([os.path.join(".", program), "--sample"], check=True,
                         stdout=subprocess.PIPE).stdout.decode()
    found, group, help_ = {}, [], None
    for line in out.splitlines()[1:]:
        line = re.sub(r"^( *# ?)+", "", line).strip()
        opened = re.fullmatch(r"([a-z-]+)(?:: \{| = \()", line)
        value = re.fullmatch(r"([a-z-]+) = (.*?);(?:\s+# (.*))?", line)
        if opened:
            name = opened[1]
            if help_:
                found[".".join(group + [name])] = (help_, None)
            group.append(name)
            help_ = None
        elif line in ("};", ");"):
            group.pop()
        elif value:
            default = None if value[3] else value[2].strip('"')
            found[".".join(group + [value[1]])] = (help_, default)
            help_ = None
        elif line not in ("{", "}", ""):
            help_ = line
    return found


def page(program):
    """The same from the manual page."""
    text = read(os.path.join(DOCS, program + ".conf.5")).replace("\\-", "-")
    section = re.search(r"^\.SH SETTINGS\n(.*?)^\.SH ", text, re.M | re.S)[1]
    found = {}
    for entry in section.split(".TP\n.B ")[1:]:
        name, _, words = entry.partition("\n")
        words = " ".join(words.replace("\\&", "").split())
        default = re.search(r"Default: (.*?)\.(?: |$)", words)
        found[name] = (words, default[1] if default else None)
    return found


def page_is_true(program):
    want, have = sample(program), page(program)
    bad = ["%s is in one of them alone" % n for n in want.keys() ^ have.keys()]
    for name in want.keys() & have.keys():
        help_, default = want[name]
        words, stated = have[name]
        if not words.lower().startswith(help_.lower() + "."):
            bad.append("%s: \"%s\" is not its help" % (name, words[:60]))
        if default != stated:
            bad.append("%s: default %s, not %s" % (name, default, stated))
    return bad


def main():
    check("the vectors are what make.py makes", vectors_are_made())
    values, texts = every_value()
    check("there are examples", [] if len(blocks("json")) > 10 and
          len(blocks("text")) > 3 else ["too few"])
    check("every JSON example of the protocol stands in the vectors",
          json_examples_are_vectors(values))
    check("every folded text of the protocol stands in the vectors",
          texts_are_vectors(texts))
    for program in ("alto-server", "alto-proxy"):
        check("%s.conf(5) has the settings of %s" % (program, program),
              page_is_true(program))
    print("%(passed)d passed, %(failed)d failed, %(skipped)d skipped" % counts)
    return 1 if counts["failed"] else 0


if __name__ == "__main__":
    sys.exit(main())
