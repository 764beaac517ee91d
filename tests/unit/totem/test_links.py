"""The links layer among two or three nodes in virtual time: who is up, what is handed up."""

from __future__ import annotations

import random

import pytest

from ninefold.config.model import TotemOptions
from ninefold.core.instants import NEVER
from ninefold.totem.events import LinkChanged, Noted
from ninefold.totem.links import Frame
from ninefold.totem.peers import NEVER_HEARD
from tests.totem_links_net import Net, changes, started


def test_frame_reaches_one_peer() -> None:
    net = started(nodes=3)

    net.send(1, b"hello", to=2)
    net.run(5)

    assert net.frames == {1: [], 2: [Frame(1, b"hello")], 3: []}


def test_frame_for_all_reaches_all_but_its_sender() -> None:
    net = started(nodes=3)

    net.send(2, b"hello")
    net.run(5)

    assert net.frames == {1: [Frame(2, b"hello")], 2: [], 3: [Frame(2, b"hello")]}


def test_frame_for_all_is_sealed_once_a_link() -> None:
    net = started(nodes=3)
    net.sent.clear()

    net.send(2, b"hello")

    assert len(net.sent) == 2
    assert len({packet.data for _, _, packet in net.sent}) == 1


def test_node_alone_sends_nothing_and_waits_for_nothing() -> None:
    net = started(nodes=1)

    net.send(1, b"hello")

    assert net.sent == []
    assert net.nodes[1].deadline == NEVER


def test_peers_know_each_other_two_round_trips_after_a_start() -> None:
    net = Net(nodes=2)
    net.boot(1)
    net.run(500)
    net.boot(2)

    # Ping there, pong and ping back, pong there: three legs of one millisecond.
    net.run(3)
    net.send(1, b"to new", to=2)
    net.send(2, b"to old", to=1)
    net.run(1)

    assert net.frames == {1: [Frame(2, b"to old")], 2: [Frame(1, b"to new")]}


def test_frames_sent_while_the_handshake_runs_are_held_and_then_handed_up_in_order() -> None:
    net = Net(nodes=2)
    net.boot(1)
    net.boot(2)
    net.run(1)

    # Both have heard of each other now, but none has proof yet.
    for number in range(5):
        net.send(1, bytes([number]), to=2)
    net.run(3)

    assert net.frames[2] == [Frame(1, bytes([number])) for number in range(5)]


def test_large_frame_is_cut_and_put_together() -> None:
    net = started()
    frame = random.Random(1).randbytes(8 * net.nodes[1].frame_max)
    net.sent.clear()

    net.send(1, frame, to=2)
    datagrams = len(net.sent)
    net.run(5)

    assert datagrams == 8
    assert net.frames[2] == [Frame(1, frame)]


def test_largest_whole_frame_fits_one_datagram_of_the_default_mtu() -> None:
    net = started()
    net.sent.clear()

    net.send(1, bytes(net.nodes[1].frame_max), to=2)

    assert [len(packet.data) for _, _, packet in net.sent] == [1420 - 48]


@pytest.mark.parametrize(("mtu", "datagram"), [(1500, 1452), (576, 528), (100, 528), (65000, 9216)])
def test_mtu_of_the_configuration_sets_the_datagram(mtu: int, datagram: int) -> None:
    totem = TotemOptions(crypto_cipher="aes256", crypto_hash="sha256", knet_mtu=mtu)
    net = started(totem=totem)
    net.sent.clear()

    net.send(1, bytes(net.nodes[1].frame_max), to=2)

    assert [len(packet.data) for _, _, packet in net.sent] == [datagram]


def test_link_is_raised_after_two_pongs_and_reported_once() -> None:
    net = Net()
    net.boot(1)
    net.boot(2)

    net.run(740)
    early = list(changes(net, 1))
    net.run(2000)

    assert len(early) <= 1
    assert changes(net, 1) == [LinkChanged(2, 0, up=True)]
    assert net.nodes[1].up(2)
    assert net.nodes[1].link_up(2, 0)
    assert not net.nodes[1].link_up(2, 7)
    assert net.nodes[1].round_trip_ms(2, 0) == 2


def test_dead_peer_loses_its_link_after_the_ping_timeout() -> None:
    net = started()
    del net.nodes[2]

    net.run(700)
    before = net.nodes[1].up(2)
    net.run(900)

    assert before
    assert not net.nodes[1].up(2)
    assert changes(net, 1)[-1] == LinkChanged(2, 0, up=False)


def test_peer_that_was_never_heard_has_been_silent_longer_than_any_timeout() -> None:
    net = Net()
    net.boot(1)
    net.run(100)

    heard = net.nodes[1].last_heard(2)
    net.boot(2)
    net.run(10)

    assert heard == NEVER_HEARD
    assert net.now - net.nodes[1].last_heard(2) <= 10


