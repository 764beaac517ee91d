"""`ninefold nines`: a percentage as downtime, and back; the field's table; what a log of outages says."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path  # noqa: TC003 - typer reads the annotation at run time
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from ninefold.cli.out import REFUSED, USAGE, JsonFlag, complaints, console, fail, show_json
from ninefold.core.findings import errors
from ninefold.design.event_log import observe, read, services_of, time_of, whole_window
from ninefold.design.nines import (
    CLASS_MAX,
    Period,
    availability_of,
    availability_of_nines,
    availability_of_percent,
    class_text,
    downtime,
    duration_text,
    percent_text,
    rounded,
    seconds_of,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from fractions import Fraction

    from ninefold.design.event_log import Observed, Outage, Span

# The table's classes: one to six nines. Its share has a decimal at least, as the field writes it.
TABLE_CLASSES = range(1, 7)
# The period where none is named.
YEAR = "year"


def nines(
    percentage: Annotated[str | None, typer.Argument(help="For example 99.95.")] = None,
    *,
    down: Annotated[
        str | None, typer.Option("--downtime", help="Instead: so much downtime, 4h, 1.5d or 90s.")
    ] = None,
    per: Annotated[
        str | None, typer.Option(help="year, month, week or day; a year if nothing is said.")
    ] = None,
    table: Annotated[bool, typer.Option("--table", help="Instead: one to six nines.")] = False,
    events: Annotated[
        Path | None,
        typer.Option(
            "--from", help="Instead: outages; CSV with start,end,service,planned,comment."
        ),
    ] = None,
    slo: Annotated[str | None, typer.Option(help="With --from: the objective, 99.95.")] = None,
    service: Annotated[str | None, typer.Option(help="With --from: only this service.")] = None,
    since: Annotated[
        str | None, typer.Option("--from-date", help="With --from: begin here.")
    ] = None,
    until: Annotated[str | None, typer.Option("--to-date", help="With --from: end here.")] = None,
    json: JsonFlag = False,
) -> None:
    """The language of nines: what a percentage allows, or what a downtime amounts to.

    --from reads a log of outages: availability, class and what is left of the error budget. Its window
    is that of --from-date and --to-date, or all that the file covers. With --from-date alone it ends now, or
    with --per when that is over; with --to-date alone it is the --per before.
    """
    if sum(given is not None for given in (percentage, down, events)) + table != 1:
        fail("Give one of: a percentage, --downtime, --table, --from.", USAGE)
    if events is None and any(given is not None for given in (slo, service, since, until)):
        fail("--slo, --service, --from-date and --to-date go with --from.", USAGE)
    if table:
        _table(as_json=json)
    elif events is not None:
        _observed(events, slo, service, _Window(since, until, per), as_json=json)
    else:
        share = (
            _of_percent(percentage) if percentage is not None else _of_down(down or "", per or YEAR)
        )
        _translated(share, as_json=json)


def _translated(availability: Fraction, *, as_json: bool) -> None:
    allowed = downtime(availability)
    if as_json:
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


def _table(*, as_json: bool) -> None:
    assert max(TABLE_CLASSES) <= CLASS_MAX
    rows = []
    for level in TABLE_CLASSES:
        availability = availability_of_nines(level)
        lost = downtime(availability)
        lengths = (duration_text(s) for s in (lost.per_year, lost.per_month, lost.per_week))
        percent = rounded(availability * 100, max(1, level - 2))
        rows.append((class_text(availability), percent, *lengths))
    names = ("class", "percent", "per_year", "per_month", "per_week")
    if as_json:
        show_json([dict(zip(names, row, strict=True)) for row in rows])
        return
    shown = Table("Class", "%", "per year", "per month", "per week", box=None, pad_edge=False)
    for row in rows:
        shown.add_row(*row)
    console.print(shown)


class _Window:
    """What the command line says of the window."""

    def __init__(self, since: str | None, until: str | None, per: str | None) -> None:
        self._since = since
        self._until = until
        self._per = per

    def resolve(self, outages: Sequence[Outage], now: datetime) -> Span:
        """Return start and end; end with a message where there is none."""
        length = timedelta(seconds=float(_period(self._per or YEAR).value))
        start = None if self._since is None else _date(self._since, "--from-date")
        end = None if self._until is None else _date(self._until, "--to-date")
        if start is None and end is None:
            if not outages:
                fail("There is no outage in the file: say --from-date and --to-date.", USAGE)
            return whole_window(outages, now)
        if start is None:
            assert end is not None
            start = end - length
        if start >= now:
            fail("The window lies in the future; --from-date must be before now.", USAGE)
        if end is None:
            end = now if self._per is None else start + length
        if start >= end:
            fail("--from-date must be before --to-date.", USAGE)
        return start, end


def _observed(
    path: Path, slo: str | None, service: str | None, window: _Window, *, as_json: bool
) -> None:
    now = datetime.now(UTC)
    outages = _outages(path)
    wanted = None if slo is None else _of_percent(slo)
    span = window.resolve(outages, now)
    names = services_of(outages)
    if service is not None:
        if service not in names and names != ("",):
            fail(f"No row names {service!r}; there are {', '.join(names)}.", USAGE)
        names = (service,)
    seen = [observe(outages, name, span, slo=wanted, now=now) for name in names]
    if as_json:
        start, end = (moment.isoformat() for moment in span)
        show_json({"from": start, "to": end, "services": [_as_data(one) for one in seen]})
    else:
        so_far = f", so far (now is {now:%Y-%m-%d %H:%M})" if span[1] > now else ""
        console.print(
            f"From {span[0]:%Y-%m-%d %H:%M} to {span[1]:%Y-%m-%d %H:%M} UTC{so_far}", markup=False
        )
        for one in seen:
            _print_observed(one)
    if any(one.kept is False for one in seen):
        raise typer.Exit(REFUSED)


def _outages(path: Path) -> list[Outage]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        fail(f"{path}: cannot be read: {error.strerror}.", USAGE)
    except UnicodeDecodeError:
        fail(f"{path}: is not UTF-8.", USAGE)
    outages, findings = read(text, file=str(path))
    for finding in findings:
        complaints.print(str(finding), markup=False)
    if errors(findings):
        fail(f"{path} cannot be used: correct the rows above.", USAGE)
    return outages


def _print_observed(one: Observed) -> None:
    name = f"{one.service}: " if one.service else ""
    console.print(f"{name}{percent_text(one.availability)}: {one.nines}", markup=False)
    times = f"{one.outages} outage{'s' * (one.outages != 1)}"
    console.print(
        f"  {times}, {duration_text(one.unplanned_s)} down, the longest {duration_text(one.longest_s)}; "
        f"planned {duration_text(one.planned_s)} (not counted; users saw {percent_text(one.seen)})",
        markup=False,
    )
    if one.slo is None or one.budget_s is None or one.left_s is None:
        return
    left = (
        f"{duration_text(one.left_s)} left"
        if one.left_s >= 0
        else f"overspent by {duration_text(-one.left_s)}"
    )
    burn = "" if one.burn is None else f"; burning at {rounded(one.burn, 2)} x what lasts"
    budget = (
        f"  objective {percent_text(one.slo)}: error budget {duration_text(one.budget_s)}, {left}"
    )
    console.print(f"{budget}{burn}", markup=False)


def _as_data(one: Observed) -> dict[str, Any]:
    numbers = {
        name: None if value is None else float(value)
        for name, value in (
            ("window_s", one.window_s),
            ("unplanned_s", one.unplanned_s),
            ("planned_s", one.planned_s),
            ("longest_s", one.longest_s),
            ("availability", one.availability),
            ("seen", one.seen),
            ("slo", one.slo),
            ("budget_s", one.budget_s),
            ("left_s", one.left_s),
            ("burn", one.burn),
        )
    }
    return {
        "service": one.service,
        "class": one.nines,
        "outages": one.outages,
        "kept": one.kept,
        **numbers,
    }


def _date(text: str, option: str) -> datetime:
    try:
        return time_of(text)
    except ValueError:
        fail(f"{option}: {text!r} is no date; write it like 2026-03-01 or 2026-03-01T02:00.", USAGE)


def _of_percent(text: str) -> Fraction:
    try:
        return availability_of_percent(text)
    except ValueError as error:
        fail(f"{error}.", USAGE)


def _of_down(text: str, per: str) -> Fraction:
    try:
        lost_s = seconds_of(text)
    except ValueError as error:
        fail(f"{error}.", USAGE)
    return availability_of(lost_s, _period(per))


def _period(per: str) -> Period:
    try:
        return Period[per.upper()]
    except KeyError:
        fail(f"{per!r} is no period; use year, month, week or day.", USAGE)
