"""Spans of time as metadata and the CIB write them: `20`, `20s`, `1500ms`, `2min`, `1h`."""

from __future__ import annotations

import re
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ninefold.core.instants import Millis

_FORM: Final = re.compile(r"\s*(\d{1,12})\s*([a-zA-Z]*)\s*")
# A bare number is seconds. Microseconds are there because the field's documents allow them.
_UNIT_US: Final[Mapping[str, int]] = MappingProxyType(
    {
        "": 1_000_000,
        "s": 1_000_000,
        "sec": 1_000_000,
        "ms": 1000,
        "msec": 1000,
        "us": 1,
        "usec": 1,
        "m": 60_000_000,
        "min": 60_000_000,
        "h": 3_600_000_000,
        "hr": 3_600_000_000,
    }
)


def milliseconds(text: str) -> Millis | None:
    """Return the span in whole milliseconds, or `None` if it is no span of time."""
    match = _FORM.fullmatch(text)
    if match is None:
        return None
    unit = _UNIT_US.get(match[2].lower())
    return None if unit is None else int(match[1]) * unit // 1000
