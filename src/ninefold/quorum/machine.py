"""May this partition act? The machine that answers, from what the members of a ring say.

Every member of a ring is told the same at the same point of the order, and computes the verdict from
that alone: so the same ring means the same verdict. What one node decides by itself (its timer, its
operator) becomes a `Proposal` that all members apply when it is delivered.

Quorum never proves that the other side has stopped; only fencing does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, assert_never

import msgspec

from ninefold.core.ids import NodeId, RingId
from ninefold.core.instants import NEVER, Instant
from ninefold.quorum import ballots, threshold, tie_breaker
from ninefold.quorum.events import (
    CancelWaitForAll,
    Effect,
    Event,
    InfoReceived,
    Promised,
    Refused,
    Reloaded,
    RingLost,
    SaveExpected,
    SendInfo,
    SetExpected,
    Synced,
    Verdict,
    Woke,
)
from ninefold.quorum.messages import BadInfoError, Memory, NodeInfo, Proposal, decode, encode

if TYPE_CHECKING:
    from ninefold.config.model import ClusterConfig
    from ninefold.quorum.messages import Ballot

_NO_RING: Final = RingId(0, 0)
# last_man_standing leaves two nodes at least, for one of two cannot tell which it is; the tie-breaker can.
_LAST_MEN: Final = 2


class Quorum:
    """One node's part in deciding whether its partition may act.

    `floor` is what `SaveExpected` kept before the restart, 0 for nothing.
    """

    def __init__(self, config: ClusterConfig, *, floor: int = 0) -> None:
        assert config.local == 0 or config.node(config.local).nodeid == config.local
        self._config = config
        self._options = config.quorum
        self._floor = floor if self._tracks else 0
        # A part that was once cut off must not take itself for all there is after it has restarted.
        self._expected = max(threshold.configured_expected(config), self._floor)
        self._counted: tuple[NodeId, ...] = ()
        self._ring = _NO_RING
        self._synced = False
        self._members: tuple[NodeId, ...] = ()
        self._infos: dict[NodeId, NodeInfo] = {}
        self._spoken: dict[NodeId, None] = {}
        self._waiting = self._options.wait_for_all
        self._memories: tuple[Memory, ...] = ()
        self._forgetful = False
        self._ballots: tuple[Ballot, ...] = (ballots.ballot_of(config),)
        self._agreed = self._differs = False
        self._verdict = Verdict(_NO_RING, not self._votes_count, 0, self._expected, 0, "")
        self._diminished = False
        self._last_man_at: Instant = NEVER
        self.bad_infos = 0

    @property
    def _votes_count(self) -> bool:
        return bool(self._options.provider)

    @property
    def _tracks(self) -> bool:
        return self._votes_count and self._options.expected_votes_tracking

    @property
    def quorate(self) -> bool:
        """The last verdict; without a provider always true, before the first ring else false."""
        return self._verdict.quorate

    @property
    def verdict(self) -> Verdict:
        """The last verdict in full."""
        return self._verdict

    @property
    def waiting(self) -> bool:
        """Whether wait_for_all holds this node back."""
        return self._waiting

    @property
    def infos(self) -> dict[NodeId, NodeInfo]:
        """What each member of the ring has said last, by node."""
        return dict(self._infos)

    @property
    def deadline(self) -> Instant:
        """Wake me no later than this."""
        return self._last_man_at

    def info(self) -> bytes:
        """Return this node's annex for the synchronisation barrier."""
        return encode(self._info())

    def step(self, now: Instant, event: Event) -> list[Effect]:
        """Take one event at `now`; return what is to be done, in order."""
        match event:
            case Synced():
                effects = self._on_synced(now, event)
            case InfoReceived(node, data):
                effects = self._on_info(now, node, data)
            case RingLost():
                self._synced = False
                self._last_man_at = NEVER
                effects = []
            case Woke():
                effects = self._on_woke(now)
            case SetExpected(votes):
                effects = self._on_set_expected(votes)
            case CancelWaitForAll():
                effects = self._on_cancel()
            case Promised(configs):
                # What is counted with on this ring stays; the next one is told of it.
                self._ballots = (self._ballots[0], *map(ballots.ballot_of, configs))
                effects = []
            case Reloaded(config):
                effects = self._on_reloaded(config)
            case _:
                assert_never(event)
        if self._tracks and self._expected > self._floor:
            # What is expected never falls on disk, only in memory.
            self._floor = self._expected
            effects = [SaveExpected(self._floor), *effects]
        self.check_invariants()
        return effects

    def check_invariants(self) -> None:
        """Assert what must hold between steps."""
        assert self._expected >= self._verdict.votes or not (self._votes_count and self._synced)
        assert not (self._waiting and self._verdict.quorate and self._votes_count)
        assert len(self._memories) <= tie_breaker.MEMORIES_MAX
        assert self._last_man_at == NEVER or (self._synced and self._verdict.quorate)

    def _on_synced(self, now: Instant, event: Synced) -> list[Effect]:
        assert self._config.local in event.members
        assert list(event.members) == sorted(event.members)
        gone = any(node not in event.members for node in self._members)
        lost = gone and self._verdict.quorate
        self._ring, self._members, self._synced = event.ring, event.members, True
        self._spoken = {}
        if not self._votes_count:
            return [self._judged(quorate=True, votes=len(event.members), reason=_NO_PROVIDER)]
        self._infos = self._brought_up(self._readable(event))
        behind = ballots.left_behind(self._infos)
        self._differs = any(info.ballots != self._ballots for info in self._infos.values())
        self._agreed |= any(
            info.agreed and info.ballots[:1] == self._ballots[:1] for info in self._infos.values()
        )
        self._expected, self._counted = threshold.agreed(
            info for node, info in self._infos.items() if node not in behind
        )
        if self._differs:
            # Who is in doubt may expect fewer by the old file than the new one does.
            asked = ballots.in_question(self._infos)
            self._expected = max(self._expected, *(ballot.expected for ballot in asked), 0)
        self._expected = max(self._expected, self._votes())
        was_quorate = any(info.quorate for info in self._infos.values())
        if self._options.allow_downscale and event.left_cleanly and was_quorate:
            # Those that left cleanly run nothing any more, so they need not be outvoted.
            self._counted = ()
            self._expected = max(self._options.expected_votes, self._votes())
        if any(info.quorate and not info.waiting for info in self._infos.values()):
            self._waiting = False
        self._judge()
        self._let_in()
        self._remember()
        self._watch_for_last_man(now, lost=lost)
        return [self._verdict, SendInfo(self.info())]

    def _on_info(self, now: Instant, node: NodeId, data: bytes) -> list[Effect]:
        try:
            message = decode(data)
        except BadInfoError:
            self.bad_infos += 1
            return []
        # What was said on another ring is about other members.
        if not self._synced or message.ring != self._ring or node not in self._members:
            return []
        match message:
            case NodeInfo():
                return self._on_node_info(node, message)
            case Proposal():
                return self._on_proposal(now, message)

    def _on_node_info(self, node: NodeId, info: NodeInfo) -> list[Effect]:
        if not self._votes_count:
            return []
        self._infos[node] = info
        self._spoken[node] = None
        if info.quorate and not info.waiting:
            self._waiting = False
        votes = self._votes()
        self._expected = max(self._expected, votes)
        effects = self._judge_again()
        if len(self._spoken) == len(self._members) and self._verdict.quorate:
            # All members have said that they are on this ring: the memories before it are void.
            self._memories = (Memory(self._ring, self._members),)
            self._forgetful = False
        return effects

    def _on_proposal(self, now: Instant, proposal: Proposal) -> list[Effect]:
        if not self._votes_count:
            return []
        before = self._info()
        if proposal.expected:
            self._counted = proposal.counted
            self._expected = max(proposal.expected, self._votes())
        if proposal.cancel:
            self._waiting = False
            self._infos = {
                node: msgspec.structs.replace(info, waiting=False)
                for node, info in self._infos.items()
            }
        effects = self._judge_again()
        if not self._verdict.quorate:
            self._last_man_at = NEVER
        if self._info() != before:
            effects.append(SendInfo(self.info()))
        return effects

    def _on_woke(self, now: Instant) -> list[Effect]:
        if now < self._last_man_at:
            return []
        self._last_man_at = NEVER
        votes = self._votes()
        least = 1 if self._options.auto_tie_breaker else _LAST_MEN
        if len(self._members) < least or votes >= self._expected:
            return []
        proposal = Proposal(self._ring, expected=votes, counted=self._members)
        return [SendInfo(encode(proposal))]

    def _on_set_expected(self, votes: int) -> list[Effect]:
        if not self._votes_count:
            return [Refused("There is no quorum provider, so no votes are expected.")]
        if not self._synced:
            return [Refused("The ring is re-forming; try again when it stands.")]
        present = self._all_votes()
        if votes < max(1, present):
            return [Refused(f"{votes} is less than the {present} votes that are present.")]
        if self.quorate and present < threshold.majority(votes):
            return [Refused(f"With {votes} expected votes this partition would lose quorum.")]
        return [SendInfo(encode(Proposal(self._ring, expected=votes)))]

    def _on_cancel(self) -> list[Effect]:
        if not self._synced:
            return [Refused("The ring is re-forming; try again when it stands.")]
        if not self._waiting:
            return [Refused("This node waits for nobody.")]
        return [SendInfo(encode(Proposal(self._ring, cancel=True)))]

    def _on_reloaded(self, config: ClusterConfig) -> list[Effect]:
        """Take votes and two_node; keep what corosync.conf(5) reads only at the start.

        wait_for_all is never armed by a reload: a running cluster would lose quorum by it.
        """
        before = threshold.configured_expected(self._config)
        self._config = config
        self._options = msgspec.structs.replace(
            self._options,
            two_node=config.quorum.two_node,
            expected_votes=config.quorum.expected_votes,
        )
        self._ballots = (ballots.ballot_of(config), *self._ballots[1:])
        self._agreed, self._differs = True, False
        wanted = threshold.configured_expected(config)
        if wanted != before:
            self._counted, self._expected = (), max(wanted, self._floor if self._tracks else 0)
        if not self._votes_count or not self._synced:
            return []
        # All members are told at the same point of the order, so what the others will say is known.
        votes = dict(self._ballots[0].votes)
        self._infos = {
            node: msgspec.structs.replace(
                info, votes=votes.get(node, info.votes), ballots=self._ballots[:1]
            )
            for node, info in self._infos.items()
        }
        self._expected = max(self._expected, self._votes())
        return [*self._judge_again(), SendInfo(self.info())]

    def _info(self) -> NodeInfo:
        # What a partition may expect by the file of others is nothing that this node's file knows of.
        floor = self._ballots[0].expected if self._differs else 0
        return NodeInfo(
            ring=self._ring,
            votes=self._config.node(self._config.local).quorum_votes,
            expected=max(self._expected, floor),
            quorate=self._verdict.quorate,
            waiting=self._waiting,
            memories=self._memories,
            forgetful=self._forgetful,
            counted=self._counted,
            ballots=self._ballots,
            agreed=self._agreed,
        )

    def _brought_up(self, infos: dict[NodeId, NodeInfo]) -> dict[NodeId, NodeInfo]:
        """Give members that were left behind the votes that the others' file gives them."""
        behind = ballots.left_behind(infos)
        if not behind:
            return infos
        votes = dict(ballots.in_question(infos)[-1].votes)
        return {
            node: msgspec.structs.replace(info, votes=votes.get(node, 0))
            if node in behind
            else info
            for node, info in infos.items()
        }

    def _readable(self, event: Synced) -> dict[NodeId, NodeInfo]:
        """Return the infos that can be read; a member without one has no vote."""
        infos = {}
        for node in event.members:
            try:
                info = decode(event.infos.get(node, b""))
            except BadInfoError:
                self.bad_infos += 1
                continue
            if isinstance(info, NodeInfo):
                infos[node] = info
            else:
                self.bad_infos += 1
        return infos

    def _votes(self) -> int:
        """Return the votes that are present and count."""
        return sum(
            info.votes
            for node, info in self._infos.items()
            if not self._counted or node in self._counted
        )

    def _all_votes(self) -> int:
        return sum(info.votes for info in self._infos.values())

    def _let_in(self) -> None:
        """Count those too that came back after they were no longer expected, now that there is quorum.

        Not before: theorem: of all parts into which a quorate partition breaks up at most one goes on, as each
        needs a majority of the votes that this partition counted with, and strangers to it add none. A part
        that has not heard of the lowering, because the ring broke just then, is no part of that partition.
        """
        new = [node for node in self._members if node not in self._counted]
        if self._counted and self._verdict.quorate and new:
            self._counted = tuple(sorted((*self._counted, *new)))
            self._expected += sum(self._infos[node].votes for node in new if node in self._infos)
            self._judge()

    def _judge(self) -> Verdict:
        """Give the verdict on what is known now; losing quorum arms wait_for_all again."""
        votes = self._votes()
        if votes == self._expected:
            self._waiting = False
        needed = threshold.threshold(
            self._expected, two_node=self._options.two_node, members=len(self._members)
        )
        tie_broken = self._options.auto_tie_breaker and tie_breaker.wins(
            self._members,
            self._infos.values(),
            self._options.auto_tie_breaker_node,
            votes=votes,
            expected=self._expected,
        )
        if self._waiting:
            missing = [n.nodeid for n in self._config.nodes if n.nodeid not in self._members]
            reason = f"Waiting until all nodes have been seen once: {_listed(missing)} missing."
            return self._judged(quorate=False, votes=votes, reason=reason)
        objection = ballots.objection(ballots.in_question(self._infos), self._members)
        if objection and (votes >= needed or tie_broken):
            self._waiting = self._options.wait_for_all
            return self._judged(quorate=False, votes=votes, reason=objection)
        if votes >= needed:
            reason = f"{votes} of {self._expected} votes are present; {needed} are needed."
            return self._judged(quorate=True, votes=votes, reason=reason)
        if tie_broken:
            reason = f"{votes} of {self._expected} votes are present, with the tie-breaking node."
            return self._judged(quorate=True, votes=votes, reason=reason)
        if self._options.wait_for_all:
            self._waiting = True
        reason = f"Only {votes} of {self._expected} votes are present; {needed} are needed."
        back = [node for node in self._members if self._counted and node not in self._counted]
        if back:
            reason += f" Back and not counted before there is quorum: {', '.join(map(str, back))}."
        return self._judged(quorate=False, votes=votes, reason=reason)

    def _judge_again(self) -> list[Effect]:
        before = self._verdict
        self._judge()
        self._let_in()
        return [self._verdict] if self._verdict != before else []

    def _judged(self, *, quorate: bool, votes: int, reason: str) -> Verdict:
        needed = threshold.threshold(
            self._expected, two_node=self._options.two_node, members=len(self._members)
        )
        self._verdict = Verdict(self._ring, quorate, votes, self._expected, needed, reason)
        return self._verdict

    def _remember(self) -> None:
        """Take over what the members remember, and add this membership if it is quorate."""
        memories = tie_breaker.relevant(self._infos.values())
        if self._verdict.quorate:
            memories.append(Memory(self._ring, self._members))
        self._forgetful = any(info.forgetful for info in self._infos.values())
        if len(memories) > tie_breaker.MEMORIES_MAX:
            self._forgetful = True
        self._memories = tuple(memories[-tie_breaker.MEMORIES_MAX :])

    def _watch_for_last_man(self, now: Instant, *, lost: bool) -> None:
        """Start the window anew: nodes that come and go keep the expected votes where they are.

        Only a quorate partition loses nodes: those that were never here since the start, or were on the other
        side when there was no quorum, may have a majority of their own.
        """
        missing = self._verdict.quorate and self._votes() < self._expected
        self._diminished = missing and (lost or self._diminished)
        if self._options.last_man_standing and self._diminished:
            self._last_man_at = now + self._options.last_man_standing_window
        else:
            self._last_man_at = NEVER


_NO_PROVIDER: Final = "There is no quorum provider: every partition may act."


def _listed(nodes: list[NodeId]) -> str:
    if not nodes:
        return "none of the listed nodes is"
    return f"node{'s' * (len(nodes) > 1)} {', '.join(map(str, nodes))} {'are' if len(nodes) > 1 else 'is'}"
