"""What somebody on the network does without the key: send old packets again, and invented ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ninefold.node import events as ev

if TYPE_CHECKING:
    from ninefold.sim.world import World

_COPIES: Final = 3
_LENGTHS: Final = (0, 1, 15, 40, 64, 200, 1400, 9000)


def replay(world: World) -> None:
    """Send every recorded packet again, some out of order, within a second."""
    for receiver, packet in list(world.effects.tapped):
        for _ in range(_COPIES):
            world.later(world.hosts[receiver], world.rng.randint(1, 1000), packet)


def forge(world: World) -> None:
    """Send packets of random bytes, and recorded ones with a byte changed, cut or lengthened."""
    for host in world.hosts.values():
        for other in world.hosts.values():
            if other is host:
                continue
            link = other.config.node(other.id).links[0]
            for length in _LENGTHS:
                data = world.rng.randbytes(length)
                packet = ev.PacketReceived(0, link.address, link.port, data)
                world.later(host, world.rng.randint(1, 1000), packet)
    for receiver, packet in [entry for entry in world.effects.tapped if entry[1].data]:
        bent = bytearray(packet.data)
        bent[world.rng.randrange(len(bent))] ^= 1 << world.rng.randrange(8)
        for data in (bytes(bent), packet.data[:-1], packet.data + b"\0"):
            forged = ev.PacketReceived(packet.link, packet.address, packet.port, data)
            world.later(world.hosts[receiver], world.rng.randint(1, 1000), forged)
