"""Which silent peers are dead: the evidence of links and kernels.

A peer shows a sign of life when any packet of it is heard on any link, or when its kernel answers
a probe. After half a token timeout without hearing from it we ask its kernel every tenth of the
token. It is *dead* when neither it nor its kernel gave a sign for a whole token timeout, and at
least three probes, the first of them a quarter of the token ago, went unanswered since. So no peer
is ever found dead earlier than one token timeout after it was last heard, and a paused daemon,
whose kernel answers, is not found dead at all.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from ninefold.core.instants import NEVER, Instant
from ninefold.totem.events import ProbeKernel

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ninefold.config.model import TotemOptions
    from ninefold.core.ids import NodeId
    from ninefold.totem.ring_core import Network

# One probe may be lost, two in a bad moment; three over a quarter of the token are a verdict.
PROBES_MIN: Final = 3
# Corosync's floor for every timer (three ticks of a 100 Hz clock).
PROBE_INTERVAL_MS_MIN: Final = 30


class _Silence(msgspec.Struct):
    """Probes sent to one peer since its last sign of life."""

    first_at: Instant
    last_at: Instant
    count: int


class Evidence:
    """Signs of life of every peer of interest."""

    def __init__(self, options: TotemOptions, network: Network) -> None:
        self.configure(options)
        self._network = network
        self._since: Instant = 0
        self._answered: dict[NodeId, Instant] = {}
        self._silences: dict[NodeId, _Silence] = {}

    def configure(self, options: TotemOptions) -> None:
        """Take timers, from now on."""
        self._enabled = options.kernel_probe
        self._token = options.token
        self._interval = max(PROBE_INTERVAL_MS_MIN, options.token // 10)

    def restart(self, now: Instant) -> None:
        """We were not there to listen (started, or paused): silence counts from now."""
        self._since = now
        self._silences.clear()

    def answered(self, now: Instant, peer: NodeId) -> None:
        """Take note that the kernel of `peer` answered."""
        self._answered[peer] = now

    def heard_at(self, peer: NodeId) -> Instant:
        """When the peer itself was last heard, no earlier than we began to listen."""
        return max(self._since, self._network.last_heard(peer))

    def silent(self, now: Instant, peer: NodeId) -> bool:
        """Whether nothing was heard of the peer itself for a whole token timeout."""
        return now - self.heard_at(peer) >= self._token

    def kernel_lives(self, peer: NodeId) -> bool:
        """Whether the kernel answered since the peer fell silent."""
        return self._answered.get(peer, -1) > self.heard_at(peer)

    def dead(self, now: Instant, peers: Iterable[NodeId]) -> frozenset[NodeId]:
        """Return those of `peers` that are dead by the rule of this module."""
        if not self._enabled:
            return frozenset()
        return frozenset(peer for peer in peers if self._is_dead(now, peer))

    def probes(self, now: Instant, peers: Iterable[NodeId]) -> list[ProbeKernel]:
        """Return the probes that are due, one per link of each silent peer."""
        if not self._enabled:
            return []
        due = []
        for peer in peers:
            if now < self._probe_at(peer):
                continue
            self._count_probe(now, peer)
            due += [ProbeKernel(peer, *place) for place in self._network.addresses(peer)]
        return due

    def next_at(self, now: Instant, peers: Iterable[NodeId]) -> Instant:
        """Return when the next probe is due or a peer's silence is complete."""
        if not self._enabled:
            return NEVER
        earliest = NEVER
        for peer in peers:
            earliest = min(earliest, self._probe_at(peer))
            ripe = self._sign_at(peer) + self._token
            if ripe > now:
                earliest = min(earliest, ripe)
        return max(earliest, now + 1)

    def _sign_at(self, peer: NodeId) -> Instant:
        return max(self.heard_at(peer), self._answered.get(peer, 0))

    def _is_dead(self, now: Instant, peer: NodeId) -> bool:
        sign = self._sign_at(peer)
        silence = self._silences.get(peer)
        if silence is None or silence.first_at < sign:
            return False
        complete = now - sign >= self._token
        asked = silence.count >= PROBES_MIN and now - silence.first_at >= self._token // 4
        return complete and asked

    def _probe_at(self, peer: NodeId) -> Instant:
        at = self.heard_at(peer) + self._token // 2
        silence = self._silences.get(peer)
        return at if silence is None else max(at, silence.last_at + self._interval)

    def _count_probe(self, now: Instant, peer: NodeId) -> None:
        silence = self._silences.get(peer)
        if silence is None or silence.first_at <= self._sign_at(peer):
            self._silences[peer] = _Silence(now, now, 1)
            return
        silence.last_at = now
        silence.count += 1
