"""What uncertain inputs do to a service: a band by chance, a tornado by one input at a time.

Every estimate is lognormal around its median. What several events stand on moves all of them: the
failure rate of a node moves its own event, the common causes it takes part in, and how often its group
fails over. A group's waiting follows its inputs to first order, as `tree.Wait` says; everything else
is computed anew.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final, TypeAlias

import numpy as np

from ninefold.design.model import MINUTES_PER_YEAR
from ninefold.design.results import Band, Bar

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from ninefold.design.bdd import Bdd
    from ninefold.design.model import Estimate
    from ninefold.design.tree import Event

# The 95th percentile of the normal distribution: an error factor is exp of so many sigmas.
Z95: Final = 1.6448536269514722
BARS_SHOWN: Final = 12
RATE: Final = "failure rate"
REPAIR: Final = "repair time"
SHARE: Final = "share of time"
BETA: Final = "share of failures in common"

# An input: whose, and which quantity of it.
Input: TypeAlias = tuple[str, str]


def inputs_of(events: Sequence[Event]) -> dict[Input, tuple[Estimate, list[int]]]:
    """Return every uncertain input, and the numbers of the events that it moves."""
    found: dict[Input, tuple[Estimate, list[int]]] = {}
    by_name = {event.name: event for event in events}

    def note(number: int, subject: str, quantity: str, estimate: Estimate | None) -> None:
        if estimate is not None and estimate.error_factor > 1:
            numbers = found.setdefault((subject, quantity), (estimate, []))[1]
            if number not in numbers[-1:]:
                numbers.append(number)

    def own(number: int, event: Event) -> None:
        note(number, event.part, RATE, event.failures)
        note(number, event.part, REPAIR, event.repair)
        note(number, event.part, SHARE, event.share)

    for number, event in enumerate(events):
        own(number, event)
        for name, beta in event.betas:
            note(number, name, BETA, beta)
        note(number, event.part, BETA, event.beta)
        for member in event.members:
            own(number, member)
        if event.wait is None or event.dynamics is None:
            continue
        note(number, event.part, event.wait.quantity, event.wait.length)
        for name in event.dynamics.demand:
            cause = by_name.get(name)
            if cause is None:
                continue
            for one in (cause, *cause.members):
                note(number, one.part, RATE, one.failures)
            note(number, cause.part, BETA, cause.beta)
            for shared, taken in cause.betas:
                note(number, shared, BETA, taken)
        for chance in event.dynamics.chances if event.wait.uncovered else ():
            note(number, chance.subject, chance.quantity, chance.estimate)
    return found


class Shares:
    """The events' shares of time when inputs are multiplied by `factors`, each an array (draws,)."""

    def __init__(
        self, events: Mapping[str, Event], factors: Mapping[Input, NDArray[np.float64]], draws: int
    ) -> None:
        self._events = events
        self._factors = factors
        self._one = np.ones(draws)

    def of(self, event: Event) -> NDArray[np.float64]:
        """Return one event's shares, (draws,)."""
        if event.wait is not None:
            return self._waiting(event)
        if event.beta is not None:
            total = sum((self._whole(member) for member in event.members), 0.0 * self._one)
            return self._beta(event.part, event.beta) * total / len(event.members)
        return self._whole(event) * self._left(event)

    def _factor(self, subject: str, quantity: str) -> NDArray[np.float64]:
        return self._factors.get((subject, quantity), self._one)

    def _beta(self, name: str, beta: Estimate) -> NDArray[np.float64]:
        return np.minimum(1.0, beta.value * self._factor(name, BETA))

    def _left(self, event: Event) -> NDArray[np.float64]:
        """What common causes leave to the part's own event."""
        taken = sum((self._beta(name, beta) for name, beta in event.betas), 0.0 * self._one)
        return np.maximum(0.0, 1 - taken)

    def _whole(self, event: Event) -> NDArray[np.float64]:
        if event.share is not None:
            return np.minimum(1.0, event.share.value * self._factor(event.part, SHARE))
        if event.failures is None or event.repair is None:
            return 0.0 * self._one
        product = (event.failures.value * self._factor(event.part, RATE)) * (
            event.repair.value * self._factor(event.part, REPAIR)
        )
        return product / (1 + product)

    def _waiting(self, event: Event) -> NDArray[np.float64]:
        wait, dynamics = event.wait, event.dynamics
        assert wait is not None
        assert dynamics is not None
        demand = self._one + sum(
            (weight * (self._rate(name) - 1) for name, weight in dynamics.demand.items()),
            0.0 * self._one,
        )
        grown = wait.share * np.maximum(demand, 0.0) ** wait.power
        grown = grown * self._factor(event.part, wait.quantity)
        if wait.uncovered and dynamics.coverage < 1:
            coverage = dynamics.coverage + sum(
                (
                    chance.slope * (np.minimum(1.0, value * factor) - value)
                    for chance in dynamics.chances
                    for value in (chance.estimate.value,)
                    for factor in (self._factor(chance.subject, chance.quantity),)
                ),
                0.0 * self._one,
            )
            grown = grown * np.clip(1 - coverage, 0.0, 1.0) / (1 - dynamics.coverage)
        return np.minimum(1.0, grown)

    def _rate(self, name: str) -> NDArray[np.float64]:
        """By how much a cause strikes more often."""
        event = self._events.get(name)
        if event is None:
            return self._one
        if event.beta is not None:
            rates = [m.failures.value if m.failures is not None else 0.0 for m in event.members]
            weighed = zip(rates, event.members, strict=True)
            total = sum((r * self._factor(m.part, RATE) for r, m in weighed), 0.0 * self._one)
            mean = total / sum(rates) if sum(rates) else self._one
            return mean * self._beta(event.part, event.beta) / event.beta.value
        left = max(0.0, 1 - sum(beta.value for _, beta in event.betas))
        share = self._left(event) / left if left else self._one
        return self._factor(event.part, RATE) * share


