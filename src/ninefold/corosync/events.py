"""What Corosync may report, and what may be asked of it; the rest of the surface is totem's.

Nothing here is a C structure: `ninefold.host.corosync` turns one into the other.
"""

from __future__ import annotations

from enum import Enum
from typing import TypeAlias

import msgspec

from ninefold.core.ids import NodeId, RingId


class Process(msgspec.Struct, frozen=True, order=True, array_like=True):
    """A process of the closed process group, as CPG knows it."""

    node: NodeId
    pid: int


class Reason(Enum):
    """Why a process is newly, or no longer, in the group (cpg_join(3))."""

    JOIN = "it asked to"
    LEAVE = "it asked to leave"
    NODEDOWN = "its node left the ring"
    NODEUP = "its node joined the ring with the process already in the group"
    PROCDOWN = "its process is gone"
    UNDEFINED = "Corosync gives no reason"


class Connected(msgspec.Struct, frozen=True):
    """The libraries are connected and the join is asked for; `me` is who CPG says we are."""

    me: Process


class ClusterLost(msgspec.Struct, frozen=True):
    """Corosync is not there, or is there no more; every handle is void. `reason` is a sentence."""

    reason: str


class GroupConfigured(msgspec.Struct, frozen=True):
    """CPG's configuration change: who is in the group from this point of the order on."""

    members: tuple[Process, ...]
    joined: tuple[tuple[Process, Reason], ...] = ()
    left: tuple[tuple[Process, Reason], ...] = ()


class GroupMessage(msgspec.Struct, frozen=True):
    """A message in CPG's total order; our own come back too, which is the proof of sending."""

    sender: Process
    data: bytes


class TotemConfigured(msgspec.Struct, frozen=True):
    """Corosync's ring, in its place in the order of the group's messages."""

    ring: RingId
    members: tuple[NodeId, ...]


class VotesSeen(msgspec.Struct, frozen=True):
    """What Corosync's quorum service says of `ring`. `votes` is sorted by node.

    `total` counts the quorum device's votes too. Without a provider every ring may act.
    """

    ring: RingId
    quorate: bool
    votes: tuple[tuple[NodeId, int], ...]
    total: int
    expected: int
    threshold: int
    provider: bool = True


class LinksSeen(msgspec.Struct, frozen=True):
    """Which links to which peers are up, as (peer, link, up)."""

    links: tuple[tuple[NodeId, int, bool], ...]


Report: TypeAlias = (
    Connected
    | ClusterLost
    | GroupConfigured
    | GroupMessage
    | TotemConfigured
    | VotesSeen
    | LinksSeen
)


class Connect(msgspec.Struct, frozen=True):
    """Connect to Corosync and join the group; answer with `Connected` or `ClusterLost`."""


class Multicast(msgspec.Struct, frozen=True):
    """Send to the group in agreed order. Tried again by the performer while Corosync says so."""

    data: bytes


class Disconnect(msgspec.Struct, frozen=True):
    """Send what waits, leave the group, give every handle back; no report follows."""


Request: TypeAlias = Connect | Multicast | Disconnect
