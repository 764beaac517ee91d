"""`ninefold audit` and `ninefold network bond` as an operator types them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import msgspec
from typer.testing import CliRunner

from ninefold.cli.main import app
from ninefold.design.audit.judge import audit
from ninefold.design.load import load
from tests.audit_hosts import guest, sound, with_bond

if TYPE_CHECKING:
    from pathlib import Path

    from typer.testing import Result

    from ninefold.design.audit.facts import HostFacts


def run(*words: str) -> Result:
    return CliRunner().invoke(app, list(words), env={"COLUMNS": "100"})


def saved(path: Path, *hosts: HostFacts) -> str:
    path.write_bytes(msgspec.json.encode(audit(hosts)))
    return str(path)


def test_two_hosts_are_put_together(tmp_path: Path) -> None:
    one = saved(tmp_path / "a.json", sound())
    two = saved(tmp_path / "b.json", guest(host="beta"))

    result = run("audit", one, two)

    assert result.exit_code == 0, result.output
    assert "alpha, seen 2026-09-21" in result.output
    assert "beta" in result.output
    assert "1 links" not in result.output
    assert "Single points of failure: 1" in result.output
    assert "Could not be told: " in result.output


def test_what_is_broken_ends_with_1(tmp_path: Path) -> None:
    result = run("audit", saved(tmp_path / "a.json", sound(**with_bond(slaves_up=("eth0",)))))

    assert result.exit_code == 1
    assert "ERROR: bond0: eth1 of bond0 is down" in result.output


def test_json_can_be_put_together_again(tmp_path: Path) -> None:
    one = saved(tmp_path / "a.json", sound())

    first = run("audit", one, "--json")
    (tmp_path / "c.json").write_text(first.output)
    second = run("audit", str(tmp_path / "c.json"), "--json")

    assert json.loads(first.output) == json.loads(second.output)
    assert json.loads(first.output)["hosts"][0]["host"] == "alpha"


def test_model_is_written_once_and_can_be_used(tmp_path: Path) -> None:
    one = saved(tmp_path / "a.json", sound())
    out = tmp_path / "infrastructure.yaml"

    result = run("audit", one, "--to-model", str(out))

    assert result.exit_code == 0
    model, _ = load(out)
    assert model is not None
    out.write_text("mine")
    again = run("audit", one, "--to-model", str(out))
    assert again.exit_code == 2
    assert "there already" in again.stderr
    assert out.read_text() == "mine"


def test_page_is_written(tmp_path: Path) -> None:
    one, out = saved(tmp_path / "a.json", sound()), tmp_path / "audit.html"

    result = run("audit", one, "--html", str(out))

    assert result.exit_code == 0, result.output
    assert out.read_text().lower().startswith("<!doctype html>")
    assert "alpha" in out.read_text()


def test_a_tree_of_files_is_looked_at(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/hostname").write_text("copied\n")

    result = run("audit", "--root", str(tmp_path), "--json")

    assert result.exit_code == 0, result.output
    assert json.loads(result.output)["hosts"][0]["host"] == "copied"


def test_wrong_usage_ends_with_2(tmp_path: Path) -> None:
    bad = tmp_path / "bad.json"
    bad.write_text("{}")

    for words in (
        (str(bad),),
        (str(tmp_path / "none.json"),),
        ("--root", str(tmp_path / "none")),
        (str(bad), "--root", "/"),
        ("--since-days", "0"),
    ):
        result = run("audit", *words)
        assert result.exit_code == 2, words
        assert result.stderr


def test_model_that_cannot_be_written(tmp_path: Path) -> None:
    one = saved(tmp_path / "a.json", sound())

    result = run("audit", one, "--to-model", str(tmp_path / "no" / "where.yaml"))

    assert result.exit_code == 2
    assert "cannot be written: No such file or directory" in result.stderr


def test_bond_is_printed() -> None:
    result = run("network", "bond", "--mode", "1", "--primary", "eth0", "--format", "ifcfg")

    assert result.exit_code == 0
    assert 'BONDING_OPTS="mode=active-backup miimon=100 primary=eth0"' in result.stdout


def test_bond_that_cannot_be_is_told_all_at_once_and_prints_nothing() -> None:
    result = run("network", "bond", "--mode", "4", "--primary", "eth0", "--slaves", "eth0")

    assert result.exit_code == 1
    assert result.stdout == ""
    assert "has no preferred slave" in result.stderr
    assert "A bond of one card" in result.stderr


def test_bond_as_data() -> None:
    result = run("network", "bond", "--mode", "802.3ad", "--format", "networkd", "--json")

    told = json.loads(result.stdout)
    assert "Mode=802.3ad" in told["text"]
    assert [finding["code"] for finding in told["findings"]] == ["switch"]


def test_bond_of_no_mode_or_format_is_wrong_usage() -> None:
    assert run("network", "bond", "--mode", "9").exit_code == 2
    assert run("network", "bond", "--mode", "1", "--format", "yast").exit_code == 2
