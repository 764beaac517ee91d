"""What a datagram of the ring looks like; the only file that knows the format of the link layer.

A packet is a header in clear, then a body that is sealed with the header as its associated data
(or in clear, where the operator configured no crypto). The frames inside DATA packets have their
own codec; here they are bytes.

    header  version 1, kind 1, sender 2, target 2 (0: every peer), key id 1 (0: clear), link 1,
            epoch 8 (random, one for each boot of the daemon), counter 8 (per boot and link)
    DATA    frame number 8, fragment index 1, fragment count 1, then the fragment
    PING    nonce 8
    PONG    nonce 8, count 1, then for each of the sender's links: link 1, anchor 8
    PROBE   zeros, as many as make the datagram as large as is asked about
    PROBED  size 2: that of the datagram that has come through

`Refused` is the one exception of this layer: a peer's, or a stranger's, bad bytes.
"""

from __future__ import annotations

import struct
from enum import Enum, IntEnum
from typing import Final

import msgspec

from ninefold.core.ids import NodeId

VERSION: Final = 1
EPOCH_BYTES: Final = 8
# 1 + 1 + 2 + 2 + 1 + 1 + 8 + 8.
HEADER_BYTES: Final = 24
# A jumbo Ethernet frame; what is larger was not sent by this program.
DATAGRAM_MAX: Final = 9216
LINKS_MAX: Final = 8
# Target 0 means every peer, as in the messages of the ring.
EVERYBODY: Final = 0

_HEADER: Final = struct.Struct(">BBHHBB8sQ")
_FRAGMENT: Final = struct.Struct(">QBB")
_NONCE: Final = struct.Struct(">Q")
_ANCHOR: Final = struct.Struct(">BQ")
_SIZE: Final = struct.Struct(">H")
FRAGMENT_BYTES: Final = _FRAGMENT.size


class Drop(Enum):
    """Why a datagram, or a frame in it, goes no further. The values are the counters' words."""

    MALFORMED = "malformed"  # not a packet of this protocol, or its body does not parse
    VERSION = "version"  # another version of this protocol
    TOO_LARGE = "too-large"  # longer than any datagram this program sends
    OWN = "own"  # our own packet came back
    UNKNOWN_SENDER = "unknown-sender"  # a node id that the configuration does not list
    UNLISTED_ADDRESS = "unlisted-address"  # not from the sender's configured address
    WRONG_LINK = "wrong-link"  # arrived on another link than it was sealed for
    MISDIRECTED = "misdirected"  # sealed for another node
    CLEAR = "clear"  # in clear although crypto is configured
    UNKNOWN_KEY = "unknown-key"  # sealed although no crypto is configured
    WRONG_KEY = "wrong-key"  # not sealed with a key that we hold, or altered on the way
    REPLAYED = "replayed"  # its counter was seen before, or lies behind the window
    STALE_EPOCH = "stale-epoch"  # from an earlier boot of its sender
    UNPROVEN = "unproven"  # sent before its sender had heard of this boot of ours
    UNVERIFIED = "unverified"  # the epoch was not proven in time; the hold is bounded
    UNASKED = "unasked"  # a pong to a question that is not open; one or two after each start
    DUPLICATE = "duplicate"  # the frame was delivered already (another link was faster)
    RECLAIMED = "reclaimed"  # a frame of which fragments were missing for too long


# What an operator should know, once for each kind: the sentence and the remedy.
ADVICE: Final = {
    Drop.VERSION: "speaks another version of the ring protocol: run one release on all nodes.",
    Drop.UNKNOWN_SENDER: "is not in the nodelist here: give all nodes the same corosync.conf.",
    Drop.UNLISTED_ADDRESS: "sends from another address than configured: correct its ringX_addr,"
    " or set totem.block_unlisted_ips to no.",
    Drop.WRONG_LINK: "reaches us on another link than it sent on: compare the ringX_addr and the"
    " mcastport of the links.",
    Drop.CLEAR: "sends in clear though crypto is configured here: give all nodes the same"
    " corosync.conf.",
    Drop.UNKNOWN_KEY: "uses crypto, which is not configured here: give all nodes the same"
    " corosync.conf.",
    Drop.WRONG_KEY: "seals with another key: copy one authkey to all nodes (to one that a rotation has left"
    " out: from a member of the ring, then restart it), and check that their cluster_name is the same.",
}


class Refused(Exception):
    """A datagram that must be dropped and counted under `drop`."""

    def __init__(self, drop: Drop) -> None:
        super().__init__(drop.value)
        self.drop = drop


