"""What comes first: unpacking of `<rsc_order>` and the orders inside each resource."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Final

from ninefold.scheduler.actions import key_of, plain
from ninefold.scheduler.colocation import add_colocation, members
from ninefold.scheduler.constraints_location import expand
from ninefold.scheduler.scores import INFINITY, parse
from ninefold.scheduler.words import boolean
from ninefold.scheduler.workspace import Ordering, Relation, Variant

if TYPE_CHECKING:
    from lxml.etree import _Element as Element

    from ninefold.scheduler.workspace import Action, Resource, Workspace

_INVERSE: Final = {"start": "stop", "stop": "start", "promote": "demote", "demote": "promote"}


def order(
    work: Workspace,
    first: tuple[Resource, str],
    then: tuple[Resource, str],
    relation: Relation,
    origin: str = "",
) -> None:
    """Order the action `first[1]` of a resource before the action `then[1]` of another."""
    work.orderings.append(
        Ordering(
            None, first[0], key_of(first[0].id, first[1]),
            None, then[0], key_of(then[0].id, then[1]), relation, origin,
        )
    )  # fmt: skip


def unpack_order(work: Workspace, element: Element) -> None:
    """Read one `<rsc_order>`."""
    kind = _kind(element)
    symmetrical = boolean(element.get("symmetrical"), default=kind != "serialize")
    if kind == "serialize":
        symmetrical = False
    if element.find("resource_set") is not None:
        _unpack_sets(work, element, kind, symmetrical=symmetrical)
        return
    first_action = (element.get("first-action") or "start").lower()
    then_action = (element.get("then-action") or first_action).lower()
    for first_name in expand(work, element.get("first") or ""):
        for then_name in expand(work, element.get("then") or ""):
            first, then = work.by_id[first_name], work.by_id[then_name]
            if Variant.UNSUPPORTED in {first.variant, then.variant}:
                work.warn(
                    f"Constraint {element.get('id')} is not applied: {first.id} or {then.id}"
                    " is of a kind that is not supported yet."
                )
                continue
            pair = ((first, first_action), (then, then_action))
            _ordered_pair(work, pair, kind, symmetrical=symmetrical, origin=element.get("id") or "")


def _kind(element: Element) -> str:
    kind = (element.get("kind") or "").lower()
    if kind in {"optional", "mandatory", "serialize"}:
        return kind
    return "optional" if element.get("score") and parse(element.get("score")) == 0 else "mandatory"


def _ordered_pair(
    work: Workspace,
    pair: tuple[tuple[Resource, str], tuple[Resource, str]],
    kind: str,
    *,
    symmetrical: bool,
    origin: str,
) -> None:
    first, then = pair
    order(work, first, then, _relation(kind, first[1], symmetrical=symmetrical), origin)
    if not symmetrical or first[1] not in _INVERSE or then[1] not in _INVERSE:
        return
    back = Relation.ORDERED
    if kind == "mandatory":
        back |= Relation.THEN_IMPLIES_FIRST
    order(work, (then[0], _INVERSE[then[1]]), (first[0], _INVERSE[first[1]]), back, origin)


def _relation(kind: str, first_action: str, *, symmetrical: bool) -> Relation:
    if kind == "serialize":
        return Relation.SERIALIZE
    if kind == "optional":
        return Relation.ORDERED
    if not symmetrical:
        return Relation.ORDERED | Relation.ASYMMETRIC
    relation = Relation.ORDERED | Relation.FIRST_IMPLIES_THEN
    if first_action in {"start", "promote"}:
        relation |= Relation.UNRUNNABLE_FIRST_BLOCKS
    return relation


def _unpack_sets(work: Workspace, element: Element, kind: str, *, symmetrical: bool) -> None:
    origin = element.get("id") or ""
    sets = list(element.iterchildren("resource_set"))
    for one in sets:
        inside = members(work, one)
        set_kind = (one.get("kind") or kind).lower()
        if not boolean(one.get("sequential"), default=True):
            continue
        action = (one.get("action") or "start").lower()
        for first, then in pairwise(inside):
            pair = ((first, action), (then, action))
            _ordered_pair(work, pair, set_kind, symmetrical=symmetrical, origin=origin)
    for left, right in pairwise(sets):
        _between_sets(work, (left, right), kind, symmetrical=symmetrical, origin=origin)


def _between_sets(
    work: Workspace, pair: tuple[Element, Element], kind: str, *, symmetrical: bool, origin: str
) -> None:
    firsts, thens = members(work, pair[0]), members(work, pair[1])
    first_action = (pair[0].get("action") or "start").lower()
    then_action = (pair[1].get("action") or first_action).lower()
    if not boolean(pair[0].get("require-all"), default=True):
        _one_or_more(work, pair, firsts, thens, kind)
        return
    if boolean(pair[0].get("sequential"), default=True):
        firsts = firsts[-1:]
    if boolean(pair[1].get("sequential"), default=True):
        thens = thens[:1]
    for first in firsts:
        for then in thens:
            both = ((first, first_action), (then, then_action))
            _ordered_pair(work, both, kind, symmetrical=symmetrical, origin=origin)


def _one_or_more(
    work: Workspace,
    pair: tuple[Element, Element],
    firsts: list[Resource],
    thens: list[Resource],
    kind: str,
) -> None:
    """Any one of `firsts` is enough for all of `thens`: a meeting point with a quota of one."""
    name = f"one-or-more:{pair[0].get('id')}"
    point = plain(work, name, name, None, "pseudo")
    point.optional = False
    point.required_before = 1
    first_action = (pair[0].get("action") or "start").lower()
    then_action = (pair[1].get("action") or first_action).lower()
    for first in firsts:
        _to_point(work, first, first_action, point)
    relation = Relation.ORDERED
    if kind == "mandatory":
        relation |= Relation.UNRUNNABLE_FIRST_BLOCKS
    for then in thens:
        work.orderings.append(
            Ordering(point, None, "", None, then, key_of(then.id, then_action), relation)
        )


def _to_point(work: Workspace, first: Resource, task: str, point: Action) -> None:
    relation = Relation.MIN_RUNNABLE | Relation.FIRST_IMPLIES_THEN_GRAPHED
    work.orderings.append(Ordering(None, first, key_of(first.id, task), point, None, "", relation))


def internal(work: Workspace, resource: Resource) -> None:
    """Order the actions of one resource among themselves: section 9."""
    if resource.variant is Variant.GROUP:
        _internal_group(work, resource)
    elif resource.variant is Variant.PRIMITIVE and resource.managed:
        order(
            work,
            (resource, "stop"),
            (resource, "start"),
            Relation.ORDERED | Relation.FIRST_IMPLIES_THEN | Relation.INTERMEDIATE_STOP,
        )


def _internal_group(work: Workspace, group: Resource) -> None:
    order(work, (group, "stop"), (group, "stopped"), Relation.ORDERED)
    order(work, (group, "stopped"), (group, "start"), Relation.ORDERED)
    order(work, (group, "start"), (group, "running"), Relation.ORDERED)
    implies = Relation.ORDERED | Relation.FIRST_IMPLIES_THEN | Relation.UNRUNNABLE_FIRST_BLOCKS
    shown = Relation.ORDERED | Relation.THEN_IMPLIES_FIRST_GRAPHED
    ends = Relation.ORDERED | Relation.FIRST_IMPLIES_THEN_GRAPHED
    previous: Resource | None = None
    for member in group.children:
        internal(work, member)
        order(work, (group, "stop"), (member, "stop"), shown)
        order(work, (member, "stop"), (group, "stopped"), ends)
        order(work, (group, "start"), (member, "start"), shown)
        order(work, (member, "start"), (group, "running"), ends)
        if previous is not None:
            if group.ordered:
                order(work, (previous, "start"), (member, "start"), implies)
                order(
                    work,
                    (member, "stop"),
                    (previous, "stop"),
                    Relation.ORDERED | Relation.INTERMEDIATE_STOP,
                )
            if group.colocated:
                # No id: it belongs to the group, not to the operator's constraints.
                add_colocation(work, "", member, previous, INFINITY)
        previous = member
