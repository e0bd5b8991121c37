#!/usr/bin/env python3
"""RFC 7285 and RFC 8189 over real sockets, requirement by requirement: a
function for each that takes more than a row in run_conformance_table.py. All
are asked of a server and of the proxy below it. docs/conformance.md says which
test shows which requirement; the names here are the names there.

  run_conformance.py [PATTERN]	only the tests that it is found in
"""
import itertools
import json
import os
import re
import subprocess
import sys
import urllib.parse

import alto
import rfc
from alto import Failed, need
from rfc import (
    A1, A2, COST, DIRECTORY, ERROR, FOUR, FOUR_COST, HOPS, KINDS, MEDIA,
    MISSING, NET, P1, RC, VALUE, Maps, Reply, Wire, answered, both, change,
    coded, cost_doc, expect, is_error, net_doc, path_of, rc, same, story,
    test, wire)


@test("R7285-1 the root directory names an existing default network map")
def the_root(t):
    r = t.request("GET", t.base)
    doc = answered(r, DIRECTORY)
    net = doc["meta"]["default-alto-network-map"]
    need(net == "net", "default map: %s", net)
    need(doc["resources"][net]["media-type"] == MEDIA % "networkmap",
         "default map: %s", doc["resources"][net])


@test("R7285-2 every entry has a uri that leads to what it says")
def every_entry(t):
    for rid, e in t.entries().items():
        need(isinstance(e.get("uri"), str) and
             isinstance(e.get("media-type"), str), "%s: %s", rid, e)
        if "accepts" in e or e["media-type"] == DIRECTORY:
            continue
        r = t.request("GET", e["uri"])
        need(r.status == 200 and r.header("content-type") == e["media-type"],
             "%s: %s", rid, r)
        need(not urllib.parse.urlsplit(e["uri"]).netloc, "%s is absolute",
             e["uri"])


@test("R7285-2 another directory is linked by its uri")
def other_directory(t):
    e = t.entries()["other"]
    same(e, {"uri": "http://192.0.2.80/directory", "media-type": DIRECTORY})


@test("R7285-3 the directory holds what every service must offer")
def the_closure(t):
    nets = [i for i, e in t.entries().items() if "accepts" not in e and
            e["media-type"] == MEDIA % "networkmap"]
    need(sorted(nets) == ["bulk", "net", "none", "part"], "%s", nets)
    types = t.directory()["meta"]["cost-types"]
    metrics = [types[e["capabilities"]["cost-type-names"][0]]["cost-metric"]
               for e in t.entries().values()
               if e["media-type"] == MEDIA % "costmap" and "accepts" not in e]
    need("routingcost" in metrics, "%s", metrics)
    held = t.capabilities("properties")["prop-types"]
    need({"%s.pid" % n for n in nets} <= set(held), "prop-types: %s", held)
    need({"priv:region", "priv:x"} <= set(held), "prop-types: %s", held)
    for n in nets:
        for kind in ("network", "costs", "endpoint-costs"):
            t.find(kind, n)


@test("R7285-4 no two cost maps have the same cost type and network map")
def cost_maps_differ(t):
    seen = [(tuple(e["capabilities"]["cost-type-names"]), tuple(e["uses"]))
            for e in t.entries().values()
            if e["media-type"] == MEDIA % "costmap" and "accepts" not in e]
    need(len(set(seen)) == len(seen) == 6, "%s", seen)


@test("R7285-5 resource ids follow the grammar")
def resource_ids(t):
    for rid in t.entries():
        need(re.fullmatch(r"[0-9A-Za-z:@_-]{1,64}", rid), "%r", rid)


@test("R7285-6 a cost map has one cost type, which the directory defines")
def one_cost_type(t):
    types = t.directory()["meta"]["cost-types"]
    for rid, e in t.entries().items():
        if e["media-type"] != MEDIA % "costmap" or "accepts" in e:
            continue
        names = e["capabilities"]["cost-type-names"]
        need(len(names) == 1 and len(e["uses"]) == 1, "%s: %s", rid, e)
        got = t.map(rid)["meta"]["cost-type"]
        same({k: types[names[0]][k] for k in ("cost-metric", "cost-mode")},
             got, rid)


