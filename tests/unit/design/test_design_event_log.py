"""Logs of outages: what is read, what is refused, and what they add up to."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from fractions import Fraction

import pytest

from ninefold.design.event_log import observe, read, services_of, time_of, whole_window
from ninefold.design.nines import availability_of_percent

HEAD = "start,end,service,planned,comment\n"
MARCH = (datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 3, 31, tzinfo=UTC))


def test_a_log_is_read_with_its_comments_and_lines() -> None:
    outages, findings = read(
        HEAD + '2026-03-01 02:00,2026-03-01 03:00,shop,yes,"kernel, both"\n'
        "# a remark\n\n"
        "2026-03-05T10:00+01:00,2026-03-05T10:30+01:00,shop,,feed\n"
    )

    assert findings == []
    assert [o.line for o in outages] == [2, 5]
    assert outages[0].planned
    assert outages[0].comment == "kernel, both"
    assert outages[1].start == datetime(2026, 3, 5, 9, tzinfo=UTC)


def test_every_wrong_row_is_told_at_once_with_its_line() -> None:
    outages, findings = read(
        HEAD + "yesterday,2026-03-01 03:00,,,\n"
        "2026-03-01 03:00,2026-03-01 02:00,,,\n"
        "2026-03-01 03:00,2026-03-01 04:00,,perhaps,\n"
        "2026-03-01 03:00,2026-03-01 04:00,,no,a,b\n"
        "2026-03-02 03:00,2026-03-02 04:00,,no,fine\n",
        file="events.csv",
    )

    assert [(f.code, f.line, f.file) for f in findings] == [
        ("bad-time", 2, "events.csv"),
        ("backwards", 3, "events.csv"),
        ("bad-planned", 4, "events.csv"),
        ("too-many-cells", 5, "events.csv"),
    ]
    assert [o.comment for o in outages] == ["fine"]
    assert all(f.remedy for f in findings)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "empty"),
        ("start,service\n2026-03-01,x\n", "no-column"),
        ("start,end,colour\n", "unknown-column"),
        (HEAD + '2026-03-01,2026-03-02,"unclosed\n', "not-csv"),
    ],
)
def test_a_table_that_is_none_is_told(text: str, code: str) -> None:
    assert code in {finding.code for finding in read(text)[1]}


def test_outages_that_overlap_count_once() -> None:
    outages, _ = read(
        HEAD
        + "2026-03-02 00:00,2026-03-02 02:00,shop,,\n2026-03-02 01:00,2026-03-02 03:00,shop,,\n"
    )

    seen = observe(outages, "shop", MARCH)

    assert seen.unplanned_s == 3 * 3600
    assert seen.outages == 1
    assert seen.availability == 1 - Fraction(3, 30 * 24)


def test_a_planned_window_is_counted_apart_and_covers_what_happens_in_it() -> None:
    outages, _ = read(
        HEAD
        + "2026-03-02 00:00,2026-03-02 04:00,shop,yes,\n2026-03-02 03:00,2026-03-02 05:00,shop,no,\n"
    )

    seen = observe(outages, "shop", MARCH)

    assert (float(seen.planned_s), float(seen.unplanned_s)) == (4 * 3600, 3600)
    assert seen.availability == 1 - Fraction(1, 30 * 24 - 4)
    assert seen.seen == 1 - Fraction(5, 30 * 24)


def test_an_outage_of_everything_hits_each_service() -> None:
    outages, _ = read(
        HEAD
        + "2026-03-02 00:00,2026-03-02 01:00,,,power\n2026-03-03 00:00,2026-03-03 01:00,shop,,\n"
        "2026-03-04 00:00,2026-03-04 01:00,mail,,\n"
    )

    assert services_of(outages) == ("mail", "shop")
    assert observe(outages, "shop", MARCH).unplanned_s == 2 * 3600
    assert observe(outages, "mail", MARCH).outages == 2


def test_the_error_budget_of_three_and_a_half_nines_for_thirty_days() -> None:
    outages, _ = read(HEAD + "2026-03-02 00:00,2026-03-02 00:10,shop,,\n")

    seen = observe(outages, "shop", MARCH, slo=availability_of_percent("99.95"))

    # 0.05 % of 30 days are 21.6 minutes.
    assert seen.budget_s == Fraction(216, 10) * 60
    assert seen.left_s == Fraction(116, 10) * 60
    assert seen.kept is True
    assert seen.burn == Fraction(100, 216)


def test_the_burn_rate_looks_at_the_part_of_the_window_that_has_passed() -> None:
    outages, _ = read(HEAD + "2026-03-02 00:00,2026-03-02 00:21,shop,,\n")
    now = MARCH[0] + timedelta(days=3)

    seen = observe(outages, "shop", MARCH, slo=availability_of_percent("99.95"), now=now)

    assert seen.burn is not None
    assert float(seen.burn) == pytest.approx(21 / 21.6 * 10)
    assert seen.kept is True


def test_an_overspent_budget_is_not_kept() -> None:
    outages, _ = read(HEAD + "2026-03-02 00:00,2026-03-02 01:00,shop,,\n")

    assert observe(outages, "shop", MARCH, slo=availability_of_percent("99.95")).kept is False


def test_an_outage_without_an_end_goes_on() -> None:
    outages, _ = read(HEAD + "2026-03-30 00:00,,shop,,\n")
    now = datetime(2026, 3, 30, 6, tzinfo=UTC)

    assert observe(outages, "shop", MARCH, now=now).unplanned_s == 6 * 3600
    assert whole_window(outages, now) == (outages[0].start, now)


def test_an_objective_of_all_the_time_has_no_rate() -> None:
    outages, _ = read(HEAD + "2026-03-02 00:00,2026-03-02 01:00,shop,,\n")

    seen = observe(outages, "shop", MARCH, slo=Fraction(1))

    assert seen.budget_s == 0
    assert (seen.burn, seen.kept) == (None, False)


def test_a_window_that_is_planned_throughout_promises_nothing() -> None:
    outages, _ = read(HEAD + "2026-02-01,2026-05-01,shop,yes,\n")

    seen = observe(outages, "shop", MARCH)

    assert (float(seen.availability), float(seen.seen)) == (1, 0)


@pytest.mark.parametrize("text", ["", "9999-12-31T23:59-23:00", "2026-13-01", "1.3.2026"])
def test_what_is_no_time_is_a_value_error(text: str) -> None:
    with pytest.raises(ValueError, match=r".*"):
        time_of(text)
