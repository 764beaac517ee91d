"""Silencing lost nodes and shutting down leaving ones: section 13.

Theorem: if a resource that needs fencing may be running on an unclean node, no start of it elsewhere
is in the transition unless a fencing of that node is among its (transitive) inputs. Either the node
can be fenced, and then every such start gets the fencing as a direct input; or it cannot, and then the
stop on the lost node cannot run, which blocks the start that waits for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ninefold.scheduler import reasons
from ninefold.scheduler.actions import actions_of, can_fence, cluster_action, first_with_task, link
from ninefold.scheduler.model import Reason
from ninefold.scheduler.nodes import fencing_action
from ninefold.scheduler.notifications import stopped_by_fencing
from ninefold.scheduler.orders import order_action
from ninefold.scheduler.relations import FIRST_IMPLIES_THEN, ORDERED, UNRUNNABLE_FIRST_BLOCKS

if TYPE_CHECKING:
    from ninefold.scheduler.workspace import Action, Node, Resource, Workspace


def fence_and_shut_down(work: Workspace) -> None:
    """Create the fencing and shutdown actions and order everything else around them."""
    worthwhile = any(leaf.managed for r in work.resources for leaf in r.primitives())
    fencings: list[Action] = []
    shutdowns: list[Action] = []
    last: Action | None = None
    for node in work.nodes:
        if node.guest:
            if node.remote_reset and worthwhile and can_fence(work, node):
                _fence_guest(work, node)
        elif node.unclean and worthwhile and can_fence(work, node):
            operation = fencing_of(work, node)
            _order_around(work, operation)
            _forget_after(node, operation)
            if node.dc:
                last = operation
                continue
            if fencings and not work.options.concurrent_fencing:
                link(fencings[-1], operation, ORDERED)
            fencings.append(operation)
        elif node.online and node.shutdown and not node.remote:
            shutdown = _shutdown(work, node)
            if node.dc:
                last = shutdown
            else:
                shutdowns.append(shutdown)
    if last is None:
        return
    # A new DC is chosen once, and what needs one is done before.
    before = fencings if work.options.concurrent_fencing else fencings[-1:]
    for operation in before + (shutdowns if last.task == "do_shutdown" else []):
        link(operation, last, ORDERED)


def fencing_of(work: Workspace, node: Node) -> Action:
    """Return the required fencing of `node`."""
    action = fencing_action(work, node)
    if action.optional:
        action.optional = False
        action.due = action.due or "node is unclean"
        action.reasons.append(reasons.node_lost(node))
        _delay(work, node, action)
    return action


def _delay(work: Workspace, node: Node, action: Action) -> None:
    """Delay the fencing of the node with more to lose, so that it wins where both may fence."""
    delay_ms = work.options.priority_fencing_delay_ms
    if delay_ms <= 0 or node.remote:
        return
    members = [one for one in work.nodes if not one.remote]
    online = [one for one in members if one.online and not one.unclean]
    if len(online) > len(members) // 2:
        return
    top = max(one.priority for one in members)
    lowest = min(one.priority for one in members)
    if top != lowest and node.priority == top:
        action.meta["priority_fencing_delay"] = str(delay_ms // 1000)


def _order_around(work: Workspace, fencing: Action) -> None:
    for top in work.resources:
        for leaf in top.primitives():
            if leaf.managed:
                _starts_wait(leaf, fencing)
                _stops_are_implied(work, leaf, fencing)


def _forget_after(node: Node, fencing: Action) -> None:
    """A connection that is tried again at intervals is not forgiven before its node is silent."""
    connection = node.connection
    if connection is None or not connection.reconnect_ms:
        return
    for action in connection.actions:
        if action.task == "clear_failcount":
            link(fencing, action, ORDERED)


def _starts_wait(resource: Resource, fencing: Action) -> None:
    """Let starts wait: those that need fencing, and those of what the lost node may be running.

    What needs no more than quorum still waits if it is not known whether the node runs it.
    """
    node = fencing.node
    assert node is not None
    known = resource if resource.unique else resource.top
    unknown = node.name in resource.scores and node.name not in known.known_on
    for action in resource.actions:
        if action.needs == "fencing":
            link(fencing, action, ORDERED)
        elif action.needs == "quorum" and action.task == "start" and unknown:
            link(fencing, action, ORDERED | UNRUNNABLE_FIRST_BLOCKS)


def _stops_are_implied(work: Workspace, resource: Resource, fencing: Action) -> None:
    node = fencing.node
    assert node is not None
    waits = resource.needs_fencing or node.guest
    stops = actions_of(resource, "stop", node)
    parent_stop = first_with_task(resource.top, "stop") if stops and waits else None
    for action in stops:
        # Silencing the node is what stops it, so the stop itself is a mere meeting point.
        _imply(resource, action, node)
        if waits:
            if not _bundled(resource):
                link(fencing, action, ORDERED)
            if parent_stop is not None:
                link(fencing, parent_stop, ORDERED)
        if resource.notify:
            stopped_by_fencing(work, resource, action, fencing)
    for action in actions_of(resource, "demote", node):
        where = action.node
        gone = where is None or not where.online or where.unclean or resource.failed
        if gone:
            _imply(resource, action, node)
            if waits and not _bundled(resource):
                link(fencing, action, ORDERED)


def _imply(resource: Resource, action: Action, node: Node) -> None:
    action.pseudo = True
    action.runnable = True
    action.why_not = ""
    action.reasons.append(Reason("implied", f"Fencing {node.name} stops {resource.id} there."))


def _bundled(resource: Resource) -> bool:
    """Whether it runs inside a bundle's container."""
    top = resource.top
    return top.parent is not None and top.clone is not None


def _fence_guest(work: Workspace, node: Node) -> None:
    """Mark the point at which a guest is silent: when what it lives in has been stopped."""
    connection = node.connection
    assert connection is not None
    launcher = connection.launcher
    assert launcher is not None
    stop = first_with_task(launcher, "stop")
    task = "reboot" if first_with_task(launcher, "start") is not None else "off"
    action = cluster_action(work, "stonith", f"stonith-{node.name}-{task}", node, "fencing")
    action.meta = {"stonith_action": task, "on_node": node.name, "on_node_uuid": node.id}
    action.optional = False
    action.pseudo = True
    action.due = f"{launcher.id}"
    action.reasons.append(Reason("node-lost", f"{node.name} is recovered with {launcher.id}."))
    strict = UNRUNNABLE_FIRST_BLOCKS | FIRST_IMPLIES_THEN
    if stop is not None and stop.pseudo and stop.node is not None:
        link(fencing_of(work, stop.node), action, strict)
    elif stop is not None:
        link(stop, action, strict)
    else:
        ended = first_with_task(connection, "stop")
        if ended is not None:
            link(ended, action, ORDERED)
    _order_around(work, action)


def _shutdown(work: Workspace, node: Node) -> Action:
    action = cluster_action(work, "do_shutdown", f"do_shutdown-{node.name}", node, "shutdown")
    action.optional = False
    action.reasons.append(Reason("node-shutdown", f"{node.name} asked to leave."))
    for other in work.actions:
        resource = other.resource
        if other.task != "stop" or other.node is not node or resource is None:
            continue
        if resource.maintenance or node.maintenance:
            continue
        if not resource.managed and not resource.blocked:
            # Nobody will stop it. What is blocked holds the node back until somebody looks at it.
            continue
        order_action(work, other, action, ORDERED | UNRUNNABLE_FIRST_BLOCKS)
    return action
