"""What the field's graph says besides actions and their order: its header, and words about an action.

Scripts read these; nothing is decided by them here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ninefold.scheduler.remote import host_of
from ninefold.scheduler.unfencing import unfencing_digests
from ninefold.scheduler.workspace import Variant

if TYPE_CHECKING:
    from ninefold.scheduler.workspace import Action, Resource, Workspace


def header(work: Workspace) -> dict[str, str]:
    """Return the attributes of the graph that the options decide, as they were written."""
    options = work.options
    found = {
        "cluster-delay": options.cluster_delay,
        "fencing-timeout": options.fencing_timeout,
        "failed-stop-offset": "INFINITY",
        "failed-start-offset": "INFINITY" if options.start_failure_is_fatal else "1",
        "batch-limit": str(options.batch_limit),
    }
    if options.migration_limit > 0:
        found["migration-limit"] = str(options.migration_limit)
    return found


def clone_meta(resource: Resource, meta: dict[str, str]) -> None:
    """Add what an agent is told of the clone that an instance, or a point in it, belongs to."""
    top = resource.top
    facts = top.clone
    if facts is None:
        return
    if resource.variant is Variant.PRIMITIVE:
        meta["clone"] = str(resource.number)
    meta["clone_max"] = str(facts.max)
    meta["clone_node_max"] = str(facts.node_max)
    meta["globally_unique"] = str(top.unique).lower()
    meta["notify"] = str(top.notify).lower()
    if top.promotable:
        for word in ("promoted", "master"):
            meta[f"{word}_max"] = str(facts.promoted_max)
            meta[f"{word}_node_max"] = str(facts.promoted_node_max)


def more_meta(work: Workspace, action: Action, meta: dict[str, str]) -> None:
    """Add what nobody waits for, what unfences, and what an agent is told of its guest."""
    resource = action.resource
    node = action.node
    fences = action.kind == "fencing" and node is not None and not node.guest
    if fences and node is not None and work.options.unfencing:
        meta |= unfencing_digests(work, node)
    if action.kind in {"shutdown", "clear"}:
        meta["op_no_wait"] = "true"
    if action.kind == "cancel":
        return
    if action.task == "lrm_delete":
        meta["on_fail"] = "ignore"
    host = host_of(action)
    if host is not None:
        meta["physical_host"] = host.name
    if action.task == "migrate_to" and not (resource is not None and resource.remote_connection):
        # That it is under way is known in any case: it decides who may hold what moves.
        meta["record_pending"] = "true"
    if resource is None or resource.variant is not Variant.PRIMITIVE:
        return
    if resource.launcher is not None:
        meta["container"] = resource.launcher.id
    if "remote-node" in resource.meta:
        meta["remote_node"] = resource.meta["remote-node"]
    if host is not None and "container-attribute-target" in resource.meta:
        meta["container_attribute_target"] = resource.meta["container-attribute-target"]


def instance_of(resource: Resource | None, name: str) -> str:
    """Return the name, as recorded, of an instance whose agent is told `name` only."""
    if resource is None or resource.variant is not Variant.PRIMITIVE:
        return ""
    for instance in (resource.history_id, resource.id):
        if ":" in instance and instance != name:
            return instance
    return ""


def downed_by(work: Workspace, action: Action) -> tuple[str, ...]:
    """Return the nodes that are down once `action` has been done."""
    node = action.node
    if action.task == "do_shutdown" and node is not None:
        return (node.name,)
    if action.kind == "fencing" and node is not None:
        if action.meta.get("stonith_action") == "on":
            return ()
        inside = [
            other.name
            for other in work.nodes
            if other.connection is not None
            and other.connection.launcher is not None
            and node in other.connection.launcher.active
        ]
        return (node.name, *inside)
    connection = action.resource
    if connection is None or not connection.remote_connection or action.task != "stop":
        return ()
    moves = any(
        one.task in {"migrate_to", "migrate_from"} and one.graphed for one in connection.actions
    )
    return () if moves or action.pseudo else (connection.id,)
