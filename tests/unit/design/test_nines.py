"""The field's own tables, to the digit, and the edges between classes."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import pytest

from ninefold.design.nines import (
    Period,
    availability_of,
    availability_of_nines,
    availability_of_percent,
    class_of,
    class_text,
    downtime,
    duration_text,
    nines_of,
    outage_sentence,
    percent_text,
)

# "Linux High Availability & Clustering", chapter 1: level, %, per year, per month, per week.
BOOK = [
    (1, "90.0", "36.53 d", "73.05 h", "16.80 h"),
    (2, "99.0", "3.65 d", "7.31 h", "1.68 h"),
    (3, "99.9", "8.77 h", "43.83 min", "10.08 min"),
    (4, "99.99", "52.60 min", "4.38 min", "1.01 min"),
    (5, "99.999", "5.26 min", "26.30 s", "6.05 s"),
    (6, "99.9999", "31.56 s", "2.63 s", "0.60 s"),
]


@pytest.mark.parametrize(("level", "percent", "year", "month", "week"), BOOK)
def test_the_table_of_the_book_comes_out_to_the_digit(
    level: int, percent: str, year: str, month: str, week: str
) -> None:
    availability = availability_of_percent(percent)

    lost = downtime(availability)

    assert duration_text(lost.per_year) == year
    assert duration_text(lost.per_month) == month
    assert duration_text(lost.per_week) == week
    assert class_of(availability) == level
    assert nines_of(availability) == level
    assert availability_of_nines(level) == availability


def test_a_year_has_525960_minutes() -> None:
    assert Period.YEAR.value == 525_960 * 60
    assert Period.MONTH.value * 12 == Period.YEAR.value


def test_four_hours_in_a_year_are_between_three_and_four_nines() -> None:
    availability = availability_of(4 * 3600, Period.YEAR)

    assert percent_text(availability) == "99.954 %"
    assert class_of(availability) == 3
    nines = nines_of(availability)
    assert nines is not None
    assert 3 < nines < 4


@pytest.mark.parametrize(
    ("outage_ms", "sentence"),
    [
        (9200, "9.2 s once a month = 99.99965 %: five nines"),
        (26_298, "26.298 s once a month = 99.999 %: five nines"),
        (26_299, "26.299 s once a month = 99.9989 %: four nines"),
        (2000, "2 s once a month = 99.999923 %: six nines"),
        (0, "0 s once a month = 100 %: no downtime at all"),
    ],
)
def test_an_outage_once_a_month_is_told_in_nines(outage_ms: int, sentence: str) -> None:
    assert outage_sentence(outage_ms) == sentence


def test_an_outage_longer_than_the_period_leaves_nothing() -> None:
    assert availability_of(8 * 86_400, Period.WEEK) == 0
    assert percent_text(Fraction(0)) == "0 %"
    assert class_text(Fraction(0)) == "no nines"


def test_a_class_is_not_reached_by_rounding() -> None:
    # One part in 10^12 short of four nines, as a person would see it.
    almost = availability_of_percent("99.989999999999")

    assert class_of(almost) == 3
    assert percent_text(almost) == "99.989 %"


def test_never_down_has_no_number_of_nines() -> None:
    assert class_of(Fraction(1)) is None
    assert nines_of(Fraction(1)) is None
    assert percent_text(Fraction(1)) == "100 %"


def test_more_nines_than_anybody_can_check_are_not_counted_out() -> None:
    assert class_text(availability_of_nines(9)) == "nine nines"
    assert class_text(availability_of_nines(10)) == "more than nine nines"


def test_nines_between_classes_have_a_fraction() -> None:
    nines = nines_of(availability_of_percent("99.95"))

    assert nines is not None
    assert nines.quantize(Decimal("0.0001")) == Decimal("3.3010")


@pytest.mark.parametrize("text", ["99.95", "99.95%", " 99.95 % "])
def test_a_percentage_is_read_with_or_without_its_sign(text: str) -> None:
    assert availability_of_percent(text) == Fraction(9995, 10_000)


@pytest.mark.parametrize("text", ["", "nines", "-1", "99,9", "100.1", "1e2", "nan", "1/3"])
def test_what_is_no_percentage_is_refused_with_the_text(text: str) -> None:
    with pytest.raises(ValueError, match="percent"):
        availability_of_percent(text)
