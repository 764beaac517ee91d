"""What somebody on the network does without the key: send old packets again, and invented ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ninefold.node import events as ev

if TYPE_CHECKING:
    from ninefold.core.instants import Millis
    from ninefold.sim.host import Host
    from ninefold.sim.world import World

_COPIES: Final = 3
_LENGTHS: Final = (0, 1, 15, 40, 64, 200, 1400, 9000)

# A flood is so many packets of so many bytes every so often: some 11 Mbit/s.
_FLOOD: Final = 10
_FLOOD_BYTES: Final = 1_400
_FLOOD_EVERY_MS: Final[Millis] = 10
_NOBODY: Final = ("10.99.0.99", 40_000)


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


def flood(world: World, host: Host, period: Millis) -> None:
    """Send a host so many packets that nobody asked for, from an address that nobody has."""
    if world.corosync is not None:
        return  # they reach Corosync, which drops them unseen
    mended = world.mended
    data = world.rng.randbytes(_FLOOD_BYTES)
    packet = ev.PacketReceived(0, *_NOBODY, data)

    def wave(left: Millis) -> None:
        if left <= 0 or world.mended != mended:
            return
        for _ in range(_FLOOD):
            if host.powered:
                world.post(host, packet)
        world.at(_FLOOD_EVERY_MS, lambda: wave(left - _FLOOD_EVERY_MS))

    wave(period)
