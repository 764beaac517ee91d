"""An infrastructure with something in every section of a report, and with names that would break a careless page."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from ninefold.design.analysis import analyse
from ninefold.design.audit.facts import (
    Audit,
    Bond,
    Boot,
    Disk,
    Drbd,
    HostFacts,
    Judgement,
    Link,
    Listener,
    Machine,
    Managed,
    Mount,
    Multipath,
    Names,
    Package,
    PowerSupply,
    Raid,
    Route,
    TimeSync,
    Trouble,
    Unit,
    Unread,
    VolumeGroup,
    Watchdog,
)
from ninefold.design.compare import Comparison, compare
from ninefold.design.load import load_text
from ninefold.design.model import Group, Infrastructure, Part, Service

if TYPE_CHECKING:
    from ninefold.design.results import Report

S = TypeVar("S", bound=msgspec.Struct)
T = TypeVar("T", Part, Group, Service)

SHOP = """\
name: Web shop
description: Three nodes, a database that fails over, one switch still to be doubled.
currency: EUR
crews: {it: 1}
parts:
  hall: {kind: site, title: Hall A}
  feed-a: {kind: power-feed, title: Feed A}
  feed-b: {kind: power-feed, title: Feed B}
  ups-a: {kind: ups, needs: [feed-a]}
  rack-1: {kind: rack, inside: [hall]}
  rack-2: {kind: rack, inside: [hall]}
  sw-1: {kind: switch, title: Core switch, inside: [rack-1], needs: [feed-a], mtbf: 20 y, mttr: 4 h, spread: 3, source: "maker's data sheet"}
  line-1: {kind: internet-line, title: Line of provider A}
  line-2: {kind: internet-line, title: Line of provider B}
  n1: {kind: node, inside: [rack-1], needs: [{any: [ups-a, feed-b]}, sw-1], crew: it, capacity: {cpu: 16, memory: 64}, mtbf: 3 y, mttr: 4 h, spread: 2, source: own incident log 2019-2024}
  n2: {kind: node, inside: [rack-2], needs: [{any: [ups-a, feed-b]}, sw-1], crew: it, capacity: {cpu: 16, memory: 64}}
  n3: {kind: node, inside: [rack-2], needs: [{any: [ups-a, feed-b]}, sw-1], crew: it, capacity: {cpu: 16, memory: 64}}
  ipmi-1: {kind: fence-device, needs: [feed-a]}
  ipmi-2: {kind: fence-device}
  ipmi-3: {kind: fence-device}
  array: {kind: array, title: "Storage array <A&B>", inside: [rack-2], needs: [{any: [feed-a, feed-b]}], maintenance: {every: 1 y, takes: 1 h}}
  resolver-1: {kind: dns-server}
  resolver-2: {kind: dns-server}
  pg: {kind: database, title: PostgreSQL}
groups:
  db:
    title: Database cluster
    nodes: [n1, n2, n3]
    quorum: 2
    needs: [array]
    crew: it
    fencing:
      - {device: ipmi-1, targets: [n1], success: 95 %}
      - {device: ipmi-2, targets: [n2], success: 95 %}
      - {device: ipmi-3, targets: [n3], success: 95 %}
    failover: {detection: 98 %, manual: 2 h}
services:
  shop:
    title: Web shop
    owner: sales
    slo: 99.9 %
    downtime-cost: 5000
    needs: [db, pg, {any: [line-1, line-2]}, {any: [resolver-1, resolver-2]}]
    uses: {cpu: 12, memory: 40}
  reports:
    title: Nightly reports
    slo: 98 %
    needs: [db]
    uses: {cpu: 8, memory: 30}
