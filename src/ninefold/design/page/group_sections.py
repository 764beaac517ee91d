"""A report's sections about failover groups: chains, failover, quorum, room, fencing, timers, policy."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ninefold.design.model import MINUTES_PER_YEAR
from ninefold.design.page import charts, words
from ninefold.design.page.blocks import Cell, Heading, Notes, Section, Text, table
from ninefold.design.page.states import states_picture

if TYPE_CHECKING:
    from ninefold.design.model import Infrastructure
    from ninefold.design.page.blocks import Block, Table
    from ninefold.design.results import (
        CapacityRow,
        GroupResult,
        Prediction,
        QuorumTable,
        Report,
        TimingRow,
    )


def chains(report: Report, model: Infrastructure) -> Section | None:
    """Each group as a Markov chain, and its downtime by cause."""
    if not report.groups:
        return None
    predictions = {prediction.group: prediction for prediction in report.predictions}
    blocks: list[Block] = [charts.causes(report.groups)]
    for result in report.groups:
        group, prediction = model.groups.get(result.group), predictions.get(result.group)
        blocks.append(Heading((group.title if group else "") or result.group))
        if result.sentence:
            blocks.append(Text(result.sentence))
        blocks.append(_group_table(result))
        if group is not None and prediction is not None:
            picture = states_picture(model, group, prediction, result)
            if picture is not None:
                blocks.append(picture)
        blocks.append(_state_table(result))
    return Section(
        "groups",
        "Failover groups",
        "What detection, fencing, the failover itself, the repair crew and planned work cost: a Markov "
        "chain of each group.",
        tuple(blocks),
    )


def _group_table(result: GroupResult) -> Table:
    head = ("Downtime by cause", "A year", "Share")
    minutes = [getattr(result, field) for _, field in charts.CAUSES]
    total = sum(minutes)
    rows = [
        (
            Cell(name.capitalize()),
            Cell(words.minutes(value), number=True),
            Cell(words.percent(value / total if total else 0.0), number=True),
        )
        for (name, _), value in zip(charts.CAUSES, minutes, strict=True)
    ]
    caption = (
        f"{words.number(result.failovers_per_year)} failovers a year of "
        f"{words.seconds(result.failover_s)}; {words.percent(result.coverage)} of losses are noticed and "
        f"silenced; on the average {words.hours(result.mttf_h)} to the first interruption"
    )
    return table(caption, head, tuple(rows))


def _state_table(result: GroupResult) -> Table:
    rows = tuple(
        (
            Cell(state.name),
            Cell("✓ served" if state.up else "✗ not served", "good" if state.up else "bad"),
            Cell(words.percent(state.share), number=True),
            Cell(words.minutes(state.share * MINUTES_PER_YEAR), number=True),
        )
        for state in result.states
    )
    return table(f"States of {result.group}", ("State", "Users", "Share of time", "A year"), rows)


def failovers(report: Report) -> Section | None:
    """How long a failover takes, phase by phase."""
    blocks: list[Block] = []
    for prediction in report.predictions:
        blocks.append(Heading(prediction.group, _lengths(prediction)))
        if prediction.phases:
            blocks.append(charts.timeline(prediction))
        rows = tuple(
            (
                Cell(phase.name.capitalize()),
                Cell(words.seconds(phase.expected_s), number=True),
                Cell(words.seconds(phase.bound_s), number=True),
                Cell(phase.source, "quiet"),
            )
            for phase in prediction.phases
        )
        head = ("Phase", "Expected", "At most", "From")
        blocks.append(table(f"Phases of a failover of {prediction.group}", head, rows))
        if prediction.notes:
            blocks.append(Notes(prediction.notes))
    if not blocks:
        return None
    return Section(
        "failover",
        "Length of a failover",
        "What clients wait when a node is lost: expected of a healthy cluster, and what the timeouts "
        "allow at most.",
        tuple(blocks),
    )


def _lengths(prediction: Prediction) -> str:
    told = f"expected {words.seconds(prediction.expected_s)}, at most {words.seconds(prediction.bound_s)}"
    if prediction.measured_s:
        told += f", measured {words.plural(len(prediction.measured_s), 'time')}"
    return told


def quorum(report: Report) -> Section | None:
    """Which partition of each group may act."""
    blocks: list[Block] = []
    for found in report.quorum:
        beside = f"{found.threshold} of {found.expected} votes are needed"
        blocks.append(Heading(found.group, beside if found.threshold else "no quorum is asked for"))
        blocks.append(_quorum_table(found))
        if found.notes:
            blocks.append(Notes(found.notes))
    if not blocks:
        return None
    return Section(
        "quorum",
        "Quorum",
        "Every way in which a group can be cut, and which part may go on.",
        tuple(blocks),
    )


def _quorum_table(of: QuorumTable) -> Table:
    rows = tuple(
        (
            Cell(", ".join(row.members)),
            Cell(str(row.votes), number=True),
            Cell("✓ may act" if row.quorate else "✗ must stop", "good" if row.quorate else "bad"),
            Cell(_reason(row.sentence), "quiet"),
        )
        for row in of.rows
    )
    head = ("Together", "Votes", "Verdict", "Why")
    return table(f"Partitions of {of.group}", head, rows, shown=False)


def _reason(sentence: str) -> str:
    """Return a verdict's sentence without the verdict, which stands beside it."""
    head, colon, reason = sentence.partition(": ")
    return reason if colon and head in ("may act", "must stop") else sentence


