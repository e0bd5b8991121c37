"""What the computed services of RFC 7285 and RFC 8189 must answer, by a second
program that shares nothing with the daemons: it reads the map files, looks
addresses up one prefix length after another, and goes through every pair.

	net = NetworkMap(json.load(open("network-map.json")))
	cost = CostMap(json.load(open("cost-map.json")), ordinal=True)
	world = World([net], [cost], max_cost_types=8)
	verdict = world.filtered_costs("net").answer(body, None)

A verdict has either the text of the answer or the errors that may be reported:
where a request has several, any one of them will do (RFC 7285 s8.5.2). Where
the RFCs leave open whether something is an error, both are right.
Standard library only.
"""
import bisect
import collections
import decimal
import hashlib
import ipaddress
import json
import re

FAMILIES = ("ipv4", "ipv6")
OPERATORS = {
    "gt": lambda a, b: a > b,
    "lt": lambda a, b: a < b,
    "ge": lambda a, b: a >= b,
    "le": lambda a, b: a <= b,
    "eq": lambda a, b: a == b,
}
NAME = re.compile(r"[0-9A-Za-z:@_-]{1,64}")         # PIDs, resource-ids
PREDICATE = re.compile(
    r"(?:\[([0-9]+)\][ \t]+)?(gt|lt|ge|le|eq)[ \t]+"
    r"(-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?)")

SYNTAX = "E_SYNTAX"
MISSING = "E_MISSING_FIELD"
TYPE = "E_INVALID_FIELD_TYPE"
VALUE = "E_INVALID_FIELD_VALUE"
ANY = object()                  # a value that is not foretold, or none


# --- canonical text ----------------------------------------------------------

def number(x):
    """As ECMAScript prints a double: the shortest digits that read back."""
    if x == 0:
        return "0"
    sign, digits, exp = decimal.Decimal(repr(float(x))).as_tuple()
    text = "".join(map(str, digits)).rstrip("0")
    exp += len(digits) - len(text)
    point = len(text) + exp             # digits before the decimal point
    if 0 < point <= 21:
        text = (text.ljust(point, "0") if exp >= 0
                else text[:point] + "." + text[point:])
    elif -6 < point <= 0:
        text = "0." + "0" * -point + text
    else:
        text = (text[0] + ("." + text[1:] if len(text) > 1 else "") +
                "e%+d" % (point - 1))
    return "-" * sign + text


def dumps(value):
    """JSON without blanks, members in the order that the dicts have."""
    if isinstance(value, dict):
        return "{%s}" % ",".join("%s:%s" % (dumps(k), dumps(v))
                                 for k, v in value.items())
    if isinstance(value, (list, tuple)):
        return "[%s]" % ",".join(map(dumps, value))
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return number(value)
    return json.dumps(value, ensure_ascii=False)


def merkle(leaves):
    """RFC 9162 s2.1.1"""
    if len(leaves) == 1:
        return hashlib.sha256(b"\0" + leaves[0]).digest()
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    return hashlib.sha256(
        b"\1" + merkle(leaves[:k]) + merkle(leaves[k:])).digest()


def unique(values):
    return list(dict.fromkeys(values))


# --- maps --------------------------------------------------------------------

class Table:
    """Longest prefix match: one dict for each length, longest first."""

    def __init__(self):
        self.lengths = {f: {} for f in FAMILIES}

    def add(self, prefix, value):
        lengths = self.lengths["ipv%d" % prefix.version]
        at = lengths.setdefault(prefix.prefixlen, {})
        key = int(prefix.network_address) >> (
            prefix.max_prefixlen - prefix.prefixlen)
        if key in at:
            raise ValueError("%s twice" % prefix)
        at[key] = value

    def find(self, address):
        lengths = self.lengths["ipv%d" % address.version]
        for length in sorted(lengths, reverse=True):
            key = int(address) >> (address.max_prefixlen - length)
            if key in lengths[length]:
                return lengths[length][key]
        return None


