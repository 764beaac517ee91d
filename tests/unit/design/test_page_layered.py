"""Diagrams: boxes apart, within the width, below what needs them; lines between boxes, not behind them."""

from __future__ import annotations

import random
from itertools import combinations

import pytest

from ninefold.design.page.infrastructure import ON_NARROW, ON_WIDE
from ninefold.design.page.layered import Link, Space, laid_out

SPACES = pytest.mark.parametrize("space", [ON_WIDE, ON_NARROW], ids=["wide", "narrow"])


def picture(seed: int, boxes: int = 22) -> tuple[dict[str, list[str]], list[Link]]:
    dice = random.Random(seed)
    names = [f"b{n}" for n in range(boxes)]
    cuts = sorted(dice.sample(range(1, boxes), 4))
    layers = {
        f"layer {n}": names[start:end]
        for n, (start, end) in enumerate(zip([0, *cuts], [*cuts, boxes], strict=True))
    }
    pairs = [(a, b) for a, b in combinations(names, 2) if dice.random() < 0.12]
    return layers, [Link(a, b, dice.choice(["need", "any"])) for a, b in pairs]


@SPACES
@pytest.mark.parametrize("seed", range(12))
def test_boxes_neither_touch_nor_leave_the_page(seed: int, space: Space) -> None:
    layers, links = picture(seed)

    layout = laid_out(layers, links, space)

    assert sorted(layout.corners) == sorted(name for row in layers.values() for name in row)
    for x, y in layout.corners.values():
        assert 0 <= x <= space.width - space.box[0]
        assert 0 <= y <= layout.height - space.box[1]
    for (x1, y1), (x2, y2) in combinations(layout.corners.values(), 2):
        assert y1 == y2 or abs(y1 - y2) >= space.box[1]
        # Where lines need all the room, boxes may move together, but stay readable.
        assert y1 != y2 or abs(x1 - x2) >= space.box[0] * 0.75


@SPACES
@pytest.mark.parametrize("seed", range(12))
def test_what_is_needed_stands_below_in_its_layer(seed: int, space: Space) -> None:
    layers, links = picture(seed)

    layout = laid_out(layers, links, space)

    for link in links:
        assert layout.corners[link.source][1] < layout.corners[link.goal][1]
    assert [band.layer for band in layout.bands] == list(layers)


@pytest.mark.parametrize("seed", range(12))
def test_lines_that_pass_a_line_of_boxes_run_between_them(seed: int) -> None:
    layers, links = picture(seed, boxes=14)

    layout = laid_out(layers, links, ON_WIDE)

    width, height = ON_WIDE.box
    for piece in layout.segments:
        if not piece.straight:
            continue
        top = min(piece.start[1], piece.end[1])
        for x, y in layout.corners.values():
            if y <= top + 1 < y + height:
                assert not x < piece.start[0] < x + width


def test_a_need_of_a_higher_layer_is_drawn_upwards() -> None:
    layout = laid_out(
        {"top": ["a"], "middle": ["b"], "low": ["c"]}, [Link("c", "a", "need")], ON_WIDE
    )

    first, last = layout.segments[0], layout.segments[-1]
    assert first.start[1] == layout.corners["c"][1]
    assert last.end[1] == layout.corners["a"][1] + ON_WIDE.box[1]