@test("R7285-7 endpoint costs do not name a map")
def endpoint_costs_use_nothing(t):
    for rid, e in t.entries().items():
        if e["media-type"] == KINDS["endpoint-costs"][0]:
            need(not e.get("uses"), "%s: %s", rid, e)
            need(e["accepts"] == KINDS["endpoint-costs"][1], "%s", e)


@test("R7285-8 a network map has its version and every PID")
def network_map(t):
    doc = answered(t.fetch("net"), MEDIA % "networkmap")
    same(sorted(doc["meta"]["vtag"]), ["resource-id", "tag"])
    same(doc["meta"]["vtag"]["resource-id"], "net")
    need(re.fullmatch("[!-~]{1,64}", doc["meta"]["vtag"]["tag"]), "tag")
    same(doc["network-map"], NET)


@test("R7285-10 a cost map has its cost type and the version it depends on")
def cost_map(t):
    doc = answered(t.fetch("cost-rc"), MEDIA % "costmap")
    same(doc["meta"]["dependent-vtags"], [t.vtag("net")])
    same(doc["meta"]["cost-type"], RC)
    same(doc["cost-map"], COST)


@test("R7285-33 endpoint costs without sources are the caller's")
def own_address(t):
    body = rc(endpoints={"dsts": [A2]})
    for caller in ("127.0.0.1", "127.0.0.9"):
        with wire(t, caller) as w:
            w.send("POST", path_of(t, "endpoint-costs", "net"), {
                "Content-Type": KINDS["endpoint-costs"][1]},
                json.dumps(body).encode())
            r = w.reply()
        same(answered(r, KINDS["endpoint-costs"][0])["endpoint-cost-map"],
             {"ipv4:" + caller: {A2: 40}})
    r = t.post("endpoint-costs", "net", rc(endpoints={"srcs": [A2],
                                                      "dsts": []}))
    same(answered(r, KINDS["endpoint-costs"][0])["endpoint-cost-map"],
         {A2: {"ipv4:127.0.0.1": 40}})


@test("R7285-42 another content type is refused with 415")
def content_type(t):
    for kind in KINDS:
        for other in ("application/json", "text/plain", None,
                      MEDIA % "directory", ""):
            r = t.post(kind, "net", {}, {"Content-Type": other})
            need(r.header("content-type") == ERROR, "%s", r)
            expect(r, 415, "%s with %s" % (kind, other))


@test("R7285-42 a content type is read without case and parameters")
def content_type_spelling(t):
    for text in ("Application/ALTO-networkmapfilter+JSON",
                 MEDIA % "networkmapfilter" + "; charset=utf-8"):
        expect(t.post("network", "net", {"pids": []}, {"Content-Type": text}),
               200, text)


@test("R7285-42 another method is refused with 405 and Allow")
def methods(t):
    for kind in KINDS:
        for method in ("GET", "HEAD", "PUT", "DELETE"):
            r = expect(t.request(method, t.uri(kind, "net")), 405, method)
            need("post" in r.listed("allow"), "Allow: %s", r)
            need("get" not in r.listed("allow"), "Allow: %s", r)
            if method != "HEAD":
                need(r.header("content-type") == ERROR, "%s", r)
    for url in (t.base, t.uri("net"), t.uri("cost-rc")):
        for method in ("POST", "PUT", "DELETE", "PATCH"):
            r = expect(t.request(method, url, {}, b"{}"), 405, method)
            need({"get", "head"} <= set(r.listed("allow")), "Allow: %s", r)