class NetworkMap:
    def __init__(self, doc, rid=None):
        """rid: the resource-id, when the file's is not to count."""
        self.id = rid or doc["meta"]["vtag"]["resource-id"]
        self.pids = {}
        self.table = Table()
        for pid in sorted(doc["network-map"]):
            held = self.pids[pid] = {}
            for family in FAMILIES:
                prefixes = {ipaddress.ip_network(p) for p in
                            doc["network-map"][pid].get(family, [])}
                for p in prefixes:
                    self.table.add(p, pid)
                if prefixes:
                    held[family] = [str(p) for p in sorted(prefixes)]
        self.tag = self._tag()

    def _tag(self):
        """Over what kind it is and then each PID's text."""
        leaves = ['{"media-type":"application/alto-networkmap+json",'
                  '"meta":{}}']
        leaves += ["%s:%s" % (dumps(p), dumps(held))
                   for p, held in self.pids.items()]
        return merkle([text.encode() for text in leaves]).hex()

    @property
    def vtag(self):
        return {"resource-id": self.id, "tag": self.tag}


class CostMap:
    """ordinal: also offered as ranks. testable: constraints may refer to
    it."""

    def __init__(self, doc, net=None, ordinal=False, testable=True):
        self.net = net or doc["meta"]["dependent-vtags"][0]["resource-id"]
        self.metric = doc["meta"]["cost-type"]["cost-metric"]
        self.mode = doc["meta"]["cost-type"]["cost-mode"]
        self.cells = {src: {dst: float(c) for dst, c in row.items()}
                      for src, row in doc["cost-map"].items()}
        self.ordinal = ordinal and self.mode == "numerical"
        self.testable = testable


class PropertyMap:
    """RFC 9240 with addresses as entities."""

    def __init__(self, doc):
        self.tables = {}
        for entity, held in doc["property-map"].items():
            family, _, text = entity.partition(":")
            prefix = ipaddress.ip_network(text)
            if family != "ipv%d" % prefix.version:
                raise ValueError(entity)
            for name, value in held.items():
                table = self.tables.setdefault(name.lstrip("."), Table())
                table.add(prefix, value)


class Offer(collections.namedtuple("Offer", "metric mode ranked map")):
    """A cost type that a service has."""

    @property
    def text(self):
        return {"cost-metric": self.metric, "cost-mode": self.mode}

    @property
    def testable(self):
        return self.map.testable


class World:
    """What one server was configured with."""

    def __init__(self, nets, costs=(), props=(), max_cost_types=8,
                 endpoint_cost_vtag=False):
        self.nets = {n.id: n for n in nets}
        self.costs = list(costs)
        self.props = {}
        for p in props:
            self.props.update(p.tables)
        self.max_cost_types = max_cost_types
        self.endpoint_cost_vtag = endpoint_cost_vtag

    def offers(self, net):
        out = []
        for c in self.costs:
            if c.net == net:
                out.append(Offer(c.metric, c.mode, False, c))
                if c.ordinal:
                    out.append(Offer(c.metric, "ordinal", True, c))
        return out

    def filtered_network(self, net):
        return FilteredNetwork(self, self.nets[net])

    def filtered_costs(self, net):
        return FilteredCosts(self, self.nets[net])

    def endpoint_costs(self, net):
        return EndpointCosts(self, self.nets[net])

    def endpoint_properties(self):
        return EndpointProperties(self)


# --- verdicts ----------------------------------------------------------------

class Problem(collections.namedtuple("Problem", "codes fields value")):
    """An error that may be reported: one of codes, at one of fields (None: no
    field; "a*": all that begin so), with that value."""

    def fits(self, meta):
        field, value = meta.get("field"), meta.get("value")
        if meta.get("code") not in self.codes:
            return False
        if value is not None and not isinstance(value, str):
            return False
        if value is not None and field is None:
            return False
        if not any(f == field or (f and f[-1] == "*" and field is not None and
                                  field.startswith(f[:-1]))
                   for f in self.fields):
            return False
        return self.value is ANY or self.value == value


