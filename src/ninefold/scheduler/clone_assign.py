"""Handing out the instances of a clone to nodes, disturbing as few running ones as possible.

Section 11, "Clone": first the instances that can stay, then the others, until there are enough.
"""

from __future__ import annotations

from functools import cmp_to_key
from typing import TYPE_CHECKING

from ninefold.scheduler import assign, scoring, variants
from ninefold.scheduler.assign import current_node
from ninefold.scheduler.colocation import has_influence, this_with, with_this
from ninefold.scheduler.merging import NONNEGATIVE, add_colocated
from ninefold.scheduler.node_rank import rank
from ninefold.scheduler.scores import INFINITY, chained
from ninefold.scheduler.workspace import Variant

if TYPE_CHECKING:
    from ninefold.scheduler.workspace import Colocation, Node, Resource, Workspace


def assign_instances(
    work: Workspace, whole: Resource, instances: list[Resource], most: int, per_node: int
) -> None:
    """Assign up to `most` instances of `whole`, at most `per_node` on one node."""
    available = 0
    whole.counts = dict.fromkeys(whole.scores, 0)
    for name in whole.scores:
        if work.named[name].available:
            available += 1
    optimal = max(1, most // available) if available else 1
    assigned = 0
    for instance in instances:
        if assigned >= most:
            break
        node = _preferred(whole, instance, optimal)
        if node is not None and _keep(
            work, whole, instance, node, per_node=per_node, room=most - assigned
        ):
            assigned += 1
    for instance in instances:
        if instance.is_assigned:
            continue
        if assigned >= most:
            for one in work.nodes:
                scoring.ban(instance, one, "instance-limit", whole.id)
            variants.of(instance).assign(work, instance, None, stop_if_fail=True)
        elif _place(work, whole, instance, None, per_node) is not None:
            assigned += 1


def _preferred(whole: Resource, instance: Resource, optimal: int) -> Node | None:
    """Return where an active instance would like to stay, `None` if it cannot or should not."""
    node = _current(instance)
    if node is None or instance.is_assigned or _failed(instance):
        return None
    if not node.available:
        return None
    if node.name in whole.scores and whole.counts.get(node.name, 0) >= optimal:
        return None
    return node


def _current(instance: Resource) -> Node | None:
    if instance.variant is Variant.PRIMITIVE:
        return current_node(instance)
    return instance.active[0] if instance.active else None


def _failed(instance: Resource) -> bool:
    return instance.failed or any(leaf.failed for leaf in instance.primitives())


def _place(
    work: Workspace, whole: Resource, instance: Resource, prefer: Node | None, per_node: int
) -> Node | None:
    """Assign an instance; without a preferred node it is stopped if there is no place."""
    if instance.is_assigning:
        return None
    _ban_full(work, whole, instance, per_node)
    chosen = variants.of(instance).assign(work, instance, prefer, stop_if_fail=prefer is None)
    if chosen is not None:
        whole.counts[chosen.name] = whole.counts.get(chosen.name, 0) + 1
    return chosen


def _ban_full(work: Workspace, whole: Resource, instance: Resource, per_node: int) -> None:
    for name in list(instance.scores):
        node = work.named[name]
        usable = (
            not instance.removed
            and node.available
            and name in whole.scores
            and whole.scores[name] >= 0
            and whole.counts.get(name, 0) < per_node
        )
        if usable:
            continue
        for one in [instance, *instance.children]:
            if name in one.scores and one.scores[name] > -INFINITY:
                scoring.contribute(one, node, -INFINITY, "instance-limit", whole.id)


def _keep(
    work: Workspace, whole: Resource, instance: Resource, node: Node, *, per_node: int, room: int
) -> bool:
    """Try to leave an instance where it is.

    If it would rather be elsewhere, a place is reserved there and it is asked again: so nodes get
    as many instances as their scores say, and those that are there already come first.
    """
    if instance.scores.get(node.name, -INFINITY) < 0:
        return False
    saved = [(one, dict(one.scores), len(one.contributions)) for one in instance.tree()]
    counts = dict(whole.counts)
    chosen: Node | None = None
    reserved = 0
    while reserved < room:
        chosen = _place(work, whole, instance, node, per_node)
        if chosen is node:
            break
        for one, scores, known in saved:
            one.scores = dict(scores)
            del one.contributions[known:]
        assign.unassign(work, instance)
        _reopen(instance)
        if chosen is None:
            break
        reserved += 1
        chosen = None
    whole.counts = counts
    if chosen is None:
        return False
    whole.counts[chosen.name] = whole.counts.get(chosen.name, 0) + 1
    return True


def _reopen(instance: Resource) -> None:
    for one in instance.tree():
        one.is_assigned = False


def sort_instances(work: Workspace, instances: list[Resource]) -> list[Resource]:
    """Sort instances: those that should keep their place come first."""
    position = {one.id: number for number, one in enumerate(instances)}

    def compare(left: Resource, right: Resource) -> int:
        return compare_instances(work, left, right) or (position[left.id] - position[right.id])

    return sorted(instances, key=cmp_to_key(compare))


def compare_instances(work: Workspace, left: Resource, right: Resource) -> int:
    """Return less than 0 if `left` is assigned before `right`."""
    ours, theirs = len(left.active), len(right.active)
    if ours != theirs and ours > 0 and theirs > 0:
        return ours - theirs
    here, there = _current(left), _current(right)
    allowed = _allowed(left, here), _allowed(right, there)
    if allowed[0] != allowed[1]:
        return -1 if allowed[0] else 1
    if left.priority != right.priority:
        return -1 if left.priority > right.priority else 1
    if (here is None) != (there is None):
        return 1 if here is None else -1
    if here is None or there is None:
        return left.number - right.number
    if here.available != there.available:
        return -1 if here.available else 1
    whole = left.parent
    assert whole is not None
    known = here.name in whole.scores, there.name in whole.scores
    if known[0] != known[1]:
        return -1 if known[0] else 1
    counts = whole.counts.get(here.name, 0), whole.counts.get(there.name, 0)
    if counts[0] != counts[1]:
        return counts[0] - counts[1]
    failed = _failed(left), _failed(right)
    if failed[0] != failed[1]:
        return 1 if failed[0] else -1
    return _by_colocation(work, left, right, here, there) or left.number - right.number


def _allowed(instance: Resource, node: Node | None) -> bool:
    if node is None:
        return True
    return instance.scores.get(node.name, -INFINITY) >= 0


def _by_colocation(
    work: Workspace, left: Resource, right: Resource, here: Node, there: Node
) -> int:
    """Compare what those who have to do with the clone think of the places of two instances."""
    ours = _colocated(work, left, here, there)
    theirs = _colocated(work, right, there, here)
    one, other = ours.get(here.name, -INFINITY), theirs.get(there.name, -INFINITY)
    if one != other:
        return -1 if one > other else 1
    first, second = rank(work, ours, None), rank(work, theirs, None)
    for a, b in zip(first, second, strict=False):
        one, other = ours[a.name], theirs[b.name]
        if one != other:
            return -1 if one > other else 1
    return 0


def _colocated(work: Workspace, instance: Resource, here: Node, other: Node) -> dict[str, int]:
    whole = instance.parent
    assert whole is not None
    scores = {node.name: node.score for node in (here, other)}
    for one in this_with(whole):
        scores = _merged(work, instance, one.primary, scores, one, flags=0)
    for one in with_this(whole):
        if has_influence(one, instance):
            scores = _merged(work, instance, one.dependent, scores, one, flags=NONNEGATIVE)
    return scores


def _merged(
    work: Workspace,
    instance: Resource,
    other: Resource,
    scores: dict[str, int],
    one: Colocation,
    *,
    flags: int,
) -> dict[str, int]:
    factor = chained(1.0, one.score)
    found = add_colocated(work, other, instance, scores, one, factor=factor, flags=flags)
    return scores if found is None else found