@test("R7285-43 a client gets only what it accepts")
def accept(t):
    for rid, kind in (("net", "networkmap"), ("cost-rc", "costmap")):
        own = MEDIA % kind
        for text, status in (
                ("text/html", 406), ("*/*", 200), ("", 200),
                ("application/*", 200), ("text/*", 406), (own, 200),
                (own.upper(), 200), (own + ";q=0", 406),
                ("*/*, %s;q=0" % own, 406), ("text/html, */*;q=0.1", 200),
                (own + ";q=0.001", 200), ("*/*;q=0", 406),
                ("application/json", 406),
                ("%s, %s" % (own, ERROR), 200)):
            r = expect(t.fetch(rid, {"Accept": text}), status, text)
            need(r.header("content-type") == (own if status == 200 else
                                              ERROR), "%s: %s", text, r)


@test("R7285-43 a posted request is answered only with what is accepted")
def accept_post(t):
    for kind, body in (
            ("network", {"pids": ["a"]}), ("costs", rc(pids=P1)),
            ("endpoint-costs", rc(endpoints={"srcs": [A1], "dsts": [A2]})),
            ("properties", {"properties": ["net.pid"], "endpoints": [A1]})):
        for text, status in (("text/html", 406), ("*/*", 200),
                             (KINDS[kind][0], 200),
                             (KINDS[kind][0] + ";q=0", 406)):
            r = expect(t.post(kind, "net", body, {"Accept": text}), status,
                       "%s, %s" % (kind, text))
            if status == 406:
                need(r.header("content-type") == ERROR, "%s", r)


@test("R7285-43 a client that says nothing of types gets everything")
def no_accept(t):
    with wire(t) as w:
        w.send("GET", path_of(t, "net"))
        answered(w.reply(), MEDIA % "networkmap")
        w.send("POST", path_of(t, "network", "net"),
               {"Content-Type": KINDS["network"][1]}, b'{"pids":[]}')
        answered(w.reply(), MEDIA % "networkmap")


@test("R7285-44 errors have their own type, whatever is accepted")
def error_type(t):
    for headers in ({}, {"Accept": KINDS["costs"][0]}):
        is_error(t.post("costs", "net", {}, headers), MISSING)
        r = expect(t.request("GET", "nosuch", headers), 404)
        need(r.header("content-type") == ERROR and "code" in r.meta, "%s", r)


@test("R7285-45 a map that did not change is not sent again")
def conditional(t):
    for rid in ("net", "cost-rc", "bulk"):
        first = expect(t.fetch(rid), 200)
        etag = first.header("etag")
        need(re.fullmatch(r'"[!#-~]+"', etag), "ETag: %s", first)
        for text in (etag, "W/" + etag, '"x", ' + etag, "*"):
            r = expect(t.fetch(rid, {"If-None-Match": text}), 304, text)
            need(not r.body and r.header("etag").lstrip("W/") == etag,
                 "%s: %s", text, r)
            need(r.header("cache-control") == first.header("cache-control"),
                 "%s", r)
        r = expect(t.fetch(rid, {"If-None-Match": '"x"'}), 200)
        need(r.body == first.body, "another body")


@test("R7285-45 a map is unchanged only in a coding that is taken")
def conditional_coded(t):
    plain = expect(t.fetch("bulk", {"Accept-Encoding": "identity"}), 200)
    tags = {"": plain.header("etag")}
    for c in ("gzip", "zstd"):
        tags[c] = coded(t, c).header("etag")
    for text, taken in (
            ("identity", ("",)), ("gzip", ("", "gzip")),
            ("zstd", ("", "zstd")), ("gzip, zstd", ("", "gzip", "zstd")),
            ("identity, gzip;q=0", ("",)), ("", ("",)), (None, ("",)),
            ("gzip;q=0.1, identity", ("", "gzip")),
            ("gzip, identity;q=0", ("gzip",)), ("zstd, *;q=0", ("zstd",)),
            ("gzip;q=0, *", ("", "zstd"))):
        for held in (("",), ("gzip",), ("zstd",), ("", "gzip"),
                     ("gzip", "zstd"), ("", "gzip", "zstd")):
            what = "Accept-Encoding: %s, held: %s" % (text, held)
            headers = {"If-None-Match": ", ".join(tags[c] for c in held)}
            if text is not None:
                headers["Accept-Encoding"] = text
            with wire(t) as w:
                w.send("GET", path_of(t, "bulk"), headers)
                r = w.reply()
            both = set(held) & set(taken)
            expect(r, 304 if both else 200, what)
            form = r.header("content-encoding")
            need(form in (both or taken), "%s: %s", what, r)
            need(r.header("etag") == tags[form], "%s: %s", what, r)


