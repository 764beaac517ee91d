"""The page of `ninefold design report`: for whoever owns the service, then for whoever builds it."""

from __future__ import annotations

from pathlib import PurePath
from typing import TYPE_CHECKING, Final

from ninefold.design.page import group_sections, record_sections, service_sections, words
from ninefold.design.page.blocks import Figure, Page, Section
from ninefold.design.page.infrastructure import infrastructure_picture
from ninefold.design.page.render import html

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ninefold.design.model import Infrastructure
    from ninefold.design.page.blocks import Tone
    from ninefold.design.results import Report

# Why a section may be missing, by its place in the report.
REASONS: Final = {
    "pairs": "Pairs of failures: there are none, every failure that matters is fatal alone.",
    "importance": "What matters most: no part of this model ever fails.",
    "uncertainty": "What is worth measuring: no input has a spread.",
    "groups": "Failover groups and lengths of failovers: the model has no groups.",
    "failover": "",
    "quorum": "Quorum: the model has no groups.",
    "capacity": "Room after a loss: no node has a capacity, or no service uses any.",
    "fencing": "Fencing: the model has no groups.",
    "timing": "Timing chain: the model has no groups.",
    "policy": "Simulated life: the simulation was not asked for.",
    "checklist": "Checklist: it was not asked for.",
    "inputs": "Inputs: the model has no rates.",
}


def report_page(report: Report, model: Infrastructure) -> str:
    """Return a report as one self-contained HTML page; the same report gives the same page."""
    return html(
        Page(
            kind="Availability report",
            title=report.name,
            description=report.description,
            origin=_origin(report, model),
            figures=tuple(_figures(report)),
            sections=tuple(_sections(report, model)),
        )
    )


def _origin(report: Report, model: Infrastructure) -> str:
    told = (
        f"{words.plural(len(model.services), 'service')}, {words.plural(len(model.groups), 'failover group')}, "
        f"{words.plural(len(model.parts), 'part')}"
    )
    return f"{told}, from {PurePath(report.file).name}" if report.file else told


def _figures(report: Report) -> Iterator[Figure]:
    """The four numbers that a reader with one minute wants."""
    asked = [result for result in report.services if result.meets_slo is not None]
    if asked:
        kept = sum(bool(result.meets_slo) for result in asked)
        tone: Tone = "good" if kept == len(asked) else "bad"
        yield Figure("Objectives kept", f"{kept} of {len(asked)}", tone=tone)
    if report.services:
        worst = max(report.services, key=lambda result: result.minutes_per_year)
        down = words.minutes(worst.minutes_per_year)
        yield Figure("Longest downtime", down, f"a year, {worst.service}")
    spofs = {spof.part for result in report.services for spof in result.spofs}
    yield Figure("Single points of failure", str(len(spofs)), tone="bad" if spofs else "good")
    if report.checklist:
        states = [item.state for item in report.checklist]
        refused, unanswered = states.count("no"), states.count("open")
        value = f"{states.count('yes')} of {len(states) - states.count('na')}"
        yield Figure("Checklist", value, f"{refused} no, {unanswered} open")
    guessed = sum(row.replace_me for row in report.inputs)
    if report.inputs:
        tone = "warn" if guessed else ""
        yield Figure("Inputs to replace", f"{guessed} of {len(report.inputs)}", tone=tone)


def _sections(report: Report, model: Infrastructure) -> Iterator[Section]:
    yield service_sections.summary(report, model)
    yield Section(
        "infrastructure",
        "Infrastructure",
        "What stands on what. A single point of failure is framed and says so.",
        (infrastructure_picture(report, model),),
    )
    yield service_sections.spofs(report, model)
    rest = {
        "pairs": service_sections.pairs(report),
        "importance": service_sections.importance(report),
        "uncertainty": service_sections.uncertainty(report),
        "groups": group_sections.chains(report, model),
        "failover": group_sections.failovers(report),
        "quorum": group_sections.quorum(report),
        "capacity": group_sections.capacity(report),
        "fencing": group_sections.fencing(report),
        "timing": group_sections.timing(report),
        "policy": group_sections.policy(report),
        "checklist": record_sections.checklist(report),
        "inputs": record_sections.inputs(report),
    }
    yield from (section for section in rest.values() if section is not None)
    missing = tuple(
        REASONS[name] for name, section in rest.items() if section is None and REASONS[name]
    )
    last = record_sections.notes(report, missing)
    if last is not None:
        yield last
