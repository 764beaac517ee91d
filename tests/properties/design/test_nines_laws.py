"""Laws of the translation between availability and downtime, for all inputs."""

from __future__ import annotations

from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from ninefold.design.nines import (
    Period,
    availability_of,
    availability_of_nines,
    availability_of_percent,
    class_of,
    downtime_in,
    nines_of,
    percent_text,
)

periods = st.sampled_from(Period)
shares = st.fractions(min_value=0, max_value=1, max_denominator=10**15)


def slow_class_of(availability: Fraction) -> int:
    """Count the nines one at a time."""
    nines = 0
    while 1 - availability <= Fraction(1, 10 ** (nines + 1)):
        nines += 1
    return nines


@given(shares, periods)
def test_downtime_and_back_gives_the_same_availability(share: Fraction, period: Period) -> None:
    assert availability_of(downtime_in(share, period), period) == share


@given(st.integers(min_value=0, max_value=7 * 86_400 * 1000), periods)
def test_availability_and_back_gives_the_same_downtime(outage_ms: int, period: Period) -> None:
    outage_s = Fraction(outage_ms, 1000)
    if outage_s <= period.value:
        assert downtime_in(availability_of(outage_s, period), period) == outage_s
    else:
        assert availability_of(outage_s, period) == 0


@given(shares.filter(lambda share: share < 1))
def test_the_class_is_what_counting_gives(share: Fraction) -> None:
    assert class_of(share) == slow_class_of(share)


@given(st.integers(min_value=0, max_value=60))
def test_the_least_availability_of_a_class_is_in_it(nines: int) -> None:
    least = availability_of_nines(nines)

    assert class_of(least) == nines
    assert nines_of(least) == nines


@given(shares, shares)
def test_less_downtime_is_never_fewer_nines(one: Fraction, other: Fraction) -> None:
    worse, better = sorted((nines_of(one), nines_of(other)), key=lambda n: (n is None, n or 0))

    assert (worse, better) == (nines_of(min(one, other)), nines_of(max(one, other)))


@given(shares)
def test_the_text_never_promises_more_and_keeps_the_class(share: Fraction) -> None:
    told = availability_of_percent(percent_text(share))

    assert told <= share
    assert class_of(told) == class_of(share)