@test("R7285-46 HEAD has the headers of GET and no body")
def head(t):
    for url in (t.base, t.uri("net"), t.uri("cost-rc")):
        whole = expect(t.request("GET", url), 200)
        r = expect(t.request("HEAD", url), 200)
        need(r.body == b"", "a body")
        drop = ("date", "alto-status")
        same({k: v for k, v in r.headers.items() if k not in drop},
             {k: v for k, v in whole.headers.items() if k not in drop})
    expect(t.request("HEAD", "nosuch"), 404)


@test("R8189-1 no service announces both ways to test")
def one_way_to_test(t):
    for rid, e in t.entries().items():
        held = e.get("capabilities", {})
        need(not (held.get("cost-constraints") and
                  "testable-cost-type-names" in held), "%s: %s", rid, e)
    need(t.capabilities("costs", "net").get("cost-constraints") is True,
         "net: %s", t.capabilities("costs", "net"))
    for kind in ("costs", "endpoint-costs"):
        held = t.capabilities(kind, "none")
        need(not held.get("cost-constraints") and
             "testable-cost-type-names" not in held, "none: %s", held)


@test("R8189-2 what may be tested is among what is offered")
def testable_names(t):
    for kind in ("costs", "endpoint-costs"):
        held = t.capabilities(kind, "part")
        names = held["testable-cost-type-names"]
        need(len(names) == 1 and set(names) < set(held["cost-type-names"]),
             "%s", held)
        types = t.directory()["meta"]["cost-types"]
        same({k: types[names[0]][k] for k in RC}, RC)
        need(held["max-cost-types"] == 8, "%s", held)


@test("R8189-6 several types are refused where there is only one", "small")
def no_multi(t):
    held = t.capabilities("costs", "net")
    need(not held.get("max-cost-types"), "%s", held)
    for kind, more in (("costs", {}), ("endpoint-costs", {
            "endpoints": {"srcs": [A1], "dsts": [A2]}})):
        is_error(t.post(kind, "net", dict(both(RC), **more)),
                 (VALUE, MISSING), ("multi-cost-types", "cost-type"))
        is_error(t.post(kind, "net", dict(rc(constraints=["[0] le 10"]),
                                          **more)),
                 VALUE, "constraints", "[0] le 10")


# --- clients in the field ----------------------------------------------------

@test("CLIENT-a a header that is none of HTTP's is ignored")
def accepts_header(t):
    for headers in ({"accepts": "text/html"},
                    {"accepts": MEDIA % "error", "Accept": "*/*"}):
        expect(t.fetch("net", headers), 200)
        expect(t.post("costs", "net", rc(), headers), 200)


@test("CLIENT-b a type can be compared as a whole string")
def whole_type(t):
    for rid, kind in (("net", "networkmap"), ("cost-rc", "costmap")):
        need(t.fetch(rid).header("content-type") == MEDIA % kind, "%s", rid)


@test("CLIENT-c endpoint costs say a version where that is wanted", "small")
def endpoint_vtag(t):
    r = t.post("endpoint-costs", "net", rc(endpoints={"srcs": [A2],
                                                      "dsts": [A1]}))
    same(answered(r, KINDS["endpoint-costs"][0]), {
        "endpoint-cost-map": {A2: {A1: 4.5}},
        "meta": {"cost-type": RC, "vtag": t.vtag("net")}})


