#!/usr/bin/env python3
"""The computed services as operators meet them: property maps, settings that
change what is offered, reloads under load. What is answered to which request is
in run_conformance_table.py.

  run_services.py [PATTERN]

PATTERN: only the stories that it is found in.
"""
import http.client
import json
import os
import re
import sys
import threading

import alto
import beside
from alto import need, wait
from offers import (
    COSTS, HOP, KINDS, MEDIA, ORD, PIDS, PROPS, RC, USUAL, World, absent,
    answer, bytes_of, capabilities, check, cost, end_well, entries, net, post,
    properties, refused, refuses, region, rejects, says, wrong)

# --- property maps -----------------------------------------------------------

def property_map(top):
    w = World(top, dict(USUAL, regions=properties(PROPS)))
    path = "/maps/regions"
    need(json.loads(bytes_of(w, path)) == properties(PROPS), "other content")
    for d in w.both:
        headers = d.get(path)[1]
        need(headers["content-type"] == MEDIA % "propmap", "%s", headers)
        need("alto-proof" in headers, "unsigned at %s", d.name)
    e = entries(w)["regions"]
    need(e == {"uri": "maps/regions", "media-type": MEDIA % "propmap",
               "capabilities": {"mappings": {
                   "ipv4": ["priv:region", "priv:x"],
                   "ipv6": ["priv:region"]}}}, "%s", e)
    types = capabilities(w, "endpoint-properties")["prop-types"]
    need(types == ["net.pid", "priv:region", "priv:x"], "%s", types)
    need(region(w) == "hall", "not the longest prefix")
    need(region(w, name="priv:x") == "1", "not inherited")
    said = w.server.call("status")[1]
    says(said, r"regions +property .* 3 entities", r"net +network ", r"cost-rc +cost ",
         r"\.directory +directory ")
    w.end()


def property_edits(top):
    many = {"ipv4:10.2.%d.0/24" % i: {"priv:region": "r%d" % i}
            for i in range(200)}
    w = World(top, dict(USUAL, regions=properties({**PROPS, **many})))

    def edit(doc, changed=True):
        fetches, serial = w.proxy.counts()["fetches"], w.server.position()[1]
        w.put("regions", doc)
        got = w.reload()
        need(got["changed"] == changed, "%s", got)
        need(w.server.position()[1] == serial + changed, "serial")
        need(got["pulls"] == 0, "not as a delta: %s", got)
        need(w.proxy.counts()["fetches"] == fetches, "the proxy fetched it")
        bytes_of(w, "/maps/regions")
        return got

    entities = {**PROPS, **many}
    entities["ipv4:10.1.0.0/16"] = {"priv:region": "room"}
    got = edit(properties(entities))
    need([r["id"] for r in got["resources"]] == ["regions"], "%s", got)
    need(0 < got["delta-bytes"] < got["full-bytes"] / 4, "%s", got)
    need(region(w) == "room", "the edit is not answered")
    # A merge patch cannot say it; null stops what would be inherited.
    entities["ipv4:10.1.0.0/16"] = {"priv:region": None}
    edit(properties(entities))
    need(region(w) is None, "null is inherited: %s", region(w))
    entities["ipv4:10.1.2.0/24"] = {"priv:region": "desk"}
    del entities["ipv4:10.2.7.0/24"]
    got = edit(properties(entities))["resources"][0]
    need([got["entities-" + k] for k in ("changed", "added", "removed")] ==
         [0, 1, 1], "%s", got)
    need(region(w) == "desk" and region(w, "10.2.7.1") == "north", "moved")
    # Another spelling: order, spaces, escapes, a dot, an address in full.
    other = {"ipv6:2001:DB8:0::/32": {".priv:region": "six"}}
    other.update((k, entities[k]) for k in reversed(entities)
                 if not k.startswith("ipv6"))
    text = json.dumps(properties(other), indent=3).replace('"desk"',
                                                           '"d\\u0065sk"')
    edit(text, False)
    need(w.server.call("reload")[1].startswith("nothing changed"), "says so")
    w.put("regions", properties({**entities, "ipv4:10.3.0.0/16": {
        "priv:region": "new"}}))
    says(w.server.call("reload")[1], r"regions +\w+ +\w+ +\+1 -0 entities\n")
    w.in_step()
    for d in w.both:
        says(d.call("status")[1], r"regions +property .* 204 entities")
        says(d.admin("/metrics")[2].decode(), r'\nalto_map_entries\{'
             r'map="regions",kind="entities"\} 204\n')
    w.end()


