"""Operations that are repeated: created where the resource runs, cancelled where it does not."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ninefold.scheduler.actions import act, key_of
from ninefold.scheduler.changes import cancel_key
from ninefold.scheduler.model import Reason
from ninefold.scheduler.words import Role
from ninefold.scheduler.workspace import Ordering, Relation, Variant

if TYPE_CHECKING:
    from ninefold.scheduler.workspace import Action, Node, Operation, Resource, Workspace


def create_recurring(work: Workspace, resource: Resource) -> None:
    """Create the recurring operations of every primitive in `resource`."""
    if resource.variant is not Variant.PRIMITIVE:
        for child in resource.children:
            create_recurring(work, child)
        return
    if (
        resource.maintenance
        or resource.blocked
        or (resource.assigned is not None and resource.assigned.maintenance)
    ):
        return
    seen: list[tuple[str, int]] = []
    for op in resource.operations:
        if not op.enabled or op.interval_ms <= 0 or op.name in {"start", "stop"}:
            continue
        if (op.name, op.interval_ms) in seen:
            work.warn(f"{resource.id} has two operations {op.name} with the same interval.")
            continue
        seen.append((op.name, op.interval_ms))
        if op.role is Role.STOPPED:
            _while_stopped(work, resource, op)
        else:
            _while_active(work, resource, op)


def _while_active(work: Workspace, resource: Resource, op: Operation) -> None:
    node = resource.assigned
    if node is None or resource.next_role < Role.STARTED:
        return
    matches = op.role in {Role.UNKNOWN, Role.STARTED} or op.role is resource.next_role
    key = key_of(resource.id, op.name, op.interval_ms)
    exists = key in resource.existing.get(node.name, [])
    if not matches:
        if exists:
            what = (op.name, op.interval_ms)
            cancel_key(work, resource, node, what, Reason("role", "It is for another role."))
        return
    start = next((a for a in resource.actions if a.task == "start"), None)
    starting = start is not None and not start.optional and not _start_is_elsewhere(start, node)
    optional = exists and not starting and (node.name, key) not in resource.reschedule
    action = act(work, resource, op.name, node, optional=optional, interval_ms=op.interval_ms)
    action.meta["name"] = op.name
    if not optional:
        action.reasons.append(
            Reason("recurring", f"{resource.id} is checked every {op.interval_ms} ms.")
        )
    if start is not None and not start.runnable:
        action.runnable = False
        action.why_not = start.why_not
    work.orderings.append(
        Ordering(None, resource, key_of(resource.id, "start"), action, None, "",
                 Relation.ORDERED | Relation.FIRST_IMPLIES_THEN
                 | Relation.UNRUNNABLE_FIRST_BLOCKS)
    )  # fmt: skip


def _start_is_elsewhere(start: Action, node: Node) -> bool:
    return start.node is not None and start.node is not node


def _while_stopped(work: Workspace, resource: Resource, op: Operation) -> None:
    """A monitor of the stopped role runs on every node where the resource shall not be."""
    key = key_of(resource.id, op.name, op.interval_ms)
    for node in work.nodes:
        exists = key in resource.existing.get(node.name, [])
        if node is resource.assigned:
            if exists:
                what = (op.name, op.interval_ms)
                cancel_key(work, resource, node, what, Reason("role", "It shall run here now."))
            continue
        if not node.online or node.unclean or node.pending:
            continue
        action = act(work, resource, op.name, node, optional=exists, interval_ms=op.interval_ms)
        action.expected_rc = 7
        action.meta["name"] = op.name
        action.meta["op_target_rc"] = "7"
        for probe in resource.actions:
            if probe.task == "monitor" and probe.interval_ms == 0 and probe.node is node:
                work.orderings.append(Ordering(probe, None, "", action, None, "", Relation.ORDERED))
        for stop in resource.actions:
            if stop.task == "stop" and stop.node is node:
                work.orderings.append(Ordering(stop, None, "", action, None, "", Relation.ORDERED))
