"""Every package says in its `__init__` what may live in it; else it has only re-exports there."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[2] / "src" / "ninefold"
PACKAGES = sorted(path.parent for path in SOURCE.rglob("__init__.py"))

# Protocol layers: a page with the states in sentences stands beside the machine.
WITH_README = ("totem", "quorum", "corosync", "fencing", "controller")

# One or two lines; a charter that is only a word is none.
CHARTER_CHARACTERS_MIN = 40


def name(path: Path) -> str:
    return path.relative_to(SOURCE.parent).as_posix()


def is_reexport(node: ast.stmt) -> bool:
    """Imports, `__all__` and `__version__` and nothing that runs."""
    match node:
        case ast.Import() | ast.ImportFrom():
            return True
        case ast.Assign(targets=[ast.Name(id="__all__" | "__version__")]):
            return True
        case _:
            return False


@pytest.mark.parametrize("package", PACKAGES, ids=name)
def test_package_has_a_charter_and_only_reexports(package: Path) -> None:
    tree = ast.parse((package / "__init__.py").read_text())
    charter = ast.get_docstring(tree)
    assert charter, f"{name(package)}/__init__.py: say in a docstring what may live here"
    assert len(charter) >= CHARTER_CHARACTERS_MIN, f"{name(package)}: the charter says nothing"
    for node in tree.body[1:]:
        assert is_reexport(node), (
            f"{name(package)}/__init__.py:{node.lineno}: only re-exports here; give it a module"
        )


@pytest.mark.parametrize("layer", WITH_README)
def test_protocol_layer_tells_its_states_in_sentences(layer: str) -> None:
    page = SOURCE / layer / "README.md"
    assert page.is_file(), f"{name(page)}: one page, the states in sentences"
    assert len(page.read_text().splitlines()) >= 10


@pytest.mark.parametrize("page", sorted(SOURCE.rglob("README.md")), ids=name)
def test_page_names_only_modules_that_are_there(page: Path) -> None:
    # Tables list files in the column whose head says so.
    missing = []
    column = 0
    for line in page.read_text().splitlines():
        cells = [cell.strip() for cell in line.split("|")]
        if "file" in cells or "files" in cells:
            column = next(i for i, cell in enumerate(cells) if cell in ("file", "files"))
        elif line.startswith("|"):
            words = re.findall(r"`([a-z_]+)(?:\.py)?`", cells[column])
            missing += [word for word in words if not (page.parent / f"{word}.py").is_file()]
    assert missing == []


def test_every_directory_with_modules_is_a_package() -> None:
    # A forgotten __init__.py makes a namespace package, which no import contract would see.
    # `data` holds programs, which nobody imports.
    homes = {path.parent for path in SOURCE.rglob("*.py") if SOURCE / "data" not in path.parents}
    strays = sorted(name(home) for home in homes if not (home / "__init__.py").is_file())
    assert strays == []
