"""`python -m benchmarks.messaging`: ordered messages per second, and how long one takes.

Every node is a process of its own on loopback, sealed with AES-256-GCM, on the default timers. Two loads for each
size and number of nodes: *full*, every node keeps 64 messages (or 1 MiB) of its own under way; and *one at a time*, one
node sends the next when the last has come back to it. A message counts when it is delivered, in its place of
the order, at the first node. All nodes share this machine's cores, so more nodes do not mean more speed.
"""

from __future__ import annotations

import json
import multiprocessing as mp
import os
import platform
import socket
import statistics
import sys
from typing import Any

from benchmarks.messaging.embedded import Load, member

SIZES = (100, 1024, 65_536)
NODES = (1, 3, 5)
SECONDS = float(os.environ.get("SECONDS", "3"))
UNDER_WAY_MAX = 64
UNDER_WAY_BYTES = 1024 * 1024


def measure(count: int, size: int, *, full: bool) -> dict[str, Any]:
    """Run one load on `count` nodes; raises `EOFError` if a node ended without an answer."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    context = mp.get_context("spawn")
    members = []
    for node in range(1, count + 1):
        here, there = context.Pipe()
        share = min(UNDER_WAY_MAX, UNDER_WAY_BYTES // size) if full else int(node == 1)
        process = context.Process(
            target=member, args=(node, Load(count, port, size, share, SECONDS), there)
        )
        process.start()
        there.close()
        members.append((process, here))
    told = [pipe.recv() for _, pipe in members]
    for process, _ in members:
        process.join()
    took = sorted(ns for one in told for ns in one["took_ns"])
    return {
        "nodes": count,
        "bytes": size,
        "load": "full" if full else "one at a time",
        "per_s": round(told[0]["per_s"], 1),
        "median_ms": round(statistics.median(took) / 1e6, 2) if took else None,
        "p99_ms": round(took[len(took) * 99 // 100] / 1e6, 2) if took else None,
        "retransmits": sum(one["retransmits"] for one in told),
        "memberships": max(one["memberships"] for one in told),
    }


def main() -> None:
    """Measure everything and print a table; with `--json`, lines of data."""
    as_json = "--json" in sys.argv[1:]
    load = os.getloadavg()[0]
    if not as_json:
        print(
            f"embedded ring, aes256, loopback; Python {platform.python_version()}, "
            f"{os.cpu_count()} cores, load before {load:.1f}, {SECONDS:g} s each"
        )
        print(
            f"{'nodes':>5} {'bytes':>6} {'load':<14} {'per s':>9} {'MiB/s':>6} {'median':>8} {'p99':>8}"
        )
    for count in NODES:
        for size in SIZES:
            for full in (True, False):
                row = measure(count, size, full=full)
                if as_json:
                    print(json.dumps(row), flush=True)
                    continue
                mib = row["per_s"] * size / 2**20
                print(
                    f"{count:>5} {size:>6} {row['load']:<14} {row['per_s']:>9.1f} {mib:>6.1f} "
                    f"{row['median_ms'] or 0:>5.2f} ms {row['p99_ms'] or 0:>5.2f} ms",
                    flush=True,
                )


if __name__ == "__main__":
    main()
