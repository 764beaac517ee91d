"""A node's answer at its door."""

from __future__ import annotations

import msgspec


class Reply(msgspec.Struct, frozen=True):
    """JSON bytes, and whether the node did what was asked."""

    ok: bool
    body: bytes
