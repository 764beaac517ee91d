"""Rules and sets of name-value pairs: which of them hold for a node, an agent, an operation, now.

Date specifications and durations are read in UTC. A condition that cannot be read does not hold.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Final

import msgspec

from ninefold.scheduler.scores import parse
from ninefold.scheduler.words import boolean, integer, milliseconds

if TYPE_CHECKING:
    from lxml.etree import _Element as Element

_DAY: Final = 86_400
_EPOCH_DAY: Final = date(1970, 1, 1).toordinal()
_ORDINAL: Final = re.compile(r"(\d{4})-(\d{3})$")
_DURATIONS: Final = {
    "seconds": 1, "minutes": 60, "hours": 3600, "days": _DAY, "weeks": 7 * _DAY,
}  # fmt: skip


class Scope(msgspec.Struct, frozen=True):
    """What a rule may ask about; `resource` is (class, provider, type), `operation` (name, ms).

    `turns` collects when the clock alone may change an answer.
    """

    now: int
    turns: list[int] | None = None
    attributes: Mapping[str, str] | None = None
    resource: tuple[str, str, str] | None = None
    operation: tuple[str, int] | None = None
    parameters: Mapping[str, str] | None = None
    meta: Mapping[str, str] | None = None
    submatches: tuple[str, ...] = ()


def holds(rule: Element, scope: Scope) -> bool:
    """Whether `rule` is true; a rule without conditions is."""
    any_of = (rule.get("boolean-op") or "and").lower() == "or"
    answers = [_condition(part, scope) for part in rule.iterchildren("*")]
    if not answers:
        return not any_of
    return any(answers) if any_of else all(answers)


def _condition(part: Element, scope: Scope) -> bool:
    match part.tag:
        case "rule":
            return holds(part, scope)
        case "expression":
            return _expression(part, scope)
        case "date_expression":
            if scope.turns is not None:
                scope.turns.extend(turns_of(part, scope.now))
            return _date(part, scope.now)
        case "rsc_expression":
            return _agent(part, scope)
        case "op_expression":
            return _operation(part, scope)
        case _:
            return False


def _expression(part: Element, scope: Scope) -> bool:
    if scope.attributes is None:
        return False
    actual = scope.attributes.get(expanded(part.get("attribute") or "", scope.submatches))
    operation = part.get("operation") or ""
    if operation == "defined":
        return actual is not None
    if operation == "not_defined":
        return actual is None
    wanted = _wanted(part, scope)
    kind = part.get("type")
    if kind is None:
        ordering = operation in {"lt", "lte", "gt", "gte"}
        fraction = "." in (actual or "") or "." in (wanted or "")
        kind = ("number" if fraction else "integer") if ordering else "string"
    if actual is None or wanted is None:
        order = (actual is not None) - (wanted is not None)
        return {"eq": order == 0, "ne": order != 0}.get(operation, False)
    return _ordered(_compare(actual, wanted, kind), operation)


def _wanted(part: Element, scope: Scope) -> str | None:
    """Return what is compared with: a literal, or a parameter or meta attribute of that name."""
    value = part.get("value")
    match part.get("value-source") or "literal":
        case "param" if value is not None:
            return (scope.parameters or {}).get(value)
        case "meta" if value is not None:
            return (scope.meta or {}).get(value)
        case _:
            return value


def expanded(text: str, submatches: tuple[str, ...]) -> str:
    """Replace `%N` by what the N-th part of a pattern matched (`%0`: all of it)."""
    for number, match in enumerate(submatches):
        text = text.replace(f"%{number}", match)
    return text


def _ordered(order: int, operation: str) -> bool:
    return {
        "eq": order == 0, "ne": order != 0, "lt": order < 0,
        "lte": order <= 0, "gt": order > 0, "gte": order >= 0,
    }.get(operation, False)  # fmt: skip


def _compare(left: str, right: str, kind: str) -> int:
    if kind == "version":
        a, b = _version(left), _version(right)
        return (a > b) - (a < b)
    if kind in {"integer", "number"}:
        x, y = (_number(text, whole=kind == "integer") for text in (left, right))
        if x is not None and y is not None:
            return (x > y) - (x < y)
    low, high = left.lower(), right.lower()
    return (low > high) - (low < high)


def _number(text: str, *, whole: bool) -> float | None:
    """Read a number; what is none, or infinite where a whole one is meant, is compared as text."""
    try:
        value = float(text)
        if whole:
            return int(value)
    except (ValueError, OverflowError):
        return None
    return None if math.isnan(value) else value


def _version(text: str) -> list[int]:
    return [integer(part, 0) if part.isdecimal() else 0 for part in text.split(".")]


def instant(text: str | None) -> int | None:
    """Read an ISO 8601 date as epoch seconds; without a zone it is UTC."""
    if not text:
        return None
    # The standard library reads calendar and week dates, but not ordinal ones (2005-020).
    ordinal = _ORDINAL.match(text.strip())
    try:
        if ordinal:
            first = datetime(int(ordinal[1]), 1, 1, tzinfo=UTC)
            return int(first.timestamp()) + (int(ordinal[2]) - 1) * _DAY
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        return None
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())


def turns_of(part: Element, now: int) -> list[int]:
    """Return when a condition on the date may begin or cease to hold, as far as that is to come."""
    if part.get("operation") == "date_spec":
        spec = part.find("date_spec")
        return [] if spec is None else [_next_unit(spec, now)]
    start, end = _ends(part)
    match part.get("operation") or "in_range":
        case "gt":
            found = [None if start is None else start + 1]
        case "lt":
            found = [end]
        case _:
            found = [start, None if end is None else end + 1]
    return [at for at in found if at is not None and at > now]


def _next_unit(spec: Element, now: int) -> int:
    """Return the end of the present minute, hour or day, the shortest that the specification names.

    Seconds are not followed: a cluster that decided every second would do nothing else.
    """
    unit = 3600 if spec.get("hours") is not None else _DAY
    if spec.get("minutes") is not None or spec.get("seconds") is not None:
        unit = 60
    return now - now % unit + unit


def _ends(part: Element) -> tuple[int | None, int | None]:
    start, end = instant(part.get("start")), instant(part.get("end"))
    duration = part.find("duration")
    if end is None and start is not None and duration is not None:
        end = _after(start, duration)
    return start, end


def _after(start: int, duration: Element) -> int | None:
    """Return the instant at which a duration ends, by the calendar; `None` beyond its first or last year.

    As the field counts: years keep the number of the day in the year, months keep the day of the
    month, or take the last one of a shorter month.
    """
    days, seconds = divmod(start, _DAY)
    years, months = (integer(duration.get(name), 0) for name in ("years", "months"))
    try:
        day = date.fromordinal(_EPOCH_DAY + days)
        numbered = day.timetuple().tm_yday
        day = date(day.year + years, 1, 1) + timedelta(days=numbered - 1)
        year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
        last = (date(year + month // 11, (month + 1) % 12 + 1, 1) - timedelta(days=1)).day
        day = date(year, month + 1, min(day.day, last))
    except (ValueError, OverflowError):
        return None
    rest = sum(integer(duration.get(name), 0) * unit for name, unit in _DURATIONS.items())
    return (day.toordinal() - _EPOCH_DAY) * _DAY + seconds + rest


def _date(part: Element, now: int) -> bool:
    start, end = _ends(part)
    match part.get("operation") or "in_range":
        case "gt":
            return start is not None and now > start
        case "lt":
            return end is not None and now < end
        case "in_range":
            return (start is None or now >= start) and (end is None or now <= end)
        case "date_spec":
            spec = part.find("date_spec")
            return spec is not None and _date_spec(spec, now)
        case _:
            return False


def _date_spec(spec: Element, now: int) -> bool:
    moment = datetime.fromtimestamp(now, UTC)
    week_year, week, weekday = moment.isocalendar()
    actual = {
        "seconds": moment.second, "minutes": moment.minute, "hours": moment.hour,
        "monthdays": moment.day, "weekdays": weekday, "yeardays": moment.timetuple().tm_yday,
        "months": moment.month, "weeks": week, "years": moment.year, "weekyears": week_year,
    }  # fmt: skip
    return all(_in_range(spec.get(name), value) for name, value in actual.items())


def _in_range(text: str | None, value: int) -> bool:
    if text is None:
        return True
    low, dash, high = text.partition("-")
    try:
        if not dash:
            return int(low) == value
        return (not low or int(low) <= value) and (not high or value <= int(high))
    except ValueError:
        return False


def _agent(part: Element, scope: Scope) -> bool:
    if scope.resource is None:
        return False
    wanted = (part.get("class"), part.get("provider"), part.get("type"))
    return all(w is None or w == a for w, a in zip(wanted, scope.resource, strict=True))


def _operation(part: Element, scope: Scope) -> bool:
    if scope.operation is None or part.get("name") != scope.operation[0]:
        return False
    interval = part.get("interval")
    return interval is None or milliseconds(interval) == scope.operation[1]


def merged_nvpairs(parent: Element, tag: str, scope: Scope, first: str = "") -> dict[str, str]:
    """Merge the sets `tag` of `parent` whose rules hold: the one with the highest score wins.

    Among sets with equal scores, the last one wins; within a set, the first pair of a name. So it
    is recorded of 3.0 for `op_defaults`, and so does 2.1.5 but for an operation's own sets: there it
    lets the lowest score win, which is its slip.
    """
    sets = list(parent.iterchildren(tag))
    if len(sets) > 1:
        sets.reverse()
        sets.sort(key=lambda one: (one.get("id") != first, -parse(one.get("score"))))
    merged: dict[str, str] = {}
    for one in sets:
        rules = one.findall("rule")
        if rules and not all(holds(rule, scope) for rule in rules):
            continue
        for pair in one.iterchildren("nvpair"):
            name, value = pair.get("name"), pair.get("value")
            if name is not None and value is not None and value != "#default":
                merged.setdefault(name, value)
    return merged


def set_says(parent: Element, tag: str, name: str, scope: Scope, *, default: bool) -> bool:
    """Read one boolean out of the merged sets of `parent`."""
    return boolean(merged_nvpairs(parent, tag, scope).get(name), default=default)
