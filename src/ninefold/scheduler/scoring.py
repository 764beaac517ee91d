"""Every change of a score, with its origin: contributions that add up to the score used.

All changes of scores before and during assignment go through here, so that whoever asks why a
resource is where it is gets the sum and its parts from the evaluation that decided.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ninefold.scheduler.model import Contribution
from ninefold.scheduler.scores import INFINITY, add

if TYPE_CHECKING:
    from ninefold.scheduler.workspace import Node, Resource, Workspace


def contribute(resource: Resource, node: Node, score: int, code: str, origin: str) -> None:
    """Add `score` on `node`; a node without a score yet begins with its own."""
    before = resource.scores.get(node.name, node.score)
    after = add(before, score)
    resource.scores[node.name] = after
    # What comes once a score has been used is about something else, and no part of it.
    if after != before and not _used(resource):
        resource.contributions.append(Contribution(node.name, score, after, code, origin))


def _used(resource: Resource) -> bool:
    """Has a primitive been given its place?"""
    placed = resource.is_assigned and not resource.is_assigning
    return placed and bool(resource.final_scores) and not resource.children


def insert(resource: Resource, node: Node, score: int, code: str, origin: str) -> None:
    """Add `score` on `node`; a node without a score yet gets just this one."""
    if node.name in resource.scores:
        contribute(resource, node, score, code, origin)
        return
    resource.scores[node.name] = score
    if score:
        resource.contributions.append(Contribution(node.name, score, score, code, origin))


def ban(resource: Resource, node: Node, code: str, origin: str) -> None:
    """Keep `resource` and everything in it off `node`."""
    for one in resource.tree():
        contribute(one, node, -INFINITY, code, origin)


def ban_everywhere(work: Workspace, resource: Resource, code: str, origin: str) -> None:
    """Keep `resource` and everything in it off all nodes."""
    for node in work.nodes:
        ban(resource, node, code, origin)


def settle(resource: Resource, node: str, score: int, code: str, origin: str) -> None:
    """Put `score` in the place of what was there before."""
    before = resource.scores.get(node, 0)
    if score != before:
        resource.scores[node] = score
        resource.contributions.append(difference(node, before, score, code, origin))


def replace(resource: Resource, scores: dict[str, int], code: str, origin: str) -> None:
    """Take `scores` over, noting for each node what that changed."""
    before = resource.scores
    for name, after in scores.items():
        old = before.get(name)
        if old is None or old != after:
            resource.contributions.append(difference(name, old or 0, after, code, origin))
    resource.scores = scores


def difference(node: str, before: int, after: int, code: str, origin: str) -> Contribution:
    """Return what was added, given the score before and after."""
    delta = max(-INFINITY, min(after - before, INFINITY))
    if abs(after) >= INFINITY:
        delta = after
    return Contribution(node, delta, after, code, origin)
