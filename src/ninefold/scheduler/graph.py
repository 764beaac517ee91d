"""The transition: which actions are in it, what each waits for, and every resource's placement."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ninefold.scheduler import reasons
from ninefold.scheduler.actions import DEFAULT_TIMEOUT_MS, can_fence
from ninefold.scheduler.bundle_model import outside_address, with_host
from ninefold.scheduler.decision import changes_of
from ninefold.scheduler.graph_meta import clone_meta, downed_by, header, instance_of, more_meta
from ninefold.scheduler.model import Action as GraphAction
from ninefold.scheduler.model import (
    ActionKind,
    NodeView,
    Placement,
    Reason,
    Transition,
)
from ninefold.scheduler.relations import (
    IF_FIRST_UNMIGRATABLE,
    IF_ON_SAME_NODE_OR_TARGET,
    IF_REQUIRED_ON_SAME_NODE,
    MIN_RUNNABLE,
    ORDERED,
    SERIALIZE,
    UNMIGRATABLE_THEN_BLOCKS,
    UNRUNNABLE_FIRST_BLOCKS,
)
from ninefold.scheduler.remote import router_of
from ninefold.scheduler.resources import operation_parameters, parameters_on
from ninefold.scheduler.scores import INFINITY
from ninefold.scheduler.sequence import sequence
from ninefold.scheduler.views import resource_views, role_now, standing
from ninefold.scheduler.words import Role, integer
from ninefold.scheduler.workspace import Variant

if TYPE_CHECKING:
    from ninefold.scheduler.workspace import Action, Edge, Node, Resource, Workspace

_KINDS: Final = {
    "rsc": ActionKind.RESOURCE,
    "cancel": ActionKind.RESOURCE,
    "pseudo": ActionKind.PSEUDO,
    "fencing": ActionKind.FENCING,
    "shutdown": ActionKind.CLUSTER,
    "clear": ActionKind.CLUSTER,
    "cib-delete": ActionKind.CLUSTER,
    "delete": ActionKind.RESOURCE,
}


def build(work: Workspace) -> Transition:
    """Collect the answer."""
    for turn in work.turns:
        work.recheck(turn)
    for action in work.actions:
        action.graphed = _included(action)
    inputs = {action.id: _inputs(action) for action in work.actions if action.graphed}
    _let_guests_pass(work, inputs)
    _break_cycles(work, inputs)
    actions = tuple(
        _export(work, action, inputs[action.id]) for action in work.actions if action.graphed
    )
    leaves = [leaf for resource in work.resources for leaf in resource.primitives()]
    return Transition(
        actions=actions,
        placements=tuple(_placement(work, leaf) for leaf in leaves if not _hidden(leaf)),
        nodes=tuple(_view(work, node) for node in work.nodes),
        quorate=work.quorate,
        recheck_at=work.recheck_at,
        batch_limit=work.options.batch_limit,
        scores=tuple(work.score_lines),
        warnings=tuple(work.warnings),
        header=header(work),
        sequence=sequence(work),
        changes=changes_of(work),
    )


def premature(work: Workspace) -> list[str]:
    """Name what would be done although something that it needs cannot be done; there should be none.

    Mere points in the graph may be left over: the field leaves them too, and nothing comes of them.
    """
    return [
        f"{then.key} before {edge.first.key}"
        for then in work.actions
        if then.graphed and not then.pseudo
        for edge in then.before
        if edge.relation & UNRUNNABLE_FIRST_BLOCKS and not edge.first.runnable
    ]


def seen(work: Workspace) -> Transition:
    """Collect what is there, before anything was decided."""
    leaves = [leaf for resource in work.resources for leaf in resource.primitives()]
    return Transition(
        actions=(),
        placements=tuple(
            Placement(
                resource=leaf.id,
                role=role_now(leaf).name.lower(),
                nodes=tuple(node.name for node in leaf.active),
                next_role="",
                next_node="",
                scores={},
                reasons=_distinct(leaf.placement_reasons),
            )
            for leaf in leaves
            if not _hidden(leaf)
        ),
        nodes=tuple(_view(work, node) for node in work.nodes),
        quorate=work.quorate,
        resources=resource_views(work),
        maintenance=work.options.maintenance_mode,
        instances=(
            sum(not (leaf.removed and not leaf.active) for leaf in leaves),
            sum(leaf.target_role is Role.STOPPED for leaf in leaves),
            sum(leaf.blocked for leaf in leaves),
        ),
    )


def _hidden(leaf: Resource) -> bool:
    return leaf.removed_filler and not leaf.active


def _included(action: Action) -> bool:
    if not action.runnable or (action.optional and not action.always):
        return False
    resource = action.resource
    watches = action.task == "monitor" or action.interval_ms
    if resource is not None and not resource.managed and not watches:
        # What is not managed is watched, and no more; its collective points have nothing to hold.
        return False
    if action.pseudo or action.kind in {"fencing", "shutdown"}:
        return True
    node = action.node
    if node is None:
        return False
    if action.on_dc or (node.guest and not node.remote_reset):
        return True
    return node.online and not node.unclean


def _inputs(action: Action) -> list[int]:
    found = [edge.first.id for edge in action.before if _counts(edge)]
    return sorted(dict.fromkeys(found))


def _counts(edge: Edge) -> bool:
    """Whether an action really waits for an earlier one."""
    first, then, relation = edge.first, edge.then, edge.relation
    if relation == 0 or not first.graphed:
        return False
    if not first.runnable and relation & ~SERIALIZE == ORDERED:
        return False
    if not first.runnable and relation & (MIN_RUNNABLE | UNMIGRATABLE_THEN_BLOCKS):
        return False
    if relation & IF_FIRST_UNMIGRATABLE and first.migratable:
        return False
    if relation == ORDERED and first.migratable and first.task == "stop":
        # It moves alive: what was to come after its stop need not wait for that.
        return False
    if relation == IF_ON_SAME_NODE_OR_TARGET:
        resource = then.resource
        where = then.node
        if resource is not None and then.task == "migrate_to":
            where = resource.assigned
        return where is first.node and not first.optional
    if relation == IF_REQUIRED_ON_SAME_NODE:
        if first.node is not None and then.node is not None and first.node is not then.node:
            return False
        return not first.optional
    if edge.configured and _inside_of(first, then):
        return False
    return not _excused(first, then)


def _inside_of(first: Action, then: Action) -> bool:
    """Whether `first` is done in a guest and `then` to what that guest lives in.

    No constraint can ask for such an order: the one is there only as long as the other is.
    """
    node = first.node
    if node is None or node.connection is None or then.resource is None:
        return False
    return node.connection.launcher is then.resource


def _excused(first: Action, then: Action) -> bool:
    """A failed resource that is not managed does not keep a clone from stopping."""
    one, other = first.resource, then.resource
    return (
        one is not None
        and other is not None
        and one is not other
        and one.failed
        and not one.managed
        and first.task == "stop"
        and other.clone is not None
    )


def _let_guests_pass(work: Workspace, inputs: dict[int, list[int]]) -> None:
    """Let what moves alive not wait for room that only its own leaving makes.

    The last to be created passes first, until nothing waits for itself.
    """
    if not work.utilization:
        return
    for action in reversed(work.actions):
        if action.task != "migrate_to":
            continue
        for earlier in list(inputs.get(action.id, ())):
            loaded = work.actions[earlier - 1].key.startswith("load_stopped_")
            if loaded and _waits_for(inputs, earlier, action.id):
                inputs[action.id].remove(earlier)


def _waits_for(inputs: dict[int, list[int]], action: int, other: int) -> bool:
    """Whether `action` waits, directly or not, for `other`."""
    seen, todo = {action}, [action]
    while todo:
        for earlier in inputs.get(todo.pop(), ()):
            if earlier == other:
                return True
            if earlier not in seen:
                seen.add(earlier)
                todo.append(earlier)
    return False


def _break_cycles(work: Workspace, inputs: dict[int, list[int]]) -> None:
    """Leave out what would make an action wait for itself; nothing may be stuck for ever.

    Depth first, so that only edges that close a cycle go.
    """
    state: dict[int, int] = {}
    for root, firsts in inputs.items():
        if root in state:
            continue
        stack = [(root, iter(list(firsts)))]
        state[root] = 1
        while stack:
            number, rest = stack[-1]
            for earlier in rest:
                if state.get(earlier) == 1:
                    inputs[number].remove(earlier)
                    key = work.actions[number - 1].key
                    work.warn(f"{key} does not wait for {work.actions[earlier - 1].key}: a cycle.")
                elif earlier not in state:
                    state[earlier] = 1
                    stack.append((earlier, iter(list(inputs[earlier]))))
                    break
            else:
                state[number] = 2
                stack.pop()


def _export(work: Workspace, action: Action, inputs: list[int]) -> GraphAction:
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
    # An instance too many is still one of a clone that is configured.
    configured = resource is None or not resource.removed or resource.top.clone is not None
    if resource is not None and resource.variant is Variant.PRIMITIVE:
        agent = (resource.agent_class, resource.provider, resource.agent_type)
        if configured:
            parameters = with_host(resource, parameters_on(work, resource, node))
            if action.operation is not None:
                parameters |= operation_parameters(work, action.operation, node)
            parameters |= outside_address(resource)
    if resource is not None and configured:
        clone_meta(resource, meta)
    router = router_of(action)
    more_meta(work, action, meta)
    name = _reported_name(action)
    return GraphAction(
        id=action.id,
        key=action.key,
        kind=kind,
        task=action.task,
        resource=name,
        node="" if node is None else node.name,
        agent_class=agent[0],
        provider=agent[1],
        agent_type=agent[2],
        interval_ms=action.interval_ms,
        timeout_ms=timeout_ms,
        expected_rc=action.expected_rc,
        inputs=tuple(inputs),
        priority=_priority(action),
        parameters=parameters,
        meta=meta,
        reasons=_distinct(action.reasons),
        history_key=_history_key(action),
        router="" if router is None else router.name,
        start_delay_ms=integer(meta.get("start_delay"), 0),
        instance=instance_of(resource, name),
        downed=downed_by(work, action),
        due=action.due,
    )


def _reported_name(action: Action) -> str:
    """Return the name under which the agent knows it.

    Instances that cannot be told apart are one thing to the node that runs one of them, except
    for one too many, which must be named exactly.
    """
    resource = action.resource
    if resource is None:
        return ""
    if resource.variant is not Variant.PRIMITIVE:
        return resource.id
    if resource.removed and resource.history_id:
        return resource.history_id
    return resource.id if resource.unique else resource.config_id


def _history_key(action: Action) -> str:
    """Return the key under which the result is recorded, if it is not the engine's own."""
    resource = action.resource
    if resource is None or not resource.history_id:
        return ""
    if action.task == "notified" and resource.variant is Variant.PRIMITIVE:
        return f"{resource.history_id}_notified_0"
    if resource.history_id == resource.id or not action.key.startswith(resource.id):
        return ""
    rest = action.key[len(resource.id) :]
    # What fencing implies is recorded as the stop that it amounts to.
    return resource.history_id + rest.replace("_notify_stonith_", "_notify_stop_")


