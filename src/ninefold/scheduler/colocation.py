"""Who must, or would rather, run with or away from whom: unpacking, and the lists that decide."""

from __future__ import annotations

from itertools import pairwise, product
from typing import TYPE_CHECKING, Final

from ninefold.scheduler.bundle_model import inner_clone
from ninefold.scheduler.constraints_location import expand, members
from ninefold.scheduler.orders import order
from ninefold.scheduler.relations import IF_REQUIRED_ON_SAME_NODE
from ninefold.scheduler.scores import INFINITY, parse
from ninefold.scheduler.words import Role, boolean, role
from ninefold.scheduler.workspace import Colocation, Variant

if TYPE_CHECKING:
    from lxml.etree import _Element as Element

    from ninefold.scheduler.workspace import Resource, Workspace


# What ends being in a role, and what begins it.
_LEAVING: Final = {
    Role.UNKNOWN: ("stop",), Role.STOPPED: ("stop",), Role.STARTED: ("stop",),
    Role.UNPROMOTED: ("stop", "promote"), Role.PROMOTED: ("demote",),
}  # fmt: skip
_COMING: Final = {
    Role.UNKNOWN: ("start",), Role.STOPPED: ("start",), Role.STARTED: ("start",),
    Role.UNPROMOTED: ("start", "demote"), Role.PROMOTED: ("promote",),
}  # fmt: skip


def add_colocation(
    work: Workspace,
    identity: str,
    dependent: Resource,
    primary: Resource,
    score: int,
    *,
    dependent_role: str | None = None,
    primary_role: str | None = None,
    attribute: str | None = None,
    influence: str | None = None,
    explicit: bool = True,
) -> None:
    """Keep one colocation on both of its ends; a forbidden pair also never overlaps in time."""
    if score == 0 or dependent is primary:
        return
    new = Colocation(
        identity,
        dependent,
        primary,
        score,
        _role(dependent_role),
        _role(primary_role),
        attribute or "#uname",
        boolean(influence, default=dependent.critical),
        explicit,
    )
    work.colocations.append(new)
    # Sorted insertion: a new one stands before those of equal rank.
    dependent.this_with.insert(0, new)
    primary.with_this.insert(0, new)
    dependent.this_with.sort(key=lambda c: rank(c.primary))
    primary.with_this.sort(key=lambda c: rank(c.dependent))
    if score <= -INFINITY:
        _never_overlap(work, new)


def _role(text: str | None) -> Role:
    wanted = role(text)
    return Role.UNKNOWN if wanted is Role.STARTED else wanted


def rank(resource: Resource) -> tuple[int, int, int, str]:
    """Order in which colocations count: priority, kind, promotable first, then by name."""
    return (
        -resource.priority,
        -resource.variant.value,
        0 if resource.variant is Variant.CLONE and resource.promotable else 1,
        resource.id,
    )


def _never_overlap(work: Workspace, one: Colocation) -> None:
    """What must not be together also leaves before the other one comes."""
    ends = ((one.dependent, one.dependent_role), (one.primary, one.primary_role))
    for (first, first_role), (then, then_role) in (ends, ends[::-1]):
        for first_task, then_task in product(_LEAVING[first_role], _COMING[then_role]):
            order(work, (first, first_task), (then, then_task), IF_REQUIRED_ON_SAME_NODE, one.id)


def unpack_colocation(work: Workspace, element: Element) -> None:
    """Read one `<rsc_colocation>`."""
    if element.find("resource_set") is not None:
        _unpack_sets(work, element)
        return
    score = parse(element.get("score"), INFINITY if element.get("score") is None else 0)
    ends = element.get("rsc") or "", element.get("with-rsc") or ""
    if all(end in work.elements and end not in work.by_id for end in ends):
        work.warn(f"{element.get('id')} is ignored: its two ends are templates or tags.")
        return
    for dependent in expand(work, ends[0]):
        for primary in expand(work, ends[1]):
            add_colocation(
                work,
                element.get("id") or "",
                dependent,
                primary,
                score,
                dependent_role=element.get("rsc-role"),
                primary_role=element.get("with-rsc-role"),
                attribute=element.get("node-attribute"),
                influence=element.get("influence"),
            )


def _unpack_sets(work: Workspace, element: Element) -> None:
    outer = element.get("score")
    sets = list(element.iterchildren("resource_set"))
    for one in sets:
        _inside(work, element, one)
    score = parse(outer, INFINITY if outer is None else 0)
    for left, right in pairwise(sets):
        _between(work, element, (left, right), score)


