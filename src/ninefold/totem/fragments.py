"""Frames larger than a datagram: cut into fragments, and put together again.

A frame of which a fragment is lost is lost as a whole and left to the ring's retransmission. So
there is no timer here: what stays incomplete is reclaimed when newer frames need the room.
"""

from __future__ import annotations

from typing import Final

from ninefold.totem.packet import Drop, Fragment, Refused
from ninefold.totem.replay import ReplayWindow

# The format's own bound. The ring's frames fit one datagram, but for those that were made before the path
# became narrower: the largest, of 9216 bytes, are 20 fragments at the least MTU.
FRAGMENTS_MAX: Final = 255
# Incomplete frames of one peer. A token's visit sends at most 17 messages (max_messages), so this
# holds what two visits leave in flight; 32 frames of 8 fragments of 9 KiB are 2.3 MiB.
INCOMPLETE_MAX: Final = 32
# Bytes of incomplete frames of one peer, so that 255 fragments a frame cannot cost more than that.
INCOMPLETE_BYTES_MAX: Final = 4 * 1024 * 1024
# Frame numbers remembered as delivered: with several active links the slowest may be this far
# behind the fastest; knet's figure.
DELIVERED_WIDTH: Final = 4096


def split(frame: bytes, number: int, room: int) -> list[Fragment]:
    """Cut a frame into fragments of at most `room` bytes; the caller keeps it within 255."""
    assert room > 0
    count = max(1, -(-len(frame) // room))
    assert count <= FRAGMENTS_MAX
    return [
        Fragment(number, index, count, frame[index * room : (index + 1) * room])
        for index in range(count)
    ]


class Reassembly:
    """The frames of one peer in one epoch: each is handed out at most once."""

    def __init__(self) -> None:
        self._delivered = ReplayWindow(DELIVERED_WIDTH)
        self._parts: dict[int, dict[int, Fragment]] = {}
        self._bytes = 0
        self.reclaimed = 0

    def add(self, fragment: Fragment) -> bytes | None:
        """Return the frame that this fragment completes, None if others are missing.

        Raises `Refused` for a frame that was delivered already, and for a fragment that
        contradicts an earlier one of the same frame.
        """
        if not self._delivered.fresh(fragment.number):
            raise Refused(Drop.DUPLICATE)
        if fragment.count == 1 and fragment.number not in self._parts:
            self._delivered.accept(fragment.number)
            return fragment.data
        parts = self._keep(fragment)
        if len(parts) < fragment.count:
            self._reclaim()
            return None
        self._forget(fragment.number)
        self._delivered.accept(fragment.number)
        return b"".join(parts[index].data for index in range(fragment.count))

    def _keep(self, fragment: Fragment) -> dict[int, Fragment]:
        parts = self._parts.setdefault(fragment.number, {})
        if fragment.index in parts:
            raise Refused(Drop.DUPLICATE)
        if any(other.count != fragment.count for other in parts.values()):
            raise Refused(Drop.MALFORMED)
        parts[fragment.index] = fragment
        self._bytes += len(fragment.data)
        return parts

    def _reclaim(self) -> None:
        while len(self._parts) > INCOMPLETE_MAX or self._bytes > INCOMPLETE_BYTES_MAX:
            # Insertion order is age.
            oldest = next(iter(self._parts))
            self._forget(oldest)
            self.reclaimed += 1

    def _forget(self, number: int) -> None:
        parts = self._parts.pop(number)
        self._bytes -= sum(len(part.data) for part in parts.values())
