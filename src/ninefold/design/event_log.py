"""Observed outages, from a table that people keep: `events.csv`.

Columns, in any order, the first two wanted: `start`, `end`, `service`, `planned`, `comment`. Times are
ISO 8601 (`2026-03-01 02:00`, with seconds, `T` or an offset if you like); a time without an offset is
UTC. `planned` is yes or no (empty: no). An empty `end` means that the outage goes on.

Of one service, outages that overlap count once. Planned windows are added up by themselves and are not
held against the objective; an unplanned outage is counted only where no planned window covers it. What
service an outage without a name hits is not known, so it hits every service.

Seconds are exact fractions; nothing is rounded but text.
"""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import TYPE_CHECKING, Final, TypeAlias

import msgspec

from ninefold.core.findings import Finding, Severity
from ninefold.design.nines import class_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

# A million outages would be one a minute for two years; the file is not a log of packets.
ROWS_MAX: Final = 1_000_000
FINDINGS_MAX: Final = 200
COLUMNS: Final = ("start", "end", "service", "planned", "comment")
_YES: Final = ("yes", "true", "1", "y")
_NO: Final = ("", "no", "false", "0", "n")

Span: TypeAlias = tuple[datetime, datetime]


class Outage(msgspec.Struct, frozen=True):
    """One row: when, of what (empty: everything), and whether it was announced. `end` may be open."""

    start: datetime
    end: datetime | None
    service: str = ""
    planned: bool = False
    comment: str = ""
    line: int = 0


class Observed(msgspec.Struct, frozen=True):
    """What a window of time held for one service. Lengths are seconds.

    `availability` is of the time that was not planned to be down, `seen` of all the time: what users
    had. `budget_s` and what follows are `None` without an objective; `burn` is the share of the budget
    used divided by the share of the window that has passed (1: used up exactly at the end).
    """

    service: str
    window_s: Fraction
    unplanned_s: Fraction
    planned_s: Fraction
    outages: int
    longest_s: Fraction
    availability: Fraction
    seen: Fraction
    slo: Fraction | None = None
    budget_s: Fraction | None = None
    left_s: Fraction | None = None
    burn: Fraction | None = None

    @property
    def nines(self) -> str:
        """The class in words."""
        return class_text(self.availability)

    @property
    def kept(self) -> bool | None:
        """Whether the objective is kept so far."""
        return None if self.left_s is None else self.left_s >= 0


def read(text: str, *, file: str = "") -> tuple[list[Outage], list[Finding]]:
    """Read a table; rows that are wrong are left out and found, all at once, with their lines."""
    log = _Log(file)
    rows = csv.reader(io.StringIO(text.removeprefix("\ufeff")), strict=True)
    header: list[str] | None = None
    outages: list[Outage] = []
    try:
        for cells in rows:
            if not any(cell.strip() for cell in cells) or cells[0].lstrip().startswith("#"):
                continue
            if header is None:
                header = log.header(cells, rows.line_num)
                continue
            if len(outages) >= ROWS_MAX:
                log.add(
                    "too-many", "events", f"There are more than {ROWS_MAX} rows.", "Split the file."
                )
                break
            outage = log.row(
                dict(zip(header, cells, strict=False)), len(cells), len(header), rows.line_num
            )
            if outage is not None:
                outages.append(outage)
    except csv.Error as error:
        log.add(
            "not-csv", "events", f"This is no CSV: {error}.", "Close the quotes.", rows.line_num
        )
    if header is None:
        log.add("empty", "events", "There is no header.", f"Begin with `{','.join(COLUMNS)}`.", 1)
    return outages, log.findings


class _Log:
    """Judges rows and keeps what is wrong with them."""

    def __init__(self, file: str) -> None:
        self._file = file
        self.findings: list[Finding] = []

    def add(
        self,
        code: str,
        subject: str,
        sentence: str,
        remedy: str,
        line: int = 0,
        *,
        note: bool = False,
    ) -> None:
        severity = Severity.WARNING if note else Severity.ERROR
        if len(self.findings) < FINDINGS_MAX:
            found = Finding(code, severity, subject, sentence, remedy, self._file, line)
            self.findings.append(found)

    def header(self, cells: Sequence[str], line: int) -> list[str]:
        names = [cell.strip().lower() for cell in cells]
        for wanted in ("start", "end"):
            if wanted not in names:
                remedy = f"Begin the file with `{','.join(COLUMNS)}`."
                self.add("no-column", wanted, f"There is no column `{wanted}`.", remedy, line)
        for name in names:
            if name not in COLUMNS:
                remedy = f"The columns are {', '.join(COLUMNS)}."
                self.add("unknown-column", name, "The column is not read.", remedy, line, note=True)
        return names

    def row(self, cells: dict[str, str], have: int, wanted: int, line: int) -> Outage | None:
        before = len(self.findings)
        if have > wanted:
            sentence = f"The row has {have} cells, the header {wanted}."
            self.add("too-many-cells", "row", sentence, "Put texts with commas into quotes.", line)
        start = self._time(cells, "start", line)
        end = self._time(cells, "end", line) if cells.get("end", "").strip() else None
        planned = cells.get("planned", "").strip().lower()
        if planned not in _YES + _NO:
            self.add(
                "bad-planned",
                "planned",
                f"`{planned[:40]}` is neither yes nor no.",
                "Write yes or no.",
                line,
            )
        if start is not None and end is not None and end < start:
            sentence = f"It ends at {end.isoformat()}, before it starts at {start.isoformat()}."
            self.add("backwards", "end", sentence, "Correct one of the two times.", line)
        if start is None or len(self.findings) > before:
            return None
        return Outage(
            start=start,
            end=end,
            service=cells.get("service", "").strip(),
            planned=planned in _YES,
            comment=cells.get("comment", "").strip(),
            line=line,
        )

    def _time(self, cells: dict[str, str], name: str, line: int) -> datetime | None:
        text = cells.get(name, "").strip()
        try:
            return time_of(text)
        except ValueError:
            sentence = f"`{text[:40]}` is no time."
            self.add(
                "bad-time",
                name,
                sentence,
                "Write it like 2026-03-01 02:00 or 2026-03-01T02:00:00+01:00.",
                line,
            )
            return None


