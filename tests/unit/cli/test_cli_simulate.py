"""`ninefold simulate` on files."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from lxml import etree
from typer.testing import CliRunner

from ninefold.cli.main import app
from tests.forecast_world import NOW, cluster

if TYPE_CHECKING:
    from pathlib import Path

    from typer.testing import Result


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "cib.xml"
    path.write_bytes(etree.tostring(cluster(running={"db": "n1"})))
    return path


def run(*words: object) -> Result:
    return CliRunner().invoke(app, ["simulate", *map(str, words), "--now", str(NOW)])


def test_cluster_settled_has_nothing_to_do(file: Path) -> None:
    result = run(file, "--json")

    assert result.exit_code == 0
    data = json.loads(result.stdout)
    assert data["decision"]["actions"] == [
        one for one in data["decision"]["actions"] if one["task"] == "monitor"
    ]
    assert data["now"] == NOW
    assert data["settled"]


def test_lost_node_is_fenced_and_its_service_runs_elsewhere(file: Path) -> None:
    result = run(file, "--node-fail", "n1")

    assert result.exit_code == 0
    before, _, after = result.stdout.partition("Revised Cluster Status:")
    assert "Fencing n1 (reboot)" in before
    assert "Move       db      ( n1 -> n2 )" in before
    assert "db\t(ocf:heartbeat:Dummy):\t Started n2" in after


def test_graph_scores_summary_and_document_are_written(file: Path, tmp_path: Path) -> None:
    names = ("graph", "scores", "summary", "save-output")
    words = [w for name in names for w in (f"--{name}", tmp_path / name)]

    result = run(file, "-f", "n1", *words)

    assert result.exit_code == 0
    graph = etree.parse(tmp_path / "graph").getroot()
    assert graph.tag == "transition_graph"
    assert "stonith" in [e.get("operation") for e in graph.iter("crm_event")]
    assert (
        "pcmk__primitive_assign: db allocation score on n2: 0\n"
        in (tmp_path / "scores").read_text()
    )
    assert (tmp_path / "summary").read_text() == result.stdout
    again = run(tmp_path / "save-output", "--json")
    assert json.loads(again.stdout)["settled"]


def test_everything_wrong_with_the_events_is_told_at_once(file: Path) -> None:
    result = run(file, "-f", "n7", "-u", "n8", "-F", "nonsense", "-F", "web_start_0@n1=1")

    assert result.exit_code == 2
    assert "operation nonsense" in result.stderr
    assert "node n7" in result.stderr
    assert "node n8" in result.stderr
    assert "resource web" in result.stderr


@pytest.mark.parametrize("text", ["", "<cib>", "<a/>", "\x00", "<cib epoch='x'/>"])
def test_what_is_no_cib_ends_with_2_and_a_finding(tmp_path: Path, text: str) -> None:
    path = tmp_path / "bad.xml"
    path.write_text(text)

    result = run(path)

    assert result.exit_code == 2
    assert str(path) in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize("command", [("simulate",), ("survive",), ("explain", "db", "--cib")])
def test_what_is_no_cib_is_told_as_data_too(tmp_path: Path, command: tuple[str, ...]) -> None:
    path = tmp_path / "cib.xml"
    path.write_text("<cib><configuration>")

    result = CliRunner().invoke(app, [*command, str(path), "--json"])

    assert result.exit_code == 2
    (finding,) = json.loads(result.stdout)["findings"]
    assert finding["file"] == str(path)
    assert finding["remedy"]


@pytest.mark.parametrize("other", [("-d", "n2"), ("--settle",), ("--graph", "x.xml")])
def test_question_of_what_if_passes_over_nothing_in_silence(
    file: Path, other: tuple[str, ...]
) -> None:
    result = run(file, "--what-if", "node n1 down", *other)

    assert result.exit_code == 2
    assert "--what-if 'node n2 down'" in result.stderr


def test_time_that_is_none_is_refused(file: Path) -> None:
    result = CliRunner().invoke(app, ["simulate", str(file), "--now", "tomorrow"])

    assert result.exit_code == 2
    assert "tomorrow" in result.stderr


def test_circle_of_failures_is_not_settled(file: Path) -> None:
    words = ["--settle", "-i", "db_monitor_10000@n1=7", "-F", "db_monitor_10000@n1=7"]
    words += ["-F", "db_monitor_10000@n2=7", "-F", "db_monitor_10000@n3=7"]

    result = run(file, *words)

    assert result.exit_code == 1
    assert "still something to do" in result.stderr


def test_same_answer_under_two_hash_seeds(file: Path) -> None:
    enter = "from ninefold.cli.main import run; run()"
    words = [sys.executable, "-c", enter, "simulate", str(file), "--now", str(NOW), "-f", "n1"]
    answers = [
        subprocess.run(
            [*words, "--json"],
            env=os.environ | {"PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    ]

    assert answers[0] == answers[1]


def test_sizes_that_no_cluster_has_are_refused_before_any_work(tmp_path: Path) -> None:
    clone = (
        '<clone id="c"><meta_attributes id="m"><nvpair id="v" name="clone-max" value="99999999"/>'
        '</meta_attributes><primitive id="p" class="ocf" provider="x" type="y"/></clone>'
    )
    path = tmp_path / "cib.xml"
    path.write_bytes(etree.tostring(cluster(clone)))

    simulated = run(path)
    verified = CliRunner().invoke(app, ["cib", "verify", str(path), "--json"])

    assert simulated.exit_code == verified.exit_code == 2
    assert "clone-max=99999999" in simulated.stderr
    assert [f["code"] for f in json.loads(verified.stdout)["findings"]] == ["absurd-size"]


def test_sound_document_passes_verification(file: Path) -> None:
    result = CliRunner().invoke(app, ["cib", "verify", str(file)])

    assert result.exit_code == 0
    assert "nothing is wrong" in result.stdout
