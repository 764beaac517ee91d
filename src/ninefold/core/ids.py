"""Who is who: nodes and rings."""

from __future__ import annotations

from typing import TypeAlias

import msgspec

# 1..65535, as in corosync.conf; 0 is reserved (a departing sender, nobody).
NodeId: TypeAlias = int


class RingId(msgspec.Struct, frozen=True, order=True):
    """One installed configuration of the ring; `seq` only grows, also across restarts."""

    seq: int
    representative: NodeId

    def __str__(self) -> str:
        return f"{self.representative}.{self.seq:x}"
