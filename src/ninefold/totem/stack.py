"""The whole layer as one machine: links below, the ring in the middle, process groups on top.

`events` is its surface. What one part inside hands to another is passed on within the same step,
in order.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol, TypeAlias, assert_never

import msgspec

from ninefold.totem.codec import MCAST_OVERHEAD
from ninefold.totem.events import (
    Effect,
    Event,
    Joined,
    KeysNotSaved,
    KeysSaved,
    Leaving,
    Left,
    LinkChanged,
    Noted,
    PacketReceived,
    ProbeAnswered,
    ProbeKernel,
    RingChanged,
    RingIdSaved,
    Rotate,
    SaveRingSeq,
    SendPacket,
    Started,
    Statistics,
    Submitted,
    Synchronize,
    Woke,
)
from ninefold.totem.gather import DEAF
from ninefold.totem.groups import Groups, Word
from ninefold.totem.links import RESTARTED, Links
from ninefold.totem.messages import PAYLOAD_MAX
from ninefold.totem.numbers import MARK_BITS
from ninefold.totem.outlook import LinkOutlook, RingOutlook
from ninefold.totem.ring import Ring
from ninefold.totem.ring_core import FrameDelivered, SendFrame
from ninefold.totem.rotation import ANNEX, Rotation, Say

if TYPE_CHECKING:
    import random
    from collections.abc import Iterable, Sequence

    from ninefold.config.model import ClusterConfig
    from ninefold.core.ids import NodeId, RingId
    from ninefold.core.instants import Instant, Millis
    from ninefold.totem.keys import KeySet
    from ninefold.totem.ring_core import RingEffect, RingState
    from ninefold.totem.rotation import RotationEffect

# A frame is wrapped once more when it is carried over in recovery, and must still fit.
FRAME_OVERHEAD: Final = 2 * MCAST_OVERHEAD

# A wake-up later than this fraction of the token timeout is a scheduling miss; four of them in a row and
# the token is lost, so an operator should know of the first.
LATE_FRACTION: Final = 5

LinkEffect: TypeAlias = SendPacket | LinkChanged | Noted


class ReceivedFrame(Protocol):
    """A whole frame of an authenticated peer."""

    @property
    def sender(self) -> NodeId:
        """Who sent it."""

    @property
    def data(self) -> bytes:
        """What the ring encoded."""


class LinkLayer(Protocol):
    """What the stack asks of the links; `Links` is one."""

    @property
    def deadline(self) -> Instant:
        """Wake me no later than this."""

    @property
    def frame_max(self) -> int:
        """The largest frame, in bytes."""

    @property
    def dropped(self) -> dict[str, int]:
        """Packets that were not used, by reason."""

    def start(self, now: Instant) -> Sequence[LinkEffect]:
        """Begin."""

    def reconfigure(self, now: Instant, config: ClusterConfig) -> None:
        """Take other nodes, links and heartbeats."""

    def wake(self, now: Instant) -> Sequence[LinkEffect]:
        """Do what is due."""

    def receive(
        self, now: Instant, packet: PacketReceived
    ) -> tuple[Sequence[ReceivedFrame], Sequence[LinkEffect]]:
        """Take a datagram; return the frames that it completes."""

    def send(self, now: Instant, data: bytes, to: NodeId | None) -> Sequence[SendPacket]:
        """Return the datagrams that carry a frame to one peer, or to all."""

    def last_heard(self, peer: NodeId) -> Instant:
        """When any authentic packet of `peer` came last on any link."""

    def addresses(self, peer: NodeId) -> list[tuple[int, str]]:
        """Return (link, address) of each link to `peer`."""

    @property
    def next_is_used(self) -> bool:
        """Whether a peer seals with the key that comes next."""

    def use_keys(self, keys: KeySet) -> None:
        """Seal with `keys.active`; accept all of `keys`."""

    def doubt_paths(self, now: Instant, nodes: Iterable[NodeId]) -> None:
        """Send nothing large to these nodes until it is known anew what passes."""

    def link_up(self, peer: NodeId, link: int) -> bool:
        """Whether that link to that peer is up."""

    def round_trip_ms(self, peer: NodeId, link: int) -> Millis:
        """Return the average round trip on that link to that peer."""

    def mtu(self, peer: NodeId, link: int) -> int:
        """Return the MTU of the path of that link to that peer, 0 if it carries nothing large."""


class Stack:
    """Membership and total order for one node."""

    def __init__(
        self,
        config: ClusterConfig,
        *,
        keys: KeySet,
        ring_seq: int,
        epoch: bytes,
        rng: random.Random,
        links: LinkLayer | None = None,
    ) -> None:
        self._links: LinkLayer = links or Links(config, keys=keys, epoch=epoch, rng=rng)
        self._peers = tuple(sorted(e.nodeid for e in config.nodes if e.nodeid != config.local))
        options = config.totem
        self.rotation = Rotation(
            config.local,
            [entry.nodeid for entry in config.nodes],
            keys,
            clear=options.crypto_cipher == "none" and options.crypto_hash == "none",
        )
        self._statistics = Statistics()
        self._late_ms = max(1, config.totem.token // LATE_FRACTION)
        self._groups = Groups(
            config.local,
            frame_bytes=self._frame_bytes,
            statistics=self._statistics,
        )
        self._ring = Ring(
            config,
            ring_seq=ring_seq,
            mark=int.from_bytes(epoch, "big") % 2**MARK_BITS,
            network=self._links,
            source=self._groups,
            statistics=self._statistics,
            rng=rng,
        )

    @property
    def _frame_bytes(self) -> int:
        """What of a datagram is left to the groups."""
        return min(self._links.frame_max, PAYLOAD_MAX) - FRAME_OVERHEAD

    @property
    def state(self) -> RingState:
        """Where this node is in the life of its ring."""
        return self._ring.state

    @property
    def ring(self) -> RingId:
        """The ring last installed."""
        return self._ring.ring

    @property
    def members(self) -> tuple[NodeId, ...]:
        """The members of the ring last installed, sorted."""
        return self._ring.members

    @property
    def backlog(self) -> int:
        """Bytes of group messages that wait to be sent."""
        return self._groups.queued_bytes

    @property
    def congested(self) -> bool:
        """Whether those above should submit nothing more for now."""
        return self._groups.congested

    @property
    def statistics(self) -> Statistics:
        """What was counted, drops of all parts together."""
        dropped = {**self._statistics.dropped}
        for reason, count in self._links.dropped.items():
            dropped[reason] = dropped.get(reason, 0) + count
        return msgspec.structs.replace(self._statistics, dropped=dropped)

    def links_up(self) -> dict[NodeId, dict[int, bool]]:
        """Return the state of each link to each peer."""
        return {
            peer: {link: self._links.link_up(peer, link) for link, _ in self._links.addresses(peer)}
            for peer in self._peers
        }

    def reconfigure(self, now: Instant, config: ClusterConfig) -> list[Effect]:
        """Take timers, nodes and links of another configuration (`config.reload`)."""
        nodes = sorted(entry.nodeid for entry in config.nodes)
        listed = tuple(node for node in nodes if node != config.local)
        same, self._peers = listed == self._peers, listed
        self._late_ms = max(1, config.totem.token // LATE_FRACTION)
        self._links.reconfigure(now, config)
        self._ring.reconfigure(config)
        if same or self.rotation.clear:
            return []
        return self._submit(now, self._rotated(self.rotation.reconfigure(now, nodes)))

    def reform(self, now: Instant, why: str) -> list[Effect]:
        """Form the ring anew with the same members, if it stands."""
        return self._perform(now, self._ring.reform(now, why))

    def outlook(self, now: Instant) -> RingOutlook:
        """Return the ring as this node sees it, links and all."""
        seen = self._ring.outlook(now)
        peers = {
            peer: msgspec.structs.replace(found, links=self._links_to(peer))
            for peer, found in seen.peers.items()
        }
        keys = None if self.rotation.clear else self.rotation.outlook()
        return msgspec.structs.replace(seen, peers=peers, keys=keys)

    def _links_to(self, peer: NodeId) -> dict[int, LinkOutlook]:
        links = self._links
        return {
            link: LinkOutlook(
                address,
                links.link_up(peer, link),
                links.round_trip_ms(peer, link),
                links.mtu(peer, link),
            )
            for link, address in links.addresses(peer)
        }

    @property
    def deadline(self) -> Instant:
        """Wake me no later than this."""
        return min(
            self._links.deadline,
            self._ring.deadline,
            self._groups.deadline,
            self.rotation.deadline,
        )

    def step(self, now: Instant, event: Event) -> list[Effect]:
        """Take one event at `now`; return effects in the order of their durability."""
        match event:
            case PacketReceived():
                return self._on_packet(now, event)
            case Woke():
                return self._on_woke(now)
            case Started():
                return [*self._links.start(now), *self._perform(now, self._ring.start(now))]
            case RingIdSaved(seq):
                return self._perform(now, self._ring.saved(now, seq))
            case ProbeAnswered(peer):
                return self._perform(now, self._ring.probe_answered(now, peer))
            case Leaving():
                return self._perform(now, self._ring.leave(now))
            case Synchronize(ring, annexes):
                self._groups.synchronize(ring, self._with_keys(annexes))
                return self._perform(now, ())
            case Rotate(key, without):
                return self._submit(now, self._rotated(self.rotation.rotate(key, without)))
            case KeysSaved(keys):
                self._links.use_keys(keys)
                return self._submit(now, self._rotated(self.rotation.saved(now, keys)))
            case KeysNotSaved(reason):
                return self._submit(now, self._rotated(self.rotation.not_saved(now, reason)))
            case Joined(group, pid):
                return self._submit(now, self._groups.join(group, pid))
            case Left(group, pid):
                return self._submit(now, self._groups.leave(group, pid))
            case Submitted(group, pid, payload, safe):
                return self._submit(now, self._groups.submit(group, pid, payload, safe=safe))
            case _:
                assert_never(event)

    def check_invariants(self) -> None:
        """Assert what must hold between any two steps."""
        self._ring.check_invariants()

    def _on_packet(self, now: Instant, packet: PacketReceived) -> list[Effect]:
        frames, effects = self._links.receive(now, packet)
        done: list[Effect] = [*effects]
        for effect in effects:
            if isinstance(effect, Noted) and effect.what == RESTARTED:
                self._ring.forgive(effect.nodes)
        for frame in frames:
            done += self._perform(now, self._ring.receive(now, frame.sender, frame.data))
        if self._links.next_is_used:
            done += self._submit(now, self._rotated(self.rotation.on_next_used(now)))
        return done

    def _with_keys(self, annexes: dict[str, bytes]) -> dict[str, bytes]:
        return annexes if self.rotation.clear else {**annexes, ANNEX: self.rotation.annex()}

    def _rotated(self, effects: Iterable[RotationEffect]) -> list[Effect]:
        """Turn the rotation's effects into the layer's; what it says waits for the token."""
        done: list[Effect] = []
        for effect in effects:
            if isinstance(effect, Say):
                done += self._groups.say(effect.data)
            else:
                done.append(effect)
        return done

    def _on_news(self, now: Instant) -> list[Effect]:
        """Hand on what members have told the layer itself."""
        news = self._groups.news[:]
        self._groups.news.clear()
        done: list[Effect] = []
        for one in news if not self.rotation.clear else ():
            if isinstance(one, Word):
                done += self._rotated(self.rotation.on_message(now, one.sender, one.data))
            else:
                held = {node: brought.get(ANNEX, b"") for node, brought in one.annexes.items()}
                done += self._rotated(self.rotation.on_activated(now, held))
        return done

    def _on_woke(self, now: Instant) -> list[Effect]:
        self._notice_lateness(now - self.deadline)
        done: list[Effect] = [*self._links.wake(now)]
        lowered = [e.peer for e in done if isinstance(e, LinkChanged) and not e.up]
        if lowered:
            done += self._perform(now, self._ring.rerouted(now, lowered))
        self._groups.resize(self._frame_bytes)
        done += self._perform(now, self._ring.wake(now))
        missing = self._groups.overdue(now)
        if missing:
            done.append(Noted("sync-timeout", "Some members do not synchronise.", missing))
            done += self._perform(now, self._ring.expel(now, missing))
        if now >= self.rotation.deadline:
            done += self._submit(now, self._rotated(self.rotation.wake(now)))
        return done

    def _notice_lateness(self, late: Millis) -> None:
        """Count a wake-up that came so late that the ring may have taken us for dead."""
        if late <= self._late_ms:
            return
        counted = self._statistics
        counted.scheduling_misses += 1
        counted.scheduling_miss_max_ms = max(counted.scheduling_miss_max_ms, late)

    def _submit(self, now: Instant, effects: Iterable[Effect]) -> list[Effect]:
        return [*effects, *self._perform(now, ())]

    def _perform(self, now: Instant, effects: Sequence[RingEffect]) -> list[Effect]:
        """Turn the ring's effects into the layer's; go on while there are frames to send."""
        done: list[Effect] = []
        while True:
            for effect in effects:
                self._perform_one(now, effect, done)
            effects = self._ring.new_frames(now)
            if not effects:
                return done

    def _perform_one(self, now: Instant, effect: RingEffect, done: list[Effect]) -> None:
        match effect:
            case SendFrame(data, to):
                done += self._links.send(now, data, to)
            case FrameDelivered(sender, payload):
                done += self._groups.on_frame(sender, payload)
                if self._groups.news:
                    done += self._on_news(now)
            case RingChanged():
                self.rotation.unsettle()
                self._groups.on_ring_changed(now, effect)
                done.append(effect)
            case SaveRingSeq() | ProbeKernel() | Noted():
                if isinstance(effect, Noted) and effect.what == DEAF:
                    self._links.doubt_paths(now, effect.nodes)
                done.append(effect)
            case _:
                assert_never(effect)
