"""Orders between starts and stops hold for the migrations that stand in their place.

A migrating resource is not stopped and started but moved alive; whoever was to be started before
it must be there before it moves, and whoever was to be stopped before it is stopped before (section 7).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ninefold.scheduler.actions import key_of, task_of
from ninefold.scheduler.relations import IF_FIRST_UNMIGRATABLE, ORDERED
from ninefold.scheduler.workspace import Ordering

if TYPE_CHECKING:
    from ninefold.scheduler.workspace import Resource, Workspace


def keep_order(work: Workspace, one: Ordering) -> None:
    """Add what `one` means for migrations of its resources."""
    first, then = one.first_resource, one.then_resource
    if first is None or then is None or first is then:
        return
    if _inside(first, then) or _inside(then, first):
        return
    if not first.migratable and not then.migratable:
        return
    tasks = (task_of(one.first_key), task_of(one.then_key))
    relation = ORDERED
    if tasks == ("start", "start"):
        if first.migratable and then.migratable:
            _add(work, (first, "migrate_from"), (then, "migrate_to"), relation)
        if then.migratable:
            if first.migratable:
                relation |= IF_FIRST_UNMIGRATABLE
            _add(work, (first, "start"), (then, "migrate_to"), relation)
        return
    if not then.migratable:
        return
    if first.migratable:
        relation |= IF_FIRST_UNMIGRATABLE
    if tasks in {("stop", "stop"), ("demote", "stop")}:
        _add(work, (first, tasks[0]), (then, "migrate_to"), relation)
        if then.partial_target is not None:
            _add(work, (first, tasks[0]), (then, "migrate_from"), relation)
    elif tasks == ("promote", "start"):
        _add(work, (first, "promote"), (then, "migrate_to"), relation)


def _inside(resource: Resource, other: Resource) -> bool:
    parent = resource.parent
    while parent is not None:
        if parent is other:
            return True
        parent = parent.parent
    return False


def _add(
    work: Workspace, first: tuple[Resource, str], then: tuple[Resource, str], relation: int
) -> None:
    work.orderings.append(
        Ordering(
            None, first[0], key_of(first[0].id, first[1]),
            None, then[0], key_of(then[0].id, then[1]), relation,
        )
    )  # fmt: skip