def property_refused(top):
    w = World(top, dict(USUAL, regions=properties(PROPS)))

    def one(entity, values):
        return properties({**PROPS, entity: values})
    wrong(w, "regions", one("ipv4:192.0.2.0/24", {"asn": "64496"}),
          "asn", "not registered", "priv:asn", "RFC 7285 s10.8.2",
          "/property-map/ipv4:192.0.2.0~124")
    wrong(w, "regions", one("ipv4:192.0.2.1/24", {"priv:x": "1"}),
          "192.0.2.1/24", "host bits|RFC")
    wrong(w, "regions", one("net.a", {"priv:x": "1"}), "net.a", "RFC 9240")
    wrong(w, "regions", one("ipv4:192.0.2.0/24", {"priv:x": 1}), "string",
          "/property-map/ipv4:192.0.2.0~124")
    wrong(w, "regions", one("ipv4:192.0.2.0/24", {"pid": "a"}), "pid",
          "network map")
    wrong(w, "regions", one("ipv6:2001:DB8::/32", {"priv:x": "1"}),
          "same prefix")
    text = json.dumps(properties(PROPS), indent=1)
    lines = text[:text.index('"hall"')].count("\n") + 1
    wrong(w, "regions", text.replace('"hall"', '"hall'), ":%d" % lines)
    need(region(w) == "hall", "the last good state")
    w.end()


def property_restarts(top):
    w = World(top, dict(USUAL, regions=properties(PROPS)))
    w.put("regions", properties({**PROPS, "ipv4:10.1.2.0/24": {
        "priv:region": None}}))
    w.reload()
    held, at = bytes_of(w, "/maps/regions"), w.server.position()
    # From the journals alone: the file is no more, the server is not there.
    os.rename(w.path("regions"), w.path("away"))
    end_well(w.server)
    w.proxy.kill9()
    w.proxy.start()
    need(w.proxy.get("/maps/regions")[2] == held, "the proxy forgot")
    got = post(w.proxy, "endpoint/property", {
        "properties": ["priv:region"], "endpoints": ["ipv4:10.1.2.1"]})
    need(got[0] == 200 and got[2]["endpoint-properties"] == {
        "ipv4:10.1.2.1": {}}, "%s", got)
    w.server.start()
    w.in_step()
    need(w.server.position() == at, "another position")
    need(bytes_of(w, "/maps/regions") == held, "the server forgot")
    need(region(w) is None and region(w, "10.1.3.1") == "hall", "answers")
    os.rename(w.path("away"), w.path("regions"))
    # Out of the configuration: gone everywhere, and so are its properties.
    w.again(maps=w.server.settings["maps"][:2])
    for d in w.both:
        need(d.get("/maps/regions")[0] == 404, "%s serves it", d.name)
    need("regions" not in entries(w), "it is listed")
    need(capabilities(w, "endpoint-properties")["prop-types"] == ["net.pid"],
         "its properties are listed")
    refused(w, "endpoint/property", {"properties": ["priv:region"],
                                     "endpoints": ["ipv4:10.0.0.1"]},
            "properties")
    w.end()


def property_twice(top):
    maps = dict(USUAL, regions=properties(PROPS), others=properties({
        "ipv4:192.0.2.0/24": {"priv:y": "1"}}))
    w = World(top, maps)
    e = entries(w)
    need({"regions", "others"} <= e.keys(), "both are listed")
    wrong(w, "others", properties({"ipv4:192.0.2.0/24": {"priv:x": "1"}}),
          "priv:x", "regions", "others")
    need(answer(w, "endpoint/property", {
        "properties": ["priv:y", "priv:region", "net.pid"],
        "endpoints": ["ipv4:192.0.2.1", "ipv4:10.0.0.1"],
    })["endpoint-properties"] == {
        "ipv4:192.0.2.1": {"net.pid": "b", "priv:y": "1"},
        "ipv4:10.0.0.1": {"net.pid": "a", "priv:region": "north"}}, "answers")
    w.end()


