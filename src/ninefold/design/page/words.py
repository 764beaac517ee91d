"""Numbers as people read them: three digits that matter, a unit that suits."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Final

from ninefold.design.nines import class_text, percent_text

TIMES: Final = "\N{MULTIPLICATION SIGN}"
DASH: Final = "\N{EN DASH}"
_RAISED: Final = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
# Seconds in a unit, the longest first.
_UNITS: Final = (
    (31_557_600, "y"),
    (86_400, "d"),
    (3600, "h"),
    (60, "min"),
    (1, "s"),
    (0.001, "ms"),
)


def number(value: float, digits: int = 3) -> str:
    """Return so many digits that matter: `173`, `28.8`, `0.0051`, `4.1e-9` in powers of ten, `12,400`."""
    if math.isinf(value):
        return "∞" if value > 0 else "-∞"
    if value == 0:
        return "0"
    size = math.floor(math.log10(abs(value)))
    if size < -4:
        mantissa, _, exponent = f"{value:.{digits - 1}e}".partition("e")
        if "." in mantissa:
            mantissa = mantissa.rstrip("0").rstrip(".")
        return f"{mantissa} {TIMES} 10{str(int(exponent)).translate(_RAISED)}"
    places = max(0, digits - 1 - size)
    text = f"{value:,.{places}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def availability(share: float) -> str:
    """Return a percentage that is cut, never rounded up."""
    return percent_text(_exact(share))


def objective(share: float) -> str:
    """Return an agreed percentage as it was written: it needs no cutting."""
    return f"{number(100 * share, 9)} %"


def nines(share: float) -> str:
    """Return the class of an availability in words."""
    return class_text(_exact(share))


def _exact(share: float) -> Fraction:
    return Fraction(min(1.0, max(0.0, share)))


def percent(share: float) -> str:
    """Return a share as a percentage; what is nearly all is cut, not rounded to all."""
    if 0.99 < share < 1:
        return availability(share)
    return f"{number(100 * share)} %"


def seconds(value: float) -> str:
    """Return a length in the largest unit of which it is at least one: `15.8 s`, `2.5 min`, `7.1 y`."""
    if math.isinf(value):
        return "never"
    if value == 0:
        return "0 s"
    for size, unit in _UNITS:
        if value >= size:
            return f"{number(value / size)} {unit}"
    return f"{number(value * 1000)} ms"


def minutes(value: float) -> str:
    """Return minutes of downtime in the unit that suits them."""
    return seconds(value * 60)


def hours(value: float) -> str:
    """Return hours in the unit that suits them."""
    return seconds(value * 3600)


def milliseconds(value: float | None) -> str:
    """Return milliseconds in the unit that suits them; a dash where nobody knows."""
    return DASH if value is None else seconds(value / 1000)


def plural(count: int, word: str) -> str:
    """Return `1 node`, `2 nodes`."""
    return f"{count} {word}{'s' * (count != 1)}"


def layer(name: str) -> str:
    """Return a layer's name as a heading."""
    return "DNS" if name == "dns" else name.capitalize()
