"""A virtual Corosync on every host: rings, groups and votes as the real one reports them.

What it keeps of the real one is what can hurt. A broken ring is told of when the new one stands; until
then, whoever has a message is given it. A member may lack what others were given (a gap), and after a gap
gets only the messages of those who come along (specification of Totem, section 5). Messages that
are sent meanwhile come out in the new ring. The quorum service speaks some milliseconds after CPG.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Final, TypeAlias

import msgspec

from ninefold.core.ids import NodeId, RingId
from ninefold.core.instants import Instant
from ninefold.corosync.events import (
    ClusterLost,
    Connected,
    GroupConfigured,
    GroupMessage,
    Process,
    Reason,
    TotemConfigured,
    VotesSeen,
)
from ninefold.node import events as ev

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ninefold.core.instants import Millis
    from ninefold.corosync.events import Report
    from ninefold.sim.host import Host
    from ninefold.sim.world import World

# How often cables, processes and powers are looked at, and rings that might merge.
LOOK_MS: Final[Millis] = 10
MERGE_MS: Final[Millis] = 200
# What one side may still send among itself before the token is missed.
TAIL_MS: Final[Millis] = 3
# The quorum service is this much later than CPG.
VOTES_MS: Final = (1, 6)
MESSAGE_MS: Final = (1, 2)
# Corosync adds four to the ring's number.
RING_STEP: Final = 4


class Join(msgspec.Struct, frozen=True):
    """A process joins the group."""

    process: Process


class Leave(msgspec.Struct, frozen=True):
    """A process leaves it, or is gone."""

    process: Process
    reason: Reason


Item: TypeAlias = Join | Leave | GroupMessage


class Entry(msgspec.Struct):
    """A message of a ring, and who has received it."""

    sender: NodeId
    item: Item
    has: list[NodeId]


class Ring(msgspec.Struct):
    """One ring: its order of messages, and how far each member is in it."""

    id: RingId
    members: tuple[NodeId, ...]
    log: list[Entry] = []
    next: dict[NodeId, int] = {}
    broken_at: Instant | None = None
    due: Instant = 0
    merging: bool = False


class Server:
    """The Corosync of one host."""

    def __init__(self, host: Host) -> None:
        self.host = host
        self.up = False
        self.ring: Ring | None = None
        self.pending: list[Item] = []
        self.group: list[Process] = []
        self.process: Process | None = None
        self.joined = False
        self.life = -1
        self.seq = 0
        self.last: Instant = 0
        self.waits_for_all = False


class VirtualCorosync:
    """All of them, and what lies between."""

    def __init__(self, world: World, seed: int) -> None:
        self.world = world
        self.rng = random.Random(f"corosync {seed}")  # noqa: S311 - a seed must give the same world
        self.servers = {node: Server(host) for node, host in world.hosts.items()}
        self.gaps = 0
        world.at(LOOK_MS, self._look)

    # What a node asks for.

    def perform(self, host: Host, request: ev.Connect | ev.Multicast | ev.Disconnect) -> None:
        """Do what a node asks its Corosync for."""
        server = self.servers[host.id]
        match request:
            case ev.Connect():
                self._connect(server)
            case ev.Multicast(data):
                if server.up and server.process is not None:
                    self._send(server, GroupMessage(server.process, data))
            case ev.Disconnect():
                self._part(server, Reason.LEAVE)

    def _connect(self, server: Server) -> None:
        self._part(server, Reason.PROCDOWN)
        server.life = server.host.life
        if not server.up:
            self.world.later(server.host, 1, ClusterLost("Corosync does not run."))
            return
        # A pid of its own for each connection would hide what the real one shows: it is the daemon's.
        server.process = Process(server.host.id, 100 + server.life)
        server.joined = False
        self._tell(server, Connected(server.process))
        self._tell_votes(server)
        self._send(server, Join(server.process))

    def _part(self, server: Server, reason: Reason) -> None:
        if server.process is None:
            return
        process, server.process = server.process, None
        server.joined = False
        if server.up:
            self._send(server, Leave(process, reason))

    # Power and programs.

    def kill(self, node: NodeId) -> None:
        """Let one Corosync die."""
        server = self.servers[node]
        if not server.up:
            return
        if server.process is not None:
            self._tell(server, ClusterLost("Corosync has ended."))
        self._reset(server)

    def start(self, node: NodeId) -> None:
        """Start it: a ring of its own, until it meets others."""
        server = self.servers[node]
        if server.up or not server.host.powered:
            return
        server.up = True
        quorum = self.world.config.quorum
        server.waits_for_all = quorum.wait_for_all
        server.seq += RING_STEP
        self._install(RingId(server.seq, node), [node], [])

    def _reset(self, server: Server) -> None:
        server.up = False
        if server.ring is not None:
            self._break(server.ring)
        server.ring = None
        server.process = None
        server.joined = False
        server.pending = []
        server.group = []

    # Time.

    def _look(self) -> None:
        self.world.at(LOOK_MS, self._look)
        for server in self.servers.values():
            if server.up and not server.host.powered:
                self._reset(server)
            if server.process is not None and server.life != server.host.life:
                self._part(server, Reason.PROCDOWN)
        for ring in self._rings():
            whole = self._intact(ring)
            if ring.broken_at is None and not whole:
                self._break(ring)
            elif ring.broken_at is not None and whole and not ring.merging:
                self._mended(ring)
        if self.world.now % MERGE_MS < LOOK_MS:
            self._meet()
        due = [r for r in self._rings() if r.broken_at is not None and self.world.now >= r.due]
        if due:
            self._form(due)

    def _rings(self) -> list[Ring]:
        found: list[Ring] = []
        for server in self.servers.values():
            if server.ring is not None and all(server.ring is not ring for ring in found):
                found.append(server.ring)
        return found

    def _runs(self, node: NodeId) -> bool:
        server = self.servers[node]
        return server.up and server.host.powered and not server.host.frozen

    def _reach(self, one: NodeId, other: NodeId) -> bool:
        if one == other:
            return True
        together = self._runs(one) and self._runs(other)
        return together and self.world.network.connected(one, other)

    def _whole(self, nodes: Iterable[NodeId]) -> bool:
        members = list(nodes)
        runs = all(self._runs(node) for node in members)
        return runs and all(self._reach(a, b) for a in members for b in members if a < b)

    def _intact(self, ring: Ring) -> bool:
        """Are all members still in it (none was started anew), and do they hear each other?"""
        return all(self.servers[n].ring is ring for n in ring.members) and self._whole(ring.members)

    def _break(self, ring: Ring) -> None:
        if ring.broken_at is None:
            timers = self.world.config.totem
            ring.broken_at = self.world.now
            ring.due = self.world.now + timers.token + timers.consensus

    def _mended(self, ring: Ring) -> None:
        """All hear each other again: before the token is missed nothing has happened, else form anew."""
        assert ring.broken_at is not None
        if self.world.now - ring.broken_at >= self.world.config.totem.token:
            ring.due = self.world.now
            return
        ring.broken_at = None
        for place, entry in enumerate(ring.log):
            entry.has = list(ring.members)
            for node in ring.members:
                if place >= ring.next[node]:
                    self._deliver(node, entry)
                    ring.next[node] = place + 1
        for node in ring.members:
            self._flush(self.servers[node], ring)

    def _flush(self, server: Server, ring: Ring) -> None:
        pending, server.pending = server.pending, []
        for item in pending:
            self._order(ring, server.host.id, item)

    def _meet(self) -> None:
        """Let rings that can hear each other form anew."""
        whole = [ring for ring in self._rings() if ring.broken_at is None]
        for index, ring in enumerate(whole):
            for other in whole[index + 1 :]:
                if self._whole((*ring.members, *other.members)):
                    for each in (ring, other):
                        self._break(each)
                        each.due = self.world.now + 2 * LOOK_MS
                        each.merging = True

    # Messages.

    def _send(self, server: Server, item: Item) -> None:
        ring = server.ring
        assert ring is not None
        node = server.host.id
        if ring.broken_at is None and not self._intact(ring):
            self._break(ring)
        late = ring.broken_at is not None and self.world.now - ring.broken_at > TAIL_MS
        if late or server.pending or not self._runs(node):
            server.pending.append(item)
            return
        self._order(ring, node, item)

    def _order(self, ring: Ring, sender: NodeId, item: Item) -> None:
        has = [
            node
            for node in ring.members
            if self.servers[node].ring is ring and self._reach(sender, node)
        ]
        if ring.broken_at is not None and self.rng.random() < 0.5:
            # The token was on its way: some of those who could have heard it have not.
            has = [node for node in has if node == sender or self.rng.random() < 0.5]
        ring.log.append(Entry(sender, item, has))
        for node in has:
            place = ring.next[node]
            while place < len(ring.log) and node in ring.log[place].has:
                self._deliver(node, ring.log[place])
                place += 1
            ring.next[node] = place

    def _deliver(self, node: NodeId, entry: Entry) -> None:
        server = self.servers[node]
        match entry.item:
            case Join(process):
                server.group.append(process)
                if process == server.process:
                    server.joined = True
                    self._tell_ring(server)
                change = GroupConfigured(tuple(sorted(server.group)), ((process, Reason.JOIN),))
                if server.joined:
                    self._tell(server, change)
            case Leave(process, reason):
                if process in server.group:
                    server.group.remove(process)
                    if server.joined:
                        members = tuple(sorted(server.group))
                        self._tell(server, GroupConfigured(members, (), ((process, reason),)))
            case GroupMessage(sender):
                if server.joined and sender in server.group:
                    self._tell(server, entry.item)

    def _tell(self, server: Server, report: Report) -> None:
        """Report to the local daemon, never before what was reported earlier."""
        world, host, life = self.world, server.host, server.life
        at = max(server.last, world.now + self.rng.randint(*MESSAGE_MS))
        server.last = at
        process = server.process

        def happen() -> None:
            mine = server.process == process or isinstance(report, ClusterLost)
            if host.life == life and host.powered and mine:
                world.post(host, report)

        world.at(at - world.now, happen)

    # A new ring.

    def _form(self, broken: list[Ring]) -> None:
        nodes = sorted(
            node
            for ring in broken
            for node in ring.members
            if self._runs(node) and self.servers[node].ring is ring
        )
        sides: list[list[NodeId]] = []
        for node in nodes:
            side = next((s for s in sides if all(self._reach(node, n) for n in s)), None)
            if side is None:
                sides.append([node])
            else:
                side.append(node)
        for side in sides:
            for ring in broken:
                movers = [node for node in side if self.servers[node].ring is ring]
                self._recover(ring, movers)
            seq = max(self.servers[node].seq for node in side) + RING_STEP
            self._install(RingId(seq, side[0]), side, broken)

    def _recover(self, ring: Ring, movers: list[NodeId]) -> None:
        """Give those who move on together what any of them has, up to a gap; beyond it only their own."""
        gap = False
        for place, entry in enumerate(ring.log):
            if not any(node in entry.has for node in movers):
                gap = True
                self.gaps += bool(movers)
            elif not gap or entry.sender in movers:
                for node in movers:
                    if place >= ring.next[node]:
                        self._deliver(node, entry)

    def _install(self, ring_id: RingId, members: list[NodeId], broken: list[Ring]) -> None:
        came = {
            node: [
                other
                for ring in broken
                if self.servers[node].ring is ring
                for other in members
                if self.servers[other].ring is ring
            ]
            for node in members
        }
        joined = {node: [p for p in self.servers[node].group if p.node == node] for node in members}
        ring = Ring(ring_id, tuple(members), [], dict.fromkeys(members, 0))
        everybody = sorted(process for found in joined.values() for process in found)
        for node in members:
            server = self.servers[node]
            known = list(server.group)
            stayed = [p for p in known if p.node in came[node] and p in everybody]
            left = tuple((p, Reason.NODEDOWN) for p in known if p not in stayed)
            if node not in came[node]:
                left = ()
            server.seq, server.ring, server.group = ring_id.seq, ring, list(everybody)
            new = tuple((p, Reason.NODEUP) for p in everybody if p not in stayed and p.node != node)
            if server.joined:
                order = [False, True] if self.rng.random() < 0.5 else [True, False]
                for totem_first in order:
                    if totem_first:
                        self._tell_ring(server)
                    elif left or new:
                        self._tell(server, GroupConfigured(tuple(everybody), new, left))
        for node in members:
            self._tell_votes(self.servers[node])
        for node in members:
            self._flush(self.servers[node], ring)

    # Votes.

    def _tell_ring(self, server: Server) -> None:
        assert server.ring is not None
        self._tell(server, TotemConfigured(server.ring.id, server.ring.members))

    def _tell_votes(self, server: Server) -> None:
        ring = server.ring
        assert ring is not None
        config = self.world.config
        votes = tuple((n, config.node(n).quorum_votes) for n in ring.members)
        expected = sum(entry.quorum_votes for entry in config.nodes)
        total = sum(count for _, count in votes)
        if total == expected:
            for node in ring.members:
                self.servers[node].waits_for_all = False
        waits = all(self.servers[node].waits_for_all for node in ring.members)
        needed = 1 if config.quorum.two_node else expected // 2 + 1
        seen = VotesSeen(ring.id, total >= needed and not waits, votes, total, expected, needed)
        host, life, process = server.host, server.life, server.process

        def happen() -> None:
            if host.life == life and host.powered and server.process == process and process:
                self.world.post(host, seen)

        self.world.at(self.rng.randint(*VOTES_MS), happen)