# --- what is offered ---------------------------------------------------------

def ordinal(top):
    w = World(top, dict(USUAL, hops=cost(metric="hopcount")),
              {"cost-rc": {"ordinal": True}})
    for rid in ("net:filtered-cost", "net:endpoint-cost"):
        need(capabilities(w, rid)["cost-type-names"] == [
            "num-hopcount", "num-routingcost", "ord-routingcost"],
            "%s", capabilities(w, rid))
    need(capabilities(w, "cost-rc") == {
        "cost-type-names": ["num-routingcost"]}, "a map has one cost type")
    doc = answer(w, "filter/cost/net", {"cost-type": ORD})
    need(doc["cost-map"] == {"a": {"a": 1, "b": 3, "rest": 2},
                             "b": {"a": 3, "b": 1, "rest": 4}}, "%s", doc)
    refused(w, "filter/cost/net", {"cost-type": dict(
        HOP, **{"cost-mode": "ordinal"})}, "cost-type/cost-metric")
    w.again(maps=[{k: v for k, v in m.items() if k != "ordinal"}
                  for m in w.server.settings["maps"]])
    need("ord-routingcost" not in capabilities(w)["cost-type-names"], "stays")
    refused(w, "filter/cost/net", {"cost-type": ORD}, "cost-type/cost-mode")
    w.end()


def said_so(daemon, text):
    return [line for line in daemon.lines() if re.search(text, line)]


def ordinal_refused(top):
    ranks = cost(rows={"a": {"a": 1, "b": 2}}, mode="ordinal")
    w = World(top, USUAL, {"net": {"ordinal": True}}, start=False)
    where = r"\.conf:\d+: maps\[%d\]\.%s: \"%s\" .*%s"
    refuses(w, where % (0, "ordinal", "net", "numerical"))
    w.list({**USUAL, "ranks": ranks}, {"ranks": {"ordinal": True}})
    refuses(w, where % (2, "ordinal", "ranks", "numerical"))
    w.list(USUAL, {"cost-rc": {"default": True}})
    refuses(w, where % (1, "default", "cost-rc", "network map"))
    w.list({**USUAL, "ranks": ranks}, {"cost-rc": {"ordinal": True}})
    clash = (r"\.conf:\d+: maps\[\d\].ordinal: .*cost-rc.*ranks.*"
             "ord-routingcost.*ordinal = false")
    refuses(w, clash, "no earlier version")
    w.list(USUAL, {"cost-rc": {"ordinal": True}})
    w.start()
    # With a journal it serves on, and a reload says the same.
    wrong(w, "cost-rc", ranks, where % (1, "ordinal", "cost-rc", "numerical"))
    # With a new map beside those of the journal it starts; with all in the
    # journal there is nothing to start with. Both say once what is wrong.
    w.server.stop()
    w.list({**USUAL, "ranks": ranks}, {"cost-rc": {"ordinal": True}})
    before = len(said_so(w.server, clash))
    w.server.start()
    need(len(said_so(w.server, clash)) == before + 1, "%s", w.server.lines())
    says(w.server.status()["troubles"][0]["text"], clash)
    w.list({**USUAL, "ranks": ranks})
    w.server.stop()
    w.server.start()
    w.server.stop()
    w.list({**USUAL, "ranks": ranks}, {"cost-rc": {"ordinal": True}})
    before = len(said_so(w.server, clash))
    refuses(w, clash, "cannot start: the settings do not fit the maps")
    need(len(said_so(w.server, clash)) == before + 1, "not said once")
    w.end()


