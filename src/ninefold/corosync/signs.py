"""Who gives signs of life, and when silence means something.

CPG does not see that a process stands still, so every member gives a sign a quarter of a token after the last. Its
silence counts only while our own messages come back: if they do not, Corosync is forming a ring, and
if it was we who stood still, what the others said is still to be read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ninefold.core.instants import NEVER, Instant, Millis

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ninefold.config.model import TotemOptions
    from ninefold.corosync.events import Process

# Whatever the timers, for so long a loaded host may be slow, as at the barrier.
PATIENCE_MIN_MS: Final[Millis] = 10_000
# Signs that may be missing before our own messages are said not to come back.
MISSING_MAX: Final = 3


class Signs:
    """The members' signs of life, as this process sees them."""

    def __init__(self, timers: TotemOptions) -> None:
        self.due_at: Instant = NEVER
        self._heard: dict[Process, Instant] = {}
        self._beaten_at: Instant = 0
        self.reconfigure(timers)

    def reconfigure(self, timers: TotemOptions) -> None:
        """Take the ring's timers."""
        # Totem would wait as long for a token. Shorter, and a pause that Corosync forgives would not be.
        self.patience: Millis = timers.token + timers.consensus
        # While Corosync forms a ring nothing comes back: token and consensus, and again if that
        # ring breaks up as well. Beyond three rounds it is not forming, it is stuck.
        self.own_patience: Millis = max(PATIENCE_MIN_MS, 3 * self.patience)
        self.beat: Millis = max(50, timers.token // 4)

    def begin(self, members: Iterable[Process], now: Instant) -> None:
        """A view is installed: all of its members are alive."""
        self._heard = dict.fromkeys(members, now)
        self._beaten_at = now
        self.due_at = now + self.beat

    def end(self) -> None:
        """No view, no signs."""
        self.due_at = NEVER

    def hear(self, now: Instant, sender: Process, me: Process) -> None:
        """Note a sign of life. After a time without our own, everybody's time begins anew."""
        if sender == me and not self.flows(now, me):
            self._heard = dict.fromkeys(self._heard, now)
        self._heard[sender] = now

    def flows(self, now: Instant, me: Process) -> bool:
        """Do our own messages come back?"""
        return now - self._heard.get(me, now) <= MISSING_MAX * self.beat

    def on_beat(self, now: Instant) -> None:
        """It is time for our own sign; if it is long overdue, it was we who stood still."""
        if now - self._beaten_at > MISSING_MAX * self.beat:
            self._heard = dict.fromkeys(self._heard, now)
        self._beaten_at = now
        self.due_at = now + self.beat

    def mute(self, now: Instant, me: Process) -> bool:
        """Has nothing of ours come back for longer than Corosync can need?"""
        return now - self._heard.get(me, now) >= self.own_patience

    def silent(self, now: Instant, members: Iterable[Process], me: Process) -> list[Process]:
        """Return members that have been silent for too long; each is told of once in that time."""
        if not self.flows(now, me):
            return []
        found = [p for p in members if now - self._heard.get(p, now) >= self.patience]
        self._heard.update(dict.fromkeys(found, now))
        return found
