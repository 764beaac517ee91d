"""Nodes and resources as they were found, for those who print them; nothing is decided by these."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ninefold.scheduler.model import ResourceView
from ninefold.scheduler.words import Role
from ninefold.scheduler.workspace import Variant

if TYPE_CHECKING:
    from ninefold.scheduler.bundle_model import Replica
    from ninefold.scheduler.workspace import Node, Resource, Workspace

_KINDS: Final = {
    Variant.PRIMITIVE: "primitive", Variant.GROUP: "group", Variant.CLONE: "clone",
    Variant.BUNDLE: "bundle",
}  # fmt: skip


def standing(work: Workspace, node: Node) -> str:
    """Return in a few words how a node is; `Online` and `OFFLINE` if no more is to be said."""
    there = "online" if node.online else "offline"
    if node.unclean:
        return f"UNCLEAN ({there})"
    if node.pending:
        return "pending"
    if (node.standby or node.standby_after_failure) and not node.unseen:
        if not node.online:
            return "OFFLINE (standby)"
        busy = " (with active resources)" if node.running else ""
        return f"standby (on-fail){busy}" if node.standby_after_failure else f"standby{busy}"
    if node.maintenance:
        return "maintenance" if node.online else "OFFLINE (maintenance)"
    health = _health(node) if work.options.health_strategy != "none" else ""
    if node.online and health:
        return f"online (health is {health})"
    return "Online" if node.online else "OFFLINE"


def _health(node: Node) -> str:
    found = {value.lower() for name, value in node.attributes.items() if name.startswith("#health")}
    return next((word.upper() for word in ("red", "yellow") if word in found), "")


def resource_views(work: Workspace) -> tuple[ResourceView, ...]:
    """Return what was found of every resource, in the engine's order.

    Connections to guests are not shown: nobody configured them as resources.
    """
    return tuple(
        _view(one)
        for one in work.resources
        if not (one.removed and not one.active)
        and (one.removed or not one.remote_connection or one.launcher is None)
    )


def role_now(leaf: Resource) -> Role:
    """Return the role that a primitive was found in; of what may be promoted, not just started."""
    if not leaf.active:
        return Role.STOPPED
    started = leaf.role is Role.STARTED and leaf.top.promotable
    return Role.UNPROMOTED if started else leaf.role


def _view(resource: Resource) -> ResourceView:
    match resource.variant:
        case Variant.PRIMITIVE:
            return _primitive(resource)
        case Variant.BUNDLE:
            return _whole(resource, tuple(_replica(one) for one in resource.replicas))
        case _:
            children = sorted(resource.children, key=lambda child: child.number)
            return _whole(resource, tuple(_view(child) for child in children))


def _whole(resource: Resource, children: tuple[ResourceView, ...]) -> ResourceView:
    clone = resource.clone
    container = next((one for one in resource.element if one.get("image") is not None), None)
    return ResourceView(
        kind=_KINDS[resource.variant],
        id=resource.id,
        name=resource.id,
        agent="" if container is None else container.get("image", ""),
        nodes=tuple(resource.scores) if clone is not None else (),
        managed=resource.managed,
        maintenance=resource.maintenance,
        disabled=resource.target_role is Role.STOPPED,
        removed=resource.removed,
        unique=resource.unique,
        promotable=resource.promotable,
        instances=0 if clone is None else clone.max,
        children=children,
    )


def _primitive(resource: Resource, name: str = "", where: Resource | None = None) -> ResourceView:
    """Return a primitive's view; what is inside of a container is found `where` that is."""
    host = resource if where is None else where
    agent = (resource.agent_class, resource.provider, resource.agent_type)
    lock = resource.lock_node
    return ResourceView(
        kind="primitive",
        id=resource.id,
        name=name or (resource.id if resource.unique else resource.config_id),
        agent=":".join(part for part in agent if part),
        role=role_now(resource).name.lower(),
        nodes=tuple(node.name for node in host.active),
        active=any(node.online or node.unclean or not resource.managed for node in host.active),
        failed=resource.failed,
        blocked=resource.blocked,
        managed=resource.managed,
        maintenance=resource.maintenance,
        disabled=resource.target_role is Role.STOPPED,
        removed=resource.removed,
        ignored=resource.ignore_failure,
        lost=any(node.unclean and not node.online for node in host.active),
        unique=resource.unique,
        promotable=resource.promotable,
        pending=resource.pending_task,
        locked="" if lock is None else lock.name,
        absent=dict(resource.absent),
    )


def _replica(replica: Replica) -> ResourceView:
    inside, connection = replica.child, replica.connection
    if inside is None or connection is None:
        return _primitive(replica.container)
    address = f" ({replica.ip})" if replica.ip else ""
    return _primitive(inside, f"{connection.id}{address}", replica.container)
