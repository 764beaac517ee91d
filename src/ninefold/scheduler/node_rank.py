"""Which node is better for a resource: section 11, "Node comparison"."""

from __future__ import annotations

from functools import cmp_to_key
from typing import TYPE_CHECKING

from ninefold.scheduler.scores import INFINITY

if TYPE_CHECKING:
    from collections.abc import Callable

    from ninefold.scheduler.workspace import Node, Resource, Workspace


def rank_nodes(work: Workspace, resource: Resource, current: Node | None) -> list[Node]:
    """Return the nodes that `resource` knows, best first."""
    return rank(work, resource.scores, current)


def rank(work: Workspace, scores: dict[str, int], current: Node | None) -> list[Node]:
    """Return the nodes that `scores` knows, best first."""
    strategy = work.options.placement_strategy
    nodes = [work.named[name] for name in scores]
    value = {node.name: scores[node.name] if node.available else -INFINITY for node in nodes}
    if strategy == "minimal":
        return sorted(nodes, key=lambda node: (-value[node.name], node.name.encode()))
    if strategy == "balanced":
        return sorted(nodes, key=cmp_to_key(_balanced(value, current)))

    def key(node: Node) -> tuple[int, int, int, bytes]:
        stays = 0 if node is current else 1
        return (-value[node.name], node.count, stays, node.name.encode())

    return sorted(nodes, key=key)


def equals(scores: dict[str, int], ranked: list[Node], current: Node | None) -> list[Node]:
    """Return those of the nodes that only counts can tell from the first, in the order without counts."""
    value = {node.name: scores[node.name] if node.available else -INFINITY for node in ranked}
    best = value[ranked[0].name]
    found = [node for node in ranked if value[node.name] == best]
    return sorted(found, key=lambda node: (node is not current, node.name.encode()))


def compare_capacity(left: Node, right: Node) -> int:
    """Return less than 0 if `left` has more room, attribute by attribute."""
    result = 0
    for name in [*left.utilization, *(n for n in right.utilization if n not in left.utilization)]:
        ours, theirs = left.utilization.get(name, 0), right.utilization.get(name, 0)
        result += (ours < theirs) - (ours > theirs)
    return result


def _balanced(value: dict[str, int], current: Node | None) -> Callable[[Node, Node], int]:
    def compare(left: Node, right: Node) -> int:
        order = value[right.name] - value[left.name] or compare_capacity(left, right)
        order = order or left.count - right.count
        if order:
            return order
        if (left is current) != (right is current):
            return -1 if left is current else 1
        low, high = left.name.encode(), right.name.encode()
        return (low > high) - (low < high)

    return compare
