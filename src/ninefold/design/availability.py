"""One service: how often and how long its users are without it, why, and how sure that is.

Everything is read off one diagram: the probability, its derivatives (hence the weights, the
frequency and the tornado, for the probability is linear in each event), the cut sets of order one
and two, and a thousand draws at once for the band. Steady state, unplanned; planned work is counted
apart. The mission is the chance of not a single interruption: R(t) = exp(-w t / A), with w the
frequency of the service's failures (Vesely 1970), exact for exponential interruptions.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

import numpy as np

from ninefold.design.bdd import Bdd
from ninefold.design.cutsets import order_one_and_two
from ninefold.design.model import MINUTES_PER_YEAR
from ninefold.design.results import Band, Bar, CutSet, ServiceResult, Spof, Weight
from ninefold.design.spof import mitigation
from ninefold.design.tree import Tree

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from ninefold.design.model import Estimate, Infrastructure, Service
    from ninefold.design.tree import Dynamics, Event

# The 95th percentile of the normal distribution: an error factor is exp of so many sigmas.
Z95: Final = 1.6448536269514722
PAIRS_SHOWN: Final = 50
BARS_SHOWN: Final = 12


def analyse_service(
    model: Infrastructure,
    service: Service,
    dynamics: Mapping[str, Dynamics],
    *,
    samples: int = 1000,
    seed: int = 1,
) -> ServiceResult:
    """Analyse one service; `dynamics` has what each group's Markov chain adds.

    `samples` 0 leaves the band out. Raises `bdd.TooLarge`.
    """
    tree = Tree(model, dynamics)
    formula = tree.service(service)
    events = tree.events
    bdd = Bdd(formula, max(1, len(events)))
    q = np.array([event.q for event in events] or [0.0])
    down = float(bdd.probability(q))
    slopes = bdd.birnbaum(q)
    alone, pairs = order_one_and_two(bdd)
    frequency = sum(
        float(slope) * (event.rate or 0.0) * (1 - event.q)
        for slope, event in zip(slopes, events, strict=False)
    )
    return ServiceResult(
        service=service.name,
        availability=1 - down,
        minutes_per_year=down * MINUTES_PER_YEAR,
        planned_minutes_per_year=_planned(model, [events[number] for number in alone]),
        slo=service.slo,
        meets_slo=None if service.slo is None else 1 - down >= service.slo,
        reliability=math.exp(-frequency / max(1 - down, 1e-12) * model.mission_h),
        mission_h=model.mission_h,
        band=_band(bdd, events, samples, seed) if samples else None,
        spofs=_spofs(service, events, alone, q, slopes),
        pairs=_pairs(events, pairs, q),
        weights=_weights(events, q, slopes, down),
        tornado=_tornado(events, q, slopes, down),
        notes=_notes(model, service),
    )


def _planned(model: Infrastructure, alone: list[Event]) -> float:
    """Return the minutes a year of counted planned work on what the service cannot do without."""
    total = 0.0
    for event in alone:
        part = model.parts.get(event.part)
        if part is None or part.maintenance is None or part.maintenance.excluded:
            continue
        total += part.maintenance.takes_h / part.maintenance.every_h * MINUTES_PER_YEAR
    return total


def _spofs(
    service: Service,
    events: list[Event],
    alone: list[int],
    q: NDArray[np.float64],
    slopes: NDArray[np.float64],
) -> tuple[Spof, ...]:
    rows = [
        Spof(
            service.name,
            event.part,
            event.kind,
            event.layer,
            float(q[number] * slopes[number]) * MINUTES_PER_YEAR,
            # A second, independent one: down only while both are.
            float((q[number] - q[number] ** 2) * slopes[number]) * MINUTES_PER_YEAR,
            mitigation(event),
        )
        for number in alone
        for event in (events[number],)
        if event.kind != "failover-group"
    ]
    return tuple(sorted(rows, key=lambda row: (-row.minutes_per_year, row.part)))


def _pairs(
    events: list[Event], pairs: list[tuple[int, int]], q: NDArray[np.float64]
) -> tuple[CutSet, ...]:
    rows = [
        CutSet(
            (events[first].name, events[second].name),
            float(q[first] * q[second]),
            float(q[first] * q[second]) * MINUTES_PER_YEAR,
        )
        for first, second in pairs
    ]
    return tuple(sorted(rows, key=lambda row: (-row.probability, row.events))[:PAIRS_SHOWN])


def _weights(
    events: list[Event], q: NDArray[np.float64], slopes: NDArray[np.float64], down: float
) -> tuple[Weight, ...]:
    rows = []
    for number, event in enumerate(events):
        critical = float(q[number] * slopes[number])
        without = down - critical
        rows.append(
            Weight(
                event.name,
                event.title,
                event.q,
                float(slopes[number]),
                critical / down if down else 0.0,
                (without + float(slopes[number])) / down if down else 1.0,
                math.inf if down and without <= down * 1e-12 else down / without if down else 1.0,
            )
        )
    return tuple(sorted(rows, key=lambda row: (-row.fussell_vesely, row.event)))


def _factor(estimate: Estimate | None, normal: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return lognormal factors around a median of one."""
    if estimate is None or estimate.error_factor == 1:
        return np.ones_like(normal)
    spread: NDArray[np.float64] = np.exp(normal * math.log(estimate.error_factor) / Z95)
    return spread


