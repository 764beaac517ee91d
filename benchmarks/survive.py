"""`python -m benchmarks.survive`: all single and double faults of generated clusters, whole commands.

Nothing else does this, so there is nothing to compare with. Processor time is that of all processes
together; with the cores to themselves the command takes that divided by their number.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.scheduler.clusters import Cluster

SIZES = ((3, 10), (4, 50), (8, 200))
NINEFOLD = str(Path(sys.executable).with_name("ninefold"))


def measure(nodes: int, resources: int) -> dict[str, object]:
    """Return what one survey took, and what it found."""
    with tempfile.TemporaryDirectory() as place:
        file = Path(place, "cib.xml")
        file.write_bytes(Cluster(nodes, resources, one_lost=False).document)
        before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
        done = subprocess.run(
            [NINEFOLD, "survive", str(file), "--json"], stdout=subprocess.PIPE, check=False
        )
        wall_s = time.monotonic() - began
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode > 1:
        raise SystemExit(f"{nodes} x {resources}: exit code {done.returncode}")
    found = json.loads(done.stdout)
    cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {
        "nodes": nodes,
        "resources": resources,
        "faults": found["faults"],
        "pairs": found["pairs"],
        "fatal": sum(bool(one["lost"]) for one in found["outcomes"]),
        "cpu_s": round(cpu_s, 1),
        "wall_s": round(wall_s, 1),
        "peak_mib": round(after.ru_maxrss / 1024),
    }


def main() -> None:
    """Measure every size."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", action="append", help="NODESxRESOURCES instead of the usual ones")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    sizes = [tuple(map(int, size.split("x"))) for size in options.size or []] or SIZES
    if not options.json:
        print(f"{os.cpu_count()} cores, load before {os.getloadavg()[0]:.1f}")
    for nodes, resources in sizes:
        data = measure(nodes, resources)
        if options.json:
            print(json.dumps(data), flush=True)
            continue
        print(
            f"{nodes:>4} x {resources:<4} {data['faults']:>5} faults, {data['pairs']:>6} pairs,"
            f" {data['fatal']:>5} take something down: cpu {data['cpu_s']} s, wall {data['wall_s']} s,"
            f" {data['peak_mib']} MiB",
            flush=True,
        )


if __name__ == "__main__":
    main()
