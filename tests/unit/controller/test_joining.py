"""Who conducts, and what a new ring says about every node."""

from __future__ import annotations

import msgspec
import pytest

from ninefold.cib.apply import apply
from ninefold.cib.document import Cib
from ninefold.cib.model import AddNodes, Cause, Change, SetNodeState, SetProperty, Stamp
from ninefold.controller.joining import absent_at_formation, conductor, membership_changes
from ninefold.controller.messages import Annex
from ninefold.core.ids import RingId
from ninefold.scheduler.schedule import schedule

CAUSE = Cause("cluster", "test", 1, 1)
RING = RingId(12, 1)


def annex(number: int, senior: int = 0) -> Annex:
    return Annex(f"node{number}", Stamp(), "", 0, senior, formed=True, fresh=False, wall=0, votes=1)


def cluster(*changes: Change) -> Cib:
    cib = Cib.empty()
    nodes = AddNodes(tuple((number, f"node{number}") for number in (1, 2, 3)))
    for change in (nodes, *changes):
        outcome = apply(cib, change, CAUSE)
        assert isinstance(outcome, Cib)
        cib = outcome
    return cib


def lost(changes: list[Change]) -> dict[int, str | None]:
    """Return what is said of absent nodes: their id, and what is expected of them now."""
    return {c.node: c.expected for c in changes if isinstance(c, SetNodeState) and not c.in_ccm}


@pytest.mark.parametrize(
    ("seniors", "dc"),
    [
        ({1: 0, 2: 0}, 1),
        ({1: 8, 2: 4}, 2),
        ({1: 4, 2: 4}, 1),
        ({1: 0, 2: 8}, 2),  # one that was never quorate knows less than any that was
    ],
)
def test_longest_quorate_member_conducts(seniors: dict[int, int], dc: int) -> None:
    assert conductor({node: annex(node, senior) for node, senior in seniors.items()}) == dc


def test_member_is_pending_until_it_has_told_its_history() -> None:
    changes = membership_changes(cluster(), {1: annex(1)}, RING)

    assert isinstance(changes[0], SetNodeState)
    assert (changes[0].node, changes[0].join, changes[0].expected) == (1, "pending", "member")


def test_member_that_is_gone_stays_expected() -> None:
    cib = cluster(SetNodeState(2, "node2", in_ccm=True, crmd="online", expected="member"))

    changes = membership_changes(cib, {1: annex(1)}, RING)

    # Nothing is said of what is expected: it was a member and nobody heard a goodbye.
    assert lost(changes) == {2: None}


def test_node_that_said_goodbye_is_not_lost_again() -> None:
    cib = cluster(SetNodeState(2, "node2", in_ccm=False, crmd="offline", expected="down"))

    assert lost(membership_changes(cib, {1: annex(1)}, RING)) == {}


def test_absent_node_counts_as_lost_when_the_wait_ends() -> None:
    cib = cluster(SetNodeState(2, "node2", in_ccm=False, crmd="offline", expected="down"))

    changes = absent_at_formation(cib, {1: annex(1)}, RingId(9, 1))

    assert lost(changes) == {2: "member", 3: "member"}


def test_node_that_came_and_said_goodbye_since_we_began_is_known_to_be_down() -> None:
    cib = cluster(
        SetNodeState(2, "node2", in_ccm=False, crmd="offline", expected="down", joined_in=9)
    )
    began = msgspec.structs.replace(annex(1), since=5)

    assert lost(absent_at_formation(cib, {1: began}, RingId(13, 1))) == {3: "member"}


def test_a_wish_to_stop_does_not_outlive_its_node() -> None:
    wish = SetNodeState(
        2, "node2", in_ccm=True, crmd="online", join="member", expected="member", shutdown=1
    )
    cib = cluster(wish)

    for changes in (
        absent_at_formation(cib, {1: annex(1)}, RingId(9, 1)),
        membership_changes(cib, {1: annex(1)}, RingId(9, 1)),
    ):
        (state,) = [c for c in changes if isinstance(c, SetNodeState) and c.node == 2]
        assert state.shutdown == 0
        after = apply(cib, state, CAUSE)
        assert isinstance(after, Cib)
        transition = schedule(after, 1_000)
        assert [view.unclean for view in transition.nodes if view.name == "node2"] == [True]


def test_without_startup_fencing_absent_nodes_are_left_alone() -> None:
    cib = cluster(SetProperty("startup-fencing", "false"))

    assert absent_at_formation(cib, {1: annex(1)}, RingId(9, 1)) == []
