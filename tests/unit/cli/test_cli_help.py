"""What an operator sees who asks for help, or has a file judged."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
import typer.main
from typer.testing import CliRunner

from ninefold.cli.main import app

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CONF = """\
totem {
    version: 2
    cluster_name: example
    tokne: 1000
}
nodelist {
    node {
        nodeid: 1
        name: node1
        ring0_addr: 127.0.0.1
    }
}
quorum {
    provider: corosync_votequorum
}
"""


def commands(command: Any, words: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    yield words
    for name, below in getattr(command, "commands", {}).items():
        yield from commands(below, (*words, name))


@pytest.mark.parametrize("words", list(commands(typer.main.get_command(app))), ids=" ".join)
def test_every_command_tells_what_it_does(words: tuple[str, ...]) -> None:
    # Square brackets in a help text are markup to the renderer: it drops them, or fails.
    result = CliRunner().invoke(app, [*words, "--help"])

    assert result.exit_code == 0, result.exception
    assert "Usage" in result.output


def test_every_group_has_a_command() -> None:
    groups = [
        words
        for words in commands(typer.main.get_command(app))
        if getattr(command_at(words), "commands", None) == {}
    ]

    assert groups == []


def command_at(words: tuple[str, ...]) -> Any:
    command: Any = typer.main.get_command(app)
    for word in words:
        command = command.commands[word]
    return command


def test_mistyped_key_is_found_with_its_line(tmp_path: Path) -> None:
    file = tmp_path / "corosync.conf"
    file.write_text(CONF)

    result = CliRunner().invoke(app, ["config", "check", str(file), "--json"])

    report = json.loads(result.stdout)
    found = [finding for finding in report["findings"] if finding["line"] == 4]
    assert [finding["subject"] for finding in found] == ["totem.tokne"]
    assert {"key": "totem.token", "value": "3000"}.items() <= token_of(report).items()


def token_of(report: dict[str, Any]) -> dict[str, Any]:
    return next(value for value in report["values"] if value["key"] == "totem.token")


def test_file_that_is_not_there_is_wrong_usage(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["config", "check", str(tmp_path / "none")])

    assert result.exit_code == 2
    assert "cannot be read" in result.stderr
