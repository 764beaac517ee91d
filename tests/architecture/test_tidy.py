"""Properties of the source that no linter knows about: sizes, and nothing left for later."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

TOP = Path(__file__).parents[2]
SOURCE = TOP / "src" / "ninefold"
FUNCTION_LINES_MAX = 60
MODULE_LINES_MAX = 500

# Deliberate exceptions: "path" or "path:function", and the reason. An entry that is no longer
# needed fails the test.
EXCEPTIONS: dict[str, str] = {}

LEFT_FOR_LATER = re.compile(r"\b(?:FIXME|TODO|XXX)\b")


def modules() -> list[Path]:
    return sorted(SOURCE.rglob("*.py"))


def name(path: Path) -> str:
    return path.relative_to(SOURCE).as_posix()


def functions(tree: ast.Module) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def too_big(path: Path) -> Iterator[tuple[str, str]]:
    """Yield (key of an exception, sentence) for each thing over its limit."""
    text = path.read_text()
    lines = text.count("\n")
    if lines > MODULE_LINES_MAX:
        yield name(path), f"{name(path)} is {lines} lines, at most {MODULE_LINES_MAX}: split it"
    for function in functions(ast.parse(text)):
        length = (function.end_lineno or 0) - function.lineno + 1
        if length > FUNCTION_LINES_MAX:
            yield (
                f"{name(path)}:{function.name}",
                f"line {function.lineno}: {length} lines, at most {FUNCTION_LINES_MAX}: split it",
            )


@pytest.mark.parametrize("path", modules(), ids=name)
def test_module_and_its_functions_are_small(path: Path) -> None:
    assert [each for each in too_big(path) if each[0] not in EXCEPTIONS] == []


@pytest.mark.parametrize("path", modules(), ids=name)
def test_nothing_is_left_for_later(path: Path) -> None:
    for number, line in enumerate(path.read_text().splitlines(), start=1):
        assert not LEFT_FOR_LATER.search(line), (
            f"{name(path)}:{number}: do it now, or file an issue and leave the line out"
        )


def test_exceptions_are_still_needed() -> None:
    needed = {key for path in modules() for key, _ in too_big(path)}
    assert sorted(set(EXCEPTIONS) - needed) == []
