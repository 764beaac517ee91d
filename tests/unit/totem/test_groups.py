"""Process groups and the barrier, with the ring played by hand: frames go straight to everybody."""

from __future__ import annotations

import msgspec

from ninefold.core.ids import RingId
from ninefold.totem.events import (
    Activated,
    ConfigurationKind,
    Delivered,
    GroupChanged,
    GroupMember,
    LeaveReason,
    RingChanged,
    Statistics,
)
from ninefold.totem.groups import SYNC_TIMEOUT_MS, GroupEffect, Groups


class Ordered:
    """A perfect total order between the groups of several nodes."""

    def __init__(self, *nodes: int) -> None:
        self.groups = {n: Groups(n, frame_bytes=1_200, statistics=Statistics()) for n in nodes}
        self.rings = {n: RingId(0, n) for n in nodes}
        self.members: dict[int, tuple[int, ...]] = {n: (n,) for n in nodes}
        self.log: dict[int, list[GroupEffect]] = {n: [] for n in nodes}
        self.seq = 0

    def ring(self, *members: int, synchronise: bool = True) -> None:
        self.seq += 4
        ring = RingId(self.seq, members[0])
        old = dict(self.rings)
        for node in members:
            groups = self.groups[node]
            stayed = tuple(n for n in members if old[n] == old[node] and n in self.members[node])
            left = tuple(n for n in self.members[node] if n not in stayed)
            joined = tuple(n for n in members if n not in stayed)
            for kind in ConfigurationKind:
                change = RingChanged(
                    kind,
                    ring,
                    stayed if kind is ConfigurationKind.TRANSITIONAL else members,
                    joined,
                    left,
                )
                groups.on_ring_changed(0, change)
            self.rings[node] = ring
        for node in members:
            self.members[node] = members
            if synchronise:
                self.groups[node].synchronize(ring, {"a": b"%d" % node})
        self.flow(*members)

    def flow(self, *members: int) -> None:
        """Send all that may be sent, in turns, to all members."""
        busy = True
        while busy:
            busy = False
            for node in members:
                frame = self.groups[node].take()
                if frame is None:
                    continue
                busy = True
                for receiver in members:
                    self.log[receiver] += self.groups[receiver].on_frame(node, frame)

    def changes(self, node: int) -> list[GroupChanged]:
        return [e for e in self.log[node] if isinstance(e, GroupChanged)]


def test_the_barrier_opens_with_the_annexes_of_all() -> None:
    world = Ordered(1, 2)

    world.ring(1, 2)

    expected = Activated(RingId(4, 1), (1, 2), (1, 2), (), {1: {"a": b"1"}, 2: {"a": b"2"}})
    assert world.log == {1: [expected], 2: [expected]}


def test_nothing_of_the_application_passes_a_closed_barrier() -> None:
    world = Ordered(1, 2)
    world.groups[1].join("g", 10)

    world.ring(1, 2, synchronise=False)
    closed = list(world.log[1])
    for node in (1, 2):
        world.groups[node].synchronize(world.rings[node], {})
    world.flow(1, 2)

    assert closed == []
    assert world.groups[1].congested is False
    kinds = [type(effect) for effect in world.log[1]]
    assert kinds == [GroupChanged, Activated]


def test_what_is_sent_right_after_the_barrier_reaches_a_process_that_joined_behind_it() -> None:
    # The fresh node's own join comes after the other's message in the order.
    world = Ordered(1, 2)
    for node in (1, 2):
        world.groups[node].join("g", 10)

    world.ring(1, 2)
    world.groups[1].submit("g", 10, b"welcome")
    world.flow(1, 2)

    assert [e.payload for e in world.log[2] if isinstance(e, Delivered)] == [b"welcome"]


def test_join_message_leave_come_in_order_and_to_the_own_process_too() -> None:
    world = Ordered(1, 2)
    world.ring(1, 2)
    world.groups[1].join("g", 10)
    world.groups[2].join("g", 20)
    world.flow(1, 2)

    world.groups[1].submit("g", 10, b"hello")
    world.flow(1, 2)
    world.groups[1].leave("g", 10)
    world.flow(1, 2)

    one, two = GroupMember(1, 10), GroupMember(2, 20)
    assert world.log[1][1:] == [
        GroupChanged("g", (one,), ((one, LeaveReason.JOIN),), ()),
        GroupChanged("g", (one, two), ((two, LeaveReason.JOIN),), ()),
        Delivered("g", one, b"hello"),
        GroupChanged("g", (two,), (), ((one, LeaveReason.LEAVE),)),
    ]
    assert Delivered("g", one, b"hello") in world.log[2]


