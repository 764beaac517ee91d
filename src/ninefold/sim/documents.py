"""What is on the disks, judged from outside: no fork, and no promise before it is kept (S6).

no fork           two documents under the same stamp are the same document
acknowledged last  what was acknowledged is, at that moment, on so many disks that no majority can be
                  without one of them

Neither holds by itself for two nodes, whose halves both have quorum: there fencing decides. Nor does it
where a disk was set back to an earlier state: then a promise was broken by whoever did that.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ninefold.sim.checkers import Violation

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ninefold.cib.document import Cib
    from ninefold.cib.model import Stamp
    from ninefold.core.ids import NodeId
    from ninefold.core.instants import Instant
    from ninefold.sim.host import Host

# A document's digest costs more than anything else here, and whoever differs in one version does in
# the next: one in so many is compared.
ONE_IN: Final = 4


class Documents:
    """Told of every save and every acknowledgement."""

    def __init__(self, hosts: Mapping[NodeId, Host], *, plain: bool) -> None:
        self._hosts = hosts
        self._plain = plain
        self._digests: dict[Stamp, tuple[str, NodeId]] = {}
        self._set_back = False

    def set_back(self) -> None:
        """A disk was set back: from now on a document may be missing that was promised."""
        self._set_back = True

    @property
    def lasting(self) -> bool:
        """Must everything that was promised still be there?"""
        return self._plain and not self._set_back

    def on_save(self, now: Instant, node: NodeId, stamp: Stamp, cib: Cib) -> None:
        """A node makes a document durable."""
        if not self.lasting or stamp.version.num_updates % ONE_IN:
            return
        digest, first = self._digests.setdefault(stamp, (cib.digest(), node))
        if digest != cib.digest():
            raise Violation(f"{now}: {node} and {first} hold different documents under {stamp}")

    def check_kept(self, now: Instant, name: str) -> None:
        """Raise `Violation` if a change that was just acknowledged is on too few disks."""
        if not self.lasting:
            return
        votes = {n: host.config.node(n).quorum_votes for n, host in self._hosts.items()}
        total = sum(votes.values())
        kept = sum(votes[n] for n, host in self._hosts.items() if _holds(host, name))
        if kept + total // 2 + 1 <= total:
            raise Violation(
                f"{now}: {name} is acknowledged, but disks with {kept} of {total} hold it"
            )


def _holds(host: Host, name: str) -> bool:
    if host.disk.document is None:
        return False
    _, cib = host.disk.document
    return any(pair.get("name") == name for pair in cib.configuration.iter("nvpair"))
