"""In which order a diagram asks about the events: what is close in the tree stands close in the order.

The size of a diagram is exponential in how many blocks are half known at some place of the order. Two
orders are tried, and the one whose gates reach over fewer places is taken: the depth-first walk, best
for trees, and a bandwidth-reducing order of the graph of gates and events (Cuthill and McKee 1969),
polished by moving each to the middle of its neighbours (FORCE: Aloul, Markov and Sakallah 2003), best
where parts are shared by neighbours. Finding the best order is NP-hard; this takes milliseconds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.csgraph import reverse_cuthill_mckee

from ninefold.design.formula import Var, parts, postorder

if TYPE_CHECKING:
    from collections.abc import Hashable

    from numpy.typing import NDArray

    from ninefold.design.formula import Formula

# A gate over more than this (a site, the service itself) says nothing about who is whose neighbour.
NEIGHBOURS_MAX: Final = 32
# Each round moves information one gate further; after Cuthill-McKee the order is nearly at rest.
ROUNDS: Final = 60


def event_order(formula: Formula) -> list[int]:
    """Return every event of a formula once, in the order in which a diagram should ask."""
    walked = depth_first(formula)
    if len(walked) < 3:
        return walked
    gates = _gates(formula)
    if not len(gates.edges):
        return walked
    polished = _events(gates, _polished(gates, _banded(gates)))
    return min((walked, polished), key=lambda order: _open(formula, order))


def _open(formula: Formula, order: list[int]) -> tuple[int, int]:
    """Return how many small gates are half asked about at the worst place, and over all places."""
    place = {event: number for number, event in enumerate(order)}
    ends: dict[int, tuple[int, int]] = {}
    change = np.zeros(len(order) + 1, dtype=np.int64)
    for one in postorder(formula):
        if isinstance(one, Var):
            ends[id(one)] = (place[one.number], place[one.number])
            continue
        below = [ends[id(part)] for part in parts(one) if id(part) in ends]
        if not below:
            continue
        low, high = min(low for low, _ in below), max(high for _, high in below)
        ends[id(one)] = (low, high)
        if len(below) <= NEIGHBOURS_MAX:
            change[low] += 1
            change[high] -= 1
    half = np.cumsum(change)
    return int(half.max()), int(half.sum())


def depth_first(formula: Formula) -> list[int]:
    """Return the events as a depth-first walk meets them, smaller branches first."""
    weight: dict[int, int] = {}
    for one in postorder(formula):
        weight[id(one)] = 1 + sum(weight[id(part)] for part in parts(one))
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


class _Gates(NamedTuple):
    """The graph: numbers of events and gates, and the small gates' edges as (gate, part) rows."""

    numbers: dict[Hashable, int]
    edges: NDArray[np.int64]


def _key(one: Formula) -> Hashable:
    return ("event", one.number) if isinstance(one, Var) else id(one)


def _gates(formula: Formula) -> _Gates:
    numbers: dict[Hashable, int] = {}
    edges: list[tuple[int, int]] = []
    for one in postorder(formula):
        number = numbers.setdefault(_key(one), len(numbers))
        below = parts(one)
        if 0 < len(below) <= NEIGHBOURS_MAX:
            edges.append((number, number))
            edges.extend((number, numbers[_key(part)]) for part in below)
    return _Gates(numbers, np.array(edges, dtype=np.int64).reshape(-1, 2))


def _banded(gates: _Gates) -> NDArray[np.float64]:
    """Return each one's place after Cuthill and McKee."""
    size = len(gates.numbers)
    rows, columns = gates.edges.T
    graph = csr_array((np.ones(len(rows)), (rows, columns)), shape=(size, size))
    found = reverse_cuthill_mckee((graph + graph.T).tocsr(), symmetric_mode=True)
    places = np.empty(size)
    places[found] = np.arange(size)
    return places


def _polished(gates: _Gates, places: NDArray[np.float64]) -> NDArray[np.float64]:
    """Move each to the mean of its gates' middles, over and over; keep the best places seen."""
    owner = np.unique(gates.edges[:, 0], return_inverse=True)[1]
    member = gates.edges[:, 1]
    size = len(places)
    count = np.bincount(owner)
    degree = np.bincount(member, minlength=size)
    best, least = places, np.inf
    for _ in range(ROUNDS):
        reach = _spans(owner, len(count), places[member])
        if reach < least:
            best, least = places, reach
        middle = np.bincount(owner, weights=places[member]) / count
        pull = np.bincount(member, weights=middle[owner], minlength=size)
        moved = np.where(degree > 0, pull / np.maximum(degree, 1), places)
        places = np.empty(size)
        places[np.argsort(moved, kind="stable")] = np.arange(size)
    return best


def _spans(owner: NDArray[np.int64], gates: int, places: NDArray[np.float64]) -> float:
    low, high = np.full(gates, np.inf), np.full(gates, -np.inf)
    np.minimum.at(low, owner, places)
    np.maximum.at(high, owner, places)
    return float((high - low).sum())


def _events(gates: _Gates, places: NDArray[np.float64]) -> list[int]:
    rows = [
        (places[number], key[1]) for key, number in gates.numbers.items() if isinstance(key, tuple)
    ]
    return [event for _, event in sorted(rows)]
