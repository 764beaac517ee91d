"""Moving a resource alive: migrate_to on its node, migrate_from on the new one, then a stop.

Whatever the propagation of orders finds against it turns the migration into a stop and a start.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ninefold.scheduler.actions import act, start, stop
from ninefold.scheduler.orders import order
from ninefold.scheduler.relations import (
    FIRST_ELSE_THEN,
    ORDERED,
    UNMIGRATABLE_THEN_BLOCKS,
)

if TYPE_CHECKING:
    from ninefold.scheduler.workspace import Node, Resource, Workspace


def settle_partial(work: Workspace, resource: Resource, current: Node | None) -> None:
    """Stop what dangles, and decide whether a half-done migration goes on."""
    for node in resource.dangling:
        stop(work, resource, node, optional=False).dangle = True
    source, target = resource.partial_source, resource.partial_target
    if source is None and target is None:
        return
    clean = [node for node in resource.active if node.online and not node.unclean]
    goes_on = (
        len(resource.active) == 2
        and len(clean) == 2
        and source is not None
        and target is not None
        and current is source
        and resource.assigned is target
    )
    if not goes_on:
        resource.partial_source = None
        resource.partial_target = None
        resource.migratable = False


def can_migrate(resource: Resource, current: Node | None) -> bool:
    """Whether it can be moved alive from `current` to where it was assigned."""
    target = resource.assigned
    return (
        resource.migratable
        and resource.managed
        and not resource.failed
        and not resource.start_pending
        and current is not None
        and not current.unclean
        and target is not None
        and not target.unclean
    )


def create_migration(work: Workspace, resource: Resource, current: Node) -> None:
    """Put a migration in the place of a stop and a start."""
    target = resource.assigned
    assert target is not None
    begin = start(work, resource, target, optional=True)
    end = stop(work, resource, current, optional=True)
    begin.migratable = end.migratable = True
    # The arrival is the start; that one remains as a point that others wait for.
    begin.pseudo = True
    ends = {"migrate_source": current.name, "migrate_target": target.name}
    if resource.partial_target is None:
        departure = act(work, resource, "migrate_to", current, optional=True)
        departure.meta |= ends
        departure.needs = begin.needs
        departure.migratable = True
    arrival = act(work, resource, "migrate_from", target, optional=True)
    arrival.meta |= ends
    arrival.migratable = True
    if resource.partial_target is not None:
        # It has left already; otherwise it is the departure that waits for lost nodes.
        arrival.needs = begin.needs
    if resource.partial_target is None:
        order(work, (resource, "monitor"), (resource, "migrate_to"), ORDERED)
        order(
            work, (resource, "migrate_to"), (resource, "migrate_from"),
            ORDERED | UNMIGRATABLE_THEN_BLOCKS,
        )  # fmt: skip
    else:
        order(work, (resource, "monitor"), (resource, "migrate_from"), ORDERED)
    order(work, (resource, "migrate_from"), (resource, "stop"), ORDERED | UNMIGRATABLE_THEN_BLOCKS)
    order(
        work, (resource, "migrate_from"), (resource, "start"),
        ORDERED | FIRST_ELSE_THEN | UNMIGRATABLE_THEN_BLOCKS,
    )  # fmt: skip
