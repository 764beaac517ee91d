"""How many frames a second one core seals and opens: `python benchmarks/ring_codec.py`."""

from __future__ import annotations

import random
import time

from ninefold.config.model import ClusterConfig, LinkAddress, NodeEntry, QuorumOptions, TotemOptions
from ninefold.totem.events import PacketReceived, SendPacket
from ninefold.totem.keys import keyset
from ninefold.totem.links import Links

ROUNDS = 20_000
SEALED = TotemOptions(crypto_cipher="aes256", crypto_hash="sha256", cluster_name="bench")


def pair(totem: TotemOptions) -> tuple[Links, Links]:
    nodes = tuple(
        NodeEntry(node, f"n{node}", {0: LinkAddress(f"10.0.0.{node}", 5405)}) for node in (1, 2)
    )
    one, two = (
        Links(
            ClusterConfig(node, nodes, totem, (), QuorumOptions()),
            keys=keyset(bytes(range(256))),
            epoch=bytes([node] * 8),
            rng=random.Random(node),
        )
        for node in (1, 2)
    )
    ends = {1: one, 2: two}
    waiting = [(1, effect) for effect in one.start(0)] + [(2, effect) for effect in two.start(0)]
    while waiting:
        sender, effect = waiting.pop(0)
        if isinstance(effect, SendPacket):
            _, answers = ends[3 - sender].receive(0, arrival(sender, effect))
            waiting += [(3 - sender, answer) for answer in answers]
    return one, two


def arrival(sender: int, packet: SendPacket) -> PacketReceived:
    return PacketReceived(packet.link, f"10.0.0.{sender}", packet.port, packet.data)


def rates(totem: TotemOptions, size: int) -> tuple[float, float]:
    one, two = pair(totem)
    frame = bytes(size)
    begun = time.perf_counter()
    packets = [packet for _ in range(ROUNDS) for packet in one.send(0, frame, 2)]
    sent = time.perf_counter()
    got = 0
    for packet in packets:
        frames, _ = two.receive(0, arrival(1, packet))
        got += len(frames)
    opened = time.perf_counter()
    assert got == ROUNDS
    return ROUNDS / (sent - begun), ROUNDS / (opened - sent)


def main() -> None:
    print(f"{'crypto':12} {'frame B':>8} {'send/s':>10} {'receive/s':>10}")
    for name, totem in (("none", TotemOptions()), ("aes-256-gcm", SEALED)):
        for size in (70, 1320, 8000):
            send, receive = rates(totem, size)
            print(f"{name:12} {size:8} {send:10,.0f} {receive:10,.0f}")


if __name__ == "__main__":
    main()
