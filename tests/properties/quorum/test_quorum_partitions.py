"""Never two disjoint quorate partitions: all small clusters, and many longer histories.

The dumb twin keeps the whole world in one place and counts hands.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ninefold.quorum.events import InfoReceived

if TYPE_CHECKING:
    from collections.abc import Iterator


def partitions(nodes: tuple[int, ...]) -> Iterator[tuple[tuple[int, ...], ...]]:
    """All ways to split `nodes` into groups."""
    if not nodes:
        yield ()
        return
    first, rest = nodes[0], nodes[1:]
    for size in range(len(rest) + 1):
        for others in itertools.combinations(rest, size):
            left = tuple(node for node in rest if node not in others)
            for tail in partitions(left):
                yield ((first, *others), *tail)


def twin(votes: list[int], members: tuple[int, ...]) -> bool:
    """More than half of all hands."""
    return 2 * sum(votes[node - 1] for node in members) > sum(votes)


def form(cluster: Any, split: tuple[tuple[int, ...], ...]) -> list[tuple[int, ...]]:
    """Form all rings of `split`; return those that are quorate afterwards."""
    for members in split:
        cluster.ring(*members)
    return [members for members in split if cluster.quorate(*members)]


@pytest.mark.parametrize("size", [1, 2, 3, 4])
@pytest.mark.parametrize("wait", [False, True])
def test_every_two_splits_agree_with_counting_hands(cluster_of: Any, size: int, wait: bool) -> None:
    everyone = tuple(range(1, size + 1))
    for votes in itertools.product((1, 2), repeat=size):
        for first, second in itertools.product(partitions(everyone), repeat=2):
            cluster = cluster_of(list(votes), wait_for_all=wait)
            cluster.start(*everyone)
            cluster.ring(*everyone)
            was = form(cluster, first)
            quorate = form(cluster, second)

            expected = [members for members in second if twin(list(votes), members)]
            if wait:
                # After nobody was quorate all must be seen again.
                expected = [
                    m for m in expected if len(m) == size or any(set(m) & set(w) for w in was)
                ]
            assert quorate == expected, (votes, first, second)


@pytest.mark.parametrize("preference", ["lowest", "highest", "2 3"])
@pytest.mark.parametrize("size", [2, 3, 4])
def test_no_two_halves_break_the_tie(cluster_of: Any, size: int, preference: str) -> None:
    everyone = tuple(range(1, size + 1))
    for first, second in itertools.product(partitions(everyone), repeat=2):
        cluster = cluster_of([1] * size, auto_tie_breaker=True, auto_tie_breaker_node=preference)
        cluster.start(*everyone)
        cluster.ring(*everyone)

        for split in (first, second):
            assert len(form(cluster, split)) <= 1, (first, second)


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_no_history_of_broken_rings_makes_two_quorate_partitions(
    cluster_of: Any, data: st.DataObject
) -> None:
    # Rings that reach some members only, members that fall silent before they have spoken.
    size = data.draw(st.integers(2, 6))
    everyone = tuple(range(1, size + 1))
    preference = data.draw(st.sampled_from(["lowest", "highest", "2 1"]))
    cluster = cluster_of(
        [1] * size,
        auto_tie_breaker=data.draw(st.booleans()),
        auto_tie_breaker_node=preference,
        wait_for_all=data.draw(st.booleans()),
    )
    cluster.start(*everyone)
    cluster.ring(*everyone)

    for _ in range(data.draw(st.integers(1, 6))):
        labels = data.draw(st.lists(st.integers(0, 2), min_size=size, max_size=size))
        split = [
            tuple(n for n in everyone if labels[n - 1] == label) for label in sorted(set(labels))
        ]
        broken = data.draw(st.sampled_from([None, 0, 1]))
        silent = tuple(data.draw(st.lists(st.sampled_from(everyone), max_size=2)))
        quorate = []
        for index, members in enumerate(split):
            if index == broken:
                reached = tuple(data.draw(st.lists(st.sampled_from(members), unique=True)))
                cluster.ring(*members, activated=reached)
                quorate += [members] if any(cluster.machines[n].quorate for n in reached) else []
            elif cluster.ring(*members, silent=silent):
                quorate.append(members)
        assert len(quorate) <= 1


@settings(max_examples=60, deadline=None)
@given(data=st.binary(max_size=300))
def test_no_bytes_of_a_peer_raise(cluster_of: Any, data: bytes) -> None:
    cluster = cluster_of([1, 1, 1])
    cluster.start(1, 2, 3)
    cluster.ring(1, 2, 3)
    machine = cluster.machines[1]

    machine.step(0, InfoReceived(2, data))

    assert machine.quorate


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_of_the_parts_of_a_shrunk_partition_at_most_one_goes_on_and_the_majority_does(
    cluster_of: Any, data: st.DataObject
) -> None:
    # The twin knows whom the one quorate partition counts with. Parts that hold none of its members have forgotten
    # nothing and are not judged here: that they may go on too is what last_man_standing costs.
    size = data.draw(st.integers(3, 7))
    everyone = tuple(range(1, size + 1))
    cluster = cluster_of([1] * size, last_man_standing=True, last_man_standing_window=1_000)
    cluster.start(*everyone)
    cluster.ring(*everyone)
    last, counted = everyone, set(everyone)

    for _ in range(data.draw(st.integers(1, 8))):
        labels = data.draw(st.lists(st.integers(0, 2), min_size=size, max_size=size))
        split = [
            tuple(n for n in everyone if labels[n - 1] == label) for label in sorted(set(labels))
        ]
        quorate = form(cluster, tuple(split))

        near = [part for part in split if set(part) & set(last)]
        going = [part for part in near if part in quorate]
        wanted = [part for part in near if 2 * len(counted & set(part)) > len(counted)]
        assert going == wanted, (last, counted, split)
        if len(quorate) != 1 or quorate != going:
            return
        lost = not set(last) <= set(going[0])
        last = going[0]
        counted |= set(last)
        if lost and data.draw(st.booleans()):
            cluster.advance(1_000)
            counted = set(last)
