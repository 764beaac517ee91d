"""Does whoever conducts go on conducting? (L2)

A member that has been away, or has just begun, does not take over from one that has decided already and
has had quorum ever since: each return would void what is under way, and a node that keeps falling over
would keep the others from ever finishing anything.

Told of what nodes say and ask for. A DC counts from its first decision with quorum on, until it begins anew or
says that it has lost it; a newcomer is a daemon that began after that decision. Who has been there longest
is told by the numbers of rings, so nothing is promised where two parts may have quorum, or a disk was set back.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ninefold.sim.checkers import Violation

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ninefold.core.ids import NodeId
    from ninefold.core.instants import Instant
    from ninefold.sim.documents import Documents
    from ninefold.sim.host import Host


class Conduct:
    """Who has conducted since when, by what the nodes themselves have said."""

    def __init__(
        self,
        hosts: Mapping[NodeId, Host],
        documents: Documents,
        begun: Mapping[NodeId, Instant],
    ) -> None:
        """`begun` says when each daemon was started last."""
        self._documents = documents
        self._begun = begun
        # A node that is not listed where it is spoken of goes by its number.
        self._names = {host.name: node for node, host in hosts.items()} | {str(n): n for n in hosts}
        self._quorate: dict[NodeId, bool] = {}
        self._decided: dict[NodeId, Instant] = {}

    def on_decide(self, now: Instant, node: NodeId) -> None:
        """A node decides, so it conducts."""
        if self._quorate[node] and self._decided.get(node, -1) < self._begun[node]:
            self._decided[node] = now

    def on_told(self, now: Instant, node: NodeId, what: str, fields: Mapping[str, str]) -> None:
        """A node says something; raise `Violation` if a newcomer conducts without need."""
        if what == "quorum-lost" or (what == "membership" and fields["quorate"] != "true"):
            self._quorate[node] = False
            self._decided.pop(node, None)
        elif what in ("quorum-gained", "membership"):
            self._quorate[node] = True
        if what == "membership" and self._quorate[node] and self._names[fields["dc"]] == node:
            self._check(now, node, fields["members"].split(","))

    def _check(self, now: Instant, dc: NodeId, members: list[str]) -> None:
        if not self._documents.lasting:
            return
        for name in members:
            other = self._names[name]
            since = self._decided.get(other, now)
            if self._begun[other] <= since < self._begun[dc]:
                raise Violation(
                    f"{now}: {dc} conducts, which began at {self._begun[dc]}, though {name} has decided since "
                    f"{since} and is a member"
                )
