#!/usr/bin/env python3
"""Makes the maps of this folder: the Internet by country, and what it costs to
go from one country to another.

  make.py [--work DIR] [--out DIR] [--zones FILE]

Needs Python 3 (standard library), npm and tzdata. The three packages it reads
are fetched with `npm pack` into the work folder unless they are there already.
Same packages and same tzdata, same maps.
"""
import argparse
import csv
import gzip
import hashlib
import heapq
import io
import ipaddress
import json
import math
import os
import re
import subprocess
import tarfile
import tempfile

NAMESPACE = "@ip-location-db"
COUNTRIES = ("asn-country", "2.3.2026061719")
ROUTED = ("asn", "2.3.2025040218")  # seen on 2025-04-02
ROUTED_LATER = ("asn", "2.3.2025041118")  # seen on 2025-04-11

FAMILIES = (("ipv4", 32), ("ipv6", 128))

EARTH_KM = 6371.0
MS_PER_KM = 1.3 * 4.9e-3  # fibre: 4.9 us/km, 1.3 times the straight way
ENDS_MS = 1.0  # to leave one network and enter the other

# Countries whose first zone in the table is not where most of them live.
MAIN_ZONE = {
    "AU": "Australia/Sydney", "BR": "America/Sao_Paulo",
    "CA": "America/Toronto", "RU": "Europe/Moscow",
    "UA": "Europe/Kyiv", "UZ": "Asia/Tashkent",
}


def fetch(work, package):
    """The package's file in the work folder, downloaded if need be."""
    name, version = package
    path = os.path.join(
        work, "%s-%s-%s.tgz" % (NAMESPACE.lstrip("@"), name, version))
    if not os.path.exists(path):
        subprocess.run(
            ["npm", "pack", "--silent", "%s/%s@%s" % (NAMESPACE, name, version)],
            cwd=work, check=True, stdout=subprocess.DEVNULL)
    return path


def read_ranges(tgz, name, family):
    """Rows start,end,value of a package's table -> disjoint (lo, hi, value)."""
    number = {"ipv4": lambda s: int(ipaddress.IPv4Address(s)),
              "ipv6": lambda s: int(ipaddress.IPv6Address(s))}[family]
    with tarfile.open(tgz) as tar:
        table = tar.extractfile("package/%s-%s.csv" % (name, family))
        rows = csv.reader(io.TextIOWrapper(table, "utf-8"))
        return disjoint((number(r[0]), number(r[1]), r[2]) for r in rows)


def disjoint(rows):
    """Where two ranges overlap, the one that starts later (or is shorter)
    keeps the addresses they share."""
    heap = [(lo, -hi, value) for lo, hi, value in rows]
    heapq.heapify(heap)
    out = []
    while heap:
        lo, hi, value = heapq.heappop(heap)
        hi = -hi
        if heap and heap[0][0] <= hi:
            next_lo, next_hi = heap[0][0], -heap[0][1]
            if next_hi < hi:
                heapq.heappush(heap, (next_hi + 1, -hi, value))
            hi = next_lo - 1
        if lo <= hi:
            out.append((lo, hi, value))
    return out


def by_country(routed, countries):
    """Cuts the routed ranges at the borders: (lo, hi, PID), neighbours of one
    PID joined. What the country table does not know is cc-zz."""
    out, i = [], 0

    def add(lo, hi, country):
        pid = "cc-" + (country.lower() or "zz")
        if out and out[-1][2] == pid and out[-1][1] == lo - 1:
            lo = out.pop()[0]
        out.append((lo, hi, pid))

    for lo, hi, _ in routed:
        while i < len(countries) and countries[i][1] < lo:
            i += 1
        j = i
        while lo <= hi:
            if j == len(countries) or countries[j][0] > hi:
                add(lo, hi, "zz")
                break
            start, end, country = countries[j]
            if lo < start:
                add(lo, start - 1, "zz")
                lo = start
            add(lo, min(hi, end), country)
            lo = end + 1
            j += 1
    return out


def cidrs(lo, hi, bits):
    """The fewest prefixes that cover lo..hi and nothing else."""
    while lo <= hi:
        free = (lo & -lo).bit_length() - 1 if lo else bits
        free = min(free, (hi - lo + 1).bit_length() - 1)
        yield lo, bits - free
        lo += 1 << free


def text(base, length, bits):
    kind = ipaddress.IPv4Address if bits == 32 else ipaddress.IPv6Address
    return "%s/%d" % (kind(base), length)


def network(routed_tgz, country_tgz):
    """{PID: {"ipv4": [..], "ipv6": [..]}}, in address order."""
    pids = {"default": {"ipv4": ["0.0.0.0/0"], "ipv6": ["::/0"]}}
    for family, bits in FAMILIES:
        routed = read_ranges(routed_tgz, ROUTED[0], family)
        countries = read_ranges(country_tgz, COUNTRIES[0], family)
        for lo, hi, pid in by_country(routed, countries):
            pids.setdefault(pid, {}).setdefault(family, []).extend(
                text(base, length, bits) for base, length in cidrs(lo, hi, bits))
    return pids


