"""One service: how often and how long its users are without it, why, and how sure that is.

Everything is read off one diagram: the probability, its derivatives (hence the weights and the
frequency, for the probability is linear in each event), the cut sets of order one and two, and many
draws at once for the band (`uncertainty`). Steady state, unplanned; planned work is counted apart. The
mission is the chance of not a single interruption: R(t) = exp(-w t / A), with w the frequency of the
service's failures (Vesely 1970), exact for exponential interruptions.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

import numpy as np

from ninefold.design.bdd import Bdd
from ninefold.design.cutsets import order_one_and_two
from ninefold.design.model import MINUTES_PER_YEAR
from ninefold.design.results import CutSet, LayerLoss, ServiceResult, Spof, Weight
from ninefold.design.spof import mitigation, saved
from ninefold.design.tree import Tree
from ninefold.design.uncertainty import band, tornado

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from ninefold.design.model import Infrastructure, Service
    from ninefold.design.tree import Dynamics, Event

PAIRS_SHOWN: Final = 50


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
        band=band(bdd, events, samples, seed) if samples else None,
        spofs=_spofs(model, service, [events[number] for number in alone], slopes[alone]),
        pairs=_pairs(events, pairs, q),
        weights=_weights(events, q, slopes, down),
        tornado=tornado(bdd, events, q, slopes, down),
        notes=_notes(model, events),
        layers=_layers(bdd, events, q, down),
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
    model: Infrastructure, service: Service, alone: list[Event], slopes: NDArray[np.float64]
) -> tuple[Spof, ...]:
    """Return the events that suffice alone and can happen, but for a group's own failovers."""
    rows = [
        Spof(
            service.name,
            event.part,
            event.kind,
            event.layer,
            event.q * float(slope) * MINUTES_PER_YEAR,
            saved(event, float(slope)) * MINUTES_PER_YEAR,
            mitigation(event, model),
        )
        for event, slope in zip(alone, slopes, strict=True)
        if event.wait is None and (event.q > 0 or event.rate)
    ]
    return tuple(sorted(rows, key=lambda row: (-row.minutes_per_year, row.part)))


def _layers(
    bdd: Bdd, events: list[Event], q: NDArray[np.float64], down: float
) -> tuple[LayerLoss, ...]:
    """Return what each layer costs: the downtime that would go if nothing of it ever failed."""
    layers = list(dict.fromkeys(event.layer for event in events))
    if not layers:
        return ()
    without = np.repeat(q[:, np.newaxis], len(layers), axis=1)
    for number, event in enumerate(events):
        without[number, layers.index(event.layer)] = 0.0
    rows = [
        LayerLoss(layer, (down - float(left)) * MINUTES_PER_YEAR)
        for layer, left in zip(layers, bdd.probability(without), strict=True)
    ]
    return tuple(sorted(rows, key=lambda row: (-row.minutes_per_year, row.layer)))


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


def _notes(model: Infrastructure, events: list[Event]) -> tuple[str, ...]:
    notes = []
    fixed = [event.part for event in events if event.rate is None and event.q > 0]
    if fixed:
        notes.append(
            f"{', '.join(fixed[:5])}{' and others' if len(fixed) > 5 else ''}: a share of time down "
            f"is given, but not how often; the chance of a mission without interruption does not "
            f"count these failures. Give rate and mttr."
        )
    crews = sorted({model.parts[e.part].crew for e in events if e.part in model.parts} - {""})
    if crews:
        notes.append(
            f"Repairs of single parts are taken as independent: of crew {', '.join(crews)} there is "
            f"always somebody. Within a failover group its size counts."
        )
    return tuple(notes)
