"""One transition carried out: what may begin, what is done, what is lost."""

from __future__ import annotations

from ninefold.controller.carrier import CLUSTER_DELAY_MS, Carrier
from ninefold.core.instants import NEVER
from ninefold.scheduler.model import Action, ActionKind, Transition


def action(number: int, *inputs: int, kind: ActionKind = ActionKind.RESOURCE) -> Action:
    return Action(number, f"key{number}", kind, "start", node="node1", inputs=inputs)


def carrier(*actions: Action, batch_limit: int = 0) -> Carrier:
    return Carrier("1:1-4", Transition(actions, (), (), quorate=True, batch_limit=batch_limit))


def numbers(actions: list[Action]) -> list[int]:
    return [action.id for action in actions]


def test_action_waits_until_its_inputs_are_confirmed() -> None:
    under_way = carrier(action(1), action(2, 1))

    assert numbers(under_way.next(0)) == [1]
    assert numbers(under_way.next(0)) == []

    assert under_way.confirm(1, ok=True)
    assert numbers(under_way.next(0)) == [2]


def test_pseudo_actions_open_the_way_within_one_step() -> None:
    pseudo = ActionKind.PSEUDO
    under_way = carrier(action(1, kind=pseudo), action(2, 1, kind=pseudo), action(3, 2))

    assert numbers(under_way.next(0)) == [3]


def test_input_that_is_not_in_the_transition_needs_no_doing() -> None:
    assert numbers(carrier(action(1, 99)).next(0)) == [1]


def test_nothing_that_waits_for_a_failed_action_happens() -> None:
    under_way = carrier(action(1), action(2, 1), action(3))
    under_way.next(0)

    under_way.confirm(1, ok=False)
    under_way.confirm(3, ok=True)

    assert under_way.next(0) == []
    assert under_way.complete
    assert under_way.achieved


def test_transition_whose_only_action_failed_has_achieved_nothing() -> None:
    under_way = carrier(action(1))
    under_way.next(0)

    under_way.confirm(1, ok=False)

    assert under_way.complete
    assert not under_way.achieved


def test_result_that_nobody_awaits_is_told_from_one_that_is() -> None:
    under_way = carrier(action(1), action(2, 1))
    under_way.next(0)

    assert not under_way.confirm(2, ok=True)
    assert not under_way.confirm(7, ok=True)
    assert under_way.confirm(1, ok=True)
    assert not under_way.confirm(1, ok=True)


def test_batch_limit_bounds_what_is_under_way() -> None:
    under_way = carrier(action(1), action(2), action(3), batch_limit=2)

    assert numbers(under_way.next(0)) == [1, 2]
    under_way.confirm(2, ok=True)
    assert numbers(under_way.next(0)) == [3]


def test_fencing_does_not_wait_for_room_in_the_batch() -> None:
    fencing = action(3, kind=ActionKind.FENCING)
    under_way = carrier(action(1), action(2), fencing, batch_limit=1)

    assert numbers(under_way.next(0)) == [1, 3]


def test_result_that_never_comes_is_lost_after_timeout_and_cluster_delay() -> None:
    under_way = carrier(action(1), action(2, 1))
    under_way.next(1_000)
    due = 1_000 + 20_000 + CLUSTER_DELAY_MS

    assert under_way.deadline == due
    assert under_way.expired(due - 1) == []
    assert numbers(under_way.expired(due)) == [1]

    assert under_way.deadline == NEVER
    assert under_way.complete


def test_fencing_is_confirmed_for_the_node_whoever_carried_it_out() -> None:
    under_way = carrier(action(1, kind=ActionKind.FENCING), action(2, 1))
    under_way.next(0)

    under_way.confirm_fencing("node2", lets_in=False, ok=True)
    assert under_way.next(0) == []

    under_way.confirm_fencing("node1", lets_in=False, ok=True)
    assert numbers(under_way.next(0)) == [2]
