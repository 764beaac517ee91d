"""Real sockets on loopback: what is sent arrives, what is refused is counted, bad binds are told."""

from __future__ import annotations

import asyncio
import os
import socket
from typing import TYPE_CHECKING

import pytest

from ninefold.config.model import LinkAddress
from ninefold.host.udp import PACKETS_PER_TURN, RingSockets, RingUnbindable, holder_of
from ninefold.totem.events import PacketReceived, SendPacket

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


def free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture
def taken_port() -> Iterator[int]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as holder:
        holder.bind(("127.0.0.1", 0))
        yield holder.getsockname()[1]


def ring(
    loop: asyncio.AbstractEventLoop,
    links: dict[int, LinkAddress],
    received: Callable[[PacketReceived], None] = lambda _packet: None,
) -> RingSockets:
    sockets = RingSockets(loop, links, received)
    sockets.open()
    return sockets


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110 - the condition belongs to code that has no events
            await asyncio.sleep(0.001)


async def exchange(here: str, there: str) -> PacketReceived:
    loop = asyncio.get_running_loop()
    got: list[PacketReceived] = []
    port = free_port()
    one = ring(loop, {3: LinkAddress(here, port)})
    two = ring(loop, {3: LinkAddress(there, port if here != there else free_port())}, got.append)
    to = two._local[3]
    one.send(SendPacket(3, to.address, to.port, b"hello"))
    await until(lambda: bool(got))
    one.close()
    two.close()
    assert one.packets_sent == two.packets_received == 1
    assert got[0].port == port
    return got[0]


def test_datagram_arrives_with_its_link_and_source() -> None:
    packet = asyncio.run(exchange("127.0.0.1", "127.0.0.2"))

    assert (packet.link, packet.address, packet.data) == (3, "127.0.0.1", b"hello")


@pytest.mark.skipif(not socket.has_ipv6, reason="this kernel has no IPv6")
def test_datagram_arrives_over_ipv6() -> None:
    packet = asyncio.run(exchange("::1", "::1"))

    assert (packet.address, packet.data) == ("::1", b"hello")


def test_flood_is_taken_in_turns_so_that_timers_have_theirs() -> None:
    async def flood() -> list[int]:
        loop = asyncio.get_running_loop()
        address = LinkAddress("127.0.0.1", free_port())
        turns: list[int] = []
        got: list[PacketReceived] = []
        sockets = ring(loop, {0: address}, got.append)
        for number in range(300):
            sockets.send(SendPacket(0, address.address, address.port, bytes([number % 256])))
        while len(got) < 300:
            before = len(got)
            await asyncio.sleep(0)
            turns.append(len(got) - before)
        sockets.close()
        return turns

    turns = asyncio.run(asyncio.wait_for(flood(), 5))

    assert max(turns) == PACKETS_PER_TURN
    assert sum(turns) == 300


def test_refused_send_is_counted_and_does_not_raise() -> None:
    async def send() -> dict[str, int]:
        address = LinkAddress("127.0.0.1", free_port())
        sockets = ring(asyncio.get_running_loop(), {0: address})
        sockets.send(SendPacket(0, "127.0.0.1", 9, bytes(70_000)))
        sockets.send(SendPacket(0, "255.255.255.255", 9, b"broadcast is not permitted"))
        sockets.send(SendPacket(5, "127.0.0.1", 9, b"no such link"))
        sockets.close()
        sockets.send(SendPacket(0, "127.0.0.1", 9, b"too late"))
        return sockets.failed

    failed = asyncio.run(send())

    assert failed == {"EMSGSIZE": 1, "EACCES": 1, "closed": 2}


def test_listener_may_close_the_ring_while_packets_wait() -> None:
    async def close_at_once() -> int:
        got: list[PacketReceived] = []
        address = LinkAddress("127.0.0.1", free_port())
        sockets: RingSockets

        def received(packet: PacketReceived) -> None:
            got.append(packet)
            sockets.close()

        sockets = ring(asyncio.get_running_loop(), {0: address}, received)
        for _ in range(3):
            sockets.send(SendPacket(0, address.address, address.port, b"x"))
        await until(lambda: bool(got))
        return len(got)

    assert asyncio.run(close_at_once()) == 1


def test_all_links_that_cannot_be_bound_are_told_at_once_with_who_and_remedy(
    taken_port: int,
) -> None:
    async def open_badly() -> RingUnbindable:
        links = {
            0: LinkAddress("127.0.0.1", taken_port),
            1: LinkAddress("127.0.0.1", free_port()),
            2: LinkAddress("203.0.113.7", free_port()),
        }
        with pytest.raises(RingUnbindable) as caught:
            ring(asyncio.get_running_loop(), links)
        return caught.value

    error = asyncio.run(open_badly())

    assert [finding.code for finding in error.findings] == ["port-in-use", "address-not-here"]
    assert f"pid {os.getpid()}" in error.findings[0].sentence
    assert "ring2_addr" in error.findings[1].remedy
    assert "203.0.113.7" in str(error)


def test_links_that_were_bound_are_free_again_after_another_failed(taken_port: int) -> None:
    port = free_port()

    async def twice() -> None:
        loop = asyncio.get_running_loop()
        good = LinkAddress("127.0.0.1", port)
        with pytest.raises(RingUnbindable):
            ring(loop, {0: good, 1: LinkAddress("127.0.0.1", taken_port)})
        ring(loop, {0: good}).close()

    asyncio.run(twice())

    assert holder_of(port) == ""