@test("CLIENT-c endpoint costs say no version by default")
def no_endpoint_vtag(t):
    r = t.post("endpoint-costs", "net", rc(endpoints={"srcs": [A2],
                                                      "dsts": [A1]}))
    same(answered(r, KINDS["endpoint-costs"][0])["meta"], {"cost-type": RC})


@test("CLIENT-d the directory always has cost types and a default map")
def always_there(t):
    meta = t.directory()["meta"]
    need(isinstance(meta["cost-types"], dict) and meta["cost-types"], "%s",
         meta)
    need(meta["default-alto-network-map"] in t.entries(), "%s", meta)


@test("CLIENT-d a service without costs has an empty list of cost types",
      "bare")
def no_costs(t):
    meta = t.directory()["meta"]
    same(meta["cost-types"], {})
    same(meta["default-alto-network-map"], "net")


@test("CLIENT-e everything in the directory works over plain HTTP")
def all_services(t):
    seen = 0
    for rid, e in t.entries().items():
        if e["media-type"] == DIRECTORY:
            continue
        if "accepts" not in e:
            answered(t.request("GET", e["uri"]), e["media-type"])
        else:
            r = t.request("POST", e["uri"], {"Content-Type": e["accepts"]},
                          b"{}")
            is_error(r, MISSING)
        seen += 1
    need(seen == 11 + 4 * 3 + 1, "%d entries", seen)


@test("CLIENT-f both families have their default in one PID")
def families_apart(t):
    r = t.post("properties", None, {"properties": ["net.pid"], "endpoints": [
        "ipv6:a00::1", "ipv6:a01:280::", "ipv4:10.0.0.0"]})
    same(answered(r, KINDS["properties"][0])["endpoint-properties"], {
        "ipv6:a00::1": {"net.pid": "rest"},
        "ipv6:a01:280::": {"net.pid": "rest"},
        "ipv4:10.0.0.0": {"net.pid": "a"}})


# --- overload ----------------------------------------------------------------

@test("R7285-47 too many connections are refused, and others served",
      "small")
def overload(t):
    held, refused = [], None
    try:
        for _ in range(12):             # the limit is 8 of one address
            w = Wire(t)
            held.append(w)
            try:
                w.send("GET", path_of(t, "net"))
                r = w.reply()
            except OSError:
                r = None
            if r is None or r.status != 200:
                refused = r
                break
        else:
            raise Failed("12 connections of one address were served")
        if refused is not None:
            expect(refused, 503)
            need(refused.header("retry-after").isdigit(), "%s", refused)
        held[0].send("GET", path_of(t, "net"))
        expect(held[0].reply(), 200)
    finally:
        for w in held:
            w.close()

    def again():
        with wire(t) as one:
            one.send("GET", path_of(t, "net"))
            r = one.reply()
            return r is not None and r.status == 200
    alto.wait(again, None, "%s serves again" % t.name)


# --- tests of their own ------------------------------------------------------

@story("R7285-9 another prefix makes another tag, the same content the same")
def tags(stage):
    before = [t.vtag("none")["tag"] for t in stage.main]
    pids_ = dict(FOUR, more={"ipv4": ["10.0.0.0/8"]})
    need(change(stage, "none", net_doc("none", pids_)), "nothing changed")
    after = [t.vtag("none")["tag"] for t in stage.main]
    need(before[0] == before[1] != after[0] == after[1], "%s %s", before,
         after)
    stage.maps.put("none", net_doc("none", dict(reversed(pids_.items()))))
    need(not stage.server.ctl("reload")["changed"], "another order counts")
    need(change(stage, "none", net_doc("none", FOUR)), "nothing changed")
    for t, tag in zip(stage.main, before):
        need(t.vtag("none")["tag"] == tag, "another tag for the same")
        need(t.map("none-rc")["meta"]["dependent-vtags"][0]["tag"] == tag,
             "the cost map depends on another")


