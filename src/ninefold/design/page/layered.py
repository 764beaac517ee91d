"""Where the boxes of a diagram stand and where its lines run: layers from top to bottom, few crossings.

A box stands in its layer's lines, below what needs it within the layer. A connection that passes a line of
boxes has a place of its own in it, a *pass*, which all connections to the same goal share: so lines run
between boxes and not behind them, and many become one. Order and place are found by sweeps up and down, each
box drawn to the middle of its neighbours (Sugiyama, Tagawa and Toda 1981). Nothing here draws.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Final, NamedTuple

import networkx as nx

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

# Sweeps that may change the order in a line, and then those that only straighten.
ORDERING: Final = 12
STRAIGHTENING: Final = 6
# Between passes, and then ever less where a line is crowded; boxes come together likewise.
PASS_GAPS: Final = (9.0, 6.0, 4.0)
# What is left free at either side, for the width of a frame.
EDGE: Final = 3.0

Point = tuple[float, float]


class Link(NamedTuple):
    """Who needs what, and how it is drawn."""

    source: str
    goal: str
    look: str


class Space(NamedTuple):
    """Pixels: the width of all, the margin on the left, a box, and the gaps between boxes and lines."""

    width: float
    margin: float
    box: Point
    gap: float
    line_gap: float
    layer_gap: float
    # Boxes in a line.
    most: int
    # Above the first line of a layer, for its name where there is no margin.
    head: float = 0.0


class Band(NamedTuple):
    """A layer's stripe: its name, its top and its height."""

    layer: str
    top: float
    height: float


class Segment(NamedTuple):
    """A piece of a connection; `straight` where it passes a line of boxes."""

    start: Point
    end: Point
    look: str
    straight: bool = False


class Layout(NamedTuple):
    """Upper left corners of all boxes, the pieces of all connections, the stripes, and the height."""

    corners: dict[str, Point]
    segments: tuple[Segment, ...]
    bands: tuple[Band, ...]
    height: float


class _Spot(NamedTuple):
    """What stands in a line: a box by its name, or a pass of connections to that name."""

    name: str
    line: int
    look: str = ""


def laid_out(layers: Mapping[str, Sequence[str]], links: Sequence[Link], space: Space) -> Layout:
    """Return where everything stands. `layers` are from the top down; all of a link's names are in them."""
    lines = [
        (layer, line)
        for layer, names in layers.items()
        for row in _rows(names, links)
        for line in _cut(row, space.most)
    ]
    spots = [[_Spot(name, number) for name in line] for number, (_, line) in enumerate(lines)]
    routes = _routed(spots, links)
    x = _places(spots, routes, space)
    tops, bands, height = _heights([layer for layer, _ in lines], space)
    corners = {
        spot.name: (x[spot] - space.box[0] / 2, tops[spot.line])
        for line in spots
        for spot in line
        if not spot.look
    }
    segments = dict.fromkeys(
        piece for link, route in routes.items() for piece in _pieces(link, route, x, tops, space)
    )
    return Layout(corners, tuple(segments), bands, height)


def _rows(names: Sequence[str], links: Sequence[Link]) -> list[list[str]]:
    """Return a layer's boxes from those that nothing in it needs down to what those need."""
    within = nx.DiGraph()
    within.add_nodes_from(names)
    known = set(names)
    within.add_edges_from(
        (link.source, link.goal) for link in links if link.source in known and link.goal in known
    )
    place = {name: number for number, name in enumerate(names)}
    return [sorted(row, key=place.__getitem__) for row in nx.topological_generations(within)]


