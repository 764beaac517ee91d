"""What a bundle is made of: one replica is a container, perhaps an address, and what runs inside."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ninefold.scheduler.digests import EXTERNAL_IP
from ninefold.scheduler.record import Record

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ninefold.scheduler.workspace import Node, Resource

# Stands in a connection's parameters for the host of its container.
HOST_NAME: Final = "#uname"


class Replica(Record):
    """One copy of a bundle; without a primitive inside there is no connection and no child."""

    number: int
    container: Resource
    address: Resource | None = None
    connection: Resource | None = None
    child: Resource | None = None
    node: Node | None = None
    ip: str = ""

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


def with_host(resource: Resource, parameters: Mapping[str, str]) -> dict[str, str]:
    """Return the parameters of a connection with the name of its container's host for `#uname`.

    A container without a network address of its own is reached at its host, which is known once
    the container has been assigned; until then it is where the container runs.
    """
    filled = dict(parameters)
    launcher = resource.launcher
    if resource.bundled and launcher is not None and filled.get("addr") == HOST_NAME:
        host = launcher.assigned or (launcher.active[0] if launcher.active else None)
        if host is not None:
            filled["addr"] = host.name
    return filled


def outside_address(resource: Resource) -> dict[str, str]:
    """Return what runs inside a replica is told of the address under which it is found."""
    if resource.parent is None or resource.parent.clone is None:
        return {}
    replica = replica_of(resource)
    return {} if replica is None or not replica.ip else {EXTERNAL_IP: replica.ip}


def inner_clone(bundle: Resource) -> Resource | None:
    """Return the implicit clone of what runs inside a bundle."""
    last = bundle.children[-1] if bundle.children else None
    return last if last is not None and last.clone is not None else None
