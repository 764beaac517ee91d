"""The same scenarios that the simulator plays, played by real daemons on the lab's hosts."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from ninefold.lab import start
from tests.system.stories import NINEFOLD

pytestmark = [pytest.mark.system]

SCENARIOS = Path(__file__).parents[1] / "scenarios"


def run(file: Path) -> subprocess.CompletedProcess[str]:
    if reason := start.permitted():
        pytest.skip(reason)
    return subprocess.run(
        [NINEFOLD, "lab", "run", str(file), "--name", f"t{os.getpid()}-run"],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


@pytest.mark.parametrize("name", ["standby-and-online", "stop-fails"])
def test_scenario_holds_on_real_hosts_too(name: str) -> None:
    result = run(SCENARIOS / f"{name}.scenario")

    assert result.returncode == 0, result.stderr + result.stdout
    assert "=> node1, node2, node3: quorate" in result.stdout


def test_expectation_that_fails_names_its_line_and_tells_the_story(tmp_path: Path) -> None:
    file = tmp_path / "wrong.scenario"
    file.write_text(
        "cluster nodes=2 two_node=yes token=1000\nresource db on=2\n----\n\n"
        "standby node2\nexpect within 1s db on node2\n----\n"
    )

    result = run(file)

    assert result.returncode == 1
    assert "line 6: expect within 1s db on node2: db runs on node1" in result.stderr
    assert "db started on node1" in result.stderr
