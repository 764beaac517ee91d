"""Tell the neighbours which interface has an address now: `announce.py NIC IP COUNT`.

Run as a program by the vip agent, with `-S -E` and the standard library's C modules alone: it
starts in some 10 ms. The first announcement is sent before it returns; a child of its own session
sends the others, so that the agent's end is not waited for nor its time limit spent.

IPv4: gratuitous ARP, as request and as reply (RFC 5227 §3 wants requests, some neighbours heed only
replies). IPv6: unsolicited neighbour advertisement with the override flag (RFC 4861 §7.2.6).
"""

# ruff: noqa: INP001 - a program, not a package

from __future__ import annotations

import _socket
import os
import sys
import time

ETH_P_ARP = 0x0806
ETH_P_IPV6 = 0x86DD
# Pauses before the second, third, ... announcement, doubling: a bridge port or a neighbour that was
# not ready for the first gets another 0.1, 0.3, 0.7 and 1.5 s after the move.
FIRST_PAUSE_S = 0.1
LONGEST_PAUSE_S = 2.0


def arp(mac: bytes, address: bytes, operation: int) -> bytes:
    """Return an ARP frame in which `address` asks for (1), or tells about (2), itself."""
    head = b"\xff" * 6 + mac + ETH_P_ARP.to_bytes(2, "big")
    body = b"\x00\x01\x08\x00\x06\x04" + operation.to_bytes(2, "big")
    target = b"\x00" * 6 if operation == 1 else b"\xff" * 6
    return head + body + mac + address + target + address


def checksum(data: bytes) -> bytes:
    """Return the Internet checksum of an even number of bytes."""
    total = sum(int.from_bytes(data[at : at + 2], "big") for at in range(0, len(data), 2))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return (~total & 0xFFFF).to_bytes(2, "big")


def advertisement(mac: bytes, address: bytes) -> bytes:
    """Return an unsolicited neighbour advertisement to all nodes, override flag set."""
    group = _socket.inet_pton(_socket.AF_INET6, "ff02::1")
    option = b"\x02\x01" + mac
    body = b"\x20\x00\x00\x00" + address + option
    length = 4 + len(body)
    pseudo = address + group + length.to_bytes(4, "big") + b"\x00\x00\x00\x3a"
    icmp = b"\x88\x00" + checksum(pseudo + b"\x88\x00\x00\x00" + body) + body
    head = b"\x60\x00\x00\x00" + length.to_bytes(2, "big") + b"\x3a\xff" + address + group
    return b"\x33\x33\x00\x00\x00\x01" + mac + ETH_P_IPV6.to_bytes(2, "big") + head + icmp


def frames(mac: bytes, text: str) -> list[bytes]:
    """Return what is to be sent for the address."""
    if ":" in text:
        return [advertisement(mac, _socket.inet_pton(_socket.AF_INET6, text))]
    address = _socket.inet_pton(_socket.AF_INET, text)
    return [arp(mac, address, 1), arp(mac, address, 2)]


def main(nic: str, text: str, count: int) -> None:
    """Announce `text` on `nic`, `count` times."""
    wire = _socket.socket(_socket.AF_PACKET, _socket.SOCK_RAW, 0)
    wire.bind((nic, 0))
    mac: bytes = wire.getsockname()[4]
    if len(mac) != 6:  # loopback and tunnels have no neighbours
        return
    ready = frames(mac, text)
    for frame in ready:
        wire.send(frame)
    if count < 2 or os.fork():
        return
    os.setsid()
    null = os.open("/dev/null", os.O_RDWR)
    for fd in (0, 1, 2):
        os.dup2(null, fd)
    pause = FIRST_PAUSE_S
    for _ in range(count - 1):
        time.sleep(pause)
        pause = min(pause * 2, LONGEST_PAUSE_S)
        for frame in ready:
            wire.send(frame)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
