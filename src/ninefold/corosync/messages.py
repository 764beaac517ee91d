"""What the daemons of a view tell each other, and the only place that knows its bytes (msgpack)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final, TypeAlias

import msgspec
from msgspec import Meta

from ninefold.corosync.events import Process

if TYPE_CHECKING:
    from ninefold.core.ids import RingId

# A frame is at most 64 KiB; its envelope is a few bytes.
MESSAGE_BYTES_MAX: Final = 66_000
# Corosync carries fewer nodes than this, and a view has one process of each.
PROCESSES_MAX: Final = 1_024
BOOT_BYTES: Final = 16

_Number: TypeAlias = Annotated[int, Meta(ge=0, le=2**62)]
_Processes: TypeAlias = Annotated[tuple[Process, ...], Meta(max_length=PROCESSES_MAX)]
_View: TypeAlias = tuple[_Number, Annotated[int, Meta(ge=0, le=2**32 - 1)]]


class MalformedMessage(ValueError):
    """A peer's bytes are no message of ours."""


class Proposal(msgspec.Struct, frozen=True, array_like=True, tag=1):
    """A member offers `number` for the view of `candidates`; `excluded` are in the group but out.

    `boot` is drawn at each start: two processes of one pid would otherwise be one.
    """

    candidates: _Processes
    excluded: _Processes
    boot: Annotated[bytes, Meta(min_length=BOOT_BYTES, max_length=BOOT_BYTES)]
    number: _Number


class Frame(msgspec.Struct, frozen=True, array_like=True, tag=2):
    """A frame of the process groups, for the members of one view."""

    view: _View
    data: bytes


class Receipt(msgspec.Struct, frozen=True, array_like=True, tag=3):
    """The sender has received `count` frames of the view; also its sign of life."""

    view: _View
    count: _Number


class Expulsion(msgspec.Struct, frozen=True, array_like=True, tag=4):
    """The sender asks to go on without `process`, which does not answer.

    Void for whoever has other candidates, or has agreed on another number since.
    """

    candidates: _Processes
    number: _Number
    process: Process


class Goodbye(msgspec.Struct, frozen=True, array_like=True, tag=5):
    """The sender has stopped cleanly and leaves."""


Message: TypeAlias = Proposal | Frame | Receipt | Expulsion | Goodbye

_ENCODER: Final = msgspec.msgpack.Encoder()
_DECODER: Final[msgspec.msgpack.Decoder[Message]] = msgspec.msgpack.Decoder(Message)


def encode(message: Message) -> bytes:
    """Return the bytes of a message."""
    return _ENCODER.encode(message)


def decode(data: bytes) -> Message:
    """Return the message in `data`. Raises `MalformedMessage`."""
    if len(data) > MESSAGE_BYTES_MAX:
        raise MalformedMessage(f"{len(data)} bytes exceed {MESSAGE_BYTES_MAX}")
    try:
        return _DECODER.decode(data)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise MalformedMessage(str(error)) from error


def key(view: RingId) -> tuple[int, int]:
    """Return how a view is named in a message."""
    return (view.seq, view.representative)


def boot_of(start: bytes, life: int) -> bytes:
    """Return the mark of one life in the group: that of the daemon's start, counted on."""
    number = (int.from_bytes(start, "big") + life) % (1 << (8 * len(start)))
    return number.to_bytes(len(start), "big")
