"""The ring's sockets: one UDP socket a link, read by readiness and a bounded drain.

Sending never raises: whatever the kernel refuses is a lost packet, which the ring retransmits; it
is counted under the error's name. Opening reports everything that is wrong with all links at once.
"""

from __future__ import annotations

import errno
import ipaddress
import os
import socket
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ninefold.core.findings import Finding, Severity
from ninefold.totem.events import PacketReceived, SendPacket
from ninefold.totem.packet import DATAGRAM_MAX

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Mapping

    from ninefold.config.model import LinkAddress

# Packets taken from one socket in a turn of the loop; then timers and other sockets have theirs.
PACKETS_PER_TURN: Final = 64
# Room for what arrives while the loop is busy: 100 ms of 10 000 packets of 1.4 kB, tripled, since
# the kernel counts its own overhead too.
BUFFER_BYTES: Final = 4 * 1024 * 1024
# From <linux/in.h>; the socket module does not name them. Without "don't fragment" a path with a
# small MTU costs fragments instead of black-holing the ring.
IP_MTU_DISCOVER: Final = 10
IP_PMTUDISC_DONT: Final = 0
# "Don't fragment", and don't go by what the kernel has heard of the path: that is what is being found out.
IP_PMTUDISC_PROBE: Final = 3
IPV6_MTU_DISCOVER: Final = 23


class RingUnbindable(Exception):
    """The ring's sockets cannot be opened; `findings` tell why, one for each link."""

    def __init__(self, findings: list[Finding]) -> None:
        super().__init__("\n".join(map(str, findings)))
        self.findings = findings


class RingSockets:
    """The sockets of this node's links. `received` is called for each datagram."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        local: Mapping[int, LinkAddress],
        received: Callable[[PacketReceived], None],
    ) -> None:
        self.failed: dict[str, int] = {}
        self.packets_received = 0
        self.packets_sent = 0
        self._loop = loop
        self._local = local
        self._received = received
        self._sockets: dict[int, socket.socket] = {}

    def open(self) -> None:
        """Bind every link; raises `RingUnbindable`, leaving nothing open."""
        assert not self._sockets
        findings: list[Finding] = []
        for link, address in sorted(self._local.items()):
            try:
                self._sockets[link] = _bind(address)
            except OSError as error:
                findings.append(_explain(link, address, error))
        if findings:
            self.close()
            raise RingUnbindable(findings)
        for link, opened in self._sockets.items():
            self._loop.add_reader(opened.fileno(), self._drain, link, opened)

    def reconfigure(self, local: Mapping[int, LinkAddress]) -> list[Finding]:
        """Go on with other links; return why some cannot be opened. What stays is not touched."""
        findings: list[Finding] = []
        for link, opened in list(self._sockets.items()):
            if local.get(link) != self._local[link]:
                self._loop.remove_reader(opened.fileno())
                opened.close()
                del self._sockets[link]
        self._local = dict(local)
        for link, address in sorted(local.items()):
            if link in self._sockets:
                continue
            try:
                opened = self._sockets[link] = _bind(address)
            except OSError as error:
                findings.append(_explain(link, address, error))
            else:
                self._loop.add_reader(opened.fileno(), self._drain, link, opened)
        return findings

    def close(self) -> None:
        """Close all sockets; packets that were not read are lost."""
        for opened in self._sockets.values():
            self._loop.remove_reader(opened.fileno())
            opened.close()
        self._sockets.clear()

    def send(self, packet: SendPacket) -> None:
        """Send one datagram, or count why not."""
        opened = self._sockets.get(packet.link)
        if opened is None:
            self._count("closed")
            return
        try:
            if packet.whole:
                _discover(opened, IP_PMTUDISC_PROBE)
            opened.sendto(packet.data, (packet.address, packet.port))
        except OSError as error:
            # That a probe is too large for this host's own interface is an answer too.
            if not (packet.whole and error.errno == errno.EMSGSIZE):
                self._count(_name(error))
        else:
            self.packets_sent += 1
        finally:
            if packet.whole:
                _discover(opened, IP_PMTUDISC_DONT)

    def _drain(self, link: int, opened: socket.socket) -> None:
        for _ in range(PACKETS_PER_TURN):
            if opened.fileno() < 0:
                return  # an event that we handed over has closed the ring
            try:
                # One byte more than may come, so that a longer datagram is seen to be too long.
                data, source = opened.recvfrom(DATAGRAM_MAX + 1)
            except BlockingIOError:
                return
            except OSError as error:
                self._count(_name(error))
                continue
            self.packets_received += 1
            self._received(PacketReceived(link, source[0], source[1], data))

    def _count(self, what: str) -> None:
        self.failed[what] = self.failed.get(what, 0) + 1


def openable(
    running: Mapping[int, LinkAddress], wanted: Mapping[int, LinkAddress]
) -> list[Finding]:
    """Try the links that `wanted` has and `running` has not; return why some cannot be opened."""
    findings = []
    for link, address in sorted(wanted.items()):
        if address in running.values():
            continue
        try:
            _bind(address).close()
        except OSError as error:
            findings.append(_explain(link, address, error))
    return findings


def _name(error: OSError) -> str:
    return errno.errorcode.get(error.errno or 0, "unknown")


def _bind(address: LinkAddress) -> socket.socket:
    version = ipaddress.ip_address(address.address).version
    family = socket.AF_INET if version == 4 else socket.AF_INET6
    opened = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
    try:
        if family == socket.AF_INET6:
            opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        else:
            _discover(opened, IP_PMTUDISC_DONT)
        _enlarge(opened)
        opened.bind((address.address, address.port))
    except OSError:
        opened.close()
        raise
    return opened


def _discover(opened: socket.socket, how: int) -> None:
    """Say whether what is sent may be fragmented."""
    if opened.family == socket.AF_INET6:
        opened.setsockopt(socket.IPPROTO_IPV6, IPV6_MTU_DISCOVER, how)
    else:
        opened.setsockopt(socket.IPPROTO_IP, IP_MTU_DISCOVER, how)


def _enlarge(opened: socket.socket) -> None:
    """Ask for large buffers: beyond the system's limit if we may, else up to it."""
    for plain, force in (
        (socket.SO_RCVBUF, 33),  # SO_RCVBUFFORCE
        (socket.SO_SNDBUF, 32),  # SO_SNDBUFFORCE
    ):
        try:
            opened.setsockopt(socket.SOL_SOCKET, force, BUFFER_BYTES)
        except OSError:
            opened.setsockopt(socket.SOL_SOCKET, plain, BUFFER_BYTES)


