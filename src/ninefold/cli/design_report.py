"""A report of `ninefold design report` on a terminal, part by part."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Final

from rich.text import Text

from ninefold.cli.design_tables import show_capacity, show_fencing, show_quorum, timing_counts
from ninefold.cli.sheet import Column, number
from ninefold.design.library import LAYERS
from ninefold.design.model import HOURS_PER_YEAR, MINUTES_PER_YEAR
from ninefold.design.nines import class_text, duration_text, percent_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from ninefold.cli.sheet import Sheet
    from ninefold.design.results import (
        CutSet,
        GroupResult,
        Prediction,
        Report,
        ServiceResult,
        Spof,
    )

# How much of each list a terminal shows; `--html` shows more of it, `--json` all that was computed.
SHOWN: Final = 5
PAIRS_SHOWN: Final = 8
QUORUM_ROWS_SHOWN: Final = 8
# A bar of the tornado chart, in characters.
BAR_WIDTH: Final = 20


def show_report(sheet: Sheet, report: Report, only: Iterable[str] = ()) -> None:
    """Print the parts named by `only`, or all of them that have something to say."""
    wanted = tuple(only)
    about = f": {report.description.strip()}" if report.description else ""
    sheet.say(f"{report.name}{about}", "bold")
    for name, show in SECTIONS.items():
        if not wanted or name in wanted:
            show(sheet, report)
    for note in report.notes:
        sheet.say(f"Note: {note}", "yellow")


def _services(sheet: Sheet, report: Report) -> None:
    sheet.title("Services: availability, without planned work")
    columns = (
        Column("Service", wide=True),
        Column("Availability", right=True),
        Column("Nines"),
        Column("Down a year", right=True),
        Column("5 % to 95 %", right=True),
        Column("Objective", wide=True),
    )
    sheet.table(columns, (_service_row(found) for found in report.services))
    for found in report.services:
        words = [f"no outage within {_hours(found.mission_h)}: {100 * found.reliability:.3g} %"]
        if found.planned_minutes_per_year:
            words.append(f"planned work: {_minutes(found.planned_minutes_per_year)} a year")
        if found.cost_per_year is not None:
            words.append(f"cost of downtime: {number(found.cost_per_year)} a year")
        sheet.say(f"{found.service}: {'; '.join(words)}", indent=2)
    for note in dict.fromkeys(note for found in report.services for note in found.notes):
        sheet.say(note, "dim", indent=4)


def _service_row(found: ServiceResult) -> tuple[str | Text, ...]:
    availability = Fraction(max(0.0, min(1.0, found.availability)))
    band = found.band
    told: str | Text = "none"
    if found.slo is not None:
        words, style = ("kept", "green") if found.meets_slo else ("MISSED", "bold red")
        told = Text(f"{_percent(found.slo)} {words}", style=style)
    return (
        found.service,
        percent_text(availability),
        class_text(availability).removesuffix(" nines").removesuffix(" nine"),
        _minutes(found.minutes_per_year),
        f"{_minutes(band.p5)} to {_minutes(band.p95)}" if band else "",
        told,
    )


def _dominant(sheet: Sheet, report: Report) -> None:
    """Show through what the downtime passes, and which input its prediction hangs on."""
    for found in report.services:
        weighty = [w for w in found.weights if w.fussell_vesely > 0][:SHOWN]
        if not weighty:
            continue
        sheet.title(f"What dominates the downtime of {found.service}")
        columns = (
            Column("What", wide=True),
            Column("Part of the downtime", right=True),
            Column("Down if it never failed", right=True),
        )
        rows = [
            (w.title, f"{100 * w.fussell_vesely:.3g} %", _minutes(_without(found, w.rrw)))
            for w in weighty
        ]
        sheet.table(columns, rows)
        _tornado(sheet, found)


def _tornado(sheet: Sheet, found: ServiceResult) -> None:
    bars = found.tornado[:SHOWN]
    if not bars:
        return
    columns = (
        Column("If this input alone is", wide=True),
        Column("low", right=True),
        Column("high", right=True),
        Column(""),
    )
    spans = [bar.high_minutes_per_year - bar.low_minutes_per_year for bar in bars]
    widest = max(spans) or 1.0
    sheet.table(
        columns,
        (
            (
                f"{bar.event}: {bar.quantity}",
                _minutes(bar.low_minutes_per_year),
                _minutes(bar.high_minutes_per_year),
                "█" * max(1, round(span / widest * BAR_WIDTH)),
            )
            for bar, span in zip(bars, spans, strict=True)
        ),
    )


def _without(found: ServiceResult, rrw: float) -> float:
    return found.minutes_per_year / rrw if rrw else 0.0


def _spofs(sheet: Sheet, report: Report) -> None:
    sheet.title("Single points of failure, layer by layer (minutes a year)")
    found: dict[str, list[Spof]] = {}
    for service in report.services:
        for spof in service.spofs:
            found.setdefault(spof.part, []).append(spof)
    if not found:
        sheet.say("None: no single failure takes a service down.", "green", indent=2)
        return
    every = len(report.services)
    worst = {part: max(rows, key=lambda row: row.minutes_per_year) for part, rows in found.items()}
    order = sorted(
        worst.values(),
        key=lambda row: (_layer(row.layer), -row.minutes_per_year, row.part),
    )
    columns = (
        Column("Layer"),
        Column("Part", wide=True),
        Column("Costs", right=True),
        Column("Saves", right=True),
        Column("Takes down", wide=True),
        Column("What to do", wide=True),
    )
    sheet.table(
        columns,
        (
            (
                row.layer,
                row.part,
                number(row.minutes_per_year),
                number(row.saved_minutes_per_year),
                _named([one.service for one in found[row.part]], every),
                row.mitigation,
            )
            for row in order
        ),
    )


def _named(services: list[str], every: int) -> str:
    return f"all {every} services" if len(services) == every > 2 else ", ".join(services)


def _layer(name: str) -> int:
    return LAYERS.index(name) if name in LAYERS else len(LAYERS)


def _pairs(sheet: Sheet, report: Report) -> None:
    found: dict[tuple[str, ...], list[tuple[str, CutSet]]] = {}
    for service in report.services:
        for pair in service.pairs:
            found.setdefault(pair.events, []).append((service.service, pair))
    if not found:
        return
    order = sorted(found.values(), key=lambda rows: (-rows[0][1].probability, rows[0][1].events))
    rest = f", the likeliest of {len(order)}" if len(order) > PAIRS_SHOWN else ""
    sheet.title(f"Two failures together{rest}")
    columns = (
        Column("Together", wide=True),
        Column("Share of time", right=True),
        Column("Minutes a year", right=True),
        Column("Takes down", wide=True),
    )
    sheet.table(
        columns,
        (
            (
                " and ".join(rows[0][1].events),
                f"{rows[0][1].probability:.2g}",
                number(rows[0][1].minutes_per_year),
                _named([name for name, _ in rows], len(report.services)),
            )
            for rows in order[:PAIRS_SHOWN]
        ),
    )


def _groups(sheet: Sheet, report: Report) -> None:
    for group in report.groups:
        sheet.title(f"Failover group {group.group}: the states of its Markov chain")
        columns = (Column("State", wide=True), Column(""), Column("Time a year", right=True))
        sheet.table(
            columns,
            (
                (state.name, *_state(state.share, up=state.up))
                for state in sorted(group.states, key=lambda s: -s.share)
            ),
        )
        for line in _group_lines(group):
            sheet.say(line, indent=2)


def _state(share: float, *, up: bool) -> tuple[str | Text, str]:
    word = Text("up", style="green") if up else Text("down", style="red")
    return word, _minutes(share * MINUTES_PER_YEAR)


def _group_lines(group: GroupResult) -> list[str]:
    noticed = f"{100 * group.coverage:.4g} % of losses are noticed and fenced"
    length = f"a failover takes {number(group.failover_s)} s"
    minutes = (
        f"{number(group.minutes_failing_over)} failing over",
        f"{number(group.minutes_uncovered)} waiting for a person",
        f"{number(group.minutes_all_down)} with too few nodes",
        f"{number(group.minutes_planned)} planned",
    )
    lines = [
        f"{noticed}; {length} and happens {number(group.failovers_per_year)} times a year.",
        f"Minutes down a year: {', '.join(minutes)}.",
        f"Until the loss of a node is noticed by users: {_hours(group.mttf_h)} on average.",
    ]
    return [*lines, group.sentence] if group.sentence else lines


def _failover(sheet: Sheet, report: Report) -> None:
    for prediction in report.predictions:
        sheet.title(
            f"Failover of {prediction.group}: {number(prediction.expected_s)} s expected, "
            f"{number(prediction.bound_s)} s if every timeout is used up"
        )
        columns = (
            Column("Phase", wide=True),
            Column("Expected", right=True),
            Column("At most", right=True),
            Column("From", wide=True),
        )
        sheet.table(
            columns,
            (
                (
                    phase.name,
                    f"{number(phase.expected_s)} s",
                    f"{number(phase.bound_s)} s",
                    phase.source,
                )
                for phase in prediction.phases
            ),
        )
        for note in _failover_notes(prediction):
            sheet.say(note, indent=2)


def _failover_notes(prediction: Prediction) -> tuple[str, ...]:
    return prediction.notes or (
        "Nothing is measured: run a drill and give its times as `measured`.",
    )


def _quorum(sheet: Sheet, report: Report) -> None:
    for table in report.quorum:
        sheet.title(
            f"Quorum of {table.group}: {table.threshold} of {table.expected} votes are needed"
        )
        show_quorum(sheet, table, QUORUM_ROWS_SHOWN)


def _capacity(sheet: Sheet, report: Report) -> None:
    if report.capacity:
        show_capacity(sheet, report.capacity)


def _fencing(sheet: Sheet, report: Report) -> None:
    if report.fencing:
        show_fencing(sheet, report.fencing)


def _timing(sheet: Sheet, report: Report) -> None:
    if not report.timing:
        return
    sheet.title(f"Timing chain: {timing_counts(report.timing)}")
    columns = (
        Column("Group"),
        Column(""),
        Column("Rule", wide=True),
        Column("What to do", wide=True),
    )
    words = {False: Text("FAILS", style="bold red"), None: Text("unknown", style="yellow")}
    rest = [row for row in report.timing if row.holds is not True]
    if rest:
        sheet.table(
            columns,
            (
                (row.group, words[row.holds], row.rule.partition(": ")[2], row.proposal)
                for row in sorted(rest, key=lambda row: row.holds is None)
            ),
        )
    sheet.say("All of them, with their values: ninefold design timing FILE", "dim", indent=2)


def _checklist(sheet: Sheet, report: Report) -> None:
    if not report.checklist:
        return
    counts = dict.fromkeys(("yes", "no", "open", "na"), 0)
    for item in report.checklist:
        counts[item.state] = counts.get(item.state, 0) + 1
    told = ", ".join(f"{count} {state}" for state, count in counts.items())
    sheet.title(f"Design checklist: {told}")
    failed = [item for item in report.checklist if item.state == "no"]
    if failed:
        columns = (
            Column("", right=True),
            Column("Not so", wide=True),
            Column("Seen", wide=True),
            Column("What to do", wide=True),
        )
        sheet.table(columns, ((str(i.number), i.text, i.evidence, i.remedy) for i in failed))
    sheet.say("All 66 items: ninefold design checklist FILE", "dim", indent=2)


def _inputs(sheet: Sheet, report: Report) -> None:
    if not report.inputs:
        return
    assumed = sum(row.replace_me for row in report.inputs)
    sheet.title(
        f"Inputs: {assumed} of {len(report.inputs)} are assumed; replace those that dominate"
    )
    columns = (
        Column("", wide=True),
        Column("", wide=True),
        Column("", right=True),
        Column("", wide=True),
    )
    sources = dict.fromkeys((not row.replace_me, row.source) for row in report.inputs)
    for known, source in sorted(sources, key=lambda one: one[0]):
        told = f"{'' if known else 'Assumed: '}{source or 'Without a source'}"
        sheet.say(told, "" if known else "yellow", indent=2)
        sheet.table(
            columns,
            (
                (
                    row.part,
                    row.quantity,
                    row.value,
                    f"or {row.error_factor:.3g} times more or less" if row.error_factor > 1 else "",
                )
                for row in report.inputs
                if (not row.replace_me, row.source) == (known, source)
            ),
            head=False,
        )


def _policy(sheet: Sheet, report: Report) -> None:
    if not report.policy:
        return
    first = report.policy[0]
    sheet.title(
        f"{first.years:g} years of life with the real scheduler deciding (seed {first.seed})"
    )
    columns = (
        Column("Service", wide=True),
        Column("Availability", right=True),
        Column("95 % confidence", wide=True),
        Column("Down a year", right=True),
        Column("Failovers", right=True),
        Column("Fencings", right=True),
    )
    sheet.table(
        columns,
        (
            (
                row.service,
                _percent(row.availability),
                f"{_percent(row.low)} to {_percent(row.high)}",
                _minutes(row.minutes_per_year),
                f"{number(row.failovers_per_year)} /y",
                f"{number(row.fencings_per_year)} /y",
            )
            for row in report.policy
        ),
    )
    for note in dict.fromkeys(note for row in report.policy for note in row.notes):
        sheet.point(note)


def _percent(share: float) -> str:
    return percent_text(Fraction(max(0.0, min(1.0, round(share, 12)))).limit_denominator(10**12))


def _minutes(minutes: float) -> str:
    return duration_text(Fraction(max(0.0, minutes)) * 60)


def _hours(hours: float) -> str:
    if hours >= HOURS_PER_YEAR:
        years = hours / HOURS_PER_YEAR
        return "1 year" if years == 1 else f"{number(years)} years"
    return duration_text(Fraction(hours) * 3600)


SECTIONS: Final[Mapping[str, Callable[[Sheet, Report], None]]] = {
    "services": _services,
    "dominant": _dominant,
    "spofs": _spofs,
    "pairs": _pairs,
    "groups": _groups,
    "failover": _failover,
    "policy": _policy,
    "quorum": _quorum,
    "capacity": _capacity,
    "fencing": _fencing,
    "timing": _timing,
    "checklist": _checklist,
    "inputs": _inputs,
}