def problem(code, field=None, value=ANY):
    def several(x):
        return x if isinstance(x, tuple) else (x,)
    if isinstance(value, str) and (
            len(value) > 200 or re.search(r"[^ -~]", value)):
        value = ANY             # may be cut or written otherwise
    return Problem(several(code), several(field), value)


class Verdict:
    """problems: one of them must be reported. maybe: one of them may be, or
    the answer be given. text: the answer."""

    def __init__(self, problems, maybe, texts):
        self.problems, self.maybe, self.texts = problems, maybe, texts

    def wrong(self, status, body):
        """Why this is not what was to be answered; "" when it is."""
        if status == 200 and not self.problems:
            if body in self.texts:
                return ""
            return "expected %.2000r" % self.texts[0]
        if status != 400:
            return "expected status %s" % (
                "400 for %r" % self.problems if self.problems else "200")
        try:
            meta = json.loads(body)["meta"]
        except (ValueError, KeyError, TypeError):
            return "not an error object"
        if any(p.fits(meta) for p in self.problems + self.maybe):
            return ""
        return "expected one of %r" % (self.problems + self.maybe)


def refused(*problems):
    return Verdict(list(problems), [], [])


# --- requests ----------------------------------------------------------------

def strict_json(body):
    """Duplicate names and anything beyond RFC 8259 raise ValueError."""
    def members(pairs):
        if len({k for k, _ in pairs}) != len(pairs):
            raise ValueError("a name twice")
        return dict(pairs)

    def constant(name):
        raise ValueError(name)
    return json.loads(body.decode("utf-8"), object_pairs_hook=members,
                      parse_constant=constant)


def as_text(v):
    """An element that is no string, as the member `value` has it."""
    if isinstance(v, str):
        return v
    if v is None or isinstance(v, (bool, int)) and abs(v or 0) < 10 ** 15:
        return json.dumps(v)
    return ANY


def read_address(text):
    """None: not a typed endpoint address of a known type."""
    family, colon, rest = text.partition(":")
    try:
        if colon and family == "ipv4":
            return ipaddress.IPv4Address(rest)
        if colon and family == "ipv6" and "%" not in rest:
            return ipaddress.IPv6Address(rest)
    except ValueError:
        pass
    return None


def typed(address):
    return "ipv%d:%s" % (address.version, address)


class Request:
    """Collects everything that is wrong with a request."""

    def __init__(self, doc):
        self.doc = doc
        self.problems = []
        self.maybe = []

    def fault(self, code, field=None, value=ANY):
        self.problems.append(problem(code, field, value))

    def doubt(self, code, field=None, value=ANY):
        self.maybe.append(problem(code, field, value))

    def array(self, holder, name, path, required):
        """The list, or None when there is none or it is wrong."""
        if name not in holder:
            if required:
                self.fault(MISSING, path)
            return None
        if not isinstance(holder[name], list):
            self.fault(TYPE, path)
            return None
        return holder[name]

    def names(self, holder, name, path, required):
        """Names of PIDs."""
        values = self.array(holder, name, path, required)
        for v in values or []:
            if not isinstance(v, str) or not NAME.fullmatch(v):
                self.fault(VALUE, path, as_text(v))
        return values

    def addresses(self, holder, name, path, required):
        values = self.array(holder, name, path, required)
        for v in values or []:
            if not isinstance(v, str) or read_address(v) is None:
                self.fault(VALUE, path, as_text(v))
        return values


class Service:
    def __init__(self, world, net=None):
        self.world, self.net = world, net

    def answer(self, body, caller):
        """The verdict on a request (bytes) from caller (an address)."""
        try:
            doc = strict_json(body)
        except (ValueError, RecursionError):
            return refused(problem(SYNTAX, (None, "*")))
        if not isinstance(doc, dict):
            return refused(problem(TYPE))
        r = Request(doc)
        texts = self.judge(r, caller)
        if r.problems:
            return Verdict(r.problems, r.maybe, [])
        return Verdict([], r.maybe, [t.encode() for t in texts()])