def _explain(link: int, address: LinkAddress, error: OSError) -> Finding:
    where = f"{address.address} port {address.port}"
    subject = f"link {link}"
    if error.errno == errno.EADDRINUSE:
        holder = holder_of(address.port)
        return Finding(
            "port-in-use",
            Severity.ERROR,
            subject,
            f"{where} is in use{f' by {holder}' if holder else ''}.",
            "Stop that process (corosync and ninefoldd cannot share a port), or set another"
            " mcastport on all nodes.",
        )
    if error.errno == errno.EADDRNOTAVAIL:
        return Finding(
            "address-not-here",
            Severity.ERROR,
            subject,
            f"{address.address} is not an address of this host.",
            f"Bring up its interface, or correct ring{link}_addr of this node.",
        )
    if error.errno in {errno.EACCES, errno.EPERM}:
        return Finding(
            "port-not-permitted",
            Severity.ERROR,
            subject,
            f"This process may not open {where}.",
            "Run ninefoldd as root, or use a port above 1023.",
        )
    return Finding(
        "cannot-open-link",
        Severity.ERROR,
        subject,
        f"{where} cannot be opened: {error.strerror or error}.",
        f"Check ring{link}_addr and mcastport of this node.",
    )


def holder_of(port: int) -> str:
    """Name the process that holds a UDP port (`corosync, pid 17`); empty if it cannot be seen."""
    inodes = _inodes_of(port)
    if not inodes:
        return ""
    wanted = {f"socket:[{inode}]" for inode in inodes}
    for process in sorted(Path("/proc").glob("[0-9]*")):
        try:
            files = list((process / "fd").iterdir())
        except OSError:
            continue  # gone, or not ours to look into
        if any(_target(file) in wanted for file in files):
            return f"{_command(process)}, pid {process.name}"
    return ""


def _inodes_of(port: int) -> list[str]:
    """Find the sockets on a UDP port in the kernel's tables: column 2 is address:port in hex."""
    inodes = []
    for table in ("/proc/net/udp", "/proc/net/udp6"):
        try:
            rows = Path(table).read_text().splitlines()[1:]
        except OSError:
            continue
        for row in rows:
            columns = row.split()
            if int(columns[1].rsplit(":", 1)[1], 16) == port:
                inodes.append(columns[9])
    return inodes


def _target(file: Path) -> str:
    try:
        return os.readlink(file)  # noqa: PTH115 - it is no path but `socket:[inode]`
    except OSError:
        return ""


def _command(process: Path) -> str:
    try:
        return (process / "comm").read_text().strip()
    except OSError:
        return "a process"
