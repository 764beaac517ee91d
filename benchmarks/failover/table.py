"""Samples summed up: a row per quantity, both stacks side by side, with what the project promises."""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING, Final

import msgspec
from rich.table import Table

from benchmarks.failover.clusters import DEFAULT, TOKEN_500, TOKEN_1000

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.failover.experiments import Sample

# What each quantity is called, and its unit, in the order of the table.
QUANTITIES: Final = {
    "crash": ("active node crashes: client waits", "s"),
    "pause": ("longest daemon pause survived", "s"),
    "web": ("web server killed: client gap", "s"),
    "move": ("planned move: client gap", "s"),
    "start": ("daemons started to all resources running", "s"),
    "idle daemons": ("idle, daemons of a node, of one core", "%"),
    "idle all": ("idle, all of the active node, of one core", "%"),
    "rss": ("idle, daemons of a node, resident", "MiB"),
}
TIMERS: Final = (DEFAULT.name, TOKEN_1000.name, TOKEN_500.name)
# Pauses are to be at least so long, all else at most.
TARGETS: Final = {
    ("crash", DEFAULT.name): 4.5,
    ("crash", TOKEN_1000.name): 2.3,
    ("crash", TOKEN_500.name): 1.2,
    ("pause", DEFAULT.name): 5.5,
    ("pause", TOKEN_1000.name): 3.0,
    ("web", DEFAULT.name): 0.75,
    ("move", DEFAULT.name): 0.25,
    ("start", DEFAULT.name): 6.0,
    ("idle daemons", DEFAULT.name): 1.0,
    ("rss", DEFAULT.name): 120.0,
}


class Figure(msgspec.Struct, frozen=True):
    """What the runs of one stack come to. `count` runs gave a figure, `failed` none."""

    middle: float
    least: float
    most: float
    count: int
    failed: int


class Row(msgspec.Struct, frozen=True):
    """One line. `ratio` is theirs through ours; `noise` the median over all runs of the line."""

    quantity: str
    timers: str
    unit: str
    ours: Figure | None
    theirs: Figure | None
    ratio: float | None
    target: float | None
    met: bool | None
    noise: float


def rows(samples: Sequence[Sample]) -> list[Row]:
    """Return a row for each quantity and setting that was measured."""
    found = []
    for quantity in QUANTITIES:
        for timers in TIMERS:
            chosen = [s for s in samples if (s.quantity, s.timers) == (quantity, timers)]
            if chosen:
                found.append(_row(quantity, timers, chosen))
    return found


def figure(samples: Sequence[Sample]) -> Figure | None:
    """Return median, least and most; for pauses the longest up to which every run survived."""
    if not samples:
        return None
    good = [sample for sample in samples if not sample.failure]
    failed = len(samples) - len(good)
    if samples[0].quantity == "pause":
        return _longest(good, failed)
    values = [sample.value for sample in good]
    if not values:
        return Figure(0.0, 0.0, 0.0, 0, failed)
    return Figure(median(values), min(values), max(values), len(values), failed)


def shown(began: Sequence[Row], skipped: dict[str, str]) -> Table:
    """Return the table for a terminal."""
    table = Table(title="Ninefold beside Corosync + Pacemaker: median \\[min..max] (runs)")
    for heading in ("quantity", "timers", "Ninefold", "Corosync + Pacemaker", "ratio", "target"):
        table.add_column(heading)
    table.add_column("noise", justify="right")
    for row in began:
        table.add_row(
            f"{QUANTITIES[row.quantity][0]} [{row.unit}]".replace("[", r"\["),
            row.timers,
            _text(row, row.ours, ""),
            _text(row, row.theirs, skipped.get("pacemaker", "")),
            "" if row.ratio is None else f"{row.ratio:.2f}",
            _target(row),
            f"{row.noise:.0%}",
        )
    return table


def _row(quantity: str, timers: str, samples: Sequence[Sample]) -> Row:
    ours, theirs = (
        figure([sample for sample in samples if sample.stack == stack])
        for stack in ("ninefold", "pacemaker")
    )
    ratio = None
    if ours and theirs and ours.count and theirs.count and ours.middle:
        ratio = round(theirs.middle / ours.middle, 3)
    target = TARGETS.get((quantity, timers))
    met = None
    if target is not None and ours is not None and ours.count:
        # Each node must keep within what is promised of a node, not half of them.
        reached = ours.most if quantity in ("idle daemons", "rss") else ours.middle
        met = reached >= target if quantity == "pause" else reached <= target
    noise = median(sample.noise for sample in samples)
    unit = QUANTITIES[quantity][1]
    return Row(quantity, timers, unit, ours, theirs, ratio, target, met, noise)


def _longest(samples: Sequence[Sample], failed: int) -> Figure:
    lengths = sorted({sample.value for sample in samples})
    lost = [sample.value for sample in samples if sample.detail["survived"] != "True"]
    kept = [length for length in lengths if not lost or length < min(lost)]
    longest = max(kept, default=0.0)
    return Figure(
        longest, min(lengths, default=0.0), max(lengths, default=0.0), len(samples), failed
    )


def _text(row: Row, figure: Figure | None, skipped: str) -> str:
    if figure is None:
        return skipped or "not measured"
    failures = f", {figure.failed} failed" if figure.failed else ""
    if not figure.count:
        return f"no figure{failures}"
    digits = 1 if row.unit == "MiB" else 3
    if row.quantity == "pause":
        tried = f"{figure.least:g}..{figure.most:g} tried"
        middle = f"{figure.middle:g}" if figure.middle else "none"
        return rf"{middle} \[{tried}] ({figure.count}{failures})"
    low, high = f"{figure.least:.{digits}f}", f"{figure.most:.{digits}f}"
    return rf"{figure.middle:.{digits}f} \[{low}..{high}] ({figure.count}{failures})"


def _target(row: Row) -> str:
    if row.target is None:
        return ""
    sign = ">=" if row.quantity == "pause" else "<="
    verdict = {True: "met", False: "[red]missed[/red]", None: "?"}[row.met]
    return f"{sign} {row.target:g} {verdict}"
