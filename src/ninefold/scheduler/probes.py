"""Asking what is there: a probe on each node that has not yet told about a resource."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ninefold.scheduler import variants
from ninefold.scheduler.actions import act, key_of
from ninefold.scheduler.model import Reason
from ninefold.scheduler.nodes import fence
from ninefold.scheduler.orders import order, order_action
from ninefold.scheduler.relations import ORDERED, UNRUNNABLE_FIRST_BLOCKS
from ninefold.scheduler.remote_state import RemoteState, remote_state
from ninefold.scheduler.unfencing import order_after_unfencing
from ninefold.scheduler.words import Role

if TYPE_CHECKING:
    from ninefold.scheduler.workspace import Action, Node, Resource, Workspace


def schedule_probes(work: Workspace) -> None:
    """Probe node by node, each resource in order; nothing starts before its probes are back."""
    for node in work.nodes:
        if not node.online:
            failed = node.remote and not node.guest and node.connection is not None
            if failed and remote_state(node) is RemoteState.FAILED:
                fence(work, node, "the connection is unrecoverable")
            continue
        if node.unclean or not node.probes_allowed:
            continue
        for resource in work.resources:
            variants.of(resource).probe(work, resource, node)


def probe_primitive(work: Workspace, resource: Resource, node: Node) -> bool:
    """Probe one primitive on one node, unless that is known or of no use."""
    if not work.options.probe or not _worth_probing(work, resource, node):
        return False
    action = act(work, resource, "monitor", node, optional=False)
    action.optional = False
    order_after_unfencing(work, resource, node, action, ORDERED)
    if node not in resource.active:
        _expect(action, 7)
    elif resource.role is Role.PROMOTED:
        _expect(action, 8)
    action.reasons.append(
        Reason("unknown-state", f"It is not known whether {node.name} runs {resource.id}.")
    )
    waits = _waiting_for_probe(resource)
    relation = ORDERED
    if not action.runnable and not waits.active:
        # A node that is still joining cannot answer yet, and may be running it.
        relation |= UNRUNNABLE_FIRST_BLOCKS
    order_action(work, action, (waits, key_of(waits.id, "start")), relation)
    reload = (waits, key_of(resource.id, "reload-agent"))
    order_action(work, action, reload, ORDERED)
    return True


def _waiting_for_probe(resource: Resource) -> Resource:
    """Return whose start waits for the probes of `resource`: instances are told apart by them."""
    top = resource.top
    return top if top.clone is not None else resource


def _expect(action: Action, rc: int) -> None:
    action.expected_rc = rc
    action.meta["op_target_rc"] = str(rc)


def _worth_probing(work: Workspace, resource: Resource, node: Node) -> bool:
    if node.remote and (resource.fence_device or resource.remote_connection):
        return False
    if node.guest and any(one.remote_connection for one in resource.launched):
        return False
    if resource.launcher is not None and not resource.remote_connection:
        return False
    if resource.removed or node.name in resource.known_on:
        return False
    default = "never" if node.explicit_only else "always"
    mode = resource.probe_modes.get(node.name, default)
    exclusive = resource.exclusive_probes or resource.top.exclusive_probes
    if exclusive and mode != "exclusive":
        return False
    if mode == "never":
        return False
    return not node.guest or _guest_stays(work, resource, node)


def _guest_stays(work: Workspace, resource: Resource, node: Node) -> bool:
    """Whether a guest that is there now will be there when it is asked.

    If not, nothing can be running inside of it when it is there again; that is known once the
    container's own state is.
    """
    connection = node.connection
    assert connection is not None
    launcher = connection.launcher
    assert launcher is not None
    waits = resource.top
    if launcher.role <= Role.STOPPED:
        host = launcher.assigned
        if host is not None and host.name not in launcher.known_on:
            order(work, (launcher, "monitor"), (waits, "start"), ORDERED)
        return False
    here = launcher.active[0] if launcher.active else None
    stays = launcher.next_role is not Role.STOPPED and here is launcher.assigned
    if not stays or node.remote_reset:
        order(work, (launcher, "stop"), (waits, "start"), ORDERED)
        return False
    return True
