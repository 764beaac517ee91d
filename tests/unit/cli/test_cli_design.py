"""`ninefold design`: what an administrator sees of a good model, of a bad one, and of none."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from typer.testing import CliRunner

from ninefold.cli.design_report import SECTIONS
from ninefold.cli.main import app
from ninefold.design.schema import SHIPPED

if TYPE_CHECKING:
    from pathlib import Path

    from typer.testing import Result

SINGLE = """\
name: one server
parts:
  feed: {kind: power-feed}
  srv: {kind: node, needs: [feed]}
  disk: {kind: disk}
services:
  erp: {needs: [srv, disk], slo: 99.99 %}
"""
PAIR = """\
name: shop
description: Two nodes and a switch.
parts:
  feed-a: {kind: power-feed}
  feed-b: {kind: power-feed}
  sw1: {kind: switch, needs: [feed-a]}
  alpha: {kind: node, needs: [feed-a, sw1], capacity: {cpu: 8}}
  beta: {kind: node, needs: [feed-b, sw1], capacity: {cpu: 8}}
  bmc-a: {kind: fence-device, needs: [feed-a]}
  bmc-b: {kind: fence-device, needs: [feed-b]}
groups:
  pair:
    nodes: [alpha, beta]
    two-node: true
    quorum: 1
    fencing:
      - {device: bmc-a, targets: [alpha], success: 97 %}
      - {device: bmc-b, targets: [beta], success: 97 %}
    failover: {time: 60 s, manual: 2 h}
services:
  web: {needs: [pair], slo: 99.9 %, downtime-cost: 500, uses: {cpu: 6}}
  mail: {needs: [pair]}
