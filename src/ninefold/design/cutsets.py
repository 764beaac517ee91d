"""Minimal cut sets: what has to fail together, and nothing less.

For formulas in which a further failure never helps (every model's is), the cut sets of a diagram's
node are those of its low branch, and the node's event added to those of its high branch that are
not already cut sets of the low one (Rauzy 1993). Orders one and two need only a walk down the low
branches; all of them are for small trees.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ninefold.design.bdd import FALSE, TRUE

if TYPE_CHECKING:
    from ninefold.design.bdd import Bdd

# A list that nobody reads ends here.
ALL_MAX: Final = 100_000


class TooMany(Exception):
    """There are more minimal cut sets than anybody asked for."""


def order_one_and_two(bdd: Bdd) -> tuple[list[int], list[tuple[int, int]]]:
    """Return the events that suffice alone, and the pairs that suffice together, both sorted."""
    children = bdd.children()
    singles = _singles(bdd, children)
    alone: list[int] = []
    pairs: list[tuple[int, int]] = []
    node = bdd.root
    while node in children:
        event, high, low = children[node]
        if high == TRUE:
            alone.append(event)
        else:
            together = singles.get(high, 0) & ~singles.get(low, 0)
            pairs += [(min(event, o), max(event, o)) for o in _members(together)]
        node = low
    return sorted(alone), sorted(pairs)


def _singles(bdd: Bdd, children: dict[int, tuple[int, int, int]]) -> dict[int, int]:
    """Return, by node, the events that alone make it true, as bits of a number."""
    singles: dict[int, int] = {FALSE: 0, TRUE: 0}
    for level in reversed(bdd.levels):
        for node in map(int, level.nodes):
            event, high, low = children[node]
            own = 1 << event if high == TRUE and low != TRUE else 0
            singles[node] = singles[low] | own
    return singles


def _members(bits: int) -> list[int]:
    found = []
    while bits:
        last = bits & -bits
        found.append(last.bit_length() - 1)
        bits ^= last
    return found


def minimal_cut_sets(bdd: Bdd) -> list[frozenset[int]]:
    """Return all minimal cut sets, smallest first; raise `TooMany` beyond `ALL_MAX`."""
    children = bdd.children()
    known: dict[int, list[frozenset[int]]] = {FALSE: [], TRUE: [frozenset()]}
    for level in reversed(bdd.levels):
        for node in map(int, level.nodes):
            event, high, low = children[node]
            below = known[low]
            added = [c | {event} for c in known[high] if not _covered(c, below)]
            if len(below) + len(added) > ALL_MAX:
                raise TooMany(f"more than {ALL_MAX} minimal cut sets")
            known[node] = below + added
    return sorted(known[bdd.root], key=lambda c: (len(c), sorted(c)))


def _covered(candidate: frozenset[int], sets: list[frozenset[int]]) -> bool:
    """Tell whether some of `sets` is contained in `candidate`."""
    return any(one <= candidate for one in sets)
