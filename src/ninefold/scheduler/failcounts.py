"""How often a resource has failed on a node, and whether that still counts.

Counts are node attributes `fail-count-RSC#TASK_INTERVAL`; times are `last-failure-…`.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from ninefold.scheduler.scores import add, parse
from ninefold.scheduler.words import integer

if TYPE_CHECKING:
    from ninefold.scheduler.entries import Entry
    from ninefold.scheduler.workspace import Node, Resource, Workspace

_COUNT: Final = "fail-count-"
_LAST: Final = "last-failure-"


@lru_cache(maxsize=4096)
def _pattern(name: str, *, unique: bool) -> re.Pattern[str]:
    instance = "" if unique else r"(?::[0-9]+)?"
    return re.compile(
        rf"(?:fail-count-|last-failure-){re.escape(name)}{instance}"
        r"(?:#(?P<task>.+)_(?P<interval>[0-9]+))?$",
        re.IGNORECASE,
    )


def _names(resource: Resource) -> str:
    """Return the name under which failures are counted."""
    base = resource.history_id or resource.id
    return base if resource.unique else base.partition(":")[0]


def _matching(prefix: str, resource: Resource, node: Node) -> list[tuple[str, str, str]]:
    """Return (task, interval, value) of the attributes that belong to `resource`."""
    found = []
    pattern = None
    for name, value in node.attributes.items():
        if not name.startswith(prefix):
            continue
        pattern = pattern or _pattern(_names(resource), unique=resource.unique)
        parts = pattern.match(name)
        if parts:
            found.append((parts["task"] or "", parts["interval"] or "", value))
    return found


def recorded(resource: Resource, node: Node) -> int:
    """Return the count as recorded, expired or not."""
    total = 0
    for _task, _interval, value in _matching(_COUNT, resource, node):
        total = add(total, parse(value))
    return total


def last_failure(resource: Resource, node: Node) -> int:
    """Return the time of the newest recorded failure, 0 if none."""
    times = [integer(value, 0) for _t, _i, value in _matching(_LAST, resource, node)]
    return max(times, default=0)


def effective(
    work: Workspace, resource: Resource, node: Node, history: list[Entry] | None = None
) -> int:
    """Return the count that still counts: 0 once the failure timeout has passed.

    A failure of an operation that blocks never expires.
    """
    total = recorded(resource, node)
    if total == 0 or resource.failure_timeout <= 0:
        return total
    last = last_failure(resource, node)
    if last <= 0 or _blocks(resource, node, history or []):
        return total
    if work.now > last + resource.failure_timeout:
        return 0
    work.recheck(last + resource.failure_timeout + 1)
    return total


def with_content(work: Workspace, resource: Resource, node: Node) -> int:
    """Return the count that still counts of a resource and of everything that runs inside of it."""
    total = effective(work, resource, node)
    if not resource.bundled:
        for inner in resource.launched:
            total = add(total, effective(work, inner, node))
    return total


def _blocks(resource: Resource, node: Node, history: list[Entry]) -> bool:
    counted = [(task, interval) for task, interval, _ in _matching(_COUNT, resource, node)]
    counted += [
        (entry.task, str(entry.interval_ms))
        for entry in history
        if entry.rc != entry.expected_rc and entry.rc not in {0, 190, 191}
    ]
    return any(
        op.on_fail == "block" and (op.name, str(op.interval_ms)) in counted
        for op in resource.operations
    )