"""


@pytest.fixture
def pair(tmp_path: Path) -> Path:
    file = tmp_path / "pair.yaml"
    file.write_text(PAIR)
    return file


@pytest.fixture
def single(tmp_path: Path) -> Path:
    file = tmp_path / "single.yaml"
    file.write_text(SINGLE)
    return file


def run(*words: str | Path, typed: str = "", columns: int = 80) -> Result:
    told = [str(word) for word in words]
    return CliRunner().invoke(app, ["design", *told], input=typed, env={"COLUMNS": str(columns)})


def data(*words: str | Path) -> Any:
    result = run(*words, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


# check


def test_good_model_can_be_used(pair: Path) -> None:
    result = run("check", pair)

    assert result.exit_code == 0
    assert f"{pair}: can be used (7 parts, 1 group, 2 services, 0 warnings)" in result.stdout


def test_everything_that_is_wrong_is_said_at_once_with_line_and_remedy(pair: Path) -> None:
    pair.write_text(PAIR.replace("kind: switch", "kind: swich").replace("60 s", "60"))

    result = run("check", pair)

    assert result.exit_code == 1
    assert f"{pair}:6: error: sw1.kind:" in result.stderr
    assert "Did you mean switch?" in result.stderr
    assert f"{pair}:19: error: pair.failover.time:" in result.stderr
    assert "2 errors" in result.stderr


def test_warnings_do_not_forbid_and_are_counted(pair: Path) -> None:
    pair.write_text(PAIR.replace("groups:", "  spare: {kind: disk}\ngroups:"))

    result = run("check", pair)

    assert result.exit_code == 0
    assert "spare" in result.stderr
    assert "1 warning)" in result.stdout


def test_findings_as_data(pair: Path) -> None:
    assert data("check", pair) == {"accepted": True, "findings": []}
    pair.write_text("parts: [")

    result = run("check", pair, "--json")

    assert result.exit_code == 1
    found = json.loads(result.stdout)
    assert not found["accepted"]
    assert {"code", "severity", "subject", "sentence", "remedy", "file", "line"} == set(
        found["findings"][0]
    )


@pytest.mark.parametrize("verb", ["check", "report", "timing", "quorum", "checklist"])
def test_file_that_is_not_there_is_wrong_usage(tmp_path: Path, verb: str) -> None:
    result = run(verb, tmp_path / "none.yaml")

    assert result.exit_code == 2
    assert "cannot be read" in result.stderr


@pytest.mark.parametrize("verb", ["report", "timing", "quorum", "capacity", "fencing", "checklist"])
def test_unsound_model_is_refused_with_its_findings(pair: Path, verb: str) -> None:
    pair.write_text(PAIR.replace("feed-a]", "feed-z]"))

    result = run(verb, pair)

    assert result.exit_code == 1
    assert "feed-z" in result.stderr
    assert "cannot be used" in result.stderr


# report


@pytest.mark.parametrize("columns", [80, 120])
def test_report_fits_the_terminal_and_cuts_nothing(pair: Path, columns: int) -> None:
    result = run("report", pair, "--years", "20", columns=columns)

    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert max(map(len, lines)) <= columns
    assert all(line == line.rstrip() for line in lines)
    assert "…" not in result.stdout
    for title in (
        "Services: availability",
        "What dominates the downtime of web",
        "Single points of failure, layer by layer",
        "Two failures together",
        "Failover group pair",
        "Failover of pair",
        "20 years of life with the real scheduler",
        "Quorum of pair: 1 of 2 votes are needed",
        "Room after each single loss",
        "Fencing:",
        "Timing chain:",
        "Design checklist:",
        "Inputs:",
    ):
        assert title in result.stdout, title


def test_report_says_what_the_data_says(pair: Path) -> None:
    found = data("report", pair, "--years", "20")

    text = run("report", pair, "--years", "20", columns=120).stdout

    web = found["services"][0]
    assert f"{web['minutes_per_year'] / 60:.2f} h" in text
    assert "99.9 % kept" in text
    for spof in web["spofs"]:
        assert spof["part"] in text
    assert {row["service"] for row in found["policy"]} == {"web", "mail"}
    assert len(found["checklist"]) == 66


def test_same_seed_tells_the_same_and_another_one_does_not(pair: Path) -> None:
    first = data("report", pair, "--samples", "50", "--seed", "7")
    again = data("report", pair, "--samples", "50", "--seed", "7")
    other = data("report", pair, "--samples", "50", "--seed", "8")

    assert first == again
    assert first["services"][0]["band"] != other["services"][0]["band"]
    assert first["services"][0]["band"]["samples"] == 50


def test_infinite_weight_is_null_in_the_data(tmp_path: Path) -> None:
    file = tmp_path / "one.yaml"
    file.write_text("parts: {a: {kind: node}}\nservices: {s: {needs: [a]}}\n")

    found = data("report", file)

    assert found["services"][0]["weights"][0]["rrw"] is None
    assert "1 year" in run("report", file).stdout


def test_missed_objective_stands_out_and_fails_only_when_asked(single: Path) -> None:
    result = run("report", single)

    assert result.exit_code == 0
    assert "99.99 % MISSED" in result.stdout
    assert run("report", single, "--strict").exit_code == 1


def test_one_section_alone(single: Path) -> None:
    result = run("report", single, "--section", "spofs")

    assert "Single points of failure" in result.stdout
    assert "Inputs" not in result.stdout
    refused = run("report", single, "--section", "spof")
    assert refused.exit_code == 2
    assert ", ".join(SECTIONS) in refused.stderr.replace("\n", " ")


def test_single_points_of_failure_come_layer_by_layer(single: Path) -> None:
    text = run("report", single, "--section", "spofs").stdout

    assert text.index("power ") < text.index("compute ") < text.index("storage ")
    assert "takes a service down" not in text


def test_audit_that_is_none_is_wrong_usage(single: Path) -> None:
    result = run("report", single, "--audit", single)

    assert result.exit_code == 2
    assert "ninefold audit --json" in result.stderr


# the checks


def test_timing_without_files_is_unknown_and_says_what_to_look_up(pair: Path) -> None:
    result = run("timing", pair)

    assert result.exit_code == 0
    assert "Timing chain of pair: 0 hold, 0 fail" in result.stdout
    assert "corosync.conf" in result.stdout


def test_timing_that_fails_ends_with_1_and_proposes(pair: Path) -> None:
    conf = pair.parent / "corosync.conf"
    conf.write_text(
        "totem {\n version: 2\n cluster_name: c\n token: 5000\n consensus: 5000\n"
        " crypto_cipher: none\n crypto_hash: none\n}\n"
        "nodelist {\n node {\n  nodeid: 1\n  name: alpha\n  ring0_addr: 192.0.2.1\n }\n"
        " node {\n  nodeid: 2\n  name: beta\n  ring0_addr: 192.0.2.2\n }\n}\n"
        "quorum {\n provider: corosync_votequorum\n two_node: 1\n}\n"
    )
    pair.write_text(PAIR.replace("    two-node:", "    corosync: corosync.conf\n    two-node:"))

    result = run("timing", pair)

    assert result.exit_code == 1
    assert "FAILS" in result.stdout
    assert "6 s" in result.stdout
    found = json.loads(run("timing", pair, "--json").stdout)
    assert [change["quantity"] for change in found["proposals"]] == ["consensus"]


def test_quorum_table_warns_of_two_halves(pair: Path) -> None:
    result = run("quorum", pair)

    assert result.exit_code == 0
    assert "only fencing decides" in " ".join(result.stdout.split())
    assert data("quorum", pair)[0]["expected"] == 2


def test_lack_of_room_ends_with_1(pair: Path) -> None:
    result = run("capacity", pair)

    assert result.exit_code == 1
    assert "TOO LITTLE" in result.stdout
    assert result.stdout.count("no node is left") == 2  # feed-a and sw1


def test_shared_fate_is_told(pair: Path) -> None:
    result = run("fencing", pair)

    assert result.exit_code == 0
    assert "The loss of feed-b alone" in " ".join(result.stdout.split())
    assert len(data("fencing", pair)) == 2


def test_model_without_a_group_says_so(single: Path) -> None:
    for verb in ("timing", "quorum", "fencing"):
        result = run(verb, single)
        assert result.exit_code == 0
        assert "no failover group" in result.stdout


def test_checklist_in_all_its_forms(pair: Path) -> None:
    assert len(data("checklist", pair)) == 66
    assert run("checklist", pair, "--markdown").stdout.startswith("# Design checklist: shop\n")
    assert run("checklist", pair, "--csv").stdout.startswith("number,area,kind,text,state")
    text = run("checklist", pair).stdout
    assert max(map(len, text.splitlines())) <= 80
    assert "Fencing" in text
    assert run("checklist", pair, "--csv", "--json").exit_code == 2


def test_answers_are_printed_as_they_stand_in_the_file(pair: Path) -> None:
    result = run("checklist", pair, "--ask", typed="yes\nna: no such thing\nq\n")

    assert result.exit_code == 0
    answers = result.stdout[result.stdout.index("checklist:") :]  # after what was typed
    assert answers.startswith("checklist:\n  1: yes\n")
    pair.write_text(PAIR + answers)
    states = {item["number"]: item["state"] for item in data("checklist", pair)}
    assert states[1] == "yes"
    assert list(states.values()).count("na") >= 1


def test_terminal_sees_how_far_it_is_and_a_file_does_not(pair: Path) -> None:
    ours, theirs = os.openpty()
    program = "from ninefold.cli.main import run; run()"
    words = ["design", "report", str(pair), "--years", "300", "--section", "policy"]

    process = subprocess.Popen(
        [sys.executable, "-c", program, *words],
        stdout=subprocess.PIPE,
        stderr=theirs,
        env={**os.environ, "TERM": "xterm"},
    )
    os.close(theirs)
    shown = b""
    with contextlib.suppress(OSError):  # the kernel's word for the end of a terminal
        while some := os.read(ours, 4096):
            shown += some
    told, _ = process.communicate()
    os.close(ours)

    assert process.returncode == 0
    assert b"300 years of life under the real policy" in shown
    assert b"under the real policy" not in told
    assert b"300 years of life" in told


# compare


@pytest.fixture
def dearer(tmp_path: Path) -> Path:
    file = tmp_path / "dearer.yaml"
    text = PAIR.replace("name: shop", "name: two switches\ncurrency: EUR")
    text = text.replace("  alpha:", "  sw2: {kind: switch, needs: [feed-b], cost: 2000}\n  alpha:")
    text = text.replace("[feed-a, sw1]", "[feed-a, {any: [sw1, sw2]}]")
    file.write_text(text.replace("[feed-b, sw1]", "[feed-b, {any: [sw1, sw2]}]"))
    return file


@pytest.mark.parametrize("columns", [80, 120])
def test_designs_side_by_side(pair: Path, dearer: Path, columns: int) -> None:
    result = run("compare", pair, dearer, columns=columns)

    assert result.exit_code == 0, result.output
    assert max(map(len, result.stdout.splitlines())) <= columns
    assert "Availability of web" in result.stdout
    assert "Shortest downtime: two switches" in result.stdout
    assert "Most for the money: two switches" in result.stdout


def test_comparison_as_data(pair: Path, dearer: Path) -> None:
    found = data("compare", pair, dearer)

    second = found["options"][1]
    assert found["services"] == ["web", "mail"]
    assert second["extra_cost"] == 2000
    assert second["minutes_per_cost"] == pytest.approx(second["saved_minutes_per_year"] / 2000)
    assert {"sw1", "feed-a"} <= set(second["spofs_gone"])


def test_comparison_of_one_or_of_strangers_is_refused(pair: Path, single: Path) -> None:
    assert run("compare", pair).exit_code == 2
    result = run("compare", pair, single)
    assert result.exit_code == 1
    assert "no service in common" in result.stderr


def test_all_broken_files_are_named_before_the_end(pair: Path, single: Path) -> None:
    pair.write_text("parts: {a: {kind: nodee}}")
    single.write_text("services: {s: {needs: [b]}}")

    result = run("compare", pair, single)

    assert result.exit_code == 1
    assert f"{pair}:1: error" in result.stderr
    assert f"{single}:1: error" in result.stderr
    assert "cannot be used as they are" in result.stderr


# html


def test_page_is_written_and_named(pair: Path) -> None:
    page = pair.with_suffix(".html")

    result = run("report", pair, "--html", page, "--samples", "20")

    assert result.exit_code == 0
    assert result.stdout == f"The report is in {page}\n"
    assert "shop" in page.read_text()
    assert run("report", pair, "--html", pair.parent / "no" / "x.html").exit_code == 2


def test_comparison_can_be_a_page_too(pair: Path, dearer: Path) -> None:
    page = pair.with_name("compared.html")

    result = run("compare", pair, dearer, "--html", page)

    assert result.exit_code == 0
    assert result.stdout == f"The comparison is in {page}\n"
    assert "Designs compared" in page.read_text()


def test_schema_is_the_shipped_one() -> None:
    assert run("schema").stdout == SHIPPED.read_text()


# the extra


@pytest.mark.parametrize("library", ["networkx", "ruamel.yaml", "scipy"])
def test_missing_library_is_named_with_what_to_install(single: Path, library: str) -> None:
    program = (
        f"import sys; sys.modules[{library!r}] = None\n"
        "from ninefold.cli.main import app\n"
        f"app(['design', 'report', {str(single)!r}])"
    )
    result = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )

    assert result.returncode == 1
    assert library.partition(".")[0] in result.stderr
    assert "pip install 'ninefold[design]'" in result.stderr
    assert "Traceback" not in result.stderr


def test_help_loads_none_of_the_libraries() -> None:
    program = (
        "import sys\n"
        "from ninefold.cli.main import app\n"
        "try: app(['--help'])\n"
        "except SystemExit: pass\n"
        "print(sorted({'networkx', 'numpy', 'scipy', 'ruamel', 'oxidd', 'psutil', 'matplotlib'}"
        " & set(sys.modules)))"
    )
    result = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )

    assert result.stdout.splitlines()[-1] == "[]"
    assert "design" in result.stdout
