"""Verdicts on a view, from what the members' Corosyncs said."""

from __future__ import annotations

import pytest

from ninefold.config.model import (
    ClusterConfig,
    LinkAddress,
    LinkOptions,
    NodeEntry,
    QuorumOptions,
    TotemOptions,
)
from ninefold.core.ids import RingId
from ninefold.corosync.events import VotesSeen
from ninefold.corosync.outlook import STALE_MS, Outlook
from ninefold.corosync.voting import CorosyncVoting, Report, judge
from ninefold.quorum import events as quorum

NO_VIEW = RingId(0, 0)
RING, NEXT = RingId(8, 1), RingId(12, 1)


def report(*nodes: int, quorate: bool = True, expected: int = 3, device: int = 0) -> Report:
    votes = tuple((node, 1) for node in nodes)
    return Report(
        NO_VIEW, quorate, votes, len(nodes) + device, expected, expected // 2 + 1, provider=True
    )


@pytest.mark.parametrize(
    ("members", "said", "quorate"),
    [
        ((1, 2, 3), report(1, 2, 3), True),
        ((1, 2), report(1, 2, 3), True),
        ((3,), report(1, 2, 3), False),
        ((1, 2), report(1, 2, quorate=False), False),
        # Half of four with the tie-breaker: Corosync's word counts if nobody of the ring is missing.
        ((1, 2), report(1, 2, expected=4), True),
        ((1,), report(1, 2, expected=4), False),
        # The device's votes count, those of a node without a daemon do not.
        ((1,), report(1, 2, expected=3, device=1), True),
        ((1,), report(1, 2, 3, expected=5, device=2), True),
        ((1,), report(1, 2, 3, expected=5), False),
    ],
)
def test_votes_of_nodes_whose_daemon_is_missing_do_not_count(
    members: tuple[int, ...], said: Report, quorate: bool
) -> None:
    assert judge(members, dict.fromkeys(members, said)).quorate is quorate


def test_one_member_whose_corosync_has_no_quorum_is_enough_to_stop_all() -> None:
    reports = {1: report(1, 2, 3), 2: report(1, 2, 3), 3: report(1, 2, 3, quorate=False)}

    assert not judge((1, 2, 3), reports).quorate


def test_a_member_that_says_nothing_readable_stops_all() -> None:
    found = judge((1, 2, 3), {1: report(1, 2, 3), 2: report(1, 2, 3)})

    assert not found.quorate
    assert "node 3" in found.reason


def config(me: int = 1) -> ClusterConfig:
    nodes = tuple(NodeEntry(n, f"n{n}", {0: LinkAddress(f"10.0.0.{n}", 5405)}) for n in (1, 2, 3))
    options = QuorumOptions(provider="corosync_votequorum")
    return ClusterConfig(me, nodes, TotemOptions(), (LinkOptions(0),), options)


def seen(ring: RingId, *, quorate: bool = True) -> VotesSeen:
    return VotesSeen(ring, quorate, ((1, 1), (2, 1), (3, 1)), 3, 3, 2)


def synced() -> tuple[Outlook, CorosyncVoting]:
    outlook = Outlook()
    outlook.present = True
    outlook.on_ring(RING, 0)
    outlook.on_votes(seen(RING), 0)
    voting = CorosyncVoting(config(), outlook)
    info = voting.info()
    effects = voting.step(0, quorum.Synced(RingId(1, 1), (1, 2, 3), dict.fromkeys((1, 2, 3), info)))
    assert [e.quorate for e in effects if isinstance(e, quorum.Verdict)] == [True]
    return outlook, voting


def test_what_corosync_says_anew_is_told_to_the_members_before_it_counts() -> None:
    outlook, voting = synced()
    outlook.on_votes(seen(RING, quorate=False), 100)
    assert voting.deadline == 0

    told = voting.step(100, quorum.Woke())

    assert voting.quorate
    assert isinstance(told[0], quorum.SendInfo)
    verdicts = voting.step(101, quorum.InfoReceived(1, told[0].data))
    assert [v.quorate for v in verdicts if isinstance(v, quorum.Verdict)] == [False]


def test_while_corosync_forms_a_ring_its_last_word_stands_for_a_second() -> None:
    outlook, voting = synced()
    outlook.on_ring(NEXT, 100)
    assert voting.deadline == 100 + STALE_MS
    assert voting.step(200, quorum.Woke()) == []

    told = voting.step(100 + STALE_MS, quorum.Woke())

    assert isinstance(told[0], quorum.SendInfo)
    verdict = voting.step(100 + STALE_MS, quorum.InfoReceived(1, told[0].data))[0]
    assert isinstance(verdict, quorum.Verdict)
    assert not verdict.quorate
    outlook.on_votes(seen(NEXT), 2000)
    again = voting.step(2000, quorum.Woke())
    assert isinstance(again[0], quorum.SendInfo)
    verdict = voting.step(2001, quorum.InfoReceived(1, again[0].data))[0]
    assert isinstance(verdict, quorum.Verdict)
    assert verdict.quorate


def test_the_loss_of_corosync_counts_at_once() -> None:
    outlook, voting = synced()
    outlook.forget()

    verdicts = voting.step(100, quorum.RingLost())

    assert [v.quorate for v in verdicts if isinstance(v, quorum.Verdict)] == [False]


def test_a_view_that_breaks_up_keeps_its_verdict_until_the_next_one() -> None:
    _, voting = synced()

    assert voting.step(100, quorum.RingLost()) == []
    assert voting.quorate


def test_operators_are_sent_to_corosyncs_own_tools() -> None:
    _, voting = synced()

    refused = voting.step(0, quorum.SetExpected(2))[0]

    assert isinstance(refused, quorum.Refused)
    assert "corosync-quorumtool" in refused.reason
