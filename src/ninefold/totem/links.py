"""One to eight UDP links to every peer: frames go in, datagrams come out, and the other way round.

A pure machine like the others, driven by its owner's methods instead of by events, since the stack
above holds it. It decides which link carries a packet and which packet may be believed; that a
frame arrives at all is the ring's business. `packet` knows the format, `crypto` the keys, `epochs`
whose boot is alive, `heartbeat` which link is usable, `fragments` what belongs together.

Every datagram that is not believed is counted in `dropped` under the word of its `Drop`, and the
first of each kind that an operator can do something about is noted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeAlias

import msgspec

from ninefold.config.model import LinkOptions
from ninefold.core.ids import NodeId
from ninefold.core.instants import NEVER
from ninefold.totem import packet as wire
from ninefold.totem.crypto import Keyring, SenderKeys
from ninefold.totem.epochs import Epoch, Held
from ninefold.totem.events import LinkChanged, Noted, PacketReceived, SendPacket
from ninefold.totem.fragments import split
from ninefold.totem.heartbeat import Turn
from ninefold.totem.packet import ADVICE, EPOCH_BYTES, EVERYBODY, Drop, Kind, Refused
from ninefold.totem.paths import Paths, path_mtu
from ninefold.totem.peers import NEVER_HEARD, Peer

if TYPE_CHECKING:
    import random
    from collections.abc import Iterable

    from ninefold.config.model import ClusterConfig
    from ninefold.core.instants import Instant, Millis
    from ninefold.totem.keys import KeySet

LinkEffect: TypeAlias = SendPacket | LinkChanged | Noted

# A wake-up later than this fraction of the shortest ping interval means that we did not run.
OVERSLEPT_FRACTION: Final = 2
# Pings due within a tenth of the interval leave together: one wake-up instead of several.
SLACK_FRACTION: Final = 10

# The word under which it is noted that a peer's daemon was started anew.
RESTARTED: Final = "peer-restarted"


class Frame(msgspec.Struct, frozen=True):
    """A frame of a peer: authentic, fresh, whole, and handed up once."""

    sender: NodeId
    data: bytes


class Links:
    """This node's links to its peers.

    `keys` are the authkeys; `epoch` is 8 bytes, drawn at random at this start of the daemon and never
    used again; `rng` gives nonces that must be unpredictable on a real host (`SystemRandom`).
    """

    def __init__(
        self, config: ClusterConfig, *, keys: KeySet, epoch: bytes, rng: random.Random
    ) -> None:
        assert len(epoch) == EPOCH_BYTES
        self.dropped: dict[str, int] = {}
        self._me = config.local
        self._epoch = epoch
        self._rng = rng
        self._keyring = Keyring(config.totem, keys)
        self._key = self._keyring.key(config.local, epoch)
        self._next_is_used = False
        # One for each link that ever was: a number is never used twice under one key.
        self._counters: dict[int, int] = {}
        self._peers: dict[NodeId, Peer] = {}
        self._frame_number = 0
        self._ping_at: dict[int, Instant] = {}
        # Call `wake` no later than this.
        self.deadline: Instant = NEVER
        # Before this a wake-up finds no link that falls, and nothing at all to do here.
        self._all_up_until: Instant = -NEVER
        self._quiet_until: Instant = -NEVER
        # When the first path may have something to ask.
        self._probe_at: Instant = NEVER
        self._paths = Paths(config.totem, overhead=self._keyring.overhead)
        self._configure(NEVER, config)

    @property
    def frame_max(self) -> int:
        """The largest frame, in bytes, that needs one datagram and is within netmtu."""
        return self._paths.frame_max

    def last_heard(self, peer: NodeId) -> Instant:
        """When the last believed packet of the peer came, on any link; `NEVER_HEARD` if none."""
        known = self._peers.get(peer)
        return NEVER_HEARD if known is None else known.heard_at

    def up(self, peer: NodeId) -> bool:
        """Tell whether at least one link to the peer is usable."""
        return self._peers[peer].up

    def link_up(self, peer: NodeId, link: int) -> bool:
        """Tell whether one link to the peer is usable; False if it does not exist."""
        heartbeat = self._peers[peer].heartbeats.get(link)
        return heartbeat is not None and heartbeat.up

    def round_trip_ms(self, peer: NodeId, link: int) -> Millis:
        """Return the average round trip on one link to the peer."""
        return self._peers[peer].heartbeats[link].round_trip_ms

    def addresses(self, peer: NodeId) -> list[tuple[int, str]]:
        """Return the peer's address on each link, by link number; none if it is not listed."""
        known = self._peers.get(peer)
        addresses = {} if known is None else known.addresses
        return [(link, address.address) for link, address in addresses.items()]

    def reconfigure(self, now: Instant, config: ClusterConfig) -> None:
        """Take other nodes, links and heartbeats; a ping that waits comes no later than they say."""
        self._configure(now, config)
        for link, due in self._ping_at.items():
            self._ping_at[link] = min(due, now + self._options[link].ping_interval)
        self._plan()

    def _configure(self, now: Instant, config: ClusterConfig) -> None:
        """Take a configuration; what is new in it is pinged at `now`."""
        self._options = _link_options(config)
        self._overslept_ms = _overslept_ms(self._options)
        self._block_unlisted = config.totem.block_unlisted_ips
        mode, known = config.totem.link_mode, self._peers
        self._peers = {}
        for entry in sorted(config.nodes, key=lambda entry: entry.nodeid):
            if entry.nodeid == config.local:
                continue
            peer = known.get(entry.nodeid) or Peer(
                entry, self._options, link_mode=mode, new_path=self._paths.new
            )
            before = dict(peer.addresses)
            peer.configure(entry, self._options, link_mode=mode)
            self._peers[entry.nodeid] = peer
            for link, address in peer.addresses.items():
                if entry.nodeid not in known or before.get(link) != address:
                    self._ping_at[link] = min(now, self._ping_at.get(link, now))
        self._ping_at = {link: self._ping_at.get(link, now) for link in self._options}
        for link in self._options:
            self._counters.setdefault(link, 0)
        self._paths.resize(self._peers.values())

    @property
    def next_is_used(self) -> bool:
        """Whether a peer seals with the key that comes next: then all members hold it."""
        return self._next_is_used

    def use_keys(self, keys: KeySet) -> None:
        """Seal with `keys.active` from the next packet on; accept all of `keys`."""
        self._keyring.install(keys)
        self._key = self._keyring.key(self._me, self._epoch)
        self._next_is_used = False

    def start(self, now: Instant) -> list[LinkEffect]:
        """Begin: ping every peer on every link."""
        effects: list[LinkEffect] = []
        if self._keyring.clear:
            effects.append(
                Noted(
                    "cleartext",
                    "Crypto is off: whoever reaches the ring's port can read and forge its"
                    " packets. Set totem.crypto_cipher to aes256 and distribute an authkey.",
                )
            )
        if self._peers:
            for link in self._ping_at:
                effects += self._ping_all(now, link)
        self._plan()
        return effects

    def wake(self, now: Instant) -> list[LinkEffect]:
        """Send the pings that are due; lower the links whose pongs stay away."""
        if now < self._quiet_until:
            return []
        late = now - self.deadline
        if late > self._overslept_ms:
            for peer in self._peers.values():
                for heartbeat in peer.heartbeats.values():
                    heartbeat.overslept(now, late)
        effects = self._lower(now) if now >= self._all_up_until else []
        for link in self._ping_at:
            if now >= self._may_ping_at(link):
                effects += self._ping_all(now, link)
        effects += self._probe_paths(now)
        self._plan()
        return effects

    def _lower(self, now: Instant) -> list[LinkEffect]:
        """Lower the links whose time has come."""
        lowered: list[LinkEffect] = [
            LinkChanged(peer.nodeid, link, up=False)
            for peer in self._peers.values()
            for link in peer.woken(now)
        ]
        if lowered:
            self._paths.resize(self._peers.values())
        return lowered

    def _probe_paths(self, now: Instant) -> list[LinkEffect]:
        """Send the probes that are due; take note of what none has come through."""
        effects: list[LinkEffect] = []
        if now < self._probe_at:
            return effects
        for peer in self._peers.values():
            for link, size in peer.probes(now):
                padding = bytes(size - wire.HEADER_BYTES - self._keyring.overhead)
                sealed = self._seal(Kind.PROBE, peer.nodeid, link, padding)
                effects.append(_address(peer, link, sealed, whole=True))
            effects += self._paths.news(peer)
        self._paths.resize(self._peers.values())
        dues = [peer.probe_at(link) for peer in self._peers.values() for link in peer.paths]
        self._probe_at = min(dues, default=NEVER)
        return effects

    def doubt_paths(self, now: Instant, nodes: Iterable[NodeId]) -> None:
        """These nodes miss what the ring sends: trust no way to them with large packets until it is measured anew."""
        for node in nodes:
            if node in self._peers:
                self._peers[node].doubt_paths(now)
        self._paths.resize(self._peers.values())
        self._probe_at = now
        self._plan()

    def mtu(self, peer: NodeId, link: int) -> int:
        """Return the MTU of the path, headers of IP and UDP included; 0 if nothing large passes."""
        return path_mtu(self._peers[peer], link)

    def send(self, now: Instant, data: bytes, to: NodeId | None) -> list[SendPacket]:
        """Send a frame to one peer, or to all of them (None); one above `frame_max` in several datagrams."""
        if to is None:
            peers = list(self._peers.values())
        else:
            # A node that was taken out of the list may still be the next member for a moment.
            peers = [self._peers[to]] if to in self._peers else []
        target = EVERYBODY if to is None else to
        self._frame_number += 1
        packets: list[SendPacket] = []
        for fragment in split(data, self._frame_number, self._paths.room):
            body = wire.pack_fragment(fragment)
            # All peers share a key of ours, so a packet for everybody is sealed once a link.
            sealed: dict[int, bytes] = {}
            for peer in peers:
                for link in peer.route():
                    if link not in sealed:
                        sealed[link] = self._seal(Kind.DATA, target, link, body)
                    packets.append(_address(peer, link, sealed[link]))
        return packets

    def receive(self, now: Instant, packet: PacketReceived) -> tuple[list[Frame], list[LinkEffect]]:
        """Take a datagram from the world; whatever is wrong with it, it is counted and dropped."""
        frames: list[Frame] = []
        effects: list[LinkEffect] = []
        try:
            header = wire.parse_header(packet.data)
            peer = self._admit(header, packet)
            epoch = self._find_epoch(peer, header)
            held = Held(header, _open(epoch, header, packet.data))
            if header.key_id != self._keyring.key_id:
                self._notice_key(header.key_id)
            if epoch is peer.epochs.proven:
                frames = self._believe(now, peer, held, effects)
            else:
                frames = self._doubt(now, peer, epoch, held, effects)
        except Refused as refused:
            self._drop(refused.drop, packet, effects)
        return frames, effects

    def _notice_key(self, key_id: int) -> None:
        """An authentic packet came under another of our keys."""
        coming = self._keyring.keys.next
        if coming is not None and coming.key_id == key_id:
            self._next_is_used = True

    def _admit(self, header: wire.Header, packet: PacketReceived) -> Peer:
        """Judge the header alone, cheapest test first; nothing here is authentic yet."""
        if header.sender == self._me:
            raise Refused(Drop.OWN)
        peer, link = self._peers.get(header.sender), packet.link
        if peer is None:
            raise Refused(Drop.UNKNOWN_SENDER)
        if header.link != link or link not in peer.addresses:
            raise Refused(Drop.WRONG_LINK)
        if header.target != self._me and header.target != EVERYBODY:  # noqa: PLR1714 - no set each time
            raise Refused(Drop.MISDIRECTED)
        if not self._keyring.accepts(header.key_id):
            raise Refused(self._unfit_key(header.key_id))
        if self._block_unlisted and not peer.lives_at(link, packet.address):
            raise Refused(Drop.UNLISTED_ADDRESS)
        return peer

    def _unfit_key(self, key_id: int) -> Drop:
        if self._keyring.clear:
            return Drop.UNKNOWN_KEY
        return Drop.WRONG_KEY if key_id else Drop.CLEAR

    def _find_epoch(self, peer: Peer, header: wire.Header) -> Epoch:
        """Return the boot that the packet claims; a new one is not remembered yet."""
        epoch = peer.epochs.get(header.epoch)
        if epoch is None and peer.epochs.is_retired(header.epoch):
            raise Refused(Drop.STALE_EPOCH)
        if epoch is None:
            keys = SenderKeys(self._keyring, header.sender, header.epoch)
            return Epoch(keys, dict(self._counters))
        if epoch is peer.epochs.proven and not epoch.fresh(header.link, header.counter):
            raise Refused(Drop.REPLAYED)
        return epoch

    def _doubt(
        self, now: Instant, peer: Peer, epoch: Epoch, held: Held, effects: list[LinkEffect]
    ) -> list[Frame]:
        """Take an authentic packet of a boot that may be over."""
        header = held.header
        if peer.epochs.get(header.epoch) is None:
            self._count(Drop.UNVERIFIED, peer.epochs.add(header.epoch, epoch))
        if header.kind is Kind.PONG:
            pong = wire.parse_pong(held.body)
            if peer.heartbeats[header.link].asked(pong.nonce):
                return self._prove(now, peer, held, pong, effects)
            self._count(Drop.UNASKED)
        elif header.kind is Kind.PING:
            effects.append(self._pong(peer, epoch, held))
        elif header.kind is not Kind.DATA or not epoch.hold(held):
            self._count(Drop.UNVERIFIED)
        if peer.may_challenge(now):
            effects.append(self._ping(now, peer, header.link))
        return []

    def _prove(
        self, now: Instant, peer: Peer, held: Held, pong: wire.Pong, effects: list[LinkEffect]
    ) -> list[Frame]:
        """Believe a boot from now on, since it has answered a fresh nonce."""
        if peer.epochs.proven is not None:
            text = f"The daemon of node {peer.nodeid} was started anew."
            effects.append(Noted(RESTARTED, text, (peer.nodeid,)))
        waiting = peer.epochs.prove(held.header.epoch, pong.anchors)
        try:
            frames = self._believe(now, peer, held, effects)
        finally:
            peer.forget_questions()
        for one in waiting:
            try:
                frames += self._believe(now, peer, one, effects)
            except Refused as refused:
                replayed = refused.drop is Drop.REPLAYED
                self._count(Drop.UNPROVEN if replayed else refused.drop)
        return frames

    def _believe(
        self, now: Instant, peer: Peer, held: Held, effects: list[LinkEffect]
    ) -> list[Frame]:
        """Take an authentic packet of the peer's living boot, once."""
        epoch = peer.epochs.proven
        assert epoch is not None
        header = held.header
        if not epoch.accept(header.link, header.counter):
            raise Refused(Drop.REPLAYED)
        peer.heard_at = now
        if header.kind is Kind.DATA:
            return self._collect(peer, epoch, held.body)
        if header.kind is Kind.PING:
            effects.append(self._pong(peer, epoch, held))
            return []
        if header.kind is Kind.PROBE:
            effects.append(self._answer_probe(peer, held))
            return []
        if header.kind is Kind.PROBED:
            path = peer.paths[header.link]
            if path.passed(now, wire.parse_probed(held.body)):
                peer.turned()
                self._paths.resize(self._peers.values())
            effects += self._paths.news(peer)
            self._probe_at = min(self._probe_at, path.due)
            self._plan()
            return []
        nonce = wire.parse_pong_nonce(held.body)
        heartbeat = peer.heartbeats[header.link]
        if not heartbeat.asked(nonce):
            raise Refused(Drop.UNASKED)
        if heartbeat.ponged(now, nonce) is Turn.RAISED:
            peer.paths[header.link].begin(now)
            self._probe_at = now
            peer.turned()
            self._paths.resize(self._peers.values())
            self.deadline = min(self.deadline, heartbeat.down_at)
            self._all_up_until = self._quiet_until = -NEVER
            effects.append(LinkChanged(peer.nodeid, header.link, up=True))
        return []

    def _collect(self, peer: Peer, epoch: Epoch, body: bytes) -> list[Frame]:
        """Add a fragment; return the frame that it completes."""
        reclaimed = epoch.frames.reclaimed
        frame = epoch.frames.add(wire.parse_fragment(body))
        self._count(Drop.RECLAIMED, epoch.frames.reclaimed - reclaimed)
        return [] if frame is None else [Frame(peer.nodeid, frame)]

    def _ping_all(self, now: Instant, link: int) -> list[SendPacket]:
        self._ping_at[link] = now + self._options[link].ping_interval
        return [
            self._ping(now, peer, link) for peer in self._peers.values() if link in peer.heartbeats
        ]

    def _ping(self, now: Instant, peer: Peer, link: int) -> SendPacket:
        nonce = self._rng.getrandbits(64)
        peer.heartbeats[link].pinged(now, nonce)
        sealed = self._seal(Kind.PING, peer.nodeid, link, wire.pack_ping(nonce))
        return _address(peer, link, sealed)

    def _pong(self, peer: Peer, epoch: Epoch, ping: Held) -> SendPacket:
        pong = wire.Pong(wire.parse_ping(ping.body), epoch.anchors)
        link = ping.header.link
        sealed = self._seal(Kind.PONG, peer.nodeid, link, wire.pack_pong(pong))
        return _address(peer, link, sealed)

    def _answer_probe(self, peer: Peer, probe: Held) -> SendPacket:
        size = wire.HEADER_BYTES + self._keyring.overhead + len(probe.body)
        link = probe.header.link
        return _address(
            peer, link, self._seal(Kind.PROBED, peer.nodeid, link, wire.pack_probed(size))
        )

    def _seal(self, kind: Kind, target: NodeId, link: int, body: bytes) -> bytes:
        """Build a datagram under the next counter of the link."""
        counter = self._counters[link] + 1
        self._counters[link] = counter
        key_id = self._keyring.key_id
        header = wire.pack_header(
            wire.Header(kind, self._me, target, key_id, link, self._epoch, counter)
        )
        return header + self._key.seal(link, counter, header, body)

    def _plan(self) -> None:
        """Compute the next deadline. Between wake-ups pongs only put it off."""
        downs = [
            heartbeat.down_at
            for peer in self._peers.values()
            for heartbeat in peer.heartbeats.values()
        ]
        probes = [path.urgent_at for peer in self._peers.values() for path in peer.paths.values()]
        pings = min(self._ping_at.values())
        self.deadline = min([pings, *downs, *probes])
        self._all_up_until = -NEVER if NEVER in downs else min(downs, default=NEVER)
        # While all links are up and pings come first, nothing but a ping or a probe is due at a wake-up.
        quiet = self.deadline == pings <= self._all_up_until
        soonest = min(map(self._may_ping_at, self._ping_at))
        self._quiet_until = min(self._probe_at, soonest) if quiet else -NEVER

    def _may_ping_at(self, link: int) -> Instant:
        """Return when the pings of a link may leave, if there is a wake-up."""
        return self._ping_at[link] - self._options[link].ping_interval // SLACK_FRACTION

    def _count(self, drop: Drop, times: int = 1) -> None:
        if times:
            self.dropped[drop.value] = self.dropped.get(drop.value, 0) + times

    def _drop(self, drop: Drop, packet: PacketReceived, effects: list[LinkEffect]) -> None:
        """Count a datagram; note the first of a kind that somebody can do something about."""
        if drop in ADVICE and drop.value not in self.dropped:
            text = f"{packet.address} (link {packet.link}) {ADVICE[drop]}"
            effects.append(Noted("packets-refused", text))
        self._count(drop)


def _address(peer: Peer, link: int, data: bytes, *, whole: bool = False) -> SendPacket:
    to = peer.addresses[link]
    return SendPacket(link, to.address, to.port, data, whole)


def _open(epoch: Epoch, header: wire.Header, datagram: bytes) -> bytes:
    """Return the body of a datagram; raise `Refused` unless the epoch's key sealed it so."""
    clear, sealed = datagram[: wire.HEADER_BYTES], datagram[wire.HEADER_BYTES :]
    body = epoch.keys.open(header.key_id, header.link, header.counter, clear, sealed)
    if body is None:
        raise Refused(Drop.WRONG_KEY)
    return body


def _link_options(config: ClusterConfig) -> dict[int, LinkOptions]:
    """Return the options of each link of this node, defaults where the file says nothing."""
    links = sorted(config.node(config.local).links)
    assert links
    given = {options.linknumber: options for options in config.links}
    return {link: given.get(link, LinkOptions(link)) for link in links}


def _overslept_ms(links: dict[int, LinkOptions]) -> Millis:
    return min(options.ping_interval for options in links.values()) // OVERSLEPT_FRACTION
