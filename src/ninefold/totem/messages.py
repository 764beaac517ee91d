"""What crosses the wire between ring members: six messages, with the limits of each field.

Only shapes live here; `codec` turns them into bytes and checks what a single field cannot say.
Sequence numbers are plain integers that never wrap (Corosync: 32 bits, compared as signed
differences), which a ring that lives for a month at full speed could not exhaust anyway. A member
that leaves says so with `Join.leaving` (Corosync: node id 0 in the header); the sender of every
message is known, and authenticated, from the links layer.
"""

from __future__ import annotations

from typing import Annotated, Final, TypeAlias

import msgspec
from msgspec import Meta

from ninefold.core.ids import RingId

# Corosync's PROCESSOR_COUNT_MAX; a list longer than this is not from a sane peer.
MEMBERS_MAX: Final = 384
# Corosync's RETRANSMIT_ENTRIES_MAX: keeps the token within one small datagram.
RTR_MAX: Final = 30
# Ring and message sequence numbers stay well inside an int64 even after arithmetic.
SEQ_MAX: Final = 2**60
# Frames of the ring are never larger, whatever the links could carry.
PAYLOAD_MAX: Final = 65_536

Node: TypeAlias = Annotated[int, Meta(ge=1, le=65_535)]
MaybeNode: TypeAlias = Annotated[int, Meta(ge=0, le=65_535)]
Seq: TypeAlias = Annotated[int, Meta(ge=0, le=SEQ_MAX)]
Nodes: TypeAlias = Annotated[tuple[Node, ...], Meta(max_length=MEMBERS_MAX)]
Payload: TypeAlias = Annotated[bytes, Meta(max_length=PAYLOAD_MAX)]


class Token(msgspec.Struct, frozen=True, array_like=True, tag=1):
    """The right to send, and what the ring knows about itself (section 2 of the specification).

    `seq` is the highest message number given out, `aru` the one that all have received up to,
    `aru_addr` who lowered it (0: nobody is behind), `fcc` the messages sent in the last rotation,
    `backlog` the queue lengths declared, `rtr` the numbers that somebody misses.
    """

    ring_seq: Seq
    rep: Node
    token_seq: Seq
    seq: Seq
    aru: Seq
    aru_addr: MaybeNode = 0
    backlog: Seq = 0
    fcc: Seq = 0
    retrans_flg: bool = False
    rtr: Annotated[tuple[Seq, ...], Meta(max_length=RTR_MAX)] = ()

    @property
    def ring(self) -> RingId:
        """The ring it circulates on."""
        return RingId(self.ring_seq, self.rep)


class Mcast(msgspec.Struct, frozen=True, array_like=True, tag=2):
    """One numbered frame of `node`; `encapsulated` means it wraps a frame of an old ring."""

    ring_seq: Seq
    rep: Node
    seq: Annotated[int, Meta(ge=1, le=SEQ_MAX)]
    node: Node
    encapsulated: bool
    payload: Payload
    # Not to be handed up before all members of the ring are known to have it.
    safe: bool = False

    @property
    def ring(self) -> RingId:
        """The ring in which it was given its number."""
        return RingId(self.ring_seq, self.rep)


class MergeDetect(msgspec.Struct, frozen=True, array_like=True, tag=3):
    """A representative shows its idle ring to rings that might be near."""

    ring_seq: Seq
    rep: Node

    @property
    def ring(self) -> RingId:
        """The ring that is being shown."""
        return RingId(self.ring_seq, self.rep)


class Join(msgspec.Struct, frozen=True, array_like=True, tag=4):
    """A proposal: the ring should be `proc` without `fail`.

    `dead` names those whose host has shown no sign of life to the sender for a whole token
    timeout: when all that live agree on it they need not wait for consensus. `hears` names those
    that it has heard within half of one, itself included; empty if it does not say.
    """

    ring_seq: Seq
    proc: Nodes
    fail: Nodes
    dead: Nodes = ()
    leaving: bool = False
    hears: Nodes = ()


class Slot(msgspec.Struct, frozen=True, array_like=True):
    """What one member of the proposed ring brings from its old ring."""

    old_seq: Seq
    old_rep: Node
    aru: Seq
    high_delivered: Seq
    received: bool

    @property
    def old_ring(self) -> RingId:
        """The last ring it installed."""
        return RingId(self.old_seq, self.old_rep)


class CommitToken(msgspec.Struct, frozen=True, array_like=True, tag=5):
    """Goes twice around the proposed ring; `slots` has one entry for each member passed."""

    ring_seq: Seq
    rep: Node
    token_seq: Seq
    members: Nodes
    slots: Annotated[tuple[Slot, ...], Meta(max_length=MEMBERS_MAX)] = ()

    @property
    def ring(self) -> RingId:
        """The proposed ring."""
        return RingId(self.ring_seq, self.rep)


class HoldCancel(msgspec.Struct, frozen=True, array_like=True, tag=6):
    """A member has something to send: the representative should let the token go."""

    ring_seq: Seq
    rep: Node

    @property
    def ring(self) -> RingId:
        """The ring whose token is held."""
        return RingId(self.ring_seq, self.rep)


Message: TypeAlias = Token | Mcast | MergeDetect | Join | CommitToken | HoldCancel
