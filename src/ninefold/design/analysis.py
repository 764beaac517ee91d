"""All analyses of a model, in the order in which they need each other."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from ninefold.design import failover, groups
from ninefold.design.availability import analyse_service
from ninefold.design.capacity import capacity_rows
from ninefold.design.checklist import checklist
from ninefold.design.domains import Fallen
from ninefold.design.fence_check import fence_rows
from ninefold.design.policy import NoLife, Pace, simulate
from ninefold.design.quorum_table import quorum_table
from ninefold.design.results import InputRow, PolicyResult, Report
from ninefold.design.timing import timing_rows

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ninefold.design.audit.facts import HostFacts
    from ninefold.design.model import Estimate, Group, Infrastructure, Part
    from ninefold.design.results import GroupResult, Prediction, ServiceResult
    from ninefold.design.tree import Dynamics


def analyse(
    model: Infrastructure,
    *,
    samples: int = 1000,
    seed: int = 1,
    policy_years: float = 0.0,
    hosts: Sequence[HostFacts] = (),
    progress: Callable[[str], None] = lambda _: None,
    lived: Callable[[float], None] = lambda _: None,
) -> Report:
    """Return the report of a model; `policy_years` 0 leaves the simulation out.

    `progress` is told what comes next, `lived` which share of the simulated years is over. Raises `bdd.TooLarge`.
    """
    predictions = {name: failover.predict(group) for name, group in model.groups.items()}
    results: dict[str, GroupResult] = {}
    dynamics: dict[str, Dynamics] = {}
    for name, group in model.groups.items():
        progress(f"group {name}")
        results[name] = groups.analyse_group(model, group, predictions[name])
        dynamics[name] = groups.dynamics(model, group, predictions[name], results[name])
    services = _services(model, results, dynamics, (samples, seed), progress)
    if policy_years > 0:
        progress(f"{policy_years:g} years of life under the real policy")
    policy, notes = _lives(model, predictions, policy_years, seed, lived)
    progress("checks")
    every = model.groups.values()
    report = Report(
        name=model.name,
        description=model.description,
        file=model.file,
        services=services,
        groups=tuple(results.values()),
        predictions=tuple(predictions.values()),
        quorum=tuple(quorum_table(model, group) for group in every),
        capacity=tuple(row for group in every for row in capacity_rows(model, group)),
        fencing=tuple(row for group in every for row in fence_rows(model, group)),
        timing=tuple(row for group in every for row in timing_rows(model, group)),
        inputs=input_rows(model),
        policy=policy,
        notes=notes,
    )
    return msgspec.structs.replace(
        report, checklist=checklist(model, results={s.service: s for s in services}, hosts=hosts)
    )


def _services(
    model: Infrastructure,
    results: dict[str, GroupResult],
    dynamics: dict[str, Dynamics],
    draws: tuple[int, int],
    progress: Callable[[str], None],
) -> tuple[ServiceResult, ...]:
    """Analyse each service; `draws` are how many samples and their seed."""
    samples, seed = draws
    services = []
    for service in model.services.values():
        progress(f"service {service.name}")
        found = analyse_service(model, service, dynamics, samples=samples, seed=seed)
        planned = sum(
            results[name].minutes_planned
            for name in results
            if _stands_on(model, service.name, name)
        )
        cost = None
        if service.downtime_cost is not None:
            cost = found.minutes_per_year / 60 * service.downtime_cost
        services.append(
            msgspec.structs.replace(
                found,
                planned_minutes_per_year=found.planned_minutes_per_year + planned,
                cost_per_year=cost,
            )
        )
    return tuple(services)


def _stands_on(model: Infrastructure, service: str, group: str) -> bool:
    """Tell whether a service is down while a group is: planned work on a spare one costs nothing."""
    return Fallen(model, (group,)).down(service)


def _lives(
    model: Infrastructure,
    predictions: dict[str, Prediction],
    years: float,
    seed: int,
    lived: Callable[[float], None],
) -> tuple[tuple[PolicyResult, ...], tuple[str, ...]]:
    if years <= 0:
        return (), ()
    paces = {name: pace_of(model, group, predictions[name]) for name, group in model.groups.items()}
    try:
        return simulate(model, paces, years=years, seed=seed, lived=lived), ()
    except NoLife as error:
        return (), (f"No life could be simulated: {error}.",)


def pace_of(model: Infrastructure, group: Group, prediction: Prediction) -> Pace:
    """Return the lengths of a failover's steps, scaled to the length that the analyses reckon with."""
    total = failover.used_s(group, prediction)
    shares = {"detection": 0.0, "fencing": 0.0, "start": 0.0}
    for phase in prediction.phases:
        word = phase.name.split()[0]
        shares["detection" if word == "decision" else word] += phase.expected_s
    scale = total / prediction.expected_s if prediction.expected_s else 0.0
    starts = sum(phase.name.startswith("start") for phase in prediction.phases)
    noticed = group.failover.detection.value
    return Pace(
        detect_s=shares["detection"] * scale,
        fence_s=shares["fencing"] * scale,
        start_s=shares["start"] * scale / max(1, starts),
        stop_s=shares["start"] * scale / max(1, starts) / 2,
        fence_success=groups.coverage(model, group) / noticed if noticed else 0.0,
        detection=noticed,
    )


def input_rows(model: Infrastructure) -> tuple[InputRow, ...]:
    """Return every number that the availability stands on, as it was used."""
    rows = [row for part in model.parts.values() for row in _part_rows(part)]
    rows.extend(
        _row(cause.name, "share of failures in common", _percent, cause.beta)
        for cause in model.common_causes
    )
    for group in model.groups.values():
        plan = group.failover
        rows.append(_row(group.name, "losses noticed", _percent, plan.detection))
        rows.append(_row(group.name, "until a person helps", _hours, plan.manual))
        if plan.time is not None:
            rows.append(_row(group.name, "failover", _hours, plan.time))
        if plan.switchover is not None:
            rows.append(_row(group.name, "planned move", _hours, plan.switchover))
        for path in group.fencing:
            name = f"{group.name}: {path.device}"
            rows.append(_row(name, "fencing succeeds", _percent, path.success))
            if path.time_s is not None:
                rows.append(_row(name, "fencing takes", _seconds, path.time_s))
    return tuple(rows)


def _part_rows(part: Part) -> list[InputRow]:
    rows = []
    if part.failures is not None:
        rows.append(_row(part.name, "time between failures", _between, part.failures))
    if part.repair is not None and part.failures is not None:
        rows.append(_row(part.name, "time to repair", _hours, part.repair))
    if part.unavailability is not None:
        rows.append(_row(part.name, "share of time down", _percent, part.unavailability))
    return rows


def _row(part: str, quantity: str, told: Callable[[float], str], estimate: Estimate) -> InputRow:
    return InputRow(
        part,
        quantity,
        told(estimate.value),
        estimate.error_factor,
        estimate.source,
        estimate.replace_me,
    )


def _between(rate: float) -> str:
    return _hours(1 / rate) if rate else "never"


def _percent(value: float) -> str:
    return f"{100 * value:.6g} %"


def _seconds(value: float) -> str:
    return _hours(value / 3600)


def _hours(value: float) -> str:
    """Return hours in the unit that suits them."""
    for unit, size in (("y", 8766.0), ("d", 24.0), ("h", 1.0), ("min", 1 / 60)):
        if value >= size:
            return f"{value / size:.4g} {unit}"
    return f"{value * 3600:.4g} s"
