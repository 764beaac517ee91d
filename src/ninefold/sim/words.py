"""Words of the scenario language that several verbs use: pairs, lengths of time, percentages."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Protocol, TypeAlias

from ninefold.core.durations import millis

if TYPE_CHECKING:
    from ninefold.controller import requests as rq
    from ninefold.core.instants import Millis
    from ninefold.sim.cluster import Shape

Words: TypeAlias = list[str]


class StageError(Exception):
    """A command cannot be carried out: what is wrong, and what to write instead."""


class Unmet(StageError):
    """What was expected does not hold."""


class Named(Protocol):
    """A host."""

    @property
    def name(self) -> str:
        """Its name."""


class Asking(Protocol):
    """A stage as far as those verbs need it that define a cluster or ask it for something.

    The virtual world is one, the lab is another.
    """

    shape: Shape

    def host(self, name: str) -> Named:
        """Return a host by name; `StageError` if there is none."""

    def ask(self, request: rq.Request, words: Words) -> None:
        """Ask at a node's door: the one after `by` in `words`, or any."""


def options(words: Words) -> dict[str, str]:
    """Return `key=value` words."""
    pairs = {}
    for word in words:
        key, found, value = word.partition("=")
        if not found:
            raise StageError(f"{word!r} is not key=value")
        pairs[key] = value
    return pairs


def duration(text: str) -> Millis:
    """Return a length of time in milliseconds."""
    found = millis(text)
    if found is None:
        raise StageError(f"{text!r} is no length of time; write 30s, 500ms or 2min")
    return found


def share(text: str) -> float:
    """Return a percentage as a share of one."""
    if not re.fullmatch(r"\d{1,3}(\.\d+)?%", text):
        raise StageError(f"{text!r} is no percentage; write 20%")
    return float(text[:-1]) / 100


def number(text: str) -> int:
    """Return a count."""
    if not text.isdecimal():
        raise StageError(f"{text!r} is no number")
    return int(text)


def parts_per_million(text: str) -> int:
    """Return a percentage with a sign as parts per million, of at most a half."""
    found = round(share(text.lstrip("+-")) * 1_000_000)
    if found > 500_000:
        raise StageError(f"{text!r} is too much; no clock is wrong by more than 50%")
    return -found if text.startswith("-") else found
