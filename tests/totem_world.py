"""A small virtual network for totem stacks: seeded delays, losses, partitions, pauses, crashes.

It performs the effects of `ninefold.totem.events` and nothing else; `WireLinks` is a links layer
that passes frames through, so that the ring is tested without cryptography. Time is virtual, in
milliseconds; the same seed gives the same run.
"""

from __future__ import annotations

import heapq
import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import msgspec

from ninefold.config.model import (
    ClusterConfig,
    LinkAddress,
    LinkOptions,
    NodeEntry,
    QuorumOptions,
    TotemOptions,
)
from ninefold.core.instants import NEVER
from ninefold.totem.events import (
    Activated,
    ConfigurationKind,
    Delivered,
    Effect,
    Event,
    GroupChanged,
    Joined,
    Leaving,
    Noted,
    PacketReceived,
    ProbeAnswered,
    ProbeKernel,
    RingChanged,
    RingIdSaved,
    SaveRingSeq,
    SendPacket,
    Started,
    Submitted,
    Synchronize,
    Woke,
)
from ninefold.totem.keys import KeySet, keyset
from ninefold.totem.ring_core import RingState
from ninefold.totem.stack import Stack

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

# A default three-node cluster: token 3000 + 650, and what follows from it.
DEFAULTS = TotemOptions(
    token=3650, token_retransmit=869, hold=685, consensus=4380, join=50, merge=200
)
# token 1000 + 650.
TOKEN_1000 = TotemOptions(
    token=1650,
    token_configured=1000,
    token_retransmit=392,
    hold=304,
    consensus=1980,
    join=50,
    merge=200,
)
# As fast as the rules allow; for tests that need many memberships.
FAST = TotemOptions(
    token=300,
    token_configured=300,
    token_coefficient=0,
    token_retransmit=71,
    hold=47,
    consensus=360,
    join=30,
    merge=60,
)


def config_of(me: int, nodes: Iterable[int], totem: TotemOptions) -> ClusterConfig:
    entries = tuple(NodeEntry(n, f"n{n}", {0: LinkAddress(f"10.0.0.{n}", 5405)}) for n in nodes)
    return ClusterConfig(me, entries, totem, (LinkOptions(0),), QuorumOptions())


class Frame(msgspec.Struct, frozen=True):
    sender: int
    data: bytes


