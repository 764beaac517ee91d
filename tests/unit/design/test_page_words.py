"""Numbers as people read them."""

from __future__ import annotations

import math

import pytest

from ninefold.design.page import words


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (172.726, "173"),
        (28.79, "28.8"),
        (2.0, "2"),
        (0.00511, "0.00511"),
        (12_400.4, "12,400"),
        (999.9, "1,000"),
        (8.3e-7, f"8.3 {words.TIMES} 10⁻⁷"),
        (2e-12, f"2 {words.TIMES} 10⁻¹²"),
        (math.inf, "∞"),
        (-3.5, "-3.5"),
    ],
)
def test_number_keeps_three_digits_that_matter(value: float, text: str) -> None:
    assert words.number(value) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (0.00005, "0.05 ms"),
        (0.25, "250 ms"),
        (15.76, "15.8 s"),
        (89.03, "1.48 min"),
        (3600, "1 h"),
        (86_400 * 2.5, "2.5 d"),
        (31_557_600 * 7, "7 y"),
        (math.inf, "never"),
    ],
)
def test_length_takes_the_unit_that_suits(seconds: float, text: str) -> None:
    assert words.seconds(seconds) == text


def test_availability_is_cut_and_an_objective_is_not() -> None:
    assert words.availability(0.9999999) != "100 %"
    assert words.objective(0.9990000000000001) == "99.9 %"
    assert words.objective(0.98) == "98 %"
    assert words.nines(0.99967) == "three nines"


def test_nearly_all_is_not_all() -> None:
    assert words.percent(0.999694) == "99.969 %"
    assert words.percent(1) == "100 %"
    assert words.percent(0.347) == "34.7 %"


def test_what_nobody_knows_is_a_dash() -> None:
    assert words.milliseconds(None) == words.DASH
    assert words.milliseconds(1500) == "1.5 s"
