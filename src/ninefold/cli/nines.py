"""`ninefold nines`: a percentage as downtime, and back."""

from __future__ import annotations

from fractions import Fraction
from typing import Annotated

import typer
from rich.table import Table

from ninefold.cli.out import USAGE, JsonFlag, console, fail, show_json
from ninefold.core.durations import millis
from ninefold.design.nines import (
    Period,
    availability_of,
    availability_of_percent,
    class_text,
    downtime,
    duration_text,
    percent_text,
)


def nines(
    percentage: Annotated[str | None, typer.Argument(help="For example 99.95.")] = None,
    *,
    down: Annotated[
        str | None, typer.Option("--downtime", help="Instead: so much downtime, 4h or 90s.")
    ] = None,
    per: Annotated[str, typer.Option(help="year, month, week or day.")] = "year",
    json: JsonFlag = False,
) -> None:
    """The language of nines: what a percentage allows, or what a downtime amounts to."""
    if (percentage is None) == (down is None):
        fail("Give either a percentage or --downtime.", USAGE)
    availability = _of_percent(percentage) if percentage is not None else _of_down(down or "", per)
    allowed = downtime(availability)
    if json:
        show_json(
            {
                "availability": float(availability),
                "class": class_text(availability),
                "downtime_s": {
                    "year": float(allowed.per_year),
                    "month": float(allowed.per_month),
                    "week": float(allowed.per_week),
                },
            }
        )
        return
    console.print(f"{percent_text(availability)}: {class_text(availability)}", markup=False)
    table = Table("per year", "per month", "per week", box=None, pad_edge=False)
    table.add_row(
        *(duration_text(s) for s in (allowed.per_year, allowed.per_month, allowed.per_week))
    )
    console.print(table)


def _of_percent(text: str) -> Fraction:
    try:
        return availability_of_percent(text)
    except ValueError as error:
        fail(f"{error}.", USAGE)


def _of_down(text: str, per: str) -> Fraction:
    length = millis(text)
    if length is None:
        fail(f"{text!r} is no length of time; write it like 4h, 20min or 90s.", USAGE)
    try:
        period = Period[per.upper()]
    except KeyError:
        fail(f"{per!r} is no period; use year, month, week or day.", USAGE)
    return availability_of(Fraction(length, 1000), period)
