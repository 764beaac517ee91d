"""The step convention: how every machine here is driven.

A machine is told the time and what happened; it returns what should be done, in the order in
which it must be done. It owns no clock and no socket. After each step the performer asks for the
deadline again, so a stale timer cannot exist; when it passes, the performer steps with the
machine's own wake-up event.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ninefold.core.instants import Instant

EventT_contra = TypeVar("EventT_contra", contravariant=True)
EffectT_co = TypeVar("EffectT_co", covariant=True)


class Machine(Protocol[EventT_contra, EffectT_co]):
    """Anything that can be stepped."""

    @property
    def deadline(self) -> Instant:
        """Wake me no later than this; `NEVER` if nothing is awaited."""

    def step(self, now: Instant, event: EventT_contra) -> Sequence[EffectT_co]:
        """Take one event at `now`; return effects in the order of their durability."""
