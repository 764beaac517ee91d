"""What the controllers say to each other, in total order.

One closed union, msgpack on the wire. Bytes that are no such message raise `MalformedMessage`, which
the receiver counts and drops: the sender is authenticated, so this means another version of the
program, never an attack.
"""

from __future__ import annotations

from typing import Final, TypeAlias

import msgspec

from ninefold.agents.model import Call
from ninefold.cib.model import Cause, Change, Stamp
from ninefold.core.ids import NodeId, RingId
from ninefold.core.instants import Millis, WallSeconds

# The fencing that lets a node in.
ON: Final = "on"


class Propose(msgspec.Struct, frozen=True, tag="propose"):
    """Change the document. `serial` is the proposer's own, growing by one.

    Void in any other ring than `ring`: what has not taken effect is sent again in the next one.
    With `vouch`, each member says `Saved` once it has the outcome on disk.
    """

    ring: RingId
    serial: int
    change: Change
    cause: Cause
    vouch: bool


class Document(msgspec.Struct, frozen=True, tag="document"):
    """The document that all members of `ring` go on with."""

    ring: RingId
    stamp: Stamp
    xml: bytes


class Saved(msgspec.Struct, frozen=True, tag="saved"):
    """The sender has everything up to `stamp` on stable storage."""

    stamp: Stamp


class Order(msgspec.Struct, frozen=True):
    """One action of a transition for one node to carry out. `call.agent` names what to run."""

    node: NodeId
    transition: str
    action_id: int
    task: str
    resource: str
    expected_rc: int
    call: Call
    digest: str = ""
    start_delay_ms: Millis = 0
    needs_quorum: bool = False

    @property
    def departure_to(self) -> str:
        """The node to which this order sends a resource alive, "" if it does not."""
        return self.call.meta.get("migrate_target", "") if self.task == "migrate_to" else ""


class Perform(msgspec.Struct, frozen=True, tag="perform"):
    """The DC orders an action. Void in any other ring than `ring`."""

    ring: RingId
    order: Order
    at: WallSeconds


class Expecting(msgspec.Struct, frozen=True, tag="expecting"):
    """The sender knows that a resource is about to arrive alive: its departure may begin.

    Whoever goes on with the sender then knows it too, and nobody takes the sender for a place where the
    resource cannot be.
    """

    ring: RingId
    transition: str
    action_id: int


class FenceOrder(msgspec.Struct, frozen=True, tag="fence"):
    """The DC orders `node` to silence `target`. Void in any other ring than `ring`.

    With the action `on` it lets itself in: `devices` is what it is unfenced with, `openly` the same without
    secrets. `delay_ms` is waited for first: it gives a head start to a target that has more to lose, if it fences too.
    """

    ring: RingId
    node: NodeId
    target: NodeId
    name: str
    action: str
    transition: str
    action_id: int
    devices: str = ""
    delay_ms: Millis = 0
    openly: str = ""

    @property
    def lets_in(self) -> bool:
        """Whether the node is unfenced, not silenced: it goes on running what it runs."""
        return self.action == ON


class FenceReport(msgspec.Struct, frozen=True, tag="fenced"):
    """What came of an attempt to silence `target`, or an operator's word that it is dead.

    `since` is the sequence number of the ring in which the attempt was ordered: a node that joined
    later than that is not the one that was silenced.
    """

    target: NodeId
    name: str
    ok: bool
    by: str
    reason: str
    since: int
    at: WallSeconds
    transition: str = ""
    action_id: int = -1
    action: str = ""
    devices: str = ""
    openly: str = ""

    @property
    def lets_in(self) -> bool:
        """Whether it is about the node's being unfenced. That says nothing of its silence."""
        return self.action == ON


class Formed(msgspec.Struct, frozen=True, tag="formed"):
    """The DC has waited long enough for absent nodes: decisions begin."""

    at: WallSeconds


Message: TypeAlias = (
    Propose | Document | Saved | Perform | Expecting | FenceOrder | FenceReport | Formed
)


class MalformedMessage(Exception):
    """These bytes are no message of this version."""


class Annex(msgspec.Struct, frozen=True, array_like=True):
    """What each controller hands in at the synchronisation barrier.

    `since` is the ring in which this controller began, 0 before its first; `senior` the ring since
    which it has been in the quorate partition without interruption, 0 for never. `formed` says that
    it has seen decisions begin, `fresh` that its daemon has just started, `wall` what its clock shows, `votes` its votes.
    By its document `life` is the ring in which its life began, and `ended` those of the nodes that are
    known to be silent (`outlived`).
    """

    name: str
    stamp: Stamp
    digest: str
    since: int
    senior: int
    formed: bool
    fresh: bool
    wall: WallSeconds
    votes: int
    life: int = 0
    ended: tuple[tuple[NodeId, int], ...] = ()


_encoder = msgspec.msgpack.Encoder()
_decoder: msgspec.msgpack.Decoder[Message] = msgspec.msgpack.Decoder(Message)
_annex_decoder = msgspec.msgpack.Decoder(Annex)


def encode(message: Message | Annex) -> bytes:
    """Return the bytes of a message or an annex."""
    return _encoder.encode(message)


def decode(payload: bytes) -> Message:
    """Return the message; raise `MalformedMessage` if it is none."""
    try:
        return _decoder.decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise MalformedMessage(str(error)) from error


def decode_annex(payload: bytes) -> Annex:
    """Return the annex; raise `MalformedMessage` if it is none."""
    try:
        return _annex_decoder.decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise MalformedMessage(str(error)) from error
