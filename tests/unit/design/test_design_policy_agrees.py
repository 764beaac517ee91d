"""A life under the real scheduler and the group's Markov chain give the same downtime where both apply."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from ninefold.design import groups
from ninefold.design.model import (
    HOURS_PER_YEAR,
    MINUTES_PER_YEAR,
    Estimate,
    Failover,
    FencePath,
    Group,
    Infrastructure,
    Part,
    Service,
    Use,
)
from ninefold.design.policy import Pace, simulate
from ninefold.design.results import GroupResult, PolicyResult, Prediction

# Detection, fencing and a start of ten minutes together, long enough to be seen among the rest.
FAILOVER_S = 600.0
LOSSES_PER_YEAR = 2.0


def cluster(nodes: int, success: float) -> Infrastructure:
    names = tuple("abc"[:nodes])
    rate, repair = Estimate(LOSSES_PER_YEAR / HOURS_PER_YEAR), Estimate(40.0)
    group = Group(
        "g",
        names,
        two_node=nodes == 2,
        quorum=1 if nodes == 2 else 2,
        fencing=(FencePath("ipmi", names, success=Estimate(success)),),
        failover=Failover(Estimate(FAILOVER_S / 3600), manual=Estimate(1.0)),
    )
    parts = {name: Part(name, "node", "compute", failures=rate, repair=repair) for name in names}
    return Infrastructure("m", parts, {"g": group}, {"web": Service("web", Use("g"))})


def both(nodes: int, success: float) -> tuple[GroupResult, PolicyResult]:
    model = cluster(nodes, success)
    chain = groups.analyse_group(
        model, model.groups["g"], Prediction("g", (), FAILOVER_S, FAILOVER_S)
    )
    pace = Pace(400, 100, 100, 0, success, 1.0)
    (life,) = simulate(model, {"g": pace}, years=3000, seed=1)
    return chain, life


@pytest.mark.parametrize(("nodes", "success"), [(2, 1.0), (3, 1.0), (2, 0.8)])
def test_the_chain_lies_in_the_life_s_confidence_interval(nodes: int, success: float) -> None:
    chain, life = both(nodes, success)

    minutes = chain.unavailability * MINUTES_PER_YEAR
    # The chain's wait for a person ends in service; in a life the takeover still comes before and after.
    minutes += (1 - success) * LOSSES_PER_YEAR * FAILOVER_S / 60
    low, high = ((1 - share) * MINUTES_PER_YEAR for share in (life.high, life.low))
    assert low <= minutes <= high
    taken_over = chain.failovers_per_year / success
    assert life.failovers_per_year == pytest.approx(taken_over, rel=0.03)


PROGRAM = """
from ninefold.design.policy import Pace, simulate
from tests.unit.design.test_design_policy_agrees import cluster
print(simulate(cluster(3, 0.8), {"g": Pace(40, 10, 10, 5, 0.8, 0.9)}, years=60, seed=3))
"""


def test_a_life_is_the_same_under_every_hash_seed() -> None:
    lives = {
        subprocess.run(
            [sys.executable, "-c", PROGRAM],
            cwd=Path(__file__).parents[3],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("0", "1", "4711")
    }

    assert len(lives) == 1
    assert "PolicyResult" in lives.pop()
