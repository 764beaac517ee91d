"""The transition: which actions are in it, what each waits for, and every resource's placement."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ninefold.scheduler.actions import DEFAULT_TIMEOUT_MS
from ninefold.scheduler.fencing import can_fence
from ninefold.scheduler.model import (
    Action as GraphAction,
)
from ninefold.scheduler.model import (
    ActionKind,
    NodeView,
    Placement,
    Reason,
    Transition,
)
from ninefold.scheduler.resources import operation_parameters, parameters_on
from ninefold.scheduler.scores import INFINITY
from ninefold.scheduler.words import Role, integer
from ninefold.scheduler.workspace import Relation, Variant

if TYPE_CHECKING:
    from ninefold.scheduler.workspace import Action, Node, Resource, Workspace

_KINDS: Final = {
    "rsc": ActionKind.RESOURCE,
    "cancel": ActionKind.RESOURCE,
    "pseudo": ActionKind.PSEUDO,
    "fencing": ActionKind.FENCING,
    "shutdown": ActionKind.CLUSTER,
    "clear": ActionKind.CLUSTER,
    "delete": ActionKind.RESOURCE,
}


def build(work: Workspace) -> Transition:
    """Collect the answer."""
    for action in work.actions:
        action.graphed = _included(action)
    _follow_graphed(work)
    actions = tuple(_export(work, action) for action in work.actions if action.graphed)
    leaves = [leaf for resource in work.resources for leaf in resource.primitives()]
    return Transition(
        actions=actions,
        placements=tuple(_placement(work, leaf) for leaf in leaves),
        nodes=tuple(_view(node) for node in work.nodes),
        quorate=work.quorate,
        recheck_at=work.recheck_at,
        batch_limit=work.options.batch_limit,
        scores=tuple(work.score_lines),
        warnings=tuple(work.warnings),
    )


def _included(action: Action) -> bool:
    if not action.runnable or (action.optional and not action.always):
        return False
    resource = action.resource
    if resource is not None and not resource.is_managed and not action.pseudo:
        recurring = action.task == "monitor" and action.interval_ms > 0
        probe = action.task == "monitor" and action.interval_ms == 0
        if not recurring and not probe and action.kind == "rsc":
            return False
    if action.pseudo or action.kind in {"fencing", "shutdown"}:
        return True
    node = action.node
    return node is not None and node.online and not node.unclean


def _follow_graphed(work: Workspace) -> None:
    """Show the beginning and the end of a group's action whenever a member's is shown."""
    for then in work.actions:
        for edge in then.before:
            first, relation = edge.action, edge.relation
            ends = Relation.FIRST_IMPLIES_THEN_GRAPHED in relation
            if ends and first.graphed and then.runnable and then.pseudo:
                then.graphed = True
            begins = Relation.THEN_IMPLIES_FIRST_GRAPHED in relation
            if begins and then.graphed and first.runnable and first.pseudo:
                first.graphed = True


def _inputs(action: Action) -> tuple[int, ...]:
    return tuple(
        sorted(
            edge.action.id
            for edge in action.before
            if edge.action.graphed and edge.relation is not Relation.COLOCATED
        )
    )


def _export(work: Workspace, action: Action) -> GraphAction:
    resource, node = action.resource, action.node
    kind = ActionKind.PSEUDO if action.pseudo else _KINDS[action.kind]
    meta = dict(action.meta)
    if action.kind == "cancel":
        meta |= action.extra
    timeout_ms = integer(meta.get("timeout"), DEFAULT_TIMEOUT_MS)
    if kind is ActionKind.FENCING:
        timeout_ms = work.options.fencing_timeout_ms
    parameters: dict[str, str] = {}
    agent = ("", "", "")
    if resource is not None and resource.variant is Variant.PRIMITIVE:
        agent = (resource.agent_class, resource.provider, resource.agent_type)
        if not resource.removed:
            parameters = dict(parameters_on(work, resource, node))
            if action.operation is not None:
                parameters |= operation_parameters(work, action.operation, node)
    return GraphAction(
        id=action.id,
        key=action.key,
        kind=kind,
        task=action.task,
        resource="" if resource is None else resource.id,
        node="" if node is None else node.name,
        agent_class=agent[0],
        provider=agent[1],
        agent_type=agent[2],
        interval_ms=action.interval_ms,
        timeout_ms=timeout_ms,
        expected_rc=action.expected_rc,
        inputs=_inputs(action),
        priority=_priority(action),
        parameters=parameters,
        meta=meta,
        reasons=_distinct(action.reasons),
        start_delay_ms=integer(meta.get("start_delay"), 0),
    )


def _priority(action: Action) -> int:
    own = action.resource.priority if action.resource is not None else 0
    return min(max(own, action.priority, 0), INFINITY)


def _placement(work: Workspace, resource: Resource) -> Placement:
    return Placement(
        resource=resource.id,
        role=(resource.role if resource.active else Role.STOPPED).name.lower(),
        nodes=tuple(node.name for node in resource.active),
        next_role=max(resource.next_role, Role.STOPPED).name.lower(),
        next_node="" if resource.assigned is None else resource.assigned.name,
        scores=resource.final_scores or dict(resource.scores),
        reasons=_distinct(resource.placement_reasons),
        blocked=_blocked(work, resource),
    )


def _distinct(found: list[Reason]) -> tuple[Reason, ...]:
    kept: list[Reason] = []
    for reason in found:
        if reason not in kept:
            kept.append(reason)
    return tuple(kept)


def _blocked(work: Workspace, resource: Resource) -> str:
    """Say in a sentence what keeps a resource from where it shall be, "" if nothing does."""
    if work.options.fencing_enabled and not work.has_fence_device:
        return "Fencing is enabled and no fence device is configured, so nothing may be started."
    for node in resource.active:
        if node.unclean and resource.needs_fencing and not can_fence(work, node):
            return f"{node.name} is lost and cannot be fenced: {_why_not_fenced(work)}."
    for action in resource.actions:
        if action.optional or action.task not in {"start", "stop"}:
            continue
        lost = [e.action.node for e in action.before if e.action.kind == "fencing"]
        names = ", ".join(node.name for node in lost if node is not None)
        if action.runnable and names and action.task == "start":
            return f"It waits for the fencing of {names}."
        if not action.runnable and action.why_not:
            return f"Its {action.task} cannot run: {action.why_not}."
    if resource.blocked:
        return "It is blocked after a failure, until somebody cleans it up."
    return ""


def _why_not_fenced(work: Workspace) -> str:
    if not work.options.fencing_enabled:
        return "fencing is disabled"
    if not work.has_fence_device:
        return "no fence device is configured"
    return "the partition does not have quorum"


def _view(node: Node) -> NodeView:
    return NodeView(
        name=node.name,
        online=node.online,
        unclean=node.unclean,
        standby=node.standby,
        maintenance=node.maintenance,
        pending=node.pending,
        shutdown=node.shutdown,
        reason=node.reason,
    )
