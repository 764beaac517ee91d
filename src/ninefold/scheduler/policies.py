"""What follows from a resource's history on one node: its failure policy, and where it is active."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ninefold.scheduler import reasons, scoring
from ninefold.scheduler.actions import act, stop
from ninefold.scheduler.nodes import fence
from ninefold.scheduler.scores import INFINITY
from ninefold.scheduler.words import Role
from ninefold.scheduler.workspace import OnFail, Variant

if TYPE_CHECKING:
    from ninefold.scheduler.workspace import Node, Resource, Workspace


def apply_policy(
    work: Workspace, resource: Resource, node: Node, policy: OnFail, reason: str
) -> None:
    """Conclude from the replayed history of `resource` on `node`."""
    if resource.role is not Role.UNKNOWN:
        _note_known(resource, node)
    active = resource.role > Role.STOPPED
    if active and not node.online and not node.maintenance and resource.managed:
        _active_on_lost(work, resource, node)
    failed = policy is not OnFail.IGNORE
    heeded = OnFail.IGNORE if node.unclean else policy
    _act_on(work, resource, node, heeded, reason)
    remote = work.node(resource.id) if resource.remote_connection and resource.failed else None
    if remote is not None and remote.unclean:
        # Its connection has failed: silenced whether or not it will be connected again.
        remote.unseen = False
    if active:
        add_running(work, resource, node, failed=failed)
        if heeded is not OnFail.IGNORE:
            # Where it is demoted or left alone, the failure alone is no reason to stop it.
            resource.failed = True
            resource.stop_if_failed |= heeded not in {OnFail.DEMOTE, OnFail.BLOCK}
    else:
        _not_active(resource, node)


def found_stopped(resource: Resource, node: Node) -> None:
    """Conclude the same from a history that says no more than that it does not run there."""
    _note_known(resource, node)
    _not_active(resource, node)


def _not_active(resource: Resource, node: Node) -> None:
    if ":" in resource.history_id:
        # Old histories numbered what cannot be told apart; what is stopped has no number.
        resource.history_id = ""
    else:
        for action in resource.actions:
            if action.task == "stop" and action.node is node:
                # It has been done already.
                action.optional = True
    partial = resource.partial_source is node and resource.partial_target is not None
    if resource.role is Role.STOPPED and partial:
        resource.role = Role.STARTED


def _note_known(resource: Resource, node: Node) -> None:
    one: Resource | None = resource
    while one is not None:
        one.known_on.setdefault(node.name, node)
        if one.unique:
            return
        one = one.parent


def _active_on_lost(work: Workspace, resource: Resource, node: Node) -> None:
    why = f"{resource.id} is thought to be active there"
    if node.guest:
        resource.failed = True
        resource.stop_if_failed = True
        fence(work, node, why)
    elif work.options.fencing_enabled:
        connection = node.connection
        if node.remote and connection is not None and not connection.failed:
            # Only to be silenced if its connection is not going to be started somewhere.
            node.unseen = True
        fence(work, node, why)


def _act_on(work: Workspace, resource: Resource, node: Node, policy: OnFail, reason: str) -> None:
    active = resource.role > Role.STOPPED
    match policy:
        case OnFail.IGNORE:
            return
        case OnFail.DEMOTE:
            resource.failed = True
            act(work, resource, "demote", node, optional=False)
        case OnFail.FENCE:
            resource.failed = True
            fence(work, node, f"{resource.id} failed there")
        case OnFail.STANDBY:
            node.standby = True
            node.standby_after_failure = True
        case OnFail.BLOCK:
            resource.blocked = True
            resource.managed = False
            resource.placement_reasons.append(reasons.blocked(resource, node, reason))
        case OnFail.BAN:
            scoring.ban(resource, node, "failed", resource.id)
        case OnFail.STOP:
            resource.next_role = Role.STOPPED
        case OnFail.RESTART:
            if active:
                _failed(resource)
                stop(work, resource, node, optional=False)
        case OnFail.RESTART_CONTAINER:
            _restart_container(work, resource, node)
        case OnFail.RESET_REMOTE:
            _reset_remote(work, resource, node)
    if active and policy is not OnFail.BLOCK:
        resource.placement_reasons.append(reasons.failed(resource, node, reason))


def _failed(resource: Resource) -> None:
    resource.failed = True
    resource.stop_if_failed = True


def _restart_container(work: Workspace, resource: Resource, node: Node) -> None:
    _failed(resource)
    launcher = resource.launcher
    if launcher is not None and node.bundle_node:
        # Where the container runs is known only when all histories have been read.
        work.must_stop.insert(0, launcher)
    elif node.bundle_node and node.connection is not None and node.connection.launcher is not None:
        work.must_stop.insert(0, node.connection.launcher)
    elif launcher is not None and resource.bundled:
        work.must_stop.insert(0, launcher)
    elif launcher is not None:
        stop(work, launcher, node, optional=False)
    elif resource.role > Role.STOPPED:
        stop(work, resource, node, optional=False)


def _reset_remote(work: Workspace, resource: Resource, node: Node) -> None:
    _failed(resource)
    if work.options.fencing_enabled:
        remote = work.node(resource.id)
        if remote is not None and remote.remote and not remote.remote_was_fenced:
            fence(work, remote, "remote connection is unrecoverable")
    if resource.role > Role.STOPPED:
        stop(work, resource, node, optional=False)
    if resource.reconnect_ms:
        # Not connected again before the failure is cleared by the reconnect interval.
        resource.next_role = Role.STOPPED


def add_running(work: Workspace, resource: Resource, node: Node, *, failed: bool) -> None:
    """Note that `resource`, and whatever it is in, is active on `node`."""
    if node in resource.active:
        return
    resource.active.append(node)
    if resource.variant is Variant.PRIMITIVE:
        node.running.append(resource)
        _weigh(resource, node, failed=failed)
        if node.maintenance:
            resource.managed = False
            resource.maintenance = True
    if not resource.managed:
        scoring.contribute(resource, node, INFINITY, "unmanaged", resource.id)
        for inner in resource.tree()[1:]:
            scoring.contribute(inner, node, INFINITY, "unmanaged", resource.id)
        resource.placement_reasons.append(reasons.unmanaged(resource))
        parent = resource.parent
        while parent is not None and node.online:
            if node not in parent.active:
                parent.active.append(node)
            parent = parent.parent
        return
    if resource.variant is Variant.PRIMITIVE and len(resource.counted_active) > 1:
        _multiply_active(work, resource)
    if resource.parent is not None:
        add_running(work, resource.parent, node, failed=False)


def _weigh(resource: Resource, node: Node, *, failed: bool) -> None:
    """Add to the node's priority, which decides how long fencing it is delayed."""
    if failed or not resource.priority:
        return
    promoted = 1 if resource.role is Role.PROMOTED else 0
    node.priority = min(INFINITY, node.priority + resource.priority + promoted)
    connection = node.connection
    if node.guest and connection is not None and connection.launcher is not None:
        for host in connection.launcher.active:
            host.priority = min(INFINITY, host.priority + resource.priority + promoted)


def _multiply_active(work: Workspace, resource: Resource) -> None:
    resource.placement_reasons.append(reasons.multiply_active(resource))
    match resource.multiple_active:
        case "stop_only":
            scoring.ban_everywhere(work, resource, "multiply-active", resource.id)
        case "block":
            resource.managed = False
            resource.blocked = True
            parent = resource.parent
            together = parent is not None and (
                parent.variant is Variant.GROUP or resource.launcher is not None
            )
            if parent is not None and together and parent.multiple_active == "block":
                for sibling in parent.children:
                    sibling.managed = False
                    sibling.blocked = True
        case _:
            pass