def time_of(text: str) -> datetime:
    """Read an ISO 8601 time; without an offset it is UTC. Raises `ValueError`."""
    try:
        when = datetime.fromisoformat(text.strip())
        return (when if when.tzinfo else when.replace(tzinfo=UTC)).astimezone(UTC)
    except OverflowError as error:
        raise ValueError(text) from error


def merged(spans: Iterable[Span]) -> list[Span]:
    """Return the same time as spans that neither overlap nor touch, in order."""
    result: list[Span] = []
    for start, end in sorted(spans):
        if result and start <= result[-1][1]:
            result[-1] = (result[-1][0], max(result[-1][1], end))
        elif end > start:
            result.append((start, end))
    return result


def without(spans: Sequence[Span], taken: Sequence[Span]) -> list[Span]:
    """Return what `taken` leaves of `spans`; both merged."""
    result = []
    at = 0
    for begin, end in spans:
        start = begin
        while at < len(taken) and taken[at][1] <= start:
            at += 1
        for cut_start, cut_end in taken[at:]:
            if cut_start >= end:
                break
            if cut_start > start:
                result.append((start, cut_start))
            start = max(start, cut_end)
        if start < end:
            result.append((start, end))
    return result


def seconds(spans: Iterable[Span]) -> Fraction:
    """Return the length of spans."""
    micro = timedelta(microseconds=1)
    return sum((Fraction((end - start) // micro, 1_000_000) for start, end in spans), Fraction(0))


def services_of(outages: Iterable[Outage]) -> tuple[str, ...]:
    """Return the services that are named, sorted; one without a name if none is."""
    return tuple(sorted({outage.service for outage in outages if outage.service})) or ("",)


def observe(
    outages: Sequence[Outage],
    service: str,
    window: Span,
    *,
    slo: Fraction | None = None,
    now: datetime | None = None,
) -> Observed:
    """Return what `window` held for `service`. `now` ends open outages, and what has passed of it.

    With `now` before the window's end, the budget is that of the whole window.
    """
    start, end = window
    assert start < end
    passed_to = end if now is None else max(start, min(now, end))
    mine = [outage for outage in outages if outage.service in ("", service)]
    planned = merged(_clipped((o for o in mine if o.planned), start, passed_to))
    down = merged(_clipped((o for o in mine if not o.planned), start, passed_to))
    unplanned = without(down, planned)
    passed_s, window_s = seconds([(start, passed_to)]), seconds([window])
    unplanned_s, planned_s = seconds(unplanned), seconds(planned)
    promised_s = passed_s - planned_s
    budget_s = None if slo is None else (1 - slo) * (window_s - planned_s)
    used = unplanned_s / budget_s if budget_s else None
    return Observed(
        service=service,
        window_s=window_s,
        unplanned_s=unplanned_s,
        planned_s=planned_s,
        outages=len(unplanned),
        longest_s=max((seconds([span]) for span in unplanned), default=Fraction(0)),
        availability=1 - unplanned_s / promised_s if promised_s else Fraction(1),
        seen=1 - (unplanned_s + planned_s) / passed_s if passed_s else Fraction(1),
        slo=slo,
        budget_s=budget_s,
        left_s=None if budget_s is None else budget_s - unplanned_s,
        burn=used * window_s / passed_s if used is not None and passed_s else None,
    )


def _clipped(outages: Iterable[Outage], start: datetime, end: datetime) -> list[Span]:
    spans = ((max(o.start, start), min(o.end or end, end)) for o in outages)
    return [(begin, stop) for begin, stop in spans if begin < stop]


def whole_window(outages: Sequence[Outage], now: datetime) -> Span:
    """Return the window that a file itself suggests: from its first start to its last end, or `now`."""
    assert outages
    first = min(outage.start for outage in outages)
    last = max(outage.end or now for outage in outages)
    return first, max(last, first + timedelta(seconds=1))