def band(bdd: Bdd, events: Sequence[Event], samples: int, seed: int) -> Band:
    """Draw every input from its lognormal, seeded; the same seed gives the same band."""
    dice = np.random.default_rng(seed)
    factors = {
        name: np.exp(dice.standard_normal(samples) * math.log(estimate.error_factor) / Z95)
        for name, (estimate, _) in inputs_of(events).items()
    }
    shares = Shares({event.name: event for event in events}, factors, samples)
    q = np.array([shares.of(event) for event in events]) if events else np.zeros((1, samples))
    p5, p50, p95 = np.percentile(bdd.probability(q) * MINUTES_PER_YEAR, [5, 50, 95])
    return Band(float(p5), float(p50), float(p95), samples)


def tornado(
    bdd: Bdd,
    events: Sequence[Event],
    q: NDArray[np.float64],
    slopes: NDArray[np.float64],
    down: float,
) -> tuple[Bar, ...]:
    """Move one input at a time to its 5th and 95th percentile, with all that stands on it.

    An input of one event needs no new sweep: the sum is linear in each event.
    """
    bars: list[Bar] = []
    by_name = {event.name: event for event in events}
    several: list[tuple[Input, list[int], list[NDArray[np.float64]]]] = []
    for name, (estimate, numbers) in inputs_of(events).items():
        edges = np.array([1 / estimate.error_factor, estimate.error_factor])
        shares = Shares(by_name, {name: edges}, 2)
        moved = [shares.of(events[number]) for number in numbers]
        if len(numbers) == 1:
            change = slopes[numbers[0]] * (moved[0] - q[numbers[0]])
            bars.append(_bar(name, down + change))
        else:
            several.append((name, numbers, moved))
    if several:
        columns = np.repeat(q[:, np.newaxis], 2 * len(several), axis=1)
        for place, (_, numbers, moved) in enumerate(several):
            columns[numbers, 2 * place : 2 * place + 2] = np.array(moved)
        found = bdd.probability(columns).reshape(-1, 2)
        bars += [_bar(name, ends) for (name, _, _), ends in zip(several, found, strict=True)]
    bars.sort(
        key=lambda b: (
            -abs(b.low_minutes_per_year - b.high_minutes_per_year),
            b.event,
            b.quantity,
        )
    )
    return tuple(bars[:BARS_SHOWN])


def _bar(name: Input, ends: NDArray[np.float64]) -> Bar:
    low, high = (float(end) * MINUTES_PER_YEAR for end in ends)
    return Bar(*name, low, high)
