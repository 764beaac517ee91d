"""What `ninefold ring status` tells, compared with what happened on a ring whose troubles are known."""

from __future__ import annotations

import itertools

import pytest

from ninefold.totem.messages import Join, Mcast, Token
from tests.totem_linked_world import LinkedWorld
from tests.totem_world import World


def standing(delay_ms: int = 1) -> LinkedWorld:
    world = LinkedWorld(delay_ms=delay_ms)
    world.start()
    assert world.run_until(lambda: world.formed(1, 2, 3), limit=2_000)
    world.run(8_000)
    return world


def test_what_is_said_to_be_sent_again_was_sent_again() -> None:
    world = standing()
    before = [world.hosts[node].stack.statistics.retransmits for node in world.nodes]
    since = world.now

    world.loss = 0.2
    for number in range(150):
        world.submit(1 + number % 3, b"%d" % number)
        world.run(20)
    world.loss = 0.0
    world.run(2_000)

    counted = [world.hosts[node].stack.statistics.retransmits for node in world.nodes]
    frames: dict[int, int] = dict.fromkeys(world.nodes, 0)
    seen = set()
    for one in world.sent:
        if one.at < since or not isinstance(one.message, Mcast) or one.target != 1 + one.sender % 3:
            continue
        # The first time a frame is on its way its sender says it, later on whoever was asked.
        frames[one.sender] += one.message.seq in seen
        seen.add(one.message.seq)
    assert [now - then for now, then in zip(counted, before, strict=True)] == list(frames.values())
    assert sum(frames.values()) > 20


@pytest.mark.parametrize("delay_ms", [1, 7, 20])
def test_the_round_trip_is_that_of_the_wire_on_each_link(delay_ms: int) -> None:
    world = standing(delay_ms=delay_ms)

    seen = world.hosts[2].stack.outlook(world.now)

    trips = [link.round_trip_ms for peer in seen.peers.values() for link in peer.links.values()]
    assert trips == [2 * delay_ms] * 4
    assert all(link.up for peer in seen.peers.values() for link in peer.links.values())


def test_the_rotation_is_the_time_between_two_visits_of_the_token() -> None:
    world = standing(delay_ms=7)
    since = world.now

    for number in range(200):
        world.submit(1, b"%d" % number)
        world.run(15)

    visits = [one.at for one in world.sent if one.what == "Token" and one.sender == 2]
    gaps = [late - early for early, late in itertools.pairwise(visits)][-64:]
    seen = world.hosts[2].stack.outlook(world.now)
    assert world.now - since > 64 * 21
    assert seen.rotation_ms == sum(gaps) // len(gaps) == 21
    assert seen.rotation_max_ms == max(gaps)
    assert seen.silent_ms == world.now - visits[-1]


def test_tokens_and_frames_are_counted_as_they_were_sent() -> None:
    world = standing()
    since = world.now
    before = world.hosts[1].stack.statistics

    for number in range(40):
        world.submit(1 + number % 3, b"%d" % number)
        world.run(100)

    after = world.hosts[1].stack.statistics
    mine = [one for one in world.sent if one.at >= since and one.sender == 1 and one.target == 2]
    # One that is sent again is no other token.
    tokens = {one.message.token_seq for one in mine if isinstance(one.message, Token)}
    assert abs(after.tokens - before.tokens - len(tokens)) <= 1
    assert after.messages_sent - before.messages_sent == sum(one.what == "Mcast" for one in mine)
    assert after.messages_delivered - before.messages_delivered == 40
    assert (after.token_losses, after.memberships) == (before.token_losses, before.memberships)


def test_a_link_that_is_dead_is_down_for_both_its_ends_and_nobody_else() -> None:
    world = standing()
    world.dead = {(2, 0)}

    world.run(4_000)

    for node in world.nodes:
        seen = world.hosts[node].stack.outlook(world.now)
        for peer, told in seen.peers.items():
            assert told.links[1].up
            assert told.links[0].up == (2 not in (node, peer)), (node, peer)


def test_who_hears_whom_is_what_the_joins_have_said_and_silence_is_counted() -> None:
    world = standing()
    world.crash(3)
    assert world.run_until(lambda: world.formed(1, 2), limit=10_000)
    last_at = max(one.at for one in world.sent if (one.sender, one.target) == (3, 1))

    seen = world.hosts[1].stack.outlook(world.now)

    said = [
        one.message.hears
        for one in world.sent
        if one.sender == 2 and one.target == 1 and isinstance(one.message, Join)
    ]
    assert seen.peers[2].hears == said[-1] == (1, 2)
    assert seen.hears == (1, 2)
    assert not seen.peers[3].member
    assert seen.peers[3].silent_ms == world.now - last_at - 1
    assert seen.peers[2].silent_ms is not None
    assert seen.peers[2].silent_ms <= world.totem.hold + 10


def test_a_scheduling_miss_is_a_wake_up_later_than_a_fifth_of_the_token() -> None:
    world = standing()
    fifth = world.totem.token // 5
    counted = []
    for late in (fifth // 4, fifth + 400, 2 * fifth + 400):
        world.pause(2)
        world.run(late)
        world.resume(2)
        world.run(3_000)
        seen = world.hosts[2].stack.outlook(world.now)
        counted.append((seen.scheduling_misses, seen.scheduling_miss_max_ms > fifth))
        assert seen.scheduling_miss_max_ms <= late

    assert counted[0] == (0, False)
    assert counted[-1][0] >= 1
    assert counted[-1][1]
    assert world.hosts[1].stack.outlook(world.now).scheduling_misses == 0


def test_a_node_that_has_seen_no_token_does_not_say_when_it_saw_the_last() -> None:
    world = World(2)
    world.start(1)

    assert world.hosts[1].stack.outlook(world.now).silent_ms is None
    world.run(1_000)
    assert world.hosts[1].stack.outlook(world.now).silent_ms is not None
