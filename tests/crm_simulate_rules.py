"""How crm_simulate 2.1.5 places resources otherwise than later versions: rules to put in the place of ours.

They were found by watching it decide about documents of a few resources (`crm_simulate -VVVVVV` tells
each step). A difference is explained by a rule only if our engine with that rule in it gives exactly
the answer of 2.1.5. That ours are right is told by the recorded decisions of later versions (`make corpus`).
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations
from typing import TYPE_CHECKING, Any, Final

import msgspec
import pytest

from ninefold.scheduler import (
    assign,
    bundle,
    clone,
    clone_assign,
    group,
    merging,
    primitive,
    promotion,
    propagate,
    scoring,
    variants,
)
from ninefold.scheduler.colocation import has_influence
from ninefold.scheduler.scores import INFINITY, single
from ninefold.scheduler.words import Role
from ninefold.scheduler.workspace import Variant
from tests.crm_simulate import Answer, our_answer

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from types import ModuleType

    from lxml.etree import _Element as Element

    from ninefold.scheduler.workspace import Colocation, Node, Resource, Workspace


_ASSIGN_GROUP: Final = group.Group.assign
_ADD_COLOCATED: Final = merging.add_colocated
_ASSIGN_BUNDLE: Final = bundle.Bundle.assign
_PLACE: Final = clone_assign._place
_COMPARE_INSTANCES: Final = clone_assign.compare_instances


class Rule(msgspec.Struct, frozen=True):
    """One rule of 2.1.5: what it says, and how to put it in the place of ours."""

    name: str
    reason: str
    put_in: Callable[[pytest.MonkeyPatch], None]


def answer_by(rules: Iterable[Rule], root: Element, now: int) -> Answer:
    """Return what our engine decides with these rules in it."""
    with pytest.MonkeyPatch.context() as patch:
        for rule in rules:
            rule.put_in(patch)
        return our_answer(root, now)[0]


def fewest(rules: Sequence[Rule], root: Element, now: int, wanted: Answer) -> tuple[Rule, ...]:
    """Return one rule that leads to the wanted answer, or as few as do so; none if not even all do."""
    for one in rules:
        if answer_by([one], root, now) == wanted:
            return (one,)
    if answer_by(rules, root, now) != wanted:
        # Some rules leave out what others need: two may do where all do not.
        pairs = combinations(rules, 2)
        return next((pair for pair in pairs if answer_by(pair, root, now) == wanted), ())
    kept = list(rules)
    for one in rules:
        others = [rule for rule in kept if rule is not one]
        if answer_by(others, root, now) == wanted:
            kept = others
    return tuple(kept)


def _known_to(module: ModuleType, name: str) -> Callable[..., Any]:
    """Return what a module calls by this name: ours, or what a rule has put in its place."""
    found: Callable[..., Any] = vars(module)[name]
    return found


def _assign_in_one_pass(
    _: primitive.Primitive,
    work: Workspace,
    resource: Resource,
    prefer: Node | None,
    *,
    stop_if_fail: bool,
) -> Node | None:
    """Assign a primitive, all that it is placed with before all that is placed with it."""
    parent = resource.parent
    if parent is not None and not parent.is_assigning:
        variants.of(parent).assign(work, parent, None, stop_if_fail=True)
    if resource.is_assigned or resource.is_assigning:
        return resource.assigned
    resource.is_assigning = True
    for one in _known_to(primitive, "this_with")(resource):
        primitive._place_with(work, resource, one)
    for one in _known_to(primitive, "with_this")(resource):
        merging.add_dependents(work, resource, one)
    if resource.next_role is Role.STOPPED:
        assign.forbid_all(work, resource)
    resource.final_scores = dict(resource.scores)
    assign.print_scores(work, resource, "pcmk__primitive_assign")
    assign.choose(work, resource, prefer, stop_if_fail=stop_if_fail)
    resource.is_assigning = False
    if resource.remote_connection:
        primitive._connection_assigned(work, resource)
    return resource.assigned


def _in_one_pass(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(primitive.Primitive, "assign", _assign_in_one_pass)


def _own_score(factor: float, score: int) -> float:
    """Return the weight of who follows a follower: the score of the last colocation, signed by all."""
    return single(single(score) / single(INFINITY)) * (-1 if factor < 0 else 1)


def _by_the_last_score(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(merging, "chained", _own_score)


def _no_only_choice(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(merging, "_only_choice", lambda _one, _score: False)


def _give(taker: list[Colocation], given: Iterable[Colocation]) -> None:
    taker += [one for one in given if one not in taker]


def _assign_group(
    self: group.Group,
    work: Workspace,
    resource: Resource,
    prefer: Node | None,
    *,
    stop_if_fail: bool,
) -> Node | None:
    """Assign a group; its members get its colocations now, and not earlier."""
    if not resource.is_assigned and not resource.is_assigning and resource.children:
        _give(resource.children[0].this_with, resource.this_with)
        _give(resource.children[-1].with_this, resource.with_this)
        musts = [one for one in resource.this_with if one.mandatory and one.score > 0]
        unmanaged = False
        for member in resource.children:
            if unmanaged:
                own = list(member.this_with)
                member.this_with[:] = musts
                _give(member.this_with, own)
            unmanaged = unmanaged or not member.managed
    return _ASSIGN_GROUP(self, work, resource, prefer, stop_if_fail=stop_if_fail)


def _place(
    work: Workspace, whole: Resource, instance: Resource, prefer: Node | None, per_node: int
) -> Node | None:
    """Assign an instance; colocations of the clone count for it if they must, or not all nodes get one."""
    available = sum(work.named[name].available for name in whole.scores)
    everyone = whole.clone is None or whole.clone.max >= available
    for one in whole.this_with:
        if one.score < 0 or one.mandatory or not everyone:
            instance.this_with.append(one)
    for one in whole.with_this:
        if has_influence(one, instance) and (one.score < 0 or not everyone):
            instance.with_this.append(one)
    return _PLACE(work, whole, instance, prefer, per_node)


def _add_colocated(
    work: Workspace,
    source: Resource,
    target: Resource,
    scores: dict[str, int] | None,
    one: Colocation | None,
    *,
    factor: float,
    flags: int,
) -> dict[str, int] | None:
    """Add what a group wishes by its first member, then what is with its last one, once more if it is both."""
    whole = source.variant is Variant.GROUP and source.children and scores is not None
    if source.merging or not whole:
        return _ADD_COLOCATED(work, source, target, scores, one, factor=factor, flags=flags)
    source.merging = True
    first, last = source.children[0], source.children[-1]
    result = merging.add_colocated(work, first, target, scores, one, factor=factor, flags=flags)
    follow = source.this_with if flags & merging.THIS_WITH else last.with_this
    for further in follow if result is not None else []:
        if flags & merging.ACTIVE and not has_influence(further):
            continue
        other = further.primary if flags & merging.THIS_WITH else further.dependent
        weight = _known_to(merging, "chained")(factor, further.score)
        deeper = merging.add_colocated(
            work, other, target, result, further, factor=weight, flags=flags
        )
        result = result if deeper is None else deeper
    source.merging = False
    return result


def _lists_of_parts(patch: pytest.MonkeyPatch) -> None:
    for module in (merging, primitive, clone, clone_assign, promotion):
        patch.setattr(module, "this_with", lambda resource: list(resource.this_with))
    for module in (merging, primitive, clone, clone_assign, promotion, propagate):
        patch.setattr(module, "with_this", lambda resource: list(resource.with_this))
    for module in (merging, clone_assign, promotion, assign):
        patch.setattr(module, "add_colocated", _add_colocated)
    patch.setattr(group.Group, "assign", _assign_group)
    patch.setattr(clone_assign, "_place", _place)


def _assign_instances(
    work: Workspace, whole: Resource, instances: list[Resource], most: int, per_node: int
) -> None:
    """Assign instances of a clone: who would rather leave a place is asked again after all others."""
    available = sum(work.named[name].available for name in whole.scores)
    optimal = max(1, most // available) if available else 1
    whole.counts = dict.fromkeys(whole.scores, 0)
    assigned = 0
    for instance in instances:
        node = clone_assign._preferred(whole, instance, optimal)
        if assigned < most and node is not None and _stays(work, whole, instance, node, per_node):
            assigned += 1
    for instance in instances:
        if instance.is_assigned:
            continue
        if assigned >= most:
            for one in work.nodes:
                scoring.ban(instance, one, "instance-limit", whole.id)
        elif clone_assign._place(work, whole, instance, None, per_node) is not None:
            assigned += 1


def _stays(work: Workspace, whole: Resource, instance: Resource, node: Node, per_node: int) -> bool:
    """Try to leave an instance where it is; a group that went elsewhere is not called back."""
    if instance.scores.get(node.name, -INFINITY) < 0:
        return False
    scores, counts = dict(instance.scores), dict(whole.counts)
    chosen = clone_assign._place(work, whole, instance, node, per_node)
    if chosen is None:
        assign.refuse(work, instance)
    if chosen is None or chosen is node:
        return chosen is node
    whole.counts = counts
    instance.scores = scores
    if instance.variant is not Variant.GROUP:
        assign.unassign(work, instance)
        clone_assign._reopen(instance)
    return False


def _times_active(instance: Resource) -> int:
    """Return on how many nodes an instance is, counted for each member that nobody manages."""
    unmanaged = [member for member in instance.children if not member.managed]
    return sum(len(member.active) for member in unmanaged) or len(instance.active)


def _compare_instances(work: Workspace, left: Resource, right: Resource) -> int:
    ours, theirs = _times_active(left), _times_active(right)
    if ours != theirs and ours > 0 and theirs > 0:
        return ours - theirs
    return _COMPARE_INSTANCES(work, left, right)


def _shuffle_instances(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(clone, "assign_instances", _assign_instances)
    for module in (clone_assign, promotion):
        patch.setattr(module, "compare_instances", _compare_instances)


def _assign_bundle(
    self: bundle.Bundle,
    work: Workspace,
    resource: Resource,
    prefer: Node | None,
    *,
    stop_if_fail: bool,
) -> Node | None:
    """Assign a bundle; its scores are told once more whenever it is asked for again."""
    if resource.is_assigned:
        assign.print_tree(work, resource, "pcmk__bundle_assign")
    return _ASSIGN_BUNDLE(self, work, resource, prefer, stop_if_fail=stop_if_fail)


def _bundles_again(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(bundle.Bundle, "assign", _assign_bundle)


PLACEMENT: Final = (
    Rule(
        "optional-among-mandatory",
        "Mandatory colocations count before all optional ones since 2.1.6 (honor as many mandatory"
        " colocations as possible before considering any optional ones).",
        _in_one_pass,
    ),
    Rule(
        "weighed-by-the-last-score",
        "What those wish who follow a follower is weighed by the scores of all colocations on the way;"
        " in 2.1.5 by the last one alone, as if the others were mandatory.",
        _by_the_last_score,
    ),
    Rule(
        "apart-from-the-banned",
        "Where one can only be in one place, that speaks for all others to those that avoid it; since"
        " 2.1.7 (compare anti-colocation dependent negative preferences against stickiness).",
        _no_only_choice,
    ),
    Rule(
        "lists-of-parts",
        "What concerns a group concerns its first and its last member before it is assigned too, what"
        " concerns another member concerns the group, and what concerns a clone all its instances. In"
        " 2.1.5 a group's members get its colocations when it is assigned, and instances the optional"
        " ones of their clone only if it has fewer instances than nodes.",
        _lists_of_parts,
    ),
    Rule(
        "instances-shuffled",
        "An instance stays where it is if it can, and no node gets two of a cloned group; since 2.1.7"
        " (avoid shuffling clone instances unnecessarily; clone-node-max now works with cloned groups)."
        " Of unmanaged instances 2.1.5 counts each member as another node.",
        _shuffle_instances,
    ),
    Rule(
        "bundles-told-again",
        "A bundle that was placed because somebody else goes with it is placed once; 2.1.5 begins again when"
        " it is its turn, which tells its scores a second time.",
        _bundles_again,
    ),
)
