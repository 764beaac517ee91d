"""Which instances of a promotable clone are promoted, and in which order that is done.

Agents rate themselves by node attributes (`master-NAME`); constraints about the promoted role and
colocations with it add to that (section 11, "Promotion").
"""

from __future__ import annotations

from functools import cmp_to_key
from typing import TYPE_CHECKING

from ninefold.scheduler import applying, assign, scoring
from ninefold.scheduler.actions import collective
from ninefold.scheduler.clone_assign import compare_instances
from ninefold.scheduler.colocation import has_influence, this_with, with_this
from ninefold.scheduler.merging import ACTIVE, NONNEGATIVE, add_colocated
from ninefold.scheduler.model import Contribution, Rating, ScoreLine
from ninefold.scheduler.notifications import create_for
from ninefold.scheduler.orders import order
from ninefold.scheduler.pairing import location_of, state_of
from ninefold.scheduler.relations import (
    FIRST_IMPLIES_THEN_GRAPHED,
    ORDERED,
    THEN_IMPLIES_FIRST_GRAPHED,
)
from ninefold.scheduler.scores import INFINITY, add, parse, single
from ninefold.scheduler.tickets import forbid_promotion
from ninefold.scheduler.words import Role
from ninefold.scheduler.workspace import Variant

if TYPE_CHECKING:
    from ninefold.scheduler.workspace import Colocation, Node, Resource, Workspace


def score_of(work: Workspace, resource: Resource, node: Node) -> int | None:
    """Return how an instance rates itself on a node, `None` if it does not."""
    if resource.variant is not Variant.PRIMITIVE:
        total: int | None = None
        for child in resource.children:
            score = score_of(work, child, node)
            if score is not None:
                total = add(total or 0, score)
        return total
    if not _counts(resource, node):
        return None
    source = _attribute_node(resource, node)
    if source is None:
        return None
    names = [resource.history_id or resource.id]
    if not resource.unique:
        names.append(resource.config_id)
    for name in names:
        value = source.attributes.get(f"master-{name}")
        if value is not None:
            return parse(value)
    return None


def _attribute_node(resource: Resource, node: Node) -> Node | None:
    """Return whose attributes count, `None` for a container's host if the container has none."""
    connection = node.connection
    target = resource.meta.get("container-attribute-target")
    if target == "host" and node.guest and connection is not None:
        launcher = connection.launcher
        assert launcher is not None
        return launcher.assigned
    return node


def _counts(resource: Resource, node: Node) -> bool:
    """Whether what an agent once said about a node can be taken for this instance."""
    allowed = resource.scores.get(node.name)
    if allowed is None or allowed < 0:
        return False
    clone = resource.top
    if not clone.unique:
        here = next(
            (
                leaf
                for child in clone.children
                for leaf in child.primitives()
                if leaf.config_id == resource.config_id and node in leaf.active
            ),
            None,
        )
        if here is resource:
            return True
        if here is None and _known_to_any(clone, resource, node):
            return True
    if not resource.active and not resource.known_on:
        return True
    return node.name in resource.known_on or node in resource.active


def _known_to_any(clone: Resource, resource: Resource, node: Node) -> bool:
    """Whether some instance was looked for on a node: which one cannot be told apart."""
    return any(
        node.name in leaf.known_on
        for child in clone.children
        for leaf in child.primitives()
        if leaf.config_id == resource.config_id
    )


def add_scores(work: Workspace, clone: Resource) -> None:
    """Let the instances' own ratings count for where they run."""
    facts = clone.clone
    assert facts is not None
    if facts.promotion_scores_added:
        return
    facts.promotion_scores_added = True
    for child in clone.children:
        for name in list(child.scores):
            node = work.node_names[name.lower()]
            if not node.available:
                continue
            score = score_of(work, child, node)
            if score is None or score <= 0:
                continue
            scoring.contribute(child, node, score, "promotion", clone.id)
            child.priority = max(child.priority, score)


