"""Is a token stable? Clusters at rest under load, for minutes: tokens lost, memberships, fencings."""

from __future__ import annotations

import subprocess
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import msgspec
from rich.table import Table

from benchmarks.failover.clusters import STACKS, Timers
from benchmarks.failover.load import CORES, Noise

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from benchmarks.failover.clusters import Cluster

LOOK_S: Final = 5.0


class Watched(msgspec.Struct, frozen=True):
    """What one cluster's hosts saw, summed over them; `fencings` is the power switch's count."""

    stack: str
    token_ms: int
    busy_loops: int
    seconds: float
    tokens_lost: int
    memberships: int
    fencings: int
    at_rest: bool
    noise: float

    @property
    def stable(self) -> bool:
        """Did nothing happen at all?"""
        return not (self.tokens_lost or self.memberships or self.fencings) and self.at_rest


@contextmanager
def busy(loops: int) -> Iterator[None]:
    """Keep `loops` cores busy with ordinary processes of ordinary priority."""
    hogs: list[subprocess.Popen[bytes]] = []
    try:
        while len(hogs) < loops:
            hogs.append(subprocess.Popen([sys.executable, "-ISE", "-c", "while True: pass"]))
        yield
    finally:
        for hog in hogs:
            hog.kill()
            hog.wait()


def watch(stack: str, token_ms: int, seconds: float, loops: int = CORES) -> Watched:
    """Make a cluster with this token and coefficient 0, bring it to rest, load the machine, watch."""
    with STACKS[stack](Timers(f"token {token_ms}, coefficient 0", token_ms, 0)) as cluster:
        cluster.settle()
        noise, began_s = Noise([cluster]), time.monotonic()
        with busy(loops):
            time.sleep(seconds)
            share = noise.share()
        return _seen(cluster, token_ms, loops, began_s, share)


def shown(watched: Sequence[Watched]) -> Table:
    """Return the table for a terminal."""
    table = Table(title="Stability at rest under load; counts summed over the hosts")
    for heading in ("stack", "token", "busy loops", "seconds", "tokens lost", "memberships"):
        table.add_column(heading)
    for heading in ("fencings", "verdict", "noise (with the loops)"):
        table.add_column(heading)
    for one in watched:
        numbers = (one.token_ms, one.busy_loops, round(one.seconds), one.tokens_lost)
        table.add_row(
            STACKS[one.stack].title,
            *(str(number) for number in (*numbers, one.memberships, one.fencings)),
            "stable" if one.stable else "[red]not stable[/red]",
            f"{one.noise:.0%}",
        )
    return table


def _seen(cluster: Cluster, token_ms: int, loops: int, began_s: float, noise: float) -> Watched:
    seconds = time.monotonic() - began_s
    counts = [cluster.losses(name, began_s) for name in cluster.stage.names()]
    return Watched(
        stack=cluster.stack,
        token_ms=token_ms,
        busy_loops=loops,
        seconds=round(seconds, 1),
        tokens_lost=sum(lost for lost, _ in counts),
        memberships=sum(formed for _, formed in counts),
        fencings=len(cluster.fencings(began_s)),
        at_rest=cluster.all_run(),
        noise=round(noise, 3),
    )
