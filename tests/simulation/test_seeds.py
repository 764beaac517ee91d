"""Whole clusters under everything that can go wrong, seed by seed, with the checkers watching.

A failure prints seed, options and plan in one line, then the story. Play it again with
`ninefold.sim.trial.run(make_plan(SEED))`. Once the bug is mended, put its seed into `ONCE_FAILED` with
what it found, or better its story into `tests/scenarios`, where it outlives every change of
`make_plan`: so did a DC that span on a lossy ring (`lossy-start`), a slow fence device's success that
counted for a later life of the node (`slow-fence-device-outlived-by-a-reboot`), and failed fencings
that stayed in the status (`failed-fencing-of-a-node-that-is-back`, `cleanup-ends-the-wish-to-fence`), a
request to fence a lost node that excused it (`fencing-asked-for-a-lost-node`), and a cleanup that was
undone by what a node told of itself (`cleanup-as-the-ring-forms`).
"""

from __future__ import annotations

import pytest

from ninefold.sim.faults import make_plan
from ninefold.sim.trial import run

SEEDS = 500
CHUNK = 10

# Beyond the first five hundred: a seed, and what it found.
ONCE_FAILED: dict[int, str] = {}


@pytest.mark.parametrize("first", range(0, SEEDS, CHUNK))
def test_cluster_survives_faults_and_recovers(first: int) -> None:
    for seed in range(first, first + CHUNK):
        world = run(make_plan(seed))

        assert world.checkers.starts > 0, f"seed {seed} proves nothing: no resource ever started"


def test_seeds_that_once_failed_stay_mended() -> None:
    for seed in ONCE_FAILED:
        assert seed >= SEEDS, f"seed {seed} is played anyway"
        run(make_plan(seed))
