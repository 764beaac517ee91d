"""Apply one kind of relation between two actions; for collectives, to the actions of their members.

Interleaved clones and bundles are paired instance by instance on the same node.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias, TypeVar

import msgspec

from ninefold.scheduler import reasons
from ninefold.scheduler.actions import first_with_task, link
from ninefold.scheduler.assign import set_node
from ninefold.scheduler.bundle_model import replica_of
from ninefold.scheduler.collective_flags import base_task, flags_of
from ninefold.scheduler.pairing import compatible_instance, instances_of, state_of
from ninefold.scheduler.relations import (
    ASYMMETRIC,
    CHANGED_FIRST,
    CHANGED_THEN,
    FIRST_ELSE_THEN,
    FIRST_IMPLIES_THEN,
    INTERMEDIATE_STOP,
    OPTIONAL,
    PROMOTED_THEN_IMPLIES_FIRST,
    RUNNABLE,
    THEN_IMPLIES_FIRST,
    UNMIGRATABLE_THEN_BLOCKS,
    UNRUNNABLE_FIRST_BLOCKS,
)
from ninefold.scheduler.words import Role, boolean
from ninefold.scheduler.workspace import Variant

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from ninefold.scheduler.workspace import Action, Node, Resource, Workspace

    _Answer = TypeVar("_Answer")
    # Gives whom to visit before going on, and in the end an answer.
    Visits: TypeAlias = Generator[Action, None, _Answer]


class Rule(msgspec.Struct, frozen=True):
    """One relation to apply: `flags` are first's, `about` says which of them count."""

    relation: int
    flags: int
    about: int


def after(action: Action) -> Iterator[Action]:
    """Give what comes after an action, the newest order first."""
    for edge in reversed(action.after):
        yield edge.then


def update(
    work: Workspace, first: Action, then: Action, node: Node | None, rule: Rule
) -> Visits[int]:
    """Apply `rule` to two actions; for a collective, to the actions of its members on `node`."""
    resource = then.resource
    if resource is None or resource.variant is Variant.PRIMITIVE:
        return (yield from update_pair(first, then, rule))
    if resource.variant is Variant.GROUP:
        changed = yield from update_pair(first, then, rule)
        for member in resource.children:
            inner = first_with_task(member, then.task, node)
            if inner is not None:
                changed |= yield from update(work, first, inner, node, rule)
        return changed
    if _interleaves(first, then):
        return (yield from _update_interleaved(work, first, then, node, rule))
    changed = yield from update_pair(first, then, rule)
    for instance in instances_of(resource):
        inner = first_with_task(instance, then.task, node)
        # An instance that cannot do it in any case needs no further reason.
        if inner is not None and flags_of(inner, node) & RUNNABLE:
            done = yield from update(work, first, inner, node, rule)
            changed |= done
            if done & CHANGED_THEN:
                yield from after(inner)
    return changed


def _interleaves(first: Action, then: Action) -> bool:
    one, other = first.resource, then.resource
    if one is None or other is None or one is other:
        return False
    if one.variant.value < Variant.CLONE.value or other.variant.value < Variant.CLONE.value:
        return False
    down = first.key.endswith(("_stopped_0", "_demoted_0"))
    deciding = one if down else other
    return boolean(deciding.meta.get("interleave"), default=False)


def _update_interleaved(
    work: Workspace, first: Action, then: Action, node: Node | None, rule: Rule
) -> Visits[int]:
    assert first.resource is not None
    assert then.resource is not None
    current = first.key.endswith(("_stopped_0", "_demoted_0"))
    changed = 0
    for instance in list(instances_of(then.resource)):
        partner = compatible_instance(work, instance, first.resource, current=current)
        if partner is None:
            mandatory = rule.relation & (UNRUNNABLE_FIRST_BLOCKS | FIRST_IMPLIES_THEN)
            # It may not come up without a partner; it may go down.
            stops = not current and mandatory
            if stops and set_node(work, instance, None, force=True, stop_if_fail=True):
                changed |= CHANGED_THEN
            continue
        one = _instance_action(first, partner, node, is_first=True)
        other = _instance_action(then, instance, node, is_first=False)
        if one is None or other is None:
            continue
        if link(one, other, rule.relation):
            changed |= CHANGED_FIRST | CHANGED_THEN
        inner = Rule(rule.relation, flags_of(one, node), rule.about)
        changed |= yield from update(work, one, other, node, inner)
    return changed


