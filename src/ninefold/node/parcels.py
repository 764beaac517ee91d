"""Carry messages larger than the ring's limit: cut into pieces, put together per sender.

A new configuration forgets unfinished ones: their sender begins again there if it must.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from ninefold.core.ids import NodeId

# The ring takes 1 MiB; half of that leaves other senders their turn in between.
PIECE_MAX: Final = 512 * 1024

# The document may have 20 MiB; anything beyond twice that is no message of ours.
WHOLE_MAX: Final = 40 * 1024 * 1024

_WHOLE, _MORE, _LAST = b"w", b"m", b"l"


def cut(payload: bytes) -> list[bytes]:
    """Return the pieces to submit, in order."""
    assert len(payload) <= WHOLE_MAX, len(payload)
    if len(payload) <= PIECE_MAX:
        return [_WHOLE + payload]
    starts = range(0, len(payload), PIECE_MAX)
    pieces = [payload[start : start + PIECE_MAX] for start in starts]
    return [*(_MORE + piece for piece in pieces[:-1]), _LAST + pieces[-1]]


class Parcels:
    """What has arrived in part, by sender."""

    def __init__(self) -> None:
        self._parts: dict[NodeId, bytearray] = {}
        self.dropped = 0

    def clear(self) -> None:
        """Forget everything unfinished."""
        self._parts.clear()

    def add(self, sender: NodeId, piece: bytes) -> bytes | None:
        """Return the whole message if `piece` completes it."""
        mark, data = piece[:1], piece[1:]
        if mark == _WHOLE:
            return data
        part = self._parts.setdefault(sender, bytearray())
        part += data
        if mark not in (_MORE, _LAST) or len(part) > WHOLE_MAX:
            del self._parts[sender]
            self.dropped += 1
            return None
        if mark == _MORE:
            return None
        return bytes(self._parts.pop(sender))
