"""Frames of one view are handed up when every member of the view is known to have them.

Theorem: what one member hands up in a view, every member of that view has received, with everything
before it in the order. For a frame is handed up when receipts of all members that cover it have been
delivered, and a member sends a receipt only after the frames it counts.

Why it is needed. CPG tells of a broken ring when the new one stands; until then it delivers what
the survivors have, as if nothing had happened, and a minority may lack a message that the majority has
acted upon and acknowledged. With receipts the minority cannot hand up anything beyond such a gap. They
also bound the queues: nobody sends more than `WINDOW_BYTES` ahead of the slowest member, which CPG does
not see to.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ninefold.core.ids import RingId
    from ninefold.corosync.events import Process

# Sixteen frames of 64 KiB: one message of the greatest size is under way at a time, and a daemon
# that does not read costs Corosync at most this much memory for each sender.
WINDOW_BYTES: Final = 1_048_576


class Stable:
    """The frames of one view, from their receipt to their stability."""

    def __init__(self, view: RingId, members: Sequence[Process], me: Process) -> None:
        assert me in members
        self.view = view
        self.members = tuple(members)
        self._me = me
        self._held: deque[tuple[Process, bytes]] = deque()
        self._received = 0
        self._handed = 0
        self._counts: dict[Process, int] = dict.fromkeys(members, 0)
        # Our own frames that Corosync has taken and not brought back.
        self._flying: deque[bytes] = deque()
        self._own_bytes = 0
        self._told = 0
        self._receipt_flies = False

    @property
    def room(self) -> bool:
        """May another frame be sent?"""
        return self._own_bytes < WINDOW_BYTES

    @property
    def unstable(self) -> int:
        """Frames that are received and not handed up."""
        return len(self._held)

    def sent(self, frame: bytes) -> None:
        """Note a frame that was given to Corosync."""
        self._flying.append(frame)
        self._own_bytes += len(frame)

    def receive(self, sender: Process, frame: bytes) -> None:
        """Take a frame in its order."""
        assert sender in self._counts
        if sender == self._me and self._flying:
            self._flying.popleft()
        self._held.append((sender, frame))
        self._received += 1

    def due_receipt(self, *, beat: bool = False) -> int | None:
        """Return the count to tell now, if any; a beat is told even if it says nothing new."""
        if self._receipt_flies or (self._told == self._received and not beat):
            return None
        self._receipt_flies = True
        self._told = self._received
        return self._received

    def on_receipt(self, sender: Process, count: int) -> list[tuple[Process, bytes]]:
        """Count a member's receipt; return the frames that are stable by it, in order."""
        if sender == self._me:
            self._receipt_flies = False
        if count > self._received:
            return []  # it cannot count what was not delivered before its receipt
        self._counts[sender] = max(count, self._counts[sender])
        return self._hand(min(self._counts.values()))

    def give_up(self) -> list[tuple[Process, bytes]]:
        """Return what is held: the view has broken up, and its survivors all hold the same."""
        return self._hand(self._received)

    def lost(self) -> list[bytes]:
        """Return our frames that will not come back, since Corosync is gone."""
        frames = list(self._flying)
        self._flying.clear()
        return frames

    def returned(self) -> None:
        """One of our frames came back after the view had broken up."""
        if self._flying:
            self._flying.popleft()

    def _hand(self, count: int) -> list[tuple[Process, bytes]]:
        done = [self._held.popleft() for _ in range(count - self._handed)]
        self._handed = max(self._handed, count)
        self._own_bytes -= sum(len(frame) for sender, frame in done if sender == self._me)
        return done
