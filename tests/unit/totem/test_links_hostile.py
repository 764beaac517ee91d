"""What strangers, recordings and damage can do to a link: be counted, and nothing else."""

from __future__ import annotations

import random

import msgspec
import pytest

from ninefold.config.model import TotemOptions
from ninefold.totem import packet as wire
from ninefold.totem.crypto import Keyring
from ninefold.totem.epochs import HELD_MAX
from ninefold.totem.events import Noted, PacketReceived, SendPacket
from ninefold.totem.keys import keyset
from ninefold.totem.links import Frame, LinkEffect, Links
from ninefold.totem.packet import Kind
from tests.totem_links_net import AUTHKEY, SEALED, Net, address_of, config, started


def recorded(net: Net, sender: int) -> list[SendPacket]:
    return [packet for node, _, packet in net.sent if node == sender]


def one_packet(net: Net, data: bytes = b"frame") -> SendPacket:
    """Node 1 sends a frame to node 2; the packet is caught before it arrives."""
    net.wire.clear()
    net.send(1, data, to=2)
    return net.wire.pop()[3]


def altered(packet: SendPacket, data: bytes) -> SendPacket:
    return msgspec.structs.replace(packet, data=data)


def resealed(net: Net, body: bytes, *, kind: Kind = Kind.DATA, target: int = 2) -> SendPacket:
    """Seal any body as node 1 in its present epoch would: an insider's packet."""
    model = wire.parse_header(one_packet(net).data)
    header = wire.Header(kind, 1, target, model.key_id, 0, model.epoch, model.counter + 1)
    packed = wire.pack_header(header)
    key = Keyring(SEALED, keyset(AUTHKEY)).key(1, model.epoch)
    data = packed + key.seal(0, header.counter, packed, body)
    return SendPacket(0, address_of(2, 0), 5405, data)


def refused(net: Net, packet: SendPacket, sender: int = 1) -> dict[str, int]:
    """Give a packet to node 2; return what was counted. Nothing may come of it."""
    node = net.nodes[2]
    before = dict(node.dropped)
    heard = node.last_heard(1)
    net.now += 7
    assert net.give(sender, 2, packet) == []
    assert node.last_heard(1) == heard
    return {
        what: n - before.get(what, 0) for what, n in node.dropped.items() if n != before.get(what)
    }


