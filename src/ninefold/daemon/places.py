"""Search paths that the environment names: where a lab, or a distribution, keeps its agents."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

FENCE_PATH: Final = "NINEFOLD_FENCE_PATH"
OCF_PATH: Final = "NINEFOLD_OCF_PATH"


def directories(variable: str) -> tuple[Path, ...]:
    """Return the directories that a search path in the environment names."""
    value = os.environ.get(variable, "")
    return tuple(Path(part) for part in value.split(":") if part)
