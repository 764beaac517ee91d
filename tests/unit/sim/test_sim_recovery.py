"""What is demanded once everything is mended: each demand by itself, of a cluster that does not meet it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import pytest

from ninefold.cib import model as cib
from ninefold.controller import requests as rq
from ninefold.controller.decision import decide
from ninefold.sim import liveness
from ninefold.sim.checkers import Violation
from ninefold.sim.cluster import Primitive, Shape, corosync_conf, document
from ninefold.sim.promises import mark
from ninefold.sim.recovery import FENCES_MAX, recover
from ninefold.sim.world import World

if TYPE_CHECKING:
    from ninefold.cib.document import Cib
    from ninefold.scheduler.model import Transition


@pytest.fixture
def world() -> World:
    shape = Shape(nodes=3, token_ms=1_000, token_coefficient_ms=0, resources=[Primitive("db")])
    made = World(1, corosync_conf(shape), document(shape))
    for node in made.hosts:
        made.power_on(node)
    made.advance(5_000)
    return made


def nothing(document: Cib, now: int) -> Transition:
    """Decide that nothing is to be done."""
    return msgspec.structs.replace(decide(document, now), actions=())


def test_cluster_that_is_well_meets_every_demand(world: World) -> None:
    world.ask(1, "alice", mark(1, "node1"))

    recover(world)

    assert world.promises.kept


def test_cables_that_stay_cut_are_found(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.network.isolate(3)
    world.advance(5_000)
    monkeypatch.setattr(world, "heal", lambda: None)

    with pytest.raises(Violation, match="no single membership"):
        recover(world)


def test_resource_that_nobody_starts_again_is_found(world: World) -> None:
    world.effects.decide = nothing
    world.kill("db")

    with pytest.raises(Violation, match="not all is well"):
        recover(world)


def test_answers_that_never_come_are_found(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(world, "answered", lambda _host, _answer: None)

    with pytest.raises(Violation, match="requests without an answer: 13"):
        recover(world)


def test_change_that_was_acknowledged_and_is_not_there_is_found(world: World) -> None:
    world.promises.kept.append("mark-of-nobody")

    with pytest.raises(Violation, match="acknowledged, but not in the document"):
        recover(world)


def test_node_that_is_fenced_again_and_again_is_found(world: World) -> None:
    fencings = [(world.now, "reboot", "node2")] * (FENCES_MAX + 1)
    world.at(500, lambda: world.fences.extend(fencings))

    with pytest.raises(Violation, match="node2 was fenced 3 times"):
        recover(world)


def test_transition_after_all_is_well_is_found(world: World) -> None:
    for second in range(60):
        world.at(second * 1_000, lambda: world.say("node1", "transition", "again"))

    with pytest.raises(Violation, match="no rest"):
        recover(world)


def test_ring_that_forms_anew_after_all_is_well_is_found(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = iter(["4.1", "8.1", "8.1"])
    monkeypatch.setattr(liveness, "rings", lambda _world: next(seen))

    with pytest.raises(Violation, match=r"no rest: from ring 4\.1 to 8\.1"):
        recover(world)


@pytest.mark.parametrize("ended", [True, False])
def test_what_was_asked_of_a_daemon_that_then_ended_is_asked_again(
    world: World, monkeypatch: pytest.MonkeyPatch, *, ended: bool
) -> None:
    change = cib.SetNodeAttribute(world.where("db")[0], "maintenance", "true")
    world.ask(1, "bob", rq.encode(rq.ChangeCib(change)))
    world.advance(5_000)
    world.kill("db")
    rounds, ask = [0], world.ask
    begins = rq.encode(rq.ChangeCib(cib.ForgetHistory(), "tidy up"))

    def lost(node: int, user: str, body: bytes) -> int:
        rounds[0] += body == begins
        if body == begins and rounds[0] == 1 and ended:
            world.at(1, lambda: world.kill_daemon(node))
        return -1 if rounds[0] == 1 else ask(node, user, body)

    monkeypatch.setattr(world, "ask", lost)
    if ended:
        recover(world)
        assert world.where("db")
    else:
        with pytest.raises(Violation, match="not all is well"):
            recover(world)