def choose_roles(work: Workspace, clone: Resource) -> None:
    """Choose the first so many eligible instances to be promoted."""
    facts = clone.clone
    assert facts is not None
    clone.counts = dict.fromkeys(clone.scores, 0)
    for child in clone.children:
        _rate(work, clone, child)
    _sort(work, clone)
    promoted = 0
    for child in clone.children:
        node = location_of(child)
        where = "" if node is None else node.name
        work.score_lines.append(ScoreLine("promotion", child.id, where, child.promotion_priority))
        chosen = _promotable_on(clone, child) if promoted < facts.promoted_max else None
        if chosen is not None:
            clone.counts[chosen.name] = clone.counts.get(chosen.name, 0) + 1
            promoted += 1
            _promote(child)
        else:
            _leave_unpromoted(child)


def _rate(work: Workspace, clone: Resource, child: Resource) -> None:
    """Say how fit an instance is by itself: its agent's word, locations and primaries of the role."""
    _now_unpromoted(child)
    node = location_of(child)
    where = "" if node is None else node.name
    own: list[Contribution] = []
    following = state_of(child, current=False)
    if following in {Role.STARTED, Role.UNKNOWN}:
        score = None if node is None else score_of(work, child, node)
        child.priority = -1 if score is None else score
        code = "unrated" if score is None else "rating"
        own.append(Contribution(where, child.priority, child.priority, code, _attributes(child)))
    elif following in {Role.UNPROMOTED, Role.STOPPED}:
        child.priority = -INFINITY
        code = "kept-unpromoted" if following is Role.UNPROMOTED else "no-place"
        own.append(Contribution(where, -INFINITY, -INFINITY, code, clone.id))
    for location in [*child.locations, *clone.locations]:
        if location.role is Role.PROMOTED and node is not None and node.name in location.scores:
            score = location.scores[node.name]
            child.priority = add(child.priority, score)
            own.append(Contribution(where, score, child.priority, "location", location.id))
    for one in this_with(child):
        before = child.priority
        applying.apply(work, child, one.primary, one, assign.refuse)
        if child.priority != before:
            own.append(scoring.difference(where, before, child.priority, "colocation", one.id))
    child.promotion_priority = child.priority
    if following is Role.PROMOTED:
        child.promotion_priority = INFINITY
        own = [Contribution(where, INFINITY, INFINITY, "unmanaged", clone.id)]
    child.rating = Rating(where, child.promotion_priority, tuple(own), ())


def _attributes(child: Resource) -> str:
    """Return the node attributes by which the agents of an instance rate it."""
    return " and ".join(f"master-{leaf.config_id}" for leaf in child.primitives())


def _now_unpromoted(resource: Resource) -> None:
    if resource.role is Role.STARTED:
        resource.role = Role.UNPROMOTED
    for child in resource.children:
        _now_unpromoted(child)


def _sort(work: Workspace, clone: Resource) -> None:
    facts = clone.clone
    assert facts is not None
    facts.choosing_roles = True
    for child in clone.children:
        node = location_of(child)
        if child.promotion_priority >= 0 and node is not None and node.name in clone.scores:
            scoring.contribute(clone, node, child.promotion_priority, "instance", child.id)
    for one in with_this(clone):
        if one.primary_role is Role.PROMOTED and has_influence(one):
            _merge(work, clone, one.dependent, one, ACTIVE | NONNEGATIVE)
    forbid_promotion(work, clone)
    for child in clone.children:
        node = location_of(child)
        assert child.rating is not None
        whole: tuple[Contribution, ...] = ()
        if not _managed(child) and state_of(child, current=False) is Role.PROMOTED:
            child.promotion_priority = INFINITY
        elif node is not None and child.promotion_priority >= 0:
            child.promotion_priority = clone.scores.get(node.name, child.promotion_priority)
            whole = tuple(one for one in clone.contributions if one.node == node.name)
        score = child.promotion_priority
        child.rating = Rating(child.rating.node, score, child.rating.own, whole)
    position = {child.id: number for number, child in enumerate(clone.children)}

    def compare(left: Resource, right: Resource) -> int:
        if left.promotion_priority != right.promotion_priority:
            return -1 if left.promotion_priority > right.promotion_priority else 1
        ours, theirs = state_of(left, current=True), state_of(right, current=True)
        if ours is not theirs:
            return -1 if ours > theirs else 1
        return compare_instances(work, left, right) or position[left.id] - position[right.id]

    clone.children.sort(key=cmp_to_key(compare))


