"""What this node knows of Corosync's ring and votes; written by the stack, read by the vote."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ninefold.core.instants import NEVER, Instant, Millis

if TYPE_CHECKING:
    from ninefold.core.ids import RingId
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

    def _watch(self, now: Instant) -> None:
        if self.fresh:
            self.stale_at = NEVER
        elif self.stale_at == NEVER:
            self.stale_at = now + STALE_MS
