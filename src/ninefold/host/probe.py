"""Asks another host's kernel for a sign of life, whatever its daemons do.

Two ways at once, for either may be filtered: an ICMP echo (the unprivileged ping socket where
`net.ipv4.ping_group_range` allows it, else a raw socket, which needs CAP_NET_RAW), and a UDP
datagram to a port that should be closed, whose refusal (ICMP port unreachable) the kernel reports
on the connected socket. A firewall that drops both makes a living host look dead to the probe, so
silence alone decides nothing: the ring asks only about a peer that it has not heard for a token.

An answer counts only if it belongs to an open probe: the echo by its 16 random bytes, the refusal
by the socket's random port and by its source: a router's refusal says nothing about the host
behind it. Sockets are opened when first needed; what cannot be opened is told in
`degraded`, and the other way goes on.
"""

from __future__ import annotations

import errno
import ipaddress
import secrets
import socket
import struct
import sys
from typing import TYPE_CHECKING, Final

import msgspec

from ninefold.core.ids import NodeId
from ninefold.core.instants import Instant, Millis
from ninefold.host import clock

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

# Open probes of one kind: 32 peers with 2 links, asked once more while the first is still open.
OPEN_MAX: Final = 128
# An answer that took longer is no evidence of life now.
ANSWER_MAX_MS: Millis = 5000
ANSWERS_PER_TURN: Final = 64
# The port to be refused: in the range that traceroute made customary for this.
CLOSED_PORTS: Final = range(33434, 33534)
COOKIE_BYTES: Final = 16

_ECHO: Final = struct.Struct(">BBHHH")
# (request, reply) of each family: RFC 792, RFC 4443.
_TYPES: Final = {4: (8, 0), 6: (128, 129)}
# IP_RECVERR and IPV6_RECVERR: keep each ICMP error with its sender. From <linux/in.h>, <linux/in6.h>.
_RECEIVE_ERRORS: Final = {4: (socket.IPPROTO_IP, 11), 6: (socket.IPPROTO_IPV6, 25)}
# struct sock_extended_err: errno, origin, type, code, padding, info, data; then the offender's
# address as sockaddr_in or sockaddr_in6.
_EXTENDED_ERROR: Final = struct.Struct("=IBBBxII")
_ERRORS: Final = frozenset(_RECEIVE_ERRORS.values())
_ERROR_BYTES: Final = 512


class _Open(msgspec.Struct, frozen=True):
    peer: NodeId
    address: str
    at: Instant