def _managed(resource: Resource) -> bool:
    return all(leaf.managed for leaf in resource.primitives())


def _merge(work: Workspace, clone: Resource, other: Resource, one: Colocation, flags: int) -> None:
    factor = single(single(one.score) / single(INFINITY))
    scores = add_colocated(work, other, clone, clone.scores, one, factor=factor, flags=flags)
    if scores is not None:
        scoring.replace(clone, scores, "dependent", one.id)


def _promotable_on(clone: Resource, child: Resource) -> Node | None:
    """Return the node on which an instance may be promoted, `None` if it may not be."""
    facts = clone.clone
    assert facts is not None
    for inner in child.children:
        if _promotable_on(clone, inner) is None:
            return None
    node = location_of(child)
    if node is None:
        return None
    if not child.managed:
        return node if state_of(child, current=True) is Role.PROMOTED else None
    if child.parent is clone and child.promotion_priority < 0:
        return None
    if not node.available or _homeless(node):
        return None
    if node.name not in clone.scores:
        return None
    if clone.counts.get(node.name, 0) >= facts.promoted_node_max:
        return None
    return node


def _homeless(node: Node) -> bool:
    """Whether a node is inside of something that has no place to be."""
    launcher = None if node.connection is None else node.connection.launcher
    return launcher is not None and location_of(launcher) is None


def _promote(resource: Resource) -> None:
    if resource.next_role is Role.UNKNOWN:
        resource.next_role = Role.PROMOTED
    for child in resource.children:
        _promote(child)


def _leave_unpromoted(resource: Resource) -> None:
    if resource.variant is Variant.PRIMITIVE:
        if resource.assigned is None:
            resource.next_role = Role.STOPPED
        elif resource.managed or resource.next_role is not Role.PROMOTED:
            resource.next_role = Role.UNPROMOTED
    for child in resource.children:
        _leave_unpromoted(child)


def create(work: Workspace, clone: Resource) -> None:
    """Create the points where all promotions and demotions begin and end."""
    promoting = demoting = False
    for child in clone.children:
        for leaf in child.primitives():
            for action in leaf.actions:
                if not action.optional:
                    promoting |= action.task == "promote"
                    demoting |= action.task == "demote"
    for task, done, needed in (
        ("promote", "promoted", promoting),
        ("demote", "demoted", demoting),
    ):
        begin = collective(work, clone, task, optional=not needed)
        end = collective(work, clone, done, optional=not needed)
        begin.runnable = end.runnable = True
        end.priority = INFINITY
        create_for(work, clone, task, begin, end)
    for child in clone.children:
        child.priority = clone.priority


def order_inside(work: Workspace, clone: Resource) -> None:
    """Order roles among instances: down before up, and everything inside the clone's points."""
    facts = clone.clone
    assert facts is not None
    for first, then in (
        ("stopped", "start"), ("stopped", "promote"), ("demoted", "start"), ("running", "promote"),
        ("demoted", "stop"), ("demote", "demoted"), ("demoted", "promote"),
    ):  # fmt: skip
        order(work, (clone, first), (clone, then), ORDERED)
    previous: Resource | None = None
    for child in clone.children:
        order(work, (child, "demote"), (child, "promote"), ORDERED)
        order(work, (clone, "promote"), (child, "promote"), ORDERED)
        order(work, (child, "promote"), (clone, "promoted"), ORDERED)
        order(work, (child, "demote"), (clone, "demoted"), FIRST_IMPLIES_THEN_GRAPHED)
        order(work, (clone, "demote"), (child, "demote"), THEN_IMPLIES_FIRST_GRAPHED)
        if facts.ordered and previous is not None:
            order(work, (previous, "promote"), (child, "promote"), ORDERED)
            order(work, (child, "demote"), (previous, "demote"), ORDERED)
        previous = child
