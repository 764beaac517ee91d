"""A plain line is understood without Typer, and as Typer understands it."""

from __future__ import annotations

import subprocess
import sys
from functools import wraps
from typing import TYPE_CHECKING, Any

import pytest
import typer
from typer.testing import CliRunner

from ninefold.cli import simulate
from ninefold.cli.line import plain, typed

if TYPE_CHECKING:
    from pathlib import Path

PLAIN: list[list[str]] = [
    [],
    ["cluster.xml"],
    ["-"],
    ["cluster.xml", "--json"],
    ["--json", "cluster.xml", "--now", "5"],
    ["-u", "n1", "--node-up", "n2", "-d", "n3", "cluster.xml"],
    ["--quorum"],
    ["-q"],
    ["--no-quorum", "--settle"],
    ["--graph", "g.xml", "-O", "end.xml", "--scores", "s", "--summary", "t"],
    ["--what-if", "node n1 down", "--what-if", "quorum lost"],
]
FOR_TYPER: list[list[str]] = [
    ["--help"],
    ["--nodeup", "n1"],
    ["--now"],
    ["--now", "--json"],
    ["--now=5"],
    ["--now", "1", "--now", "2"],
    ["--json", "--json"],
    ["-un1"],
    ["one.xml", "two.xml"],
    ["--", "one.xml"],
    ["--quorum", "--no-quorum"],
]


def as_typer(words: list[str]) -> dict[str, Any]:
    """Return what Typer calls the command with, without what is left out."""
    seen: dict[str, Any] = {}

    def command(**given: Any) -> None:
        seen.update(given)

    app = typer.Typer()
    app.command()(typed(wraps(simulate.simulate)(command)))
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 0, result.output
    return {name: value for name, value in seen.items() if value not in (None, False, [])}


@pytest.mark.parametrize("words", PLAIN, ids=" ".join)
def test_plain_line_means_what_it_means_to_typer(words: list[str]) -> None:
    given = plain(simulate.simulate, words)

    assert given is not None
    # Without quorum is an answer, and not the same as no answer.
    expected = as_typer(words) | ({"quorum": False} if "--no-quorum" in words else {})
    assert given == expected


@pytest.mark.parametrize("words", FOR_TYPER, ids=" ".join)
def test_line_that_needs_judgement_is_left_to_typer(words: list[str]) -> None:
    assert plain(simulate.simulate, words) is None


def test_plain_line_loads_neither_typer_nor_rich(tmp_path: Path) -> None:
    document = tmp_path / "cib.xml"
    document.write_text(
        '<cib admin_epoch="0" epoch="1" num_updates="0" execution-date="5"><configuration>'
        "<crm_config/><nodes/><resources/><constraints/></configuration><status/></cib>"
    )
    program = (
        f"import sys; sys.argv = ['ninefold', 'simulate', {str(document)!r}]\n"
        "from ninefold.cli.main import run; run()\n"
        "print(sorted({'typer', 'rich', 'asyncio', 'http.client'} & set(sys.modules)))"
    )

    ended = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )

    assert ended.stdout.endswith("[]\n")


@pytest.mark.parametrize(
    "words", [["nonsense"], ["simulate", "no-such-file.xml"], ["status", "-x"]]
)
def test_mistakes_end_with_usage(words: list[str]) -> None:
    program = (
        f"import sys; sys.argv = ['ninefold', *{words!r}]\nfrom ninefold.cli.main import run; run()"
    )

    ended = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )

    assert ended.returncode == 2
    assert "Traceback" not in ended.stderr
