#!/usr/bin/env python3
"""RFC 7285 and RFC 8189: one table of requests and what must be answered, by a
server and by the proxy below it, with the same bytes. docs/conformance.md names
these tests; tests/rfc.py has the maps.

  run_conformance_table.py [PATTERN]	only the tests that it is found in
"""
import sys

import rfc
from rfc import (
    A1, A2, COST, HOP, KINDS, MISSING, NET, ORD, P1, RANKS, RC, SOME, SYNTAX,
    TYPE, VALUE, answered, both, is_error, rc, same)


# --- the table ---------------------------------------------------------------

class Want:
    """What must be answered to a row of the table."""

    def __init__(self, check):
        self.check = check


def error(code, field=None, value=None):
    return Want(lambda t, net, r: is_error(r, code, field, value))


def pids(*names, **shown):
    """A network map of these PIDs, without the families that are not
    shown."""
    family = shown.get("only")

    def check(t, net, r):
        got = answered(r, KINDS["network"][0])
        full = t.map(net)
        same(got["network-map"], {
            p: {f: v for f, v in full["network-map"][p].items()
                if family in (None, f)} for p in names}, "network-map")
        same(got["meta"]["vtag"], full["meta"]["vtag"], "vtag")
    return Want(check)


ALL = tuple(NET)


def costs(cells, *types, multi=False):
    def check(t, net, r):
        got = answered(r, KINDS["costs"][0])
        same(got["cost-map"], cells, "cost-map")
        meta = {"dependent-vtags": [t.vtag(net)],
                "cost-type": {} if multi else types[0]}
        if multi:
            meta["multi-cost-types"] = list(types)
        same(got["meta"], meta, "meta")
    return Want(check)


def ends(cells, *types, multi=False):
    def check(t, net, r):
        got = answered(r, KINDS["endpoint-costs"][0])
        same(got["endpoint-cost-map"], cells, "endpoint-cost-map")
        meta = {"cost-type": {} if multi else types[0]}
        if multi:
            meta["multi-cost-types"] = list(types)
        same(got["meta"], meta, "meta")
    return Want(check)


def props(values, *nets):
    def check(t, net, r):
        got = answered(r, KINDS["properties"][0])
        same(got["endpoint-properties"], values, "endpoint-properties")
        tags = got["meta"].get("dependent-vtags", [])
        same(sorted(tags, key=lambda v: v["resource-id"]),
             [t.vtag(n) for n in nets], "dependent-vtags")
    return Want(check)


def only(cells, passes):
    out = {s: {d: c for d, c in row.items() if passes(c)}
           for s, row in cells.items()}
    return {s: row for s, row in out.items() if row}


def constraint(op, passes):
    return ("costs", "net", rc(constraints=["%s 4.5" % op]),
            costs(only(COST, passes), RC))


V6, V6B = "ipv6:2001:db8::1", "ipv6:2001:db8::2"  # in c, in a
# As the two metrics have it: a pair of both, of hops alone, of neither.
SOME_PAIRS = {"srcs": ["a", "c"], "dsts": ["a", "rest", "empty"]}
MULTI = {"a": {"a": [1, 0], "rest": [40, None]}, "c": {"a": [None, 3]}}

