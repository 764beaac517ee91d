"""Corosync is looked for soon, then less often, and soon again after it was found."""

from ninefold.core.instants import NEVER
from ninefold.corosync.reconnect import RECONNECT_MAX_MS, Reconnect


def test_each_look_is_put_off_twice_as_long_up_to_a_bound() -> None:
    reconnect = Reconnect()

    waits = []
    for _ in range(8):
        reconnect.later(1_000)
        waits.append(reconnect.at - 1_000)

    assert waits == [100, 200, 400, 800, 1_600, 3_200, 3_200, RECONNECT_MAX_MS]


def test_a_look_is_taken_once_and_not_before_its_time() -> None:
    reconnect = Reconnect()
    reconnect.later(1_000)

    assert not reconnect.due(1_099)
    assert reconnect.due(1_100)
    assert reconnect.at == NEVER
    assert not reconnect.due(9_999)


def test_after_success_the_next_loss_is_looked_after_soon() -> None:
    reconnect = Reconnect()
    for _ in range(5):
        reconnect.later(0)

    reconnect.succeeded()
    reconnect.later(0)

    assert reconnect.at == 100


def test_who_rests_looks_no_more() -> None:
    reconnect = Reconnect()
    reconnect.later(0)

    reconnect.rest()

    assert not reconnect.due(10_000)
