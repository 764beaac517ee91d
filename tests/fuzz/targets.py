"""Every decoder of bytes that others wrote: what it is given, what it may raise, and bytes to begin from.

A decoder may refuse with its one typed error, or with findings. Anything else that leaves it would end the loop that called
it, and is a failure.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Final

import msgspec

from ninefold.agents import metadata
from ninefold.cib import codec as cib_codec
from ninefold.cib.check import check as check_cib
from ninefold.cib.document import Cib
from ninefold.cib.model import (
    ClearMoves,
    MoveResource,
    SetNodeAttribute,
    SetProperty,
    Stamp,
    Version,
)
from ninefold.config.grammar import decode as decode_conf
from ninefold.config.load import load
from ninefold.config.surroundings import Surroundings
from ninefold.controller import messages as controller
from ninefold.controller import requests
from ninefold.core.ids import RingId
from ninefold.corosync import messages as corosync
from ninefold.node.parcels import Parcels, cut
from ninefold.quorum import messages as quorum
from ninefold.totem import codec as totem
from ninefold.totem import packet
from ninefold.totem.fragments import Reassembly
from ninefold.totem.messages import CommitToken, Join, Mcast, Slot, Token
from ninefold.totem.packing import Assembly, Lane, Packer

HERE: Final = Surroundings(hostnames=("n1",), addresses=("127.0.0.1",))


class Target(msgspec.Struct, frozen=True):
    """One decoder. `run` is given any bytes; only what is in `refusals` may leave it."""

    run: Callable[[bytes], object]
    refusals: tuple[type[Exception], ...]
    seeds: tuple[bytes, ...]


def _headers(data: bytes) -> None:
    """Read a datagram as each kind of body that a header may announce."""
    packet.parse_header(data)
    body = data[packet.HEADER_BYTES :]
    for parse in (packet.parse_fragment, packet.parse_ping, packet.parse_pong):
        try:
            parse(body)
        except packet.Refused:
            continue


def _fragments(data: bytes) -> None:
    """Read bytes as a row of fragments of one peer, each behind its length."""
    reassembly = Reassembly()
    while data:
        size = data[0]
        with contextlib.suppress(packet.Refused):
            reassembly.add(packet.parse_fragment(data[1 : 1 + size]))
        data = data[1 + size :]


def _frames(data: bytes) -> None:
    """Read bytes as frames of two members in turn."""
    assembly = Assembly()
    half = len(data) // 2
    for sender, frame in ((1, data[:half]), (2, data[half:]), (1, data)):
        try:
            assembly.add(sender, frame)
        except totem.MalformedMessage:
            continue


def _parcels(data: bytes) -> None:
    parcels = Parcels()
    for start in range(0, len(data), 7):
        parcels.add(1, data[start : start + 7])
    parcels.add(2, data)


def _document(data: bytes) -> None:
    cib, findings = Cib.parse(data)
    assert (cib is None) == bool(findings)
    if cib is not None:
        check_cib(cib.root)


def _packed() -> bytes:
    packer = Packer(200)
    packer.blocked = False
    for message in (b"first", b"x" * 500, b"third"):
        packer.push(message, Lane.APPLICATION)
    return b"".join(iter(packer.take, None))


_ANNEX: Final = controller.Annex("n1", Stamp(4, Version(0, 1, 2)), "d", 4, 8, True, False, 9, 1)
_CHANGES: Final = (
    SetProperty("stonith-enabled", "true"),
    SetNodeAttribute("n1", "standby", None),
    MoveResource("db", node="n2"),
    ClearMoves("db"),
)
_MEMORY: Final = quorum.Memory(RingId(4, 1), (1, 2, 3))
_CONF: Final = (
    b"totem {\n version: 2\n}\nnodelist {\n node {\n  nodeid: 1\n  ring0_addr: 127.0.0.1\n  name: n1\n }\n}\n"
    b"quorum {\n provider: corosync_votequorum\n}\n"
)
_METADATA: Final = (
    b'<?xml version="1.0"?>\n<resource-agent name="x" version="1.0"><version>1.1</version><longdesc lang="en">t'
    b'</longdesc><parameters><parameter name="ip" unique="1" required="1"><content type="string" default="a"/>'
    b'</parameter></parameters><actions><action name="start" timeout="20s" interval="0"/></actions>'
    b"</resource-agent>"
)
_CIB: Final = (
    b'<cib admin_epoch="0" epoch="1" num_updates="2" validate-with="pacemaker-3.9"><configuration><crm_config/>'
    b'<nodes><node id="1" uname="n1"/></nodes><resources><primitive id="db" class="ocf" provider="p" type="t"/>'
    b"</resources><constraints/></configuration><status/></cib>"
)

TARGETS: Final[dict[str, Target]] = {
    "ring-message": Target(totem.decode, (totem.MalformedMessage,), (
        totem.encode(Token(4, 1, 7, 3, 2, 2, 1, 0, False, (3,))),
        totem.encode(Mcast(4, 1, 3, 2, False, b"payload")),
        totem.encode(Join(4, (1, 2, 3), (3,), (1, 2), False, (3,))),
        totem.encode(CommitToken(8, 1, 2, (1, 2), (Slot(4, 1, 3, 3, True),))),
    )),
    "ring-packet": Target(_headers, (packet.Refused,), (b"\x01" * 48, bytes(64))),
    "fragments": Target(_fragments, (), (bytes(40), b"\x14" + bytes(20) + b"\x0c" + bytes(12))),
    "packing": Target(_frames, (), (_packed(),)),
    "parcels": Target(_parcels, (), (*cut(b"whole"), b"\x01more\x02last")),
    "quorum-info": Target(quorum.decode, (quorum.BadInfoError,), (
        quorum.encode(quorum.NodeInfo(RingId(4, 1), 1, 3, True, False, (_MEMORY,))),
        quorum.encode(quorum.Proposal(RingId(4, 1), expected=3)),
    )),
    "corosync-message": Target(corosync.decode, (corosync.MalformedMessage,), (
        corosync.encode(corosync.Goodbye()),
    )),
    "controller-message": Target(controller.decode, (controller.MalformedMessage,), (
        controller.encode(controller.Saved(Stamp(4, Version(0, 1, 2)))),
    )),
    "controller-annex": Target(controller.decode_annex, (controller.MalformedMessage,), (
        controller.encode(_ANNEX),
    )),
    "cib-change": Target(cib_codec.decode, (cib_codec.MalformedChange,), tuple(
        cib_codec.encode(change) for change in _CHANGES
    )),
    "cib-document": Target(_document, (), (_CIB,)),
    "door-request": Target(requests.decode, (requests.MalformedRequest,), (
        requests.encode(requests.ChangeCib(SetProperty("a", "b"), "why")),
        requests.encode(requests.ShowCib()),
    )),
    "corosync-conf": Target(lambda data: load(decode_conf(data), file="f", surroundings=HERE), (), (_CONF,)),
    "agent-metadata": Target(
        lambda data: metadata.parse(data.decode(errors="replace"), "ocf:x:y"), (), (_METADATA,)
    ),
}  # fmt: skip


def feed(target: Target, data: bytes) -> None:
    """Hand bytes to a decoder; whatever is no refusal of its own kind goes through."""
    try:
        target.run(data)
    except target.refusals:
        return
