"""What one controller knows of itself and of the present configuration; shared by its parts."""

from __future__ import annotations

import msgspec

from ninefold.cib.model import Cause
from ninefold.controller.messages import Annex
from ninefold.core.ids import NodeId, RingId
from ninefold.core.instants import NEVER, Instant, WallSeconds
from ninefold.quorum.events import Verdict


class FenceFailure(msgspec.Struct, frozen=True):
    """Fencing of a node has failed `attempts` times in a row; `reason` is the last one's, tried from `by`."""

    attempts: int
    reason: str
    retry_at: Instant
    by: str = ""


class Situation(msgspec.Struct):
    """The controller's own standing. Only `Controller` writes it, but for `relist`."""

    me: NodeId
    name: str
    expected_nodes: dict[NodeId, str]
    votes: int = 1
    now: Instant = 0
    wall_offset: int = 0
    ring: RingId = RingId(0, 0)
    members: tuple[NodeId, ...] = ()
    annexes: dict[NodeId, Annex] = {}
    dc: NodeId = 0
    verdict: Verdict | None = None
    links: dict[NodeId, dict[int, bool]] = {}
    # The ring in which this controller began, and since which it has had quorum; 0 for never.
    since: int = 0
    senior: int = 0
    fresh: bool = True
    formed: bool = False
    # When the wait for absent nodes, and for members' histories, ends.
    formed_by: Instant = NEVER
    join_by: Instant = NEVER
    joined: list[NodeId] = []
    stopping: bool = False
    leaving: bool = False
    # Fencings that failed, by node name; cleared by success or by the node's return.
    fence_failures: dict[str, FenceFailure] = {}
    # The same of those that let a node in.
    unfence_failures: dict[str, FenceFailure] = {}

    @property
    def wall(self) -> WallSeconds:
        """The wall clock, in epoch seconds."""
        return self.now // 1000 + self.wall_offset

    @property
    def quorate(self) -> bool:
        """May this partition act?"""
        return self.verdict is not None and self.verdict.quorate

    @property
    def am_dc(self) -> bool:
        """Does this node conduct?"""
        return self.dc == self.me and bool(self.members)

    @property
    def everybody_joined(self) -> bool:
        """Has every member told its history, or had its time to?"""
        return len(self.joined) == len(self.members) or self.now >= self.join_by

    @property
    def was_formed(self) -> bool:
        """Has a quorate partition that these members come from begun to decide?

        A node that was listed since is not missed: it cannot have run anything before it joins.
        """
        return any(annex.formed and annex.senior for annex in self.annexes.values())

    def failures(self, *, lets_in: bool) -> dict[str, FenceFailure]:
        """Return the failed fencings of one kind."""
        return self.unfence_failures if lets_in else self.fence_failures

    def forget_failures(self, name: str) -> None:
        """Whatever failed about a node is past: it is here."""
        self.fence_failures.pop(name, None)
        self.unfence_failures.pop(name, None)

    def relist(self, nodes: dict[NodeId, str], votes: int) -> None:
        """Take another list of nodes, and this node's votes."""
        self.expected_nodes = dict(sorted(nodes.items()))
        self.votes = votes
        self.links = {peer: up for peer, up in self.links.items() if peer in nodes}

    def cause(self, who: str, why: str) -> Cause:
        """Return a cause of this node's own."""
        return Cause(who, why, self.wall, self.me)