class KernelProbe:
    """Probes the kernels of peers; `on_answer` is called for each way that brought an answer."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, on_answer: Callable[[NodeId], None]
    ) -> None:
        self.degraded: dict[str, str] = {}
        self.failed: dict[str, int] = {}
        self._loop = loop
        self._on_answer = on_answer
        self._echo_sockets: dict[int, socket.socket] = {}
        self._echoes: dict[bytes, _Open] = {}
        self._refusals: dict[socket.socket, _Open] = {}
        self._sequence = 0

    def probe(self, peer: NodeId, address: str) -> None:
        """Ask the kernel at a numeric address; the answer, if any, is called back."""
        version = ipaddress.ip_address(address).version
        asked = _Open(peer, address, clock.now())
        self._give_up(asked.at)
        self._ask_echo(version, asked)
        self._ask_refusal(version, asked)

    def close(self) -> None:
        """Close all sockets and forget all open probes."""
        for opened in [*self._echo_sockets.values(), *self._refusals]:
            self._loop.remove_reader(opened.fileno())
            opened.close()
        self._echo_sockets.clear()
        self._refusals.clear()
        self._echoes.clear()

    def _ask_echo(self, version: int, asked: _Open) -> None:
        opened = self._echo_socket(version)
        if opened is None:
            return
        cookie = secrets.token_bytes(COOKIE_BYTES)
        self._sequence = (self._sequence + 1) % 65_536
        self._echoes[cookie] = asked
        try:
            opened.sendto(_request(version, self._sequence, cookie), (asked.address, 0))
        except OSError as error:
            del self._echoes[cookie]
            self._count("echo", error)

    def _ask_refusal(self, version: int, asked: _Open) -> None:
        family = socket.AF_INET if version == 4 else socket.AF_INET6
        try:
            opened = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        except OSError as error:
            self._count("refusal", error)
            return
        try:
            opened.setsockopt(*_RECEIVE_ERRORS[version], 1)
            opened.connect((asked.address, secrets.choice(CLOSED_PORTS)))
            opened.send(bytes(COOKIE_BYTES))
        except OSError as error:
            opened.close()
            self._count("refusal", error)
            return
        self._refusals[opened] = asked
        self._loop.add_reader(opened.fileno(), self._read_refusal, opened)

    def _read_echoes(self, version: int, opened: socket.socket) -> None:
        for _ in range(ANSWERS_PER_TURN):
            if opened.fileno() < 0:
                return  # the answer's listener has closed us
            try:
                data, source = opened.recvfrom(2048)
            except BlockingIOError:
                return
            except OSError as error:
                self._count("echo", error)
                continue
            self._take_echo(version, _strip(version, opened, data), source[0])

    def _take_echo(self, version: int, data: bytes, source: str) -> None:
        if len(data) != _ECHO.size + COOKIE_BYTES or data[0] != _TYPES[version][1]:
            return
        asked = self._echoes.get(data[_ECHO.size :])
        if asked is None or ipaddress.ip_address(source) != ipaddress.ip_address(asked.address):
            return
        del self._echoes[data[_ECHO.size :]]
        self._answer(asked)

    def _read_refusal(self, opened: socket.socket) -> None:
        try:
            alive = _spoke(opened, self._refusals[opened].address)
        except BlockingIOError:
            return
        except OSError as error:
            self._end_refusal(opened)
            self._count("refusal", error)
            return
        asked = self._refusals[opened]
        self._end_refusal(opened)
        if alive:
            self._answer(asked)

    def _answer(self, asked: _Open) -> None:
        if clock.now() - asked.at <= ANSWER_MAX_MS:
            self._on_answer(asked.peer)

    def _give_up(self, now: Instant) -> None:
        """Forget probes that were not answered in time, and the oldest beyond the limit."""
        old = now - ANSWER_MAX_MS
        for cookie, asked in list(self._echoes.items()):
            if asked.at < old or len(self._echoes) >= OPEN_MAX:
                del self._echoes[cookie]
        for opened, asked in list(self._refusals.items()):
            if asked.at < old or len(self._refusals) >= OPEN_MAX:
                self._end_refusal(opened)

    def _end_refusal(self, opened: socket.socket) -> None:
        del self._refusals[opened]
        self._loop.remove_reader(opened.fileno())
        opened.close()

    def _echo_socket(self, version: int) -> socket.socket | None:
        """Return the socket for echoes, opened now if this is the first."""
        name = f"icmp{version}"
        if version in self._echo_sockets or name in self.degraded:
            return self._echo_sockets.get(version)
        opened, reason = _open_echo(version)
        if opened is None:
            self.degraded[name] = reason
            return None
        self._echo_sockets[version] = opened
        self._loop.add_reader(opened.fileno(), self._read_echoes, version, opened)
        return opened

    def _count(self, way: str, error: OSError) -> None:
        what = f"{way}:{errno.errorcode.get(error.errno or 0, 'unknown')}"
        self.failed[what] = self.failed.get(what, 0) + 1


def _spoke(opened: socket.socket, address: str) -> bool:
    """Tell whether what came on the connected socket is the word of the host itself.

    A router or a firewall that rejects for a host, dead or alive, also sends "port unreachable";
    the kernel then names it as the offender. Raises OSError if nothing can be read.
    """
    try:
        _, ancillary, _, _ = opened.recvmsg(0, _ERROR_BYTES, socket.MSG_ERRQUEUE)
    except BlockingIOError:
        # No error, so a datagram: somebody listens there after all, and answers.
        opened.recv(1)
        return True
    refusers = [_refuser(data) for level, kind, data in ancillary if (level, kind) in _ERRORS]
    return address in refusers or str(ipaddress.ip_address(address)) in refusers


def _refuser(data: bytes) -> str:
    """Return who sent the "port unreachable" that a control message describes; else empty."""
    if len(data) < _EXTENDED_ERROR.size + 8:
        return ""
    number = _EXTENDED_ERROR.unpack_from(data)[0]
    offender = data[_EXTENDED_ERROR.size :]
    family = int.from_bytes(offender[:2], sys.byteorder)
    if number != errno.ECONNREFUSED:
        return ""
    if family == socket.AF_INET:
        return socket.inet_ntop(socket.AF_INET, offender[4:8])
    if family == socket.AF_INET6 and len(offender) >= 24:
        return socket.inet_ntop(socket.AF_INET6, offender[8:24])
    return ""


def _open_echo(version: int) -> tuple[socket.socket | None, str]:
    """Open a ping socket, or a raw one, or say why neither can be had."""
    family = socket.AF_INET if version == 4 else socket.AF_INET6
    protocol = socket.IPPROTO_ICMP if version == 4 else socket.IPPROTO_ICMPV6
    reasons = []
    for kind, name in ((socket.SOCK_DGRAM, "ping socket"), (socket.SOCK_RAW, "raw socket")):
        try:
            opened = socket.socket(family, kind | socket.SOCK_NONBLOCK, protocol)
        except OSError as error:
            reasons.append(f"{name}: {error.strerror or error}")
            continue
        if kind == socket.SOCK_RAW:
            _filter_replies(version, opened)
        return opened, ""
    remedy = "give ninefoldd CAP_NET_RAW, or widen net.ipv4.ping_group_range"
    return None, f"no ICMP echo ({'; '.join(reasons)}): {remedy}"


def _filter_replies(version: int, opened: socket.socket) -> None:
    """Let a raw socket see echo replies only, not every ICMP packet of the host.

    Both filters are bit masks of the types to block (ICMP_FILTER is 1 of SOL_RAW 255, ICMP6_FILTER
    is 1 of IPPROTO_ICMPV6). It saves wake-ups; what comes through is checked all the same.
    """
    reply = _TYPES[version][1]
    if version == 4:
        opened.setsockopt(255, 1, struct.pack("=I", 0xFFFF_FFFF & ~(1 << reply)))
        return
    blocked = [0xFFFF_FFFF] * 8
    blocked[reply // 32] &= ~(1 << reply % 32)
    opened.setsockopt(socket.IPPROTO_ICMPV6, 1, struct.pack("=8I", *blocked))


def _request(version: int, sequence: int, cookie: bytes) -> bytes:
    """Build an echo request. The kernel fills in the ping socket's id and ICMPv6's checksum."""
    kind = _TYPES[version][0]
    unsummed = _ECHO.pack(kind, 0, 0, 0, sequence) + cookie
    return _ECHO.pack(kind, 0, _checksum(unsummed), 0, sequence) + cookie


def _checksum(data: bytes) -> int:
    """Sum as RFC 1071 does; `data` has an even length."""
    total: int = sum(struct.unpack(f">{len(data) // 2}H", data))
    total = (total >> 16) + (total & 0xFFFF)
    return ~(total + (total >> 16)) & 0xFFFF


def _strip(version: int, opened: socket.socket, data: bytes) -> bytes:
    """Cut the IP header off, which only a raw IPv4 socket delivers."""
    if version == 4 and opened.type & socket.SOCK_RAW == socket.SOCK_RAW and data:
        return data[(data[0] & 0x0F) * 4 :]
    return data
