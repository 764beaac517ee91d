"""`ninefold ring` and `ninefold quorum`, against a door with what a node of a virtual ring tells behind it."""

from __future__ import annotations

import json
import random
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from typer.testing import CliRunner

from ninefold.cib.document import Cib
from ninefold.cib.model import Stamp
from ninefold.cli.main import app
from ninefold.config.model import QuorumOptions
from ninefold.daemon.outlook import told_of_ring
from ninefold.daemon.reply import refusal
from ninefold.node.backend import embedded
from ninefold.node.machine import Node
from ninefold.totem.keys import keyset
from tests.door_world import Door, open_door
from tests.totem_world import DEFAULTS, World, config_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from typer.testing import Result

CONF = """totem {
  version: 2
  cluster_name: pair
}
nodelist {
  node {
    nodeid: 1
    name: a
    ring0_addr: 192.0.2.1
  }
  node {
    nodeid: 2
    name: b
    ring0_addr: 192.0.2.2
  }
}
quorum {
  provider: corosync_votequorum
}
"""


@pytest.fixture
def door(tmp_path: Path) -> Iterator[Door]:
    with open_door(tmp_path) as opened:
        yield opened


def run(door: Door, *words: str) -> Result:
    return CliRunner().invoke(app, [*words, "--socket", str(door.path)])


def told(door: Door, counters: dict[str, Any]) -> None:
    """Have the node at the door answer with these statistics."""
    door.node.statistics = lambda: counters  # type: ignore[method-assign]


def counters_of_a_ring_with_a_cut_cable() -> dict[str, Any]:
    world = World(3, totem=DEFAULTS)
    world.start()
    world.run(5_000)
    world.cut = {(1, 2), (2, 1)}
    world.run(10_000)
    stack = world.hosts[3].stack
    statistics = msgspec.to_builtins(stack.statistics)
    return {
        "node": "n3",
        **statistics,
        "names": {"1": "n1", "2": "n2", "3": "n3"},
        "ring": msgspec.to_builtins(stack.outlook(world.now), str_keys=True),
        "quorum": None,
    }


def test_the_ring_is_told_with_who_hears_whom_and_who_rests(door: Door) -> None:
    told(door, counters_of_a_ring_with_a_cut_cable())

    result = run(door, "ring", "status")

    assert result.exit_code == 0, result.output
    assert "Members: n1, n3" in result.stdout
    assert "resting" in result.stdout
    assert "n2 asks to join but is not heard by all" in result.stdout
    assert "Scheduling: never late" in result.stdout


def test_the_ring_as_data_has_its_peers_by_number(door: Door) -> None:
    told(door, counters_of_a_ring_with_a_cut_cable())

    ring = json.loads(run(door, "ring", "status", "--json").stdout)["ring"]

    assert ring["members"] == [1, 3]
    assert ring["peers"]["2"]["resting"]
    assert ring["peers"]["1"]["hears"] == [1, 3]
    assert ring["rotation_ms"] <= ring["rotation_max_ms"] <= DEFAULTS.hold + 30


def test_on_another_back_end_the_operator_is_sent_to_its_own_tools(door: Door) -> None:
    told(door, {"node": "n1", "names": {}, "ring": None, "quorum": None})

    for words, tool in (("ring", "corosync-cfgtool"), ("quorum", "corosync-quorumtool")):
        result = run(door, words, "status")
        assert result.exit_code == 1
        assert tool in result.stderr


def test_what_a_node_tells_of_its_votes_is_shown(door: Door) -> None:
    config = msgspec.structs.replace(
        config_of(1, (1, 2), DEFAULTS),
        quorum=QuorumOptions(provider="corosync_votequorum", two_node=True, wait_for_all=True),
    )
    cib = Cib.empty("c")
    node = Node(
        config,
        backend=embedded(
            config, keys=keyset(b""), ring_seq=0, epoch=bytes(8), rng=random.Random(1)
        ),
        rng=random.Random(1),
        stamp=Stamp(0, cib.version),
        cib=cib,
    )
    told(door, {"node": "n1", **told_of_ring(node, 0)})

    result = run(door, "quorum", "status")

    assert result.exit_code == 0, result.output
    assert "May act: NO." in result.stdout
    assert "two_node, wait_for_all" in result.stdout
    assert "Waits for all nodes" in result.stdout
    assert result.stdout.count("absent") == 2


def test_the_table_of_a_file_says_that_two_nodes_without_two_node_stop_alone(
    tmp_path: Path,
) -> None:
    path = tmp_path / "corosync.conf"
    path.write_text(CONF)

    result = CliRunner().invoke(app, ["quorum", "table", str(path)])
    rows = json.loads(CliRunner().invoke(app, ["quorum", "table", str(path), "--json"]).stdout)[
        "rows"
    ]

    assert result.exit_code == 0, result.output
    assert "Quorum of pair: 2 of 2 votes are needed" in result.stdout
    assert {tuple(row["members"]): row["quorate"] for row in rows} == {
        ("a", "b"): True,
        ("a",): False,
        ("b",): False,
    }


def test_the_table_says_what_is_switched_off_and_what_clean_leaves_do(tmp_path: Path) -> None:
    path = tmp_path / "corosync.conf"
    path.write_text(CONF.replace("votequorum", "votequorum\n allow_downscale: 1\n two_node: 0"))

    result = CliRunner().invoke(app, ["quorum", "table", str(path)])

    assert "quorum.allow_downscale: Nodes that leave cleanly" in result.stderr
    shown = " ".join(result.stdout.split())
    assert "nodes that leave cleanly are no longer expected, down to 1 vote" in shown
    assert "Quorum does not survive the loss of just any node." in shown


def test_a_file_that_cannot_be_run_has_no_table(tmp_path: Path) -> None:
    path = tmp_path / "corosync.conf"
    path.write_text(CONF.replace("nodeid: 2", "nodeid: 1"))

    result = CliRunner().invoke(app, ["quorum", "table", str(path)])
    missing = CliRunner().invoke(app, ["quorum", "table", str(tmp_path / "none")])

    assert result.exit_code == 1
    assert "nodeid" in result.output
    assert missing.exit_code == 2


def test_a_reload_is_asked_of_the_node_and_its_refusal_shown(door: Door) -> None:
    done = run(door, "config", "reload")
    door.node.refusal = refusal("reload-refused", "c: error: no.", "Nothing was changed.")
    refused = run(door, "config", "reload")

    assert done.exit_code == 0, done.output
    assert "nothing that a running node takes has changed" in done.stdout
    assert refused.exit_code == 1
    assert "Nothing was changed." in refused.stderr
    assert [body["type"] for _, body in door.node.asked] == ["reload", "reload"]
