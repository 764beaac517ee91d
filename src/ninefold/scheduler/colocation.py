"""Who must, or would rather, run with or away from whom: unpacking, and the lists that decide."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from ninefold.scheduler.actions import key_of
from ninefold.scheduler.constraints_location import expand
from ninefold.scheduler.scores import INFINITY, parse
from ninefold.scheduler.words import Role, boolean, role
from ninefold.scheduler.workspace import Colocation, Ordering, Relation, Variant

if TYPE_CHECKING:
    from lxml.etree import _Element as Element

    from ninefold.scheduler.workspace import Resource, Workspace


def add_colocation(
    work: Workspace,
    identity: str,
    dependent: Resource | None,
    primary: Resource | None,
    score: int,
    *,
    dependent_role: str | None = None,
    primary_role: str | None = None,
    attribute: str | None = None,
    influence: str | None = None,
) -> None:
    """Keep one colocation on both of its ends; a forbidden pair also never overlaps in time."""
    if dependent is None or primary is None or score == 0:
        return
    if Variant.UNSUPPORTED in {dependent.variant, primary.variant}:
        _leave_alone(work, dependent, primary, identity)
        return
    new = Colocation(
        identity,
        dependent,
        primary,
        score,
        role(dependent_role),
        role(primary_role),
        attribute or "#uname",
        boolean(influence, default=dependent.critical),
    )
    work.colocations.append(new)
    dependent.this_with.append(new)
    primary.with_this.append(new)
    dependent.this_with.sort(key=lambda c: _rank(c.primary))
    primary.with_this.sort(key=lambda c: _rank(c.dependent))
    if score <= -INFINITY:
        _never_overlap(work, new)


def _leave_alone(work: Workspace, dependent: Resource, primary: Resource, identity: str) -> None:
    work.warn(
        f"Constraint {identity} between {dependent.id} and {primary.id} is not applied:"
        " one of them is of a kind that is not supported yet."
    )


def _rank(resource: Resource) -> tuple[int, int, str]:
    return (-resource.priority, -resource.variant.value, resource.id)


def _never_overlap(work: Workspace, colocation: Colocation) -> None:
    relation = Relation.IF_BOTH_REQUIRED_ON_SAME_NODE
    pairs = [
        (colocation.dependent, colocation.primary),
        (colocation.primary, colocation.dependent),
    ]
    for first, then in pairs:
        work.orderings.append(
            Ordering(
                None, first, key_of(first.id, "stop"), None, then, key_of(then.id, "start"),
                relation, colocation.id,
            )
        )  # fmt: skip


def unpack_colocation(work: Workspace, element: Element) -> None:
    """Read one `<rsc_colocation>`."""
    if element.find("resource_set") is not None:
        _unpack_sets(work, element)
        return
    identity = element.get("id") or ""
    for dependent in expand(work, element.get("rsc") or ""):
        for primary in expand(work, element.get("with-rsc") or ""):
            add_colocation(
                work,
                identity,
                work.by_id.get(dependent),
                work.by_id.get(primary),
                parse(element.get("score"), INFINITY if element.get("score") is None else 0),
                dependent_role=element.get("rsc-role"),
                primary_role=element.get("with-rsc-role"),
                attribute=element.get("node-attribute"),
                influence=element.get("influence"),
            )


def members(work: Workspace, one: Element) -> list[Resource]:
    """Return the resources of a `<resource_set>`, in order."""
    found = []
    for ref in one.iterchildren("resource_ref"):
        for name in expand(work, ref.get("id") or ""):
            resource = work.by_id.get(name)
            if resource is not None:
                found.append(resource)
    return found


def _unpack_sets(work: Workspace, element: Element) -> None:
    identity = element.get("id") or ""
    outer = element.get("score")
    influence = element.get("influence")
    sets = list(element.iterchildren("resource_set"))
    for one in sets:
        score = parse(one.get("score") or outer, INFINITY)
        inside = members(work, one)
        sequential = boolean(one.get("sequential"), default=True)
        if not sequential:
            continue
        names = (one.get("role"), one.get("role"))
        for number, resource in enumerate(inside):
            earlier = inside[:number] if score < 0 else inside[max(number - 1, 0) : number]
            for other in earlier:
                # In a positive set each member is placed with the one before it.
                add_colocation(
                    work, identity, resource, other, score,
                    dependent_role=names[0], primary_role=names[1], influence=influence,
                )  # fmt: skip
    for left, right in pairwise(sets):
        _between(work, identity, (left, right), parse(outer, INFINITY), influence)


def _between(
    work: Workspace, identity: str, pair: tuple[Element, Element], score: int, influence: str | None
) -> None:
    dependents, primaries = members(work, pair[0]), members(work, pair[1])
    if boolean(pair[0].get("sequential"), default=True):
        dependents = dependents[:1]
    if boolean(pair[1].get("sequential"), default=True):
        primaries = primaries[-1:]
    for dependent in dependents:
        for primary in primaries:
            add_colocation(
                work, identity, dependent, primary, score,
                dependent_role=pair[0].get("role"), primary_role=pair[1].get("role"),
                influence=influence,
            )  # fmt: skip


def effective_this_with(resource: Resource) -> list[Colocation]:
    """Everything `resource` is placed with: its own, and through the group it is in.

    What a group is placed with is decided by its first member; members after it follow.
    """
    result = list(resource.this_with)
    parent = resource.parent
    if parent is not None and parent.variant is Variant.GROUP:
        if parent.children[0] is resource:
            result.extend(effective_this_with(parent))
        elif any(not sibling.is_managed for sibling in _before(parent, resource)):
            result.extend(c for c in effective_this_with(parent) if c.score >= INFINITY)
    elif resource.variant is Variant.GROUP:
        for child in resource.children:
            result.extend(c for c in child.this_with if c.id)
    return sorted(result, key=lambda c: _rank(c.primary))


def effective_with_this(resource: Resource) -> list[Colocation]:
    """Everything that is placed with `resource`; a group's dependents go with its last member."""
    result = list(resource.with_this)
    parent = resource.parent
    if parent is not None and parent.variant is Variant.GROUP and parent.children[-1] is resource:
        result.extend(parent.with_this)
    elif resource.variant is Variant.GROUP:
        for child in resource.children:
            result.extend(c for c in child.with_this if c.id)
    return sorted(result, key=lambda c: _rank(c.dependent))


def _before(group: Resource, member: Resource) -> list[Resource]:
    return group.children[: group.children.index(member)]


def has_role(colocation: Colocation) -> bool:
    """Whether it only counts for promoted instances."""
    return Role.PROMOTED in {colocation.dependent_role, colocation.primary_role}
