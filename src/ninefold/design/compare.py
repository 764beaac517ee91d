"""Several designs side by side: what each gains over the first, and what a unit of cost buys.

The first design is what the others are measured against. Minutes are summed over the services that
all of them have; a single point of failure counts once, however many services it takes down. A
design is *beaten* when another costs no more and is down no longer, and is better in one of the two.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ninefold.design.model import Infrastructure
    from ninefold.design.results import Report, ServiceResult


class OptionService(msgspec.Struct, frozen=True):
    """What one design makes of one service."""

    service: str
    availability: float
    minutes_per_year: float
    slo: float | None
    meets_slo: bool | None
    spofs: tuple[str, ...]


class Option(msgspec.Struct, frozen=True):
    """One design. `saved` and `extra` are against the first one; costs are `None` if not known.

    `minutes_per_cost` is what a unit of extra cost saves in minutes a year, `payback_years` how long
    the extra cost takes to come back by the downtime saved; both `None` where they mean nothing.
    """

    name: str
    file: str
    services: tuple[OptionService, ...]
    minutes_per_year: float
    spofs: tuple[str, ...]
    cost: float | None
    downtime_cost_per_year: float | None
    saved_minutes_per_year: float = 0.0
    extra_cost: float | None = None
    minutes_per_cost: float | None = None
    payback_years: float | None = None
    spofs_gone: tuple[str, ...] = ()
    spofs_new: tuple[str, ...] = ()
    beaten_by: str = ""


class Comparison(msgspec.Struct, frozen=True):
    """All designs in the order given, and in sentences what is best."""

    services: tuple[str, ...]
    currency: str
    options: tuple[Option, ...]
    verdict: tuple[str, ...]
    notes: tuple[str, ...] = ()


class Incomparable(Exception):
    """The designs have nothing in common; the message says what to do."""


def compare(designs: Sequence[tuple[Infrastructure, Report]]) -> Comparison:
    """Compare two designs or more. Raises `Incomparable`."""
    assert len(designs) > 1
    common = [
        name
        for name in designs[0][0].services
        if all(name in model.services for model, _ in designs)
    ]
    if not common:
        raise Incomparable(
            "These designs have no service in common; give the services that are meant to be the "
            "same the same name."
        )
    currencies = dict.fromkeys(model.currency for model, _ in designs if model.currency)
    costed = len(currencies) < 2 and any(_cost(model) for model, _ in designs)
    labels = _labels([model for model, _ in designs])
    plain = [
        _option(label, model, report, common, costed=costed)
        for label, (model, report) in zip(labels, designs, strict=True)
    ]
    options = [_against(plain[0], option) for option in plain]
    options = [msgspec.structs.replace(o, beaten_by=_beaten_by(o, options)) for o in options]
    currency = next(iter(currencies), "") if costed else ""
    return Comparison(
        tuple(common),
        currency,
        tuple(options),
        tuple(_verdict(options, currency)),
        tuple(_notes([model for model, _ in designs], common, list(currencies), costed=costed)),
    )


def _labels(models: Sequence[Infrastructure]) -> list[str]:
    """Return the models' names, or their files where names are the same."""
    counts = Counter(model.name for model in models)
    return [m.name if counts[m.name] == 1 else m.file or m.name for m in models]


def _cost(model: Infrastructure) -> float:
    return sum(part.cost for part in model.parts.values())


def _option(
    label: str, model: Infrastructure, report: Report, common: list[str], *, costed: bool
) -> Option:
    found = {result.service: result for result in report.services}
    results = [found[name] for name in common]
    spofs = sorted({spof.part for result in results for spof in result.spofs})
    priced = [result.cost_per_year for result in results if result.cost_per_year is not None]
    return Option(
        name=label,
        file=model.file,
        services=tuple(_service(result) for result in results),
        minutes_per_year=sum(result.minutes_per_year for result in results),
        spofs=tuple(spofs),
        cost=_cost(model) if costed else None,
        downtime_cost_per_year=sum(priced) if priced else None,
    )


def _service(result: ServiceResult) -> OptionService:
    return OptionService(
        result.service,
        result.availability,
        result.minutes_per_year,
        result.slo,
        result.meets_slo,
        tuple(spof.part for spof in result.spofs),
    )


def _against(first: Option, option: Option) -> Option:
    saved = first.minutes_per_year - option.minutes_per_year
    extra = None
    if option.cost is not None and first.cost is not None:
        extra = option.cost - first.cost
    earned = None
    if option.downtime_cost_per_year is not None and first.downtime_cost_per_year is not None:
        earned = first.downtime_cost_per_year - option.downtime_cost_per_year
    dearer = extra is not None and extra > 0
    return msgspec.structs.replace(
        option,
        saved_minutes_per_year=saved,
        extra_cost=extra,
        minutes_per_cost=saved / extra if dearer and extra is not None else None,
        payback_years=extra / earned
        if dearer and extra is not None and earned is not None and earned > 0
        else None,
        spofs_gone=tuple(name for name in first.spofs if name not in option.spofs),
        spofs_new=tuple(name for name in option.spofs if name not in first.spofs),
    )


def _beaten_by(option: Option, options: Sequence[Option]) -> str:
    """Return the name of the first design that is better in one respect and worse in none."""
    for other in options:
        if option.cost is None or other.cost is None or other is option:
            continue
        mine = (option.cost, option.minutes_per_year)
        its = (other.cost, other.minutes_per_year)
        if its != mine and its[0] <= mine[0] and its[1] <= mine[1]:
            return other.name
    return ""


def _verdict(options: Sequence[Option], currency: str) -> list[str]:
    best = min(options, key=lambda option: option.minutes_per_year)
    said = [f"Shortest downtime: {best.name}, {_told(best.minutes_per_year)} minutes a year."]
    worthy = [o for o in options if o.minutes_per_cost is not None and o.minutes_per_cost > 0]
    if worthy:
        value = max(worthy, key=lambda option: option.minutes_per_cost or 0.0)
        unit = f"1,000 {currency}".rstrip()
        saved = 1000 * (value.minutes_per_cost or 0.0)
        said.append(
            f"Most for the money: {value.name} saves {_told(saved)} minutes a year for each {unit} "
            f"beyond {options[0].name}."
        )
    said += _keeping(options)
    said += [
        f"{option.name} is beaten by {option.beaten_by}, which costs no more and is down no longer."
        for option in options
        if option.beaten_by
    ]
    return said


def _keeping(options: Sequence[Option]) -> list[str]:
    """Say which designs keep what was promised, if anything was."""
    if not any(service.slo is not None for option in options for service in option.services):
        return []
    keeping = [o for o in options if all(s.meets_slo is not False for s in o.services)]
    if not keeping:
        return ["None keeps every objective."]
    cheapest = min(keeping, key=lambda option: option.cost or 0.0)
    if cheapest.cost is not None:
        return [f"Cheapest that keeps every objective: {cheapest.name}."]
    return [f"Keep every objective: {', '.join(option.name for option in keeping)}."]


def _notes(
    models: Sequence[Infrastructure], common: list[str], currencies: list[str], *, costed: bool
) -> list[str]:
    notes = []
    apart = sorted({name for model in models for name in model.services if name not in common})
    if apart:
        notes.append(f"Left out, because not all designs have them: {', '.join(apart)}.")
    if len(currencies) > 1:
        notes.append(f"Costs are not compared: they are in {' and '.join(currencies)}.")
    elif not costed:
        notes.append("No part has a cost: give some to see what a minute costs.")
    return notes


def _told(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
