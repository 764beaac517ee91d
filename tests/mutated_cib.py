"""Documents that something went wrong with: a few random changes of attributes and elements."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import random

    from lxml import etree

# What hands and half-written files leave behind: nothing, no number, too much, another's name.
WORDS = (
    "", " ", "-1", "0", "1", "7", "x", "true", "INFINITY", "-INFINITY", "+INFINITY", "nan", "1e9",
    "99999999999999999999", "-99999999999999999999", "9223372036854775807", "253402300800", "1:2",
    "::::", "0:0;", "a" * 300, "é", "٣", "n1", "n9", "start", "monitor", "Promoted", "Stopped",
    "2024-13-45", "P1Y", "10q", "%", "[", "^(", "standby", "fence", "stonith", "remote",
)  # fmt: skip


def mutated(root: etree._Element, rng: random.Random, changes: int) -> etree._Element:
    """Return a copy with so many changes, each to one element."""
    document = copy.deepcopy(root)
    for _ in range(changes):
        elements = list(document.iter("*"))
        _change(rng.choice(elements[1:]), elements, rng)
    return document


def _change(one: etree._Element, elements: list[etree._Element], rng: random.Random) -> None:
    parent = one.getparent()
    assert parent is not None
    match rng.randrange(8):
        case 0:
            parent.remove(one)
        case 1:
            parent.append(copy.deepcopy(one))
        case 2:
            other = rng.choice(elements[1:])
            if other not in [*one.iter()] and other.getparent() is not None:
                other.append(copy.deepcopy(one))
        case 3 if one.attrib:
            del one.attrib[rng.choice(sorted(map(str, one.attrib)))]
        case 4:
            one.set(rng.choice(("value", "score", "interval", "role", "id")), rng.choice(WORDS))
        case _ if one.attrib:
            values = [value for other in elements for value in other.attrib.values()]
            word = rng.choice(WORDS) if rng.random() < 0.7 else str(rng.choice(values))
            one.set(rng.choice(sorted(map(str, one.attrib))), word)
        case _:
            pass
