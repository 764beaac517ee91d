"""From a page's blocks to HTML: one template, everything inline, every text escaped."""

from __future__ import annotations

import functools
import re
from typing import TYPE_CHECKING, Any, Final

import jinja2

if TYPE_CHECKING:
    from ninefold.design.page.blocks import Block, Page


# What a verdict begins with, so that its colour is not the only thing that tells it.
MARKS: Final = ("✓ ", "✗ ", "! ", "? ")
_STAY: Final = "\N{NO-BREAK SPACE}"
_UNIT: Final = re.compile(r"(?<=[0-9]) (?=(?:%|ms|s|min|h|d|y)(?:\W|$))")


def html(page: Page) -> str:
    """Return a page as one self-contained document."""
    environment = _environment()
    source, _, _ = _loader().get_source(environment, "page.css")
    return environment.get_template("page.html").render(page=page, style=source)


def _loader() -> jinja2.BaseLoader:
    return jinja2.PackageLoader("ninefold.design.page")


@functools.cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=_loader(),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.tests["of_kind"] = _of_kind
    environment.filters["kept"] = _kept
    return environment


def _of_kind(block: Block, kind: str) -> bool:
    """Is this block of that kind (its tag)?"""
    found: Any = type(block).__struct_config__.tag
    return bool(found == kind)


def _kept(text: str) -> str:
    """Keep a mark (tick, cross, ...) on one line with what it marks, and a number with its unit."""
    if text[:2] in MARKS:
        text = f"{text[0]}{_STAY}{text[2:]}"
    return _UNIT.sub(_STAY, text)
