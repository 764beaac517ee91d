"""What a forecast takes for quorum is what the running nodes would find: every first split of every small cluster."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from ninefold.forecast.faults import Voters
from tests.quorum_world import QuorumCluster


def subsets(nodes: tuple[int, ...]) -> list[tuple[int, ...]]:
    return [
        part for size in range(1, len(nodes) + 1) for part in itertools.combinations(nodes, size)
    ]


@pytest.mark.parametrize("option", ["", "two_node", "lowest", "highest", "3 2"])
@pytest.mark.parametrize("size", [1, 2, 3, 4])
def test_voters_agree_with_the_machine_on_who_goes_on(size: int, option: str) -> None:
    everyone = tuple(range(1, size + 1))
    flags: dict[str, Any] = {}
    breaker = ""
    if option == "two_node":
        flags["two_node"] = size == 2
    elif option:
        flags |= {"auto_tie_breaker": True, "auto_tie_breaker_node": option}
        listed = [int(word) for word in option.split() if word.isdigit()]
        first = next((node for node in listed if node in everyone), 0)
        number = {"lowest": 1, "highest": size}.get(option, first)
        breaker = f"n{number}" if number else ""
    for votes in itertools.product((1, 2), repeat=size):
        names = {f"n{node}": count for node, count in zip(everyone, votes, strict=True)}
        voters = Voters(names, sum(votes), bool(flags.get("two_node")), breaker)
        for part in subsets(everyone):
            cluster = QuorumCluster(list(votes), **flags)
            cluster.start(*everyone)
            cluster.ring(*everyone)

            expected = cluster.ring(*part)

            assert voters.quorate([f"n{node}" for node in part]) == expected, (votes, part)
