"""A failover group as a Markov chain: what detection, fencing and failover cost.

States count the nodes that are down, and say whether the service is being taken over, waits for a
person because the loss was not noticed or could not be fenced (*uncovered*), or is served; with too
few nodes up the group is *down*. Nodes fail independently at the mean of their rates; `needed` of
those that are up serve, the others stand by. Repairs are limited by the crew.

For two nodes and one crew this is the classic chain of five states: two up, failing over, one up,
uncovered, down. What the fault tree knows better (shared parts, nodes that differ) it takes from
there: only the share of time of failing over and waiting enters it, as `dynamics`.
"""

from __future__ import annotations

from math import comb
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec
import numpy as np

from ninefold.design.losses import losses
from ninefold.design.markov import Chain
from ninefold.design.model import HOURS_PER_YEAR, MINUTES_PER_YEAR, Estimate
from ninefold.design.results import GroupResult, StateShare
from ninefold.design.tree import Chance, Dynamics, Wait

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Sequence

    from ninefold.design.losses import Loss
    from ninefold.design.model import FencePath, Group, Infrastructure
    from ninefold.design.results import Prediction

# A failover that takes no time at all would make the chain stiff: nobody can tell it from 1 ms.
SHORTEST_H: Final = 1e-3 / 3600
# Shares below this are what rounding leaves of nothing: a microsecond in 30,000 years.
ROUNDING: Final = 1e-18
# The error factor of a failover's length that is predicted and not measured.
PREDICTED_SPREAD: Final = 1.5
SERVED: Final = "served"
OVER: Final = "failing over"
UNCOVERED: Final = "waiting for a person"
DOWN: Final = "too few nodes"


class Inputs(NamedTuple):
    """What the chain is made of: rates per hour, lengths in hours, shares.

    `needed` nodes must be up, for quorum too; `serving` of them run what is taken over when they go.
    """

    nodes: int
    needed: int
    serving: int
    failures: float
    repair_h: float
    crews: int
    coverage: float
    failover_h: float
    manual_h: float


def analyse_group(model: Infrastructure, group: Group, prediction: Prediction) -> GroupResult:
    """Return the chain's answer for a group."""
    values = inputs(model, group, prediction)
    if not values.failures:
        return GroupResult(
            group.name,
            (StateShare(SERVED, 1.0, up=True),),
            values.coverage,
            values.failover_h * 3600,
            0.0,
            0.0,
            float("inf"),
            0.0,
            0.0,
            0.0,
            _planned_minutes(group, values),
            "Its nodes never fail by this model.",
        )
    chain = Chain(rates(values))
    shares = chain.steady()
    by_mode = dict.fromkeys((SERVED, OVER, UNCOVERED, DOWN), 0.0)
    for state, share in shares.items():
        by_mode[_mode(state)] += share
    bad = {state for state in chain.states if _mode(state) != SERVED}
    over = {state for state in chain.states if _mode(state) == OVER}
    return_gaps = _fail_back_minutes(group, values, shares)
    minutes = {mode: share * MINUTES_PER_YEAR for mode, share in by_mode.items()}
    return GroupResult(
        group=group.name,
        states=tuple(
            StateShare(_title(state, values.nodes), share, up=_mode(state) == SERVED)
            for state, share in shares.items()
        ),
        coverage=values.coverage,
        failover_s=values.failover_h * 3600,
        unavailability=by_mode[OVER] + by_mode[UNCOVERED] + by_mode[DOWN],
        failovers_per_year=chain.frequency_into(over) * MINUTES_PER_YEAR / 60,
        mttf_h=chain.mean_time_to(bad, (0, SERVED)),
        minutes_failing_over=minutes[OVER] + return_gaps,
        minutes_uncovered=minutes[UNCOVERED],
        minutes_all_down=minutes[DOWN],
        minutes_planned=_planned_minutes(group, values),
        sentence=_sentence(minutes),
        reliability=1 - chain.reached(model.mission_h, bad, (0, SERVED)),
    )


def inputs(model: Infrastructure, group: Group, prediction: Prediction) -> Inputs:
    """Return the chain's inputs for a group of a model."""
    found = losses(model, group)
    total = sum(loss.per_hour for loss in found)
    down = sum(loss.share for loss in found)
    # A loss counts per hour of the calendar, the chain's rate per hour of a node that is up.
    rate = total / max(len(group.nodes) - down, 1e-9)
    repair = down / total if total else 0.0
    seconds = (
        group.failover.time.value * 3600
        if group.failover.time is not None
        else prediction.expected_s
    )
    if prediction.measured_s:
        seconds = float(np.median(prediction.measured_s))
    crew = model.crews.get(group.crew, 0) if group.crew else len(group.nodes)
    return Inputs(
        len(group.nodes),
        max(group.needed, _quorum_nodes(group)),
        group.needed,
        rate,
        repair,
        max(1, crew),
        _coverage(group, found),
        max(seconds / 3600, SHORTEST_H),
        max(group.failover.manual.value, SHORTEST_H),
    )