def test_a_group_without_a_local_process_is_none_of_our_business() -> None:
    world = Ordered(1, 2)
    world.ring(1, 2)

    world.groups[1].join("g", 10)
    world.groups[1].submit("g", 10, b"hello")
    world.flow(1, 2)

    assert world.changes(2) == []
    assert not [e for e in world.log[2] if isinstance(e, Delivered)]


def test_nodedown_comes_at_the_barrier_and_nodeup_when_it_returns() -> None:
    world = Ordered(1, 2, 3)
    world.ring(1, 2, 3)
    for node in (1, 2, 3):
        world.groups[node].join("g", 10)
    world.flow(1, 2, 3)
    before = len(world.changes(1))

    world.ring(1, 2)
    world.ring(3)
    world.ring(1, 2, 3)

    # Corosync pull request 347: both sides see the other leave and come back.
    three = GroupMember(3, 10)
    down, up = world.changes(1)[before:]
    assert down.left == ((three, LeaveReason.NODEDOWN),)
    assert up.joined == ((three, LeaveReason.NODEUP),)
    seen_by_three = world.changes(3)[-2:]
    assert [m.node for m, _ in seen_by_three[0].left] == [1, 2]
    assert [m.node for m, _ in seen_by_three[1].joined] == [1, 2]


def test_a_ring_that_did_not_synchronise_is_made_up_for_by_the_next() -> None:
    world = Ordered(1, 2, 3)
    world.ring(1, 2, 3)
    world.groups[2].join("g", 10)
    world.groups[1].join("g", 10)
    world.flow(1, 2, 3)

    # Node 2 goes in a ring whose barrier never opens, and is back before the next one does.
    world.ring(1, 3, synchronise=False)
    world.ring(1, 2, 3)

    last = [e for e in world.log[1] if isinstance(e, Activated)][-1]
    assert last.left == (2,)
    assert last.joined == (2,)
    assert world.changes(1)[-1].joined == ((GroupMember(2, 10), LeaveReason.NODEUP),)


def test_a_process_that_its_own_node_does_not_know_any_more_is_down() -> None:
    world = Ordered(1, 2)
    world.ring(1, 2)
    for node in (1, 2):
        world.groups[node].join("g", 10)
    world.flow(1, 2)

    world.groups[2]._groups.clear()
    world.groups[2]._wanted.clear()
    world.ring(1, 2)

    assert world.changes(1)[-1].left == ((GroupMember(2, 10), LeaveReason.PROCDOWN),)


def test_messages_of_strangers_are_dropped_and_counted() -> None:
    world = Ordered(1, 2)
    world.ring(1, 2)
    world.groups[1].join("g", 10)
    world.flow(1, 2)

    world.groups[2].submit("g", 20, b"not a member")
    world.groups[1].on_frame(2, b"\x03\x00\x01\xff")
    world.groups[1].on_frame(2, b"\x03\xff")
    envelope = msgspec.msgpack.encode([3, "g", 20, b"forged"])
    world.groups[1].on_frame(2, b"\x03" + len(envelope).to_bytes(2, "big") + envelope)

    assert world.groups[2]._statistics.dropped == {"group-message-of-stranger": 1}
    assert world.groups[1]._statistics.dropped == {
        "malformed-group-message": 1,
        "malformed-frame": 1,
        "group-message-of-stranger": 1,
    }


def test_those_that_keep_the_barrier_closed_are_named_after_the_timeout() -> None:
    world = Ordered(1, 2, 3)
    world.ring(1, 2, 3, synchronise=False)
    world.groups[1].synchronize(world.rings[1], {})
    world.groups[3].synchronize(world.rings[3], {})
    world.flow(1, 2, 3)

    assert world.groups[1].overdue(SYNC_TIMEOUT_MS - 1) == ()
    assert world.groups[1].overdue(SYNC_TIMEOUT_MS) == (2,)


def test_annexes_for_an_older_ring_are_void() -> None:
    world = Ordered(1, 2)
    world.ring(1, 2, synchronise=False)
    old = world.rings[1]
    world.ring(1, 2, synchronise=False)

    world.groups[1].synchronize(old, {"a": b"old"})

    assert world.groups[1].take() is None