def test_every_flipped_bit_is_refused_and_the_true_packet_still_counts() -> None:
    net = started()
    packet = one_packet(net)

    for bit in range(len(packet.data) * 8):
        data = bytearray(packet.data)
        data[bit // 8] ^= 1 << bit % 8
        assert sum(refused(net, altered(packet, bytes(data))).values()) == 1

    assert net.give(1, 2, packet) == [Frame(1, b"frame")]


def test_every_truncation_is_refused() -> None:
    net = started()
    packet = one_packet(net)

    for length in range(len(packet.data)):
        reason = "malformed" if length < wire.HEADER_BYTES else "wrong-key"
        assert refused(net, altered(packet, packet.data[:length])) == {reason: 1}
    assert refused(net, altered(packet, packet.data + b"\0")) == {"wrong-key": 1}


def test_packet_is_believed_once() -> None:
    net = started()
    packet = one_packet(net)

    first = net.give(1, 2, packet)

    assert first == [Frame(1, b"frame")]
    assert refused(net, packet) == {"replayed": 1}


def test_packet_on_another_link_than_it_was_sealed_for_is_refused() -> None:
    net = started(links=2)
    net.cut = lambda _s, _r, _l: False
    packet = one_packet(net)
    assert packet.link == 1

    assert refused(net, msgspec.structs.replace(packet, link=0)) == {"wrong-link": 1}


def test_token_for_another_node_is_refused() -> None:
    # A copy of the token must not start a second one circulating.
    net = started(nodes=3)
    net.wire.clear()
    net.send(1, b"token", to=3)
    packet = net.wire.pop()[3]

    assert refused(net, packet) == {"misdirected": 1}


def test_own_packet_that_comes_back_is_refused() -> None:
    net = started()
    net.wire.clear()
    net.send(2, b"mine", to=1)
    packet = net.wire.pop()[3]

    assert refused(net, packet) == {"own": 1}


def test_clear_packet_is_refused_when_crypto_is_on() -> None:
    net = started()
    clear = Keyring(TotemOptions(), keyset(b""))
    header = wire.pack_header(wire.Header(Kind.DATA, 1, 2, clear.key_id, 0, bytes(8), 1))
    body = wire.pack_fragment(wire.Fragment(1, 0, 1, b"forged"))

    assert refused(net, SendPacket(0, "", 0, header + body)) == {"clear": 1}


def test_sealed_packet_is_refused_when_crypto_is_off() -> None:
    packet = one_packet(started())
    net = started(totem=TotemOptions())

    assert refused(net, packet) == {"unknown-key": 1}


@pytest.mark.parametrize(
    ("authkey", "totem"),
    [
        (AUTHKEY[::-1], SEALED),
        (AUTHKEY, msgspec.structs.replace(SEALED, cluster_name="another")),
    ],
)
def test_cluster_with_another_key_or_name_is_refused_and_the_operator_told_once(
    authkey: bytes, totem: TotemOptions
) -> None:
    net = started()
    rng = random.Random(1)
    stranger = Links(config(1, totem=totem), keys=keyset(authkey), epoch=bytes(8), rng=rng)

    for number in range(3):
        packet = stranger.send(net.now, bytes([number]), 2)[0]
        assert refused(net, packet) == {"wrong-key": 1}

    notes = [e.text for e in net.effects[2] if isinstance(e, Noted)]
    assert len(notes) == 1
    assert "copy one authkey to all nodes" in notes[0]


def test_node_outside_the_nodelist_is_refused() -> None:
    net = started()
    rng = random.Random(1)
    stranger = Links(config(9, nodes=9), keys=keyset(AUTHKEY), epoch=bytes(8), rng=rng)

    packet = stranger.send(net.now, b"let me in", 2)[0]

    assert refused(net, packet, sender=9) == {"unknown-sender": 1}


def test_unlisted_address_is_refused_unless_the_operator_allows_it() -> None:
    net = started()
    lax = started(totem=msgspec.structs.replace(SEALED, block_unlisted_ips=False))
    packet = one_packet(lax)

    assert refused(net, one_packet(net), sender=77) == {"unlisted-address": 1}
    assert lax.give(77, 2, packet) == [Frame(1, b"frame")]


def test_other_spelling_of_the_configured_ipv6_address_is_the_same_address() -> None:
    nodes = tuple(
        msgspec.structs.replace(
            entry,
            links={
                0: msgspec.structs.replace(entry.links[0], address=f"fd00:0:0::0{entry.nodeid}")
            },
        )
        for entry in config(1).nodes
    )
    one, two = (
        Links(
            msgspec.structs.replace(config(node), nodes=nodes),
            keys=keyset(AUTHKEY),
            epoch=bytes([node] * 8),
            rng=random.Random(node),
        )
        for node in (1, 2)
    )

    packet = one.start(0)[0]
    assert isinstance(packet, SendPacket)
    _, effects = two.receive(0, PacketReceived(0, "fd00::1", 5405, packet.data))

    assert two.dropped == {}
    assert [type(effect) for effect in effects] == [SendPacket, SendPacket]


def test_datagram_longer_than_any_of_ours_is_refused() -> None:
    net = started()

    assert refused(net, SendPacket(0, "", 0, bytes(wire.DATAGRAM_MAX + 1))) == {"too-large": 1}


def test_other_version_is_refused_by_name() -> None:
    net = started()
    packet = one_packet(net)

    assert refused(net, altered(packet, b"\x02" + packet.data[1:])) == {"version": 1}


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        (Kind.DATA, b""),
        (Kind.DATA, wire.pack_fragment(wire.Fragment(1, 3, 3, b""))),
        (Kind.DATA, wire.pack_fragment(wire.Fragment(1, 0, 0, b""))),
        (Kind.PING, b"short"),
        (Kind.PING, bytes(9)),
        (Kind.PONG, b""),
        (Kind.PONG, bytes(8) + b"\x09" + bytes(81)),
        (Kind.PONG, bytes(8) + b"\x02" + bytes(9)),
    ],
)
def test_authentic_packet_with_a_senseless_body_is_refused(kind: Kind, body: bytes) -> None:
    net = started()
    packet = resealed(net, body, kind=kind)
    before = dict(net.nodes[2].dropped)

    assert net.give(1, 2, packet) == []
    assert net.nodes[2].dropped["malformed"] == before.get("malformed", 0) + 1


def test_pong_to_a_question_that_was_not_asked_changes_nothing() -> None:
    net = started()
    packet = resealed(net, wire.pack_pong(wire.Pong(12345, {})), kind=Kind.PONG)
    before = net.nodes[2].dropped.get("unasked", 0)

    assert net.give(1, 2, packet) == []
    assert net.nodes[2].dropped["unasked"] == before + 1


