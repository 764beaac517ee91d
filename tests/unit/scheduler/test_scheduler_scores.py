"""Scores, durations and digests, by example."""

from __future__ import annotations

import pytest

from ninefold.scheduler.digests import operation_digest, restart_digest
from ninefold.scheduler.rules import instant
from ninefold.scheduler.scores import INFINITY, add, parse, render, scaled
from ninefold.scheduler.words import boolean, milliseconds


@pytest.mark.parametrize(
    ("left", "right", "total"),
    [
        (1, 2, 3),
        (INFINITY, 5, INFINITY),
        (INFINITY, -INFINITY, -INFINITY),
        (-INFINITY, 5, -INFINITY),
        (600_000, 600_000, INFINITY),
    ],
)
def test_minus_infinity_wins_a_sum(left: int, right: int, total: int) -> None:
    assert add(left, right) == total
    assert add(right, left) == total


@pytest.mark.parametrize(
    ("text", "score"),
    [("INFINITY", INFINITY), ("-infinity", -INFINITY), ("17", 17), ("x", 3), (None, 3)],
)
def test_a_score_is_read_or_defaults(text: str | None, score: int) -> None:
    assert parse(text, 3) == score


def test_scores_are_written_as_they_are_configured() -> None:
    assert [render(s) for s in (INFINITY, -INFINITY, -7)] == ["INFINITY", "-INFINITY", "-7"]


def test_a_small_wish_never_rounds_away() -> None:
    assert scaled(1, 0.001) == 1
    assert scaled(1, -0.001) == -1
    assert scaled(-3, 0.5) == -2


@pytest.mark.parametrize(
    ("text", "expected"),
    [("20", 20_000), ("20s", 20_000), ("500ms", 500), ("2min", 120_000), ("PT1M30S", 90_000)],
)
def test_durations_are_read(text: str, expected: int) -> None:
    assert milliseconds(text) == expected


def test_booleans_are_read_in_every_spelling() -> None:
    assert all(boolean(word, default=False) for word in ("true", "ON", "yes", "y", "1"))
    assert not any(boolean(word, default=True) for word in ("false", "Off", "no", "n", "0"))


def test_the_digest_of_no_parameters_is_the_one_in_every_recorded_history() -> None:
    assert operation_digest({}) == "f2317cad3d54cec5d7d7aa7d0bf35cf8"


def test_the_digest_of_a_recurring_operation_counts_its_timeout() -> None:
    recorded = "4811cef7f7f94e3a35a70be7916cb2fd"

    assert operation_digest({}, interval_ms=10_000, timeout_ms=20_000) == recorded
    assert operation_digest({}, interval_ms=10_000, timeout_ms=30_000) != recorded


def test_a_restart_digest_only_counts_what_forces_a_restart() -> None:
    assert restart_digest({"a": "1", "b": "2"}, " a ") == operation_digest({"a": "1"})


def test_ordinal_dates_are_dates() -> None:
    assert instant("2005-020") == instant("2005-01-20")
