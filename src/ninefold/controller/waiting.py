"""Let an action of a transition wait for others, and never in a circle.

The engine's order has no circles. Whoever adds to it here could close one, and then nothing of the circle
would ever begin: so what would close one is left out, and the engine's own order stands.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ninefold.scheduler.model import Transition


def held_back(transition: Transition, waits: Mapping[int, Sequence[int]]) -> Transition:
    """Return the transition in which each action that is a key of `waits` waits for those named there, too.

    Theorem: if the given order has no circle, the new one has none. An action gets an input only if that does not
    wait for it already, directly or through others; what was added before counts in this.
    """
    inputs = {action.id: action.inputs for action in transition.actions}
    later: dict[int, list[int]] = {}
    for action in transition.actions:
        for number in action.inputs:
            later.setdefault(number, []).append(action.id)
    for number, before in waits.items():
        behind = _reached(later, number) if before else set()
        for one in before:
            if one not in behind and one not in inputs[number]:
                inputs[number] = (*inputs[number], one)
                later.setdefault(one, []).append(number)
    actions = tuple(
        action
        if inputs[action.id] is action.inputs
        else msgspec.structs.replace(action, inputs=inputs[action.id])
        for action in transition.actions
    )
    return msgspec.structs.replace(transition, actions=actions)


def _reached(later: Mapping[int, list[int]], number: int) -> set[int]:
    """Return an action and all that wait for it."""
    found = {number}
    todo = [number]
    while todo:
        for one in later.get(todo.pop(), ()):
            if one not in found:
                found.add(one)
                todo.append(one)
    return found
