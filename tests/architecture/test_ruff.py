"""Format and lint are part of the suite: `make lint` is the gate, this is its lock."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

TOP = Path(__file__).parents[2]


@pytest.mark.parametrize("arguments", [("format", "--check"), ("check", "--quiet")], ids=" ".join)
def test_ruff_finds_nothing(arguments: tuple[str, ...]) -> None:
    ruff = Path(sys.executable).with_name("ruff")
    result = subprocess.run(
        [ruff, *arguments, "."], cwd=TOP, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stdout + result.stderr
