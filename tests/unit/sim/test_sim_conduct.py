"""The checker of who conducts (L2): a newcomer that takes over without need must be seen."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ninefold.sim.checkers import Violation
from ninefold.sim.cluster import Shape, corosync_conf, document
from ninefold.sim.world import World

if TYPE_CHECKING:
    from ninefold.sim.conduct import Conduct


@pytest.fixture
def world() -> World:
    """Return three nodes that began at 0, of which node1 has decided since 10."""
    shape = Shape(nodes=3)
    world = World(1, corosync_conf(shape), document(shape))
    for node in world.hosts:
        world.memory.on_begun(0, node)
    for node in world.hosts:
        tell(world.effects.conduct, 5, node, dc="node1")
    world.effects.conduct.on_decide(10, 1)
    return world


@pytest.fixture
def conduct(world: World) -> Conduct:
    return world.effects.conduct


def tell(
    conduct: Conduct,
    now: int,
    node: int,
    *,
    dc: str,
    members: str = "node1,node2,node3",
    quorate: bool = True,
) -> None:
    fields = {"dc": dc, "members": members, "quorate": str(quorate).lower()}
    conduct.on_told(now, node, "membership", fields)


def test_newcomer_that_takes_over_from_a_dc_that_goes_on_is_a_violation(
    world: World, conduct: Conduct
) -> None:
    world.memory.on_begun(20, 3)

    with pytest.raises(Violation, match="3 conducts, which began at 20, though node1 has decided"):
        tell(conduct, 30, 3, dc="node3")


def test_newcomer_that_follows_the_dc_is_none(world: World, conduct: Conduct) -> None:
    world.memory.on_begun(20, 3)

    for node in (1, 2, 3):
        tell(conduct, 30, node, dc="node1")


def test_dc_that_is_gone_may_be_followed_by_a_newcomer(world: World, conduct: Conduct) -> None:
    world.memory.on_begun(20, 3)

    tell(conduct, 30, 3, dc="node3", members="node2,node3")


@pytest.mark.parametrize("loss", ["begins anew", "has no quorum", "loses quorum", "never decided"])
def test_whoever_has_not_conducted_ever_since_may_be_followed(
    world: World, conduct: Conduct, loss: str
) -> None:
    if loss == "begins anew":
        world.memory.on_begun(20, 1)
    elif loss == "has no quorum":
        tell(conduct, 20, 1, dc="node1", members="node1", quorate=False)
    elif loss == "loses quorum":
        conduct.on_told(20, 1, "quorum-lost", {"votes": "1", "threshold": "2"})
    else:
        world.memory.on_begun(15, 1)
        tell(conduct, 16, 1, dc="node2")
    world.memory.on_begun(25, 3)

    tell(conduct, 30, 3, dc="node3")


def test_decision_without_quorum_is_none(world: World, conduct: Conduct) -> None:
    tell(conduct, 12, 1, dc="node1", members="node1", quorate=False)
    conduct.on_decide(13, 1)
    world.memory.on_begun(20, 3)

    tell(conduct, 30, 3, dc="node3")


def test_older_member_may_take_over(world: World, conduct: Conduct) -> None:
    world.memory.on_begun(20, 3)
    tell(conduct, 25, 3, dc="node1")
    conduct.on_decide(40, 3)

    tell(conduct, 50, 2, dc="node2", members="node2,node3")


def test_nothing_is_promised_once_a_disk_was_set_back(world: World) -> None:
    world.documents.set_back()
    world.memory.on_begun(20, 3)

    tell(world.effects.conduct, 30, 3, dc="node3")
