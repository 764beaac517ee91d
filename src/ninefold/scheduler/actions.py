"""Actions: created once per key and node, with their meta attributes and whether they can run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ninefold.scheduler import reasons
from ninefold.scheduler.model import Reason
from ninefold.scheduler.nodes import fence
from ninefold.scheduler.words import Role, milliseconds
from ninefold.scheduler.workspace import Action, Variant

if TYPE_CHECKING:
    from ninefold.scheduler.workspace import Node, Operation, Resource, Workspace

DEFAULT_TIMEOUT_MS: Final = 20_000
# Attributes of an <op> that are not meta attributes of its actions.
_NOT_META: Final = frozenset({"id", "interval", "interval-origin", "start-delay", "timeout"})


# Reasons of a placement that are also reasons to stop.
_RESTARTS: Final = frozenset(
    {"failed", "changed", "agent-changed", "multiply-active", "stop-failed"}
)


def key_of(resource: str, task: str, interval_ms: int = 0) -> str:
    """Return the operation key `RESOURCE_TASK_INTERVALMS`."""
    return f"{resource}_{task}_{interval_ms}"


def _register(work: Workspace, action: Action) -> Action:
    work.actions.append(action)
    work.by_key.setdefault(action.key, []).append(action)
    if action.resource is not None:
        action.resource.actions.append(action)
    return action


def plain(work: Workspace, task: str, key: str, node: Node | None, kind: str) -> Action:
    """Create an action that belongs to no resource (fencing, shutdown, a meeting point)."""
    action = Action(len(work.actions) + 1, task, key, None, node, kind=kind, optional=False)
    action.pseudo = kind == "pseudo"
    return _register(work, action)


def collective(work: Workspace, resource: Resource, task: str) -> Action:
    """Create the pseudo-action `task` of a group or clone."""
    key = key_of(resource.id, task)
    existing = find(resource, key, None)
    if existing:
        return existing[0]
    action = Action(len(work.actions) + 1, task, key, resource, None, pseudo=True, kind="pseudo")
    action.meta = {"timeout": str(_collective_timeout(work))}
    return _register(work, action)


def _collective_timeout(work: Workspace) -> int:
    defaults = work.root.find("configuration/op_defaults")
    if defaults is None:
        return DEFAULT_TIMEOUT_MS
    for pair in defaults.iterfind("meta_attributes/nvpair"):
        if pair.get("name") == "timeout":
            return milliseconds(pair.get("value"), DEFAULT_TIMEOUT_MS)
    return DEFAULT_TIMEOUT_MS


def find(resource: Resource, key: str, node: Node | None) -> list[Action]:
    """Return the actions of `resource` with `key`, on `node` if one is given."""
    return [
        action
        for action in resource.actions
        if action.key == key and (node is None or action.node is None or action.node is node)
    ]


def configured(resource: Resource, task: str, interval_ms: int) -> Operation | None:
    """Return the enabled `<op>` of a task, or of its recurring form's key."""
    for op in resource.operations:
        if op.name == task and op.interval_ms == interval_ms:
            return op
    return None


def act(
    work: Workspace,
    resource: Resource,
    task: str,
    node: Node | None,
    *,
    optional: bool,
    interval_ms: int = 0,
) -> Action:
    """Return the action of a resource, creating it; `optional=False` makes it required."""
    key = key_of(resource.id, task, interval_ms)
    found = [
        action
        for action in resource.actions
        if action.key == key and (action.node is node or action.node is None or node is None)
    ]
    if found:
        action = found[-1]
        if action.node is None:
            action.node = node
    else:
        action = Action(
            len(work.actions) + 1, task, key, resource, node, interval_ms=interval_ms, kind="rsc"
        )
        action.optional = optional
        action.operation = configured(resource, task, interval_ms)
        action.meta = _meta(work, action)
        _register(work, action)
    if not optional:
        action.optional = False
    if not resource.is_managed and node is not None and interval_ms == 0 and not action.pseudo:
        action.optional = True
    if not action.pseudo:
        _update_runnable(work, resource, action)
    return action


