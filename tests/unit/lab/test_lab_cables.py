from __future__ import annotations

import pytest

from ninefold.lab import cables
from ninefold.lab.errors import BadPlan, UnknownNode
from ninefold.lab.model import Block, Direction, FenceDevice, HostStatus, LabStatus, Power


def lab(*blocks: Block) -> LabStatus:
    hosts = tuple(
        HostStatus(
            f"node{n}", n, (f"10.77.0.{n}", f"10.78.0.{n}"), Power.ON, False, False, 1, 0, (), ""
        )
        for n in (1, 2, 3)
    )
    clients = ("10.77.0.254", "10.78.0.254")
    return LabStatus(
        "lab", "none", 1, "/x", clients, hosts, tuple(sorted(blocks)), FenceDevice(), (), False, {}
    )


def test_a_cut_of_one_link_stops_both_ways_with_everybody() -> None:
    found = cables.blocks(lab(), ["node1"], (), 0, Direction.BOTH)

    assert set(found) == {Block(0, "node1", ""), Block(0, "", "node1")}


@pytest.mark.parametrize(
    ("direction", "expected"),
    [
        (Direction.OUT, {Block(1, "node1", "node2"), Block(1, "node1", "node3")}),
        (Direction.IN, {Block(1, "node2", "node1"), Block(1, "node3", "node1")}),
    ],
)
def test_a_direction_is_what_the_first_set_sees(direction: Direction, expected: set[Block]) -> None:
    found = cables.blocks(lab(), ["node1"], ["node2", "node3"], 1, direction)

    assert set(found) == expected


def test_without_a_link_every_link_is_cut() -> None:
    found = cables.blocks(lab(), ["node2"], ["node3"], None, Direction.BOTH)

    assert {block.link for block in found} == {0, 1}
    assert len(found) == 4


def test_healing_undoes_what_the_same_words_cut() -> None:
    for to in ((), ("node3",)):
        for link in (None, 0, 1):
            for direction in Direction:
                cut = cables.blocks(lab(), ["node1", "node2"], to, link, direction)
                healed = cables.healed(lab(*cut), ["node1", "node2"], to, link, direction)
                assert set(healed) == set(cut)


def test_healing_leaves_alone_what_was_not_named() -> None:
    first, second = Block(0, "node1", ""), Block(0, "node2", "node3")

    assert cables.healed(lab(first, second), ["node1"], (), None, Direction.BOTH) == (first,)
    assert cables.healed(lab(first, second), ["node1"], (), 1, Direction.BOTH) == ()
    assert cables.healed(lab(first, second), ["node1"], (), 0, Direction.IN) == ()
    assert cables.healed(lab(first, second), (), (), None, Direction.BOTH) == (first, second)


def test_what_cannot_be_cut_is_refused() -> None:
    with pytest.raises(UnknownNode):
        cables.blocks(lab(), ["node4"], (), None, Direction.BOTH)
    with pytest.raises(BadPlan, match="both sides"):
        cables.blocks(lab(), ["node1"], ["node1"], None, Direction.BOTH)
    with pytest.raises(BadPlan, match="links 0 to 1"):
        cables.blocks(lab(), ["node1"], (), 2, Direction.BOTH)
    with pytest.raises(BadPlan, match="Which node"):
        cables.blocks(lab(), [], (), None, Direction.BOTH)
    with pytest.raises(BadPlan, match="both sets"):
        cables.healed(lab(), [], ["node1"], None, Direction.BOTH)
