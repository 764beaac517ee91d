"""The checkers of what a lasting fault may cost (F3, F4), and of what a node may ask for and keep (S10)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ninefold.config.model import TotemOptions
from ninefold.controller.events import Happened
from ninefold.sim.agents import Fault
from ninefold.sim.checkers import Violation
from ninefold.sim.cluster import Primitive, Shape, corosync_conf, document
from ninefold.sim.loads import AT_REST_MAX, Loads, check_rest
from ninefold.sim.restless import MEMBERSHIPS_MAX, Restless
from ninefold.sim.scenario import play
from ninefold.sim.stage import Stage
from ninefold.sim.world import World
from ninefold.totem import reachability
from ninefold.totem.events import SaveRingSeq, SendPacket
from ninefold.totem.reachability import REST_MS

if TYPE_CHECKING:
    from ninefold.core.instants import Instant
    from ninefold.node import events as ev


@pytest.fixture
def world() -> World:
    tolerant = Primitive("db", options={"migration-threshold": "2"})
    shape = Shape(nodes=3, resources=[tolerant, Primitive("mail")])
    return World(1, corosync_conf(shape), document(shape))


def wander(restless: Restless, resource: str, moves: int, now: Instant = 10) -> None:
    for move in range(moves + 1):
        restless.on_start(now, 1 + move % 3, resource, device="works")


@pytest.mark.parametrize(("resource", "moves"), [("mail", 3), ("db", 4)])
def test_resource_that_moves_more_often_than_it_may_fail_is_a_violation(
    world: World, resource: str, moves: int
) -> None:
    wander(world.restless, resource, moves)

    with pytest.raises(Violation, match=f"{resource} has moved {moves + 1} times"):
        world.restless.on_start(20, 1 + (moves + 1) % 3, resource, device="works")


def test_resource_that_fails_on_two_hosts_may_leave_both(world: World) -> None:
    for node in (1, 2):
        world.hosts[node].resources.faults.append(Fault("mail", "start", "half"))

    wander(world.restless, "mail", 4)
    with pytest.raises(Violation, match="mail has moved"):
        world.restless.on_start(20, 3, "mail", device="works")


def test_fence_device_that_starts_nowhere_may_drive_others_around(world: World) -> None:
    for move in range(6):
        world.restless.on_start(10, 1 + move % 3, "mail", device="fails")
    with pytest.raises(Violation, match="mail has moved 6 times"):
        world.restless.on_start(20, 1, "mail", device="fails")


def test_resource_that_starts_again_where_it_ran_has_not_moved(world: World) -> None:
    for _ in range(20):
        world.restless.on_start(10, 1, "mail", device="works")


def test_resource_that_has_moved_alive_has_moved() -> None:
    stage = Stage()
    stage.do("cluster nodes=3")
    stage.do("resource vm on=1 allow-migrate=true")
    stage.end_of_block()
    stage.do("move vm node2")
    stage.do("advance 5s")
    stage.do("expect vm on node2")
    restless, now = stage.world.restless, stage.world.now

    restless.on_start(now, 3, "vm", device="works")
    restless.on_start(now, 1, "vm", device="works")
    with pytest.raises(Violation, match="vm has moved 4 times"):
        restless.on_start(now, 3, "vm", device="works")


def test_each_fault_begins_a_new_count_of_moves(world: World) -> None:
    wander(world.restless, "mail", 3)
    world.restless.on_fault(15)

    wander(world.restless, "mail", 1, 20)


def test_memberships_without_end_are_a_violation(world: World) -> None:
    for at in range(MEMBERSHIPS_MAX):
        world.restless.on_membership(at, 3, calm=True)

    with pytest.raises(Violation, match=f"3 has seen {MEMBERSHIPS_MAX + 1} memberships"):
        world.restless.on_membership(MEMBERSHIPS_MAX, 3, calm=True)


def test_memberships_of_attempts_after_a_rest_are_none(world: World) -> None:
    for attempt in range(20):
        for _ in range(2):
            world.restless.on_membership(attempt * REST_MS, 3, calm=True)


def test_memberships_in_bad_weather_are_not_counted(world: World) -> None:
    for at in range(5 * MEMBERSHIPS_MAX):
        world.restless.on_membership(at, 3, calm=at % MEMBERSHIPS_MAX != 0)


ONE_WAY = "cluster nodes=3 token=1000\n----\n\noneway node2 node3\nadvance 60s\n----\n"


def test_ring_that_lets_nobody_rest_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    play(ONE_WAY)

    monkeypatch.setattr(reachability, "REST_MS", 0)

    with pytest.raises(Violation, match="memberships in the"):
        play(ONE_WAY)


PACKET = SendPacket(link=0, address="10.0.0.1", port=5405, data=b"")


@pytest.mark.parametrize(
    "effect",
    [PACKET, SaveRingSeq(1), Happened("says", "again")],
    ids=["packets", "ring-numbers", "words"],
)
def test_node_that_asks_for_too_much_is_a_violation(world: World, effect: ev.Effect) -> None:
    loads = world.effects.loads
    most, period_ms = loads.limits[type(effect)]
    for number in range(most):
        loads.on_effect(number * period_ms // most, 1, effect)
        loads.on_effect(number * period_ms // most, 2, effect)

    with pytest.raises(Violation, match=f"asks for {most + 1} times {type(effect).__name__}"):
        loads.on_effect(period_ms - 1, 1, effect)


def test_packets_are_limited_by_what_flow_control_lets_a_node_send() -> None:
    slow = Loads(TotemOptions(max_messages=1))
    double = Loads(TotemOptions(link_mode="active"))

    assert slow.limits[SendPacket] == (5_000, 1_000)
    assert double.limits[SendPacket] == (104_000, 1_000)


def test_what_is_asked_for_over_time_is_none() -> None:
    loads = Loads(TotemOptions())

    for millisecond in range(60_000):
        loads.on_effect(millisecond, 1, PACKET)


def test_node_that_keeps_what_it_was_told_is_found_at_rest(world: World) -> None:
    world.power_on(1)
    world.advance(3_000)
    check_rest(world.hosts.values())
    node = world.hosts[1].node
    assert node is not None

    joined = node.controller.situation.joined
    joined.extend(range(AT_REST_MAX + 1))

    with pytest.raises(Violation, match=r"holds \d+ in node\.controller.*joined"):
        check_rest(world.hosts.values())
