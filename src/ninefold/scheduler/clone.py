"""A clone: several instances of one primitive or group, at most so many on a node."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ninefold.scheduler import assign, promotion, variants
from ninefold.scheduler.clone_assign import assign_instances, sort_instances
from ninefold.scheduler.colocation import this_with, with_this
from ninefold.scheduler.instance_actions import create_collective
from ninefold.scheduler.merging import add_dependents
from ninefold.scheduler.orders import order
from ninefold.scheduler.relations import (
    FIRST_IMPLIES_THEN_GRAPHED,
    ORDERED,
    THEN_IMPLIES_FIRST_GRAPHED,
    UNRUNNABLE_FIRST_BLOCKS,
)

if TYPE_CHECKING:
    from ninefold.scheduler.workspace import Node, Resource, Workspace


class Clone:
    """How a clone behaves."""

    def assign(
        self, work: Workspace, resource: Resource, prefer: Node | None, *, stop_if_fail: bool
    ) -> Node | None:
        """Assign as many instances as there may be, then choose which of them are promoted."""
        if resource.is_assigned or resource.is_assigning:
            return None
        facts = resource.clone
        assert facts is not None
        resource.is_assigning = True
        if resource.promotable:
            promotion.add_scores(work, resource)
        for one in this_with(resource):
            variants.of(one.primary).assign(work, one.primary, prefer, stop_if_fail=stop_if_fail)
        for one in with_this(resource):
            add_dependents(work, resource, one)
        assign.print_tree(work, resource, "pcmk__clone_assign")
        resource.final_scores = dict(resource.scores)
        resource.counts = dict.fromkeys(resource.scores, 0)
        resource.children = sort_instances(work, resource.children)
        assign_instances(work, resource, resource.children, facts.max, facts.node_max)
        if resource.promotable:
            promotion.choose_roles(work, resource)
        resource.is_assigning = False
        resource.is_assigned = True
        return None

    def create(self, work: Workspace, resource: Resource) -> None:
        """Create the actions of all instances, and the points where all of them begin and end."""
        create_collective(work, resource, resource.children, resource.children)
        if resource.promotable:
            promotion.create(work, resource)

    def order_inside(self, work: Workspace, resource: Resource) -> None:
        """Let the clone's own points enclose those of its instances."""
        facts = resource.clone
        assert facts is not None
        order(work, (resource, "stopped"), (resource, "start"), ORDERED)
        order(work, (resource, "start"), (resource, "running"), UNRUNNABLE_FIRST_BLOCKS)
        order(work, (resource, "stop"), (resource, "stopped"), UNRUNNABLE_FIRST_BLOCKS)
        if resource.promotable:
            order(work, (resource, "demoted"), (resource, "stop"), ORDERED)
            order(work, (resource, "running"), (resource, "promote"), UNRUNNABLE_FIRST_BLOCKS)
        if facts.ordered:
            resource.children.sort(key=lambda child: child.number)
        for number, child in enumerate(resource.children):
            variants.of(child).order_inside(work, child)
            begins = UNRUNNABLE_FIRST_BLOCKS | THEN_IMPLIES_FIRST_GRAPHED
            order(work, (resource, "start"), (child, "start"), begins)
            order(work, (child, "start"), (resource, "running"), FIRST_IMPLIES_THEN_GRAPHED)
            order(work, (resource, "stop"), (child, "stop"), THEN_IMPLIES_FIRST_GRAPHED)
            order(work, (child, "stop"), (resource, "stopped"), FIRST_IMPLIES_THEN_GRAPHED)
            # After all that come before it, for those in between may have nothing to do. Roles are
            # chained from each to the next only.
            for earlier in resource.children[:number] if facts.ordered else ():
                order(work, (earlier, "start"), (child, "start"), ORDERED)
                order(work, (child, "stop"), (earlier, "stop"), ORDERED)
        if resource.promotable:
            promotion.order_inside(work, resource)

    def probe(self, work: Workspace, resource: Resource, node: Node) -> bool:
        """Probe every instance that can be told apart, or one for all."""
        resource.children.sort(key=lambda child: child.number)
        if not resource.children:
            return False
        if resource.exclusive_probes and resource.probe_modes.get(node.name) != "exclusive":
            resource.scores.pop(node.name, None)
            return False
        if resource.unique:
            answers = [variants.of(c).probe(work, c, node) for c in resource.children]
            return any(answers)
        chosen = next((c for c in resource.children if _known(c, node)), None)
        if chosen is None:
            here = (c for c in resource.children if _assigned_to(c, node))
            chosen = next(here, resource.children[0])
        return variants.of(chosen).probe(work, chosen, node)


def _known(instance: Resource, node: Node) -> bool:
    return any(node.name in leaf.known_on for leaf in instance.primitives())


def _assigned_to(instance: Resource, node: Node) -> bool:
    return any(leaf.assigned is node for leaf in instance.primitives())