def _meta(work: Workspace, action: Action) -> dict[str, str]:
    op, resource = action.operation, action.resource
    assert resource is not None
    meta: dict[str, str] = {}
    if op is not None:
        meta = {k: v for k, v in op.meta.items() if k not in _NOT_META}
        if op.interval_ms:
            meta["interval"] = str(op.interval_ms)
    timeout = None if op is None else op.meta.get("timeout")
    probe = action.task == "monitor" and action.interval_ms == 0
    if timeout is None and probe:
        timeout = _most_frequent_timeout(resource)
    if timeout is None:
        timeout = _default_timeout(work)
    meta["timeout"] = str(milliseconds(timeout, DEFAULT_TIMEOUT_MS))
    if resource.fence_device and action.task in {"start", "monitor"} and not action.interval_ms:
        own = resource.element.find("instance_attributes/nvpair[@name='pcmk_monitor_timeout']")
        if own is not None:
            meta["timeout"] = str(milliseconds(own.get("value"), DEFAULT_TIMEOUT_MS))
    delay = milliseconds(op.meta.get("start-delay")) if op is not None else 0
    if delay:
        meta["start_delay"] = str(delay)
    return meta


def _default_timeout(work: Workspace) -> str | None:
    defaults = work.root.find("configuration/op_defaults")
    if defaults is None:
        return None
    for pair in defaults.iterfind("meta_attributes/nvpair"):
        if pair.get("name") == "timeout":
            return pair.get("value")
    return None


def _most_frequent_timeout(resource: Resource) -> str | None:
    best: Operation | None = None
    for op in resource.operations:
        recurring = op.name == "monitor" and op.interval_ms > 0 and op.enabled
        if recurring and (best is None or op.interval_ms < best.interval_ms):
            best = op
    return None if best is None else best.meta.get("timeout")


def _update_runnable(work: Workspace, resource: Resource, action: Action) -> None:
    node = action.node
    needs = action.task in {"start", "promote"}
    if node is None:
        _cannot(action, "no node is available")
    elif not node.online:
        _cannot(action, f"{node.name} is offline")
        if action.task == "stop" and resource.is_managed and not node.unclean:
            fence(node, f"{action.key} is unrunnable")
    elif node.pending:
        _cannot(action, f"{node.name} is still joining")
    elif (needs and not resource.needs_quorum) or not needs or work.quorate:
        action.runnable = True
        action.why_not = ""
    else:
        _without_quorum(work, resource, action)


def _without_quorum(work: Workspace, resource: Resource, action: Action) -> None:
    match work.options.no_quorum_policy:
        case "ignore":
            action.runnable = True
        case "freeze":
            if resource.active and resource.next_role <= resource.role:
                action.runnable = True
            else:
                _cannot(action, "the partition does not have quorum (freeze)")
        case _:
            _cannot(action, "the partition does not have quorum")
    if not action.runnable:
        action.reasons.append(reasons.no_quorum())


def _cannot(action: Action, why: str) -> None:
    action.runnable = False
    action.why_not = why


def start(work: Workspace, resource: Resource, node: Node | None, *, optional: bool) -> Action:
    """Return the start of `resource` on `node`."""
    return act(work, resource, "start", node, optional=optional)


def stop(work: Workspace, resource: Resource, node: Node, *, optional: bool) -> Action:
    """Return the stop of `resource` on `node`; an unmanaged one cannot run."""
    action = act(work, resource, "stop", node, optional=optional)
    if not resource.is_managed and not action.pseudo:
        action.runnable = False
        action.why_not = "it is unmanaged"
    return action


def create_actions(work: Workspace, resource: Resource) -> None:
    """Create what brings `resource` from what it is to what it shall be."""
    match resource.variant:
        case Variant.PRIMITIVE:
            _create_primitive(work, resource)
        case Variant.GROUP:
            for child in resource.children:
                create_actions(work, child)
            for task in ("start", "running", "stop", "stopped"):
                collective(work, resource, task)
        case _:
            pass


