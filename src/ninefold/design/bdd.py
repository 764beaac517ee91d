"""Exact probabilities by binary decision diagrams.

A formula becomes a reduced ordered diagram (oxidd does that), which is then laid out as arrays, level
by level, so that one sweep from the bottom gives the probability, for a thousand draws at once if
wished, and one sweep from the top gives its derivative by every event. Exact whatever is shared;
what it costs is the size of the diagram, which depends on the order of the events (`event_order`).
See A. Rauzy, "New algorithms for fault trees analysis", Reliability Engineering and System Safety 40
(1993).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple, assert_never

import numpy as np
from oxidd.bdd import BDDManager
from oxidd.util import DDMemoryError

from ninefold.design.event_order import event_order
from ninefold.design.formula import And, Not, Or, Threshold, Var, parts, postorder

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from oxidd.bdd import BDDFunction

    from ninefold.design.formula import Formula

# Inner nodes at once, with the garbage between collections. Each takes some 20 bytes, so this is a few
# hundred MiB at the very worst.
NODES_MAX: Final = 8_000_000
# Most diagrams are small, and a small manager is made twenty times as fast: it is tried first.
NODES_FIRST: Final = 200_000
# Nodes in use at which building stops: beyond them it would spend its time collecting garbage, and
# laying out takes more than ten seconds.
IN_USE_MAX: Final = 2_000_000
CACHE: Final = 1_000_000
CACHE_FIRST: Final = 50_000
# Values held at once when many draws are computed together: 128 MiB.
CELLS: Final = 16_000_000
SUMS_MAX: Final = 100_000
FALSE: Final = 0
TRUE: Final = 1


class TooLarge(Exception):
    """The diagram outgrew its memory; the message says what to do."""


def _too_large(events: int) -> str:
    return (
        f"the fault tree over {events} events needs more than {IN_USE_MAX} nodes; describe blocks "
        f"that repeat as one part with rates of their own"
    )


def _manager(nodes: int, cache: int, order: list[int]) -> BDDManager:
    manager = BDDManager(nodes, cache, 1)
    manager.add_vars(len(order))
    return manager


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
        places = {event: place for place, event in enumerate(order)}
        try:
            root = _built(_manager(NODES_FIRST, CACHE_FIRST, order), formula, places)
        except DDMemoryError:
            try:
                root = _built(_manager(NODES_MAX, CACHE, order), formula, places)
            except DDMemoryError as error:
                raise TooLarge(_too_large(len(order))) from error
        self.root, self.levels, self.size = _laid_out(root, order)

    def probability(self, q: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return P(formula) for `q` of shape (events,) or (events, draws): a scalar or (draws,)."""
        if q.ndim == 1:
            found: NDArray[np.float64] = self._values(q)[self.root]
            return found
        step = max(1, CELLS // self.size)
        return np.concatenate(
            [
                self._values(q[:, first : first + step])[self.root]
                for first in range(0, q.shape[1], step)
            ]
        )

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


def _built(manager: BDDManager, formula: Formula, places: dict[int, int]) -> BDDFunction:
    """Build bottom up, and each gate from the part that is asked about last: no node is built twice."""
    known: dict[int, BDDFunction] = {}
    last: dict[int, int] = {}
    for one in postorder(formula):
        below = sorted(parts(one), key=lambda part: -last[id(part)])
        last[id(one)] = (
            places[one.number]
            if isinstance(one, Var)
            else max((last[id(part)] for part in below), default=-1)
        )
        built: BDDFunction
        match one:
            case Var():
                built = manager.var(places[one.number])
            case Not():
                built = ~known[id(one.of)]
            case And():
                built = manager.true()
                for part in below:
                    built &= known[id(part)]
                    _look(manager, places)
            case Or():
                built = manager.false()
                for part in below:
                    built |= known[id(part)]
                    _look(manager, places)
            case Threshold():
                built = _threshold(
                    manager, one.least, [known[id(part)] for part in one.of], one.weights
                )
            case _:
                assert_never(one)
        known[id(one)] = built
        _look(manager, places)
    return known[id(formula)]


def _look(manager: BDDManager, places: dict[int, int]) -> None:
    """Raise `TooLarge` if more nodes are in use than can be laid out in a reasonable time."""
    if manager.num_inner_nodes() > IN_USE_MAX:
        manager.gc()
        if manager.num_inner_nodes() > IN_USE_MAX:
            raise TooLarge(_too_large(len(places)))


def _threshold(
    manager: BDDManager, least: int, of: Sequence[BDDFunction], weights: Sequence[int]
) -> BDDFunction:
    """Decide from the last to the first: `known[s]` says whether `s` reached so far will do."""
    total = sum(weights)
    if least > total:
        return manager.false()
    ends = max(least, 0)
    # Only sums that can be reached are looked at: votes may be large numbers, nodes are few.
    sums = [{0}]
    for weight in weights:
        sums.append({min(ends, reached + w) for reached in sums[-1] for w in (0, weight)})
        if len(sums[-1]) > SUMS_MAX:
            raise TooLarge(f"{len(weights)} different votes add up in more than {SUMS_MAX} ways")
    known = {s: manager.true() if s >= least else manager.false() for s in sums[-1]}
    for place in reversed(range(len(of))):
        known = {
            s: of[place].ite(known[min(ends, s + weights[place])], known[s]) for s in sums[place]
        }
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
