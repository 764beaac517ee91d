"""Are the members of a group started and stopped in their order, on one host? (S7)

Told of every agent that is launched and of what comes of it. A member is started only where all before
it were started and have not been stopped since; it is stopped only where nothing behind it runs. What
dies by itself is not counted against the cluster, which can only find out. Of a group that was removed
nothing tells the order any more. An instance of a cloned group that is one too many is not probed before it is
stopped: of what was cleaned up there nobody knows that it runs (as in Pacemaker 2.1.5).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ninefold.sim.checkers import Violation

if TYPE_CHECKING:
    from ninefold.agents.model import Call
    from ninefold.cib.document import Cib
    from ninefold.core.ids import NodeId
    from ninefold.core.instants import Instant
    from ninefold.sim.host import Host


class Ordering:
    """Watches the groups of the document that a cluster begins with."""

    def __init__(self, cib: Cib) -> None:
        self._before: dict[str, list[str]] = {}
        self._behind: dict[str, list[str]] = {}
        for group in cib.configuration.iter("group"):
            members = [str(member.get("id")) for member in group.iterfind("primitive")]
            for place, member in enumerate(members):
                self._before[member] = members[:place]
                self._behind[member] = members[place + 1 :]
        # What was started on a host and not stopped since, whether it has died or not.
        self._started: dict[tuple[NodeId, str], bool] = {}

    def on_launch(self, now: Instant, host: Host, call: Call) -> None:
        """An agent is about to run."""
        name = call.resource
        if call.action == "start":
            missing = [n for n in self._before.get(name, ()) if not self._started.get((host.id, n))]
            if missing:
                raise Violation(f"{now}: {host.name} starts {name} before {', '.join(missing)}")
        elif call.action == "stop":
            left = [n for n in self._behind.get(name, ()) if host.resources.is_active(n)]
            if left and _defined(host, name) and not _unknown(host, name, left):
                raise Violation(f"{now}: {host.name} stops {name} before {', '.join(left)}")

    def on_effect(self, node: NodeId, call: Call, *, active: bool) -> None:
        """An agent has ended."""
        if call.action == "start" and active:
            self._started[(node, call.resource)] = True
        elif call.action == "stop" and not active:
            self._started[(node, call.resource)] = False

    def on_migration(self, source: NodeId, target: NodeId, resource: str) -> None:
        """A member has moved alive."""
        self._started[(target, resource)] = self._started.pop((source, resource), False)

    def on_power_off(self, node: NodeId) -> None:
        """Everything on a host is gone."""
        for key in [key for key in self._started if key[0] == node]:
            del self._started[key]


def _defined(host: Host, resource: str) -> bool:
    return host.node is None or host.node.controller.replica.working.defines(resource)


def _unknown(host: Host, resource: str, others: list[str]) -> bool:
    """Whether the document tells nothing of `others` here, in a clone whose instances are limited."""
    if host.node is None:
        return False
    working = host.node.controller.replica.working
    told = {operation.resource for operation in working.operations(host.id)}
    limited = any(
        pair.get("name") == "clone-max"
        for clone in working.configuration.iter("clone")
        if any(member.get("id") == resource for member in clone.iter("primitive"))
        for pair in clone.iterfind("meta_attributes/nvpair")
    )
    return limited and told.isdisjoint(others)
