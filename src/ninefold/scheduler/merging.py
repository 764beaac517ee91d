"""What those who want to be with a resource make of the nodes it could run on.

The wishes of dependents count before the resource itself chooses, so that it goes where they can
follow. Scores are weighed by the factor of each colocation on the way, in 32-bit arithmetic
(section 11, "Adding dependents' preferences").
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ninefold.scheduler import scoring
from ninefold.scheduler.colocation import has_influence, this_with, with_this
from ninefold.scheduler.scores import INFINITY, add, chained, scaled, single
from ninefold.scheduler.workspace import Variant

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ninefold.scheduler.workspace import Colocation, Node, Resource, Workspace

# Follow what the source is placed with, instead of what is placed with it.
THIS_WITH: Final = 1
# Drop a contribution that leaves no node; heed only colocations with influence.
ACTIVE: Final = 2
# A wish may make a node less attractive, but never unattractive.
NONNEGATIVE: Final = 4
# Marks a node whose positive score a wish would have made negative.
_PARKED: Final = -2 * INFINITY


def any_available(work: Workspace, scores: dict[str, int]) -> bool:
    """Whether a node that may be used has an acceptable score."""
    for name, score in scores.items():  # noqa: SIM110 - asked tens of thousands of times
        if score >= 0 and work.named[name].available:
            return True
    return False


def attribute_of(node: Node, attribute: str, resource: Resource) -> str | None:
    """Return the value by which a colocation compares nodes."""
    target = resource.meta.get("container-attribute-target")
    connection = node.connection
    # What is inside of a bundle is where the container is, as far as others are concerned.
    inside_bundle = node.bundle_node and resource.top is not resource.outermost
    inside_bundle = inside_bundle and resource.top.clone is not None
    host_wanted = inside_bundle or (target == "host" and attribute != "#uname")
    if host_wanted and node.guest and connection is not None and connection.launcher is not None:
        launcher = connection.launcher
        host = launcher.assigned or (launcher.active[0] if launcher.active else None)
        if host is not None:
            return host.attributes.get(attribute)
    return node.attributes.get(attribute)


def add_dependents(work: Workspace, primary: Resource, one: Colocation) -> None:
    """Let the dependent of `one` have a say in where `primary` goes."""
    if not has_influence(one):
        return
    flags = ACTIVE | (NONNEGATIVE if primary.variant is Variant.CLONE else 0)
    factor = single(one.score / INFINITY)
    scores = add_colocated(
        work, one.dependent, primary, primary.scores, one, factor=factor, flags=flags
    )
    if scores is not None:
        scoring.replace(primary, scores, "dependent", one.id or one.dependent.id)


def add_colocated(
    work: Workspace,
    source: Resource,
    target: Resource,
    scores: dict[str, int] | None,
    one: Colocation | None,
    *,
    factor: float,
    flags: int,
) -> dict[str, int] | None:
    """Return `scores` with the wishes of `source` and of those that follow it, `None` for none.

    Without `scores` the source's own are taken to begin with.
    """
    if source.merging:
        return None
    if source.variant is Variant.GROUP:
        if not source.children:
            return None
        source.merging = True
        member = source.children[-1] if scores is None else source.children[0]
        result = add_colocated(work, member, target, scores, one, factor=factor, flags=flags)
        source.merging = False
        return result
    source.merging = True
    try:
        return _merged(work, source, target, scores, one, factor=factor, flags=flags)
    finally:
        source.merging = False


def _merged(
    work: Workspace,
    source: Resource,
    target: Resource,
    scores: dict[str, int] | None,
    one: Colocation | None,
    *,
    factor: float,
    flags: int,
) -> dict[str, int] | None:
    if scores is None:
        result, target = dict(source.scores), source
    else:
        assert one is not None
        pair = source, target
        result = _weighted(work, dict(scores), pair, one, factor=factor, flags=flags)
    if not any_available(work, result):
        if flags & ACTIVE:
            return None
    else:
        follow = this_with(source) if flags & THIS_WITH else with_this(source)
        for further in follow:
            if flags & ACTIVE and not has_influence(further):
                continue
            other = further.primary if flags & THIS_WITH else further.dependent
            weight = chained(factor, further.score)
            deeper = add_colocated(work, other, target, result, further, factor=weight, flags=flags)
            if deeper is not None:
                result = deeper
    if flags & NONNEGATIVE:
        for name, score in result.items():
            if score == _PARKED:
                result[name] = 1
    return result


def _weighted(
    work: Workspace,
    result: dict[str, int],
    pair: tuple[Resource, Resource],
    one: Colocation,
    *,
    factor: float,
    flags: int,
) -> dict[str, int]:
    wishes = _wishes(work, result, pair, one.attribute)
    for (name, current), score in zip(result.items(), wishes, strict=True):
        if factor < 0 and score < 0 and not _only_choice(one, score):
            continue
        if current == _PARKED:
            continue
        delta = scaled(score, factor)
        new = add(delta, current)
        if flags & NONNEGATIVE and new < 0 and current >= 0:
            result[name] = _PARKED if current > 0 else 0
        else:
            result[name] = new
    return result


def _wishes(
    work: Workspace, names: Iterable[str], pair: tuple[Resource, Resource], attribute: str
) -> list[int]:
    """Return, for each node of the second of `pair`, the first's best score on one like it."""
    source, target = pair
    if attribute == "#uname" and not source.outermost.replicas and not target.outermost.replicas:
        # The usual case: every node has a value of its own.
        return [
            score
            if (score := source.scores.get(name, -INFINITY)) > -INFINITY
            and work.named[name].available
            else -INFINITY
            for name in names
        ]
    best = _best_by_value(work, source, attribute)
    values = [attribute_of(work.named[name], attribute, target) for name in names]
    return [best.get(None if value is None else value.lower(), -INFINITY) for value in values]


def _best_by_value(work: Workspace, source: Resource, attribute: str) -> dict[str | None, int]:
    best: dict[str | None, int] = {}
    for name, score in source.scores.items():
        node = work.named[name]
        if not node.available:
            continue
        value = attribute_of(node, attribute, source)
        key = value.lower() if value is not None else None
        if score > best.get(key, -INFINITY):
            best[key] = score
    return best


def _only_choice(one: Colocation, score: int) -> bool:
    """Whether a dependent's dislike of a node counts for one that it must stay away from.

    Only if it has no other choice than where that one is, and nothing keeps that one there.
    """
    if one.primary.stickiness >= -score or not has_influence(one):
        return False
    allowed = [value for value in one.dependent.scores.values() if value >= 0]
    return len(allowed) == 1
