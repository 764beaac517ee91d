"""An audit's facts of one host, area by area; what is empty is left out (`unread` says what was not seen)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, TypeVar

from ninefold.design.page import words
from ninefold.design.page.blocks import Cell, Heading, Section, Text, table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from ninefold.design.audit.facts import Disk, HostFacts, Link, Unit
    from ninefold.design.page.blocks import Block, Table

    T = TypeVar("T")

# Longer lists are cut, and say so: all of it is in the audit's JSON.
ROWS_MAX: Final = 60
_GIB: Final = 2**30
_GOOD_STATES: Final = ("running", "exited", "active", "waiting", "listening", "mounted")


def host_section(facts: HostFacts, name: str) -> Section:
    """Return everything that was seen on a host; `name` is what links point to."""
    blocks: list[Block] = []
    for title, tables in (
        ("Machine", _machine(facts)),
        ("Network", _network(facts)),
        ("Storage", _storage(facts)),
        ("Services and cluster", _software(facts)),
        ("History", _history(facts)),
    ):
        found = [one for one in tables if one is not None]
        if found:
            blocks += [Heading(title), *found]
    who = "as root" if facts.as_root else "without root's rights, so some of it is missing"
    lead = f"Seen at {moment(facts.at)} {who}; logs of the last {words.plural(facts.since_days, 'day')}."
    return Section(name, f"Host {facts.host}", lead, tuple(blocks) or (Text("Nothing was read."),))


def moment(at: int) -> str:
    """Return epoch seconds as a date and time, UTC."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M UTC")


def _listed(
    caption: str,
    head: tuple[str, ...],
    things: Sequence[T],
    cells: Callable[[T], Iterable[Cell | str]],
) -> Table | None:
    if not things:
        return None
    rows = tuple(
        tuple(cell if isinstance(cell, Cell) else Cell(cell) for cell in cells(thing))
        for thing in things[:ROWS_MAX]
    )
    if len(things) > ROWS_MAX:
        caption += f" (the first {ROWS_MAX} of {len(things)})"
    return table(caption, head, rows)


def _plain(caption: str, pairs: Iterable[tuple[str, str]]) -> Table | None:
    told = [(name, value) for name, value in pairs if value]
    return _listed(caption, ("Fact", "Value"), told, lambda pair: pair)


def _verdict(ok: bool | None, good: str, bad: str) -> Cell:
    if ok is None:
        return Cell("? unknown", "warn")
    return Cell(f"✓ {good}", "good") if ok else Cell(f"✗ {bad}", "bad")


def _machine(facts: HostFacts) -> Iterator[Table | None]:
    machine = facts.machine
    if machine is not None:
        yield _plain(
            "What it is made of",
            (
                ("Maker", f"{machine.vendor} {machine.product}".strip()),
                ("Serial number", machine.serial),
                ("Virtualisation", machine.virtualisation or "none: bare metal"),
                ("Hypervisor", machine.hypervisor),
                ("Container", machine.container),
                ("Distribution", machine.distribution),
                ("Kernel", f"{machine.kernel} ({machine.architecture})"),
                ("Processors", str(machine.cpus)),
                ("Memory", f"{machine.memory_mib:,} MiB, swap {machine.swap_mib:,} MiB"),
                ("Corrected memory errors", _count(machine.ecc_errors)),
                ("Uncorrected memory errors", _count(machine.ecc_uncorrected)),
            ),
        )
    yield _listed(
        "Power supplies",
        ("Supply", "State", "Seen by"),
        facts.power,
        lambda p: (p.name, _verdict(p.ok, p.state or "ok", p.state or "failed"), p.source),
    )
    yield _listed(
        "Watchdogs",
        ("Device", "Driver", "Timeout", "Active"),
        facts.watchdogs,
        lambda w: (
            w.device,
            w.driver,
            "unknown" if w.timeout_s is None else f"{w.timeout_s} s",
            _verdict(w.active, "active", "not active"),
        ),
    )


def _count(value: int | None) -> str:
    return "" if value is None else str(value)


def _network(facts: HostFacts) -> Iterator[Table | None]:
    yield _listed("Links", ("Link", "Kind", "State", "Speed", "Addresses"), facts.links, _link)
    yield _listed(
        "Bonds",
        ("Bond", "Mode", "Members", "Active", "Watches its links"),
        facts.bonds,
        lambda b: (
            b.name,
            Cell(b.mode, below=f"LACP partner {b.lacp_partner}" if b.lacp_partner else ""),
            Cell(
                ", ".join(b.slaves),
                "" if len(b.slaves_up) == len(b.slaves) else "bad",
                below=f"up: {', '.join(b.slaves_up) or 'none'}",
            ),
            b.active_slave,
            f"miimon {b.miimon_ms} ms" if b.miimon_ms else f"ARP every {b.arp_interval_ms} ms",
        ),
    )
    yield _listed(
        "Routes",
        ("To", "By", "Link", "Metric"),
        facts.routes,
        lambda r: (r.target, r.gateway, r.link, Cell(str(r.metric), number=True)),
    )
    if facts.names is not None:
        names = facts.names
        yield _plain(
            "Names",
            (
                ("Its own name", names.hostname),
                ("Resolvers", ", ".join(names.resolvers)),
                ("Searches in", ", ".join(names.search)),
            ),
        )
    if facts.time is not None:
        kept = {True: "✓ synchronised", False: "✗ not synchronised", None: "? unknown"}
        yield _plain(
            "Time",
            (
                ("State", kept[facts.time.synchronised]),
                ("Kept by", facts.time.daemon),
                ("Sources", ", ".join(facts.time.sources)),
            ),
        )


