"""How large a datagram one link to one peer carries, found out by sending some.

Only an answer proves anything: routers that drop what is too large tell nobody, and the kernel's own
estimate can be forged. A probe is a packet of exactly the size in question that may not be fragmented on
the way. Three in a row without an answer mean "too large"; so at 10 % loss one size in a thousand is
misjudged, and judged again soon.

A path seldom changes. So the size in use is probed every few seconds, and once in `search_ms` a size that is
one grain larger; only if one of them comes out differently is there a search, which halves the gap between
what passes and what does not.

A peer that has never answered a probe may be one that knows none: nothing is concluded from its silence.

A peer that fails to receive what others received is reason to doubt a path at once, long before the next
probe: the smallest size is used while the largest that passes is looked for.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Final

from ninefold.core.instants import NEVER

if TYPE_CHECKING:
    from ninefold.core.instants import Instant, Millis

# Probes of one size without an answer until it counts as too large.
TRIES_MAX: Final = 3
# An answer later than this counts as none, unless four average round trips take longer.
PATIENCE_MS: Final[Millis] = 200
# Woken this much later than asked for, we wait once more before anything counts as not answered.
LATE_MS: Final[Millis] = 20
# The size in use is probed this often, so a path that has become narrower is noticed within this and three
# times the patience, 6.6 s. Tokens and joins are small and pass meanwhile; frames are asked for again until they
# do. Asking twice as often would be a fifth of an idle ring's packets.
CHECK_MS: Final[Millis] = 6_000
# A path that carries nothing at present is asked that much later.
STANDBY_MS: Final[Millis] = 24_000
# Sizes closer to each other than this are not told apart.
GRAIN_BYTES: Final = 8


class Phase(Enum):
    """What the probe of the moment is to decide."""

    CHECK = "does the size in use still pass?"
    FLOOR = "it does not: does the smallest?"
    SEARCH = "what is the largest that passes?"


class PathMtu:
    """The standing of one path. Sizes are those of datagrams: without the headers of IP and UDP."""

    def __init__(self, usual: int, *, floor: int, ceiling: int, search_ms: Millis) -> None:
        assert floor <= usual <= ceiling
        self.size = usual
        self.due: Instant = NEVER
        # Whether at least the smallest size passes, as far as is known.
        self.valid = True
        self._floor = floor
        self._ceiling = ceiling
        self._search_ms = search_ms
        self._answered = False
        self._larger_at: Instant = 0
        self._low, self._high = usual, ceiling + 1
        self._phase = Phase.CHECK
        self._trying = usual
        self._tries = 0
        self._waited = False

    @property
    def urgent_at(self) -> Instant:
        """When the next probe must be sent; a check may wait for the next occasion to send anything."""
        return self.due if self._tries or self._phase is not Phase.CHECK else NEVER

    @property
    def settled(self) -> bool:
        """Whether the size in use is not being looked for at this moment."""
        return self._phase is Phase.CHECK

    def begin(self, now: Instant) -> None:
        """Begin with the size in use: the link has just been raised."""
        self._larger_at = now
        self._try(now, Phase.CHECK, self.size)

    def rest(self) -> None:
        """Ask nothing while the link is down."""
        self.due = NEVER

    def doubt(self, now: Instant) -> None:
        """Use the smallest size at once, and look again what passes: the peer misses what was sent to it."""
        if self.due == NEVER or self.size == self._floor:
            return
        if self._phase is not Phase.SEARCH:
            self._high = self.size + 1
        self._low = self.size = self._floor
        self._halve(now)

    def probe(self, now: Instant, round_trip_ms: Millis) -> int:
        """Return the size to probe now, 0 for none; to be called when `due` has come."""
        patience = max(PATIENCE_MS, 4 * round_trip_ms)
        if self._tries and not self._waited and now - self.due > LATE_MS:
            # We did not run: the answer may lie in our own socket.
            self._waited, self.due = True, now + patience
        if now >= self.due and self._tries == TRIES_MAX:
            self._refused(now)
        if now < self.due:
            return 0
        self._tries += 1
        self._waited, self.due = False, now + patience
        return self._trying

    def passed(self, now: Instant, size: int) -> bool:
        """Take the answer to a probe of `size`; tell whether that changes what may be sent."""
        if size != self._trying or self._tries == 0:
            return False  # the answer to an earlier question
        before = (self.size, self.valid)
        self._answered = self.valid = True
        match self._phase:
            case Phase.CHECK:
                if now < self._larger_at or size + GRAIN_BYTES > self._ceiling:
                    self._trust(now)
                else:
                    self._low, self._high = size, self._ceiling + 1
                    self._try(now, Phase.SEARCH, size + GRAIN_BYTES)
            case Phase.FLOOR:
                self._low, self._high, self.size = size, self.size, size
                self._halve(now)
            case Phase.SEARCH:
                self._low = self.size = size
                self._halve(now)
        return (self.size, self.valid) != before

    def _refused(self, now: Instant) -> None:
        """Conclude that what was tried does not pass."""
        match self._phase:
            case Phase.CHECK if self.size > self._floor:
                self._try(now, Phase.FLOOR, self._floor)
            case Phase.CHECK | Phase.FLOOR:
                # The link is dead, which is its heartbeat's business, or carries less than any path must.
                self.valid = not self._answered
                self._try(now + CHECK_MS, self._phase, self._trying)
            case Phase.SEARCH:
                self._high = self._trying
                self._halve(now)

    def _halve(self, now: Instant) -> None:
        if self._high - self._low <= GRAIN_BYTES:
            self._trust(now)
            self._larger_at = now + self._search_ms
        else:
            self._try(now, Phase.SEARCH, (self._low + self._high) // 2)

    def _trust(self, now: Instant) -> None:
        self._try(now + CHECK_MS, Phase.CHECK, self.size)

    def _try(self, at: Instant, phase: Phase, size: int) -> None:
        self._phase, self._trying, self._tries, self.due = phase, size, 0, at