TABLE = [
    # (name, [(kind, network map, request, wanted), ...])
    ("R7285-11 a filtered cost map without cost-type is refused", [
        ("costs", "net", {}, error(MISSING, "cost-type")),
        ("endpoint-costs", "net", {"endpoints": {"srcs": [A1], "dsts": [A2]}},
         error(MISSING, "cost-type"))]),
    ("R7285-12 a cost type without its metric or mode is refused", [
        ("costs", "net", {"cost-type": {"cost-mode": "numerical"}},
         error(MISSING, "cost-type/cost-metric")),
        ("costs", "net", {"cost-type": {"cost-metric": "routingcost"}},
         error(MISSING, "cost-type/cost-mode"))]),
    ("R7285-13 a cost type that is a string is refused", [
        ("costs", "net", {"cost-type": "num-routingcost"},
         error(TYPE, "cost-type")),
        ("endpoint-costs", "net", {"cost-type": 1, "endpoints": {
            "srcs": [A1], "dsts": [A2]}}, error(TYPE, "cost-type")),
        ("costs", "net", {"cost-type": {"cost-metric": 1, "cost-mode":
                                        "numerical"}},
         error(TYPE, "cost-type/cost-metric"))]),
    ("R7285-14 an unknown cost mode is refused with its name", [
        ("costs", "net", {"cost-type": dict(RC, **{"cost-mode": "foo"})},
         error(VALUE, "cost-type/cost-mode", "foo")),
        ("costs", "net", {"cost-type": dict(RC, **{"cost-metric": "bar"})},
         error(VALUE, "cost-type/cost-metric", "bar"))]),
    ("R7285-15 a cost type that is not offered is refused", [
        ("costs", "net", {"cost-type": dict(HOP, **{"cost-mode": "ordinal"})},
         error(VALUE, ("cost-type", "cost-type/cost-mode",
                       "cost-type/cost-metric"))),
        ("costs", "none", {"cost-type": ORD},
         error(VALUE, ("cost-type", "cost-type/cost-mode")))]),
    ("R7285-16 a body that is no JSON is refused as syntax", [
        (kind, "net", text, error(SYNTAX)) for kind in KINDS
        for text in ('{"pids":', "", "{'pids':[]}", '{"a":1} x', "[1,]",
                     '{"pids":[],"pids":[]}', b'{"pids":["\xff"]}')]),
    ("R7285-16 a body that is no object is refused as a wrong type", [
        (kind, "net", text, error(TYPE)) for kind in KINDS
        for text in ("[]", "1", "null", '"pids"')]),
    ("R7285-17 a filtered network map without pids is refused", [
        ("network", "net", {}, error(MISSING, "pids")),
        ("network", "net", {"address-types": ["ipv4"]},
         error(MISSING, "pids"))]),
    ("R7285-18 no pids are all, unknown ones are none", [
        ("network", "net", {"pids": []}, pids(*ALL)),
        ("network", "net", {"pids": ["nosuch"]}, pids()),
        ("network", "net", {"pids": ["nosuch", "b"]}, pids("b"))]),
    ("R7285-19 a PID named twice counts once", [
        ("network", "net", {"pids": ["a", "a"]}, pids("a")),
        ("costs", "net", rc(pids={"srcs": ["a", "a"], "dsts": ["b", "b"]}),
         costs({"a": {"b": 4.5}}, RC))]),
    ("R7285-20 a PID that is no string is refused with its value", [
        ("network", "net", {"pids": [1]}, error(VALUE, "pids", "1")),
        ("network", "net", {"pids": ["a", None]},
         error(VALUE, "pids", "null")),
        ("costs", "net", rc(pids={"srcs": [True], "dsts": []}),
         error(VALUE, "pids/srcs", "true"))]),
    ("R7285-21 pids that are no array are refused", [
        ("network", "net", {"pids": "a"}, error(TYPE, "pids")),
        ("network", "net", {"pids": {}}, error(TYPE, "pids")),
        ("network", "net", {"pids": None}, error(TYPE, "pids")),
        ("network", "net", {"pids": [], "address-types": "ipv4"},
         error(TYPE, "address-types"))]),
    ("R7285-22 address types choose, and unknown ones count for nothing", [
        ("network", "net", {"pids": [], "address-types": ["ipv6"]},
         pids(*ALL, only="ipv6")),
        ("network", "net", {"pids": ["a"], "address-types":
                            ["ipv4", "ipv4", "mac"]}, pids("a", only="ipv4")),
        ("network", "net", {"pids": ["a"], "address-types": ["mac"]},
         pids("a", only="mac")),
        ("network", "net", {"pids": ["a", "b"], "address-types": []},
         pids("a", "b"))]),
    ("R7285-23 no pids or an empty list are everything", [
        ("costs", "net", rc(), costs(COST, RC)),
        ("costs", "net", rc(pids={"srcs": [], "dsts": ["a"]}), costs(
            {"a": {"a": 1}, "b": {"a": 4.5}, "rest": {"a": 40}}, RC)),
        ("costs", "net", rc(pids={"srcs": ["b"], "dsts": []}),
         costs({"b": COST["b"]}, RC)),
        ("costs", "net", rc(pids={"srcs": ["nosuch"], "dsts": []}),
         costs({}, RC)),
        ("costs", "net", rc(pids={"srcs": ["c"], "dsts": []}), costs({}, RC))]),
    ("R7285-23 pids without srcs or dsts are refused", [
        ("costs", "net", rc(pids={"dsts": []}), error(MISSING, "pids/srcs")),
        ("costs", "net", rc(pids={"srcs": []}), error(MISSING, "pids/dsts")),
        ("costs", "net", rc(pids=[]), error(TYPE, "pids"))]),
    ("R7285-24 each constraint is right at its boundary, and two are ANDed", [
        constraint("gt", lambda c: c > 4.5),
        constraint("lt", lambda c: c < 4.5),
        constraint("ge", lambda c: c >= 4.5),
        constraint("le", lambda c: c <= 4.5),
        constraint("eq", lambda c: c == 4.5),
        ("costs", "net", rc(constraints=["ge\t4.5", "lt  4e1"]),
         costs(only(COST, lambda c: 4.5 <= c < 40), RC)),
        ("costs", "net", rc(constraints=[]), costs(COST, RC)),
        ("costs", "net", rc(constraints=["gt 99"]), costs({}, RC)),
        ("endpoint-costs", "net", rc(
            constraints=["gt 1"], endpoints={"srcs": [A2], "dsts": [A1, A2]}),
         ends({A2: {A1: 4.5}}, RC))]),
    ("R7285-25 a malformed constraint is refused with its text", [
        ("costs", "net", rc(constraints=["ge 0", text]),
         error(VALUE, "constraints", text))
        for text in ("gt", "foo 5", "gt five", "gt5", "gt 05", "gt 5 ", "",
                     "gt 1 2")] + [
        ("costs", "net", rc(constraints=[5]),
         error(VALUE, "constraints", "5")),
        ("costs", "net", rc(constraints="gt 5"),
         error(TYPE, "constraints"))]),
    ("R7285-26 constraints are refused where there are none", [
        ("costs", "none", rc(constraints=["gt 5"]),
         error(VALUE, "constraints")),
        ("endpoint-costs", "none", rc(constraints=["gt 5"], endpoints={
            "srcs": [A1], "dsts": [A2]}), error(VALUE, "constraints"))]),
    ("R7285-27 a description in a request is ignored", [
        ("costs", "net", {"cost-type": dict(RC, description="mine"),
                          "pids": P1},
         costs({"a": {"a": 1, "b": 4.5, "rest": 40}}, RC))]),
    ("R7285-28 unknown members of a request are ignored", [
        ("network", "net", {"pids": ["b"], "x": {"pids": 1}}, pids("b")),
        ("costs", "net", dict(rc(pids=dict(P1, more=[])), y=None),
         costs({"a": {"a": 1, "b": 4.5, "rest": 40}}, RC)),
        ("endpoint-costs", "net", rc(
            z=1, endpoints={"srcs": [A2], "dsts": [A1], "z": 1}),
         ends({A2: {A1: 4.5}}, RC)),
        ("properties", None, {"properties": ["net.pid"], "endpoints": [A1],
                              "z": []}, props({A1: {"net.pid": "b"}}, "net"))]),
    ("R7285-29 properties need endpoints and properties", [
        ("properties", None, {"properties": ["net.pid"]},
         error(MISSING, "endpoints")),
        ("properties", None, {"properties": ["net.pid"], "endpoints": []},
         error(VALUE, "endpoints")),
        ("properties", None, {"endpoints": [A1]},
         error(MISSING, "properties")),
        ("properties", None, {"endpoints": [A1], "properties": []},
         error(VALUE, "properties")),
        ("properties", None, {"properties": ["net.pid"], "endpoints": A1},
         error(TYPE, "endpoints"))]),
    ("R7285-30 a property that is not offered is refused with its name", [
        ("properties", None, {"properties": ["net.pid", "priv:nosuch"],
                              "endpoints": [A1]},
         error(VALUE, "properties", "priv:nosuch")),
        ("properties", None, {"properties": ["pid"], "endpoints": [A1]},
         error(VALUE, "properties", "pid")),
        ("properties", None, {"properties": [7], "endpoints": [A1]},
         error(VALUE, "properties", "7"))]),
    ("R7285-31 a PID is that of the longest prefix, its map named once", [
        ("properties", None, {"properties": ["net.pid", "net.pid", "none.pid"],
                              "endpoints": [A1, A1]},
         props({A1: {"net.pid": "b", "none.pid": "west"}}, "net", "none")),
        ("properties", None, {"properties": ["priv:region"],
                              "endpoints": [A1]}, props({A1: {}}))]),
    ("R7285-32 an undefined property is left out, its endpoint kept", [
        ("properties", None, {"properties": ["none.pid"],
                              "endpoints": [V6, A1]},
         props({V6: {}, A1: {"none.pid": "west"}}, "none")),
        ("properties", None, {
            "properties": ["priv:region", "priv:x"],
            "endpoints": [A2, "ipv4:10.1.9.9", "ipv4:10.1.2.3", V6,
                          "ipv4:1.1.1.1"]},
         props({A2: {"priv:region": "north"}, "ipv4:10.1.9.9": {},
                "ipv4:10.1.2.3": {"priv:region": "hall", "priv:x": "1"},
                V6: {"priv:region": "six"}, "ipv4:1.1.1.1": {}}))]),
    ("R7285-33 endpoint costs between nobody are refused", [
        ("endpoint-costs", "net", rc(endpoints={}), error(VALUE, "endpoints")),
        ("endpoint-costs", "net", rc(endpoints={"srcs": [], "dsts": []}),
         error(VALUE, "endpoints"))]),
    ("R7285-34 endpoint costs without endpoints are refused", [
        ("endpoint-costs", "net", rc(), error(MISSING, "endpoints")),
        ("endpoint-costs", "net", rc(endpoints=[]), error(TYPE, "endpoints")),
        ("endpoint-costs", "net", rc(endpoints={"srcs": A1}),
         error(TYPE, "endpoints/srcs"))]),
    ("R7285-35 what is no address is refused with its text", [
        ("endpoint-costs", "net", rc(endpoints={side: [A1, text]}),
         error(VALUE, "endpoints/" + side, text))
        for side in ("srcs", "dsts")
        for text in ("ipv4:192.0.2.300", "ipv4:192.000.2.1", "ipv9:1",
                     "ipv4:192.0.2.0/24", "192.0.2.1", "ipv4", "",
                     "ipv6:1::2::3", "ipv6:fe80::1%lo", "ipv4:2001:db8::1",
                     "ipv6:192.0.2.1")] + [
        ("properties", None, {"properties": ["net.pid"],
                              "endpoints": ["ipv9:1"]},
         error(VALUE, "endpoints", "ipv9:1"))]),
    ("R7285-36 two spellings of an address are the same address", [
        ("endpoint-costs", "net", rc(
            endpoints={"srcs": [A2], "dsts": [text]}),
         ends({A2: {text: 10}}, RC))
        for text in ("ipv6:2001:DB8:0:0::1", "ipv6:2001:db8::1",
                     "ipv6:2001:0db8:0:0:0:0:0:0001",
                     "ipv6:2001:db8::0.0.0.1")] + [
        ("properties", None, {
            "properties": ["net.pid"],
            "endpoints": ["ipv6:2001:DB8::1", "ipv6:2001:db8::1"]},
         props({"ipv6:2001:DB8::1": {"net.pid": "c"},
                "ipv6:2001:db8::1": {"net.pid": "c"}}, "net")),
        ("properties", None, {
            "properties": ["net.pid"],
            "endpoints": ["ipv6:::ffff:10.1.2.1"]},
         props({"ipv6:::ffff:10.1.2.1": {"net.pid": "rest"}}, "net"))]),
    ("R7285-39 the most specific prefix wins", [
        ("properties", None, {
            "properties": ["net.pid"], "endpoints": list(wanted)},
         props({e: {"net.pid": p} for e, p in wanted.items()}, "net"))
        for wanted in ({
            "ipv4:9.255.255.255": "rest", "ipv4:10.0.0.0": "a",
            "ipv4:10.255.255.255": "a", "ipv4:11.0.0.0": "rest",
            "ipv4:10.1.1.255": "a", "ipv4:10.1.2.0": "b",
            "ipv4:10.1.2.127": "b", "ipv4:10.1.2.128": "c",
            "ipv4:10.1.2.255": "c", "ipv4:10.1.3.0": "a",
            "ipv4:0.0.0.0": "rest", "ipv4:255.255.255.255": "rest",
            "ipv6:::": "rest", "ipv6:2001:db8::": "a",
            "ipv6:2001:db8::1": "c", "ipv6:2001:db8::2": "a",
            "ipv6:2001:db8:ffff:ffff:ffff:ffff:ffff:ffff": "a",
            "ipv6:2001:db9::": "rest",
            "ipv6:2001:db7:ffff:ffff:ffff:ffff:ffff:ffff": "rest",
            "ipv6:a00::1": "rest"},)]),
    ("R7285-40 a bad value is told as a string", [
        ("network", "net", {"pids": [12]}, error(VALUE, "pids", "12")),
        ("properties", None, {"properties": ["net.pid"], "endpoints": [5]},
         error(VALUE, "endpoints", "5")),
        ("costs", "net", rc(pids={"srcs": [], "dsts": [{"a": 1}]}),
         error(VALUE, "pids/dsts", SOME))]),
    ("R7285-41 of several errors one is told", [
        ("costs", "net", {"cost-type": {"cost-mode": "foo"}, "pids": 1,
                          "constraints": "x"}, error((MISSING, TYPE, VALUE))),
        ("properties", None, {}, error(MISSING, ("properties",
                                                 "endpoints")))]),
    ("R7285-54 ordinal costs order as the numerical ones do", [
        ("costs", "net", {"cost-type": ORD}, costs(RANKS, ORD)),
        ("costs", "net", {"cost-type": ORD, "pids": {
            "srcs": ["a", "b"], "dsts": ["b", "rest"]}},
         costs({"a": {"b": 2, "rest": 3}, "b": {"b": 1}}, ORD)),
        ("costs", "net", {"cost-type": ORD, "constraints": ["gt 3"]},
         costs(only(RANKS, lambda c: c > 3), ORD)),
        ("endpoint-costs", "net", {"cost-type": ORD, "endpoints": {
            "srcs": [A1, A2], "dsts": [A1, A2]}},
         ends({A1: {A1: 1, A2: 2}, A2: {A1: 2, A2: 1}}, ORD))]),
    ("R8189-3 one type and several at once are refused", [
        ("costs", "net", dict(both(RC), **{"cost-type": RC}),
         error(VALUE, "multi-cost-types"))]),
    ("R8189-4 no type at all is refused", [
        ("costs", "net", {"constraints": ["gt 1"]},
         error(MISSING, "cost-type"))]),
    ("R8189-5 too many or wrong types are refused", [
        ("costs", "net", both(*([RC, HOP, ORD] * 3)),
         error(VALUE, "multi-cost-types")),
        ("costs", "net", both(), error(VALUE, "multi-cost-types")),
        ("costs", "net", both(RC, dict(RC, **{"cost-mode": "foo"})),
         error((VALUE, MISSING))),
        ("costs", "net", {"multi-cost-types": RC},
         error(TYPE, "multi-cost-types"))]),
    ("R8189-7 several types are told, and each cost is an array of them", [
        ("costs", "net", both(RC, HOP, pids={"srcs": ["a", "b"],
                                             "dsts": ["a", "c"]}),
         costs({"a": {"a": [1, 0], "c": [10, 3]},
                "b": {"a": [4.5, 2], "c": [10, 1]}}, RC, HOP, multi=True)),
        ("costs", "net", both(HOP, dict(RC, description="x"), pids={
            "srcs": ["a"], "dsts": ["a"]}),
         costs({"a": {"a": [0, 1]}}, HOP, RC, multi=True)),
        ("costs", "net", both(ORD, RC, pids={"srcs": ["a"], "dsts": []}),
         costs({"a": {"a": [1, 1], "b": [2, 4.5], "c": [3, 10],
                      "rest": [4, 40]}}, ORD, RC, multi=True))]),
    ("R8189-8 one type in the list gives arrays of one", [
        ("costs", "net", both(HOP, pids={"srcs": ["c"], "dsts": []}),
         costs({"c": {"a": [3]}}, HOP, multi=True))]),
    ("R8189-9 a missing value is null, a pair without any is absent", [
        ("costs", "net", both(RC, HOP, pids=SOME_PAIRS),
         costs(MULTI, RC, HOP, multi=True))]),
    ("R8189-10 an index chooses the type that is tested", [
        ("costs", "net", both(RC, HOP, constraints=["[1] le 1"]),
         costs({"a": {"a": [1, 0]}, "b": {"c": [10, 1]}}, RC, HOP,
               multi=True)),
        ("costs", "net", both(HOP, RC, constraints=["le 1", "[1] gt 5"]),
         costs({"b": {"c": [1, 10]}}, HOP, RC, multi=True)),
        ("costs", "net", both(RC, HOP, constraints=["[2] le 1"]),
         error(VALUE, "constraints", "[2] le 1")),
        ("costs", "net", rc(constraints=["[1] le 1"]),
         error(VALUE, "constraints", "[1] le 1")),
        ("costs", "net", both(RC, HOP, constraints=["[0]ge 5"]),
         error(VALUE, "constraints", "[0]ge 5")),
        ("costs", "net", both(RC, HOP, or_constraints=[
            ["[0] eq 1", "[1] eq 0"], ["[0] ge 40"]], pids=SOME_PAIRS),
         costs({"a": {"a": [1, 0], "rest": [40, None]}}, RC, HOP,
               multi=True)),
        ("costs", "net", rc(or_constraints=[["le 1"], ["ge 40"]]),
         costs(only(COST, lambda c: c <= 1 or c >= 40), RC)),
        ("costs", "net", rc(or_constraints=[["le 1"], ["[7] ge 40"]]),
         error(VALUE, "or-constraints", "[7] ge 40"))]),
    ("R8189-11 both kinds of constraints are refused", [
        ("costs", "net", rc(constraints=["gt 1"], or_constraints=[["gt 1"]]),
         error(VALUE, ("constraints", "or-constraints")))]),
    ("R8189-12 an empty alternative is refused", [
        ("costs", "net", rc(or_constraints=[["gt 1"], []]),
         error(VALUE, "or-constraints")),
        ("costs", "net", rc(or_constraints=["gt 1"]),
         error(VALUE, "or-constraints", "gt 1")),
        ("costs", "net", rc(or_constraints="gt 1"),
         error(TYPE, "or-constraints"))]),
    ("R8189-13 testable types are tested and not shown", [
        ("costs", "net", dict(rc(constraints=["[1] le 1", "ge 4"]), **{
            "testable-cost-types": [RC, HOP]}),
         costs({"b": {"c": 10}}, RC)),
        ("costs", "net", dict(both(RC, constraints=["eq 3"]), **{
            "testable-cost-types": [HOP]}),
         costs({"a": {"c": [10]}}, RC, multi=True)),
        ("costs", "net", dict(rc(constraints=["[1] le 1"]), **{
            "testable-cost-types": [HOP]}),
         error(VALUE, "constraints", "[1] le 1")),
        ("costs", "part", {
            "cost-type": HOP, "constraints": ["le 4.5"],
            "testable-cost-types": [RC]},
         costs({"a": {"a": 0, "b": 2}, "b": {"a": 2}}, HOP))]),
    ("R8189-14 a type outside those that may be tested is refused", [
        ("costs", "part", dict(rc(constraints=["le 1"]), **{
            "testable-cost-types": [HOP]}),
         error(VALUE, ("testable-cost-types", "constraints"))),
        ("costs", "part", {"cost-type": HOP, "constraints": ["le 1"]},
         error(VALUE, "constraints", "le 1")),
        ("costs", "part", both(RC, HOP, constraints=["[1] le 1"]),
         error(VALUE, "constraints", "[1] le 1")),
        ("costs", "part", both(RC, HOP, constraints=["[0] le 1"], pids={
            "srcs": ["a"], "dsts": []}),
         costs({"a": {"a": [1, 0]}}, RC, HOP, multi=True)),
        ("costs", "part", rc(constraints=["le 1"], pids={
            "srcs": ["a"], "dsts": []}), costs({"a": {"a": 1}}, RC))]),
    ("R8189-15 one cost type is answered as RFC 7285 says", [
        ("costs", "net", rc(pids=P1),
         costs({"a": {"a": 1, "b": 4.5, "rest": 40}}, RC))]),
    ("R8189-16 no index is index 0", [
        ("costs", "net", rc(constraints=[text]),
         costs(only(COST, lambda c: c <= 10), RC))
        for text in ("[0] le 10", "le 10", "[0]\tle 10", "[00] le 1e1")]),
    ("R8189-17 endpoint costs do it all as well", [
        ("endpoint-costs", "net", both(RC, HOP, endpoints={
            "srcs": [A2], "dsts": [A1, V6, "ipv4:1.1.1.1"]}),
         ends({A2: {A1: [4.5, 2], V6: [10, 3], "ipv4:1.1.1.1": [40, None]}},
              RC, HOP, multi=True)),
        ("endpoint-costs", "net", both(
            RC, HOP, or_constraints=[["[1] ge 3"], ["[0] ge 40"]],
            endpoints={"srcs": [A2], "dsts": [A1, V6, "ipv4:1.1.1.1"]}),
         ends({A2: {V6: [10, 3], "ipv4:1.1.1.1": [40, None]}}, RC, HOP,
              multi=True)),
        ("endpoint-costs", "net", dict(rc(constraints=["eq 1"], endpoints={
            "srcs": [A1], "dsts": [A2, V6]}), **{
                "testable-cost-types": [HOP]}),
         ends({A1: {V6: 10}}, RC)),
        ("endpoint-costs", "net", both(RC, HOP, endpoints={
            "srcs": ["ipv4:10.1.2.200"], "dsts": [A1, "ipv4:1.1.1.1"]}),
         ends({}, RC, HOP, multi=True)),
        ("endpoint-costs", "net", rc(
            constraints=["gt 1"], or_constraints=[["gt 1"]],
            endpoints={"srcs": [A1]}),
         error(VALUE, ("constraints", "or-constraints"))),
        ("endpoint-costs", "net", dict(both(RC), **{
            "cost-type": RC, "endpoints": {"srcs": [A1]}}),
         error(VALUE, "multi-cost-types"))]),
]


if __name__ == "__main__":
    sys.exit(rfc.main(TABLE))
