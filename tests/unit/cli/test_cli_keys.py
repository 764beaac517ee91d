"""`ninefold keys`, against a door with what a node of a virtual ring tells behind it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from typer.testing import CliRunner

from ninefold.cli.main import app
from ninefold.daemon.keys import COROSYNC
from ninefold.daemon.reply import refusal
from tests.door_world import Door, open_door

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from typer.testing import Result

NAMES = {"1": "a", "2": "b", "3": "c"}


@pytest.fixture
def door(tmp_path: Path) -> Iterator[Door]:
    with open_door(tmp_path) as opened:
        yield opened


def run(door: Door, *words: str) -> Result:
    return CliRunner().invoke(app, ["keys", *words, "--socket", str(door.path)])


def keys(**changes: Any) -> dict[str, Any]:
    """Return what a node tells of its keys: two members with one key, unless changed."""
    alone = {"active": "0a0a0a0a", "next": "", "previous": ""}
    return {
        "active": "0a0a0a0a",
        "next": "",
        "previous": "",
        "under_way": False,
        "waits_for": [],
        "without": [],
        "nodes": {"1": alone, "2": alone},
        **changes,
    }


def show(door: Door, seen: dict[str, Any] | None) -> None:
    told = {"node": "a", "names": NAMES, "ring": {"keys": seen}}
    door.node.statistics = lambda: told  # type: ignore[method-assign]


def test_status_names_who_holds_which_key(door: Door) -> None:
    show(door, keys())

    result = run(door, "status")

    assert result.exit_code == 0
    assert result.output.count("0a0a0a0a") == 2
    assert "absent" in result.output
    assert "No rotation is under way." in result.output


def test_status_says_whom_a_rotation_waits_for_and_what_to_do(door: Door) -> None:
    coming = {"active": "0a0a0a0a", "next": "12ab34cd", "previous": ""}
    show(door, keys(under_way=True, waits_for=[3], nodes={"1": coming, "2": coming}))

    result = run(door, "status")

    flat = " ".join(result.output.split())
    assert "waits for c: it goes on when they are in the ring again" in flat
    assert "ninefold keys rotate --without NODE" in flat


def test_rotation_is_over_when_another_key_is_the_only_one(door: Door) -> None:
    alone = {"active": "12ab34cd", "next": "", "previous": ""}
    show(door, keys(active="12ab34cd", nodes={"1": alone, "2": alone}))

    result = run(door, "rotate", "--without", "c")

    assert result.exit_code == 0
    assert "All nodes send under key 12ab34cd" in result.output
    assert "c was left out: copy the key file" in " ".join(result.output.split())
    assert door.node.asked[-1][1] == {"type": "rotate-keys", "without": ["c"]}


def test_rotation_that_does_not_end_in_time_is_told_with_its_reason(door: Door) -> None:
    show(door, keys(under_way=True, waits_for=[2]))

    result = run(door, "rotate", "--wait", "0.1")

    assert result.exit_code == 1
    assert "not done within 0.1 s" in " ".join(result.output.split())
    assert "waits for the disk of b" in " ".join(result.output.split())


def test_key_that_is_still_the_old_one_is_not_taken_for_the_new_one(door: Door) -> None:
    show(door, keys())

    result = run(door, "rotate", "--wait", "0.1", "--json")

    assert result.exit_code == 1
    assert json.loads(result.stdout)["done"] is False


def test_rotation_on_corosync_is_told_step_by_step(door: Door) -> None:
    door.node.refusal = refusal("keys-refused", *COROSYNC)

    result = run(door, "rotate")

    assert result.exit_code == 1
    assert "corosync-keygen" in result.output
    assert "corosync-cfgtool -R" in result.output


def test_ring_without_crypto_has_no_keys(door: Door) -> None:
    show(door, None)

    result = run(door, "status")

    assert result.exit_code == 1
    assert "crypto is off" in result.output
