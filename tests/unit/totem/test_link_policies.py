"""Which links the ring's traffic takes by each policy, and what a link that fails or returns costs it."""

from __future__ import annotations

import pytest

from ninefold.totem.events import LinkChanged
from tests.totem_linked_world import OF_LINKS, LinkedWorld

BOTH, FIRST, SECOND = {0, 1}, {0}, {1}


def standing(mode: str) -> LinkedWorld:
    """Return a ring whose links are all up, after a while of rest and one of talk."""
    world = LinkedWorld(mode)
    world.start()
    assert world.run_until(lambda: world.formed(1, 2, 3), limit=1_000)
    world.run(6_000)
    assert all(up == {0: True, 1: True} for up in world.hosts[1].stack.links_up().values())
    return world


@pytest.mark.parametrize("mode", ["passive", "active", "rr"])
def test_a_ring_that_begins_sends_over_all_links_until_one_is_known_to_work(mode: str) -> None:
    world = LinkedWorld(mode)

    world.start()
    world.run(300)

    taken = world.taken(0, 1, 2)
    assert taken["Join"] == taken["CommitToken"] == taken["Token"] == taken["Mcast"] == BOTH


@pytest.mark.parametrize(("mode", "links"), [("passive", SECOND), ("active", BOTH), ("rr", BOTH)])
def test_every_kind_of_traffic_takes_the_links_of_the_policy(mode: str, links: set[int]) -> None:
    world = standing(mode)
    since = world.now

    world.talk(1_000)
    world.run(2_000)
    world.submit(2, b"after a rest")
    world.run(100)
    world.crash(3)
    world.run(5_000)

    taken = world.taken(since, 1, 2) | {"HoldCancel": world.taken(since, 2, 1)["HoldCancel"]}
    assert taken.keys() >= {"Token", "Mcast", "HoldCancel", "Join", "CommitToken"}
    assert set.union(*taken.values()) == links
    # What is sent once, or always before a token, goes over one link when they take turns.
    seldom = {"HoldCancel", "CommitToken", "MergeDetect"} if mode == "rr" else set()
    assert {what for what, took in taken.items() if took != links} <= seldom
    assert {one.link for one in world.sent if one.what == "PING" and one.at >= since} == BOTH


def test_by_turns_each_link_carries_half_and_active_sends_everything_twice() -> None:
    counts = {}
    for mode in ("passive", "active", "rr"):
        world = standing(mode)
        since = world.now
        world.talk(2_000)
        frames = [one for one in world.sent if one.at >= since and one.what not in OF_LINKS]
        each = [sum(one.link == link for one in frames) for link in (0, 1)]
        counts[mode] = each
        assert world.heard_alike()

    assert counts["passive"][0] == 0
    assert counts["active"][0] == counts["active"][1] > 0.9 * counts["passive"][1]
    assert abs(counts["rr"][0] - counts["rr"][1]) <= sum(counts["rr"]) // 50


@pytest.mark.parametrize("mode", ["passive", "active", "rr"])
@pytest.mark.parametrize("link", [0, 1])
def test_a_link_that_fails_and_returns_costs_no_membership_and_no_message(
    mode: str, link: int
) -> None:
    world = standing(mode)
    rings = len(world.hosts[1].rings())

    world.dead = {(2, link)}
    cut_at = world.now
    world.talk(4_000)
    other = {1 - link}
    late = world.taken(cut_at + 3_000, 1, 2), world.taken(cut_at + 3_000, 2, 3)
    apart = world.taken(cut_at + 3_000, 1, 3)
    world.dead = set()
    healed_at = world.now
    world.talk(12_000)
    back = world.taken(healed_at + 9_000, 1, 2)

    assert [set.union(*one.values()) for one in late] == [other, other]
    # Those whose link is whole keep it.
    assert set.union(*apart.values()) == (SECOND if mode == "passive" else BOTH)
    assert set.union(*back.values()) == (SECOND if mode == "passive" else BOTH)
    assert [len(host.rings()) for host in world.hosts.values()] == [rings] * 3
    world.run(500)
    assert world.heard_alike()
    assert len(world.hosts[3].payloads()) == (4_000 + 12_000) // 200


@pytest.mark.parametrize("mode", ["passive", "active", "rr"])
def test_while_one_of_two_links_stays_dead_a_member_that_was_away_is_let_in(mode: str) -> None:
    world = standing(mode)
    world.crash(3)
    assert world.run_until(lambda: world.formed(1, 2), limit=10_000)
    world.dead = {(3, 1)}

    world.restart(3)

    assert world.run_until(lambda: world.formed(1, 2, 3), limit=2_000)
    world.run(8_000)
    assert world.formed(1, 2, 3)
    assert set.union(*world.taken(world.now - 2_000, 3, 1).values()) == FIRST


@pytest.mark.parametrize("link", [0, 1])
def test_both_links_dead_leave_a_member_out_and_either_one_brings_it_back(link: int) -> None:
    world = standing("passive")
    world.dead = {(3, 0), (3, 1)}
    assert world.run_until(lambda: world.formed(1, 2) and world.formed(3), limit=10_000)

    world.dead = {(3, 1 - link)}

    assert world.run_until(lambda: world.formed(1, 2, 3), limit=5_000)


def test_a_token_on_a_link_that_is_found_dead_goes_over_the_other_at_that_moment() -> None:
    world = standing("passive")
    rings = len(world.hosts[1].rings())

    # Before either cut is found for longer than a retransmission takes, the other follows.
    world.dead = {(2, 1)}
    world.run(2_000)
    world.dead = {(2, 1), (3, 1)}
    world.run(4_000)

    lost = [
        (node, at, change.peer)
        for node, host in world.hosts.items()
        for at, change in host.log
        if isinstance(change, LinkChanged) and not change.up
    ]
    assert len(lost) == 6
    again = [
        one
        for one in world.sent
        if (one.sender, one.at, one.target) in lost and one.what == "Token"
    ]
    assert again
    assert {one.link for one in again} == FIRST
    assert [len(host.rings()) for host in world.hosts.values()] == [rings] * 3