def _shares(
    event: Event, first: NDArray[np.float64], second: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return an event's share of time for standard normal draws of its two inputs."""
    if event.share is not None:
        return np.minimum(1.0, event.share.value * _factor(event.share, first))
    if event.failures is None or event.repair is None:
        return np.full_like(first, event.q)
    product = (event.failures.value * _factor(event.failures, first)) * (
        event.repair.value * _factor(event.repair, second)
    )
    shares: NDArray[np.float64] = event.factor * product / (1 + product)
    return shares


def _band(bdd: Bdd, events: list[Event], samples: int, seed: int) -> Band:
    """Draw every input from its lognormal, seeded; the same seed gives the same band."""
    dice = np.random.default_rng(seed)
    draws = [
        _shares(event, dice.standard_normal(samples), dice.standard_normal(samples))
        for event in events
    ]
    q = np.array(draws) if draws else np.zeros((1, samples))
    minutes = bdd.probability(q) * MINUTES_PER_YEAR
    p5, p50, p95 = np.percentile(minutes, [5, 50, 95])
    return Band(float(p5), float(p50), float(p95), samples)


def _tornado(
    events: list[Event], q: NDArray[np.float64], slopes: NDArray[np.float64], down: float
) -> tuple[Bar, ...]:
    """Move one input at a time to its 5th and 95th percentile: exact, the sum is linear in each."""
    bars = []
    edges, middle = np.array([-Z95, Z95]), np.zeros(2)
    for number, event in enumerate(events):
        inputs = [("share of time", edges, middle, event.share)]
        if event.share is None:
            inputs = [
                ("failure rate", edges, middle, event.failures),
                ("repair time", middle, edges, event.repair),
            ]
        for quantity, first, second, estimate in inputs:
            if estimate is None or estimate.error_factor == 1:
                continue
            low, high = _shares(event, first, second)
            minutes = [
                (down + float(slopes[number]) * float(share - q[number])) * MINUTES_PER_YEAR
                for share in (low, high)
            ]
            bars.append(Bar(event.name, quantity, *minutes))
    bars.sort(key=lambda b: (b.low_minutes_per_year - b.high_minutes_per_year, b.event))
    return tuple(bars[:BARS_SHOWN])


def _notes(model: Infrastructure, service: Service) -> tuple[str, ...]:
    guessed = [
        part.name
        for part in model.parts.values()
        if any(e is not None and e.replace_me for e in (part.failures, part.repair))
    ]
    if not guessed:
        return ()
    note = (
        f"{len(guessed)} parts have rates from the library of defaults; for {service.name} the "
        f"weights say which of them are worth replacing first."
    )
    return (note,)
