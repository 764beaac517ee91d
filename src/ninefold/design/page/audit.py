"""The page of `ninefold audit`: single points of failure first, then findings, doubts, and every fact."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ninefold.design.library import LAYERS
from ninefold.design.page import words
from ninefold.design.page.blocks import Cell, Figure, Group, Page, Section, Table, Text, table
from ninefold.design.page.fact_sections import host_section, moment
from ninefold.design.page.render import html

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ninefold.design.audit.facts import Audit, Judgement

SEVERITIES: Final = {
    "error": Cell("✗ error", "bad"),
    "warning": Cell("! warning", "warn"),
    "info": Cell("note", "quiet"),
}


def audit_page(audit: Audit) -> str:
    """Return an audit as one self-contained HTML page; the same audit gives the same page."""
    names = [facts.host for facts in audit.hosts]
    return html(
        Page(
            kind="Audit of single points of failure",
            title=", ".join(names) if 0 < len(names) <= 3 else words.plural(len(names), "host"),
            description="What was seen on these hosts without changing anything, and what it means for their "
            "availability.",
            origin=_origin(audit),
            figures=tuple(_figures(audit)),
            sections=tuple(_sections(audit)),
        )
    )


def _origin(audit: Audit) -> str:
    if not audit.hosts:
        return "No host was looked at"
    times = [facts.at for facts in audit.hosts]
    first, last = moment(min(times)), moment(max(times))
    return f"Seen at {first}" if first == last else f"Seen between {first} and {last}"


def _figures(audit: Audit) -> Iterator[Figure]:
    known = [judgement for judgement in audit.judgements if not judgement.unknown]
    spofs = sum(judgement.spof for judgement in known)
    found = [judgement.severity for judgement in known if not judgement.spof]
    mistakes, warnings = found.count("error"), found.count("warning")
    unread = sum(len(facts.unread) for facts in audit.hosts)
    doubts = len(audit.judgements) - len(known)
    yield Figure("Single points of failure", str(spofs), tone="bad" if spofs else "good")
    yield Figure("Errors", str(mistakes), tone="bad" if mistakes else "good")
    yield Figure("Warnings", str(warnings), tone="warn" if warnings else "good")
    yield Figure("Open questions", str(doubts), tone="warn" if doubts else "")
    yield Figure("Could not be read", str(unread), tone="warn" if unread else "")


def _sections(audit: Audit) -> Iterator[Section]:
    known = [judgement for judgement in audit.judgements if not judgement.unknown]
    spofs = [judgement for judgement in known if judgement.spof]
    others = [judgement for judgement in known if not judgement.spof]
    doubts = [judgement for judgement in audit.judgements if judgement.unknown]
    several = len(audit.hosts) > 1
    yield Section(
        "spofs",
        "Single points of failure",
        "What takes its host, or what it serves, down when it alone is lost; layer by layer, with what to do.",
        (_judgements("Single points of failure by layer", spofs, several=several),)
        if spofs
        else (Text("✓ None was found. What could not be seen is listed below.", "good"),),
    )
    yield Section(
        "findings",
        "Findings",
        "What else endangers availability, by layer, the gravest first.",
        (_judgements("Findings by layer", others, several=several),)
        if others
        else (Text("✓ None.", "good"),),
    )
    if doubts:
        yield Section(
            "questions",
            "Open questions",
            "What the facts leave open, and how to find out. Nothing is guessed.",
            (_judgements("Open questions by layer", doubts, several=several),),
        )
    unread = [(facts.host, one) for facts in audit.hosts for one in facts.unread]
    if unread:
        rows = tuple(
            (Cell(one.what), Cell(host), Cell(one.why), Cell(one.remedy)) for host, one in unread
        )
        head = ("What", "Host", "Why not", "What helps")
        yield Section(
            "unread",
            "What could not be read",
            "Its absence from this page means nothing.",
            (table("What could not be read", head, rows, shown=False),),
        )
    for number, facts in enumerate(audit.hosts, 1):
        yield host_section(facts, f"host-{number}")


def _judgements(caption: str, judgements: Sequence[Judgement], *, several: bool) -> Table:
    order = list(SEVERITIES)
    by_layer: dict[str, list[Judgement]] = {}
    for judgement in judgements:
        by_layer.setdefault(judgement.layer, []).append(judgement)
    groups = []
    for layer in [*LAYERS, *(x for x in by_layer if x not in LAYERS)]:
        if layer not in by_layer:
            continue
        found = sorted(
            by_layer[layer],
            key=lambda j: order.index(j.severity) if j.severity in order else len(order),
        )
        rows = tuple(_row(judgement, several=several) for judgement in found)
        groups.append(Group(words.layer(layer), words.plural(len(rows), "finding"), rows))
    head = ("Of what", "Severity", "What it means", "Seen", "What to do")
    return Table(caption, head, tuple(groups), shown=False)


def _row(judgement: Judgement, *, several: bool) -> tuple[Cell, ...]:
    severity = SEVERITIES.get(judgement.severity, Cell(judgement.severity))
    if judgement.unknown:
        severity = Cell("? open", "warn")
    return (
        Cell(judgement.subject, below=f"on {judgement.host}" if several else ""),
        severity,
        Cell(judgement.sentence),
        Cell(judgement.evidence, "quiet"),
        Cell(judgement.mitigation),
    )
