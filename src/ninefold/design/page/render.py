"""From a page's blocks to HTML: one template, everything inline, every text escaped."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import jinja2

if TYPE_CHECKING:
    from ninefold.design.page.blocks import Block, Page


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
    return environment


def _of_kind(block: Block, kind: str) -> bool:
    """Is this block of that kind (its tag)?"""
    found: Any = type(block).__struct_config__.tag
    return bool(found == kind)
