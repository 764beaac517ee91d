"""What a soak found, as values, and as a page for a terminal."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING

import msgspec
from rich.table import Table

from ninefold.drill.leaks import Life, Sample

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import RenderableType


class Outcome(msgspec.Struct, frozen=True):
    """One episode: what was done, how long the client was without an answer, how long till all was well."""

    kinds: tuple[str, ...]
    downtime_s: float
    recovery_s: float
    fenced: int
    acknowledged: int

    def __str__(self) -> str:
        return (
            f"client {self.downtime_s:5.2f} s, well after {self.recovery_s:5.2f} s, "
            f"{self.fenced} fenced: {', '.join(self.kinds)}"
        )


class Report(msgspec.Struct):
    """A soak. It was as it must be if there are no `problems`."""

    seed: int
    nodes: int
    seconds: float = 0.0
    outcomes: list[Outcome] = []
    problems: list[str] = []
    samples: list[Sample] = []
    lives: list[Life] = []
    attempts: int = 0
    failed: int = 0
    store_bytes: dict[str, int] = {}
    scenario: str = ""
    story: list[str] = []


def shown(report: Report) -> Iterator[RenderableType]:
    """Return the report for a terminal."""
    faults = sum(len(outcome.kinds) for outcome in report.outcomes)
    yield (
        f"{report.nodes} hosts, seed {report.seed}: {faults} faults in {len(report.outcomes)} episodes, "
        f"{report.seconds:.0f} s. The client asked {report.attempts} times, {report.failed} in vain. "
        f"{sum(outcome.acknowledged for outcome in report.outcomes)} marked changes were acknowledged, "
        f"{sum(outcome.fenced for outcome in report.outcomes)} hosts fenced."
    )
    yield _downtime(report)
    if report.lives:
        yield _lives(report)
    if report.store_bytes:
        most = max(report.store_bytes.values()) / 2**20
        yield f"State directories: {most:.1f} MiB at most."
    for problem in report.problems:
        yield f"NOT AS IT MUST BE: {problem}"
    if report.scenario:
        yield f"\nThe episode as a scenario (`ninefold lab run FILE`):\n\n{report.scenario}"
        yield "\n".join(report.story)


def _downtime(report: Report) -> Table:
    table = Table(title="By kind of fault, where it came alone; several at once are the last row")
    for heading in (
        "fault",
        "episodes",
        "client without answer, median",
        "longest",
        "well after, median",
    ):
        table.add_column(heading)
    table.add_column("longest")
    rows: dict[str, list[Outcome]] = {}
    for outcome in report.outcomes:
        kind = outcome.kinds[0] if len(outcome.kinds) == 1 else "~several"
        rows.setdefault(kind, []).append(outcome)
    for kind, found in sorted(rows.items()):
        down = [outcome.downtime_s for outcome in found]
        well = [outcome.recovery_s for outcome in found]
        figures = (statistics.median(down), max(down), statistics.median(well), max(well))
        cells = [f"{figure:.2f} s" for figure in figures]
        table.add_row(kind.lstrip("~"), str(len(found)), *cells)
    return table


def _lives(report: Report) -> Table:
    table = Table(
        title="Daemons that lived longest: memory, descriptors and threads at first and at last"
    )
    for heading in ("host", "seconds", "memory, MiB", "slope, KiB/min", "descriptors", "threads"):
        table.add_column(heading)
    for life in report.lives[:8]:
        memory = " - ".join(f"{kib / 1024:.1f}" for kib in life.memory_kib)
        table.add_row(
            life.node,
            f"{life.seconds:.0f}",
            memory,
            f"{life.slope_kib_per_min:.0f}",
            " - ".join(map(str, life.descriptors)),
            " - ".join(map(str, life.threads)),
        )
    return table
