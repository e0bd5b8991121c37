#!/usr/bin/env python3
"""What an operator writes: reloads of every kind, wrong files, configurations.

  run_reload.py [PATTERN]

PATTERN: only the stories that it is found in.
"""
import json
import os
import re
import signal
import socket
import sys
import time

import alto
import beside
from alto import Skip, need, wait
from living import (
    Maps, World, current, end_well, refuses, run, says, tags, troubles)

SETTLE_S = 0.3          # server: a watched file is left alone for so long


# --- reloads -----------------------------------------------------------------

def reload_by_command(top):
    w = World(top, "milan", "turin")
    before, was = w.server.position(), tags(w.server)
    w.maps.edit()
    answer = w.server.reload()
    need(answer["changed"] and answer["serial"] == before[1] + 1, "%s", answer)
    need(answer["subscribers"] == 2, "%d subscribers", answer["subscribers"])
    change, = answer["resources"]
    need(change["id"] == "cost-routing" and change["cells-changed"] == 1,
         "%s", change)
    need(change["from"] == was["cost-routing"], "from another tag")
    need(change["to"] == tags(w.server)["cost-routing"], "to another tag")
    need(0 < answer["delta-bytes"] < answer["full-bytes"], "%s", answer)
    need(answer["pulls"] == 0, "%s", answer)
    w.in_step()
    w.end()


def reload_in_full(top):
    w = World(top, "milan")
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(alto.WAIT_S)
        s.connect(w.server.socket)
        s.sendall(b'{"command":"reload","force":"yes"}\n')
        says(s.recv(65536).decode(), "error", "true or false")
    net, cost = (json.loads(w.maps.text(p)) for p in (w.maps.net, w.maps.cost))
    for fill in (1, 2):
        net["network-map"] = {"pop%d-%d" % (fill, i): {"ipv4": [
            "10.%d.%d.0/24" % (fill, i)]} for i in range(250)}
        net["network-map"]["rest"] = {"ipv4": ["0.0.0.0/0"]}
        cost["cost-map"] = {"pop%d-1" % fill: {"pop%d-2" % fill: 1}}
        alto.put(w.maps.net, json.dumps(net))
        alto.put(w.maps.cost, json.dumps(cost))
        if fill == 1:
            need(w.server.reload()["pulls"] > 0, "no pull")
    code, out, _ = w.server.call("reload")
    need(code == 0 and "fetched in full" in out and "%" not in out, "%s", out)
    w.in_step()
    w.end()


def reload_by_signal(top):
    w = World(top, "milan")
    serial = w.server.position()[1]
    for step in (1, 2):
        w.maps.edit()
        w.server.signal(signal.SIGHUP)
        wait(lambda: w.server.position()[1] == serial + step, None,
             "SIGHUP is heard")
    w.in_step()
    w.end()


def reload_of_nothing(top):
    w = World(top, "milan")
    before, counts = w.server.position(), current(w.proxies[0])
    sent = w.server.status()["counters"]["updates_sent"]
    need(w.server.reload()["changed"] is False, "no file changed")
    doc = json.loads(w.maps.text(w.maps.net))
    doc["network-map"] = dict(reversed(doc["network-map"].items()))
    alto.put(w.maps.net, json.dumps(doc, indent=7))     # other bytes
    answer = w.server.reload()
    need(answer["changed"] is False and not answer["resources"], "%s", answer)
    w.server.reload("--force")
    need(w.server.position() == before, "it published")
    need(w.server.status()["counters"]["updates_sent"] == sent, "it pushed")
    need(current(w.proxies[0])["updates"] == counts["updates"], "it arrived")
    w.end()