class FilteredNetwork(Service):
    def judge(self, r, caller):
        pids = r.names(r.doc, "pids", "pids", True)
        kinds = r.array(r.doc, "address-types", "address-types", False)
        for k in kinds or []:
            if not isinstance(k, str):
                r.fault(VALUE, "address-types", as_text(k))
            elif not re.fullmatch("[0-9A-Za-z]+", k):
                r.doubt(VALUE, "address-types", k)

        def texts():
            asked = [p for p in self.net.pids if not pids or p in pids]
            shown = [f for f in FAMILIES if not kinds or f in kinds]
            return [dumps({
                "meta": {"vtag": self.net.vtag},
                "network-map": {
                    p: {f: self.net.pids[p][f] for f in shown
                        if f in self.net.pids[p]} for p in asked}})]
        return texts


class EndpointProperties(Service):
    def types(self):
        return ["%s.pid" % n for n in self.world.nets] + list(
            self.world.props)

    def judge(self, r, caller):
        props = r.array(r.doc, "properties", "properties", True)
        if props == []:
            r.fault(VALUE, "properties")
        for p in props or []:
            if not isinstance(p, str) or p not in self.types():
                r.fault(VALUE, "properties", as_text(p))
        ends = r.addresses(r.doc, "endpoints", "endpoints", True)
        if ends == []:
            r.fault(VALUE, "endpoints")

        def texts():
            answer = {e: self.of(read_address(e), unique(props))
                      for e in unique(ends)}
            nets = [n for n in self.world.nets if "%s.pid" % n in props]
            if not nets:
                return [dumps({"endpoint-properties": answer, "meta": {}})]
            asked = [p[:-4] for p in unique(props) if p[:-4] in nets]
            return [dumps({
                "endpoint-properties": answer,
                "meta": {"dependent-vtags": [
                    self.world.nets[n].vtag for n in order]}})
                for order in (sorted(nets), asked)]
        return texts

    def of(self, address, props):
        out = {}
        for p in sorted(props):
            if p in self.world.props:
                value = self.world.props[p].find(address)
            else:
                value = self.world.nets[p[:-4]].table.find(address)
            if value is not None:
                out[p] = value
        return out


# --- costs -------------------------------------------------------------------

