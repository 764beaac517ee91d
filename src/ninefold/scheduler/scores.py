"""Arithmetic of scores: integers between minus and plus a million, where minus infinity wins.

Source: the algorithm specification, section 2.
"""

from __future__ import annotations

import re
import struct
from functools import lru_cache
from typing import Final

INFINITY: Final = 1_000_000
# Node-health colours are scores with a name; their default values.
COLOURS: Final = {"red": -INFINITY, "yellow": 0, "green": 0}
# What stands behind a decimal point does not count.
_NUMBER: Final = re.compile(r"([+-]?[0-9]+)(?:\.[0-9]*)?$", re.ASCII)
_SINGLE: Final = struct.Struct("f")
# Products of scores and factors are few and asked for again and again: there are as many factors as
# configured colocations along one way, and hardly more scores than constraints.
_PRODUCTS_MAX: Final = 8192


def clamp(value: int) -> int:
    """Bring `value` back between minus and plus infinity."""
    if value >= INFINITY:
        return INFINITY
    return max(-INFINITY, value)


def add(left: int, right: int) -> int:
    """Add two scores; minus infinity beats infinity, infinity beats everything finite."""
    if left <= -INFINITY or right <= -INFINITY:
        return -INFINITY
    if left >= INFINITY or right >= INFINITY:
        return INFINITY
    return clamp(left + right)


def parse(text: str | None, default: int = 0) -> int:
    """Read `text` as a score; what cannot be read is `default`."""
    if text is None:
        return default
    word = text.strip().lower()
    if word in {"infinity", "+infinity"}:
        return INFINITY
    if word == "-infinity":
        return -INFINITY
    if word in COLOURS:
        return COLOURS[word]
    found = _NUMBER.match(word)
    if found is None:
        return default
    try:
        return clamp(int(found[1]))
    except ValueError:  # thousands of digits are more than Python reads
        return -INFINITY if word.startswith("-") else INFINITY


def render(score: int) -> str:
    """Write a score the way it is configured."""
    if score >= INFINITY:
        return "INFINITY"
    return "-INFINITY" if score <= -INFINITY else str(score)


def single(value: float) -> float:
    """Round to 32 bits, the precision in which colocation factors are defined."""
    result: float = _SINGLE.unpack(_SINGLE.pack(value))[0]
    return result


@lru_cache(_PRODUCTS_MAX)
def chained(factor: float, score: int) -> float:
    """Return the factor of a colocation with `score` that is reached by way of another's."""
    return single(single(factor) * single(single(score) / single(INFINITY)))


@lru_cache(_PRODUCTS_MAX)
def scaled(score: int, factor: float) -> int:
    """Multiply by a factor, half away from zero; what is not zero becomes 1 with the factor's sign."""
    product = single(single(factor) * single(float(score)))
    rounded = int(product + 0.5) if product >= 0 else -int(-product + 0.5)
    if rounded == 0 and score != 0 and factor != 0:
        return 1 if factor > 0 else -1
    return rounded
