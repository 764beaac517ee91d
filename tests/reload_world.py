"""Members that reload their files on ideal rings that break at any place of their order.

Each node has the two machines that a reload is about, and a file. A ring is a list of messages; every
member has a place in it. Those that leave a ring together for the same next one have heard the same
(extended virtual synchrony), others may have heard less or more.
"""

from __future__ import annotations

import msgspec

from ninefold.config.model import (
    ClusterConfig,
    LinkAddress,
    LinkOptions,
    NodeEntry,
    QuorumOptions,
    TotemOptions,
)
from ninefold.config.reload import both
from ninefold.core.ids import RingId
from ninefold.core.instants import NEVER
from ninefold.node.reload import Answered, Promises, ReadFile, ReloadEffect, Reloads, Say, Take
from ninefold.node.reload_messages import MARK, Round
from ninefold.quorum import events as quorum
from ninefold.quorum.machine import Quorum


def conf(votes: dict[int, int], version: int = 1, **options: object) -> ClusterConfig:
    """What a file says: the nodes with their votes. `local` is put in by whoever reads it."""
    nodes = tuple(
        NodeEntry(node, f"n{node}", {0: LinkAddress(f"10.0.0.{node}", 5405)}, count)
        for node, count in sorted(votes.items())
    )
    voting = msgspec.structs.replace(QuorumOptions(provider="corosync_votequorum"), **options)
    totem = TotemOptions(config_version=version)
    return ClusterConfig(0, nodes, totem, (LinkOptions(0),), voting)


class Ring:
    """One ring: its members, and what was said on it in order."""

    def __init__(self, ring: RingId, members: tuple[int, ...]) -> None:
        self.id = ring
        self.members = members
        self.log: list[tuple[int, bytes]] = []


class Member:
    """One node that runs."""

    def __init__(self, node: int, file: ClusterConfig) -> None:
        self.id = node
        self.file: ClusterConfig | None = msgspec.structs.replace(file, local=node)
        config = msgspec.structs.replace(file, local=node)
        self.quorum = Quorum(config)
        self.reloads = Reloads(config)
        self.heard = config
        self.ring = Ring(RingId(0, node), (node,))
        self.place = 0
        self.rounds: list[Round] = []
        self.takes = 0
        self.answers: list[Answered] = []

    @property
    def listed(self) -> set[int]:
        """Whom it hears."""
        return {entry.nodeid for entry in self.heard.nodes}


