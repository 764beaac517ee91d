"""What operators live through: one story a test, told on an ideal ring."""

from __future__ import annotations

from typing import Any

import pytest

from ninefold.config.model import ClusterConfig, QuorumOptions, TotemOptions
from ninefold.core.ids import RingId
from ninefold.core.instants import NEVER
from ninefold.quorum.events import InfoReceived, Reloaded, Synced
from ninefold.quorum.machine import Quorum


def test_two_nodes_wait_for_each_other_once_then_go_on_alone(cluster_of: Any) -> None:
    cluster = cluster_of([1, 1], two_node=True, wait_for_all=True)
    cluster.start(1, 2)

    assert not cluster.ring(1)
    assert "node 2 is missing" in cluster.verdict(1).reason
    assert cluster.ring(1, 2)
    # Both halves go on after a split: fencing decides.
    assert cluster.ring(1)
    assert cluster.ring(2)


def test_restarted_node_of_two_waits_for_the_other(cluster_of: Any) -> None:
    cluster = cluster_of([1, 1], two_node=True, wait_for_all=True)
    cluster.start(1, 2)
    cluster.ring(1, 2)

    cluster.start(2)

    assert not cluster.ring(2)
    assert cluster.ring(1)
    assert cluster.ring(1, 2)


def test_wait_for_all_holds_a_majority_back_until_all_were_seen(cluster_of: Any) -> None:
    cluster = cluster_of([1] * 3, wait_for_all=True)
    cluster.start(1, 2, 3)

    assert not cluster.ring(1, 2)
    assert cluster.ring(1, 2, 3)
    assert cluster.ring(1, 2)


def test_wait_for_all_is_armed_again_by_losing_quorum(cluster_of: Any) -> None:
    cluster = cluster_of([1] * 3, wait_for_all=True)
    cluster.start(1, 2, 3)
    cluster.ring(1, 2, 3)
    assert not cluster.ring(1)
    assert not cluster.ring(2)

    assert not cluster.ring(1, 2)
    assert cluster.ring(1, 2, 3)


def test_meeting_a_quorate_member_ends_waiting_at_once(cluster_of: Any) -> None:
    # Corosync clears the flag after it has counted and stays inquorate until the next change.
    cluster = cluster_of([1] * 5, wait_for_all=True)
    cluster.start(1, 2, 3, 4, 5)
    cluster.ring(1, 2, 3, 4, 5)
    cluster.ring(1, 2, 3)
    cluster.start(4)

    assert cluster.ring(1, 2, 3, 4)
    assert not cluster.machines[4].waiting


def test_operator_may_end_waiting_for_all_members_at_once(cluster_of: Any) -> None:
    cluster = cluster_of([1] * 3, wait_for_all=True)
    cluster.start(1, 2)
    cluster.ring(1, 2)

    cluster.cancel_waiting(2)

    assert cluster.quorate(1, 2)


def test_ending_a_wait_that_is_none_is_refused(cluster_of: Any) -> None:
    cluster = cluster_of([1] * 3)
    cluster.start(1, 2)
    cluster.ring(1, 2)

    cluster.cancel_waiting(2)

    assert cluster.refused == ["This node waits for nobody."]


def test_half_with_the_lowest_node_goes_on(cluster_of: Any) -> None:
    cluster = cluster_of([1] * 4, auto_tie_breaker=True)
    cluster.start(1, 2, 3, 4)
    cluster.ring(1, 2, 3, 4)

    assert not cluster.ring(3, 4)
    assert cluster.ring(1, 2)
    assert "tie-breaking" in cluster.verdict(1).reason


def test_half_with_the_highest_node_goes_on_if_so_configured(cluster_of: Any) -> None:
    cluster = cluster_of([1] * 4, auto_tie_breaker=True, auto_tie_breaker_node="highest")
    cluster.start(1, 2, 3, 4)
    cluster.ring(1, 2, 3, 4)

    assert cluster.ring(3, 4)
    assert not cluster.ring(1, 2)


def test_half_with_the_first_listed_node_that_was_there_goes_on(cluster_of: Any) -> None:
    cluster = cluster_of([1] * 4, auto_tie_breaker=True, auto_tie_breaker_node="3 1")
    cluster.start(1, 2, 3, 4)
    cluster.ring(1, 2, 3, 4)

    assert cluster.ring(3, 4)
    assert not cluster.ring(1, 2)

    cluster.ring(1, 2, 3, 4)
    cluster.ring(1, 2, 4)
    # Node 3 was gone before: now the second in the list counts.
    assert cluster.ring(1, 2)
    assert not cluster.ring(3, 4)


def test_odd_cluster_never_breaks_a_tie_for_a_minority(cluster_of: Any) -> None:
    # corosync issue 74: halves of two and of three were both quorate.
    cluster = cluster_of([1] * 5, auto_tie_breaker=True, wait_for_all=True)
    cluster.start(1, 2, 3, 4, 5)
    cluster.ring(1, 2, 3, 4, 5)
    cluster.ring(1, 2, 4, 5)

    assert not cluster.ring(1, 2)
    assert cluster.ring(3, 4, 5)


