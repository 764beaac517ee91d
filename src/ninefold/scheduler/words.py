"""How the document spells booleans, durations and roles."""

from __future__ import annotations

import re
from enum import IntEnum
from typing import Final

_TRUE: Final = frozenset({"true", "on", "yes", "y", "1"})
_FALSE: Final = frozenset({"false", "off", "no", "n", "0"})
_UNITS_MS: Final = {
    "": 1000, "s": 1000, "sec": 1000, "ms": 1, "msec": 1, "us": 0, "usec": 0,
    "m": 60_000, "min": 60_000, "h": 3_600_000, "hr": 3_600_000,
}  # fmt: skip
_DURATION = re.compile(r"\s*([0-9]+)\s*([a-zA-Z]*)\s*$")
_ISO = re.compile(
    r"P(?:(\d+)Y)?(?:(\d+)M)?(?:(\d+)W)?(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)S)?)?$"
)
# Seconds of a year, month, week, day, hour, minute, second.
_ISO_SECONDS: Final = (31_536_000, 2_592_000, 604_800, 86_400, 3600, 60, 1)


class Role(IntEnum):
    """What a resource is on a node, from least to most."""

    UNKNOWN = 0
    STOPPED = 1
    STARTED = 2
    UNPROMOTED = 3
    PROMOTED = 4


_ROLES: Final = {
    "stopped": Role.STOPPED,
    "started": Role.STARTED,
    "slave": Role.UNPROMOTED,
    "unpromoted": Role.UNPROMOTED,
    "master": Role.PROMOTED,
    "promoted": Role.PROMOTED,
}


def boolean(text: str | None, *, default: bool) -> bool:
    """Read a boolean; what is missing or unreadable is `default`."""
    word = (text or "").strip().lower()
    if word in _TRUE:
        return True
    return False if word in _FALSE else default


def is_false(text: str | None) -> bool:
    """Whether `text` explicitly says no."""
    return (text or "").strip().lower() in _FALSE


def milliseconds(text: str | None, default: int = 0) -> int:
    """Read a duration (`20`, `20s`, `1min`, `PT1M`) as milliseconds."""
    if text is None:
        return default
    plain = _DURATION.match(text)
    if plain:
        unit = _UNITS_MS.get(plain[2].lower())
        if unit is None:
            return default
        return int(plain[1]) * unit if unit else int(plain[1]) // 1000
    iso = _ISO.match(text.strip())
    if iso and text.strip() != "P":
        parts = zip(iso.groups(), _ISO_SECONDS, strict=True)
        return 1000 * sum(int(count or 0) * seconds for count, seconds in parts)
    return default


def seconds(text: str | None, default_ms: int = 0) -> int:
    """Read a duration as whole seconds, rounded down."""
    return milliseconds(text, default_ms) // 1000


def role(text: str | None) -> Role:
    """Read a role; what is missing or unreadable is unknown."""
    return _ROLES.get((text or "").strip().lower(), Role.UNKNOWN)


def integer(text: str | None, default: int) -> int:
    """Read an integer; what is missing or unreadable is `default`."""
    try:
        return int(text or "")
    except ValueError:
        return default
