"""The checker of clones by itself: instances beyond the limits, and promoted ones that are dealt with wrongly."""

from __future__ import annotations

import pytest

from ninefold.agents.model import AgentName, Call, Rc
from ninefold.sim.checkers import Violation
from ninefold.sim.clones import Clone
from ninefold.sim.cluster import Primitive, Shape, corosync_conf, document
from ninefold.sim.stage import Stage
from ninefold.sim.world import World

SERVICE = AgentName("ocf", "sim", "service")


@pytest.fixture
def world() -> World:
    """Return a world in which two of three nodes may run `db`, one of them promoted."""
    clone = Clone("db", {"promotable": "true", "clone-max": "2"})
    shape = Shape(nodes=3, resources=[Primitive("db")], clones={"dbs": clone})
    return World(1, corosync_conf(shape), document(shape))


def ended(world: World, node: int, action: str, rc: int = Rc.OK) -> None:
    call = Call(SERVICE, "db", action, 0, 20_000)
    resources = world.hosts[node].resources
    resources.finish(call, resources.begin(call)[1])
    world.instances.on_effect(world.now, world.hosts[node], call, rc)


def test_more_instances_than_are_wanted_are_a_violation(world: World) -> None:
    ended(world, 1, "start")
    ended(world, 2, "start")

    with pytest.raises(Violation, match="2 are allowed"):
        ended(world, 3, "start")


def test_two_promoted_instances_where_one_is_wanted_are_a_violation(world: World) -> None:
    for node in (1, 2):
        ended(world, node, "start")
    ended(world, 1, "promote")

    with pytest.raises(Violation, match="is promoted on"):
        ended(world, 2, "promote")


def test_promoted_instance_that_does_not_run_is_a_violation(world: World) -> None:
    world.hosts[1].resources.promoted["db"] = True

    with pytest.raises(Violation, match="is promoted on node1 and does not run"):
        ended(world, 1, "monitor", Rc.NOT_RUNNING)


def test_stop_of_a_promoted_instance_is_a_violation_unless_its_demotion_has_failed(
    world: World,
) -> None:
    ended(world, 1, "start")
    ended(world, 1, "promote")
    stop = Call(SERVICE, "db", "stop", 0, 20_000)

    with pytest.raises(Violation, match="while it is promoted"):
        world.instances.on_launch(world.now, world.hosts[1], stop)

    demote = Call(SERVICE, "db", "demote", 0, 20_000)
    world.instances.on_launch(world.now, world.hosts[1], demote)
    world.instances.on_launch(world.now, world.hosts[1], stop)


def test_stop_of_what_a_probe_could_not_tell_to_be_promoted_is_no_violation(world: World) -> None:
    for node in (1, 2):
        ended(world, node, "start")
    ended(world, 1, "promote")
    stop = Call(SERVICE, "db", "stop", 0, 20_000)

    ended(world, 1, "monitor", Rc.RUNNING_PROMOTED)
    with pytest.raises(Violation, match="while it is promoted"):
        world.instances.on_launch(world.now, world.hosts[1], stop)

    ended(world, 1, "monitor", Rc.ERROR)
    world.instances.on_launch(world.now, world.hosts[1], stop)


def test_what_is_missing_at_the_end_is_said(world: World) -> None:
    ended(world, 1, "start")
    assert "runs on" in world.instances.wanting("db")
    ended(world, 2, "start")
    assert "promoted nowhere" in world.instances.wanting("db")

    ended(world, 2, "promote")

    assert world.instances.wanting("db") == ""


def test_instance_of_a_clone_may_move_alive() -> None:
    stage = Stage()
    stage.do("cluster nodes=3")
    stage.do("resource db allow-migrate=true")
    stage.do("clone dbs = db clone-max=2")
    stage.end_of_block()
    before = stage.world.where("db")

    stage.do(f"standby {before[0]}")
    stage.do("advance 10s")

    assert any(line.what == "migrated" for line in stage.world.trace)
    assert len(stage.world.where("db")) == 2
    assert before[0] not in stage.world.where("db")
