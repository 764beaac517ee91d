"""What of a scenario a lab can play is known before any host boots: everything else is named, by line."""

from __future__ import annotations

from pathlib import Path

import pytest
from lxml import etree
from typer.testing import CliRunner

from ninefold.cli.lab_run import check
from ninefold.cli.lab_stage import lab_cib
from ninefold.cli.lab_verbs import ACTIONS, REFUSED
from ninefold.cli.main import app
from ninefold.sim import verbs
from ninefold.sim.cluster import Primitive, Shape
from ninefold.sim.scenario import read

SCENARIOS = Path(__file__).parents[2] / "scenarios"

BEGIN = "cluster nodes=3\nresource db on=2\n----\n\n"


def reasons(text: str) -> list[str]:
    return check(read(f"{BEGIN}{text}\n----\n"))


def test_every_verb_of_the_simulator_is_performed_or_refused_with_a_reason() -> None:
    assert {*ACTIONS} | {*REFUSED} == {*verbs.ACTIONS}
    assert not {*ACTIONS} & {*REFUSED}


def test_the_crash_of_a_node_can_be_played() -> None:
    assert reasons("crash node2\nexpect within 5s db on node3\nexpect fenced node2") == []


def test_what_a_lab_has_not_is_named_by_line_all_at_once() -> None:
    found = reasons("weather loss=20%\ncrash node2\ndisk node1 full\nforge")

    assert [line.partition(":")[0] for line in found] == ["line 5", "line 7", "line 8"]
    assert "carry packets or drop them" in found[0]
    assert "this machine's own" in found[1]


@pytest.mark.parametrize(
    ("command", "word"),
    [
        ("fault db stop lies", "do one and say another"),
        ("fault db * missing on node2", "fail, hang, are slow"),
        ("fence-device late", "works, fails or is slow"),
        ("explode node1", "there is no command 'explode'"),
        ("expect db happy", "this is none of them"),
        ("expect within soon db on node1", "no length of time"),
        ("resource mail", "must come before"),
    ],
)
def test_a_line_that_cannot_be_is_refused_with_its_reason(command: str, word: str) -> None:
    (found,) = reasons(command)

    assert found.startswith(f"line 5: {command}: ")
    assert word in found


def test_actions_before_the_cluster_is_on_are_refused() -> None:
    (found,) = check(read("cluster nodes=3\ncrash node1\n----\n"))

    assert "boot all together" in found


def test_what_only_says_how_power_and_fencing_behave_may_come_first() -> None:
    text = "cluster nodes=3\nkeep-off node2\nfence-device slow\npatience 0s\n----\n"

    assert check(read(text)) == []


def test_the_command_ends_as_wrong_usage_and_starts_nothing(tmp_path: Path) -> None:
    file = tmp_path / "storm.scenario"
    file.write_text(f"{BEGIN}weather loss=20%\n----\n")

    result = CliRunner().invoke(app, ["lab", "run", str(file)])

    assert result.exit_code == 2
    assert "line 5: weather loss=20%" in result.stderr


def test_most_scenarios_can_be_played() -> None:
    files = sorted(SCENARIOS.glob("*.scenario"))

    playable = [file.name for file in files if not check(read(file.read_text()))]

    assert len(playable) > len(files) // 2
    assert "crash-of-the-active-node.scenario" in playable


def test_real_hosts_get_the_same_document_with_agents_that_exist_there() -> None:
    shape = Shape(resources=[Primitive("db", prefers="node2", monitor="2s")])

    tree = etree.fromstring(lab_cib(shape).encode())

    kinds = {
        p.get("id"): (p.get("class"), p.get("provider"), p.get("type"))
        for p in tree.iter("primitive")
    }
    assert kinds == {
        "fence": ("stonith", None, "fence_ninefold_lab"),
        "db": ("ocf", "ninefold", "dummy"),
    }
