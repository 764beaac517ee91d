"""The tutorial of `ninefold design`, followed word for word: what it shows is what comes out."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import pytest
from typer.testing import CliRunner

from ninefold.cli.main import app

TUTORIAL: Final = (Path(__file__).parents[3] / "docs/tutorial/first-design.md").read_text(
    encoding="utf-8"
)
BLOCKS: Final = re.findall(r"```([a-z]*)\n(.*?)```", TUTORIAL, re.DOTALL)
DUCT: Final = "  same-duct: {of: [internet-a, internet-b], beta: 2 %, source: an estimate}\n"


def shown(beginning: str) -> list[str]:
    """Return the lines of the one block of output that begins so, without the space between words."""
    (block,) = [text for kind, text in BLOCKS if not kind and text.startswith(beginning)]
    return [" ".join(line.split()) for line in block.splitlines() if line.strip()]


def run(*words: str) -> list[str]:
    result = CliRunner().invoke(app, ["design", *words], env={"COLUMNS": "100"})
    return [" ".join(line.split()) for line in result.output.splitlines()]


def design(*changes: tuple[str, str]) -> str:
    text = Path("first.yaml").read_text(encoding="utf-8")
    for old, new in changes:
        assert text.count(old) == 1
        text = text.replace(old, new)
    return text


@pytest.fixture(autouse=True)
def first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (command,) = re.findall(r"^ninefold design (init .*)$", TUTORIAL, re.MULTILINE)
    assert run(*command.split())[0].startswith("first.yaml is written")


def test_node_is_written_as_the_tutorial_quotes_it() -> None:
    (quoted,) = [text for kind, text in BLOCKS if kind == "yaml" and text.startswith("  node1:")]

    assert quoted in design()


def test_mistakes_are_found_as_shown() -> None:
    Path("broken.yaml").write_text(
        design(
            ("switch-a: {kind: switch,", "switch-a: {kind: swich,"),
            ("internet-a: {", "internt-a: {"),
        )
    )

    assert [*run("check", "broken.yaml"), ""][:4] == shown("broken.yaml:23")


@pytest.mark.parametrize(
    "beginning", ["Services:", "What dominates", "Single points of failure, layer"]
)
def test_report_says_what_is_shown(beginning: str) -> None:
    printed = run("report", "first.yaml")

    start = printed.index(shown(beginning)[0])
    # The tutorial shows the first lines of a table, folded for a narrower page.
    wanted = " ".join(shown(beginning)).split()
    assert set(wanted) <= set(" ".join(printed[start : start + 12]).split())


def test_second_line_buys_what_is_shown() -> None:
    Path("second.yaml").write_text(
        design(
            ("name: shop\n", "name: shop, second line\n"),
            (
                "internet-a: {kind: internet-line}",
                "internet-a: {kind: internet-line}\n  internet-b: {kind: internet-line}",
            ),
            ("[cluster, internet-a,", "[cluster, {any: [internet-a, internet-b]},"),
            ("common-causes:\n", f"common-causes:\n{DUCT}"),
        )
    )

    printed = run("compare", "first.yaml", "second.yaml")

    assert [line for line in shown("Availability of shop") if line not in printed] == []