def _quorum_nodes(group: Group) -> int:
    """Return how many nodes have quorum whichever they are, with the witness's help."""
    if group.two_node or not group.quorum:
        return 1
    votes = group.witness_votes if group.witness else 0
    for count, more in enumerate(sorted(group.votes.get(name, 1) for name in group.nodes), 1):
        votes += more
        if votes >= group.quorum:
            return count
    return len(group.nodes)


def coverage(model: Infrastructure, group: Group) -> float:
    """Return the chance that the loss of a node is noticed and the node silenced, over all causes.

    A device counts with its success per demand and the share of time in which it works at all, and not
    at all for a loss that takes it along. With fencing switched off a loss is believed: nothing waits, and
    nothing is safe (see `fence_check`). With fencing on and no device, every loss waits for a person.
    """
    return _coverage(group, losses(model, group))


def _coverage(group: Group, found: Sequence[Loss]) -> float:
    noticed = group.failover.detection.value
    if not group.fencing_enabled:
        return noticed
    total = sum(loss.per_hour for loss in found)
    if not total:
        return noticed if group.fencing else 0.0
    return noticed * sum(loss.per_hour * loss.fenced for loss in found) / total


def rates(values: Inputs) -> dict[tuple[Hashable, Hashable], float]:
    """Return the chain's rates per hour; a state is (nodes down, mode)."""
    n, needed = values.nodes, values.needed
    assert 1 <= needed <= n
    found: dict[tuple[Hashable, Hashable], float] = {}
    spare = n - needed

    def go(source: tuple[int, str], target: tuple[int, str], rate: float) -> None:
        if rate > 0:
            found[source, target] = found.get((source, target), 0.0) + rate

    for down in range(n + 1):
        up = n - down
        mending = min(down, values.crews) / values.repair_h if down and values.repair_h else 0.0
        if down > spare:
            if up:
                go((down, DOWN), (down + 1, DOWN), up * values.failures)
            target = DOWN if down - 1 > spare else SERVED
            go((down, DOWN), (down - 1, target), mending)
            continue
        served, over, waiting = (down, SERVED), (down, OVER), (down, UNCOVERED)
        last = down + 1 > spare
        serving = values.serving * values.failures
        standing_by = (up - values.serving) * values.failures
        if last:
            go(served, (down + 1, DOWN), up * values.failures)
        else:
            go(served, (down + 1, SERVED), standing_by)
            go(served, (down + 1, OVER), serving * values.coverage)
            go(served, (down + 1, UNCOVERED), serving * (1 - values.coverage))
        if down:
            go(served, (down - 1, SERVED), mending)
            if values.coverage > 0:
                go(over, served, 1 / values.failover_h)
                go(over, (down + 1, DOWN if last else OVER), up * values.failures)
            if values.coverage < 1:
                go(waiting, served, 1 / values.manual_h)
                go(waiting, (down + 1, DOWN if last else UNCOVERED), up * values.failures)
    return found


def _mode(state: Hashable) -> str:
    assert isinstance(state, tuple)
    return str(state[1])


def _title(state: Hashable, nodes: int) -> str:
    assert isinstance(state, tuple)
    return f"{nodes - state[0]} of {nodes} up, {state[1]}"


def dynamics(
    model: Infrastructure, group: Group, prediction: Prediction, result: GroupResult
) -> Dynamics:
    """Return what a group adds to the fault tree: time in failover and waiting for a person.

    The tree takes repairs as independent; what a small crew adds to the time with too few nodes is
    added here, so that it is not lost.
    """
    values = inputs(model, group, prediction)
    q = values.failures * values.repair_h / (1 + values.failures * values.repair_h)
    spare = values.nodes - values.needed
    independent = sum(
        comb(values.nodes, down) * q**down * (1 - q) ** (values.nodes - down)
        for down in range(spare + 1, values.nodes + 1)
    )
    over = result.minutes_failing_over / MINUTES_PER_YEAR
    waiting = result.minutes_uncovered / MINUTES_PER_YEAR
    queue = result.minutes_all_down / MINUTES_PER_YEAR - independent
    title = group.title or group.name
    waits = (
        Wait(
            "failover",
            f"failover of {title} under way",
            over,
            result.failovers_per_year / HOURS_PER_YEAR,
            "failover time",
            _failover_time(group, prediction, values),
        ),
        Wait(
            "waiting for a person",
            f"waiting for a person after a loss in {title} that was not noticed or not fenced",
            waiting,
            waiting / values.manual_h,
            "until a person helps",
            group.failover.manual,
            uncovered=True,
        ),
        Wait(
            "repairs queue",
            f"too few nodes of {title}, because the crew repairs another",
            queue,
            0.0,
            power=2,
        ),
    )
    return Dynamics(
        # What rounding leaves of nothing is nothing.
        tuple(wait for wait in waits if wait.share > ROUNDING),
        _demand(model, group),
        values.coverage,
        _chances(model, group) if waiting > ROUNDING else (),
    )


