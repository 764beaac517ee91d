"""The page of `ninefold design compare`: what each design gains over the first, and what that costs."""

from __future__ import annotations

from pathlib import PurePath
from typing import TYPE_CHECKING, Final

from ninefold.design.page import charts, words
from ninefold.design.page.blocks import (
    Card,
    Cards,
    Cell,
    Figure,
    Heading,
    Notes,
    Page,
    Section,
    table,
)
from ninefold.design.page.render import html

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ninefold.design.compare import Comparison, Option, OptionService
    from ninefold.design.page.blocks import Block, Tone


# Letters of a title that is read at a glance.
TITLE_MAX: Final = 48


def compare_page(comparison: Comparison) -> str:
    """Return designs side by side as one self-contained HTML page; the same input gives the same page."""
    names = [option.name for option in comparison.options]
    together = " or ".join(names)
    files = dict.fromkeys(
        PurePath(option.file).name for option in comparison.options if option.file
    )
    return html(
        Page(
            kind="Designs compared",
            title=together if len(together) <= TITLE_MAX else words.plural(len(names), "design"),
            description=f"Downtime of {', '.join(comparison.services)}. Everything is measured against "
            f"{names[0]}.",
            origin=", ".join(files),
            figures=(),
            sections=tuple(_sections(comparison)),
        )
    )


def _sections(comparison: Comparison) -> Iterator[Section]:
    options = comparison.options
    cards = Cards(tuple(_card(option, options[0], comparison.currency) for option in options))
    yield Section(
        "designs",
        "Designs",
        "",
        (Notes(comparison.verdict), cards) if comparison.verdict else (cards,),
    )
    picture = charts.trade(options, comparison.currency)
    yield Section(
        "money",
        "Downtime and money" if any(o.cost is not None for o in options) else "Downtime",
        "What the parts of each design cost, and what the downtime is.",
        (picture, _money(comparison)),
    )
    blocks: list[Block] = []
    for number, name in enumerate(comparison.services):
        rows = tuple(_service(option.name, option.services[number]) for option in options)
        head = ("Design", "Availability", "Nines", "Down a year", "Objective", "Single points")
        blocks += [Heading(name), table(f"Service {name} by design", head, rows, shown=False)]
    yield Section(
        "services", "Services", "Each service that all designs have, by design.", tuple(blocks)
    )
    points = tuple(
        (
            Cell(option.name),
            Cell(str(len(option.spofs)), number=True),
            Cell(", ".join(option.spofs) or "✓ none", "" if option.spofs else "good"),
            Cell(", ".join(option.spofs_gone)),
            Cell(", ".join(option.spofs_new), "warn" if option.spofs_new else ""),
        )
        for option in options
    )
    columns = ("Design", "Number", "Which", f"Gone since {options[0].name}", "New")
    yield Section(
        "spofs",
        "Single points of failure",
        "Each counts once, however many services it takes down.",
        (table("Single points of failure by design", columns, points, shown=False),),
    )
    if comparison.notes:
        yield Section("notes", "Notes", "", (Notes(comparison.notes),))


def _card(option: Option, first: Option, currency: str) -> Card:
    badge, tone = _badge(option)
    return Card(
        title=option.name,
        headline=words.minutes(option.minutes_per_year),
        below="of downtime a year, all services",
        badge=badge,
        tone=tone,
        figures=tuple(_figures(option, first, currency)),
        sentence=f"Beaten by {option.beaten_by}, which costs no more and is down no longer."
        if option.beaten_by
        else "",
    )


def _badge(option: Option) -> tuple[str, Tone]:
    asked = [service for service in option.services if service.meets_slo is not None]
    if not asked:
        return "No objective is stated", ""
    missed = [service.service for service in asked if not service.meets_slo]
    if missed:
        return f"✗ Misses {words.plural(len(missed), 'objective')}: {', '.join(missed)}", "bad"
    return "✓ Keeps every objective", "good"


def _figures(option: Option, first: Option, currency: str) -> Iterator[Figure]:
    if option is not first:
        yield Figure("Saved", _signed(option.saved_minutes_per_year), "a year")
    yield Figure("Single points", str(len(option.spofs)))
    if option.cost is not None:
        extra = ""
        if option is not first and option.extra_cost is not None:
            extra = f"{money(option.extra_cost, currency, signed=True)} against {first.name}"
        yield Figure("Cost", money(option.cost, currency), extra)
    if option.payback_years is not None:
        yield Figure("Comes back in", f"{words.number(option.payback_years)} y")


def _signed(minutes: float) -> str:
    return words.minutes(minutes) if minutes >= 0 else f"-{words.minutes(-minutes)}"


def money(amount: float, currency: str, *, signed: bool = False) -> str:
    """Return an amount in whole units: `+12,000 EUR`."""
    return f"{amount:{'+' if signed else ''},.0f} {currency}".strip()


def _money(comparison: Comparison) -> Block:
    currency = comparison.currency
    head = (
        "Design",
        "Down a year",
        "Saved a year",
        "Cost",
        f"Saved for 1,000 {currency}".strip(),
        "Cost of downtime a year",
        "Comes back in",
    )
    dash = Cell(words.DASH, "quiet", number=True)
    rows = tuple(
        (
            Cell(option.name),
            Cell(words.minutes(option.minutes_per_year), number=True),
            dash
            if option is comparison.options[0]
            else Cell(_signed(option.saved_minutes_per_year), number=True),
            dash if option.cost is None else Cell(money(option.cost, currency), number=True),
            dash
            if option.minutes_per_cost is None
            else Cell(_signed(1000 * option.minutes_per_cost), number=True),
            dash
            if option.downtime_cost_per_year is None
            else Cell(money(option.downtime_cost_per_year, currency), number=True),
            dash
            if option.payback_years is None
            else Cell(f"{words.number(option.payback_years)} y", number=True),
        )
        for option in comparison.options
    )
    return table("Downtime and cost of each design", head, rows)


def _service(design: str, service: OptionService) -> tuple[Cell, ...]:
    kept = Cell("none stated", "quiet")
    if service.slo is not None:
        told = words.objective(service.slo)
        kept = (
            Cell(f"✓ {told} kept", "good") if service.meets_slo else Cell(f"✗ {told} missed", "bad")
        )
    return (
        Cell(design),
        Cell(words.availability(service.availability), number=True),
        Cell(words.nines(service.availability)),
        Cell(words.minutes(service.minutes_per_year), number=True),
        kept,
        Cell(", ".join(service.spofs) or "✓ none"),
    )
