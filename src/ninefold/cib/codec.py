"""Changes as bytes: the only file that knows their form on the wire (msgpack, tagged by name)."""

from __future__ import annotations

from typing import Final

import msgspec

from ninefold.cib.model import Change

# A whole configuration is the largest change; one beyond the parser's own limit is pointless.
CHANGE_BYTES_MAX: Final = 21 * 1024 * 1024

_encoder: Final = msgspec.msgpack.Encoder()
_decoder: Final = msgspec.msgpack.Decoder(Change)


class MalformedChange(ValueError):
    """Bytes that are no change; the sender's fault."""


def encode(change: Change) -> bytes:
    """Return a change as bytes."""
    return _encoder.encode(change)


def decode(data: bytes) -> Change:
    """Return the change in `data`; raises `MalformedChange` for anything else."""
    if len(data) > CHANGE_BYTES_MAX:
        raise MalformedChange(f"{len(data)} bytes are too many for a change")
    try:
        change: Change = _decoder.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise MalformedChange(str(error)) from error
    return change