def _failover_time(group: Group, prediction: Prediction, values: Inputs) -> Estimate:
    """Return the failover's length in hours with its spread: measured, told, or predicted."""
    measured = prediction.measured_s
    if measured:
        late = float(np.quantile(measured, 0.95)) / 3600
        return Estimate(values.failover_h, max(1.0, late / values.failover_h), "drills")
    if group.failover.time is not None:
        return group.failover.time
    return Estimate(values.failover_h, PREDICTED_SPREAD, "predicted from the timers")


def _demand(model: Infrastructure, group: Group) -> dict[str, float]:
    """Return what part of the losses each cause has."""
    found = losses(model, group)
    total = sum(loss.per_hour for loss in found)
    parts: dict[str, float] = {}
    for loss in found:
        parts[loss.cause] = parts.get(loss.cause, 0.0) + loss.per_hour / total
    return parts


def _chances(model: Infrastructure, group: Group) -> tuple[Chance, ...]:
    """Return the uncertain shares that coverage depends on; it is linear in each."""
    found = []
    noticed = group.failover.detection

    def note(
        subject: str, quantity: str, estimate: Estimate, with_: Callable[[float], Group]
    ) -> None:
        if estimate.error_factor > 1:
            slope = coverage(model, with_(1.0)) - coverage(model, with_(0.0))
            found.append(Chance(subject, quantity, estimate, slope))

    def detecting(share: float) -> Group:
        plan = msgspec.structs.replace(group.failover, detection=Estimate(share))
        return msgspec.structs.replace(group, failover=plan)

    note(group.name, "losses noticed", noticed, detecting)
    for number, path in enumerate(group.fencing):

        def fencing(share: float, number: int = number, path: FencePath = path) -> Group:
            sure = msgspec.structs.replace(path, success=Estimate(share))
            paths = (*group.fencing[:number], sure, *group.fencing[number + 1 :])
            return msgspec.structs.replace(group, fencing=paths)

        note(f"{group.name}: {path.device}", "fencing succeeds", path.success, fencing)
    return tuple(found)


def _fail_back_minutes(group: Group, values: Inputs, shares: dict[Hashable, float]) -> float:
    """Return the minutes a year of moving back when a lost node returns, if the group does that."""
    switchover = group.failover.switchover
    if not group.failover.fail_back or switchover is None:
        return 0.0
    returns = sum(
        share * min(state[0], values.crews) / values.repair_h
        for state, share in shares.items()
        if isinstance(state, tuple) and state[1] == SERVED and state[0]
    )
    return float(returns) * switchover.value * MINUTES_PER_YEAR


def _planned_minutes(group: Group, values: Inputs) -> float:
    """Return the minutes a year of rolling work: each node in turn, one move away from it.

    With nothing to spare the group is down for as long as the work takes.
    """
    work = group.maintenance
    if work is None or work.excluded:
        return 0.0
    spare = values.nodes - values.needed
    gap_h = (
        group.failover.switchover.value
        if group.failover.switchover is not None
        else values.failover_h
    )
    lost_h = values.serving * gap_h if spare else values.nodes * work.takes_h
    return lost_h / work.every_h * MINUTES_PER_YEAR


def _sentence(minutes: dict[str, float]) -> str:
    worst = max((OVER, UNCOVERED, DOWN), key=lambda mode: minutes[mode])
    total = sum(minutes[mode] for mode in (OVER, UNCOVERED, DOWN))
    advice = {
        OVER: "a shorter failover helps most",
        UNCOVERED: "a second level of fencing, or better detection, helps most",
        DOWN: "a further node, or faster repairs, help most",
    }[worst]
    return f"{minutes[worst]:.3g} of {total:.3g} minutes a year are {worst}: {advice}."
