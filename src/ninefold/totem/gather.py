"""GATHER: agree with all that can be heard on who shall be in the next ring.

Section 3.4 of the specification. A proposal is two sets, `proc` (all that were heard of) and `fail`
(those that shall not be in it). A node *consents* when its own latest join says the same two sets.
When all of proc - fail consent, the lowest of them creates the commit token.

Besides Totem's consensus timeout there is one more way into `fail`: a node that all who live agree
is dead, by the evidence of its kernel (`ring_evidence`), is not waited for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ninefold.core.instants import NEVER
from ninefold.totem.messages import Join
from ninefold.totem.reachability import Matrix
from ninefold.totem.ring_core import RingState, Timer

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ninefold.core.ids import NodeId
    from ninefold.core.instants import Instant
    from ninefold.totem.commit import Commit
    from ninefold.totem.ring_core import Core

# Joins in a row that say that nodes do not hear each other: a join that was lost, or a node that has just
# been heard of by one and not yet by the other, is over after two or three.
ODDS_JOINS: Final = 10

# The word under which it is noted that a peer says of itself that it fails to receive.
DEAF: Final = "peer-fails-to-receive"


class Gather:
    """One member's side of the agreement."""

    def __init__(self, core: Core, commit: Commit) -> None:
        self._core = core
        self._commit = commit
        self._joins: dict[NodeId, Join] = {}
        self._dead: frozenset[NodeId] = frozenset()
        self._since: Instant = 0
        # Since when nodes that live do not hear each other.
        self._odds_since: Instant = NEVER
        self._noted_paused: frozenset[NodeId] = frozenset()

    def enter(self, now: Instant, why: str) -> None:
        """Begin, or begin anew with changed sets: say what we propose, restart the timers."""
        core = self._core
        again = core.state is RingState.GATHER
        if not again:
            self._joins.clear()
            self._dead = frozenset()
            self._since = now
            self._odds_since = NEVER
            core.note("gather", f"A new membership is sought: {why}.", sorted(core.proc))
        core.state = RingState.GATHER
        core.forming = None
        core.sent_token = None
        core.loop.clear()
        core.proc |= {core.me}
        core.cancel(
            Timer.TOKEN_LOSS,
            Timer.TOKEN_RETRANSMIT,
            Timer.TOKEN_WARNING,
            Timer.HOLD,
            Timer.MERGE,
        )
        core.arm(Timer.CONSENSUS, now + core.options.consensus)
        core.arm(Timer.EVIDENCE, now)
        if core.options.send_join:
            core.arm(Timer.SEND_JOIN, now + core.rng.randrange(core.options.send_join + 1))
            core.arm(Timer.JOIN, now + core.options.join + core.options.send_join)
        elif again:
            # After whatever else has already arrived: one join for a burst of news.
            core.arm(Timer.SEND_JOIN, now)
        else:
            self.send_join(now)

    def on_join_timer(self, now: Instant) -> None:
        """Say again what we propose; look whether all hear each other, whether all agree."""
        self.send_join(now)
        if self._core.state is RingState.GATHER:
            self._divide(now)
        self.conclude(now)

    def send_join(self, now: Instant) -> None:
        """Say what we propose; say it again after `join`."""
        core = self._core
        core.cancel(Timer.SEND_JOIN)
        core.arm(Timer.JOIN, now + core.options.join)
        core.multicast(
            Join(
                core.ring_seq,
                tuple(sorted(core.proc)),
                tuple(sorted(core.fail)),
                tuple(sorted(self._dead)),
                hears=core.hears(now),
            )
        )

    def on_join(self, now: Instant, sender: NodeId, join: Join) -> None:
        """Take a proposal of another node, in any state but STOPPED."""
        core = self._core
        if core.paused(now):
            # It was sent while we were not there; what it says may be long over.
            return core.drop("join-after-pause")
        if not self._counts(sender, join):
            return core.drop("join-stale")
        if self._rests(now, sender):
            return core.drop("join-of-resting")
        core.ring_seq = max(core.ring_seq, join.ring_seq)
        self._hear(sender)
        gathering = core.state is RingState.GATHER
        if not gathering:
            self._joins.clear()
        if join.hears:
            core.rows[sender] = join.hears
        core.asked_in = core.asked_in - {sender} if join.leaving else core.asked_in | {sender}
        if sender in core.fail:
            return core.drop("join-failed-sender")
        self._joins[sender] = join
        changed = self._merge(now, sender, join)
        if changed or not gathering:
            joins = dict(self._joins)
            self.enter(now, f"{sender} {'leaves' if join.leaving else 'joins'}")
            self._joins = joins
        self.judge(now)
        return self.conclude(now)

    def on_foreign(self, now: Instant, sender: NodeId) -> None:
        """A frame of another ring shows that `sender` can be heard: ask it in."""
        core = self._core
        if core.state is RingState.GATHER and sender in core.proc:
            return None
        if self._rests(now, sender):
            return core.drop("foreign-of-resting")
        if core.in_vain.resting(now, sender):
            # It lets us rest, or cannot hear us. Its own join is welcome at any time.
            return core.drop("foreign-asked-in-vain")
        core.note("foreign", f"Node {sender} is in another ring.", (sender,))
        core.proc |= {sender}
        core.invited |= {sender}
        return core.enter_gather(now, f"{sender} is in another ring")

    def on_consensus_timeout(self, now: Instant) -> None:
        """Fail those that have not consented; if all have, the commit token is what is missing."""
        core = self._core
        waiting = [node for node in sorted(core.proc - core.fail) if not self._consents(node)]
        if not waiting:
            self._joins.clear()
            return self.enter(now, "the commit token did not come")
        core.fail |= frozenset(waiting)
        core.note("gather", "Some have not agreed in time.", waiting)
        self.enter(now, "some have not agreed in time")
        return self.conclude(now)

    def judge(self, now: Instant) -> None:
        """Renew our evidence, and fail those that all who live agree are dead."""
        core = self._core
        if core.state is not RingState.GATHER:
            return
        listed = core.proc & frozenset(core.peers)
        dead = core.evidence.dead(now, sorted(listed - {core.me}))
        if dead != self._dead:
            self._dead = dead
            core.arm(Timer.SEND_JOIN, now)
        self._note_paused(now)
        suspects = dead - core.fail
        if not suspects:
            return
        witnesses = sorted(core.proc - core.fail - dead - {core.me})
        agreed = [node for node in sorted(suspects) if self._all_say(witnesses, node)]
        if agreed:
            core.note("peer-dead", "Neither they nor their kernels show a sign of life.", agreed)
            core.fail |= frozenset(agreed)
            self.enter(now, "some are dead")
            self.conclude(now)

    def conclude(self, now: Instant) -> None:
        """If all consent, and it is on us, go on to COMMIT."""
        core = self._core
        if core.state is not RingState.GATHER:
            return
        if core.failed_to_receive and self._joins:
            # Some node has seen that we fail ourselves: form a ring of our own.
            if not any(self._says_ours(join) for join in self._joins.values()):
                return
            core.proc, core.fail = frozenset((core.me,)), frozenset()
            self._commit.create(now)
            return
        agreed = sorted(core.proc - core.fail)
        if not agreed or agreed[0] != core.me:
            return
        if not all(self._consents(node) for node in agreed):
            return
        if self._at_odds(now):
            return  # the commit token would not come around
        if core.proc == {core.me} and now - self._since < core.options.join:
            return  # just started: others may answer within a join interval
        self._commit.create(now)

    def _matrix(self, now: Instant) -> Matrix:
        rows = {node: join.hears for node, join in self._joins.items() if join.hears}
        return Matrix({**rows, self._core.me: self._core.hears(now)})

    def _at_odds(self, now: Instant) -> frozenset[NodeId]:
        """Return the nodes to agree with that somebody hears; empty if all of them hear each other.

        Of a node that nobody hears the matrix says nothing: it may be paused, and is waited for.
        """
        core = self._core
        matrix = self._matrix(now)
        heard = matrix.heard(core.proc - core.fail) | {core.me}
        return frozenset() if matrix.whole(heard) else heard

    def _divide(self, now: Instant) -> None:
        """Go on with our group if nodes that live have not heard each other for long enough."""
        core = self._core
        nodes = self._at_odds(now)
        if not nodes:
            self._odds_since = NEVER
            return
        self._odds_since = min(self._odds_since, now)
        apart = nodes - self._matrix(now).group_of(core.me, nodes)
        if now - self._odds_since < ODDS_JOINS * core.options.join:
            return
        core.fail |= apart
        core.note("apart", "Some are heard, but do not hear all of us.", sorted(apart))
        self._odds_since = NEVER
        self.enter(now, "some do not hear each other")

    def _rests(self, now: Instant, sender: NodeId) -> bool:
        """Whether a stranger that nobody has proposed yet has disturbed us too often lately."""
        return sender not in self._core.proc and self._core.strikes.resting(now, sender)

    def _counts(self, sender: NodeId, join: Join) -> bool:
        """Tell a proposal that matters from a late packet."""
        core = self._core
        installed = core.installed
        if join.leaving:
            known = sender in (core.forming.members if core.forming else core.proc)
            return known and join.ring_seq >= installed.ring.seq
        match core.state:
            case RingState.OPERATIONAL:
                late = sender in installed.members and join.ring_seq < installed.ring.seq
                return not late and core.me not in join.fail
            case RingState.COMMIT | RingState.RECOVERY:
                forming = core.forming
                assert forming is not None
                return sender in forming.members and join.ring_seq >= forming.ring.seq
            case _:
                return True

    def _merge(self, now: Instant, sender: NodeId, join: Join) -> bool:
        """Take over what the proposal adds; True if our own changed."""
        core = self._core
        proc, fail = frozenset(join.proc), frozenset(join.fail)
        before = (core.proc, core.fail)
        if join.leaving:
            core.fail |= {sender}
            core.note("leave", f"Node {sender} leaves the ring.", (sender,))
            return True
        if proc <= core.proc and fail <= core.fail:
            return False
        if sender in fail:
            core.note(DEAF, f"Node {sender} misses what the ring has sent to it.", (sender,))
        core.proc |= proc
        self._refuse_unlisted()
        if core.me in fail:
            core.fail |= {sender}
        elif sender in core.installed.members:
            core.fail |= fail
        elif self._forsakes_ours(now, fail):
            core.fail |= {sender}
        else:
            core.fail |= fail
        return before != (core.proc, core.fail)

    def _refuse_unlisted(self) -> None:
        """Fail nodes that our nodelist does not have: there is no address to send them a token to.

        Saying so keeps the rest together: a member whose file has more nodes than ours gives them up.
        """
        core = self._core
        unlisted = core.proc - core.fail - frozenset(core.peers)
        if unlisted:
            core.note(
                "unlisted",
                "They are not in the nodelist here: give all nodes the same corosync.conf. A node that was away"
                " while they were added: restart its daemon with the new file.",
                sorted(unlisted),
            )
            core.fail |= unlisted

    def _forsakes_ours(self, now: Instant, fail: frozenset[NodeId]) -> bool:
        """Whether a stranger wants a ring without a member of ours that we do hear.

        Totem would take its word and Corosync would wait for its agreement, which cannot come, so
        that rings chase each other for many consensus timeouts (issues 506 and 760). We part from
        the stranger at once: it finds us again after its own ring is installed, with no grudge.
        """
        core = self._core
        ours = fail & frozenset(core.installed.members)
        return any(not core.evidence.silent(now, node) for node in sorted(ours))

    def _note_paused(self, now: Instant) -> None:
        """Tell, once each, who is silent though its kernel answers."""
        core = self._core
        paused = frozenset(
            node
            for node in core.proc - core.fail - {core.me}
            if core.evidence.silent(now, node) and core.evidence.kernel_lives(node)
        )
        news = sorted(paused - self._noted_paused)
        if news:
            core.note("peer-paused", "Silent, but their kernels answer: waited for.", news)
            self._noted_paused |= paused

    def _hear(self, sender: NodeId) -> None:
        if sender in self._noted_paused:
            self._noted_paused -= {sender}
            self._core.note("peer-alive", f"Node {sender} speaks again.", (sender,))

    def _says_ours(self, join: Join) -> bool:
        core = self._core
        same = frozenset(join.proc) == core.proc and frozenset(join.fail) == core.fail
        return same and not join.leaving

    def _consents(self, node: NodeId) -> bool:
        join = self._joins.get(node)
        return node == self._core.me or (join is not None and self._says_ours(join))

    def _all_say(self, witnesses: Iterable[NodeId], node: NodeId) -> bool:
        """Whether every witness has told us that `node` is dead, or failed already."""
        for witness in witnesses:
            join = self._joins.get(witness)
            if join is None or node not in (*join.dead, *join.fail):
                return False
        return True