def _link(link: Link) -> tuple[Cell | str, ...]:
    state = Cell("✓ up", "good") if link.up and link.carrier else Cell("✗ down", "bad")
    if link.up and not link.carrier:
        state = Cell("✗ no carrier", "bad")
    kind = link.kind or ("virtual" if link.virtual else "hardware")
    below = ", ".join(
        text
        for text in (link.driver, f"in {link.master}" if link.master else "", link.switch)
        if text
    )
    speed = "" if link.speed_mbit is None else f"{link.speed_mbit:,} Mbit/s"
    return link.name, Cell(kind, below=below), state, speed, ", ".join(link.addresses)


def _storage(facts: HostFacts) -> Iterator[Table | None]:
    yield _listed(
        "Block devices", ("Device", "Kind", "Size", "Stands on", "Mounted at"), facts.disks, _disk
    )
    yield _listed(
        "RAID",
        ("Array", "Level", "Working", "Members", "State"),
        facts.raids,
        lambda r: (
            r.name,
            r.level,
            Cell(f"{r.working} of {r.wanted}", "good" if r.working >= r.wanted else "bad"),
            Cell(", ".join(r.members), below=f"spare: {', '.join(r.spares)}" if r.spares else ""),
            r.state if r.sync_percent is None else f"{r.state}, {r.sync_percent:g} %",
        ),
    )
    yield _listed(
        "Multipath",
        ("Device", "Paths", "Working"),
        facts.multipaths,
        lambda m: (
            m.name,
            ", ".join(m.paths),
            Cell(
                f"{len(m.working)} of {len(m.paths)}",
                "good" if len(m.working) == len(m.paths) > 1 else "bad",
            ),
        ),
    )
    yield _listed(
        "Volume groups",
        ("Group", "Lies on", "Volumes"),
        facts.volume_groups,
        lambda v: (v.name, ", ".join(v.physical), ", ".join(v.logical)),
    )
    yield _listed(
        "DRBD",
        ("Resource", "Role", "Disk", "Connection", "Peers"),
        facts.drbd,
        lambda d: (d.name, d.role, d.disk, d.connection, ", ".join(d.peers)),
    )
    yield _listed(
        "File systems",
        ("Mounted at", "Source", "Type", "Options"),
        facts.mounts,
        lambda m: (
            m.target,
            m.source,
            f"{m.fstype}, network" if m.network else m.fstype,
            m.options,
        ),
    )


def _disk(disk: Disk) -> tuple[Cell | str, ...]:
    below = " ".join(text for text in (disk.model, disk.transport, disk.controller) if text)
    return (
        disk.label or disk.name,
        Cell(disk.kind, below=below),
        Cell(f"{words.number(disk.size_bytes / _GIB)} GiB", number=True),
        ", ".join(disk.parents),
        ", ".join(disk.mounts),
    )


def _software(facts: HostFacts) -> Iterator[Table | None]:
    failed = [unit for unit in facts.units if unit.state == "failed"]
    shown = failed or [unit for unit in facts.units if unit.enabled == "enabled"]
    what = "failed" if failed else "enabled"
    yield _listed(
        f"Services: {len(shown)} {what} of {len(facts.units)}",
        ("Service", "State", "At start", "Manager"),
        shown,
        _unit,
    )
    yield _listed(
        "Listening sockets",
        ("Process", "Protocol", "Address", "Port"),
        facts.listeners,
        lambda s: (s.process or "not seen", s.protocol, s.address, Cell(str(s.port), number=True)),
    )
    yield _listed(
        "Cluster packages", ("Package", "Version"), facts.packages, lambda p: (p.name, p.version)
    )
    yield _listed(
        "Cluster files",
        ("File", "Read"),
        sorted(facts.cluster_files.items()),
        lambda f: (f[0], _verdict(f[1], "read", "not read")),
    )
    if facts.managed is not None:
        managed = facts.managed
        yield _plain(
            "What its cluster manages",
            (
                ("Nodes", ", ".join(managed.nodes)),
                ("Services", ", ".join(managed.units)),
                ("File systems", ", ".join(managed.mounts)),
                ("CIB", "read" if managed.cib_read else "not read: services are unknown"),
            ),
        )


def _unit(unit: Unit) -> tuple[Cell | str, ...]:
    tone = "bad" if unit.state == "failed" else "good" if unit.state in _GOOD_STATES else ""
    mark = {"bad": "✗ ", "good": "✓ "}.get(tone, "")
    state = Cell(f"{mark}{unit.state}", "bad" if tone == "bad" else "good" if tone else "")
    return Cell(unit.name, below=unit.description), state, unit.enabled, unit.manager


def _history(facts: HostFacts) -> Iterator[Table | None]:
    if facts.uptime_s is not None:
        yield _plain(
            "Since its start",
            (("Up for", words.seconds(facts.uptime_s)), ("Log", facts.log_source)),
        )
    yield _listed(
        "Starts",
        ("Began", "Ended", "The one before was shut down in order"),
        facts.boots,
        lambda b: (
            moment(b.began),
            "still up" if b.ended is None else moment(b.ended),
            _verdict(b.clean, "yes", "no"),
        ),
    )
    yield _listed(
        "Trouble in the logs",
        ("Kind", "Lines", "Last", "Example"),
        facts.troubles,
        lambda t: (
            Cell(t.kind, below=t.source),
            Cell(f"{t.count:,}", number=True),
            moment(t.last),
            Cell(t.example, "quiet"),
        ),
    )
