"""Telling the instances of a clone what is about to happen to the others, and what has happened.

The points of a clone's notifications take part in the propagation of orders; what each instance is
told, on which node, is known only after that (section 16).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ninefold.scheduler.actions import (
    DEFAULT_TIMEOUT_MS,
    act,
    collective_meta,
    first_with_task,
    key_of,
    link,
)
from ninefold.scheduler.collective_flags import BEGUN
from ninefold.scheduler.history_outcome import operation_for, timeout_ms
from ninefold.scheduler.notify_model import Notices
from ninefold.scheduler.relations import FIRST_IMPLIES_THEN, ORDERED
from ninefold.scheduler.scores import INFINITY
from ninefold.scheduler.words import Role
from ninefold.scheduler.workspace import Action

if TYPE_CHECKING:
    from ninefold.scheduler.workspace import Node, Resource, Workspace

_TASKS: Final = ("start", "stop", "promote", "demote")


def _point(
    work: Workspace, resource: Resource, about: Action, kind: str, task: str, *, cause: str = ""
) -> Action:
    key = key_of(resource.id, f"{kind}_notify_{cause or about.task}")
    for action in resource.actions:
        if action.key == key:
            return action
    action = Action(len(work.actions) + 1, task, key, resource, None, pseudo=True, kind="pseudo")
    action.about = about.task
    action.optional = about.optional
    action.meta = collective_meta(work, task) | {
        "notify_type": kind.removeprefix("confirmed-"),
        "notify_operation": BEGUN.get(about.task, about.task),
        "notify_key_type": kind,
        "notify_key_operation": cause or about.task,
    }
    work.actions.append(action)
    resource.actions.append(action)
    return action


def create_for(
    work: Workspace,
    clone: Resource,
    task: str,
    begin: Action | None,
    end: Action | None,
    *,
    cause: str = "",
) -> Notices | None:
    """Create the points around the action of a clone that notifies; `cause` names them otherwise."""
    if not clone.notify:
        return None
    notices = Notices(task)
    if begin is not None:
        notices.pre = _point(work, clone, begin, "pre", "notify")
        notices.pre_done = _point(work, clone, begin, "confirmed-pre", "notified")
        notices.pre.runnable = notices.pre_done.runnable = True
        link(notices.pre, notices.pre_done, ORDERED)
        link(notices.pre_done, begin, ORDERED)
    if end is not None:
        notices.post = _point(work, clone, end, "post", "notify", cause=cause)
        notices.post_done = _point(work, clone, end, "confirmed-post", "notified", cause=cause)
        for action in (notices.post, notices.post_done):
            action.priority = INFINITY
            action.runnable = end.runnable
        if begin is not None:
            link(end, notices.post, FIRST_IMPLIES_THEN)
        link(notices.post, notices.post_done, FIRST_IMPLIES_THEN)
        if notices.pre_done is not None:
            link(notices.pre_done, notices.post, ORDERED)
    if begin is not None:
        clone.notices[task] = notices
        _chain(clone)
    return notices


def _chain(clone: Resource) -> None:
    """Nobody is told of the next kind of action before all know how the previous one ended."""
    order = [
        ("stop", "start"), ("stop", "promote"), ("start", "promote"), ("demote", "promote"),
        ("demote", "start"), ("demote", "stop"),
    ]  # fmt: skip
    for first, then in order:
        one, other = clone.notices.get(first), clone.notices.get(then)
        if one is None or other is None or one.post_done is None or other.pre is None:
            continue
        link(one.post_done, other.pre, ORDERED)


def create_notifications(work: Workspace) -> None:
    """Create what each instance is told, now that it is known what will be done."""
    for resource in list(work.by_id.values()):
        if resource.clone is None or not resource.notices:
            continue
        known = _environment(work, resource)
        for task in _TASKS:
            notices = resource.notices.get(task)
            if notices is not None:
                _tell(work, resource, notices, known)


def _tell(work: Workspace, whole: Resource, notices: Notices, known: dict[str, str]) -> None:
    leaves = whole.primitives()
    if notices.task != "stop" and notices.pre is not None:
        wanted = any(
            not a.optional and a.node is not None and a.runnable
            for leaf in leaves
            for a in leaf.actions
            if a.task == notices.task
        )
        if not wanted:
            return
    for leaf in leaves:
        _tell_one(work, leaf, notices, known)


def _tell_one(work: Workspace, leaf: Resource, notices: Notices, known: dict[str, str]) -> None:
    for action in leaf.actions:
        if action.task in _TASKS and not action.optional and action.node is not None:
            action.meta |= known
    task = notices.task
    if task in {"stop", "demote"} and leaf.role > Role.STOPPED:
        for node in leaf.active:
            stop = first_with_task(leaf, "stop", node) if task == "stop" else None
            if stop is not None and stop.pseudo and (node.unclean or node.remote_reset):
                continue
            _notify(work, leaf, node, (notices.pre, notices.pre_done), known)
            if task == "demote" or stop is None or stop.optional:
                _notify_after(work, leaf, node, notices, known)
    if task in {"start", "promote"} and leaf.next_role is not Role.STOPPED:
        node_or_none = leaf.assigned
        if node_or_none is None:
            return
        start = first_with_task(leaf, "start")
        if start is not None and not start.optional and not start.runnable:
            # It will not be there to be told.
            return
        if task != "start" or start is None or start.optional:
            _notify(work, leaf, node_or_none, (notices.pre, notices.pre_done), known)
        _notify_after(work, leaf, node_or_none, notices, known)


def _notify(
    work: Workspace,
    leaf: Resource,
    node: Node,
    points: tuple[Action | None, Action | None],
    known: dict[str, str],
) -> Action | None:
    point, done = points
    if point is None or done is None or not node.online or not point.runnable:
        return None
    kind = point.meta["notify_type"]
    name = f"{kind}_notify_{point.meta['notify_operation']}"
    action = act(work, leaf, name, node, optional=point.optional)
    action.task = "notify"
    op = operation_for(leaf, "notify", 0)
    action.operation = op
    if op is not None:
        action.meta |= {"name": "notify", "timeout": str(timeout_ms(op, DEFAULT_TIMEOUT_MS))}
    for name, value in point.meta.items():
        if name.startswith("notify_"):
            # Told once, for the first reason that there was.
            action.meta.setdefault(name, value)
    action.meta |= known
    link(point, action, ORDERED)
    link(action, done, ORDERED)
    return action


def _notify_after(
    work: Workspace, leaf: Resource, node: Node, notices: Notices, known: dict[str, str]
) -> None:
    action = _notify(work, leaf, node, (notices.post, notices.post_done), known)
    if action is not None:
        action.priority = INFINITY
    if notices.post_done is None:
        return
    for monitor in leaf.actions:
        if monitor.interval_ms > 0 and monitor.task != "cancel":
            link(notices.post_done, monitor, ORDERED)


def stopped_by_fencing(work: Workspace, leaf: Resource, stop: Action, fencing: Action) -> None:
    """Tell the others about an instance that was stopped by silencing its node."""
    notices = create_for(work, leaf, "stop", None, stop, cause="stonith")
    if notices is None or notices.post is None:
        return
    node = stop.node
    known = {
        "notify_stop_resource": leaf.id,
        "notify_stop_uname": "" if node is None else node.name,
    }
    link(fencing, notices.post, FIRST_IMPLIES_THEN)
    whole = leaf.top
    for one in whole.primitives():
        _tell_one(work, one, notices, known)


def _environment(work: Workspace, clone: Resource) -> dict[str, str]:
    """Return the lists of who is what where, and what will be done to whom."""
    states: dict[str, list[tuple[str, str]]] = {
        name: [] for name in ("inactive", "active", "slave", "master")
    }
    tasks: dict[str, list[tuple[str, str]]] = {name: [] for name in _TASKS}
    for leaf in clone.primitives():
        where = leaf.active[0].name if leaf.active else ""
        entry = (leaf.id, where)
        if leaf.role <= Role.STOPPED:
            states["inactive"].append(entry)
        else:
            states["active"].append(entry)
            if leaf.role is Role.PROMOTED:
                states["master"].append(entry)
            elif leaf.role is Role.UNPROMOTED:
                states["slave"].append(entry)
        for action in leaf.actions:
            if action.task in tasks and not action.optional and action.node is not None:
                gone = action.task == "stop" and action.node.unclean
                if action.runnable or gone:
                    tasks[action.task].append((leaf.id, action.node.name))
    known: dict[str, str] = {}
    for name, entries in [*states.items(), *tasks.items()]:
        entries.sort()
        known[f"notify_{name}_resource"] = " ".join(one[0] for one in entries) or " "
        if name != "inactive":
            known[f"notify_{name}_uname"] = " ".join(one[1] for one in entries) or " "
    known["notify_promoted_resource"] = known["notify_master_resource"]
    known["notify_promoted_uname"] = known["notify_master_uname"]
    known["notify_unpromoted_resource"] = known["notify_slave_resource"]
    known["notify_unpromoted_uname"] = known["notify_slave_uname"]
    # Whether they are online, or wanted, is not what agents ask: it is who could ever be meant.
    known["notify_available_uname"] = " ".join(sorted(clone.scores)) or " "
    nodes = sorted(work.nodes, key=lambda node: node.name)
    known["notify_all_uname"] = " ".join(node.name for node in nodes) or " "
    if any(one.meta.get("container-attribute-target") == "host" for one in clone.primitives()):
        known["notify_all_hosts"] = " ".join(map(_host_now, nodes)) or " "
    return known


def _host_now(node: Node) -> str:
    """Return the name of what a node runs on: itself, unless it is a guest that runs."""
    launcher = None if node.connection is None else node.connection.launcher
    return launcher.active[0].name if launcher is not None and launcher.active else node.name
