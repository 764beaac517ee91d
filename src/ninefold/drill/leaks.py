"""What grows that must not: memory, descriptors and threads of daemons, looked at when all is at rest.

Samples in, findings out. A sample is taken only while nothing is under way, so that what is in use for a
moment does not count.
"""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING, Final

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

# A daemon that has lived for less shows how it starts, not how it lives.
WARM_S: Final = 90.0
LIVES_S: Final = 240.0
# Between first and last look of one life. A few descriptors come and go with those who follow events.
DESCRIPTORS_MAX: Final = 6
THREADS_MAX: Final = 4
# A daemon's history is bounded and fills within its first four thousand changes, at some 400 KiB a minute under a
# soak; becoming DC costs 2 MiB once. One document (8 KiB) kept for each look or change, three a second, is more.
MEMORY_KIB_PER_MIN_MAX: Final = 1_024.0


class Sample(msgspec.Struct, frozen=True):
    """One daemon at one moment: its number and host, and what it holds. Memory is resident, in KiB."""

    at_s: float
    node: str
    pid: int
    memory_kib: int
    descriptors: int
    threads: int


class Life(msgspec.Struct, frozen=True):
    """What one daemon held at first and at last, after it was warm. The slope is Theil and Sen's."""

    node: str
    pid: int
    seconds: float
    memory_kib: tuple[int, int]
    slope_kib_per_min: float
    descriptors: tuple[int, int]
    threads: tuple[int, int]

    def problems(self) -> list[str]:
        """Return what grows too much."""
        found = []
        if self.slope_kib_per_min > MEMORY_KIB_PER_MIN_MAX:
            found.append(f"memory grows by {self.slope_kib_per_min:.0f} KiB a minute")
        if self.descriptors[1] - self.descriptors[0] > DESCRIPTORS_MAX:
            found.append(f"descriptors grew from {self.descriptors[0]} to {self.descriptors[1]}")
        if self.threads[1] - self.threads[0] > THREADS_MAX:
            found.append(f"threads grew from {self.threads[0]} to {self.threads[1]}")
        who = f"the daemon of {self.node} ({self.seconds:.0f} s)"
        return [f"{who}: {problem}" for problem in found]


def lives(samples: Iterable[Sample]) -> list[Life]:
    """Return every daemon that was watched for long enough, the longest life first."""
    by_daemon: dict[tuple[str, int], list[Sample]] = {}
    for sample in samples:
        by_daemon.setdefault((sample.node, sample.pid), []).append(sample)
    found = []
    for (node, pid), own in by_daemon.items():
        warm = [sample for sample in own if sample.at_s - own[0].at_s >= WARM_S]
        if len(warm) < 3 or warm[-1].at_s - warm[0].at_s < LIVES_S:
            continue
        first, last = warm[0], warm[-1]
        found.append(
            Life(
                node,
                pid,
                last.at_s - own[0].at_s,
                (first.memory_kib, last.memory_kib),
                slope([(sample.at_s / 60, sample.memory_kib) for sample in warm]),
                (first.descriptors, last.descriptors),
                (first.threads, last.threads),
            )
        )
    return sorted(found, key=lambda life: -life.seconds)


def slope(points: Sequence[tuple[float, float]]) -> float:
    """Return the median of the slopes between all pairs of points: one step up is not growth."""
    slopes = [
        (after[1] - before[1]) / (after[0] - before[0])
        for index, before in enumerate(points)
        for after in points[index + 1 :]
        if after[0] > before[0]
    ]
    return statistics.median(slopes) if slopes else 0.0
