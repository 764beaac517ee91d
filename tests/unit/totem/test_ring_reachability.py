"""Nodes that do not all hear each other: who goes on together, and who is let back in how often."""

from __future__ import annotations

import random

import pytest

from ninefold.totem.codec import encode
from ninefold.totem.keys import keyset
from ninefold.totem.messages import Join
from ninefold.totem.numbers import MARK_BITS
from ninefold.totem.reachability import REST_MS
from ninefold.totem.ring_core import RingState
from ninefold.totem.stack import Stack
from tests.totem_world import DEFAULTS, WireLinks, World, config_of


def ring(count: int) -> World:
    world = World(count, totem=DEFAULTS)
    world.start()
    assert world.run_until(lambda: world.formed(*world.nodes), limit=5_000)
    world.run(5_000)
    return world


def cut_between(world: World, *pairs: tuple[int, int]) -> None:
    world.cut = {way for a, b in pairs for way in ((a, b), (b, a))}


@pytest.mark.parametrize(
    ("count", "pairs", "together"),
    [
        (3, [(1, 2)], (1, 3)),
        (3, [(2, 3)], (1, 2)),
        (4, [(1, 2)], (1, 3, 4)),
        (5, [(1, 4), (1, 5)], (2, 3, 4, 5)),
        (5, [(2, 3), (3, 5)], (1, 2, 4, 5)),
        (6, [(1, 2), (3, 4), (5, 6)], (1, 3, 5)),
    ],
)
def test_of_nodes_that_do_not_all_hear_each_other_the_largest_group_goes_on(
    count: int, pairs: list[tuple[int, int]], together: tuple[int, ...]
) -> None:
    world = ring(count)
    cut_between(world, *pairs)

    # One token timeout to notice, ten joins to be sure; those outside ask thrice to be let in.
    limit = DEFAULTS.token + 4 * (10 * DEFAULTS.join + 200)
    assert world.run_until(lambda: world.formed(*together), limit=limit)


def test_a_cable_that_the_token_does_not_take_may_be_cut() -> None:
    world = ring(5)
    cut_between(world, (2, 4))
    world.submit(2, b"from two")
    world.submit(4, b"from four")
    world.run(20_000)

    # What the two do not get from each other they ask the others for.
    assert world.formed(1, 2, 3, 4, 5)
    assert all(host.payloads() == [b"from two", b"from four"] for host in world.hosts.values())
    assert all(host.stack.statistics.memberships == 1 for host in world.hosts.values())


def test_one_cable_that_stays_cut_does_not_keep_the_ring_from_working() -> None:
    world = ring(3)
    cut_between(world, (1, 2))
    world.run(60_000)

    working = 0
    for _ in range(1_200):
        world.run(100)
        working += world.hosts[1].stack.state is world.hosts[3].stack.state is RingState.OPERATIONAL

    # Node 2 still hears node 3, and asks in vain to be let in: a token's time once in the back-off.
    assert working / 1_200 > 0.8


def test_after_the_cable_is_mended_all_are_together_within_the_back_off() -> None:
    world = ring(3)
    cut_between(world, (1, 2))
    world.run(120_000)
    world.heal()

    assert world.run_until(
        lambda: world.formed(1, 2, 3), limit=REST_MS + DEFAULTS.token + DEFAULTS.consensus
    )


@pytest.mark.parametrize(
    "victims", [tuple(range(1, 12)), tuple(range(14, 25)), (1, *range(3, 23, 2))]
)
def test_twenty_four_nodes_lose_any_eleven(victims: tuple[int, ...]) -> None:
    world = ring(24)
    for node in victims:
        world.crash(node)

    survivors = tuple(node for node in world.nodes if node not in victims)
    assert len(survivors) == 13
    assert world.run_until(
        lambda: world.formed(*survivors), limit=DEFAULTS.token + DEFAULTS.consensus + 2_000
    )


SIDES = {
    "halves": (range(1, 13), range(13, 25)),
    "every second": (range(1, 25, 2), range(2, 25, 2)),
    "thirds": (range(1, 9), range(9, 17), range(17, 25)),
    "one alone": (range(1, 2), range(2, 25)),
    "last alone": (range(1, 24), range(24, 25)),
    "six of four": tuple(range(i, i + 4) for i in range(1, 25, 4)),
    "all alone": tuple(range(i, i + 1) for i in range(1, 25)),
}


@pytest.mark.parametrize("name", SIDES)
def test_twenty_four_nodes_merge_after_a_partition(name: str) -> None:
    world = ring(24)
    sides = [tuple(side) for side in SIDES[name]]
    world.partition(*sides)
    assert world.run_until(
        lambda: all(world.formed(*side) for side in sides),
        limit=2 * (DEFAULTS.token + DEFAULTS.consensus),
    )

    world.heal()

    assert world.run_until(
        lambda: world.formed(*world.nodes), limit=2 * (DEFAULTS.token + DEFAULTS.consensus)
    )


def test_a_node_that_only_some_files_list_stays_out_and_ends_nobody() -> None:
    # Node 1 was restarted with a file that has a fourth node; 2 and 3 have not been yet.
    world = World(4, totem=DEFAULTS)
    for node in (2, 3):
        config = config_of(node, (1, 2, 3), DEFAULTS)
        world.hosts[node].stack = Stack(
            config,
            keys=keyset(b""),
            ring_seq=0,
            epoch=b"",
            rng=random.Random(node),
            links=WireLinks(config),
        )
    # Their links take nothing from a node that they do not know.
    world.cut = {(4, 2), (4, 3)}
    world.start(1, 2, 3)
    assert world.run_until(lambda: world.formed(1, 2, 3), limit=5_000)

    world.start(4)
    world.run(30_000)

    assert world.formed(1, 2, 3)
    assert world.hosts[2].noted("unlisted")
    assert world.hosts[4].stack.members == (4,)


def test_a_senseless_ring_number_is_not_taken_over() -> None:
    world = ring(3)

    world.inject(1, 2, encode(Join(2**60, (1, 2, 3), ())))
    world.run(1_000)
    world.crash(3)

    assert world.run_until(lambda: world.formed(1, 2), limit=10_000)
    assert world.hosts[2].stack.ring.seq < 1_000 << MARK_BITS
