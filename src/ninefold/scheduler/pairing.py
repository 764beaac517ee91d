"""Which instance of one clone goes with which of another: those on the same node."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ninefold.scheduler.node_rank import equals, rank_nodes
from ninefold.scheduler.words import Role
from ninefold.scheduler.workspace import Variant

if TYPE_CHECKING:
    from ninefold.scheduler.workspace import Node, Resource, Workspace


def instances_of(resource: Resource) -> list[Resource]:
    """Return the instances of a clone, or the containers of a bundle."""
    if resource.variant is Variant.BUNDLE:
        return [replica.container for replica in resource.replicas]
    return resource.children


def location_of(resource: Resource, *, current: bool = False) -> Node | None:
    """Return the one node where a resource is (or will be), `None` for none or several."""
    if resource.variant is Variant.PRIMITIVE:
        if current:
            return resource.active[0] if len(resource.active) == 1 else None
        return resource.assigned
    found: list[Node] = []
    for leaf in resource.primitives():
        nodes = leaf.active if current else [leaf.assigned] if leaf.assigned is not None else []
        found.extend(node for node in nodes if node not in found)
    return found[0] if len(found) == 1 else None


def all_locations(resource: Resource, *, current: bool) -> list[Node]:
    """Return every node where any part of a resource is (or will be)."""
    found: list[Node] = []
    for leaf in resource.primitives():
        nodes = leaf.active if current else [leaf.assigned] if leaf.assigned is not None else []
        found.extend(node for node in nodes if node not in found)
    return found


def state_of(resource: Resource, *, current: bool) -> Role:
    """Return the role that a resource has, or will have."""
    if resource.variant is Variant.PRIMITIVE:
        return resource.role if current else resource.next_role
    found = Role.UNKNOWN
    for child in resource.children:
        found = max(found, state_of(child, current=current))
    return found


def compatible_instance(
    work: Workspace,
    match: Resource,
    resource: Resource,
    *,
    role: Role = Role.UNKNOWN,
    current: bool = False,
) -> Resource | None:
    """Return the instance of `resource` that goes with `match`: the one on its node.

    Before `match` has a node, the best of its nodes with such an instance decides.
    """
    node = location_of(match, current=current)
    if node is not None:
        return _on_node(resource, node, role, current=current)
    ranked = rank_nodes(work, match, None)
    for candidate in ranked:
        found = _on_node(resource, candidate, role, current=current)
        if found is None:
            continue
        if work.crowd is not None:
            having = [n for n in ranked if _on_node(resource, n, role, current=current) is not None]
            work.crowd.chose(equals(match.scores, having, None), candidate)
        return found
    return None


def _on_node(resource: Resource, node: Node, role: Role, *, current: bool) -> Resource | None:
    for instance in instances_of(resource):
        if any(leaf.blocked for leaf in instance.primitives()):
            continue
        if role is not Role.UNKNOWN and role is not state_of(instance, current=current):
            continue
        if location_of(instance, current=current) is node:
            return instance
    return None