def test_tie_is_broken_alike_by_nodes_that_came_at_different_times(cluster_of: Any) -> None:
    # corosync pull 246: nodes that had joined later named another tie-breaker.
    cluster = cluster_of([1] * 4, auto_tie_breaker=True)
    cluster.start(2, 3, 4)
    cluster.ring(2, 3, 4)
    cluster.start(1)
    cluster.ring(1, 2, 3, 4)

    assert cluster.ring(1, 3)
    assert not cluster.ring(2, 4)


def test_membership_that_reached_one_node_only_breaks_no_tie(cluster_of: Any) -> None:
    cluster = cluster_of([1] * 4, auto_tie_breaker=True)
    cluster.start(1, 2, 3, 4)
    cluster.ring(1, 2, 3, 4)
    # Node 2 learns of the ring without 1; before 3 and 4 do, it breaks.
    cluster.ring(2, 3, 4, activated=(2,))

    assert cluster.ring(1, 4)
    assert not cluster.ring(2, 3)


def test_membership_that_all_spoke_on_moves_the_tie_breaker(cluster_of: Any) -> None:
    cluster = cluster_of([1] * 4, auto_tie_breaker=True)
    cluster.start(1, 2, 3, 4)
    cluster.ring(1, 2, 3, 4)
    cluster.ring(2, 3, 4)

    assert cluster.ring(2, 3)
    assert not cluster.ring(1, 4)


def test_last_man_standing_follows_nodes_down_to_two(cluster_of: Any) -> None:
    cluster = cluster_of([1] * 5, last_man_standing=True, last_man_standing_window=10_000)
    cluster.start(1, 2, 3, 4, 5)
    cluster.ring(1, 2, 3, 4, 5)
    cluster.ring(1, 2, 3)
    assert cluster.verdict(1).expected == 5

    cluster.advance(9_999)
    assert cluster.verdict(1).expected == 5
    cluster.advance(1)

    # Every member has it, though each has a timer of its own (corosync issue 803).
    assert [cluster.verdict(node).expected for node in (1, 2, 3)] == [3, 3, 3]
    assert cluster.ring(1, 2)
    cluster.advance(10_000)
    assert cluster.verdict(2).expected == 2
    assert not cluster.ring(1)


def test_last_man_standing_goes_down_to_one_with_a_tie_breaker(cluster_of: Any) -> None:
    cluster = cluster_of([1] * 3, last_man_standing=True, auto_tie_breaker=True)
    cluster.start(1, 2, 3)
    cluster.ring(1, 2, 3)
    cluster.ring(1, 2)
    cluster.advance(10_000)
    assert cluster.ring(1)

    cluster.advance(10_000)

    assert cluster.verdict(1).expected == 1


def test_nodes_lost_within_one_window_are_not_forgotten(cluster_of: Any) -> None:
    cluster = cluster_of([1] * 5, last_man_standing=True)
    cluster.start(1, 2, 3, 4, 5)
    cluster.ring(1, 2, 3, 4, 5)
    cluster.ring(1, 2, 3)
    cluster.advance(5_000)

    assert not cluster.ring(1, 2)
    cluster.advance(60_000)
    assert not cluster.quorate(1, 2)


def test_nodes_that_never_came_are_not_lost(cluster_of: Any) -> None:
    cluster = cluster_of([1] * 5, last_man_standing=True)
    cluster.start(1, 2, 3)
    cluster.ring(1)
    cluster.ring(1, 2, 3)

    cluster.advance(60_000)

    assert cluster.verdict(1).expected == 5
    assert cluster.machines[2].deadline == NEVER


def test_nodes_lost_without_quorum_do_not_shrink_the_partition_they_join(cluster_of: Any) -> None:
    # 2 was with 4, without quorum, and leaves it for 1 and 3. Were 4 counted out for that, both halves of the
    # next cut would have quorum, as they have two of three votes each.
    cluster = cluster_of([1] * 4, last_man_standing=True)
    cluster.start(1, 2, 3, 4)
    cluster.ring(1, 2, 3, 4)
    cluster.ring(1, 3)
    cluster.ring(2, 4)
    assert cluster.ring(1, 2, 3)
    cluster.advance(10_000)

    assert cluster.verdict(1).expected == 4
    assert not cluster.ring(1, 3)
    assert not cluster.ring(2, 4)


def test_node_that_was_counted_out_gives_no_part_of_the_rest_quorum(cluster_of: Any) -> None:
    cluster = cluster_of([1] * 4, last_man_standing=True)
    cluster.start(1, 2, 3, 4)
    cluster.ring(1, 2, 3, 4)
    cluster.ring(1, 3, 4)
    cluster.advance(10_000)
    cluster.ring(2)

    assert not cluster.ring(1, 2)
    assert "1 of 3 votes" in cluster.verdict(1).reason
    assert "not counted before there is quorum: 2." in cluster.verdict(1).reason
    assert cluster.ring(3, 4)
    assert cluster.ring(1, 2, 3, 4)
    assert cluster.verdict(2).expected == 4


