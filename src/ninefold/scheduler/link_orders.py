"""From orderings to edges between the actions that exist: the first half of section 14."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ninefold.scheduler.actions import act, actions_of, find, key_of, link, task_of
from ninefold.scheduler.pairing import compatible_instance, state_of
from ninefold.scheduler.relations import (
    FIRST_IMPLIES_THEN,
    IF_FIRST_UNMIGRATABLE,
    IF_ON_SAME_NODE,
    IF_ON_SAME_NODE_OR_TARGET,
    IF_REQUIRED_ON_SAME_NODE,
    ORDERED,
    UNRUNNABLE_FIRST_BLOCKS,
)
from ninefold.scheduler.words import Role, boolean
from ninefold.scheduler.workspace import Variant

if TYPE_CHECKING:
    from ninefold.scheduler.workspace import Action, Edge, Ordering, Resource, Workspace


def link_orderings(work: Workspace) -> None:
    """Turn every ordering into edges."""
    for ordering in list(work.orderings):
        _link_one(work, ordering)
    for resource in work.resources:
        for leaf in resource.primitives():
            _restarts_wait_for_probes(work, leaf)
    for ordering in work.orderings:
        _stops_wait_for_probes(ordering)


def _link_one(work: Workspace, ordering: Ordering) -> None:
    then_resource = ordering.then_resource
    for first in _firsts(work, ordering):
        if ordering.then is not None:
            thens = [ordering.then]
        elif then_resource is not None:
            thens = _find(then_resource, ordering.then_key)
        else:
            thens = []
        relation = ordering.relation
        if first.dangle and first.resource is then_resource:
            # The stop of a migration's leftover says nothing about the start.
            relation &= ~FIRST_IMPLIES_THEN
        for then in thens:
            link(first, then, relation, configured=bool(ordering.origin))


def _find(resource: Resource, key: str) -> list[Action]:
    return find(resource, key) or find(resource, key_of(resource.id, task_of(key)))


def _firsts(work: Workspace, ordering: Ordering) -> list[Action]:
    if ordering.first is not None:
        return [ordering.first]
    resource = ordering.first_resource
    assert resource is not None
    found = _find(resource, ordering.first_key)
    then = ordering.then_resource
    if found or resource is then:
        return found
    task = task_of(ordering.first_key)
    role = state_of(resource, current=True)
    if task == "stop" and role <= Role.STOPPED:
        return []
    if task == "demote" and role is Role.UNPROMOTED:
        return []
    if not _may_be_created(ordering.first_key, task):
        return []
    # Nobody will do it now: an action without a node stands for that, and cannot run.
    return [act(work, resource, task, None, optional=True)]


def _may_be_created(key: str, task: str) -> bool:
    return not key.endswith("_notify_0") and task != "delete"


def _stops_wait_for_probes(ordering: Ordering) -> None:
    """Whatever waits for a stop also waits for the probes, which may find something to stop."""
    resource = ordering.first_resource
    if resource is None or resource is ordering.then_resource or ordering.relation == 0:
        return
    first, then = ordering.first, ordering.then
    key = first.key if first is not None else ordering.first_key
    if task_of(key) != "stop":
        return
    if then is not None and then.task in {"do_shutdown", "stonith"}:
        # A node may leave unprobed, and is let in before it is probed.
        return
    then_key = then.key if then is not None else ordering.then_key
    inside = resource.launcher is not None and resource.launcher is ordering.then_resource
    if inside and task_of(then_key) == "stop":
        return
    relation = ORDERED | (ordering.relation & (IF_FIRST_UNMIGRATABLE | IF_ON_SAME_NODE))
    if ordering.relation in {IF_REQUIRED_ON_SAME_NODE, IF_ON_SAME_NODE_OR_TARGET}:
        relation = ordering.relation
    probes = actions_of(resource, "monitor")
    if not probes:
        return
    if then is not None:
        thens = [then]
    elif ordering.then_resource is not None:
        thens = find(ordering.then_resource, ordering.then_key)
    else:
        thens = []
    for probe in probes:
        for one in thens:
            link(probe, one, relation)


def _restarts_wait_for_probes(work: Workspace, resource: Resource) -> None:
    """If a probe may make something start, what would restart for that waits to stop."""
    for probe in actions_of(resource, "monitor"):
        for edge in list(probe.after):
            _starts_wait_for_probe(probe, edge)
            _follow(work, probe, edge.then, [])


def _starts_wait_for_probe(probe: Action, edge: Edge) -> None:
    """Let no further instance start while a node cannot tell whether it runs one.

    Those that run are left alone, so this is no order for the clone as a whole.
    """
    clone = edge.then.resource
    if clone is None or clone.clone is None or edge.then.task != "start" or probe.runnable:
        return
    inside = probe.resource is not None and probe.resource.top is clone
    if not inside or edge.relation & UNRUNNABLE_FIRST_BLOCKS:
        return
    for one in list(edge.then.after):
        instance = one.then.resource
        if one.then.task != "start" or instance is None or instance.active:
            continue
        if instance.top is clone:
            link(probe, one.then, ORDERED | UNRUNNABLE_FIRST_BLOCKS)


def _follow(work: Workspace, probe: Action, after: Action, walked: list[Action]) -> None:
    todo = [after]
    while todo:
        after = todo.pop()
        if after.walking:
            continue
        after.walking = True
        walked.append(after)
        _order_restart(probe, after)
        partner = _partner(work, probe, after)
        todo.extend(
            edge.then
            for edge in after.after
            if edge.relation & FIRST_IMPLIES_THEN or _into_member(probe, edge.then, after, partner)
        )
    for one in walked:
        one.walking = False


def _order_restart(probe: Action, after: Action) -> None:
    resource = after.resource
    if resource is None or resource.variant is not Variant.PRIMITIVE or resource is probe.resource:
        return
    undo = {"start": "stop", "promote": "demote"}.get(after.task)
    if undo is None:
        return
    for action in actions_of(resource, undo):
        if not action.pseudo:
            link(probe, action, ORDERED)


def _partner(work: Workspace, probe: Action, after: Action) -> Resource | None:
    resource = after.resource
    if resource is None or resource.clone is None or probe.resource is None:
        return None
    if not boolean(resource.meta.get("interleave"), default=False):
        return None
    return compatible_instance(work, probe.resource, resource)


def _into_member(probe: Action, then: Action, after: Action, partner: Resource | None) -> bool:
    """Whether `then` is of a member of the collective that `after` belongs to."""
    outer, inner = after.resource, then.resource
    if outer is None or inner is None or probe.resource is None:
        return False
    if outer.variant is Variant.PRIMITIVE or inner.variant.value > Variant.GROUP.value:
        return False
    if probe.resource.parent is outer or inner.parent is not outer:
        return False
    interleaved = outer.clone is not None and outer.clone.interleave
    # Of clones that go in pairs, only the instance where the probed resource will be.
    return not interleaved or partner is inner
