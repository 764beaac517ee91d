"""A host's disk: what is on it for certain, and what a power cut would take away.

Writes become durable one after the other, in the order in which they were asked for. Who dies while
some are under way may find the first of them done, and never a later one without an earlier: that is
what one file with a journal gives.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final

import msgspec

from ninefold.cib.document import Cib
from ninefold.cib.model import Stamp
from ninefold.totem.keys import keyset

if TYPE_CHECKING:
    import random
    from collections.abc import Callable

    from ninefold.core.instants import Millis

# An fsync on an ordinary SSD, and on a disk that is about to die.
FSYNC_MS: Final = (1, 12)
SLOW_MS: Final = (300, 4_000)

# So many earlier states can be restored from a copy.
COPIES: Final = 40

# How a disk refuses, as the store tells it.
REASONS: Final = {
    "full": "no space left on device",
    "fails": "input/output error",
    "unreadable": "input/output error",
}


class Copy(msgspec.Struct, frozen=True):
    """What a copy of a disk holds."""

    ring_seq: int
    document: tuple[Stamp, Cib] | None


class Disk:
    """Survives power cuts; a save counts once its fsync has returned."""

    def __init__(self, key: bytes = b"") -> None:
        self.ring_seq = 0
        self.expected = 0
        # In the directory of the configuration, which older copies of the state do not hold.
        self.keys = keyset(key)
        self.document: tuple[Stamp, Cib] | None = None
        # `full`, `fails` and `unreadable` refuse writes until further notice, `hiccup` refuses one; a daemon
        # cannot start from an `unreadable` one.
        self.condition = "works"
        self.slow = False
        self._writing: list[Callable[[], None]] = []
        self._copies: deque[Copy] = deque(maxlen=COPIES)

    def fsync_ms(self, rng: random.Random) -> Millis:
        """Return how long the next fsync takes."""
        return rng.randint(*(SLOW_MS if self.slow else FSYNC_MS))

    def begin(self, write: Callable[[], None]) -> None:
        """Note a write that is under way."""
        self._writing.append(write)

    def end(self, write: Callable[[], None], *, small: bool) -> str:
        """Make a write durable; return why it is not, if the disk refuses.

        A full disk still has room for what is `small`.
        """
        self._writing.remove(write)
        if self.condition == "hiccup":
            self.condition = "works"
            return REASONS["fails"]
        if self.condition in REASONS and not (small and self.condition == "full"):
            return REASONS[self.condition]
        write()
        return ""

    def interrupt(self, rng: random.Random) -> None:
        """Let the writer die: of what is under way, the first few may have been done already."""
        if self._writing and self.condition == "works":
            for write in self._writing[: rng.randint(0, len(self._writing))]:
                write()
        self._writing.clear()

    def keep(self, stamp: Stamp, cib: Cib) -> None:
        """Hold a document; an older one never replaces a newer."""
        if self.document is None or stamp >= self.document[0]:
            self._copies.append(Copy(self.ring_seq, self.document))
            self.document = (stamp, cib)

    def restore(self, back: int) -> None:
        """Put an older copy in place, `back` documents ago; as far as there are any."""
        if self._copies:
            copy = self._copies[max(0, len(self._copies) - back)]
            self.ring_seq, self.document = copy.ring_seq, copy.document

    def lose(self) -> None:
        """Put a new, empty disk in place."""
        self.ring_seq, self.expected, self.document = 0, 0, None
        self._copies.clear()
