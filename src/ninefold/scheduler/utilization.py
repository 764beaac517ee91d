"""What resources need and nodes offer, in whatever units the document uses.

Only counted if `placement-strategy` says so: what is assigned consumes, and a node without room for
everything that must go together is avoided (section 11, "Utilisation").
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ninefold.scheduler import scoring
from ninefold.scheduler.actions import key_of, pseudo
from ninefold.scheduler.applying import Influence, affects
from ninefold.scheduler.colocation import this_with, with_this
from ninefold.scheduler.node_rank import compare_capacity
from ninefold.scheduler.relations import IF_ON_SAME_NODE_OR_TARGET
from ninefold.scheduler.scores import INFINITY
from ninefold.scheduler.workspace import Ordering, Variant

if TYPE_CHECKING:
    from ninefold.scheduler.workspace import Action, Colocation, Node, Resource, Workspace


def consume(work: Workspace, resource: Resource, node: Node) -> None:
    """Take what a resource needs from a node."""
    if work.utilization:
        for name, amount in resource.utilization.items():
            if name in node.utilization:
                node.utilization[name] -= amount


def release(work: Workspace, resource: Resource, node: Node) -> None:
    """Give back what a resource needed."""
    if work.utilization:
        for name, amount in resource.utilization.items():
            if name in node.utilization:
                node.utilization[name] += amount


def has_room(node: Node, needs: dict[str, int]) -> bool:
    """Whether `node` has everything that is needed."""
    return all(amount <= node.utilization.get(name, 0) for name, amount in needs.items())


def _lacks(node: Node, needs: dict[str, int]) -> str:
    """Say of the first thing that a node has not enough of how much is needed and how much is left."""
    return next(
        f"{amount} {name}, {node.utilization.get(name, 0)} left"
        for name, amount in needs.items()
        if amount > node.utilization.get(name, 0)
    )


def ban_full_nodes(work: Workspace, resource: Resource) -> Node | None:
    """Avoid nodes without room; if no node has room for all, return the one with the most."""
    if not work.utilization:
        return None
    together: list[Resource] = []
    _together(resource, resource, together)
    if resource not in together:
        together.append(resource)
    needs: dict[str, int] = {}
    for one in together:
        if not one.is_assigned:
            _sum(one, together, needs)
    candidates = [
        node
        for name, score in resource.scores.items()
        if score >= 0 and (node := work.node_names[name.lower()]).available
    ]
    most: Node | None = None
    capable = False
    for node in candidates:
        capable = capable or has_room(node, needs)
        if most is None or compare_capacity(node, most) < 0:
            most = node
    wanted = needs if capable else resource.utilization
    for node in candidates:
        if not has_room(node, wanted):
            scoring.contribute(resource, node, -INFINITY, "utilization", _lacks(node, wanted))
    return None if capable else most


def _together(resource: Resource, asked: Resource, found: list[Resource]) -> None:
    """Collect everything that must be on the same node as `asked`."""
    if resource in found:
        return
    if resource.variant is Variant.BUNDLE:
        found.append(resource)
        for replica in resource.replicas:
            _together(replica.container, asked, found)
        return
    cloned = resource.parent is not None and resource.parent.clone is not None
    if resource.variant is Variant.GROUP and (resource.colocated or cloned):
        found.append(resource)
        for member in resource.children:
            _together(member, asked, found)
        return
    found.append(resource)
    for one in this_with(resource):
        if one.primary is not asked and _binds(resource, one.primary, one):
            _together(one.primary, asked, found)
    for one in with_this(resource):
        if one.dependent is asked:
            continue
        if resource.clone is not None and one.dependent.clone is None:
            # It is not known with which instance the dependent will be.
            continue
        if _binds(one.dependent, resource, one):
            _together(one.dependent, asked, found)


def _binds(dependent: Resource, primary: Resource, one: Colocation) -> bool:
    if one.score < INFINITY:
        return False
    return affects(dependent, primary, one, preview=True) is Influence.PLACE


def _sum(resource: Resource, together: list[Resource], needs: dict[str, int]) -> None:
    if resource.is_assigned:
        return
    match resource.variant:
        case Variant.PRIMITIVE:
            for name, amount in resource.utilization.items():
                needs[name] = needs.get(name, 0) + amount
        case Variant.GROUP:
            cloned = resource.parent is not None and resource.parent.clone is not None
            members = resource.children if resource.colocated or cloned else resource.children[:1]
            for member in members:
                if member not in together:
                    _sum(member, together, needs)
        case Variant.CLONE:
            counted = any(
                child in together or any(leaf in together for leaf in child.children)
                for child in resource.children
            )
            if not counted and resource.children:
                _sum(resource.children[0], together, needs)
        case Variant.BUNDLE:
            if resource.replicas and not any(r.container in together for r in resource.replicas):
                _sum(resource.replicas[0].container, together, needs)


def _load_stopped(work: Workspace, node: Node) -> Action:
    action = pseudo(work, f"load_stopped_{node.name}")
    action.node = node
    action.optional = False
    return action


def order_loads(work: Workspace, resource: Resource) -> None:
    """Let nothing come to a node before what has to leave it has left."""
    if not work.utilization or not resource.utilization:
        return
    relation = IF_ON_SAME_NODE_OR_TARGET
    for node in resource.active:
        point = _load_stopped(work, node)
        key = key_of(resource.id, "stop")
        work.orderings.append(Ordering(None, resource, key, point, None, point.key, relation))
    for name in sorted(resource.scores):
        point = _load_stopped(work, work.node_names[name.lower()])
        for task in ("start", "migrate_to"):
            key = key_of(resource.id, task)
            work.orderings.append(Ordering(point, None, point.key, None, resource, key, relation))