class WireLinks:
    """Frames as datagrams, the sender in the first two bytes; a heartbeat every `beat`."""

    def __init__(self, config: ClusterConfig, *, frame_max: int = 1350) -> None:
        self._me = config.local
        self._addresses = {e.nodeid: e.links[0].address for e in config.nodes}
        self._beat = max(30, config.totem.token // 5)
        self._heard: dict[int, int] = {}
        self.deadline = NEVER
        self.frame_max = frame_max
        self.dropped: dict[str, int] = {}
        self.next_is_used = False

    def doubt_paths(self, now: int, nodes: Iterable[int]) -> None:
        """Every path carries what it says."""

    def use_keys(self, keys: KeySet) -> None:
        pass

    def start(self, now: int) -> list[SendPacket]:
        return self.wake(now)

    def reconfigure(self, now: int, config: ClusterConfig) -> None:
        self._beat = max(30, config.totem.token // 5)
        self.deadline = min(self.deadline, now + self._beat)

    def wake(self, now: int) -> list[SendPacket]:
        if self.deadline != NEVER and now < self.deadline:
            return []
        self.deadline = now + self._beat
        return self.send(now, b"", None)

    def receive(self, now: int, packet: PacketReceived) -> tuple[list[Frame], list[SendPacket]]:
        sender = int.from_bytes(packet.data[:2], "big")
        self._heard[sender] = now
        return ([Frame(sender, packet.data[2:])] if packet.data[2:] else []), []

    def send(self, now: int, data: bytes, to: int | None) -> list[SendPacket]:
        assert len(data) <= self.frame_max, "frames must fit"
        packet = self._me.to_bytes(2, "big") + data
        peers = [to] if to is not None else [n for n in self._addresses if n != self._me]
        return [SendPacket(0, self._addresses[peer], 5405, packet) for peer in peers]

    def last_heard(self, peer: int) -> int:
        return self._heard.get(peer, 0)

    def addresses(self, peer: int) -> list[tuple[int, str]]:
        return [(0, self._addresses[peer])]

    def round_trip_ms(self, peer: int, link: int) -> int:
        return 0

    def mtu(self, peer: int, link: int) -> int:
        return self.frame_max

    def link_up(self, peer: int, link: int) -> bool:
        return peer in self._heard


@dataclass
class Host:
    """One machine: its stack, what it has logged, and whether it runs."""

    nodeid: int
    stack: Stack
    disk_seq: int = 0
    boot: int = 0
    alive: bool = True
    paused: bool = False
    queue: list[Event] = field(default_factory=list)
    log: list[tuple[int, Effect]] = field(default_factory=list)
    # The logs of earlier boots.
    past: list[list[tuple[int, Effect]]] = field(default_factory=list)

    def noted(self, what: str) -> list[Noted]:
        return [e for _, e in self.log if isinstance(e, Noted) and e.what == what]

    def rings(self) -> list[RingChanged]:
        return [
            e
            for _, e in self.log
            if isinstance(e, RingChanged) and e.kind is ConfigurationKind.REGULAR
        ]

    def transitionals(self) -> list[RingChanged]:
        return [
            e
            for _, e in self.log
            if isinstance(e, RingChanged) and e.kind is ConfigurationKind.TRANSITIONAL
        ]

    def activations(self) -> list[Activated]:
        return [e for _, e in self.log if isinstance(e, Activated)]

    def payloads(self) -> list[bytes]:
        return [e.payload for _, e in self.log if isinstance(e, Delivered)]

    def group_changes(self) -> list[GroupChanged]:
        return [e for _, e in self.log if isinstance(e, GroupChanged)]


class World:
    """Hosts and the network between them."""

    def __init__(
        self,
        count: int,
        *,
        seed: int = 0,
        totem: TotemOptions = DEFAULTS,
        delay: tuple[int, int] = (1, 1),
        loss: float = 0.0,
        dup: float = 0.0,
        disk: tuple[int, int] = (0, 0),
        group: str = "g",
    ) -> None:
        self.nodes = tuple(range(1, count + 1))
        self.now = 1000
        self.totem = totem
        self.delay, self.loss, self.dup, self.disk = delay, loss, dup, disk
        self.group = group
        self.chance = random.Random(seed)
        # (from, to) pairs that carry nothing.
        self.cut: set[tuple[int, int]] = set()
        self.kernels_dead: set[int] = set()
        self.packets = 0
        # A node whose upper layers never answer a new ring.
        self.mute_barrier = 0
        self.drop_if: Callable[[int, int, Any], bool] | None = None
        self._heap: list[tuple[int, int, int, int, Event]] = []
        self._counter = 0
        self.hosts = {n: Host(n, self._boot(n, 0, 0)) for n in self.nodes}

    def _boot(self, node: int, seq: int, boot: int) -> Stack:
        config = config_of(node, self.nodes, self.totem)
        return Stack(
            config,
            keys=keyset(b""),
            ring_seq=seq,
            epoch=b"",
            rng=random.Random(node * 1000 + boot),
            links=WireLinks(config),
        )

    # --- what a test does ---

    def start(self, *nodes: int) -> None:
        for node in nodes or self.nodes:
            self._step(node, Started())
            self._step(node, Joined(self.group, 100))

    def crash(self, node: int, *, kernel: bool = True) -> None:
        self.hosts[node].alive = False
        if kernel:
            self.kernels_dead.add(node)

    def restart(self, node: int) -> None:
        host = self.hosts[node]
        host.boot += 1
        host.alive, host.paused = True, False
        host.queue.clear()
        host.past.append(host.log)
        host.log = []
        self.kernels_dead.discard(node)
        host.stack = self._boot(node, host.disk_seq, host.boot)
        self._step(node, Started())
        self._step(node, Joined(self.group, 100))

    def pause(self, node: int) -> None:
        self.hosts[node].paused = True

    def resume(self, node: int) -> None:
        host = self.hosts[node]
        host.paused = False
        queue, host.queue = host.queue, []
        for event in queue:
            self._step(node, event)

    def leave(self, node: int) -> None:
        self._step(node, Leaving())
        self.hosts[node].alive = False

    def partition(self, *sides: Iterable[int]) -> None:
        where = {n: i for i, side in enumerate(sides) for n in side}
        self.cut = {(a, b) for a in self.nodes for b in self.nodes if where[a] != where[b]}

    def heal(self) -> None:
        self.cut = set()

    def submit(self, node: int, payload: bytes, *, safe: bool = False) -> None:
        self._step(node, Submitted(self.group, 100, payload, safe))

    def event(self, node: int, event: Event) -> None:
        self._step(node, event)

    def run(self, duration: int) -> None:
        self.run_until(lambda: False, limit=duration)

    def run_until(self, done: Callable[[], bool], *, limit: int) -> bool:
        """Run until `done` or for `limit` ms; whether it was done."""
        end = self.now + limit
        while not done():
            at, node = min(
                (
                    (max(h.stack.deadline, self.now), n)
                    for n, h in self.hosts.items()
                    if h.alive and not h.paused
                ),
                default=(NEVER, 0),
            )
            if self._heap and self._heap[0][0] <= at:
                at = self._heap[0][0]
                if at > end:
                    break
                self.now = at
                _, _, target, boot, event = heapq.heappop(self._heap)
                if self.hosts[target].boot == boot:
                    self._step(target, event)
                continue
            if at > end:
                break
            self.now = at
            self._step(node, Woke())
        else:
            return True
        self.now = end
        return done()

    def inject(self, sender: int, target: int, frame: bytes) -> None:
        """Deliver a frame out of nowhere, as an old packet of `sender`."""
        data = sender.to_bytes(2, "big") + frame
        self._later(target, 0, PacketReceived(0, f"10.0.0.{sender}", 5405, data))

    # --- questions ---

    def formed(self, *nodes: int) -> bool:
        """Whether exactly `nodes` are an operational, activated ring of their own."""
        rings = set()
        for node in nodes:
            host = self.hosts[node]
            if host.stack.state is not RingState.OPERATIONAL or host.stack.members != nodes:
                return False
            activations = host.activations()
            if not activations or activations[-1].ring != host.stack.ring:
                return False
            rings.add(host.stack.ring)
        return len(rings) == 1

    # --- performing ---

    def _step(self, node: int, event: Event) -> None:
        host = self.hosts[node]
        if not host.alive:
            return
        if isinstance(event, RingIdSaved):
            host.disk_seq = max(host.disk_seq, event.seq)
        if host.paused:
            host.queue.append(event)
            return
        effects = host.stack.step(self.now, event)
        host.stack.check_invariants()
        for effect in effects:
            self._perform(host, effect)

    def _perform(self, host: Host, effect: Effect) -> None:
        match effect:
            case SendPacket(_, address, _, data):
                self._carry(host.nodeid, int(address.rsplit(".", 1)[1]), data)
            case SaveRingSeq(seq):
                self._later(host.nodeid, self.chance.randint(*self.disk), RingIdSaved(seq))
            case ProbeKernel(peer):
                there = (host.nodeid, peer) not in self.cut and (peer, host.nodeid) not in self.cut
                if there and peer not in self.kernels_dead:
                    self._later(host.nodeid, 2 * self.delay[0], ProbeAnswered(peer))
            case RingChanged(ConfigurationKind.REGULAR, ring):
                host.log.append((self.now, effect))
                annexes = {"who": b"%d" % host.nodeid}
                if host.nodeid != self.mute_barrier:
                    self._later(host.nodeid, 0, Synchronize(ring, annexes))
            case _:
                host.log.append((self.now, effect))

    def _carry(self, sender: int, target: int, data: bytes) -> None:
        self.packets += 1
        if (sender, target) in self.cut or self.chance.random() < self.loss:
            return
        if self.drop_if is not None and self.drop_if(sender, target, data[2:]):
            return
        for _ in range(1 + (self.chance.random() < self.dup)):
            packet = PacketReceived(0, f"10.0.0.{sender}", 5405, data)
            self._later(target, self.chance.randint(*self.delay), packet)

    def _later(self, node: int, delay: int, event: Event) -> None:
        self._counter += 1
        boot = self.hosts[node].boot if node in self.hosts else 0
        heapq.heappush(self._heap, (self.now + delay, self._counter, node, boot, event))
