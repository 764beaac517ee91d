"""Scores as sums that anyone can check: from 0 to the score used, in the engine's order.

The parts are those that the evaluation noted where it decided; here they only get their words. A part
is added to the sum before it, minus infinity beating everything; where the engine put a score in the
place of the sum instead, the part says that it `sets` it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from ninefold.forecast import causes, grounds
from ninefold.scheduler.scores import INFINITY, add

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lxml.etree import _Element as Element

    from ninefold.scheduler.model import Contribution, Placement, Rating, Transition


class Part(msgspec.Struct, frozen=True):
    """One contribution to a score: `score` was added, or `sets` it, which made `total`."""

    score: int
    total: int
    code: str
    origin: str
    sentence: str
    command: str
    sets: bool = False


class Promotion(msgspec.Struct, frozen=True):
    """How fit an instance is to be promoted where it is to run; from 0 on it may be."""

    node: str
    score: int
    chosen: bool
    parts: tuple[Part, ...]


def score_of(placement: Placement, node: str) -> int:
    """Return the score that was used for a node."""
    parts = [one for one in placement.contributions if one.node == node]
    return parts[-1].total if parts else placement.scores.get(node, -INFINITY)


def parts_of(
    root: Element, transition: Transition, placement: Placement, node: str
) -> tuple[Part, ...]:
    """Return the contributions to the score on `node`."""
    given = [one for one in placement.contributions if one.node == node]
    before = _before(given) if given else placement.scores.get(node, -INFINITY)
    parts = _first(root, transition, placement, node, before)
    return (*parts, *_added(root, transition, placement, given, before))


def promotion_of(root: Element, transition: Transition, placement: Placement) -> Promotion | None:
    """Return the score for promotion, `None` for what is not promotable or has no place."""
    rating = placement.rating
    if rating is None or not rating.node:
        return None
    given, before = _account(placement, rating), 0
    parts: tuple[Part, ...] = ()
    if rating.whole:
        before = _before(rating.whole)
        parts = _first(root, transition, placement, rating.node, before)
    return Promotion(
        rating.node,
        rating.score,
        placement.next_role == "promoted",
        (*parts, *_added(root, transition, placement, given, before)),
    )


def _account(placement: Placement, rating: Rating) -> list[Contribution]:
    """Return what an instance brings, in the place of its one part in what its clone is given."""
    if not rating.whole:
        return list(rating.own)
    mine = (placement.resource, f":{placement.resource.rpartition(':')[2]}")
    found: list[Contribution] = []
    entered = False
    for one in rating.whole:
        # Instances of a group bear the group's name and the same number.
        if one.code == "instance" and not entered and one.origin.endswith(mine):
            entered = True
            total = one.total - one.score if abs(one.total) < INFINITY else 0
            own = _moved(rating.own, total)
            found += own if own[-1].total == one.total else [one]
        else:
            found.append(one)
    # What adds up to nothing was not noted.
    return found if entered else [*rating.own, *found]


def _moved(own: Sequence[Contribution], total: int) -> list[Contribution]:
    """Return parts that lead from 0 as parts that lead from `total`."""
    moved = []
    for one in own:
        total = add(total, one.score)
        moved.append(msgspec.structs.replace(one, total=total))
    return moved


def _first(
    root: Element, transition: Transition, placement: Placement, node: str, score: int
) -> tuple[Part, ...]:
    """Return what the node itself brings."""
    if not score:
        return ()
    cause = causes.own_score(root, transition, placement.resource, node)
    return (Part(score, score, cause.code, node, cause.sentence, cause.command),)


def _before(given: Sequence[Contribution]) -> int:
    """Return what the first contribution was added to."""
    first = given[0]
    if abs(first.score) >= INFINITY or abs(first.total) >= INFINITY:
        return 0 if add(0, first.score) == first.total else first.total
    return first.total - first.score


def _added(
    root: Element,
    transition: Transition,
    placement: Placement,
    given: Sequence[Contribution],
    total: int,
) -> list[Part]:
    parts: list[Part] = []
    for one in given:
        cause = grounds.contribution(root, transition, placement, one)
        sets = add(total, one.score) != one.total
        score = one.total if sets else one.score
        words = (cause.code, one.origin, cause.sentence, cause.command)
        parts.append(Part(score, one.total, *words, sets=sets))
        total = one.total
    return parts
