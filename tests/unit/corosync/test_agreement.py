"""Views and their numbers: who agrees with whom, and what is left over from earlier attempts."""

from __future__ import annotations

import msgspec

from ninefold.core.ids import RingId
from ninefold.corosync.agreement import Agreement, View
from ninefold.corosync.events import Process

A, B, C = Process(1, 10), Process(2, 10), Process(3, 10)


def member(me: Process, number: int = 0, group: tuple[Process, ...] = (A, B)) -> Agreement:
    agreement = Agreement(me, bytes([me.node]) * 16, number)
    agreement.on_group(group, ())
    return agreement


def test_the_number_is_the_greatest_proposal_and_the_same_for_all() -> None:
    one, other = member(A, number=7), member(B, number=41)
    proposals = [(A, one.proposal()), (B, other.proposal())]

    views = [[each.on_proposal(s, p) for s, p in proposals][-1] for each in (one, other)]

    assert views == [View(RingId(42, 1), (A, B))] * 2
    assert one.number == other.number == 42


def test_a_member_that_lost_its_disk_is_lifted_by_the_others_and_by_corosyncs_ring() -> None:
    lost, alone = member(B, number=0), member(C, number=0, group=(C,))
    alone.floor = 900

    lost.on_proposal(A, member(A, number=41).proposal())
    view = lost.on_proposal(B, lost.proposal())

    assert view is not None
    assert view.ring.seq == 42
    assert alone.proposal().number == 900


def test_a_number_on_its_way_to_the_disk_is_not_offered_again() -> None:
    one, other = member(A, number=7), member(B, number=7)
    for sender, proposal in ((A, one.proposal()), (B, other.proposal())):
        one.on_proposal(sender, proposal)

    one.on_group((A,), (B,))

    assert one.proposal().number == 9


def test_a_proposal_for_other_candidates_does_not_count() -> None:
    one = member(A)
    stale = member(B, group=(A, B, C)).proposal()

    one.on_proposal(A, one.proposal())

    assert one.on_proposal(B, stale) is None
    assert one.missing == (B,)


def test_two_processes_of_one_node_make_no_view() -> None:
    double = Process(2, 11)
    one = member(A, group=(A, B, double))

    for sender in (A, B, double):
        assert one.on_proposal(sender, msgspec.structs.replace(one.proposal())) is None

    assert one.doubled == (2,)


def test_a_newcomer_learns_from_a_proposal_who_was_expelled_before_it_came() -> None:
    old, new = member(A, group=(A, B, C)), member(C, group=(A, B, C))
    old.exclude((B,))

    missed = new.excludes_more(A, old.proposal())

    assert missed == (B,)
    assert new.excludes_more(B, member(B, group=(A, B, C)).proposal()) == ()


def test_an_expulsion_is_void_after_the_next_agreement() -> None:
    one, other = member(A), member(B)
    demand = other.expulsion(A)
    assert one.on_expulsion(B, demand)

    for sender, proposal in ((A, one.proposal()), (B, other.proposal())):
        one.on_proposal(sender, proposal)

    assert not one.on_expulsion(B, demand)


def test_an_expelled_process_is_a_candidate_again_when_it_has_been_away() -> None:
    one = member(A, group=(A, B, C))
    one.exclude((B,))
    assert B not in one.candidates

    one.on_group((A, B, C), (B,))

    assert one.candidates == (A, B, C)
