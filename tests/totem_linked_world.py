"""Rings on real links layers, for tests of both: three members on two networks.

The second network has the higher priority. Every datagram that leaves a node is noted with its link and with what
it carries.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import msgspec

from ninefold.config.model import (
    ClusterConfig,
    LinkAddress,
    LinkOptions,
    NodeEntry,
    QuorumOptions,
)
from ninefold.totem import packet as wire
from ninefold.totem.codec import decode
from ninefold.totem.events import PacketReceived, SendPacket
from ninefold.totem.keys import keyset
from ninefold.totem.messages import Mcast, Message
from ninefold.totem.stack import Stack
from tests.totem_world import DEFAULTS, World

if TYPE_CHECKING:
    from ninefold.config.model import TotemOptions
    from ninefold.totem.events import Effect
    from tests.totem_world import Host

# What keeps a link up or measures it goes over every link, whatever the policy.
OF_LINKS = {"PING", "PONG", "PROBE", "PROBED"}


class Sent(msgspec.Struct, frozen=True):
    """A datagram; `message` is what the ring has to do with it."""

    at: int
    sender: int
    target: int
    link: int
    what: str
    message: Message | None


def address_of(node: int, link: int) -> str:
    return f"10.{link}.0.{node}"


class LinkedWorld(World):
    """Stacks on real links layers; `dead` has (node, link) of each plug that is pulled, `loss` is that of frames."""

    def __init__(self, mode: str = "passive", *, delay_ms: int = 1) -> None:
        self.sent: list[Sent] = []
        self.dead: set[tuple[int, int]] = set()
        # A token that soon rests, for one that turns is most of the work here.
        totem = msgspec.structs.replace(DEFAULTS, link_mode=mode, seqno_unchanged_const=3)
        super().__init__(3, totem=totem, delay=(delay_ms, delay_ms))

    def _boot(self, node: int, seq: int, boot: int) -> Stack:
        dice = random.Random(node * 1000 + boot)
        return Stack(
            _config(node, self.totem),
            keys=keyset(b""),
            ring_seq=seq,
            epoch=dice.randbytes(8),
            rng=dice,
        )

    def _perform(self, host: Host, effect: Effect) -> None:
        if not isinstance(effect, SendPacket):
            return super()._perform(host, effect)
        sender, link = host.nodeid, effect.link
        target = int(effect.address.rsplit(".", 1)[1])
        what, message = _read(effect.data)
        self.sent.append(Sent(self.now, sender, target, link, what, message))
        lost = isinstance(message, Mcast) and self.chance.random() < self.loss
        if lost or {(sender, link), (target, link)} & self.dead:
            return None
        event = PacketReceived(link, address_of(sender, link), 5405 + link, effect.data)
        return self._later(target, self.delay[0], event)

    def taken(self, since: int, sender: int, target: int) -> dict[str, set[int]]:
        """Return the links that each kind of the ring's traffic has taken from one node to another."""
        links: dict[str, set[int]] = {}
        for one in self.sent:
            if one.at >= since and (one.sender, one.target) == (sender, target):
                links.setdefault(one.what, set()).add(one.link)
        return {what: taken for what, taken in links.items() if what not in OF_LINKS}

    def talk(self, duration: int) -> None:
        """Let all members speak, five times a second in turns."""
        for number in range(duration // 200):
            self.submit(1 + number % 3, b"at %d" % self.now)
            self.run(200)

    def heard_alike(self) -> bool:
        """Whether all have heard the same, each thing once."""
        heard = [host.payloads() for host in self.hosts.values()]
        return all(one == heard[0] and len(set(one)) == len(one) for one in heard)


def _config(me: int, totem: TotemOptions) -> ClusterConfig:
    nodes = tuple(
        NodeEntry(n, f"n{n}", {k: LinkAddress(address_of(n, k), 5405 + k) for k in (0, 1)})
        for n in (1, 2, 3)
    )
    return ClusterConfig(
        me, nodes, totem, (LinkOptions(0), LinkOptions(1, priority=5)), QuorumOptions()
    )


def _read(datagram: bytes) -> tuple[str, Message | None]:
    header = wire.parse_header(datagram)
    if header.kind is not wire.Kind.DATA:
        return header.kind.name, None
    fragment = wire.parse_fragment(datagram[wire.HEADER_BYTES :])
    assert fragment.count == 1, "nothing here is larger than a datagram"
    message = decode(fragment.data)
    return type(message).__name__, message
