"""The arithmetic of acknowledgements, over every small cluster, ring and set of disks.

What is acknowledged is on a disk of every partition that could ever have quorum.
"""

from __future__ import annotations

from itertools import chain, combinations, permutations
from typing import TYPE_CHECKING

import pytest

from ninefold.cib.model import Stamp, Version
from ninefold.controller.disks import Disks

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ninefold.core.ids import NodeId

OLD = Stamp(4, Version(0, 1, 1))
NEW = Stamp(4, Version(0, 1, 2))
REQUEST = 7

Nodes = tuple[int, ...]


def subsets(nodes: Nodes) -> Iterator[Nodes]:
    return chain.from_iterable(combinations(nodes, size) for size in range(len(nodes) + 1))


def quorate(nodes: int) -> list[Nodes]:
    """Return every partition of a cluster of one vote each that has quorum."""
    return [part for part in subsets(tuple(range(1, nodes + 1))) if 2 * len(part) > nodes]


def may_last(nodes: int, disks: Nodes) -> bool:
    """Say whether what only these disks hold is in every quorate partition: by looking at each."""
    return all(any(node in part for node in disks) for part in quorate(nodes))


def in_ring(nodes: int, ring: Nodes) -> Disks:
    disks = Disks()
    disks.on_ring(dict.fromkeys(ring, 1), threshold=nodes // 2 + 1, expected=nodes)
    disks.rest_on(OLD)
    disks.wait(REQUEST, NEW, now=0)
    return disks


def is_acknowledged(disks: Disks, savers: Nodes, stamp: Stamp = NEW) -> bool:
    told = [entry.request for node in savers for entry in disks.on_saved(node, stamp)]
    assert told in ([], [REQUEST])
    return bool(told)


@pytest.mark.parametrize("nodes", [2, 3, 4, 5])
def test_what_is_acknowledged_is_on_a_disk_of_every_quorate_partition(nodes: int) -> None:
    for ring in quorate(nodes):
        for savers in subsets(ring):
            acknowledged = is_acknowledged(in_ring(nodes, ring), savers)

            # And nothing waits for longer than the rule asks: a majority of those present, too.
            majority = 2 * len(savers) > len(ring)
            assert acknowledged == (may_last(nodes, savers) and majority), (ring, savers)


@pytest.mark.parametrize("nodes", [2, 3, 4])
def test_order_in_which_disks_report_does_not_matter(nodes: int) -> None:
    for ring in quorate(nodes):
        for savers in subsets(ring):
            verdicts = [
                is_acknowledged(in_ring(nodes, ring), order) for order in permutations(savers)
            ]

            assert len(dict.fromkeys(verdicts)) == 1, (ring, savers)


@pytest.mark.parametrize("nodes", [2, 3, 4, 5])
def test_disks_of_absent_nodes_and_older_saves_count_for_nothing(nodes: int) -> None:
    everybody: Nodes = tuple(range(1, nodes + 1))
    for ring in quorate(nodes):
        absent: Nodes = tuple(node for node in everybody if node not in ring)

        assert not is_acknowledged(in_ring(nodes, ring), absent)
        assert not is_acknowledged(in_ring(nodes, ring), ring, stamp=OLD)


@pytest.mark.parametrize("nodes", [2, 3, 4, 5])
def test_what_was_saved_in_an_earlier_ring_counts_for_nothing_in_the_next(nodes: int) -> None:
    for ring in quorate(nodes):
        disks = in_ring(nodes, ring)
        short: Nodes = ring[: len(ring) // 2]
        assert not is_acknowledged(disks, short)

        disks.on_ring(dict.fromkeys(ring, 1), threshold=nodes // 2 + 1, expected=nodes)
        rested = Stamp(8, NEW.version)
        disks.rest_on(rested)

        assert not is_acknowledged(disks, ring, stamp=NEW)
        assert is_acknowledged(disks, ring, stamp=rested)


@pytest.mark.parametrize(("heavy", "light"), [(1, 2), (2, 1)])
def test_votes_count_and_not_heads(heavy: NodeId, light: NodeId) -> None:
    # Two nodes of three and one vote: the heavy one alone has quorum, the light one never.
    for savers, enough in (((heavy,), True), ((light,), False), ((light, heavy), True)):
        disks = Disks()
        disks.on_ring({heavy: 3, light: 1}, threshold=3, expected=4)
        disks.wait(REQUEST, NEW, now=0)

        assert is_acknowledged(disks, savers) is enough
