"""`python -m benchmarks.scheduler`: the policy engine beside Pacemaker's, on generated clusters.

Whole commands are measured, start-up and reading included, as the kernel accounts for the finished
process. The two run in turn, so that a machine whose speed drifts is unfair to neither; the ratios
are taken pair by pair. The modules are compiled beforehand, as an installation compiles them; where
Python is told to write no bytecode, each run would compile them anew.

`ninefold simulate` always carries its decision out on paper and shows the state after it; plain
`crm_simulate` only decides, and with `-S` does as much. With that it needs minutes for the largest
cluster, so it is measured up to `--simulate-max` resources. A peak of memory cannot read below that
of this program, which the kernel hands on to what it starts.
"""

from __future__ import annotations

import argparse
import compileall
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

from lxml import etree

import ninefold
from benchmarks.scheduler.clusters import Cluster

SIZES = ((4, 50), (8, 200), (16, 500), (32, 1000))
NINEFOLD = str(Path(sys.executable).with_name("ninefold"))


class Cost(NamedTuple):
    """What one run took: processor and wall seconds, peak memory in MiB."""

    cpu_s: float
    wall_s: float
    peak_mib: float


def run(command: list[str]) -> Cost:
    """Run a command to its end; raises `SystemExit` if it fails."""
    clock = os.times()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    wall_s = os.times().elapsed - clock.elapsed
    if os.waitstatus_to_exitcode(status):
        raise SystemExit(f"{' '.join(command)} failed")
    return Cost(used.ru_utime + used.ru_stime, wall_s, used.ru_maxrss / 1024)


def medians(costs: list[Cost]) -> Cost:
    """Return the median of each figure."""
    return Cost(*(statistics.median(column) for column in zip(*costs, strict=True)))


def actions(command: list[str], graph: Path) -> list[tuple[str | None, str | None]]:
    """Return the actions of the decision, with their nodes."""
    run([*command, str(graph)])
    heads = etree.parse(graph).iterfind(".//action_set/*")
    return sorted((head.get("operation_key"), head.get("on_node") or "") for head in heads)


def measure(nodes: int, resources: int, options: argparse.Namespace) -> list[dict[str, object]]:
    """Return a row for each command on one cluster; the ratios are ours divided by theirs."""
    with tempfile.TemporaryDirectory() as place:
        file = Path(place, "cib.xml")
        file.write_bytes(Cluster(nodes, resources).document)
        ours = [NINEFOLD, "simulate", str(file)]
        others = {}
        if shutil.which("crm_simulate"):
            others["crm_simulate"] = ["crm_simulate", "-x", str(file)]
            if resources <= options.simulate_max:
                others["crm_simulate -S"] = ["crm_simulate", "-S", "-x", str(file)]
        found = {name: [run(command)] for name, command in others.items()}
        mine = [run(ours)]
        for _ in range(options.runs):
            mine.append(run(ours))
            for name, command in others.items():
                found[name].append(run(command))
        rows = [row(nodes, resources, "ninefold simulate", mine[1:], [])]
        rows += [row(nodes, resources, name, costs[1:], mine[1:]) for name, costs in found.items()]
        if others:
            same = actions([*ours, "--graph"], Path(place, "a")) == actions(
                [*others["crm_simulate"], "-G"], Path(place, "b")
            )
            rows[0]["same_actions"] = same
        return rows


def row(
    nodes: int, resources: int, command: str, costs: list[Cost], ours: list[Cost]
) -> dict[str, object]:
    """Return the figures of one command, with the ratios of ours to it."""
    middle = medians(costs)
    data: dict[str, object] = {"nodes": nodes, "resources": resources, "command": command}
    data |= {name: round(value, 3) for name, value in middle._asdict().items()}
    if ours:
        pairs = [
            Cost(*(a / b for a, b in zip(*pair, strict=True)))
            for pair in zip(ours, costs, strict=True)
        ]
        data |= {
            f"ours_{name}": round(value, 2) for name, value in medians(pairs)._asdict().items()
        }
    return data


def main() -> None:
    """Measure every size and print a table; with `--json`, lines of data."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--runs", type=int, default=5, help="of each command, after one that does not count"
    )
    parser.add_argument("--size", action="append", help="NODESxRESOURCES instead of the usual ones")
    parser.add_argument("--simulate-max", type=int, default=200, metavar="RESOURCES")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    sizes = [tuple(map(int, size.split("x"))) for size in options.size or []] or SIZES
    compileall.compile_dir(Path(ninefold.__file__).parent, quiet=1)
    if not options.json:
        known = "" if shutil.which("crm_simulate") else "; crm_simulate is not installed"
        print(
            f"medians of {options.runs} runs; Python {platform.python_version()}, {os.cpu_count()} cores, "
            f"load before {os.getloadavg()[0]:.1f}{known}"
        )
        print(
            f"{'cluster':>10}  {'command':<18} {'cpu':>8} {'wall':>8} {'peak':>9}   ours/theirs: cpu, wall, peak"
        )
    for nodes, resources in sizes:
        for data in measure(nodes, resources, options):
            if options.json:
                print(json.dumps(data), flush=True)
                continue
            ratio = ""
            if "ours_cpu_s" in data:
                ratio = f"   {data['ours_cpu_s']:>5.2f} {data['ours_wall_s']:>5.2f} {data['ours_peak_mib']:>5.2f}"
            elif "same_actions" in data:
                ratio = "   same actions" if data["same_actions"] else "   OTHER ACTIONS"
            print(
                f"{nodes:>4} x {resources:<4} {data['command']:<18} {data['cpu_s']:>6.2f} s {data['wall_s']:>6.2f} s"
                f" {data['peak_mib']:>5.0f} MiB{ratio}",
                flush=True,
            )


if __name__ == "__main__":
    main()