def capacity(report: Report) -> Section | None:
    """Is there room after each single loss?"""
    if not report.capacity:
        return None
    short = [row for row in report.capacity if not row.suffices]
    verdict = (
        Text(f"✗ {words.plural(len(short), 'case')} without enough room.", "bad")
        if short
        else Text("✓ After each single loss everything that must run still has room.", "good")
    )
    head = ("Lost", "Group", "Resource", "Needed", "Left", "Verdict")
    rows = tuple(_capacity_row(row) for row in report.capacity)
    return Section(
        "capacity",
        "Room after a loss",
        "What is needed and what is left, with nothing lost and after each single loss (N+1).",
        (verdict, table("Capacity after each loss", head, rows)),
    )


def _capacity_row(row: CapacityRow) -> tuple[Cell, ...]:
    return (
        Cell(row.lost),
        Cell(row.group),
        Cell(row.resource),
        Cell(words.number(row.needed), number=True),
        Cell(words.number(row.left), number=True),
        Cell(
            "✓ suffices" if row.suffices else "✗ too little",
            "good" if row.suffices else "bad",
            below=row.sentence,
        ),
    )


def fencing(report: Report) -> Section | None:
    """How each node is silenced, and what its devices share with it."""
    if not report.fencing:
        return None
    rows = tuple(
        (
            Cell(row.node, below=row.group),
            Cell(", ".join(row.devices) or "✗ none", "" if row.devices else "bad"),
            Cell(words.percent(row.coverage), number=True),
            Cell(
                f"✗ {', '.join(row.shared)}" if row.shared else "✓ nothing",
                "bad" if row.shared else "good",
            ),
            Cell(row.sentence),
        )
        for row in report.fencing
    )
    head = ("Node", "Devices", "Coverage", "Shares with its target", "What it means")
    return Section(
        "fencing",
        "Fencing",
        "A lost node's work starts elsewhere only when it is certainly silent. A device that falls with its "
        "target cannot make certain.",
        (table("How each node is silenced", head, rows),),
    )


def timing(report: Report) -> Section | None:
    """The chain of timers that must fit into each other."""
    if not report.timing:
        return None
    rows = tuple(_timing_row(row) for row in report.timing)
    head = ("Rule", "Left", "Right", "Holds", "Proposal")
    broken = sum(row.holds is False for row in report.timing)
    unknown = sum(row.holds is None for row in report.timing)
    lead = f"{words.plural(len(rows), 'inequality').replace('ys', 'ies')}: {broken} broken, {unknown} unknown."
    return Section(
        "timing",
        "Timing chain",
        f"Timers that must fit into each other. {lead}",
        (table("Inequalities of the timing chain", head, rows),),
    )


def _timing_row(row: TimingRow) -> tuple[Cell, ...]:
    name, colon, rule = row.rule.partition(": ")
    holds = {
        True: Cell("✓ holds", "good"),
        False: Cell("✗ broken", "bad"),
        None: Cell("? unknown", "warn"),
    }[row.holds]
    return (
        Cell(rule if colon else row.rule, below=f"{row.group}, {name}, {row.source}"),
        Cell(words.milliseconds(row.left_ms), below=row.left_name, number=True),
        Cell(words.milliseconds(row.right_ms), below=row.right_name, number=True),
        holds,
        Cell(row.proposal),
    )


def policy(report: Report) -> Section | None:
    """Years of life with the real scheduler deciding."""
    if not report.policy:
        return None
    exact = {result.service: result.minutes_per_year for result in report.services}
    rows = tuple(
        (
            Cell(result.service),
            Cell(words.availability(result.availability), number=True),
            Cell(
                f"{words.availability(result.low)} to {words.availability(result.high)}",
                number=True,
            ),
            Cell(words.minutes(result.minutes_per_year), number=True),
            Cell(words.number(result.failovers_per_year), number=True),
            Cell(words.number(result.fencings_per_year), number=True),
        )
        for result in report.policy
    )
    head = (
        "Service",
        "Availability",
        "95 % confidence",
        "Down a year",
        "Failovers a year",
        "Fencings a year",
    )
    first = report.policy[0]
    blocks: list[Block] = [charts.policy(report.policy, exact), table("As simulated", head, rows)]
    notes = tuple(dict.fromkeys(note for result in report.policy for note in result.notes))
    if notes:
        blocks.append(Notes(notes))
    return Section(
        "policy",
        "Simulated life",
        f"{words.number(first.years)} years of the modelled cluster, with the scheduler deciding that also "
        f"decides at run time (seed {first.seed}).",
        tuple(blocks),
    )