def testable(top):
    maps = dict(USUAL, hops=cost(metric="hopcount"))
    w = World(top, maps, {"hops": {"testable": False}})
    one = {"cost-type": RC, "constraints": ["le 7.5"]}
    caps = capabilities(w)
    need("cost-constraints" not in caps and
         caps["testable-cost-type-names"] == ["num-routingcost"], "%s", caps)
    need(answer(w, "filter/cost/net", one)["cost-map"] == {
        "a": {"a": 1, "rest": 7.5}, "b": {"b": 1}}, "constraints")
    refused(w, "filter/cost/net", {"cost-type": HOP,
                                   "constraints": ["le 2"]}, "constraints")
    every = [dict(m, testable=False) for m in w.server.settings["maps"]]
    w.again(maps=every)
    for rid in ("net:filtered-cost", "net:endpoint-cost"):
        caps = capabilities(w, rid)
        need(not {"testable-cost-type-names", "cost-constraints"} &
             caps.keys(), "%s", caps)
    refused(w, "filter/cost/net", one, "constraints")
    w.again(maps=[dict(m, testable=True) for m in every])
    caps = capabilities(w)
    need(caps.get("cost-constraints") is True and
         "testable-cost-type-names" not in caps, "%s", caps)
    need(answer(w, "filter/cost/net", {"cost-type": HOP, "constraints": [
        "gt 20"]})["cost-map"] == {"b": {"rest": 40}}, "constraints")
    w.end()


def switched_off(top):
    w = World(top)
    paths = {"net:filtered": "filter/network/net",
             "net:filtered-cost": "filter/cost/net",
             "net:endpoint-cost": "endpoint/cost/net"}
    full = {"cost-type": RC}
    ends = dict(full, endpoints={"srcs": ["ipv4:10.0.0.1"],
                                 "dsts": ["ipv4:192.0.2.1"]})
    need(paths.keys() <= entries(w).keys(), "not offered")
    caps = capabilities(w)
    need(caps["max-cost-types"] == 8, "%s", caps)
    doc = answer(w, "filter/cost/net", {"multi-cost-types": [RC]})
    need(doc["cost-map"]["a"]["b"] == [20], "%s", doc)
    need("vtag" not in answer(w, "endpoint/cost/net", ends)["meta"], "vtag")

    w.again(services={"filtered": False})
    need(entries(w).keys() & paths.keys() == {"net:endpoint-cost"}, "listed")
    absent(w, "filter/network/net")
    absent(w, "filter/cost/net")
    answer(w, "endpoint/cost/net", ends)
    w.again(services={"filtered": True, "endpoint-cost": False})
    need(entries(w).keys() & paths.keys() == {
        "net:filtered", "net:filtered-cost"}, "listed")
    absent(w, "endpoint/cost/net")
    w.again(services={"endpoint-cost": True, "max-cost-types": 0,
                      "endpoint-cost-vtag": True})
    for rid in ("net:filtered-cost", "net:endpoint-cost"):
        need("max-cost-types" not in capabilities(w, rid), "max-cost-types")
    # Without RFC 8189 its members are not known, so they are passed over.
    refused(w, "filter/cost/net", {"multi-cost-types": [RC]}, "cost-type",
            "E_MISSING_FIELD")
    need(answer(w, "filter/cost/net", dict(full, **{
        "multi-cost-types": 1}))["cost-map"]["a"]["b"] == 20, "passed over")
    tag = json.loads(bytes_of(w, "/maps/net"))["meta"]["vtag"]
    meta = answer(w, "endpoint/cost/net", ends)["meta"]
    need(meta == {"cost-type": RC, "vtag": tag}, "%s", meta)
    w.again(services={"max-cost-types": 2}, directories=[
        {"id": "east", "uri": "http://192.0.2.80/directory"}])
    need(capabilities(w)["max-cost-types"] == 2, "max-cost-types")
    refused(w, "filter/cost/net", {"multi-cost-types": [RC] * 3},
            "multi-cost-types")
    need(entries(w)["east"] == {"uri": "http://192.0.2.80/directory",
                                "media-type": MEDIA % "directory"}, "link")
    need(answer(w, "endpoint/property", {
        "properties": ["net.pid"], "endpoints": ["ipv4:10.0.0.1"]
    })["endpoint-properties"]["ipv4:10.0.0.1"] == {"net.pid": "a"}, "always")
    w.end()


