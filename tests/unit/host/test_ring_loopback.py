"""Three whole totem stacks over real sockets and real timers, on loopback, in one process."""

from __future__ import annotations

import asyncio
import random
import socket
from typing import TYPE_CHECKING

from ninefold.config.model import (
    ClusterConfig,
    LinkAddress,
    LinkOptions,
    NodeEntry,
    QuorumOptions,
    TotemOptions,
)
from ninefold.host.loop import Bug, MachineLoop
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
from ninefold.totem.keys import keyset
from ninefold.totem.stack import Stack

if TYPE_CHECKING:
    from collections.abc import Callable

NODES = (1, 2, 3)
# Short timers, so that the test is short: the ring forms within two consensus timeouts.
TOTEM = TotemOptions(
    token=500,
    token_retransmit=119,
    hold=85,
    consensus=600,
    crypto_cipher="aes256",
    crypto_hash="sha256",
)


def free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Host:
    """One node: its sockets, its stack, and what the stack said."""

    def __init__(self, nodeid: int, ports: tuple[int, int]) -> None:
        nodes = tuple(
            NodeEntry(
                node,
                f"n{node}",
                {link: LinkAddress(f"127.0.{link}.{node}", ports[link]) for link in (0, 1)},
            )
            for node in NODES
        )
        # As the configuration derives them from a token of 500.
        links = tuple(LinkOptions(n, ping_interval=125, ping_timeout=250) for n in (0, 1))
        config = ClusterConfig(nodeid, nodes, TOTEM, links, QuorumOptions())
        rng = random.Random(nodeid)
        self.stack = Stack(
            config, keys=keyset(bytes(range(128))), ring_seq=0, epoch=rng.randbytes(8), rng=rng
        )
        self.members: tuple[int, ...] = ()
        self.group_size = 0
        self.delivered: list[bytes] = []
        self.bugs: list[Bug] = []
        running = asyncio.get_running_loop()
        self.loop: MachineLoop[Event, Effect] = MachineLoop(
            running, self.stack, self.perform, woke=Woke(), on_bug=self.bugs.append
        )
        self.sockets = RingSockets(running, config.node(nodeid).links, self.loop.post)

    def perform(self, effect: Effect) -> None:
        match effect:
            case SendPacket():
                self.sockets.send(effect)
            case SaveRingSeq(seq):
                self.loop.post(RingIdSaved(seq))
            case RingChanged(kind, ring, members):
                if kind is ConfigurationKind.REGULAR:
                    self.members = members
                    self.loop.post(Synchronize(ring, {}))
            case GroupChanged(members=group):
                self.group_size = len(group)
            case Delivered(payload=payload):
                self.delivered.append(payload)
            case _:
                pass


async def until(condition: Callable[[], bool], hosts: list[Host]) -> None:
    async with asyncio.timeout(10):
        while not condition():
            assert not any(host.bugs for host in hosts)
            await asyncio.sleep(0.01)


async def play() -> list[Host]:
    ports = (free_port(), free_port())
    hosts = [Host(node, ports) for node in NODES]
    for host in hosts:
        host.sockets.open()
        host.loop.post(Started())
    await until(lambda: all(host.members == NODES for host in hosts), hosts)
    for host in hosts:
        host.loop.post(Joined("test", 1))
    await until(lambda: all(host.group_size == 3 for host in hosts), hosts)
    for number in range(20):
        hosts[number % 3].loop.post(Submitted("test", 1, bytes([number]) * 5000))
    await until(lambda: all(len(host.delivered) == 20 for host in hosts), hosts)
    crashed = hosts.pop()
    crashed.loop.close()
    crashed.sockets.close()
    await until(lambda: all(host.members == (1, 2) for host in hosts), hosts)
    for host in hosts:
        host.loop.close()
        host.sockets.close()
    return [*hosts, crashed]


def test_three_stacks_form_a_ring_agree_on_the_order_and_survive_a_crash() -> None:
    hosts = asyncio.run(play())

    assert sorted(payload[0] for payload in hosts[0].delivered) == list(range(20))
    assert all(host.delivered == hosts[0].delivered for host in hosts)
    assert all(host.sockets.failed == {} for host in hosts[:2])
    refused = {what for host in hosts for what in host.stack.statistics.dropped}
    assert "wrong-key" not in refused
    assert "malformed" not in refused
