"""Two nodes that both had quorum meet again: whose document goes on."""

from __future__ import annotations

import msgspec
import pytest

from ninefold.cib.apply import apply
from ninefold.cib.document import Cib
from ninefold.cib.model import Cause, NodeFenced, SetNodeState, Stamp, Version
from ninefold.controller.messages import Annex
from ninefold.controller.outlived import ended_lives, own_life
from ninefold.controller.replica import newest
from ninefold.core.ids import RingId
from ninefold.quorum.events import Verdict

CAUSE = Cause("cluster", "test", 1, 1)
TWO_NODE = Verdict(RingId(40, 1), True, 2, 2, 1, "")
MAJORITY = Verdict(RingId(40, 1), True, 2, 3, 2, "")


def annex(
    stamp: int, life: int, *ended: tuple[int, int], senior: int = 0, formed: bool = False
) -> Annex:
    return Annex(
        "n", Stamp(stamp, Version()), "", 0, senior, formed, not senior, 0, 1, life, tuple(ended)
    )


# Node 1 has the lesser stamp. Its life began in ring 4, as that of node 2 did.
ONES = {
    "has fenced the other and went on, the other has booted": (
        annex(12, 4, (2, 4), senior=4, formed=True),
        annex(16, 4),
    ),
    "went on, the other has booted before its fencing was confirmed, and was alone first": (
        annex(12, 4, senior=4, formed=True),
        annex(20, 20, senior=20),
    ),
    "has fenced the other, then both have booted": (annex(12, 4, (2, 4)), annex(16, 4)),
    "has said goodbye to itself too, after the other": (annex(12, 4, (1, 4), (2, 4)), annex(16, 4)),
    "was fenced, has booted, and has fenced the other since": (
        annex(12, 12, (2, 4), senior=12),
        annex(16, 4, (1, 4), senior=16),
    ),
    "has fenced the other, which did not hear of it": (
        annex(12, 4, (2, 4), senior=4, formed=True),
        annex(16, 4, senior=4, formed=True),
    ),
}
TWOS = {
    "has fenced the other as the other has it": (annex(12, 4, (2, 4)), annex(16, 4, (1, 4))),
    "has gone on": (annex(12, 4, (2, 4)), annex(16, 16, senior=16, formed=True)),
    "has begun another life since, of which the other knows nothing": (
        annex(12, 4, (2, 4)),
        annex(16, 16),
    ),
    "was never told of anything": (annex(12, 4), annex(16, 4)),
}


@pytest.mark.parametrize(("one", "two"), ONES.values(), ids=ONES.keys())
def test_document_goes_on_though_its_stamp_is_less_if_its_node(one: Annex, two: Annex) -> None:
    assert newest({1: one, 2: two}, TWO_NODE) == 1

    # Nor does it depend on which of them has the lower id.
    renamed = {
        3 - node: msgspec.structs.replace(found, ended=swapped(found))
        for node, found in ((1, one), (2, two))
    }
    assert newest(renamed, TWO_NODE) == 2


def swapped(one: Annex) -> tuple[tuple[int, int], ...]:
    return tuple((3 - node, life) for node, life in one.ended)


@pytest.mark.parametrize(("one", "two"), TWOS.values(), ids=TWOS.keys())
def test_stamp_decides_if_its_node(one: Annex, two: Annex) -> None:
    assert newest({1: one, 2: two}, TWO_NODE) == 2


def test_where_one_part_has_quorum_only_the_stamp_decides() -> None:
    for one, two in ONES.values():
        assert newest({1: one, 2: two}, MAJORITY) == 2


def test_life_and_ends_are_read_from_the_document() -> None:
    cib = Cib.empty()
    for change in (
        SetNodeState(1, "n1", in_ccm=True, expected="member", joined_in=4),
        SetNodeState(2, "n2", in_ccm=True, expected="member", joined_in=8),
        SetNodeState(3, "n3", in_ccm=False, expected="member", joined_in=4),
        NodeFenced(2, "n2", "switch", 1),
    ):
        changed = apply(cib, change, CAUSE)
        assert isinstance(changed, Cib)
        cib = changed

    assert own_life(cib, 1) == 4
    assert own_life(cib, 9) == 0
    assert ended_lives(cib) == ((2, 8),)
