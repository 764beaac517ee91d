"""Plans are drawn before anything happens, the same ones for ever, whatever is added to others later."""

from __future__ import annotations

import pytest

from ninefold.sim import faults
from ninefold.sim.faults import make_plan

SEEDS = range(200)

# What was added after the first plans, and how often it is drawn.
ADDED = {"rare": "RARITY", "keys": "ROTATED", "clones": "CLONED", "will not stop": "STUBBORN"}


@pytest.mark.parametrize("option", ADDED)
def test_what_is_added_to_some_plans_changes_no_other(
    option: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    plans = [make_plan(seed) for seed in SEEDS]
    monkeypatch.setattr(faults, ADDED[option], 0)
    without = [make_plan(seed) for seed in SEEDS]

    drawn = 0
    for plan, before in zip(plans, without, strict=True):
        if option not in plan.options:
            assert plan == before
            continue
        drawn += 1
        assert [step for step in before.steps if step not in plan.steps] == []
    assert 0 < drawn < len(SEEDS) / 2
