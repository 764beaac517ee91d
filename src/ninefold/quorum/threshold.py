"""How many votes make a majority.

Theorem: two partitions with `majority(expected)` votes each need more than `expected` votes, so as
long as both count with the same number of expected votes they share a node. Plain integers: Corosync
keeps this number in eight bits, and with 600 votes a node with 100 of them is quorate alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ninefold.config.model import ClusterConfig
    from ninefold.core.ids import NodeId
    from ninefold.quorum.messages import NodeInfo


def majority(expected: int) -> int:
    """Return the least number of votes that is more than half of `expected`."""
    assert expected >= 0
    return expected // 2 + 1


def threshold(expected: int, *, two_node: bool, members: int) -> int:
    """Return the votes that a partition of `members` nodes needs; 1 where either of two may go on."""
    return 1 if two_node and members <= 2 else majority(expected)


def configured_expected(config: ClusterConfig) -> int:
    """Return the expected votes of the file: given, or of all nodes and the quorum device."""
    if config.quorum.expected_votes:
        return config.quorum.expected_votes
    device = config.quorum.device.votes if config.quorum.device else 0
    return sum(node.quorum_votes for node in config.nodes) + device


def agreed(infos: Iterable[NodeInfo]) -> tuple[int, tuple[NodeId, ...]]:
    """Return the expected votes of a partition from what its members say, and which nodes they are about.

    Those that were quorate are right, since they know of what happened while the others were away;
    among equals the highest counts. No nodes means all.
    """
    known = list(infos)
    right = [info for info in known if info.quorate] or known
    expected = max((info.expected for info in right), default=0)
    counted = [info.counted for info in right if info.expected == expected]
    if not all(counted):
        return expected, ()
    return expected, tuple(sorted({node for nodes in counted for node in nodes}))