def in_pieces(path, text, pieces):
    """Writes in place, as an editor over a slow link would. False: it took so
    long between two pieces that the file seemed settled."""
    cuts = [len(text) * i // pieces for i in range(pieces + 1)]
    last, slow = time.monotonic(), False
    with open(path, "w", encoding="utf-8") as out:
        for i in range(pieces):
            out.write(text[cuts[i]:cuts[i + 1]])
            out.flush()
            now = time.monotonic()
            slow = slow or now - last > SETTLE_S / 2
            last = now
            if i + 1 < pieces:  # the writer's pace, nobody is waited for
                time.sleep(SETTLE_S / 4)
    return not slow


def reload_by_watch(top):
    w = World(top, "milan", watch=True)
    serial = w.server.position()[1]
    good = False
    for _ in range(5):          # a busy machine may stretch the writing
        text = w.maps.edited()
        refused = w.server.status()["counters"]["reloads_refused"]
        good = in_pieces(w.maps.cost, text, 8)
        serial += 1
        wait(lambda: w.server.position()[1] == serial, None,
             "a file written in place is read")
        if good:
            need(w.server.status()["counters"]["reloads_refused"] == refused,
                 "half a file was read")
            break
    for _ in range(3):          # replaced by rename, more than once
        w.maps.edit()
        serial += 1
        wait(lambda: w.server.position()[1] == serial, None,
             "a file that was replaced is read")
    os.rename(w.maps.cost, w.maps.cost + ".away")
    wait(lambda: "reload" in troubles(w.server), None, "a missing file is said")
    os.rename(w.maps.cost + ".away", w.maps.cost)
    wait(lambda: "reload" not in troubles(w.server), None, "it is back")
    w.maps.edit()
    wait(lambda: w.server.position()[1] == serial + 1, None, "and watched")
    w.in_step()
    w.end()
    if not good:
        raise Skip("this machine is too busy to write a file in pieces")


def wrong_files(top):
    w = World(top, "milan")
    before, was = w.server.position(), tags(w.server)
    cost, net = w.maps.text(w.maps.cost), w.maps.text(w.maps.net)
    lines = net.split("\n")
    doc = json.loads(cost)
    row = sorted(doc["cost-map"])[0]
    doc["cost-map"][row]["nobody"] = 1
    wrong = [
        (w.maps.net, "\n".join(lines[:9] + ["  ]"] + lines[9:]),
         [r"network-map\.json:10: ", "expected"]),
        (w.maps.net, net.replace("192.0.2.0/25", "192.0.2.1/25"),
         [r"network-map\.json:\d+: /network-map/pop-milan/ipv4/0: ",
          "192.0.2.0/25|host bit"]),
        (w.maps.net, net.replace('"192.0.2.0/25"',
                                 '"192.0.2.0/25", "192.0.2.192/26"'),
         [r"network-map\.json:\d+: /network-map", "pop-milan", "pop-rome",
          r"RFC 7285 s"]),
        (w.maps.cost, json.dumps(doc, indent=1),
         [r"cost-map\.json: /cost-map/%s/nobody: " % row, "\"net\"",
          "RFC 7285 s"]),
        (w.maps.cost, cost.replace('"meta"', '"network-map": {}, "meta"', 1),
         [r"cost-map\.json:\d+: ", "one document"]),
        (w.maps.cost, cost.replace('"resource-id": "net"',
                                   '"resource-id": "mesh"', 1),
         [r"cost-map\.json: /meta/dependent-vtags/0/resource-id: ", "mesh"]),
        (w.maps.net, net.replace('"resource-id": "net"',
                                 '"resource-id": "mesh"', 1),
         [r"network-map\.json: /meta/vtag/resource-id: ", "mesh"]),
        (w.maps.cost, cost.replace('"pop-turin": 2', '"pop-turin": "2"', 1),
         [r"cost-map\.json:\d+: /cost-map/pop-milan/pop-turin: ",
          "expected a number"]),
        (w.maps.cost, "", [r"cost-map\.json"]),
    ]
    for path, text, marks in wrong:
        good = w.maps.text(path)
        alto.put(path, text)
        code, out, _ = w.server.call("reload", "--json")
        need(code == 1, "exit %d", code)
        error = json.loads(out)["error"]
        says(error, *marks)
        need(w.server.call("reload")[0] == 1, "without --json")
        says(w.server.call("reload")[2], *marks)
        need(w.server.position() == before and tags(w.server) == was,
             "something was published")
        says(troubles(w.server)["reload"], *marks)
        says("\n".join(w.server.lines()), *marks)
        alto.put(path, good)
        need(w.server.reload()["changed"] is False, "not the maps from before")
        need("reload" not in troubles(w.server), "the trouble stays")
    # Several are told once each, a single one too.
    alto.put(w.maps.net, "{")
    code, _, err = w.server.call("reload")
    need(code == 1 and err.count("network-map.json") == 1, "%s", err)
    alto.put(w.maps.cost, "{")
    code, _, err = w.server.call("reload")
    need(code == 1 and err.count("network-map.json") == 1 and
         err.count("cost-map.json") == 1, "%s", err)
    alto.put(w.maps.net, net)
    alto.put(w.maps.cost, cost)
    # One wrong file holds the other back.
    w.maps.edit()
    alto.put(w.maps.net, "{")
    need(w.server.call("reload")[0] == 1, "taken by half")
    need(w.server.position() == before, "published by half")
    alto.put(w.maps.net, net)
    need(w.server.reload()["changed"], "not taken afterwards")
    w.in_step()
    w.end()


def wrong_at_start(top):
    maps = Maps(os.path.join(top, "maps"))
    server = alto.at_home(alto.Server(top, maps.files()))
    good = maps.text(maps.cost)
    alto.put(maps.cost, good[:300])
    refuses(server, r"cost-map\.json:\d+: ", "no earlier version")
    os.remove(maps.cost)
    refuses(server, r"cost-map\.json", "no earlier version")
    alto.put(maps.cost, good)
    server.start()
    before = server.position()
    end_well(server)
    for break_it in (lambda: alto.put(maps.cost, good[:300]),
                     lambda: os.remove(maps.cost)):
        break_it()
        server.start()
        need(server.position() == before, "not the maps from before")
        says(troubles(server)["reload"], r"cost-map\.json")
        need(server.get(server.path_of("cost-routing"))[0] == 200, "not served")
        alto.put(maps.cost, good)
        need(server.reload()["changed"] is False, "not the same map")
        need(not troubles(server), "the trouble stays")
        end_well(server)
    # What the configuration says counts all the same.
    os.remove(maps.cost)
    server.set("heartbeat", 7)
    server.start()
    need(server.directory()["meta"]["redistribution"]["heartbeat"] == 7,
         "another heartbeat than the configuration's")
    need(server.position() == (before[0], before[1] + 1), "another session")
    end_well(server)


# --- configurations ----------------------------------------------------------

def write_conf(top, text, name="test.conf"):
    path = os.path.join(top, name)
    alto.put(path, text)
    return path


def all_errors_at_once(top):
    path = write_conf(top, """
        state = "state";
        heartbeet = 5;
        heartbeat = "often";
        http: { listen = "nowhere"; threads = 1000; };
        push: { listen = "0.0.0.0:0"; };
        signing: { lifetime = 3; };
        maps = ( { id = "net"; file = "a.json"; },
                 { id = "net"; file = "b.json"; },
                 { id = "no id"; file = "c.json"; }, { id = "x"; } );
        service = "none";
    """)
    code, out, err = run("alto-server", "--config", path, "--check")
    need(code == 1, "exit %d", code)
    said = out + err
    marks = [r"test\.conf:3: .*heartbeet", r"test\.conf:4: .*heartbeat",
             r"test\.conf:5: .*http\.listen", r"test\.conf:5: .*http\.threads",
             r"test\.conf:7: .*signing\.lifetime",
             r"test\.conf:10: .*maps.*file",
             r"test\.conf:\d+: .*service"]
    says(said, *marks)
    need(len(said.strip().splitlines()) >= len(marks), "%s", said)
    # What needs two right values is said when they are.
    path = write_conf(top, """
        state = "state";
        push: { listen = "0.0.0.0:0"; };
        signing: { lifetime = 60; };
        maps = ( { id = "net"; file = "a.json"; },
                 { id = "net"; file = "b.json"; },
                 { id = "no id"; file = "c.json"; } );
        service = "123456789012345678901234567890123456";
    """)
    code, out, err = run("alto-server", "--config", path, "--check")
    need(code == 1, "exit %d", code)
    says(out + err, "push.public-uri", "push.anonymous", "signing.lifetime",
         "stands twice", "resource-id", "UUID")
    alto.put(os.path.join(top, "open"), "0123456789abcdefghijk\n")
    os.chmod(os.path.join(top, "open"), 0o644)
    code, out, err = run("alto-server", "--config", write_conf(top, """
        state = "state";
        http: { listen = "127.0.0.1:7001"; };
        push: { listen = "0.0.0.0:7001"; public-uri = "http://a.example/"; };
        admin: { listen = "127.0.0.1:7001"; socket = "%s"; };
        signing: { key = "open"; };
        maps = ( { id = "net"; file = "a.json"; } );
        subscribers = ( { name = "milan"; token-file = "open"; },
                        { name = "turin"; token-file = "nothing"; },
                        { name = "milan"; } );
    """ % ("s" * 120)), "--check")
    need(code == 1, "exit %d", code)
    says(out + err, r"push\.listen: .*http\.listen",
         r"admin\.listen: .*http\.listen", r"admin\.listen: .*push\.listen",
         r"push\.public-uri: .*ws://", r"admin\.socket: .*107",
         r"signing\.key: .*0644", r"test\.conf:8: .*token-file: .*0644",
         r"test\.conf:9: .*token-file: .*nothing", r"milan.* stands twice")
    code, out, err = run("alto-proxy", "--config", write_conf(top, """
        state = "state";
        public-uri = "milan";
        upstream = ( { directory = "http://192.0.2.1/directory";
                       mode = "carrier pigeon"; name = "no name!";
                       key = "short"; } );
    """), "--check")
    need(code == 1, "exit %d", code)
    says(out + err, "public-uri", "mode", "name", "thumbprint")
    code, out, err = run("alto-server", "--config",
                         os.path.join(top, "no.conf"), "--check")
    need(code == 1, "exit %d", code)
    says(out + err, r"no\.conf")
    code, out, err = run("alto-server", "--config",
                         write_conf(top, "state = ;\n"), "--check")
    need(code == 1, "exit %d", code)
    says(out + err, r"test\.conf:1: ")


def values(shown):
    """The lines without comments: those say which values are defaults."""
    return [l.split("#")[0].rstrip() for l in shown.splitlines()
            if l.split("#")[0].strip()]


def show_config(top):
    w = World(top, "milan", heartbeat=7,
              subscribers=[{"name": "milan", "uris": ["http://127.0.0.1:9/"]}])
    for d in (w.server, w.proxies[0]):
        code, shown, err = run(d.program, "--config", d.conf, "--show-config")
        need(code == 0, "exit %d: %s", code, err)
        path = write_conf(d.dir, shown, "shown.conf")
        code, _, err = run(d.program, "--config", path, "--check")
        need(code == 0, "its own output is wrong: %s", err)
        again = run(d.program, "--config", path, "--show-config")[1]
        need(values(again) == values(shown), "shown again, it differs")
    says(run("alto-server", "--config", w.server.conf, "--show-config")[1],
         r"heartbeat = 7;", r"lifetime = 86400;")
    code, sample, _ = run("alto-server", "--sample")
    need(code == 0 and "maps" in sample, "no sample")
    need(run("alto-server", "--config", w.server.conf, "--check")[0] == 0,
         "a good one is refused")
    need(run("alto-server", "--version")[0] == 0, "--version")
    need(run("alto-server", "--nonsense")[0] == 2, "--nonsense")
    w.end()


def suggestions(top):
    maps = Maps(os.path.join(top, "maps"))
    for wrong, right in (("heartbeet", "heartbeat"), ("wach", "watch"),
                         ("Log", "log")):
        server = alto.Server(top, maps.files(), **{wrong: "x"})
        refuses(server, r"alto-server\.conf:\d+: ", wrong,
                '"%s"|%s\\?' % (right, right))


def refused_at_start(top):
    maps = Maps(os.path.join(top, "maps"))
    server = alto.Server(top, maps.files(), push={
        "listen": "0.0.0.0:0", "anonymous": True})
    refuses(server, r"push\.listen", r"push\.public-uri")
    server.set("push", {"public-uri": "ws://127.0.0.1:1/push"})
    server.start()
    need(server.directory()["meta"]["redistribution"]["push"] ==
         "ws://127.0.0.1:1/push", "not announced")
    end_well(server)
    server.set("push", {"anonymous": False})
    refuses(server, r"push\.listen", "anonymous")

    proxy = alto.Proxy(top, server, "milan", upstream={
        "directory": "http://192.0.2.1/directory"})
    refuses(proxy, "upstream", "directory", "pin")
    proxy.upstream["key"] = server_key(server)
    alto.put(proxy.conf, "")
    proxy.start()
    need(proxy.get("/directory")[0] == 503, "it serves something")
    end_well(proxy)


def server_key(server):
    for line in server.lines():
        found = re.search(r"thumbprint=([\w-]{43})", line)
        if found:
            return found[1]
    return None


# --- all ---------------------------------------------------------------------

STORIES = [
    ("reload by command says what changed", reload_by_command),
    ("a change as large as its map is fetched in full", reload_in_full),
    ("reload by SIGHUP", reload_by_signal),
    ("a reload that changes nothing publishes nothing", reload_of_nothing),
    ("a watched file is read when it has settled", reload_by_watch),
    ("a wrong file changes nothing and is said everywhere", wrong_files),
    ("wrong files at start stop a server only without a journal",
     wrong_at_start),
    ("--check says every error at once", all_errors_at_once),
    ("--show-config prints a configuration", show_config),
    ("an unknown setting gets a suggestion", suggestions),
    ("what would be unsafe is refused at start", refused_at_start),
]


if __name__ == "__main__":
    sys.exit(beside.tell(STORIES))
