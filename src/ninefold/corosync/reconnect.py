"""When to look for a Corosync that was not there: soon at first, then less often."""

from __future__ import annotations

from typing import Final

from ninefold.core.instants import NEVER, Instant, Millis

# After 0.1, 0.2, 0.4 ... at most 3.2 s; a failed look costs a millisecond.
RECONNECT_MIN_MS: Final[Millis] = 100
RECONNECT_MAX_MS: Final[Millis] = 3_200


class Reconnect:
    """The next look, `NEVER` while none is wanted."""

    def __init__(self) -> None:
        self.at: Instant = NEVER
        self._wait: Millis = RECONNECT_MIN_MS

    def later(self, now: Instant) -> None:
        """Look again, after twice the time that the last look was put off."""
        self.at = now + self._wait
        self._wait = min(RECONNECT_MAX_MS, 2 * self._wait)

    def due(self, now: Instant) -> bool:
        """Say whether the look is due, and take it."""
        if now < self.at:
            return False
        self.at = NEVER
        return True

    def rest(self) -> None:
        """Look no more."""
        self.at = NEVER

    def succeeded(self) -> None:
        """All is well: the next time begins soon again."""
        self._wait = RECONNECT_MIN_MS
