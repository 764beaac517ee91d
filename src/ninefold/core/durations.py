"""Lengths of time as the cluster's document writes them: `20`, `20s`, `500ms`, `2min`, `1h`.

A bare number is in seconds, as Pacemaker reads it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from ninefold.core.instants import Millis

_UNIT_MS: Final = {
    "": 1000,
    "us": 0,
    "usec": 0,
    "ms": 1,
    "msec": 1,
    "s": 1000,
    "sec": 1000,
    "m": 60_000,
    "min": 60_000,
    "h": 3_600_000,
    "hr": 3_600_000,
}
_SHAPE: Final = re.compile(r"\s*(\d{1,15})\s*([a-z]*)\s*", re.IGNORECASE)
_ISO: Final = re.compile(
    r"P(?:(\d{1,6})D)?(?:T(?:(\d{1,6})H)?(?:(\d{1,6})M)?(?:(\d{1,9})S)?)?", re.IGNORECASE
)


def millis(text: str) -> Millis | None:
    """Return the length in milliseconds, or `None` if the text is none.

    >>> millis("20"), millis("20s"), millis("500ms"), millis("2min"), millis("PT30S")
    (20000, 20000, 500, 120000, 30000)
    >>> millis("10x") is None
    True
    """
    found = _SHAPE.fullmatch(text)
    if found is not None:
        unit = _UNIT_MS.get(found[2].lower())
        if unit is None:
            return None
        return int(found[1]) * unit if unit else int(found[1]) // 1000
    iso = _ISO.fullmatch(text.strip())
    if iso is None or not any(iso.groups()):
        return None
    days, hours, minutes, seconds = (int(part or 0) for part in iso.groups())
    return (((days * 24 + hours) * 60 + minutes) * 60 + seconds) * 1000
