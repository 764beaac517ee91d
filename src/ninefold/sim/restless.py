"""What may a fault that lasts cost? Moves of resources and memberships are counted until the next one.

F3  a resource moves at most twice more than its migration-threshold for each agent that fails somewhere: where
    nothing sticks, what one resource leaves another may come to
F4  a node sees no more than so many memberships for one thing that happens to the network, and then only
    as many as there are attempts to take a node in that was let rest

Told of everything that is done to the cluster: each begins a new count. Bad weather and overload are not one
fault but many, so memberships are not counted in them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ninefold.sim.checkers import Violation
from ninefold.totem.reachability import REST_MS, STRIKES_MAX

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ninefold.cib.document import Cib
    from ninefold.core.ids import NodeId
    from ninefold.core.instants import Instant
    from ninefold.sim.host import Host

# A node that begins sees one of its own and the common one, and one more where two rings meet; a cable that
# fails in one direction costs an attempt of both sides for each strike.
MEMBERSHIPS_MAX: Final = 3 + 2 * STRIKES_MAX


class Restless:
    """Counts since something was last done to the cluster."""

    def __init__(self, cib: Cib, hosts: Mapping[NodeId, Host]) -> None:
        self._hosts = hosts
        self._thresholds = {
            str(resource.get("id")): int(str(pair.get("value")))
            for resource in cib.configuration.iter("primitive")
            for pair in resource.iterfind("meta_attributes/nvpair")
            if pair.get("name") == "migration-threshold" and str(pair.get("value")).isdecimal()
        }
        self._since: Instant = 0
        self._moves: dict[str, int] = {}
        self._memberships: dict[NodeId, int] = {}
        self._where: dict[str, NodeId] = {}

    def on_fault(self, now: Instant) -> None:
        """Something is done to the cluster, for the worse or the better."""
        self._since = now
        self._moves.clear()
        self._memberships.clear()

    def on_start(self, now: Instant, node: NodeId, resource: str, *, device: str) -> None:
        """A resource has started on a host, or arrived there alive, while the fence device is in that condition."""
        before = self._where.get(resource, node)
        self._where[resource] = node
        if before == node:
            return
        moves = self._moves[resource] = self._moves.get(resource, 0) + 1
        failing = sum(len(host.resources.faults) for host in self._hosts.values())
        if device != "works":
            failing += len(self._hosts)
        # One more where everything is cleaned up just when a node comes back (seed 10651): without stickiness a
        # resource goes wherever fewest are known to run.
        limit = max(1, failing) * self._thresholds.get(resource, 1) + 2
        if moves > limit:
            raise Violation(
                f"{now}: {resource} has moved {moves} times in the {now - self._since} ms since anything "
                f"was done to the cluster"
            )

    def on_membership(self, now: Instant, node: NodeId, *, calm: bool) -> None:
        """A node sees a new membership; `calm` says that nothing but cables is wrong."""
        if not calm:
            self._memberships.clear()
            return
        seen = self._memberships[node] = self._memberships.get(node, 0) + 1
        if seen > MEMBERSHIPS_MAX + 2 * ((now - self._since) // REST_MS):
            raise Violation(
                f"{now}: {node} has seen {seen} memberships in the {now - self._since} ms since anything "
                f"was done to the cluster"
            )
