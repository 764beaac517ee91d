"""What must hold of any change before it may touch a document.

A change arrives from a peer as bytes; its types are right by then, its values need not be. XML
cannot hold every character, and numbers have limits. What is wrong here is refused, never raised.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import msgspec

from ninefold.core.findings import Finding, Severity

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ninefold.core.instants import WallSeconds

# One text of a change: names, values, an agent's exit reason. A whole configuration is bounded by
# `CIB_BYTES_MAX` when it is parsed.
TEXT_LENGTH_MAX: Final = 64 * 1024

# Until the year 9999, the last that `datetime` can write.
WALL_SECONDS_MAX: Final = 253_402_300_799

# Half of an int64: sums of two such numbers fit too.
NUMBER_MAX: Final = 2**62

_NAMES: Final = ("name", "resource", "task", "ban", "node")
_NODE_ID_MAX: Final = 2**32 - 1
_FORBIDDEN: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_DAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS: Final = (
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
)  # fmt: skip


def problems(value: msgspec.Struct) -> list[Finding]:
    """Return what is wrong with the fields of a change or a cause."""
    sentences: list[str] = []
    _judge_fields(value, sentences)
    subject = type(value).__name__
    return [
        Finding("bad-value", Severity.ERROR, subject, sentence, "Correct the value.")
        for sentence in sentences
    ]


def utc_text(at: WallSeconds) -> str:
    """Write a time as the document does: `Mon Apr  9 06:28:41 2018`, always in UTC."""
    # Not strftime: its names of days follow the locale, and members may differ in that.
    t = datetime.fromtimestamp(at, UTC)
    clock = f"{t.hour:02}:{t.minute:02}:{t.second:02}"
    return f"{_DAYS[t.weekday()]} {_MONTHS[t.month - 1]} {t.day:2} {clock} {t.year:04}"


def _judge_fields(struct: msgspec.Struct, sentences: list[str]) -> None:
    for field in struct.__struct_fields__:
        value = getattr(struct, field)
        # Most fields are short names and small numbers; this runs for each change at each member.
        if not (field == "xml" and isinstance(value, str)):
            _judge(field, value, sentences)


def _judge(field: str, value: object, sentences: list[str]) -> None:
    if isinstance(value, str):
        if value:
            sentences.extend(_text(field, value))
    elif isinstance(value, bool) or value is None:
        return
    elif isinstance(value, int):
        sentences.extend(_number(field, value))
    elif isinstance(value, tuple):
        for item in value:
            _judge("name" if field == "nodes" else field, item, sentences)
    elif isinstance(value, msgspec.Struct):
        _judge_fields(value, sentences)


def _text(field: str, value: str) -> Iterator[str]:
    if len(value) > TEXT_LENGTH_MAX:
        yield f"{field} has {len(value)} characters; at most {TEXT_LENGTH_MAX} are accepted."
    if _FORBIDDEN.search(value):
        yield f"{field} holds a character that XML cannot."


def _number(field: str, value: int) -> Iterator[str]:
    if not -NUMBER_MAX <= value <= NUMBER_MAX:
        yield f"{field} is out of range."
    elif field == "node" and not 0 <= value <= _NODE_ID_MAX:
        yield f"{value} is no node id."
    elif field.endswith("_ms") and value < 0:
        yield f"{field} is negative."
    elif field in ("at", "shutdown", "last_run", "last_rc_change") and not (
        0 <= value <= WALL_SECONDS_MAX
    ):
        yield f"{field} is no time."
