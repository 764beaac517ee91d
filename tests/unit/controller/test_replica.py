"""One member's document: when a change is acknowledged, refused, adopted."""

from __future__ import annotations

import msgspec

from ninefold.cib.document import Cib
from ninefold.cib.model import (
    AddNodes,
    Cause,
    Change,
    MoveResource,
    SetNodeState,
    SetProperty,
    Stamp,
    Version,
)
from ninefold.controller import messages as msg
from ninefold.controller.events import Answer, Effect, Happened, Multicast, SaveCib
from ninefold.controller.replica import Phase, Replica, newest
from ninefold.core.ids import RingId
from ninefold.quorum.events import Verdict

CAUSE = Cause("alice", "because", 1_700_000_000, 1)
RING = RingId(8, 1)
MARK = SetProperty("cluster-name", "marked")


def verdict(*, quorate: bool = True, votes: int = 3) -> Verdict:
    return Verdict(RING, quorate, votes, 3, 2, "")


def annex(replica: Replica, number: int) -> msg.Annex:
    digest = replica.authority.digest()
    return msg.Annex(f"node{number}", replica.stamp, digest, 0, 0, True, False, 0, votes=1)


def replica(number: int = 1, *, ring: int = 0, name: str = "sim") -> Replica:
    cib = Cib.empty(name)
    return Replica(number, Stamp(ring, cib.version), cib)


def in_ring(*, quorate: bool = True, members: int = 3) -> Replica:
    """Return replica 1 in a ring of `members` equal ones, saved."""
    mine = replica()
    annexes = {number: annex(mine, number) for number in range(1, members + 1)}
    assert mine.on_configured(RING, annexes, verdict(quorate=quorate, votes=members)) == []
    mine.begin([], CAUSE)
    mine.on_stored(mine.stamp)
    return mine


def propose(mine: Replica, change: Change, request: int | None = None) -> list[Effect]:
    """Send a change and deliver it."""
    (sent,) = mine.propose(change, CAUSE, request)
    assert isinstance(sent, Multicast)
    message = msg.decode(sent.payload)
    assert isinstance(message, msg.Propose)
    return mine.on_propose(1, message, 0)[1]


def answers(effects: list[Effect]) -> list[tuple[int, bool]]:
    return [(e.request, e.ok) for e in effects if isinstance(e, Answer)]


def words(effects: list[Effect]) -> list[msg.Message]:
    return [msg.decode(e.payload) for e in effects if isinstance(e, Multicast)]


def test_change_is_saved_before_this_member_vouches_for_it() -> None:
    mine = in_ring()

    effects = propose(mine, MARK, request=7)
    (save,) = effects
    assert isinstance(save, SaveCib)
    assert words(effects) == []

    assert words(mine.on_stored(save.stamp)) == [msg.Saved(save.stamp)]


def test_change_is_acknowledged_when_a_majority_has_it_on_disk() -> None:
    mine = in_ring()
    propose(mine, MARK, request=7)
    saved = msg.Saved(mine.stamp)

    assert answers(mine.on_saved(1, saved)) == []
    assert answers(mine.on_saved(1, saved)) == []
    assert answers(mine.on_saved(3, saved)) == [(7, True)]
    assert answers(mine.on_saved(2, saved)) == []


def test_older_save_does_not_vouch_for_a_newer_change() -> None:
    mine = in_ring()
    before = msg.Saved(mine.stamp)
    propose(mine, MARK, request=7)

    assert answers(mine.on_saved(2, before) + mine.on_saved(3, before)) == []


def test_partition_without_quorum_refuses_configuration_and_takes_status() -> None:
    mine = in_ring(quorate=False, members=1)

    assert answers(propose(mine, MARK, request=7)) == [(7, False)]
    propose(mine, SetNodeState(1, "node1", crmd="online"))

    assert mine.authority.node_state(1) is None
    assert mine.working.node_state(1) is not None


def test_bad_change_is_refused_with_its_findings() -> None:
    mine = in_ring()

    effects = propose(mine, MoveResource("nothing", node="node1"), request=7)

    assert answers(effects) == [(7, False)]
    assert mine.authority is mine.working


def test_quorum_that_goes_away_leaves_no_request_without_an_answer() -> None:
    mine = in_ring()
    propose(mine, MARK, request=7)

    assert answers(mine.on_quorum(quorate=False)) == [(7, False)]


def test_member_with_the_greatest_stamp_sends_its_document() -> None:
    old, new = replica(1, ring=4, name="old"), replica(2, ring=8, name="new")
    annexes = {1: annex(old, 1), 2: annex(new, 2)}
    assert newest(annexes, verdict(votes=2)) == 2

    assert old.on_configured(RING, annexes, verdict(votes=2)) == []
    (sent,) = words(new.on_configured(RING, annexes, verdict(votes=2)))
    assert isinstance(sent, msg.Document)
    assert old.phase is Phase.SYNCING

    assert old.on_document(sent)
    assert new.on_document(sent)
    assert old.authority.to_xml() == new.authority.to_xml()
    assert old.stamp == new.stamp


def test_document_of_another_ring_is_not_adopted() -> None:
    old, new = replica(1, ring=4, name="old"), replica(2, ring=8, name="new")
    annexes = {1: annex(old, 1), 2: annex(new, 2)}
    old.on_configured(RING, annexes, verdict(votes=2))
    (sent,) = words(new.on_configured(RING, annexes, verdict(votes=2)))
    assert isinstance(sent, msg.Document)

    assert not old.on_document(msgspec.structs.replace(sent, ring=RingId(4, 1)))
    assert old.phase is Phase.SYNCING


def test_what_comes_after_the_break_does_not_count() -> None:
    mine = in_ring()
    (sent,) = mine.propose(MARK, CAUSE)
    assert isinstance(sent, Multicast)
    message = msg.decode(sent.payload)
    assert isinstance(message, msg.Propose)

    mine.on_unsettled()

    assert not mine.counts(message)


def test_proposal_that_did_not_arrive_is_sent_again_in_the_next_ring() -> None:
    mine = in_ring()
    mine.propose(MARK, CAUSE)
    mine.on_unsettled()
    following = RingId(12, 1)
    annexes = {number: annex(mine, number) for number in (1, 2, 3)}

    mine.on_configured(following, annexes, verdict())
    again = [m for m in words(mine.begin([], CAUSE)) if isinstance(m, msg.Propose)]

    assert [m.change for m in again] == [MARK]


def test_quorate_ring_puts_its_number_on_the_document() -> None:
    mine = in_ring()

    assert mine.stamp == Stamp(RING.seq, mine.authority.version)


def test_full_disk_is_told_once_and_vouches_for_nothing() -> None:
    mine = in_ring()
    propose(mine, MARK, request=7)

    told = mine.on_store_failed(mine.stamp, "no space", 0)
    assert [e.what for e in told if isinstance(e, Happened)] == ["store-failed"]
    assert mine.on_store_failed(mine.stamp, "no space", 0) == []


def test_document_is_the_same_object_for_status_and_authority_while_quorate() -> None:
    mine = in_ring()
    propose(mine, AddNodes(((1, "node1"),)))

    assert mine.working is mine.authority
    assert mine.authority.version > Version()
