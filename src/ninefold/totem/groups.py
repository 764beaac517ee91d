"""Process groups on the ring: joins, leaves and messages in one total order, and the barrier.

Section 12 of the specification (CPG) and the synchronisation barrier of `events`. A process is in a
group from the delivery of its own join to that of its leave. After each regular configuration the
members exchange, before anything else, what each brings (annexes, and which of its processes are in
which group); when all have been delivered the barrier opens at the same point of the order
everywhere: group changes first, then `Activated`, then application messages flow again.

A sender may belong to the group for some receivers and not yet for others only across a barrier;
messages of processes that are not in the group are dropped and counted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final, TypeAlias

import msgspec
from msgspec import Meta

from ninefold.core.ids import NodeId
from ninefold.core.instants import NEVER, Instant
from ninefold.totem.codec import MalformedMessage
from ninefold.totem.events import (
    Activated,
    ConfigurationKind,
    Delivered,
    GroupChanged,
    GroupMember,
    LeaveReason,
    Noted,
    RingChanged,
)
from ninefold.totem.packing import QUEUE_BYTES_HIGH, Assembly, Lane, Packer

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ninefold.core.ids import RingId
    from ninefold.totem.events import Statistics
    from ninefold.totem.ring_core import RingEffect  # noqa: F401  named in the docstrings

# cpg_name's limit, in bytes.
GROUP_NAME_BYTES_MAX: Final = 128
PAYLOAD_BYTES_MAX: Final = 1_048_576
# Annexes are small records of each layer; all of one node's fit one message.
ANNEX_BYTES_MAX: Final = 262_144
# Local processes in groups: far more than a node runs, still one small message.
PROCESSES_MAX: Final = 4_096
# A member whose annexes do not come holds everybody (Corosync issue 660 ended in a whole-cluster
# fence); after this long the ring goes on without it. Ten times what a loaded node needs.
SYNC_TIMEOUT_MS: Final = 10_000

Name: TypeAlias = Annotated[str, Meta(max_length=GROUP_NAME_BYTES_MAX)]
Pid: TypeAlias = Annotated[int, Meta(ge=0, le=2**32)]
Joins: TypeAlias = list[tuple[GroupMember, LeaveReason]]


class _Join(msgspec.Struct, frozen=True, array_like=True, tag=1):
    """A process joins."""

    group: Name
    pid: Pid


class _Leave(msgspec.Struct, frozen=True, array_like=True, tag=2):
    """A process leaves."""

    group: Name
    pid: Pid


class _Message(msgspec.Struct, frozen=True, array_like=True, tag=3):
    """A process speaks."""

    group: Name
    pid: Pid
    payload: Annotated[bytes, Meta(max_length=PAYLOAD_BYTES_MAX)]


class _Brings(msgspec.Struct, frozen=True, array_like=True, tag=4):
    """What one member brings to the barrier of one ring."""

    ring_seq: Annotated[int, Meta(ge=0, le=2**60)]
    rep: Annotated[int, Meta(ge=1, le=65_535)]
    annexes: dict[str, bytes]
    processes: Annotated[tuple[tuple[Name, Pid], ...], Meta(max_length=PROCESSES_MAX)]


class _Word(msgspec.Struct, frozen=True, array_like=True, tag=5):
    """The layer's own word to all members, no group's."""

    data: Annotated[bytes, Meta(max_length=PAYLOAD_BYTES_MAX)]


_Envelope: TypeAlias = _Join | _Leave | _Message | _Brings | _Word
_ENCODER: Final = msgspec.msgpack.Encoder()
_DECODER: Final[msgspec.msgpack.Decoder[_Envelope]] = msgspec.msgpack.Decoder(_Envelope)


class Word(msgspec.Struct, frozen=True):
    """What a member has said to the layer itself."""

    sender: NodeId
    data: bytes


GroupEffect: TypeAlias = Activated | GroupChanged | Delivered | Noted


class Groups:
    """One node's view of all groups; the ring's source of frames."""

    def __init__(self, me: NodeId, *, frame_bytes: int, statistics: Statistics) -> None:
        # What concerns the layer itself, in its order: barriers that opened, and words of members. Whoever
        # reads it empties it.
        self.news: list[Activated | Word] = []
        self._me = me
        self._statistics = statistics
        self._packer = Packer(frame_bytes)
        self._assembly = Assembly()
        # Group -> its processes, sorted.
        self._groups: dict[str, list[GroupMember]] = {}
        # Local processes that asked to join and have not asked to leave.
        self._wanted: dict[tuple[str, int], None] = {}
        self._ring: RingId | None = None
        self._members: tuple[NodeId, ...] = ()
        self._brought: dict[NodeId, _Brings] = {}
        self._synchronising = False
        # When the barrier gives up waiting.
        self.deadline: Instant = NEVER
        # Since the last barrier: who was there, and which of them came along ever since.
        self._activated: tuple[NodeId, ...] = ()
        self._stayed: tuple[NodeId, ...] = ()

    # --- the ring's source ---

    @property
    def backlog(self) -> int:
        """Frames that may be sent now."""
        return self._packer.backlog

    def resize(self, frame_bytes: int) -> None:
        """Make the next frames of another size."""
        self._packer.resize(frame_bytes)

    def take(self) -> bytes | None:
        """Return the next frame."""
        return self._packer.take()

    @property
    def took_safe(self) -> bool:
        """Whether the frame last taken has something of a message that asks for safe delivery."""
        return self._packer.took_safe

    # --- what the layers above ask for ---

    @property
    def queued_bytes(self) -> int:
        """Bytes that wait to be sent."""
        return self._packer.queued_bytes

    @property
    def congested(self) -> bool:
        """Whether clients should be asked to wait: the barrier is closed, or the queue long."""
        return self._synchronising or self.queued_bytes >= QUEUE_BYTES_HIGH

    def join(self, group: str, pid: int) -> list[GroupEffect]:
        """A local process joins; a second join of the same process is ignored."""
        assert len(group.encode()) <= GROUP_NAME_BYTES_MAX
        if (group, pid) in self._wanted or len(self._wanted) >= PROCESSES_MAX:
            self._drop("group-join-refused")
            return []
        self._wanted[group, pid] = None
        return self._push(_Join(group, pid))

    def leave(self, group: str, pid: int) -> list[GroupEffect]:
        """A local process leaves."""
        if (group, pid) not in self._wanted:
            self._drop("group-leave-unknown")
            return []
        del self._wanted[group, pid]
        return self._push(_Leave(group, pid))

    def submit(
        self, group: str, pid: int, payload: bytes, *, safe: bool = False
    ) -> list[GroupEffect]:
        """A local process multicasts; allowed from its join on."""
        assert len(payload) <= PAYLOAD_BYTES_MAX
        if (group, pid) not in self._wanted:
            self._drop("group-message-of-stranger")
            return []
        return self._push(_Message(group, pid, payload), safe=safe)

    def say(self, data: bytes) -> list[GroupEffect]:
        """Tell all members of the ring, ourselves included."""
        return self._push(_Word(data))

    def synchronize(self, ring: RingId, annexes: dict[str, bytes]) -> None:
        """Bring our annexes to the barrier; an answer for an older ring is void."""
        if not self._synchronising or ring != self._ring:
            return
        assert sum(map(len, annexes.values())) <= ANNEX_BYTES_MAX
        brings = _Brings(ring.seq, ring.representative, annexes, self._local_processes())
        self._packer.push(_ENCODER.encode(brings), Lane.BARRIER)

    def _local_processes(self) -> tuple[tuple[str, int], ...]:
        """Return the members here, and those whose join still waits behind the barrier.

        A joining process counts from the barrier on: what the others send right after it is for it
        too, and its own join would come too late in the order.
        """
        joined = [
            (group, member.pid)
            for group, members in self._groups.items()
            for member in members
            if member.node == self._me
        ]
        return tuple(sorted({*joined, *self._wanted}))

    # --- what the ring delivers ---

    def on_ring_changed(self, now: Instant, change: RingChanged) -> None:
        """Take a configuration change at its place in the order."""
        if change.kind is ConfigurationKind.TRANSITIONAL:
            self._synchronising = True
            self._brought.clear()
            self._ring = None
            self._packer.blocked = True
            self._stayed = tuple(node for node in self._stayed if node in change.members)
            return
        self._ring = change.ring
        self._members = change.members
        self._assembly.restart()
        self._packer.restart()
        self.deadline = now + SYNC_TIMEOUT_MS

    def on_frame(self, sender: NodeId, frame: bytes) -> list[GroupEffect]:
        """Take a frame at its place in the order."""
        effects: list[GroupEffect] = []
        try:
            for message in self._assembly.add(sender, frame):
                effects += self._on_message(sender, message)
        except MalformedMessage:
            self._drop("malformed-frame")
        return effects

    def overdue(self, now: Instant) -> tuple[NodeId, ...]:
        """Return the others that keep the barrier closed for too long; then wait anew.

        If it is we who have brought nothing, that is for the others to judge.
        """
        if now < self.deadline:
            return ()
        self.deadline = now + SYNC_TIMEOUT_MS
        present = (*self._brought, self._me)
        return tuple(node for node in self._members if node not in present)

    def _on_message(self, sender: NodeId, data: bytes) -> list[GroupEffect]:
        try:
            envelope = _DECODER.decode(data)
        except (msgspec.MsgspecError, ValueError, RecursionError):
            self._drop("malformed-group-message")
            return []
        match envelope:
            case _Message(group, pid, payload):
                return self._on_payload(GroupMember(sender, pid), group, payload)
            case _Join(group, pid):
                return self._on_join(GroupMember(sender, pid), group)
            case _Leave(group, pid):
                return self._on_leave(GroupMember(sender, pid), group)
            case _Word(data):
                self.news.append(Word(sender, data))
                return []
            case _Brings():
                return self._on_brings(sender, envelope)

    def _on_payload(self, sender: GroupMember, group: str, payload: bytes) -> list[GroupEffect]:
        members = self._groups.get(group, ())
        if sender not in members:
            self._drop("group-message-of-stranger")
            return []
        if not self._is_local(members):
            return []
        return [Delivered(group, sender, payload)]

    def _on_join(self, member: GroupMember, group: str) -> list[GroupEffect]:
        members = self._groups.setdefault(group, [])
        if member in members:
            return []
        members.append(member)
        members.sort()
        return self._changed(group, joined=[(member, LeaveReason.JOIN)])

    def _on_leave(self, member: GroupMember, group: str) -> list[GroupEffect]:
        members = self._groups.get(group, [])
        if member not in members:
            return []
        # The leaving process is told too, as in CPG: so tell before it is forgotten.
        was_local = self._is_local(members)
        self._remove(group, [member])
        return self._changed(group, left=[(member, LeaveReason.LEAVE)], tell=was_local)

    def _on_brings(self, sender: NodeId, brings: _Brings) -> list[GroupEffect]:
        ring = self._ring
        if ring is None or (brings.ring_seq, brings.rep) != (ring.seq, ring.representative):
            self._drop("barrier-of-another-ring")
            return []
        if sender not in self._members:
            return []
        self._brought[sender] = brings
        if len(self._brought) < len(self._members):
            return []
        return self._open(ring)

    # --- the barrier opens ---

    def _open(self, ring: RingId) -> list[GroupEffect]:
        """All have brought: settle the groups, tell, let application messages flow."""
        effects: list[GroupEffect] = []
        for group in sorted(self._groups):
            effects += self._remove_lost(group)
        effects += self._add_brought()
        for group in sorted(self._groups):
            effects += self._remove_ended(group)
        activated = Activated(
            ring,
            self._members,
            tuple(node for node in self._members if node not in self._stayed),
            tuple(node for node in self._activated if node not in self._stayed),
            {node: self._brought[node].annexes for node in self._members},
        )
        effects.append(activated)
        self.news.append(activated)
        self._activated = self._stayed = self._members
        self._brought.clear()
        self._synchronising = False
        self.deadline = NEVER
        self._packer.blocked = False
        return effects

    def _remove_lost(self, group: str) -> list[GroupEffect]:
        """Drop processes of nodes that did not come along (NODEDOWN)."""
        stayed = (*self._stayed, self._me)
        lost = [member for member in self._groups[group] if member.node not in stayed]
        return self._removed(group, lost, LeaveReason.NODEDOWN)

    def _add_brought(self) -> list[GroupEffect]:
        """Add processes that joined nodes bring (NODEUP)."""
        joined: dict[str, Joins] = {}
        for node in self._members:
            for group, pid in self._brought[node].processes:
                member = GroupMember(node, pid)
                members = self._groups.setdefault(group, [])
                if member not in members:
                    members.append(member)
                    joined.setdefault(group, []).append((member, LeaveReason.NODEUP))
        effects: list[GroupEffect] = []
        for group in sorted(joined):
            self._groups[group].sort()
            effects += self._changed(group, joined=joined[group])
        return effects

    def _remove_ended(self, group: str) -> list[GroupEffect]:
        """Drop processes that their own node does not know any more (PROCDOWN)."""
        ended = [
            member
            for member in self._groups[group]
            if member.node != self._me
            and (group, member.pid) not in self._brought[member.node].processes
        ]
        return self._removed(group, ended, LeaveReason.PROCDOWN)

    # --- small parts ---

    def _removed(
        self, group: str, members: list[GroupMember], reason: LeaveReason
    ) -> list[GroupEffect]:
        if not members:
            return []
        self._remove(group, members)
        return self._changed(group, left=[(member, reason) for member in members])

    def _remove(self, group: str, members: Iterable[GroupMember]) -> None:
        remaining = [member for member in self._groups[group] if member not in members]
        if remaining:
            self._groups[group] = remaining
        else:
            del self._groups[group]

    def _changed(
        self,
        group: str,
        *,
        joined: Joins | None = None,
        left: Joins | None = None,
        tell: bool = False,
    ) -> list[GroupEffect]:
        members = tuple(self._groups.get(group, ()))
        if not tell and not self._is_local(members):
            return []
        return [GroupChanged(group, members, tuple(joined or ()), tuple(left or ()))]

    def _is_local(self, members: Iterable[GroupMember]) -> bool:
        return any(member.node == self._me for member in members)

    def _push(self, envelope: _Envelope, *, safe: bool = False) -> list[GroupEffect]:
        if self._packer.push(_ENCODER.encode(envelope), Lane.APPLICATION, safe=safe):
            return []
        self._drop("queue-full")
        return [Noted("queue-full", "A message was refused: too many wait to be sent.")]

    def _drop(self, reason: str) -> None:
        dropped = self._statistics.dropped
        dropped[reason] = dropped.get(reason, 0) + 1
