"""SVG elements for diagrams: boxes, lines, texts, arrows, made as XML so that every text is escaped.

Colours are the page's own CSS classes, so that a diagram follows the light, the dark and the printed
page. Lengths are CSS pixels.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from lxml import etree

if TYPE_CHECKING:
    from lxml.etree import _Element as Element

# Widths of letters as shares of their size, of a wide sans-serif font in bold, so that nearly every other
# font is narrower; not bold it is narrower by `PLAIN`.
BOLD: Final = 1.0
PLAIN: Final = 0.88
_BROAD: Final = "mwMWOQ@%&"
_SLIM: Final = "fijlrtI.,:;'|()[]/- "
ARROW: Final = 7.0

Point = tuple[float, float]


def drawing(width: float, height: float, told: str) -> Element:
    """Return an empty drawing; `told` is what it shows, for those who cannot see it."""
    return etree.Element(
        "svg",
        {
            "viewBox": f"0 0 {_n(width)} {_n(height)}",
            "width": _n(width),
            "height": _n(height),
            "role": "img",
            "aria-label": told,
        },
    )


def window(name: str, x: float, y: float, width: float, height: float) -> str:
    """Return a drawing that shows a part of another, whose elements are in the group `name`."""
    view = etree.Element(
        "svg",
        {
            "viewBox": f"{_n(x)} {_n(y)} {_n(width)} {_n(height)}",
            "width": _n(width),
            "height": _n(height),
            "aria-hidden": "true",
        },
    )
    etree.SubElement(view, "use", {"href": f"#{name}"})
    return text_of(view)


def text_of(picture: Element) -> str:
    """Return a drawing as text to be put into a page."""
    return etree.tostring(picture, encoding="unicode")


def box(parent: Element, corner: Point, size: Point, kind: str) -> None:
    """Draw a rectangle from its upper left corner."""
    etree.SubElement(
        parent,
        "rect",
        {
            "x": _n(corner[0]),
            "y": _n(corner[1]),
            "width": _n(size[0]),
            "height": _n(size[1]),
            "rx": "5",
            "class": kind,
        },
    )


def write(parent: Element, at: Point, text: str, kind: str, *, anchor: str = "middle") -> None:
    """Write a line of text; `at` is its base line, at its start, middle or end."""
    place = {"x": _n(at[0]), "y": _n(at[1]), "class": kind, "text-anchor": anchor}
    etree.SubElement(parent, "text", place).text = text


def curve(parent: Element, source: Point, goal: Point, kind: str) -> None:
    """Draw a line that leaves and arrives upright."""
    (x1, y1), (x2, y2) = source, goal
    bend = (y2 - y1) / 2
    path = f"M{_n(x1)} {_n(y1)}C{_n(x1)} {_n(y1 + bend)} {_n(x2)} {_n(y2 - bend)} {_n(x2)} {_n(y2)}"
    if x1 == x2:
        path = f"M{_n(x1)} {_n(y1)}V{_n(y2)}"
    etree.SubElement(parent, "path", {"d": path, "class": kind})


def arrow(parent: Element, source: Point, goal: Point) -> None:
    """Draw a straight arrow."""
    (x1, y1), (x2, y2) = source, goal
    length = math.hypot(x2 - x1, y2 - y1) or 1.0
    ux, uy = (x2 - x1) / length, (y2 - y1) / length
    back = (x2 - ARROW * ux, y2 - ARROW * uy)
    path = f"M{_n(x1)} {_n(y1)}L{_n(back[0])} {_n(back[1])}"
    etree.SubElement(parent, "path", {"d": path, "class": "edge"})
    half = ARROW / 2.2
    wings = [(back[0] - uy * half, back[1] + ux * half), (back[0] + uy * half, back[1] - ux * half)]
    points = " ".join(f"{_n(x)},{_n(y)}" for x, y in [(x2, y2), *wings])
    etree.SubElement(parent, "polygon", {"points": points, "class": "tip"})


def fitted(text: str, width: float, size: float, weight: float = PLAIN) -> str:
    """Return a text, cut so that it is no wider than `width` in letters of `size`.

    What is cut is the middle: names that belong together often differ at their end.
    """
    kept, cut = len(text), text
    while kept > 1 and _width(cut, size, weight) > width:
        kept -= 1
        tail = kept * 2 // 5
        cut = f"{text[: kept - tail].rstrip()}…{text[len(text) - tail :].lstrip()}"
    return cut


def wrapped(text: str, width: float, size: float, weight: float = PLAIN) -> list[str]:
    """Return a text on one or two lines, cut if two do not hold it."""
    words = text.split() or [""]
    first = words.pop(0)
    while words and _width(f"{first} {words[0]}", size, weight) <= width:
        first += f" {words.pop(0)}"
    lines = [first, " ".join(words)] if words else [first]
    return [fitted(line, width, size, weight) for line in lines]


def _width(text: str, size: float, weight: float) -> float:
    shares = (1.0 if c in _BROAD else 0.41 if c in _SLIM else 0.7 for c in text)
    return sum(shares) * size * weight


def _n(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")
