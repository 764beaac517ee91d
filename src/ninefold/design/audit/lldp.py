"""Which switch is at the other end of a cable: LLDP frames that systemd-networkd has kept.

/run/systemd/netif/lldp/INDEX holds, for each neighbour, the length of a frame (8 bytes, little
endian) and the frame as it came from the wire. The format of the frame is IEEE 802.1AB's: after the
Ethernet header follow type (7 bits), length (9 bits) and value, again and again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ninefold.design.audit.source import Source

_KEPT: Final = "/run/systemd/netif/lldp"
_ETHERNET_HEADER: Final = 14
_END, _CHASSIS, _SYSTEM_NAME = 0, 1, 5
_MAC: Final = 4


def switches(source: Source) -> dict[int, str]:
    """Return the neighbour of each link that has one, by the link's index."""
    found = {}
    for entry in source.entries(_KEPT):
        if not entry.isdigit() or len(entry) > 9:
            continue
        told = [neighbour(frame) for frame in frames(source.content(f"{_KEPT}/{entry}") or b"")]
        # Two neighbours on one cable are a hub or a bridge in between: nobody in particular.
        if len(told) == 1 and told[0]:
            found[int(entry)] = told[0]
    return found


def frames(content: bytes) -> Iterator[bytes]:
    """Yield the frames of such a file; one cut short at the end is ignored."""
    at = 0
    while at + 8 <= len(content):
        size = int.from_bytes(content[at : at + 8], "little")
        frame = content[at + 8 : at + 8 + size]
        if len(frame) < size or not size:
            return
        yield frame
        at += 8 + size


def neighbour(frame: bytes) -> str:
    """Return `name (chassis)` of an LLDP frame, or what there is of both."""
    chassis = name = ""
    at = _ETHERNET_HEADER
    while at + 2 <= len(frame):
        head = int.from_bytes(frame[at : at + 2], "big")
        kind, size = head >> 9, head & 0x1FF
        value = frame[at + 2 : at + 2 + size]
        if kind == _END or len(value) < size:
            break
        if kind == _CHASSIS and size > 1:
            mac = value[0] == _MAC and size == 7
            chassis = value[1:].hex(":") if mac else value[1:].decode(errors="replace")
        elif kind == _SYSTEM_NAME:
            name = value.decode(errors="replace")
        at += 2 + size
    return f"{name} ({chassis})" if name and chassis else name or chassis
