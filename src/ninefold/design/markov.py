"""Continuous-time Markov chains: states with names, rates per hour, and three questions.

How is time shared among the states in the long run, what is the chance of each after a while, and
how long does it take to get somewhere for the first time? See Trivedi and Bobbio, "Reliability and
Availability Engineering" (2017), chapters 9 and 10.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
from scipy import linalg
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

if TYPE_CHECKING:
    from collections.abc import Collection, Hashable, Mapping

    from numpy.typing import NDArray

# Dense algebra is exact enough and fast for what a group of a few dozen nodes needs.
STATES_MAX: Final = 3000


class NotAChain(Exception):
    """The rates describe no chain that the question can be asked of; the message says why."""


class Chain:
    """A chain from its rates: `rates[a, b]` per hour from state `a` to `b`."""

    def __init__(self, rates: Mapping[tuple[Hashable, Hashable], float]) -> None:
        """Raise `NotAChain` for a negative rate, a loop, or too many states."""
        self.states: list[Hashable] = list(dict.fromkeys(s for pair in rates for s in pair))
        self._numbers = {state: number for number, state in enumerate(self.states)}
        if len(self.states) > STATES_MAX:
            raise NotAChain(f"{len(self.states)} states are more than {STATES_MAX}")
        self.generator = np.zeros((len(self.states), len(self.states)))
        for (source, target), rate in rates.items():
            if source == target:
                raise NotAChain(f"{source!r} leads to itself")
            if not 0 <= rate < np.inf:
                raise NotAChain(f"the rate from {source!r} to {target!r} is {rate}")
            self.generator[self._numbers[source], self._numbers[target]] += rate
        np.fill_diagonal(self.generator, -self.generator.sum(axis=1))

    def steady(self) -> dict[Hashable, float]:
        """Return the share of time in each state in the long run.

        Raises `NotAChain` if that depends on where the chain began. Solved without subtractions
        (Grassmann, Taksar and Heyman 1985), so that tiny shares keep all their digits.
        """
        matrix = self.generator.copy()
        np.fill_diagonal(matrix, 0.0)
        count, _ = connected_components(csr_array(matrix), connection="strong")
        if count != 1:
            raise NotAChain(f"{count} groups of states do not lead into each other")
        for last in range(len(self.states) - 1, 0, -1):
            out = matrix[last, :last].sum()
            matrix[:last, last] /= out
            matrix[:last, :last] += np.outer(matrix[:last, last], matrix[last, :last])
        shares = np.zeros(len(self.states))
        shares[0] = 1.0
        for state in range(1, len(self.states)):
            shares[state] = shares[:state] @ matrix[:state, state]
        shares /= shares.sum()
        return {state: float(shares[number]) for state, number in self._numbers.items()}

    def after(self, hours: float, start: Hashable) -> dict[Hashable, float]:
        """Return the chance of each state `hours` after `start`."""
        assert hours >= 0
        row: NDArray[np.float64] = linalg.expm(self.generator * hours)[self._numbers[start]]
        chances = np.clip(row, 0.0, 1.0)
        chances /= chances.sum()
        return {state: float(chances[number]) for state, number in self._numbers.items()}

    def reached(self, hours: float, goals: Collection[Hashable], start: Hashable) -> float:
        """Return the chance that some of `goals` was entered within `hours` after `start`."""
        return sum(self._stopping(goals).after(hours, start)[goal] for goal in goals)

    def _stopping(self, goals: Collection[Hashable]) -> Chain:
        """Return the chain that stays in `goals` once it is there."""
        kept = Chain({})
        kept.states, kept._numbers = self.states, self._numbers
        kept.generator = self.generator.copy()
        kept.generator[[self._numbers[goal] for goal in goals]] = 0.0
        return kept

    def mean_time_to(self, goals: Collection[Hashable], start: Hashable) -> float:
        """Return the mean hours from `start` until the first of `goals`.

        Raises `NotAChain` if it may never come. The chain is sent back to the start, an hour after it
        reached a goal: the mean time is the ratio of what it spends outside and in, which `steady` finds
        without subtractions, however rare the goal is.
        """
        if start in goals:
            return 0.0
        goal = object()
        rates: dict[tuple[Hashable, Hashable], float] = {(goal, start): 1.0}
        seen = {start: None}
        queue = [start]
        for source in queue:
            row = self.generator[self._numbers[source]]
            for target, number in self._numbers.items():
                if target == source or not row[number]:
                    continue
                end = goal if target in goals else target
                rates[source, end] = rates.get((source, end), 0.0) + float(row[number])
                if end is not goal and target not in seen:
                    seen[target] = None
                    queue.append(target)
        try:
            shares = Chain(rates).steady()
        except NotAChain as error:
            raise NotAChain("some state never leads to the goal") from error
        return sum(share for state, share in shares.items() if state is not goal) / shares[goal]

    def frequency_into(self, goals: Collection[Hashable]) -> float:
        """Return how often per hour, in the long run, the chain enters `goals` from outside."""
        shares = self.steady()
        total = 0.0
        for source, number in self._numbers.items():
            if source in goals:
                continue
            total += shares[source] * sum(self.generator[number, self._numbers[g]] for g in goals)
        return float(total)
