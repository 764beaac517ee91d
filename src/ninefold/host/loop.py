"""Drives one machine on asyncio: post events, step, perform the effects in order, wake in time.

A bug in a machine must not be lived with: an exception while stepping or performing is logged with
the last events, and the process ends at once (the watchdog and the peers make that safe; a node
that goes on with half a step done is not).
"""

from __future__ import annotations

import gc
import logging
import os
from collections import deque
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

from ninefold.core.instants import NEVER
from ninefold.host import clock

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from ninefold.core.instants import Instant, Millis
    from ninefold.core.machine import Machine

EventT = TypeVar("EventT")
EffectT = TypeVar("EffectT")

LOG: Final = logging.getLogger("ninefold.loop")

# Events that wait while one is being performed. The sockets hand over 64 packets a turn, and each
# step's effects may answer at once; what piles up beyond this is a loop of our own making.
QUEUE_MAX: Final = 65_536
# Events that the story of a bug is told with.
STORY_EVENTS: Final = 50
# A story's event is cut here: a packet or a document may be megabytes.
STORY_EVENT_CHARS: Final = 400
# Wake-ups in a row that leave the deadline in the past: a machine may need two or three, one that
# needs more will never come to rest.
WAKES_MAX: Final = 100
# EX_SOFTWARE of sysexits.h: an internal error.
EXIT_BUG: Final = 70
# No timer is set further ahead, since the suspension of a host stops the loop's clock but not
# ours: after a resume the machine is woken within this time.
TIMER_MAX_MS: Final = 1000
# A full collection waits for this much silence before and after it: it takes some 10 ms for a
# heap of 100 MiB, and a token must not wait for it.
GC_QUIET_MS: Final = 20
# Nothing is collected more often than this.
GC_PERIOD_MS: Final = 30_000


class Bug(Exception):
    """A machine or its performer failed; the text tells the last events."""


def end_process(bug: Bug) -> None:
    """Log the bug and end the process without cleaning up, which could do more harm."""
    LOG.critical("%s", bug, exc_info=bug.__cause__)
    logging.shutdown()
    os._exit(EXIT_BUG)


class MachineLoop(Generic[EventT, EffectT]):
    """One machine in one asyncio loop.

    `woke` is the machine's own wake-up event. `perform` performs one effect; it may call `post`,
    which then takes its turn after the effects at hand. `on_bug` must not return on a real host.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        machine: Machine[EventT, EffectT],
        perform: Callable[[EffectT], None],
        *,
        woke: EventT,
        now: Callable[[], Instant] = clock.now,
        on_bug: Callable[[Bug], None] = end_process,
    ) -> None:
        self._loop = loop
        self._machine = machine
        self._perform = perform
        self._woke = woke
        self._now = now
        self._on_bug = on_bug
        self._queue: deque[EventT] = deque()
        self._story: deque[tuple[Instant, EventT]] = deque(maxlen=STORY_EVENTS)
        self._stepping = False
        self._closed = False
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at: Instant = NEVER
        self._wakes = 0
        self.last_step_at: Instant = now()

    def post(self, event: EventT) -> None:
        """Step the machine with an event, at once unless a step is under way."""
        if self._closed:
            return
        self._queue.append(event)
        if self._stepping:
            return
        self._stepping = True
        try:
            self._drain()
            self._arm()
        except Exception as error:  # noqa: BLE001 - whatever it is, it is our bug and ends us
            self._die(error)
        finally:
            self._stepping = False

    def post_from_thread(self, event: EventT) -> None:
        """Post from another thread: the event takes its turn in the loop's."""
        self._loop.call_soon_threadsafe(self.post, event)

    def close(self) -> None:
        """Take no more events and cancel the timer."""
        self._closed = True
        self._queue.clear()
        self._disarm()

    def collect_if_idle(self) -> bool:
        """Collect garbage if nothing happened just now and nothing is due; tell whether it did."""
        now = self._now()
        quiet = now - self.last_step_at >= GC_QUIET_MS
        if not quiet or self._machine.deadline - now < GC_QUIET_MS:
            return False
        gc.collect()
        return True

    def _drain(self) -> None:
        while self._queue and not self._closed:
            assert len(self._queue) <= QUEUE_MAX
            event = self._queue.popleft()
            now = self._now()
            self._story.append((now, event))
            self.last_step_at = now
            for effect in self._machine.step(now, event):
                self._perform(effect)

    def _arm(self) -> None:
        """Set the timer to the deadline, or leave one that rings earlier: it sets the next.

        A deadline that moves on with every packet costs one ring a period that way, instead of a
        cancelled timer a packet.
        """
        deadline = self._machine.deadline
        if self._closed or deadline >= NEVER:
            self._disarm()
            return
        if self._timer is not None:
            if self._timer_at <= deadline:
                return
            self._disarm()
        now = self._now()
        delay: Millis = min(max(0, deadline - now), TIMER_MAX_MS)
        self._timer_at = now + delay
        self._timer = self._loop.call_later(delay / 1000, self._ring)

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._timer_at = NEVER

    def _ring(self) -> None:
        """Wake the machine if its deadline has come, else set the timer again."""
        self._timer = None
        self._timer_at = NEVER
        now = self._now()
        try:
            if now < self._machine.deadline:
                self._arm()
                return
            self.post(self._woke)
            self._wakes = self._wakes + 1 if self._machine.deadline <= now else 0
            assert self._wakes <= WAKES_MAX
        except Exception as error:  # noqa: BLE001 - whatever it is, it is our bug and ends us
            self._die(error)

    def _die(self, error: Exception) -> None:
        self.close()
        story = "\n".join(f"  {at} {_shorten(event)}" for at, event in self._story)
        text = f"{type(self._machine).__name__} failed; its last events, oldest first:\n{story}"
        bug = Bug(text)
        bug.__cause__ = error
        self._on_bug(bug)


def _shorten(event: Any) -> str:
    text = repr(event)
    return text if len(text) <= STORY_EVENT_CHARS else text[:STORY_EVENT_CHARS] + "…"


def tame_gc() -> None:
    """Keep collections short: call it once, when everything long-lived has been imported.

    What exists now is exempted for good. Young objects are collected after 20 000 allocations
    instead of 700 (a step makes some hundreds, and nearly all die by themselves); the oldest
    generation, whose collection takes longest, is left to `collect_when_idle`.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 1_000_000)


class IdleCollector:
    """Collects garbage between two tokens: tries every 100 ms until it finds an idle moment."""

    def __init__(self, loop: asyncio.AbstractEventLoop, machine: MachineLoop[Any, Any]) -> None:
        self._loop = loop
        self._machine = machine
        self._tries = 0
        self._timer = loop.call_later(GC_PERIOD_MS / 1000, self._try)

    # A ring that is never idle for 40 ms is collected all the same after 600 tries (one minute).
    TRIES_MAX: Final = 600
    TRY_AGAIN_MS: Final = 100

    def close(self) -> None:
        """Stop collecting."""
        self._timer.cancel()

    def _try(self) -> None:
        self._tries += 1
        collected = self._machine.collect_if_idle()
        if not collected and self._tries >= self.TRIES_MAX:
            gc.collect()
            collected = True
        if collected:
            self._tries = 0
        pause: Millis = GC_PERIOD_MS if collected else self.TRY_AGAIN_MS
        self._timer = self._loop.call_later(pause / 1000, self._try)


def collect_when_idle(
    loop: asyncio.AbstractEventLoop, machine: MachineLoop[Any, Any]
) -> IdleCollector:
    """Collect the oldest generation every 30 s, at a moment when no event is near."""
    return IdleCollector(loop, machine)
