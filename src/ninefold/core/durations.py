"""Lengths of time as documents and metadata write them: `20`, `20s`, `500ms`, `2min`, `PT1H30M`.

A bare number is in seconds, as Pacemaker reads it.
"""

from __future__ import annotations

import re
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ninefold.core.instants import Millis

# Microseconds are there because the field's documents allow them; what is left over is dropped.
_UNIT_US: Final[Mapping[str, int]] = MappingProxyType(
    {
        "": 1_000_000,
        "us": 1,
        "usec": 1,
        "ms": 1000,
        "msec": 1000,
        "s": 1_000_000,
        "sec": 1_000_000,
        "m": 60_000_000,
        "min": 60_000_000,
        "h": 3_600_000_000,
        "hr": 3_600_000_000,
    }
)
# 15 digits are 30 million years in seconds: whoever writes more has mistyped.
_SHAPE: Final = re.compile(r"\s*([0-9]{1,15})\s*([a-z]*)\s*", re.IGNORECASE)
_ISO: Final = re.compile(
    r"\s*P(?:([0-9]{1,6})Y)?(?:([0-9]{1,6})M)?(?:([0-9]{1,6})W)?(?:([0-9]{1,6})D)?"
    r"(?:T(?:([0-9]{1,6})H)?(?:([0-9]{1,6})M)?(?:([0-9]{1,9})S)?)?\s*",
    re.IGNORECASE,
)
# Seconds of a year, month, week, day, hour, minute, second; a year has 365 days, a month 30.
_ISO_SECONDS: Final = (31_536_000, 2_592_000, 604_800, 86_400, 3600, 60, 1)


def millis(text: str) -> Millis | None:
    """Return the length in whole milliseconds, or `None` if the text is none.

    >>> millis("20"), millis("20s"), millis("500ms"), millis("2min"), millis("PT30S")
    (20000, 20000, 500, 120000, 30000)
    >>> millis("10x") is None
    True
    """
    plain = _SHAPE.fullmatch(text)
    if plain is not None:
        unit = _UNIT_US.get(plain[2].lower())
        return None if unit is None else int(plain[1]) * unit // 1000
    iso = _ISO.fullmatch(text)
    if iso is None or not any(iso.groups()):
        return None
    parts = zip(iso.groups(), _ISO_SECONDS, strict=True)
    return 1000 * sum(int(count or 0) * seconds for count, seconds in parts)
