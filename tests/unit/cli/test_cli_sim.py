"""`ninefold sim`: what it prints, and how it ends."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner

from ninefold.cli.main import app
from ninefold.sim.checkers import Violation
from ninefold.sim.world import World

if TYPE_CHECKING:
    from pathlib import Path

# Seeds whose plans are short.
FIRST = "6"


def run(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["sim", *arguments])
    return result.exit_code, result.output


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every power cut count as a violation."""
    right = World.power_off

    def power_off(self: World, node: int, why: str = "loses power") -> None:
        right(self, node, why)
        raise Violation(f"{self.now}: node{node} is off")

    monkeypatch.setattr(World, "power_off", power_off)


def test_good_seeds_end_with_zero_and_a_count() -> None:
    code, output = run("run", "--seeds", "2", "--from", FIRST, "--jobs", "1")

    assert code == 0
    assert "2 seeds" in output
    assert "nothing went wrong" in output


def test_json_has_the_counts() -> None:
    code, output = run("run", "--seeds", "1", "--from", FIRST, "--jobs", "1", "--json")

    told = json.loads(output)
    assert code == 0
    assert told["seeds"] == 1
    assert told["found"] == []
    assert told["simulated_minutes"] > 0


@pytest.mark.usefixtures("broken")
def test_seed_that_goes_wrong_is_named_with_what_to_do_next() -> None:
    # A plan of some seed among these cuts some power.
    code, output = run("run", "--seeds", "4", "--from", FIRST, "--jobs", "1")

    assert code == 1
    assert "is off" in output
    assert "ninefold sim shrink" in output


@pytest.mark.usefixtures("broken")
def test_shrunk_seed_is_a_scenario_that_fails_in_the_same_way(tmp_path: Path) -> None:
    code, output = run("run", "--seeds", "4", "--from", FIRST, "--jobs", "1", "--json")
    assert code == 1
    seed = json.loads(output)["found"][0]["seed"]
    file = tmp_path / "small.scenario"

    code, output = run("shrink", str(seed), "--output", str(file))
    assert code == 0, output
    code, output = run("play", str(file))

    assert code == 1
    assert "is off" in output
    assert len(file.read_text().splitlines()) < 14


def test_shrinking_what_does_not_fail_is_refused() -> None:
    code, output = run("shrink", FIRST)

    assert code == 1
    assert "does not fail" in output


def test_replay_tells_the_story() -> None:
    code, output = run("replay", FIRST)

    assert code == 0
    assert "everything is mended" in output
    assert "Nothing went wrong." in output


def test_scenario_that_is_not_there_is_wrong_usage(tmp_path: Path) -> None:
    code, output = run("play", str(tmp_path / "none.scenario"))

    assert code == 2
    assert "No such file" in output
