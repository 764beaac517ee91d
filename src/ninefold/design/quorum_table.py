"""The truth table of quorum: of every way a group can be cut, which part may act.

The verdicts are those of `ninefold.quorum`'s own machine: a ring of all, then a ring of those that
are left together. The witness (a quorum device) is played as one more member that votes for one part
only, which is what a device does. Where the model asks for another number of votes than a majority,
votes are compared with that number.

Theorem the table shows: two disjoint partitions both act only with `two_node` (then fencing alone
decides), without quorum, or with fewer votes asked for than a majority; and then a note says so.
"""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING, Final

import msgspec

from ninefold.config.model import ClusterConfig, NodeEntry, QuorumOptions, TotemOptions
from ninefold.core.ids import RingId
from ninefold.core.instants import NEVER
from ninefold.design.domains import supports
from ninefold.design.evidence import evidence_of
from ninefold.design.results import QuorumRow, QuorumTable
from ninefold.quorum.events import InfoReceived, SendInfo, Synced, Woke
from ninefold.quorum.machine import Quorum
from ninefold.quorum.threshold import configured_expected, majority, threshold

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ninefold.core.ids import NodeId
    from ninefold.design.model import Group, Infrastructure

# 2^8 partitions of at most eight voters can be read and compared pair by pair; more are told by votes.
VOTERS_MAX: Final = 8
_PROVIDER: Final = "corosync_votequorum"


class Voters(msgspec.Struct, frozen=True):
    """Who votes: nodes by id from 1, the witness last (id 0: none); and the votes asked for."""

    config: ClusterConfig
    names: dict[int, str]
    witness: int
    asked: int

    @property
    def real(self) -> bool:
        """Whether the machine's own threshold is the one asked for."""
        options = self.config.quorum
        own = threshold(self.expected, two_node=options.two_node, members=len(self.names))
        return not options.provider or self.asked == own

    @property
    def expected(self) -> int:
        """The expected votes, the witness's among them."""
        return max(configured_expected(self.config), self.votes(tuple(self.names)))

    def votes(self, members: Sequence[NodeId]) -> int:
        """Return the votes of members."""
        return sum(self.config.node(member).quorum_votes for member in members)


def quorum_table(model: Infrastructure, group: Group) -> QuorumTable:
    """Return the table of one group. Larger groups than `VOTERS_MAX` get a row for each count of votes."""
    voters = voters_of(group)
    if len(voters.names) <= VOTERS_MAX:
        verdicts = _every_partition(voters)
        rows = tuple(_row(voters, members, quorate) for members, quorate in verdicts.items())
    else:
        rows = tuple(_rows_by_votes(voters))
    return QuorumTable(
        group=group.name,
        expected=voters.expected,
        threshold=voters.asked,
        rows=rows,
        notes=tuple(_notes(model, group, voters, rows)),
    )


def voters_of(group: Group) -> Voters:
    """Return who votes, from the group's `corosync.conf` if it can be used, else from the model."""
    config = evidence_of(group).config
    if config is not None and config.nodes:
        options, device = config.quorum, config.quorum.device
        entries = [msgspec.structs.replace(node, links={}) for node in config.nodes]
        witness_votes = device.votes if device else 0
        witness_name = group.witness or "quorum device"
    else:
        asks = group.quorum > 0 or group.two_node
        options = QuorumOptions(
            provider=_PROVIDER if asks else "",
            two_node=group.two_node and len(group.nodes) == 2,
            wait_for_all=group.two_node,
        )
        entries = [
            NodeEntry(number, name, {}, group.votes.get(name, 1))
            for number, name in enumerate(group.nodes, 1)
        ]
        witness_votes = group.witness_votes if group.witness else 0
        witness_name = group.witness
    names = {entry.nodeid: entry.name for entry in entries}
    witness = 0
    if witness_votes:
        witness = max(names) + 1
        entries.append(NodeEntry(witness, witness_name, {}, witness_votes))
        names[witness] = witness_name
    played = ClusterConfig(
        local=entries[0].nodeid,
        nodes=tuple(sorted(entries, key=lambda entry: entry.nodeid)),
        totem=TotemOptions(),
        links=(),
        quorum=msgspec.structs.replace(options, device=None),
    )
    voters = Voters(played, names, witness, 0)
    own = threshold(voters.expected, two_node=options.two_node, members=len(names))
    if not options.provider:
        own = 0
    asked = group.quorum if config is None and group.quorum and not options.two_node else own
    return msgspec.structs.replace(voters, asked=asked)


def _every_partition(voters: Voters) -> dict[tuple[NodeId, ...], bool]:
    """Return the verdict for each set of members with a node in it; the largest first."""
    everybody = tuple(sorted(voters.names))
    player = _Player(voters) if voters.real else None
    verdicts = {}
    for count in range(len(everybody), 0, -1):
        for members in combinations(everybody, count):
            if members == (voters.witness,):
                continue
            quorate = player.after_split(members) if player else _counts(voters, members)
            verdicts[members] = quorate
    return verdicts


