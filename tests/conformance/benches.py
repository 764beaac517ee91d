"""Where members meet: one set of verbs over virtual time.

`Bench` is what the tests use; a bench on the lab's hosts has the same verbs over real time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from ninefold.core.instants import NEVER
from ninefold.node import events as ev
from ninefold.node.backend import embedded, on_corosync
from ninefold.sim.cluster import Shape, corosync_conf, document
from ninefold.sim.host import Daemon
from ninefold.sim.world import World
from ninefold.totem import events as totem
from tests.conformance.member import GROUP, PID, Member, Seen

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Sequence

    from ninefold.core.instants import Instant


class Bench(Protocol):
    """What a conformance test may do and see. Nodes are 1, 2, ...; times in milliseconds."""

    nodes: tuple[int, ...]
    token_ms: int

    def log(self, node: int) -> list[Seen]: ...
    def submit(self, node: int, payload: bytes) -> None: ...
    def until(self, wanted: Callable[[], bool], limit_ms: int) -> bool: ...
    def partition(self, *sides: Sequence[int]) -> None: ...
    def heal(self) -> None: ...
    def pause(self, node: int) -> None: ...
    def resume(self, node: int) -> None: ...
    def kill(self, node: int) -> None: ...
    def start(self, node: int) -> None: ...
    def leave(self, node: int) -> None: ...


class _AsNode:
    """A `Member` where the virtual world expects a node."""

    def __init__(self, member: Member) -> None:
        self.member = member
        self.stack = member.backend.messaging

    @property
    def deadline(self) -> Instant:
        return self.member.deadline

    def step(self, now: Instant, event: Any) -> list[Any]:
        match event:
            case ev.ClockRead():
                return []
            case ev.Woke():
                return list(self.member.step(now, totem.Woke()))
            case _:
                return list(self.member.step(now, event))


class VirtualBench:
    """Members in the simulator's world, on the embedded ring or on its virtual Corosync."""

    def __init__(self, cluster: str, count: int = 3, seed: int = 1) -> None:
        shape = Shape(nodes=count, seed=seed, token_ms=1000, token_coefficient_ms=0)
        self.cluster = cluster
        self.token_ms = 1000
        self.world = World(seed, corosync_conf(shape), document(shape), cluster=cluster)
        self.nodes = tuple(self.world.hosts)
        self._logs: dict[int, list[Seen]] = {node: [] for node in self.nodes}
        for node in self.nodes:
            host = self.world.hosts[node]
            host.make_node = self._maker(node)  # type: ignore[method-assign]
        for node in self.nodes:
            self.world.power_on(node)

    def _maker(self, node: int) -> Callable[..., Any]:
        host = self.world.hosts[node]

        def make(_watch: object, *, corosync: bool = False) -> Any:
            seq, rng = host.disk.ring_seq, host.rng
            backend = (
                on_corosync(host.config, ring_seq=seq, boot=rng.randbytes(16))
                if corosync
                else embedded(
                    host.config,
                    keys=host.disk.keys,
                    ring_seq=seq,
                    epoch=rng.randbytes(8),
                    rng=_dice(rng),
                )
            )
            member = Member(node, backend)
            member.log = self._logs[node] = []
            host.node = _AsNode(member)  # type: ignore[assignment]
            host.daemon = Daemon.RUNNING
            host.armed = NEVER
            return host.node

        return make

    def log(self, node: int) -> list[Seen]:
        return self._logs[node]

    def submit(self, node: int, payload: bytes) -> None:
        event: Any = totem.Submitted(GROUP, PID, payload)
        self.world.post(self.world.hosts[node], event)

    def until(self, wanted: Callable[[], bool], limit_ms: int) -> bool:
        return self.world.advance_until(wanted, limit_ms, step=5)

    def partition(self, *sides: Sequence[int]) -> None:
        self.world.partition(sides)

    def heal(self) -> None:
        self.world.heal()

    def pause(self, node: int) -> None:
        self.world.pause(node)

    def resume(self, node: int) -> None:
        self.world.resume(node)

    def kill(self, node: int) -> None:
        self.world.kill_daemon(node)

    def start(self, node: int) -> None:
        self.world.start_daemon(node)

    def leave(self, node: int) -> None:
        host = self.world.hosts[node]
        event: Any = totem.Leaving()
        self.world.post(host, event)
        self.world.later(host, 5, event)
        self.world.at(10, host.end_daemon)


def _dice(rng: random.Random) -> random.Random:
    return type(rng)(rng.random())
