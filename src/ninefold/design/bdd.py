"""Exact probabilities by binary decision diagrams.

A formula becomes a reduced ordered diagram (oxidd does that), which is then laid out as arrays, level
by level, so that one sweep from the bottom gives the probability, for a thousand draws at once if
wished, and one sweep from the top gives its derivative by every event. Exact whatever is shared;
what it costs is the size of the diagram, which depends on the order of the events. See A. Rauzy,
"New algorithms for fault trees analysis", Reliability Engineering and System Safety 40 (1993).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple, assert_never

import numpy as np
from oxidd.bdd import BDDManager
from oxidd.util import DDMemoryError

from ninefold.design.formula import And, Not, Or, Threshold, Var, parts, postorder

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from oxidd.bdd import BDDFunction

    from ninefold.design.formula import Formula

# Inner nodes at once. Each takes some 20 bytes, so this is a few hundred MiB at the very worst.
NODES_MAX: Final = 8_000_000
CACHE: Final = 1_000_000
FALSE: Final = 0
TRUE: Final = 1


class TooLarge(Exception):
    """The diagram outgrew its memory; the message says what to do."""


class Level(NamedTuple):
    """The nodes that ask about one event: their numbers, and where each answer leads."""

    event: int
    nodes: NDArray[np.int64]
    high: NDArray[np.int64]
    low: NDArray[np.int64]


class Bdd:
    """The diagram of one formula over events 0 .. `events` - 1."""

    def __init__(self, formula: Formula, events: int) -> None:
        """Raise `TooLarge` if it needs more than `NODES_MAX` nodes."""
        self.events = events
        order = event_order(formula)
        manager = BDDManager(NODES_MAX, CACHE, 1)
        manager.add_vars(len(order))
        places = {event: place for place, event in enumerate(order)}
        try:
            root = _built(manager, formula, places)
        except DDMemoryError as error:
            raise TooLarge(
                f"the fault tree over {len(order)} events needs more than {NODES_MAX} nodes; "
                f"describe blocks that repeat as one part with rates of their own"
            ) from error
        self.root, self.levels, self.size = _laid_out(root, order)

    def probability(self, q: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return P(formula) for `q` of shape (events,) or (events, draws): a scalar or (draws,)."""
        found: NDArray[np.float64] = self._values(q)[self.root]
        return found

    def _values(self, q: NDArray[np.float64]) -> NDArray[np.float64]:
        values = np.zeros((self.size, *q.shape[1:]))
        values[TRUE] = 1.0
        for level in reversed(self.levels):
            share = q[level.event]
            values[level.nodes] = share * values[level.high] + (1 - share) * values[level.low]
        return values

    def birnbaum(self, q: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return dP/dq of every event, shape (events,), from one sweep each way."""
        assert q.shape == (self.events,)
        values = self._values(q)
        reach = np.zeros(self.size)
        reach[self.root] = 1.0
        slopes = np.zeros(self.events)
        for level in self.levels:
            share, arriving = q[level.event], reach[level.nodes]
            slopes[level.event] = np.sum(arriving * (values[level.high] - values[level.low]))
            np.add.at(reach, level.high, share * arriving)
            np.add.at(reach, level.low, (1 - share) * arriving)
        return slopes

    def children(self) -> dict[int, tuple[int, int, int]]:
        """Return event, high and low of every inner node."""
        return {
            int(node): (level.event, int(high), int(low))
            for level in self.levels
            for node, high, low in zip(level.nodes, level.high, level.low, strict=True)
        }


def event_order(formula: Formula) -> list[int]:
    """Return the events as a depth-first walk meets them, smaller branches first.

    What stands together in the tree stands together in the order, which keeps the diagram of a
    tree with little sharing linear; small branches first keeps shared events near the top.
    """
    weight: dict[int, int] = {}
    for one in postorder(formula):
        below = parts(one)
        weight[id(one)] = 1 + sum(weight[id(part)] for part in below)
    order: dict[int, None] = {}
    seen: set[int] = set()
    stack = [formula]
    while stack:
        one = stack.pop()
        if id(one) in seen:
            continue
        seen.add(id(one))
        if isinstance(one, Var):
            order[one.number] = None
            continue
        stack.extend(sorted(parts(one), key=lambda part: -weight[id(part)]))
    return list(order)


def _built(manager: BDDManager, formula: Formula, places: dict[int, int]) -> BDDFunction:
    known: dict[int, BDDFunction] = {}
    for one in postorder(formula):
        built: BDDFunction
        match one:
            case Var():
                built = manager.var(places[one.number])
            case Not():
                built = ~known[id(one.of)]
            case And():
                built = manager.true()
                for part in one.of:
                    built &= known[id(part)]
            case Or():
                built = manager.false()
                for part in one.of:
                    built |= known[id(part)]
            case Threshold():
                built = _threshold(
                    manager, one.least, [known[id(part)] for part in one.of], one.weights
                )
            case _:
                assert_never(one)
        known[id(one)] = built
    return known[id(formula)]


def _threshold(
    manager: BDDManager, least: int, of: Sequence[BDDFunction], weights: Sequence[int]
) -> BDDFunction:
    """Decide from the last to the first: `known[s]` says whether `s` reached so far will do."""
    total = sum(weights)
    if least > total:
        return manager.false()
    ends = max(least, 0)
    known = [manager.true() if reached >= least else manager.false() for reached in range(ends + 1)]
    for part, weight in zip(reversed(of), reversed(weights), strict=True):
        known = [
            part.ite(known[min(ends, reached + weight)], known[reached])
            for reached in range(ends + 1)
        ]
    return known[0]


def _laid_out(root: BDDFunction, order: list[int]) -> tuple[int, list[Level], int]:
    """Number the nodes (0 is false, 1 is true) and sort them by level, top first."""
    numbers: dict[BDDFunction, int] = {}
    rows: dict[int, list[tuple[int, BDDFunction, BDDFunction]]] = {}
    fixed: dict[BDDFunction, int] = {}
    stack = [root]
    count = 2
    while stack:
        node = stack.pop()
        if node in numbers or node in fixed:
            continue
        below = node.cofactors()
        if below is None:
            fixed[node] = TRUE if node.valid() else FALSE
            continue
        numbers[node] = count
        level = node.node_level()
        assert level is not None
        rows.setdefault(level, []).append((count, *below))
        count += 1
        stack.extend(below)
    numbers.update(fixed)
    levels = [
        Level(
            order[level],
            np.array([row[0] for row in rows[level]]),
            np.array([numbers[row[1]] for row in rows[level]]),
            np.array([numbers[row[2]] for row in rows[level]]),
        )
        for level in sorted(rows)
    ]
    return numbers[root], levels, count
