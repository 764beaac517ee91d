"""What a page is made of: sections of blocks, plain values without any markup.

A tone is never the only carrier of a meaning: a cell or a badge says it in words too.
"""

from __future__ import annotations

from typing import Final, Literal, TypeAlias

import msgspec

Tone: TypeAlias = Literal["", "good", "bad", "warn", "quiet"]


# Letters that fit beside each other on a screen 400 pixels wide.
NARROW_LETTERS: Final = 36


class Cell(msgspec.Struct, frozen=True):
    """A table's cell: text, a second line, and for a share of the whole a bar (0 to 1)."""

    text: str
    tone: Tone = ""
    below: str = ""
    number: bool = False
    share: float | None = None


class Group(msgspec.Struct, frozen=True):
    """Rows of a table below a line of their own; without a `title`, below none."""

    title: str
    beside: str
    rows: tuple[tuple[Cell, ...], ...]


class Table(msgspec.Struct, frozen=True, tag="table"):
    """Rows under a head; `caption` says what they are, aloud only if it is not `shown`."""

    caption: str
    head: tuple[str, ...]
    groups: tuple[Group, ...]
    shown: bool = True

    @property
    def numeric(self) -> tuple[bool, ...]:
        """Which columns hold numbers."""
        rows = [row for group in self.groups for row in group.rows]
        return tuple(all(row[n].number for row in rows) for n in range(len(self.head)))

    @property
    def stacks(self) -> bool:
        """Do its rows become cards on a narrow screen, because they do not fit beside each other?"""
        rows = [row for group in self.groups for row in group.rows]
        widths = (
            max([len(word) // 2, *(len(row[n].text) for row in rows)])
            for n, word in enumerate(self.head)
        )
        return sum(widths) > NARROW_LETTERS


def table(
    caption: str,
    head: tuple[str, ...],
    rows: tuple[tuple[Cell, ...], ...],
    *,
    shown: bool = True,
) -> Table:
    """Return a table without groups."""
    return Table(caption, head, (Group("", "", rows),), shown)


class Picture(msgspec.Struct, frozen=True, tag="picture"):
    """A drawing, as SVG for wide and for narrow screens, with what it shows in words.

    `sheets` are the pieces of a wide one that is too tall for a sheet of paper.
    """

    caption: str
    wide: str
    narrow: str
    key: tuple[tuple[str, str], ...] = ()
    sheets: tuple[str, ...] = ()


class Text(msgspec.Struct, frozen=True, tag="text"):
    """A paragraph."""

    text: str
    tone: Tone = ""


class Heading(msgspec.Struct, frozen=True, tag="heading"):
    """A heading within a section, with what stands beside it."""

    text: str
    beside: str = ""


class Notes(msgspec.Struct, frozen=True, tag="notes"):
    """Sentences one below the other."""

    sentences: tuple[str, ...]


class Figure(msgspec.Struct, frozen=True):
    """A number with its name, for the top of a page or of a card."""

    name: str
    value: str
    below: str = ""
    tone: Tone = ""


class Card(msgspec.Struct, frozen=True):
    """What matters about one thing: a headline, a verdict, and some figures."""

    title: str
    headline: str
    below: str
    badge: str
    tone: Tone
    figures: tuple[Figure, ...]
    sentence: str = ""


class Cards(msgspec.Struct, frozen=True, tag="cards"):
    """Several cards side by side."""

    cards: tuple[Card, ...]


Block: TypeAlias = Table | Picture | Text | Heading | Notes | Cards


class Section(msgspec.Struct, frozen=True):
    """A part of the page with a title; `name` is what links point to."""

    name: str
    title: str
    lead: str
    blocks: tuple[Block, ...]


class Page(msgspec.Struct, frozen=True):
    """A whole page: what it is, of what, the figures at its top, and its sections."""

    kind: str
    title: str
    description: str
    origin: str
    figures: tuple[Figure, ...]
    sections: tuple[Section, ...]
