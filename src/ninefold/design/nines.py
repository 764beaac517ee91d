"""Availability and downtime are the same thing said twice; this module translates, exactly.

Shares of time are `Fraction`s between 0 and 1, durations are seconds as `Fraction`s. A year has
365.25 days (525,960 minutes), a month is its twelfth, a week has seven days. Nothing is rounded
but the text that people read.

The number of nines is -log10(1 - availability): 99.95 % is three nines and three tenths. The
*class* is the whole number of nines: at least 99.9 %, but not 99.99 %, is three.
"""

from __future__ import annotations

import re
from decimal import ROUND_HALF_UP, Decimal, localcontext
from enum import Enum
from fractions import Fraction
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

import msgspec

if TYPE_CHECKING:
    from ninefold.core.instants import Millis

# Digits of the only irrational number here, the logarithm; far more than anybody can measure.
LOGARITHM_DIGITS: Final = 50

# A percentage is cut, not rounded, to this many digits behind its nines: 99.9997 is never shown as
# 100, and a class is never reached by rounding.
DIGITS_PAST_THE_NINES: Final = 2

# Beyond this class a text says "more than nine nines": thirty milliseconds a year, which nobody can
# check.
CLASS_MAX: Final = 9

NAMES: Final = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")


# (from how many seconds on, seconds in it, unit). A unit is used from one of it on; days only from
# half a week on, because the field counts the 73 hours a month of one nine in hours.
UNITS: Final = ((302_400, 86_400, "d"), (3600, 3600, "h"), (60, 60, "min"), (0, 1, "s"))


# Seconds in what a length of downtime is written with.
LENGTHS: Final = MappingProxyType(
    {
        "ms": Fraction(1, 1000),
        "s": Fraction(1),
        "sec": Fraction(1),
        "m": Fraction(60),
        "min": Fraction(60),
        "h": Fraction(3600),
        "hr": Fraction(3600),
        "d": Fraction(86_400),
        "w": Fraction(604_800),
    }
)


class Period(Enum):
    """A stretch of time over which downtime is counted; the value is its length in seconds."""

    YEAR = Fraction(525_960 * 60)
    MONTH = Fraction(525_960 * 60, 12)
    WEEK = Fraction(7 * 24 * 60 * 60)
    DAY = Fraction(24 * 60 * 60)


class Downtime(msgspec.Struct, frozen=True):
    """What a share of downtime adds up to, in seconds."""

    per_year: Fraction
    per_month: Fraction
    per_week: Fraction


def availability_of_percent(text: str) -> Fraction:
    """Return `99.95`, `99.95 %` or `99.95%` as a share of time.

    Raises `ValueError` with a sentence for an operator when it is no percentage from 0 to 100.
    """
    number = text.strip().removesuffix("%").strip()
    if not re.fullmatch(r"\d{1,3}(?:\.\d{1,30})?", number):
        raise ValueError(f"{text!r} is not a percentage; write it like 99.95")
    share = Fraction(number) / 100
    if share > 1:
        raise ValueError(f"{text!r} is more than 100 percent")
    return share


def seconds_of(text: str) -> Fraction:
    """Return `4h`, `1.5 d` or `90s` in seconds; a unit is wanted, for 4 may be minutes or hours.

    Raises `ValueError` with a sentence for an operator.
    """
    match = re.fullmatch(r"\s*(\d{1,15}(?:\.\d{1,15})?)\s*([a-z]+)\s*", text, re.IGNORECASE)
    if match is None or match[2].lower() not in LENGTHS:
        raise ValueError(
            f"{text!r} is no length of time; write it with its unit, like 2d, 4h, 20min or 90s"
        )
    return Fraction(match[1]) * LENGTHS[match[2].lower()]


def availability_of(downtime_s: Fraction | int, period: Period = Period.YEAR) -> Fraction:
    """Return the share of `period` that remains when `downtime_s` of it is lost; 0 if all is."""
    assert downtime_s >= 0
    return max(Fraction(0), 1 - Fraction(downtime_s) / period.value)


