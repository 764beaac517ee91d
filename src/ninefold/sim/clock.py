"""The clocks of a virtual host: the one that machines are told, which may run wrong, and the wall's.

A host's monotonic clock begins at its boot. It may run fast or slow by some parts per million, and stand
still with a virtual machine that was stopped, but it never jumps; the wall clock may be set to anything at any time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from ninefold.core.instants import Instant

MILLION: Final = 1_000_000


class Clock:
    """A host's clocks, as a function of the world's time."""

    def __init__(self) -> None:
        # `_shown` is what the monotonic clock showed at `_at`, when its rate was last changed.
        self._at: Instant = 0
        self._shown: Instant = 0
        self._rate = MILLION
        # Since when it stands still.
        self._stopped_at: Instant | None = None
        # How many seconds the wall clock is ahead of the true time.
        self.ahead_s = 0

    def boot(self, now: Instant) -> None:
        """Begin anew at zero; the quartz stays as good or bad as it is."""
        self._at, self._shown, self._stopped_at = now, 0, None

    def stop(self, now: Instant) -> None:
        """Stand still until `go`, the wall clock too; as one that stands still already."""
        if self._stopped_at is None:
            self._shown, self._stopped_at = self.read(now), now

    def go(self, now: Instant) -> None:
        """Go on from what it shows: nobody on the host can tell how long it stood still."""
        if self._stopped_at is not None:
            self.ahead_s -= (now - self._stopped_at) // 1000
            self._at, self._stopped_at = now, None

    def run(self, now: Instant, ppm: int) -> None:
        """Run fast (or slow, below zero) by so many parts per million from now on."""
        assert ppm > -MILLION, "a clock does not run backwards"
        self._shown, self._at = self.read(now), now
        self._rate = MILLION + ppm

    def read(self, now: Instant) -> Instant:
        """Return what the monotonic clock shows at a time of the world."""
        if self._stopped_at is not None:
            return self._shown
        if self._rate == MILLION:
            return self._shown + now - self._at
        return self._shown + (now - self._at) * self._rate // MILLION

    def when(self, shown: Instant) -> Instant:
        """Return the first time of the world at which it shows at least that."""
        if self._rate == MILLION:
            return self._at + shown - self._shown
        return self._at - (self._shown - shown) * MILLION // self._rate

    def wall(self, now: Instant, epoch: int) -> int:
        """Return the seconds that the wall clock shows."""
        return epoch + now // 1000 + self.ahead_s
