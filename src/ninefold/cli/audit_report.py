"""What `ninefold audit` shows on a terminal: dangers first, open questions after, then what was not read."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from ninefold.design.library import LAYERS
from ninefold.design.page.words import plural

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ninefold.cli.sheet import Sheet
    from ninefold.design.audit.facts import Audit, HostFacts, Judgement

_STYLES: Final = {"error": "bold red", "warning": "yellow", "info": ""}
_WORDS: Final = {"error": "ERROR", "warning": "warning", "info": "note"}


def show_audit(sheet: Sheet, audit: Audit) -> None:
    """Print an audit."""
    for facts in audit.hosts:
        _host(sheet, facts)
    several = len(audit.hosts) > 1
    known = [judgement for judgement in audit.judgements if not judgement.unknown]
    spofs = sorted((j for j in known if j.spof), key=lambda j: LAYERS.index(j.layer))
    others = [j for j in known if not j.spof]
    _part(sheet, f"Single points of failure: {len(spofs)}", spofs, several=several)
    _part(sheet, f"Other findings: {len(others)}", others, several=several)
    _open(sheet, [j for j in audit.judgements if j.unknown], several=several)
    _unread(sheet, audit.hosts)


def _host(sheet: Sheet, facts: HostFacts) -> None:
    machine = facts.machine
    when = datetime.fromtimestamp(facts.at, UTC).strftime("%Y-%m-%d %H:%M UTC")
    who = "as root" if facts.as_root else "as an ordinary user"
    sheet.say(f"{facts.host}, seen {when} {who}, logs of {facts.since_days} days", "bold")
    if machine is None:
        return
    made = " ".join(word for word in (machine.vendor, machine.product) if word)
    kind = f"guest ({machine.virtualisation})" if machine.virtualisation else "bare metal"
    kind = f"{kind}, container ({machine.container})" if machine.container else kind
    told = [made, kind, machine.distribution, f"Linux {machine.kernel}" if machine.kernel else ""]
    told += [f"{machine.cpus} CPUs, {machine.memory_mib} MiB" if machine.cpus else ""]
    if facts.uptime_s is not None:
        told.append(f"up {_length(facts.uptime_s)}")
    sheet.say("; ".join(text for text in told if text), "dim", 2)
    counts = (
        plural(sum(unit.state == "running" for unit in facts.units), "running service"),
        plural(len(facts.listeners), "listening socket"),
        plural(len(facts.mounts), "mount"),
        plural(len(facts.links), "link"),
        plural(len(facts.disks), "block device"),
    )
    sheet.say(", ".join(counts), "dim", 2)


def _length(seconds: int) -> str:
    if seconds >= 86_400:
        return f"{seconds // 86_400} d {seconds % 86_400 // 3600} h"
    return f"{seconds // 3600} h {seconds % 3600 // 60} min"


def _part(sheet: Sheet, title: str, rows: Iterable[Judgement], *, several: bool) -> None:
    sheet.title(title)
    layer = ""
    for judgement in rows:
        if judgement.spof and judgement.layer != layer:
            layer = judgement.layer
            sheet.say(layer, "dim", 2)
        where = f"{judgement.host}: " if several and judgement.host != judgement.subject else ""
        head = f"{_WORDS[judgement.severity]}: {where}{judgement.subject}: {judgement.sentence}"
        sheet.say(head, _STYLES[judgement.severity], 2)
        sheet.say(f"Seen: {judgement.evidence}", "dim", 6)
        sheet.say(f"Do: {judgement.mitigation}", "", 6)


def _open(sheet: Sheet, rows: list[Judgement], *, several: bool) -> None:
    sheet.title(f"Could not be told: {len(rows)}")
    for judgement in rows:
        where = f"{judgement.host}: " if several and judgement.host != judgement.subject else ""
        sheet.say(f"{where}{judgement.subject}: {judgement.sentence}", "", 2)
        sheet.say(f"({judgement.evidence}) {judgement.mitigation}", "dim", 6)


def _unread(sheet: Sheet, hosts: Iterable[HostFacts]) -> None:
    rows = [(facts.host, unread) for facts in hosts for unread in facts.unread]
    sheet.title(f"Could not be read: {len(rows)}")
    for host, unread in rows:
        remedy = f" ({unread.remedy})" if unread.remedy else ""
        sheet.say(f"{host}: {unread.what}: {unread.why}{remedy}", "dim", 2)
