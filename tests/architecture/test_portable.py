"""Nothing in the tree works on one machine only: no home directories, no package indexes."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

TOP = Path(__file__).parents[2]
THIS = Path(__file__).relative_to(TOP).as_posix()

# Written so that this file does not contain what it looks for.
MACHINE_PATHS = re.compile(r"(?:^|[\s'\"(=:`])/(?:home/[a-z]\w*|root|work|Users)/", re.MULTILINE)
INDEX_HOSTS = re.compile(
    r"pypi\.(?:org|python\.org)|pythonhosted\.org|deb\.debian\.org|registry\.npmjs|proxy\.golang",
    re.IGNORECASE,
)


def tracked_files() -> list[str]:
    """Return what git tracks; without git (a source archive), what a source archive holds."""
    if (TOP / ".git").exists():
        listing = subprocess.run(
            ["git", "ls-files", "-z"], cwd=TOP, capture_output=True, text=True, check=True
        )
        return [name for name in listing.stdout.split("\0") if name and (TOP / name).is_file()]
    places = ("src", "tests", "docs", "packaging", "benchmarks")
    return [
        path.relative_to(TOP).as_posix()
        for place in places
        for path in sorted((TOP / place).rglob("*"))
        if path.is_file() and "__pycache__" not in path.parts
    ]


def lines_matching(pattern: re.Pattern[str]) -> list[str]:
    found = []
    for name in tracked_files():
        try:
            text = (TOP / name).read_text()
        except UnicodeDecodeError:
            continue
        found += [
            f"{name}:{number}: {line.strip()[:120]}"
            for number, line in enumerate(text.splitlines(), start=1)
            if name != THIS and pattern.search(line)
        ]
    return found


def test_no_file_names_a_path_of_one_machine() -> None:
    assert lines_matching(MACHINE_PATHS) == []


def test_no_file_names_a_package_index() -> None:
    # Which index to use is the business of the machine (pip.conf, PIP_*), not of the project.
    assert lines_matching(INDEX_HOSTS) == []


@pytest.mark.parametrize("script", ["setup", "install-packages", "system-tests"])
def test_packaging_script_has_no_syntax_error(script: str) -> None:
    result = subprocess.run(
        ["sh", "-n", TOP / "packaging" / script], capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
