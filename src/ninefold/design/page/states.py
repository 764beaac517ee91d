"""The state diagram of a failover group's Markov chain: boxes for states, arrows for what happens.

From left to right nodes are lost; what is above and below the middle row is what users suffer meanwhile. An arrow says the mean
time until it happens.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from ninefold.design import groups
from ninefold.design.page import words
from ninefold.design.page.blocks import Picture
from ninefold.design.page.drawing import arrow, box, drawing, text_of, write
from ninefold.design.page.ink import NARROW, WIDE

if TYPE_CHECKING:
    from lxml.etree import _Element as Element

    from ninefold.design.model import Group, Infrastructure
    from ninefold.design.results import GroupResult, Prediction

# A chain of more columns cannot be read; its states are in the table.
LOST_MAX: Final = 5
ROWS: Final = {groups.OVER: 0, groups.SERVED: 1, groups.DOWN: 1, groups.UNCOVERED: 2}
BESIDE: Final = 7.0
# Where along an arrow its label stands: not in the middle, where arrows cross. Pixels that it needs.
LABEL_AT: Final = 0.42
LABEL_ROOM: Final = 56

Point = tuple[float, float]
State = tuple[int, str]


def states_picture(
    model: Infrastructure, group: Group, prediction: Prediction, result: GroupResult
) -> Picture | None:
    """Return the diagram; `None` if the chain is too large to be read, or never moves."""
    values = groups.inputs(model, group, prediction)
    if not values.failures or values.nodes > LOST_MAX:
        return None
    rates = {
        (source, goal): rate
        for (source, goal), rate in groups.rates(values).items()
        if isinstance(source, tuple) and isinstance(goal, tuple)
    }
    shares = {state.name: state.share for state in result.states}
    told = "; ".join(
        f"{name}: {words.percent(share)} of the time" for name, share in shares.items()
    )
    wide, narrow = (
        _drawn(rates, shares, values.nodes, told, across=across) for across in (True, False)
    )
    return Picture(
        "The states, the share of time in each, and the mean time until each arrow is taken.",
        wide,
        narrow,
        (("box-up", "users are served"), ("box-down", "they are not")),
    )


def _drawn(
    rates: dict[tuple[State, State], float],
    shares: dict[str, float],
    nodes: int,
    told: str,
    *,
    across: bool,
) -> str:
    """Draw nodes lost from left to right (`across`), or from the top down."""
    states = list(dict.fromkeys(state for pair in rates for state in pair))
    used = sorted({ROWS[mode] for _, mode in states})
    row_of = {mode: used.index(row) for mode, row in ROWS.items() if row in used}
    deep = len(used) - 1
    if across:
        size = (132.0, 58.0)
        step = (min(230.0, (WIDE - size[0] - 4) / max(1, nodes)), 112.0)
        width, height = step[0] * nodes + size[0] + 4, step[1] * deep + size[1] + 4
    else:
        size, step = (98.0, 72.0), (114.0, 130.0)
        width, height = float(NARROW), step[1] * nodes + size[1] + 4
    corners = {}
    for lost, mode in states:
        column, row = (lost, row_of[mode]) if across else (row_of[mode], lost)
        corners[lost, mode] = (2 + step[0] * column, 2 + step[1] * row)
    picture = drawing(width, height, told)
    for (source, goal), rate in rates.items():
        straight = across or source[1] == goal[1] or ROWS[source[1]] == ROWS[goal[1]]
        # On a narrow screen the labels of oblique arrows would meet.
        label = words.hours(1 / rate) if straight else ""
        _arrow(picture, corners[source], corners[goal], size, label)
    for state, corner in corners.items():
        _state(picture, state, corner, size, nodes=nodes, shares=shares)
    return text_of(picture)


def _arrow(picture: Element, source: Point, goal: Point, size: Point, label: str) -> None:
    """Draw an arrow from box to box, a little beside the line of the middles: its opposite has room."""
    a = (source[0] + size[0] / 2, source[1] + size[1] / 2)
    b = (goal[0] + size[0] / 2, goal[1] + size[1] / 2)
    dx, dy = b[0] - a[0], b[1] - a[1]
    length = math.hypot(dx, dy)
    aside = (-dy / length * BESIDE, dx / length * BESIDE)
    out = _way_out((dx, dy), aside, size)
    back = _way_out((-dx, -dy), aside, size)
    start = (a[0] + aside[0] + dx * out, a[1] + aside[1] + dy * out)
    end = (b[0] + aside[0] - dx * back, b[1] + aside[1] - dy * back)
    arrow(picture, start, end)
    at = (start[0] + (end[0] - start[0]) * LABEL_AT, start[1] + (end[1] - start[1]) * LABEL_AT)
    if abs(dx) > abs(dy) * 2:
        if abs(end[0] - start[0]) > LABEL_ROOM:
            write(picture, (at[0], at[1] + (-6 if dx < 0 else 15)), label, "rate")
        return
    side = 5 if aside[0] > 0 else -5
    write(picture, (at[0] + side, at[1] + 4), label, "rate", anchor="start" if side > 0 else "end")


def _way_out(towards: Point, aside: Point, size: Point) -> float:
    """Return how much of the way from a box's middle, shifted `aside`, lies within the box (a share)."""
    shares = [
        (size[axis] / 2 - math.copysign(aside[axis], towards[axis] * aside[axis]))
        / abs(towards[axis])
        for axis in (0, 1)
        if towards[axis]
    ]
    return min(shares)


def _state(
    picture: Element,
    state: State,
    corner: Point,
    size: Point,
    *,
    nodes: int,
    shares: dict[str, float],
) -> None:
    lost, mode = state
    name = f"{nodes - lost} of {nodes} up"
    look = "up" if mode == groups.SERVED else "down"
    box(picture, corner, size, f"box box-{look}")
    told = [mode]
    if size[0] < 110 and mode == groups.UNCOVERED:
        told = ["waiting", "for a person"]
    lines = [(name, "name"), *((text, "below") for text in told)]
    lines.append((words.percent(shares.get(f"{name}, {mode}", 0.0)), "below"))
    top = corner[1] + (size[1] - 16 * len(lines)) / 2 + 12
    for number, (text, kind) in enumerate(lines):
        write(picture, (corner[0] + size[0] / 2, top + 16 * number), text, kind)
