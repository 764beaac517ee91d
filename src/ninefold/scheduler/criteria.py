"""What else counts for a node besides constraints: section 8.

Shutdown locks, stickiness, failures up to the migration threshold, and exclusive discovery.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ninefold.scheduler import reasons, scoring
from ninefold.scheduler.actions import forget_history
from ninefold.scheduler.failcounts import with_content
from ninefold.scheduler.scores import INFINITY
from ninefold.scheduler.words import integer
from ninefold.scheduler.workspace import Variant

if TYPE_CHECKING:
    from ninefold.scheduler.workspace import Node, Resource, Workspace


def apply_criteria(work: Workspace) -> None:
    """Apply everything that is known about nodes before anything is assigned."""
    for resource in work.resources:
        _stickiness(work, resource)
    for node in work.nodes:
        for resource in work.resources:
            _threshold(work, resource, node)
            _exclusive(resource, node)


def apply_locks(work: Workspace) -> None:
    """Keep what ran on a cleanly leaving node for its return, where that is configured."""
    if work.options.shutdown_lock:
        for resource in work.resources:
            _lock(work, resource)


def _lock(work: Workspace, resource: Resource) -> None:
    if resource.variant is Variant.GROUP:
        for member in resource.children:
            _lock(work, member)
        return
    if resource.variant is not Variant.PRIMITIVE or resource.fence_device:
        return
    if resource.remote_connection or resource.launcher is not None:
        return
    node = resource.lock_node
    if node is not None and resource.active:
        # It was started elsewhere all the same: better not disturbed now.
        forget_history(work, resource, node)
        resource.lock_node = None
    elif node is None and len(resource.active) == 1:
        host = resource.active[0]
        if host.shutdown and not host.unclean:
            resource.lock_node = host
            resource.lock_time = integer(host.attributes.get("shutdown"), 0)
    if resource.lock_node is None:
        return
    if work.options.shutdown_lock_limit > 0:
        work.recheck(resource.lock_time + work.options.shutdown_lock_limit + 1)
    for other in work.nodes:
        if other is not resource.lock_node:
            scoring.ban(resource, other, "shutdown-lock", resource.lock_node.name)
    resource.placement_reasons.append(reasons.locked(resource, resource.lock_node))


def _stickiness(work: Workspace, resource: Resource) -> None:
    for leaf in resource.primitives():
        if not leaf.managed or leaf.stickiness < 1 or len(leaf.active) != 1:
            continue
        node = leaf.active[0]
        if not work.options.symmetric and node.name not in leaf.scores:
            continue
        scoring.contribute(leaf, node, leaf.stickiness, "stickiness", leaf.id)
        leaf.placement_reasons.append(reasons.stickiness(leaf, node))


def _threshold(work: Workspace, resource: Resource, node: Node) -> None:
    if not any(name.startswith("fail-count-") for name in node.attributes):
        return
    for leaf in resource.primitives():
        if any(a.task == "clear_failcount" and a.node is node for a in leaf.actions):
            continue
        if not threshold_reached(work, leaf, node):
            continue
        banned = leaf if leaf.unique else leaf.top
        scoring.ban(banned, node, "migration-threshold", leaf.id)
        count = with_content(work, leaf, node)
        leaf.placement_reasons.append(reasons.threshold(leaf, node, count))


def threshold_reached(work: Workspace, resource: Resource, node: Node) -> bool:
    """Whether a resource has failed on a node as often as it may."""
    if resource.migration_threshold == 0 or resource.ignore_failure:
        return False
    count = with_content(work, resource, node)
    return 0 < count >= resource.migration_threshold


def _exclusive(resource: Resource, node: Node) -> None:
    """Keep what is only looked for on certain nodes, and everything in it, off the others."""
    if not (resource.exclusive_probes or resource.top.exclusive_probes):
        return
    for child in resource.children:
        _exclusive(child, node)
    if node.name in resource.scores and resource.probe_modes.get(node.name) != "exclusive":
        scoring.contribute(resource, node, -INFINITY, "discovery", resource.id)
