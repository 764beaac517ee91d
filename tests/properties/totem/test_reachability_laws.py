"""The group that goes on: against the obvious search, and as something all agree about."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from ninefold.totem.reachability import REST_MS, STRIKES_WINDOW_MS, Matrix, Strikes

if TYPE_CHECKING:
    from collections.abc import Iterable

NODES = st.integers(1, 8)
ROWS = st.dictionaries(NODES, st.sets(NODES), max_size=8)


def hears(rows: dict[int, set[int]], a: int, b: int) -> bool:
    return (a not in rows or b in rows[a]) and (b not in rows or a in rows[b])


def obvious(rows: dict[int, set[int]], nodes: Iterable[int]) -> frozenset[int]:
    """Try all groups, largest first and in the order of their ids."""
    listed = sorted(nodes)
    for size in range(len(listed), 0, -1):
        for group in itertools.combinations(listed, size):
            if all(hears(rows, a, b) for a, b in itertools.combinations(group, 2)):
                return frozenset(group)
    raise AssertionError(rows)


@given(ROWS, st.frozensets(NODES, min_size=1))
def test_the_group_is_that_of_the_obvious_search(
    rows: dict[int, set[int]], nodes: frozenset[int]
) -> None:
    assert Matrix(rows).largest_group(nodes) == obvious(rows, nodes)


@given(ROWS, st.frozensets(NODES, min_size=1))
def test_all_that_see_the_same_matrix_divide_into_the_same_groups(
    rows: dict[int, set[int]], nodes: frozenset[int]
) -> None:
    groups = {node: Matrix(rows).group_of(node, nodes) for node in nodes}

    assert all(node in group for node, group in groups.items())
    assert all(groups[other] == group for group in groups.values() for other in group)


def test_a_matrix_made_to_cost_much_is_answered_with_a_group_all_the_same() -> None:
    # 60 nodes in 30 pairs that do not hear each other: 2^30 largest groups.
    nodes = frozenset(range(1, 61))
    rows = {node: nodes - {((node - 1) ^ 1) + 1} for node in nodes}

    group = Matrix(rows).largest_group(nodes)

    assert len(group) == 30
    assert all(hears({k: set(v) for k, v in rows.items()}, a, b) for a in group for b in group)


def test_the_third_strike_within_a_minute_brings_rest_and_each_one_after_it() -> None:
    strikes = Strikes()

    assert not strikes.add(0, 7)
    assert not strikes.add(1_000, 7)
    assert strikes.add(2_000, 7)

    assert strikes.resting(2_000 + REST_MS - 1, 7)
    assert not strikes.resting(2_000 + REST_MS, 7)
    assert strikes.add(2_000 + REST_MS + 500, 7)
    assert not strikes.resting(2_500, 8)


def test_strikes_far_apart_do_not_add_up_and_a_ring_together_wipes_them() -> None:
    strikes = Strikes()
    for at in range(0, 10 * STRIKES_WINDOW_MS, STRIKES_WINDOW_MS // 2):
        assert not strikes.add(at, 7)

    at = 20 * STRIKES_WINDOW_MS
    assert [strikes.add(at + i, 8) for i in range(3)] == [False, False, True]
    strikes.forgive([8])
    assert not strikes.resting(at + 4, 8)


@given(ROWS, st.frozensets(NODES, min_size=1))
def test_a_whole_is_its_own_largest_group(rows: dict[int, set[int]], nodes: frozenset[int]) -> None:
    assert Matrix(rows).whole(nodes) == (obvious(rows, nodes) == nodes)
