"""A group: members that run together and start in their order."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ninefold.scheduler import assign, variants
from ninefold.scheduler.actions import collective
from ninefold.scheduler.colocation import add_colocation
from ninefold.scheduler.orders import order
from ninefold.scheduler.relations import (
    FIRST_IMPLIES_THEN,
    FIRST_IMPLIES_THEN_GRAPHED,
    INTERMEDIATE_STOP,
    ORDERED,
    THEN_IMPLIES_FIRST,
    THEN_IMPLIES_FIRST_GRAPHED,
    UNRUNNABLE_FIRST_BLOCKS,
)
from ninefold.scheduler.scores import INFINITY
from ninefold.scheduler.words import Role

if TYPE_CHECKING:
    from ninefold.scheduler.workspace import Node, Resource, Workspace

_UP = FIRST_IMPLIES_THEN | UNRUNNABLE_FIRST_BLOCKS


class Group:
    """How a group behaves."""

    def assign(
        self, work: Workspace, resource: Resource, prefer: Node | None, *, stop_if_fail: bool
    ) -> Node | None:
        """Assign the members in their order; each is bound to the one before it."""
        if resource.is_assigned:
            return resource.assigned
        if resource.is_assigning:
            return None
        resource.is_assigning = True
        if resource.children:
            resource.role = resource.children[0].role
        assign.print_tree(work, resource, "pcmk__group_assign")
        chosen: Node | None = None
        for number, member in enumerate(resource.children):
            node = variants.of(member).assign(work, member, prefer, stop_if_fail=stop_if_fail)
            if number == 0:
                chosen = node
        resource.next_role = resource.children[0].next_role if resource.children else Role.STOPPED
        resource.is_assigning = False
        resource.is_assigned = True
        resource.assigned = None
        return chosen if resource.colocated else None

    def create(self, work: Workspace, resource: Resource) -> None:
        """Create the members' actions, and the points where all of them begin and end."""
        for member in resource.children:
            variants.of(member).create(work, member)
        tasks = ["start", "running", "stop", "stopped"]
        if resource.top.promotable:
            tasks += ["demote", "demoted", "promote", "promoted"]
        for task in tasks:
            action = collective(work, resource, task, optional=True)
            action.pseudo = True
            action.runnable = True

    def order_inside(self, work: Workspace, resource: Resource) -> None:
        """Chain the members, and let the group's own points enclose them."""
        order(work, (resource, "stopped"), (resource, "start"), ORDERED)
        order(work, (resource, "start"), (resource, "running"), UNRUNNABLE_FIRST_BLOCKS)
        order(work, (resource, "stop"), (resource, "stopped"), UNRUNNABLE_FIRST_BLOCKS)
        previous: Resource | None = None
        last_active: Resource | None = None
        for member in resource.children:
            _order_member(work, resource, member, previous)
            if member.active:
                gap = previous is not None and not previous.active
                if resource.ordered and gap and last_active is not None:
                    # A partly active group also goes down in sequence.
                    order(work, (member, "stop"), (last_active, "stop"), ORDERED)
                last_active = member
            previous = member

    def probe(self, work: Workspace, resource: Resource, node: Node) -> bool:
        """Probe every member."""
        answers = [variants.of(m).probe(work, m, node) for m in resource.children]
        return any(answers)


def _order_member(
    work: Workspace, group: Resource, member: Resource, previous: Resource | None
) -> None:
    variants.of(member).order_inside(work, member)
    begins = THEN_IMPLIES_FIRST_GRAPHED
    first = previous is None
    down = begins | (ORDERED if first and group.ordered else 0)
    ended = FIRST_IMPLIES_THEN if first and group.ordered else FIRST_IMPLIES_THEN_GRAPHED
    if previous is not None and group.colocated:
        add_colocation(
            work, "", member, previous, INFINITY,
            influence="true" if member.critical else "false", explicit=False,
        )  # fmt: skip
    promotable = group.top.promotable
    up_done = _UP | FIRST_IMPLIES_THEN_GRAPHED
    if promotable:
        order(work, (group, "demote"), (member, "demote"), down)
        order(work, (member, "demote"), (group, "demoted"), ended)
        order(work, (member, "promote"), (group, "promoted"), up_done)
        order(work, (group, "promote"), (member, "promote"), begins)
    order(work, (group, "stop"), (member, "stop"), down)
    order(work, (member, "stop"), (group, "stopped"), ended)
    order(work, (group, "start"), (member, "start"), begins)
    order(work, (member, "start"), (group, "running"), up_done)
    if not group.ordered:
        order(work, (group, "start"), (member, "start"), _UP | begins)
        if promotable:
            order(work, (group, "promote"), (member, "promote"), _UP | begins)
    elif previous is not None:
        _chain(work, previous, member, promotable=promotable)


def _chain(work: Workspace, previous: Resource, member: Resource, *, promotable: bool) -> None:
    order(work, (previous, "start"), (member, "start"), _UP)
    order(work, (member, "stop"), (previous, "stop"), ORDERED | INTERMEDIATE_STOP)
    if not previous.active and member.active and member.managed:
        # A member put in before ones that are running: they stop before it starts, if they may be stopped.
        relation = THEN_IMPLIES_FIRST | UNRUNNABLE_FIRST_BLOCKS
        order(work, (member, "stop"), (previous, "start"), relation)
    if promotable:
        order(work, (previous, "promote"), (member, "promote"), _UP)
        order(work, (member, "demote"), (previous, "demote"), ORDERED)
