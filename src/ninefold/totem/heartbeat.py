"""Pings and pongs on one link to one peer: is the link usable, and how long is the round trip?

A pong proves both directions at once, so nothing else counts: a link is raised by `pong_count`
pongs and lowered when none came for `ping_timeout` plus twice the average round trip.

A link that failed is slow to be believed again: right after a failure it needs 10 times as many
pongs, and the factor falls by one a second. (knet makes it slow to be *declared down* again; then
a link that flaps swallows the ring's packets for up to 10 timeouts while a good link stands by.
Nothing is lost by our way: while no link to a peer is usable, all of them are used.)
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Final

from ninefold.core.instants import NEVER

if TYPE_CHECKING:
    from ninefold.config.model import LinkOptions
    from ninefold.core.instants import Instant, Millis

# Pings that may wait for their pong. Challenges come at most every 20 ms, so this covers a round
# trip of 640 ms even while an attacker provokes as many of them as he can.
OUTSTANDING_MAX: Final = 32
# knet's figures: the factor after a failure, and how fast it falls.
BACKOFF_AFTER_FAILURE: Final = 10
BACKOFF_STEP_MS: Final = 1000
# Round trips are averaged in sixteenths of a millisecond, so that integer division loses little.
_ROUND_TRIP_UNIT: Final = 16


class Turn(Enum):
    """What a pong or a wake-up did to the link."""

    RAISED = "the link is usable from now on"
    LOWERED = "the link is not usable any more"
    SAME = "nothing changed"


class Heartbeat:
    """The standing of one link to one peer."""

    def __init__(self, options: LinkOptions) -> None:
        self.configure(options)
        self.up = False
        self._outstanding: dict[int, Instant] = {}
        self._pongs = 0
        self._pong_at: Instant = 0
        self._lowered_at: Instant | None = None
        self._samples = 0
        self._average = 0

    def configure(self, options: LinkOptions) -> None:
        """Take timers, from now on."""
        assert options.ping_interval > 0
        assert options.pong_count > 0
        self._options = options
        self._patience_ms = options.ping_timeout

    @property
    def round_trip_ms(self) -> Millis:
        """The average round trip, rounded down; over at most `ping_precision` samples."""
        return self._average // _ROUND_TRIP_UNIT

    @property
    def down_at(self) -> Instant:
        """When the link falls unless a pong comes; `NEVER` while it is down."""
        if not self.up:
            return NEVER
        return self._pong_at + self._patience_ms + 2 * (self._average // _ROUND_TRIP_UNIT)

    def pinged(self, now: Instant, nonce: int) -> None:
        """Remember a ping; the oldest one without an answer gives way."""
        self._outstanding[nonce] = now
        if len(self._outstanding) > OUTSTANDING_MAX:
            del self._outstanding[next(iter(self._outstanding))]

    def asked(self, nonce: int) -> bool:
        """Tell whether a ping with this nonce waits for its pong."""
        return nonce in self._outstanding

    def ponged(self, now: Instant, nonce: int) -> Turn:
        """Take the answer to an open ping."""
        round_trip = now - self._outstanding.pop(nonce)
        assert round_trip >= 0
        self._samples = min(self._samples + 1, self._options.ping_precision)
        sample = round_trip * _ROUND_TRIP_UNIT
        self._average += (sample - self._average) // max(1, self._samples)
        self._pong_at = now
        self._pongs += 1
        if self.up or self._pongs < self._options.pong_count * self._backoff(now):
            return Turn.SAME
        if self.round_trip_ms >= self._options.ping_timeout:
            return Turn.SAME
        self.up = True
        return Turn.RAISED

    def woken(self, now: Instant) -> Turn:
        """Lower the link if its time has come."""
        if now < self.down_at:
            self._forget_lone_pongs(now)
            return Turn.SAME
        self.up = False
        self._pongs = 0
        self._lowered_at = now
        return Turn.LOWERED

    def overslept(self, now: Instant, late: Millis) -> None:
        """We did not run for `late` ms: our own silence is no evidence against the peer."""
        self._pong_at = min(now, self._pong_at + late)

    def forget_questions(self) -> None:
        """Void all open pings: a pong to one of them proves nothing any more."""
        self._outstanding.clear()

    def _forget_lone_pongs(self, now: Instant) -> None:
        """Pongs count towards raising the link only if they come in one go."""
        if not self.up and now - self._pong_at >= self._options.ping_timeout:
            self._pongs = 0

    def _backoff(self, now: Instant) -> int:
        if self._lowered_at is None:
            return 1
        return max(1, BACKOFF_AFTER_FAILURE - (now - self._lowered_at) // BACKOFF_STEP_MS)
