"""What drills measured: downtimes in seconds, from what `ninefold lab demo --json` prints."""

from __future__ import annotations

import json
from typing import Any, Final

DRILLS_MAX: Final = 100_000


def durations_s(content: bytes) -> tuple[float, ...]:
    """Return the downtimes of a file: one result, a list of them, or one a line.

    Raises `ValueError` with the sentence to show.
    """
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        raise ValueError("it is not UTF-8") from error
    try:
        found = json.loads(text)
    except ValueError:
        found = [_line(line) for line in text.splitlines() if line.strip()]
    rows = found if isinstance(found, list) else [found]
    if not rows:
        raise ValueError("it holds no drill")
    if len(rows) > DRILLS_MAX:
        raise ValueError(f"it holds more than {DRILLS_MAX} drills")
    return tuple(_seconds(row) for row in rows)


def _line(line: str) -> Any:
    try:
        return json.loads(line)
    except ValueError as error:
        raise ValueError("it is not JSON") from error


def _seconds(row: Any) -> float:
    value = row.get("downtime_s") if isinstance(row, dict) else row
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < 1e9:
        raise ValueError('a drill has no "downtime_s" in seconds')
    return float(value)