def read_places(path):
    """zone.tab -> {"cc-xx": (latitude, longitude) in radians}: one zone a
    country, the first one or the one MAIN_ZONE names."""
    places = {}
    with open(path, encoding="utf-8") as table:
        for line in table:
            if line.startswith("#"):
                continue
            country, where, zone = line.rstrip("\n").split("\t")[:3]
            pid = "cc-" + country.lower()
            if MAIN_ZONE.get(country, zone) == zone and pid not in places:
                places[pid] = tuple(
                    math.radians(degrees(part))
                    for part in re.findall(r"[+-]\d+", where))
    return places


def degrees(iso6709):
    """+DDMM, +DDDMM, +DDMMSS or +DDDMMSS -> degrees."""
    digits = iso6709[1:]
    whole = 2 if len(digits) in (4, 6) else 3
    parts = [digits[:whole], digits[whole:whole + 2], digits[whole + 2:] or "0"]
    value = sum(int(p) / 60 ** i for i, p in enumerate(parts))
    return -value if iso6709[0] == "-" else value


def distance_km(a, b):
    """Great circle, haversine."""
    h = (math.sin((b[0] - a[0]) / 2) ** 2 +
         math.cos(a[0]) * math.cos(b[0]) * math.sin((b[1] - a[1]) / 2) ** 2)
    return 2 * EARTH_KM * math.asin(math.sqrt(min(1.0, h)))


def costs(pids, places):
    """Milliseconds one way. A PID without a place (default, cc-zz) is as far
    as two points on Earth can be, so that it is chosen last."""
    far = math.pi * EARTH_KM

    def cost(a, b):
        if a not in places or b not in places:
            km = far
        else:
            km = distance_km(places[a], places[b])
        return round(ENDS_MS + km * MS_PER_KM, 1)

    return {a: {b: cost(a, b) for b in pids} for a in pids}


def compact(doc):
    return json.dumps(doc, sort_keys=True, separators=(",", ":")).encode()


def network_map(pids):
    """With a tag that changes exactly when the content does."""
    tag = hashlib.sha256(compact(pids)).hexdigest()
    return {"meta": {"vtag": {"resource-id": "net", "tag": tag}},
            "network-map": pids}


def cost_map(net, cells):
    return {"meta": {"cost-type": {"cost-metric": "routingcost",
                                   "cost-mode": "numerical"},
                     "dependent-vtags": [net["meta"]["vtag"]],
                     "vtag": {"resource-id": "cost-routing",
                              "tag": hashlib.sha256(compact(cells)).hexdigest()}},
            "cost-map": cells}


def write(path, doc):
    """gzip without time or name inside: same maps, same file."""
    with open(path, "wb") as raw, gzip.GzipFile(
            filename="", mode="wb", fileobj=raw, compresslevel=9, mtime=0) as out:
        out.write(compact(doc) + b"\n")
    print("%s: %d bytes" % (path, os.path.getsize(path)))


def prefixes(pids):
    return {(p, pid) for pid, groups in pids.items()
            for group in groups.values() for p in group}


def main():
    here = os.path.dirname(os.path.abspath(__file__))
    ap = argparse.ArgumentParser(description="make the world example")
    ap.add_argument("--work", help="keep the packages here")
    ap.add_argument("--out", default=here)
    ap.add_argument("--zones", default="/usr/share/zoneinfo/zone.tab")
    args = ap.parse_args()

    with tempfile.TemporaryDirectory() as scratch:
        work = args.work or scratch
        country_tgz = fetch(work, COUNTRIES)
        first = network(fetch(work, ROUTED), country_tgz)
        later = network(fetch(work, ROUTED_LATER), country_tgz)

    # One cost map has to fit both versions, so both list the same PIDs.
    for pid in first.keys() | later.keys():
        first.setdefault(pid, {})
        later.setdefault(pid, {})
    net = network_map(first)
    cells = costs(sorted(first), read_places(args.zones))
    write(os.path.join(args.out, "network-map.json.gz"), net)
    write(os.path.join(args.out, "network-map-later.json.gz"),
          network_map(later))
    write(os.path.join(args.out, "cost-map.json.gz"), cost_map(net, cells))
    old, new = prefixes(first), prefixes(later)
    print("%d PIDs; %d prefixes, later %d: %d gone, %d new; without a place: %s"
          % (len(first), len(old), len(new), len(old - new), len(new - old),
             " ".join(sorted(first.keys() - read_places(args.zones).keys()))))


if __name__ == "__main__":
    main()
