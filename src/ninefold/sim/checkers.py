"""What must hold in the virtual world, judged from outside by its ground truth.

The nodes are not asked what they believe. Each checker is told what really happened and raises
`Violation` with the story of the moment.

    exclusive    a resource runs on at most one host at any time (S1)
    fence first  what ran on a host that did not stop it starts elsewhere only after that host's
                 power was cut by a fence device (or a person's word), or it came back by itself (S2)
    quorum       nothing starts on a host whose partition has no quorum, and no two separate
                 partitions have it at once, but for two_node (S3)
    no needless  no healthy host, undisturbed for as long as anybody could have been wrong about it,
    fencing      is ever fenced, unless somebody asked for that or a stop on it failed (S8)
    true word    nobody says that a host was fenced unless a device said so, or a person (S8)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from ninefold.core.ids import NodeId
from ninefold.core.instants import Instant

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ninefold.config.model import TotemOptions
    from ninefold.core.instants import Millis


# For how long after a disturbance somebody may still act on a wrong belief: three rounds of token and
# consensus, and a join's patience.
ROUNDS: Final = 3
JOIN_MS: Final = 10_000
# Longer where a daemon has begun, which waits for absent nodes,
START_MS: Final = 20_000
# or where a device has failed: the longest pause between two attempts to fence.
RETRY_MS: Final = 60_000


class Violation(AssertionError):
    """A safety property does not hold."""


class Partition(msgspec.Struct, frozen=True):
    """What one running node holds of its ring: for the quorum checker alone."""

    node: NodeId
    members: tuple[NodeId, ...]
    quorate: bool


class LastRun(msgspec.Struct):
    """Where a resource ran last, and how that ended: `stopped`, `powered off`, or not yet."""

    node: NodeId
    ended: str = ""
    ended_at: Instant = 0


class Checkers:
    """All of them; `two_node` lifts the rule about separate partitions."""

    def __init__(self, *, two_node: bool) -> None:
        self._two_node = two_node
        self._last: dict[str, LastRun] = {}
        self._active: dict[str, list[NodeId]] = {}
        self._silenced: dict[NodeId, Instant] = {}
        self._booted: dict[NodeId, Instant] = {}
        self._vouched: dict[str, bool] = {}
        self.starts = 0

    def on_start(self, now: Instant, node: NodeId, resource: str) -> None:
        """A start took effect on a host."""
        self.starts += 1
        elsewhere = [n for n in self._active.get(resource, []) if n != node]
        if elsewhere:
            raise Violation(f"{now}: {resource} started on {node} while it runs on {elsewhere}")
        last = self._last.get(resource)
        if last is not None and last.node != node:
            self._check_takeover(now, node, resource, last)
        self._active[resource] = [node]
        self._last[resource] = LastRun(node)

    def _check_takeover(self, now: Instant, node: NodeId, resource: str, last: LastRun) -> None:
        if last.ended == "stopped":
            return
        silenced = self._silenced.get(last.node, -1) >= last.ended_at
        returned = self._booted.get(last.node, -1) >= last.ended_at
        if last.ended != "powered off" or not (silenced or returned):
            raise Violation(
                f"{now}: {resource} started on {node}, but {last.node} ran it, never stopped it, and "
                f"was not fenced"
            )

    def on_migration(self, now: Instant, source: NodeId, target: NodeId, resource: str) -> None:
        """A resource has moved alive: it is on the target, and on the source no more."""
        where = self._active.get(resource, [])
        if where != [source]:
            raise Violation(
                f"{now}: {resource} moves from {source} to {target}, and runs on {where}"
            )
        self._active[resource] = [target]
        self._last[resource] = LastRun(target)

    def on_stop(self, now: Instant, node: NodeId, resource: str) -> None:
        """A stop took effect on a host, or the process died by itself."""
        where = self._active.get(resource, [])
        if node in where:
            where.remove(node)
        last = self._last.get(resource)
        if last is not None and last.node == node and not last.ended:
            last.ended, last.ended_at = "stopped", now

    def on_power_off(self, now: Instant, node: NodeId) -> None:
        """A host lost power, for whatever reason."""
        for where in self._active.values():
            if node in where:
                where.remove(node)
        for last in self._last.values():
            if last.node == node and not last.ended:
                last.ended, last.ended_at = "powered off", now

    def on_silenced(self, now: Instant, node: NodeId) -> None:
        """A fence device did its work on a host, or a person vouched for it."""
        self._silenced[node] = now

    def on_device_said(self, name: str) -> None:
        """A fence device, or a person, says that a host is silent."""
        self._vouched[name] = True

    def on_fencing_told(self, now: Instant, name: str) -> None:
        """A node says that a host was fenced."""
        if name not in self._vouched:
            raise Violation(f"{now}: {name} is said to be fenced, but no device has said so")

    def on_boot(self, now: Instant, node: NodeId) -> None:
        """A host came up; whatever it ran before is gone."""
        self._booted[node] = now

    def on_launch(
        self, now: Instant, resource: str, me: Partition, all_: Sequence[Partition]
    ) -> None:
        """A node is about to run a start."""
        if not me.quorate:
            raise Violation(f"{now}: {me.node} starts {resource} without quorum")
        for other in all_:
            separate = other.node not in me.members and me.node not in other.members
            if other.quorate and separate and not self._two_node:
                raise Violation(
                    f"{now}: {me.node} in {me.members} and {other.node} in {other.members} both have "
                    f"quorum"
                )

    def on_quorum(self, now: Instant, me: Partition, votes: int, all_votes: int) -> None:
        """A node was told that it has quorum: its members must be more than half of all votes."""
        if me.quorate and not self._two_node and 2 * votes <= all_votes:
            raise Violation(f"{now}: {me.node} has quorum in {me.members}, {votes} of {all_votes}")


class Health(msgspec.Struct, frozen=True):
    """A host at the moment at which a fence device takes its power, in truth.

    `disturbed_at` is when anything was last done to it: power, daemon, cables, a scripted failure.
    """

    node: NodeId
    running: bool
    connected: bool
    disturbed_at: Instant
    stop_fails: bool
    requested: bool


class Beliefs:
    """How long after a disturbance a wrong belief may last, by what has happened to the cluster."""

    def __init__(self, timers: TotemOptions) -> None:
        self._rounds_ms = ROUNDS * (timers.token + timers.consensus) + JOIN_MS
        self._begun_at: Instant = 0
        self.device_failed = False

    def on_begun(self, now: Instant) -> None:
        """A daemon has begun."""
        self._begun_at = now

    def last_ms(self, now: Instant) -> Millis:
        """Return how old a disturbance may be that somebody acts on now."""
        slow = RETRY_MS if self.device_failed else 0
        if now - self._begun_at <= START_MS + self._rounds_ms:
            slow += START_MS
        return self._rounds_ms + slow


def check_needed(now: Instant, health: Health, memory_ms: int) -> None:
    """Raise `Violation` if a fencing had no cause; `memory_ms` is how long a mistake can last."""
    if not health.running or not health.connected or health.stop_fails or health.requested:
        return
    if now - health.disturbed_at > memory_ms:
        raise Violation(
            f"{now}: {health.node} is fenced, though it is healthy and nothing has happened to it for "
            f"{now - health.disturbed_at} ms"
        )
