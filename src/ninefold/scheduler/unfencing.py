"""Letting a node in: devices that need a node to be switched on before it may use anything.

With unfencing in use, the order "on" of a node comes before every probe and start there of what
requires it, and after every stop.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ninefold.cib.failcounts import UNFENCED, UNFENCED_WITH, UNFENCED_WITH_OPENLY
from ninefold.scheduler.actions import can_fence, cluster_action, key_of, link
from ninefold.scheduler.digest_check import any_masked
from ninefold.scheduler.digests import operation_digest
from ninefold.scheduler.model import Reason
from ninefold.scheduler.orders import order_action
from ninefold.scheduler.record import Record
from ninefold.scheduler.relations import (
    FIRST_IMPLIES_SAME_NODE_THEN,
    IF_ON_SAME_NODE,
    ORDERED,
    THEN_IMPLIES_FIRST,
    UNRUNNABLE_FIRST_BLOCKS,
)
from ninefold.scheduler.resources import parameters_on
from ninefold.scheduler.words import integer

if TYPE_CHECKING:
    from ninefold.scheduler.workspace import Action, Node, Resource, Workspace

# What a fence device's parameters may call a secret.
_SECRETS: Final = ("passwd", "password", "user")


def unfence(work: Workspace, node: Node) -> Action:
    """Return the action that switches `node` on; required if devices have changed, and work."""
    key = f"stonith-{node.name}-on"
    known = key in work.singletons
    action = cluster_action(work, "stonith", key, node, "fencing")
    if not known:
        action.meta = {"stonith_action": "on", "on_node": node.name, "on_node_uuid": node.id}
        changed = _devices_changed(node, _devices(work, node))
        action.optional = not (changed and can_fence(work, node))
    return action


def unfencing_digests(work: Workspace, node: Node) -> dict[str, str]:
    """Return what a node is unfenced with, in the words that it is remembered by."""
    devices = _devices(work, node)
    if not devices:
        return {}
    return {
        "digests_all": "".join(device.whole for device in devices),
        "digests_secure": "".join(device.openly for device in devices),
    }


class _Device(Record):
    """A device that unfences: its name, kind and a digest of its parameters.

    `openly` has the digest without secrets and without what is for the cluster and not for the
    agent; `masked` says that asterisks stand in the place of a secret.
    """

    whole: str
    openly: str
    masked: bool


def _devices(work: Workspace, node: Node) -> list[_Device]:
    """Return what `node` would be unfenced with."""
    found = []
    for top in work.resources:
        for device in top.primitives():
            if not device.fence_device or device.meta.get("provides") != "unfencing":
                continue
            name = f"{device.id}:{device.agent_type}:"
            parameters = parameters_on(work, device, node)
            open_to_all = {
                name: value
                for name, value in parameters.items()
                if name not in _SECRETS and not name.startswith("pcmk_")
            }
            found.append(
                _Device(
                    f"{name}{operation_digest(parameters)},",
                    f"{name}{operation_digest(open_to_all)},",
                    any_masked(parameters, _SECRETS),
                )
            )
    return found


def _devices_changed(node: Node, devices: list[_Device]) -> bool:
    """Whether a device that unfences is not the one that `node` was unfenced with."""
    recorded = node.attributes.get(UNFENCED_WITH)
    if recorded is None or not node.online or node.unclean:
        return False
    openly = node.attributes.get(UNFENCED_WITH_OPENLY, "")
    return any(
        device.whole not in recorded and not (device.masked and device.openly in openly)
        for device in devices
    )


def _concerned(work: Workspace, resource: Resource) -> bool:
    if resource.fence_device:
        return work.options.unfencing
    return resource.requires == "unfencing"


def order_inside(work: Workspace, resource: Resource) -> None:
    """Order a resource's stops before, and its starts after, the unfencing of each node."""
    if resource.fence_device or resource.requires != "unfencing" or not work.options.unfencing:
        return
    for name in sorted(resource.scores):
        action = unfence(work, work.node_names[name.lower()])
        stop = (resource, key_of(resource.id, "stop"))
        start = (resource, key_of(resource.id, "start"))
        order_action(work, stop, action, ORDERED | IF_ON_SAME_NODE)
        then = FIRST_IMPLIES_SAME_NODE_THEN | UNRUNNABLE_FIRST_BLOCKS | IF_ON_SAME_NODE
        order_action(work, action, start, then)


def order_after_unfencing(
    work: Workspace, resource: Resource, node: Node, action: Action, relation: int
) -> None:
    """Order a probe or start after the unfencing of its node, required if never done."""
    if not work.options.unfencing or not _concerned(work, resource):
        return
    first = unfence(work, node)
    link(first, action, relation)
    if integer(node.attributes.get(UNFENCED), 0) <= 0:
        what = f"required by {resource.id} {action.task}"
        _require(work, node, f"{resource.id} requires it", what)


def order_stop_before_unfencing(
    work: Workspace, resource: Resource, node: Node, stop: Action
) -> None:
    """Order a stop before the node is let in anew."""
    if work.options.unfencing and not resource.fence_device and resource.requires == "unfencing":
        link(stop, unfence(work, node), THEN_IMPLIES_FIRST)


def device_changed(work: Workspace, device: Resource, node: Node | None, what: str) -> None:
    """Let nodes in anew after a change of a device's `what`, its definition or its parameters."""
    if not work.options.unfencing or not device.fence_device:
        return
    for name in sorted(device.scores):
        other = work.node_names[name.lower()]
        if node in {None, other}:
            _require(work, other, f"the {what} of {device.id} changed", f"Device {what} changed")


def _require(work: Workspace, node: Node, why: str, due: str) -> None:
    if node.online and not node.unclean and not node.shutdown and can_fence(work, node):
        action = unfence(work, node)
        action.optional = False
        action.due = action.due or due
        action.reasons.append(Reason("unfencing", f"{node.name} must be unfenced: {why}."))
