"""One node of the embedded ring, in a process of its own."""

from __future__ import annotations

import asyncio
import os
import random
import time
from typing import TYPE_CHECKING, NamedTuple

from ninefold.config.model import (
    ClusterConfig,
    LinkAddress,
    LinkOptions,
    NodeEntry,
    QuorumOptions,
    TotemOptions,
)
from ninefold.host.loop import MachineLoop, tame_gc
from ninefold.host.udp import RingSockets
from ninefold.totem.events import (
    ConfigurationKind,
    Delivered,
    Effect,
    Event,
    GroupChanged,
    Joined,
    RingChanged,
    RingIdSaved,
    SaveRingSeq,
    SendPacket,
    Started,
    Submitted,
    Synchronize,
    Woke,
)
from ninefold.totem.stack import Stack

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

WARM_S = 0.5
FORMING_S = 30
STAMP_BYTES = 8


class Load(NamedTuple):
    """What one node does: how many nodes there are, and how much of its own it keeps under way."""

    count: int
    port: int
    size: int
    under_way: int
    seconds: float


class Member:
    """One node: sends its share, and notes what comes back."""

    def __init__(self, node: int, load: Load) -> None:
        nodes = tuple(
            NodeEntry(n, f"n{n}", {0: LinkAddress(f"127.0.0.{n}", load.port)})
            for n in range(1, load.count + 1)
        )
        totem = TotemOptions(crypto_cipher="aes256", crypto_hash="sha256", cluster_name="bench")
        config = ClusterConfig(node, nodes, totem, (LinkOptions(0),), QuorumOptions())
        self.stack = Stack(
            config, key=bytes(range(256)), ring_seq=0, epoch=os.urandom(8), rng=random.Random(node)
        )
        self.node, self.load = node, load
        self.sending = False
        self.counting = False
        self.delivered = 0
        self.took_ns: list[int] = []
        self.complete = asyncio.Event()
        self.running = running = asyncio.get_running_loop()
        self.loop: MachineLoop[Event, Effect] = MachineLoop(
            running, self.stack, self.perform, woke=Woke()
        )
        self.sockets = RingSockets(running, config.node(node).links, self.loop.post)

    def perform(self, effect: Effect) -> None:
        match effect:
            case SendPacket():
                self.sockets.send(effect)
            case SaveRingSeq(seq):
                self.loop.post(RingIdSaved(seq))
            case RingChanged(ConfigurationKind.REGULAR, ring):
                self.loop.post(Synchronize(ring, {}))
            case GroupChanged(members=members):
                if len(members) == self.load.count:
                    self.complete.set()
            case Delivered(sender=sender, payload=payload):
                self.delivered += self.counting
                if sender.node == self.node:
                    if self.counting:
                        sent = int.from_bytes(payload[:STAMP_BYTES], "big")
                        self.took_ns.append(time.monotonic_ns() - sent)
                    # By way of the loop, or a ring of one would never let it turn.
                    self.running.call_soon(self.send)
            case _:
                pass

    def send(self) -> None:
        if self.sending:
            stamp = time.monotonic_ns().to_bytes(STAMP_BYTES, "big")
            self.loop.post(Submitted("bench", 1, stamp.ljust(self.load.size, b"x")))

    async def run(self, pipe: Connection) -> None:
        self.sockets.open()
        self.loop.post(Joined("bench", 1))
        self.loop.post(Started())
        await asyncio.wait_for(self.complete.wait(), FORMING_S)
        await asyncio.sleep(0.5)
        self.sending = True
        for _ in range(self.load.under_way):
            self.send()
        await asyncio.sleep(WARM_S)
        self.counting, began = True, time.monotonic()
        await asyncio.sleep(self.load.seconds)
        self.counting, seconds = False, time.monotonic() - began
        self.sending = False
        pipe.send(
            {
                "per_s": self.delivered / seconds,
                "took_ns": self.took_ns,
                "retransmits": self.stack.statistics.retransmits,
                "memberships": self.stack.statistics.memberships,
            }
        )
        # The others still measure.
        await asyncio.sleep(2)


def member(node: int, load: Load, pipe: Connection) -> None:
    """Be node `node`, and say through `pipe` what was measured."""

    async def play() -> None:
        tame_gc()
        await Member(node, load).run(pipe)

    asyncio.run(play())
