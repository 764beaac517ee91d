"""Ring messages survive the wire; whatever else arrives is refused with one typed error."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ninefold.totem.codec import MCAST_OVERHEAD, MalformedMessage, decode, encode
from ninefold.totem.messages import (
    SEQ_MAX,
    CommitToken,
    HoldCancel,
    Join,
    Mcast,
    MergeDetect,
    Message,
    Slot,
    Token,
)

SAMPLES: list[Message] = [
    Token(5, 1, 7, 9, 8, 2, 3, 4, retrans_flg=True, rtr=(9,)),
    Mcast(5, 1, 1, 2, False, b"payload"),
    MergeDetect(5, 1),
    Join(5, (1, 2, 3), (3,), (3,)),
    Join(5, (1, 2), (3,), leaving=True),
    CommitToken(9, 1, 0, (1, 2), (Slot(5, 1, 3, 3, received=True),)),
    HoldCancel(5, 1),
]


@pytest.mark.parametrize("message", SAMPLES, ids=repr)
def test_a_message_comes_back_as_it_was(message: Message) -> None:
    assert decode(encode(message)) == message


def test_the_overhead_of_a_frame_is_never_more_than_reserved() -> None:
    frame = Mcast(SEQ_MAX, 65_535, SEQ_MAX, 65_535, True, bytes(65_536))

    assert len(encode(frame)) - 65_536 <= MCAST_OVERHEAD


BAD: dict[str, object] = {
    "no tag": [],
    "unknown tag": [99, 1, 2],
    "a map": {"type": 1},
    "aru beyond seq": [1, 5, 1, 7, 9, 10],
    "31 retransmissions": [1, 5, 1, 7, 99, 8, 0, 0, 0, False, list(range(1, 32))],
    "retransmission of the unsent": [1, 5, 1, 7, 9, 8, 0, 0, 0, False, [10]],
    "node id 0": [2, 5, 0, 1, 2, False, b""],
    "node id 65536": [2, 5, 1, 1, 65_536, False, b""],
    "frame number 0": [2, 5, 1, 0, 2, False, b""],
    "negative ring": [3, -1, 1],
    "ring beyond the limit": [3, 2**61, 1],
    "too long a payload": [2, 5, 1, 1, 2, False, bytes(65_537)],
    "385 processors": [4, 5, list(range(1, 386)), []],
    "unsorted processors": [4, 5, [2, 1], []],
    "a processor twice": [4, 5, [1, 1], []],
    "more slots than members": [5, 9, 1, 0, [1], [[5, 1, 0, 0, True]] * 2],
    "no members": [5, 9, 1, 0, [], []],
    "representative not a member": [5, 9, 3, 0, [1, 2], []],
    "a slot cut short": [5, 9, 1, 0, [1, 2], [[5, 1]]],
    "text for a number": [6, "5", 1],
}


@pytest.mark.parametrize("name", BAD)
def test_a_message_out_of_its_limits_is_malformed(name: str) -> None:
    with pytest.raises(MalformedMessage):
        decode(msgspec.msgpack.encode(BAD[name]))


@given(st.binary(max_size=200))
def test_arbitrary_bytes_are_a_message_or_malformed_and_nothing_else(data: bytes) -> None:
    try:
        message = decode(data)
    except MalformedMessage:
        return

    assert decode(encode(message)) == message


@given(st.sampled_from(SAMPLES), st.data())
def test_a_damaged_message_is_a_message_or_malformed_and_nothing_else(
    message: Message, data: st.DataObject
) -> None:
    raw = bytearray(encode(message))
    for _ in range(data.draw(st.integers(1, 3))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))

    try:
        again = decode(bytes(raw[: data.draw(st.integers(0, len(raw)))]))
    except MalformedMessage:
        return

    assert decode(encode(again)) == again


def test_nesting_without_end_is_malformed() -> None:
    with pytest.raises(MalformedMessage):
        decode(b"\x91" * 5_000)
