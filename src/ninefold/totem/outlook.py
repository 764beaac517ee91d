"""What one member's ring looks like from inside, for an operator to read: a value, no behaviour."""

from __future__ import annotations

import msgspec

from ninefold.core.ids import NodeId
from ninefold.core.instants import Millis


class LinkOutlook(msgspec.Struct, frozen=True):
    """One link to a peer; `round_trip_ms` is the average of its pongs, rounded down.

    `mtu` is that of the path as far as it is known, headers of IP and UDP included; 0 if nothing large passes.
    """

    address: str
    up: bool
    round_trip_ms: Millis
    mtu: int = 0


class PeerOutlook(msgspec.Struct, frozen=True):
    """One peer as this node sees it.

    `silent_ms` is None if it was never heard. `hears` is what the peer said, as the last ring was
    formed, about whom it hears; None if it did not say. `resting` means that its joins are ignored
    for now, after too many in vain.
    """

    member: bool
    silent_ms: Millis | None
    hears: tuple[NodeId, ...] | None
    resting: bool
    links: dict[int, LinkOutlook]


class KeyHolding(msgspec.Struct, frozen=True):
    """Which keys a member has said to hold, by fingerprint; empty where it has none."""

    active: str
    next: str
    previous: str


class KeysOutlook(msgspec.Struct, frozen=True):
    """The shared keys as this node sees them, by fingerprint.

    `nodes` has the members of the ring. `waits_for` names who holds a rotation that is `under_way` up.
    """

    active: str
    next: str
    previous: str
    under_way: bool
    waits_for: tuple[NodeId, ...]
    without: tuple[NodeId, ...]
    nodes: dict[NodeId, KeyHolding]


class RingOutlook(msgspec.Struct, frozen=True):
    """The ring as this node sees it.

    `rotation_ms` and `rotation_max_ms` are of the last 64 visits of the token on this ring (None before
    the second; `silent_ms` is None before the first): an idle token rests at the representative, a busy one does not. A scheduling miss is a
    wake-up later than a fifth of the token timeout: this host did not let the daemon run.
    """

    state: str
    ring: str
    members: tuple[NodeId, ...]
    hears: tuple[NodeId, ...]
    token_ms: Millis
    silent_ms: Millis | None
    rotation_ms: Millis | None
    rotation_max_ms: Millis | None
    scheduling_misses: int
    scheduling_miss_max_ms: Millis
    peers: dict[NodeId, PeerOutlook]
    # None where crypto is off.
    keys: KeysOutlook | None = None
