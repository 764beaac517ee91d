"""Operations that are repeated: created where the resource runs, cancelled where it does not."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ninefold.scheduler.actions import act, actions_of, cancel, key_of, link, start
from ninefold.scheduler.model import Reason
from ninefold.scheduler.orders import order_action
from ninefold.scheduler.relations import (
    FIRST_IMPLIES_THEN,
    ORDERED,
    UNRUNNABLE_FIRST_BLOCKS,
)
from ninefold.scheduler.words import Role

if TYPE_CHECKING:
    from ninefold.scheduler.workspace import Action, Node, Operation, Resource, Workspace


def create_recurring(work: Workspace, resource: Resource) -> None:
    """Create the recurring operations of a primitive."""
    node = resource.assigned
    if resource.blocked or resource.maintenance or (node is not None and node.maintenance):
        return
    begin: Action | None = None
    if node is not None and (resource.next_role is not Role.STOPPED or not resource.managed):
        begin = start(work, resource, node, optional=True)
    named = [(op.name, op.interval_ms) for op in resource.operations]
    for op in resource.operations:
        if not op.enabled or op.interval_ms <= 0 or op.name in {"start", "stop"}:
            continue
        if named.count((op.name, op.interval_ms)) > 1:
            work.warn(f"{resource.id} has two operations {op.name} with the same interval.")
            continue
        if op.role is Role.STOPPED:
            _while_stopped(work, resource, op)
        elif begin is not None and node is not None:
            _while_active(work, resource, op, begin, node)


def _existing(resource: Resource, op: Operation, node: Node) -> Action | None:
    key = key_of(resource.id, op.name, op.interval_ms)
    return next((a for a in resource.actions if a.key == key and a.node is node), None)


def _while_active(
    work: Workspace, resource: Resource, op: Operation, begin: Action, node: Node
) -> None:
    known = _existing(resource, op, node)
    optional = known is not None and begin.optional and not known.reschedule
    # Of a promotable clone no instance is just started, so what names that role never runs there.
    other_role = (
        resource.next_role is Role.PROMOTED
        if op.role is Role.UNKNOWN
        else op.role is not resource.next_role
    )
    if other_role:
        if optional:
            _cancel_before_role_change(work, resource, op, node)
        return
    action = act(work, resource, op.name, node, optional=optional, interval_ms=op.interval_ms)
    action.meta["name"] = op.name
    if not begin.runnable:
        action.runnable = False
        action.why_not = begin.why_not
    elif not node.online or node.unclean:
        action.runnable = False
        action.why_not = f"{node.name} is not available"
    if not action.optional:
        sentence = f"{resource.id} is checked every {op.interval_ms} ms."
        action.reasons.append(Reason("recurring", sentence))
    if resource.next_role is Role.PROMOTED:
        _expect(action, 8)
    if resource.managed:
        _order_after(work, resource, action)


def _order_after(work: Workspace, resource: Resource, action: Action) -> None:
    strict = FIRST_IMPLIES_THEN | UNRUNNABLE_FIRST_BLOCKS
    for task in ("start", "reload-agent"):
        order_action(work, (resource, key_of(resource.id, task)), action, strict)
    softer = ORDERED | UNRUNNABLE_FIRST_BLOCKS
    if resource.next_role is Role.PROMOTED:
        order_action(work, (resource, key_of(resource.id, "promote")), action, softer)
    elif resource.role is Role.PROMOTED:
        order_action(work, (resource, key_of(resource.id, "demote")), action, softer)


def _expect(action: Action, rc: int) -> None:
    action.expected_rc = rc
    action.meta["op_target_rc"] = str(rc)


def _cancel_before_role_change(
    work: Workspace, resource: Resource, op: Operation, node: Node
) -> None:
    action = cancel(work, resource, node, (op.name, op.interval_ms), "it is for another role")
    after = ""
    if resource.role in {Role.STARTED, Role.UNPROMOTED}:
        if resource.next_role is Role.PROMOTED:
            after = "promote"
        elif resource.next_role is Role.STOPPED:
            after = "stop"
    elif resource.role is Role.PROMOTED:
        after = "demote"
    if after:
        then = (resource, key_of(resource.id, after))
        order_action(work, action, then, UNRUNNABLE_FIRST_BLOCKS)


def _while_stopped(work: Workspace, resource: Resource, op: Operation) -> None:
    """A monitor of the stopped role runs on every node where the resource shall not be."""
    if not resource.unique:
        work.warn(f"{op.id}: monitors of the stopped role need instances that can be told apart.")
        return
    for node in work.nodes:
        known = _existing(resource, op, node)
        if node is resource.assigned:
            if known is not None:
                what = (op.name, op.interval_ms)
                action = cancel(work, resource, node, what, "it shall run here now")
                if resource.next_role in {Role.STARTED, Role.UNPROMOTED}:
                    then = (resource, key_of(resource.id, "start"))
                    order_action(work, action, then, UNRUNNABLE_FIRST_BLOCKS)
            continue
        optional = known is not None
        action = act(work, resource, op.name, node, optional=optional, interval_ms=op.interval_ms)
        action.meta["name"] = op.name
        _expect(action, 7)
        if resource.managed:
            _after_probes_and_stops(work, resource, node, action)
        if not node.online or node.unclean:
            action.runnable = False
            action.why_not = f"{node.name} is not available"


def _after_probes_and_stops(
    work: Workspace, resource: Resource, node: Node, action: Action
) -> None:
    for probe in actions_of(resource, "monitor", node):
        link(probe, action, UNRUNNABLE_FIRST_BLOCKS)
    for stop in actions_of(resource, "stop", node, with_node=True):
        if not stop.runnable and not stop.optional:
            action.runnable = False
            action.why_not = stop.why_not
        order_action(work, stop, action, FIRST_IMPLIES_THEN | UNRUNNABLE_FIRST_BLOCKS)
