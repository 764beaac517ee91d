"""What a colocation means for its dependent, now that it is known where its primary goes.

Section 11, "Applying a colocation to the dependent's scores". Nothing is decided here: scores (or
the priority for promotion) of the dependent change.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING

from ninefold.scheduler import reasons, scoring
from ninefold.scheduler.bundle_model import inner_clone, replica_of
from ninefold.scheduler.merging import any_available, attribute_of
from ninefold.scheduler.pairing import compatible_instance, location_of
from ninefold.scheduler.scores import INFINITY, add
from ninefold.scheduler.words import Role, boolean
from ninefold.scheduler.workspace import Variant

if TYPE_CHECKING:
    from collections.abc import Callable

    from ninefold.scheduler.workspace import Colocation, Node, Resource, Workspace

    Refuse = Callable[[Workspace, Resource], None]


class Influence(Enum):
    """What a colocation can change about its dependent at this point."""

    NOTHING = "it is about something else, or it is too late"
    PLACE = "the nodes where the dependent may run"
    ROLE = "the priority with which the dependent is promoted"


def affects(
    dependent: Resource, primary: Resource, one: Colocation, *, preview: bool = False
) -> Influence:
    """Say what `one` changes about `dependent`, given how far the assignment has come."""
    if not preview and not primary.is_assigned:
        return Influence.NOTHING
    dependent_role = _role_holder(dependent)
    primary_role = _role_holder(primary)
    if _rates(dependent_role, one):
        return Influence.ROLE
    if not preview and dependent.is_assigned:
        return Influence.NOTHING
    wanted = one.dependent_role
    # An instance to be kept away counts unless it is known to get the very role, which its
    # priority then answers for; a container has no role, and only what is in it may have got one.
    away = one.score < 0 and dependent_role is dependent
    if wanted is not Role.UNKNOWN and (wanted is dependent_role.next_role) is away:
        return Influence.NOTHING
    wanted = one.primary_role
    if wanted is not Role.UNKNOWN and wanted is not primary_role.next_role:
        return Influence.NOTHING
    return Influence.PLACE


def _rates(dependent: Resource, one: Colocation) -> bool:
    """Whether `one` is about the role of an instance that has its place.

    All of a group is promoted, so it is the group that is rated; one that is not to be promoted by its
    members' own word is not for being near somebody.
    """
    parent = dependent.parent
    promotable = parent is not None and parent.promotable
    rated = dependent.variant is not Variant.GROUP or dependent.priority >= 0
    return one.dependent_role >= Role.UNPROMOTED and promotable and dependent.is_assigned and rated


def _role_holder(resource: Resource) -> Resource:
    """Return who has the role: for a container, what runs inside of it."""
    if resource.bundled and resource.parent is not None and resource.parent.replicas:
        replica = replica_of(resource)
        if replica is not None and replica.container is resource and replica.child is not None:
            return replica.child
    return resource


def apply(
    work: Workspace, dependent: Resource, primary: Resource, one: Colocation, refuse: Refuse
) -> None:
    """Apply `one` to `dependent`, whatever it is; `refuse` takes all places from a resource."""
    if dependent.variant is Variant.GROUP and not _rates(dependent, one):
        if dependent.colocated:
            # The rest of the group follows the first.
            if dependent.children:
                apply(work, dependent.children[0], primary, one, refuse)
        elif one.score < INFINITY:
            for member in dependent.children:
                apply(work, member, primary, one, refuse)
        return
    _apply_for_primary(work, dependent, primary, one, refuse)


def _apply_for_primary(
    work: Workspace, dependent: Resource, primary: Resource, one: Colocation, refuse: Refuse
) -> None:
    match primary.variant:
        case Variant.PRIMITIVE:
            match affects(dependent, primary, one):
                case Influence.PLACE:
                    to_scores(work, dependent, primary, one)
                case Influence.ROLE:
                    to_priority(dependent, primary, one)
                case Influence.NOTHING:
                    pass
        case Variant.GROUP:
            if not primary.is_assigned or not primary.children:
                return
            if primary.colocated:
                # Who must be with it needs all of it; else it is where any part of it is.
                member = primary.children[-1 if one.score >= INFINITY else 0]
                _apply_for_primary(work, dependent, member, one, refuse)
            elif one.score < INFINITY:
                for member in primary.children:
                    _apply_for_primary(work, dependent, member, one, refuse)
        case Variant.CLONE:
            _apply_for_clone(work, dependent, primary, one, refuse)
        case Variant.BUNDLE:
            _apply_for_bundle(work, dependent, primary, one, refuse)


def _apply_for_clone(
    work: Workspace, dependent: Resource, primary: Resource, one: Colocation, refuse: Refuse
) -> None:
    if not primary.is_assigned:
        return
    if primary.promotable and one.primary_role is not Role.UNKNOWN:
        if not dependent.is_assigned:
            _near_role(work, dependent, primary, one, refuse)
        elif one.dependent_role is Role.PROMOTED:
            _promotion_near_role(work, dependent, primary, one)
        return
    if interleaves(one):
        instance = compatible_instance(work, dependent, primary)
        if instance is not None:
            apply(work, dependent, instance, one, refuse)
        elif one.score >= INFINITY:
            refuse(work, dependent)
        return
    if one.score >= INFINITY:
        allowed = []
        for instance in primary.children:
            node = location_of(instance)
            if node is not None and not _blocked(instance):
                allowed.append(node)
        _only_on(work, dependent, allowed, one)
        return
    for instance in primary.children:
        _apply_for_primary(work, dependent, instance, one, refuse)


def _apply_for_bundle(
    work: Workspace, dependent: Resource, primary: Resource, one: Colocation, refuse: Refuse
) -> None:
    if not primary.is_assigned:
        return
    if one.dependent.variant.value > Variant.GROUP.value:
        # Instances go with replicas on the same node, whether or not they are interleaved.
        place = _place_holder(dependent)
        container = compatible_instance(work, place, primary)
        if container is not None:
            apply(work, dependent, container, one, refuse)
        elif one.score >= INFINITY and not dependent.is_assigned:
            refuse(work, dependent)
        return
    allowed = []
    for replica in primary.replicas:
        container = replica.container
        if one.score < INFINITY:
            _apply_for_primary(work, dependent, container, one, refuse)
            continue
        node = location_of(container)
        if node is None or container.blocked:
            continue
        wanted = one.primary_role
        if wanted >= Role.PROMOTED and (
            replica.child is None or replica.child.next_role is not Role.PROMOTED
        ):
            continue
        allowed.append(node)
    if one.score >= INFINITY:
        _only_on(work, dependent, allowed, one)


def _place_holder(resource: Resource) -> Resource:
    """Return whose node counts: what runs inside of a container is where that is."""
    replica = replica_of(resource)
    return resource if replica is None or replica.child is not resource else replica.container


def interleaves(one: Colocation) -> bool:
    """Whether instances of the dependent go with those of the primary on the same node."""
    dependent, primary = one.dependent, one.primary
    if dependent.variant.value < Variant.CLONE.value or primary.variant.value < Variant.CLONE.value:
        return False
    if not boolean(dependent.meta.get("interleave"), default=False):
        return False
    return per_node(dependent) == per_node(primary)


def per_node(resource: Resource) -> int:
    """Return how many instances may run on one node."""
    if resource.clone is not None:
        return resource.clone.node_max
    inner = inner_clone(resource)
    return inner.clone.node_max if inner is not None and inner.clone is not None else 1


def _blocked(resource: Resource) -> bool:
    return any(leaf.blocked for leaf in resource.primitives())


def _only_on(work: Workspace, dependent: Resource, allowed: list[Node], one: Colocation) -> None:
    for name in list(dependent.scores):
        node = work.node_names[name.lower()]
        if node not in allowed:
            scoring.contribute(dependent, node, -INFINITY, "colocation", one.id)


def _near_role(
    work: Workspace, dependent: Resource, primary: Resource, one: Colocation, refuse: Refuse
) -> None:
    """Place the dependent with the instances of the primary that have the role asked for."""
    allowed = []
    for instance in primary.children:
        node = location_of(instance)
        if node is None or _next_state(instance) is not one.primary_role:
            continue
        if one.score < INFINITY:
            apply(work, dependent, instance, one, refuse)
        allowed.append(node)
    both = one.dependent_role is Role.PROMOTED and one.primary_role is Role.PROMOTED
    if one.score < INFINITY or both:
        # Promoted with promoted: where neither is promoted the dependent may still start.
        return
    for instance in primary.children:
        node = location_of(instance)
        if _next_state(instance) is not one.primary_role or node is None:
            continue
        if node.name in dependent.scores:
            score = _score_at(instance, node)
            scoring.contribute(dependent, node, score, "colocation", one.id)
    _only_on(work, dependent, allowed, one)


def _score_at(instance: Resource, node: Node) -> int:
    """Return how much an instance wanted to be where it has been put.

    What is not managed stays where it is, whatever it wants.
    """
    leaf = instance.primitives()[0]
    if not leaf.managed:
        return node.score
    return leaf.scores.get(node.name, 0)


def _next_state(resource: Resource) -> Role:
    leaves = resource.primitives()
    return max((leaf.next_role for leaf in leaves), default=Role.UNKNOWN)


def _promotion_near_role(
    work: Workspace, dependent: Resource, primary: Resource, one: Colocation
) -> None:
    if _has_partner(work, dependent, primary, one):
        dependent.priority = add(dependent.priority, one.score)
    elif one.score >= INFINITY:
        dependent.priority = -INFINITY


def _has_partner(work: Workspace, dependent: Resource, primary: Resource, one: Colocation) -> bool:
    """Whether an instance of the primary will have the role, as near as the constraint says."""
    if one.attribute == "#uname":
        partner = compatible_instance(work, dependent, primary, role=one.primary_role)
        return partner is not None
    node = location_of(dependent)
    if node is None:
        return False
    value = attribute_of(node, one.attribute, dependent)
    for instance in primary.children:
        where = location_of(instance)
        if where is None or _blocked(instance) or _next_state(instance) is not one.primary_role:
            continue
        if attribute_of(where, one.attribute, instance) == value:
            return True
    return False


def to_scores(work: Workspace, dependent: Resource, primary: Resource, one: Colocation) -> None:
    """Change the scores of `dependent` by where `primary` has been put."""
    target = primary.assigned
    if target is None and one.score < 0:
        return
    value = None if target is None else attribute_of(target, one.attribute, primary)
    updated = dict(dependent.scores)
    for name, score in dependent.scores.items():
        node = work.node_names[name.lower()]
        if target is None:
            updated[name] = add(score, -one.score)
            continue
        other = attribute_of(node, one.attribute, dependent)
        same = (value or "").lower() == (other or "").lower() and (value is None) == (other is None)
        if same and one.score < INFINITY:
            updated[name] = add(score, one.score)
        elif not same and one.score >= INFINITY:
            updated[name] = -INFINITY
    if one.mandatory or any_available(work, updated):
        scoring.replace(dependent, updated, "colocation", one.id or primary.id)
        if one.explicit and target is not None:
            dependent.placement_reasons.append(reasons.colocation(one, target.name))


def to_priority(dependent: Resource, primary: Resource, one: Colocation) -> None:
    """Change how willingly `dependent` is promoted by where `primary` is."""
    place = location_of(dependent)
    if primary.assigned is None or place is None:
        return
    here = attribute_of(place, one.attribute, dependent)
    there = attribute_of(primary.assigned, one.attribute, primary)
    if (here or "").lower() != (there or "").lower():
        if one.score >= INFINITY and one.dependent_role is Role.PROMOTED:
            dependent.priority = -INFINITY
        return
    wanted = one.primary_role
    if wanted is not Role.UNKNOWN and wanted is not _role_holder(primary).next_role:
        return
    sign = -1 if one.dependent_role is Role.UNPROMOTED else 1
    dependent.priority = add(dependent.priority, sign * one.score)