class Costs(Service):
    """What filtered cost maps and endpoint costs have in common."""

    def __init__(self, world, net):
        super().__init__(world, net)
        self.offers = world.offers(net.id)
        self.tests = [o for o in self.offers if o.testable]
        if world.max_cost_types == 0 and self.tests != self.offers:
            self.tests = []     # a choice of them is RFC 8189's

    # which types

    def offer(self, metric, mode):
        for o in self.offers:
            if (o.metric, o.mode) == (metric, mode):
                return o
        return None

    def cost_type(self, r, value):
        """The member cost-type."""
        if not isinstance(value, dict):
            r.fault(TYPE, "cost-type")
            return None
        named = {}
        for part, offered in (
                ("cost-metric", {o.metric for o in self.offers}),
                ("cost-mode", {o.mode for o in self.offers})):
            path = "cost-type/" + part
            if part not in value:
                r.fault(MISSING, path)
            elif not isinstance(value[part], str):
                r.fault(TYPE, path)
            elif value[part] not in offered:
                r.fault(VALUE, path, value[part])
            else:
                named[part] = value[part]
        if not isinstance(value.get("description", ""), str):
            r.doubt(TYPE, "cost-type/description")
        if len(named) < 2:
            return None
        found = self.offer(named["cost-metric"], named["cost-mode"])
        if found is None:
            r.fault(VALUE, ("cost-type", "cost-type/cost-metric",
                            "cost-type/cost-mode"))
        return found

    def cost_types(self, r, name, allowed):
        """multi-cost-types or testable-cost-types. None: wrong."""
        values = r.array(r.doc, name, name, True)
        out = []
        for v in values or []:
            parts = [v.get(k) for k in ("cost-metric", "cost-mode")] \
                if isinstance(v, dict) else [None]
            found = None
            if all(isinstance(p, str) for p in parts):
                found = self.offer(*parts)
            if found is None or found not in allowed:
                r.fault((VALUE, MISSING, TYPE), name + "*")
                return None
            if not isinstance(v.get("description", ""), str):
                r.doubt((TYPE, VALUE), name + "*")
            out.append(found)
        return None if values is None else out

    def shown(self, r):
        """The types that the answer gives; None: wrong."""
        most = self.world.max_cost_types
        if "multi-cost-types" not in r.doc:
            if "cost-type" not in r.doc:
                r.fault(MISSING, "cost-type")
                return None
            found = self.cost_type(r, r.doc["cost-type"])
            return found and [found]
        if most == 0:
            if "cost-type" not in r.doc:
                r.fault((MISSING, VALUE), ("cost-type", "multi-cost-types"))
                return None
            r.doubt(VALUE, "multi-cost-types")
            found = self.cost_type(r, r.doc["cost-type"])
            return found and [found]
        if "cost-type" in r.doc:
            r.fault(VALUE, "multi-cost-types")
            self.cost_type(r, r.doc["cost-type"])   # may be wrong as well
        found = self.cost_types(r, "multi-cost-types", self.offers)
        if found is None:
            return None
        if not 1 <= len(found) <= most:
            r.fault(VALUE, "multi-cost-types")
        if len(set(found)) < len(found):
            r.doubt(VALUE, "multi-cost-types")
        return found

    # which tests

    def predicate(self, r, text, field, subjects):
        """(type, operator, number), or None: wrong."""
        got = PREDICATE.fullmatch(text) if isinstance(text, str) else None
        if not got or (got[1] and self.world.max_cost_types == 0):
            r.fault(VALUE, field, as_text(text))
            return None
        if subjects is None:            # they are wrong themselves
            return None
        i = int(got[1] or "0")
        if i >= len(subjects) or subjects[i] not in self.tests:
            r.fault(VALUE, field, text)
            return None
        return subjects[i], OPERATORS[got[2]], float(got[3])

    def conditions(self, r, shown):
        """A list of lists of predicates: one list must hold."""
        multi = self.world.max_cost_types > 0
        subjects = shown
        if "testable-cost-types" in r.doc:
            if multi:
                subjects = self.subjects(r)
            else:
                r.doubt(VALUE, "testable-cost-types*")
        both = [n for n in ("constraints", "or-constraints") if n in r.doc]
        if not self.tests and both:
            out = r.fault
            if all(r.doc[n] == [] for n in both) and len(both) == 1:
                out = r.doubt
            if both != ["or-constraints"] or multi:
                out((VALUE, TYPE), tuple(both))
            else:
                r.doubt(VALUE, "or-constraints")
            return [[]]
        if "or-constraints" in both and not multi:
            r.doubt((VALUE, TYPE), "or-constraints")
            both.remove("or-constraints")
        if len(both) == 2:
            r.fault(VALUE, tuple(both))
        clauses = [[]]
        if "constraints" in both:
            texts = r.array(r.doc, "constraints", "constraints", True)
            clauses = [[self.predicate(r, t, "constraints", subjects)
                        for t in texts or []]]
        if "or-constraints" in both:
            clauses = self.alternatives(r, subjects)
        return clauses

    def subjects(self, r):
        """What testable-cost-types has; wrong entries matter only to those
        who test."""
        found = self.cost_types(r, "testable-cost-types", self.tests)
        if r.doc["testable-cost-types"] == []:
            r.doubt(VALUE, "testable-cost-types")
        elif found and len(set(found)) < len(found):
            r.doubt(VALUE, "testable-cost-types")
        return found

    def alternatives(self, r, subjects):
        name = "or-constraints"
        outer = r.array(r.doc, name, name, True)
        if outer == []:
            r.fault(VALUE, name)
        clauses = []
        for inner in outer or []:
            if not isinstance(inner, list):
                r.fault(VALUE, name, as_text(inner))
            elif not inner:
                r.fault(VALUE, name)
            else:
                clauses.append([self.predicate(r, t, name, subjects)
                                for t in inner])
        return clauses

    # answers

    def judge(self, r, caller):
        shown = self.shown(r)
        clauses = self.conditions(r, shown)
        axes = self.axes(r, caller)

        def texts():
            srcs, dsts = axes()
            multi = len(shown) > 1 or ("multi-cost-types" in r.doc and
                                       self.world.max_cost_types > 0)
            table = self.table(srcs, dsts, shown, clauses, multi)
            return [self.text(table, shown, multi)]
        return texts

    def pairs_of(self, srcs, dsts, offer):
        """{(source, destination): cost} of the pairs asked for."""
        out = {}
        for s, s_pid in srcs:
            row = offer.map.cells.get(s_pid, {})
            for d, d_pid in dsts:
                if d_pid in row:
                    out[s, d] = row[d_pid]
        if offer.ranked:
            steps = sorted(set(out.values()))
            return {k: float(bisect.bisect_left(steps, v) + 1)
                    for k, v in out.items()}
        return out

    def table(self, srcs, dsts, shown, clauses, multi):
        tested = [p[0] for c in clauses for p in c]
        costs = {o: self.pairs_of(srcs, dsts, o)
                 for o in unique(list(shown) + tested)}
        out = {}
        for s, _ in srcs:
            row = {}
            for d, _ in dsts:
                if not any(all((s, d) in costs[o] and
                               holds(costs[o][s, d], n)
                               for o, holds, n in clause)
                           for clause in clauses):
                    continue
                values = [costs[o].get((s, d)) for o in shown]
                if all(v is None for v in values):
                    continue
                row[d] = values if multi else values[0]
            if row:
                out[s] = row
        return out

    @staticmethod
    def types_text(shown, multi):
        if not multi:
            return {"cost-type": shown[0].text}, {}
        return {"cost-type": {}}, {"multi-cost-types": [
            o.text for o in shown]}