@story("R7285-45 a map that changed is sent with another ETag")
def etags(stage):
    etag = [t.fetch("none-rc").header("etag") for t in stage.main]
    cells = {"west": {"west": 2, "east": 7}}
    need(change(stage, "none-rc", cost_doc("none", cells)), "nothing changed")
    for t, old in zip(stage.main, etag):
        r = expect(t.fetch("none-rc", {"If-None-Match": old}), 200)
        need(r.header("etag") not in ("", old), "ETag: %s", r.headers)
        same(r.doc["cost-map"], cells)
        got = t.post("costs", "none", rc())
        same(answered(got, MEDIA % "costmap")["cost-map"], cells)
    need(change(stage, "none-rc", cost_doc("none", FOUR_COST)), "no change")


@story("R7285-10 a cost map follows its network map to the new version")
def follows(stage):
    pids_ = {p: dict(v) for p, v in FOUR.items()}
    pids_["more"] = {}
    change(stage, "none", net_doc("none", pids_))
    for t in stage.main:
        same(t.map("none-rc")["meta"]["dependent-vtags"], [t.vtag("none")])
        for kind, key in (("costs", "dependent-vtags"),):
            r = t.post(kind, "none", rc())
            same(answered(r, MEDIA % "costmap")["meta"][key],
                 [t.vtag("none")])
    change(stage, "none", net_doc("none", FOUR))


@story("R7285-47 a proxy that has nothing yet says so with 503")
def nothing_yet(stage):
    port = alto.free_port()

    class Nobody:
        url = "http://127.0.0.1:%d" % port
    p = alto.Proxy(stage.top, Nobody, "early")
    p.start()
    try:
        r = Reply(*p.get("/directory"))
        expect(r, 503)
        need(r.header("retry-after").isdigit(), "%s", r)
    finally:
        p.stop()


# Refusals. Settings are checked by --check, maps when they are read.

_names = itertools.count()


def check(stage, maps, **settings):
    """(exit status, what it says) of --check."""
    s = alto.Server(stage.top, maps, "check-%d" % next(_names), **settings)
    alto.put(s.conf, "".join("%s = %s;\n" % (k, alto.render(v))
                             for k, v in s.settings.items()))
    r = subprocess.run(
        [alto.find_bin("alto-server"), "--config", s.conf, "--check"],
        stdin=subprocess.DEVNULL, capture_output=True, text=True,
        timeout=alto.WAIT_S)
    need("Sanitizer" not in r.stderr, "%s", r.stderr)
    return r.returncode, r.stdout + r.stderr


def loads(stage, docs, wanted=True, says=""):
    """Does a server start with these maps, {resource-id: document}?"""
    name = "load-%d" % next(_names)
    m = Maps(os.path.join(stage.top, name + "-maps"))
    for rid, doc in docs.items():
        m.add(rid, doc, **({} if m.list else {"default": True}))
    code, said = check(stage, m.list)
    if code == 0:
        s = alto.Server(stage.top, m.list, name)
        s.start(ready=False)

        def ended_or_up():
            return not s.alive() or s.call("status")[0] == 0
        alto.wait(ended_or_up, None, "%s starts or ends" % name)
        up = s.alive()
        code = s.stop()
        said = "\n".join(s.lines())
        need(not s.sanitizer(), "%s", s.sanitizer())
        need(code == (0 if up else 1), "exit status %d: %s", code, said)
        code = 0 if up else 1
    need((code == 0) == wanted, "%s: %s",
         "refused" if wanted else "taken", said)
    if not wanted:
        need(re.search(says, said), "it does not say %r: %s", says, said)


def with_net(pids_):
    return {"net": net_doc("net", pids_)}


WHOLE = {"ipv4": ["0.0.0.0/0"], "ipv6": ["::/0"]}


@story("R7285-4 two cost maps of one cost type and network map are refused")
def cost_type_twice(stage):
    docs = dict(with_net(NET), one=cost_doc("net", COST),
                two=cost_doc("net", COST))
    loads(stage, docs, False, "two|one")
    docs["two"] = cost_doc("net", HOPS, "hopcount")
    loads(stage, docs)


