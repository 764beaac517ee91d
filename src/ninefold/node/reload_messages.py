"""What the members of a ring tell each other about a reload, and the only place that knows how it is written.

The messages travel in the group of the votes. `MARK` tells them apart: no msgpack begins with that byte.
"""

from __future__ import annotations

from typing import Annotated, Final, TypeAlias

import msgspec

from ninefold.core.findings import Finding
from ninefold.core.ids import NodeId, RingId

MARK: Final = b"\xc1"
# A file has one finding a line at most; beyond this the rest is a number.
FINDINGS_MAX: Final = 200
# Rounds of which a node remembers that nothing came: those of its last rings.
VOID_MAX: Final = 4

Digest: TypeAlias = Annotated[bytes, msgspec.Meta(max_length=32)]


class BadReloadError(ValueError):
    """A peer's bytes are no message about a reload."""


class Round(msgspec.Struct, frozen=True, order=True):
    """One reload: asked for on `ring` by `node`, its `number`-th."""

    ring: RingId
    node: NodeId
    number: int


class Ask(msgspec.Struct, frozen=True, tag="ask"):
    """All members are to read their files; `who` wants it."""

    round: Round
    who: str


class Said(msgspec.Struct, frozen=True, tag="said"):
    """What a member says of its own file: that it will go by it if all will, or why not."""

    round: Round
    digest: Digest
    promise: bool
    findings: Annotated[tuple[Finding, ...], msgspec.Meta(max_length=FINDINGS_MAX)]


class GivenUp(msgspec.Struct, frozen=True, tag="given-up"):
    """The asker waits no longer: whoever has not said anything before this is not heard any more."""

    round: Round


class Promise(msgspec.Struct, frozen=True, order=True):
    """A file that a node has said it would go by, in a round whose end it has not seen."""

    round: Round
    digest: Digest


class Standing(msgspec.Struct, frozen=True):
    """A node's annex at the barrier: the file that it goes by, and what it has promised.

    `agreed` says that a whole ring has taken that file together, which a node that has started with it
    does not know. `void` are rounds of which nothing came, for certain; `came_from` is the ring before.
    """

    digest: Digest = b""
    agreed: bool = False
    promised: Annotated[tuple[Promise, ...], msgspec.Meta(max_length=VOID_MAX)] = ()
    void: Annotated[tuple[Round, ...], msgspec.Meta(max_length=VOID_MAX)] = ()
    came_from: RingId = RingId(0, 0)


Message: TypeAlias = Ask | Said | GivenUp

_ENCODER: Final = msgspec.msgpack.Encoder()
_DECODER: Final = msgspec.msgpack.Decoder(Message)
_STANDING: Final = msgspec.msgpack.Decoder(Standing)


def encode(message: Message) -> bytes:
    """Return the bytes of a message."""
    return MARK + _ENCODER.encode(message)


def decode(data: bytes) -> Message:
    """Return the message in `data`. Raises `BadReloadError`."""
    try:
        message: Message = _DECODER.decode(data.removeprefix(MARK))
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise BadReloadError(str(error)) from error
    return message


def encode_standing(standing: Standing) -> bytes:
    """Return the bytes of an annex."""
    return _ENCODER.encode(standing)


def decode_standing(data: bytes) -> Standing:
    """Return the annex in `data`; one that cannot be read says nothing."""
    try:
        return _STANDING.decode(data)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return Standing()