def _create_primitive(work: Workspace, resource: Resource) -> None:
    target = resource.assigned
    if resource.next_role is Role.UNKNOWN:
        resource.next_role = Role.STOPPED if target is None else Role.STARTED
    current = _current_node(resource)
    moving = current is not None and target is not None and current is not target
    multiple = len(_counted(resource)) > 1
    need_stop = (
        moving
        or (multiple and resource.multiple_active in {"stop_start", "stop_unexpected"})
        or (resource.failed and resource.stop_if_failed)
        or resource.blocked
        or _restart_wanted(resource)
    )
    _walk_restart(work, resource, need_stop=need_stop)
    _walk_target(work, resource)
    _explain(work, resource, current)


def _restart_wanted(resource: Resource) -> bool:
    """Whether a start was made required before, by a change of parameters."""
    return resource.role > Role.STOPPED and any(
        a.task == "start" and not a.optional for a in resource.actions
    )


def _current_node(resource: Resource) -> Node | None:
    if resource.needs_fencing or not resource.active:
        return resource.active[0] if resource.active else None
    return (_counted(resource) or resource.active)[0]


def _counted(resource: Resource) -> list[Node]:
    """Return the nodes on which it counts as active.

    What needs no fencing (a fence device, foremost) may start elsewhere while a lost node is still
    unclean; its old place does not count, or it would be restarted until that node is fenced.
    """
    if resource.needs_fencing:
        return resource.active
    return [node for node in resource.active if node.online and not node.unclean]


def _walk_restart(work: Workspace, resource: Resource, *, need_stop: bool) -> None:
    """Create the stop and start of a restart; they stay optional unless one is needed."""
    if resource.role <= Role.STOPPED:
        return
    for node in resource.active:
        action = stop(work, resource, node, optional=not need_stop)
        if need_stop:
            why = (r for r in resource.placement_reasons if r.code in _RESTARTS)
            action.reasons.extend(why)
    if resource.next_role >= Role.STARTED:
        begin = start(work, resource, resource.assigned, optional=True)
        if need_stop and begin.runnable and resource.is_managed:
            begin.optional = False
        if resource.blocked:
            # It would have to be stopped first, and must not be.
            begin.runnable = False
            begin.why_not = "it is blocked after a failure"
        if resource.start_pending:
            # It is under way: shown, so that what follows waits for it, but not a restart.
            begin.always = True


def _walk_target(work: Workspace, resource: Resource) -> None:
    running = resource.role > Role.STOPPED
    wanted = resource.next_role >= Role.STARTED
    if running and not wanted:
        for node in resource.active:
            stop(work, resource, node, optional=False)
    elif wanted and not running:
        start(work, resource, resource.assigned, optional=False)


def _explain(work: Workspace, resource: Resource, current: Node | None) -> None:
    target = resource.assigned
    for action in resource.actions:
        if action.optional or action.task not in {"start", "stop"}:
            continue
        if resource.failed:
            codes = [r for r in resource.placement_reasons if r.code == "failed"]
            action.reasons.extend(r for r in codes if r not in action.reasons)
        if current is not None and target is not None and current is not target:
            action.reasons.append(reasons.moved(resource, current, target))
        elif target is None and resource.next_role is Role.STOPPED:
            action.reasons.extend(_why_stopped(work, resource))
        elif current is None and action.task == "start":
            action.reasons.append(Reason("wanted", f"{resource.id} is wanted started."))


def _why_stopped(work: Workspace, resource: Resource) -> list[Reason]:
    if work.options.stop_all or resource.target_role is Role.STOPPED:
        return [reasons.target_stopped(resource)]
    if resource.removed:
        return [reasons.removed(resource)]
    if not work.quorate and work.options.no_quorum_policy not in {"ignore", "freeze"}:
        return [reasons.no_quorum()]
    return [reasons.no_node(resource)]
