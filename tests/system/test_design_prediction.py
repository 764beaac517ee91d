"""A predicted failover, held against one that really happens."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from ninefold.design.failover import predict, used_s
from ninefold.design.load import load
from ninefold.lab import start

pytestmark = pytest.mark.system

EXAMPLE = Path(__file__).parents[2] / "examples" / "lab-three-nodes"


def test_drill_of_the_lab_takes_what_its_model_predicts(tmp_path: Path) -> None:
    # Not a word of disagreement: within a factor of two, also while the machine does other things.
    if reason := start.permitted():
        pytest.skip(reason)
    directory = tmp_path / "lab"
    shutil.copytree(EXAMPLE, directory)
    program = "from ninefold.cli.main import app; app()"
    words = ["lab", "demo", "--token", "1000", "--json", "--name", f"t{os.getpid()}-predict"]

    drill = subprocess.run(
        [sys.executable, "-c", program, *words],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert drill.returncode == 0, drill.stderr
    (directory / "drills-token-1000.jsonl").write_text(drill.stdout)
    model, findings = load(directory / "token-1000.yaml")

    assert model is not None, findings
    group = model.groups["lab"]
    prediction = predict(group)
    assert prediction.measured_s == (json.loads(drill.stdout)["downtime_s"],)
    assert used_s(group, prediction) == prediction.measured_s[0]
    assert not [note for note in prediction.notes if "times off" in note]
    assert prediction.measured_s[0] < prediction.bound_s
