"""The checkers by themselves: told a story, they must see what is wrong in it."""

from __future__ import annotations

import pytest

from ninefold.controller import events as control
from ninefold.core.ids import RingId
from ninefold.quorum.events import Verdict
from ninefold.sim.checkers import Checkers, Health, Partition, Violation, check_needed
from ninefold.sim.views import Views

RING, NEXT = RingId(4, 1), RingId(8, 1)


@pytest.fixture
def checkers() -> Checkers:
    return Checkers(two_node=False)


def test_resource_on_two_hosts_is_a_violation(checkers: Checkers) -> None:
    checkers.on_start(10, 1, "db")

    with pytest.raises(Violation, match="while it runs on"):
        checkers.on_start(20, 2, "db")


def test_resource_that_was_stopped_may_start_elsewhere(checkers: Checkers) -> None:
    checkers.on_start(10, 1, "db")
    checkers.on_stop(20, 1, "db")

    checkers.on_start(30, 2, "db")

    assert checkers.starts == 2


def test_power_cut_alone_does_not_permit_a_takeover(checkers: Checkers) -> None:
    checkers.on_start(10, 1, "db")
    checkers.on_power_off(20, 1)

    with pytest.raises(Violation, match="was not fenced"):
        checkers.on_start(30, 2, "db")


def test_fencing_before_the_power_cut_does_not_count(checkers: Checkers) -> None:
    checkers.on_silenced(5, 1)
    checkers.on_start(10, 1, "db")
    checkers.on_power_off(20, 1)

    with pytest.raises(Violation, match="was not fenced"):
        checkers.on_start(30, 2, "db")


def test_fenced_host_may_be_taken_over(checkers: Checkers) -> None:
    checkers.on_start(10, 1, "db")
    checkers.on_power_off(20, 1)
    checkers.on_silenced(20, 1)

    checkers.on_start(30, 2, "db")

    assert checkers.starts == 2


def test_host_that_came_back_by_itself_has_lost_what_it_ran(checkers: Checkers) -> None:
    checkers.on_start(10, 1, "db")
    checkers.on_power_off(20, 1)
    checkers.on_boot(25, 1)

    checkers.on_start(30, 2, "db")

    assert checkers.starts == 2


def test_start_without_quorum_is_a_violation(checkers: Checkers) -> None:
    me = Partition(1, (1,), quorate=False)

    with pytest.raises(Violation, match="without quorum"):
        checkers.on_launch(10, "db", me, [me])


def test_two_separate_partitions_with_quorum_are_a_violation(checkers: Checkers) -> None:
    me, other = Partition(1, (1, 2), quorate=True), Partition(3, (3, 4), quorate=True)

    with pytest.raises(Violation, match="both have quorum"):
        checkers.on_launch(10, "db", me, [me, other])


def test_paused_node_that_still_believes_in_the_old_ring_is_no_separate_partition(
    checkers: Checkers,
) -> None:
    me, paused = Partition(1, (1, 2), quorate=True), Partition(3, (1, 2, 3), quorate=True)

    checkers.on_launch(10, "db", me, [me, paused])


def test_quorum_of_half_the_votes_is_a_violation(checkers: Checkers) -> None:
    with pytest.raises(Violation, match="2 of 4"):
        checkers.on_quorum(10, Partition(1, (1, 2), quorate=True), 2, 4)


def healthy(**changes: object) -> Health:
    standing: dict[str, object] = {
        "node": 1,
        "running": True,
        "connected": True,
        "disturbed_at": 0,
        "stop_fails": False,
        "requested": False,
    }
    return Health(**(standing | changes))  # type: ignore[arg-type]


def test_fencing_of_a_healthy_host_is_a_violation() -> None:
    with pytest.raises(Violation, match="healthy"):
        check_needed(100_000, healthy(), memory_ms=60_000)


@pytest.mark.parametrize(
    "reason",
    [
        {"running": False},
        {"connected": False},
        {"stop_fails": True},
        {"requested": True},
        {"disturbed_at": 50_000},
    ],
)
def test_fencing_with_a_reason_is_none(reason: dict[str, object]) -> None:
    check_needed(100_000, healthy(**reason), memory_ms=60_000)


# Views.


def configured(*, members: tuple[int, ...] = (1, 2), ring: RingId = RING) -> control.Configured:
    verdict = Verdict(ring, True, 2, 2, 2, "")
    return control.Configured(ring, members, dict.fromkeys(members, b""), verdict)


def delivered(sender: int, payload: bytes) -> control.MessageDelivered:
    return control.MessageDelivered(sender, payload)


def test_different_members_of_one_ring_are_a_violation() -> None:
    views = Views()
    views.on_event(1, 1, configured())

    with pytest.raises(Violation, match="sees ring"):
        views.on_event(2, 2, configured(members=(2, 3)))


def test_two_orders_in_one_ring_are_a_violation() -> None:
    views = Views()
    for node in (1, 2):
        views.on_event(1, node, configured())
    views.on_event(2, 1, delivered(1, b"a"))
    views.on_event(2, 1, delivered(2, b"b"))

    with pytest.raises(Violation, match="message 0"):
        views.on_event(3, 2, delivered(2, b"b"))


def test_member_that_is_behind_is_no_violation() -> None:
    views = Views()
    for node in (1, 2):
        views.on_event(1, node, configured())
    views.on_event(2, 1, delivered(1, b"a"))
    views.on_event(2, 1, delivered(2, b"b"))

    views.on_event(3, 2, delivered(1, b"a"))


def test_those_who_move_on_together_must_have_delivered_the_same() -> None:
    views = Views()
    for node in (1, 2):
        views.on_event(1, node, configured())
    views.on_event(2, 1, delivered(1, b"a"))
    for node in (1, 2):
        views.on_event(3, node, control.Unsettled((1, 2), majority=True))
    views.on_event(4, 1, configured(ring=NEXT))

    with pytest.raises(Violation, match="went together"):
        views.on_event(4, 2, configured(ring=NEXT))


def test_late_delivery_in_the_transitional_configuration_counts() -> None:
    views = Views()
    for node in (1, 2):
        views.on_event(1, node, configured())
    views.on_event(2, 1, delivered(1, b"a"))
    for node in (1, 2):
        views.on_event(3, node, control.Unsettled((1, 2), majority=True))
    views.on_event(3, 2, delivered(1, b"a"))

    views.on_event(4, 1, configured(ring=NEXT))
    views.on_event(4, 2, configured(ring=NEXT))


def test_daemon_that_began_anew_has_seen_nothing() -> None:
    views = Views()
    for node in (1, 2):
        views.on_event(1, node, configured())
    views.on_event(2, 1, delivered(1, b"a"))
    views.forget(2)

    views.on_event(4, 1, configured(ring=NEXT))
    views.on_event(4, 2, configured(ring=NEXT))
