"""What this node knows of Corosync's ring and votes; written by the stack, read by the vote."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ninefold.core.instants import NEVER, Instant, Millis

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ninefold.core.ids import NodeId, RingId
    from ninefold.corosync.events import VotesSeen

# The quorum service speaks of a new ring some 3 ms after CPG does (specification, section 3, number
# 13). What it said of the ring before is believed this long, and not a moment longer.
STALE_MS: Final[Millis] = 1_000


class Outlook:
    """The last word of each of Corosync's services.

    `present` is false from the loss of Corosync, or of this node's place in the group, until a view
    of the group is installed again.
    """

    def __init__(self) -> None:
        self.present = False
        self.ring: RingId | None = None
        self.votes: VotesSeen | None = None
        self.stale_at: Instant = NEVER
        self._links: dict[tuple[NodeId, int], bool] = {}

    @property
    def fresh(self) -> bool:
        """Are the votes those of the ring in which the group stands?"""
        return self.votes is not None and self.votes.ring == self.ring

    def on_ring(self, ring: RingId, now: Instant) -> None:
        """Take note of Corosync's ring."""
        self.ring = ring
        self._watch(now)

    def on_votes(self, votes: VotesSeen, now: Instant) -> None:
        """Take note of the votes."""
        self.votes = votes
        self._watch(now)

    def expect(self, now: Instant) -> None:
        """Wait for both words, even if neither has come yet."""
        self._watch(now)

    def forget(self) -> None:
        """Corosync is gone, and what it said with it."""
        self.present = False
        self.ring = None
        self.votes = None
        self.stale_at = NEVER
        self._links = {}

    def on_links(self, links: Iterable[tuple[NodeId, int, bool]]) -> list[tuple[NodeId, int, bool]]:
        """Take note of the links as (peer, link, up); return those that are not as they were."""
        changed = [(p, link, up) for p, link, up in links if self._links.get((p, link)) != up]
        self._links.update({(peer, link): up for peer, link, up in changed})
        return changed

    def links_up(self) -> dict[NodeId, dict[int, bool]]:
        """Return the state of each link to each peer."""
        found: dict[NodeId, dict[int, bool]] = {}
        for (peer, link), up in sorted(self._links.items()):
            found.setdefault(peer, {})[link] = up
        return found

    def _watch(self, now: Instant) -> None:
        if self.fresh:
            self.stale_at = NEVER
        elif self.stale_at == NEVER:
            self.stale_at = now + STALE_MS