def _counts(voters: Voters, members: Sequence[NodeId]) -> bool:
    return voters.votes(members) >= voters.asked


class _Player:
    """All members on one ring, then some of them on the next: what quorum's machine says."""

    def __init__(self, voters: Voters) -> None:
        self._config = voters.config
        self._all = tuple(sorted(voters.names))
        self._cold = {node: self._machine(node).info() for node in self._all}
        self._told = {node: self._on_first_ring(node).info() for node in self._all}

    def _machine(self, node: NodeId) -> Quorum:
        return Quorum(msgspec.structs.replace(self._config, local=node))

    def _on_first_ring(self, node: NodeId) -> Quorum:
        machine = self._machine(node)
        first = RingId(1, self._all[0])
        machine.step(0, Synced(first, self._all, self._cold))
        # What each says on this ring is the same as what this machine would say in its place.
        for other in self._all:
            speaker = self._machine(other)
            said = speaker.step(0, Synced(first, self._all, self._cold))
            for effect in said:
                if isinstance(effect, SendInfo):
                    machine.step(0, InfoReceived(other, effect.data))
        return machine

    def after_split(self, members: tuple[NodeId, ...]) -> bool:
        """Return the verdict of `members` that have just lost the others."""
        machine = self._on_first_ring(members[0])
        if members != self._all:
            infos = {node: self._told[node] for node in members}
            machine.step(0, Synced(RingId(2, members[0]), members, infos))
        return machine.quorate

    def after_cold_start(self, members: tuple[NodeId, ...]) -> bool:
        """Return the verdict of `members` that have started and never seen the others."""
        machine = self._machine(members[0])
        infos = {node: self._cold[node] for node in members}
        machine.step(0, Synced(RingId(1, members[0]), members, infos))
        return machine.quorate

    def last_men(self) -> tuple[int, ...]:
        """Return the members left, step by step, when the highest leaves as often as quorum allows."""
        machine, counts, now = self._on_first_ring(self._all[0]), [len(self._all)], 0
        members = self._all
        told = dict(self._told)
        while len(members) > 1:
            members = members[:-1]
            sequence = 1 + len(counts)
            ring = RingId(sequence, members[0])
            machine.step(now, Synced(ring, members, {node: told[node] for node in members}))
            if not machine.quorate:
                return tuple(counts)
            counts.append(len(members))
            now = machine.deadline if machine.deadline < NEVER else now
            for effect in machine.step(now, Woke()):
                if isinstance(effect, SendInfo):
                    machine.step(now, InfoReceived(members[0], effect.data))
            told = self._retold(machine, members)
        return tuple(counts)

    def _retold(self, machine: Quorum, members: tuple[NodeId, ...]) -> dict[NodeId, bytes]:
        """Return what all members say: nodes have one vote each here, so all say the same."""
        return dict.fromkeys(members, machine.info())


def _row(voters: Voters, members: tuple[NodeId, ...], quorate: bool) -> QuorumRow:
    votes = voters.votes(members)
    verdict = "may act" if quorate else "must stop"
    reason = f"{votes} of {voters.expected} votes, {voters.asked} needed"
    if quorate and votes < voters.asked:
        reason += "; it holds the tie-breaking node"
    elif not voters.asked:
        reason = "no quorum is asked for"
    return QuorumRow(
        members=tuple(voters.names[member] for member in members),
        votes=votes,
        quorate=quorate,
        sentence=f"{verdict}: {reason}",
    )


def _rows_by_votes(voters: Voters) -> Iterator[QuorumRow]:
    for votes in range(voters.expected, 0, -1):
        quorate = votes >= voters.asked
        verdict = "may act" if quorate else "must stop"
        sentence = f"{verdict}: {votes} of {voters.expected} votes, {voters.asked} needed"
        if 2 * votes == voters.expected and voters.config.quorum.auto_tie_breaker:
            sentence = (
                f"may act only with the tie-breaking node: {votes} of {voters.expected} votes"
            )
        yield QuorumRow((f"any with {votes} votes",), votes, quorate, sentence)


def _notes(
    model: Infrastructure, group: Group, voters: Voters, rows: Sequence[QuorumRow]
) -> Iterator[str]:
    options = voters.config.quorum
    if len(voters.names) > VOTERS_MAX:
        yield f"{len(voters.names)} voters: rows count votes, not every partition."
    yield from _both_act(group, voters, rows)
    if options.provider and voters.real and len(voters.names) <= VOTERS_MAX:
        yield from _machine_notes(voters)
    if options.provider and voters.expected % 2 == 0 and not voters.witness:
        yield from _even_notes(voters)
    if options.provider and not voters.real:
        yield (
            f"The model asks for {voters.asked} votes; a majority of {voters.expected} is "
            f"{majority(voters.expected)}."
        )
    yield from _tolerance(group, voters)
    yield from _witness_notes(model, group, voters)