def _priority(action: Action) -> int:
    own = action.resource.base_priority if action.resource is not None else 0
    return min(max(own, action.priority, 0), INFINITY)


def _placement(work: Workspace, resource: Resource) -> Placement:
    # Of a clone's groups each is rated as a whole.
    rated = resource.parent if resource.rating is None else resource
    return Placement(
        resource=resource.id,
        role=(resource.role if resource.active else Role.STOPPED).name.lower(),
        nodes=tuple(node.name for node in resource.active),
        next_role=max(resource.next_role, Role.STOPPED).name.lower(),
        next_node="" if resource.assigned is None else resource.assigned.name,
        scores=resource.final_scores or dict(resource.scores),
        reasons=_distinct(resource.placement_reasons),
        blocked=_blocked(work, resource),
        contributions=tuple(resource.contributions),
        migratable=resource.migratable and resource.managed and not resource.failed,
        rating=None if rated is None else rated.rating,
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
        waits = action.task == "start" and resource.next_role > Role.STOPPED and not resource.active
        if action.task not in {"start", "stop"} or (action.optional and not waits):
            continue
        silenced = [e.first for e in action.before if e.first.kind == "fencing" and _counts(e)]
        for word, on in (("fencing", False), ("unfencing", True)):
            lost = [
                one.node.name
                for one in silenced
                if one.node is not None and (one.meta.get("stonith_action") == "on") is on
            ]
            if action.runnable and lost and action.task == "start":
                return f"It waits for the {word} of {', '.join(dict.fromkeys(lost))}."
        if not action.runnable and action.why_not:
            return f"Its {action.task} cannot run: {reasons.in_turn(action.why_not)}."
    if resource.blocked:
        return "It is blocked after a failure, until somebody cleans it up."
    return ""


def _why_not_fenced(work: Workspace) -> str:
    if not work.options.fencing_enabled:
        return "fencing is disabled"
    if not work.has_fence_device:
        return "no fence device is configured"
    return "the partition does not have quorum"


def _view(work: Workspace, node: Node) -> NodeView:
    return NodeView(
        name=node.name,
        online=node.online,
        unclean=node.unclean,
        standby=node.standby,
        maintenance=node.maintenance or work.options.maintenance_mode,
        pending=node.pending,
        shutdown=node.shutdown,
        reason=node.reason,
        kind="Guest" if node.guest else "Remote" if node.remote else "",
        standing=standing(work, node),
    )
