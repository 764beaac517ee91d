"""Whose disk holds what: when a change may be acknowledged, and what to do when a disk refuses.

A change is acknowledged when the disks that hold it have so many votes that no partition could have
quorum without one of them: votes(disks) + threshold > expected votes. With one vote each and all
members present that is a majority. Where the whole ring together has fewer votes than that (one
survivor of two_node), all of its disks must hold it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from ninefold.cib.model import Stamp
from ninefold.core.instants import NEVER, Instant, Millis

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ninefold.core.ids import NodeId

# An operator's client waits 30 s for an answer; it hears that nothing is certain a little earlier.
PATIENCE_MS: Millis = 25_000

# A disk that refused is tried again after 1, 2, 4 ... at most 30 s: an operator who frees space
# should not have to change something to make the node save again.
RETRY_MIN_MS: Millis = 1_000
RETRY_MAX_MS: Millis = 30_000


class Waiting(msgspec.Struct, frozen=True):
    """An applied change whose acknowledgement waits for disks, but no longer than `until`."""

    request: int
    stamp: Stamp
    until: Instant


class Disks:
    """What this member knows of its own disk and of the others'."""

    def __init__(self) -> None:
        self.trouble = ""
        self._votes: dict[NodeId, int] = {}
        self._needed = 0
        self._saved: dict[NodeId, Stamp] = {}
        self._stored = Stamp()
        self._vouch_for: Stamp | None = None
        self._waiting: list[Waiting] = []
        self._retry_at: Instant = NEVER
        self._retry_ms = RETRY_MIN_MS

    @property
    def deadline(self) -> Instant:
        """When an answer is overdue, or the disk is tried again."""
        return min([self._retry_at, *(entry.until for entry in self._waiting)])

    def on_ring(self, votes: Mapping[NodeId, int], *, threshold: int, expected: int) -> None:
        """Begin anew with these members; what they saved in an earlier ring counts no more."""
        self._votes = dict(votes)
        present = sum(votes.values())
        # Without a quorum provider there is no threshold: then a majority of those present.
        self._needed = min(max(expected - threshold + 1, present // 2 + 1), present)
        self._saved = {}
        self._vouch_for = None

    def rest_on(self, stamp: Stamp) -> None:
        """Let what still waits, and this member's word, be for the document of the new ring."""
        self._waiting = [msgspec.structs.replace(entry, stamp=stamp) for entry in self._waiting]
        self._vouch_for = stamp

    def give_up(self, holds: Stamp | None = None) -> list[int]:
        """Return requests that can no longer be answered; all but those that `holds` contains.

        A document contains what was applied before it in the same quorate ring.
        """
        lost = [
            entry
            for entry in self._waiting
            if holds is None
            or holds.quorate_ring != entry.stamp.quorate_ring
            or holds < entry.stamp
        ]
        self._waiting = [entry for entry in self._waiting if entry not in lost]
        return [entry.request for entry in lost]

    def wait(self, request: int, stamp: Stamp, now: Instant) -> None:
        """Answer `request` when enough disks hold `stamp`."""
        self._waiting.append(Waiting(request, stamp, now + PATIENCE_MS))

    def vouch(self, stamp: Stamp) -> None:
        """Somebody waits for this member's word about `stamp`."""
        self._vouch_for = stamp

    def word(self) -> Stamp | None:
        """Return what this member can say now that it holds, once; `None` if it owes no word."""
        if self._vouch_for is None or self._stored < self._vouch_for:
            return None
        self._vouch_for = None
        return self._stored

    def on_stored(self, stamp: Stamp) -> None:
        """Our disk has it."""
        self.trouble = ""
        self._retry_at = NEVER
        self._retry_ms = RETRY_MIN_MS
        self._stored = max(self._stored, stamp)

    def on_refused(self, reason: str, now: Instant) -> None:
        """Our disk refused: vouch for nothing, and try again."""
        self.trouble = reason
        if self._retry_at == NEVER:
            self._retry_at = now + self._retry_ms
            self._retry_ms = min(RETRY_MAX_MS, 2 * self._retry_ms)

    def retry(self, now: Instant) -> bool:
        """Say whether it is time to save again."""
        if now < self._retry_at:
            return False
        self._retry_at = NEVER
        return True

    def on_saved(self, node: NodeId, stamp: Stamp) -> list[Waiting]:
        """Count a member's disk; return what may be acknowledged now."""
        self._saved[node] = max(stamp, self._saved.get(node, Stamp()))
        done = [entry for entry in self._waiting if self._votes_for(entry.stamp) >= self._needed]
        self._waiting = [entry for entry in self._waiting if entry not in done]
        return done

    def overdue(self, now: Instant) -> list[int]:
        """Return requests that have waited long enough to be told so."""
        late = [entry for entry in self._waiting if entry.until <= now]
        self._waiting = [entry for entry in self._waiting if entry not in late]
        return [entry.request for entry in late]

    def _votes_for(self, stamp: Stamp) -> int:
        return sum(
            votes for node, votes in self._votes.items() if self._saved.get(node, Stamp()) >= stamp
        )
