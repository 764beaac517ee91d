"""A report's sections about services: the verdicts, what alone or in pairs takes them down, what matters."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ninefold.design.library import LAYERS
from ninefold.design.model import MINUTES_PER_YEAR
from ninefold.design.page import charts, words
from ninefold.design.page.blocks import (
    Card,
    Cards,
    Cell,
    Figure,
    Group,
    Heading,
    Notes,
    Section,
    Table,
    Text,
    table,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ninefold.design.model import Infrastructure
    from ninefold.design.page.blocks import Block, Tone
    from ninefold.design.results import Report, ServiceResult, Spof

# Rows of a service's tables; what follows is too small to matter, and said to be there.
PAIRS_MAX: Final = 20
WEIGHTS_MAX: Final = 20


def summary(report: Report, model: Infrastructure) -> Section:
    """The verdict on each service."""
    blocks: list[Block] = [Cards(tuple(_card(result, model) for result in report.services))]
    if report.services:
        blocks.append(charts.downtime(report.services))
    notes = tuple(dict.fromkeys(note for result in report.services for note in result.notes))
    if notes:
        blocks.append(Notes(notes))
    return Section(
        "services",
        "Services",
        "How available each service is by these inputs, how sure that is, and whether it keeps its "
        "objective. A year has 525,960 minutes.",
        tuple(blocks),
    )


def _card(result: ServiceResult, model: Infrastructure) -> Card:
    service = model.services.get(result.service)
    badge, tone = verdict(result)
    return Card(
        title=(service.title if service else "") or result.service,
        headline=words.availability(result.availability),
        below=words.nines(result.availability),
        badge=badge,
        tone=tone,
        figures=tuple(_figures(result, model)),
        sentence=_dominates(result),
    )


def verdict(result: ServiceResult) -> tuple[str, Tone]:
    """Return in words whether a service keeps its objective."""
    if result.slo is None or result.meets_slo is None:
        return "No objective is stated", ""
    objective = words.objective(result.slo)
    if not result.meets_slo:
        return f"✗ Misses its objective of {objective}", "bad"
    budget = (1 - result.slo) * MINUTES_PER_YEAR
    if result.band is not None and result.band.p95 > budget:
        return f"! Keeps {objective}, but not with every spread", "warn"
    return f"✓ Keeps its objective of {objective}", "good"


def _figures(result: ServiceResult, model: Infrastructure) -> Iterator[Figure]:
    band = ""
    if result.band is not None:
        low, middle, high = (
            words.minutes(v) for v in (result.band.p5, result.band.p50, result.band.p95)
        )
        band = f"p5 {low}, p50 {middle}, p95 {high}"
    yield Figure("Unplanned", f"{words.minutes(result.minutes_per_year)} a year", band)
    if result.slo is not None:
        budget = (1 - result.slo) * MINUTES_PER_YEAR
        left = budget - result.minutes_per_year
        told = f"{words.minutes(left)} left" if left >= 0 else f"{words.minutes(-left)} too much"
        yield Figure("Allowed", f"{words.minutes(budget)} a year", told)
    yield Figure("Planned", f"{words.minutes(result.planned_minutes_per_year)} a year")
    within = f"chance, within {words.hours(result.mission_h)}"
    yield Figure("No interruption", words.percent(result.reliability), within)
    if result.cost_per_year is not None:
        cost = f"{words.number(result.cost_per_year)} {model.currency}".strip()
        yield Figure("Cost of downtime", f"{cost} a year")


def _dominates(result: ServiceResult) -> str:
    """Say what most of the downtime comes from."""
    leading = [weight for weight in result.weights if weight.fussell_vesely >= 0.01][:3]
    if not leading:
        return ""
    told = ", ".join(f"{w.title} ({words.number(100 * w.fussell_vesely, 2)} %)" for w in leading)
    return f"Downtime comes from: {told}."


def spofs(report: Report, model: Infrastructure) -> Section:
    """Everything whose loss alone takes a service down, layer by layer."""
    found: dict[str, dict[str, list[Spof]]] = {}
    for result in report.services:
        for spof in result.spofs:
            found.setdefault(spof.layer, {}).setdefault(spof.part, []).append(spof)
    groups = []
    for layer in [*LAYERS, *(x for x in found if x not in LAYERS)]:
        if layer in found:
            parts = sorted(found[layer].values(), key=lambda p: -max(s.minutes_per_year for s in p))
            rows = tuple(_spof_row(part, model) for part in parts)
            groups.append(Group(words.layer(layer), words.plural(len(rows), "part"), rows))
    head = ("Part", "Takes down", "Costs a year", "What to do", "Saves a year")
    blocks: tuple[Block, ...] = (
        Table("Single points of failure by layer", head, tuple(groups), shown=False),
    )
    if not groups:
        blocks = (Text("✓ None: no single failure takes a service down.", "good"),)
    return Section(
        "spofs",
        "Single points of failure",
        "What takes a service down when it alone is lost, with what it costs, what to do about it, and "
        "what that would save. Costs and savings are of the service that suffers most.",
        blocks,
    )


def _spof_row(of_part: list[Spof], model: Infrastructure) -> tuple[Cell, ...]:
    worst = max(of_part, key=lambda spof: spof.minutes_per_year)
    part = model.parts.get(worst.part)
    title = (part.title if part else "") or worst.part
    kind = worst.kind if title == worst.part else f"{worst.kind} {worst.part}"
    return (
        Cell(title, below=kind),
        Cell(", ".join(spof.service for spof in of_part)),
        Cell(words.minutes(worst.minutes_per_year), number=True),
        Cell(worst.mitigation),
        Cell(words.minutes(worst.saved_minutes_per_year), number=True),
    )


def pairs(report: Report) -> Section | None:
    """Two failures that together take a service down."""
    blocks: list[Block] = []
    for result in report.services:
        if not result.pairs:
            blocks.append(Text(f"{result.service}: no pair takes it down."))
            continue
        shown = result.pairs[:PAIRS_MAX]
        beside = words.plural(len(result.pairs), "pair")
        if len(shown) < len(result.pairs):
            beside = f"the {len(shown)} likeliest of {len(result.pairs)} pairs"
        blocks.append(Heading(result.service, beside))
        rows = tuple(
            (
                Cell(" and ".join(pair.events)),
                Cell(words.number(pair.probability), number=True),
                Cell(words.minutes(pair.minutes_per_year), number=True),
            )
            for pair in shown
        )
        head = ("Down together", "Share of time", "Costs a year")
        blocks.append(table(f"Pairs that take {result.service} down", head, rows, shown=False))
    if not any(result.pairs for result in report.services):
        return None
    return Section(
        "pairs",
        "Pairs of failures",
        "Minimal cut sets of order two: neither alone is fatal, both at the same time are.",
        tuple(blocks),
    )


def importance(report: Report) -> Section | None:
    """What matters how much to each service."""
    blocks: list[Block] = []
    for result in report.services:
        if not result.weights:
            continue
        shown = result.weights[:WEIGHTS_MAX]
        more = len(result.weights) - len(shown)
        blocks.append(Heading(result.service, f"{more} more matter less" if more else ""))
        rows = tuple(
            (
                Cell(weight.title, below="" if weight.title == weight.event else weight.event),
                Cell(
                    words.percent(weight.fussell_vesely),
                    share=min(1.0, max(0.0, weight.fussell_vesely)),
                    number=True,
                ),
                Cell(words.number(weight.birnbaum), number=True),
                Cell(words.number(weight.raw), number=True),
                Cell(words.number(weight.rrw, 4), number=True),
                Cell(words.number(weight.unavailability), number=True),
            )
            for weight in shown
        )
        head = (
            "Event",
            "Share of downtime (Fussell-Vesely)",
            "Birnbaum",
            "RAW",
            "RRW",
            "Down itself",
        )
        blocks.append(table(f"What matters to {result.service}", head, rows, shown=False))
    if not blocks:
        return None
    return Section(
        "importance",
        "What matters most",
        "Fussell-Vesely: the share of the downtime that passes through it. Birnbaum: how much the service's "
        "unavailability grows with its own. RAW: the factor by which downtime grows if it is down "
        "for certain; RRW: the factor by which it shrinks if it never fails.",
        tuple(blocks),
    )


def uncertainty(report: Report) -> Section | None:
    """Which uncertain inputs move the result most."""
    blocks: list[Block] = []
    for result in report.services:
        if not result.tornado:
            continue
        blocks.append(
            Heading(result.service, f"now {words.minutes(result.minutes_per_year)} a year")
        )
        blocks.append(charts.tornado(result))
        rows = tuple(
            (
                Cell(bar.event),
                Cell(bar.quantity),
                Cell(words.minutes(bar.low_minutes_per_year), number=True),
                Cell(words.minutes(bar.high_minutes_per_year), number=True),
            )
            for bar in result.tornado
        )
        head = ("Input of", "Quantity", "At its 5th percentile", "At its 95th percentile")
        blocks.append(table(f"Downtime a year of {result.service}, one input moved", head, rows))
    if not blocks:
        return None
    return Section(
        "uncertainty",
        "What is worth measuring",
        "One input at a time is moved to the ends of its spread: the widest bars are the numbers to measure "
        "first.",
        tuple(blocks),
    )
