"""The tables of votequorum(5) as read in specs/totem.md §11, line by line."""

from __future__ import annotations

import pytest

from ninefold.config.model import (
    ClusterConfig,
    DeviceOptions,
    LinkAddress,
    NodeEntry,
    QuorumOptions,
    TotemOptions,
)
from ninefold.core.ids import RingId
from ninefold.quorum.events import InfoReceived, SendInfo, Synced
from ninefold.quorum.machine import Quorum
from ninefold.quorum.threshold import configured_expected, majority

PROVIDER = "corosync_votequorum"


def config(votes: int, local: int, options: QuorumOptions) -> ClusterConfig:
    nodes = tuple(
        NodeEntry(i, f"n{i}", {0: LinkAddress(f"10.0.0.{i}", 5405)}) for i in range(1, votes + 1)
    )
    return ClusterConfig(local, nodes, TotemOptions(), (), options)


def survives(votes: int, failed: int, options: QuorumOptions) -> bool:
    """Whether the lowest nodes go on after the `failed` highest were lost from a whole cluster."""
    everyone = tuple(range(1, votes + 1))
    machines = {node: Quorum(config(votes, node, options)) for node in everyone}
    for seq, members in ((4, everyone), (8, everyone[: votes - failed])):
        ring = RingId(seq, 1)
        infos = {node: machines[node].info() for node in members}
        sent = []
        for node in members:
            effects = machines[node].step(0, Synced(ring, members, infos))
            sent += [InfoReceived(node, e.data) for e in effects if isinstance(e, SendInfo)]
        for event in sent:
            for node in members:
                machines[node].step(0, event)
    return machines[1].quorate


@pytest.mark.parametrize(
    ("expected", "needed"),
    [(1, 1), (2, 2), (3, 2), (4, 3), (5, 3), (6, 4), (7, 4), (8, 5), (9, 5), (16, 9), (32, 17)],
)
def test_votes_that_are_needed(expected: int, needed: int) -> None:
    assert majority(expected) == needed


@pytest.mark.parametrize(
    ("votes", "may_fail"),
    [(1, 0), (2, 0), (3, 1), (4, 1), (5, 2), (6, 2), (7, 3), (8, 3), (9, 4), (16, 7), (32, 15)],
)
def test_nodes_that_may_fail_at_once(votes: int, may_fail: int) -> None:
    options = QuorumOptions(provider=PROVIDER)

    assert survives(votes, may_fail, options)
    assert votes == 1 or not survives(votes, may_fail + 1, options)


@pytest.mark.parametrize(("votes", "may_fail"), [(2, 1), (4, 2), (6, 3), (8, 4), (16, 8)])
def test_nodes_that_may_fail_at_once_with_a_tie_breaker(votes: int, may_fail: int) -> None:
    options = QuorumOptions(provider=PROVIDER, auto_tie_breaker=True)

    assert survives(votes, may_fail, options)
    assert votes == 2 or not survives(votes, may_fail + 1, options)


@pytest.mark.parametrize(
    ("nodes", "device", "expected", "needed"), [(3, 2, 5, 3), (2, 1, 3, 2), (4, 1, 5, 3)]
)
def test_device_votes_count_as_expected(
    nodes: int, device: int, expected: int, needed: int
) -> None:
    options = QuorumOptions(provider=PROVIDER, device=DeviceOptions("net", device))

    total = configured_expected(config(nodes, 1, options))

    assert (total, majority(total)) == (expected, needed)


def test_expected_votes_of_the_file_come_before_the_sum() -> None:
    options = QuorumOptions(provider=PROVIDER, expected_votes=7)

    assert configured_expected(config(3, 1, options)) == 7
