"""Designs side by side on a terminal."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

from rich.text import Text

from ninefold.cli.sheet import Column, number
from ninefold.design.nines import percent_text

if TYPE_CHECKING:
    from ninefold.cli.sheet import Sheet
    from ninefold.design.compare import Comparison, Option, OptionService


def show_comparison(sheet: Sheet, found: Comparison) -> None:
    """Print availability by service, what each design gains over the first, and what is best."""
    for number_, service in enumerate(found.services):
        sheet.title(f"Availability of {service}")
        _availability(sheet, found, number_)
    sheet.title(f"Against {found.options[0].name} (minutes a year, all services)")
    _gains(sheet, found)
    _spofs(sheet, found)
    sheet.title("What is best")
    for sentence in found.verdict:
        sheet.point(sentence)
    for note in found.notes:
        sheet.point(note, "dim")


def _availability(sheet: Sheet, found: Comparison, service: int) -> None:
    columns = (
        Column("Design", wide=True),
        Column("Availability", right=True),
        Column("Minutes a year", right=True),
        Column("Single points", right=True),
        Column("Objective"),
    )
    sheet.table(
        columns,
        (_availability_row(option.name, option.services[service]) for option in found.options),
    )


def _availability_row(name: str, one: OptionService) -> tuple[str | Text, ...]:
    told: str | Text = ""
    if one.slo is not None:
        words, style = ("kept", "green") if one.meets_slo else ("MISSED", "bold red")
        told = Text(f"{_percent(one.slo)} {words}", style=style)
    return (
        name,
        _percent(one.availability),
        number(one.minutes_per_year),
        str(len(one.spofs)),
        told,
    )


def _gains(sheet: Sheet, found: Comparison) -> None:
    unit = f" {found.currency}" if found.currency else ""
    columns = [
        Column("Design", wide=True),
        Column("Down", right=True),
        Column("Saved", right=True),
        Column("SPOFs", right=True),
    ]
    costed = any(option.cost is not None for option in found.options)
    if costed:
        columns += [
            Column(f"Cost{unit}", right=True),
            Column("Extra", right=True),
            Column("Saved per 1,000", right=True, wide=True),
        ]
    earning = any(option.payback_years is not None for option in found.options)
    if earning:
        columns.append(Column("Pays back", right=True))
    sheet.table(
        columns, (_gain(option, costed=costed, earning=earning) for option in found.options)
    )


def _gain(option: Option, *, costed: bool, earning: bool) -> tuple[str, ...]:
    row = [
        option.name,
        number(option.minutes_per_year),
        number(option.saved_minutes_per_year),
        str(len(option.spofs)),
    ]
    if costed:
        per = option.minutes_per_cost
        row += [
            "" if option.cost is None else number(option.cost),
            "" if option.extra_cost is None else number(option.extra_cost),
            "" if per is None else number(1000 * per),
        ]
    if earning:
        row.append("" if option.payback_years is None else f"in {number(option.payback_years)} y")
    return tuple(row)


def _spofs(sheet: Sheet, found: Comparison) -> None:
    rows = [
        (option.name, ", ".join(option.spofs_gone) or "none", ", ".join(option.spofs_new) or "none")
        for option in found.options[1:]
    ]
    sheet.title(f"Single points of failure against {found.options[0].name}")
    sheet.table(
        (
            Column("Design", wide=True),
            Column("No longer", wide=True),
            Column("New", wide=True),
        ),
        rows,
    )


def _percent(share: float) -> str:
    return percent_text(Fraction(max(0.0, min(1.0, round(share, 12)))).limit_denominator(10**12))