def _inside(work: Workspace, element: Element, one: Element) -> None:
    text = one.get("score") or element.get("score")
    score = parse(text, INFINITY if text is None else 0)
    if not boolean(one.get("sequential"), default=True):
        return
    inside = members(work, one)
    backwards = one.get("ordering") == "listed"
    for number, resource in enumerate(inside):
        earlier = inside[:number] if score < 0 else inside[max(number - 1, 0) : number]
        for other in earlier:
            # In a positive set each member is placed with the one before it.
            pair = (other, resource) if backwards and score > 0 else (resource, other)
            add_colocation(
                work, one.get("id") or "", pair[0], pair[1], score,
                dependent_role=one.get("role"), primary_role=one.get("role"),
                influence=element.get("influence"),
            )  # fmt: skip


def _between(work: Workspace, element: Element, pair: tuple[Element, Element], score: int) -> None:
    dependents, primaries = members(work, pair[0]), members(work, pair[1])
    if boolean(pair[0].get("sequential"), default=True):
        dependents = dependents[:1]
    if boolean(pair[1].get("sequential"), default=True):
        primaries = primaries[-1:]
    for dependent in dependents:
        for primary in primaries:
            add_colocation(
                work, element.get("id") or "", dependent, primary, score,
                dependent_role=pair[0].get("role"), primary_role=pair[1].get("role"),
                influence=element.get("influence"),
            )  # fmt: skip


def has_influence(one: Colocation, primary: Resource | None = None) -> bool:
    """Whether the dependent's wishes count for where the primary goes.

    They do while the primary is not active yet. A connection inside a bundle never moves its
    container, which is expensive, for the sake of itself, which is cheap.
    """
    primary = primary or one.primary
    nested = one.dependent.nested_remote_allowed and one.dependent.remote_connection
    if nested and not primary.failed and len(primary.active) == 1:
        return False
    return one.influence or not primary.active


def this_with(resource: Resource) -> list[Colocation]:
    """Everything `resource` is placed with: its own, and what it inherits."""
    found: list[Colocation] = []
    _collect_this_with(resource, resource, found)
    return sorted(found, key=lambda c: rank(c.primary))


def with_this(resource: Resource) -> list[Colocation]:
    """Everything that is placed with `resource`, or with what it is a part of."""
    found: list[Colocation] = []
    _collect_with_this(resource, resource, found)
    return sorted(found, key=lambda c: rank(c.dependent))


def _collect_this_with(resource: Resource, asked: Resource, found: list[Colocation]) -> None:
    match resource.variant:
        case Variant.PRIMITIVE if resource is not asked:
            found.extend(c for c in resource.this_with if c.explicit)
        case Variant.GROUP:
            _collect_group_this_with(resource, asked, found)
        case Variant.BUNDLE:
            if _bundle_gives(resource, asked):
                found.extend(resource.this_with)
        case _:
            found.extend(resource.this_with)
            if resource.parent is not None:
                _collect_this_with(resource.parent, asked, found)


def _bundle_gives(bundle: Resource, asked: Resource) -> bool:
    """Whether a bundle's constraints count for a part of it.

    They do for its containers, and for what runs inside once roles are being chosen.
    """
    if asked is bundle or any(asked is replica.container for replica in bundle.replicas):
        return True
    inner = inner_clone(bundle)
    if inner is None or inner.clone is None or not inner.promotable or asked.top is not inner:
        return False
    return inner.clone.choosing_roles if asked is inner else asked.is_assigned


def _collect_group_this_with(group: Resource, asked: Resource, found: list[Colocation]) -> None:
    if not group.children:
        return
    if asked is group or asked is group.children[0] or asked not in group.children:
        found.extend(group.this_with)
        if group.parent is not None:
            _collect_this_with(group.parent, asked, found)
        for member in group.children:
            if member is not asked:
                _collect_this_with(member, asked, found)
        return
    # Later members follow the first through the chain, unless an unmanaged one breaks it.
    for member in group.children:
        if member is asked:
            return
        if not member.managed:
            found.extend(c for c in group.this_with if c.score >= INFINITY)
            return


def _collect_with_this(resource: Resource, asked: Resource, found: list[Colocation]) -> None:
    match resource.variant:
        case Variant.PRIMITIVE if resource is not asked:
            found.extend(c for c in resource.with_this if c.explicit)
        case Variant.GROUP:
            if not resource.children or asked not in (resource, resource.children[-1]):
                return
            found.extend(resource.with_this)
            if resource.parent is not None:
                _collect_with_this(resource.parent, asked, found)
            for member in resource.children:
                if member is not asked:
                    _collect_with_this(member, asked, found)
        case Variant.BUNDLE:
            if _bundle_gives(resource, asked):
                found.extend(resource.with_this)
        case _:
            found.extend(resource.with_this)
            if resource.parent is not None:
                _collect_with_this(resource.parent, asked, found)
