"""Messages of any size go into frames and come out whole, in order, once."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ninefold.totem.codec import MalformedMessage
from ninefold.totem.packing import (
    FIRST,
    LAST,
    MESSAGE_BYTES_MAX,
    QUEUE_BYTES_MAX,
    Assembly,
    Lane,
    Packer,
    chunks_of,
)


def drain(packer: Packer) -> list[bytes]:
    frames = []
    while (frame := packer.take()) is not None:
        frames.append(frame)
    return frames


def open_packer(frame_bytes: int = 200) -> Packer:
    packer = Packer(frame_bytes)
    packer.blocked = False
    return packer


@given(st.lists(st.binary(min_size=1, max_size=900), max_size=30), st.integers(80, 400))
def test_whatever_is_packed_is_assembled(messages: list[bytes], frame_bytes: int) -> None:
    packer, assembly = open_packer(frame_bytes), Assembly()
    for message in messages:
        packer.push(message, Lane.APPLICATION)

    frames = drain(packer)
    received = [message for frame in frames for message in assembly.add(7, frame)]

    assert received == messages
    assert all(len(frame) <= frame_bytes for frame in frames)
    assert packer.queued_bytes == 0


def test_small_messages_share_a_frame() -> None:
    packer = open_packer(1_300)
    for _ in range(10):
        packer.push(bytes(50), Lane.APPLICATION)

    assert len(drain(packer)) == 1


def test_a_message_cut_by_a_membership_change_arrives_once_and_whole() -> None:
    packer, stayed, newcomer = open_packer(), Assembly(), Assembly()
    packer.push(b"a" * 500, Lane.APPLICATION)
    packer.push(b"b", Lane.APPLICATION)

    first = packer.take()
    assert first is not None
    assert stayed.add(7, first) == []
    packer.restart()
    stayed.restart()
    rest = drain(packer)

    # The sender begins anew, so that even one who has never seen the beginning gets all of it.
    assert [m for frame in rest for m in stayed.add(7, frame)] == [b"a" * 500, b"b"]
    assert [m for frame in rest for m in newcomer.add(7, frame)] == [b"a" * 500, b"b"]


def test_the_rest_of_a_message_without_its_beginning_is_thrown_away() -> None:
    packer, late = open_packer(), Assembly()
    packer.push(b"a" * 500, Lane.APPLICATION)
    packer.push(b"b", Lane.APPLICATION)

    packer.take()
    rest = drain(packer)

    assert [m for frame in rest for m in late.add(7, frame)] == [b"b"]


def test_senders_do_not_mix() -> None:
    one, two, assembly = open_packer(), open_packer(), Assembly()
    one.push(b"1" * 300, Lane.APPLICATION)
    two.push(b"2" * 300, Lane.APPLICATION)

    received = []
    for a, b in zip(drain(one), drain(two), strict=True):
        received += assembly.add(1, a) + assembly.add(2, b)

    assert received == [b"1" * 300, b"2" * 300]


def test_while_blocked_only_the_barrier_passes() -> None:
    packer, assembly = Packer(200), Assembly()
    packer.push(b"application", Lane.APPLICATION)
    packer.push(b"barrier", Lane.BARRIER)

    blocked = [m for frame in drain(packer) for m in assembly.add(1, frame)]
    packer.blocked = False
    open_now = [m for frame in drain(packer) for m in assembly.add(1, frame)]

    assert blocked == [b"barrier"]
    assert open_now == [b"application"]


def test_a_full_queue_refuses() -> None:
    packer = open_packer()
    message = bytes(MESSAGE_BYTES_MAX)
    taken = 0
    while packer.push(message, Lane.APPLICATION):
        taken += 1

    assert taken == QUEUE_BYTES_MAX // MESSAGE_BYTES_MAX


@pytest.mark.parametrize("frame", [b"\x01", b"\x01\x00\x05abc", b"\x04\x00\x00", b"\xff\x00\x01a"])
def test_a_frame_whose_lengths_do_not_add_up_is_malformed(frame: bytes) -> None:
    with pytest.raises(MalformedMessage):
        list(chunks_of(frame))


@given(st.binary(max_size=300))
def test_arbitrary_frames_raise_nothing_but_malformed(frame: bytes) -> None:
    assembly = Assembly()
    try:
        received = assembly.add(1, frame)
    except MalformedMessage:
        return

    assert sum(map(len, received)) <= len(frame)


def test_a_message_without_end_is_given_up() -> None:
    assembly = Assembly()
    chunk = b"\x00" + (60_000).to_bytes(2, "big") + bytes(60_000)
    assembly.add(1, bytes((FIRST,)) + chunk[1:])
    for _ in range(16):
        assembly.add(1, chunk)

    with pytest.raises(MalformedMessage):
        assembly.add(1, chunk)

    # And what follows is whole again.
    assert assembly.add(1, bytes((FIRST | LAST,)) + b"\x00\x02ok") == [b"ok"]
