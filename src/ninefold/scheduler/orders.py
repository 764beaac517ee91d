"""Orders between tasks or actions, with what they mean for migrations."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ninefold.scheduler import reasons
from ninefold.scheduler.actions import act, cancel, key_of
from ninefold.scheduler.migration_order import keep_order
from ninefold.scheduler.relations import ORDERED
from ninefold.scheduler.workspace import Action, Ordering

if TYPE_CHECKING:
    from ninefold.scheduler.entries import Entry
    from ninefold.scheduler.workspace import Node, Resource, Workspace


def order(
    work: Workspace,
    first: tuple[Resource, str],
    then: tuple[Resource, str],
    relation: int,
    origin: str = "",
) -> None:
    """Order the task `first[1]` of a resource before the task `then[1]` of another."""
    new = Ordering(
        None, first[0], key_of(first[0].id, first[1]),
        None, then[0], key_of(then[0].id, then[1]), relation, origin,
    )  # fmt: skip
    work.orderings.append(new)
    keep_order(work, new)


def order_action(
    work: Workspace,
    first: Action | tuple[Resource, str],
    then: Action | tuple[Resource, str],
    relation: int,
) -> None:
    """Order where either side is an action or a (resource, key)."""
    one = first if isinstance(first, Action) else None
    other = then if isinstance(then, Action) else None
    first_resource = one.resource if one is not None else first[0]  # type: ignore[index]
    then_resource = other.resource if other is not None else then[0]  # type: ignore[index]
    first_key = one.key if one is not None else first[1]  # type: ignore[index]
    then_key = other.key if other is not None else then[1]  # type: ignore[index]
    new = Ordering(one, first_resource, first_key, other, then_resource, then_key, relation)
    work.orderings.append(new)
    keep_order(work, new)


def schedule_delete(work: Workspace, resource: Resource, node: Node) -> None:
    """Forget the history of `resource` on `node`, after it has been stopped there."""
    if resource.failed or not node.online or node.unclean:
        return
    action = act(work, resource, "delete", node, optional=False)
    action.kind = "delete"
    action.reasons.append(reasons.history_forgotten(resource))
    order(work, (resource, "stop"), (resource, "delete"), ORDERED)
    order(work, (resource, "delete"), (resource, "start"), ORDERED)


def stop_repeating(work: Workspace, resource: Resource, node: Node, entry: Entry, why: str) -> None:
    """Cancel what is not wanted any more, after a stop if there is one."""
    action = cancel(work, resource, node, (entry.task, entry.interval_ms), why)
    action.extra["call_id"] = str(entry.call_id)
    order_action(work, (resource, key_of(resource.id, "stop")), action, ORDERED)