"""

HOSTILE = '</svg></style></title><script>alert(1)</script><img src=x onerror=alert(2)>" $x_{1}$ {{ 7*7 }} &amp;'


@functools.cache
def shop_model() -> Infrastructure:
    model, findings = load_text(SHOP, file="shop.yaml")
    assert model is not None, findings
    return model


@functools.cache
def shop_report() -> Report:
    return analyse(shop_model(), samples=200, policy_years=2)


NOON = 1_763_121_600

DB1 = HostFacts(
    host="db1",
    at=NOON,
    as_root=True,
    machine=Machine("x86_64", "6.1.0", "Debian 12", 8, 32_000, 0, "Acme", "R1", "", serial="S-1"),
    uptime_s=90_000,
    boots=(Boot(NOON - 90_000, None, clean=False),),
    units=(Unit("nginx.service", "failed", "enabled"), Unit("cron.service", "running", "enabled")),
    listeners=(Listener("tcp", "0.0.0.0", 443, "nginx", 7),),
    mounts=(Mount("nas:/x", "/x", "nfs4", "rw", network=True),),
    links=(Link("eth0", "", True, False, "02::1", 1500, 10_000, "ixgbe", "pci", "bond0"),),
    bonds=(Bond("bond0", "802.3ad", ("eth0", "eth1"), "", "", 100, 0, 0, ("eth1",)),),
    routes=(Route("default", "192.0.2.1", "bond0", 0),),
    names=Names("db1", ("192.0.2.53",), ("example.org",), {}),
    time=TimeSync("chronyd", True, ("192.0.2.123",)),
    disks=(Disk("sda", "disk", 2**40, False, "M", "S", "sas", (), mounts=("/",)),),
    raids=(Raid("md0", "raid1", 2, 1, ("sda1", "sdb1"), ("sdb1",), (), "clean, degraded"),),
    multipaths=(Multipath("mpatha", ("sdc", "sdd"), ("sdc",)),),
    volume_groups=(VolumeGroup("vg0", ("md0",), ("root",)),),
    drbd=(Drbd("r0", "Primary", "UpToDate", "Connected", ("db2",)),),
    power=(PowerSupply("PS1", False, "lost", "IPMI"), PowerSupply("PS2", None, "", "IPMI")),
    troubles=(Trouble("oom", 3, NOON - 60, "journal", "killed process mysqld"),),
    watchdogs=(Watchdog("/dev/watchdog0", "softdog", 60, True),),
    packages=(Package("pacemaker", "2.1.5"),),
    cluster_files={"/etc/corosync/corosync.conf": False},
    managed=Managed(("db1", "db2"), ("nginx.service",), ("/srv",), cib_read=True),
    unread=(Unread("the CIB", "permission denied", "run as root"),),
)


def shop_audit() -> Audit:
    return Audit(
        (DB1,),
        (
            Judgement(
                "n", "db1", "network", "warning", True, "bond0", "One leg.", "up: eth1", "Mend it."
            ),
            Judgement(
                "r", "db1", "storage", "error", False, "md0", "Degraded.", "1 of 2", "Replace."
            ),
            Judgement("i", "db1", "storage", "info", False, "vg0", "Noted.", "seen", "None."),
            Judgement(
                "q", "db1", "power", "info", False, "feeds", "Unknown.", "no BMC", "Ask.", True
            ),
        ),
    )


@functools.cache
def shop_comparison() -> Comparison:
    """The shop, with its switch on two feeds, with two switches, and a dear one that gains nothing."""
    two_feeds = SHOP.replace(
        "needs: [feed-a], mtbf", "cost: 4000, needs: [{any: [feed-a, feed-b]}], mtbf"
    )
    two_switches = two_feeds.replace("sw-1]", "{any: [sw-1, sw-2]}]").replace(
        "  line-1:",
        "  sw-2: {kind: switch, cost: 4000, inside: [rack-2], needs: [feed-b]}\n  line-1:",
    )
    gold = two_feeds.replace("cost: 4000", "cost: 40000")
    variants = {
        "As it is": SHOP.replace("needs: [feed-a], mtbf", "cost: 3000, needs: [feed-a], mtbf"),
        "Two feeds": two_feeds,
        "Two switches": two_switches,
        "A golden switch": gold,
    }
    designs = []
    for name, text in variants.items():
        model, findings = load_text(
            text.replace("name: Web shop", f"name: {name}"), file="shop.yaml"
        )
        assert model is not None, findings
        designs.append((model, analyse(model, samples=0)))
    return compare(designs)


def hostile(value: S) -> S:
    """Return results with `HOSTILE` at the end of every text in them."""

    def spoilt(old: Any) -> Any:
        match old:
            case str() if old:
                return old + HOSTILE
            case dict():
                return {key: spoilt(below) for key, below in old.items()}
            case list() | tuple():
                return [spoilt(below) for below in old]
            case _:
                return old

    # Infinity has no JSON, so it goes through Python's own values.
    return msgspec.convert(spoilt(msgspec.to_builtins(value)), type(value))


def hostile_model() -> Infrastructure:
    """Return the shop with titles that end in `HOSTILE`."""
    model = shop_model()
    return msgspec.structs.replace(
        model,
        parts={name: _titled(part) for name, part in model.parts.items()},
        groups={name: _titled(group) for name, group in model.groups.items()},
        services={name: _titled(service) for name, service in model.services.items()},
        currency=HOSTILE,
    )


def _titled(thing: T) -> T:
    return msgspec.structs.replace(thing, title=thing.title + HOSTILE)
