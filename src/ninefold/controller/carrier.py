"""Carry out one transition: which of its actions may begin now, which are done.

The carrier holds no truth of its own: what is done is read from what was delivered in total order.
If anything unexpected is delivered, the transition is abandoned; what is under way ends, and a new
decision starts from what is then. Nothing is ever resumed.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING

from ninefold.controller.messages import ON
from ninefold.core.instants import NEVER, Instant, Millis
from ninefold.scheduler.model import Action, ActionKind, Transition

if TYPE_CHECKING:
    from collections.abc import Sequence

# Beyond an action's own timeout the DC waits this long for the result to come through the ring
# before it calls the action lost (Pacemaker's cluster-delay).
CLUSTER_DELAY_MS: Millis = 60_000

# How many resource actions one transition has under way at once, if batch-limit does not say.
BATCH_DEFAULT = 64


def lets_in_by(action: Action) -> bool:
    """Whether a fencing unfences its node, instead of silencing it."""
    return action.meta.get("stonith_action") == ON


class Progress(Enum):
    """How an action of the transition stands."""

    WAITING = "its inputs are not confirmed"
    ISSUED = "ordered, no result yet"
    CONFIRMED = "done as expected"
    FAILED = "done otherwise, or lost: what waits for it will not happen"


class Carrier:
    """One transition under way. `name` is unique in the cluster's life."""

    def __init__(self, name: str, transition: Transition) -> None:
        self.name = name
        self.transition = transition
        self._actions = {action.id: action for action in transition.actions}
        self._progress = {action.id: Progress.WAITING for action in transition.actions}
        self._expires: dict[int, Instant] = {}
        self._limit = transition.batch_limit or BATCH_DEFAULT
        self.check_invariants()

    def check_invariants(self) -> None:
        """Assert that only what was ordered can expire."""
        for number in self._expires:
            assert self._progress[number] is Progress.ISSUED

    @property
    def deadline(self) -> Instant:
        """When the first result is overdue."""
        return min(self._expires.values(), default=NEVER)

    @property
    def complete(self) -> bool:
        """Is nothing under way, and can nothing begin?"""
        return not self._expires and not self._ready()

    @property
    def achieved(self) -> bool:
        """Was anything but pseudo actions done?"""
        return any(
            progress is Progress.CONFIRMED and self._actions[number].kind is not ActionKind.PSEUDO
            for number, progress in self._progress.items()
        )

    @property
    def issued(self) -> list[Action]:
        """Actions that were ordered and have no result yet."""
        return [self._actions[n] for n, p in self._progress.items() if p is Progress.ISSUED]

    def next(self, now: Instant) -> list[Action]:
        """Return the actions that may begin now, and count them as ordered.

        Pseudo actions are confirmed on the way, as often as they open the way to others.
        """
        begun: list[Action] = []
        while True:
            ready = self._ready()
            for action in ready:
                if action.kind is ActionKind.PSEUDO:
                    self._progress[action.id] = Progress.CONFIRMED
                else:
                    self._progress[action.id] = Progress.ISSUED
                    grace = action.timeout_ms + action.start_delay_ms + CLUSTER_DELAY_MS
                    self._expires[action.id] = now + grace
                    begun.append(action)
            if not any(action.kind is ActionKind.PSEUDO for action in ready):
                return begun

    def _ready(self) -> list[Action]:
        room = self._limit - len(self._expires)
        ready = []
        for number, action in self._actions.items():
            if self._progress[number] is not Progress.WAITING or not self._confirmed(action.inputs):
                continue
            if action.kind is ActionKind.RESOURCE:
                if room <= 0:
                    continue
                room -= 1
            ready.append(action)
        return ready

    def _confirmed(self, inputs: Sequence[int]) -> bool:
        # An input outside the transition is one that needed no doing.
        return all(
            self._progress.get(number, Progress.CONFIRMED) is Progress.CONFIRMED
            for number in inputs
        )

    def confirm(self, number: int, *, ok: bool) -> bool:
        """Take the result of an ordered action; answer whether it was awaited."""
        if self._progress.get(number) is not Progress.ISSUED:
            return False
        self._progress[number] = Progress.CONFIRMED if ok else Progress.FAILED
        del self._expires[number]
        return True

    def confirm_fencing(self, node: str, *, lets_in: bool, ok: bool) -> bool:
        """Take the result of fencing `node`, whoever carried it out and for whichever order.

        A node that was let in is not silent, nor the other way round. Answers whether it was awaited.
        """
        awaited = [
            action
            for action in self.issued
            if action.kind is ActionKind.FENCING
            and action.node == node
            and lets_in_by(action) is lets_in
        ]
        for action in awaited:
            self.confirm(action.id, ok=ok)
        return bool(awaited)

    def expired(self, now: Instant) -> list[Action]:
        """Return the ordered actions whose result is overdue; they count as failed from now on."""
        overdue = sorted(number for number, at in self._expires.items() if at <= now)
        for number in overdue:
            self.confirm(number, ok=False)
        return [self._actions[number] for number in overdue]
