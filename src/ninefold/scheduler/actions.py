"""Actions: created once per key and node, with their meta attributes and whether they can run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ninefold.scheduler import reasons
from ninefold.scheduler.history_outcome import configured_policy, operation_for
from ninefold.scheduler.nodes import fence
from ninefold.scheduler.resources import (
    defaults_of_unconfigured,
    operation_defaults,
    parameters_on,
)
from ninefold.scheduler.rules import Scope
from ninefold.scheduler.words import Role, milliseconds
from ninefold.scheduler.workspace import Action, Edge

if TYPE_CHECKING:
    from ninefold.scheduler.workspace import Node, Operation, Resource, Workspace

DEFAULT_TIMEOUT_MS: Final = 20_000
# Attributes of an <op> that are not meta attributes of its actions.
_NOT_META: Final = frozenset({"id", "interval", "interval-origin", "start-delay", "timeout"})
# Tasks that need what the resource requires (quorum, fencing) before they may run.
_NEEDY: Final = frozenset({"start", "promote"})


def key_of(resource: str, task: str, interval_ms: int = 0) -> str:
    """Return the operation key `RESOURCE_TASK_INTERVALMS`."""
    return f"{resource}_{task}_{interval_ms}"


def task_of(key: str) -> str:
    """Return the task in a key."""
    parts = key.rsplit("_", 2)
    if len(parts) < 3:
        return key
    # The names of two tasks have an underscore themselves.
    for two in ("migrate_to", "migrate_from"):
        if key.endswith(f"_{two}_{parts[2]}"):
            return two
    return parts[1]


def _register(work: Workspace, action: Action) -> Action:
    work.actions.append(action)
    if action.resource is not None:
        action.resource.actions.append(action)
    return action


def pseudo(work: Workspace, name: str) -> Action:
    """Return the meeting point `name` that belongs to no resource."""
    found = work.singletons.get(name)
    if found is None:
        found = Action(len(work.actions) + 1, name, name, None, None, kind="pseudo", pseudo=True)
        work.singletons[name] = found
        _register(work, found)
    return found


def cluster_action(work: Workspace, task: str, key: str, node: Node, kind: str) -> Action:
    """Return an action of the cluster itself on `node`: fencing or a shutdown."""
    found = work.singletons.get(key)
    if found is None:
        found = Action(len(work.actions) + 1, task, key, None, node, kind=kind)
        work.singletons[key] = found
        _register(work, found)
    return found


def collective(work: Workspace, resource: Resource, task: str, *, optional: bool) -> Action:
    """Return the pseudo-action `task` of a group, clone or bundle."""
    key = key_of(resource.id, task)
    for action in resource.actions:
        if action.key == key:
            if not optional:
                action.optional = False
            action.pseudo = True
            return action
    action = Action(len(work.actions) + 1, task, key, resource, None, pseudo=True, kind="pseudo")
    action.optional = optional
    action.meta = dict(collective_meta(work, task))
    return _register(work, action)


def collective_meta(work: Workspace, task: str) -> dict[str, str]:
    """Return what the defaults of operations say of a point that is no agent's."""
    known = work.collective_meta.get(task)
    if known is None:
        source = operation_defaults(
            work, Scope(now=work.now, turns=work.turns, operation=(task, 0))
        )
        known = {name: value for name, value in source.items() if name not in _NOT_META}
        known["timeout"] = str(milliseconds(source.get("timeout"), DEFAULT_TIMEOUT_MS))
        work.collective_meta[task] = known
    return known


def find(resource: Resource, key: str, node: Node | None = None) -> list[Action]:
    """Return the actions with `key`, oldest first; on `node`, which one without a node adopts."""
    found = []
    for action in resource.actions:
        if action.key != key:
            continue
        if node is None or action.node is node:
            found.append(action)
        elif action.node is None:
            action.node = node
            found.append(action)
    return found


def first_with_task(resource: Resource, task: str, node: Node | None = None) -> Action | None:
    """Return the newest action with `task`, on `node` if one is given."""
    for action in reversed(resource.actions):
        if action.task == task and (node is None or action.node is node):
            return action
    return None


def actions_of(
    resource: Resource, task: str, node: Node | None = None, *, with_node: bool = False
) -> list[Action]:
    """Return the actions that `task` of `resource` amounts to, adopting those without a node."""
    key = key_of(resource.id, task)
    found = find(resource, key, node)
    if with_node:
        found = [action for action in found if action.node is not None]
    return found


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
    found = find(resource, key, node)
    if found:
        action = found[0]
    else:
        action = Action(
            len(work.actions) + 1, task, key, resource, node, interval_ms=interval_ms, kind="rsc"
        )
        action.optional = optional
        action.migratable = False
        action.operation = operation_for(resource, task, interval_ms)
        action.needs = _needs(resource, task)
        action.meta = _meta(work, action)
        _register(work, action)
    forced = not resource.managed and action.node is not None and not action.pseudo
    if forced and interval_ms == 0:
        action.optional = True
    elif not optional:
        action.optional = False
    update_runnable(work, action)
    return action


def _needs(resource: Resource, task: str) -> str:
    if task not in _NEEDY:
        return "nothing"
    if resource.needs_fencing:
        return "fencing"
    return "quorum" if resource.needs_quorum else "nothing"


