"""A few links layers on virtual wires, without a ring: what the tests of the links share.

Packets take one millisecond; `cut` drops some; everything sent is recorded for replays.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from ninefold.config.model import (
    ClusterConfig,
    LinkAddress,
    LinkOptions,
    NodeEntry,
    QuorumOptions,
    TotemOptions,
)
from ninefold.core.instants import NEVER
from ninefold.totem.events import LinkChanged, PacketReceived, SendPacket
from ninefold.totem.keys import keyset
from ninefold.totem.links import Frame, LinkEffect, Links

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

AUTHKEY = bytes(range(256))
SEALED = TotemOptions(crypto_cipher="aes256", crypto_hash="sha256", cluster_name="test")


def address_of(node: int, link: int) -> str:
    return f"10.0.{link}.{node}"


def config(
    local: int, nodes: int = 2, links: int = 1, totem: TotemOptions = SEALED
) -> ClusterConfig:
    return ClusterConfig(
        local=local,
        nodes=tuple(
            NodeEntry(
                node,
                f"n{node}",
                {link: LinkAddress(address_of(node, link), 5405 + link) for link in range(links)},
            )
            for node in range(1, nodes + 1)
        ),
        totem=totem,
        links=(LinkOptions(1, priority=5),) if links > 1 else (),
        quorum=QuorumOptions(),
    )


class Net:
    """A few nodes and the wires between them; packets take one millisecond."""

    def __init__(self, nodes: int = 2, links: int = 1, totem: TotemOptions = SEALED) -> None:
        self.now = 1000
        self.rng = random.Random(7)
        self.configs = {node: config(node, nodes, links, totem) for node in range(1, nodes + 1)}
        self.nodes: dict[int, Links] = {}
        self.frames: dict[int, list[Frame]] = {node: [] for node in self.configs}
        self.effects: dict[int, list[LinkEffect]] = {node: [] for node in self.configs}
        self.sent: list[tuple[int, int, SendPacket]] = []
        self.wire: list[tuple[int, int, int, SendPacket]] = []
        # Datagrams that the paths carry; as much as is sent before anything is known.
        self.datagram_max = 1372
        self.cut: Callable[[int, int, int], bool] = lambda _sender, _receiver, _link: False

    def boot(self, node: int) -> Links:
        epoch = self.rng.getrandbits(64).to_bytes(8, "big")
        links = Links(self.configs[node], keys=keyset(AUTHKEY), epoch=epoch, rng=self.rng)
        self.nodes[node] = links
        self.perform(node, links.start(self.now))
        return links

    def perform(self, node: int, effects: Sequence[LinkEffect]) -> None:
        for effect in effects:
            if not isinstance(effect, SendPacket):
                self.effects[node].append(effect)
                continue
            receiver = int(effect.address.rsplit(".", 1)[1])
            self.sent.append((node, receiver, effect))
            fits = len(effect.data) <= self.datagram_max
            if fits and not self.cut(node, receiver, effect.link):
                self.wire.append((self.now + 1, node, receiver, effect))

    def send(self, node: int, data: bytes, to: int | None = None) -> None:
        self.perform(node, self.nodes[node].send(self.now, data, to))

    def give(self, sender: int, receiver: int, packet: SendPacket) -> list[Frame]:
        source = address_of(sender, packet.link)
        event = PacketReceived(packet.link, source, 5405 + packet.link, packet.data)
        frames, effects = self.nodes[receiver].receive(self.now, event)
        self.frames[receiver] += frames
        self.perform(receiver, effects)
        return frames

    def run(self, duration: int) -> None:
        end = self.now + duration
        while True:
            arrivals = [entry[0] for entry in self.wire]
            deadlines = [links.deadline for links in self.nodes.values()]
            following = min([*arrivals, *deadlines], default=NEVER)
            if following > end:
                self.now = end
                return
            self.now = max(self.now, following)
            due = [entry for entry in self.wire if entry[0] <= self.now]
            self.wire = [entry for entry in self.wire if entry[0] > self.now]
            for _, sender, receiver, packet in due:
                if receiver in self.nodes:
                    self.give(sender, receiver, packet)
            for node, links in list(self.nodes.items()):
                if links.deadline <= self.now:
                    self.perform(node, links.wake(self.now))


def started(nodes: int = 2, links: int = 1, totem: TotemOptions = SEALED) -> Net:
    net = Net(nodes, links, totem)
    for node in net.configs:
        net.boot(node)
    net.run(3000)
    return net


def changes(net: Net, node: int) -> list[LinkChanged]:
    return [effect for effect in net.effects[node] if isinstance(effect, LinkChanged)]