def test_everything_recorded_in_an_earlier_boot_of_the_sender_is_refused_while_it_is_down() -> None:
    # Node 1 was never met by this boot of node 2, so nothing is known to be old: it must be asked.
    net = started()
    net.send(1, b"old", to=2)
    net.run(5)
    recordings = recorded(net, 1)
    del net.nodes[1]
    net.boot(2)
    net.frames[2].clear()

    for packet in recordings:
        net.give(1, 2, packet)
        net.run(30)

    assert net.frames[2] == []
    assert net.nodes[2].last_heard(1) < 0
    assert not net.nodes[2].up(1)


def test_everything_recorded_from_the_senders_living_boot_before_ours_is_refused() -> None:
    # Node 2 restarts; node 1 does not. The recordings are of the living epoch, all the same.
    net = started()
    for number in range(20):
        net.send(1, bytes([number]), to=2)
    net.run(5)
    recordings = recorded(net, 1)
    net.wire.clear()
    net.frames[2].clear()

    net.boot(2)
    for packet in recordings:
        net.give(1, 2, packet)
    net.run(10)
    for packet in recordings:
        net.give(1, 2, packet)
    net.send(1, b"new", to=2)
    net.run(2)

    assert net.frames[2] == [Frame(1, b"new")]
    dropped = net.nodes[2].dropped
    assert dropped["unproven"] + dropped.get("unverified", 0) >= 20
    assert dropped["replayed"] >= 20


def test_late_pong_of_the_former_boot_cannot_retire_the_new_one() -> None:
    net = Net()
    net.boot(1)
    net.cut = lambda sender, _r, _l: sender == 2
    net.boot(2)
    net.run(3)
    # The former boot of node 2 has answered a fresh nonce of node 1, but its pong is on the way.
    late = [p for p in recorded(net, 2) if wire.parse_header(p.data).kind is Kind.PONG]
    assert late

    net.cut = lambda _s, _r, _l: False
    net.boot(2)
    net.run(5)
    net.send(2, b"new", to=1)
    net.run(2)
    for packet in late:
        net.give(2, 1, packet)
    net.send(2, b"newer", to=1)
    net.run(2)

    assert [frame.data for frame in net.frames[1]] == [b"new", b"newer"]


def test_flood_of_recordings_provokes_a_bounded_number_of_challenges() -> None:
    net = started()
    for _ in range(500):
        net.send(1, b"old", to=2)
    recordings = recorded(net, 1)
    del net.nodes[1]
    net.boot(2)
    net.wire.clear()
    net.sent.clear()

    pongs_due = 0
    for packet in recordings:
        net.give(1, 2, packet)
        pongs_due += wire.parse_header(packet.data).kind is Kind.PING
    for _ in range(100):
        net.now += 1
        net.give(1, 2, recordings[-1])

    answers = recorded(net, 2)
    assert len(answers) - pongs_due <= 1 + 100 // 20
    assert net.nodes[2].dropped["unverified"] >= 500 - HELD_MAX


def test_many_former_boots_at_once_do_not_keep_the_living_one_out() -> None:
    net = Net()
    recordings: list[SendPacket] = []
    for _ in range(10):
        net.boot(1)
        net.send(1, b"old", to=2)
        recordings += recorded(net, 1)
        net.sent.clear()
    net.wire.clear()

    net.boot(2)
    net.boot(1)
    for packet in recordings:
        net.give(1, 2, packet)
    net.run(50)
    net.send(1, b"new", to=2)
    net.run(2)

    assert net.frames[2] == [Frame(1, b"new")]


def test_whole_cluster_restarted_at_once_comes_up_again() -> None:
    net = started(nodes=3)
    for node in (1, 2, 3):
        net.boot(node)
    net.run(10)

    for node in (1, 2, 3):
        net.send(node, b"hello")
    net.run(5)

    assert {node: len(frames) for node, frames in net.frames.items()} == {1: 2, 2: 2, 3: 2}


def test_incomplete_frames_are_bounded_and_the_oldest_reclaimed() -> None:
    net = started()
    size = net.nodes[1].frame_max * 2
    before = len(net.sent)
    for _ in range(40):
        net.send(1, bytes(size), to=2)
    firsts = [packet for _, _, packet in net.sent[before:]][::2]
    net.wire.clear()

    for packet in firsts:
        net.give(1, 2, packet)

    assert net.nodes[2].dropped["reclaimed"] == 8


def test_effects_of_a_refused_packet_are_notes_at_most() -> None:
    net = started()
    effects: list[LinkEffect] = []
    for seed in range(200):
        data = random.Random(seed).randbytes(60)
        packet = PacketReceived(0, address_of(1, 0), 5405, data)
        effects += net.nodes[2].receive(net.now, packet)[1]

    assert all(isinstance(effect, Noted) for effect in effects)
    assert sum(net.nodes[2].dropped.values()) >= 200
