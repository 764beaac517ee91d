"""`python -m benchmarks.messaging`: ordered messages per second and how long one takes, on both back ends.

Members are processes on the lab's hosts, sealed with AES-256 and authenticated, on the default timers; the client is
the same Python program for all. *Embedded* is our ring; *Corosync, agreed* is a process group of real Corosync
by the same binding; *Corosync, stable* is what ninefoldd makes of it (a message is handed up when all have receipted
it). Three loads for each size and number of nodes: *all send*, every node keeps 64 messages (or 1 MiB) of its own
under way; *one sends* as much; and *one at a time*, one node sends the next when the last has come back. A message counts when
it is delivered in its place of the order at the first node. All hosts share this machine's cores.

Then membership: how long after a crash, and after a clean leave, the others have their new ring.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import time
from typing import TYPE_CHECKING, Any

from benchmarks.messaging.hosts import KINDS, Member, corosync_missing, hosts
from ninefold.lab.start import permitted

if TYPE_CHECKING:
    from collections.abc import Callable

SIZES = (100, 1024, 65_536)
NODES = (1, 3, 5)
SECONDS = float(os.environ.get("SECONDS", "3"))
UNDER_WAY_MAX = 64
UNDER_WAY_BYTES = 1024 * 1024
# How much node `n` keeps under way.
LOADS: dict[str, Callable[[int, int], int]] = {
    "all send": lambda _, share: share,
    "one sends": lambda n, share: share if n == 1 else 0,
    "one at a time": lambda n, _: int(n == 1),
}
ONE_NODE = ("all send", "one at a time")
# By Corosync's defaults: 3000 ms, and 650 for each node from the third on.
TOKEN_S = {3: 3.65}


def measure(lab: Any, kind: str, count: int, size: int, load: str) -> dict[str, Any]:
    """Run one load; `EOFError` if a member ended without an answer."""
    share = min(UNDER_WAY_MAX, UNDER_WAY_BYTES // size)
    members = [
        Member(lab, f"node{n}", kind, count, size, LOADS[load](n, share), SECONDS)
        for n in range(1, count + 1)
    ]
    told = []
    for member in members:
        figures = [said for said in member.lines() if "per_s" in said]
        member.close()
        if not figures:
            raise EOFError(f"{kind}, {count} nodes: a member ended without an answer")
        told.append(figures[0])
    took = sorted(ns for one in told for ns in one["took_ns"])
    return {
        "kind": kind,
        "nodes": count,
        "bytes": size,
        "load": load,
        "per_s": round(told[0]["per_s"], 1),
        "median_ms": round(statistics.median(took) / 1e6, 2) if took else None,
        "p99_ms": round(took[len(took) * 99 // 100] / 1e6, 2) if took else None,
        "retransmits": sum(one["retransmits"] for one in told),
        "memberships": max(one["memberships"] for one in told),
    }


def memberships(lab: Any, kind: str, count: int) -> dict[str, Any]:
    """Return how long after a crash, and after a clean leave, the last of the others has been told."""
    members = {n: Member(lab, f"node{n}", kind, count, 0, 0, 0) for n in range(1, count + 1)}
    everybody = list(members)
    for member in members.values():
        member.until(everybody)
    last = everybody[-1]
    crashed_s = lab.crash(f"node{last}").asked_s
    after_crash = max(members[n].until(everybody[:-1]) for n in everybody[:-1]) - crashed_s
    members[last].process.wait(20)
    leaver = everybody[-2]
    said = members[leaver]
    began = time.monotonic()
    said.leave()
    rest = [n for n in everybody if n not in (leaver, last)]
    after_leave = max(members[n].until(rest) for n in rest) - began
    for member in members.values():
        member.close()
    return {"kind": kind, "nodes": count, "crash_s": after_crash, "leave_s": after_leave}


def main() -> None:
    """Measure everything and print a table; with `--json`, lines of data."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--nodes", type=int, nargs="*", default=NODES)
    parser.add_argument("--sizes", type=int, nargs="*", default=SIZES)
    parser.add_argument("--kinds", nargs="*", default=list(KINDS), choices=list(KINDS))
    parser.add_argument("--runs", type=int, default=1, help="of each; all are printed")
    wanted = parser.parse_args()
    if reason := permitted():
        raise SystemExit(reason)
    kinds = list(wanted.kinds)
    if kinds != ["embedded"] and (reason := corosync_missing()):
        print(f"Corosync is left out: {reason}.")
        kinds = [kind for kind in kinds if kind == "embedded"]
    if not wanted.json:
        head(os.getloadavg()[0])
    for count in wanted.nodes:
        with hosts(count, corosync=kinds != ["embedded"]) as lab:
            for size in wanted.sizes:
                for load in LOADS if count > 1 else ONE_NODE:
                    # Taking turns, so that what else this machine does hits all alike.
                    for _ in range(wanted.runs):
                        for kind in kinds:
                            show(measure(lab, kind, count, size, load), wanted.json)
    for kind in [kind for kind in kinds if kind != "corosync"] * wanted.runs:
        with hosts(3, corosync=kind == "cpg") as lab:
            found = memberships(lab, kind, 3)
        late = found["crash_s"] - TOKEN_S[3]
        text = (
            f"3 nodes, {KINDS[kind]}: told {found['crash_s']:.2f} s after a crash, {late:.2f} s after the "
            f"token's {TOKEN_S[3]} s; {found['leave_s']:.3f} s after a clean leave"
        )
        print(json.dumps(found) if wanted.json else text, flush=True)


def head(load: float) -> None:
    """Print what the figures belong to, and the head of the table."""
    print(
        f"aes256, hosts of the lab; Python {platform.python_version()}, {os.cpu_count()} cores, "
        f"load before {load:.1f}, {SECONDS:g} s each"
    )
    print(
        f"{'nodes':>5} {'bytes':>6} {'load':<14} {'carrier':<17} {'per s':>9} {'MiB/s':>6} "
        f"{'median':>8} {'p99':>8}"
    )


def show(row: dict[str, Any], as_json: bool) -> None:
    """Print one row."""
    if as_json:
        print(json.dumps(row), flush=True)
        return
    mib = row["per_s"] * row["bytes"] / 2**20
    notes = f"  {row['memberships']} memberships!" if row["memberships"] else ""
    print(
        f"{row['nodes']:>5} {row['bytes']:>6} {row['load']:<14} {KINDS[row['kind']]:<17} "
        f"{row['per_s']:>9.1f} {mib:>6.1f} {row['median_ms'] or 0:>5.2f} ms "
        f"{row['p99_ms'] or 0:>5.2f} ms{notes}",
        flush=True,
    )


if __name__ == "__main__":
    main()
