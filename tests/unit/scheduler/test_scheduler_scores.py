"""Scores, durations and digests, by example."""

from __future__ import annotations

import pytest
from lxml import etree

from ninefold.scheduler.digests import operation_digest, restart_digest
from ninefold.scheduler.rules import Scope, holds, instant
from ninefold.scheduler.scores import INFINITY, add, parse, render, scaled
from ninefold.scheduler.words import boolean, milliseconds
from ninefold.scheduler.workspace import natural


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
    [
        ("INFINITY", INFINITY),
        ("-infinity", -INFINITY),
        ("17", 17),
        ("x", 3),
        (None, 3),
        ("9" * 5000, INFINITY),
        ("-" + "9" * 5000, -INFINITY),
    ],
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


@pytest.mark.parametrize(
    ("start", "duration", "last"),
    [
        ("2027-01-31 08:00:00Z", 'months="1"', "2027-02-28 08:00:00Z"),
        ("2027-01-31 08:00:00Z", 'months="13"', "2028-02-29 08:00:00Z"),
        ("2027-01-31 08:00:00Z", 'months="1" days="3"', "2027-03-03 08:00:00Z"),
        ("2028-02-29 08:00:00Z", 'years="1"', "2029-03-01 08:00:00Z"),
        # The 61st day of a leap year, and of one that is none.
        ("2028-03-01 08:00:00Z", 'years="1"', "2029-03-02 08:00:00Z"),
        ("2027-10-31 08:00:00Z", 'years="1" months="4"', "2029-02-28 08:00:00Z"),
    ],
)
def test_a_duration_ends_by_the_calendar(start: str, duration: str, last: str) -> None:
    """As crm_simulate 2.1.5 answers, asked second by second."""
    rule = etree.fromstring(
        f'<rule><date_expression operation="in_range" start="{start}"><duration {duration}/>'
        "</date_expression></rule>"
    )
    end = instant(last)
    assert end is not None

    assert holds(rule, Scope(now=end))
    assert not holds(rule, Scope(now=end + 1))


@pytest.mark.parametrize(
    "start", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-12:00", "9999-366"]
)
def test_a_start_beyond_the_calendar_has_no_end(start: str) -> None:
    rule = etree.fromstring(
        f'<rule><date_expression operation="in_range" start="{start}"><duration years="1"/>'
        "</date_expression></rule>"
    )
    begun = instant(start)
    assert begun is not None

    assert holds(rule, Scope(now=begun + 10**10))
    assert not holds(rule, Scope(now=begun - 1))


@pytest.mark.parametrize("kind", ["integer", "number", "version"])
@pytest.mark.parametrize("value", ["inf", "1e999", "nan", "\u00b2", "9" * 5000])
def test_attribute_that_is_no_proper_number_is_compared_all_the_same(value: str, kind: str) -> None:
    rule = etree.fromstring(
        f'<rule><expression attribute="load" operation="eq" type="{kind}" value="7"/></rule>'
    )

    assert not holds(rule, Scope(now=1, attributes={"load": value}))


def test_names_with_numbers_go_by_their_value() -> None:
    names = ["node10", "node2", "node02b", "node" + "9" * 5000]

    assert sorted(names, key=natural) == ["node2", "node02b", "node10", "node" + "9" * 5000]


def test_a_duration_beyond_the_calendar_never_ends() -> None:
    rule = etree.fromstring(
        '<rule><date_expression operation="in_range" start="2027-01-31"><duration years="9000"/>'
        "</date_expression></rule>"
    )

    assert holds(rule, Scope(now=2_000_000_000))
