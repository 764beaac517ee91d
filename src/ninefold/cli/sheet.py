"""Titles, sentences and tables on a terminal, as wide as it is, within what is pleasant to read.

Nothing is cut: a long cell is folded below itself, so that a page reads the same in 80 columns, in
120, and in a file.
"""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING, Final

import msgspec
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from rich.console import RenderableType

WIDTH_MIN: Final = 80
WIDTH_MAX: Final = 120
INDENT: Final = 2
# Blanks at the end of a line, before what ends a colour.
_FILLING: Final = re.compile(r" +(?=(?:\x1b\[0m)?$)", re.MULTILINE)


class Column(msgspec.Struct, frozen=True):
    """A column: numbers stand right; `wide` ones are folded when there is too little room."""

    name: str
    right: bool = False
    wide: bool = False


class Sheet:
    """A page that is written from top to bottom."""

    def __init__(self, *, width: int | None = None) -> None:
        found = width or Console().width
        self._console = Console(
            highlight=False, emoji=False, width=max(WIDTH_MIN, min(found, WIDTH_MAX))
        )

    def _print(self, what: RenderableType) -> None:
        """Print without the blanks that would fill lines up to the edge."""
        with self._console.capture() as captured:
            self._console.print(what)
        sys.stdout.write(_FILLING.sub("", captured.get()))

    def title(self, text: str) -> None:
        """Begin a part."""
        self._print(Text(f"\n{text}", style="bold"))

    def say(self, text: str, style: str = "", indent: int = 0) -> None:
        """Print a sentence, wrapped at its indent."""
        self._print(Padding(Text(text, style=style), (0, 0, 0, indent)))

    def point(self, text: str, style: str = "") -> None:
        """Print an item of a list, wrapped beside its dash."""
        item = Table.grid(padding=(0, 1, 0, 0))
        item.add_row(Text("-", style=style), Text(text, style=style))
        self._print(Padding(item, (0, 0, 0, INDENT)))

    def table(
        self,
        columns: Sequence[Column],
        rows: Iterable[Sequence[str | Text]],
        *,
        head: bool = True,
    ) -> None:
        """Print rows under their headings; a cell may be a text with a style."""
        table = Table(
            box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim", show_header=head
        )
        for column in columns:
            table.add_column(
                column.name,
                justify="right" if column.right else "left",
                no_wrap=not column.wide,
                overflow="fold",
            )
        for row in rows:
            table.add_row(*(cell if isinstance(cell, Text) else Text(cell) for cell in row))
        self._print(Padding(table, (0, 0, 0, INDENT)))


def number(value: float) -> str:
    """Return a number with three digits that matter, without exponents: `1234`, `12.3`, `0.0036`.

    >>> number(1234.5), number(12.345), number(0.00364), number(0)
    ('1,234', '12.3', '0.0036', '0')
    """
    if value == 0:
        return "0"
    if abs(value) >= 100:
        return f"{value:,.0f}"
    if abs(value) >= 1:
        return f"{value:.3g}"
    if abs(value) >= 1e-4:
        return f"{value:.2g}"
    return "< 0.0001" if value > 0 else "> -0.0001"
