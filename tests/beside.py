"""Stories that share nothing, side by side: each in a process of its own, for
they wait more than they work.

	STORIES = [("a sentence", function of its folder), ...]
	sys.exit(beside.tell(STORIES))
"""
import functools
import json
import os
import re
import select
import sys
import tempfile
import traceback

import alto

AT_ONCE = int(os.environ.get("ALTO_AT_ONCE", "3"))      # of one file


class Aside:
    """A call in a process of its own: what it prints, and what it counts."""

    def __init__(self, tests, call):
        sys.stdout.flush()
        self.said = tempfile.TemporaryFile("w+")
        self.end, told = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            self.be(tests, call, told)
        os.close(told)

    def be(self, tests, call, told):
        """Never comes back. Nobody's daemons are ours."""
        try:
            os.dup2(self.said.fileno(), 1)
            alto._running.clear()
            alto._kept.clear()
            tests.passed = tests.failed = tests.skipped = 0
            call()
            alto.stop_all()
            sys.stdout.flush()
            os.write(told, json.dumps(
                [tests.passed, tests.failed, tests.skipped]).encode())
        except BaseException:
            traceback.print_exc(file=sys.stdout)
            alto.stop_all()
            sys.stdout.flush()
        finally:
            os._exit(0)

    def result(self):
        """(text, [passed, failed, skipped]); None when it did not get so far."""
        counts = os.read(self.end, 1000)
        os.close(self.end)
        os.waitpid(self.pid, 0)
        with self.said:
            self.said.seek(0)
            return self.said.read(), json.loads(counts) if counts else None


def add(tests, aside):
    text, counts = aside.result()
    print(text, end="", flush=True)
    if not counts:
        print("FAILED: a story ended before its end", flush=True)
        counts = [0, 1, 0]
    tests.passed += counts[0]
    tests.failed += counts[1]
    tests.skipped += counts[2]
    alto._failures[0] += counts[1]


def run(tests, calls, at_once=AT_ONCE):
    """Begins them in their order, and counts what they count."""
    left, going = list(calls), {}
    while left or going:
        while left and len(going) < at_once:
            aside = Aside(tests, left.pop(0))
            going[aside.end] = aside
        for end in select.select(list(going), [], [])[0]:
            add(tests, going.pop(end))


def tell(stories, at_once=AT_ONCE):
    """All of them, or those in whose name the first argument is found: what a
    file's main() returns. Each has a folder of its own."""
    tests = alto.Tests()
    wanted = sys.argv[1] if sys.argv[1:] else ""

    def one(what, story):
        with alto.folder() as top, tests(what):
            story(top)

    run(tests, [functools.partial(one, *story) for story in stories
                if re.search(wanted, story[0])], at_once)
    return tests.end()
