"""The same seed gives the same trace, whatever Python hashes strings to."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

PROGRAM = """
import hashlib, sys
from ninefold.sim.faults import make_plan
from ninefold.sim.trial import run
world = run(make_plan(int(sys.argv[1])))
text = "\\n".join(f"{line.at} {line.who} {line.what} {line.text}" for line in world.trace)
print(len(world.trace), hashlib.sha256(text.encode()).hexdigest())
"""


def trace_under(hash_seed: str, seed: int) -> str:
    environment = os.environ | {"PYTHONHASHSEED": hash_seed}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(seed)],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("seed", [5, 16])
def test_trace_does_not_depend_on_the_hash_seed(seed: int) -> None:
    one, other = trace_under("1", seed), trace_under("4242", seed)

    assert one == other
    assert int(one.split()[0]) > 100