def ids(top):
    w = World(top, dict(USUAL, **{"net:filtered": cost(metric="hopcount")}),
              start=False)
    rejects(w, r"maps\[\d\].id: \"net:filtered\"", "computed",
            "services.filtered = false")
    w.server.set("services", {"filtered": False})
    need(check(w.server)[0] == 0, "the service is not offered")
    w.server.set("services", {"filtered": True})
    w.list(USUAL)
    for rid, texts in (("endpoint-properties", ["endpoint property service"]),
                       ("net:filtered-cost", ["services.filtered = false"]),
                       ("net:endpoint-cost",
                        ["services.endpoint-cost = false"]),
                       ("net", ['"net" is a map'])):
        w.server.set("directories", [{"id": rid, "uri": "http://192.0.2.80/"}])
        rejects(w, r"directories\[0\].id: \"" + rid, *texts)
    w.server.set("directories", [])
    # Each clash is said once, however many it meets.
    listed = list(w.server.settings["maps"])
    w.server.set("maps", listed + [listed[1]] * 2)
    code, said = check(w.server)
    need(code == 1 and said.count(".conf:") == 2, "%d: %s", code, said)
    says(said, r"maps\[2\].id: \"cost-rc\" stands twice",
         r"maps\[3\].id: \"cost-rc\" stands twice")
    w.server.set("maps", [{**listed[0], "default": False}] * 2 + listed)
    w.server.set("directories", [
        {"id": "net", "uri": "http://192.0.2.80/"},
        {"id": "net:filtered", "uri": "http://192.0.2.80/"}])
    code, said = check(w.server)
    need(code == 1 and said.count(".conf:") == 4, "%d: %s", code, said)
    w.server.set("directories", [])
    # Two that differ in the last character alone, and are cut before it.
    long = ["n" * 63 + c for c in "xy"]
    maps = {rid: net(rid) for rid in long}
    maps.update((rid[1:] + "c", cost(rid)) for rid in long)
    w.list(maps, {long[1]: {"default": True}})
    w.start()
    need(w.server.directory()["meta"]["default-alto-network-map"] == long[1],
         "the default map")
    e = entries(w)
    for rid in long:
        for kind in ("filter/network/", "filter/cost/", "endpoint/cost/"):
            found = [i for i, v in e.items() if v["uri"] == kind + rid]
            need(len(found) == 1 and len(found[0]) == 64, "%s", found)
        doc = answer(w, "filter/network/" + rid, {"pids": ["a"]})
        need(doc["meta"]["vtag"] == json.loads(
            bytes_of(w, "/maps/" + rid))["meta"]["vtag"], "%s", doc)
        answer(w, "filter/cost/" + rid, {"cost-type": RC})
        answer(w, "endpoint/cost/" + rid, {"cost-type": RC, "endpoints": {
            "srcs": ["ipv4:10.0.0.1"], "dsts": ["ipv4:192.0.2.1"]}})
    need(answer(w, "endpoint/property", {
        "properties": [rid + ".pid" for rid in long],
        "endpoints": ["ipv4:10.0.0.1"]})["endpoint-properties"] == {
            "ipv4:10.0.0.1": {rid + ".pid": "a" for rid in long}}, "pid")
    w.end()


def several_maps(top):
    coarse = {"x": {"ipv4": ["0.0.0.0/0"]}}
    maps = dict(USUAL, wide=net("wide", coarse),
                bare=net("bare", coarse),
                **{"wide-rc": cost("wide", {"x": {"x": 3}})})
    w = World(top, maps, {"wide": {"default": True}})
    need(w.server.directory()["meta"]["default-alto-network-map"] == "wide",
         "the default map")
    need(answer(w, "filter/cost/wide", {"cost-type": RC})["cost-map"] == {
        "x": {"x": 3}}, "the costs of another map")
    need(answer(w, "filter/cost/net", {"cost-type": RC})["cost-map"] == COSTS,
         "the costs of another map")
    e = entries(w)
    need("bare:filtered" in e, "a network map alone has its filter")
    need("bare:filtered-cost" not in e and "bare:endpoint-cost" not in e,
         "costs without a cost map")
    absent(w, "filter/cost/bare")
    absent(w, "endpoint/cost/bare")
    absent(w, "filter/network/wide-rc")
    doc = answer(w, "endpoint/property", {
        "properties": ["wide.pid", "net.pid"],
        "endpoints": ["ipv4:10.0.0.1", "ipv6:2001:db8::1"]})
    need(doc["endpoint-properties"] == {
        "ipv4:10.0.0.1": {"net.pid": "a", "wide.pid": "x"},
        "ipv6:2001:db8::1": {"net.pid": "rest"}}, "%s", doc)
    need([v["resource-id"] for v in doc["meta"]["dependent-vtags"]] == [
        "wide", "net"], "%s", doc["meta"])
    # One cost type, one map of it: also for a map that becomes one.
    wrong(w, "wide-rc", cost("net"), "wide-rc", "cost-rc", "one cost type",
          "RFC 7285 s9.2.2")
    w.end()


