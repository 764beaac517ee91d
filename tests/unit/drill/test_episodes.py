"""A soak's plan: the same for the same seed, every command one that a lab can carry out, the veteran spared."""

from __future__ import annotations

from ninefold.cli.lab_run import check
from ninefold.cli.soak import DUMMIES, GROUP, shape
from ninefold.drill.episodes import KINDS, Cast, plan, text
from ninefold.sim.scenario import read

CAST = Cast(tuple(f"node{number}" for number in range(1, 6)), (GROUP,), DUMMIES, veteran="node1")
PLAN = plan(1, CAST, 400)


def test_a_seed_gives_the_same_plan_however_long_it_is() -> None:
    assert plan(1, CAST, 20) == PLAN[:20]
    assert plan(2, CAST, 20) != PLAN[:20]


def test_every_kind_of_fault_comes() -> None:
    assert {kind for episode in PLAN for kind in episode.kinds} == {*KINDS}


def test_a_lab_can_carry_out_every_command_of_every_episode() -> None:
    for episode in PLAN:
        assert check(read(text(shape(5), episode))) == []


def test_the_veteran_is_never_ended_nor_left_in_a_minority() -> None:
    for episode in PLAN:
        for _, command in episode.steps:
            verb, *words = command.split()
            if verb in (
                "crash",
                "power-cut",
                "kill-daemon",
                "stop",
                "pause",
                "freeze",
                "fence",
                "network",
            ):
                assert "node1" not in words
            if verb == "partition":
                sides = [side.split() for side in " ".join(words).split("|")]
                assert "node1" in sides[0]
                assert len(sides[0]) >= 3


def test_steps_come_in_order_and_the_episode_outlasts_them() -> None:
    for episode in PLAN:
        times = [at for at, _ in episode.steps]
        assert times == sorted(times)
        assert episode.lasts_ms >= max(
            at for at, command in episode.steps if not command.startswith("mark")
        )


def test_marks_are_told_apart_over_all_episodes() -> None:
    marks = [c.split()[1] for episode in PLAN for _, c in episode.steps if c.startswith("mark ")]

    assert len(marks) == len(set(marks)) > 400
