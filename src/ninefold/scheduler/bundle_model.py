"""What a bundle is made of: one replica is a container, perhaps an address, and what runs inside."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ninefold.scheduler.record import Record

if TYPE_CHECKING:
    from ninefold.scheduler.workspace import Node, Resource


class Replica(Record):
    """One copy of a bundle; without a primitive inside there is no connection and no child."""

    number: int
    container: Resource
    address: Resource | None = None
    connection: Resource | None = None
    child: Resource | None = None
    node: Node | None = None

    @property
    def parts(self) -> list[Resource]:
        """Everything of this replica that the bundle itself runs."""
        found = [self.container, self.address, self.connection]
        return [one for one in found if one is not None]


def replica_of(resource: Resource) -> Replica | None:
    """Return the replica that `resource` belongs to, `None` outside of bundles."""
    bundle = resource.outermost
    for replica in bundle.replicas:
        if resource in (replica.container, replica.address, replica.connection, replica.child):
            return replica
    return None


def inner_clone(bundle: Resource) -> Resource | None:
    """Return the implicit clone of what runs inside a bundle."""
    last = bundle.children[-1] if bundle.children else None
    return last if last is not None and last.clone is not None else None
