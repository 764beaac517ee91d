"""What those who want to be with a resource make of the nodes it could run on.

The wishes of dependents count before the resource itself chooses, so that it goes where they can
follow. Scores are weighed by the factor of each colocation on the way, in 32-bit arithmetic.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ninefold.scheduler.colocation import effective_with_this, has_role
from ninefold.scheduler.scores import INFINITY, add, scaled, single
from ninefold.scheduler.workspace import Variant

if TYPE_CHECKING:
    from ninefold.scheduler.workspace import Colocation, Resource, Workspace


def add_preferences(
    work: Workspace, resource: Resource, dependent: Resource, one: Colocation, factor: float
) -> None:
    """Add to the scores of `resource` what `dependent` and its own dependents prefer.

    Without any usable node in the result the contribution is dropped.
    """
    merged = merge(work, dict(resource.scores), dependent, one, factor)
    if merged is not None:
        resource.scores = merged


def merge(
    work: Workspace, scores: dict[str, int], source: Resource, one: Colocation, factor: float
) -> dict[str, int] | None:
    """Return `scores` with the preferences of `source`, or `None` if that leaves no node."""
    if source.variant is Variant.GROUP:
        # A group's wishes enter at its last member and come in through the chain to the first.
        return merge(work, scores, source.children[0], one, factor) if source.children else None
    if source.merging:
        return None
    source.merging = True
    try:
        result = _weighted(work, scores, source, one.attribute, factor)
        if not _usable(work, result):
            return None
        for further in effective_with_this(source):
            if has_role(further) or not further.influence or further is one:
                continue
            next_factor = single(single(factor) * single(further.score / INFINITY))
            deeper = merge(work, result, further.dependent, further, next_factor)
            if deeper is not None:
                result = deeper
        return result
    finally:
        source.merging = False


def _weighted(
    work: Workspace, scores: dict[str, int], source: Resource, attribute: str, factor: float
) -> dict[str, int]:
    result = dict(scores)
    for node in work.nodes:
        if node.name not in result:
            continue
        value = node.attributes.get(attribute)
        candidates = [
            source.scores[other.name]
            for other in work.nodes
            if other.name in source.scores and other.attributes.get(attribute) == value
        ]
        best = max(candidates, default=-INFINITY)
        if factor < 0 and best < 0:
            # Being kept off a node by somebody who does not want it either says nothing.
            continue
        result[node.name] = add(result[node.name], _times(best, factor))
    return result


def _times(score: int, factor: float) -> int:
    product = scaled(score, factor)
    return max(-INFINITY, min(INFINITY, product))


def _usable(work: Workspace, scores: dict[str, int]) -> bool:
    return any(
        node.available and scores.get(node.name, -INFINITY) > -INFINITY for node in work.nodes
    )