def _both_act(group: Group, voters: Voters, rows: Sequence[QuorumRow]) -> Iterator[str]:
    pair = acting_pair(rows)
    if pair is None and (len(voters.names) <= VOTERS_MAX or 2 * voters.asked > voters.expected):
        yield "No two disjoint partitions can both act."
        return
    if pair is None:
        told = f"two parts with {voters.asked} votes each"
    else:
        told = " and ".join("{" + ", ".join(side) + "}" for side in pair)
    judge = (
        "only fencing decides which of them goes on."
        if group.fencing_enabled
        else "and fencing is off, so nothing keeps both from writing."
    )
    yield f"Two disjoint partitions can both act, for example {told}: {judge}"


def acting_pair(rows: Sequence[QuorumRow]) -> tuple[tuple[str, ...], tuple[str, ...]] | None:
    """Return two partitions of the table that share nobody and may both act, or `None`."""
    acting = [(row.members, set(row.members)) for row in rows if row.quorate]
    for (one, here), (other, there) in combinations(reversed(acting), 2):
        if not here & there and not one[0].startswith("any with"):
            return one, other
    return None


def _machine_notes(voters: Voters) -> Iterator[str]:
    options, player = voters.config.quorum, _Player(voters)
    everybody = tuple(sorted(voters.names))
    nodes = tuple(node for node in everybody if node != voters.witness)
    if options.wait_for_all:
        less = nodes[:-1]
        waits = bool(less) and not player.after_cold_start(less)
        if waits:
            yield (
                "wait_for_all: after a full stop nothing starts until all nodes have been seen once."
            )
    elif options.two_node:
        yield (
            "wait_for_all is off with two_node: a node that starts while the link is cut fences "
            "the other, in turns."
        )
    if options.last_man_standing:
        counts = player.last_men()
        yield (
            f"last_man_standing: when nodes leave one at a time, each {options.last_man_standing_window / 1000:g} s "
            f"or more after the one before, {counts[-1]} of {len(nodes)} go on; losses closer together "
            "are judged by the table. Who was counted out may have quorum elsewhere when it comes back."
        )
    if options.allow_downscale:
        least = max(1, options.expected_votes)
        yield (
            f"allow_downscale: nodes that leave cleanly are no longer expected, down to {least} "
            f"vote{'s' * (least != 1)}; the table is for nodes that are lost."
        )
    if options.auto_tie_breaker:
        yield (
            f"auto_tie_breaker: of two equal halves the one with the {options.auto_tie_breaker_node} "
            "node goes on; if exactly that half is dead, nobody does."
        )


def _even_notes(voters: Voters) -> Iterator[str]:
    options, votes = voters.config.quorum, voters.expected
    if options.two_node or options.auto_tie_breaker or not voters.real:
        return
    yield (
        f"{votes} votes are even and there is no witness: split in equal halves, neither side has "
        f"{majority(votes)} votes and everything stops. Add a witness (quorum device) with one vote."
    )


def _tolerance(group: Group, voters: Voters) -> Iterator[str]:
    if not voters.asked:
        yield "No quorum is asked for: every partition may act, also several at once."
        return
    nodes = [node for node in voters.names if node != voters.witness]
    falling = sorted((voters.votes((node,)) for node in nodes), reverse=True)
    left, lost = voters.votes(tuple(voters.names)), 0
    for votes in falling:
        left -= votes
        needed = 1 if voters.config.quorum.two_node else voters.asked
        if left < needed or lost + 1 >= len(nodes):
            break
        lost += 1
    if not lost:
        yield "Quorum does not survive the loss of just any node."
        return
    yield (
        f"Quorum survives the loss of any {lost} node{'s' * (lost != 1)} at once"
        + (" while the witness answers." if voters.witness else ".")
    )
    if len(nodes) > 1 and group.needed > len(nodes) - lost:
        yield f"But {group.needed} nodes are needed, so fewer may be lost."


def _witness_notes(model: Infrastructure, group: Group, voters: Voters) -> Iterator[str]:
    if not voters.witness:
        return
    votes = voters.votes((voters.witness,))
    without = voters.votes(tuple(node for node in voters.names if node != voters.witness))
    if without < voters.asked:
        yield "Without the witness not even all nodes together have quorum: it is a single point of failure."
    if votes > 1 and votes + 1 >= voters.asked:
        yield f"With {votes} votes the witness makes any single node quorate."
    if not group.witness:
        return
    stands_on = (group.witness, *supports(model, group.witness))
    inside = [node for node in group.nodes if node in stands_on]
    if inside:
        yield f"The witness {group.witness} stands on the cluster's own {', '.join(inside)}: it falls with it."
        return
    common = witness_shares(model, group)
    if common:
        yield (
            f"The witness {group.witness} shares {', '.join(common)} with nodes of the group: put it "
            "into a third failure domain."
        )


def witness_shares(model: Infrastructure, group: Group) -> tuple[str, ...]:
    """Return the parts that both the witness and some node of the group stand on."""
    below = supports(model, group.witness)
    nodes = {part for node in group.nodes for part in (node, *supports(model, node))}
    return tuple(part for part in below if part in nodes)
