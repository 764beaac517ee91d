"""Tables that a report shares with the commands for one of its parts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.text import Text

from ninefold.cli.sheet import Column

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ninefold.cli.sheet import Sheet
    from ninefold.design.results import CapacityRow, FenceRow, QuorumTable, TimingRow


def show_quorum(sheet: Sheet, table: QuorumTable, most: int) -> None:
    """Print up to `most` rows of a truth table, and what it teaches."""
    columns = (
        Column("Together", wide=True),
        Column("Votes", right=True),
        Column("May act"),
        Column("Why", wide=True),
    )
    sheet.table(
        columns,
        (
            (
                ", ".join(row.members),
                str(row.votes),
                Text("yes", style="green") if row.quorate else Text("no", style="red"),
                row.sentence,
            )
            for row in table.rows[:most]
        ),
    )
    if len(table.rows) > most:
        more = len(table.rows) - most
        sheet.say(f"{more} more: ninefold design quorum FILE", "dim", indent=2)
    for note in table.notes:
        sheet.point(note)


def show_capacity(sheet: Sheet, rows: Iterable[CapacityRow]) -> None:
    """Print the rows; what is said of several resources alike is said once."""
    told = {(row.group, row.lost, row.suffices, row.sentence): row for row in rows}
    sheet.title("Room after each single loss (N+1)")
    columns = (
        Column("Group"),
        Column("Without", wide=True),
        Column("Room"),
        Column("", wide=True),
    )
    sheet.table(
        columns,
        (
            (
                row.group,
                row.lost,
                Text("suffices", style="green")
                if row.suffices
                else Text("TOO LITTLE", style="bold red"),
                row.sentence,
            )
            for row in told.values()
        ),
    )


def show_fencing(sheet: Sheet, rows: Iterable[FenceRow]) -> None:
    """Print how each node can be silenced."""
    sheet.title("Fencing: can every node be silenced, by what does not die with it?")
    columns = (
        Column("Group"),
        Column("Node"),
        Column("Works", right=True),
        Column("Devices", wide=True),
        Column("", wide=True),
    )
    sheet.table(
        columns,
        (
            (
                row.group,
                row.node,
                f"{100 * row.coverage:.4g} %",
                ", ".join(row.devices) or Text("NONE", style="bold red"),
                Text(row.sentence, style="yellow" if row.shared or not row.devices else ""),
            )
            for row in rows
        ),
    )


def timing_counts(rows: Sequence[TimingRow]) -> str:
    """Say how many inequalities hold, fail, and cannot be judged."""
    counts = [sum(row.holds is verdict for row in rows) for verdict in (True, False, None)]
    return "{} hold, {} fail, {} unknown".format(*counts)