def default_of(d):
    return d.directory()["meta"]["default-alto-network-map"]


def default_unmarked(top):
    line = r"2 network maps.*the first, \"net\", is the default"
    maps = {"net": net("net"), "bare": net("bare"), "cost-rc": cost()}
    w = World(top, maps, start=False)
    w.server.start()
    need(not said_so(w.server, line), "said though one is marked")
    w.server.stop()
    for m in w.server.settings["maps"]:
        m.pop("default", None)
    w.start()
    need(len(said_so(w.server, line)) == 1, "%s", w.server.lines())
    need(default_of(w.server) == "net", "not the first in the settings")
    # The journal's maps, which are in another order, have the same one.
    w.server.stop()
    w.put("cost-rc", "{")
    w.server.start()
    need(w.server.status()["troubles"] != [], "the file is right")
    need(default_of(w.server) == "net", "not the first in the settings")
    w.end()


GOOD_METRICS = [
    "routingcost", "delay-ow", "delay-ow:p99.9", "delay-rt:median",
    "delay-variation", "lossrate:mean", "tput", "bw-residual",
    "bw-available:cur", "ane-path", "priv:mine"]
ODD_METRICS = ["mine", "delay", "hopcounts", "hop", "delay-ow:p", "delay-ow:x",
               "routingcost:p50"]


def metrics_named(top):
    maps = {"net": net("net")}
    for i, name in enumerate(GOOD_METRICS):
        maps["good-%d" % i] = cost(metric=name)
    for i, name in enumerate(ODD_METRICS):
        maps["odd-%d" % i] = cost(metric=name)
    w = World(top, maps)
    for i, name in enumerate(ODD_METRICS):
        need(len(said_so(w.server, r'odd-%d\.json: .*"%s" is no registered '
                         r'metric.*"priv:%s"' % (i, name, name))) == 1,
             "%s: %s", name, w.server.lines())
        need(w.server.get("/maps/odd-%d" % i)[0] == 200, "not served")
    need(not said_so(w.server, r"good-\d+\.json"), "%s", w.server.lines())
    need(len(said_so(w.server, "subscribed .* mode=snapshot ")) == 1, "%s",
         w.server.lines())
    w.put("good-0", cost(metric="theirs"))
    got = w.reload()["warnings"]
    need(len(got) == 1, "%s", got)
    says(got[0], re.escape(w.path("good-0")), r'"priv:theirs"')
    w.end()


# --- reloads under load ------------------------------------------------------

TIMES = 25