def _meta(work: Workspace, action: Action) -> dict[str, str]:
    op, resource = action.operation, action.resource
    assert resource is not None
    if op is not None:
        source = op.meta
    else:
        source = defaults_of_unconfigured(work, resource, action.task, action.interval_ms)
    meta = {k: v for k, v in source.items() if k not in _NOT_META}
    if op is not None and op.interval_ms:
        meta["interval"] = str(op.interval_ms)
    if "on-fail" in meta and not configured_policy(work, resource, action.task, action.interval_ms):
        # What means nothing here: that a failed stop be answered by a stop, for example.
        del meta["on-fail"]
    timeout = source.get("timeout")
    probe = action.task == "monitor" and action.interval_ms == 0
    own = None if op is None else op.element.get("timeout")
    if probe and own is None:
        timeout = _most_frequent_timeout(resource) or timeout
    if resource.fence_device and action.task in {"start", "monitor"}:
        timeout = parameters_on(work, resource, None).get("pcmk_monitor_timeout") or timeout
    meta["timeout"] = str(milliseconds(timeout, DEFAULT_TIMEOUT_MS))
    if op is not None and "start-delay" in op.meta:
        meta["start_delay"] = str(milliseconds(op.meta["start-delay"]))
    return meta


def _most_frequent_timeout(resource: Resource) -> str | None:
    best: Operation | None = None
    for op in resource.operations:
        recurring = op.name == "monitor" and op.interval_ms > 0 and op.enabled
        if recurring and (best is None or op.interval_ms < best.interval_ms):
            best = op
    # What holds for operations in general holds for the probe by itself.
    return None if best is None or not best.own_timeout else best.meta.get("timeout")


def update_runnable(work: Workspace, action: Action) -> None:
    """Say whether a resource's action can run as things are; a stop that cannot means fencing."""
    node, resource = action.node, action.resource
    if action.pseudo or resource is None:
        return
    if node is None:
        cannot(action, "no node is available")
    elif not node.online and not action.on_dc and (not node.guest or node.remote_reset):
        cannot(action, f"{node.name} is offline")
        if action.task == "stop" and resource.managed and not node.unclean:
            fence(work, node, f"{action.key} is unrunnable")
    elif node.pending and not action.on_dc:
        cannot(action, f"{node.name} is still joining")
    elif action.needs == "nothing":
        if node.guest and not can_fence(work, node):
            cannot(action, f"{node.name} lives on a host that cannot be fenced")
        else:
            action.runnable = True
            action.why_not = ""
    else:
        _with_needs(work, action, resource)


def _with_needs(work: Workspace, action: Action, resource: Resource) -> None:
    policy = "ignore" if work.quorate else work.options.no_quorum_policy
    if policy == "demote":
        if resource.role in {Role.PROMOTED, Role.UNPROMOTED}:
            resource.next_role = min(resource.next_role, Role.UNPROMOTED)
            policy = "ignore"
        else:
            policy = "stop"
    active = bool(resource.active)
    grows = resource.next_role > resource.role
    if policy == "stop" or (policy == "freeze" and (not active or grows)):
        cannot(action, "the partition does not have quorum")
        action.due = "no quorum" if policy == "stop" else "quorum freeze"
        if reasons.no_quorum() not in action.reasons:
            action.reasons.append(reasons.no_quorum())
    else:
        action.runnable = True
        action.why_not = ""


def cannot(action: Action, why: str) -> None:
    """Say that an action cannot run, and why."""
    action.runnable = False
    action.migratable = False
    if not action.why_not:
        action.why_not = why


def can_fence(work: Workspace, target: Node) -> bool:
    """Whether `target` can be fenced: enabled, a device, and quorum, or the target is with us.

    A guest is silenced by stopping what it lives in, wherever that runs.
    """
    if target.guest:
        connection = target.connection
        assert connection is not None
        assert connection.launcher is not None
        hosts = connection.launcher.active
        return all(host.online or can_fence(work, host) for host in hosts)
    if not work.options.fencing_enabled or not work.has_fence_device:
        return False
    return work.quorate or work.options.no_quorum_policy == "ignore" or target.online


def start(work: Workspace, resource: Resource, node: Node | None, *, optional: bool) -> Action:
    """Return the start of `resource` on `node`."""
    return act(work, resource, "start", node, optional=optional)


def stop(work: Workspace, resource: Resource, node: Node, *, optional: bool) -> Action:
    """Return the stop of `resource` on `node`."""
    return act(work, resource, "stop", node, optional=optional)


def link(first: Action, then: Action, relation: int, *, configured: bool = False) -> bool:
    """Order two actions directly; answer whether that is new. Never an action with itself.

    `configured` says that a constraint of the operator wants it.
    """
    if relation == 0 or first is then:
        return False
    known = then.linked.get(first.id, 0)
    if known & relation:
        return False
    then.linked[first.id] = known | relation
    edge = Edge(first, then, relation, configured)
    then.before.append(edge)
    first.after.append(edge)
    return True


def clear_failcount(work: Workspace, resource: Resource, node: Node, why: str) -> Action:
    """Forget the failures of a resource on a node."""
    action = act(work, resource, "clear_failcount", node, optional=False)
    action.kind = "clear"
    if not action.reasons:
        action.reasons.append(reasons.failures_forgotten(resource, node, why))
    return action


def cancel(
    work: Workspace, resource: Resource, node: Node, what: tuple[str, int], why: str
) -> Action:
    """Stop repeating the operation `what` = (task, interval in ms)."""
    task, interval_ms = what
    action = act(work, resource, task, node, optional=False, interval_ms=interval_ms)
    action.task = "cancel"
    action.kind = "cancel"
    action.needs = "nothing"
    action.optional = False
    action.extra = {"operation": task, "interval": str(interval_ms)}
    action.reasons.append(reasons.cancelled(resource, task, interval_ms, why))
    return action


def forget_history(work: Workspace, resource: Resource, node: Node) -> Action:
    """Return the deletion of what a node remembers of a resource, which the node need not be there for."""
    action = act(work, resource, "lrm_delete", node, optional=False)
    action.kind = "cib-delete"
    action.on_dc = True
    action.runnable = True
    return action
