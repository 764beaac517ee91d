"""What processes cost, and what others took of the machine meanwhile: arithmetic over /proc."""

from __future__ import annotations

import contextlib
import os
import re
import resource
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.failover.clusters import Cluster

PROC: Final = Path("/proc")
TICK_S: Final = 1 / os.sysconf("SC_CLK_TCK")
CORES: Final = os.cpu_count() or 1


class Cost(msgspec.Struct, frozen=True):
    """CPU seconds used so far and memory in MiB, summed over processes."""

    cpu_s: float
    rss_mib: float
    pss_mib: float


def cost(pids: Sequence[int]) -> Cost:
    """Return what live processes have used, to the nanosecond, without their children."""
    nanoseconds = rss_kib = pss_kib = 0
    for pid in pids:
        with contextlib.suppress(OSError):
            for task in (PROC / str(pid) / "task").iterdir():
                nanoseconds += int((task / "schedstat").read_text().split()[0])
            text = (PROC / str(pid) / "smaps_rollup").read_text()
            sizes = dict(re.findall(r"^(Rss|Pss):\s+(\d+)", text, re.MULTILINE))
            rss_kib += int(sizes["Rss"])
            pss_kib += int(sizes["Pss"])
    return Cost(nanoseconds / 1e9, rss_kib / 1024, pss_kib / 1024)


def with_children_s(pids: Sequence[int]) -> float:
    """Return the CPU seconds of processes and of those of their children that have ended."""
    return sum(_ticks(pid) for pid in pids) * TICK_S


class Noise:
    """How much of the machine others than the labs and this benchmark use, from now on."""

    def __init__(self, clusters: Sequence[Cluster]) -> None:
        self._clusters = clusters
        self._began_s = time.monotonic()
        self._busy_s = _machine_s()
        self._own = self._ours()

    def share(self) -> float:
        """Return their share of all cores since then, 0 to 1; up to a few hundredths too much.

        What hosts used that have been killed meanwhile is counted as others' work.
        """
        elapsed_s = max(time.monotonic() - self._began_s, TICK_S)
        own_s = sum(
            max(0, ticks - self._own.get(pid, 0)) * TICK_S for pid, ticks in self._ours().items()
        )
        return max(0.0, (_machine_s() - self._busy_s - own_s) / elapsed_s / CORES)

    def _ours(self) -> dict[int, int]:
        found = {}
        for cluster in self._clusters:
            status = cluster.lab.status()
            for pid in (
                status.supervisor_pid,
                *(pid for host in status.hosts for pid in host.pids),
            ):
                found[pid] = _ticks(pid)
        usage = (
            resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
        )
        found[os.getpid()] = int(sum(u.ru_utime + u.ru_stime for u in usage) / TICK_S)
        for child in _children(os.getpid()):
            found[child] = _ticks(child)
        return found


def _ticks(pid: int) -> int:
    """Return user and system ticks of a process and of the children that it has waited for."""
    try:
        text = (PROC / str(pid) / "stat").read_text()
    except OSError:
        return 0
    fields = text.rpartition(")")[2].split()
    return sum(int(field) for field in fields[11:15])


def _children(pid: int) -> list[int]:
    found: list[int] = []
    with contextlib.suppress(OSError):
        for task in (PROC / str(pid) / "task").iterdir():
            found += [int(child) for child in (task / "children").read_text().split()]
    return found


def _machine_s() -> float:
    """Return the seconds that all cores together have been busy since the machine started."""
    fields = [int(field) for field in (PROC / "stat").read_text().split("\n", 1)[0].split()[1:9]]
    # What a hypervisor stole was used by others too.
    user, nice, system, _idle, _wait, irq, softirq, stolen = fields
    return (user + nice + system + irq + softirq + stolen) * TICK_S
