"""The kernel of this host answers for itself on loopback; an address without a host does not."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from ninefold.host import probe as probing
from ninefold.host.probe import CLOSED_PORTS, KernelProbe, _refuser

if TYPE_CHECKING:
    from ninefold.core.ids import NodeId


async def ask(*addresses: str, seconds: float = 0.3) -> tuple[list[NodeId], KernelProbe]:
    answers: list[NodeId] = []
    probe = KernelProbe(asyncio.get_running_loop(), answers.append)
    for peer, address in enumerate(addresses, start=1):
        probe.probe(peer, address)
    await asyncio.sleep(seconds)
    probe.close()
    return answers, probe


def test_living_kernel_answers_by_every_way_that_is_open() -> None:
    answers, probe = asyncio.run(ask("127.0.0.1", "127.0.0.77"))

    ways = 1 if "icmp4" in probe.degraded else 2
    assert sorted(answers) == [1] * ways + [2] * ways


@pytest.mark.skipif(not socket.has_ipv6, reason="this kernel has no IPv6")
def test_living_kernel_answers_over_ipv6() -> None:
    answers, _ = asyncio.run(ask("::1"))

    assert set(answers) == {1}


@pytest.mark.system
@pytest.mark.root
def test_address_without_a_host_does_not_answer() -> None:
    # The neighbour entry sends the packets to a card that nobody has: a host that is off.
    program = """
import asyncio
from pyroute2 import IPRoute
from ninefold.host.probe import KernelProbe
with IPRoute() as route:
    route.link("add", ifname="v0", kind="veth", peer={"ifname": "v1"})
    index = route.link_lookup(ifname="v0")[0]
    for name in ("v0", "v1"):
        route.link("set", index=route.link_lookup(ifname=name)[0], state="up")
    route.addr("add", index=index, address="203.0.113.1", prefixlen=24)
    dead = {"dst": "203.0.113.7", "lladdr": "02:00:00:00:00:07", "state": 128}
    route.neigh("add", ifindex=index, **dead)
async def main():
    answers = []
    probe = KernelProbe(asyncio.get_running_loop(), answers.append)
    probe.probe(1, "203.0.113.7")
    await asyncio.sleep(0.3)
    probe.close()
    print(answers, probe.failed)
asyncio.run(main())
"""
    done = subprocess.run(
        ["unshare", "--net", sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=False,
        timeout=20,
    )

    assert done.stdout == "[] {}\n", done.stderr


def test_refusal_is_its_senders_word_only() -> None:
    # As the kernel reports it: ECONNREFUSED, origin ICMP, type 3, code 3, from 21.4.0.247.
    told = bytes.fromhex("6f00000002030300 0000000000000000 0200000015 0400f7 0000000000000000")

    assert _refuser(told) == "21.4.0.247"
    assert _refuser(b"\x71" + told[1:]) == ""
    assert _refuser(told[:20]) == ""
    assert _refuser(b"") == ""


def test_kernel_answers_also_when_the_port_is_open_after_all(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # A listener swallows the datagram: only the echo is left, if it is permitted.
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listener:
        listener.bind(("127.0.0.9", 0))
        port = listener.getsockname()[1]
        monkeypatch.setattr(probing, "CLOSED_PORTS", range(port, port + 1))
        answers, probe = asyncio.run(ask("127.0.0.9"))

    assert answers == ([] if "icmp4" in probe.degraded else [1])


def test_forged_echo_reply_is_not_an_answer() -> None:
    async def forge() -> list[NodeId]:
        answers: list[NodeId] = []
        probe = KernelProbe(asyncio.get_running_loop(), answers.append)
        probe.probe(1, "203.0.113.7")
        cookie = next(iter(probe._echoes), bytes(16))
        reply = bytes(8) + cookie
        for data, source in (
            (reply, "203.0.113.8"),
            (reply[:-1], "203.0.113.7"),
            (bytes(8) + bytes(16), "203.0.113.7"),
            (b"\x08" + reply[1:], "203.0.113.7"),
            (b"", "203.0.113.7"),
        ):
            probe._take_echo(4, data, source)
        await asyncio.sleep(0)
        probe.close()
        return answers

    assert asyncio.run(forge()) == []


def test_open_probes_are_bounded() -> None:
    async def flood() -> tuple[int, int]:
        probe = KernelProbe(asyncio.get_running_loop(), lambda _peer: None)
        for number in range(400):
            probe.probe(1, f"127.1.{number // 200}.{number % 200 + 1}")
        sizes = len(probe._echoes), len(probe._refusals)
        probe.close()
        return sizes

    echoes, refusals = asyncio.run(flood())

    assert echoes <= probing.OPEN_MAX
    assert refusals <= probing.OPEN_MAX


def test_refused_ports_are_those_that_traceroute_made_customary() -> None:
    assert CLOSED_PORTS[0] == 33434
