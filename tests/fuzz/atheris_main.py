"""Feed one decoder with what atheris finds by watching which lines it reaches; `make fuzz` runs it for each.

    python -m tests.fuzz.atheris_main TARGET [options of libFuzzer, such as -max_total_time=60]

Found bytes are left in `build/fuzz-crash-*`; put them, shortened, into `tests/properties/test_every_decoder.py` with the fix.
"""

from __future__ import annotations

import sys
import tempfile
from importlib import import_module
from pathlib import Path


def main() -> int:
    """Fuzz until the time is over or something breaks."""
    try:
        atheris = import_module("atheris")
    except ImportError:
        sys.stderr.write(
            "fuzz: atheris is not installed here; Hypothesis alone has fed the decoders.\n"
        )
        return 0
    with atheris.instrument_imports(include=["ninefold"]):
        targets = import_module("tests.fuzz.targets")
    if len(sys.argv) < 2 or sys.argv[1] not in targets.TARGETS:
        sys.stderr.write(f"fuzz: name one of {', '.join(targets.TARGETS)}\n")
        return 2
    target = targets.TARGETS[sys.argv[1]]
    with tempfile.TemporaryDirectory() as folder:
        for number, seed in enumerate(target.seeds):
            (Path(folder) / str(number)).write_bytes(seed)
        atheris.Setup([sys.argv[0], *sys.argv[2:], folder], lambda data: targets.feed(target, data))
        atheris.Fuzz()
    return 0


if __name__ == "__main__":
    sys.exit(main())
