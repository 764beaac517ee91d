"""The commands, against a door with a small node behind it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from typer.testing import CliRunner

from ninefold.cli import out
from ninefold.cli.main import app
from ninefold.cli.status import render
from ninefold.daemon.reply import refusal
from tests.door_world import STATUS, Door, open_door

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from typer.testing import Result


@pytest.fixture
def door(tmp_path: Path) -> Iterator[Door]:
    with open_door(tmp_path) as opened:
        yield opened


def run(door: Door, *words: str, typed: str = "") -> Result:
    return CliRunner().invoke(app, [*words, "--socket", str(door.path)], input=typed)


def changed(door: Door) -> list[dict[str, Any]]:
    return [body["change"] for _, body in door.node.asked if body["type"] == "change"]


def test_no_node_to_ask_ends_with_3(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["status", "--socket", str(tmp_path / "none")])

    assert result.exit_code == 3
    assert "Start ninefoldd" in result.stderr


def test_status_as_data_is_what_the_node_said(door: Door) -> None:
    assert json.loads(run(door, "status", "--json").stdout) == STATUS


def test_standby_of_a_node_that_is_not_there_changes_nothing(door: Door) -> None:
    result = run(door, "node", "standby", "n3")

    assert result.exit_code == 2
    assert "There is no node n3; there are n1, n2." in result.stderr
    assert changed(door) == []


def test_standby_is_acknowledged_with_the_version(door: Door) -> None:
    result = run(door, "node", "standby", "n2")

    assert result.exit_code == 0
    assert "n2 in standby (CIB 0.2.0, on a majority of disks)" in result.stdout
    assert [change["name"] for change in changed(door)] == ["standby"]


def test_refused_change_ends_with_1_and_all_its_reasons(door: Door) -> None:
    door.node.refusal = refusal("refused", "First reason.", "Second reason.")

    result = run(door, "resource", "stop", "web")

    assert result.exit_code == 1
    assert "First reason." in result.stderr
    assert "Second reason." in result.stderr


def test_fencing_without_a_yes_does_nothing(door: Door) -> None:
    result = run(door, "node", "fence", "n2", typed="n\n")

    assert result.exit_code == 1
    assert {body["type"] for _, body in door.node.asked} == {"status"}


def test_declaring_dead_wants_the_name_typed(door: Door) -> None:
    assert run(door, "node", "declare-dead", "n2", typed="n1\n").exit_code == 1
    assert "declare-dead" not in {body["type"] for _, body in door.node.asked}

    assert run(door, "node", "declare-dead", "n2", typed="n2\n").exit_code == 0
    assert door.node.asked[-1][1] == {"type": "declare-dead", "node": "n2", "confirmed": True}


def test_broken_document_is_refused_with_file_line_and_remedy(door: Door, tmp_path: Path) -> None:
    file = tmp_path / "new.xml"
    file.write_text('<cib epoch="1">\n<configuration>\n</cib>\n')

    result = run(door, "cib", "replace", str(file))

    assert result.exit_code == 1
    assert f"{file}:3: error:" in result.stderr
    assert changed(door) == []


def test_document_is_written_to_a_file_for_its_owner_alone(door: Door, tmp_path: Path) -> None:
    file = tmp_path / "cib.xml"

    result = run(door, "cib", "show", "--output", str(file))

    assert result.exit_code == 0
    assert file.read_text() == "<cib/>\n"
    assert file.stat().st_mode & 0o777 == 0o600


def test_followed_events_come_after_the_past_ones_and_once(door: Door) -> None:
    past = [{"id": n, "at_ms": n, "what": "w", "text": f"past {n}"} for n in (1, 2)]
    door.node.log = past
    news = {"at_ms": 3, "what": "fenced", "text": "n2"}

    def happen() -> None:
        if not door.node.queues:
            door.do(happen)
            return
        for queue in door.node.queues:
            # The newest of the past was on its way while it was read.
            for event in (past[1], news, None):
                queue.put_nowait(event)

    door.do(happen)
    result = run(door, "events", "--follow", "--json")

    assert [json.loads(line)["text"] for line in result.stdout.splitlines()] == [
        "past 1",
        "past 2",
        "n2",
    ]
    assert result.exit_code == 3
    assert "ended the stream" in result.stderr


def test_lost_node_that_cannot_be_fenced_is_told_in_80_columns() -> None:
    lost = STATUS["nodes"][1] | {
        "state": "unclean",
        "unclean": True,
        "member": False,
        "detail": "peer is no longer part of the cluster",
    }
    reason = "fence reboot: fence_ipmilan: FAILED the fence device does not respond to anything"
    status = STATUS | {
        "nodes": [STATUS["nodes"][0], lost],
        "settled": False,
        "fencing": [{"node": "n2", "state": "failed", "attempts": 3, "reason": reason}],
        "resources": [
            {
                "id": "database",
                "agent": "ocf:heartbeat:pgsql",
                "group": "services",
                "role": "Started",
                "nodes": ["n2"],
                "next_role": "Started",
                "next_node": "n1",
                "blocked": "It waits for the fencing of n2.",
                "scores": {},
                "reasons": [],
            }
        ],
        "fail_counts": {"database": {"n1": 1_000_000}},
        "failures": [
            {
                "resource": "database",
                "node": "n1",
                "operation": "database_start_0",
                "rc": 1,
                "reason": "no space left on the device that holds the database",
                "at": 0,
            }
        ],
    }

    text = render(status).plain

    assert max(len(line) for line in text.splitlines()) <= 80
    assert "started on n2 (UNCLEAN)" in text
    assert "blocked: It waits for the fencing of n2." in text
    assert "n2: FAILED after 3 attempts" in text
    assert "ninefold node declare-dead n2" in text
    assert "fail count INFINITY on n1" in text
    assert "ninefold resource cleanup database" in text


def test_failed_policy_engine_stands_out() -> None:
    text = render(STATUS | {"settled": False, "decided": False, "warnings": ["take it back"]}).plain

    assert "State: the policy engine failed, so nothing is decided" in text
    assert "not known without the policy engine" in text
    assert "none are configured" not in text
    assert "warning: take it back" in text


def test_missing_quorum_stands_out() -> None:
    quorum = STATUS["quorum"] | {"quorate": False, "reason": "1 of 3 votes are present."}

    text = render(STATUS | {"quorum": quorum, "store": "The disk is full."}).plain

    assert "Quorum: NO. 1 of 3 votes are present." in text
    assert "The store of this node refuses: The disk is full." in text


def test_damaged_database_is_set_aside_after_a_yes(tmp_path: Path) -> None:
    (tmp_path / "ninefold.db").write_bytes(b"no database at all" * 100)
    words = ["store", "set-aside", "--state", str(tmp_path)]

    refused = CliRunner().invoke(app, words, input="n\n")
    assert refused.exit_code == 1
    assert (tmp_path / "ninefold.db").exists()

    done = CliRunner().invoke(app, [*words, "--yes", "--json"])
    assert done.exit_code == 0
    assert json.loads(done.stdout)["moved_to"] == str(tmp_path / "ninefold.db.damaged-1")
    assert not (tmp_path / "ninefold.db").exists()


def test_file_for_another_host_is_judged_as_that_host(tmp_path: Path) -> None:
    file = tmp_path / "corosync.conf"
    file.write_text(
        "totem {\n version: 2\n cluster_name: c\n crypto_cipher: none\n crypto_hash: none\n}\n"
        "nodelist {\n node {\n  nodeid: 1\n  name: far\n  ring0_addr: 192.0.2.1\n }\n}\n"
        "quorum {\n provider: corosync_votequorum\n}\n"
    )

    here = CliRunner().invoke(app, ["config", "check", str(file)])
    assert here.exit_code == 1
    assert "--as NODE" in here.stdout

    there = CliRunner().invoke(app, ["config", "check", str(file), "--as", "far"])
    assert there.exit_code == 0, there.output
    assert "can be used by far" in there.stdout


def test_key_file_of_another_host_is_not_looked_for_here(tmp_path: Path) -> None:
    file = tmp_path / "corosync.conf"
    file.write_text(
        "totem {\n version: 2\n cluster_name: c\n crypto_cipher: aes256\n crypto_hash: sha256\n"
        f" keyfile: {tmp_path}/absent\n}}\n"
        "nodelist {\n node {\n  nodeid: 1\n  name: far\n  ring0_addr: 192.0.2.1\n }\n}\n"
        "quorum {\n provider: corosync_votequorum\n}\n"
    )

    there = CliRunner().invoke(app, ["config", "check", str(file), "--as", "far"])

    assert there.exit_code == 0, there.output
    assert "given a fit key file there" in there.stdout


def test_shipped_agents_are_listed_and_shown() -> None:
    listed = CliRunner().invoke(app, ["agents", "list", "ocf", "--json"])
    assert "ocf:ninefold:web" in json.loads(listed.stdout)

    shown = CliRunner().invoke(app, ["agents", "show", "ocf:ninefold:web", "--json"])
    assert "port" in [item["name"] for item in json.loads(shown.stdout)["parameters"]]


def test_agents_name_is_printed_as_it_is() -> None:
    # Rich would make a heart of the middle of it, and swallow what stands in brackets.
    with out.console.capture() as said:
        out.console.print("ocf:heartbeat:IPaddr2")

    assert said.get() == "ocf:heartbeat:IPaddr2\n"


@pytest.mark.parametrize("name", ["web", "ocf:web", "systemd:a:b", "no:such"])
def test_name_that_is_no_agents_is_wrong_usage(name: str) -> None:
    assert CliRunner().invoke(app, ["agents", "show", name]).exit_code == 2


def test_a_move_says_what_moves_alive(door: Door) -> None:
    row = {"id": "vm", "group": "", "nodes": ["n1"], "alive": True}
    door.node.status = {**STATUS, "resources": [row, {**row, "id": "other"}]}

    assert (
        "vm moves alive if nothing hinders it" in run(door, "resource", "move", "vm", "n2").stdout
    )
    assert "alive" not in run(door, "resource", "move", "vm", "n1").stdout