def test_frames_go_out_on_all_links_while_none_is_usable() -> None:
    net = Net(links=3)
    net.boot(1)
    net.sent.clear()

    net.send(1, b"anybody?", to=2)

    assert sorted(packet.link for _, _, packet in net.sent) == [0, 1, 2]


def test_passive_mode_uses_the_link_of_highest_priority() -> None:
    net = started(links=2)
    net.sent.clear()

    net.send(1, b"x", to=2)

    assert [packet.link for _, _, packet in net.sent] == [1]


def test_passive_mode_falls_back_when_that_link_is_cut_and_returns_after_it_heals() -> None:
    net = started(links=2)

    net.cut = lambda _s, _r, link: link == 1
    net.run(2500)
    net.sent.clear()
    net.send(1, b"x", to=2)
    during = [packet.link for _, _, packet in net.sent]
    net.cut = lambda _s, _r, _l: False
    net.run(15_000)
    net.sent.clear()
    net.send(1, b"y", to=2)

    assert during == [0]
    assert [packet.link for _, _, packet in net.sent] == [1]


def test_link_that_works_in_one_direction_only_is_not_usable() -> None:
    net = started(links=2)

    net.cut = lambda sender, _r, link: link == 1 and sender == 1
    net.run(2500)

    assert not net.nodes[1].link_up(2, 1)
    assert not net.nodes[2].link_up(1, 1)
    assert net.nodes[1].link_up(2, 0)


def test_link_that_just_failed_is_slow_to_be_believed_again() -> None:
    net = started(links=2)

    net.cut = lambda _s, _r, link: link == 1
    net.run(2300)
    assert not net.nodes[1].link_up(2, 1)
    net.cut = lambda _s, _r, _l: False
    net.run(2000)
    soon = net.nodes[1].link_up(2, 1)
    net.run(8000)

    # Two pongs would do for a new link; right after a failure they do not.
    assert not soon
    assert net.nodes[1].link_up(2, 1)


def test_active_mode_sends_on_all_links_and_hands_up_once() -> None:
    net = started(links=3, totem=TotemOptions(crypto_cipher="aes256", link_mode="active"))
    net.sent.clear()

    net.send(1, b"once", to=2)
    copies = len(net.sent)
    net.run(5)

    assert copies == 3
    assert net.frames[2] == [Frame(1, b"once")]
    assert net.nodes[2].dropped["duplicate"] == 2


def test_rr_mode_takes_turns() -> None:
    net = started(links=2, totem=TotemOptions(crypto_cipher="aes256", link_mode="rr"))
    net.sent.clear()

    for _ in range(4):
        net.send(1, b"x", to=2)

    assert sorted(packet.link for _, _, packet in net.sent) == [0, 0, 1, 1]


def test_own_pause_is_no_evidence_against_the_peers() -> None:
    net = started()

    # Node 1 is stopped for 5.5 s; node 2 sees its pongs stay away, node 1 only its own absence.
    paused = net.nodes.pop(1)
    net.run(5500)
    net.nodes[1] = paused
    net.run(1)

    assert paused.up(2)
    assert not net.nodes[2].up(1)


def test_pings_of_all_peers_and_links_share_one_wake_up() -> None:
    net = started(nodes=3, links=2)
    net.run(6000)  # until what the paths carry is known
    deadlines = set()

    for _ in range(7500):
        net.run(1)
        deadlines.add(net.nodes[1].deadline)

    # One every 750 ms, not one for each of four heartbeats and their timeouts; and while a path is asked what
    # it carries, the end of the patience with it.
    assert len(deadlines) <= 11 + 2


def test_restarted_peer_is_heard_after_one_round_trip_and_its_former_boot_never_again() -> None:
    net = started()
    net.send(2, b"old boot", to=1)
    recorded = [packet for sender, _, packet in net.sent if sender == 2]
    net.run(5)

    net.boot(2)
    net.run(3)
    net.send(2, b"new boot", to=1)
    net.run(1)
    for packet in recorded:
        assert net.give(2, 1, packet) == []

    assert [frame.data for frame in net.frames[1]] == [b"old boot", b"new boot"]
    assert net.nodes[1].dropped["stale-epoch"] == len(recorded)
    assert any(isinstance(e, Noted) and e.what == "peer-restarted" for e in net.effects[1])


def test_crypto_off_is_noted_and_works() -> None:
    net = started(totem=TotemOptions())

    net.send(1, b"hello", to=2)
    net.run(5)

    assert net.frames[2] == [Frame(1, b"hello")]
    assert [e.what for e in net.effects[1] if isinstance(e, Noted)] == ["cleartext"]


def test_addresses_are_those_of_the_links_both_have() -> None:
    net = Net(links=2)
    net.boot(1)

    assert net.nodes[1].addresses(2) == [(0, "10.0.0.2"), (1, "10.0.1.2")]
