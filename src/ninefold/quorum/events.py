"""What may happen to quorum, and what it may ask for: the layer's whole surface."""

from __future__ import annotations

from typing import TypeAlias

import msgspec

from ninefold.config.model import ClusterConfig
from ninefold.core.ids import NodeId, RingId


class Synced(msgspec.Struct, frozen=True):
    """The members of a ring have synchronised; `infos` are their annexes, one for each member.

    `left_cleanly` are those that said goodbye since the last ring. Every member is told the same.
    """

    ring: RingId
    members: tuple[NodeId, ...]
    infos: dict[NodeId, bytes]
    left_cleanly: tuple[NodeId, ...] = ()


class InfoReceived(msgspec.Struct, frozen=True):
    """What a member gave to `SendInfo` was delivered, in total order; one's own comes back too."""

    node: NodeId
    data: bytes


class RingLost(msgspec.Struct, frozen=True):
    """The ring is broken or re-forming: the last verdict stands until the next `Synced`."""


class Woke(msgspec.Struct, frozen=True):
    """The deadline this machine last gave has passed."""


class SetExpected(msgspec.Struct, frozen=True):
    """The operator sets the expected votes of the whole cluster."""

    votes: int


class CancelWaitForAll(msgspec.Struct, frozen=True):
    """The operator vouches that the missing nodes are down: do not wait for them."""


class Promised(msgspec.Struct, frozen=True):
    """This node has said that it would go on with `configs`: what comes of it is not known yet.

    Told before that is said, and again whenever one of them is given up; none for all.
    """

    configs: tuple[ClusterConfig, ...]


class Reloaded(msgspec.Struct, frozen=True):
    """The file was read again, and all members have said that they would go by it.

    Votes and two_node change now, the other options at a restart. The node's own promises are kept by it.
    """

    config: ClusterConfig


Event: TypeAlias = (
    Synced | InfoReceived | RingLost | Woke | SetExpected | CancelWaitForAll | Promised | Reloaded
)


class SendInfo(msgspec.Struct, frozen=True):
    """Multicast `data` to all members in total order; it comes back as `InfoReceived`."""

    data: bytes


class Verdict(msgspec.Struct, frozen=True):
    """May this partition act? `reason` is a sentence for people."""

    ring: RingId
    quorate: bool
    votes: int
    expected: int
    threshold: int
    reason: str


class Refused(msgspec.Struct, frozen=True):
    """The operator's request would be unsafe, or cannot be done now; `reason` says why."""

    reason: str


class SaveExpected(msgspec.Struct, frozen=True):
    """Keep the highest expected votes ever seen; `Quorum` is told them as `floor` after a restart."""

    votes: int


Effect: TypeAlias = SendInfo | Verdict | Refused | SaveExpected
