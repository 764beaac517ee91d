"""What comes first: unpacking of `<rsc_order>`, with its sets and quotas (section 7)."""

from __future__ import annotations

from itertools import pairwise, product
from typing import TYPE_CHECKING, Final

from ninefold.scheduler.actions import key_of, pseudo
from ninefold.scheduler.constraints_location import expand, members
from ninefold.scheduler.orders import order
from ninefold.scheduler.relations import (
    ASYMMETRIC,
    FIRST_IMPLIES_THEN,
    FIRST_IMPLIES_THEN_GRAPHED,
    MIN_RUNNABLE,
    ORDERED,
    SERIALIZE,
    THEN_IMPLIES_FIRST,
    UNRUNNABLE_FIRST_BLOCKS,
)
from ninefold.scheduler.scores import parse
from ninefold.scheduler.words import boolean
from ninefold.scheduler.workspace import Ordering, Variant

if TYPE_CHECKING:
    from lxml.etree import _Element as Element

    from ninefold.scheduler.workspace import Action, Resource, Workspace

_INVERSE: Final = {
    "start": "stop", "stop": "start", "promote": "demote", "demote": "promote",
    "started": "stopped", "stopped": "started", "running": "stopped",
    "promoted": "demoted", "demoted": "promoted",
}  # fmt: skip
_KINDS: Final = frozenset({"optional", "mandatory", "serialize"})


class _Order:
    """One constraint: its id and what kind of order it is."""

    def __init__(self, element: Element, outer: _Order | None = None) -> None:
        self.kind: str
        self.text: str | None
        self.id = element.get("id") or ""
        kind = (element.get("kind") or "").lower()
        if kind not in _KINDS:
            kind = outer.kind if outer is not None else "mandatory"
            zero = element.get("score") is not None and parse(element.get("score")) == 0
            if element.get("kind") is None and zero:
                kind = "optional"
        self.kind = kind
        text = element.get("symmetrical")
        if text is None and outer is not None:
            text = outer.text
        self.text = text
        self.symmetrical = boolean(text, default=True) and kind != "serialize"

    def forward(self, first_task: str) -> int:
        """Return the relation from first to then."""
        if self.kind == "serialize":
            return ORDERED | SERIALIZE
        if self.kind == "optional":
            return ORDERED
        if not self.symmetrical:
            return ORDERED | ASYMMETRIC
        relation = ORDERED | FIRST_IMPLIES_THEN
        if first_task in {"start", "promote"}:
            relation |= UNRUNNABLE_FIRST_BLOCKS
        return relation

    def backward(self) -> int:
        """Return the relation of the way back, from then's inverse to first's."""
        if self.kind == "mandatory":
            return ORDERED | THEN_IMPLIES_FIRST
        return ORDERED | SERIALIZE if self.kind == "serialize" else ORDERED


def unpack_order(work: Workspace, element: Element) -> None:
    """Read one `<rsc_order>`."""
    one = _Order(element)
    sets = list(element.iterchildren("resource_set"))
    for inner in sets:
        _inside(work, one, inner)
    for left, right in pairwise(sets):
        _between(work, one, (left, right), inverse=False)
        if one.symmetrical:
            _between(work, one, (right, left), inverse=True)
    if sets:
        return
    first_task = (element.get("first-action") or "start").lower()
    then_task = (element.get("then-action") or first_task).lower()
    for first in expand(work, element.get("first") or ""):
        for then in expand(work, element.get("then") or ""):
            _simple(work, element, one, (first, first_task), (then, then_task))


def _simple(
    work: Workspace,
    element: Element,
    one: _Order,
    first: tuple[Resource, str],
    then: tuple[Resource, str],
) -> None:
    relation = one.forward(first[1])
    quota = _quota(first[0], element)
    if quota:
        point = pseudo(work, f"clone-one-or-more:{one.id}")
        point.counts_runnable = True
        point.required_before = quota
        for instance in first[0].children:
            _to_point(work, instance, first[1], point)
        _from_point(work, point, then, relation)
    else:
        order(work, first, then, relation, one.id)
    if not one.symmetrical or first[1] not in _INVERSE or then[1] not in _INVERSE:
        return
    back = (then[0], _INVERSE[then[1]]), (first[0], _INVERSE[first[1]])
    order(work, back[0], back[1], one.backward(), one.id)


def _quota(first: Resource, element: Element) -> int:
    """Return how many instances of a clone must be able to run for what comes after it."""
    if first.variant is not Variant.CLONE or first.clone is None:
        return 0
    if first.clone.minimum > 0:
        return first.clone.minimum
    return 0 if boolean(element.get("require-all"), default=True) else 1


def _to_point(work: Workspace, first: Resource, task: str, point: Action) -> None:
    relation = MIN_RUNNABLE | FIRST_IMPLIES_THEN_GRAPHED
    key = key_of(first.id, task)
    work.orderings.append(Ordering(None, first, key, point, None, point.key, relation))


def _from_point(work: Workspace, point: Action, then: tuple[Resource, str], relation: int) -> None:
    relation |= UNRUNNABLE_FIRST_BLOCKS
    key = key_of(then[0].id, then[1])
    work.orderings.append(Ordering(point, None, point.key, None, then[0], key, relation))


def _inside(work: Workspace, outer: _Order, element: Element) -> None:
    one = _Order(element, outer)
    inside = members(work, element)
    task = (element.get("action") or "start").lower()
    relation = one.forward(task)
    if one.kind == "serialize":
        for number, first in enumerate(inside):
            for then in inside[number + 1 :]:
                order(work, (first, task), (then, task), relation, one.id)
        return
    if not boolean(element.get("sequential"), default=True):
        return
    for first, then in pairwise(inside):
        order(work, (first, task), (then, task), relation, one.id)
    if not one.symmetrical or task not in _INVERSE:
        return
    back = _INVERSE[task]
    for first, then in pairwise(inside):
        order(work, (then, back), (first, back), one.backward(), one.id)


def _between(work: Workspace, one: _Order, pair: tuple[Element, Element], *, inverse: bool) -> None:
    firsts, thens = members(work, pair[0]), members(work, pair[1])
    first_task = (pair[0].get("action") or "start").lower()
    then_task = (pair[1].get("action") or "start").lower()
    if inverse:
        first_task = _INVERSE.get(first_task, first_task)
        then_task = _INVERSE.get(then_task, then_task)
    relation = one.backward() if inverse else one.forward(first_task)
    upwards = first_task not in {"stop", "demote"}
    if upwards and not boolean(pair[0].get("require-all"), default=True):
        # Any one of the first set is enough for all of the second; on the way down all wait.
        point = pseudo(work, f"one-or-more:{pair[0].get('id')}")
        point.counts_runnable = True
        point.required_before = point.required_before or 1
        for first in firsts:
            _to_point(work, first, first_task, point)
        for then in thens:
            _from_point(work, point, (then, then_task), relation)
        return
    # Within a set that says that it is sequential, one end stands for all. Where nothing is said it
    # is too, but all are ordered all the same, as the field does.
    if boolean(pair[0].get("sequential"), default=False):
        firsts = firsts[:1] if inverse else firsts[-1:]
    if boolean(pair[1].get("sequential"), default=False):
        thens = thens[-1:] if inverse else thens[:1]
    for first, then in product(firsts, thens):
        order(work, (first, first_task), (then, then_task), relation, one.id)