class ReloadWorld:
    """Some nodes, all with the same file, on one ring."""

    def __init__(self, file: ClusterConfig) -> None:
        self.members = {entry.nodeid: Member(entry.nodeid, file) for entry in file.nodes}
        self.seq = 0
        self.form([tuple(self.members)])
        self.settle()

    def form(self, groups: list[tuple[int, ...]], *, sent: bool = False) -> None:
        """Let every group form a ring, as far as its nodes hear each other.

        `sent` says that all that was said on the rings before had been sent, and a part of it was lost.
        """
        for group in groups:
            rest = sorted(group)
            while rest:
                together = [
                    node for node in rest if self._hear_each_other(rest[0], node) or node == rest[0]
                ]
                together = self._clique(together)
                self._form(tuple(together), sent=sent)
                rest = [node for node in rest if node not in together]

    def _clique(self, nodes: list[int]) -> list[int]:
        kept: list[int] = []
        for node in nodes:
            if all(self._hear_each_other(node, other) for other in kept):
                kept.append(node)
        return kept

    def _hear_each_other(self, one: int, other: int) -> bool:
        return one in self.members[other].listed and other in self.members[one].listed

    def _form(self, group: tuple[int, ...], *, sent: bool) -> None:
        for ring in {
            self.members[node].ring.id: self.members[node].ring for node in group
        }.values():
            along = [node for node in group if self.members[node].ring is ring]
            self._end(ring, along, sent=sent)
        self.seq += 4
        ring = Ring(RingId(self.seq, group[0]), group)
        infos = {node: self.members[node].quorum.info() for node in group}
        standings = {node: self.members[node].reloads.standing for node in group}
        for node in group:
            self.members[node].ring, self.members[node].place = ring, 0
        for node in group:
            self._do(node, quorum.Synced(ring.id, group, infos))
        for node in group:
            member = self.members[node]
            quorate = member.quorum.quorate
            learnt = member.reloads.activated(ring.id, group, standings, quorate=quorate)
            self._perform(node, learnt)

    def _end(self, ring: Ring, along: list[int], *, sent: bool) -> None:
        """Deliver what those who come along have of a ring: to its first gap, then what they sent themselves."""
        place = max(self.members[node].place for node in along)
        said = len(ring.log)
        while sent and place < said and ring.log[place][0] in along:
            place += 1
        for node in along:
            while self.members[node].place < place:
                self.deliver(node)
        for node in along:
            self._do(node, quorum.RingLost())
            self.members[node].reloads.ring_lost()
        behind = [word for word in ring.log[place:said] if sent and word[0] in along]
        for node in along:
            for sender, data in behind:
                self._hear(node, sender, data)

    def deliver(self, node: int) -> bool:
        """Deliver the next message to one member; False if there is none."""
        member = self.members[node]
        if member.place >= len(member.ring.log):
            return False
        sender, data = member.ring.log[member.place]
        member.place += 1
        self._hear(node, sender, data)
        return True

    def _hear(self, node: int, sender: int, data: bytes) -> None:
        if data.startswith(MARK):
            self._perform(node, self.members[node].reloads.delivered(sender, data))
        else:
            self._do(node, quorum.InfoReceived(sender, data))

    def settle(self) -> None:
        """Deliver everything to everybody; files that are asked for are read."""
        busy = True
        while busy:
            # Each of them once, not only as far as the first that had something to do.
            done = [self.deliver(node) or self.read(node) for node in self.members]
            busy = any(done)

    def write(self, nodes: list[int], file: ClusterConfig | None) -> None:
        """Put a file on some hosts; None for one that cannot be read."""
        for node in nodes:
            told = None if file is None else msgspec.structs.replace(file, local=node)
            self.members[node].file = told

    def ask(self, node: int) -> None:
        """Reload, asked for at one node."""
        self._perform(node, self.members[node].reloads.asked(0, 1, "alice"))

    def read(self, node: int) -> bool:
        """Read the file that one node was asked to read; False if it was not."""
        member = self.members[node]
        if not member.rounds:
            return False
        file = member.file if member.file and node in _listed(member.file) else None
        said = member.reloads.read(
            member.rounds.pop(0), file, (), file="corosync.conf", verdict=member.quorum.verdict
        )
        self._perform(node, said)
        return True

    def give_up(self, node: int) -> None:
        """Let the asker's patience end."""
        self._perform(node, self.members[node].reloads.woken(NEVER - 1))

    def restart(self, node: int, file: ClusterConfig) -> None:
        """Start a daemon anew, or for the first time, from a file."""
        self.members[node] = Member(node, file)

    def reload(self, node: int) -> Answered:
        """Reload without any trouble; return the answer."""
        self.ask(node)
        self.settle()
        return self.members[node].answers[-1]

    def quorate(self) -> list[tuple[int, ...]]:
        """The rings of which some member says that it may act."""
        rings = {m.ring.id: m.ring.members for m in self.members.values() if m.quorum.quorate}
        return list(rings.values())

    def _do(self, node: int, event: quorum.Event) -> None:
        member = self.members[node]
        for effect in member.quorum.step(0, event):
            if isinstance(effect, quorum.SendInfo) and node in member.ring.members:
                member.ring.log.append((node, effect.data))

    def _perform(self, node: int, effects: list[ReloadEffect]) -> None:
        member = self.members[node]
        for effect in effects:
            match effect:
                case ReadFile(round_):
                    member.rounds.append(round_)
                case Say(data):
                    member.ring.log.append((node, data))
                case Promises(configs):
                    self._do(node, quorum.Promised(configs))
                    member.heard = member.reloads.config
                    for config in configs:
                        member.heard = both(member.heard, config)
                case Take(config):
                    member.takes += 1
                    member.heard = config
                    self._do(node, quorum.Reloaded(config))
                case Answered():
                    member.answers.append(effect)
                case _:
                    pass


def _listed(file: ClusterConfig) -> set[int]:
    return {entry.nodeid for entry in file.nodes}
