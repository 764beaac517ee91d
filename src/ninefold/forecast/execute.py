"""Carry a transition out on a document, in the order that a graph of actions allows.

The order is that of `crm_simulate`: the actions are walked through again and again, and each is
done as soon as everything that it waits for is done. An action that fails ends the transition; the
cluster would then decide anew, and so may the caller.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Final

import msgspec
from lxml.etree import _Element as Element

from ninefold.forecast import effects
from ninefold.scheduler import schedule_document
from ninefold.scheduler.model import Action, ActionKind, Transition

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ninefold.core.instants import WallSeconds
    from ninefold.forecast.opspec import OpSpec

# A cluster that comes to rest does so in a handful of transitions: one for the event, one after
# each probe, failure or fencing. One that has not by then goes in a circle.
ROUNDS_MAX: Final = 20


class Step(msgspec.Struct, frozen=True):
    """An action that was carried out; `rc` is set if it failed, `name` is what the node calls it."""

    action: Action
    rc: int | None = None
    name: str = ""


class Execution(msgspec.Struct, frozen=True):
    """What came of a transition: the steps in their order, and the document after them.

    `stuck` are the actions that were never reached: behind a failure.
    """

    document: Element
    steps: tuple[Step, ...]
    stuck: tuple[Action, ...] = ()

    @property
    def failed(self) -> bool:
        """Tell whether an action failed."""
        return any(step.rc is not None for step in self.steps)


class Round(msgspec.Struct, frozen=True):
    """One decision and what came of it."""

    transition: Transition
    execution: Execution


class Story(msgspec.Struct, frozen=True):
    """Decisions until there is nothing left to do, or `settled` is false."""

    rounds: tuple[Round, ...]
    final: Transition
    document: Element
    settled: bool


def execute(
    document: Element,
    transition: Transition,
    now: WallSeconds,
    failing: Sequence[OpSpec] = (),
    unfenceable: Sequence[str] = (),
    *,
    go_on: bool = False,
) -> Execution:
    """Carry `transition` out on a copy of `document`; see `carry_out`."""
    root = copy.deepcopy(document)
    return carry_out(root, transition, now, failing, unfenceable, go_on=go_on)


def carry_out(
    root: Element,
    transition: Transition,
    now: WallSeconds,
    failing: Sequence[OpSpec] = (),
    unfenceable: Sequence[str] = (),
    *,
    go_on: bool = False,
) -> Execution:
    """Carry `transition` out on `root` itself; what `failing` names ends with its code.

    The fencing of an unfenceable node never ends, and nothing that waits for it begins. A failure
    ends the transition; with `go_on` only what waits for the failed action is not done, as if
    everything else had been under way already.
    """
    in_graph = {action.id for action in transition.actions}
    calls = effects.Calls()
    done: dict[int, bool] = {}
    steps: list[Step] = []
    recorded = effects.recorded_names(root)
    waiting = list(transition.in_sequence)
    broken, moved = False, True
    while waiting and moved and not broken:
        moved = False
        left = []
        for action in waiting:
            if broken or not all(one in done for one in action.inputs if one in in_graph):
                left.append(action)
                continue
            if action.kind is ActionKind.FENCING and action.node in unfenceable:
                left.append(action)
                continue
            rc = _failure(action, failing)
            name = effects.known_as(action, recorded)
            if rc is None:
                effects.complete(root, action, now, calls)
                done[action.id] = True
            else:
                effects.fail(root, action, rc, now, calls)
                broken = not go_on
            steps.append(Step(action, rc, name))
            moved = True
        waiting = left
    return Execution(root, tuple(steps), tuple(waiting))


def _failure(action: Action, failing: Sequence[OpSpec]) -> int | None:
    if action.kind is not ActionKind.RESOURCE:
        return None
    for spec in failing:
        names = (action.resource, effects.history_name(action))
        same = spec.resource in names or f"{spec.resource}_" == action.key[: len(spec.resource) + 1]
        if (
            same
            and spec.task == action.task
            and spec.interval_ms == action.interval_ms
            and spec.node.lower() == action.node.lower()
            and spec.rc != action.expected_rc
        ):
            return spec.rc
    return None


def settle(
    document: Element,
    now: WallSeconds,
    failing: Sequence[OpSpec] = (),
    unfenceable: Sequence[str] = (),
    rounds_max: int = ROUNDS_MAX,
    *,
    go_on: bool = False,
) -> Story:
    """Decide and carry out until nothing is left to do, or nothing more can be done."""
    rounds: list[Round] = []
    transition = schedule_document(document, now)
    while not idle(transition) and len(rounds) < rounds_max:
        execution = execute(document, transition, now, failing, unfenceable, go_on=go_on)
        rounds.append(Round(transition, execution))
        document = execution.document
        transition = schedule_document(document, now)
        if not is_work(execution):
            break
    return Story(tuple(rounds), transition, document, idle(transition))


def is_work(execution: Execution) -> bool:
    """Tell whether anything was done beyond passing points that others would wait for."""
    return any(step.action.kind is not ActionKind.PSEUDO for step in execution.steps)


def idle(transition: Transition) -> bool:
    """Tell whether nothing is left to do; points that others would wait for are no work."""
    return all(action.kind is ActionKind.PSEUDO for action in transition.actions)