class Reader(threading.Thread):
    """Asks one daemon, one request after the other, and keeps what it saw:
    (what, tag of the network map, number that the version has)."""

    def __init__(self, daemon):
        super().__init__()
        self.host = daemon.url.split("//")[1]
        self.name, self.seen, self.error = daemon.name, [], None
        self.ended = threading.Event()

    def ask(self, con, path, body=None):
        kind = [k for k in KINDS if path.startswith(k)]
        con.request("POST" if body else "GET", "/" + path,
                    json.dumps(body) if body else None,
                    {"Content-Type": MEDIA % KINDS[kind[0]]} if kind else {})
        r = con.getresponse()
        data = r.read()
        need(r.status == 200, "%s: %d %s", path, r.status, data)
        return json.loads(data)

    def round(self, con):
        doc = self.ask(con, "maps/net")
        yield ("map", doc["meta"]["vtag"]["tag"],
               next(p for p in doc["network-map"] if p[0] == "v"))
        doc = self.ask(con, "filter/network/net", {"pids": []})
        yield ("filtered map", doc["meta"]["vtag"]["tag"],
               next(p for p in doc["network-map"] if p[0] == "v"))
        doc = self.ask(con, "endpoint/property", {
            "properties": ["net.pid"], "endpoints": ["ipv4:10.0.0.1"]})
        yield ("properties", doc["meta"]["dependent-vtags"][0]["tag"],
               doc["endpoint-properties"]["ipv4:10.0.0.1"]["net.pid"])
        doc = self.ask(con, "maps/cost-rc")
        yield ("cost map", doc["meta"]["dependent-vtags"][0]["tag"],
               "v%d" % doc["cost-map"]["rest"]["rest"])
        doc = self.ask(con, "filter/cost/net", {"cost-type": RC})
        yield ("filtered costs", doc["meta"]["dependent-vtags"][0]["tag"],
               "v%d" % doc["cost-map"]["rest"]["rest"])
        doc = self.ask(con, "endpoint/cost/net", {
            "cost-type": RC, "endpoints": {"srcs": ["ipv4:10.0.0.1"],
                                           "dsts": ["ipv4:192.0.2.1"]}})
        yield ("endpoint costs", doc["meta"]["vtag"]["tag"],
               "v%d" % doc["endpoint-cost-map"]["ipv4:10.0.0.1"][
                   "ipv4:192.0.2.1"])

    def run(self):
        con = http.client.HTTPConnection(self.host, timeout=alto.WAIT_S)
        try:
            while not self.ended.is_set():
                for one in self.round(con):
                    self.seen.append(one)
        except Exception as e:          # told by the test
            self.error = e
        con.close()


def version(n):
    """Network map and cost map of version n, which is in both of them."""
    pids = dict(PIDS, **{"v%d" % n: {"ipv4": ["10.0.0.0/8"]}})
    del pids["a"]
    rows = {"rest": {"rest": n}, "v%d" % n: {"b": n}}
    tag = "t%d" % n
    return {"net": net("net", pids, tag), "cost-rc": cost(rows=rows, tag=tag)}


def together(top):
    w = World(top, version(0), services={"endpoint-cost-vtag": True})
    readers = [Reader(d) for d in w.both for _ in range(2)]

    def tag():
        return {r["id"]: r["tag"] for r in
                w.server.status()["resources"]}["net"]
    tags = [tag()]
    for r in readers:
        r.start()
    try:
        for n in range(1, TIMES + 1):
            for rid, doc in version(n).items():
                w.put(rid, doc)
            need(w.server.reload()["changed"], "nothing changed")
            tags.append(tag())
            seen = len(readers[0].seen)
            wait(lambda: len(readers[0].seen) > seen or readers[0].error,
                 None, "a reader goes on")
        w.in_step()
    finally:
        for r in readers:
            r.ended.set()
        for r in readers:
            r.join()
    for r in readers:
        need(not r.error, "%s: %r", r.name, r.error)
        at, moved = 0, 0
        for what, got, number in r.seen:
            need(got in tags, "%s: %s of an unknown version", r.name, what)
            n = tags.index(got)
            need(number == "v%d" % n, "%s: %s is %s under the tag of v%d",
                 r.name, what, number, n)
            need(n >= at, "%s: %s is of v%d, after v%d was answered", r.name,
                 what, n, at)
            moved += n > at
            at = n
        need(moved > TIMES / 3, "%s saw %d versions", r.name, moved)
    w.end()


# --- all ---------------------------------------------------------------------

STORIES = [
    ("a property map is served, listed and answered from", property_map),
    ("edits of a property map travel as deltas", property_edits),
    ("a wrong property map changes nothing and is said", property_refused),
    ("a property map comes back from the journals, and goes",
     property_restarts),
    ("a property stands in one map alone", property_twice),
    ("ordinal = true offers ranks", ordinal),
    ("ordinal = true for what has no costs to rank is refused",
     ordinal_refused),
    ("testable says which costs constraints may refer to", testable),
    ("services are switched by the server's settings alone", switched_off),
    ("ids clash with a word, and long ones work", ids),
    ("several network maps have services of their own", several_maps),
    ("of several network maps the first is the default, and that is said",
     default_unmarked),
    ("a cost metric that nobody registered is served and named",
     metrics_named),
    ("maps and services change at one moment", together),
]


if __name__ == "__main__":
    sys.exit(beside.tell(STORIES))