class FilteredCosts(Costs):
    def axes(self, r, caller):
        pids = {}
        if "pids" in r.doc:
            pids = r.doc["pids"]
            if not isinstance(pids, dict):
                r.fault(TYPE, "pids")
                pids = {}
            else:
                for side in ("srcs", "dsts"):
                    r.names(pids, side, "pids/" + side, True)

        def both():
            return [[(p, p) for p in self.net.pids
                     if not pids.get(side) or p in pids[side]]
                    for side in ("srcs", "dsts")]
        return both

    def text(self, table, shown, multi):
        first, last = self.types_text(shown, multi)
        return dumps({"cost-map": table, "meta": dict(
            first, **{"dependent-vtags": [self.net.vtag]}, **last)})


class EndpointCosts(Costs):
    def axes(self, r, caller):
        ends = r.doc.get("endpoints")
        if "endpoints" not in r.doc:
            r.fault(MISSING, "endpoints")
        elif not isinstance(ends, dict):
            r.fault(TYPE, "endpoints")
        else:
            for side in ("srcs", "dsts"):
                r.addresses(ends, side, "endpoints/" + side, False)
            if not ends.get("srcs") and not ends.get("dsts"):
                r.fault(VALUE, ("endpoints",))

        def both():
            return [[(e, self.net.table.find(read_address(e)))
                     for e in unique(ends.get(side) or [typed(caller)])]
                    for side in ("srcs", "dsts")]
        return both

    def text(self, table, shown, multi):
        first, last = self.types_text(shown, multi)
        meta = dict(first, **last)
        if self.world.endpoint_cost_vtag:
            meta["vtag"] = self.net.vtag
        return dumps({"endpoint-cost-map": table, "meta": meta})
