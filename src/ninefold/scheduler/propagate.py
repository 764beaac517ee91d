"""From orderings to edges, and from edges to what must, may and cannot be done: section 14.

Flags only ever move one way (optional to required, runnable to unrunnable), so working off a queue
of changed actions ends, and its result does not depend on the order of the visits.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final

from ninefold.scheduler import reasons
from ninefold.scheduler.actions import act
from ninefold.scheduler.fencing import link
from ninefold.scheduler.scores import INFINITY
from ninefold.scheduler.words import Role
from ninefold.scheduler.workspace import Relation, Variant

if TYPE_CHECKING:
    from collections.abc import Callable

    from ninefold.scheduler.workspace import Action, Edge, Ordering, Resource, Workspace

_COMPLETED: Final = {
    "start": "running",
    "stop": "stopped",
    "promote": "promoted",
    "demote": "demoted",
}
_BEGUN: Final = {completed: task for task, completed in _COMPLETED.items()}


def link_orderings(work: Workspace) -> None:
    """Turn every ordering into edges between the actions that exist."""
    for ordering in work.orderings:
        firsts = _firsts(work, ordering)
        thens = _thens(ordering)
        for then in thens:
            for first in firsts:
                _link(ordering, first, then)
            for probe in _probes_before(ordering):
                _link_probe(ordering, probe, then)

    _link_colocated(work)


def _link_colocated(work: Workspace) -> None:
    """Who must run with somebody does not start if that one cannot."""
    for one in work.colocations:
        if one.score < INFINITY or not one.id:
            continue
        for dependent in one.dependent.primitives()[:1]:
            for primary in one.primary.primitives():
                for then in _starts(dependent):
                    for first in _starts(primary):
                        link(first, then, Relation.COLOCATED)


def _starts(resource: Resource) -> list[Action]:
    return [action for action in resource.actions if action.task == "start"]


def _probes_before(ordering: Ordering) -> list[Action]:
    """Whatever waits for a stop also waits for the probes, which may find something to stop."""
    resource = ordering.first_resource
    if resource is None or not ordering.first_key.endswith("_stop_0"):
        return []
    if ordering.then is not None:
        return []
    return [
        action
        for leaf in resource.primitives()
        for action in leaf.actions
        if action.task == "monitor" and action.interval_ms == 0 and not action.optional
    ]


def _link_probe(ordering: Ordering, probe: Action, then: Action) -> None:
    if Relation.IF_BOTH_REQUIRED_ON_SAME_NODE in ordering.relation and (
        probe.node is not then.node
    ):
        return
    link(probe, then, Relation.ORDERED)


def _firsts(work: Workspace, ordering: Ordering) -> list[Action]:
    if ordering.first is not None:
        return [ordering.first]
    resource = ordering.first_resource
    assert resource is not None
    key = _completed_key(ordering, resource)
    found = [a for a in resource.actions if a.key == key and a.task != "cancel"]
    if found:
        return found
    task = ordering.first_key.rsplit("_", 2)[-2]
    if resource is ordering.then_resource or resource.variant is Variant.UNSUPPORTED:
        return []
    blocking = Relation.UNRUNNABLE_FIRST_BLOCKS | Relation.ASYMMETRIC
    if task in {"stop", "demote"} or not ordering.relation & blocking:
        return []
    if ordering.then is not None and ordering.then.resource is resource:
        return []
    # Nobody will start it now: a start without a node stands for that, and cannot run.
    return [act(work, resource, task, None, optional=True)]


def _completed_key(ordering: Ordering, resource: Resource) -> str:
    """Others wait for the end of a group's action, not for its beginning."""
    then = ordering.then_resource or (ordering.then.resource if ordering.then else None)
    outside = then is not None and then is not resource and then.parent is not resource
    if resource.variant is Variant.PRIMITIVE or not outside:
        return ordering.first_key
    stem, task, interval = ordering.first_key.rsplit("_", 2)
    return f"{stem}_{_COMPLETED.get(task, task)}_{interval}"


def _thens(ordering: Ordering) -> list[Action]:
    if ordering.then is not None:
        return [ordering.then]
    resource = ordering.then_resource
    assert resource is not None
    return [a for a in resource.actions if a.key == ordering.then_key and a.task != "cancel"]


def _link(ordering: Ordering, first: Action, then: Action) -> None:
    relation = ordering.relation
    if Relation.IF_BOTH_REQUIRED_ON_SAME_NODE in relation and first.node is not then.node:
        return
    if first.task == "monitor" and first.interval_ms == 0 and then.resource is not first.resource:
        return
    link(first, then, relation)