class Kind(IntEnum):
    """What the body of a packet is."""

    DATA = 1
    PING = 2
    PONG = 3
    PROBE = 4
    PROBED = 5


class Header(msgspec.Struct, frozen=True):
    """The part in clear; authenticated, where there is a key."""

    kind: Kind
    sender: NodeId
    target: NodeId
    key_id: int
    link: int
    epoch: bytes
    counter: int


class Fragment(msgspec.Struct, frozen=True):
    """One piece of the frame `number`; a whole frame is piece 0 of 1."""

    number: int
    index: int
    count: int
    data: bytes


class Pong(msgspec.Struct, frozen=True):
    """The answer to a ping; `anchors` maps each link to the sender's counter.

    It is the counter at the moment when the sender first heard of the epoch that asked.
    """

    nonce: int
    anchors: dict[int, int]


_KINDS: Final = {int(kind): kind for kind in Kind}


def pack_header(header: Header) -> bytes:
    """Return the 24 bytes in front of the body."""
    return _HEADER.pack(
        VERSION,
        header.kind,
        header.sender,
        header.target,
        header.key_id,
        header.link,
        header.epoch,
        header.counter,
    )


def parse_header(data: bytes) -> Header:
    """Read the header of a datagram; raise `Refused` for what this protocol never sends."""
    if len(data) > DATAGRAM_MAX:
        raise Refused(Drop.TOO_LARGE)
    if len(data) < HEADER_BYTES:
        raise Refused(Drop.MALFORMED)
    version, kind, sender, target, key_id, link, epoch, counter = _HEADER.unpack_from(data)
    if version != VERSION:
        raise Refused(Drop.VERSION)
    known = _KINDS.get(kind)
    if known is None or sender == 0 or link >= LINKS_MAX:
        raise Refused(Drop.MALFORMED)
    return Header(known, sender, target, key_id, link, epoch, counter)


def pack_fragment(fragment: Fragment) -> bytes:
    """Return the body of a DATA packet."""
    return _FRAGMENT.pack(fragment.number, fragment.index, fragment.count) + fragment.data


def parse_fragment(body: bytes) -> Fragment:
    """Read the body of a DATA packet; raise `Refused` if it contradicts itself."""
    if len(body) < FRAGMENT_BYTES:
        raise Refused(Drop.MALFORMED)
    number, index, count = _FRAGMENT.unpack_from(body)
    if index >= count:
        raise Refused(Drop.MALFORMED)
    return Fragment(number, index, count, body[FRAGMENT_BYTES:])


def pack_ping(nonce: int) -> bytes:
    """Return the body of a PING packet."""
    return _NONCE.pack(nonce)


def parse_ping(body: bytes) -> int:
    """Read the nonce of a PING packet; raise `Refused` if the length is wrong."""
    if len(body) != _NONCE.size:
        raise Refused(Drop.MALFORMED)
    nonce: int = _NONCE.unpack(body)[0]
    return nonce


def pack_pong(pong: Pong) -> bytes:
    """Return the body of a PONG packet."""
    anchors = b"".join(map(_ANCHOR.pack, pong.anchors, pong.anchors.values()))
    return _NONCE.pack(pong.nonce) + bytes([len(pong.anchors)]) + anchors


def parse_pong(body: bytes) -> Pong:
    """Read the body of a PONG packet; raise `Refused` if its length contradicts its count."""
    nonce = parse_pong_nonce(body)
    anchors: dict[int, int] = dict(_ANCHOR.iter_unpack(body[_NONCE.size + 1 :]))
    return Pong(nonce, anchors)


def parse_pong_nonce(body: bytes) -> int:
    """Read the nonce of a PONG packet as `parse_pong` does: all that a known boot is asked for."""
    start = _NONCE.size + 1
    if len(body) < start or body[_NONCE.size] > LINKS_MAX:
        raise Refused(Drop.MALFORMED)
    if len(body) != start + body[_NONCE.size] * _ANCHOR.size:
        raise Refused(Drop.MALFORMED)
    nonce: int = _NONCE.unpack_from(body)[0]
    return nonce


def pack_probed(size: int) -> bytes:
    """Return the body of a PROBED packet."""
    return _SIZE.pack(size)


def parse_probed(body: bytes) -> int:
    """Read the size in a PROBED packet; raise `Refused` if the length is wrong."""
    if len(body) != _SIZE.size:
        raise Refused(Drop.MALFORMED)
    size: int = _SIZE.unpack(body)[0]
    return size
