"""What a transition waits for beyond what the policy engine orders: where its own order leaves a risk.

The engine orders as Pacemaker does, action by action; that is what recorded decisions are compared with. What
these add costs a moment of waiting at most.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from ninefold.controller.waiting import held_back

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ninefold.scheduler.model import Action, Transition


def cautious(transition: Transition) -> Transition:
    """Return the transition with everything behind what it had better wait for."""
    return clones_after_probes(superfluous_first(leaving_after_probes(transition)))


def leaving_after_probes(transition: Transition) -> Transition:
    """Return the transition with each goodbye behind the probes on its node.

    A goodbye says that nothing runs there. A node that has not been looked at may run what an
    earlier daemon of it started; what a probe finds is news, and is stopped before it leaves.
    """
    probes: dict[str, list[int]] = {}
    for action in transition.actions:
        if action.task == "monitor" and not action.interval_ms:
            probes.setdefault(action.node, []).append(action.id)
    waits = {
        action.id: probes.get(action.node, [])
        for action in transition.actions
        if action.task == "do_shutdown"
    }
    return held_back(transition, waits)


def superfluous_first(transition: Transition) -> Transition:
    """Return the transition with what a clone begins behind what ends of its superfluous instances.

    An instance beyond clone-max belongs to no clone any more, so nothing orders it: without this there
    could be one promoted too many, or one running too many, for a moment. It ends in any case.
    """
    ending: dict[str, list[int]] = {}
    for action in transition.actions:
        if action.task in ("demote", "stop") and action.resource and "clone" not in action.meta:
            ending.setdefault(action.resource.partition(":")[0], []).append(action.id)
    waits = {action.id: ending.get(_begins(action), []) for action in transition.actions}
    return held_back(transition, waits)


def clones_after_probes(transition: Transition) -> Transition:
    """Return the transition with what a clone begins behind the probes of all its instances.

    A node that has just come back may run one that its cluster does not know: left there in maintenance, for
    example. One promoted meanwhile on another node would be one too many. What such a probe finds is news, and
    everything is decided anew.
    """
    actions = {action.id: action for action in transition.actions}
    probes: dict[str, list[Action]] = {}
    for action in transition.actions:
        if action.task == "monitor" and not action.interval_ms and _cloned(action):
            probes.setdefault(_cloned(action), []).append(action)
    # One clone after the other, each with what those before it wait for: two must not wait for one another.
    for name, looks in probes.items():
        # A probe where the clone itself has to begin something first cannot be waited for.
        free = [
            look.id
            for look in looks
            if not any(_begins(before) == name for before in _all_before(actions, look))
        ]
        for action in transition.actions:
            if free and _begins(action) == name:
                known = actions[action.id]
                inputs = (*known.inputs, *free)
                actions[action.id] = msgspec.structs.replace(known, inputs=inputs)
    return msgspec.structs.replace(transition, actions=tuple(actions.values()))


def _begins(action: Action) -> str:
    """Return the primitive of which a clone's instance is started or promoted; empty for all else."""
    return _cloned(action) if action.task in ("start", "promote") else ""


def _cloned(action: Action) -> str:
    return action.resource.partition(":")[0] if "clone" in action.meta else ""


def _all_before(actions: Mapping[int, Action], action: Action) -> list[Action]:
    found: dict[int, Action] = {}
    todo = [action]
    while todo:
        for number in todo.pop().inputs:
            if number in actions and number not in found:
                found[number] = actions[number]
                todo.append(actions[number])
    return list(found.values())
