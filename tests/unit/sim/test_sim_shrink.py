"""A failure gets small, stays the same failure, and is told as a scenario."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import pytest

from ninefold.sim.checkers import Violation
from ninefold.sim.faults import Plan, Step, make_plan
from ninefold.sim.scenario import read
from ninefold.sim.shrink import Shrinker, finding, kind, scenario
from ninefold.sim.stage import Stage
from ninefold.sim.trial import run
from ninefold.sim.words import StageError

if TYPE_CHECKING:
    from ninefold.sim.world import World


def objects_to_a_frozen_node(world: World) -> None:
    """Call it a violation that a host stands still."""
    right = world.freeze

    def freeze(node: int) -> None:
        right(node)
        raise Violation(f"{world.now}: node{node} is frozen")

    world.freeze = freeze  # type: ignore[method-assign]


def failing_plan() -> Plan:
    plan = make_plan(3)
    plan.steps = plan.steps[:8]
    return Plan(
        3,
        plan.shape,
        plan.options,
        sorted([*plan.steps, Step(9_123, "freeze node2")], key=lambda s: s.at),
    )


def test_what_does_not_matter_is_left_out() -> None:
    shrinker = Shrinker(failing_plan(), objects_to_a_frozen_node)

    plan = shrinker.run()

    assert [step.command for step in plan.steps] == ["freeze node2"]
    assert plan.shape.resources == []
    assert plan.shape.nodes == 2
    assert plan.steps[0].at % 1_000 == 0
    assert "is frozen" in shrinker.finding


def test_clones_are_left_out_before_what_they_are_of() -> None:
    plan = plan_with_clones()
    plan.steps = [Step(9_123, "freeze node2")]

    smaller = Shrinker(plan, objects_to_a_frozen_node).run()

    assert smaller.shape.clones == {}
    assert smaller.shape.resources == []


def test_plan_that_does_not_fail_cannot_shrink() -> None:
    with pytest.raises(ValueError, match="nothing to shrink"):
        Shrinker(make_plan(3))


def test_kinds_of_failures_do_not_hang_on_names_and_numbers() -> None:
    one = kind("12: db started on 3 while it runs on [1]")
    other = kind("99034: mail started on 2 while it runs on [3]")

    assert one == other
    assert one != kind("12: db started on 3, but 1 ran it, never stopped it, and was not fenced")


def plan_with_clones() -> Plan:
    return next(plan for plan in map(make_plan, range(100)) if plan.shape.clones)


@pytest.mark.parametrize("plan", [make_plan(6), plan_with_clones()], ids=["six", "clones"])
def test_scenario_of_a_plan_tells_the_same_story(plan: Plan) -> None:
    lines = [line for line in run(plan).trace if line.who != "plan"]
    stage = Stage()

    for block in read(scenario(plan, ["A whole plan."])):
        for _, command in block.commands:
            with contextlib.suppress(StageError):
                stage.do(command)

    assert [line for line in stage.lines() if line.who != "plan"] == lines


def test_finding_of_a_good_plan_is_empty() -> None:
    assert finding(make_plan(3)) == ""