@story("R7285-5 a resource id of 64 characters passes, others are refused")
def long_ids(stage):
    for rid, good in (("n" * 64, True), ("n" * 65, False), ("a.b", False),
                      ("a b", False), ("a/b", False), ("", False),
                      ("a:b@c_d-e", True)):
        path = os.path.join(stage.top, "long.json")
        alto.put(path, json.dumps(net_doc(rid, {"a": WHOLE})))
        code, said = check(stage, [(rid, path)])
        need((code == 0) == good, "%r: %s", rid, said or "taken")


@story("R7285-5 a resource id is there once")
def id_twice(stage):
    path = stage.maps.path("net")
    code, said = check(stage, [("net", path), ("net", path)])
    need(code != 0 and "net" in said, "%s", said or "taken")


@story("R7285-37 a prefix in two PIDs is refused")
def prefix_twice(stage):
    loads(stage, with_net({"a": {"ipv4": ["192.0.2.0/24"]},
                           "b": {"ipv4": ["192.0.2.0/24"]}, "c": WHOLE}),
          False, "192.0.2.0/24")
    loads(stage, with_net({"a": {"ipv4": ["192.0.2.0/24"]},
                           "b": {"ipv4": ["192.0.2.1/24"]}, "c": WHOLE}),
          False, "192.0.2.1/24")
    loads(stage, with_net({"a": {"ipv4": ["192.0.2.0/24"]},
                           "b": {"ipv4": ["192.0.2.0/25"]}, "c": WHOLE}))


@story("R7285-38 a map that leaves addresses out is refused")
def gap(stage):
    loads(stage, with_net({"a": {"ipv4": ["10.0.0.0/8"]}}), False, "ipv4|10")
    loads(stage, with_net({"a": {"ipv4": ["0.0.0.0/0"],
                                 "ipv6": ["2000::/3"]}}), False, "ipv6|::")
    loads(stage, with_net(FOUR))


@story("R7285-48 a PID outside the grammar is refused")
def bad_pids(stage):
    for pid in ("a.b", "a/b", "a b", "caf\u00e9", "", "p" * 65):
        loads(stage, with_net({pid: WHOLE}), False)
    loads(stage, with_net({"p" * 64: WHOLE}))


@story("R7285-49 a tag of 64 characters passes, others are refused")
def tags_stated(stage):
    for tag, good in (("t" * 64, True), ("t" * 65, False), ("a b", False),
                      ("a\x7f", False), ("", False), ('a"b', True)):
        loads(stage, {"net": net_doc("net", {"a": WHOLE}, tag)}, good)


@story("R7285-50 metrics follow the grammar")
def metrics(stage):
    for metric, good in (("priv:x", True), ("priv:", False),
                         ("priv:" + "m" * 27, True),
                         ("priv:" + "m" * 28, False), ("m" * 33, False),
                         ("", False), ("a b", False)):
        loads(stage, dict(with_net(NET), c=cost_doc(
            "net", COST, metric)), good)


@story("R7285-50 properties follow the grammar")
def properties(stage):
    for name, good in (("priv:x", True), ("priv:", False),
                       ("priv:" + "p" * 27, True), ("priv:" + "p" * 28, False),
                       ("priv:a b", False)):
        loads(stage, dict(with_net(NET), props={
            "meta": {}, "property-map": {"ipv4:10.0.0.0/8": {name: "v"}}}),
            good)


@story("R7285-54 costs that are no numbers are refused")
def no_numbers(stage):
    for cost in ("1", None, [1], True):
        loads(stage, dict(with_net(NET), c=cost_doc(
            "net", {"a": {"a": cost}})), False)
    for cost, good in ((3, True), (1.5, False), (-1, False)):
        loads(stage, dict(with_net(NET), c=cost_doc(
            "net", {"a": {"a": cost}}, mode="ordinal")), good)


if __name__ == "__main__":
    sys.exit(rfc.main())
