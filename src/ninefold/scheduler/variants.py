"""What every kind of resource can do, behind one interface.

Primitives, groups, clones and bundles each implement `Behaviour` in a module of their own; whoever
works on a resource asks `of(resource)` and does not look at its kind.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from ninefold.scheduler.workspace import Node, Resource, Variant, Workspace


class Behaviour(Protocol):
    """One kind of resource."""

    def assign(
        self, work: Workspace, resource: Resource, prefer: Node | None, *, stop_if_fail: bool
    ) -> Node | None:
        """Choose where it runs, after everything that this depends on (section 11)."""

    def create(self, work: Workspace, resource: Resource) -> None:
        """Create the actions that bring it from what it is to what it shall be (section 12)."""

    def order_inside(self, work: Workspace, resource: Resource) -> None:
        """Order its actions, and those of its parts, among themselves (section 9)."""

    def probe(self, work: Workspace, resource: Resource, node: Node) -> bool:
        """Ask what of it is on `node`, where that is not known; answer whether that is new."""


_KNOWN: dict[Variant, Behaviour] = {}


def register(variant: Variant, behaviour: Behaviour) -> None:
    """Say how a kind of resource behaves."""
    _KNOWN[variant] = behaviour


def of(resource: Resource) -> Behaviour:
    """Return how `resource` behaves."""
    return _KNOWN[resource.variant]
