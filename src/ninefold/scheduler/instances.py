"""Which resource a recorded name belongs to; for clones, which instance.

Numbers of anonymous instances mean nothing by themselves: they are handed out in the order in
which histories are read (section 6, "Finding the resource").
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lxml import etree

from ninefold.scheduler import scoring
from ninefold.scheduler.actions import forget_history
from ninefold.scheduler.nodes import connect, create_remote
from ninefold.scheduler.resources import add_instance, unpack
from ninefold.scheduler.words import integer
from ninefold.scheduler.workspace import Variant

if TYPE_CHECKING:
    from lxml.etree import _Element as Element

    from ninefold.scheduler.workspace import Node, Resource, Workspace


def find(work: Workspace, node: Node, name: str) -> Resource | None:
    """Return the resource whose history on `node` is recorded as `name`."""
    resource = work.by_id.get(name) or _by_history_id(work, name)
    if resource is None:
        zero = work.by_id.get(f"{name.partition(':')[0]}:0")
        if zero is None or zero.unique:
            return None
        resource = zero
    elif resource.variant is not Variant.PRIMITIVE:
        return None
    top = resource.top
    if top.anonymous_clone:
        if top.parent is not None:
            resource = _replica_child(top.parent, node)
        else:
            resource = _anonymous(work, node, top, name.partition(":")[0])
    if resource is not None and name not in (resource.id, resource.history_id):
        resource.history_id = name
    return resource


def _by_history_id(work: Workspace, name: str) -> Resource | None:
    for resource in work.by_config_id.get(name.partition(":")[0], []):
        if resource.history_id == name:
            return resource
    return None


def _replica_child(bundle: Resource, node: Node) -> Resource | None:
    for replica in bundle.replicas:
        if replica.node is node:
            return replica.child
    return None


def places(resource: Resource, *, pending: bool = False) -> list[Node]:
    """Return the nodes where any part of `resource` is active (or about to be)."""
    found: list[Node] = []
    for leaf in resource.primitives():
        for node in leaf.active:
            if node not in found:
                found.append(node)
        if pending and leaf.pending_node is not None and leaf.pending_node not in found:
            found.append(leaf.pending_node)
    return found


def _member(instance: Resource, base: str) -> Resource | None:
    return next((leaf for leaf in instance.primitives() if leaf.config_id == base), None)


def _anonymous(work: Workspace, node: Node, clone: Resource, base: str) -> Resource:
    facts = clone.clone
    assert facts is not None
    found: Resource | None = None
    inactive: Resource | None = None
    skip_inactive = False
    for child in clone.children:
        where = places(child, pending=True)
        if where:
            if where[0] is node:
                found = _member(child, base)
                if found is not None and found.active:
                    # A second instance on one node is one too many for an anonymous clone.
                    found = None
                    skip_inactive = True
                if found is not None:
                    break
        elif inactive is None and not skip_inactive and not child.blocked:
            inactive = _member(child, base)
            pending = inactive.pending_node if inactive is not None else None
            if pending is not None and pending is not node:
                inactive = None
    if found is None and not skip_inactive:
        found = inactive
    universal = facts.max == len(work.nodes)
    gone = (not node.online or node.unclean) and not node.guest
    if found is not None and not found.needs_fencing and gone and not universal:
        # It counts as inactive: its number is free for an instance elsewhere.
        found = None
    if found is None:
        extra = add_instance(work, clone, removed=True)
        extra.removed_filler = False
        for one in extra.tree():
            one.removed_filler = False
        found = _member(extra, base)
    assert found is not None
    return found


def removed(work: Workspace, element: Element) -> Resource:
    """Create a resource for a history that belongs to nothing configured."""
    name = element.get("id") or ""
    made = etree.Element("primitive", id=name)
    for attribute in ("class", "provider", "type"):
        value = element.get(attribute)
        if value is not None:
            made.set(attribute, value)
    resource = unpack(work, made, None)
    resource.removed = True
    work.resources.append(resource)
    if resource.fence_device:
        work.has_fence_device = True
    if resource.remote_connection:
        node = create_remote(work, name)
        connect(work, resource)
        node.shutdown = True
    if element.get("container") is not None:
        resource.removed_filler = True
    if not work.options.stop_removed_resources:
        resource.managed = False
    else:
        scoring.ban_everywhere(work, resource, "removed", name)
    return resource


def tie_removed_to_containers(work: Workspace, elements: list[Element]) -> None:
    """Give removed resources back the container that their history names."""
    for element in elements:
        name = element.get("container")
        if name is None:
            continue
        container = work.by_id.get(name)
        resource = work.by_id.get(element.get("id") or "")
        if container is None or resource is None:
            continue
        if resource.removed_filler and resource.launcher is None:
            resource.launcher = container
            container.launched.append(resource)


def note_lock(work: Workspace, resource: Resource, node: Node, element: Element) -> None:
    """Keep a resource for the node that was shut down cleanly while running it."""
    text = element.get("shutdown-lock")
    since = 0 if text is None else integer(text, 0)
    if since <= 0:
        return
    limit = work.options.shutdown_lock_limit
    if limit > 0 and work.now > since + limit:
        forget_history(work, resource, node)
    else:
        resource.lock_node = node
        resource.lock_time = since
