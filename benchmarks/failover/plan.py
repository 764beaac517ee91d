"""Which experiments are run on which timers, both stacks taking turns, and what happens when one fails."""

from __future__ import annotations

import functools
import http.client
import subprocess
from contextlib import ExitStack
from typing import TYPE_CHECKING, Final, Self

import msgspec

from benchmarks.failover import experiments
from benchmarks.failover.clusters import DEFAULT, STACKS, TOKEN_500, TOKEN_1000
from benchmarks.failover.experiments import Sample
from benchmarks.failover.load import Noise
from ninefold.api.client import DoorClosedError, RefusedError
from ninefold.cli.stage import NotSettled
from ninefold.lab.errors import LabError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from types import TracebackType

    from benchmarks.failover.clusters import Cluster, Timers

    Experiment = Callable[[Cluster, Noise], Sample]

# Whatever a run may fail with that is not our bug: the run has no figure, the cluster is made anew.
FAILURES: Final = (
    NotSettled,
    LabError,
    DoorClosedError,
    RefusedError,
    OSError,
    http.client.HTTPException,
    subprocess.TimeoutExpired,
)
PAUSES_S: Final = {DEFAULT.name: (5.0, 5.5, 6.0), TOKEN_1000.name: (2.3, 2.6, 3.0)}
ON: Final = {
    "start": (DEFAULT,),
    "idle": (DEFAULT,),
    "move": (DEFAULT,),
    "web": (DEFAULT,),
    "crash": (DEFAULT, TOKEN_1000, TOKEN_500),
    "pause": (DEFAULT, TOKEN_1000),
}
TIMERS: Final = (DEFAULT, TOKEN_1000, TOKEN_500)


class Counts(msgspec.Struct, frozen=True):
    """How many runs of each experiment, and how long to look at idle clusters."""

    runs: int = 5
    web: int = 24
    pauses: int = 2
    idle_s: float = 60.0

    def of(self, quantity: str) -> int:
        """Return the runs of an experiment."""
        return {"web": self.web, "pause": self.pauses}.get(quantity, self.runs)


class Pair:
    """The clusters that take turns, with the same timers. Leaves nothing behind."""

    def __init__(self, stacks: Sequence[str], timers: Timers) -> None:
        self._timers = timers
        self._clusters: dict[str, Cluster | None] = dict.fromkeys(stacks)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with ExitStack() as ending:
            for stack in self._clusters:
                ending.callback(self.discard, stack)

    def cluster(self, stack: str) -> Cluster:
        """Return the cluster of a stack, made now if there is none."""
        found = self._clusters[stack]
        if found is None:
            found = self._clusters[stack] = STACKS[stack](self._timers)
        return found

    def discard(self, stack: str) -> None:
        """End a cluster; the next to ask gets a new one."""
        found, self._clusters[stack] = self._clusters[stack], None
        if found is not None:
            found.__exit__(None, None, None)

    def alive(self) -> list[Cluster]:
        """Return the clusters there are."""
        return [cluster for cluster in self._clusters.values() if cluster is not None]


def measure(
    stacks: Sequence[str], quantities: Sequence[str], settings: Sequence[Timers], counts: Counts
) -> Iterator[Sample]:
    """Yield every sample as it is taken."""
    for timers in settings:
        wanted = [name for name in ON if name in quantities and timers in ON[name]]
        if not wanted:
            continue
        with Pair(stacks, timers) as pair:
            for quantity in wanted:
                if quantity == "idle":
                    yield from _idle(pair, stacks, timers, counts.idle_s)
                    continue
                for experiment in _runs(quantity, timers, counts.of(quantity)):
                    for stack in stacks:
                        yield _taken(pair, stack, timers, quantity, experiment)


def _runs(quantity: str, timers: Timers, count: int) -> list[Experiment]:
    if quantity == "pause":
        return [
            functools.partial(experiments.pause, length_s=length_s)
            for _ in range(count)
            for length_s in PAUSES_S[timers.name]
        ]
    chosen: Experiment = getattr(experiments, quantity)
    return [chosen] * count


def _taken(pair: Pair, stack: str, timers: Timers, quantity: str, experiment: Experiment) -> Sample:
    try:
        cluster = pair.cluster(stack)
        cluster.settle()
        return experiment(cluster, Noise(pair.alive()))
    except FAILURES as error:
        pair.discard(stack)
        return _failure(quantity, timers, stack, error)


def _idle(pair: Pair, stacks: Sequence[str], timers: Timers, seconds: float) -> list[Sample]:
    try:
        clusters = [pair.cluster(stack) for stack in stacks]
        for cluster in clusters:
            cluster.settle()
        return experiments.idle(clusters, seconds)
    except FAILURES as error:
        for stack in stacks:
            pair.discard(stack)
        return [_failure("idle daemons", timers, stack, error) for stack in stacks]


def _failure(quantity: str, timers: Timers, stack: str, error: Exception) -> Sample:
    reason = f"{type(error).__name__}: {error}"
    return Sample(quantity, timers.name, stack, 0.0, 0.0, {}, reason)