def downtime_in(availability: Fraction, period: Period) -> Fraction:
    """Return the seconds of `period` that `availability` leaves without service."""
    assert 0 <= availability <= 1
    return (1 - availability) * period.value


def downtime(availability: Fraction) -> Downtime:
    """Return the downtime per year, month and week."""
    return Downtime(
        per_year=downtime_in(availability, Period.YEAR),
        per_month=downtime_in(availability, Period.MONTH),
        per_week=downtime_in(availability, Period.WEEK),
    )


def class_of(availability: Fraction) -> int | None:
    """Return the whole number of nines; `None` for exactly 1, which has no end of them."""
    assert 0 <= availability <= 1
    unavailable = 1 - availability
    if unavailable == 0:
        return None
    # With p/q of the time lost, n nines hold while 10^n <= q/p: the digits of its whole part, less
    # one.
    return len(str(unavailable.denominator // unavailable.numerator)) - 1


def nines_of(availability: Fraction) -> Decimal | None:
    """Return -log10(1 - availability), to `LOGARITHM_DIGITS`; `None` for exactly 1."""
    assert 0 <= availability <= 1
    unavailable = 1 - availability
    if unavailable == 0:
        return None
    with localcontext() as context:
        context.prec = LOGARITHM_DIGITS
        return Decimal(unavailable.denominator).log10() - Decimal(unavailable.numerator).log10()


def availability_of_nines(nines: int) -> Fraction:
    """Return the least availability of a class: three nines are 999/1000."""
    assert nines >= 0
    return 1 - Fraction(1, 10**nines)


def rounded(value: Fraction, digits: int) -> str:
    """Return `value` with so many decimals, halves rounded up."""
    unit = Decimal(1).scaleb(-digits)
    with localcontext() as context:
        context.prec = LOGARITHM_DIGITS
        exact = Decimal(value.numerator) / Decimal(value.denominator)
        return str(exact.quantize(unit, rounding=ROUND_HALF_UP))


def percent_text(availability: Fraction) -> str:
    """Return `99.99965 %`: cut behind the digits that matter, never rounded up."""
    assert 0 <= availability <= 1
    nines = class_of(availability)
    if nines is None:
        return "100 %"
    digits = max(0, nines - 2) + DIGITS_PAST_THE_NINES
    scale: int = 10**digits
    whole, decimals = divmod(
        availability.numerator * 100 * scale // availability.denominator, scale
    )
    text = f"{whole}.{decimals:0{digits}d}".rstrip("0").rstrip(".")
    return f"{text} %"


def class_text(availability: Fraction) -> str:
    """Return the class in words: `five nines`, `one nine`, `no nines`."""
    nines = class_of(availability)
    if nines is None:
        return "no downtime at all"
    if nines > CLASS_MAX:
        return f"more than {NAMES[CLASS_MAX]} nines"
    return f"{NAMES[nines]} nine" if nines == 1 else f"{NAMES[nines]} nines"


def duration_text(seconds: Fraction | int) -> str:
    """Return a duration with two decimals: `36.53 d`, `8.77 h`, `43.83 min`, `0.60 s`."""
    exact = Fraction(seconds)
    assert exact >= 0
    for least_s, length_s, unit in UNITS:
        if exact >= least_s:
            return f"{rounded(exact / length_s, 2)} {unit}"
    raise AssertionError(exact)


def outage_sentence(outage_ms: Millis, period: Period = Period.MONTH) -> str:
    """Say what one outage in each period means: `9.2 s once a month = 99.99965 %: five nines`."""
    assert outage_ms >= 0
    outage_s = Fraction(outage_ms, 1000)
    availability = availability_of(outage_s, period)
    told = rounded(outage_s, 3).rstrip("0").rstrip(".")
    share, nines = percent_text(availability), class_text(availability)
    return f"{told} s once a {period.name.lower()} = {share}: {nines}"
