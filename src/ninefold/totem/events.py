"""What may happen to the totem stack, and what it may ask for: the layer's whole surface.

The stack is links below, the ring in the middle, process groups on top, one machine to those above.

Synchronisation barrier. After each regular configuration the stack emits `RingChanged`; the layers
above answer with `Synchronize`, handing in one annex per name (quorum's node information, the
version of the CIB). When the annexes of *all* members have been delivered in total order, the stack
emits one `Activated` with all of them: every member sees the same `Activated` at the same point of
the order. Application messages submitted in between wait until then.
"""

from __future__ import annotations

from enum import Enum
from typing import TypeAlias

import msgspec

from ninefold.core.ids import NodeId, RingId
from ninefold.core.instants import Instant, Millis
from ninefold.totem.keys import Key, KeySet


class Started(msgspec.Struct, frozen=True):
    """The sockets are open: begin."""


class PacketReceived(msgspec.Struct, frozen=True):
    """A datagram arrived on a link."""

    link: int
    address: str
    port: int
    data: bytes


class Woke(msgspec.Struct, frozen=True):
    """The deadline this machine last gave has passed."""


class RingIdSaved(msgspec.Struct, frozen=True):
    """The bound of `SaveRingSeq` is on stable storage: rings up to that number may be formed."""

    seq: int


class ProbeAnswered(msgspec.Struct, frozen=True):
    """A peer's kernel answered a probe: its host lives, whatever its daemon does."""

    peer: NodeId


class Joined(msgspec.Struct, frozen=True):
    """A local process wants to join a group. `pid` tells local processes apart."""

    group: str
    pid: int


class Left(msgspec.Struct, frozen=True):
    """A local process leaves a group, or is gone."""

    group: str
    pid: int


class Submitted(msgspec.Struct, frozen=True):
    """A member of a group multicasts `payload` (at most 1 MiB) in total order.

    `safe` has it delivered only when all members of the ring are known to have it, and with it all that
    comes after it: two rotations of the token later. Delivered so, no member of that ring that lives
    goes on to another one without it.
    """

    group: str
    pid: int
    payload: bytes
    safe: bool = False


class Synchronize(msgspec.Struct, frozen=True):
    """The answer to a regular `RingChanged`: this node's annexes for that ring."""

    ring: RingId
    annexes: dict[str, bytes]


class Leaving(msgspec.Struct, frozen=True):
    """This node stops cleanly: tell the others, so that they need no timeout."""


class KeyEvent(msgspec.Struct, frozen=True):
    """What concerns the shared keys, and only a ring of our own."""


class Rotate(KeyEvent, frozen=True):
    """An operator wants another shared key, or that the rotation under way goes on.

    `without` names absent nodes that need not have it. Ask `Rotation.judge` before.
    """

    key: Key
    without: tuple[NodeId, ...] = ()


class KeysSaved(KeyEvent, frozen=True):
    """The keys of `SaveKeys` are on stable storage."""

    keys: KeySet


class KeysNotSaved(KeyEvent, frozen=True):
    """The disk refused them."""

    reason: str


Event: TypeAlias = (
    Started
    | PacketReceived
    | Woke
    | RingIdSaved
    | ProbeAnswered
    | Rotate
    | KeysSaved
    | KeysNotSaved
    | Joined
    | Left
    | Submitted
    | Synchronize
    | Leaving
)


class SaveRingSeq(msgspec.Struct, frozen=True):
    """Make `seq` durable, then step with `RingIdSaved`; it is the `ring_seq` of the next start.

    No packet of a ring with a greater number leaves before. Of two that are under way the greater one stays.
    """

    seq: int


class SaveKeys(msgspec.Struct, frozen=True):
    """Make these keys durable in place of those before; then step with `KeysSaved`.

    Each step in the order that `keys` needs must leave a set that the node may begin from.
    """

    keys: KeySet


class SendPacket(msgspec.Struct, frozen=True):
    """Send one datagram from this node's socket of `link`; one that is `whole` must not be fragmented."""

    link: int
    address: str
    port: int
    data: bytes
    whole: bool = False


class ProbeKernel(msgspec.Struct, frozen=True):
    """Ask the kernel of `peer` for a sign of life on `address` (echo, or a closed port)."""

    peer: NodeId
    link: int
    address: str


class ConfigurationKind(Enum):
    """Which of the two configuration changes of extended virtual synchrony."""

    TRANSITIONAL = "those that come along from the old configuration"
    REGULAR = "the new configuration is installed"


class RingChanged(msgspec.Struct, frozen=True):
    """A configuration change, in its place in the order of messages. Lists are sorted."""

    kind: ConfigurationKind
    ring: RingId
    members: tuple[NodeId, ...]
    joined: tuple[NodeId, ...]
    left: tuple[NodeId, ...]


class Activated(msgspec.Struct, frozen=True):
    """All members have synchronised: the same value at the same point of the order everywhere.

    `joined` and `left` compare with the last `Activated` at *this* node. `annexes` maps every
    member to what it handed in.
    """

    ring: RingId
    members: tuple[NodeId, ...]
    joined: tuple[NodeId, ...]
    left: tuple[NodeId, ...]
    annexes: dict[NodeId, dict[str, bytes]]


class GroupMember(msgspec.Struct, frozen=True, order=True):
    """One process in one group."""

    node: NodeId
    pid: int


class LeaveReason(Enum):
    """Why a process is no longer, or newly, in a group (cpg_join(3))."""

    JOIN = "it asked to"
    LEAVE = "it asked to leave"
    PROCDOWN = "its process is gone"
    NODEDOWN = "its node left the ring"
    NODEUP = "its node joined the ring with the process already in the group"


class GroupChanged(msgspec.Struct, frozen=True):
    """The membership of a group that a local process is in; `members` sorted by (node, pid)."""

    group: str
    members: tuple[GroupMember, ...]
    joined: tuple[tuple[GroupMember, LeaveReason], ...]
    left: tuple[tuple[GroupMember, LeaveReason], ...]


class Delivered(msgspec.Struct, frozen=True):
    """A group message, in total order over all groups; own messages come back too."""

    group: str
    sender: GroupMember
    payload: bytes


class LinkChanged(msgspec.Struct, frozen=True):
    """A link to a peer went up or down."""

    peer: NodeId
    link: int
    up: bool


class Noted(msgspec.Struct, frozen=True):
    """Something an operator or a test may want to read: `what` is one word, `text` a sentence.

    Words used: token-warning, token-lost, gather, commit, recovery, operational, peer-dead,
    peer-paused, peer-alive, failed-to-receive, peer-fails-to-receive, pause-detected, foreign, merge,
    leave, cleartext, packets-refused, peer-restarted, backed-off, sync-timeout, apart, unlisted,
    path-mtu, keys, keys-refused, keys-not-saved.
    """

    what: str
    text: str
    nodes: tuple[NodeId, ...] = ()


Effect: TypeAlias = (
    SaveRingSeq
    | SaveKeys
    | SendPacket
    | ProbeKernel
    | RingChanged
    | Activated
    | GroupChanged
    | Delivered
    | LinkChanged
    | Noted
)


class Statistics(msgspec.Struct):
    """Counters; every packet that is dropped is counted under its reason."""

    tokens: int = 0
    messages_sent: int = 0
    messages_delivered: int = 0
    retransmits: int = 0
    memberships: int = 0
    token_losses: int = 0
    dropped: dict[str, int] = msgspec.field(default_factory=dict)
    last_token_at: Instant = 0
    scheduling_misses: int = 0
    scheduling_miss_max_ms: Millis = 0