def _cut(row: list[str], most: int) -> list[list[str]]:
    """Cut a row into lines of about the same length."""
    count = -(-len(row) // most)
    return [row[len(row) * n // count : len(row) * (n + 1) // count] for n in range(count)]


def _routed(spots: list[list[_Spot]], links: Sequence[Link]) -> dict[Link, list[_Spot]]:
    """Return the way of each link from line to line; passes are added to their lines."""
    by_name = {spot.name: spot for line in spots for spot in line}
    passes: dict[_Spot, None] = {}
    routes = {}
    for link in links:
        source, goal = by_name[link.source], by_name[link.goal]
        step = 1 if goal.line > source.line else -1
        between = [
            _Spot(goal.name, line, link.look) for line in range(source.line + step, goal.line, step)
        ]
        passes.update(dict.fromkeys(between))
        routes[link] = [source, *between, goal]
    for spot in passes:
        spots[spot.line].append(spot)
    return routes


def _places(
    spots: list[list[_Spot]], routes: Mapping[Link, list[_Spot]], space: Space
) -> dict[_Spot, float]:
    """Return the middle of each spot."""
    above: dict[_Spot, dict[_Spot, None]] = {spot: {} for line in spots for spot in line}
    below: dict[_Spot, dict[_Spot, None]] = {spot: {} for line in spots for spot in line}
    for route in routes.values():
        for one, other in pairwise(route):
            upper, lower = sorted((one, other), key=lambda spot: spot.line)
            below[upper][lower] = None
            above[lower][upper] = None
    middle = space.margin + (space.width - space.margin) / 2
    x = {
        spot: middle + (number - (len(line) - 1) / 2) * (space.box[0] + space.gap)
        for line in spots
        for number, spot in enumerate(line)
    }
    for sweep in range(ORDERING + STRAIGHTENING):
        down = sweep % 2 == 0
        last = sweep >= ORDERING
        for line in spots if down else reversed(spots):
            wanted = {}
            for spot in line:
                near = [
                    *(above[spot] if down or last else ()),
                    *(below[spot] if not down or last else ()),
                ]
                wanted[spot] = sum(x[other] for other in near) / len(near) if near else x[spot]
            if not last:
                line.sort(key=lambda spot: (wanted[spot], x[spot]))
            x.update(zip(line, _apart(line, wanted, space), strict=True))
    return x


def _apart(line: list[_Spot], wanted: Mapping[_Spot, float], space: Space) -> list[float]:
    """Return places as near as can be to those wanted, in order, far enough apart, within the width."""
    ends = [PASS_GAPS[0] / 2 if spot.look else space.box[0] / 2 for spot in (line[0], line[-1])]
    low, high = space.margin + ends[0] + EDGE, space.width - ends[1] - EDGE
    steps: list[float] = []
    for number, pass_gap in enumerate(PASS_GAPS, 1):
        halves = [
            pass_gap / 2 if spot.look else (space.box[0] + space.gap / number) / 2 for spot in line
        ]
        steps = [a + b for a, b in pairwise(halves)]
        if sum(steps) <= high - low:
            break
    else:
        steps = [step * (high - low) / sum(steps) for step in steps]
    right = [wanted[spot] for spot in line]
    left = list(right)
    for n, step in enumerate(steps):
        right[n + 1] = max(right[n + 1], right[n] + step)
    for n in range(len(steps) - 1, -1, -1):
        left[n] = min(left[n], left[n + 1] - steps[n])
    places = [(a + b) / 2 for a, b in zip(left, right, strict=True)]
    for n in range(len(places)):
        places[n] = max(places[n], places[n - 1] + steps[n - 1] if n else low)
    for n in range(len(places) - 1, -1, -1):
        places[n] = min(places[n], places[n + 1] - steps[n] if n < len(steps) else high)
    return places


def _heights(layers: Sequence[str], space: Space) -> tuple[list[float], tuple[Band, ...], float]:
    """Return the top of each line, the layers' stripes, and the height of all."""
    tops: list[float] = []
    bands: list[Band] = []
    y = begin = 0.0
    for number, layer in enumerate(layers):
        if number == 0 or layers[number - 1] != layer:
            begin = y
            y += space.layer_gap / 2 + space.head
        tops.append(y)
        y += space.box[1]
        if number + 1 < len(layers) and layers[number + 1] == layer:
            y += space.line_gap
        else:
            y += space.layer_gap / 2
            bands.append(Band(layer, begin, y - begin))
    return tops, tuple(bands), y


def _pieces(
    link: Link, route: list[_Spot], x: Mapping[_Spot, float], tops: list[float], space: Space
) -> list[Segment]:
    down = route[-1].line > route[0].line
    pieces = []
    for one, other in pairwise(route):
        start = (x[one], tops[one.line] + (space.box[1] if down else 0))
        end = (x[other], tops[other.line] + (0 if down else space.box[1]))
        pieces.append(Segment(start, end, link.look))
        if other.look:
            far = (x[other], tops[other.line] + (space.box[1] if down else 0))
            pieces.append(Segment(end, far, link.look, straight=True))
    return pieces
