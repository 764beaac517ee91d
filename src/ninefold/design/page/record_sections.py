"""A report's sections for the record: the checklist, the inputs, notes, and what is not on the page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ninefold.design.page import words
from ninefold.design.page.blocks import Cell, Group, Heading, Notes, Section, Table, Text, table

if TYPE_CHECKING:
    from ninefold.design.page.blocks import Block
    from ninefold.design.results import CheckItem, Report

STATES: Final = {
    "yes": Cell("✓ yes", "good"),
    "no": Cell("✗ no", "bad"),
    "open": Cell("? open", "warn"),
    "na": Cell("does not apply", "quiet"),
}


def checklist(report: Report) -> Section | None:
    """The checklist by area."""
    if not report.checklist:
        return None
    areas: dict[str, list[CheckItem]] = {}
    for item in report.checklist:
        areas.setdefault(item.area, []).append(item)
    groups = tuple(
        Group(area, tally(items), tuple(_item(item) for item in items))
        for area, items in areas.items()
    )
    head = ("Item", "State", "Seen by", "What to do")
    return Section(
        "checklist",
        "Checklist",
        f"{len(report.checklist)} items: {tally(report.checklist)}. What can be seen is checked; the rest is "
        "for the owner to answer in the infrastructure file.",
        (Table("Checklist by area", head, groups, shown=False),),
    )


def _item(item: CheckItem) -> tuple[Cell, ...]:
    return (
        Cell(f"{item.number}. {item.text}"),
        STATES.get(item.state, Cell(item.state)),
        Cell(item.evidence, "quiet"),
        Cell(item.remedy if item.state in ("no", "open") else ""),
    )


def tally(items: list[CheckItem] | tuple[CheckItem, ...]) -> str:
    """Return how many items are in each state."""
    names = {"yes": "yes", "no": "no", "open": "open", "na": "not applicable"}
    counts = {name: sum(item.state == state for item in items) for state, name in names.items()}
    return ", ".join(f"{count} {name}" for name, count in counts.items() if count)


def inputs(report: Report) -> Section | None:
    """Every number that the result stands on."""
    if not report.inputs:
        return None
    guessed = sum(row.replace_me for row in report.inputs)
    blocks: list[Block] = []
    if guessed:
        blocks.append(
            Text(
                f"! {guessed} of {len(report.inputs)} inputs are defaults that nobody has looked at: replace "
                "them, beginning with those that matter most.",
                "warn",
            )
        )
    rows = tuple(
        (
            Cell(row.part),
            Cell(row.quantity),
            Cell(row.value, number=True),
            Cell(_spread(row.error_factor), number=True),
            Cell(row.source or "the infrastructure file", "quiet"),
            Cell("! replace", "warn") if row.replace_me else Cell("given"),
        )
        for row in report.inputs
    )
    head = ("Part", "Quantity", "Value", "Spread", "Source", "State")
    blocks.append(table("Inputs as they were used", head, rows))
    return Section(
        "inputs",
        "Inputs",
        "Every number that the availability stands on. The spread is the 95th percentile divided by the "
        "median.",
        tuple(blocks),
    )


def _spread(factor: float) -> str:
    return "certain" if factor == 1 else f"{words.TIMES} {words.number(factor)}"


def notes(report: Report, left_out: tuple[str, ...]) -> Section | None:
    """What else is to be said, and what is not on this page."""
    blocks: list[Block] = []
    if report.notes:
        blocks.append(Notes(report.notes))
    if left_out:
        blocks += [Heading("Not on this page"), Notes(left_out)]
    return Section("notes", "Notes", "", tuple(blocks)) if blocks else None
