"""One member of a benchmark, as a program on a host: `client.py KIND CONF COUNT SIZE UNDER-WAY SECONDS`.

KIND is `embedded` (the ring of this program), `corosync` (Corosync below the same stack, as ninefoldd uses
it) or `cpg` (Corosync's own agreed order, by the same binding and nothing above it). The client is the same for all:
it keeps messages of its own under way and sends the next when one has come back.

Says `{"members": [...], "at_s": ...}` for each membership, and its figures at the end. With SIZE 0 it only
watches, until its input ends; the line `leave` on its input lets it go cleanly.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import sys
import time
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from ninefold.corosync.events import GroupConfigured, GroupMessage
from ninefold.daemon.wires import CorosyncWire, RingWire
from ninefold.host.corosync.cpg import Cpg
from ninefold.host.loop import MachineLoop, tame_gc
from ninefold.host.surroundings import load_file
from ninefold.node import events as ev
from ninefold.node.backend import embedded, on_corosync
from ninefold.totem import events as totem
from ninefold.totem.keys import keyset

if TYPE_CHECKING:
    from collections.abc import Callable

    from ninefold.config.model import ClusterConfig

WARM_S = 0.5
FORMING_S = 30
STAMP_BYTES = 8
# The others still measure when one has ended.
LINGER_S = 1.5
REPORTS_PER_TURN = 64
TRY_AGAIN_S = 0.002


class Load(NamedTuple):
    """How many members there are, and how much of its own each keeps under way for how long."""

    count: int
    size: int
    under_way: int
    seconds: float


class Carrier(Protocol):
    """What carries messages. `got(own, payload)` and `grouped(members)` were handed in."""

    def send(self, payload: bytes) -> None: ...
    def leave(self) -> None: ...
    def retransmits(self) -> int: ...
    async def close(self) -> None: ...


class Stacked:
    """A stack of ours on its wire."""

    def __init__(
        self,
        kind: str,
        config: ClusterConfig,
        key: bytes,
        got: Callable[[bool, bytes], None],
        grouped: Callable[[list[int]], None],
    ) -> None:
        backend = (
            on_corosync(config, ring_seq=0, boot=os.urandom(16))
            if kind == "corosync"
            else embedded(
                config,
                keys=keyset(key),
                ring_seq=0,
                epoch=os.urandom(8),
                rng=random.Random(config.local),
            )
        )
        self.me, self.got, self.grouped = config.local, got, grouped
        self.backend = backend
        loop = asyncio.get_running_loop()
        self.loop: MachineLoop[Any, Any] = MachineLoop(loop, self, self.perform, woke=totem.Woke())
        make = CorosyncWire if kind == "corosync" else RingWire
        self.wire = make(loop, config, self.loop.post)
        self.loop.post(totem.Joined("bench", 1))
        self.loop.post(totem.Started())

    @property
    def deadline(self) -> Any:
        return self.backend.messaging.deadline

    def step(self, now: Any, event: Any) -> list[Any]:
        if isinstance(event, ev.Report):
            return list(self.backend.report(now, event))
        return list(self.backend.messaging.step(now, event))

    def perform(self, effect: Any) -> None:
        match effect:
            case totem.SendPacket():
                self.wire.perform(effect)
            case totem.Delivered(sender=sender, payload=payload):
                self.got(sender.node == self.me, payload)
            case totem.SaveRingSeq(seq):
                self.loop.post(totem.RingIdSaved(seq))
            case totem.RingChanged(totem.ConfigurationKind.REGULAR, ring):
                self.loop.post(totem.Synchronize(ring, {}))
            case totem.GroupChanged(members=members):
                self.grouped(sorted(member.node for member in members))
            case totem.RingChanged() | totem.Activated() | totem.LinkChanged() | totem.Noted():
                pass
            case _:
                self.wire.perform(effect)

    def send(self, payload: bytes) -> None:
        self.loop.post(totem.Submitted("bench", 1, payload))

    def leave(self) -> None:
        self.loop.post(totem.Leaving())

    def retransmits(self) -> int:
        return self.backend.messaging.statistics.retransmits

    async def close(self) -> None:
        await self.wire.close()


class Bare:
    """A process group of Corosync and nothing above it."""

    def __init__(
        self, got: Callable[[bool, bytes], None], grouped: Callable[[list[int]], None]
    ) -> None:
        self.got, self.grouped = got, grouped
        self.waiting: list[bytes] = []
        self.cpg = Cpg(self.told)
        self.me = self.cpg.me()
        while not self.cpg.join():
            time.sleep(TRY_AGAIN_S)
        self.loop = asyncio.get_running_loop()
        self.loop.add_reader(self.cpg.fd, self.drain)

    def told(self, report: Any) -> None:
        match report:
            case GroupMessage(sender, data):
                self.got(sender == self.me, data)
            case GroupConfigured(members):
                self.grouped(sorted(member.node for member in members))

    def drain(self) -> None:
        for _ in range(REPORTS_PER_TURN):
            if not self.cpg.dispatch():
                return

    def send(self, payload: bytes) -> None:
        self.waiting.append(payload)
        if len(self.waiting) == 1:
            self.flush()

    def flush(self) -> None:
        while self.waiting:
            if not self.cpg.send(self.waiting[0]):
                self.loop.call_later(TRY_AGAIN_S, self.flush)
                return
            del self.waiting[0]

    def leave(self) -> None:
        self.cpg.leave()

    def retransmits(self) -> int:
        return 0

    async def close(self) -> None:
        self.loop.remove_reader(self.cpg.fd)
        self.cpg.close()


class Member:
    """Sends its share, and notes what comes back."""

    def __init__(self, kind: str, config: ClusterConfig, key: bytes, load: Load) -> None:
        self.load = load
        self.sending = self.counting = False
        self.delivered = self.memberships = 0
        self.took_ns: list[int] = []
        self.complete = asyncio.Event()
        self.loop = asyncio.get_running_loop()
        self.carrier: Carrier = (
            Bare(self.got, self.grouped)
            if kind == "cpg"
            else Stacked(kind, config, key, self.got, self.grouped)
        )

    def grouped(self, members: list[int]) -> None:
        self.memberships += 1
        say({"members": members, "at_s": time.monotonic()})
        if len(members) == self.load.count:
            self.complete.set()

    def got(self, own: bool, payload: bytes) -> None:
        self.delivered += self.counting
        if own and self.load.size:
            if self.counting:
                sent = int.from_bytes(payload[:STAMP_BYTES], "big")
                self.took_ns.append(time.monotonic_ns() - sent)
            # By way of the loop, or a ring of one would never let it turn.
            self.loop.call_soon(self.send)

    def send(self) -> None:
        if self.sending:
            stamp = time.monotonic_ns().to_bytes(STAMP_BYTES, "big")
            self.carrier.send(stamp.ljust(self.load.size, b"x"))

    async def measure(self) -> None:
        await asyncio.wait_for(self.complete.wait(), FORMING_S)
        await asyncio.sleep(WARM_S)
        self.memberships, retransmits = 0, self.carrier.retransmits()
        self.sending = True
        for _ in range(self.load.under_way):
            self.send()
        await asyncio.sleep(WARM_S)
        self.counting, began = True, time.monotonic()
        await asyncio.sleep(self.load.seconds)
        self.counting, seconds = False, time.monotonic() - began
        self.sending = False
        say(
            {
                "per_s": self.delivered / seconds,
                "took_ns": self.took_ns,
                "retransmits": self.carrier.retransmits() - retransmits,
                "memberships": self.memberships,
            }
        )
        await asyncio.sleep(LINGER_S)

    async def watch(self) -> None:
        ended = asyncio.Event()

        def hear() -> None:
            heard = os.read(0, 100)
            if b"leave" in heard:
                self.carrier.leave()
                self.loop.call_later(0.1, ended.set)
            elif not heard:
                ended.set()

        self.loop.add_reader(0, hear)
        await ended.wait()


def say(value: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(value) + "\n")
    sys.stdout.flush()


def as_ninefoldd() -> None:
    """Run with the priority that ninefoldd's unit gives it, where that is permitted."""
    with contextlib.suppress(PermissionError):
        os.sched_setscheduler(0, os.SCHED_RR | os.SCHED_RESET_ON_FORK, os.sched_param(10))


async def main(kind: str, config: ClusterConfig, key: bytes, load: Load) -> None:
    tame_gc()
    as_ninefoldd()
    member = Member(kind, config, key, load)
    await (member.measure() if load.size else member.watch())
    await member.carrier.close()


if __name__ == "__main__":
    found, findings, around = load_file(sys.argv[2])
    assert found is not None, findings
    numbers = (int(sys.argv[3]), int(sys.argv[4]), int(sys.argv[5]), float(sys.argv[6]))
    asyncio.run(main(sys.argv[1], found, around.keyfile.data, Load(*numbers)))