def test_operator_that_sets_the_expected_votes_counts_everybody(cluster_of: Any) -> None:
    cluster = cluster_of([1] * 4, last_man_standing=True)
    cluster.start(1, 2, 3, 4)
    cluster.ring(1, 2, 3, 4)
    cluster.ring(1, 3, 4)
    cluster.advance(10_000)
    cluster.ring(2)
    cluster.ring(1, 2)

    cluster.set_expected(1, 2)

    assert cluster.quorate(1, 2)
    assert cluster.verdict(1).votes == 2


def test_lost_nodes_that_return_raise_the_expected_votes(cluster_of: Any) -> None:
    cluster = cluster_of([1] * 4, last_man_standing=True)
    cluster.start(1, 2, 3, 4)
    cluster.ring(1, 2, 3, 4)
    cluster.ring(1, 2, 3)
    cluster.advance(10_000)

    cluster.ring(1, 2, 3, 4)

    assert cluster.verdict(3).expected == 4


def test_clean_leave_lowers_expected_votes_only_where_allowed(cluster_of: Any) -> None:
    for allowed, expected in ((True, 3), (False, 5)):
        cluster = cluster_of([1] * 5, allow_downscale=allowed)
        cluster.start(1, 2, 3, 4, 5)
        cluster.ring(1, 2, 3, 4, 5)

        cluster.ring(1, 2, 3, left_cleanly=(4, 5))

        assert cluster.verdict(1).expected == expected


def test_clean_leave_lowers_expected_votes_not_below_the_configured(cluster_of: Any) -> None:
    cluster = cluster_of([1] * 5, allow_downscale=True, expected_votes=4)
    cluster.start(1, 2, 3, 4, 5)
    cluster.ring(1, 2, 3, 4, 5)

    cluster.ring(1, 2, 3, left_cleanly=(4, 5))

    assert cluster.verdict(1).expected == 4


def test_operator_lowers_expected_votes_to_give_a_minority_quorum(cluster_of: Any) -> None:
    cluster = cluster_of([1] * 5)
    cluster.start(1, 2)
    assert not cluster.ring(1, 2)

    cluster.set_expected(1, 2)

    assert cluster.quorate(1, 2)
    assert cluster.verdict(2).expected == 2


@pytest.mark.parametrize(("votes", "reason"), [(1, "less than the 3 votes"), (7, "lose quorum")])
def test_unsafe_expected_votes_are_refused(cluster_of: Any, votes: int, reason: str) -> None:
    cluster = cluster_of([1] * 3)
    cluster.start(1, 2, 3)
    cluster.ring(1, 2, 3)

    cluster.set_expected(1, votes)

    assert reason in cluster.refused[0]
    assert cluster.verdict(1).expected == 3


def test_reload_that_switches_wait_for_all_on_loses_no_quorum(cluster_of: Any) -> None:
    # corosync pull 542: a reload armed it, and two parts of the daemon disagreed.
    cluster = cluster_of([1] * 3)
    cluster.start(1, 2, 3)
    cluster.ring(1, 2, 3)
    cluster.ring(1, 2)
    cluster.options = QuorumOptions(provider="corosync_votequorum", wait_for_all=True)

    cluster.do(1, Reloaded(cluster.config(1)))

    assert cluster.quorate(1, 2)
    assert not cluster.machines[1].waiting


def test_bad_info_is_counted_and_gives_no_vote(cluster_of: Any) -> None:
    cluster = cluster_of([1] * 3)
    cluster.start(1, 2, 3)
    machine = cluster.machines[1]
    infos = {1: machine.info(), 2: b"\xc1nonsense", 3: b""}

    machine.step(0, Synced(RingId(4, 1), (1, 2, 3), infos))
    machine.step(0, InfoReceived(2, b"\x00" * 100_000))

    assert machine.bad_infos == 3
    assert machine.verdict.votes == 1
    assert not machine.quorate


def test_without_a_provider_every_partition_may_act(cluster_of: Any) -> None:
    config = ClusterConfig(1, cluster_of([1, 1]).nodes, TotemOptions(), (), QuorumOptions())
    machine = Quorum(config)

    assert machine.quorate
    machine.step(0, Synced(RingId(4, 1), (1,), {1: machine.info()}))
    assert machine.quorate


def test_six_hundred_votes_are_counted_in_full(cluster_of: Any) -> None:
    # Corosync keeps quorum in eight bits: the node with 100 votes was quorate alone.
    cluster = cluster_of([100, 500])
    cluster.start(1, 2)
    cluster.ring(1, 2)

    assert not cluster.ring(1)
    assert cluster.ring(2)
    assert cluster.verdict(2).threshold == 301
