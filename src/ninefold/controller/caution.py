"""What a transition waits for beyond what the policy engine orders: where its own order leaves a risk.

The engine orders as Pacemaker does, action by action; that is what recorded decisions are compared with. What
these add costs a moment of waiting at most.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

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
    actions = [
        msgspec.structs.replace(action, inputs=(*action.inputs, *probes.get(action.node, [])))
        if action.task == "do_shutdown"
        else action
        for action in transition.actions
    ]
    return msgspec.structs.replace(transition, actions=tuple(actions))


def superfluous_first(transition: Transition) -> Transition:
    """Return the transition with what a clone begins behind what ends of its superfluous instances.

    An instance beyond clone-max belongs to no clone any more, so nothing orders it: without this there
    could be one promoted too many, or one running too many, for a moment. It ends in any case.
    """
    ending: dict[str, list[int]] = {}
    for action in transition.actions:
        if action.task in ("demote", "stop") and action.resource and "clone" not in action.meta:
            ending.setdefault(action.resource.partition(":")[0], []).append(action.id)
    actions = [
        msgspec.structs.replace(action, inputs=(*action.inputs, *before))
        if action.task in ("start", "promote")
        and "clone" in action.meta
        and (before := ending.get(action.resource.partition(":")[0]))
        else action
        for action in transition.actions
    ]
    return msgspec.structs.replace(transition, actions=tuple(actions))


def clones_after_probes(transition: Transition) -> Transition:
    """Return the transition with what a clone begins behind the probes of all its instances.

    A node that has just come back may run one that its cluster does not know: left there in maintenance, for
    example. One promoted meanwhile on another node would be one too many. What such a probe finds is news, and
    everything is decided anew.
    """
    actions = {action.id: action for action in transition.actions}
    probes: dict[str, list[int]] = {}
    for action in transition.actions:
        name = _cloned(action)
        if action.task != "monitor" or action.interval_ms or not name:
            continue
        # A probe where the clone itself has to begin something first cannot be waited for.
        if not any(_begins(before) == name for before in _all_before(actions, action)):
            probes.setdefault(name, []).append(action.id)
    changed = [
        msgspec.structs.replace(action, inputs=(*action.inputs, *before))
        if (before := probes.get(_begins(action)))
        else action
        for action in transition.actions
    ]
    return msgspec.structs.replace(transition, actions=tuple(changed))


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
