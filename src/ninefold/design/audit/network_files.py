"""The network of a tree of files: what sysfs and /proc/net kept of links, routes and sockets.

A tree that was copied from a host has no netlink to ask. Addresses of IPv4 are in no such file, so
links come without them, which `unread` says.
"""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, Final

from ninefold.design.audit.facts import Link, Listener, Route

if TYPE_CHECKING:
    from ninefold.design.audit.source import Source

_LISTEN: Final = "0A"
_CLOSED: Final = "07"  # what an unconnected UDP socket is said to be
_GATEWAY_FLAG: Final = 2
_UP_FLAG: Final = 1


def links(source: Source) -> tuple[Link, ...]:
    """Return the links of /sys/class/net, loopback apart."""
    rows = [
        _link(source, name)
        for name in source.entries("/sys/class/net")
        if name != "lo" and source.exists(f"/sys/class/net/{name}/address")
    ]
    if rows:
        source.note("addresses of IPv4", "no file keeps them", "audit the host itself")
    return tuple(rows)


def _link(source: Source, name: str) -> Link:
    base = f"/sys/class/net/{name}"
    device = f"{base}/device"
    kind = next((k for k in ("bonding", "bridge", "tun_flags") if source.exists(f"{base}/{k}")), "")
    parent = _vlan_parent(source, name)
    kind = "vlan" if parent else {"bonding": "bond", "tun_flags": "tun"}.get(kind, kind)
    # What the link points to may not have been copied.
    hardware = bool(source.link(device)) or source.exists(device)
    flags = source.line(f"{base}/flags")
    speed = source.number(f"{base}/speed")
    addresses = [a for link, a in _inet6(source) if link == name]
    return Link(
        name,
        kind,
        bool(int(flags, 16) & _UP_FLAG) if _is_hex(flags.removeprefix("0x")) else False,
        source.number(f"{base}/carrier") == 1,
        source.line(f"{base}/address"),
        source.number(f"{base}/mtu") or 0,
        speed if hardware and speed is not None and speed > 0 else None,
        source.link(f"{device}/driver").rpartition("/")[2],
        source.link(device).rpartition("/")[2],
        source.link(f"{base}/master").rpartition("/")[2],
        parent,
        tuple(sorted(addresses)),
        virtual=not hardware,
    )


def _vlan_parent(source: Source, name: str) -> str:
    """Return the link below a VLAN, by /proc/net/vlan/NAME (`Device: eth0`)."""
    for line in (source.text(f"/proc/net/vlan/{name}") or "").splitlines():
        key, _, value = line.partition(":")
        if key.strip() == "Device":
            return value.strip()
    return ""


def _inet6(source: Source) -> list[tuple[str, str]]:
    rows = []
    for line in (source.text("/proc/net/if_inet6") or "").splitlines():
        words = line.split()
        if len(words) == 6 and len(words[0]) == 32 and _is_hex(words[0]) and _is_hex(words[2]):
            address = ipaddress.IPv6Address(int(words[0], 16))
            rows.append((words[5], f"{address}/{int(words[2], 16)}"))
    return rows


def routes(source: Source) -> tuple[Route, ...]:
    """Return routes with a gateway or a default, by /proc/net/route and ipv6_route."""
    rows = []
    for line in (source.text("/proc/net/route") or "").splitlines()[1:]:
        words = line.split()
        if len(words) < 8 or not all(map(_is_hex, (words[1], words[2], words[3], words[7]))):
            continue
        if len(words[1]) != 8 or len(words[2]) != 8 or not words[6].isdigit():
            continue
        mask = int(words[7], 16).bit_count()
        target = f"{_little(words[1])}/{mask}" if mask else "default"
        gateway = _little(words[2]) if int(words[3], 16) & _GATEWAY_FLAG else ""
        if gateway or target == "default":
            rows.append(Route(target, gateway, words[0], int(words[6])))
    for line in (source.text("/proc/net/ipv6_route") or "").splitlines():
        words = line.split()
        if len(words) != 10 or words[9] == "lo" or not all(map(_is_hex, words[:9])):
            continue
        if len(words[0]) != 32 or len(words[4]) != 32:
            continue
        length = int(words[1], 16)
        target = f"{ipaddress.IPv6Address(int(words[0], 16))}/{length}" if length else "default"
        if int(words[8], 16) & _GATEWAY_FLAG:
            gateway = str(ipaddress.IPv6Address(int(words[4], 16)))
            rows.append(Route(target, gateway, words[9], int(words[5], 16), "inet6"))
    return tuple(sorted(rows, key=lambda r: (r.family, r.target, r.metric, r.gateway, r.link)))


def listeners(source: Source) -> tuple[Listener, ...]:
    """Return the listening sockets of /proc/net; whose they are, these files do not say."""
    rows: dict[tuple[int, str, str], Listener] = {}
    for protocol, state in (
        ("tcp", _LISTEN),
        ("tcp6", _LISTEN),
        ("udp", _CLOSED),
        ("udp6", _CLOSED),
    ):
        for line in (source.text(f"/proc/net/{protocol}") or "").splitlines()[1:]:
            words = line.split()
            if len(words) < 4 or words[3] != state:
                continue
            address, colon, port = words[1].partition(":")
            if not colon or len(port) != 4 or not _is_hex(port) or not _is_hex(address):
                continue
            text = _address(address)
            if text:
                row = Listener(protocol, text, int(port, 16))
                rows[row.port, protocol, text] = row
    return tuple(rows[key] for key in sorted(rows))


def _address(text: str) -> str:
    if len(text) == 8:
        return _little(text)
    if len(text) != 32:
        return ""
    words = b"".join(bytes.fromhex(text[i : i + 8])[::-1] for i in range(0, 32, 8))
    return str(ipaddress.IPv6Address(words))


def _little(text: str) -> str:
    """Return an IPv4 address that the kernel printed as a number of a little-endian machine."""
    return str(ipaddress.IPv4Address(bytes.fromhex(text)[::-1]))


def _is_hex(text: str) -> bool:
    return bool(text) and all(c in "0123456789abcdefABCDEF" for c in text)
