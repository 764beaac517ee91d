"""A cluster of quorum machines on an ideal ring: what is synchronised or sent is delivered at once."""

from __future__ import annotations

from typing import Any

import pytest

from ninefold.config.model import (
    ClusterConfig,
    LinkAddress,
    NodeEntry,
    QuorumOptions,
    TotemOptions,
)
from ninefold.core.ids import RingId
from ninefold.quorum.events import (
    CancelWaitForAll,
    Effect,
    Event,
    InfoReceived,
    Refused,
    RingLost,
    SaveExpected,
    SendInfo,
    SetExpected,
    Synced,
    Verdict,
    Woke,
)
from ninefold.quorum.machine import Quorum


class QuorumCluster:
    """Nodes 1..n with their votes; `ring` puts some of them on a new ring."""

    def __init__(self, votes: list[int], **options: Any) -> None:
        self.nodes = tuple(
            NodeEntry(i, f"n{i}", {0: LinkAddress(f"10.0.0.{i}", 5405)}, vote)
            for i, vote in enumerate(votes, start=1)
        )
        self.options = QuorumOptions(provider="corosync_votequorum", **options)
        self.now = 0
        self.seq = 0
        self.refused: list[str] = []
        self.members: dict[int, tuple[int, ...]] = {}
        self.machines: dict[int, Quorum] = {}
        # The highest expected votes that each node has kept on its disk.
        self.disks: dict[int, int] = {}

    def config(self, node: int) -> ClusterConfig:
        return ClusterConfig(node, self.nodes, TotemOptions(), (), self.options)

    def start(self, *nodes: int) -> None:
        for node in nodes:
            self.machines[node] = Quorum(self.config(node), floor=self.disks.get(node, 0))

    def stop(self, *nodes: int) -> None:
        for node in nodes:
            del self.machines[node]
            self.members.pop(node, None)

    def ring(
        self,
        *nodes: int,
        left_cleanly: tuple[int, ...] = (),
        activated: tuple[int, ...] | None = None,
        silent: tuple[int, ...] = (),
    ) -> bool:
        """Form a ring; `activated` limits who gets that far, `silent` who is heard after it."""
        members = tuple(sorted(nodes))
        self.seq += 4
        for node in members:
            self._step(node, RingLost())
        ring = RingId(self.seq, members[0])
        infos = {node: self.machines[node].info() for node in members}
        sent: list[tuple[int, bytes]] = []
        for node in members if activated is None else activated:
            effects = self._step(node, Synced(ring, members, infos, left_cleanly))
            self.members[node] = members
            sent += [(node, e.data) for e in effects if isinstance(e, SendInfo)]
        if activated is None:
            self._deliver(members, [message for message in sent if message[0] not in silent])
        return self.quorate(*members) if activated is None else False

    def do(self, node: int, event: Event) -> None:
        """Step one node and deliver what comes of it to its ring."""
        effects = self._step(node, event)
        self.refused += [e.reason for e in effects if isinstance(e, Refused)]
        sent = [(node, e.data) for e in effects if isinstance(e, SendInfo)]
        self._deliver(self.members[node], sent)

    def set_expected(self, node: int, votes: int) -> None:
        self.do(node, SetExpected(votes))

    def cancel_waiting(self, node: int) -> None:
        self.do(node, CancelWaitForAll())

    def advance(self, millis: int) -> None:
        until = self.now + millis
        while True:
            due = min(self.machines, key=lambda node: (self.machines[node].deadline, node))
            if self.machines[due].deadline > until:
                break
            self.now = self.machines[due].deadline
            self.do(due, Woke())
        self.now = until

    def quorate(self, *nodes: int) -> bool:
        """The verdict that all of them share."""
        verdicts = {node: self.machines[node].quorate for node in nodes}
        assert len(set(verdicts.values())) == 1, f"one ring, two verdicts: {verdicts}"
        return next(iter(verdicts.values()))

    def verdict(self, node: int) -> Verdict:
        return self.machines[node].verdict

    def _step(self, node: int, event: Event) -> list[Effect]:
        effects = self.machines[node].step(self.now, event)
        for effect in effects:
            if isinstance(effect, SaveExpected):
                self.disks[node] = effect.votes
        return effects

    def _deliver(self, members: tuple[int, ...], queue: list[tuple[int, bytes]]) -> None:
        # Infos and proposals settle after a few rounds; more would be an endless exchange.
        for _ in range(200):
            if not queue:
                return
            sender, data = queue.pop(0)
            for node in members:
                effects = self._step(node, InfoReceived(sender, data))
                queue += [(node, e.data) for e in effects if isinstance(e, SendInfo)]
        pytest.fail("the members never stop talking")
