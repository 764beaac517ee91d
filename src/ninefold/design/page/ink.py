"""matplotlib's SVG made at home in a page: its colours, its fonts, nothing from elsewhere.

A chart is drawn with stand-in colours, one for each of the page's own (`Ink`). What comes out is put into
the page as elements: stand-ins become CSS variables, so that light, dark and print work; matplotlib's
metadata, fonts and global styles go; names that elements refer to are made unique by `name`. The same
chart gives the same text every time.
"""

from __future__ import annotations

import io
import re
from enum import Enum
from typing import TYPE_CHECKING, Any, Final

import matplotlib as mpl
from lxml import etree
from matplotlib.figure import Figure

from ninefold.design.page.blocks import Picture

if TYPE_CHECKING:
    from collections.abc import Callable

    from lxml.etree import _Element as Element
    from matplotlib.axes import Axes

# Pixels of the space for a drawing on a wide and on a narrow page.
WIDE: Final = 820
NARROW: Final = 330
# matplotlib's SVG has 72 units an inch; one unit is one CSS pixel here.
UNITS_PER_INCH: Final = 72
LETTER_PX: Final = 12
_SVG: Final = "{http://www.w3.org/2000/svg}"
_LINK: Final = "{http://www.w3.org/1999/xlink}href"
_COLOUR: Final = re.compile(r"#[0-9a-f]{6}")
_FONT: Final = re.compile(r"font-family:[^;]*;? ?")


class Ink(Enum):
    """The page's colours; the value is matplotlib's stand-in for it."""

    INK = "#010101"
    QUIET = "#020202"
    LINE = "#030303"
    PAPER = "#040404"
    ACCENT = "#050505"
    SOFT = "#060606"
    GOOD = "#070707"
    BAD = "#080808"
    WARN = "#090909"
    S1 = "#0a0a0a"
    S2 = "#0b0b0b"
    S3 = "#0c0c0c"
    S4 = "#0d0d0d"
    S5 = "#0e0e0e"


_NAMES: Final = {ink.value: f"var(--{ink.name.lower()})" for ink in Ink}
_SETTINGS: Final[dict[Any, Any]] = {
    "svg.fonttype": "none",
    "text.parse_math": False,
    "font.size": LETTER_PX,
    "axes.facecolor": "none",
    "axes.edgecolor": Ink.LINE.value,
    "axes.labelcolor": Ink.QUIET.value,
    "axes.titlecolor": Ink.INK.value,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "grid.color": Ink.LINE.value,
    "grid.linewidth": 0.8,
    "text.color": Ink.INK.value,
    "xtick.color": Ink.LINE.value,
    "ytick.color": Ink.LINE.value,
    "xtick.labelcolor": Ink.QUIET.value,
    "ytick.labelcolor": Ink.INK.value,
    "xtick.labelsize": LETTER_PX,
    "ytick.labelsize": LETTER_PX,
    "hatch.linewidth": 1.0,
    "hatch.color": Ink.PAPER.value,
}


def chart(
    name: str,
    caption: str,
    told: str,
    height: float,
    draw: Callable[[Axes, int], None],
    *,
    key: tuple[tuple[str, str], ...] = (),
) -> Picture:
    """Draw a chart twice, for wide and narrow pages; `draw` is given the width in pixels.

    `told` says what is to be seen, for those who cannot see it.
    """
    wide, narrow = (
        _drawn(f"{name}-{width}", told, (width, height), draw) for width in (WIDE, NARROW)
    )
    return Picture(caption, wide, narrow, key)


def _drawn(
    name: str, told: str, size: tuple[float, float], draw: Callable[[Axes, int], None]
) -> str:
    width, height = size
    with mpl.rc_context({**_SETTINGS, "svg.hashsalt": name}):
        figure = Figure(
            figsize=(width / UNITS_PER_INCH, height / UNITS_PER_INCH),
            layout="constrained",
            facecolor="none",
        )
        draw(figure.add_subplot(), int(width))
        out = io.BytesIO()
        figure.savefig(out, format="svg", metadata={"Date": None, "Creator": None})
    return _at_home(out.getvalue(), told, size)


def _at_home(svg: bytes, told: str, size: tuple[float, float]) -> str:
    root = etree.fromstring(svg, etree.XMLParser(no_network=True, resolve_entities=False))
    for foreign in [*root.iter(f"{_SVG}metadata"), *root.iter(f"{_SVG}style")]:
        _drop(foreign)
    referred = set(re.findall(rb'(?:url\(#|href="#)([\w.-]+)', svg))
    for element in root.iter():
        element.tag = str(element.tag).removeprefix(_SVG)
        if (goal := element.get(_LINK)) is not None:
            element.set("href", goal)
            del element.attrib[_LINK]
        if element.get("id", "").encode() not in referred:
            _forget(element, "id")
        if (style := element.get("style")) is not None:
            element.set("style", _style(style))
        if element.get("transform", "").startswith("rotate(-0 "):
            _forget(element, "transform")
        for attribute in ("fill", "stroke"):
            if element.get(attribute) in _NAMES:
                element.set(attribute, _NAMES[element.get(attribute, "")])
    root.attrib.clear()
    root.set("viewBox", f"0 0 {size[0]:g} {size[1]:g}")
    root.set("width", f"{size[0]:g}")
    root.set("height", f"{size[1]:g}")
    root.set("role", "img")
    root.set("aria-label", told)
    root.set("class", "chart")
    etree.cleanup_namespaces(root)
    text = etree.tostring(root, encoding="unicode")
    # The parser of HTML gives an svg element its namespace by itself.
    return re.sub(r' xmlns(:\w+)?="[^"]*"', "", text)


def _forget(element: Element, attribute: str) -> None:
    if attribute in element.attrib:
        del element.attrib[attribute]


def _drop(element: Element) -> None:
    parent = element.getparent()
    assert parent is not None
    parent.remove(element)


def _style(style: str) -> str:
    style = _FONT.sub("", style)
    return _COLOUR.sub(lambda found: _NAMES.get(found[0], found[0]), style)
