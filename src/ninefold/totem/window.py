"""The frames of one ring that are still needed, by number: gaps, the all-received-up-to, release."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from ninefold.totem.messages import Mcast

# Corosync's sort queue: numbers further ahead of the last released one cannot be kept.
WINDOW_MESSAGES_MAX: Final = 16_384


class Window:
    """Frames (released, released + 16 384]; `aru` is the highest number without a gap below it."""

    def __init__(self) -> None:
        self._frames: dict[int, Mcast] = {}
        self.aru = 0
        self.high = 0
        self.released = 0

    def __len__(self) -> int:
        return len(self._frames)

    def insert(self, frame: Mcast) -> bool:
        """Keep `frame`; False if it is known, released, or too far ahead."""
        seq = frame.seq
        if seq <= self.aru or seq in self._frames:
            return False
        if seq > self.released + WINDOW_MESSAGES_MAX:
            return False
        self._frames[seq] = frame
        self.high = max(self.high, seq)
        while self.aru + 1 in self._frames:
            self.aru += 1
        return True

    def get(self, seq: int) -> Mcast | None:
        """Return frame `seq` if it is held."""
        return self._frames.get(seq)

    def release(self, upto: int) -> None:
        """Forget everything up to `upto`, which never goes beyond a gap."""
        upto = min(upto, self.aru)
        while self.released < upto:
            self.released += 1
            self._frames.pop(self.released, None)

    def missing(self, upto: int, *, limit: int) -> list[int]:
        """Return the first `limit` numbers in (aru, upto] that are not held."""
        found: list[int] = []
        seq = self.aru + 1
        while seq <= upto and len(found) < limit:
            if seq not in self._frames:
                found.append(seq)
            seq += 1
        return found
