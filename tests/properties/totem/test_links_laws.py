"""Laws of the links for all inputs; the windows and buffers beside slow obvious twins."""

from __future__ import annotations

import random

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ninefold.config.model import TotemOptions
from ninefold.totem.events import PacketReceived, SendPacket
from ninefold.totem.fragments import INCOMPLETE_MAX, Reassembly, split
from ninefold.totem.packet import (
    Fragment,
    Header,
    Kind,
    Pong,
    Refused,
    pack_fragment,
    pack_header,
    pack_pong,
    parse_fragment,
    parse_header,
    parse_pong,
)
from ninefold.totem.replay import ReplayWindow
from tests.totem_links_net import SEALED, Net, address_of, started

KEPT = [started(), started(totem=TotemOptions())]


class SlowWindow:
    """Remembers every number ever seen."""

    def __init__(self, width: int, floor: int) -> None:
        self.width = width
        self.top = self.floor = floor
        self.seen: set[int] = set()

    def accept(self, number: int) -> bool:
        if number <= self.floor or number <= self.top - self.width or number in self.seen:
            return False
        self.seen.add(number)
        self.top = max(self.top, number)
        return True


@given(
    st.integers(1, 70),
    st.integers(-1, 100),
    st.lists(st.integers(0, 200) | st.integers(0, 2**64 - 1), max_size=200),
)
@example(64, -1, [0, 63, 64, 0, 1, 128, 64, 65])
def test_window_is_a_set_that_forgets(width: int, floor: int, numbers: list[int]) -> None:
    window, twin = ReplayWindow(width, floor=floor), SlowWindow(width, floor)

    for number in numbers:
        fresh = window.fresh(number)
        accepted = window.accept(number)
        assert fresh == accepted == twin.accept(number)


@given(st.binary(max_size=100))
def test_arbitrary_bytes_never_raise_and_never_make_a_frame(data: bytes) -> None:
    for net in KEPT:
        packet = PacketReceived(0, address_of(1, 0), 5405, data)
        frames, _ = net.nodes[2].receive(net.now, packet)
        assert frames == []


def headers(senders: st.SearchStrategy[int]) -> st.SearchStrategy[Header]:
    return st.builds(
        Header,
        kind=st.sampled_from(Kind),
        sender=senders,
        target=st.integers(0, 4) | st.integers(0, 65_535),
        key_id=st.integers(0, 2) | st.integers(0, 255),
        link=st.integers(0, 7),
        epoch=st.binary(min_size=8, max_size=8),
        counter=st.integers(0, 2**64 - 1),
    )


@given(headers(st.integers(0, 4)), st.binary(max_size=40))
def test_well_formed_headers_without_the_key_never_make_a_frame(
    header: Header, body: bytes
) -> None:
    sealed, clear = KEPT
    source = address_of(header.sender, header.link)
    packet = PacketReceived(header.link, source, 5405, pack_header(header) + body)

    frames, effects = sealed.nodes[2].receive(sealed.now, packet)
    clear.nodes[2].receive(clear.now, packet)

    assert frames == []
    assert not any(isinstance(effect, SendPacket) for effect in effects)


@given(headers(st.integers(1, 65_535)))
def test_headers_survive_the_wire(header: Header) -> None:
    assert parse_header(pack_header(header)) == header


@given(st.integers(0, 2**64 - 1), st.dictionaries(st.integers(0, 7), st.integers(0, 2**64 - 1)))
def test_pongs_survive_the_wire(nonce: int, anchors: dict[int, int]) -> None:
    assert parse_pong(pack_pong(Pong(nonce, anchors))) == Pong(nonce, anchors)


@given(st.binary(max_size=800), st.integers(100, 900), st.randoms(use_true_random=False))
def test_fragments_come_together_in_any_order_once(
    frame: bytes, room: int, rng: random.Random
) -> None:
    fragments = split(frame, 5, room) * 2
    rng.shuffle(fragments)
    reassembly = Reassembly()

    frames: list[bytes] = []
    for fragment in fragments:
        try:
            done = reassembly.add(parse_fragment(pack_fragment(fragment)))
        except Refused:
            continue
        frames += [] if done is None else [done]

    assert frames == [frame]


@given(
    st.lists(
        st.tuples(st.integers(0, 60), st.integers(0, 3), st.integers(1, 4)).filter(
            lambda part: part[1] < part[2]
        ),
        max_size=300,
    )
)
def test_reassembly_hands_up_each_number_at_most_once_and_stays_bounded(
    parts: list[tuple[int, int, int]],
) -> None:
    reassembly = Reassembly()
    done: list[int] = []

    for number, index, count in parts:
        try:
            frame = reassembly.add(Fragment(number, index, count, b"x"))
        except Refused:
            continue
        if frame is not None:
            assert frame == b"x" * count
            done.append(number)
        assert len(reassembly._parts) <= INCOMPLETE_MAX

    assert len(done) == len(set(done))


def unruly(net: Net, rng: random.Random, sender: int, receiver: int) -> None:
    """Deliver what is on the wire with losses, copies, late copies and any order."""
    waiting = [entry for entry in net.wire if entry[2] == receiver]
    net.wire = [entry for entry in net.wire if entry[2] != receiver]
    rng.shuffle(waiting)
    for _, _, _, packet in waiting:
        if rng.random() < 0.1:
            continue
        net.give(sender, receiver, packet)
        if rng.random() < 0.2:
            net.give(sender, receiver, packet)
        if rng.random() < 0.05:
            net.give(sender, receiver, rng.choice(waiting)[3])


@pytest.mark.parametrize("link_mode", ["passive", "active", "rr"])
def test_ten_thousand_frames_under_loss_copies_and_disorder_are_handed_up_at_most_once(
    link_mode: str,
) -> None:
    rng = random.Random(3)
    totem = TotemOptions(
        crypto_cipher="aes256", crypto_hash=SEALED.crypto_hash, link_mode=link_mode
    )
    net = started(links=2, totem=totem)
    net.wire.clear()
    room = net.nodes[1].frame_max

    for burst in range(100):
        for number in range(100):
            size = room + 50 if number % 10 == 0 else 8
            net.send(1, (burst * 100 + number).to_bytes(8, "big").ljust(size, b"."), to=2)
        unruly(net, rng, 1, 2)

    got = [int.from_bytes(frame.data[:8], "big") for frame in net.frames[2]]
    assert len(got) == len(set(got))
    # One copy of ten is lost, both copies of active mode one of a hundred; two fragments double it.
    assert len(got) > (9800 if link_mode == "active" else 8700)
