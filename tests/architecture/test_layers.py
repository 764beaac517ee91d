"""The folder layout is the architecture; this test keeps them the same thing."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

TOP = Path(__file__).parents[2]


def test_import_contracts_hold() -> None:
    lint_imports = Path(sys.executable).with_name("lint-imports")
    result = subprocess.run(
        [lint_imports, "--no-cache"], cwd=TOP, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stdout + result.stderr
