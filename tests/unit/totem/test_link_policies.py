"""Which links the ring's traffic takes by each policy, and what a link that fails or returns costs it.

Three members on two networks, the second of which has the higher priority; every datagram that leaves a node is
noted with its link and with what it carries.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import msgspec
import pytest

from ninefold.config.model import (
    ClusterConfig,
    LinkAddress,
    LinkOptions,
    NodeEntry,
    QuorumOptions,
)
from ninefold.totem import packet as wire
from ninefold.totem.codec import decode
from ninefold.totem.events import PacketReceived, SendPacket
from ninefold.totem.keys import keyset
from ninefold.totem.stack import Stack
from tests.totem_world import DEFAULTS, World

if TYPE_CHECKING:
    from ninefold.config.model import TotemOptions
    from ninefold.totem.events import Effect
    from tests.totem_world import Host

BOTH, FIRST, SECOND = {0, 1}, {0}, {1}
# What keeps a link up or measures it goes over every link, whatever the policy.
OF_LINKS = {"PING", "PONG", "PROBE", "PROBED"}


class Sent(msgspec.Struct, frozen=True):
    at: int
    sender: int
    target: int
    link: int
    what: str


def address_of(node: int, link: int) -> str:
    return f"10.{link}.0.{node}"


class LinkedWorld(World):
    """Stacks on real links layers; `dead` has (node, link) of each plug that is pulled."""

    def __init__(self, mode: str) -> None:
        self.sent: list[Sent] = []
        self.dead: set[tuple[int, int]] = set()
        # A token that soon rests, for one that turns is most of the work here.
        super().__init__(
            3,
            totem=msgspec.structs.replace(DEFAULTS, link_mode=mode, seqno_unchanged_const=3),
        )

    def _boot(self, node: int, seq: int, boot: int) -> Stack:
        dice = random.Random(node * 1000 + boot)
        return Stack(
            _config(node, self.totem),
            keys=keyset(b""),
            ring_seq=seq,
            epoch=dice.randbytes(8),
            rng=dice,
        )

    def _perform(self, host: Host, effect: Effect) -> None:
        if not isinstance(effect, SendPacket):
            return super()._perform(host, effect)
        sender, link = host.nodeid, effect.link
        target = int(effect.address.rsplit(".", 1)[1])
        self.sent.append(Sent(self.now, sender, target, link, _what(effect.data)))
        if {(sender, link), (target, link)} & self.dead:
            return None
        source = address_of(sender, link)
        return self._later(target, 1, PacketReceived(link, source, 5405 + link, effect.data))

    def taken(self, since: int, sender: int, target: int) -> dict[str, set[int]]:
        """Return the links that each kind of the ring's traffic has taken from one node to another."""
        links: dict[str, set[int]] = {}
        for one in self.sent:
            if one.at >= since and (one.sender, one.target) == (sender, target):
                links.setdefault(one.what, set()).add(one.link)
        return {what: taken for what, taken in links.items() if what not in OF_LINKS}

    def talk(self, duration: int) -> None:
        """Let all members speak, five times a second in turns."""
        for number in range(duration // 200):
            self.submit(1 + number % 3, b"at %d" % self.now)
            self.run(200)

    def heard_alike(self) -> bool:
        """Whether all have heard the same, each thing once."""
        heard = [host.payloads() for host in self.hosts.values()]
        return all(one == heard[0] and len(set(one)) == len(one) for one in heard)


def _config(me: int, totem: TotemOptions) -> ClusterConfig:
    nodes = tuple(
        NodeEntry(n, f"n{n}", {k: LinkAddress(address_of(n, k), 5405 + k) for k in (0, 1)})
        for n in (1, 2, 3)
    )
    return ClusterConfig(
        me, nodes, totem, (LinkOptions(0), LinkOptions(1, priority=5)), QuorumOptions()
    )


def _what(datagram: bytes) -> str:
    header = wire.parse_header(datagram)
    if header.kind is not wire.Kind.DATA:
        return header.kind.name
    fragment = wire.parse_fragment(datagram[wire.HEADER_BYTES :])
    assert fragment.count == 1, "nothing here is larger than a datagram"
    return type(decode(fragment.data)).__name__


def standing(mode: str) -> LinkedWorld:
    """Return a ring whose links are all up, after a while of rest and one of talk."""
    world = LinkedWorld(mode)
    world.start()
    assert world.run_until(lambda: world.formed(1, 2, 3), limit=1_000)
    world.run(6_000)
    assert all(up == {0: True, 1: True} for up in world.hosts[1].stack.links_up().values())
    return world


@pytest.mark.parametrize("mode", ["passive", "active", "rr"])
def test_a_ring_that_begins_sends_over_all_links_until_one_is_known_to_work(mode: str) -> None:
    world = LinkedWorld(mode)

    world.start()
    world.run(300)

    taken = world.taken(0, 1, 2)
    assert taken["Join"] == taken["CommitToken"] == taken["Token"] == taken["Mcast"] == BOTH


@pytest.mark.parametrize(("mode", "links"), [("passive", SECOND), ("active", BOTH), ("rr", BOTH)])
def test_every_kind_of_traffic_takes_the_links_of_the_policy(mode: str, links: set[int]) -> None:
    world = standing(mode)
    since = world.now

    world.talk(1_000)
    world.run(2_000)
    world.submit(2, b"after a rest")
    world.run(100)
    world.crash(3)
    world.run(5_000)

    taken = world.taken(since, 1, 2) | {"HoldCancel": world.taken(since, 2, 1)["HoldCancel"]}
    assert taken.keys() >= {"Token", "Mcast", "HoldCancel", "Join", "CommitToken"}
    assert set.union(*taken.values()) == links
    # What is sent once, or always before a token, goes over one link when they take turns.
    seldom = {"HoldCancel", "CommitToken", "MergeDetect"} if mode == "rr" else set()
    assert {what for what, took in taken.items() if took != links} <= seldom
    assert {one.link for one in world.sent if one.what == "PING" and one.at >= since} == BOTH


def test_by_turns_each_link_carries_half_and_active_sends_everything_twice() -> None:
    counts = {}
    for mode in ("passive", "active", "rr"):
        world = standing(mode)
        since = world.now
        world.talk(2_000)
        frames = [one for one in world.sent if one.at >= since and one.what not in OF_LINKS]
        each = [sum(one.link == link for one in frames) for link in (0, 1)]
        counts[mode] = each
        assert world.heard_alike()

    assert counts["passive"][0] == 0
    assert counts["active"][0] == counts["active"][1] > 0.9 * counts["passive"][1]
    assert abs(counts["rr"][0] - counts["rr"][1]) <= sum(counts["rr"]) // 50


@pytest.mark.parametrize("mode", ["passive", "active", "rr"])
@pytest.mark.parametrize("link", [0, 1])
def test_a_link_that_fails_and_returns_costs_no_membership_and_no_message(
    mode: str, link: int
) -> None:
    world = standing(mode)
    rings = len(world.hosts[1].rings())

    world.dead = {(2, link)}
    cut_at = world.now
    world.talk(4_000)
    other = {1 - link}
    late = world.taken(cut_at + 3_000, 1, 2), world.taken(cut_at + 3_000, 2, 3)
    apart = world.taken(cut_at + 3_000, 1, 3)
    world.dead = set()
    healed_at = world.now
    world.talk(12_000)
    back = world.taken(healed_at + 9_000, 1, 2)

    assert [set.union(*one.values()) for one in late] == [other, other]
    # Those whose link is whole keep it.
    assert set.union(*apart.values()) == (SECOND if mode == "passive" else BOTH)
    assert set.union(*back.values()) == (SECOND if mode == "passive" else BOTH)
    assert [len(host.rings()) for host in world.hosts.values()] == [rings] * 3
    world.run(500)
    assert world.heard_alike()
    assert len(world.hosts[3].payloads()) == (4_000 + 12_000) // 200


@pytest.mark.parametrize("mode", ["passive", "active", "rr"])
def test_while_one_of_two_links_stays_dead_a_member_that_was_away_is_let_in(mode: str) -> None:
    world = standing(mode)
    world.crash(3)
    assert world.run_until(lambda: world.formed(1, 2), limit=10_000)
    world.dead = {(3, 1)}

    world.restart(3)

    assert world.run_until(lambda: world.formed(1, 2, 3), limit=2_000)
    world.run(8_000)
    assert world.formed(1, 2, 3)
    assert set.union(*world.taken(world.now - 2_000, 3, 1).values()) == FIRST


@pytest.mark.parametrize("link", [0, 1])
def test_both_links_dead_leave_a_member_out_and_either_one_brings_it_back(link: int) -> None:
    world = standing("passive")
    world.dead = {(3, 0), (3, 1)}
    assert world.run_until(lambda: world.formed(1, 2) and world.formed(3), limit=10_000)

    world.dead = {(3, 1 - link)}

    assert world.run_until(lambda: world.formed(1, 2, 3), limit=5_000)
