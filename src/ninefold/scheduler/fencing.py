"""Silencing lost nodes and shutting down leaving ones: section 13.

Theorem: if a resource that needs fencing may be running on an unclean node, no start of it elsewhere
is in the transition unless a fencing of that node is among its (transitive) inputs. Either the node
can be fenced, and then every such start gets the fencing as a direct input; or it cannot, and then the
stop on the lost node cannot run, which blocks the start that waits for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ninefold.scheduler import reasons
from ninefold.scheduler.actions import plain
from ninefold.scheduler.model import Reason
from ninefold.scheduler.workspace import Edge, Relation

if TYPE_CHECKING:
    from ninefold.scheduler.workspace import Action, Node, Resource, Workspace


def fence_and_shut_down(work: Workspace) -> None:
    """Create the fencing and shutdown actions and order everything else around them."""
    worthwhile = any(leaf.is_managed for r in work.resources for leaf in r.primitives())
    fencings: list[Action] = []
    last: Action | None = None
    for node in work.nodes:
        if node.unclean and worthwhile and can_fence(work, node):
            operation = _fencing(work, node)
            if node.dc:
                last = operation
            else:
                if fencings and not work.options.concurrent_fencing:
                    link(fencings[-1], operation, Relation.ORDERED)
                fencings.append(operation)
        elif node.online and node.shutdown:
            shutdown = _shutdown(work, node)
            if node.dc:
                last = shutdown
    if last is not None:
        for operation in fencings:
            link(operation, last, Relation.ORDERED)


def can_fence(work: Workspace, target: Node) -> bool:
    """Whether `target` can be fenced: enabled, a device, and quorum, or the target is with us."""
    if not work.options.fencing_enabled or not work.has_fence_device:
        return False
    return work.quorate or work.options.no_quorum_policy == "ignore" or target.online


def _fencing(work: Workspace, node: Node) -> Action:
    task = work.options.fencing_action
    action = plain(work, "stonith", f"stonith-{node.name}-{task}", node, "fencing")
    action.meta = {"stonith_action": task, "on_node": node.name, "on_node_uuid": node.id}
    action.reasons.append(reasons.node_lost(node))
    for resource in work.resources:
        for leaf in resource.primitives():
            _around_fencing(leaf, node, action)
    return action


def _around_fencing(resource: Resource, node: Node, fencing: Action) -> None:
    for action in resource.actions:
        if action.task in {"start", "promote"} and _waits(resource, node):
            link(fencing, action, Relation.ORDERED)
        elif action.task in {"stop", "demote"} and action.node is node:
            if not resource.is_managed:
                continue
            # Silencing the node is what stops it, so the stop itself is a mere meeting point.
            action.pseudo = True
            action.runnable = True
            action.why_not = ""
            action.reasons.append(
                Reason("implied", f"Fencing {node.name} stops {resource.id} there.")
            )
            if resource.needs_fencing:
                link(fencing, action, Relation.ORDERED)


def _waits(resource: Resource, lost: Node) -> bool:
    """Whether a start waits for the fencing of `lost`.

    What needs no more than quorum still waits if it is not known whether `lost` runs it.
    """
    if resource.needs_fencing:
        return True
    return resource.needs_quorum and lost.name not in resource.known_on


def _shutdown(work: Workspace, node: Node) -> Action:
    action = plain(work, "do_shutdown", f"do_shutdown-{node.name}", node, "shutdown")
    action.reasons.append(Reason("node-shutdown", f"{node.name} asked to leave."))
    for other in work.actions:
        if other.task == "stop" and other.node is node:
            link(other, action, Relation.ORDERED)
    return action


def link(first: Action, then: Action, relation: Relation) -> None:
    """Order two actions directly."""
    if first is then:
        return
    for edge in then.before:
        if edge.action is first:
            edge.relation |= relation
            return
    then.before.append(Edge(first, relation))
    first.after.append(then)
