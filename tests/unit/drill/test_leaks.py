"""Growth is what goes on, not one step: memory by the median of slopes, descriptors by first and last look."""

from __future__ import annotations

import pytest

from ninefold.drill.leaks import LIVES_S, WARM_S, Sample, lives, slope


def life(
    *, kib_per_min: float = 0, step_kib: int = 0, descriptors: int = 0, seconds: int = 500
) -> list[Sample]:
    return [
        Sample(
            at_s=1_000 + at,
            node="node1",
            pid=7,
            memory_kib=round(80_000 + kib_per_min * at / 60 + (step_kib if at > 200 else 0)),
            descriptors=40 + (descriptors if at > 300 else 0),
            threads=6,
        )
        for at in range(0, seconds, 10)
    ]


def test_a_daemon_that_keeps_what_it_has_is_no_problem() -> None:
    (found,) = lives(life())

    assert found.problems() == []
    assert (found.node, found.pid, found.descriptors) == ("node1", 7, (40, 40))


def test_steady_growth_of_memory_is_found() -> None:
    (found,) = lives(life(kib_per_min=3_000))

    assert found.slope_kib_per_min == pytest.approx(3_000, abs=10)
    assert "memory grows by 3000 KiB a minute" in found.problems()[0]


def test_growth_before_it_is_warm_does_not_count() -> None:
    samples = [s for s in life() if s.at_s >= 1_000 + WARM_S]
    cold = [
        Sample(1_000 + at, "node1", 7, 40_000 + 400 * at, 40, 6) for at in range(0, int(WARM_S), 10)
    ]

    (found,) = lives([*cold, *samples])

    assert found.problems() == []


def test_descriptors_that_stay_open_are_found() -> None:
    (found,) = lives(life(descriptors=12))

    assert found.problems() == ["the daemon of node1 (490 s): descriptors grew from 40 to 52"]


def test_a_short_life_says_nothing() -> None:
    assert lives(life(seconds=int(WARM_S + LIVES_S) - 20)) == []


def test_daemons_are_told_apart_by_host_and_number() -> None:
    other = [Sample(s.at_s, "node2", 7, s.memory_kib, s.descriptors, s.threads) for s in life()]

    assert [found.node for found in lives([*life(), *other])] == ["node1", "node2"]


def test_one_step_is_not_a_slope() -> None:
    points = [(float(minute), 100.0 if minute < 9 else 500.0) for minute in range(12)]

    assert slope(points) == 0


def test_the_slope_of_a_line_is_its_slope() -> None:
    assert slope([(minute, 7.0 * minute) for minute in range(5)]) == 7
