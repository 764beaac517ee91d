"""The diagram of an infrastructure: who needs what, by layer, with single points of failure marked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import networkx as nx
from lxml import etree

from ninefold.design.library import LAYERS
from ninefold.design.model import AllOf, AtLeast, Use
from ninefold.design.page import words
from ninefold.design.page.blocks import Picture
from ninefold.design.page.drawing import (
    BOLD,
    box,
    curve,
    drawing,
    fitted,
    text_of,
    window,
    wrapped,
    write,
)
from ninefold.design.page.ink import NARROW, WIDE
from ninefold.design.page.layered import Link, Space, laid_out

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lxml.etree import _Element as Element

    from ninefold.design.model import Infrastructure, Need
    from ninefold.design.page.layered import Layout
    from ninefold.design.results import Report

# From users down to the ground; layers that are not named here come last.
DOWNWARDS: Final = (
    "service",
    "application",
    "dns",
    "cluster",
    "compute",
    "storage",
    "network",
    "power",
    "site",
)
# More boxes than this nobody can read: parts of one kind that are no single point of failure are then
# drawn as one.
BOXES_MAX: Final = 36
TITLE_PX: Final = 12
BELOW_PX: Final = 11
LINE_PX: Final = 15
ON_WIDE: Final = Space(WIDE, 96, (134, 54), 22, 30, 40, 4)
# What a sheet of paper takes of the wide drawing, below the section's heading: US letter within its
# margins is 247 mm high and 188 mm wide, so 188 mm are 820 px, and 247 mm less 30 mm are 946 px.
SHEET_PX: Final = 940
WHOLE: Final = "infrastructure-drawing"
ON_NARROW: Final = Space(NARROW, 6, (128, 54), 14, 28, 36, 2, 18)


class Thing(NamedTuple):
    """A box: what it is called, the line below, its layer, its look, and what its loss costs."""

    name: str
    title: str
    below: str
    layer: str
    look: str
    spof_minutes: float | None = None


def infrastructure_picture(report: Report, model: Infrastructure) -> Picture:
    """Return the diagram of `model`."""
    things, edges = _gathered(list(_things(report, model)), list(_edges(model)))
    layers: dict[str, list[str]] = {
        layer: [] for layer in (*DOWNWARDS, *(x for x in LAYERS if x not in DOWNWARDS))
    }
    for thing in things.values():
        layers.setdefault(thing.layer, []).append(thing.name)
    layers = {layer: names for layer, names in layers.items() if names}
    marked = [thing.title for thing in things.values() if thing.spof_minutes is not None]
    told = (
        f"{len(things)} boxes in the layers {', '.join(layers)}. Single points of failure: "
        f"{', '.join(marked) or 'none'}."
    )
    on_wide, on_narrow = (laid_out(layers, edges, space) for space in (ON_WIDE, ON_NARROW))
    wide = _drawn(things, on_wide, ON_WIDE, told, WHOLE)
    narrow = _drawn(things, on_narrow, ON_NARROW, told)
    return Picture(
        "Who needs what, from services at the top down to the ground.",
        wide,
        narrow,
        (
            ("box-spof", "single point of failure, with what its loss costs a year"),
            ("line", "is needed"),
            ("line-any", "one of several is enough"),
            ("line-fence", "silences nodes"),
        ),
        tuple(window(WHOLE, 0, top, WIDE, height) for top, height in _sheets(on_wide)),
    )


def _things(report: Report, model: Infrastructure) -> Iterator[Thing]:
    costs: dict[str, float] = {}
    for result in report.services:
        for spof in result.spofs:
            costs[spof.part] = max(costs.get(spof.part, 0.0), spof.minutes_per_year)
    by_name = {result.service: result for result in report.services}
    for service in model.services.values():
        below = ""
        if service.name in by_name:
            below = words.availability(by_name[service.name].availability)
        yield Thing(service.name, service.title or service.name, below, "service", "service")
    for group in model.groups.values():
        below = f"{group.needed} of {len(group.nodes)} needed"
        yield Thing(group.name, group.title or group.name, below, "cluster", "group")
    for part in model.parts.values():
        cost = costs.get(part.name)
        below = part.kind if cost is None else f"{part.kind}, {words.minutes(cost)}/y"
        look = "part" if cost is None else "spof"
        yield Thing(part.name, part.title or part.name, below, part.layer, look, cost)


def _edges(model: Infrastructure) -> Iterator[Link]:
    """Walk who needs what: `need`, `any` (one of several is enough) or `fence`."""
    known = {*model.parts, *model.groups, *model.services}
    for service in model.services.values():
        yield from _needed(service.name, service.needs, known)
    for group in model.groups.values():
        look = "any" if group.needed < len(group.nodes) else "need"
        yield from (Link(group.name, node, look) for node in group.nodes if node in known)
        if group.witness in known:
            yield Link(group.name, group.witness, "any")
        devices = dict.fromkeys(path.device for path in group.fencing)
        yield from (Link(group.name, device, "fence") for device in devices if device in known)
        yield from _needed(group.name, group.needs, known)
    for part in model.parts.values():
        yield from (Link(part.name, holder, "need") for holder in part.inside if holder in known)
        yield from _needed(part.name, part.needs, known)


def _needed(source: str, need: Need, known: set[str], look: str = "need") -> Iterator[Link]:
    match need:
        case Use(name):
            if name in known:
                yield Link(source, name, look)
        case AllOf(of):
            for below in of:
                yield from _needed(source, below, known, look)
        case AtLeast(k, of):
            for below in of:
                yield from _needed(source, below, known, "any" if k < len(of) else look)


def _gathered(things: list[Thing], edges: list[Link]) -> tuple[dict[str, Thing], list[Link]]:
    """Draw parts of one kind as one box if there are too many."""
    stands_for = {thing.name: thing.name for thing in things}
    drawn = {thing.name: thing for thing in things}
    if len(things) > BOXES_MAX:
        alike: dict[tuple[str, str], list[Thing]] = {}
        for thing in things:
            if thing.look == "part":
                alike.setdefault((thing.layer, thing.below), []).append(thing)
        for (layer, kind), members in alike.items():
            if len(members) < 2:
                continue
            name = f"{layer}/{kind}"
            for member in members:
                stands_for[member.name] = name
                del drawn[member.name]
            many = f"{len(members)} {words.TIMES} {kind}"
            drawn[name] = Thing(name, many, "none alone is fatal", layer, "many")
    order = {"need": 0, "any": 1, "fence": 2}
    strongest: dict[tuple[str, str], str] = {}
    for edge in edges:
        pair = stands_for[edge.source], stands_for[edge.goal]
        if pair[0] == pair[1]:
            continue
        before = strongest.get(pair, edge.look)
        strongest[pair] = min(before, edge.look, key=order.__getitem__)
    if len(things) > BOXES_MAX:
        strongest = _without_circles(strongest)
    return drawn, [Link(*pair, look) for pair, look in strongest.items()]


def _without_circles(links: dict[tuple[str, str], str]) -> dict[tuple[str, str], str]:
    """Leave out what closes a circle: kinds may need each other where none of their members do."""
    drawn = nx.DiGraph()
    for source, goal in links:
        if source not in drawn or goal not in drawn or not nx.has_path(drawn, goal, source):
            drawn.add_edge(source, goal)
    return {pair: look for pair, look in links.items() if drawn.has_edge(*pair)}


def _sheets(layout: Layout) -> list[tuple[float, float]]:
    """Cut a tall drawing between layers, and a tall layer between its lines: tops and heights.

    Return nothing if it fits on one sheet.
    """
    if layout.height <= SHEET_PX:
        return []
    half = ON_WIDE.line_gap / 2
    lines = sorted({y - half for _, y in layout.corners.values()})
    layers = [band.top for band in layout.bands]
    sheets: list[tuple[float, float]] = []
    top = 0.0
    while layout.height - top > SHEET_PX:
        fitting = [y for y in layers if top < y <= top + SHEET_PX]
        fitting = fitting or [y for y in lines if top < y <= top + SHEET_PX]
        sheets.append((top, fitting[-1] - top))
        top = fitting[-1]
    return [*sheets, (top, layout.height - top)]


def _drawn(
    things: dict[str, Thing], layout: Layout, space: Space, told: str, name: str = ""
) -> str:
    whole = drawing(space.width, layout.height, told)
    picture = etree.SubElement(whole, "g", {"id": name, "class": "whole"} if name else {})
    for number, band in enumerate(layout.bands):
        box(picture, (0, band.top + 2), (space.width, band.height - 4), f"band band-{number % 2}")
        at = (10, band.top + 20) if space.head else (10, band.top + band.height / 2 + 4)
        write(picture, at, words.layer(band.layer), "layer", anchor="start")
    for piece in layout.segments:
        curve(picture, piece.start, piece.end, f"edge edge-{piece.look}")
    for thing in things.values():
        _box(picture, thing, layout.corners[thing.name], space)
    return text_of(whole)


def _box(picture: Element, thing: Thing, corner: tuple[float, float], space: Space) -> None:
    x, y = corner
    width, height = space.box
    place = etree.SubElement(picture, "g")
    etree.SubElement(place, "title").text = f"{thing.title}: {thing.below}"
    if thing.look in ("group", "many"):
        box(place, (x + 3, y + 3), (width, height), f"box box-{thing.look} behind")
    box(place, (x, y), (width, height), f"box box-{thing.look}")
    lines = wrapped(thing.title, width - 8, TITLE_PX, BOLD)
    base = y + (height - LINE_PX * (len(lines) + 1)) / 2 + TITLE_PX
    for number, line in enumerate(lines):
        write(place, (x + width / 2, base + LINE_PX * number), line, "name")
    below = fitted(thing.below, width - 8, BELOW_PX)
    if thing.spof_minutes is not None and below != thing.below:
        below = f"{words.minutes(thing.spof_minutes)}/y"
    write(place, (x + width / 2, base + LINE_PX * len(lines)), below, "below")
    if thing.spof_minutes is not None:
        box(place, (x + width - 44, y - 8), (40, 15), "tag")
        write(place, (x + width - 24, y + 3.5), "SPOF", "tag-text")
