"""Quantities as people write them: `4 h`, `2 /y`, `0.5 %/y`, `99.9 %`, `150000 h`.

Lengths become hours, rates events per hour, shares numbers from 0 to 1. A unit is required wherever
leaving it out would be a guess. Each function raises `ValueError` with the sentence to show.
"""

from __future__ import annotations

import re
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from ninefold.design.model import HOURS_PER_YEAR

if TYPE_CHECKING:
    from collections.abc import Mapping

HOURS: Final[Mapping[str, float]] = MappingProxyType(
    {
        "ms": 1 / 3_600_000,
        "s": 1 / 3600,
        "sec": 1 / 3600,
        "min": 1 / 60,
        "h": 1.0,
        "d": 24.0,
        "w": 168.0,
        "month": HOURS_PER_YEAR / 12,
        "y": HOURS_PER_YEAR,
    }
)
# Longer than any part will ever live: whoever writes more has mistyped.
HOURS_MAX: Final = 1e12
# Also what an editor's schema allows (`schema`): without a sign, and with nothing to remember.
MAGNITUDE: Final = r"(?:[0-9]{1,15}(?:\.[0-9]{0,15})?|\.[0-9]{1,15})(?:[eE][+-]?[0-9]{1,3})?"
_NUMBER: Final = rf"([+-]?{MAGNITUDE})"
_LENGTH: Final = re.compile(rf"\s*{_NUMBER}\s*([a-z]+)\s*")
_RATE: Final = re.compile(rf"\s*{_NUMBER}\s*(%?)\s*(?:/|per\s)\s*([a-z]+)\s*")
_SHARE: Final = re.compile(rf"\s*{_NUMBER}\s*(%?)\s*")
_SAYS: Final = "ms, s, min, h, d, w, month or y"


def hours(text: str) -> float:
    """Return a length in hours.

    >>> hours("90 min"), hours("2 d"), hours("1 y")
    (1.5, 48.0, 8766.0)
    """
    match = _LENGTH.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is no length of time; write a number and {_SAYS}, like 4 h")
    if match[2] not in HOURS:
        raise ValueError(f"{match[2]!r} is no unit of time; use {_SAYS}")
    value = float(match[1])
    if value < 0:
        raise ValueError(f"{text!r} is negative; a length of time is 0 or more")
    found = value * HOURS[match[2]]
    if found > HOURS_MAX:
        raise ValueError(f"{text!r} is longer than anything lasts")
    return found


def rate(text: str) -> float:
    """Return events per hour; a percentage is the share that fails in that time (AFR).

    >>> round(rate("2 /y") * 8766, 9), round(rate("1 %/y") * 8766, 9)
    (2.0, 0.01)
    """
    match = _RATE.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is no rate; write it like 2 /y, 1e-5 /h or 0.5 %/y")
    if match[3] not in HOURS:
        raise ValueError(f"{match[3]!r} is no unit of time; use {_SAYS}")
    value = float(match[1]) / (100 if match[2] else 1)
    if value < 0:
        raise ValueError(f"{text!r} is negative; nothing fails less often than never")
    found = value / HOURS[match[3]]
    if found > 1e6:
        raise ValueError(f"{text!r} is more often than anything fails")
    return found


def share(text: str) -> float:
    """Return a share from 0 to 1, given as one or in percent.

    >>> share("99.5 %"), share("0.25")
    (0.995, 0.25)
    """
    match = _SHARE.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is no share; write it like 99.9 % or 0.999")
    value = float(match[1])
    if value < 0:
        raise ValueError(f"{text!r} is negative; a share lies between 0 and 1 (0 % and 100 %)")
    found = value / 100 if match[2] else value
    if found > 1:
        hint = "" if match[2] or value > 100 else f"; for a percentage write {text.strip()} %"
        raise ValueError(f"{text!r} is more than the whole (1, or 100 %){hint}")
    return found


def spread(text: str) -> float:
    """Return an error factor: the 95th percentile divided by the median, 1 or more."""
    match = _SHARE.fullmatch(text)
    if match is None or match[2]:
        raise ValueError(f"{text!r} is no error factor; write a number from 1 on, like 3")
    value = float(match[1])
    if not 1 <= value <= 1000:
        raise ValueError(f"{text!r} is no error factor; it lies between 1 (certain) and 1000")
    return value