def _instance_action(
    action: Action, instance: Resource, node: Node | None, *, is_first: bool
) -> Action | None:
    """Return an instance's part in a collective action; of a container, perhaps its content's.

    What comes after a bundle needs what is inside of it, except for stops; what comes after
    something else is the container, except for roles.
    """
    task = base_task(action)
    replica = replica_of(instance)
    if replica is not None and instance is replica.container and replica.child is not None:
        inside = task != "stop" if is_first else task in {"promote", "demote"}
        if inside:
            return first_with_task(replica.child, task)
    where = node if instance.variant is Variant.PRIMITIVE else None
    return first_with_task(instance, task, where)


def update_pair(first: Action, then: Action, rule: Rule) -> Visits[int]:
    """Apply one relation between two actions by themselves; answer which of them changed.

    A member is visited at once: what comes before it inside its group or clone may follow.
    """
    then_before = (then.optional, then.runnable, then.migratable, then.pseudo)
    first_before = (first.optional, first.runnable, first.migratable)
    _require_and_block(first, then, rule)
    _about_migration(first, then, rule)
    if rule.relation & INTERMEDIATE_STOP:
        _restart(first, then, rule.about)
    changed = 0
    if then_before != (then.optional, then.runnable, then.migratable, then.pseudo):
        changed |= CHANGED_THEN
        if then.resource is not None and then.resource.parent is not None:
            yield then
    if first_before != (first.optional, first.runnable, first.migratable):
        changed |= CHANGED_FIRST
    return changed


def _require_and_block(first: Action, then: Action, rule: Rule) -> None:
    relation, flags, about = rule.relation, rule.flags, rule.about
    if relation & ASYMMETRIC:
        _asymmetric(first, then)
    if relation & THEN_IMPLIES_FIRST and not then.optional:
        if about & OPTIONAL and not flags & OPTIONAL and first.optional:
            # The members say so; a stop comes about through the start that it makes way for.
            require(first, then)
        if first.migratable and not then.migratable:
            first.migratable = False
            first.due = first.due or reasons.due("unmigrateable", then, first)
    if relation & PROMOTED_THEN_IMPLIES_FIRST:
        _promoted(first, then)
    blocks = relation & UNRUNNABLE_FIRST_BLOCKS and about & RUNNABLE
    if blocks and then.runnable and not flags & RUNNABLE:
        block(then, first)
        then.migratable = False
    implied = relation & FIRST_IMPLIES_THEN and about & OPTIONAL and not flags & OPTIONAL
    if implied and then.optional and not first.migratable:
        require(then, first)


def _about_migration(first: Action, then: Action, rule: Rule) -> None:
    if not rule.about & OPTIONAL:
        return
    if rule.relation & UNMIGRATABLE_THEN_BLOCKS:
        if not (then.migratable and then.runnable):
            block(first, then)
        if not then.optional:
            first.optional = False
    if rule.relation & FIRST_ELSE_THEN and not first.runnable:
        then.migratable = False
        then.pseudo = False


def require(action: Action, because: Action) -> None:
    """Make an action required for the sake of another."""
    if action.optional:
        action.optional = False
        action.due = action.due or reasons.due("required", because, action)
        action.reasons.append(reasons.because_of(because))


def block(action: Action, because: Action) -> None:
    """Make an action impossible because another is."""
    if not action.runnable:
        return
    action.runnable = False
    action.due = action.due or reasons.due("unrunnable", because, action)
    owner = because.resource.id if because.resource is not None else because.key
    if not action.why_not:
        action.why_not = f"it waits for the {because.task} of {owner}: {because.why_not}"


def _promoted(first: Action, then: Action) -> None:
    resource = then.resource
    if resource is None or resource.role is not Role.PROMOTED or then.optional:
        return
    require(first, then)
    if first.migratable and not then.migratable:
        first.migratable = False


def _asymmetric(first: Action, then: Action) -> None:
    resource = then.resource
    if resource is None or first.runnable:
        return
    role = state_of(resource, current=True)
    if then.task == "stop" and role <= Role.STOPPED:
        return
    here = len(resource.active) == 1 and then.node is resource.active[0]
    if then.optional and then.task == "start" and role >= Role.STARTED and here:
        # It has been started already, whatever becomes of first now.
        return
    then.optional = False
    block(then, first)


def _restart(first: Action, then: Action, about: int) -> None:
    owner = then.resource
    stops = about & RUNNABLE and not then.runnable and owner is not None and owner.managed
    recovers = about & OPTIONAL and not then.optional
    if not stops and not recovers:
        return
    if first.optional and (first.runnable or not then.optional):
        # It makes way for the start: whatever asked for that asks for this.
        require(first, then)
        if stops and not recovers:
            first.reasons.extend(r for r in then.reasons if r not in first.reasons)
    if not first.optional and not first.runnable:
        due = then.due
        block(then, first)
        then.due = due
    if not first.optional and first.migratable and not then.migratable:
        first.migratable = False
        first.due = first.due or reasons.due("unmigrateable", then, first)
