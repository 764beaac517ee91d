"""Actions on remote and guest nodes happen while these are reachable: section 13."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ninefold.scheduler.actions import key_of
from ninefold.scheduler.nodes import fence
from ninefold.scheduler.orders import order_action
from ninefold.scheduler.relations import (
    CONNECTION,
    FIRST_IMPLIES_THEN,
    ORDERED,
    THEN_IMPLIES_FIRST,
    UNRUNNABLE_FIRST_BLOCKS,
)
from ninefold.scheduler.remote_state import RemoteState, remote_state
from ninefold.scheduler.words import Role

if TYPE_CHECKING:
    from ninefold.scheduler.workspace import Action, Node, Resource, Workspace

# What is done where things were before the transition, and not where they will be.
_LEAVING: Final = frozenset({"stop", "cancel", "demote", "migrate_from", "migrate_to"})


def order_remote_actions(work: Workspace) -> None:
    """Order every action on a remote node relative to the connection to it."""
    if not work.has_remote_nodes:
        return
    for action in list(work.actions):
        resource, node = action.resource, action.node
        if resource is None:
            continue
        if resource.remote_connection and action.task == "clear_failcount":
            then = (resource, key_of(resource.id, "start"))
            order_action(work, action, then, ORDERED)
            continue
        if node is None or not node.remote or node.connection is None or action.pseudo:
            # A mere meeting point, such as the start of what moves alive, needs no connection.
            continue
        connection = node.connection
        if action.task == "start":
            _leave_after_connecting(work, resource, action, connection)
        if connection.launcher is not None:
            _with_guest(work, action, node, connection, connection.launcher)
        else:
            _with_remote(work, action, node, connection)


def _leave_after_connecting(
    work: Workspace, resource: Resource, begin: Action, connection: Resource
) -> None:
    """If the connection cannot be made, the resource stays where it was."""
    for other in resource.actions:
        if other.task == "stop" and other.node is not begin.node:
            order_action(work, (connection, key_of(connection.id, "start")), other, ORDERED)


def _after_start(work: Workspace, first: Resource, action: Action, extra: int) -> None:
    begin = (first, key_of(first.id, "start"))
    order_action(work, begin, action, UNRUNNABLE_FIRST_BLOCKS | CONNECTION | extra)


def _before_stop(work: Workspace, action: Action, then: Resource, extra: int) -> None:
    order_action(work, action, (then, key_of(then.id, "stop")), ORDERED | CONNECTION | extra)


def _with_guest(
    work: Workspace, action: Action, node: Node, connection: Resource, launcher: Resource
) -> None:
    if launcher.failed:
        fence(work, node, "container failed")
    match action.task:
        case "start" | "promote":
            # Recovering the container means that everything in it starts anew.
            _after_start(work, launcher, action, FIRST_IMPLIES_THEN)
            _after_start(work, connection, action, 0)
        case "stop" | "demote" | "migrate_to" | "migrate_from":
            if not launcher.failed:
                _before_stop(work, action, connection, 0)
        case "cancel":
            pass
        case _:
            extra = FIRST_IMPLIES_THEN if action.interval_ms else 0
            _after_start(work, connection, action, extra)


def _with_remote(work: Workspace, action: Action, node: Node, connection: Resource) -> None:
    state = remote_state(node)
    match action.task:
        case "start" | "promote":
            extra = FIRST_IMPLIES_THEN if state is RemoteState.FAILED else 0
            _after_start(work, connection, action, extra)
        case "stop" | "migrate_to" | "migrate_from":
            # What leaves alive, or arrives, is done before the connection that it needs is closed.
            if state is RemoteState.ALIVE:
                _before_stop(work, action, connection, THEN_IMPLIES_FIRST)
            elif state is RemoteState.FAILED:
                fence(work, node, "resources are active but connection is unrecoverable")
            elif connection.next_role is Role.STOPPED:
                _before_stop(work, action, connection, THEN_IMPLIES_FIRST)
            else:
                _after_start(work, connection, action, 0)
        case "demote":
            if state in {RemoteState.RESTING, RemoteState.UNKNOWN}:
                _after_start(work, connection, action, 0)
        case _:
            _other_with_remote(work, action, node, connection, state)


def _other_with_remote(
    work: Workspace, action: Action, node: Node, connection: Resource, state: RemoteState
) -> None:
    if action.interval_ms:
        _after_start(work, connection, action, FIRST_IMPLIES_THEN)
        return
    if action.task == "monitor" and state is RemoteState.FAILED:
        fence(work, node, "resources are in unknown state and connection is unrecoverable")
    if connection.active and state is RemoteState.STOPPED:
        # The connection is going down for good: ask before it does.
        _before_stop(work, action, connection, UNRUNNABLE_FIRST_BLOCKS)
    else:
        _after_start(work, connection, action, 0)


def router_of(action: Action) -> Node | None:
    """Return the cluster node through which an action on a remote node is carried out."""
    node = action.node
    if node is None or not node.remote or node.connection is None:
        return None
    return None if action.pseudo or action.kind == "clear" else _place_of(node.connection, action)


def host_of(action: Action) -> Node | None:
    """Return the node that the guest lives on in which an action is carried out."""
    node = action.node
    if node is None or node.connection is None or action.resource is None:
        return None
    launcher = node.connection.launcher
    if launcher is None:
        return None
    if _leaves(action):
        return launcher.active[0] if launcher.active else None
    return launcher.assigned


def _leaves(action: Action) -> bool:
    task = action.meta.get("notify_operation", "") if action.task == "notify" else action.task
    return task in _LEAVING


def _place_of(moving: Resource, action: Action) -> Node | None:
    """Return where a connection is when `action` is carried out through it."""
    began = moving.active[0] if moving.active else None
    if moving.partial_source is not None:
        began = moving.partial_source
    ended = moving.assigned
    if began is None:
        return ended
    if ended is None or began is ended:
        return began
    if moving.partial_target is not None:
        # It is on its way: by the time anything is done there, it has arrived.
        return ended
    return began if _leaves(action) else ended
