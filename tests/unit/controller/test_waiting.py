"""Additions to a transition's order: all that close no circle, and none that does."""

from __future__ import annotations

import random

from ninefold.controller.departures import source_first
from ninefold.controller.waiting import held_back
from ninefold.scheduler.model import Action, ActionKind, Transition


def transition(*inputs: tuple[int, ...]) -> Transition:
    """Return a transition of actions 0, 1, 2 ... with these inputs."""
    kind = ActionKind.RESOURCE
    actions = [
        Action(number, f"{number}", kind, "start", inputs=before)
        for number, before in enumerate(inputs)
    ]
    return Transition(tuple(actions), (), (), quorate=True)


def order(given: Transition) -> list[tuple[int, ...]]:
    return [action.inputs for action in given.actions]


def can_end(given: Transition) -> bool:
    """Whether every action begins at last, each as soon as its inputs are done."""
    done: set[int] = set()
    while ready := [a.id for a in given.actions if a.id not in done and done.issuperset(a.inputs)]:
        done.update(ready)
    return len(done) == len(given.actions)


def test_action_waits_for_what_is_named() -> None:
    assert order(held_back(transition((), (), (0,)), {2: [1, 0], 0: []})) == [(), (), (0, 1)]


def test_what_would_close_a_circle_is_left_out_and_the_rest_stays() -> None:
    assert order(held_back(transition((), (0,), (1,), ()), {0: [0, 2, 3]})) == [
        (3,),
        (0,),
        (1,),
        (),
    ]


def test_two_additions_close_no_circle_together() -> None:
    assert order(held_back(transition((), ()), {0: [1], 1: [0]})) == [(1,), ()]


def test_every_transition_can_end_whatever_is_added_and_nothing_is_left_out_without_need() -> None:
    chance = random.Random(7)
    for _ in range(300):
        size = chance.randint(1, 9)
        given = transition(
            *(tuple(chance.sample(range(n), chance.randint(0, min(n, 2)))) for n in range(size))
        )
        wishes = {n: [chance.randrange(size)] for n in range(size) if chance.random() < 0.5}

        found = held_back(given, wishes)

        assert can_end(found), (order(given), wishes)
        for number, (before,) in wishes.items():
            if before not in found.actions[number].inputs:
                inputs = order(found)
                inputs[number] = (*inputs[number], before)
                assert not can_end(transition(*inputs)), (order(given), wishes)


def test_what_is_done_at_a_target_waits_for_its_sources_silence_and_not_for_its_unfencing() -> None:
    on, reboot = ({"stonith_action": word} for word in ("on", "reboot"))
    fencing = [
        Action(1, "1", ActionKind.FENCING, "stonith", node="n1", meta=reboot),
        Action(2, "2", ActionKind.FENCING, "stonith", node="n2", meta=on, inputs=(3,)),
    ]
    stops = [
        Action(3, "3", ActionKind.RESOURCE, "stop", "vm", "n2", inputs=(4,)),
        Action(4, "4", ActionKind.RESOURCE, "migrate_from", "vm", "n3"),
        Action(5, "5", ActionKind.RESOURCE, "stop", "db", "n3"),
    ]
    given = Transition((*fencing, *stops), (), (), quorate=True)

    found = source_first(given, [("vm", "n2", "n3"), ("db", "n1", "n3")])

    assert order(found) == [(), (3,), (4,), (), (1,)]