def propagate(work: Workspace) -> None:
    """Work off all consequences."""
    queue: deque[Action] = deque(reversed(work.actions))
    waiting = {action.id for action in work.actions}

    def changed(action: Action) -> None:
        parent = action.resource.parent if action.resource is not None else None
        touched = [action, *action.after]
        if parent is not None:
            touched.extend(_aggregate(parent, action))
        for one in touched:
            if one.id not in waiting:
                waiting.add(one.id)
                queue.append(one)

    for action in work.actions:
        parent = action.resource.parent if action.resource is not None else None
        if parent is not None:
            _aggregate(parent, action)
    for action in work.actions:
        _without_members(action)
    while queue:
        then = queue.popleft()
        waiting.discard(then.id)
        for edge in then.before:
            for one in _apply(edge, then):
                changed(one)
        if then.required_before:
            _quota(then, changed)


def _quota(then: Action, changed: Callable[[Action], None]) -> None:
    enough = sum(
        edge.action.runnable for edge in then.before if Relation.MIN_RUNNABLE in edge.relation
    )
    if enough < then.required_before and then.runnable:
        then.runnable = False
        changed(then)


def _aggregate(parent: Resource, action: Action) -> list[Action]:
    """Bring the group's own actions up to what its members' actions say."""
    if parent.variant is not Variant.GROUP or action.task not in _COMPLETED:
        return []
    changed: list[Action] = []
    for own in parent.actions:
        if own.task not in {action.task, _COMPLETED[action.task]}:
            continue
        before = (own.optional, own.runnable)
        own.optional = own.optional and action.optional
        if own.task == _COMPLETED[action.task] and not action.runnable:
            own.runnable = False
            own.why_not = action.why_not
        if before != (own.optional, own.runnable):
            changed.append(own)
            changed.extend(own.after)
            changed.extend(_after_of_parent(own))
    return changed


def _without_members(action: Action) -> None:
    """A group is not running if one of its members will not be started."""
    group = action.resource
    if group is None or group.variant is not Variant.GROUP or action.task != "running":
        return
    for member in group.children:
        if not any(inner.task == "start" for inner in member.actions):
            action.runnable = False
            action.why_not = f"{member.id} will not run"


def _after_of_parent(action: Action) -> list[Action]:
    grandparent = action.resource.parent if action.resource is not None else None
    return [] if grandparent is None else _aggregate(grandparent, action)


def _apply(edge: Edge, then: Action) -> list[Action]:
    """Apply one relation; return what changed."""
    first, relation = edge.action, edge.relation
    changed: list[Action] = []
    if Relation.COLOCATED in relation and not first.optional and not first.runnable:
        changed += _block(then, first)
    if Relation.ASYMMETRIC in relation:
        if not first.runnable and not _already_done(then):
            changed += _block(then, first)
        return changed
    if Relation.FIRST_IMPLIES_THEN in relation and not first.optional:
        changed += _require(then, first)
    stop_stuck = first.task == "stop" and Relation.FIRST_IMPLIES_THEN in relation
    if (stop_stuck or Relation.UNRUNNABLE_FIRST_BLOCKS in relation) and not first.runnable:
        changed += _block(then, first)
    if Relation.THEN_IMPLIES_FIRST in relation and not then.optional:
        changed += _require(first, then)
        if not first.runnable:
            changed += _block(then, first)
    if Relation.INTERMEDIATE_STOP in relation:
        changed += _intermediate(first, then)
    return changed


def _intermediate(first: Action, then: Action) -> list[Action]:
    cannot_start = then.task == "start" and not then.runnable
    changed: list[Action] = []
    if not then.optional or cannot_start:
        required = _require(first, then)
        if required and cannot_start:
            first.reasons.extend(then.reasons)
        changed += required
    # A later member that cannot be stopped keeps the earlier ones from being stopped under it.
    held = then.task == "stop" and first.resource is not None and first.resource.blocked
    if not first.runnable and (held or not first.optional):
        changed += _block(then, first)
    return changed


def _already_done(then: Action) -> bool:
    resource = then.resource
    if resource is None:
        return False
    running = resource.role > Role.STOPPED
    if not then.optional:
        return False
    return (then.task == "start" and running) or (then.task == "stop" and not running)


def _members(action: Action) -> list[Action]:
    """Return the actions that a collective action stands for."""
    resource = action.resource
    if resource is None or resource.variant is Variant.PRIMITIVE or not action.pseudo:
        return []
    task = _BEGUN.get(action.task, action.task)
    return [
        inner
        for child in resource.children
        for inner in child.actions
        if inner.task == task and inner.interval_ms == 0
    ]


def _require(action: Action, because: Action) -> list[Action]:
    changed: list[Action] = []
    for inner in _members(action):
        changed += _require(inner, because)
    resource = action.resource
    unmanaged = resource is not None and not resource.is_managed and not action.pseudo
    if action.optional and not unmanaged:
        action.optional = False
        action.reasons.append(reasons.because_of(because))
        changed.append(action)
    return changed


def _block(action: Action, because: Action) -> list[Action]:
    changed: list[Action] = []
    for inner in _members(action):
        changed += _block(inner, because)
    if action.runnable:
        action.runnable = False
        owner = because.resource.id if because.resource is not None else because.key
        action.why_not = f"it waits for the {because.task} of {owner}: {because.why_not}"
        changed.append(action)
    return changed
