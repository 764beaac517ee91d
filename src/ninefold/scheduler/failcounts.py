"""How often a resource has failed on a node, and whether that still counts.

Counts are node attributes `fail-count-RSC#TASK_INTERVAL`; times are `last-failure-…`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from ninefold.scheduler.scores import add, parse
from ninefold.scheduler.words import integer

if TYPE_CHECKING:
    from ninefold.scheduler.workspace import Node, Resource, Workspace

_COUNT: Final = "fail-count-"
_LAST: Final = "last-failure-"
_KEY: Final = re.compile(
    r"(?P<resource>.+?)(?:#(?P<task>[a-z_-]+)_(?P<interval>\d+))?$", re.IGNORECASE
)


def _matching(prefix: str, resource: Resource, node: Node) -> list[tuple[str, str, str]]:
    """Return (task, interval, value) of the attributes that belong to `resource`."""
    found = []
    for name, value in node.attributes.items():
        if not name.startswith(prefix):
            continue
        parts = _KEY.match(name[len(prefix) :])
        if parts and parts["resource"] == resource.id:
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


def effective(work: Workspace, resource: Resource, node: Node) -> int:
    """Return the count that still counts: 0 once the failure timeout has passed.

    A failure of an operation that blocks never expires.
    """
    total = recorded(resource, node)
    if total == 0 or resource.failure_timeout <= 0 or _blocks(resource, node):
        return total
    last = last_failure(resource, node)
    if last <= 0:
        return total
    if work.now > last + resource.failure_timeout:
        return 0
    work.recheck(last + resource.failure_timeout + 1)
    return total


def _blocks(resource: Resource, node: Node) -> bool:
    failures = [(task, interval) for task, interval, _ in _matching(_COUNT, resource, node)]
    return any(
        op.on_fail == "block" and (op.name, str(op.interval_ms)) in failures
        for op in resource.operations
    )
