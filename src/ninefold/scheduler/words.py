"""How the document spells booleans, durations and roles."""

from __future__ import annotations

from enum import IntEnum
from typing import Final

from ninefold.core.durations import millis

_TRUE: Final = frozenset({"true", "on", "yes", "y", "1"})
_FALSE: Final = frozenset({"false", "off", "no", "n", "0"})


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
    """Read a length of time as milliseconds; what is missing or unreadable is `default`."""
    length = None if text is None else millis(text)
    if length is None and text is not None and text[:1] in {"P", "p"} and "T" not in text.upper():
        # The field also writes short times without the T of the standard (P10S).
        length = millis(f"PT{text[1:]}")
    return default if length is None else length


def seconds(text: str | None, default_ms: int = 0) -> int:
    """Read a duration as whole seconds, rounded down."""
    return milliseconds(text, default_ms) // 1000


def role(text: str | None) -> Role:
    """Read a role; what is missing or unreadable is unknown."""
    return _ROLES.get((text or "").strip().lower(), Role.UNKNOWN)


def role_name(wanted: Role) -> str:
    """Write a role as the field does; what is unknown is stopped."""
    return max(wanted, Role.STOPPED).name.capitalize()


def integer(text: str | None, default: int) -> int:
    """Read an integer; what is missing or unreadable is `default`."""
    try:
        return int(text or "")
    except ValueError:
        return default
