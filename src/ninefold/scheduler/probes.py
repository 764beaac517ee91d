"""Asking what is there: a probe on each node that has not yet told about a resource."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ninefold.scheduler.actions import act, key_of
from ninefold.scheduler.model import Reason
from ninefold.scheduler.workspace import Ordering, Relation, Variant

if TYPE_CHECKING:
    from ninefold.scheduler.workspace import Node, Resource, Workspace


def schedule_probes(work: Workspace) -> None:
    """Probe node by node, each resource in order; nothing starts before its probes are back."""
    if not work.options.probe:
        return
    for node in work.nodes:
        if not node.online or node.unclean:
            continue
        for resource in work.resources:
            for leaf in resource.primitives():
                _probe(work, leaf, node)


def _probe(work: Workspace, resource: Resource, node: Node) -> None:
    if resource.variant is not Variant.PRIMITIVE or resource.removed:
        return
    if node.name in resource.known_on:
        return
    mode = resource.probe_modes.get(node.name, "always")
    exclusive = "exclusive" in resource.probe_modes.values()
    if mode == "never" or (exclusive and mode != "exclusive"):
        return
    action = act(work, resource, "monitor", node, optional=False)
    action.optional = False
    action.expected_rc = 7
    action.meta["op_target_rc"] = "7"
    action.reasons.append(
        Reason("unknown-state", f"It is not known whether {node.name} runs {resource.id}.")
    )
    work.orderings.append(
        # A node that is still joining cannot answer yet, and may be running it.
        Ordering(
            action,
            None,
            "",
            None,
            resource,
            key_of(resource.id, "start"),
            Relation.ORDERED | Relation.UNRUNNABLE_FIRST_BLOCKS,
        )
    )
