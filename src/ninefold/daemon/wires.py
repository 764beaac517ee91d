"""What carries the node's messages on this host: sockets of the embedded ring, or Corosync.

Both perform the requests of their own back end and refuse none that is theirs; the service does not ask
which one it has.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from ninefold.host.corosync.link import CorosyncLink
from ninefold.host.probe import KernelProbe
from ninefold.host.udp import RingSockets
from ninefold.node import events as ev

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from ninefold.config.model import ClusterConfig
    from ninefold.core.findings import Finding

Request: TypeAlias = ev.SendPacket | ev.ProbeKernel | ev.Connect | ev.Multicast | ev.Disconnect


class Wire(Protocol):
    """One back end's performer."""

    def perform(self, request: Request) -> None:
        """Do what the back end asks for."""

    def reconfigure(self, config: ClusterConfig) -> list[Finding]:
        """Go on with the links of another configuration; return why some cannot be opened."""

    async def close(self) -> None:
        """Let go of everything."""

    def counters(self) -> dict[str, Any]:
        """Return what was counted."""


class RingWire:
    """The sockets and probes of the embedded ring. Opening raises `RingUnbindable`."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        config: ClusterConfig,
        post: Callable[[ev.Event], None],
    ) -> None:
        self._sockets = RingSockets(loop, config.node(config.local).links, post)
        self._sockets.open()
        self._probe = KernelProbe(loop, lambda peer: post(ev.ProbeAnswered(peer)))

    def perform(self, request: Request) -> None:
        """Send, or ask a peer's kernel."""
        match request:
            case ev.SendPacket():
                self._sockets.send(request)
            case ev.ProbeKernel(peer, _, address):
                self._probe.probe(peer, address)
            case _:
                raise AssertionError(request)

    def reconfigure(self, config: ClusterConfig) -> list[Finding]:
        """Open and close sockets until they are those of the configuration."""
        return self._sockets.reconfigure(config.node(config.local).links)

    async def close(self) -> None:
        """Close the sockets."""
        self._sockets.close()
        self._probe.close()

    def counters(self) -> dict[str, Any]:
        """Return the sockets' counters."""
        return {
            "packets_received": self._sockets.packets_received,
            "packets_sent": self._sockets.packets_sent,
            "send_failures": self._sockets.failed,
        }


class CorosyncWire:
    """The connection to this host's Corosync."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        config: ClusterConfig,
        post: Callable[[ev.Event], None],
    ) -> None:
        peers = [entry for entry in config.nodes if entry.nodeid != config.local]
        links = [(entry.nodeid, link) for entry in peers for link in sorted(entry.links)]
        self._link = CorosyncLink(loop, links, post)

    def perform(self, request: Request) -> None:
        """Connect, send, or let go."""
        match request:
            case ev.Connect() | ev.Multicast() | ev.Disconnect():
                self._link.perform(request)
            case _:
                raise AssertionError(request)

    def reconfigure(self, _config: ClusterConfig) -> list[Finding]:
        """Do nothing: the links are Corosync's."""
        return []

    async def close(self) -> None:
        """Leave the group if that has not been done."""
        await self._link.close()

    def counters(self) -> dict[str, Any]:
        """Return the connection's counters, under the names that the ring's have."""
        return {
            "packets_received": self._link.received,
            "packets_sent": self._link.sent,
            "send_failures": {"try-again": self._link.tried_again},
        }
